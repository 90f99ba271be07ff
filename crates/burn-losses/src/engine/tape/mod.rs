//! Joins a value to the autodiff graph by a gradient that is already known.
//!
//! Letting Burn differentiate a formula step by step is what makes gradients NaN (`0 * inf` in the
//! derivative of a root or a logarithm). Every loss states its derivative instead, computes it on
//! untracked tensors beside the value, and joins the two here: the backward pass only scales the
//! gradient by what comes from above.
//!
//! For a backend this crate was compiled for, that is one step on Burn's tape. For any other the
//! same is said in tensor operations, `value + (x - detached x) * gradient`.

mod compose;
pub(crate) mod known;
pub(crate) mod record;

use super::any_rank::{AnyRank, in_context_of};
use burn::backend::DispatchDevice;
use burn::tensor::Tensor;
use compose::attach_composed;
use known::KnownGradient;
use record::record;

/// `value`, now also a function of `input`. It holds what is computed so far and may already depend
/// on other inputs.
pub(crate) fn attach(value: Tensor<1>, input: &AnyRank, slope: KnownGradient) -> Tensor<1> {
    let device = input.device();
    if !input.is_tracked() {
        return value;
    }
    let value = in_context_of(value, &device);
    match device.without_autodiff().as_dispatch() {
        #[cfg(feature = "flex")]
        DispatchDevice::Flex(_) => record::<burn::backend::Flex>(value, input, slope),
        #[cfg(feature = "ndarray")]
        #[allow(deprecated)] // Burn points ndarray's users to flex; both are served here.
        DispatchDevice::NdArray(_) => record::<burn::backend::NdArray>(value, input, slope),
        #[cfg(feature = "cube")]
        DispatchDevice::Cube(_) => record::<burn::backend::Cube>(value, input, slope),
        #[cfg(feature = "remote")]
        DispatchDevice::Remote(_) => record::<burn::backend::Remote>(value, input, slope),
        #[allow(unreachable_patterns)] // Which backends exist is up to Burn's features.
        _ => attach_composed(value, input.clone(), slope),
    }
}
