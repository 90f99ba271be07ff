//! The sweep of a loss that acts on each element alone.
//!
//! A block of elements is read where it lies, or converted into a buffer in the nearest cache. One pass over it
//! gives the sum of the losses and the gradients, and looks at the values. Where there is more to it (weights, a
//! rule that is broken, a number beyond the type, losses that are wanted one by one), the block goes the long way
//! instead, step by step.

use super::kernel::{Gradient, Kernel, KernelFloat, Must, Terms};
use super::numbers::Source;
use super::output::Output;
use super::scale::{Scale, multiply, narrow, scale_each};
use super::sums::{Lanes, PART, sum, total};
use super::tasks::{CHUNK, Chunk, ChunkSum, at_a_time, chunks, share};
use super::vectors::{Loop, Vectors};
use super::weights::{BLOCK, read_weights};
use crate::spec::rule::{Rule, UnitRows};
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

impl UnitRows {
    /// Whether a sum is that of a valid row.
    pub(super) fn are_valid(&self, sum: f64) -> bool {
        (sum - 1.0).abs() <= self.tolerance
    }

    /// Whether they can be added up in the pass over the elements: they are adjacent, and long enough for it.
    fn in_one_pass(&self) -> bool {
        self.inner == 1 && !self.logarithms && self.length >= PART
    }
}

/// What is read.
pub(crate) struct ElementwiseInputs<'a> {
    /// The operands of the definition; the first is absent where it is what the first gradient
    /// overwrites.
    pub(crate) operands: Vec<Option<Source<'a>>>,
    /// What must hold for each element of an operand.
    pub(crate) rules: &'a [Option<Rule>],
    /// What must hold for rows; an element of that operand that breaks its rule poisons the row.
    pub(crate) rows: Option<UnitRows>,
    /// What losses and gradients are multiplied by: the weights of classes, then those of samples.
    /// Weight 0 of a sample counts for nothing even where a rule is broken.
    pub(crate) weights: Option<Source<'a>>,
    pub(crate) samples: Option<Source<'a>>,
}

/// What is written, if wanted.
pub(crate) struct Writes<'a, F> {
    pub(crate) losses: Option<Output<'a, F>>,
    /// The gradients of the first operands.
    pub(crate) gradients: [Option<Output<'a, F>>; 3],
}

/// How many operands there are at most.
const OPERANDS: usize = 4;

/// Computes the losses of `count` elements.
pub(crate) fn sweep<F: KernelFloat>(
    kernel: &dyn Kernel,
    count: usize,
    reads: &ElementwiseInputs,
    writes: Writes<F>,
    scale: Scale,
) -> ChunkSum {
    let Writes {
        losses,
        gradients: [first, second, third],
    } = writes;
    let vectors = Vectors::detect();
    // A block has whole rows, and a chunk whole blocks, if they are not too long.
    let rows = reads.rows.map(|rows| (rows, rows.length * rows.inner));
    let (block, rows_of_block, long_rows) = match rows {
        Some((rows, size)) if size <= CHUNK => ((BLOCK / size).max(1) * size, Some(rows), None),
        Some((rows, _)) => (BLOCK, None, long_rows::<F>(vectors, reads, rows, count)),
        None => (BLOCK, None, None),
    };
    let mut rules = reads.rules.to_vec();
    if let Some((rows, _)) = rows.filter(|(rows, size)| *size > CHUNK || !rows.in_one_pass()) {
        rules[rows.operand] = None;
    }
    let sweep = ElementwiseSweep {
        kernel,
        reads,
        scale,
        vectors,
        block,
        rows_of_block,
        long_rows,
        rules,
    };
    let chunk = at_a_time(count).next_multiple_of(block);
    let tasks = chunks(count, chunk, [losses, first, second, third]);
    let found = share(count, tasks, BlockBuffers::default, |buffers, task| {
        sweep.chunk(buffers, task)
    });
    ChunkSum::total(found)
}

