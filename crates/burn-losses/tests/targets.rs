//! A wrong target never passes in silence: what is rejected and with which words, what is reported
//! as suspicious, and what nobody can see.

mod common;

use burn::tensor::{Bool, DType, Int, Tensor, TensorData};
use burn_losses::prelude::*;
use burn_losses::{Lint, LossErrorKind, target};
use common::{TestDevice, assert_close, devices, numbers};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

const NAN: f64 = f64::NAN;
const INFINITY: f64 = f64::INFINITY;
const F32: DType = DType::F32;

// How a rejected call is recognised.

fn value<const D: usize>(value: f64, index: [usize; D]) -> LossErrorKind {
    let index = index.to_vec();
    LossErrorKind::Value { value, index }
}

use LossErrorKind::{Config, Device, Shape, TrackedTarget};

/// What the calls of a loss gave that should all have been rejected in the same way.
struct Rejected<'a> {
    tried: Vec<Option<LossError>>,
    forwards: Vec<Box<dyn Fn() + 'a>>,
    lints: Vec<Lint>,
}

impl Rejected<'_> {
    /// Every `try_` call gave this error with exactly this text, every other call panicked with the
    /// text, and the linter said the same.
    fn check(self, on: &TestDevice, kind: &LossErrorKind, text: &str) {
        let what = format!("on {}: {text}", on.name);
        for error in self.tried {
            let error = error.unwrap_or_else(|| panic!("not rejected {what}"));
            assert_eq!(error.to_string(), text, "on {}", on.name);
            // By their text, because NaN is not equal to itself.
            assert_eq!(format!("{:?}", error.kind), format!("{kind:?}"), "{what}");
            assert_eq!(format!("{}: {}", error.loss, error.message), text);
        }
        let reads = cfg!(debug_assertions) || on.name != "wgpu";
        if reads || !matches!(kind, LossErrorKind::Value { .. }) {
            for forward in self.forwards {
                assert_eq!(panic_text(forward), text, "on {}", on.name);
            }
        }
        let [lint] = self.lints.as_slice() else {
            panic!("one lint expected {what}, found {:?}", self.lints)
        };
        assert_eq!(lint.rule, "invalid", "{what}");
        assert_eq!(format!("{}: {}", lint.loss, lint.message), text);
    }
}

fn panic_text(call: impl FnOnce()) -> String {
    panic_of(call).0
}

/// The text of a panic that must come, and the file it points at. It is not printed: a failing test
/// would drown in it.
fn panic_of(call: impl FnOnce()) -> (String, String) {
    thread_local! {
        static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
    }
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PLACE.with_borrow_mut(|place| match place {
                Some(file) => *file = info.location().unwrap().file().to_string(),
                None => print(info),
            });
        }));
    });
    PLACE.set(Some(String::new()));
    let outcome = catch_unwind(AssertUnwindSafe(call));
    let place = PLACE.take().unwrap_or_default();
    let panic = outcome.expect_err("a panic");
    (*panic.downcast::<String>().expect("a text"), place)
}

/// Asserts that a loss rejects an output and a target.
fn rejects<X: Clone, T: Clone>(
    on: &TestDevice,
    loss: &impl Loss<X, T>,
    output: X,
    targets: T,
    kind: LossErrorKind,
    text: &str,
) {
    let (x, t) = (|| output.clone(), || targets.clone());
    Rejected {
        tried: vec![
            loss.try_forward(x(), t()).err(),
            loss.try_forward_no_reduction(x(), t()).err(),
            loss.try_forward_parts(x(), t()).err(),
        ],
        forwards: vec![
            Box::new(|| drop(loss.forward(x(), t()))),
            Box::new(|| drop(loss.forward_no_reduction(x(), t()))),
            Box::new(|| drop(loss.forward_parts(x(), t()))),
        ],
        lints: loss.lint(&output, &targets),
    }
    .check(on, &kind, text);
}

/// Asserts that a loss rejects three inputs.
fn rejects_three<A: Clone, B: Clone, C: Clone>(
    on: &TestDevice,
    loss: &impl TripleLoss<A, B, C>,
    inputs: (A, B, C),
    kind: LossErrorKind,
    text: &str,
) {
    let (a, b, c) = (
        || inputs.0.clone(),
        || inputs.1.clone(),
        || inputs.2.clone(),
    );
    Rejected {
        tried: vec![
            loss.try_forward(a(), b(), c()).err(),
            loss.try_forward_no_reduction(a(), b(), c()).err(),
            loss.try_forward_parts(a(), b(), c()).err(),
        ],
        forwards: vec![
            Box::new(|| drop(loss.forward(a(), b(), c()))),
            Box::new(|| drop(loss.forward_no_reduction(a(), b(), c()))),
            Box::new(|| drop(loss.forward_parts(a(), b(), c()))),
        ],
        lints: loss.lint(&inputs.0, &inputs.1, &inputs.2),
    }
    .check(on, &kind, text);
}

/// Asserts that a weighted call is rejected because of its weights.
macro_rules! rejects_weights {
    ($on:expr, $loss:expr, ($($input:expr),+), $weights:expr, $kind:expr, $text:expr) => {{
        let (loss, weights) = (&$loss, &$weights);
        let (kind, text): (LossErrorKind, &str) = ($kind, $text);
        let tried = loss.try_forward_weighted($($input.clone()),+, weights.clone());
        let error = tried.err().unwrap_or_else(|| panic!("not rejected on {}: {text}", $on.name));
        assert_eq!(error.to_string(), text, "on {}", $on.name);
        assert_eq!(format!("{:?}", error.kind), format!("{kind:?}"), "on {}: {text}", $on.name);
        if cfg!(debug_assertions) || $on.name != "wgpu" {
            let forward = || drop(loss.forward_weighted($($input.clone()),+, weights.clone()));
            assert_eq!(panic_text(forward), text, "on {}", $on.name);
        }
    }};
}

// Data.

/// Ids of the device's own integer type.
fn ids<const D: usize>(on: &TestDevice, ids: &[i64], shape: [usize; D]) -> Tensor<D, Int> {
    Tensor::from_data(TensorData::new(ids.to_vec(), shape), &on.device)
}

fn ids_of<const D: usize>(
    on: &TestDevice,
    ids: &[i64],
    shape: [usize; D],
    dtype: DType,
) -> Tensor<D, Int> {
    let data = TensorData::new(ids.to_vec(), shape).convert_dtype(dtype);
    Tensor::from_data(data, (&on.device, dtype))
}

fn floats<const D: usize>(on: &TestDevice, values: &[f64], shape: [usize; D]) -> Tensor<D> {
    on.tensor(values, shape, F32)
}

fn mask<const D: usize>(on: &TestDevice, values: &[bool], shape: [usize; D]) -> Tensor<D, Bool> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), &on.device)
}

/// A model's raw outputs: four samples, three classes.
fn logits(on: &TestDevice) -> Tensor<2> {
    on.tracked(&LOGITS, [4, 3], F32)
}

/// The logarithms of their softmax.
fn log_probs(on: &TestDevice) -> Tensor<2> {
    on.tracked(&log_softmax(&LOGITS, 3), [4, 3], F32)
}

const LOGITS: [f64; 12] = [
    2.0, -1.0, 0.5, 0.25, 1.5, -0.75, -2.0, 0.0, 3.0, 1.0, 0.75, -0.5,
];

fn log_softmax(logits: &[f64], classes: usize) -> Vec<f64> {
    let rows = logits.chunks(classes).flat_map(|row| {
        let ln_sum = row.iter().map(|logit| logit.exp()).sum::<f64>().ln();
        row.iter().map(move |logit| logit - ln_sum)
    });
    rows.collect()
}

// Class ids.

/// An id that is no class, and what is said about it after the name of the loss, at index `[2]` of
/// the batch `[0, 2, id, 1]`.
const WRONG_IDS: [(i64, &str); 5] = [
    (
        3,
        "target 3 at index [2] is not a class id: the input has 3 classes (valid ids 0..=2). Are \
         the ids 1-based, or is a class missing from the model's output? To skip a value, set \
         with_ignore_index(3).",
    ),
    (
        255,
        "target 255 at index [2] is not a class id: the input has 3 classes (valid ids 0..=2). To \
         skip a value, set with_ignore_index(255).",
    ),
    (
        -1,
        "target -1 at index [2] is not a class id: the input has 3 classes (valid ids 0..=2). To \
         skip a value, set with_ignore_index(-1).",
    ),
    (
        -100,
        "target -100 at index [2] is not a class id: the input has 3 classes (valid ids 0..=2). \
         PyTorch ignores -100 by default; here no id is ignored unasked. To skip a value, set \
         with_ignore_index(-100).",
    ),
    (
        i32::MAX as i64,
        "target 2147483647 at index [2] is not a class id: the input has 3 classes (valid ids \
         0..=2). To skip a value, set with_ignore_index(2147483647).",
    ),
];

#[test]
fn ids_that_are_no_classes() {
    for on in devices() {
        for (id, text) in WRONG_IDS {
            let targets = ids(&on, &[0, 2, id, 1], [4]);
            let kind = || value(id as f64, [2]);
            let (text_of_cross_entropy, text_of_nll) = (
                format!("CrossEntropyLoss: {text}"),
                format!("NllLoss: {text}"),
            );
            let loss = CrossEntropyLoss::new();
            rejects(
                &on,
                &loss,
                logits(&on),
                targets.clone(),
                kind(),
                &text_of_cross_entropy,
            );
            let loss = NllLoss::new();
            rejects(&on, &loss, log_probs(&on), targets, kind(), &text_of_nll);
        }
    }
}

#[test]
fn options_do_not_hide_a_wrong_id() {
    let loss = CrossEntropyLossConfig::new()
        .with_weights(Some(vec![1.0, 0.0, 2.0]))
        .with_label_smoothing(0.5)
        .with_ignore_index(-1)
        .with_reduction(Reduction::Sum)
        .init();
    let text = "CrossEntropyLoss: target -100 at index [2] is not a class id: the input has 3 \
                classes (valid ids 0..=2). PyTorch ignores -100 by default; here no id is ignored unasked. To skip \
                a value, set with_ignore_index(-100).";
    for on in devices() {
        let targets = ids(&on, &[0, -1, -100, 1], [4]);
        rejects(
            &on,
            &loss,
            logits(&on),
            targets.clone(),
            value(-100.0, [2]),
            text,
        );
        let untracked = logits(&on).inner();
        rejects(
            &on,
            &loss,
            untracked,
            targets.clone(),
            value(-100.0, [2]),
            text,
        );
        // A weight of 0 leaves a valid sample out; it does not make an invalid one valid.
        let weights = floats(&on, &[1.0, 1.0, 0.0, 1.0], [4]);
        rejects_weights!(
            on,
            loss,
            (logits(&on), targets),
            weights,
            value(-100.0, [2]),
            text
        );
    }
}

