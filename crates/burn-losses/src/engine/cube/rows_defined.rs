//! A loss of rows, as a kernel.

use super::row_kernel::{Finished, RowContext, RowKernel, scale_and_clamp};
use super::traced::{Traced, Tracer};
use crate::real::Real;
use crate::spec::row::{OwnNumber, Row, RowLoss};
use crate::spec::rule::Rule;
use alloc::vec;
use alloc::vec::Vec;

/// A [`RowLoss`]. The state: the largest sizes, and the sums of elements measured in them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DefinedRow<
    L,
    const K: usize,
    const M: usize,
    const S: usize,
    const H: usize,
    const W: usize,
> {
    pub(crate) loss: L,
    /// The largest size of a gradient.
    pub(crate) limit: f64,
}

/// The first numbers of a state, and the next ones.
fn split<'a, const M: usize, const S: usize>(
    state: &[Traced<'a>],
) -> ([Traced<'a>; M], [Traced<'a>; S]) {
    let (sizes, sums) = state.split_at(M);
    let numbers = "a state has the numbers that it was made of";
    (
        sizes.try_into().expect(numbers),
        sums.try_into().expect(numbers),
    )
}

impl<
    L: RowLoss<K, M, S, H, W>,
    const K: usize,
    const M: usize,
    const S: usize,
    const H: usize,
    const W: usize,
> RowKernel for DefinedRow<L, K, M, S, H, W>
{
    fn part(&self) -> f64 {
        L::PART
    }

    fn reads_class(&self) -> bool {
        L::OWN == OwnNumber::Class
    }

    fn states(&self) -> usize {
        M + S
    }

    fn start<'a>(&self, tracer: Tracer<'a>) -> Vec<Traced<'a>> {
        vec![tracer.number(0.0); M + S]
    }

    fn of<'a>(&self, tracer: Tracer<'a>, operands: &[Traced<'a>]) -> Vec<Traced<'a>> {
        let x = core::array::from_fn(|at| operands[at]);
        let (own, is_class) = match operands[K..] {
            [own, is_class] => (own, Some(is_class)),
            _ => (tracer.number(0.0), None),
        };
        let row = Row {
            own,
            over_length: tracer.over_length(1.0),
        };
        let sizes = self.loss.sizes(&x);
        let nothing = [tracer.number(0.0); S];
        let terms = self.loss.add(nothing, &x, Some(&sizes), &row);
        let terms = terms.map(|term| match is_class {
            Some(is_class) => term.set(is_class.above(0.0), 0.0),
            None => term,
        });
        sizes.into_iter().chain(terms).collect()
    }

    fn join<'a>(&self, a: &[Traced<'a>], b: &[Traced<'a>]) -> Vec<Traced<'a>> {
        let (sizes_of_a, of_a) = split::<M, S>(a);
        let (sizes_of_b, of_b) = split::<M, S>(b);
        let mut largest = sizes_of_a;
        for (largest, size) in largest.iter_mut().zip(sizes_of_b) {
            *largest = largest.replace(size.exceeds(largest), size);
        }
        let of_a = self.loss.rescale(&of_a, &sizes_of_a, &largest);
        let of_b = self.loss.rescale(&of_b, &sizes_of_b, &largest);
        let sums = of_a.into_iter().zip(of_b).map(|(a, b)| a + b);
        largest.into_iter().chain(sums).collect()
    }

    fn finish<'a>(
        &self,
        tracer: Tracer<'a>,
        state: &[Traced<'a>],
        row: RowContext<'a>,
    ) -> Finished<'a> {
        let (sizes, sums) = split::<M, S>(state);
        let (zero, one, nan) = (
            tracer.number(0.0),
            tracer.number(1.0),
            tracer.number(f64::NAN),
        );
        // What the row has, and how much it counts for that: NaN where it is not valid.
        let (own, counted) = match L::OWN {
            OwnNumber::Nothing => (zero, one),
            OwnNumber::Sign => (row.own[0], nan.set(Rule::SIGNS.holds(&row.own[0]), 1.0)),
            OwnNumber::Class => (row.own[0], row.own[1]),
        };
        let of_row = Row {
            own,
            over_length: tracer.over_length(1.0),
        };
        let (loss, head) = self.loss.head(&sizes, &sums, &of_row);
        let at_class = (L::OWN == OwnNumber::Class).then(|| {
            let slope = self.loss.slope_of_class(&head).times_or_zero(counted);
            scale_and_clamp(slope, self.limit, row.scale)
        });
        let mut numbers: Vec<_> = head.into_iter().flatten().collect();
        numbers.extend([counted, row.scale]);
        Finished {
            loss: loss.times_or_zero(counted),
            poisoned: zero.replace(counted.is_nan(), nan),
            at_class,
            numbers,
        }
    }

    fn gradients<'a>(&self, numbers: &[Traced<'a>], operands: &[Traced<'a>]) -> Vec<Traced<'a>> {
        let x = core::array::from_fn(|at| operands[at]);
        let (head, counted) = numbers.split_at(H * W);
        let head = core::array::from_fn(|of| core::array::from_fn(|at| head[of * W + at]));
        let slopes = self.loss.slopes(&x, &head).into_iter().map(|slope| {
            let slope = match L::OWN {
                OwnNumber::Nothing => slope,
                _ => slope.times_or_zero(counted[0]),
            };
            scale_and_clamp(slope, self.limit, counted[1])
        });
        slopes.collect()
    }
}
