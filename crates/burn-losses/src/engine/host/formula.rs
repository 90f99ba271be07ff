//! The sweeps over a formula: what [`kernel`](super::kernel), [`head`](super::head) and
//! [`row_kernel`](super::row_kernel) are to definitions.

use super::head::{HeadTerms, HostHead, OfSample};
use super::kernel::{Gradient, Kernel, Must, Sum, Terms};
use super::machine::{Ahead, BLOCK, Machine, MachineFloat, OPERANDS};
use super::numbers::Float;
use super::output::Output;
use super::row_kernel::{HostRows, RowBlock};
use super::scale::{clamp, narrow};
use super::sums::{Lanes, PART, total};
use super::vectors::{Loop, Vectors};
use crate::real::Real;
use crate::spec::elementwise::Derivative;
use crate::spec::expression::program::{Formula, Program};
use crate::spec::rule::Rule;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::{Debug, Formatter};
use core::ops::Range;

/// A loss of each element, as a [`Kernel`].
#[derive(Clone)]
pub(crate) struct FormulaKernel {
    /// The loss alone, and with its slopes.
    pub(crate) value: Arc<Formula>,
    pub(crate) all: Arc<Formula>,
    pub(crate) derivatives: &'static [Derivative],
    pub(crate) slopes: usize,
    pub(crate) parameters: Vec<f64>,
}

impl Kernel for FormulaKernel {
    fn part(&self) -> f64 {
        1.0
    }

    fn slopes(&self) -> usize {
        self.slopes
    }

    fn derivatives(&self) -> &'static [Derivative] {
        self.derivatives
    }

    fn sum(
        &self,
        vectors: Vectors,
        operands: &[&[f32]],
        must: Must,
        gradient: Option<Gradient<f32>>,
    ) -> Sum {
        let formula = match &gradient {
            Some(_) => &self.all,
            None => &self.value,
        };
        f32::machine(|machine| {
            let fits = machine.prepare(&formula.fast, &self.parameters);
            let mut sum = vectors.run(SumOfFormula {
                program: &formula.fast,
                machine,
                operands,
                must,
                gradient,
            });
            sum.beyond |= !fits;
            sum
        })
    }

    fn each_f32(&self, vectors: Vectors, operands: &[&[f32]], terms: Terms<f32>) {
        self.each(vectors, operands, terms, each_f32);
    }

    fn each_f64(&self, vectors: Vectors, operands: &[&[f64]], terms: Terms<f64>) {
        self.each(vectors, operands, terms, each_f64);
    }
}

/// What computes the results of a formula, in a type.
pub(super) type EachOf<F> = fn(&Formula, &[f64], Vectors, &[&[F]], &mut [&mut [F]]);

impl FormulaKernel {
    fn each<F>(&self, vectors: Vectors, operands: &[&[F]], terms: Terms<F>, each: EachOf<F>) {
        let formula = match terms.slopes {
            [] => &self.value,
            _ => &self.all,
        };
        let mut results: Vec<&mut [F]> = vec![terms.losses];
        results.extend(terms.slopes.iter_mut().map(|slopes| &mut slopes[..]));
        each(formula, &self.parameters, vectors, operands, &mut results);
    }
}

/// The sum of the losses, and the gradients if they are wanted.
struct SumOfFormula<'a, 'b, 'c> {
    program: &'a Program,
    machine: &'a mut Machine<f32>,
    operands: &'a [&'a [f32]],
    must: Must<'a>,
    gradient: Option<Gradient<'b, 'c, f32>>,
}

