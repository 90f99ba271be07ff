//! The sweep of a loss over the classes of each sample: cross-entropy and negative log-likelihood.
//!
//! The classes of a sample lie along an axis with `inner` elements inside of it. Where they are adjacent, each
//! row is gone through by itself, or, if it is short, with its neighbours as one line; else *lines* are, of samples
//! side by side, one class after the other. All read the input where it lies. Where every class has a share in the
//! target, and where few samples are side by side, they are brought into a *tile* first, `tile[class][sample]`.

use super::head::{HeadFloat, HeadTerms, HostHead};
use super::numbers::{Float, Source};
use super::output::{Columns, Output};
use super::scale::{Scale, clamp, multiply, narrow};
use super::sums::{LANES, Lanes, PART, sum, total, tree};
use super::tasks::{CHUNK, Chunk, ChunkSum, Work, at_a_time, in_chunks, share, take};
use super::vectors::{Loop, Vectors};
use super::weights::{read_weight, read_weights};
use crate::real::Real;
use crate::real::id::classify;
use crate::spec::rule::Rule;
use crate::spec::softmax::{cross_entropy_slope, ln_1p, nll_term};
use alloc::vec::Vec;
use core::marker::PhantomData;
use core::ops::Range;

/// From this number of adjacent classes on, a sample is swept by itself.
const MANY: usize = 128;
/// From this number of adjacent classes on, a loop over them is worth its start.
const SOME: usize = 48;
/// How many samples of few classes are side by side in a tile.
const SIDE_BY_SIDE: usize = 64;
/// About how many elements rows of few adjacent classes have that are gone through together.
const FEW: usize = 2 * 1024;
/// How many samples are gone through together whose elements are far apart: the memory fetches many at a time.
const FAR_APART: usize = 512;
/// About how many elements columns have that are gone through together.
const TILE: usize = 8 * 1024;

/// How the input lies in memory: `[outer, classes, inner]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) outer: usize,
    pub(crate) classes: usize,
    pub(crate) inner: usize,
}

impl Layout {
    pub(crate) fn samples(&self) -> usize {
        self.outer * self.inner
    }

    fn elements(&self) -> usize {
        self.samples() * self.classes
    }
}

/// What the target of each sample is.
#[derive(Clone, Copy)]
pub(crate) enum SweptTarget<'a> {
    /// A class, or an ignored id.
    Ids { ids: Source<'a>, ignored: &'a [i64] },
    /// A probability for each class, in the layout of the input. What must hold for each of them,
    /// and how far their sum may be from 1.
    Probs {
        probs: Source<'a>,
        rule: Rule,
        tolerance: f64,
    },
}

/// What is read.
#[derive(Clone, Copy)]
pub(crate) struct ClassInputs<'a> {
    /// The logits, or the log-probabilities; absent where the gradient overwrites them.
    pub(crate) input: Option<Source<'a>>,
    pub(crate) layout: Layout,
    pub(crate) target: SweptTarget<'a>,
    /// The input holds log-probabilities, and this must hold for those that are used.
    pub(crate) log_probs: Option<Rule>,
    /// A weight for each class; whether it is part of what a mean is divided by.
    pub(crate) weights: Option<&'a [f64]>,
    pub(crate) weights_count: bool,
    pub(crate) label_smoothing: f64,
    /// What is computed of the class's probability, if it is not its logarithm.
    pub(crate) head: Option<&'a dyn HostHead>,
    /// A weight for each sample.
    pub(crate) samples: Option<Source<'a>>,
}

/// What is known of an id: its class, or that it has none.
#[derive(Clone, Copy, PartialEq)]
struct ClassCode(u32);

impl ClassCode {
    const IGNORED: Self = Self(u32::MAX);
    const INVALID: Self = Self(u32::MAX - 1);

    #[inline(always)]
    fn of(id: i64, classes: usize, ignored: &[i64]) -> Self {
        let found = classify(id, classes, ignored);
        let other = if found.valid {
            Self::IGNORED
        } else {
            Self::INVALID
        };
        if found.is_class {
            Self(found.class as u32)
        } else {
            other
        }
    }

    #[inline(always)]
    fn is_class(self) -> bool {
        self.0 < Self::INVALID.0
    }

    #[inline(always)]
    fn class(self) -> Option<usize> {
        if self.is_class() {
            Some(self.0 as usize)
        } else {
            None
        }
    }
}

impl ClassInputs<'_> {
    #[inline(always)]
    fn id(&self, ids: Source, ignored: &[i64], sample: usize) -> ClassCode {
        match ids.integer(sample) {
            Some(id) => ClassCode::of(id, self.layout.classes, ignored),
            None => ClassCode::INVALID,
        }
    }

    /// What is known of the ids of samples.
    #[inline(always)]
    fn ids(&self, source: Source, ignored: &[i64], first: usize, ids: &mut [ClassCode]) {
        match source {
            Source::I64(from) => self.ids_of(&from[first..], ignored, ids),
            Source::I32(from) => self.ids_of(&from[first..], ignored, ids),
            _ => {
                for (at, id) in ids.iter_mut().enumerate() {
                    *id = self.id(source, ignored, first + at);
                }
            }
        }
    }

    #[inline(always)]
    fn ids_of<T: Copy + Into<i64>>(&self, from: &[T], ignored: &[i64], ids: &mut [ClassCode]) {
        for (id, &from) in ids.iter_mut().zip(from) {
            *id = ClassCode::of(from.into(), self.layout.classes, ignored);
        }
    }

    #[inline(always)]
    fn weight(&self, class: usize) -> f64 {
        self.weights.map_or(1.0, |weights| weights[class])
    }

    /// How much the class of a sample counts.
    #[inline(always)]
    fn of_class(&self, id: ClassCode) -> f64 {
        id.class().map_or(1.0, |class| self.weight(class))
    }

    /// Whether one class of a sample counts, and no part of the target is spread over all.
    fn one_class_counts(&self) -> bool {
        matches!(self.target, SweptTarget::Ids { .. })
            && (self.label_smoothing == 0.0 || self.log_probs.is_some())
    }

    /// Whether each sample counts as one.
    pub(crate) fn count_alike(&self) -> bool {
        self.samples.is_none() && self.classes_count_alike()
    }

    #[inline(always)]
    fn classes_count_alike(&self) -> bool {
        match self.target {
            SweptTarget::Probs { .. } => true,
            SweptTarget::Ids { ignored, .. } => ignored.is_empty() && !self.by_class(),
        }
    }

    /// Whether how much a sample counts in a mean depends on its class.
    fn by_class(&self) -> bool {
        self.weights.is_some() && self.weights_count
    }

    /// The sum of the weights with which the samples of a loss in `F` count, each times `scale`.
    pub(crate) fn weight_sum<F: HeadFloat>(&self, scale: f64) -> f64 {
        let samples = self.layout.samples();
        let work = SampleWeightSum::<F> {
            reads: self,
            scale,
            computed: PhantomData,
        };
        in_chunks::<u8, _, 0>(samples, CHUNK, [], &work)
            .iter()
            .sum()
    }
}

struct SampleWeightSum<'a, F> {
    reads: &'a ClassInputs<'a>,
    scale: f64,
    computed: PhantomData<F>,
}

