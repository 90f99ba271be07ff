//! Cross-entropy of classes that ranks share, against that of all classes; and what becomes of ranks that fail.

mod common;
#[path = "../docs/tcp.rs"]
mod tcp;

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use burn_losses::distributed::{CollectiveRank, Exchange, ExchangeError, Shard, ThreadRank};
use burn_losses::prelude::*;
use burn_losses::{LossErrorKind, with_checks};
use common::{TestDevice, assert_close, numbers};
use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::ops::Range;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const NAN: f64 = f64::NAN;
const INFINITY: f64 = f64::INFINITY;

/// How long ranks wait for each other where nothing goes wrong: no test waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(60);

/// What must be over long before that.
const SOON: Duration = Duration::from_secs(30);

fn flex() -> TestDevice {
    TestDevice {
        name: "flex",
        device: Device::flex(),
        double: true,
    }
}

/// How far what ranks find may be from what is found without them.
fn tolerance(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => 1e-12,
        DType::F32 => 1e-6,
        _ => 1e-3,
    }
}

/// Logits `[samples, classes]`, and an id for each sample.
#[derive(Clone, Debug)]
struct Batch {
    logits: Vec<f64>,
    classes: usize,
    ids: Vec<i64>,
}

impl Batch {
    /// Something of everything.
    fn scattered(samples: usize, classes: usize) -> Self {
        let number = |at: usize| ((at as f64 + 1.0) * 12.9898).sin() * 43758.5453;
        let logits = (0..samples * classes).map(|at| number(at).fract() * 3.0);
        Self {
            logits: logits.collect(),
            classes,
            ids: (0..samples)
                .map(|sample| (sample * 3 % classes) as i64)
                .collect(),
        }
    }

    /// A row for each class as the target.
    fn of_row(row: &[f64]) -> Self {
        Self {
            logits: row.repeat(row.len()),
            classes: row.len(),
            ids: (0..row.len() as i64).collect(),
        }
    }

    fn samples(&self) -> usize {
        self.ids.len()
    }

    /// The logits of some of the classes.
    fn part(&self, part: &Range<usize>) -> Vec<f64> {
        let rows = self.logits.chunks(self.classes);
        rows.flat_map(|row| row[part.clone()].to_vec()).collect()
    }

    fn ids(&self) -> Tensor<1, Int> {
        let data = TensorData::new(self.ids.clone(), [self.samples()]);
        Tensor::from_data(data, &flex().device)
    }

    fn tracked(&self, part: &Range<usize>, dtype: DType) -> Tensor<2> {
        let shape = [self.samples(), part.len()];
        flex().tracked(&self.part(part), shape, dtype)
    }

    /// Without ranks.
    fn whole(&self, config: &CrossEntropyLossConfig, dtype: DType) -> Found {
        let logits = self.tracked(&(0..self.classes), dtype);
        let value = config.init().forward(logits.clone(), self.ids());
        Found::new(&value, &logits)
    }

    /// As a rank that has some of the classes.
    fn sharded(
        &self,
        config: &CrossEntropyLossConfig,
        dtype: DType,
        exchange: &dyn Exchange,
        part: &Range<usize>,
    ) -> Result<Found, LossError> {
        let logits = self.tracked(part, dtype);
        let shard = Shard {
            start: part.start,
            classes: self.classes,
            exchange,
        };
        let value = config
            .init()
            .try_forward_sharded(logits.clone(), self.ids(), shard)?;
        Ok(Found::new(&value, &logits))
    }

    /// Asserts that ranks find what is found without them, and all the same bits.
    fn assert_whole(
        &self,
        what: &str,
        config: &CrossEntropyLossConfig,
        dtype: DType,
        lengths: &[usize],
    ) {
        let what = format!("{what}, {:?}, {dtype:?}, {lengths:?}", config.reduction);
        let parts = parts(lengths);
        let found = on_ranks(&parts, |rank, part| self.sharded(config, dtype, rank, part));
        let found: Vec<Found> = found.into_iter().map(|found| found.expect(&what)).collect();
        let expected = self.whole(config, dtype);
        assert_close(&what, &found[0].value, &expected.value, tolerance(dtype));
        for other in &found {
            assert_eq!(bits(&other.value), bits(&found[0].value), "{what}: bits");
        }
        let gradient = self.joined(&parts, &found);
        let what = format!("{what}: gradient");
        assert_close(&what, &gradient, &expected.gradient, tolerance(dtype));
    }