impl Loop for SumOfFormula<'_, '_, '_> {
    type Output = Sum;

    #[inline(always)]
    fn run(self) -> Sum {
        let Self {
            program,
            machine,
            operands,
            must,
            mut gradient,
        } = self;
        assert!(must.rows.is_none(), "a formula has no rule for rows");
        let length = operands[0].len();
        let mut padded = machine.take_padded();
        let mut losses = Lanes::NONE;
        let (mut beyond, mut broken) = (false, false);
        for start in (0..length).step_by(BLOCK) {
            let count = BLOCK.min(length - start);
            let blocks = Machine::blocks(&mut padded, operands, start);
            let blocks = &blocks[..operands.len()];
            let ahead = Ahead {
                operands,
                start,
                output: gradient.as_ref().map(|gradient| gradient.output.next()),
            };
            machine.run(program, blocks, ahead);
            for (block, rule) in blocks.iter().zip(must.rules) {
                if let Some(rule) = rule {
                    broken |= !rule.holds_for_all(&block[..]);
                }
            }
            let mut left = count;
            for values in machine.result(program, 0, blocks) {
                let now = left.min(PART);
                losses.add_up_to_a_part(&values[..now]);
                left -= now;
            }
            let Some(gradient) = &mut gradient else {
                continue;
            };
            for result in 1..program.results.len() {
                let (mut left, mut start) = (count, start);
                for slopes in machine.result(program, result, blocks) {
                    let now = left.min(slopes.len());
                    let slopes = &slopes[..now];
                    beyond |= match result {
                        1 => gradient.output.write_scaled(slopes, gradient.scale),
                        _ => {
                            let to = &mut gradient.others[result - 2][start..start + now];
                            let mut within = true;
                            for (to, &slope) in to.iter_mut().zip(slopes) {
                                *to = slope * gradient.scale;
                                within &= to.abs() <= f32::MAX;
                            }
                            !within
                        }
                    };
                    (left, start) = (left - now, start + now);
                }
            }
        }
        machine.give_padded(padded);
        Sum {
            losses: losses.sum(),
            beyond,
            broken,
        }
    }
}

/// The results of a formula, of each element. Where one left the range of `f32` on the way, it is computed again in
/// `f64`, and rounded.
pub(super) fn each_f32(
    formula: &Formula,
    parameters: &[f64],
    vectors: Vectors,
    operands: &[&[f32]],
    results: &mut [&mut [f32]],
) {
    let fits = run(&formula.fast, parameters, vectors, operands, results);
    let length = results[0].len();
    for start in (0..length).step_by(BLOCK) {
        let block = start..length.min(start + BLOCK);
        let finite = results.iter().all(|result| {
            let numbers = result[block.clone()].iter();
            numbers.fold(true, |all, number| all & number.is_finite())
        });
        if finite && fits {
            continue;
        }
        let wide: Vec<Vec<f64>> = operands
            .iter()
            .map(|operand| operand[block.clone()].iter().map(|&x| x.into()).collect())
            .collect();
        let wide: Vec<&[f64]> = wide.iter().map(|operand| &operand[..]).collect();
        let mut again = vec![vec![0.0; block.len()]; results.len()];
        let mut of_again: Vec<&mut [f64]> = again.iter_mut().map(|to| &mut to[..]).collect();
        each_f64(formula, parameters, vectors, &wide, &mut of_again);
        for (at, place) in block.enumerate() {
            // What left the range on the way may have made another result a number, and a wrong one.
            if !fits || results.iter().any(|result| !result[place].is_finite()) {
                for (result, again) in results.iter_mut().zip(&again) {
                    result[place] = again[at] as f32;
                }
            }
        }
    }
}

pub(super) fn each_f64(
    formula: &Formula,
    parameters: &[f64],
    vectors: Vectors,
    operands: &[&[f64]],
    results: &mut [&mut [f64]],
) {
    run(&formula.exact, parameters, vectors, operands, results);
    let (true, Some((losses, slopes))) = (formula.of_loss, results.split_first_mut()) else {
        return;
    };
    for slopes in slopes {
        for (slope, loss) in slopes.iter_mut().zip(losses.iter()) {
            // As at a corner.
            if slope.is_nan() && !loss.is_nan() {
                *slope = 0.0;
            }
        }
    }
}

