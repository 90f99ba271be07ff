//! The maths of losses over the margins between the classes of a sample.

use crate::real::Real;
use alloc::vec::Vec;

/// How the class of a sample counts in a multi-class margin loss.
#[derive(Clone, Debug)]
pub(crate) struct MultiMargin {
    pub(crate) margin: f64,
    /// 1 or 2.
    pub(crate) p: usize,
    pub(crate) weights: Option<Vec<f64>>,
}

/// Half of how far a class is from being less than a label by the margin. (Halves, so that the
/// difference of two numbers is in range.)
#[inline(always)]
pub(crate) fn half_gap<R: Real>(class: R, label: R, margin: f64) -> R {
    (-label.times(0.5)).plus(margin / 2.0) + class.times(0.5)
}

/// Half of `share max(0, gap)^p` of half a gap, and the derivative of the whole with respect to the gap; at
/// the corner it is 0.
#[inline(always)]
pub(crate) fn margin_term<R: Real>(half: R, p: usize, share: f64) -> (R, impl FnOnce() -> R) {
    let short = half.at_least(0.0);
    let (value, rising) = match p {
        1 => (short.clone().times(share), None),
        _ => {
            let slope = short.clone().times(4.0 * share);
            (short.clone().times(0.5) * slope.clone(), Some(slope))
        }
    };
    let slope = move || match rising {
        Some(slope) => slope,
        None => {
            let zero = short.clone() - short.clone();
            zero.set(short.above(0.0), share)
        }
    };
    (value, slope)
}

/// A loss over the margins between the classes of a sample.
pub(crate) struct MarginSpec<P> {
    /// The axis of the classes.
    pub(crate) axis: usize,
    pub(crate) target: MarginTarget<P>,
}

/// The target of such a loss.
#[derive(Clone)]
pub(crate) enum MarginTarget<P> {
    /// The id of the class of each sample, and how it counts.
    Class(P, MultiMargin),
    /// The ids of the labels of each sample, then -1.
    Labels(P),
}

impl<P> MarginSpec<P> {
    pub(crate) fn map<Q>(self, map: impl FnOnce(P) -> Q) -> MarginSpec<Q> {
        MarginSpec {
            axis: self.axis,
            target: self.target.map(map),
        }
    }
}

impl<P> MarginTarget<P> {
    pub(crate) fn map<Q>(self, map: impl FnOnce(P) -> Q) -> MarginTarget<Q> {
        match self {
            Self::Class(ids, options) => MarginTarget::Class(map(ids), options),
            Self::Labels(ids) => MarginTarget::Labels(map(ids)),
        }
    }
}
