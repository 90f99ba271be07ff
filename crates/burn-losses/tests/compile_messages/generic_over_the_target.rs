//! A generic function that forgot to say what its target is.
use burn_losses::burn::tensor::Tensor;
use burn_losses::prelude::*;

pub fn train<T>(logits: Tensor<2>, targets: T) -> Tensor<1> {
    CrossEntropyLoss::new().forward(logits, targets)
}

//~ is not a cross-entropy target for logits of rank 2
//~ ClassTarget<2>
