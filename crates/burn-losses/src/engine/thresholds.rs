//! A loss at each threshold between ranks, as any other loss of rows.

use super::rows::{AnyRowLoss, TensorRow};
use crate::engine::host::row_kernel::HostRows;
use crate::engine::host::thresholds::Thresholds;
use crate::engine::portable::elementwise::TensorTerms;
use crate::engine::portable::tensors::{AXIS, along_axis, wide};
use crate::real::Real;
use alloc::vec::Vec;
use burn::tensor::{Bool, FloatDType, Tensor};

impl AnyRowLoss<1> for Thresholds {
    fn on_host(&self) -> &dyn HostRows<1> {
        self
    }

    fn on_tensors(&self, [x]: [Tensor<3>; 1], row: TensorRow) -> TensorTerms {
        let TensorRow::Number(ranks) = row else {
            unreachable!("each row has a rank")
        };
        let (shape, dtype) = (x.dims(), x.dtype());
        let x = wide(x);
        let (device, computed) = (x.device(), x.dtype());
        let ids: Vec<f64> = (0..shape[AXIS]).map(|id| id as f64).collect();
        let ids = along_axis(&ids, &device, ranks.dtype()).expand(shape);
        let ranks = ranks.expand(shape);
        let number = |mask: Tensor<3, Bool>| mask.cast(FloatDType::from(computed));
        let levels = number(ranks.clone().greater(ids.clone()));
        let mut counts = along_axis(&self.importance, &device, computed).expand(shape);
        if self.until_rank {
            counts = counts * number(ranks.greater_equal(ids));
        }
        let TensorTerms { value, slopes } = self.definition.on_tensors(&[x, levels], None, 1);
        let value = value.times_or_zero(counts.clone() * self.part());
        let slopes = slopes.into_iter();
        TensorTerms {
            value: value.sum_dim(AXIS).cast(dtype),
            slopes: slopes
                .map(|slope| slope.times_or_zero(counts.clone()).cast(dtype))
                .collect(),
        }
    }
}