/// The sum of the weights of some samples.
impl<F: HeadFloat> Work<Chunk<'_, u8, 0>, ()> for SampleWeightSum<'_, F> {
    type Result = f64;

    #[inline(always)]
    fn part(&self, (): &mut (), (range, []): Chunk<u8, 0>) -> f64 {
        let reads = self.reads;
        let mut lanes = [0.0; LANES];
        for (at, sample) in range.enumerate() {
            let own = match reads.target {
                SweptTarget::Ids { ids, ignored } if !reads.classes_count_alike() => {
                    let class = reads.id(ids, ignored, sample).class();
                    class.map_or(0.0, |class| {
                        if reads.by_class() {
                            reads.weight(class)
                        } else {
                            1.0
                        }
                    })
                }
                _ => 1.0,
            };
            lanes[at % LANES] += match reads.samples {
                Some(weights) => match read_weight::<F>(weights, sample).0 {
                    // A large weight, made larger, may be infinite.
                    weight if own == 0.0 => own * weight,
                    weight => own * (weight * self.scale),
                },
                None => own * self.scale,
            };
        }
        tree(lanes)
    }
}

/// Computes the losses of the samples, and the gradient, which is in the layout of the input.
pub(crate) fn sweep<F: HeadFloat>(
    reads: &ClassInputs,
    losses: Option<Output<F>>,
    gradient: Option<Output<F>>,
    scale: Scale,
) -> ChunkSum {
    let layout = reads.layout;
    let sweep = ClassSweep {
        reads,
        scale,
        vectors: Vectors::detect(),
    };
    let rows = layout.inner == 1 && reads.one_class_counts();
    let elements = match gradient {
        // What is not used is not read.
        None if reads.log_probs.is_some() => layout.samples(),
        _ => layout.elements(),
    };
    let tasks = tasks(layout, elements, rows, losses, gradient);
    let found = share(elements, tasks, Tile::new, |tile, task| {
        match (task, reads.log_probs) {
            (Task::TaskRows(task), Some(rule)) => sweep.likelihood_of_rows(tile, task, rule),
            (Task::TaskRows(task), None) => sweep.rows(tile, task),
            (Task::Blocks(task), _) => sweep.blocks(tile, task),
            (Task::Columns(task), _) => sweep.columns(tile, task),
        }
    });
    ChunkSum::total(found)
}

/// A part of the samples.
pub(super) enum Task<'a, F> {
    TaskRows(TaskRows<'a, F>),
    Blocks(TaskRows<'a, F>),
    Columns(Side<'a, F>),
}

/// Samples whose elements are adjacent: rows, or blocks `[classes, inner]`.
pub(super) struct TaskRows<'a, F> {
    pub(super) samples: Range<usize>,
    pub(super) losses: Option<Output<'a, F>>,
    pub(super) gradient: Option<Output<'a, F>>,
}

/// Samples that are side by side in a large block.
pub(super) struct Side<'a, F> {
    pub(super) outer: usize,
    pub(super) samples: Range<usize>,
    pub(super) losses: Option<Output<'a, F>>,
    pub(super) gradient: Option<Columns<'a, F>>,
}

/// Cuts samples into parts, of which so many elements are gone through; those whose classes are adjacent are `rows`,
/// if they are to be.
pub(super) fn tasks<'a, F: Copy>(
    layout: Layout,
    elements: usize,
    rows: bool,
    mut losses: Option<Output<'a, F>>,
    mut gradient: Option<Output<'a, F>>,
) -> Vec<Task<'a, F>> {
    let Layout {
        outer,
        classes,
        inner,
    } = layout;
    let size = classes * inner;
    let mut tasks = Vec::new();
    // Blocks that are not too large are a task with their neighbours.
    if inner == 1 || size <= 4 * CHUNK {
        let of_block = (elements / outer).max(1);
        let at_a_time = (at_a_time(elements) / of_block).max(1);
        let at_a_time = if rows {
            at_a_time
        } else {
            at_a_time.next_multiple_of((SIDE_BY_SIDE / inner).max(1))
        };
        for start in (0..outer).step_by(at_a_time) {
            let count = at_a_time.min(outer - start);
            let task = TaskRows {
                samples: start * inner..(start + count) * inner,
                losses: take(&mut losses, count * inner),
                gradient: take(&mut gradient, count * size),
            };
            tasks.push(if rows {
                Task::TaskRows(task)
            } else {
                Task::Blocks(task)
            });
        }
        return tasks;
    }
    let width = (2 * TILE / classes).max(LANES);
    let width = width.next_multiple_of(if width > PART { PART } else { LANES });
    for outer in 0..outer {
        let mut block = take(&mut gradient, size).map(|block| block.columns(classes));
        for start in (0..inner).step_by(width) {
            let length = width.min(inner - start);
            tasks.push(Task::Columns(Side {
                outer,
                samples: start..start + length,
                losses: take(&mut losses, length),
                gradient: block.take().map(|columns| {
                    let (now, rest) = columns.split(length);
                    block = Some(rest);
                    now
                }),
            }));
        }
    }
    tasks
}

/// Several samples, `[class][sample]`, and what is found out about each of them.
struct Tile<F> {
    /// The input, then what becomes of it.
    x: Vec<F>,
    /// The coefficients of the classes, where they are not a single one.
    q: Vec<F>,
    /// What was read of rows, before it is turned.
    rows: Vec<F>,
    /// What is known of the samples' ids, if they are the target.
    ids: Vec<ClassCode>,
    /// The largest of a sample's logits, and which class that is.
    largest: Vec<F>,
    at: Vec<u32>,
    /// The sum of the other classes' exponentials.
    others: Vec<f64>,
    /// `ln(1 + others)`, and `1 / (1 + others)`.
    ln_sums: Vec<F>,
    shares: Vec<F>,
    /// The input at the class of a sample, its exponential, and the slope there.
    own: Vec<F>,
    own_exp: Vec<F>,
    own_slope: Vec<F>,
    /// The weights of the samples as they are read, and as they count; and the losses, in halves. (The
    /// difference of two logits may be out of range where its share of a mean is not.)
    read: Vec<f64>,
    weights: Vec<F>,
    losses: Vec<F>,
    /// For each sample a number that is needed between two loops.
    numbers: Vec<F>,
    sums: Vec<f64>,
}

impl<F: HeadFloat> Tile<F> {
    fn new() -> Self {
        Self {
            x: Vec::new(),
            q: Vec::new(),
            rows: Vec::new(),
            ids: Vec::new(),
            largest: Vec::new(),
            at: Vec::new(),
            others: Vec::new(),
            ln_sums: Vec::new(),
            shares: Vec::new(),
            own: Vec::new(),
            own_exp: Vec::new(),
            own_slope: Vec::new(),
            read: Vec::new(),
            weights: Vec::new(),
            losses: Vec::new(),
            numbers: Vec::new(),
            sums: Vec::new(),
        }
    }

    /// Makes room for so many samples.
    fn resize(&mut self, width: usize) {
        if self.losses.len() == width {
            return;
        }
        for numbers in [
            &mut self.largest,
            &mut self.ln_sums,
            &mut self.shares,
            &mut self.own,
            &mut self.own_exp,
            &mut self.own_slope,
            &mut self.weights,
            &mut self.losses,
            &mut self.numbers,
        ] {
            numbers.resize(width, F::default());
        }
        self.ids.resize(width, ClassCode::IGNORED);
        self.at.resize(width, 0);
        self.read.resize(width, 1.0);
        self.others.resize(width, 0.0);
        self.sums.resize(width, 0.0);
    }

