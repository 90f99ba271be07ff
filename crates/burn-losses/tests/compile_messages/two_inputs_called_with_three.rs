//! A loss of two inputs called as if it had three.
use burn_losses::burn::tensor::{Int, Tensor};
use burn_losses::prelude::*;

pub fn train(a: Tensor<2>, b: Tensor<2>, signs: Tensor<2, Int>) -> Tensor<1> {
    HingeEmbeddingLoss::new().forward(a, b, signs)
}

//~ this method takes 2 arguments but 3 arguments were supplied
//~ unexpected argument #3 of type
