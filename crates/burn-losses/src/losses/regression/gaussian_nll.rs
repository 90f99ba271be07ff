//! The negative log-likelihood of numbers whose spread is predicted too.

use crate::engine::any_rank::AnyRank;
use crate::engine::dtype::{compute_dtype, largest, least_normal};
use crate::engine::portable::tensors::untracked;
use crate::engine::tape::attach;
use crate::engine::tape::known::{GradientOf, KnownGradient};
use crate::loss::call::{Call, LossOutput};
use crate::loss::elementwise::{ElementwiseCall, OtherOperands, Required};
use crate::loss::{Evaluate, values};
use crate::losses::config::loss_config;
use crate::losses::module::{loss_module, weight};
use crate::real::Real;
use crate::spec::elementwise::{Derivative, Elementwise};
use crate::spec::operand::PerClass;
use crate::spec::reduction::Reduction;
use crate::spec::request::Returns;
use crate::spec::rule::Rule;
use crate::targets::{Predicted, RegressionTarget, Variance};
use crate::validate::check::{Check, Violation, dims};
use crate::validate::error::{Lint, LossError, LossErrorKind};
use alloc::string::String;
use alloc::vec::Vec;
use alloc::{format, vec};
use burn::tensor::{DType, Shape, Tensor};

loss_config! {
    /// Configuration of [`GaussianNllLoss`].
    pub struct GaussianNllLossConfig {
        /// Whether the constant `ln(2 pi) / 2` is added.
        pub full: bool = false,
        /// The least variance: a smaller one counts as this.
        pub eps: f64 where POSITIVE = 1e-6,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The negative log-likelihood of targets under normal distributions with the predicted means and
/// variances.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/gaussian_nll.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// v        = max(variance, eps)
/// loss     = (ln v + (x - y)^2 / v) / 2              full: plus ln(2 pi) / 2
/// gradient = (x - y) / v                             with respect to x
///            (1 / v - ((x - y) / v)^2) / 2           with respect to the variance, below eps too
/// ```
///
/// </details>
///
/// # Character
///
/// For a model that says how sure it is. Where it predicts a small variance an error costs much, where a
/// large one little, and the logarithm keeps it from always predicting a large one. So noisy samples
/// count less without being told apart. With one variance for all it is [`MseLoss`](crate::regression::MseLoss),
/// halved and shifted. The loss may be negative.
///
/// Give the model two outputs. The mean's last layer is linear; **the variance must not be negative**,
/// so let it end in `softplus` or `exp`. A variance and not a standard deviation: its square. Training is
/// steadier when the mean has been learned first, or the learning rate is small: where the variance
/// comes down before the mean is right, gradients are large. A variance below `eps` counts as `eps`, and
/// still has the gradient that it has there, so it does not get stuck.
///
/// # Target
///
/// The true values, as floats, **one for each predicted mean and in the same shape**, just as for
/// [`MseLoss`](crate::regression::MseLoss): no target for the variance is needed. **The variance is the third
/// argument**, and comes from the model: a tensor of the shape of the predictions, or one number for
/// each row (a tensor without the last axis, or with length 1 on it), or one number (`f64`) that is
/// known. The usual mistake is to give the standard deviation, or the logarithm of the variance, as many
/// models predict it: `log_variance.exp()` is what belongs here. A negative one is an error that says so;
/// a positive standard deviation nobody can tell from a variance.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// let targets = Tensor::<2>::from_data([[1.0], [3.0]], &device);
/// // Two outputs for each sample: the mean, and the logarithm of the variance.
/// let outputs = Tensor::<2>::from_data([[1.0, 0.0], [1.0, 1.0]], &device);
/// let [mean, log_variance] = [0, 1].map(|at| outputs.clone().narrow(1, at, 1));
///
/// let loss = GaussianNllLoss::new();
/// let value = loss.forward(mean.clone(), targets.clone(), log_variance.exp());
/// let e = std::f32::consts::E;
/// assert!((value.into_scalar::<f32>() - (0.0 + (1.0 + 4.0 / e) / 2.0) / 2.0).abs() < 1e-5);
///
/// // A variance that is known.
/// let value = loss.forward(mean, targets, 1.0);
/// assert!((value.into_scalar::<f32>() - (0.0 + 2.0) / 2.0).abs() < 1e-5);
/// ```
///
/// # Shapes
///
/// * predictions and targets: the same shape, of any rank
/// * variance: that shape; or without the last axis (rank 2 to 6), or with length 1 on it; or a number
/// * unreduced: the shape of the predictions
///
/// # Errors
///
/// * Shapes or devices that differ: but for the variance of a row nothing is broadcast.
/// * A target that is NaN or infinite. A variance that is negative.
/// * A float type that the device cannot compute with.
/// * In `init`: an `eps` that is not above 0, or not finite.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid target or variance makes loss
/// and gradient NaN.
///
/// # PyTorch
///
/// `torch.nn.GaussianNLLLoss`, with the same defaults and the same order of arguments. Its gradient
/// below `eps` is that at `eps`, as here. It broadcasts targets, and a variance along any one axis; the
/// mean of an empty batch is NaN, where here it is 0. As there, a target that is tracked by autodiff gets its gradient.
///
/// # Reference
///
/// Nix and Weigend, *Estimating the mean and variance of the target probability distribution*, ICNN
/// 1994.
#[doc(alias = "GaussianNLLLoss")]
#[doc(alias = "heteroscedastic")]
#[doc(alias = "uncertainty")]
#[derive(Clone, Debug)]
pub struct GaussianNllLoss {
    config: GaussianNllLossConfig,
}

loss_module!(GaussianNllLoss, GaussianNllLossConfig, TripleLoss [predictions, targets, variance]);
weight!(GaussianNllLoss, RegressionTarget of elements);

/// `(ln v + (x - y)^2 / v) / 2`, where `v` is at least `eps`; and a constant. The last operand is `v`, or
/// its root.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Gaussian<const ROOT: bool> {
    pub(crate) eps: f64,
    pub(crate) full: bool,
}

impl<const ROOT: bool> Gaussian<ROOT> {
    /// The value, half of `(x - y) / v`, and the spread that counts. (Halves, so that the difference of two numbers
    /// is in range.)
    #[inline(always)]
    fn terms<R: Real>(&self, [x, y, spread]: [R; 3]) -> (R, R, R) {
        let half = x.times(0.5) - y.times(0.5);
        let (of_ln, square, ratio, spread) = if ROOT {
            let root = spread.at_least(num_traits::Float::sqrt(self.eps));
            let unit = half / root.clone();
            (0.5, unit.clone() * unit.clone(), unit / root.clone(), root)
        } else {
            let variance = spread.at_least(self.eps);
            let ratio = half.clone() / variance.clone();
            (0.25, ratio.clone() * half, ratio, variance)
        };
        let constant = if self.full {
            core::f64::consts::TAU.ln() / 4.0
        } else {
            0.0
        };
        let value = spread.clone().ln().times(of_ln).plus(constant) + square;
        (value, ratio, spread)
    }
}

impl Elementwise<3> for Gaussian<true> {
    const PART: f64 = 0.5;

    #[inline(always)]
    fn at<R: Real>(&self, operands: [R; 3]) -> (R, impl FnOnce() -> [R; 1]) {
        let (value, ratio, _) = self.terms(operands);
        (value, move || [ratio])
    }
}

impl Elementwise<3, 2> for Gaussian<false> {
    const PART: f64 = 0.5;
    const DERIVATIVES: &'static [Derivative] = &[
        Derivative::Slope(0),
        Derivative::Negative(0),
        Derivative::Slope(1),
    ];

    #[inline(always)]
    fn at<R: Real>(&self, operands: [R; 3]) -> (R, impl FnOnce() -> [R; 2]) {
        let (value, ratio, variance) = self.terms(operands);
        let slopes = move || {
            let zero = variance.clone() - variance.clone();
            let of_variance = zero.plus(0.25) / variance - ratio.clone() * ratio.clone();
            [ratio, of_variance]
        };
        (value, slopes)
    }
}

