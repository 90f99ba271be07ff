//! The edges of what a loss takes: inputs, weights, options and contexts at which losses of other
//! libraries were reported to go wrong. Each is a smallest case; the battery has the same for every
//! loss where that can be said for all.

mod common;

use burn::tensor::{Bool, DType, Device, Int, Tensor, TensorData};
use burn_losses::prelude::*;
use burn_losses::target;
use burn_losses::{LossErrorKind, cosine_similarity, pairwise_distance};
use common::{TestDevice, assert_close, devices, numbers};

const NAN: f64 = f64::NAN;
const INFINITY: f64 = f64::INFINITY;

fn ids<const D: usize>(on: &TestDevice, ids: &[i64], shape: [usize; D]) -> Tensor<D, Int> {
    Tensor::from_data(TensorData::new(ids.to_vec(), shape), &on.device)
}

/// The types in which a device computes without narrowing.
fn types(on: &TestDevice) -> Vec<DType> {
    match on.double {
        true => vec![DType::F32, DType::F64],
        false => vec![DType::F32],
    }
}

/// What a reduced loss gave.
#[derive(Debug)]
struct Found {
    value: f64,
    gradient: Vec<f64>,
}

fn found<const D: usize>(value: Tensor<1>, input: &Tensor<D>) -> Found {
    let gradients = value.backward();
    let gradient = input.grad(&gradients).expect("a gradient");
    Found {
        value: numbers(&value)[0],
        gradient: numbers(&gradient),
    }
}

fn assert_found(what: &str, found: &Found, value: f64, gradient: &[f64], tolerance: f64) {
    assert_close(what, &[found.value], &[value], tolerance);
    assert_close(
        &format!("{what}: gradient"),
        &found.gradient,
        gradient,
        tolerance,
    );
}

fn text(error: Result<Tensor<1>, LossError>) -> String {
    error.expect_err("an error").to_string()
}

/// Asserts that an error's text has all these parts.
fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{text}\nhas no {part:?}");
    }
}

// What does not count.

/// Rows at which a model has diverged.
fn diverged(classes: usize) -> Vec<Vec<f64>> {
    let mut one_infinite = vec![0.0; classes];
    one_infinite[classes / 2] = INFINITY;
    let mut one_nan = vec![1.0; classes];
    one_nan[0] = NAN;
    vec![
        vec![NAN; classes],
        vec![-INFINITY; classes],
        vec![INFINITY; classes],
        one_infinite,
        one_nan,
    ]
}

/// The losses over classes of a row that does not count, and one that does: the first has no part in
/// the value, and no gradient, whatever is in it.
fn only_the_second_counts<const D: usize>(
    what: &str,
    on: &TestDevice,
    classes: usize,
    shape: [usize; D],
    call: impl Fn(Tensor<D>) -> Tensor<1>,
) {
    let counting: Vec<f64> = (0..classes).map(|at| at as f64 * 0.3 - 1.0).collect();
    for dtype in types(on) {
        let run = |first: &[f64]| {
            let all = [first, &counting].concat();
            let logits = on.tracked(&all, shape, dtype);
            found(call(logits.clone()), &logits)
        };
        let expected = run(&vec![0.0; classes]);
        for row in diverged(classes) {
            let found = run(&row);
            let what = format!("{what} on {} in {dtype:?}, row {:?}..", on.name, &row[..2]);
            assert!(
                found.gradient[..classes].iter().all(|slope| *slope == 0.0),
                "{what}: {found:?}"
            );
            assert_found(&what, &found, expected.value, &expected.gradient, 1e-6);
        }
    }
}

#[test]
fn weight_0_leaves_out_a_row_that_is_not_finite() {
    for on in devices() {
        for classes in [3, 200] {
            let shape = [2, classes];
            let targets = ids(&on, &[0, 1], [2]);
            let weights = on.tensor(&[0.0, 1.0], [2], DType::F32);
            let mask = Tensor::<1, Bool>::from_data([false, true], &on.device);
            for smoothing in [0.0, 0.2] {
                let loss = CrossEntropyLossConfig::new()
                    .with_label_smoothing(smoothing)
                    .init();
                only_the_second_counts("weights", &on, classes, shape, |logits| {
                    loss.forward_weighted(logits, targets.clone(), weights.clone())
                });
                only_the_second_counts("a mask", &on, classes, shape, |logits| {
                    loss.forward_weighted(logits, targets.clone(), mask.clone())
                });
                let rows: Tensor<2> = target::one_hot(targets.clone(), classes, 1);
                only_the_second_counts("weights of probabilities", &on, classes, shape, |logits| {
                    loss.forward_weighted(logits, rows.clone(), weights.clone())
                });
            }
            let margin = MultiMarginLoss::new();
            only_the_second_counts("multi-margin", &on, classes, shape, |logits| {
                margin.forward_weighted(logits, targets.clone(), weights.clone())
            });
        }
    }
}

#[test]
fn a_class_of_weight_0_leaves_out_a_row_that_is_not_finite() {
    for on in devices() {
        for classes in [3, 200] {
            let targets = ids(&on, &[0, 1], [2]);
            let mut weights = vec![1.0; classes];
            weights[0] = 0.0;
            let cross_entropy = CrossEntropyLossConfig::new()
                .with_weights(Some(weights.clone()))
                .init();
            only_the_second_counts("cross-entropy", &on, classes, [2, classes], |logits| {
                cross_entropy.forward(logits, targets.clone())
            });
            let margin = MultiMarginLossConfig::new()
                .with_weights(Some(weights))
                .init();
            only_the_second_counts("multi-margin", &on, classes, [2, classes], |logits| {
                margin.forward(logits, targets.clone())
            });
        }
    }
}

