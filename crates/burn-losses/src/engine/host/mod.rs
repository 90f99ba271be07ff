//! Sweeps over memory of this process: a loss and its gradient in one pass.
//!
//! Everything here works on plain slices, so it serves every backend whose tensors are in the memory
//! of the process, and all it has of `unsafe` is memory that is not zeroed before it is written (see [`output`]). A sweep is cut into chunks of a fixed size, each
//! of which gives its own sum, and the sums are added up in order: the result does not depend on the
//! number of threads. Nothing here knows a rank, and what a loss computes is compiled in this crate
//! (see [`kernel`]).

pub(crate) mod classes;
pub(crate) mod distance;
pub(crate) mod elementwise;
pub(crate) mod kernel;
pub(crate) mod margins;
pub(crate) mod memory;
mod output;
#[cfg_attr(not(feature = "flex"), allow(dead_code))] // Other tensors do not come back.
pub(crate) mod pool;
mod source;
#[cfg(test)]
mod tests;
mod vectors;

pub(crate) use output::{Output, Unwritten, keep_freed_memory};
pub(crate) use source::Source;
pub(crate) use vectors::{Loop, Vectors};

use crate::real::Real;
use crate::spec::rule::Rule;
use alloc::vec::Vec;
use core::marker::PhantomData;
use core::ops::{AddAssign, Range};
use kernel::{Gradient, Kernel, Must, Sum, Terms};

/// A float type that is computed in.
pub(crate) trait Float:
    Real<Mask = bool> + Copy + Default + PartialOrd + AddAssign + Send + Sync + 'static
{
    const NAN: Self;
    const NEG_INFINITY: Self;
    const IS_DOUBLE: bool;
    const MAX: f64;
    /// The least positive number.
    const LEAST: Self;
    fn of(number: f64) -> Self;
    fn double(self) -> f64;
    /// The numbers of a source of this type, which are read where they are.
    fn direct<'a>(source: &Source<'a>) -> Option<&'a [Self]>;
    /// The sum of a kernel's losses and its gradients in one pass, where there is one for this type.
    fn sum(
        kernel: &dyn Kernel,
        vectors: Vectors,
        operands: &[&[Self]],
        must: Must,
        gradient: Option<Gradient<Self>>,
    ) -> Option<Sum>;
    /// Where memory for such numbers is kept.
    #[cfg(feature = "std")]
    fn pool() -> &'static pool::Pool<Self>;
    /// Each loss of a kernel, and its derivatives.
    fn each(kernel: &dyn Kernel, vectors: Vectors, operands: &[&[Self]], terms: Terms<Self>);
}

/// Stamps what the float types have in common.
macro_rules! float {
    ($float:ident, $variant:ident, $pool:ident) => {
        const NAN: Self = $float::NAN;
        const NEG_INFINITY: Self = $float::NEG_INFINITY;
        const IS_DOUBLE: bool = size_of::<$float>() == 8;
        const MAX: f64 = $float::MAX as f64;
        const LEAST: Self = $float::from_bits(1);
        #[inline(always)]
        fn of(number: f64) -> Self {
            number as $float
        }
        #[inline(always)]
        fn double(self) -> f64 {
            f64::from(self)
        }
        #[cfg(feature = "std")]
        fn pool() -> &'static pool::Pool<Self> {
            pool::$pool()
        }
        #[inline(always)]
        fn direct<'a>(source: &Source<'a>) -> Option<&'a [Self]> {
            match *source {
                Source::$variant(numbers) => Some(numbers),
                _ => None,
            }
        }
    };
}

impl Float for f32 {
    float!(f32, F32, singles);

    fn sum(
        kernel: &dyn Kernel,
        vectors: Vectors,
        operands: &[&[f32]],
        must: Must,
        gradient: Option<Gradient<f32>>,
    ) -> Option<Sum> {
        Some(kernel.sum(vectors, operands, must, gradient))
    }

    fn each(kernel: &dyn Kernel, vectors: Vectors, operands: &[&[f32]], terms: Terms<f32>) {
        kernel.each_f32(vectors, operands, terms);
    }
}

impl Float for f64 {
    float!(f64, F64, doubles);

    fn sum(
        _: &dyn Kernel,
        _: Vectors,
        _: &[&[f64]],
        _: Must,
        _: Option<Gradient<f64>>,
    ) -> Option<Sum> {
        None
    }

    fn each(kernel: &dyn Kernel, vectors: Vectors, operands: &[&[f64]], terms: Terms<f64>) {
        kernel.each_f64(vectors, operands, terms);
    }
}

/// How many elements are read into buffers at a time.
const BLOCK: usize = 2048;
/// How many are added up in their own type before the sum is widened.
const PART: usize = 128;
/// About how many elements of few a thread works on at a time.
const CHUNK: usize = 16 * 1024;
/// From this number of elements on they are shared among threads: to wake one takes as long as a few chunks.
const SHARED: usize = 8 * CHUNK;
/// How many sums are kept side by side.
const LANES: usize = 16;

