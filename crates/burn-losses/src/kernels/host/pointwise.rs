//! The sweep of a loss that acts on each element alone.

use super::{
    BLOCK, CHUNK, Chunk, Float, Found, Output, Scale, Source, Work, all, clamp, in_chunks,
    multiply, narrow, read_weights, sum,
};
use crate::kernels::definition::Definition;
use crate::kernels::rule::Rule;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

/// Which rows along an axis of an operand must sum to 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows {
    /// The operand.
    pub(crate) operand: usize,
    /// The length of the axis, and of what is inside of it.
    pub(crate) length: usize,
    pub(crate) inner: usize,
    pub(crate) tolerance: f64,
    /// The operand holds logarithms.
    pub(crate) logarithms: bool,
}

/// What is read.
pub(crate) struct Reads<'a, const K: usize> {
    /// The operands of the definition; the first is absent where it is what the first gradient
    /// overwrites.
    pub(crate) operands: [Option<Source<'a>>; K],
    /// What must hold for each element of an operand.
    pub(crate) rules: [Option<Rule>; K],
    /// What must hold for rows; an element of that operand that breaks its rule spoils the row.
    pub(crate) rows: Option<Rows>,
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

/// The buffers of a thread, which stay in the nearest cache.
struct Buffers<F, const K: usize> {
    operands: [[F; BLOCK]; K],
    losses: [F; BLOCK],
    slopes: [F; BLOCK],
    thirds: [F; BLOCK],
    factors: [F; BLOCK],
}

impl<F: Float, const K: usize> Buffers<F, K> {
    fn new() -> Self {
        let zeros = [F::default(); BLOCK];
        Self {
            operands: [zeros; K],
            losses: zeros,
            slopes: zeros,
            thirds: zeros,
            factors: zeros,
        }
    }

    /// Multiplies losses and slopes by the factors.
    #[inline(always)]
    fn weigh<const GRADIENT: bool>(&mut self, length: usize, third: bool) {
        let factors = &self.factors[..length];
        multiply(&mut self.losses[..length], factors);
        if GRADIENT {
            multiply(&mut self.slopes[..length], factors);
        }
        if third {
            multiply(&mut self.thirds[..length], factors);
        }
    }
}

/// Computes the losses of `count` elements.
pub(crate) fn sweep<F: Float, D: Definition<K>, const K: usize>(
    definition: D,
    count: usize,
    reads: &Reads<K>,
    writes: Writes<F>,
    scale: Scale,
) -> Found {
    let Writes {
        losses,
        gradients: [first, second, third],
    } = writes;
    let chunk = match reads.rows {
        // A chunk has whole rows.
        Some(Rows { length, inner, .. }) => CHUNK.next_multiple_of(length * inner),
        None => CHUNK,
    };
    let outputs = [losses, first, second, third];
    let found = match outputs[1..].iter().any(Option::is_some) {
        true => {
            let sweep = Sweep::<_, K, true> {
                definition,
                reads,
                scale,
            };
            in_chunks(count, chunk, outputs, &sweep)
        }
        false => {
            let sweep = Sweep::<_, K, false> {
                definition,
                reads,
                scale,
            };
            in_chunks(count, chunk, outputs, &sweep)
        }
    };
    Found::total(found)
}

struct Sweep<'a, D, const K: usize, const GRADIENT: bool> {
    definition: D,
    reads: &'a Reads<'a, K>,
    scale: Scale,
}

