//! The sweeps of losses made of distances between rows: of three, or of two.

use super::kernel::part;
use super::numbers::{Float, Source};
use super::output::Output;
use super::scale::{Power, Scale, clamp};
use super::sums::{LANES, PART, sum, tree};
use super::tasks::{Chunk, ChunkSum, Work, at_a_time, in_chunks};
use super::weights::{read_weight, read_weights};
use crate::real::Real;
use crate::spec::norm::{
    COSINE_EMBEDDING, DistanceKind, Length, NormFloor, cosine_embedding, length, norm_root,
    norm_slope, norm_term, share_of_smaller, triplet_margin,
};
use crate::spec::pairs::{Pair, Triplet};
use crate::spec::rule::Rule;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

/// What is read.
#[derive(Clone, Copy)]
pub(crate) struct VectorInputs<'a, const N: usize> {
    /// The inputs; absent where a gradient overwrites one.
    pub(crate) inputs: [Option<Source<'a>>; N],
    /// How many rows they have, and of how many components.
    pub(crate) rows: usize,
    pub(crate) length: usize,
    /// A weight for each row.
    pub(crate) samples: Option<Source<'a>>,
}

/// Computes the losses of the rows, and the gradients of the three inputs.
pub(crate) fn sweep<F: Float>(
    triplet: Triplet,
    reads: &VectorInputs<3>,
    losses: Option<Output<F>>,
    gradients: [Option<Output<F>>; 3],
    scale: Scale,
) -> ChunkSum {
    let VectorInputs { rows, length, .. } = *reads;
    let at_a_time = (at_a_time(rows * length) / length).max(1);
    // The losses are a column of their own; it is small, so it is filled in afterwards.
    let found = in_chunks(
        rows * length,
        at_a_time * length,
        gradients,
        &TripletSweep {
            triplet,
            reads,
            scale,
        },
    );
    in_order(found, losses)
}

/// The sum of what was found, whose losses are written in order.
fn in_order<F: Float>(found: Vec<(ChunkSum, Vec<F>)>, mut losses: Option<Output<F>>) -> ChunkSum {
    let mut total = ChunkSum::default();
    for (part, of_part) in found {
        total.add(part);
        if let Some(losses) = &mut losses {
            losses.write(&of_part);
        }
    }
    total
}

/// The rows of each input, of a chunk that begins with row `first`: where they lie, or in a buffer if they must
/// be converted or will be overwritten.
struct VectorRows<'a, F, const N: usize> {
    direct: [Option<&'a [F]>; N],
    sources: [Option<Source<'a>>; N],
    buffers: [Vec<F>; N],
    first: usize,
    length: usize,
}

impl<'a, F: Float, const N: usize> VectorRows<'a, F, N> {
    fn new(reads: &VectorInputs<'a, N>, first: usize) -> Self {
        let length = reads.length;
        let direct = reads
            .inputs
            .map(|input| input.and_then(|input| F::direct(&input)));
        let mut at = 0;
        Self {
            direct,
            sources: reads.inputs,
            buffers: [const { Vec::new() }; N].map(|_: Vec<F>| {
                at += 1;
                let buffered = direct[at - 1].is_none();
                vec![F::default(); if buffered { length } else { 0 }]
            }),
            first,
            length,
        }
    }

    /// Row `at` of the chunk, of each input.
    #[inline(always)]
    fn rows(&mut self, at: usize, gradients: &[Option<Output<F>>; N]) -> [&[F]; N] {
        let length = self.length;
        let row = self.first + at;
        for (input, buffer) in self.buffers.iter_mut().enumerate() {
            match (self.direct[input], &self.sources[input], &gradients[input]) {
                (Some(_), _, _) => {}
                (None, Some(source), _) => source.read(row * length, buffer),
                (None, None, Some(gradient)) => {
                    buffer.copy_from_slice(gradient.input(at * length..(at + 1) * length));
                }
                (None, None, None) => unreachable!("what is overwritten is written"),
            }
        }
        let mut rows = [&[][..]; N];
        for (input, of_input) in rows.iter_mut().enumerate() {
            *of_input = match self.direct[input] {
                Some(numbers) => &numbers[row * length..(row + 1) * length],
                None => &self.buffers[input][..],
            };
        }
        rows
    }
}

/// The weight of a row as it counts; NaN, and a note of it, where it is not allowed.
#[inline(always)]
fn weight_of<F: Float>(
    samples: Option<Source>,
    scale: &Scale,
    row: usize,
    invalid: &mut bool,
) -> F {
    let Some(samples) = samples else {
        return F::of(1.0);
    };
    let (weight, allowed) = read_weight::<F>(samples, row);
    *invalid |= !allowed;
    scale.weight(weight)
}

/// A distance of two vectors, and how it changes with them.
#[derive(Clone, Copy)]
struct RowNorm<F> {
    value: F,
    /// What a component of the difference is multiplied by, one after the other, to be one of the unit vector: a
    /// power of two, where their product would be out of range, and the rest.
    shift: F,
    factor: F,
}

struct TripletSweep<'a> {
    triplet: Triplet,
    reads: &'a VectorInputs<'a, 3>,
    scale: Scale,
}

