//! What happens where no value is read, as on an accelerator in a release build: an invalid target
//! makes its own sample NaN, value and gradient, and touches no other.
//!
//! Which values are read is set for a whole process, so these tests have one of their own.

mod common;

use burn::tensor::{DType, Int, Tensor, TensorData};
use burn_losses::prelude::*;
use burn_losses::{Checks, LossErrorKind, checks, set_checks, target, with_checks};
use common::{TestDevice, assert_close, devices, numbers};
use std::sync::{Mutex, MutexGuard, PoisonError};

const NAN: f64 = f64::NAN;
const INFINITY: f64 = f64::INFINITY;
const F32: DType = DType::F32;

/// Turns the checks off. While the guard lives, no other test of this file changes that.
fn unchecked() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    let guard = LOCK.lock().unwrap_or_else(PoisonError::into_inner);
    set_checks(Checks::Never);
    guard
}

/// What a loss gave for each sample.
#[derive(Clone, Debug, PartialEq)]
struct Samples {
    losses: Vec<Vec<f64>>,
    gradients: Vec<Vec<f64>>,
}

/// The losses of samples given as rows, and the gradient of their sum.
///
/// `call` gives the unreduced loss, flattened, with the samples in order; `counted` says which
/// losses are in the sum.
fn samples(
    on: &TestDevice,
    rows: &[Vec<f64>],
    call: &dyn Fn(&TestDevice, Tensor<2>) -> Tensor<1>,
    counted: Option<&[usize]>,
) -> Samples {
    let width = rows[0].len();
    let input = on.tracked(&rows.concat(), [rows.len(), width], F32);
    let losses = call(on, input.clone());
    let each = losses.dims()[0] / rows.len();
    let sum = match counted {
        Some(samples) => {
            let elements = samples.iter().flat_map(|at| at * each..(at + 1) * each);
            let elements: Vec<i64> = elements.map(|at| at as i64).collect();
            let count = elements.len();
            losses.clone().select(0, ints(on, &elements, [count])).sum()
        }
        None => losses.clone().sum(),
    };
    let gradient = input.grad(&sum.backward()).expect("a gradient");
    let chunks = |numbers: Vec<f64>, of: usize| numbers.chunks(of).map(Vec::from).collect();
    Samples {
        losses: chunks(numbers(&losses), each),
        gradients: chunks(numbers(&gradient), width),
    }
}

/// Asserts that the samples in `invalid` are NaN, and that the others are what flex computes for
/// them alone. `call` is told which samples it gets.
fn assert_contained(
    what: &str,
    rows: &[Vec<f64>],
    invalid: &[usize],
    call: impl Fn(&TestDevice, Tensor<2>, &[usize]) -> Tensor<1>,
) {
    let all: Vec<usize> = (0..rows.len()).collect();
    let is_valid = |at: &usize| !invalid.contains(at);
    let valid: Vec<usize> = all.iter().copied().filter(is_valid).collect();
    assert!(!valid.is_empty() && !invalid.is_empty(), "{what}");
    let valid_rows: Vec<_> = valid.iter().map(|&at| rows[at].clone()).collect();

    let devices = devices();
    let alone = |on: &TestDevice, input: Tensor<2>| call(on, input, &valid);
    let expected = samples(&devices[0], &valid_rows, &alone, None);
    for on in &devices {
        // The gradient of all losses, and that of the valid ones, where the invalid samples get a
        // zero from above.
        for counted in [None, Some(valid.as_slice())] {
            let found = samples(on, rows, &|on, input| call(on, input, &all), counted);
            let what = format!("{what} on {}, {counted:?} counted", on.name);
            for &at in invalid {
                let nan = |numbers: &Vec<f64>| numbers.iter().all(|number| number.is_nan());
                assert!(nan(&found.losses[at]), "{what}: loss {at} of {found:?}");
                assert!(
                    nan(&found.gradients[at]),
                    "{what}: gradient {at} of {found:?}"
                );
            }
            let tolerance = if on.name == "wgpu" { 1e-5 } else { 1e-6 };
            for (place, &at) in valid.iter().enumerate() {
                let what = format!("{what}: sample {at}");
                assert_close(&what, &found.losses[at], &expected.losses[place], tolerance);
                let gradient = &found.gradients[at];
                assert_close(&what, gradient, &expected.gradients[place], tolerance);
            }
        }
    }
}

fn ints<const D: usize>(on: &TestDevice, ints: &[i64], shape: [usize; D]) -> Tensor<D, Int> {
    Tensor::from_data(TensorData::new(ints.to_vec(), shape), &on.device)
}

fn pick<T: Clone>(values: &[T], picked: &[usize]) -> Vec<T> {
    picked.iter().map(|&at| values[at].clone()).collect()
}

fn flat<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    let count = tensor.shape().num_elements();
    tensor.reshape([count])
}

/// Rows of numbers without a pattern.
fn some_rows(count: usize, width: usize) -> Vec<Vec<f64>> {
    let number = |row: usize, at: usize| ((row * 7 + at * 5) % 11) as f64 / 4.0 - 1.25;
    let row = |row| (0..width).map(|at| number(row, at)).collect();
    (0..count).map(row).collect()
}

fn log_softmax(row: &[f64]) -> Vec<f64> {
    let ln_sum = row.iter().map(|logit| logit.exp()).sum::<f64>().ln();
    row.iter().map(|logit| logit - ln_sum).collect()
}

// Class ids.

/// Ids of which those at 1, 2, 4, 5, 7 and 8 are no classes; there are 3 classes.
const IDS: [i64; 10] = [
    0,
    3,
    255,
    2,
    -1,
    -100,
    1,
    i32::MIN as i64,
    i32::MAX as i64,
    2,
];
const WRONG: [usize; 6] = [1, 2, 4, 5, 7, 8];

#[test]
fn invalid_ids() {
    let _guard = unchecked();
    let rows = some_rows(IDS.len(), 3);
    let plain = CrossEntropyLossConfig::new;
    for config in [
        plain(),
        plain().with_weights(Some(vec![0.5, 2.0, 0.25])),
        plain().with_label_smoothing(0.25),
        plain().with_ignore_indices(vec![-7, 1000]),
        plain()
            .with_weights(Some(vec![0.5, 2.0, 0.25]))
            .with_label_smoothing(0.25)
            .with_ignore_index(17),
    ] {
        let loss = config.init();
        let what = loss.to_string();
        assert_contained(&what, &rows, &WRONG, |on, logits, which| {
            let targets = ints(on, &pick(&IDS, which), [which.len()]);
            loss.forward_no_reduction(logits, targets)
        });
    }

    let rows: Vec<_> = rows.iter().map(|row| log_softmax(row)).collect();
    for config in [
        NllLossConfig::new(),
        NllLossConfig::new().with_weights(Some(vec![0.5, 2.0, 0.25])),
        NllLossConfig::new().with_ignore_index(17),
    ] {
        let loss = config.init();
        let what = loss.to_string();
        assert_contained(&what, &rows, &WRONG, |on, log_probs, which| {
            let targets = ints(on, &pick(&IDS, which), [which.len()]);
            loss.forward_no_reduction(log_probs, targets)
        });
    }

    for config in margins() {
        let loss = config.init();
        let what = loss.to_string();
        assert_contained(
            &what,
            &some_rows(IDS.len(), 3),
            &WRONG,
            |on, logits, which| {
                let targets = ints(on, &pick(&IDS, which), [which.len()]);
                loss.forward_no_reduction(logits, targets)
            },
        );
    }
}

