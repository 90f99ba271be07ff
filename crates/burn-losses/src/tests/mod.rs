//! Every definition, run on scalars and on tensors: the same code, so the same numbers.
//!
//! The scalars are what a loop over memory will run, and in `f64` the reference for it.

use crate::losses::classification::{
    definitions::Bce, definitions::BceWithLogits, definitions::Divergence,
    definitions::DivergenceOfLogs, definitions::Focal, definitions::Logistic,
};
use crate::losses::ranking::{definitions::Hinge, definitions::Ranking, definitions::TripletHinge};
use crate::losses::regression::{
    definitions::AbsoluteError, definitions::Gaussian, definitions::Huber, definitions::Poisson,
    definitions::SmoothAbsoluteError, definitions::SquaredError,
};
use crate::real::Real;
use crate::spec::elementwise::Elementwise;
use crate::spec::margin::{half_gap, margin_term};
use crate::spec::norm::{COSINE_EMBEDDING, Length, NormFloor, cosine_embedding, length};
use crate::spec::softmax::{SoftmaxHead, cross_entropy_slope, nll_term, slope_of_class};
use burn::tensor::{DType, Device, Tensor, TensorData};

#[cfg(feature = "flex")]
mod formulas;
#[cfg(feature = "wgpu")]
pub(crate) mod gpu;
mod ids;
#[cfg(feature = "flex")]
mod one_pass;
#[cfg(any(feature = "flex", feature = "ndarray"))]
mod sweeps;

std::thread_local! {
    static PORTABLE: core::cell::Cell<bool> = const { core::cell::Cell::new(false) };
}

/// Whether this thread's losses are to be computed with tensor operations, sweeps or not.
pub(crate) fn portable_is_forced() -> bool {
    PORTABLE.get()
}

#[cfg(feature = "cube")]
std::thread_local! {
    static MOST_BOUND: core::cell::Cell<Option<usize>> = const { core::cell::Cell::new(None) };
}

/// How many tensors a kernel may have, if a test says so.
#[cfg(feature = "cube")]
pub(crate) fn most_bound() -> Option<usize> {
    MOST_BOUND.get()
}

/// Runs a function with the losses computed with tensor operations.
#[cfg(any(feature = "flex", feature = "ndarray"))]
fn portably<R>(run: impl FnOnce() -> R) -> R {
    PORTABLE.set(true);
    let result = run();
    PORTABLE.set(false);
    result
}

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
fn compare<D: Elementwise<K, S>, const K: usize, const S: usize>(
    definition: D,
    (xs, ys): (Vec<f64>, Vec<f64>),
    operands: impl Fn(f64, f64) -> [f64; K],
) {
    let rows: Vec<[f64; K]> = xs.iter().zip(&ys).map(|(&x, &y)| operands(x, y)).collect();
    for (dtype, digits) in [(DType::F64, 1e-14), (DType::F32, 1e-6)] {
        let columns = core::array::from_fn(|at| {
            let column: Vec<f64> = rows.iter().map(|row| row[at]).collect();
            let data = TensorData::new(column, [rows.len()]).convert_dtype(dtype);
            Tensor::<1>::from_data(data, (&Device::flex(), dtype))
        });
        let (value, slopes) = definition.at(columns);
        let values = numbers(value);
        let slopes = slopes().map(numbers);
        for (at, &row) in rows.iter().enumerate() {
            let (value, of_scalars) = if dtype == DType::F64 {
                let (value, slopes) = definition.at(row);
                (value, slopes())
            } else {
                let (value, slopes) = definition.at(row.map(|number| number as f32));
                (f64::from(value), slopes().map(f64::from))
            };
            let slopes = slopes.iter().map(|slopes| slopes[at]).zip(of_scalars);
            for (found, expected) in slopes.chain([(values[at], value)]) {
                let close = found == expected
                    || (found - expected).abs() <= digits * expected.abs().max(f64::MIN_POSITIVE);
                assert!(
                    close,
                    "{}{row:?} in {dtype:?}: tensors {found:e}, scalars {expected:e}",
                    core::any::type_name::<D>()
                );
            }
        }
    }
}

/// The maths of a family, as a definition.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
struct NllTerm;

impl Elementwise<2> for NllTerm {
    fn at<R: Real>(&self, [log_prob, q]: [R; 2]) -> (R, impl FnOnce() -> [R; 1]) {
        let (value, slope) = nll_term(log_prob, q);
        (value, move || [slope()])
    }
}

#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
struct CrossEntropySlope;

impl Elementwise<3> for CrossEntropySlope {
    fn at<R: Real>(&self, [prob, q, q_of_rest]: [R; 3]) -> (R, impl FnOnce() -> [R; 1]) {
        let rest = (-prob.clone()).plus(1.0);
        let slope = cross_entropy_slope(prob.clone(), rest, q, q_of_rest);
        (prob.ln_1p(), move || [slope])
    }
}

/// The head of a softmax over two classes, of which the other has logit 0.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
struct OfTwo<H>(H);

impl<H: SoftmaxHead + Copy> Elementwise<2> for OfTwo<H> {
    fn at<R: Real>(&self, [x, zero]: [R; 2]) -> (R, impl FnOnce() -> [R; 1]) {
        let other = (-x.clone()).exp();
        let (ln_sum, sum) = (other.clone().ln_1p(), other.clone().plus(1.0));
        let (p, rest) = (zero.plus(1.0) / sum.clone(), other / sum);
        let of_class = self
            .0
            .of(-ln_sum.clone(), p.clone(), rest.clone(), x + ln_sum);
        let (loss, of_ln_p, of_lse) = of_class;
        (loss, move || [slope_of_class(p, rest, of_ln_p, of_lse)])
    }
}

