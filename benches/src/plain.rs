//! Plain loops over the elements of a loss: what the sweeps are measured against.
//!
//! A loop reads its operands once, computes the loss, looks whether the target is allowed, and adds up; with
//! the gradient it scales and clamps the slope and writes it, into memory that is there already. There are no
//! shapes, weights, reductions or types to ask for, and no graph.

use crate::cases::{Case, Contestant, PLAIN, Prepare, normal};
use burn::tensor::{Device, Tensor, activation};
use burn_losses::Checks;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::hint::black_box;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex};

/// How many sums are kept side by side: a row of 1000 is a whole number of them.
const LANES: usize = 8;
/// From how many elements on there is one: a call and a thread that wakes up are nothing beside it.
const LARGE: usize = 1 << 20;
/// How many rows a thread works on at a time.
const ROWS: usize = 16;

/// The maths of a loss.
trait Term: Copy + Send + Sync + 'static {
    /// The target is a distribution: no number is negative, and a row adds up to 1.
    const DISTRIBUTION: bool = false;

    /// The loss and its derivative with respect to the prediction.
    fn at(x: f32, y: f32) -> (f32, f32);
}

#[derive(Clone, Copy)]
struct L1;

impl Term for L1 {
    #[inline(always)]
    fn at(x: f32, y: f32) -> (f32, f32) {
        let difference = x - y;
        let sign = if difference == 0.0 {
            0.0
        } else {
            1f32.copysign(difference)
        };
        (difference.abs(), sign)
    }
}

#[derive(Clone, Copy)]
struct Mse;

impl Term for Mse {
    #[inline(always)]
    fn at(x: f32, y: f32) -> (f32, f32) {
        let difference = x - y;
        (difference * difference, 2.0 * difference)
    }
}

#[derive(Clone, Copy)]
struct Huber;

impl Term for Huber {
    #[inline(always)]
    fn at(x: f32, y: f32) -> (f32, f32) {
        let difference = x - y;
        let size = difference.abs();
        let bounded = if size > 1.0 { 1.0 } else { size };
        let slope = if difference < 0.0 { -bounded } else { bounded };
        (bounded * (size - 0.5 * bounded), slope)
    }
}

#[derive(Clone, Copy)]
struct KlDiv;

impl Term for KlDiv {
    const DISTRIBUTION: bool = true;

    #[inline(always)]
    fn at(x: f32, y: f32) -> (f32, f32) {
        let loss = y * (ln(y) - x);
        (if y > 0.0 { loss } else { 0.0 }, -y)
    }
}

/// The logarithm of a positive number: the exponent, and a polynomial for what is left of it.
#[inline(always)]
fn ln(x: f32) -> f32 {
    const SQRT_HALF: u32 = 0x3f35_04f3;
    const SERIES: [f32; 5] = [2.0 / 11.0, 2.0 / 9.0, 2.0 / 7.0, 2.0 / 5.0, 2.0 / 3.0];
    let k = (x.to_bits().wrapping_sub(SQRT_HALF) as i32) >> 23;
    let m = f32::from_bits(x.to_bits().wrapping_sub((k << 23) as u32));
    let s = (m - 1.0) / (m + 1.0);
    let square = s * s;
    let mut series = SERIES[0];
    for factor in &SERIES[1..] {
        series = series.mul_add(square, *factor);
    }
    let odd = (series * square).mul_add(s, 2.0 * s);
    (k as f32).mul_add(std::f32::consts::LN_2, odd)
}

/// The sum of the losses of some rows, and whether a target was not allowed.
struct OfRows<'a, T, const GRADIENT: bool> {
    term: PhantomData<T>,
    x: &'a [f32],
    y: &'a [f32],
    row: usize,
    /// Where the gradient goes, and what the slopes are multiplied by.
    gradient: &'a mut [f32],
    scale: f32,
}