/// Of ranks there is one more than thresholds.
#[test]
fn invalid_ranks() {
    let _guard = unchecked();
    let thresholds = some_rows(IDS.len(), 2);
    let ranks = |on: &TestDevice, which: &[usize]| ints(on, &pick(&IDS, which), [which.len()]);
    assert_contained("coral", &thresholds, &WRONG, |on, logits, which| {
        CoralLoss::new().forward_no_reduction(logits, ranks(on, which))
    });
    assert_contained("corn", &thresholds, &WRONG, |on, logits, which| {
        CornLoss::new().forward_no_reduction(logits, ranks(on, which))
    });
    let logits = some_rows(IDS.len(), 3);
    assert_contained("earth mover", &logits, &WRONG, |on, logits, which| {
        EarthMoverLoss::new().forward_no_reduction(logits, ranks(on, which))
    });
}

fn margins() -> [MultiMarginLossConfig; 3] {
    [
        MultiMarginLossConfig::new(),
        MultiMarginLossConfig::new().with_p(2).with_margin(0.5),
        // A weight of 0 does not hide what is invalid.
        MultiMarginLossConfig::new().with_weights(Some(vec![0.5, 0.0, 2.0])),
    ]
}

/// Also where the ids become rows of labels first, among which a row of zeros would be valid.
#[test]
fn invalid_ids_of_a_family_and_of_one_hot() {
    let _guard = unchecked();
    let rows = some_rows(IDS.len(), 3);
    for name in ClassificationLossConfig::NAMES {
        let loss = name.parse::<ClassificationLossConfig>().unwrap().init();
        assert_contained(name, &rows, &WRONG, |on, logits, which| {
            let targets = ints(on, &pick(&IDS, which), [which.len()]);
            loss.forward_no_reduction(logits, targets)
        });
    }
    let loss = BceWithLogitsLoss::new();
    assert_contained("one_hot", &rows, &WRONG, |on, logits, which| {
        let targets = ints(on, &pick(&IDS, which), [which.len()]);
        flat(loss.forward_no_reduction(logits, target::one_hot(targets, 3, 1)))
    });
}

/// An ignored id beside invalid ones is 0, not NaN.
#[test]
fn ignored_ids_among_invalid_ones() {
    let _guard = unchecked();
    let loss = CrossEntropyLossConfig::new()
        .with_ignore_indices(vec![-100, 255])
        .init();
    for on in devices() {
        let call = |on: &TestDevice, logits| {
            loss.forward_no_reduction(logits, ints(on, &[-100, 5, 255, 1], [4]))
        };
        let found = samples(&on, &some_rows(4, 3), &call, None);
        for at in [0, 2] {
            assert_eq!(found.losses[at], [0.0], "on {}", on.name);
            assert_eq!(found.gradients[at], [0.0; 3], "on {}", on.name);
        }
        assert!(found.losses[1][0].is_nan(), "on {}", on.name);
        assert!(found.losses[3][0] > 0.0, "on {}", on.name);
    }
}

/// Sequences and images: several ids for each element of the batch.
#[test]
fn invalid_ids_along_another_class_axis() {
    let _guard = unchecked();
    let rows = some_rows(IDS.len(), 3);
    let log_rows: Vec<_> = rows.iter().map(|row| log_softmax(row)).collect();
    // Samples are [N, T]; with two of them in each row of the batch.
    let paired =
        |on: &TestDevice, which: &[usize]| ints(on, &pick(&IDS, which), [which.len() / 2, 2]);
    let last = CrossEntropyLossConfig::new().with_class_axis(2).init();
    assert_contained("class axis 2", &rows, &WRONG, |on, logits, which| {
        let logits: Tensor<3> = logits.reshape([which.len() / 2, 2, 3]);
        flat(last.forward_no_reduction(logits, paired(on, which)))
    });
    let middle = CrossEntropyLoss::new();
    assert_contained("class axis 1", &rows, &WRONG, |on, logits, which| {
        let logits: Tensor<3> = logits.reshape([which.len() / 2, 2, 3]);
        flat(middle.forward_no_reduction(logits.swap_dims(1, 2), paired(on, which)))
    });
    let nll = NllLoss::new();
    assert_contained("NLL", &log_rows, &WRONG, |on, log_probs, which| {
        let log_probs: Tensor<3> = log_probs.reshape([which.len() / 2, 2, 3]);
        flat(nll.forward_no_reduction(log_probs.swap_dims(1, 2), paired(on, which)))
    });
    let last = MultiMarginLossConfig::new().with_class_axis(2).init();
    assert_contained("margins, axis 2", &rows, &WRONG, |on, logits, which| {
        let logits: Tensor<3> = logits.reshape([which.len() / 2, 2, 3]);
        flat(last.forward_no_reduction(logits, paired(on, which)))
    });
    let middle = MultiMarginLoss::new();
    assert_contained("margins, axis 1", &rows, &WRONG, |on, logits, which| {
        let logits: Tensor<3> = logits.reshape([which.len() / 2, 2, 3]);
        flat(middle.forward_no_reduction(logits.swap_dims(1, 2), paired(on, which)))
    });
}

/// Asserts that the samples in `invalid` are NaN, loss and gradient, and no number of any other is.
fn assert_nan(what: &str, found: &Samples, invalid: &[usize]) {
    let rows = found.losses.iter().zip(&found.gradients).enumerate();
    for (at, (loss, gradient)) in rows {
        let nan = invalid.contains(&at);
        for number in loss.iter().chain(gradient) {
            assert_eq!(number.is_nan(), nan, "{what}: sample {at} of {found:?}");
        }
    }
}

/// Ids beyond 32 bits: narrowed without a check, the first would be class 1 and the second class 0.
#[test]
fn invalid_ids_of_64_bits() {
    let _guard = unchecked();
    let ids = [0, (1 << 32) + 1, 1 << 32, 2, i64::MAX, i64::MIN, -1, 1];
    let rows = some_rows(ids.len(), 3);
    let wide = |on: &TestDevice, which: &[usize]| {
        let ids = TensorData::new(pick(&ids, which), [which.len()]);
        Tensor::<1, Int>::from_data(ids, (&on.device, DType::I64))
    };
    for on in devices() {
        if !on.device.supports_dtype(DType::I64) {
            eprintln!("SKIPPED on {}: it has no i64", on.name);
            continue;
        }
        let invalid = [1, 2, 4, 5, 6];
        let all = || wide(&on, &[0, 1, 2, 3, 4, 5, 6, 7]);
        for config in [
            CrossEntropyLossConfig::new(),
            CrossEntropyLossConfig::new().with_ignore_index(1000),
        ] {
            let loss = config.init();
            let call = |_: &TestDevice, logits: Tensor<2>| loss.forward_no_reduction(logits, all());
            assert_nan(on.name, &samples(&on, &rows, &call, None), &invalid);
        }
        for config in margins() {
            let loss = config.init();
            let call = |_: &TestDevice, logits: Tensor<2>| loss.forward_no_reduction(logits, all());
            assert_nan(on.name, &samples(&on, &rows, &call, None), &invalid);
        }
    }
}

