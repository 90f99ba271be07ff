//! Losses of closures: beside the built-in ones of the same formula, and what only they have.

mod common;

use burn::module::Module;
use burn::tensor::{Bool, DType, Int, Tensor};
use burn_losses::custom::{Custom, CustomElementwise, Expr, Rule, check};
use burn_losses::prelude::*;
use burn_losses::{LossErrorKind, TripleLoss, with_checks};
use common::{TestDevice, assert_close, devices, numbers};

/// Some numbers, the same each time.
fn some(count: usize, seed: u64, scale: f64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // Exact in `f32`.
        ((state >> 44) as f64 / f64::from(1 << 19) - 1.0) * scale
    };
    (0..count)
        .map(|_| (next() * 256.0).round() / 256.0)
        .collect()
}

fn types(device: &TestDevice) -> Vec<(DType, f64)> {
    let mut types = vec![(DType::F32, 1e-5)];
    if device.double {
        types.push((DType::F64, 1e-12));
    }
    types
}

/// Whether two losses of two operands are the same, in value, parts, each loss and gradients.
fn same<A, B>(what: &str, custom: &A, other: &B, x: &[f64], y: &[f64], weighted: bool)
where
    A: Loss<Tensor<2>, Tensor<2>, Unreduced = Tensor<2>>,
    B: Loss<Tensor<2>, Tensor<2>, Unreduced = Tensor<2>>,
{
    let shape = [x.len() / 7, 7];
    for device in devices() {
        for (dtype, tolerance) in types(&device) {
            let what = format!("{what} on {} {dtype:?}", device.name);
            let weights = device
                .tensor(&some(shape[0], 9, 1.0), [shape[0]], dtype)
                .abs();
            let run = |loss: &dyn Fn(Tensor<2>, Tensor<2>) -> Tensor<1>| {
                let x = device.tracked(x, shape, dtype);
                let value = loss(x.clone(), device.tensor(y, shape, dtype));
                let gradient = x.grad(&value.backward()).unwrap();
                (numbers(&value), numbers(&gradient))
            };
            let (a, b) = if weighted {
                (
                    run(&|x, y| custom.forward_weighted(x, y, weights.clone())),
                    run(&|x, y| other.forward_weighted(x, y, weights.clone())),
                )
            } else {
                (
                    run(&|x, y| custom.forward(x, y)),
                    run(&|x, y| other.forward(x, y)),
                )
            };
            assert_close(&what, &a.0, &b.0, tolerance);
            assert_close(&format!("{what}: gradient"), &a.1, &b.1, tolerance);
            let untracked = || {
                (
                    device.tensor(x, shape, dtype),
                    device.tensor(y, shape, dtype),
                )
            };
            let (x, y) = untracked();
            let of_custom = custom.forward_no_reduction(x, y);
            let (x, y) = untracked();
            let of_other = other.forward_no_reduction(x, y);
            let each = format!("{what}: each");
            assert_close(&each, &numbers(&of_custom), &numbers(&of_other), tolerance);
        }
    }
}

#[test]
fn a_closure_is_the_built_in_of_the_same_formula() {
    let (x, y) = (some(210, 1, 3.0), some(210, 2, 3.0));
    let l1 = Custom::elementwise("MyL1", |x, y| (x - y).abs());
    let mse = Custom::elementwise("MyMse", |x, y| (x - y).square());
    let huber = Custom::elementwise("MyHuber", |x, y| {
        let error = (x - y).abs();
        error.below(1.0).select(0.5 * error * error, error - 0.5)
    });
    for weighted in [false, true] {
        same("L1", &l1, &L1Loss::new(), &x, &y, weighted);
        same("MSE", &mse, &MseLoss::new(), &x, &y, weighted);
        same("Huber", &huber, &HuberLoss::new(), &x, &y, weighted);
    }
    let labels: Vec<f64> = y.iter().map(|y| f64::from(u8::from(*y > 0.5))).collect();
    let bce =
        Custom::elementwise("MyBce", |x, y| x.softplus() - x * y).with_target(Rule::PROBABILITY);
    // By its definition, of which the stable form is found.
    let defined = Custom::elementwise("DefinedBce", |x, y| {
        let p = 1.0 / (1.0 + (-x).exp());
        -(y * p.ln() + (1.0 - y) * (1.0 - p).ln())
    })
    .with_target(Rule::LABELS);
    let far: Vec<f64> = some(210, 3, 90.0);
    for x in [&x, &far] {
        same("BCE", &bce, &BceWithLogitsLoss::new(), x, &labels, true);
        same(
            "defined BCE",
            &defined,
            &BceWithLogitsLoss::new(),
            x,
            &labels,
            false,
        );
    }
    let signs: Vec<f64> = labels.iter().map(|label| 2.0 * label - 1.0).collect();
    let logistic =
        Custom::elementwise("MyLogistic", |x, y| (-x * y).softplus()).with_target(Rule::SIGNS);
    same(
        "logistic",
        &logistic,
        &SoftMarginLoss::new(),
        &x,
        &signs,
        false,
    );
}

fn distribution(rows: usize) -> Vec<f64> {
    let raw = some(rows * 7, 4, 1.0);
    let mut all = Vec::new();
    for row in raw.chunks(7) {
        // One class of each row has no probability.
        let row: Vec<f64> = row
            .iter()
            .enumerate()
            .map(|(at, x)| if at == 3 { 0.0 } else { x.abs() + 0.1 })
            .collect();
        let sum: f64 = row.iter().sum();
        all.extend(row.iter().map(|x| (x / sum * 65536.0).round() / 65536.0));
    }
    all
}

