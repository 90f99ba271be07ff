//! Losses over the margins between the classes of a sample: the checks of their targets, and how they
//! are computed with tensor operations.

use super::classes::SafeIds;
use crate::error::{LossError, LossErrorKind};
use crate::kernels::any_rank::{AnyRank, layers};
use crate::kernels::fused::{self, Family, MarginSweep};
use crate::kernels::margin::{MultiMargin, half_gap, margin_term};
use crate::kernels::ops::{MarginTarget, Margins};
use crate::kernels::portable::{AXIS, along_axis, flat, or_nan, untracked};
use crate::kernels::real::Real;
use crate::loss::{Call, Evaluation, Graph, Losses, without};
use crate::target::check::{Check, integers, unravel};
use crate::target::{Flat, Target};
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use burn::tensor::{Bool, DType, Device, Int, Shape, Tensor};

/// Evaluates such a loss, whose target is of a shape that fits the logits.
pub(super) fn evaluate(
    check: &Check,
    axis: usize,
    logits: AnyRank,
    target: MarginTarget<Tensor<1, Int>>,
    mut call: Call,
) -> Result<Evaluation, LossError> {
    let (device, dtype) = (logits.device(), logits.dtype());
    let of_logits = logits.shape();
    let shape = without(&of_logits, axis);
    if logits.is_empty() {
        return Evaluation::empty(check, call, shape, &[logits]);
    }
    let swept = fused::is_there(&device, dtype, Family::Margins, 0);
    let weights = call.weights(check, &shape, &device, dtype, swept)?;
    if !swept {
        let losses = with_tensors(check, axis, &logits, target)?;
        return Ok(losses.answer(&call, weights, &shape, dtype));
    }

    let sweep = MarginSweep {
        call: Margins {
            axis,
            target: target.clone().map(Flat::Int),
        },
        wish: call.wish(&weights, of_logits[0]),
    };
    let kept = call.kept(&of_logits, axis);
    let outcome = fused::run([logits], sweep, kept);
    if check.reads() && outcome.invalid() {
        if let Some(weights) = weights {
            weights.explain(check)?;
        }
        valid(&target, check, axis, &of_logits)?;
        return Err(check.unexplained());
    }
    Ok(call.evaluation(outcome.value, outcome.weight, &shape, dtype))
}

/// Whether the values were read, and found valid, beside logits of the given shape.
fn valid(
    target: &MarginTarget<Tensor<1, Int>>,
    check: &Check,
    axis: usize,
    shape: &Shape,
) -> Result<bool, LossError> {
    match target {
        MarginTarget::Class(ids, _) => {
            check.class_ids(ids, &without(shape, axis), shape[axis], None)
        }
        MarginTarget::Labels(ids) => label_ids(check, ids, shape, axis),
    }
}

/// The losses, computed with tensor operations.
fn with_tensors(
    check: &Check,
    axis: usize,
    logits: &AnyRank,
    target: MarginTarget<Tensor<1, Int>>,
) -> Result<Losses, LossError> {
    let shape = logits.shape();
    let checked = valid(&target, check, axis, &shape)?;
    let layers = layers(&shape, axis);
    let kept = [layers[0], 1, layers[2]];
    let x = untracked(logits).layers(layers);
    let (value, slope, valid) = match target {
        MarginTarget::Class(ids, one) => one_class(x, ids.reshape(kept), &one),
        MarginTarget::Labels(ids) => {
            let rows = Rows(layers);
            let ids = rows.lay(ids.reshape(layers));
            let (value, slope, valid) = several_labels(rows.lay(x), ids);
            (rows.back(value), rows.back(slope), rows.back(valid))
        }
    };
    let valid = (!checked).then_some(valid);
    let gradient = logits.is_tracked().then(|| {
        let valid = valid.clone().map(|valid| valid.expand(layers));
        (logits.clone(), or_nan(slope * PART, &valid))
    });
    Ok(Losses {
        values: flat(or_nan(value, &valid)),
        part: PART,
        weights: None,
        batch: shape[0],
        graph: Graph::new(logits, kept, Vec::from_iter(gradient)),
    })
}

