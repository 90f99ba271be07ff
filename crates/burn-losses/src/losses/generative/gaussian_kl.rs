//! How far the latents of a variational autoencoder are from the standard normal distribution.

use crate::loss::formula::statistics::Statistics;
use crate::loss::formula::{FormulaLoss, LossFormula};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::reduction::Reduction;
use crate::spec::rule::Rule;
use alloc::string::String;

loss_config! {
    /// Configuration of [`GaussianKlLoss`].
    pub struct GaussianKlLossConfig {
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::BatchMean,
    }
}

/// The Kullback-Leibler divergence of normal distributions, by their mean and the logarithm of their variance, from the
/// standard normal distribution.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/gaussian_kl.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// m, v      = the mean, and the logarithm of the variance, of a latent
/// loss      = (m^2 + exp(v) - 1 - v) / 2
/// BatchMean = sum of the losses / size of axis 0
/// ```
///
/// </details>
///
/// # Character
///
/// The part of a variational autoencoder's loss that makes its latents samples of one known distribution; the other part is
/// the reconstruction. It is 0 where the mean is 0 and the variance 1, and grows as the square of the mean, linearly with a
/// variance that is too large and as the logarithm of one that is too small. Mean and logarithm come from linear layers.
/// Where `v` is large the exponential overflows: it starts small if the layer is initialised as usual.
///
/// **The default reduction is `BatchMean`**: the sum over the latents, averaged over the batch, is what the evidence lower
/// bound has. The reconstruction must be reduced alike, as by `MseLossConfig::new().with_reduction(Reduction::BatchMean)`.
/// `Mean` here divides by the number D of latents too, which is a `beta` of 1/D by accident; beside a reconstruction that is
/// averaged over pixels, `BatchMean` is a `beta` of the number of pixels. For a `beta` on purpose, or one that warms up,
/// multiply: `reconstruction + kl * beta`.
///
/// # Target
///
/// **None: the standard normal distribution is the target.** The usual mistake is to give the variance or the standard
/// deviation instead of the logarithm of the variance; [`lint`](crate::Loss::lint) reports logarithms that are all above 0.
/// For another distribution than the standard one, as in a learnt prior, write the divergence as a
/// [`custom`](crate::custom) loss.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// // Two samples, three latents.
/// let mean = Tensor::<2>::from_data([[0.5, -1., 0.], [0., 2., 0.25]], &device);
/// let log_variance = Tensor::<2>::from_data([[0., -1., 0.5], [-2., 0., -0.5]], &device);
///
/// let kl = GaussianKlLoss::new();
/// let value = kl.forward(mean.clone(), log_variance.clone());
/// assert!((value.into_scalar::<f32>() - 1.767742).abs() < 1e-5);
///
/// // A third of it, for three latents.
/// let config = GaussianKlLossConfig::new().with_reduction(Reduction::Mean);
/// let value = config.init().forward(mean, log_variance);
/// assert!((value.into_scalar::<f32>() - 0.589247).abs() < 1e-5);
/// ```
///
/// # Shapes
///
/// * mean and log_variance: the same shape, of any rank, with the batch along axis 0
/// * unreduced: that shape
///
/// # Errors
///
/// * Shapes or devices that differ: nothing is broadcast.
/// * A float type that the device cannot compute with.
///
/// # Other libraries
///
/// `torch.distributions.kl_divergence(Normal(m, exp(v / 2)), Normal(0, 1))`, unreduced. The usual line
/// `-0.5 * torch.sum(1 + v - m.pow(2) - v.exp())` is `Sum`, and `BatchMean` if it is divided by the size of the batch;
/// with `torch.mean` it is `Mean`.
///
/// diffusers' `DiagonalGaussianDistribution(parameters).kl()` gives the sum over the latents of each sample, of which this is
/// the average over the batch. It clamps the logarithm from -30 to 20, beyond which it has no gradient.
///
/// # Reference
///
/// Kingma and Welling, *Auto-Encoding Variational Bayes*, 2013, [arXiv:1312.6114](https://arxiv.org/abs/1312.6114).
/// Higgins et al., *beta-VAE*, ICLR 2017.
#[doc(alias = "VAE")]
#[doc(alias = "KLD")]
#[doc(alias = "ELBO")]
#[doc(alias = "beta-VAE")]
#[doc(alias = "kl_divergence")]
#[derive(Clone, Debug)]
pub struct GaussianKlLoss {
    config: GaussianKlLossConfig,
}

loss_module!(GaussianKlLoss, GaussianKlLossConfig, Formula<RegressionTarget> [mean, log_variance]);

static GAUSSIAN_KL: LossFormula<2> = LossFormula::new(|[m, v]| 0.5 * m * m + v.half_exp_rest());

impl GaussianKlLoss {
    fn formula(&self) -> FormulaLoss<2> {
        // Both are of a model, which may have diverged.
        GAUSSIAN_KL
            .of(["mean", "log_variance"])
            .rule(1, Rule::ANY, "")
            .suspect("variance-as-log-variance", no_logarithm)
    }
}

fn no_logarithm(operands: &[Statistics]) -> Option<String> {
    let log_variance = &operands[1];
    (log_variance.count() > 1 && log_variance.least() > 0.0).then(|| {
        "every log_variance is above 0, as variances and standard deviations are: this loss takes the logarithm of the \
         variance."
            .into()
    })
}