#[test]
fn a_divergence_is_that_of_the_library_and_zero_times_infinity_is_zero() {
    let y = distribution(30);
    let x: Vec<f64> = distribution(30)
        .iter()
        .rev()
        .map(|p| ((p + 0.01).ln() * 256.0).round() / 256.0)
        .collect();
    let kl = Custom::elementwise("MyKl", |ln_q, p| p * (p.ln() - ln_q))
        .with_target(Rule::PROBABILITY)
        .with_reduction(Reduction::BatchMean);
    same("KL", &kl, &KlDivLoss::new(), &x, &y, false);
}

/// A case of `golden/custom.json`.
struct Golden {
    options: serde_json::Value,
    shape: Vec<usize>,
    x: Vec<f64>,
    y: Vec<f64>,
    unreduced: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
}

impl Golden {
    fn option(&self, name: &str) -> f64 {
        self.options[name].as_f64().unwrap()
    }

    fn dims<const D: usize>(&self) -> [usize; D] {
        self.shape
            .as_slice()
            .try_into()
            .expect("the rank of the case")
    }

    /// The same, as rows or columns of one length.
    fn flat(&self) -> [usize; 1] {
        [self.x.len()]
    }
}

fn golden(loss: &str) -> Vec<Golden> {
    let file: serde_json::Value = serde_json::from_str(include_str!("golden/custom.json")).unwrap();
    let floats = |value: &serde_json::Value| -> Vec<f64> {
        let numbers = value.as_array().unwrap();
        numbers
            .iter()
            .map(|number| number.as_f64().unwrap())
            .collect()
    };
    let cases = file["cases"][loss].as_array().unwrap();
    assert!(cases.len() >= 4, "{loss}");
    let case = |case: &serde_json::Value| Golden {
        options: case["options"].clone(),
        shape: case["shape"]
            .as_array()
            .unwrap()
            .iter()
            .map(|n| n.as_u64().unwrap() as usize)
            .collect(),
        x: floats(&case["x"]),
        y: floats(&case["y"]),
        unreduced: floats(&case["unreduced"]),
        value: case["value"].as_f64().unwrap(),
        gradient: floats(&case["gradient"]),
    };
    cases.iter().map(case).collect()
}

/// Compares what a loss gives with a case, on all devices and in all types.
fn as_golden<const D: usize, const U: usize>(
    what: &str,
    case: &Golden,
    shape: [usize; D],
    forward: impl Fn(Tensor<D>, &TestDevice, DType) -> Tensor<1>,
    each: impl Fn(Tensor<D>, &TestDevice, DType) -> Tensor<U>,
) {
    for device in devices() {
        for (dtype, tolerance) in types(&device) {
            let what = format!("{what} {} on {} {dtype:?}", case.options, device.name);
            let x = device.tracked(&case.x, shape, dtype);
            let value = forward(x.clone(), &device, dtype);
            let gradient = x.grad(&value.backward()).unwrap();
            assert_close(&what, &numbers(&value), &[case.value], tolerance);
            assert_close(
                &format!("{what}: gradient"),
                &numbers(&gradient),
                &case.gradient,
                tolerance,
            );
            let each = each(device.tensor(&case.x, shape, dtype), &device, dtype);
            assert_close(
                &format!("{what}: each"),
                &numbers(&each),
                &case.unreduced,
                tolerance,
            );
        }
    }
}

fn elementwise_as_golden(what: &str, case: &Golden, loss: &CustomElementwise<2>) {
    let y = |device: &TestDevice, dtype| device.tensor(&case.y, case.flat(), dtype);
    as_golden(
        what,
        case,
        case.flat(),
        |x, device, dtype| loss.forward(x, y(device, dtype)),
        |x, device, dtype| loss.forward_no_reduction(x, y(device, dtype)),
    );
}

#[test]
fn closures_are_the_losses_of_other_libraries() {
    // scikit-learn's `mean_pinball_loss`.
    let quantile = Custom::elementwise("Quantile", |x, y| {
        let (q, error) = (Expr::parameter("q"), y - x);
        (q * error).max((q - 1.0) * error)
    });
    for case in golden("quantile") {
        let loss = quantile
            .clone()
            .with_parameter("q", case.option("quantile"));
        elementwise_as_golden("quantile", &case, &loss);
    }
    // Optax' and Keras's.
    let log_cosh = Custom::elementwise("LogCosh", |x, y| {
        let error = (x - y).abs();
        error + (-2.0 * error).softplus() - std::f64::consts::LN_2
    });
    for case in golden("log_cosh") {
        elementwise_as_golden("log-cosh", &case, &log_cosh);
    }
    // Torchvision's.
    for case in golden("sigmoid_focal") {
        let (gamma, alpha) = (case.option("gamma"), case.options["alpha"].as_f64());
        let loss = Custom::elementwise("SigmoidFocal", |x, y| {
            let wrong = y.above(0.5).select(-x, x).sigmoid();
            let loss = wrong.powf(gamma) * (x.softplus() - x * y);
            match alpha {
                Some(alpha) => y.above(0.5).select(alpha, 1.0 - alpha) * loss,
                None => loss,
            }
        })
        .with_target(Rule::LABELS);
        elementwise_as_golden("sigmoid focal", &case, &loss);
    }
    // Kornia's.
    for case in golden("softmax_focal") {
        let gamma = case.option("gamma");
        let loss = Custom::softmax("SoftmaxFocal", |ln_p, _, rest| -rest.powf(gamma) * ln_p);
        let ids = |device: &TestDevice| {
            let ids: Vec<i64> = case.y.iter().map(|&id| id as i64).collect();
            Tensor::<1, Int>::from_data(ids.as_slice(), &device.device)
        };
        as_golden(
            "softmax focal",
            &case,
            case.dims::<2>(),
            |x, device, _| loss.forward(x, ids(device)),
            |x, device, _| loss.forward_no_reduction(x, ids(device)),
        );
    }
    // MONAI's.
    for case in golden("dice") {
        let (above, below) = (case.option("smooth_nr"), case.option("smooth_dr"));
        let loss = Custom::row(
            "Dice",
            |[x, y]| [x * y, x, y],
            |[both, x, y]| 1.0 - (2.0 * both + above) / (x + y + below),
        )
        .with_rules([Rule::PROBABILITY, Rule::LABELS])
        .with_axes([2, 3]);
        let mask = |device: &TestDevice, dtype| {
            device
                .tensor(&case.y, case.dims::<4>(), dtype)
                .greater_scalar(0.5)
        };
        as_golden(
            "dice",
            &case,
            case.dims::<4>(),
            |x, device, dtype| loss.forward(x, mask(device, dtype)),
            |x, device, dtype| loss.forward_no_reduction(x, mask(device, dtype)),
        );
    }
}

