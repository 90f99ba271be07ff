//! The sweep over the cross-entropy of a softmax and a place between two of its classes.
//!
//! Rows are short, as a rule. So several are turned on their side, and are worked on together.

use super::head::HeadFloat;
use super::row_kernel::{HostRows, RowBlock};
use super::scale::clamp;
use super::turned::{TurnedSoftmax, turn};
use super::vectors::{Loop, Vectors};
use crate::spec::softmax::cross_entropy_slope;
use alloc::vec;

/// The cross-entropy of a softmax with a number between two of its classes, which has a share of each.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct BetweenClasses;

impl HostRows<1> for BetweenClasses {
    fn part(&self) -> f64 {
        1.0
    }

    fn rows_f32(&self, vectors: Vectors, block: RowBlock<f32, 1>) {
        vectors.run(Between(block));
    }

    fn rows_f64(&self, vectors: Vectors, block: RowBlock<f64, 1>) {
        vectors.run(Between(block));
    }
}

struct Between<'a, 'b, F>(RowBlock<'a, 'b, F, 1>);

impl<F: HeadFloat> Loop for Between<'_, '_, F> {
    const WIDEST: bool = !F::IS_DOUBLE;
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let RowBlock {
            x: [x],
            length,
            signs: places,
            weights,
            scale,
            losses,
            gradients: [gradient],
            ..
        } = self.0;
        let count = losses.len();
        let (places, weights) = (&places[..count], &weights[..count]);
        let zero = F::default();
        let TurnedSoftmax {
            largest,
            mut exps,
            others: wide,
            mut lines,
        } = TurnedSoftmax::new(x, count);
        let (mut others, mut half_ln_sum) = (vec![zero; count], vec![zero; count]);
        for at in 0..count {
            others[at] = F::of(wide[at]);
            half_ln_sum[at] = others[at].ln_1p().times(0.5);
        }
        let (mut below, mut of_lower) = (vec![0_u32; count], vec![zero; count]);
        for (row, x) in x.chunks_exact(length).enumerate() {
            // What is not valid, and so is NaN, has a place nevertheless.
            let place = places[row].double().clamp(0.0, (length - 1) as f64);
            let lower = (place as usize).min(length - 2);
            let of_upper = F::of(place - lower as f64);
            below[row] = lower as u32;
            of_lower[row] = F::of(1.0) - of_upper;
            // In halves: the difference of two logits may be out of range where its share is not.
            let nll = |at: usize| largest[row].times(0.5) - x[at].times(0.5) + half_ln_sum[row];
            let loss =
                nll(lower).times_or_zero(of_lower[row]) + nll(lower + 1).times_or_zero(of_upper);
            losses[row] = loss.times(2.0).times_or_zero(weights[row]);
        }
        let Some(gradient) = gradient else {
            return;
        };
        for (class, exps) in exps.chunks_exact_mut(count).enumerate() {
            let class = class as u32;
            for at in 0..count {
                let exp = exps[at];
                let share = F::of(1.0) / others[at].plus(1.0);
                let rest = (others[at].plus(1.0) - exp).replace(exp.equals(1.0), others[at]);
                let q = zero.replace(below[at] == class, of_lower[at]);
                let of_upper = F::of(1.0) - of_lower[at];
                let q = q.replace(below[at] + 1 == class, of_upper);
                let slope = cross_entropy_slope(exp * share, rest * share, q, F::of(1.0) - q);
                let slope = clamp(slope * (weights[at] * scale));
                exps[at] = slope.set(weights[at].equals(0.0), 0.0);
            }
        }
        turn(&exps, length, &mut lines);
        gradient.write(&lines);
    }
}
