//! A loss over the classes of each sample.

use super::rule::Rule;
use alloc::vec::Vec;

/// A loss over the classes of each sample.
#[derive(Clone)]
pub(crate) struct ClassSpec<P> {
    /// The axis of the classes.
    pub(crate) axis: usize,
    pub(crate) target: IdsOrProbs<P>,
    /// The input holds log-probabilities, and this must hold for them; else it holds logits.
    pub(crate) log_probs: Option<Rule>,
    pub(crate) weights: Option<Vec<f64>>,
    pub(crate) label_smoothing: f64,
}

/// The target of such a loss.
#[derive(Clone)]
pub(crate) enum IdsOrProbs<P> {
    /// Ids, and those that are ignored.
    Ids(P, Vec<i64>),
    /// Probabilities, what must hold for each, and how far their sum may be from 1.
    Probs(P, Rule, f64),
}

impl<P> ClassSpec<P> {
    pub(crate) fn map<Q>(self, map: impl FnOnce(P) -> Q) -> ClassSpec<Q> {
        ClassSpec {
            axis: self.axis,
            target: match self.target {
                IdsOrProbs::Ids(ids, ignored) => IdsOrProbs::Ids(map(ids), ignored),
                IdsOrProbs::Probs(probs, rule, tolerance) => {
                    IdsOrProbs::Probs(map(probs), rule, tolerance)
                }
            },
            log_probs: self.log_probs,
            weights: self.weights,
            label_smoothing: self.label_smoothing,
        }
    }
}
