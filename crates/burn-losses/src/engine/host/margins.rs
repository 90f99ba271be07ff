//! The sweep of a loss over the margins between the classes of a sample.

use super::classes::{Layout, Side, Task, TaskRows, elements, load, tasks};
use super::numbers::{Float, Source};
use super::output::Output;
use super::scale::{Scale, clamp};
use super::sums::{Lanes, PART, sum};
use super::tasks::{ChunkSum, share};
use super::vectors::{Loop, Vectors};
use super::weights::read_weight;
use crate::spec::margin::{MultiMargin, half_gap, margin_term};
use alloc::vec::Vec;
use core::mem::take;

/// What is read.
#[derive(Clone, Copy)]
pub(crate) struct MarginInputs<'a> {
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
    reads: &MarginInputs,
    losses: Option<Output<F>>,
    gradient: Option<Output<F>>,
    scale: Scale,
) -> ChunkSum {
    let Layout {
        outer,
        classes,
        inner,
    } = reads.layout;
    let sweep = MarginSweep {
        reads,
        scale,
        vectors: Vectors::detect(),
    };
    let elements = outer * classes * inner;
    let tasks = tasks(reads.layout, elements, inner == 1, losses, gradient);
    let found = share(
        elements,
        tasks,
        MarginBuffers::default,
        |buffers, task| match task {
            Task::TaskRows(task) => sweep.rows(buffers, task),
            Task::Blocks(task) => sweep.blocks(buffers, task),
            Task::Columns(task) => sweep.columns(buffers, task),
        },
    );
    ChunkSum::total(found)
}

struct MarginSweep<'a> {
    reads: &'a MarginInputs<'a>,
    scale: Scale,
    vectors: Vectors,
}

/// The buffers of a thread.
#[derive(Default)]
struct MarginBuffers<F> {
    /// Numbers that were converted, or will be overwritten.
    read: Vec<F>,
    /// The logits of a sample, and their gradient.
    logits: Vec<F>,
    slopes: Vec<F>,
    /// The labels of a sample, and a 1 for each class that is none.
    labels: Vec<usize>,
    others: Vec<F>,
    /// Half of the loss of each sample.
    losses: Vec<F>,
}

impl<F: Float> MarginBuffers<F> {
    fn resize(&mut self, classes: usize) {
        for numbers in [&mut self.logits, &mut self.slopes, &mut self.others] {
            numbers.resize(classes, F::default());
        }
    }
}

