//! What the training program and the demonstration of the move to ten classes share: the losses, the model, how it is
//! judged, and what becomes of a digit that is rare.

pub mod confusion;
pub mod loss;
pub mod model;
pub mod rare;
