//! What is required of labels, and what is suspicious about classes.

use crate::engine::any_rank::AnyRank;
use crate::engine::shape::layers;
use crate::engine::values::{AnyTarget, FlatValues};
use crate::loss::classes::Options;
use crate::validate::check::{integers, row_sums, tolerance};
use crate::validate::error::Lint;
use alloc::format;
use alloc::vec::Vec;
use burn::tensor::FloatDType;

/// A suspicion about labels that are all the same.
pub(crate) fn single_label(loss: &'static str, labels: AnyTarget) -> Option<Lint> {
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
pub(crate) fn single_class(
    loss: &'static str,
    targets: AnyTarget,
    ignored: &[i64],
) -> Option<Lint> {
    let FlatValues::Int(ids) = targets.values else {
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
pub(crate) const SOFTMAX_INSIDE: &str = "this loss applies the softmax itself";

pub(crate) const MARGIN_OF_LOGITS: &str = "a margin has the unit of logits";

/// Suspicions about logits and a class target.
pub(crate) fn class_lints(
    options: &Options,
    logits: &AnyRank,
    targets: AnyTarget,
    why: &str,
) -> Vec<Lint> {
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
pub(crate) fn looks_like_probabilities(tensor: &AnyRank, axis: usize) -> bool {
    let values = tensor.values();
    let tolerance = tolerance(tensor.dtype());
    let layers = layers(&tensor.shape(), axis);
    let sums = || row_sums(values.iter().copied(), layers, |value| value);
    !values.is_empty()
        && values.iter().all(|value| (0.0..=1.0).contains(value))
        && sums().iter().all(|sum| (sum - 1.0).abs() <= tolerance)
}

/// A suspicion about log-probabilities whose rows do not sum to 1.
pub(crate) fn not_normalised(loss: &'static str, log_probs: &AnyRank, axis: usize) -> Option<Lint> {
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
