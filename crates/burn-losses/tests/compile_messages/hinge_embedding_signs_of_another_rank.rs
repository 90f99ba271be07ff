//! Signs of shape [N, 1] for distances of shape [N].
use burn_losses::burn::tensor::{Int, Tensor};
use burn_losses::prelude::*;

pub fn train(distances: Tensor<1>, signs: Tensor<2, Int>) -> Tensor<1> {
    HingeEmbeddingLoss::new().forward(distances, signs)
}

//~ is not a tensor of signs for input of rank 1
//~ the target of this must be a sign for each element: a float or Int (-1 or +1) or Bool (true is +1) tensor of rank 1
//~ signs of another rank than the input: bring both to one shape with `reshape`