impl MarginSweep<'_> {
    /// Samples of adjacent classes.
    fn rows<F: Float>(&self, buffers: &mut MarginBuffers<F>, task: TaskRows<F>) -> ChunkSum {
        let classes = self.reads.layout.classes;
        let TaskRows {
            samples,
            losses,
            mut gradient,
        } = task;
        buffers.resize(classes);
        buffers.losses.clear();
        let mut invalid = false;
        for sample in samples.clone() {
            let mut read = take(&mut buffers.read);
            let at = sample * classes..(sample + 1) * classes;
            let x = match (&self.reads.input, &gradient) {
                (Some(source), _) => elements(source, at, &mut read),
                (None, Some(gradient)) => {
                    let start = (sample - samples.start) * classes;
                    read.clear();
                    read.extend_from_slice(gradient.input(start..start + classes));
                    &read
                }
                (None, None) => unreachable!("what is overwritten is written"),
            };
            let half = self.sample(sample, x, buffers, gradient.is_some(), &mut invalid);
            buffers.losses.push(half);
            if let Some(gradient) = &mut gradient {
                gradient.write(&buffers.slopes);
            }
            buffers.read = read;
        }
        self.finish(buffers, losses, invalid)
    }

    /// Blocks `[classes, inner]`.
    fn blocks<F: Float>(&self, buffers: &mut MarginBuffers<F>, task: TaskRows<F>) -> ChunkSum {
        let Layout { classes, inner, .. } = self.reads.layout;
        let TaskRows {
            samples,
            losses,
            mut gradient,
        } = task;
        buffers.resize(classes);
        buffers.losses.clear();
        let mut invalid = false;
        let size = classes * inner;
        let blocks = samples.start / inner..samples.end / inner;
        for block in blocks.clone() {
            let mut tile = take(&mut buffers.read);
            tile.resize(size, F::default());
            match (&self.reads.input, &gradient) {
                (Some(source), _) => load(source, block * size, inner, inner, &mut tile),
                (None, Some(gradient)) => {
                    let start = (block - blocks.start) * size;
                    tile.copy_from_slice(gradient.input(start..start + size));
                }
                (None, None) => unreachable!("what is overwritten is written"),
            }
            let wanted = gradient.is_some();
            self.tile(
                block * inner,
                &mut tile,
                inner,
                buffers,
                wanted,
                &mut invalid,
            );
            if let Some(gradient) = &mut gradient {
                gradient.write(&tile);
            }
            buffers.read = tile;
        }
        self.finish(buffers, losses, invalid)
    }

    /// Columns of a large block.
    fn columns<F: Float>(&self, buffers: &mut MarginBuffers<F>, task: Side<F>) -> ChunkSum {
        let Layout { classes, inner, .. } = self.reads.layout;
        let Side {
            outer,
            samples,
            losses,
            mut gradient,
        } = task;
        buffers.resize(classes);
        buffers.losses.clear();
        let mut invalid = false;
        let width = samples.len();
        let mut tile = take(&mut buffers.read);
        tile.resize(classes * width, F::default());
        match (&self.reads.input, &gradient) {
            (Some(source), _) => {
                let start = outer * classes * inner + samples.start;
                load(source, start, inner, width, &mut tile);
            }
            (None, Some(gradient)) => {
                for (class, row) in tile.chunks_exact_mut(width).enumerate() {
                    row.copy_from_slice(gradient.input(class));
                }
            }
            (None, None) => unreachable!("what is overwritten is written"),
        }
        let first = outer * inner + samples.start;
        self.tile(
            first,
            &mut tile,
            width,
            buffers,
            gradient.is_some(),
            &mut invalid,
        );
        if let Some(gradient) = &mut gradient {
            for row in tile.chunks_exact(width) {
                gradient.write(row);
            }
        }
        buffers.read = tile;
        self.finish(buffers, losses, invalid)
    }

    /// The losses of samples side by side, the first of which is given, and in place of their logits the
    /// gradient.
    fn tile<F: Float>(
        &self,
        first: usize,
        tile: &mut [F],
        width: usize,
        buffers: &mut MarginBuffers<F>,
        gradient: bool,
        invalid: &mut bool,
    ) {
        for offset in 0..width {
            let mut logits = take(&mut buffers.logits);
            let column = tile[offset..].iter().step_by(width);
            for (logit, &from) in logits.iter_mut().zip(column) {
                *logit = from;
            }
            let half = self.sample(first + offset, &logits, buffers, gradient, invalid);
            buffers.losses.push(half);
            buffers.logits = logits;
            if gradient {
                let column = tile[offset..].iter_mut().step_by(width);
                for (to, &slope) in column.zip(&buffers.slopes) {
                    *to = slope;
                }
            }
        }
    }

    /// Half of the weighted loss of a sample; its gradient is left in the buffers.
    fn sample<F: Float>(
        &self,
        sample: usize,
        logits: &[F],
        buffers: &mut MarginBuffers<F>,
        gradient: bool,
        invalid: &mut bool,
    ) -> F {
        let (weight, allowed) = match self.reads.samples {
            Some(samples) => read_weight::<F>(samples, sample),
            None => (1.0, true),
        };
        *invalid |= !allowed;
        let found = match self.reads.one {
            Some(one) => self.one_class(one, sample, logits, buffers, gradient),
            None => self.several_labels(sample, logits, buffers, gradient),
        };
        let (half, of_class) = found.unwrap_or_else(|| {
            *invalid = true;
            buffers.slopes.fill(F::NAN);
            (F::NAN, 1.0)
        });
        let weight = self.scale.weight_of::<F>(weight, of_class);
        if gradient {
            self.vectors.run(FinishMargins {
                slopes: &mut buffers.slopes,
                weight,
                scale: F::of(self.scale.gradient),
            });
        }
        half.times_or_zero(weight)
    }

    /// The loss of a sample of one class, in halves, and how much that class counts; nothing where it is none.
    fn one_class<F: Float>(
        &self,
        one: &MultiMargin,
        sample: usize,
        logits: &[F],
        buffers: &mut MarginBuffers<F>,
        gradient: bool,
    ) -> Option<(F, f64)> {
        let id = usize::try_from(self.reads.ids.integer(sample)?).ok()?;
        let label = *logits.get(id)?;
        let of_class = one.weights.as_ref().map_or(1.0, |weights| weights[id]);
        let slopes = &mut buffers.slopes;
        let share = 1.0 / self.reads.layout.classes as f64;
        let (before, after) = (&logits[..id], &logits[id + 1..]);
        let mut sums = MarginSums::default();
        let mut add = |logits, slopes: Option<&mut [F]>| {
            sums.add(self.vectors.run(AddMargins {
                logits,
                label,
                margin: one.margin,
                p: one.p,
                share,
                slopes,
            }));
        };
        if gradient {
            add(before, Some(&mut slopes[..id]));
            add(after, Some(&mut slopes[id + 1..]));
        } else {
            add(before, None);
            add(after, None);
        }
        slopes[id] = F::of(-sums.slopes);
        Some((F::of(sums.values), of_class))
    }

    /// As [`one_class`](Self::one_class), of a sample with several labels, or none.
    fn several_labels<F: Float>(
        &self,
        sample: usize,
        logits: &[F],
        buffers: &mut MarginBuffers<F>,
        gradient: bool,
    ) -> Option<(F, f64)> {
        let Layout { classes, inner, .. } = self.reads.layout;
        let first = sample / inner * classes * inner + sample % inner;
        let MarginBuffers {
            slopes,
            labels,
            others,
            ..
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
        slopes.fill(F::default());
        let mut total = 0.0;
        for &label in labels.iter() {
            let sums = self.vectors.run(MarginsOfLabel {
                logits,
                others,
                label: logits[label],
                slopes: gradient.then_some(&mut **slopes),
            });
            slopes[label] = slopes[label] - F::of(sums.slopes);
            total += sums.values;
        }
        Some((F::of(total), 1.0))
    }

    /// The sum of the losses in the buffers, which are written if each is wanted.
    fn finish<F: Float>(
        &self,
        buffers: &mut MarginBuffers<F>,
        losses: Option<Output<F>>,
        invalid: bool,
    ) -> ChunkSum {
        let found = ChunkSum {
            sum: sum(&buffers.losses, self.scale.losses) * 2.0,
            invalid,
        };
        if let Some(mut losses) = losses {
            losses.fill(buffers.losses.len(), |at| buffers.losses[at].times(2.0));
        }
        found
    }
}

