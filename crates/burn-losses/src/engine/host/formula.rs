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
use crate::spec::expression::program::{Formula, Program, Wanted};
use crate::spec::rule::Rule;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::{Debug, Formatter};
use core::ops::Range;

/// A loss of each element, as a [`Kernel`].
#[derive(Clone)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct FormulaKernel {
    /// The loss alone, and with its slopes.
    pub(crate) value: Arc<Formula>,
    pub(crate) all: Arc<Formula>,
    pub(crate) derivatives: Vec<Derivative>,
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

    fn derivatives(&self) -> &[Derivative] {
        &self.derivatives
    }

    fn sum(
        &self,
        vectors: Vectors,
        operands: &[&[f32]],
        must: Must,
        gradient: Option<Gradient<f32>>,
    ) -> Option<Sum> {
        let formula = match &gradient {
            Some(_) => &self.all,
            None => &self.value,
        };
        f32::machine(|machine| {
            let fits = machine.prepare(&formula.fast, &self.parameters);
            let mut sum = vectors.run(SumOfFormula {
                vectors,
                program: &formula.fast,
                machine,
                operands,
                must,
                gradient,
            });
            sum.beyond |= !fits;
            Some(sum)
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
    vectors: Vectors,
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
            vectors,
            program,
            machine,
            operands,
            must,
            gradient,
        } = self;
        assert!(must.rows.is_none(), "a formula has no rule for rows");
        let length = operands[0].len();
        let mut padded = machine.take_padded();
        let mut losses = Lanes::NONE;
        let (mut beyond, mut broken) = (false, false);
        let mut none = [];
        let (outputs, scale) = match gradient {
            Some(Gradient { outputs, scale }) => (outputs, scale),
            None => (&mut none[..], 1.0),
        };
        let are_wanted = outputs.iter().map(Option::is_some);
        let wanted = Wanted::of(core::iter::once(true).chain(are_wanted));
        for start in (0..length).step_by(BLOCK) {
            let count = BLOCK.min(length - start);
            let padded = Machine::pad(&mut padded, operands, start);
            let mut blocks = [&padded[0].0; OPERANDS];
            let blocks = Machine::blocks(&mut blocks, padded, operands, start);
            let mut next = [core::ptr::null(); OPERANDS];
            let mut tracked = 0;
            for output in outputs.iter().flatten() {
                next[tracked] = output.next();
                tracked += 1;
            }
            let ahead = Ahead {
                operands,
                start,
                outputs: &next[..tracked],
            };
            machine.run_for(vectors, (program, wanted), (blocks, count), ahead);
            for (block, rule) in blocks.iter().zip(must.rules) {
                if let Some(rule) = rule {
                    broken |= !rule.holds_for_all(&block[..count]);
                }
            }
            let result = machine.result(program, 0, blocks);
            for part in 0..count.div_ceil(PART) {
                let now = PART.min(count - part * PART);
                losses.add_up_to_a_part(&result.lanes(part)[..now]);
            }
            for (slope, output) in outputs.iter_mut().enumerate() {
                let Some(output) = output else {
                    continue;
                };
                let slopes = machine.result(program, 1 + slope, blocks);
                for part in 0..count.div_ceil(PART) {
                    let now = PART.min(count - part * PART);
                    beyond |= output.write_scaled(&slopes.lanes(part)[..now], scale);
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
            vectors,
            program,
            machine,
            operands,
            results,
        });
        fits
    })
}

struct EachOfFormula<'a, 'b, F> {
    vectors: Vectors,
    program: &'a Program,
    machine: &'a mut Machine<F>,
    operands: &'a [&'a [F]],
    results: &'a mut [&'b mut [F]],
}

