//! The absolute error, squared near zero.

use super::l1::AbsoluteError;
use crate::engine::any_rank::AnyRank;
use crate::engine::elementwise::{AnyElementwise, erase};
use crate::loss::call::{Call, LossOutput};
use crate::loss::values;
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::real::Real;
use crate::spec::elementwise::Elementwise;
use crate::spec::reduction::Reduction;
use crate::validate::check::Check;
use crate::validate::error::LossError;
use alloc::sync::Arc;

loss_config! {
    /// Configuration of [`SmoothL1Loss`].
    pub struct SmoothL1LossConfig {
        /// The error from which on the loss is linear. At 0 it is [`L1Loss`](crate::regression::L1Loss).
        pub beta: f64 where NOT_NEGATIVE = 1.0,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The absolute error between predictions and targets, made smooth where it is small.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/smooth_l1.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// e        = x - y
/// loss     = e^2 / (2 beta)    where |e| < beta
///            |e| - beta / 2    elsewhere
/// gradient = e / beta, at least -1 and at most 1
/// ```
///
/// </details>
///
/// # Character
///
/// Far from the target it pulls like [`L1Loss`](crate::regression::L1Loss), with a gradient of -1 or +1, so an
/// outlier counts no more than any other sample. Within `beta` of the target the gradient shrinks with
/// the error, so the predictions settle instead of jumping around it. Box regression in object
/// detection uses it. It is [`HuberLoss`](crate::regression::HuberLoss) divided by its `delta`: here `beta`
/// changes how wide the soft part is, and never how hard an outlier pulls.
///
/// The last layer is linear. `beta` has the unit of the targets: the error that still counts as small.
///
/// # Target
///
/// The true values, as floats, **one for each prediction and in the same shape**, just as for
/// [`MseLoss`](crate::regression::MseLoss) and [`L1Loss`](crate::regression::L1Loss). The usual mistake is a model that gives
/// `[N, 1]` and targets that were read as `[N]`. That does not compile here;
/// `targets.unsqueeze_dim::<2>(1)` adds the axis. Targets of `[1, N]` are an error: broadcasting would
/// compare every prediction with every target.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// let predictions = Tensor::<2>::from_data([[0.5, 2.0, 9.0]], &device);
/// let targets = Tensor::<1>::from_data([0., 0., 0.], &device).unsqueeze_dim::<2>(0);
///
/// let loss = SmoothL1Loss::new(); // beta 1
/// let value = loss.forward(predictions.clone(), targets.clone());
/// assert!((value.into_scalar::<f32>() - (0.125 + 1.5 + 8.5) / 3.0).abs() < 1e-5);
///
/// let loss = SmoothL1LossConfig::new().with_beta(0.0).init(); // the absolute error
/// let value = loss.forward(predictions, targets);
/// assert!((value.into_scalar::<f32>() - 11.5 / 3.0).abs() < 1e-5);
/// ```
///
/// # Shapes
///
/// * predictions and targets: the same shape, of any rank
/// * unreduced: that shape
///
/// # Errors
///
/// * Shapes or devices that differ: nothing is broadcast.
/// * A target that is NaN or infinite.
/// * A float type that the device cannot compute with.
/// * In `init`: a `beta` that is below 0 or not finite.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid target makes loss and
/// gradient NaN.
///
/// # PyTorch
///
/// `torch.nn.SmoothL1Loss`, with the same defaults; there, too, `beta = 0` is the absolute error.
/// PyTorch broadcasts shapes that differ and only warns, takes NaN and infinite targets, and gives NaN
/// for the mean of an empty batch, where this loss gives 0. As there, a target that is tracked by
/// autodiff gets its gradient.
///
/// # Reference
///
/// Girshick, *Fast R-CNN*, 2015, [arXiv:1504.08083](https://arxiv.org/abs/1504.08083).
#[doc(alias = "smooth_l1_loss")]
#[doc(alias = "box regression")]
#[derive(Clone, Debug)]
pub struct SmoothL1Loss {
    config: SmoothL1LossConfig,
}

loss_module!(SmoothL1Loss, SmoothL1LossConfig, RegressionTarget with losses);

/// `|r| (|x - y| - |r| beta / 2)`, where `r` is `(x - y) / beta`, from -1 to 1. With an `EXTREME` beta more is
/// done to keep within the range of the type.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct SmoothAbsoluteError<const EXTREME: bool> {
    pub(crate) beta: f64,
}

/// From which `beta` on its root is taken.
const LARGE: f64 = 1e30;

impl<const EXTREME: bool> Elementwise<2> for SmoothAbsoluteError<EXTREME> {
    const PART: f64 = 0.5;
    const RARE: bool = EXTREME;

    #[inline(always)]
    fn at<R: Real>(&self, [x, y]: [R; 2]) -> (R, impl FnOnce() -> [R; 1]) {
        let half = x.clone().times(0.5) - y.clone().times(0.5);
        let size = half.clone().abs();
        let ratio = if !EXTREME || (size.least_normal()..LARGE).contains(&self.beta) {
            half.times(2.0 / self.beta).at_least(-1.0).at_most(1.0)
        } else if self.beta < LARGE {
            // An error of 0 divided by a `beta` that rounds to 0 would be NaN.
            (x - y).sign()
        } else {
            // The root of `beta` is in range where it is not itself, nor its inverse. It is divided by twice, and the
            // bounds come in between: a compiler may take factors together, which are out of range then.
            let root = num_traits::Float::sqrt(self.beta);
            let of_root = half.times(1.0 / root);
            let bounded = of_root.at_least(-root / 2.0).at_most(root / 2.0);
            bounded.times(2.0 / root)
        };
        let value = ratio.clone().abs() * (size.clone() - size.at_most(self.beta / 2.0).times(0.5));
        (value, move || [ratio.times(0.5)])
    }
}

impl SmoothL1Loss {
    fn losses(
        &self,
        predictions: AnyRank,
        targets: AnyRank,
        call: Call,
    ) -> Result<LossOutput, LossError> {
        // Beyond it the inverse of the root has few digits in `f32`; in `f64` it always has all.
        const LARGEST_IN_F32: f64 = 1e70;
        let beta = self.config.beta;
        if beta > LARGEST_IN_F32 {
            let check = Check::new(Self::NAME, &predictions.device(), call.waiting);
            check.holds(predictions.dtype(), "beta", beta)?;
        }
        values::evaluate(Self::NAME, self.kernel(), [predictions, targets], call)
    }

    fn kernel(&self) -> Arc<dyn AnyElementwise> {
        let beta = self.config.beta;
        if beta == 0.0 {
            erase(AbsoluteError)
        } else if (f64::from(f32::MIN_POSITIVE)..LARGE).contains(&beta) {
            erase(SmoothAbsoluteError::<false> { beta })
        } else {
            erase(SmoothAbsoluteError::<true> { beta })
        }
    }
}
