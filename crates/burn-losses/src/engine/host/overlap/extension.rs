//! The sweeps over the Lovász extension of the Jaccard loss of a softmax: one for the losses, which leaves the slopes of the
//! errors, `[sample][class][pixel]`, and one for the gradient.

use super::{
    OverlapInputs, OverlapSweep, PixelTile, TILES, TileExponentials, counted, own_and_mean,
    tile_width,
};
use crate::engine::host::head::HeadFloat;
use crate::engine::host::lovasz::{Keys, LineLoss, SortedFloat, of_line};
use crate::engine::host::numbers::Float;
use crate::engine::host::output::{Columns, Output, Unwritten};
use crate::engine::host::samples::{Layout, Lines, Side, TILE, Task, TaskRows, tasks, turn_back};
use crate::engine::host::scale::{clamp, kept};
use crate::engine::host::tasks::{share, take};
use crate::engine::host::vectors::Loop;
use crate::spec::overlap::OverlapTarget;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

/// What the first sweep gives.
pub(crate) struct Extension<F> {
    /// The losses, and how many pixels are of each class: `[sum, sample, class]`.
    pub(crate) sums: Vec<f64>,
    /// The slopes by the probabilities, if they were wanted; else as many numbers.
    pub(crate) slopes: Vec<F>,
    /// Whether an id is not valid. Then all of its sample is NaN.
    pub(crate) invalid: bool,
}

pub(crate) fn losses<F: SortedFloat>(reads: &OverlapInputs, slopes: bool) -> Extension<F> {
    let sweep = OverlapSweep::new(reads);
    let elements = reads.layout.elements();
    let mut errors = Unwritten::new(elements);
    let tasks = error_tasks(reads, errors.output());
    let found = share(elements, tasks, PixelTile::<F>::new, |tile, task| {
        let sample = task.sample;
        (sample, sweep.write_errors(tile, task))
    });
    let mut valid = vec![true; reads.samples];
    for (sample, are_valid) in found {
        valid[sample] &= are_valid;
    }
    let mut slopes_of_lines = errors.written();
    let of_sample = sweep.pixels_of_sample();
    let of_line = |keys: &mut Keys<F>, at: usize, line: &mut [F]| {
        if valid[at / reads.layout.classes] {
            return of_line(line, keys, Some(sweep.vectors), slopes);
        }
        line.fill(F::NAN);
        // Any class counts: none hides what is not valid.
        LineLoss {
            loss: f64::NAN,
            is_true_at: 1,
        }
    };
    // Short lines are not worth a task each.
    let together = (TILE / of_sample).max(1);
    let runs = slopes_of_lines.chunks_mut(together * of_sample);
    let runs: Vec<_> = runs.enumerate().collect();
    let found = share(elements, runs, Keys::<F>::new, |keys, (run, lines)| {
        let lines = lines.chunks_exact_mut(of_sample).enumerate();
        let losses = lines.map(|(at, line)| of_line(keys, run * together + at, line));
        losses.collect::<Vec<_>>()
    });
    let losses = found.iter().flatten().map(|line| line.loss);
    let counts = found.iter().flatten().map(|line| line.is_true_at as f64);
    Extension {
        sums: losses.chain(counts).collect(),
        slopes: slopes_of_lines,
        invalid: valid.contains(&false),
    }
}

/// Some pixels of a sample, as if there were no other, and where their errors are written.
struct ErrorTask<'a, F> {
    sample: usize,
    task: Task<'a, F>,
    errors: Columns<'a, F>,
}

/// Cuts the pixels of each sample into parts.
fn error_tasks<'a, F: Float>(
    reads: &OverlapInputs,
    errors: Output<'a, F>,
) -> Vec<ErrorTask<'a, F>> {
    let classes = reads.layout.classes;
    let layout = Layout {
        outer: reads.layout.outer / reads.samples,
        ..reads.layout
    };
    let elements = layout.elements();
    let mut errors = Some(errors);
    let mut all = Vec::new();
    for sample in 0..reads.samples {
        let mut columns = take(&mut errors, elements).map(|errors| errors.columns(classes));
        for task in tasks(layout, elements, false, TILES, None, None) {
            let (Task::TaskRows(TaskRows { samples, .. })
            | Task::Blocks(TaskRows { samples, .. })
            | Task::Columns(Side { samples, .. })) = &task;
            let width = samples.len();
            let Some((errors, rest)) = columns.take().map(|columns| columns.split(width)) else {
                unreachable!("there is room for all errors")
            };
            columns = Some(rest);
            all.push(ErrorTask {
                sample,
                task,
                errors,
            });
        }
    }
    all
}

