//! The calls every loss has, and the one place where losses are weighted and reduced.

use crate::checks::is_cpu;
use crate::error::{Lint, LossError, LossErrorKind, or_panic};
use crate::kernels::any_rank::{AnyRank, layers};
use crate::kernels::autodiff::{self, Of, Slope, in_context_of};
use crate::kernels::ops::{Wanted, Wish};
use crate::kernels::pointwise::ones;
use crate::kernels::portable::{finite, flat, or_nan, repeated, shaped, wide};
use crate::reduction::Reduction;
use crate::target::check::{Check, dims};
use crate::target::{Flat, SampleWeights, Target};
use alloc::format;
use alloc::vec::Vec;
use burn::tensor::{DType, Device, FloatDType, Int, Shape, Tensor};

/// A loss called with a model's output and a target: `loss.forward(output, targets)`.
///
/// Every loss with these two inputs has it, for exactly the tensors it takes, so a model can be
/// generic over its loss:
///
/// ```
/// use burn::tensor::{Int, Tensor};
/// use burn_losses::prelude::*;
///
/// struct Classifier<L> {
///     loss: L,
/// }
///
/// impl<L: Loss<Tensor<2>, Tensor<1, Int>>> Classifier<L> {
///     fn train_on(&self, logits: Tensor<2>, targets: Tensor<1, Int>) -> Tensor<1> {
///         self.loss.forward(logits, targets)
///     }
/// }
/// # let _ = Classifier { loss: CrossEntropyLoss::new() };
/// ```
pub trait Loss<X, T>: Evaluate<(X, T)> {
    /// The reduced loss, of shape `[1]`.
    ///
    /// # Panics
    ///
    /// With the [`LossError`]'s text where [`try_forward`](Self::try_forward) returns an error.
    #[track_caller]
    fn forward(&self, output: X, targets: T) -> Tensor<1> {
        or_panic(reduced(self, (output, targets), false))
    }

    /// The reduced loss, of shape `[1]`, or what is wrong with the call.
    ///
    /// It waits for the device where it must to read the values; see [`Checks`](crate::Checks).
    fn try_forward(&self, output: X, targets: T) -> Result<Tensor<1>, LossError> {
        reduced(self, (output, targets), true)
    }

    /// The loss of each element or sample.
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    #[track_caller]
    fn forward_no_reduction(&self, output: X, targets: T) -> Self::Unreduced {
        or_panic(unreduced(self, (output, targets), false))
    }

    /// The loss of each element or sample, or what is wrong with the call.
    fn try_forward_no_reduction(
        &self,
        output: X,
        targets: T,
    ) -> Result<Self::Unreduced, LossError> {
        unreduced(self, (output, targets), true)
    }

    /// The reduced loss, in which each element's loss and weight are multiplied by `weights`: a
    /// weight per element, or per sample along axis 0, or a mask (Bool) of what counts.
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    #[track_caller]
    fn forward_weighted<W: SampleWeights<Self::Unreduced>>(
        &self,
        output: X,
        targets: T,
        weights: W,
    ) -> Tensor<1> {
        or_panic(weighted(self, (output, targets), weights, false))
    }

    /// As [`forward_weighted`](Self::forward_weighted), or what is wrong with the call.
    fn try_forward_weighted<W: SampleWeights<Self::Unreduced>>(
        &self,
        output: X,
        targets: T,
        weights: W,
    ) -> Result<Tensor<1>, LossError> {
        weighted(self, (output, targets), weights, true)
    }

    /// The sum of the losses and of their weights, from which the mean over several batches (or
    /// devices) is exact: add up the sums, add up the weights, divide.
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    #[track_caller]
    fn forward_parts(&self, output: X, targets: T) -> LossParts {
        or_panic(parts(self, (output, targets), false))
    }

    /// As [`forward_parts`](Self::forward_parts), or what is wrong with the call.
    fn try_forward_parts(&self, output: X, targets: T) -> Result<LossParts, LossError> {
        parts(self, (output, targets), true)
    }

    /// What is legal but suspicious about this batch. It reads the values and waits for the device:
    /// call it on the first batch of a run, not on all of them.
    fn lint(&self, output: &X, targets: &T) -> Vec<Lint>
    where
        X: Clone,
        T: Clone,
    {
        lints(self, (output.clone(), targets.clone()))
    }
}

