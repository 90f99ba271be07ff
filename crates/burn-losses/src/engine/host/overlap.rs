//! The sweeps over the overlap of probabilities and targets: one for its sums, and one for the gradient, which cannot be known
//! before the sums are.
//!
//! Some pixels at a time are brought into a tile, `[class][pixel]`.

pub(crate) mod extension;

use super::classes::{exponentials_of_line, raise, raise_with_class};
use super::head::{HeadFloat, HeadTerms, HostHead};
use super::numbers::{Float, Source};
use super::output::{Columns, Output};
use super::samples::{Layout, Lines, Side, TILE, Task, TaskRows, load, tasks, turn, turn_back};
use super::scale::clamp;
use super::sums::{LANES, tree};
use super::tasks::share;
use super::vectors::{Loop, Vectors};
use crate::engine::overlap::{Beside, SUMS, SUMS_BESIDE};
use crate::real::id::classify;
use crate::spec::overlap::{
    Activation, OfMinimum, OfProduct, OfSquares, Overlap, OverlapTarget, OverlapTerms, sigmoid,
};
use crate::spec::rule::Rule;
use crate::spec::softmax::{slope_of_class, slope_of_others};
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

/// What is read.
pub(crate) struct OverlapInputs<'a> {
    /// The input; absent where the gradient overwrites it.
    pub(crate) input: Option<Source<'a>>,
    pub(crate) layout: Layout,
    /// How many samples there are sums of.
    pub(crate) samples: usize,
    pub(crate) activation: Activation,
    pub(crate) overlap: Overlap,
    pub(crate) target: OverlapTarget<Source<'a>>,
    /// What is computed of each pixel's softmax besides.
    pub(crate) beside: Option<&'a Beside>,
}

/// How many tiles side by side are a task: while one is worked on, the next one is fetched.
const TILES: usize = 4;

/// The sums `[sum, sample, class]`; and whether a value broke a rule.
pub(crate) fn sums<F: HeadFloat>(reads: &OverlapInputs) -> (Vec<f64>, bool) {
    let sweep = OverlapSweep::new(reads);
    let elements = reads.layout.elements();
    let tasks = tasks::<F>(reads.layout, elements, false, TILES, None, None);
    let found = share(elements, tasks, PixelTile::new, |tile, task| {
        sweep.task(tile, task, None)
    });
    let (samples, classes, kinds) = (reads.samples, reads.layout.classes, sweep.kinds());
    let mut sums = vec![0.0; kinds * samples * classes];
    let mut invalid = false;
    for part in found {
        invalid |= part.invalid;
        for (at, of_sample) in part.sums.chunks_exact(kinds * classes).enumerate() {
            for (kind, of_classes) in of_sample.chunks_exact(classes).enumerate() {
                let start = (kind * samples + part.sample + at) * classes;
                for (sum, add) in sums[start..].iter_mut().zip(of_classes) {
                    *sum += add;
                }
            }
        }
    }
    (sums, invalid)
}

/// Writes the gradient, of what has these derivatives with respect to the sums.
pub(crate) fn gradient<F: HeadFloat>(reads: &OverlapInputs, of_sums: &[f64], gradient: Output<F>) {
    let mut sweep = OverlapSweep::new(reads);
    let sums = SUMS * reads.samples * reads.layout.classes;
    let mut of_terms = of_sums[sums..].iter().take(sums / SUMS);
    let first = of_terms.next();
    sweep.count_alike = of_terms.all(|of_term| Some(of_term) == first);
    let elements = reads.layout.elements();
    let tasks = tasks(reads.layout, elements, false, TILES, None, Some(gradient));
    share(elements, tasks, PixelTile::new, |tile, task| {
        sweep.task(tile, task, Some(of_sums));
    });
}

/// What was found of some pixels: the sums of the samples from one on, `[sample][sum][class]`.
struct TaskSums {
    sample: usize,
    sums: Vec<f64>,
    invalid: bool,
}

/// How many columns of a large block are a tile.
fn tile_width(classes: usize) -> usize {
    (TILE / classes).next_multiple_of(LANES).max(4 * LANES)
}

/// What is known of an id: its class, or that it has none.
const NO_CLASS: u32 = u32::MAX;

/// Some pixels, and what is found out about them.
struct PixelTile<F> {
    /// The input, where it is not read where it lies.
    x: Vec<F>,
    /// The exponentials of a softmax, in which that of a pixel's one class is 0; then the gradient.
    exps: Vec<F>,
    /// The probabilities of a class, and what is left of them.
    p: Vec<F>,
    rest: Vec<F>,
    /// How true each class is.
    y: Vec<F>,
    /// Where an element counts, if some do not.
    counts: Vec<F>,
    rows: Vec<F>,
    ids: Vec<u32>,
    largest: Vec<F>,
    /// Which class has the largest logit.
    at: Vec<u32>,
    /// The sum of the other exponentials: of those that are not of the pixel's class, or not the largest.
    others: Vec<F>,
    wide: Vec<f64>,
    /// The exponential at the pixel's class; and what makes probabilities of exponentials, 0 where a pixel does not count.
    own: Vec<F>,
    share: Vec<F>,
    /// Whether the derivatives are known already when the exponentials are computed.
    adds_dots: bool,
    /// The logits at the classes; and for the head, what it needs and gives.
    logits: Vec<F>,
    weights: Vec<F>,
    losses: Vec<F>,
    own_slopes: Vec<F>,
    factors: Vec<F>,
    /// What is needed between two loops.
    dots: Vec<F>,
    numbers: Vec<F>,
    /// The derivatives with respect to the sums of a sample, `[sum][class]`.
    of_sums: Vec<F>,
}

impl<F: Float> PixelTile<F> {
    fn new() -> Self {
        Self {
            x: Vec::new(),
            exps: Vec::new(),
            p: Vec::new(),
            rest: Vec::new(),
            y: Vec::new(),
            counts: Vec::new(),
            rows: Vec::new(),
            ids: Vec::new(),
            largest: Vec::new(),
            at: Vec::new(),
            others: Vec::new(),
            wide: Vec::new(),
            own: Vec::new(),
            share: Vec::new(),
            adds_dots: false,
            logits: Vec::new(),
            weights: Vec::new(),
            losses: Vec::new(),
            own_slopes: Vec::new(),
            factors: Vec::new(),
            dots: Vec::new(),
            numbers: Vec::new(),
            of_sums: Vec::new(),
        }
    }

