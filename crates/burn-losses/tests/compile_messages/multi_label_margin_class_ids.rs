//! The target of a loss for one class of several.
use burn_losses::burn::tensor::{Int, Tensor};
use burn_losses::prelude::*;

pub fn train(logits: Tensor<2>, ids: Tensor<1, Int>) -> Tensor<1> {
    MultiLabelMarginLoss::new().forward(logits, ids)
}

//~ is not a tensor of label ids for logits of rank 2
//~ a single class id per sample: use `MultiMarginLoss`
