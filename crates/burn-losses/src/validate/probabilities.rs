//! The rules for probabilities, and their messages.

use super::check::{Check, LOG_PROB_MAX, Violation, tolerance, whole_rows};
use super::error::LossError;
use crate::engine::shape::layers;
use crate::spec::rule::Rule;
use alloc::format;
use alloc::string::String;
use burn::tensor::{Bool, DType, Shape, Tensor};

/// What a class probability must be.
pub(crate) fn probability(dtype: DType) -> Rule {
    let tolerance = tolerance(dtype);
    Rule::between(-tolerance, 1.0 + tolerance)
}

/// Checks class probabilities, flattened from a tensor of the given shape: the range of each entry and the sum
/// of each row.
pub(crate) fn probabilities(
    check: &Check,
    probs: Tensor<1>,
    shape: &Shape,
    axis: usize,
) -> Result<Option<Tensor<3, Bool>>, LossError> {
    let dtype = probs.dtype();
    let tolerance = tolerance(dtype);
    let probs = probs.reshape(layers(shape, axis));
    let entries = check.each_in(shape, dtype, &probs, probability(dtype), no_probability)?;
    let rows = check.rows_sum_to_one(&probs, (shape, axis), tolerance, false, |found| {
        no_distribution(found, tolerance)
    })?;
    Ok(whole_rows(entries, rows))
}

/// What to say of a row of probabilities that does not sum to 1.
pub(crate) fn no_distribution(found: &Violation, tolerance: f64) -> String {
    let hint = if found.value.abs() <= tolerance {
        "A row of zeros is no distribution: to leave the sample out, make it any distribution and \
         give it weight 0 in forward_weighted."
    } else if found.all(|value| value == 0.0 || value == 1.0) {
        "Several classes at once are for BceWithLogitsLoss."
    } else {
        "Divide each row by its sum."
    };
    format!(
        "the class probabilities of the row at index {:?} sum to {}, not 1. {hint}",
        found.index,
        found.shown()
    )
}

/// What to say of a value that is no probability.
pub(crate) fn no_probability(found: &Violation) -> String {
    let hint = if !found.value.is_finite() {
        "Look at where the targets are computed."
    } else if found.all(|value| value <= LOG_PROB_MAX) {
        "These look like log-probabilities. Of KlDivLoss, are the arguments exchanged? The model's \
         log-probabilities come first. If not, take `exp()` of them, or for KlDivLoss set \
         with_log_target(true)."
    } else if found.all(|value| value >= 0.0) {
        "Divide each row by its sum; class ids belong in an Int tensor."
    } else {
        "Scores become probabilities by softmax."
    };
    format!(
        "target {} at index {:?} is not a probability: it must be between 0 and 1. {hint}",
        found.shown(),
        found.index
    )
}
