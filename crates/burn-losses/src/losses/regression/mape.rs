//! The absolute error, relative to the target.

use crate::loss::formula::{FormulaLoss, LossFormula};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::expression::Expr;
use crate::spec::reduction::Reduction;
use alloc::format;

loss_config! {
    /// Configuration of [`MapeLoss`].
    pub struct MapeLossConfig {
        /// Whether the loss is in percent: times 100.
        pub percent: bool = false,
        /// The least size of a target that errors are divided by.
        pub eps: f64 where POSITIVE = 1e-7,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The absolute error, divided by the size of the target.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/mape.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// loss     = |x - y| / max(|y|, eps)            percent: times 100
/// gradient = sign(x - y) / max(|y|, eps)
/// ```
///
/// </details>
///
/// # Character
///
/// The error as it is reported: 10 % off. Targets of all sizes count alike, where [`L1Loss`](crate::regression::L1Loss) is
/// ruled by the large ones; it is that loss with the weight `1 / |y|`. What the model learns is not the median, but something
/// below: a prediction of 0 costs 1 at most, and one that is too high costs without limit. So forecasts made with it are
/// low. [`SmapeLoss`](crate::regression::SmapeLoss) is bounded on both sides; with
/// [`MsleLoss`](crate::regression::MsleLoss) a factor of 2 costs the same above and below.
///
/// Targets that come close to 0 rule the batch: at 0 the error is divided by `eps`. Set that to the least size that
/// matters, or leave such targets out with weight 0. For positive targets the last layer ends in a softplus or an exponential,
/// else it is linear. For training take fractions; percents have gradients 100 times as large.
///
/// # Target
///
/// **The true values in their own unit, as floats in the shape of the predictions**; nothing is broadcast. The usual mistake is
/// to standardise them: that moves a part of them to about 0, and what is divided by them means nothing.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// let predictions = Tensor::<1>::from_data([90.0, 260.0], &device);
/// let targets = Tensor::<1>::from_data([100.0, 200.0], &device); // 10 % and 30 % off
///
/// let value = MapeLoss::new().forward(predictions.clone(), targets.clone());
/// assert!((value.into_scalar::<f32>() - 0.2).abs() < 1e-5);
///
/// let loss = MapeLossConfig::new().with_percent(true).init();
/// let value = loss.forward(predictions, targets);
/// assert!((value.into_scalar::<f32>() - 20.0).abs() < 1e-4);
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
/// * In `init`: an `eps` that is not above 0, or not finite.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid target makes loss and gradients NaN.
///
/// # Other libraries
///
/// `keras.losses.MeanAbsolutePercentageError` with `with_percent(true)`. scikit-learn's `mean_absolute_percentage_error`, with
/// another `eps`: 2.2e-16. pytorch-forecasting's `MAPE` adds 1e-8 to the size of the target instead of a bound;
/// neuralforecast's leaves targets of 0 out. A target that is tracked by autodiff gets its gradient, which is seldom meant: the
/// loss falls as targets grow.
#[doc(alias = "MeanAbsolutePercentageError")]
#[doc(alias = "mean_absolute_percentage_error")]
#[doc(alias = "relative error")]
#[derive(Clone, Debug)]
pub struct MapeLoss {
    config: MapeLossConfig,
}

loss_module!(MapeLoss, MapeLossConfig, Formula<RegressionTarget> [predictions, targets]);

/// One division, for loss and slopes.
static MAPE: LossFormula<2> = LossFormula::with_slopes(
    |[x, y]| (x - y).abs() * weight(y),
    |[x, y]| {
        let (error, weight) = (x - y, weight(y));
        let slope = error.sign() * weight;
        // As the target grows, errors count less: the two parts of its slope are one of the other number.
        let is_weighted = y.abs().above(Expr::parameter("eps"));
        [slope, -is_weighted.select(slope * (x / y), slope)]
    },
);

fn weight(y: Expr) -> Expr {
    Expr::parameter("factor") / y.abs().at_least(Expr::parameter("eps"))
}

impl MapeLoss {
    fn formula(&self) -> FormulaLoss<2> {
        let factor = if self.config.percent { 100.0 } else { 1.0 };
        MAPE.of(["predictions", "targets"])
            .with("eps", self.config.eps)
            .with("factor", factor)
            .suspect("zero-target", |operands| {
                let zeros = operands[1].share(|target| target == 0.0);
                (zeros > 0.0).then(|| {
                    format!(
                        "{:.2} % of the targets are 0: their errors are divided by eps, and rule the batch. Give them \
                         weight 0 in forward_weighted, or set eps to the least size of a target that matters.",
                        100.0 * zeros
                    )
                })
            })
    }
}
