//! Signs of shape [N, 1], as a column of a table gives them.
use burn_losses::burn::tensor::{Int, Tensor};
use burn_losses::prelude::*;

pub fn train(first: Tensor<2>, second: Tensor<2>, signs: Tensor<2, Int>) -> Tensor<1> {
    CosineEmbeddingLoss::new().forward(first, second, signs)
}

//~ is not a tensor of signs for pairs of vectors of rank 2
//~ signs of shape [N, 1]: drop the axis with `targets.squeeze_dim::<1>(1)`