/// As an `i64` this id would be -1, which is ignored here.
#[test]
fn an_invalid_id_beyond_i64() {
    let _guard = unchecked();
    let loss = CrossEntropyLossConfig::new().with_ignore_index(-1).init();
    for on in devices() {
        if !on.device.supports_dtype(DType::U64) {
            eprintln!("SKIPPED on {}: it has no u64", on.name);
            continue;
        }
        let data = TensorData::new(vec![0, u64::MAX, 1 << 32], [3]);
        let targets = Tensor::<1, Int>::from_data(data, (&on.device, DType::U64));
        let call = |_: &TestDevice, logits| loss.forward_no_reduction(logits, targets.clone());
        assert_nan(
            on.name,
            &samples(&on, &some_rows(3, 3), &call, None),
            &[1, 2],
        );
        let loss = MultiMarginLoss::new();
        let call =
            |_: &TestDevice, logits: Tensor<2>| loss.forward_no_reduction(logits, targets.clone());
        assert_nan(
            on.name,
            &samples(&on, &some_rows(3, 3), &call, None),
            &[1, 2],
        );
    }
}

#[test]
fn invalid_ids_of_8_bits() {
    let _guard = unchecked();
    let rows = some_rows(5, 3);
    for on in devices() {
        for (dtype, ids) in [
            (DType::U8, [0, 3, 255, 2, 128]),
            (DType::I8, [0, 3, -1, 2, -128]),
        ] {
            if !on.device.supports_dtype(dtype) {
                eprintln!("SKIPPED on {}: it has no {dtype:?}", on.name);
                continue;
            }
            let data = TensorData::new(ids.to_vec(), [5]).convert_dtype(dtype);
            let targets = Tensor::<1, Int>::from_data(data, (&on.device, dtype));
            let what = format!("{dtype:?} on {}", on.name);
            let loss = CrossEntropyLoss::new();
            let call = |_: &TestDevice, logits: Tensor<2>| {
                loss.forward_no_reduction(logits, targets.clone())
            };
            assert_nan(&what, &samples(&on, &rows, &call, None), &[1, 2, 4]);
            let loss = MultiMarginLoss::new();
            let call = |_: &TestDevice, logits: Tensor<2>| {
                loss.forward_no_reduction(logits, targets.clone())
            };
            assert_nan(&what, &samples(&on, &rows, &call, None), &[1, 2, 4]);
        }
    }
}

/// Asserts that the reduced loss of a batch is NaN, and the gradient of its first invalid sample.
fn assert_shows(on: &TestDevice, loss: &CrossEntropyLoss, ids: [i64; 3]) {
    let logits = on.tracked(&some_rows(3, 3).concat(), [3, 3], F32);
    let targets = ints(on, &ids, [3]);
    let found = loss.forward(logits.clone(), targets.clone());
    let what = format!("{ids:?} on {}: {loss}", on.name);
    assert!(
        numbers(&found)[0].is_nan(),
        "{what} gives {}",
        numbers(&found)[0]
    );
    let invalid = ids.iter().position(|&id| id == 7).unwrap();
    let gradient = numbers(&logits.grad(&found.backward()).unwrap());
    let row = &gradient[3 * invalid..3 * invalid + 3];
    assert!(row.iter().all(|number| number.is_nan()), "{what}: {row:?}");
    let parts = loss.forward_parts(logits, targets);
    assert!(numbers(&parts.sum)[0].is_nan(), "{what}");
    assert!(numbers(&parts.mean())[0].is_nan(), "{what}");
}

const REDUCTIONS: [Reduction; 3] = [Reduction::Mean, Reduction::Sum, Reduction::BatchMean];

/// However the losses are reduced, one that is NaN is not lost on the way.
#[test]
fn an_invalid_id_shows_in_every_reduction() {
    let _guard = unchecked();
    for on in devices() {
        for reduction in REDUCTIONS {
            let config = CrossEntropyLossConfig::new().with_reduction(reduction);
            assert_shows(&on, &config.init(), [0, 7, 1]);
            assert_shows(&on, &config.init(), [7, 7, 7]);
            let weighted = config.clone().with_weights(Some(vec![1.0, 2.0, 0.0]));
            assert_shows(&on, &weighted.init(), [0, 2, 7]);
            assert_shows(&on, &config.with_ignore_index(-1).init(), [-1, 7, 1]);
        }
    }
}

/// Nor is it lost where no other sample counts: a mean of nothing is 0, but this is not nothing.
#[test]
fn an_invalid_id_shows_where_nothing_else_counts() {
    let _guard = unchecked();
    for on in devices() {
        for reduction in REDUCTIONS {
            let config = CrossEntropyLossConfig::new().with_reduction(reduction);
            let ignoring = config.clone().with_ignore_index(-1).init();
            assert_shows(&on, &ignoring, [7, 7, 7]);
            assert_shows(&on, &ignoring, [-1, 7, -1]);
            let weighted = config.with_weights(Some(vec![1.0, 2.0, 0.0])).init();
            assert_shows(&on, &weighted, [2, 2, 7]);
        }
    }
}

// Lists of labels.

/// Lists of labels of which those at 1, 2, 3, 5, 7, 8, 9 and 10 are none; there are 4 classes.
const LISTS: [[i64; 4]; 12] = [
    [0, 2, -1, -1],
    // No class, at the end of a list and in it.
    [3, 4, -1, -1],
    [-2, 1, -1, -1],
    // A label behind the end of its list.
    [1, -1, 2, -1],
    [3, -1, -1, -1],
    [-1, 0, -1, -1],
    [2, 0, 3, 1],
    // A label twice: a row of labels 0 and 1, and a list padded with its label.
    [0, 1, 1, 0],
    [3, 3, 3, 3],
    [i32::MAX as i64, -1, -1, -1],
    [0, i32::MIN as i64, -1, -1],
    [-1, -1, -1, -1],
];
const NO_LISTS: [usize; 8] = [1, 2, 3, 5, 7, 8, 9, 10];

#[test]
fn invalid_lists_of_labels() {
    let _guard = unchecked();
    let rows = some_rows(LISTS.len(), 4);
    let lists = |on: &TestDevice, which: &[usize]| {
        ints(on, &pick(&LISTS, which).concat(), [which.len(), 4])
    };
    let loss = MultiLabelMarginLoss::new();
    assert_contained("lists", &rows, &NO_LISTS, |on, logits, which| {
        loss.forward_no_reduction(logits, lists(on, which))
    });
    // As rows of labels, among which a row of zeros would be valid.
    let of_rows = MultiLabelSoftMarginLoss::new();
    assert_contained("multi_hot", &rows, &NO_LISTS, |on, logits, which| {
        of_rows.forward_no_reduction(logits, target::multi_hot(lists(on, which), 1))
    });

    // Samples are [N, T], two of them in each row of the batch, with the classes last or between.
    let last = MultiLabelMarginLossConfig::new().with_class_axis(2).init();
    assert_contained("axis 2", &rows, &NO_LISTS, |on, logits, which| {
        let shape = [which.len() / 2, 2, 4];
        let lists: Tensor<3, Int> = lists(on, which).reshape(shape);
        let logits: Tensor<3> = logits.reshape(shape);
        flat(last.forward_no_reduction(logits, lists))
    });
    assert_contained("axis 1", &rows, &NO_LISTS, |on, logits, which| {
        let shape = [which.len() / 2, 2, 4];
        let lists: Tensor<3, Int> = lists(on, which).reshape(shape);
        let logits: Tensor<3> = logits.reshape(shape);
        flat(loss.forward_no_reduction(logits.swap_dims(1, 2), lists.swap_dims(1, 2)))
    });
}

