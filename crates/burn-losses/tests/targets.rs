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

use LossErrorKind::{Config, Shape, TrackedTarget};

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
        if reads(on) || !matches!(kind, LossErrorKind::Value { .. }) {
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

/// Whether calls that are not ready to wait for the device read values too.
fn reads(on: &TestDevice) -> bool {
    cfg!(debug_assertions) || on.name != "wgpu"
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
        if reads(&$on) {
            let forward = || drop(loss.forward_weighted($($input.clone()),+, weights.clone()));
            assert_eq!(panic_text(forward), text, "on {}", $on.name);
        }
    }};
}

/// A table of losses, the names of two inputs that do not go together, and all inputs; what is said
/// of them is made of the names.
macro_rules! all_reject {
    ($on:expr, $kind:expr, $said:expr, {
        $($loss:ident, $input:literal, $other:literal, $inputs:tt;)+
    }) => {$(
        let (loss, text) = ($loss::new(), $said(stringify!($loss), $input, $other));
        all_reject!($on, $kind, loss, text, $inputs);
    )+};
    ($on:expr, $kind:expr, $loss:ident, $text:ident, ($x:expr, $t:expr)) => {
        rejects($on, &$loss, $x, $t, $kind, &$text)
    };
    ($on:expr, $kind:expr, $loss:ident, $text:ident, ($a:expr, $b:expr, $c:expr)) => {
        rejects_three($on, &$loss, ($a, $b, $c), $kind, &$text)
    };
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
         the ids 1-based, or is a class missing from the model's output? Only if 3 marks what does \
         not count, set with_ignore_index(3): every sample with it is left out.",
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

/// What is said by a loss that ignores no ids.
fn without_ignoring(text: &str) -> String {
    let advice = ["To skip a value", "Only if"];
    let (said, _) = (advice.iter().find_map(|advice| text.split_once(advice))).expect(text);
    format!(
        "{said}To leave a sample out, make it any class and give it weight 0 in forward_weighted."
    )
}

#[test]
fn ids_that_are_no_classes() {
    let margins = [
        MultiMarginLoss::new(),
        MultiMarginLossConfig::new()
            .with_p(2)
            .with_margin(-0.5)
            .with_weights(Some(vec![1.0, 0.0, 2.0]))
            .with_reduction(Reduction::Sum)
            .init(),
    ];
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
            rejects(
                &on,
                &loss,
                log_probs(&on),
                targets.clone(),
                kind(),
                &text_of_nll,
            );
            let said = format!("MultiMarginLoss: {}", without_ignoring(text));
            for loss in &margins {
                rejects(&on, loss, logits(&on), targets.clone(), kind(), &said);
            }
        }
    }
}

