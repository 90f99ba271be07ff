//! The margins between the class of a row and all others.

use super::row_kernel::{Finished, RowContext, RowKernel, scale_and_clamp};
use super::traced::{Traced, Tracer};
use crate::real::Real;
use crate::spec::margin::{half_gap, margin_term};
use alloc::vec;
use alloc::vec::Vec;

/// The multi-class margin. The state: half of the sum of the other classes' terms, and the sum of their slopes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MarginRow {
    pub(crate) margin: f64,
    /// 1 or 2.
    pub(crate) p: usize,
    /// The largest size of a gradient.
    pub(crate) limit: f64,
}

impl MarginRow {
    /// Half of the term of a class, and its slope: of a logit, that of the row's class, and 1 where it is that.
    fn terms<'a>(&self, tracer: Tracer<'a>, operands: &[Traced<'a>]) -> [Traced<'a>; 2] {
        let &[x, label, is_class] = operands else {
            unreachable!("the class is an operand")
        };
        let share = tracer.over_length(1.0);
        let (value, slope) = margin_term(half_gap(x, label, self.margin), self.p, 1.0);
        [value, slope()].map(|term| (term * share).set(is_class.above(0.0), 0.0))
    }
}

impl RowKernel for MarginRow {
    fn part(&self) -> f64 {
        0.5
    }

    fn reads_class(&self) -> bool {
        true
    }

    fn states(&self) -> usize {
        2
    }

    fn start<'a>(&self, tracer: Tracer<'a>) -> Vec<Traced<'a>> {
        vec![tracer.number(0.0); 2]
    }

    fn of<'a>(&self, tracer: Tracer<'a>, operands: &[Traced<'a>]) -> Vec<Traced<'a>> {
        self.terms(tracer, operands).into()
    }

    fn join<'a>(&self, a: &[Traced<'a>], b: &[Traced<'a>]) -> Vec<Traced<'a>> {
        vec![a[0] + b[0], a[1] + b[1]]
    }

    fn finish<'a>(
        &self,
        tracer: Tracer<'a>,
        state: &[Traced<'a>],
        row: RowContext<'a>,
    ) -> Finished<'a> {
        let counted = row.own[1];
        let own = -state[1].times_or_zero(counted);
        Finished {
            loss: state[0].times_or_zero(counted),
            poisoned: tracer
                .number(0.0)
                .replace(counted.is_nan(), tracer.number(f64::NAN)),
            at_class: Some(scale_and_clamp(own, self.limit, row.scale)),
            numbers: vec![counted, row.scale],
        }
    }

    fn gradients<'a>(&self, numbers: &[Traced<'a>], operands: &[Traced<'a>]) -> Vec<Traced<'a>> {
        let (counted, scale) = (numbers[0], numbers[1]);
        let [_, slope] = self.terms(counted.tracer(), operands);
        let slope = slope.times_or_zero(counted);
        vec![scale_and_clamp(slope, self.limit, scale)]
    }
}
