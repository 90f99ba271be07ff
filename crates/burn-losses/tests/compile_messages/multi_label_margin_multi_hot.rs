//! Rows of labels 0 and 1 where lists of labels are asked for.
use burn_losses::burn::tensor::Tensor;
use burn_losses::prelude::*;

pub fn train(logits: Tensor<2>, rows: Tensor<2>) -> Tensor<1> {
    MultiLabelMarginLoss::new().forward(logits, rows)
}

//~ is not a tensor of label ids for logits of rank 2
//~ multi-hot rows: use `MultiLabelSoftMarginLoss`, or convert them with `burn_losses::target::label_ids`