/// Rows long and short, along any axes, with a row that does not count, against the formula as tensor operations.
#[test]
fn sums_are_over_any_axes_and_of_any_length() {
    for (shape, axes) in [
        ([3, 2, 5, 4], vec![1, 2, 3]),
        ([3, 2, 5, 4], vec![0, 2]),
        ([2, 3, 40, 31], vec![2, 3]),
        ([2, 900, 1, 2], vec![1]),
    ] {
        let loss = Custom::row(
            "Tversky",
            |[x, y]| [x * y, x * (1.0 - y), (1.0 - x) * y],
            |[both, more, fewer]| {
                let few = Expr::parameter("few");
                1.0 - (both + 1.0) / (both + 0.25 * more + few * fewer + 1.0)
            },
        )
        .with_axes(axes.clone())
        .with_parameter("few", 0.75)
        .with_reduction(Reduction::BatchMean);
        let count = shape.iter().product();
        let x: Vec<f64> = some(count, 5, 1.0).iter().map(|x| x.abs()).collect();
        let y: Vec<f64> = some(count, 6, 1.0)
            .iter()
            .map(|y| f64::from(u8::from(*y > 0.2)))
            .collect();
        // Of tensors in `f64`. (Burn divides a gradient in `f32`, also there: that of the sum is exact.)
        let host = &devices()[0];
        let of_tensors = host.tracked(&x, shape, DType::F64);
        let mask = host.tensor(&y, shape, DType::F64);
        let sum = |tensor: Tensor<4>| axes.iter().fold(tensor, |sum, &axis| sum.sum_dim(axis));
        let both = sum(of_tensors.clone() * mask.clone());
        let more = sum(of_tensors.clone() * (mask.clone().neg() + 1.0));
        let fewer = sum((of_tensors.clone().neg() + 1.0) * mask);
        let all = both.clone() + more * 0.25 + fewer * 0.75 + 1.0;
        let each = ((both + 1.0) / all).neg() + 1.0;
        let losses = numbers(&each);
        let kept = each.dims();
        let gradient = numbers(&of_tensors.grad(&each.sum().backward()).unwrap());
        let first: f64 = losses[..losses.len() / kept[0]].iter().sum();
        for device in devices() {
            for (dtype, tolerance) in types(&device) {
                let what = format!("{shape:?} over {axes:?} on {} {dtype:?}", device.name);
                let close = |name: &str, found: &[f64], expected: &[f64]| {
                    assert_close(&format!("{what}: {name}"), found, expected, 4.0 * tolerance);
                };
                let y = device.tensor(&y, shape, dtype);
                let x = || device.tracked(&x, shape, dtype);
                let tracked = x();
                let value = loss.forward(tracked.clone(), y.clone());
                let batch = kept[0] as f64;
                close(
                    "value",
                    &numbers(&value),
                    &[losses.iter().sum::<f64>() / batch],
                );
                let unreduced = loss.forward_no_reduction(x().inner(), y.clone());
                assert_eq!(unreduced.dims(), kept, "{what}");
                close("each", &numbers(&unreduced), &losses);
                let found = numbers(&tracked.grad(&value.backward()).unwrap());
                let found: Vec<f64> = found.iter().map(|slope| slope * batch).collect();
                close("gradient", &found, &gradient);
                // A batch of which only the first counts.
                let mut weights = vec![0.0; kept[0]];
                weights[0] = 2.0;
                let weights = device.tensor(&weights, [kept[0]], dtype);
                let sum = loss.clone().with_reduction(Reduction::Sum);
                let tracked = x();
                let value = sum.forward_weighted(tracked.clone(), y, weights);
                close("weighted", &numbers(&value), &[2.0 * first]);
                let found = numbers(&tracked.grad(&value.backward()).unwrap());
                assert!(found.iter().all(|slope| slope.is_finite()), "{what}");
            }
        }
    }
}

