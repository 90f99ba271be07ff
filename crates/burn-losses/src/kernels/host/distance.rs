//! The sweeps of losses made of distances between rows: of three, or of two.

use super::{
    Chunk, Float, Found, LANES, Output, PART, Scale, Source, Work, at_a_time, clamp, in_chunks,
    narrow, read_weight, total, tree,
};
use crate::kernels::norm::{
    COSINE_EMBEDDING, Length, Measure, Short, cosine_embedding, length, norm_root, norm_slope,
    norm_term, share_of_smaller, triplet_margin,
};
use crate::kernels::real::Real;
use crate::kernels::rule::Rule;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

/// The options of the loss.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Triplet {
    pub(crate) margin: f64,
    pub(crate) swap: bool,
    pub(crate) measure: Measure,
}

/// What is read.
#[derive(Clone, Copy)]
pub(crate) struct Reads<'a, const N: usize> {
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
    reads: &Reads<3>,
    losses: Option<Output<F>>,
    gradients: [Option<Output<F>>; 3],
    scale: Scale,
) -> Found {
    let Reads { rows, length, .. } = *reads;
    let at_a_time = (at_a_time(rows * length) / length).max(1);
    // The losses are a column of their own; it is small, so it is filled in afterwards.
    let found = in_chunks(
        rows * length,
        at_a_time * length,
        gradients,
        &Sweep {
            triplet,
            reads,
            scale,
        },
    );
    in_order(found, losses)
}