    /// The gradient of all classes, from those of the ranks.
    fn joined(&self, parts: &[Range<usize>], found: &[Found]) -> Vec<f64> {
        let mut joined = Vec::new();
        for sample in 0..self.samples() {
            for (part, found) in parts.iter().zip(found) {
                let row = sample * part.len()..(sample + 1) * part.len();
                joined.extend_from_slice(&found.gradient[row]);
            }
        }
        joined
    }
}

/// A loss, or several, and the gradient of the logits.
#[derive(Clone, Debug)]
struct Found {
    value: Vec<f64>,
    gradient: Vec<f64>,
}

impl Found {
    fn new<const D: usize>(value: &Tensor<1>, logits: &Tensor<D>) -> Self {
        let gradient = logits.grad(&value.backward()).expect("a gradient");
        Self {
            value: numbers(value),
            gradient: numbers(&gradient),
        }
    }
}

fn bits(numbers: &[f64]) -> Vec<u64> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

/// Parts of so many classes, one after the other.
fn parts(lengths: &[usize]) -> Vec<Range<usize>> {
    let mut end = 0;
    let after = |length: &usize| {
        let start = end;
        end += length;
        start..end
    };
    lengths.iter().map(after).collect()
}

/// What each rank finds, in a thread of its own.
fn on_ranks<R: Send>(
    parts: &[Range<usize>],
    call: impl Fn(&ThreadRank, &Range<usize>) -> R + Sync,
) -> Vec<R> {
    let call = &call;
    std::thread::scope(|scope| {
        let ranks = ThreadRank::group_with_timeout(parts.len(), PATIENCE);
        let running: Vec<_> = ranks
            .into_iter()
            .zip(parts)
            .map(|(rank, part)| scope.spawn(move || call(&rank, part)))
            .collect();
        let found = running.into_iter().map(|rank| rank.join());
        found.map(|found| found.expect("no panic")).collect()
    })
}

/// The errors of all ranks.
fn errors<T: std::fmt::Debug>(found: Vec<Result<T, LossError>>) -> Vec<LossError> {
    let errors = found.into_iter().map(|found| found.expect_err("an error"));
    errors.collect()
}

fn assert_says(error: &LossError, parts: &[&str]) {
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "{text}\nhas no {part:?}");
    }
}

fn plain() -> CrossEntropyLossConfig {
    CrossEntropyLossConfig::new()
}

// The same as without ranks.

/// Each option, and options together, for 7 classes.
fn options() -> Vec<(&'static str, CrossEntropyLossConfig)> {
    let weights = || Some(vec![0.25, 2.0, 1.0, 0.5, 3.0, 0.0, 1.5]);
    let log_prior = || Some(target::log_prior(&[100, 50, 25, 15, 10, 400, 1]));
    let margins = || Some(vec![0.1, 0.5, 0.0, -0.2, 0.3, 1.0, 0.4]);
    vec![
        ("nothing", plain()),
        ("weights", plain().with_weights(weights())),
        ("smoothing", plain().with_label_smoothing(0.1)),
        ("smoothing alone", plain().with_label_smoothing(1.0)),
        (
            "weights, smoothing",
            plain().with_weights(weights()).with_label_smoothing(0.3),
        ),
        (
            "ignored",
            plain().with_ignore_index(2).with_ignore_index(-7),
        ),
        (
            "ignored, smoothing",
            plain().with_ignore_index(6).with_label_smoothing(0.2),
        ),
        ("z-loss", plain().with_z_loss(0.01)),
        (
            "z-loss, weights, smoothing, ignored",
            plain()
                .with_z_loss(0.02)
                .with_weights(weights())
                .with_label_smoothing(0.1)
                .with_ignore_index(3),
        ),
        ("scale", plain().with_logit_scale(1.5)),
        ("cap", plain().with_softcap(Some(2.0))),
        ("prior", plain().with_log_prior(log_prior())),
        (
            "prior, tau",
            plain().with_log_prior(log_prior()).with_tau(0.5),
        ),
        ("margins", plain().with_margins(margins())),
        (
            "everything",
            plain()
                .with_weights(weights())
                .with_ignore_index(1)
                .with_label_smoothing(0.1)
                .with_z_loss(0.001)
                .with_logit_scale(1.25)
                .with_softcap(Some(4.0))
                .with_log_prior(log_prior())
                .with_margins(margins()),
        ),
    ]
}

const LENGTHS: [&[usize]; 6] = [
    &[7],
    &[3, 4],
    &[6, 1],
    &[2, 1, 4],
    &[1, 5, 1],
    &[1, 2, 1, 3],
];

