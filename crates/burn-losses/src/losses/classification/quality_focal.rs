//! Binary cross-entropy with labels of a quality, by how far the probability is from it.

use super::sigmoid_focal::{PowerWithSlope, any_power, sigmoid_applied, square};
use crate::loss::formula::{FormulaLoss, LossFormula};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::losses::sided_logit::SidedLogit;
use crate::spec::expression::Expr;
use crate::spec::reduction::Reduction;
use crate::spec::rule::Rule;

loss_config! {
    /// Configuration of [`QualityFocalLoss`].
    pub struct QualityFocalLossConfig {
        /// How much less an element counts that is close to its label already: finite, at least 0. With 0 it is binary
        /// cross-entropy.
        pub beta: f64 where NOT_NEGATIVE = 2.0,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The quality focal loss of logits and labels from 0 to 1: binary cross-entropy in which an element counts the less the
/// closer its probability is to its label already.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/quality_focal.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// p    = 1 / (1 + exp(-x))
/// loss = |y - p|^beta (-y ln p - (1 - y) ln(1 - p))         the factor is a part of the gradient
/// ```
///
/// </details>
///
/// # Character
///
/// For a detector whose score of a class says how well its box fits, too: the label is the overlap (IoU) of the box that is
/// predicted with the true one, and 0 for all other classes. With labels of 0 and 1 it is
/// [`SigmoidFocalLoss`](crate::classification::SigmoidFocalLoss) without `alpha`. Between them it differs: here the loss is
/// 0, and flat, where the probability is the label, whatever that is.
/// [`VarifocalLoss`](crate::classification::VarifocalLoss) has such labels too, but makes less only of the negatives. **The
/// last layer is linear, without a sigmoid.**
///
/// # Target
///
/// **A label for each logit, from 0 to 1, in the same shape**: floats, the quality at the class of a positive and 0
/// elsewhere; `Int` 0 or 1 and `Bool` are possible. Compute the quality from boxes without autodiff, by `.inner()`: a label
/// that is tracked gets a gradient. The usual mistakes: class ids, which [`target::one_hot`](crate::target::one_hot)
/// converts, times the quality; an overlap in percent; masks of 0 and 255; and signs -1 and +1, which
/// [`target::labels`](crate::target::labels) converts. Each is an error. [`lint`](crate::Loss::lint) reports labels that
/// are all the same, and logits that look like the output of a sigmoid.
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
/// let loss = QualityFocalLoss::new();
/// let value = loss.forward(logits.clone(), targets.clone());
/// assert!((value.into_scalar::<f32>() - 0.190254).abs() < 1e-5);
///
/// // The last score is what it should be: sigmoid(0) = 0.5.
/// let each = loss.forward_no_reduction(logits, targets).into_data();
/// let each = each.try_to_vec::<f32>().unwrap();
/// assert!((each[1] - 0.0024395).abs() < 1e-6);
/// assert_eq!(each[5], 0.0);
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
/// * In `init`: a `beta` that is negative or not finite.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid label makes loss and gradient NaN.
///
/// # Other libraries
///
/// `QualityFocalLoss(beta=beta)` of mmdet with a tensor as its target, or with class ids and scores, which are those labels
/// in another form. mmdet sums over the classes and averages over the samples: that is `BatchMean` here, for `[N, C]`, and
/// C times `Mean`. Given an `avg_factor`, mmdet divides the sum by it, plus 1.2e-7, instead. Its factor is a part of the
/// gradient, as here. `activated=True`, for probabilities, is not here.
///
/// mmdet takes the difference from the sigmoid, so in `f32` the loss of a logit of 20 with label 1 is exactly 0; here it is
/// 8.76e-27. With a `beta` below 1 its gradient is NaN where the probability is the label; here it is 0.
///
/// # Reference
///
/// Li et al., *Generalized Focal Loss: Learning Qualified and Distributed Bounding Boxes for Dense Object Detection*, 2020,
/// [arXiv:2006.04388](https://arxiv.org/abs/2006.04388).
#[doc(alias = "QFL")]
#[doc(alias = "GeneralizedFocalLoss")]
#[doc(alias = "soft labels")]
#[derive(Clone, Debug)]
pub struct QualityFocalLoss {
    config: QualityFocalLossConfig,
}

loss_module!(QualityFocalLoss, QualityFocalLossConfig, Formula<BinaryTarget> [logits, targets]);

static SQUARE: LossFormula<2> =
    LossFormula::with_slopes(|of| value(of, square), |of| slopes(of, square));

static ANY_POWER: LossFormula<2> =
    LossFormula::with_slopes(|of| value(of, any_power), |of| slopes(of, any_power));

/// By a power of how far the probability is from the label.
fn value([x, y]: [Expr; 2], power: PowerWithSlope) -> Expr {
    let logit = SidedLogit::new(x, y);
    let loss = logit.cross_entropy();
    let [power, _] = power(logit.excess(), loss);
    power * loss
}

/// That distance is the slope of the cross-entropy, too.
fn slopes([x, y]: [Expr; 2], power: PowerWithSlope) -> [Expr; 2] {
    let logit = SidedLogit::new(x, y);
    let (excess, loss) = (logit.excess(), logit.cross_entropy());
    let [power, of_power] = power(excess, loss);
    [
        logit.back(of_power * logit.bell() + power * excess),
        -(logit.back(of_power) + power * x),
    ]
}

impl QualityFocalLoss {
    fn formula(&self) -> FormulaLoss<2> {
        let beta = self.config.beta;
        let formula = if beta == 2.0 { &SQUARE } else { &ANY_POWER };
        formula
            .of(["logits", "targets"])
            .with("exponent", beta)
            .rule(1, Rule::PROBABILITY, "")
            .suspect("probabilities-as-logits", sigmoid_applied)
    }
}
