//! The losses of routers: what they are defined as, gradients, hard inputs, what does not count, wrong choices, and what is
//! suspicious.

use super::common::{TestDevice, assert_close, devices, numbers};
use burn::tensor::{DType, Int, Tensor, TensorData, activation};
use burn_losses::LossErrorKind;
use burn_losses::prelude::*;

/// Two sequences of five tokens, four experts.
const SHAPE: [usize; 3] = [2, 5, 4];
/// Of which each token has two.
const OF_EXPERTS: [usize; 3] = [2, 5, 2];
const IGNORED: i64 = 9;
const INF: f64 = f64::INFINITY;

const ACTIVATIONS: [RouterActivation; 3] = [
    RouterActivation::Softmax,
    RouterActivation::Sigmoid,
    RouterActivation::Probabilities,
];

fn types(on: &TestDevice) -> Vec<(DType, f64)> {
    let single = if on.name == "wgpu" { 1e-4 } else { 1e-5 };
    let mut types = vec![(DType::F32, single)];
    types.extend(on.double.then_some((DType::F64, 1e-12)));
    types
}

fn ids<const D: usize>(on: &TestDevice, ids: &[i64], shape: [usize; D]) -> Tensor<D, Int> {
    Tensor::from_data(TensorData::new(ids.to_vec(), shape), &on.device)
}

/// Logits that are neither regular nor large.
fn logits() -> Vec<f64> {
    (0..40)
        .map(|at| ((at * 7 + 3) % 17) as f64 * 0.37 - 2.7)
        .collect()
}

/// What a loss of this activation is given.
fn input(activation: RouterActivation) -> Vec<f64> {
    let logits = logits();
    if activation != RouterActivation::Probabilities {
        return logits;
    }
    let rows = logits.chunks(4);
    rows.flat_map(|row| probabilities(RouterActivation::Softmax, row))
        .collect()
}

fn experts() -> Vec<i64> {
    vec![0, 1, 2, 1, 3, 0, 0, 2, 1, 0, 1, 3, 3, 2, 1, 0, 3, 1, 2, 3]
}

/// The same, in which these choices are ignored.
fn without(choices: &[usize]) -> Vec<i64> {
    let mut experts = experts();
    for &at in choices {
        experts[at] = IGNORED;
    }
    experts
}

