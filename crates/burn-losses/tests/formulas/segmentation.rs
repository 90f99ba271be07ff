//! The losses of overlaps: gradients, hard inputs, wrong targets, what is suspicious, and where the classes lie.

use super::common::{TestDevice, assert_close, devices, numbers};
use burn::tensor::{DType, Int, Tensor, TensorData};
use burn_losses::prelude::*;
use burn_losses::{Checks, with_checks};

/// What the target of a case is.
#[derive(Clone, Debug)]
enum Given {
    Ids(Vec<i64>),
    Masks(Vec<f64>),
    IntMasks(Vec<i64>),
}

const SHAPE: [usize; 4] = [2, 3, 2, 3];
const PIXELS: usize = 12;

/// Logits that are neither regular nor large.
fn logits() -> Vec<f64> {
    (0..36)
        .map(|at| ((at * 7 + 3) % 17) as f64 * 0.37 - 2.7)
        .collect()
}

fn ids() -> Vec<i64> {
    vec![0, 1, 2, 1, 0, 2, 0, 0, 1, 1, 0, 0]
}

fn hard(ids: &[i64]) -> Vec<f64> {
    let mut masks = vec![0.0; 36];
    for (pixel, &id) in ids.iter().enumerate() {
        if (0..3).contains(&id) {
            masks[(pixel / 6 * 3 + id as usize) * 6 + pixel % 6] = 1.0;
        }
    }
    masks
}

fn soft() -> Vec<f64> {
    (0..36).map(|at| ((at * 5) % 11) as f64 / 10.0).collect()
}

impl Given {
    fn call<L>(&self, on: &TestDevice, loss: &L, input: Tensor<4>) -> Result<Tensor<1>, LossError>
    where
        L: Loss<Tensor<4>, Tensor<3, Int>>
            + Loss<Tensor<4>, Tensor<4, Int>>
            + Loss<Tensor<4>, Tensor<4>>,
    {
        let [n, _, h, w] = SHAPE;
        match self {
            Self::Ids(ids) => {
                let ids = TensorData::new(ids.clone(), [n, h, w]);
                let ids = Tensor::<3, Int>::from_data(ids, &on.device);
                Loss::<_, Tensor<3, Int>>::try_forward(loss, input, ids)
            }
            Self::Masks(masks) => {
                let masks = on.tensor(masks, SHAPE, input.dtype());
                Loss::<_, Tensor<4>>::try_forward(loss, input, masks)
            }
            Self::IntMasks(masks) => {
                let masks = TensorData::new(masks.clone(), SHAPE);
                let masks = Tensor::<4, Int>::from_data(masks, &on.device);
                Loss::<_, Tensor<4, Int>>::try_forward(loss, input, masks)
            }
        }
    }
}

type Evaluate = Box<dyn Fn(&TestDevice, Tensor<4>) -> Result<Tensor<1>, LossError>>;

struct Case {
    name: String,
    probabilities: bool,
    loss: Evaluate,
}

