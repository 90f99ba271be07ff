//! Policy gradient with a clipped ratio.

use crate::engine::any_rank::in_context_of;
use crate::engine::dtype::compute_dtype;
use crate::loss::call::{Call, LossOutput};
use crate::loss::formula::statistics::Statistics;
use crate::loss::formula::{FormulaLoss, LossFormula};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::expression::Expr;
use crate::spec::reduction::Reduction;
use crate::spec::rule::Rule;
use crate::targets::AnyOperand;
use crate::validate::check::Check;
use crate::validate::error::{Lint, LossError};
use crate::validate::options::POSITIVE;
use alloc::string::String;
use alloc::vec::Vec;
use burn::tensor::{DType, Tensor};
use serde::{Deserialize, Serialize};

/// What [`PolicyClipLoss`] divides the sum of its losses by in [`Mean`](Reduction::Mean).
///
/// In a file it may be in lower case too: `"tokens"`, `"sequences"`, `{"constant": 512}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum PolicyDivisor {
    /// The number of tokens that count, as any other loss: each token counts the same, so a long answer counts more.
    #[default]
    #[serde(alias = "tokens")]
    Tokens,
    /// First the tokens of each answer, then the answers that have one: each answer counts the same, so a token of a long one
    /// counts less.
    #[serde(alias = "sequences")]
    Sequences,
    /// This number times the number of answers, however many tokens they have: as a rule the most tokens that there can be.
    /// Finite, above 0.
    #[serde(alias = "constant")]
    Constant(f64),
}

