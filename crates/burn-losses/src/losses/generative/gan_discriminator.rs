//! What a discriminator wants of its scores: that real samples can be told from generated ones.

use super::gan_generator::GanObjective;
use crate::loss::formula::statistics::Statistics;
use crate::loss::formula::{FormulaLoss, LossFormula};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::reduction::Reduction;
use crate::spec::rule::Rule;
use alloc::string::String;

loss_config! {
    /// Configuration of [`GanDiscriminatorLoss`].
    pub struct GanDiscriminatorLossConfig {
        /// What is played for: the same as in the generator's loss.
        pub objective: GanObjective = GanObjective::NonSaturating,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The loss of a discriminator that scores real and generated samples.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/gan_discriminator.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// r, f = the scores of a real and of a generated sample
/// loss = ln(1 + exp(-r)) + ln(1 + exp(f))         NonSaturating
///        max(1 - r, 0) + max(1 + f, 0)            Hinge
///        ((r - 1)^2 + f^2) / 2                    LeastSquares
///        f - r                                    Wasserstein
/// ```
///
/// </details>
///
/// # Character
///
/// It pushes the scores of real samples up and those of generated ones down; [`GanGeneratorLoss`], **with the same
/// objective**, pulls the latter up again. [`NonSaturating`](GanObjective::NonSaturating) is binary cross-entropy of both,
/// 1.386 where nothing can be told. [`Hinge`](GanObjective::Hinge) leaves alone what is beyond 1 and -1.
/// [`LeastSquares`](GanObjective::LeastSquares) pulls back scores that are too sure.
/// [`Wasserstein`](GanObjective::Wasserstein) has no lower bound: the discriminator's weights must be clipped or spectrally
/// normalised. A gradient penalty, which is usual instead, needs a gradient of a gradient and is not here.
///
/// **The last layer is linear, without a sigmoid**, and the generated samples are detached: score
/// `generator.forward(noise).detach()`, or the step computes gradients of the generator that nobody wants. Both scores are
/// of the discriminator, so both have a gradient.
///
/// # Target
///
/// **None: which scores are of real samples is the target.** Real and generated scores have one shape, though they are no
/// pairs: the `Mean` is that of the real samples and that of the generated ones, added. The usual mistakes: the two swapped,
/// which trains the discriminator to be wrong and cannot be seen; another objective than the generator's; and a sigmoid in
/// the model, which [`lint`](crate::Loss::lint) reports for `NonSaturating` and `Hinge`.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// let real = Tensor::<1>::from_data([2., -0.5], &device); // discriminator.forward(images)
/// let fake = Tensor::<1>::from_data([-1., 0.5], &device); // of generator.forward(noise).detach()
///
/// let value = GanDiscriminatorLoss::new().forward(real.clone(), fake.clone()); // non-saturating
/// assert!((value.into_scalar::<f32>() - 1.194172).abs() < 1e-5);
///
/// // 2 and -1 are good enough.
/// let config = GanDiscriminatorLossConfig::new().with_objective(GanObjective::Hinge);
/// let each = config.init().forward_no_reduction(real, fake);
/// each.into_data().assert_eq(&[0f32, 3.].into(), true);
/// ```
///
/// # Shapes
///
/// * real and fake: the same shape, any; `[N, 1]` of one score for a sample, `[N, 1, H, W]` of a score for each patch
/// * unreduced: that shape
///
/// # Errors
///
/// * Shapes or devices that differ: nothing is broadcast. Generate as many samples as there are real ones.
/// * A float type that the device cannot compute with.
///
/// # Other libraries
///
/// * torchgan's `MinimaxDiscriminatorLoss`, `LeastSquaresDiscriminatorLoss` and `WassersteinDiscriminatorLoss` are the same.
///   Its `label_smoothing` of real samples is not here, and it has no hinge.
/// * The authors' code of CycleGAN and pix2pix has `(r - 1)^2 + f^2` and halves the sum of the two terms, whatever the
///   objective: its least squares are those here, its `vanilla` is half of the non-saturating loss. Its generator's loss is
///   not halved.
/// * `hinge_d_loss` and `vanilla_d_loss` of the VQGAN's code (taming-transformers) are half of `Hinge` and `NonSaturating`.
/// * MONAI's `PatchAdversarialLoss` is called once for real and once for generated samples; the sum of both with the
///   criterion `bce` is the non-saturating loss. `least_squares` lacks the half, and applies a leaky ReLU to the scores
///   unless `no_activation_leastsq` is set; `hinge` applies a tanh first.
///
/// # Reference
///
/// As those of [`GanGeneratorLoss`].
///
/// [`GanGeneratorLoss`]: crate::generative::GanGeneratorLoss
#[doc(alias = "GAN")]
#[doc(alias = "GANLoss")]
#[doc(alias = "adversarial loss")]
#[doc(alias = "hinge_d_loss")]
#[doc(alias = "LSGAN")]
#[doc(alias = "WGAN")]
#[doc(alias = "critic")]
#[derive(Clone, Debug)]
pub struct GanDiscriminatorLoss {
    config: GanDiscriminatorLossConfig,
}

loss_module!(GanDiscriminatorLoss, GanDiscriminatorLossConfig, Formula<RegressionTarget> [real, fake]);

static NON_SATURATING: LossFormula<2> =
    LossFormula::new(|[real, fake]| (-real).softplus() + fake.softplus());

static HINGE: LossFormula<2> =
    LossFormula::new(|[real, fake]| (1.0 - real).relu() + (1.0 + fake).relu());

static LEAST_SQUARES: LossFormula<2> =
    LossFormula::new(|[real, fake]| 0.5 * (real - 1.0) * (real - 1.0) + 0.5 * fake * fake);

static WASSERSTEIN: LossFormula<2> = LossFormula::new(|[real, fake]| fake - real);

impl GanDiscriminatorLoss {
    fn formula(&self) -> FormulaLoss<2> {
        let (formula, of_logits) = match self.config.objective {
            GanObjective::NonSaturating => (&NON_SATURATING, true),
            GanObjective::Hinge => (&HINGE, true),
            GanObjective::LeastSquares => (&LEAST_SQUARES, false),
            GanObjective::Wasserstein => (&WASSERSTEIN, false),
        };
        // Both are of a model, which may have diverged.
        let loss = formula.of(["real", "fake"]).rule(1, Rule::ANY, "");
        if of_logits {
            loss.suspect("probabilities-as-logits", sigmoid_applied)
        } else {
            loss
        }
    }
}

fn sigmoid_applied(operands: &[Statistics]) -> Option<String> {
    let probable = operands.iter().all(Statistics::look_like_probabilities);
    probable.then(|| {
        "every score is between 0 and 1, as after a sigmoid: this objective takes scores without one, so remove it from \
         the discriminator."
            .into()
    })
}