#[test]
fn ids_that_start_at_1() {
    let text = "NllLoss: target 3 at index [2] is not a class id: the input has 3 classes (valid \
                ids 0..=2). Are the ids 1-based? Subtract 1. To skip a value, set \
                with_ignore_index(3).";
    for on in devices() {
        let targets = ids(&on, &[1, 2, 3, 1], [4]);
        rejects(
            &on,
            &NllLoss::new(),
            log_probs(&on),
            targets,
            value(3.0, [2]),
            text,
        );
    }
}

#[test]
fn the_index_of_an_id_among_many_has_no_class_axis() {
    let loss = |class_axis| {
        CrossEntropyLossConfig::new()
            .with_class_axis(class_axis)
            .init()
    };
    let text = "CrossEntropyLoss: target 255 at index [1, 2] is not a class id: the input has 4 \
                classes (valid ids 0..=3). To skip a value, set with_ignore_index(255).";
    for on in devices() {
        let numbers: Vec<f64> = (0..24).map(|n| f64::from(n % 7) / 4.0).collect();
        let targets = ids(&on, &[0, 1, 2, 3, 0, 255], [2, 3]);
        let sequence = on.tracked(&numbers, [2, 3, 4], F32);
        rejects(
            &on,
            &loss(2),
            sequence,
            targets.clone(),
            value(255.0, [1, 2]),
            text,
        );
        let image = on.tracked(&numbers, [2, 4, 3], F32);
        rejects(&on, &loss(1), image, targets, value(255.0, [1, 2]), text);
    }
}

const INT_TYPES: [DType; 8] = [
    DType::I64,
    DType::I32,
    DType::I16,
    DType::I8,
    DType::U64,
    DType::U32,
    DType::U16,
    DType::U8,
];

/// The integer types of a device that hold all of the given numbers.
fn int_types(on: &TestDevice, numbers: &[i64]) -> Vec<DType> {
    let holds = |dtype: &DType| {
        numbers.iter().all(|&number| match dtype {
            DType::I64 => true,
            DType::I32 => i32::try_from(number).is_ok(),
            DType::I16 => i16::try_from(number).is_ok(),
            DType::I8 => i8::try_from(number).is_ok(),
            DType::U64 => u64::try_from(number).is_ok(),
            DType::U32 => u32::try_from(number).is_ok(),
            DType::U16 => u16::try_from(number).is_ok(),
            _ => u8::try_from(number).is_ok(),
        })
    };
    let types = INT_TYPES.into_iter().filter(holds);
    types
        .filter(|&dtype| on.device.supports_dtype(dtype))
        .collect()
}

#[test]
fn ids_of_every_integer_type() {
    let mut tried = Vec::new();
    for on in devices() {
        for (id, text) in WRONG_IDS {
            for dtype in int_types(&on, &[id]) {
                let targets = ids_of(&on, &[0, 2, id, 1], [4], dtype);
                let text = format!("CrossEntropyLoss: {text}");
                let kind = value(id as f64, [2]);
                rejects(
                    &on,
                    &CrossEntropyLoss::new(),
                    logits(&on),
                    targets,
                    kind,
                    &text,
                );
                tried.push((on.name, dtype));
            }
        }
    }
    for dtype in [DType::I64, DType::I32, DType::U8] {
        assert!(tried.contains(&("flex", dtype)), "{dtype:?}");
    }
}

/// In 32 bits this id would be class 1.
#[test]
fn an_id_beyond_32_bits_is_not_wrapped() {
    let id = (1 << 32) + 1;
    let text = "CrossEntropyLoss: target 4294967297 at index [3] is not a class id: the input has \
                3 classes (valid ids 0..=2). To skip a value, set with_ignore_index(4294967297).";
    let ignoring = CrossEntropyLossConfig::new().with_ignore_index(id).init();
    for on in devices() {
        for dtype in int_types(&on, &[id]) {
            let targets = ids_of(&on, &[0, 2, 0, id], [4], dtype);
            let (loss, kind) = (CrossEntropyLoss::new(), value(4294967297.0, [3]));
            rejects(&on, &loss, logits(&on), targets.clone(), kind, text);
            assert_left_out(&on, &ignoring, logits(&on), targets, &[0, 1, 2]);
        }
    }
}

/// An ignored id that the type of the ids cannot hold matches none of them: in 8 bits 257 would be
/// class 1, and so would 2^32 + 1 in 32 bits.
#[test]
fn an_ignored_id_is_not_wrapped() {
    let config = CrossEntropyLossConfig::new().with_ignore_indices(vec![
        257,
        258,
        65537,
        (1 << 32) + 1,
        -255,
        i64::MIN + 1,
    ]);
    for on in devices() {
        for dtype in int_types(&on, &[0, 2]) {
            let targets = ids_of(&on, &[0, 2, 1, 1], [4], dtype);
            assert_left_out(&on, &config.init(), logits(&on), targets, &[0, 1, 2, 3]);
        }
    }
}

/// More classes than 8 bits can count: every id is one.
#[test]
fn narrow_ids_of_many_classes() {
    for on in devices() {
        for dtype in int_types(&on, &[255]) {
            let values: Vec<f64> = (0..600).map(|n| f64::from(n % 11) / 8.0).collect();
            let logits = on.tracked(&values, [2, 300], F32);
            let each = |targets| {
                let losses = CrossEntropyLoss::new().forward_no_reduction(logits.clone(), targets);
                numbers(&losses)
            };
            let narrow = each(ids_of(&on, &[127, 255], [2], dtype));
            assert_eq!(
                narrow,
                each(ids(&on, &[127, 255], [2])),
                "{dtype:?} on {}",
                on.name
            );
        }
    }
}

/// No `i64` holds this id, but it is an error like any other, not a panic of `try_forward`.
#[test]
fn an_id_beyond_i64() {
    for on in devices() {
        if !on.device.supports_dtype(DType::U64) {
            continue;
        }
        let data = TensorData::new(vec![0, u64::MAX, 2, 1], [4]);
        let targets = Tensor::<1, Int>::from_data(data, (&on.device, DType::U64));
        // As an `i64` it would be -1.
        for ignored in [vec![], vec![-1]] {
            let config = CrossEntropyLossConfig::new().with_ignore_indices(ignored);
            let tried = || config.init().try_forward(logits(&on), targets.clone());
            let tried = catch_unwind(AssertUnwindSafe(tried));
            let error = tried.unwrap_or_else(|_| panic!("try_forward panics on {}", on.name));
            let error = error.expect_err(on.name);
            assert_eq!(error.kind, value(u64::MAX as f64, [1]), "on {}", on.name);
            let start = "target 18446744073709551615 at index [1] is not a class id: the input has \
                         3 classes (valid ids 0..=2).";
            assert!(error.message.starts_with(start), "{error}");
        }
    }
}

/// The loss of the batch is that of the `kept` samples alone, and the others have no gradient.
fn assert_left_out<L>(
    on: &TestDevice,
    loss: &L,
    output: Tensor<2>,
    targets: Tensor<1, Int>,
    kept: &[usize],
) where
    L: Loss<Tensor<2>, Tensor<1, Int>, Unreduced = Tensor<1>>,
{
    let what = format!("{:?} on {}", numbers(&targets.clone().float()), on.name);
    let kept_at: Vec<i64> = kept.iter().map(|&at| at as i64).collect();
    let kept_at = ids(on, &kept_at, [kept.len()]);
    let alone = output.clone().inner().select(0, kept_at.clone());
    let alone = alone.autodiff().require_grad();
    let kept_targets = targets.clone().select(0, kept_at);

    let expected = loss.forward(alone.clone(), kept_targets);
    let found = loss.forward(output.clone(), targets);
    assert!(numbers(&expected)[0] > 0.0, "{what}");
    assert_close(&what, &numbers(&found), &numbers(&expected), 1e-6);

    let expected = numbers(&alone.grad(&expected.backward()).unwrap());
    let found = numbers(&output.grad(&found.backward()).unwrap());
    let classes = output.dims()[1];
    let mut expected_rows = expected.chunks(classes);
    for (sample, row) in found.chunks(classes).enumerate() {
        match kept.contains(&sample) {
            true => assert_close(&what, row, expected_rows.next().unwrap(), 1e-6),
            false => assert_eq!(row, vec![0.0; classes], "{what}"),
        }
    }
}

#[test]
fn an_ignored_id_is_left_out() {
    for on in devices() {
        for (id, _) in WRONG_IDS {
            let targets = ids(&on, &[0, 2, id, 1], [4]);
            let weights = Some(vec![0.5, 2.0, 1.0]);
            let nll = NllLossConfig::new().with_ignore_index(id);
            assert_left_out(
                &on,
                &nll.init(),
                log_probs(&on),
                targets.clone(),
                &[0, 1, 3],
            );
            let nll = nll.with_weights(weights.clone()).init();
            assert_left_out(&on, &nll, log_probs(&on), targets.clone(), &[0, 1, 3]);
            let config = CrossEntropyLossConfig::new().with_ignore_index(id);
            assert_left_out(
                &on,
                &config.init(),
                logits(&on),
                targets.clone(),
                &[0, 1, 3],
            );
            let config = config.with_weights(weights).with_label_smoothing(0.25);
            assert_left_out(&on, &config.init(), logits(&on), targets, &[0, 1, 3]);
        }
        // A class can be ignored too, and several ids at once.
        let config = CrossEntropyLossConfig::new().with_ignore_indices(vec![0, -100, 255]);
        let targets = ids(&on, &[0, 2, -100, 1], [4]);
        assert_left_out(&on, &config.init(), logits(&on), targets, &[1, 3]);
    }
}

// The number of classes.