/// The results of a program, of each element; says whether the type holds what is worked out of the parameters.
fn run<F: MachineFloat>(
    program: &Program,
    parameters: &[f64],
    vectors: Vectors,
    operands: &[&[F]],
    results: &mut [&mut [F]],
) -> bool {
    F::machine(|machine| {
        let fits = machine.prepare(program, parameters);
        vectors.run(EachOfFormula {
            program,
            machine,
            operands,
            results,
        });
        fits
    })
}

struct EachOfFormula<'a, 'b, F> {
    program: &'a Program,
    machine: &'a mut Machine<F>,
    operands: &'a [&'a [F]],
    results: &'a mut [&'b mut [F]],
}

impl<F: Float> Loop for EachOfFormula<'_, '_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self {
            program,
            machine,
            operands,
            results,
        } = self;
        let length = results[0].len();
        let mut padded = machine.take_padded();
        for start in (0..length).step_by(BLOCK) {
            let count = BLOCK.min(length - start);
            let blocks = Machine::blocks(&mut padded, operands, start);
            let blocks = &blocks[..operands.len()];
            let ahead = Ahead {
                operands,
                start,
                output: None,
            };
            machine.run(program, blocks, ahead);
            for (at, result) in results.iter_mut().enumerate() {
                let to = result[start..start + count].chunks_mut(PART);
                for (to, numbers) in to.zip(machine.result(program, at, blocks)) {
                    to.copy_from_slice(&numbers[..to.len()]);
                }
            }
        }
        machine.give_padded(padded);
    }
}

/// The head of a softmax: of `ln p`, `p`, `1 - p`; its derivative is that with respect to `ln p`.
#[derive(Clone)]
pub(crate) struct FormulaHead {
    pub(crate) formula: Arc<Formula>,
    pub(crate) parameters: Vec<f64>,
}

impl HostHead for FormulaHead {
    fn terms_f32(&self, vectors: Vectors, terms: HeadTerms<f32>) {
        self.terms(vectors, terms, each_f32);
    }

    fn terms_f64(&self, vectors: Vectors, terms: HeadTerms<f64>) {
        self.terms(vectors, terms, each_f64);
    }
}

impl FormulaHead {
    fn terms<F: MachineFloat>(&self, vectors: Vectors, terms: HeadTerms<F>, each: EachOf<F>) {
        let count = terms.losses.len();
        let mut samples = vec![OfSample::default(); count];
        let mut operands = [(); 3].map(|()| vec![F::default(); count]);
        vectors.run(SamplesOfFormula {
            terms: &terms,
            samples: &mut samples,
            operands: &mut operands,
        });
        let mut results = [(); 2].map(|()| vec![F::default(); count]);
        let mut of_results = results.each_mut().map(|result| &mut result[..]);
        let operands = operands.each_ref().map(|operand| &operand[..]);
        each(
            &self.formula,
            &self.parameters,
            vectors,
            &operands,
            &mut of_results,
        );
        for (at, sample) in samples.iter().enumerate() {
            let [loss, of_ln_p] = [0, 1].map(|result: usize| results[result][at]);
            let weight = terms.weights[at];
            terms.losses[at] = loss.times(0.5).times_or_zero(weight);
            if let Some(scale) = terms.scale {
                let (own, factor) = sample.slopes((of_ln_p, F::default()), weight, scale);
                terms.own_slopes[at] = own;
                terms.factors[at] = factor;
            }
        }
    }
}

/// Prepares the operands of a head.
struct SamplesOfFormula<'a, 'b, F> {
    terms: &'a HeadTerms<'b, F>,
    samples: &'a mut [OfSample<F>],
    operands: &'a mut [Vec<F>; 3],
}

impl<F: Float> Loop for SamplesOfFormula<'_, '_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let [ln_p, p, rest] = self.operands.each_mut().map(|operand| &mut operand[..]);
        for at in 0..self.samples.len() {
            let sample = OfSample::new(self.terms, at);
            (ln_p[at], p[at], rest[at]) = (sample.ln_p, sample.p, sample.rest);
            self.samples[at] = sample;
        }
    }
}

