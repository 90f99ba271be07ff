//! A loss over the classes of each sample.

use super::rule::Rule;
use alloc::vec::Vec;

/// The target of such a loss.
#[derive(Clone)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum IdsOrProbs<P> {
    /// Ids, and those that are ignored.
    Ids(P, Vec<i64>),
    /// Probabilities, what must hold for each, and how far their sum may be from 1.
    Probs(P, Rule, f64),
}
