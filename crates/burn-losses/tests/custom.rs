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
