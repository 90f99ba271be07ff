//! Losses for models that generate: images, sounds, latent vectors.
//!
//! * Two networks against each other: [`GanDiscriminatorLoss`] tells real samples from generated ones, [`GanGeneratorLoss`]
//!   makes them hard to tell. Both take the scores of the discriminator, and must have the same [`GanObjective`].
//! * A variational autoencoder: [`GaussianKlLoss`] holds its latents close to the standard normal distribution. It is one
//!   half of the loss, the reconstruction is the other.
//! * Diffusion: the loss is [`MseLoss`](crate::regression::MseLoss) of what the model predicts, and [`min_snr_weights`] says
//!   how much each timestep counts in it. Flow matching is the same loss without weights.
//!
//! They need the feature `std`, which is on by default. What needs a gradient of a gradient is not here, as the gradient
//! penalty of a critic: Burn has no second derivatives.

mod gan_discriminator;
mod gan_generator;
mod gaussian_kl;
mod min_snr;

pub use gan_discriminator::{GanDiscriminatorLoss, GanDiscriminatorLossConfig};
pub use gan_generator::{GanGeneratorLoss, GanGeneratorLossConfig, GanObjective};
pub use gaussian_kl::{GaussianKlLoss, GaussianKlLossConfig};
pub use min_snr::{Prediction, min_snr_weights};
