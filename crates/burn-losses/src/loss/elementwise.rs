//! A loss that acts on each element alone, from its inputs to what a call wants of it: by the sweep
//! of the backend, or else with tensor operations.

use super::call::{Call, LossOutput};
use super::front::Front;
use crate::engine::any_rank::AnyRank;
use crate::engine::device::is_cpu;
use crate::engine::dispatch;
use crate::engine::dispatch::RunElementwise;
use crate::engine::dtype::compute_dtype;
use crate::engine::elementwise::{AnyElementwise, ElementwiseSpec, erase};
use crate::engine::host::scale::about_one;
use crate::engine::portable::elementwise::{TensorTerms, elementwise};
use crate::engine::portable::reduce::Losses;
use crate::engine::portable::tensors::{along_axis, both, untracked};
use crate::engine::shape::layers;
use crate::engine::values::FlatValues;
use crate::spec::elementwise::Elementwise;
use crate::spec::operand::PerClass;
use crate::spec::rule::{Rule, UnitRows};
use crate::validate::check::{Check, Violation, whole_rows};
use crate::validate::error::LossError;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use burn::tensor::{Bool, DType, Device, FloatDType, Shape, Tensor};

/// The operands of a definition that are no inputs, in this order.
#[derive(Clone, Default)]
pub(crate) struct OtherOperands {
    /// A number for each element.
    pub(crate) flat: Option<FlatValues>,
    /// Numbers along an axis: one for all, or one for each class.
    pub(crate) along: Option<PerClass>,
}

impl OtherOperands {
    pub(crate) fn flat(values: FlatValues) -> Self {
        Self {
            flat: Some(values),
            along: None,
        }
    }
}

/// What must hold for an operand, and what to say where it does not.
pub(crate) struct Required<'a> {
    pub(crate) rule: Rule,
    pub(crate) explain: &'a dyn Fn(&Violation) -> String,
}

/// What must hold for the rows of an operand along an axis: they sum to 1.
pub(crate) struct RequiredRows<'a> {
    pub(crate) operand: usize,
    pub(crate) axis: usize,
    pub(crate) tolerance: f64,
    /// The operand holds logarithms.
    pub(crate) logarithms: bool,
    pub(crate) explain: &'a dyn Fn(&Violation) -> String,
}

/// A call of such a loss.
pub(crate) struct ElementwiseCall<'a> {
    pub(crate) check: &'a Check,
    pub(crate) definition: Arc<dyn AnyElementwise>,
    /// The operands after the inputs.
    pub(crate) rest: OtherOperands,
    /// What must hold for the operands; the last one is looked at first.
    pub(crate) required: Vec<Option<Required<'a>>>,
    pub(crate) rows: Option<RequiredRows<'a>>,
    /// The weights of the classes.
    pub(crate) weights: Option<PerClass>,
}

