//! A loss that acts on each element alone, from its inputs to what a call wants of it: by the sweep
//! of the backend, or else with tensor operations.

use super::definition::Definition;
use super::fused::{self, Besides, Family, PointwiseSweep};
use super::host::pointwise::Rows;
use super::ops::{self, Pointwise, Wanted};
use super::portable::{Terms, along_axis, both, pointwise, shaped, untracked, weighted, wide};
use super::real::Real;
use super::rule::Rule;
use crate::checks::is_cpu;
use crate::error::LossError;
use crate::loss::{Call, Evaluation, Losses};
use crate::target::Flat;
use crate::target::check::{Check, Found, whole_rows};
use alloc::string::String;
use alloc::vec::Vec;
use burn::tensor::{Bool, DType, Device, FloatDType, Tensor};

/// The operands of a definition that are no inputs, in this order.
#[derive(Clone, Default)]
pub(crate) struct Rest {
    /// A number for each element.
    pub(crate) flat: Option<Flat>,
    /// Numbers along an axis: one for all, or one for each class.
    pub(crate) along: Option<Along>,
}

impl Rest {
    pub(crate) fn flat(values: Flat) -> Self {
        Self {
            flat: Some(values),
            along: None,
        }
    }
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
    pub(crate) rest: Rest,
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
        let there = |is_there: bool| usize::from(is_there);
        // The rows of an operand are looked at in a sweep of their own, which gives a number for each.
        let besides = there(self.rest.flat.is_some())
            + there(self.rest.along.is_some())
            + there(self.weights.is_some())
            + there(self.rows.is_some());
        let besides = Besides {
            operands: besides,
            weighted: call.is_weighted(),
            counted: false,
        };
        let tensors = fused::tensors(inputs.each_ref(), besides);
        let swept = fused::is_there(&device, dtype, Family::Elements, tensors);
        let weights = call.weights(self.check, &shape, &device, dtype, swept)?;
        if !swept {
            let losses = self.with_tensors(inputs)?;
            return Ok(losses.answer(&call, weights, &shape, dtype));
        }

        // What would have to be read again to say what is wrong. Any other input is moved, so that its
        // gradient can take its place.
        let reads = self.check.reads();
        let mut again: [Option<Tensor<D>>; N] = [const { None }; N];
        for ((again, input), required) in again.iter_mut().zip(&inputs).zip(&self.required) {
            *again = (reads && required.is_some()).then(|| input.clone().inner());
        }
        let inner = |axis: usize| shape.as_slice()[axis + 1..].iter().product();
        let along = |Along { numbers, axis }: Along| ops::Along {
            inner: match numbers.len() {
                1 => usize::MAX,
                _ => inner(axis),
            },
            numbers,
        };
        let sweep = PointwiseSweep {
            call: Pointwise {
                definition: self.definition,
                flat: self.rest.flat.clone(),
                along: self.rest.along.clone().map(along),
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
        if reads && outcome.invalid() {
            if let Some(weights) = weights {
                weights.explain(self.check)?;
            }
            let rest = self.given(&shape.dims(), &device.without_autodiff(), dtype);
            let inputs = again.into_iter().map(|input| input.as_ref().map(untracked));
            self.valid(inputs.chain(rest.into_iter().map(Some)), dtype)?;
            return Err(self.check.unexplained());
        }
        Ok(call.evaluation(outcome.value, outcome.weight, &shape, dtype))
    }

    /// The operands after the inputs, as tensors of the inputs' shape, in the type in which inputs of the
    /// given type are computed, or in a wider one that they were given in.
    fn given<const D: usize>(
        &self,
        shape: &[usize; D],
        device: &Device,
        inputs: DType,
    ) -> Vec<Tensor<D>> {
        let dtype = wide(inputs);
        let flat = self.rest.flat.clone().map(|values| {
            let values = match values {
                Flat::Float(values) => untracked(&values),
                others => others.cast(dtype),
            };
            shaped(values, *shape)
        });
        let along = self.rest.along.as_ref();
        let along = along.map(|along| along_axis(&along.numbers, along.axis, device, dtype.into()));
        flat.into_iter().chain(along).collect()
    }

    /// The losses, computed with tensor operations.
    fn with_tensors<const D: usize, const N: usize>(
        self,
        inputs: [Tensor<D>; N],
    ) -> Result<Losses, LossError> {
        let shape = inputs[0].dims();
        let device = inputs[0].device().without_autodiff();
        let mut operands: Vec<Tensor<D>> = inputs.iter().map(untracked).collect();
        operands.extend(self.given(&shape, &device, inputs[0].dtype()));
        let valid = self.valid(operands.iter().cloned().map(Some), inputs[0].dtype())?;
        let tracked = inputs.iter().any(Tensor::is_tracked);
        let dtype = wide(inputs[0].dtype());
        let mut terms = self.terms(&operands, tracked, dtype);
        // What is made of numbers beyond `f32` may be in its range. Where values can be looked at for
        // nothing, they are.
        if dtype == FloatDType::F32 && is_cpu(&device) && terms.leave_the_range() {
            terms = self.terms(&operands, tracked, FloatDType::F64);
        }
        Ok(pointwise(F::PART, terms, valid, inputs.each_ref()))
    }

    /// The losses of operands, computed in the given type, and their slopes if they are wanted.
    fn terms<const D: usize, const N: usize>(
        &self,
        operands: &[Tensor<D>],
        tracked: bool,
        dtype: FloatDType,
    ) -> Terms<D, N> {
        let operands = core::array::from_fn(|at| operands[at].clone().cast(dtype));
        let device = operands[0].device();
        let weights = self
            .weights
            .as_ref()
            .map(|weights| along_axis(&weights.numbers, weights.axis, &device, dtype.into()));
        let definition = self.definition;
        let (value, slope) = weighted(definition.at(operands.clone()), weights.clone());
        let slopes = tracked.then(|| {
            let slope = slope();
            core::array::from_fn(|at| match (at, &weights) {
                (0, _) => slope.clone(),
                (1, _) => slope.clone().neg(),
                (_, Some(weights)) => {
                    let third = definition.third(operands.clone());
                    third.times_or_zero(weights.clone())
                }
                (_, None) => definition.third(operands.clone()),
            })
        });
        Terms { value, slopes }
    }

    /// What must hold beside inputs of the given type: an error, or where it holds if the values are not
    /// read. An operand is absent where nothing is required of it.
    fn valid<const D: usize>(
        &self,
        operands: impl Iterator<Item = Option<Tensor<D>>>,
        inputs: DType,
    ) -> Result<Option<Tensor<D, Bool>>, LossError> {
        let mut valid = None;
        let operands: Vec<_> = operands.collect();
        for (at, (operand, required)) in operands.iter().zip(&self.required).enumerate().rev() {
            let (Some(operand), Some(required)) = (operand, required) else {
                continue;
            };
            let mut holds = self.check.each_in(
                &operand.shape(),
                inputs,
                operand,
                required.rule,
                required.explain,
            )?;
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