/// Numbers beyond 32 bits: narrowed without a check, each would be a label or the end of the list.
#[test]
fn invalid_lists_of_64_bits() {
    let _guard = unchecked();
    let lists = [
        [1, 0, -1, -1],
        [(1 << 32) + 1, 0, -1, -1],
        [1, (1 << 32) - 1, -1, -1],
        [1 << 32, -1, -1, -1],
        [i64::MAX, -1, -1, -1],
        [2, i64::MIN, -1, -1],
        [i64::MIN + 1, -1, -1, -1],
        [2, -1, -1, -1],
    ];
    let loss = MultiLabelMarginLoss::new();
    for on in devices() {
        if !on.device.supports_dtype(DType::I64) {
            eprintln!("SKIPPED on {}: it has no i64", on.name);
            continue;
        }
        let data = TensorData::new(lists.concat(), [8, 4]);
        let targets = Tensor::<2, Int>::from_data(data, (&on.device, DType::I64));
        let call =
            |_: &TestDevice, logits: Tensor<2>| loss.forward_no_reduction(logits, targets.clone());
        let found = samples(&on, &some_rows(8, 4), &call, None);
        assert_nan(on.name, &found, &[1, 2, 3, 4, 5, 6]);
    }
}

/// Types without a sign have no -1, so that each list is of all labels; as a number with a sign the
/// largest would be the -1 after the last label.
#[test]
fn invalid_lists_without_a_sign() {
    let _guard = unchecked();
    let loss = MultiLabelMarginLoss::new();
    for on in devices() {
        for (dtype, largest) in [
            (DType::U8, u64::from(u8::MAX)),
            (DType::U32, u64::from(u32::MAX)),
            (DType::U64, u64::MAX),
        ] {
            if !on.device.supports_dtype(dtype) {
                eprintln!("SKIPPED on {}: it has no {dtype:?}", on.name);
                continue;
            }
            let lists = [[0, 1, 2], [0, 1, largest], [2, 0, 1], [3, 0, 1]].concat();
            let data = TensorData::new(lists, [4, 3]).convert_dtype(dtype);
            let targets = Tensor::<2, Int>::from_data(data, (&on.device, dtype));
            let call = |_: &TestDevice, logits: Tensor<2>| {
                loss.forward_no_reduction(logits, targets.clone())
            };
            let found = samples(&on, &some_rows(4, 3), &call, None);
            assert_nan(&format!("{dtype:?} on {}", on.name), &found, &[1, 3]);
        }
    }
}

// Distributions.

/// Rows of which those at 1 to 7 are no distributions.
fn distributions() -> Vec<Vec<f64>> {
    vec![
        vec![0.25, 0.5, 0.25],
        vec![1.0, 0.0, 1.0],
        vec![0.0, 0.0, 0.0],
        vec![1.5, 0.75, 0.75],
        vec![0.5, 1.0, -0.5],
        vec![0.5, NAN, 0.5],
        vec![0.0, INFINITY, 0.0],
        vec![-1.0, -0.5, -2.0],
        vec![0.0, 1.0, 0.0],
    ]
}

#[test]
fn invalid_class_probabilities() {
    let _guard = unchecked();
    let targets = distributions();
    let rows = some_rows(targets.len(), 3);
    let invalid = [1, 2, 3, 4, 5, 6, 7];
    for config in [
        CrossEntropyLossConfig::new(),
        CrossEntropyLossConfig::new()
            .with_weights(Some(vec![0.5, 0.0, 2.0]))
            .with_label_smoothing(0.5),
    ] {
        let loss = config.init();
        assert_contained(&loss.to_string(), &rows, &invalid, |on, logits, which| {
            let targets = pick(&targets, which).concat();
            loss.forward_no_reduction(logits, on.tensor(&targets, [which.len(), 3], F32))
        });
    }
    // [N, C, T] with one place.
    let loss = CrossEntropyLoss::new();
    assert_contained("places", &rows, &invalid, |on, logits, which| {
        let targets = pick(&targets, which).concat();
        let targets = on.tensor(&targets, [which.len(), 3, 1], F32);
        flat(loss.forward_no_reduction(logits.unsqueeze_dim::<3>(2), targets))
    });
}

#[test]
fn invalid_targets_of_the_kl_divergence() {
    let _guard = unchecked();
    let targets = distributions();
    let rows: Vec<_> = some_rows(targets.len(), 3)
        .iter()
        .map(|row| log_softmax(row))
        .collect();
    let loss = KlDivLoss::new();
    assert_contained("KL", &rows, &[1, 2, 3, 4, 5, 6, 7], |on, x, which| {
        let targets = pick(&targets, which).concat();
        flat(loss.forward_no_reduction(x, on.tensor(&targets, [which.len(), 3], F32)))
    });

    // Probabilities where their logarithms are asked for, and rows that do not sum to 1.
    let targets = [
        log_softmax(&[1.0, 2.0, 0.5]),
        vec![0.25, 0.5, 0.25],
        vec![-1.0, -1.0, -3.0],
        vec![NAN, 0.0, -INFINITY],
        vec![-INFINITY, 0.0, -INFINITY],
        vec![-INFINITY, -INFINITY, -INFINITY],
        vec![-0.5, -2.0, INFINITY],
    ];
    let loss = KlDivLossConfig::new().with_log_target(true).init();
    assert_contained(
        "log target",
        &rows[..7],
        &[1, 2, 3, 5, 6],
        |on, x, which| {
            let targets = pick(&targets, which).concat();
            flat(loss.forward_no_reduction(x, on.tensor(&targets, [which.len(), 3], F32)))
        },
    );

    // Along the last axis: the samples are places of a sequence.
    let targets = distributions();
    let loss = KlDivLossConfig::new().with_class_axis(Some(2)).init();
    assert_contained("sequence", &rows, &[1, 2, 3, 4, 5, 6, 7], |on, x, which| {
        let targets = pick(&targets, which).concat();
        let targets = on.tensor(&targets, [1, which.len(), 3], F32);
        flat(loss.forward_no_reduction(x.unsqueeze_dim::<3>(0), targets))
    });

    // Without a class axis each entry is on its own.
    let targets = [0.25, 1.5, 0.0, -0.5, NAN, 1.0];
    let entries: Vec<_> = rows.concat()[..6].iter().map(|&x| vec![x]).collect();
    let loss = KlDivLossConfig::new().with_class_axis(None).init();
    assert_contained("entries", &entries, &[1, 3, 4], |on, x, which| {
        let targets = pick(&targets, which);
        flat(loss.forward_no_reduction(x, on.tensor(&targets, [which.len(), 1], F32)))
    });
}

