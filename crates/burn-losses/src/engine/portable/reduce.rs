//! What a call wants of losses that were computed with tensor operations: weighted, reduced, in the graph.

use super::tensors::{finite, repeated, shaped};
use crate::engine::any_rank::{AnyRank, in_context_of};
use crate::engine::device::is_cpu;
use crate::engine::tape::attach;
use crate::engine::tape::known::{GradientOf, KnownGradient};
use crate::spec::reduction::Reduction;
use crate::spec::request::Returns;
use alloc::vec::Vec;
use burn::tensor::{DType, Device, FloatDType, Tensor};

/// The losses of a batch, before they are reduced, computed with tensor operations.
pub(crate) struct Losses {
    /// One loss per element, flattened, untracked, in `f32` or `f64`.
    pub(crate) values: Tensor<1>,
    /// They and their gradients are this share of what they stand for, a power of two.
    pub(crate) part: f64,
    /// How much each counts; 1 where there is none.
    pub(crate) weights: Option<Tensor<1>>,
    /// The size of axis 0 of the input.
    pub(crate) batch: usize,
    /// How the losses depend on the inputs.
    pub(crate) graph: Graph,
}

/// How losses depend on the inputs they were computed from, for putting what is made of them into
/// the autodiff graph.
pub(crate) struct Graph {
    device: Device,
    /// As in [`KnownGradient`].
    keepdim_shape: [usize; 3],
    gradients: Vec<(AnyRank, Tensor<3>)>,
}

/// What lies between the losses and the value that is put into the graph.
struct Through {
    /// The value is a sum of the losses, or the losses themselves.
    summed: bool,
    /// What the losses were multiplied by: a weight for each, and a factor of shape `[1]` for all.
    weights: Option<Tensor<1>>,
    factor: Tensor<1>,
}

impl Graph {
    /// The losses' gradient with respect to each tracked input. `first` is the input that lends its device.
    pub(crate) fn new(
        first: &AnyRank,
        keepdim_shape: [usize; 3],
        gradients: Vec<(AnyRank, Tensor<3>)>,
    ) -> Self {
        Self {
            device: first.device(),
            keepdim_shape,
            gradients,
        }
    }

    fn attach(self, value: Tensor<1>, through: Through) -> Tensor<1> {
        let Through {
            summed,
            weights,
            factor,
        } = through;
        let keepdim_shape = if summed { [1; 3] } else { self.keepdim_shape };
        let joined = self
            .gradients
            .into_iter()
            .fold(value, |value, (input, gradient)| {
                let gradient = match &weights {
                    Some(weights) => weigh(gradient, shaped(weights.clone(), self.keepdim_shape)),
                    None => gradient,
                };
                let gradient = match gradient.shape().num_elements() {
                    // Some backends cannot multiply nothing.
                    0 => gradient,
                    _ => finite(gradient * shaped(factor.clone(), [1; 3]), input.dtype()),
                };
                let of = GradientOf::Loss;
                attach(
                    value,
                    &input,
                    KnownGradient {
                        gradient,
                        keepdim_shape,
                        of,
                    },
                )
            });
        in_context_of(joined, &self.device)
    }
}

/// The product, in which weight 0 leaves an element out, whatever it is.
fn weigh<const D: usize>(values: Tensor<D>, weights: Tensor<D>) -> Tensor<D> {
    let shape = values.dims();
    if shape.contains(&0) {
        return values;
    }
    let absent = weights.clone().equal_scalar(0.0);
    (values * weights).mask_fill(repeated(absent, shape), 0.0)
}

impl Losses {
    /// What is wanted of them, with the weights of `forward_weighted`, and the sum of the weights if that is;
    /// so many `terms` count as one. Where there is a `total`, the sum beside the weights is divided by it.
    pub(crate) fn answer(
        self,
        returns: Returns,
        weights: Option<Tensor<1>>,
        terms: usize,
        total: Option<Tensor<1>>,
    ) -> (Tensor<1>, Option<Tensor<1>>) {
        match returns {
            Returns::Unreduced => {
                let through = Through {
                    summed: false,
                    weights: None,
                    factor: constant(&self.values, 1.0 / self.part),
                };
                (self.graph.attach(self.values / self.part, through), None)
            }
            Returns::Reduced(reduction) => (self.reduce(reduction, weights, terms, None), None),
            Returns::SumAndWeight => {
                let samples = weights.clone();
                let samples = samples.map(|samples| samples.cast(self.values.dtype()));
                let weight = match (self.weights.clone(), samples) {
                    (Some(own), Some(samples)) => sum(own * samples),
                    (Some(weights), None) | (None, Some(weights)) => sum(weights),
                    (None, None) => constant(&self.values, self.values.dims()[0] as f64),
                };
                let value = self.reduce(Reduction::Sum, weights, terms, total);
                (value, Some(weight / terms as f64))
            }
        }
    }