#[test]
fn an_ignored_row_that_is_not_finite_has_no_part() {
    for on in devices() {
        for classes in [2, 3, 200] {
            for smoothing in [0.0, 0.2] {
                let loss = CrossEntropyLossConfig::new()
                    .with_label_smoothing(smoothing)
                    .with_ignore_index(-1)
                    .init();
                let targets = ids(&on, &[-1, 0], [2]);
                only_the_second_counts(
                    &format!("smoothing {smoothing}"),
                    &on,
                    classes,
                    [2, classes],
                    |logits| loss.forward(logits, targets.clone()),
                );
                // The classes along an axis of which the elements are apart.
                let targets = ids(&on, &[-1, 0], [2, 1]);
                only_the_second_counts(
                    &format!("rank 3, smoothing {smoothing}"),
                    &on,
                    classes,
                    [2, classes, 1],
                    |logits| loss.forward(logits, targets.clone()),
                );
            }
        }
    }
}

/// A loss of weight 0 asks nothing of the distance that it was given.
#[test]
fn a_distance_that_does_not_count_has_no_gradient() {
    for on in devices() {
        // Composed of tensor operations a gradient is Burn's, which makes NaN of 0 times NaN.
        if !cfg!(feature = "flex") {
            continue;
        }
        for rows in [1, 2] {
            type Function = fn(Tensor<2>, Tensor<2>) -> Tensor<1>;
            let functions: [Function; 2] = [
                |a, b| pairwise_distance(a, b, 2.0, 0.0),
                |a, b| cosine_similarity(a, b, 1e-8),
            ];
            for function in functions {
                let a = on.tracked(&vec![NAN; rows * 2], [rows, 2], DType::F32);
                let b = on.tensor(&vec![1.0; rows * 2], [rows, 2], DType::F32);
                let signs = on.tensor(&vec![1.0; rows], [rows], DType::F32);
                let none = on.tensor(&vec![0.0; rows], [rows], DType::F32);
                let apart = function(a.clone(), b);
                let value = HingeEmbeddingLoss::new().forward_weighted(apart, signs, none);
                let gradient = found(value, &a).gradient;
                assert!(gradient.iter().all(|slope| *slope == 0.0), "{gradient:?}");
            }
        }
    }
}

// The scale of weights.

/// Weights that a type holds, and those that are too small or large for their sum or inverse.
fn scales(on: &TestDevice, dtype: DType) -> Vec<f64> {
    match (dtype, on.name) {
        (DType::F64, _) => vec![1.0, 1e-310, 1e-300, 1e300, 1e308],
        // Whether a GPU has numbers below the normal ones is up to it.
        (_, "wgpu") => vec![1.0, 1e-37, 1e-30, 1e30, 3e38],
        _ => vec![1.0, 1e-39, 1e-37, 1e-30, 1e30, 3e38],
    }
}

#[test]
fn a_mean_does_not_depend_on_the_scale_of_its_weights() {
    for on in devices() {
        for dtype in types(&on) {
            for scale in scales(&on, dtype) {
                let what = format!("{scale:e} on {} in {dtype:?}", on.name);
                let weights = on.tensor(&[scale; 2], [2], dtype);
                let x = on.tracked(&[1.0, 1.0], [2], dtype);
                let y = on.tensor(&[0.0; 2], [2], dtype);
                let value = MseLoss::new().forward_weighted(x.clone(), y, weights.clone());
                assert_found(&what, &found(value, &x), 1.0, &[1.0, 1.0], 1e-6);

                let logits = on.tracked(&[0.0; 4], [2, 2], dtype);
                let targets = ids(&on, &[0, 1], [2]);
                let value = CrossEntropyLoss::new().forward_weighted(
                    logits.clone(),
                    targets.clone(),
                    weights.clone(),
                );
                let slopes = [-0.25, 0.25, 0.25, -0.25];
                let ln_2 = 2f64.ln();
                assert_found(&what, &found(value, &logits), ln_2, &slopes, 1e-6);

                let log_probs = on.tracked(&[-ln_2; 4], [2, 2], dtype);
                let value = NllLoss::new().forward_weighted(
                    log_probs.clone(),
                    targets.clone(),
                    weights.clone(),
                );
                let slopes = [-0.5, 0.0, 0.0, -0.5];
                assert_found(&what, &found(value, &log_probs), ln_2, &slopes, 1e-6);

                let logits = on.tracked(&[0.0; 4], [2, 2], dtype);
                let value = MultiMarginLoss::new().forward_weighted(
                    logits.clone(),
                    targets,
                    weights.clone(),
                );
                let slopes = [-0.25, 0.25, 0.25, -0.25];
                assert_found(&what, &found(value, &logits), 0.5, &slopes, 1e-6);

                let anchor = on.tracked(&[1.0, 0.0, 1.0, 0.0], [2, 2], dtype);
                let other = on.tensor(&[0.0, 1.0, 0.0, 1.0], [2, 2], dtype);
                let loss = TripletMarginLoss::new();
                let run = |weights| {
                    let anchor = anchor.clone();
                    let value = loss.forward_weighted(
                        anchor.clone(),
                        other.clone(),
                        other.clone() * 0.5,
                        weights,
                    );
                    found(value, &anchor)
                };
                let plain = run(on.tensor(&[1.0; 2], [2], dtype));
                let scaled = run(weights.clone());
                assert_found(&what, &scaled, plain.value, &plain.gradient, 1e-6);

                let loss = CosineEmbeddingLoss::new();
                let signs = on.tensor(&[1.0, 1.0], [2], dtype);
                let run = |weights| {
                    let value = loss.forward_weighted(
                        anchor.clone(),
                        other.clone() + 1.0,
                        signs.clone(),
                        weights,
                    );
                    found(value, &anchor)
                };
                let plain = run(on.tensor(&[1.0; 2], [2], dtype));
                let scaled = run(weights);
                assert_found(&what, &scaled, plain.value, &plain.gradient, 1e-6);
            }
        }
    }
}

