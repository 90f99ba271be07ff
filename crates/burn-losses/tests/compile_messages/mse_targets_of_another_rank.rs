//! True values of shape [N] for the outputs [N, 1] of a linear layer.
use burn_losses::burn::tensor::Tensor;
use burn_losses::prelude::*;

pub fn train(predictions: Tensor<2>, targets: Tensor<1>) -> Tensor<1> {
    MseLoss::new().forward(predictions, targets)
}

//~ is not a 
//~ targets.unsqueeze_dim::<2>(1)
