//! Weights of shape [N, 1] for a loss of shape [N].
use burn_losses::burn::tensor::{Int, Tensor};
use burn_losses::prelude::*;

pub fn train(logits: Tensor<2>, ids: Tensor<1, Int>, weights: Tensor<2>) -> Tensor<1> {
    CrossEntropyLoss::new().forward_weighted(logits, ids, weights)
}

//~ cannot weight an unreduced loss of type
//~ the weights of this must be a float or Bool tensor: one weight per element of the loss, or one per sample of shape [N]