/// Writes the gradient, of what has these derivatives with respect to the losses `[sample, class]`.
pub(crate) fn gradient<F: HeadFloat>(
    reads: &OverlapInputs,
    slopes: &[F],
    of_losses: &[f64],
    gradient: Output<F>,
) {
    let sweep = OverlapSweep::new(reads);
    let of_errors = OfErrors { slopes, of_losses };
    let elements = reads.layout.elements();
    let tasks = tasks(reads.layout, elements, false, TILES, None, Some(gradient));
    share(elements, tasks, PixelTile::new, |tile, task| match task {
        Task::TaskRows(task) | Task::Blocks(task) => {
            sweep.gradient_of_blocks(tile, task, &of_errors);
        }
        Task::Columns(task) => sweep.gradient_of_columns(tile, task, &of_errors),
    });
}

/// What the gradient is made of: the slopes of errors, and the derivatives with respect to the losses.
struct OfErrors<'a, F> {
    slopes: &'a [F],
    of_losses: &'a [f64],
}

impl OverlapSweep<'_> {
    /// Writes the errors of pixels; says whether their ids are valid.
    fn write_errors<F: HeadFloat>(&self, tile: &mut PixelTile<F>, task: ErrorTask<F>) -> bool {
        let Layout { classes, inner, .. } = self.reads.layout;
        let ErrorTask {
            sample,
            task,
            mut errors,
        } = task;
        let first = sample * self.pixels_of_sample();
        let mut valid = true;
        match task {
            Task::TaskRows(task) | Task::Blocks(task) => {
                let pixels = first + task.samples.start..first + task.samples.end;
                let blocks = pixels.start / inner..pixels.end / inner;
                for blocks in pieces(blocks, self.blocks_of_tile()) {
                    let width = blocks.len() * inner;
                    let x = self.turned(tile, blocks.clone(), 0, None);
                    let (mut now, rest) = errors.split(width);
                    errors = rest;
                    let pixels = blocks.start * inner..blocks.end * inner;
                    valid &= self.softmax(tile, Lines::Strided(&x, width), pixels);
                    self.vectors.run(WriteErrors(tile, &mut now));
                    tile.x = x;
                }
            }
            Task::Columns(task) => {
                let outer = first / inner + task.outer;
                for columns in pieces(task.samples, tile_width(classes)) {
                    let width = columns.len();
                    let start = outer * classes * inner + columns.start;
                    let mut x = core::mem::take(&mut tile.x);
                    let lines = self.lines(start, width, &mut x, None);
                    let (mut now, rest) = errors.split(width);
                    errors = rest;
                    let pixels = outer * inner + columns.start..outer * inner + columns.end;
                    valid &= self.softmax(tile, lines, pixels);
                    self.vectors.run(WriteErrors(tile, &mut now));
                    tile.x = x;
                }
            }
        }
        valid
    }

    fn gradient_of_blocks<F: HeadFloat>(
        &self,
        tile: &mut PixelTile<F>,
        task: TaskRows<F>,
        of_errors: &OfErrors<F>,
    ) {
        let Layout { classes, inner, .. } = self.reads.layout;
        let TaskRows {
            samples: pixels,
            gradient,
            ..
        } = task;
        let mut gradient = gradient.expect("it is written");
        let size = classes * inner;
        let of_sample = self.pixels_of_sample() / inner;
        let all = pixels.start / inner..pixels.end / inner;
        let mut first = all.start;
        while first < all.end {
            let of_one = (first / of_sample + 1) * of_sample;
            let blocks = first..all.end.min(of_one).min(first + self.blocks_of_tile());
            first = blocks.end;
            let pixels = blocks.start * inner..blocks.end * inner;
            if !self.read_derivatives_of_losses(tile, of_errors, &pixels) {
                gradient.fill(pixels.len() * classes, |_| F::default());
                continue;
            }
            let start = (blocks.start - all.start) * size;
            let x = self.turned(tile, blocks.clone(), start, Some(&gradient));
            let lines = Lines::Strided(&x, pixels.len());
            self.gradient_of_tile(tile, lines, pixels, of_errors);
            let sizes = [blocks.len(), classes, inner];
            turn_back(&tile.exps, sizes, &mut tile.rows);
            gradient.write(&tile.rows);
            tile.x = x;
        }
    }

    fn gradient_of_columns<F: HeadFloat>(
        &self,
        tile: &mut PixelTile<F>,
        task: Side<F>,
        of_errors: &OfErrors<F>,
    ) {
        let Layout { classes, inner, .. } = self.reads.layout;
        let Side {
            outer,
            samples,
            gradient,
            ..
        } = task;
        let mut gradient = gradient.expect("it is written");
        for columns in pieces(samples, tile_width(classes)) {
            let width = columns.len();
            let (mut now, rest) = gradient.split(width);
            gradient = rest;
            let pixels = outer * inner + columns.start..outer * inner + columns.end;
            if !self.read_derivatives_of_losses(tile, of_errors, &pixels) {
                for _ in 0..classes {
                    now.fill(width, |_| F::default());
                }
                continue;
            }
            let start = outer * classes * inner + columns.start;
            let mut x = core::mem::take(&mut tile.x);
            let lines = self.lines(start, width, &mut x, Some(&now));
            self.gradient_of_tile(tile, lines, pixels, of_errors);
            tile.x = x;
            for line in tile.exps.chunks_exact(width) {
                now.write(line);
            }
        }
    }

    /// How many small blocks are a tile.
    fn blocks_of_tile(&self) -> usize {
        let Layout { classes, inner, .. } = self.reads.layout;
        (2 * TILE / (classes * inner)).max(1)
    }

    /// Reads the derivatives with respect to the losses of the sample of some pixels; says whether any is not 0. What does
    /// not count has no gradient, whatever it is.
    fn read_derivatives_of_losses<F: HeadFloat>(
        &self,
        tile: &mut PixelTile<F>,
        of_errors: &OfErrors<F>,
        pixels: &Range<usize>,
    ) -> bool {
        let classes = self.reads.layout.classes;
        let sample = pixels.start / self.pixels_of_sample();
        let of_losses = &of_errors.of_losses[sample * classes..][..classes];
        let parts = of_losses
            .iter()
            .map(|&of_loss| kept::<F>(of_loss * PART, of_loss != 0.0));
        tile.of_sums.clear();
        tile.of_sums.extend(parts);
        of_losses.iter().any(|of_loss| *of_loss != 0.0)
    }

    /// The exponentials of a tile of pixels, and what makes probabilities of them; says whether the ids are valid.
    fn softmax<F: HeadFloat>(
        &self,
        tile: &mut PixelTile<F>,
        lines: Lines<F>,
        pixels: Range<usize>,
    ) -> bool {
        let OverlapTarget::Ids(ids, ignored) = &self.reads.target else {
            unreachable!("the classes of a softmax are told by ids")
        };
        let width = pixels.len();
        tile.resize(width);
        tile.exps
            .resize(width * self.reads.layout.classes, F::default());
        tile.adds_dots = false;
        let valid = self.read_ids(tile, *ids, ignored, pixels.start);
        self.vectors.run(TileExponentials(self, tile, lines));
        valid
    }

    /// The gradient of a tile of pixels of one sample, in place of the exponentials.
    fn gradient_of_tile<F: HeadFloat>(
        &self,
        tile: &mut PixelTile<F>,
        lines: Lines<F>,
        pixels: Range<usize>,
        of_errors: &OfErrors<F>,
    ) {
        let of_sample = self.pixels_of_sample();
        let (sample, first) = (pixels.start / of_sample, pixels.start % of_sample);
        let start = sample * of_sample * self.reads.layout.classes + first;
        let slopes = Lines::Strided(&of_errors.slopes[start..], of_sample);
        self.softmax(tile, lines, pixels);
        self.vectors.run(GradientOfErrors(tile, slopes));
    }
}