#[test]
fn ranks_find_what_is_found_without_them() {
    let batch = Batch::scattered(9, 7);
    for (what, config) in options() {
        for reduction in [Reduction::Mean, Reduction::Sum, Reduction::BatchMean] {
            let config = config.clone().with_reduction(reduction);
            for lengths in LENGTHS {
                for dtype in [DType::F64, DType::F32] {
                    batch.assert_whole(what, &config, dtype, lengths);
                }
            }
        }
    }
}

#[test]
fn half_precision_is_computed_in_f32() {
    let batch = Batch::scattered(5, 7);
    let smoothed = plain().with_label_smoothing(0.1);
    batch.assert_whole("half", &smoothed, DType::F16, &[3, 4]);
}

/// Weights of 1e-39 or 3e38 average as those of 1 do, with ranks too.
#[test]
fn a_mean_does_not_depend_on_the_scale_of_weights() {
    let batch = Batch::scattered(6, 4);
    for scale in [1e-39, 1e38] {
        let weights = [1.0, 2.0, 0.5, 3.0].map(|weight| weight * scale);
        let config = plain().with_weights(Some(weights.to_vec()));
        batch.assert_whole("scaled weights", &config, DType::F32, &[1, 3]);
    }
}

/// A loss of 3e38 times a weight of 2.5 is out of range, but not its share of a mean of eight.
#[test]
fn a_weight_that_no_mean_counts_does_not_overflow_where_the_mean_does_not() {
    let mut batch = Batch::scattered(8, 3);
    batch.ids.fill(0);
    batch.logits[..3].copy_from_slice(&[0.0, 3e38, 1.0]);
    let config = plain().with_weights(Some(vec![2.5, 1.0, 2.0]));
    let config = config.with_reduction(Reduction::BatchMean);
    for config in [config.clone(), config.with_label_smoothing(0.1)] {
        batch.assert_whole("a loss of 3e38", &config, DType::F32, &[1, 2]);
    }
}

/// Classes on another axis than the last, each loss, and something done with the losses.
#[test]
fn each_loss_is_found_on_any_axis() {
    let (shape, classes) = ([2, 5, 3], 5);
    let on = flex();
    let logits = Batch::scattered(6, classes).logits;
    let ids: Vec<i64> = vec![0, 4, -1, 2, 3, 1];
    let ids = || -> Tensor<2, Int> {
        Tensor::from_data(TensorData::new(ids.clone(), [2, 3]), &on.device)
    };
    let weights = || {
        let weights = on.tensor(&[1.0, -2.0, 0.5, 3.0, 0.0, 1.5], [2, 3], DType::F64);
        weights.autodiff()
    };
    let config = plain().with_ignore_index(-1).with_label_smoothing(0.1);
    let loss = config.init();

    let whole: Tensor<3> = on.tracked(&logits, shape, DType::F64);
    let each = loss.forward_no_reduction(whole.clone(), ids());
    let expected = numbers(&each);
    let expected_gradient = whole.grad(&(each * weights()).sum().backward());
    let expected_gradient = numbers(&expected_gradient.expect("a gradient"));

    let found = on_ranks(&parts(&[2, 3]), |rank, part| {
        let all: Tensor<3> = on.tensor(&logits, shape, DType::F64);
        let own = all.slice_dim(1, part.clone()).autodiff().require_grad();
        let shard = Shard {
            start: part.start,
            classes,
            exchange: rank,
        };
        let each = loss.forward_sharded_no_reduction(own.clone(), ids(), shard);
        assert_eq!(each.dims(), [2, 3]);
        let value = numbers(&each);
        let gradient = own.grad(&(each * weights()).sum().backward());
        let gradient = numbers(&gradient.expect("a gradient"));
        let expected: Tensor<3> = on.tensor(&expected_gradient, shape, DType::F64);
        let expected = numbers(&expected.slice_dim(1, part.clone()));
        assert_close("gradient", &gradient, &expected, 1e-12);
        value
    });
    assert_close("each", &found[0], &expected, 1e-12);
    assert_eq!(bits(&found[0]), bits(&found[1]));
}

#[test]
fn parts_of_a_mean_are_found() {
    let batch = Batch::scattered(8, 6);
    let weights = Some(vec![1.0, 0.5, 2.0, 0.0, 3.0, 1.0]);
    for config in [
        plain(),
        plain().with_weights(weights),
        plain().with_ignore_index(3),
    ] {
        let loss = config.init();
        let whole = loss.forward_parts(batch.tracked(&(0..6), DType::F64), batch.ids());
        let expected = [numbers(&whole.sum)[0], numbers(&whole.weight)[0]];
        let found = on_ranks(&parts(&[4, 2]), |exchange, part| {
            let shard = Shard {
                start: part.start,
                classes: 6,
                exchange,
            };
            let logits = batch.tracked(part, DType::F64);
            let parts = loss.forward_sharded_parts(logits, batch.ids(), shard);
            [numbers(&parts.sum)[0], numbers(&parts.weight)[0]]
        });
        for found in found {
            assert_close("parts", &found, &expected, 1e-12);
        }
    }
}

