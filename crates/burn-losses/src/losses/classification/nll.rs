//! The negative log-likelihood of a class.

use super::lints::{not_normalised, single_class};
use crate::engine::any_rank::AnyRank;
use crate::engine::values::AnyTarget;
use crate::loss::Evaluate;
use crate::loss::call::{Call, LossOutput};
use crate::loss::classes::{ClassInput, Options, check_classes, evaluate};
use crate::losses::config::loss_config;
use crate::losses::module::{loss_module, weight};
use crate::spec::reduction::Reduction;
use crate::targets::{ClassAxisTarget, ClassIds};
use crate::validate::check::Check;
use crate::validate::error::{Lint, LossError};
use alloc::vec::Vec;
use burn::tensor::Tensor;

loss_config! {
    /// Configuration of [`NllLoss`].
    pub struct NllLossConfig {
        /// A weight for each class: finite, at least 0.
        pub weights: Option<Vec<f64>> where NOT_NEGATIVE = None,
        /// The ids that mark a sample as not to be counted. There is none by default.
        pub ignore_indices: Vec<i64> = Vec::new(),
        /// The axis of the input that holds the classes.
        pub class_axis: usize where CLASS_AXIS = 1,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

impl NllLossConfig {
    /// Adds an id that marks a sample as not to be counted.
    pub fn with_ignore_index(mut self, id: i64) -> Self {
        self.ignore_indices.push(id);
        self
    }
}

/// The negative log-likelihood of the target class, from log-probabilities.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/nll.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// loss     = -w[y] x[y]                  0 where y is ignored
/// gradient = -w[y] at class y, 0 at the other classes
/// Mean     = sum of the losses / sum of w[y] over the samples that are not ignored
/// x: the log-probability of each class; w: `weights` of the classes (1 without)
/// ```
///
/// </details>
///
/// # Character
///
/// For a model that gives log-probabilities: by a log-softmax, or in another way (a mixture, a
/// beam, a product of models). With a log-softmax in front it is
/// [`CrossEntropyLoss`](crate::classification::CrossEntropyLoss), which takes the logits and is more accurate where
/// a probability is all but 1: prefer that unless the log-probabilities are needed anyway. A
/// confident mistake costs without bound; `-inf` at the target class is an infinite loss.
///
/// # Target
///
/// **Class ids from 0 to C - 1: an `Int` tensor without the class axis**, `[N]` for input `[N, C]`.
/// The usual mistakes: ids that count from 1; one-hot rows, which do not compile
/// ([`target::class_ids`](crate::target::class_ids) converts them); and the right ids with the
/// wrong input, which [`target::log_probs`](crate::target::log_probs) makes of logits. Logits that
/// happen to be negative are told by [`lint`](crate::Loss::lint) alone; ids that are shifted but in
/// range, by nobody.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use burn_losses::{prelude::*, target};
///
/// let device = Device::flex();
/// let logits = [[0., 2., 0., 0., 0.], [2., 0., 0., 0., 0.], [0., 0., 0., 2., 0.]];
/// let log_probs = target::log_probs(Tensor::<2>::from_data(logits, &device), 1);
/// let targets = Tensor::<1, Int>::from_data([1, 0, 4], &device);
///
/// // The third sample is wrong, and costs 2 more.
/// let each = NllLoss::new().forward_no_reduction(log_probs.clone(), targets.clone());
/// let each: Vec<f32> = each.into_data().iter().collect();
/// assert!((each[0] - 0.43266).abs() < 1e-4 && (each[2] - 2.43266).abs() < 1e-4);
/// assert!(NllLoss::new().lint(&log_probs, &targets).is_empty());
///
/// // Sentences: classes on the last axis, and -1 where a sentence has ended.
/// let log_probs = target::log_probs(Tensor::<3>::zeros([1, 3, 5], &device), 2);
/// let targets = Tensor::<2, Int>::from_data([[3, 1, -1]], &device);
/// let loss = NllLossConfig::new().with_class_axis(2).with_ignore_index(-1).init();
/// let value = loss.forward(log_probs, targets).into_scalar::<f32>();
/// assert!((value - 5f32.ln()).abs() < 1e-5);
/// ```
///
/// # Shapes
///
/// * log_probs: `[N, C]`, `[N, C, d1, ..]`, rank 2 to 6; the classes on axis 1 or `class_axis`
/// * targets: that shape without the class axis, of any `Int` type
/// * unreduced: the shape of the targets
///
/// # Errors
///
/// * A target of another shape; the text says which class axis would fit.
/// * An id that is neither a class nor ignored, with its index, and whether ids seem to start at 1.
/// * A log-probability above 0 (by more than 0.01) at the class of a sample, and whether the input looks like
///   probabilities. The other classes of a row are not read: that is what makes this loss fast. Logits in place
///   of log-probabilities are found as soon as one sample's class has a logit above 0, and
///   [`lint`](crate::Loss::lint) looks at all of them.
/// * A single class, for which the loss is always 0; `weights` that are not one per class.
/// * In `init`: weights that are negative, not finite or none at all; a `class_axis` of 0.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid id makes loss and gradient
/// NaN.
///
/// # PyTorch
///
/// `torch.nn.NLLLoss`, with the same default reduction. PyTorch ignores -100 unasked; here no id is
/// ignored by default, and several can be. With nothing to average, or an empty batch, its mean is
/// NaN; here it is 0. An invalid id is an error there too, on a GPU one that CUDA does not recover
/// from; the input is not checked. It takes a sample `[C]` without a batch axis, and classes on
/// axis 1 only.
#[doc(alias = "NLLLoss")]
#[doc(alias = "negative log-likelihood")]
#[derive(Clone, Debug)]
pub struct NllLoss {
    config: NllLossConfig,
}

loss_module!(NllLoss, NllLossConfig, Loss [log_probs, targets]);
weight!(NllLoss, ClassIds of classes);

impl NllLoss {
    pub(super) fn options(&self) -> Options<'_> {
        Options {
            weights: self.config.weights.as_ref(),
            ignored: &self.config.ignore_indices,
            ..Options::new(Self::NAME, self.config.class_axis)
        }
    }

    pub(super) fn losses(
        &self,
        log_probs: AnyRank,
        targets: AnyTarget,
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let options = self.options();
        let check = Check::new(Self::NAME, &log_probs.device(), call.waiting);
        check_classes(&check, &options, "log_probs", &log_probs, &targets)?;
        evaluate(
            &check,
            &options,
            ClassInput::LogProbs,
            log_probs,
            targets,
            call,
        )
    }

    fn lints(&self, log_probs: &AnyRank, targets: AnyTarget) -> Vec<Lint> {
        let mut lints = Vec::new();
        lints.extend(not_normalised(
            Self::NAME,
            log_probs,
            self.config.class_axis,
        ));
        lints.extend(single_class(
            Self::NAME,
            targets,
            &self.config.ignore_indices,
        ));
        lints
    }
}

impl<const D: usize, T: ClassIds<D>> Evaluate<(Tensor<D>, T)> for NllLoss {
    type Unreduced = <T as ClassAxisTarget<D>>::PerSample;

    fn evaluate(
        &self,
        (log_probs, targets): (Tensor<D>, T),
        call: Call,
    ) -> Result<LossOutput, LossError> {
        self.losses(log_probs.into(), targets.erased(), call)
    }

    fn inspect(&self, (log_probs, targets): (Tensor<D>, T)) -> Vec<Lint> {
        self.lints(&log_probs.into(), targets.erased())
    }
}
