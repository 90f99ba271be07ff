//! The loss alone is imported, not the trait its calls come from.
use burn_losses::MseLoss;
use burn_losses::burn::tensor::Tensor;

pub fn train(predictions: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    MseLoss::new().forward(predictions, targets)
}

//~ no method named `forward` found for struct `burn_losses::MseLoss`
//~ trait `Loss` which provides `forward` is implemented but not in scope
//~ use burn_losses::Loss;
