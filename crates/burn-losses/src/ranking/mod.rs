//! Losses for an order or a distance to learn.
//!
//! | what is known | loss |
//! |---|---|
//! | which of two items ranks higher | [`MarginRankingLoss`], on two scores |
//! | whether two samples are alike | [`HingeEmbeddingLoss`], on their distance |
//! | of two samples, which is like a third | [`TripletMarginLoss`], on three embeddings |
//!
//! The class of each sample is enough for the last two: [`target::pairs`](crate::target::pairs) and
//! [`target::triplets`](crate::target::triplets) make pairs and triplets from it. Pairs ask for
//! absolute distances (0 and the margin), triplets only for an order of distances.
//!
//! All three stop at a margin: what is right by more no longer counts.
//!
//! # What becomes of it
//!
//! Images of handwritten digits as points in the plane, by [`TripletMarginLoss`], on images that
//! were not trained on (`cargo run --release -p ranking` in the repository):
//!
#![cfg_attr(doc, doc = include_str!("../../docs/pictures/embedding-triplet_margin.svg"))]
//!
//! The same by [`HingeEmbeddingLoss`]: each digit is pulled to one point, and pushed no further from
//! the others than the margin of 1.
//!
#![cfg_attr(doc, doc = include_str!("../../docs/pictures/embedding-hinge_embedding.svg"))]
//!
//! Scores of wines that were learned from comparisons alone, by [`MarginRankingLoss`] with a margin of
//! 1: 81.8 % of the held-out pairs end up in order. With the default margin of 0 it is 70.8 %, because
//! equal scores cost nothing then:
//!
#![cfg_attr(doc, doc = include_str!("../../docs/pictures/wine-scores.svg"))]

mod hinge_embedding;
mod margin_ranking;
mod triplet_margin;

pub use hinge_embedding::{HingeEmbeddingLoss, HingeEmbeddingLossConfig};
pub use margin_ranking::{MarginRankingLoss, MarginRankingLossConfig};
pub use triplet_margin::{TripletMarginLoss, TripletMarginLossConfig};

use crate::error::{Lint, LossError};
use crate::kernels::portable::{shaped, wide};
use crate::target::SignTarget;
use crate::target::check::{Check, values};
use alloc::format;
use burn::tensor::{Bool, FloatDType, Tensor};

/// The signs of a target as numbers, and where they are valid if that was not read.
fn signs<const D: usize>(
    check: &Check,
    input_name: &str,
    input: &Tensor<D>,
    targets: impl SignTarget<D>,
) -> Result<(Tensor<D>, Option<Tensor<D, Bool>>), LossError> {
    check.target_per_element(input_name, input, &targets)?;
    let signs = shaped(targets.into_signs(wide(input.dtype())), input.dims());
    let valid = check.each(
        &signs,
        |sign| sign == 1.0 || sign == -1.0,
        |signs| signs.abs().equal_scalar(1.0),
        |found| {
            let hint = if found.all(|sign| sign == 0.0 || sign == 1.0) {
                "These are labels 0 and 1: convert them with `target::signs`."
            } else {
                "Labels 0 and 1 become signs by `target::signs`, labels of single samples become \
                 pairs by `target::pairs`."
            };
            format!(
                "target {} at index {:?} is not a sign: it must be -1 or +1. {hint}",
                found.shown(),
                found.index
            )
        },
    )?;
    Ok((signs, valid))
}

/// A suspicion about signs that are all the same.
fn single_sign<const D: usize>(loss: &'static str, targets: impl SignTarget<D>) -> Option<Lint> {
    let signs = values(&targets.into_signs(FloatDType::F32));
    let (first, rest) = signs.split_first()?;
    (!rest.is_empty() && rest.iter().all(|sign| sign == first)).then(|| Lint {
        loss,
        rule: "single-class",
        message: format!(
            "all {} targets of the batch are {first}: a batch needs both signs to learn from.",
            signs.len()
        ),
    })
}

/// The maths of this folder's losses, for the tests of [`kernels`](crate::kernels).
#[cfg(test)]
pub(crate) mod definitions {
    pub(crate) use super::hinge_embedding::hinge_embedding;
    pub(crate) use super::margin_ranking::margin_ranking;
    pub(crate) use super::triplet_margin::triplet_margin;
}
