//! Losses for a number to predict.
//!
//! [`MseLoss`] corrects large errors first and learns the mean of the targets: the usual choice.
//! [`L1Loss`] lets every error pull alike and learns their median: the choice where some targets
//! are wrong or extreme. [`HuberLoss`] and [`SmoothL1Loss`] are squared where the error is small and
//! linear where it is large, on two scales.
//!
//! Where the target is a count, [`PoissonNllLoss`] takes the logarithm of its rate as the
//! prediction. Where the model says how far off it may be, [`GaussianNllLoss`] takes a variance as
//! well.
//!
//! The others need the feature `std`, which is on by default:
//!
//! * For a quantile of the targets, or a band of several, there is [`QuantileLoss`]; for an error that costs more on one
//!   side [`ExpectileLoss`].
//! * With outliers: [`LogCoshLoss`] is much like the Huber loss, without a corner in any derivative. [`GeneralRobustLoss`]
//!   counts outliers as much or as little as its `alpha` says, and [`TukeyLoss`] leaves them out.
//! * Where the ratio to the target counts, and not the difference: [`MsleLoss`], [`MapeLoss`] and [`SmapeLoss`], which is
//!   bounded.
//! * For amounts that are often exactly 0 there is [`TweedieLoss`], for amounts above 0 [`GammaNllLoss`]. Both take the
//!   logarithm of the mean as the prediction.
//! * Where the model predicts a spread beside the number: [`LaplaceNllLoss`] and [`StudentTNllLoss`] have heavier tails
//!   than [`GaussianNllLoss`], [`LogNormalNllLoss`] is for amounts above 0, [`NegativeBinomialNllLoss`] for counts, and
//!   [`GaussianCrpsLoss`] is a score in the unit of the targets. These five take the target last; [`GaussianNllLoss`]
//!   takes the variance last.
//!
//! All take predictions and true values of one shape; nothing is broadcast, but for a variance, and for targets beside
//! several quantiles. [`RegressionLoss`] is any of those that can take each other's place: the absolute and the squared
//! error, the two between them, Poisson's, the quantile and the expectile loss, and the three for outliers.
//!
//! # A part of the targets is wrong
//!
//! The same model, trained on the body mass of penguins, where a part of the *training* targets was
//! shifted by five standard deviations, and judged by its mean absolute error in grams on targets
//! that are right (median of five seeds):
//!
//! | corrupted | `L1Loss` | `MseLoss` |
//! |---|---|---|
//! | 0 % | 258 | 253 |
//! | 10 % | 272 | 454 |
//! | 20 % | 274 | 779 |
//! | 30 % | 304 | 1214 |
//!
//! Where all targets are right the two are alike. Else the squared error follows the few that are
//! far off, and all predictions are too high:
//!
#![cfg_attr(doc, doc = include_str!("../../../docs/pictures/outliers.svg"))]
//!
//! (`cargo run --release -p regression --bin outliers` in the repository.)

mod family;
pub(crate) mod gaussian_nll;
pub(crate) mod huber;
pub(crate) mod l1;
pub(crate) mod mse;
pub(crate) mod poisson_nll;
pub(crate) mod smooth_l1;

pub use family::{RegressionLoss, RegressionLossConfig};
pub use gaussian_nll::{GaussianNllLoss, GaussianNllLossConfig};
pub use huber::{HuberLoss, HuberLossConfig};
pub use l1::{L1Loss, L1LossConfig};
pub use mse::{MseLoss, MseLossConfig};
pub use poisson_nll::{PoissonNllLoss, PoissonNllLossConfig};
pub use smooth_l1::{SmoothL1Loss, SmoothL1LossConfig};

// Losses by formulas, whose recording needs `std`.
#[cfg(feature = "std")]
mod expectile;
#[cfg(feature = "std")]
mod gamma_nll;
#[cfg(feature = "std")]
mod gaussian_crps;
#[cfg(feature = "std")]
mod general_robust;
#[cfg(feature = "std")]
mod laplace_nll;
#[cfg(feature = "std")]
mod log_cosh;
#[cfg(feature = "std")]
mod log_normal_nll;
#[cfg(feature = "std")]
mod mape;
#[cfg(feature = "std")]
mod msle;
#[cfg(feature = "std")]
mod negative_binomial_nll;
#[cfg(feature = "std")]
mod quantile;
#[cfg(feature = "std")]
mod smape;
#[cfg(feature = "std")]
mod student_t_nll;
#[cfg(feature = "std")]
mod tukey;
#[cfg(feature = "std")]
mod tweedie;

#[cfg(feature = "std")]
pub use expectile::{ExpectileLoss, ExpectileLossConfig};
#[cfg(feature = "std")]
pub use gamma_nll::{GammaNllLoss, GammaNllLossConfig};
#[cfg(feature = "std")]
pub use gaussian_crps::{GaussianCrpsLoss, GaussianCrpsLossConfig};
#[cfg(feature = "std")]
pub use general_robust::{GeneralRobustLoss, GeneralRobustLossConfig};
#[cfg(feature = "std")]
pub use laplace_nll::{LaplaceNllLoss, LaplaceNllLossConfig};
#[cfg(feature = "std")]
pub use log_cosh::{LogCoshLoss, LogCoshLossConfig};
#[cfg(feature = "std")]
pub use log_normal_nll::{LogNormalNllLoss, LogNormalNllLossConfig};
#[cfg(feature = "std")]
pub use mape::{MapeLoss, MapeLossConfig};
#[cfg(feature = "std")]
pub use msle::{MsleLoss, MsleLossConfig};
#[cfg(feature = "std")]
pub use negative_binomial_nll::{
    NegativeBinomialNllLoss, NegativeBinomialNllLossConfig, NegativeBinomialParametrization,
};
#[cfg(feature = "std")]
pub use quantile::{QuantileLoss, QuantileLossConfig};
#[cfg(feature = "std")]
pub use smape::{SmapeLoss, SmapeLossConfig};
#[cfg(feature = "std")]
pub use student_t_nll::{StudentTNllLoss, StudentTNllLossConfig};
#[cfg(feature = "std")]
pub use tukey::{TukeyLoss, TukeyLossConfig};
#[cfg(feature = "std")]
pub use tweedie::{TweedieLoss, TweedieLossConfig};

/// The maths of this folder's losses, for the unit tests.
#[cfg(test)]
pub(crate) mod definitions {
    pub(crate) use super::gaussian_nll::Gaussian;
    pub(crate) use super::huber::Huber;
    pub(crate) use super::l1::AbsoluteError;
    pub(crate) use super::mse::SquaredError;
    pub(crate) use super::poisson_nll::Poisson;
    pub(crate) use super::smooth_l1::SmoothAbsoluteError;
}
