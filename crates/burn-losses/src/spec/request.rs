//! What a call wants of losses.

use super::reduction::Reduction;

/// What is wanted of a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum Returns {
    /// The loss of each element.
    Unreduced,
    /// One number.
    Reduced(Reduction),
    /// The sum, and that of the weights.
    SumAndWeight,
}

/// What is wanted of a sweep, on tensors `P`.
#[derive(Clone)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Request<P> {
    pub(crate) returns: Returns,
    /// A weight for each loss.
    pub(crate) samples: Option<P>,
    /// The size of axis 0 of the input.
    pub(crate) batch: usize,
    /// How many terms count as one loss.
    pub(crate) terms: usize,
    /// What the sum is divided by, where it is not for what a mean is made of but a share of one.
    pub(crate) total: Option<f64>,
}

impl<P> Request<P> {
    /// Whether the sum of the weights is needed.
    pub(crate) fn weighs(&self) -> bool {
        matches!(
            self.returns,
            Returns::SumAndWeight | Returns::Reduced(Reduction::Mean)
        )
    }

    /// What the sum of the losses is divided by, given that of the weights.
    pub(crate) fn divisor(&self, weight: f64) -> f64 {
        match self.returns {
            Returns::Unreduced | Returns::Reduced(Reduction::Sum) => 1.0,
            Returns::SumAndWeight => self.total.unwrap_or(1.0),
            Returns::Reduced(Reduction::BatchMean) => self.batch as f64,
            Returns::Reduced(Reduction::Mean) => weight,
        }
    }

    pub(crate) fn map<Q>(self, map: impl FnOnce(P) -> Q) -> Request<Q> {
        Request {
            returns: self.returns,
            samples: self.samples.map(map),
            batch: self.batch,
            terms: self.terms,
            total: self.total,
        }
    }
}
