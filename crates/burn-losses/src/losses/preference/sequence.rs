//! The log-probabilities of whole answers.

use crate::engine::any_rank::in_context_of;
use crate::engine::dtype::compute_dtype;
use crate::losses::classification::CrossEntropyLossConfig;
use crate::spec::rule::Rule;
use crate::validate::check::{Check, LOG_PROB_MAX, dims};
use crate::validate::error::{LossErrorKind, or_panic};
use alloc::format;
use burn::tensor::{Bool, FloatDType, Int, Tensor};
use serde::{Deserialize, Serialize};

/// The log-probabilities of a reference: unlike those of a policy, they are never the output of a model that diverged.
pub(super) const REFERENCE: Rule = Rule::between(f64::NEG_INFINITY, LOG_PROB_MAX);

/// What to do about a number that is no log-probability of an answer.
pub(super) const NO_LOG_PROB: &str =
    "Logits become log-probabilities of sequences by `preference::sequence_log_probs`.";

/// What to do about a reference that is tracked.
pub(super) const FROZEN: &str = "The reference is frozen, and its gradient would train it: compute it without autodiff, or pass \
                                 its `.inner()`.";

/// What becomes of the log-probabilities of an answer's tokens in [`sequence_log_probs`].
///
/// In a file it may be in lower case too: `"sequence"`, `"token"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum LengthNormalization {
    /// Their sum: the log-probability of the answer. A long answer has a small one.
    #[default]
    #[serde(alias = "sequence")]
    Sequence,
    /// Their mean over the tokens that count: answers of different lengths can be compared. 0 for an answer without any.
    #[serde(alias = "token")]
    Token,
}

/// The log-probability that a model gives each answer: of its tokens `ids`, by the `logits` that predict them.
///
/// * logits: `[N, T, C]`; those at `t` predict the token at `t` of `ids`
/// * ids: `[N, T]`, from 0 to C - 1 where the mask is true, anything elsewhere
/// * mask: `[N, T]`, true for the tokens of the answer; false for those of the prompt, and where a sequence has ended
/// * the result: `[N]`, at most 0; in `f32` where the logits are in half precision, which has too few digits for a sum
///
/// A model gives the logits of the *next* token, so both are cut: the last logits predict nothing, and nothing predicts the
/// first token.
///
/// ```
/// use burn::tensor::{Bool, Device, Int, Tensor};
/// use burn_losses::preference::{LengthNormalization, sequence_log_probs};
///
/// let device = Device::flex();
/// // Two sequences of four tokens: a prompt of one token, and an answer of two and of three.
/// let tokens = Tensor::<2, Int>::from_data([[4, 1, 2, 0], [4, 3, 0, 2]], &device);
/// let counts = Tensor::<2, Int>::from_data([[0, 1, 1, 0], [0, 1, 1, 1]], &device);
/// let logits = Tensor::<3>::zeros([2, 4, 5], &device); // all five tokens alike
///
/// let log_probs = sequence_log_probs(
///     logits.narrow(1, 0, 3),
///     tokens.narrow(1, 1, 3),
///     counts.narrow(1, 1, 3).bool(),
///     LengthNormalization::Sequence,
/// );
/// let values: Vec<f32> = log_probs.into_data().iter().collect();
/// assert!((values[0] + 2.0 * 5f32.ln()).abs() < 1e-5);
/// assert!((values[1] + 3.0 * 5f32.ln()).abs() < 1e-5);
/// ```
///
/// It is differentiable, by the sweep of [`CrossEntropyLoss`](crate::classification::CrossEntropyLoss): no log-softmax of all
/// logits is kept.
///
/// # Panics
///
/// When the ids or the mask do not fit the logits. When an id that counts is not from 0 to C - 1 (where values are not read,
/// see [`Checks`](crate::Checks), its sequence is NaN).
#[track_caller]
pub fn sequence_log_probs(
    logits: Tensor<3>,
    ids: Tensor<2, Int>,
    mask: Tensor<2, Bool>,
    length: LengthNormalization,
) -> Tensor<1> {
    let [samples, tokens, _] = logits.dims();
    let check = Check::new("sequence_log_probs", &logits.device(), false);
    for (what, found) in [("ids", ids.shape()), ("mask", mask.shape())] {
        if found.as_slice() != [samples, tokens] {
            let message = format!(
                "{what} {}: not the shape of the logits {} without the last axis. The last logits predict nothing, and \
                 nothing predicts the first token: cut both.",
                dims(&found),
                dims(&logits.shape()),
            );
            or_panic(Err(check.error(LossErrorKind::Shape, message)))
        }
    }
    let computed: FloatDType = compute_dtype(logits.dtype());
    if samples * tokens == 0 {
        return Tensor::zeros([samples], (&logits.device(), computed.into()));
    }
    let mask = mask.inner();
    let left_out = mask.clone().bool_not();
    // What is left out may be no id at all.
    let ids = ids.inner().mask_fill(left_out.clone(), 0);
    let loss = CrossEntropyLossConfig::new().with_class_axis(2).init();
    // Rounded to half precision, the losses of many tokens would add up to a large error.
    let losses = loss.forward_no_reduction(logits.cast(computed), ids);
    let losses = losses.mask_fill(left_out, 0.0);
    let sums = losses.sum_dim(1).reshape([samples]).neg();
    match length {
        LengthNormalization::Sequence => sums,
        LengthNormalization::Token => {
            let counts = mask.float().cast(computed).sum_dim(1).reshape([samples]);
            let counts = in_context_of(counts.clamp_min(1.0), &sums.device());
            sums / counts
        }
    }
}