    fn resize(&mut self, width: usize) {
        if self.share.len() == width {
            return;
        }
        for numbers in [
            &mut self.p,
            &mut self.rest,
            &mut self.largest,
            &mut self.others,
            &mut self.own,
            &mut self.share,
            &mut self.logits,
            &mut self.weights,
            &mut self.losses,
            &mut self.own_slopes,
            &mut self.factors,
            &mut self.dots,
            &mut self.numbers,
        ] {
            numbers.resize(width, F::default());
        }
        self.ids.resize(width, NO_CLASS);
        self.at.resize(width, 0);
        self.wide.resize(width, 0.0);
    }
}

struct OverlapSweep<'a> {
    reads: &'a OverlapInputs<'a>,
    vectors: Vectors,
    /// The derivatives with respect to the losses beside are all the same.
    count_alike: bool,
}

impl<'a> OverlapSweep<'a> {
    fn new(reads: &'a OverlapInputs<'a>) -> Self {
        Self {
            reads,
            vectors: Vectors::detect(),
            count_alike: false,
        }
    }

    fn kinds(&self) -> usize {
        match self.reads.beside {
            Some(_) => SUMS_BESIDE,
            None => SUMS,
        }
    }

    fn pixels_of_sample(&self) -> usize {
        self.reads.layout.samples() / self.reads.samples
    }

    /// Whether each pixel has one class of a softmax.
    fn one_class(&self) -> bool {
        self.reads.activation == Activation::Softmax
            && matches!(self.reads.target, OverlapTarget::Ids(..))
    }

    /// The sums of a task; or, if the derivatives with respect to the sums are known, its gradient.
    fn task<F: HeadFloat>(
        &self,
        tile: &mut PixelTile<F>,
        task: Task<F>,
        of_sums: Option<&[f64]>,
    ) -> TaskSums {
        match task {
            Task::TaskRows(task) | Task::Blocks(task) => self.blocks(tile, task, of_sums),
            Task::Columns(task) => self.columns(tile, task, of_sums),
        }
    }

    fn nothing(&self, pixels: Range<usize>) -> TaskSums {
        let of_sample = self.pixels_of_sample();
        let sample = pixels.start / of_sample;
        let samples = (pixels.end - 1) / of_sample + 1 - sample;
        TaskSums {
            sample,
            sums: vec![0.0; samples * self.kinds() * self.reads.layout.classes],
            invalid: false,
        }
    }

    /// Blocks `[classes, inner]`, several of which may be a tile.
    fn blocks<F: HeadFloat>(
        &self,
        tile: &mut PixelTile<F>,
        task: TaskRows<F>,
        of_sums: Option<&[f64]>,
    ) -> TaskSums {
        let Layout { classes, inner, .. } = self.reads.layout;
        let TaskRows {
            samples: pixels,
            mut gradient,
            ..
        } = task;
        let mut found = self.nothing(pixels.clone());
        let size = classes * inner;
        let at_a_time = (2 * TILE / size).max(1);
        let blocks = pixels.start / inner..pixels.end / inner;
        for first in blocks.clone().step_by(at_a_time) {
            let count = at_a_time.min(blocks.end - first);
            let sizes = [count, classes, inner];
            let start = (first - blocks.start) * size;
            let x = self.turned(tile, first..first + count, start, gradient.as_ref());
            let mut rows = core::mem::take(&mut tile.rows);
            if let OverlapTarget::Masks(masks, _) = &self.reads.target {
                masks.read(first * size, &mut rows);
                tile.y.resize(count * size, F::default());
                turn(&rows, sizes, &mut tile.y);
            }
            let pixels = first * inner..(first + count) * inner;
            let lines = Lines::Strided(&x, count * inner);
            self.tile(tile, lines, pixels, of_sums, &mut found);
            if let Some(gradient) = &mut gradient {
                turn_back(&tile.exps, sizes, &mut rows);
                gradient.write(&rows);
            }
            (tile.x, tile.rows) = (x, rows);
        }
        found
    }

    /// The input of blocks as lines `[class][pixel]`, in the buffer for it; where it is overwritten, from a place of that on.
    fn turned<F: HeadFloat>(
        &self,
        tile: &mut PixelTile<F>,
        blocks: Range<usize>,
        start: usize,
        overwritten: Option<&Output<F>>,
    ) -> Vec<F> {
        let Layout { classes, inner, .. } = self.reads.layout;
        let size = classes * inner;
        let count = blocks.len();
        tile.rows.resize(count * size, F::default());
        match (&self.reads.input, overwritten) {
            (Some(source), _) => source.read(blocks.start * size, &mut tile.rows),
            (None, Some(overwritten)) => {
                let input = overwritten.input(start..start + count * size);
                tile.rows.copy_from_slice(input);
            }
            (None, None) => unreachable!("what is overwritten is written"),
        }
        let mut x = core::mem::take(&mut tile.x);
        x.resize(count * size, F::default());
        turn(&tile.rows, [count, classes, inner], &mut x);
        x
    }

