//! The loops over a loss of rows, without its type: they are compiled for it here.

use super::numbers::Float;
use super::output::Output;
use super::scale::{clamp, narrow};
use super::sums::{LANES, Lanes, PART, tree};
use super::vectors::{Loop, Vectors, fetch_ahead};
use crate::spec::row::{PairLoss, Row, RowLoss};
use crate::spec::rule::Rule;
use alloc::vec;
use core::ops::Range;

/// How many rows are worked on together at most.
pub(crate) const ROWS: usize = 64;

/// How many rows are side by side in vectors.
const SIDE: usize = 8;

/// A [`RowLoss`], as [`HostRows`].
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct DefinedRows<
    L,
    const K: usize,
    const M: usize,
    const S: usize,
    const H: usize,
    const W: usize,
>(pub(crate) L);

/// A [`PairLoss`], as [`HostRows`].
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct DefinedPairs<L>(pub(crate) L);

/// What is computed of rows.
pub(crate) trait HostRows<const K: usize>: Send + Sync + 'static {
    fn part(&self) -> f64;

    /// What must hold for each element of an operand, or its row is not valid.
    fn rules(&self) -> [Option<Rule>; K] {
        [None; K]
    }

    /// Whether it is itself that looks whether the rules hold: it says so of a block.
    fn keeps_rules(&self) -> bool {
        false
    }

    /// How many rows are worked on together at most.
    fn together(&self) -> usize {
        ROWS
    }

    fn rows_f32(&self, vectors: Vectors, block: RowBlock<f32, K>);

    fn rows_f64(&self, vectors: Vectors, block: RowBlock<f64, K>);
}

