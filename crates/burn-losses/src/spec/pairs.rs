//! What is computed of rows of vectors.

use super::norm::Measure;

/// The options of the loss.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Triplet {
    pub(crate) margin: f64,
    pub(crate) swap: bool,
    pub(crate) measure: Measure,
}

/// What is computed of two rows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pair {
    /// The p-norm of their difference, to which `eps` is added.
    Norm { p: f64, eps: f64 },
    /// The cosine of their angle.
    Cosine { eps: f64 },
    /// The cosine embedding loss.
    Embedding { margin: f64 },
}

/// Something computed of pairs of rows.
#[derive(Clone)]
pub(crate) struct Pairs<P> {
    pub(crate) pair: Pair,
    /// The signs of the embedding loss.
    pub(crate) signs: Option<P>,
}

impl<P> Pairs<P> {
    pub(crate) fn map<Q>(self, map: impl FnOnce(P) -> Q) -> Pairs<Q> {
        Pairs {
            pair: self.pair,
            signs: self.signs.map(map),
        }
    }
}