impl<F: Float, D: Definition<K>, const K: usize, const GRADIENT: bool> Work<Chunk<'_, F, 4>, ()>
    for Sweep<'_, D, K, GRADIENT>
{
    type Result = Found;

    #[inline(always)]
    fn part(&self, (): &mut (), (range, writes): Chunk<F, 4>) -> Found {
        let mut buffers = Buffers::new();
        let [mut all_losses, mut first, mut second, mut third] = writes;
        let invalid_rows = self.invalid_rows(&range, &mut buffers.factors);
        let mut found = Found::default();
        for start in range.clone().step_by(BLOCK) {
            let length = BLOCK.min(range.end - start);
            let at = start - range.start..start - range.start + length;
            for (source, operand) in self.reads.operands.iter().zip(&mut buffers.operands) {
                let operand = &mut operand[..length];
                match (source, &first) {
                    (Some(source), _) => source.read(start, operand),
                    (None, Some(first)) => operand.copy_from_slice(first.input(at.clone())),
                    (None, None) => unreachable!("what is overwritten is written"),
                }
            }
            let block = Block {
                start,
                length,
                in_chunk: at.start,
                invalid_rows: &invalid_rows,
                third: third.is_some(),
            };
            let mut of_block = self.block(&block, &mut buffers);
            // Infinities of both signs add up to NaN; NaN alone is a model that has diverged.
            let infinite = |loss: &F| loss.abs().above(F::MAX);
            let mut beyond =
                !of_block.sum.is_finite() && buffers.losses[..length].iter().any(infinite);
            if GRADIENT {
                beyond |= clamp_each(&mut buffers.slopes[..length]);
            }
            if D::THIRD && block.third {
                beyond |= clamp_each(&mut buffers.thirds[..length]);
            }
            if beyond && !F::IS_DOUBLE {
                let invalid = of_block.invalid;
                of_block = self.again_in_double(&block, &mut buffers);
                of_block.invalid |= invalid;
            }
            found.add(of_block);
            if let Some(all_losses) = &mut all_losses {
                let losses = &mut buffers.losses[..length];
                for loss in losses.iter_mut() {
                    *loss = loss.times(1.0 / D::PART);
                }
                all_losses.write(at.start, losses);
            }
            if !GRADIENT {
                continue;
            }
            let slopes = &mut buffers.slopes[..length];
            if let Some(first) = &mut first {
                first.write(at.start, slopes);
            }
            if let Some(second) = &mut second {
                for slope in slopes.iter_mut() {
                    *slope = -*slope;
                }
                second.write(at.start, slopes);
            }
            if let Some(third) = &mut third {
                third.write(at.start, &buffers.thirds[..length]);
            }
        }
        found
    }
}

/// A block of elements.
struct Block<'a> {
    start: usize,
    length: usize,
    /// Where it is in its chunk.
    in_chunk: usize,
    /// The rows of the chunk that are not valid.
    invalid_rows: &'a Option<InvalidRows>,
    /// The third gradient is wanted.
    third: bool,
}