#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
struct MarginTerm {
    squared: bool,
}

impl Elementwise<2> for MarginTerm {
    fn at<R: Real>(&self, [class, label]: [R; 2]) -> (R, impl FnOnce() -> [R; 1]) {
        let share = (class.clone() - class.clone()).plus(0.2);
        let half = half_gap(class, label, 1.0);
        let (value, slope) = margin_term(half, self.squared, share);
        (value, move || [slope()])
    }
}

#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
struct CosineEmbedding;

impl Elementwise<2> for CosineEmbedding {
    fn at<R: Real>(&self, [cosine, sign]: [R; 2]) -> (R, impl FnOnce() -> [R; 1]) {
        let (value, slope) = cosine_embedding(cosine, sign, 0.25);
        (value, move || [slope()])
    }
}

/// The length that counts of a norm, and its share.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
struct LengthOf(NormFloor);

impl Elementwise<2> for LengthOf {
    fn at<R: Real>(&self, [norm, _]: [R; 2]) -> (R, impl FnOnce() -> [R; 1]) {
        let Length { length, share, own } = length(norm, self.0);
        (length, move || [share + own])
    }
}

const ANY: &[f64] = &[-1e4, -20.0, -1.5, -0.25, 0.0, 0.25, 1.0, 3.0, 20.0, 1e4];
const PROBS: &[f64] = &[0.0, 1e-9, 0.25, 0.5, 0.75, 1.0];
const RATES: &[f64] = &[0.0, 1e-9, 1e-6, 0.25, 1.0, 3.0, 40.0, 1e8];
const SIGNS: &[f64] = &[-1.0, 1.0];
const LOG_PROBS: &[f64] = &[f64::NEG_INFINITY, -20.0, -1.0, -0.25, 0.0];

#[test]
fn scalars_and_tensors_agree() {
    let pair = |x, y| [x, y];
    compare(AbsoluteError, grid(ANY, ANY), pair);
    compare(SquaredError, grid(ANY, ANY), pair);
    for label_smoothing in [0.0, 0.25] {
        compare(Bce { label_smoothing }, grid(PROBS, PROBS), pair);
        let definition = BceWithLogits { label_smoothing };
        compare::<_, 2, 1>(definition, grid(ANY, PROBS), pair);
        compare::<_, 3, 1>(definition, grid(ANY, PROBS), |x, y| [x, y, 3.0]);
    }
    compare(Divergence, grid(LOG_PROBS, PROBS), pair);
    compare(DivergenceOfLogs, grid(LOG_PROBS, LOG_PROBS), pair);
    compare(NllTerm, grid(LOG_PROBS, PROBS), pair);
    compare(CrossEntropySlope, grid(PROBS, PROBS), |p, q| [p, q, 0.5]);
    for gamma in [0.0, 0.5, 2.0] {
        let logits = grid(&[-40.0, -1.5, 0.0, 0.25, 3.0, 20.0, 40.0], &[0.0]);
        compare(OfTwo(Focal { gamma }), logits, pair);
    }
    compare(Hinge { margin: 1.0 }, grid(ANY, SIGNS), pair);
    compare(Ranking { margin: 0.25 }, grid(ANY, SIGNS), |x, y| {
        [x, 0.5, y]
    });
    let distances = grid(&[0.0, 0.5, 1.0, 3.0], &[0.0, 0.5, 1.5, 2.0]);
    compare(TripletHinge { margin: 1.0 }, distances, pair);
    for option in [0.0, 0.5, 1e4] {
        let definition = SmoothAbsoluteError::<true> { beta: option };
        compare(definition, grid(ANY, ANY), pair);
        if (1e-30..1e30).contains(&option) {
            let definition = SmoothAbsoluteError::<false> { beta: option };
            compare(definition, grid(ANY, ANY), pair);
        }
        compare(Huber { delta: option }, grid(ANY, ANY), pair);
    }
    let (eps, least) = (1e-8, f64::from(f32::MIN_POSITIVE));
    compare(
        Poisson::<true, false> { eps, least },
        grid(ANY, RATES),
        pair,
    );
    compare(Poisson::<true, true> { eps, least }, grid(ANY, RATES), pair);
    compare(
        Poisson::<false, false> { eps, least },
        grid(RATES, RATES),
        pair,
    );
    compare(
        Poisson::<false, true> { eps, least },
        grid(RATES, RATES),
        pair,
    );
    let gaussian = Gaussian::<false> {
        eps: 1e-6,
        full: true,
    };
    compare(gaussian, grid(ANY, RATES), |x, v| [x, 0.75, v]);
    compare(Logistic, grid(ANY, SIGNS), pair);
    for squared in [false, true] {
        compare(MarginTerm { squared }, grid(ANY, ANY), pair);
    }
    compare(
        CosineEmbedding,
        grid(&[-1.0, -0.5, 0.0, 0.25, 1.0], SIGNS),
        pair,
    );
    for short in [NormFloor::AtLeast(1e-8), COSINE_EMBEDDING] {
        compare(LengthOf(short), grid(RATES, SIGNS), pair);
    }
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
