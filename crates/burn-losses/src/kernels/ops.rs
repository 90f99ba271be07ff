//! What a backend can do for the losses: a sweep for each family of them.

use super::elementwise::Elementwise;
use super::host::distance::{Pair, Triplet};
use super::host::pointwise::Rows;
use super::margin::MultiMargin;
use super::rule::Rule;
use crate::reduction::Reduction;
use alloc::sync::Arc;
use alloc::vec::Vec;
use burn::backend::Backend;
use burn::backend::tensor::{BoolTensor, FloatTensor, IntTensor};

/// What is wanted of a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The loss of each element.
    Each,
    /// One number.
    Reduced(Reduction),
    /// The sum, and that of the weights.
    Parts,
}

/// What is wanted of a sweep, on tensors `P`.
#[derive(Clone)]
pub(crate) struct Wish<P> {
    pub(crate) wanted: Wanted,
    /// A weight for each loss.
    pub(crate) samples: Option<P>,
    /// The size of axis 0 of the input.
    pub(crate) batch: usize,
    /// How many terms count as one loss.
    pub(crate) terms: usize,
}

impl<P> Wish<P> {
    /// Whether the sum of the weights is needed.
    pub(crate) fn weighs(&self) -> bool {
        matches!(
            self.wanted,
            Wanted::Parts | Wanted::Reduced(Reduction::Mean)
        )
    }

    /// What the sum of the losses is divided by, given that of the weights.
    pub(crate) fn divisor(&self, weight: f64) -> f64 {
        match self.wanted {
            Wanted::Each | Wanted::Parts | Wanted::Reduced(Reduction::Sum) => 1.0,
            Wanted::Reduced(Reduction::BatchMean) => self.batch as f64,
            Wanted::Reduced(Reduction::Mean) => weight,
        }
    }

    pub(crate) fn map<Q>(self, map: impl FnOnce(P) -> Q) -> Wish<Q> {
        Wish {
            wanted: self.wanted,
            samples: self.samples.map(map),
            batch: self.batch,
            terms: self.terms,
        }
    }
}

/// What a sweep gives.
pub(crate) struct Swept<P, const N: usize> {
    /// The reduced loss, of shape `[1]`, or the loss of each element, flattened; in `f32` or `f64`.
    pub(crate) value: P,
    /// The sum of the weights, if it is wanted.
    pub(crate) weight: Option<P>,
    /// The gradient of each input, if it is wanted: of the value, or for each loss of that.
    pub(crate) gradients: [Option<P>; N],
    /// Whether a value broke a rule. What depends on it is NaN.
    pub(crate) invalid: Invalid<P>,
}

#[cfg(feature = "cube")]
impl<P, const N: usize> Swept<P, N> {
    /// The same, of other tensors; they are taken in a fixed order.
    pub(crate) fn map<Q>(self, mut map: impl FnMut(P) -> Q) -> Swept<Q, N> {
        Swept {
            value: map(self.value),
            weight: self.weight.map(&mut map),
            gradients: self.gradients.map(|gradient| gradient.map(&mut map)),
            invalid: match self.invalid {
                Invalid::Known(invalid) => Invalid::Known(invalid),
                Invalid::OnDevice(rows) => Invalid::OnDevice(map(rows)),
            },
        }
    }
}

/// Whether a value broke a rule.
pub(crate) enum Invalid<P> {
    Known(bool),
    /// How many values or rows did, in a tensor of shape `[1]`.
    #[cfg_attr(not(feature = "cube"), allow(dead_code))] // Memory can be looked at at once.
    OnDevice(P),
}

/// Numbers along one axis: the same for `inner` elements in a row.
#[derive(Clone)]
pub(crate) struct Along {
    pub(crate) numbers: Vec<f64>,
    pub(crate) inner: usize,
}

/// A tensor of any kind.
pub(crate) enum AnyTensor<B: Backend> {
    Float(FloatTensor<B>),
    Int(IntTensor<B>),
    Bool(BoolTensor<B>),
}

