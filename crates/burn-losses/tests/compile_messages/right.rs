//! What the other files of this folder get wrong, done right.

use burn_losses::burn::tensor::{Bool, Int, Tensor};
use burn_losses::prelude::*;
use burn_losses::target;

pub fn classes(logits: Tensor<2>, ids: Tensor<1, Int>, probs: Tensor<2>) -> [Tensor<1>; 3] {
    let loss = CrossEntropyLoss::new();
    [
        loss.forward(logits.clone(), ids.clone()),
        loss.forward(logits.clone(), probs),
        NllLoss::new().forward(target::log_probs(logits, 1), ids),
    ]
}

/// The fixes that the messages give.
pub fn converted(logits: Tensor<2>, column: Tensor<2, Int>, floats: Tensor<1>) -> [Tensor<1>; 5] {
    let loss = CrossEntropyLoss::new();
    [
        loss.forward(logits.clone(), column.clone().squeeze_dim::<1>(1)),
        loss.forward(logits.clone(), floats.clone().int()),
        loss.forward(logits.clone(), column.clone().float()),
        loss.forward(logits.clone(), target::class_ids(column.float(), 1)),
        BceWithLogitsLoss::new().forward(logits, floats.unsqueeze_dim::<2>(1)),
    ]
}

pub fn labels(logits: Tensor<2>, labels: Tensor<2, Int>, mask: Tensor<2, Bool>) -> Tensor<1> {
    let each: Tensor<2> = BceWithLogitsLoss::new().forward_no_reduction(logits, labels);
    BceLoss::new().forward(each, mask)
}

pub fn ranked(first: Tensor<1>, second: Tensor<1>, labels: Tensor<1, Int>) -> Tensor<1> {
    MarginRankingLoss::new().forward(first, second, target::signs(labels))
}

pub fn embedded(a: Tensor<2>, p: Tensor<2>, n: Tensor<2>, mask: Tensor<1, Bool>) -> Tensor<1> {
    TripletMarginLoss::new().forward_weighted(a, p, n, mask)
}

pub fn generic<T: target::ClassTarget<2>>(logits: Tensor<2>, targets: T) -> Tensor<1> {
    CrossEntropyLoss::new().forward(logits, targets)
}
