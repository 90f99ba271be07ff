//! The losses of models that generate, the weights of timesteps, and what is made of the counts of classes.

use super::common::{assert_close, devices, numbers};
use super::{close, tensor};
use burn::tensor::{DType, Int, Tensor};
use burn_losses::prelude::*;
use burn_losses::target::{ClassWeighting, WeightNormalization};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The losses of two tracked inputs, and the gradients of their sum, are these, on all CPUs and in all types.
fn both<L>(loss: &L, inputs: [&[f64]; 2], each: &[f64], slopes: [&[f64]; 2])
where
    L: Loss<Tensor<1>, Tensor<1>, Unreduced = Tensor<1>>,
{
    for on in devices().iter().filter(|on| on.name != "wgpu") {
        for (dtype, tolerance, max) in [
            (DType::F32, 1e-5, f64::from(f32::MAX)),
            (DType::F64, 1e-10, f64::MAX),
        ] {
            let [a, b] = inputs.map(|data| on.tracked(data, [data.len()], dtype));
            let losses = loss.forward_no_reduction(a.clone(), b.clone());
            let gradients = losses.clone().sum().backward();
            let what = format!("{} on {} {dtype:?}", loss.name(), on.name);
            of(&what, &numbers(&losses), each, tolerance, max);
            for (input, slopes) in [a, b].iter().zip(slopes) {
                let found = numbers(&input.grad(&gradients).expect("it is tracked"));
                assert!(found.iter().all(|slope| slope.is_finite()), "{what}");
                of(&what, &found, slopes, tolerance, max);
            }
        }
    }
}

/// As `both`, of a generator.
fn generator(objective: GanObjective, scores: &[f64], each: &[f64], slopes: &[f64]) {
    let config = GanGeneratorLossConfig::new().with_objective(objective);
    let loss = config.init();
    for on in devices().iter().filter(|on| on.name != "wgpu") {
        for (dtype, tolerance, max) in [
            (DType::F32, 1e-5, f64::from(f32::MAX)),
            (DType::F64, 1e-10, f64::MAX),
        ] {
            let fake = on.tracked(scores, [scores.len()], dtype);
            let losses = loss.forward_no_reduction(fake.clone());
            let gradients = losses.clone().sum().backward();
            let what = format!("{objective:?} on {} {dtype:?}", on.name);
            of(&what, &numbers(&losses), each, tolerance, max);
            let found = numbers(&fake.grad(&gradients).expect("it is tracked"));
            assert!(found.iter().all(|slope| slope.is_finite()), "{what}");
            of(&what, &found, slopes, tolerance, max);
        }
    }
}

/// Each number is the expected one, or at the end of the type if that is beyond.
fn of(what: &str, found: &[f64], expected: &[f64], tolerance: f64, max: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (at, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let what = format!("{what}, element {at}");
        if expected.abs() > max {
            assert!(found.abs() >= max, "{what}: found {found:e}");
            assert_eq!(found.is_sign_positive(), expected.is_sign_positive());
        } else {
            close(&what, found, expected, tolerance);
        }
    }
}

fn discriminator(objective: GanObjective) -> GanDiscriminatorLoss {
    let config = GanDiscriminatorLossConfig::new();
    config.with_objective(objective).init()
}

#[test]
fn a_generator_is_pulled_by_scores_of_any_size() {
    let ln2 = std::f64::consts::LN_2;
    let tail = (-40_f64).exp();
    let scores = [1e30, -1e30, 0.0, 40.0];
    generator(
        GanObjective::NonSaturating,
        &scores,
        &[0.0, 1e30, ln2, tail],
        &[0.0, -1.0, -0.5, -tail],
    );
    for objective in [GanObjective::Hinge, GanObjective::Wasserstein] {
        generator(objective, &scores, &[-1e30, 1e30, 0.0, -40.0], &[-1.0; 4]);
    }
    generator(
        GanObjective::LeastSquares,
        &[1e30, -1e30, 0.0, 1.0, 3.0],
        &[0.5e60, 0.5e60, 0.5, 0.0, 2.0],
        &[1e30, -1e30, -1.0, 0.0, 2.0],
    );
}