    /// The lines of columns of a large block from a place on: where they lie, or in a buffer; or what is overwritten.
    fn lines<'t, F: HeadFloat>(
        &'t self,
        start: usize,
        width: usize,
        buffer: &'t mut Vec<F>,
        overwritten: Option<&'t Columns<'t, F>>,
    ) -> Lines<'t, F> {
        let Layout { classes, inner, .. } = self.reads.layout;
        match (&self.reads.input, overwritten) {
            (Some(source), _) => match F::direct(source) {
                Some(all) => Lines::Strided(&all[start..], inner),
                None => {
                    buffer.resize(classes * width, F::default());
                    load(source, start, inner, width, buffer);
                    Lines::Strided(buffer, width)
                }
            },
            (None, Some(overwritten)) => Lines::InPlace(overwritten),
            (None, None) => unreachable!("what is overwritten is written"),
        }
    }

    /// Columns of a large block.
    fn columns<F: HeadFloat>(
        &self,
        tile: &mut PixelTile<F>,
        task: Side<F>,
        of_sums: Option<&[f64]>,
    ) -> TaskSums {
        let Layout { classes, inner, .. } = self.reads.layout;
        let Side {
            outer,
            samples: columns,
            mut gradient,
            ..
        } = task;
        let pixels =
            |columns: Range<usize>| outer * inner + columns.start..outer * inner + columns.end;
        let mut found = self.nothing(pixels(columns.clone()));
        let width = tile_width(classes);
        for first in columns.clone().step_by(width) {
            let columns = first..columns.end.min(first + width);
            let mut now = gradient.take().map(|all| {
                let (now, rest) = all.split(columns.len());
                gradient = Some(rest);
                now
            });
            let start = outer * classes * inner + columns.start;
            let width = columns.len();
            let mut x = core::mem::take(&mut tile.x);
            let lines = self.lines(start, width, &mut x, now.as_ref());
            if let OverlapTarget::Masks(masks, _) = &self.reads.target {
                tile.y.resize(classes * width, F::default());
                load(masks, start, inner, width, &mut tile.y);
            }
            self.tile(tile, lines, pixels(columns), of_sums, &mut found);
            tile.x = x;
            if let Some(now) = &mut now {
                self.vectors.run(WriteTile(self, tile, now));
            }
        }
        found
    }

    /// A tile whose input is given, and whose masks were read: what is added to the sums, or the gradient, in place of the
    /// exponentials.
    fn tile<F: HeadFloat>(
        &self,
        tile: &mut PixelTile<F>,
        lines: Lines<F>,
        pixels: Range<usize>,
        of_sums: Option<&[f64]>,
        found: &mut TaskSums,
    ) {
        let width = pixels.len();
        tile.resize(width);
        tile.exps
            .resize(width * self.reads.layout.classes, F::default());
        let target = match &self.reads.target {
            OverlapTarget::Ids(ids, ignored) => self.read_ids(tile, *ids, ignored, pixels.start),
            OverlapTarget::Masks(_, ignored) => self.vectors.run(Masks(tile, ignored)),
        };
        let of_sample = self.pixels_of_sample();
        let is_of_one = pixels.start / of_sample == (pixels.end - 1) / of_sample;
        tile.adds_dots = false;
        if let Some(of_sums) = of_sums.filter(|_| is_of_one) {
            self.read_derivatives(tile, of_sums, pixels.start / of_sample);
            tile.adds_dots = self.reads.overlap != Overlap::Squared;
        }
        let valid = self.vectors.run(TileExponentials(self, tile, lines)) && target;
        if let Some(beside) = self.reads.beside.filter(|_| self.one_class()) {
            match of_sums {
                None => tile.weights.fill(F::of(1.0)),
                Some(of_sums) => self.read_weights(tile, of_sums, pixels.start),
            }
            let scale = of_sums.map(|_| F::of(1.0));
            match beside {
                Beside::CrossEntropy => self.vectors.run(PixelCrossEntropy(tile, scale.is_some())),
                Beside::OfClass(head) => self.head(head.on_host(), tile, scale),
            }
        }
        let mut first = pixels.start;
        while first < pixels.end {
            let sample = first / of_sample;
            let end = pixels.end.min((sample + 1) * of_sample);
            let part = first - pixels.start..end - pixels.start;
            match of_sums {
                None => {
                    let size = self.kinds() * self.reads.layout.classes;
                    let sums = &mut found.sums[(sample - found.sample) * size..][..size];
                    self.vectors
                        .run(TileSums(self, tile, lines, part.clone(), &mut *sums));
                    if !valid && !self.is_valid(tile, lines, &pixels, part) {
                        sums.fill(f64::NAN);
                    }
                }
                Some(of_sums) => {
                    if !is_of_one {
                        self.read_derivatives(tile, of_sums, sample);
                    }
                    self.vectors
                        .run(TileGradient(self, tile, lines, part.clone()));
                    if tile.of_sums.iter().all(|of_sum| of_sum.equals(0.0)) {
                        // What does not count has no gradient, whatever it is.
                        tile.share[part.clone()].fill(F::default());
                        tile.own_slopes[part.clone()].fill(F::default());
                        for exps in tile.exps.chunks_exact_mut(width) {
                            exps[part.clone()].fill(F::default());
                        }
                    }
                    // That of a large block is made where it is written.
                    if self.one_class() && self.reads.layout.has_small_blocks() {
                        self.vectors.run(InTile(self, tile, part));
                    }
                }
            }
            first = end;
        }
        found.invalid |= !valid;
    }

    /// Whether a part of a tile, of these pixels, has a valid input and target.
    #[cold]
    #[inline(never)]
    fn is_valid<F: HeadFloat>(
        &self,
        tile: &PixelTile<F>,
        lines: Lines<F>,
        pixels: &Range<usize>,
        part: Range<usize>,
    ) -> bool {
        let (classes, width) = (self.reads.layout.classes, pixels.len());
        let target = match &self.reads.target {
            OverlapTarget::Ids(ids, ignored) => part.clone().all(|at| {
                let id = ids.integer(pixels.start + at);
                id.is_some_and(|id| classify(id, classes, ignored).valid)
            }),
            OverlapTarget::Masks(..) => tile
                .y
                .chunks_exact(width)
                .all(|y| Rule::PROBABILITY.holds_for_all(&y[part.clone()])),
        };
        let rule = Rule::PROBABILITY.or_nan();
        let holds = |class| rule.holds_for_all(&lines.line(class, width)[part.clone()]);
        target && (self.reads.activation != Activation::Probabilities || (0..classes).all(holds))
    }

    /// Reads the ids of pixels; says whether all are valid.
    fn read_ids<F: HeadFloat>(
        &self,
        tile: &mut PixelTile<F>,
        ids: Source,
        ignored: &[i64],
        first: usize,
    ) -> bool {
        let classes = self.reads.layout.classes;
        let mut valid = true;
        // No id of a class is ignored, as a rule.
        let classes_count = ignored.iter().all(|&id| id as u64 >= classes as u64);
        let direct = match ids {
            Source::I64(ids) if classes_count => {
                let classes = Classes(&ids[first..], classes, &mut tile.ids);
                self.vectors.run(classes)
            }
            Source::I32(ids) if classes_count => {
                let classes = Classes(&ids[first..], classes, &mut tile.ids);
                self.vectors.run(classes)
            }
            _ => false,
        };
        if !direct {
            for (at, to) in tile.ids.iter_mut().enumerate() {
                let found = ids
                    .integer(first + at)
                    .map(|id| classify(id, classes, ignored));
                valid &= found.as_ref().is_some_and(|found| found.valid);
                *to = match found {
                    Some(found) if found.is_class => found.class as u32,
                    _ => NO_CLASS,
                };
            }
        }
        if self.reads.activation != Activation::Softmax {
            let width = tile.ids.len();
            tile.y.resize(classes * width, F::default());
            tile.counts.resize(classes * width, F::default());
            let lines = tile.y.chunks_exact_mut(width);
            for (class, (y, counts)) in lines.zip(tile.counts.chunks_exact_mut(width)).enumerate() {
                for ((y, counts), &id) in y.iter_mut().zip(counts).zip(&tile.ids) {
                    *y = F::default().set(id == class as u32, 1.0);
                    *counts = F::default().set(id != NO_CLASS, 1.0);
                }
            }
        }
        valid
    }

    /// Reads the derivatives with respect to the sums of a sample.
    fn read_derivatives<F: HeadFloat>(
        &self,
        tile: &mut PixelTile<F>,
        of_sums: &[f64],
        sample: usize,
    ) {
        let (classes, samples) = (self.reads.layout.classes, self.reads.samples);
        tile.of_sums.clear();
        for kind in 0..self.kinds() {
            let start = (kind * samples + sample) * classes;
            let of_classes = of_sums[start..start + classes].iter();
            tile.of_sums.extend(of_classes.map(|&of_sum| F::of(of_sum)));
        }
    }

    /// Reads the derivatives with respect to the losses beside, of the class of each pixel.
    fn read_weights<F: HeadFloat>(&self, tile: &mut PixelTile<F>, of_sums: &[f64], first: usize) {
        let (classes, samples) = (self.reads.layout.classes, self.reads.samples);
        let of_terms = &of_sums[SUMS * samples * classes..][..samples * classes];
        if self.count_alike {
            tile.weights.fill(F::of(of_terms[0]));
        } else {
            let of_sample = self.pixels_of_sample();
            for (at, (weight, &id)) in tile.weights.iter_mut().zip(&tile.ids).enumerate() {
                let class = (id as usize).min(classes - 1);
                *weight = F::of(of_terms[(first + at) / of_sample * classes + class]);
            }
        }
    }

    /// What the head makes of the pixels' classes.
    fn head<F: HeadFloat>(&self, head: &dyn HostHead, tile: &mut PixelTile<F>, scale: Option<F>) {
        let terms = HeadTerms {
            own: &tile.logits,
            largest: &tile.largest,
            own_exp: &tile.own,
            others: &tile.wide,
            weights: &tile.weights,
            scale,
            losses: &mut tile.losses,
            own_slopes: &mut tile.own_slopes,
            factors: &mut tile.factors,
        };
        F::terms(head, self.vectors, terms);
    }
}

