//! The target of cross-entropy given to the negative log-likelihood.
use burn_losses::burn::tensor::Tensor;
use burn_losses::prelude::*;

pub fn train(log_probs: Tensor<2>, probs: Tensor<2>) -> Tensor<1> {
    NllLoss::new().forward(log_probs, probs)
}

//~ is not a tensor of class ids for input of rank 2
//~ the target of this must be class ids: an Int tensor of one rank less than the input
//~ one-hot rows or class probabilities: use `CrossEntropyLoss` on logits, or convert them with `burn_losses::target::class_ids`
