//! Sweeps over memory of this process: a loss and its gradient in one pass.
//!
//! Everything here works on plain slices, so it serves every backend whose tensors are in the memory
//! of the process, and all it has of `unsafe` is memory that is not zeroed before it is written (see [`output`]). A
//! sweep is cut into chunks of a fixed size, each of which gives its own sum, and the sums are added up in order: the
//! result does not depend on the number of threads. Nothing here knows a rank, and what a loss computes is compiled
//! in this crate (see [`kernel`], [`head`] and [`row_kernel`]).
//!
//! [`memory`] is where backends come in; [`elementwise`], [`classes`] and [`rows`] are the sweeps of the families; the
//! rest they share: [`numbers`] that are read, how samples lie ([`samples`]) and all is cut into [`tasks`], scaled
//! ([`scale`]) and added up (`sums`), and the [`vectors`] they are computed in.

#[cfg(feature = "std")]
pub(crate) mod boxes;
pub(crate) mod classes;
#[cfg(feature = "std")]
pub(crate) mod distribution;
#[cfg(feature = "std")]
pub(crate) mod earth_mover;
pub(crate) mod elementwise;
#[cfg(feature = "std")]
pub(crate) mod formula;
pub(crate) mod head;
pub(crate) mod kernel;
#[cfg(feature = "std")]
pub(crate) mod lovasz;
#[cfg(feature = "std")]
mod machine;
pub(crate) mod memory;
pub(crate) mod numbers;
pub(crate) mod output;
#[cfg(feature = "std")]
pub(crate) mod overlap;
#[cfg_attr(not(feature = "flex"), allow(dead_code))] // Other tensors do not come back.
pub(crate) mod pool;
pub(crate) mod row_kernel;
pub(crate) mod rows;
pub(crate) mod samples;
pub(crate) mod scale;
#[cfg(feature = "std")]
pub(crate) mod softmax_pair;
mod sums;
pub(crate) mod tasks;
#[cfg(test)]
mod tests;
#[cfg(feature = "std")]
pub(crate) mod thresholds;
#[cfg(feature = "std")]
mod turned;
pub(crate) mod vectors;
mod weights;
