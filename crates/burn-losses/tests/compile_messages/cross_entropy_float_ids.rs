//! Class ids stored as floats.
use burn_losses::burn::tensor::Tensor;
use burn_losses::prelude::*;

pub fn train(logits: Tensor<2>, ids: Tensor<1>) -> Tensor<1> {
    CrossEntropyLoss::new().forward(logits, ids)
}

//~ is not a cross-entropy target for logits of rank 2
//~ the target of this must be class ids, an Int tensor of one rank less, or class probabilities, a float tensor of rank 2
//~ class ids stored as floats: convert them with `targets.int()`