/// Reads ids; says whether all are classes.
struct Classes<'a, T>(&'a [T], usize, &'a mut [u32]);

impl<T: Copy + Into<i64>> Loop for Classes<'_, T> {
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        let Self(ids, classes, to) = self;
        let mut all = true;
        for (to, &id) in to.iter_mut().zip(ids) {
            let id: i64 = id.into();
            all &= (id as u64) < classes as u64;
            *to = id as u32;
        }
        all
    }
}

/// What counts of masks, of which these values do not; says whether all others are from 0 to 1.
struct Masks<'a, F>(&'a mut PixelTile<F>, &'a [i64]);

impl<F: HeadFloat> Loop for Masks<'_, F> {
    const WIDEST: bool = !F::IS_DOUBLE;
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        let Self(tile, ignored) = self;
        tile.counts.clear();
        if ignored.is_empty() {
            return Rule::PROBABILITY.holds_for_all(&tile.y);
        }
        let mut valid = true;
        for y in &mut tile.y {
            let is_ignored = ignored.iter().any(|&of| y.equals(of as f64));
            let counts = F::of(1.0).set(is_ignored, 0.0);
            *y = y.set(is_ignored, 0.0);
            valid &= y.between(0.0, 1.0);
            tile.counts.push(counts);
        }
        valid
    }
}

/// What is known of pixels before any sums are: of a softmax, its exponentials. Says whether the input is valid.
struct TileExponentials<'a, F>(&'a OverlapSweep<'a>, &'a mut PixelTile<F>, Lines<'a, F>);

impl<F: HeadFloat> Loop for TileExponentials<'_, F> {
    const WIDEST: bool = !F::IS_DOUBLE;
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        let Self(sweep, tile, lines) = self;
        let width = tile.share.len();
        let classes = sweep.reads.layout.classes;
        match sweep.reads.activation {
            Activation::Softmax if sweep.one_class() => {
                one_class(tile, lines, classes);
                if sweep.reads.beside.is_some() {
                    for_head(tile);
                }
            }
            Activation::Softmax => all_classes(tile, lines, classes),
            Activation::Sigmoid => {}
            Activation::Probabilities => {
                let rule = Rule::PROBABILITY.or_nan();
                return (0..classes).all(|class| rule.holds_for_all(lines.line(class, width)));
            }
        }
        true
    }
}

/// The cross-entropy of pixels, in halves: the difference of two logits may be out of range where its share is not. Or, if
/// they are wanted, its gradients.
struct PixelCrossEntropy<'a, F>(&'a mut PixelTile<F>, bool);

impl<F: HeadFloat> Loop for PixelCrossEntropy<'_, F> {
    const WIDEST: bool = !F::IS_DOUBLE;
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self(tile, slopes) = self;
        let width = tile.share.len();
        let (largest, logits) = (&tile.largest[..width], &tile.logits[..width]);
        if !slopes {
            let (losses, wide) = (&mut tile.losses[..width], &tile.wide[..width]);
            for at in 0..width {
                let half = largest[at].times(0.5) - logits[at].times(0.5);
                losses[at] = half + F::of(wide[at]).ln_1p().times(0.5);
            }
            return;
        }
        let (own, others) = (&tile.own[..width], &tile.others[..width]);
        let (share, weights) = (&tile.share[..width], &tile.weights[..width]);
        let (own_slopes, factors) = (&mut tile.own_slopes[..width], &mut tile.factors[..width]);
        let (of_ln_p, of_lse) = (F::of(-1.0), F::default());
        for at in 0..width {
            let (p, rest) = (own[at] * share[at], others[at] * share[at]);
            own_slopes[at] = slope_of_class(p, rest, of_ln_p, of_lse) * weights[at];
            factors[at] = slope_of_others(of_ln_p, of_lse) * weights[at] * share[at];
        }
    }
}

/// After so many numbers of `f32` their sum is widened.
pub(super) const ADDED: usize = 64;

