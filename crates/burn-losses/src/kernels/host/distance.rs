//! The sweep of a loss made of distances between rows: the triplet margin.

use super::{
    CHUNK, Chunk, Float, Found, LANES, Output, Scale, Source, Work, in_chunks, read_weights, tree,
};
use crate::kernels::norm::{norm_root, norm_slope, norm_term, share_of_smaller, triplet_margin};
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

/// The options of the loss.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Triplet {
    pub(crate) margin: f64,
    pub(crate) p: f64,
    pub(crate) eps: f64,
    pub(crate) swap: bool,
}

/// What is read.
#[derive(Clone, Copy)]
pub(crate) struct Reads<'a> {
    /// Anchor, positive and negative; absent where its gradient overwrites it.
    pub(crate) inputs: [Option<Source<'a>>; 3],
    /// How many rows they have, and of how many components.
    pub(crate) rows: usize,
    pub(crate) length: usize,
    /// A weight for each row.
    pub(crate) samples: Option<Source<'a>>,
}

/// Computes the losses of the rows, and the gradients of the three inputs.
pub(crate) fn sweep<F: Float>(
    triplet: Triplet,
    reads: &Reads,
    losses: Option<Output<F>>,
    gradients: [Option<Output<F>>; 3],
    scale: Scale,
) -> Found {
    let Reads { rows, length, .. } = *reads;
    let at_a_time = (CHUNK / length).max(1);
    // The losses are a column of their own; it is small, so it is filled in afterwards.
    let [anchor, positive, negative] = gradients;
    let found = in_chunks(
        rows * length,
        at_a_time * length,
        [anchor, positive, negative],
        &Sweep {
            triplet,
            reads,
            scale,
        },
    );
    let mut total = Found::default();
    let mut losses = losses;
    for (part, of_part) in found {
        total.add(part);
        if let Some(all) = losses.take() {
            let (mut now, rest) = all.split(of_part.len());
            now.write(0, &of_part);
            losses = Some(rest);
        }
    }
    total
}

/// A distance of two vectors, and how it changes with them.
struct Norm<F> {
    value: F,
    /// Each component is divided by `scale`, and the norm of those is `norm`.
    scale: F,
    norm: F,
}

struct Sweep<'a> {
    triplet: Triplet,
    reads: &'a Reads<'a>,
    scale: Scale,
}

impl<F: Float> Work<Chunk<'_, F, 3>, ()> for Sweep<'_> {
    type Result = (Found, Vec<F>);

    #[inline(always)]
    fn part(&self, (): &mut (), (range, gradients): Chunk<F, 3>) -> (Found, Vec<F>) {
        // With the exponent known to the compiler, a norm is a plain loop.
        match self.triplet.p {
            2.0 => self.rows(2.0, range, gradients),
            p => self.rows(p, range, gradients),
        }
    }
}

impl Sweep<'_> {
    #[inline(always)]
    fn rows<F: Float>(
        &self,
        p: f64,
        range: Range<usize>,
        mut gradients: [Option<Output<F>>; 3],
    ) -> (Found, Vec<F>) {
        let Triplet {
            margin, eps, swap, ..
        } = self.triplet;
        let length = self.reads.length;
        let (first, rows) = (range.start / length, range.len() / length);
        let row = || vec![F::default(); length];
        let mut inputs = [row(), row(), row()];
        let [mut to_positive, mut to_negative, mut between] = [row(), row(), row()];
        let mut losses = vec![F::default(); rows];
        let mut invalid = false;
        for (at, loss_of_row) in losses.iter_mut().enumerate() {
            let here = at * length..(at + 1) * length;
            for ((input, source), gradient) in
                inputs.iter_mut().zip(self.reads.inputs).zip(&gradients)
            {
                match (source, gradient) {
                    (Some(source), _) => source.read((first + at) * length, input),
                    (None, Some(gradient)) => input.copy_from_slice(gradient.input(here.clone())),
                    (None, None) => unreachable!("what is overwritten is written"),
                }
            }
            let [anchor, positive, negative] = inputs.each_ref().map(|input| &input[..]);
            let of_positive = distance(anchor, positive, eps, p, &mut to_positive);
            let of_negative = distance(anchor, negative, eps, p, &mut to_negative);
            let of_between = match swap {
                true => Some(distance(positive, negative, eps, p, &mut between)),
                false => None,
            };
            let (nearest, share) = match &of_between {
                Some(of_between) => (
                    match of_between.value < of_negative.value {
                        true => of_between.value,
                        false => of_negative.value,
                    },
                    share_of_smaller(of_negative.value, of_between.value),
                ),
                None => (of_negative.value, F::of(1.0)),
            };
            let (loss, slope) = triplet_margin(of_positive.value, nearest, margin);
            let weight = match self.reads.samples {
                Some(samples) => {
                    let mut weight = [F::default()];
                    invalid |= !read_weights(samples, first + at, &mut weight);
                    weight[0]
                }
                None => F::of(1.0),
            };
            *loss_of_row = loss.times_or_zero(weight);
            if gradients.iter().all(Option::is_none) {
                continue;
            }
            let slope = slope().times_or_zero(weight) * F::of(self.scale.gradient);
            if slope.equals(0.0) {
                between.fill(F::default());
                for gradient in gradients.iter_mut().flatten() {
                    gradient.write(here.start, &between);
                }
                continue;
            }
            let of_positive = of_positive.of_unit(&mut to_positive);
            let of_negative = of_negative.of_unit(&mut to_negative);
            // The inputs have been read, so their buffers take the gradients.
            let [anchor, positive, negative] = inputs.each_mut().map(|input| &mut input[..length]);
            let (to_positive, to_negative) = (&to_positive[..length], &to_negative[..length]);
            match of_between {
                None => {
                    for at in 0..length {
                        let pull = direction(to_positive[at], of_positive, p, slope);
                        let push = direction(to_negative[at], of_negative, p, slope);
                        anchor[at] = pull - push;
                        positive[at] = -pull;
                        negative[at] = push;
                    }
                }
                Some(of_between) => {
                    let of_between = of_between.of_unit(&mut between);
                    let (to_far, to_near) = (slope * share, slope * (F::of(1.0) - share));
                    let between = &between[..length];
                    for at in 0..length {
                        let pull = direction(to_positive[at], of_positive, p, slope);
                        let push = direction(to_negative[at], of_negative, p, to_far);
                        let between = direction(between[at], of_between, p, to_near);
                        anchor[at] = pull - push;
                        positive[at] = -(pull + between);
                        negative[at] = push + between;
                    }
                }
            }
            for (gradient, row) in gradients.iter_mut().zip(&inputs) {
                if let Some(gradient) = gradient {
                    gradient.write(here.start, row);
                }
            }
        }
        let found = Found {
            sum: super::sum(&losses, self.scale.losses),
            invalid,
        };
        (found, losses)
    }
}

