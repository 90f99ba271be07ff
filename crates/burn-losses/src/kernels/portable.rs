//! Applies a loss's definition to whole tensors, on any backend.
//!
//! Everything is computed on untracked tensors, in `f32` or `f64`: half-precision input is widened
//! first, so that sums and small differences keep their digits.

use super::any_rank::AnyRank;
use super::autodiff::{Of, Slope, in_context_of, join, largest};
use super::real::Real;
use super::softmax::ln_1p;
use crate::loss::{Graph, Losses};
use alloc::vec::Vec;
use burn::tensor::{Bool, DType, Device, FloatDType, Int, Tensor, TensorData};

/// The axis of layers along which a loss is computed.
pub(crate) const AXIS: usize = 1;

/// The float type in which values of the given type are computed.
pub(crate) fn wide(dtype: DType) -> FloatDType {
    match dtype {
        DType::F64 => FloatDType::F64,
        _ => FloatDType::F32,
    }
}

/// The least positive number that has all digits in the type in which values of the given type are computed.
pub(crate) fn least_normal(dtype: DType) -> f64 {
    match wide(dtype) {
        FloatDType::F64 => f64::MIN_POSITIVE,
        _ => f64::from(f32::MIN_POSITIVE),
    }
}

/// The tensor outside of the autodiff graph, in a type wide enough to compute in.
pub(crate) fn untracked(tensor: &AnyRank) -> AnyRank {
    let dtype = wide(tensor.dtype());
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

/// The losses of a definition that acts on each element alone, and the derivative with respect to each operand
/// that may have a gradient, if one has.
pub(crate) struct Terms {
    pub(crate) value: Tensor<3>,
    pub(crate) slopes: Vec<Tensor<3>>,
}

impl Terms {
    /// Whether a number is infinite. It is read.
    pub(crate) fn leave_the_range(&self) -> bool {
        let infinite = |tensor: &Tensor<3>| {
            let any = tensor.clone().is_inf().any();
            any.into_scalar::<u8>() == 1
        };
        infinite(&self.value) || self.slopes.iter().any(infinite)
    }
}

/// The losses from their terms, which are a `part` of what they stand for. Elements at which `valid` does not
/// hold become NaN.
pub(crate) fn pointwise(
    part: f64,
    terms: Terms,
    valid: Option<Tensor<3, Bool>>,
    inputs: &[AnyRank],
) -> Losses {
    let Terms { value, slopes } = terms;
    let kept = value.dims();
    let slopes = slopes.into_iter().zip(inputs);
    let gradients = slopes.map(|(slope, input)| (input.clone(), or_nan(slope, &valid)));
    Losses {
        values: flat(or_nan(value, &valid)),
        part,
        weights: None,
        batch: inputs[0].shape()[0],
        graph: Graph::new(&inputs[0], kept, gradients.collect()),
    }
}

/// The value times the weight of its class.
pub(crate) fn weighted<R: Real>(value: R, weight: Option<R>) -> R {
    match weight {
        Some(weight) => value.times_or_zero(weight),
        None => value,
    }
}

/// A value, flattened, as a function of the inputs whose gradients are given; in the type of the
/// first. The value has length 1 along the axes it was summed over.
pub(crate) fn as_function_of(value: Tensor<3>, inputs: &[(&AnyRank, Tensor<3>)]) -> Tensor<1> {
    let kept = value.dims();
    let (first, _) = &inputs[0];
    let (device, dtype) = (first.device(), first.dtype());
    let joined = inputs.iter().fold(flat(value), |value, (input, gradient)| {
        let slope = Slope {
            gradient: finite(gradient.clone(), input.dtype()),
            kept,
            of: Of::Function,
        };
        join(value, input, slope)
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

/// A softmax along the axis of layers that keeps what a saturated row would lose to rounding.
pub(crate) struct Softmax {
    /// Half of the logits less half of the largest of their row, and the exponentials of the whole.
    half_shifted: Tensor<3>,
    exp: Tensor<3>,
    /// Which class has the largest logit; one class where several are equal.
    is_largest: Tensor<3, Bool>,
    /// The sum of the other classes' exponentials.
    others: Tensor<3>,
}

impl Softmax {
    pub(crate) fn new(logits: Tensor<3>) -> Self {
        // The largest logit contributes exactly 1 to the sum. Adding up the others without it keeps
        // what they contribute, however little it is.
        let shape = logits.dims();
        let (largest, at) = logits.clone().max_dim_with_indices(AXIS);
        let along = [1, shape[AXIS], 1];
        let ids = Tensor::<1, Int>::arange(0..shape[AXIS] as i64, (&at.device(), at.dtype()));
        let is_largest = at.expand(shape).equal(ids.reshape(along).expand(shape));

        let half_shifted = logits * 0.5 - largest * 0.5;
        let exp = (half_shifted.clone() * 2.0).exp();
        let others = exp.clone().mask_fill(is_largest.clone(), 0.0).sum_dim(AXIS);
        Self {
            half_shifted,
            exp,
            is_largest,
            others,
        }
    }

    /// Half of the logarithm of each probability. (The difference of two logits may be out of range where
    /// its share of a mean is not.)
    pub(crate) fn half_log_prob(&self) -> Tensor<3> {
        self.half_shifted.clone() - ln_1p(self.others.clone()) * 0.5
    }

    /// The probability of each class, and of all others together: `1 - p`, but exact where `p`
    /// rounds to 1.
    pub(crate) fn prob_and_rest(self) -> (Tensor<3>, Tensor<3>) {
        let shape = self.exp.dims();
        let sum = self.others.clone().add_scalar(1.0);
        let rest =
            (sum.clone() - self.exp.clone()).mask_where(self.is_largest, self.others.expand(shape));
        (self.exp / sum.clone(), rest / sum)
    }
}

/// Numbers of the host laid along the axis of layers; a single one is for all.
pub(crate) fn along_axis(numbers: &[f64], device: &Device, dtype: DType) -> Tensor<3> {
    let shape = [1, numbers.len(), 1];
    let data = TensorData::new(numbers.to_vec(), shape).convert_dtype(dtype);
    Tensor::from_data(data, (device, dtype))
}
