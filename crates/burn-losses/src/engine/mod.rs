//! How a loss is computed: the ways to run what [`spec`](crate::spec) says of it.
//!
//! * [`dispatch`]: calls the sweep of a backend, and records its gradient.
//! * [`ops`]: what a backend can do for a family; [`backends`] has those that do.
//! * [`host`]: the sweeps over memory of this process, for backends on a CPU; `cube`: the kernels of
//!   GPUs.
//! * [`portable`]: applies a definition to tensors of any backend; [`tape`] joins the value and its known
//!   gradient to Burn's autodiff graph.
//! * [`elementwise`], [`softmax`], [`rows`]: definitions without their types; `formula`: those of users; `softmax_pair`, `thresholds`, `earth_mover`, `boxes`, `distribution`, `lovasz`: rows that have sweeps of their own; `overlap`: sums that are a function by themselves; [`any_rank`], [`values`]: tensors without theirs.
//! * `remote`: what runs a sweep in the process that serves a device; [`packed`]: definitions that are sent there.
//! * [`device`], [`dtype`], [`shape`]: what is asked of tensors; [`memory`]: what users can say of it.
//!
//! What is internal to Burn (dispatch, the tape, fusion, primitive tensors, devices) is touched in this folder
//! alone.
#![cfg_attr(
    not(any(feature = "flex", feature = "ndarray")),
    allow(dead_code, unused_imports, unused_variables) // Then nobody sweeps over memory.
)]

pub(crate) mod any_rank;
mod backends;
#[cfg(feature = "std")]
mod boxes;
#[cfg(feature = "cube")]
mod cube;
pub(crate) mod device;
pub(crate) mod dispatch;
#[cfg(feature = "std")]
mod distribution;
pub(crate) mod dtype;
#[cfg(feature = "std")]
mod earth_mover;
pub(crate) mod elementwise;
#[cfg(feature = "std")]
mod formula;
pub(crate) mod host;
#[cfg(feature = "std")]
mod lovasz;
pub(crate) mod memory;
pub(crate) mod ops;
#[cfg(feature = "std")]
pub(crate) mod overlap;
mod packed;
pub(crate) mod portable;
#[cfg(feature = "remote")]
pub(crate) mod remote;
pub(crate) mod rows;
pub(crate) mod shape;
pub(crate) mod softmax;
#[cfg(feature = "std")]
mod softmax_pair;
pub(crate) mod tape;
#[cfg(feature = "std")]
mod thresholds;
pub(crate) mod values;

#[cfg(any(feature = "train", feature = "remote"))]
pub(crate) use burn::backend::ExecutionError;
