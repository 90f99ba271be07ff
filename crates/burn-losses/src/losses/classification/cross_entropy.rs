//! Cross-entropy of a softmax.

use super::lints::{SOFTMAX_INSIDE, class_lints};
use super::logit_options::LogitOptions;
use crate::engine::any_rank::AnyRank;
use crate::engine::softmax::erase_head;
use crate::engine::values::{AnyTarget, FlatValues};
use crate::loss::Evaluate;
use crate::loss::call::{Call, LossOutput};
use crate::loss::classes::{ClassInput, Options, check_classes, evaluate};
use crate::losses::config::loss_config;
use crate::losses::module::{loss_module, weight};
use crate::real::Real;
use crate::spec::reduction::Reduction;
use crate::spec::softmax::SoftmaxHead;
use crate::targets::{ClassAxisTarget, ClassTarget};
use crate::validate::check::Check;
use crate::validate::error::{Lint, LossError};
use alloc::vec::Vec;
use burn::tensor::Tensor;

loss_config! {
    /// Configuration of [`CrossEntropyLoss`].
    pub struct CrossEntropyLossConfig {
        /// A weight for each class: finite, at least 0.
        pub weights: Option<Vec<f64>> where NOT_NEGATIVE = None,
        /// The ids that mark a sample as not to be counted. There is none by default.
        pub ignore_indices: Vec<i64> = Vec::new(),
        /// The share of the target that is spread evenly over all classes, from 0 to 1.
        pub label_smoothing: f64 where FROM_0_TO_1 = 0.0,
        /// The logarithm of each class's share of the training data, at most 0: the logits are trained as if all classes
        /// were as frequent ([`target::log_prior`](crate::target::log_prior) makes it of counts).
        pub log_prior: Option<Vec<f64>> where LOG_SHARE = None,
        /// What `log_prior` is multiplied by: finite.
        pub tau: f64 where FINITE = 1.0,
        /// What each class must lead by, finite: it is taken from the logit of a sample's class. Only for ids.
        pub margins: Option<Vec<f64>> where FINITE = None,
        /// What the logits are multiplied by, after the margin is taken: above 0.
        pub logit_scale: f64 where POSITIVE = 1.0,
        /// What no logit gets beyond, by `softcap * tanh(logit / softcap)`: above 0. There is none by default.
        pub softcap: Option<f64> where POSITIVE = None,
        /// What the square of the logarithm of the sum of a sample's exponentials is multiplied by, to be added to its loss:
        /// finite, at least 0.
        pub z_loss: f64 where NOT_NEGATIVE = 0.0,
        /// The axis of the input that holds the classes.
        pub class_axis: usize where CLASS_AXIS = 1,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

impl CrossEntropyLossConfig {
    /// Adds an id that marks a sample as not to be counted.
    pub fn with_ignore_index(mut self, id: i64) -> Self {
        self.ignore_indices.push(id);
        self
    }

    fn logit_options(&self) -> LogitOptions<'_> {
        LogitOptions {
            log_prior: self.log_prior.as_ref(),
            tau: self.tau,
            margins: self.margins.as_ref(),
            logit_scale: self.logit_scale,
            softcap: self.softcap,
        }
    }
}

/// The cross-entropy between the softmax of logits and a target class or distribution.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/cross_entropy.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// p        = softmax(x) along the class axis
/// ids      : loss = -(1 - a) w[y] ln p[y] - a/C sum over c of w[c] ln p[c]    0 where y is ignored
///            Mean = sum of the losses / sum of w[y] over the samples that are not ignored
/// probs    : loss = -sum over c of w[c] ((1 - a) y[c] + a/C) ln p[c]
///            Mean = sum of the losses / number of samples, whatever the weights
/// gradient = p - y (y one-hot for ids), without weights and smoothing
/// a: `label_smoothing`; w: `weights` of the classes (1 without); x: the logits, or what the options below make of them
/// ```
///
/// </details>
///
/// # Character
///
/// For one class out of several. **The last layer is linear, with C outputs and no softmax**: the
/// loss has it inside, so large logits do not overflow and a saturated one keeps its tiny loss and
/// gradient. A confident mistake costs without bound, though without weights no entry of the
/// gradient is beyond 1. Label smoothing ends the race to ever larger logits and softens wrong
/// labels. For several true classes at once, or a single output, use
/// [`BceWithLogitsLoss`](crate::classification::BceWithLogitsLoss).
///
/// # Options of the logits
///
/// ```text
/// x1   = softcap tanh(x / softcap)                         x without a `softcap`
/// x2   = logit_scale (x1 - m) + tau log_prior              m: the class's of `margins` at the class y, 0 elsewhere
/// p    = softmax(x2)
/// loss = as above + z_loss (ln sum over c of exp x2[c])^2  not multiplied by the weight of the class
/// ```
///
/// Each is off by default; they may be combined, in this order, and are a part of the same pass.
///
/// * `log_prior` is for classes of which some are rare: logit adjustment, with `tau` 1 balanced softmax. The loss adds
///   what the frequencies account for, so the model learns the rest, and **its predictions are those of the logits as
///   they are**, as if all classes were as frequent. [`target::log_prior`](crate::target::log_prior) makes it of counts.
///   It does not raise the gradients of rare classes to where training becomes unstable, as large weights, of
///   [`target::class_weights`](crate::target::class_weights), may.
/// * `margins` are what the logit of the class must be ahead by: with those of
///   [`target::ldam_margins`](crate::target::ldam_margins), larger for rarer classes, it is LDAM; with one for all it is
///   CosFace. A margin has the unit of the logits, so these are cosines of normalised features and weights, which a
///   `logit_scale` of 30 to 64 makes large enough for a softmax. Only for ids. Predictions take no margin, and the scale
///   only where probabilities are wanted.
/// * `softcap` bounds the logits, smoothly: 30 in Gemma 2. The model must cap them as well when it predicts
///   probabilities, and not before this loss. A logit of `-inf` comes out as `-softcap`: it no longer rules its class
///   out.
/// * `z_loss` keeps the logits from drifting together, and their sum of exponentials near 1, as in PaLM with 1e-4. Each
///   sample that is not ignored has it, whatever the weight of its class, and `Mean` divides it by what it divides the
///   rest by.
///
/// On a GPU these are tensor operations without a kernel of their own, but for a `z_loss` of ids alone, without weights
/// and smoothing.
///
/// # Classes on several devices
///
/// `forward_sharded`, with the feature `std`, takes the logits of some of the classes, on each device or in each process those
/// of its own part, and gives all of them the loss of all classes: [`distributed`](crate::distributed) says how.
///
/// # Target
///
/// **Class ids from 0 to C - 1: an `Int` tensor without the class axis**, `[N]` for logits
/// `[N, C]`. Or **class probabilities: a float tensor of the logits' shape**, of which each row
/// sums to 1. The usual mistake is to come from a binary loss and keep its labels: float `[N, 1]` labels
/// become ids by `labels.squeeze_dim::<1>(1).int()`, and the model needs two outputs. Ids from 1
/// are an error when the last class occurs, and pass in silence when it does not.
/// [`target::class_ids`](crate::target::class_ids) and [`target::one_hot`](crate::target::one_hot)
/// convert. [`lint`](crate::Loss::lint) tells a softmax that the model applied already.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use burn_losses::{prelude::*, target};
///
/// let device = Device::flex();
/// let logits = [[0., 2., 0., 0., 0.], [2., 0., 0., 0., 0.], [0., 0., 0., 2., 0.]];
/// let logits = Tensor::<2>::from_data(logits, &device);
/// let targets = Tensor::<1, Int>::from_data([1, 0, 4], &device);
///
/// let value = CrossEntropyLoss::new().forward(logits.clone(), targets.clone());
/// assert!((value.into_scalar::<f32>() - 1.09933).abs() < 1e-4);
/// // An ignored sample does not count: left are the two that are right.
/// let loss = CrossEntropyLossConfig::new().with_ignore_index(4).init();
/// let value = loss.forward(logits.clone(), targets.clone());
/// assert!((value.into_scalar::<f32>() - 0.43266).abs() < 1e-4);
/// // Most of the data is of the first class.
/// let log_prior = target::log_prior(&[100, 50, 25, 15, 10]);
/// let loss = CrossEntropyLossConfig::new().with_log_prior(Some(log_prior)).init();
/// let value = loss.forward(logits.clone(), targets.clone());
/// assert!((value.into_scalar::<f32>() - 1.284967).abs() < 1e-4);
/// // As in large language models.
/// let loss = CrossEntropyLossConfig::new().with_softcap(Some(30.0)).with_z_loss(1e-4).init();
/// let value = loss.forward(logits.clone(), targets.clone());
/// assert!((value.into_scalar::<f32>() - 1.099964).abs() < 1e-4);
/// // The same target as probabilities, smoothed.
/// let rows: Tensor<2> = target::one_hot(targets, 5, 1);
/// let loss = CrossEntropyLossConfig::new().with_label_smoothing(0.1).init();
/// let value = loss.forward(logits, rows);
/// assert!((value.into_scalar::<f32>() - 1.19266).abs() < 1e-4);
/// ```
///
/// # Shapes
///
/// * logits: `[N, C]`, `[N, C, d1, ..]`, rank 2 to 6; the classes on axis 1 or `class_axis`
/// * targets: ids in that shape without the class axis, or probabilities in that shape
/// * unreduced: the logits' shape without the class axis
///
/// # Errors
///
/// * A target of another shape; the text says which class axis would fit.
/// * An id that is neither a class nor ignored, with its index, and whether ids seem to start at 1.
/// * A probability not from 0 to 1, or a row's sum that is not 1, by more than 0.01 (`bf16`: 0.05).
/// * Probabilities that are tracked by autodiff, or together with ignored ids.
/// * A single class, for which the loss is always 0; `weights`, `log_prior` or `margins` that are not one per class.
/// * `margins` together with probabilities.
/// * In `init`: bad weights, a smoothing that is not from 0 to 1, a `class_axis` of 0; a `log_prior` above 0, or another
///   option of the logits that is out of its range.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid target makes loss and
/// gradient NaN.
///
/// # PyTorch
///
/// `torch.nn.CrossEntropyLoss`, with the same default reduction. PyTorch ignores -100 unasked; here
/// no id is ignored by default, and several can be. With nothing to average, or an empty batch, its
/// mean is NaN; here it is 0. An invalid id is an error there too, on a GPU one that CUDA does not
/// recover from; probabilities are not checked, and can be tracked. It takes a single class, a
/// sample `[C]` without a batch axis, and classes on axis 1 only.
///
/// It has none of the options of the logits. `LigerCrossEntropyLoss` of Liger has `softcap`, and `z_loss` as
/// `lse_square_scale`, which are the same; with class weights its mean divides the squares by the number of samples, and
/// the rest by the sum of their weights.
///
/// # Reference
///
/// Label smoothing: Szegedy et al., *Rethinking the Inception Architecture for Computer Vision*,
/// 2016, [arXiv:1512.00567](https://arxiv.org/abs/1512.00567).
///
/// * `log_prior`: Menon et al., *Long-tail learning via logit adjustment*, 2020,
///   [arXiv:2007.07314](https://arxiv.org/abs/2007.07314); Ren et al., *Balanced Meta-Softmax for Long-Tailed Visual
///   Recognition*, 2020, [arXiv:2007.10740](https://arxiv.org/abs/2007.10740).
/// * `margins`: Cao et al., *Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss*, 2019,
///   [arXiv:1906.07413](https://arxiv.org/abs/1906.07413); Wang et al., *CosFace: Large Margin Cosine Loss for Deep Face
///   Recognition*, 2018, [arXiv:1801.09414](https://arxiv.org/abs/1801.09414).
/// * `softcap`: Gemma Team, *Gemma 2: Improving Open Language Models at a Practical Size*, 2024,
///   [arXiv:2408.00118](https://arxiv.org/abs/2408.00118).
/// * `z_loss`: Chowdhery et al., *PaLM: Scaling Language Modeling with Pathways*, 2022,
///   [arXiv:2204.02311](https://arxiv.org/abs/2204.02311).
#[doc(alias = "softmax")]
#[doc(alias = "SoftmaxCrossEntropy")]
#[doc(alias = "log loss")]
#[doc(alias = "logit adjustment")]
#[doc(alias = "balanced softmax")]
#[doc(alias = "LDAM")]
#[doc(alias = "CosFace")]
#[doc(alias = "z-loss")]
#[doc(alias = "lse_square_scale")]
#[doc(alias = "softcap")]
#[doc(alias = "vocab parallel")]
#[doc(alias = "tensor parallel")]
#[derive(Clone, Debug)]
pub struct CrossEntropyLoss {
    config: CrossEntropyLossConfig,
}

loss_module!(CrossEntropyLoss, CrossEntropyLossConfig, Loss [logits, targets]);
weight!(CrossEntropyLoss, ClassTarget of classes);

/// Cross-entropy, and the square of the logarithm of the sum of exponentials.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct WithSquare {
    z_loss: f64,
}