#[test]
fn a_discriminator_is_pulled_by_both_scores() {
    let (ln2, tail) = (std::f64::consts::LN_2, (-40_f64).exp());
    let (real, fake) = ([1e30, -1e30, 0.0, 40.0], [-1e30, 1e30, 0.0, -40.0]);
    both(
        &discriminator(GanObjective::NonSaturating),
        [&real, &fake],
        &[0.0, 2e30, 2.0 * ln2, 2.0 * tail],
        [&[0.0, -1.0, -0.5, -tail], &[0.0, 1.0, 0.5, tail]],
    );
    // At its corners, 1 and -1, the slope is 0.
    both(
        &discriminator(GanObjective::Hinge),
        [&[1e30, -1e30, 0.0, 1.0], &[-1e30, 1e30, 0.0, -1.0]],
        &[0.0, 2e30, 2.0, 0.0],
        [&[0.0, -1.0, -1.0, 0.0], &[0.0, 1.0, 1.0, 0.0]],
    );
    both(
        &discriminator(GanObjective::LeastSquares),
        [&[1e30, 2.0, 1.0], &[0.0, -3.0, 0.0]],
        &[0.5e60, 5.0, 0.0],
        [&[1e30, 1.0, 0.0], &[0.0, -3.0, 0.0]],
    );
    both(
        &discriminator(GanObjective::Wasserstein),
        [&real, &fake],
        &[-2e30, 2e30, 0.0, -80.0],
        [&[-1.0; 4], &[1.0; 4]],
    );
}

#[test]
fn a_divergence_is_exact_where_it_is_tiny_and_where_it_is_large() {
    // By the series of exp(v): at 1e-4 the difference of numbers near 1 has no digits in f32.
    let v = 1e-4;
    let tiny = v * v / 4.0 * (1.0 + v / 3.0 + v * v / 12.0);
    let slope = v / 2.0 * (1.0 + v / 2.0 + v * v / 6.0);
    both(
        &GaussianKlLoss::new(),
        [
            &[0.0, 0.0, 0.0, 0.0, 2e19, 1e30, -0.5, 0.0],
            &[1000.0, -1000.0, 0.0, v, 0.0, -1e30, 2.0, 89.0],
        ],
        &[
            f64::INFINITY,
            499.5,
            0.0,
            tiny,
            2e38,
            0.5e60,
            0.125 + (2_f64.exp() - 3.0) / 2.0,
            // The exponential alone is beyond f32.
            (89_f64.exp() - 90.0) / 2.0,
        ],
        [
            &[0.0, 0.0, 0.0, 0.0, 2e19, 1e30, -0.5, 0.0],
            &[
                f64::INFINITY,
                -0.5,
                0.0,
                slope,
                0.0,
                -0.5,
                (2_f64.exp() - 1.0) / 2.0,
                (89_f64.exp() - 1.0) / 2.0,
            ],
        ],
    );
    // On both sides of where the series ends.
    for v in [0.499, 0.5, 0.501, -0.499, -0.5, -0.501_f64] {
        let loss = (v.exp_m1() - v) / 2.0;
        both(
            &GaussianKlLoss::new(),
            [&[0.0], &[v]],
            &[loss],
            [&[0.0], &[v.exp_m1() / 2.0]],
        );
    }
}

#[test]
fn a_divergence_is_a_sum_over_latents_and_a_mean_over_the_batch() {
    for on in devices() {
        let mean = on.tensor(&[0.5, -1.0, 0.0, 0.0, 2.0, 0.25], [2, 3], DType::F32);
        let logs = on.tensor(&[0.0, -1.0, 0.5, -2.0, 0.0, -0.5], [2, 3], DType::F32);
        let value = |reduction| {
            let loss = GaussianKlLossConfig::new().with_reduction(reduction).init();
            numbers(&loss.forward(mean.clone(), logs.clone()))[0]
        };
        // torch.distributions.kl_divergence
        let sum = 3.535_483_327_410_408;
        let found = numbers(&GaussianKlLoss::new().forward(mean.clone(), logs.clone()));
        assert_close("default", &found, &[sum / 2.0], 1e-5);
        assert_close("sum", &[value(Reduction::Sum)], &[sum], 1e-5);
        assert_close("mean", &[value(Reduction::Mean)], &[sum / 6.0], 1e-5);
    }
}

