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
//! All take predictions and true values of one shape; nothing is broadcast, but for a variance.
//! [`RegressionLoss`] is any of them that takes nothing else.
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
#![cfg_attr(doc, doc = include_str!("../../docs/pictures/outliers.svg"))]
//!
//! (`cargo run --release -p regression --bin outliers` in the repository.)

mod family;
mod gaussian_nll;
mod huber;
mod l1;
mod mse;
mod poisson_nll;
mod smooth_l1;

pub use family::{RegressionLoss, RegressionLossConfig};
pub use gaussian_nll::{GaussianNllLoss, GaussianNllLossConfig};
pub use huber::{HuberLoss, HuberLossConfig};
pub use l1::{L1Loss, L1LossConfig};
pub use mse::{MseLoss, MseLossConfig};
pub use poisson_nll::{PoissonNllLoss, PoissonNllLossConfig};
pub use smooth_l1::{SmoothL1Loss, SmoothL1LossConfig};

use crate::error::{Lint, LossError};
use crate::kernels::any_rank::AnyRank;
use crate::kernels::autodiff::largest;
use crate::kernels::definition::Definition;
use crate::kernels::pointwise::{Loss, Required, Rest};
use crate::kernels::portable::wide;
use crate::kernels::rule::Rule;
use crate::loss::{Call, Evaluation};
use crate::target::check::{Check, Found, shown};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use burn::tensor::DType;

/// The losses of predictions and targets that [fit](check_pair), by a definition that depends on their
/// difference alone: the derivative with respect to the target is the negative one.
fn evaluate(
    check: &Check,
    definition: impl Definition<2>,
    operands: [AnyRank; 2],
    call: Call,
) -> Result<Evaluation, LossError> {
    let required = [None, Some(finite_target(operands[0].dtype()))];
    Loss::new(check, definition, Rest::default(), required).evaluate(operands, call)
}

/// The checks of predictions and targets that the host can do.
fn check_pair(
    loss: &'static str,
    [predictions, targets]: [&AnyRank; 2],
    call: &Call,
) -> Result<Check, LossError> {
    let device = predictions.device();
    let check = Check::new(loss, &device, call.waiting);
    check.dtype(&device, predictions.dtype())?;
    check.device("predictions", &device, "targets", &targets.device())?;
    check.same_shape(
        "predictions",
        &predictions.shape(),
        "targets",
        &targets.shape(),
    )?;
    check.one_tracking(&[("predictions", predictions), ("targets", targets)])?;
    Ok(check)
}

/// What to do about a target that is missing.
const LEAVE_OUT: &str = "To leave it out, set it to 0 and give it weight 0 in forward_weighted.";

/// What a target must be: finite.
fn finite_target(dtype: DType) -> Required<'static> {
    let explain = &|found: &Found| {
        if let Some(too_large) = found.too_large() {
            return format!("target {too_large}");
        }
        format!(
            "target {} at index {:?} is not a finite number. {LEAVE_OUT}",
            found.shown(),
            found.index
        )
    };
    finite(dtype, f64::NEG_INFINITY, explain)
}

/// A number that is finite, and not below the least.
fn finite(dtype: DType, least: f64, explain: &dyn Fn(&Found) -> String) -> Required<'_> {
    let largest = largest(wide(dtype).into());
    Required {
        rule: Rule::between(least.max(-largest), largest),
        explain,
    }
}

/// Suspicions about targets that are numbers.
fn inspect(loss: &'static str, targets: &AnyRank) -> Vec<Lint> {
    let dtype = targets.dtype();
    let targets = targets.values();
    let mut lints = Vec::new();
    if let [first, rest @ ..] = targets.as_slice()
        && !rest.is_empty()
        && rest.iter().all(|target| target == first)
    {
        lints.push(Lint {
            loss,
            rule: "constant-target",
            message: format!(
                "all {} targets of the batch are {}: there is nothing to learn from it.",
                targets.len(),
                shown(*first, dtype)
            ),
        });
    }
    lints
}

/// The maths of this folder's losses, for the tests of [`kernels`](crate::kernels).
#[cfg(test)]
pub(crate) mod definitions {
    pub(crate) use super::gaussian_nll::Gaussian;
    pub(crate) use super::huber::Huber;
    pub(crate) use super::l1::AbsoluteError;
    pub(crate) use super::mse::SquaredError;
    pub(crate) use super::poisson_nll::Poisson;
    pub(crate) use super::smooth_l1::SmoothAbsoluteError;
}
