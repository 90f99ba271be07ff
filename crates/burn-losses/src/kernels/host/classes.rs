//! The sweep of a loss over the classes of each sample: cross-entropy and negative log-likelihood.
//!
//! The classes of a sample lie along an axis with `inner` elements inside of it. What is swept at a
//! time is a *tile* of several samples side by side, `tile[class][sample]`: loops run over the
//! samples of a class, whatever the layout in memory was. Only where the classes of a sample are
//! many and adjacent, a tile is a single sample and the loops run over its classes.

use super::{
    CHUNK, Chunk, Float, Found, LANES, Output, Scale, Source, Work, all, clamp, in_chunks,
    multiply, read_weight, read_weights, spread, sum, take, tree,
};
use crate::kernels::id::classify;
use crate::kernels::real::Real;
use crate::kernels::rule::Rule;
use crate::kernels::softmax::{cross_entropy_slope, ln_1p, nll_term};
use alloc::vec::Vec;
use core::marker::PhantomData;
use core::ops::Range;

/// From this number of adjacent classes on, a sample is swept by itself.
const MANY: usize = 128;
/// How many samples of few classes are side by side in a tile.
const SIDE_BY_SIDE: usize = 64;
/// About how many elements a tile has that is cut from long rows of samples.
const TILE: usize = 16 * 1024;

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
}

/// What the target of each sample is.
#[derive(Clone, Copy)]
pub(crate) enum Target<'a> {
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
pub(crate) struct Reads<'a> {
    /// The logits, or the log-probabilities; absent where the gradient overwrites them.
    pub(crate) input: Option<Source<'a>>,
    pub(crate) layout: Layout,
    pub(crate) target: Target<'a>,
    /// The input holds log-probabilities, and this must hold for them.
    pub(crate) log_probs: Option<Rule>,
    /// A weight for each class.
    pub(crate) weights: Option<&'a [f64]>,
    pub(crate) label_smoothing: f64,
    /// A weight for each sample.
    pub(crate) samples: Option<Source<'a>>,
}

/// What is known of an id.
#[derive(Clone, Copy)]
enum Id {
    Class(u32),
    Ignored,
    Invalid,
}

impl Reads<'_> {
    #[inline(always)]
    fn id(&self, ids: Source, ignored: &[i64], sample: usize) -> Id {
        let Some(id) = ids.integer(sample) else {
            return Id::Invalid;
        };
        let found = classify(id, self.layout.classes, ignored);
        match (found.is_class, found.valid) {
            (true, _) => Id::Class(found.class as u32),
            (false, true) => Id::Ignored,
            (false, false) => Id::Invalid,
        }
    }

    #[inline(always)]
    fn weight(&self, class: u32) -> f64 {
        self.weights.map_or(1.0, |weights| weights[class as usize])
    }

    /// Whether each sample counts as one.
    pub(crate) fn count_alike(&self) -> bool {
        self.samples.is_none() && self.classes_count_alike()
    }

    #[inline(always)]
    fn classes_count_alike(&self) -> bool {
        match self.target {
            Target::Probs { .. } => true,
            Target::Ids { ignored, .. } => ignored.is_empty() && self.weights.is_none(),
        }
    }

    /// The sum of the weights with which the samples of a loss in `F` count, each times `scale`.
    pub(crate) fn weight_sum<F: Float>(&self, scale: f64) -> f64 {
        let samples = self.layout.samples();
        let work = WeightSum::<F> {
            reads: self,
            scale,
            computed: PhantomData,
        };
        in_chunks::<u8, _, 0>(samples, CHUNK, [], &work)
            .iter()
            .sum()
    }
}

struct WeightSum<'a, F> {
    reads: &'a Reads<'a>,
    scale: f64,
    computed: PhantomData<F>,
}

/// The sum of the weights of some samples.
impl<F: Float> Work<Chunk<'_, u8, 0>, ()> for WeightSum<'_, F> {
    type Result = f64;