// Hard inputs.

#[test]
fn hard_logits_give_what_they_give_without_ranks() {
    const NONE: f64 = -INFINITY;
    let rows: [[f64; 6]; 9] = [
        [1e30, 0.0, -1e30, 5.0, 1e30, -2.0],
        [-1e30, -1e30, -1e30, -1e30, 3.0, 1e30],
        [3e38, 0.0, 1.0, -1.0, 2.0, 3.0],
        [0.0, 0.0, 1000.0, 0.0, -1000.0, 0.0],
        [50.0, 0.0, 0.0, -50.0, 0.0, 0.0],
        // A whole shard of classes that are ruled out: the first two, or the last four, or all but one.
        [NONE, NONE, 1.0, 2.0, 3.0, -1.0],
        [0.5, -0.5, NONE, NONE, NONE, NONE],
        [NONE, NONE, NONE, 7.0, NONE, NONE],
        [1.0, NONE, 2.0, NONE, 3.0, NONE],
    ];
    for row in rows {
        let batch = Batch::of_row(&row);
        for lengths in [vec![2, 4], vec![1, 5], vec![2, 1, 3], vec![3, 1, 1, 1]] {
            for dtype in [DType::F64, DType::F32] {
                let what = format!("{row:?}");
                batch.assert_whole(&what, &plain(), dtype, &lengths);
                let smoothed = plain().with_label_smoothing(0.1);
                batch.assert_whole(&what, &smoothed, dtype, &lengths);
            }
        }
    }
}

/// A saturated row keeps its tiny loss, whichever rank has its class.
#[test]
fn what_is_tiny_is_not_lost_between_ranks() {
    for at in 0..4 {
        let mut row = [0.0; 4];
        row[at] = 80.0;
        let batch = Batch {
            ids: vec![at as i64],
            logits: row.to_vec(),
            classes: 4,
        };
        let found = on_ranks(&parts(&[1, 2, 1]), |rank, part| {
            batch.sharded(&plain(), DType::F32, rank, part)
        });
        let expected = 3.0 * f64::exp(-80.0);
        for found in found {
            let value = found.expect("a loss").value[0];
            assert!((value / expected - 1.0).abs() < 1e-5, "{at}: {value:e}");
        }
    }
}

/// What does not count has no gradient, whatever its logits.
#[test]
fn ignored_samples_do_not_count() {
    let mut batch = Batch::scattered(3, 5);
    for (at, number) in [NAN, INFINITY, -INFINITY, NAN, 1.0].into_iter().enumerate() {
        batch.logits[5 + at] = number;
    }
    batch.ids[1] = -100;
    let config = plain().with_ignore_index(-100);
    for config in [
        config.clone(),
        config.clone().with_label_smoothing(0.1).with_z_loss(0.1),
    ] {
        batch.assert_whole("one ignored", &config, DType::F64, &[2, 3]);
        let mut all = batch.clone();
        all.ids = vec![-100; 3];
        for reduction in [Reduction::Mean, Reduction::Sum] {
            let config = config.clone().with_reduction(reduction);
            let found = on_ranks(&parts(&[2, 3]), |rank, part| {
                all.sharded(&config, DType::F64, rank, part)
            });
            for found in found {
                let found = found.expect("a loss");
                assert_eq!(found.value, [0.0]);
                assert!(found.gradient.iter().all(|&number| number == 0.0));
            }
        }
    }
}

#[test]
fn an_empty_batch_gives_nothing() {
    let found = on_ranks(&parts(&[2, 3]), |exchange, part| {
        let logits = Tensor::<2>::zeros([0, part.len()], &Device::flex());
        let ids = Tensor::<1, Int>::empty([0], &Device::flex());
        let shard = Shard {
            start: part.start,
            classes: 5,
            exchange,
        };
        let value = CrossEntropyLoss::new().try_forward_sharded(logits, ids, shard);
        numbers(&value.expect("a loss"))
    });
    assert_eq!(found, [[0.0], [0.0]]);
}

// Mistakes.

