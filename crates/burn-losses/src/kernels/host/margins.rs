//! The sweep of a loss over the margins between the classes of a sample.

use super::classes::Layout;
use super::distance::in_order;
use super::{
    CHUNK, Chunk, Float, Found, LANES, Output, Scale, Source, Work, clamp, in_chunks, read_weight,
    tree,
};
use crate::kernels::margin::{MultiMargin, half_gap, margin_term};
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

/// What is read.
#[derive(Clone, Copy)]
pub(crate) struct Reads<'a> {
    /// The logits; absent where the gradient overwrites them.
    pub(crate) input: Option<Source<'a>>,
    pub(crate) layout: Layout,
    /// The id of each sample's class, if `one` says how it counts; else the ids of its labels, in the
    /// layout of the input.
    pub(crate) ids: Source<'a>,
    pub(crate) one: Option<&'a MultiMargin>,
    /// A weight for each sample.
    pub(crate) samples: Option<Source<'a>>,
}

/// Computes the losses of the samples, and the gradient, which is in the layout of the input.
pub(crate) fn sweep<F: Float>(
    reads: &Reads,
    losses: Option<Output<F>>,
    gradient: Option<Output<F>>,
    scale: Scale,
) -> Found {
    let Layout {
        outer,
        classes,
        inner,
    } = reads.layout;
    let block = classes * inner;
    let at_a_time = (CHUNK / block).max(1);
    let (total, chunk) = (outer * block, at_a_time * block);
    let found = match gradient.is_some() {
        true => in_chunks(total, chunk, [gradient], &Sweep::<true> { reads, scale }),
        false => in_chunks(total, chunk, [gradient], &Sweep::<false> { reads, scale }),
    };
    in_order(found, losses)
}

struct Sweep<'a, const GRADIENT: bool> {
    reads: &'a Reads<'a>,
    scale: Scale,
}

/// The buffers of a thread.
struct Buffers<F> {
    /// The logits of a sample, and their gradient.
    logits: Vec<F>,
    slopes: Vec<F>,
    /// The labels of a sample, and a 1 for each class that is none.
    labels: Vec<usize>,
    others: Vec<F>,
}

impl<F: Float, const GRADIENT: bool> Work<Chunk<'_, F, 1>, ()> for Sweep<'_, GRADIENT> {
    type Result = (Found, Vec<F>);

    #[inline(always)]
    fn part(&self, (): &mut (), (range, gradient): Chunk<F, 1>) -> (Found, Vec<F>) {
        // With the exponent known to the compiler, the loops are plain.
        match self.reads.one {
            Some(one) if one.p == 2 => self.blocks(range, gradient, |sweep, sample, buffers| {
                sweep.one_class(one, 2, sample, buffers)
            }),
            Some(one) => self.blocks(range, gradient, |sweep, sample, buffers| {
                sweep.one_class(one, 1, sample, buffers)
            }),
            None => self.blocks(range, gradient, |sweep, sample, buffers| {
                sweep.several_labels(sample, buffers)
            }),
        }
    }
}