/// Long rows in `f32`, of which one leaves its range on the way and one breaks a rule, are those of `f64`, one by one.
#[test]
fn a_long_row_is_by_itself() {
    const SHAPE: [usize; 2] = [5, 700];
    const ROW: usize = SHAPE[1];
    let loss = Custom::row(
        "Mine",
        |[x, y, z]| [(x.exp() + (-x).exp()).ln() * y, z * x, y],
        |[first, second, third]| (first + second) / (third + 1.0),
    )
    .with_rules([Rule::ANY, Rule::PROBABILITY, Rule::FINITE])
    .with_reduction(Reduction::Sum);
    let count = SHAPE[0] * ROW;
    let mut x = some(count, 15, 1.0);
    let mut y: Vec<f64> = some(count, 16, 1.0).iter().map(|y| y.abs()).collect();
    let z = some(count, 17, 1.0);
    x[ROW + 650] = 100.0;
    y[3 * ROW + 10] = 2.0;
    for device in devices().iter().filter(|device| device.double) {
        let of = |dtype: DType, rows: std::ops::Range<usize>| {
            let elements = rows.start * ROW..rows.end * ROW;
            let shape = [rows.len(), ROW];
            let tensor =
                |numbers: &[f64]| device.tracked::<2>(&numbers[elements.clone()], shape, dtype);
            let (x, y, z) = (tensor(&x), tensor(&y).inner(), tensor(&z));
            with_checks(Checks::Never, || {
                let each = numbers(&loss.forward_no_reduction(x.clone(), y.clone(), z.clone()));
                let gradients = loss.forward(x.clone(), y, z.clone()).backward();
                let gradients = [&x, &z].map(|input| numbers(&input.grad(&gradients).unwrap()));
                (each, gradients)
            })
        };
        let (each, gradients) = of(DType::F32, 0..SHAPE[0]);
        for row in 0..SHAPE[0] {
            let what = format!("row {row} on {}", device.name);
            let (expected, of_row) = of(DType::F64, row..row + 1);
            let elements = row * ROW..(row + 1) * ROW;
            if row == 3 {
                let mut all = gradients
                    .iter()
                    .flat_map(|gradient| &gradient[elements.clone()]);
                assert!(
                    each[row].is_nan() && all.all(|slope| slope.is_nan() || *slope == 0.0),
                    "{what}"
                );
                continue;
            }
            assert_close(&what, &each[row..=row], &expected, 1e-5);
            for (found, expected) in gradients.iter().zip(&of_row) {
                assert_close(&what, &found[elements.clone()], expected, 1e-5);
            }
        }
    }
}

#[test]
fn each_of_four_operands_has_its_gradient() {
    let loss = Custom::elementwise_of("OfFour", |[a, b, c, d]| {
        (a * b - c).square() / (1.0 + d.square())
    })
    .with_rule(3, Rule::ANY);
    let all = [1, 2, 3, 4].map(|seed| some(600, seed, 2.0));
    for device in devices() {
        for tracked in 1..16_usize {
            let input = |at: usize| {
                let tensor = device.tensor::<1>(&all[at], [600], DType::F32);
                if tracked & (1 << at) != 0 {
                    tensor.autodiff().require_grad()
                } else {
                    tensor
                }
            };
            let ours = [0, 1, 2, 3].map(input);
            let theirs = [0, 1, 2, 3].map(input);
            let [a, b, c, d] = ours.clone();
            let value = loss.forward(a, b, c, d);
            let [a, b, c, d] = theirs.clone().map(|input| {
                // Burn puts what is tracked and what is not together only where both are of one graph.
                if input.is_tracked() {
                    input
                } else {
                    input.autodiff()
                }
            });
            let expected = ((a * b - c).powi_scalar(2) / (d.powi_scalar(2) + 1.0)).mean();
            let what = format!("{tracked:b} on {}", device.name);
            assert_close(&what, &numbers(&value), &numbers(&expected), 1e-5);
            let (found, expected) = (value.backward(), expected.backward());
            for at in (0..4).filter(|at| tracked & (1 << at) != 0) {
                let what = format!("{what}: operand {at}");
                let found = numbers(&ours[at].grad(&found).unwrap());
                let expected = numbers(&theirs[at].grad(&expected).unwrap());
                assert_close(&what, &found, &expected, 1e-5);
            }
        }
    }
}

#[test]
fn targets_of_other_types_are_read_as_their_rule_says() {
    let hinge =
        Custom::elementwise("MyHinge", |x, y| (1.0 - x * y).at_least(0.0)).with_target(Rule::SIGNS);
    let bce = Custom::elementwise("MyBce", |x, y| x.softplus() - x * y).with_target(Rule::LABELS);
    for device in devices() {
        let x = || device.tensor::<2>(&[0.5, -2.0, 0.25, 3.0], [2, 2], DType::F32);
        let yes = Tensor::<2, Bool>::from_data([[true, false], [false, true]], &device.device);
        let signs = Tensor::<2, Int>::from_data([[1, -1], [-1, 1]], &device.device);
        let expected = [0.5, 0.0, 1.25, 0.0];
        assert_close(
            "Bool signs",
            &numbers(&hinge.forward_no_reduction(x(), yes.clone())),
            &expected,
            1e-6,
        );
        assert_close(
            "Int signs",
            &numbers(&hinge.forward_no_reduction(x(), signs)),
            &expected,
            1e-6,
        );
        let labels = yes.clone().int();
        let of_floats = numbers(&bce.forward_no_reduction(x(), yes.clone().float()));
        assert_close(
            "Bool labels",
            &numbers(&bce.forward_no_reduction(x(), yes)),
            &of_floats,
            1e-6,
        );
        assert_close(
            "Int labels",
            &numbers(&bce.forward_no_reduction(x(), labels)),
            &of_floats,
            1e-6,
        );
    }
}