    /// The gradient at the class of each sample becomes its own slope.
    #[inline(always)]
    fn put_own_slopes(&mut self, width: usize) {
        for sample in 0..width {
            if let Some(class) = self.ids[sample].class() {
                self.x[class * width + sample] = self.own_slope[sample];
            }
        }
    }

    /// The losses, which are in halves until then.
    fn whole_losses(&mut self) -> &[F] {
        for loss in &mut self.losses {
            *loss = loss.times(2.0);
        }
        &self.losses
    }
}

/// Where the samples of a tile are: from `first` on of all samples.
#[derive(Clone, Copy)]
struct Place {
    first: usize,
    width: usize,
}

struct ClassSweep<'a> {
    reads: &'a ClassInputs<'a>,
    scale: Scale,
    vectors: Vectors,
}

/// The elements from a place on: those of a source where they lie, or as they were read into a buffer.
pub(super) fn elements<'a, F: Float>(
    source: &Source<'a>,
    at: Range<usize>,
    buffer: &'a mut Vec<F>,
) -> &'a [F] {
    match F::direct(source) {
        Some(numbers) => &numbers[at],
        None => {
            buffer.resize(at.len(), F::default());
            source.read(at.start, buffer);
            buffer
        }
    }
}

impl ClassSweep<'_> {
    /// Reads the weights and the ids of samples; says whether all weights are allowed.
    fn read_samples<F: HeadFloat>(&self, tile: &mut Tile<F>, place: Place) -> bool {
        tile.resize(place.width);
        self.vectors.run(ReadSamples(self, tile, place.first))
    }

    /// What was found of the samples of a tile.
    fn found<F: HeadFloat>(&self, tile: &Tile<F>, invalid: bool) -> ChunkSum {
        ChunkSum {
            sum: self.vectors.run(Add(&tile.losses, self.scale.losses)) * 2.0,
            invalid,
        }
    }

    /// Cross-entropy of rows, each of which has one class.
    fn rows<F: HeadFloat>(&self, tile: &mut Tile<F>, task: TaskRows<F>) -> ChunkSum {
        let classes = self.reads.layout.classes;
        let TaskRows {
            samples,
            mut losses,
            mut gradient,
        } = task;
        let few = classes < SOME;
        let at_a_time = if few {
            (FEW / classes).max(1)
        } else {
            (TILE / classes).clamp(1, SIDE_BY_SIDE)
        };
        let mut found = ChunkSum::default();
        for first in samples.clone().step_by(at_a_time) {
            let width = at_a_time.min(samples.end - first);
            let allowed = self.read_samples(tile, Place { first, width });
            let in_task = (first - samples.start) * classes;
            let mut buffer = core::mem::take(&mut tile.rows);
            let start = first * classes;
            let x = match &self.reads.input {
                Some(source) => elements(source, start..start + width * classes, &mut buffer),
                None => gradient
                    .as_ref()
                    .expect("what is overwritten is written")
                    .input(in_task..in_task + width * classes),
            };
            // Without a gradient, what becomes of a row is soon overwritten by the next.
            let kept = if few || gradient.is_some() { width } else { 1 };
            tile.x.resize(kept * classes, F::default());
            let invalid = self.vectors.run(SoftmaxRows {
                sweep: self,
                x,
                classes,
                tile,
                gradient: gradient.is_some(),
            });
            tile.rows = buffer;
            found.add(self.found(tile, invalid | !allowed));
            if let Some(gradient) = &mut gradient {
                self.vectors.run(WriteRows {
                    tile,
                    classes,
                    gradient,
                });
            }
            if let Some(losses) = &mut losses {
                losses.write(tile.whole_losses());
            }
        }
        found
    }

    /// Negative log-likelihood of rows.
    fn likelihood_of_rows<F: HeadFloat>(
        &self,
        tile: &mut Tile<F>,
        task: TaskRows<F>,
        rule: Rule,
    ) -> ChunkSum {
        let classes = self.reads.layout.classes;
        let TaskRows {
            samples,
            mut losses,
            mut gradient,
        } = task;
        let mut found = ChunkSum::default();
        for first in samples.clone().step_by(FAR_APART) {
            let width = FAR_APART.min(samples.end - first);
            let allowed = self.read_samples(tile, Place { first, width });
            let start = (first - samples.start) * classes;
            let own = tile.own.iter_mut().zip(&tile.ids).enumerate();
            let own = own.filter_map(|(sample, (own, id))| {
                Some((own, start + sample * classes + id.class()?))
            });
            match &self.reads.input {
                Some(source) => match F::direct(source) {
                    Some(all) => {
                        let all = &all[samples.start * classes..];
                        own.for_each(|(own, at)| *own = all[at]);
                    }
                    None => own.for_each(|(own, at)| {
                        *own = source.number(samples.start * classes + at);
                    }),
                },
                None => own.for_each(|(own, at)| {
                    let input = gradient.as_ref().map(|input| input.input(at..at + 1));
                    *own = input.map_or(F::NAN, |input| input[0]);
                }),
            }
            let invalid = self.likelihood(tile, rule);
            found.add(self.found(tile, invalid | !allowed));
            if let Some(gradient) = &mut gradient {
                for sample in 0..width {
                    let number = tile.numbers[sample];
                    gradient.fill(classes, |_| number);
                    if let Some(class) = tile.ids[sample].class() {
                        gradient.patch(classes - class, tile.own_slope[sample]);
                    }
                }
            }
            if let Some(losses) = &mut losses {
                losses.write(tile.whole_losses());
            }
        }
        found
    }

    /// Blocks `[classes, inner]` of which each is a tile, or several are.
    fn blocks<F: HeadFloat>(&self, tile: &mut Tile<F>, task: TaskRows<F>) -> ChunkSum {
        let Layout { classes, inner, .. } = self.reads.layout;
        let TaskRows {
            samples,
            mut losses,
            mut gradient,
        } = task;
        let size = classes * inner;
        let at_a_time = match inner {
            1 if classes >= MANY => 1,
            _ => (SIDE_BY_SIDE / inner).max(1),
        };
        let blocks = samples.start / inner..samples.end / inner;
        let mut found = ChunkSum::default();
        for first in blocks.clone().step_by(at_a_time) {
            let count = at_a_time.min(blocks.end - first);
            let width = count * inner;
            let place = Place {
                first: first * inner,
                width,
            };
            let allowed = self.read_samples(tile, place);
            let of_input = gradient.as_ref().filter(|_| self.reads.input.is_none());
            let in_task = (first - blocks.start) * size;
            let invalid = self.tile_of_blocks(
                tile,
                first..first + count,
                of_input.map(|input| input.input(in_task..in_task + count * size)),
                gradient.is_some(),
            );
            found.add(self.found(tile, invalid | !allowed));
            if let Some(losses) = &mut losses {
                losses.write(tile.whole_losses());
            }
            if let Some(gradient) = &mut gradient {
                match count {
                    1 => gradient.write(&tile.x),
                    _ => {
                        tile.rows.resize(count * size, F::default());
                        turn_back(&tile.x, [count, classes, inner], &mut tile.rows);
                        gradient.write(&tile.rows);
                    }
                }
            }
        }
        found
    }

    /// Some blocks as a tile: their losses, and in place of the input the gradient. The input is given where the
    /// gradient will overwrite it.
    fn tile_of_blocks<F: HeadFloat>(
        &self,
        tile: &mut Tile<F>,
        blocks: Range<usize>,
        overwritten: Option<&[F]>,
        gradient: bool,
    ) -> bool {
        let Layout { classes, inner, .. } = self.reads.layout;
        let (count, size) = (blocks.len(), classes * inner);
        let width = count * inner;
        let at = blocks.start * size..blocks.end * size;
        let sizes = [count, classes, inner];
        if let (Some(rule), Some(source)) = (self.reads.log_probs, &self.reads.input) {
            // Only the class of each sample is used.
            for sample in 0..width {
                if let Some(class) = tile.ids[sample].class() {
                    let row = (blocks.start + sample / inner) * classes + class;
                    tile.own[sample] = source.number(row * inner + sample % inner);
                }
            }
            let invalid = self.likelihood(tile, rule);
            if gradient {
                tile.x.resize(count * size, F::default());
                self.spread_likelihood(tile, width);
            }
            return invalid;
        }
        let mut rows = core::mem::take(&mut tile.rows);
        let x = match (&self.reads.input, overwritten) {
            (Some(source), _) => elements(source, at.clone(), &mut rows),
            (None, Some(input)) => input,
            (None, None) => unreachable!("what is overwritten is written"),
        };
        if self.one_softmax() {
            let mut turned = core::mem::take(&mut tile.q);
            let lines = match count {
                1 => x,
                _ => {
                    turned.resize(count * size, F::default());
                    turn(x, sizes, &mut turned);
                    &turned
                }
            };
            let invalid = self.one_class(tile, Lines::Strided(lines, width), width, gradient);
            tile.q = turned;
            tile.rows = rows;
            if gradient {
                self.vectors.run(OwnGradients(tile, width));
            }
            return invalid;
        }
        tile.x.resize(count * size, F::default());
        turn(x, sizes, &mut tile.x);
        tile.rows = rows;
        if let Some(rule) = self.reads.log_probs {
            self.pick(tile, width);
            let invalid = self.likelihood(tile, rule);
            self.spread_likelihood(tile, width);
            return invalid;
        }
        self.all_classes(tile, width, gradient, |tile, probs| {
            let mut rows = core::mem::take(&mut tile.rows);
            tile.q.resize(count * size, F::default());
            turn(elements(probs, at.clone(), &mut rows), sizes, &mut tile.q);
            tile.rows = rows;
        })
    }

    /// Columns of a large block.
    fn columns<F: HeadFloat>(&self, tile: &mut Tile<F>, task: Side<F>) -> ChunkSum {
        let Layout { classes, inner, .. } = self.reads.layout;
        let Side {
            outer,
            samples,
            losses,
            mut gradient,
        } = task;
        let width = samples.len();
        let place = Place {
            first: outer * inner + samples.start,
            width,
        };
        let allowed = self.read_samples(tile, place);
        let start = outer * classes * inner + samples.start;
        let invalid = if self.one_softmax() {
            let mut buffer = core::mem::take(&mut tile.rows);
            let lines = match (&self.reads.input, &gradient) {
                (Some(source), _) => match F::direct(source) {
                    Some(all) => Lines::Strided(&all[start..], inner),
                    None => {
                        buffer.resize(classes * width, F::default());
                        load(source, start, inner, width, &mut buffer);
                        Lines::Strided(&buffer, width)
                    }
                },
                (None, Some(gradient)) => Lines::InPlace(gradient),
                (None, None) => unreachable!("what is overwritten is written"),
            };
            let invalid = self.one_class(tile, lines, width, gradient.is_some());
            tile.rows = buffer;
            invalid
        } else {
            tile.x.resize(classes * width, F::default());
            match (&self.reads.input, self.reads.log_probs) {
                // Only the class of each sample is used.
                (Some(source), Some(_)) => {
                    for sample in 0..width {
                        if let Some(class) = tile.ids[sample].class() {
                            tile.own[sample] = source.number(start + class * inner + sample);
                        }
                    }
                }
                (Some(source), None) => load(source, start, inner, width, &mut tile.x),
                (None, _) => {
                    let gradient = gradient.as_ref().expect("what is overwritten is written");
                    for (class, x) in tile.x.chunks_exact_mut(width).enumerate() {
                        x.copy_from_slice(gradient.input(class));
                    }
                }
            }
            match self.reads.log_probs {
                Some(rule) => {
                    if self.reads.input.is_none() {
                        self.pick(tile, width);
                    }
                    let invalid = self.likelihood(tile, rule);
                    if gradient.is_some() {
                        self.spread_likelihood(tile, width);
                    }
                    invalid
                }
                None => self.all_classes(tile, width, gradient.is_some(), |tile, probs| {
                    tile.q.resize(classes * width, F::default());
                    load(probs, start, inner, width, &mut tile.q);
                }),
            }
        };
        let found = self.found(tile, invalid | !allowed);
        if let Some(mut losses) = losses {
            losses.write(tile.whole_losses());
        }
        if let Some(gradient) = &mut gradient {
            if self.one_softmax() {
                self.vectors.run(WriteColumns { tile, gradient })
            } else {
                tile.x.chunks_exact(width).for_each(|x| gradient.write(x))
            }
        }
        found
    }

    /// Whether it is a cross-entropy of samples of one class each.
    fn one_softmax(&self) -> bool {
        self.reads.one_class_counts() && self.reads.log_probs.is_none()
    }

    /// The losses of samples of one class each, whose classes are lines; with a gradient, their exponentials are
    /// left in the tile.
    fn one_class<F: HeadFloat>(
        &self,
        tile: &mut Tile<F>,
        lines: Lines<F>,
        width: usize,
        gradient: bool,
    ) -> bool {
        self.vectors.run(OneClass {
            sweep: self,
            tile,
            lines,
            width,
            gradient,
        })
    }

    /// The losses of a tile, and in place of its input the gradient; `probs` reads the probabilities.
    fn all_classes<F: HeadFloat>(
        &self,
        tile: &mut Tile<F>,
        width: usize,
        gradient: bool,
        probs: impl Fn(&mut Tile<F>, &Source),
    ) -> bool {
        if let SweptTarget::Probs { probs: source, .. } = &self.reads.target {
            probs(tile, source);
        }
        self.vectors.run(AllClasses {
            sweep: self,
            tile,
            width,
            gradient,
        })
    }

    /// The input at the class of each sample of a tile.
    fn pick<F: HeadFloat>(&self, tile: &mut Tile<F>, width: usize) {
        for sample in 0..width {
            if let Some(class) = tile.ids[sample].class() {
                tile.own[sample] = tile.x[class * width + sample];
            }
        }
    }

    /// Negative log-likelihood of samples, the input at whose classes is known. `own_slope` becomes the
    /// gradient there, and `numbers` that at the other classes.
    fn likelihood<F: HeadFloat>(&self, tile: &mut Tile<F>, rule: Rule) -> bool {
        self.vectors
            .run(Likelihood(tile, rule, self.scale.gradient))
    }

    /// The gradient of a likelihood over a tile.
    fn spread_likelihood<F: HeadFloat>(&self, tile: &mut Tile<F>, width: usize) {
        for x in tile.x.chunks_exact_mut(width) {
            x.copy_from_slice(&tile.numbers);
        }
        tile.put_own_slopes(width);
    }

    /// What the losses of samples of one class come to, from the largest logit, the sum of the other exponentials,
    /// and the logit and the exponential at the class: `numbers` becomes what the exponentials are multiplied by,
    /// and `own_slope` the gradient at the class.
    ///
    /// Each is a plain loop over all samples; those that have no class are seen to afterwards.
    #[inline(always)]
    fn finish<F: HeadFloat>(&self, tile: &mut Tile<F>, gradient: bool) -> bool {
        if let Some(head) = self.reads.head {
            return self.finish_head(head, tile, gradient);
        }
        let (zero, one) = (F::default(), F::of(1.0));
        for (ln_sum, &others) in tile.ln_sums.iter_mut().zip(&tile.others) {
            *ln_sum = ln_1p(F::of(others));
        }
        let logits = tile.own.iter().zip(&tile.largest);
        let samples = logits.zip(tile.ln_sums.iter().zip(&tile.weights));
        for (loss, ((&own, &largest), (&ln_sum, &weight))) in tile.losses.iter_mut().zip(samples) {
            let shifted = half_shifted(own, largest.times(0.5));
            let half_log_prob = shifted - ln_sum.times(0.5);
            *loss = nll_term(half_log_prob, one).0.times_or_zero(weight);
        }
        if gradient {
            let scale = F::of(self.scale.gradient);
            for (share, &others) in tile.shares.iter_mut().zip(&tile.others) {
                *share = one / F::of(others).plus(1.0);
            }
            let samples = tile.shares.iter().zip(&tile.weights);
            for (number, (&share, &weight)) in tile.numbers.iter_mut().zip(samples) {
                let slope = cross_entropy_slope(one, zero, zero, one);
                let slope = clamp(slope.times_or_zero(weight) * scale);
                // A row that does not count has no gradient, even where its share is no number.
                *number = share.times_or_zero(slope);
            }
            let exps = tile.own_exp.iter().zip(&tile.others);
            let samples = exps.zip(tile.shares.iter().zip(&tile.weights));
            for (own_slope, ((&exp, &others), (&share, &weight))) in
                tile.own_slope.iter_mut().zip(samples)
            {
                let others = F::of(others);
                let rest = (others.plus(1.0) - exp).replace(exp.equals(1.0), others);
                let slope = cross_entropy_slope(exp * share, rest * share, one, zero);
                *own_slope = clamp(slope.times_or_zero(weight) * scale);
            }
        }
        without_class(tile)
    }

    /// As [`finish`](Self::finish), of another loss than cross-entropy.
    #[inline(never)]
    fn finish_head<F: HeadFloat>(
        &self,
        head: &dyn HostHead,
        tile: &mut Tile<F>,
        gradient: bool,
    ) -> bool {
        let scale = gradient.then_some(self.scale.gradient);
        let terms = HeadTerms {
            own: &tile.own,
            largest: &tile.largest,
            others: &tile.others,
            weights: &tile.weights,
            scale: scale.map(F::of),
            losses: &mut tile.losses,
            own_slopes: &mut tile.own_slope,
            factors: &mut tile.numbers,
        };
        F::terms(head, self.vectors, terms);
        for sample in 0..tile.losses.len() {
            // What is made of a difference beyond `f32` may be in its range.
            let finite = tile.losses[sample].between(-F::MAX, F::MAX);
            if !finite && tile.ids[sample].is_class() && !F::IS_DOUBLE {
                let mut made = [[0.0]; 3];
                let [losses, own_slopes, factors] = made.each_mut();
                let terms = HeadTerms {
                    own: &[tile.own[sample].double()],
                    largest: &[tile.largest[sample].double()],
                    others: &[tile.others[sample]],
                    weights: &[tile.weights[sample].double()],
                    scale,
                    losses,
                    own_slopes,
                    factors,
                };
                f64::terms(head, self.vectors, terms);
                let [[loss], [own_slope], [factor]] = made;
                tile.losses[sample] = F::of(loss);
                tile.own_slope[sample] = narrow(own_slope);
                tile.numbers[sample] = narrow(factor);
            }
        }
        without_class(tile)
    }

    /// The coefficients of all classes; NaN for a sample whose target is not valid. Probabilities have been
    /// read.
    #[inline(always)]
    fn coefficients<F: HeadFloat>(&self, tile: &mut Tile<F>, width: usize) -> bool {
        let classes = self.reads.layout.classes;
        let smoothing = self.reads.label_smoothing;
        let spread = smoothing / classes as f64;
        tile.q.resize(classes * width, F::default());
        let mut invalid = false;
        // What is added to the coefficients of a sample: 0, or NaN.
        tile.numbers.fill(F::default());
        match self.reads.target {
            SweptTarget::Ids { .. } => {
                for sample in 0..width {
                    tile.numbers[sample] = match tile.ids[sample] {
                        ClassCode::IGNORED => F::default(),
                        ClassCode::INVALID => {
                            invalid = true;
                            F::NAN
                        }
                        _ => F::of(spread),
                    };
                }
                match width {
                    1 => tile.q.fill(tile.numbers[0]),
                    _ => {
                        for q in tile.q.chunks_exact_mut(width) {
                            q.copy_from_slice(&tile.numbers);
                        }
                    }
                }
                for sample in 0..width {
                    if let Some(class) = tile.ids[sample].class() {
                        tile.q[class * width + sample] += F::of(1.0 - smoothing);
                    }
                }
            }
            SweptTarget::Probs {
                rule, tolerance, ..
            } => {
                if width == 1 {
                    tile.sums[0] = sum(&tile.q, 1.0);
                } else {
                    tile.sums.fill(0.0);
                    for q in tile.q.chunks_exact(width) {
                        for (sum, q) in tile.sums.iter_mut().zip(q) {
                            *sum += q.double();
                        }
                    }
                }
                if !rule.holds_for_all(&tile.q) {
                    for q in tile.q.chunks_exact(width) {
                        for (sum, q) in tile.sums.iter_mut().zip(q) {
                            *sum = if rule.holds(q) { *sum } else { f64::NAN };
                        }
                    }
                }
                for (poisoned, sum) in tile.numbers.iter_mut().zip(&tile.sums) {
                    let valid = (sum - 1.0).abs() <= tolerance;
                    invalid |= !valid;
                    *poisoned = F::default().replace(!valid, F::NAN);
                }
                if invalid {
                    for q in tile.q.chunks_exact_mut(width) {
                        for (q, &poisoned) in q.iter_mut().zip(&tile.numbers) {
                            *q += poisoned;
                        }
                    }
                }
                if smoothing != 0.0 {
                    for q in &mut tile.q {
                        *q = q.times(1.0 - smoothing).plus(spread);
                    }
                }
            }
        }
        if let Some(weights) = self.reads.weights {
            match width {
                1 => {
                    for (q, &of_class) in tile.q.iter_mut().zip(weights) {
                        *q = *q * clamp(self.scale.weight_of(tile.read[0], of_class));
                    }
                }
                _ => {
                    for (q, &of_class) in tile.q.chunks_exact_mut(width).zip(weights) {
                        for (q, &weight) in q.iter_mut().zip(&tile.read) {
                            *q = *q * clamp(self.scale.weight_of(weight, of_class));
                        }
                    }
                }
            }
        }
        invalid
    }
}