impl<T: Term, const GRADIENT: bool> WithSimd for OfRows<'_, T, GRADIENT> {
    type Output = (f64, bool);

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> (f64, bool) {
        let (mut sum, mut invalid) = (0.0, false);
        let rows = self.x.chunks(self.row).zip(self.y.chunks(self.row));
        for (at, (x, y)) in rows.enumerate() {
            let (mut sums, mut totals, mut broken) = ([0f32; LANES], [0f32; LANES], [0u32; LANES]);
            let (x, y) = (x.as_chunks::<LANES>().0, y.as_chunks::<LANES>().0);
            let gradient = match GRADIENT {
                true => &mut self.gradient[at * self.row..(at + 1) * self.row],
                false => &mut [],
            };
            let gradient = gradient.as_chunks_mut::<LANES>().0;
            for (at, (x, y)) in x.iter().zip(y).enumerate() {
                let mut slopes = [0f32; LANES];
                for lane in 0..LANES {
                    let (loss, slope) = T::at(x[lane], y[lane]);
                    sums[lane] += loss;
                    slopes[lane] = slope;
                    let allowed = match T::DISTRIBUTION {
                        true => (y[lane] >= 0.0) & (y[lane] <= 1.0),
                        false => y[lane].abs() <= f32::MAX,
                    };
                    broken[lane] |= u32::from(!allowed);
                    if T::DISTRIBUTION {
                        totals[lane] += y[lane];
                    }
                }
                if GRADIENT {
                    for slope in &mut slopes {
                        let scaled = *slope * self.scale;
                        let scaled = if scaled > f32::MAX { f32::MAX } else { scaled };
                        *slope = if scaled < -f32::MAX {
                            -f32::MAX
                        } else {
                            scaled
                        };
                    }
                    gradient[at] = slopes;
                }
            }
            sum += sums.iter().copied().map(f64::from).sum::<f64>();
            invalid |= broken.iter().any(|&broken| broken != 0);
            let total: f64 = totals.iter().copied().map(f64::from).sum();
            invalid |= T::DISTRIBUTION && (total - 1.0).abs() > 1e-3;
        }
        (sum, invalid)
    }
}

/// `e` to a power of at most 0: a power of two, and a polynomial for what is left.
#[inline(always)]
fn exp(x: f32) -> f32 {
    const SERIES: [f32; 5] = [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0];
    // The last bits of a sum with this number are the whole number nearest to the other.
    const ROUND: f32 = 12_582_912.0;
    let x = if x < -87.0 { -87.0 } else { x };
    let rounded = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let k = rounded - ROUND;
    let r = k.mul_add(-0.693_359_4, x);
    let r = k.mul_add(2.121_944_4e-4, r);
    let mut series = 1.0 / 720.0;
    for term in SERIES {
        series = f32::mul_add(series, r, term);
    }
    let exp = series.mul_add(r, 1.0);
    f32::from_bits(exp.to_bits().wrapping_add(rounded.to_bits() << 23))
}

/// The cross-entropy of some rows, with the classes' ids; and whether an id was no class.
struct SoftmaxRows<'a, const GRADIENT: bool> {
    x: &'a [f32],
    ids: &'a [i32],
    row: usize,
    /// Where the gradient goes, and what the slopes are multiplied by. Without a gradient it is room for a row.
    gradient: &'a mut [f32],
    scale: f32,
}

impl<const GRADIENT: bool> WithSimd for SoftmaxRows<'_, GRADIENT> {
    type Output = (f64, bool);

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> (f64, bool) {
        const WIDE: usize = 4 * LANES;
        let (mut sum, mut invalid) = (0.0, false);
        for (at, (x, &id)) in self.x.chunks_exact(self.row).zip(self.ids).enumerate() {
            let place = if GRADIENT { at * self.row } else { 0 };
            let exps = &mut self.gradient[place..place + self.row];
            let (lanes, rest) = x.as_chunks::<WIDE>();
            let mut largest = [f32::NEG_INFINITY; WIDE];
            for x in lanes {
                for (largest, &x) in largest.iter_mut().zip(x) {
                    *largest = if x > *largest { x } else { *largest };
                }
            }
            let most = |a: f32, &b: &f32| if b > a { b } else { a };
            let largest = largest.iter().chain(rest).fold(f32::NEG_INFINITY, most);
            let mut sums = [0f32; WIDE];
            let (exp_lanes, exp_rest) = exps.as_chunks_mut::<WIDE>();
            for (exps, x) in exp_lanes.iter_mut().zip(lanes) {
                for lane in 0..WIDE {
                    exps[lane] = exp(x[lane] - largest);
                    sums[lane] += exps[lane];
                }
            }
            for ((sum, exp_at), &x) in sums.iter_mut().zip(exp_rest).zip(rest) {
                *exp_at = exp(x - largest);
                *sum += *exp_at;
            }
            let total: f64 = sums.iter().copied().map(f64::from).sum();
            let Some(&own) = usize::try_from(id).ok().and_then(|id| x.get(id)) else {
                invalid = true;
                continue;
            };
            sum += total.ln() - f64::from(own - largest);
            if GRADIENT {
                let factor = self.scale / total as f32;
                for exp in &mut *exps {
                    *exp *= factor;
                }
                exps[id as usize] -= self.scale;
            }
        }
        (sum, invalid)
    }
}

