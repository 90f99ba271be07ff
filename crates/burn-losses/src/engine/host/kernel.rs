//! The loops over a definition, without its type: they are compiled for it here.

use super::numbers::Float;
use super::output::Output;
use super::scale::scale_each;
use super::sums::{Lanes, PART};
use super::vectors::{Loop, Vectors, fetch_ahead};
use crate::spec::elementwise::{Derivative, Elementwise};
use crate::spec::rule::{Rule, UnitRows};
use alloc::vec::Vec;

/// A definition of `K` operands and `S` slopes, as a [`Kernel`].
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Defined<D, const K: usize, const S: usize>(pub(crate) D);

/// What is computed of each element.
pub(crate) trait Kernel: Send + Sync + 'static {
    /// What share of the loss and of its slopes is given.
    fn part(&self) -> f64;

    /// How many slopes there are.
    fn slopes(&self) -> usize;

    /// The derivative with respect to each operand that may have a gradient.
    fn derivatives(&self) -> &[Derivative];

    /// The sum of the losses of all elements, and their gradients, in one pass, where there is one.
    fn sum(
        &self,
        vectors: Vectors,
        operands: &[&[f32]],
        must: Must,
        gradient: Option<Gradient<f32>>,
    ) -> Option<Sum>;

    /// Each loss, and its slopes.
    fn each_f32(&self, vectors: Vectors, operands: &[&[f32]], terms: Terms<f32>);

    /// As [`each_f32`](Self::each_f32).
    fn each_f64(&self, vectors: Vectors, operands: &[&[f64]], terms: Terms<f64>);
}

/// A float type in which kernels are run.
pub(crate) trait KernelFloat: Float {
    /// The sum of a kernel's losses and its gradients in one pass, where there is one for this type.
    fn sum(
        kernel: &dyn Kernel,
        vectors: Vectors,
        operands: &[&[Self]],
        must: Must,
        gradient: Option<Gradient<Self>>,
    ) -> Option<Sum>;

    /// Each loss of a kernel, and its slopes.
    fn each(kernel: &dyn Kernel, vectors: Vectors, operands: &[&[Self]], terms: Terms<Self>);
}

impl KernelFloat for f32 {
    fn sum(
        kernel: &dyn Kernel,
        vectors: Vectors,
        operands: &[&[f32]],
        must: Must,
        gradient: Option<Gradient<f32>>,
    ) -> Option<Sum> {
        kernel.sum(vectors, operands, must, gradient)
    }

    fn each(kernel: &dyn Kernel, vectors: Vectors, operands: &[&[f32]], terms: Terms<f32>) {
        kernel.each_f32(vectors, operands, terms);
    }
}

impl KernelFloat for f64 {
    fn sum(
        _: &dyn Kernel,
        _: Vectors,
        _: &[&[f64]],
        _: Must,
        _: Option<Gradient<f64>>,
    ) -> Option<Sum> {
        None
    }

    fn each(kernel: &dyn Kernel, vectors: Vectors, operands: &[&[f64]], terms: Terms<f64>) {
        kernel.each_f64(vectors, operands, terms);
    }
}

/// What must hold for the operands.
#[derive(Clone, Copy)]
pub(crate) struct Must<'a> {
    /// For each element.
    pub(crate) rules: &'a [Option<Rule>],
    /// For the sums of rows of adjacent numbers, of which there are whole ones.
    pub(crate) rows: Option<UnitRows>,
}

/// Where slopes go, and what they are multiplied by to be gradients.
pub(crate) struct Gradient<'a, 'b, F> {
    /// One for each slope, of those that are wanted.
    pub(crate) outputs: &'a mut [Option<Output<'b, F>>],
    pub(crate) scale: F,
}

/// What was made of some elements.
pub(crate) struct Sum {
    pub(crate) losses: f64,
    /// A gradient was beyond what `f32` holds.
    pub(crate) beyond: bool,
    /// What must hold does not.
    pub(crate) broken: bool,
}

/// Where losses and their slopes go.
pub(crate) struct Terms<'a, F> {
    pub(crate) losses: &'a mut [F],
    /// Nothing if they are not wanted.
    pub(crate) slopes: &'a mut [Vec<F>],
}

impl<D: Elementwise<K, S>, const K: usize, const S: usize> Kernel for Defined<D, K, S> {
    fn part(&self) -> f64 {
        D::PART
    }

    fn slopes(&self) -> usize {
        S
    }

    fn derivatives(&self) -> &[Derivative] {
        D::DERIVATIVES
    }

