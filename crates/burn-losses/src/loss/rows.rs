//! Losses of rows: the checks of what rows have besides their elements, and how they are computed.

use super::call::{Call, LossOutput};
use super::front::Front;
use crate::engine::any_rank::AnyRank;
use crate::engine::dispatch;
use crate::engine::dispatch::{ExtraOperands, RunRows};
use crate::engine::dtype::compute_dtype;
use crate::engine::host::scale::about_one;
use crate::engine::portable::elementwise::TensorTerms;
use crate::engine::portable::ids::SafeIds;
use crate::engine::portable::reduce::{Graph, Losses};
use crate::engine::portable::tensors::{
    AXIS, along_axis, as_function_of, both, flat, or_nan, shaped,
};
use crate::engine::rows::{RowSpec, TensorRow, have_labels};
use crate::engine::shape::{layers, without};
use crate::engine::values::FlatValues;
use crate::real::Real;
use crate::spec::request::{Request, Returns};
use crate::spec::row::RowTarget;
use crate::spec::rule::Rule;
use crate::validate::check::{Check, Violation};
use crate::validate::error::LossError;
use crate::validate::label_ids::label_ids;
use crate::validate::rank_ids::rank_ids;
use crate::validate::signs::no_sign;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use burn::tensor::{Bool, DType, FloatDType, Shape, Tensor};

/// What to say of an element of an operand that breaks its rule.
pub(crate) type Explain<'a> = &'a dyn Fn(usize, &Violation) -> String;

/// Evaluates such a loss, of inputs of one shape, and with what fits that.
pub(crate) fn evaluate<const N: usize>(
    check: &Check,
    spec: RowSpec<FlatValues, N>,
    inputs: [AnyRank; N],
    call: Call,
) -> Result<LossOutput, LossError> {
    let unruled: Explain = &|_, _| unreachable!("there is no rule for elements");
    evaluate_ruled(check, spec, inputs, call, unruled)
}

/// As [`evaluate`], of a loss that has rules for the elements of its operands.
pub(crate) fn evaluate_ruled<const N: usize>(
    check: &Check,
    spec: RowSpec<FlatValues, N>,
    inputs: [AnyRank; N],
    call: Call,
    explain: Explain,
) -> Result<LossOutput, LossError> {
    evaluate_whole(check, spec, inputs, call, explain, &|| Ok(()))
}

/// As [`evaluate_ruled`], of a loss that has rules for whole rows: `whole` looks at their values again, and says what is
/// wrong.
pub(crate) fn evaluate_whole<const N: usize>(
    check: &Check,
    spec: RowSpec<FlatValues, N>,
    inputs: [AnyRank; N],
    call: Call,
    explain: Explain,
    whole: &dyn Fn() -> Result<(), LossError>,
) -> Result<LossOutput, LossError> {
    let (of_inputs, axis) = (inputs[0].shape(), spec.axis);
    let front = Front {
        check,
        axis: Some(axis),
        operands: operands(&spec.target),
        counted: matches!(spec.target, RowTarget::Rank(_, Some(_))),
        on_gpus: spec.loss.has_gpu_kernel(),
        is_known: dispatch::is_known(&inputs[0].device(), &*spec.loss),
    };
    let (target, dtype) = (spec.target.clone(), inputs[0].dtype());
    let rules = spec.loss.rules();
    // What would have to be read again to say what is wrong.
    let mut again: [Option<AnyRank>; N] = [const { None }; N];
    for ((again, input), rule) in again.iter_mut().zip(&inputs).zip(&rules) {
        let kept = check.reads() && rule.is_some();
        *again = kept.then(|| input.clone().inner());
    }
    front.evaluate(
        inputs,
        call,
        |inputs| {
            let elements = inputs.each_ref().map(|input| Some(input.clone().inner()));
            let ruled = ruled(check, elements, &rules, axis, explain)?;
            let wholes = if check.reads() {
                whole()?;
                None
            } else {
                let wide = compute_dtype(dtype);
                let layers = layers(&of_inputs, axis);
                let of_rows = |input: &AnyRank| input.clone().inner().cast(wide).layers(layers);
                spec.loss.rows_hold(&inputs.each_ref().map(of_rows))
            };
            with_tensors(check, &spec, inputs, both(ruled, wholes))
        },
        |request| RunRows {
            call: spec.clone(),
            request,
        },
        || {
            ruled(check, again, &rules, axis, explain)?;
            whole()?;
            valid(check, &target, (&of_inputs, axis), dtype).map(|_| ())
        },
    )
}

