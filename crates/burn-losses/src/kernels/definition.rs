//! A loss that acts on each element alone.

use super::real::Real;

/// The maths of such a loss: its value and derivative at one element of each of `K` operands.
///
/// The operands that may have a gradient come first, at most two of them: the derivative is with
/// respect to the first, and that with respect to the second is the negative one.
pub(crate) trait Definition<const K: usize>: Copy + Send + Sync + 'static {
    fn at<R: Real>(&self, operands: [R; K]) -> (R, impl FnOnce() -> R);
}