/// The exponentials of all but the class of each pixel, and their sum.
#[inline(always)]
fn one_class<F: HeadFloat>(tile: &mut PixelTile<F>, lines: Lines<F>, classes: usize) {
    let width = tile.share.len();
    let ids = &tile.ids[..width];
    let largest = &mut tile.largest[..width];
    largest.copy_from_slice(lines.line(0, width));
    for class in 1..classes {
        raise(largest, lines.line(class, width));
    }
    let (own, others) = (&mut tile.own[..width], &mut tile.others[..width]);
    let (wide, dots) = (&mut tile.wide[..width], &mut tile.dots[..width]);
    lines.gather(ids, classes, &mut tile.logits);
    exponentials_of_line(&tile.logits[..width], largest, own);
    others.fill(F::default());
    dots.fill(F::default());
    wide.fill(0.0);
    for (class, exps) in tile.exps.chunks_exact_mut(width).enumerate() {
        lines.fetch_beyond(class, width);
        exponentials_of_line(lines.line(class, width), largest, exps);
        let of_others = if tile.adds_dots {
            let of_sums = of_class(&tile.of_sums, classes, class);
            OfProduct::slope(F::default(), F::default(), F::default(), of_sums)
        } else {
            F::default()
        };
        let class = class as u32;
        for at in 0..width {
            exps[at] = exps[at].set(ids[at] == class, 0.0);
            others[at] += exps[at];
        }
        if tile.adds_dots {
            for at in 0..width {
                dots[at] = dots[at].plus_product(exps[at], of_others);
            }
        }
        if class as usize % ADDED == ADDED - 1 {
            widen(others, wide);
        }
    }
    widen(others, wide);
    let share = &mut tile.share[..width];
    for at in 0..width {
        others[at] = F::of(wide[at]);
        let part = F::of(1.0) / (own[at] + others[at]);
        share[at] = part.set(ids[at] == NO_CLASS, 0.0);
        dots[at] = dots[at] * share[at];
    }
}

/// What a head is told of pixels: the sum of the exponentials without the largest, which is 1.
#[inline(always)]
fn for_head<F: HeadFloat>(tile: &mut PixelTile<F>) {
    for (wide, own) in tile.wide.iter_mut().zip(&tile.own) {
        let without = (*wide - 1.0).max(0.0) + own.double();
        *wide = if own.equals(1.0) { *wide } else { without };
    }
}

#[inline(always)]
pub(super) fn widen<F: HeadFloat>(sums: &mut [F], wide: &mut [f64]) {
    for (wide, sum) in wide.iter_mut().zip(sums) {
        *wide += sum.double();
        *sum = F::default();
    }
}

/// The exponentials of all classes, and the sum of all but the largest.
#[inline(always)]
fn all_classes<F: HeadFloat>(tile: &mut PixelTile<F>, lines: Lines<F>, classes: usize) {
    let width = tile.share.len();
    let (largest, at_class) = (&mut tile.largest[..width], &mut tile.at[..width]);
    largest.copy_from_slice(lines.line(0, width));
    at_class.fill(0);
    for class in 0..classes {
        let line = lines.line(class, width);
        raise_with_class((&mut *largest, &mut *at_class), line, class);
    }
    let (others, wide) = (&mut tile.others[..width], &mut tile.wide[..width]);
    others.fill(F::default());
    wide.fill(0.0);
    for (class, exps) in tile.exps.chunks_exact_mut(width).enumerate() {
        lines.fetch_beyond(class, width);
        exponentials_of_line(lines.line(class, width), largest, exps);
        let class = class as u32;
        for at in 0..width {
            others[at] += exps[at].set(at_class[at] == class, 0.0);
        }
        if class as usize % ADDED == ADDED - 1 {
            widen(others, wide);
        }
    }
    widen(others, wide);
    let share = &mut tile.share[..width];
    for at in 0..width {
        others[at] = F::of(wide[at]);
        share[at] = F::of(1.0) / others[at].plus(1.0);
    }
}

/// Adds some pixels of a tile to the sums of their sample, `[sum][class]`.
struct TileSums<'a, F>(
    &'a OverlapSweep<'a>,
    &'a mut PixelTile<F>,
    Lines<'a, F>,
    Range<usize>,
    &'a mut [f64],
);

impl<F: HeadFloat> Loop for TileSums<'_, F> {
    const WIDEST: bool = !F::IS_DOUBLE;
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self(sweep, tile, lines, part, sums) = self;
        let (of_overlap, beside) = sums.split_at_mut(SUMS * sweep.reads.layout.classes);
        let one_class = sweep.one_class();
        match (one_class, sweep.reads.overlap) {
            // Of targets of 0 and 1 the lesser of the two is the product.
            (true, Overlap::Product | Overlap::Minimum) => {
                sums_of_ids::<F, OfProduct>(tile, part.clone(), of_overlap);
            }
            (true, Overlap::Squared) => sums_of_ids::<F, OfSquares>(tile, part.clone(), of_overlap),
            (false, Overlap::Product) => {
                sums_of_each::<F, OfProduct>(sweep, tile, lines, part.clone(), of_overlap);
            }
            (false, Overlap::Squared) => {
                sums_of_each::<F, OfSquares>(sweep, tile, lines, part.clone(), of_overlap);
            }
            (false, Overlap::Minimum) => {
                sums_of_each::<F, OfMinimum>(sweep, tile, lines, part.clone(), of_overlap);
            }
        }
        match sweep.reads.beside {
            Some(_) if one_class => beside_of_ids(tile, part, beside),
            Some(_) => beside_of_masks(tile, lines, part, beside),
            None => {}
        }
    }
}

/// The share of an exponential; 0 where a pixel does not count, whatever its logits.
#[inline(always)]
fn counted<F: Float>(exp: F, share: F) -> F {
    (exp * share).set(share.equals(0.0), 0.0)
}

#[inline(always)]
fn sums_of_ids<F: HeadFloat, O: OverlapTerms>(
    tile: &mut PixelTile<F>,
    part: Range<usize>,
    sums: &mut [f64],
) {
    let width = tile.share.len();
    let classes = sums.len() / SUMS;
    let zero = F::default();
    let share = &tile.share[part.clone()];
    for (class, exps) in tile.exps.chunks_exact(width).enumerate() {
        let exps = &exps[part.clone()];
        let [fp] = added([exps, share], |[exp, share]| {
            let [_, fp, _] = O::terms(counted(exp, share), zero, zero);
            [fp]
        });
        sums[classes + class] += fp;
    }
    // Nothing is false at the class of a pixel.
    let (tp, missed) = (&mut tile.p[part.clone()], &mut tile.rest[part.clone()]);
    let (own, others) = (&tile.own[part.clone()], &tile.others[part.clone()]);
    for at in 0..share.len() {
        let (p, rest) = (own[at] * share[at], others[at] * share[at]);
        [tp[at], _, missed[at]] = O::terms(p, rest, F::of(1.0));
    }
    let (of_tp, others) = sums.split_at_mut(classes);
    let of_missed = &mut others[classes..];
    scatter(&tile.ids[part], [tp, missed], [of_tp, of_missed]);
}

