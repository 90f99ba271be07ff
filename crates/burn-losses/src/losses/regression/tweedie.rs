//! The negative log-likelihood of amounts that are often exactly 0.

use crate::loss::formula::{FormulaLoss, LossFormula};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::expression::Expr;
use crate::spec::reduction::Reduction;
use crate::spec::rule::Rule;
use alloc::format;

loss_config! {
    /// Configuration of [`TweedieLoss`].
    pub struct TweedieLossConfig {
        /// How the variance grows with the mean: as its power.
        pub power: f64 where WITHIN_1_AND_2 = 1.5,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The negative log-likelihood of amounts under Tweedie distributions, the logarithms of whose means are predicted.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/tweedie.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// loss     = y exp(-(p - 1) x) / (p - 1) + exp((2 - p) x) / (2 - p)
/// gradient = exp((2 - p) x) - y exp(-(p - 1) x)
/// ```
///
/// </details>
///
/// # Character
///
/// For amounts that are exactly 0 in many cases and positive and spread out in the others: insurance claims, rainfall, sales of
/// an article in a day. A Tweedie distribution is a sum of a random number of random amounts, and the number may be 0. What the
/// model learns is the mean. The variance is taken to grow with the mean to the power `power`: near 1 that is as of counts, for
/// which there is [`PoissonNllLoss`](crate::regression::PoissonNllLoss); near 2 an error counts relative to the mean. With
/// [`MseLoss`](crate::regression::MseLoss) a few large amounts would rule the batch, and predictions may be negative.
///
/// The loss is not 0 at its best: what depends on the target alone is left out. The last layer is linear and predicts **the
/// logarithm of the mean**; no prediction is wrong then. Start from small weights.
///
/// # Target
///
/// **The amounts themselves, at least 0, as floats in the shape of the predictions**: exact zeros belong to it, and they are not
/// standardised. The usual mistake is a model that ends in a softplus or an exponential, and so predicts means: its exponential
/// is taken again. No check can be sure of it; predictions that are much too large for the targets are a lint. The other
/// one is to take the logarithm of the targets: one of a number below 1 is negative, which is an error.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// // Means of 1 and 4, as logarithms.
/// let predictions = Tensor::<1>::from_data([1.0, 4.0], &device).log();
/// let targets = Tensor::<1>::from_data([0.0, 4.0], &device);
///
/// let loss = TweedieLoss::new(); // power 1.5
/// let value = loss.forward(predictions.clone(), targets);
/// // exp(0) / 0.5, and 4 exp(-ln(4) / 2) / 0.5 + exp(ln(4) / 2) / 0.5
/// assert!((value.into_scalar::<f32>() - (2.0 + 8.0) / 2.0).abs() < 1e-5);
///
/// let standardised = Tensor::<1>::from_data([-1.5, 0.5], &device);
/// let error = loss.try_forward(predictions, standardised).unwrap_err();
/// assert!(error.to_string().contains("targets: -1.5 at index [0] must be a finite number from 0 on"));
/// ```
///
/// # Shapes
///
/// * predictions and targets: the same shape, of any rank
/// * unreduced: that shape
///
/// # Errors
///
/// * Shapes or devices that differ: nothing is broadcast.
/// * A target that is negative, NaN or infinite.
/// * A float type that the device cannot compute with.
/// * In `init`: a `power` that is not above 1 and below 2.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid target makes loss and gradients NaN.
///
/// # Other libraries
///
/// pytorch-forecasting's `TweedieLoss`, with its default 1.5 for `p`, and what LightGBM, XGBoost and CatBoost take as
/// `tweedie_variance_power` or `variance_power` of their objective `tweedie`. scikit-learn's `mean_tweedie_deviance` is of the
/// mean and not of its logarithm; it is twice this loss, and a term of the target alone. There powers outside of 1 to 2 are
/// other losses: 0 is [`MseLoss`](crate::regression::MseLoss), 1 [`PoissonNllLoss`](crate::regression::PoissonNllLoss). A target
/// that is tracked by autodiff gets its gradient.
///
/// # Reference
///
/// Jørgensen, *Exponential Dispersion Models*, Journal of the Royal Statistical Society B 49, 1987.
#[doc(alias = "tweedie_variance_power")]
#[doc(alias = "mean_tweedie_deviance")]
#[doc(alias = "zero inflated")]
#[derive(Clone, Debug)]
pub struct TweedieLoss {
    config: TweedieLossConfig,
}

loss_module!(TweedieLoss, TweedieLossConfig, Formula<RegressionTarget> [predictions, targets]);

static TWEEDIE: LossFormula<2> = LossFormula::with_slopes(
    |[x, y]| {
        let [above, below] = ["above", "below"].map(Expr::parameter);
        y * (-above * x).exp() / above + (below * x).exp() / below
    },
    // Without the factors, so that the slope is 0 where the prediction is right.
    |[x, y]| {
        let [above, below] = ["above", "below"].map(Expr::parameter);
        let falling = (-above * x).exp();
        [(below * x).exp() - y * falling, falling / above]
    },
);

impl TweedieLoss {
    fn formula(&self) -> FormulaLoss<2> {
        let power = self.config.power;
        TWEEDIE
            .of(["predictions", "targets"])
            // How far it is above 1 and below 2, of which less would be left in `f32`.
            .with("above", power - 1.0)
            .with("below", 2.0 - power)
            .rule(1, Rule::NONNEGATIVE, TARGETS)
            .suspect("means-as-logarithms", |operands| {
                let [predictions, targets] = operands else {
                    return None;
                };
                let (mean, most) = (predictions.mean(), targets.most());
                // Twenty times the largest target, on average.
                let too_large = predictions.least() >= 0.0 && most > 0.0 && mean > most.ln() + 3.0;
                too_large.then(|| {
                    format!(
                        "no prediction is negative, and their mean is {}, the logarithm of {:.1e}, where the largest target is \
                         {}: this loss takes the logarithm of the mean, so remove a softplus or an exponential from the model.",
                        mean as f32,
                        mean.exp(),
                        most as f32
                    )
                })
            })
    }
}

const TARGETS: &str = "The loss takes amounts, not their logarithms, and not standardised: the model's output is the logarithm.";