#[test]
fn poly1_is_cross_entropy_and_a_probability() {
    let (q, ln2) = (1.0 / (1.0 + 1_f64.exp()), std::f64::consts::LN_2);
    let p = 1.0 - q;
    let (x, y) = ([1.0, 1.0, 0.0, 0.0], [1.0, 0.0, 1.0, 0.25]);
    for epsilon in [-1.0, 0.0, 1.0, 2.0] {
        let loss = SigmoidPoly1LossConfig::new().with_epsilon(epsilon).init();
        super::pair(
            &loss,
            &x,
            &y,
            &[
                -p.ln() + epsilon * q,
                -q.ln() + epsilon * p,
                ln2 + epsilon / 2.0,
                ln2 + epsilon / 2.0,
            ],
            &[
                -q * (1.0 + epsilon * p),
                p * (1.0 + epsilon * q),
                -0.5 - epsilon / 4.0,
                0.25 + epsilon / 8.0,
            ],
        );
        for number in [f64::from(f32::MAX), -f64::from(f32::MAX), 1e30, -200.0] {
            for label in [0.0, 1.0, 0.5] {
                super::finite(&loss, number, label);
            }
        }
    }
    // A label that is right keeps its tiny loss.
    let tail = (-40_f64).exp();
    super::pair(
        &SigmoidPoly1Loss::new(),
        &[40.0, -40.0],
        &[1.0, 0.0],
        &[2.0 * tail; 2],
        &[-2.0 * tail, 2.0 * tail],
    );
}

/// The text of a panic that must come.
fn panic_text<R>(call: impl FnOnce() -> R) -> String {
    let outcome = catch_unwind(AssertUnwindSafe(|| drop(call())));
    let panic = outcome.expect_err("a panic");
    *panic.downcast::<String>().expect("a text")
}

#[test]
fn timesteps_count_by_their_ratio() {
    for on in devices() {
        let snr = || tensor(&on, &[0.0, 0.5, 5.0, 20.0, f64::INFINITY], DType::F32);
        for (prediction, expected) in [
            (Prediction::Noise, [1.0, 1.0, 1.0, 0.25, 0.0]),
            (
                Prediction::Velocity,
                [0.0, 1.0 / 3.0, 5.0 / 6.0, 5.0 / 21.0, 0.0],
            ),
            (Prediction::Sample, [0.0, 0.5, 5.0, 5.0, 5.0]),
        ] {
            let found = numbers(&min_snr_weights(snr(), 5.0, prediction));
            assert_close(
                &format!("{prediction:?} on {}", on.name),
                &found,
                &expected,
                1e-6,
            );
        }
    }
    // The reciprocal of such a ratio has few digits in half precision.
    let on = &devices()[0];
    let snr = tensor(on, &[60000.0], DType::F16);
    let weights = min_snr_weights(snr, 5.0, Prediction::Noise);
    assert_eq!(weights.dtype(), DType::F16);
    assert_close("half", &numbers(&weights), &[5.0 / 60000.0], 1e-3);
}

#[test]
fn a_ratio_that_is_none_is_an_error() {
    for on in devices().iter().filter(|on| on.name != "wgpu") {
        let text = |snr: &[f64], gamma| {
            let snr = tensor(on, snr, DType::F32);
            panic_text(|| min_snr_weights(snr, gamma, Prediction::Noise))
        };
        let says = text(&[1.0, -0.5], 5.0);
        for part in [
            "min_snr_weights: snr -0.5",
            "element 1",
            "at least 0",
            "logarithm",
        ] {
            assert!(says.contains(part), "{says}");
        }
        assert!(text(&[f64::NAN], 5.0).contains("snr NaN at element 0"));
        assert!(text(&[1.0], 0.0).contains("gamma must be finite and positive, but is 0"));
        assert!(text(&[1.0], f64::INFINITY).contains("gamma must be finite"));
        assert!(text(&[1.0], 1e300).contains("gamma is 1e300, which"));
    }
}

#[test]
fn weighted_parts_over_the_elements_are_what_diffusers_trains_on() {
    for on in devices() {
        let predicted = on.tensor(&[1.0, 2.0, 0.0, 1.0, 3.0, -1.0], [3, 2], DType::F32);
        let noise = on.tensor(&[0.0, 2.0, 1.0, 1.0, 1.0, 0.0], [3, 2], DType::F32);
        let weights = min_snr_weights(
            tensor(&on, &[0.5, 5.0, 20.0], DType::F32),
            5.0,
            Prediction::Noise,
        );
        let parts = MseLoss::new().forward_weighted_parts(predicted, noise, weights);
        // Means of 1/2, 1/2 and 5/2, the last a quarter: averaged over three.
        assert_close("sum", &numbers(&parts.sum), &[6.0 * 1.625 / 3.0], 1e-6);
    }
}