/// Every loss with every option that changes what is computed, and each kind of target.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let ignored = vec![0, 1, 9, 1, 0, 2, 9, 9, 1, 1, 0, 0];
    let int_masks = hard(&ids()).iter().map(|&of| of as i64).collect::<Vec<_>>();
    let mut ignored_masks = int_masks.clone();
    ignored_masks[3] = 9;
    ignored_masks[20] = 9;
    for activation in [
        Activation::Softmax,
        Activation::Sigmoid,
        Activation::Probabilities,
    ] {
        let masks = activation != Activation::Softmax;
        let mut targets = vec![
            (Given::Ids(ids()), false),
            (Given::Ids(ignored.clone()), true),
            (Given::Ids(vec![9; PIXELS]), true),
            (Given::Ids(vec![1; PIXELS]), false),
            (Given::Masks(soft()), false),
            (Given::Masks(vec![0.0; 36]), false),
            (Given::IntMasks(int_masks.clone()), false),
        ];
        if masks {
            targets.push((Given::IntMasks(ignored_masks.clone()), true));
        }
        for (target, ignores) in targets {
            for overlap in [Overlap::Product, Overlap::Squared, Overlap::Minimum] {
                for (aggregation, absent) in [
                    (Aggregation::SampleClass, AbsentClass::Smoothed),
                    (Aggregation::Class, AbsentClass::LeftOut),
                    (Aggregation::Sample, AbsentClass::Zero),
                    (Aggregation::Batch, AbsentClass::Smoothed),
                ] {
                    let ignore = if ignores { vec![9] } else { Vec::new() };
                    let mut dice = DiceLossConfig::new()
                        .with_activation(activation)
                        .with_overlap(overlap)
                        .with_aggregation(aggregation)
                        .with_absent(absent)
                        .with_smooth_numerator(0.3)
                        .with_smooth_denominator(0.5)
                        .with_ignore_indices(ignore.clone());
                    if aggregation == Aggregation::SampleClass {
                        dice = dice
                            .with_background(false)
                            .with_weights(Some(vec![1.0, 3.0]));
                    }
                    let name = format!("{activation:?} {target:?} {overlap:?} {aggregation:?}");
                    let mut add = |of: &str, loss: Evaluate| {
                        cases.push(Case {
                            name: format!("{of} {name}"),
                            probabilities: activation == Activation::Probabilities,
                            loss,
                        });
                    };
                    macro_rules! add {
                        ($name:literal, $config:expr) => {
                            let (loss, target) = ($config.init(), target.clone());
                            add(
                                $name,
                                Box::new(move |on, input| target.call(on, &loss, input)),
                            );
                        };
                    }
                    add!("dice", dice);
                    add!("log dice", dice.clone().with_log_loss(true));
                    let tversky = TverskyLossConfig::new()
                        .with_activation(activation)
                        .with_overlap(overlap)
                        .with_aggregation(aggregation)
                        .with_absent(absent)
                        .with_fp_weight(0.3)
                        .with_fn_weight(0.8)
                        .with_gamma(0.75)
                        .with_ignore_indices(ignore.clone());
                    add!("tversky", tversky);
                    add!("log tversky", tversky.clone().with_log_loss(true));
                    let jaccard = JaccardLossConfig::new()
                        .with_activation(activation)
                        .with_overlap(overlap)
                        .with_aggregation(aggregation)
                        .with_ignore_indices(ignore.clone());
                    add!("jaccard", jaccard);
                    if overlap != Overlap::Squared {
                        let of = GeneralizedDiceLossConfig::new()
                            .with_activation(activation)
                            .with_overlap(overlap)
                            .with_over_batch(aggregation == Aggregation::Class)
                            .with_ignore_indices(ignore);
                        add!("generalized", of);
                        add!(
                            "inverse",
                            of.clone()
                                .with_class_weighting(DiceWeighting::Inverse)
                                .with_absent_weight(AbsentWeight::Zero)
                                .with_background(false)
                        );
                    }
                    if activation != Activation::Probabilities {
                        let with = DiceCrossEntropyLossConfig::new()
                            .with_dice(dice.clone())
                            .with_cross_entropy_weight(0.7)
                            .with_weights(Some(vec![1.0, 2.0, 0.5]));
                        add!("dice and cross-entropy", with);
                        if masks || matches!(target, Given::Ids(_)) {
                            let with = DiceFocalLossConfig::new()
                                .with_dice(dice.clone())
                                .with_gamma(1.5)
                                .with_dice_weight(0.5);
                            add!("dice and focal", with);
                        }
                    }
                }
            }
        }
    }
    cases
}

fn input(case: &Case) -> Vec<f64> {
    if case.probabilities {
        let each = logits();
        return each.iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect();
    }
    logits()
}

#[test]
fn gradients_of_overlaps_are_difference_quotients() {
    const STEP: f64 = 1e-5;
    let on = &devices()[0];
    let cases = cases();
    assert!(cases.len() > 400, "{} cases", cases.len());
    for (case, first) in cases.iter().zip((0..5).cycle()) {
        let x = input(case);
        let input = on.tracked(&x, SHAPE, DType::F64);
        let value = (case.loss)(on, input.clone()).unwrap();
        let gradient = match input.grad(&value.backward()) {
            Some(gradient) => numbers(&gradient),
            None => vec![0.0; x.len()],
        };
        let value_at = |at: usize, by: f64| {
            let mut moved = x.clone();
            moved[at] += by;
            let input = on.tensor(&moved, SHAPE, DType::F64);
            numbers(&(case.loss)(on, input).unwrap())[0]
        };
        // A fifth of the slopes of each case.
        for at in (first..x.len()).step_by(5) {
            let found = gradient[at];
            let expected = (value_at(at, STEP) - value_at(at, -STEP)) / (2.0 * STEP);
            // Of what is nearly 0 a quotient has few digits.
            let error = (found - expected).abs();
            let near = error < 1e-6 * expected.abs() + 1e-9;
            assert!(near, "{}[{at}]: {found:e}, {expected:e}", case.name);
        }
    }
}