#[test]
fn a_wrong_target_is_an_error_or_nan() {
    let device = &devices()[0];
    let hinge =
        Custom::elementwise("MyHinge", |x, y| (1.0 - x * y).at_least(0.0)).with_target(Rule::SIGNS);
    let x = || device.tensor::<1>(&[0.5, -2.0], [2], DType::F32);
    let y = || device.tensor::<1>(&[1.0, 0.0], [2], DType::F32);
    let error = hinge.try_forward(x(), y()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "MyHinge: targets: 0 at index [1] must be -1 or 1. These are labels 0 and 1: convert them with `target::signs`."
    );
    let each = with_checks(Checks::Never, || hinge.forward_no_reduction(x(), y()));
    let each = numbers(&each);
    assert!(each[0] == 0.5 && each[1].is_nan(), "{each:?}");

    let positive =
        Custom::elementwise("MyGamma", |x, y| x + y / x.exp() - y.ln()).with_target(Rule::POSITIVE);
    let error = positive.try_forward(x(), y()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "MyGamma: targets: 0 at index [1] must be a finite number above 0."
    );
    assert_eq!(
        error.kind,
        LossErrorKind::Value {
            value: 0.0,
            index: vec![1]
        }
    );
    let shape = device.tensor::<1>(&[1.0], [1], DType::F32);
    let error = positive.try_forward(x(), shape).unwrap_err();
    assert_eq!(error.kind, LossErrorKind::Shape);
    // The rule of an operand that is no target.
    let weighed = Custom::elementwise_of("Weighed", |[x, weight, y]| weight * (x - y).abs())
        .with_rule(1, Rule::NONNEGATIVE)
        .with_names(["prediction", "importance", "truth"]);
    let error = weighed.try_forward(x(), x(), y()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Weighed: importance: -2 at index [1] must be a finite number from 0 on."
    );
    // Rows.
    let dice = Custom::row(
        "MyDice",
        |[x, y]| [x * y, x + y],
        |[both, all]| 1.0 - 2.0 * both / (all + 1.0),
    )
    .with_rules([Rule::PROBABILITY, Rule::LABELS]);
    let mask = || device.tensor::<2>(&[0.0, 255.0, 1.0, 0.0], [2, 2], DType::F32);
    let error = dice.try_forward(mask() / 255.0, mask()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "MyDice: targets: 255 at index [0, 1] must be 0 or 1. Class ids belong to CrossEntropyLoss, or convert them with \
         `target::one_hot`."
    );
    for device in devices() {
        let p = device.tensor::<2>(&[0.5, 0.5, 0.25, 0.75], [2, 2], DType::F32);
        let mask = device.tensor::<2>(&[0.0, 255.0, 1.0, 0.0], [2, 2], DType::F32);
        let each = with_checks(Checks::Never, || dice.forward_no_reduction(p, mask));
        let each = numbers(&each);
        assert!(
            each[0].is_nan() && each[1].is_finite(),
            "{each:?} on {}",
            device.name
        );
    }
}

fn panics(make: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let panic = std::panic::catch_unwind(make).unwrap_err();
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic.downcast::<&str>().unwrap().to_string(),
    }
}

#[test]
fn what_a_newcomer_does_wrong_is_said() {
    let two = |name: &'static str, formula: fn(Expr, Expr) -> Expr| {
        panics(move || drop(Custom::elementwise(name, formula)))
    };
    assert_eq!(
        two("Mine", |x, _| x.abs()),
        "Mine: the formula does not depend on its second operand: leave it out of the closure, or is something missing?"
    );
    assert_eq!(
        two("Mine", |_, _| Expr::constant(1.0)),
        "Mine: the formula does not depend on its first operand: leave it out of the closure, or is something missing?"
    );
    assert_eq!(
        two("MseLoss", |x, y| (x - y).square()),
        "MseLoss: there is a loss of that name: errors could not tell the two apart. Name yours `MyMseLoss`, say."
    );
    assert_eq!(
        two("my loss", |x, y| x - y),
        "Custom: \"my loss\" is no name of a loss: give one word of letters and digits, as types have, such as \
         `SquaredHinge`."
    );
    assert_eq!(
        two("Mine", |x, y| x * f64::NAN + y),
        "Mine: a constant of the formula is NaN."
    );
    let text = panics(|| {
        let mut kept = None;
        drop(Custom::elementwise("Mine", |x, y| {
            kept = Some(x);
            x - y
        }));
        drop(Custom::elementwise("Other", |x, y| x * y + kept.unwrap()));
    });
    assert!(
        text.starts_with("an `Expr` belongs to the closure that it was made in"),
        "{text}"
    );

    let loss = Custom::elementwise("Mine", |x, y| (x - y).abs() - Expr::parameter("margin"));
    let device = &devices()[0].device;
    let x = || Tensor::<1>::ones([2], device);
    assert_eq!(
        loss.try_forward(x(), x()).unwrap_err().to_string(),
        "Mine: parameter `margin` has no value: set it with `with_parameter(\"margin\", ..)`."
    );
    let set = |name: &'static str, number: f64| {
        let loss = loss.clone();
        panics(std::panic::AssertUnwindSafe(move || {
            drop(loss.with_parameter(name, number))
        }))
    };
    assert_eq!(
        set("magrin", 1.0),
        "Mine: the formula has no parameter `magrin`: it has `margin`."
    );
    assert_eq!(
        set("margin", f64::INFINITY),
        "Mine: parameter `margin` is inf: it must be finite."
    );
    // Of `f32` it would be infinite.
    let error = loss
        .clone()
        .with_parameter("margin", 1e300)
        .try_forward(x(), x())
        .unwrap_err();
    assert_eq!(error.kind, LossErrorKind::Config);

    let far = Custom::elementwise("Mine", |x, y| x * y).with_target(Rule::between(2.0, 5.0));
    let yes = x().greater_scalar(0.0);
    assert_eq!(
        far.try_forward(x(), yes).unwrap_err().to_string(),
        "Mine: targets are Bool, which is 0 or 1, and must be a number from 2 to 5: give them as floats, or the operand \
         a rule that both keep."
    );
    let row = Custom::row("Mine", |[x, y]| [x * y], |[both]| both);
    assert_eq!(
        row.try_forward(x(), x()).unwrap_err().to_string(),
        "Mine: the operands have rank 1, and the sums are over all axes but the first: sum over it by `with_axes([0])`, \
         or give a single sample a batch axis with `unsqueeze_dim::<2>(0)`."
    );
    let row = row.with_axes([3]);
    let error = row
        .try_forward(x().unsqueeze::<2>(), x().unsqueeze::<2>())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "Mine: axis 3 is no axis of the operands [1, 2]: the last one is 1."
    );
}

