//! Losses of boxes, as any other loss of rows.

use super::rows::{AnyRowLoss, TensorRow};
use crate::engine::host::boxes::{BoxRows, SIDES};
use crate::engine::host::row_kernel::HostRows;
use crate::engine::portable::elementwise::TensorTerms;
use crate::engine::portable::tensors::AXIS;
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
        let operands: Vec<Tensor<3>> = boxes.iter().flat_map(columns).collect();
        let mut found = self.all.run(&operands, &self.parameters).into_iter();
        TensorTerms {
            value: found.next().expect("a formula has a loss"),
            slopes: vec![Tensor::cat(found.collect(), AXIS), boxes[1].zeros_like()],
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
