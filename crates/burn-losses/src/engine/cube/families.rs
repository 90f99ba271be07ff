//! Which kernel each family of losses has.

use super::distance;
use super::of_row::OfRow;
use super::distribution::Distribution;
use super::launch::stored;
use super::named::Named;
use super::softmax::{CrossEntropy, Likelihood, Share};
use crate::engine::cube::launch::elements::Elements;
use crate::engine::cube::launch::rows::Rows;
use crate::engine::dtype::largest;
use crate::engine::elementwise::Pointwise;
use crate::spec::classes::{ClassTarget, Classes};
use crate::spec::pairs::{Pairs, Triplet};
use burn::backend::TensorMetadata;
use burn_cubecl::tensor::CubeTensor;

/// What is computed of the classes of each sample.
pub(crate) fn of_classes(call: Classes<CubeTensor>, input: CubeTensor) -> Rows<1> {
    let limit = limit(core::slice::from_ref(&input));
    let weighted = call.weights.is_some();
    let smoothing = call.label_smoothing;
    let (share, ids, probs) = match call.target {
        ClassTarget::Ids(ids, ignored) => {
            let share = match smoothing {
                0.0 => Share::One,
                smoothing => Share::Spread(smoothing),
            };
            (share, Some((ids, ignored)), None)
        }
        ClassTarget::Probs(probs, rule, tolerance) => {
            let share = Share::Own {
                rule,
                tolerance,
                spread: smoothing,
            };
            (share, None, Some(probs))
        }
    };
    let one = matches!(share, Share::One);
    Rows {
        of_row: match call.log_probs {
            Some(rule) => Named::of_row(Likelihood { rule, limit }),
            None => Named::of_row(CrossEntropy {
                share,
                weighted: weighted && !one,
                limit,
            }),
        },
        inputs: [input],
        axis: call.axis,
        ids,
        probs,
        weights: call.weights,
        all_weights: !one,
        signs: None,
    }
}

/// What is computed of each element.
pub(crate) fn of_elements<const N: usize>(
    call: Pointwise<CubeTensor>,
    inputs: [CubeTensor; N],
) -> Elements<N> {
    let mut rules = call.rules;
    // The rule of an operand that breaks it spoils the whole row.
    let distribution = call.rows.map(|rows| {
        let distribution = Distribution {
            tolerance: rows.tolerance,
            logarithms: rows.logarithms,
            rule: rules[rows.operand].take(),
        };
        (rows, distribution)
    });
    Elements {
        of_element: call.definition.on_gpu(rules, N, limit(&inputs)),
        inputs,
        flat: call.flat,
        along: call.along,
        weights: call.weights,
        distribution,
    }
}

/// What is computed of each pair of rows.
pub(crate) fn of_pairs(call: Pairs<CubeTensor>, inputs: [CubeTensor; 2]) -> Rows<2> {
    let of_row = distance::of_pair(call.pair, limit(&inputs));
    Rows {
        signs: call.signs,
        ..of_vectors(of_row, inputs)
    }
}

/// What is computed of each three rows.
pub(crate) fn of_triplets(triplet: Triplet, inputs: [CubeTensor; 3]) -> Rows<3> {
    let of_row = distance::of_triplet(triplet, limit(&inputs));
    of_vectors(of_row, inputs)
}

fn of_vectors<const N: usize>(
    of_row: Named<dyn OfRow>,
    inputs: [CubeTensor; N],
) -> Rows<N> {
    Rows {
        of_row,
        axis: inputs[0].shape().num_dims() - 1,
        inputs,
        ids: None,
        probs: None,
        weights: None,
        all_weights: false,
        signs: None,
    }
}

/// The largest size of a gradient, in the type it is stored in.
fn limit(inputs: &[CubeTensor]) -> f64 {
    let largest = inputs.iter().map(|input| largest(stored(input.dtype)));
    largest.fold(0.0, f64::max)
}
