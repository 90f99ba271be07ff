//! One-hot rows, which cross-entropy takes as probabilities.
use burn_losses::burn::tensor::Tensor;
use burn_losses::prelude::*;

pub fn train(logits: Tensor<2>, rows: Tensor<2>) -> Tensor<1> {
    FocalLoss::new().forward(logits, rows)
}

//~ is not a tensor of class ids for input of rank 2
//~ the target of this must be class ids: an Int tensor of one rank less than the input
//~ convert them with `burn_losses::target::class_ids`