impl<F: Float> Work<Chunk<'_, F, 3>, ()> for TripletSweep<'_> {
    type Result = (ChunkSum, Vec<F>);

    #[inline(always)]
    fn part(&self, (): &mut (), (range, gradients): Chunk<F, 3>) -> (ChunkSum, Vec<F>) {
        match self.triplet.kind {
            DistanceKind::Norm { p: 2.0, eps } => self.rows::<_, true>(2.0, eps, range, gradients),
            DistanceKind::Norm { p, eps } => self.rows::<_, false>(p, eps, range, gradients),
            DistanceKind::Cosine { eps } => self.rows_by_angle(eps, range, gradients),
        }
    }
}

impl TripletSweep<'_> {
    /// With the exponent known to the compiler, a norm is a plain loop. (As a mere argument it would not be: two
    /// calls that differ in it become one.)
    #[inline(always)]
    fn rows<F: Float, const SQUARES: bool>(
        &self,
        p: f64,
        eps: f64,
        range: Range<usize>,
        mut gradients: [Option<Output<F>>; 3],
    ) -> (ChunkSum, Vec<F>) {
        let p = if SQUARES { 2.0 } else { p };
        let Triplet { margin, swap, .. } = self.triplet;
        let length = self.reads.length;
        let (first, rows) = (range.start / length, range.len() / length);
        let mut inputs = VectorRows::new(self.reads, first);
        let mut losses = vec![F::default(); rows];
        let mut invalid = false;
        for (at, loss_of_row) in losses.iter_mut().enumerate() {
            let [anchor, positive, negative] = inputs.rows(at, &gradients);
            let of_positive = distance(anchor, positive, eps, p);
            let of_negative = distance(anchor, negative, eps, p);
            // A closure would not be compiled for the vectors.
            let of_between = if swap {
                Some(distance(positive, negative, eps, p))
            } else {
                None
            };
            let (nearest, share) = match &of_between {
                Some(of_between) => (
                    if of_between.value < of_negative.value {
                        of_between.value
                    } else {
                        of_negative.value
                    },
                    share_of_smaller(of_negative.value, of_between.value),
                ),
                None => (of_negative.value, F::of(1.0)),
            };
            let (loss, slope) = triplet_margin(of_positive.value, nearest, margin);
            let weight: F = weight_of(self.reads.samples, &self.scale, first + at, &mut invalid);
            *loss_of_row = loss.times_or_zero(weight);
            if gradients.iter().all(Option::is_none) {
                continue;
            }
            let slope = slope().times_or_zero(weight) * F::of(self.scale.gradient);
            if slope.equals(0.0) {
                for gradient in gradients.iter_mut().flatten() {
                    gradient.fill(length, |_| F::default());
                }
                continue;
            }
            let push = if of_between.is_some() {
                slope * share
            } else {
                slope
            };
            let by_positive = Change::new(of_positive, [anchor, positive], slope);
            let by_negative = Change::new(of_negative, [anchor, negative], push);
            let by_between =
                of_between.map(|norm| Change::new(norm, [positive, negative], slope - push));
            let [of_anchor, of_first, of_second] = &mut gradients;
            write_changes(of_anchor, by_positive, Some(by_negative.negative()), eps, p);
            write_changes(
                of_first,
                by_positive.negative(),
                by_between.map(Change::negative),
                eps,
                p,
            );
            write_changes(of_second, by_negative, by_between, eps, p);
        }
        let found = ChunkSum {
            sum: sum(&losses, self.scale.losses),
            invalid,
        };
        (found, losses)
    }

    /// The distance is 1 less the cosine.
    #[inline(always)]
    fn rows_by_angle<F: Float>(
        &self,
        eps: f64,
        range: Range<usize>,
        mut gradients: [Option<Output<F>>; 3],
    ) -> (ChunkSum, Vec<F>) {
        const PAIRS: [[usize; 2]; 3] = [[0, 1], [0, 2], [1, 2]];
        let Triplet { margin, swap, .. } = self.triplet;
        let length = self.reads.length;
        let (first, rows) = (range.start / length, range.len() / length);
        let mut inputs = VectorRows::new(self.reads, first);
        let mut losses = vec![F::default(); rows];
        let mut invalid = false;
        let tracked = gradients.iter().any(Option::is_some);
        for (at, loss_of_row) in losses.iter_mut().enumerate() {
            let rows = inputs.rows(at, &gradients);
            let weight = weight_of(self.reads.samples, &self.scale, first + at, &mut invalid);
            let angles = Angles::new(&Products::new(rows), NormFloor::AtLeast(eps));
            let cosines = PAIRS.map(|pair| angles.cosine(pair));
            let [to_positive, to_negative, between] = cosines.map(|cosine| 1.0 - cosine);
            let (nearest, share) = if swap {
                (
                    to_negative.min(between),
                    share_of_smaller(to_negative, between),
                )
            } else {
                (to_negative, 1.0)
            };
            let (loss, slope) = triplet_margin(to_positive, nearest, margin);
            *loss_of_row = F::of(loss).times_or_zero(weight);
            if tracked {
                let slope = slope();
                let slopes = [-slope, slope * share, slope * (1.0 - share)];
                let mut combined = [[0.0; 3]; 3];
                for (pair, (cosine, slope)) in
                    PAIRS.into_iter().zip(cosines.into_iter().zip(slopes))
                {
                    angles.add(pair, cosine, slope, &mut combined);
                }
                combine(rows, combined, [weight, self.gradient()], &mut gradients);
            }
        }
        let found = ChunkSum {
            sum: sum(&losses, self.scale.losses),
            invalid,
        };
        (found, losses)
    }

    fn gradient<F: Float>(&self) -> F {
        F::of(self.scale.gradient)
    }
}