/// The distance of two vectors; their difference is left in `difference`.
#[inline(always)]
fn distance<F: Float>(from: &[F], to: &[F], eps: f64, p: f64, difference: &mut [F]) -> Norm<F> {
    for (difference, (&from, &to)) in difference.iter_mut().zip(from.iter().zip(to)) {
        *difference = (from - to).plus(eps);
    }
    // Where the shares of the components stay well in range, they need no scale; except for the powers
    // of another p, which are exact to the last digits only for numbers up to 1.
    let range = match F::IS_DOUBLE {
        true => 1e-200..1e200,
        false => 1e-20..1e30,
    };
    let one = F::of(1.0);
    let sum = shares(difference, p, |x| x);
    if (p == 1.0 || p == 2.0) && range.contains(&sum) {
        let norm = norm_root(F::of(sum), p);
        return Norm {
            value: norm,
            scale: one,
            norm,
        };
    }
    let most = F::MAX;
    let mut scale = difference[0].abs();
    for difference in difference.iter_mut() {
        *difference = difference.at_least(-most).at_most(most);
        let size = difference.abs();
        scale = scale.at_most(most);
        scale = scale.replace(size > scale, size);
    }
    if scale.equals(0.0) {
        scale = one;
    }
    let norm = norm_root(F::of(shares(difference, p, |x| x / scale)), p);
    Norm {
        value: (norm * scale).at_most(most),
        scale,
        norm,
    }
}

/// The sum of the components' shares of a norm.
#[inline(always)]
fn shares<F: Float>(numbers: &[F], p: f64, ratio: impl Fn(F) -> F) -> f64 {
    let mut lanes = [0.0; LANES];
    let whole = numbers.chunks_exact(LANES);
    let rest = whole.remainder();
    for numbers in whole {
        for lane in 0..LANES {
            lanes[lane] += norm_term(ratio(numbers[lane]), p).double();
        }
    }
    for (lane, &number) in lanes.iter_mut().zip(rest) {
        *lane += norm_term(ratio(number), p).double();
    }
    tree(&lanes)
}

/// The derivative of a norm with respect to a component of a difference, times a slope.
#[inline(always)]
fn direction<F: Float>(component: F, of_unit: F, p: f64, slope: F) -> F {
    norm_slope(component * of_unit, p) * slope
}

impl<F: Float> Norm<F> {
    /// What a difference is multiplied by to be a unit vector; the zero vector stays what it is.
    #[inline(always)]
    fn of_unit(&self, difference: &mut [F]) -> F {
        let one = F::of(1.0);
        if self.norm.equals(0.0) {
            return one;
        }
        let factor = one / self.norm;
        if self.scale.equals(1.0) & factor.between(0.0, 1e30) {
            return factor;
        }
        // The reciprocal of a number below the normal ones would be infinite.
        for difference in difference {
            *difference = *difference / self.scale / self.norm;
        }
        one
    }
}
