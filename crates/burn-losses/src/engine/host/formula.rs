//! The sweeps over a formula: what [`kernel`](super::kernel), [`head`](super::head) and
//! [`row_kernel`](super::row_kernel) are to definitions.

use super::head::{HeadTerms, HostHead, OfSample};
use super::kernel::{Gradient, Kernel, Must, Sum, Terms};
use super::machine::{Ahead, BLOCK, Machine, MachineFloat, OPERANDS};
use super::numbers::Float;
use super::row_kernel::{HostRows, RowBlock};
use super::scale::{clamp, narrow, scale_each};
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
            machine.prepare(&formula.fast, &self.parameters);
            vectors.run(SumOf {
                program: &formula.fast,
                machine,
                operands,
                must,
                gradient,
            })
        })
    }

    fn each_f32(&self, vectors: Vectors, operands: &[&[f32]], terms: Terms<f32>) {
        let formula = match terms.slopes {
            [] => &self.value,
            _ => &self.all,
        };
        let mut results: Vec<&mut [f32]> = vec![terms.losses];
        results.extend(terms.slopes.iter_mut().map(|slopes| &mut slopes[..]));
        each_f32(formula, &self.parameters, vectors, operands, &mut results);
    }

    fn each_f64(&self, vectors: Vectors, operands: &[&[f64]], terms: Terms<f64>) {
        let formula = match terms.slopes {
            [] => &self.value,
            _ => &self.all,
        };
        let mut results: Vec<&mut [f64]> = vec![terms.losses];
        results.extend(terms.slopes.iter_mut().map(|slopes| &mut slopes[..]));
        each_f64(formula, &self.parameters, vectors, operands, &mut results);
    }
}

/// The sum of the losses, and the gradients if they are wanted.
struct SumOf<'a, 'b, 'c> {
    program: &'a Program,
    machine: &'a mut Machine<f32>,
    operands: &'a [&'a [f32]],
    must: Must<'a>,
    gradient: Option<Gradient<'b, 'c, f32>>,
}

impl Loop for SumOf<'_, '_, '_> {
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
                            to.copy_from_slice(slopes);
                            scale_each(to, gradient.scale)
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
fn each_f32(
    formula: &Formula,
    parameters: &[f64],
    vectors: Vectors,
    operands: &[&[f32]],
    results: &mut [&mut [f32]],
) {
    run(&formula.fast, parameters, vectors, operands, results);
    let length = results[0].len();
    for start in (0..length).step_by(BLOCK) {
        let block = start..length.min(start + BLOCK);
        let finite = results.iter().all(|result| {
            let numbers = result[block.clone()].iter();
            numbers.fold(true, |all, number| all & number.is_finite())
        });
        if finite {
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
        for (result, again) in results.iter_mut().zip(again) {
            for (number, again) in result[block.clone()].iter_mut().zip(again) {
                if !number.is_finite() {
                    *number = again as f32;
                }
            }
        }
    }
}

fn each_f64(
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

/// The results of a program, of each element.
fn run<F: MachineFloat>(
    program: &Program,
    parameters: &[f64],
    vectors: Vectors,
    operands: &[&[F]],
    results: &mut [&mut [F]],
) {
    F::machine(|machine| {
        machine.prepare(program, parameters);
        vectors.run(Each {
            program,
            machine,
            operands,
            results,
        });
    });
}

struct Each<'a, 'b, F> {
    program: &'a Program,
    machine: &'a mut Machine<F>,
    operands: &'a [&'a [F]],
    results: &'a mut [&'b mut [F]],
}

impl<F: Float> Loop for Each<'_, '_, F> {
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

/// What computes the results of a formula, in a type.
type EachOf<F> = fn(&Formula, &[f64], Vectors, &[&[F]], &mut [&mut [F]]);

impl FormulaHead {
    fn terms<F: MachineFloat>(&self, vectors: Vectors, terms: HeadTerms<F>, each: EachOf<F>) {
        let count = terms.losses.len();
        let mut samples = vec![OfSample::default(); count];
        let mut operands = [(); 3].map(|()| vec![F::default(); count]);
        vectors.run(OfSamples {
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
struct OfSamples<'a, 'b, F> {
    terms: &'a HeadTerms<'b, F>,
    samples: &'a mut [OfSample<F>],
    operands: &'a mut [Vec<F>; 3],
}

impl<F: Float> Loop for OfSamples<'_, '_, F> {
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
        let all = count * length;
        let mut sums = vec![vec![0.0; count]; self.sums];
        let mut terms = vec![vec![F::default(); Self::TOGETHER.min(all)]; self.sums];
        for start in (0..all).step_by(Self::TOGETHER) {
            let end = all.min(start + Self::TOGETHER);
            let operands = x.map(|x| &x[start..end]);
            let results = terms.iter_mut().map(|terms| &mut terms[..end - start]);
            let mut results: Vec<&mut [F]> = results.collect();
            each(
                &self.terms,
                &self.parameters,
                vectors,
                &operands,
                &mut results,
            );
            for (sums, terms) in sums.iter_mut().zip(&results) {
                for (row, of_row) in rows_within(start..end, length) {
                    sums[row] += vectors.run(Total(&terms[of_row]));
                }
            }
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
        let factors: Vec<Vec<F>> = heads[1..]
            .iter()
            .map(|of_sum| {
                let scaled = of_sum.iter().zip(weights).map(|(&of_sum, &weight)| {
                    let scaled = narrow::<F, f64>(of_sum * scale.double());
                    scaled.times_or_zero(weight)
                });
                scaled.collect()
            })
            .collect();
        let mut spread = vec![vec![F::default(); Self::TOGETHER.min(all)]; self.sums];
        let mut slopes = vec![vec![F::default(); Self::TOGETHER.min(all)]; K + 1];
        for start in (0..all).step_by(Self::TOGETHER) {
            let end = all.min(start + Self::TOGETHER);
            for (spread, factors) in spread.iter_mut().zip(&factors) {
                for (row, of_row) in rows_within(start..end, length) {
                    spread[of_row].fill(factors[row]);
                }
            }
            let mut operands: [&[F]; OPERANDS] = [&[]; OPERANDS];
            let of_spread = spread.iter().map(|spread| &spread[..end - start]);
            let of_x = x.iter().map(|x| &x[start..end]);
            for (to, operand) in operands.iter_mut().zip(of_x.chain(of_spread)) {
                *to = operand;
            }
            let operands = &operands[..K + self.sums];
            let results = slopes.iter_mut().map(|slopes| &mut slopes[..end - start]);
            let mut results: Vec<&mut [F]> = results.collect();
            each(
                &self.slopes,
                &self.parameters,
                vectors,
                operands,
                &mut results,
            );
            for (gradient, slopes) in gradients.iter_mut().zip(&results[1..]) {
                if let Some(gradient) = gradient {
                    gradient.fill(end - start, |at| clamp(slopes[at]));
                }
            }
        }
    }
}

/// The rows of a range of elements, and where theirs are in it.
fn rows_within(
    range: core::ops::Range<usize>,
    length: usize,
) -> impl Iterator<Item = (usize, core::ops::Range<usize>)> {
    let rows = range.start / length..range.end.div_ceil(length);
    rows.map(move |row| {
        let first = (row * length).max(range.start) - range.start;
        let last = ((row + 1) * length).min(range.end) - range.start;
        (row, first..last)
    })
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

struct Total<'a, F>(&'a [F]);

impl<F: Float> Loop for Total<'_, F> {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        total(self.0)
    }
}