/// The buffers of a thread, which stay in the nearest cache. There is nothing in them until it is needed.
struct BlockBuffers<F> {
    operands: [Vec<F>; OPERANDS],
    losses: Vec<F>,
    slopes: Vec<F>,
    thirds: Vec<F>,
    factors: Vec<F>,
    weights: Vec<f64>,
    /// Rows that are read to be added up.
    row: Vec<F>,
}

impl<F> Default for BlockBuffers<F> {
    fn default() -> Self {
        Self {
            operands: Default::default(),
            losses: Vec::new(),
            slopes: Vec::new(),
            thirds: Vec::new(),
            factors: Vec::new(),
            weights: Vec::new(),
            row: Vec::new(),
        }
    }
}

/// The first numbers of a buffer.
fn first<T: Clone + Default>(buffer: &mut Vec<T>, count: usize) -> &mut [T] {
    if buffer.len() < count {
        buffer.resize(count, T::default());
    }
    &mut buffer[..count]
}

struct ElementwiseSweep<'a> {
    kernel: &'a dyn Kernel,
    reads: &'a ElementwiseInputs<'a>,
    scale: Scale,
    vectors: Vectors,
    /// The length of a block.
    block: usize,
    /// Rows of which a block has whole ones.
    rows_of_block: Option<UnitRows>,
    /// What was found of rows that are longer.
    long_rows: Option<InvalidRows>,
    /// What must hold for each element, beside what is looked at before with its row.
    rules: Vec<Option<Rule>>,
}

/// A block of elements.
struct Block<'a> {
    start: usize,
    length: usize,
    /// The rows that are not valid, if some are not.
    invalid_rows: Option<&'a InvalidRows>,
    gradient: bool,
    /// The third gradient is wanted.
    third: bool,
}

