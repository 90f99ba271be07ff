//! Sweeps that the process which serves a device runs: a call in words, the two sides of it, and what is known on both.

pub(crate) mod call;
pub(crate) mod catalog;
pub(crate) mod client;
#[cfg(feature = "remote-server")]
pub(crate) mod server;
