//! Single embeddings, without a batch axis.
use burn_losses::burn::tensor::Tensor;
use burn_losses::prelude::*;

pub fn train(anchor: Tensor<1>, positive: Tensor<1>, negative: Tensor<1>) -> Tensor<1> {
    TripletMarginLoss::new().forward(anchor, positive, negative)
}

//~ has no axis to compute a loss along
//~ expected a tensor of rank 2 to 6
//~ give a single sample a batch axis with `unsqueeze_dim::<2>(0)`
