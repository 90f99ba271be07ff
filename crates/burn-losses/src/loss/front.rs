//! From checked inputs to what a call wants: by the sweep of the backend, or else with tensor operations. All families
//! come here.

use super::call::{Call, LossOutput};
use crate::engine::any_rank::AnyRank;
use crate::engine::device::is_cpu;
use crate::engine::dispatch;
use crate::engine::dispatch::{ExtraOperands, Run};
use crate::engine::portable::reduce::Losses;
use crate::engine::portable::tensors::share_of;
use crate::engine::shape::without;
use crate::engine::values::FlatValues;
use crate::spec::request::Request;
use crate::validate::check::Check;
use crate::validate::error::LossError;

/// What is to be known of a loss before it is computed.
pub(crate) struct Front<'a> {
    pub(crate) check: &'a Check,
    /// The axis along which a loss is computed; without one, each element has its own.
    pub(crate) axis: Option<usize>,
    /// How many tensors are read besides the inputs and the weights of the call.
    pub(crate) operands: usize,
    /// How much each loss counts must be found out for another reason than these weights.
    pub(crate) counted: bool,
    /// There is a kernel of it for GPUs.
    pub(crate) on_gpus: bool,
    /// Whoever computes it [knows](dispatch::is_known) it.
    pub(crate) is_known: bool,
}

impl Front<'_> {
    /// Evaluates a loss of inputs whose shapes and types have been checked: by `tensors`, or by what is to `run`.
    /// Where that finds a rule broken, `explain` looks at the values again and says which.
    pub(crate) fn evaluate<R: Run<N>, const N: usize>(
        self,
        inputs: [AnyRank; N],
        mut call: Call,
        tensors: impl FnOnce(&[AnyRank; N]) -> Result<Losses, LossError>,
        run: impl FnOnce(Request<FlatValues>) -> R,
        explain: impl FnOnce() -> Result<(), LossError>,
    ) -> Result<LossOutput, LossError> {
        let (device, dtype) = (inputs[0].device(), inputs[0].dtype());
        let of_input = inputs[0].shape();
        let shape = match self.axis {
            Some(axis) => without(&of_input, axis),
            None => of_input.clone(),
        };
        if inputs[0].is_empty() {
            return LossOutput::empty(self.check, call, shape, &inputs);
        }
        let besides = ExtraOperands {
            operands: self.operands,
            weighted: call.is_weighted(),
            counted: self.counted,
            each: call.is_unreduced(),
        };
        let bound = dispatch::tensors(&inputs, besides);
        let swept = dispatch::is_there(&device, dtype, bound)
            && self.is_known
            && (self.on_gpus || dispatch::is_in_memory(&device));
        let weights = call.weights(self.check, &shape, &device, dtype, swept)?;
        let total = call.total(self.check, &device, dtype)?;
        if !swept {
            let losses = tensors(&inputs)?;
            return Ok(call.answer(losses, weights, total, &shape, dtype));
        }
        // A number that the host can have for nothing is divided by in the sweep; what is on an accelerator stays there.
        let (in_sweep, after) = match total {
            Some(total) if is_cpu(&device) => (Some(AnyRank::from(total).values()[0]), None),
            total => (None, total),
        };
        let run = run(call.request(&weights, of_input[0], in_sweep));
        let keepdim_shape = call.keepdim_shape(&of_input, self.axis);
        let output = dispatch::run(inputs, run, keepdim_shape);
        if self.check.reads() && output.is_invalid() {
            if let Some(weights) = weights {
                weights.explain(self.check)?;
            }
            explain()?;
            return Err(self.check.unexplained());
        }
        let value = match after {
            Some(total) => {
                let total = total.cast(output.value.dtype());
                share_of(output.value, total)
            }
            None => output.value,
        };
        Ok(call.evaluation(value, output.weight, &shape, dtype))
    }
}
