//! The squared error, linear far from zero.

use crate::engine::elementwise::{AnyElementwise, erase};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::real::Real;
use crate::spec::elementwise::Elementwise;
use crate::spec::reduction::Reduction;
use alloc::sync::Arc;

loss_config! {
    /// Configuration of [`HuberLoss`].
    pub struct HuberLossConfig {
        /// The error from which on the loss is linear.
        pub delta: f64 where POSITIVE = 1.0,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// Half the squared error between predictions and targets, continued as a line where it is large.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/huber.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// e        = x - y
/// loss     = e^2 / 2                    where |e| <= delta
///            delta (|e| - delta / 2)    elsewhere
/// gradient = e, at least -delta and at most delta
/// ```
///
/// </details>
///
/// # Character
///
/// Near the target it is [`MseLoss`](crate::regression::MseLoss) (halved), which learns a mean and settles there;
/// an error beyond `delta` pulls with `delta` and no harder, so a few wrong targets cannot rule a
/// batch. That is a clipped gradient, per element. Use it where most errors are normal and some are
/// not: in regression with outliers, and for the temporal differences of reinforcement learning. With a
/// large `delta` it is half the squared error, with a small one `delta` times the absolute error; where
/// the pull should not depend on the option, take [`SmoothL1Loss`](crate::regression::SmoothL1Loss), which is this
/// loss divided by `delta`.
///
/// The last layer is linear. `delta` has the unit of the targets: about the error of a good model.
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
/// let predictions = Tensor::<2>::from_data([[0.5], [2.0], [9.0]], &device);
/// let read = Tensor::<1>::from_data([0., 0., 0.], &device);
/// let targets = read.unsqueeze_dim::<2>(1); // [3, 1], as the predictions
///
/// let loss = HuberLoss::new(); // delta 1
/// let value = loss.forward(predictions.clone(), targets.clone());
/// assert!((value.into_scalar::<f32>() - (0.125 + 1.5 + 8.5) / 3.0).abs() < 1e-5);
///
/// let loss = HuberLossConfig::new().with_delta(3.0).init();
/// let value = loss.forward(predictions, targets);
/// assert!((value.into_scalar::<f32>() - (0.125 + 2.0 + 22.5) / 3.0).abs() < 1e-5);
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
/// * In `init`: a `delta` that is not above 0, or not finite.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid target makes loss and
/// gradient NaN.
///
/// # PyTorch
///
/// `torch.nn.HuberLoss`, with the same defaults. PyTorch broadcasts shapes that differ and only warns,
/// takes NaN and infinite targets, and gives NaN for the mean of an empty batch, where this loss gives
/// 0. As there, a target that is tracked by autodiff gets its gradient.
///
/// # Reference
///
/// Huber, *Robust Estimation of a Location Parameter*, Annals of Mathematical Statistics 35, 1964.
#[doc(alias = "huber_loss")]
#[doc(alias = "robust regression")]
#[derive(Clone, Debug)]
pub struct HuberLoss {
    config: HuberLossConfig,
}

loss_module!(HuberLoss, HuberLossConfig, RegressionTarget);

/// `c (|x - y| - c / 2)`, where `c` is `|x - y|`, at most `delta`.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Huber {
    pub(crate) delta: f64,
}

impl Elementwise<2> for Huber {
    const PART: f64 = 0.25;

    #[inline(always)]
    fn at<R: Real>(&self, [x, y]: [R; 2]) -> (R, impl FnOnce() -> [R; 1]) {
        let delta = self.delta / 2.0;
        let half = x.times(0.5) - y.times(0.5);
        let size = half.clone().abs();
        let clipped = size.clone().at_most(delta);
        let value = clipped.clone() * (size - clipped.times(0.5));
        (value, move || {
            [half.at_least(-delta).at_most(delta).times(0.5)]
        })
    }
}

impl HuberLoss {
    fn kernel(&self) -> Arc<dyn AnyElementwise> {
        erase(Huber {
            delta: self.config.delta,
        })
    }
}