impl<L: Evaluate<(X, T)>, X, T> Loss<X, T> for L {}

/// A loss called with three tensors: `loss.forward(anchor, positive, negative)`, or
/// `loss.forward(first, second, targets)`.
///
/// The methods are those of [`Loss`].
pub trait TripleLoss<A, B, C>: Evaluate<(A, B, C)> {
    /// As [`Loss::forward`].
    ///
    /// # Panics
    ///
    /// With the [`LossError`]'s text where [`try_forward`](Self::try_forward) returns an error.
    #[track_caller]
    fn forward(&self, first: A, second: B, third: C) -> Tensor<1> {
        or_panic(reduced(self, (first, second, third), false))
    }

    /// As [`Loss::try_forward`].
    fn try_forward(&self, first: A, second: B, third: C) -> Result<Tensor<1>, LossError> {
        reduced(self, (first, second, third), true)
    }

    /// As [`Loss::forward_no_reduction`].
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    #[track_caller]
    fn forward_no_reduction(&self, first: A, second: B, third: C) -> Self::Unreduced {
        or_panic(unreduced(self, (first, second, third), false))
    }

    /// As [`Loss::try_forward_no_reduction`].
    fn try_forward_no_reduction(
        &self,
        first: A,
        second: B,
        third: C,
    ) -> Result<Self::Unreduced, LossError> {
        unreduced(self, (first, second, third), true)
    }

    /// As [`Loss::forward_weighted`].
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    #[track_caller]
    fn forward_weighted<W: SampleWeights<Self::Unreduced>>(
        &self,
        first: A,
        second: B,
        third: C,
        weights: W,
    ) -> Tensor<1> {
        or_panic(weighted(self, (first, second, third), weights, false))
    }

    /// As [`Loss::try_forward_weighted`].
    fn try_forward_weighted<W: SampleWeights<Self::Unreduced>>(
        &self,
        first: A,
        second: B,
        third: C,
        weights: W,
    ) -> Result<Tensor<1>, LossError> {
        weighted(self, (first, second, third), weights, true)
    }

    /// As [`Loss::forward_parts`].
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    #[track_caller]
    fn forward_parts(&self, first: A, second: B, third: C) -> LossParts {
        or_panic(parts(self, (first, second, third), false))
    }

    /// As [`Loss::try_forward_parts`].
    fn try_forward_parts(&self, first: A, second: B, third: C) -> Result<LossParts, LossError> {
        parts(self, (first, second, third), true)
    }

    /// As [`Loss::lint`].
    fn lint(&self, first: &A, second: &B, third: &C) -> Vec<Lint>
    where
        A: Clone,
        B: Clone,
        C: Clone,
    {
        lints(self, (first.clone(), second.clone(), third.clone()))
    }
}

impl<L: Evaluate<(A, B, C)>, A, B, C> TripleLoss<A, B, C> for L {}

/// What a loss itself has to say; everything else follows from it.
///
/// `I` is the tuple of its inputs. Users call [`Loss`] and [`TripleLoss`]; only the losses of this
/// crate implement it.
pub trait Evaluate<I> {
    /// What [`forward_no_reduction`](Loss::forward_no_reduction) gives.
    type Unreduced: Unreduced;

    /// The name of the loss, for messages.
    fn name(&self) -> &'static str;

    /// How the losses are reduced.
    fn reduction(&self) -> Reduction;

    /// Checks the inputs and gives what the call wants of their losses.
    fn evaluate(&self, inputs: I, call: Call) -> Result<Evaluation, LossError>;

    /// What is legal but suspicious about the inputs.
    fn inspect(&self, inputs: I) -> Vec<Lint>;
}

/// How a loss is called: what is wanted of it.
#[derive(Clone, Debug)]
pub struct Call {
    /// The caller is ready to wait for the device to have the values checked.
    pub(crate) waiting: bool,
    pub(crate) wanted: Wanted,
    /// The weights given to `forward_weighted`.
    weights: Option<Target>,
    /// The axis along which the losses are summed before anybody sees them.
    summed: Option<usize>,
    /// How many of those that are summed count as one.
    terms: usize,
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
    fn new(waiting: bool, wanted: Wanted) -> Self {
        Self {
            waiting,
            wanted,
            weights: None,
            summed: None,
            terms: 1,
        }
    }

