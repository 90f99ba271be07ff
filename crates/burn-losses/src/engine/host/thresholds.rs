//! The sweep over the thresholds between ranks: of each a row has an element.
//!
//! What the rank of a row says of its thresholds is written beside them, for some rows at a time, in the nearest cache.
//! The loops over single elements make losses and slopes of that.

use super::kernel::{KernelFloat, Terms};
use super::numbers::Float;
use super::output::Output;
use super::row_kernel::{HostRows, RowBlock};
use super::scale::{clamp, exponent, kept, multiply, power_of_two};
use super::sums::{LANES, PART, total};
use super::vectors::{Loop, Vectors};
use crate::engine::elementwise::AnyElementwise;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

/// About how many elements are worked on together.
const AT_A_TIME: usize = 1024;

/// A loss of single elements at each threshold between ranks, added up: of a logit, and of 1 where the rank is above the
/// threshold, else 0.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Thresholds {
    /// It gives whole losses.
    pub(crate) definition: Arc<dyn AnyElementwise>,
    /// What the loss at each threshold is multiplied by.
    pub(crate) importance: Vec<f64>,
    /// Only the thresholds that a rank is above count, and the next one.
    pub(crate) until_rank: bool,
    part: f64,
}

impl Thresholds {
    pub(crate) fn new(
        definition: Arc<dyn AnyElementwise>,
        importance: Vec<f64>,
        until_rank: bool,
    ) -> Self {
        // The sum of some losses may be out of range where its share of a mean is not.
        let part = power_of_two(-exponent(importance.iter().sum()).clamp(0, 126));
        Self {
            definition,
            importance,
            until_rank,
            part,
        }
    }

    fn rows<F: KernelFloat>(&self, vectors: Vectors, block: RowBlock<F, 1>) {
        let RowBlock {
            x: [x],
            length,
            classes: ranks,
            weights,
            scale,
            losses,
            gradients: [mut gradient],
            ..
        } = block;
        let count = losses.len();
        let together = (AT_A_TIME / length).clamp(1, count);
        let mut buffers = ThresholdBuffers::new(self, length, together, gradient.is_some());
        for first in (0..count).step_by(together) {
            let rows = first..count.min(first + together);
            let x = &x[rows.start * length..rows.end * length];
            vectors.run(SpreadRanks {
                buffers: &mut buffers,
                length,
                until_rank: self.until_rank,
                ranks: &ranks[rows.clone()],
                weights: &weights[rows.clone()],
                scale,
            });
            let terms = Terms {
                losses: &mut buffers.values[..x.len()],
                slopes: &mut buffers.slopes,
            };
            let operands = [x, &buffers.levels[..x.len()]];
            F::each(self.definition.kernel(), vectors, &operands, terms);
            vectors.run(AddThresholds {
                buffers: &mut buffers,
                length,
                weights: &weights[rows.clone()],
                losses: &mut losses[rows],
                gradient: gradient.as_deref_mut(),
            });
        }
    }
}

impl HostRows<1> for Thresholds {
    fn part(&self) -> f64 {
        self.part
    }

    fn together(&self) -> usize {
        4096
    }

    fn rows_f32(&self, vectors: Vectors, block: RowBlock<f32, 1>) {
        self.rows(vectors, block);
    }

    fn rows_f64(&self, vectors: Vectors, block: RowBlock<f64, 1>) {
        self.rows(vectors, block);
    }
}

/// What is known of the thresholds of any row, and of those of some rows, and what becomes of these; with room behind
/// the last.
struct ThresholdBuffers<F> {
    /// What a loss is multiplied by to be its share of the part that is given, and a slope.
    share: Vec<F>,
    importance: Vec<F>,
    /// 1 where the rank is above the threshold, else 0.
    levels: Vec<F>,
    /// As above, and 0 where a threshold does not count.
    shares: Vec<F>,
    counts: Vec<F>,
    /// What the slopes of a row are multiplied by to be gradients.
    steps: Vec<F>,
    values: Vec<F>,
    /// Nothing if they are not wanted.
    slopes: Vec<Vec<F>>,
}