#[test]
fn a_slope_that_is_stated_is_taken_and_can_be_checked() {
    let stated = |factor: f64| {
        Custom::elementwise("Stated", |x, y| (x - y).square())
            .with_slope(move |[x, y]| factor * (x - y))
    };
    let points = [[1.0, 3.0], [-2.0, 0.5]];
    check(&stated(2.0), &points);
    let text = panics(move || check(&stated(3.0), &points));
    assert!(
        text.starts_with("Stated: the slope is not what the loss changes by:"),
        "{text}"
    );
    assert!(
        text.contains("at [1.0, 3.0], operand 0: the slope is -6, and the loss changes by -4"),
        "{text}"
    );
    let device = &devices()[0];
    let x = device.tracked::<1>(&[1.0, 2.0], [2], DType::F32);
    let value = stated(3.0).forward(x.clone(), device.tensor(&[0.0, 0.0], [2], DType::F32));
    assert_eq!(numbers(&x.grad(&value.backward()).unwrap()), [1.5, 3.0]);
}

/// By C's `erf`, from tiny numbers to where it is 1.
#[test]
fn the_error_function_has_its_digits() {
    let loss = Custom::elementwise("Erf", |x, y| x.erf() * y);
    let known = [
        (1e-30, 1.1283791670955126e-30),
        (1e-5, 1.1283791670578999e-05),
        (0.1, 0.1124629160182849),
        (0.4999, 0.5204119951613866),
        (0.5001, 0.5205877516768808),
        (1.0, 0.8427007929497149),
        (-2.0, -0.9953222650189527),
        (5.0, 0.999_999_999_998_462_5),
        (1e30, 1.0),
    ];
    let slope = |at: f64| core::f64::consts::FRAC_2_SQRT_PI * (-at * at).exp();
    let known = known.map(|(at, value)| (at, value, slope(at)));
    has_its_digits(&loss, &known);
}

#[test]
fn an_exponential_less_one_has_its_digits() {
    let loss = Custom::elementwise("Grown", |x, y| x.exp_m1() * y);
    let known = [1e-30, 1e-7, -1e-4, 0.4999, -0.5001, 1.0, -20.0, 30.0, 80.0];
    let known = known.map(|at: f64| (at, at.exp_m1(), at.exp()));
    has_its_digits(&loss, &known);
}

/// Values and slopes at some places, in each type on each device.
fn has_its_digits(loss: &CustomElementwise<2>, known: &[(f64, f64, f64)]) {
    for device in devices() {
        let single = if device.double { 4e-7 } else { 1e-5 };
        for (dtype, digits) in [(DType::F64, 1e-12), (DType::F32, single)] {
            if dtype == DType::F64 && !device.double {
                continue;
            }
            for &(at, value, slope) in known {
                let x = device.tracked::<1>(&[at], [1], dtype);
                let loss = loss.forward(x.clone(), device.tensor(&[1.0], [1], dtype));
                let found = [
                    numbers(&loss)[0],
                    numbers(&x.grad(&loss.backward()).unwrap())[0],
                ];
                for (found, known) in found.into_iter().zip([value, slope]) {
                    let apart = (found - known).abs();
                    assert!(
                        apart <= digits * known.abs() + 1e-37,
                        "{at}: {found}, not {known}"
                    );
                }
            }
        }
    }
}