/// The swap this crate was written for: a binary classifier with one output per sample, of which
/// only the loss was changed.
#[test]
fn a_single_class() {
    let text = "CrossEntropyLoss: logits [4, 1] has 1 class along axis 1, so the loss is always 0. \
                For one yes-or-no output per sample use BceWithLogitsLoss; for CrossEntropyLoss \
                with two classes let the model give 2 outputs and the target be class ids.";
    let text_of_nll = "NllLoss: log_probs [4, 1] has 1 class along axis 1, so the loss is always \
                       0. For one yes-or-no output per sample use BceWithLogitsLoss; for NllLoss \
                       with two classes let the model give 2 outputs and the target be class ids.";
    for on in devices() {
        let output = on.tracked(&[-0.5, 2.0, 0.25, -3.0], [4, 1], F32);
        let labels = floats(&on, &[0.0, 1.0, 1.0, 0.0], [4, 1]);
        let loss = CrossEntropyLoss::new();
        rejects(&on, &loss, output.clone(), labels.clone(), Shape, text);
        let zeros = ids(&on, &[0; 4], [4]);
        rejects(&on, &loss, output.clone(), zeros.clone(), Shape, text);
        rejects(
            &on,
            &NllLoss::new(),
            output.clone() - 4.0,
            zeros,
            Shape,
            text_of_nll,
        );
        // What the message says works.
        let fixed = BceWithLogitsLoss::new().try_forward(output, labels);
        assert!(numbers(&fixed.unwrap())[0] > 0.1);
    }
}

/// Nothing to choose from is an error, not a panic of `try_forward`.
#[test]
fn no_class_at_all() {
    for on in devices() {
        let output = || floats(&on, &[], [2, 0]);
        let targets = || ids(&on, &[0, 0], [2]);
        let tried = || {
            [
                CrossEntropyLoss::new().try_forward(output(), targets()),
                CrossEntropyLoss::new().try_forward(output(), output()),
                NllLoss::new().try_forward(output(), targets()),
            ]
        };
        let tried = catch_unwind(AssertUnwindSafe(tried));
        let tried = tried.unwrap_or_else(|_| panic!("try_forward panics on {}", on.name));
        for result in tried {
            assert_eq!(result.expect_err(on.name).kind, Shape, "on {}", on.name);
        }
    }
}

/// Samples without elements have nothing to be wrong about: the loss is 0.
#[test]
fn samples_without_elements() {
    for on in devices() {
        let empty = || on.tracked(&[], [2, 0], F32);
        let nothing = || floats(&on, &[], [2, 0]);
        macro_rules! assert_zero {
            ($($loss:ident($($input:expr),+));+) => {$({
                let tried = || $loss::new().try_forward($($input),+);
                let what = format!("{} on {}", stringify!($loss), on.name);
                let tried = catch_unwind(AssertUnwindSafe(tried));
                let tried = tried.unwrap_or_else(|_| panic!("{what}: try_forward panics"));
                assert_eq!(numbers(&tried.expect(&what)), [0.0], "{what}");
            })+};
        }
        assert_zero!(
            L1Loss(empty(), nothing());
            MseLoss(empty(), nothing());
            BceLoss(empty(), nothing());
            BceWithLogitsLoss(empty(), nothing());
            KlDivLoss(empty(), nothing());
            HingeEmbeddingLoss(empty(), nothing());
            MarginRankingLoss(empty(), nothing(), nothing())
        );
    }
}

// Class probabilities.

/// Rows of three numbers that are no distributions; the entry or row told, and what is said.
fn wrong_probabilities() -> Vec<(Vec<f64>, LossErrorKind, &'static str)> {
    vec![
        // Several classes at once.
        (
            vec![0.0, 1.0, 0.0, 1.0, 0.0, 1.0],
            value(2.0, [1, 0]),
            "the class probabilities of the row at index [1, 0] sum to 2, not 1. Several classes \
             at once are for BceWithLogitsLoss.",
        ),
        // A sample masked with zeros.
        (
            vec![0.25, 0.25, 0.5, 0.0, 0.0, 0.0],
            value(0.0, [1, 0]),
            "the class probabilities of the row at index [1, 0] sum to 0, not 1. A row of zeros is \
             no distribution: to leave the sample out, make it any distribution and give it weight 0 \
             in forward_weighted.",
        ),
        // Counts, or anything else that is a multiple.
        (
            vec![1.5, 0.75, 0.75, 0.0, 3.0, 0.0],
            value(1.5, [0, 0]),
            "target 1.5 at index [0, 0] is not a probability: it must be between 0 and 1. Divide \
             each row by its sum; class ids belong in an Int tensor.",
        ),
        (
            vec![0.75, 0.75, 0.75, 1.0, 0.5, 0.5],
            value(2.25, [0, 0]),
            "the class probabilities of the row at index [0, 0] sum to 2.25, not 1. Divide each \
             row by its sum.",
        ),
        (
            vec![0.25, 0.25, 0.5, 0.25, 0.25, 0.25],
            value(0.75, [1, 0]),
            "the class probabilities of the row at index [1, 0] sum to 0.75, not 1. Divide each \
             row by its sum.",
        ),
        // Scores.
        (
            vec![0.5, 0.5, 0.0, 0.5, 1.0, -0.5],
            value(-0.5, [1, 2]),
            "target -0.5 at index [1, 2] is not a probability: it must be between 0 and 1. Scores \
             become probabilities by softmax.",
        ),
        // Log-probabilities.
        (
            vec![-0.5, -1.5, -2.0, -1.0, -1.25, -0.75],
            value(-0.5, [0, 0]),
            "target -0.5 at index [0, 0] is not a probability: it must be between 0 and 1. These \
             look like log-probabilities: take `exp()` of them, or for KlDivLoss set with_log_target(true).",
        ),
        (
            vec![0.5, 0.25, 0.25, 0.0, INFINITY, 0.0],
            value(INFINITY, [1, 1]),
            "target inf at index [1, 1] is not a probability: it must be between 0 and 1. Look at \
             where the targets are computed.",
        ),
        (
            vec![0.5, NAN, 0.5, 0.0, 1.0, 0.0],
            value(NAN, [0, 1]),
            "target NaN at index [0, 1] is not a probability: it must be between 0 and 1. Look at \
             where the targets are computed.",
        ),
    ]
}

#[test]
fn rows_that_are_no_distributions() {
    for on in devices() {
        for (rows, kind, text) in wrong_probabilities() {
            let output = on.tracked(&LOGITS[..6], [2, 3], F32);
            let targets = floats(&on, &rows, [2, 3]);
            let text_of = |loss: &str| format!("{loss}: {text}");
            let loss = CrossEntropyLoss::new();
            let said = text_of("CrossEntropyLoss");
            rejects(&on, &loss, output, targets.clone(), kind.clone(), &said);
            let output = on.tracked(&log_softmax(&LOGITS[..6], 3), [2, 3], F32);
            let loss = KlDivLoss::new();
            rejects(&on, &loss, output, targets, kind, &text_of("KlDivLoss"));
        }
    }
}

#[test]
fn rows_along_another_class_axis() {
    let text = "CrossEntropyLoss: the class probabilities of the row at index [1, 0, 2] sum to 2, \
                not 1. Several classes at once are for BceWithLogitsLoss.";
    for on in devices() {
        // [N, C, T] = [2, 2, 3]: in the second sample, both classes at the last place.
        let rows = [1., 0., 1., 0., 1., 0., 1., 0., 1., 0., 1., 1.];
        let targets = floats(&on, &rows, [2, 2, 3]);
        let output = on.tracked(&LOGITS, [2, 2, 3], F32);
        let loss = CrossEntropyLoss::new();
        rejects(
            &on,
            &loss,
            output.clone(),
            targets.clone(),
            value(2.0, [1, 0, 2]),
            text,
        );

        let text = text.replace("[1, 0, 2]", "[1, 2, 0]");
        let (output, targets) = (output.swap_dims(1, 2), targets.swap_dims(1, 2));
        let loss = CrossEntropyLossConfig::new().with_class_axis(2).init();
        rejects(&on, &loss, output, targets, value(2.0, [1, 2, 0]), &text);
    }
}

/// What a softmax in half precision gives is accepted, just within the tolerance.
#[test]
fn nearly_normalised_rows_pass() {
    for on in devices() {
        let output = on.tracked(&LOGITS[..6], [2, 3], F32);
        let targets = floats(&on, &[0.5, 0.5, 0.009, -0.005, 0.992, 0.005], [2, 3]);
        let found = CrossEntropyLoss::new().try_forward(output, targets);
        assert!(numbers(&found.unwrap())[0] > 0.0);
    }
}

/// The message for a row of zeros says how to leave the sample out; that must work.
#[test]
fn a_masked_row_made_a_distribution_does_not_count() {
    for on in devices() {
        let targets = floats(&on, &[0.25, 0.25, 0.5, 1.0, 0.0, 0.0], [2, 3]);
        let output = on.tracked(&LOGITS[..6], [2, 3], F32);
        let expected = CrossEntropyLoss::new().forward(
            output.clone().narrow(0, 0, 1),
            targets.clone().narrow(0, 0, 1),
        );
        for weights in [[1.0, 0.0], [0.5, 0.0]] {
            let weights = floats(&on, &weights, [2]);
            let (output, targets) = (output.clone(), targets.clone());
            let found = CrossEntropyLoss::new().try_forward_weighted(output, targets, weights);
            let found = found.unwrap_or_else(|error| panic!("on {}: {error}", on.name));
            assert_close(on.name, &numbers(&found), &numbers(&expected), 1e-6);
        }
    }
}

#[test]
fn ignored_ids_with_class_probabilities() {
    let loss = CrossEntropyLossConfig::new().with_ignore_index(-100).init();
    let text = "CrossEntropyLoss: ignore_indices (here -100) are ids, but the target holds class \
                probabilities: leave samples out with weight 0 in forward_weighted.";
    for on in devices() {
        let targets = floats(&on, &[0.5, 0.5, 0.0, 0.0, 1.0, 0.0], [2, 3]);
        let output = on.tracked(&LOGITS[..6], [2, 3], F32);
        rejects(&on, &loss, output.clone(), targets.clone(), Config, text);
        // What the message says works.
        let first = mask(&on, &[true, false], [2]);
        let loss = CrossEntropyLoss::new();
        let found = loss.try_forward_weighted(output.clone(), targets.clone(), first);
        let expected = loss.forward(output.narrow(0, 0, 1), targets.narrow(0, 0, 1));
        assert_close(
            on.name,
            &numbers(&found.unwrap()),
            &numbers(&expected),
            1e-6,
        );
    }
}

/// 1.2 in `f32` is 1.2000000476837158 in `f64`: that is not what the user wrote.
#[test]
fn a_value_is_shown_as_it_was_given() {
    for on in devices() {
        let output = || on.tracked(&[0.5, 0.25, 2.0], [1, 3], F32);
        let targets = |values: [f64; 3]| floats(&on, &values, [1, 3]);
        let said = |result: Result<Tensor<1>, LossError>| result.unwrap_err().message;
        let error = said(BceWithLogitsLoss::new().try_forward(output(), targets([0.1, 1.2, 0.0])));
        assert!(
            error.starts_with("target 1.2 at index [0, 1] is"),
            "{error}"
        );
        let error = said(CrossEntropyLoss::new().try_forward(output(), targets([0.1, 0.2, 0.3])));
        assert!(error.contains(" sum to 0.6, not 1."), "{error}");
    }
}

