//! Rows of numbers from ids.

use crate::engine::portable::ids::{ClassesLast, SafeIds, counts, valid_rows};
use crate::engine::portable::tensors::{AXIS, or_nan};
use crate::engine::shape::layers;
use crate::engine::values::AnyTarget;
use crate::validate::check::Check;
use crate::validate::error::LossError;
use crate::validate::label_ids::label_ids;
use burn::tensor::{DType, Tensor};

/// Checked class ids as one-hot rows along the axis of these layers. Where values are not read, the row of an
/// id that is no class is NaN.
pub(crate) fn one_hot_rows(
    check: &Check,
    ids: AnyTarget,
    layers: [usize; 3],
    dtype: DType,
) -> Result<Tensor<3>, LossError> {
    let [outer, count, inner] = layers;
    let device = ids.device.without_autodiff();
    let (ids, shape) = (ids.values.integers(), ids.shape);
    let checked = check.class_ids(&ids, &shape, count, None)?;
    let found = SafeIds::new(ids.reshape([outer, 1, inner]), count, &[]);
    let hot = found.one_hot(AXIS, count, &device, dtype);
    let valid = (!checked).then(|| found.valid().expand(layers));
    Ok(or_nan(hot, &valid))
}

/// Lists of labels along an axis as multi-hot rows. Where values are not read, the row of a list that is not
/// valid is NaN.
pub(crate) fn multi_hot_rows(
    check: &Check,
    ids: AnyTarget,
    axis: usize,
    dtype: DType,
) -> Result<Tensor<3>, LossError> {
    let device = ids.device.without_autodiff();
    let (ids, shape) = (ids.values.integers(), ids.shape);
    let checked = label_ids(check, &ids, &shape, axis)?;
    let layers = layers(&shape, axis);
    let rows = ClassesLast(layers);
    let ids = rows.lay(ids.reshape(layers));
    let counts = counts(&ids, ids.dims()[1], &device, dtype);
    let shape = counts.dims();
    let valid = (!checked).then(|| valid_rows(&ids, &counts).expand(shape));
    Ok(rows.back(or_nan(counts, &valid)))
}