impl ElementwiseSweep<'_> {
    fn chunk<F: KernelFloat>(
        &self,
        buffers: &mut BlockBuffers<F>,
        (range, outputs): Chunk<F, 4>,
    ) -> ChunkSum {
        let [mut losses, mut first_gradient, mut second, mut third] = outputs;
        let mut found = ChunkSum::default();
        let count = self.reads.operands.len();
        for start in range.clone().step_by(self.block) {
            let length = self.block.min(range.end - start);
            let in_chunk = start - range.start;
            let mut invalid_rows = None;
            if self.rows_of_block.is_some_and(|rows| !rows.in_one_pass()) {
                invalid_rows = self.whole_rows(start..start + length, &mut buffers.row);
            }
            for (source, buffer) in self.reads.operands.iter().zip(&mut buffers.operands) {
                match (source, &first_gradient) {
                    (Some(source), _) if F::direct(source).is_some() => {}
                    (Some(source), _) => source.read(start, first(buffer, length)),
                    (None, Some(output)) => {
                        let input = output.input(in_chunk..in_chunk + length);
                        first(buffer, length).copy_from_slice(input);
                    }
                    (None, None) => unreachable!("what is overwritten is written"),
                }
            }
            let BlockBuffers {
                operands: read,
                losses: values,
                slopes,
                thirds,
                factors,
                weights,
                row,
            } = buffers;
            let mut operands: [&[F]; OPERANDS] = [&[]; OPERANDS];
            for (operand, (source, buffer)) in operands
                .iter_mut()
                .zip(self.reads.operands.iter().zip(&*read))
            {
                *operand = match source.as_ref().and_then(F::direct) {
                    Some(numbers) => &numbers[start..start + length],
                    None => &buffer[..length],
                };
            }
            let operands = &operands[..count];
            let gradient = first_gradient.is_some() || second.is_some() || third.is_some();
            let plain = invalid_rows.is_none()
                && self.long_rows.is_none()
                && self.reads.weights.is_none()
                && self.reads.samples.is_none()
                && losses.is_none();
            if plain {
                let slopes = first(slopes, if second.is_some() { length } else { 0 });
                let thirds = third.as_ref().map(|_| first(thirds, length));
                let outputs = [&mut first_gradient, &mut second, &mut third];
                if let Some(sum) = self.in_one_pass(gradient, operands, outputs, slopes, thirds) {
                    found.sum += sum;
                    continue;
                }
            }
            if self.rows_of_block.is_some_and(|rows| rows.in_one_pass()) {
                invalid_rows = self.whole_rows(start..start + length, row);
            }
            let block = Block {
                start,
                length,
                invalid_rows: invalid_rows.as_ref().or(self.long_rows.as_ref()),
                gradient,
                third: third.is_some(),
            };
            let mut scratch = Scratch {
                losses: first(values, length),
                slopes: first(slopes, length),
                thirds: first(thirds, length),
                factors: first(factors, length),
                weights: first(weights, length),
            };
            found.add(self.step_by_step(&block, operands, &mut scratch));
            if let Some(losses) = &mut losses {
                for loss in scratch.losses.iter_mut() {
                    *loss = loss.times(1.0 / self.kernel.part());
                }
                losses.write(scratch.losses);
            }
            if let Some(output) = &mut first_gradient {
                output.write(scratch.slopes);
            }
            if let Some(output) = &mut second {
                output.fill(length, |at| -scratch.slopes[at]);
            }
            if let Some(output) = &mut third {
                output.write(scratch.thirds);
            }
        }
        found
    }

    /// The rows of a range of whole rows that are not valid, if there are any.
    fn whole_rows<F: KernelFloat>(
        &self,
        range: Range<usize>,
        buffer: &mut Vec<F>,
    ) -> Option<InvalidRows> {
        let rows = self.rows_of_block?;
        let source = self.reads.operands[rows.operand].expect("only the first is overwritten");
        let rule = self.reads.rules[rows.operand];
        whole_rows(self.vectors, source, rule, rows, range, buffer)
    }

    /// Whether the rule of an operand is one of its rows.
    fn is_of_rows(&self, operand: usize) -> bool {
        self.reads.rows.is_some_and(|rows| rows.operand == operand)
    }

    /// The sum of the losses, if what must hold does, and nothing leaves the range of the type; the gradients are
    /// written.
    fn in_one_pass<F: KernelFloat>(
        &self,
        gradient: bool,
        operands: &[&[F]],
        [first, second, third]: [&mut Option<Output<F>>; 3],
        slopes: &mut [F],
        mut thirds: Option<&mut [F]>,
    ) -> Option<f64> {
        let scale = F::of(self.scale.gradient / self.kernel.part());
        let sum = |output: Option<&mut Output<F>>, thirds: Option<&mut [F]>| {
            let gradient = output.map(|output| Gradient {
                output,
                thirds,
                scale,
            });
            let must = Must {
                rules: &self.rules,
                rows: self.rows_of_block.filter(UnitRows::in_one_pass),
            };
            let sum = F::sum(self.kernel, self.vectors, operands, must, gradient)?;
            let plain = sum.losses.is_finite() && !sum.beyond && !sum.broken;
            plain.then_some(sum.losses / self.kernel.part())
        };
        let length = operands[0].len();
        let written = match (&mut *first, &mut *second) {
            (Some(first), None) => {
                let losses = sum(Some(&mut *first), thirds.as_deref_mut());
                if losses.is_none() && !F::IS_DOUBLE {
                    first.rewind(length);
                }
                losses
            }
            _ if !gradient => sum(None, None),
            (first, second) => {
                let mut buffer;
                let slopes = if slopes.is_empty() {
                    // The third gradient alone is wanted.
                    buffer = vec![F::default(); length];
                    &mut buffer[..]
                } else {
                    slopes
                };
                let losses = sum(Some(&mut Output::in_place(slopes)), thirds.as_deref_mut())?;
                if let Some(first) = first {
                    first.write(slopes);
                }
                if let Some(second) = second {
                    second.fill(length, |at| -slopes[at]);
                }
                Some(losses)
            }
        }?;
        if let (Some(third), Some(thirds)) = (third, thirds) {
            third.write(thirds);
        }
        Some(written)
    }

    /// The losses and gradients of a block, the long way.
    fn step_by_step<F: KernelFloat>(
        &self,
        block: &Block,
        operands: &[&[F]],
        scratch: &mut Scratch<F>,
    ) -> ChunkSum {
        let (found, beyond) = self.steps(block, operands, scratch);
        if !beyond || F::IS_DOUBLE {
            return found;
        }
        let again = self.again_in_double(block, operands, scratch);
        ChunkSum {
            invalid: found.invalid | again.invalid,
            ..again
        }
    }

    /// The same in `f64`, of a block in which a number left the range of `f32`: what is made of it may be in
    /// range.
    #[cold]
    #[inline(never)]
    fn again_in_double<F: KernelFloat>(
        &self,
        block: &Block,
        operands: &[&[F]],
        scratch: &mut Scratch<F>,
    ) -> ChunkSum {
        let doubles = operands.iter().map(|operand| {
            let doubles = operand.iter().map(|number| number.double());
            doubles.collect::<Vec<f64>>()
        });
        let doubles: Vec<_> = doubles.collect();
        let operands: Vec<_> = doubles.iter().map(|operand| &operand[..]).collect();
        let mut buffers = [const { Vec::new() }; 4];
        let [losses, slopes, thirds, factors] =
            buffers.each_mut().map(|buffer| first(buffer, block.length));
        let mut double = Scratch {
            losses,
            slopes,
            thirds,
            factors,
            weights: scratch.weights,
        };
        let (found, _) = self.steps(block, &operands, &mut double);
        for (to, from) in scratch.losses.iter_mut().zip(double.losses) {
            *to = F::of(*from);
        }
        for (to, from) in scratch.slopes.iter_mut().zip(double.slopes) {
            *to = narrow(*from);
        }
        for (to, from) in scratch.thirds.iter_mut().zip(double.thirds) {
            *to = narrow(*from);
        }
        found
    }

    /// The losses and gradients, and whether one of them left the range of the type.
    fn steps<F: KernelFloat>(
        &self,
        block: &Block,
        operands: &[&[F]],
        scratch: &mut Scratch<F>,
    ) -> (ChunkSum, bool) {
        let terms = Terms {
            losses: &mut *scratch.losses,
            slopes: block.gradient.then_some(&mut *scratch.slopes),
            thirds: block.third.then_some(&mut *scratch.thirds),
        };
        F::each(self.kernel, self.vectors, operands, terms);
        if let Some(weights) = self.reads.weights {
            weights.read(block.start, scratch.factors);
        }
        let allowed = match self.reads.samples {
            Some(samples) => read_weights::<F>(samples, block.start, scratch.weights),
            None => true,
        };
        let (mut found, beyond) = self.vectors.run(FinishBlock {
            sweep: self,
            block,
            operands,
            scratch,
        });
        found.invalid |= !allowed;
        (found, beyond)
    }
}

