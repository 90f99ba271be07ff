//! The logistic loss of signs.

use super::bce_with_logits::{sigmoid_left, sigmoids};
use crate::engine::any_rank::AnyRank;
use crate::engine::values::AnyTarget;
use crate::loss::call::{Call, LossOutput};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::losses::signs::{single_sign, sweep_signs};
use crate::real::Real;
use crate::spec::elementwise::Elementwise;
use crate::spec::reduction::Reduction;
use crate::validate::check::Check;
use crate::validate::error::{Lint, LossError};
use alloc::vec::Vec;

loss_config! {
    /// Configuration of [`SoftMarginLoss`].
    pub struct SoftMarginLossConfig {
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The logistic loss of logits, for answers that are signs.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/soft_margin.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// loss     = ln(1 + exp(-y x))
/// gradient = -y / (1 + exp(y x))
/// ```
///
/// </details>
///
/// # Character
///
/// It is [`BceWithLogitsLoss`](crate::classification::BceWithLogitsLoss) with the answers no and yes written as -1 and
/// +1: the same numbers and the same gradients. A hinge without a corner: what is right by a lot hardly
/// counts, but never quite stops to. Use it where the data, or a paper, has signs; with labels 0 and 1,
/// soft labels or weights of classes, use the other.
///
/// The model gives **logits**: its last layer is linear, without a sigmoid or tanh.
///
/// # Target
///
/// **A sign for each logit, -1 or +1, in the same shape**: as float or `Int`, or as `Bool`, where `true`
/// is +1. The usual mistake is to keep the labels 0 and 1 of the binary cross-entropy: a 0 would give a
/// constant loss and no gradient. Here it is an error that names
/// [`target::signs`](crate::target::signs), which converts them.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use burn_losses::{prelude::*, target};
///
/// let device = Device::flex();
/// let logits = Tensor::<1>::from_data([2.0, -1.0, 0.0], &device);
/// // Labels 0 and 1, as the data has them, become signs.
/// let labels = Tensor::<1, Int>::from_data([1, 1, 0], &device);
/// let targets: Tensor<1> = target::signs(labels.clone());
///
/// let value = SoftMarginLoss::new().forward(logits.clone(), targets);
/// assert!((value.into_scalar::<f32>() - (0.126928 + 1.313262 + 0.693147) / 3.0).abs() < 1e-5);
///
/// let error = SoftMarginLoss::new().try_forward(logits, labels).unwrap_err();
/// assert!(error.to_string().contains("target 0 at index [2] is not a sign"));
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
/// * A target other than -1 and +1; it says whether the target looks like labels.
/// * A target that is tracked by autodiff.
/// * A float type that the device cannot compute with.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid sign makes loss and gradient
/// NaN.
///
/// # PyTorch
///
/// `torch.nn.SoftMarginLoss`, with the same default. PyTorch does not check the target: a 0 gives
/// `ln 2` and no gradient. Its exponential overflows: where `y x` is below -88 the loss is infinite and
/// the gradient NaN in `f32`; here both are exact. It broadcasts, and the mean of an empty batch is NaN, where here it
/// is 0.
#[doc(alias = "logistic")]
#[derive(Clone, Debug)]
pub struct SoftMarginLoss {
    config: SoftMarginLossConfig,
}

loss_module!(SoftMarginLoss, SoftMarginLossConfig, SignTarget [logits, targets]);

/// `softplus(-y x)`. What is large and what is tiny is added up apart, so both keep their digits.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Logistic;

impl Elementwise<2> for Logistic {
    #[inline(always)]
    fn at<R: Real>(&self, [x, sign]: [R; 2]) -> (R, impl FnOnce() -> [R; 1]) {
        let margin = x * sign.clone();
        let u = (-margin.clone().abs()).exp();
        let value = (-margin.clone()).at_least(0.0) + u.clone().ln_1p_small();
        let slope = move || {
            let (_, rest) = sigmoids(margin, u);
            [-(sign * rest)]
        };
        (value, slope)
    }
}

impl SoftMarginLoss {
    pub(super) fn losses(
        &self,
        logits: AnyRank,
        targets: AnyTarget,
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let check = Check::new(Self::NAME, &logits.device(), call.waiting);
        check.target_per_element("logits", &logits, &targets)?;
        sweep_signs(&check, Logistic, [logits], targets, call)
    }

    fn lints(&self, logits: &AnyRank, targets: AnyTarget) -> Vec<Lint> {
        let mut lints = Vec::from_iter(single_sign(Self::NAME, targets));
        lints.extend(sigmoid_left(Self::NAME, logits, ""));
        lints
    }
}