/// All ranks say the same, and go on.
#[test]
fn a_wrong_id_is_the_same_error_on_all_ranks() {
    let batch = Batch::scattered(4, 6);
    let mut wrong = batch.clone();
    wrong.ids[2] = 6;
    let found = on_ranks(&parts(&[2, 1, 3]), |rank, part| {
        let error = wrong.sharded(&plain(), DType::F64, rank, part);
        let after = batch.sharded(&plain(), DType::F64, rank, part);
        (error, after.expect("a loss").value)
    });
    let expected = batch.whole(&plain(), DType::F64).value;
    let (found, after): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    for after in after {
        assert_close("after the error", &after, &expected, 1e-12);
    }
    let errors = errors(found);
    assert_says(
        &errors[0],
        &["target 6 at index [2] is not a class id", "6 classes"],
    );
    assert!(errors.iter().all(|error| *error == errors[0]));
}

/// The others do not wait for it, and the next call of all is the next call.
#[test]
fn an_error_of_one_rank_is_one_on_all() {
    let batch = Batch::scattered(4, 6);
    let mut wrong = batch.clone();
    wrong.ids[3] = -1;
    let found = on_ranks(&parts(&[2, 2, 2]), |rank, part| {
        let own = if rank.rank() == 1 { &wrong } else { &batch };
        let error = own.sharded(&plain(), DType::F64, rank, part);
        let after = batch.sharded(&plain(), DType::F64, rank, part);
        after.expect("a loss");
        error
    });
    let errors = errors(found);
    assert_says(&errors[1], &["target -1 at index [3]"]);
    for other in [0, 2] {
        assert_eq!(errors[other].kind, LossErrorKind::Exchange);
        assert_says(&errors[other], &["CrossEntropyLoss", "rank 1"]);
    }
}

#[test]
fn targets_that_differ_are_an_error() {
    let batch = Batch::scattered(4, 6);
    let mut other = batch.clone();
    other.ids[1] = 5;
    let found = on_ranks(&parts(&[3, 3]), |rank, part| {
        let own = if rank.rank() == 1 { &other } else { &batch };
        own.sharded(&plain(), DType::F32, rank, part)
    });
    let errors = errors(found);
    assert_eq!(errors[0], errors[1]);
    assert_eq!(errors[0].kind, LossErrorKind::Exchange);
    assert_says(&errors[0], &["index [1]", "class 3", "class 5"]);
}

#[test]
fn batches_of_different_sizes_are_an_error() {
    let found = on_ranks(&parts(&[3, 3]), |rank, part| {
        let batch = Batch::scattered(4 + rank.rank(), 6);
        batch.sharded(&plain(), DType::F32, rank, part)
    });
    for error in errors(found) {
        assert_eq!(error.kind, LossErrorKind::Exchange);
        assert_says(&error, &["batches of different sizes"]);
    }
}

/// The errors of ranks that have such parts, each of so many classes as the rank thinks.
fn misfits(parts: &[Range<usize>], classes: impl Fn(usize) -> usize + Sync) -> Vec<LossError> {
    errors(on_ranks(parts, |exchange, part| {
        let logits = Tensor::<2>::zeros([2, part.len()], &Device::flex());
        let ids = Tensor::<1, Int>::zeros([2], &Device::flex());
        let shard = Shard {
            start: part.start,
            classes: classes(exchange.rank()),
            exchange,
        };
        let found = CrossEntropyLoss::new().try_forward_sharded(logits, ids, shard);
        found.map(|value| numbers(&value))
    }))
}

#[test]
fn shards_must_have_each_class_once() {
    for (parts, says) in [
        // Gaps: at first, between and at last.
        (vec![1..3, 3..7], ["begins at class 1", "0..1"]),
        (vec![0..3, 4..7], ["begins at class 4", "3..4"]),
        (vec![0..3, 3..6], ["6..7", "7 classes"]),
        // Twice the same, and in another order.
        (vec![0..4, 3..7], ["begins at class 3", "up to 4"]),
        (vec![0..7, 0..7], ["begins at class 0", "up to 7"]),
        (vec![3..7, 0..3], ["begins at class 3", "0..3"]),
    ] {
        let errors = misfits(&parts, |_| 7);
        assert_eq!(errors[0], errors[1], "{parts:?}");
        assert_eq!(errors[0].kind, LossErrorKind::Shape, "{parts:?}");
        assert_says(&errors[0], &says);
    }
    let errors = misfits(&[0..3, 3..7], |rank| 7 + rank);
    assert_eq!(errors[0], errors[1]);
    assert_says(&errors[0], &["rank 0", "7 classes", "rank 1", "8"]);
}

