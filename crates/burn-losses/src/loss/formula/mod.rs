//! A loss of each element that is written as a formula, from its operands to what a call wants of it.

pub(crate) mod operands;
pub(crate) mod softmax;
pub(crate) mod statistics;

use super::call::{Call, LossOutput};
use super::elementwise::{ElementwiseCall, OtherOperands, Required};
use crate::engine::any_rank::AnyRank;
use crate::engine::elementwise::AnyElementwise;
use crate::engine::host::formula::FormulaKernel;
use crate::spec::elementwise::Derivative;
use crate::spec::expression::graph::{FormulaGraph, Value};
use crate::spec::expression::program::Formula;
use crate::spec::expression::{Expr, RecordedFormula, record, record_more};
use crate::spec::operand::PerClass;
use crate::spec::rule::Rule;
use crate::targets::AnyOperand;
use crate::validate::check::{Check, Violation};
use crate::validate::error::{Lint, LossError};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use operands::{Operands, flat, numbers};
use statistics::{Statistics, same_everywhere};
use std::sync::OnceLock;

/// How many operands there are at most.
pub(crate) const MOST: usize = 4;

/// Which slope is whose, for each choice of operands that have a gradient: there are no others.
static DERIVATIVES: [[Derivative; MOST]; 1 << MOST] = {
    let mut all = [[Derivative::Slope(0); MOST]; 1 << MOST];
    let mut chosen = 0;
    while chosen < all.len() {
        let (mut operand, mut slope) = (0, 0);
        while operand < MOST {
            if chosen & (1 << operand) != 0 {
                all[chosen][operand] = Derivative::Slope(slope);
                slope += 1;
            }
            operand += 1;
        }
        chosen += 1;
    }
    all
};

/// A formula and its slopes, for each choice of operands that have a gradient.
pub(crate) struct ElementFormulas {
    pub(crate) recorded: RecordedFormula,
    /// Slopes that are stated, and not found by rules.
    pub(crate) slopes: [Option<Value>; MOST],
    ready: [OnceLock<Arc<Formula>>; 1 << MOST],
}

impl ElementFormulas {
    pub(crate) fn new(recorded: RecordedFormula, slopes: [Option<Value>; MOST]) -> Self {
        Self {
            recorded,
            slopes,
            ready: [const { OnceLock::new() }; 1 << MOST],
        }
    }

    /// The loss, and the slopes with respect to the chosen operands.
    pub(crate) fn with_slopes(&self, chosen: usize) -> Arc<Formula> {
        let formula = self.ready[chosen].get_or_init(|| {
            let RecordedFormula {
                graph,
                operands,
                results,
                ..
            } = &self.recorded;
            let mut graph: FormulaGraph = graph.clone();
            let loss = results[0];
            let derivatives = graph.derivatives(loss, operands);
            let mut results = alloc::vec![loss];
            for (at, derivative) in derivatives.into_iter().enumerate() {
                if chosen & (1 << at) != 0 {
                    results.push(self.slopes[at].unwrap_or(derivative));
                }
            }
            Arc::new(Formula::new(&graph, &results, true))
        });
        formula.clone()
    }
}

/// A call of a loss by a formula.
pub(crate) struct FormulaCall<'a, const K: usize> {
    pub(crate) check: &'a Check,
    pub(crate) formulas: &'a ElementFormulas,
    /// In the order of the formula.
    pub(crate) parameters: Vec<f64>,
    pub(crate) kinds: &'a Operands<K>,
    /// An operand after the others: numbers along an axis.
    pub(crate) along: Option<PerClass>,
}

