//! Binary cross-entropy of logits.

use super::bce::{class_factors, smooth};
use super::lints::single_label;
use crate::engine::any_rank::AnyRank;
use crate::engine::values::AnyTarget;
use crate::loss::call::{Call, LossOutput};
use crate::loss::elementwise::{ElementwiseCall, OtherOperands};
use crate::loss::labels::label;
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::real::Real;
use crate::spec::elementwise::Elementwise;
use crate::spec::reduction::Reduction;
use crate::validate::check::Check;
use crate::validate::error::{Lint, LossError};
use alloc::format;
use alloc::vec::Vec;

loss_config! {
    /// Configuration of [`BceWithLogitsLoss`].
    pub struct BceWithLogitsLossConfig {
        /// A factor for the loss: one for all, or one for each class along the class axis.
        pub weights: Option<Vec<f64>> where NOT_NEGATIVE = None,
        /// A factor for the part of the loss that speaks for "yes": one for all, or one for each class.
        /// The number of negatives over the number of positives balances a rare label.
        pub pos_weights: Option<Vec<f64>> where NOT_NEGATIVE = None,
        /// The share of each label that is moved to the middle: `y` becomes `(1 - a) y + a / 2`.
        pub label_smoothing: f64 where FROM_0_TO_1 = 0.0,
        /// The axis of the input that holds the classes, for weights per class.
        pub class_axis: usize where CLASS_AXIS = 1,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The binary cross-entropy between the sigmoid of logits and labels.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/bce_with_logits.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// p        = 1 / (1 + exp(-x))
/// loss     = -w (v y ln p + (1 - y) ln(1 - p))
/// gradient =  w ((1 - y) p - v y (1 - p))            which is p - y without weights
/// smoothing:  y becomes (1 - a) y + a/2
/// Mean     = sum of the losses / number of elements, whatever the weights
/// w: `weights`; v: `pos_weights` (one for all, or one per class); a: `label_smoothing`
/// ```
///
/// </details>
///
/// # Character
///
/// For yes or no, once or for many labels at a time that do not exclude each other. **The last
/// layer is linear, without a sigmoid.** The logarithms are taken without forming `p`, so nothing
/// overflows and a logit of 20 for a true label still has its loss of 2.06e-9, on every backend.
/// The gradient is bounded by the weights, the loss of a confident mistake grows with its logit.
/// Where "yes" is rare, the model may say "no" to all: `pos_weights` of negatives / positives
/// balances that, and shifts the predicted probabilities upwards.
///
/// # Target
///
/// **A label for each logit, in the same shape**: floats from 0 to 1 (soft labels), `Int` 0 or 1,
/// or `Bool`. The usual mistakes: labels `[N]` for outputs `[N, 1]`, which do not compile
/// (`labels.unsqueeze_dim::<2>(1)` adds the axis); class ids
/// ([`target::one_hot`](crate::target::one_hot) converts them, though exclusive classes are for
/// [`CrossEntropyLoss`](crate::classification::CrossEntropyLoss)); and signs -1 and +1
/// ([`target::labels`](crate::target::labels) converts them). [`lint`](crate::Loss::lint) reports
/// labels that are all the same, and logits that look like the output of a sigmoid.
///
/// For several labels per sample, Burn's metric `HammingScore` needs `.with_sigmoid(true)` for these logits.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// // Several labels per sample: which of three topics is each text about?
/// let logits = Tensor::<2>::zeros([2, 3], &device);
/// let targets = Tensor::<2, Int>::from_data([[1, 0, 1], [0, 0, 1]], &device);
///
/// // A "yes" of the third topic counts three times.
/// let loss = BceWithLogitsLossConfig::new().with_pos_weights(Some(vec![1., 1., 3.])).init();
/// let value = loss.forward(logits, targets).into_scalar::<f32>();
/// assert!((value - 2f32.ln() * 10.0 / 6.0).abs() < 1e-5);
///
/// // One label per sample: the model gives [N, 1], the labels are [N].
/// let logits = Tensor::<2>::from_data([[20.], [-20.], [20.]], &device);
/// let labels = Tensor::<1, Int>::from_data([1, 0, 1], &device).unsqueeze_dim::<2>(1);
/// let value = BceWithLogitsLoss::new().forward(logits, labels);
/// assert!((value.into_scalar::<f32>() / 2.061_154e-9 - 1.0).abs() < 1e-3);
/// ```
///
/// # Shapes
///
/// * logits and targets: the same shape, of any rank; weights lie along axis 1 or `class_axis`
/// * unreduced: that shape
///
/// # Errors
///
/// * Shapes or devices that differ: nothing is broadcast.
/// * A label that is not from 0 to 1; it says whether the target looks like signs or class ids.
/// * A target that is tracked by autodiff. Weights that are neither one nor one per class.
/// * In `init`: bad weights, a smoothing that is not from 0 to 1, a `class_axis` of 0.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid label makes loss and
/// gradient NaN.
///
/// # PyTorch
///
/// `torch.nn.BCEWithLogitsLoss`, with the same default reduction. PyTorch does not check labels: a
/// 2 or a -1 gives a loss without a lower bound. It broadcasts `weight` and `pos_weight` from the
/// last axis; here they are numbers per class, and
/// [`forward_weighted`](crate::Loss::forward_weighted) takes numbers per sample, by whose sum its
/// `Mean` divides. It has no label smoothing here (Burn's goes towards 1 / classes, this one
/// towards 1/2). The mean of an empty batch is NaN there and 0 here. There, a target can be
/// tracked.
#[doc(alias = "BCEWithLogitsLoss")]
#[doc(alias = "BinaryCrossEntropyLoss")]
#[doc(alias = "sigmoid")]
#[derive(Clone, Debug)]
pub struct BceWithLogitsLoss {
    config: BceWithLogitsLossConfig,
}

loss_module!(BceWithLogitsLoss, BceWithLogitsLossConfig, BinaryTarget [logits, targets]);

/// `y softplus(-x) + (1 - y) softplus(x)`, where `y` is smoothed; with a third operand, the weight of
/// the positive part.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct BceWithLogits {
    pub(crate) label_smoothing: f64,
}

impl Elementwise<2> for BceWithLogits {
    #[inline(always)]
    fn at<R: Real>(&self, [x, y]: [R; 2]) -> (R, impl FnOnce() -> [R; 1]) {
        let y = smooth(y, self.label_smoothing);
        bce_with_logits(x, y.clone(), (-y).plus(1.0))
    }
}

impl Elementwise<3> for BceWithLogits {
    #[inline(always)]
    fn at<R: Real>(&self, [x, y, weight]: [R; 3]) -> (R, impl FnOnce() -> [R; 1]) {
        let y = smooth(y, self.label_smoothing);
        bce_with_logits(x, y.clone() * weight, (-y).plus(1.0))
    }
}

/// Both softplus values share `ln(1 + exp(-|x|))`, and both sigmoids `exp(-|x|)`: nothing large is
/// subtracted from something large, so a saturated logit keeps its tiny loss and gradient.
#[inline(always)]
fn bce_with_logits<R: Real>(x: R, yes: R, no: R) -> (R, impl FnOnce() -> [R; 1]) {
    let u = (-x.clone().abs()).exp();
    let tail = u.clone().ln_1p_small();
    let softplus = x.clone().at_least(0.0) + tail.clone();
    let softplus_of_negative = (-x.clone()).at_least(0.0) + tail;
    let value =
        softplus_of_negative.times_or_zero(yes.clone()) + softplus.times_or_zero(no.clone());

    let slope = move || {
        let (sigmoid, sigmoid_of_negative) = sigmoids(x, u);
        [no * sigmoid - yes * sigmoid_of_negative]
    };
    (value, slope)
}

/// The sigmoid of `x` and of `-x`, given `exp(-|x|)`; either is exact where it is tiny.
#[inline(always)]
pub(crate) fn sigmoids<R: Real>(x: R, u: R) -> (R, R) {
    let small = u.clone() / u.plus(1.0);
    let large = (-small.clone()).plus(1.0);
    let positive = x.above(0.0);
    (
        small.clone().replace(positive.clone(), large.clone()),
        large.replace(positive, small),
    )
}

impl BceWithLogitsLoss {
    pub(super) fn losses(
        &self,
        logits: AnyRank,
        targets: AnyTarget,
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let config = &self.config;
        let check = Check::new(Self::NAME, &logits.device(), call.waiting);
        check.target_per_element("logits", &logits, &targets)?;
        let (shape, dtype, axis) = (logits.shape(), logits.dtype(), config.class_axis);
        let factors = |name, factors| class_factors(&check, (name, factors), &shape, dtype, axis);
        let weights = factors("weights", &config.weights)?;
        let pos_weights = factors("pos_weights", &config.pos_weights)?;
        let definition = BceWithLogits {
            label_smoothing: config.label_smoothing,
        };
        let labels = OtherOperands::flat(targets.values);
        let loss = match pos_weights {
            None => {
                ElementwiseCall::new::<_, 2, 1>(&check, definition, labels, [None, Some(label())])
            }
            along => {
                let rest = OtherOperands { along, ..labels };
                ElementwiseCall::new::<_, 3, 1>(
                    &check,
                    definition,
                    rest,
                    [None, Some(label()), None],
                )
            }
        };
        ElementwiseCall { weights, ..loss }.evaluate([logits], call)
    }

    fn lints(&self, logits: &AnyRank, targets: AnyTarget) -> Vec<Lint> {
        let mut lints = Vec::from_iter(single_label(Self::NAME, targets));
        lints.extend(sigmoid_left(Self::NAME, logits, ", or use BceLoss"));
        lints
    }
}

/// A suspicion about logits that look like the output of a sigmoid.
pub(super) fn sigmoid_left(loss: &'static str, logits: &AnyRank, or: &str) -> Option<Lint> {
    let logits = logits.values();
    let probable = logits.iter().all(|logit| (0.0..=1.0).contains(logit));
    (logits.len() > 1 && probable).then(|| Lint {
        loss,
        rule: "probabilities-as-logits",
        message: format!(
            "every logit is between 0 and 1, as after a sigmoid: this loss applies the sigmoid \
             itself, so remove it from the model{or}."
        ),
    })
}