#[test]
fn wrong_shapes_and_options_say_what_to_do() {
    for on in devices() {
        let [two, three] = [2, 3].map(|count| tensor(&on, &vec![0.5; count], DType::F32));
        let error = GanDiscriminatorLoss::new()
            .try_forward(two.clone(), three.clone())
            .expect_err("it is wrong")
            .to_string();
        for part in ["real [2]", "fake [3]", "same shape"] {
            assert!(error.contains(part), "{error}");
        }
        let error = GaussianKlLoss::new()
            .try_forward(three, two)
            .expect_err("it is wrong")
            .to_string();
        for part in ["mean [3]", "log_variance [2]", "same shape"] {
            assert!(error.contains(part), "{error}");
        }
    }
    for epsilon in [-1.5, f64::NAN, f64::INFINITY] {
        let config = SigmoidPoly1LossConfig::new().with_epsilon(epsilon);
        let error = config.try_init().expect_err("it is wrong").to_string();
        assert!(
            error.contains("epsilon must be finite and at least -1"),
            "{error}"
        );
    }
    let on = &devices()[0];
    let error = SigmoidPoly1Loss::new()
        .try_forward(
            tensor(on, &[0.5, 1.5], DType::F32),
            Tensor::<1, Int>::from_data([0, 255], &on.device),
        )
        .expect_err("it is wrong")
        .to_string();
    for part in ["255", "[1]", "mask of 0 and 255"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn an_objective_is_read_in_either_case() {
    for (text, objective) in [
        (r#"{"objective":"hinge"}"#, GanObjective::Hinge),
        (
            r#"{"objective":"LeastSquares"}"#,
            GanObjective::LeastSquares,
        ),
        (
            r#"{"objective":"non_saturating"}"#,
            GanObjective::NonSaturating,
        ),
        (r#"{"objective":"wasserstein"}"#, GanObjective::Wasserstein),
    ] {
        let config: GanGeneratorLossConfig = serde_json::from_str(text).expect("it is one");
        assert_eq!(config.objective, objective);
        let config: GanDiscriminatorLossConfig = serde_json::from_str(text).expect("it is one");
        assert_eq!(config.objective, objective);
    }
}

#[test]
fn scores_and_latents_that_look_wrong_are_reported() {
    let on = &devices()[0];
    let of = |data: &[f64]| tensor(on, data, DType::F32);
    let rules = |lints: Vec<burn_losses::Lint>| -> Vec<&'static str> {
        lints.iter().map(|lint| lint.rule).collect()
    };
    let (real, fake) = (of(&[0.7, 0.9]), of(&[0.1, 0.4]));
    for objective in [
        GanObjective::NonSaturating,
        GanObjective::Hinge,
        GanObjective::LeastSquares,
        GanObjective::Wasserstein,
    ] {
        let of_logits = [GanObjective::NonSaturating, GanObjective::Hinge].contains(&objective);
        let expected: &[_] = if of_logits {
            &["probabilities-as-logits"]
        } else {
            &[]
        };
        let loss = discriminator(objective);
        assert_eq!(rules(loss.lint(&real, &fake)), expected, "{objective:?}");
        // One of them may be so by chance.
        assert!(loss.lint(&real, &of(&[-0.1, 0.4])).is_empty());
        assert!(loss.lint(&of(&[0.5]), &of(&[0.5])).is_empty());
    }
    let kl = GaussianKlLoss::new();
    let lints = kl.lint(&of(&[0.0, 1.0]), &of(&[0.5, 1.5]));
    assert_eq!(rules(lints), ["variance-as-log-variance"]);
    assert!(kl.lint(&of(&[0.0, 1.0]), &of(&[0.5, -1.5])).is_empty());
    // A layer that starts at 0: it is no target.
    assert!(kl.lint(&of(&[0.0, 1.0]), &of(&[0.0, 0.0])).is_empty());
    let lints = SigmoidPoly1Loss::new().lint(&of(&[0.2, 0.8]), &of(&[0.0, 1.0]));
    assert_eq!(rules(lints), ["probabilities-as-logits"]);
}

#[test]
fn classes_are_counted() {
    for on in devices() {
        let ids = Tensor::<2, Int>::from_data([[0, 2, 2], [3, 0, 2]], &on.device);
        assert_eq!(target::class_counts(ids.clone(), 5), [2, 0, 3, 1, 0]);
        let says = panic_text(|| target::class_counts(ids, 3));
        for part in ["class_counts: id 3 at index [1, 0]", "3 classes"] {
            assert!(says.contains(part), "{says}");
        }
        let count = |ids: [i64; 3]| {
            let ids = Tensor::<1, Int>::from_data(ids, &on.device);
            panic_text(|| target::class_counts(ids, 3))
        };
        assert!(count([1, 2, 3]).contains("1-based"));
        let says = count([1, -1, 0]);
        assert!(
            says.contains("id -1 at index [1]") && says.contains("ignored"),
            "{says}"
        );
    }
}

#[test]
fn weights_of_classes_are_those_of_scikit_learn_and_of_the_paper() {
    use ClassWeighting::{EffectiveNumber, Inverse, InverseSqrt};
    use WeightNormalization::{Balanced, MeanOne, SumOne};
    let counts = [100, 30, 5];
    let of = |weighting, normalization, expected: [f64; 3], tolerance| {
        let found = target::class_weights(&counts, weighting, normalization);
        let what = format!("{weighting:?} {normalization:?}");
        assert_close(&what, &found, &expected, tolerance);
    };
    let raw = WeightNormalization::None;
    // compute_class_weight("balanced")
    of(Inverse, Balanced, [0.45, 1.5, 9.0], 1e-14);
    of(Inverse, raw, [0.01, 1.0 / 30.0, 0.2], 1e-14);
    // 3, 10 and 60 of 73.
    let of_73 = [3.0 / 73.0, 10.0 / 73.0, 60.0 / 73.0];
    of(Inverse, SumOne, of_73, 1e-14);
    of(Inverse, MeanOne, of_73.map(|share| 3.0 * share), 1e-14);
    of(
        InverseSqrt,
        raw,
        [0.1, 30_f64.powf(-0.5), 5_f64.powf(-0.5)],
        1e-14,
    );
    of(
        InverseSqrt,
        Balanced,
        [0.76213946, 1.39146992, 3.40839129],
        1e-8,
    );
    // (1 - 0.999) / (1 - 0.999^n), of which balanced-loss makes a sum of 3.
    let effective = EffectiveNumber(0.999);
    of(effective, raw, [0.01050334, 0.03381917, 0.2004004], 1e-7);
    of(
        effective,
        MeanOne,
        [0.1287579, 0.41458112, 2.45666098],
        1e-7,
    );
    // All alike, and as good as the inverse, whose digits a power near 1 has lost.
    of(EffectiveNumber(0.0), raw, [1.0; 3], 1e-14);
    let nearly_1 = EffectiveNumber(1.0 - f64::EPSILON / 2.0);
    of(nearly_1, raw, [0.01, 1.0 / 30.0, 0.2], 1e-13);
}

#[test]
fn priors_and_margins_follow_the_counts() {
    let counts = [100, 30, 5];
    let prior = [100.0, 30.0, 5.0].map(|count: f64| (count / 135.0).ln());
    assert_close("prior", &target::log_prior(&counts), &prior, 1e-14);
    let margins = [0.2364354, 0.31947155, 0.5];
    let found = target::ldam_margins(&counts, 0.5);
    assert_close("margins", &found, &margins, 1e-7);
}

#[test]
fn a_class_that_does_not_occur_has_no_weight() {
    let counts = [4, 0, 2];
    let raw = WeightNormalization::None;
    let inverse = ClassWeighting::Inverse;
    for says in [
        panic_text(|| target::class_weights(&counts, inverse, raw)),
        panic_text(|| target::log_prior(&counts)),
        panic_text(|| target::ldam_margins(&counts, 0.5)),
    ] {
        assert!(says.contains("class 1 has a count of 0"), "{says}");
        assert!(says.contains("give it a count of 1"), "{says}");
    }
    let says = panic_text(|| target::class_weights(&counts, inverse, raw));
    assert!(
        says.contains("to weigh it as if it occurred once"),
        "{says}"
    );
    assert!(panic_text(|| target::log_prior(&[])).contains("counts is empty"));
    let effective = ClassWeighting::EffectiveNumber(1.0);
    let says = panic_text(|| target::class_weights(&[1, 2], effective, raw));
    assert!(
        says.contains("beta must be at least 0 and below 1, but is 1"),
        "{says}"
    );
    let says = panic_text(|| target::ldam_margins(&[1, 2], 0.0));
    assert!(
        says.contains("largest must be finite and positive, but is 0"),
        "{says}"
    );
}