    #[inline(always)]
    fn part(&self, (): &mut (), (range, []): Chunk<u8, 0>) -> f64 {
        let reads = self.reads;
        let mut lanes = [0.0; LANES];
        for (at, sample) in range.enumerate() {
            let own = match reads.target {
                Target::Ids { ids, ignored } if !reads.classes_count_alike() => {
                    match reads.id(ids, ignored, sample) {
                        Id::Class(class) => reads.weight(class),
                        Id::Ignored | Id::Invalid => 0.0,
                    }
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
        tree(&lanes)
    }
}

/// Computes the losses of the samples, and the gradient, which is in the layout of the input.
pub(crate) fn sweep<F: Float>(
    reads: &Reads,
    losses: Option<Output<F>>,
    gradient: Option<Output<F>>,
    scale: Scale,
) -> Found {
    let layout = reads.layout;
    let sweep = Sweep { reads, scale };
    let found = match (layout.inner, layout.classes) {
        (1, classes) => {
            let width = match classes >= MANY || reads.log_probs.is_some() {
                true => 1,
                false => SIDE_BY_SIDE,
            };
            let samples = (CHUNK / classes).max(1).next_multiple_of(width);
            let tasks = adjacent(layout, width, samples, losses, gradient);
            spread(tasks, Tile::new, &sweep)
        }
        (inner, classes) => {
            let width = (TILE / classes).max(LANES).min(inner);
            let tasks = apart(layout, width, losses, gradient);
            spread(tasks, Tile::new, &sweep)
        }
    };
    Found::total(found)
}

/// Samples whose classes are adjacent.
struct Adjacent<'a, F> {
    /// How many of them are a tile.
    width: usize,
    samples: Range<usize>,
    losses: Option<Output<'a, F>>,
    gradient: Option<Output<'a, F>>,
}

fn adjacent<'a, F: Copy>(
    layout: Layout,
    width: usize,
    samples: usize,
    mut losses: Option<Output<'a, F>>,
    mut gradient: Option<Output<'a, F>>,
) -> Vec<Adjacent<'a, F>> {
    let all = layout.samples();
    (0..all)
        .step_by(samples)
        .map(|start| {
            let length = samples.min(all - start);
            Adjacent {
                width,
                samples: start..start + length,
                losses: take(&mut losses, length),
                gradient: take(&mut gradient, length * layout.classes),
            }
        })
        .collect()
}

/// Samples that are adjacent to each other; their classes are apart.
struct Apart<'a, F> {
    outer: usize,
    samples: Range<usize>,
    losses: Option<Output<'a, F>>,
    /// For each class.
    gradient: Option<Vec<Output<'a, F>>>,
}

fn apart<'a, F: Copy>(
    layout: Layout,
    width: usize,
    mut losses: Option<Output<'a, F>>,
    mut gradient: Option<Output<'a, F>>,
) -> Vec<Apart<'a, F>> {
    let Layout {
        outer,
        classes,
        inner,
    } = layout;
    let mut tasks = Vec::new();
    for outer in 0..outer {
        let first = tasks.len();
        for start in (0..inner).step_by(width) {
            let length = width.min(inner - start);
            tasks.push(Apart {
                outer,
                samples: start..start + length,
                losses: take(&mut losses, length),
                gradient: gradient.is_some().then(|| Vec::with_capacity(classes)),
            });
        }
        for _ in 0..classes {
            for task in &mut tasks[first..] {
                let part = take(&mut gradient, task.samples.len());
                if let (Some(parts), Some(part)) = (&mut task.gradient, part) {
                    parts.push(part);
                }
            }
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
    ids: Vec<Id>,
    /// The largest of a sample's logits, and which class that is.
    largest: Vec<F>,
    at: Vec<u32>,
    /// The sum of the other classes' exponentials.
    others: Vec<f64>,
    /// `ln(1 + others)`, and `1 / (1 + others)`.
    ln_sums: Vec<F>,
    shares: Vec<F>,
    /// The weights of the samples as they are read, and as they count; and the losses, in halves. (The
    /// difference of two logits may be out of range where its share of a mean is not.)
    read: Vec<f64>,
    weights: Vec<F>,
    losses: Vec<F>,
    /// For each sample a number that is needed between two loops.
    numbers: Vec<F>,
    sums: Vec<f64>,
}

impl<F: Float> Tile<F> {
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
            read: Vec::new(),
            weights: Vec::new(),
            losses: Vec::new(),
            numbers: Vec::new(),
            sums: Vec::new(),
        }
    }

    /// Makes room for samples of that many classes.
    fn resize(&mut self, classes: usize, width: usize) {
        self.x.resize(classes * width, F::default());
        for numbers in [
            &mut self.largest,
            &mut self.ln_sums,
            &mut self.shares,
            &mut self.weights,
            &mut self.losses,
            &mut self.numbers,
        ] {
            numbers.resize(width, F::default());
        }
        self.at.resize(width, 0);
        self.read.resize(width, 1.0);
        self.others.resize(width, 0.0);
        self.sums.resize(width, 0.0);
    }

    /// The losses, which are in halves until then.
    #[inline(always)]
    fn whole_losses(&mut self) -> &[F] {
        for loss in &mut self.losses {
            *loss = loss.times(2.0);
        }
        &self.losses
    }
}

