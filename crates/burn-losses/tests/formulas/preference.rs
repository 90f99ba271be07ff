//! The losses of preferences and policies.

use crate::common::{TestDevice, assert_close, devices, numbers};
use crate::tensor;
use burn::tensor::{Bool, DType, Int, Tensor};
use burn_losses::preference::*;
use burn_losses::prelude::*;

/// The losses of operands, of which the first are tracked, and the gradients of their sum: no loss is NaN, and all gradients
/// are finite.
fn losses_and_slopes(
    what: &str,
    on: &TestDevice,
    dtype: DType,
    tracked: &[&[f64]],
    losses: impl Fn(&[Tensor<1>]) -> Tensor<1>,
) -> (Vec<f64>, Vec<Vec<f64>>) {
    let inputs = tracked.iter().map(|x| on.tracked(x, [x.len()], dtype));
    let inputs: Vec<Tensor<1>> = inputs.collect();
    let each = losses(&inputs);
    let gradients = each.clone().sum().backward();
    let what = format!("{what} on {} {dtype:?}", on.name);
    let slopes: Vec<Vec<f64>> = inputs
        .iter()
        .map(|input| numbers(&input.grad(&gradients).expect("it is tracked")))
        .collect();
    let each = numbers(&each);
    assert!(each.iter().all(|loss| !loss.is_nan()), "{what}: {each:?}");
    let finite = slopes.iter().flatten().all(|slope| slope.is_finite());
    assert!(finite, "{what}: slopes {slopes:?}");
    (each, slopes)
}