impl<const K: usize> FormulaCall<'_, K> {
    /// Evaluates the loss of operands whose shapes and types have been checked.
    pub(crate) fn evaluate(
        self,
        operands: [AnyOperand; K],
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let Self {
            check,
            formulas,
            parameters,
            kinds,
            along,
        } = self;
        let AnyOperand::Numbers(first) = &operands[0] else {
            unreachable!("the first operand is of floats")
        };
        let dtype = first.dtype();
        // An operand that is none of floats is read as it is, if it is the last.
        let mut rest = OtherOperands::default();
        let mut inputs = Vec::with_capacity(K);
        for (at, (operand, rule)) in operands.into_iter().zip(kinds.rules).enumerate() {
            match operand {
                AnyOperand::Others(others) if at + 1 == K => {
                    rest = OtherOperands::flat(flat(others.values, rule, dtype));
                }
                operand => inputs.push(numbers(operand, rule, dtype)),
            }
        }
        let tracked = inputs.iter().map(AnyRank::is_tracked).enumerate();
        let chosen = tracked.fold(0, |all, (at, tracked)| all | usize::from(tracked) << at);
        let definition: Arc<dyn AnyElementwise> = Arc::new(FormulaKernel {
            all: formulas.with_slopes(chosen),
            value: formulas.with_slopes(0),
            derivatives: DERIVATIVES[chosen][..K].to_vec(),
            slopes: chosen.count_ones() as usize,
            parameters,
        });
        let explain: [_; K] =
            core::array::from_fn(|at| move |found: &Violation| kinds.explain(at, found));
        let mut at = 0;
        let required = kinds.rules().map(|rule| {
            at += 1;
            Some(Required {
                rule: rule?,
                explain: &explain[at - 1],
            })
        });
        let mut call_of = ElementwiseCall::erased(check, definition, rest, required);
        if along.is_some() {
            call_of.required.push(None);
        }
        call_of.rest.along = along;
        match inputs.len() {
            1 => evaluate::<1>(call_of, inputs, call),
            2 => evaluate::<2>(call_of, inputs, call),
            3 => evaluate::<3>(call_of, inputs, call),
            _ => evaluate::<4>(call_of, inputs, call),
        }
    }
}

fn evaluate<const N: usize>(
    call_of: ElementwiseCall,
    inputs: Vec<AnyRank>,
    call: Call,
) -> Result<LossOutput, LossError> {
    let Ok(inputs) = <[AnyRank; N]>::try_from(inputs) else {
        unreachable!("there are so many inputs")
    };
    call_of.evaluate(inputs, call)
}

/// The numbers of parameters, by their names in the order of a formula.
pub(crate) fn numbers_of(names: &[&'static str], options: &[(&'static str, f64)]) -> Vec<f64> {
    let number = |name: &&'static str| {
        let option = options.iter().find(|(option, _)| option == name);
        option.expect("an option for each parameter").1
    };
    names.iter().map(number).collect()
}

/// The maths of a loss of this crate, of so many operands: recorded when it is first called. It costs no compile time, and
/// is one pass all the same.
pub(crate) struct LossFormula<const K: usize> {
    formula: fn([Expr; K]) -> Expr,
    slopes: Option<fn([Expr; K]) -> [Expr; K]>,
    ready: OnceLock<ElementFormulas>,
}

impl<const K: usize> LossFormula<K> {
    pub(crate) const fn new(formula: fn([Expr; K]) -> Expr) -> Self {
        Self {
            formula,
            slopes: None,
            ready: OnceLock::new(),
        }
    }

    /// With derivatives that are stated, where those that are found by rules would lose digits, or take more steps.
    pub(crate) const fn with_slopes(
        formula: fn([Expr; K]) -> Expr,
        slopes: fn([Expr; K]) -> [Expr; K],
    ) -> Self {
        Self {
            formula,
            slopes: Some(slopes),
            ready: OnceLock::new(),
        }
    }

    fn formulas(&self) -> &ElementFormulas {
        let record = || {
            let recorded = record(|operands| [(self.formula)(operands)]);
            let Some(slopes) = self.slopes else {
                return ElementFormulas::new(recorded, [None; MOST]);
            };
            let (recorded, stated) = record_more(&recorded, slopes);
            let slope = |at| stated.get(at).copied();
            ElementFormulas::new(recorded, core::array::from_fn(slope))
        };
        self.ready.get_or_init(record)
    }

