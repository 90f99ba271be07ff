//! The negative log-likelihood of Gamma distributions.

use crate::loss::formula::{FormulaLoss, LossFormula};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::expression::Expr;
use crate::spec::expression::special::ln_factorial_rest;
use crate::spec::reduction::Reduction;
use crate::spec::rule::Rule;

loss_config! {
    /// Configuration of [`GammaNllLoss`].
    pub struct GammaNllLossConfig {
        /// The shape of the distributions, if all terms of the likelihood are wanted; without it the loss is what depends on the
        /// prediction, of a shape of 1.
        pub shape: Option<f64> where POSITIVE = None,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The negative log-likelihood of positive amounts under Gamma distributions, of the logarithm of whose mean is predicted.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/gamma_nll.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// loss     = y e^-x + x                  gradient = 1 - y e^-x
/// shape k  : k (y e^-x + x) - (k - 1) ln y - k ln k + ln Gamma(k)
/// ```
///
/// </details>
///
/// # Character
///
/// For amounts that are positive and vary in proportion to their size: the cost of a claim, a waiting time, rainfall on a wet day. An
/// error of 10 % costs the same at 1 and at 1000, where [`MseLoss`](crate::regression::MseLoss) would only see the large ones. What is
/// learnt is the mean amount. With targets that may be 0 take [`TweedieLoss`](crate::regression::TweedieLoss).
///
/// The last layer is linear and gives **the logarithm of the mean** (a log link): no prediction is wrong. The shape does not change what
/// is learnt, only the scale of the loss and of its gradient.
///
/// # Target
///
/// **The amounts themselves, as floats or `Int` above 0, in the shape of the predictions**: not standardised and not as logarithms. The
/// usual mistakes are amounts of 0, which such a distribution does not have, and targets that were standardised: both are errors.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// let log_means = Tensor::<1>::from_data([0.0, 0.0], &device);
/// let amounts = Tensor::<1>::from_data([1.0, 3.0], &device);
///
/// let value = GammaNllLoss::new().forward(log_means, amounts);
/// assert!((value.into_scalar::<f32>() - 2.0).abs() < 1e-5);
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
/// * A target that is 0 or negative, NaN or infinite.
/// * A float type that the device cannot compute with.
/// * In `init`: a `shape` that is not above 0, or not finite.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid target makes loss and gradients NaN.
///
/// # Other libraries
///
/// With a shape, `-torch.distributions.Gamma(shape, shape / mean).log_prob(y)`. Without one, the objective `gamma` of LightGBM, XGBoost
/// and CatBoost; half of scikit-learn's `mean_gamma_deviance` is this less its least value, `ln y + 1`. A target that is tracked gets its
/// gradient.
#[doc(alias = "gamma_deviance")]
#[doc(alias = "gamma regression")]
#[derive(Clone, Debug)]
pub struct GammaNllLoss {
    config: GammaNllLossConfig,
}

loss_module!(GammaNllLoss, GammaNllLossConfig, Formula<CountTarget> [predictions, targets]);

static GAMMA: LossFormula<2> = LossFormula::new(|[x, y]| y * (-x).exp() + x);

static WITH_SHAPE: LossFormula<2> = LossFormula::with_slopes(
    // What a large shape is multiplied by is 0 at the best prediction, and small near it.
    |[x, y]| {
        let ln = y.ln();
        let rest = 2.0 * (ln - x).half_exp_rest();
        Expr::parameter("shape") * rest + ln + Expr::parameter("constant")
    },
    |[x, y]| {
        let (shape, rate) = (Expr::parameter("shape"), (-x).exp());
        [shape * (1.0 - y * rate), shape * rate - (shape - 1.0) / y]
    },
);

/// `ln Gamma(k) - k ln k + k`.
static CONSTANT: LossFormula<1> = LossFormula::new(|[shape]| ln_factorial_rest(shape) - shape.ln());

impl GammaNllLoss {
    fn formula(&self) -> FormulaLoss<2> {
        let names = ["predictions", "targets"];
        let loss = match self.config.shape {
            None => GAMMA.of(names),
            Some(shape) => WITH_SHAPE
                .of(names)
                .with("shape", shape)
                .with("constant", CONSTANT.at([shape])),
        };
        loss.rule(
            1,
            Rule::POSITIVE,
            "Amounts are not standardised, and no logarithms; with some that are 0, take TweedieLoss.",
        )
    }
}
