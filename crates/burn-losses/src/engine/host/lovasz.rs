//! The sweep over the Lovász extension of the Jaccard loss: of the errors of a class's pixels, the largest first.

use super::numbers::Float;
use super::row_kernel::{HostRows, RowBlock};
use super::scale::clamp;
use super::vectors::Vectors;
use alloc::vec;
use alloc::vec::Vec;

/// The Lovász extension of the Jaccard loss, of errors and of where a class is true: 1, 0, or -1 where a pixel does not
/// count. What is no error, 0 or less, adds nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LovaszRows;

impl HostRows<2> for LovaszRows {
    fn part(&self) -> f64 {
        1.0
    }

    fn rows_f32(&self, _: Vectors, block: RowBlock<f32, 2>) {
        rows(block, sort_f32);
    }

    fn rows_f64(&self, _: Vectors, block: RowBlock<f64, 2>) {
        rows(block, sort_f64);
    }
}

/// The losses of rows of such a length, and their slopes.
pub(crate) fn of_values(errors: &[f64], truth: &[f64], length: usize) -> (Vec<f64>, Vec<f64>) {
    let mut slopes = vec![0.0; errors.len()];
    let (mut losses, mut order) = (Vec::new(), Vec::new());
    let rows = errors.chunks_exact(length).zip(truth.chunks_exact(length));
    for ((errors, truth), slopes) in rows.zip(slopes.chunks_exact_mut(length)) {
        losses.push(of_row(errors, truth, &mut order, slopes, sort_f64));
    }
    (losses, slopes)
}

fn sort_f64(errors: &[f64], order: &mut [u32]) {
    order.sort_by(|&a, &b| errors[b as usize].total_cmp(&errors[a as usize]));
}

fn rows<F: Float>(block: RowBlock<F, 2>, sort: fn(&[F], &mut [u32])) {
    let RowBlock {
        x: [errors, truth],
        length,
        weights,
        scale,
        losses,
        gradients: [mut gradient, _],
        ..
    } = block;
    let mut order: Vec<u32> = Vec::with_capacity(length);
    let mut slopes = vec![F::default(); length];
    let rows = errors.chunks_exact(length).zip(truth.chunks_exact(length));
    for (row, (errors, truth)) in rows.enumerate() {
        let weight = weights[row];
        let loss = of_row(errors, truth, &mut order, &mut slopes, sort);
        losses[row] = F::of(loss).times_or_zero(weight);
        if let Some(gradient) = &mut gradient {
            let step = weight * scale;
            gradient.fill(length, |at| clamp(slopes[at].times_or_zero(step)));
        }
    }
}

/// The loss of a row, and its slopes; NaN where an error or a target is.
fn of_row<F: Float>(
    errors: &[F],
    truth: &[F],
    order: &mut Vec<u32>,
    slopes: &mut [F],
    sort: fn(&[F], &mut [u32]),
) -> f64 {
    let length = errors.len();
    let known = |at: usize| truth[at].equals(-1.0) || !(errors[at].is_nan() || truth[at].is_nan());
    if !(0..length).all(known) {
        slopes.fill(F::NAN);
        return f64::NAN;
    }
    order.clear();
    let counts = |at: usize| errors[at] > F::default() && !truth[at].equals(-1.0);
    order.extend((0..length).filter(|&at| counts(at)).map(|at| at as u32));
    sort(errors, order);
    slopes.fill(F::default());
    extension(errors, truth, order, slopes)
}

/// The sum of errors, each times what its pixel adds to the Jaccard loss of those before it; that is its slope too.
fn extension<F: Float>(errors: &[F], truth: &[F], order: &[u32], slopes: &mut [F]) -> f64 {
    let is_true = |at: usize| truth[at].equals(1.0);
    let mut left = (0..truth.len()).filter(|&at| is_true(at)).count() as f64;
    let mut either = left;
    let mut loss = 0.0;
    for &at in order {
        let at = at as usize;
        let step = if is_true(at) {
            left -= 1.0;
            1.0 / either
        } else {
            either += 1.0;
            // Nothing is true: the first error is all of the loss.
            match either {
                1.0 => 1.0,
                _ => left / (either * (either - 1.0)),
            }
        };
        loss += errors[at].double() * step;
        slopes[at] = F::of(step);
    }
    loss
}

/// Sorts places by their positive numbers, the largest first, equal ones in order.
fn sort_f32(numbers: &[f32], order: &mut [u32]) {
    const BITS: u32 = 11;
    const DIGITS: usize = 1 << BITS;
    // Positive numbers are ordered as their bits are. What is largest comes first.
    let keyed = |&at: &u32| (u64::from(!numbers[at as usize].to_bits()) << 32) | u64::from(at);
    let mut keys: Vec<u64> = order.iter().map(keyed).collect();
    let mut sorted = vec![0; keys.len()];
    for shift in [32, 32 + BITS, 32 + 2 * BITS] {
        let digit = |key: u64| (key >> shift) as usize % DIGITS;
        let mut places = vec![0_usize; DIGITS + 1];
        for &key in &keys {
            places[digit(key) + 1] += 1;
        }
        for at in 0..DIGITS {
            places[at + 1] += places[at];
        }
        for &key in &keys {
            let place = &mut places[digit(key)];
            sorted[*place] = key;
            *place += 1;
        }
        core::mem::swap(&mut keys, &mut sorted);
    }
    for (to, key) in order.iter_mut().zip(keys) {
        *to = key as u32;
    }
}