#[test]
fn a_shard_must_fit_the_classes() {
    let beyond = misfits(&[0..3, 3..9], |_| 7);
    assert_says(
        &beyond[1],
        &["[2, 6]", "start 3", "up to 9", "7 classes in all"],
    );
    assert_says(&beyond[0], &["rank 1"]);
    let empty = misfits(&[0..3, 3..3], |_| 3);
    assert_says(&empty[1], &["[2, 0]", "no class"]);
    let single = misfits(&parts(&[1]), |_| 1);
    assert_says(&single[0], &["is 1", "at least 2"]);

    let found = on_ranks(&parts(&[2, 2]), |rank, part| {
        let config = plain().with_weights(Some(vec![1.0, 2.0]));
        Batch::scattered(3, 4).sharded(&config, DType::F32, rank, part)
    });
    for error in errors(found) {
        assert_says(&error, &["weights has 2 entries", "4: one per class"]);
    }
}

/// Where values are not read, what is wrong is NaN, on all ranks.
#[test]
fn what_is_wrong_is_nan_where_nothing_is_read() {
    let batch = Batch::scattered(3, 6);
    let each = |of_rank: &(dyn Fn(usize) -> Batch + Sync), parts: &[Range<usize>]| {
        on_ranks(parts, |exchange, part| {
            let batch = of_rank(exchange.rank());
            let shard = Shard {
                start: part.start,
                classes: 6,
                exchange,
            };
            let logits = batch.tracked(part, DType::F64);
            let loss = CrossEntropyLoss::new();
            let each = with_checks(Checks::Never, || {
                loss.forward_sharded_no_reduction(logits.clone(), batch.ids(), shard)
            });
            let found = Found::new(&each.clone().sum(), &logits);
            let rows = found.gradient.chunks(part.len());
            let nan_rows: Vec<bool> = rows.map(|row| row.iter().all(|it| it.is_nan())).collect();
            let nan: Vec<bool> = numbers(&each).iter().map(|it| it.is_nan()).collect();
            assert_eq!(nan, nan_rows);
            nan
        })
    };
    let fits = parts(&[2, 4]);
    assert_eq!(each(&|_| batch.clone(), &fits), [[false; 3]; 2]);
    let mut wrong = batch.clone();
    wrong.ids[1] = 6;
    assert_eq!(each(&|_| wrong.clone(), &fits), [[false, true, false]; 2]);
    let mut other = batch.clone();
    other.ids[2] = 1;
    let differing = |rank: usize| {
        if rank == 0 {
            batch.clone()
        } else {
            other.clone()
        }
    };
    assert_eq!(each(&differing, &fits), [[false, false, true]; 2]);
    for parts in [[0..2, 3..6], [0..3, 2..6], [0..2, 2..5], [1..2, 2..6]] {
        assert_eq!(each(&|_| batch.clone(), &parts), [[true; 3]; 2]);
    }
}

/// An exchange that does not do what it should.
struct Broken(fn(Tensor<1>) -> Result<Tensor<1>, ExchangeError>);

impl Exchange for Broken {
    fn rank(&self) -> usize {
        0
    }

    fn ranks(&self) -> usize {
        2
    }

    fn sum(&self, tensor: Tensor<1>) -> Result<Tensor<1>, ExchangeError> {
        (self.0)(tensor)
    }
}

#[test]
fn an_exchange_that_is_broken_is_an_error() {
    let batch = Batch::scattered(3, 6);
    let of = |broken: Broken| {
        let found = batch.sharded(&plain(), DType::F32, &broken, &(0..3));
        found.expect_err("an error")
    };
    let short = of(Broken(|tensor| Ok(tensor.slice_dim(0, 0..5))));
    assert_eq!(short.kind, LossErrorKind::Exchange);
    assert_says(&short, &["rank 0 of 2", "and gave 5"]);
    let refused = of(Broken(|_| Err("the cable is out".into())));
    assert_says(&refused, &["rank 0 of 2", "the cable is out"]);
    // A partner that says nothing has no classes.
    let silent = of(Broken(Ok));
    assert_says(&silent, &["rank 1"]);
}

// Threads that fail.

#[test]
fn threads_add_up_round_after_round() {
    let found = on_ranks(&parts(&[1, 1, 1, 1]), |rank, _| {
        let mut found = Vec::new();
        for round in 0..500 {
            let own = [rank.rank() as f32 * 0.1, round as f32];
            let own = Tensor::<1>::from_data(own, &Device::flex());
            found.extend(numbers(&rank.sum(own).expect("a sum")));
        }
        found
    });
    for other in &found {
        assert_eq!(bits(other), bits(&found[0]));
    }
    for (round, pair) in found[0].chunks(2).enumerate() {
        assert!((pair[0] - 0.6).abs() < 1e-6 && pair[1] == 4.0 * round as f64);
    }
}

