//! Kernels for GPUs, over rows, over the pairs within them and over elements, and what each loss computes in them.
#![allow(clippy::extra_unused_type_parameters)] // What CubeCL makes of a function uses them.

mod distribution;
pub(crate) mod elements;
pub(crate) mod families;
pub(crate) mod formula;
mod id;
pub(crate) mod kernel_key;
pub(crate) mod launch;
#[cfg(feature = "std")]
pub(crate) mod overlap;
pub(crate) mod pairs;
mod registers;
pub(crate) mod row_kernel;
pub(crate) mod rows;
pub(crate) mod rows_defined;
mod samples;
pub(crate) mod softmax;
mod sums;
#[cfg(test)]
mod tests;
pub(crate) mod traced;