/// All choices; some of single tokens, and whole tokens; a whole sequence; all; two experts alone; one, and that twice.
fn choices() -> Vec<Vec<i64>> {
    vec![
        experts(),
        without(&[1, 4, 5, 8, 13, 18, 19]),
        without(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        vec![IGNORED; 20],
        [1, 3].repeat(10),
        vec![2; 20],
    ]
}

/// Every option that changes what is computed. Of several sequences it is the sum.
fn configs() -> Vec<LoadBalanceLossConfig> {
    let mut configs = Vec::new();
    for activation in ACTIVATIONS {
        for share in [LoadShare::Choices, LoadShare::Tokens] {
            for per_sequence in [false, true] {
                let config = LoadBalanceLossConfig::new()
                    .with_activation(activation)
                    .with_share(share)
                    .with_per_sequence(per_sequence)
                    .with_ignore_index(IGNORED)
                    .with_reduction(Reduction::Sum);
                configs.push(config);
            }
        }
    }
    configs
}

/// The largest, and the exponentials of what each is more than that.
fn exponentials(row: &[f64]) -> (f64, Vec<f64>) {
    let most = row.iter().fold(-INF, |most, x| most.max(*x));
    (most, row.iter().map(|x| (x - most).exp()).collect())
}

fn log_sum_exp(row: &[f64]) -> f64 {
    let (most, each) = exponentials(row);
    most + each.iter().sum::<f64>().ln()
}

fn softmax(row: &[f64]) -> Vec<f64> {
    let (_, each) = exponentials(row);
    let sum: f64 = each.iter().sum();
    each.iter().map(|x| x / sum).collect()
}

fn probabilities(activation: RouterActivation, row: &[f64]) -> Vec<f64> {
    let log_sigmoid = |x: &f64| {
        let x = *x;
        x.min(0.0) - (-x.abs()).exp().ln_1p()
    };
    match activation {
        RouterActivation::Probabilities => row.to_vec(),
        RouterActivation::Sigmoid => softmax(&row.iter().map(log_sigmoid).collect::<Vec<_>>()),
        _ => softmax(row),
    }
}

/// The loss of the batch, or of each of its sequences, by the definition.
fn balances(
    config: &LoadBalanceLossConfig,
    x: &[f64],
    ids: &[i64],
    [sequences, tokens, experts]: [usize; 3],
) -> Vec<f64> {
    let choices = ids.len() / (sequences * tokens);
    let parts = if config.per_sequence { sequences } else { 1 };
    let of_part = |(x, ids): (&[f64], &[i64])| -> f64 {
        let (mut loads, mut probs) = (vec![0.0; experts], vec![0.0; experts]);
        let (mut chosen, mut counted) = (0.0, 0.0);
        for (row, ids) in x.chunks(experts).zip(ids.chunks(choices)) {
            let made = ids.iter().filter(|id| !config.ignore_indices.contains(*id));
            let made: Vec<usize> = made.map(|id| *id as usize).collect();
            if made.is_empty() {
                continue;
            }
            counted += 1.0;
            chosen += made.len() as f64;
            for expert in made {
                loads[expert] += 1.0;
            }
            let row = probabilities(config.activation, row);
            for (sum, p) in probs.iter_mut().zip(row) {
                *sum += p;
            }
        }
        if counted == 0.0 {
            return 0.0;
        }
        let whole = match config.share {
            LoadShare::Choices => chosen,
            _ => counted,
        };
        let terms = loads.iter().zip(&probs);
        let sum: f64 = terms.map(|(load, p)| load / whole * (p / counted)).sum();
        experts as f64 * sum
    };
    let x = x.chunks(x.len() / parts);
    x.zip(ids.chunks(ids.len() / parts)).map(of_part).collect()
}

/// The gradient that a value has left at an input.
fn slopes<const D: usize>(input: &Tensor<D>, value: &Tensor<1>) -> Vec<f64> {
    numbers(&input.grad(&value.backward()).expect("it is tracked"))
}

/// Where all pull alike, what is left is small beside what cancelled.
fn near(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.0_f64, |most, of| most.max(of.abs()));
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let scale = expected.abs() + largest + 1e-2;
        let near = (found - expected).abs() <= tolerance * scale;
        assert!(near, "{what}[{at}]: {found:e}, {expected:e}");
    }
}

const STEP: f64 = 1e-5;

/// Of a loss at these numbers the gradient is the difference quotients.
fn differences(what: &str, on: &TestDevice, x: &[f64], loss: impl Fn(Tensor<3>) -> Tensor<1>) {
    let input = on.tracked(x, SHAPE, DType::F64);
    let gradient = slopes(&input, &loss(input.clone()));
    let value_at = |at: usize, by: f64| {
        let mut moved = x.to_vec();
        moved[at] += by;
        numbers(&loss(on.tensor(&moved, SHAPE, DType::F64)))[0]
    };
    for (at, found) in gradient.iter().enumerate() {
        let expected = (value_at(at, STEP) - value_at(at, -STEP)) / (2.0 * STEP);
        // Of what is nearly 0 a quotient has few digits.
        let error = (found - expected).abs();
        let near = error < 1e-6 * expected.abs() + 1e-9;
        assert!(near, "{what}[{at}]: {found:e}, {expected:e}");
    }
}

#[test]
fn gradients_of_routers_are_difference_quotients() {
    let on = &devices()[0];
    for config in configs() {
        let (loss, x) = (config.init(), input(config.activation));
        for chosen in choices() {
            let what = format!("{config:?} {chosen:?}");
            differences(&what, on, &x, |x| {
                loss.forward(x, ids(on, &chosen, OF_EXPERTS))
            });
        }
    }
    for reduction in [Reduction::Mean, Reduction::Sum, Reduction::BatchMean] {
        let loss = RouterZLossConfig::new().with_reduction(reduction).init();
        let what = format!("RouterZLoss {reduction:?}");
        differences(&what, on, &logits(), |x| loss.forward(x));
    }
}

