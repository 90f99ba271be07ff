//! The target of a loss for one class of several given to one for any number of labels.
use burn_losses::burn::tensor::{Int, Tensor};
use burn_losses::prelude::*;

pub fn train(logits: Tensor<2>, ids: Tensor<1, Int>) -> Tensor<1> {
    MultiLabelSoftMarginLoss::new().forward(logits, ids)
}

//~ is not a binary target for input of rank 2
//~ or convert them with `burn_losses::target::one_hot`