/// About how many of so many elements a thread works on at a time: it takes some time until memory is read as fast
/// again. It does not depend on the number of threads, so that sums do not.
fn at_a_time(elements: usize) -> usize {
    (elements / (32 * CHUNK)).clamp(1, 8) * CHUNK
}

/// What a part of a sweep found.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Found {
    /// The sum of the losses.
    pub(crate) sum: f64,
    /// Whether a value broke a rule.
    pub(crate) invalid: bool,
}

impl Found {
    fn add(&mut self, other: Self) {
        self.sum += other.sum;
        self.invalid |= other.invalid;
    }

    fn total(parts: Vec<Self>) -> Self {
        let mut total = Self::default();
        parts.into_iter().for_each(|part| total.add(part));
        total
    }
}

/// How a sum and its gradient are scaled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// What the losses are multiplied by before they are added up: a power of two that keeps the
    /// sum of `f64` losses in range.
    pub(crate) losses: f64,
    /// What the weights of the samples are multiplied by: with it their sum is about 1 where the losses
    /// are averaged, so that a mean does not depend on how large its weights are.
    pub(crate) weights: Power,
    /// What the gradient is multiplied by.
    pub(crate) gradient: f64,
}

impl Scale {
    /// The weight of a sample of a class as both count. What is not 0 does not become it: a loss that is NaN
    /// shows, however little it counts.
    #[inline(always)]
    pub(crate) fn weight_of<F: Float>(&self, weight: f64, of_class: f64) -> F {
        let scaled = F::of(self.weights.times(weight) * of_class);
        let lost = scaled.equals(0.0) & (weight != 0.0) & (of_class != 0.0);
        F::replace(scaled, lost, F::LEAST)
    }

    /// As [`weight_of`](Self::weight_of), where there are no classes.
    #[inline(always)]
    pub(crate) fn weight<F: Float>(&self, weight: f64) -> F {
        self.weight_of(weight, 1.0)
    }
}

/// A power of two as two factors: as one it may be out of range.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Power([f64; 2]);

impl Power {
    pub(crate) const ONE: Self = Self([1.0; 2]);

    /// One over the least power of two above a positive number, which is a sum that was itself scaled by
    /// `2^-shift`.
    pub(crate) fn over(number: f64, shift: i32) -> Self {
        let exponent = -exponent(number) - shift;
        let half = exponent / 2;
        Self([half, exponent - half].map(power_of_two))
    }

    #[inline(always)]
    pub(crate) fn times(&self, number: f64) -> f64 {
        number * self.0[0] * self.0[1]
    }
}

/// A power of two that is a normal number. (Of `powi` nobody says that it is exact.)
fn power_of_two(exponent: i32) -> f64 {
    f64::from_bits(((1023 + exponent) as u64) << 52)
}

/// The exponent of the least power of two that is above a positive number.
fn exponent(number: f64) -> i32 {
    let (mantissa, exponent, _) = num_traits::Float::integer_decode(number);
    i32::from(exponent) + 64 - mantissa.leading_zeros() as i32
}

/// The number, or the largest one of its type where it is beyond that; NaN stays NaN.
#[inline(always)]
fn clamp<F: Float>(number: F) -> F {
    number.at_least(-F::MAX).at_most(F::MAX)
}

/// Multiplies slopes and clamps them to what their type holds; says whether one was beyond it. NaN stays NaN.
#[inline(always)]
fn scale_each<F: Float>(slopes: &mut [F], scale: F) -> bool {
    let mut beyond = false;
    for slope in slopes {
        let scaled = *slope * scale;
        beyond |= scaled.abs().above(F::MAX);
        *slope = clamp(scaled);
    }
    beyond
}

/// The number in a type that may be narrower, or the largest one of that.
#[inline(always)]
fn narrow<F: Float>(number: f64) -> F {
    F::of(number.at_least(-F::MAX).at_most(F::MAX))
}

/// A weight must be finite in the type that is computed in, and not negative.
const fn weight_rule<F: Float>() -> Rule {
    Rule::between(0.0, F::MAX)
}

/// The work on one part of a sweep.
///
/// It is a trait, not a closure, so that an implementation can say that it is inlined: only then is
/// it compiled for the vectors of the processor it runs on.
pub(crate) trait Work<T, S>: Sync {
    type Result: Send;

    /// Does the part; `scratch` is what a thread keeps from one part to the next.
    fn part(&self, scratch: &mut S, task: T) -> Self::Result;
}

/// A part of the work, compiled for the vectors of the processor.
struct Part<'a, W, S, T>(&'a W, &'a mut S, T);

