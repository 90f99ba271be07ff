//! A loss that acts on each element alone.

use crate::real::Real;
use core::fmt::Debug;

/// The maths of such a loss: its value and derivative at one element of each of `K` operands.
///
/// The operands that may have a gradient come first, at most three of them: the derivative is with
/// respect to the first, that with respect to the second is the negative one, and a third has its own.
pub(crate) trait Elementwise<const K: usize>: Copy + Debug + Send + Sync + 'static {
    /// What is given is this share of the loss and of its derivatives: a power of two. A loss that may be
    /// out of range where its share of a mean is not gives a part that never is. (Halving is exact.)
    const PART: f64 = 1.0;
    /// Whether there is a derivative with respect to the third operand.
    const THIRD: bool = false;

    fn at<R: Real>(&self, operands: [R; K]) -> (R, impl FnOnce() -> R);

    /// The derivative with respect to the third operand.
    fn third<R: Real>(&self, _: [R; K]) -> R {
        unreachable!("only asked of a definition that has it")
    }
}