impl<F: Float> Loop for EachOfFormula<'_, '_, F> {
    const WIDEST: bool = !F::IS_DOUBLE;
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self {
            vectors,
            program,
            machine,
            operands,
            results,
        } = self;
        let length = results[0].len();
        let mut padded = machine.take_padded();
        for start in (0..length).step_by(BLOCK) {
            let count = BLOCK.min(length - start);
            let padded = Machine::pad(&mut padded, operands, start);
            let mut blocks = [&padded[0].0; OPERANDS];
            let blocks = Machine::blocks(&mut blocks, padded, operands, start);
            let ahead = Ahead {
                operands,
                start,
                outputs: &[],
            };
            machine.run(vectors, program, (blocks, count), ahead);
            for (at, result) in results.iter_mut().enumerate() {
                let numbers = machine.result(program, at, blocks);
                let to = result[start..start + count].chunks_mut(PART);
                for (part, to) in to.enumerate() {
                    to.copy_from_slice(&numbers.lanes(part)[..to.len()]);
                }
            }
        }
        machine.give_padded(padded);
    }
}

/// The head of a softmax: of `ln p`, `p`, `1 - p`; its derivative is that with respect to `ln p`.
#[derive(Clone)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
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
    const WIDEST: bool = !F::IS_DOUBLE;
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
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct FormulaRows<const K: usize> {
    /// Of the operands.
    pub(crate) terms: Arc<Formula>,
    /// Of the sums.
    pub(crate) head: Arc<Formula>,
    /// Of the operands, and then of the derivatives with respect to the sums; behind what they come to.
    pub(crate) slopes: Arc<Formula>,
    /// The same without what they come to, where the derivatives come as parameters, after the others.
    pub(crate) slopes_of_row: Arc<Program>,
    pub(crate) sums: usize,
    #[cfg_attr(feature = "remote", serde(with = "crate::spec::plain::array"))]
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

    fn keeps_rules(&self) -> bool {
        true
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

    fn rows<F: MachineFloat>(&self, vectors: Vectors, mut block: RowBlock<F, K>, each: EachOf<F>) {
        let count = block.losses.len();
        let sums = self.sums_of_rows(vectors, &mut block, each);
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
        let losses = block.losses.iter_mut().zip(&*block.weights);
        for ((loss, &weight), &head) in losses.zip(&heads[0]) {
            *loss = F::of(head).times_or_zero(weight);
        }
        if block.gradients.iter().any(Option::is_some) {
            self.slopes_of_rows(vectors, block, &heads[1..], each);
        }
    }

    fn together(&self, length: usize) -> usize {
        if length >= Self::LONG {
            1
        } else {
            (Self::TOGETHER / length).max(1)
        }
    }

    /// The sums of rows; those in which a rule is broken count as NaN from now on.
    fn sums_of_rows<F: MachineFloat>(
        &self,
        vectors: Vectors,
        block: &mut RowBlock<F, K>,
        each: EachOf<F>,
    ) -> Vec<Vec<f64>> {
        let (count, length) = (block.losses.len(), block.length);
        let mut sums = vec![vec![0.0; count]; self.sums];
        let mut broken = vec![false; count];
        let program = &self.terms.fast;
        let fits = F::machine(|machine| {
            let fits = length >= Self::LONG && machine.prepare(program, &self.parameters);
            if fits {
                vectors.run(SumRows {
                    vectors,
                    program,
                    machine,
                    x: block.x,
                    length,
                    rules: &self.rules,
                    sums: &mut sums,
                    broken: &mut broken,
                });
            }
            fits
        });
        for rows in pieces(count, self.together(length)) {
            let are_finite = |sums: &Vec<f64>| sums[rows.clone()].iter().all(|sum| sum.is_finite());
            if fits && sums.iter().all(are_finite) {
                continue;
            }
            let elements = rows.start * length..rows.end * length;
            let x = block.x.map(|x| &x[elements.clone()]);
            self.sum_each(vectors, x, (rows.clone(), length), &mut sums, each);
            for (x, rule) in x.iter().zip(self.rules) {
                if let Some(rule) = rule.filter(|rule| !rule.holds_for_all(x)) {
                    let of_rows = broken[rows.clone()].iter_mut();
                    for (broken, x) in of_rows.zip(x.chunks_exact(length)) {
                        *broken |= !rule.holds_for_all(x);
                    }
                }
            }
        }
        let weights = block.weights.iter_mut().zip(broken);
        for (weight, _) in weights.filter(|(_, broken)| *broken) {
            *weight = F::NAN.times_or_zero(*weight);
            *block.broken = true;
        }
        sums
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

    /// The gradients of rows, by the derivatives with respect to their sums.
    fn slopes_of_rows<F: MachineFloat>(
        &self,
        vectors: Vectors,
        mut block: RowBlock<F, K>,
        of_sums: &[Vec<f64>],
        each: EachOf<F>,
    ) {
        let (count, length) = (block.losses.len(), block.length);
        // A derivative meets what it is multiplied by before it meets an element: a row that does not count has none.
        let factor = |(&of_sum, &weight): (&f64, &F)| {
            narrow::<F, f64>(of_sum * block.scale.double()).times_or_zero(weight)
        };
        let factors = of_sums.iter().map(|of_sum| {
            let of_rows = of_sum.iter().zip(&*block.weights);
            of_rows.map(factor).collect::<Vec<F>>()
        });
        let factors: Vec<Vec<F>> = factors.collect();
        let program = &*self.slopes_of_row;
        let wanted = Wanted::of(block.gradients.iter().map(Option::is_some));
        let mut done = 0;
        while done < count {
            if length >= Self::LONG {
                done = F::machine(|machine| {
                    vectors.run(SlopesOfRows {
                        vectors,
                        program,
                        wanted,
                        machine,
                        parameters: &self.parameters,
                        factors: &factors,
                        x: block.x,
                        rows: (done..count, length),
                        gradients: &mut block.gradients,
                    })
                });
            }
            let rows = done..count.min(done + self.together(length));
            if !rows.is_empty() {
                let elements = rows.start * length..rows.end * length;
                let x = block.x.map(|x| &x[elements.clone()]);
                let of_rows: Vec<&[F]> = factors.iter().map(|of| &of[rows.clone()]).collect();
                self.slopes_of_each(vectors, x, (length, &of_rows), &mut block.gradients, each);
            }
            done = rows.end;
        }
    }

    /// The gradients of rows, by what their sums' derivatives are at each element.
    fn slopes_of_each<F: MachineFloat>(
        &self,
        vectors: Vectors,
        x: [&[F]; K],
        (length, factors): (usize, &[&[F]]),
        gradients: &mut [Option<&mut Output<F>>; K],
        each: EachOf<F>,
    ) {
        let all = x[0].len();
        let spread = |factors: &&[F]| {
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

/// The sums of the terms of long rows, and whether a rule is broken in each; in one pass.
struct SumRows<'a, 'b, F, const K: usize> {
    vectors: Vectors,
    program: &'a Program,
    machine: &'a mut Machine<F>,
    x: [&'b [F]; K],
    length: usize,
    rules: &'a [Option<Rule>; K],
    sums: &'a mut [Vec<f64>],
    broken: &'a mut [bool],
}

impl<F: Float, const K: usize> Loop for SumRows<'_, '_, F, K> {
    const WIDEST: bool = !F::IS_DOUBLE;
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self {
            vectors,
            program,
            machine,
            length,
            ..
        } = self;
        let mut padded = machine.take_padded();
        let mut lanes = [const { Lanes::NONE }; OPERANDS];
        let lanes = &mut lanes[..self.sums.len()];
        for (row, broken) in self.broken.iter_mut().enumerate() {
            lanes.fill(Lanes::NONE);
            let (first, end) = (row * length, (row + 1) * length);
            for start in (first..end).step_by(BLOCK) {
                let count = BLOCK.min(end - start);
                // A block goes on into the next row; what comes of that is not looked at.
                let padded = Machine::pad(&mut padded, &self.x, start);
                let mut blocks = [&padded[0].0; OPERANDS];
                let blocks = Machine::blocks(&mut blocks, padded, &self.x, start);
                let ahead = Ahead {
                    operands: &self.x,
                    start,
                    outputs: &[],
                };
                machine.run(vectors, program, (blocks, count), ahead);
                for (block, rule) in blocks.iter().zip(self.rules) {
                    if let Some(rule) = rule {
                        *broken |= !rule.holds_for_all(&block[..count]);
                    }
                }
                for (at, lanes) in lanes.iter_mut().enumerate() {
                    let result = machine.result(program, at, blocks);
                    for part in 0..count.div_ceil(PART) {
                        let now = PART.min(count - part * PART);
                        lanes.add_up_to_a_part(&result.lanes(part)[..now]);
                    }
                }
            }
            for (sums, lanes) in self.sums.iter_mut().zip(&*lanes) {
                sums[row] = lanes.sum();
            }
        }
        machine.give_padded(padded);
    }
}

/// The gradients of long rows, by the derivatives with respect to their sums; which is the first that has one beyond
/// its type, or what comes after the last.
struct SlopesOfRows<'a, 'b, 'c, F, const K: usize> {
    vectors: Vectors,
    program: &'a Program,
    wanted: Wanted,
    machine: &'a mut Machine<F>,
    parameters: &'a [f64],
    factors: &'a [Vec<F>],
    x: [&'a [F]; K],
    rows: (Range<usize>, usize),
    gradients: &'a mut [Option<&'b mut Output<'c, F>>; K],
}

impl<F: Float, const K: usize> Loop for SlopesOfRows<'_, '_, '_, F, K> {
    const WIDEST: bool = !F::IS_DOUBLE;
    type Output = usize;

    #[inline(always)]
    fn run(self) -> usize {
        let Self {
            vectors,
            program,
            wanted,
            machine,
            gradients,
            ..
        } = self;
        let (rows, length) = self.rows;
        let mut parameters = self.parameters.to_vec();
        let mut padded = machine.take_padded();
        let mut done = rows.end;
        for row in rows {
            parameters.truncate(self.parameters.len());
            parameters.extend(self.factors.iter().map(|factors| factors[row].double()));
            let mut beyond = !machine.prepare(program, &parameters);
            let (first, end) = (row * length, (row + 1) * length);
            for start in (first..end).step_by(BLOCK) {
                let count = BLOCK.min(end - start);
                let padded = Machine::pad(&mut padded, &self.x, start);
                let mut blocks = [&padded[0].0; OPERANDS];
                let blocks = Machine::blocks(&mut blocks, padded, &self.x, start);
                let mut outputs = [core::ptr::null(); K];
                let mut tracked = 0;
                for gradient in gradients.iter().flatten() {
                    outputs[tracked] = gradient.next();
                    tracked += 1;
                }
                let ahead = Ahead {
                    operands: &self.x,
                    start,
                    outputs: &outputs[..tracked],
                };
                machine.run_for(vectors, (program, wanted), (blocks, count), ahead);
                for (at, gradient) in gradients.iter_mut().enumerate() {
                    let Some(gradient) = gradient else {
                        continue;
                    };
                    let slopes = machine.result(program, at, blocks);
                    for part in 0..count.div_ceil(PART) {
                        let now = PART.min(count - part * PART);
                        beyond |= gradient.write_scaled(&slopes.lanes(part)[..now], F::of(1.0));
                    }
                }
            }
            if beyond {
                for gradient in gradients.iter_mut().flatten() {
                    gradient.rewind(length);
                }
                done = row;
                break;
            }
        }
        machine.give_padded(padded);
        done
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
    const WIDEST: bool = !F::IS_DOUBLE;
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        total(self.0)
    }
}
