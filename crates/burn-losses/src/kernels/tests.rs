//! Every definition, run on scalars and on tensors: the same code, so the same numbers.
//!
//! The scalars are what a loop over memory will run, and in `f64` the reference for it.

use super::real::Real;
use crate::classification::definitions::{
    bce, bce_with_logits, cross_entropy_slope, kl_div, kl_div_log_target, nll_term,
};
use crate::ranking::definitions::{hinge_embedding, margin_ranking, triplet_margin};
use crate::regression::definitions::{l1, mse};
use burn::tensor::{DType, Device, Tensor, TensorData};

/// Pairs of numbers: every one of the first list with every one of the second.
fn grid(xs: &[f64], ys: &[f64]) -> (Vec<f64>, Vec<f64>) {
    xs.iter()
        .flat_map(|&x| ys.iter().map(move |&y| (x, y)))
        .unzip()
}

fn numbers(tensor: Tensor<1>) -> Vec<f64> {
    tensor.into_data().iter().collect()
}

/// Compares tensors with scalars of both float types, value and derivative, bit for bit up to the
/// last digits in which two implementations of `exp` and `ln` may differ.
fn compare<F: FnOnce() -> f64, G: FnOnce() -> f32, H: FnOnce() -> Tensor<1>>(
    name: &str,
    (xs, ys): (Vec<f64>, Vec<f64>),
    of_doubles: impl Fn(f64, f64) -> (f64, F),
    of_singles: impl Fn(f32, f32) -> (f32, G),
    of_tensors: impl Fn(Tensor<1>, Tensor<1>) -> (Tensor<1>, H),
) {
    for (dtype, digits) in [(DType::F64, 1e-14), (DType::F32, 1e-6)] {
        let tensor = |values: &[f64]| {
            let data = TensorData::new(values.to_vec(), [values.len()]).convert_dtype(dtype);
            Tensor::<1>::from_data(data, (&Device::flex(), dtype))
        };
        let (value, slope) = of_tensors(tensor(&xs), tensor(&ys));
        let found = numbers(value).into_iter().zip(numbers(slope()));
        for (found, (&x, &y)) in found.zip(xs.iter().zip(&ys)) {
            let expected = if dtype == DType::F64 {
                let (value, slope) = of_doubles(x, y);
                (value, slope())
            } else {
                let (value, slope) = of_singles(x as f32, y as f32);
                (f64::from(value), f64::from(slope()))
            };
            for (found, expected) in [(found.0, expected.0), (found.1, expected.1)] {
                let close = found == expected
                    || (found - expected).abs() <= digits * expected.abs().max(f64::MIN_POSITIVE);
                assert!(
                    close,
                    "{name}({x}, {y}) in {dtype:?}: tensors {found:e}, scalars {expected:e}"
                );
            }
        }
    }
}

const ANY: &[f64] = &[-1e4, -20.0, -1.5, -0.25, 0.0, 0.25, 1.0, 3.0, 20.0, 1e4];
const PROBS: &[f64] = &[0.0, 1e-9, 0.25, 0.5, 0.75, 1.0];
const SIGNS: &[f64] = &[-1.0, 1.0];
const LOG_PROBS: &[f64] = &[f64::NEG_INFINITY, -20.0, -1.0, -0.25, 0.0];

#[test]
fn scalars_and_tensors_agree() {
    compare("l1", grid(ANY, ANY), l1, l1, l1);
    compare("mse", grid(ANY, ANY), mse, mse, mse);
    compare("bce", grid(PROBS, PROBS), bce, bce, bce);
    compare(
        "bce_with_logits",
        grid(ANY, PROBS),
        |x, y| bce_with_logits(x, y, None),
        |x, y| bce_with_logits(x, y, None),
        |x, y| bce_with_logits(x, y, None),
    );
    compare("kl_div", grid(LOG_PROBS, PROBS), kl_div, kl_div, kl_div);
    compare(
        "kl_div_log_target",
        grid(LOG_PROBS, LOG_PROBS),
        kl_div_log_target,
        kl_div_log_target,
        kl_div_log_target,
    );
    compare("nll", grid(LOG_PROBS, PROBS), nll_term, nll_term, nll_term);
    compare(
        "cross_entropy",
        grid(PROBS, PROBS),
        |p, q| (q, move || cross_entropy_slope(p, 1.0 - p, q, 0.5)),
        |p, q| (q, move || cross_entropy_slope(p, 1.0 - p, q, 0.5)),
        |p, q| {
            let rest = p.clone().neg().add_scalar(1.0);
            let half = q.clone().mul_scalar(0.0).add_scalar(0.5);
            (q.clone(), || cross_entropy_slope(p, rest, q, half))
        },
    );
    compare(
        "hinge_embedding",
        grid(ANY, SIGNS),
        |x, y| hinge_embedding(x, y, 1.0),
        |x, y| hinge_embedding(x, y, 1.0),
        |x, y| hinge_embedding(x, y, 1.0),
    );
    compare(
        "margin_ranking",
        grid(ANY, SIGNS),
        |x, y| margin_ranking(x, 0.5, y, 0.25),
        |x, y| margin_ranking(x, 0.5, y, 0.25),
        |x, y| {
            let other = y.clone().mul_scalar(0.0).add_scalar(0.5);
            margin_ranking(x, other, y, 0.25)
        },
    );
    compare(
        "triplet_margin",
        grid(&[0.0, 0.5, 1.0, 3.0], &[0.0, 0.5, 1.5, 2.0]),
        |x, y| triplet_margin(x, y, 1.0),
        |x, y| triplet_margin(x, y, 1.0),
        |x, y| triplet_margin(x, y, 1.0),
    );
}

#[test]
fn ln_1p_keeps_tiny_numbers() {
    for x in [
        1e-300, 1e-18, 1e-9, 1e-3, 0.1, 0.5, 0.9999, 1.0, -0.5, -1e-9,
    ] {
        let expected = f64::ln_1p(x);
        let found = x.ln_1p_small();
        assert!(
            (found / expected - 1.0).abs() < 4e-16,
            "{x}: {found:e}, not {expected:e}"
        );
        let found = f64::from((x as f32).ln_1p_small());
        let expected = f64::ln_1p(f64::from(x as f32));
        let exact = if expected == 0.0 {
            0.0
        } else {
            found / expected - 1.0
        };
        assert!(
            exact.abs() < 2e-7,
            "{x} in f32: {found:e}, not {expected:e}"
        );
    }
}
