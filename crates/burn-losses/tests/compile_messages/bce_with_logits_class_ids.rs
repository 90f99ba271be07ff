//! The target of a multi-class loss given to a binary one: the swap this crate is about.
use burn_losses::burn::tensor::{Int, Tensor};
use burn_losses::prelude::*;

pub fn train(logits: Tensor<2>, ids: Tensor<1, Int>) -> Tensor<1> {
    BceWithLogitsLoss::new().forward(logits, ids)
}

//~ is not a binary target for input of rank 2
//~ the target of this must be a label for each element: a float (0 to 1), Int (0 or 1) or Bool tensor of rank 2
//~ class ids: use `CrossEntropyLoss`, or convert them with `burn_losses::target::one_hot`
