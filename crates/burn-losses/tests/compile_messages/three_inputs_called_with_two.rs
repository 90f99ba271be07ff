//! A loss of three inputs called as if it had two.
use burn_losses::burn::tensor::Tensor;
use burn_losses::prelude::*;

pub fn train(anchor: Tensor<2>, positive: Tensor<2>) -> Tensor<1> {
    TripletMarginLoss::new().forward(anchor, positive)
}

//~ this method takes 3 arguments but 2 arguments were supplied
//~ argument #3 of type `Tensor<2>` is missing