/// Where the samples of a tile are: from `first` on of all samples. Their classes are from `start` on,
/// and `stride` apart.
#[derive(Clone, Copy)]
struct Place {
    first: usize,
    width: usize,
    start: usize,
    stride: usize,
}

struct Sweep<'a> {
    reads: &'a Reads<'a>,
    scale: Scale,
}

impl<F: Float> Work<Adjacent<'_, F>, Tile<F>> for Sweep<'_> {
    type Result = Found;

    #[inline(always)]
    fn part(&self, tile: &mut Tile<F>, task: Adjacent<F>) -> Found {
        let classes = self.reads.layout.classes;
        let Adjacent {
            width,
            samples,
            mut losses,
            mut gradient,
        } = task;
        let mut found = Found::default();
        for first in samples.clone().step_by(width) {
            let width = width.min(samples.end - first);
            let place = Place {
                first,
                width,
                start: first * classes,
                stride: 1,
            };
            tile.resize(classes, width);
            let in_task = (first - samples.start) * classes;
            let rows = in_task..in_task + width * classes;
            match (self.reads.input, &gradient) {
                (Some(source), _) => load(source, place, classes, &mut tile.x, &mut tile.rows),
                (None, Some(gradient)) => {
                    turn(gradient.input(rows.clone()), width, classes, &mut tile.x)
                }
                (None, None) => unreachable!("what is overwritten is written"),
            }
            found.add(self.solve(tile, place, gradient.is_some()));
            if let Some(losses) = &mut losses {
                let at = first - samples.start;
                losses.write(at, tile.whole_losses());
            }
            if let Some(gradient) = &mut gradient {
                match width {
                    1 => gradient.write(rows.start, &tile.x),
                    _ => {
                        turn_back(&tile.x, width, classes, &mut tile.rows);
                        gradient.write(rows.start, &tile.rows);
                    }
                }
            }
        }
        found
    }
}

impl<F: Float> Work<Apart<'_, F>, Tile<F>> for Sweep<'_> {
    type Result = Found;

    #[inline(always)]
    fn part(&self, tile: &mut Tile<F>, task: Apart<F>) -> Found {
        let Layout { classes, inner, .. } = self.reads.layout;
        let Apart {
            outer,
            samples,
            losses,
            mut gradient,
        } = task;
        let width = samples.len();
        let place = Place {
            first: outer * inner + samples.start,
            width,
            start: outer * classes * inner + samples.start,
            stride: inner,
        };
        tile.resize(classes, width);
        match (self.reads.input, &gradient) {
            (Some(source), _) => load(source, place, classes, &mut tile.x, &mut tile.rows),
            (None, Some(gradient)) => {
                for (x, gradient) in tile.x.chunks_exact_mut(width).zip(gradient) {
                    x.copy_from_slice(gradient.input(0..width));
                }
            }
            (None, None) => unreachable!("what is overwritten is written"),
        }
        let found = self.solve(tile, place, gradient.is_some());
        if let Some(mut losses) = losses {
            losses.write(0, tile.whole_losses());
        }
        if let Some(gradient) = &mut gradient {
            for (x, gradient) in tile.x.chunks_exact(width).zip(gradient) {
                gradient.write(0, x);
            }
        }
        found
    }
}

