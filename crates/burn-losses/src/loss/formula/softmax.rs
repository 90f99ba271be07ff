//! A loss of softmaxes that is written as a formula.

use super::numbers_of;
use crate::engine::host::formula::FormulaHead;
use crate::engine::host::softmax_pair::SoftmaxPair;
use crate::spec::expression::operations::Operation;
use crate::spec::expression::program::Formula;
use crate::spec::expression::{Expr, RecordedFormula, record};
use alloc::sync::Arc;
use alloc::vec::Vec;
use std::sync::OnceLock;

/// The loss of a class, recorded from `ln p`, `p` and `1 - p`, with its derivative with respect to `ln p`.
pub(crate) fn of_class(recorded: &mut RecordedFormula) -> Formula {
    let loss = recorded.results[0];
    let graph = &mut recorded.graph;
    let [of_ln_p, of_p, of_rest] = graph.derivatives(loss, &recorded.operands)[..] else {
        unreachable!("there are three operands")
    };
    // `p` changes by `p`, and the rest by `-p`.
    let of_both = graph.add(Operation::Subtract, &[of_p, of_rest]);
    let of_both = graph.add(Operation::Chain, &[recorded.operands[1], of_both]);
    let slope = graph.add(Operation::Add, &[of_ln_p, of_both]);
    Formula::new(graph, &[loss, slope], true)
}

/// The maths of a loss of a sample's class: of `ln p`, `p` and `1 - p`. It is recorded when it is first called.
pub(crate) struct ClassFormula {
    formula: fn([Expr; 3]) -> Expr,
    ready: OnceLock<(Arc<Formula>, Vec<&'static str>)>,
}

impl ClassFormula {
    pub(crate) const fn new(formula: fn([Expr; 3]) -> Expr) -> Self {
        Self {
            formula,
            ready: OnceLock::new(),
        }
    }

    /// The head of a softmax, with these numbers for its parameters.
    pub(crate) fn with(&self, options: &[(&'static str, f64)]) -> FormulaHead {
        let (formula, names) = self.ready.get_or_init(|| {
            let mut recorded = record(|operands| [(self.formula)(operands)]);
            let formula = of_class(&mut recorded);
            (Arc::new(formula), recorded.parameters)
        });
        FormulaHead {
            formula: formula.clone(),
            parameters: numbers_of(names, options),
        }
    }
}

/// The maths of a loss between two softmaxes, a term for each class: of `ln p`, `p`, `ln q` and `q`. It is recorded when it
/// is first called.
pub(crate) struct PairFormula {
    formula: fn([Expr; 4]) -> Expr,
    ready: OnceLock<PairFormulas>,
}

struct PairFormulas {
    value: Arc<Formula>,
    all: Arc<Formula>,
    names: Vec<&'static str>,
}

impl PairFormula {
    pub(crate) const fn new(formula: fn([Expr; 4]) -> Expr) -> Self {
        Self {
            formula,
            ready: OnceLock::new(),
        }
    }

    /// The loss at a temperature, times a factor, with these numbers for the formula's parameters.
    pub(crate) fn with(
        &self,
        options: &[(&'static str, f64)],
        temperature: f64,
        factor: f64,
    ) -> SoftmaxPair {
        let formulas = self.ready.get_or_init(|| {
            let mut recorded = record(|operands| [(self.formula)(operands)]);
            let loss = recorded.results[0];
            let graph = &mut recorded.graph;
            let [of_ln_p, of_p, of_ln_q, of_q] = graph.derivatives(loss, &recorded.operands)[..]
            else {
                unreachable!("there are four operands")
            };
            // A probability changes by itself where its logarithm does by 1.
            let mut whole = |of_ln, of_prob, at: usize| {
                let of_prob = graph.add(Operation::Chain, &[recorded.operands[at], of_prob]);
                graph.add(Operation::Add, &[of_ln, of_prob])
            };
            let slopes = [whole(of_ln_p, of_p, 1), whole(of_ln_q, of_q, 3)];
            PairFormulas {
                value: Arc::new(Formula::new(graph, &[loss], true)),
                all: Arc::new(Formula::new(graph, &[loss, slopes[0], slopes[1]], true)),
                names: recorded.parameters,
            }
        });
        SoftmaxPair {
            value: formulas.value.clone(),
            all: formulas.all.clone(),
            parameters: numbers_of(&formulas.names, options),
            over_temperature: 1.0 / temperature,
            factor,
            of_class: None,
        }
    }
}
