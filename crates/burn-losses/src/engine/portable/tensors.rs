//! Applies a loss's definition to whole tensors, on any backend.
//!
//! Everything is computed on untracked tensors, in `f32` or `f64`: half-precision input is widened
//! first, so that sums and small differences keep their digits.

use crate::engine::any_rank::{AnyRank, in_context_of};
#[cfg(feature = "std")]
use crate::engine::device::is_cpu;
use crate::engine::dtype::{compute_dtype, largest};
use crate::engine::tape::attach;
use crate::engine::tape::known::{GradientOf, KnownGradient};
use burn::tensor::{Bool, DType, Device, Tensor, TensorData};

/// The axis of layers along which a loss is computed.
pub(crate) const AXIS: usize = 1;

/// The tensor outside of the autodiff graph, in a type wide enough to compute in.
pub(crate) fn untracked(tensor: &AnyRank) -> AnyRank {
    let dtype = compute_dtype(tensor.dtype());
    tensor.clone().inner().cast(dtype)
}

/// Where both hold; a mask that is absent holds everywhere.
pub(crate) fn both(
    one: Option<Tensor<3, Bool>>,
    other: Option<Tensor<3, Bool>>,
) -> Option<Tensor<3, Bool>> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.bool_and(other)),
        (one, other) => one.or(other),
    }
}

/// A value, flattened, as a function of the inputs whose gradients are given; in the type of the
/// first. The value has length 1 along the axes it was summed over.
pub(crate) fn as_function_of(value: Tensor<3>, inputs: &[(&AnyRank, Tensor<3>)]) -> Tensor<1> {
    let keepdim_shape = value.dims();
    let (first, _) = &inputs[0];
    let (device, dtype) = (first.device(), first.dtype());
    let joined = inputs.iter().fold(flat(value), |value, (input, gradient)| {
        let slope = KnownGradient {
            gradient: finite(gradient.clone(), input.dtype()),
            keepdim_shape,
            of: GradientOf::Function,
        };
        attach(value, input, slope)
    });
    in_context_of(joined, &device).cast(dtype)
}

/// The elements in order. (Burn's own reshape takes a length of 0 for "as before".)
pub(crate) fn flat<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    match tensor.shape().num_elements() {
        0 => Tensor::zeros([0], (&tensor.device(), tensor.dtype())),
        count => tensor.reshape([count]),
    }
}

/// The elements in the given shape.
pub(crate) fn shaped<const D: usize>(flat: Tensor<1>, shape: [usize; D]) -> Tensor<D> {
    match shape.iter().product::<usize>() {
        0 if D == 1 => flat.reshape(shape),
        0 => Tensor::zeros(shape, (&flat.device(), flat.dtype())),
        _ => flat.reshape(shape),
    }
}

/// A mask repeated along the axes on which it has length 1. (Burn's expand refuses a length of 0.)
pub(crate) fn repeated<const D: usize>(
    mask: Tensor<D, Bool>,
    shape: [usize; D],
) -> Tensor<D, Bool> {
    match shape.iter().product::<usize>() {
        0 => Tensor::empty(shape, &mask.device()),
        _ => mask.expand(shape),
    }
}

/// A gradient without infinities: clamped to what the input's type can hold. NaN, which a GPU's clamp may
/// swallow, stays NaN.
pub(crate) fn finite<const D: usize>(gradient: Tensor<D>, dtype: DType) -> Tensor<D> {
    let limit = largest(dtype);
    let nan = gradient.clone().is_nan();
    gradient.clamp(-limit, limit).mask_fill(nan, f64::NAN)
}

/// NaN where `valid` does not hold: what stands for an invalid target whose values were not read.
pub(crate) fn or_nan<const D: usize>(
    tensor: Tensor<D>,
    valid: &Option<Tensor<D, Bool>>,
) -> Tensor<D> {
    match valid {
        Some(valid) => tensor.mask_fill(valid.clone().bool_not(), f64::NAN),
        None => tensor,
    }
}

/// A sum over a number, each of shape `[1]`; 0, with a zero gradient, where that is 0, unless the sum is NaN.
pub(crate) fn share_of(sum: Tensor<1>, total: Tensor<1>) -> Tensor<1> {
    let nothing = total.clone().equal_scalar(0.0);
    let total = total.mask_fill(nothing.clone(), 1.0);
    let valid = sum.clone().is_nan().bool_not();
    (sum / total).mask_fill(nothing.bool_and(valid), 0.0)
}

/// The tensor in `f64` where that costs nothing but time: what is left of differences needs the digits.
#[cfg(feature = "std")]
pub(crate) fn wide(tensor: Tensor<3>) -> Tensor<3> {
    if is_cpu(&tensor.device()) {
        return tensor.cast(DType::F64);
    }
    tensor
}

/// Numbers of the host laid along the axis of layers; a single one is for all.
pub(crate) fn along_axis(numbers: &[f64], device: &Device, dtype: DType) -> Tensor<3> {
    let shape = [1, numbers.len(), 1];
    let data = TensorData::new(numbers.to_vec(), shape).convert_dtype(dtype);
    Tensor::from_data(data, (device, dtype))
}
