//! What a kernel computes of a row.

use super::kernel_key::KernelKey;
use super::traced::{Traced, Tracer};
use crate::real::Real;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::Debug;

/// A loss of a row of elements, and its gradient at each of them.
///
/// A row is read once, element by element, in any order and by any number of threads: each element
/// has a *state*, and two states make one. What the state of the row gives is the loss, and numbers with which
/// the gradient is computed when the row is read again.
pub(crate) trait RowKernel: Debug + Send + Sync + 'static {
    /// What share of the loss is given, a power of two: a part may be in range where the whole is not.
    fn part(&self) -> f64 {
        1.0
    }

    /// The numbers that are set from call to call.
    fn parameters(&self) -> &[f64] {
        &[]
    }

    /// Whether the loss depends on more than the element at the row's class.
    fn reads_all(&self) -> bool {
        true
    }

    /// Whether there are two more operands: the input at the row's class, and 1 at that class, 0 elsewhere.
    fn reads_class(&self) -> bool {
        false
    }

    /// How many numbers a state has.
    fn states(&self) -> usize;

    /// The state of no elements at all.
    fn start<'a>(&self, tracer: Tracer<'a>) -> Vec<Traced<'a>>;

    /// The state of a single element: of each operand one.
    fn of<'a>(&self, tracer: Tracer<'a>, operands: &[Traced<'a>]) -> Vec<Traced<'a>>;

    /// The state of the elements of both.
    fn join<'a>(&self, a: &[Traced<'a>], b: &[Traced<'a>]) -> Vec<Traced<'a>>;

    /// The loss of a row.
    fn finish<'a>(
        &self,
        tracer: Tracer<'a>,
        state: &[Traced<'a>],
        row: RowContext<'a>,
    ) -> Finished<'a>;

    /// The gradient of each input at an element, from the numbers of the row.
    fn gradients<'a>(&self, numbers: &[Traced<'a>], operands: &[Traced<'a>]) -> Vec<Traced<'a>>;
}

/// What is known of a row besides its elements.
pub(crate) struct RowContext<'a> {
    /// Of a row with a class: the input there; how much the class counts, 0 where it is ignored and NaN
    /// where it is none; the same without the class's weight; that weight. Of one with a sign: that.
    pub(crate) own: Vec<Traced<'a>>,
    /// What the gradient is multiplied by, the weight of the sample included: 0 where that is.
    pub(crate) scale: Traced<'a>,
}

/// What was found out of a row.
pub(crate) struct Finished<'a> {
    /// The loss, not weighted yet.
    pub(crate) loss: Traced<'a>,
    /// 0, or NaN where the row's target is not valid.
    pub(crate) poisoned: Traced<'a>,
    /// The gradient at the row's class, if it is not computed as the others.
    pub(crate) at_class: Option<Traced<'a>>,
    /// What the gradient is computed with.
    pub(crate) numbers: Vec<Traced<'a>>,
}

/// A slope weighted and scaled, and no larger than the limit.
pub(crate) fn scale_and_clamp<'a>(slope: Traced<'a>, limit: f64, scale: Traced<'a>) -> Traced<'a> {
    let slope = slope.times_or_zero(scale);
    slope.at_least(-limit).at_most(limit)
}

impl KernelKey<dyn RowKernel> {
    pub(crate) fn of_row(value: impl RowKernel) -> Self {
        Self::new(value, |value| Arc::new(value))
    }
}
