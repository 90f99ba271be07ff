//! How a loss is computed: its maths, written once, and the ways to run it.
//!
//! * [`real`]: the arithmetic that a loss's formula is written in. A scalar has it, and so has a
//!   tensor, so one definition is the portable form, the reference in `f64` and the body of a
//!   loop over memory.
//! * [`portable`]: applies a definition to tensors of any backend.
//! * [`autodiff`]: joins a value and its known gradient to Burn's autodiff graph; on the backends
//!   this crate was compiled for, through `tape`.

pub(crate) mod autodiff;
pub(crate) mod portable;
pub(crate) mod real;
pub(crate) mod tape;

#[cfg(test)]
mod tests;
