//! The Lovász extension of the Jaccard loss: of the errors of a class's pixels, the largest first.
//!
//! What of the order makes no difference is not sorted. Where a class is true and the error is larger than any where it is
//! not, the pixel is among the first, all of which have the same slope. Where a class is not true and the error is less than
//! any where it is, all that was true has been, and the slope is 0. What is in between is sorted, by its bits.

use super::head::HeadFloat;
use super::row_kernel::{HostRows, RowBlock};
use super::scale::clamp;
use super::sums::{LANES, PART, tree};
use super::vectors::{Loop, Vectors};
use alloc::vec;
use alloc::vec::Vec;

/// The Lovász extension of the Jaccard loss, of errors and of where a class is true: 1, 0, or -1 where a pixel does not
/// count. What is no error, 0 or less, adds nothing.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct LovaszRows;

impl HostRows<2> for LovaszRows {
    fn part(&self) -> f64 {
        1.0
    }

    fn rows_f32(&self, vectors: Vectors, block: RowBlock<f32, 2>) {
        rows(vectors, block);
    }

    fn rows_f64(&self, vectors: Vectors, block: RowBlock<f64, 2>) {
        rows(vectors, block);
    }
}

/// The losses of rows of such a length, and their slopes.
pub(crate) fn of_values(errors: &[f64], truth: &[f64], length: usize) -> (Vec<f64>, Vec<f64>) {
    let mut slopes = vec![0.0; errors.len()];
    let (mut losses, mut keys) = (Vec::new(), Keys::new());
    let rows = errors.chunks_exact(length).zip(truth.chunks_exact(length));
    for ((errors, truth), slopes) in rows.zip(slopes.chunks_exact_mut(length)) {
        losses.push(of_row(errors, truth, slopes, &mut keys, None));
        for slope in slopes {
            *slope = slope.abs();
        }
    }
    (losses, slopes)
}

fn rows<F: SortedFloat>(vectors: Vectors, block: RowBlock<F, 2>) {
    let RowBlock {
        x: [errors, truth],
        length,
        weights,
        scale,
        losses,
        gradients: [mut gradient, _],
        ..
    } = block;
    let mut keys = Keys::new();
    let mut slopes = vec![F::default(); length];
    let rows = errors.chunks_exact(length).zip(truth.chunks_exact(length));
    for (row, (errors, truth)) in rows.enumerate() {
        let weight = weights[row];
        let loss = of_row(errors, truth, &mut slopes, &mut keys, Some(vectors));
        losses[row] = F::of(loss).times_or_zero(weight);
        if let Some(gradient) = &mut gradient {
            let step = weight * scale;
            gradient.fill(length, |at| clamp(slopes[at].abs().times_or_zero(step)));
        }
    }
}

/// The loss of a row, and its slopes, negative where the class is true; NaN where an error or a target is.
fn of_row<F: SortedFloat>(
    errors: &[F],
    truth: &[F],
    slopes: &mut [F],
    keys: &mut Keys<F>,
    vectors: Option<Vectors>,
) -> f64 {
    for ((line, &error), &truth) in slopes.iter_mut().zip(errors).zip(truth) {
        // Not a negative zero.
        let error = error.at_least(0.0).abs().set(truth.is_nan(), f64::NAN);
        let signed = error.replace(truth.equals(1.0), -error);
        *line = signed.set(truth.equals(-1.0), 0.0);
    }
    of_line(slopes, keys, vectors, true).loss
}

/// A float type in which errors are sorted.
pub(crate) trait SortedFloat: HeadFloat {
    /// An error, where it is, and whether the class is true there; the largest error is first, equal ones are in order.
    type Key: Copy + Default + Send;

    /// Whether it has a minus, also as 0 or NaN.
    fn has_minus(self) -> bool;

    /// The key of an error, by how much it is less than the `most`. What it is of larger ones does not matter.
    fn key(self, most: Self, at: usize, is_true: bool) -> Self::Key;

    /// What a key is of.
    fn of_key(key: Self::Key, most: Self) -> (Self, usize, bool);

    /// The keys in order, in either place.
    fn sorted<'a>(keys: &'a mut [Self::Key], spare: &'a mut Vec<Self::Key>) -> &'a [Self::Key];
}