impl Sweep<'_> {
    /// The losses of a tile, and in place of its input the gradient.
    #[inline(always)]
    fn solve<F: Float>(&self, tile: &mut Tile<F>, place: Place, gradient: bool) -> Found {
        let allowed = match self.reads.samples {
            Some(samples) => read_weights::<F>(samples, place.first, &mut tile.read),
            None => {
                tile.read.fill(1.0);
                true
            }
        };
        if let Target::Ids { ids, ignored } = self.reads.target {
            let samples = place.first..place.first + place.width;
            tile.ids.clear();
            tile.ids
                .extend(samples.map(|sample| self.reads.id(ids, ignored, sample)));
        }
        // One class counts, unless a part of the target is spread over all.
        let one = matches!(self.reads.target, Target::Ids { .. })
            && (self.reads.label_smoothing == 0.0 || self.reads.log_probs.is_some());
        for sample in 0..place.width {
            let weight = tile.read[sample];
            tile.weights[sample] = match one {
                true => self
                    .scale
                    .weight_of(weight, self.of_class(tile.ids[sample])),
                // The weight of the sample is in what its classes count, together with theirs: one alone may
                // be out of range. Left is whether it counts at all.
                false if self.reads.weights.is_some() => F::of(weight.sign()),
                false => self.scale.weight_of(weight, 1.0),
            };
        }
        let invalid = match self.reads.log_probs {
            Some(rule) => self.likelihood(tile, place.width, rule, gradient),
            None if one => self.one_class(tile, place.width, gradient),
            None => self.all_classes(tile, place, gradient),
        };
        Found {
            sum: sum(&tile.losses, self.scale.losses) * 2.0,
            invalid: invalid | !allowed,
        }
    }

    /// How much the class of a sample counts.
    #[inline(always)]
    fn of_class(&self, id: Id) -> f64 {
        match id {
            Id::Class(class) => self.reads.weight(class),
            Id::Ignored | Id::Invalid => 1.0,
        }
    }

    /// Negative log-likelihood.
    #[inline(always)]
    fn likelihood<F: Float>(
        &self,
        tile: &mut Tile<F>,
        width: usize,
        rule: Rule,
        gradient: bool,
    ) -> bool {
        let mut invalid = false;
        tile.numbers.fill(F::default());
        if !all(&tile.x, rule) {
            invalid = true;
            for numbers in tile.x.chunks_exact(width) {
                for (sample, number) in tile.numbers.iter_mut().zip(numbers) {
                    if !rule.holds(number) {
                        *sample = F::NAN;
                    }
                }
            }
        }
        for sample in 0..width {
            let found = tile.ids[sample];
            tile.losses[sample] = match found {
                Id::Class(class) => {
                    let log_prob = tile.x[class as usize * width + sample];
                    nll_term(log_prob, F::of(0.5)).0
                }
                Id::Ignored => F::default(),
                Id::Invalid => F::NAN,
            };
            tile.losses[sample] += tile.numbers[sample];
            invalid |= matches!(found, Id::Invalid);
        }
        multiply(&mut tile.losses, &tile.weights);
        // A row that breaks the rule shows unless its sample does not count, whatever its class does.
        for sample in 0..width {
            let counts = tile.read[sample] != 0.0;
            if counts & tile.numbers[sample].is_nan() {
                tile.losses[sample] = F::NAN;
            }
        }
        if !gradient {
            return invalid;
        }
        let scale = F::of(self.scale.gradient);
        tile.x.fill(F::default());
        for sample in 0..width {
            let found = tile.ids[sample];
            let weight = tile.weights[sample];
            match found {
                Id::Class(class) if !tile.numbers[sample].is_nan() => {
                    let (_, slope) = nll_term(F::default(), F::of(1.0));
                    let slope = slope().times_or_zero(weight) * scale;
                    tile.x[class as usize * width + sample] = clamp(slope);
                }
                Id::Ignored if !tile.numbers[sample].is_nan() => {}
                _ => {
                    let nan = F::NAN.replace(tile.read[sample] == 0.0, F::default());
                    for numbers in tile.x.chunks_exact_mut(width) {
                        numbers[sample] = nan;
                    }
                }
            }
        }
        invalid
    }

    /// Cross-entropy where each sample has one class.
    #[inline(always)]
    fn one_class<F: Float>(&self, tile: &mut Tile<F>, width: usize, gradient: bool) -> bool {
        let mut invalid = false;
        maximum(tile, width);
        // Half of the shifted logit of the target, before it is exponentiated.
        for sample in 0..width {
            if let Id::Class(class) = tile.ids[sample] {
                let logit = tile.x[class as usize * width + sample];
                tile.numbers[sample] = half_shifted(logit, tile.largest[sample].times(0.5));
            }
        }
        exponentials(tile, width);
        for sample in 0..width {
            let found = tile.ids[sample];
            let others = F::of(tile.others[sample]);
            let weight = tile.weights[sample];
            let scale = F::of(self.scale.gradient);
            let share = tile.shares[sample];
            // `numbers` becomes what the exponentials are multiplied by, and `largest` the slope at
            // the target.
            match found {
                Id::Class(class) => {
                    let (zero, one) = (F::default(), F::of(1.0));
                    let half_log_prob = tile.numbers[sample] - tile.ln_sums[sample].times(0.5);
                    tile.losses[sample] = nll_term(half_log_prob, one).0;
                    let exp = tile.x[class as usize * width + sample];
                    let rest = match class == tile.at[sample] {
                        true => others,
                        false => others.plus(1.0) - exp,
                    };
                    let slope = cross_entropy_slope(exp * share, rest * share, one, zero);
                    tile.largest[sample] = clamp(slope.times_or_zero(weight) * scale);
                    let slope = cross_entropy_slope(one, zero, zero, one);
                    let slope = clamp(slope.times_or_zero(weight) * scale);
                    // A row that does not count has no gradient, even where its share is no number.
                    tile.numbers[sample] = share.times_or_zero(slope);
                }
                Id::Ignored => {
                    tile.losses[sample] = F::default();
                    tile.numbers[sample] = F::default();
                }
                Id::Invalid => {
                    invalid = true;
                    tile.losses[sample] = F::NAN;
                    tile.numbers[sample] = F::NAN.times_or_zero(weight);
                }
            }
        }
        multiply(&mut tile.losses, &tile.weights);
        if !gradient {
            return invalid;
        }
        match width {
            1 => {
                let factor = tile.numbers[0];
                for x in &mut tile.x {
                    *x = x.times_or_zero(factor);
                }
            }
            _ => {
                for x in tile.x.chunks_exact_mut(width) {
                    multiply(x, &tile.numbers);
                }
            }
        }
        for sample in 0..width {
            if let Id::Class(class) = tile.ids[sample] {
                tile.x[class as usize * width + sample] = tile.largest[sample];
            }
        }
        invalid
    }

    /// Cross-entropy where every class has a share in the target.
    #[inline(always)]
    fn all_classes<F: Float>(&self, tile: &mut Tile<F>, place: Place, gradient: bool) -> bool {
        let width = place.width;
        let invalid = self.coefficients(tile, place);
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
        exponentials(tile, width);
        for sample in 0..width {
            let q = F::of(tile.sums[sample]);
            let (term, _) = nll_term(-tile.ln_sums[sample].times(0.5), q);
            tile.losses[sample] += term;
        }
        multiply(&mut tile.losses, &tile.weights);
        if !gradient {
            return invalid;
        }
        let scale = F::of(self.scale.gradient);
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

    /// The coefficients of all classes; NaN for a sample whose target is not valid.
    #[inline(always)]
    fn coefficients<F: Float>(&self, tile: &mut Tile<F>, place: Place) -> bool {
        let width = place.width;
        let classes = self.reads.layout.classes;
        let smoothing = self.reads.label_smoothing;
        let spread = smoothing / classes as f64;
        tile.q.resize(classes * width, F::default());
        let mut invalid = false;
        // What is added to the coefficients of a sample: 0, or NaN.
        tile.numbers.fill(F::default());
        match self.reads.target {
            Target::Ids { .. } => {
                for sample in 0..width {
                    tile.numbers[sample] = match tile.ids[sample] {
                        Id::Class(_) => F::of(spread),
                        Id::Ignored => F::default(),
                        Id::Invalid => {
                            invalid = true;
                            F::NAN
                        }
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
                    if let Id::Class(class) = tile.ids[sample] {
                        tile.q[class as usize * width + sample] += F::of(1.0 - smoothing);
                    }
                }
            }
            Target::Probs {
                probs,
                rule,
                tolerance,
            } => {
                load(probs, place, classes, &mut tile.q, &mut tile.rows);
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
                if !all(&tile.q, rule) {
                    for q in tile.q.chunks_exact(width) {
                        for (sum, q) in tile.sums.iter_mut().zip(q) {
                            *sum = if rule.holds(q) { *sum } else { f64::NAN };
                        }
                    }
                }
                for (spoiled, sum) in tile.numbers.iter_mut().zip(&tile.sums) {
                    let valid = (sum - 1.0).abs() <= tolerance;
                    invalid |= !valid;
                    *spoiled = F::default().replace(!valid, F::NAN);
                }
                if invalid {
                    for q in tile.q.chunks_exact_mut(width) {
                        for (q, &spoiled) in q.iter_mut().zip(&tile.numbers) {
                            *q += spoiled;
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

/// Half of a logit less half of the largest one.
#[inline(always)]
fn half_shifted<F: Float>(logit: F, half_of_largest: F) -> F {
    logit.times(0.5) - half_of_largest
}

/// Finds the largest logit of each sample.
#[inline(always)]
fn maximum<F: Float>(tile: &mut Tile<F>, width: usize) {
    if width == 1 {
        let (largest, at) = maximum_of(&tile.x);
        tile.largest[0] = largest;
        tile.at[0] = at as u32;
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

/// The largest of a sample's logits, and where it is.
#[inline(always)]
fn maximum_of<F: Float>(x: &[F]) -> (F, usize) {
    let mut lanes = [x[0]; LANES];
    let whole = x.chunks_exact(LANES);
    let rest = whole.remainder();
    for x in whole {
        for lane in 0..LANES {
            lanes[lane] = lanes[lane].replace(x[lane] > lanes[lane], x[lane]);
        }
    }
    let larger = |a: F, b: F| if b > a { b } else { a };
    let largest = lanes.into_iter().fold(x[0], larger);
    let largest = rest.iter().copied().fold(largest, larger);
    // Block by block, as a search that may stop anywhere is not vectorised.
    let mut start = 0;
    for block in x.chunks(LANES * 8) {
        let here = block.iter().fold(false, |here, x| here | (*x == largest));
        if here {
            break;
        }
        start += block.len();
    }
    let at = x[start.min(x.len())..].iter().position(|x| *x == largest);
    (largest, at.map_or(0, |at| start + at))
}

/// Replaces the logits by their exponentials, and adds them up without the largest.
#[inline(always)]
fn exponentials<F: Float>(tile: &mut Tile<F>, width: usize) {
    // The largest logit contributes exactly 1 to the sum. Adding up the others without it keeps what
    // they contribute, however little it is.
    for sample in 0..width {
        tile.x[tile.at[sample] as usize * width + sample] = F::NEG_INFINITY;
    }
    if width == 1 {
        tile.others[0] = exponentials_of(&mut tile.x, tile.largest[0]);
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
fn terms_of<F: Float>(x: &[F], q: &[F], largest: F) -> (F, f64) {
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
    (F::of(tree(&losses)), tree(&sums))
}

#[inline(always)]
fn exponentials_of<F: Float>(x: &mut [F], largest: F) -> f64 {
    let mut lanes = [0.0; LANES];
    let mut whole = x.chunks_exact_mut(LANES);
    for x in &mut whole {
        for lane in 0..LANES {
            x[lane] = (x[lane] - largest).exp();
            lanes[lane] += x[lane].double();
        }
    }
    for (lane, x) in lanes.iter_mut().zip(whole.into_remainder()) {
        *x = (*x - largest).exp();
        *lane += x.double();
    }
    tree(&lanes)
}

/// Reads a tile.
#[inline(always)]
fn load<F: Float>(
    source: Source,
    place: Place,
    classes: usize,
    tile: &mut Vec<F>,
    rows: &mut Vec<F>,
) {
    let width = place.width;
    tile.resize(classes * width, F::default());
    if place.stride == 1 {
        if width == 1 {
            source.read(place.start, tile);
            return;
        }
        rows.resize(classes * width, F::default());
        source.read(place.start, rows);
        turn(rows, width, classes, tile);
        return;
    }
    for (class, tile) in tile.chunks_exact_mut(width).enumerate() {
        source.read(place.start + class * place.stride, tile);
    }
}

/// Rows of adjacent classes become a tile.
#[inline(always)]
fn turn<F: Float>(rows: &[F], width: usize, classes: usize, tile: &mut [F]) {
    for (sample, row) in rows.chunks_exact(classes).enumerate() {
        for (class, &x) in row.iter().enumerate() {
            tile[class * width + sample] = x;
        }
    }
}

/// A tile becomes rows of adjacent classes.
#[inline(always)]
fn turn_back<F: Float>(tile: &[F], width: usize, classes: usize, rows: &mut Vec<F>) {
    rows.resize(classes * width, F::default());
    for (sample, row) in rows.chunks_exact_mut(classes).enumerate() {
        for (class, x) in row.iter_mut().enumerate() {
            *x = tile[class * width + sample];
        }
    }
}
