//! Which kernel each family of losses has.

use super::distribution::Distribution;
use super::kernel_key::KernelKey;
use super::launch::stored;
use super::softmax::{CrossEntropyRow, LikelihoodRow, TargetShare};
use crate::engine::cube::launch::elements::ElementLaunch;
use crate::engine::cube::launch::pairs::{PairLaunch, pairs};
use crate::engine::cube::launch::rows::{RowLaunch, RowOperands, rows};
use crate::engine::dtype::largest;
use crate::engine::elementwise::ElementwiseSpec;
use crate::engine::ops::KernelOutput;
use crate::engine::rows::{GpuRows, RowSpec};
use crate::engine::softmax::ClassSpec;
use crate::spec::classes::IdsOrProbs;
use crate::spec::request::Request;
use crate::spec::row::RowTarget;
use alloc::vec::Vec;
use burn_cubecl::tensor::CubeTensor;

/// What is computed of the classes of each sample.
pub(crate) fn of_classes(call: ClassSpec<CubeTensor>, input: CubeTensor) -> RowLaunch<1> {
    let limit = limit(core::slice::from_ref(&input));
    let weighted = call.weights.is_some();
    let smoothing = call.label_smoothing;
    let (share, ids, probs) = match call.target {
        IdsOrProbs::Ids(ids, ignored) => {
            let share = match smoothing {
                0.0 => TargetShare::One,
                smoothing => TargetShare::Spread(smoothing),
            };
            (share, Some((ids, ignored)), None)
        }
        IdsOrProbs::Probs(probs, rule, tolerance) => {
            let share = TargetShare::Own {
                rule,
                tolerance,
                spread: smoothing,
            };
            (share, None, Some(probs))
        }
    };
    let one = matches!(share, TargetShare::One);
    RowLaunch {
        of_row: match (call.log_probs, call.head) {
            (Some(rule), _) => KernelKey::of_row(LikelihoodRow { rule, limit }),
            (None, Some(head)) => head.on_gpu(limit),
            (None, None) => KernelKey::of_row(CrossEntropyRow {
                share,
                weighted: weighted && !one,
                limit,
            }),
        },
        inputs: [input],
        axis: call.axis,
        besides: RowOperands {
            ids,
            probs,
            weights: call.weights,
            weights_count: call.weights_count,
            all_weights: !one,
            signs: None,
        },
    }
}

/// What is computed of each element.
pub(crate) fn of_elements<const N: usize>(
    call: ElementwiseSpec<CubeTensor>,
    inputs: [CubeTensor; N],
) -> ElementLaunch<N> {
    let mut rules = call.rules;
    // The rule of an operand that breaks it poisons the whole row.
    let distribution = call.rows.map(|rows| {
        let distribution = Distribution {
            tolerance: rows.tolerance,
            logarithms: rows.logarithms,
            rule: rules[rows.operand].take(),
        };
        (rows, distribution)
    });
    ElementLaunch {
        of_element: call.definition.on_gpu(rules, N, limit(&inputs)),
        inputs,
        flat: call.flat,
        along: call.along,
        weights: call.weights,
        distribution,
    }
}

/// What is computed of rows.
pub(crate) fn of_rows<const N: usize>(
    call: RowSpec<CubeTensor, N>,
    inputs: [CubeTensor; N],
    request: Request<CubeTensor>,
    gradients: [bool; N],
) -> KernelOutput<CubeTensor, N> {
    let axis = call.axis;
    let of_row = match (call.loss.on_gpu(limit(&inputs)), &call.target) {
        (GpuRows::Elements(of_row), _) => of_row,
        (GpuRows::Pairs(of_pair), RowTarget::Labels(ids)) => {
            let launch = PairLaunch {
                of_pair,
                inputs,
                axis,
                ids: ids.clone(),
            };
            return pairs(launch, request, gradients);
        }
        (GpuRows::Pairs(_), _) => unreachable!("pairs are of labels and other classes"),
    };
    let besides = match call.target {
        RowTarget::Nothing | RowTarget::Labels(_) => RowOperands::default(),
        RowTarget::Rank(..) => unreachable!("losses of ranks have no kernel of rows"),
        RowTarget::Numbers(signs, _) => RowOperands {
            signs: Some(signs),
            ..RowOperands::default()
        },
        RowTarget::Class(ids, weights) => RowOperands {
            ids: Some((ids, Vec::new())),
            weights,
            ..RowOperands::default()
        },
    };
    let launch = RowLaunch {
        of_row,
        inputs,
        axis,
        besides,
    };
    rows(launch, request, gradients)
}

/// The largest size of a gradient, in the type it is stored in.
fn limit(inputs: &[CubeTensor]) -> f64 {
    let largest = inputs.iter().map(|input| largest(stored(input.dtype)));
    largest.fold(0.0, f64::max)
}
