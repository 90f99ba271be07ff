//! Binary cross-entropy that makes less of easy negatives only, and more of good positives.

use super::sigmoid_focal::sigmoid_applied;
use crate::loss::formula::{FormulaLoss, LossFormula};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::losses::sided_logit::SidedLogit;
use crate::spec::expression::Expr;
use crate::spec::reduction::Reduction;
use crate::spec::rule::Rule;

loss_config! {
    /// Configuration of [`VarifocalLoss`].
    pub struct VarifocalLossConfig {
        /// The factor of negatives: finite, at least 0. That of positives is their label.
        pub alpha: f64 where NOT_NEGATIVE = 0.75,
        /// How much less a negative counts whose probability is small already: finite, at least 0.
        pub gamma: f64 where NOT_NEGATIVE = 2.0,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The varifocal loss of logits and labels from 0 to 1: binary cross-entropy in which a positive counts by its label, and a
/// negative the less the smaller its probability is already.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/varifocal.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// p    = 1 / (1 + exp(-x))
/// loss = y (-y ln p - (1 - y) ln(1 - p))                    where y > 0
///        alpha p^gamma (-ln(1 - p))                         where y = 0; p^gamma is a part of the gradient
/// ```
///
/// </details>
///
/// # Character
///
/// For a detector whose score of a class says how well its box fits, too: the label is the overlap (IoU) of the box that is
/// predicted with the true one, and 0 for all other classes. Positives are few and keep their gradient; of them a good one
/// counts more than a poor one. [`QualityFocalLoss`](crate::classification::QualityFocalLoss) makes less of positives too,
/// once they are close to their label, and [`SigmoidFocalLoss`](crate::classification::SigmoidFocalLoss) is for labels of 0
/// and 1. Its least value for a positive is not 0 but the entropy of its label, times the label. **The last layer is linear,
/// without a sigmoid.**
///
/// The loss jumps at `y = 0`: a label that is all but 0 is a positive that hardly counts, 0 itself is a negative. So a
/// positive whose box does not overlap at all is a negative too.
///
/// # Target
///
/// **A label for each logit, from 0 to 1, in the same shape**: floats, the quality at the class of a positive and exactly 0
/// elsewhere; `Int` 0 or 1 and `Bool` are possible. Compute the quality from boxes without autodiff, by `.inner()`: a label
/// that is tracked gets a gradient. The usual mistakes: class ids, which [`target::one_hot`](crate::target::one_hot)
/// converts, times the quality; label smoothing, which makes a positive of each negative; masks of 0 and 255; and signs -1
/// and +1, which [`target::labels`](crate::target::labels) converts. Ids, masks and signs are errors, smoothed labels cannot
/// be seen. [`lint`](crate::Loss::lint) reports labels that are all the same, and logits that look like the output of a
/// sigmoid.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// // Two boxes, three classes. The first is of class 1 and overlaps by 0.8, the second of class 2 by 0.5.
/// let logits = Tensor::<2>::from_data([[-2., 1., -4.], [1.5, -5., 0.]], &device);
/// let targets = Tensor::<2>::from_data([[0., 0.8, 0.], [0., 0., 0.5]], &device);
///
/// let value = VarifocalLoss::new().forward(logits.clone(), targets.clone());
/// assert!((value.into_scalar::<f32>() - 0.268582).abs() < 1e-5);
///
/// // The sum over the classes, averaged over the boxes.
/// let loss = VarifocalLossConfig::new().with_reduction(Reduction::BatchMean).init();
/// let value = loss.forward(logits, targets);
/// assert!((value.into_scalar::<f32>() - 0.805747).abs() < 1e-5);
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
/// * In `init`: an `alpha` or a `gamma` that is negative or not finite.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid label makes loss and gradient NaN.
///
/// # Other libraries
///
/// mmdet's `VarifocalLoss(alpha=alpha, gamma=gamma)`, with the same defaults, `mean` included. Neither detaches the factor
/// of a negative: it is a part of the gradient. Given an `avg_factor`, mmdet divides the sum by it, plus 1.2e-7. Its
/// `iou_weighted=False`, by which all positives count 1, is not here. It writes the factor as `|p - y|^gamma`, which is the
/// same at `y = 0`; only the gradient of a tracked label has a term more there.
///
/// ultralytics' `VarifocalLoss` takes the quality and labels of 0 and 1 apart, with the same factors, and differentiates
/// them too. It equals this loss where the quality is 0 exactly where the label is. It averages over axis 1 and sums the
/// rest. Its negatives with a quality above 0 have no counterpart here.
///
/// # Reference
///
/// Zhang et al., *VarifocalNet: An IoU-aware Dense Object Detector*, 2020,
/// [arXiv:2008.13367](https://arxiv.org/abs/2008.13367).
#[doc(alias = "VFL")]
#[doc(alias = "VarifocalNet")]
#[doc(alias = "soft labels")]
#[derive(Clone, Debug)]
pub struct VarifocalLoss {
    config: VarifocalLossConfig,
}

loss_module!(VarifocalLoss, VarifocalLossConfig, Formula<BinaryTarget> [logits, targets]);

static SQUARE: LossFormula<2> =
    LossFormula::with_slopes(|of| value(of, squared), |of| slopes(of, squared));

static ANY_POWER: LossFormula<2> =
    LossFormula::with_slopes(|of| value(of, any_power), |of| slopes(of, any_power));

/// By a power of the probability, which is given with its exponent.
fn value([x, y]: [Expr; 2], power: fn(&SidedLogit) -> [Expr; 2]) -> Expr {
    let logit = SidedLogit::new(x, y);
    let [power, _] = power(&logit);
    let negative = Expr::parameter("alpha") * power;
    y.above(0.0).select(y, negative) * logit.cross_entropy()
}

fn slopes([x, y]: [Expr; 2], power: fn(&SidedLogit) -> [Expr; 2]) -> [Expr; 2] {
    let logit = SidedLogit::new(x, y);
    let [power, exponent] = power(&logit);
    let (is_object, negative) = (y.above(0.0), Expr::parameter("alpha") * power);
    let (p, loss) = (probability(&logit), logit.cross_entropy());
    let rest = logit.is_positive.select(logit.unlikely, logit.likely);
    [
        is_object.select(
            y * logit.back(logit.excess()),
            negative * (exponent * rest * loss + p),
        ),
        is_object.select(loss - y * x, -(negative * x)),
    ]
}

fn probability(logit: &SidedLogit) -> Expr {
    logit.is_positive.select(logit.likely, logit.unlikely)
}

fn squared(logit: &SidedLogit) -> [Expr; 2] {
    [probability(logit).square(), Expr::constant(2.0)]
}

/// By the logarithm.
fn any_power(logit: &SidedLogit) -> [Expr; 2] {
    let gamma = Expr::parameter("gamma");
    let softplus = logit.is_positive.select(0.0, logit.size) + logit.softplus;
    [(-(gamma * softplus)).exp(), gamma]
}

impl VarifocalLoss {
    fn formula(&self) -> FormulaLoss<2> {
        let gamma = self.config.gamma;
        let formula = if gamma == 2.0 { &SQUARE } else { &ANY_POWER };
        formula
            .of(["logits", "targets"])
            .with("alpha", self.config.alpha)
            .with("gamma", gamma)
            .rule(1, Rule::PROBABILITY, "")
            .suspect("probabilities-as-logits", sigmoid_applied)
    }
}
