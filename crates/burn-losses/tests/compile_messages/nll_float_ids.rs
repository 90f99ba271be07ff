//! Class ids stored as floats.
use burn_losses::burn::tensor::Tensor;
use burn_losses::prelude::*;

pub fn train(log_probs: Tensor<2>, ids: Tensor<1>) -> Tensor<1> {
    NllLoss::new().forward(log_probs, ids)
}

//~ is not a tensor of class ids for input of rank 2
//~ the target of this must be class ids: an Int tensor of one rank less than the input
//~ class ids stored as floats: convert them with `targets.int()`