impl<const GRADIENT: bool> Sweep<'_, GRADIENT> {
    /// The losses of the samples in a range of blocks, each by `loss`, which gives half of it, leaves the
    /// gradient in the buffers, and says what both are to be multiplied by; it gives nothing for a sample
    /// whose target is not valid.
    #[inline(always)]
    fn blocks<F: Float>(
        &self,
        range: Range<usize>,
        [mut gradient]: [Option<Output<F>>; 1],
        loss: impl Fn(&Self, usize, &mut Buffers<F>) -> Option<(F, f64)>,
    ) -> (Found, Vec<F>) {
        let Layout { classes, inner, .. } = self.reads.layout;
        let size = classes * inner;
        let zeros = |length| vec![F::default(); length];
        let mut block = zeros(size);
        let mut buffers = Buffers {
            logits: zeros(classes),
            slopes: zeros(classes),
            labels: Vec::with_capacity(classes),
            others: zeros(classes),
        };
        let mut losses = zeros(range.len() / classes);
        let mut invalid = false;
        let first = range.start / classes;
        for (at, losses) in losses.chunks_exact_mut(inner).enumerate() {
            let here = at * size..(at + 1) * size;
            match (self.reads.input, &gradient) {
                (Some(source), _) => source.read(range.start + here.start, &mut block),
                (None, Some(gradient)) => block.copy_from_slice(gradient.input(here.clone())),
                (None, None) => unreachable!("what is overwritten is written"),
            }
            for (offset, loss_of_sample) in losses.iter_mut().enumerate() {
                let sample = first + at * inner + offset;
                if inner == 1 {
                    buffers.logits.copy_from_slice(&block);
                } else {
                    let logits = block[offset..].iter().step_by(inner);
                    for (logit, &from) in buffers.logits.iter_mut().zip(logits) {
                        *logit = from;
                    }
                }
                let (weight, allowed) = match self.reads.samples {
                    Some(samples) => read_weight::<F>(samples, sample),
                    None => (1.0, true),
                };
                invalid |= !allowed;
                let (found, of_class) = loss(self, sample, &mut buffers).unwrap_or_else(|| {
                    invalid = true;
                    buffers.slopes.fill(F::NAN);
                    (F::NAN, 1.0)
                });
                let weight = self.scale.weight_of::<F>(weight, of_class);
                *loss_of_sample = found.times_or_zero(weight);
                if GRADIENT {
                    self.settle(&mut buffers.slopes, weight);
                    if inner == 1 {
                        block.copy_from_slice(&buffers.slopes);
                    } else {
                        let slopes = block[offset..].iter_mut().step_by(inner);
                        for (to, &slope) in slopes.zip(&buffers.slopes) {
                            *to = slope;
                        }
                    }
                }
            }
            if let Some(gradient) = &mut gradient {
                gradient.write(here.start, &block);
            }
        }
        let found = Found {
            sum: super::sum(&losses, self.scale.losses) * 2.0,
            invalid,
        };
        for loss in &mut losses {
            *loss = loss.times(2.0);
        }
        (found, losses)
    }

    /// Weighs slopes, scales them, and clamps them to what their type holds.
    #[inline(always)]
    fn settle<F: Float>(&self, slopes: &mut [F], weight: F) {
        let scale = F::of(self.scale.gradient);
        for slope in slopes {
            *slope = clamp(slope.times_or_zero(weight) * scale);
        }
    }

    /// The loss of a sample of one class.
    #[inline(always)]
    fn one_class<F: Float>(
        &self,
        one: &MultiMargin,
        p: usize,
        sample: usize,
        buffers: &mut Buffers<F>,
    ) -> Option<(F, f64)> {
        let classes = self.reads.layout.classes;
        let id = usize::try_from(self.reads.ids.integer(sample)?).ok()?;
        let label = *buffers.logits.get(id)?;
        let of_class = one.weights.as_ref().map_or(1.0, |weights| weights[id]);
        let share = 1.0 / classes as f64;
        let mut sums = Sums::default();
        let (logits, slopes) = (&buffers.logits[..], &mut buffers.slopes[..classes]);
        slopes.fill(F::default());
        for part in [0..id, id + 1..classes] {
            let of_class =
                |[logit]: [F; 1]| margin_term(half_gap(logit, label, one.margin), p, share);
            sums.add::<_, _, 1, GRADIENT>([&logits[part.clone()]], &mut slopes[part], of_class);
        }
        slopes[id] = F::of(-sums.slopes);
        Some((F::of(sums.values), of_class))
    }

    /// The loss of a sample with several labels, or none.
    #[inline(always)]
    fn several_labels<F: Float>(
        &self,
        sample: usize,
        buffers: &mut Buffers<F>,
    ) -> Option<(F, f64)> {
        let Layout { classes, inner, .. } = self.reads.layout;
        let first = sample / inner * classes * inner + sample % inner;
        let Buffers {
            logits,
            slopes,
            labels,
            others,
        } = buffers;
        labels.clear();
        others.fill(F::of(1.0));
        let mut ended = false;
        for slot in 0..classes {
            let id = self.reads.ids.integer(first + slot * inner)?;
            if id == -1 {
                ended = true;
                continue;
            }
            let id = usize::try_from(id).ok().filter(|&id| id < classes)?;
            if ended || others[id].equals(0.0) {
                return None;
            }
            others[id] = F::default();
            labels.push(id);
        }
        let (logits, others) = (&logits[..classes], &others[..classes]);
        let slopes = &mut slopes[..classes];
        slopes.fill(F::default());
        let share = 1.0 / classes as f64;
        let mut total = 0.0;
        for &label in labels.iter() {
            let mut sums = Sums::default();
            let of_label = logits[label];
            let of_class = |[logit, other]: [F; 2]| {
                let (value, slope) = margin_term(half_gap(logit, of_label, 1.0), 1, share);
                (value.times_or_zero(other), move || {
                    slope().times_or_zero(other)
                })
            };
            sums.add::<_, _, 2, GRADIENT>([logits, others], &mut *slopes, of_class);
            slopes[label] = slopes[label] - F::of(sums.slopes);
            total += sums.values;
        }
        Some((F::of(total), 1.0))
    }
}

/// The sums of terms and of their slopes.
#[derive(Default)]
struct Sums {
    values: f64,
    slopes: f64,
}

impl Sums {
    /// Adds the terms of classes, each with what there is of it in the `inputs`, and their slopes to those
    /// that are there.
    #[inline(always)]
    fn add<F: Float, S: FnOnce() -> F, const K: usize, const GRADIENT: bool>(
        &mut self,
        inputs: [&[F]; K],
        slopes: &mut [F],
        term: impl Fn([F; K]) -> (F, S),
    ) {
        let mut lanes = [[0.0; LANES]; 2];
        let mut step = |inputs: [F; K], lane: usize, to: &mut F| {
            let (value, slope) = term(inputs);
            lanes[0][lane] += value.double();
            if GRADIENT {
                let slope = slope();
                *to += slope;
                lanes[1][lane] += slope.double();
            }
        };
        let count = slopes.len();
        let inputs = inputs.map(|input| &input[..count]);
        let mut parts = inputs.map(|input| input.chunks_exact(LANES));
        let mut whole = slopes.chunks_exact_mut(LANES);
        for slopes in &mut whole {
            let part = parts.each_mut().map(|part| part.next().unwrap_or_default());
            let part =
                part.map(|part| <&[F; LANES]>::try_from(part).expect("chunks are of one length"));
            for (lane, slope) in slopes.iter_mut().enumerate() {
                step(part.map(|part| part[lane]), lane, slope);
            }
        }
        let rest = count / LANES * LANES;
        for (lane, slope) in whole.into_remainder().iter_mut().enumerate() {
            step(inputs.map(|input| input[rest + lane]), lane, slope);
        }
        self.values += tree(&lanes[0]);
        self.slopes += tree(&lanes[1]);
    }
}