/// Some rows, and what becomes of them.
pub(crate) struct RowBlock<'a, 'b, F, const K: usize> {
    /// The elements of the rows, which follow each other.
    pub(crate) x: [&'a [F]; K],
    pub(crate) length: usize,
    /// What each row has besides: a sign, a class or a rank, or labels, as many places for a row as it has classes; and
    /// whether each is valid. What is not valid has a class nevertheless, and no labels.
    pub(crate) signs: &'a [F],
    pub(crate) classes: &'a [usize],
    pub(crate) labels: &'a [i64],
    /// How much each row counts; NaN where it is not valid.
    pub(crate) weights: &'a mut [F],
    /// Says that a row is not valid, if that is found only now.
    #[cfg_attr(not(feature = "std"), allow(dead_code))] // Then nobody does.
    pub(crate) broken: &'a mut bool,
    /// What a derivative is multiplied by to be a gradient.
    pub(crate) scale: F,
    /// The parts of the losses.
    pub(crate) losses: &'a mut [F],
    pub(crate) gradients: [Option<&'a mut Output<'b, F>>; K],
}

/// A float type in which losses of rows are computed.
pub(crate) trait RowFloat: Float {
    fn rows<const K: usize>(rows: &dyn HostRows<K>, vectors: Vectors, block: RowBlock<Self, K>);
}

impl RowFloat for f32 {
    fn rows<const K: usize>(rows: &dyn HostRows<K>, vectors: Vectors, block: RowBlock<f32, K>) {
        rows.rows_f32(vectors, block);
    }
}

impl RowFloat for f64 {
    fn rows<const K: usize>(rows: &dyn HostRows<K>, vectors: Vectors, block: RowBlock<f64, K>) {
        rows.rows_f64(vectors, block);
    }
}

impl<
    L: RowLoss<K, M, S, H, W>,
    const K: usize,
    const M: usize,
    const S: usize,
    const H: usize,
    const W: usize,
> HostRows<K> for DefinedRows<L, K, M, S, H, W>
{
    fn part(&self) -> f64 {
        L::PART
    }

    fn rows_f32(&self, vectors: Vectors, block: RowBlock<f32, K>) {
        if L::WIDE {
            run::<f32, f64, L, K, M, S, H, W>(self.0, vectors, block);
        } else {
            run::<f32, f32, L, K, M, S, H, W>(self.0, vectors, block);
        }
    }

    fn rows_f64(&self, vectors: Vectors, block: RowBlock<f64, K>) {
        run::<f64, f64, L, K, M, S, H, W>(self.0, vectors, block);
    }
}

fn run<
    F: Float,
    C: Float,
    L: RowLoss<K, M, S, H, W>,
    const K: usize,
    const M: usize,
    const S: usize,
    const H: usize,
    const W: usize,
>(
    loss: L,
    vectors: Vectors,
    block: RowBlock<F, K>,
) {
    if L::RARE || block.gradients.iter().any(Option::is_some) {
        vectors.run(OfRows::<F, C, L, K, M, S, H, W, true>(loss, block, []));
    } else {
        vectors.run(OfRows::<F, C, L, K, M, S, H, W, false>(loss, block, []));
    }
}

/// The rows of `F`, computed in `C`; and their gradients.
struct OfRows<
    'a,
    'b,
    F,
    C,
    L,
    const K: usize,
    const M: usize,
    const S: usize,
    const H: usize,
    const W: usize,
    const SLOPES: bool,
>(L, RowBlock<'a, 'b, F, K>, [C; 0]);

impl<
    F: Float,
    C: Float,
    L: RowLoss<K, M, S, H, W>,
    const K: usize,
    const M: usize,
    const S: usize,
    const H: usize,
    const W: usize,
    const SLOPES: bool,
> Loop for OfRows<'_, '_, F, C, L, K, M, S, H, W, SLOPES>
{
    const WIDEST: bool = !F::IS_DOUBLE && !L::RARE;
    type Output = ();

    #[inline(always)]
    fn run(mut self) {
        let loss = self.0;
        let count = self.1.losses.len();
        for first in (0..count).step_by(SIDE) {
            let rows = first..count.min(first + SIDE);
            let mut measured = Measured {
                sizes: [[C::of(1.0); SIDE]; M],
                sums: [[C::default(); SIDE]; S],
                own: [C::default(); SIDE],
            };
            self.measure(rows.clone(), &mut measured);
            // What is made of the sums of a row can take as long as the sums themselves: it is done for some rows at
            // a time, side by side.
            let mut heads = [[[C::default(); SIDE]; W]; H];
            let mut values = [C::default(); SIDE];
            for at in 0..SIDE {
                let (sizes, sums) = (row_of(&measured.sizes, at), row_of(&measured.sums, at));
                let row = measured.row(at, self.1.length);
                let (value, head) = loss.head(&sizes, &sums, &row);
                values[at] = value;
                if !SLOPES {
                    continue;
                }
                for (heads, head) in heads.iter_mut().zip(head) {
                    for (heads, number) in heads.iter_mut().zip(head) {
                        heads[at] = number;
                    }
                }
            }
            for (at, row) in rows.clone().enumerate() {
                let value = F::of(values[at].double());
                self.1.losses[row] = value.times_or_zero(self.1.weights[row]);
            }
            if SLOPES && (!L::RARE || self.1.gradients.iter().any(Option::is_some)) {
                self.write_gradients(&heads, rows);
            }
        }
    }
}

impl<
    F: Float,
    C: Float,
    L: RowLoss<K, M, S, H, W>,
    const K: usize,
    const M: usize,
    const S: usize,
    const H: usize,
    const W: usize,
    const SLOPES: bool,
> OfRows<'_, '_, F, C, L, K, M, S, H, W, SLOPES>
{
    /// Adds up the terms of each row.
    #[inline(always)]
    fn measure(&self, rows: Range<usize>, measured: &mut Measured<C, M, S>) {
        let block = &self.1;
        let length = block.length;
        for (at, row) in rows.enumerate() {
            let x = range_of(block.x, row * length, (row + 1) * length);
            let class = block.classes.get(row).copied();
            if let Some(class) = class {
                measured.own[at] = C::of(x[0][class].double());
            } else if let Some(sign) = block.signs.get(row) {
                measured.own[at] = C::of(sign.double());
            }
            let row = measured.row(at, length);
            let mut sums = [0.0; S];
            let mut exact = false;
            if !self.0.always_measured() {
                sums = self.sums_of(x, None, &row, class);
                exact = self.0.are_exact(&sums, C::IS_DOUBLE);
            }
            if !exact {
                let sizes = self.largest_sizes(x);
                sums = self.sums_of(x, Some(&sizes), &row, class);
                for (of_rows, size) in measured.sizes.iter_mut().zip(sizes) {
                    of_rows[at] = size;
                }
            }
            for (of_rows, sum) in measured.sums.iter_mut().zip(sums) {
                of_rows[at] = C::of(sum);
            }
        }
    }

    /// The sums of a row, without the element at its class.
    #[inline(always)]
    fn sums_of(
        &self,
        x: [&[F]; K],
        sizes: Option<&[C; M]>,
        row: &Row<C>,
        class: Option<usize>,
    ) -> [f64; S] {
        let length = x[0].len();
        let (before, after) = match class {
            Some(class) => (class, class + 1),
            None => (length, length),
        };
        // Lanes of their own in each of these loops stay in registers.
        let mut sums = self.add_terms(range_of(x, 0, before), sizes, row);
        if class.is_some() {
            let others = range_of(x, after, length);
            let others = self.add_terms(others, sizes, row);
            for (sum, other) in sums.iter_mut().zip(others) {
                *sum += other;
            }
        }
        sums
    }

    /// The sums of the terms of elements, added up in `f64`.
    ///
    /// Lanes stay in registers only if all that is done with them is as simple as it is here: numbers that are not many
    /// enough to fill them are added up one by one, or masked, whichever leaves the lanes where they are.
    #[inline(always)]
    fn add_terms(&self, x: [&[F]; K], sizes: Option<&[C; M]>, row: &Row<C>) -> [f64; S] {
        let mut sums = [0.0; S];
        let length = x[0].len();
        if C::IS_DOUBLE {
            let mut lanes = [[C::default(); LANES]; S];
            self.add_chunks(x, sizes, row, &mut lanes);
            for at in length - length % LANES..length {
                let terms = self
                    .0
                    .add([C::default(); S], &operands_at(x, at), sizes, row);
                for (sum, term) in sums.iter_mut().zip(terms) {
                    *sum += term.double();
                }
            }
            for (sum, lanes) in sums.iter_mut().zip(lanes) {
                *sum += tree(C::widened(lanes));
            }
            return sums;
        }
        // What is narrow is widened from time to time.
        let mut totals = [[0.0; LANES]; S];
        for start in (0..length).step_by(PART) {
            let x = range_of(x, start, length.min(start + PART));
            let mut lanes = [[C::default(); LANES]; S];
            self.add_chunks(x, sizes, row, &mut lanes);
            let rest = x[0].len() % LANES;
            if rest > 0 {
                let mut chunks = [[F::default(); LANES]; K];
                for (chunk, x) in chunks.iter_mut().zip(x) {
                    chunk[..rest].copy_from_slice(&x[x.len() - rest..]);
                }
                for lane in 0..LANES {
                    let operands = operands_of(chunks.each_ref(), lane);
                    let added = self.0.add(row_of(&lanes, lane), &operands, sizes, row);
                    for (lanes, sum) in lanes.iter_mut().zip(added) {
                        lanes[lane] = lanes[lane].replace(lane < rest, sum);
                    }
                }
            }
            for (totals, lanes) in totals.iter_mut().zip(lanes) {
                for (total, lane) in totals.iter_mut().zip(C::widened(lanes)) {
                    *total += lane;
                }
            }
        }
        for (sum, totals) in sums.iter_mut().zip(totals) {
            *sum = tree(totals);
        }
        sums
    }

    /// Adds the terms of as many elements as there are lanes, again and again.
    #[inline(always)]
    fn add_chunks(
        &self,
        x: [&[F]; K],
        sizes: Option<&[C; M]>,
        row: &Row<C>,
        lanes: &mut [[C; LANES]; S],
    ) {
        for chunk in 0..x[0].len() / LANES {
            if C::IS_DOUBLE && !SLOPES && chunk % (PART / LANES) == 0 {
                fetch_ahead(&x, chunk * LANES);
            }
            let chunks: [&[F; LANES]; K] = x.map(|x| &x.as_chunks().0[chunk]);
            for lane in 0..LANES {
                let operands = operands_of(chunks, lane);
                let sums = self.0.add(row_of(lanes, lane), &operands, sizes, row);
                for (lanes, sum) in lanes.iter_mut().zip(sums) {
                    lanes[lane] = sum;
                }
            }
        }
    }

    /// The sizes in which a row is measured.
    #[inline(always)]
    fn largest_sizes(&self, x: [&[F]; K]) -> [C; M] {
        let mut largest = [C::default(); M];
        for at in 0..x[0].len() {
            for (largest, size) in largest.iter_mut().zip(self.0.sizes(&operands_at(x, at))) {
                *largest = largest.replace(size > *largest, size);
            }
        }
        largest
    }

    /// Writes the gradients of rows, from what their heads gave.
    #[inline(always)]
    fn write_gradients(&mut self, heads: &[[[C; SIDE]; W]; H], rows: Range<usize>) {
        let loss = self.0;
        let block = &mut self.1;
        let (length, gradients) = (block.length, &mut block.gradients);
        let mut slopes = [[F::default(); PART]; K];
        for (at, row) in rows.enumerate() {
            let weight = block.weights[row];
            // What does not count has no gradient, whatever is in its row.
            if weight.equals(0.0) {
                for gradient in gradients.iter_mut().flatten() {
                    gradient.fill(length, |_| F::default());
                }
                continue;
            }
            let mut head = [[C::default(); W]; H];
            for (head, of_rows) in head.iter_mut().zip(heads) {
                *head = row_of(of_rows, at);
            }
            let scale = C::of(weight.double()) * C::of(block.scale.double());
            let head = loss.scaled(head, &scale);
            let end = (row + 1) * length;
            for start in (row * length..end).step_by(PART) {
                let x = range_of(block.x, start, end.min(start + PART));
                let count = x[0].len();
                if count == PART {
                    let x: [&[F; PART]; K] = x.map(|x| x.first_chunk().expect("it is a part"));
                    for element in 0..PART {
                        let of_operands = loss.slopes(&operands_of(x, element), &head);
                        for (slopes, slope) in slopes.iter_mut().zip(of_operands) {
                            slopes[element] = narrow(slope);
                        }
                    }
                } else {
                    for element in 0..count {
                        let of_operands = loss.slopes(&operands_at(x, element), &head);
                        for (slopes, slope) in slopes.iter_mut().zip(of_operands) {
                            slopes[element] = narrow(slope);
                        }
                    }
                }
                for (gradient, slopes) in gradients.iter_mut().zip(&slopes) {
                    if let Some(gradient) = gradient {
                        gradient.write(&slopes[..count]);
                    }
                }
            }
            if let (Some(&class), Some(Some(gradient))) =
                (block.classes.get(row), gradients.first_mut())
            {
                gradient.patch(length - class, narrow(loss.slope_of_class(&head)));
            }
        }
    }
}

/// What is known of rows: each number of all of them side by side.
struct Measured<C, const M: usize, const S: usize> {
    sizes: [[C; SIDE]; M],
    sums: [[C; SIDE]; S],
    own: [C; SIDE],
}

impl<C: Float, const M: usize, const S: usize> Measured<C, M, S> {
    #[inline(always)]
    fn row(&self, at: usize, length: usize) -> Row<C> {
        Row {
            own: self.own[at],
            over_length: C::of(1.0 / length as f64),
        }
    }
}

/// The numbers of a row.
#[inline(always)]
fn row_of<C: Float, const N: usize, const SIDE: usize>(
    numbers: &[[C; SIDE]; N],
    at: usize,
) -> [C; N] {
    let mut row = [C::default(); N];
    for (number, of_rows) in row.iter_mut().zip(numbers) {
        *number = of_rows[at];
    }
    row
}

#[inline(always)]
fn range_of<F, const K: usize>(x: [&[F]; K], start: usize, end: usize) -> [&[F]; K] {
    let mut range = [&[][..]; K];
    for (range, x) in range.iter_mut().zip(x) {
        *range = &x[start..end];
    }
    range
}

/// An element of each operand, in the type that is computed in.
#[inline(always)]
fn operands_of<F: Float, C: Float, const K: usize, const N: usize>(
    x: [&[F; N]; K],
    at: usize,
) -> [C; K] {
    let mut operands = [C::default(); K];
    for (operand, x) in operands.iter_mut().zip(x) {
        *operand = C::of(x[at].double());
    }
    operands
}

/// As [`operands_of`], from slices.
#[inline(always)]
fn operands_at<F: Float, C: Float, const K: usize>(x: [&[F]; K], at: usize) -> [C; K] {
    let mut operands = [C::default(); K];
    for (operand, x) in operands.iter_mut().zip(x) {
        *operand = C::of(x[at].double());
    }
    operands
}

impl<L: PairLoss> HostRows<1> for DefinedPairs<L> {
    fn part(&self) -> f64 {
        L::PART
    }

