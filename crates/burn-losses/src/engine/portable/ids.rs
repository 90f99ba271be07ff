//! Class ids on whole tensors.

use super::tensors::AXIS;
use crate::real::{Real, id};
use alloc::vec;
use burn::tensor::{Bool, DType, Device, FloatDType, Int, IntDType, Tensor};
use core::ops::Range;

/// Class ids of which none can reach outside of the classes, and which of them were given so.
///
/// Nothing gathers by an id.
pub(crate) struct SafeIds<const D: usize> {
    /// The id, or -1 where it is ignored or invalid: that matches no class.
    ids: Tensor<D, Int>,
    /// Whether the id was a class or ignored.
    valid: Tensor<D, Bool>,
}

impl<const D: usize> SafeIds<D> {
    pub(crate) fn new(ids: Tensor<D, Int>, count: usize, ignored: &[i64]) -> Self {
        let found = id::classify(ids, count, ignored);
        // Narrow to 32 bits only what is known to fit.
        let ids = found.class.cast(IntDType::I32);
        Self {
            ids: ids.mask_fill(found.is_class.bool_not(), -1),
            valid: found.valid,
        }
    }

    /// Which ids were a class or ignored.
    pub(crate) fn valid(&self) -> Tensor<D, Bool> {
        self.valid.clone()
    }

    /// The ids, and another number where they are invalid.
    pub(crate) fn or(self, other: i64) -> Tensor<D, Int> {
        self.ids.mask_fill(self.valid.bool_not(), other)
    }

    /// Which ids are a class.
    pub(crate) fn is_class(&self) -> Tensor<D, Bool> {
        self.ids.clone().greater_equal_scalar(0)
    }

    /// 1 at the class of each sample, 0 elsewhere; all 0 where there is none.
    pub(crate) fn one_hot(
        &self,
        axis: usize,
        count: usize,
        device: &Device,
        dtype: DType,
    ) -> Tensor<D> {
        self.one_hot_of(axis, 0..count, device, dtype)
    }

    /// As [`one_hot`](Self::one_hot), of some of the classes alone: all 0 where a sample is of another.
    pub(crate) fn one_hot_of(
        &self,
        axis: usize,
        classes: Range<usize>,
        device: &Device,
        dtype: DType,
    ) -> Tensor<D> {
        let mut shape = [1; D];
        shape[axis] = classes.len();
        let mut full = self.ids.dims();
        full[axis] = classes.len();
        let range = classes.start as i64..classes.end as i64;
        let all = Tensor::<1, Int>::arange(range, (device, DType::I32)).reshape(shape);
        let hot = self.ids.clone().expand(full).equal(all.expand(full));
        hot.cast(FloatDType::from(dtype))
    }
}

/// Samples of these layers as rows, with the classes along the last axis, and back.
pub(crate) struct ClassesLast(pub(crate) [usize; 3]);

impl ClassesLast {
    pub(crate) fn lay<K>(&self, tensor: Tensor<3, K>) -> Tensor<2, K>
    where
        K: burn::tensor::kind::Basic + burn::tensor::kind::Autodiff,
    {
        let [outer, classes, inner] = self.0;
        tensor.swap_dims(1, 2).reshape([outer * inner, classes])
    }

    /// ClassesLast of any length become layers.
    pub(crate) fn back<K>(&self, rows: Tensor<2, K>) -> Tensor<3, K>
    where
        K: burn::tensor::kind::Basic + burn::tensor::kind::Autodiff,
    {
        let ([outer, _, inner], [_, length]) = (self.0, rows.dims());
        rows.reshape([outer, inner, length]).swap_dims(1, 2)
    }
}

/// How many numbers a tensor of all labels against all classes may have at a time.
pub(crate) const AT_A_TIME: usize = 1 << 22;

/// The slots of rows of ids, some at a time, so that one-hot rows of all of them fit into memory.
pub(crate) fn slots(
    ids: &Tensor<2, Int>,
    classes: usize,
) -> impl Iterator<Item = Tensor<2, Int>> + '_ {
    let [rows, count] = ids.dims();
    let width = (AT_A_TIME / (rows * classes)).clamp(1, count);
    (0..count)
        .step_by(width)
        .map(move |start| ids.clone().narrow(1, start, width.min(count - start)))
}

/// The one-hot row of each id: `[rows, slots]` become `[rows, slots, classes]`. That of an id that is no
/// class is 0.
pub(crate) fn hot_slots(
    ids: Tensor<2, Int>,
    classes: usize,
    device: &Device,
    dtype: DType,
) -> Tensor<3> {
    let ids: Tensor<3, Int> = ids.unsqueeze_dim(2);
    SafeIds::new(ids, classes, &[]).one_hot(2, classes, device, dtype)
}

/// How often each class is among the ids of a row.
pub(crate) fn counts(
    ids: &Tensor<2, Int>,
    classes: usize,
    device: &Device,
    dtype: DType,
) -> Tensor<2> {
    let parts = slots(ids, classes).map(|ids| {
        let hot = hot_slots(ids, classes, device, dtype);
        hot.sum_dim(1).squeeze_dim::<2>(1)
    });
    let sum = parts.reduce(|sum, part| sum + part);
    sum.expect("there are ids")
}

/// Which rows are lists of labels: each id a class, none twice, and nothing after a -1.
pub(crate) fn valid_rows(ids: &Tensor<2, Int>, counts: &Tensor<2>) -> Tensor<2, Bool> {
    let [rows, classes] = ids.dims();
    let once = counts.clone().lower_equal_scalar(1.0).all_dim(1);
    let safe = SafeIds::new(ids.clone(), classes, &[-1]);
    let class = safe.valid().all_dim(1);
    let is_label = safe.is_class();
    // The place after the last one has no label.
    let end = Tensor::<2, Int>::zeros([rows, 1], (&ids.device(), DType::I32)).equal_scalar(1);
    let next = Tensor::cat(vec![is_label.clone(), end], 1).narrow(1, 1, classes);
    let ordered = is_label.bool_or(next.bool_not()).all_dim(1);
    once.bool_and(class).bool_and(ordered)
}

/// Class ids of samples of these layers as lists of a single label, flattened; an id that is no class stays one
/// that is none.
pub(crate) fn single_labels(ids: Tensor<1, Int>, layers: [usize; 3]) -> Tensor<1, Int> {
    let [outer, count, inner] = layers;
    let device = ids.device();
    let ids = SafeIds::new(ids.reshape([outer, 1, inner]), count, &[]);
    let labels = ids.or(count as i64);
    let none = Tensor::full([outer, count - 1, inner], -1, (&device, labels.dtype()));
    Tensor::cat(vec![labels, none], AXIS).reshape([outer * count * inner])
}

/// The labels of multi-hot rows along the axis of layers as lists: their ids in order, then -1. A list is not
/// valid where a row holds NaN.
pub(crate) fn label_lists(rows: Tensor<3>) -> Tensor<3, Int> {
    let device = rows.device();
    let lay = ClassesLast(rows.dims());
    let rows = lay.lay(rows);
    let none = rows.dims()[1] as i64;
    let ids = Tensor::<1, Int>::arange(0..none, &device).unsqueeze_dim::<2>(0);
    let ids = ids.expand(rows.dims());
    let ids = ids.mask_fill(rows.equals(0.0), none);
    // What is no label has the largest id, so it ends up last.
    let ids = ids.mask_fill(rows.is_nan(), -2).sort(1);
    let last = ids.clone().equal_scalar(none);
    lay.back(ids.mask_fill(last, -1))
}
