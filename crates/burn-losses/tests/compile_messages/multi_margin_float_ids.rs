//! Class ids stored as floats.
use burn_losses::burn::tensor::Tensor;
use burn_losses::prelude::*;

pub fn train(logits: Tensor<2>, ids: Tensor<1>) -> Tensor<1> {
    MultiMarginLoss::new().forward(logits, ids)
}

//~ is not a tensor of class ids for input of rank 2
//~ class ids stored as floats: convert them with `targets.int()`
