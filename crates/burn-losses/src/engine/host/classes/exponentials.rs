//! The exponentials of logits less the largest, and what they add up to.

use super::tile::Tile;
use crate::engine::host::head::HeadFloat;
use crate::engine::host::numbers::Float;
use crate::engine::host::sums::{LANES, Lanes, PART, total};

/// Half of a logit less half of the largest one.
#[inline(always)]
pub(super) fn half_shifted<F: HeadFloat>(logit: F, half_of_largest: F) -> F {
    logit.times(0.5) - half_of_largest
}

/// The largest of a sample's logits.
#[inline(always)]
pub(in crate::engine::host) fn largest_of<F: Float>(x: &[F]) -> F {
    let mut lanes = [x[0]; 2 * LANES];
    let whole = x.chunks_exact(2 * LANES);
    let rest = whole.remainder();
    for x in whole {
        for lane in 0..2 * LANES {
            lanes[lane] = lanes[lane].replace(x[lane] > lanes[lane], x[lane]);
        }
    }
    let larger = |a: F, b: F| if b > a { b } else { a };
    let largest = lanes.into_iter().fold(x[0], larger);
    rest.iter().copied().fold(largest, larger)
}

/// Of samples side by side the largest logit so far becomes that of a line, where that is larger.
#[inline(always)]
pub(in crate::engine::host) fn raise<F: Float>(largest: &mut [F], line: &[F]) {
    for (largest, &x) in largest.iter_mut().zip(line) {
        *largest = largest.replace(x > *largest, x);
    }
}

/// As [`raise`]; notes which class that is.
#[inline(always)]
pub(in crate::engine::host) fn raise_with_class<F: Float>(
    (largest, at): (&mut [F], &mut [u32]),
    line: &[F],
    class: usize,
) {
    for ((largest, at), &x) in largest.iter_mut().zip(at).zip(line) {
        let larger = x > *largest;
        *largest = largest.replace(larger, x);
        *at = if larger { class as u32 } else { *at };
    }
}

/// The exponentials of logits less the largest, and the sum of those of the others.
#[inline(always)]
pub(in crate::engine::host) fn exponentials<F: Float>(x: &[F], largest: F, exps: &mut [F]) -> f64 {
    let mut sum = Lanes::NONE;
    for (x, exps) in x.chunks(PART).zip(exps.chunks_mut(PART)) {
        exponentials_of(x, largest, exps);
        sum.add_up_to_a_part(exps);
    }
    // The largest contributes exactly 1. Where the others contribute little beside it, what they do is added up
    // without it.
    match sum.sum() {
        sum if sum < SATURATED => others(exps),
        sum => sum - 1.0,
    }
}

/// A sum of exponentials of which the largest is so much that a difference loses digits of the rest.
pub(in crate::engine::host) const SATURATED: f64 = 1.5;

/// Two at a time, from both halves of a part: while the steps of one wait for each other, those of the other are
/// taken.
#[inline(always)]
fn exponentials_of<F: Float>(x: &[F], largest: F, exps: &mut [F]) {
    const HALF: usize = PART / 2;
    if let (Some(x), Some(exps)) = (x.first_chunk::<PART>(), exps.first_chunk_mut::<PART>()) {
        for at in 0..HALF {
            exps[at] = (x[at] - largest).exp();
            exps[at + HALF] = (x[at + HALF] - largest).exp();
        }
        return;
    }
    for (exp, &x) in exps.iter_mut().zip(x) {
        *exp = (x - largest).exp();
    }
}

/// The exponentials of logits side by side less the largest of their samples.
#[inline(always)]
pub(in crate::engine::host) fn exponentials_of_line<F: HeadFloat>(
    x: &[F],
    largest: &[F],
    exps: &mut [F],
) {
    let parts = x.chunks(PART).zip(largest.chunks(PART));
    for (exps, (x, largest)) in exps.chunks_mut(PART).zip(parts) {
        exponentials_beside(x, largest, exps);
    }
}