/// Adds numbers of pixels to the sums of their classes.
#[inline(always)]
fn scatter<F: Float, const N: usize>(ids: &[u32], lines: [&[F]; N], mut sums: [&mut [f64]; N]) {
    // Neighbours are often of one class: they do not wait for each other.
    const APART: usize = 4;
    let classes = sums[0].len();
    let lines = lines.map(|line| &line[..ids.len()]);
    if ids.len() < APART * classes {
        for (at, &id) in ids.iter().enumerate().filter(|(_, id)| **id != NO_CLASS) {
            for (sums, line) in sums.iter_mut().zip(&lines) {
                sums[id as usize] += line[at].double();
            }
        }
        return;
    }
    // The last is of pixels that have no class.
    let mut apart = vec![[0.0; N]; APART * (classes + 1)];
    for (at, &id) in ids.iter().enumerate() {
        let class = (id as usize).min(classes);
        let of_class = &mut apart[at % APART * (classes + 1) + class];
        for kind in 0..N {
            of_class[kind] += lines[kind][at].double();
        }
    }
    for (kind, sums) in sums.into_iter().enumerate() {
        for (class, sum) in sums.iter_mut().enumerate() {
            let parts = (0..APART).map(|part| apart[part * (classes + 1) + class][kind]);
            *sum += parts.sum::<f64>();
        }
    }
}

/// The losses of pixels, at their classes, and how many these are.
#[inline(always)]
fn beside_of_ids<F: HeadFloat>(tile: &mut PixelTile<F>, part: Range<usize>, sums: &mut [f64]) {
    let classes = sums.len() / (SUMS_BESIDE - SUMS);
    // The losses are in halves.
    let ones = &mut tile.p[part.clone()];
    ones.fill(F::of(1.0));
    let losses = &mut tile.losses[part.clone()];
    for loss in &mut *losses {
        *loss = loss.times(2.0);
    }
    let (of_losses, counts) = sums.split_at_mut(classes);
    scatter(&tile.ids[part], [losses, ones], [of_losses, counts]);
}

/// The cross-entropy of each class, and at the first how many pixels it is of.
#[inline(always)]
fn beside_of_masks<F: HeadFloat>(
    tile: &PixelTile<F>,
    lines: Lines<F>,
    part: Range<usize>,
    sums: &mut [f64],
) {
    let width = tile.share.len();
    let classes = sums.len() / (SUMS_BESIDE - SUMS);
    let (largest, others) = (&tile.largest[part.clone()], &tile.others[part.clone()]);
    for (class, y) in tile.y.chunks_exact(width).enumerate() {
        let (x, y) = (&lines.line(class, width)[part.clone()], &y[part.clone()]);
        let [loss] = added([x, largest, others, y], |[x, largest, others, y]| {
            let ln_p = x - largest - others.ln_1p();
            [-ln_p.times_or_zero(y)]
        });
        sums[class] += loss;
    }
    sums[classes] += part.len() as f64;
}

#[inline(always)]
fn sums_of_each<F: HeadFloat, O: OverlapTerms>(
    sweep: &OverlapSweep,
    tile: &mut PixelTile<F>,
    lines: Lines<F>,
    part: Range<usize>,
    sums: &mut [f64],
) {
    let width = tile.share.len();
    let classes = sums.len() / SUMS;
    for class in 0..classes {
        probabilities(sweep, tile, lines, class, part.clone());
        let line = class * width + part.start..class * width + part.end;
        let (p, rest) = (&tile.p[part.clone()], &tile.rest[part.clone()]);
        let y = &tile.y[line.clone()];
        let found = match tile.counts.get(line) {
            None => added([p, rest, y], |[p, rest, y]| O::terms(p, rest, y)),
            Some(counts) => added([p, rest, y, counts], |[p, rest, y, counts]| {
                let left_out = counts.equals(0.0);
                O::terms(p, rest, y).map(|term| term.set(left_out, 0.0))
            }),
        };
        for (kind, sum) in found.into_iter().enumerate() {
            sums[kind * classes + class] += sum;
        }
    }
}

/// The probabilities of a class, and what is left of them.
#[inline(always)]
fn probabilities<F: HeadFloat>(
    sweep: &OverlapSweep,
    tile: &mut PixelTile<F>,
    lines: Lines<F>,
    class: usize,
    part: Range<usize>,
) {
    let width = tile.share.len();
    let (p, rest) = (&mut tile.p[part.clone()], &mut tile.rest[part.clone()]);
    if sweep.reads.activation == Activation::Softmax {
        let exps = &tile.exps[class * width..][part.clone()];
        let (share, others) = (&tile.share[part.clone()], &tile.others[part.clone()]);
        let at_class = &tile.at[part];
        for at in 0..p.len() {
            let left = others[at].plus(1.0) - exps[at];
            let left = left.replace(at_class[at] == class as u32, others[at]);
            (p[at], rest[at]) = (exps[at] * share[at], left * share[at]);
        }
        return;
    }
    let x = &lines.line(class, width)[part];
    if sweep.reads.activation == Activation::Sigmoid {
        for at in 0..p.len() {
            (p[at], rest[at]) = sigmoid(x[at]);
        }
    } else {
        for at in 0..p.len() {
            (p[at], rest[at]) = (x[at], F::of(1.0) - x[at]);
        }
    }
}

/// Sums of terms of lines, side by side, widened from time to time.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // Several lines are read at one place.
fn added<F: Float, const M: usize, const N: usize>(
    lines: [&[F]; M],
    terms: impl Fn([F; M]) -> [F; N],
) -> [f64; N] {
    let count = lines[0].len();
    let whole = lines.map(|line| &line[..count].as_chunks::<LANES>().0[..count / LANES]);
    let mut sums = [0.0; N];
    for start in (0..count / LANES).step_by(ADDED) {
        let end = (start + ADDED).min(count / LANES);
        let parts = whole.map(|line| &line[start..end]);
        let mut lanes = [[F::default(); LANES]; N];
        for at in 0..end - start {
            for lane in 0..LANES {
                let terms = terms(core::array::from_fn(|line| parts[line][at][lane]));
                for kind in 0..N {
                    lanes[kind][lane] += terms[kind];
                }
            }
        }
        for kind in 0..N {
            sums[kind] += tree(F::widened(lanes[kind]));
        }
    }
    for at in count / LANES * LANES..count {
        let terms = terms(core::array::from_fn(|line| lines[line][at]));
        for (sum, term) in sums.iter_mut().zip(terms) {
            *sum += term.double();
        }
    }
    sums
}

