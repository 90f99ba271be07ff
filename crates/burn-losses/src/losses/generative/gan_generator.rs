//! What a generator wants of the scores that its samples get.

use crate::loss::formula::{FormulaLoss, LossFormula};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::reduction::Reduction;
use serde::{Deserialize, Serialize};

/// What a generator and its discriminator play for: the same in [`GanGeneratorLoss`] and
/// [`GanDiscriminatorLoss`](crate::generative::GanDiscriminatorLoss).
///
/// In a file it may be in lower case too: `"non_saturating"`, `"hinge"`, `"least_squares"`, `"wasserstein"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum GanObjective {
    /// The scores are logits of "real". The generator raises the probability of "real", which does not saturate where its
    /// samples are poor.
    #[default]
    #[serde(alias = "non_saturating")]
    NonSaturating,
    /// The discriminator wants real samples above 1 and generated ones below -1, and leaves alone what is.
    #[serde(alias = "hinge")]
    Hinge,
    /// The scores of real samples are to be 1, those of generated ones 0.
    #[serde(alias = "least_squares")]
    LeastSquares,
    /// The difference of the mean scores: an estimate of a distance, if the discriminator is kept from being steep.
    #[serde(alias = "wasserstein")]
    Wasserstein,
}

loss_config! {
    /// Configuration of [`GanGeneratorLoss`].
    pub struct GanGeneratorLossConfig {
        /// What is played for: the same as in the discriminator's loss.
        pub objective: GanObjective = GanObjective::NonSaturating,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The loss of a generator whose samples a discriminator scores.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/gan_generator.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// f    = the discriminator's score of a generated sample
/// loss = ln(1 + exp(-f))        NonSaturating
///        -f                     Hinge, Wasserstein
///        (f - 1)^2 / 2          LeastSquares
/// ```
///
/// </details>
///
/// # Character
///
/// It pulls the scores of generated samples up. With [`NonSaturating`](GanObjective::NonSaturating) a sample that passes for
/// real pulls no more; with [`Hinge`](GanObjective::Hinge) and [`Wasserstein`](GanObjective::Wasserstein) all samples pull
/// alike; with [`LeastSquares`](GanObjective::LeastSquares) one that is scored above 1 is pulled back. The value says little
/// of how good the samples are: it depends on how good the discriminator is.
///
/// **The last layer of the discriminator is linear, without a sigmoid.** In the generator's step its weights get gradients
/// too: leave them, `GradientsParams::from_grads(gradients, &generator)` takes those of the generator.
///
/// # Target
///
/// **None: that the samples are generated is the target.** Scores of real samples do not belong here, and have no gradient
/// for the generator. The usual mistakes: another objective than the discriminator's, which cannot be seen here; scores of
/// samples that were detached for the discriminator's step, by which the generator learns nothing; and a sigmoid in the
/// discriminator, which its own loss reports by [`lint`](crate::Loss::lint).
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// let fake = Tensor::<1>::from_data([-1., 0.5], &device); // discriminator.forward(generator.forward(noise))
///
/// let value = GanGeneratorLoss::new().forward(fake.clone()); // non-saturating
/// assert!((value.into_scalar::<f32>() - 0.893669).abs() < 1e-5);
///
/// let config = GanGeneratorLossConfig::new().with_objective(GanObjective::LeastSquares);
/// let value = config.init().forward(fake);
/// assert!((value.into_scalar::<f32>() - 1.0625).abs() < 1e-5);
/// ```
///
/// # Shapes
///
/// * fake: any shape; `[N, 1]` of one score for a sample, `[N, 1, H, W]` of a score for each patch
/// * unreduced: that shape
///
/// # Errors
///
/// * A float type that the device cannot compute with.
///
/// # Other libraries
///
/// * torchgan's `MinimaxGeneratorLoss` (non-saturating by default), `LeastSquaresGeneratorLoss` and
///   `WassersteinGeneratorLoss` are the same. It has no hinge.
/// * The authors' code of CycleGAN and pix2pix has `(f - 1)^2` without the half, as any `MSELoss` with a target of 1; its
///   `vanilla` is the non-saturating loss.
/// * MONAI's `PatchAdversarialLoss` with `for_discriminator=False`: the criterion `bce` is the non-saturating loss by a
///   sigmoid and a logarithm. `least_squares` lacks the half, and applies a leaky ReLU to the scores unless
///   `no_activation_leastsq` is set. `hinge` is another loss, `1 - tanh(f)`.
///
/// # Reference
///
/// Goodfellow et al., *Generative Adversarial Networks*, 2014, [arXiv:1406.2661](https://arxiv.org/abs/1406.2661).
/// Mao et al., *Least Squares Generative Adversarial Networks*, 2016,
/// [arXiv:1611.04076](https://arxiv.org/abs/1611.04076).
/// Arjovsky et al., *Wasserstein GAN*, 2017, [arXiv:1701.07875](https://arxiv.org/abs/1701.07875).
/// Lim and Ye, *Geometric GAN*, 2017, [arXiv:1705.02894](https://arxiv.org/abs/1705.02894).
#[doc(alias = "GAN")]
#[doc(alias = "GANLoss")]
#[doc(alias = "adversarial loss")]
#[doc(alias = "LSGAN")]
#[doc(alias = "WGAN")]
#[derive(Clone, Debug)]
pub struct GanGeneratorLoss {
    config: GanGeneratorLossConfig,
}

loss_module!(GanGeneratorLoss, GanGeneratorLossConfig, Formula[fake]);

static NON_SATURATING: LossFormula<1> = LossFormula::new(|[fake]| (-fake).softplus());

static LINEAR: LossFormula<1> = LossFormula::new(|[fake]| -fake);

static LEAST_SQUARES: LossFormula<1> = LossFormula::new(|[fake]| 0.5 * (fake - 1.0) * (fake - 1.0));

impl GanGeneratorLoss {
    fn formula(&self) -> FormulaLoss<1> {
        let formula = match self.config.objective {
            GanObjective::NonSaturating => &NON_SATURATING,
            GanObjective::Hinge | GanObjective::Wasserstein => &LINEAR,
            GanObjective::LeastSquares => &LEAST_SQUARES,
        };
        formula.of(["fake"])
    }
}
