//! What a loss is, apart from whoever runs it.
//!
//! * [`elementwise`], [`softmax`], [`margin`], [`norm`]: the families of losses, and the maths that a family shares.
//! * [`rule`]: what a value must be.
//! * [`classes`], [`pairs`], [`operand`]: what is computed, and of what; [`request`], [`reduction`]: what is wanted
//!   of it.

pub(crate) mod classes;
pub(crate) mod elementwise;
pub(crate) mod margin;
pub(crate) mod norm;
pub(crate) mod operand;
pub(crate) mod pairs;
pub(crate) mod reduction;
pub(crate) mod request;
pub(crate) mod rule;
pub(crate) mod softmax;