/// The distance of two vectors.
#[inline(always)]
fn distance<F: Float>(from: &[F], to: &[F], eps: f64, p: f64) -> RowNorm<F> {
    let (zero, one) = (F::default(), F::of(1.0));
    // Where the shares of the components stay well in range, they need no scale; except for the powers
    // of another p, which are exact to the last digits only for numbers up to 1.
    let range = if F::IS_DOUBLE {
        1e-200..1e200
    } else {
        1e-20..1e30
    };
    if p == 1.0 || p == 2.0 {
        let sum = shares(from, to, eps, p, |difference| difference);
        if range.contains(&sum) {
            let norm = norm_root(F::of(sum), p);
            return RowNorm {
                value: norm,
                shift: one,
                factor: one / norm,
            };
        }
    }
    let sizes = from.iter().zip(to).map(|(&from, &to)| size(from, to, eps));
    let mut scale = sizes.fold(zero, |scale, size| scale.replace(size > scale, size));
    if scale.equals(0.0) {
        scale = one;
    }
    let sum = shares(from, to, eps, p, |difference| clamp(difference) / scale);
    let norm = norm_root(F::of(sum), p);
    let (shift, factor) = if norm.equals(0.0) {
        // The zero vector stays what it is.
        (one, one)
    } else {
        let shift = over_power_of_two(scale);
        (shift, one / (norm * (scale * shift)))
    };
    RowNorm {
        value: (norm * scale).at_most(F::MAX),
        shift,
        factor,
    }
}