// Labels and signs.

/// Labels that are none, and what is said.
fn wrong_labels() -> Vec<(Vec<f64>, LossErrorKind, &'static str)> {
    vec![
        (
            vec![1.0, -1.0, 1.0],
            value(-1.0, [1]),
            "target -1 at index [1] is not a label: it must be 0, 1 or between. These are signs: \
             convert them with `target::labels`.",
        ),
        (
            vec![0.0, 1.0, 2.0],
            value(2.0, [2]),
            "target 2 at index [2] is not a label: it must be 0, 1 or between. Class ids belong to \
             CrossEntropyLoss, or convert them with `target::one_hot`.",
        ),
        (
            vec![-100.0, 1.0, 0.0],
            value(-100.0, [0]),
            "target -100 at index [0] is not a label: it must be 0, 1 or between. A binary target \
             says how true a label is, from 0 (no) to 1 (yes).",
        ),
    ]
}

/// Those that only floats can be.
fn wrong_float_labels() -> Vec<(Vec<f64>, LossErrorKind, &'static str)> {
    vec![
        (
            vec![0.5, NAN, 0.0],
            value(NAN, [1]),
            "target NaN at index [1] is not a label: it must be 0, 1 or between. A binary target \
             says how true a label is, from 0 (no) to 1 (yes).",
        ),
        (
            vec![0.5, 1.0, 1.25],
            value(1.25, [2]),
            "target 1.25 at index [2] is not a label: it must be 0, 1 or between. A binary target \
             says how true a label is, from 0 (no) to 1 (yes).",
        ),
        (
            vec![-INFINITY, 1.0, 1.0],
            value(-INFINITY, [0]),
            "target -inf at index [0] is not a label: it must be 0, 1 or between. A binary target \
             says how true a label is, from 0 (no) to 1 (yes).",
        ),
    ]
}

#[test]
fn labels_that_are_none() {
    for on in devices() {
        let logits = || on.tracked(&[0.5, -3.0, 2.0], [3], F32);
        let probs = || on.tracked(&[0.5, 0.25, 0.875], [3], F32);
        let both = |targets: Tensor<1>, kind: &LossErrorKind, text: &str| {
            let (of_probs, of_logits) = (BceLoss::new(), BceWithLogitsLoss::new());
            let said = format!("BceLoss: {text}");
            rejects(
                &on,
                &of_probs,
                probs(),
                targets.clone(),
                kind.clone(),
                &said,
            );
            let said = format!("BceWithLogitsLoss: {text}");
            rejects(&on, &of_logits, logits(), targets, kind.clone(), &said);
        };
        for (labels, kind, text) in wrong_labels().iter().chain(&wrong_float_labels()) {
            both(floats(&on, labels, [3]), kind, text);
        }
        for (labels, kind, text) in wrong_labels() {
            let labels: Vec<i64> = labels.iter().map(|&label| label as i64).collect();
            let targets = ids(&on, &labels, [3]);
            let (of_probs, of_logits) = (BceLoss::new(), BceWithLogitsLoss::new());
            let said = format!("BceLoss: {text}");
            rejects(
                &on,
                &of_probs,
                probs(),
                targets.clone(),
                kind.clone(),
                &said,
            );
            let said = format!("BceWithLogitsLoss: {text}");
            rejects(&on, &of_logits, logits(), targets, kind, &said);
        }
    }
}

#[test]
fn signs_given_as_labels_are_converted_by_the_function_of_the_message() {
    for on in devices() {
        let logits = on.tracked(&[0.5, -3.0, 2.0], [3], F32);
        let labels = target::labels(ids(&on, &[1, -1, 1], [3]));
        assert_eq!(numbers(&labels), [1.0, 0.0, 1.0]);
        let loss = BceWithLogitsLoss::new();
        let expected = loss.forward(logits.clone(), mask(&on, &[true, false, true], [3]));
        let found = loss.try_forward(logits, labels).unwrap();
        assert_eq!(numbers(&found), numbers(&expected));
    }
}

/// Signs that are none, and what is said.
fn wrong_signs() -> Vec<(Vec<f64>, LossErrorKind, &'static str)> {
    vec![
        (
            vec![1.0, 0.0, 1.0],
            value(0.0, [1]),
            "target 0 at index [1] is not a sign: it must be -1 or +1. These are labels 0 and 1: \
             convert them with `target::signs`.",
        ),
        (
            vec![-1.0, 1.0, 7.0],
            value(7.0, [2]),
            "target 7 at index [2] is not a sign: it must be -1 or +1. Labels 0 and 1 become signs \
             by `target::signs`, labels of single samples become pairs by `target::pairs`.",
        ),
    ]
}

/// Those that only floats can be; the first is a sample of a normal distribution.
fn wrong_float_signs() -> Vec<(Vec<f64>, LossErrorKind, &'static str)> {
    vec![
        (
            vec![0.375, -1.25, 2.0],
            value(0.375, [0]),
            "target 0.375 at index [0] is not a sign: it must be -1 or +1. Labels 0 and 1 become \
             signs by `target::signs`, labels of single samples become pairs by `target::pairs`.",
        ),
        (
            vec![-1.0, 1.0, NAN],
            value(NAN, [2]),
            "target NaN at index [2] is not a sign: it must be -1 or +1. Labels 0 and 1 become \
             signs by `target::signs`, labels of single samples become pairs by `target::pairs`.",
        ),
    ]
}

#[test]
fn signs_that_are_none() {
    for on in devices() {
        let first = || on.tracked(&[0.5, 0.25, 2.0], [3], F32);
        let second = || on.tracked(&[1.5, 0.0, 2.5], [3], F32);
        for (signs, kind, text) in wrong_signs().iter().chain(&wrong_float_signs()) {
            let targets = floats(&on, signs, [3]);
            let said = format!("HingeEmbeddingLoss: {text}");
            let loss = HingeEmbeddingLoss::new();
            rejects(&on, &loss, first(), targets.clone(), kind.clone(), &said);
            let said = format!("MarginRankingLoss: {text}");
            let loss = MarginRankingLoss::new();
            rejects_three(
                &on,
                &loss,
                (first(), second(), targets),
                kind.clone(),
                &said,
            );
        }
        for (signs, kind, text) in wrong_signs() {
            let signs: Vec<i64> = signs.iter().map(|&sign| sign as i64).collect();
            let targets = ids(&on, &signs, [3]);
            let said = format!("HingeEmbeddingLoss: {text}");
            let loss = HingeEmbeddingLoss::new();
            rejects(&on, &loss, first(), targets.clone(), kind.clone(), &said);
            let said = format!("MarginRankingLoss: {text}");
            let loss = MarginRankingLoss::new();
            rejects_three(&on, &loss, (first(), second(), targets), kind, &said);
        }
    }
}

#[test]
fn labels_given_as_signs_are_converted_by_the_function_of_the_message() {
    for on in devices() {
        let distances = on.tracked(&[0.5, 0.25, 2.0], [3], F32);
        let loss = HingeEmbeddingLoss::new();
        let signs = target::signs(ids(&on, &[0, 1, 1], [3]));
        let found = loss.try_forward_no_reduction(distances, signs).unwrap();
        assert_eq!(numbers(&found), [0.5, 0.25, 2.0]);
    }
}

// Inputs of the wrong kind.

#[test]
fn logits_where_log_probabilities_are_asked_for() {
    let text = "log_probs 2 at index [0, 0] is not the logarithm of a probability: it must be at \
                most 0. Logits become log-probabilities by `target::log_probs`.";
    for on in devices() {
        let targets = ids(&on, &[0, 2, 1, 1], [4]);
        let said = format!("NllLoss: {text}");
        rejects(
            &on,
            &NllLoss::new(),
            logits(&on),
            targets.clone(),
            value(2.0, [0, 0]),
            &said,
        );
        let probs = floats(&on, &[0.25, 0.25, 0.5].repeat(4), [4, 3]);
        let said = format!("KlDivLoss: {text}");
        rejects(
            &on,
            &KlDivLoss::new(),
            logits(&on),
            probs,
            value(2.0, [0, 0]),
            &said,
        );

        // What the message says works, and is what cross-entropy does.
        let fixed = NllLoss::new().try_forward(target::log_probs(logits(&on), 1), targets.clone());
        let expected = CrossEntropyLoss::new().forward(logits(&on), targets);
        assert_close(
            on.name,
            &numbers(&fixed.unwrap()),
            &numbers(&expected),
            1e-6,
        );
    }
}

#[test]
fn probabilities_where_log_probabilities_are_asked_for() {
    let text = "log_probs 0.25 at index [0, 0] is not the logarithm of a probability: it must be \
                at most 0. These look like probabilities: take the logarithm, or better give \
                `target::log_probs` the logits.";
    for on in devices() {
        let output = on.tracked(&[0.25, 0.25, 0.5, 1.0, 0.0, 0.0], [2, 3], F32);
        let targets = ids(&on, &[0, 2], [2]);
        let said = format!("NllLoss: {text}");
        rejects(
            &on,
            &NllLoss::new(),
            output.clone(),
            targets,
            value(0.25, [0, 0]),
            &said,
        );
        let probs = floats(&on, &[0.25, 0.25, 0.5, 1.0, 0.0, 0.0], [2, 3]);
        let said = format!("KlDivLoss: {text}");
        rejects(
            &on,
            &KlDivLoss::new(),
            output,
            probs,
            value(0.25, [0, 0]),
            &said,
        );
    }
}

#[test]
fn logits_where_probabilities_are_asked_for() {
    for on in devices() {
        for (output, kind, found) in [
            ([0.5, -3.0, 2.0], value(-3.0, [1]), "input -3 at index [1]"),
            ([0.5, 0.0, 1.5], value(1.5, [2]), "input 1.5 at index [2]"),
            (
                [-INFINITY, 0.5, 1.0],
                value(-INFINITY, [0]),
                "input -inf at index [0]",
            ),
        ] {
            let output = on.tracked(&output, [3], F32);
            let targets = mask(&on, &[true, false, true], [3]);
            let text = format!(
                "BceLoss: {found} is not a probability. BceWithLogitsLoss takes logits; or apply a \
                 sigmoid first."
            );
            rejects(&on, &BceLoss::new(), output, targets, kind, &text);
        }
    }
}

