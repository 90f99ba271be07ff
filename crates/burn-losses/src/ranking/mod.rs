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
use crate::kernels::definition::Definition;
use crate::kernels::pointwise::{Loss, Operand, Required};
use crate::kernels::portable::wide;
use crate::kernels::rule::Rule;
use crate::loss::{Call, Evaluation};
use crate::target::SignTarget;
use crate::target::check::{Check, values};
use alloc::{format, vec};
use burn::tensor::{FloatDType, Tensor};

/// Evaluates a loss of inputs and signs, whose shapes have been checked.
fn sweep_signs<const D: usize, const N: usize, const K: usize>(
    check: &Check,
    definition: impl Definition<K>,
    inputs: [Tensor<D>; N],
    targets: impl SignTarget<D>,
    call: Call,
) -> Result<Evaluation, LossError> {
    let sign = Required {
        rule: Rule::SIGN,
        explain: &|found| {
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
    };
    let mut required = [const { None }; K];
    required[K - 1] = Some(sign);
    Loss {
        check,
        definition,
        rest: vec![Operand::Flat(targets.into_signs(wide(inputs[0].dtype())))],
        required,
        rows: None,
        weights: None,
    }
    .evaluate(inputs, call)
}

/// A suspicion about signs that are all the same.
fn single_sign<const D: usize>(loss: &'static str, targets: impl SignTarget<D>) -> Option<Lint> {
    let signs = values(&targets.into_signs(FloatDType::F32).cast(FloatDType::F32));
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
    pub(crate) use super::hinge_embedding::Hinge;
    pub(crate) use super::margin_ranking::Ranking;
}
