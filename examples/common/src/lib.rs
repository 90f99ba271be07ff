//! What the examples share: the choice of the backend, data, the training loop, its log, charts.

pub mod backend;
pub mod chart;
pub mod cli;
pub mod curves;
pub mod digits;
pub mod log;
pub mod mlp;
pub mod tabular;
pub mod training;

/// What goes wrong in an example, for the person who runs it.
pub type Error = Box<dyn std::error::Error>;
