//! Losses for a number to predict.
//!
//! [`MseLoss`] corrects large errors first and learns the mean of the targets: the usual choice.
//! [`L1Loss`] lets every error pull alike and learns their median: the choice where some targets
//! are wrong or extreme.
//!
//! Both take predictions and true values of one shape; nothing is broadcast. [`RegressionLoss`] is
//! either of them.
//!
//! # A part of the targets is wrong
//!
//! The same model, trained on medical data of which a part of the *training* targets was shifted by
//! five standard deviations, and judged by its mean absolute error on targets that are right
//! (median of five seeds):
//!
//! | corrupted | `L1Loss` | `MseLoss` |
//! |---|---|---|
//! | 0 % | 43.9 | 43.5 |
//! | 10 % | 50.1 | 60.4 |
//! | 20 % | 53.9 | 89.8 |
//! | 30 % | 60.4 | 125.4 |
//!
//! Where all targets are right the two are alike. Else the squared error follows the few that are
//! far off, and all predictions are too high:
//!
#![cfg_attr(doc, doc = include_str!("../../docs/pictures/outliers.svg"))]
//!
//! (`cargo run --release -p regression --bin outliers` in the repository.)

mod family;
mod l1;
mod mse;

pub use family::{RegressionLoss, RegressionLossConfig};
pub use l1::{L1Loss, L1LossConfig};
pub use mse::{MseLoss, MseLossConfig};

use crate::error::{Lint, LossError};
use crate::kernels::autodiff::largest;
use crate::kernels::definition::Definition;
use crate::kernels::pointwise::{Loss, Required};
use crate::kernels::portable::wide;
use crate::kernels::rule::Rule;
use crate::loss::{Call, Evaluation};
use crate::target::check::{Check, shown, values};
use alloc::format;
use alloc::vec::Vec;
use burn::tensor::Tensor;

/// The losses of predictions and targets of one shape, by a definition that depends on their
/// difference alone: the derivative with respect to the target is the negative one.
fn evaluate<const D: usize>(
    loss: &'static str,
    definition: impl Definition<2>,
    predictions: Tensor<D>,
    targets: Tensor<D>,
    call: Call,
) -> Result<Evaluation, LossError> {
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
    let largest = largest(wide(predictions.dtype()).into());
    let finite = Required {
        rule: Rule::between(-largest, largest),
        explain: &|found| {
            format!(
                "target {} at index {:?} is not a finite number. To leave it out, set it to 0 and \
                 give it weight 0 in forward_weighted.",
                found.shown(),
                found.index
            )
        },
    };
    Loss {
        check: &check,
        definition,
        rest: Vec::new(),
        required: [None, Some(finite)],
        rows: None,
        weights: None,
    }
    .evaluate([predictions, targets], call)
}

/// Suspicions about targets that are numbers.
fn inspect<const D: usize>(loss: &'static str, targets: &Tensor<D>) -> Vec<Lint> {
    let dtype = targets.dtype();
    let targets = values(targets);
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
    pub(crate) use super::l1::AbsoluteError;
    pub(crate) use super::mse::SquaredError;
}