#[test]
fn overlaps_are_the_same_on_all_devices_and_in_all_types() {
    let all = devices();
    for (at, case) in cases().iter().enumerate() {
        let x = input(case);
        let run = |on: &TestDevice, dtype: DType| {
            let input = on.tracked(&x, SHAPE, dtype);
            let value = (case.loss)(on, input.clone()).unwrap();
            let gradient = match input.grad(&value.backward()) {
                Some(gradient) => numbers(&gradient),
                None => vec![0.0; x.len()],
            };
            (numbers(&value), gradient)
        };
        let (value, gradient) = run(&all[0], DType::F64);
        for on in all.iter().filter(|on| on.takes(at, 11)) {
            for (dtype, tolerance) in [(DType::F64, 1e-12), (DType::F32, 1e-5)] {
                if dtype == DType::F64 && !on.double {
                    continue;
                }
                let what = format!("{} on {} {dtype:?}", case.name, on.name);
                let found = run(on, dtype);
                assert_close(&what, &found.0, &value, tolerance);
                // Where all classes pull alike, what is left is small beside what cancelled.
                let largest = gradient.iter().fold(0.0_f64, |most, of| most.max(of.abs()));
                for (at, (found, expected)) in found.1.iter().zip(&gradient).enumerate() {
                    let scale = expected.abs() + largest + 1e-2;
                    let near = (found - expected).abs() < tolerance * scale;
                    assert!(near, "{what}[{at}]: {found:e}, {expected:e}");
                }
            }
        }
    }
}

fn error<L>(loss: &L, input: Tensor<4>, given: &Given) -> String
where
    L: Loss<Tensor<4>, Tensor<3, Int>>
        + Loss<Tensor<4>, Tensor<4, Int>>
        + Loss<Tensor<4>, Tensor<4>>,
{
    let on = &devices()[0];
    let error = given.call(on, loss, input).expect_err("it is wrong");
    error.message
}

fn flex_input() -> Tensor<4> {
    devices()[0].tensor(&logits(), SHAPE, DType::F32)
}

#[test]
fn wrong_targets_of_overlaps_are_told() {
    let sigmoid = DiceLossConfig::new().with_activation(Activation::Sigmoid);
    let told = |message: &str, parts: &[&str]| {
        for part in parts {
            assert!(message.contains(part), "{message:?} has no {part:?}");
        }
    };
    let mut of_255 = vec![0; 36];
    of_255[7] = 255;
    let message = error(&sigmoid.init(), flex_input(), &Given::IntMasks(of_255));
    told(&message, &["255", "[0, 1, 0, 1]", "greater_scalar(0)"]);
    let message = error(&sigmoid.init(), flex_input(), &Given::Masks(vec![-0.5; 36]));
    told(&message, &["-0.5", "0 (no) to 1 (yes)"]);
    let mut of_ids = ids();
    of_ids[4] = 3;
    let message = error(&DiceLoss::new(), flex_input(), &Given::Ids(of_ids.clone()));
    told(&message, &["3 at index [0, 1, 1]", "3 classes"]);
    let ce = DiceCrossEntropyLoss::new();
    told(
        &error(&ce, flex_input(), &Given::Ids(of_ids)),
        &["3 classes"],
    );
    // Logits where probabilities are named.
    let named = DiceLossConfig::new().with_activation(Activation::Probabilities);
    let message = error(&named.init(), flex_input(), &Given::Ids(ids()));
    told(&message, &["not a probability", "with_activation"]);
    let focal = DiceFocalLoss::new();
    let message = error(&focal, flex_input(), &Given::Masks(hard(&ids())));
    told(&message, &["class ids", "dice.activation"]);
    let lovasz = LovaszLossConfig::new().with_variant(LovaszVariant::Hinge);
    let message = error(&lovasz.init(), flex_input(), &Given::Masks(soft()));
    told(&message, &["must be 0 or 1"]);
    let ignoring = DiceLossConfig::new().with_ignore_index(9).init();
    let message = error(&ignoring, flex_input(), &Given::IntMasks(vec![9; 36]));
    told(&message, &["ignore_indices (here 9)", "softmax"]);
    // An axis that is not there.
    let far = DiceLossConfig::new().with_class_axis(4);
    told(
        &error(&far.init(), flex_input(), &Given::Ids(ids())),
        &["class_axis"],
    );
    let far = GeneralizedDiceLossConfig::new().with_class_axis(4);
    told(
        &error(&far.init(), flex_input(), &Given::Ids(ids())),
        &["class_axis"],
    );
    let far = LovaszLossConfig::new().with_class_axis(4);
    told(
        &error(&far.init(), flex_input(), &Given::Ids(ids())),
        &["class_axis"],
    );
    // A single class.
    let one = devices()[0].tensor(&[0.5; 12], [2, 1, 2, 3], DType::F32);
    let ids_of_one = Tensor::<3, Int>::zeros([2, 2, 3], &devices()[0].device);
    let of_one = DiceLoss::new().try_forward(one.clone(), ids_of_one.clone());
    told(&of_one.unwrap_err().message, &["1 class", "Sigmoid"]);
    let of_one = sigmoid.init().try_forward(one, ids_of_one);
    told(&of_one.unwrap_err().message, &["unsqueeze_dim(1)"]);
    for config in [
        DiceLossConfig::new()
            .with_aggregation(Aggregation::Sample)
            .with_weights(Some(vec![1.0; 3])),
        DiceLossConfig::new().with_smooth_numerator(-1.0),
        DiceLossConfig::new().with_class_axis(0),
    ] {
        assert!(config.try_init().is_err(), "{config}");
    }
    let wrong = LovaszLossConfig::new().with_absent(AbsentClass::Zero);
    told(&wrong.try_init().unwrap_err().message, &["LeftOut"]);
    let wrong = DiceCrossEntropyLossConfig::new().with_dice(named);
    told(&wrong.try_init().unwrap_err().message, &["dice.activation"]);
}

