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
    let (mut losses, mut pixels) = (Vec::new(), Vec::new());
    let rows = errors.chunks_exact(length).zip(truth.chunks_exact(length));
    for ((errors, truth), slopes) in rows.zip(slopes.chunks_exact_mut(length)) {
        losses.push(of_row(errors, truth, &mut pixels, slopes, sort_f64));
    }
    (losses, slopes)
}

/// A pixel that counts: its error, where it is, and whether the class is true there.
#[derive(Clone, Copy)]
struct Pixel<F> {
    error: F,
    at: u32,
    is_true: bool,
}

fn sort_f64(pixels: &mut [Pixel<f64>]) {
    pixels.sort_by(|a, b| b.error.total_cmp(&a.error));
}

fn rows<F: Float>(block: RowBlock<F, 2>, sort: fn(&mut [Pixel<F>])) {
    let RowBlock {
        x: [errors, truth],
        length,
        weights,
        scale,
        losses,
        gradients: [mut gradient, _],
        ..
    } = block;
    let mut pixels = Vec::with_capacity(length);
    let mut slopes = vec![F::default(); length];
    let rows = errors.chunks_exact(length).zip(truth.chunks_exact(length));
    for (row, (errors, truth)) in rows.enumerate() {
        let weight = weights[row];
        let loss = of_row(errors, truth, &mut pixels, &mut slopes, sort);
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
    pixels: &mut Vec<Pixel<F>>,
    slopes: &mut [F],
    sort: fn(&mut [Pixel<F>]),
) -> f64 {
    let mut known = true;
    let mut left = 0_usize;
    pixels.clear();
    for (at, (&error, &truth)) in errors.iter().zip(truth).enumerate() {
        let is_true = truth.equals(1.0);
        let counts = !truth.equals(-1.0);
        known &= !counts || !(error.is_nan() || truth.is_nan());
        left += usize::from(is_true);
        if counts && error > F::default() {
            let at = at as u32;
            pixels.push(Pixel { error, at, is_true });
        }
    }
    if !known {
        slopes.fill(F::NAN);
        return f64::NAN;
    }
    sort(pixels);
    slopes.fill(F::default());
    extension(pixels, left, slopes)
}

/// The sum of errors, each times what its pixel adds to the Jaccard loss of those before it; that is its slope too. The class
/// is true at so many pixels.
fn extension<F: Float>(pixels: &[Pixel<F>], is_true_at: usize, slopes: &mut [F]) -> f64 {
    let mut left = is_true_at as f64;
    let mut either = left;
    let mut loss = 0.0;
    for pixel in pixels {
        let step = if pixel.is_true {
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
        loss += pixel.error.double() * step;
        slopes[pixel.at as usize] = F::of(step);
    }
    loss
}

/// Sorts by the errors, the largest first, equal ones in order.
fn sort_f32(pixels: &mut [Pixel<f32>]) {
    // Below are the place, and whether the class is true there.
    const LOW: u32 = 33;
    const BITS: u32 = 11;
    const DIGITS: usize = 1 << BITS;
    const SHIFTS: [u32; 3] = [LOW, LOW + BITS, LOW + 2 * BITS];
    // Positive numbers, whose sign is 0, are ordered as their bits are. What is largest comes first.
    let keyed = |pixel: &Pixel<f32>| {
        let place = u64::from(pixel.at) << 1 | u64::from(pixel.is_true);
        u64::from(!pixel.error.to_bits()) << LOW | place
    };
    let mut keys: Vec<u64> = pixels.iter().map(keyed).collect();
    let digit = |key: u64, shift: u32| (key >> shift) as usize % DIGITS;
    let mut places = [[0_u32; DIGITS]; SHIFTS.len()];
    for &key in &keys {
        for (places, shift) in places.iter_mut().zip(SHIFTS) {
            places[digit(key, shift)] += 1;
        }
    }
    let mut sorted = vec![0; keys.len()];
    for (places, shift) in places.iter_mut().zip(SHIFTS) {
        let mut start = 0;
        for place in places.iter_mut() {
            let count = core::mem::replace(place, start);
            start += count;
        }
        for &key in &keys {
            let place = &mut places[digit(key, shift)];
            sorted[*place as usize] = key;
            *place += 1;
        }
        core::mem::swap(&mut keys, &mut sorted);
    }
    for (pixel, key) in pixels.iter_mut().zip(keys) {
        *pixel = Pixel {
            error: f32::from_bits(!((key >> LOW) as u32) & (u32::MAX >> 1)),
            at: (key >> 1) as u32,
            is_true: key & 1 == 1,
        };
    }
}
