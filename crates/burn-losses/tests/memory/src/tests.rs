//! The sweeps through [`memory`], which vouches that they write all of their outputs, in every way that
//! differs in memory.
//!
//! An output that is compared is read, so the interpreter sees what nobody wrote. Under the address
//! sanitizer new memory is full of NaN, and what is left of it is not the number that is written in place.

use crate::engine::elementwise::{ElementwiseSpec, erase};
use crate::engine::host::memory::{self, Memory};
use crate::engine::ops::KernelOutput;
use crate::engine::rows::{AnyRowLoss, RowSpec, erase_pairs, erase_rows};
use crate::engine::softmax::{ClassSpec, erase_head};
use crate::losses::classification::HalfLikelihood;
use crate::losses::regression::definitions::{ScaledError, SquaredError};
use crate::plain::{Numbers, Plain};
use crate::spec::classes::IdsOrProbs;
use crate::spec::distance::{Cosine, Norm, TripletOfAngles, TripletOfNorms};
use crate::spec::margin::{ClassMargins, LabelMargins};
use crate::spec::norm::DistanceKind;
use crate::spec::operand::PerClass;
use crate::spec::reduction::Reduction;
use crate::spec::request::{Request, Returns};
use crate::spec::row::RowTarget;
use crate::spec::rule::{Rule, UnitRows};
use burn::backend::TensorMetadata;
use burn::tensor::{DType, bf16, f16};
use std::sync::Arc;

/// Where an input lies.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    /// In memory that nobody else has: a gradient may take it.
    Alone,
    /// In memory that somebody else has, too.
    Shared,
    /// In another order, so it is copied first.
    OutOfOrder,
}

/// In how many ways a sweep is run.
struct Ways {
    /// How many threads there are; or 0 where the input is too small to be shared among threads.
    threads: &'static [usize],
    returns: &'static [Returns],
    places: &'static [Place],
    weighted: &'static [bool],
    /// Some of the gradients are returns, too, and none.
    some: bool,
}

const MEAN: Returns = Returns::Reduced(Reduction::Mean);

/// An interpreter takes a millisecond for an element, so there are fewer ways.
const EVERY: Ways = match cfg!(miri) {
    true => Ways {
        returns: &[Returns::Unreduced],
        weighted: &[true],
        ..ALL
    },
    false => ALL,
};
const ALL: Ways = Ways {
    threads: &[0],
    returns: &[Returns::Unreduced, MEAN, Returns::SumAndWeight],
    places: &[Place::Shared, Place::Alone, Place::OutOfOrder],
    weighted: &[false, true],
    some: true,
};
/// For inputs that are large enough to be shared among threads.
const THREADS: Ways = Ways {
    threads: &[1, 3],
    returns: EVERY.returns,
    places: &[Place::Shared, Place::Alone],
    weighted: &[true],
    some: false,
};
/// For those of the benchmarks.
const LARGE: Ways = Ways {
    threads: &[1, 2],
    returns: &[Returns::Unreduced, MEAN],
    ..THREADS
};