// Numbers that are not negative are ordered as their bits are.

impl SortedFloat for f32 {
    type Key = u64;

    #[inline(always)]
    fn has_minus(self) -> bool {
        self.is_sign_negative()
    }

    #[inline(always)]
    fn key(self, most: f32, at: usize, is_true: bool) -> u64 {
        let less = most.to_bits().wrapping_sub(self.to_bits());
        u64::from(less) << BELOW | (at as u64) << 1 | u64::from(is_true)
    }

    #[inline(always)]
    fn of_key(key: u64, most: f32) -> (f32, usize, bool) {
        let error = f32::from_bits(most.to_bits() - (key >> BELOW) as u32);
        let place = (key & ((1 << BELOW) - 1)) >> 1;
        (error, place as usize, key & 1 == 1)
    }

    fn sorted<'a>(keys: &'a mut [u64], spare: &'a mut Vec<u64>) -> &'a [u64] {
        if spare.len() < keys.len() {
            spare.resize(keys.len(), 0);
        }
        let spare = &mut spare[..keys.len()];
        by_digits(keys, spare)
    }
}

impl SortedFloat for f64 {
    type Key = u128;

    #[inline(always)]
    fn has_minus(self) -> bool {
        self.is_sign_negative()
    }

    #[inline(always)]
    fn key(self, most: f64, at: usize, is_true: bool) -> u128 {
        let less = most.to_bits().wrapping_sub(self.to_bits());
        u128::from(less) << 64 | (at as u128) << 1 | u128::from(is_true)
    }

    #[inline(always)]
    fn of_key(key: u128, most: f64) -> (f64, usize, bool) {
        let error = f64::from_bits(most.to_bits() - (key >> 64) as u64);
        (error, (key as u64 >> 1) as usize, key & 1 == 1)
    }

    fn sorted<'a>(keys: &'a mut [u128], _: &'a mut Vec<u128>) -> &'a [u128] {
        keys.sort_unstable();
        keys
    }
}

/// How many bits of a key of `f32` are below those of the error: the place, and whether the class is true there.
const BELOW: u32 = 33;

const MOST_PIXELS: u64 = 1 << (BELOW - 1);

/// From this number of keys on, their digits are counted.
const MANY: usize = 512;

/// Sorts by the digits of the errors, from the last one.
fn by_digits<'a>(keys: &'a mut [u64], spare: &'a mut [u64]) -> &'a [u64] {
    const MOST_BITS: u32 = 11;
    const DIGITS: usize = 1 << MOST_BITS;
    const PASSES: usize = 3;
    if keys.len() < MANY {
        keys.sort_unstable();
        return keys;
    }
    let used = keys.iter().fold(0_u64, |all, key| all | key) >> BELOW;
    let bits = u64::BITS - used.leading_zeros();
    let passes = bits.div_ceil(MOST_BITS);
    if passes == 0 {
        return keys;
    }
    let width = bits.div_ceil(passes);
    let shifts: [u32; PASSES] = core::array::from_fn(|pass| BELOW + pass as u32 * width);
    let mask = (1_usize << width) - 1;
    let digit = |key: u64, shift: u32| (key >> shift) as usize & mask & (DIGITS - 1);
    let mut places = [[0_u32; DIGITS]; PASSES];
    for &key in &*keys {
        for (places, shift) in places.iter_mut().zip(shifts) {
            places[digit(key, shift)] += 1;
        }
    }
    let (mut from, mut to) = (keys, spare);
    for (places, shift) in places.iter_mut().zip(shifts).take(passes as usize) {
        let mut start = 0;
        for place in places.iter_mut() {
            let count = core::mem::replace(place, start);
            start += count;
        }
        for &key in &*from {
            let place = &mut places[digit(key, shift)];
            to[*place as usize] = key;
            *place += 1;
        }
        core::mem::swap(&mut from, &mut to);
    }
    from
}

/// Room for the keys of a class, and for them in order.
pub(crate) struct Keys<F: SortedFloat> {
    keys: Vec<F::Key>,
    spare: Vec<F::Key>,
}

impl<F: SortedFloat> Keys<F> {
    pub(crate) fn new() -> Self {
        Self {
            keys: Vec::new(),
            spare: Vec::new(),
        }
    }
}