impl<W: Work<T, S>, S, T> Loop for Part<'_, W, S, T> {
    type Output = W::Result;

    #[inline(always)]
    fn run(self) -> W::Result {
        self.0.part(self.1, self.2)
    }
}

/// A chunk of a range, and its part of each output.
pub(crate) type Chunk<'a, F, const G: usize> = (Range<usize>, [Option<Output<'a, F>>; G]);

/// Cuts a range, and the outputs with it.
fn chunks<F: Copy, const G: usize>(
    total: usize,
    chunk: usize,
    mut outputs: [Option<Output<F>>; G],
) -> Vec<Chunk<F, G>> {
    let tasks = (0..total).step_by(chunk).map(|start| {
        let length = chunk.min(total - start);
        let parts = outputs.each_mut().map(|output| take(output, length));
        (start..start + length, parts)
    });
    tasks.collect()
}

/// Does the work for each chunk of a range, on all threads. The results are in order.
pub(crate) fn in_chunks<'a, F: Copy + Send, W: Work<Chunk<'a, F, G>, ()>, const G: usize>(
    total: usize,
    chunk: usize,
    outputs: [Option<Output<'a, F>>; G],
    work: &W,
) -> Vec<W::Result> {
    let tasks = chunks(total, chunk, outputs);
    spread(total, tasks, || (), work)
}

/// The next part of an output.
fn take<'a, F: Copy>(output: &mut Option<Output<'a, F>>, length: usize) -> Option<Output<'a, F>> {
    let (part, rest) = output.take()?.split(length);
    *output = Some(rest);
    Some(part)
}

/// Does the tasks, which are of so many elements together, on all threads; the results are in order.
fn spread<T: Send, S, W: Work<T, S>>(
    elements: usize,
    tasks: Vec<T>,
    scratch: impl Fn() -> S + Sync,
    work: &W,
) -> Vec<W::Result> {
    let vectors = Vectors::detect();
    share(elements, tasks, scratch, |scratch, task| {
        vectors.run(Part(work, scratch, task))
    })
}

/// Shares the tasks, which are of so many elements together, among the threads of the pool and this one; the
/// results are in order.
///
/// This thread works too instead of waiting. To wake two sleeping threads takes longer than to wake
/// one, and a loss takes a millisecond.
fn share<T: Send, S, R: Send>(
    elements: usize,
    tasks: Vec<T>,
    scratch: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, T) -> R + Sync,
) -> Vec<R> {
    #[cfg(feature = "std")]
    if elements >= SHARED && tasks.len() > 1 && rayon::current_num_threads() > 1 {
        return share_among_threads(tasks, scratch, work);
    }
    let mut scratch = scratch();
    let tasks = tasks.into_iter();
    tasks.map(|task| work(&mut scratch, task)).collect()
}