/// The size of a component of a difference.
#[inline(always)]
fn size<F: Float>(from: F, to: F, eps: f64) -> F {
    clamp((from - to).plus(eps)).abs()
}

/// One over a power of two near a positive number, where the type has it.
#[inline(always)]
fn over_power_of_two<F: Float>(number: F) -> F {
    let least = if F::IS_DOUBLE {
        f64::MIN_POSITIVE
    } else {
        f64::from(f32::MIN_POSITIVE)
    };
    F::of(Power::over(number.double().at_least(least), 0).times(1.0))
}

/// The sum of the shares of a norm that the components of a difference have.
#[inline(always)]
fn shares<F: Float>(from: &[F], to: &[F], eps: f64, p: f64, ratio: impl Fn(F) -> F) -> f64 {
    const SIDE: usize = 2 * LANES;
    let share = |from: F, to: F| norm_term(ratio((from - to).plus(eps)), p);
    let (mut total, mut rest) = ([0.0; LANES], 0.0);
    for (from, to) in from.chunks(PART).zip(to.chunks(PART)) {
        let mut sums = [F::default(); SIDE];
        let ((from, rest_of_from), (to, rest_of_to)) =
            (from.as_chunks::<SIDE>(), to.as_chunks::<SIDE>());
        for (from, to) in from.iter().zip(to) {
            for at in 0..SIDE {
                sums[at] += share(from[at], to[at]);
            }
        }
        for at in 0..LANES {
            total[at] += (sums[at] + sums[at + LANES]).double();
        }
        for (&from, &to) in rest_of_from.iter().zip(rest_of_to) {
            rest += share(from, to).double();
        }
    }
    tree(total) + rest
}

/// How a loss changes with the components of the difference of two rows.
#[derive(Clone, Copy)]
struct Change<'a, F> {
    norm: RowNorm<F>,
    rows: [&'a [F]; 2],
    /// How it changes with their distance.
    slope: F,
}

impl<'a, F: Float> Change<'a, F> {
    #[inline(always)]
    fn new(norm: RowNorm<F>, rows: [&'a [F]; 2], slope: F) -> Self {
        Self { norm, rows, slope }
    }

    /// That with the other row's components.
    #[inline(always)]
    fn negative(self) -> Self {
        Self {
            slope: -self.slope,
            ..self
        }
    }

    /// That with each component of the part from a place on.
    #[inline(always)]
    fn part(&self, start: usize, eps: f64, p: f64, changes: &mut [F; PART]) {
        let RowNorm { shift, factor, .. } = self.norm;
        let (mut rest_of_from, mut rest_of_to) = ([F::default(); PART], [F::default(); PART]);
        let from = part(self.rows[0], start, &mut rest_of_from);
        let to = part(self.rows[1], start, &mut rest_of_to);
        for at in 0..PART {
            let difference = clamp((from[at] - to[at]).plus(eps));
            changes[at] = norm_slope(difference * shift * factor, p) * self.slope;
        }
    }
}

/// Writes one change, or the sum of two, to an output that is wanted.
///
/// These are plain loops: what is in a closure may not be inlined, and is then not compiled for the vectors.
#[inline(always)]
fn write_changes<F: Float>(
    output: &mut Option<Output<F>>,
    one: Change<F>,
    other: Option<Change<F>>,
    eps: f64,
    p: f64,
) {
    let Some(output) = output else {
        return;
    };
    let length = one.rows[0].len();
    let (mut changes, mut others) = ([F::default(); PART], [F::default(); PART]);
    for start in (0..length).step_by(PART) {
        one.part(start, eps, p, &mut changes);
        if let Some(other) = &other {
            other.part(start, eps, p, &mut others);
            for at in 0..PART {
                changes[at] += others[at];
            }
        }
        output.write(&changes[..PART.min(length - start)]);
    }
}

/// Computes what is wanted of the pairs of rows, and the gradients of both; `signs` are those of the
/// embedding loss.
pub(crate) fn pairs<F: Float>(
    pair: Pair,
    reads: &VectorInputs<2>,
    signs: Option<Source>,
    losses: Option<Output<F>>,
    gradients: [Option<Output<F>>; 2],
    scale: Scale,
) -> ChunkSum {
    let VectorInputs { rows, length, .. } = *reads;
    let at_a_time = (at_a_time(rows * length) / length).max(1);
    let work = PairSweep {
        pair,
        reads,
        signs,
        scale,
    };
    let found = in_chunks(rows * length, at_a_time * length, gradients, &work);
    in_order(found, losses)
}

struct PairSweep<'a> {
    pair: Pair,
    reads: &'a VectorInputs<'a, 2>,
    signs: Option<Source<'a>>,
    scale: Scale,
}