/// In which rows the elements keep their rules, where they are not read; or what is wrong.
fn ruled<const N: usize>(
    check: &Check,
    elements: [Option<AnyRank>; N],
    rules: &[Option<Rule>; N],
    axis: usize,
    explain: Explain,
) -> Result<Option<Tensor<3, Bool>>, LossError> {
    let mut valid = None;
    for (at, (input, rule)) in elements.into_iter().zip(rules).enumerate() {
        let (Some(input), Some(rule)) = (input, rule) else {
            continue;
        };
        let (shape, dtype) = (input.shape(), input.dtype());
        let layers = input
            .cast(compute_dtype(dtype))
            .layers(layers(&shape, axis));
        let explain = |found: &Violation| explain(at, found);
        let holds = check.each_in(&shape, dtype, &layers, *rule, explain)?;
        let broken = holds.map(|holds| holds.bool_not().int().sum_dim(AXIS));
        valid = both(valid, broken.map(|broken| broken.equal_elem(0)));
    }
    Ok(valid)
}

/// How many tensors are read besides the inputs.
fn operands<P>(target: &RowTarget<P>) -> usize {
    match target {
        RowTarget::Nothing => 0,
        RowTarget::Numbers(..) | RowTarget::Class(_, None) | RowTarget::Rank(..) => 1,
        // A GPU notes which classes are labels.
        RowTarget::Class(_, Some(_)) | RowTarget::Labels(_) => 2,
    }
}

/// Whether the values were read, and found valid, beside inputs of the given shape, with rows along an axis, and type.
fn valid(
    check: &Check,
    target: &RowTarget<FlatValues>,
    (shape, axis): (&Shape, usize),
    dtype: DType,
) -> Result<bool, LossError> {
    let rows = without(shape, axis);
    match target.clone() {
        RowTarget::Nothing => Ok(true),
        RowTarget::Numbers(numbers, rule) => {
            let numbers = numbers.cast(compute_dtype(dtype));
            let broken = check.each_in(&rows, dtype, &numbers, rule, |found| match rule {
                Rule::SIGNS => no_sign(found),
                rule => no_number(found, rule),
            })?;
            Ok(broken.is_none())
        }
        RowTarget::Class(ids, _) => check.class_ids(&ids.integers(), &rows, shape[axis], None),
        RowTarget::Rank(ids, _) => rank_ids(check, &ids.integers(), &rows, shape[axis]),
        RowTarget::Labels(ids) => label_ids(check, &ids.integers(), shape, axis),
    }
}

/// What to say of a number of a row that is not what it must be.
fn no_number(found: &Violation, rule: Rule) -> String {
    format!(
        "target {} at index {:?} must be {}.",
        found.shown(),
        found.index,
        rule.in_words()
    )
}

/// What rows have besides their elements, for tensor operations.
struct RowTensors {
    row: TensorRow,
    /// Which rows have something valid.
    valid: Option<Tensor<3, Bool>>,
    /// What the loss of each row is multiplied by, divided by `size`.
    weight: Option<Tensor<3>>,
    size: f64,
    /// How much each row counts where losses are averaged.
    counts: Option<Tensor<3>>,
}

impl RowTensors {
    /// Beside the layers of an input.
    fn new(target: RowTarget<FlatValues>, x: &Tensor<3>) -> Self {
        let [outer, length, inner] = x.dims();
        let (device, dtype) = (x.device(), x.dtype());
        let rows = [outer, 1, inner];
        let mut counts = None;
        let mut size = 1.0;
        let (row, valid, weight) = match target {
            RowTarget::Nothing => (TensorRow::Nothing, None, None),
            RowTarget::Numbers(numbers, rule) => {
                let numbers = shaped(numbers.cast(FloatDType::from(dtype)), rows);
                let valid = rule.holds(&numbers);
                (TensorRow::Number(numbers), Some(valid), None)
            }
            RowTarget::Class(ids, weights) => {
                let found = SafeIds::new(ids.integers().reshape(rows), length, &[]);
                let hot = found.one_hot(AXIS, length, &device, dtype);
                let weight = weights.map(|mut weights| {
                    size = about_one(&mut weights);
                    (hot.clone() * along_axis(&weights, &device, dtype)).sum_dim(AXIS)
                });
                (
                    TensorRow::Class(hot.equals(1.0)),
                    Some(found.valid()),
                    weight,
                )
            }
            RowTarget::Rank(ids, of_ranks) => {
                let found = SafeIds::new(ids.integers().reshape(rows), length + 1, &[]);
                let valid = found.valid();
                counts = of_ranks.map(|of_ranks| {
                    let hot = found.one_hot(AXIS, length + 1, &device, dtype);
                    (hot * along_axis(&of_ranks, &device, dtype)).sum_dim(AXIS)
                });
                let ranks = found.or(0).cast(FloatDType::from(dtype));
                (TensorRow::Number(ranks), Some(valid), None)
            }
            RowTarget::Labels(ids) => {
                let ids = ids.integers().reshape([outer, length, inner]);
                let valid = have_labels(ids.clone(), x);
                (TensorRow::Labels(ids), Some(valid), None)
            }
        };
        Self {
            row,
            valid,
            weight,
            size,
            counts,
        }
    }
}