impl<D: Definition<K>, const K: usize, const GRADIENT: bool> Sweep<'_, D, K, GRADIENT> {
    /// The losses and gradients of the operands in the buffers.
    #[inline(always)]
    fn block<F: Float>(&self, block: &Block, buffers: &mut Buffers<F, K>) -> Found {
        self.compute(block, buffers);
        let mut invalid = self.settle(block, buffers);
        if let Some(rows) = block.invalid_rows {
            rows.spoil(block.in_chunk, &mut buffers.losses[..block.length]);
            rows.spoil(block.in_chunk, &mut buffers.slopes[..block.length]);
            invalid = true;
        }
        invalid |= !self.scale(block, buffers);
        let losses = &buffers.losses[..block.length];
        Found {
            sum: sum(losses, self.scale.losses) * (1.0 / D::PART),
            invalid,
        }
    }

    /// The same in `f64`, of a block in which a number left the range of `f32`: what is made of it may be in
    /// range.
    #[cold]
    #[inline(never)]
    fn again_in_double<F: Float>(&self, block: &Block, buffers: &mut Buffers<F, K>) -> Found {
        let mut double = Buffers::<f64, K>::new();
        for (to, from) in double.operands.iter_mut().zip(&buffers.operands) {
            *to = from.map(F::double);
        }
        let found = self.block(block, &mut double);
        buffers.losses = double.losses.map(F::of);
        buffers.slopes = double.slopes.map(narrow);
        buffers.thirds = double.thirds.map(narrow);
        found
    }

    /// Losses and slopes of the operands in the buffers.
    #[inline(always)]
    fn compute<F: Float>(&self, block: &Block, buffers: &mut Buffers<F, K>) {
        const HALF: usize = BLOCK / 2;
        let Buffers {
            operands,
            losses,
            slopes,
            thirds,
            ..
        } = buffers;
        // Two elements at a time, from both halves of the block: while the steps of one wait for each
        // other, those of the other are taken. What lies behind the length is computed for nothing.
        for at in 0..block.length.min(HALF) {
            for at in [at, at + HALF] {
                let operands = operands.each_ref().map(|operand| operand[at]);
                let (loss, slope) = self.definition.at(operands);
                losses[at] = loss;
                if GRADIENT {
                    slopes[at] = slope();
                }
            }
        }
        if D::THIRD && block.third {
            for at in 0..block.length {
                let operands = operands.each_ref().map(|operand| operand[at]);
                thirds[at] = self.definition.third(operands);
            }
        }
    }

    /// Multiplies what was computed by the weights of the classes, makes it NaN where it is not valid, and
    /// says whether that is somewhere.
    #[inline(always)]
    fn settle<F: Float>(&self, block: &Block, buffers: &mut Buffers<F, K>) -> bool {
        let length = block.length;
        if let Some(weights) = self.reads.weights {
            weights.read(block.start, &mut buffers.factors[..length]);
            buffers.weigh::<GRADIENT>(length, block.third);
        }
        let mut invalid = false;
        for (operand, rule) in self.reads.rules.iter().enumerate() {
            let of_rows = self.reads.rows.is_some_and(|rows| rows.operand == operand);
            let Some(rule) = rule.filter(|_| !of_rows) else {
                continue;
            };
            let numbers = &buffers.operands[operand][..length];
            if all(numbers, rule) {
                continue;
            }
            invalid = true;
            for (at, number) in numbers.iter().enumerate() {
                if !rule.holds(number) {
                    buffers.losses[at] = F::NAN;
                    buffers.slopes[at] = F::NAN;
                    buffers.thirds[at] = F::NAN;
                }
            }
        }
        invalid
    }

    /// Multiplies by the weights of the samples, and the slopes by what makes a gradient of them; says
    /// whether the weights are allowed.
    #[inline(always)]
    fn scale<F: Float>(&self, block: &Block, buffers: &mut Buffers<F, K>) -> bool {
        let length = block.length;
        let mut allowed = true;
        if let Some(samples) = self.reads.samples {
            let mut weights = [0.0; BLOCK];
            allowed = read_weights::<F>(samples, block.start, &mut weights[..length]);
            for (factor, &weight) in buffers.factors.iter_mut().zip(&weights[..length]) {
                *factor = self.scale.weight(weight);
            }
            buffers.weigh::<GRADIENT>(length, block.third);
        }
        if GRADIENT {
            let scale = F::of(self.scale.gradient / D::PART);
            for slope in &mut buffers.slopes[..length] {
                *slope = *slope * scale;
            }
            if D::THIRD && block.third {
                for slope in &mut buffers.thirds[..length] {
                    *slope = *slope * scale;
                }
            }
        }
        allowed
    }

    /// The rows of a chunk that are not valid, if there are any.
    #[inline(always)]
    fn invalid_rows<F: Float>(
        &self,
        range: &Range<usize>,
        buffer: &mut [F; BLOCK],
    ) -> Option<InvalidRows> {
        let rows = self.reads.rows?;
        let source = self.reads.operands[rows.operand].expect("only the first is overwritten");
        let rule = self.reads.rules[rows.operand];
        let samples = range.len() / rows.length;
        let mut sums = vec![0.0; samples];
        let mut valid = vec![true; samples];
        let mut at = 0;
        while at < range.len() {
            // One run of elements of the same class, or of the same row.
            let (run, first_sample, one_row) = match rows.inner {
                1 => (rows.length - at % rows.length, at / rows.length, true),
                inner => (
                    inner - at % inner,
                    at / (rows.length * inner) * inner + at % inner,
                    false,
                ),
            };
            let length = run.min(BLOCK);
            let numbers = &mut buffer[..length];
            source.read(range.start + at, numbers);
            let allowed = rule.is_none_or(|rule| all(numbers, rule));
            if !allowed {
                for (offset, number) in numbers.iter().enumerate() {
                    let sample = first_sample + if one_row { 0 } else { offset };
                    valid[sample] &= rule.is_none_or(|rule| rule.holds(number));
                }
            }
            if rows.logarithms {
                for number in numbers.iter_mut() {
                    *number = number.exp();
                }
            }
            if one_row {
                sums[first_sample] += sum(numbers, 1.0);
            } else {
                let sums = &mut sums[first_sample..first_sample + length];
                for (sum, number) in sums.iter_mut().zip(numbers.iter()) {
                    *sum += number.double();
                }
            }
            at += length;
        }
        for (valid, sum) in valid.iter_mut().zip(&sums) {
            *valid &= (sum - 1.0).abs() <= rows.tolerance;
        }
        (!valid.iter().all(|&valid| valid)).then_some(InvalidRows { rows, valid })
    }
}

/// Clamps slopes to what their type holds, and says whether one was beyond it; NaN stays NaN.
#[inline(always)]
fn clamp_each<F: Float>(slopes: &mut [F]) -> bool {
    let mut beyond = false;
    for slope in slopes {
        beyond |= slope.abs().above(F::MAX);
        *slope = clamp(*slope);
    }
    beyond
}

/// The rows of a chunk, of which some are not valid.
struct InvalidRows {
    rows: Rows,
    valid: Vec<bool>,
}

impl InvalidRows {
    /// Makes the elements of invalid rows NaN; `start` is where they are in the chunk.
    fn spoil<F: Float>(&self, start: usize, numbers: &mut [F]) {
        let Rows { length, inner, .. } = self.rows;
        for (offset, number) in numbers.iter_mut().enumerate() {
            let at = start + offset;
            if !self.valid[at / (length * inner) * inner + at % inner] {
                *number = F::NAN;
            }
        }
    }
}
