//! Preference optimization by the mean log-probability of a token, without a reference.

use super::dpo::{preferred, preferred_or_not};
use super::sequence::NO_LOG_PROB;
use crate::loss::formula::statistics::Statistics;
use crate::loss::formula::{FormulaLoss, LossFormula};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::expression::Expr;
use crate::spec::reduction::Reduction;
use crate::validate::check::LOG_PROB;
use alloc::format;
use alloc::string::String;

loss_config! {
    /// Configuration of [`SimPoLoss`].
    pub struct SimPoLossConfig {
        /// How much a difference of the log-probabilities counts: finite, above 0.
        pub beta: f64 where POSITIVE = 2.0,
        /// By how much the chosen answer should be ahead, once `beta` has been multiplied in: finite, at least 0.
        pub gamma: f64 where NOT_NEGATIVE = 1.0,
        /// The share of pairs that are taken for exchanged: at least 0, below 0.5.
        pub label_smoothing: f64 where BELOW_HALF = 0.0,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The loss of pairs of answers by which a policy learns to give the tokens of the chosen one a larger mean log-probability
/// than those of the other, by a margin. There is no reference.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/simpo.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// z    = beta (chosen - rejected) - gamma
/// loss = (1 - e) ln(1 + exp(-z)) + e ln(1 + exp(z))        e: `label_smoothing`
/// ```
///
/// </details>
///
/// # Character
///
/// [`DpoLoss`](crate::preference::DpoLoss) without a reference: half the memory, and what is learnt is the number by which
/// answers are generated, the mean over the tokens. A long answer is no worse for its length. What keeps the policy from
/// drifting away is only the small learning rate, few epochs, and that it was trained on good answers before;
/// [`OrpoLoss`](crate::preference::OrpoLoss) trains on these at the same time.
///
/// A mean is some hundred times smaller than a sum, so `beta` is larger than with a reference: 2 to 2.5 in the paper, with
/// `gamma` from 0.3 to 1.6. `gamma / beta` is the lead in log-probability per token that is wanted, by default 1/2.
///
/// # Target
///
/// **The mean log-probability of the tokens of each answer**, `[N]`, without the prompt:
/// [`sequence_log_probs`](crate::preference::sequence_log_probs) with `Token`. Both are tracked, and both get a gradient. The
/// usual mistakes: sums in place of means, which [`lint`](crate::Loss::lint) reports where they are far too small for means;
/// logits or probabilities, which are an error where they are above 0; and the two answers exchanged, which cannot be seen.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_losses::preference::*;
///
/// let device = Device::flex();
/// let chosen = Tensor::<1>::from_data([-0.5, -1.2], &device);
/// let rejected = Tensor::<1>::from_data([-1.5, -1.0], &device);
///
/// let loss = SimPoLoss::new(); // beta 2, gamma 1
/// let value = loss.forward(chosen.clone(), rejected.clone());
/// assert!((value.into_scalar::<f32>() - 0.966840).abs() < 1e-5);
///
/// // As far ahead as it should be: ln 2 for a lead of 1/2.
/// let each = loss.forward_no_reduction(chosen.clone(), chosen - 0.5);
/// let each: Vec<f32> = each.into_data().iter().collect();
/// assert!((each[0] - 2f32.ln()).abs() < 1e-5);
/// ```
///
/// # Shapes
///
/// * chosen and rejected: the same shape, of any rank, as a rule `[N]`
/// * unreduced: that shape
///
/// # Errors
///
/// * Shapes or devices that differ: nothing is broadcast.
/// * A log-probability above 0 (by more than 0.01).
/// * A float type that the device cannot compute with.
/// * In `init`: a `beta` that is not above 0, or not finite; a `gamma` that is negative or not finite; a `label_smoothing` that
///   is not from 0 to below 0.5.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid log-probability makes loss and gradients NaN.
///
/// # Other libraries
///
/// * TRL's `CPOTrainer` (1.16) with `loss_type="simpo"`, whose `beta` is 0.1 and `simpo_gamma` 0.5 unless said otherwise: a
///   ratio of 5 and not of 1/2. To be SimPO alone it needs `cpo_alpha=0`; with 1, the default, it adds the negative
///   log-likelihood of the chosen answer.
/// * Liger's `LigerFusedLinearSimPOLoss` (0.8.5) has the same defaults as TRL, and adds that log-likelihood if told to by
///   `compute_nll_loss`, which it is by default.
/// * The authors' `SimPOTrainer` has `beta` 2 and `gamma_beta_ratio` 0.25, which is a `gamma` of 0.5.
///
/// # Reference
///
/// Meng et al., *SimPO: Simple Preference Optimization with a Reference-Free Reward*, 2024,
/// [arXiv:2405.14734](https://arxiv.org/abs/2405.14734).
#[doc(alias = "SimPO")]
#[doc(alias = "CPOTrainer")]
#[doc(alias = "LigerFusedLinearSimPOLoss")]
#[doc(alias = "RLHF")]
#[doc(alias = "preference")]
#[derive(Clone, Debug)]
pub struct SimPoLoss {
    config: SimPoLossConfig,
}

loss_module!(SimPoLoss, SimPoLossConfig, Formula<RegressionTarget> [chosen, rejected]);

static PLAIN: LossFormula<2> = LossFormula::new(|operands| preferred(ahead(operands)));

static SMOOTHED: LossFormula<2> = LossFormula::new(|operands| preferred_or_not(ahead(operands)));

/// How far ahead of its margin the chosen answer is.
fn ahead([chosen, rejected]: [Expr; 2]) -> Expr {
    Expr::parameter("beta") * chosen.difference(rejected) - Expr::parameter("gamma")
}

impl SimPoLoss {
    fn formula(&self) -> FormulaLoss<2> {
        let share = self.config.label_smoothing;
        let formula = if share == 0.0 { &PLAIN } else { &SMOOTHED };
        formula
            .of(["chosen", "rejected"])
            .with("beta", self.config.beta)
            .with("gamma", self.config.gamma)
            .with("right", 1.0 - share)
            .with("wrong", share)
            .rule(0, LOG_PROB, NO_LOG_PROB)
            .rule(1, LOG_PROB, NO_LOG_PROB)
            .suspect("sums-as-means", summed)
    }
}

/// Below it a token is less probable, on average, than one drawn from all tokens that there are.
const UNLIKELY: f64 = -20.0;

/// A suspicion about log-probabilities that are too small for means over tokens.
pub(super) fn summed(operands: &[Statistics]) -> Option<String> {
    let (chosen, rejected) = (operands[0].mean(), operands[1].mean());
    (chosen < UNLIKELY && rejected < UNLIKELY).then(|| {
        format!(
            "the log-probabilities are {chosen:.1} and {rejected:.1} on average, as if they were sums over the tokens: this \
             loss takes means, which `LengthNormalization::Token` gives."
        )
    })
}
