//! The squared error, weighted by its side.

use crate::loss::formula::{FormulaLoss, LossFormula};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::expression::Expr;
use crate::spec::reduction::Reduction;

loss_config! {
    /// Configuration of [`ExpectileLoss`].
    pub struct ExpectileLossConfig {
        /// The weight of a prediction that is too low; one that is too high has the rest to 1.
        pub expectile: f64 where WITHIN_0_AND_1 = 0.5,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The squared error, with one weight for predictions that are too low and another for those that are too high.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/expectile.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// loss     = q (x - y)^2             where x <= y
///            (1 - q) (x - y)^2       elsewhere
/// gradient = 2 q (x - y), or 2 (1 - q) (x - y)
/// ```
///
/// </details>
///
/// # Character
///
/// What [`MseLoss`](crate::regression::MseLoss) is to the mean, this loss is to a number above or below it: with `expectile`
/// 0.9 the errors of targets above the prediction count nine times as much as the others, and the prediction settles where the
/// two sides are in balance. Take it where being too low costs more than being too high, or the other way round, and in
/// reinforcement learning for a value near the best of the actions that were seen. It is smooth at 0, and feels how far off an
/// outlier is.
///
/// An expectile is no quantile: 90 % of the targets need not lie below that of 0.9. Where they must, take the quantile
/// loss. With 0.5 this is half of [`MseLoss`](crate::regression::MseLoss). The last layer is linear.
///
/// # Target
///
/// **The true values, as floats in the shape of the predictions**; nothing is broadcast. The usual mistake is the order of the
/// arguments: with predictions and targets swapped, 0.9 works as 0.1, and no check can see it.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// let predictions = Tensor::<1>::from_data([1.0, 3.0], &device); // one too low, one too high
/// let targets = Tensor::<1>::from_data([3.0, 2.0], &device);
///
/// let loss = ExpectileLossConfig::new().with_expectile(0.9).init();
/// let value = loss.forward(predictions, targets);
/// assert!((value.into_scalar::<f32>() - (0.9 * 4.0 + 0.1 * 1.0) / 2.0).abs() < 1e-5);
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
/// * In `init`: an `expectile` that is not above 0 and below 1.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid target makes loss and gradients NaN.
///
/// # Other libraries
///
/// CatBoost's `Expectile:alpha=0.9`, and the loss of the values in implicit Q-learning. What `scipy.stats.expectile` finds for a
/// sample is the constant prediction whose loss is least. A target that is tracked by autodiff gets its gradient.
///
/// # Reference
///
/// Newey and Powell, *Asymmetric Least Squares Estimation and Testing*, Econometrica 55, 1987.
#[doc(alias = "asymmetric least squares")]
#[doc(alias = "expectile_loss")]
#[doc(alias = "IQL")]
#[derive(Clone, Debug)]
pub struct ExpectileLoss {
    config: ExpectileLossConfig,
}

loss_module!(ExpectileLoss, ExpectileLossConfig, Formula<RegressionTarget> [predictions, targets]);

static EXPECTILE: LossFormula<2> = LossFormula::new(|[x, y]| {
    let [low, high] = ["expectile", "rest"].map(Expr::parameter);
    let error = x - y;
    x.above(y).select(high, low) * error * error
});

impl ExpectileLoss {
    fn formula(&self) -> FormulaLoss<2> {
        let expectile = self.config.expectile;
        EXPECTILE
            .of(["predictions", "targets"])
            .with("expectile", expectile)
            // Of one near 1 nothing is left in `f32`.
            .with("rest", 1.0 - expectile)
    }
}
