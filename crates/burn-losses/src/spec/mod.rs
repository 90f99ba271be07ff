//! What a loss is, apart from whoever runs it.
//!
//! * [`elementwise`], [`softmax`], [`row`]: the traits of what a loss computes.
//! * [`margin`], [`norm`], [`distance`], [`logits`]: maths that losses share.
//! * `expression`: a formula that a user writes; `overlap`: how much of what is predicted is true.
//! * [`rule`]: what a value must be; [`plain`]: what can be written down.
//! * [`classes`], [`operand`]: what is computed, and of what; [`request`], [`reduction`]: what is wanted of it.

pub(crate) mod classes;
pub(crate) mod distance;
pub(crate) mod elementwise;
#[cfg(feature = "std")]
pub(crate) mod expression;
pub(crate) mod logits;
pub(crate) mod margin;
pub(crate) mod norm;
pub(crate) mod operand;
#[cfg(feature = "std")]
pub(crate) mod overlap;
pub(crate) mod plain;
pub(crate) mod reduction;
pub(crate) mod request;
pub(crate) mod row;
pub(crate) mod rule;
pub(crate) mod softmax;