#[inline(always)]
pub(super) fn exponentials_beside<F: HeadFloat>(x: &[F], largest: &[F], exps: &mut [F]) {
    const HALF: usize = PART / 2;
    if let (Some(x), Some(largest), Some(exps)) = (
        x.first_chunk::<PART>(),
        largest.first_chunk::<PART>(),
        exps.first_chunk_mut::<PART>(),
    ) {
        for at in 0..HALF {
            let other = at + HALF;
            exps[at] = (x[at] - largest[at]).exp();
            exps[other] = (x[other] - largest[other]).exp();
        }
        return;
    }
    for (exp, (&x, &largest)) in exps.iter_mut().zip(x.iter().zip(largest)) {
        *exp = (x - largest).exp();
    }
}

/// The sum of exponentials without the largest: it is exactly 1. Those that are 1 are added up apart, so that
/// however little the others contribute is kept.
#[inline(always)]
pub(in crate::engine::host) fn others<F: Float>(exps: &[F]) -> f64 {
    let (mut ones, mut others) = (Lanes::NONE, Lanes::NONE);
    let mut part = [F::default(); PART];
    for exps in exps.chunks(PART) {
        let part = &mut part[..exps.len()];
        for (one, exp) in part.iter_mut().zip(exps) {
            *one = F::default().set(exp.equals(1.0), 1.0);
        }
        ones.add_up_to_a_part(part);
        for (other, exp) in part.iter_mut().zip(exps) {
            *other = exp.set(exp.equals(1.0), 0.0);
        }
        others.add_up_to_a_part(part);
    }
    (ones.sum() - 1.0) + others.sum()
}

/// Finds the largest logit of each sample.
#[inline(always)]
pub(super) fn maximum<F: HeadFloat>(tile: &mut Tile<F>, width: usize) {
    if width == 1 {
        let largest = largest_of(&tile.x);
        let at = tile.x.iter().position(|x| *x == largest);
        tile.largest[0] = largest;
        tile.at[0] = at.unwrap_or(0) as u32;
        return;
    }
    let (largest, at) = (&mut tile.largest[..width], &mut tile.at[..width]);
    largest.copy_from_slice(&tile.x[..width]);
    at.fill(0);
    for (class, x) in tile.x.chunks_exact(width).enumerate() {
        raise_with_class((&mut *largest, &mut *at), x, class);
    }
}

/// Replaces the logits by their exponentials, and adds them up without the largest.
#[inline(always)]
pub(super) fn exponentials_of_tile<F: HeadFloat>(tile: &mut Tile<F>, width: usize) {
    // The largest logit contributes exactly 1 to the sum. Adding up the others without it keeps what
    // they contribute, however little it is.
    for sample in 0..width {
        tile.x[tile.at[sample] as usize * width + sample] = F::NEG_INFINITY;
    }
    if width == 1 {
        for x in &mut tile.x {
            *x = (*x - tile.largest[0]).exp();
        }
        tile.others[0] = total(&tile.x);
    } else {
        let (largest, others) = (&tile.largest[..width], &mut tile.others[..width]);
        others.fill(0.0);
        for x in tile.x.chunks_exact_mut(width) {
            for sample in 0..width {
                x[sample] = (x[sample] - largest[sample]).exp();
                others[sample] += x[sample].double();
            }
        }
    }
    for sample in 0..width {
        // NaN where that logit is not finite.
        let finite = tile.largest[sample].between(-F::MAX, F::MAX);
        let exp = F::NAN.replace(finite, F::of(1.0));
        tile.x[tile.at[sample] as usize * width + sample] = exp;
    }
    let sums = tile.ln_sums.iter_mut().zip(&mut tile.shares);
    for ((ln_sum, share), &others) in sums.zip(&tile.others) {
        let others = F::of(others);
        *ln_sum = others.ln_1p();
        *share = F::of(1.0) / others.plus(1.0);
    }
}
