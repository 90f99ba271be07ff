//! Calls that read no values, as a release build makes them on a GPU: there an invalid target gives
//! NaN for its sample, and never a plausible number.

use crate::common::{TestDevice, assert_close, numbers};
use crate::harness::*;
use crate::table::*;
use burn::tensor::{DType, Tensor};
use burn_losses::prelude::*;
use burn_losses::{Checks, set_checks};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Runs `body` without value checks. The whole process is without them, so it runs alone.
pub fn unchecked<T>(body: impl FnOnce() -> T) -> T {
    set_checks(Checks::Never);
    let outcome = catch_unwind(AssertUnwindSafe(body));
    set_checks(Checks::Auto);
    outcome.unwrap_or_else(|panic| resume_unwind(panic))
}

#[test]
fn a_valid_target_gives_the_same_checked_or_not() {
    let _turn = alone();
    run_for_samples(OnGpu::First, |variant, on| {
        let batch = variant.batch(60, 5, 4);
        let run = || {
            let args = batch.on(on, DType::F32).tracked();
            let leaves = args.inputs.clone();
            let weights = Tensor::from_data([0.75, 0.0, 1.5, 2.0, 1.0], &on.device);
            let weights = Weights::PerSample(weights);
            let weighted = variant.weighted(Reduction::Mean, args.clone(), weights);
            outcome_of(variant.value(Reduction::Mean, args) + weighted, &leaves)
        };
        let checked = run();
        assert_same("unchecked", &unchecked(run), &checked, 1e-7);
    });
}