/// A range in pieces of such a length, the last of which may be shorter.
fn pieces(all: Range<usize>, length: usize) -> impl Iterator<Item = Range<usize>> {
    let end = all.end;
    all.step_by(length)
        .map(move |start| start..end.min(start + length))
}

/// Writes the errors of a tile, negative at the class of a pixel: there it is what the probability lacks of 1, elsewhere the
/// probability.
struct WriteErrors<'a, 'b, F>(&'a PixelTile<F>, &'a mut Columns<'b, F>);

impl<F: HeadFloat> Loop for WriteErrors<'_, '_, F> {
    const WIDEST: bool = !F::IS_DOUBLE;
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self(tile, errors) = self;
        let width = tile.share.len();
        let (share, others) = (&tile.share[..width], &tile.others[..width]);
        let ids = &tile.ids[..width];
        for (class, exps) in tile.exps.chunks_exact(width).enumerate() {
            let exps = &exps[..width];
            errors.fill(width, |at| {
                // Also where it is NaN, the sign is that of the class.
                let unknown = share[at].is_nan();
                let p = counted(exps[at], share[at]).set(unknown, f64::NAN).abs();
                let lack = (others[at] * share[at]).set(unknown, f64::NAN).abs();
                p.replace(ids[at] == class as u32, -lack)
            });
        }
    }
}