/// The sums of terms and of their slopes.
#[derive(Clone, Copy, Default)]
struct MarginSums {
    values: f64,
    slopes: f64,
}

impl MarginSums {
    fn add(&mut self, other: Self) {
        self.values += other.values;
        self.slopes += other.slopes;
    }
}

/// The margins between a label and other classes.
struct AddMargins<'a, F> {
    logits: &'a [F],
    label: F,
    margin: f64,
    p: usize,
    share: f64,
    slopes: Option<&'a mut [F]>,
}

impl<F: Float> AddMargins<'_, F> {
    #[inline(always)]
    fn with_p<const SQUARES: bool>(self) -> MarginSums {
        let p = if SQUARES { 2 } else { 1 };
        let (mut of_values, mut of_slopes) = (Lanes::NONE, Lanes::NONE);
        let mut values = [F::default(); PART];
        let mut slopes = self.slopes;
        for (part, logits) in self.logits.chunks(PART).enumerate() {
            let values = &mut values[..logits.len()];
            match &mut slopes {
                Some(slopes) => {
                    let slopes = &mut slopes[part * PART..][..logits.len()];
                    for (at, &logit) in logits.iter().enumerate() {
                        let half = half_gap(logit, self.label, self.margin);
                        let (value, slope) = margin_term(half, p, self.share);
                        values[at] = value;
                        slopes[at] = slope();
                    }
                    of_slopes.add_up_to_a_part(slopes);
                }
                None => {
                    for (value, &logit) in values.iter_mut().zip(logits) {
                        let half = half_gap(logit, self.label, self.margin);
                        *value = margin_term(half, p, self.share).0;
                    }
                }
            }
            of_values.add_up_to_a_part(values);
        }
        MarginSums {
            values: of_values.sum(),
            slopes: of_slopes.sum(),
        }
    }
}

impl<F: Float> Loop for AddMargins<'_, F> {
    type Output = MarginSums;

    #[inline(always)]
    fn run(self) -> MarginSums {
        // With the exponent known to the compiler, the loops are plain.
        match self.p {
            2 => self.with_p::<true>(),
            _ => self.with_p::<false>(),
        }
    }
}

/// The margins between one of several labels and the `others`, whose slopes are added.
struct MarginsOfLabel<'a, F> {
    logits: &'a [F],
    others: &'a [F],
    label: F,
    slopes: Option<&'a mut [F]>,
}

impl<F: Float> Loop for MarginsOfLabel<'_, F> {
    type Output = MarginSums;

    #[inline(always)]
    fn run(self) -> MarginSums {
        let classes = self.logits.len();
        let share = 1.0 / classes as f64;
        let (mut of_values, mut of_slopes) = (Lanes::NONE, Lanes::NONE);
        let (mut values, mut added) = ([F::default(); PART], [F::default(); PART]);
        let mut slopes = self.slopes;
        for start in (0..classes).step_by(PART) {
            let end = classes.min(start + PART);
            let (logits, others) = (&self.logits[start..end], &self.others[start..end]);
            let count = end - start;
            let (values, added) = (&mut values[..count], &mut added[..count]);
            for (at, &logit) in logits.iter().enumerate() {
                let (value, slope) = margin_term(half_gap(logit, self.label, 1.0), 1, share);
                values[at] = value.times_or_zero(others[at]);
                added[at] = slope().times_or_zero(others[at]);
            }
            of_values.add_up_to_a_part(values);
            if let Some(slopes) = &mut slopes {
                of_slopes.add_up_to_a_part(added);
                for (slope, &added) in slopes[start..end].iter_mut().zip(&*added) {
                    *slope += added;
                }
            }
        }
        MarginSums {
            values: of_values.sum(),
            slopes: of_slopes.sum(),
        }
    }
}

/// Weighs slopes, scales them, and clamps them to what their type holds.
struct FinishMargins<'a, F> {
    slopes: &'a mut [F],
    weight: F,
    scale: F,
}

impl<F: Float> Loop for FinishMargins<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for slope in self.slopes {
            *slope = clamp(slope.times_or_zero(self.weight) * self.scale);
        }
    }
}
