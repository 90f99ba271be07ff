//! The Kullback-Leibler divergence.

use super::lints::not_normalised;
use crate::engine::any_rank::AnyRank;
use crate::engine::values::AnyTarget;
use crate::loss::call::{Call, LossOutput};
use crate::loss::elementwise::{ElementwiseCall, OtherOperands, Required, RequiredRows};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::real::Real;
use crate::spec::elementwise::Elementwise;
use crate::spec::reduction::Reduction;
use crate::spec::rule::Rule;
use crate::validate::check;
use crate::validate::check::{Check, Violation};
use crate::validate::error::{Lint, LossError};
use crate::validate::probabilities::{no_distribution, no_probability, probability};
use alloc::format;
use alloc::vec::Vec;

loss_config! {
    /// Configuration of [`KlDivLoss`].
    pub struct KlDivLossConfig {
        /// Whether the target holds log-probabilities.
        pub log_target: bool = false,
        /// The axis along which the target's probabilities sum to 1; with `None` that is not checked.
        pub class_axis: Option<usize> where CLASS_AXIS = Some(1),
        /// How the losses are reduced. The batch mean is the divergence of the average sample.
        pub reduction: Reduction = Reduction::BatchMean,
    }
}

/// The Kullback-Leibler divergence of a predicted distribution from a target distribution.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/kl_div.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// loss       = y (ln y - x)                0 where y = 0, whatever x is
/// log_target : exp(y) (y - x)              0 where y = -inf
/// gradient   = -y, or -exp(y)
/// BatchMean  = sum of the losses / size of axis 0 (the default)
/// x: the predicted log-probability; y: the target's probability, or its logarithm
/// ```
///
/// </details>
///
/// # Character
///
/// For a target that is a whole distribution: a teacher's output, an average of several annotators.
/// The model ends in a log-softmax. It is 0 where the two agree. Single terms may be negative, only
/// their sum over a row is not. It asks the model to put probability wherever the target has some:
/// `-inf` where `y` is positive is an infinite loss. Its gradient is that of
/// [`CrossEntropyLoss`](crate::classification::CrossEntropyLoss) on the same probabilities, which takes logits and
/// differs only by the entropy of the target. `BatchMean` makes `[N, C]` the mean per sample; for
/// `[B, T, V]` it sums over `T`.
///
/// # Target
///
/// **Probabilities in the shape of the input, whose rows sum to 1** along `class_axis`; with
/// `with_log_target(true)`, their logarithms. The usual mistake is to mix up which is logarithmic:
/// the *input* is, the *target* is not. That, and the two in the wrong order, is an error.
/// [`target::log_probs`](crate::target::log_probs) converts logits,
/// [`target::one_hot`](crate::target::one_hot) class ids. `with_class_axis(None)` compares
/// probabilities that are not rows of a distribution. [`lint`](crate::Loss::lint) reports input
/// whose rows do not sum to 1, such as negative logits.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_losses::{prelude::*, target};
///
/// let device = Device::flex();
/// // Logits of the model become log-probabilities: 1/3 for each class.
/// let log_probs = target::log_probs(Tensor::<2>::zeros([2, 3], &device), 1);
/// let targets = Tensor::<2>::from_data([[0.5, 0.5, 0.], [1., 0., 0.]], &device);
///
/// // ln 3 - ln 2 for the first row, ln 3 for the second, and their mean.
/// let value = KlDivLoss::new().forward(log_probs.clone(), targets.clone());
/// assert!((value.into_scalar::<f32>() - 0.75204).abs() < 1e-4);
/// assert!(KlDivLoss::new().try_forward(targets, log_probs.clone()).is_err());
///
/// // A teacher's logits become a target of log-probabilities.
/// let teacher = Tensor::<2>::from_data([[9., 9., -90.], [30., 0., 0.]], &device);
/// let loss = KlDivLossConfig::new().with_log_target(true).init();
/// let value = loss.forward(log_probs, target::log_probs(teacher, 1));
/// assert!((value.into_scalar::<f32>() - 0.75204).abs() < 1e-4);
/// ```
///
/// # Shapes
///
/// * log_probs and targets: the same shape, `[N, C]` or any of rank 2 or more
/// * unreduced: that shape, one term per class
///
/// # Errors
///
/// * Shapes or devices that differ (nothing is broadcast); rank 1 (a sample needs a batch axis).
/// * A probability not from 0 to 1, or a row's sum that is not 1, by more than 0.01 (`bf16`: 0.05).
/// * A log-probability above 0 (by more than 0.01), and whether it looks like a probability.
/// * A target tracked by autodiff; a `class_axis` that the input lacks, or (in `init`) of 0.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid row of the target makes
/// loss and gradient NaN.
///
/// # PyTorch
///
/// `torch.nn.KLDivLoss`, where the default reduction is `"mean"`, over all elements: C times
/// smaller than the `"batchmean"` that is the default here. PyTorch checks neither input nor
/// target, broadcasts, differentiates the target too, and takes rank 1. A probability of 0 against
/// `-inf` is NaN there and 0 here, and so is the mean of an empty batch.
///
/// # Reference
///
/// Kullback and Leibler, *On Information and Sufficiency*, Annals of Mathematical Statistics 22,
/// 1951.
#[doc(alias = "KLDivLoss")]
#[doc(alias = "Kullback-Leibler")]
#[doc(alias = "relative entropy")]
#[derive(Clone, Debug)]
pub struct KlDivLoss {
    config: KlDivLossConfig,
}