/// What the errors of a class came to.
pub(crate) struct LineLoss {
    /// NaN where an error is.
    pub(crate) loss: f64,
    /// At how many pixels the class is true.
    pub(crate) is_true_at: usize,
}

/// The sum of errors, each times what its pixel adds to the Jaccard loss of those before it. Errors are negative where the
/// class is true, be they 0 or NaN; one of 0 elsewhere is none. If slopes are wanted, what a pixel adds takes the place of
/// its error, with the sign of that.
pub(crate) fn of_line<F: SortedFloat>(
    line: &mut [F],
    keys: &mut Keys<F>,
    vectors: Option<Vectors>,
    slopes: bool,
) -> LineLoss {
    assert!(
        line.len() as u64 <= MOST_PIXELS,
        "a key has room for the place of 2^32 pixels"
    );
    let Bounds {
        limits,
        is_true_at,
        known,
    } = run(vectors, FindBounds(line));
    let most = limits.most;
    let loss = if !known {
        if slopes {
            line.fill(F::NAN);
        }
        f64::NAN
    } else if is_true_at == 0 {
        if slopes {
            only_the_largest(line, most);
        }
        most.double()
    } else {
        let step = 1.0 / is_true_at as f64;
        let gathered = run(
            vectors,
            Gather {
                line: &mut *line,
                keys: &mut keys.keys,
                limits,
                step,
                slopes,
            },
        );
        let Gathered { loss, first, count } = gathered;
        let sorted = F::sorted(&mut keys.keys[..count], &mut keys.spare);
        let left = (is_true_at - first) as f64;
        let slopes = slopes.then_some(line);
        loss + extension(sorted, most, [left, is_true_at as f64], slopes)
    };
    LineLoss { loss, is_true_at }
}

/// Runs a loop, for the vectors of the processor if it has them.
fn run<L: Loop>(vectors: Option<Vectors>, of: L) -> L::Output {
    match vectors {
        Some(vectors) => vectors.run(of),
        None => of.run(),
    }
}

/// The slopes where nothing is true: the first error is all of the loss.
fn only_the_largest<F: SortedFloat>(line: &mut [F], most: F) {
    let first = line.iter().position(|error| *error == most);
    line.fill(F::default());
    if let Some(first) = first.filter(|_| most > F::default()) {
        line[first] = F::of(1.0);
    }
}

/// What tells which errors are sorted: the least where the class is true, and the largest where it is not.
#[derive(Clone, Copy)]
struct Limits<F> {
    least: F,
    most: F,
}

impl<F: SortedFloat> Limits<F> {
    /// Whether an error is among the first, which are alike.
    #[inline(always)]
    fn is_first(self, error: F, is_true: bool) -> bool {
        is_true & (error > self.most)
    }

    #[inline(always)]
    fn is_sorted(self, error: F, is_true: bool) -> bool {
        let (after_first, before_last) = (error <= self.most, error >= self.least);
        (error > F::default()) & ((is_true & after_first) | (!is_true & before_last))
    }
}

/// What is known of the errors of a class before they are sorted.
struct Bounds<F> {
    limits: Limits<F>,
    is_true_at: usize,
    /// No error is NaN.
    known: bool,
}

struct FindBounds<'a, F>(&'a [F]);

impl<F: SortedFloat> Loop for FindBounds<'_, F> {
    const WIDEST: bool = !F::IS_DOUBLE;
    type Output = Bounds<F>;

    #[inline(always)]
    fn run(self) -> Bounds<F> {
        let mut lanes = BoundLanes {
            least: [F::of(F::MAX); LANES],
            most: [F::default(); LANES],
            is_true_at: [0; LANES],
            unknown: [0; LANES],
        };
        let (whole, rest) = self.0.as_chunks::<LANES>();
        for errors in whole {
            lanes.see(errors);
        }
        // What is no error makes no difference.
        let mut last = [F::default(); LANES];
        last[..rest.len()].copy_from_slice(rest);
        lanes.see(&last);
        together(lanes)
    }
}

/// Bounds side by side.
struct BoundLanes<F> {
    least: [F; LANES],
    most: [F; LANES],
    is_true_at: [u32; LANES],
    unknown: [u32; LANES],
}

