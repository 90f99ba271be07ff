//! The sweeps on plain slices: what is written to new memory is what is written in place, and no
//! number is left out. They are small, so that an interpreter can run them.

use super::classes::SweptTarget;
use super::kernel::Defined;
use super::numbers::{Float, Source};
use super::output::{Output, Unwritten};
use super::row_kernel::HostRows;
use super::rows::RowInputs;
use super::samples::Layout;
use super::scale::{Power, Scale};
use super::tasks::{CHUNK, ChunkSum, share};
use super::weights::BLOCK;
use super::{classes, elementwise, rows};
use crate::engine::rows::{AnyRowLoss, erase_pairs, erase_rows};
use crate::losses::regression::definitions::SquaredError;
use crate::spec::distance::{Cosine, Norm, TripletOfAngles, TripletOfNorms};
use crate::spec::margin::{ClassMargins, LabelMargins};
use crate::spec::row::RowTarget;
use crate::spec::rule::Rule;
use alloc::sync::Arc;
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
fn new<F: Float, R>(count: usize, sweep: impl FnOnce(Output<F>) -> R) -> (Vec<F>, R) {
    let mut memory = Unwritten::new(count);
    let found = sweep(memory.output());
    (memory.written(), found)
}

/// What is written in the place of an input.
fn in_place<R>(input: &[f32], sweep: impl FnOnce(Output<f32>) -> R) -> (Vec<f32>, R) {
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
                gradients: [Some(output), None, None, None],
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
#[cfg(all(feature = "std", not(miri)))]
fn few_elements_that_take_long_are_shared() {
    use std::collections::HashSet;
    use std::sync::{Condvar, Mutex};
    use std::time::Duration;

    const PATIENCE: Duration = Duration::from_secs(60);
    let workers = Mutex::new(HashSet::new());
    let came = Condvar::new();
    let work = |_: &mut (), task: usize| {
        let mut workers = workers.lock().expect("no other panics");
        workers.insert(std::thread::current().id());
        came.notify_all();
        // The first is only slow, the others wait for another thread.
        if task == 0 {
            std::thread::sleep(Duration::from_millis(1));
        } else {
            let waited = came.wait_timeout_while(workers, PATIENCE, |workers| workers.len() < 2);
            drop(waited.expect("no other panics"));
        }
        task
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build();
    let pool = pool.expect("two threads can be had");
    let results = pool.install(|| share(10, (0..10).collect(), || (), work));
    assert_eq!(results, Vec::from_iter(0..10));
    assert_eq!(workers.into_inner().expect("no other panics").len(), 2);
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
            rule: Rule::PROBABILITY,
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
                    adjustment: None,
                    z_loss: 0.0,
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

/// What a rank says of thresholds is written beside rows of any length, some at a time.
#[cfg(feature = "std")]
#[test]
fn thresholds_in_new_memory_and_in_place() {
    use super::thresholds::Thresholds;
    use crate::engine::elementwise::erase;

    let mut layouts = layouts();
    layouts.extend([(1100, 1, 1), (200, 16, 1), (3, 1100, 1)]);
    for (outer, classes, inner) in layouts {
        let layout = Layout {
            outer,
            classes,
            inner,
        };
        let x = numbers(outer * classes * inner, 3);
        let ids: Vec<i32> = (0..outer * inner)
            .map(|at| (at * 5 % (classes + 1)) as i32)
            .collect();
        let importance: Vec<f64> = (0..classes).map(|at| at as f64 + 0.5).collect();
        for until_rank in [false, true] {
            let each = erase::<_, 2, 1>(SquaredError);
            let part = each.part();
            let loss = Thresholds::new(each, importance.clone(), until_rank);
            let target = RowTarget::Rank(Source::I32(&ids), None);
            let (gradient, found) = rows(&loss, layout, [&x], target);
            assert!(!found.invalid);
            let mut sum = 0.0;
            for (at, (&x, &slope)) in x.iter().zip(&gradient).enumerate() {
                let threshold = at / inner % classes;
                let rank = ids[at / (classes * inner) * inner + at % inner] as usize;
                let level = if threshold < rank { 1.0 } else { 0.0 };
                let counts = !until_rank || threshold <= rank;
                let factor = if counts { importance[threshold] } else { 0.0 };
                let error = f64::from(x - level);
                sum += factor * error * error * part;
                let expected = factor * 2.0 * error * part;
                assert!((f64::from(slope) - expected).abs() < 1e-6 * factor.max(1.0));
            }
            assert!((found.sum - sum).abs() < 1e-5 * sum, "{found:?} {layout:?}");
        }
    }
}

/// Computes rows of some inputs, of which the first may be overwritten.
fn rows<const N: usize>(
    loss: &dyn HostRows<N>,
    layout: Layout,
    inputs: [&[f32]; N],
    target: RowTarget<Source>,
) -> (Vec<f32>, ChunkSum) {
    let sweep = |first: Option<Source>, output: Output<f32>| {
        let mut sources = inputs.map(|input| Some(Source::F32(input)));
        sources[0] = first;
        let mut gradients = [const { None }; N];
        gradients[0] = Some(output);
        let reads = RowInputs {
            inputs: sources,
            layout,
            target: target.clone(),
            samples: None,
        };
        rows::sweep(loss, &reads, None, gradients, PLAIN)
    };
    let count = inputs[0].len();
    let (gradient, found) = new(count, |output| sweep(Some(Source::F32(inputs[0])), output));
    let (same, _) = in_place(inputs[0], |output| sweep(None, output));
    assert_eq!(gradient, same);
    assert!(gradient.iter().any(|number| *number != 0.0));
    (gradient, found)
}

#[test]
fn vectors_in_new_memory_and_in_place() {
    let layout = Layout {
        outer: 7,
        classes: 19,
        inner: 1,
    };
    let count = layout.samples() * layout.classes;
    let [a, b, c] = [4, 5, 6].map(|seed| numbers(count, seed));
    let norms = TripletOfNorms::<true, 2>::new(1.0, false, 2.0, 1e-6);
    let of_three = [
        erase_rows(norms),
        erase_rows(TripletOfNorms::<true, 3>::new(1.0, true, 2.0, 1e-6)),
        erase_rows(TripletOfNorms::<false, 3>::new(1.0, false, 3.0, 1e-6)),
        erase_rows(TripletOfAngles::new(1.0, false, 1e-8)),
        erase_rows(TripletOfAngles::new(1.0, true, 1e-8)),
    ];
    for loss in of_three {
        let (_, found) = rows(loss.on_host(), layout, [&a, &b, &c], RowTarget::Nothing);
        assert!(found.sum > 0.0);
    }
    let norm = Norm::<true> { p: 2.0, eps: 0.0 };
    for loss in [erase_rows(norm), erase_rows(Cosine::itself(1e-8))] {
        let (_, found) = rows(loss.on_host(), layout, [&a, &b], RowTarget::Nothing);
        assert!(found.sum.is_finite());
    }
    let signs: Vec<i32> = (0..7).map(|at| 1 - 2 * (at % 2)).collect();
    let signs = RowTarget::Numbers(Source::I32(&signs), Rule::SIGNS);
    let embedding = erase_rows(Cosine::embedding(-0.5));
    let (_, found) = rows(embedding.on_host(), layout, [&a, &b], signs);
    assert!(found.sum.is_finite() && !found.invalid);
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
        let of = |loss: Arc<dyn AnyRowLoss<1>>, target: RowTarget<Source>| {
            let (gradient, found) = rows(loss.on_host(), layout, [&x], target);
            assert!(found.sum > 0.0 && !found.invalid, "{found:?} {layout:?}");
            sums_to_0(&gradient, layout);
            (gradient, found.sum)
        };
        let class = |weights| RowTarget::Class(Source::I32(&ids), weights);
        let squares = ClassMargins::<true> { margin: 1.0 };
        of(erase_rows(squares), class(Some(vec![0.5; classes])));
        // A class is a single label.
        let one = of(
            erase_rows(ClassMargins::<false> { margin: 1.0 }),
            class(None),
        );
        let several = of(
            erase_pairs(LabelMargins),
            RowTarget::Labels(Source::I32(&labels)),
        );
        assert_eq!(one.0, several.0);
        assert!((one.1 - several.1).abs() < 1e-9);
    }
}

/// The errors times their slopes are the losses, and the gradient is that of a softmax.
#[cfg(feature = "std")]
#[test]
fn lovasz_in_new_memory_and_in_place() {
    use super::overlap::{OverlapInputs, extension};
    use crate::spec::overlap::{Activation, Overlap, OverlapTarget};

    const IGNORED: i32 = 1;
    for (outer, classes, inner) in layouts() {
        let layout = Layout {
            outer,
            classes,
            inner,
        };
        let pixels = layout.samples();
        let x = numbers(pixels * classes, 3);
        let ids: Vec<i32> = (0..pixels).map(|at| (at * 7 % classes) as i32).collect();
        for samples in [1, outer] {
            let reads = |input| OverlapInputs {
                input,
                layout,
                samples,
                activation: Activation::Softmax,
                overlap: Overlap::Product,
                target: OverlapTarget::Ids(Source::I32(&ids), vec![IGNORED.into()]),
                beside: None,
            };
            let source = Some(Source::F32(&x));
            let found = extension::losses::<f32>(&reads(source), true);
            let alone = extension::losses::<f32>(&reads(source), false);
            assert!(!found.invalid && found.sums == alone.sums);

            // There is no gradient of every other sample, nor of a class in three.
            let of_loss = |at: usize| ((at / classes + 1) % 2 * (at % classes % 3)) as f64;
            let of_losses: Vec<f64> = (0..samples * classes).map(of_loss).collect();
            let sweep = |input, output: Output<f32>| {
                extension::gradient(&reads(input), &found.slopes, &of_losses, output);
            };
            let (gradient, ()) = new(x.len(), |output| sweep(source, output));
            let (same, ()) = in_place(&x, |output| sweep(None, output));
            assert_eq!(gradient, same);

            // The losses, and how many pixels are of each class.
            let mut sums = vec![0.0; 2 * samples * classes];
            let of_sample = pixels / samples;
            for (pixel, &id) in ids.iter().enumerate() {
                let lines = pixel / of_sample * classes..(pixel / of_sample + 1) * classes;
                let of_loss = &of_losses[lines.clone()];
                let place = |class: usize| {
                    let block = pixel / inner * classes + class;
                    block * inner + pixel % inner
                };
                let slope = |class: usize| {
                    let line = lines.start + class;
                    f64::from(found.slopes[line * of_sample + pixel % of_sample])
                };
                let exp = |class: usize| f64::from(x[place(class)]).exp();
                let all: f64 = (0..classes).map(exp).sum();
                let counts = id != IGNORED;
                let prob = |class: usize| if counts { exp(class) / all } else { 0.0 };
                let of_class = |class: usize| of_loss[class] * slope(class);
                let mean: f64 = (0..classes)
                    .map(|class| prob(class) * of_class(class))
                    .sum();
                for class in 0..classes {
                    let is_true = counts && id as usize == class;
                    let level = if is_true { 1.0 } else { 0.0 };
                    sums[lines.start + class] += slope(class) * (prob(class) - level);
                    sums[samples * classes + lines.start + class] += level;
                    let expected = prob(class) * (of_class(class) - mean);
                    let difference = f64::from(gradient[place(class)]) - expected;
                    assert!(difference.abs() < 1e-5, "{difference} {layout:?}");
                }
            }
            for (found, expected) in found.sums.iter().zip(&sums) {
                assert!((found - expected).abs() < 1e-5, "{found} {layout:?}");
            }
        }
    }
}