    fn rows_f32(&self, vectors: Vectors, block: RowBlock<f32, 1>) {
        vectors.run(OfPairs(self.0, block));
    }

    fn rows_f64(&self, vectors: Vectors, block: RowBlock<f64, 1>) {
        vectors.run(OfPairs(self.0, block));
    }
}

struct OfPairs<'a, 'b, L, F>(L, RowBlock<'a, 'b, F, 1>);

impl<L: PairLoss, F: Float> Loop for OfPairs<'_, '_, L, F> {
    const WIDEST: bool = !F::IS_DOUBLE;
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self(loss, block) = self;
        let length = block.length;
        let over_length = F::of(1.0 / length as f64);
        let mut others = vec![F::default(); length];
        let mut slopes = vec![F::default(); length];
        let [mut gradient] = block.gradients;
        for (at, half) in block.losses.iter_mut().enumerate() {
            let x = &block.x[0][at * length..(at + 1) * length];
            let labels = &block.labels[at * length..(at + 1) * length];
            let labels = labels.iter().map_while(|&id| usize::try_from(id).ok());
            others.fill(F::of(1.0));
            slopes.fill(F::default());
            for label in labels.clone() {
                others[label] = F::default();
            }
            let mut total = 0.0;
            for label in labels {
                let of_slopes = gradient.is_some().then_some(&mut slopes[..]);
                let [of_values, of_others] =
                    add_pairs(&loss, x, &others, x[label], &over_length, of_slopes);
                slopes[label] = slopes[label] - F::of(of_others);
                total += of_values;
            }
            let weight = block.weights[at];
            *half = F::of(total).times_or_zero(weight);
            if let Some(gradient) = &mut gradient {
                let slope = |at: usize| clamp(slopes[at].times_or_zero(weight) * block.scale);
                gradient.fill(length, slope);
            }
        }
    }
}

/// The sums of the losses of a label with the `others`, and of their derivatives, which are added to the slopes.
#[inline(always)]
fn add_pairs<L: PairLoss, F: Float>(
    loss: &L,
    x: &[F],
    others: &[F],
    label: F,
    over_length: &F,
    mut slopes: Option<&mut [F]>,
) -> [f64; 2] {
    let (mut of_values, mut of_slopes) = (Lanes::NONE, Lanes::NONE);
    let (mut values, mut added) = ([F::default(); PART], [F::default(); PART]);
    for start in (0..x.len()).step_by(PART) {
        let end = x.len().min(start + PART);
        let (x, others) = (&x[start..end], &others[start..end]);
        let (values, added) = (&mut values[..end - start], &mut added[..end - start]);
        for (at, &other) in x.iter().enumerate() {
            let (value, slope) = loss.at(label, other, over_length);
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
    [of_values.sum(), of_slopes.sum()]
}