#[test]
fn a_thread_that_panics_is_an_error_on_the_others() {
    let since = Instant::now();
    let batch = Batch::scattered(4, 6);
    let parts = parts(&[2, 2, 2]);
    let found: Vec<_> = std::thread::scope(|scope| {
        let ranks = ThreadRank::group_with_timeout(3, PATIENCE);
        let running: Vec<_> = ranks
            .into_iter()
            .zip(&parts)
            .map(|(rank, part)| {
                let batch = &batch;
                scope.spawn(move || {
                    batch
                        .sharded(&plain(), DType::F32, &rank, part)
                        .expect("a loss");
                    assert_ne!(rank.rank(), 1, "this rank panics, as it is meant to");
                    batch.sharded(&plain(), DType::F32, &rank, part)
                })
            })
            .collect();
        running.into_iter().map(|rank| rank.join()).collect()
    });
    assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
    for (rank, found) in found.into_iter().enumerate() {
        match found {
            Err(_) => assert_eq!(rank, 1, "only that one panics"),
            Ok(found) => {
                let error = found.expect_err("an error");
                assert_eq!(error.kind, LossErrorKind::Exchange);
                assert_says(&error, &["CrossEntropyLoss", "is gone"]);
            }
        }
    }
}

#[test]
fn a_thread_that_does_not_come_is_an_error_after_a_while() {
    let timeout = Duration::from_millis(200);
    let mut ranks = ThreadRank::group_with_timeout(3, timeout).into_iter();
    let [first, second, third] = [(); 3].map(|()| ranks.next().expect("a rank"));
    let own = || Tensor::<1>::ones([3], &Device::flex());
    let since = Instant::now();
    let early = std::thread::scope(|scope| {
        let second = scope.spawn(|| second.sum(own()).map(|_| ()));
        let first = first.sum(own()).map(|_| ());
        [first, second.join().expect("no panic")]
    });
    let waited = since.elapsed();
    assert!(waited >= timeout && waited < SOON, "{waited:?}");
    // Who comes too late would be at another exchange than the others.
    let late = third.sum(own()).map(|_| ());
    for error in early.into_iter().chain([late]) {
        let text = error.expect_err("an error").to_string();
        assert!(text.contains("gave up") && text.contains("[2]"), "{text}");
    }
    assert!(first.sum(own()).is_err());
}

#[test]
fn threads_must_bring_the_same() {
    let found = on_ranks(&parts(&[1, 1]), |rank, _| {
        let own = Tensor::<1>::ones([2 + rank.rank()], &Device::flex());
        let unequal = rank.sum(own).map(|_| ()).map_err(|error| error.to_string());
        // That was one exchange of both: they are still in step.
        let equal = Tensor::<1>::ones([2], &Device::flex());
        (
            unequal.expect_err("an error"),
            numbers(&rank.sum(equal).expect("a sum")),
        )
    });
    for (text, sum) in found {
        assert!(
            text.contains("2 numbers of F32") && text.contains("3 numbers of F32"),
            "{text}"
        );
        assert_eq!(sum, [2.0, 2.0]);
    }
}

#[test]
fn only_cuda_devices_have_collectives() {
    let error = CollectiveRank::group(vec![Device::flex(); 2]).expect_err("an error");
    assert!(error.to_string().contains("no CUDA device"), "{error}");
}

// Processes.

/// What tells a process that it is one of those that the tests start: where rank 0 is, its rank, how many there are, and what
/// it is to do.
const TOLD: &str = "BURN_LOSSES_SHARDED";

/// Before what such a process found.
const FOUND: &str = "found by the process:";

/// The batch and the parts of all processes.
fn of_processes(ranks: usize) -> (Batch, Vec<Range<usize>>) {
    let lengths: &[usize] = if ranks == 2 { &[3, 4] } else { &[3, 1, 3] };
    (Batch::scattered(5, 7), parts(lengths))
}