/// A loss that acts on each element alone.
#[derive(Clone)]
pub(crate) struct Pointwise<P> {
    pub(crate) definition: Arc<dyn Elementwise>,
    /// The operands after the inputs, in this order: a number for each element, and numbers along an axis.
    pub(crate) flat: Option<P>,
    pub(crate) along: Option<Along>,
    /// What must hold for each element of an operand.
    pub(crate) rules: Vec<Option<Rule>>,
    pub(crate) rows: Option<Rows>,
    /// The weights of the classes.
    pub(crate) weights: Option<Along>,
}

impl<P> Pointwise<P> {
    pub(crate) fn map<Q>(self, map: impl FnOnce(P) -> Q) -> Pointwise<Q> {
        Pointwise {
            definition: self.definition,
            flat: self.flat.map(map),
            along: self.along,
            rules: self.rules,
            rows: self.rows,
            weights: self.weights,
        }
    }
}

/// A loss over the classes of each sample.
#[derive(Clone)]
pub(crate) struct Classes<P> {
    /// The axis of the classes.
    pub(crate) axis: usize,
    pub(crate) target: ClassTarget<P>,
    /// The input holds log-probabilities, and this must hold for them; else it holds logits.
    pub(crate) log_probs: Option<Rule>,
    pub(crate) weights: Option<Vec<f64>>,
    pub(crate) label_smoothing: f64,
}

/// The target of such a loss.
#[derive(Clone)]
pub(crate) enum ClassTarget<P> {
    /// Ids, and those that are ignored.
    Ids(P, Vec<i64>),
    /// Probabilities, what must hold for each, and how far their sum may be from 1.
    Probs(P, Rule, f64),
}

impl<P> Classes<P> {
    pub(crate) fn map<Q>(self, map: impl FnOnce(P) -> Q) -> Classes<Q> {
        Classes {
            axis: self.axis,
            target: match self.target {
                ClassTarget::Ids(ids, ignored) => ClassTarget::Ids(map(ids), ignored),
                ClassTarget::Probs(probs, rule, tolerance) => {
                    ClassTarget::Probs(map(probs), rule, tolerance)
                }
            },
            log_probs: self.log_probs,
            weights: self.weights,
            label_smoothing: self.label_smoothing,
        }
    }
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

/// A loss over the margins between the classes of a sample.
pub(crate) struct Margins<P> {
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

impl<P> Margins<P> {
    pub(crate) fn map<Q>(self, map: impl FnOnce(P) -> Q) -> Margins<Q> {
        Margins {
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

/// A backend with sweeps of its own.
pub(crate) trait LossOps: Backend {
    fn pointwise<const N: usize>(
        call: Pointwise<AnyTensor<Self>>,
        inputs: [FloatTensor<Self>; N],
        wish: Wish<FloatTensor<Self>>,
        gradients: [bool; N],
    ) -> Swept<FloatTensor<Self>, N>;

    fn classes(
        call: Classes<AnyTensor<Self>>,
        input: FloatTensor<Self>,
        wish: Wish<FloatTensor<Self>>,
        gradient: bool,
    ) -> Swept<FloatTensor<Self>, 1>;

    fn triplet(
        triplet: Triplet,
        inputs: [FloatTensor<Self>; 3],
        wish: Wish<FloatTensor<Self>>,
        gradients: [bool; 3],
    ) -> Swept<FloatTensor<Self>, 3>;

    fn pairs(
        call: Pairs<AnyTensor<Self>>,
        inputs: [FloatTensor<Self>; 2],
        wish: Wish<FloatTensor<Self>>,
        gradients: [bool; 2],
    ) -> Swept<FloatTensor<Self>, 2>;

    fn margins(
        call: Margins<AnyTensor<Self>>,
        input: FloatTensor<Self>,
        wish: Wish<FloatTensor<Self>>,
        gradient: bool,
    ) -> Swept<FloatTensor<Self>, 1>;

    /// A gradient times the number in a tensor of shape `[1]`.
    fn scaled(gradient: FloatTensor<Self>, number: &FloatTensor<Self>) -> FloatTensor<Self>;
}