impl<F: SortedFloat> BoundLanes<F> {
    #[inline(always)]
    fn see(&mut self, errors: &[F; LANES]) {
        for (lane, error) in errors.iter().enumerate() {
            let (error, is_true) = (error.abs(), error.has_minus());
            let (least, most) = (self.least[lane], self.most[lane]);
            self.least[lane] = least.replace(is_true & (error < least), error);
            self.most[lane] = most.replace(!is_true & (error > most), error);
            self.is_true_at[lane] += u32::from(is_true);
            self.unknown[lane] |= u32::from(error.is_nan());
        }
    }
}

/// The bounds of all lanes; as [`tree`](super::sums::tree) it is not inlined.
#[inline(never)]
fn together<F: SortedFloat>(lanes: BoundLanes<F>) -> Bounds<F> {
    let lesser = |one: F, other: F| if other < one { other } else { one };
    let larger = |one: F, other: F| if other > one { other } else { one };
    Bounds {
        limits: Limits {
            least: lanes.least.into_iter().fold(lanes.least[0], lesser),
            most: lanes.most.into_iter().fold(lanes.most[0], larger),
        },
        is_true_at: lanes.is_true_at.iter().map(|&count| count as usize).sum(),
        known: lanes.unknown.iter().all(|&unknown| unknown == 0),
    }
}

/// Takes what is to be sorted from a line, in which the slopes of all else are left, if they are wanted.
struct Gather<'a, F: SortedFloat> {
    line: &'a mut [F],
    keys: &'a mut Vec<F::Key>,
    limits: Limits<F>,
    /// The slope of the first.
    step: f64,
    slopes: bool,
}

/// What became of it.
struct Gathered {
    /// The loss of the first, and how many they are.
    loss: f64,
    first: usize,
    /// How many keys there are.
    count: usize,
}

impl<F: SortedFloat> Loop for Gather<'_, F> {
    const WIDEST: bool = !F::IS_DOUBLE;
    type Output = Gathered;

    #[inline(always)]
    fn run(self) -> Gathered {
        let Self {
            line,
            keys,
            limits,
            step,
            slopes,
        } = self;
        let zero = F::default();
        let slope_of_first = F::of(-step);
        let (mut first, mut count) = (0, 0);
        let mut sums = [0.0; LANES];
        for (part, errors) in line.chunks_mut(PART).enumerate() {
            let mut firsts = [zero; PART];
            let (mut first_here, mut sorted_here) = (0_u32, 0_u32);
            for (of_first, &signed) in firsts.iter_mut().zip(&*errors) {
                let (error, is_true) = (signed.abs(), signed.has_minus());
                let is_first = limits.is_first(error, is_true);
                *of_first = zero.replace(is_first, error);
                first_here += u32::from(is_first);
                sorted_here += u32::from(limits.is_sorted(error, is_true));
            }
            first += first_here as usize;
            for errors in firsts.as_chunks::<LANES>().0 {
                for lane in 0..LANES {
                    sums[lane] += errors[lane].double() * step;
                }
            }
            if sorted_here > 0 {
                if keys.len() < count + PART {
                    keys.resize(count + PART, F::Key::default());
                }
                // A key is written in any case, and the next one over it if it is none: whether it is cannot be foreseen.
                for (at, &signed) in errors.iter().enumerate() {
                    let (error, is_true) = (signed.abs(), signed.has_minus());
                    keys[count] = error.key(limits.most, part * PART + at, is_true);
                    count += usize::from(limits.is_sorted(error, is_true));
                }
            }
            if slopes {
                for (slope, &of_first) in errors.iter_mut().zip(&firsts) {
                    *slope = zero.replace(of_first > zero, slope_of_first);
                }
            }
        }
        Gathered {
            loss: tree(sums),
            first,
            count,
        }
    }
}