impl<F: Float> ThresholdBuffers<F> {
    /// For so many rows of a length.
    fn new(of: &Thresholds, length: usize, rows: usize, gradient: bool) -> Self {
        let padded = |factor: f64| {
            let importance = of.importance.iter();
            let numbers = importance.map(|number| kept(number * factor, *number != 0.0));
            let mut numbers: Vec<F> = numbers.collect();
            numbers.resize(length.next_multiple_of(LANES), F::default());
            numbers
        };
        let room = || vec![F::default(); rows * length + LANES];
        Self {
            share: padded(of.part),
            importance: padded(1.0),
            levels: room(),
            shares: room(),
            counts: room(),
            steps: room(),
            values: room(),
            slopes: if gradient { vec![room()] } else { Vec::new() },
        }
    }
}

/// As many numbers as there are lanes, from a place on.
#[inline(always)]
fn lanes<F>(numbers: &mut [F], at: usize) -> &mut [F; LANES] {
    numbers[at..].first_chunk_mut().expect("there is room")
}

/// Writes what the ranks of rows say beside their thresholds.
struct SpreadRanks<'a, F> {
    buffers: &'a mut ThresholdBuffers<F>,
    length: usize,
    until_rank: bool,
    ranks: &'a [usize],
    weights: &'a [F],
    scale: F,
}

impl<F: Float> Loop for SpreadRanks<'_, F> {
    const WIDEST: bool = !F::IS_DOUBLE;
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let ThresholdBuffers {
            share,
            importance,
            levels,
            shares,
            counts,
            steps,
            ..
        } = self.buffers;
        let zero = F::default();
        for (row, (&rank, &weight)) in self.ranks.iter().zip(self.weights).enumerate() {
            let step = clamp(weight * self.scale);
            // What does not count has no gradient, whatever is in its row.
            let is_out = weight.equals(0.0);
            let rank = rank as u32;
            let last = if self.until_rank { rank } else { u32::MAX };
            // What is written beyond the end of a row is written again with the next one.
            for start in (0..self.length).step_by(LANES) {
                let at = row * self.length + start;
                let (levels, steps) = (lanes(levels, at), lanes(steps, at));
                let (shares, counts) = (lanes(shares, at), lanes(counts, at));
                let share: &[F; LANES] = share[start..].first_chunk().expect("there is room");
                let importance: &[F; LANES] =
                    importance[start..].first_chunk().expect("there is room");
                for lane in 0..LANES {
                    let threshold = (start + lane) as u32;
                    let is_asked = threshold <= last;
                    levels[lane] = zero.set(threshold < rank, 1.0);
                    shares[lane] = zero.replace(is_asked, share[lane]);
                    counts[lane] = zero.replace(is_asked & !is_out, importance[lane]);
                    steps[lane] = step;
                }
            }
        }
    }
}

/// Adds up the losses of rows, and writes the gradients.
struct AddThresholds<'a, 'b, F> {
    buffers: &'a mut ThresholdBuffers<F>,
    length: usize,
    weights: &'a [F],
    losses: &'a mut [F],
    gradient: Option<&'a mut Output<'b, F>>,
}

impl<F: Float> Loop for AddThresholds<'_, '_, F> {
    const WIDEST: bool = !F::IS_DOUBLE;
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let ThresholdBuffers {
            shares,
            counts,
            steps,
            values,
            slopes,
            ..
        } = self.buffers;
        let count = self.losses.len() * self.length;
        let values = &mut values[..count];
        multiply(values, &shares[..count]);
        let rows = values.chunks_exact(self.length).zip(self.weights);
        for (loss, (values, &weight)) in self.losses.iter_mut().zip(rows) {
            let sum = if self.length < PART {
                let mut sum = 0.0;
                for value in values {
                    sum += value.double();
                }
                sum
            } else {
                total(values)
            };
            *loss = F::of(sum).times_or_zero(weight);
        }
        if let Some(gradient) = self.gradient {
            let slopes = &mut slopes[0][..count];
            let factors = counts[..count].iter().zip(&steps[..count]);
            for (slope, (&count, &step)) in slopes.iter_mut().zip(factors) {
                *slope = clamp(slope.times_or_zero(count) * step);
            }
            gradient.write(slopes);
        }
    }
}