loss_module!(KlDivLoss, KlDivLossConfig, DistributionTarget [log_probs, targets]);

/// `y (ln y - x)`, and 0 where `y` is 0, whatever `x` is there.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Divergence;

impl Elementwise<2> for Divergence {
    const HAS_ROWS: bool = true;

    #[inline(always)]
    fn at<R: Real>(&self, [x, y]: [R; 2]) -> (R, impl FnOnce() -> [R; 1]) {
        let y = y.at_least(0.0);
        let absent = y.equals(0.0);
        let ln_y = y.clone().set(absent, 1.0).ln();
        ((ln_y - x).times_or_zero(y.clone()), move || [-y])
    }
}

/// `e^y (y - x)`, for a target given as a log-probability; 0 where that is -inf.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct DivergenceOfLogs;

impl Elementwise<2> for DivergenceOfLogs {
    #[inline(always)]
    fn at<R: Real>(&self, [x, y]: [R; 2]) -> (R, impl FnOnce() -> [R; 1]) {
        let probability = y.clone().exp();
        let absent = probability.equals(0.0);
        let y = y.set(absent, 0.0);
        let value = (y - x).times_or_zero(probability.clone());
        (value, move || [-probability])
    }
}

impl KlDivLoss {
    pub(super) fn losses(
        &self,
        log_probs: AnyRank,
        targets: AnyTarget,
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let shape = log_probs.shape();
        let check = Check::new(Self::NAME, &log_probs.device(), call.waiting);
        check.at_least_rank_2(
            shape.num_dims(),
            "a distribution needs a batch axis and a class axis",
        )?;
        check.target_per_element("log_probs", &log_probs, &targets)?;
        let axis = self.config.class_axis;
        if let Some(axis) = axis {
            check.class_axis(axis, &shape)?;
        }
        let log_target = self.config.log_target;
        let dtype = targets.values.dtype();
        let tolerance = check::tolerance(dtype);
        let log_probs_are = Required {
            rule: check::LOG_PROB,
            explain: &|found| check::no_log_prob("log_probs", found),
        };
        let targets_are = if log_target {
            Required {
                // A target is never the output of a model that diverged.
                rule: Rule::between(f64::NEG_INFINITY, check::LOG_PROB_MAX),
                explain: &|found| check::no_log_prob("target", found),
            }
        } else {
            Required {
                rule: probability(dtype),
                explain: &no_probability,
            }
        };
        let rows_of_logs = |found: &Violation| {
            format!(
                "the probabilities (exp) of the target row at index {:?} sum to {}, not 1: \
                 pass it through `target::log_probs`.",
                found.index, found.value
            )
        };
        let rows_of_probs = |found: &Violation| no_distribution(found, tolerance);
        let rows = axis.map(|axis| RequiredRows {
            operand: 1,
            axis,
            tolerance,
            logarithms: log_target,
            explain: if log_target {
                &rows_of_logs
            } else {
                &rows_of_probs
            },
        });
        let rest = OtherOperands::flat(targets.values);
        let required = [Some(log_probs_are), Some(targets_are)];
        let loss = if log_target {
            ElementwiseCall::new(&check, DivergenceOfLogs, rest, required)
        } else {
            ElementwiseCall::new(&check, Divergence, rest, required)
        };
        ElementwiseCall { rows, ..loss }.evaluate([log_probs], call)
    }

    fn lints(&self, log_probs: &AnyRank, _: AnyTarget) -> Vec<Lint> {
        let axis = self.config.class_axis;
        let lint = axis.and_then(|axis| not_normalised(Self::NAME, log_probs, axis));
        Vec::from_iter(lint)
    }
}
