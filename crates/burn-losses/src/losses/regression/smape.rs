//! The absolute error, relative to the mean size of prediction and target.

use crate::loss::formula::{FormulaLoss, LossFormula};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::expression::Expr;
use crate::spec::reduction::Reduction;
use alloc::format;

loss_config! {
    /// Configuration of [`SmapeLoss`].
    pub struct SmapeLossConfig {
        /// Whether the loss is in percent: times 100.
        pub percent: bool = false,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The absolute error, divided by the mean of the sizes of prediction and target.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/smape.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// loss     = 2 |x - y| / (|x| + |y|)      where x or y is not 0; percent: times 100
///            0                            where both are
/// gradient = 4 |y| sign(x - y) / (|x| + |y|)^2     where x and y have the same sign; half of that where x is 0
///            0                                     where they have not
/// ```
///
/// </details>
///
/// # Character
///
/// [`MapeLoss`](crate::regression::MapeLoss) with a bound: it lies between 0 and 2 (200 %), so a target near 0 cannot rule
/// the batch. Prediction and target can be swapped; yet a prediction that is too low by some amount costs more than one that is
/// too high by it. It is what forecasts are often judged by.
///
/// As a loss it has two weak spots. Where prediction and target have different signs it is 2, and nothing pulls. And far above
/// the target it is flat: a prediction of 1000 for 1 hardly moves. So begin near the targets, and let the last layer end in a
/// softplus or an exponential where the targets are positive. [`MsleLoss`](crate::regression::MsleLoss) sees ratios, too, and
/// does not become flat.
///
/// # Target
///
/// **The true values in their own unit, as floats in the shape of the predictions**, and of one sign; nothing is broadcast. The
/// usual mistake is to standardise them: then signs differ, and what is divided means nothing. Targets of both signs are a lint.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// let predictions = Tensor::<1>::from_data([1.0, 0.0, 0.0], &device);
/// let targets = Tensor::<1>::from_data([3.0, 0.0, 5.0], &device);
///
/// let value = SmapeLoss::new().forward(predictions, targets);
/// assert!((value.into_scalar::<f32>() - (1.0 + 0.0 + 2.0) / 3.0).abs() < 1e-5);
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
/// neuralforecast's `SMAPE`, which also has 0 where both are 0. pytorch-forecasting's adds 1e-8 to what is divided by, and
/// torchmetrics' `SymmetricMeanAbsolutePercentageError` keeps it above 1.17e-6. Keras has none. Forecasting competitions give it
/// in percent; some definitions leave out the 2, and end at 100 %. A target that is tracked by autodiff gets its gradient.
///
/// # Reference
///
/// Makridakis, *Accuracy Measures: Theoretical and Practical Concerns*, International Journal of Forecasting 9, 1993.
#[doc(alias = "SymmetricMeanAbsolutePercentageError")]
#[doc(alias = "symmetric mean absolute percentage error")]
#[derive(Clone, Debug)]
pub struct SmapeLoss {
    config: SmapeLossConfig,
}

loss_module!(SmapeLoss, SmapeLossConfig, Formula<RegressionTarget> [predictions, targets]);

static SMAPE: LossFormula<2> = LossFormula::with_slopes(
    |[x, y]| {
        let (difference, size) = halves(x, y);
        Expr::parameter("factor") * (difference.abs() / size)
    },
    // What rules find is a difference of numbers that are nearly the same, far from the target.
    |[x, y]| {
        let (difference, size) = halves(x, y);
        let slope = difference.sign() * (0.5 * Expr::parameter("factor")) / size;
        // The other number's size if both have the same sign, and half of it, the mean of both sides, at 0.
        let of = |this: Expr, half_other: Expr| {
            slope * ((half_other.abs() + this.sign() * half_other) / size)
        };
        [of(x, 0.5 * y), -of(y, 0.5 * x)]
    },
);

/// The difference of half the numbers, and their size, so that the sum does not overflow; 1 of two zeros.
fn halves(x: Expr, y: Expr) -> (Expr, Expr) {
    let half = 0.5 * x;
    let size = half.abs() + 0.5 * y.abs();
    (half - 0.5 * y, size.equals(0.0).select(1.0, size))
}

impl SmapeLoss {
    fn formula(&self) -> FormulaLoss<2> {
        let factor = if self.config.percent { 200.0 } else { 2.0 };
        SMAPE
            .of(["predictions", "targets"])
            .with("factor", factor)
            .suspect("mixed-signs", |operands| {
                let targets = &operands[1];
                (targets.least() < 0.0 && targets.most() > 0.0).then(|| {
                    format!(
                        "the targets have both signs, from {} to {}: where a prediction has the wrong one the loss is 2, \
                         and has no gradient. Are they standardised? This loss is for values of one sign.",
                        targets.least() as f32,
                        targets.most() as f32
                    )
                })
            })
    }
}