// One target for each element.

#[test]
fn invalid_labels() {
    let _guard = unchecked();
    let labels = [0.0, 2.0, 1.0, -1.0, NAN, 0.25, INFINITY, 1.0];
    let invalid = [1, 3, 4, 6];
    let logits = some_rows(labels.len(), 1);
    let probs: Vec<_> = (1..9).map(|n| vec![f64::from(n) / 10.0]).collect();
    let of =
        |on: &TestDevice, which: &[usize]| on.tensor(&pick(&labels, which), [which.len(), 1], F32);

    let loss = BceLoss::new();
    assert_contained("BCE", &probs, &invalid, |on, x, which| {
        flat(loss.forward_no_reduction(x, of(on, which)))
    });
    let loss = BceLossConfig::new()
        .with_weights(Some(vec![3.0]))
        .with_label_smoothing(0.5)
        .init();
    assert_contained("smooth BCE", &probs, &invalid, |on, x, which| {
        flat(loss.forward_no_reduction(x, of(on, which)))
    });
    let loss = BceWithLogitsLoss::new();
    assert_contained("BCE of logits", &logits, &invalid, |on, x, which| {
        flat(loss.forward_no_reduction(x, of(on, which)))
    });
    // A weight of 0 does not hide what is invalid.
    for weight in [2.0, 0.0] {
        let loss = BceWithLogitsLossConfig::new()
            .with_weights(Some(vec![weight]))
            .with_pos_weights(Some(vec![3.0]))
            .with_label_smoothing(0.5)
            .init();
        assert_contained(
            "weighted BCE of logits",
            &logits,
            &invalid,
            |on, x, which| flat(loss.forward_no_reduction(x, of(on, which))),
        );
    }

    let labels = [0, 2, 1, -1, 255, 1, -100, 1];
    let loss = BceWithLogitsLoss::new();
    assert_contained("Int labels", &logits, &invalid, |on, x, which| {
        let targets = ints(on, &pick(&labels, which), [which.len(), 1]);
        flat(loss.forward_no_reduction(x, targets))
    });
    let loss = BceLoss::new();
    assert_contained(
        "Int labels of probabilities",
        &probs,
        &invalid,
        |on, x, which| {
            let targets = ints(on, &pick(&labels, which), [which.len(), 1]);
            flat(loss.forward_no_reduction(x, targets))
        },
    );
}

/// The loss is one for all labels of a sample: a single one that is none makes it NaN.
#[test]
fn invalid_rows_of_labels() {
    let _guard = unchecked();
    let labels = [
        [0.0, 1.0, 1.0],
        [2.0, 2.0, 2.0],
        [-1.0, 1.5, -2.0],
        [0.25, 0.5, 1.0],
        [NAN, NAN, NAN],
        [INFINITY, NAN, -INFINITY],
        [0.0, 0.0, 0.0],
        [-0.25, -INFINITY, 255.0],
    ];
    let single = [
        [0.0, 2.0, 1.0],
        [0.0, 1.0, 1.0],
        [1.0, 1.0, NAN],
        [-1.0, 0.5, 0.25],
        [0.5, 0.0, 1.0],
    ];
    let invalid = [1, 2, 4, 5, 7];
    let rows = some_rows(labels.len(), 3);
    let of = |on: &TestDevice, which: &[usize]| {
        on.tensor(&pick(&labels, which).concat(), [which.len(), 3], F32)
    };
    for config in [
        MultiLabelSoftMarginLossConfig::new(),
        // A weight of 0 does not hide what is invalid.
        MultiLabelSoftMarginLossConfig::new().with_weights(Some(vec![2.0, 0.0, 0.5])),
    ] {
        let loss = config.init();
        let what = loss.to_string();
        assert_contained(&what, &rows, &invalid, |on, logits, which| {
            loss.forward_no_reduction(logits, of(on, which))
        });
        assert_contained(&what, &rows, &invalid, |on, logits, which| {
            let (logits, targets) = (logits.unsqueeze_dim::<3>(2), of(on, which));
            flat(loss.forward_no_reduction(logits, targets.unsqueeze_dim::<3>(2)))
        });
        for on in devices() {
            let targets = on.tensor(&single.concat(), [5, 3], F32);
            let call = |_: &TestDevice, x: Tensor<2>| loss.forward_no_reduction(x, targets.clone());
            let found = samples(&on, &rows[..5], &call, None);
            for (at, labels) in single.iter().enumerate() {
                let what = format!("{what} on {}, sample {at}: {found:?}", on.name);
                let nan = [0, 2, 3].contains(&at);
                assert_eq!(found.losses[at][0].is_nan(), nan, "{what}");
                for (label, slope) in labels.iter().zip(&found.gradients[at]) {
                    match (0.0..=1.0).contains(label) {
                        true => assert!(nan || !slope.is_nan(), "{what}"),
                        false => assert!(slope.is_nan(), "{what}"),
                    }
                }
            }
        }
    }

    let labels: [[i64; 3]; 5] = [[0, 1, 1], [2, -1, 3], [1, 1, 1], [-1; 3], [7, -100, 255]];
    let loss = MultiLabelSoftMarginLoss::new();
    assert_contained("Int labels", &rows[..5], &[1, 3, 4], |on, logits, which| {
        let targets = ints(on, &pick(&labels, which).concat(), [which.len(), 3]);
        loss.forward_no_reduction(logits, targets)
    });
}