    /// A call of the loss of that name with weights.
    fn weighted(
        loss: &'static str,
        weights: Target,
        waiting: bool,
        reduction: Reduction,
    ) -> Result<Self, LossError> {
        let check = Check::new(loss, &weights.device, waiting);
        check.untracked("weights", &weights)?;
        Ok(Self {
            weights: Some(weights),
            ..Self::new(waiting, Wanted::Reduced(reduction))
        })
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
        let mut values = given.values.wide(dtype);
        if !swept {
            let valid = check.sample_weights(&values, &given.shape, dtype)?;
            values = or_nan(values, &valid);
        }
        let seen = self.seen(shape);
        let mut each = spread(values.clone(), &given.shape, &seen, check)?;
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

    /// What is wanted of a sweep over a batch of that size.
    pub(crate) fn wish(&self, weights: &Option<Weights>, batch: usize) -> Wish<Flat> {
        let each = weights.as_ref().map(|weights| weights.each.clone());
        Wish {
            wanted: self.wanted,
            samples: each.map(Flat::Float),
            batch,
            terms: self.terms,
        }
    }

    /// The shape in which what comes from above meets the gradient of losses along an axis of the input.
    pub(crate) fn kept(&self, shape: &Shape, axis: usize) -> Shape {
        match self.wanted {
            Wanted::Each => {
                let mut kept = shape.clone();
                kept[axis] = 1;
                kept
            }
            _ => ones(shape.num_dims()),
        }
    }

    /// The shape of the unreduced loss, where the losses themselves have the given one.
    fn seen(&self, shape: &Shape) -> Shape {
        match self.summed {
            Some(axis) => without(shape, axis),
            None => shape.clone(),
        }
    }

    /// The evaluation, from a value that is in the graph: the losses of the given shape if each is
    /// wanted, else a single number.
    pub(crate) fn evaluation(
        &self,
        value: Tensor<1>,
        weight: Option<Tensor<1>>,
        shape: &Shape,
        dtype: DType,
    ) -> Evaluation {
        let value = match (&self.wanted, self.summed) {
            (Wanted::Each, Some(axis)) if shape.num_elements() > 0 => {
                flat(shaped(value, layers(shape, axis)).sum_dim(1))
            }
            // Sums of nothing, if there are no classes but samples.
            (Wanted::Each, Some(_)) => {
                Tensor::zeros([self.seen(shape).num_elements()], (&value.device(), dtype))
            }
            _ => value,
        };
        Evaluation {
            value: match self.wanted {
                Wanted::Parts => value.cast(wide(dtype)),
                _ => value.cast(dtype),
            },
            weight: weight.map(|weight| weight.cast(wide(dtype))),
            shape: self.seen(shape),
        }
    }
}

/// What a call wanted.
pub struct Evaluation {
    /// One number, or the losses, flattened.
    pub(crate) value: Tensor<1>,
    /// The sum of the weights, where the parts are wanted.
    pub(crate) weight: Option<Tensor<1>>,
    /// The shape of the unreduced loss.
    pub(crate) shape: Shape,
}

impl Evaluation {
    /// No loss at all, of inputs without elements; the value stays a function of them.
    pub(crate) fn empty(
        check: &Check,
        mut call: Call,
        shape: Shape,
        inputs: &[AnyRank],
    ) -> Result<Self, LossError> {
        let first = &inputs[0];
        let (device, dtype) = (first.device(), first.dtype());
        let place = (&device.clone().without_autodiff(), wide(dtype).into());
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
        Ok(losses.answer(&call, weights, &shape, dtype))
    }
}

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
    /// As in [`Slope`](crate::kernels::autodiff::Slope).
    kept: [usize; 3],
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
        kept: [usize; 3],
        gradients: Vec<(AnyRank, Tensor<3>)>,
    ) -> Self {
        Self {
            device: first.device(),
            kept,
            gradients,
        }
    }

    fn join(self, value: Tensor<1>, through: Through) -> Tensor<1> {
        let Through {
            summed,
            weights,
            factor,
        } = through;
        let kept = if summed { [1; 3] } else { self.kept };
        let joined = self
            .gradients
            .into_iter()
            .fold(value, |value, (input, gradient)| {
                let gradient = match &weights {
                    Some(weights) => weigh(gradient, shaped(weights.clone(), self.kept)),
                    None => gradient,
                };
                let gradient = match gradient.shape().num_elements() {
                    // Some backends cannot multiply nothing.
                    0 => gradient,
                    _ => finite(gradient * shaped(factor.clone(), [1; 3]), input.dtype()),
                };
                let of = Of::Loss;
                autodiff::join(value, &input, Slope { gradient, kept, of })
            });
        in_context_of(joined, &self.device)
    }
}