/// The losses are computed in halves.
const PART: f64 = 0.5;

/// Half of the losses, with the class axis at length 1, their slopes, and which samples are valid.
type Terms<const D: usize> = (Tensor<D>, Tensor<D>, Tensor<D, Bool>);

fn one_class(x: Tensor<3>, ids: Tensor<3, Int>, one: &MultiMargin) -> Terms<3> {
    let (device, dtype) = (x.device(), x.dtype());
    let count = x.dims()[AXIS];
    let found = SafeIds::new(ids, count, &[]);
    let hot = found.one_hot(AXIS, count, &device, dtype);
    let is_class = hot.equals(1.0);
    // Not multiplied by the one-hot row: zero times infinity would be NaN.
    let cold = is_class.clone().bool_not();
    let label = x.clone().mask_fill(cold, 0.0).sum_dim(AXIS);
    let (value, slope) = margin_term(half_gap(x, label, one.margin), one.p, 1.0 / count as f64);
    let value = value.set(is_class.clone(), 0.0).sum_dim(AXIS);
    let slope = slope().set(is_class.clone(), 0.0);
    let all = slope.clone().sum_dim(AXIS).expand(slope.dims());
    let slope = slope.replace(is_class, -all);
    let Some(weights) = &one.weights else {
        return (value, slope, found.valid());
    };
    let weights = along_axis(weights, &device, dtype);
    let factor = (hot * weights).sum_dim(AXIS);
    (
        value.times_or_zero(factor.clone()),
        slope.times_or_zero(factor),
        found.valid(),
    )
}

/// Samples of these layers as rows, with the classes along the last axis, and back.
struct Rows([usize; 3]);

impl Rows {
    fn lay<K>(&self, tensor: Tensor<3, K>) -> Tensor<2, K>
    where
        K: burn::tensor::kind::Basic + burn::tensor::kind::Autodiff,
    {
        let [outer, classes, inner] = self.0;
        tensor.swap_dims(1, 2).reshape([outer * inner, classes])
    }

    /// Rows of any length become layers.
    fn back<K>(&self, rows: Tensor<2, K>) -> Tensor<3, K>
    where
        K: burn::tensor::kind::Basic + burn::tensor::kind::Autodiff,
    {
        let ([outer, _, inner], [_, length]) = (self.0, rows.dims());
        rows.reshape([outer, inner, length]).swap_dims(1, 2)
    }
}

/// How many numbers a tensor of all labels against all classes may have at a time.
const AT_A_TIME: usize = 1 << 22;

/// The slots of rows of label ids, some at a time, so that one-hot rows of all of them fit into memory.
fn slots(ids: &Tensor<2, Int>) -> impl Iterator<Item = Tensor<2, Int>> + '_ {
    let [rows, classes] = ids.dims();
    let width = (AT_A_TIME / (rows * classes)).clamp(1, classes);
    (0..classes)
        .step_by(width)
        .map(move |start| ids.clone().narrow(1, start, width.min(classes - start)))
}

/// The one-hot row of each id: `[rows, slots]` become `[rows, slots, classes]`. That of an id that is no
/// class is 0.
fn hot_slots(ids: Tensor<2, Int>, classes: usize, device: &Device, dtype: DType) -> Tensor<3> {
    let ids: Tensor<3, Int> = ids.unsqueeze_dim(2);
    SafeIds::new(ids, classes, &[]).one_hot(2, classes, device, dtype)
}

/// How often each class is among the labels of a row.
fn counts(ids: &Tensor<2, Int>, device: &Device, dtype: DType) -> Tensor<2> {
    let classes = ids.dims()[1];
    let parts = slots(ids).map(|ids| {
        let hot = hot_slots(ids, classes, device, dtype);
        hot.sum_dim(1).squeeze_dim::<2>(1)
    });
    let sum = parts.reduce(|sum, part| sum + part);
    sum.expect("there are classes")
}

