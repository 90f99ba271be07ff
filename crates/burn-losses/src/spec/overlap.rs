//! How the probabilities of a class and where it is true overlap.

use crate::real::Real;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What makes probabilities of the input of a loss of overlaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Activation {
    /// A softmax over the classes: a pixel belongs to one of them. The input is logits.
    #[default]
    #[serde(alias = "softmax")]
    Softmax,
    /// A sigmoid: each class has a mask of its own. The input is logits.
    #[serde(alias = "sigmoid")]
    Sigmoid,
    /// Nothing: the input is probabilities already.
    #[serde(alias = "probabilities")]
    Probabilities,
}

/// What of a probability and a target overlaps, and what does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Overlap {
    /// Their product `p y`; `p (1 - y)` is false, and `(1 - p) y` missed. For targets of 0 and 1: of another it is not best to
    /// give the target itself.
    #[default]
    #[serde(alias = "product")]
    Product,
    /// Their product; the square of their difference is false where `p` is larger, and missed where `y` is. So what is
    /// divided by is sums of squares, as in V-Net.
    #[serde(alias = "squared")]
    Squared,
    /// The lesser of the two; their difference is false where `p` is larger, and missed where `y` is. For targets of 0 and 1 it is
    /// the product, and for those between it is best to give the target itself.
    #[serde(alias = "minimum")]
    Minimum,
}

/// The maths of an [`Overlap`].
pub(crate) trait OverlapTerms {
    /// What overlaps, is false and is missed: of a probability, what is left of it, and a target.
    fn terms<R: Real>(p: R, rest: R, y: R) -> [R; 3];

    /// The derivative with respect to the probability, of what has these derivatives with respect to the terms.
    fn slope<R: Real>(p: R, rest: R, y: R, of_terms: [R; 3]) -> R;
}

pub(crate) struct OfProduct;
pub(crate) struct OfSquares;
pub(crate) struct OfMinimum;

/// `p - y`, which keeps its digits near 1.
#[inline(always)]
fn difference<R: Real>(p: R, rest: R, y: R) -> R {
    p * (y.like(1.0) - y.clone()) - rest * y
}

impl OverlapTerms for OfProduct {
    #[inline(always)]
    fn terms<R: Real>(p: R, rest: R, y: R) -> [R; 3] {
        [
            p.clone() * y.clone(),
            p * (y.like(1.0) - y.clone()),
            rest * y,
        ]
    }

    #[inline(always)]
    fn slope<R: Real>(_: R, _: R, y: R, [tp, fp, missed]: [R; 3]) -> R {
        y.clone() * (tp - missed) + (y.like(1.0) - y) * fp
    }
}

impl OverlapTerms for OfSquares {
    #[inline(always)]
    fn terms<R: Real>(p: R, rest: R, y: R) -> [R; 3] {
        let off = difference(p.clone(), rest, y.clone());
        let (over, under) = (off.clone().at_least(0.0), off.at_most(0.0));
        [p * y, over.clone() * over, under.clone() * under]
    }

    #[inline(always)]
    fn slope<R: Real>(p: R, rest: R, y: R, [tp, fp, missed]: [R; 3]) -> R {
        let off = difference(p, rest, y.clone());
        let (over, under) = (off.clone().at_least(0.0), off.at_most(0.0));
        y * tp + (over * fp + under * missed).times(2.0)
    }
}

impl OverlapTerms for OfMinimum {
    #[inline(always)]
    fn terms<R: Real>(p: R, rest: R, y: R) -> [R; 3] {
        let off = difference(p.clone(), rest, y.clone());
        let is_less = (-off.clone()).above(0.0);
        let least = y.replace(is_less, p);
        [least, off.clone().at_least(0.0), -off.at_most(0.0)]
    }

    #[inline(always)]
    fn slope<R: Real>(p: R, rest: R, y: R, [tp, fp, missed]: [R; 3]) -> R {
        let off = difference(p, rest, y);
        let under = (-off.clone()).above(0.0);
        let of_rest = off.like(0.0).replace(under, tp - missed);
        of_rest.replace(off.above(0.0), fp)
    }
}

/// The sigmoid of a logit, and what is left of it.
#[inline(always)]
pub(crate) fn sigmoid<R: Real>(x: R) -> (R, R) {
    let exp = (-x.clone().abs()).exp();
    let larger = x.like(1.0) / exp.clone().plus(1.0);
    let lesser = exp * larger.clone();
    let positive = x.above(0.0);
    (
        lesser.clone().replace(positive.clone(), larger.clone()),
        larger.replace(positive, lesser),
    )
}

/// Where a class is true.
#[derive(Clone)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum OverlapTarget<P> {
    /// At the pixels that have its id; these do not count.
    Ids(P, Vec<i64>),
    /// How true it is, for each pixel and class; these values do not count.
    Masks(P, Vec<i64>),
}

impl<P> OverlapTarget<P> {
    pub(crate) fn as_ref(&self) -> OverlapTarget<&P> {
        match self {
            Self::Ids(ids, ignored) => OverlapTarget::Ids(ids, ignored.clone()),
            Self::Masks(masks, ignored) => OverlapTarget::Masks(masks, ignored.clone()),
        }
    }

    pub(crate) fn map<Q>(self, map: impl FnOnce(P) -> Q) -> OverlapTarget<Q> {
        match self {
            Self::Ids(ids, ignored) => OverlapTarget::Ids(map(ids), ignored),
            Self::Masks(masks, ignored) => OverlapTarget::Masks(map(masks), ignored),
        }
    }
}
