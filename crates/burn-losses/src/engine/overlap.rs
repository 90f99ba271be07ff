//! The overlap of probabilities and targets, added up for each sample and class.

use super::softmax::AnySoftmaxHead;
use crate::spec::overlap::{Activation, Overlap, OverlapTarget};
use alloc::sync::Arc;
use core::fmt::{Debug, Formatter, Result};

/// How many sums there are of each sample and class: of what overlaps, is false, and is missed.
pub(crate) const SUMS: usize = 3;

/// How many there are with a loss beside: that of the class's pixels, and how many these are.
pub(crate) const SUMS_BESIDE: usize = 5;

/// How many there are where these are Lovász' extension, and how many pixels are of the class.
pub(crate) const SUMS_OF_LOVASZ: usize = 2;

/// A loss of each pixel.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum Beside {
    CrossEntropy,
    /// By the probability of its class: the target is ids.
    OfClass(Arc<dyn AnySoftmaxHead>),
}

/// What is added up.
#[derive(Clone)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct OverlapSpec<P> {
    /// The axis of the classes.
    pub(crate) axis: usize,
    /// How many samples there are sums of: those of the batch, or one that is all of it.
    pub(crate) samples: usize,
    pub(crate) activation: Activation,
    pub(crate) overlap: Overlap,
    pub(crate) target: OverlapTarget<P>,
    /// What is computed of each pixel's softmax besides.
    pub(crate) beside: Option<Beside>,
    /// In place of the sums it is the Lovász extension of the Jaccard loss, of a softmax and ids, on a CPU.
    pub(crate) lovasz: bool,
}

impl<P> OverlapSpec<P> {
    pub(crate) fn map<Q>(self, map: impl FnOnce(P) -> Q) -> OverlapSpec<Q> {
        OverlapSpec {
            axis: self.axis,
            samples: self.samples,
            activation: self.activation,
            overlap: self.overlap,
            target: self.target.map(map),
            beside: self.beside,
            lovasz: self.lovasz,
        }
    }

    /// How many sums there are of each sample and class.
    pub(crate) fn sums(&self) -> usize {
        match self.beside {
            _ if self.lovasz => SUMS_OF_LOVASZ,
            Some(_) => SUMS_BESIDE,
            None => SUMS,
        }
    }
}

impl<P> Debug for OverlapSpec<P> {
    fn fmt(&self, formatter: &mut Formatter) -> Result {
        formatter
            .debug_struct("OverlapSpec")
            .finish_non_exhaustive()
    }
}