/// Both slips with `log_target`, and targets that are no distribution in either form.
#[test]
fn targets_of_the_kl_divergence() {
    let plain = KlDivLoss::new();
    let log = KlDivLossConfig::new().with_log_target(true).init();
    let log_probs = [-0.5, -1.5, -1.0, -0.75];
    let probs = [0.25, 0.75, 1.0, 0.0];
    let sum = format!("{}", (-1.0_f64).exp() + (-2.0_f64).exp());
    for on in devices() {
        let output = || on.tracked(&log_softmax(&LOGITS[..4], 2), [2, 2], F32);
        let targets = |values: &[f64]| floats(&on, values, [2, 2]);
        rejects(
            &on,
            &plain,
            output(),
            targets(&log_probs),
            value(-0.5, [0, 0]),
            "KlDivLoss: target -0.5 at index [0, 0] is not a probability: it must be between 0 and \
             1. These look like log-probabilities: take `exp()` of them, or for KlDivLoss set with_log_target(true).",
        );
        rejects(
            &on,
            &log,
            output(),
            targets(&probs),
            value(0.25, [0, 0]),
            "KlDivLoss: target 0.25 at index [0, 0] is not the logarithm of a probability: it must \
             be at most 0. These look like probabilities: take the logarithm, or better give \
             `target::log_probs` the logits.",
        );
        rejects(
            &on,
            &log,
            output(),
            targets(&[-1.0, -2.0, 0.0, -INFINITY]),
            value((-1.0_f64).exp() + (-2.0_f64).exp(), [0, 0]),
            &format!(
                "KlDivLoss: the probabilities (exp) of the target row at index [0, 0] sum to \
                 {sum}, not 1: pass it through `target::log_probs`."
            ),
        );
        rejects(
            &on,
            &log,
            output(),
            targets(&[0.0, -INFINITY, NAN, 0.0]),
            // NaN is no larger than 0, but its row sums to nothing.
            value(NAN, [1, 0]),
            "KlDivLoss: the probabilities (exp) of the target row at index [1, 0] sum to NaN, not \
             1: pass it through `target::log_probs`.",
        );
        // A row need not sum to 1 if no axis is said to hold the classes; its entries still count.
        let free = KlDivLossConfig::new().with_class_axis(None);
        let found = free
            .init()
            .try_forward(output(), targets(&[0.25, 0.25, 0.0, 0.0]));
        assert!(numbers(&found.unwrap())[0].is_finite());
        rejects(
            &on,
            &free.init(),
            output(),
            targets(&[0.25, 0.25, 0.0, 1.5]),
            value(1.5, [1, 1]),
            "KlDivLoss: target 1.5 at index [1, 1] is not a probability: it must be between 0 and \
             1. Divide each row by its sum; class ids belong in an Int tensor.",
        );
    }
}

#[test]
fn regression_targets_that_are_not_finite() {
    for on in devices() {
        for (wrong, shown) in [(NAN, "NaN"), (INFINITY, "inf"), (-INFINITY, "-inf")] {
            let output = on.tracked(&[0.5, -3.0, 2.0, 1.0], [2, 2], F32);
            let targets = floats(&on, &[1.0, 0.0, wrong, 2.0], [2, 2]);
            let text = format!(
                "target {shown} at index [1, 0] is not a finite number. To leave it out, set it to \
                 0 and give it weight 0 in forward_weighted."
            );
            let (said, kind) = (format!("L1Loss: {text}"), value(wrong, [1, 0]));
            rejects(
                &on,
                &L1Loss::new(),
                output.clone(),
                targets.clone(),
                kind.clone(),
                &said,
            );
            let said = format!("MseLoss: {text}");
            rejects(&on, &MseLoss::new(), output, targets, kind, &said);
        }
        // What the message says works.
        let output = on.tracked(&[0.5, -3.0, 2.0, 1.0], [2, 2], F32);
        let targets = floats(&on, &[1.0, 0.0, 0.0, 2.0], [2, 2]);
        let weights = floats(&on, &[1.0, 1.0, 0.0, 1.0], [2, 2]);
        let found = L1Loss::new().try_forward_weighted(output, targets, weights);
        assert_eq!(numbers(&found.unwrap()), [1.5]);
    }
}

// Shapes.

#[test]
fn sequences_with_the_class_axis_last() {
    let targets_text = "needs class ids of shape [2, 4], but targets have [2, 3]. The target fits \
                        class axis 2 (4 classes): set with_class_axis(2).";
    for on in devices() {
        let values: Vec<f64> = (0..24).map(|n| -f64::from(n % 7) / 4.0).collect();
        let output = on.tracked(&values, [2, 3, 4], F32);
        let targets = ids(&on, &[0, 1, 3, 2, 0, 3], [2, 3]);
        let text = format!(
            "CrossEntropyLoss: logits [2, 3, 4] with class axis 1 (3 classes) {targets_text}"
        );
        let loss = CrossEntropyLoss::new();
        rejects(&on, &loss, output.clone(), targets.clone(), Shape, &text);
        let text =
            format!("NllLoss: log_probs [2, 3, 4] with class axis 1 (3 classes) {targets_text}");
        rejects(
            &on,
            &NllLoss::new(),
            output.clone(),
            targets.clone(),
            Shape,
            &text,
        );

        // What the message says works, and is the same as moving the axis.
        let loss = CrossEntropyLossConfig::new().with_class_axis(2).init();
        let found = loss
            .try_forward_no_reduction(output.clone(), targets.clone())
            .unwrap();
        let moved = output.clone().swap_dims(1, 2);
        let expected = CrossEntropyLoss::new().forward_no_reduction(moved, targets.clone());
        assert_eq!(found.dims(), [2, 3]);
        assert_close(on.name, &numbers(&found), &numbers(&expected), 1e-6);

        let loss = NllLossConfig::new().with_class_axis(2).init();
        let found = loss.try_forward_no_reduction(output, targets).unwrap();
        let expected = [0, 5, 11, 14, 16, 23].map(|at: usize| -values[at]);
        assert_close(on.name, &numbers(&found), &expected, 1e-6);
    }
}

#[test]
fn class_targets_of_another_shape() {
    for on in devices() {
        let loss = CrossEntropyLoss::new();
        rejects(
            &on,
            &loss,
            logits(&on),
            ids(&on, &[0, 1, 2], [3]),
            Shape,
            "CrossEntropyLoss: logits [4, 3] with class axis 1 (3 classes) needs class ids of \
             shape [4], but targets have [3]. The batch sizes differ: 4 and 3.",
        );
        rejects(
            &on,
            &NllLoss::new(),
            log_probs(&on),
            ids(&on, &[0, 1, 2, 0, 1], [5]),
            Shape,
            "NllLoss: log_probs [4, 3] with class axis 1 (3 classes) needs class ids of shape [4], \
             but targets have [5]. The batch sizes differ: 4 and 5.",
        );
        rejects(
            &on,
            &loss,
            logits(&on),
            floats(&on, &[1.0, 0.0, 0.0, 1.0], [2, 2]),
            Shape,
            "CrossEntropyLoss: logits [4, 3] with class axis 1 (3 classes) needs class \
             probabilities of shape [4, 3], but targets have [2, 2]. The batch sizes differ: 4 and \
             2.",
        );
        rejects(
            &on,
            &loss,
            on.tracked(&LOGITS, [2, 3, 2], F32),
            ids(&on, &[0, 1, 2, 0, 1, 2, 0, 1], [2, 4]),
            Shape,
            "CrossEntropyLoss: logits [2, 3, 2] with class axis 1 (3 classes) needs class ids of \
             shape [2, 2], but targets have [2, 4]. The target has the input's shape without the \
             class axis.",
        );
        rejects(
            &on,
            &loss,
            logits(&on),
            floats(&on, &[1.0, 0.0, 0.0, 1.0], [4, 1]),
            Shape,
            "CrossEntropyLoss: logits [4, 3] with class axis 1 (3 classes) needs class \
             probabilities of shape [4, 3], but targets have [4, 1]. If these are labels, they \
             become class ids by `targets.squeeze_dim::<1>(1).int()`.",
        );
        rejects(
            &on,
            &loss,
            logits(&on),
            floats(&on, &[0.5; 8], [4, 2]),
            Shape,
            "CrossEntropyLoss: logits [4, 3] with class axis 1 (3 classes) needs class \
             probabilities of shape [4, 3], but targets have [4, 2]. Each sample needs a \
             probability for each class.",
        );
    }
}

/// Asserts that every loss of two inputs of one shape rejects inputs of these shapes.
fn rejects_shapes(on: &TestDevice, shape: [usize; 2], other: [usize; 2], text: &str) {
    // Values that are legal for all of them.
    let count = |shape: [usize; 2]| shape[0] * shape[1];
    let tracked = |value: f64| on.tracked(&vec![value; count(shape)], shape, F32);
    let targets = |value: f64| floats(on, &vec![value; count(other)], other);
    let said = |loss: &str, input: &str, target: &str| {
        let text = text.replace("INPUT", input).replace("TARGET", target);
        format!("{loss}: {text}")
    };
    let text = said("L1Loss", "predictions", "targets");
    rejects(on, &L1Loss::new(), tracked(1.0), targets(0.5), Shape, &text);
    let text = said("MseLoss", "predictions", "targets");
    rejects(
        on,
        &MseLoss::new(),
        tracked(1.0),
        targets(0.5),
        Shape,
        &text,
    );
    let text = said("BceLoss", "probs", "targets");
    rejects(
        on,
        &BceLoss::new(),
        tracked(0.5),
        targets(1.0),
        Shape,
        &text,
    );
    let text = said("BceWithLogitsLoss", "logits", "targets");
    rejects(
        on,
        &BceWithLogitsLoss::new(),
        tracked(0.5),
        targets(1.0),
        Shape,
        &text,
    );
    let text = said("KlDivLoss", "log_probs", "targets");
    rejects(
        on,
        &KlDivLoss::new(),
        tracked(-1.0),
        targets(1.0),
        Shape,
        &text,
    );
    let text = said("HingeEmbeddingLoss", "distances", "targets");
    rejects(
        on,
        &HingeEmbeddingLoss::new(),
        tracked(0.5),
        targets(1.0),
        Shape,
        &text,
    );

    let loss = MarginRankingLoss::new();
    let text = said("MarginRankingLoss", "first", "targets");
    rejects_three(
        on,
        &loss,
        (tracked(0.5), tracked(0.25), targets(1.0)),
        Shape,
        &text,
    );
    let text = said("MarginRankingLoss", "first", "second");
    rejects_three(
        on,
        &loss,
        (tracked(0.5), targets(0.25), targets(1.0)),
        Shape,
        &text,
    );

    let loss = TripletMarginLoss::new();
    let text = said("TripletMarginLoss", "anchor", "positive");
    rejects_three(
        on,
        &loss,
        (tracked(0.5), targets(0.25), tracked(1.0)),
        Shape,
        &text,
    );
    let text = said("TripletMarginLoss", "anchor", "negative");
    rejects_three(
        on,
        &loss,
        (tracked(0.5), tracked(0.25), targets(1.0)),
        Shape,
        &text,
    );
}

