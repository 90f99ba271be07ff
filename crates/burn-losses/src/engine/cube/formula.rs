//! A formula of a user, as a kernel. Its parameters are no part of what tells kernels apart.

use super::elements::{Element, ElementKernel, Scales, scaled};
use super::row_kernel::{Finished, RowContext, RowKernel, scale_and_clamp};
use super::traced::{Traced, Tracer};
use crate::engine::host::formula::{FormulaKernel, FormulaRows};
use crate::real::Real;
use crate::spec::rule::Rule;
use alloc::vec;
use alloc::vec::Vec;

#[derive(Debug)]
pub(crate) struct FormulaElement {
    pub(crate) kernel: FormulaKernel,
    pub(crate) rules: Vec<Option<Rule>>,
    /// How many of the operands have a gradient.
    pub(crate) inputs: usize,
    /// The largest size of a gradient.
    pub(crate) limit: f64,
}

impl ElementKernel for FormulaElement {
    fn part(&self) -> f64 {
        1.0
    }

    fn parameters(&self) -> &[f64] {
        &self.kernel.parameters
    }

    fn at<'a>(
        &self,
        tracer: Tracer<'a>,
        element: Element<'a>,
        scales: Scales<'a>,
    ) -> Vec<Traced<'a>> {
        let FormulaKernel {
            value,
            all,
            derivatives,
            slopes,
            parameters,
        } = &self.kernel;
        let formula = if *slopes == 0 { value } else { all };
        let mut results = formula.run(&element.operands, parameters).into_iter();
        let loss = results.next().expect("a formula has a loss");
        let slopes: Vec<_> = results.collect();
        let gradients = derivatives.iter().take(self.inputs);
        let gradients = match slopes[..] {
            [] => Vec::new(),
            _ => gradients.map(|derivative| derivative.of(&slopes)).collect(),
        };
        let rules = (&self.rules[..], self.limit);
        scaled(tracer, element, scales, (loss, gradients), rules)
    }
}

#[derive(Debug)]
pub(crate) struct FormulaRow<const K: usize> {
    pub(crate) rows: FormulaRows<K>,
    /// The largest size of a gradient.
    pub(crate) limit: f64,
}

impl<const K: usize> RowKernel for FormulaRow<K> {
    fn parameters(&self) -> &[f64] {
        &self.rows.parameters
    }

    /// The sums, and NaN where a rule is broken.
    fn states(&self) -> usize {
        self.rows.sums + 1
    }

    fn start<'a>(&self, tracer: Tracer<'a>) -> Vec<Traced<'a>> {
        vec![tracer.number(0.0); self.states()]
    }

    fn of<'a>(&self, tracer: Tracer<'a>, operands: &[Traced<'a>]) -> Vec<Traced<'a>> {
        let FormulaRows {
            terms,
            rules,
            parameters,
            ..
        } = &self.rows;
        let nan = tracer.number(f64::NAN);
        let mut broken = tracer.number(0.0);
        for (operand, rule) in operands.iter().zip(rules) {
            if let Some(rule) = rule {
                broken = nan.replace(rule.holds(operand), broken);
            }
        }
        let mut state = terms.run(operands, parameters);
        state.push(broken);
        state
    }

    fn join<'a>(&self, a: &[Traced<'a>], b: &[Traced<'a>]) -> Vec<Traced<'a>> {
        a.iter().zip(b).map(|(&a, &b)| a + b).collect()
    }

    fn finish<'a>(&self, _: Tracer<'a>, state: &[Traced<'a>], row: RowContext<'a>) -> Finished<'a> {
        let (sums, broken) = state.split_at(self.rows.sums);
        let results = self.rows.head.run(sums, &self.rows.parameters);
        let of_sums = results[1..].iter();
        let of_sums =
            of_sums.map(|&of_sum| scale_and_clamp(of_sum + broken[0], self.limit, row.scale));
        Finished {
            loss: results[0] + broken[0],
            poisoned: broken[0],
            at_class: None,
            numbers: of_sums.chain([row.scale]).collect(),
        }
    }

    fn gradients<'a>(&self, numbers: &[Traced<'a>], operands: &[Traced<'a>]) -> Vec<Traced<'a>> {
        let (of_sums, scale) = numbers.split_at(self.rows.sums);
        let operands: Vec<_> = operands.iter().chain(of_sums).copied().collect();
        let slopes = self.rows.slopes.run(&operands, &self.rows.parameters);
        // A row that does not count has no gradient, whatever its elements are.
        let slopes = slopes.into_iter().skip(1).map(|slope| {
            let slope = slope.set(scale[0].equals(0.0), 0.0);
            slope.at_least(-self.limit).at_most(self.limit)
        });
        slopes.collect()
    }
}
