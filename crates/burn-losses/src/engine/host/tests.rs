//! The sweeps on plain slices: what is written to new memory is what is written in place, and no
//! number is left out. They are small, so that an interpreter can run them.

use super::classes::{Layout, SweptTarget};
use super::kernel::Defined;
use super::numbers::{Float, Source};
use super::output::{Output, Unwritten};
use super::scale::{Power, Scale};
use super::tasks::{CHUNK, ChunkSum};
use super::weights::BLOCK;
use super::{classes, distance, elementwise, margins};
use crate::losses::regression::definitions::SquaredError;
use crate::spec::margin::MultiMargin;
use crate::spec::norm::DistanceKind;
use crate::spec::pairs::{Pair, Triplet};
use crate::spec::rule::Rule;
use alloc::vec;
use alloc::vec::Vec;

const PLAIN: Scale = Scale {
    losses: 1.0,
    weights: Power::ONE,
    gradient: 1.0,
};

fn numbers(count: usize, seed: usize) -> Vec<f32> {
    let number = |at: usize| ((at * 7919 + seed * 104_729) % 1009) as f32 / 500.0 - 1.0;
    (0..count).map(number).collect()
}

/// What is written to new memory.
fn new<F: Float>(count: usize, sweep: impl FnOnce(Output<F>) -> ChunkSum) -> (Vec<F>, ChunkSum) {
    let mut memory = Unwritten::new(count);
    let found = sweep(memory.output());
    (memory.written(), found)
}

/// What is written in the place of an input.
fn in_place(input: &[f32], sweep: impl FnOnce(Output<f32>) -> ChunkSum) -> (Vec<f32>, ChunkSum) {
    let mut memory = input.to_vec();
    let found = sweep(Output::in_place(&mut memory));
    (memory, found)
}

#[test]
fn pointwise_in_new_memory_and_in_place() {
    for count in [1, 7, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 3] {
        let (x, y) = (numbers(count, 1), numbers(count, 2));
        let sweep = |first: Option<Source>, output: Output<f32>| {
            let reads = elementwise::ElementwiseInputs {
                operands: vec![first, Some(Source::F32(&y))],
                rules: &[None, Some(Rule::between(-9.0, 9.0))],
                rows: None,
                weights: None,
                samples: None,
            };
            let writes = elementwise::Writes {
                losses: None,
                gradients: [Some(output), None, None],
            };
            elementwise::sweep(&Defined(SquaredError), count, &reads, writes, PLAIN)
        };
        let (gradient, found) = new(count, |output| sweep(Some(Source::F32(&x)), output));
        let (same, _) = in_place(&x, |output| sweep(None, output));
        assert_eq!(gradient, same);
        let expected: f64 = x
            .iter()
            .zip(&y)
            .map(|(x, y)| f64::from((x - y) * (x - y)))
            .sum();
        assert!((found.sum - expected).abs() < 1e-5 * expected && !found.invalid);
        for ((gradient, x), y) in gradient.iter().zip(&x).zip(&y) {
            assert_eq!(*gradient, 2.0 * (x - y));
        }
    }
}

#[test]
fn classes_in_new_memory_and_in_place() {
    for (outer, classes, inner) in layouts() {
        let layout = Layout {
            outer,
            classes,
            inner,
        };
        let x = numbers(outer * classes * inner, 3);
        let probs = vec![1.0 / classes as f32; x.len()];
        let ids: Vec<i32> = (0..outer * inner)
            .map(|at| (at * 5 % classes) as i32)
            .collect();
        let ids = SweptTarget::Ids {
            ids: Source::I32(&ids),
            ignored: &[1],
        };
        let probs = SweptTarget::Probs {
            probs: Source::F32(&probs),
            rule: Rule::LABEL,
            tolerance: 1e-3,
        };
        let likelihood = Some(Rule::between(-9.0, 9.0));
        for (target, log_probs, label_smoothing) in [
            (ids, None, 0.0),
            (ids, None, 0.1),
            (ids, likelihood, 0.0),
            (probs, None, 0.0),
        ] {
            let sweep = |input: Option<Source>, output: Output<f32>| {
                let reads = classes::ClassInputs {
                    input,
                    layout,
                    target,
                    log_probs,
                    weights: None,
                    weights_count: true,
                    label_smoothing,
                    head: None,
                    samples: None,
                };
                classes::sweep(&reads, None, Some(output), PLAIN)
            };
            let (gradient, found) = new(x.len(), |output| sweep(Some(Source::F32(&x)), output));
            let (same, _) = in_place(&x, |output| sweep(None, output));
            assert_eq!(gradient, same);
            assert!(found.sum.is_finite() && !found.invalid);
            // It does with a softmax.
            if log_probs.is_none() {
                sums_to_0(&gradient, layout);
            }
        }
    }
}

