//! Binary cross-entropy in which labels that are right already count less.

use crate::engine::any_rank::in_context_of;
use crate::engine::dtype::compute_dtype;
use crate::loss::call::{Call, LossOutput};
use crate::loss::formula::operands::numbers;
use crate::loss::formula::statistics::Statistics;
use crate::loss::formula::{FormulaLoss, LossFormula};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::losses::sided_logit::SidedLogit;
use crate::spec::expression::Expr;
use crate::spec::reduction::Reduction;
use crate::spec::rule::Rule;
use crate::targets::AnyOperand;
use crate::validate::check::Check;
use crate::validate::error::{Lint, LossError};
use alloc::string::String;
use alloc::vec::Vec;
use burn::tensor::FloatDType;
use serde::{Deserialize, Serialize};

/// What [`SigmoidFocalLoss`] divides the sum of its losses by in [`Mean`](Reduction::Mean).
///
/// In a file it may be in lower case too: `"elements"`, `"positives"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum FocalDivisor {
    /// The number of elements, as any other loss.
    #[default]
    #[serde(alias = "elements")]
    Elements,
    /// The sum of the targets, which is the number of labels that say "yes"; 1 where it is less. The many easy "no" of a
    /// detector do not thin out the loss then.
    #[serde(alias = "positives")]
    Positives,
}

