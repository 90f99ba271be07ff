//! The squared error.

use crate::engine::elementwise::{AnyElementwise, erase};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::real::Real;
use crate::spec::elementwise::Elementwise;
use crate::spec::reduction::Reduction;
use alloc::sync::Arc;

loss_config! {
    /// Configuration of [`MseLoss`].
    pub struct MseLossConfig {
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The squared error between predictions and targets.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/mse.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// loss     = (x - y)^2
/// gradient = 2 (x - y)
/// ```
///
/// </details>
///
/// # Character
///
/// The gradient grows with the error: large errors are corrected first, and near the optimum the
/// steps shrink by themselves. What the model learns is the mean of the targets. Use it where
/// errors are roughly normal. An outlier of ten times the usual error has a hundred times the loss
/// and ten times the gradient, so a few wrong targets can rule a batch; [`L1Loss`](crate::regression::L1Loss)
/// stands them better.
///
/// The last layer is linear. Standardise targets far from 1: the loss has their unit squared. In
/// `f16` an error of 256 has an infinite loss (its gradient is finite), in `f32` one of 2e19.
///
/// # Target
///
/// The true values, as floats, **one for each prediction and in the same shape**. The usual mistake
/// is a model that gives `[N, 1]` and targets that were read as `[N]`. That does not compile here;
/// `targets.unsqueeze_dim::<2>(1)` adds the axis. Targets of `[1, N]` are an error: broadcasting
/// would compare every prediction with every target, and train the model to predict the mean of the
/// batch. No adapter is needed. A target has no NaN for "missing": set it to 0 and leave it out by
/// a mask.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// let predictions = Tensor::<2>::ones([3, 5], &device);
/// // Five numbers for each of three samples, as they were read from a file, brought into shape.
/// let read = [1., 1., 1., 1., 1., 2., 2., 2., 2., 2., 3., 3., 3., 3., 3.];
/// let targets = Tensor::<1>::from_data(read, &device).reshape([3, 5]);
///
/// let loss = MseLoss::new();
/// let value = loss.forward(predictions.clone(), targets.clone());
/// assert!((value.into_scalar::<f32>() - 25.0 / 15.0).abs() < 1e-5);
///
/// // One weight per sample: the last one does not count.
/// let weights = Tensor::<1>::from_data([1., 1., 0.], &device);
/// let value = loss.forward_weighted(predictions.clone(), targets.clone(), weights);
/// assert!((value.into_scalar::<f32>() - 0.5).abs() < 1e-5);
///
/// let sum = MseLossConfig::new().with_reduction(Reduction::Sum).init();
/// assert_eq!(sum.forward(predictions, targets).into_scalar::<f32>(), 25.0);
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
/// `torch.nn.MSELoss`, with the same default reduction. PyTorch broadcasts shapes that differ and
/// only warns, takes NaN and infinite targets, and gives NaN for the mean of an empty batch, where
/// this loss gives 0. As there, a target that is tracked by autodiff gets its gradient.
#[doc(alias = "MSELoss")]
#[doc(alias = "L2Loss")]
#[doc(alias = "MeanSquaredError")]
#[doc(alias = "squared error")]
#[derive(Clone, Debug)]
pub struct MseLoss {
    config: MseLossConfig,
}

loss_module!(MseLoss, MseLossConfig, RegressionTarget);

/// `(x - y)^2`.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct SquaredError;

impl Elementwise<2> for SquaredError {
    const PART: f64 = 0.25;

    #[inline(always)]
    fn at<R: Real>(&self, [x, y]: [R; 2]) -> (R, impl FnOnce() -> [R; 1]) {
        let half = x.times(0.5) - y.times(0.5);
        (half.clone() * half.clone(), move || [half])
    }
}

impl MseLoss {
    fn kernel(&self) -> Arc<dyn AnyElementwise> {
        erase(SquaredError)
    }
}