    fn sum(
        &self,
        vectors: Vectors,
        operands: &[&[f32]],
        must: Must,
        gradient: Option<Gradient<f32>>,
    ) -> Option<Sum> {
        if D::RARE || (must.rows.is_some() && !D::HAS_ROWS) {
            return None;
        }
        let operands = core::array::from_fn(|at| operands[at]);
        Some(if gradient.is_some() {
            vectors.run(SumOf::<D, K, S, true>(self.0, operands, must, gradient))
        } else {
            vectors.run(SumOf::<D, K, S, false>(self.0, operands, must, None))
        })
    }

    fn each_f32(&self, vectors: Vectors, operands: &[&[f32]], terms: Terms<f32>) {
        each::<f32, D, K, S>(self.0, vectors, operands, terms);
    }

    fn each_f64(&self, vectors: Vectors, operands: &[&[f64]], terms: Terms<f64>) {
        each::<f64, D, K, S>(self.0, vectors, operands, terms);
    }
}

/// What is aligned: a vector in two lines of the cache takes twice as long.
#[repr(align(64))]
struct Aligned<T>(T);

/// The values of a part, and the slopes if they are wanted.
///
/// It is a plain loop over what is inlined in any case: what is in a closure or in an inner loop need not be, where
/// overflow is checked, and then this is not compiled for the vectors. Two elements are computed at a time, from both
/// halves of the part: while the steps of one wait for each other, those of the other are taken.
#[inline(always)]
fn compute<F: Float, D: Elementwise<K, S>, const K: usize, const S: usize, const SLOPES: bool>(
    definition: D,
    operands: [&[F; PART]; K],
    values: &mut [F; PART],
    slopes: &mut [[F; PART]; S],
) {
    const HALF: usize = PART / 2;
    for at in 0..HALF {
        compute_at::<F, D, K, S, SLOPES>(definition, &operands, at, values, slopes);
        compute_at::<F, D, K, S, SLOPES>(definition, &operands, at + HALF, values, slopes);
    }
}

/// As [`compute`], of one element.
#[inline(always)]
fn compute_at<
    F: Float,
    D: Elementwise<K, S>,
    const K: usize,
    const S: usize,
    const SLOPES: bool,
>(
    definition: D,
    operands: &[&[F; PART]; K],
    at: usize,
    values: &mut [F; PART],
    slopes: &mut [[F; PART]; S],
) {
    let mut element = [F::default(); K];
    for (element, operand) in element.iter_mut().zip(operands) {
        *element = operand[at];
    }
    let (value, slope) = definition.at(element);
    values[at] = value;
    if SLOPES {
        for (slopes, slope) in slopes.iter_mut().zip(&slope()) {
            slopes[at] = *slope;
        }
    }
}

/// The operands of a part, from a place on: where they lie, if they are as many, or else filled up with the last.
#[inline(always)]
fn parts<'a, F: Float, const K: usize>(
    operands: [&'a [F]; K],
    start: usize,
    rest: &'a mut [[F; PART]; K],
) -> [&'a [F; PART]; K] {
    for (rest, operand) in rest.iter_mut().zip(&operands) {
        let operand = &operand[start..];
        if operand.len() < PART {
            let (there, missing) = rest.split_at_mut(operand.len());
            there.copy_from_slice(operand);
            missing.fill(operand[operand.len() - 1]);
        }
    }
    let rest = &*rest;
    let mut parts = [&rest[0]; K];
    for ((part, operand), rest) in parts.iter_mut().zip(&operands).zip(rest) {
        *part = operand[start..].first_chunk().unwrap_or(rest);
    }
    parts
}

/// The sums of what is looked at in one pass.
struct LaneSums {
    losses: Lanes,
    beyond: bool,
    broken: bool,
}

impl LaneSums {
    const NONE: Self = Self {
        losses: Lanes::NONE,
        beyond: false,
        broken: false,
    };

    /// Looks at the operands of a part, and adds up its values, of which so many count.
    #[inline(always)]
    fn add<const K: usize>(
        &mut self,
        operands: [&[f32; PART]; K],
        must: &Must,
        values: &[f32; PART],
        count: usize,
    ) {
        for (operand, rule) in operands.into_iter().zip(must.rules) {
            if let Some(rule) = rule {
                self.broken |= !rule.holds_for_all(operand);
            }
        }
        self.losses.add_up_to_a_part(&values[..count]);
    }

    fn sum(self) -> Sum {
        Sum {
            losses: self.losses.sum(),
            beyond: self.beyond,
            broken: self.broken,
        }
    }
}

/// The sum of a row.
struct RowSum {
    rows: UnitRows,
    sum: Lanes,
}