/// The loop for cross-entropy on all threads.
fn cross_entropy(row: usize, x: Vec<f32>, ids: Vec<i32>) -> Prepare {
    let gradient = Arc::new(Mutex::new(vec![0f32; x.len()]));
    let operands = Arc::new((x, ids));
    Box::new(move |backward| {
        let (operands, gradient) = (operands.clone(), gradient.clone());
        Box::new(move || {
            let (x, ids) = &*operands;
            let mut gradient = gradient.lock().expect("nobody panics");
            let (arch, scale) = (Arch::new(), 1.0 / ids.len() as f32);
            let rows = x.par_chunks(row * ROWS).zip(ids.par_chunks(ROWS));
            let of_rows = |((x, ids), gradient): ((_, _), _)| match backward {
                true => arch.dispatch(SoftmaxRows::<true> {
                    x,
                    ids,
                    row,
                    gradient,
                    scale,
                }),
                false => arch.dispatch(SoftmaxRows::<false> {
                    x,
                    ids,
                    row,
                    gradient,
                    scale,
                }),
            };
            let chunks = rows.zip(gradient.par_chunks_mut(row * ROWS));
            let parts: Vec<(f64, bool)> = chunks.map(of_rows).collect();
            let sum: f64 = parts.iter().map(|(sum, _)| sum).sum();
            let valid = !parts.iter().any(|(_, invalid)| *invalid);
            assert!(valid, "the targets are valid");
            Box::new(black_box(sum))
        })
    })
}

/// The plain loop for a case, if there is one.
pub(crate) fn plain(case: &Case, device: &Device) -> Option<Contestant> {
    let &[_, row] = case.shape.as_slice() else {
        return None;
    };
    if row % LANES != 0 || case.elements() < LARGE {
        return None;
    }
    let [x, y] = [0; 2].map(|_| normal(&case.shape, device));
    let numbers = |tensor: Tensor<2>| tensor.into_data().convert::<f32>().try_to_vec::<f32>();
    let numbers = |tensor| numbers(tensor).expect("floats");
    let of = |x, y| [numbers(x), numbers(y)];
    let prepare = match case.loss {
        "l1" => prepare::<L1>(row, of(x, y)),
        "mse" => prepare::<Mse>(row, of(x, y)),
        "huber" => prepare::<Huber>(row, of(x, y)),
        "kl_div" => prepare::<KlDiv>(
            row,
            of(activation::log_softmax(x, 1), activation::softmax(y, 1)),
        ),
        "cross_entropy" => {
            // Numbers that are far from each other, as those of classes are in memory.
            let ids = (0..case.shape[0]).map(|sample| (sample * 7919 % row) as i32);
            cross_entropy(row, numbers(x), ids.collect())
        }
        _ => return None,
    };
    Some(Contestant {
        name: PLAIN,
        prepare,
        checks: Checks::Auto,
    })
}

fn prepare<T: Term>(row: usize, [x, y]: [Vec<f32>; 2]) -> Prepare {
    let gradient = Arc::new(Mutex::new(vec![0f32; x.len()]));
    let operands = Arc::new([x, y]);
    Box::new(move |backward| {
        let (operands, gradient) = (operands.clone(), gradient.clone());
        Box::new(move || {
            let mut gradient = gradient.lock().expect("nobody panics");
            let parts = match backward {
                true => run::<T, true>(row, &operands, &mut gradient),
                false => run::<T, false>(row, &operands, &mut gradient),
            };
            let sum: f64 = parts.iter().map(|(sum, _)| sum).sum();
            let valid = !parts.iter().any(|(_, invalid)| *invalid);
            assert!(valid, "the targets are valid");
            Box::new(black_box(sum))
        })
    })
}

/// The loop on all threads; what each gave.
fn run<T: Term, const GRADIENT: bool>(
    row: usize,
    [x, y]: &[Vec<f32>; 2],
    gradient: &mut [f32],
) -> Vec<(f64, bool)> {
    let (arch, chunk, scale) = (Arch::new(), row * ROWS, 1.0 / x.len() as f32);
    let operands = x.par_chunks(chunk).zip(y.par_chunks(chunk));
    let chunks = operands.zip(gradient.par_chunks_mut(chunk));
    let of_rows = |((x, y), gradient)| {
        arch.dispatch(OfRows::<T, GRADIENT> {
            term: PhantomData,
            x,
            y,
            row,
            gradient,
            scale,
        })
    };
    chunks.map(of_rows).collect()
}
