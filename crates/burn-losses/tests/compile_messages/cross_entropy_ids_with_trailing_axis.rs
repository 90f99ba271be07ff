//! Class ids of shape [N, 1], as a column of a table gives them.
use burn_losses::burn::tensor::{Int, Tensor};
use burn_losses::prelude::*;

pub fn train(logits: Tensor<2>, ids: Tensor<2, Int>) -> Tensor<1> {
    CrossEntropyLoss::new().forward(logits, ids)
}

//~ is not a cross-entropy target for logits of rank 2
//~ the target of this must be class ids, an Int tensor of one rank less, or class probabilities, a float tensor of rank 2
//~ class ids of shape [N, 1]: drop the axis with `targets.squeeze_dim::<1>(1)`
