//! The negative log-likelihood of Laplace distributions.

use crate::loss::formula::{FormulaLoss, LossFormula};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::reduction::Reduction;
use crate::spec::rule::Rule;

loss_config! {
    /// Configuration of [`LaplaceNllLoss`].
    pub struct LaplaceNllLossConfig {
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The negative log-likelihood of the targets under Laplace distributions whose median and scale are predicted.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/laplace_nll.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// loss = ln(2 b) + |x - y| / b
/// ```
///
/// </details>
///
/// # Character
///
/// [`L1Loss`](crate::regression::L1Loss) of a model that also says how far off it expects to be: the best median is that of the
/// targets, and the best scale the mean of their distance from it. Its tails are heavier than those of
/// [`GaussianNllLoss`](crate::regression::GaussianNllLoss), so a target far off does not blow the scale up as it does the
/// variance there.
///
/// The median comes from a linear layer, the scale from a softplus or an exponential of one. A scale that may come close to 0 is
/// kept from it by a small constant that is added.
///
/// # Target
///
/// **The true values, as floats in the shape of the predictions**, which is the shape of the scale too; nothing is broadcast. The
/// usual mistake is to give the variance, or the logarithm of the scale: a scale that is 0 or negative is an error, a positive
/// one that means something else cannot be seen.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// let medians = Tensor::<1>::from_data([1.0, 2.0], &device);
/// let scales = Tensor::<1>::from_data([0.5, 2.0], &device);
/// let targets = Tensor::<1>::from_data([1.0, 4.0], &device);
///
/// let value = LaplaceNllLoss::new().forward(medians, scales, targets);
/// assert!((value.into_scalar::<f32>() - (0.0 + 4_f32.ln() + 1.0) / 2.0).abs() < 1e-5);
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
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid scale or target makes loss and gradients NaN.
///
/// # Other libraries
///
/// `-torch.distributions.Laplace(loc, scale).log_prob(y)`, which GluonTS's `LaplaceOutput` takes too. Each operand that is tracked
/// gets its gradient.
#[doc(alias = "LaplaceOutput")]
#[derive(Clone, Debug)]
pub struct LaplaceNllLoss {
    config: LaplaceNllLossConfig,
}

loss_module!(LaplaceNllLoss, LaplaceNllLossConfig, Formula<RegressionTarget> [predictions, scale, targets]);

static LAPLACE: LossFormula<3> =
    LossFormula::new(|[x, b, y]| (x - y).abs() / b + b.ln() + core::f64::consts::LN_2);

impl LaplaceNllLoss {
    fn formula(&self) -> FormulaLoss<3> {
        LAPLACE
            .of(["predictions", "scale", "targets"])
            .output_rule(1, Rule::POSITIVE, SCALE)
    }
}

/// What to do about a scale that is none.
pub(super) const SCALE: &str = "It is how far targets are off, not a logarithm: `softplus` of a layer's output, and a little more, \
     makes it positive.";
