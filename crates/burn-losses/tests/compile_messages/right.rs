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

/// The fixes that the messages give for counts and variances.
pub fn spread(x: Tensor<2>, mask: Tensor<2, Bool>, column: Tensor<1, Int>) -> [Tensor<1>; 4] {
    let (poisson, gaussian) = (PoissonNllLoss::new(), GaussianNllLoss::new());
    let variance = mask.clone().int();
    [
        BceWithLogitsLoss::new().forward(x.clone(), mask),
        poisson.forward(x.clone(), column.clone().unsqueeze_dim::<2>(1)),
        gaussian.forward(x.clone(), x.clone(), variance.float()),
        gaussian.forward(x.clone(), x, column.float()),
    ]
}

/// Those for lists of labels and for signs.
pub fn listed(logits: Tensor<2>, rows: Tensor<2>, column: Tensor<2, Int>) -> [Tensor<1>; 4] {
    let lists = target::label_ids(rows.clone().bool(), 1);
    let ids = column.squeeze_dim::<1>(1);
    [
        MultiLabelMarginLoss::new().forward(logits.clone(), lists.clone()),
        MultiLabelSoftMarginLoss::new().forward(logits.clone(), target::multi_hot(lists, 1)),
        MultiMarginLoss::new().forward(logits.clone(), ids.clone()),
        CosineEmbeddingLoss::new().forward(logits, rows, ids),
    ]
}

pub fn generic<T: target::ClassTarget<2>>(logits: Tensor<2>, targets: T) -> Tensor<1> {
    CrossEntropyLoss::new().forward(logits, targets)
}

/// The calls are the losses' own: nothing is imported for them. The traits have them too.
pub mod alone {
    use burn_losses::burn::tensor::Tensor;
    use burn_losses::ranking::{Distance, TripletMarginWithDistanceLoss};
    use burn_losses::regression::{MseLoss, RegressionLoss};

    pub fn train(family: RegressionLoss, x: Tensor<2>, y: Tensor<2>) -> [Tensor<1>; 4] {
        let loss = MseLoss::new();
        let parts = loss.forward_parts(x.clone(), y.clone());
        [
            loss.forward(x.clone(), y.clone()),
            family.forward_weighted(x.clone(), y.clone(), y.clone()),
            burn_losses::Loss::forward(&loss, x, y),
            parts.sum / parts.weight,
        ]
    }

    pub fn rank(loss: &TripletMarginWithDistanceLoss<Distance>, x: [Tensor<2>; 3]) -> Tensor<1> {
        let [a, p, n] = x;
        assert!(loss.lint(&a, &p, &n).is_empty());
        loss.forward_no_reduction(a, p, n)
    }
}
