//! A mask of what happened where it is asked how often.
use burn_losses::burn::tensor::{Bool, Tensor};
use burn_losses::prelude::*;

pub fn train(predictions: Tensor<2>, happened: Tensor<2, Bool>) -> Tensor<1> {
    PoissonNllLoss::new().forward(predictions, happened)
}

//~ is not a target of counts for predictions of rank 2
//~ labels as Bool: they are no counts; use `BceWithLogitsLoss`
