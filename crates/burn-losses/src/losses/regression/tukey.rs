//! The biweight: an error that is large enough counts as any other.

use crate::loss::formula::{FormulaLoss, LossFormula};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::expression::Expr;
use crate::spec::reduction::Reduction;

loss_config! {
    /// Configuration of [`TukeyLoss`].
    pub struct TukeyLossConfig {
        /// The error from which on the loss is constant.
        pub c: f64 where POSITIVE = 4.685,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// Tukey's biweight: about half the squared error where that is small, and constant where it is large.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/tukey.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// e        = x - y
/// loss     = c^2 / 6 (1 - (1 - (e / c)^2)^3)    where |e| <= c
///            c^2 / 6                            elsewhere
/// gradient = e (1 - (e / c)^2)^2                where |e| <= c
///            0                                  elsewhere
/// ```
///
/// </details>
///
/// # Character
///
/// An error beyond `c` has no gradient at all: such a target is left out, and not only held back as by
/// [`HuberLoss`](crate::regression::HuberLoss). That is for data in which far-off targets are wrong for certain, such as
/// mismatched points or broken sensors. The pull is largest at an error of 0.45 `c`, and falls from there on.
///
/// What is left out cannot come back by itself. A model whose predictions are all beyond `c` does not learn, so begin with
/// another loss, such as [`HuberLoss`](crate::regression::HuberLoss), or with a large `c`. Where outliers should still pull a
/// little, take [`GeneralRobustLoss`](crate::regression::GeneralRobustLoss).
///
/// The last layer is linear. `c` has the unit of the targets: the default is for good errors with a standard deviation of 1,
/// where the loss needs about 5 % more of them than the squared error for the same precision. For others it is 4.685 times
/// their standard deviation.
///
/// # Target
///
/// **The true values, as floats in the shape of the predictions**; nothing is broadcast. The usual mistake is targets in their
/// own unit, such as prices, with the default `c`: all errors are beyond it, the loss is `c^2 / 6`, about 3.66, and stays there.
/// Standardise the targets, or set `c`.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// let predictions = Tensor::<1>::from_data([1.0, 0.0], &device);
/// let targets = Tensor::<1>::from_data([0.0, 50.0], &device); // the second is an outlier
///
/// let loss = TukeyLossConfig::new().with_c(2.0).init();
/// let value = loss.forward(predictions, targets);
/// let most = 4.0 / 6.0;
/// assert!((value.into_scalar::<f32>() - (most * (1.0 - 0.421875) + most) / 2.0).abs() < 1e-5);
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
/// * In `init`: a `c` that is not above 0, or not finite.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid target makes loss and gradients NaN.
///
/// # Other libraries
///
/// The `rho` of statsmodels' `TukeyBiweight`, with the same `c`; that is for errors divided by an estimate of their scale, which
/// is not estimated here. neuralforecast's `TukeyLoss` has the same `c`, but another formula, which is largest at an error of 0.
/// A target that is tracked by autodiff gets its gradient.
///
/// # Reference
///
/// Beaton and Tukey, *The Fitting of Power Series, Meaning Polynomials, Illustrated on Band-Spectroscopic Data*,
/// Technometrics 16, 1974.
#[doc(alias = "TukeyBiweight")]
#[doc(alias = "biweight")]
#[doc(alias = "bisquare")]
#[derive(Clone, Debug)]
pub struct TukeyLoss {
    config: TukeyLossConfig,
}

loss_module!(TukeyLoss, TukeyLossConfig, Formula<RegressionTarget> [predictions, targets]);

/// Multiplied out: `1 - (1 - r)^3` would lose the digits of a small error. The slope, which is stated, ends at `c` by itself.
static TUKEY: LossFormula<2> = LossFormula::with_slopes(
    |[x, y]| {
        let [_, square, r] = error_and_share(x, y);
        let most = Expr::parameter("c").square();
        square.at_most(most) * (0.5 - r * (0.5 - r / 6.0))
    },
    |[x, y]| {
        let [error, _, r] = error_and_share(x, y);
        let slope = error * (1.0 - r).square();
        [slope, -slope]
    },
);

/// The error, its square, and `(e / c)^2`, which is 1 from `c` on, but for its last digit at `c`.
fn error_and_share(x: Expr, y: Expr) -> [Expr; 3] {
    let error = x - y;
    // Of `c` itself: its square may be beyond the type, and a slope must end all the same.
    let share = error * (1.0 / Expr::parameter("c"));
    [error, error.square(), share.square().at_most(1.0)]
}

impl TukeyLoss {
    fn formula(&self) -> FormulaLoss<2> {
        TUKEY
            .of(["predictions", "targets"])
            .with("c", self.config.c)
    }
}
