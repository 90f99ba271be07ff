//! Direct preference optimization.

use super::sequence::{FROZEN, NO_LOG_PROB, REFERENCE};
use crate::loss::formula::{FormulaLoss, LossFormula};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::expression::Expr;
use crate::spec::reduction::Reduction;
use crate::validate::check;
use crate::validate::check::LOG_PROB;
use crate::validate::error::LossError;
use alloc::format;
use serde::{Deserialize, Serialize};

/// What [`DpoLoss`] makes of how much more than the reference the policy prefers the chosen answer.
///
/// In a file it may be in lower case too: `"sigmoid"`, `"hinge"`, `"ipo"`, `"robust"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum DpoVariant {
    /// The logistic loss. With `label_smoothing` it is the conservative one, which stops where the preference is as sure as
    /// the labels are.
    #[default]
    #[serde(alias = "sigmoid")]
    Sigmoid,
    /// The hinge loss: 0 from `1 / beta` on.
    #[serde(alias = "hinge")]
    Hinge,
    /// The squared distance from `1 / (2 beta)`: it does not push on where the preference is that large. For log-probabilities
    /// that are averaged over the tokens.
    #[serde(alias = "ipo")]
    Ipo,
    /// The logistic loss without the bias of labels that are exchanged, of which `label_smoothing` is the share. It can be
    /// negative.
    #[serde(alias = "robust")]
    Robust,
}

