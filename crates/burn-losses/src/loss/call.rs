//! How a loss is called, and what comes of it.

use crate::engine::any_rank::AnyRank;
use crate::engine::dtype::{compute_dtype, largest};
use crate::engine::portable::reduce::{Graph, Losses};
use crate::engine::portable::tensors::{flat, or_nan, shaped};
use crate::engine::shape::{layers, ones, without};
use crate::engine::values::{AnyTarget, FlatValues};
#[cfg(feature = "std")]
use crate::spec::reduction::Reduction;
use crate::spec::request::{Request, Returns};
use crate::spec::rule::Rule;
use crate::validate::check::{Check, dims};
use crate::validate::error::{LossError, LossErrorKind};
use alloc::format;
#[cfg(feature = "std")]
use burn::tensor::FloatDType;
use burn::tensor::{DType, Device, Shape, Tensor};

/// How a loss is called: what is wanted of it.
#[derive(Clone, Debug)]
pub struct Call {
    /// The caller is ready to wait for the device to have the values checked.
    pub(crate) waiting: bool,
    pub(crate) returns: Returns,
    /// What the sum of the losses is divided by, given to `forward_over`: the sum is a share of a mean then, of the type
    /// of the inputs, and no part of one.
    total: Option<Tensor<1>>,
    /// The weights given to `forward_weighted`.
    weights: Option<AnyTarget>,
    /// The axis along which the losses are summed before anybody sees them.
    summed: Option<usize>,
    /// How many of those that are summed count as one.
    terms: usize,
    /// The shape in which they are seen, if it is not the one they are computed in.
    seen_as: Option<Shape>,
}

/// Weights that fit the losses.
pub(crate) struct Weights {
    /// As they were given, and their shape.
    given: Tensor<1>,
    shape: Shape,
    /// The type of the inputs they are for.
    inputs: DType,
    /// One for each loss.
    pub(crate) each: Tensor<1>,
}

impl Weights {
    /// Reads the weights again and says what is wrong with them.
    pub(crate) fn explain(&self, check: &Check) -> Result<(), LossError> {
        check
            .sample_weights(&self.given, &self.shape, self.inputs)
            .map(|_| ())
    }
}

impl Call {
    pub(crate) fn new(waiting: bool, returns: Returns) -> Self {
        Self {
            waiting,
            returns,
            total: None,
            weights: None,
            summed: None,
            terms: 1,
            seen_as: None,
        }
    }

    /// A call of the loss of that name with weights.
    pub(super) fn weighted(
        loss: &'static str,
        weights: AnyTarget,
        waiting: bool,
        returns: Returns,
    ) -> Result<Self, LossError> {
        let check = Check::new(loss, &weights.device, waiting);
        check.untracked_weights(&weights)?;
        Ok(Self {
            weights: Some(weights),
            ..Self::new(waiting, returns)
        })
    }

    /// A call of the loss of that name for the sum of its losses over a total.
    pub(super) fn over(
        loss: &'static str,
        total: Tensor<1>,
        waiting: bool,
    ) -> Result<Self, LossError> {
        let check = Check::new(loss, &total.device(), waiting);
        if total.dims() != [1] {
            return Err(check.error(
                LossErrorKind::Shape,
                format!(
                    "total {} must be one number, [1]: the sum of the weights of all batches, `weights.sum()`.",
                    dims(&total.shape())
                ),
            ));
        }
        if total.is_tracked() {
            return Err(check.error(
                LossErrorKind::TrackedTarget,
                "total: tracked by autodiff, but it is a constant of the batch: pass `total.inner()`."
                    .into(),
            ));
        }
        Ok(Self {
            total: Some(total.inner()),
            ..Self::new(waiting, Returns::SumAndWeight)
        })
    }

    /// Whether what a mean is made of is wanted, in the type that is computed in.
    pub(crate) fn wants_parts(&self) -> bool {
        self.returns == Returns::SumAndWeight && self.total.is_none()
    }

    /// What the sum is to be divided by, if it is, beside inputs of the given type; NaN where it is not valid and was not
    /// read.
    pub(super) fn total(
        &self,
        check: &Check,
        device: &Device,
        dtype: DType,
    ) -> Result<Option<Tensor<1>>, LossError> {
        let Some(total) = &self.total else {
            return Ok(None);
        };
        check.device("the loss", device, "total", &total.device())?;
        let total = total.clone().cast(compute_dtype(total.dtype()));
        let rule = Rule::between(0.0, largest(compute_dtype(dtype).into()));
        let valid = check.each_in(&total.shape(), dtype, &total, rule, |found| {
            match found.too_large() {
                Some(too_large) => format!("total {too_large}"),
                None => format!(
                    "total {} must be finite and at least 0: it is the sum of the weights of all batches.",
                    found.shown()
                ),
            }
        })?;
        Ok(Some(or_nan(total, &valid)))
    }

