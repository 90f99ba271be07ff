//! The sweep over a loss between two softmaxes of a row, by a formula.

use super::classes::{SATURATED, exponentials, largest_of, others};
use super::formula::{EachOf, Total, each_f32, each_f64, pieces};
use super::machine::MachineFloat;
use super::numbers::Float;
use super::row_kernel::{HostRows, RowBlock};
use super::scale::clamp;
use super::sums::{Lanes, PART, total};
use super::vectors::{Loop, Vectors};
use crate::real::Real;
use crate::spec::expression::program::Formula;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::{Debug, Formatter};

/// A loss between the softmaxes `p` and `q` of two rows of logits at a temperature, the sum of a term of each class; and
/// beside it, if it is to be, the cross-entropy of the first row at temperature 1 with a class.
#[derive(Clone)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct SoftmaxPair {
    /// The term alone, and with its derivatives with respect to `ln p` and `ln q`.
    pub(crate) value: Arc<Formula>,
    pub(crate) all: Arc<Formula>,
    pub(crate) parameters: Vec<f64>,
    pub(crate) over_temperature: f64,
    /// What the sum is multiplied by.
    pub(crate) factor: f64,
    /// What the cross-entropy is multiplied by.
    pub(crate) of_class: Option<f64>,
}

impl Debug for SoftmaxPair {
    fn fmt(&self, formatter: &mut Formatter) -> core::fmt::Result {
        write!(formatter, "{} {:?}", self.all.key(), self.of_class)
    }
}

impl HostRows<2> for SoftmaxPair {
    fn part(&self) -> f64 {
        1.0
    }

    fn rows_f32(&self, vectors: Vectors, block: RowBlock<f32, 2>) {
        self.rows(vectors, block, each_f32);
    }

    fn rows_f64(&self, vectors: Vectors, block: RowBlock<f64, 2>) {
        self.rows(vectors, block, each_f64);
    }
}

/// About how many elements are worked on together.
const TOGETHER: usize = 4096;

impl SoftmaxPair {
    fn rows<F: MachineFloat>(&self, vectors: Vectors, block: RowBlock<F, 2>, each: EachOf<F>) {
        let RowBlock {
            x,
            length,
            classes,
            weights,
            scale,
            losses,
            mut gradients,
            ..
        } = block;
        let wanted = gradients.each_ref().map(Option::is_some);
        let (formula, results) = if wanted.contains(&true) {
            (&self.all, 3)
        } else {
            (&self.value, 1)
        };
        let at_once = (TOGETHER / length).max(1) * length;
        let mut scratch = F::machine(|machine| machine.take_scratch(4 + results, at_once));
        let (rows_of_sides, found) = scratch.split_at_mut(4);
        let (logs, probs) = rows_of_sides.split_at_mut(2);
        let found = &mut found[..results];
        for rows in pieces(losses.len(), at_once / length) {
            let count = rows.len() * length;
            let elements = rows.start * length..rows.end * length;
            let x_of_rows = x.map(|x| &x[elements.clone()]);
            self.softmaxes(vectors, x_of_rows, length, logs, probs);
            let operands =
                [&logs[0], &probs[0], &logs[1], &probs[1]].map(|numbers| &numbers[..count]);
            let mut results: Vec<&mut [F]> = found.iter_mut().map(|to| &mut to[..count]).collect();
            each(formula, &self.parameters, vectors, &operands, &mut results);
            let [terms, slopes @ ..] = &mut results[..] else {
                unreachable!("a formula has a loss")
            };
            for (at, row) in rows.clone().enumerate() {
                let of_row = at * length..(at + 1) * length;
                let sum = vectors.run(Total(&terms[of_row.clone()]));
                // A share of 0 takes nothing, be it infinite.
                let mut loss = F::of(sum.times_or_zero(self.factor));
                let weight = weights[row];
                // What does not count has no gradient, whatever is in its row.
                let counts = !weight.equals(0.0);
                let step = F::of(self.factor * self.over_temperature) * scale;
                for (side, slopes) in slopes.iter_mut().enumerate() {
                    if wanted[side] && counts {
                        let slopes = &mut slopes[of_row.clone()];
                        vectors.run(OfLogits {
                            slopes,
                            probs: &probs[side][of_row.clone()],
                            step: weight * step,
                        });
                    }
                }
                if let Some(share) = self.of_class {
                    let row_of_logits = &x[0][row * length..(row + 1) * length];
                    // The probabilities of the first row have been used.
                    let probs = &mut probs[0][of_row.clone()];
                    let slopes = slopes.first_mut().map(|slopes| &mut slopes[of_row.clone()]);
                    loss += vectors.run(CrossEntropy {
                        x: row_of_logits,
                        class: classes[row],
                        share: F::of(share),
                        step: weight * scale,
                        probs,
                        slopes: slopes.filter(|_| counts),
                    });
                }
                losses[row] = loss.times_or_zero(weight);
                for (gradient, slopes) in gradients.iter_mut().zip(&*slopes) {
                    match gradient {
                        Some(gradient) if counts => gradient.write(&slopes[of_row.clone()]),
                        Some(gradient) => gradient.fill(length, |_| F::default()),
                        None => {}
                    }
                }
            }
        }
        F::machine(|machine| machine.give_scratch(scratch));
    }

