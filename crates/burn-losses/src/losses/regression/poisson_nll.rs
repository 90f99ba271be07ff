//! The negative log-likelihood of counts.

use crate::engine::any_rank::AnyRank;
use crate::engine::dtype::least_normal;
use crate::engine::values::AnyTarget;
use crate::loss::call::{Call, LossOutput};
use crate::loss::elementwise::{ElementwiseCall, OtherOperands, Required};
use crate::loss::values;
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::real::{Real, half_exp_rest};
use crate::spec::elementwise::Elementwise;
use crate::spec::reduction::Reduction;
use crate::spec::rule::Rule;
use crate::validate::check::{Check, Violation, shown};
use crate::validate::error::{Lint, LossError};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use burn::tensor::{DType, FloatDType};

loss_config! {
    /// Configuration of [`PoissonNllLoss`].
    pub struct PoissonNllLossConfig {
        /// Whether the predictions are the logarithms of rates, and not the rates.
        pub log_input: bool = true,
        /// Whether the term that depends on the target alone is added (by Stirling's formula, for targets
        /// above 1).
        pub full: bool = false,
        /// What is added to a rate before its logarithm is taken, without `log_input`.
        pub eps: f64 where NOT_NEGATIVE = 1e-8,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The negative log-likelihood of counts under Poisson distributions with the predicted rates.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/poisson_nll.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// log_input     : loss = e^x - y x              gradient = e^x - y
/// not log_input : loss = x - y ln(x + eps)      gradient = 1 - y / (x + eps)
/// full, y > 1   : plus y ln y - y + ln(2 pi y) / 2
/// ```
///
/// </details>
///
/// # Character
///
/// For things that are counted: calls in an hour, cells in an image, goals in a match. What the model
/// learns is the mean count, and the larger that is the more the counts may stray from it: an error of 5
/// matters at a rate of 3 and hardly at one of 300. [`MseLoss`](crate::regression::MseLoss) would take the two
/// alike, and predict negative counts.
///
/// The loss is not 0 at its best, and may be negative: what is left out without `full` does not depend
/// on the model. Let the last layer be linear and predict **the logarithm of the rate** (`log_input`,
/// the default); then no prediction is wrong, but one of 90 has an infinite loss in `f32`. Start from
/// small weights. Counts that vary more than their mean ask for another distribution.
///
/// # Target
///
/// **The counts themselves, not standardised and not as logarithms**, in the shape of the predictions,
/// as `Int` or float, at least 0. The usual mistake is to keep the scaled targets of another regression
/// loss: as soon as one of them is negative that is an error here. The other one is a target of counts
/// with a model that ends in softplus or exp: that predicts rates, and needs `with_log_input(false)`.
/// No check can see it, since any number may be a logarithm.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// // What was counted, and the logarithms of the rates that a model predicts.
/// let targets = Tensor::<1, Int>::from_data([0, 3, 1], &device);
/// let predictions = Tensor::<1>::from_data([0.0, 1.0, 0.0], &device);
///
/// let loss = PoissonNllLoss::new();
/// let value = loss.forward(predictions.clone(), targets.clone());
/// let e = std::f32::consts::E;
/// assert!((value.into_scalar::<f32>() - (1.0 + (e - 3.0) + 1.0) / 3.0).abs() < 1e-5);
///
/// // The same of a model that predicts rates.
/// let loss = PoissonNllLossConfig::new().with_log_input(false).init();
/// let value = loss.forward(predictions.exp(), targets.clone());
/// assert!((value.into_scalar::<f32>() - (1.0 + (e - 3.0) + 1.0) / 3.0).abs() < 1e-5);
///
/// let standardised = Tensor::<1>::from_data([-1.1, 1.3, -0.2], &device);
/// let error = PoissonNllLoss::new().try_forward(standardised.clone(), standardised).unwrap_err();
/// assert!(error.to_string().contains("target -1.1 at index [0] is not a count"));
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
/// * A target that is negative, NaN or infinite.
/// * Without `log_input`, a prediction that is negative.
/// * A target that is tracked by autodiff.
/// * A float type that the device cannot compute with.
/// * In `init`: an `eps` that is below 0 or not finite.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid target or rate makes loss and
/// gradient NaN.
///
/// # PyTorch
///
/// `torch.nn.PoissonNLLLoss`, with the same defaults. PyTorch takes negative targets and rates, whose
/// loss has no lower bound or is NaN, and targets that are tracked. It broadcasts, and the mean of an
/// empty batch is NaN, where here it is 0. With `full` the terms of a large count are put together
/// before they are rounded; PyTorch's are not, and lose digits.
#[doc(alias = "PoissonNLLLoss")]
#[doc(alias = "poisson regression")]
#[doc(alias = "count")]
#[derive(Clone, Debug)]
pub struct PoissonNllLoss {
    config: PoissonNllLossConfig,
}

loss_module!(PoissonNllLoss, PoissonNllLossConfig, CountTarget [predictions, targets]);

/// `rate - y ln(rate)`, and what `full` adds. Both options are part of the type: then a loop over the
/// loss has no logarithm where it needs none.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Poisson<const LOG_INPUT: bool, const FULL: bool> {
    pub(crate) eps: f64,
    /// The least rate of which a logarithm is taken.
    pub(crate) least: f64,
}

impl<const LOG_INPUT: bool, const FULL: bool> Elementwise<2> for Poisson<LOG_INPUT, FULL> {
    const RARE: bool = FULL;

    #[inline(always)]
    fn at<R: Real>(&self, [x, y]: [R; 2]) -> (R, impl FnOnce() -> [R; 1]) {
        let (rate, shifted) = if LOG_INPUT {
            (x.clone().exp(), x.clone())
        } else {
            (x.clone(), x.clone().plus(self.eps).at_least(self.least))
        };
        // Stirling's y ln y - y is taken together with y ln(rate), from which it differs little.
        let (log_ratio, of_count) = if FULL {
            let many = y.above(1.0);
            let count = y.clone().at_least(1.0);
            let log = count.clone().ln();
            let ratio = if LOG_INPUT {
                x - log.clone()
            } else {
                (shifted.clone() / count).ln()
            };
            let rest = log.plus(core::f64::consts::TAU.ln()).times(0.5);
            let zero = y.clone() - y.clone();
            let of_many = ratio.clone().plus(1.0);
            (
                ratio.clone().replace(many.clone(), of_many),
                Some((many.clone(), ratio, zero.replace(many, rest))),
            )
        } else if LOG_INPUT {
            (x, None)
        } else {
            (shifted.clone().ln(), None)
        };
        let value = rate.clone() - log_ratio.times_or_zero(y.clone());
        // A rate beyond the largest number less a product beyond it would be NaN.
        let value = value.replace(rate.above(rate.largest()), rate.clone());
        let value = match of_count {
            Some((many, ratio, rest)) => {
                // Near a large count the rate and the product are large, and what they differ by is not.
                let close = half_exp_rest(ratio.clone()) * y.clone().times(2.0);
                let close = if LOG_INPUT {
                    close
                } else {
                    close.plus(-self.eps)
                };
                let far = y.like(2.0);
                let is_close = far.replace(many, ratio).between(-1.0, 1.0);
                value.replace(is_close, close) + rest
            }
            None => value,
        };
        let slope = move || {
            [if LOG_INPUT {
                rate - y
            } else {
                (-(y / shifted)).plus(1.0)
            }]
        };
        (value, slope)
    }
}

impl PoissonNllLoss {
    pub(super) fn losses(
        &self,
        predictions: AnyRank,
        targets: AnyTarget,
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let PoissonNllLossConfig {
            log_input, full, ..
        } = self.config;
        match (log_input, full) {
            (true, true) => self.of::<true, true>(predictions, targets, call),
            (true, false) => self.of::<true, false>(predictions, targets, call),
            (false, true) => self.of::<false, true>(predictions, targets, call),
            (false, false) => self.of::<false, false>(predictions, targets, call),
        }
    }

    fn of<const LOG_INPUT: bool, const FULL: bool>(
        &self,
        predictions: AnyRank,
        targets: AnyTarget,
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let check = Check::new(Self::NAME, &predictions.device(), call.waiting);
        check.target_per_element("predictions", &predictions, &targets)?;
        check.holds(predictions.dtype(), "eps", self.config.eps)?;
        let rate = Required {
            rule: Rule::between(0.0, f64::INFINITY).or_nan(),
            explain: &no_rate,
        };
        let count = values::finite(predictions.dtype(), 0.0, &no_count);
        let definition = Poisson::<LOG_INPUT, FULL> {
            eps: self.config.eps,
            least: least_normal(predictions.dtype()),
        };
        let required = [(!LOG_INPUT).then_some(rate), Some(count)];
        ElementwiseCall::new(
            &check,
            definition,
            OtherOperands::flat(targets.values),
            required,
        )
        .evaluate([predictions], call)
    }

    fn lints(&self, _: &AnyRank, targets: AnyTarget) -> Vec<Lint> {
        let targets = AnyRank::from(targets.values.cast(FloatDType::F32));
        let mut lints = values::lints(Self::NAME, &targets);
        let part = targets
            .values()
            .into_iter()
            .find(|count| count % 1.0 != 0.0);
        lints.extend(part.map(|part| Lint {
            loss: Self::NAME,
            rule: "not-whole",
            message: format!(
                "a target is {}, which nobody counted: are the targets scaled? Counts stay as they are; a \
                 rate over another time or area is weighted by it in forward_weighted.",
                shown(part, DType::F32)
            ),
        }));
        lints
    }
}

fn no_count(found: &Violation) -> String {
    if let Some(too_large) = found.too_large() {
        return format!("target {too_large}");
    }
    let hint = if found.value.is_finite() {
        "Counts are not standardised; for targets of any sign use MseLoss, L1Loss or HuberLoss."
    } else {
        values::LEAVE_OUT
    };
    format!(
        "target {} at index {:?} is not a count: it must be finite and at least 0. {hint}",
        found.shown(),
        found.index
    )
}

fn no_rate(found: &Violation) -> String {
    format!(
        "prediction {} at index {:?} is not a rate: with log_input = false it must be at least 0. Let \
         the model end in softplus or exp, or keep log_input = true and let it predict the logarithm \
         of the rate.",
        found.shown(),
        found.index
    )
}
