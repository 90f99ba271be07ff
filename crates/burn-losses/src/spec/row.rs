//! A loss of rows: of vectors side by side, or of the classes of a sample.

use crate::real::Real;
use crate::spec::plain::Plain;
use crate::spec::rule::Rule;
use alloc::vec::Vec;
use core::fmt::Debug;

/// The maths of such a loss: what is added up over a row, what the sums come to, and the derivatives at each element.
///
/// There is an element of each of `K` operands; it is measured in `M` sizes and has `S` terms. What the derivatives
/// are computed with are `H` times `W` numbers.
pub(crate) trait RowLoss<
    const K: usize,
    const M: usize,
    const S: usize,
    const H: usize,
    const W: usize,
>: Copy + Debug + Plain + Send + Sync + 'static
{
    /// The loss that is given is this share of what it stands for, a power of two; the derivatives are whole.
    const PART: f64 = 1.0;
    /// On a CPU it is computed in `f64`: what is left of differences needs the digits.
    const WIDE: bool = false;
    /// Few use it: on a CPU there is one loop for it, for vectors that are not the widest.
    const RARE: bool = false;
    #[cfg_attr(not(feature = "cube"), allow(dead_code))] // A CPU is told by what it reads.
    const OWN: OwnNumber = OwnNumber::Nothing;

    /// Whether elements are measured even where their terms are in range.
    fn always_measured(&self) -> bool {
        false
    }

    /// What an element is measured in; the largest of a row counts.
    fn sizes<R: Real>(&self, x: &[R; K]) -> [R; M];

    /// Adds the terms of an element to sums: of the element as it is, or as it is measured in sizes.
    fn add<R: Real>(
        &self,
        sums: [R; S],
        x: &[R; K],
        sizes: Option<&[R; M]>,
        row: &Row<R>,
    ) -> [R; S];

    /// Whether sums of elements as they are have all their digits, in `f64` or `f32`.
    fn are_exact(&self, sums: &[f64; S], is_double: bool) -> bool;

    /// Sums of elements measured in some sizes, as if they were measured in others, which are no smaller.
    #[cfg_attr(not(feature = "cube"), allow(dead_code))] // Only a GPU reads a row in parts.
    fn rescale<R: Real>(&self, sums: &[R; S], from: &[R; M], to: &[R; M]) -> [R; S];

    /// The loss of a row, and what the derivatives are computed with. The sizes of elements as they are are 1.
    fn head<R: Real>(&self, sizes: &[R; M], sums: &[R; S], row: &Row<R>) -> (R, [[R; W]; H]);

    /// What the derivatives are computed with, so that they come out times a scale.
    fn scaled<R: Real>(&self, head: [[R; W]; H], scale: &R) -> [[R; W]; H];

    /// The derivative with respect to each operand.
    fn slopes<R: Real>(&self, x: &[R; K], head: &[[R; W]; H]) -> [R; K];

    /// The derivative at the row's class, if it has one.
    fn slope_of_class<R: Real>(&self, _: &[[R; W]; H]) -> R {
        unreachable!("only asked of a loss of rows with a class")
    }
}

/// What a row has besides its elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "cube"), allow(dead_code))] // As above.
pub(crate) enum OwnNumber {
    Nothing,
    /// A sign, which the head is given.
    Sign,
    /// A class, the input at which is given to all. It is left out of the sums, and has a derivative of its own.
    Class,
}

/// What is known of a row besides its elements.
#[derive(Clone)]
pub(crate) struct Row<R> {
    /// Its [`OwnNumber`]; anything where it has none.
    pub(crate) own: R,
    /// One over its length.
    pub(crate) over_length: R,
}

/// A loss of pairs of elements of a row: of each label with each class that is none.
pub(crate) trait PairLoss: Copy + Debug + Plain + Send + Sync + 'static {
    /// As [`RowLoss::PART`].
    const PART: f64 = 1.0;

    /// The loss of a pair in a row of which one over the length is given, and the derivative with respect to the other;
    /// that with respect to the label is the negative one.
    fn at<R: Real>(&self, label: R, other: R, over_length: &R) -> (R, impl FnOnce() -> R);
}

/// What each row has, in tensors `P`.
#[derive(Clone)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum RowTarget<P> {
    Nothing,
    /// A number, and what it must be.
    Numbers(P, Rule),
    /// The id of its class, and a weight for each class.
    Class(P, Option<Vec<f64>>),
    /// The id of its rank, of which there is one more than elements; and how much a row of each counts where losses are
    /// averaged.
    #[cfg_attr(not(feature = "std"), allow(dead_code))] // Losses of ranks take `std`.
    Rank(P, Option<Vec<f64>>),
    /// The ids of its labels, then -1; as many as there are classes.
    Labels(P),
}

impl<P> RowTarget<P> {
    pub(crate) fn as_ref(&self) -> RowTarget<&P> {
        match self {
            Self::Nothing => RowTarget::Nothing,
            Self::Numbers(numbers, rule) => RowTarget::Numbers(numbers, *rule),
            Self::Class(ids, weights) => RowTarget::Class(ids, weights.clone()),
            Self::Rank(ids, counts) => RowTarget::Rank(ids, counts.clone()),
            Self::Labels(ids) => RowTarget::Labels(ids),
        }
    }

    pub(crate) fn map<Q>(self, map: impl FnOnce(P) -> Q) -> RowTarget<Q> {
        match self {
            Self::Nothing => RowTarget::Nothing,
            Self::Numbers(numbers, rule) => RowTarget::Numbers(map(numbers), rule),
            Self::Class(ids, weights) => RowTarget::Class(map(ids), weights),
            Self::Rank(ids, counts) => RowTarget::Rank(map(ids), counts),
            Self::Labels(ids) => RowTarget::Labels(map(ids)),
        }
    }
}