loss_config! {
    /// Configuration of [`SigmoidFocalLoss`].
    pub struct SigmoidFocalLossConfig {
        /// How much less a label counts that is probable already: finite, at least 0. With 0 it is binary cross-entropy.
        pub gamma: f64 where NOT_NEGATIVE = 2.0,
        /// The factor of labels that say "yes", from 0 to 1; that of the others is what it lacks of 1. With none all
        /// factors are 1, and not 1/2.
        pub alpha: Option<f64> where FROM_0_TO_1 = None,
        /// What `Mean` divides by: the number of elements, or of those that say "yes".
        pub divisor: FocalDivisor = FocalDivisor::Elements,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The focal loss of logits and labels, by the sigmoid: binary cross-entropy in which a label counts the less the more
/// probable it is already.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/sigmoid_focal.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// p      = 1 / (1 + exp(-x))
/// miss   = (1 - p) y + p (1 - y)                           1 - p where y = 1, p where y = 0
/// loss   = a miss^gamma (-y ln p - (1 - y) ln(1 - p))
/// a      = alpha y + (1 - alpha) (1 - y)                   1 without `alpha`
/// Mean   = sum of the losses / number of elements          `divisor` Elements
///          sum of the losses / max(sum of y, 1)            `divisor` Positives
/// ```
///
/// </details>
///
/// # Character
///
/// For yes or no where "no" is everywhere and nearly always easy: the anchors of a detector, the pixels of a mask, many
/// labels of which few hold. With `gamma` 2 a label of probability 0.9 counts a hundredth of what it does in
/// [`BceWithLogitsLoss`](crate::classification::BceWithLogitsLoss), one of 0.1 four fifths. One class out of several, by a
/// softmax, is [`FocalLoss`](crate::classification::FocalLoss). Labels that say how good a detection is are for
/// [`QualityFocalLoss`](crate::classification::QualityFocalLoss): this loss is not least where the probability is such a
/// label.
///
/// **The last layer is linear, without a sigmoid.** Its bias is best started where the probability is small, as at
/// `-ln(99)` for 0.01, or the loss of all the "no" is large at first. The paper takes `gamma` 2 and `alpha` 0.25, and
/// divides by the number of positives. A smaller `gamma` wants a larger `alpha`. The probabilities that it learns are less
/// sure than the data.
///
/// # Target
///
/// **A label for each logit, in the same shape**: floats from 0 to 1 (soft labels), `Int` 0 or 1, or `Bool`. The usual
/// mistakes: class ids, which [`target::one_hot`](crate::target::one_hot) converts (as floats, other libraries take them
/// and give a negative loss); masks of 0 and 255, of which `greater_scalar(0)` makes labels; and signs -1 and +1, which
/// [`target::labels`](crate::target::labels) converts. Each is an error. [`lint`](crate::Loss::lint) reports labels that
/// are all the same, and logits that look like the output of a sigmoid.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// // Two boxes, three classes: which of them is in the box?
/// let logits = Tensor::<2>::from_data([[-2., 1., -4.], [1.5, -5., 0.]], &device);
/// let targets = Tensor::<2, Int>::from_data([[0, 1, 0], [0, 0, 1]], &device);
///
/// let value = SigmoidFocalLoss::new().forward(logits.clone(), targets.clone()); // gamma 2
/// assert!((value.into_scalar::<f32>() - 0.222504).abs() < 1e-5);
///
/// // As in RetinaNet: there are two positives.
/// let config = SigmoidFocalLossConfig::new().with_alpha(Some(0.25));
/// let loss = config.with_divisor(FocalDivisor::Positives).init();
/// let value = loss.forward(logits, targets);
/// assert!((value.into_scalar::<f32>() - 0.451649).abs() < 1e-5);
///
/// // A label that is right keeps its tiny loss.
/// let logits = Tensor::<1>::from_data([20.], &device);
/// let value = SigmoidFocalLoss::new().forward(logits, Tensor::<1>::ones([1], &device));
/// assert!((value.into_scalar::<f32>() / 8.756_511e-27 - 1.0).abs() < 1e-3);
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
/// * In `init`: a `gamma` that is negative or not finite, an `alpha` that is not from 0 to 1.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid label makes loss and gradient NaN.
///
/// # Other libraries
///
/// `torchvision.ops.sigmoid_focal_loss(x, y, alpha, gamma)`, whose `alpha` is 0.25 unless said otherwise and -1 for none,
/// and whose `reduction` is `"none"`. `optax.losses.sigmoid_focal_loss` has no `alpha` by default, as here, and does not
/// reduce. In each of these the factor is a part of the gradient, as here.
///
/// * torchvision's RetinaNet divides the sum of each image by its positives, at least 1, and averages over the images;
///   `Positives` divides once for the batch.
/// * mmdet's `FocalLoss` has `alpha` 0.25 and a `mean` over elements; with an `avg_factor` it divides by that, plus 1.2e-7.
/// * MONAI's `FocalLoss` has a sigmoid unless told otherwise. Its `mean` is the same for labels 0 and 1; its `"sum"`
///   averages over space first.
/// * kornia's `BinaryFocalLossWithLogits` is the same for labels 0 and 1. Between them kornia mixes the two losses, and
///   MONAI's factor is another one.
/// * Keras' `BinaryFocalCrossentropy(from_logits=True)` applies its `alpha` of 0.25 only with `apply_class_balancing`, and
///   clips probabilities 1e-7 from 0 and 1.
/// * ultralytics' `FocalLoss` has `gamma` 1.5 and `alpha` 0.25, averages over axis 1 and sums the rest.
///
/// In `f32` torchvision's loss is exactly 0 for a logit of 20 and a true label, and its gradient is NaN at 30 with a
/// `gamma` of 1/2. Here both are exact.
///
/// # Reference
///
/// Lin et al., *Focal Loss for Dense Object Detection*, 2017, [arXiv:1708.02002](https://arxiv.org/abs/1708.02002).
#[doc(alias = "BinaryFocalLoss")]
#[doc(alias = "BinaryFocalCrossentropy")]
#[doc(alias = "RetinaNet")]
#[doc(alias = "class imbalance")]
#[derive(Clone, Debug)]
pub struct SigmoidFocalLoss {
    config: SigmoidFocalLossConfig,
}

loss_module!(SigmoidFocalLoss, SigmoidFocalLossConfig, Formula<BinaryTarget> with losses [logits, targets]);

/// With which `gamma` the first formulas are products; the last one is for any other.
const WHOLE: [f64; 3] = [0.0, 1.0, 2.0];

/// A formula by the weight of a label, which is given with its slope, and the power of what is missed.
macro_rules! focal {
    ($weight:ident, $power:ident) => {
        LossFormula::with_slopes(
            |of| value(of, $weight, $power),
            |of| slopes(of, $weight, $power),
        )
    };
}

static FOCAL: [LossFormula<2>; 4] = [
    focal!(unweighted, constant),
    focal!(unweighted, linear),
    focal!(unweighted, square),
    focal!(unweighted, any_power),
];

static BALANCED: [LossFormula<2>; 4] = [
    focal!(balance, constant),
    focal!(balance, linear),
    focal!(balance, square),
    focal!(balance, any_power),
];

type Weight = fn(Expr) -> [Expr; 2];

/// A power of a number, and its slope times a loss. That is 0 with the number, and smaller than it where the slope is large.
pub(super) type PowerWithSlope = fn(Expr, Expr) -> [Expr; 2];

fn value([x, y]: [Expr; 2], weight: Weight, power: PowerWithSlope) -> Expr {
    let logit = SidedLogit::new(x, y);
    let (loss, [weight, _]) = (logit.cross_entropy(), weight(y));
    let [power, _] = power(logit.miss(), loss);
    weight * power * loss
}

fn slopes([x, y]: [Expr; 2], weight: Weight, power: PowerWithSlope) -> [Expr; 2] {
    let logit = SidedLogit::new(x, y);
    let (loss, [weight, of_weight]) = (logit.cross_entropy(), weight(y));
    let [power, of_power] = power(logit.miss(), loss);
    let (factor, of_miss) = (weight * power, weight * of_power);
    let of_label = of_miss * logit.back(logit.likely - logit.unlikely);
    [
        logit.back(of_miss * logit.of_miss() + factor * logit.excess()),
        of_weight * power * loss - of_label - factor * x,
    ]
}

fn unweighted(_: Expr) -> [Expr; 2] {
    [1.0, 0.0].map(Expr::constant)
}

fn balance(y: Expr) -> [Expr; 2] {
    let [alpha, of_no] = ["alpha", "of_no"].map(Expr::parameter);
    [alpha * y + of_no * (1.0 - y), alpha - of_no]
}

fn constant(_: Expr, _: Expr) -> [Expr; 2] {
    [1.0, 0.0].map(Expr::constant)
}

fn linear(miss: Expr, loss: Expr) -> [Expr; 2] {
    [miss, loss]
}

pub(super) fn square(miss: Expr, loss: Expr) -> [Expr; 2] {
    [miss.square(), 2.0 * miss * loss]
}

/// The size of a number to any power; the loss meets the number first, since the slope alone may be beyond the type.
pub(super) fn any_power(base: Expr, loss: Expr) -> [Expr; 2] {
    let exponent = Expr::parameter("exponent");
    let power = base.abs().powf(exponent);
    let slope = exponent * power * (loss / base);
    [power, base.equals(0.0).select(0.0, slope)]
}

impl SigmoidFocalLoss {
    fn losses(&self, operands: [AnyOperand; 2], call: Call) -> Result<LossOutput, LossError> {
        let undivided = match self.config.divisor {
            FocalDivisor::Elements => None,
            FocalDivisor::Positives => call.undivided(),
        };
        let Some(undivided) = undivided else {
            return self.formula().evaluate(Self::NAME, operands, call);
        };
        let AnyOperand::Numbers(logits) = &operands[0] else {
            unreachable!("logits are floats")
        };
        let (shape, dtype, labels) = (logits.shape(), logits.dtype(), operands[1].clone());
        let sum = self.formula().evaluate(Self::NAME, operands, undivided)?;
        let device = sum.value.device();
        let computed: FloatDType = compute_dtype(dtype);
        let labels = numbers(labels, Rule::PROBABILITY, dtype);
        let labels = labels.inner().cast(computed).flat();
        let check = Check::new(Self::NAME, &device, false);
        let positives = call.weighted_sum(&check, labels, &shape)?.clamp_min(1.0);
        Ok(call.divided(sum, in_context_of(positives, &device), dtype))
    }

    fn lints(&self, operands: [AnyOperand; 2]) -> Vec<Lint> {
        self.formula().lints(Self::NAME, operands)
    }

    fn formula(&self) -> FormulaLoss<2> {
        let (gamma, alpha) = (self.config.gamma, self.config.alpha);
        let whole = WHOLE.iter().position(|&whole| whole == gamma);
        let formulas = if alpha.is_some() { &BALANCED } else { &FOCAL };
        formulas[whole.unwrap_or(WHOLE.len())]
            .of(["logits", "targets"])
            .with("exponent", gamma)
            .with("alpha", alpha.unwrap_or(1.0))
            .with("of_no", 1.0 - alpha.unwrap_or(1.0))
            .rule(1, Rule::PROBABILITY, "")
            .suspect("probabilities-as-logits", sigmoid_applied)
    }
}

/// A suspicion about logits that look like the output of a sigmoid.
pub(super) fn sigmoid_applied(operands: &[Statistics]) -> Option<String> {
    operands[0].look_like_probabilities().then(|| {
        "every logit is between 0 and 1, as after a sigmoid: this loss applies the sigmoid itself, so remove it from the \
         model."
            .into()
    })
}
