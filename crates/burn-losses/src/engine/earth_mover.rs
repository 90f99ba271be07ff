//! The earth mover's distance, as any other loss of rows.

use super::rows::{AnyRowLoss, TensorRow};
use crate::engine::host::earth_mover::EarthMover;
use crate::engine::host::row_kernel::HostRows;
use crate::engine::portable::elementwise::TensorTerms;
use crate::engine::portable::softmax::Softmax;
use crate::engine::portable::tensors::{AXIS, wide};
use alloc::vec;
use burn::tensor::Tensor;

impl AnyRowLoss<1> for EarthMover {
    fn on_host(&self) -> &dyn HostRows<1> {
        self
    }

    fn on_tensors(&self, [x]: [Tensor<3>; 1], row: TensorRow) -> TensorTerms {
        let TensorRow::Class(is_class) = row else {
            unreachable!("each row has a class")
        };
        let (shape, dtype) = (x.dims(), x.dtype());
        let (prob, _) = Softmax::new(wide(x)).prob_and_rest();
        let one_hot = prob.zeros_like().mask_fill(is_class, 1.0);
        // From the class on a cumulative probability is measured from above: what is left of a difference from 1 would
        // lose digits.
        let reached = one_hot.cumsum(AXIS).equal_scalar(0.0).bool_not();
        let from_here = prob.clone().flip([AXIS]).cumsum(AXIS).flip([AXIS]);
        let last = prob.zeros_like().slice_dim(AXIS, 0..1);
        let after = Tensor::cat(vec![from_here.slice_dim(AXIS, 1..shape[AXIS]), last], AXIS);
        let gap = prob.clone().cumsum(AXIS).mask_where(reached, -after);
        let value = gap.clone().square().sum_dim(AXIS);
        let of_prob = gap.flip([AXIS]).cumsum(AXIS).flip([AXIS]) * 2.0;
        let mean = (of_prob.clone() * prob.clone()).sum_dim(AXIS).expand(shape);
        TensorTerms {
            value: value.cast(dtype),
            slopes: vec![(prob * (of_prob - mean)).cast(dtype)],
        }
    }
}