/// The losses, computed with tensor operations.
fn with_tensors<const N: usize>(
    check: &Check,
    spec: &RowSpec<FlatValues, N>,
    inputs: &[AnyRank; N],
    ruled: Option<Tensor<3, Bool>>,
) -> Result<Losses, LossError> {
    let (shape, dtype) = (inputs[0].shape(), inputs[0].dtype());
    let checked = valid(check, &spec.target, (&shape, spec.axis), dtype)?;
    let (x, terms, of_rows) = terms(spec, inputs);
    let valid = both(of_rows.valid.filter(|_| !checked), ruled);
    let weigh = |tensor: Tensor<3>| match &of_rows.weight {
        Some(weight) => {
            let shape = tensor.dims();
            tensor.times_or_zero(weight.clone().expand(shape))
        }
        None => tensor,
    };
    let part = spec.loss.part();
    let gradients = inputs.iter().cloned().zip(terms.slopes);
    let gradients = gradients.filter(|(input, _)| input.is_tracked());
    let gradients = gradients.map(|(input, slope)| {
        let valid = valid.clone().map(|valid| valid.expand(x));
        (input, or_nan(weigh(slope) * part, &valid))
    });
    let gradients = gradients.collect();
    let keepdim_shape = terms.value.dims();
    Ok(Losses {
        values: flat(or_nan(weigh(terms.value), &valid)),
        part: part / of_rows.size,
        weights: of_rows.counts.map(flat),
        batch: shape[0],
        graph: Graph::new(&inputs[0], keepdim_shape, gradients),
    })
}

/// The losses of rows and their derivatives, outside of the autodiff graph, in the type in which those of the first
/// input are computed; the layers they are of, and what the rows have.
fn terms<const N: usize>(
    spec: &RowSpec<FlatValues, N>,
    inputs: &[AnyRank; N],
) -> ([usize; 3], TensorTerms, RowTensors) {
    let wide = compute_dtype(inputs[0].dtype());
    let layers = layers(&inputs[0].shape(), spec.axis);
    let x = inputs
        .each_ref()
        .map(|input| input.clone().inner().cast(wide).layers(layers));
    let of_rows = RowTensors::new(spec.target.clone(), &x[0]);
    let terms = spec.loss.on_tensors(x, of_rows.row.clone());
    (layers, terms, of_rows)
}

/// What is computed of rows that have nothing else, flattened, as a function of the inputs.
pub(crate) fn function<const N: usize>(
    spec: RowSpec<FlatValues, N>,
    inputs: [AnyRank; N],
) -> Tensor<1> {
    let (shape, dtype) = (inputs[0].shape(), inputs[0].dtype());
    if inputs[0].is_empty() {
        let [outer, length, inner] = layers(&shape, spec.axis);
        let device = inputs[0].device().without_autodiff();
        let place = (&device, compute_dtype(dtype).into());
        let none = |shape: [usize; 3]| Tensor::zeros(shape, place);
        let gradients = inputs
            .iter()
            .map(|input| (input, none([outer, length, inner])));
        let gradients: Vec<_> = gradients.collect();
        return as_function_of(none([outer, 1, inner]), &gradients);
    }
    let besides = ExtraOperands {
        each: true,
        ..ExtraOperands::default()
    };
    let tensors = dispatch::tensors(&inputs, besides);
    let device = inputs[0].device();
    let is_known = dispatch::is_known(&device, &*spec.loss);
    if !is_known || !dispatch::is_there(&device, dtype, tensors) {
        let (_, terms, _) = terms(&spec, &inputs);
        let gradients: Vec<_> = inputs.iter().zip(terms.slopes).collect();
        return as_function_of(terms.value, &gradients);
    }
    let mut keepdim_shape = shape.clone();
    keepdim_shape[spec.axis] = 1;
    let run = RunRows {
        call: spec,
        request: Request {
            returns: Returns::Unreduced,
            samples: None,
            batch: shape[0],
            terms: 1,
            total: None,
        },
    };
    dispatch::run(inputs, run, keepdim_shape).value.cast(dtype)
}