impl GaussianNllLoss {
    fn losses(
        &self,
        [predictions, targets]: [AnyRank; 2],
        variance: Predicted,
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let check = values::check_pair(Self::NAME, [&predictions, &targets], &call)?;
        let GaussianNllLossConfig { eps, full, .. } = self.config;
        let dtype = predictions.dtype();
        check.holds(dtype, "eps", eps)?;
        // Nothing is divided by a variance that rounds to 0.
        let eps = eps.max(least_normal(dtype));
        let finite = values::finite_target(predictions.dtype());
        let not_negative = Required {
            rule: NOT_NEGATIVE,
            explain: &negative,
        };
        let required = [None, Some(finite), Some(not_negative)];
        match variance {
            Predicted::Number(number) => {
                if !(number.is_finite() && number >= 0.0) {
                    let kind = LossErrorKind::Value {
                        value: number,
                        index: Vec::new(),
                    };
                    let message =
                        format!("variance must be finite and at least 0, but is {number}.");
                    return Err(check.error(kind, message));
                }
                // Its root is in range where it is not itself.
                const LARGEST_IN_F32: f64 = 1e76;
                let held = if number > LARGEST_IN_F32 { number } else { 0.0 };
                check.holds(dtype, "variance", held)?;
                let root = PerClass::all(num_traits::Float::sqrt(number));
                let rest = OtherOperands {
                    flat: None,
                    along: Some(root),
                };
                ElementwiseCall::new(&check, Gaussian::<true> { eps, full }, rest, required)
                    .evaluate([predictions, targets], call)
            }
            Predicted::Tensor { variance, given } => {
                fits(&check, &predictions, &variance, given)?;
                check.one_tracking(&[
                    ("predictions", &predictions),
                    ("targets", &targets),
                    ("variance", &variance),
                ])?;
                let shape = predictions.shape();
                if predictions.is_empty() {
                    return nothing(&check, [predictions, targets], &variance, call);
                }
                let variance = if variance.shape() == shape {
                    variance
                } else {
                    // Its gradient is a sum along the row: that needs the digits.
                    variance.cast(compute_dtype(dtype)).expanded(shape)
                };
                ElementwiseCall::new(
                    &check,
                    Gaussian::<false> { eps, full },
                    OtherOperands::default(),
                    required,
                )
                .evaluate([predictions, targets, variance], call)
            }
        }
    }