/// A loss of sums over rows: their terms, the loss of a row and its derivatives with respect to the sums, and the
/// derivatives of the terms times these.
#[derive(Clone)]
pub(crate) struct FormulaRows<const K: usize> {
    /// Of the operands.
    pub(crate) terms: Arc<Formula>,
    /// Of the sums.
    pub(crate) head: Arc<Formula>,
    /// Of the operands, and then of the derivatives with respect to the sums; behind what they come to.
    pub(crate) slopes: Arc<Formula>,
    /// The same, where the derivatives come as parameters, after the others.
    pub(crate) slopes_of_row: Arc<Formula>,
    pub(crate) sums: usize,
    pub(crate) rules: [Option<Rule>; K],
    pub(crate) parameters: Vec<f64>,
}

impl<const K: usize> HostRows<K> for FormulaRows<K> {
    fn part(&self) -> f64 {
        1.0
    }

    fn rules(&self) -> [Option<Rule>; K] {
        self.rules
    }

    fn rows_f32(&self, vectors: Vectors, block: RowBlock<f32, K>) {
        self.rows(vectors, block, each_f32);
    }

    fn rows_f64(&self, vectors: Vectors, block: RowBlock<f64, K>) {
        self.rows(vectors, block, each_f64);
    }
}

impl<const K: usize> FormulaRows<K> {
    /// About how many elements are worked on together.
    const TOGETHER: usize = 8 * BLOCK;
    /// From this length on a row is worked on by itself.
    const LONG: usize = BLOCK / 2;

    fn rows<F: MachineFloat>(&self, vectors: Vectors, block: RowBlock<F, K>, each: EachOf<F>) {
        let RowBlock {
            x,
            length,
            weights,
            scale,
            losses,
            mut gradients,
            ..
        } = block;
        let count = losses.len();
        let mut sums = vec![vec![0.0; count]; self.sums];
        for rows in pieces(count, self.together(length)) {
            let elements = rows.start * length..rows.end * length;
            let x = x.map(|x| &x[elements.clone()]);
            if length >= Self::LONG && self.sum_row(vectors, &x, rows.start, &mut sums) {
                continue;
            }
            self.sum_each(vectors, x, (rows, length), &mut sums, each);
        }
        let of_sums: Vec<&[f64]> = sums.iter().map(|sums| &sums[..]).collect();
        let mut heads = vec![vec![0.0; count]; self.sums + 1];
        let mut of_heads: Vec<&mut [f64]> = heads.iter_mut().map(|head| &mut head[..]).collect();
        each_f64(
            &self.head,
            &self.parameters,
            vectors,
            &of_sums,
            &mut of_heads,
        );
        for (at, loss) in losses.iter_mut().enumerate() {
            *loss = F::of(heads[0][at]).times_or_zero(weights[at]);
        }
        if gradients.iter().all(Option::is_none) {
            return;
        }
        // A derivative meets what it is multiplied by before it meets an element: a row that does not count has none.
        let factor = |of_sum: f64, weight: F| {
            narrow::<F, f64>(of_sum * scale.double()).times_or_zero(weight)
        };
        for rows in pieces(count, self.together(length)) {
            let elements = rows.start * length..rows.end * length;
            let x = x.map(|x| &x[elements.clone()]);
            let factors: Vec<Vec<F>> = heads[1..]
                .iter()
                .map(|of_sum| {
                    rows.clone()
                        .map(|row| factor(of_sum[row], weights[row]))
                        .collect()
                })
                .collect();
            if length >= Self::LONG && self.slopes_of_row(vectors, &x, &factors, &mut gradients) {
                continue;
            }
            self.slopes_of_each(vectors, x, (length, &factors), &mut gradients, each);
        }
    }

    fn together(&self, length: usize) -> usize {
        if length >= Self::LONG {
            1
        } else {
            (Self::TOGETHER / length).max(1)
        }
    }