impl<F: Float> Work<Chunk<'_, F, 2>, ()> for PairSweep<'_> {
    type Result = (ChunkSum, Vec<F>);

    #[inline(always)]
    fn part(&self, (): &mut (), (range, gradients): Chunk<F, 2>) -> (ChunkSum, Vec<F>) {
        match self.pair {
            Pair::Norm { p: 2.0, eps } => self.norms::<_, true>(2.0, eps, range, gradients),
            Pair::Norm { p, eps } => self.norms::<_, false>(p, eps, range, gradients),
            Pair::Cosine { eps } => self.angles(NormFloor::AtLeast(eps), None, range, gradients),
            Pair::Embedding { margin } => {
                self.angles(COSINE_EMBEDDING, Some(margin), range, gradients)
            }
        }
    }
}

impl PairSweep<'_> {
    #[inline(always)]
    fn norms<F: Float, const SQUARES: bool>(
        &self,
        p: f64,
        eps: f64,
        range: Range<usize>,
        mut gradients: [Option<Output<F>>; 2],
    ) -> (ChunkSum, Vec<F>) {
        let p = if SQUARES { 2.0 } else { p };
        let length = self.reads.length;
        let (first, rows) = (range.start / length, range.len() / length);
        let mut inputs = VectorRows::new(self.reads, first);
        let mut losses = vec![F::default(); rows];
        let mut invalid = false;
        for (at, loss_of_row) in losses.iter_mut().enumerate() {
            let rows = inputs.rows(at, &gradients);
            let weight: F = weight_of(self.reads.samples, &self.scale, first + at, &mut invalid);
            let norm = distance(rows[0], rows[1], eps, p);
            *loss_of_row = norm.value.times_or_zero(weight);
            let change = Change::new(norm, rows, weight * F::of(self.scale.gradient));
            let [of_a, of_b] = &mut gradients;
            write_changes(of_a, change, None, eps, p);
            write_changes(of_b, change.negative(), None, eps, p);
        }
        let found = ChunkSum {
            sum: sum(&losses, self.scale.losses),
            invalid,
        };
        (found, losses)
    }

    /// The cosines, or the embedding losses with a margin. What is made of the sums of a row takes as long as the
    /// sums themselves: it is done for many rows at a time, side by side.
    #[inline(always)]
    fn angles<F: Float>(
        &self,
        short: NormFloor,
        margin: Option<f64>,
        range: Range<usize>,
        mut gradients: [Option<Output<F>>; 2],
    ) -> (ChunkSum, Vec<F>) {
        let length = self.reads.length;
        let (first, rows) = (range.start / length, range.len() / length);
        let mut inputs = VectorRows::new(self.reads, first);
        let mut products = vec![Products::NONE; rows];
        for (at, products) in products.iter_mut().enumerate() {
            *products = Products::new(inputs.rows(at, &gradients));
        }
        let mut weights = vec![F::of(1.0); rows];
        let mut invalid = false;
        if let Some(samples) = self.reads.samples {
            let mut read = vec![0.0; rows];
            invalid |= !read_weights::<F>(samples, first, &mut read);
            for (weight, read) in weights.iter_mut().zip(read) {
                *weight = self.scale.weight(read);
            }
        }
        let mut signs = vec![F::of(1.0); rows];
        if let Some(source) = self.signs {
            source.read(first, &mut signs);
            invalid |= !Rule::SIGN.holds_for_all(&signs);
        }
        let mut losses = vec![F::default(); rows];
        let mut slopes = vec![0.0; rows];
        for at in 0..rows {
            let cosine = Angles::new(&products[at], short).cosine([0, 1]);
            let (value, slope) = match margin {
                None => (cosine, 1.0),
                Some(margin) => {
                    let sign = signs[at].double();
                    let (value, slope) = cosine_embedding(cosine, sign, margin);
                    let broken = !Rule::SIGN.holds(&sign);
                    (value.set(broken, f64::NAN), slope().set(broken, f64::NAN))
                }
            };
            losses[at] = F::of(value).times_or_zero(weights[at]);
            slopes[at] = slope;
        }
        if gradients.iter().any(Option::is_some) {
            for at in 0..rows {
                let rows = inputs.rows(at, &gradients);
                let angles = Angles::new(&products[at], short);
                let mut combined = [[0.0; 2]; 2];
                angles.add([0, 1], angles.cosine([0, 1]), slopes[at], &mut combined);
                let scale = [weights[at], F::of(self.scale.gradient)];
                combine(rows, combined, scale, &mut gradients);
            }
        }
        let found = ChunkSum {
            sum: sum(&losses, self.scale.losses),
            invalid,
        };
        (found, losses)
    }
}