#[cfg(feature = "std")]
fn share_among_threads<T: Send, S, R: Send>(
    tasks: Vec<T>,
    scratch: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, T) -> R + Sync,
) -> Vec<R> {
    use std::sync::Mutex;

    const NOBODY_PANICS: &str = "nothing panics while it holds the lock";
    let count = tasks.len();
    let queue = Mutex::new(tasks.into_iter().enumerate());
    let results = Mutex::new(Vec::with_capacity(count));
    let work_on = || {
        let mut scratch = scratch();
        loop {
            let next = queue.lock().expect(NOBODY_PANICS).next();
            let Some((at, task)) = next else {
                break;
            };
            let result = work(&mut scratch, task);
            results.lock().expect(NOBODY_PANICS).push((at, result));
        }
    };
    rayon::in_place_scope(|scope| {
        for _ in 1..rayon::current_num_threads() {
            scope.spawn(|_| work_on());
        }
        work_on();
    });
    let mut results = results.into_inner().expect(NOBODY_PANICS);
    results.sort_unstable_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Whether the processor has the vectors that the sweeps are written for.
pub(crate) fn is_fast() -> bool {
    Vectors::detect().are_fast()
}

/// The sum in `f64`, each number multiplied by `scale`; `f32` numbers need none.
#[inline(always)]
fn sum<F: Float>(numbers: &[F], scale: f64) -> f64 {
    let double = |number: F| match F::IS_DOUBLE {
        true => number.double() * scale,
        false => number.double(),
    };
    let mut lanes = [0.0; LANES];
    let (whole, rest) = numbers.as_chunks::<LANES>();
    for numbers in whole {
        let numbers = numbers.map(double);
        for lane in 0..LANES {
            lanes[lane] += numbers[lane];
        }
    }
    for (lane, &number) in lanes.iter_mut().zip(rest) {
        *lane += double(number);
    }
    tree(lanes)
}

/// The sum of the lanes, in pairs.
///
/// It is not inlined: the compiler would begin with its last pair and make the whole loop before it one over pairs,
/// in the narrowest vectors. And it takes the lanes, not where they are: else they would be there, not in registers.
#[inline(never)]
fn tree(mut lanes: [f64; LANES]) -> f64 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// Sums side by side, in `f64`, of parts that are added up in the type of the numbers.
struct Lanes([f64; LANES]);

impl Lanes {
    const NONE: Self = Self([0.0; LANES]);

    /// Adds a part: its halves, and theirs, until there are as many numbers as lanes.
    #[inline(always)]
    fn add<F: Float>(&mut self, part: &[F; PART]) {
        const {
            assert!(PART == 8 * LANES);
        }
        let half: [F; PART / 2] = halves(part);
        let quarter: [F; PART / 4] = halves(&half);
        self.add_one_each(&halves(&quarter));
    }

    /// Adds a part, or fewer numbers.
    #[inline(always)]
    fn add_up_to_a_part<F: Float>(&mut self, numbers: &[F]) {
        match numbers.first_chunk::<PART>() {
            Some(part) => self.add(part),
            None => self.add_fewer(numbers),
        }
    }

    /// Adds fewer numbers than a part has.
    #[inline(always)]
    fn add_fewer<F: Float>(&mut self, numbers: &[F]) {
        let mut lanes = [F::default(); LANES];
        let (whole, rest) = numbers.as_chunks::<LANES>();
        for numbers in whole {
            for lane in 0..LANES {
                lanes[lane] += numbers[lane];
            }
        }
        for (lane, &number) in lanes.iter_mut().zip(rest) {
            *lane += number;
        }
        self.add_one_each(&lanes);
    }

    #[inline(always)]
    fn add_one_each<F: Float>(&mut self, numbers: &[F; LANES]) {
        for (sum, number) in self.0.iter_mut().zip(numbers) {
            *sum += number.double();
        }
    }

    #[inline(always)]
    fn sum(&self) -> f64 {
        tree(self.0)
    }
}

/// Both halves of some numbers, added.
#[inline(always)]
fn halves<F: Float, const TWICE: usize, const N: usize>(numbers: &[F; TWICE]) -> [F; N] {
    const {
        assert!(TWICE == 2 * N);
    }
    let mut sums = [F::default(); N];
    for at in 0..N {
        sums[at] = numbers[at] + numbers[at + N];
    }
    sums
}

/// The sum, added up in `f64` from parts that are added up in the type of the numbers.
#[inline(always)]
fn total<F: Float>(numbers: &[F]) -> f64 {
    let mut lanes = Lanes::NONE;
    let (parts, rest) = numbers.as_chunks::<PART>();
    for part in parts {
        lanes.add(part);
    }
    lanes.add_fewer(rest);
    lanes.sum()
}

/// Reads the weights of samples of a loss that is computed in `F`, and says whether all of them are
/// allowed; the others become NaN. They are read in `f64`, as one that `F` cannot tell from 0 may be all
/// there is.
#[inline(always)]
fn read_weights<F: Float>(source: Source, start: usize, weights: &mut [f64]) -> bool {
    source.read(start, weights);
    let rule = const { weight_rule::<F>() };
    let allowed = rule.holds_for_all(weights);
    if !allowed {
        for weight in weights {
            *weight = f64::NAN.replace(rule.holds(weight), *weight);
        }
    }
    allowed
}

/// As [`read_weights`], for a single sample.
#[inline(always)]
fn read_weight<F: Float>(source: Source, sample: usize) -> (f64, bool) {
    let mut weight = [0.0];
    let allowed = read_weights::<F>(source, sample, &mut weight);
    (weight[0], allowed)
}

/// The sum of the weights of samples, each times `scale`; NaN where one is not allowed.
fn weight_sum<F: Float>(source: Source, count: usize, scale: f64) -> f64 {
    struct Sum<'a, F>(Source<'a>, f64, PhantomData<F>);
    impl<F: Float> Work<Chunk<'_, u8, 0>, ()> for Sum<'_, F> {
        type Result = f64;
        #[inline(always)]
        fn part(&self, (): &mut (), (range, []): Chunk<u8, 0>) -> f64 {
            let mut buffer = [0.0; BLOCK];
            let mut total = 0.0;
            for start in range.clone().step_by(BLOCK) {
                let weights = &mut buffer[..BLOCK.min(range.end - start)];
                read_weights::<F>(self.0, start, weights);
                total += sum(weights, self.1);
            }
            total
        }
    }
    let work = Sum::<F>(source, scale, PhantomData);
    in_chunks(count, CHUNK, [], &work).iter().sum()
}

/// The numbers multiplied by factors; a factor of 0 makes anything 0.
#[inline(always)]
fn multiply<F: Float>(numbers: &mut [F], factors: &[F]) {
    for (number, &factor) in numbers.iter_mut().zip(factors) {
        *number = number.times_or_zero(factor);
    }
}