    /// The same call of a loss whose losses are then summed along an axis.
    pub(crate) fn summed(self, axis: usize) -> Self {
        Self {
            summed: Some(axis),
            ..self
        }
    }

    /// As [`summed`](Self::summed), where all the losses along the axis count as one: each is weighted
    /// by its share already.
    pub(crate) fn averaged(self, axis: usize, terms: usize) -> Self {
        Self {
            summed: Some(axis),
            terms,
            ..self
        }
    }

    /// The same call of a loss whose losses are seen in another shape than they are computed in.
    #[cfg(feature = "std")]
    pub(crate) fn seen_as(self, shape: Shape) -> Self {
        Self {
            seen_as: Some(shape),
            ..self
        }
    }

    /// The same call for a sum, if it is for what a mean is made of: then who calls divides. The sum is in the type that is
    /// computed in, so that it may be larger than the type of the inputs holds.
    #[cfg(feature = "std")]
    pub(crate) fn undivided(&self) -> Option<Self> {
        let divides = matches!(
            self.returns,
            Returns::SumAndWeight | Returns::Reduced(Reduction::Mean)
        );
        divides.then(|| Self {
            returns: Returns::SumAndWeight,
            ..self.clone()
        })
    }

    /// The output of an [`undivided`](Self::undivided) call of inputs of the given type as this one wants it.
    #[cfg(feature = "std")]
    pub(crate) fn divided(&self, sum: LossOutput, divisor: Tensor<1>, dtype: DType) -> LossOutput {
        match self.returns {
            Returns::SumAndWeight => LossOutput {
                weight: Some(divisor),
                ..sum
            },
            _ => LossOutput {
                value: (sum.value / divisor).cast(dtype),
                weight: None,
                ..sum
            },
        }
    }

    /// The sum of a number for each loss, of the given shape, times the weights.
    #[cfg(feature = "std")]
    pub(crate) fn weighted_sum(
        &self,
        check: &Check,
        numbers: Tensor<1>,
        shape: &Shape,
    ) -> Result<Tensor<1>, LossError> {
        let Some(weights) = &self.weights else {
            return Ok(numbers.sum());
        };
        let values = weights.values.clone().in_compute_dtype(numbers.dtype());
        let each = spread(values, &weights.shape, shape, check)?;
        Ok((each.cast(numbers.dtype()) * numbers).sum())
    }

    /// The same call, in which the weights of each sample add up to 1, or to the sample's own weight where it was given one;
    /// to 0 where none of its losses counts. Of losses of the given shape.
    #[cfg(feature = "std")]
    pub(crate) fn by_sample(
        self,
        check: &Check,
        shape: &Shape,
        device: &Device,
        dtype: DType,
    ) -> Result<Self, LossError> {
        let count = shape.num_elements();
        if count == 0 {
            return Ok(self);
        }
        let each = self.each_weight(check, shape, device, dtype)?;
        let rows = shaped(each, [shape[0], count / shape[0]]);
        // Over the largest first: the sum stays in range.
        let largest = rows.clone().max_dim(1);
        let none = largest.clone().equal_scalar(0.0);
        let rows = rows / largest.clone().mask_fill(none.clone(), 1.0);
        let shares = rows.clone() / rows.sum_dim(1).mask_fill(none, 1.0);
        let of_samples = self.weights.as_ref().filter(|given| given.shape != *shape);
        let shares = match of_samples {
            Some(_) => shares * largest,
            None => shares,
        };
        Ok(self.with_weights(flat(shares), shape))
    }

    /// The same call; where it is for a mean that who calls divides, with weights that are about 1 over the number of losses
    /// at most, of the given shape. The mean does not depend on how large they are, and no sum of them leaves the range.
    #[cfg(feature = "std")]
    pub(crate) fn within_range(
        self,
        check: &Check,
        shape: &Shape,
        device: &Device,
        dtype: DType,
    ) -> Result<Self, LossError> {
        let count = shape.num_elements();
        if count == 0 || !self.is_mean() {
            return Ok(self);
        }
        let share = 1.0 / count.next_power_of_two() as f64;
        let each = self.each_weight(check, shape, device, dtype)?;
        let largest = each.clone().max();
        let none = largest.clone().equal_scalar(0.0);
        let each = each / largest.mask_fill(none, 1.0) * share;
        Ok(self.with_weights(each, shape))
    }