loss_config! {
    /// Configuration of [`DpoLoss`].
    pub struct DpoLossConfig {
        /// How closely the policy stays with the reference: finite, above 0. The larger, the closer.
        pub beta: f64 where POSITIVE = 0.1,
        /// The share of pairs that are taken for exchanged: at least 0, below 0.5. Only `Sigmoid` and `Robust` have it.
        pub label_smoothing: f64 where BELOW_HALF = 0.0,
        /// Which loss of the preference it is.
        pub variant: DpoVariant = DpoVariant::Sigmoid,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
    and self.has_smoothing()
}

impl DpoLossConfig {
    fn has_smoothing(&self) -> Result<(), LossError> {
        let smoothing = self.label_smoothing;
        let smooth = matches!(self.variant, DpoVariant::Sigmoid | DpoVariant::Robust);
        if smoothing != 0.0 && !smooth {
            return Err(check::config_error(
                DpoLoss::NAME,
                format!(
                    "label_smoothing is {smoothing}, but the variant {:?} has none: leave it at 0, or take the variant Sigmoid \
                     or Robust.",
                    self.variant
                ),
            ));
        }
        Ok(())
    }
}

/// The loss of pairs of answers by which a policy learns, without a model of rewards, to prefer the chosen one more than a
/// frozen reference does.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/dpo.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// D    = (policy_chosen - policy_rejected) - (reference_chosen - reference_rejected)
/// z    = beta D
/// l    = ln(1 + exp(-z)),  m = ln(1 + exp(z))
/// loss = (1 - e) l + e m                                   Sigmoid; e: `label_smoothing`
///        max(1 - z, 0)                                     Hinge
///        (D - 1 / (2 beta))^2                              Ipo
///        ((1 - e) l - e m) / (1 - 2 e)                     Robust
/// ```
///
/// </details>
///
/// # Character
///
/// At the start the policy is the reference: `D` is 0 for all pairs, and the loss of `Sigmoid` is ln 2. The gradient goes to
/// both answers, with opposite signs and the same size, which is largest where the policy prefers the wrong one. Only the
/// difference counts: both log-probabilities often fall, the rejected one faster. The usual `beta` is 0.1, with a learning rate
/// far below that of the training before.
///
/// `Sigmoid` never stops pushing, so it comes to overfit pairs that were judged without doubt. `label_smoothing`, `Hinge` and
/// `Ipo` stop at some preference. `Robust` is right on average where so many labels are exchanged at random. Without a
/// reference there is [`SimPoLoss`](crate::preference::SimPoLoss), for answers that are not in pairs
/// [`KtoLoss`](crate::preference::KtoLoss).
///
/// # Target
///
/// **The log-probabilities of the two answers under the reference**, `[N]`, as those under the policy: without the prompt, by
/// [`sequence_log_probs`](crate::preference::sequence_log_probs), summed over the tokens (`Sequence`), and for `Ipo` averaged
/// (`Token`). They are not tracked. The usual mistakes: logits or probabilities, which are an error where they are above 0; a
/// reference that is trained along, which is one too; the prompt counted in; and the two answers exchanged, which cannot be
/// seen.
///
/// # Example
///
/// ```
/// use burn::tensor::{Bool, Device, Int, Tensor};
/// use burn_losses::preference::*;
///
/// let device = Device::flex();
/// let tensor = |data: [f32; 2]| Tensor::<1>::from_data(data, &device);
/// let (chosen, rejected) = (tensor([-12., -9.]), tensor([-14., -9.5]));
/// let (of_chosen, of_rejected) = (tensor([-13., -9.]), tensor([-13.5, -9.]));
///
/// let loss = DpoLoss::new(); // beta 0.1
/// let value = loss.forward(chosen.clone(), rejected.clone(), of_chosen.clone(), of_rejected.clone());
/// assert!((value.into_scalar::<f32>() - 0.644708).abs() < 1e-5);
///
/// // A tenth of the pairs may be exchanged.
/// let config = DpoLossConfig::new().with_label_smoothing(0.1);
/// let value = config.init().forward(chosen.clone(), rejected.clone(), of_chosen.clone(), of_rejected.clone());
/// assert!((value.into_scalar::<f32>() - 0.654708).abs() < 1e-5);
/// let loss = config.with_variant(DpoVariant::Robust).init();
/// let value = loss.forward(chosen, rejected, of_chosen, of_rejected);
/// assert!((value.into_scalar::<f32>() - 0.632208).abs() < 1e-5);
///
/// // From logits: two answers of two tokens and one, to prompts that are masked.
/// let logits = Tensor::<3>::zeros([2, 3, 4], &device);
/// let ids = Tensor::<2, Int>::from_data([[0, 1, 2], [3, 0, 0]], &device);
/// let mask = Tensor::<2, Bool>::from_data([[false, true, true], [true, false, false]], &device);
/// let log_probs = sequence_log_probs(logits, ids, mask, LengthNormalization::Sequence);
/// let values: Vec<f32> = log_probs.into_data().iter().collect();
/// assert!((values[0] + 2.0 * 4f32.ln()).abs() < 1e-5);
/// assert!((values[1] + 4f32.ln()).abs() < 1e-5);
/// ```
///
/// # Shapes
///
/// * all four: the same shape, of any rank, as a rule `[N]`
/// * unreduced: that shape
///
/// # Errors
///
/// * Shapes or devices that differ: nothing is broadcast.
/// * A log-probability above 0 (by more than 0.01). One of the reference that is NaN.
/// * A reference that is tracked by autodiff.
/// * A float type that the device cannot compute with.
/// * In `init`: a `beta` that is not above 0, or not finite; a `label_smoothing` that is not from 0 to below 0.5, or not 0 with
///   `Hinge` or `Ipo`.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid log-probability makes loss and gradients NaN.
///
/// # Other libraries
///
/// The `loss_type` of TRL's `DPOTrainer` (1.16) and Liger's `LigerFusedLinearDPOLoss` (0.8.5), both with `beta` 0.1:
///
/// | `loss_type` | here | log-probabilities |
/// |---|---|---|
/// | `sigmoid` | `Sigmoid` | sums |
/// | `sigmoid_norm` (TRL) | `Sigmoid` | means over the tokens |
/// | `hinge` | `Hinge` | sums |
/// | `ipo` (TRL) | `Ipo` | means over the tokens |
/// | `robust` | `Robust` | sums |
///
/// * Neither library applies its `label_smoothing` to `sigmoid`. `Sigmoid` with `label_smoothing` is the conservative DPO of the
///   authors' note, and that of older releases of TRL.
/// * Liger refuses `ipo`: it does not have the lengths there. TRL averages for `ipo` as the authors of the paper did.
/// * Liger's sums become means by `average_log_prob=True`, for any of its losses.
/// * The others (`exo_pair`, `nca_pair`, `bco_pair`, `sppo_hard`, `aot`, `apo_zero`, `discopop` and more) are not here, nor are
///   TRL's other divergences.
///
/// # Reference
///
/// Rafailov et al., *Direct Preference Optimization: Your Language Model is Secretly a Reward Model*, 2023,
/// [arXiv:2305.18290](https://arxiv.org/abs/2305.18290). Ipo: Azar et al., *A General Theoretical Paradigm to Understand
/// Learning from Human Preferences*, 2023, [arXiv:2310.12036](https://arxiv.org/abs/2310.12036). Hinge: Zhao et al., *SLiC-HF:
/// Sequence Likelihood Calibration with Human Feedback*, 2023, [arXiv:2305.10425](https://arxiv.org/abs/2305.10425). Robust:
/// Chowdhury et al., *Provably Robust DPO: Aligning Language Models with Noisy Feedback*, 2024,
/// [arXiv:2403.00409](https://arxiv.org/abs/2403.00409).
#[doc(alias = "DPO")]
#[doc(alias = "IPO")]
#[doc(alias = "cDPO")]
#[doc(alias = "DPOTrainer")]
#[doc(alias = "LigerFusedLinearDPOLoss")]
#[doc(alias = "RLHF")]
#[doc(alias = "preference")]
#[derive(Clone, Debug)]
pub struct DpoLoss {
    config: DpoLossConfig,
}

loss_module!(
    DpoLoss,
    DpoLossConfig,
    Formula<RegressionTarget> [policy_chosen, policy_rejected, reference_chosen, reference_rejected]
);

static SIGMOID: LossFormula<4> = LossFormula::new(|operands| preferred(scaled(operands)));

static SMOOTHED: LossFormula<4> = LossFormula::new(|operands| preferred_or_not(scaled(operands)));

static HINGE: LossFormula<4> = LossFormula::new(|operands| (1.0 - scaled(operands)).relu());

static IPO: LossFormula<4> = LossFormula::new(|operands| {
    let difference = 2.0 * half_difference(operands);
    (difference - Expr::parameter("1 / (2 beta)")).square()
});

/// Half of how much more than the reference the policy prefers the chosen answer: it cannot leave the range of the type.
fn half_difference(operands: [Expr; 4]) -> Expr {
    let [chosen, rejected, of_chosen, of_rejected] = operands.map(|log| 0.5 * log);
    chosen
        .difference(of_chosen)
        .difference(rejected.difference(of_rejected))
}

fn scaled(operands: [Expr; 4]) -> Expr {
    2.0 * (Expr::parameter("beta") * half_difference(operands))
}

/// `-ln` of the probability that the chosen answer is preferred.
pub(super) fn preferred(z: Expr) -> Expr {
    (-z).softplus()
}

/// The same of a mixture with the other answer. One softplus less a multiple of `z` would be NaN where `z` is infinite.
pub(super) fn preferred_or_not(z: Expr) -> Expr {
    Expr::parameter("right") * (-z).softplus() + Expr::parameter("wrong") * z.softplus()
}

impl DpoLoss {
    fn formula(&self) -> FormulaLoss<4> {
        let (beta, share) = (self.config.beta, self.config.label_smoothing);
        let (formula, best) = match self.config.variant {
            DpoVariant::Hinge => (&HINGE, 0.0),
            DpoVariant::Ipo => (&IPO, 0.5 / beta),
            _ if share == 0.0 => (&SIGMOID, 0.0),
            _ => (&SMOOTHED, 0.0),
        };
        let (right, wrong) = match self.config.variant {
            DpoVariant::Robust => {
                let rest = 1.0 - 2.0 * share;
                ((1.0 - share) / rest, -share / rest)
            }
            _ => (1.0 - share, share),
        };
        formula
            .of([
                "policy_chosen",
                "policy_rejected",
                "reference_chosen",
                "reference_rejected",
            ])
            .with("beta", beta)
            .with("1 / (2 beta)", best)
            .with("right", right)
            .with("wrong", wrong)
            .rule(0, LOG_PROB, NO_LOG_PROB)
            .rule(1, LOG_PROB, NO_LOG_PROB)
            .rule(2, REFERENCE, NO_LOG_PROB)
            .rule(3, REFERENCE, NO_LOG_PROB)
            .untracked(2, FROZEN)
            .untracked(3, FROZEN)
    }
}
