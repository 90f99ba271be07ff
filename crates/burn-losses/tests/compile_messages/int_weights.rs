//! A mask stored as integers.
use burn_losses::burn::tensor::{Int, Tensor};
use burn_losses::prelude::*;

pub fn train(logits: Tensor<2>, ids: Tensor<1, Int>, mask: Tensor<1, Int>) -> Tensor<1> {
    CrossEntropyLoss::new().forward_weighted(logits, ids, mask)
}

//~ cannot weight an unreduced loss of type
//~ the weights of this must be a float or Bool tensor: one weight per element of the loss, or one per sample of shape [N]