/// The angles between vectors.
///
/// All is computed in `f64`: the difference of two vectors that are nearly alike has few digits, and the
/// squares of `f32` numbers cannot leave its range.
struct Angles<const N: usize> {
    products: Products<N>,
    lengths: [Length<f64>; N],
    norms: [f64; N],
}

/// The sums of the products of each two of some vectors, each over its scale.
#[derive(Clone, Copy)]
struct Products<const N: usize> {
    /// The lower half is left out.
    sums: [[f64; N]; N],
    scales: [f64; N],
}

impl<const N: usize> Products<N> {
    const NONE: Self = Self {
        sums: [[0.0; N]; N],
        scales: [1.0; N],
    };

    #[inline(always)]
    fn new<F: Float>(rows: [&[F]; N]) -> Self {
        let scales = [1.0; N];
        let sums = products(rows, scales);
        // The root of the product of two of them is taken.
        let range = 1e-150..1e150;
        if F::IS_DOUBLE && !(0..N).all(|at| range.contains(&sums[at][at])) {
            let scales = rows.map(largest_size);
            let sums = products(rows, scales);
            return Self { sums, scales };
        }
        Self { sums, scales }
    }
}

impl<const N: usize> Angles<N> {
    #[inline(always)]
    fn new(products: &Products<N>, short: NormFloor) -> Self {
        let norms: [f64; N] = core::array::from_fn(|at| products.sums[at][at].sqrt());
        let lengths = core::array::from_fn(|at| {
            length((norms[at] * products.scales[at]).at_most(f64::MAX), short)
        });
        Self {
            products: *products,
            lengths,
            norms,
        }
    }

    /// What a component of a vector is multiplied by to be one of the unit vector.
    #[inline(always)]
    fn of_unit(&self, at: usize) -> f64 {
        match self.norms[at] {
            0.0 => 0.0,
            norm => self.lengths[at].share / norm / self.products.scales[at],
        }
    }

    /// The cosine of the angle of two, the first before the second.
    #[inline(always)]
    fn cosine(&self, [a, b]: [usize; 2]) -> f64 {
        // One root, so that the cosine of a vector with itself is exactly 1.
        let products = &self.products.sums;
        let squares = products[a][a] * products[b][b];
        let share = self.lengths[a].share * self.lengths[b].share;
        match squares {
            0.0 => 0.0,
            squares => products[a][b] / squares.sqrt() * share,
        }
    }