/// What parameters make may be beyond `f32`, and there may be much of it; a quotient by one is exact at a corner.
#[test]
fn what_parameters_make_is_no_other_number() {
    fn term([x, p]: [Expr; 2], at: i32) -> Expr {
        (x - p * f64::from(at)).abs()
    }
    let e = |x: Expr, y: Expr| {
        let p = Expr::parameter("p");
        (-(x * x) / (p * p)).exp() * y
    };
    let small = |x: Expr, y: Expr| Expr::parameter("p") * (Expr::parameter("p") * x) * y;
    let corner = |x: Expr, y: Expr| (x / Expr::parameter("p")).at_most(1.0) * y;
    let many = |x: Expr, y: Expr| {
        let of = [x, Expr::parameter("p")];
        (1..300).fold(term(of, 0), |sum, at| sum + term(of, at)) * y
    };
    let e_less = (-1.0_f64).exp();
    let cases = [
        (
            Custom::elementwise("E", e),
            1e-20,
            1e-20,
            [e_less, -2e20 * e_less],
        ),
        (
            Custom::elementwise("Small", small),
            1e-23,
            3e38,
            [3e-8, 1e-46],
        ),
        (
            Custom::elementwise("Corner", corner),
            41.0,
            41.0,
            [1.0, 0.0],
        ),
        (
            Custom::elementwise("Many", many),
            2.0,
            -1.0,
            [300.0 + 2.0 * 44850.0, -300.0],
        ),
    ];
    for device in devices().iter().filter(|device| device.double) {
        for (loss, p, at, expected) in &cases {
            let loss = loss.clone().with_parameter("p", *p);
            let x = device.tracked::<1>(&[*at], [1], DType::F32);
            let value = loss.forward(x.clone(), device.tensor(&[1.0], [1], DType::F32));
            let slope = numbers(&x.grad(&value.backward()).unwrap())[0];
            for (found, expected) in [numbers(&value)[0], slope].into_iter().zip(expected) {
                let apart = (found - expected).abs();
                assert!(
                    apart <= 1e-5 * expected.abs() + 1e-45,
                    "{loss:?} at {at}: {found:e}, not {expected:e}"
                );
            }
        }
    }
}

/// What leaves the range of `f32` on the way is computed in `f64`, also where zero times infinity would have hidden it.
#[test]
fn what_is_beyond_f32_on_the_way_is_no_other_number() {
    let at = |formula: fn(Expr, Expr) -> Expr, x: f64| {
        let loss = Custom::elementwise("Mine", formula);
        let device = &devices()[0];
        let x = device.tracked::<1>(&[x], [1], DType::F32);
        let value = loss.forward(x.clone(), device.tensor(&[1.0], [1], DType::F32));
        (
            numbers(&value)[0],
            numbers(&x.grad(&value.backward()).unwrap())[0],
        )
    };
    for x in [100.0, -100.0, 60.0, 5.0] {
        let (value, slope) = at(|x, y| (x.exp() + (-x).exp()).ln() * y, x);
        assert_close("value", &[value, slope], &[x.abs(), x.tanh()], 1e-4);
    }
    let (value, slope) = at(|x, y| x.exp().sqrt() * y, 100.0);
    assert_close(
        "root",
        &[value, slope],
        &[50.0_f64.exp(), 50.0_f64.exp() / 2.0],
        1e-5,
    );
    let (value, slope) = at(|x, y| x.exp() * (1.0 / x.exp()) * y, 100.0);
    assert_close("product", &[value, slope + 1.0], &[1.0, 1.0], 1e-5);
}

#[derive(Module, Debug)]
struct Model<L: LossModule<Tensor<2>, Tensor<2>>> {
    loss: L,
}

#[test]
fn it_is_a_module_and_a_loss_among_others() {
    let device = &devices()[0];
    let loss = Custom::elementwise("Mine", |x, y| (x - y).abs() * Expr::parameter("factor"))
        .with_parameter("factor", 2.0)
        .with_reduction(Reduction::Sum)
        .with_lint("far", |operands| {
            let most = operands[1].most();
            (most > 100.0).then(|| format!("a target is {most}"))
        });
    let model = Model { loss: loss.clone() };
    assert_eq!(model.num_params(), 0);
    let shown = format!("{model}");
    assert!(
        shown.contains("Mine {reduction: Sum, factor: 2}"),
        "{shown}"
    );
    let all: Vec<Box<dyn Loss<Tensor<2>, Tensor<2>, Unreduced = Tensor<2>>>> =
        vec![Box::new(loss.clone()), Box::new(L1Loss::new())];
    let x = || device.tensor::<2>(&[1.0, 5.0], [1, 2], DType::F32);
    let y = || device.tensor::<2>(&[0.0, 200.0], [1, 2], DType::F32);
    let values: Vec<f64> = all
        .iter()
        .map(|loss| numbers(&loss.forward(x(), y()))[0])
        .collect();
    assert_eq!(values, [392.0, 98.0]);
    let lints = loss.lint(&x(), &y());
    assert_eq!(lints.len(), 1);
    assert_eq!(lints[0].to_string(), "Mine: a target is 200 [far]");
    let lints = loss.lint(&x(), &x().zeros_like());
    assert_eq!(
        lints[0].to_string(),
        "Mine: all 2 targets of the batch are 0: there is nothing to learn from it. [constant-target]"
    );
    // The calls of a loss of one operand, and of a triple.
    let entropy = Custom::elementwise_of("Entropy", |[p]| -p * p.ln());
    let p = device.tensor::<1>(&[0.0, 1.0, 0.5], [3], DType::F32);
    assert_close(
        "entropy",
        &numbers(&entropy.forward_no_reduction(p)),
        &[0.0, 0.0, 0.5_f64.ln() * -0.5],
        1e-6,
    );
    let triple = Custom::elementwise_of("Triple", |[a, b, y]| (a - b - y).square());
    let value = TripleLoss::forward(&triple, x(), y(), y());
    assert_eq!(numbers(&value).len(), 1);
    let parts = loss.forward_parts(x(), y());
    assert_eq!(
        (numbers(&parts.sum)[0], numbers(&parts.weight)[0]),
        (392.0, 2.0)
    );
    // Of a class: the logits, and the ids.
    let focal =
        Custom::softmax("MyFocal", |ln_p, _, rest| -rest * ln_p).with_lint("rare", |operands| {
            let [logits, ids] = operands else {
                unreachable!("there are two")
            };
            Some(format!("{} logits, ids to {}", logits.count(), ids.most()))
        });
    let ids = Tensor::<1, Int>::from_data([1], &device.device);
    let lints = focal.lint(&x(), &ids);
    let found = lints.iter().find(|lint| lint.rule == "rare").unwrap();
    assert_eq!(found.message, "2 logits, ids to 1");
}

