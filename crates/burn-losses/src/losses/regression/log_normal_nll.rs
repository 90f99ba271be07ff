//! The negative log-likelihood of log-normal distributions.

use super::laplace_nll::SCALE;
use crate::loss::formula::{FormulaLoss, LossFormula};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::reduction::Reduction;
use crate::spec::rule::Rule;

loss_config! {
    /// Configuration of [`LogNormalNllLoss`].
    pub struct LogNormalNllLossConfig {
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The negative log-likelihood of positive amounts whose logarithm is normally distributed, with a predicted mean and spread.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/log_normal_nll.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// w    = (ln y - x) / s
/// loss = ln y + ln s + ln(2 pi) / 2 + w^2 / 2
/// ```
///
/// </details>
///
/// # Character
///
/// For positive amounts that come about by factors and not by terms: incomes, sizes of files, the duration of a stay. It is
/// [`GaussianNllLoss`](crate::regression::GaussianNllLoss) of the logarithms of the targets, in the units of the targets themselves, so
/// it compares with other likelihoods of them. `e^x` is the median, not the mean, which is `e^(x + s^2 / 2)`.
///
/// The prediction comes from a linear layer, the spread of the logarithm from a softplus or an exponential of one.
///
/// # Target
///
/// **The amounts themselves, as floats above 0 in the shape of the predictions**, which is the shape of the spread too; nothing is
/// broadcast. The usual mistake is to give logarithms: as soon as one of them is negative that is an error here.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// let means_of_logs = Tensor::<1>::from_data([0.0, 0.0], &device);
/// let spreads = Tensor::<1>::from_data([1.0, 1.0], &device);
/// let e = std::f32::consts::E;
/// let targets = Tensor::<1>::from_data([1.0, e], &device);
///
/// let value = LogNormalNllLoss::new().forward(means_of_logs, spreads, targets);
/// let least = 0.5 * (2.0 * std::f32::consts::PI).ln();
/// assert!((value.into_scalar::<f32>() - (least + (least + 1.5)) / 2.0).abs() < 1e-5);
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
/// * A scale that is not above 0. A target that is 0 or negative, NaN or infinite.
/// * A float type that the device cannot compute with.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid scale or target makes loss and gradients NaN.
///
/// # Other libraries
///
/// `-torch.distributions.LogNormal(loc, scale).log_prob(y)`. pytorch-forecasting's `LogNormalDistributionLoss` takes it too, of targets
/// that it scales itself. Each operand that is tracked gets its gradient.
#[doc(alias = "LogNormalDistributionLoss")]
#[derive(Clone, Debug)]
pub struct LogNormalNllLoss {
    config: LogNormalNllLossConfig,
}

loss_module!(LogNormalNllLoss, LogNormalNllLossConfig, Formula<RegressionTarget> [predictions, scale, targets]);

static LOG_NORMAL: LossFormula<3> = LossFormula::new(|[x, scale, y]| {
    let log = y.ln();
    let half = 0.5 * core::f64::consts::TAU.ln();
    log + scale.ln() + half + 0.5 * ((log - x) / scale).square()
});

impl LogNormalNllLoss {
    fn formula(&self) -> FormulaLoss<3> {
        LOG_NORMAL
            .of(["predictions", "scale", "targets"])
            .output_rule(1, Rule::POSITIVE, SCALE)
            .rule(
                2,
                Rule::POSITIVE,
                "The amounts themselves are the targets, not their logarithms.",
            )
    }
}
