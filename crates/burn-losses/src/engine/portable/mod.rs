//! A loss on tensors of any backend.
//!
//! Everything is computed on untracked tensors, in `f32` or `f64`: half-precision input is widened
//! first, so that sums and small differences keep their digits.

pub(crate) mod elementwise;
pub(crate) mod ids;
#[cfg(feature = "std")]
pub(crate) mod overlap;
pub(crate) mod reduce;
pub(crate) mod softmax;
pub(crate) mod tensors;