#[test]
fn invalid_signs() {
    let _guard = unchecked();
    let signs = [1.0, 0.0, -1.0, 0.3, NAN, 1.0, 2.0, -INFINITY, -1.0];
    let invalid = [1, 3, 4, 6, 7];
    let rows = some_rows(signs.len(), 1);
    let of =
        |on: &TestDevice, which: &[usize]| on.tensor(&pick(&signs, which), [which.len(), 1], F32);
    let hinge = HingeEmbeddingLoss::new();
    assert_contained("hinge embedding", &rows, &invalid, |on, x, which| {
        flat(hinge.forward_no_reduction(x, of(on, which)))
    });
    let ranking = MarginRankingLossConfig::new().with_margin(0.5).init();
    assert_contained("first score", &rows, &invalid, |on, x, which| {
        let other = on.tensor(&vec![0.5; which.len()], [which.len(), 1], F32);
        flat(ranking.forward_no_reduction(x, other, of(on, which)))
    });
    assert_contained("second score", &rows, &invalid, |on, x, which| {
        let other = on.tensor(&vec![0.5; which.len()], [which.len(), 1], F32);
        flat(ranking.forward_no_reduction(other, x, of(on, which)))
    });

    let soft = SoftMarginLoss::new();
    assert_contained("soft margin", &rows, &invalid, |on, x, which| {
        flat(soft.forward_no_reduction(x, of(on, which)))
    });
    // The target of a whole vector.
    let vectors = some_rows(signs.len(), 3);
    let per_pair =
        |on: &TestDevice, which: &[usize]| on.tensor(&pick(&signs, which), [which.len()], F32);
    let other = |on: &TestDevice, which: &[usize]| {
        let rows: Vec<_> = which.iter().map(|&at| [1.0, 0.5, at as f64]).collect();
        on.tensor(&rows.concat(), [which.len(), 3], F32)
    };
    let cosine = CosineEmbeddingLossConfig::new().with_margin(-0.5).init();
    assert_contained("first vector", &vectors, &invalid, |on, x, which| {
        cosine.forward_no_reduction(x, other(on, which), per_pair(on, which))
    });
    assert_contained("second vector", &vectors, &invalid, |on, x, which| {
        cosine.forward_no_reduction(other(on, which), x, per_pair(on, which))
    });
    assert_contained("vectors of rank 3", &vectors, &invalid, |on, x, which| {
        let [x, other] = [x, other(on, which)].map(|rows| rows.unsqueeze_dim::<3>(0));
        let signs = per_pair(on, which).unsqueeze_dim::<2>(0);
        flat(cosine.forward_no_reduction(x, other, signs))
    });

    let signs = [1, 0, -1, 2, -2, 1, 255, -100, -1];
    assert_contained("Int signs", &rows, &invalid, |on, x, which| {
        let targets = ints(on, &pick(&signs, which), [which.len(), 1]);
        flat(hinge.forward_no_reduction(x, targets))
    });
    assert_contained("Int signs of logits", &rows, &invalid, |on, x, which| {
        let targets = ints(on, &pick(&signs, which), [which.len(), 1]);
        flat(soft.forward_no_reduction(x, targets))
    });
    assert_contained("Int signs of pairs", &vectors, &invalid, |on, x, which| {
        let targets = ints(on, &pick(&signs, which), [which.len()]);
        cosine.forward_no_reduction(x, other(on, which), targets)
    });
    assert_contained("Int signs of scores", &rows, &invalid, |on, x, which| {
        let other = on.tensor(&vec![0.5; which.len()], [which.len(), 1], F32);
        let targets = ints(on, &pick(&signs, which), [which.len(), 1]);
        flat(ranking.forward_no_reduction(x, other, targets))
    });
}

#[test]
fn regression_targets_that_are_not_finite() {
    let _guard = unchecked();
    let targets = [0.5, NAN, -1.0, INFINITY, -INFINITY, 0.25];
    let rows = some_rows(targets.len(), 1);
    let of =
        |on: &TestDevice, which: &[usize]| on.tensor(&pick(&targets, which), [which.len(), 1], F32);
    let (l1, mse) = (L1Loss::new(), MseLoss::new());
    assert_contained("L1", &rows, &[1, 3, 4], |on, x, which| {
        flat(l1.forward_no_reduction(x, of(on, which)))
    });
    assert_contained("MSE", &rows, &[1, 3, 4], |on, x, which| {
        flat(mse.forward_no_reduction(x, of(on, which)))
    });
    for (beta, delta) in [(1.0, 1.0), (0.0, 0.25), (1e-30, 1e30)] {
        let smooth = SmoothL1LossConfig::new().with_beta(beta).init();
        assert_contained(&smooth.to_string(), &rows, &[1, 3, 4], |on, x, which| {
            flat(smooth.forward_no_reduction(x, of(on, which)))
        });
        let huber = HuberLossConfig::new().with_delta(delta).init();
        assert_contained(&huber.to_string(), &rows, &[1, 3, 4], |on, x, which| {
            flat(huber.forward_no_reduction(x, of(on, which)))
        });
    }
    let gaussian = GaussianNllLossConfig::new().with_full(true).init();
    assert_contained("Gaussian", &rows, &[1, 3, 4], |on, x, which| {
        flat(gaussian.forward_no_reduction(x, of(on, which), 0.5))
    });
    // Nor is the gradient of the variance a number where the target is none.
    let variances: Vec<_> = (1..7).map(|n| vec![f64::from(n) / 5.0]).collect();
    assert_contained("variance", &variances, &[1, 3, 4], |on, x, which| {
        let predictions = x.clone().inner().zeros_like();
        flat(gaussian.forward_no_reduction(predictions, of(on, which), x))
    });
}

#[test]
fn invalid_variances() {
    let _guard = unchecked();
    let variances = [0.5, -0.5, 2.0, NAN, 0.0, -INFINITY, 0.125, -1e-30];
    let invalid = [1, 3, 5, 7];
    // Below eps a variance counts as eps; so would a negative one.
    let loss = GaussianNllLossConfig::new().with_eps(0.25).init();
    let targets = |on: &TestDevice, shape: [usize; 2]| {
        let count = shape[0] * shape[1];
        on.tensor(&vec![0.8; count], shape, F32)
    };
    let per_element = |on: &TestDevice, which: &[usize]| {
        on.tensor(&pick(&variances, which), [which.len(), 1], F32)
    };
    let rows = some_rows(variances.len(), 1);
    assert_contained("for each element", &rows, &invalid, |on, x, which| {
        let targets = targets(on, x.dims());
        flat(loss.forward_no_reduction(x, targets, per_element(on, which)))
    });
    let rows = some_rows(variances.len(), 3);
    assert_contained("for each row", &rows, &invalid, |on, x, which| {
        let targets = targets(on, x.dims());
        let variance = on.tensor(&pick(&variances, which), [which.len()], F32);
        flat(loss.forward_no_reduction(x, targets, variance))
    });
    assert_contained("in a column", &rows, &invalid, |on, x, which| {
        let targets = targets(on, x.dims());
        flat(loss.forward_no_reduction(x, targets, per_element(on, which)))
    });

    // Its own gradient: one for each element, or for a whole row.
    let own: Vec<_> = variances.iter().map(|&variance| vec![variance]).collect();
    for width in [1, 3] {
        let what = format!("the variance of {width}");
        assert_contained(&what, &own, &invalid, |on, x, which| {
            let predictions = pick(&some_rows(variances.len(), width), which).concat();
            let predictions = on.tensor(&predictions, [which.len(), width], F32);
            let targets = targets(on, predictions.dims());
            flat(loss.forward_no_reduction(predictions, targets, x))
        });
    }
}

#[test]
fn invalid_counts() {
    let _guard = unchecked();
    let counts = [1.0, NAN, 0.0, -1.0, INFINITY, 3.0, -INFINITY, 2.5, -0.25];
    let invalid = [1, 3, 4, 6, 8];
    let whole = [1, -1, 0, 7, -100, i64::from(i32::MIN), 2, 0, -2];
    let no_counts = [1, 4, 5, 8];
    let rates: Vec<_> = (1..10).map(|n| vec![f64::from(n) / 4.0]).collect();
    let plain = PoissonNllLossConfig::new;
    for (config, rows) in [
        (plain(), some_rows(counts.len(), 1)),
        (plain().with_full(true), some_rows(counts.len(), 1)),
        (plain().with_log_input(false), rates.clone()),
        (plain().with_log_input(false).with_full(true), rates),
    ] {
        let loss = config.init();
        let what = loss.to_string();
        assert_contained(&what, &rows, &invalid, |on, x, which| {
            let targets = on.tensor(&pick(&counts, which), [which.len(), 1], F32);
            flat(loss.forward_no_reduction(x, targets))
        });
        assert_contained(&what, &rows, &no_counts, |on, x, which| {
            let targets = ints(on, &pick(&whole, which), [which.len(), 1]);
            flat(loss.forward_no_reduction(x, targets))
        });
    }
}