    /// The weight of each loss of the given shape, in the type that is computed in, or `F64` if they were given so.
    #[cfg(feature = "std")]
    pub(crate) fn each_weight(
        &self,
        check: &Check,
        shape: &Shape,
        device: &Device,
        dtype: DType,
    ) -> Result<Tensor<1>, LossError> {
        let Some(given) = &self.weights else {
            let computed: FloatDType = compute_dtype(dtype);
            let place = (&device.clone().without_autodiff(), computed.into());
            return Ok(Tensor::ones([shape.num_elements()], place));
        };
        check.device("the loss", device, "weights", &given.device)?;
        let values = given.values.clone().in_compute_dtype(dtype);
        let valid = check.sample_weights(&values, &given.shape, dtype)?;
        spread(or_nan(values, &valid), &given.shape, shape, check)
    }

    /// The same call, in which each loss counts so many times; losses of the given shape.
    #[cfg(feature = "std")]
    pub(crate) fn where_counts(
        self,
        check: &Check,
        counts: Tensor<1>,
        shape: &Shape,
        dtype: DType,
    ) -> Result<Self, LossError> {
        let each = self.each_weight(check, shape, &counts.device(), dtype)?;
        // A weight that is no number stays none, also where nothing counts.
        let counts = counts.cast(each.dtype());
        Ok(self.with_weights(each * counts, shape))
    }

    #[cfg(feature = "std")]
    fn with_weights(self, each: Tensor<1>, shape: &Shape) -> Self {
        let weights = AnyTarget {
            shape: shape.clone(),
            device: each.device(),
            is_tracked: false,
            values: FlatValues::Float(each),
        };
        Self {
            weights: Some(weights),
            ..self
        }
    }

    /// Whether each loss is wanted.
    pub(crate) fn is_unreduced(&self) -> bool {
        self.returns == Returns::Unreduced
    }

    /// Whether a mean is wanted.
    #[cfg(feature = "std")]
    pub(crate) fn is_mean(&self) -> bool {
        self.returns == Returns::Reduced(Reduction::Mean)
    }

    /// Whether there are weights.
    pub(crate) fn is_weighted(&self) -> bool {
        self.weights.is_some()
    }

    /// The weights, for losses of the given shape and input of the given type. Their values are
    /// looked at here, unless they are `swept`: then the sweep does.
    pub(crate) fn weights(
        &mut self,
        check: &Check,
        shape: &Shape,
        device: &Device,
        dtype: DType,
        swept: bool,
    ) -> Result<Option<Weights>, LossError> {
        let Some(given) = self.weights.take() else {
            return Ok(None);
        };
        check.device("the loss", device, "weights", &given.device)?;
        // Weights in `F64` stay so where there is one: a mean does not depend on how small they are.
        let mut values = given.values.in_compute_dtype(dtype);
        if !swept {
            let valid = check.sample_weights(&values, &given.shape, dtype)?;
            values = or_nan(values, &valid);
        }
        let unreduced_shape = self.unreduced_shape(shape);
        let mut each = spread(values.clone(), &given.shape, &unreduced_shape, check)?;
        if let (Some(axis), true) = (self.summed, shape.num_elements() > 0) {
            let [outer, terms, inner] = layers(shape, axis);
            let of_sums = shaped(each, [outer, 1, inner]);
            each = flat(of_sums.expand([outer, terms, inner]));
        }
        Ok(Some(Weights {
            given: values,
            shape: given.shape,
            inputs: dtype,
            each,
        }))
    }

    /// What is wanted of a sweep over a batch of that size, which divides the sum by the total if that is a number.
    pub(crate) fn request(
        &self,
        weights: &Option<Weights>,
        batch: usize,
        total: Option<f64>,
    ) -> Request<FlatValues> {
        let each = weights.as_ref().map(|weights| weights.each.clone());
        Request {
            returns: self.returns,
            samples: each.map(FlatValues::Float),
            batch: self.seen_as.as_ref().map_or(batch, |shape| shape[0]),
            terms: self.terms,
            total,
        }
    }

    /// The shape in which what comes from above meets the gradient of losses along an axis of the input, or of each
    /// element.
    pub(crate) fn keepdim_shape(&self, shape: &Shape, axis: Option<usize>) -> Shape {
        if !self.is_unreduced() {
            return ones(shape.num_dims());
        }
        let mut keepdim_shape = shape.clone();
        if let Some(axis) = axis {
            keepdim_shape[axis] = 1;
        }
        keepdim_shape
    }