/// Reads the weights and the ids of the samples of a tile, from a place on.
struct ReadSamples<'a, F>(&'a ClassSweep<'a>, &'a mut Tile<F>, usize);

impl<F: HeadFloat> Loop for ReadSamples<'_, F> {
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        let Self(ClassSweep { reads, scale, .. }, tile, first) = self;
        let allowed = match reads.samples {
            Some(samples) => read_weights::<F>(samples, first, &mut tile.read),
            None => {
                tile.read.fill(1.0);
                true
            }
        };
        if let SweptTarget::Ids { ids, ignored } = reads.target {
            reads.ids(ids, ignored, first, &mut tile.ids);
        }
        let by_class = reads.one_class_counts();
        if reads.samples.is_none() && reads.weights.is_none() {
            tile.weights.fill(scale.weight(1.0));
            return allowed;
        }
        let weights = tile.weights.iter_mut().zip(&tile.read);
        for ((weight, &read), &id) in weights.zip(&tile.ids) {
            *weight = if by_class {
                scale.weight_of(read, reads.of_class(id))
            } else if reads.weights.is_some() {
                // The weight of the sample is in what its classes count, together with theirs: one alone may
                // be out of range. Left is whether it counts at all.
                F::of(read.sign())
            } else {
                scale.weight(read)
            };
        }
        allowed
    }
}

