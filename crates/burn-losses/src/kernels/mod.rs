//! How a loss is computed: its maths, written once, and the ways to run it.
//!
//! * [`real`]: the arithmetic that a loss's formula is written in. A scalar has it ([`elementary`]
//!   are its `exp` and `ln`), and so has a tensor ([`tensor`]), so one definition is the portable
//!   form, the reference in `f64` and the body of a loop over memory.
//! * [`definition`], [`softmax`], [`margin`], [`norm`]: the families of losses, and the maths that a family shares.
//!   [`rule`]: what a value must be.
//! * [`ops`]: what a backend can do for a family; [`backends`] has those that do.
//! * [`host`]: the sweeps over memory of this process, for backends on a CPU; `cube`: the kernels of
//!   GPUs. [`id`]: the ids that may be indexed with.
//! * [`fused`]: calls the sweep of a backend, and records its gradient.
//! * [`portable`]: applies a definition to tensors of any backend; [`autodiff`] and `tape` join the
//!   value and its known gradient to Burn's autodiff graph.
#![cfg_attr(
    not(any(feature = "flex", feature = "ndarray")),
    allow(dead_code, unused_imports, unused_variables) // Then nobody sweeps over memory.
)]

pub(crate) mod any_rank;
pub(crate) mod autodiff;
mod backends;
#[cfg(feature = "cube")]
mod cube;
pub(crate) mod definition;
mod elementary;
mod elementwise;
pub(crate) mod fused;
pub(crate) mod host;
pub(crate) mod id;
pub(crate) mod margin;
pub(crate) mod norm;
pub(crate) mod ops;
pub(crate) mod pointwise;
pub(crate) mod portable;
pub(crate) mod real;
pub(crate) mod rule;
pub(crate) mod softmax;
pub(crate) mod tape;
mod tensor;

#[cfg(test)]
mod tests;
