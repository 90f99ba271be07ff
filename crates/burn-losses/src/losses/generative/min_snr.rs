//! How much each timestep of a diffusion model counts.

use crate::engine::dtype::compute_dtype;
use crate::engine::portable::tensors::or_nan;
use crate::spec::rule::Rule;
use crate::validate::check::Check;
use crate::validate::error::or_panic;
use crate::validate::options::POSITIVE;
use alloc::format;
use burn::tensor::Tensor;

/// What a diffusion model predicts, by which [`min_snr_weights`] tells how its error grows with the noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Prediction {
    /// The noise that was added: `epsilon`.
    Noise,
    /// The velocity, `alpha noise - sigma sample`: `v_prediction`.
    Velocity,
    /// The sample without noise: `x_0`.
    Sample,
}

/// The weights of min-SNR for the squared errors of a diffusion model, from the signal-to-noise ratio of each sample's
/// timestep, for `forward_weighted_parts` of [`MseLoss`](crate::regression::MseLoss).
///
/// ```text
/// snr    = alpha^2 / sigma^2             alphas_cumprod / (1 - alphas_cumprod) at the timestep
/// weight = min(snr, gamma) / snr         Noise; 1 where snr is 0
///          min(snr, gamma) / (snr + 1)   Velocity
///          min(snr, gamma)               Sample
/// ```
///
/// With all three a sample counts by the error of `x_0`, and by at most `gamma` times it, so that the timesteps with little
/// noise do not rule. The usual `gamma` is 5. A timestep without signal, whose ratio is 0, has weight 1, 0 and 0; one
/// without noise, whose ratio is infinite, 0, 0 and `gamma`.
///
/// # As diffusers does it
///
/// The training scripts of diffusers, with `compute_snr` and `--snr_gamma`, multiply the mean error of each sample by its
/// weight and average over the batch: they divide by the number of elements. The `Mean` of `forward_weighted` divides by the
/// sum of the weights instead, so that a batch of large weights counts no more than another. What equals diffusers is the
/// sum of the parts over the number of elements:
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// // Three samples of two elements: the noise that the model predicts, and what was added.
/// let predicted = Tensor::<2>::from_data([[1., 2.], [0., 1.], [3., -1.]], &device);
/// let noise = Tensor::<2>::from_data([[0., 2.], [1., 1.], [1., 0.]], &device);
/// let snr = Tensor::<1>::from_data([0.5, 5., 20.], &device); // at their timesteps
///
/// let weights = min_snr_weights(snr, 5.0, Prediction::Noise); // 1, 1, 1/4
/// let parts = MseLoss::new().forward_weighted_parts(predicted.clone(), noise.clone(), weights.clone());
/// let value = parts.sum / predicted.shape().num_elements() as f64;
/// assert!((value.into_scalar::<f32>() - 0.541667).abs() < 1e-5);
///
/// // The weighted mean divides by 2 (1 + 1 + 1/4).
/// let value = MseLoss::new().forward_weighted(predicted, noise, weights);
/// assert!((value.into_scalar::<f32>() - 0.722222).abs() < 1e-5);
/// ```
///
/// Scripts of 2023 had `min(snr, gamma) / snr + 1` for the velocity, and the weights of the noise for samples. In diffusers
/// a ratio of 0 gives NaN for the noise.
///
/// The weights have no gradient, and the type of the ratios. Reference: Hang et al., *Efficient Diffusion Training via
/// Min-SNR Weighting Strategy*, 2023, [arXiv:2303.09556](https://arxiv.org/abs/2303.09556).
///
/// # Panics
///
/// When `gamma` is not finite and above 0, or a ratio is negative or NaN. Where values are not read (see
/// [`Checks`](crate::Checks)), the weight of such a ratio is NaN.
#[doc(alias = "compute_snr")]
#[doc(alias = "snr_gamma")]
#[doc(alias = "diffusion")]
#[track_caller]
pub fn min_snr_weights(snr: Tensor<1>, gamma: f64, prediction: Prediction) -> Tensor<1> {
    const NAME: &str = "min_snr_weights";
    let (dtype, snr) = (snr.dtype(), snr.inner());
    let check = Check::new(NAME, &snr.device(), false);
    or_panic(POSITIVE.check(NAME, "gamma", &gamma));
    or_panic(check.holds(dtype, "gamma", gamma));
    let rule = Rule::between(0.0, f64::INFINITY);
    let valid = or_panic(check.each(&snr, rule, |found| {
        format!(
            "snr {} at element {} must be at least 0: it is the ratio alpha^2 / sigma^2, and not its logarithm.",
            found.shown(),
            found.index[0]
        )
    }));
    let snr = snr.cast(compute_dtype(dtype));
    let weights = match prediction {
        // No division of 0 by 0, or of infinities.
        Prediction::Noise => (snr / gamma).clamp_min(1.0).recip(),
        Prediction::Velocity => snr.clone().clamp_max(gamma) / (snr + 1.0),
        Prediction::Sample => snr.clamp_max(gamma),
    };
    or_nan(weights, &valid).cast(dtype)
}
