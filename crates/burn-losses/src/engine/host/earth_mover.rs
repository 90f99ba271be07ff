//! The sweep over the squared distance between the cumulative distributions of a softmax and a class.

use super::classes::{exponentials, largest_of};
use super::numbers::Float;
use super::row_kernel::{HostRows, RowBlock};
use super::scale::clamp;
use super::vectors::{Loop, Vectors};
use alloc::vec;

/// The squared earth mover's distance of a softmax and the class of a row, whose classes have an order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EarthMover;

impl HostRows<1> for EarthMover {
    fn part(&self) -> f64 {
        1.0
    }

    fn rows_f32(&self, vectors: Vectors, block: RowBlock<f32, 1>) {
        vectors.run(Distances(block));
    }

    fn rows_f64(&self, vectors: Vectors, block: RowBlock<f64, 1>) {
        vectors.run(Distances(block));
    }
}

struct Distances<'a, 'b, F>(RowBlock<'a, 'b, F, 1>);

impl<F: Float> Loop for Distances<'_, '_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let RowBlock {
            x: [x],
            length,
            classes,
            weights,
            scale,
            losses,
            gradients: [mut gradient],
            ..
        } = self.0;
        let mut probs = vec![F::default(); length];
        let mut gaps = vec![0.0; length];
        for (row, x) in x.chunks_exact(length).enumerate() {
            let (class, weight) = (classes[row], weights[row]);
            let others = exponentials(x, largest_of(x), &mut probs);
            let share = 1.0 / (others + 1.0);
            // What lies below the class of what is given, and above it: neither is what is left of a difference.
            let mut below = 0.0;
            for (gap, prob) in gaps[..class].iter_mut().zip(&probs) {
                below += prob.double() * share;
                *gap = below;
            }
            let mut above = 0.0;
            gaps[length - 1] = 0.0;
            for at in (class..length - 1).rev() {
                above += probs[at + 1].double() * share;
                gaps[at] = -above;
            }
            let loss: f64 = gaps.iter().map(|gap| gap * gap).sum();
            losses[row] = F::of(loss).times_or_zero(weight);
            let Some(gradient) = &mut gradient else {
                continue;
            };
            if weight.equals(0.0) {
                gradient.fill(length, |_| F::default());
                continue;
            }
            // The derivative with respect to a probability is twice the sum of the gaps from it on.
            let mut sum = 0.0;
            let mut mean = 0.0;
            for (gap, prob) in gaps.iter_mut().zip(&probs).rev() {
                sum += *gap;
                *gap = 2.0 * sum;
                mean += *gap * prob.double() * share;
            }
            let step = weight * scale;
            gradient.fill(length, |at| {
                let slope = probs[at].double() * share * (gaps[at] - mean);
                clamp(F::of(slope) * step)
            });
        }
    }
}
