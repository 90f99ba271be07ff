//! Preference optimization together with training on the chosen answers.

use super::sequence::NO_LOG_PROB;
use super::simpo::summed;
use crate::loss::formula::{FormulaLoss, LossFormula};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::expression::Expr;
use crate::spec::reduction::Reduction;
use crate::validate::check::LOG_PROB;

loss_config! {
    /// Configuration of [`OrpoLoss`].
    pub struct OrpoLossConfig {
        /// How much the preference counts beside the chosen answer itself: finite, at least 0.
        pub lambda: f64 where NOT_NEGATIVE = 0.1,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The loss of pairs of answers by which a model learns the chosen ones, and at the same time to give them larger odds than the
/// others. There is no reference, and no training before.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/orpo.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// odds(c) = exp(c) / (1 - exp(c))
/// L       = ln odds(chosen) - ln odds(rejected)
/// loss    = -chosen + lambda ln(1 + exp(-L))
/// ```
///
/// </details>
///
/// # Character
///
/// The first term is that of language modelling on the chosen answer. Alone it would make the rejected ones more likely as
/// well, as they are similar; the second term pushes them down. One training in place of two, with one model in memory.
/// `lambda` is small, 0.1 to 0.5: the second term only steers. Odds are taken for the ratio as they are gentler than the
/// probabilities themselves while both are small. After a training of its own on good answers,
/// [`SimPoLoss`](crate::preference::SimPoLoss) and [`DpoLoss`](crate::preference::DpoLoss) are the usual choice.
///
/// In the odds a log-probability that is above 0 by rounding is 0. If both are 0 the odds are the same; if only the rejected one
/// is 0, the loss is infinite.
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
/// let each = OrpoLoss::new().forward_no_reduction(chosen.clone(), rejected.clone()); // lambda 0.1
/// let each: Vec<f32> = each.into_data().iter().collect();
/// assert!((each[0] - 0.517086).abs() < 1e-5 && (each[1] - 1.285452).abs() < 1e-5);
///
/// // Without the preference it is the negative log-likelihood of the chosen answer.
/// let value = OrpoLossConfig::new().with_lambda(0.0).init().forward(chosen, rejected);
/// assert!((value.into_scalar::<f32>() - 0.85).abs() < 1e-5);
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
/// * In `init`: a `lambda` that is negative or not finite.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid log-probability makes loss and gradients NaN.
///
/// # Other libraries
///
/// TRL's `ORPOTrainer` (1.16) and Liger's `LigerFusedLinearORPOLoss` (0.8.5) call `lambda` `beta`, 0.1 as here. The preference
/// is the same; the language modelling is not:
///
/// * TRL takes it over prompt and answer, as one mean over all tokens of the chosen sequences. Here it is over the answer, and
///   each answer counts the same.
/// * Liger takes it over the tokens that its target has, or `nll_target` if given, as one mean too.
/// * TRL's method `odds_ratio_loss` gives `-lambda` times the softplus: its trainer subtracts the mean.
///
/// # Reference
///
/// Hong et al., *ORPO: Monolithic Preference Optimization without Reference Model*, 2024,
/// [arXiv:2403.07691](https://arxiv.org/abs/2403.07691).
#[doc(alias = "ORPO")]
#[doc(alias = "ORPOTrainer")]
#[doc(alias = "LigerFusedLinearORPOLoss")]
#[doc(alias = "odds ratio")]
#[doc(alias = "preference")]
#[derive(Clone, Debug)]
pub struct OrpoLoss {
    config: OrpoLossConfig,
}

loss_module!(OrpoLoss, OrpoLossConfig, Formula<RegressionTarget> [chosen, rejected]);

static ORPO: LossFormula<2> = LossFormula::new(|[chosen, rejected]| {
    let [certain, rival] = [chosen, rejected].map(|log| log.at_most(0.0));
    // Both infinite: there is nothing to compare.
    let ratio = log_odds(certain).difference(log_odds(rival));
    Expr::parameter("lambda") * (-ratio).softplus() - chosen
});

/// `c - ln(1 - e^c)`, where `1 - e^c` is `2 t / (1 + t)`: it keeps its digits where the probability is all but 1.
fn log_odds(c: Expr) -> Expr {
    let t = (-0.5 * c).tanh();
    c - ((2.0 * t).ln() - t.ln_1p())
}

impl OrpoLoss {
    fn formula(&self) -> FormulaLoss<2> {
        ORPO.of(["chosen", "rejected"])
            .with("lambda", self.config.lambda)
            .rule(0, LOG_PROB, NO_LOG_PROB)
            .rule(1, LOG_PROB, NO_LOG_PROB)
            .suspect("sums-as-means", summed)
    }
}