/// A shape without one of its axes.
pub(crate) fn without(shape: &Shape, axis: usize) -> Shape {
    let mut dims = shape.to_vec();
    dims.remove(axis);
    Shape::from(dims)
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

/// The sum of a batch's losses, and of the weights with which they count; each of shape `[1]`, in
/// `f32` or wider.
///
/// `sum / weight` is the batch's [`Reduction::Mean`], whatever the loss's own reduction. Over several
/// batches, add up both and divide last.
#[derive(Clone, Debug)]
pub struct LossParts {
    /// The sum of the losses.
    pub sum: Tensor<1>,
    /// The sum of the weights: the number of losses where there are no weights.
    pub weight: Tensor<1>,
}

/// A tensor with one loss per element or sample.
pub trait Unreduced: Sized + sealed::Sealed {
    #[doc(hidden)]
    fn from_flat(flat: Tensor<1>, shape: Shape) -> Self;

    /// The elements in order, in the graph, and the shape.
    #[doc(hidden)]
    fn into_flat(self) -> (Tensor<1>, Shape);

    /// The elements changed, the shape kept.
    #[doc(hidden)]
    fn map_flat(self, map: impl FnOnce(Tensor<1>) -> Tensor<1>) -> Self {
        let (flat, shape) = self.into_flat();
        Self::from_flat(map(flat), shape)
    }
}

impl<const D: usize> Unreduced for Tensor<D> {
    fn into_flat(self) -> (Tensor<1>, Shape) {
        let shape = self.shape();
        (flat(self), shape)
    }

    fn from_flat(flat: Tensor<1>, shape: Shape) -> Self {
        shaped(flat, shape.dims())
    }
}

/// A tensor that loses its last or its class axis when a loss is computed along it.
///
/// Stable Rust cannot write `D - 1`; this is it, for ranks 2 to 6.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no axis to compute a loss along",
    label = "expected a tensor of rank 2 to 6",
    note = "give a single sample a batch axis with `unsqueeze_dim::<2>(0)`"
)]
pub trait LowerRank: sealed::Sealed {
    /// The float tensor of one rank less.
    type Lower: Unreduced;
    /// The tensor of class ids of one rank less.
    type LowerInt;

    #[doc(hidden)]
    fn ids_from(flat: Tensor<1, Int>, shape: Shape) -> Self::LowerInt;
}

mod sealed {
    pub trait Sealed {}
    impl<const D: usize> Sealed for burn::tensor::Tensor<D> {}
}

impl Losses {
    /// What a call wants of losses of the given shape, from input of the given type.
    pub(crate) fn answer(
        self,
        call: &Call,
        weights: Option<Weights>,
        shape: &Shape,
        dtype: DType,
    ) -> Evaluation {
        let weights = weights.map(|weights| weights.each);
        let (value, weight) = match call.wanted {
            Wanted::Each => {
                let through = Through {
                    summed: false,
                    weights: None,
                    factor: constant(&self.values, 1.0 / self.part),
                };
                (self.graph.join(self.values / self.part, through), None)
            }
            Wanted::Reduced(reduction) => (self.reduce(reduction, weights, call.terms), None),
            Wanted::Parts => {
                let weight = match &self.weights {
                    Some(weights) => sum(weights.clone()),
                    None => constant(&self.values, self.values.dims()[0] as f64),
                };
                let value = self.reduce(Reduction::Sum, weights, call.terms);
                (value, Some(weight / call.terms as f64))
            }
        };
        call.evaluation(value, weight, shape, dtype)
    }