/// The buffers for a block that goes the long way.
struct Scratch<'a, F> {
    losses: &'a mut [F],
    slopes: &'a mut [F],
    thirds: &'a mut [F],
    factors: &'a mut [F],
    weights: &'a mut [f64],
}

impl<F: KernelFloat> Scratch<'_, F> {
    /// Multiplies losses and slopes by the factors.
    #[inline(always)]
    fn weigh(&mut self, block: &Block) {
        multiply(self.losses, self.factors);
        if block.gradient {
            multiply(self.slopes, self.factors);
        }
        if block.third {
            multiply(self.thirds, self.factors);
        }
    }
}

/// Makes losses and gradients of the terms of a block: what they are multiplied by, and what is not valid.
struct FinishBlock<'a, 'b, F> {
    sweep: &'a ElementwiseSweep<'a>,
    block: &'a Block<'a>,
    operands: &'a [&'a [F]],
    scratch: &'a mut Scratch<'b, F>,
}

impl<F: KernelFloat> Loop for FinishBlock<'_, '_, F> {
    type Output = (ChunkSum, bool);

    #[inline(always)]
    fn run(self) -> (ChunkSum, bool) {
        let Self {
            sweep,
            block,
            operands,
            scratch,
        } = self;
        let reads = sweep.reads;
        if reads.weights.is_some() {
            scratch.weigh(block);
        }
        let mut invalid = false;
        for (at, (&numbers, rule)) in operands.iter().zip(reads.rules).enumerate() {
            let Some(rule) = rule.filter(|_| !sweep.is_of_rows(at)) else {
                continue;
            };
            if rule.holds_for_all(numbers) {
                continue;
            }
            invalid = true;
            for (at, number) in numbers.iter().enumerate() {
                if !rule.holds(number) {
                    scratch.losses[at] = F::NAN;
                    scratch.slopes[at] = F::NAN;
                    scratch.thirds[at] = F::NAN;
                }
            }
        }
        if let Some(rows) = block.invalid_rows {
            rows.poison(block.start, scratch.losses);
            rows.poison(block.start, scratch.slopes);
            invalid = true;
        }
        if reads.samples.is_some() {
            for (factor, &weight) in scratch.factors.iter_mut().zip(&*scratch.weights) {
                *factor = sweep.scale.weight(weight);
            }
            scratch.weigh(block);
        }
        let losses = sum(scratch.losses, sweep.scale.losses) * (1.0 / sweep.kernel.part());
        // Infinities of both signs add up to NaN; NaN alone is a model that has diverged.
        let infinite = |loss: &F| loss.abs().above(F::MAX);
        let mut beyond = !losses.is_finite() && scratch.losses.iter().any(infinite);
        let scale = F::of(sweep.scale.gradient / sweep.kernel.part());
        if block.gradient {
            beyond |= scale_each(scratch.slopes, scale);
        }
        if block.third {
            beyond |= scale_each(scratch.thirds, scale);
        }
        let found = ChunkSum {
            sum: losses,
            invalid,
        };
        (found, beyond)
    }
}

