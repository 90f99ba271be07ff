//! The cross-entropy of a softmax and a place between two of its classes, as any other loss of rows.

use super::rows::{AnyRowLoss, TensorRow};
use crate::engine::host::distribution::BetweenClasses;
use crate::engine::host::row_kernel::HostRows;
use crate::engine::portable::elementwise::TensorTerms;
use crate::engine::portable::softmax::Softmax;
use crate::engine::portable::tensors::AXIS;
use crate::spec::softmax::cross_entropy_slope;
use alloc::vec;
use burn::tensor::{Int, Tensor};

impl AnyRowLoss<1> for BetweenClasses {
    fn on_host(&self) -> &dyn HostRows<1> {
        self
    }

    fn on_tensors(&self, [x]: [Tensor<3>; 1], row: TensorRow) -> TensorTerms {
        let TensorRow::Number(places) = row else {
            unreachable!("each row has a place")
        };
        let shape = x.dims();
        let count = shape[AXIS];
        let places = places.clamp(0.0, (count - 1) as f64).expand(shape);
        let ids =
            Tensor::<1, Int>::arange(0..count as i64, (&x.device(), burn::tensor::DType::I32));
        let ids: Tensor<3> = ids
            .cast(burn::tensor::FloatDType::from(x.dtype()))
            .reshape([1, count, 1]);
        // A class has what its distance from the place lacks of 1.
        let q = ((ids.expand(shape) - places).abs() * -1.0 + 1.0).clamp_min(0.0);
        let softmax = Softmax::new(x);
        let half = softmax.half_log_prob();
        let none = q.clone().equal_scalar(0.0);
        let terms = (-half * q.clone()).mask_fill(none, 0.0);
        let value = terms.sum_dim(AXIS) * 2.0;
        let (prob, rest) = softmax.prob_and_rest();
        let of_rest = -q.clone() + 1.0;
        TensorTerms {
            value,
            slopes: vec![cross_entropy_slope(prob, rest, q, of_rest)],
        }
    }
}