#[test]
fn a_mean_does_not_depend_on_the_scale_of_its_class_weights() {
    for on in devices() {
        for dtype in types(&on) {
            for scale in [1e-50, 1e-45, 1e-39, 1e-30, 1.0, 1e30, 3e38, 1e39, 1e300] {
                for smoothing in [0.0, 0.2] {
                    let what = format!("{scale:e}, smoothing {smoothing}, {} {dtype:?}", on.name);
                    let targets = ids(&on, &[0, 1], [2]);
                    let run = |scale: f64| {
                        let logits = on.tracked(&[0.0, 0.0, 1.0, 0.0], [2, 2], dtype);
                        let value = CrossEntropyLossConfig::new()
                            .with_label_smoothing(smoothing)
                            .with_weights(Some(vec![scale, 2.0 * scale]))
                            .init()
                            .forward(logits.clone(), targets.clone());
                        found(value, &logits)
                    };
                    let plain = run(1.0);
                    let scaled = run(scale);
                    assert_found(&what, &scaled, plain.value, &plain.gradient, 1e-6);
                }
                let what = format!("nll, {scale:e}, {} {dtype:?}", on.name);
                let log_probs = on.tracked(&[-1.0, -2.0, -3.0, -4.0], [2, 2], dtype);
                let value = NllLossConfig::new()
                    .with_weights(Some(vec![scale, scale]))
                    .init()
                    .forward(log_probs.clone(), ids(&on, &[0, 1], [2]));
                let slopes = [-0.5, 0.0, 0.0, -0.5];
                assert_found(&what, &found(value, &log_probs), 2.5, &slopes, 1e-6);
            }
        }
    }
}

/// Small weights of samples of a class of small weight: their product is below what the type holds.
#[test]
fn a_mean_does_not_depend_on_the_scale_of_both_weights() {
    for on in devices() {
        for dtype in types(&on) {
            let scale = if dtype == DType::F64 { 1e-310 } else { 1e-30 };
            let logits = on.tracked(&[0.0; 4], [2, 2], dtype);
            let weights = on.tensor(&[scale; 2], [2], dtype);
            let loss = CrossEntropyLossConfig::new()
                .with_weights(Some(vec![1.0, 1e-20]))
                .init();
            let value = loss.forward_weighted(logits.clone(), ids(&on, &[1, 1], [2]), weights);
            let slopes = [0.25, -0.25, 0.25, -0.25];
            let what = format!("{} in {dtype:?}", on.name);
            assert_found(&what, &found(value, &logits), 2f64.ln(), &slopes, 1e-5);
        }
    }
}

/// A weight as an `F64` tensor beside `f32` inputs.
#[test]
fn weights_of_another_type_count_as_they_were_given() {
    for on in devices().into_iter().filter(|on| on.double) {
        let x = on.tracked(&[1.0, 3.0], [2], DType::F32);
        let y = on.tensor(&[0.0; 2], [2], DType::F32);
        let tiny = on.tensor(&[1e-60, 1e-60], [2], DType::F64);
        let value = MseLoss::new().forward_weighted(x.clone(), y.clone(), tiny);
        assert_found(on.name, &found(value, &x), 5.0, &[1.0, 3.0], 1e-6);

        let large = on.tensor(&[1.0, 1e300], [2], DType::F64);
        let error = MseLoss::new().try_forward_weighted(x, y, large);
        let error = error.expect_err("an error");
        assert_says(&error.to_string(), &["weight 1e300", "[1]", "F32", "3.4"]);
        let LossErrorKind::Value { value, .. } = error.kind else {
            panic!("{error:?}")
        };
        assert_eq!(value, 1e300);
    }
}

#[test]
fn a_target_that_the_type_cannot_hold_is_told_as_it_was_given() {
    for on in devices().into_iter().filter(|on| on.double) {
        let x = on.tensor(&[1.0, 3.0], [2], DType::F32);
        let y = on.tensor(&[0.0, 1e300], [2], DType::F64);
        let error = text(MseLoss::new().try_forward(x.clone(), y.clone()));
        assert_says(&error, &["target 1e300 at index [1]", "F32"]);
        let error = text(PoissonNllLoss::new().try_forward(x.clone(), y.clone()));
        assert_says(&error, &["target 1e300 at index [1]", "F32"]);
        let zeros = x.zeros_like();
        let error = text(GaussianNllLoss::new().try_forward(x, zeros, y));
        assert_says(&error, &["variance 1e300 at index [1]", "F32"]);
    }
}

// Numbers that the type of the inputs cannot hold, as options.