/// The gradient of each sample does.
fn sums_to_0(gradient: &[f32], layout: Layout) {
    let Layout { classes, inner, .. } = layout;
    for block in gradient.chunks(classes * inner) {
        for sample in 0..inner {
            let of_sample = block.iter().skip(sample).step_by(inner);
            let sum: f32 = of_sample.sum();
            assert!(sum.abs() < 1e-5, "{sum} {layout:?}");
        }
    }
}

/// Few adjacent classes and many, and classes apart: in blocks, and, where that does not take an interpreter too long, in
/// one that is too large to be gone through as a whole.
fn layouts() -> Vec<(usize, usize, usize)> {
    let mut layouts = vec![(3, 5, 1), (70, 3, 1), (2, 130, 1), (2, 3, 19), (1, 4, 3)];
    if !cfg!(miri) {
        layouts.push((2, 5, 4 * CHUNK / 5 + 1));
    }
    layouts
}

#[test]
fn distances_in_new_memory_and_in_place() {
    let (rows, length) = (5, 19);
    let count = rows * length;
    let inputs = [numbers(count, 4), numbers(count, 5), numbers(count, 6)];
    let norm = DistanceKind::Norm { p: 2.0, eps: 1e-6 };
    let cosine = DistanceKind::Cosine { eps: 1e-8 };
    for (swap, kind) in [(false, norm), (true, norm), (false, cosine), (true, cosine)] {
        let triplet = Triplet {
            margin: 1.0,
            swap,
            kind,
        };
        let sweep = |anchor: Option<Source>, output: Output<f32>| {
            let reads = distance::VectorInputs {
                inputs: [
                    anchor,
                    Some(Source::F32(&inputs[1])),
                    Some(Source::F32(&inputs[2])),
                ],
                rows,
                length,
                samples: None,
            };
            distance::sweep(triplet, &reads, None, [Some(output), None, None], PLAIN)
        };
        let (gradient, found) = new(count, |output| sweep(Some(Source::F32(&inputs[0])), output));
        let (same, _) = in_place(&inputs[0], |output| sweep(None, output));
        assert_eq!(gradient, same);
        assert!(found.sum > 0.0 && gradient.iter().any(|number| *number != 0.0));
    }
}

#[test]
fn pairs_in_new_memory_and_in_place() {
    let (rows, length) = (7, 19);
    let count = rows * length;
    let inputs = [numbers(count, 4), numbers(count, 5)];
    let signs: Vec<i32> = (0..rows)
        .map(|at| if at % 2 == 0 { 1 } else { -1 })
        .collect();
    let norm = Pair::Norm { p: 2.0, eps: 0.0 };
    let embedding = Pair::Embedding { margin: -0.5 };
    for pair in [norm, Pair::Cosine { eps: 1e-8 }, embedding] {
        let sweep = |first: Option<Source>, output: Output<f32>| {
            let reads = distance::VectorInputs {
                inputs: [first, Some(Source::F32(&inputs[1]))],
                rows,
                length,
                samples: None,
            };
            let signs = Some(Source::I32(&signs));
            distance::pairs(pair, &reads, signs, None, [Some(output), None], PLAIN)
        };
        let (gradient, found) = new(count, |output| sweep(Some(Source::F32(&inputs[0])), output));
        let (same, _) = in_place(&inputs[0], |output| sweep(None, output));
        assert_eq!(gradient, same);
        assert!(found.sum.is_finite() && gradient.iter().any(|number| *number != 0.0));
    }
}

#[test]
fn margins_in_new_memory_and_in_place() {
    for (outer, classes, inner) in layouts() {
        let layout = Layout {
            outer,
            classes,
            inner,
        };
        let count = outer * classes * inner;
        let x = numbers(count, 3);
        // Each sample's only label is class 1.
        let labels: Vec<i32> = (0..count)
            .map(|at| if at / inner % classes == 0 { 1 } else { -1 })
            .collect();
        let ids = vec![1; outer * inner];
        let square = MultiMargin {
            margin: 1.0,
            p: 2,
            weights: Some(vec![0.5; classes]),
        };
        let plain = MultiMargin {
            p: 1,
            weights: None,
            ..square.clone()
        };
        let of = |one: Option<&MultiMargin>| {
            let sweep = |input: Option<Source>, output: Output<f32>| {
                let reads = margins::MarginInputs {
                    input,
                    layout,
                    ids: Source::I32(if one.is_some() { &ids } else { &labels }),
                    one,
                    samples: None,
                };
                margins::sweep(&reads, None, Some(output), PLAIN)
            };
            let (gradient, found) = new(count, |output| sweep(Some(Source::F32(&x)), output));
            let (same, _) = in_place(&x, |output| sweep(None, output));
            assert_eq!(gradient, same);
            assert!(found.sum > 0.0 && !found.invalid, "{found:?} {layout:?}");
            sums_to_0(&gradient, layout);
            (gradient, found.sum)
        };
        of(Some(&square));
        // A class is a single label.
        let (one, several) = (of(Some(&plain)), of(None));
        assert_eq!(one.0, several.0);
        assert!((one.1 - several.1).abs() < 1e-9);
    }
}
