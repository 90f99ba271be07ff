//! The losses of softmaxes and ranks: hard inputs, wrong targets, what is suspicious, and where the classes lie.

use super::common::{TestDevice, assert_close, devices, numbers};
use super::{close, tensor};
use burn::tensor::{DType, Int, Tensor, TensorData};
use burn_losses::prelude::*;
use burn_losses::{Checks, LossErrorKind, ordinal, with_checks};

const INF: f64 = f64::INFINITY;

fn ids<const D: usize>(on: &TestDevice, ids: &[i64], shape: [usize; D]) -> Tensor<D, Int> {
    Tensor::from_data(TensorData::new(ids.to_vec(), shape), &on.device)
}

fn types(on: &TestDevice) -> Vec<(DType, f64)> {
    let double = (DType::F64, 1e-10);
    let mut types = vec![(DType::F32, 1e-5)];
    types.extend(on.double.then_some(double));
    types
}

/// The losses of rows of a student and a teacher.
type Divergence = Box<dyn Fn(Tensor<2>, Tensor<2>) -> Tensor<1>>;

/// All losses of a student and a teacher.
fn divergences() -> Vec<(&'static str, Divergence)> {
    let mut all: Vec<(&'static str, Divergence)> = Vec::new();
    for direction in [
        KlDirection::Forward,
        KlDirection::Reverse,
        KlDirection::Symmetric,
        KlDirection::SkewForward,
        KlDirection::SkewReverse,
    ] {
        let loss = SoftmaxKlLossConfig::new().with_direction(direction).init();
        all.push((
            "SoftmaxKlLoss",
            Box::new(move |student, teacher| loss.forward_no_reduction(student, teacher)),
        ));
    }
    for beta in [0.0, 0.1, 0.5, 1.0] {
        let loss = JsDivLossConfig::new().with_beta(beta).init();
        all.push((
            "JsDivLoss",
            Box::new(move |student, teacher| loss.forward_no_reduction(student, teacher)),
        ));
    }
    let loss = TotalVariationLoss::new();
    all.push((
        "TotalVariationLoss",
        Box::new(move |student, teacher| loss.forward_no_reduction(student, teacher)),
    ));
    all
}

#[test]
fn divergences_of_hard_logits_are_never_nan() {
    let rows = [
        [0.0, 0.0, 0.0],
        [1e30, -1e30, 0.0],
        [-1e30, 1e30, 0.0],
        [3e38, -3e38, 3e38],
        [-INF, 0.0, 1.0],
        [0.0, -INF, 1.0],
        [200.0, 0.0, -200.0],
        [-200.0, 0.0, 200.0],
    ];
    let pairs: Vec<_> = rows
        .iter()
        .flat_map(|a| rows.iter().map(move |b| (a, b)))
        .collect();
    let student: Vec<f64> = pairs.iter().flat_map(|(a, _)| **a).collect();
    let teacher: Vec<f64> = pairs.iter().flat_map(|(_, b)| **b).collect();
    let shape = [pairs.len(), 3];
    for on in devices() {
        for (dtype, _) in types(&on) {
            for (name, loss) in divergences() {
                let (student, teacher) = (
                    on.tracked(&student, shape, dtype),
                    on.tracked(&teacher, shape, dtype),
                );
                let each = loss(student.clone(), teacher.clone());
                let gradients = each.clone().sum().backward();
                let what = format!("{name} on {} {dtype:?}", on.name);
                for (at, value) in numbers(&each).iter().enumerate() {
                    assert!(
                        !value.is_nan() && *value >= -1e-6,
                        "{what}: {value} of {:?}",
                        pairs[at]
                    );
                }
                for input in [&student, &teacher] {
                    for (at, slope) in numbers(&input.grad(&gradients).unwrap()).iter().enumerate()
                    {
                        assert!(
                            slope.is_finite(),
                            "{what}: slope {slope} of {:?}",
                            pairs[at / 3]
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn a_teacher_and_a_class_at_once_are_both_losses() {
    let student = [
        0.5, -1.0, 2.0, 0.0, 1.5, -0.5, 3.0, 1.0, -2.0, 0.25, 0.5, 0.75,
    ];
    let teacher = [
        1.0, 0.0, -1.0, 0.5, -0.5, 2.0, 1.0, 0.0, 0.0, 3.0, -3.0, 0.0,
    ];
    let classes = [2, -100, 0, 1];
    let weights = [1.0, 2.0, 0.5, 0.0];
    for on in devices() {
        for (dtype, tolerance) in types(&on) {
            let tolerance = if on.name == "wgpu" { 1e-4 } else { tolerance };
            let make = || on.tracked(&student, [4, 3], dtype);
            let teacher = on.tensor(&teacher, [4, 3], dtype);
            let classes = ids(&on, &classes, [4]);
            let weights = on.tensor(&weights, [4], dtype);
            let config = DistillationLossConfig::new()
                .with_temperature(3.0)
                .with_alpha(0.7);
            let both = config.with_ignore_index(-100).init();
            let input = make();
            let value = both.forward_weighted(
                input.clone(),
                teacher.clone(),
                classes.clone(),
                weights.clone(),
            );
            let found = numbers(&input.grad(&value.backward()).unwrap());

            let soft = SoftmaxKlLossConfig::new().with_temperature(3.0).init();
            let hard = CrossEntropyLossConfig::new().with_ignore_index(-100).init();
            let input = make();
            let counted = on.tensor(&[1.0, 0.0, 0.5, 0.0], [4], dtype);
            let expected = soft.forward_weighted(input.clone(), teacher, counted) * 0.7
                + hard.forward_weighted(input.clone(), classes, weights) * 0.3;
            let slopes = numbers(&input.grad(&expected.backward()).unwrap());
            let what = format!("on {} {dtype:?}", on.name);
            assert_close(&what, &numbers(&value), &numbers(&expected), tolerance);
            assert_close(&what, &found, &slopes, tolerance);
        }
    }
}

/// What is impossible for both sides has no difference, and a mixture of what is all but impossible is in range.
#[test]
fn impossible_answers_and_tiny_shares_are_no_nan() {
    for on in devices().iter().filter(|on| on.name != "wgpu") {
        let of = |data: &[f64], dtype| on.tracked(data, [data.len()], dtype);
        let same = |data: &[f64], dtype| on.tensor(data, [data.len()], dtype);
        for dtype in [DType::F32, DType::F64] {
            let (policy, other) = ([-INF, -1.0, -INF], [-2.0, -INF, -INF]);
            let (chosen, rejected) = (of(&policy, dtype), of(&other, dtype));
            let (of_chosen, of_rejected) = (same(&policy, dtype), same(&other, dtype));
            let dpo = DpoLoss::new().forward_no_reduction(
                chosen.clone(),
                rejected.clone(),
                of_chosen.clone(),
                of_rejected,
            );
            // Policy and reference agree.
            assert_close("DpoLoss", &numbers(&dpo), &[2_f64.ln(); 3], 1e-5);
            let good = same(&[1.0; 3], dtype);
            let kl = same(&[0.0; 3], dtype);
            let kto = KtoLoss::new().forward_no_reduction(chosen.clone(), of_chosen, kl, good);
            assert_close("KtoLoss", &numbers(&kto), &[0.5; 3], 1e-5);
            let simpo = SimPoLoss::new().forward_no_reduction(chosen.clone(), rejected.clone());
            let orpo = OrpoLoss::new().forward_no_reduction(chosen.clone(), rejected.clone());
            for each in [dpo, kto, simpo, orpo] {
                let values = numbers(&each);
                assert!(values.iter().all(|loss| !loss.is_nan()), "{values:?}");
                let gradients = each.sum().backward();
                let slopes = numbers(&chosen.grad(&gradients).unwrap());
                assert!(slopes.iter().all(|slope| slope.is_finite()), "{slopes:?}");
            }
            for far in [95.0, 100.0, 720.0] {
                let (student, teacher) = (
                    on.tensor(&[0.0, 0.0, 0.0, -far], [2, 2], dtype),
                    on.tensor(&[0.0, -far, 0.0, 0.0], [2, 2], dtype),
                );
                let found = numbers(&JsDivLoss::new().forward_no_reduction(student, teacher));
                let half = 0.5 * (0.5 * (0.5_f64 / 0.75).ln() + 0.5 * 2_f64.ln())
                    + 0.5 * (1.0 / 0.75_f64).ln();
                assert_close("JsDivLoss", &found, &[half, half], 1e-5);
            }
        }
    }
}

/// A share of 0 takes nothing, be it infinite.
#[test]
fn a_share_of_nothing_is_nothing() {
    for on in devices() {
        // The first student holds impossible what the teacher does not, and the second its class.
        let x = on.tracked(&[-INF, 0.0, 1.0, 1.0, -INF, 0.0], [2, 3], DType::F32);
        let teacher = on.tensor(&[1.0, 0.0, 0.5, 1.0, -INF, 2.0], [2, 3], DType::F32);
        let classes = ids(&on, &[1, 1], [2]);
        let of = |alpha| DistillationLossConfig::new().with_alpha(alpha).init();
        let class = of(0.0).forward_no_reduction(x.clone(), teacher.clone(), classes.clone());
        let plain = CrossEntropyLoss::new().forward_no_reduction(x.clone(), classes.clone());
        assert_eq!(numbers(&class)[1], INF, "{}", on.name);
        assert_close(on.name, &numbers(&class)[..1], &numbers(&plain)[..1], 1e-5);
        let soft = of(1.0).forward_no_reduction(x.clone(), teacher, classes);
        let found = numbers(&soft);
        assert!(
            found[0] == INF && found[1].is_finite(),
            "{}: {found:?}",
            on.name
        );
        for loss in [class, soft] {
            let slopes = numbers(&x.grad(&loss.sum().backward()).unwrap());
            assert!(
                slopes.iter().all(|slope| slope.is_finite()),
                "{}: {slopes:?}",
                on.name
            );
        }
    }
}

/// Losses of logits with the classes on axis 1 of three are those of the same logits with the classes last.
#[test]
fn the_classes_may_lie_along_any_axis() {
    let logits: Vec<f64> = (0..24)
        .map(|at| f64::from(at * 7 % 11) / 3.0 - 1.5)
        .collect();
    let others: Vec<f64> = (0..24)
        .map(|at| f64::from(at * 5 % 13) / 4.0 - 1.0)
        .collect();
    let classes = [0, 3, 2, 1, 1, 0];
    for on in devices() {
        let make = |data: &[f64]| on.tracked(data, [2, 4, 3], DType::F32);
        let (first, second) = (make(&logits), make(&others));
        let classes = ids(&on, &classes, [2, 3]);
        let last = |tensor: &Tensor<3>| tensor.clone().swap_dims(1, 2);
        let teacher = || second.clone().inner();
        let pairs: Vec<(&str, Tensor<2>, Tensor<2>)> = vec![
            (
                "SoftmaxKlLoss",
                SoftmaxKlLoss::new().forward_no_reduction(first.clone(), second.clone()),
                SoftmaxKlLossConfig::new()
                    .with_class_axis(2)
                    .init()
                    .forward_no_reduction(last(&first), last(&second)),
            ),
            (
                "DistillationLoss",
                DistillationLoss::new().forward_no_reduction(
                    first.clone(),
                    teacher(),
                    classes.clone(),
                ),
                DistillationLossConfig::new()
                    .with_class_axis(2)
                    .init()
                    .forward_no_reduction(last(&first), last(&second).inner(), classes.clone()),
            ),
            (
                "EarthMoverLoss",
                EarthMoverLoss::new().forward_no_reduction(first.clone(), classes.clone()),
                EarthMoverLossConfig::new()
                    .with_class_axis(2)
                    .init()
                    .forward_no_reduction(last(&first), classes.clone()),
            ),
            (
                "CoralLoss",
                CoralLoss::new().forward_no_reduction(first.clone(), classes.clone()),
                CoralLossConfig::new()
                    .with_class_axis(2)
                    .init()
                    .forward_no_reduction(last(&first), classes.clone()),
            ),
            (
                "CornLoss",
                CornLoss::new().forward_no_reduction(first.clone(), classes.clone()),
                CornLossConfig::new()
                    .with_class_axis(2)
                    .init()
                    .forward_no_reduction(last(&first), classes.clone()),
            ),
        ];
        for (name, one, other) in pairs {
            let what = format!("{name} on {}", on.name);
            assert_close(&what, &numbers(&one), &numbers(&other), 1e-5);
            let slope = |value: Tensor<2>| numbers(&first.grad(&value.sum().backward()).unwrap());
            assert_close(&what, &slope(one), &slope(other), 1e-5);
        }
    }
}

/// Cross-entropy with options, by what they say, of plain cross-entropy.
#[test]
fn options_of_logits_are_what_they_say() {
    let data: Vec<f64> = (0..60)
        .map(|at| f64::from(at * 17 % 23) / 4.0 - 3.0)
        .collect();
    let classes: Vec<i64> = (0..12).map(|at| at * 7 % 5).collect();
    let prior: Vec<f64> = [0.1, 0.2, 0.3, 0.15, 0.25]
        .iter()
        .map(|p: &f64| p.ln())
        .collect();
    let margins = vec![0.5, 0.1, 0.2, 0.3, 0.4];
    for on in devices() {
        for (dtype, tolerance) in types(&on) {
            let tolerance = if on.name == "wgpu" { 1e-4 } else { tolerance };
            for shape in [[12, 5, 1], [2, 5, 6], [1, 5, 12]] {
                for smoothing in [0.0, 0.1] {
                    let targets = ids(&on, &classes, [shape[0], shape[2]]);
                    let plain = CrossEntropyLossConfig::new().with_label_smoothing(smoothing);
                    let loss = plain
                        .clone()
                        .with_log_prior(Some(prior.clone()))
                        .with_tau(1.5)
                        .with_margins(Some(margins.clone()))
                        .with_logit_scale(2.0)
                        .with_softcap(Some(2.5))
                        .with_z_loss(0.01)
                        .init();
                    let input = on.tracked(&data, shape, dtype);
                    let each = loss.forward_no_reduction(input.clone(), targets.clone());
                    let gradients = loss.forward(input.clone(), targets.clone()).backward();
                    let found = numbers(&input.grad(&gradients).unwrap());

                    let place = |numbers: &[f64]| on.tensor(numbers, [1, 5, 1], dtype);
                    let hot: Tensor<3> = target::one_hot(targets.clone(), 5, 1);
                    let hot = hot.cast(dtype);
                    let x = input.clone();
                    let capped = (x * 0.4).tanh() * 2.5;
                    let x = (capped - hot * place(&margins)) * 2.0 + place(&prior) * 1.5;
                    let lse = (x.clone().exp().sum_dim(1)).log();
                    let square = (lse.clone() * lse).squeeze_dim::<2>(1) * 0.01;
                    let expected = plain.init().forward_no_reduction(x, targets) + square;
                    let gradients = expected.clone().mean().backward();
                    let slopes = numbers(&input.grad(&gradients).unwrap());
                    let what =
                        format!("{shape:?}, smoothing {smoothing}, on {} {dtype:?}", on.name);
                    assert_close(&what, &numbers(&each), &numbers(&expected), tolerance);
                    assert_close(&what, &found, &slopes, tolerance);
                }
            }
        }
    }
}

#[test]
fn adjusted_logits_stay_finite() {
    for on in devices().iter().filter(|on| on.name != "wgpu") {
        for config in [
            CrossEntropyLossConfig::new().with_logit_scale(30.0),
            CrossEntropyLossConfig::new().with_softcap(Some(1e-3)),
            CrossEntropyLossConfig::new().with_margins(Some(vec![1e30; 3])),
            CrossEntropyLossConfig::new().with_log_prior(Some(vec![-1e30, -1.0, 0.0])),
            CrossEntropyLossConfig::new().with_z_loss(1e-4),
        ] {
            let x = on.tracked(&[3e38, -3e38, 0.0, -INF, 0.0, 1.0], [2, 3], DType::F32);
            let value = config.init().forward(x.clone(), ids(on, &[0, 1], [2]));
            let slopes = numbers(&x.grad(&value.clone().backward()).unwrap());
            assert!(!numbers(&value)[0].is_nan(), "{config:?}");
            assert!(
                slopes.iter().all(|slope| slope.is_finite()),
                "{config:?}: {slopes:?}"
            );
        }
    }
}

fn message<T>(result: Result<T, LossError>, parts: &[&str]) {
    let error = result.err().expect("it is wrong").to_string();
    for part in parts {
        assert!(error.contains(part), "{error}\nlacks: {part}");
    }
}

#[test]
fn wrong_options_are_refused() {
    let cross_entropy = CrossEntropyLossConfig::new;
    message(
        cross_entropy()
            .with_log_prior(Some(vec![0.5, 0.5]))
            .try_init(),
        &[
            "log_prior[0] must be finite and at most 0, but is 0.5",
            "target::log_prior",
        ],
    );
    message(
        cross_entropy().with_softcap(Some(0.0)).try_init(),
        &["softcap", "0"],
    );
    message(
        cross_entropy().with_logit_scale(-1.0).try_init(),
        &["logit_scale", "-1"],
    );
    message(
        cross_entropy().with_z_loss(-1.0).try_init(),
        &["z_loss", "-1"],
    );
    message(
        cross_entropy()
            .with_margins(Some(vec![f64::NAN]))
            .try_init(),
        &["margins[0]", "NaN"],
    );
    message(
        Poly1LossConfig::new().with_epsilon(-2.0).try_init(),
        &["Poly1Loss", "epsilon", "-2"],
    );
    message(
        SoftmaxKlLossConfig::new().with_skew(1.0).try_init(),
        &["skew", "below 1"],
    );
    message(
        SoftmaxKlLossConfig::new().with_temperature(0.0).try_init(),
        &["temperature", "0"],
    );
    message(
        JsDivLossConfig::new().with_beta(1.5).try_init(),
        &["beta", "1.5"],
    );
    message(
        DistillationLossConfig::new().with_alpha(2.0).try_init(),
        &["alpha", "2"],
    );
    message(
        CoralLossConfig::new()
            .with_importance_weights(Some(vec![-1.0]))
            .try_init(),
        &["importance_weights[0]", "-1"],
    );

    let on = &devices()[0];
    let x = || on.tensor(&[0.0; 6], [2, 3], DType::F32);
    let classes = ids(on, &[0, 1], [2]);
    let loss = cross_entropy().with_log_prior(Some(vec![-1.0; 2])).init();
    message(
        loss.try_forward(x(), classes.clone()),
        &["log_prior has 2 entries", "3"],
    );
    let loss = cross_entropy().with_margins(Some(vec![0.1; 3])).init();
    let probs = on.tensor(&[1.0, 0.0, 0.0, 0.0, 1.0, 0.0], [2, 3], DType::F32);
    message(
        loss.try_forward(x(), probs),
        &["margins", "class ids", "target::class_ids"],
    );
}

#[test]
fn wrong_targets_are_refused() {
    let on = &devices()[0];
    let x = || on.tensor(&[0.5; 6], [2, 3], DType::F32);
    message(
        SoftmaxKlLoss::new().try_forward(x(), on.tensor(&[0.0; 4], [2, 2], DType::F32)),
        &["SoftmaxKlLoss", "[2, 3]", "[2, 2]"],
    );
    let distillation = DistillationLoss::new();
    message(
        distillation.try_forward(x(), x(), ids(on, &[0, 3], [2])),
        &["DistillationLoss", "target 3 at index [1]", "0..=2"],
    );
    message(
        distillation.try_forward(x(), x(), ids(on, &[0, 1, 2], [3])),
        &["[3]", "[2]"],
    );
    let tracked = on.tracked(&[0.0; 6], [2, 3], DType::F32);
    let error = distillation
        .try_forward(x(), tracked, ids(on, &[0, 1], [2]))
        .unwrap_err();
    assert_eq!(error.kind, LossErrorKind::TrackedTarget);
    assert!(error.to_string().contains("teacher.inner()"), "{error}");

    message(
        CoralLoss::new().try_forward(x(), ids(on, &[0, 4], [2])),
        &["CoralLoss", "target 4 at index [1]", "3 are for 4 ranks"],
    );
    message(
        CornLoss::new().try_forward(x(), ids(on, &[-1, 0], [2])),
        &["CornLoss", "target -1"],
    );
    message(
        CornLoss::new().try_forward(x(), ids(on, &[1], [1])),
        &["[2, 3]", "[1]"],
    );
    message(
        EarthMoverLoss::new().try_forward(x(), ids(on, &[0, 3], [2])),
        &["EarthMoverLoss", "target 3"],
    );
    message(
        Poly1Loss::new().try_forward(x(), ids(on, &[0, 3], [2])),
        &["Poly1Loss", "target 3"],
    );
}

/// Where values are not read, what is wrong with a sample shows in its loss, and in no other's.
#[test]
fn unread_targets_poison_their_own_sample() {
    for on in devices() {
        let x = on.tensor(&[0.5, -0.5, 1.0, 0.0, 0.25, 2.0], [2, 3], DType::F32);
        let wrong = ids(&on, &[1, 7], [2]);
        with_checks(Checks::Never, || {
            let each = [
                Poly1Loss::new().forward_no_reduction(x.clone(), wrong.clone()),
                CoralLoss::new().forward_no_reduction(x.clone(), wrong.clone()),
                CornLoss::new().forward_no_reduction(x.clone(), wrong.clone()),
                EarthMoverLoss::new().forward_no_reduction(x.clone(), wrong.clone()),
                DistillationLoss::new().forward_no_reduction(x.clone(), x.clone(), wrong.clone()),
            ];
            for (at, each) in each.iter().enumerate() {
                let each = numbers(each);
                assert!(
                    each[0].is_finite() && each[1].is_nan(),
                    "{at} on {}: {each:?}",
                    on.name
                );
            }
        });
    }
}

#[test]
fn an_invalid_rank_poisons_the_gradient_of_its_own_sample() {
    for on in devices().iter().filter(|on| on.name != "wgpu") {
        let wrong = ids(on, &[1, 7], [2]);
        let slopes = |loss: &dyn Fn(Tensor<2>) -> Tensor<1>| {
            let x = on.tracked(&[0.5, -0.5, 1.0, 0.0, 0.25, 2.0], [2, 3], DType::F32);
            numbers(&x.grad(&loss(x.clone()).backward()).unwrap())
        };
        with_checks(Checks::Never, || {
            let all = [
                slopes(&|x| CoralLoss::new().forward(x, wrong.clone())),
                slopes(&|x| CornLoss::new().forward(x, wrong.clone())),
                slopes(&|x| EarthMoverLoss::new().forward(x, wrong.clone())),
            ];
            for (at, slopes) in all.iter().enumerate() {
                let (right, wrong) = slopes.split_at(3);
                assert!(
                    right.iter().all(|slope| slope.is_finite())
                        && wrong.iter().all(|slope| slope.is_nan()),
                    "{at} on {}: {slopes:?}",
                    on.name
                );
            }
        });
    }
}

/// What a loss at a threshold comes to may be out of range where its share of a mean is not.
#[test]
fn large_logits_of_thresholds_have_a_mean() {
    for on in devices().iter().filter(|on| on.name != "wgpu") {
        let mut logits = [0.0; 40];
        logits[..4].fill(3e38);
        let x = on.tracked(&logits, [10, 4], DType::F32);
        let loss = CoralLossConfig::new()
            .with_importance_weights(Some(vec![2.0; 4]))
            .init();
        let value = loss.forward(x.clone(), ids(on, &[0; 10], [10]));
        let found = numbers(&value)[0];
        assert!((found / 2.4e38 - 1.0).abs() < 1e-6, "{found}");
        let slopes = numbers(&x.grad(&value.backward()).unwrap());
        assert!((slopes[0] - 0.2).abs() < 1e-6 && (slopes[39] - 0.1).abs() < 1e-6);
    }
}

#[test]
fn suspicious_logits_are_reported() {
    let on = &devices()[0];
    let probs = on.tensor(&[0.2, 0.3, 0.5, 0.1, 0.1, 0.8], [2, 3], DType::F32);
    let logits = on.tensor(&[2.0, -3.0, 0.5, 0.1, 4.0, 0.8], [2, 3], DType::F32);
    let rules = |lints: Vec<burn_losses::Lint>| -> Vec<&'static str> {
        lints.iter().map(|lint| lint.rule).collect()
    };
    assert_eq!(
        rules(SoftmaxKlLoss::new().lint(&logits, &probs)),
        ["probabilities-as-logits"]
    );
    assert_eq!(
        rules(JsDivLoss::new().lint(&logits, &logits)),
        ["teacher-is-student"]
    );
    let classes = ids(on, &[0, 1], [2]);
    assert_eq!(
        rules(DistillationLoss::new().lint(&logits, &probs, &classes)),
        ["probabilities-as-logits"]
    );
    assert_eq!(
        rules(DistillationLoss::new().lint(&logits, &(logits.clone() * 2.0), &classes)).len(),
        0
    );
    let same = ids(on, &[1, 1], [2]);
    assert_eq!(
        rules(CoralLoss::new().lint(&logits, &same)),
        ["single-class"]
    );
    assert_eq!(
        rules(CornLoss::new().lint(&logits, &same)),
        ["single-class"]
    );
}

#[test]
fn ranks_are_those_that_were_learnt() {
    for on in devices() {
        let logits = on.tensor(
            &[5.0, 4.0, -4.0, 5.0, 5.0, 5.0, -5.0, 3.0, 3.0],
            [3, 3],
            DType::F32,
        );
        let found = |ranks: Tensor<1, Int>| ranks.into_data().iter::<i64>().collect::<Vec<_>>();
        assert_eq!(found(ordinal::rank(logits.clone(), 1)), [2, 3, 2]);
        assert_eq!(found(ordinal::conditional_rank(logits, 1)), [2, 3, 0]);
        let empty = on.tensor(&[], [0, 3], DType::F32);
        assert_eq!(ordinal::rank(empty, 1).dims(), [0]);
    }
}

/// Saturated, a distance is exact: neither side is what is left of 1.
#[test]
fn far_ranks_keep_their_digits() {
    for on in devices().iter().filter(|on| on.name != "wgpu") {
        let x = on.tensor(&[0.0, 0.0, 40.0], [1, 3], DType::F64);
        let each = EarthMoverLoss::new().forward_no_reduction(x, ids(on, &[2], [1]));
        let share = (-40_f64).exp() / (1.0 + 2.0 * (-40_f64).exp());
        close("from below", numbers(&each)[0], 5.0 * share * share, 1e-10);
        let x = on.tensor(&[40.0, 0.0, 0.0], [1, 3], DType::F64);
        let each = EarthMoverLoss::new().forward_no_reduction(x, ids(on, &[0], [1]));
        close("from above", numbers(&each)[0], 5.0 * share * share, 1e-10);
    }
}

#[test]
fn ignored_and_empty_batches_are_0() {
    let on = &devices()[0];
    let x = || on.tracked(&[0.5; 6], [2, 3], DType::F32);
    let teacher = x().inner();
    let loss = DistillationLossConfig::new().with_ignore_index(9).init();
    let input = x();
    let value = loss.forward(input.clone(), teacher, ids(on, &[9, 9], [2]));
    assert_eq!(numbers(&value), [0.0]);
    assert_eq!(numbers(&input.grad(&value.backward()).unwrap()), [0.0; 6]);
    let none = on.tensor(&[], [0, 3], DType::F32);
    assert_eq!(
        numbers(&CornLoss::new().forward(none.clone(), ids(on, &[], [0]))),
        [0.0]
    );
    assert_eq!(
        numbers(&CoralLoss::new().forward(none.clone(), ids(on, &[], [0]))),
        [0.0]
    );
    assert_eq!(
        numbers(&loss.forward(none.clone(), none, ids(on, &[], [0]))),
        [0.0]
    );
    let weightless = tensor(on, &[0.0, 0.0], DType::F32);
    let value = CornLoss::new().forward_weighted(x(), ids(on, &[1, 2], [2]), weightless);
    assert_eq!(numbers(&value), [0.0]);
}

/// A share that is nothing beside 1 leaves nothing of 1.
#[test]
fn a_tiny_share_of_a_mixture_has_a_finite_loss() {
    for on in &devices() {
        let loss = JsDivLossConfig::new().with_beta(1e-17).init();
        let student = on.tracked::<2>(&[0.0, 40.0], [1, 2], DType::F32);
        let teacher = on.tensor::<2>(&[40.0, 0.0], [1, 2], DType::F32);
        let value = loss.forward(student.clone(), teacher);
        let slopes = numbers(&student.grad(&value.backward()).unwrap());
        let found = numbers(&value)[0];
        assert!(found.abs() < 1e-6, "{found} on {}", on.name);
        assert!(slopes.iter().all(|slope| slope.abs() < 1e-6), "{slopes:?}");
    }
}
