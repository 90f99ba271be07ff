//! Joins a value to the autodiff graph by a gradient that is already known.
//!
//! Letting Burn differentiate a formula step by step is what makes gradients NaN (`0 * inf` in the
//! derivative of a root or a logarithm). Every loss states its derivative instead, computes it on
//! untracked tensors beside the value, and joins the two here: the backward pass only scales the
//! gradient by what comes from above.
//!
//! For a backend this crate was compiled for, that is one step on Burn's tape. For any other the
//! same is said in tensor operations, `value + (x - detached x) * gradient`.

use super::any_rank::AnyRank;
use super::tape;
use burn::tensor::{DType, Device, Tensor};
use core::sync::atomic::{AtomicBool, Ordering};

/// The largest finite number of a float type: no gradient leaves this crate larger than that.
pub(crate) fn largest(dtype: DType) -> f64 {
    match dtype {
        DType::F16 => 65504.0,
        DType::BF16 => 3.389_531_389_251_535_5e38,
        DType::F64 => f64::MAX,
        _ => f64::from(f32::MAX),
    }
}

/// How a gradient known per element of an input applies to a value.
pub(crate) struct Slope {
    /// The derivative of the value's element with respect to the input's, untracked; the elements of the
    /// input as layers.
    pub(crate) gradient: Tensor<3>,
    /// The shape to which what comes from above is brought for multiplying: that of the gradient, with
    /// length 1 on each axis the value was summed over.
    pub(crate) kept: [usize; 3],
    /// Whose gradient it is.
    pub(crate) of: Of,
}

/// What has a gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    /// A loss. What is NaN in its gradient stays so, whatever comes from above: a wrong target is to show.
    Loss,
    /// A function that has no target, such as a distance: where nothing comes from above its gradient is 0,
    /// whatever the input is.
    Function,
}

/// `value`, now also a function of `input`. It holds what is computed so far and may already depend
/// on other inputs.
pub(crate) fn join(value: Tensor<1>, input: &AnyRank, slope: Slope) -> Tensor<1> {
    let device = input.device();
    if !input.is_tracked() {
        return value;
    }
    tape::join(in_context_of(value, &device), input, slope)
}

/// The tensor in the autodiff context of `device`; a tracked one stays tracked.
pub(crate) fn in_context_of<const K: usize>(tensor: Tensor<K>, device: &Device) -> Tensor<K> {
    match device.gradient_checkpointing_strategy() {
        Some(strategy) => tensor
            .autodiff()
            .with_gradient_checkpointing_strategy(strategy),
        None => tensor,
    }
}

/// The join in tensor operations, for a backend this crate was not compiled for.
///
/// An input of -inf contributes no gradient here: nothing finite can be computed from it.
pub(crate) fn compose(value: Tensor<1>, input: AnyRank, slope: Slope) -> Tensor<1> {
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
        if change.dims()[axis] != slope.kept[axis] {
            change = change.sum_dim(axis);
        }
    }
    let shape = value.dims();
    value + change.reshape(shape)
}