/// The sum of numbers, each times a scale.
struct Add<'a, F>(&'a [F], f64);

impl<F: HeadFloat> Loop for Add<'_, F> {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        sum(self.0, self.1)
    }
}

/// Cross-entropy of adjacent rows of one class each. With a gradient, their exponentials are left in the tile.
struct SoftmaxRows<'a, F> {
    sweep: &'a ClassSweep<'a>,
    x: &'a [F],
    classes: usize,
    tile: &'a mut Tile<F>,
    gradient: bool,
}

impl<F: HeadFloat> Loop for SoftmaxRows<'_, F> {
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        let Self {
            sweep,
            x,
            classes,
            tile,
            gradient,
        } = self;
        if classes < SOME {
            few_classes(x, classes, tile);
        } else {
            for (row, x) in x.chunks_exact(classes).enumerate() {
                let exps = if gradient {
                    &mut tile.x[row * classes..][..classes]
                } else {
                    &mut tile.x[..classes]
                };
                let largest = largest_of(x);
                tile.largest[row] = largest;
                tile.others[row] = exponentials(x, largest, exps);
                if let Some(class) = tile.ids[row].class() {
                    tile.own_exp[row] = exps[class];
                }
            }
        }
        for (row, x) in x.chunks_exact(classes).enumerate() {
            if let Some(class) = tile.ids[row].class() {
                tile.own[row] = x[class];
            }
        }
        sweep.finish(tile, gradient)
    }
}