#[test]
fn an_option_beyond_the_type_is_an_error_that_names_both() {
    for on in devices() {
        let column = |numbers: &[f64]| on.tensor(numbers, [2, 1], DType::F32);
        let (x, y) = (column(&[0.5, 0.25]), column(&[0.0, 1.0]));
        let rows = on.tensor(&[0.5, 0.25, 0.0, 1.0], [2, 2], DType::F32);
        let signs = || column(&[1.0, -1.0]);
        let classes = || ids(&on, &[0, 1], [2]);
        let large = || Some(vec![1.0, 1e39]);
        let one = || Some(vec![1e39]);
        let sum = Reduction::Sum;
        let huge = [
            (
                "CrossEntropyLoss: weights[1] is 1e39",
                CrossEntropyLossConfig::new()
                    .with_weights(large())
                    .with_reduction(sum)
                    .init()
                    .try_forward(rows.clone(), classes()),
            ),
            (
                "NllLoss: weights[1] is 1e39",
                NllLossConfig::new()
                    .with_weights(large())
                    .with_reduction(Reduction::BatchMean)
                    .init()
                    .try_forward(-rows.clone(), classes()),
            ),
            (
                "MultiMarginLoss: weights[1] is 1e39",
                MultiMarginLossConfig::new()
                    .with_weights(large())
                    .init()
                    .try_forward(rows.clone(), classes()),
            ),
            (
                "MultiMarginLoss: margin is 1e39",
                MultiMarginLossConfig::new()
                    .with_margin(1e39)
                    .init()
                    .try_forward(rows.clone(), classes()),
            ),
            (
                "BceLoss: weights[0] is 1e39",
                BceLossConfig::new()
                    .with_weights(one())
                    .init()
                    .try_forward(x.clone(), y.clone()),
            ),
            (
                "BceWithLogitsLoss: weights[0] is 1e39",
                BceWithLogitsLossConfig::new()
                    .with_weights(one())
                    .init()
                    .try_forward(x.clone(), y.clone()),
            ),
            (
                "BceWithLogitsLoss: pos_weights[0] is 1e39",
                BceWithLogitsLossConfig::new()
                    .with_pos_weights(one())
                    .init()
                    .try_forward(x.clone(), y.clone()),
            ),
            (
                "MultiLabelSoftMarginLoss: weights[1] is 1e39",
                MultiLabelSoftMarginLossConfig::new()
                    .with_weights(large())
                    .init()
                    .try_forward(rows.clone(), rows.clone()),
            ),
            (
                "SmoothL1Loss: beta is 1e80",
                SmoothL1LossConfig::new()
                    .with_beta(1e80)
                    .init()
                    .try_forward(x.clone(), y.clone()),
            ),
            (
                "PoissonNllLoss: eps is 1e39",
                PoissonNllLossConfig::new()
                    .with_eps(1e39)
                    .with_log_input(false)
                    .init()
                    .try_forward(x.clone(), y.clone()),
            ),
            (
                "GaussianNllLoss: eps is 1e39",
                GaussianNllLossConfig::new()
                    .with_eps(1e39)
                    .init()
                    .try_forward(x.clone(), y.clone(), x.clone()),
            ),
            (
                "GaussianNllLoss: variance is 1e80",
                GaussianNllLoss::new().try_forward(x.clone(), y.clone(), 1e80),
            ),
            (
                "HingeEmbeddingLoss: margin is 1e39",
                HingeEmbeddingLossConfig::new()
                    .with_margin(1e39)
                    .init()
                    .try_forward(x.clone(), signs()),
            ),
            (
                "MarginRankingLoss: margin is -1e39",
                MarginRankingLossConfig::new()
                    .with_margin(-1e39)
                    .init()
                    .try_forward(x.clone(), y.clone(), signs()),
            ),
            (
                "TripletMarginLoss: margin is 1e39",
                TripletMarginLossConfig::new()
                    .with_margin(1e39)
                    .init()
                    .try_forward(rows.clone(), rows.clone(), rows.clone()),
            ),
            (
                "TripletMarginLoss: eps is 1e39",
                TripletMarginLossConfig::new()
                    .with_eps(1e39)
                    .init()
                    .try_forward(rows.clone(), rows.clone(), rows.clone()),
            ),
            (
                "TripletMarginWithDistanceLoss: margin is 1e39",
                TripletMarginWithDistanceLossConfig::new()
                    .with_margin(1e39)
                    .init()
                    .try_forward(rows.clone(), rows.clone(), rows.clone()),
            ),
        ];
        for (start, outcome) in huge {
            let error = text(outcome);
            assert!(
                error.starts_with(start),
                "{error}\nnot {start} on {}",
                on.name
            );
            assert_says(&error, &["F32"]);
        }
    }
}

#[test]
fn what_f32_can_hold_is_right_though_the_option_is_large() {
    for on in devices() {
        // Half of the squared error over beta.
        for (beta, error) in [(7e38, 1e20), (1e39, 1e20), (1e45, 3e30), (1e60, 1e38)] {
            let x = on.tracked(&[error, -error], [2], DType::F32);
            let y = on.tensor(&[0.0; 2], [2], DType::F32);
            let loss = SmoothL1LossConfig::new().with_beta(beta).init();
            let exact = numbers(&x)[0];
            let slope = exact / beta / 2.0;
            let value = exact / beta * exact / 2.0;
            let found = found(loss.forward(x.clone(), y), &x);
            let what = format!("beta {beta:e} on {}", on.name);
            assert_found(&what, &found, value, &[slope, -slope], 1e-5);
        }
        // Half of the squared error.
        let x = on.tracked(&[3.0, 0.0], [2], DType::F32);
        let y = on.tensor(&[0.0; 2], [2], DType::F32);
        let huber = HuberLossConfig::new().with_delta(1e39).init();
        let value = huber.forward(x.clone(), y);
        assert_found(on.name, &found(value, &x), 2.25, &[1.5, 0.0], 1e-6);
        // The logarithm of the variance, and hardly more.
        let x = on.tracked(&[1e20, 0.0], [2], DType::F32);
        let y = on.tensor(&[0.0; 2], [2], DType::F32);
        let error = numbers(&x)[0];
        let value = 1e39f64.ln() / 2.0 + error * error / 1e39 / 4.0;
        let found = found(GaussianNllLoss::new().forward(x.clone(), y, 1e39), &x);
        assert_found(on.name, &found, value, &[error / 1e39 / 2.0, 0.0], 1e-5);
    }
}

// Intermediates that leave the range.

/// The types of a device, each with a number that is not far from its largest.
fn nearly_largest(on: &TestDevice) -> impl Iterator<Item = (DType, f64)> {
    let types = types(on);
    let all = [(DType::F32, 3e38), (DType::F64, 1.5e308)];
    all.into_iter()
        .filter(move |(dtype, _)| types.contains(dtype))
}