/// The gradient of some pixels of a tile, in place of the exponentials.
struct TileGradient<'a, F>(
    &'a OverlapSweep<'a>,
    &'a mut PixelTile<F>,
    Lines<'a, F>,
    Range<usize>,
);

impl<F: HeadFloat> Loop for TileGradient<'_, F> {
    const WIDEST: bool = !F::IS_DOUBLE;
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self(sweep, tile, lines, part) = self;
        match (sweep.one_class(), sweep.reads.overlap) {
            (true, Overlap::Product | Overlap::Minimum) => {
                gradient_of_ids::<F, OfProduct>(sweep, tile, part);
            }
            (true, Overlap::Squared) => gradient_of_ids::<F, OfSquares>(sweep, tile, part),
            (false, Overlap::Product) => gradient_of_each::<F, OfProduct>(sweep, tile, lines, part),
            (false, Overlap::Squared) => gradient_of_each::<F, OfSquares>(sweep, tile, lines, part),
            (false, Overlap::Minimum) => gradient_of_each::<F, OfMinimum>(sweep, tile, lines, part),
        }
    }
}

/// The derivatives with respect to the sums of a class.
#[inline(always)]
fn of_class<F: HeadFloat>(of_sums: &[F], classes: usize, class: usize) -> [F; SUMS] {
    core::array::from_fn(|kind| of_sums[kind * classes + class])
}

/// The derivative by the logit of a pixel's class, and what those by the probabilities of the others are taken less. Known
/// are the probability of the class and what is left of it, the derivative by that, and the sum of those by the others'
/// times these.
///
/// The derivative of a logit is its probability times what the derivative of that is more than their mean. Where the pixel's
/// class is the most probable, as in a model that has learned something, all are taken less that of this class: nothing
/// large is left over that would have to cancel.
#[inline(always)]
fn own_and_mean<F: Float>([p, rest]: [F; 2], of_own: F, of_others: F, is_largest: bool) -> (F, F) {
    let above_own = of_others - of_own * rest;
    let plain = of_others + of_own * p;
    let slope = (p * (of_own - plain)).replace(is_largest, -(p * above_own));
    (slope, plain.replace(is_largest, of_own + above_own))
}

/// By logits whose pixels have one class each.
#[inline(always)]
fn gradient_of_ids<F: HeadFloat, O: OverlapTerms>(
    sweep: &OverlapSweep,
    tile: &mut PixelTile<F>,
    part: Range<usize>,
) {
    let classes = sweep.reads.layout.classes;
    let width = tile.share.len();
    let beside = sweep.reads.beside.is_some();
    let zero = F::default();
    let (ids, share) = (&tile.ids[part.clone()], &tile.share[part.clone()]);
    let dots = &mut tile.dots[part.clone()];
    if !tile.adds_dots {
        dots.fill(zero);
        for (class, exps) in tile.exps.chunks_exact(width).enumerate() {
            let of_sums = of_class(&tile.of_sums, classes, class);
            let exps = &exps[part.clone()];
            for at in 0..dots.len() {
                let p = exps[at] * share[at];
                dots[at] += p * O::slope(p, zero, zero, of_sums);
            }
        }
    }
    let own_slopes = &mut tile.own_slopes[part.clone()];
    let mean = &mut tile.numbers[part.clone()];
    let factors = &tile.factors[part.clone()];
    let (own, others) = (&tile.own[part.clone()], &tile.others[part.clone()]);
    // What is false has no part in the slope at the class of a pixel.
    let (of_tp, of_missed) = (&mut tile.p[part.clone()], &mut tile.rest[part.clone()]);
    for (at, &id) in ids.iter().enumerate() {
        let class = (id as usize).min(classes - 1);
        of_tp[at] = tile.of_sums[class];
        of_missed[at] = tile.of_sums[2 * classes + class];
    }
    for at in 0..ids.len() {
        let (p, rest) = (own[at] * share[at], others[at] * share[at]);
        let of_own = O::slope(p, rest, F::of(1.0), [of_tp[at], zero, of_missed[at]]);
        let is_largest = own[at].equals(1.0);
        let (slope, less) = own_and_mean([p, rest], of_own, dots[at], is_largest);
        mean[at] = less;
        if beside {
            // What the loss beside adds to the others is, over their probabilities, the same for all.
            mean[at] = mean[at] - factors[at] / share[at];
            own_slopes[at] = clamp(slope + own_slopes[at]);
        } else {
            own_slopes[at] = clamp(slope);
        }
    }
}

/// What the gradient of a class is made of, of pixels that have one class each.
struct OfIds<'a, F> {
    exps: &'a [F],
    share: &'a [F],
    mean: &'a [F],
    own_slopes: &'a [F],
    ids: &'a [u32],
    class: u32,
    of_sums: [F; SUMS],
}

impl<'a, F: HeadFloat> OfIds<'a, F> {
    #[inline(always)]
    fn new(tile: &'a PixelTile<F>, classes: usize, class: usize, part: Range<usize>) -> Self {
        let width = tile.share.len();
        let count = part.len();
        Self {
            exps: &tile.exps[class * width..][part.clone()][..count],
            share: &tile.share[part.clone()][..count],
            mean: &tile.numbers[part.clone()][..count],
            own_slopes: &tile.own_slopes[part.clone()][..count],
            ids: &tile.ids[part][..count],
            class: class as u32,
            of_sums: of_class(&tile.of_sums, classes, class),
        }
    }

    #[inline(always)]
    fn at<O: OverlapTerms>(&self, at: usize) -> F {
        let share = self.share[at];
        let p = self.exps[at] * share;
        let slope = O::slope(p, F::default(), F::default(), self.of_sums) - self.mean[at];
        let slope = clamp(p * slope);
        let slope = slope.set(share.equals(0.0), 0.0);
        slope.replace(self.ids[at] == self.class, self.own_slopes[at])
    }
}