/// Each kind of target with the invalid values that it may be given.
fn invalid() -> Vec<(Variant, &'static [f64])> {
    let plain = ClassOptions::default;
    let ignoring = || ClassOptions {
        ignored: vec![-100],
        ..plain()
    };
    let poisson = PoissonNllLossConfig::new;
    let kl = KlDivLossConfig::new;
    let by_sigmoid = || DiceLossConfig::new().with_activation(Activation::Sigmoid);
    let balanced = LoadBalanceLossConfig::new;
    vec![
        (cross_entropy("ids", plain()), &[4.0, -1.0, -100.0, 1e6]),
        (cross_entropy("ids, ignored", ignoring()), &[4.0, -99.0]),
        (
            cross_entropy_spatial("[N, C, 2]", Axes::ClassSecond, plain()),
            &[4.0],
        ),
        (focal("ids", 2.0, plain()), &[4.0, -1.0, -100.0, 1e6]),
        (focal("ids, ignored", 0.5, ignoring()), &[4.0, -99.0]),
        (nll("ids", plain()), &[4.0, -1.0, -100.0]),
        (
            cross_entropy_probs("probabilities", plain()),
            &[-0.5, 2.0, f64::NAN],
        ),
        (
            bce("soft labels", Kind::Float, Default::default()),
            &[-1.0, 1.5, f64::NAN],
        ),
        (
            bce("int labels", Kind::Int, Default::default()),
            &[-1.0, 2.0],
        ),
        (
            bce_with_logits("soft labels", Kind::Float, Default::default()),
            &[-1.0, f64::NAN],
        ),
        (
            bce_with_logits("int labels", Kind::Int, Default::default()),
            &[-1.0, 2.0],
        ),
        (
            multi_label_soft_margin("soft labels", Kind::Float, false),
            &[-1.0, 1.5, f64::NAN],
        ),
        (
            multi_label_soft_margin("int labels", Kind::Int, false),
            &[-1.0, 2.0],
        ),
        (
            multi_margin("ids", false, MultiMarginLossConfig::new()),
            &[4.0, -1.0, -100.0],
        ),
        (multi_label_margin("label ids"), &[4.0, -2.0]),
        (
            multi_label_margin_spatial("label ids [N, C, 2]", Axes::ClassSecond),
            &[4.0, -2.0],
        ),
        (
            soft_margin("float signs", Kind::Float),
            &[0.0, 0.5, f64::NAN],
        ),
        (soft_margin("int signs", Kind::Int), &[0.0, 2.0]),
        (
            hinge_embedding("float signs", Kind::Float, 1.0),
            &[0.0, 0.5, f64::NAN],
        ),
        (hinge_embedding("int signs", Kind::Int, 1.0), &[0.0, 2.0]),
        (
            margin_ranking("float signs", Kind::Float, 1.0),
            &[0.0, 0.5, f64::NAN],
        ),
        (margin_ranking("int signs", Kind::Int, 1.0), &[0.0, -2.0]),
        (
            cosine_embedding("float signs", Kind::Float, 0.0),
            &[0.0, 0.5, f64::NAN],
        ),
        (cosine_embedding("int signs", Kind::Int, 0.0), &[0.0, -2.0]),
        (
            poisson_nll("float counts", Kind::Float, poisson()),
            &[-1.0, f64::NAN, f64::INFINITY],
        ),
        (poisson_nll("int counts", Kind::Int, poisson()), &[-1.0]),
        (kl_div("probabilities", kl()), &[-0.5, 2.0, f64::NAN]),
        (
            kl_div("log-probabilities", kl().with_log_target(true)),
            &[0.5, f64::NAN],
        ),
        (
            of_logits_spatial("dice of ids", Axes::ClassSecond, vec![], |r, _| {
                DiceLossConfig::new().with_reduction(r).init()
            }),
            &[4.0, -1.0, -100.0, 1e6],
        ),
        (
            of_masks(
                "dice of masks",
                Axes::ClassSecond,
                Kind::Float,
                move |r, _| by_sigmoid().with_reduction(r).init(),
            ),
            &[-0.5, 2.0, f64::NAN],
        ),
        (
            of_logits_spatial("Lovász by sample", Axes::ClassSecond, vec![], |r, _| {
                let config = LovaszLossConfig::new().with_per_sample(true);
                config.with_reduction(r).init()
            }),
            &[4.0, -1.0],
        ),
        (
            of_logits_spatial(
                "dice and cross-entropy",
                Axes::ClassSecond,
                vec![],
                |r, _| DiceCrossEntropyLossConfig::new().with_reduction(r).init(),
            ),
            &[4.0],
        ),
        (
            of_boxes("edges", BoxFormat::Xyxy, |r| {
                CiouLossConfig::new().with_reduction(r).init()
            }),
            &[100.0, f64::NAN, f64::INFINITY],
        ),
        (distribution_focal("bins"), &[-0.5, 3.5, f64::NAN]),
        (
            load_balance_3("load balance", 2, balanced()),
            &[4.0, -1.0, -100.0, 1e6],
        ),
        (
            load_balance_3(
                "load balance, ignored",
                2,
                balanced().with_ignore_index(-100),
            ),
            &[4.0, -99.0],
        ),
        (
            load_balance_3(
                "load balance, k = 1, by sigmoids",
                1,
                balanced().with_activation(RouterActivation::Sigmoid),
            ),
            &[4.0],
        ),
    ]
}

/// The same for inputs: those that a target is among, and those that not every number is valid for.
fn invalid_inputs() -> Vec<(Variant, usize, &'static [f64])> {
    let l1 = |reduction| L1LossConfig::new().with_reduction(reduction).init();
    let smooth_l1 = |reduction| SmoothL1LossConfig::new().with_reduction(reduction).init();
    let huber = |reduction| HuberLossConfig::new().with_reduction(reduction).init();
    let rates = PoissonNllLossConfig::new().with_log_input(false);
    let gaussian = |variances| gaussian_nll("Gaussian", variances, GaussianNllLossConfig::new());
    let of_probs = LoadBalanceLossConfig::new().with_activation(RouterActivation::Probabilities);
    let infinite: &'static [f64] = &[f64::NAN, f64::INFINITY];
    vec![
        (regression("L1", l1), 1, infinite),
        (regression("smooth L1", smooth_l1), 1, infinite),
        (regression("Huber", huber), 1, infinite),
        (gaussian(Variances::Elements), 1, infinite),
        (gaussian(Variances::Elements), 2, &[-0.5]),
        (gaussian(Variances::Rows), 2, &[-0.5]),
        (poisson_nll("rates", Kind::Float, rates), 0, &[-0.5]),
        (
            load_balance_3("load balance of probabilities", 2, of_probs),
            0,
            &[-0.5, 2.0],
        ),
    ]
}

