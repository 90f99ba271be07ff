//! What the training program and the demonstration of outliers share: the penguins, the losses and
//! the model.

pub mod data;
pub mod loss;
pub mod model;