#[test]
fn a_column_against_a_row() {
    for on in devices() {
        rejects_shapes(
            &on,
            [3, 1],
            [1, 3],
            "INPUT [3, 1] and TARGET [1, 3] must have the same shape; nothing is broadcast. Bring \
             TARGET to [3, 1] with `reshape` or `swap_dims`.",
        );
    }
}

#[test]
fn batches_of_different_size() {
    for on in devices() {
        rejects_shapes(
            &on,
            [3, 2],
            [4, 2],
            "INPUT [3, 2] and TARGET [4, 2] must have the same shape; nothing is broadcast. Each \
             element of INPUT needs its own element of TARGET.",
        );
        rejects_shapes(
            &on,
            [3, 2],
            [3, 1],
            "INPUT [3, 2] and TARGET [3, 1] must have the same shape; nothing is broadcast. Each \
             element of INPUT needs its own element of TARGET.",
        );
    }
}

#[test]
fn a_class_axis_that_the_input_does_not_have() {
    for on in devices() {
        let targets = ids(&on, &[0, 1, 2, 0], [4]);
        let text = "class_axis 2 is not an axis of the input [4, 3]: the last one is 1.";
        let loss = CrossEntropyLossConfig::new().with_class_axis(2).init();
        let said = format!("CrossEntropyLoss: {text}");
        rejects(&on, &loss, logits(&on), targets.clone(), Shape, &said);
        let loss = NllLossConfig::new().with_class_axis(2).init();
        let said = format!("NllLoss: {text}");
        rejects(&on, &loss, log_probs(&on), targets, Shape, &said);

        let labels = floats(&on, &[1.0, 0.0, 0.0].repeat(4), [4, 3]);
        let loss = KlDivLossConfig::new().with_class_axis(Some(2)).init();
        let said = format!("KlDivLoss: {text}");
        rejects(&on, &loss, log_probs(&on), labels.clone(), Shape, &said);
        let loss = BceWithLogitsLossConfig::new()
            .with_pos_weights(Some(vec![1.0, 2.0, 3.0]))
            .with_class_axis(2)
            .init();
        let said = format!("BceWithLogitsLoss: {text}");
        rejects(&on, &loss, logits(&on), labels.clone(), Shape, &said);
        // Without weights per class no class axis is needed.
        let loss = BceWithLogitsLossConfig::new().with_class_axis(2).init();
        assert!(loss.try_forward(logits(&on), labels).is_ok());
    }
}

#[test]
fn the_kl_divergence_of_a_vector() {
    let text = "KlDivLoss: the input has rank 1, but a distribution needs a batch axis and a class \
                axis: give a single sample a batch axis with `unsqueeze_dim::<2>(0)`.";
    for on in devices() {
        let output = on.tracked(&log_softmax(&LOGITS[..3], 3), [3], F32);
        let targets = floats(&on, &[0.25, 0.25, 0.5], [3]);
        rejects(
            &on,
            &KlDivLoss::new(),
            output.clone(),
            targets.clone(),
            Shape,
            text,
        );
        // What the message says works.
        let (output, targets) = (output.unsqueeze_dim::<2>(0), targets.unsqueeze_dim::<2>(0));
        assert!(KlDivLoss::new().try_forward(output, targets).is_ok());
    }
}

// Weights.

#[test]
fn the_wrong_number_of_class_weights() {
    for on in devices() {
        let targets = ids(&on, &[0, 1, 2, 0], [4]);
        let two = Some(vec![1.0, 2.0]);
        let four = Some(vec![1.0; 4]);
        let loss = CrossEntropyLossConfig::new()
            .with_weights(two.clone())
            .init();
        let text = "CrossEntropyLoss: weights has 2 entries, but needs 3: one per class.";
        rejects(&on, &loss, logits(&on), targets.clone(), Shape, text);
        let probs = floats(&on, &[0.0, 1.0, 0.0].repeat(4), [4, 3]);
        rejects(&on, &loss, logits(&on), probs.clone(), Shape, text);
        let loss = NllLossConfig::new().with_weights(Some(vec![1.0])).init();
        let text = "NllLoss: weights has 1 entries, but needs 3: one per class.";
        rejects(&on, &loss, log_probs(&on), targets, Shape, text);

        let inner = || floats(&on, &[0.5; 12], [4, 3]);
        let loss = BceLossConfig::new().with_weights(two.clone()).init();
        let text = "BceLoss: weights has 2 entries, but needs 1 for all, or 3: one per class.";
        rejects(&on, &loss, inner(), probs.clone(), Shape, text);
        let loss = BceWithLogitsLossConfig::new().with_weights(four).init();
        let text =
            "BceWithLogitsLoss: weights has 4 entries, but needs 1 for all, or 3: one per class.";
        rejects(&on, &loss, logits(&on), probs.clone(), Shape, text);
        let loss = BceWithLogitsLossConfig::new()
            .with_pos_weights(two.clone())
            .init();
        let text = "BceWithLogitsLoss: pos_weights has 2 entries, but needs 1 for all, or 3: one \
                    per class.";
        rejects(&on, &loss, logits(&on), probs, Shape, text);

        // One output per sample has no class axis.
        let output = on.tracked(&LOGITS[..4], [4], F32);
        let targets = mask(&on, &[true, false, false, true], [4]);
        let text = "BceWithLogitsLoss: the input has rank 1, but weights per class need a class \
                    axis: give a single sample a batch axis with `unsqueeze_dim::<2>(0)`.";
        rejects(&on, &loss, output.clone(), targets.clone(), Shape, text);
        let loss = BceWithLogitsLossConfig::new()
            .with_pos_weights(Some(vec![3.0]))
            .init();
        assert!(loss.try_forward(output, targets).is_ok());
    }
}

#[test]
fn sample_weights_of_another_shape() {
    for on in devices() {
        let targets = ids(&on, &[0, 1, 2, 0], [4]);
        let loss = CrossEntropyLoss::new();
        let text = "CrossEntropyLoss: weights [3] do not fit the loss [4]: give one weight per \
                    element of the loss, or one per sample, [4].";
        let inputs = (logits(&on), targets);
        rejects_weights!(
            on,
            loss,
            (inputs.0, inputs.1),
            floats(&on, &[1.0; 3], [3]),
            Shape,
            text
        );
        let three = mask(&on, &[true; 3], [3]);
        rejects_weights!(on, loss, (inputs.0, inputs.1), three, Shape, text);

        let (output, targets) = (logits(&on), floats(&on, &[0.5; 12], [4, 3]));
        let text = "MseLoss: weights [3] do not fit the loss [4, 3]: give one weight per element \
                    of the loss, or one per sample, [4].";
        let weights = floats(&on, &[1.0; 3], [3]);
        rejects_weights!(on, MseLoss::new(), (output, targets), weights, Shape, text);
        let text = "MseLoss: weights [4, 1] do not fit the loss [4, 3]: give one weight per \
                    element of the loss, or one per sample, [4].";
        let weights = floats(&on, &[1.0; 4], [4, 1]);
        rejects_weights!(on, MseLoss::new(), (output, targets), weights, Shape, text);

        let loss = TripletMarginLoss::new();
        let embeddings = logits(&on);
        let text = "TripletMarginLoss: weights [12] do not fit the loss [4]: give one weight per \
                    element of the loss, or one per sample, [4].";
        let weights = floats(&on, &[1.0; 12], [12]);
        rejects_weights!(
            on,
            loss,
            (embeddings, embeddings, embeddings),
            weights,
            Shape,
            text
        );
    }
}

#[test]
fn sample_weights_that_are_none() {
    for on in devices() {
        for (wrong, shown) in [(-1.0, "-1"), (NAN, "NaN"), (INFINITY, "inf")] {
            let text = format!(
                "weight {shown} at index [2] must be finite and at least 0; 0 leaves an \
                 element out."
            );
            let weights = floats(&on, &[1.0, 0.0, wrong, 2.0], [4]);
            let kind = || value(wrong, [2]);
            let (output, targets) = (logits(&on), ids(&on, &[0, 1, 2, 0], [4]));
            let said = format!("CrossEntropyLoss: {text}");
            let loss = CrossEntropyLoss::new();
            rejects_weights!(on, loss, (output, targets), weights, kind(), &said);
            let said = format!("TripletMarginLoss: {text}");
            let loss = TripletMarginLoss::new();
            rejects_weights!(on, loss, (output, output, output), weights, kind(), &said);
        }
    }
}

/// The index is that of the weight as it was given, so that it can be found.
#[test]
fn the_index_of_a_wrong_sample_weight() {
    for on in devices() {
        let (output, targets) = (logits(&on), floats(&on, &[0.5; 12], [4, 3]));
        let per_sample = floats(&on, &[1.0, 1.0, -1.0, 1.0], [4]);
        let mut weights = [1.0; 12];
        weights[7] = -1.0;
        let per_element = floats(&on, &weights, [4, 3]);
        let loss = MseLoss::new();
        let found = [
            loss.try_forward_weighted(output.clone(), targets.clone(), per_sample),
            loss.try_forward_weighted(output, targets, per_element),
        ];
        let kinds = found.map(|result| result.unwrap_err().kind);
        assert_eq!(
            kinds,
            [value(-1.0, [2]), value(-1.0, [2, 1])],
            "on {}",
            on.name
        );
    }
}

// Devices and autodiff.

