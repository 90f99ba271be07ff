//! What the training program and the demonstration of outliers share: the patients and the model.

pub mod data;
pub mod model;