/// The loss of errors in order. What is left to be true, and what is true or was taken for it, are known so far.
fn extension<F: SortedFloat>(
    sorted: &[F::Key],
    most: F,
    [mut left, mut either]: [f64; 2],
    mut slopes: Option<&mut [F]>,
) -> f64 {
    let mut loss = 0.0;
    for &key in sorted {
        let (error, at, is_true) = F::of_key(key, most);
        let step = if is_true {
            left -= 1.0;
            1.0 / either
        } else {
            either += 1.0;
            left / (either * (either - 1.0))
        };
        loss += error.double() * step;
        if let Some(slopes) = &mut slopes {
            slopes[at] = F::of(if is_true { -step } else { step });
        }
    }
    loss
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    /// Errors of which so large a share is true; where they are apart, most of the others are less.
    fn errors(length: usize, seed: u64) -> Vec<f64> {
        let mut random = StdRng::seed_from_u64(seed);
        let share = [0.0, 0.01, 0.3, 1.0][seed as usize % 4];
        let apart = seed.is_multiple_of(3);
        let mut error = || {
            let is_true = random.random_bool(share);
            let error: f64 = match random.random_range(0..20) {
                0 => 0.0,
                1 => 0.5,
                _ => random.random_range(0.0..1.0),
            };
            let error = match (apart, is_true) {
                (false, _) => error,
                (true, true) => 0.4 + 0.6 * error,
                (true, false) => 0.45 * error,
            };
            if is_true { -error } else { error }
        };
        (0..length).map(|_| error()).collect()
    }

    /// By the definition: the differences of the Jaccard loss, of all errors in order.
    fn by_definition(line: &[f64]) -> (f64, Vec<f64>) {
        let mut order: Vec<usize> = (0..line.len()).collect();
        order.sort_by(|&a, &b| line[b].abs().total_cmp(&line[a].abs()));
        let all = line.iter().filter(|it| it.is_sign_negative()).count() as f64;
        let (mut is_true, mut is_false, mut before, mut loss) = (0.0, 0.0, 0.0, 0.0);
        let mut slopes = vec![0.0; line.len()];
        for at in order {
            let negative = line[at].is_sign_negative();
            if negative {
                is_true += 1.0;
            } else {
                is_false += 1.0;
            }
            let jaccard = 1.0 - (all - is_true) / (all + is_false);
            let step = if line[at] == 0.0 {
                0.0
            } else {
                jaccard - before
            };
            before = jaccard;
            loss += line[at].abs() * step;
            slopes[at] = if negative { -step } else { step };
        }
        (loss, slopes)
    }

    fn is_by_definition<F: SortedFloat>(line: &[F], digits: f64) {
        let wide: Vec<f64> = line.iter().map(|error| error.double()).collect();
        let (expected, expected_slopes) = by_definition(&wide);
        let detected = Vectors::detect();
        for vectors in [None, detected.are_fast().then_some(detected)] {
            let mut keys = Keys::new();
            // What was there before makes no difference.
            of_line(&mut [F::of(-0.5), F::of(0.5)], &mut keys, vectors, true);
            let mut slopes = line.to_vec();
            let found = of_line(&mut slopes, &mut keys, vectors, true);
            assert!((found.loss - expected).abs() < digits, "{}", found.loss);
            let is_true = wide.iter().filter(|it| it.is_sign_negative());
            assert_eq!(found.is_true_at, is_true.count());
            for (slope, expected) in slopes.iter().zip(&expected_slopes) {
                assert!((slope.double() - expected).abs() < digits);
            }
            let alone = of_line(&mut line.to_vec(), &mut keys, vectors, false);
            assert_eq!(alone.loss, found.loss);
        }
    }

    #[test]
    fn what_is_not_sorted_makes_no_difference() {
        for (at, length) in [1, 2, 3, 17, 130, 600, 3000].into_iter().enumerate() {
            for seed in 0..24 {
                let line = errors(length, seed + 24 * at as u64);
                is_by_definition(&line, 1e-11);
                let line: Vec<f32> = line.iter().map(|&error| error as f32).collect();
                is_by_definition(&line, 1e-6);
            }
        }
    }

    #[test]
    fn nan_is_seen_and_does_not_hide_what_is_true() {
        for nan in [f32::NAN, -f32::NAN] {
            let mut line = [0.25, nan, -0.5];
            let found = of_line(&mut line, &mut Keys::new(), None, true);
            assert!(found.loss.is_nan() && line.iter().all(|slope| slope.is_nan()));
            let expected = 1 + usize::from(nan.is_sign_negative());
            assert_eq!(found.is_true_at, expected);
        }
    }
}