#[cfg(feature = "ndarray")]
#[test]
fn tensors_on_different_devices() {
    let devices = devices();
    let named = |name: &str| devices.iter().find(|on| on.name == name).unwrap();
    let (flex, ndarray) = (named("flex"), named("ndarray"));
    let text = "INPUT is on Device<Flex(Cpu)> and TARGET on Device<NdArray(Cpu)>: move TARGET with \
                `to_device`.";
    let said = |loss: &str, input: &str, target: &str| {
        let text = text.replace("INPUT", input).replace("TARGET", target);
        format!("{loss}: {text}")
    };
    let here = |value: f64| floats(flex, &[value; 4], [2, 2]);
    let there = |value: f64| floats(ndarray, &[value; 4], [2, 2]);

    let text = said("L1Loss", "predictions", "targets");
    rejects(flex, &L1Loss::new(), here(1.0), there(0.5), Device, &text);
    let text = said("MseLoss", "predictions", "targets");
    rejects(flex, &MseLoss::new(), here(1.0), there(0.5), Device, &text);
    let text = said("NllLoss", "log_probs", "targets");
    let targets = ids(ndarray, &[0, 1], [2]);
    rejects(
        flex,
        &NllLoss::new(),
        here(-1.0),
        targets.clone(),
        Device,
        &text,
    );
    let text = said("CrossEntropyLoss", "logits", "targets");
    rejects(
        flex,
        &CrossEntropyLoss::new(),
        here(1.0),
        targets,
        Device,
        &text,
    );
    rejects(
        flex,
        &CrossEntropyLoss::new(),
        here(1.0),
        there(0.5),
        Device,
        &text,
    );
    let text = said("BceLoss", "probs", "targets");
    rejects(flex, &BceLoss::new(), here(0.5), there(1.0), Device, &text);
    let text = said("BceWithLogitsLoss", "logits", "targets");
    rejects(
        flex,
        &BceWithLogitsLoss::new(),
        here(0.5),
        there(1.0),
        Device,
        &text,
    );
    let text = said("KlDivLoss", "log_probs", "targets");
    rejects(
        flex,
        &KlDivLoss::new(),
        here(-1.0),
        there(0.5),
        Device,
        &text,
    );
    let text = said("HingeEmbeddingLoss", "distances", "targets");
    rejects(
        flex,
        &HingeEmbeddingLoss::new(),
        here(0.5),
        there(1.0),
        Device,
        &text,
    );
    let text = said("MarginRankingLoss", "first", "second");
    let loss = MarginRankingLoss::new();
    rejects_three(
        flex,
        &loss,
        (here(1.0), there(1.0), here(1.0)),
        Device,
        &text,
    );
    let text = said("MarginRankingLoss", "first", "targets");
    rejects_three(
        flex,
        &loss,
        (here(1.0), here(1.0), there(1.0)),
        Device,
        &text,
    );
    let text = said("TripletMarginLoss", "anchor", "negative");
    let loss = TripletMarginLoss::new();
    rejects_three(
        flex,
        &loss,
        (here(1.0), here(2.0), there(1.0)),
        Device,
        &text,
    );
    let text = said("MseLoss", "the loss", "weights");
    let inputs = (here(1.0), here(0.5));
    rejects_weights!(
        flex,
        MseLoss::new(),
        (inputs.0, inputs.1),
        there(1.0),
        Device,
        &text
    );
}

/// A target that was made on the autodiff device, or before the model was, is on the same device.
#[test]
fn an_autodiff_device_is_no_other_device() {
    for on in devices() {
        let targets = ids(&on, &[0, 1, 2, 0], [4]);
        let there = targets.clone().to_device(&on.device.clone().autodiff());
        let loss = CrossEntropyLoss::new();
        let expected = numbers(&loss.forward(logits(&on), targets.clone()));
        assert_eq!(
            numbers(&loss.try_forward(logits(&on), there.clone()).unwrap()),
            expected
        );
        let untracked = logits(&on).inner();
        assert_eq!(
            numbers(&loss.try_forward(untracked, there).unwrap()),
            expected
        );
    }
}

#[test]
fn tracked_targets_without_a_gradient() {
    let text = "targets: tracked by autodiff, but this loss has no gradient for it: pass \
                `targets.inner()`.";
    for on in devices() {
        // Values that are legal for all of them.
        let output = || on.tracked(&[-0.75, -0.625], [1, 2], F32);
        let one_hot = || on.tracked(&[1.0, 0.0], [1, 2], F32);
        let ones = || on.tracked(&[1.0, 1.0], [1, 2], F32);
        let probs = || on.tracked(&[0.5, 0.25], [1, 2], F32);
        macro_rules! of {
            ($loss:ident, ($($input:expr),+), $targets:expr, $rejects:ident $pack:tt) => {{
                let loss = $loss::new();
                let said = format!("{}: {text}", stringify!($loss));
                of!($pack $rejects, loss, said, $($input),+, $targets);
                // What the message says works.
                assert!(loss.try_forward($($input),+, $targets.inner()).is_ok());
            }};
            (() $rejects:ident, $loss:ident, $said:ident, $($input:expr),+) => {
                $rejects(&on, &$loss, $($input),+, TrackedTarget, &$said)
            };
            ((tuple) $rejects:ident, $loss:ident, $said:ident, $($input:expr),+) => {
                $rejects(&on, &$loss, ($($input),+), TrackedTarget, &$said)
            };
        }
        of!(CrossEntropyLoss, (output()), one_hot(), rejects());
        of!(KlDivLoss, (output()), one_hot(), rejects());
        of!(BceLoss, (probs()), one_hot(), rejects());
        of!(BceWithLogitsLoss, (output()), one_hot(), rejects());
        of!(HingeEmbeddingLoss, (probs()), ones(), rejects());
        of!(
            MarginRankingLoss,
            (output(), probs()),
            ones(),
            rejects_three(tuple)
        );
        // Nor has it for an output that is not tracked itself.
        let said = format!("KlDivLoss: {text}");
        rejects(
            &on,
            &KlDivLoss::new(),
            output().inner(),
            one_hot(),
            TrackedTarget,
            &said,
        );
    }
}

#[test]
fn tracked_sample_weights() {
    let text = "MseLoss: weights: tracked by autodiff, but this loss has no gradient for it: \
                pass `weights.inner()`.";
    for on in devices() {
        let (output, targets) = (logits(&on), floats(&on, &[0.5; 12], [4, 3]));
        let weights = on.tracked(&[1.0, 0.5, 0.0, 2.0], [4], F32);
        rejects_weights!(
            on,
            MseLoss::new(),
            (output, targets),
            weights,
            TrackedTarget,
            text
        );
        let detached = weights.inner();
        assert!(
            MseLoss::new()
                .try_forward_weighted(output, targets, detached)
                .is_ok()
        );
    }
}

#[test]
fn tracked_regression_targets_have_a_gradient() {
    for on in devices() {
        let predictions = on.tracked(&[1.0, -2.0, 0.5, 3.0], [2, 2], F32);
        let targets = on.tracked(&[0.0, 1.0, 0.5, 2.5], [2, 2], F32);
        let gradients = L1Loss::new()
            .forward(predictions.clone(), targets.clone())
            .backward();
        let of_targets = numbers(&targets.grad(&gradients).unwrap());
        assert_close(on.name, &of_targets, &[-0.25, 0.25, 0.0, -0.25], 1e-6);

        let loss = MseLossConfig::new().with_reduction(Reduction::Sum).init();
        let gradients = loss
            .forward(predictions.clone(), targets.clone())
            .backward();
        let of_targets = numbers(&targets.grad(&gradients).unwrap());
        assert_close(on.name, &of_targets, &[-2.0, 6.0, 0.0, -1.0], 1e-6);
        let of_predictions = numbers(&predictions.grad(&gradients).unwrap());
        assert_close(on.name, &of_predictions, &[2.0, -6.0, 0.0, 1.0], 1e-6);

        // Predictions that are not tracked do not hide the gradient of the targets.
        let gradients = loss
            .forward(predictions.inner(), targets.clone())
            .backward();
        let of_targets = numbers(&targets.grad(&gradients).unwrap());
        assert_close(on.name, &of_targets, &[-2.0, 6.0, 0.0, -1.0], 1e-6);
    }
}

#[test]
fn both_scores_of_a_ranking_have_a_gradient() {
    let loss = MarginRankingLossConfig::new()
        .with_margin(0.5)
        .with_reduction(Reduction::Sum)
        .init();
    for on in devices() {
        let first = on.tracked(&[1.0, 1.0, 1.0, 1.0], [4], F32);
        let second = on.tracked(&[2.0, 0.0, 1.25, 1.0], [4], F32);
        let signs = ids(&on, &[1, 1, -1, -1], [4]);
        let gradients = loss
            .forward(first.clone(), second.clone(), signs)
            .backward();
        let of = |scores: &Tensor<1>| numbers(&scores.grad(&gradients).unwrap());
        assert_eq!(of(&second), [1.0, 0.0, -1.0, -1.0], "on {}", on.name);
        assert_eq!(of(&first), [-1.0, 0.0, 1.0, 1.0], "on {}", on.name);
    }
}

/// The panic of a rejected call shows the line of the call, not one of this crate's.
#[test]
fn a_panic_points_at_the_call() {
    let on = &devices()[0];
    let (x, targets) = (|| logits(on), || ids(on, &[0, 0, 0], [3]));
    let loss = CrossEntropyLoss::new();
    let signs = || floats(on, &[1.0; 3], [1, 3]);
    let ranking = MarginRankingLoss::new();
    let weights = || mask(on, &[true; 3], [3]);
    let calls: [&dyn Fn(); 9] = [
        &|| drop(loss.forward(x(), targets())),
        &|| drop(loss.forward_no_reduction(x(), targets())),
        &|| drop(loss.forward_parts(x(), targets())),
        &|| drop(loss.forward_weighted(x(), targets(), weights())),
        &|| drop(ranking.forward(x(), x(), signs())),
        &|| drop(ranking.forward_no_reduction(x(), x(), signs())),
        &|| drop(ranking.forward_parts(x(), x(), signs())),
        &|| drop(ranking.forward_weighted(x(), x(), signs(), weights())),
        &|| {
            TripletMarginLossConfig::new().with_margin(0.0).init();
        },
    ];
    for (at, call) in calls.into_iter().enumerate() {
        let (text, file) = panic_of(call);
        assert!(file.ends_with("targets.rs"), "call {at}, in {file}: {text}");
    }
}

// What is legal but suspicious.

/// Asserts that a call is accepted, and that these texts are what is said about it.
fn suspects<X: Clone, T: Clone>(
    on: &TestDevice,
    loss: &impl Loss<X, T>,
    output: X,
    targets: T,
    said: &[&str],
) {
    let lints = loss.lint(&output, &targets);
    assert_said(on, &lints, said);
    let value = loss.try_forward(output, targets);
    let value = value.unwrap_or_else(|error| panic!("on {}: {error}", on.name));
    assert!(numbers(&value)[0].is_finite(), "on {}: {said:?}", on.name);
}