#[test]
fn a_balance_is_what_it_is_defined_as() {
    let all = devices();
    for config in configs() {
        let (loss, x) = (config.init(), input(config.activation));
        for chosen in choices() {
            let run = |on: &TestDevice, dtype: DType| {
                let (input, chosen) = (on.tracked(&x, SHAPE, dtype), ids(on, &chosen, OF_EXPERTS));
                let each = loss.forward_no_reduction(input.clone(), chosen.clone());
                let value = loss.forward(input.clone(), chosen);
                (numbers(&each), numbers(&value), slopes(&input, &value))
            };
            let expected = balances(&config, &x, &chosen, SHAPE);
            let (_, _, of_first) = run(&all[0], DType::F64);
            for on in &all {
                for (dtype, tolerance) in types(on) {
                    let what = format!("{config:?} {chosen:?} on {} {dtype:?}", on.name);
                    let (each, value, gradient) = run(on, dtype);
                    assert_close(&what, &each, &expected, tolerance);
                    assert_close(&what, &value, &[expected.iter().sum()], tolerance);
                    near(&what, &gradient, &of_first, tolerance);
                }
            }
        }
    }
}

#[test]
fn a_z_loss_is_what_it_is_defined_as() {
    let x = logits();
    let zs: Vec<f64> = x.chunks(4).map(log_sum_exp).collect();
    let expected: Vec<f64> = zs.iter().map(|z| z * z).collect();
    let weights = [1.0, 0.0, 2.0, 0.5, 1.0, 0.0, 0.0, 1.0, 0.25, 1.0];
    let gradient = |weights: &[f64]| -> Vec<f64> {
        let whole: f64 = weights.iter().sum();
        let rows = x.chunks(4).zip(&zs).zip(weights);
        let of_row = |((row, z), weight): ((&[f64], &f64), &f64)| -> Vec<f64> {
            let scale = 2.0 * z * weight / whole;
            softmax(row).iter().map(|p| scale * p).collect()
        };
        rows.flat_map(of_row).collect()
    };
    let loss = RouterZLoss::new();
    for on in devices() {
        for (dtype, tolerance) in types(&on) {
            let what = format!("RouterZLoss on {} {dtype:?}", on.name);
            let input = on.tracked(&x, SHAPE, dtype);
            let each = loss.forward_no_reduction(input.clone());
            assert_eq!(each.dims(), [2, 5], "{what}");
            assert_close(&what, &numbers(&each), &expected, tolerance);
            let value = loss.forward(input.clone());
            let mean = expected.iter().sum::<f64>() / 10.0;
            assert_close(&what, &numbers(&value), &[mean], tolerance);
            let found = slopes(&input, &value);
            assert_close(&what, &found, &gradient(&[1.0; 10]), tolerance);

            let value = loss.forward_weighted(input.clone(), on.tensor(&weights, [2, 5], dtype));
            let sum: f64 = expected.iter().zip(&weights).map(|(l, w)| l * w).sum();
            let mean = sum / weights.iter().sum::<f64>();
            assert_close(&what, &numbers(&value), &[mean], tolerance);
            let found = slopes(&input, &value);
            assert_close(&what, &found, &gradient(&weights), tolerance);

            // The same tokens without sequences.
            let flat = on.tensor(&x, [10, 4], dtype);
            let each = loss.forward_no_reduction(flat);
            assert_eq!(each.dims(), [10], "{what}");
            assert_close(&what, &numbers(&each), &expected, tolerance);
        }
    }
}

#[test]
fn sequences_by_themselves_are_a_batch_that_is_split() {
    for on in devices() {
        for (dtype, tolerance) in types(&on) {
            for activation in ACTIVATIONS {
                let config = LoadBalanceLossConfig::new().with_activation(activation);
                let (x, chosen) = (input(activation), experts());
                let what = format!("{activation:?} on {} {dtype:?}", on.name);
                let together = config.clone().with_per_sequence(true).init();
                let input = on.tracked(&x, SHAPE, dtype);
                let value = together.forward(input.clone(), ids(&on, &chosen, OF_EXPERTS));
                let alone = config.init();
                let (mut mean, mut expected) = (0.0, Vec::new());
                for (x, chosen) in x.chunks(20).zip(chosen.chunks(10)) {
                    let input = on.tracked(x, [5, 4], dtype);
                    let value = alone.forward(input.clone(), ids(&on, chosen, [5, 2]));
                    mean += numbers(&value)[0] / 2.0;
                    let of_sequence = slopes(&input, &value);
                    expected.extend(of_sequence.iter().map(|slope| slope / 2.0));
                }
                assert_close(&what, &numbers(&value), &[mean], tolerance);
                near(&what, &slopes(&input, &value), &expected, tolerance);
                // Which is another loss than that of the batch.
                let batch = alone.forward(input.clone(), ids(&on, &chosen, OF_EXPERTS));
                let apart = (numbers(&batch)[0] - mean).abs();
                assert!(apart > 1e-3, "{what}: {mean}");
            }
        }
    }
}