#[test]
fn an_invalid_target_is_nan_for_its_sample_alone() {
    let _turn = alone();
    let devices = crate::common::devices();
    let cases = devices.iter().flat_map(|on| {
        let targets = invalid().into_iter();
        let targets = targets.map(|(variant, values)| (variant, None, values));
        let inputs = invalid_inputs().into_iter();
        let inputs = inputs.map(|(variant, input, values)| (variant, Some(input), values));
        targets
            .chain(inputs)
            .flat_map(move |(variant, input, values)| {
                let variant = std::rc::Rc::new(variant);
                values.iter().map(move |&value| {
                    let name = format!("{value} for {} on {}", variant.name, on.name);
                    (name, (variant.clone(), input, value, on))
                })
            })
    });
    let cases: Vec<_> = cases.collect();
    each_case(cases, |(variant, input, value, on)| {
        unchecked(|| one_sample_is_nan(&variant, input, value, on));
    });
}

/// With a value of an input, or else of the target, that is invalid.
fn one_sample_is_nan(variant: &Variant, input: Option<usize>, value: f64, on: &TestDevice) {
    const BAD: usize = 1;
    let rows = 4;
    let good = variant.batch(61, rows, 4);
    let mut bad = good.clone();
    let array = match (input, &mut bad.target) {
        (Some(input), _) => &mut bad.inputs[input],
        (None, Some((_, target))) => target,
        (None, None) => panic!("there is no target"),
    };
    let at = BAD * array.columns;
    array.data[at] = value;

    let run = |batch: &Batch| {
        let args = batch.on(on, DType::F32).tracked();
        let each = numbers(&variant.each(args.clone()));
        (each, outcome(variant, Reduction::Sum, args))
    };
    let (good_each, good) = run(&good);
    let (bad_each, bad) = run(&bad);
    assert!(bad.value.is_nan(), "the sum is {}", bad.value);
    let of_row = |numbers: &[f64], row: usize| {
        let columns = numbers.len() / rows;
        numbers[row * columns..(row + 1) * columns].to_vec()
    };
    for row in 0..rows {
        let what = format!("row {row}");
        let losses = of_row(&bad_each, row);
        if row == BAD {
            assert!(losses.iter().any(|loss| loss.is_nan()), "{losses:?}");
            let slopes = of_row(&bad.gradients[0], row);
            assert!(slopes.iter().any(|slope| slope.is_nan()), "{slopes:?}");
        } else {
            assert_close(&what, &losses, &of_row(&good_each, row), 1e-6);
            for (bad, good) in bad.gradients.iter().zip(&good.gradients) {
                assert_close(&what, &of_row(bad, row), &of_row(good, row), 1e-6);
            }
        }
    }
}

#[test]
fn an_invalid_weight_is_nan() {
    let _turn = alone();
    run_for_samples(OnGpu::First, |variant, on| {
        let batch = variant.batch(62, 3, 4);
        for weight in [-1.0, f64::NAN] {
            let weights = Tensor::from_data([1.0, weight, 1.0], &on.device);
            let weights = Weights::PerSample(weights);
            let args = batch.on(on, DType::F32);
            let value = unchecked(|| variant.weighted(Reduction::Mean, args, weights));
            assert!(numbers(&value)[0].is_nan(), "weight {weight}");
        }
    });
}
