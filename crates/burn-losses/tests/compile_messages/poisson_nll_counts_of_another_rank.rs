//! Counts of shape [N] for the outputs [N, 1] of a linear layer.
use burn_losses::burn::tensor::{Int, Tensor};
use burn_losses::prelude::*;

pub fn train(predictions: Tensor<2>, counts: Tensor<1, Int>) -> Tensor<1> {
    PoissonNllLoss::new().forward(predictions, counts)
}

//~ is not a target of counts for predictions of rank 2
//~ counts without an axis of length 1, [N] for [N, 1]: add it with `targets.unsqueeze_dim::<2>(1)`