impl SoftmaxHead for WithSquare {
    #[inline(always)]
    fn of<R: Real>(&self, ln_p: R, _: R, _: R, lse: R) -> (R, R, R) {
        let half_slope = lse.clone().times(self.z_loss);
        let loss = lse.clone() * half_slope.clone() - ln_p;
        (loss, lse.like(-1.0), half_slope.times(2.0))
    }
}

impl CrossEntropyLoss {
    pub(super) fn options(&self) -> Options<'_> {
        Options {
            weights: self.config.weights.as_ref(),
            ignored: &self.config.ignore_indices,
            label_smoothing: self.config.label_smoothing,
            adjustment: self.config.logit_options().adjustment(),
            z_loss: self.config.z_loss,
            ..Options::new(Self::NAME, self.config.class_axis)
        }
    }

    pub(super) fn losses(
        &self,
        logits: AnyRank,
        targets: AnyTarget,
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let mut options = self.options();
        let check = Check::new(Self::NAME, &logits.device(), call.waiting);
        check_classes(&check, &options, "logits", &logits, &targets)?;
        let z_loss = options.z_loss;
        let of_one_class = matches!(targets.values, FlatValues::Int(_))
            && options.label_smoothing == 0.0
            && options.weights.is_none();
        if z_loss != 0.0 && of_one_class {
            options.z_loss = 0.0;
            options.head = Some(erase_head(WithSquare { z_loss }));
        }
        evaluate(&check, &options, ClassInput::Logits, logits, targets, call)
    }
}

impl<const D: usize, T: ClassTarget<D>> Evaluate<(Tensor<D>, T)> for CrossEntropyLoss {
    type Unreduced = <T as ClassAxisTarget<D>>::PerSample;

    fn evaluate(
        &self,
        (logits, targets): (Tensor<D>, T),
        call: Call,
    ) -> Result<LossOutput, LossError> {
        self.losses(logits.into(), targets.erased(), call)
    }

    fn inspect(&self, (logits, targets): (Tensor<D>, T)) -> Vec<Lint> {
        let targets = targets.erased();
        class_lints(&self.options(), &logits.into(), targets, SOFTMAX_INSIDE)
    }
}
