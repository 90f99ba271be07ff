//! One-hot rows stored as integers.
use burn_losses::burn::tensor::{Int, Tensor};
use burn_losses::prelude::*;

pub fn train(logits: Tensor<3>, rows: Tensor<3, Int>) -> Tensor<1> {
    CrossEntropyLoss::new().forward(logits, rows)
}

//~ is not a cross-entropy target for logits of rank 3
//~ the target of this must be class ids, an Int tensor of one rank less, or class probabilities, a float tensor of rank 3
//~ one-hot rows stored as Int: convert them with `targets.float()`, or to ids with `burn_losses::target::class_ids(targets.float(), 1)`
