//! Losses for a class, a label or a distribution to predict.
//!
//! | what is true of a sample | the model gives | loss |
//! |---|---|---|
//! | one class of several | logits | [`CrossEntropyLoss`] |
//! | one class of several | log-probabilities | [`NllLoss`] |
//! | one class of several, of which the best should lead by a margin | logits | [`MultiMarginLoss`] |
//! | yes or no, or any number of labels | logits | [`BceWithLogitsLoss`] |
//! | yes or no, or any number of labels | probabilities | [`BceLoss`] |
//! | yes or no, given as signs | logits | [`SoftMarginLoss`] |
//! | any number of labels, one loss per sample | logits | [`MultiLabelSoftMarginLoss`] |
//! | any number of labels, which should lead all others | logits | [`MultiLabelMarginLoss`] |
//! | a distribution over the classes | log-probabilities | [`KlDivLoss`] |
//! | a distribution over the classes | logits | [`CrossEntropyLoss`] |
//!
//! Where there is a choice, take the loss that starts from logits: it has the softmax or sigmoid
//! inside, and stays accurate where a probability is all but 0 or 1.
//!
//! The targets differ more than the losses do: class ids, labels, signs, lists of labels or
//! probabilities. Each page says which, and [`target`](crate::target) converts between them.
//! [`ClassificationLoss`] is any of them, and always takes logits and class ids.
//!
//! # From two classes to ten
//!
//! A binary classifier becomes one of ten classes by *three* changes: the last layer has an output
//! per class, the loss is cross-entropy, and the target is class ids instead of labels. Doing half of
//! it is an error, or does not compile; `cargo run --release -p classification --bin two_to_ten` in
//! the repository tries each half and prints what is said. Two mistakes run all the same. A softmax
//! that was left in the model slows the training down, and [`lint`](crate::Loss::lint) reports it.
//! Ids that are shifted but in range train the model to give wrong answers, and only the held-out
//! accuracy shows it:
//!
#![cfg_attr(doc, doc = include_str!("../../docs/pictures/two_to_ten.svg"))]
//!
//! After the move, with [`CrossEntropyLoss`] (`cargo run --release -p classification`):
//!
#![cfg_attr(doc, doc = include_str!("../../docs/pictures/digits-confusion.svg"))]

mod bce;
mod bce_with_logits;
mod classes;
mod cross_entropy;
mod family;
mod kl_div;
mod margins;
mod multi_label_margin;
mod multi_label_soft_margin;
mod multi_margin;
mod nll;
mod soft_margin;

pub use bce::{BceLoss, BceLossConfig};
pub use bce_with_logits::{BceWithLogitsLoss, BceWithLogitsLossConfig};
pub use cross_entropy::{CrossEntropyLoss, CrossEntropyLossConfig};
pub use family::{ClassificationLoss, ClassificationLossConfig};
pub use kl_div::{KlDivLoss, KlDivLossConfig};
pub use multi_label_margin::{MultiLabelMarginLoss, MultiLabelMarginLossConfig};
pub use multi_label_soft_margin::{MultiLabelSoftMarginLoss, MultiLabelSoftMarginLossConfig};
pub use multi_margin::{MultiMarginLoss, MultiMarginLossConfig};
pub use nll::{NllLoss, NllLossConfig};
pub use soft_margin::{SoftMarginLoss, SoftMarginLossConfig};

use classes::Options;
pub(crate) use classes::one_hot_rows;
pub(crate) use margins::{label_lists, multi_hot_rows};

use crate::error::Lint;
use crate::kernels::any_rank::{AnyRank, layers};
use crate::kernels::pointwise::Required;
use crate::kernels::rule::Rule;
use crate::target::check::{integers, row_sums, tolerance};
use crate::target::{Flat, Target};
use alloc::format;
use alloc::vec::Vec;
use burn::tensor::FloatDType;

