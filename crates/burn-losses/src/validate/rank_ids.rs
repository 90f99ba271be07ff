//! The rule for ranks.

use super::check::Check;
use super::error::LossError;
use alloc::format;
use burn::tensor::{Int, Shape, Tensor};

/// Checks the ranks of samples with so many thresholds between these, flattened from a tensor of the given shape, where
/// values are read; says whether they were.
pub(crate) fn rank_ids(
    check: &Check,
    ids: &Tensor<1, Int>,
    shape: &Shape,
    thresholds: usize,
) -> Result<bool, LossError> {
    let ranks = thresholds + 1;
    check.class_ids(ids, shape, ranks, None).map_err(|error| {
        let message = format!(
            "{} (There is one output for each threshold between ranks, so {thresholds} are for {ranks} ranks.)",
            error.message
        );
        LossError { message, ..error }
    })
}