/// Sees to the samples of a tile that have no class, once the others are finished; says whether one of them is not
/// valid.
#[inline(always)]
fn without_class<F: HeadFloat>(tile: &mut Tile<F>) -> bool {
    if all_have_classes(&tile.ids) {
        return false;
    }
    let mut invalid = false;
    for (sample, &id) in tile.ids.iter().enumerate() {
        let weight = tile.weights[sample];
        if id == ClassCode::IGNORED {
            tile.losses[sample] = F::default().times_or_zero(weight);
            tile.numbers[sample] = F::default();
        } else if id == ClassCode::INVALID {
            invalid = true;
            tile.losses[sample] = F::NAN.times_or_zero(weight);
            tile.numbers[sample] = F::NAN.times_or_zero(weight);
        }
    }
    invalid
}

/// Whether each of some samples has a class.
#[inline(always)]
fn all_have_classes(ids: &[ClassCode]) -> bool {
    ids.iter().fold(true, |all, id| all & id.is_class())
}

/// Negative log-likelihood of the samples of a tile; what must hold for the log-probabilities that are used, and
/// what makes a gradient of a slope.
struct Likelihood<'a, F>(&'a mut Tile<F>, Rule, f64);

impl<F: HeadFloat> Loop for Likelihood<'_, F> {
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        let Self(tile, rule, scale) = self;
        let (zero, one, scale) = (F::default(), F::of(1.0), F::of(scale));
        let samples = tile.own.iter().zip(&tile.weights);
        for (loss, (&own, &weight)) in tile.losses.iter_mut().zip(samples) {
            *loss = nll_term(own, F::of(0.5)).0.times_or_zero(weight);
        }
        for (own_slope, &weight) in tile.own_slope.iter_mut().zip(&tile.weights) {
            let (_, slope) = nll_term(zero, one);
            *own_slope = clamp(slope().times_or_zero(weight) * scale);
        }
        for (number, own_slope) in tile.numbers.iter_mut().zip(&tile.own_slope) {
            *number = zero.replace(own_slope.is_nan(), F::NAN);
        }
        // Those that have no class, or are not allowed, are seen to afterwards.
        if all_have_classes(&tile.ids) && rule.holds_for_all(&tile.own) {
            return false;
        }
        let mut invalid = false;
        for (sample, &id) in tile.ids.iter().enumerate() {
            let fallback = if id == ClassCode::IGNORED {
                tile.losses[sample] = zero.times_or_zero(tile.weights[sample]);
                zero
            } else if id == ClassCode::INVALID || !rule.holds(&tile.own[sample]) {
                invalid = true;
                // What is not valid shows unless its sample does not count, whatever its class does.
                let nan = F::NAN.replace(tile.read[sample] == 0.0, zero);
                tile.losses[sample] = nan;
                nan
            } else {
                continue;
            };
            tile.own_slope[sample] = fallback;
            tile.numbers[sample] = fallback;
        }
        invalid
    }
}

/// The largest logits, the exponentials and their sums of rows of few classes: what is done for each class is done
/// for those of all rows in one loop, beside which each row's number is spread.
#[inline(always)]
fn few_classes<F: HeadFloat>(x: &[F], classes: usize, tile: &mut Tile<F>) {
    for (largest, x) in tile.largest.iter_mut().zip(x.chunks_exact(classes)) {
        *largest = x[1..]
            .iter()
            .fold(x[0], |largest, &x| largest.replace(x > largest, x));
    }
    spread(&tile.largest, classes, &mut tile.q);
    let beside = x.chunks(PART).zip(tile.q.chunks(PART));
    for (exps, (x, largest)) in tile.x.chunks_mut(PART).zip(beside) {
        exponentials_beside(x, largest, exps);
    }
    for (sum, exps) in tile.ln_sums.iter_mut().zip(tile.x.chunks_exact(classes)) {
        *sum = exps.iter().fold(F::default(), |sum, &exp| sum + exp);
    }
    for (others, &sum) in tile.others.iter_mut().zip(&tile.ln_sums) {
        *others = sum.double() - 1.0;
    }
    for (others, exps) in tile.others.iter_mut().zip(tile.x.chunks_exact(classes)) {
        if *others < SATURATED - 1.0 {
            *others = others_of_few(exps);
        }
    }
    for (row, exps) in tile.x.chunks_exact(classes).enumerate() {
        if let Some(class) = tile.ids[row].class() {
            tile.own_exp[row] = exps[class];
        }
    }
}