/// Whatever the numbers of such tokens are.
#[test]
fn tokens_that_are_ignored_count_for_nothing() {
    // Three tokens, and of a fourth a choice alone.
    let chosen = without(&[2, 3, 8, 9, 12, 13, 17]);
    let tokens = [1, 4, 6];
    for on in devices() {
        for (dtype, tolerance) in types(&on) {
            for config in configs() {
                let loss = config.init();
                let x = input(config.activation);
                let run = |x: &[f64]| {
                    let input = on.tracked(x, SHAPE, dtype);
                    let value = loss.forward(input.clone(), ids(&on, &chosen, OF_EXPERTS));
                    (numbers(&value), slopes(&input, &value))
                };
                let (value, gradient) = run(&x);
                let expected = balances(&config, &x, &chosen, SHAPE);
                let what = format!("{config:?} on {} {dtype:?}", on.name);
                assert_close(&what, &value, &[expected.iter().sum()], tolerance);
                for number in [0.25, 1.0, 1e30, -1e30, INF, -INF, f64::NAN] {
                    let is_probability = (0.0..=1.0).contains(&number);
                    if config.activation == RouterActivation::Probabilities && !is_probability {
                        continue;
                    }
                    let mut changed = x.clone();
                    for token in tokens {
                        changed[token * 4..][..4].fill(number);
                        changed[token * 4 + 1] = 0.0;
                    }
                    let what = format!("{what}, {number} where nothing counts");
                    let (found, found_gradient) = run(&changed);
                    assert_close(&what, &found, &value, tolerance);
                    near(&what, &found_gradient, &gradient, tolerance);
                    for token in tokens {
                        let of_token = &found_gradient[token * 4..][..4];
                        assert_eq!(of_token, [0.0; 4], "{what}: token {token}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_balanced_router_has_a_loss_of_1_and_a_collapsed_one_of_their_number() {
    let logits: Vec<f64> = (0..128).map(|at| f64::from(at * 7 % 19) / 4.0).collect();
    let rows = logits.chunks(8);
    let probs: Vec<f64> = rows.flat_map(softmax).collect();
    for on in devices() {
        for (dtype, tolerance) in types(&on) {
            for k in [1, 2, 4] {
                // Each sequence of eight tokens has each of eight experts k times.
                let even: Vec<i64> = (0..16 * k).map(|at| (at % 8) as i64).collect();
                for activation in ACTIVATIONS {
                    let x = match activation {
                        RouterActivation::Probabilities => &probs,
                        _ => &logits,
                    };
                    for (share, expected) in
                        [(LoadShare::Choices, 1.0), (LoadShare::Tokens, k as f64)]
                    {
                        for per_sequence in [false, true] {
                            let loss = LoadBalanceLossConfig::new()
                                .with_activation(activation)
                                .with_share(share)
                                .with_per_sequence(per_sequence)
                                .init();
                            let x = on.tensor(x, [2, 8, 8], dtype);
                            let value = loss.forward(x, ids(&on, &even, [2, 8, k]));
                            let what = format!("{loss:?}, {k} on {} {dtype:?}", on.name);
                            assert_close(&what, &numbers(&value), &[expected], tolerance);
                        }
                    }
                }
            }
            let loss = LoadBalanceLoss::new();
            let mut sure = vec![0.0; 48];
            sure.iter_mut().skip(5).step_by(8).for_each(|x| *x = 1e4);
            let value = loss.forward(on.tensor(&sure, [6, 8], dtype), ids(&on, &[5; 6], [6, 1]));
            assert_close("collapsed", &numbers(&value), &[8.0], tolerance);
            // No logits, whatever is chosen.
            let zeros = on.tensor(&[0.0; 48], [6, 8], dtype);
            let value = loss.forward(zeros, ids(&on, &[5; 6], [6, 1]));
            assert_close("nothing is known", &numbers(&value), &[1.0], tolerance);
        }
    }
}

/// More tokens, and sums, than half precision holds.
#[test]
fn many_tokens_in_half_precision_are_finite() {
    const MANY: usize = 40_000;
    let on = &devices()[0];
    let shape = [1, MANY, 4];
    let x: Vec<f64> = (0..4 * MANY).map(|at| (at % 7) as f64 - 3.0).collect();
    let chosen: Vec<i64> = (0..MANY).flat_map(|at| [(at % 3) as i64, 3]).collect();
    let chosen = ids(on, &chosen, [1, MANY, 2]);
    for activation in [RouterActivation::Softmax, RouterActivation::Sigmoid] {
        for share in [LoadShare::Choices, LoadShare::Tokens] {
            for per_sequence in [false, true] {
                let loss = LoadBalanceLossConfig::new()
                    .with_activation(activation)
                    .with_share(share)
                    .with_per_sequence(per_sequence)
                    .init();
                let run = |dtype| {
                    let input = on.tracked(&x, shape, dtype);
                    let value = loss.forward(input.clone(), chosen.clone());
                    assert_eq!(value.dtype(), dtype, "{loss:?}");
                    (numbers(&value)[0], slopes(&input, &value))
                };
                let (half, gradient) = run(DType::F16);
                let (whole, expected) = run(DType::F64);
                let near = (half - whole).abs() < 1e-3 * whole;
                assert!(near, "{loss:?}: {half} {whole}");
                for (slope, expected) in gradient.iter().zip(&expected) {
                    let near = (slope - expected).abs() < 1e-3 * expected.abs() + 1e-7;
                    assert!(near, "{loss:?}: {slope:e} {expected:e}");
                }
            }
        }
    }
    // Squares of 200.
    let x: Vec<f64> = (0..4 * MANY).map(|at| 200.0 - (at % 5) as f64).collect();
    let loss = RouterZLoss::new();
    let run = |dtype| {
        let input = on.tracked(&x, shape, dtype);
        let value = loss.forward(input.clone());
        assert_eq!(value.dtype(), dtype);
        (numbers(&value)[0], slopes(&input, &value))
    };
    let (half, gradient) = run(DType::F16);
    let (whole, expected) = run(DType::F64);
    assert!((half - whole).abs() < 1e-3 * whole, "{half} {whole}");
    for (slope, expected) in gradient.iter().zip(&expected) {
        let near = (slope - expected).abs() < 1e-3 * expected.abs() + 1e-6;
        assert!(near, "{slope:e} {expected:e}");
    }
}

static HARD: [[f64; 4]; 10] = [
    [0.0, 0.0, 0.0, 0.0],
    [1e-30, -1e-30, 0.0, 1e-30],
    [200.0, 0.0, -200.0, 100.0],
    [-200.0, -201.0, -199.0, -200.0],
    [1e4, -1e4, 9999.0, 0.0],
    [-1e4, -1e4, -1e4, -1e4],
    [1e18, -1e18, 0.0, 1.0],
    [3e38, -3e38, 3e38, 0.0],
    [3e38, 3e38, 3e38, 3e38],
    [-3e38, -3e38, -3e38, -3e38],
];

#[test]
fn hard_logits_have_a_balance() {
    // As the type has them.
    let rows = HARD.map(|row| row.map(|x| f64::from(x as f32)));
    let count = rows.len();
    let shape = [count, 1, 4];
    let x = rows.concat();
    for on in devices() {
        for activation in [RouterActivation::Softmax, RouterActivation::Sigmoid] {
            for per_sequence in [false, true] {
                for expert in 0..4 {
                    let config = LoadBalanceLossConfig::new()
                        .with_activation(activation)
                        .with_per_sequence(per_sequence);
                    let loss = config.init();
                    let chosen = vec![expert; count];
                    let input = on.tracked(&x, shape, DType::F32);
                    let experts = ids(&on, &chosen, [count, 1, 1]);
                    let each = loss.forward_no_reduction(input.clone(), experts.clone());
                    let what = format!("{loss:?} of {expert} on {}", on.name);
                    let expected = balances(&config, &x, &chosen, shape);
                    let tolerance = if on.name == "wgpu" { 1e-4 } else { 1e-5 };
                    assert_close(&what, &numbers(&each), &expected, tolerance);
                    let value = loss.forward(input.clone(), experts);
                    assert!(numbers(&value)[0].is_finite(), "{what}: no mean");
                    let gradient = slopes(&input, &value);
                    let finite = gradient.iter().all(|slope| slope.is_finite());
                    assert!(finite, "{what}: {gradient:?}");
                }
            }
        }
    }
}

#[test]
fn hard_logits_have_a_z_loss() {
    let loss = RouterZLoss::new();
    // Whose squares the type holds.
    let held = HARD.iter().filter(|row| row.iter().all(|x| x.abs() < 1e19));
    for on in devices() {
        for row in held.clone() {
            let row = row.map(|x| f64::from(x as f32));
            let z = log_sum_exp(&row);
            let input = on.tracked(&row, [1, 4], DType::F32);
            let value = loss.forward(input.clone());
            let what = format!("{row:?} on {}", on.name);
            let tolerance = if on.name == "wgpu" { 1e-4 } else { 1e-5 };
            assert_close(&what, &numbers(&value), &[z * z], tolerance);
            let p = softmax(&row);
            let expected: Vec<f64> = p.iter().map(|p| 2.0 * z * p).collect();
            assert_close(&what, &slopes(&input, &value), &expected, tolerance);
        }
    }
    // The others, alone and beside an ordinary token: infinite, or the largest number, but never NaN.
    for on in devices().iter().filter(|on| on.name != "wgpu") {
        for row in HARD.iter().filter(|row| row.iter().any(|x| x.abs() > 1e19)) {
            let two = [*row, [0.5, -1.0, 0.0, 2.0]].concat();
            for count in [1, 2] {
                let input = on.tracked(&two[..4 * count], [count, 4], DType::F32);
                let each = numbers(&loss.forward_no_reduction(input.clone()));
                let what = format!("{row:?} on {}", on.name);
                assert!(each[0] >= f64::from(f32::MAX), "{what}: {each:?}");
                let value = loss.forward(input.clone());
                assert!(!numbers(&value)[0].is_nan(), "{what}: the mean is NaN");
                let gradient = slopes(&input, &value);
                let valid = gradient.iter().all(|slope| !slope.is_nan());
                assert!(valid, "{what}: {gradient:?}");
            }
        }
    }
}

#[test]
fn wrong_choices_are_told() {
    for on in devices() {
        let x = || on.tensor(&logits(), SHAPE, DType::F32);
        let error = |loss: &LoadBalanceLoss, x: Tensor<3>, chosen: &[i64], shape: [usize; 3]| {
            let error = loss
                .try_forward(x, ids(&on, chosen, shape))
                .expect_err("it is wrong");
            assert_eq!(error.loss, "LoadBalanceLoss", "{error}");
            error
        };
        let at = |value: f64, index: [usize; 3]| LossErrorKind::Value {
            value,
            index: index.to_vec(),
        };
        let plain = LoadBalanceLoss::new();
        let with = |at: usize, id: i64| {
            let mut experts = experts();
            experts[at] = id;
            experts
        };
        // No expert has this id.
        let found = error(&plain, x(), &with(2, 4), OF_EXPERTS);
        assert_eq!(found.kind, at(4.0, [0, 1, 0]), "{found}");
        let found = error(&plain, x(), &with(13, -1), OF_EXPERTS);
        assert_eq!(found.kind, at(-1.0, [1, 1, 1]), "{found}");
        let ignoring = LoadBalanceLossConfig::new().with_ignore_index(IGNORED);
        let found = error(&ignoring.init(), x(), &with(13, -1), OF_EXPERTS);
        assert_eq!(found.kind, at(-1.0, [1, 1, 1]), "{found}");
        let found = error(&plain, x(), &with(13, IGNORED), OF_EXPERTS);
        assert_eq!(found.kind, at(9.0, [1, 1, 1]), "{found}");
        assert!(
            ignoring
                .init()
                .try_forward(x(), ids(&on, &with(13, IGNORED), OF_EXPERTS))
                .is_ok()
        );

        // More choices than experts, other tokens, other sequences.
        let of_shape = |shape: [usize; 3]| {
            let chosen = vec![0; shape.iter().product()];
            let found = error(&plain, x(), &chosen, shape);
            assert_eq!(found.kind, LossErrorKind::Shape, "{shape:?}: {found}");
            found.to_string()
        };
        let text = of_shape([2, 5, 5]);
        assert!(text.contains('5') && text.contains('4'), "{text}");
        let text = of_shape([2, 4, 2]);
        assert!(
            text.contains("[2, 5, 4]") && text.contains("[2, 4, 2]"),
            "{text}"
        );
        of_shape([5, 2, 2]);
        of_shape([1, 5, 2]);

        // No sequences.
        let by_sequence = LoadBalanceLossConfig::new().with_per_sequence(true).init();
        let flat = on.tensor(&logits(), [10, 4], DType::F32);
        let found = by_sequence
            .try_forward(flat.clone(), ids(&on, &experts(), [10, 2]))
            .expect_err("it is wrong");
        assert_eq!(found.kind, LossErrorKind::Shape, "{found}");
        assert!(found.to_string().contains("per_sequence"), "{found}");
        assert!(
            plain
                .try_forward(flat, ids(&on, &experts(), [10, 2]))
                .is_ok()
        );

        // Logits where probabilities are named.
        let of_probs = LoadBalanceLossConfig::new()
            .with_activation(RouterActivation::Probabilities)
            .init();
        for wrong in [1.5, -0.5] {
            let mut probs = input(RouterActivation::Probabilities);
            probs[6] = wrong;
            let probs = on.tensor(&probs, SHAPE, DType::F32);
            let found = error(&of_probs, probs, &experts(), OF_EXPERTS);
            let kind = &found.kind;
            let told = matches!(kind, LossErrorKind::Value { value, .. } if *value == wrong);
            assert!(told, "{wrong}: {kind:?} {found}");
        }
        let found = error(&of_probs, x(), &experts(), OF_EXPERTS);
        assert!(matches!(found.kind, LossErrorKind::Value { .. }), "{found}");
    }
}

#[test]
fn what_is_suspicious_of_routers_is_told() {
    let on = &devices()[0];
    let rules = |lints: Vec<burn_losses::Lint>| -> Vec<&'static str> {
        lints.iter().map(|lint| lint.rule).collect()
    };
    let x = on.tensor(&logits(), SHAPE, DType::F32);
    let probs = activation::softmax(x.clone(), 2);
    let of = |chosen: &[i64]| ids(on, chosen, OF_EXPERTS);
    let good = of(&experts());
    for activation in ACTIVATIONS {
        let loss = LoadBalanceLossConfig::new().with_activation(activation);
        let is_named = activation == RouterActivation::Probabilities;
        let expected: &[_] = if is_named {
            &[]
        } else {
            &["probabilities-as-logits"]
        };
        let found = rules(loss.init().lint(&probs, &good));
        assert_eq!(found, expected, "{activation:?}");
    }
    let loss = LoadBalanceLossConfig::new()
        .with_ignore_index(IGNORED)
        .init();
    assert!(rules(loss.lint(&x, &good)).is_empty());
    assert!(rules(loss.lint(&x, &of(&without(&[6, 7, 12])))).is_empty());
    let mut twice = experts();
    twice[7] = twice[6];
    assert_eq!(rules(loss.lint(&x, &of(&twice))), ["expert-twice"]);
    let both = rules(loss.lint(&probs, &of(&twice)));
    for rule in ["probabilities-as-logits", "expert-twice"] {
        assert!(both.contains(&rule), "{both:?}");
    }
    let loss = RouterZLoss::new();
    assert_eq!(rules(loss.lint(&probs)), ["probabilities-as-logits"]);
    assert!(rules(loss.lint(&x)).is_empty());
}

#[test]
fn options_of_routers_are_read_in_either_case() {
    for text in [
        r#"{"activation":"sigmoid","share":"tokens","per_sequence":true,"ignore_indices":[-1]}"#,
        r#"{"activation":"Sigmoid","share":"Tokens","per_sequence":true,"ignore_indices":[-1]}"#,
    ] {
        let config: LoadBalanceLossConfig = serde_json::from_str(text).expect("it is one");
        let expected = LoadBalanceLossConfig::new()
            .with_activation(RouterActivation::Sigmoid)
            .with_share(LoadShare::Tokens)
            .with_per_sequence(true)
            .with_ignore_index(-1);
        assert_eq!(config, expected);
    }
}