/// What leaves the range of `f32` on the way, and whose value does not.
#[test]
fn finite_input_gives_no_nan() {
    let losses = [
        Custom::elementwise("Ratio", |x, y| {
            (x * x * 1e30) / (x * x * 1e30 + 1.0) + y.sign()
        }),
        Custom::elementwise("Written", |x, y| (1.0 + (x - y).exp()).ln()),
        Custom::elementwise("Entropy", |x, y| {
            x.abs() * x.abs().ln() + y.abs() * y.abs().ln()
        }),
        Custom::elementwise("Norm", |x, y| (x * x + y * y).sqrt()),
    ];
    let x = [0.0, 1e-30, 1e20, 1000.0, -1000.0, 3.0];
    let y = [0.0, 0.0, 1.0, -1000.0, 1000.0, 3.0];
    for device in devices().into_iter().filter(|device| device.double) {
        for loss in &losses {
            let x = device.tracked::<1>(&x, [6], DType::F32);
            let value = loss.forward_no_reduction(x.clone(), device.tensor(&y, [6], DType::F32));
            assert!(
                numbers(&value).iter().all(|x| x.is_finite()),
                "{loss:?}: {value}"
            );
            let gradient = numbers(&x.grad(&value.sum().backward()).unwrap());
            assert!(
                gradient.iter().all(|x| x.is_finite()),
                "{loss:?}: {gradient:?}"
            );
        }
    }
}

/// A quotient that is 1 is not rounded twice, though its slope divides by the same number: there is a corner. (A GPU may
/// divide less exactly.)
#[test]
fn a_quotient_at_a_corner_is_exact() {
    let loss = Custom::elementwise("RelativeError", |x, y| (x / y - 1.0).abs());
    let numbers_of = [3.0, 41.0, 47.0, 49.0, 55.0, 61.0, 82.0, 98.0];
    for on in devices().into_iter().filter(|on| on.double) {
        for dtype in [DType::F32, DType::F64] {
            let x = on.tracked(&numbers_of, [8], dtype);
            let value = loss.forward(x.clone(), on.tensor(&numbers_of, [8], dtype));
            assert_eq!(numbers(&value), [0.0], "on {} in {dtype:?}", on.name);
            let gradient = x.grad(&value.backward()).expect("a gradient");
            assert_eq!(numbers(&gradient), [0.0; 8], "on {} in {dtype:?}", on.name);
        }
    }
}

/// Nothing at all, tensors that are views of others, half precision, checkpointing: as of any other loss.
#[test]
fn any_tensor_will_do() {
    let mse = Custom::elementwise("MyMse", |x, y| (x - y).square());
    let dice = Custom::row(
        "MyDice",
        |[x, y]| [x * y, x + y],
        |[both, all]| 1.0 - (2.0 * both + 1.0) / (all + 1.0),
    );
    for device in devices() {
        let name = device.name;
        let none = || Tensor::<2>::zeros([0, 3], &device.device);
        let tracked = none().autodiff().require_grad();
        for value in [
            mse.forward(tracked.clone(), none()),
            dice.forward(tracked.clone(), none()),
        ] {
            assert_eq!(numbers(&value), [0.0], "{name}");
            assert_eq!(
                tracked.grad(&value.backward()).unwrap().dims(),
                [0, 3],
                "{name}"
            );
        }
        assert_eq!(
            dice.forward_no_reduction(none(), none()).dims(),
            [0, 1],
            "{name}"
        );

        let all = some(24, 1, 1.0);
        let (x, y) = (
            device.tensor::<2>(&all, [4, 6], DType::F32),
            some(24, 2, 1.0),
        );
        let y = device.tensor::<2>(&y, [6, 4], DType::F32);
        let view = mse.forward_no_reduction(x.clone().transpose(), y.clone());
        let expected = (x.clone().transpose() - y.clone()).powi_scalar(2);
        assert_close(name, &numbers(&view), &numbers(&expected), 1e-6);
        let row = y.clone().slice([0..1, 0..4]).expand([6, 4]);
        let expanded = mse.forward_no_reduction(y.clone(), row.clone());
        let expected = (y.clone() - row).powi_scalar(2);
        assert_close(name, &numbers(&expanded), &numbers(&expected), 1e-6);

        let checkpointed = device.device.clone().autodiff().gradient_checkpointing();
        let y = Tensor::<2>::from_data(y.into_data(), &checkpointed).require_grad();
        let gradients = mse.forward(y.clone(), x.transpose()).backward();
        assert!(y.grad(&gradients).is_some(), "{name}");
        if device.device.supports_dtype(DType::F16) {
            let x = device.tracked::<1>(&[200.0, 1.0, 0.5], [3], DType::F16);
            let value = mse.forward(x.clone(), device.tensor(&[0.0, 0.0, 0.0], [3], DType::F16));
            let gradient = numbers(&x.grad(&value.backward()).unwrap());
            assert_close(name, &numbers(&value), &[(40000.0 + 1.25) / 3.0], 1e-3);
            assert_close(name, &gradient, &[400.0 / 3.0, 2.0 / 3.0, 1.0 / 3.0], 1e-3);
        }
    }
}