/// The share of the gradient that is computed: the difference of two derivatives may be out of range where its part is not.
const PART: f64 = 1.0 / 8.0;

/// The gradient of a tile, in place of the exponentials, from the slopes of its errors. The derivatives with respect to the
/// losses have been read.
struct GradientOfErrors<'a, F>(&'a mut PixelTile<F>, Lines<'a, F>);

impl<F: HeadFloat> Loop for GradientOfErrors<'_, F> {
    const WIDEST: bool = !F::IS_DOUBLE;
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self(tile, slopes) = self;
        let width = tile.share.len();
        let classes = tile.of_sums.len();
        let (share, ids) = (&tile.share[..width], &tile.ids[..width]);
        let (dots, of_own) = (&mut tile.dots[..width], &mut tile.p[..width]);
        dots.fill(F::default());
        of_own.fill(F::default());
        for (class, exps) in tile.exps.chunks_exact(width).enumerate() {
            let of_loss = tile.of_sums[class];
            let (slopes, exps) = (&slopes.line(class, width)[..width], &exps[..width]);
            for at in 0..width {
                let slope = slopes[at].times_or_zero(of_loss);
                of_own[at] = of_own[at].replace(ids[at] == class as u32, slope);
                // The exponential at the class of a pixel is 0 here.
                dots[at] += counted(exps[at], share[at]) * slope;
            }
        }
        let (own, others) = (&tile.own[..width], &tile.others[..width]);
        let own_slopes = &mut tile.own_slopes[..width];
        let mean = &mut tile.numbers[..width];
        for at in 0..width {
            let probs = [own[at], others[at]].map(|exp| counted(exp, share[at]));
            let is_largest = own[at].equals(1.0);
            let (slope, less) = own_and_mean(probs, of_own[at], dots[at], is_largest);
            own_slopes[at] = slope;
            mean[at] = less;
        }
        for class in 0..classes {
            let of_loss = tile.of_sums[class];
            let slopes = &slopes.line(class, width)[..width];
            let exps = &mut tile.exps[class * width..][..width];
            for at in 0..width {
                let slope = slopes[at].times_or_zero(of_loss) - mean[at];
                let slope = counted(exps[at], share[at]) * slope;
                let slope = slope.replace(ids[at] == class as u32, own_slopes[at]);
                exps[at] = clamp(slope.times(1.0 / PART));
            }
        }
    }
}
