//! The checks of pairs and triplets of vectors.

use crate::engine::any_rank::AnyRank;
use crate::engine::shape::without;
use crate::validate::check::{Check, dims};
use crate::validate::error::{LossError, LossErrorKind};
use alloc::format;
use burn::tensor::Shape;

/// The shape of what is computed of vectors along the last axis.
pub(crate) fn rows(check: &Check, what: &str, shape: &Shape) -> Result<Shape, LossError> {
    let last = shape.num_dims() - 1;
    if shape[last] == 0 {
        let message = format!("the {what} {} have no components.", dims(shape));
        return Err(check.error(LossErrorKind::Shape, message));
    }
    Ok(without(shape, last))
}

/// The checks of a triplet that the host can do; gives its shape.
pub(crate) fn check_triplet(
    check: &Check,
    [anchor, positive, negative]: [&AnyRank; 3],
) -> Result<Shape, LossError> {
    let (device, shape) = (anchor.device(), anchor.shape());
    check.dtype(&device, anchor.dtype())?;
    for (name, other) in [("positive", positive), ("negative", negative)] {
        check.device("anchor", &device, name, &other.device())?;
        check.same_shape("anchor", &shape, name, &other.shape())?;
    }
    check.one_tracking(&[
        ("anchor", anchor),
        ("positive", positive),
        ("negative", negative),
    ])?;
    Ok(shape)
}