fn several_labels(x: Tensor<2>, ids: Tensor<2, Int>) -> Terms<2> {
    let (device, dtype) = (x.device(), x.dtype());
    let [rows, classes] = x.dims();
    let counts = counts(&ids, &device, dtype);
    let valid = valid_rows(&ids, &counts);
    let is_label: Tensor<3, Bool> = counts.above(0.0).unsqueeze_dim(1);
    let each: Tensor<3> = x.unsqueeze_dim(1);
    let mut value = Tensor::zeros([rows, 1], (&device, dtype));
    let mut slopes = Tensor::zeros([rows, classes], (&device, dtype));
    for ids in slots(&ids) {
        let hot = hot_slots(ids, classes, &device, dtype);
        let shape = hot.dims();
        let is_hot = hot.equals(1.0);
        let all = each.clone().expand(shape);
        let label = all
            .clone()
            .mask_fill(is_hot.clone().bool_not(), 0.0)
            .sum_dim(2);
        let absent = hot.clone().sum_dim(2).equals(0.0).expand(shape);
        let out = absent.bool_or(is_label.clone().expand(shape));
        let (terms, slope) = margin_term(half_gap(all, label, 1.0), 1, 1.0 / classes as f64);
        let terms = terms.set(out.clone(), 0.0).sum_dim(2).sum_dim(1);
        let slope = slope().set(out, 0.0);
        let of_labels = hot * slope.clone().sum_dim(2);
        value = value + terms.squeeze_dim::<2>(2);
        slopes = slopes + (slope - of_labels).sum_dim(1).squeeze_dim::<2>(1);
    }
    (value, slopes, valid)
}

/// Which rows are lists of labels: each id a class, none twice, and nothing after a -1.
fn valid_rows(ids: &Tensor<2, Int>, counts: &Tensor<2>) -> Tensor<2, Bool> {
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

/// Checks lists of labels, flattened from a tensor of the given shape, where values are read; says whether they
/// were.
fn label_ids(
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
            let hint = match id == classes as i128 && !all.contains(&0) {
                true => " Are the ids 1-based? Subtract 1.",
                false => "",
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
            let hint = match all.iter().all(|id| (0..=1).contains(id)) {
                true => {
                    "These look like multi-hot rows: use MultiLabelSoftMarginLoss, or convert them \
                     with `target::label_ids`."
                }
                false => "A row lists each label once.",
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

/// Class ids of samples of these layers as lists of a single label, flattened; an id that is no class stays one
/// that is none.
pub(super) fn single_labels(ids: Tensor<1, Int>, layers: [usize; 3]) -> Tensor<1, Int> {
    let [outer, count, inner] = layers;
    let device = ids.device();
    let ids = SafeIds::new(ids.reshape([outer, 1, inner]), count, &[]);
    let labels = ids.or(count as i64);
    let none = Tensor::full([outer, count - 1, inner], -1, (&device, labels.dtype()));
    Tensor::cat(vec![labels, none], AXIS).reshape([outer * count * inner])
}

/// Lists of labels along an axis as multi-hot rows. Where values are not read, the row of a list that is not
/// valid is NaN.
pub(crate) fn multi_hot_rows(
    check: &Check,
    ids: Target,
    axis: usize,
    dtype: DType,
) -> Result<Tensor<3>, LossError> {
    let device = ids.device.without_autodiff();
    let (ids, shape) = (ids.values.integers(), ids.shape);
    let checked = label_ids(check, &ids, &shape, axis)?;
    let layers = layers(&shape, axis);
    let rows = Rows(layers);
    let ids = rows.lay(ids.reshape(layers));
    let counts = counts(&ids, &device, dtype);
    let shape = counts.dims();
    let valid = (!checked).then(|| valid_rows(&ids, &counts).expand(shape));
    Ok(rows.back(or_nan(counts, &valid)))
}

/// The labels of multi-hot rows along the axis of layers as lists: their ids in order, then -1. A list is not
/// valid where a row holds NaN.
pub(crate) fn label_lists(rows: Tensor<3>) -> Tensor<3, Int> {
    let device = rows.device();
    let lay = Rows(rows.dims());
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
