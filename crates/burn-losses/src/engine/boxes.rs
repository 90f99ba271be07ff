//! Losses of boxes, as any other loss of rows.

use super::rows::{AnyRowLoss, TensorRow};
use crate::engine::host::boxes::{BoxRows, SIDES, large};
use crate::engine::host::row_kernel::HostRows;
use crate::engine::portable::elementwise::TensorTerms;
use crate::engine::portable::tensors::AXIS;
use crate::real::Real;
use alloc::vec;
use alloc::vec::Vec;
use burn::tensor::{Bool, Tensor};

impl AnyRowLoss<2> for BoxRows {
    fn on_host(&self) -> &dyn HostRows<2> {
        self
    }

    fn on_tensors(&self, boxes: [Tensor<3>; 2], _: TensorRow) -> TensorTerms {
        let columns = |of: &Tensor<3>| -> Vec<Tensor<3>> {
            (0..SIDES)
                .map(|side| of.clone().slice_dim(AXIS, side..side + 1))
                .collect()
        };
        let [of_one, of_other] = boxes.each_ref().map(|of| of.clone().abs().max_dim(AXIS));
        let largest = of_one.max_pair(of_other);
        let large = large(largest.is_double());
        let is_large = largest.clone().greater_scalar(large);
        let unit = (largest * (1.0 / large)).recip() * 0.5;
        let unit = unit.ones_like().mask_where(is_large, unit);
        let operands = boxes.iter().flat_map(columns);
        let operands: Vec<Tensor<3>> = operands.map(|of| of * unit.clone()).collect();
        let mut found = self.all.run(&operands, &self.parameters).into_iter();
        let value = found.next().expect("a formula has a loss");
        let slopes = Tensor::cat(found.collect(), AXIS);
        let unit = unit.expand(slopes.dims());
        TensorTerms {
            value,
            slopes: vec![slopes * unit, boxes[1].zeros_like()],
        }
    }

    fn rows_hold(&self, [_, targets]: &[Tensor<3>; 2]) -> Option<Tensor<3, Bool>> {
        let last = targets.clone().slice_dim(AXIS, 2..SIDES);
        let sizes = if self.by_edges {
            last - targets.clone().slice_dim(AXIS, 0..2)
        } else {
            last
        };
        Some(sizes.greater_equal_scalar(0.0).all_dim(AXIS))
    }
}