/// Each number, once for each class of its row. What is behind the last of them is anything.
#[inline(always)]
fn spread<F: HeadFloat>(numbers: &[F], classes: usize, spread: &mut Vec<F>) {
    spread.resize(numbers.len() * classes + SOME + LANES, F::default());
    for (row, &number) in numbers.iter().enumerate() {
        // More than there are are written at once: the next row's are written over them.
        for start in (0..classes).step_by(LANES) {
            spread[row * classes + start..][..LANES].fill(number);
        }
    }
}

/// As [`others`], of few.
#[inline(always)]
fn others_of_few<F: HeadFloat>(exps: &[F]) -> f64 {
    let (mut ones, mut others) = (F::of(-1.0), F::default());
    for exp in exps {
        let one = exp.equals(1.0);
        ones += F::default().set(one, 1.0);
        others += exp.set(one, 0.0);
    }
    ones.double() + others.double()
}

/// Writes the gradients of rows from their exponentials.
struct WriteRows<'a, 'b, F> {
    tile: &'a mut Tile<F>,
    classes: usize,
    gradient: &'a mut Output<'b, F>,
}

impl<F: HeadFloat> Loop for WriteRows<'_, '_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self {
            tile,
            classes,
            gradient,
        } = self;
        if classes < SOME {
            spread(&tile.numbers, classes, &mut tile.q);
            gradient.write_products(&tile.x, &tile.q);
        } else {
            for (exps, &factor) in tile.x.chunks_exact(classes).zip(&tile.numbers) {
                if factor.equals(0.0) {
                    gradient.fill(classes, |_| F::default())
                } else {
                    gradient.fill(classes, |at| exps[at] * factor)
                }
            }
        }
        for (row, id) in tile.ids.iter().enumerate() {
            if let Some(class) = id.class() {
                gradient.patch(tile.x.len() - row * classes - class, tile.own_slope[row]);
            }
        }
    }
}

/// Several samples side by side: a line for each class.
#[derive(Clone, Copy)]
enum Lines<'a, F> {
    /// So far apart.
    Strided(&'a [F], usize),
    /// The input that will be overwritten.
    InPlace(&'a Columns<'a, F>),
}

impl<F: HeadFloat> Lines<'_, F> {
    #[inline(always)]
    fn line(&self, class: usize, width: usize) -> &[F] {
        match self {
            Self::Strided(numbers, stride) => &numbers[class * stride..][..width],
            Self::InPlace(columns) => columns.input(class),
        }
    }
}

/// Cross-entropy of samples of one class each, side by side.
struct OneClass<'a, F> {
    sweep: &'a ClassSweep<'a>,
    tile: &'a mut Tile<F>,
    lines: Lines<'a, F>,
    width: usize,
    gradient: bool,
}

impl<F: HeadFloat> Loop for OneClass<'_, F> {
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        let Self {
            sweep,
            tile,
            lines,
            width,
            gradient,
        } = self;
        let classes = sweep.reads.layout.classes;
        // Without a gradient, what becomes of a line is soon overwritten by the next.
        tile.x
            .resize(if gradient { classes } else { 1 } * width, F::default());
        {
            let largest = &mut tile.largest[..width];
            largest.copy_from_slice(lines.line(0, width));
            for class in 1..classes {
                for (largest, &x) in largest.iter_mut().zip(lines.line(class, width)) {
                    *largest = largest.replace(x > *largest, x);
                }
            }
        }
        for sample in 0..width {
            if let Some(class) = tile.ids[sample].class() {
                tile.own[sample] = lines.line(class, width)[sample];
            }
        }
        let (largest, others) = (&tile.largest[..width], &mut tile.others[..width]);
        let (part, ones) = (&mut tile.ln_sums[..width], &mut tile.shares[..width]);
        // The largest contributes exactly 1. Those that are 1 are added up apart, so that however little the
        // others contribute is kept.
        others.fill(-1.0);
        for start in (0..classes).step_by(PART) {
            part.fill(F::default());
            ones.fill(F::default());
            for class in start..classes.min(start + PART) {
                let exps = if gradient {
                    &mut tile.x[class * width..][..width]
                } else {
                    &mut tile.x[..width]
                };
                let x = lines.line(class, width).chunks(PART);
                for (exps, (x, largest)) in exps.chunks_mut(PART).zip(x.zip(largest.chunks(PART))) {
                    exponentials_beside(x, largest, exps);
                }
                for ((part, ones), exp) in part.iter_mut().zip(&mut *ones).zip(&*exps) {
                    let one = exp.equals(1.0);
                    *part += exp.set(one, 0.0);
                    *ones += F::default().set(one, 1.0);
                }
            }
            for ((others, &part), &ones) in others.iter_mut().zip(&*part).zip(&*ones) {
                *others += ones.double();
                *others += part.double();
            }
        }
        if gradient {
            for sample in 0..width {
                if let Some(class) = tile.ids[sample].class() {
                    tile.own_exp[sample] = tile.x[class * width + sample];
                }
            }
        }
        sweep.finish(tile, gradient)
    }
}

/// The exponentials of a tile of so many samples become their gradients.
struct OwnGradients<'a, F>(&'a mut Tile<F>, usize);

impl<F: HeadFloat> Loop for OwnGradients<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self(tile, width) = self;
        for exps in tile.x.chunks_exact_mut(width) {
            multiply(exps, &tile.numbers);
        }
        tile.put_own_slopes(width);
    }
}

/// Writes the gradients of samples side by side from their exponentials.
struct WriteColumns<'a, 'b, F> {
    tile: &'a Tile<F>,
    gradient: &'a mut Columns<'b, F>,
}

impl<F: HeadFloat> Loop for WriteColumns<'_, '_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { tile, gradient } = self;
        for exps in tile.x.chunks_exact(tile.numbers.len()) {
            gradient.write_products(exps, &tile.numbers);
        }
        for (sample, id) in tile.ids.iter().enumerate() {
            if let Some(class) = id.class() {
                gradient.patch(class, sample, tile.own_slope[sample]);
            }
        }
    }
}

/// Cross-entropy of a tile where every class has a share in the target.
struct AllClasses<'a, F> {
    sweep: &'a ClassSweep<'a>,
    tile: &'a mut Tile<F>,
    width: usize,
    gradient: bool,
}