/// The message of a loss that ignores no ids says how to leave a sample out; that must work.
#[test]
fn a_sample_made_any_class_does_not_count() {
    let loss = MultiMarginLoss::new();
    for on in devices() {
        let kept = logits(&on).inner().select(0, ids(&on, &[0, 1, 3], [3]));
        let expected = loss.forward(kept, ids(&on, &[0, 2, 1], [3]));
        assert!(numbers(&expected)[0] > 0.0);
        for class in 0..3 {
            let targets = ids(&on, &[0, 2, class, 1], [4]);
            let weights = floats(&on, &[1.0, 1.0, 0.0, 1.0], [4]);
            let found = loss.try_forward_weighted(logits(&on), targets, weights);
            let found = numbers(&found.unwrap());
            assert_close(on.name, &found, &numbers(&expected), 1e-6);
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
                ids 0..=2). Are the ids 1-based? Subtract 1. Only if 3 marks what does not count, set \
                with_ignore_index(3): every sample with it is left out.";
    for on in devices() {
        let targets = ids(&on, &[1, 2, 3, 1], [4]);
        rejects(
            &on,
            &NllLoss::new(),
            log_probs(&on),
            targets.clone(),
            value(3.0, [2]),
            text,
        );
        let said = without_ignoring(text).replace("NllLoss", "MultiMarginLoss");
        let loss = MultiMarginLoss::new();
        rejects(&on, &loss, logits(&on), targets, value(3.0, [2]), &said);
    }
}

#[test]
fn the_index_of_an_id_among_many_has_no_class_axis() {
    let loss = |class_axis| {
        CrossEntropyLossConfig::new()
            .with_class_axis(class_axis)
            .init()
    };
    let margin = |class_axis| {
        MultiMarginLossConfig::new()
            .with_class_axis(class_axis)
            .init()
    };
    let text = "CrossEntropyLoss: target 255 at index [1, 2] is not a class id: the input has 4 \
                classes (valid ids 0..=3). To skip a value, set with_ignore_index(255).";
    let said = without_ignoring(text).replace("CrossEntropyLoss", "MultiMarginLoss");
    for on in devices() {
        let kind = || value(255.0, [1, 2]);
        let numbers: Vec<f64> = (0..24).map(|n| f64::from(n % 7) / 4.0).collect();
        let targets = ids(&on, &[0, 1, 2, 3, 0, 255], [2, 3]);
        let sequence = on.tracked(&numbers, [2, 3, 4], F32);
        rejects(
            &on,
            &loss(2),
            sequence.clone(),
            targets.clone(),
            kind(),
            text,
        );
        rejects(&on, &margin(2), sequence, targets.clone(), kind(), &said);
        let image = on.tracked(&numbers, [2, 4, 3], F32);
        rejects(&on, &loss(1), image.clone(), targets.clone(), kind(), text);
        rejects(&on, &margin(1), image, targets, kind(), &said);
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
                let said = format!("CrossEntropyLoss: {text}");
                let kind = || value(id as f64, [2]);
                rejects(
                    &on,
                    &CrossEntropyLoss::new(),
                    logits(&on),
                    targets.clone(),
                    kind(),
                    &said,
                );
                let said = format!("MultiMarginLoss: {}", without_ignoring(text));
                let loss = MultiMarginLoss::new();
                rejects(&on, &loss, logits(&on), targets, kind(), &said);
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
            let (loss, kind) = (CrossEntropyLoss::new(), || value(4294967297.0, [3]));
            rejects(&on, &loss, logits(&on), targets.clone(), kind(), text);
            let said = without_ignoring(text).replace("CrossEntropyLoss", "MultiMarginLoss");
            let loss = MultiMarginLoss::new();
            rejects(&on, &loss, logits(&on), targets.clone(), kind(), &said);
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
        let cross_entropy = |ignored: Vec<i64>| {
            let config = CrossEntropyLossConfig::new().with_ignore_indices(ignored);
            config.init().try_forward(logits(&on), targets.clone())
        };
        let calls: [&dyn Fn() -> Result<Tensor<1>, LossError>; 3] = [
            &|| cross_entropy(vec![]),
            // As an `i64` it would be -1.
            &|| cross_entropy(vec![-1]),
            &|| MultiMarginLoss::new().try_forward(logits(&on), targets.clone()),
        ];
        for call in calls {
            let tried = catch_unwind(AssertUnwindSafe(call));
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
    let text_of_margin = text.replace("CrossEntropyLoss", "MultiMarginLoss");
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
            zeros.clone(),
            Shape,
            text_of_nll,
        );
        let loss = MultiMarginLoss::new();
        rejects(&on, &loss, output.clone(), zeros, Shape, &text_of_margin);
        let lists = ids(&on, &[0, -1, 0, -1], [4, 1]);
        let loss = MultiLabelMarginLoss::new();
        let said = "MultiLabelMarginLoss: logits [4, 1] has 1 class along axis 1, so the loss is \
                    always 0.";
        rejects(&on, &loss, output.clone(), lists, Shape, said);
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
                MultiMarginLoss::new().try_forward(output(), targets()),
                MultiLabelMarginLoss::new().try_forward(output(), ids(&on, &[], [2, 0])),
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
            SmoothL1Loss(empty(), nothing());
            HuberLoss(empty(), nothing());
            PoissonNllLoss(empty(), nothing());
            GaussianNllLoss(empty(), nothing(), nothing());
            BceLoss(empty(), nothing());
            BceWithLogitsLoss(empty(), nothing());
            KlDivLoss(empty(), nothing());
            SoftMarginLoss(empty(), nothing());
            MultiLabelSoftMarginLoss(empty(), nothing());
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
             look like log-probabilities. Of KlDivLoss, are the arguments exchanged? The model's log-probabilities \
             come first. If not, take `exp()` of them, or for KlDivLoss set with_log_target(true).",
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

/// What is wrong with a vector, as it is for the only row of a batch.
fn in_a_row(kind: &LossErrorKind, text: &str) -> (LossErrorKind, String) {
    let LossErrorKind::Value { value, index } = kind else {
        panic!("{kind:?} has no index")
    };
    let (value, index) = (*value, [&[0][..], index.as_slice()].concat());
    let text = text.replace("at index [", "at index [0, ");
    (LossErrorKind::Value { value, index }, text)
}

#[test]
fn rows_of_labels_that_are_none() {
    let losses = [
        MultiLabelSoftMarginLoss::new(),
        MultiLabelSoftMarginLossConfig::new()
            .with_weights(Some(vec![2.0, 0.0, 1.0]))
            .init(),
    ];
    for on in devices() {
        let logits = || on.tracked(&[0.5, -3.0, 2.0], [1, 3], F32);
        for loss in &losses {
            for (labels, kind, text) in wrong_labels().iter().chain(&wrong_float_labels()) {
                let (kind, text) = in_a_row(kind, text);
                let said = format!("MultiLabelSoftMarginLoss: {text}");
                let targets = floats(&on, labels, [1, 3]);
                rejects(&on, loss, logits(), targets, kind, &said);
            }
            for (labels, kind, text) in wrong_labels() {
                let (kind, text) = in_a_row(&kind, text);
                let said = format!("MultiLabelSoftMarginLoss: {text}");
                let labels: Vec<i64> = labels.iter().map(|&label| label as i64).collect();
                let targets = ids(&on, &labels, [1, 3]);
                rejects(&on, loss, logits(), targets, kind, &said);
            }
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
        let vectors = || on.tracked(&LOGITS[..6], [3, 2], F32);
        let others = || on.tracked(&LOGITS[6..], [3, 2], F32);
        macro_rules! rejected_by_all {
            ($targets:expr, $kind:expr, $text:expr) => {{
                let (targets, kind) = (|| $targets.clone(), || $kind.clone());
                let said = |loss: &str| format!("{loss}: {}", $text);
                let (loss, text) = (HingeEmbeddingLoss::new(), said("HingeEmbeddingLoss"));
                rejects(&on, &loss, first(), targets(), kind(), &text);
                let (loss, text) = (SoftMarginLoss::new(), said("SoftMarginLoss"));
                rejects(&on, &loss, first(), targets(), kind(), &text);
                let (loss, text) = (MarginRankingLoss::new(), said("MarginRankingLoss"));
                rejects_three(&on, &loss, (first(), second(), targets()), kind(), &text);
                let (loss, text) = (CosineEmbeddingLoss::new(), said("CosineEmbeddingLoss"));
                rejects_three(&on, &loss, (vectors(), others(), targets()), kind(), &text);
            }};
        }
        for (signs, kind, text) in wrong_signs().iter().chain(&wrong_float_signs()) {
            let targets = floats(&on, signs, [3]);
            rejected_by_all!(targets, kind, text);
        }
        for (signs, kind, text) in wrong_signs() {
            let signs: Vec<i64> = signs.iter().map(|&sign| sign as i64).collect();
            let targets = ids(&on, &signs, [3]);
            rejected_by_all!(targets, kind, text);
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

        let logits = || on.tracked(&[0.5, -3.0, 2.0], [3], F32);
        let loss = SoftMarginLoss::new();
        let signs = target::signs(ids(&on, &[0, 1, 1], [3]));
        let found = loss.try_forward(logits(), signs).unwrap();
        let expected = loss.forward(logits(), mask(&on, &[false, true, true], [3]));
        assert_eq!(numbers(&found), numbers(&expected));
    }
}

// Lists of labels.

/// Two samples of five classes: lists of labels that are none, the entry told, and what is said.
fn wrong_lists() -> Vec<([[i64; 5]; 2], LossErrorKind, &'static str)> {
    vec![
        (
            [[3, 7, -1, -1, -1], [0, 1, 2, -1, -1]],
            value(7.0, [0, 1]),
            "target 7 at index [0, 1] is not a label: the input has 5 classes (valid ids 0..=4, \
             and -1 after the last label of a row).",
        ),
        (
            [[0, -1, -1, -1, -1], [2, 5, -1, -1, -1]],
            value(5.0, [1, 1]),
            "target 5 at index [1, 1] is not a label: the input has 5 classes (valid ids 0..=4, \
             and -1 after the last label of a row).",
        ),
        (
            [[1, 3, -1, -1, -1], [5, 2, -1, -1, -1]],
            value(5.0, [1, 0]),
            "target 5 at index [1, 0] is not a label: the input has 5 classes (valid ids 0..=4, \
             and -1 after the last label of a row). Are the ids 1-based? Subtract 1.",
        ),
        (
            [[4, -1, -1, -1, -1], [2, -2, -1, -1, -1]],
            value(-2.0, [1, 1]),
            "target -2 at index [1, 1] is not a label: the input has 5 classes (valid ids 0..=4, \
             and -1 after the last label of a row).",
        ),
        (
            [[0, -100, -100, -100, -100], [1, 2, -100, -100, -100]],
            value(-100.0, [0, 1]),
            "target -100 at index [0, 1] is not a label: the input has 5 classes (valid ids \
             0..=4, and -1 after the last label of a row).",
        ),
        (
            [[0, 1, 2, 3, 4], [i32::MAX as i64, -1, -1, -1, -1]],
            value(2147483647.0, [1, 0]),
            "target 2147483647 at index [1, 0] is not a label: the input has 5 classes (valid ids \
             0..=4, and -1 after the last label of a row).",
        ),
        // Labels behind the end of the list.
        (
            [[0, 1, -1, -1, -1], [1, -1, 2, -1, -1]],
            value(2.0, [1, 2]),
            "target 2 at index [1, 2] comes after a -1: a row lists its labels first, then -1 to \
             the end.",
        ),
        (
            [[-1, -1, -1, -1, 0], [1, -1, -1, -1, -1]],
            value(0.0, [0, 4]),
            "target 0 at index [0, 4] comes after a -1: a row lists its labels first, then -1 to \
             the end.",
        ),
        // A list padded with its first label.
        (
            [[0, 2, -1, -1, -1], [3, 1, 3, 3, 3]],
            value(3.0, [1, 2]),
            "target 3 at index [1, 2] is in its row twice. A row lists each label once.",
        ),
        // Rows of labels 0 and 1.
        (
            [[0, 1, 1, 0, 0], [1, 0, 0, 0, 1]],
            value(1.0, [0, 2]),
            "target 1 at index [0, 2] is in its row twice. These look like multi-hot rows: use \
             MultiLabelSoftMarginLoss, or convert them with `target::label_ids`.",
        ),
    ]
}

/// Neither the loss nor what makes rows of them takes them.
#[test]
fn lists_that_are_none() {
    let loss = MultiLabelMarginLoss::new();
    for on in devices() {
        for (lists, kind, text) in wrong_lists() {
            let output = on.tracked(&LOGITS[..10], [2, 5], F32);
            let targets = ids(&on, &lists.concat(), [2, 5]);
            let said = format!("MultiLabelMarginLoss: {text}");
            rejects(&on, &loss, output, targets.clone(), kind, &said);
            if reads(&on) {
                let (said, file) = panic_of(|| drop(target::multi_hot(targets, 1)));
                assert_eq!(said, format!("multi_hot: {text}"), "on {}", on.name);
                assert!(file.ends_with("targets.rs"), "{file}");
            }
        }
    }
}

#[test]
fn lists_along_another_class_axis() {
    let text = "MultiLabelMarginLoss: target 2 at index [1, 1, 2] is in its row twice. A row lists \
                each label once.";
    for on in devices() {
        // [N, T, C] = [2, 2, 3]: the last place of the second sample has a label twice.
        let lists = [0, -1, -1, 2, 1, -1, 1, -1, -1, 2, 0, 2];
        let targets = ids(&on, &lists, [2, 2, 3]);
        let output = on.tracked(&LOGITS, [2, 2, 3], F32);
        let loss = MultiLabelMarginLossConfig::new().with_class_axis(2).init();
        rejects(
            &on,
            &loss,
            output.clone(),
            targets.clone(),
            value(2.0, [1, 1, 2]),
            text,
        );

        let text = text.replace("[1, 1, 2]", "[1, 2, 1]");
        let (output, targets) = (output.swap_dims(1, 2), targets.swap_dims(1, 2));
        let loss = MultiLabelMarginLoss::new();
        rejects(&on, &loss, output, targets, value(2.0, [1, 2, 1]), &text);
    }
}

#[test]
fn lists_of_every_integer_type() {
    let loss = MultiLabelMarginLoss::new();
    let text = |id: i128, at: usize| {
        format!(
            "MultiLabelMarginLoss: target {id} at index [0, {at}] is not a label: the input has 5 \
             classes (valid ids 0..=4, and -1 after the last label of a row)."
        )
    };
    for on in devices() {
        let output = || on.tracked(&LOGITS[..5], [1, 5], F32);
        for dtype in int_types(&on, &[9]) {
            // The longest list there is needs no -1, so that types without a sign hold it.
            let targets = ids_of(&on, &[4, 3, 2, 1, 9], [1, 5], dtype);
            let kind = value(9.0, [0, 4]);
            rejects(&on, &loss, output(), targets, kind, &text(9, 4));
        }
        // In 32 bits these would be class 1 and the end of the list.
        for id in [(1 << 32) + 1, (1 << 32) - 1] {
            for dtype in int_types(&on, &[id, -1]) {
                let targets = ids_of(&on, &[0, id, -1, -1, -1], [1, 5], dtype);
                let kind = value(id as f64, [0, 1]);
                rejects(&on, &loss, output(), targets, kind, &text(id.into(), 1));
            }
        }
        // And this one would be the end of the list in 64.
        if on.device.supports_dtype(DType::U64) {
            let data = TensorData::new(vec![0, 1, 2, 3, u64::MAX], [1, 5]);
            let targets = Tensor::<2, Int>::from_data(data, (&on.device, DType::U64));
            let kind = value(u64::MAX as f64, [0, 4]);
            rejects(
                &on,
                &loss,
                output(),
                targets,
                kind,
                &text(u64::MAX.into(), 4),
            );
        }
    }
}

/// Lists padded with -1 where a label is asked for each class.
#[test]
fn lists_given_as_labels() {
    let text = "MultiLabelSoftMarginLoss: target 2 at index [0, 0] is not a label: it must be 0, 1 \
                or between. Lists of labels padded with -1 belong to MultiLabelMarginLoss, or \
                convert them with `target::multi_hot`.";
    let loss = MultiLabelSoftMarginLoss::new();
    for on in devices() {
        let output = || on.tracked(&LOGITS[..6], [2, 3], F32);
        let lists = || ids(&on, &[2, -1, -1, 0, 1, -1], [2, 3]);
        let kind = || value(2.0, [0, 0]);
        rejects(&on, &loss, output(), lists(), kind(), text);
        rejects(&on, &loss, output(), lists().float(), kind(), text);

        // What the message says works.
        let rows = mask(&on, &[false, false, true, true, true, false], [2, 3]);
        let expected = loss.forward(output(), rows);
        let found = loss.try_forward(output(), target::multi_hot(lists(), 1));
        assert_eq!(numbers(&found.unwrap()), numbers(&expected));
        assert!(
            MultiLabelMarginLoss::new()
                .try_forward(output(), lists())
                .is_ok()
        );
    }
}

#[test]
fn rows_given_as_lists_are_converted_by_the_function_of_the_message() {
    let loss = MultiLabelMarginLoss::new();
    for on in devices() {
        let output = || on.tracked(&LOGITS[..10], [2, 5], F32);
        let rows = ids(&on, &[0, 1, 1, 0, 0, 1, 0, 0, 0, 1], [2, 5]);
        let lists = ids(&on, &[1, 2, -1, -1, -1, 0, 4, -1, -1, -1], [2, 5]);
        let expected = loss.forward(output(), lists);
        let found = loss.try_forward(output(), target::label_ids(rows.bool(), 1));
        assert_eq!(numbers(&found.unwrap()), numbers(&expected));
    }
}

fn integers<const D: usize>(ids: &Tensor<D, Int>) -> Vec<i64> {
    ids.clone().into_data().iter::<i64>().collect()
}

#[test]
fn rows_of_labels_become_lists_and_back() {
    // No label, one, some, all.
    let rows = [
        [false, false, false],
        [false, true, false],
        [true, false, true],
        [true, true, true],
    ];
    let lists: Vec<i64> = [[-1, -1, -1], [1, -1, -1], [0, 2, -1], [0, 1, 2]].concat();
    for on in devices() {
        let rows = mask(&on, &rows.concat(), [4, 3]);
        let found = target::label_ids(rows.clone(), 1);
        assert_eq!(integers(&found), lists, "on {}", on.name);
        let back: Tensor<2> = target::multi_hot(found, 1);
        assert_eq!(numbers(&back), numbers(&rows.clone().float()));

        // Along each axis of a tensor of rank 3.
        let rows: Tensor<3, Bool> = rows.reshape([2, 2, 3]);
        for axis in 0..3 {
            let rows = rows.clone().swap_dims(axis, 2);
            let found = target::label_ids(rows.clone(), axis);
            assert_eq!(found.dims(), rows.dims());
            let what = format!("axis {axis} on {}", on.name);
            let turned = found.clone().swap_dims(axis, 2);
            assert_eq!(integers(&turned), lists, "{what}");
            let back = target::multi_hot(found, axis);
            assert_eq!(numbers(&back), numbers(&rows.float()), "{what}");
        }

        // Whatever the order of a list.
        let found = target::multi_hot(ids(&on, &[2, 0, -1, 2, 1, 0], [2, 3]), 1);
        assert_eq!(numbers(&found), [1.0, 0.0, 1.0, 1.0, 1.0, 1.0]);

        // Nothing becomes nothing.
        let nothing = target::label_ids(mask(&on, &[], [0, 3]), 1);
        assert_eq!(nothing.dims(), [0, 3]);
        assert_eq!(target::multi_hot(nothing, 1).dims(), [0, 3]);

        let text = panic_text(|| drop(target::label_ids(mask(&on, &[true; 3], [1, 3]), 2)));
        assert_eq!(text, "label_ids: class_axis 2 is not an axis of rank 2.");
        let text = panic_text(|| drop(target::multi_hot(ids(&on, &[0, 1, 2], [1, 3]), 2)));
        assert_eq!(text, "multi_hot: class_axis 2 is not an axis of rank 2.");
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
             1. These look like log-probabilities. Of KlDivLoss, are the arguments exchanged? The model's \
             log-probabilities come first. If not, take `exp()` of them, or for KlDivLoss set with_log_target(true).",
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
            value(NAN, [1, 0]),
            "KlDivLoss: target NaN at index [1, 0] is not the logarithm of a probability: it must be \
             at most 0. Logits become log-probabilities by `target::log_probs`.",
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
            let kind = || value(wrong, [1, 0]);
            macro_rules! rejected_by {
                ($($loss:ident)+) => {$(
                    let said = format!("{}: {text}", stringify!($loss));
                    let inputs = (output.clone(), targets.clone());
                    rejects(&on, &$loss::new(), inputs.0, inputs.1, kind(), &said);
                )+};
            }
            rejected_by!(L1Loss MseLoss SmoothL1Loss HuberLoss);
            let said = format!("GaussianNllLoss: {text}");
            let loss = GaussianNllLoss::new();
            rejects_three(&on, &loss, (output, targets, 0.5), kind(), &said);
        }
        // What the message says works.
        let output = on.tracked(&[0.5, -3.0, 2.0, 1.0], [2, 2], F32);
        let targets = floats(&on, &[1.0, 0.0, 0.0, 2.0], [2, 2]);
        let weights = floats(&on, &[1.0, 1.0, 0.0, 1.0], [2, 2]);
        let found = L1Loss::new().try_forward_weighted(output, targets, weights);
        assert_eq!(numbers(&found.unwrap()), [1.5]);
    }
}

/// A sentence for those below 0, and one for those that are no numbers.
#[test]
fn counts_that_are_none() {
    let below = "Counts are not standardised; for targets of any sign use MseLoss, L1Loss or \
                 HuberLoss.";
    let missing = "To leave it out, set it to 0 and give it weight 0 in forward_weighted.";
    let text = |count: f64, hint: &str| {
        format!(
            "PoissonNllLoss: target {count} at index [1] is not a count: it must be finite and at \
             least 0. {hint}"
        )
    };
    for loss in [
        PoissonNllLoss::new(),
        PoissonNllLossConfig::new()
            .with_log_input(false)
            .with_full(true)
            .init(),
    ] {
        for on in devices() {
            let output = || on.tracked(&[0.5, 3.0, 2.0], [3], F32);
            for (wrong, hint) in [
                (-1.0, below),
                (-0.25, below),
                (NAN, missing),
                (INFINITY, missing),
                (-INFINITY, missing),
            ] {
                let targets = floats(&on, &[2.0, wrong, 0.0], [3]);
                let kind = value(wrong, [1]);
                rejects(&on, &loss, output(), targets, kind, &text(wrong, hint));
            }
            let targets = ids(&on, &[2, -1, 0], [3]);
            let kind = value(-1.0, [1]);
            rejects(&on, &loss, output(), targets, kind, &text(-1.0, below));

            // What the message says works.
            let targets = floats(&on, &[2.0, 0.0, 0.0], [3]);
            let weights = floats(&on, &[1.0, 0.0, 1.0], [3]);
            let found = loss.try_forward_weighted(output(), targets, weights);
            let at = ids(&on, &[0, 2], [2]);
            let expected = loss.forward(output().inner().select(0, at), ids(&on, &[2, 0], [2]));
            let found = numbers(&found.unwrap());
            assert_close(on.name, &found, &numbers(&expected), 1e-6);
        }
    }
}

#[test]
fn predictions_that_are_no_rates() {
    let rates = PoissonNllLossConfig::new().with_log_input(false);
    for on in devices() {
        let targets = || floats(&on, &[1.0, 0.0, 3.0], [3]);
        for (wrong, shown) in [(-0.5, "-0.5"), (-1e-30, "-1e-30"), (-INFINITY, "-inf")] {
            let output = on.tracked(&[0.5, wrong, 2.0], [3], F32);
            let text = format!(
                "PoissonNllLoss: prediction {shown} at index [1] is not a rate: with log_input = \
                 false it must be at least 0. Let the model end in softplus or exp, or keep log_input \
                 = true and let it predict the logarithm of the rate."
            );
            let kind = value(f64::from(wrong as f32), [1]);
            rejects(&on, &rates.init(), output, targets(), kind, &text);
        }
        // What the message says works, either way.
        let output = || on.tracked(&[0.5, -0.5, 2.0], [3], F32);
        let found = PoissonNllLoss::new()
            .try_forward(output(), targets())
            .unwrap();
        let loss = rates.clone().with_eps(0.0).init();
        let expected = loss.try_forward(output().exp(), targets()).unwrap();
        assert_close(on.name, &numbers(&found), &numbers(&expected), 1e-5);
        // A rate of 0 is one.
        let output = on.tracked(&[0.5, 0.0, 2.0], [3], F32);
        assert!(rates.init().try_forward(output, targets()).is_ok());
    }
}

#[test]
fn variances_that_are_none() {
    let loss = GaussianNllLoss::new();
    let text = |shown: &str| {
        format!(
            "GaussianNllLoss: variance {shown} is negative. Let the model's output for it end in \
             softplus or exp."
        )
    };
    for on in devices() {
        let output = || on.tracked(&[0.5, -3.0, 2.0, 1.0], [2, 2], F32);
        let targets = || floats(&on, &[1.0, 0.0, 0.5, 2.0], [2, 2]);
        macro_rules! rejected {
            ($variance:expr, $kind:expr, $text:expr) => {
                rejects_three(&on, &loss, (output(), targets(), $variance), $kind, &$text)
            };
        }
        let per_element = [1.0, 0.5, -0.5, 2.0];
        let kind = || value(-0.5, [1, 0]);
        let at = "-0.5 at index [1, 0]";
        rejected!(floats(&on, &per_element, [2, 2]), kind(), text(at));
        rejected!(on.tracked(&per_element, [2, 2], F32), kind(), text(at));
        let column = floats(&on, &[0.0, -0.5], [2, 1]);
        rejected!(column, kind(), text(at));
        let per_row = floats(&on, &[0.0, -0.5], [2]);
        rejected!(per_row, value(-0.5, [1]), text("-0.5 at index [1]"));
        let per_row = floats(&on, &[-INFINITY, 1.0], [2]);
        rejected!(per_row, value(-INFINITY, [0]), text("-inf at index [0]"));

        for number in [-1.0, -1e-9, NAN, INFINITY] {
            let said = format!(
                "GaussianNllLoss: variance must be finite and at least 0, but is {number}."
            );
            rejected!(number, value(number, []), said);
        }
        // What the message says works; so does 0, which counts as eps.
        let variance = on.tracked(&per_element, [2, 2], F32).exp();
        let found = loss.try_forward(output(), targets(), variance).unwrap();
        assert!(numbers(&found)[0].is_finite(), "on {}", on.name);
        let found = loss.try_forward(output(), targets(), 0.0).unwrap();
        let expected = loss.forward(output(), targets(), loss.config().eps);
        assert_eq!(numbers(&found), numbers(&expected), "on {}", on.name);
    }
}

// Shapes.

#[test]
fn variances_of_another_shape() {
    let loss = GaussianNllLoss::new();
    for on in devices() {
        macro_rules! rejected {
            ($predictions:expr, $($variance:expr),+ => $fits:literal) => {$({
                let (shape, wrong) = ($predictions, $variance);
                let (count, given): (usize, usize) =
                    (shape.iter().product(), wrong.iter().product());
                let output = on.tracked(&vec![0.5; count], shape, F32);
                let targets = floats(&on, &vec![1.0; count], shape);
                let variance = floats(&on, &vec![1.0; given], wrong);
                let text = format!(
                    "GaussianNllLoss: variance {wrong:?} does not fit predictions {shape:?}: give \
                     {}, or a number.",
                    $fits
                );
                rejects_three(&on, &loss, (output, targets, variance), Shape, &text);
            })+};
        }
        rejected!(
            [4, 5], [3], [5], [4, 4], [3, 5], [1, 5], [5, 4], [5, 1], [1, 1]
                => "one for each element [4, 5], one for each row [4] or [4, 1]"
        );
        rejected!(
            [10, 2, 3], [10, 2, 2], [10, 3], [10, 1], [2, 10], [10, 1, 3], [10, 1, 1], [1, 2, 1]
                => "one for each element [10, 2, 3], one for each row [10, 2] or [10, 2, 1]"
        );

        // What the message says works, and is the same where the numbers are.
        let output = || on.tracked(&LOGITS, [2, 3, 2], F32);
        let targets = || floats(&on, &[0.5; 12], [2, 3, 2]);
        let expected = numbers(&loss.forward(output(), targets(), 0.25));
        let found = [
            loss.try_forward(output(), targets(), floats(&on, &[0.25; 12], [2, 3, 2])),
            loss.try_forward(output(), targets(), floats(&on, &[0.25; 6], [2, 3, 1])),
            loss.try_forward(output(), targets(), floats(&on, &[0.25; 6], [2, 3])),
        ];
        for found in found {
            assert_close(on.name, &numbers(&found.unwrap()), &expected, 1e-6);
        }
    }
}

#[test]
fn signs_of_another_number_than_the_pairs() {
    let loss = CosineEmbeddingLoss::new();
    for on in devices() {
        let vectors = || on.tracked(&[0.5; 32], [4, 8], F32);
        let text = |found: usize| {
            format!(
                "CosineEmbeddingLoss: targets [{found}] do not fit first [4, 8]: give one sign for \
                 each pair, [4]."
            )
        };
        let five = floats(&on, &[1.0; 5], [5]);
        rejects_three(&on, &loss, (vectors(), vectors(), five), Shape, &text(5));
        let one = ids(&on, &[-1], [1]);
        rejects_three(&on, &loss, (vectors(), vectors(), one), Shape, &text(1));
        let eight = mask(&on, &[true; 8], [8]);
        rejects_three(&on, &loss, (vectors(), vectors(), eight), Shape, &text(8));

        let vectors = || on.tracked(&LOGITS, [2, 3, 2], F32);
        let turned = ids(&on, &[1; 6], [3, 2]);
        rejects_three(
            &on,
            &loss,
            (vectors(), vectors(), turned),
            Shape,
            "CosineEmbeddingLoss: targets [3, 2] do not fit first [2, 3, 2]: give one sign for \
             each pair, [2, 3].",
        );
    }
}

#[test]
fn vectors_without_components() {
    for on in devices() {
        let vectors = || on.tracked(&[], [4, 0], F32);
        let signs = ids(&on, &[1, -1, 1, -1], [4]);
        let text = "CosineEmbeddingLoss: the vectors [4, 0] have no components.";
        let loss = CosineEmbeddingLoss::new();
        rejects_three(&on, &loss, (vectors(), vectors(), signs), Shape, text);

        let three = || (vectors(), vectors(), vectors());
        let text = "the embeddings [4, 0] have no components.";
        let said = format!("TripletMarginLoss: {text}");
        rejects_three(&on, &TripletMarginLoss::new(), three(), Shape, &said);
        let said = format!("TripletMarginWithDistanceLoss: {text}");
        for distance in [Distance::Euclidean, Distance::Lp(3.0), Distance::Cosine] {
            let loss = TripletMarginWithDistanceLossConfig::new()
                .with_distance(distance)
                .init();
            rejects_three(&on, &loss, three(), Shape, &said);
        }
    }
}

/// A distance function that gives one too many, for two of the three tensors.
#[test]
fn distances_of_another_number_than_the_rows() {
    for on in devices() {
        for (wrong, names) in [
            ([1.0, 2.0], "anchor and positive"),
            ([1.0, 3.0], "anchor and negative"),
            ([2.0, 3.0], "positive and negative"),
        ] {
            let distance = move |a: Tensor<2>, b: Tensor<2>| -> Tensor<1> {
                let given = [numbers(&a)[0], numbers(&b)[0]];
                let count = if given == wrong { 4 } else { 3 };
                Tensor::zeros([count], &a.device())
            };
            let loss = TripletMarginWithDistanceLossConfig::new()
                .with_swap(true)
                .init_with(distance);
            let text = format!(
                "TripletMarginWithDistanceLoss: the distance function gave [4] for {names}, but \
                 must give one distance for each row, [3]."
            );
            let all = |number: f64| on.tracked(&[number; 6], [3, 2], F32);
            rejects_three(&on, &loss, (all(1.0), all(2.0), all(3.0)), Shape, &text);
        }
    }
}

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

        let text = text
            .replace("NllLoss", "MultiMarginLoss")
            .replace("log_probs", "logits");
        let loss = MultiMarginLoss::new();
        rejects(&on, &loss, output.clone(), targets.clone(), Shape, &text);

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
            &MultiMarginLoss::new(),
            logits(&on),
            ids(&on, &[0, 1, 2], [3]),
            Shape,
            "MultiMarginLoss: logits [4, 3] with class axis 1 (3 classes) needs class ids of shape \
             [4], but targets have [3]. The batch sizes differ: 4 and 3.",
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
    let labels = || ids(on, &vec![0; count(other)], other);
    all_reject!(on, Shape, said, {
        L1Loss, "predictions", "targets", (tracked(1.0), targets(0.5));
        MseLoss, "predictions", "targets", (tracked(1.0), targets(0.5));
        SmoothL1Loss, "predictions", "targets", (tracked(1.0), targets(0.5));
        HuberLoss, "predictions", "targets", (tracked(1.0), targets(0.5));
        PoissonNllLoss, "predictions", "targets", (tracked(1.0), targets(0.5));
        GaussianNllLoss, "predictions", "targets", (tracked(1.0), targets(0.5), 1.0);
        BceLoss, "probs", "targets", (tracked(0.5), targets(1.0));
        BceWithLogitsLoss, "logits", "targets", (tracked(0.5), targets(1.0));
        KlDivLoss, "log_probs", "targets", (tracked(-1.0), targets(1.0));
        SoftMarginLoss, "logits", "targets", (tracked(0.5), targets(1.0));
        MultiLabelMarginLoss, "logits", "targets", (tracked(0.5), labels());
        MultiLabelSoftMarginLoss, "logits", "targets", (tracked(0.5), targets(1.0));
        HingeEmbeddingLoss, "distances", "targets", (tracked(0.5), targets(1.0));
        MarginRankingLoss, "first", "targets", (tracked(0.5), tracked(0.25), targets(1.0));
        MarginRankingLoss, "first", "second", (tracked(0.5), targets(0.25), targets(1.0));
        TripletMarginLoss, "anchor", "positive", (tracked(0.5), targets(0.25), tracked(1.0));
        TripletMarginLoss, "anchor", "negative", (tracked(0.5), tracked(0.25), targets(1.0));
        TripletMarginWithDistanceLoss, "anchor", "positive",
            (tracked(0.5), targets(0.25), tracked(1.0));
        TripletMarginWithDistanceLoss, "anchor", "negative",
            (tracked(0.5), tracked(0.25), targets(1.0));
        CosineEmbeddingLoss, "first", "second",
            (tracked(0.5), targets(0.25), ids(on, &vec![1; shape[0]], [shape[0]]));
    });
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
        rejects_shapes(
            &on,
            [4, 8],
            [4, 7],
            "INPUT [4, 8] and TARGET [4, 7] must have the same shape; nothing is broadcast. Each \
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
        rejects(&on, &loss, log_probs(&on), targets.clone(), Shape, &said);
        let loss = MultiMarginLossConfig::new().with_class_axis(2).init();
        let said = format!("MultiMarginLoss: {text}");
        rejects(&on, &loss, logits(&on), targets, Shape, &said);
        let lists = ids(&on, &[0, -1, -1].repeat(4), [4, 3]);
        let loss = MultiLabelMarginLossConfig::new().with_class_axis(2).init();
        let said = format!("MultiLabelMarginLoss: {text}");
        rejects(&on, &loss, logits(&on), lists, Shape, &said);

        let labels = floats(&on, &[1.0, 0.0, 0.0].repeat(4), [4, 3]);
        let loss = KlDivLossConfig::new().with_class_axis(Some(2)).init();
        let said = format!("KlDivLoss: {text}");
        rejects(&on, &loss, log_probs(&on), labels.clone(), Shape, &said);
        let loss = MultiLabelSoftMarginLossConfig::new()
            .with_class_axis(2)
            .init();
        let said = format!("MultiLabelSoftMarginLoss: {text}");
        rejects(&on, &loss, logits(&on), labels.clone(), Shape, &said);
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
        rejects(&on, &loss, log_probs(&on), targets.clone(), Shape, text);
        let loss = MultiMarginLossConfig::new()
            .with_weights(four.clone())
            .init();
        let text = "MultiMarginLoss: weights has 4 entries, but needs 3: one per class.";
        rejects(&on, &loss, logits(&on), targets, Shape, text);

        let inner = || floats(&on, &[0.5; 12], [4, 3]);
        let loss = BceLossConfig::new().with_weights(two.clone()).init();
        let text = "BceLoss: weights has 2 entries, but needs 1 for all, or 3: one per class.";
        rejects(&on, &loss, inner(), probs.clone(), Shape, text);
        let loss = MultiLabelSoftMarginLossConfig::new()
            .with_weights(four.clone())
            .init();
        let text = "MultiLabelSoftMarginLoss: weights has 4 entries, but needs 1 for all, or 3: \
                    one per class.";
        rejects(&on, &loss, logits(&on), probs.clone(), Shape, text);
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
        let text = text.replace("TripletMarginLoss", "TripletMarginWithDistanceLoss");
        for distance in [Distance::Euclidean, Distance::Lp(3.0), Distance::Cosine] {
            let loss = TripletMarginWithDistanceLossConfig::new()
                .with_distance(distance)
                .init();
            rejects_weights!(
                on,
                loss,
                (embeddings, embeddings, embeddings),
                weights,
                Shape,
                &text
            );
        }
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

            let labels = mask(&on, &[true, false, true].repeat(4), [4, 3]);
            let lists = ids(&on, &[0, 2, -1].repeat(4), [4, 3]);
            let signs = ids(&on, &[1, -1, 1, -1], [4]);
            macro_rules! rejected_by {
                ($loss:ident, $inputs:tt) => {
                    let said = format!("{}: {text}", stringify!($loss));
                    rejects_weights!(on, $loss::new(), $inputs, weights, kind(), &said);
                };
            }
            rejected_by!(MultiMarginLoss, (output, targets));
            rejected_by!(MultiLabelMarginLoss, (output, lists));
            rejected_by!(MultiLabelSoftMarginLoss, (output, labels));
            rejected_by!(CosineEmbeddingLoss, (output, output, signs));
            rejected_by!(TripletMarginWithDistanceLoss, (output, output, output));
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

    let classes = || ids(ndarray, &[0, 1], [2]);
    let lists = || ids(ndarray, &[0, 1, 1, -1], [2, 2]);
    let pairs = || ids(ndarray, &[1, -1], [2]);
    all_reject!(flex, LossErrorKind::Device, said, {
        L1Loss, "predictions", "targets", (here(1.0), there(0.5));
        MseLoss, "predictions", "targets", (here(1.0), there(0.5));
        SmoothL1Loss, "predictions", "targets", (here(1.0), there(0.5));
        HuberLoss, "predictions", "targets", (here(1.0), there(0.5));
        PoissonNllLoss, "predictions", "targets", (here(1.0), there(0.5));
        GaussianNllLoss, "predictions", "targets", (here(1.0), there(0.5), 1.0);
        GaussianNllLoss, "predictions", "variance", (here(1.0), here(0.5), there(1.0));
        NllLoss, "log_probs", "targets", (here(-1.0), classes());
        CrossEntropyLoss, "logits", "targets", (here(1.0), classes());
        CrossEntropyLoss, "logits", "targets", (here(1.0), there(0.5));
        BceLoss, "probs", "targets", (here(0.5), there(1.0));
        BceWithLogitsLoss, "logits", "targets", (here(0.5), there(1.0));
        KlDivLoss, "log_probs", "targets", (here(-1.0), there(0.5));
        MultiMarginLoss, "logits", "targets", (here(1.0), classes());
        SoftMarginLoss, "logits", "targets", (here(1.0), there(1.0));
        MultiLabelMarginLoss, "logits", "targets", (here(1.0), lists());
        MultiLabelSoftMarginLoss, "logits", "targets", (here(0.5), there(1.0));
        HingeEmbeddingLoss, "distances", "targets", (here(0.5), there(1.0));
        MarginRankingLoss, "first", "second", (here(1.0), there(1.0), here(1.0));
        MarginRankingLoss, "first", "targets", (here(1.0), here(1.0), there(1.0));
        TripletMarginLoss, "anchor", "negative", (here(1.0), here(2.0), there(1.0));
        TripletMarginWithDistanceLoss, "anchor", "negative", (here(1.0), here(2.0), there(1.0));
        CosineEmbeddingLoss, "first", "second", (here(1.0), there(1.0), pairs());
        CosineEmbeddingLoss, "first", "targets", (here(1.0), here(1.0), pairs());
    });
    let text = said("MseLoss", "the loss", "weights");
    let inputs = (here(1.0), here(0.5));
    rejects_weights!(
        flex,
        MseLoss::new(),
        (inputs.0, inputs.1),
        there(1.0),
        LossErrorKind::Device,
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
        of!(PoissonNllLoss, (output()), ones(), rejects());
        of!(SoftMarginLoss, (output()), ones(), rejects());
        of!(MultiLabelSoftMarginLoss, (output()), one_hot(), rejects());
        of!(HingeEmbeddingLoss, (probs()), ones(), rejects());
        of!(
            MarginRankingLoss,
            (output(), probs()),
            ones(),
            rejects_three(tuple)
        );
        let one = || on.tracked(&[1.0], [1], F32);
        of!(
            CosineEmbeddingLoss,
            (output(), probs()),
            one(),
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
    let text = "MseLoss: weights: tracked by autodiff, but this loss has no gradient for them. Multiply \
                what forward_no_reduction gives by weights that are learnt; only for others is \
                `weights.inner()` the same.";
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

        let sum = Reduction::Sum;
        let smooth = SmoothL1LossConfig::new().with_reduction(sum).init();
        let gradients = smooth
            .forward(predictions.clone(), targets.clone())
            .backward();
        let of_targets = numbers(&targets.grad(&gradients).unwrap());
        assert_close(on.name, &of_targets, &[-1.0, 1.0, 0.0, -0.5], 1e-6);
        let huber = HuberLossConfig::new().with_delta(2.0).with_reduction(sum);
        let gradients = huber
            .init()
            .forward(predictions.clone(), targets.clone())
            .backward();
        let of_targets = numbers(&targets.grad(&gradients).unwrap());
        assert_close(on.name, &of_targets, &[-1.0, 2.0, 0.0, -0.5], 1e-6);

        // Predictions that are not tracked do not hide the gradient of the targets.
        let gradients = loss
            .forward(predictions.inner(), targets.clone())
            .backward();
        let of_targets = numbers(&targets.grad(&gradients).unwrap());
        assert_close(on.name, &of_targets, &[-2.0, 6.0, 0.0, -1.0], 1e-6);
    }
}

/// Each of the three inputs that is tracked gets its gradient; below eps the variance's is that at
/// eps.
#[test]
fn targets_and_variances_have_a_gradient() {
    let loss = GaussianNllLossConfig::new()
        .with_eps(0.5)
        .with_reduction(Reduction::Sum)
        .init();
    for on in devices() {
        let predictions = on.tracked(&[1.0, -2.0, 0.5, 3.0], [2, 2], F32);
        let targets = on.tracked(&[0.0, 1.0, 0.5, 2.5], [2, 2], F32);
        for (variance, of_variance, of_prediction) in [
            (2.0, [0.125, -0.875, 0.25, 0.21875], [0.5, -1.5, 0.0, 0.25]),
            (0.25, [-1.0, -17.0, 1.0, 0.5], [2.0, -6.0, 0.0, 1.0]),
        ] {
            let variance = on.tracked(&[variance; 4], [2, 2], F32);
            let check = |predictions: Tensor<2>, targets: Tensor<2>, variance: Tensor<2>| {
                let inputs = [predictions, targets, variance];
                let [p, t, v] = inputs.each_ref().map(Tensor::clone);
                let gradients = loss.forward(p, t, v).backward();
                let of_target = of_prediction.map(|slope| -slope);
                let expected = [of_prediction, of_target, of_variance];
                for (input, expected) in inputs.iter().zip(expected) {
                    if input.is_tracked() {
                        let found = numbers(&input.grad(&gradients).unwrap());
                        assert_close(on.name, &found, &expected, 1e-6);
                    }
                }
            };
            let (p, t, v) = (
                || predictions.clone(),
                || targets.clone(),
                || variance.clone(),
            );
            check(p(), t(), v());
            check(p(), t().inner(), v().inner());
            check(p().inner(), t(), v().inner());
            check(p().inner(), t().inner(), v());
        }
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
    assert_accepted(on, loss.try_forward(output, targets), said);
}

fn suspects_three<A: Clone, B: Clone, C: Clone>(
    on: &TestDevice,
    loss: &impl TripleLoss<A, B, C>,
    (a, b, c): (A, B, C),
    said: &[&str],
) {
    let lints = loss.lint(&a, &b, &c);
    assert_said(on, &lints, said);
    assert_accepted(on, loss.try_forward(a, b, c), said);
}

/// Asserts that a call is accepted, and which rules find it suspicious, in whatever words.
macro_rules! suspects_by_rule {
    ($on:expr, $loss:expr, ($($input:expr),+), $rules:expr) => {{
        let (on, loss): (&TestDevice, _) = (&$on, &$loss);
        let rules: &[&str] = &$rules;
        let lints = loss.lint($(&$input),+);
        let found: Vec<&str> = lints.iter().map(|lint| lint.rule).collect();
        assert_eq!(found, rules, "on {}: {lints:?}", on.name);
        assert_formed(&lints);
        assert_accepted(on, loss.try_forward($(Clone::clone(&$input)),+), rules);
    }};
}

fn assert_accepted(on: &TestDevice, value: Result<Tensor<1>, LossError>, said: &[&str]) {
    let value = value.unwrap_or_else(|error| panic!("on {}: {error}", on.name));
    assert!(numbers(&value)[0].is_finite(), "on {}: {said:?}", on.name);
}

fn assert_said(on: &TestDevice, lints: &[Lint], said: &[&str]) {
    let found: Vec<String> = lints.iter().map(Lint::to_string).collect();
    assert_eq!(found, said, "on {}", on.name);
    assert_formed(lints);
}

fn assert_formed(lints: &[Lint]) {
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
fn probabilities_where_margins_are_asked_for() {
    let rules = ["probabilities-as-logits"];
    for on in devices() {
        let probs = burn::tensor::activation::softmax(logits(&on), 1);
        let targets = ids(&on, &[0, 1, 2, 0], [4]);
        suspects_by_rule!(on, MultiMarginLoss::new(), (probs, targets), rules);

        let probs = burn::tensor::activation::sigmoid(logits(&on));
        let labels = mask(&on, &[true, false, true, true].repeat(3), [4, 3]);
        suspects_by_rule!(on, SoftMarginLoss::new(), (probs, labels), rules);
        suspects_by_rule!(on, MultiLabelSoftMarginLoss::new(), (probs, labels), rules);
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
        suspects(
            &on,
            &NllLoss::new(),
            log_probs(&on),
            targets.clone(),
            &[&said],
        );
        let rules = ["single-class"];
        suspects_by_rule!(on, MultiMarginLoss::new(), (logits(&on), targets), rules);

        let labels = mask(&on, &[true; 12], [4, 3]);
        let loss = MultiLabelSoftMarginLoss::new();
        suspects_by_rule!(on, loss, (logits(&on), labels), rules);

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
        suspects_by_rule!(on, SoftMarginLoss::new(), (output, targets), rules);
        let (first, second) = (logits(&on), logits(&on) + 1.0);
        let loss = CosineEmbeddingLoss::new();
        suspects_by_rule!(on, loss, (first, second, targets), rules);
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
        macro_rules! suspected_by {
            ($($loss:ident)+) => {$(
                let said = format!("{}: {text}", stringify!($loss));
                suspects(&on, &$loss::new(), logits(&on), targets.clone(), &[&said]);
            )+};
        }
        suspected_by!(L1Loss MseLoss SmoothL1Loss HuberLoss);
        let said = format!("GaussianNllLoss: {text}");
        let inputs = (logits(&on), targets, 1.0);
        suspects_three(&on, &GaussianNllLoss::new(), inputs, &[&said]);

        let text = "PoissonNllLoss: all 12 targets of the batch are 2: there is nothing to learn \
                    from it. [constant-target]";
        let loss = PoissonNllLoss::new();
        let targets = ids(&on, &[2; 12], [4, 3]);
        suspects(&on, &loss, logits(&on), targets.clone(), &[text]);
        suspects(&on, &loss, logits(&on), targets.float(), &[text]);
    }
}

#[test]
fn counts_that_are_not_whole() {
    let loss = PoissonNllLoss::new();
    for on in devices() {
        let output = on.tracked(&LOGITS[..4], [4], F32);
        let counts = floats(&on, &[0.0, 3.0, 1.5, 2.0], [4]);
        suspects_by_rule!(on, loss, (output, counts), ["not-whole"]);
        let counts = floats(&on, &[0.0, 3.0, 1.0, 2.0], [4]);
        suspects_by_rule!(on, loss, (output, counts), []);
        let constant = floats(&on, &[0.5; 4], [4]);
        let lints = loss.lint(&output, &constant);
        let mut rules: Vec<_> = lints.iter().map(|lint| lint.rule).collect();
        rules.sort_unstable();
        assert_eq!(rules, ["constant-target", "not-whole"], "on {}", on.name);
    }
}

#[test]
fn variances_below_eps() {
    let loss = GaussianNllLoss::new();
    let rules = ["variance-below-eps"];
    for on in devices() {
        let output = logits(&on);
        let targets = floats(&on, &LOGITS.map(|logit| logit + 0.5), [4, 3]);
        let all = floats(&on, &[1e-7; 12], [4, 3]);
        suspects_by_rule!(on, loss, (output, targets, all), rules);
        let per_row = floats(&on, &[1e-7, 0.0, 0.0, 1e-6], [4]);
        suspects_by_rule!(on, loss, (output, targets, per_row), rules);
        suspects_by_rule!(on, loss, (output, targets, 1e-7_f64), rules);
        // Some may well be.
        let some = floats(&on, &[1e-7, 0.5, 0.0, 1.0], [4]);
        suspects_by_rule!(on, loss, (output, targets, some), []);
    }
}

#[test]
fn lists_without_labels() {
    let loss = MultiLabelMarginLoss::new();
    for on in devices() {
        let output = logits(&on);
        let lists = ids(&on, &[-1; 12], [4, 3]);
        suspects_by_rule!(on, loss, (output, lists), ["no-labels"]);
        let mut some = [-1; 12];
        some[9] = 2;
        let lists = ids(&on, &some, [4, 3]);
        suspects_by_rule!(on, loss, (output, lists), []);

        // Of two classes, multi-hot rows may pass for lists.
        let output = on.tracked(&[0.5, -1.0, 2.0, 0.0], [2, 2], F32);
        let rows = ids(&on, &[1, 0, 0, 1], [2, 2]);
        suspects_by_rule!(on, loss, (output, rows), ["all-labels"]);
    }
}

#[test]
fn vectors_of_zeros() {
    let loss = CosineEmbeddingLoss::new();
    for on in devices() {
        let vectors = logits(&on);
        let mut some = LOGITS;
        some[3..6].fill(0.0);
        let with_zeros = on.tracked(&some, [4, 3], F32);
        let signs = ids(&on, &[1, 1, -1, -1], [4]);
        suspects_by_rule!(on, loss, (with_zeros, vectors, signs), ["zero-vector"]);
        suspects_by_rule!(on, loss, (vectors, with_zeros, signs), ["zero-vector"]);
    }
}

#[test]
fn triplets_of_the_same_tensor() {
    let negative = "positive and negative are the same tensor: every triplet costs the margin, and \
                    nothing can be learned. [positive-is-negative]";
    let positive = "anchor and positive are the same tensor: the positive should be another sample \
                    like the anchor. [anchor-is-positive]";
    for on in devices() {
        let a = logits(&on);
        let b = || a.clone() + 1.0;
        let c = || a.clone() - 2.0;
        macro_rules! suspected_by {
            ($($loss:ident)+) => {$({
                let said = |text: &str| format!("{}: {text}", stringify!($loss));
                let (negative, positive) = (said(negative), said(positive));
                let (negative, positive) = (negative.as_str(), positive.as_str());
                let loss = $loss::new();
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
            })+};
        }
        suspected_by!(TripletMarginLoss TripletMarginWithDistanceLoss);
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
        suspects(
            &on,
            &MultiMarginLoss::new(),
            logits(&on),
            targets.clone(),
            &[],
        );
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
        suspects(&on, &SmoothL1Loss::new(), logits(&on), rows.clone(), &[]);
        suspects(&on, &HuberLoss::new(), logits(&on), rows.clone(), &[]);
        suspects(&on, &PoissonNllLoss::new(), logits(&on), rows.clone(), &[]);
        let inputs = (logits(&on), rows.clone(), 0.5);
        suspects_three(&on, &GaussianNllLoss::new(), inputs, &[]);
        let loss = MultiLabelSoftMarginLoss::new();
        suspects(&on, &loss, logits(&on), rows.clone(), &[]);
        let lists = target::label_ids(rows.clone().bool(), 1);
        suspects(&on, &MultiLabelMarginLoss::new(), logits(&on), lists, &[]);
        let inputs = (logits(&on), rows.clone(), ids(&on, &[1, -1, -1, 1], [4]));
        suspects_three(&on, &CosineEmbeddingLoss::new(), inputs, &[]);
        let signs: Tensor<2> = target::signs(rows.clone());
        suspects(&on, &SoftMarginLoss::new(), logits(&on), signs.clone(), &[]);
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

#[test]
fn samples_without_classes_have_no_loss() {
    for on in devices() {
        let loss = MultiLabelSoftMarginLoss::new();
        let output = Tensor::<2>::zeros([3, 0], &on.device);
        let each = loss.try_forward_no_reduction(output.clone(), output);
        assert_eq!(numbers(&each.unwrap()), [0.0; 3], "on {}", on.name);
    }
}

#[test]
fn labels_of_any_type_become_lists() {
    for on in devices() {
        let lists = ids(&on, &[2, 0, -1, -1, -1, -1], [2, 3]);
        let rows: Tensor<2> = target::multi_hot(lists, 1);
        let back: Tensor<2, Int> = target::label_ids(rows.clone(), 1);
        let found: Vec<i64> = back.into_data().iter().collect();
        assert_eq!(found, [0, 2, -1, -1, -1, -1], "on {}", on.name);
        let panic =
            std::panic::catch_unwind(|| -> Tensor<2, Int> { target::label_ids(rows * 0.5, 1) });
        assert!(panic.is_err(), "half a label, on {}", on.name);
    }
}

// What a new user gets wrong.

#[test]
fn a_divergence_with_its_arguments_exchanged() {
    let text = "KlDivLoss: target -0.6931472 at index [0, 0] is not a probability: it must be between 0 and 1. These \
                look like log-probabilities. Of KlDivLoss, are the arguments exchanged?";
    for on in devices() {
        let probs = || floats(&on, &[0.2, 0.3, 0.5], [1, 3]);
        let logs = || floats(&on, &[0.5f64.ln(), 0.25f64.ln(), 0.25f64.ln()], [1, 3]);
        let error = KlDivLoss::new().try_forward(probs(), logs()).unwrap_err();
        assert!(error.to_string().starts_with(text), "{error}");
        assert!(KlDivLoss::new().try_forward(logs(), probs()).is_ok());
        // Twice probabilities is another mistake.
        let error = KlDivLoss::new().try_forward(probs(), probs()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("These look like probabilities"), "{text}");
    }
}

#[test]
fn a_mask_of_0_and_255() {
    for on in devices() {
        let mask = ids(&on, &[0, 255, 0, 255], [2, 1, 1, 2]);
        let logits = || floats(&on, &[0.5, -1.0, 2.0, 0.0], [2, 1, 1, 2]);
        let error = BceWithLogitsLoss::new().try_forward(logits(), mask.clone());
        let text = error.unwrap_err().to_string();
        let hint = "This looks like a mask of 0 and 255: `greater_scalar(0)` makes labels of it.";
        assert!(text.ends_with(hint), "{text}");
        let labels: Tensor<4, Bool> = mask.greater_scalar(0);
        assert!(
            BceWithLogitsLoss::new()
                .try_forward(logits(), labels)
                .is_ok()
        );
    }
}

#[test]
fn weights_of_a_single_class() {
    for on in devices() {
        let loss = BceWithLogitsLossConfig::new()
            .with_weights(Some(vec![1.0, 2.0]))
            .init();
        let of_one = || floats(&on, &[0.5, 1.0], [2, 1]);
        let error = loss.try_forward(of_one(), of_one()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "BceWithLogitsLoss: weights has 2 entries, but needs 1: there is one class."
        );
    }
}

#[test]
fn an_output_that_is_no_number_is_suspected() {
    for on in devices() {
        let lints = |logits: &[f64]| {
            let logits = floats(&on, logits, [2, 2]);
            CrossEntropyLoss::new().lint(&logits, &ids(&on, &[0, 1], [2]))
        };
        let found = lints(&[0.5, f64::NAN, 1.0, 2.0]);
        let rules: Vec<_> = found.iter().map(|lint| lint.rule).collect();
        assert_eq!(rules, ["not-finite"], "{found:?} on {}", on.name);
        assert!(
            found[0].message.starts_with("the loss of the batch is NaN"),
            "{found:?}"
        );
        assert_eq!(lints(&[0.5, 0.0, 1.0, 2.0]), []);

        let x = floats(&on, &[f64::INFINITY, 0.0], [2]);
        let found = MseLoss::new().lint(&x, &floats(&on, &[1.0, 0.0], [2]));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].message.starts_with("the loss of the batch is inf"),
            "{found:?}"
        );
    }
}

#[test]
fn some_of_the_pairs_and_triplets() {
    for on in devices() {
        let labels: Vec<i64> = (0..64).map(|at| at % 10).collect();
        let labels = || ids(&on, &labels, [64]);
        let (pairs, triplets) = (target::pairs(labels()), target::triplets(labels()));
        // 4 classes of 7 samples, and 6 of 6.
        let anchors = 28 * 6 * 57 + 36 * 5 * 58;
        assert_eq!((pairs.len(), triplets.len()), (64 * 63 / 2, anchors));
        let numbers = |tensor: Tensor<1, Int>| -> Vec<i64> { tensor.into_data().iter().collect() };
        let some = pairs.sample(100);
        let (first, second) = (numbers(some.first), numbers(some.second));
        let signs: Vec<f32> = some.signs.into_data().iter().collect();
        let mut chosen: Vec<_> = first.iter().zip(&second).collect();
        for ((first, second), sign) in chosen.iter().zip(&signs) {
            assert_eq!(*sign == 1.0, **first % 10 == **second % 10);
        }
        chosen.sort();
        chosen.dedup();
        assert_eq!((chosen.len(), signs.len()), (100, 100), "on {}", on.name);
        let some = triplets.sample(50);
        let (anchor, positive) = (numbers(some.anchor), numbers(some.positive));
        let negative = numbers(some.negative);
        assert_eq!(anchor.len(), 50);
        for ((a, p), n) in anchor.iter().zip(&positive).zip(&negative) {
            assert!(
                a != p && a % 10 == p % 10 && a % 10 != n % 10,
                "{a} {p} {n}"
            );
        }
        assert_eq!(target::pairs(labels()).sample(9999).len(), 2016);
    }
}
