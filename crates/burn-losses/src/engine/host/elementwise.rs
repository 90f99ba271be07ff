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
use crate::spec::elementwise::Derivative;
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
    pub(crate) gradients: [Option<Output<'a, F>>; OPERANDS],
}

/// How many operands there are at most.
pub(crate) const OPERANDS: usize = 4;

#[cfg(test)]
std::thread_local! {
    /// How many blocks of this thread could not be done in one pass.
    pub(crate) static LONG_WAYS: core::cell::Cell<usize> = const { core::cell::Cell::new(0) };
}

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
        gradients: [first, second, third, fourth],
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
    let tasks = chunks(count, chunk, [losses, first, second, third, fourth]);
    let found = share(count, tasks, BlockBuffers::default, |buffers, task| {
        sweep.chunk(buffers, task)
    });
    ChunkSum::total(found)
}

/// The buffers of a thread, which stay in the nearest cache. There is nothing in them until it is needed.
struct BlockBuffers<F> {
    operands: [Vec<F>; OPERANDS],
    terms: TermBuffers<F>,
    /// Rows that are read to be added up.
    row: Vec<F>,
}

impl<F> Default for BlockBuffers<F> {
    fn default() -> Self {
        Self {
            operands: Default::default(),
            terms: TermBuffers::default(),
            row: Vec::new(),
        }
    }
}

/// What becomes of the terms of a block.
struct TermBuffers<F> {
    losses: Vec<F>,
    /// Of those that are wanted, as many numbers as the block has.
    slopes: Vec<Vec<F>>,
    factors: Vec<F>,
    weights: Vec<f64>,
}

impl<F> Default for TermBuffers<F> {
    fn default() -> Self {
        Self {
            losses: Vec::new(),
            slopes: Vec::new(),
            factors: Vec::new(),
            weights: Vec::new(),
        }
    }
}

impl<F: KernelFloat> TermBuffers<F> {
    /// For a block of a length, with so many slopes.
    fn resize(&mut self, length: usize, slopes: usize) {
        self.losses.resize(length, F::default());
        self.slopes.resize_with(slopes, Vec::new);
        for slopes in &mut self.slopes {
            slopes.resize(length, F::default());
        }
        self.factors.resize(length, F::default());
        self.weights.resize(length, 0.0);
    }

    /// Multiplies losses and slopes by the factors.
    #[inline(always)]
    fn weigh(&mut self) {
        multiply(&mut self.losses, &self.factors);
        for slopes in &mut self.slopes {
            multiply(slopes, &self.factors);
        }
    }
}

/// Where the gradients of the inputs go.
struct Gradients<'a, F> {
    outputs: [Option<Output<'a, F>>; OPERANDS],
    derivatives: &'a [Derivative],
}

impl<'a, F: KernelFloat> Gradients<'a, F> {
    fn are_wanted(&self) -> bool {
        self.outputs.iter().any(Option::is_some)
    }

    /// How many gradients each slope is wanted for.
    fn uses(&self) -> [usize; OPERANDS] {
        let mut uses = [0; OPERANDS];
        for (output, derivative) in self.outputs.iter().zip(self.derivatives) {
            uses[derivative.slope()] += usize::from(output.is_some());
        }
        uses
    }

    /// The gradients that are a slope which is wanted for nothing else, and which slope: these go to their place at once.
    fn direct(&mut self) -> impl Iterator<Item = (usize, &mut Output<'a, F>)> {
        let uses = self.uses();
        let all = self.outputs.iter_mut().zip(self.derivatives);
        all.filter_map(move |(output, derivative)| match *derivative {
            Derivative::Slope(at) if uses[at] == 1 => Some((at, output.as_mut()?)),
            _ => None,
        })
    }