impl<F: HeadFloat> Loop for AllClasses<'_, F> {
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        let Self {
            sweep,
            tile,
            width,
            gradient,
        } = self;
        let invalid = sweep.coefficients(tile, width);
        maximum(tile, width);
        // Half of the sum of `-q (logit - largest)`, and the sum of `q`.
        tile.sums.fill(0.0);
        tile.losses.fill(F::default());
        if width == 1 {
            let (loss, sum) = terms_of(&tile.x, &tile.q, tile.largest[0]);
            tile.losses[0] = loss;
            tile.sums[0] = sum;
        } else {
            let (x, q) = (tile.x.chunks_exact(width), tile.q.chunks_exact(width));
            for (x, q) in x.zip(q) {
                let losses = &mut tile.losses[..width];
                let sums = &mut tile.sums[..width];
                let largest = &tile.largest[..width];
                for sample in 0..width {
                    let shifted = half_shifted(x[sample], largest[sample].times(0.5));
                    let (term, _) = nll_term(shifted, q[sample]);
                    losses[sample] += term;
                    sums[sample] += q[sample].double();
                }
            }
        }
        exponentials_of_tile(tile, width);
        for sample in 0..width {
            let q = F::of(tile.sums[sample]);
            let (term, _) = nll_term(-tile.ln_sums[sample].times(0.5), q);
            tile.losses[sample] += term;
        }
        multiply(&mut tile.losses, &tile.weights);
        if !gradient {
            return invalid;
        }
        let scale = F::of(sweep.scale.gradient);
        let slope = |exp: F, rest: F, q: F, share: F, q_sum: F, weight: F| {
            let slope = cross_entropy_slope(exp * share, rest * share, q, q_sum - q);
            clamp(slope.times_or_zero(weight) * scale)
        };
        // The slope at the largest logit, for which the rest is exactly the sum of the others.
        for sample in 0..width {
            let at = tile.at[sample] as usize * width + sample;
            let (exp, others) = (tile.x[at], F::of(tile.others[sample]));
            let (q, q_sum) = (tile.q[at], F::of(tile.sums[sample]));
            let (share, weight) = (tile.shares[sample], tile.weights[sample]);
            tile.numbers[sample] = slope(exp, others, q, share, q_sum, weight);
        }
        if width == 1 {
            let sum = F::of(tile.others[0]).plus(1.0);
            let (share, q_sum, weight) = (tile.shares[0], F::of(tile.sums[0]), tile.weights[0]);
            for (x, &q) in tile.x.iter_mut().zip(&tile.q) {
                *x = slope(*x, sum - *x, q, share, q_sum, weight);
            }
        } else {
            for (x, q) in tile
                .x
                .chunks_exact_mut(width)
                .zip(tile.q.chunks_exact(width))
            {
                let (others, sums) = (&tile.others[..width], &tile.sums[..width]);
                let (shares, weights) = (&tile.shares[..width], &tile.weights[..width]);
                for sample in 0..width {
                    let rest = F::of(others[sample]).plus(1.0) - x[sample];
                    let (share, q_sum) = (shares[sample], F::of(sums[sample]));
                    x[sample] = slope(x[sample], rest, q[sample], share, q_sum, weights[sample]);
                }
            }
        }
        for sample in 0..width {
            tile.x[tile.at[sample] as usize * width + sample] = tile.numbers[sample];
        }
        invalid
    }
}

/// Half of a logit less half of the largest one.
#[inline(always)]
fn half_shifted<F: HeadFloat>(logit: F, half_of_largest: F) -> F {
    logit.times(0.5) - half_of_largest
}

/// The largest of a sample's logits.
#[inline(always)]
fn largest_of<F: HeadFloat>(x: &[F]) -> F {
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

/// The exponentials of logits less the largest, and the sum of those of the others.
#[inline(always)]
fn exponentials<F: HeadFloat>(x: &[F], largest: F, exps: &mut [F]) -> f64 {
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
const SATURATED: f64 = 1.5;

/// Two at a time, from both halves of a part: while the steps of one wait for each other, those of the other are
/// taken.
#[inline(always)]
fn exponentials_of<F: HeadFloat>(x: &[F], largest: F, exps: &mut [F]) {
    const HALF: usize = PART / 2;
    if let (Some(x), Some(exps)) = (x.first_chunk::<PART>(), exps.first_chunk_mut::<PART>()) {
        for at in 0..HALF {
            for at in [at, at + HALF] {
                exps[at] = (x[at] - largest).exp();
            }
        }
        return;
    }
    for (exp, &x) in exps.iter_mut().zip(x) {
        *exp = (x - largest).exp();
    }
}

/// The exponentials of logits less the largest of their samples.
#[inline(always)]
fn exponentials_beside<F: HeadFloat>(x: &[F], largest: &[F], exps: &mut [F]) {
    const HALF: usize = PART / 2;
    if let (Some(x), Some(largest), Some(exps)) = (
        x.first_chunk::<PART>(),
        largest.first_chunk::<PART>(),
        exps.first_chunk_mut::<PART>(),
    ) {
        for at in 0..HALF {
            for at in [at, at + HALF] {
                exps[at] = (x[at] - largest[at]).exp();
            }
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
fn others<F: HeadFloat>(exps: &[F]) -> f64 {
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
fn maximum<F: HeadFloat>(tile: &mut Tile<F>, width: usize) {
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
        for sample in 0..width {
            let larger = x[sample] > largest[sample];
            largest[sample] = largest[sample].replace(larger, x[sample]);
            at[sample] = if larger { class as u32 } else { at[sample] };
        }
    }
}

/// Replaces the logits by their exponentials, and adds them up without the largest.
#[inline(always)]
fn exponentials_of_tile<F: HeadFloat>(tile: &mut Tile<F>, width: usize) {
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
        *ln_sum = ln_1p(others);
        *share = F::of(1.0) / others.plus(1.0);
    }
}

/// Half of the sum of a sample's terms `-q (logit - largest)`, and the sum of `q`.
#[inline(always)]
fn terms_of<F: HeadFloat>(x: &[F], q: &[F], largest: F) -> (F, f64) {
    let half_of_largest = largest.times(0.5);
    let mut losses = [0.0; LANES];
    let mut sums = [0.0; LANES];
    let x = x.chunks_exact(LANES);
    let q = q.chunks_exact(LANES);
    let rest = x.remainder().iter().zip(q.remainder());
    for (x, q) in x.zip(q) {
        for lane in 0..LANES {
            let (term, _) = nll_term(half_shifted(x[lane], half_of_largest), q[lane]);
            losses[lane] += term.double();
            sums[lane] += q[lane].double();
        }
    }
    for (lane, (&x, &q)) in rest.enumerate() {
        let (term, _) = nll_term(half_shifted(x, half_of_largest), q);
        losses[lane] += term.double();
        sums[lane] += q.double();
    }
    (F::of(tree(losses)), tree(sums))
}

/// Reads the columns from a place on, whose classes are `stride` apart, into a tile.
pub(super) fn load<F: Float>(
    source: &Source,
    start: usize,
    stride: usize,
    width: usize,
    tile: &mut [F],
) {
    for (class, tile) in tile.chunks_exact_mut(width).enumerate() {
        let start = start + class * stride;
        match F::direct(source) {
            Some(numbers) => tile.copy_from_slice(&numbers[start..start + width]),
            None => source.read(start, tile),
        }
    }
}

/// Blocks `[classes, inner]` become a tile.
fn turn<F: HeadFloat>(blocks: &[F], [count, classes, inner]: [usize; 3], tile: &mut [F]) {
    let width = count * inner;
    for (at, block) in blocks.chunks_exact(classes * inner).enumerate() {
        for (class, row) in block.chunks_exact(inner).enumerate() {
            let start = class * width + at * inner;
            tile[start..start + inner].copy_from_slice(row);
        }
    }
}

/// A tile becomes blocks `[classes, inner]`.
fn turn_back<F: HeadFloat>(tile: &[F], [count, classes, inner]: [usize; 3], blocks: &mut [F]) {
    let width = count * inner;
    for (at, block) in blocks.chunks_exact_mut(classes * inner).enumerate() {
        for (class, row) in block.chunks_exact_mut(inner).enumerate() {
            let start = class * width + at * inner;
            row.copy_from_slice(&tile[start..start + inner]);
        }
    }
}