    /// The sum of the losses over what the reduction divides it by, with the weights of
    /// `forward_weighted`, if it is that; so many `terms` count as one.
    fn reduce(self, reduction: Reduction, samples: Option<Tensor<1>>, terms: usize) -> Tensor<1> {
        let count = self.values.dims()[0];
        let dtype = FloatDType::from(self.values.dtype());
        let samples = samples.map(|samples| match reduction {
            // A mean does not depend on how large its weights are.
            Reduction::Mean if count > 0 => in_units_of_the_largest(samples).cast(dtype),
            _ => samples.cast(dtype),
        });
        let values = match &samples {
            Some(samples) => weigh(self.values, samples.clone()),
            None => self.values,
        };
        let weights = match (self.weights, samples.clone()) {
            (Some(own), Some(samples)) => Some(own * samples),
            (own, samples) => own.or(samples),
        };
        let divisor = match (reduction, weights) {
            (Reduction::Sum, _) => None,
            (Reduction::BatchMean, _) => Some(constant(&values, self.batch as f64)),
            (Reduction::Mean, None) => Some(constant(&values, (count / terms) as f64)),
            (Reduction::Mean, Some(weights)) => Some(sum(weights) / terms as f64),
        };
        let one = constant(&values, 1.0);
        let part = self.part;
        let (value, factor) = match divisor {
            _ if count == 0 => (constant(&values, 0.0), one),
            None => (sum(values) / part, one),
            Some(divisor) => quotient(values, divisor, part),
        };
        let through = Through {
            summed: true,
            weights: samples,
            factor: factor / part,
        };
        self.graph.join(value, through)
    }
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

/// The sum of the values, which are parts, over the divisor, and one over the divisor; both 0 where the
/// divisor is, unless a value is NaN.
fn quotient(values: Tensor<1>, divisor: Tensor<1>, part: f64) -> (Tensor<1>, Tensor<1>) {
    // Dividing by a power of two is exact; done before adding up, it keeps the sum in range.
    let scale = values.dims()[0].next_power_of_two() as f64;
    let nothing = divisor.clone().equal_scalar(0.0);
    let factor = divisor.recip().mask_fill(nothing.clone(), 0.0);
    let sum = sum(values / scale);
    let nothing = nothing.bool_and(sum.clone().is_nan().bool_not());
    let value = (sum * (factor.clone() * (scale / part))).mask_fill(nothing, 0.0);
    (value, factor)
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

fn reduced<I, L: Evaluate<I> + ?Sized>(
    loss: &L,
    inputs: I,
    waiting: bool,
) -> Result<Tensor<1>, LossError> {
    let call = Call::new(waiting, Wanted::Reduced(loss.reduction()));
    Ok(loss.evaluate(inputs, call)?.value)
}

fn unreduced<I, L: Evaluate<I> + ?Sized>(
    loss: &L,
    inputs: I,
    waiting: bool,
) -> Result<L::Unreduced, LossError> {
    let found = loss.evaluate(inputs, Call::new(waiting, Wanted::Each))?;
    Ok(Unreduced::from_flat(found.value, found.shape))
}

fn parts<I, L: Evaluate<I> + ?Sized>(
    loss: &L,
    inputs: I,
    waiting: bool,
) -> Result<LossParts, LossError> {
    let found = loss.evaluate(inputs, Call::new(waiting, Wanted::Parts))?;
    Ok(LossParts {
        sum: found.value,
        weight: found.weight.expect("the parts are wanted"),
    })
}

fn weighted<I, L, W>(loss: &L, inputs: I, weights: W, waiting: bool) -> Result<Tensor<1>, LossError>
where
    L: Evaluate<I> + ?Sized,
    W: SampleWeights<L::Unreduced>,
{
    let call = Call::weighted(loss.name(), weights.erased(), waiting, loss.reduction())?;
    Ok(loss.evaluate(inputs, call)?.value)
}

fn lints<I: Clone, L: Evaluate<I> + ?Sized>(loss: &L, inputs: I) -> Vec<Lint> {
    let call = Call::new(true, Wanted::Reduced(loss.reduction()));
    match loss.evaluate(inputs.clone(), call) {
        Ok(_) => loss.inspect(inputs),
        Err(error) => alloc::vec![Lint {
            loss: loss.name(),
            rule: "invalid",
            message: error.message,
        }],
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
