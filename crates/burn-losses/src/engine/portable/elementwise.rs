//! The losses of single elements, on whole tensors.

use super::reduce::{Graph, Losses};
use super::tensors::{flat, or_nan};
use crate::engine::any_rank::AnyRank;
use crate::real::Real;
use alloc::vec::Vec;
use burn::tensor::{Bool, Tensor};

/// The losses of a definition that acts on each element alone, and the derivative with respect to each operand
/// that may have a gradient, if one has.
pub(crate) struct TensorTerms {
    pub(crate) value: Tensor<3>,
    pub(crate) slopes: Vec<Tensor<3>>,
}

impl TensorTerms {
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
pub(crate) fn elementwise(
    part: f64,
    terms: TensorTerms,
    valid: Option<Tensor<3, Bool>>,
    inputs: &[AnyRank],
) -> Losses {
    let TensorTerms { value, slopes } = terms;
    let keepdim_shape = value.dims();
    let slopes = slopes.into_iter().zip(inputs);
    let gradients = slopes.map(|(slope, input)| (input.clone(), or_nan(slope, &valid)));
    Losses {
        values: flat(or_nan(value, &valid)),
        part,
        weights: None,
        batch: inputs[0].shape()[0],
        graph: Graph::new(&inputs[0], keepdim_shape, gradients.collect()),
    }
}

/// The value times the weight of its class.
pub(crate) fn weighted<R: Real>(value: R, weight: Option<R>) -> R {
    match weight {
        Some(weight) => value.times_or_zero(weight),
        None => value,
    }
}