    /// The sums of a row, in one pass; says whether they are finite.
    fn sum_row<F: MachineFloat>(
        &self,
        vectors: Vectors,
        x: &[&[F]; K],
        row: usize,
        sums: &mut [Vec<f64>],
    ) -> bool {
        let program = &self.terms.fast;
        let (fits, found) = F::machine(|machine| {
            let fits = machine.prepare(program, &self.parameters);
            let sums = vectors.run(SumRow {
                program,
                machine,
                x,
                sums: [0.0; OPERANDS],
            });
            (fits, sums)
        });
        for (sums, found) in sums.iter_mut().zip(found) {
            sums[row] = found;
        }
        fits && found[..self.sums].iter().all(|sum| sum.is_finite())
    }

    /// The sums of rows, by their terms.
    fn sum_each<F: MachineFloat>(
        &self,
        vectors: Vectors,
        x: [&[F]; K],
        (rows, length): (Range<usize>, usize),
        sums: &mut [Vec<f64>],
        each: EachOf<F>,
    ) {
        let mut terms = vec![vec![F::default(); x[0].len()]; self.sums];
        let mut results: Vec<&mut [F]> = terms.iter_mut().map(|terms| &mut terms[..]).collect();
        each(&self.terms, &self.parameters, vectors, &x, &mut results);
        for (sums, terms) in sums.iter_mut().zip(&results) {
            for (row, of_row) in rows.clone().zip(terms.chunks_exact(length)) {
                sums[row] = vectors.run(Total(of_row));
            }
        }
    }

    /// The gradients of a row, in one pass, if they are finite.
    fn slopes_of_row<F: MachineFloat>(
        &self,
        vectors: Vectors,
        x: &[&[F]; K],
        factors: &[Vec<F>],
        gradients: &mut [Option<&mut Output<F>>; K],
    ) -> bool {
        let program = &self.slopes_of_row.fast;
        let factors = factors.iter().map(|factors| factors[0].double());
        let parameters: Vec<f64> = self.parameters.iter().copied().chain(factors).collect();
        let finite = F::machine(|machine| {
            let fits = machine.prepare(program, &parameters);
            let finite = vectors.run(SlopesOfRow {
                program,
                machine,
                x,
                gradients,
            });
            fits && finite
        });
        if !finite {
            for gradient in gradients.iter_mut().flatten() {
                gradient.rewind(x[0].len());
            }
        }
        finite
    }

    /// The gradients of rows, by what their sums' derivatives are at each element.
    fn slopes_of_each<F: MachineFloat>(
        &self,
        vectors: Vectors,
        x: [&[F]; K],
        (length, factors): (usize, &[Vec<F>]),
        gradients: &mut [Option<&mut Output<F>>; K],
        each: EachOf<F>,
    ) {
        let all = x[0].len();
        let spread = |factors: &Vec<F>| {
            let rows = factors.iter();
            rows.flat_map(|&factor| core::iter::repeat_n(factor, length))
                .collect::<Vec<F>>()
        };
        let spread: Vec<Vec<F>> = factors.iter().map(spread).collect();
        let operands: Vec<&[F]> = x
            .into_iter()
            .chain(spread.iter().map(|spread| &spread[..]))
            .collect();
        let mut slopes = vec![vec![F::default(); all]; K + 1];
        let mut results: Vec<&mut [F]> = slopes.iter_mut().map(|slopes| &mut slopes[..]).collect();
        each(
            &self.slopes,
            &self.parameters,
            vectors,
            &operands,
            &mut results,
        );
        for (gradient, slopes) in gradients.iter_mut().zip(&results[1..]) {
            if let Some(gradient) = gradient {
                gradient.fill(all, |at| clamp(slopes[at]));
            }
        }
    }
}