impl RowSum {
    fn new(rows: UnitRows) -> Self {
        Self {
            rows,
            sum: Lanes::NONE,
        }
    }

    #[inline(always)]
    fn add<const K: usize>(&mut self, operands: [&[f32; PART]; K], count: usize) {
        let row = operands[self.rows.operand];
        self.sum.add_up_to_a_part(&row[..count]);
    }

    fn is_broken(&self) -> bool {
        !self.rows.are_valid(self.sum.sum())
    }
}

impl Must<'_> {
    /// How many elements are gone through by themselves.
    fn length(&self, all: usize) -> usize {
        self.rows.map_or(all, |rows| rows.length)
    }
}

/// The sum of the losses, and the gradients if they are wanted.
struct SumOf<'a, 'b, 'c, D, const K: usize, const S: usize, const SLOPES: bool>(
    D,
    [&'a [f32]; K],
    Must<'a>,
    Option<Gradient<'b, 'c, f32>>,
);

impl<D: Elementwise<K, S>, const K: usize, const S: usize, const SLOPES: bool> Loop
    for SumOf<'_, '_, '_, D, K, S, SLOPES>
{
    type Output = Sum;

    #[inline(always)]
    fn run(self) -> Sum {
        let Self(definition, operands, must, mut gradient) = self;
        let mut sums = LaneSums::NONE;
        let Aligned(values) = &mut Aligned([0.0; PART]);
        let Aligned(slopes) = &mut Aligned([[0.0; PART]; S]);
        let mut rest = [[0.0; PART]; K];
        let all = operands[0].len();
        let length = if D::HAS_ROWS { must.length(all) } else { all };
        for first in (0..all).step_by(length) {
            let mut operands = operands;
            for operand in &mut operands {
                *operand = &operand[first..first + length];
            }
            let mut row = must.rows.filter(|_| D::HAS_ROWS).map(RowSum::new);
            for start in (0..length).step_by(PART) {
                let count = PART.min(length - start);
                // Where gradients are written as well, what is asked for is in their way.
                if !SLOPES {
                    fetch_ahead(&operands, start);
                }
                let operands = parts(operands, start, &mut rest);
                compute::<f32, D, K, S, SLOPES>(definition, operands, values, slopes);
                sums.add(operands, &must, values, count);
                if let Some(row) = &mut row {
                    row.add(operands, count);
                }
                let Some(gradient) = gradient.as_mut().filter(|_| SLOPES) else {
                    continue;
                };
                for (output, slopes) in gradient.outputs.iter_mut().zip(&mut *slopes) {
                    if let Some(output) = output {
                        sums.beyond |= scale_each(slopes, gradient.scale);
                        output.write(&slopes[..count]);
                    }
                }
            }
            sums.broken |= row.is_some_and(|row| row.is_broken());
        }
        sums.sum()
    }
}

/// Each loss, and its slopes if they are wanted.
struct Each<'a, F, D, const K: usize, const S: usize, const SLOPES: bool>(
    D,
    [&'a [F]; K],
    Terms<'a, F>,
);

impl<F: Float, D: Elementwise<K, S>, const K: usize, const S: usize, const SLOPES: bool> Loop
    for Each<'_, F, D, K, S, SLOPES>
{
    const WIDEST: bool = !F::IS_DOUBLE && !D::RARE;
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self(definition, operands, terms) = self;
        let Terms { losses, slopes } = terms;
        let Aligned(values) = &mut Aligned([F::default(); PART]);
        let Aligned(of_part) = &mut Aligned([[F::default(); PART]; S]);
        let mut rest = [[F::default(); PART]; K];
        let length = losses.len();
        for start in (0..length).step_by(PART) {
            let count = PART.min(length - start);
            let operands = parts(operands, start, &mut rest);
            compute::<F, D, K, S, SLOPES>(definition, operands, values, of_part);
            losses[start..start + count].copy_from_slice(&values[..count]);
            if SLOPES {
                for (to, slopes) in slopes.iter_mut().zip(&*of_part) {
                    to[start..start + count].copy_from_slice(&slopes[..count]);
                }
            }
        }
    }
}

fn each<F: Float, D: Elementwise<K, S>, const K: usize, const S: usize>(
    definition: D,
    vectors: Vectors,
    operands: &[&[F]],
    terms: Terms<F>,
) {
    let operands = core::array::from_fn(|at| operands[at]);
    if terms.slopes.is_empty() {
        vectors.run(Each::<F, D, K, S, false>(definition, operands, terms))
    } else {
        vectors.run(Each::<F, D, K, S, true>(definition, operands, terms))
    }
}