/// What a label must be.
fn label() -> Required<'static> {
    Required {
        rule: Rule::LABEL,
        explain: &|found| {
            let hint = if found.all(|label| label == -1.0 || label == 1.0) {
                "These are signs: convert them with `target::labels`."
            } else if found.all(|id| id >= -1.0 && id % 1.0 == 0.0) && !found.all(|id| id >= 0.0) {
                "Lists of labels padded with -1 belong to MultiLabelMarginLoss, or convert them with \
                 `target::multi_hot`."
            } else if found.all(|label| label >= 0.0 && label % 1.0 == 0.0) {
                "Class ids belong to CrossEntropyLoss, or convert them with `target::one_hot`."
            } else {
                "A binary target says how true a label is, from 0 (no) to 1 (yes)."
            };
            format!(
                "target {} at index {:?} is not a label: it must be 0, 1 or between. {hint}",
                found.shown(),
                found.index
            )
        },
    }
}

/// A suspicion about labels that are all the same.
fn single_label(loss: &'static str, labels: Target) -> Option<Lint> {
    let labels = AnyRank::from(labels.values.cast(FloatDType::F32)).values();
    let (first, rest) = labels.split_first()?;
    (!rest.is_empty() && rest.iter().all(|label| label == first)).then(|| Lint {
        loss,
        rule: "single-class",
        message: format!(
            "all {} targets of the batch are {}: are they sorted, or constant by mistake?",
            labels.len(),
            *first as f32
        ),
    })
}

/// A suspicion about class ids, if it is those, that are all the same.
fn single_class(loss: &'static str, targets: Target, ignored: &[i64]) -> Option<Lint> {
    let Flat::Int(ids) = targets.values else {
        return None;
    };
    let data = ids.into_data();
    let ids: Vec<i128> = integers(&data)
        .filter(|&id| !ignored.iter().any(|&ignored| i128::from(ignored) == id))
        .collect();
    let (first, rest) = ids.split_first()?;
    (!rest.is_empty() && rest.iter().all(|id| id == first)).then(|| Lint {
        loss,
        rule: "single-class",
        message: format!(
            "all {} targets of the batch are class {first}: is the data sorted by class?",
            ids.len()
        ),
    })
}

/// Why a loss does not take the output of a softmax.
const SOFTMAX_INSIDE: &str = "this loss applies the softmax itself";
const MARGIN_OF_LOGITS: &str = "a margin has the unit of logits";

/// Suspicions about logits and a class target.
fn class_lints(options: &Options, logits: &AnyRank, targets: Target, why: &str) -> Vec<Lint> {
    let loss = options.loss;
    let mut lints = Vec::new();
    if looks_like_probabilities(logits, options.class_axis) {
        lints.push(Lint {
            loss,
            rule: "probabilities-as-logits",
            message: format!(
                "every row of the logits sums to 1, as after a softmax: {why}, so remove it from the \
                 model."
            ),
        });
    }
    lints.extend(single_class(loss, targets, options.ignored));
    lints
}

/// Whether every value is in `[0, 1]` and every row along `axis` sums to 1.
fn looks_like_probabilities(tensor: &AnyRank, axis: usize) -> bool {
    let values = tensor.values();
    let tolerance = tolerance(tensor.dtype());
    let layers = layers(&tensor.shape(), axis);
    let sums = || row_sums(values.iter().copied(), layers, |value| value);
    !values.is_empty()
        && values.iter().all(|value| (0.0..=1.0).contains(value))
        && sums().iter().all(|sum| (sum - 1.0).abs() <= tolerance)
}

/// A suspicion about log-probabilities whose rows do not sum to 1.
fn not_normalised(loss: &'static str, log_probs: &AnyRank, axis: usize) -> Option<Lint> {
    let layers = layers(&log_probs.shape(), axis);
    let tolerance = tolerance(log_probs.dtype());
    let values = log_probs.values().into_iter();
    let sums = row_sums(values, layers, num_traits::Float::exp);
    let off = sums.iter().find(|sum| (*sum - 1.0).abs() > tolerance)?;
    Some(Lint {
        loss,
        rule: "not-normalised",
        message: format!(
            "the probabilities of a row sum to {off:.3}, not 1: did the model's output pass \
             through `target::log_probs` (log-softmax)?"
        ),
    })
}

/// The maths of this folder's losses, for the tests of [`kernels`](crate::kernels).
#[cfg(test)]
pub(crate) mod definitions {
    pub(crate) use super::bce::Bce;
    pub(crate) use super::bce_with_logits::BceWithLogits;
    pub(crate) use super::kl_div::{Divergence, DivergenceOfLogs};
    pub(crate) use super::soft_margin::Logistic;
}