#[test]
fn an_intermediate_does_not_overflow_where_the_result_does_not() {
    for on in devices() {
        for (dtype, large) in nearly_largest(&on) {
            let what = format!("{large:e} on {} in {dtype:?}", on.name);
            let x = || on.tracked(&[large], [1], dtype);
            let y = on.tensor(&[-large], [1], dtype);
            let huber = HuberLossConfig::new().with_delta(0.5).init();
            let (one, of_huber) = (x(), |x| huber.forward(x, y.clone()));
            let value = of_huber(one.clone());
            assert_found(&what, &found(value, &one), large, &[0.5], 1e-6);

            // One element of four.
            let x = || on.tracked(&[large, 0.0, 0.0, 0.0], [2, 2], dtype);
            let y = on.tensor(&[-large, 0.0, 0.0, 0.0], [2, 2], dtype);
            let half = large / 2.0;
            let quarter = [0.25, 0.0, 0.0, 0.0];
            let one = x();
            let value = L1Loss::new().forward(one.clone(), y.clone());
            assert_found(&what, &found(value, &one), half, &quarter, 1e-6);
            for beta in [1.0, 0.0] {
                let one = x();
                let loss = SmoothL1LossConfig::new().with_beta(beta).init();
                let value = loss.forward(one.clone(), y.clone());
                assert_found(&what, &found(value, &one), half, &quarter, 1e-6);
            }
            let one = x();
            let signs = on.tensor(&[-1.0; 4], [2, 2], dtype);
            let value = MarginRankingLoss::new().forward(one.clone(), y.clone(), signs);
            assert_found(&what, &found(value, &one), half, &quarter, 1e-6);
            let one = on.tracked(&[-large, 0.0, 0.0, 0.0], [2, 2], dtype);
            let apart = on.tensor(&[-1.0, 1.0, 1.0, 1.0], [2, 2], dtype);
            let hinge = HingeEmbeddingLossConfig::new().with_margin(large).init();
            let value = hinge.forward(one.clone(), apart);
            let slopes = [-0.25, 0.25, 0.25, 0.25];
            assert_found(&what, &found(value, &one), half, &slopes, 1e-6);

            // One sample of four.
            let logits = [-large, large, 0.0, -large, 0.0, -large, 0.0, -large];
            let one = on.tracked(&logits, [4, 2], dtype);
            let targets = ids(&on, &[0, 0, 0, 0], [4]);
            let value = CrossEntropyLoss::new().forward(one.clone(), targets.clone());
            let slopes = [-0.25, 0.25, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
            assert_found(&what, &found(value, &one), half, &slopes, 1e-6);
            let one = on.tracked(&logits, [4, 2], dtype);
            let rows: Tensor<2> = target::one_hot(targets.clone(), 2, 1);
            let value = CrossEntropyLoss::new().forward(one.clone(), rows);
            assert_found(&what, &found(value, &one), half, &slopes, 1e-6);
            let one = on.tracked(&logits, [4, 2], dtype);
            let value = MultiMarginLoss::new().forward(one.clone(), targets);
            let slopes = slopes.map(|slope| slope / 2.0);
            assert_found(&what, &found(value, &one), half / 2.0, &slopes, 1e-6);
        }
    }
}

/// A weight of a class multiplies a loss also where no mean is divided by it.
#[test]
fn a_weight_that_no_mean_counts_does_not_overflow_where_the_mean_does_not() {
    for on in devices() {
        for (dtype, large) in nearly_largest(&on) {
            // One sample of eight, whose loss is `large`, times 2.5.
            let mut logits = [[large, 0.0]; 8];
            logits[0] = [0.0, large];
            let one = || on.tracked(logits.as_flattened(), [8, 2], dtype);
            let targets = ids(&on, &[0; 8], [8]);
            let mut slopes = [0.0; 16];
            slopes[..2].copy_from_slice(&[-2.5 / 8.0, 2.5 / 8.0]);
            let weights = Some(vec![2.5, 1.0]);
            let check = |what: &str, value: Tensor<1>, x: &Tensor<2>, of_one: f64| {
                let what = format!("{what} of {large:e} on {} in {dtype:?}", on.name);
                let slopes = slopes.map(|slope| slope * of_one);
                let expected = large * (2.5 / 8.0 * of_one);
                assert_found(&what, &found(value, x), expected, &slopes, 1e-6);
            };

            for reduction in [Reduction::Mean, Reduction::BatchMean] {
                let x = one();
                let config = FocalLossConfig::new().with_gamma(0.0);
                let config = config.with_alpha(weights.clone());
                let focal = config.with_reduction(reduction).init();
                check("focal", focal.forward(x.clone(), targets.clone()), &x, 1.0);
                let x = one();
                let config = MultiMarginLossConfig::new().with_weights(weights.clone());
                let margin = config.with_reduction(reduction).init();
                let value = margin.forward(x.clone(), targets.clone());
                check("multi-margin", value, &x, 0.5);
                let x = one();
                let config = CrossEntropyLossConfig::new().with_weights(weights.clone());
                let of_rows = config.with_reduction(reduction).init();
                let rows: Tensor<2> = target::one_hot(targets.clone(), 2, 1);
                let value = of_rows.forward(x.clone(), rows);
                check("cross-entropy of rows", value, &x, 1.0);
            }
            let x = one();
            let config = CrossEntropyLossConfig::new().with_weights(weights.clone());
            let by_batch = config.with_reduction(Reduction::BatchMean).init();
            let value = by_batch.forward(x.clone(), targets.clone());
            check("cross-entropy", value, &x, 1.0);

            // One element of sixteen.
            let mut logits = [0.0; 16];
            logits[0] = -large;
            let one = || on.tracked(&logits, [8, 2], dtype);
            let labels = ids(&on, &[1; 16], [8, 2]);
            let check = |what: &str, value: Tensor<1>, x: &Tensor<2>| {
                let what = format!("{what} of {large:e} on {} in {dtype:?}", on.name);
                let Found { value, gradient } = found(value, x);
                assert_close(&what, &[value], &[large * (2.5 / 16.0)], 1e-6);
                assert_close(&what, &gradient[..1], &[-2.5 / 16.0], 1e-6);
            };
            let x = one();
            let config = BceWithLogitsLossConfig::new().with_weights(weights.clone());
            let loss = config.init();
            check("bce", loss.forward(x.clone(), labels.clone()), &x);
            let x = one();
            let config = MultiLabelSoftMarginLossConfig::new().with_weights(weights.clone());
            let loss = config.init();
            check("soft margins", loss.forward(x.clone(), labels), &x);
        }
    }
}

/// Nor does a weight of a sample, where the mean is divided by the batch.
#[test]
fn a_weight_of_a_sample_does_not_overflow_where_the_mean_does_not() {
    for on in devices() {
        for (dtype, large) in nearly_largest(&on) {
            // One sample of eight, whose loss is `large`, times 2.5.
            let mut weights = [1.0; 8];
            weights[0] = 2.5;
            let weights = || on.tensor::<1>(&weights, [8], dtype);
            let share = 2.5 / 8.0;
            let check = |what: &str, value: Tensor<1>, x: &Tensor<2>, slopes: &[f64]| {
                let what = format!("{what} of {large:e} on {} in {dtype:?}", on.name);
                assert_found(&what, &found(value, x), large * share, slopes, 1e-6);
            };
            let mut numbers = [0.0; 8];
            numbers[0] = large;
            let x = on.tracked(&numbers, [8, 1], dtype);
            let y = on.tensor(&[0.0; 8], [8, 1], dtype);
            let mut slopes = [0.0; 8];
            slopes[0] = share;
            let config = L1LossConfig::new().with_reduction(Reduction::BatchMean);
            let value = config.init().forward_weighted(x.clone(), y, weights());
            check("l1", value, &x, &slopes);

            let mut logits = [[large, 0.0]; 8];
            logits[0] = [0.0, large];
            let targets = ids(&on, &[0; 8], [8]);
            let mut slopes = [0.0; 16];
            slopes[..2].copy_from_slice(&[-share, share]);
            let x = on.tracked(logits.as_flattened(), [8, 2], dtype);
            let config = CrossEntropyLossConfig::new().with_reduction(Reduction::BatchMean);
            let loss = config.init();
            let value = loss.forward_weighted(x.clone(), targets.clone(), weights());
            check("cross-entropy", value, &x, &slopes);
            let x = on.tracked(logits.as_flattened(), [8, 2], dtype);
            let rows: Tensor<2> = target::one_hot(targets.clone(), 2, 1);
            let value = loss.forward_weighted(x.clone(), rows, weights());
            check("cross-entropy of rows", value, &x, &slopes);
            let x = on.tracked(
                &logits.map(|row| row.map(|it| it * 0.999)).concat(),
                [8, 2],
                dtype,
            );
            let config = MultiMarginLossConfig::new().with_reduction(Reduction::BatchMean);
            let value = config
                .init()
                .forward_weighted(x.clone(), targets, weights());
            let Found { value, .. } = found(value, &x);
            let what = format!("multi-margin of {large:e} on {} in {dtype:?}", on.name);
            assert_close(&what, &[value], &[large * 0.999 * share / 2.0], 1e-6);
        }
    }
}

/// A square leaves the range long before its mean does.
#[test]
fn a_square_does_not_overflow_where_the_mean_does_not() {
    for on in devices() {
        let x = on.tracked(&[2e19, 0.0, 0.0, 0.0], [4], DType::F32);
        let y = on.tensor(&[0.0; 4], [4], DType::F32);
        let value = MseLoss::new().forward(x.clone(), y.clone());
        let slopes = [1e19, 0.0, 0.0, 0.0];
        assert_found(on.name, &found(value, &x), 1e38, &slopes, 1e-6);
        let x = on.tracked(&[3e38, 0.0, 0.0, 0.0], [4], DType::F32);
        let y = on.tensor(&[-3e38, 0.0, 0.0, 0.0], [4], DType::F32);
        let value = MseLoss::new().forward(x.clone(), y);
        let gradient = x.grad(&value.backward()).expect("a gradient");
        assert_close(on.name, &numbers(&gradient), &[3e38, 0.0, 0.0, 0.0], 1e-6);
    }
}

/// Single losses beyond the type, of both signs, add up to NaN unless all is computed in a wider one.
#[test]
fn losses_beyond_the_type_of_both_signs_have_a_mean() {
    let count = f64::from(1e37f32);
    let mean = (80f64.exp() - 80.0 * count + 89f64.exp() + 2.0) / 4.0;
    for on in devices().into_iter().filter(|on| on.double) {
        let x = on.tensor(&[80.0, 89.0, 0.0, 0.0], [4], DType::F32);
        let y = on.tensor(&[1e37, 0.0, 0.0, 0.0], [4], DType::F32);
        let loss = PoissonNllLoss::new();
        for x in [x.clone(), x.autodiff().require_grad()] {
            let value = loss.forward(x, y.clone());
            assert_close(on.name, &numbers(&value), &[mean], 1e-5);
        }
    }
}

/// Where one element leaves the range of `f32`, all of its block is computed in `f64`: which is not to be
/// seen anywhere else.
#[test]
fn an_element_does_not_depend_on_what_else_leaves_the_range() {
    for on in devices() {
        // The least rate and the least variance are those of the inputs' type.
        let loss = PoissonNllLossConfig::new()
            .with_log_input(false)
            .with_eps(0.0)
            .init();
        let y = on.tensor(&[10.0], [1], DType::F32);
        let plain = loss.forward(on.tensor(&[0.0], [1], DType::F32), y.clone());
        let tracked = loss.forward(on.tracked(&[0.0], [1], DType::F32), y);
        assert_close(on.name, &numbers(&tracked), &numbers(&plain), 1e-5);
        let loss = GaussianNllLossConfig::new().with_eps(1e-60).init();
        let first = |second: f64| {
            let x = on.tensor(&[0.0, second], [2], DType::F32);
            let y = on.tensor(&[0.0, 0.0], [2], DType::F32);
            let variance = on.tensor(&[0.0, 1e30], [2], DType::F32);
            numbers(&loss.forward_no_reduction(x, y, variance))[0]
        };
        assert_close(on.name, &[first(1e37)], &[first(0.0)], 1e-5);
    }
    let large = f64::from(2e19f32);
    for on in devices().into_iter().filter(|on| on.double) {
        for count in [300, 16 * 1024 + 130] {
            for at in [0, 63, 64, 127, 128, 255, count - 1] {
                let mut errors = vec![1.0; count];
                errors[at] = 2e19;
                let x = on.tracked(&errors, [count], DType::F32);
                let y = on.tracked(&vec![0.0; count], [count], DType::F32);
                let value = MseLoss::new().forward(x.clone(), y.clone());
                let mean = (large * large + (count - 1) as f64) / count as f64;
                let what = format!("{at} of {count} on {}", on.name);
                assert_close(&what, &numbers(&value), &[mean], 1e-5);
                let gradients = value.backward();
                let of = |input: &Tensor<1>| numbers(&input.grad(&gradients).expect("a gradient"));
                let slopes: Vec<f64> = errors.iter().map(|x| 2.0 * x / count as f64).collect();
                let other = (at + 1) % count;
                for (gradient, sign) in [(of(&x), 1.0), (of(&y), -1.0)] {
                    for at in [at, other] {
                        assert_close(&what, &[sign * gradient[at]], &[slopes[at]], 1e-5);
                    }
                }
            }
        }
        // A weight that is not allowed is still told.
        let x = on.tracked(&[2e19, 1.0, 3e38], [3], DType::F32);
        let y = on.tensor(&[0.0, 0.0, -3e38], [3], DType::F32);
        let weights = on.tensor(&[1.0, 1e300, 1.0], [3], DType::F64);
        let error = text(MseLoss::new().try_forward_weighted(x, y, weights));
        assert_says(&error, &["weight 1e300 at index [1]"]);
    }
}

#[test]
fn a_large_weight_is_not_clamped_before_the_mean_divides() {
    for on in devices() {
        // The weighted slopes of both are beyond f32; their mean is not.
        let x = on.tracked(&[1e38, 1e38], [2], DType::F32);
        let y = on.tensor(&[0.0; 2], [2], DType::F32);
        let weights = on.tensor(&[8.0, 8.0], [2], DType::F32);
        let huber = HuberLossConfig::new().with_delta(3e38).init();
        let value = huber.forward_weighted(x.clone(), y, weights);
        let gradient = x.grad(&value.backward()).expect("a gradient");
        assert_close(on.name, &numbers(&gradient), &[5e37, 5e37], 1e-6);
    }
}

// Half precision.

#[test]
fn a_loss_scale_that_half_precision_cannot_hold_is_seen() {
    for on in devices() {
        if !on.device.supports_dtype(DType::F16) {
            continue;
        }
        // The factor of the second call fits into f16; its product with the gradient does not.
        let large = [(65536.0, INFINITY), (60000.0, 60000.0)];
        for (factor, expected) in large {
            let logits = on.tracked(&[10.8, 0.0, 0.0, 60.0], [2, 2], DType::F16);
            let targets = ids(&on, &[0, 0], [2]);
            let loss = CrossEntropyLossConfig::new().with_reduction(Reduction::Sum);
            let value = loss.init().forward(logits.clone(), targets);
            let gradients = (value.cast(DType::F32) * factor).backward();
            let gradient = numbers(&logits.grad(&gradients).expect("a gradient"));
            let what = format!("times {factor} on {}: {gradient:?}", on.name);
            assert!(!gradient.iter().any(|slope| slope.is_nan()), "{what}");
            assert_close(&what, &gradient[2..], &[-expected, expected], 1e-3);
            // The factor is infinite when it comes through f16; a GPU may have left that out.
            let exact = factor / (1.0 + 10.8f64.exp());
            if gradient[1] != expected {
                assert_close(&what, &gradient[..2], &[-exact, exact], 2e-2);
            }

            // No gradient at all stays none.
            let x = on.tracked(&[0.0, 2.0], [2], DType::F16);
            let y = on.tensor(&[0.0, 0.0], [2], DType::F16);
            let value = MseLossConfig::new()
                .with_reduction(Reduction::Sum)
                .init()
                .forward(x.clone(), y);
            let gradients = (value.cast(DType::F32) * factor).backward();
            let gradient = numbers(&x.grad(&gradients).expect("a gradient"));
            assert_eq!(gradient, [0.0, INFINITY], "times {factor} on {}", on.name);
        }
    }
}

// Contexts.

#[test]
fn inputs_tracked_in_two_ways_are_an_error() {
    for on in devices() {
        let plain = on.device.clone().autodiff();
        let checkpointed = plain.clone().gradient_checkpointing();
        let tracked = |device: &Device, seed: f64| {
            let numbers = [0.5, seed, -0.25, 1.0];
            Tensor::<2>::from_data(TensorData::new(numbers.to_vec(), [2, 2]), device).require_grad()
        };
        for (one, other) in [(&plain, &checkpointed), (&checkpointed, &plain)] {
            let (a, b, c) = (tracked(one, 0.1), tracked(other, 0.2), tracked(one, 0.3));
            let signs = on.tensor(&[1.0, -1.0, 1.0, 1.0], [2, 2], DType::F32);
            let row_signs = on.tensor(&[1.0, -1.0], [2], DType::F32);
            let closure = |a: Tensor<2>, b: Tensor<2>| (a - b).abs().sum_dim(1).squeeze_dim::<1>(1);
            let triplet = TripletMarginWithDistanceLossConfig::new();
            let untracked = on.tensor(&[1.0; 4], [2, 2], DType::F32);
            let all = [
                ("L1Loss", L1Loss::new().try_forward(a.clone(), b.clone())),
                ("MseLoss", MseLoss::new().try_forward(a.clone(), b.clone())),
                (
                    "SmoothL1Loss",
                    SmoothL1Loss::new().try_forward(a.clone(), b.clone()),
                ),
                (
                    "HuberLoss",
                    HuberLoss::new().try_forward(a.clone(), b.clone()),
                ),
                (
                    "GaussianNllLoss",
                    GaussianNllLoss::new().try_forward(a.clone(), b.clone(), 1.0),
                ),
                (
                    "GaussianNllLoss",
                    GaussianNllLoss::new().try_forward(a.clone(), untracked, b.clone().abs()),
                ),
                (
                    "MarginRankingLoss",
                    MarginRankingLoss::new().try_forward(a.clone(), b.clone(), signs),
                ),
                (
                    "CosineEmbeddingLoss",
                    CosineEmbeddingLoss::new().try_forward(a.clone(), b.clone(), row_signs),
                ),
                (
                    "TripletMarginLoss",
                    TripletMarginLoss::new().try_forward(a.clone(), b.clone(), c.clone()),
                ),
                (
                    "TripletMarginLoss",
                    TripletMarginLoss::new().try_forward(a.clone(), c.clone(), b.clone()),
                ),
                (
                    "TripletMarginWithDistanceLoss",
                    triplet.init().try_forward(a.clone(), b.clone(), c.clone()),
                ),
                (
                    "TripletMarginWithDistanceLoss",
                    triplet
                        .init_with(closure)
                        .try_forward(a.clone(), b.clone(), c.clone()),
                ),
            ];
            for (loss, outcome) in all {
                let error = outcome.expect_err("an error");
                assert_eq!(error.loss, loss);
                let said = error.to_string();
                assert_says(&said, &["checkpointing"]);
            }
            // Of no samples too.
            let empty = |device: &Device| Tensor::<2>::zeros([0, 3], device).require_grad();
            let y = Tensor::<2>::zeros([0, 3], &on.device);
            let error = GaussianNllLoss::new().try_forward(empty(one), y, empty(other));
            assert_eq!(error.expect_err("an error").kind, LossErrorKind::Tracking);
            type Pair = fn(Tensor<2>, Tensor<2>) -> Tensor<1>;
            let functions: [(&str, Pair); 2] = [
                ("pairwise_distance", |a, b| {
                    pairwise_distance(a, b, 2.0, 0.0)
                }),
                ("cosine_similarity", |a, b| cosine_similarity(a, b, 1e-8)),
            ];
            for (name, function) in functions {
                let (a, b) = (a.clone(), b.clone());
                let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    function(a, b);
                }));
                let panic = panic.expect_err("a panic");
                let said = panic.downcast_ref::<String>().expect("a text");
                assert_says(said, &[name, "checkpointing"]);
            }
        }
    }
}

