//! The sweep of a loss over the classes of each sample: cross-entropy and negative log-likelihood.
//!
//! The classes of a sample lie along an axis with `inner` elements inside of it. Where they are adjacent, each
//! row is gone through by itself, or, if it is short, with its neighbours as one line; else *lines* are, of samples
//! side by side, one class after the other. All read the input where it lies. Where every class has a share in the
//! target, and where few samples are side by side, they are brought into a *tile* first, `tile[class][sample]`.

mod exponentials;
mod likelihood;
mod lines;
mod rows;
mod shares;

use self::exponentials::half_shifted;
use super::head::{HeadFloat, HeadTerms, HostHead};
use super::numbers::Source;
use super::output::Output;
use super::samples::{Layout, Task, tasks};
use super::scale::{Scale, clamp, narrow};
use super::sums::{LANES, sum, tree};
use super::tasks::{CHUNK, Chunk, ChunkSum, Work, in_chunks, share};
use super::vectors::{Loop, Vectors};
use super::weights::{read_weight, read_weights};
use crate::real::Real;
use crate::real::id::classify;
use crate::spec::rule::Rule;
use crate::spec::softmax::{cross_entropy_slope, ln_1p, nll_term};
use alloc::vec::Vec;
use core::marker::PhantomData;

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

    /// Whether it is a cross-entropy of samples of one class each.
    fn one_softmax(&self) -> bool {
        self.reads.one_class_counts() && self.reads.log_probs.is_none()
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