    /// Adds the gradients of a function of a cosine, given its slope. A gradient is a combination of the
    /// vectors: these are the factors.
    #[inline(always)]
    fn add(&self, [a, b]: [usize; 2], cosine: f64, slope: f64, gradients: &mut [[f64; N]; N]) {
        for (of, other) in [(a, b), (b, a)] {
            let Length { length, own, .. } = &self.lengths[of];
            let slope = slope / length;
            let along = slope * cosine * own * self.of_unit(of);
            gradients[of][other] = clamp(gradients[of][other] + slope * self.of_unit(other));
            gradients[of][of] = clamp(gradients[of][of] - along);
        }
    }
}

/// Writes the gradients that are wanted: combinations of the rows, by these factors, times a weight and what makes
/// a gradient of a slope.
#[inline(always)]
fn combine<F: Float, const N: usize>(
    rows: [&[F]; N],
    factors: [[f64; N]; N],
    [weight, gradient]: [F; 2],
    outputs: &mut [Option<Output<F>>; N],
) {
    let length = rows[0].len();
    let scaled = |factor: f64| {
        let weighted = factor.times_or_zero(weight.double());
        clamp(weighted * gradient.double())
    };
    for (output, factors) in outputs.iter_mut().zip(factors) {
        let Some(output) = output else {
            continue;
        };
        // What does not count has no gradient, whatever is in its row.
        if weight.equals(0.0) {
            output.fill(length, |_| F::default() * gradient);
            continue;
        }
        let factors = factors.map(scaled);
        let rows = rows.map(|row| &row[..length]);
        output.fill(length, |at| {
            let mut sum = 0.0;
            // Each product is rounded: those that cancel each other do so entirely.
            for row in 0..N {
                sum += rows[row][at].double() * factors[row];
            }
            clamp(F::of(sum))
        });
    }
}

/// The sums of the products of each two rows, each over its scale, which is 1 for those that are narrower than
/// `f64`; the lower half is left out.
#[inline(always)]
fn products<F: Float, const N: usize>(rows: [&[F]; N], scales: [f64; N]) -> [[f64; N]; N] {
    let mut products = [[0.0; N]; N];
    for a in 0..N {
        for b in a + 1..N {
            let of_two = products_of_two([rows[a], rows[b]], [scales[a], scales[b]]);
            [products[a][a], products[a][b], products[b][b]] = of_two;
        }
    }
    products
}

/// The sums of the squares of the first, of the products, and of the squares of the second.
///
/// Each has a name, and no lane is chosen by a variable: else they would be in memory, not in registers.
#[inline(always)]
fn products_of_two<F: Float>([a, b]: [&[F]; 2], [of_a, of_b]: [f64; 2]) -> [f64; 3] {
    let double = |number: F, scale: f64| {
        if F::IS_DOUBLE {
            number.double() / scale
        } else {
            number.double()
        }
    };
    let (mut squares, mut products, mut others) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
    let ((a, rest_of_a), (b, rest_of_b)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a.iter().zip(b) {
        let a = a.map(|number| double(number, of_a));
        let b = b.map(|number| double(number, of_b));
        for lane in 0..LANES {
            squares[lane] = a[lane].times_plus(a[lane], squares[lane]);
        }
        for lane in 0..LANES {
            products[lane] = a[lane].times_plus(b[lane], products[lane]);
        }
        for lane in 0..LANES {
            others[lane] = b[lane].times_plus(b[lane], others[lane]);
        }
    }
    let mut sums = [tree(squares), tree(products), tree(others)];
    for (&a, &b) in rest_of_a.iter().zip(rest_of_b) {
        let (a, b) = (double(a, of_a), double(b, of_b));
        sums[0] = a.times_plus(a, sums[0]);
        sums[1] = a.times_plus(b, sums[1]);
        sums[2] = b.times_plus(b, sums[2]);
    }
    sums
}

/// The size of the largest component, or 1 where all are 0.
#[inline(always)]
fn largest_size<F: Float>(row: &[F]) -> f64 {
    let sizes = row.iter().map(|x| x.double().abs());
    match sizes.fold(0.0, f64::max) {
        0.0 => 1.0,
        size => size,
    }
}