/// Rows of which some are not valid.
struct InvalidRows {
    rows: UnitRows,
    /// Where the first of them starts.
    start: usize,
    valid: Vec<bool>,
}

impl InvalidRows {
    /// Makes the elements of invalid rows NaN; `start` is where they are.
    fn poison<F: KernelFloat>(&self, start: usize, numbers: &mut [F]) {
        let UnitRows { length, inner, .. } = self.rows;
        for (offset, number) in numbers.iter_mut().enumerate() {
            let at = start - self.start + offset;
            if !self.valid[at / (length * inner) * inner + at % inner] {
                *number = F::NAN;
            }
        }
    }
}

/// What is known of some rows.
#[derive(Clone, Default)]
struct RowSums {
    sums: Vec<f64>,
    valid: Vec<bool>,
}

impl RowSums {
    fn new(rows: usize) -> Self {
        Self {
            sums: vec![0.0; rows],
            valid: vec![true; rows],
        }
    }

    /// The rows, if some are not valid; the first starts at `start`.
    fn invalid(mut self, rows: UnitRows, start: usize) -> Option<InvalidRows> {
        for (valid, sum) in self.valid.iter_mut().zip(&self.sums) {
            *valid &= rows.are_valid(*sum);
        }
        let all = self.valid.iter().all(|&valid| valid);
        (!all).then_some(InvalidRows {
            rows,
            start,
            valid: self.valid,
        })
    }
}

/// The rows of a range of whole rows that are not valid, if there are any.
fn whole_rows<F: KernelFloat>(
    vectors: Vectors,
    source: Source,
    rule: Option<Rule>,
    rows: UnitRows,
    range: Range<usize>,
    buffer: &mut Vec<F>,
) -> Option<InvalidRows> {
    let numbers = match F::direct(&source) {
        Some(numbers) => &numbers[range.clone()],
        None => {
            let buffer = first(buffer, range.len());
            source.read(range.start, buffer);
            buffer
        }
    };
    let mut sums = RowSums::new(range.len() / rows.length);
    vectors.run(AddRows {
        numbers,
        rule,
        rows,
        length: rows.length,
        sums: &mut sums,
    });
    sums.invalid(rows, range.start)
}

