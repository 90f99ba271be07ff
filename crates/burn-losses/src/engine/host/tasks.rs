//! How the work of a sweep is shared among threads.

use super::output::Output;
use super::vectors::{Loop, Vectors};
use alloc::vec::Vec;
use core::ops::Range;
#[cfg(feature = "std")]
use std::time::{Duration, Instant};

/// About how many elements of few a thread works on at a time.
pub(crate) const CHUNK: usize = 16 * 1024;

/// From this number of elements on they are shared among threads: to wake one takes as long as a few chunks.
#[cfg(feature = "std")]
const SHARED: usize = 8 * CHUNK;

/// Fewer are shared too if the loss turns out to be slow: an element takes a hundred times as long in one as in another.
/// After so much time it shows how long what is left will take.
#[cfg(feature = "std")]
const TRIED: Duration = Duration::from_micros(10);

/// What is left is shared from here on. Where a machine is itself run by another, to wake a thread takes nearly as long.
#[cfg(feature = "std")]
const SLOW: Duration = Duration::from_micros(100);

/// About how many of so many elements a thread works on at a time: it takes some time until memory is read as fast
/// again. It does not depend on the number of threads, so that sums do not.
pub(crate) fn at_a_time(elements: usize) -> usize {
    (elements / (32 * CHUNK)).clamp(1, 8) * CHUNK
}

/// What a part of a sweep found.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ChunkSum {
    /// The sum of the losses.
    pub(crate) sum: f64,
    /// Whether a value broke a rule.
    pub(crate) invalid: bool,
}

impl ChunkSum {
    pub(crate) fn add(&mut self, other: Self) {
        self.sum += other.sum;
        self.invalid |= other.invalid;
    }

    pub(crate) fn total(parts: Vec<Self>) -> Self {
        let mut total = Self::default();
        parts.into_iter().for_each(|part| total.add(part));
        total
    }
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
pub(crate) struct Part<'a, W, S, T>(&'a W, &'a mut S, T);

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
pub(crate) fn chunks<F: Copy, const G: usize>(
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
pub(crate) fn take<'a, F: Copy>(
    output: &mut Option<Output<'a, F>>,
    length: usize,
) -> Option<Output<'a, F>> {
    let (part, rest) = output.take()?.split(length);
    *output = Some(rest);
    Some(part)
}

/// Does the tasks, which are of so many elements together, on all threads; the results are in order.
pub(crate) fn spread<T: Send, S, W: Work<T, S>>(
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
#[cfg_attr(not(feature = "std"), allow(unused_variables))] // Then there is one thread.
pub(crate) fn share<T: Send, S, R: Send>(
    elements: usize,
    tasks: Vec<T>,
    scratch: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, T) -> R + Sync,
) -> Vec<R> {
    let count = tasks.len();
    #[cfg(feature = "std")]
    let began = {
        let many = elements >= SHARED;
        // An interpreter takes its time for all.
        let may_be_shared = count > 1 && (many || !cfg!(miri)) && rayon::current_num_threads() > 1;
        if may_be_shared && many {
            return share_among_threads(tasks, scratch, work);
        }
        may_be_shared.then(Instant::now)
    };
    let mut results = Vec::with_capacity(count);
    let mut tasks = tasks.into_iter();
    let mut of_this_thread = scratch();
    for task in tasks.by_ref() {
        results.push(work(&mut of_this_thread, task));
        #[cfg(feature = "std")]
        if began.is_some_and(|began| are_slow(began.elapsed(), results.len(), count)) {
            break;
        }
    }
    #[cfg(feature = "std")]
    if results.len() < count {
        results.extend(share_among_threads(tasks.collect(), scratch, work));
    }
    results
}

/// Whether tasks are slow enough for other threads to be woken, by the time that those that are done have taken.
#[cfg(feature = "std")]
fn are_slow(taken: Duration, done: usize, of: usize) -> bool {
    let left = of - done;
    left > 1 && taken >= TRIED && taken.mul_f64(left as f64 / done as f64) >= SLOW
}

#[cfg(feature = "std")]
pub(crate) fn share_among_threads<T: Send, S, R: Send>(
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