/// Runs a sweep of `count` losses in all these ways: the numbers are the same.
fn compare<const N: usize>(
    ways: &Ways,
    count: usize,
    inputs: [Plain; N],
    sweep: impl Fn([Plain; N], Request<Plain>, [bool; N]) -> KernelOutput<Plain, N> + Sync,
) {
    let all = (1u32 << N) - 1;
    for &returns in ways.returns {
        for &weighted in ways.weighted {
            let mut first: Option<KernelOutput<Plain, N>> = None;
            for &threads in ways.threads {
                for &place in ways.places {
                    // All gradients, then each alone, and none.
                    let alone = (0..N).map(|input| 1 << input).chain([0]);
                    let some = alone.filter(|&mask| ways.some && mask != all);
                    for mask in [all].into_iter().chain(some) {
                        let way = format!("{returns:?} {weighted} {threads} {place:?} {mask:b}");
                        let gradients = core::array::from_fn(|input| mask >> input & 1 == 1);
                        let weight = |at: usize| (at % 3) as f64;
                        let samples = weighted.then(|| Plain::floats(DType::F32, &[count], weight));
                        let request = Request {
                            returns,
                            samples,
                            batch: inputs[0].shape()[0],
                            terms: 1,
                            total: None,
                        };
                        let placed = inputs.each_ref().map(|input| match place {
                            Place::Alone => input.copy(),
                            Place::Shared => input.clone(),
                            Place::OutOfOrder => input.out_of_order(),
                        });
                        let before = inputs.each_ref().map(Plain::copy);
                        let starts = placed.each_ref().map(Plain::start);
                        let swept = on(threads, || sweep(placed, request, gradients));
                        for (input, before) in inputs.iter().zip(&before) {
                            assert!(input.same(before), "{way}: an input is changed");
                        }
                        for (gradient, returns) in swept.gradients.iter().zip(gradients) {
                            assert_eq!(gradient.is_some(), returns, "{way}");
                        }
                        let native = matches!(inputs[0].dtype(), DType::F32 | DType::F64);
                        if let Some(gradient) = &swept.gradients[0] {
                            let in_place = gradient.start() == starts[0];
                            assert_eq!(in_place, place == Place::Alone && native, "{way}");
                        }
                        let Some(first) = &first else {
                            first = Some(swept);
                            continue;
                        };
                        assert!(swept.value.same(&first.value), "{way}: the loss");
                        let weights = (&swept.weight, &first.weight);
                        match weights {
                            (Some(found), Some(first)) => {
                                assert!(found.same(first), "{way}: the weight")
                            }
                            (found, first) => {
                                assert_eq!(found.is_some(), first.is_some(), "{way}: the weight")
                            }
                        }
                        for (found, first) in swept.gradients.iter().zip(&first.gradients) {
                            if let (Some(found), Some(first)) = (found, first) {
                                assert!(found.same(first), "{way}: a gradient");
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Runs a sweep on so many threads, which have ended afterwards.
fn on<R: Send>(threads: usize, run: impl FnOnce() -> R + Send) -> R {
    if threads == 0 {
        return run();
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    pool.build_scoped(|thread| thread.run(), |pool| pool.install(run))
        .expect("threads")
}

/// Any number from -1 to 1.
fn number(at: usize, seed: usize) -> f64 {
    ((at * 7919 + seed * 104_729) % 1009) as f64 / 504.0 - 1.0
}

fn floats(dtype: DType, shape: &[usize], seed: usize) -> Plain {
    Plain::floats(dtype, shape, |at| number(at, seed))
}

fn integers(shape: &[usize], number: impl Fn(usize) -> i32) -> Plain {
    let numbers = (0..shape.iter().product()).map(number);
    Plain::new(Numbers::I32(numbers.collect()), shape)
}

/// The types that are computed in: an input of one of them may be overwritten.
const NATIVE: &[DType] = &[DType::F32, DType::F64];
const FLOATS: &[DType] = match cfg!(miri) {
    true => NATIVE,
    false => &[DType::F32, DType::F64, DType::F16, DType::BF16],
};

/// The least number of elements that are eight tasks, if a row is one, and if rows may be cut.
const EIGHT_ROWS: [usize; 2] = [8, CHUNK / 2 + 1];
const EIGHT_CHUNKS: usize = 7 * CHUNK + 1;
/// About how many elements a task of a sweep has.
const CHUNK: usize = 16 * 1024;

/// A second operand of each type.
fn operands(count: usize) -> Vec<Plain> {
    macro_rules! operands {
        ($($name:ident: $number:expr,)*) => {
            vec![$(Plain::new(Numbers::$name((0..count).map($number).collect()), &[count]),)*]
        };
    }
    operands! {
        F64: |at| number(at, 2),
        F32: |at| number(at, 2) as f32,
        F16: |at| f16::from_f64(number(at, 2)),
        BF16: |at| bf16::from_f64(number(at, 2)),
        I64: |at| at as i64 % 3,
        I32: |at| at as i32 % 3,
        I16: |at| at as i16 % 3,
        I8: |at| (at % 3) as i8,
        U64: |at| at as u64 % 3,
        U32: |at| at as u32 % 3,
        U16: |at| at as u16 % 3,
        U8: |at| (at % 3) as u8,
        Bool: |at| at % 3 == 0,
    }
}

/// Each element alone, with a gradient for two operands, and for three.
fn pointwise(ways: &Ways, dtype: DType, shape: &[usize]) {
    let count = shape.iter().product();
    let inputs = [1, 2, 3].map(|seed| floats(dtype, shape, seed));
    let [x, y, _] = inputs.clone();
    let numbers = || PerClass {
        numbers: vec![0.5, 0.0, 2.0],
        inner: 5,
    };
    compare(
        ways,
        count,
        [x.clone(), y.clone()],
        |inputs, request, gradients| {
            let call = ElementwiseSpec {
                definition: erase(ScaledError),
                flat: None,
                along: Some(numbers()),
                rules: vec![None; 3],
                rows: None,
                weights: None,
            };
            memory::elementwise(call, inputs, request, gradients)
        },
    );
    compare(ways, count, [x, y], |inputs, request, gradients| {
        let call = ElementwiseSpec {
            definition: erase(SquaredError),
            flat: None,
            along: None,
            rules: vec![None, Some(Rule::between(-9.0, 0.9))],
            rows: None,
            weights: None,
        };
        memory::elementwise(call, inputs, request, gradients)
    });
    compare(ways, count, inputs, |inputs, request, gradients| {
        let call = ElementwiseSpec {
            definition: erase(ScaledError),
            flat: None,
            along: None,
            rules: vec![None; 3],
            rows: None,
            weights: Some(numbers()),
        };
        memory::elementwise(call, inputs, request, gradients)
    });
}

#[test]
fn each_element_alone() {
    for &dtype in FLOATS {
        // Around the sizes of a block and of two.
        let counts: &[usize] = match cfg!(miri) {
            true => &[1, 129],
            false => &[1, 7, 127, 128, 129, 259],
        };
        for &count in counts {
            pointwise(&EVERY, dtype, &[count]);
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "an interpreter takes an hour")]
fn each_element_alone_on_threads() {
    // Eight tasks, the last of which is short.
    for &dtype in NATIVE {
        pointwise(&THREADS, dtype, &[EIGHT_CHUNKS]);
    }
}

#[test]
fn operands_of_every_type() {
    let count = if cfg!(miri) { 7 } else { 131 };
    let x = floats(DType::F32, &[count], 1);
    for (seed, operand) in operands(count).into_iter().enumerate() {
        let rest = match seed % 2 {
            0 => operand,
            _ => operand.out_of_order(),
        };
        compare(&EVERY, count, [x.clone()], |inputs, request, gradients| {
            let call = ElementwiseSpec {
                definition: erase(SquaredError),
                flat: Some(rest.clone()),
                along: None,
                rules: vec![None, Some(Rule::between(-9.0, 9.0))],
                rows: None,
                weights: None,
            };
            memory::elementwise(call, inputs, request, gradients)
        });
    }
}

#[test]
fn rows_that_must_sum_to_one() {
    for (outer, length, inner) in [(3, 4, 1), (2, 5, 3), (2, 130, 1), (1, 3, 150)] {
        let shape = [outer, length, inner];
        let count = outer * length * inner;
        for &dtype in NATIVE {
            let x = floats(dtype, &shape, 1);
            // The last element breaks the rule, and its row does not sum to 1.
            let probs = Plain::floats(dtype, &shape, |at| match at + 1 == count {
                true => -1.0,
                false => 1.0 / length as f64,
            });
            compare(&EVERY, count, [x], |inputs, request, gradients| {
                let call = ElementwiseSpec {
                    definition: erase(SquaredError),
                    flat: Some(probs.clone()),
                    along: None,
                    rules: vec![None, Some(Rule::between(0.0, 1.0))],
                    rows: Some(UnitRows {
                        operand: 1,
                        length,
                        inner,
                        tolerance: 1e-3,
                        logarithms: false,
                    }),
                    weights: None,
                };
                memory::elementwise(call, inputs, request, gradients)
            });
        }
    }
}

/// The classes of samples along axis 1: cross-entropy and negative log-likelihood.
fn classes(ways: &Ways, dtype: DType, shape: [usize; 3]) {
    let [outer, count, inner] = shape;
    let samples = outer * inner;
    let x = floats(dtype, &shape, 1);
    // The last of them is no class.
    let ids = integers(&[samples], |at| match at + 1 == samples {
        true => -1,
        false => (at * 5 % count) as i32,
    });
    let ids = |ignored: &[i64]| IdsOrProbs::Ids(ids.clone(), ignored.to_vec());
    let probs = Plain::floats(dtype, &shape, |at| match at / inner % count {
        0 => 0.75,
        1 => 0.25,
        _ => 0.0,
    });
    let probs = IdsOrProbs::Probs(probs, Rule::between(0.0, 1.0), 1e-2);
    let weights: Vec<f64> = (0..count).map(|class| class as f64 / 4.0).collect();
    let plain = ClassSpec {
        axis: 1,
        target: ids(&[]),
        log_probs: None,
        weights: None,
        weights_count: true,
        label_smoothing: 0.0,
        adjustment: None,
        z_loss: 0.0,
        head: None,
    };
    let plain_weights = Some(weights.clone());
    let calls = [
        plain.clone(),
        ClassSpec {
            target: ids(&[1, -100]),
            weights: Some(weights.clone()),
            ..plain.clone()
        },
        ClassSpec {
            target: ids(&[-1]),
            label_smoothing: 0.1,
            ..plain.clone()
        },
        ClassSpec {
            target: probs,
            weights: Some(weights),
            ..plain.clone()
        },
        ClassSpec {
            weights: plain_weights,
            weights_count: false,
            head: Some(erase_head(HalfLikelihood)),
            ..plain.clone()
        },
        ClassSpec {
            log_probs: Some(Rule::between(-0.99, 9.0)),
            ..plain
        },
    ];
    for call in calls {
        compare(
            ways,
            samples,
            [x.clone()],
            |[input], request, [gradient]| memory::classes(call.clone(), input, request, gradient),
        );
    }
}

#[test]
fn classes_of_samples() {
    for &dtype in FLOATS {
        // Few side by side, many, and apart in memory.
        for shape in [[3, 5, 1], [66, 2, 1], [2, 130, 1], [2, 3, 19], [1, 2, 3]] {
            classes(&EVERY, dtype, shape);
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "an interpreter takes an hour")]
fn classes_of_samples_on_threads() {
    for &dtype in NATIVE {
        let [rows, length] = EIGHT_ROWS;
        classes(&THREADS, dtype, [rows, length, 1]);
    }
}

#[test]
fn classes_apart_on_threads() {
    for &dtype in NATIVE {
        // However small, it is eight tasks.
        classes(&THREADS, dtype, [8, 2, 2]);
    }
}

const NORM: DistanceKind = DistanceKind::Norm { p: 2.0, eps: 1e-6 };
const COSINE: DistanceKind = DistanceKind::Cosine { eps: 1e-8 };

fn triplets(ways: &Ways, dtype: DType, [rows, length]: [usize; 2], measures: &[DistanceKind]) {
    let inputs = [1, 2, 3].map(|seed| floats(dtype, &[rows, length], seed));
    for &kind in measures {
        for swap in [true, false] {
            let loss = triplet(kind, swap);
            compare(ways, rows, inputs.clone(), |inputs, request, gradients| {
                let spec = RowSpec::new(loss.clone(), 1, RowTarget::Nothing);
                memory::rows(spec, inputs, request, gradients)
            });
        }
    }
}

fn triplet(kind: DistanceKind, swap: bool) -> Arc<dyn AnyRowLoss<3>> {
    match (kind, swap) {
        (DistanceKind::Norm { p: 2.0, eps }, false) => {
            erase_rows(TripletOfNorms::<true, 2>::new(1.0, false, 2.0, eps))
        }
        (DistanceKind::Norm { p: 2.0, eps }, true) => {
            erase_rows(TripletOfNorms::<true, 3>::new(1.0, true, 2.0, eps))
        }
        (DistanceKind::Norm { p, eps }, swap) => {
            erase_rows(TripletOfNorms::<false, 3>::new(1.0, swap, p, eps))
        }
        (DistanceKind::Cosine { eps }, swap) => erase_rows(TripletOfAngles::new(1.0, swap, eps)),
    }
}

#[test]
fn three_rows() {
    let norm = |p| DistanceKind::Norm { p, eps: 0.0 };
    for &dtype in FLOATS {
        triplets(&EVERY, dtype, [2, 17], &[NORM, COSINE]);
        triplets(&EVERY, dtype, [2, 1], &[norm(1.0), norm(3.0), COSINE]);
    }
}

#[test]
#[cfg_attr(miri, ignore = "an interpreter takes an hour")]
fn three_rows_on_threads() {
    for &dtype in NATIVE {
        triplets(&THREADS, dtype, EIGHT_ROWS, &[NORM, COSINE]);
    }
}

fn pairs(ways: &Ways, dtype: DType, [rows, length]: [usize; 2]) {
    let inputs = [1, 2].map(|seed| floats(dtype, &[rows, length], seed));
    // The last sign is none.
    let signs = integers(&[rows], |at| match at + 1 == rows {
        true => 0,
        false => 1 - 2 * (at as i32 % 2),
    });
    let all = [
        (
            erase_rows(Norm::<true> { p: 2.0, eps: 0.0 }),
            RowTarget::Nothing,
        ),
        (
            erase_rows(Norm::<false> { p: 1.0, eps: 0.0 }),
            RowTarget::Nothing,
        ),
        (erase_rows(Cosine::itself(1e-8)), RowTarget::Nothing),
        (
            erase_rows(Cosine::embedding(-0.5)),
            RowTarget::Numbers(signs, Rule::SIGNS),
        ),
    ];
    for (loss, target) in all {
        compare(ways, rows, inputs.clone(), |inputs, request, gradients| {
            let spec = RowSpec::new(loss.clone(), 1, target.clone());
            memory::rows(spec, inputs, request, gradients)
        });
    }
}

#[test]
fn two_rows() {
    for &dtype in FLOATS {
        for shape in [[3, 17], [2, 1]] {
            pairs(&EVERY, dtype, shape);
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "an interpreter takes an hour")]
fn two_rows_on_threads() {
    for &dtype in NATIVE {
        pairs(&THREADS, dtype, EIGHT_ROWS);
    }
}

/// The margins between the classes of samples, of one class each or of several labels.
fn margins(ways: &Ways, dtype: DType, shape: [usize; 3]) {
    let [outer, count, inner] = shape;
    let samples = outer * inner;
    let x = floats(dtype, &shape, 1);
    // The last sample's class and labels are not valid.
    let ids = integers(&[samples], |at| match at + 1 == samples {
        true => -1,
        false => (at * 5 % count) as i32,
    });
    let labels = integers(&shape, |at| {
        let last = at / (count * inner) + 1 == outer && (at + 1) % inner == 0;
        match at / inner % count {
            0 if last => count as i32,
            0 => 1,
            1 => 0,
            _ => -1,
        }
    });
    let weights: Vec<f64> = (0..count).map(|class| class as f64 / 4.0).collect();
    let all = [
        (
            erase_rows(ClassMargins::<false> { margin: 1.0 }),
            RowTarget::Class(ids.clone(), None),
        ),
        (
            erase_rows(ClassMargins::<true> { margin: 1.0 }),
            RowTarget::Class(ids, Some(weights)),
        ),
        (erase_pairs(LabelMargins), RowTarget::Labels(labels)),
    ];
    for (loss, target) in all {
        compare(ways, samples, [x.clone()], |inputs, request, gradients| {
            let spec = RowSpec::new(loss.clone(), 1, target.clone());
            memory::rows(spec, inputs, request, gradients)
        });
    }
}

#[test]
fn margins_between_classes() {
    for &dtype in FLOATS {
        for shape in [[3, 5, 1], [2, 130, 1], [2, 3, 19], [1, 4, 3]] {
            margins(&EVERY, dtype, shape);
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "an interpreter takes an hour")]
fn margins_between_classes_on_threads() {
    for &dtype in NATIVE {
        let [rows, length] = EIGHT_ROWS;
        margins(&THREADS, dtype, [rows, length, 1]);
    }
}

/// The sizes of the benchmarks: new memory of many pages, of which large ones are asked for.
#[cfg(not(miri))] // An interpreter would take days.
mod large {
    use super::*;

    #[test]
    fn each_element_alone() {
        pointwise(&LARGE, DType::F32, &[4096, 1000]);
    }

    #[test]
    fn classes_of_samples() {
        for shape in [
            [4096, 1000, 1],
            [512, 32000, 1],
            [65536, 10, 1],
            [8, 21, 256 * 256],
        ] {
            classes(&LARGE, DType::F32, shape);
        }
    }

    #[test]
    fn distances() {
        triplets(&LARGE, DType::F32, [16384, 256], &[NORM, COSINE]);
        pairs(&LARGE, DType::F32, [16384, 256]);
    }

    #[test]
    fn margins_between_classes() {
        margins(&LARGE, DType::F32, [4096, 1000, 1]);
    }

    #[test]
    fn in_f64() {
        classes(&LARGE, DType::F64, [512, 32000, 1]);
        pointwise(&LARGE, DType::F64, &[4096, 1000]);
    }
}

/// `run` expects this to fail: it reads memory that nobody wrote.
#[test]
#[ignore = "it must fail"]
#[allow(unsafe_code)]
fn nobody_wrote() {
    let mut numbers = Vec::<f32>::with_capacity(4);
    // SAFETY: none, on purpose.
    unsafe { numbers.set_len(4) };
    assert!(numbers.iter().all(|number| number.is_finite()));
}
