//! Signs of shape [N] for logits of shape [N, C].
use burn_losses::burn::tensor::{Int, Tensor};
use burn_losses::prelude::*;

pub fn train(logits: Tensor<2>, signs: Tensor<1, Int>) -> Tensor<1> {
    SoftMarginLoss::new().forward(logits, signs)
}

//~ is not a tensor of signs for input of rank 2
//~ signs of another rank than the input: bring both to one shape with `reshape`
