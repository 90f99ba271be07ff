//! Applies a loss's definition to whole tensors, on any backend.
//!
//! Everything is computed on untracked tensors, in `f32` or `f64`: half-precision input is widened
//! first, so that sums and small differences keep their digits.

use super::autodiff::{join, largest};
use super::real::Real;
use burn::tensor::{Bool, DType, FloatDType, Int, Tensor};

/// The float type in which values of the given type are computed.
pub(crate) fn wide(dtype: DType) -> FloatDType {
    match dtype {
        DType::F64 => FloatDType::F64,
        _ => FloatDType::F32,
    }
}

/// The tensor outside of the autodiff graph, in a type wide enough to compute in.
pub(crate) fn untracked<const D: usize>(tensor: &Tensor<D>) -> Tensor<D> {
    let dtype = wide(tensor.dtype());
    tensor.clone().inner().cast(dtype)
}

/// The losses of a definition that acts on each element alone, one per element and flattened.
///
/// `value` and `slope` are what the definition gives; each input comes with the sign of its
/// derivative, `slope` or `-slope`. Elements at which `valid` does not hold become NaN.
pub(crate) fn pointwise<const D: usize, const N: usize>(
    (value, slope): (Tensor<D>, Tensor<D>),
    valid: Option<Tensor<D, Bool>>,
    inputs: [(&Tensor<D>, f64); N],
) -> Tensor<1> {
    let shape = value.dims();
    let value = or_nan(value, &valid).reshape([shape.iter().product::<usize>()]);
    inputs.into_iter().fold(value, |value, (input, sign)| {
        let gradient = finite(slope.clone().mul_scalar(sign), input.dtype());
        join(value, input, or_nan(gradient, &valid), shape)
    })
}

/// A gradient without infinities: clamped to what the input's type can hold.
pub(crate) fn finite<const D: usize>(gradient: Tensor<D>, dtype: DType) -> Tensor<D> {
    let limit = largest(dtype);
    gradient.clamp(-limit, limit)
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

/// A softmax along one axis, with what a saturated row would lose to rounding.
pub(crate) struct Softmax<const D: usize> {
    pub(crate) log_prob: Tensor<D>,
    pub(crate) prob: Tensor<D>,
    /// The probability of all other classes together: `1 - prob`, but exact where `prob` rounds to 1.
    pub(crate) rest: Tensor<D>,
}

impl<const D: usize> Softmax<D> {
    pub(crate) fn new(logits: Tensor<D>, axis: usize) -> Self {
        // The largest logit contributes exactly 1 to the sum. Adding up the others without it keeps
        // what they contribute, however little it is.
        let (largest, at) = logits.clone().max_dim_with_indices(axis);
        let shifted = logits - largest;
        let exp = shifted.clone().exp();
        let mut along = [1; D];
        along[axis] = shifted.dims()[axis];
        let ids = Tensor::<1, Int>::arange(0..along[axis] as i64, (&at.device(), at.dtype()));
        let is_largest = at
            .expand(shifted.dims())
            .equal(ids.reshape(along).expand(shifted.dims()));
        let others = exp.clone().mask_fill(is_largest.clone(), 0.0).sum_dim(axis);

        let sum = others.clone().add_scalar(1.0);
        let few = others.clone().lower_equal_scalar(1.0);
        let ln_sum = sum
            .clone()
            .log()
            .mask_where(few, others.clone().at_most(1.0).ln_1p_small());
        let all_but_one =
            (sum.clone() - exp.clone()).mask_where(is_largest, others.expand(shifted.dims()));
        Self {
            log_prob: shifted - ln_sum,
            prob: exp / sum.clone(),
            rest: all_but_one / sum,
        }
    }
}
