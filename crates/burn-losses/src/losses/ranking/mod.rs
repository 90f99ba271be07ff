//! Losses for an order or a distance to learn.
//!
//! | what is known | loss |
//! |---|---|
//! | which of two items ranks higher | [`MarginRankingLoss`], on two scores |
//! | whether two samples are alike | [`HingeEmbeddingLoss`], on their distance |
//! | the same, where only directions count | [`CosineEmbeddingLoss`], on two embeddings |
//! | of two samples, which is like a third | [`TripletMarginLoss`], on three embeddings |
//! | the same, by a distance of your choice | [`TripletMarginWithDistanceLoss`], on three embeddings |
//!
//! The class of each sample is enough for all but the first: [`target::pairs`](crate::target::pairs)
//! and [`target::triplets`](crate::target::triplets) make pairs and triplets from it. Pairs ask for
//! absolute distances (0 and the margin, or cosines of 1 and the margin), triplets only for an order
//! of distances.
//!
//! All stop at a margin: what is right by more no longer counts. (Like pairs have none.)
//!
//! # What becomes of it
//!
//! Images of handwritten digits as points in the plane, by [`TripletMarginLoss`], on images that
//! were not trained on (`cargo run --release -p ranking` in the repository):
//!
#![cfg_attr(doc, doc = include_str!("../../../docs/pictures/embedding-triplet_margin.svg"))]
//!
//! The same by [`HingeEmbeddingLoss`]: each digit is pulled to one point, and pushed no further from
//! the others than the margin of 1.
//!
#![cfg_attr(doc, doc = include_str!("../../../docs/pictures/embedding-hinge_embedding.svg"))]
//!
//! By [`CosineEmbeddingLoss`] on a sphere, of which this is a map: only the direction counts, and with a
//! margin of 0.5 each digit is to be 60 degrees from the others.
//!
#![cfg_attr(doc, doc = include_str!("../../../docs/pictures/embedding-cosine_embedding.svg"))]
//!
//! Scores of wines that were learned from comparisons alone, by [`MarginRankingLoss`] with a margin of
//! 1: 81.8 % of the held-out pairs end up in order. With the default margin of 0 it is 70.8 %, because
//! equal scores cost nothing then:
//!
#![cfg_attr(doc, doc = include_str!("../../../docs/pictures/wine-scores.svg"))]

mod cosine_embedding;
pub(crate) mod hinge_embedding;
pub(crate) mod margin_ranking;
mod triplet_margin;
pub(crate) mod triplet_margin_with_distance;
mod vectors;

pub use cosine_embedding::{CosineEmbeddingLoss, CosineEmbeddingLossConfig};
pub use hinge_embedding::{HingeEmbeddingLoss, HingeEmbeddingLossConfig};
pub use margin_ranking::{MarginRankingLoss, MarginRankingLossConfig};
pub use triplet_margin::{TripletMarginLoss, TripletMarginLossConfig};
pub use triplet_margin_with_distance::{
    Distance, DistanceFunction, TripletMarginWithDistanceLoss, TripletMarginWithDistanceLossConfig,
};

/// The maths of this folder's losses, for the unit tests.
#[cfg(test)]
pub(crate) mod definitions {
    pub(crate) use super::hinge_embedding::Hinge;
    pub(crate) use super::margin_ranking::Ranking;
    pub(crate) use super::triplet_margin_with_distance::TripletHinge;
}
