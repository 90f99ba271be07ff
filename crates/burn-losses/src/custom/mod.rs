//! A loss of one's own: a closure.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use burn_losses::custom::{Custom, Rule};
//!
//! let squared_hinge = Custom::elementwise("SquaredHinge", |logit, sign| {
//!     (1.0 - logit * sign).at_least(0.0).square()
//! })
//! .with_target(Rule::SIGNS);
//!
//! let device = Device::flex();
//! let logits = Tensor::<1>::from_data([2.0, 0.5], &device);
//! let signs = Tensor::<1>::from_data([1.0, -1.0], &device);
//! let value = squared_hinge.forward(logits, signs);
//! assert_eq!(value.into_scalar::<f32>(), 1.125);
//! ```
//!
//! The closure runs once, on symbols ([`Expr`]). Of the formula that comes out the derivative is taken, and both are
//! run as the losses of this crate are: in one pass over memory on flex and ndarray, as a kernel on GPUs, as tensor
//! operations elsewhere. Nothing of it is compiled in the crate of the closure, so it is as fast in a debug build.
//! And it is checked as they are: shapes, devices and the values of the target; an invalid target is an error, or NaN
//! where values are not read.
//!
//! | | of | for |
//! |---|---|---|
//! | [`Custom::elementwise`] | an element of two operands | most losses: regression, labels, signs |
//! | [`Custom::elementwise_of`] | an element of one to four operands | a score beside another, a weight or variance beside a target |
//! | [`Custom::softmax`] | the probability of a sample's class | class ids |
//! | [`Custom::row`] | sums over axes | overlaps (dice), correlations, any ratio of sums |
//!
//! [The guide](crate::guide::custom) has a page about them.

mod check;
mod elementwise;
mod row;
mod settings;
mod softmax;

pub use crate::loss::formula::statistics::Statistics;
pub use check::check;
pub use elementwise::CustomElementwise;
pub use row::CustomRow;
pub use softmax::CustomSoftmax;

#[doc(inline)]
pub use crate::spec::expression::{Condition, Expr};
#[doc(inline)]
pub use crate::spec::rule::Rule;

use crate::spec::expression::{record, record_with};

/// Makes a loss of a closure.
///
/// The name is the one that errors and lints have. It is not that of a loss of this crate.
#[derive(Debug)]
#[non_exhaustive]
pub struct Custom;

impl Custom {
    /// A loss of each element of two operands: what the model gives, and a target (or a second score).
    ///
    /// ```
    /// use burn_losses::custom::Custom;
    ///
    /// // Too much costs three times as much as too little.
    /// let cost = Custom::elementwise("AsymmetricCost", |predicted, needed| {
    ///     let error = predicted - needed;
    ///     error.above(0.0).select(3.0 * error, -error)
    /// });
    /// ```
    ///
    /// # Panics
    ///
    /// If the formula reads an operand nowhere, or the name is that of a loss of this crate, or no identifier.
    #[track_caller]
    pub fn elementwise(
        name: &'static str,
        formula: impl FnOnce(Expr, Expr) -> Expr,
    ) -> CustomElementwise<2> {
        Self::elementwise_of(name, |[x, y]| formula(x, y))
    }

    /// As [`elementwise`](Self::elementwise), of one to four operands.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use burn_losses::custom::{Custom, Rule};
    ///
    /// let loss = Custom::elementwise_of("GaussianWithLogVariance", |[mean, log_variance, target]| {
    ///     0.5 * ((target - mean).square() * (-log_variance).exp() + log_variance)
    /// });
    ///
    /// let device = Device::flex().autodiff();
    /// let mean = Tensor::<1>::from_data([1.0, 2.0], &device).require_grad();
    /// let log_variance = Tensor::<1>::from_data([0.0, 0.0], &device).require_grad();
    /// let target = Tensor::<1>::from_data([1.0, 4.0], &device);
    /// let gradients = loss.forward(mean, log_variance.clone(), target).backward();
    /// let of_log_variance = log_variance.grad(&gradients).unwrap();
    /// assert_eq!(of_log_variance.into_data().try_to_vec::<f32>().unwrap(), [0.25, -0.75]);
    /// ```
    ///
    /// # Panics
    ///
    /// As [`elementwise`](Self::elementwise).
    #[track_caller]
    pub fn elementwise_of<const K: usize>(
        name: &'static str,
        formula: impl FnOnce([Expr; K]) -> Expr,
    ) -> CustomElementwise<K> {
        CustomElementwise::new(name, record(|operands| [formula(operands)]))
    }

    /// A loss of a sample's class, by its probability in the softmax of logits: of `ln p`, of `p`, and of `1 - p`, which
    /// keeps its digits where `p` is all but 1. The target is class ids.
    ///
    /// ```
    /// use burn_losses::custom::Custom;
    ///
    /// let focal = Custom::softmax("MyFocal", |ln_p, _, rest| -rest.square() * ln_p)
    ///     .with_ignore_index(-1);
    /// ```
    ///
    /// # Panics
    ///
    /// As [`elementwise`](Self::elementwise), if the formula reads none of the three.
    #[track_caller]
    pub fn softmax(
        name: &'static str,
        formula: impl FnOnce(Expr, Expr, Expr) -> Expr,
    ) -> CustomSoftmax {
        CustomSoftmax::new(name, record(|[ln_p, p, rest]| [formula(ln_p, p, rest)]))
    }

    /// A loss of sums over axes of one to three operands: the terms of the sums, and what the sums come to.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use burn_losses::custom::{Custom, Rule};
    ///
    /// let dice = Custom::row(
    ///     "Dice",
    ///     |[probability, mask]| [probability * mask, probability, mask],
    ///     |[both, probabilities, masks]| 1.0 - (2.0 * both + 1.0) / (probabilities + masks + 1.0),
    /// )
    /// .with_rules([Rule::PROBABILITY, Rule::PROBABILITY]);
    ///
    /// let device = Device::flex();
    /// let mask = Tensor::<2>::from_data([[0., 1., 1., 0.], [1., 0., 0., 0.]], &device);
    /// let value = dice.forward(mask.clone(), mask);
    /// assert_eq!(value.into_scalar::<f32>(), 0.0);
    /// ```
    ///
    /// The sums are over all axes but the first, or those of [`with_axes`](CustomRow::with_axes).
    ///
    /// # Panics
    ///
    /// As [`elementwise`](Self::elementwise), if there is an operand or a sum that is read nowhere, or more than
    /// three operands or eight sums.
    #[track_caller]
    pub fn row<const K: usize, const S: usize>(
        name: &'static str,
        terms: impl FnOnce([Expr; K]) -> [Expr; S],
        head: impl FnOnce([Expr; S]) -> Expr,
    ) -> CustomRow<K> {
        let terms = record(terms);
        let head = record_with(&terms.parameters, |sums| [head(sums)]);
        CustomRow::new(name, terms, head)
    }
}
