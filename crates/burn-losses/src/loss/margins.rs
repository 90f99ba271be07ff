//! Losses over the margins between the classes of a sample: the checks of their targets, and how they
//! are computed with tensor operations.

use super::call::{Call, LossOutput};
use super::front::Front;
use crate::engine::any_rank::AnyRank;
use crate::engine::dispatch::{Family, RunMargins};
use crate::engine::portable::ids::{ClassesLast, SafeIds, counts, hot_slots, slots, valid_rows};
use crate::engine::portable::reduce::{Graph, Losses};
use crate::engine::portable::tensors::{AXIS, along_axis, flat, or_nan, untracked};
use crate::engine::shape::{layers, without};
use crate::engine::values::FlatValues;
use crate::real::Real;
use crate::spec::margin::{MarginSpec, MarginTarget, MultiMargin, half_gap, margin_term};
use crate::validate::check::Check;
use crate::validate::error::LossError;
use crate::validate::label_ids::label_ids;
use alloc::vec::Vec;
use burn::tensor::{Bool, Int, Shape, Tensor};

/// Evaluates such a loss, whose target is of a shape that fits the logits.
pub(crate) fn evaluate(
    check: &Check,
    axis: usize,
    logits: AnyRank,
    target: MarginTarget<Tensor<1, Int>>,
    call: Call,
) -> Result<LossOutput, LossError> {
    let of_logits = logits.shape();
    let (family, operands) = match &target {
        MarginTarget::Class(_, options) => {
            (Family::Rows, 1 + usize::from(options.weights.is_some()))
        }
        MarginTarget::Labels(_) => (Family::Labels, 1),
    };
    let front = Front {
        check,
        family,
        axis: Some(axis),
        operands,
        counted: false,
    };
    front.evaluate(
        [logits],
        call,
        |[logits]| with_tensors(check, axis, logits, target.clone()),
        |request| RunMargins {
            call: MarginSpec {
                axis,
                target: target.clone().map(FlatValues::Int),
            },
            request,
        },
        || valid(&target, check, axis, &of_logits).map(|_| ()),
    )
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
    let keepdim_shape = [layers[0], 1, layers[2]];
    let x = untracked(logits).layers(layers);
    let (value, slope, valid) = match target {
        MarginTarget::Class(ids, one) => one_class(x, ids.reshape(keepdim_shape), &one),
        MarginTarget::Labels(ids) => {
            let rows = ClassesLast(layers);
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
        graph: Graph::new(logits, keepdim_shape, Vec::from_iter(gradient)),
    })
}

/// The losses are computed in halves.
const PART: f64 = 0.5;

/// Half of the losses, with the class axis at length 1, their slopes, and which samples are valid.
type MarginTerms<const D: usize> = (Tensor<D>, Tensor<D>, Tensor<D, Bool>);

fn one_class(x: Tensor<3>, ids: Tensor<3, Int>, one: &MultiMargin) -> MarginTerms<3> {
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

fn several_labels(x: Tensor<2>, ids: Tensor<2, Int>) -> MarginTerms<2> {
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