    /// Writes the gradients that are made of buffered slopes, but for slopes that are in their place.
    fn write(&mut self, slopes: &[Vec<F>], in_place: [bool; OPERANDS]) {
        for (output, derivative) in self.outputs.iter_mut().zip(self.derivatives) {
            let Some(output) = output.as_mut().filter(|_| !in_place[derivative.slope()]) else {
                continue;
            };
            match *derivative {
                Derivative::Slope(at) => output.write(&slopes[at]),
                Derivative::Negative(at) => {
                    let slopes = &slopes[at];
                    output.fill(slopes.len(), |at| -slopes[at]);
                }
            }
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

/// A block of elements that goes the long way.
struct Block<'a> {
    start: usize,
    length: usize,
    /// The rows that are not valid, if some are not.
    invalid_rows: Option<&'a InvalidRows>,
    /// How many slopes are wanted.
    slopes: usize,
}

impl ElementwiseSweep<'_> {
    fn chunk<F: KernelFloat>(
        &self,
        buffers: &mut BlockBuffers<F>,
        (range, outputs): Chunk<F, 5>,
    ) -> ChunkSum {
        let [mut losses, first, second, third, fourth] = outputs;
        let outputs = [first, second, third, fourth];
        let mut gradients = Gradients {
            outputs,
            derivatives: self.kernel.derivatives(),
        };
        let slopes = if gradients.are_wanted() {
            self.kernel.slopes()
        } else {
            0
        };
        let rows_in_one_pass = self.rows_of_block.is_some_and(|rows| rows.in_one_pass());
        let in_one_pass = self.long_rows.is_none()
            && self.reads.weights.is_none()
            && self.reads.samples.is_none()
            && losses.is_none();
        let BlockBuffers {
            operands: read,
            terms,
            row,
        } = buffers;
        let mut found = ChunkSum::default();
        for start in range.clone().step_by(self.block) {
            let block = start..range.end.min(start + self.block);
            let mut invalid_rows = None;
            if !rows_in_one_pass {
                invalid_rows = self.whole_rows(block.clone(), row);
            }
            let operands = self.operands(block.clone(), start - range.start, &gradients, read);
            let operands = &operands[..self.reads.operands.len()];
            if in_one_pass
                && invalid_rows.is_none()
                && let Some(sum) =
                    self.in_one_pass(slopes, operands, &mut gradients, &mut terms.slopes)
            {
                found.sum += sum;
                continue;
            }
            #[cfg(test)]
            if in_one_pass {
                LONG_WAYS.set(LONG_WAYS.get() + 1);
            }
            if rows_in_one_pass {
                invalid_rows = self.whole_rows(block.clone(), row);
            }
            let block = Block {
                start,
                length: block.len(),
                invalid_rows: invalid_rows.as_ref().or(self.long_rows.as_ref()),
                slopes,
            };
            found.add(self.step_by_step(&block, operands, terms));
            if let Some(losses) = &mut losses {
                for loss in &mut terms.losses {
                    *loss = loss.times(1.0 / self.kernel.part());
                }
                losses.write(&terms.losses);
            }
            gradients.write(&terms.slopes, [false; OPERANDS]);
        }
        found
    }

    /// The operands of a block: where they lie, if that can be, or else read into buffers.
    fn operands<'a, F: KernelFloat>(
        &'a self,
        block: Range<usize>,
        in_chunk: usize,
        gradients: &Gradients<F>,
        buffers: &'a mut [Vec<F>; OPERANDS],
    ) -> [&'a [F]; OPERANDS] {
        let mut operands: [&[F]; OPERANDS] = [&[]; OPERANDS];
        let all = self.reads.operands.iter().zip(buffers);
        for (operand, (source, buffer)) in operands.iter_mut().zip(all) {
            *operand = match (source, source.as_ref().and_then(F::direct)) {
                (_, Some(numbers)) => &numbers[block.clone()],
                (Some(source), None) => {
                    let buffer = first(buffer, block.len());
                    source.read(block.start, buffer);
                    buffer
                }
                (None, None) => {
                    let [Some(output), ..] = &gradients.outputs else {
                        unreachable!("what is overwritten is written")
                    };
                    let buffer = first(buffer, block.len());
                    buffer.copy_from_slice(output.input(in_chunk..in_chunk + block.len()));
                    buffer
                }
            };
        }
        operands
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

    /// The sum of the losses, if what must hold does, and nothing leaves the range of the type; the gradients, made of
    /// so many slopes, are written.
    fn in_one_pass<F: KernelFloat>(
        &self,
        count: usize,
        operands: &[&[F]],
        gradients: &mut Gradients<F>,
        slopes: &mut Vec<Vec<F>>,
    ) -> Option<f64> {
        let length = operands[0].len();
        let uses = gradients.uses();
        let mut outputs = [const { None }; OPERANDS];
        for (slope, output) in gradients.direct() {
            outputs[slope] = Some(output.part(length));
        }
        let in_place = outputs.each_ref().map(Option::is_some);
        slopes.resize_with(count, Vec::new);
        for ((output, slopes), uses) in outputs.iter_mut().zip(&mut *slopes).zip(uses) {
            if output.is_none() && uses > 0 {
                slopes.resize(length, F::default());
                *output = Some(Output::in_place(slopes));
            }
        }
        let must = Must {
            rules: &self.rules,
            rows: self.rows_of_block.filter(UnitRows::in_one_pass),
        };
        let gradient = (count > 0).then_some(Gradient {
            outputs: &mut outputs[..count],
            scale: F::of(self.scale.gradient / self.kernel.part()),
        });
        let found = F::sum(self.kernel, self.vectors, operands, must, gradient)?;
        let written = outputs.map(|output| output.map_or(0, |output| output.count()));
        if !found.losses.is_finite() || found.beyond || found.broken {
            return None;
        }
        for (slope, output) in gradients.direct() {
            output.advance(written[slope]);
        }
        gradients.write(slopes, in_place);
        Some(found.losses / self.kernel.part())
    }

    /// The losses and gradients of a block, the long way.
    fn step_by_step<F: KernelFloat>(
        &self,
        block: &Block,
        operands: &[&[F]],
        terms: &mut TermBuffers<F>,
    ) -> ChunkSum {
        terms.resize(block.length, block.slopes);
        let (found, beyond) = self.steps(block, operands, terms);
        if !beyond || F::IS_DOUBLE {
            return found;
        }
        let again = self.again_in_double(block, operands, terms);
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
        terms: &mut TermBuffers<F>,
    ) -> ChunkSum {
        let doubles = operands.iter().map(|operand| {
            let doubles = operand.iter().map(|number| number.double());
            doubles.collect::<Vec<f64>>()
        });
        let doubles: Vec<_> = doubles.collect();
        let operands: Vec<_> = doubles.iter().map(|operand| &operand[..]).collect();
        let mut wide = TermBuffers::default();
        wide.resize(block.length, block.slopes);
        let (found, _) = self.steps(block, &operands, &mut wide);
        for (to, from) in terms.losses.iter_mut().zip(wide.losses) {
            *to = F::of(from);
        }
        for (to, from) in terms.slopes.iter_mut().zip(wide.slopes) {
            for (to, from) in to.iter_mut().zip(from) {
                *to = narrow(from);
            }
        }
        found
    }

    /// The losses and gradients, and whether one of them left the range of the type.
    fn steps<F: KernelFloat>(
        &self,
        block: &Block,
        operands: &[&[F]],
        buffers: &mut TermBuffers<F>,
    ) -> (ChunkSum, bool) {
        let terms = Terms {
            losses: &mut buffers.losses,
            slopes: &mut buffers.slopes,
        };
        F::each(self.kernel, self.vectors, operands, terms);
        if let Some(weights) = self.reads.weights {
            weights.read(block.start, &mut buffers.factors);
        }
        let allowed = match self.reads.samples {
            Some(samples) => read_weights::<F>(samples, block.start, &mut buffers.weights),
            None => true,
        };
        let (mut found, beyond) = self.vectors.run(FinishBlock {
            sweep: self,
            block,
            operands,
            terms: buffers,
        });
        found.invalid |= !allowed;
        (found, beyond)
    }
}

/// Makes losses and gradients of the terms of a block: what they are multiplied by, and what is not valid.
struct FinishBlock<'a, F> {
    sweep: &'a ElementwiseSweep<'a>,
    block: &'a Block<'a>,
    operands: &'a [&'a [F]],
    terms: &'a mut TermBuffers<F>,
}