/// So many, some at a time.
pub(super) fn pieces(count: usize, together: usize) -> impl Iterator<Item = Range<usize>> {
    let starts = (0..count).step_by(together);
    starts.map(move |start| start..count.min(start + together))
}

/// The sums of a row's terms.
struct SumRow<'a, 'b, F> {
    program: &'a Program,
    machine: &'a mut Machine<F>,
    x: &'a [&'b [F]],
    sums: [f64; OPERANDS],
}

impl<F: Float> Loop for SumRow<'_, '_, F> {
    type Output = [f64; OPERANDS];

    #[inline(always)]
    fn run(self) -> [f64; OPERANDS] {
        let Self {
            program,
            machine,
            x,
            mut sums,
        } = self;
        let length = x[0].len();
        let mut padded = machine.take_padded();
        for start in (0..length).step_by(BLOCK) {
            let count = BLOCK.min(length - start);
            let blocks = Machine::blocks(&mut padded, x, start);
            let blocks = &blocks[..x.len()];
            let ahead = Ahead {
                operands: x,
                start,
                output: None,
            };
            machine.run(program, blocks, ahead);
            for (at, sum) in sums.iter_mut().enumerate().take(program.results.len()) {
                let mut lanes = Lanes::NONE;
                let mut left = count;
                for values in machine.result(program, at, blocks) {
                    let now = left.min(PART);
                    lanes.add_up_to_a_part(&values[..now]);
                    left -= now;
                }
                *sum += lanes.sum();
            }
        }
        machine.give_padded(padded);
        sums
    }
}

/// The gradients of a row; says whether they are finite.
struct SlopesOfRow<'a, 'b, 'c, F, const K: usize> {
    program: &'a Program,
    machine: &'a mut Machine<F>,
    x: &'a [&'a [F]; K],
    gradients: &'a mut [Option<&'b mut Output<'c, F>>; K],
}

impl<F: Float, const K: usize> Loop for SlopesOfRow<'_, '_, '_, F, K> {
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        let Self {
            program,
            machine,
            x,
            gradients,
        } = self;
        let length = x[0].len();
        let mut padded = machine.take_padded();
        let mut beyond = false;
        for start in (0..length).step_by(BLOCK) {
            let count = BLOCK.min(length - start);
            let blocks = Machine::blocks(&mut padded, x, start);
            let blocks = &blocks[..K];
            let ahead = Ahead {
                operands: x,
                start,
                output: gradients[0].as_ref().map(|gradient| gradient.next()),
            };
            machine.run(program, blocks, ahead);
            for (at, gradient) in gradients.iter_mut().enumerate() {
                let Some(gradient) = gradient else {
                    continue;
                };
                let mut left = count;
                for slopes in machine.result(program, at + 1, blocks) {
                    let now = left.min(slopes.len());
                    beyond |= gradient.write_scaled(&slopes[..now], F::of(1.0));
                    left -= now;
                }
            }
        }
        machine.give_padded(padded);
        !beyond
    }
}

// What tells two apart for a compiler of kernels: all but the parameters.

impl Debug for FormulaKernel {
    fn fmt(&self, formatter: &mut Formatter) -> core::fmt::Result {
        let formula = if self.slopes == 0 {
            &self.value
        } else {
            &self.all
        };
        write!(formatter, "{} {:?}", formula.key(), self.derivatives)
    }
}

impl Debug for FormulaHead {
    fn fmt(&self, formatter: &mut Formatter) -> core::fmt::Result {
        formatter.write_str(self.formula.key())
    }
}

impl<const K: usize> Debug for FormulaRows<K> {
    fn fmt(&self, formatter: &mut Formatter) -> core::fmt::Result {
        let [terms, head, slopes] = [&self.terms, &self.head, &self.slopes].map(|of| of.key());
        write!(formatter, "{terms} {head} {slopes} {:?}", self.rules)
    }
}

pub(super) struct Total<'a, F>(pub(super) &'a [F]);

impl<F: Float> Loop for Total<'_, F> {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        total(self.0)
    }
}
