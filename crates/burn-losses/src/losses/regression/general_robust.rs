//! The family of losses from the squared error to those that leave outliers out.

use crate::loss::formula::{FormulaLoss, LossFormula};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::expression::Expr;
use crate::spec::expression::special::ln_1p_square;
use crate::spec::reduction::Reduction;
use core::f64::consts::SQRT_2;

loss_config! {
    /// Configuration of [`GeneralRobustLoss`].
    pub struct GeneralRobustLossConfig {
        /// How much outliers count: the lower, the less. `None` is minus infinity.
        pub alpha: Option<f64> where FINITE = Some(1.0),
        /// The error up to which the loss is about squared.
        pub scale: f64 where POSITIVE = 1.0,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

impl GeneralRobustLossConfig {
    /// `alpha` 1, the default: `sqrt(s^2 + 1) - 1`, linear far from zero. Also called pseudo-Huber.
    pub fn charbonnier() -> Self {
        Self::new()
    }

    /// `alpha` 0: `ln(s^2 / 2 + 1)`, which grows as a logarithm. Also called Lorentzian.
    pub fn cauchy() -> Self {
        Self::new().with_alpha(Some(0.0))
    }

    /// `alpha` -2: `2 s^2 / (s^2 + 4)`, which is less than 2.
    pub fn geman_mcclure() -> Self {
        Self::new().with_alpha(Some(-2.0))
    }

    /// No `alpha`, the limit of minus infinity: `1 - exp(-s^2 / 2)`, which is less than 1. Also called Leclerc.
    pub fn welsch() -> Self {
        Self::new().with_alpha(None)
    }
}

/// Barron's general robust loss: one formula for the squared error, and for losses that count outliers less and less.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/general_robust.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// s    = (x - y) / scale
/// loss = |a - 2| / a ((s^2 / |a - 2| + 1)^(a / 2) - 1)
///
/// alpha 2    : s^2 / 2
/// alpha 1    : sqrt(s^2 + 1) - 1          Charbonnier
/// alpha 0    : ln(s^2 / 2 + 1)            Cauchy
/// alpha -2   : 2 s^2 / (s^2 + 4)          Geman-McClure
/// alpha None : 1 - exp(-s^2 / 2)          Welsch
///
/// gradient = s / scale (s^2 / |a - 2| + 1)^(a / 2 - 1)
/// ```
///
/// </details>
///
/// # Character
///
/// Near the target all of them are `s^2 / 2`; they differ in what an outlier does. With `alpha` 2 it pulls in proportion to the
/// error, with 1 like any other, as of [`HuberLoss`](crate::regression::HuberLoss) but without a corner in the gradient. Below 1
/// it pulls the less the further off it is, and from 0 down hardly at all: [`TukeyLoss`](crate::regression::TukeyLoss) is the
/// end of that road, where the pull is exactly 0.
///
/// The lower `alpha`, the more a model depends on where it starts, as all that is far off is left alone. Begin with 1 and go
/// down, if outliers still bend the result; by a schedule, if the training does not get going.
///
/// The last layer is linear. `scale` has the unit of the targets: about the error of a good model. The loss is of errors
/// divided by it, so its gradient near the target is that of the squared error divided by `scale` squared.
///
/// # Target
///
/// **The true values, as floats in the shape of the predictions**; nothing is broadcast. The usual mistake is targets in their
/// own unit, such as prices, with the default `scale`: then all errors are outliers, and with a low `alpha` none has a gradient.
/// Standardise the targets, or set `scale`.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// let predictions = Tensor::<1>::from_data([0.75, 2.4], &device);
/// let targets = Tensor::<1>::from_data([0.0, 0.0], &device);
///
/// let loss = GeneralRobustLoss::new(); // alpha 1: roots of 1.5625 and 6.76
/// let value = loss.forward(predictions.clone(), targets.clone());
/// assert!((value.into_scalar::<f32>() - (0.25 + 1.6) / 2.0).abs() < 1e-5);
///
/// let loss = GeneralRobustLossConfig::cauchy().with_scale(1.2).init(); // s is 0.625 and 2
/// let value = loss.forward(predictions, targets);
/// assert!((value.into_scalar::<f32>() - (1.1953125_f32.ln() + 3_f32.ln()) / 2.0).abs() < 1e-5);
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
/// * In `init`: an `alpha` that is not finite (`None` is minus infinity); a `scale` that is not above 0, or not finite.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid target makes loss and gradients NaN.
///
/// # Other libraries
///
/// `lossfun` of `robust_loss_pytorch`, the author's own, with the same `alpha` and `scale`; that one learns them too, which this
/// loss does not. With `scale` 1, kornia's `charbonnier_loss`, `cauchy_loss`, `geman_mcclure_loss` and `welsch_loss`, whose
/// default is no reduction. A target that is tracked by autodiff gets its gradient.
///
/// # Reference
///
/// Barron, *A General and Adaptive Robust Loss Function*, CVPR 2019.
#[doc(alias = "CharbonnierLoss")]
#[doc(alias = "CauchyLoss")]
#[doc(alias = "GemanMcClure")]
#[doc(alias = "WelschLoss")]
#[doc(alias = "pseudo-Huber")]
#[doc(alias = "Barron")]
#[derive(Clone, Debug)]
pub struct GeneralRobustLoss {
    config: GeneralRobustLossConfig,
}

loss_module!(GeneralRobustLoss, GeneralRobustLossConfig, Formula<RegressionTarget> [predictions, targets]);

// None of them subtracts numbers that are nearly the same, or squares what has no square in the type. The slopes are stated:
// they share what the losses are made of.

/// A size beside which 1 is nothing.
const FAR: f64 = 1e18;

/// The error over so many times the scale.
fn scaled([x, y]: [Expr; 2], times: impl Into<Expr>) -> Expr {
    (x - y) * (1.0 / scale(times.into()))
}

/// The slopes with respect to prediction and target, by that with respect to the [`scaled`] error.
fn of_scaled(slope: Expr, times: impl Into<Expr>) -> [Expr; 2] {
    let slope = slope / scale(times.into());
    [slope, -slope]
}

fn scale(times: Expr) -> Expr {
    times * Expr::parameter("scale")
}

static SQUARED: LossFormula<2> = LossFormula::new(|of| 0.5 * scaled(of, 1.0).square());

static CHARBONNIER: LossFormula<2> = LossFormula::with_slopes(
    |of| {
        let [bounded, root] = charbonnier(of);
        scaled(of, 1.0) * (bounded / (root + 1.0))
    },
    |of| {
        let [bounded, root] = charbonnier(of);
        of_scaled(bounded / root, 1.0)
    },
);

/// The error, as far as it has a square, and the root of 1 and that.
fn charbonnier(of: [Expr; 2]) -> [Expr; 2] {
    let bounded = scaled(of, 1.0).clamp(-FAR, FAR);
    [bounded, (bounded.square() + 1.0).sqrt()]
}

static CAUCHY: LossFormula<2> = LossFormula::with_slopes(
    |of| {
        let [ln, _] = ln_1p_square(scaled(of, SQRT_2));
        ln
    },
    |of| {
        let [_, half] = ln_1p_square(scaled(of, SQRT_2));
        of_scaled(2.0 * half, SQRT_2)
    },
);

static GEMAN_MCCLURE: LossFormula<2> = LossFormula::with_slopes(
    |of| {
        let [half, missing] = geman_mcclure(of);
        let quarter = half.square();
        quarter.above(1.0).select(2.0 - missing, quarter * missing)
    },
    |of| {
        let [half, missing] = geman_mcclure(of);
        of_scaled(half * missing * missing, 2.0)
    },
);

/// Half the error, and what the loss is below 2.
fn geman_mcclure(of: [Expr; 2]) -> [Expr; 2] {
    let half = scaled(of, 2.0);
    [half, 2.0 / (half.square() + 1.0)]
}

static WELSCH: LossFormula<2> = LossFormula::with_slopes(
    |of| {
        let [_, t, rest] = welsch(of);
        t + t * rest
    },
    |of| {
        let [error, _, rest] = welsch(of);
        of_scaled(error * rest, 1.0)
    },
);

/// The error, and `t = tanh(u / 2)` and `e^-u` of half its square: `1 - e^-u` is `t (1 + e^-u)`.
fn welsch(of: [Expr; 2]) -> [Expr; 3] {
    let error = scaled(of, 1.0);
    let square = error.square();
    [error, (0.25 * square).tanh(), (-0.5 * square).exp()]
}

static GENERAL: LossFormula<2> = LossFormula::with_slopes(
    |of| {
        let [t, power, _] = general(of);
        Expr::parameter("factor") * (t + t * power)
    },
    |of| {
        let [_, power, half] = general(of);
        let distance = Expr::parameter("distance");
        of_scaled(distance * half * power, distance.sqrt())
    },
);

/// `t = tanh(u / 2)` and `e^u` of the exponent, where `e^u - 1` is `t (1 + e^u)`; and of the logarithm that it has half the
/// slope.
fn general(of: [Expr; 2]) -> [Expr; 3] {
    let [ln, half] = ln_1p_square(scaled(of, Expr::parameter("distance").sqrt()));
    let exponent = 0.5 * Expr::parameter("alpha") * ln;
    [(0.5 * exponent).tanh(), exponent.exp(), half]
}

impl GeneralRobustLoss {
    fn formula(&self) -> FormulaLoss<2> {
        let scale = self.config.scale;
        let of = |formula: &'static LossFormula<2>| {
            let formula = formula.of(["predictions", "targets"]);
            formula.with("scale", scale)
        };
        match self.config.alpha {
            None => of(&WELSCH),
            Some(2.0) => of(&SQUARED),
            Some(1.0) => of(&CHARBONNIER),
            Some(-2.0) => of(&GEMAN_MCCLURE),
            // What is so near to 0 makes no difference.
            Some(alpha) if alpha.abs() < 1e-20 => of(&CAUCHY),
            Some(alpha) => {
                let distance = (alpha - 2.0).abs();
                of(&GENERAL)
                    .with("alpha", alpha)
                    .with("distance", distance)
                    .with("factor", distance / alpha)
            }
        }
    }
}
