//! The logarithm of the hyperbolic cosine of the error.

use crate::loss::formula::{FormulaLoss, LossFormula};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::reduction::Reduction;

loss_config! {
    /// Configuration of [`LogCoshLoss`].
    pub struct LogCoshLossConfig {
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The logarithm of the hyperbolic cosine of the error: squared near zero, linear far from it, and smooth.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/log_cosh.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// e        = x - y
/// loss     = ln(cosh(e)) = |e| + ln(1 + exp(-2 |e|)) - ln 2
/// gradient = tanh(e)
/// ```
///
/// </details>
///
/// # Character
///
/// Close to [`HuberLoss`](crate::regression::HuberLoss) with `delta` 1: half the squared error where that is small, and the
/// absolute error less `ln 2` where it is large. The difference is the way from one to the other, which has no corner in any
/// derivative: that is for optimisers that use curvature, and for losses that are differentiated twice.
///
/// There is no option for where the one becomes the other: it is an error of about 1, so the targets should have that scale
/// (standardised ones do). Else take [`HuberLoss`](crate::regression::HuberLoss) and its `delta`. The last layer is linear.
///
/// # Target
///
/// **The true values, as floats in the shape of the predictions**; nothing is broadcast. The usual mistake is targets in their
/// own unit, such as prices: if all errors are in the hundreds this is [`L1Loss`](crate::regression::L1Loss), if all are in the
/// thousandths half of [`MseLoss`](crate::regression::MseLoss). Standardise them.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// let predictions = Tensor::<1>::from_data([1.0, 60.0], &device);
/// let targets = Tensor::<1>::from_data([0.0, -40.0], &device);
///
/// let value = LogCoshLoss::new().forward(predictions, targets);
/// // An error of 1, and one of 100, whose hyperbolic cosine `f32` cannot hold.
/// let expected = (1_f32.cosh().ln() + (100.0 - 2_f32.ln())) / 2.0;
/// assert!((value.into_scalar::<f32>() - expected).abs() < 1e-4);
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
/// * A target that is NaN or infinite.
/// * A float type that the device cannot compute with.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid target makes loss and gradients NaN.
///
/// # Other libraries
///
/// `keras.losses.LogCosh`, which broadcasts; an error of a thousandth has all its digits here, where there most are lost in the
/// difference. torchmetrics' `LogCoshError` takes the cosine itself, which is infinite from an error of about 90 on. A target
/// that is tracked by autodiff gets its gradient.
#[doc(alias = "LogCosh")]
#[doc(alias = "LogCoshError")]
#[doc(alias = "logcosh")]
#[derive(Clone, Debug)]
pub struct LogCoshLoss {
    config: LogCoshLossConfig,
}

loss_module!(LogCoshLoss, LogCoshLossConfig, Formula<RegressionTarget> [predictions, targets]);

/// By the slope `t`, one logarithm: `cosh` is `(1 - t^2)^(-1/2)`, which loses no digits of a small error, and
/// `e^|x| / (1 + |t|)`, in which nothing overflows.
static LOG_COSH: LossFormula<2> = LossFormula::with_slopes(
    |[x, y]| {
        let (size, t) = ((x - y).abs(), (x - y).tanh());
        let near = size.below(0.75);
        let ln = near.select(-t.square(), t.abs()).ln_1p();
        near.select(-0.5 * ln, size - ln)
    },
    |[x, y]| {
        let slope = (x - y).tanh();
        [slope, -slope]
    },
);

impl LogCoshLoss {
    fn formula(&self) -> FormulaLoss<2> {
        LOG_COSH.of(["predictions", "targets"])
    }
}