loss_config! {
    /// Configuration of [`PolicyClipLoss`].
    pub struct PolicyClipLossConfig {
        /// How much less probable than it was an action may become: at least 0.000001, at most 1, where nothing is clipped below.
        pub clip_low: f64 where CLIP_LOW = 0.2,
        /// How much more probable than it was an action may become: finite, at least 0.000001.
        pub clip_high: f64 where CLIP_HIGH = 0.2,
        /// What `Mean` divides by: the tokens, those of each answer and then the answers, or a number.
        pub divisor: PolicyDivisor = PolicyDivisor::Tokens,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
    and self.has_divisor()
}

impl PolicyClipLossConfig {
    fn has_divisor(&self) -> Result<(), LossError> {
        match self.divisor {
            PolicyDivisor::Constant(length) => {
                POSITIVE.check(PolicyClipLoss::NAME, "the constant divisor", &length)
            }
            _ => Ok(()),
        }
    }
}

/// The loss of actions, such as tokens, by which a policy makes those more probable that went better than expected, and the
/// others less, but neither by more than a part of what it was.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/policy_clip.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// r    = exp(log_probs - old_log_probs)
/// loss = -min(r A, clamp(r, 1 - clip_low, 1 + clip_high) A)
/// Mean = sum of w loss / sum of w                                    `divisor` Tokens; w: the mask or weights, else 1
///        mean over n of (sum over t of w loss / sum over t of w)     `divisor` Sequences
///        sum of w loss / (c N)                                       `divisor` Constant(c)
/// A: `advantages`; N: how many answers, the length of axis 0
/// ```
///
/// </details>
///
/// # Character
///
/// The surrogate of PPO, and of GRPO and what came of it, which differ in the divisor alone. At the first step `r` is 1, the
/// loss is minus the mean advantage and says nothing; the gradient is that of the policy gradient. It is 0 once an action with
/// a positive advantage has become more probable by `clip_high`, or one with a negative advantage less probable by `clip_low`.
/// An action that moved the wrong way is never clipped. A larger `clip_high`, 0.28 in DAPO, lets rare tokens grow.
///
/// **The divisor** is for `Mean` alone, and matters with a mask. `Tokens` is the choice where long answers should count for
/// what they are. `Sequences` makes an answer's tokens count less the longer it is, so that a wrong answer is punished less for
/// being long; a weight for each answer, `[N]` beside losses `[N, T]`, makes a weighted mean of the
/// answers' means. With `Constant` the weight of a
/// token depends on nothing in the batch.
///
/// Losses of the value function and the entropy, and a penalty for the distance from a reference, are added by who calls.
///
/// # Target
///
/// **The advantage of each action**, in the shape of the log-probabilities, finite and as a rule normalised: an answer's is
/// the same for all its tokens (`advantages.unsqueeze_dim::<2>(1).expand([n, t])`). **The old log-probabilities** are those
/// under the policy that acted. Both are constants and not tracked. The usual mistakes: old log-probabilities that are computed
/// anew by the policy of now and tracked, which is an error; probabilities in place of their logarithms, which
/// [`lint`](crate::TripleLoss::lint) reports; the log-probabilities of the policy not tracked, which no loss can see; and
/// rewards in place of advantages, which cannot be seen either.
///
/// The tokens of the prompt and those after the end are left out by a mask, as the weights of `forward_weighted`. What it
/// leaves out must be finite all the same.
///
/// # Example
///
/// ```
/// use burn::tensor::{Bool, Device, Tensor};
/// use burn_losses::preference::*;
///
/// let device = Device::flex();
/// // Two answers, of two tokens and of one.
/// let log_probs = Tensor::<2>::from_data([[0.5, 0.3], [0.2, 0.4]], &device).log();
/// let old = Tensor::<2>::from_data([[0.25, 0.3], [0.4, 0.4]], &device).log();
/// let advantages = Tensor::<2>::from_data([[1., 1.], [-2., -2.]], &device);
/// let mask = Tensor::<2, Bool>::from_data([[true, true], [true, false]], &device);
///
/// // The first token has become twice as probable: only 1.2 of it counts. The third is half as probable.
/// let loss = PolicyClipLoss::new();
/// let each = loss.forward_no_reduction(log_probs.clone(), old.clone(), advantages.clone());
/// let each: Vec<f32> = each.into_data().iter().collect();
/// assert!((each[0] + 1.2).abs() < 1e-5 && (each[2] - 1.6).abs() < 1e-5);
///
/// for (divisor, expected) in [
///     (PolicyDivisor::Tokens, -0.6 / 3.0),
///     (PolicyDivisor::Sequences, (-1.1 + 1.6) / 2.0),
///     (PolicyDivisor::Constant(4.0), -0.6 / 8.0),
/// ] {
///     let loss = PolicyClipLossConfig::new().with_divisor(divisor).init();
///     let value = loss.forward_weighted(log_probs.clone(), old.clone(), advantages.clone(), mask.clone());
///     assert!((value.into_scalar::<f32>() - expected).abs() < 1e-5);
/// }
/// ```
///
/// # Shapes
///
/// * log_probs, old_log_probs and advantages: the same shape, of any rank: `[N]`, or `[N, T]` for answers of tokens
/// * unreduced: that shape
///
/// # Errors
///
/// * Shapes or devices that differ: nothing is broadcast.
/// * An old log-probability or an advantage that is NaN or infinite. Log-probabilities of continuous actions may be above 0.
/// * Old log-probabilities or advantages that are tracked by autodiff.
/// * A float type that the device cannot compute with.
/// * In `init`: a `clip_low` or `clip_high` below 0.000001, a `clip_low` above 1, a constant divisor that is not above 0, or what is not
///   finite.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid operand makes loss and gradient NaN.
///
/// # Other libraries
///
/// The `loss_type` of TRL's `GRPOTrainer` (1.16), whose default is `dapo`, and of Liger's `LigerFusedLinearGRPOLoss` (0.8.5).
/// `epsilon` is `clip_low`, `epsilon_high` is `clip_high`, and the mask is given as weights:
///
/// | `loss_type` | here |
/// |---|---|
/// | `grpo` | `Sequences`; there an answer without tokens counts as 0, here it does not count |
/// | `bnpo` | `Tokens` |
/// | `dapo` | `Tokens`, with the tokens of all processes and accumulated batches: `forward_weighted_parts` gives sum and divisor |
/// | `dr_grpo` | `Constant(max_completion_length)` |
/// | `luspo` with sequence-level ratios | `Constant(1)` for the losses of whole answers, weighted by their lengths |
/// | `cispo`, `sapo`, `vespo` | other losses, not here |
///
/// GSPO, which is `importance_sampling_level="sequence"`, is this loss of `[N]` mean log-probabilities
/// ([`LengthNormalization::Token`](crate::preference::LengthNormalization::Token)). TRL's `delta`, a bound for actions that
/// moved the wrong way, is not here. Where `r` is at a bound PyTorch's gradient goes through; here it is 0.
///
/// # Reference
///
/// Schulman et al., *Proximal Policy Optimization Algorithms*, 2017, [arXiv:1707.06347](https://arxiv.org/abs/1707.06347).
/// `Sequences`: Shao et al., *DeepSeekMath* (GRPO), 2024, [arXiv:2402.03300](https://arxiv.org/abs/2402.03300). `Tokens` and
/// `clip_high`: Yu et al., *DAPO*, 2025, [arXiv:2503.14476](https://arxiv.org/abs/2503.14476). `Constant`: Liu et al.,
/// *Understanding R1-Zero-Like Training* (Dr. GRPO), 2025, [arXiv:2503.20783](https://arxiv.org/abs/2503.20783).
#[doc(alias = "PPO")]
#[doc(alias = "GRPO")]
#[doc(alias = "DAPO")]
#[doc(alias = "GSPO")]
#[doc(alias = "GRPOTrainer")]
#[doc(alias = "policy gradient")]
#[doc(alias = "reinforcement learning")]
#[derive(Clone, Debug)]
pub struct PolicyClipLoss {
    config: PolicyClipLossConfig,
}

loss_module!(
    PolicyClipLoss,
    PolicyClipLossConfig,
    Formula<RegressionTarget> with losses [log_probs, old_log_probs, advantages]
);

/// The lesser of the two products is always that of a ratio with one bound: which one, the sign of the advantage says. Products
/// that are compared would be the same between the bounds, and have no slope there.
static CLIPPED: LossFormula<3> = LossFormula::with_slopes(
    |of| {
        let [bounded, _] = bounded_and_bound(of);
        -(of[2] * bounded)
    },
    // An exponential is its own slope, up to the bound.
    |of| {
        let [bounded, bound] = bounded_and_bound(of);
        let slope = bounded.equals(bound).select(0.0, -(of[2] * bounded));
        [slope, -slope, -bounded]
    },
);

/// The ratio as far as it counts, and where that ends.
fn bounded_and_bound([log_probs, old, advantages]: [Expr; 3]) -> [Expr; 2] {
    let ratio = (log_probs - old).exp();
    let (least, most) = (Expr::parameter("least"), Expr::parameter("most"));
    let falls = advantages.below(0.0);
    [
        falls.select(ratio.at_least(least), ratio.at_most(most)),
        falls.select(least, most),
    ]
}

const CONSTANT: &str = "It is a constant, and its gradient would train what made it: compute it without autodiff, or pass its \
                        `.inner()`.";

impl PolicyClipLoss {
    fn losses(&self, operands: [AnyOperand; 3], call: Call) -> Result<LossOutput, LossError> {
        let AnyOperand::Numbers(log_probs) = &operands[0] else {
            unreachable!("log-probabilities are floats")
        };
        let (shape, dtype, device) = (log_probs.shape(), log_probs.dtype(), log_probs.device());
        match (self.config.divisor, call.undivided()) {
            (PolicyDivisor::Sequences, Some(_)) => {
                let check = Check::new(Self::NAME, &device, call.waiting);
                check.dtype(&device, dtype)?;
                let by_sample = call.by_sample(&check, &shape, &device, dtype)?;
                self.formula().evaluate(Self::NAME, operands, by_sample)
            }
            (PolicyDivisor::Constant(length), Some(undivided)) => {
                let sum = self.formula().evaluate(Self::NAME, operands, undivided)?;
                let device = sum.value.device();
                let number = length * shape[0].max(1) as f64;
                let plain = device.clone().without_autodiff();
                let of = (&plain, DType::from(compute_dtype(dtype)));
                let divisor = in_context_of(Tensor::full([1], number, of), &device);
                Ok(call.divided(sum, divisor, dtype))
            }
            _ => self.formula().evaluate(Self::NAME, operands, call),
        }
    }

    fn lints(&self, operands: [AnyOperand; 3]) -> Vec<Lint> {
        self.formula().lints(Self::NAME, operands)
    }

    fn formula(&self) -> FormulaLoss<3> {
        CLIPPED
            .of(["log_probs", "old_log_probs", "advantages"])
            .with("least", 1.0 - self.config.clip_low)
            .with("most", 1.0 + self.config.clip_high)
            .rule(
                1,
                Rule::FINITE,
                "Where a mask leaves the element out, set it to 0.",
            )
            .untracked(1, CONSTANT)
            .untracked(2, CONSTANT)
            .suspect("probabilities-as-log-probs", probabilities)
    }
}

/// A suspicion about log-probabilities that look like probabilities.
fn probabilities(operands: &[Statistics]) -> Option<String> {
    let mut log_probs = operands[..2].iter();
    let both = log_probs.all(Statistics::look_like_probabilities);
    both.then(|| {
        "every log-probability, of the policy and of the old one, is between 0 and 1, as probabilities are: take their \
         logarithms, or better those of a log-softmax."
            .into()
    })
}