// Inputs that a loss is not defined for.

#[test]
fn logits_in_place_of_log_probabilities() {
    let _guard = unchecked();
    let rows = [
        log_softmax(&[1.0, 2.0, -3.0]),
        vec![1.0, 2.0, -3.0],
        vec![0.0, -1.0, 0.5],
        log_softmax(&[0.0, -1.0, 0.5]),
        // What a sample does not use is not looked at.
        vec![0.0, -1.0, 0.5],
    ];
    let ids = [2, 0, 2, 1, 1];
    let loss = NllLossConfig::new().with_ignore_index(-1).init();
    assert_contained("NLL", &rows, &[1, 2], |on, x, which| {
        loss.forward_no_reduction(x, ints(on, &pick(&ids, which), [which.len()]))
    });

    let entries = [-0.5, 0.5, -INFINITY, 2.0, 0.0, INFINITY, -3.0].map(|x| vec![x]);
    let targets = [0.5, 0.5, 0.0, 0.0, 1.0, 0.25, 0.25];
    let loss = KlDivLossConfig::new().with_class_axis(None).init();
    assert_contained("KL", &entries, &[1, 3, 5], |on, x, which| {
        let targets = on.tensor(&pick(&targets, which), [which.len(), 1], F32);
        flat(loss.forward_no_reduction(x, targets))
    });
}

#[test]
fn logits_in_place_of_probabilities() {
    let _guard = unchecked();
    let inputs = [0.5, 2.0, 0.0, -1.0, 1.0, INFINITY, -INFINITY, 0.25].map(|x| vec![x]);
    for label in [0.0, 1.0, 0.5] {
        let loss = BceLoss::new();
        assert_contained("BCE", &inputs, &[1, 3, 5, 6], |on, x, which| {
            let targets = on.tensor(&vec![label; which.len()], [which.len(), 1], F32);
            flat(loss.forward_no_reduction(x, targets))
        });
    }
}

#[test]
fn numbers_that_are_no_rates() {
    let _guard = unchecked();
    let rates = [0.5, -0.5, 2.0, -1e-30, 0.0, -INFINITY, 1.0].map(|x| vec![x]);
    let counts = [1.0, 0.0, 3.0, 0.0, 0.0, 1.0, 0.0];
    for full in [false, true] {
        let loss = PoissonNllLossConfig::new()
            .with_log_input(false)
            .with_full(full)
            .init();
        assert_contained("Poisson", &rates, &[1, 3, 5], |on, x, which| {
            let targets = on.tensor(&pick(&counts, which), [which.len(), 1], F32);
            flat(loss.forward_no_reduction(x, targets))
        });
    }
}

// Sample weights.

#[test]
fn invalid_sample_weights() {
    let _guard = unchecked();
    let weights = [1.0, -1.0, 0.5, NAN, 0.0, 2.0];
    let ids = [0, 1, 2, 0, 1, 2];
    let loss = CrossEntropyLossConfig::new()
        .with_reduction(Reduction::Sum)
        .init();
    for on in devices() {
        let alone = samples(
            &on,
            &some_rows(6, 3),
            &|on, logits| loss.forward_no_reduction(logits, ints(on, &ids, [6])),
            None,
        );
        let call = |reduction: Reduction| {
            let loss = CrossEntropyLossConfig::new()
                .with_reduction(reduction)
                .init();
            let logits = on.tracked(&some_rows(6, 3).concat(), [6, 3], F32);
            let weights = on.tensor(&weights, [6], F32);
            let value = loss.forward_weighted(logits.clone(), ints(&on, &ids, [6]), weights);
            let gradient = logits.grad(&value.clone().backward()).unwrap();
            (numbers(&value)[0], numbers(&gradient))
        };
        let (value, gradient) = call(Reduction::Sum);
        assert!(value.is_nan(), "on {}", on.name);
        for (at, (row, weight)) in gradient.chunks(3).zip(weights).enumerate() {
            let what = format!("sample {at} on {}", on.name);
            match at {
                1 | 3 => assert!(row.iter().all(|number| number.is_nan()), "{what}: {row:?}"),
                _ => {
                    let expected: Vec<f64> = alone.gradients[at]
                        .iter()
                        .map(|slope| slope * weight)
                        .collect();
                    assert_close(&what, row, &expected, 1e-5);
                }
            }
        }
        for reduction in [Reduction::Mean, Reduction::BatchMean] {
            assert!(call(reduction).0.is_nan(), "{reduction:?} on {}", on.name);
        }
    }
}

// What is not a matter of values.

#[test]
fn shapes_devices_and_options_are_checked_all_the_same() {
    let _guard = unchecked();
    for on in devices() {
        let logits = || on.tracked(&some_rows(4, 3).concat(), [4, 3], F32);
        let kind = |result: Result<Tensor<1>, LossError>| result.unwrap_err().kind;
        let loss = CrossEntropyLoss::new();
        assert_eq!(
            kind(loss.try_forward(logits(), ints(&on, &[0; 3], [3]))),
            LossErrorKind::Shape
        );
        let row = on.tensor(&[0.5; 4], [1, 4], F32);
        let column = on.tensor(&[0.5; 4], [4, 1], F32);
        assert_eq!(
            kind(MseLoss::new().try_forward(row, column)),
            LossErrorKind::Shape
        );
        let tracked = target::log_probs(logits(), 1).exp();
        assert_eq!(
            kind(loss.try_forward(logits(), tracked)),
            LossErrorKind::TrackedTarget
        );
        let ignoring = CrossEntropyLossConfig::new().with_ignore_index(0).init();
        let probs = on.tensor(&[0.25, 0.25, 0.5].repeat(4), [4, 3], F32);
        assert_eq!(
            kind(ignoring.try_forward(logits(), probs)),
            LossErrorKind::Config
        );
        let gaussian = GaussianNllLoss::new();
        let three = on.tensor(&[0.5; 3], [3], F32);
        assert_eq!(
            kind(gaussian.try_forward(logits(), logits(), three)),
            LossErrorKind::Shape
        );
        // A number is not on the device.
        assert_eq!(
            kind(gaussian.try_forward(logits(), logits(), -0.5)),
            LossErrorKind::Value {
                value: -0.5,
                index: vec![]
            }
        );
        let signs = ints(&on, &[1; 3], [3]);
        assert_eq!(
            kind(CosineEmbeddingLoss::new().try_forward(logits(), logits(), signs)),
            LossErrorKind::Shape
        );
        let lists = ints(&on, &[-1; 8], [4, 2]);
        assert_eq!(
            kind(MultiLabelMarginLoss::new().try_forward(logits(), lists)),
            LossErrorKind::Shape
        );
    }
    assert!(
        TripletMarginLossConfig::new()
            .with_margin(-1.0)
            .try_init()
            .is_err()
    );
}

