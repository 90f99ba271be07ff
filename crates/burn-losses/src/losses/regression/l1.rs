//! The absolute error.

use crate::engine::elementwise::{AnyElementwise, erase};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::real::Real;
use crate::spec::elementwise::Elementwise;
use crate::spec::reduction::Reduction;
use alloc::sync::Arc;

loss_config! {
    /// Configuration of [`L1Loss`].
    pub struct L1LossConfig {
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The absolute error between predictions and targets.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/l1.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// loss     = |x - y|
/// gradient = sign(x - y), and 0 where x = y
/// ```
///
/// </details>
///
/// # Character
///
/// An error counts by its size, and its gradient is -1 or +1 however large it is. So an outlier
/// pulls no harder than any other sample, and what the model learns is the median of the targets.
/// Use it where targets have heavy tails or some are wrong. The price is that the gradient does not
/// shrink near the optimum: with a fixed learning rate the predictions keep jumping around the
/// target. [`MseLoss`](crate::regression::MseLoss) has the opposite strengths.
///
/// The last layer is linear. Bring targets of different units to one scale, or the largest numbers
/// rule.
///
/// # Target
///
/// The true values, as floats, **one for each prediction and in the same shape**. The usual mistake
/// is a model that gives `[N, 1]` and targets that were read as `[N]`. That does not compile here;
/// `targets.unsqueeze_dim::<2>(1)` adds the axis. Targets of `[1, N]` are an error: broadcasting
/// would compare every prediction with every target. No adapter is needed. A target has no NaN for
/// "missing": set it to 0 and leave it out by a mask.
///
/// # Example
///
/// ```
/// use burn::tensor::{Bool, Device, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// let predictions = Tensor::<2>::full([3, 5], 2.0, &device);
/// // Five measured values for each of three samples. The last one is missing.
/// let targets = Tensor::<2>::from_data(
///     [[2., 1., 4., 2., 2.], [2., 2., 2., 2., 24.], [2., 5., 2., 2., f32::NAN]],
///     &device,
/// );
/// let measured: Tensor<2, Bool> = targets.clone().is_nan().bool_not();
/// let targets = targets.mask_fill(measured.clone().bool_not(), 0.0);
///
/// let loss = L1Loss::new();
/// let value = loss.forward_weighted(predictions.clone(), targets.clone(), measured);
/// assert!((value.into_scalar::<f32>() - 28.0 / 14.0).abs() < 1e-5);
/// assert!(loss.try_forward(predictions, targets.swap_dims(0, 1)).is_err());
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
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid target makes loss and
/// gradient NaN.
///
/// # PyTorch
///
/// `torch.nn.L1Loss`, with the same default reduction. PyTorch broadcasts shapes that differ and
/// only warns, takes NaN and infinite targets, and gives NaN for the mean of an empty batch, where
/// this loss gives 0. As there, a target that is tracked by autodiff gets its gradient.
#[doc(alias = "MAE")]
#[doc(alias = "MeanAbsoluteError")]
#[doc(alias = "absolute error")]
#[derive(Clone, Debug)]
pub struct L1Loss {
    config: L1LossConfig,
}

loss_module!(L1Loss, L1LossConfig, RegressionTarget);

/// `|x - y|`; the derivative at `x = y` is 0.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct AbsoluteError;

impl Elementwise<2> for AbsoluteError {
    const PART: f64 = 0.5;

    #[inline(always)]
    fn at<R: Real>(&self, [x, y]: [R; 2]) -> (R, impl FnOnce() -> [R; 1]) {
        let half = x.clone().times(0.5) - y.clone().times(0.5);
        (half.abs(), move || [(x - y).sign().times(0.5)])
    }
}

impl L1Loss {
    fn kernel(&self) -> Arc<dyn AnyElementwise> {
        erase(AbsoluteError)
    }
}