/// What a process does that a test started; in the tests themselves it is nothing.
#[test]
fn process() {
    let Ok(told) = std::env::var(TOLD) else {
        return;
    };
    let told: Vec<&str> = told.split(' ').collect();
    let host: SocketAddr = told[0].parse().expect("an address");
    let [rank, ranks] = [told[1], told[2]].map(|number| number.parse().expect("a number"));
    let exchange = tcp::Tcp::join(host, rank, ranks, PATIENCE).expect("a connection");
    let (batch, parts) = of_processes(ranks);
    let call = || {
        let found = batch.sharded(&plain(), DType::F64, &exchange, &parts[rank]);
        found.expect("a loss")
    };
    match told[3] {
        "works" => {
            for _ in 0..3 {
                let Found { value, gradient } = call();
                let all: Vec<String> = [value, gradient]
                    .iter()
                    .flatten()
                    .map(|number| number.to_bits().to_string())
                    .collect();
                println!("\n{FOUND}{}", all.join(","));
            }
        }
        "dies" => {
            call();
            std::process::exit(3);
        }
        // Longer than the test that started it, which ends it.
        _ => std::thread::sleep(2 * PATIENCE),
    }
}

/// A process that ends with the test.
struct Process(Child);

impl Process {
    fn start(listener: &TcpListener, rank: usize, ranks: usize, does: &str) -> Self {
        let host = listener.local_addr().expect("an address");
        let tests = std::env::current_exe().expect("the tests");
        let child = Command::new(tests)
            .args(["process", "--exact", "--nocapture", "--test-threads=1"])
            .env(TOLD, format!("{host} {rank} {ranks} {does}"))
            .stdout(Stdio::piped())
            .spawn();
        Self(child.expect("a process"))
    }

    /// What it found in each of its calls, when it has ended.
    fn found(&mut self) -> Vec<Vec<f64>> {
        let mut text = String::new();
        let mut stdout = self.0.stdout.take().expect("what it prints");
        stdout.read_to_string(&mut text).expect("a text");
        let number = |bits: &str| f64::from_bits(bits.parse().expect("bits"));
        let lines = text.lines().filter_map(|line| line.strip_prefix(FOUND));
        lines
            .map(|line| line.split(',').map(number).collect())
            .collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("a port")
}

#[test]
fn processes_share_the_classes() {
    for ranks in [2, 3] {
        let listener = listener();
        let mut others: Vec<Process> = (1..ranks)
            .map(|rank| Process::start(&listener, rank, ranks, "works"))
            .collect();
        let exchange = tcp::Tcp::host(&listener, ranks, PATIENCE).expect("connections");
        let (batch, parts) = of_processes(ranks);
        let expected = batch.whole(&plain(), DType::F64);
        let own: Vec<Found> = (0..3)
            .map(|_| {
                batch
                    .sharded(&plain(), DType::F64, &exchange, &parts[0])
                    .expect("a loss")
            })
            .collect();
        let others: Vec<Vec<Vec<f64>>> = others.iter_mut().map(Process::found).collect();
        for (call, own) in own.into_iter().enumerate() {
            let mut all = vec![own];
            for other in &others {
                let (value, gradient) = other[call].split_at(1);
                assert_eq!(bits(value), bits(&all[0].value), "the same bits");
                all.push(Found {
                    value: value.to_vec(),
                    gradient: gradient.to_vec(),
                });
            }
            assert_close("processes", &all[0].value, &expected.value, 1e-12);
            let gradient = batch.joined(&parts, &all);
            assert_close("processes: gradient", &gradient, &expected.gradient, 1e-12);
        }
    }
}

#[test]
fn a_process_that_dies_is_an_error_on_the_others() {
    let listener = listener();
    let _process = Process::start(&listener, 1, 2, "dies");
    let exchange = tcp::Tcp::host(&listener, 2, PATIENCE).expect("connections");
    let (batch, parts) = of_processes(2);
    let call = || batch.sharded(&plain(), DType::F64, &exchange, &parts[0]);
    call().expect("a loss");
    let since = Instant::now();
    let error = call().expect_err("an error");
    assert_eq!(error.kind, LossErrorKind::Exchange);
    assert_says(&error, &["CrossEntropyLoss", "rank 0 of 2"]);
    // Nor is there another chance.
    call().expect_err("an error");
    assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
}

#[test]
fn a_process_that_hangs_is_an_error_after_a_while() {
    let listener = listener();
    let _process = Process::start(&listener, 1, 2, "hangs");
    let timeout = Duration::from_secs(10);
    let exchange = tcp::Tcp::host(&listener, 2, timeout).expect("connections");
    let (batch, parts) = of_processes(2);
    let since = Instant::now();
    let found = batch.sharded(&plain(), DType::F64, &exchange, &parts[0]);
    assert_eq!(found.expect_err("an error").kind, LossErrorKind::Exchange);
    assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
}