fn suspects_three<A: Clone, B: Clone, C: Clone>(
    on: &TestDevice,
    loss: &impl TripleLoss<A, B, C>,
    (a, b, c): (A, B, C),
    said: &[&str],
) {
    let lints = loss.lint(&a, &b, &c);
    assert_said(on, &lints, said);
    let value = loss.try_forward(a, b, c);
    let value = value.unwrap_or_else(|error| panic!("on {}: {error}", on.name));
    assert!(numbers(&value)[0].is_finite(), "on {}: {said:?}", on.name);
}

fn assert_said(on: &TestDevice, lints: &[Lint], said: &[&str]) {
    let found: Vec<String> = lints.iter().map(Lint::to_string).collect();
    assert_eq!(found, said, "on {}", on.name);
    for lint in lints {
        assert!(lint.to_string().ends_with(&format!(" [{}]", lint.rule)));
        assert!(lint.to_string().starts_with(&format!("{}: ", lint.loss)));
    }
}

#[test]
fn a_softmax_before_cross_entropy() {
    let text = "CrossEntropyLoss: every row of the logits sums to 1, as after a softmax: this loss \
                applies the softmax itself, so remove it from the model. [probabilities-as-logits]";
    for on in devices() {
        let probs = burn::tensor::activation::softmax(logits(&on), 1);
        let targets = ids(&on, &[0, 1, 2, 0], [4]);
        let loss = CrossEntropyLoss::new();
        suspects(&on, &loss, probs.clone(), targets, &[text]);
        let targets = floats(&on, &[0.25, 0.25, 0.5].repeat(4), [4, 3]);
        suspects(&on, &loss, probs, targets, &[text]);
        // Along another axis.
        let probs = burn::tensor::activation::softmax(on.tracked(&LOGITS, [2, 2, 3], F32), 2);
        let targets = ids(&on, &[0, 1, 2, 0], [2, 2]);
        let loss = CrossEntropyLossConfig::new().with_class_axis(2).init();
        suspects(&on, &loss, probs, targets, &[text]);
    }
}

#[test]
fn a_sigmoid_before_bce_with_logits() {
    let text = "BceWithLogitsLoss: every logit is between 0 and 1, as after a sigmoid: this loss \
                applies the sigmoid itself, so remove it from the model, or use BceLoss. \
                [probabilities-as-logits]";
    for on in devices() {
        let probs = burn::tensor::activation::sigmoid(on.tracked(&LOGITS[..4], [4, 1], F32));
        let targets = mask(&on, &[true, false, true, true], [4, 1]);
        suspects(
            &on,
            &BceWithLogitsLoss::new(),
            probs.clone(),
            targets.clone(),
            &[text],
        );
        suspects(&on, &BceLoss::new(), probs, targets, &[]);
    }
}

#[test]
fn log_probabilities_that_are_not_normalised() {
    let text = "the probabilities of a row sum to 0.503, not 1: did the model's output pass \
                through `target::log_probs` (log-softmax)? [not-normalised]";
    for on in devices() {
        let output = on.tracked(&[-1.0, -2.0, -0.25, -3.0], [2, 2], F32);
        let targets = ids(&on, &[0, 1], [2]);
        suspects(
            &on,
            &NllLoss::new(),
            output.clone(),
            targets,
            &[&format!("NllLoss: {text}")],
        );
        let targets = floats(&on, &[0.5, 0.5, 1.0, 0.0], [2, 2]);
        let said = format!("KlDivLoss: {text}");
        suspects(
            &on,
            &KlDivLoss::new(),
            output.clone(),
            targets.clone(),
            &[&said],
        );
        let free = KlDivLossConfig::new().with_class_axis(None).init();
        suspects(&on, &free, output, targets, &[]);
    }
}

#[test]
fn negative_distances() {
    let text = "HingeEmbeddingLoss: the input holds -0.5, and a distance is never negative: this \
                loss takes distances of pairs (`pairwise_distance`), not embeddings or scores. \
                [negative-distance]";
    for on in devices() {
        let distances = on.tracked(&[0.25, -0.5, 2.0, -3.0], [4], F32);
        let targets = ids(&on, &[1, -1, 1, -1], [4]);
        suspects(&on, &HingeEmbeddingLoss::new(), distances, targets, &[text]);
    }
}

#[test]
fn a_batch_of_a_single_class() {
    for on in devices() {
        let targets = ids(&on, &[2; 4], [4]);
        let text = "all 4 targets of the batch are class 2: is the data sorted by class? \
                    [single-class]";
        let said = format!("CrossEntropyLoss: {text}");
        suspects(
            &on,
            &CrossEntropyLoss::new(),
            logits(&on),
            targets.clone(),
            &[&said],
        );
        let said = format!("NllLoss: {text}");
        suspects(&on, &NllLoss::new(), log_probs(&on), targets, &[&said]);

        let text = "all 4 targets of the batch are 1: are they sorted, or constant by mistake? \
                    [single-class]";
        let targets = mask(&on, &[true; 4], [4]);
        let output = on.tracked(&LOGITS[..4], [4], F32);
        let said = format!("BceWithLogitsLoss: {text}");
        suspects(
            &on,
            &BceWithLogitsLoss::new(),
            output.clone(),
            targets.clone(),
            &[&said],
        );
        let probs = on.tracked(&[0.5, 0.25, 0.75, 1.0], [4], F32);
        let said = format!("BceLoss: {text}");
        suspects(&on, &BceLoss::new(), probs.clone(), targets, &[&said]);

        let text = "all 4 targets of the batch are -1: a batch needs both signs to learn from. \
                    [single-class]";
        let targets = ids(&on, &[-1; 4], [4]);
        let said = format!("HingeEmbeddingLoss: {text}");
        suspects(
            &on,
            &HingeEmbeddingLoss::new(),
            probs.clone(),
            targets.clone(),
            &[&said],
        );
        let said = format!("MarginRankingLoss: {text}");
        suspects_three(
            &on,
            &MarginRankingLoss::new(),
            (output, probs, targets),
            &[&said],
        );
    }
}

#[test]
fn constant_regression_targets() {
    let text = "all 12 targets of the batch are 0.5: there is nothing to learn from it. \
                [constant-target]";
    for on in devices() {
        let targets = floats(&on, &[0.5; 12], [4, 3]);
        let said = format!("L1Loss: {text}");
        suspects(&on, &L1Loss::new(), logits(&on), targets.clone(), &[&said]);
        let said = format!("MseLoss: {text}");
        suspects(&on, &MseLoss::new(), logits(&on), targets, &[&said]);
    }
}

#[test]
fn triplets_of_the_same_tensor() {
    let negative = "TripletMarginLoss: positive and negative are the same tensor: every triplet \
                    costs the margin, and nothing can be learned. [positive-is-negative]";
    let positive = "TripletMarginLoss: anchor and positive are the same tensor: the positive \
                    should be another sample like the anchor. [anchor-is-positive]";
    let loss = TripletMarginLoss::new();
    for on in devices() {
        let a = logits(&on);
        let b = || a.clone() + 1.0;
        let c = || a.clone() - 2.0;
        suspects_three(&on, &loss, (a.clone(), b(), b()), &[negative]);
        suspects_three(&on, &loss, (a.clone(), a.clone(), c()), &[positive]);
        suspects_three(
            &on,
            &loss,
            (a.clone(), a.clone(), a.clone()),
            &[negative, positive],
        );
        suspects_three(&on, &loss, (a.clone(), b(), a.clone()), &[]);
        suspects_three(&on, &loss, (a.clone(), b(), c()), &[]);
    }
}

#[test]
fn a_clean_batch_is_not_suspected() {
    for on in devices() {
        let targets = ids(&on, &[0, 2, 1, 1], [4]);
        suspects(
            &on,
            &CrossEntropyLoss::new(),
            logits(&on),
            targets.clone(),
            &[],
        );
        suspects(&on, &NllLoss::new(), log_probs(&on), targets.clone(), &[]);
        let given = target::log_probs(logits(&on), 1);
        suspects(&on, &NllLoss::new(), given, targets.clone(), &[]);
        let rows = target::one_hot(targets, 3, 1);
        suspects(
            &on,
            &CrossEntropyLoss::new(),
            logits(&on),
            rows.clone(),
            &[],
        );
        suspects(&on, &KlDivLoss::new(), log_probs(&on), rows.clone(), &[]);
        suspects(
            &on,
            &BceWithLogitsLoss::new(),
            logits(&on),
            rows.clone(),
            &[],
        );
        suspects(
            &on,
            &BceLoss::new(),
            floats(&on, &[0.25; 12], [4, 3]),
            rows.clone(),
            &[],
        );
        suspects(&on, &MseLoss::new(), logits(&on), rows.clone(), &[]);
        suspects(&on, &L1Loss::new(), logits(&on), rows.clone(), &[]);
        let signs: Tensor<2> = target::signs(rows.clone());
        suspects(
            &on,
            &HingeEmbeddingLoss::new(),
            logits(&on).abs(),
            signs.clone(),
            &[],
        );
        suspects_three(
            &on,
            &MarginRankingLoss::new(),
            (logits(&on), rows, signs),
            &[],
        );
        // A batch of one sample has a single class, and that is all there is to say about it.
        let one = ids(&on, &[1], [1]);
        suspects(
            &on,
            &CrossEntropyLoss::new(),
            logits(&on).narrow(0, 0, 1),
            one,
            &[],
        );
    }
}

// What nobody can see from one batch.

#[test]
fn what_nobody_can_see_passes() {
    for on in devices() {
        // Ids that are all shifted, but in range.
        let shifted = ids(&on, &[1, 2, 1, 2], [4]);
        suspects(&on, &CrossEntropyLoss::new(), logits(&on), shifted, &[]);
        // A batch of only ones: signs or labels. The linter alone finds it odd.
        let ones = || floats(&on, &[1.0; 4], [4]);
        let output = || on.tracked(&[0.5, 2.0, 0.0, -1.0], [4], F32);
        let passes = |value: Result<Tensor<1>, LossError>| numbers(&value.unwrap())[0];
        assert!(passes(BceWithLogitsLoss::new().try_forward(output(), ones())) > 0.0);
        assert!(passes(HingeEmbeddingLoss::new().try_forward(output(), ones())) > 0.0);
        assert!(passes(MarginRankingLoss::new().try_forward(output(), ones(), ones())) > 0.0);
        // Classes and places of the same number: the wrong axis fits as well.
        let square = on.tracked(&LOGITS[..9], [1, 3, 3], F32);
        suspects(
            &on,
            &CrossEntropyLoss::new(),
            square,
            ids(&on, &[0, 1, 2], [1, 3]),
            &[],
        );
    }
}
