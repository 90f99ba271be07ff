//! The squared error of logarithms.

use crate::loss::formula::{FormulaLoss, LossFormula};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::expression::Expr;
use crate::spec::reduction::Reduction;
use crate::spec::rule::Rule;
use alloc::format;

loss_config! {
    /// Configuration of [`MsleLoss`].
    pub struct MsleLossConfig {
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The squared difference of the logarithms of predictions and targets, each of which has 1 added.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/msle.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// loss     = (ln(1 + x) - ln(1 + y))^2
/// gradient = 2 (ln(1 + x) - ln(1 + y)) / (1 + x)
/// ```
///
/// </details>
///
/// # Character
///
/// For amounts that grow by factors: prices, populations, sales. What counts is the ratio: 20 for 10 costs about as much as 2000
/// for 1000, where [`MseLoss`](crate::regression::MseLoss) would see only the latter. The 1 makes targets of 0 possible; for
/// targets far below 1 it makes this the squared error. A prediction that is too low costs more than one that is too high by
/// as much, and predictions that are large are pulled weakly: the gradient is divided by `1 + x`.
///
/// The same as [`MseLoss`](crate::regression::MseLoss) of a model and targets that are logarithms already, which trains better:
/// its gradient is not divided by anything. Take this loss where the model's output must be the amount itself. The last layer
/// ends in a softplus or an exponential, so that no prediction is negative.
///
/// # Target
///
/// **The amounts themselves, above -1 and most often at least 0, as floats in the shape of the predictions**: not their
/// logarithms, and not standardised. Predictions are above -1, too. The usual mistake is to keep the standardised targets of
/// another loss: one of -1 or less is an error, and a few below 0 are a lint.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// let predictions = Tensor::<1>::from_data([1.0, 9.0], &device);
/// let targets = Tensor::<1>::from_data([3.0, 9.0], &device);
///
/// let value = MsleLoss::new().forward(predictions, targets);
/// let ln_2 = 2_f32.ln(); // of (1 + 3) / (1 + 1)
/// assert!((value.into_scalar::<f32>() - ln_2 * ln_2 / 2.0).abs() < 1e-5);
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
/// * A target that is not above -1, or not finite. A prediction that is not above -1.
/// * A float type that the device cannot compute with.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid target or prediction makes loss and gradients NaN.
///
/// # Other libraries
///
/// scikit-learn's `mean_squared_log_error` and torchmetrics' `MeanSquaredLogError`. `keras.losses.MeanSquaredLogarithmicError`
/// raises predictions and targets below 1e-7 to that, so negative ones have no gradient there; here they have, down to -1. A
/// target that is tracked by autodiff gets its gradient.
#[doc(alias = "MeanSquaredLogarithmicError")]
#[doc(alias = "mean_squared_log_error")]
#[doc(alias = "RMSLE")]
#[derive(Clone, Debug)]
pub struct MsleLoss {
    config: MsleLossConfig,
}

loss_module!(MsleLoss, MsleLossConfig, Formula<RegressionTarget> [predictions, targets]);

static MSLE: LossFormula<2> = LossFormula::with_slopes(
    |[x, y]| ln_of_larger(x, y).square(),
    // What rules find goes by way of the ratio.
    |[x, y]| {
        let slope = 2.0 * ln_of_larger(x, y) * (x - y).sign();
        [slope / (1.0 + x), -(slope / (1.0 + y))]
    },
);

/// One logarithm, of the larger number by the smaller one: no digits are lost where they are close.
fn ln_of_larger(x: Expr, y: Expr) -> Expr {
    ((x - y).abs() / (1.0 + x.min(y))).ln_1p()
}

impl MsleLoss {
    fn formula(&self) -> FormulaLoss<2> {
        MSLE.of(["predictions", "targets"])
            .output_rule(0, Rule::above(-1.0), PREDICTIONS)
            .rule(1, Rule::above(-1.0), TARGETS)
            .suspect("negative-target", |operands| {
                let targets = &operands[1];
                (targets.least() < 0.0).then(|| {
                    format!(
                        "{:.0} % of the targets are below 0, the least is {}: this loss takes amounts, not their logarithms, \
                         and not standardised.",
                        100.0 * targets.share(|target| target < 0.0),
                        targets.least() as f32
                    )
                })
            })
    }
}

const PREDICTIONS: &str = "A softplus as the last layer keeps predictions above 0; a model that predicts logarithms is for MSE, \
     with `ln_1p` of the targets.";

const TARGETS: &str = "The loss takes amounts, not their logarithms, and not standardised: what is negative by itself is for \
     another loss.";
