//! A loss that acts on each element alone.

use crate::real::Real;
use crate::spec::plain::Plain;
use core::fmt::Debug;

/// The maths of such a loss: its value and its `S` slopes at one element of each of `K` operands, of which those that
/// may have a gradient come first, at most three of them.
pub(crate) trait Elementwise<const K: usize, const S: usize = 1>:
    Copy + Debug + Plain + Send + Sync + 'static
{
    /// What is given is this share of the loss and of its slopes: a power of two. A loss that may be
    /// out of range where its share of a mean is not gives a part that never is. (Halving is exact.)
    const PART: f64 = 1.0;
    /// The derivative with respect to each operand that may have a gradient.
    const DERIVATIVES: &'static [Derivative] = &[Derivative::Slope(0), Derivative::Negative(0)];
    /// Few use it: on a CPU there is no loop of its own that adds it up in one pass, and none for the widest vectors.
    const RARE: bool = false;
    /// Rows of an operand may have to add up to 1.
    const HAS_ROWS: bool = false;

    fn at<R: Real>(&self, operands: [R; K]) -> (R, impl FnOnce() -> [R; S]);
}

/// One of the slopes, or its negative. That with respect to the first operand is the first slope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum Derivative {
    Slope(usize),
    Negative(usize),
}

impl Derivative {
    /// The slope that it is made of.
    pub(crate) fn slope(self) -> usize {
        match self {
            Self::Slope(at) | Self::Negative(at) => at,
        }
    }

    /// It, of the slopes.
    pub(crate) fn of<R: Real>(self, slopes: &[R]) -> R {
        match self {
            Self::Slope(at) => slopes[at].clone(),
            Self::Negative(at) => -slopes[at].clone(),
        }
    }
}