#[test]
fn what_is_suspicious_of_overlaps_is_told() {
    let on = &devices()[0];
    let rules = |lints: Vec<burn_losses::Lint>| -> Vec<&'static str> {
        lints.iter().map(|lint| lint.rule).collect()
    };
    let sigmoid = DiceLossConfig::new()
        .with_activation(Activation::Sigmoid)
        .init();
    let input = flex_input();
    let soft_masks = on.tensor(&soft(), SHAPE, DType::F32);
    assert_eq!(rules(sigmoid.lint(&input, &soft_masks)), ["soft-labels"]);
    let least = DiceLossConfig::new()
        .with_activation(Activation::Sigmoid)
        .with_overlap(Overlap::Minimum)
        .init();
    assert!(rules(least.lint(&input, &soft_masks)).is_empty());
    let empty = soft_masks.zeros_like();
    assert_eq!(rules(sigmoid.lint(&input, &empty)), ["empty-masks"]);
    let probabilities = burn::tensor::activation::softmax(input.clone(), 1);
    let of_ids = TensorData::new(ids(), [2, 2, 3]);
    let of_ids = Tensor::<3, Int>::from_data(of_ids, &on.device);
    let found = rules(DiceLoss::new().lint(&probabilities, &of_ids));
    assert_eq!(found, ["probabilities-as-logits"]);
    let same = of_ids.ones_like();
    assert_eq!(rules(DiceLoss::new().lint(&input, &same)), ["single-class"]);
}

