//! The weights of samples.

use super::numbers::{Float, Source};
use super::sums::sum;
use super::tasks::{CHUNK, Chunk, Work, in_chunks};
use crate::real::Real;
use crate::spec::rule::Rule;
use core::marker::PhantomData;

/// How many elements are read into buffers at a time.
pub(crate) const BLOCK: usize = 4096;

/// A weight must be finite in the type that is computed in, and not negative.
pub(crate) const fn weight_rule<F: Float>() -> Rule {
    Rule::between(0.0, F::MAX)
}

/// Reads the weights of samples of a loss that is computed in `F`, and says whether all of them are
/// allowed; the others become NaN. They are read in `f64`, as one that `F` cannot tell from 0 may be all
/// there is.
#[inline(always)]
pub(crate) fn read_weights<F: Float>(source: Source, start: usize, weights: &mut [f64]) -> bool {
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
pub(crate) fn read_weight<F: Float>(source: Source, sample: usize) -> (f64, bool) {
    let mut weight = [0.0];
    let allowed = read_weights::<F>(source, sample, &mut weight);
    (weight[0], allowed)
}

/// The sum of the weights of samples, each times `scale`; NaN where one is not allowed.
pub(crate) fn weight_sum<F: Float>(source: Source, count: usize, scale: f64) -> f64 {
    struct WeightSum<'a, F>(Source<'a>, f64, PhantomData<F>);
    impl<F: Float> Work<Chunk<'_, u8, 0>, ()> for WeightSum<'_, F> {
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
    let work = WeightSum::<F>(source, scale, PhantomData);
    in_chunks(count, CHUNK, [], &work).iter().sum()
}

/// As [`weight_sum`], of samples that count as their ids do besides; one without such an id does not count.
pub(crate) fn counted_sum<F: Float>(
    samples: Option<Source>,
    (ids, counts): (Source, &[f64]),
    count: usize,
    scale: f64,
) -> f64 {
    struct CountedSum<'a, F> {
        samples: Option<Source<'a>>,
        ids: Source<'a>,
        counts: &'a [f64],
        scale: f64,
        computed: PhantomData<F>,
    }
    impl<F: Float> Work<Chunk<'_, u8, 0>, ()> for CountedSum<'_, F> {
        type Result = f64;
        #[inline(always)]
        fn part(&self, (): &mut (), (range, []): Chunk<u8, 0>) -> f64 {
            let (mut weights, mut ids) = ([1.0; BLOCK], [0; BLOCK]);
            let mut total = 0.0;
            for start in range.clone().step_by(BLOCK) {
                let count = BLOCK.min(range.end - start);
                let (weights, ids) = (&mut weights[..count], &mut ids[..count]);
                self.ids.integers(start, ids);
                match self.samples {
                    Some(samples) => {
                        read_weights::<F>(samples, start, weights);
                    }
                    None => weights.fill(1.0),
                }
                for (weight, &id) in weights.iter_mut().zip(&*ids) {
                    let own = usize::try_from(id).ok().and_then(|id| self.counts.get(id));
                    let own = own.copied().unwrap_or(0.0);
                    *weight = if own == 0.0 {
                        // A large weight, made larger, may be infinite.
                        own * *weight
                    } else {
                        own * (*weight * self.scale)
                    };
                }
                total += sum(weights, 1.0);
            }
            total
        }
    }
    let work = CountedSum::<F> {
        samples,
        ids,
        counts,
        scale,
        computed: PhantomData,
    };
    in_chunks(count, CHUNK, [], &work).iter().sum()
}
