//! A loss that acts on each element alone, from its inputs to what a call wants of it: by the sweep
//! of the backend, or else with tensor operations.

use super::definition::Definition;
use super::fused::{self, Family, PointwiseSweep};
use super::host::pointwise::Rows;
use super::ops::{Pointwise, Pull, Wanted};
use super::portable::{along_axis, both, pointwise, shaped, untracked, weighted, wide};
use super::real::Real;
use super::rule::Rule;
use crate::error::LossError;
use crate::loss::{Call, Evaluation, Losses};
use crate::target::Flat;
use crate::target::check::{Check, Found, whole_rows};
use alloc::string::String;
use alloc::vec::Vec;
use burn::tensor::{Bool, Device, FloatDType, Tensor};

/// An operand of a definition that is not an input.
#[derive(Clone)]
#[allow(clippy::large_enum_variant)] // There are one or two of them in a call.
pub(crate) enum Operand {
    /// A number for each element.
    Flat(Flat),
    /// Numbers along an axis: one for all, or one for each class.
    Along(Along),
}

/// Numbers along an axis.
#[derive(Clone)]
pub(crate) struct Along {
    pub(crate) numbers: Vec<f64>,
    pub(crate) axis: usize,
}

/// What must hold for an operand, and what to say where it does not.
pub(crate) struct Required<'a> {
    pub(crate) rule: Rule,
    pub(crate) explain: &'a dyn Fn(&Found) -> String,
}

/// What must hold for the rows of an operand along an axis: they sum to 1.
pub(crate) struct RequiredRows<'a> {
    pub(crate) operand: usize,
    pub(crate) axis: usize,
    pub(crate) tolerance: f64,
    /// The operand holds logarithms.
    pub(crate) logarithms: bool,
    pub(crate) explain: &'a dyn Fn(&Found) -> String,
}

/// A call of such a loss. It has `N` inputs, and `K` operands with them.
pub(crate) struct Loss<'a, F, const K: usize> {
    pub(crate) check: &'a Check,
    pub(crate) definition: F,
    /// The operands after the inputs.
    pub(crate) rest: Vec<Operand>,
    /// What must hold for the operands; the last one is looked at first.
    pub(crate) required: [Option<Required<'a>>; K],
    pub(crate) rows: Option<RequiredRows<'a>>,
    /// The weights of the classes.
    pub(crate) weights: Option<Along>,
}

