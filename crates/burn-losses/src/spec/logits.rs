//! What is done to logits before their softmax.

use crate::real::{Real, tanh};
use alloc::vec::Vec;

/// `scale (cap(x) - margin) + offset`, where the margin is that of the class of a sample, at that class alone.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Adjustment {
    /// What no logit gets beyond: `c tanh(x / c)`.
    pub(crate) softcap: Option<f64>,
    pub(crate) scale: f64,
    /// For each class.
    pub(crate) offsets: Option<Vec<f64>>,
    pub(crate) margins: Option<Vec<f64>>,
}

/// The logit and the derivative that belong to a hyperbolic tangent.
#[inline(always)]
pub(crate) fn capped<R: Real>(ratio: R, cap: f64) -> (R, R) {
    let slope = (-(ratio.clone() * ratio.clone())).plus(1.0);
    (ratio.times(cap), slope)
}

impl Adjustment {
    /// The capped logit, and its derivative, if there is a cap.
    #[inline(always)]
    pub(crate) fn capped<R: Real>(&self, x: R) -> (R, Option<R>) {
        let Some(cap) = self.softcap else {
            return (x, None);
        };
        let (capped, slope) = capped(tanh(x.times(1.0 / cap)), cap);
        (capped, Some(slope))
    }

    /// Whether a scale or an offset moves logits.
    pub(crate) fn moves(&self) -> bool {
        self.scale != 1.0 || self.offsets.is_some()
    }

    /// The capped logit, scaled, and moved by the offset of its class; what is finite stays so.
    #[inline(always)]
    pub(crate) fn moved<R: Real>(&self, x: R, offset: R) -> R {
        let limit = x.largest();
        let is_finite = x.between(-limit, limit);
        let moved = x.clone().times(self.scale) + offset;
        x.replace(is_finite, moved.at_least(-limit).at_most(limit))
    }

    /// What the logit of a class loses where it is the class of a sample.
    pub(crate) fn margin(&self, class: usize) -> f64 {
        self.margins
            .as_ref()
            .map_or(0.0, |margins| margins[class] * self.scale)
    }
}
