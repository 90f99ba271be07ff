//! Whether the rows of a target are distributions.

use super::row_kernel::{Finished, RowContext, RowKernel};
use super::traced::{Traced, Tracer};
use crate::real::Real;
use crate::spec::rule::Rule;
use alloc::vec;
use alloc::vec::Vec;

/// 0 for a row that sums to 1, NaN for any other: a loss without a gradient.
///
/// The state: the sum of the probabilities.
#[derive(Debug)]
pub(crate) struct Distribution {
    /// How far the sum may be from 1.
    pub(crate) tolerance: f64,
    /// The rows hold logarithms.
    pub(crate) logarithms: bool,
    /// What must hold for each element.
    pub(crate) rule: Option<Rule>,
}

impl RowKernel for Distribution {
    fn states(&self) -> usize {
        1
    }

    fn start<'a>(&self, tracer: Tracer<'a>) -> Vec<Traced<'a>> {
        vec![tracer.number(0.0)]
    }

    fn of<'a>(&self, tracer: Tracer<'a>, operands: &[Traced<'a>]) -> Vec<Traced<'a>> {
        let x = operands[0];
        let prob = if self.logarithms { x.exp() } else { x };
        vec![match self.rule {
            Some(rule) => tracer.number(f64::NAN).replace(rule.holds(&x), prob),
            None => prob,
        }]
    }

    fn join<'a>(&self, a: &[Traced<'a>], b: &[Traced<'a>]) -> Vec<Traced<'a>> {
        vec![a[0] + b[0]]
    }

    fn finish<'a>(
        &self,
        tracer: Tracer<'a>,
        state: &[Traced<'a>],
        _: RowContext<'a>,
    ) -> Finished<'a> {
        let tolerance = self.tolerance;
        let valid = state[0].plus(-1.0).between(-tolerance, tolerance);
        let loss = tracer.number(f64::NAN).set(valid, 0.0);
        Finished {
            loss,
            poisoned: loss,
            at_class: None,
            numbers: Vec::new(),
        }
    }

    fn gradients<'a>(&self, _: &[Traced<'a>], _: &[Traced<'a>]) -> Vec<Traced<'a>> {
        Vec::new()
    }
}
