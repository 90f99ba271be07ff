//! The rules for lists of labels.

use super::check::{Check, integers, unravel};
use super::error::{LossError, LossErrorKind};
use crate::engine::shape::layers;
use alloc::format;
use alloc::vec::Vec;
use burn::tensor::{Int, Shape, Tensor};

/// Checks lists of labels, flattened from a tensor of the given shape, where values are read; says whether they
/// were.
pub(crate) fn label_ids(
    check: &Check,
    ids: &Tensor<1, Int>,
    shape: &Shape,
    axis: usize,
) -> Result<bool, LossError> {
    if !check.reads() {
        return Ok(false);
    }
    let data = check.data(ids)?;
    let all: Vec<i128> = integers(&data).collect();
    let [_, classes, inner] = layers(shape, axis);
    for at in 0..all.len() {
        let id = all[at];
        if id == -1 {
            continue;
        }
        let slot = at / inner % classes;
        let mut before = (1..=slot).map(|back| all[at - back * inner]);
        let is_class = usize::try_from(id).is_ok_and(|id| id < classes);
        let index = unravel(at, shape);
        let message = if !is_class {
            let hint = if id == classes as i128 && !all.contains(&0) {
                " Are the ids 1-based? Subtract 1."
            } else {
                ""
            };
            format!(
                "target {id} at index {index:?} is not a label: the input has {classes} classes \
                 (valid ids 0..={}, and -1 after the last label of a row).{hint}",
                classes - 1
            )
        } else if slot > 0 && all[at - inner] == -1 {
            format!(
                "target {id} at index {index:?} comes after a -1: a row lists its labels first, then \
                 -1 to the end."
            )
        } else if before.any(|other| other == id) {
            let hint = if all.iter().all(|id| (0..=1).contains(id)) {
                "These look like multi-hot rows: use MultiLabelSoftMarginLoss, or convert them \
                     with `target::label_ids`."
            } else {
                "A row lists each label once."
            };
            format!("target {id} at index {index:?} is in its row twice. {hint}")
        } else {
            continue;
        };
        let kind = LossErrorKind::Value {
            value: id as f64,
            index,
        };
        return Err(check.error(kind, message));
    }
    Ok(true)
}