impl<F: KernelFloat> Loop for FinishBlock<'_, F> {
    const WIDEST: bool = !F::IS_DOUBLE;
    type Output = (ChunkSum, bool);

    #[inline(always)]
    fn run(self) -> (ChunkSum, bool) {
        let Self {
            sweep,
            block,
            operands,
            terms,
        } = self;
        let reads = sweep.reads;
        if reads.weights.is_some() {
            if reads.samples.is_none() {
                for factor in &mut terms.factors {
                    *factor = sweep.scale.weight(factor.double());
                }
            }
            terms.weigh();
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
                    terms.losses[at] = F::NAN;
                    for slopes in &mut terms.slopes {
                        slopes[at] = F::NAN;
                    }
                }
            }
        }
        if let Some(rows) = block.invalid_rows {
            rows.poison(block.start, &mut terms.losses);
            for slopes in &mut terms.slopes {
                rows.poison(block.start, slopes);
            }
            invalid = true;
        }
        if reads.samples.is_some() {
            for (factor, &weight) in terms.factors.iter_mut().zip(&terms.weights) {
                *factor = sweep.scale.weight(weight);
            }
            terms.weigh();
        }
        let losses = sum(&terms.losses, sweep.scale.losses) * (1.0 / sweep.kernel.part());
        // Infinities of both signs add up to NaN; NaN alone is a model that has diverged.
        let infinite = |loss: &F| loss.abs().above(F::MAX);
        let mut beyond = !losses.is_finite() && terms.losses.iter().any(infinite);
        let scale = F::of(sweep.scale.gradient / sweep.kernel.part());
        for slopes in &mut terms.slopes {
            beyond |= scale_each(slopes, scale);
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
    const WIDEST: bool = !F::IS_DOUBLE;
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