    /// Its value at a point, without parameters.
    pub(crate) fn at(&'static self, point: [f64; K]) -> f64 {
        self.formulas().with_slopes(0).run(&point, &[])[0]
    }

    /// The loss of operands with these names, which are what [`Operands::new`] says.
    pub(crate) fn of<const N: usize>(&'static self, names: [&'static str; N]) -> FormulaLoss<N> {
        let mut operands = Operands::new("give it weight 0 in forward_weighted");
        operands.names = names;
        FormulaLoss {
            formulas: self.formulas(),
            options: Vec::new(),
            operands,
            along: None,
            suspicions: Vec::new(),
            untracked: Vec::new(),
        }
    }
}

/// What is suspicious of operands, by their statistics.
type Suspicion = fn(&[Statistics]) -> Option<String>;

/// A loss of this crate by a formula: what `loss_module!` asks of one.
pub(crate) struct FormulaLoss<const K: usize> {
    formulas: &'static ElementFormulas,
    options: Vec<(&'static str, f64)>,
    operands: Operands<K>,
    along: Option<PerClass>,
    suspicions: Vec<(&'static str, Suspicion)>,
    /// Operands that have no gradient, and what to do about one that is tracked.
    untracked: Vec<(usize, &'static str)>,
}

impl<const K: usize> FormulaLoss<K> {
    /// With a number for a parameter of the formula, which has the name of the option.
    pub(crate) fn with(mut self, option: &'static str, value: f64) -> Self {
        self.options.push((option, value));
        self
    }

    /// With a rule for an operand, and what to do where it is broken (or nothing).
    pub(crate) fn rule(mut self, operand: usize, rule: Rule, hint: &'static str) -> Self {
        self.operands.rules[operand] = rule;
        self.operands.hints[operand] = hint;
        self
    }

    /// As [`rule`](Self::rule), for what a model gives: it may have diverged.
    pub(crate) fn output_rule(self, operand: usize, rule: Rule, hint: &'static str) -> Self {
        self.rule(operand, rule.or_diverged(), hint)
    }

    /// With an operand that must not be tracked: its gradient would train what is to stay as it is.
    pub(crate) fn untracked(mut self, operand: usize, hint: &'static str) -> Self {
        self.untracked.push((operand, hint));
        self
    }

    /// With a last operand: numbers along an axis.
    pub(crate) fn along(mut self, numbers: PerClass) -> Self {
        self.along = Some(numbers);
        self
    }

    /// With a suspicion of a name.
    pub(crate) fn suspect(mut self, rule: &'static str, suspicion: Suspicion) -> Self {
        self.suspicions.push((rule, suspicion));
        self
    }

    pub(crate) fn evaluate(
        self,
        loss: &'static str,
        operands: [AnyOperand; K],
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let AnyOperand::Numbers(first) = &operands[0] else {
            unreachable!("the first operand is of floats")
        };
        let check = Check::new(loss, &first.device(), call.waiting);
        self.operands.check(&check, &operands)?;
        for &(at, hint) in &self.untracked {
            let name = self.operands.names[at];
            if matches!(&operands[at], AnyOperand::Numbers(numbers) if numbers.is_tracked()) {
                return Err(check.tracked(name, hint));
            }
        }
        for &(option, value) in &self.options {
            check.holds(first.dtype(), option, value)?;
        }
        let call_of = FormulaCall {
            check: &check,
            formulas: self.formulas,
            parameters: numbers_of(&self.formulas.recorded.parameters, &self.options),
            kinds: &self.operands,
            along: self.along,
        };
        call_of.evaluate(operands, call)
    }

    pub(crate) fn lints(self, loss: &'static str, operands: [AnyOperand; K]) -> Vec<Lint> {
        let read = self.operands.statistics(operands);
        let suspicions = self.suspicions.iter();
        let lints = suspicions.filter_map(|&(rule, suspicion)| {
            suspicion(&read).map(|message| Lint {
                loss,
                rule,
                message,
            })
        });
        let same = same_everywhere(loss, &read, self.operands.rules[K - 1]);
        same.into_iter().chain(lints).collect()
    }
}
