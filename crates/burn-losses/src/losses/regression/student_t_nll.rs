//! The negative log-likelihood of Student's t distributions.

use super::laplace_nll::SCALE;
use crate::loss::formula::{FormulaLoss, LossFormula};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::expression::Expr;
use crate::spec::expression::special::{ln_1p_square, ln_factorial_rest};
use crate::spec::reduction::Reduction;
use crate::spec::rule::Rule;

loss_config! {
    /// Configuration of [`StudentTNllLoss`].
    pub struct StudentTNllLossConfig {
        /// The degrees of freedom: the fewer, the more often a target is far off. At 1 it is Cauchy's distribution.
        pub df: f64 where POSITIVE = 3.0,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The negative log-likelihood of the targets under Student's t distributions whose location and scale are predicted.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/student_t_nll.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// w    = (x - y) / s
/// loss = (df + 1) / 2 ln(1 + w^2 / df) + ln s + ln Gamma(df / 2) - ln Gamma((df + 1) / 2) + ln(pi df) / 2
/// ```
///
/// </details>
///
/// # Character
///
/// [`GaussianNllLoss`](crate::regression::GaussianNllLoss) that forgives: the pull of a target that is far off falls with its distance,
/// so a few that are wrong move neither location nor scale. The fewer degrees of freedom, the more it forgives; from 30 on it is nearly
/// Gauss's. It is not convex: start from a reasonable location.
///
/// The location comes from a linear layer, the scale from a softplus or an exponential of one. The scale is not the standard deviation,
/// which is `s sqrt(df / (df - 2))` and does not exist for `df` up to 2.
///
/// # Target
///
/// **The true values, as floats in the shape of the predictions**, which is the shape of the scale too; nothing is broadcast. The usual
/// mistake is to give the variance, or the logarithm of the scale: a scale that is 0 or negative is an error, a positive one that means
/// something else cannot be seen.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// let locations = Tensor::<1>::from_data([1.0, 2.0], &device);
/// let scales = Tensor::<1>::from_data([1.0, 1.0], &device);
/// let targets = Tensor::<1>::from_data([1.0, 3.0], &device);
///
/// // Cauchy's distribution: ln pi where the prediction is right, ln 2 pi where it is off by the scale.
/// let loss = StudentTNllLossConfig::new().with_df(1.0).init();
/// let value = loss.forward(locations, scales, targets);
/// let pi = std::f32::consts::PI;
/// assert!((value.into_scalar::<f32>() - (pi.ln() + (2.0 * pi).ln()) / 2.0).abs() < 1e-5);
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
/// * A scale that is not above 0. A target that is NaN or infinite.
/// * A float type that the device cannot compute with.
/// * In `init`: a `df` that is not above 0, or not finite.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid scale or target makes loss and gradients NaN.
///
/// # Other libraries
///
/// `-torch.distributions.StudentT(df, loc, scale).log_prob(y)`. GluonTS's `StudentTOutput` and neuralforecast's `DistributionLoss`
/// predict `df` too; here it is an option. Each operand that is tracked gets its gradient.
#[doc(alias = "StudentTOutput")]
#[doc(alias = "robust regression")]
#[derive(Clone, Debug)]
pub struct StudentTNllLoss {
    config: StudentTNllLossConfig,
}

loss_module!(StudentTNllLoss, StudentTNllLossConfig, Formula<RegressionTarget> [predictions, scale, targets]);

static STUDENT_T: LossFormula<3> = LossFormula::with_slopes(
    |[x, scale, y]| {
        let [ln, _] = ln_1p_square(scaled(x - y, scale));
        (0.5 * Expr::parameter("df") + 0.5) * ln + scale.ln() + Expr::parameter("constant")
    },
    // They share the quotients of the loss.
    |[x, scale, y]| {
        let (df, error) = (Expr::parameter("df"), scaled(x - y, scale));
        let [_, half] = ln_1p_square(error);
        let slope = (df + 1.0) / df.sqrt() * half / scale;
        let of_scale = (1.0 - (df + 1.0) * (error * half)) / scale;
        [slope, of_scale, -slope]
    },
);

fn scaled(error: Expr, scale: Expr) -> Expr {
    error / scale / Expr::parameter("df").sqrt()
}

/// `ln Gamma(df / 2) - ln Gamma((df + 1) / 2) + ln(pi df) / 2`, by the logarithms of the factorials.
static CONSTANT: LossFormula<1> = LossFormula::new(|[df]| {
    let (half, next) = (0.5 * df, 0.5 * df + 0.5);
    let of_powers = 0.5 - 0.5 * half.ln() - (next - 1.0) * (0.5 / half).ln_1p();
    let of_factorials = ln_factorial_rest(half) - ln_factorial_rest(next);
    of_factorials + of_powers + 0.5 * (core::f64::consts::PI * df).ln()
});

impl StudentTNllLoss {
    fn formula(&self) -> FormulaLoss<3> {
        STUDENT_T
            .of(["predictions", "scale", "targets"])
            .with("df", self.config.df)
            .with("constant", CONSTANT.at([self.config.df]))
            .output_rule(1, Rule::POSITIVE, SCALE)
    }
}
