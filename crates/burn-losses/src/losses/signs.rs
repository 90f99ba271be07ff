//! What the losses over signs share: their rule, and what is suspicious about them.

use crate::engine::any_rank::AnyRank;
use crate::engine::dtype::compute_dtype;
use crate::engine::values::AnyTarget;
use crate::loss::call::{Call, LossOutput};
use crate::loss::elementwise::{ElementwiseCall, OtherOperands, Required};
use crate::spec::elementwise::Elementwise;
use crate::spec::rule::Rule;
use crate::validate::check::Check;
use crate::validate::error::{Lint, LossError};
use crate::validate::signs::no_sign;
use alloc::format;
use burn::tensor::FloatDType;

/// Evaluates a loss of inputs and signs, whose shapes have been checked.
pub(crate) fn sweep_signs<const N: usize, const K: usize, const S: usize>(
    check: &Check,
    definition: impl Elementwise<K, S>,
    inputs: [AnyRank; N],
    targets: AnyTarget,
    call: Call,
) -> Result<LossOutput, LossError> {
    let mut required = [const { None }; K];
    required[K - 1] = Some(Required {
        rule: Rule::SIGNS,
        explain: &no_sign,
    });
    let signs = targets.values.signs(compute_dtype(inputs[0].dtype()));
    ElementwiseCall::new(check, definition, OtherOperands::flat(signs), required)
        .evaluate(inputs, call)
}

/// A suspicion about signs that are all the same.
pub(crate) fn single_sign(loss: &'static str, targets: AnyTarget) -> Option<Lint> {
    let signs = targets.values.signs(FloatDType::F32);
    let signs = AnyRank::from(signs.cast(FloatDType::F32)).values();
    let (first, rest) = signs.split_first()?;
    (!rest.is_empty() && rest.iter().all(|sign| sign == first)).then(|| Lint {
        loss,
        rule: "single-class",
        message: format!(
            "all {} targets of the batch are {first}: a batch needs both signs to learn from.",
            signs.len()
        ),
    })
}