/// Sums of more than what `f16` holds, and logits of any size: finite, and NaN nowhere.
#[test]
fn hard_inputs_of_overlaps_are_finite() {
    let on = &devices()[0];
    let many = 300;
    let shape = [1, 2, many, many];
    let x: Vec<f64> = (0..2 * many * many)
        .map(|at| (at % 7) as f64 - 3.0)
        .collect();
    let of_ids: Vec<i64> = (0..many * many).map(|at| (at % 3 == 0) as i64).collect();
    let of_ids = TensorData::new(of_ids, [1, many, many]);
    let of_ids = Tensor::<3, Int>::from_data(of_ids, &on.device);
    let value = |dtype| {
        let input = on.tracked(&x, shape, dtype);
        let value = DiceCrossEntropyLoss::new().forward(input.clone(), of_ids.clone());
        let gradient = input.grad(&value.backward()).unwrap();
        assert_eq!(gradient.dtype(), dtype);
        (numbers(&value)[0], numbers(&gradient))
    };
    let (half, slopes) = value(DType::F16);
    let (whole, expected) = value(DType::F64);
    assert!((half - whole).abs() < 1e-3, "{half} {whole}");
    for (slope, expected) in slopes.iter().zip(&expected) {
        assert!((slope - expected).abs() < 1e-6, "{slope:e} {expected:e}");
    }
    const INF: f64 = f64::INFINITY;
    let rows = [
        [0.0, 0.0, 0.0],
        [1e30, -1e30, 0.0],
        [3e38, -3e38, 3e38],
        [-INF, 0.0, 1.0],
        [200.0, 0.0, -200.0],
        [-200.0, 0.0, 200.0],
    ];
    for on in &devices() {
        for row in &rows {
            for class in 0..3 {
                let x: Vec<f64> = (0..36).map(|at| row[at / 6 % 3]).collect();
                for loss in [
                    DiceLossConfig::new(),
                    DiceLossConfig::new()
                        .with_log_loss(true)
                        .with_smooth_numerator(0.0),
                    DiceLossConfig::new()
                        .with_smooth_numerator(0.0)
                        .with_smooth_denominator(0.0),
                ] {
                    let input = on.tracked(&x, SHAPE, DType::F32);
                    let given = Given::Ids(vec![class; PIXELS]);
                    let value = given.call(on, &loss.init(), input.clone()).unwrap();
                    let found = numbers(&value)[0];
                    assert!(found.is_finite(), "{loss} {row:?} on {}: {found}", on.name);
                    let gradient = numbers(&input.grad(&value.backward()).unwrap());
                    let finite = gradient.iter().all(|slope| slope.is_finite());
                    assert!(finite, "{loss} {row:?} on {}: {gradient:?}", on.name);
                }
            }
        }
    }
}

/// Of parts that are nearly the same, one sum after the other would lose the same digits each time.
#[test]
fn many_pixels_that_are_alike_keep_their_digits() {
    const SHAPE: [usize; 4] = [1, 1, 2048, 4096];
    let p = f64::from(0.99_f32);
    let expected = (1.0 - p) / (1.0 + p);
    let loss = DiceLossConfig::new()
        .with_activation(Activation::Probabilities)
        .with_smooth_numerator(0.0)
        .with_smooth_denominator(0.0)
        .init();
    for on in devices() {
        let input = Tensor::<4>::full(SHAPE, p, (&on.device, DType::F32));
        let masks = Tensor::<4>::ones(SHAPE, (&on.device, DType::F32));
        let found = numbers(&loss.forward(input, masks))[0];
        let off = (found - expected).abs() / expected;
        assert!(
            off < 5e-6,
            "{}: {found} {expected}, off by {off:e}",
            on.name
        );
    }
}

/// An id that is no class is none that is ignored, also where the overlap does not count and nothing is read.
#[test]
fn an_invalid_id_shows_in_the_other_loss_alone() {
    for on in &devices() {
        let sigmoid = DiceLossConfig::new().with_activation(Activation::Sigmoid);
        let with_cross_entropy = DiceCrossEntropyLossConfig::new()
            .with_dice(sigmoid.clone())
            .with_dice_weight(0.0)
            .init();
        let with_focal = DiceFocalLossConfig::new()
            .with_dice(sigmoid)
            .with_dice_weight(0.0)
            .init();
        let logits = || on.tensor::<4>(&[0.5; 24], [2, 3, 2, 2], DType::F32);
        let ids = || Tensor::<3, Int>::from_data([[[0, 1], [1, 2]], [[0, 1], [1, 7]]], &on.device);
        let weights = |second: f64| on.tensor::<1>(&[1.0, second], [2], DType::F32);
        let found = with_checks(Checks::Never, || {
            [
                with_cross_entropy.forward_no_reduction(logits(), ids()),
                with_focal.forward_no_reduction(logits(), ids()),
                with_cross_entropy.forward_weighted(logits(), ids(), weights(0.0)),
                with_focal.forward_weighted(logits(), ids(), weights(0.0)),
            ]
        });
        for found in &found[..2] {
            let found = numbers(found);
            assert!(
                found[0].is_finite() && found[1].is_nan(),
                "{found:?} on {}",
                on.name
            );
        }
        for found in &found[2..] {
            assert!(numbers(found)[0].is_finite(), "on {}", on.name);
        }
    }
}
