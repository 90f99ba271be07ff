//! Preference optimization from answers that are good or bad each by itself.

use super::sequence::{FROZEN, NO_LOG_PROB, REFERENCE};
use crate::loss::formula::{FormulaLoss, LossFormula};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::expression::Expr;
use crate::spec::reduction::Reduction;
use crate::spec::rule::Rule;
use crate::validate::check::LOG_PROB;

loss_config! {
    /// Configuration of [`KtoLoss`].
    pub struct KtoLossConfig {
        /// How soon a difference from the reference is enough: finite, above 0. The larger, the closer the policy stays.
        pub beta: f64 where POSITIVE = 0.1,
        /// The factor of good answers: finite, at least 0.
        pub desirable_weight: f64 where NOT_NEGATIVE = 1.0,
        /// The factor of bad answers: finite, at least 0.
        pub undesirable_weight: f64 where NOT_NEGATIVE = 1.0,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The loss of single answers, each good or bad, by which a policy learns to prefer the good ones more than a frozen reference
/// does, and the bad ones less.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/kto.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// t    = beta ((policy - reference) - kl)
/// loss = desirable_weight sigmoid(-t)                      where the answer is good
///        undesirable_weight sigmoid(t)                     where it is bad
/// ```
///
/// </details>
///
/// # Character
///
/// For judgements that are not in pairs: thumbs up and thumbs down. The gain of an answer is counted from `kl`, how far the
/// policy has moved from the reference on the whole, so that it is not enough to make all answers more likely. An answer whose
/// gain or loss is large already has no gradient left, and neither has one that is far on the wrong side: labels that make no
/// sense do little harm, and answers that the model cannot give are given up. A loss is from 0 to its weight, 1/2 at the
/// start.
///
/// With more answers of one kind, the weights make up for it: `desirable_weight` times the number of good ones should be 1 to
/// 4/3 times `undesirable_weight` times the number of bad ones, the paper says. For pairs there is
/// [`DpoLoss`](crate::preference::DpoLoss).
///
/// # Target
///
/// **Whether each answer is good**, in the shape of the log-probabilities: `Bool`, `Int` or float 0 or 1. The usual mistakes:
/// signs -1 and +1, which [`target::labels`](crate::target::labels) converts, and scores of another range: each is an error.
/// [`lint`](Self::lint) reports labels that are all the same.
///
/// `policy` and `reference` are the log-probabilities of the answers, without the prompts, summed over the tokens, by
/// [`sequence_log_probs`](crate::preference::sequence_log_probs). **`kl` is one number for the batch, in the shape of the
/// others** (`kl.expand([n])`): the mean of `policy - reference` over answers that belong to *other* prompts, such as those of
/// the batch moved on by one, but not below 0. It is a constant: the reference and `kl` are not tracked.
///
/// # Example
///
/// ```
/// use burn::tensor::{Bool, Device, Tensor};
/// use burn_losses::preference::*;
///
/// let device = Device::flex();
/// let policy = Tensor::<1>::from_data([-10., -12.], &device);
/// let reference = Tensor::<1>::from_data([-12., -11.], &device);
/// let desirable = Tensor::<1, Bool>::from_data([true, false], &device);
///
/// // Answers to other prompts, under both models.
/// let others = Tensor::<1>::from_data([-19., -21.], &device);
/// let of_others = Tensor::<1>::from_data([-20., -21.], &device);
/// let kl = (others - of_others).mean().clamp_min(0.0).inner().expand([2]); // 0.5
///
/// let loss = KtoLoss::new(); // beta 0.1
/// let value = loss.forward(policy.clone(), reference.clone(), kl.clone(), desirable.clone());
/// assert!((value.into_scalar::<f32>() - 0.462570).abs() < 1e-5);
///
/// let loss = KtoLossConfig::new().with_desirable_weight(2.0).init();
/// let value = loss.forward(policy, reference, kl, desirable);
/// assert!((value.into_scalar::<f32>() - 0.693855).abs() < 1e-5);
/// ```
///
/// # Shapes
///
/// * policy, reference, kl and desirable: the same shape, of any rank, as a rule `[N]`
/// * unreduced: that shape
///
/// # Errors
///
/// * Shapes or devices that differ: nothing is broadcast, `kl` neither.
/// * A log-probability above 0 (by more than 0.01). One of the reference that is NaN.
/// * A `kl` that is negative, NaN or infinite.
/// * A label that is not 0 or 1; it says whether the target looks like signs.
/// * A reference, a `kl` or labels that are tracked by autodiff.
/// * A float type that the device cannot compute with.
/// * In `init`: a `beta` that is not above 0, or not finite; a weight that is negative or not finite.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid operand makes loss and gradient NaN.
///
/// # Other libraries
///
/// TRL's `KTOTrainer` (1.16) with `loss_type="kto"`, with the same defaults; it averages over the answers of either kind
/// together. It takes `kl` of the answers moved on by one place in the batch, as the mean over all processes, at least 0.
/// Liger's `LigerFusedLinearKTOLoss` (0.8.5) has no weights and takes `kl` as it is given. TRL's `apo_zero_unpaired` is this
/// loss with a `kl` of 0.
///
/// # Reference
///
/// Ethayarajh et al., *KTO: Model Alignment as Prospect Theoretic Optimization*, 2024,
/// [arXiv:2402.01306](https://arxiv.org/abs/2402.01306).
#[doc(alias = "KTO")]
#[doc(alias = "KTOTrainer")]
#[doc(alias = "LigerFusedLinearKTOLoss")]
#[doc(alias = "unpaired")]
#[doc(alias = "preference")]
#[derive(Clone, Debug)]
pub struct KtoLoss {
    config: KtoLossConfig,
}

loss_module!(KtoLoss, KtoLossConfig, Formula<BinaryTarget> [policy, reference, kl, desirable]);

static KTO: LossFormula<4> = LossFormula::new(|[policy, reference, kl, desirable]| {
    let gain = Expr::parameter("beta") * (policy.difference(reference) - kl);
    let good = desirable.above(0.5);
    let weight = good.select(
        Expr::parameter("desirable_weight"),
        Expr::parameter("undesirable_weight"),
    );
    weight * good.select(-gain, gain).sigmoid()
});

const KL: &str = "Take it as `kl.clamp_min(0.0).inner()`: a constant, which is not below 0 as an estimate may be.";

impl KtoLoss {
    fn formula(&self) -> FormulaLoss<4> {
        let config = &self.config;
        KTO.of(["policy", "reference", "kl", "desirable"])
            .with("beta", config.beta)
            .with("desirable_weight", config.desirable_weight)
            .with("undesirable_weight", config.undesirable_weight)
            .rule(0, LOG_PROB, NO_LOG_PROB)
            .rule(1, REFERENCE, NO_LOG_PROB)
            .rule(2, Rule::NONNEGATIVE, KL)
            .rule(3, Rule::LABELS, "")
            .untracked(1, FROZEN)
            .untracked(2, KL)
            .untracked(3, "Labels have no gradient: pass `desirable.inner()`.")
    }
}