/// Puts the gradient of some pixels in place of the exponentials.
struct InTile<'a, F>(&'a OverlapSweep<'a>, &'a mut PixelTile<F>, Range<usize>);

impl<F: HeadFloat> Loop for InTile<'_, F> {
    const WIDEST: bool = !F::IS_DOUBLE;
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self(sweep, tile, part) = self;
        let (width, count) = (tile.share.len(), part.len());
        let classes = sweep.reads.layout.classes;
        for class in 0..classes {
            let mut out = core::mem::take(&mut tile.p);
            let of_class = OfIds::new(tile, classes, class, part.clone());
            for (at, out) in out[..count].iter_mut().enumerate() {
                *out = match sweep.reads.overlap {
                    Overlap::Squared => of_class.at::<OfSquares>(at),
                    _ => of_class.at::<OfProduct>(at),
                };
            }
            tile.exps[class * width..][part.clone()].copy_from_slice(&out[..count]);
            tile.p = out;
        }
    }
}

/// Writes the gradient of a tile.
struct WriteTile<'a, 'b, F>(
    &'a OverlapSweep<'a>,
    &'a PixelTile<F>,
    &'a mut Columns<'b, F>,
);

impl<F: HeadFloat> Loop for WriteTile<'_, '_, F> {
    const WIDEST: bool = !F::IS_DOUBLE;
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self(sweep, tile, gradient) = self;
        let width = tile.share.len();
        let classes = sweep.reads.layout.classes;
        for class in 0..classes {
            if !sweep.one_class() {
                gradient.write(&tile.exps[class * width..][..width]);
                continue;
            }
            let of_class = OfIds::new(tile, classes, class, 0..width);
            match sweep.reads.overlap {
                Overlap::Squared => gradient.fill(width, |at| of_class.at::<OfSquares>(at)),
                _ => gradient.fill(width, |at| of_class.at::<OfProduct>(at)),
            }
        }
    }
}

/// By what has a mask for each class.
#[inline(always)]
fn gradient_of_each<F: HeadFloat, O: OverlapTerms>(
    sweep: &OverlapSweep,
    tile: &mut PixelTile<F>,
    lines: Lines<F>,
    part: Range<usize>,
) {
    let classes = sweep.reads.layout.classes;
    let width = tile.share.len();
    if sweep.reads.activation == Activation::Softmax {
        return gradient_of_masks::<F, O>(sweep, tile, lines, part);
    }
    let by_logits = sweep.reads.activation == Activation::Sigmoid;
    for class in 0..classes {
        probabilities(sweep, tile, lines, class, part.clone());
        let of_sums = of_class(&tile.of_sums, classes, class);
        let line = class * width + part.start..class * width + part.end;
        let (p, rest) = (&tile.p[part.clone()], &tile.rest[part.clone()]);
        let y = &tile.y[line.clone()];
        let out = &mut tile.exps[line.clone()];
        for at in 0..y.len() {
            let slope = O::slope(p[at], rest[at], y[at], of_sums);
            out[at] = clamp(if by_logits {
                p[at] * rest[at] * slope
            } else {
                slope
            });
        }
        if let Some(counts) = tile.counts.get(line) {
            for (out, counts) in out.iter_mut().zip(counts) {
                *out = out.set(counts.equals(0.0), 0.0);
            }
        }
    }
}

/// By logits of a softmax, of which each class is true to some degree: as by those of one class; all are taken less that of
/// the class with the largest logit.
#[inline(always)]
fn gradient_of_masks<F: HeadFloat, O: OverlapTerms>(
    sweep: &OverlapSweep,
    tile: &mut PixelTile<F>,
    lines: Lines<F>,
    part: Range<usize>,
) {
    let classes = sweep.reads.layout.classes;
    let width = tile.share.len();
    let beside = sweep.reads.beside.is_some();
    for numbers in [&mut tile.dots, &mut tile.numbers, &mut tile.factors] {
        numbers[part.clone()].fill(F::default());
    }
    for class in 0..classes {
        probabilities(sweep, tile, lines, class, part.clone());
        let of_sums = of_class(&tile.of_sums, classes, class);
        let of_term = of_term(&tile.of_sums, classes, class, beside);
        let (p, rest) = (&tile.p[part.clone()], &tile.rest[part.clone()]);
        let (y, at_class) = (
            &tile.y[class * width..][part.clone()],
            &tile.at[part.clone()],
        );
        let (dots, of_largest) = (
            &mut tile.dots[part.clone()],
            &mut tile.numbers[part.clone()],
        );
        let of_targets = &mut tile.factors[part.clone()];
        for at in 0..y.len() {
            let slope = O::slope(p[at], rest[at], y[at], of_sums);
            let is_largest = at_class[at] == class as u32;
            of_largest[at] = of_largest[at].replace(is_largest, slope);
            dots[at] += (p[at] * slope).set(is_largest, 0.0);
            of_targets[at] += of_term * y[at];
        }
    }
    for at in part.clone() {
        let rest = tile.others[at] * tile.share[at];
        tile.dots[at] = tile.dots[at] - tile.numbers[at] * rest;
    }
    for class in 0..classes {
        probabilities(sweep, tile, lines, class, part.clone());
        let of_sums = of_class(&tile.of_sums, classes, class);
        let of_term = of_term(&tile.of_sums, classes, class, beside);
        let (p, rest) = (&tile.p[part.clone()], &tile.rest[part.clone()]);
        let (y, at_class) = (
            &tile.y[class * width..][part.clone()],
            &tile.at[part.clone()],
        );
        let (dots, of_largest) = (&tile.dots[part.clone()], &tile.numbers[part.clone()]);
        let of_targets = &tile.factors[part.clone()];
        let out = &mut tile.exps[class * width..][part.clone()];
        for at in 0..y.len() {
            let slope = O::slope(p[at], rest[at], y[at], of_sums) - of_largest[at];
            let slope = slope.set(at_class[at] == class as u32, 0.0) - dots[at];
            let of_own = of_term * y[at];
            let of_term = p[at] * (of_targets[at] - of_own) - rest[at] * of_own;
            out[at] = clamp(p[at] * slope + of_term);
        }
    }
}

/// The derivative with respect to the cross-entropy of a class, if there is one beside.
#[inline(always)]
fn of_term<F: HeadFloat>(of_sums: &[F], classes: usize, class: usize, beside: bool) -> F {
    if beside {
        of_sums[SUMS * classes + class]
    } else {
        F::default()
    }
}