// Ids.

#[test]
fn an_id_that_i64_cannot_hold_is_not_ignored() {
    for on in devices() {
        if !on.device.supports_dtype(DType::U64) {
            continue;
        }
        let data = TensorData::new(vec![0u64, u64::MAX], [2]);
        let targets = Tensor::<1, Int>::from_data(data, (&on.device, DType::U64));
        let logits = on.tensor(&[0.0, 1.0, 2.0, 3.0], [2, 2], DType::F32);
        let loss = CrossEntropyLossConfig::new()
            .with_ignore_index(i64::MAX)
            .init();
        let error = text(loss.try_forward(logits.clone(), targets.clone()));
        assert_says(&error, &["18446744073709551615", "[1]"]);
        let loss = NllLossConfig::new().with_ignore_index(i64::MAX).init();
        let error = text(loss.try_forward(-logits.clone(), targets.clone()));
        assert_says(&error, &["18446744073709551615", "[1]"]);
        let error = text(MultiMarginLoss::new().try_forward(logits.clone(), targets));
        assert_says(&error, &["18446744073709551615", "[1]"]);
        let data = TensorData::new(vec![0u64, u64::MAX, 1, 0], [2, 2]);
        let lists = Tensor::<2, Int>::from_data(data, (&on.device, DType::U64));
        let error = text(MultiLabelMarginLoss::new().try_forward(logits, lists));
        assert_says(&error, &["18446744073709551615", "[0, 1]"]);
    }
}

#[test]
fn labels_that_i64_cannot_hold_make_pairs_and_triplets() {
    for on in devices() {
        if !on.device.supports_dtype(DType::U64) {
            continue;
        }
        let labels = || {
            let data = TensorData::new(vec![1u64 << 63, u64::MAX, 1u64 << 63], [3]);
            Tensor::<1, Int>::from_data(data, (&on.device, DType::U64))
        };
        let pairs = target::pairs(labels());
        assert_eq!(numbers(&pairs.signs), [-1.0, 1.0, -1.0], "{}", on.name);
        let triplets = target::triplets(labels());
        let anchors: Vec<i64> = triplets.anchor.into_data().iter().collect();
        assert_eq!(anchors, [0, 2], "{}", on.name);
    }
}