    /// The sum of the losses over what the reduction divides it by, with the weights of
    /// `forward_weighted`, if it is that; so many `terms` count as one. A sum is divided by the `total`, if there is one.
    fn reduce(
        self,
        reduction: Reduction,
        samples: Option<Tensor<1>>,
        terms: usize,
        total: Option<Tensor<1>>,
    ) -> Tensor<1> {
        let count = self.values.dims()[0];
        let dtype = FloatDType::from(self.values.dtype());
        let is_divided = reduction != Reduction::Sum || total.is_some();
        let mut unit = None;
        let samples = samples.map(|samples| {
            let samples = match reduction {
                // A mean does not depend on how large its weights are.
                Reduction::Mean if count > 0 => in_units_of_the_largest(samples),
                // The product of a loss and a weight may be out of range where its share of a mean is not.
                _ if count > 0 && is_divided => {
                    let (samples, of_largest) = about_one(samples);
                    unit = Some(of_largest.cast(dtype));
                    samples
                }
                _ => samples,
            };
            samples.cast(dtype)
        });
        let in_units = |divisor: Tensor<1>| match unit {
            Some(unit) => divisor / unit,
            None => divisor,
        };
        let values = match &samples {
            Some(samples) => weigh(self.values, samples.clone()),
            None => self.values,
        };
        let weights = match (self.weights, samples.clone()) {
            (Some(own), Some(samples)) => Some(own * samples),
            (own, samples) => own.or(samples),
        };
        let divisor = match (reduction, weights) {
            (Reduction::Sum, _) => total.map(|total| in_units(total.cast(dtype))),
            (Reduction::BatchMean, _) => Some(in_units(constant(&values, self.batch as f64))),
            (Reduction::Mean, None) => Some(constant(&values, (count / terms) as f64)),
            (Reduction::Mean, Some(weights)) => Some(sum(weights) / terms as f64),
        };
        let part = self.part;
        let whole = constant(&values, 1.0 / part);
        let (value, factor) = match divisor {
            _ if count == 0 => (constant(&values, 0.0), whole),
            None => (sum(values) / part, whole),
            Some(divisor) => quotient(values, divisor, part),
        };
        let through = Through {
            summed: true,
            weights: samples,
            factor,
        };
        self.graph.attach(value, through)
    }
}

/// Weights divided by the largest of them, if that is above 1; and what they were divided by.
fn about_one(weights: Tensor<1>) -> (Tensor<1>, Tensor<1>) {
    // More would not help: see `engine::host::scale::about_one`.
    const MOST: f64 = (1u64 << 40) as f64;
    let largest = weights.clone().max();
    let none = largest.clone().is_nan();
    let unit = largest.mask_fill(none, 1.0).clamp(1.0, MOST);
    (weights / unit.clone(), unit)
}

/// Weights over the largest of them.
fn in_units_of_the_largest(weights: Tensor<1>) -> Tensor<1> {
    // The inverse of a number beyond 2^126 is 0 on many GPUs.
    const LARGE: f64 = 4e37;
    let largest = weights.clone().max();
    let none = largest.clone().equal_scalar(0.0);
    let large = largest.clone().greater_scalar(LARGE);
    let down = largest.ones_like().mask_fill(large, 0.125);
    let largest = largest.mask_fill(none, 1.0) * down.clone();
    weights * down / largest
}

/// The sum of the values, which are parts, over the divisor, and what a gradient of a part is multiplied by; both 0 where
/// the divisor is, unless a value is NaN.
fn quotient(values: Tensor<1>, divisor: Tensor<1>, part: f64) -> (Tensor<1>, Tensor<1>) {
    // Dividing by a power of two is exact; done before adding up, it keeps the sum in range.
    let scale = values.dims()[0].next_power_of_two() as f64;
    let nothing = divisor.clone().equal_scalar(0.0);
    let factor = divisor.recip().mask_fill(nothing.clone(), 0.0);
    // The inverse of what is near 0 may be infinite, and 0 times that is NaN.
    let of_parts = |parts: f64| finite(factor.clone() * (parts / part), values.dtype());
    let (of_sum, of_gradient) = (of_parts(scale), of_parts(1.0));
    let sum = sum(values / scale);
    let nothing = nothing.bool_and(sum.clone().is_nan().bool_not());
    ((sum * of_sum).mask_fill(nothing, 0.0), of_gradient)
}

/// The sum, of shape `[1]`. On a CPU it is added up in `f64`: the backends there add one by one, which
/// loses a digit for every ten numbers past a thousand.
fn sum(values: Tensor<1>) -> Tensor<1> {
    if is_cpu(&values.device()) {
        let dtype = values.dtype();
        return values.cast(DType::F64).sum().cast(dtype);
    }
    values.sum()
}

/// A number beside a tensor: on its device, in its type.
fn constant(beside: &Tensor<1>, number: f64) -> Tensor<1> {
    Tensor::full([1], number, (&beside.device(), beside.dtype()))
}
