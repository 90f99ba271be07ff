//! A known gradient in tensor operations, for a backend that this crate was not compiled for.

use super::known::KnownGradient;
use crate::engine::any_rank::{AnyRank, in_context_of};
use burn::tensor::Tensor;
use core::sync::atomic::{AtomicBool, Ordering};

/// The join in tensor operations, for a backend this crate was not compiled for.
///
/// An input of -inf contributes no gradient here: nothing finite can be computed from it.
pub(crate) fn attach_composed(value: Tensor<1>, input: AnyRank, slope: KnownGradient) -> Tensor<1> {
    static TOLD: AtomicBool = AtomicBool::new(false);
    let device = input.device();
    if !TOLD.swap(true, Ordering::Relaxed) {
        log::warn!(
            "burn-losses was compiled without the backend of {device:?} and composes slower \
             operations there: turn on the feature of burn-losses that is named like the backend"
        );
    }
    if input.is_empty() {
        let nothing = input.sum().cast(value.dtype());
        return value + nothing;
    }
    let input = input.layers(slope.gradient.dims());
    let infinite = input.clone().is_finite().bool_not();
    let input = input.mask_fill(infinite, 0.0).cast(value.dtype());
    let zero = input.clone() - input.detach();
    // A loss scale from above may be infinite in half precision: zero times that is to be zero.
    let none = slope.gradient.clone().equal_scalar(0.0);
    let change = zero * in_context_of(slope.gradient, &device);
    let mut change = change.mask_fill(none, 0.0);
    for axis in 0..3 {
        if change.dims()[axis] != slope.keepdim_shape[axis] {
            change = change.sum_dim(axis);
        }
    }
    let shape = value.dims();
    value + change.reshape(shape)
}
