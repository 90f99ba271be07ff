//! Cross-entropy in which samples that are right already count less.

use super::lints::{SOFTMAX_INSIDE, class_lints};
use super::logit_options::LogitOptions;
use crate::engine::any_rank::AnyRank;
use crate::engine::softmax::erase_head;
use crate::engine::values::AnyTarget;
use crate::loss::Evaluate;
use crate::loss::call::{Call, LossOutput};
use crate::loss::classes::{ClassInput, Options, check_classes, evaluate};
use crate::losses::config::loss_config;
use crate::losses::module::{loss_module, weight};
use crate::real::Real;
use crate::spec::reduction::Reduction;
use crate::spec::softmax::SoftmaxHead;
use crate::targets::{ClassAxisTarget, ClassIds};
use crate::validate::check::Check;
use crate::validate::error::{Lint, LossError};
use alloc::vec::Vec;
use burn::tensor::Tensor;

loss_config! {
    /// Configuration of [`FocalLoss`].
    pub struct FocalLossConfig {
        /// How much less a sample counts whose class is probable already: finite, at least 0. With 0 it is
        /// cross-entropy.
        pub gamma: f64 where NOT_NEGATIVE = 2.0,
        /// What the loss of each class is multiplied by: finite, at least 0. A mean is not divided by it.
        pub alpha: Option<Vec<f64>> where NOT_NEGATIVE = None,
        /// The ids that mark a sample as not to be counted. There is none by default.
        pub ignore_indices: Vec<i64> = Vec::new(),
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
        /// The axis of the input that holds the classes.
        pub class_axis: usize where CLASS_AXIS = 1,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

impl FocalLossConfig {
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

/// The focal loss of logits and class ids, by the softmax: cross-entropy in which a sample counts the less the
/// more probable its class is already.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/focal.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// p        = softmax(x) along the class axis, at the class y
/// loss     = -alpha[y] (1 - p)^gamma ln p                           0 where y is ignored
///            Mean = sum of the losses / number of samples that are not ignored
/// gradient = alpha[y] (1 - p)^gamma (gamma p ln p / (1 - p) - 1) (1 - p)     at the class,
///            the same without the last factor, times -p[c]                   at another class c
/// x: the logits, or what the options below make of them
/// ```
///
/// </details>
///
/// # Character
///
/// For one class out of several where most samples are easy and few are hard: a rare class, the background of an
/// image. With `gamma` 2 a sample of probability 0.9 counts a hundredth of what it does in
/// [`CrossEntropyLoss`](crate::classification::CrossEntropyLoss), one of 0.1 four fifths. **The last layer is linear,
/// with C outputs and no softmax.** The probabilities that it learns are less sure than the data: calibrate them, or
/// take cross-entropy, where their values matter. `alpha` weighs classes besides; the mean is not divided by it, so
/// halving all of it halves the loss.
///
/// # Options of the logits
///
/// ```text
/// x1 = softcap tanh(x / softcap)                x without a `softcap`
/// x2 = logit_scale (x1 - m) + tau log_prior     m: the class's of `margins` at the class y, 0 elsewhere
/// p  = softmax(x2)
/// ```
///
/// Each is off by default; they are those of cross-entropy, whose page [says
/// more](crate::classification::CrossEntropyLoss#options-of-the-logits): `log_prior` with `tau` for logit adjustment and
/// balanced softmax, by [`target::log_prior`](crate::target::log_prior); `margins` with `logit_scale` for LDAM, by
/// [`target::ldam_margins`](crate::target::ldam_margins); the `softcap` of Gemma 2. Predictions take the logits as they
/// are, but for the `softcap`, and the `logit_scale` in probabilities. For `alpha` there is
/// [`target::class_weights`](crate::target::class_weights): with `EffectiveNumber` and `MeanOne` they are the weights of
/// the class-balanced loss.
///
/// A prior and a `gamma` do different things: the one makes up for how frequent a class is, the other for how easy a
/// sample is. On a GPU these options are tensor operations without a kernel of their own.
///
/// # Target
///
/// **Class ids from 0 to C - 1: an `Int` tensor without the class axis**, as for cross-entropy. Labels of yes or no
/// for each class are another loss, of a sigmoid. Ids that are stored as floats do not compile; one-hot rows become
/// ids by [`target::class_ids`](crate::target::class_ids). [`lint`](crate::Loss::lint) tells a softmax that the model
/// applied already.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// let logits = [[0., 2., 0., 0., 0.], [2., 0., 0., 0., 0.], [0., 0., 0., 2., 0.]];
/// let logits = Tensor::<2>::from_data(logits, &device);
/// let targets = Tensor::<1, Int>::from_data([1, 0, 4], &device);
///
/// let value = FocalLoss::new().forward(logits.clone(), targets.clone()); // gamma 2
/// assert!((value.into_scalar::<f32>() - 0.71032).abs() < 1e-4);
/// // The class that is wrong counts a quarter.
/// let alpha = vec![1.0, 1.0, 1.0, 1.0, 0.25];
/// let loss = FocalLossConfig::new().with_alpha(Some(alpha)).init();
/// let value = loss.forward(logits.clone(), targets.clone());
/// assert!((value.into_scalar::<f32>() - 0.20426).abs() < 1e-4);
/// // Most of the data is of the first class.
/// let log_prior = target::log_prior(&[100, 50, 25, 15, 10]);
/// let loss = FocalLossConfig::new().with_log_prior(Some(log_prior)).init();
/// let value = loss.forward(logits, targets);
/// assert!((value.into_scalar::<f32>() - 1.064105).abs() < 1e-4);
/// ```
///
/// # Shapes
///
/// * logits: `[N, C]`, `[N, C, d1, ..]`, rank 2 to 6; the classes on axis 1 or `class_axis`
/// * targets: ids in that shape without the class axis
/// * unreduced: the logits' shape without the class axis
///
/// # Errors
///
/// * A target of another shape; the text says which class axis would fit.
/// * An id that is neither a class nor ignored, with its index, and whether ids seem to start at 1.
/// * A single class, for which the loss is always 0; an `alpha`, `log_prior` or `margins` that are not one per class.
/// * In `init`: a `gamma` or an `alpha` that is negative or not finite, a `class_axis` of 0; a `log_prior` above 0, or
///   another option of the logits that is out of its range.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid target makes loss and
/// gradient NaN.
///
/// # Other libraries
///
/// PyTorch has none; `torchvision.ops.sigmoid_focal_loss` is that of a sigmoid per class. Summed over the classes,
/// kornia's `FocalLoss(None, gamma, reduction="none", weight=alpha)` and MONAI's `FocalLoss(use_softmax=True,
/// to_onehot_y=True, gamma=gamma, alpha=alpha, reduction="none")`, with a list, equal this one. A single number as the
/// `alpha` of either is `[1 - alpha, alpha, ..]` here. Their means divide by the number of classes too (MONAI's not
/// with an `ignore_index`), and kornia's counts ignored samples. In `f32` both round the loss to 0 for a logit 20 above
/// nine others, where MONAI's gradients are NaN with a `gamma` between 0 and 1; here both are exact.
///
/// # Reference
///
/// Lin et al., *Focal Loss for Dense Object Detection*, 2017, [arXiv:1708.02002](https://arxiv.org/abs/1708.02002)
/// (there with a sigmoid). Those of the options of the logits are on the page of
/// [`CrossEntropyLoss`](crate::classification::CrossEntropyLoss).
#[doc(alias = "SoftmaxFocalLoss")]
#[doc(alias = "logit adjustment")]
#[doc(alias = "balanced softmax")]
#[doc(alias = "LDAM")]
#[doc(alias = "class imbalance")]
#[derive(Clone, Debug)]
pub struct FocalLoss {
    config: FocalLossConfig,
}

loss_module!(FocalLoss, FocalLossConfig, Loss [logits, targets]);
weight!(FocalLoss, ClassIds of classes);

#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Focal {
    pub(crate) gamma: f64,
}

impl SoftmaxHead for Focal {
    #[inline(always)]
    fn of<R: Real>(&self, ln_p: R, p: R, rest: R, lse: R) -> (R, R, R) {
        let zero = lse.clone() - lse;
        if self.gamma == 0.0 {
            return (-ln_p, zero.clone().plus(-1.0), zero);
        }
        let factor = match self.gamma {
            1.0 => rest.clone(),
            2.0 => rest.clone() * rest.clone(),
            gamma => rest.clone().power(gamma),
        };
        // `ln p` over what it tends to where `p` tends to 1.
        let certain = rest.equals(0.0);
        let ratio = (ln_p.clone() / rest).set(certain, -1.0);
        let pull = ratio.times_or_zero(p).times(self.gamma).plus(-1.0);
        (-ln_p.times_or_zero(factor.clone()), factor * pull, zero)
    }
}

impl FocalLoss {
    pub(super) fn options(&self) -> Options<'_> {
        Options {
            weights: self.config.alpha.as_ref(),
            weights_are: "alpha",
            weights_count: false,
            ignored: &self.config.ignore_indices,
            adjustment: self.config.logit_options().adjustment(),
            head: Some(erase_head(Focal {
                gamma: self.config.gamma,
            })),
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
        check.holds(logits.dtype(), "gamma", self.config.gamma)?;
        evaluate(&check, &options, ClassInput::Logits, logits, targets, call)
    }
}

impl<const D: usize, T: ClassIds<D>> Evaluate<(Tensor<D>, T)> for FocalLoss {
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
