//! The calls every loss has, and the fronts of the families: from checked inputs to what a call wants.

pub(crate) mod call;
pub(crate) mod classes;
pub(crate) mod elementwise;
#[cfg(feature = "std")]
pub(crate) mod exchange;
#[cfg(feature = "std")]
pub(crate) mod formula;
pub(crate) mod front;
pub(crate) mod labels;
#[cfg(feature = "std")]
pub(crate) mod overlap;
pub(crate) mod rows;
#[cfg(feature = "std")]
pub(crate) mod sharded;
pub(crate) mod values;
pub(crate) mod weight;

use crate::engine::any_rank::AnyRank;
use crate::engine::portable::tensors::share_of;
use crate::spec::reduction::Reduction;
use crate::spec::request::Returns;
use crate::targets::SampleWeights;
use crate::targets::rank::Unreduced;
use crate::validate::error::{Lint, LossError, or_panic};
use alloc::vec::Vec;
use burn::module::{Module, ModuleDisplay};
use burn::tensor::{DType, Device, FloatDType, Tensor};
use call::{Call, LossOutput};
use core::iter::Sum;
use core::ops::Add;

/// A loss called with a model's output and a target: `loss.forward(output, targets)`.
///
/// Every loss with these two inputs has it, for exactly the tensors it takes, so a model can be
/// generic over its loss (as a `Module` by [`LossModule`]):
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
    ) -> Tensor<1>
    where
        Self: Sized,
    {
        or_panic(weighted(self, (output, targets), weights, false))
    }

    /// As [`forward_weighted`](Self::forward_weighted), or what is wrong with the call.
    fn try_forward_weighted<W: SampleWeights<Self::Unreduced>>(
        &self,
        output: X,
        targets: T,
        weights: W,
    ) -> Result<Tensor<1>, LossError>
    where
        Self: Sized,
    {
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

    /// The share of this batch in the mean of several: the sum of its losses over `total`, the sum of the weights of all of
    /// them. It is 0, with a zero gradient, where that is 0.
    ///
    /// It is `forward_parts(..).sum / total`, of the type of the output, whatever the reduction of the loss. But the
    /// gradient is divided as it is computed (on flex and ndarray, or wherever a loss is made of tensor operations), so
    /// that nothing is left to do in the backward pass; and in half precision before it is rounded. `total` is a tensor of
    /// shape `[1]` on the device of the output, of any float type, untracked. What the targets tell of it `weight` knows,
    /// a method of the losses whose target tells all.
    ///
    /// ```
    /// use burn::tensor::{Device, Int, Tensor};
    /// use burn_losses::prelude::*;
    ///
    /// let device = Device::flex();
    /// let logits = Tensor::<2>::from_data([[2., 0.], [0., 1.], [1., 1.]], &device);
    /// let targets = Tensor::<1, Int>::from_data([0, -1, 1], &device);
    /// let loss = CrossEntropyLossConfig::new().with_ignore_index(-1).init();
    ///
    /// let total = loss.weight(targets.clone());
    /// let share = |start: usize, length: usize| {
    ///     let targets = targets.clone().narrow(0, start, length);
    ///     loss.forward_over(logits.clone().narrow(0, start, length), targets, total.clone())
    /// };
    /// let shares = share(0, 2) + share(2, 1);
    /// let mean = loss.forward(logits.clone(), targets.clone());
    /// assert!((shares - mean).into_scalar::<f32>().abs() < 1e-6);
    /// ```
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    #[track_caller]
    fn forward_over(&self, output: X, targets: T, total: Tensor<1>) -> Tensor<1> {
        or_panic(over(self, (output, targets), total, false))
    }

    /// As [`forward_over`](Self::forward_over), or what is wrong with the call.
    fn try_forward_over(
        &self,
        output: X,
        targets: T,
        total: Tensor<1>,
    ) -> Result<Tensor<1>, LossError> {
        over(self, (output, targets), total, true)
    }

    /// As [`forward_parts`](Self::forward_parts), in which each element's loss and weight are multiplied
    /// by `weights`, as in [`forward_weighted`](Self::forward_weighted).
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    #[track_caller]
    fn forward_weighted_parts<W: SampleWeights<Self::Unreduced>>(
        &self,
        output: X,
        targets: T,
        weights: W,
    ) -> LossParts
    where
        Self: Sized,
    {
        or_panic(weighted_parts(self, (output, targets), weights, false))
    }

    /// As [`forward_weighted_parts`](Self::forward_weighted_parts), or what is wrong with the call.
    fn try_forward_weighted_parts<W: SampleWeights<Self::Unreduced>>(
        &self,
        output: X,
        targets: T,
        weights: W,
    ) -> Result<LossParts, LossError>
    where
        Self: Sized,
    {
        weighted_parts(self, (output, targets), weights, true)
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

impl<L: Evaluate<(X, T)> + ?Sized, X, T> Loss<X, T> for L {}

/// A [`Loss`] that is a field of a module: what a model that is generic over its loss asks of it.
///
/// ```
/// use burn::module::Module;
/// use burn::nn::{Linear, LinearConfig};
/// use burn::optim::GradientsParams;
/// use burn::tensor::{Device, Int, Tensor};
/// use burn_losses::prelude::*;
///
/// #[derive(Module, Debug)]
/// struct Classifier<L: LossModule<Tensor<2>, Tensor<1, Int>>> {
///     linear: Linear,
///     loss: L,
/// }
///
/// impl<L: LossModule<Tensor<2>, Tensor<1, Int>>> Classifier<L> {
///     fn gradients(&self, input: Tensor<2>, targets: Tensor<1, Int>) -> GradientsParams {
///         let value = self.loss.forward(self.linear.forward(input), targets);
///         GradientsParams::from_grads(value.backward(), self)
///     }
/// }
///
/// let device = Device::flex().autodiff();
/// let linear = LinearConfig::new(4, 3).init(&device);
/// let loss = FocalLoss::new();
/// let model = Classifier { linear, loss };
/// let targets = Tensor::from_data([0, 2], &device);
/// let gradients = model.gradients(Tensor::ones([2, 4], &device), targets);
/// assert!(gradients.get::<2>(model.linear.weight.id).is_some());
/// ```
///
/// For a loss of three inputs the bound is `Module + ModuleDisplay + TripleLoss<A, B, C>`.
pub trait LossModule<X, T>: Module + ModuleDisplay + Loss<X, T> {}

impl<L: Module + ModuleDisplay + Loss<X, T>, X, T> LossModule<X, T> for L {}

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
    ) -> Tensor<1>
    where
        Self: Sized,
    {
        or_panic(weighted(self, (first, second, third), weights, false))
    }

    /// As [`Loss::try_forward_weighted`].
    fn try_forward_weighted<W: SampleWeights<Self::Unreduced>>(
        &self,
        first: A,
        second: B,
        third: C,
        weights: W,
    ) -> Result<Tensor<1>, LossError>
    where
        Self: Sized,
    {
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

    /// As [`Loss::forward_over`].
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    #[track_caller]
    fn forward_over(&self, first: A, second: B, third: C, total: Tensor<1>) -> Tensor<1> {
        or_panic(over(self, (first, second, third), total, false))
    }

    /// As [`Loss::try_forward_over`].
    fn try_forward_over(
        &self,
        first: A,
        second: B,
        third: C,
        total: Tensor<1>,
    ) -> Result<Tensor<1>, LossError> {
        over(self, (first, second, third), total, true)
    }

    /// As [`Loss::forward_weighted_parts`].
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    #[track_caller]
    fn forward_weighted_parts<W: SampleWeights<Self::Unreduced>>(
        &self,
        first: A,
        second: B,
        third: C,
        weights: W,
    ) -> LossParts
    where
        Self: Sized,
    {
        or_panic(weighted_parts(self, (first, second, third), weights, false))
    }

    /// As [`Loss::try_forward_weighted_parts`].
    fn try_forward_weighted_parts<W: SampleWeights<Self::Unreduced>>(
        &self,
        first: A,
        second: B,
        third: C,
        weights: W,
    ) -> Result<LossParts, LossError>
    where
        Self: Sized,
    {
        weighted_parts(self, (first, second, third), weights, true)
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

impl<L: Evaluate<(A, B, C)> + ?Sized, A, B, C> TripleLoss<A, B, C> for L {}

/// What a loss says of itself.
pub trait LossInfo: sealed::Sealed {
    /// The name of the loss, for messages.
    fn name(&self) -> &'static str;

    /// How the losses are reduced.
    fn reduction(&self) -> Reduction;
}

/// What a loss makes of its inputs; every call follows from it.
///
/// `I` is the tuple of its inputs. Users call [`Loss`] and [`TripleLoss`]; only the losses of this
/// crate implement it.
pub trait Evaluate<I>: LossInfo {
    /// What [`forward_no_reduction`](Loss::forward_no_reduction) gives.
    type Unreduced: Unreduced;

    /// Checks the inputs and gives what the call wants of their losses.
    #[doc(hidden)]
    fn evaluate(&self, inputs: I, call: Call) -> Result<LossOutput, LossError>;

    /// What is legal but suspicious about the inputs.
    #[doc(hidden)]
    fn inspect(&self, inputs: I) -> Vec<Lint>;
}

pub(crate) mod sealed {
    /// Only the losses of this crate have it.
    pub trait Sealed {}
}

/// The sum of a batch's losses, and of the weights with which they count; each of shape `[1]`, in
/// `f32` or wider.
///
/// `sum / weight` is the batch's [`Reduction::Mean`], whatever the loss's own reduction, and
/// [`mean`](Self::mean) gives it. Over several batches, add up the parts, by `+` or [`Iterator::sum`], and take the
/// mean last:
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// let loss = MseLoss::new();
/// // Three samples with loss 1, and a last batch of one with loss 9.
/// let batches = [Tensor::<1>::from_data([1., 1., 1.], &device), Tensor::from_data([3.], &device)];
/// let parts = batches.map(|error| loss.forward_parts(error.clone(), error.zeros_like()));
/// let mean = parts.into_iter().sum::<LossParts>().mean();
/// assert_eq!(mean.into_scalar::<f32>(), 3.0);
/// ```
///
/// Of parts on several devices, the sum is on that of the first; it is in `f64` if any of them is. Nothing is read from a
/// device.
#[derive(Clone, Debug)]
pub struct LossParts {
    /// The sum of the losses.
    pub sum: Tensor<1>,
    /// The sum of the weights: the number of losses where there are no weights.
    pub weight: Tensor<1>,
}

impl LossParts {
    /// The parts of no losses: what others are added to. In `f32`; what is added to it keeps its type.
    pub fn zero(device: &Device) -> Self {
        let place = (&device.clone().without_autodiff(), DType::F32);
        Self {
            sum: Tensor::zeros([1], place),
            weight: Tensor::zeros([1], place),
        }
    }

    /// The mean of the losses; 0, with a zero gradient, where nothing counts, and NaN where a target was not valid.
    pub fn mean(&self) -> Tensor<1> {
        share_of(self.sum.clone(), self.weight.clone())
    }

    /// The same numbers outside of the autodiff graph: what to keep of a batch whose gradient is not wanted any more, such
    /// as for a log.
    pub fn detach(self) -> Self {
        Self {
            sum: self.sum.inner(),
            weight: self.weight.inner(),
        }
    }

    pub(crate) fn of(found: LossOutput) -> Self {
        Self {
            sum: found.value,
            weight: found.weight.expect("the parts are wanted"),
        }
    }
}

/// On the device of the first.
impl Add for LossParts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let device = self.sum.device();
        let dtypes = [self.sum.dtype(), other.sum.dtype()];
        let wide = if dtypes.contains(&DType::F64) {
            FloatDType::F64
        } else {
            FloatDType::F32
        };
        let joined = |one: Tensor<1>, other: Tensor<1>| {
            let other = if other.device() == device {
                other
            } else {
                other.to_device(&device)
            };
            one.cast(wide) + other.cast(wide)
        };
        Self {
            sum: joined(self.sum, other.sum),
            weight: joined(self.weight, other.weight),
        }
    }
}

/// Of no parts it is [`zero`](LossParts::zero) on Burn's default device.
impl Sum for LossParts {
    fn sum<P: Iterator<Item = Self>>(parts: P) -> Self {
        parts
            .reduce(Add::add)
            .unwrap_or_else(|| Self::zero(&Device::default()))
    }
}

pub(crate) fn reduced<I, L: Evaluate<I> + ?Sized>(
    loss: &L,
    inputs: I,
    waiting: bool,
) -> Result<Tensor<1>, LossError> {
    let call = Call::new(waiting, Returns::Reduced(loss.reduction()));
    Ok(loss.evaluate(inputs, call)?.value)
}

fn unreduced<I, L: Evaluate<I> + ?Sized>(
    loss: &L,
    inputs: I,
    waiting: bool,
) -> Result<L::Unreduced, LossError> {
    let found = loss.evaluate(inputs, Call::new(waiting, Returns::Unreduced))?;
    Ok(Unreduced::from_flat(found.value, found.shape))
}

fn parts<I, L: Evaluate<I> + ?Sized>(
    loss: &L,
    inputs: I,
    waiting: bool,
) -> Result<LossParts, LossError> {
    let found = loss.evaluate(inputs, Call::new(waiting, Returns::SumAndWeight))?;
    Ok(LossParts::of(found))
}

fn over<I, L: Evaluate<I> + ?Sized>(
    loss: &L,
    inputs: I,
    total: Tensor<1>,
    waiting: bool,
) -> Result<Tensor<1>, LossError> {
    let call = Call::over(loss.name(), total, waiting)?;
    Ok(loss.evaluate(inputs, call)?.value)
}

fn weighted<I, L, W>(loss: &L, inputs: I, weights: W, waiting: bool) -> Result<Tensor<1>, LossError>
where
    L: Evaluate<I> + ?Sized,
    W: SampleWeights<L::Unreduced>,
{
    let returns = Returns::Reduced(loss.reduction());
    let call = Call::weighted(loss.name(), weights.erased(), waiting, returns)?;
    Ok(loss.evaluate(inputs, call)?.value)
}

fn weighted_parts<I, L, W>(
    loss: &L,
    inputs: I,
    weights: W,
    waiting: bool,
) -> Result<LossParts, LossError>
where
    L: Evaluate<I> + ?Sized,
    W: SampleWeights<L::Unreduced>,
{
    let returns = Returns::SumAndWeight;
    let call = Call::weighted(loss.name(), weights.erased(), waiting, returns)?;
    Ok(LossParts::of(loss.evaluate(inputs, call)?))
}

// The calls of a loss of as many inputs as there may be.

#[cfg(feature = "std")]
#[track_caller]
pub(crate) fn forward<I, L: Evaluate<I>>(loss: &L, inputs: I) -> Tensor<1> {
    or_panic(reduced(loss, inputs, false))
}

#[cfg(feature = "std")]
#[track_caller]
pub(crate) fn forward_no_reduction<I, L: Evaluate<I>>(loss: &L, inputs: I) -> L::Unreduced {
    or_panic(unreduced(loss, inputs, false))
}

#[cfg(feature = "std")]
#[track_caller]
pub(crate) fn forward_parts<I, L: Evaluate<I>>(loss: &L, inputs: I) -> LossParts {
    or_panic(parts(loss, inputs, false))
}

#[cfg(feature = "std")]
#[track_caller]
pub(crate) fn forward_over<I, L: Evaluate<I>>(loss: &L, inputs: I, total: Tensor<1>) -> Tensor<1> {
    or_panic(over(loss, inputs, total, false))
}

#[cfg(feature = "std")]
#[track_caller]
pub(crate) fn forward_weighted<I, L, W>(loss: &L, inputs: I, weights: W) -> Tensor<1>
where
    L: Evaluate<I>,
    W: SampleWeights<L::Unreduced>,
{
    or_panic(weighted(loss, inputs, weights, false))
}

#[cfg(feature = "std")]
#[track_caller]
pub(crate) fn forward_weighted_parts<I, L, W>(loss: &L, inputs: I, weights: W) -> LossParts
where
    L: Evaluate<I>,
    W: SampleWeights<L::Unreduced>,
{
    or_panic(weighted_parts(loss, inputs, weights, false))
}

/// A suspicion about a loss that is no number, though its target is valid.
fn not_finite(loss: &'static str, value: Tensor<1>) -> Option<Lint> {
    let value = AnyRank::from(value).values()[0];
    (!value.is_finite()).then(|| Lint {
        loss,
        rule: "not-finite",
        message: alloc::format!(
            "the loss of the batch is {value}, though the target is valid: the model's output holds NaN or an infinite \
             number. Is the learning rate too large, or a division or logarithm without a least value before the loss?"
        ),
    })
}

pub(crate) fn lints<I: Clone, L: Evaluate<I> + ?Sized>(loss: &L, inputs: I) -> Vec<Lint> {
    let call = Call::new(true, Returns::Reduced(loss.reduction()));
    match loss.evaluate(inputs.clone(), call) {
        Ok(found) => {
            let mut lints = loss.inspect(inputs);
            lints.extend(not_finite(loss.name(), found.value));
            lints
        }
        Err(error) => alloc::vec![Lint {
            loss: loss.name(),
            rule: "invalid",
            message: error.message,
        }],
    }
}
