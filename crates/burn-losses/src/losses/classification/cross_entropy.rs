//! Cross-entropy of a softmax.

use super::lints::{SOFTMAX_INSIDE, class_lints};
use crate::engine::any_rank::AnyRank;
use crate::engine::values::AnyTarget;
use crate::loss::Evaluate;
use crate::loss::call::{Call, LossOutput};
use crate::loss::classes::{ClassInput, Options, check_classes, evaluate};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::reduction::Reduction;
use crate::targets::{ClassAxisTarget, ClassTarget};
use crate::validate::check;
use crate::validate::check::Check;
use crate::validate::error::{Lint, LossError};
use alloc::vec::Vec;
use burn::module::Module;
use burn::tensor::Tensor;

loss_config! {
    /// Configuration of [`CrossEntropyLoss`].
    pub struct CrossEntropyLossConfig {
        /// A weight for each class: finite, at least 0.
        pub weights: Option<Vec<f64>> = None,
        /// The ids that mark a sample as not to be counted. There is none by default.
        pub ignore_indices: Vec<i64> = Vec::new(),
        /// The share of the target that is spread evenly over all classes, from 0 to 1.
        pub label_smoothing: f64 = 0.0,
        /// The axis of the input that holds the classes.
        pub class_axis: usize = 1,
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

    fn validate(&self) -> Result<(), LossError> {
        check::weights(CrossEntropyLoss::NAME, "weights", self.weights.as_ref())?;
        check::label_smoothing(CrossEntropyLoss::NAME, self.label_smoothing)?;
        check::positive_class_axis(CrossEntropyLoss::NAME, self.class_axis)
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
/// a: `label_smoothing`; w: `weights` of the classes (1 without)
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
/// * A single class, for which the loss is always 0; `weights` that are not one per class.
/// * In `init`: bad weights, a smoothing that is not from 0 to 1, a `class_axis` of 0.
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
/// # Reference
///
/// Label smoothing: Szegedy et al., *Rethinking the Inception Architecture for Computer Vision*,
/// 2016, [arXiv:1512.00567](https://arxiv.org/abs/1512.00567).
#[doc(alias = "softmax")]
#[doc(alias = "SoftmaxCrossEntropy")]
#[doc(alias = "log loss")]
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct CrossEntropyLoss {
    #[module(skip)]
    config: CrossEntropyLossConfig,
}

loss_module!(CrossEntropyLoss, CrossEntropyLossConfig, Loss [logits, targets]);

impl CrossEntropyLoss {
    pub(super) fn options(&self) -> Options<'_> {
        Options {
            weights: self.config.weights.as_ref(),
            ignored: &self.config.ignore_indices,
            label_smoothing: self.config.label_smoothing,
            ..Options::new(Self::NAME, self.config.class_axis)
        }
    }

    pub(super) fn losses(
        &self,
        logits: AnyRank,
        targets: AnyTarget,
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let options = self.options();
        let check = Check::new(Self::NAME, &logits.device(), call.waiting);
        check_classes(&check, &options, "logits", &logits, &targets)?;
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
