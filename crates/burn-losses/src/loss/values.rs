//! Losses of predictions and the true values.

use super::call::{Call, LossOutput};
use super::elementwise::{ElementwiseCall, OtherOperands, Required};
use crate::engine::any_rank::AnyRank;
use crate::engine::dtype::{compute_dtype, largest};
use crate::engine::elementwise::AnyElementwise;
use crate::spec::rule::Rule;
use crate::validate::check::{Check, Violation, shown};
use crate::validate::error::{Lint, LossError};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use burn::tensor::DType;

/// Evaluates a loss of predictions and targets by a definition that depends on their difference alone: the
/// derivative with respect to the target is the negative one.
pub(crate) fn evaluate(
    loss: &'static str,
    kernel: Arc<dyn AnyElementwise>,
    operands: [AnyRank; 2],
    call: Call,
) -> Result<LossOutput, LossError> {
    let check = check_pair(loss, operands.each_ref(), &call)?;
    let required = [None, Some(finite_target(operands[0].dtype()))];
    ElementwiseCall::erased(&check, kernel, OtherOperands::default(), required)
        .evaluate(operands, call)
}

/// The checks of predictions and targets that the host can do.
pub(crate) fn check_pair(
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
pub(crate) const LEAVE_OUT: &str =
    "To leave it out, set it to 0 and give it weight 0 in forward_weighted.";

/// What a target must be: finite.
pub(crate) fn finite_target(dtype: DType) -> Required<'static> {
    let explain = &|found: &Violation| {
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
pub(crate) fn finite(
    dtype: DType,
    least: f64,
    explain: &dyn Fn(&Violation) -> String,
) -> Required<'_> {
    let largest = largest(compute_dtype(dtype).into());
    Required {
        rule: Rule::between(least.max(-largest), largest),
        explain,
    }
}

/// Suspicions about targets that are numbers.
pub(crate) fn lints(loss: &'static str, targets: &AnyRank) -> Vec<Lint> {
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
