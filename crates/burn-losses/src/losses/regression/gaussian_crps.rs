//! The continuous ranked probability score of normal distributions.

use super::laplace_nll::SCALE;
use crate::loss::formula::{FormulaLoss, LossFormula};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::expression::Expr;
use crate::spec::reduction::Reduction;
use crate::spec::rule::Rule;
use core::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, SQRT_2};

loss_config! {
    /// Configuration of [`GaussianCrpsLoss`].
    pub struct GaussianCrpsLossConfig {
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The continuous ranked probability score of the targets under normal distributions whose mean and standard deviation are predicted.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/gaussian_crps.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// w        = (y - x) / s
/// loss     = s (w (2 P(w) - 1) + 2 p(w) - 1 / sqrt(pi))       P, p: distribution and density of the normal distribution
/// gradient = 1 - 2 P(w);  by the deviation: 2 p(w) - 1 / sqrt(pi)
/// ```
///
/// </details>
///
/// # Character
///
/// A score of a forecast that says how sure it is, in the unit of the targets: the absolute error, if the model were certain, and less
/// where it said that it was not. Far from the target it grows as the error and not as its square, so
/// [`GaussianNllLoss`](crate::regression::GaussianNllLoss) punishes a forecast that was sure and wrong beyond measure, and this one does
/// not: training is calmer. Both are lowest for the true distribution.
///
/// The mean comes from a linear layer, the deviation from a softplus or an exponential of one.
///
/// # Target
///
/// **The true values, as floats in the shape of the predictions**, which is the shape of the deviation too; nothing is broadcast. The
/// usual mistake is to give the variance, or the logarithm of the deviation: one that is 0 or negative is an error, a positive one that
/// means something else cannot be seen.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// let means = Tensor::<1>::from_data([1.0], &device);
/// let deviations = Tensor::<1>::from_data([2.0], &device);
/// let targets = Tensor::<1>::from_data([1.0], &device);
///
/// // The mean is right, and the rest is what it was unsure.
/// let value = GaussianCrpsLoss::new().forward(means, deviations, targets);
/// assert!((value.into_scalar::<f32>() - 2.0 * 0.233695).abs() < 1e-5);
/// ```
///
/// # Shapes
///
/// * predictions, scale and targets: the same shape, of any rank
/// * unreduced: that shape
///
/// # Errors
///
/// * Shapes or devices that differ: nothing is broadcast.
/// * A deviation that is not above 0. A target that is NaN or infinite.
/// * A float type that the device cannot compute with.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid deviation or target makes loss and gradients NaN.
///
/// # Other libraries
///
/// scoringrules' `crps_normal(y, mu, sigma)` and properscoring's `crps_gaussian`. Each operand that is tracked gets its gradient.
///
/// # Reference
///
/// Gneiting and Raftery, *Strictly Proper Scoring Rules, Prediction, and Estimation*, JASA 102, 2007.
#[doc(alias = "CRPS")]
#[doc(alias = "continuous ranked probability score")]
#[derive(Clone, Debug)]
pub struct GaussianCrpsLoss {
    config: GaussianCrpsLossConfig,
}

loss_module!(GaussianCrpsLoss, GaussianCrpsLossConfig, Formula<RegressionTarget> [predictions, scale, targets]);

/// The score at a mean that is right, as a share of the deviation, is `2 p(0) - 1 / sqrt(pi)`.
const INVERSE_SQRT_PI: f64 = FRAC_2_SQRT_PI / 2.0;

static CRPS: LossFormula<3> = LossFormula::with_slopes(
    |[x, scale, y]| {
        let w = (y - x) / scale;
        (y - x) * share_closer(w) + scale * twice_density_less(w)
    },
    |[x, scale, y]| {
        let w = (y - x) / scale;
        let share = share_closer(w);
        [-share, twice_density_less(w), share]
    },
);

/// How likely a number of the standard normal distribution is closer to 0 than `w`, with the sign of `w`.
fn share_closer(w: Expr) -> Expr {
    (FRAC_1_SQRT_2 * w).erf()
}

fn twice_density_less(w: Expr) -> Expr {
    SQRT_2 * INVERSE_SQRT_PI * (-0.5 * w.square()).exp() - INVERSE_SQRT_PI
}

impl GaussianCrpsLoss {
    fn formula(&self) -> FormulaLoss<3> {
        CRPS.of(["predictions", "scale", "targets"])
            .output_rule(1, Rule::POSITIVE, SCALE)
    }
}