impl<F: Definition<K>, const K: usize> Loss<'_, F, K> {
    /// Evaluates the loss of inputs whose shapes and types have been checked.
    pub(crate) fn evaluate<const D: usize, const N: usize>(
        self,
        inputs: [Tensor<D>; N],
        mut call: Call,
    ) -> Result<Evaluation, LossError> {
        let shape = inputs[0].shape();
        let dtype = inputs[0].dtype();
        let device = inputs[0].device();
        if shape.num_elements() == 0 {
            return Evaluation::empty(self.check, call, shape, &inputs.each_ref());
        }
        let swept = fused::is_there(&device, dtype, Family::Elements);
        let weights = call.weights(self.check, &shape, &device, dtype, swept)?;
        if !swept {
            let losses = self.with_tensors(inputs)?;
            return Ok(losses.answer(&call, weights, &shape, dtype));
        }

        // What would have to be read again to say what is wrong. An input without a rule is moved,
        // so that its gradient can take its place.
        let mut again: [Option<Tensor<D>>; N] = [const { None }; N];
        for ((again, input), required) in again.iter_mut().zip(&inputs).zip(&self.required) {
            *again = required.is_some().then(|| input.clone().inner());
        }
        let in_wide = wide(dtype);
        let inner = |axis: usize| shape.as_slice()[axis + 1..].iter().product();
        let along = |Along { numbers, axis }: Along| Pull::Along {
            inner: match numbers.len() {
                1 => usize::MAX,
                _ => inner(axis),
            },
            numbers,
        };
        let rest = self.rest.iter().cloned().map(|operand| match operand {
            Operand::Flat(values) => Pull::Tensor(values),
            Operand::Along(numbers) => along(numbers),
        });
        let sweep = PointwiseSweep {
            call: Pointwise {
                definition: self.definition,
                rest: rest.collect(),
                rules: self
                    .required
                    .each_ref()
                    .map(|required| required.as_ref().map(|required| required.rule)),
                rows: self.rows.as_ref().map(|rows| Rows {
                    operand: rows.operand,
                    length: shape[rows.axis],
                    inner: inner(rows.axis),
                    tolerance: rows.tolerance,
                    logarithms: rows.logarithms,
                }),
                weights: self.weights.clone().map(along),
            },
            wish: call.wish(&weights, shape[0]),
        };
        let kept = match call.wanted {
            Wanted::Each => inputs[0].dims(),
            _ => [1; D],
        };
        let outcome = fused::run(inputs, sweep, kept);
        if self.check.reads() && outcome.invalid() {
            if let Some(weights) = weights {
                weights.explain(self.check)?;
            }
            let rest = self.rest_of(&shape.dims(), &device.without_autodiff(), in_wide);
            let operands = again.into_iter().chain(rest.into_iter().map(Some));
            self.valid(operands.map(|operand| operand.map(|operand| operand.cast(in_wide))))?;
            return Err(self.check.unexplained());
        }
        Ok(call.evaluation(outcome.value, outcome.weight, &shape, dtype))
    }

    /// The operands after the inputs, as tensors of the inputs' shape.
    fn rest_of<const D: usize>(
        &self,
        shape: &[usize; D],
        device: &Device,
        dtype: FloatDType,
    ) -> Vec<Tensor<D>> {
        let tensor = |operand: &Operand| match operand.clone() {
            Operand::Flat(values) => shaped(values.cast(dtype), *shape),
            Operand::Along(Along { numbers, axis }) => {
                along_axis(&numbers, axis, device, dtype.into())
            }
        };
        self.rest.iter().map(tensor).collect()
    }

    /// The losses, computed with tensor operations.
    fn with_tensors<const D: usize, const N: usize>(
        self,
        inputs: [Tensor<D>; N],
    ) -> Result<Losses, LossError> {
        let shape = inputs[0].dims();
        let device = inputs[0].device().without_autodiff();
        let dtype = wide(inputs[0].dtype());
        let mut operands: Vec<Tensor<D>> = inputs
            .iter()
            .map(|input| untracked(input).cast(dtype))
            .collect();
        operands.extend(self.rest_of(&shape, &device, dtype));
        let valid = self.valid(operands.iter().cloned().map(Some))?;
        let Ok(operands) = <[_; K]>::try_from(operands) else {
            unreachable!("the inputs and the rest are all operands")
        };
        let weights = self
            .weights
            .map(|Along { numbers, axis }| along_axis(&numbers, axis, &device, dtype.into()));
        let definition = self.definition;
        let (value, slope) = weighted(definition.at(operands.clone()), weights.clone());
        let slopes = || {
            let slope = slope();
            let of_third = || {
                let third = definition.third(operands);
                match weights {
                    Some(weights) => third.times_or_zero(weights),
                    None => third,
                }
            };
            let mut of_third = Some(of_third);
            core::array::from_fn(|at| match at {
                0 => slope.clone(),
                1 => slope.clone().neg(),
                _ => of_third.take().expect("there is one third input")(),
            })
        };
        Ok(pointwise(value, slopes, valid, inputs.each_ref()))
    }

    /// What must hold: an error, or where it holds if the values are not read. An operand is absent
    /// where nothing is required of it.
    fn valid<const D: usize>(
        &self,
        operands: impl Iterator<Item = Option<Tensor<D>>>,
    ) -> Result<Option<Tensor<D, Bool>>, LossError> {
        let mut valid = None;
        let operands: Vec<_> = operands.collect();
        for (at, (operand, required)) in operands.iter().zip(&self.required).enumerate().rev() {
            let (Some(operand), Some(required)) = (operand, required) else {
                continue;
            };
            let mut holds = self.check.each(operand, required.rule, required.explain)?;
            if let Some(rows) = self.rows.as_ref().filter(|rows| rows.operand == at) {
                let sums = self.check.rows_sum_to_one(
                    operand,
                    rows.axis,
                    rows.tolerance,
                    rows.logarithms,
                    rows.explain,
                )?;
                let shape = operand.dims();
                holds = whole_rows(holds, sums, rows.axis).map(|valid| valid.expand(shape));
            }
            valid = both(valid, holds);
        }
        Ok(valid)
    }
}
