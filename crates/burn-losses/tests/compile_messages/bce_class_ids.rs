//! The target of a multi-class loss given to a binary one.
use burn_losses::burn::tensor::{Int, Tensor};
use burn_losses::prelude::*;

pub fn train(probs: Tensor<2>, ids: Tensor<1, Int>) -> Tensor<1> {
    BceLoss::new().forward(probs, ids)
}

//~ is not a binary target for input of rank 2
//~ the target of this must be a label for each element: a float (0 to 1), Int (0 or 1) or Bool tensor of rank 2
//~ class ids: use `CrossEntropyLoss`, or convert them with `burn_losses::target::one_hot`
