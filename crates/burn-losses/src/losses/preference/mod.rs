//! Losses for a language model that learns from preferences or from rewards.
//!
//! | what you have | loss |
//! |---|---|
//! | pairs of answers of which one is preferred, and a frozen reference | [`DpoLoss`] |
//! | such pairs, no reference, a model that was trained on good answers before | [`SimPoLoss`] |
//! | such pairs, no reference, no training before: the two in one | [`OrpoLoss`] |
//! | answers that are each good or bad, and a frozen reference | [`KtoLoss`] |
//! | answers that the model gave itself, with how much better than expected each was | [`PolicyClipLoss`] |
//!
//! They need the feature `std`, which is on by default.
//!
//! # Who is trained
//!
//! **The policy** is the model that is trained: its log-probabilities are tracked. **The reference** is a frozen copy, as a rule
//! of the policy before this training; its log-probabilities are constants, best computed once for all the data. **The old
//! policy** of [`PolicyClipLoss`] is the policy as it was when it gave the answers. What is frozen must not be tracked: else its
//! gradient would train the model that made it, and that is an error here.
//!
//! No loss has a model of rewards inside. The first three compare two answers, [`KtoLoss`] an answer with what is usual, and
//! [`PolicyClipLoss`] takes the advantages as they come from whatever judges the answers.
//!
//! # Log-probabilities of answers
//!
//! All but the last take one number for each answer: the log-probability of its tokens, without those of the prompt.
//! [`sequence_log_probs`] makes it of the logits. Whether the tokens are summed or averaged is the usual mistake, and a part of
//! what a loss means, so it is an argument of that function, [`LengthNormalization`]:
//!
//! | loss | of an answer's tokens |
//! |---|---|
//! | [`DpoLoss`], [`KtoLoss`] | the sum, `Sequence` |
//! | [`DpoLoss`] with [`Ipo`](DpoVariant::Ipo) | the mean, `Token` |
//! | [`SimPoLoss`], [`OrpoLoss`] | the mean, `Token` |
//! | [`PolicyClipLoss`] | each by itself; or the mean, `Token`, for a ratio of whole answers (GSPO) |

mod dpo;
mod kto;
mod orpo;
mod policy_clip;
mod sequence;
mod simpo;

pub use dpo::{DpoLoss, DpoLossConfig, DpoVariant};
pub use kto::{KtoLoss, KtoLossConfig};
pub use orpo::{OrpoLoss, OrpoLossConfig};
pub use policy_clip::{PolicyClipLoss, PolicyClipLossConfig, PolicyDivisor};
pub use sequence::{LengthNormalization, sequence_log_probs};
pub use simpo::{SimPoLoss, SimPoLossConfig};