    /// The softmaxes of rows of both sides.
    fn softmaxes<F: MachineFloat>(
        &self,
        vectors: Vectors,
        x: [&[F]; 2],
        length: usize,
        logs: &mut [Vec<F>],
        probs: &mut [Vec<F>],
    ) {
        for ((x, logs), probs) in x.into_iter().zip(logs).zip(probs) {
            vectors.run(Softmaxes {
                x,
                length,
                over_temperature: F::of(self.over_temperature),
                logs: &mut logs[..x.len()],
                probs: &mut probs[..x.len()],
            });
        }
    }
}

/// The softmaxes of rows at a temperature, and their logarithms.
struct Softmaxes<'a, F> {
    x: &'a [F],
    length: usize,
    over_temperature: F,
    logs: &'a mut [F],
    probs: &'a mut [F],
}

impl<F: Float> Loop for Softmaxes<'_, F> {
    const WIDEST: bool = !F::IS_DOUBLE;
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self {
            x,
            length,
            over_temperature,
            logs,
            probs,
        } = self;
        let rows = x.chunks_exact(length).zip(logs.chunks_exact_mut(length));
        for ((x, logs), probs) in rows.zip(probs.chunks_exact_mut(length)) {
            let largest = largest_of(x);
            let others = F::of(tempered(x, largest, over_temperature, probs));
            let (ln_sum, share) = (others.ln_1p(), F::of(1.0) / others.plus(1.0));
            for ((log, &x), prob) in logs.iter_mut().zip(x).zip(probs) {
                *log = (x - largest) * over_temperature - ln_sum;
                *prob = *prob * share;
            }
        }
    }
}

/// The exponentials of logits less the largest, over a temperature, and the sum of those of the others.
#[inline(always)]
fn tempered<F: Float>(x: &[F], largest: F, over_temperature: F, exps: &mut [F]) -> f64 {
    const HALF: usize = PART / 2;
    let exp = |x: F| ((x - largest) * over_temperature).exp();
    let mut sum = Lanes::NONE;
    for (x, exps) in x.chunks(PART).zip(exps.chunks_mut(PART)) {
        if let (Some(x), Some(exps)) = (x.first_chunk::<PART>(), exps.first_chunk_mut::<PART>()) {
            for at in 0..HALF {
                exps[at] = exp(x[at]);
                exps[at + HALF] = exp(x[at + HALF]);
            }
        } else {
            for (to, &x) in exps.iter_mut().zip(x) {
                *to = exp(x);
            }
        }
        sum.add_up_to_a_part(exps);
    }
    match sum.sum() {
        sum if sum < SATURATED => others(exps),
        sum => sum - 1.0,
    }
}

/// The derivatives of a row's loss with respect to the logarithms of its probabilities become those with respect to its
/// logits, times a step.
struct OfLogits<'a, F> {
    slopes: &'a mut [F],
    probs: &'a [F],
    step: F,
}

impl<F: Float> Loop for OfLogits<'_, F> {
    const WIDEST: bool = !F::IS_DOUBLE;
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self {
            slopes,
            probs,
            step,
        } = self;
        for slope in &mut *slopes {
            *slope = clamp(*slope);
        }
        let sum = clamp(F::of(total(slopes)));
        for (slope, &prob) in slopes.iter_mut().zip(probs) {
            *slope = clamp((*slope - prob * sum) * step);
        }
    }
}

/// A share of the cross-entropy of a row with a class, whose gradient is added to slopes.
struct CrossEntropy<'a, F> {
    x: &'a [F],
    class: usize,
    share: F,
    step: F,
    probs: &'a mut [F],
    slopes: Option<&'a mut [F]>,
}

impl<F: Float> Loop for CrossEntropy<'_, F> {
    const WIDEST: bool = !F::IS_DOUBLE;
    type Output = F;

    #[inline(always)]
    fn run(self) -> F {
        let Self {
            x,
            class,
            share,
            step,
            probs,
            slopes,
        } = self;
        let largest = largest_of(x);
        let others = F::of(exponentials(x, largest, probs));
        if let Some(slopes) = slopes {
            let own = probs[class];
            let rest = (others.plus(1.0) - own).replace(own.equals(1.0), others);
            let step = share * step / others.plus(1.0);
            let of_class = slopes[class] - rest * step;
            for (slope, &prob) in slopes.iter_mut().zip(&*probs) {
                *slope = clamp(*slope + prob * step);
            }
            slopes[class] = clamp(of_class);
        }
        // In halves: the difference of two logits may be out of range where its share is not.
        let half = largest.times(0.5) - x[class].times(0.5) + others.ln_1p().times(0.5);
        half.times_or_zero(share.times(2.0))
    }
}
