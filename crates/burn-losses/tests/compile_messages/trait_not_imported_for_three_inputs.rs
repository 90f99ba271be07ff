//! The loss alone is imported, not the trait its calls come from.
use burn_losses::TripletMarginLoss;
use burn_losses::burn::tensor::Tensor;

pub fn train(a: Tensor<2>, p: Tensor<2>, n: Tensor<2>) -> Tensor<1> {
    TripletMarginLoss::new().forward(a, p, n)
}

//~ no method named `forward` found for struct `burn_losses::TripletMarginLoss`
//~ trait `TripleLoss` which provides `forward` is implemented but not in scope
//~ use burn_losses::TripleLoss;