#[test]
fn no_call_reads_and_every_call_reads() {
    let _guard = unchecked();
    assert_eq!(checks(), Checks::Never);
    for on in devices() {
        let logits = || on.tracked(&some_rows(4, 3).concat(), [4, 3], F32);
        let targets = || ints(&on, &[0, 1, 2, 9], [4]);
        let loss = CrossEntropyLoss::new();
        set_checks(Checks::Never);
        let found = loss.try_forward(logits(), targets()).unwrap();
        assert!(numbers(&found)[0].is_nan(), "on {}", on.name);
        for reading in [Checks::Always, Checks::Auto] {
            set_checks(reading);
            assert_eq!(checks(), reading);
            let error = loss.try_forward(logits(), targets()).unwrap_err();
            let (value, index) = (9.0, vec![3]);
            assert_eq!(
                error.kind,
                LossErrorKind::Value { value, index },
                "on {}",
                on.name
            );
        }
    }
    set_checks(Checks::Never);
}

// What is valid.

/// Reading the values changes no bit of a valid call.
#[test]
fn valid_calls_equal_the_checked_ones() {
    let _guard = unchecked();
    type Call = Box<dyn Fn(&TestDevice, Tensor<2>) -> Tensor<1>>;
    fn call(call: impl Fn(&TestDevice, Tensor<2>) -> Tensor<1> + 'static) -> Call {
        Box::new(call)
    }
    const SHAPE: [usize; 2] = [5, 3];
    fn rows(on: &TestDevice) -> Tensor<2> {
        on.tensor(
            &[
                0.25, 0.25, 0.5, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.125, 0.875, 0.0, 0.5, 0.5, 0.0,
            ],
            SHAPE,
            F32,
        )
    }
    fn ones(on: &TestDevice) -> Tensor<2, Int> {
        ints(on, &[0, 1, 1, 0, 0, 1, 1, 1, 0, 0, 1, 0, 1, 0, 1], SHAPE)
    }
    let classes = |on: &TestDevice| ints(on, &[0, 2, -100, 1, 2], [5]);
    let ranked = |on: &TestDevice| -> Tensor<2> { target::signs(ones(on)) };
    let known = |on: &TestDevice| ints(on, &[0, 2, 1, 1, 2], [5]);
    let lists = |on: &TestDevice| target::label_ids(ones(on).bool(), 1);
    let pairs = |on: &TestDevice| ints(on, &[1, -1, -1, 1, -1], [5]);
    let cross_entropy = CrossEntropyLossConfig::new()
        .with_weights(Some(vec![0.5, 0.0, 2.0]))
        .with_label_smoothing(0.1);
    let ignoring = cross_entropy.clone().with_ignore_index(-100).init();
    let cross_entropy = cross_entropy.init();
    let nll = NllLossConfig::new().with_ignore_index(-100).init();
    let bce = BceWithLogitsLossConfig::new()
        .with_pos_weights(Some(vec![1.0, 2.0, 3.0]))
        .init();
    let log_target = KlDivLossConfig::new().with_log_target(true).init();
    let rates = PoissonNllLossConfig::new()
        .with_log_input(false)
        .with_full(true)
        .init();
    let margin = MultiMarginLossConfig::new()
        .with_p(2)
        .with_weights(Some(vec![0.5, 0.0, 2.0]))
        .init();
    let calls = [
        call(|on, x| L1Loss::new().forward(x, rows(on))),
        call(|on, x| MseLoss::new().forward(x, rows(on))),
        call(|on, x| SmoothL1Loss::new().forward(x, rows(on))),
        call(|on, x| HuberLoss::new().forward(x, rows(on))),
        call(|on, x| PoissonNllLoss::new().forward(x, ones(on))),
        call(move |on, x| rates.forward(x.exp(), rows(on))),
        call(|on, x| GaussianNllLoss::new().forward(x, rows(on), 0.5)),
        call(|on, x| GaussianNllLoss::new().forward(rows(on), rows(on) * 2.0, x.exp())),
        call(move |on, x| margin.forward(x, known(on))),
        call(move |on, x| SoftMarginLoss::new().forward(x, ranked(on))),
        call(move |on, x| MultiLabelMarginLoss::new().forward(x, lists(on))),
        call(|on, x| MultiLabelSoftMarginLoss::new().forward(x, rows(on))),
        call(move |on, x| CosineEmbeddingLoss::new().forward(x, rows(on), pairs(on))),
        call(|on, x| TripletMarginWithDistanceLoss::new().forward(x.clone(), x * 2.0, rows(on))),
        call(move |on, x| ignoring.forward(x, classes(on))),
        call(move |on, x| cross_entropy.forward(x, rows(on))),
        call(move |on, x| nll.forward(target::log_probs(x, 1), classes(on))),
        call(|on, x| BceLoss::new().forward(burn::tensor::activation::sigmoid(x), ones(on))),
        call(move |on, x| bce.forward(x, rows(on))),
        call(|on, x| KlDivLoss::new().forward(target::log_probs(x, 1), rows(on))),
        call(move |on, x| log_target.forward(target::log_probs(x, 1), rows(on).log())),
        call(move |on, x| HingeEmbeddingLoss::new().forward(x.abs(), ranked(on))),
        call(move |on, x| MarginRankingLoss::new().forward(x, rows(on), ranked(on))),
        call(|on, x| TripletMarginLoss::new().forward(x.clone(), x * 2.0, rows(on))),
        call(move |on, x| {
            let weights = on.tensor(&[1.0, 0.0, 0.5, 3.0, 1.0], [5], F32);
            MseLoss::new().forward_weighted(x, rows(on), weights)
        }),
    ];
    for on in devices() {
        for (at, call) in calls.iter().enumerate() {
            let outcome = |checks| {
                set_checks(checks);
                let input = on.tracked(&some_rows(5, 3).concat(), SHAPE, F32);
                let value = call(&on, input.clone());
                let gradient = input.grad(&value.backward()).unwrap();
                (numbers(&value), numbers(&gradient))
            };
            let checked = outcome(Checks::Always);
            let unchecked = outcome(Checks::Never);
            assert!(checked.0[0].is_finite(), "call {at} on {}", on.name);
            assert_eq!(unchecked, checked, "call {at} on {}", on.name);
        }
    }
}

// For a scope.

/// The innermost scope counts, on its own thread, and what was before comes back even after a panic.
#[test]
fn a_scope_has_checks_of_its_own() {
    let _guard = unchecked();
    for on in &devices() {
        let logits = || on.tensor(&[0.5, 1.0, 2.0, -1.0], [2, 2], F32);
        let wrong = || ints(on, &[0, 2], [2]);
        let call = || CrossEntropyLoss::new().try_forward(logits(), wrong());
        let passes = || {
            call()
                .expect("nothing is read")
                .into_scalar::<f32>()
                .is_nan()
        };
        assert!(passes(), "{}", on.name);
        with_checks(Checks::Always, || {
            assert_eq!(checks(), Checks::Always);
            call().expect_err("an id out of range");
            with_checks(Checks::Never, || assert!(passes(), "{}", on.name));
            call().expect_err("the outer scope again");
            let of_thread = std::thread::spawn(checks)
                .join()
                .expect("it does not panic");
            assert_eq!(of_thread, Checks::Never, "a scope is for its thread");
            let panicked = std::panic::catch_unwind(|| {
                with_checks(Checks::Never, || panic!("in a scope, as it should"))
            });
            panicked.expect_err("it panics");
            call().expect_err("after a panic");
        });
        assert_eq!(checks(), Checks::Never);
        assert!(passes(), "{}", on.name);
    }
}
