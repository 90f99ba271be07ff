//! Variances stored as integers.
use burn_losses::burn::tensor::{Int, Tensor};
use burn_losses::prelude::*;

pub fn train(predictions: Tensor<2>, targets: Tensor<2>, variance: Tensor<2, Int>) -> Tensor<1> {
    GaussianNllLoss::new().forward(predictions, targets, variance)
}

//~ is not a variance for predictions of rank 2
//~ a variance of Int: convert it with `variance.float()`