    /// The shape of the unreduced loss, where the losses themselves have the given one.
    fn unreduced_shape(&self, shape: &Shape) -> Shape {
        match (&self.seen_as, self.summed) {
            (Some(shape), _) => shape.clone(),
            (None, Some(axis)) => without(shape, axis),
            (None, None) => shape.clone(),
        }
    }

    /// The evaluation of losses of the given shape, of input of the given type, that were computed with tensor
    /// operations.
    pub(crate) fn answer(
        &self,
        losses: Losses,
        weights: Option<Weights>,
        total: Option<Tensor<1>>,
        shape: &Shape,
        dtype: DType,
    ) -> LossOutput {
        let weights = weights.map(|weights| weights.each);
        let batch = self.seen_as.as_ref().map_or(losses.batch, |shape| shape[0]);
        let losses = Losses { batch, ..losses };
        let (value, weight) = losses.answer(self.returns, weights, self.terms, total);
        self.evaluation(value, weight, shape, dtype)
    }

    /// The evaluation, from a value that is in the graph: the losses of the given shape if each is
    /// wanted, else a single number.
    pub(crate) fn evaluation(
        &self,
        value: Tensor<1>,
        weight: Option<Tensor<1>>,
        shape: &Shape,
        dtype: DType,
    ) -> LossOutput {
        let value = match (&self.returns, self.summed) {
            (Returns::Unreduced, Some(axis)) if shape.num_elements() > 0 => {
                flat(shaped(value, layers(shape, axis)).sum_dim(1))
            }
            // Sums of nothing, if there are no classes but samples.
            (Returns::Unreduced, Some(_)) => Tensor::zeros(
                [self.unreduced_shape(shape).num_elements()],
                (&value.device(), dtype),
            ),
            _ => value,
        };
        LossOutput {
            value: if self.wants_parts() {
                value.cast(compute_dtype(dtype))
            } else {
                value.cast(dtype)
            },
            weight: weight.map(|weight| weight.cast(compute_dtype(dtype))),
            shape: self.unreduced_shape(shape),
        }
    }
}

/// What a call wanted.
pub struct LossOutput {
    /// One number, or the losses, flattened.
    pub(crate) value: Tensor<1>,
    /// The sum of the weights, where the parts are wanted.
    pub(crate) weight: Option<Tensor<1>>,
    /// The shape of the unreduced loss.
    pub(crate) shape: Shape,
}

impl LossOutput {
    /// No loss at all, of inputs without elements; the value stays a function of them.
    pub(crate) fn empty(
        check: &Check,
        mut call: Call,
        shape: Shape,
        inputs: &[AnyRank],
    ) -> Result<Self, LossError> {
        let first = &inputs[0];
        let (device, dtype) = (first.device(), first.dtype());
        let place = (
            &device.clone().without_autodiff(),
            compute_dtype(dtype).into(),
        );
        let gradients = inputs
            .iter()
            .map(|input| (input.clone(), Tensor::zeros([0, 1, 1], place)));
        let losses = Losses {
            values: Tensor::zeros([0], place),
            part: 1.0,
            weights: None,
            batch: first.shape()[0],
            graph: Graph::new(first, [0, 1, 1], gradients.collect()),
        };
        let weights = call.weights(check, &shape, place.0, dtype, false)?;
        let total = call.total(check, place.0, dtype)?;
        Ok(call.answer(losses, weights, total, &shape, dtype))
    }
}

/// Weights as one number for each element of a loss of the given shape, flattened.
fn spread(
    weights: Tensor<1>,
    found: &Shape,
    shape: &Shape,
    check: &Check,
) -> Result<Tensor<1>, LossError> {
    let count = shape.num_elements();
    if found == shape {
        return Ok(weights);
    }
    if found.num_dims() == 1 && found[0] == shape[0] {
        let column = shaped(weights, [shape[0], 1]);
        return Ok(match count {
            0 => flat(column.slice(0..0)),
            _ => flat(column.expand([shape[0], count / shape[0]])),
        });
    }
    Err(check.error(
        LossErrorKind::Shape,
        format!(
            "weights {found} do not fit the loss {shape}: give one weight per element of the \
             loss, or one per sample, [{}].",
            shape[0],
            found = dims(found),
            shape = dims(shape),
        ),
    ))
}