/// As [`whole_rows`], of rows that are too long for a chunk: all of them.
fn long_rows<F: KernelFloat>(
    vectors: Vectors,
    reads: &ElementwiseInputs,
    rows: UnitRows,
    count: usize,
) -> Option<InvalidRows> {
    let source = reads.operands[rows.operand].expect("only the first is overwritten");
    let rule = reads.rules[rows.operand];
    let UnitRows { length, inner, .. } = rows;
    // A piece is of as many classes and as many samples beside each other as make a chunk; a row may be
    // several of them.
    let width = inner.min(BLOCK);
    let height = (CHUNK / width).clamp(1, length);
    let outer = count / (length * inner);
    let mut pieces = Vec::new();
    for outer in 0..outer {
        for sample in (0..inner).step_by(width) {
            for class in (0..length).step_by(height) {
                pieces.push((outer, class, sample));
            }
        }
    }
    let places: Vec<_> = pieces
        .iter()
        .map(|&(outer, _, sample)| (outer, sample))
        .collect();
    let found = share(count, pieces, Vec::new, |buffer: &mut Vec<F>, piece| {
        let (outer, class, sample) = piece;
        let width = width.min(inner - sample);
        let height = height.min(length - class);
        let mut sums = RowSums::new(width);
        let start = (outer * length + class) * inner + sample;
        // What is adjacent is one run.
        let (runs, run) = if inner == 1 {
            (1, height)
        } else {
            (height, width)
        };
        for at in 0..runs {
            let start = start + at * inner;
            let numbers = match F::direct(&source) {
                Some(numbers) => &numbers[start..start + run],
                None => {
                    source.read(start, first(buffer, run));
                    &buffer[..run]
                }
            };
            let length = if inner == 1 { run } else { 1 };
            vectors.run(AddRows {
                numbers,
                rule,
                rows: UnitRows {
                    inner: width,
                    ..rows
                },
                length,
                sums: &mut sums,
            });
        }
        sums
    });
    let mut all = RowSums::new(outer * inner);
    for ((outer, sample), sums) in places.into_iter().zip(found) {
        for (at, (sum, valid)) in sums.sums.into_iter().zip(sums.valid).enumerate() {
            let row = outer * inner + sample + at;
            all.sums[row] += sum;
            all.valid[row] &= valid;
        }
    }
    all.invalid(rows, 0)
}

/// Adds the elements of rows to their sums, and says which hold one that is not allowed.
struct AddRows<'a, F> {
    numbers: &'a [F],
    rule: Option<Rule>,
    rows: UnitRows,
    /// How many of a row's elements there are.
    length: usize,
    sums: &'a mut RowSums,
}

impl<F: KernelFloat> Loop for AddRows<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let UnitRows {
            inner, logarithms, ..
        } = self.rows;
        let block = self.length * inner;
        for (outer, block) in self.numbers.chunks_exact(block).enumerate() {
            let sums = &mut self.sums.sums[outer * inner..(outer + 1) * inner];
            let valid = &mut self.sums.valid[outer * inner..(outer + 1) * inner];
            if inner == 1 {
                sums[0] += if logarithms {
                    total_of_logarithms(block)
                } else {
                    total(block)
                };
                valid[0] &= self.rule.is_none_or(|rule| rule.holds_for_all(block));
                continue;
            }
            for numbers in block.chunks_exact(inner) {
                if logarithms {
                    for (sum, number) in sums.iter_mut().zip(numbers) {
                        *sum += number.exp().double();
                    }
                } else {
                    for (sum, number) in sums.iter_mut().zip(numbers) {
                        *sum += number.double();
                    }
                }
                if let Some(rule) = self.rule.filter(|rule| !rule.holds_for_all(numbers)) {
                    for (valid, number) in valid.iter_mut().zip(numbers) {
                        *valid &= rule.holds(number);
                    }
                }
            }
        }
    }
}

/// The sum of numbers, of which the logarithms are given.
#[inline(always)]
fn total_of_logarithms<F: KernelFloat>(logarithms: &[F]) -> f64 {
    let mut part = [F::default(); PART];
    let mut sum = Lanes::NONE;
    for logarithms in logarithms.chunks(PART) {
        let part = &mut part[..logarithms.len()];
        for (part, number) in part.iter_mut().zip(logarithms) {
            *part = number.exp();
        }
        sum.add_up_to_a_part(part);
    }
    sum.sum()
}