/// The sum of what was found, whose losses are written in order.
fn in_order<F: Float>(found: Vec<(Found, Vec<F>)>, mut losses: Option<Output<F>>) -> Found {
    let mut total = Found::default();
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
struct Inputs<'a, F, const N: usize> {
    direct: [Option<&'a [F]>; N],
    sources: [Option<Source<'a>>; N],
    buffers: [Vec<F>; N],
    first: usize,
    length: usize,
}

impl<'a, F: Float, const N: usize> Inputs<'a, F, N> {
    fn new(reads: &Reads<'a, N>, first: usize) -> Self {
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
        core::array::from_fn(|input| match self.direct[input] {
            Some(numbers) => &numbers[row * length..(row + 1) * length],
            None => &self.buffers[input][..],
        })
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
struct Norm<F> {
    value: F,
    /// Each component is divided by `scale`, and the norm of those is `norm`.
    scale: F,
    norm: F,
}

struct Sweep<'a> {
    triplet: Triplet,
    reads: &'a Reads<'a, 3>,
    scale: Scale,
}

impl<F: Float> Work<Chunk<'_, F, 3>, ()> for Sweep<'_> {
    type Result = (Found, Vec<F>);

    #[inline(always)]
    fn part(&self, (): &mut (), (range, gradients): Chunk<F, 3>) -> (Found, Vec<F>) {
        // With the exponent known to the compiler, a norm is a plain loop.
        match self.triplet.measure {
            Measure::Norm { p: 2.0, eps } => self.rows(2.0, eps, range, gradients),
            Measure::Norm { p, eps } => self.rows(p, eps, range, gradients),
            Measure::Cosine { eps } => self.rows_by_angle(eps, range, gradients),
        }
    }
}

impl Sweep<'_> {
    #[inline(always)]
    fn rows<F: Float>(
        &self,
        p: f64,
        eps: f64,
        range: Range<usize>,
        mut gradients: [Option<Output<F>>; 3],
    ) -> (Found, Vec<F>) {
        let Triplet { margin, swap, .. } = self.triplet;
        let length = self.reads.length;
        let (first, rows) = (range.start / length, range.len() / length);
        let row = || vec![F::default(); length];
        let mut inputs = Inputs::new(self.reads, first);
        let [mut to_positive, mut to_negative, mut between, mut scratch] =
            [row(), row(), row(), row()];
        let mut losses = vec![F::default(); rows];
        let mut invalid = false;
        for (at, loss_of_row) in losses.iter_mut().enumerate() {
            let [anchor, positive, negative] = inputs.rows(at, &gradients);
            let of_positive = distance(anchor, positive, eps, p, &mut to_positive);
            let of_negative = distance(anchor, negative, eps, p, &mut to_negative);
            let of_between = match swap {
                true => Some(distance(positive, negative, eps, p, &mut between)),
                false => None,
            };
            let (nearest, share) = match &of_between {
                Some(of_between) => (
                    match of_between.value < of_negative.value {
                        true => of_between.value,
                        false => of_negative.value,
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
            let of_positive = of_positive.of_unit(&mut to_positive);
            let of_negative = of_negative.of_unit(&mut to_negative);
            // Each difference becomes a gradient of its distance.
            direct(&mut to_positive, of_positive, p, slope);
            let share = if of_between.is_some() {
                slope * share
            } else {
                slope
            };
            direct(&mut to_negative, of_negative, p, share);
            let [of_anchor, of_first, of_second] = &mut gradients;
            if let Some(output) = of_anchor {
                for ((sum, &pull), &push) in scratch.iter_mut().zip(&to_positive).zip(&to_negative)
                {
                    *sum = pull - push;
                }
                output.write(&scratch);
            }
            match of_between {
                None => {
                    write_negative(of_first, &mut to_positive);
                    if let Some(output) = of_second {
                        output.write(&to_negative);
                    }
                }
                Some(of_between) => {
                    let of_between = of_between.of_unit(&mut between);
                    direct(&mut between, of_between, p, slope - share);
                    for ((pull, push), &between) in
                        to_positive.iter_mut().zip(&mut to_negative).zip(&between)
                    {
                        *pull += between;
                        *push += between;
                    }
                    write_negative(of_first, &mut to_positive);
                    if let Some(output) = of_second {
                        output.write(&to_negative);
                    }
                }
            }
        }
        let found = Found {
            sum: super::sum(&losses, self.scale.losses),
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
    ) -> (Found, Vec<F>) {
        const PAIRS: [[usize; 2]; 3] = [[0, 1], [0, 2], [1, 2]];
        let Triplet { margin, swap, .. } = self.triplet;
        let length = self.reads.length;
        let (first, rows) = (range.start / length, range.len() / length);
        let mut inputs = Inputs::new(self.reads, first);
        let mut losses = vec![F::default(); rows];
        let mut invalid = false;
        let tracked = gradients.iter().any(Option::is_some);
        for (at, loss_of_row) in losses.iter_mut().enumerate() {
            let rows = inputs.rows(at, &gradients);
            let weight = weight_of(self.reads.samples, &self.scale, first + at, &mut invalid);
            let angles = Angles::new(rows, Short::AtLeast(eps));
            let cosines = PAIRS.map(|pair| angles.cosine(pair));
            let [to_positive, to_negative, between] = cosines.map(|cosine| 1.0 - cosine);
            let (nearest, share) = match swap {
                true => (
                    to_negative.min(between),
                    share_of_smaller(to_negative, between),
                ),
                false => (to_negative, 1.0),
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
        let found = Found {
            sum: super::sum(&losses, self.scale.losses),
            invalid,
        };
        (found, losses)
    }

    fn gradient<F: Float>(&self) -> F {
        F::of(self.scale.gradient)
    }
}

/// Differences become the derivatives of their norms, times a slope.
#[inline(always)]
fn direct<F: Float>(differences: &mut [F], of_unit: F, p: f64, slope: F) {
    for difference in differences {
        *difference = direction(*difference, of_unit, p, slope);
    }
}

/// Writes the negative of numbers, which they become, to an output that is wanted.
#[inline(always)]
fn write_negative<F: Float>(output: &mut Option<Output<F>>, numbers: &mut [F]) {
    if let Some(output) = output {
        for number in numbers.iter_mut() {
            *number = -*number;
        }
        output.write(numbers);
    }
}

/// The distance of two vectors; their difference is left in `difference`.
#[inline(always)]
fn distance<F: Float>(from: &[F], to: &[F], eps: f64, p: f64, difference: &mut [F]) -> Norm<F> {
    for (difference, (&from, &to)) in difference.iter_mut().zip(from.iter().zip(to)) {
        *difference = (from - to).plus(eps);
    }
    // Where the shares of the components stay well in range, they need no scale; except for the powers
    // of another p, which are exact to the last digits only for numbers up to 1.
    let range = match F::IS_DOUBLE {
        true => 1e-200..1e200,
        false => 1e-20..1e30,
    };
    let one = F::of(1.0);
    if p == 1.0 || p == 2.0 {
        let sum = shares(difference, p, |x| x);
        if range.contains(&sum) {
            let norm = norm_root(F::of(sum), p);
            return Norm {
                value: norm,
                scale: one,
                norm,
            };
        }
    }
    let mut scale = difference[0].abs();
    for difference in difference.iter_mut() {
        *difference = clamp(*difference);
        let size = difference.abs();
        scale = scale.at_most(F::MAX);
        scale = scale.replace(size > scale, size);
    }
    if scale.equals(0.0) {
        scale = one;
    }
    let norm = norm_root(F::of(shares(difference, p, |x| x / scale)), p);
    Norm {
        value: (norm * scale).at_most(F::MAX),
        scale,
        norm,
    }
}

/// The sum of the components' shares of a norm.
#[inline(always)]
fn shares<F: Float>(numbers: &[F], p: f64, ratio: impl Fn(F) -> F) -> f64 {
    let mut sum = 0.0;
    let mut terms = [F::default(); PART];
    for numbers in numbers.chunks(PART) {
        let terms = &mut terms[..numbers.len()];
        for (term, &number) in terms.iter_mut().zip(numbers) {
            *term = norm_term(ratio(number), p);
        }
        sum += total(terms);
    }
    sum
}

/// The derivative of a norm with respect to a component of a difference, times a slope.
#[inline(always)]
fn direction<F: Float>(component: F, of_unit: F, p: f64, slope: F) -> F {
    norm_slope(component * of_unit, p) * slope
}

impl<F: Float> Norm<F> {
    /// What a difference is multiplied by to be a unit vector; the zero vector stays what it is.
    #[inline(always)]
    fn of_unit(&self, difference: &mut [F]) -> F {
        let one = F::of(1.0);
        if self.norm.equals(0.0) {
            return one;
        }
        let factor = one / self.norm;
        if self.scale.equals(1.0) & factor.between(0.0, 1e30) {
            return factor;
        }
        // The reciprocal of a number below the normal ones would be infinite.
        for difference in difference {
            *difference = *difference / self.scale / self.norm;
        }
        one
    }
}

/// What is computed of two rows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pair {
    /// The p-norm of their difference, to which `eps` is added.
    Norm { p: f64, eps: f64 },
    /// The cosine of their angle.
    Cosine { eps: f64 },
    /// The cosine embedding loss.
    Embedding { margin: f64 },
}

/// Computes what is wanted of the pairs of rows, and the gradients of both; `signs` are those of the
/// embedding loss.
pub(crate) fn pairs<F: Float>(
    pair: Pair,
    reads: &Reads<2>,
    signs: Option<Source>,
    losses: Option<Output<F>>,
    gradients: [Option<Output<F>>; 2],
    scale: Scale,
) -> Found {
    let Reads { rows, length, .. } = *reads;
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
    reads: &'a Reads<'a, 2>,
    signs: Option<Source<'a>>,
    scale: Scale,
}

impl<F: Float> Work<Chunk<'_, F, 2>, ()> for PairSweep<'_> {
    type Result = (Found, Vec<F>);

    #[inline(always)]
    fn part(&self, (): &mut (), (range, mut gradients): Chunk<F, 2>) -> (Found, Vec<F>) {
        let length = self.reads.length;
        let (first, rows) = (range.start / length, range.len() / length);
        let mut inputs = Inputs::new(self.reads, first);
        let mut difference = vec![F::default(); length];
        let mut losses = vec![F::default(); rows];
        let mut invalid = false;
        for (at, loss_of_row) in losses.iter_mut().enumerate() {
            let rows = inputs.rows(at, &gradients);
            let weight: F = weight_of(self.reads.samples, &self.scale, first + at, &mut invalid);
            let scale = [weight, F::of(self.scale.gradient)];
            let loss = match self.pair {
                Pair::Norm { p: 2.0, eps } => {
                    norm_of_pair(rows, &mut difference, (2.0, eps), scale, &mut gradients)
                }
                Pair::Norm { p, eps } => {
                    norm_of_pair(rows, &mut difference, (p, eps), scale, &mut gradients)
                }
                Pair::Cosine { eps } => {
                    let same = |cosine| (cosine, 1.0);
                    cosine_of_pair(rows, Short::AtLeast(eps), same, scale, &mut gradients)
                }
                Pair::Embedding { margin } => {
                    let signs = self.signs.expect("this loss has signs");
                    let sign = signs.number::<F>(first + at).double();
                    let valid = Rule::SIGN.holds(&sign);
                    invalid |= !valid;
                    let embedding = |cosine| {
                        let (value, slope) = cosine_embedding(cosine, sign, margin);
                        match valid {
                            true => (value, slope()),
                            false => (f64::NAN, f64::NAN),
                        }
                    };
                    cosine_of_pair(rows, COSINE_EMBEDDING, embedding, scale, &mut gradients)
                }
            };
            *loss_of_row = loss.times_or_zero(weight);
        }
        let found = Found {
            sum: super::sum(&losses, self.scale.losses),
            invalid,
        };
        (found, losses)
    }
}

/// The norm of a difference; the gradients that are wanted are written. They are multiplied by the weight of the
/// row and by what makes a gradient of a slope.
#[inline(always)]
fn norm_of_pair<F: Float>(
    [a, b]: [&[F]; 2],
    difference: &mut [F],
    (p, eps): (f64, f64),
    [weight, gradient]: [F; 2],
    [of_a, of_b]: &mut [Option<Output<F>>; 2],
) -> F {
    let norm = distance(a, b, eps, p, difference);
    if of_a.is_some() || of_b.is_some() {
        let of_unit = norm.of_unit(difference);
        direct(difference, of_unit, p, weight * gradient);
        if let Some(output) = of_a {
            output.write(difference);
        }
        write_negative(of_b, difference);
    }
    norm.value
}

/// A function of the cosine, of which `head` gives the value and the derivative; the gradients that are wanted
/// are written.
#[inline(always)]
fn cosine_of_pair<F: Float>(
    rows: [&[F]; 2],
    short: Short,
    head: impl FnOnce(f64) -> (f64, f64),
    scale: [F; 2],
    gradients: &mut [Option<Output<F>>; 2],
) -> F {
    let angles = Angles::new(rows, short);
    let cosine = angles.cosine([0, 1]);
    let (value, slope) = head(cosine);
    if gradients.iter().any(Option::is_some) {
        let mut combined = [[0.0; 2]; 2];
        angles.add([0, 1], cosine, slope, &mut combined);
        combine(rows, combined, scale, gradients);
    }
    F::of(value)
}

/// The angles between vectors.
///
/// All is computed in `f64`: the difference of two vectors that are nearly alike has few digits, and the
/// squares of `f32` numbers cannot leave its range.
struct Angles<const N: usize> {
    /// The sums of the products of each two vectors, each over its scale.
    products: [[f64; N]; N],
    lengths: [Length<f64>; N],
    norms: [f64; N],
    scales: [f64; N],
}

impl<const N: usize> Angles<N> {
    #[inline(always)]
    fn new<F: Float>(rows: [&[F]; N], short: Short) -> Self {
        let mut scales = [1.0; N];
        let mut products = products(rows, scales);
        // The root of the product of two of them is taken.
        let range = 1e-150..1e150;
        if F::IS_DOUBLE && !(0..N).all(|at| range.contains(&products[at][at])) {
            scales = rows.map(largest_size);
            products = self::products(rows, scales);
        }
        let norms: [f64; N] = core::array::from_fn(|at| products[at][at].sqrt());
        let lengths =
            core::array::from_fn(|at| length((norms[at] * scales[at]).at_most(f64::MAX), short));
        Self {
            products,
            lengths,
            norms,
            scales,
        }
    }

    /// What a component of a vector is multiplied by to be one of the unit vector.
    #[inline(always)]
    fn of_unit(&self, at: usize) -> f64 {
        match self.norms[at] {
            0.0 => 0.0,
            norm => self.lengths[at].share / norm / self.scales[at],
        }
    }

    /// The cosine of the angle of two, the first before the second.
    #[inline(always)]
    fn cosine(&self, [a, b]: [usize; 2]) -> f64 {
        // One root, so that the cosine of a vector with itself is exactly 1.
        let squares = self.products[a][a] * self.products[b][b];
        let share = self.lengths[a].share * self.lengths[b].share;
        match squares {
            0.0 => 0.0,
            squares => self.products[a][b] / squares.sqrt() * share,
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
    let (weight, gradient) = (weight.double(), gradient.double());
    let length = rows[0].len();
    let mut part = [F::default(); PART];
    for (output, factors) in outputs.iter_mut().zip(factors) {
        let Some(output) = output else {
            continue;
        };
        for start in (0..length).step_by(PART) {
            let part = &mut part[..PART.min(length - start)];
            let rows = rows.map(|row| &row[start..start + part.len()]);
            for (at, to) in part.iter_mut().enumerate() {
                let mut sum = 0.0;
                for row in 0..N {
                    sum += factors[row] * rows[row][at].double();
                }
                *to = narrow(sum.times_or_zero(weight) * gradient);
            }
            output.write(part);
        }
    }
}

/// The sums of the products of each two rows, each over its scale; the lower half is left out.
#[inline(always)]
fn products<F: Float, const N: usize>(rows: [&[F]; N], scales: [f64; N]) -> [[f64; N]; N] {
    let mut products = [[0.0; N]; N];
    for a in 0..N {
        for b in a..N {
            products[a][b] = product([rows[a], rows[b]], [scales[a], scales[b]]);
        }
    }
    products
}

/// The sum of the products of two rows, each over its scale, which is 1 for those that are narrower than `f64`.
///
/// There is one sum in the loop: the compiler makes a muddle of several.
#[inline(always)]
fn product<F: Float>([a, b]: [&[F]; 2], scales: [f64; 2]) -> f64 {
    let double = |number: F, scale: f64| match F::IS_DOUBLE {
        true => number.double() / scale,
        false => number.double(),
    };
    let mut sums = [0.0; LANES];
    let ((a, rest_of_a), (b, rest_of_b)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            let a = double(a[lane], scales[0]);
            sums[lane] = a.times_plus(double(b[lane], scales[1]), sums[lane]);
        }
    }
    for (sum, (&a, &b)) in sums.iter_mut().zip(rest_of_a.iter().zip(rest_of_b)) {
        *sum = double(a, scales[0]).times_plus(double(b, scales[1]), *sum);
    }
    tree(&sums)
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
