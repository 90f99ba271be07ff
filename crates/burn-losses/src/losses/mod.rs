//! The losses, by task: one file for each.

pub mod classification;
pub(crate) mod config;
pub(crate) mod distance;
pub(crate) mod module;
pub mod ranking;
pub mod regression;
pub(crate) mod signs;
