//! The sweep over the squared distance between the cumulative distributions of a softmax and a class.
//!
//! Rows are short, as a rule. So several are turned on their side, and are worked on together.

use super::head::HeadFloat;
use super::row_kernel::{HostRows, RowBlock};
use super::scale::clamp;
use super::turned::{TurnedSoftmax, turn};
use super::vectors::{Loop, Vectors};
use alloc::vec;

/// The squared earth mover's distance of a softmax and the class of a row, whose classes have an order.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
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

impl<F: HeadFloat> Loop for Distances<'_, '_, F> {
    const WIDEST: bool = !F::IS_DOUBLE;
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let RowBlock {
            x: [x],
            length,
            classes: ids,
            weights,
            scale,
            losses,
            gradients: [gradient],
            ..
        } = self.0;
        let count = losses.len();
        let (ids, weights) = (&ids[..count], &weights[..count]);
        let TurnedSoftmax {
            mut exps,
            others,
            mut lines,
            ..
        } = TurnedSoftmax::new(x, count);
        let mut shares = others;
        for share in &mut shares {
            *share = 1.0 / (*share + 1.0);
        }
        // What lies below the class of what is given, and above it: neither is what is left of a difference.
        let mut gaps = vec![0.0; x.len()];
        let mut below = vec![0.0; count];
        for (gaps, exps) in gaps.chunks_exact_mut(count).zip(exps.chunks_exact(count)) {
            for at in 0..count {
                let so_far = below[at] + exps[at].double() * shares[at];
                (below[at], gaps[at]) = (so_far, so_far);
            }
        }
        // The derivative with respect to a probability is twice the sum of the gaps from it on.
        let (mut above, mut squares) = (vec![0.0; count], vec![0.0; count]);
        let (mut sums, mut mean) = (vec![0.0; count], vec![0.0; count]);
        let each = gaps.chunks_exact_mut(count).zip(exps.chunks_exact(count));
        for (class, (gaps, exps)) in each.enumerate().rev() {
            let class = class as i64;
            for at in 0..count {
                let prob = exps[at].double() * shares[at];
                let from_above = -above[at];
                let gap = if (ids[at] as i64) <= class {
                    from_above
                } else {
                    gaps[at]
                };
                above[at] += prob;
                squares[at] += gap * gap;
                sums[at] += gap;
                gaps[at] = 2.0 * sums[at];
                mean[at] += gaps[at] * prob;
            }
        }
        for at in 0..count {
            losses[at] = F::of(squares[at]).times_or_zero(weights[at]);
        }
        let Some(gradient) = gradient else {
            return;
        };
        for (exps, gaps) in exps.chunks_exact_mut(count).zip(gaps.chunks_exact(count)) {
            for at in 0..count {
                let slope = exps[at].double() * shares[at] * (gaps[at] - mean[at]);
                let slope = clamp(F::of(slope) * (weights[at] * scale));
                exps[at] = slope.set(weights[at].equals(0.0), 0.0);
            }
        }
        turn(&exps, length, &mut lines);
        gradient.write(&lines);
    }
}
