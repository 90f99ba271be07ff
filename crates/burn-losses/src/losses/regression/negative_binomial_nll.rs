//! The negative log-likelihood of counts that vary more than their mean.

use super::laplace_nll::SCALE;
use crate::loss::formula::{FormulaLoss, LossFormula};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::expression::Expr;
use crate::spec::expression::special::{ln_factorial_rest, ln_ratio};
use crate::spec::reduction::Reduction;
use crate::spec::rule::Rule;
use alloc::format;
use serde::{Deserialize, Serialize};

loss_config! {
    /// Configuration of [`NegativeBinomialNllLoss`].
    pub struct NegativeBinomialNllLossConfig {
        /// What the two inputs are.
        pub parametrization: NegativeBinomialParametrization = NegativeBinomialParametrization::MeanDispersion,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The negative log-likelihood of counts under negative binomial distributions: Poisson's, where the rate itself varies.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/negative_binomial_nll.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// loss = -ln( Gamma(y + r) / (Gamma(r) y!) * (r / (r + m))^r * (m / (r + m))^y )
/// MeanDispersion   : m = first            r = 1 / second     variance m + second m^2
/// TotalCountLogits : m = r e^second       r = first
/// ```
///
/// </details>
///
/// # Character
///
/// For counts whose variance exceeds their mean, which is most counts: sales of an item, visits, reads of a gene. Where
/// [`PoissonNllLoss`](crate::regression::PoissonNllLoss) takes a spread of the square root of the mean for granted, this model says how
/// far the counts stray. Libraries mean different things by its two numbers, so which is an option with names. With a dispersion that
/// tends to 0 it is Poisson's distribution, and the loss stays exact there: nothing large is subtracted from something large.
///
/// Both numbers come from a softplus or an exponential of a linear layer, but for logits, which are linear.
///
/// # Target
///
/// **The counts themselves, as `Int` or floats from 0 on, in the shape of the two inputs**: not standardised and not as logarithms. The
/// usual mistake is to exchange dispersion and total count, which are each other's inverse: no check can see that, but `lint` reports
/// counts that are no integers.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// let means = Tensor::<1>::from_data([2.0, 2.0], &device);
/// let dispersions = Tensor::<1>::from_data([1.0, 1.0], &device);
/// let counts = Tensor::<1, Int>::from_data([0, 1], &device);
///
/// // With a total count of 1 it is the geometric distribution: 1/3, 2/9, ..
/// let value = NegativeBinomialNllLoss::new().forward(means, dispersions, counts);
/// assert!((value.into_scalar::<f32>() - (3_f32.ln() + 4.5_f32.ln()) / 2.0).abs() < 1e-5);
/// ```
///
/// # Shapes
///
/// * both inputs and targets: the same shape, of any rank
/// * unreduced: that shape
///
/// # Errors
///
/// * Shapes or devices that differ: nothing is broadcast.
/// * A mean, dispersion or total count that is not above 0. A count that is negative, NaN or infinite.
/// * A float type that the device cannot compute with.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid number or count makes loss and gradients NaN.
///
/// # Other libraries
///
/// `MeanDispersion` is pytorch-forecasting's `NegativeBinomialDistributionLoss` (whose second number is the dispersion), and
/// `TotalCountLogits` is `-torch.distributions.NegativeBinomial(total_count, logits=logits).log_prob(y)`, which GluonTS's
/// `NegativeBinomialOutput` takes. Those do not check that counts are integers; here the formula holds between integers too.
#[doc(alias = "NegativeBinomialOutput")]
#[doc(alias = "overdispersion")]
#[doc(alias = "count")]
#[derive(Clone, Debug)]
pub struct NegativeBinomialNllLoss {
    config: NegativeBinomialNllLossConfig,
}

loss_module!(NegativeBinomialNllLoss, NegativeBinomialNllLossConfig, Formula<CountTarget> [first, second, targets]);

/// What the two inputs of a [`NegativeBinomialNllLoss`] are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum NegativeBinomialParametrization {
    /// The mean, and the dispersion `a`: the variance is `m + a m^2`.
    #[default]
    MeanDispersion,
    /// The number of failures at which counting ends, which need not be an integer, and the log-odds of a success.
    TotalCountLogits,
}

static MEAN_DISPERSION: LossFormula<3> = LossFormula::new(|[mean, dispersion, y]| {
    let is_small = (dispersion * (mean + y)).below(SMALL);
    let fixed = dispersion.detach();
    let total = 1.0 / is_small.select(fixed, dispersion);
    // What rules find is a difference of numbers as large as the inverse of the dispersion.
    let (square, count) = (mean.square(), y * (y - 1.0) * (2.0 * y - 1.0));
    let second = mean * square * (2.0 / 3.0) - y * square + count * (1.0 / 6.0);
    let slope = 0.5 * (y - (mean - y).square()) + dispersion * second;
    of_mean(mean, y, total) + is_small.select((dispersion - fixed) * slope.detach(), 0.0)
});

static TOTAL_COUNT_LOGITS: LossFormula<3> = LossFormula::new(|[total, logits, y]| {
    let moderate = logits.abs().below(MODERATE);
    let near = of_mean(total * moderate.select(logits, 0.0).exp(), y, total);
    let none = y.equals(0.0);
    let over_count = (total / none.select(1.0, y)).ln_1p();
    let far = total * logits.softplus() + y * (-logits).softplus()
        - total * (y / total).ln_1p()
        - y * none.select(total.ln(), over_count)
        + of_factorials(y, total);
    moderate.select(near, far)
});

/// The dispersion times counts from which on rules find its slope; below, the first two terms of a series are as exact.
const SMALL: f64 = 1e-4;

/// The odds of which the exponential is far from the ends of all types.
const MODERATE: f64 = 20.0;

/// By the mean and the total count. The factorials grow as `z ln z - z`: what grows is taken together, as logarithms of
/// ratios that may be near 1.
fn of_mean(mean: Expr, y: Expr, total: Expr) -> Expr {
    let difference = mean - y;
    let both = ln_ratio(total + mean, total + y, difference);
    // `y (r + m) / (m (r + y))` less 1: of large counts both logarithms are large, and nearly the same. What it is divided by
    // may be beyond the type.
    let change = -difference / (1.0 + y / total) / mean;
    let is_close = change.abs().below(0.5);
    let ln = is_close.select(change, 0.0).ln_1p();
    let of_y = is_close.select(ln, ln_ratio(y, mean, -difference) + both);
    // The logarithm of no count is infinite: an element that met it would be computed again, in `f64`. The factorials leave
    // it out too, so the slope of the count is what it is.
    let of_y = y.equals(0.0).select(both - mean.ln(), of_y);
    total * both + y * of_y + of_factorials(y, total)
}

fn of_factorials(y: Expr, total: Expr) -> Expr {
    let rests = ln_factorial_rest(y) + ln_factorial_rest(total) - ln_factorial_rest(total + y);
    (y / total).ln_1p() + rests
}

impl NegativeBinomialNllLoss {
    fn formula(&self) -> FormulaLoss<3> {
        let loss = match self.config.parametrization {
            NegativeBinomialParametrization::MeanDispersion => MEAN_DISPERSION
                .of(["mean", "dispersion", "targets"])
                .output_rule(
                    0,
                    Rule::POSITIVE,
                    "It is no logarithm: take `exp` of a layer's output, or `softplus`.",
                )
                .output_rule(1, Rule::POSITIVE, SCALE),
            NegativeBinomialParametrization::TotalCountLogits => TOTAL_COUNT_LOGITS
                .of(["total_count", "logits", "targets"])
                .output_rule(0, Rule::POSITIVE, SCALE),
        };
        loss.rule(
            2,
            Rule::NONNEGATIVE,
            "Counts are not standardised, and no logarithms.",
        )
        .suspect("fractional-count", |operands| {
            let share = operands[2].share(|count| count % 1.0 != 0.0);
            (share > 0.0).then(|| {
                format!(
                    "{:.0} % of the targets are no integers: are they counts?",
                    100.0 * share
                )
            })
        })
    }
}
