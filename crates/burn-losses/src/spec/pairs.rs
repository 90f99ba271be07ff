//! What is computed of rows of vectors.

use super::norm::DistanceKind;

/// The options of the loss.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Triplet {
    pub(crate) margin: f64,
    pub(crate) swap: bool,
    pub(crate) kind: DistanceKind,
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
pub(crate) struct PairSpec<P> {
    pub(crate) pair: Pair,
    /// The signs of the embedding loss.
    pub(crate) signs: Option<P>,
}

impl<P> PairSpec<P> {
    pub(crate) fn map<Q>(self, map: impl FnOnce(P) -> Q) -> PairSpec<Q> {
        PairSpec {
            pair: self.pair,
            signs: self.signs.map(map),
        }
    }
}
