//! Binary cross-entropy with more, or less, of its first term.

use super::sigmoid_focal::sigmoid_applied;
use crate::loss::formula::{FormulaLoss, LossFormula};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::losses::sided_logit::SidedLogit;
use crate::spec::expression::Expr;
use crate::spec::reduction::Reduction;
use crate::spec::rule::Rule;

loss_config! {
    /// Configuration of [`SigmoidPoly1Loss`].
    pub struct SigmoidPoly1LossConfig {
        /// How much more the probability that is missing counts: finite, at least -1. With 0 it is binary cross-entropy.
        pub epsilon: f64 where AT_LEAST_MINUS_1 = 1.0,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The Poly-1 loss of logits and labels, by the sigmoid: binary cross-entropy, and a multiple of the probability that the
/// label lacks.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/sigmoid_poly1.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// p    = 1 / (1 + exp(-x))
/// loss = y (-ln p + epsilon (1 - p)) + (1 - y) (-ln(1 - p) + epsilon p)
/// ```
///
/// </details>
///
/// # Character
///
/// Cross-entropy is a sum of powers of the probability that the label lacks, of which the first is changed here. Above 0,
/// `epsilon` adds to the pull of labels that are not yet sure, by a quarter of it at a logit of 0, and to that of saturated
/// ones nothing; below 0 it takes away. Below -1 a label that is nearly sure would be pushed back, which is an error. It is
/// one option to tune beside [`BceWithLogitsLoss`](crate::classification::BceWithLogitsLoss): the paper took 2 to classify
/// images and -1 to detect objects. [`SigmoidFocalLoss`](crate::classification::SigmoidFocalLoss) is the stronger change.
/// One class out of several, by a softmax, is [`Poly1Loss`](crate::classification::Poly1Loss). **The last layer is linear,
/// without a sigmoid.**
///
/// # Target
///
/// **A label for each logit, in the same shape**: floats from 0 to 1, `Int` 0 or 1, or `Bool`. A label between is that share
/// of either loss. The usual mistakes: class ids, which [`target::one_hot`](crate::target::one_hot) converts; masks of 0 and
/// 255, of which `greater_scalar(0)` makes labels; and signs -1 and +1, which [`target::labels`](crate::target::labels)
/// converts. Each is an error. [`lint`](crate::Loss::lint) reports labels that are all the same, and logits that look like
/// the output of a sigmoid.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// // Two images, three tags.
/// let logits = Tensor::<2>::from_data([[-2., 1., -4.], [1.5, -5., 0.]], &device);
/// let targets = Tensor::<2, Int>::from_data([[0, 1, 0], [0, 0, 1]], &device);
///
/// let value = SigmoidPoly1Loss::new().forward(logits.clone(), targets.clone());
/// assert!((value.into_scalar::<f32>() - 0.765002).abs() < 1e-5);
///
/// // As in timm.
/// let loss = SigmoidPoly1LossConfig::new().with_epsilon(2.0).init();
/// let value = loss.forward(logits, targets);
/// assert!((value.into_scalar::<f32>() - 1.053402).abs() < 1e-5);
/// ```
///
/// # Shapes
///
/// * logits and targets: the same shape, of any rank
/// * unreduced: that shape
///
/// # Errors
///
/// * Shapes or devices that differ: nothing is broadcast.
/// * A label that is not from 0 to 1; it says whether the target looks like signs, a mask or class ids.
/// * A float type that the device cannot compute with.
/// * In `init`: an `epsilon` that is below -1 or not finite.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid label makes loss and gradient NaN.
///
/// # Other libraries
///
/// timm's `PolyBinaryCrossEntropy(epsilon)`, whose `epsilon` is 2 unless said otherwise; labels between 0 and 1 are the same
/// mixture. It has `gamma`, `alpha` and `smoothing` besides. Its `batchmean` is `BatchMean` here for `[N, C]`.
///
/// optax's `poly_loss_cross_entropy`, with 2, and rax' `poly1_softmax_loss`, with 1, are by a softmax and other losses, as is
/// timm's `PolyCrossEntropy`.
///
/// # Reference
///
/// Leng et al., *PolyLoss: A Polynomial Expansion Perspective of Classification Loss Functions*, 2022,
/// [arXiv:2204.12511](https://arxiv.org/abs/2204.12511).
#[doc(alias = "PolyLoss")]
#[doc(alias = "Poly-1")]
#[doc(alias = "PolyBinaryCrossEntropy")]
#[doc(alias = "multi-label")]
#[derive(Clone, Debug)]
pub struct SigmoidPoly1Loss {
    config: SigmoidPoly1LossConfig,
}

loss_module!(SigmoidPoly1Loss, SigmoidPoly1LossConfig, Formula<BinaryTarget> [logits, targets]);

static SIGMOID_POLY1: LossFormula<2> = LossFormula::with_slopes(
    |[x, y]| {
        let logit = SidedLogit::new(x, y);
        logit.cross_entropy() + Expr::parameter("epsilon") * logit.miss()
    },
    |[x, y]| {
        let (logit, epsilon) = (SidedLogit::new(x, y), Expr::parameter("epsilon"));
        let of_label = logit.size + epsilon * (logit.likely - logit.unlikely);
        [
            logit.back(logit.excess() + epsilon * logit.of_miss()),
            -logit.back(of_label),
        ]
    },
);

impl SigmoidPoly1Loss {
    fn formula(&self) -> FormulaLoss<2> {
        SIGMOID_POLY1
            .of(["logits", "targets"])
            .with("epsilon", self.config.epsilon)
            .rule(1, Rule::PROBABILITY, "")
            .suspect("probabilities-as-logits", sigmoid_applied)
    }
}