/// On all CPUs, in both types that are computed in.
fn on_cpus(test: impl Fn(&TestDevice, DType)) {
    for on in devices().iter().filter(|on| on.name != "wgpu") {
        test(on, DType::F32);
        test(on, DType::F64);
    }
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

type Function = Box<dyn Fn(f64) -> f64>;

#[test]
fn variants_are_what_the_formula_says() {
    let operands: [[f64; 3]; 4] = [
        [-12.0, -9.0, -40.0],
        [-14.0, -9.5, -10.0],
        [-13.0, -9.0, -20.0],
        [-13.5, -9.0, -20.0],
    ];
    let [chosen, rejected, of_chosen, of_rejected] = operands;
    let difference = |at: usize| (chosen[at] - rejected[at]) - (of_chosen[at] - of_rejected[at]);
    let (beta, e) = (0.25, 0.2);
    let plain = |z: f64| softplus(-z);
    for (variant, smoothing) in [
        (DpoVariant::Sigmoid, 0.0),
        (DpoVariant::Sigmoid, e),
        (DpoVariant::Hinge, 0.0),
        (DpoVariant::Ipo, 0.0),
        (DpoVariant::Robust, 0.0),
        (DpoVariant::Robust, e),
    ] {
        let (value, slope): (Function, Function) = match (variant, smoothing) {
            (DpoVariant::Hinge, _) => (
                Box::new(move |d| (1.0 - beta * d).max(0.0)),
                Box::new(move |d| if beta * d < 1.0 { -beta } else { 0.0 }),
            ),
            (DpoVariant::Ipo, _) => (
                Box::new(move |d| (d - 0.5 / beta).powi(2)),
                Box::new(move |d| 2.0 * (d - 0.5 / beta)),
            ),
            (DpoVariant::Robust, e) => (
                Box::new(move |d| {
                    ((1.0 - e) * plain(beta * d) - e * plain(-beta * d)) / (1.0 - 2.0 * e)
                }),
                Box::new(move |d| {
                    let (down, up) = (sigmoid(-beta * d), sigmoid(beta * d));
                    -beta * ((1.0 - e) * down + e * up) / (1.0 - 2.0 * e)
                }),
            ),
            (_, e) => (
                Box::new(move |d| (1.0 - e) * plain(beta * d) + e * plain(-beta * d)),
                Box::new(move |d| beta * (e * sigmoid(beta * d) - (1.0 - e) * sigmoid(-beta * d))),
            ),
        };
        let loss = DpoLossConfig::new()
            .with_beta(beta)
            .with_variant(variant)
            .with_label_smoothing(smoothing)
            .init();
        let what = format!("{variant:?} {smoothing}");
        on_cpus(|on, dtype| {
            let (each, slopes) =
                losses_and_slopes(&what, on, dtype, &[&chosen, &rejected], |inputs| {
                    let [of_chosen, of_rejected] =
                        [of_chosen, of_rejected].map(|data| tensor(on, &data, dtype));
                    let (chosen, rejected) = (inputs[0].clone(), inputs[1].clone());
                    loss.forward_no_reduction(chosen, rejected, of_chosen, of_rejected)
                });
            let expected: Vec<f64> = (0..3).map(|at| value(difference(at))).collect();
            assert_close(&what, &each, &expected, 1e-5);
            let expected: Vec<f64> = (0..3).map(|at| slope(difference(at))).collect();
            assert_close(&what, &slopes[0], &expected, 1e-5);
            let negative: Vec<f64> = expected.iter().map(|slope| -slope).collect();
            assert_close(&what, &slopes[1], &negative, 1e-5);
        });
    }
}

#[test]
fn differences_beyond_the_usual_are_finite() {
    let configs = [
        DpoLossConfig::new(),
        DpoLossConfig::new().with_label_smoothing(0.1),
        DpoLossConfig::new().with_variant(DpoVariant::Hinge),
        DpoLossConfig::new().with_variant(DpoVariant::Ipo),
        DpoLossConfig::new()
            .with_variant(DpoVariant::Robust)
            .with_label_smoothing(0.4),
    ];
    on_cpus(|on, dtype| {
        let most = if dtype == DType::F32 {
            f64::from(f32::MAX)
        } else {
            f64::MAX
        };
        let chosen = [-1e30, 0.0, 0.0, -1e30, -most, 0.0];
        let rejected = [0.0, -1e30, 0.0, -1e30, 0.0, -most];
        let of_chosen = [0.0, -1e30, 0.0, -1e30, 0.0, -most];
        let of_rejected = [-1e30, 0.0, 0.0, -1e30, -most, 0.0];
        for config in &configs {
            let loss = config.init();
            let what = format!("{config:?}");
            let (each, slopes) =
                losses_and_slopes(&what, on, dtype, &[&chosen, &rejected], |inputs| {
                    let [of_chosen, of_rejected] =
                        [of_chosen, of_rejected].map(|data| tensor(on, &data, dtype));
                    let (chosen, rejected) = (inputs[0].clone(), inputs[1].clone());
                    loss.forward_no_reduction(chosen, rejected, of_chosen, of_rejected)
                });
            if *config == DpoLossConfig::new() {
                // Twice the largest number, times a tenth.
                let expected = [2e29, 0.0, 2_f64.ln(), 2_f64.ln(), 0.2 * most, 0.0];
                for (found, expected) in each.iter().zip(expected) {
                    let near = (found - expected).abs() <= 1e-5 * expected;
                    assert!(near, "{what}: found {found:e}, expected {expected:e}");
                }
                assert_close(
                    &what,
                    &slopes[0],
                    &[-0.1, 0.0, -0.05, -0.05, -0.1, 0.0],
                    1e-5,
                );
            }
        }
        for config in [
            SimPoLossConfig::new(),
            SimPoLossConfig::new().with_label_smoothing(0.1),
        ] {
            let loss = config.init();
            let what = format!("{config:?}");
            losses_and_slopes(&what, on, dtype, &[&chosen, &rejected], |inputs| {
                loss.forward_no_reduction(inputs[0].clone(), inputs[1].clone())
            });
        }
        let loss = KtoLoss::new();
        for label in [0.0, 1.0] {
            let (each, _) = losses_and_slopes("KtoLoss", on, dtype, &[&chosen], |inputs| {
                let [reference, kl, labels] =
                    [of_chosen, [most, 0.0, 1e30, 0.0, most, 0.0], [label; 6]]
                        .map(|data| tensor(on, &data, dtype));
                loss.forward_no_reduction(inputs[0].clone(), reference, kl, labels)
            });
            assert!(each.iter().all(|loss| (0.0..=1.0).contains(loss)));
        }
    });
}

#[test]
fn odds_of_probabilities_near_0_and_1_are_exact() {
    let ln_odds = |c: f64| c - (-c.exp_m1()).ln();
    let chosen = [-0.5, -1e-6, -20.0, -1e30, -1.0, 0.0, -1.0, 0.0, 0.005];
    let rejected = [-1.5, -1.0, -1e-6, -1e30, -1e30, -1.0, 0.0, 0.0, -1.0];
    let loss = OrpoLoss::new(); // lambda 0.1
    on_cpus(|on, dtype| {
        let (each, slopes) =
            losses_and_slopes("OrpoLoss", on, dtype, &[&chosen, &rejected], |inputs| {
                loss.forward_no_reduction(inputs[0].clone(), inputs[1].clone())
            });
        for at in 0..3 {
            let (c, r) = (chosen[at], rejected[at]);
            // The inputs as the type has them.
            let round = |number: f64| match dtype {
                DType::F32 => f64::from(number as f32),
                _ => number,
            };
            let (c, r) = (round(c), round(r));
            let ratio = ln_odds(c) - ln_odds(r);
            let expected = 0.1 * softplus(-ratio) - c;
            let near = (each[at] - expected).abs() <= 2e-6 * (1.0 + expected.abs());
            assert!(near, "[{at}]: found {}, expected {expected}", each[at]);
            let push = 0.1 * sigmoid(-ratio);
            for (found, expected) in [
                (slopes[0][at], push / c.exp_m1() - 1.0),
                (slopes[1][at], -push / r.exp_m1()),
            ] {
                let near = (found - expected).abs() <= 1e-4 * expected.abs();
                assert!(near, "[{at}]: found slope {found}, expected {expected}");
            }
        }
        let ln_2 = 0.1 * 2_f64.ln();
        assert_close("never", &[each[3]], &[1e30], 1e-5);
        assert_close("best", &[each[4]], &[1.0], 1e-5);
        assert_close("certain", &[each[5]], &[0.0], 1e-5);
        assert!(each[6] >= f64::from(f32::MAX), "{}", each[6]);
        assert_close("both", &[each[7]], &[ln_2], 1e-5);
        assert_close("rounded", &[each[8]], &[-0.005], 1e-5);
        assert_close("slope", &slopes[0][7..], &[-1.0, -1.0], 1e-6);
    });
}

#[test]
fn the_good_and_the_bad_have_their_weights() {
    for on in devices() {
        let of = |data: &[f64]| tensor(&on, data, DType::F32);
        let policy = || on.tracked(&[-10.0, -12.0, -8.0], [3], DType::F32);
        let (reference, kl) = (of(&[-12.0, -11.0, -8.5]), of(&[0.5; 3]));
        let labels = Tensor::<1, Bool>::from_data([true, false, false], &on.device);
        let loss = KtoLossConfig::new()
            .with_beta(0.5)
            .with_desirable_weight(2.0)
            .with_undesirable_weight(0.5)
            .init();
        let input = policy();
        let each =
            loss.forward_no_reduction(input.clone(), reference.clone(), kl.clone(), labels.clone());
        let gradients = each.clone().sum().backward();
        let t = [0.75, -0.75, 0.0];
        let expected = [2.0 * sigmoid(-t[0]), 0.5 * sigmoid(t[1]), 0.25];
        assert_close("KtoLoss", &numbers(&each), &expected, 1e-5);
        let bell = |t: f64| 0.5 * sigmoid(t) * sigmoid(-t);
        let expected = [-2.0 * bell(t[0]), 0.5 * bell(t[1]), 0.5 * bell(t[2])];
        let found = numbers(&input.grad(&gradients).expect("it is tracked"));
        assert_close("KtoLoss, slopes", &found, &expected, 1e-5);

        let ints = Tensor::<1, Int>::from_data([1, 0, 0], &on.device);
        let same = loss.forward_no_reduction(policy(), reference, kl, ints);
        assert_close("Int labels", &numbers(&same), &numbers(&each), 1e-6);
    }
}

#[test]
fn ratios_are_clipped_on_one_side() {
    // Between the bounds, above with either sign, below with either sign, no advantage, out of range.
    let differences = [0.0, 0.05, 1.0, 1.0, -1.0, -1.0, 0.3, 200.0, -200.0, 200.0];
    let advantages = [1.0, -1.0, 2.0, -2.0, 2.0, -2.0, 0.0, 1.0, -1.0, 0.0];
    let loss = PolicyClipLossConfig::new()
        .with_clip_low(0.2)
        .with_clip_high(0.3)
        .init();
    on_cpus(|on, dtype| {
        let (each, slopes) =
            losses_and_slopes("PolicyClipLoss", on, dtype, &[&differences], |inputs| {
                let old = tensor(on, &[0.0; 10], dtype);
                loss.forward_no_reduction(inputs[0].clone(), old, tensor(on, &advantages, dtype))
            });
        let (mut values, mut gradients) = (Vec::new(), Vec::new());
        for (d, a) in differences.into_iter().zip(advantages) {
            let ratio: f64 = d.exp();
            let clamped = ratio.clamp(0.8, 1.3);
            values.push(-(ratio * a).min(clamped * a));
            let is_clipped = ratio * a > clamped * a;
            gradients.push(if is_clipped { 0.0 } else { -ratio * a });
        }
        assert_close("losses", &each, &values, 1e-5);
        assert_close("slopes", &slopes[0], &gradients, 1e-5);

        // A ratio that is beyond the type.
        let (each, _) = losses_and_slopes("PolicyClipLoss", on, dtype, &[&[1e4]], |inputs| {
            let [old, advantages] = [[0.0], [-1.0]].map(|data| tensor(on, &data, dtype));
            loss.forward_no_reduction(inputs[0].clone(), old, advantages)
        });
        assert!(each[0] >= f64::from(f32::MAX), "{}", each[0]);
    });
}

#[test]
fn divisors_of_a_policy_are_what_they_say() {
    for on in devices() {
        let input = || {
            on.tracked(
                &[0.1, -0.3, 0.4, 0.0, 0.2, -0.1, 0.5, 0.1, -0.2],
                [3, 3],
                DType::F32,
            )
        };
        let old = || on.tensor(&[0.0; 9], [3, 3], DType::F32);
        let advantages = || {
            on.tensor(
                &[1.0, 1.0, 1.0, -2.0, -2.0, -2.0, 0.5, 0.5, 0.5],
                [3, 3],
                DType::F32,
            )
        };
        let mask = [
            [true, true, false],
            [true, false, false],
            [false, false, false],
        ];
        let mask = || Tensor::<2, Bool>::from_data(mask, &on.device);
        let of = |divisor| PolicyClipLossConfig::new().with_divisor(divisor).init();
        let l = numbers(&PolicyClipLoss::new().forward_no_reduction(input(), old(), advantages()));
        let all: f64 = l.iter().sum();
        for (divisor, plain, masked, weight) in [
            (
                PolicyDivisor::Tokens,
                all / 9.0,
                (l[0] + l[1] + l[3]) / 3.0,
                3.0,
            ),
            (
                PolicyDivisor::Sequences,
                all / 9.0,
                ((l[0] + l[1]) / 2.0 + l[3]) / 2.0,
                2.0,
            ),
            (
                PolicyDivisor::Constant(4.0),
                all / 12.0,
                (l[0] + l[1] + l[3]) / 12.0,
                12.0,
            ),
        ] {
            let loss = of(divisor);
            let what = format!("{divisor:?} on {}", on.name);
            let value = loss.forward(input(), old(), advantages());
            assert_close(&what, &numbers(&value), &[plain], 1e-5);
            let logits = input();
            let value = loss.forward_weighted(logits.clone(), old(), advantages(), mask());
            assert_close(&what, &numbers(&value), &[masked], 1e-5);
            let gradients = value.backward();
            let found = numbers(&logits.grad(&gradients).expect("it is tracked"));
            assert!(found[0] != 0.0 && found[3] != 0.0, "{what}: {found:?}");
            for at in [2, 4, 5, 6, 7, 8] {
                assert_eq!(found[at], 0.0, "{what}: slope {at}");
            }
            let parts = loss.forward_weighted_parts(input(), old(), advantages(), mask());
            assert_close(&what, &numbers(&parts.weight), &[weight], 1e-5);
            let answers = on.tensor(&[2.0, 0.0, 1.0], [3], DType::F32);
            let value = loss.forward_weighted(input(), old(), advantages(), answers);
            let (first, last): (f64, f64) = (l[..3].iter().sum(), l[6..].iter().sum());
            let weighted = match divisor {
                PolicyDivisor::Constant(_) => (2.0 * first + last) / 12.0,
                _ => (2.0 * first + last) / 9.0,
            };
            assert_close(&what, &numbers(&value), &[weighted], 1e-5);
            // It is for the mean alone.
            let each = loss.forward_no_reduction(input(), old(), advantages());
            assert_close(&what, &numbers(&each), &l, 1e-6);
            let sum = PolicyClipLossConfig::new()
                .with_divisor(divisor)
                .with_reduction(Reduction::Sum)
                .init();
            let value = sum.forward_weighted(input(), old(), advantages(), mask());
            assert_close(&what, &numbers(&value), &[l[0] + l[1] + l[3]], 1e-5);
        }
    }
}

#[test]
fn log_probs_of_sequences_are_those_of_their_tokens() {
    let values: Vec<f64> = (0..24)
        .map(|at| (f64::from(at) * 0.7).sin() * 3.0)
        .collect();
    // What is left out may be no id.
    let ids = [[2, -100, 1], [0, 3, 7]];
    let counts = [[true, false, true], [true, true, false]];
    let log_prob = |sample: usize, token: usize| {
        let row = &values[(sample * 3 + token) * 4..][..4];
        let sum: f64 = row.iter().map(|logit| logit.exp()).sum();
        row[ids[sample][token] as usize] - sum.ln()
    };
    let sums = [
        log_prob(0, 0) + log_prob(0, 2),
        log_prob(1, 0) + log_prob(1, 1),
    ];
    for on in devices() {
        let logits = on.tracked(&values, [2, 3, 4], DType::F32);
        let of = |length| {
            sequence_log_probs(
                logits.clone(),
                Tensor::<2, Int>::from_data(ids, &on.device),
                Tensor::<2, Bool>::from_data(counts, &on.device),
                length,
            )
        };
        let found = of(LengthNormalization::Sequence);
        assert_close("sums", &numbers(&found), &sums, 1e-5);
        let means = of(LengthNormalization::Token);
        let expected = sums.map(|sum| sum / 2.0);
        assert_close("means", &numbers(&means), &expected, 1e-5);

        let gradients = found.sum().backward();
        let slopes = numbers(&logits.grad(&gradients).expect("they are tracked"));
        for (at, slope) in slopes.iter().enumerate() {
            let (sample, token, class) = (at / 12, at / 4 % 3, at % 4);
            let row = &values[at / 4 * 4..][..4];
            let sum: f64 = row.iter().map(|logit| logit.exp()).sum();
            let hit = f64::from(u8::from(ids[sample][token] == class as i32));
            let expected = if counts[sample][token] {
                hit - values[at].exp() / sum
            } else {
                0.0
            };
            assert!((slope - expected).abs() < 1e-5, "slope {at}");
        }

        // An answer without tokens.
        let none = sequence_log_probs(
            logits.clone(),
            Tensor::<2, Int>::from_data([[0, 0, 0], [0, 0, 0]], &on.device),
            Tensor::<2, Bool>::from_data([[false; 3], [false; 3]], &on.device),
            LengthNormalization::Token,
        );
        assert_eq!(numbers(&none), [0.0, 0.0]);
    }
}

#[test]
#[should_panic(expected = "sequence_log_probs: mask [2, 2]: not the shape of the logits [2, 3, 4]")]
fn a_mask_of_another_length_is_an_error() {
    let on = &devices()[0];
    sequence_log_probs(
        on.tensor(&[0.0; 24], [2, 3, 4], DType::F32),
        Tensor::<2, Int>::zeros([2, 3], &on.device),
        Tensor::<2, Bool>::from_data([[true; 2], [true; 2]], &on.device),
        LengthNormalization::Sequence,
    );
}

/// The text of what is wrong.
fn refused<T: core::fmt::Debug>(result: Result<T, burn_losses::LossError>, says: &[&str]) {
    let error = result.expect_err("it is wrong").to_string();
    for part in says {
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
}

#[test]
fn a_wrong_operand_is_an_error_that_says_what_to_do() {
    for on in devices() {
        let of = |data: &[f64]| tensor(&on, data, DType::F32);
        let good = || of(&[-1.0, -2.0, -3.0]);
        let positive = || of(&[-1.0, 2.5, -3.0]);
        let missing = || of(&[-1.0, f64::NAN, -3.0]);

        let loss = DpoLoss::new();
        let says = ["DpoLoss", "2.5", "[1]", "sequence_log_probs"];
        let result = loss.try_forward(positive(), good(), good(), good());
        refused(result, &[&says[..], &["policy_chosen"]].concat());
        let result = loss.try_forward(good(), positive(), good(), good());
        refused(result, &[&says[..], &["policy_rejected"]].concat());
        let result = loss.try_forward(good(), good(), positive(), good());
        refused(result, &[&says[..], &["reference_chosen"]].concat());
        let result = loss.try_forward(good(), good(), good(), positive());
        refused(result, &[&says[..], &["reference_rejected"]].concat());
        let result = loss.try_forward(good(), good(), good(), missing());
        refused(result, &["DpoLoss", "reference_rejected", "NaN", "[1]"]);
        let result = loss.try_forward(good(), good(), of(&[-1.0]), good());
        refused(result, &["DpoLoss", "[3]", "[1]", "nothing is broadcast"]);
        // A policy that has diverged is not a wrong call.
        assert!(
            loss.try_forward(missing(), good(), good(), good())
                .unwrap()
                .into_scalar::<f32>()
                .is_nan()
        );

        let says = ["2.5", "[1]", "sequence_log_probs"];
        refused(SimPoLoss::new().try_forward(positive(), good()), &says);
        refused(SimPoLoss::new().try_forward(good(), positive()), &says);
        refused(OrpoLoss::new().try_forward(positive(), good()), &says);
        refused(OrpoLoss::new().try_forward(good(), positive()), &says);

        let loss = KtoLoss::new();
        let (labels, kl) = (|| of(&[0.0, 1.0, 1.0]), || of(&[0.5; 3]));
        let result = loss.try_forward(positive(), good(), kl(), labels());
        refused(result, &["KtoLoss", "policy", "2.5", "[1]"]);
        let result = loss.try_forward(good(), positive(), kl(), labels());
        refused(result, &["KtoLoss", "reference", "2.5", "[1]"]);
        let result = loss.try_forward(good(), good(), of(&[0.5, -0.25, 0.5]), labels());
        refused(result, &["KtoLoss", "kl", "-0.25", "[1]", "clamp_min"]);
        let result = loss.try_forward(good(), good(), of(&[0.5]), labels());
        refused(result, &["KtoLoss", "kl", "nothing is broadcast"]);
        let result = loss.try_forward(good(), good(), kl(), of(&[1.0, -1.0, 1.0]));
        refused(result, &["KtoLoss", "-1", "[1]", "target::labels"]);

        let loss = PolicyClipLoss::new();
        let result = loss.try_forward(good(), missing(), good());
        refused(
            result,
            &["PolicyClipLoss", "old_log_probs", "NaN", "[1]", "mask"],
        );
        let result = loss.try_forward(good(), good(), missing());
        refused(
            result,
            &["advantages", "NaN", "[1]", "weight 0 in forward_weighted"],
        );
        // Densities may be above 1.
        assert!(loss.try_forward(positive(), positive(), good()).is_ok());
    }
}

#[test]
fn what_is_frozen_must_not_be_tracked() {
    for on in devices() {
        let of = |data: &[f64]| tensor(&on, data, DType::F32);
        let tracked = || on.tracked(&[-1.0, -2.0], [2], DType::F32);
        let fixed = || of(&[-1.0, -2.0]);
        let says = ["tracked by autodiff", ".inner()"];
        let loss = DpoLoss::new();
        let result = loss.try_forward(tracked(), tracked(), tracked(), fixed());
        refused(
            result,
            &[&says[..], &["DpoLoss: reference_chosen"]].concat(),
        );
        let result = loss.try_forward(tracked(), tracked(), fixed(), tracked());
        refused(
            result,
            &[&says[..], &["DpoLoss: reference_rejected"]].concat(),
        );
        let result = loss.try_forward(tracked(), tracked(), tracked().inner(), fixed());
        assert!(result.is_ok());

        let loss = KtoLoss::new();
        let (kl, labels) = (|| of(&[0.5; 2]), || of(&[0.0, 1.0]));
        let result = loss.try_forward(tracked(), tracked(), kl(), labels());
        refused(result, &[&says[..], &["KtoLoss: reference"]].concat());
        let moved = (tracked() - fixed()).mean().clamp_min(0.0).expand([2]);
        let result = loss.try_forward(tracked(), fixed(), moved, labels());
        refused(result, &[&says[..], &["KtoLoss: kl"]].concat());

        let loss = PolicyClipLoss::new();
        let result = loss.try_forward(tracked(), tracked(), fixed());
        refused(
            result,
            &[&says[..], &["PolicyClipLoss: old_log_probs"]].concat(),
        );
        let result = loss.try_forward(tracked(), fixed(), tracked());
        refused(
            result,
            &[&says[..], &["PolicyClipLoss: advantages"]].concat(),
        );
    }
}

#[test]
fn options_out_of_range_are_errors() {
    let says = ["DpoLoss", "beta", "positive"];
    refused(DpoLossConfig::new().with_beta(0.0).try_init(), &says);
    let half = DpoLossConfig::new().with_label_smoothing(0.5);
    refused(half.try_init(), &["label_smoothing", "below 0.5", "is 0.5"]);
    for variant in [DpoVariant::Hinge, DpoVariant::Ipo] {
        let config = DpoLossConfig::new().with_variant(variant);
        assert!(config.try_init().is_ok());
        let says = ["DpoLoss", "label_smoothing is 0.1", "Robust"];
        refused(config.with_label_smoothing(0.1).try_init(), &says);
    }
    let negative = SimPoLossConfig::new().with_gamma(-0.5);
    refused(negative.try_init(), &["SimPoLoss", "gamma", "-0.5"]);
    let negative = OrpoLossConfig::new().with_lambda(-0.1);
    refused(negative.try_init(), &["OrpoLoss", "lambda", "-0.1"]);
    let negative = KtoLossConfig::new().with_undesirable_weight(-1.0);
    refused(
        negative.try_init(),
        &["KtoLoss", "undesirable_weight", "-1"],
    );
    let large = PolicyClipLossConfig::new().with_clip_low(1.5);
    refused(large.try_init(), &["PolicyClipLoss", "clip_low", "1.5"]);
    let none = PolicyClipLossConfig::new().with_clip_high(0.0);
    refused(none.try_init(), &["PolicyClipLoss", "clip_high"]);
    let rounded = PolicyClipLossConfig::new().with_clip_low(1e-9);
    refused(
        rounded.try_init(),
        &["PolicyClipLoss", "clip_low", "at least 0.000001"],
    );
    let rounded = PolicyClipLossConfig::new().with_clip_high(1e-9);
    refused(
        rounded.try_init(),
        &["PolicyClipLoss", "clip_high", "at least 0.000001"],
    );
    let none = PolicyClipLossConfig::new().with_divisor(PolicyDivisor::Constant(0.0));
    refused(none.try_init(), &["PolicyClipLoss", "divisor", "is 0"]);
}

#[test]
fn options_are_read_from_files() {
    let config: DpoLossConfig = serde_json::from_str(r#"{"variant": "ipo", "beta": 0.2}"#).unwrap();
    let expected = DpoLossConfig::new()
        .with_variant(DpoVariant::Ipo)
        .with_beta(0.2);
    assert_eq!(config, expected);
    let config: PolicyClipLossConfig =
        serde_json::from_str(r#"{"divisor": {"constant": 512}}"#).unwrap();
    assert_eq!(config.divisor, PolicyDivisor::Constant(512.0));
    let written = serde_json::to_string(&config).unwrap();
    let again: PolicyClipLossConfig = serde_json::from_str(&written).unwrap();
    assert_eq!(again, config);
    let length: LengthNormalization = serde_json::from_str(r#""token""#).unwrap();
    assert_eq!(length, LengthNormalization::Token);
}

#[test]
fn what_is_suspicious_of_log_probs_is_reported() {
    let on = &devices()[0];
    let of = |data: &[f64]| tensor(on, data, DType::F32);
    let rules = |lints: Vec<burn_losses::Lint>| -> Vec<&'static str> {
        lints.iter().map(|lint| lint.rule).collect()
    };
    let (chosen, rejected) = (of(&[-120.0, -80.0]), of(&[-150.0, -90.0]));
    let found = rules(SimPoLoss::new().lint(&chosen, &rejected));
    assert_eq!(found, ["sums-as-means"]);
    let found = rules(OrpoLoss::new().lint(&chosen, &rejected));
    assert_eq!(found, ["sums-as-means"]);
    let (chosen, rejected) = (of(&[-1.5, -0.8]), of(&[-2.0, -1.0]));
    assert!(SimPoLoss::new().lint(&chosen, &rejected).is_empty());
    // At the first step the policy is the reference.
    let lints = DpoLoss::new().lint(&chosen, &rejected, &chosen, &rejected);
    assert!(lints.is_empty(), "{lints:?}");

    let lints = KtoLoss::new().lint(&chosen, &rejected, &of(&[0.5; 2]), &of(&[1.0; 2]));
    assert_eq!(rules(lints), ["single-class"]);

    let advantages = of(&[1.0, -1.0]);
    let lints = PolicyClipLoss::new().lint(&of(&[0.2, 0.8]), &of(&[0.1, 0.9]), &advantages);
    assert_eq!(rules(lints), ["probabilities-as-log-probs"]);
    let lints = PolicyClipLoss::new().lint(&chosen, &rejected, &advantages);
    assert!(lints.is_empty(), "{lints:?}");
}
