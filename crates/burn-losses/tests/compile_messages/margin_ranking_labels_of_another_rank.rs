//! Labels of shape [N] for scores of shape [N, 1].
use burn_losses::burn::tensor::{Int, Tensor};
use burn_losses::prelude::*;

pub fn train(first: Tensor<2>, second: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
    MarginRankingLoss::new().forward(first, second, labels)
}

//~ is not a tensor of signs for input of rank 2
//~ the target of this must be a sign for each element: a float or Int (-1 or +1) or Bool (true is +1) tensor of rank 2
//~ labels 0 and 1: convert them with `burn_losses::target::signs`