impl<'a> ElementwiseCall<'a> {
    /// A loss of what it is given, and nothing besides.
    pub(crate) fn new<D: Elementwise<K, S>, const K: usize, const S: usize>(
        check: &'a Check,
        definition: D,
        rest: OtherOperands,
        required: [Option<Required<'a>>; K],
    ) -> Self {
        Self::erased(check, erase(definition), rest, required)
    }

    /// As [`new`](Self::new), by a definition without its type.
    pub(crate) fn erased<const K: usize>(
        check: &'a Check,
        definition: Arc<dyn AnyElementwise>,
        rest: OtherOperands,
        required: [Option<Required<'a>>; K],
    ) -> Self {
        Self {
            check,
            definition,
            rest,
            required: required.into(),
            rows: None,
            weights: None,
        }
    }

    /// Evaluates the loss of inputs whose shapes and types have been checked.
    pub(crate) fn evaluate<const N: usize>(
        self,
        inputs: [AnyRank; N],
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let (shape, dtype) = (inputs[0].shape(), inputs[0].dtype());
        let device = inputs[0].device();
        let there = |is_there: bool| usize::from(is_there);
        let front = Front {
            check: self.check,
            axis: None,
            // The rows of an operand are looked at in a sweep of their own, which gives a number for each.
            operands: there(self.rest.flat.is_some())
                + there(self.rest.along.is_some())
                + there(self.weights.is_some())
                + there(self.rows.is_some()),
            counted: false,
            on_gpus: true,
            is_known: dispatch::is_known(&device, &*self.definition),
        };
        // What would have to be read again to say what is wrong. Any other input is moved, so that its
        // gradient can take its place.
        let mut again: [Option<AnyRank>; N] = [const { None }; N];
        for ((again, input), required) in again.iter_mut().zip(&inputs).zip(&self.required) {
            let kept = self.check.reads() && required.is_some();
            *again = kept.then(|| input.clone().inner());
        }
        front.evaluate(
            inputs,
            call,
            |inputs| self.with_tensors(inputs),
            |request| RunElementwise {
                call: self.sweep(&shape),
                request,
            },
            || self.explain(again, &shape, &device, dtype),
        )
    }

    /// The call of a sweep over inputs of a shape.
    fn sweep(&self, shape: &Shape) -> ElementwiseSpec<FlatValues> {
        ElementwiseSpec {
            definition: self.definition.clone(),
            flat: self.rest.flat.clone(),
            along: self.rest.along.clone(),
            rules: self.rules(),
            rows: self.rows.as_ref().map(|rows| UnitRows {
                operand: rows.operand,
                length: shape[rows.axis],
                inner: layers(shape, rows.axis)[2],
                tolerance: rows.tolerance,
                logarithms: rows.logarithms,
            }),
            weights: self.weights.clone(),
        }
    }

    fn rules(&self) -> Vec<Option<Rule>> {
        let rule = |required: &Option<Required>| required.as_ref().map(|required| required.rule);
        self.required.iter().map(rule).collect()
    }

    /// What is wrong, of values that are looked at again.
    #[cold]
    #[inline(never)]
    fn explain<const N: usize>(
        &self,
        again: [Option<AnyRank>; N],
        shape: &Shape,
        device: &Device,
        dtype: DType,
    ) -> Result<(), LossError> {
        let layers = self.layers(shape);
        let rest = self.given(layers, &device.clone().without_autodiff(), dtype);
        let again = again.into_iter();
        let inputs = again.map(|input| Some(untracked(&input?).layers(layers)));
        let operands = inputs.chain(rest.into_iter().map(Some)).collect::<Vec<_>>();
        self.valid(&operands, shape, dtype).map(|_| ())
    }

    /// The elements of a shape as layers around the axis of the classes, if there is one.
    fn layers(&self, shape: &Shape) -> [usize; 3] {
        let mut along = self.rest.along.iter().chain(&self.weights);
        match (&self.rows, along.find(|along| along.varies())) {
            (Some(rows), _) => layers(shape, rows.axis),
            (None, Some(PerClass { numbers, inner })) => {
                let outer = shape.num_elements() / (numbers.len() * inner);
                [outer, numbers.len(), *inner]
            }
            (None, None) => [1, shape.num_elements(), 1],
        }
    }

    /// The operands after the inputs, in the type in which inputs of the given type are computed, or in a
    /// wider one that they were given in.
    fn given(&self, layers: [usize; 3], device: &Device, inputs: DType) -> Vec<Tensor<3>> {
        let dtype = compute_dtype(inputs);
        let flat = self.rest.flat.clone().map(|values| {
            let values = match values {
                FlatValues::Float(values) => {
                    let wide = compute_dtype(values.dtype());
                    values.inner().cast(wide)
                }
                others => others.cast(dtype),
            };
            values.reshape(layers)
        });
        let along = self.rest.along.as_ref();
        let along = along.map(|along| along_axis(&along.numbers, device, dtype.into()));
        flat.into_iter().chain(along).collect()
    }

    /// The losses, computed with tensor operations.
    fn with_tensors(&self, inputs: &[AnyRank]) -> Result<Losses, LossError> {
        let shape = inputs[0].shape();
        let layers = self.layers(&shape);
        let device = inputs[0].device().without_autodiff();
        let of_input = |input: &AnyRank| untracked(input).layers(layers);
        let mut operands: Vec<Tensor<3>> = inputs.iter().map(of_input).collect();
        operands.extend(self.given(layers, &device, inputs[0].dtype()));
        let all: Vec<_> = operands.iter().cloned().map(Some).collect();
        let valid = self.valid(&all, &shape, inputs[0].dtype())?;
        let derivatives = if inputs.iter().any(AnyRank::is_tracked) {
            inputs.len()
        } else {
            0
        };
        let dtype = compute_dtype(inputs[0].dtype());
        let mut weights = self.weights.as_ref().map(|of| of.numbers.clone());
        let size = weights.as_deref_mut().map_or(1.0, about_one);
        let weights = weights.as_deref();
        let mut terms = self.terms((&operands, weights), derivatives, dtype);
        // What is made of numbers beyond `f32` may be in its range. Where values can be looked at for
        // nothing, they are.
        if dtype == FloatDType::F32 && is_cpu(&device) && terms.leave_the_range() {
            terms = self.terms((&operands, weights), derivatives, FloatDType::F64);
        }
        let part = self.definition.part() / size;
        Ok(elementwise(part, terms, valid, inputs))
    }

    /// The losses of operands times weights of their classes, computed in the given type, and so many of their derivatives.
    fn terms(
        &self,
        (operands, weights): (&[Tensor<3>], Option<&[f64]>),
        derivatives: usize,
        dtype: FloatDType,
    ) -> TensorTerms {
        let device = operands[0].device();
        let weights = weights.map(|weights| along_axis(weights, &device, dtype.into()));
        let operands: Vec<_> = operands.iter().map(|x| x.clone().cast(dtype)).collect();
        self.definition.on_tensors(&operands, weights, derivatives)
    }

    /// What must hold beside inputs of the given shape and type: an error, or where it holds if the values
    /// are not read. An operand is absent where nothing is required of it.
    fn valid(
        &self,
        operands: &[Option<Tensor<3>>],
        shape: &Shape,
        inputs: DType,
    ) -> Result<Option<Tensor<3, Bool>>, LossError> {
        let mut valid = None;
        for (at, (operand, required)) in operands.iter().zip(&self.required).enumerate().rev() {
            let (Some(operand), Some(required)) = (operand, required) else {
                continue;
            };
            let mut holds =
                self.check
                    .each_in(shape, inputs, operand, required.rule, required.explain)?;
            if let Some(rows) = self.rows.as_ref().filter(|rows| rows.operand == at) {
                let sums = self.check.rows_sum_to_one(
                    operand,
                    (shape, rows.axis),
                    rows.tolerance,
                    rows.logarithms,
                    rows.explain,
                )?;
                let layers = operand.dims();
                holds = whole_rows(holds, sums).map(|valid| valid.expand(layers));
            }
            valid = both(valid, holds);
        }
        Ok(valid)
    }
}
