//! The sweep over the cross-entropy of a softmax and a place between two of its classes.

use super::classes::{exponentials, largest_of};
use super::numbers::Float;
use super::row_kernel::{HostRows, RowBlock};
use super::scale::clamp;
use super::vectors::{Loop, Vectors};
use crate::spec::softmax::{cross_entropy_slope, ln_1p};
use alloc::vec;

/// The cross-entropy of a softmax with a number between two of its classes, which has a share of each.
#[derive(Clone, Copy, Debug)]
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

impl<F: Float> Loop for Between<'_, '_, F> {
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
            gradients: [mut gradient],
            ..
        } = self.0;
        let mut exps = vec![F::default(); length];
        for (row, x) in x.chunks_exact(length).enumerate() {
            let weight = weights[row];
            // What is not valid, and so is NaN, has a place nevertheless.
            let place = places[row].double().clamp(0.0, (length - 1) as f64);
            let lower = (place as usize).min(length - 2);
            let of_upper = F::of(place - lower as f64);
            let of_lower = F::of(1.0) - of_upper;
            let largest = largest_of(x);
            let others = F::of(exponentials(x, largest, &mut exps));
            // In halves: the difference of two logits may be out of range where its share is not.
            let nll = |at: usize| largest.times(0.5) - x[at].times(0.5) + ln_1p(others).times(0.5);
            let loss = nll(lower).times_or_zero(of_lower) + nll(lower + 1).times_or_zero(of_upper);
            losses[row] = loss.times(2.0).times_or_zero(weight);
            let Some(gradient) = &mut gradient else {
                continue;
            };
            if weight.equals(0.0) {
                gradient.fill(length, |_| F::default());
                continue;
            }
            let share = F::of(1.0) / others.plus(1.0);
            let step = weight * scale;
            gradient.fill(length, |at| {
                let exp = exps[at];
                let rest = (others.plus(1.0) - exp).replace(exp.equals(1.0), others);
                let q = if at == lower {
                    of_lower
                } else if at == lower + 1 {
                    of_upper
                } else {
                    F::default()
                };
                let slope = cross_entropy_slope(exp * share, rest * share, q, F::of(1.0) - q);
                clamp(slope * step)
            });
        }
    }
}