    fn lints(&self, targets: &AnyRank, variance: Predicted) -> Vec<Lint> {
        let mut lints = values::lints(Self::NAME, targets);
        let variances = match variance {
            Predicted::Number(number) => vec![number],
            Predicted::Tensor { variance, .. } => variance.values(),
        };
        let eps = self.config.eps;
        if !variances.is_empty() && variances.iter().all(|&variance| variance <= eps) {
            lints.push(Lint {
                loss: Self::NAME,
                rule: "variance-below-eps",
                message: format!(
                    "no variance of the batch is above eps, {eps}: the loss takes variances, not \
                     their logarithms, and what is below eps counts as eps."
                ),
            });
        }
        lints
    }
}

impl<const D: usize, T, V> Evaluate<(Tensor<D>, T, V)> for GaussianNllLoss
where
    T: RegressionTarget<D>,
    V: Variance<D>,
{
    type Unreduced = Tensor<D>;

    fn evaluate(
        &self,
        (predictions, targets, variance): (Tensor<D>, T, V),
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let operands = [predictions.into(), targets.into_any_rank()];
        self.losses(operands, variance.into_predicted(), call)
    }

    fn inspect(&self, (_, targets, variance): (Tensor<D>, T, V)) -> Vec<Lint> {
        self.lints(&targets.into_any_rank(), variance.into_predicted())
    }
}

/// Checks that there is a variance for each prediction, or for each row.
fn fits(
    check: &Check,
    predictions: &AnyRank,
    variance: &AnyRank,
    given: usize,
) -> Result<(), LossError> {
    let shape = predictions.shape();
    let rank = shape.num_dims();
    check.device(
        "predictions",
        &predictions.device(),
        "variance",
        &variance.device(),
    )?;
    let mut of_rows = shape.clone();
    of_rows[rank - 1] = 1;
    let found = Shape::from(variance.shape()[..given].to_vec());
    if variance.shape() != shape && variance.shape() != of_rows {
        let rows = Shape::from(shape[..rank - 1].to_vec());
        let per_row = match rank {
            1 => dims(&of_rows),
            _ => format!("{} or {}", dims(&rows), dims(&of_rows)),
        };
        return Err(check.error(
            LossErrorKind::Shape,
            format!(
                "variance {} does not fit predictions {}: give one for each element {1}, one for \
                 each row {per_row}, or a number.",
                dims(&found),
                dims(&shape),
            ),
        ));
    }
    let narrowed = variance.dtype() == DType::F64 && predictions.dtype() != DType::F64;
    if check.reads() && narrowed {
        // What is finite as it was given must be so in the narrower type.
        let values = untracked(variance).flat();
        let infinite = values.clone().is_inf();
        let held = Rule::between(f64::NEG_INFINITY, largest(DType::F32)).or_nan();
        let values = values.mask_fill(infinite, 0.0);
        check.each_in(&found, predictions.dtype(), &values, held, too_large)?;
    }
    if check.reads() && (variance.shape() != shape || given != rank) {
        // So that the index is one of what was given, and not of what it is expanded to.
        let values = untracked(variance).flat();
        check.each_in(&found, predictions.dtype(), &values, NOT_NEGATIVE, negative)?;
    }
    Ok(())
}

/// No loss, of no predictions; but a variance of rows has a shape, and so a gradient, of its own.
fn nothing(
    check: &Check,
    inputs: [AnyRank; 2],
    variance: &AnyRank,
    call: Call,
) -> Result<LossOutput, LossError> {
    let each = matches!(call.returns, Returns::Unreduced);
    let found = LossOutput::empty(check, call, inputs[0].shape(), &inputs)?;
    if each {
        return Ok(found);
    }
    let slope = KnownGradient {
        gradient: untracked(variance)
            .layers([1, variance.shape().num_elements(), 1])
            .zeros_like(),
        keepdim_shape: [1; 3],
        of: GradientOf::Loss,
    };
    Ok(LossOutput {
        value: attach(found.value, variance, slope),
        ..found
    })
}

/// What a variance must be.
const NOT_NEGATIVE: Rule = Rule::between(0.0, f64::INFINITY).or_nan();

/// What to say of a variance that only a wider type holds.
fn too_large(found: &Violation) -> String {
    let too_large = found.too_large();
    format!("variance {}", too_large.expect("it is finite"))
}

fn negative(found: &Violation) -> String {
    format!(
        "variance {} at index {:?} is negative. Let the model's output for it end in softplus or exp.",
        found.shown(),
        found.index
    )
}
