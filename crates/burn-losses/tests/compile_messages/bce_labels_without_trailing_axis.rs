//! Labels of shape [N] for the outputs [N, 1] of a linear layer: other frameworks broadcast.
use burn_losses::burn::tensor::Tensor;
use burn_losses::prelude::*;

pub fn train(logits: Tensor<2>, labels: Tensor<1>) -> Tensor<1> {
    BceWithLogitsLoss::new().forward(logits, labels)
}

//~ is not a binary target for input of rank 2
//~ the target of this must be a label for each element: a float (0 to 1), Int (0 or 1) or Bool tensor of rank 2
//~ add it with `targets.unsqueeze_dim::<2>(1)`
