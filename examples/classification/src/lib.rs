//! What the training program and the demonstration of the move to ten classes share.

pub mod confusion;
pub mod model;
