//! A loss of sums over axes, of closures.

use super::settings::{ORDINALS, Settings, of_operand_rules, of_settings};
use crate::engine::host::formula::FormulaRows;
use crate::engine::rows::RowSpec;
use crate::loss::call::{Call, LossOutput};
use crate::loss::formula::operands::{Operands, numbers};
use crate::loss::rows::evaluate_ruled;
use crate::loss::{Evaluate, LossInfo};
use crate::losses::module::calls;
use crate::spec::expression::RecordedFormula;
use crate::spec::expression::graph::Value;
use crate::spec::expression::operations::Operation;
use crate::spec::expression::program::{Formula, Program};
use crate::spec::row::RowTarget;
use crate::spec::rule::Rule;
use crate::targets::{AnyOperand, Operand};
use crate::validate::check::{Check, Violation, dims};
use crate::validate::error::{Lint, LossError, LossErrorKind, or_panic};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use burn::module::Module;
use burn::tensor::{Shape, Tensor};

/// A loss of sums over axes, of closures: see [`Custom::row`](super::Custom::row).
///
/// # Shapes
///
/// * the operands: the same shape, of any rank from 2 on (or 1, with `with_axes([0])`); the first is a float tensor, any other may be `Int` or
///   `Bool` too
/// * unreduced: that shape with length 1 on the axes that are summed over, which are all but the first or those of
///   [`with_axes`](Self::with_axes)
///
/// Sums are added up in `f64` on a CPU. Each operand that is tracked gets its gradient.
///
/// # Errors
///
/// Those of [`CustomElementwise`](super::CustomElementwise), and an axis that the operands do not have.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct CustomRow<const K: usize> {
    #[module(skip)]
    inner: RowParts<K>,
}

#[derive(Clone)]
struct RowParts<const K: usize> {
    settings: Settings,
    operands: Operands<K>,
    formulas: RowFormulas,
    /// What the formulas call their parameters, in their order.
    parameters: Vec<&'static str>,
    /// All but the first if none are given.
    axes: Option<Vec<usize>>,
}

impl<const K: usize> core::fmt::Debug for RowParts<K> {
    fn fmt(&self, formatter: &mut core::fmt::Formatter) -> core::fmt::Result {
        core::fmt::Debug::fmt(&self.settings, formatter)
    }
}

#[derive(Clone, Debug)]
struct RowFormulas {
    terms: Arc<Formula>,
    head: Arc<Formula>,
    slopes: Arc<Formula>,
    slopes_of_row: Arc<Program>,
    sums: usize,
}

/// How many operands and sums there are at most.
const OPERANDS: usize = 3;
const SUMS: usize = 8;

impl RowFormulas {
    /// Of terms and of what is made of their sums, which have one set of parameters.
    fn new(mut terms: RecordedFormula, mut head: RecordedFormula) -> Self {
        let sums = terms.results.len();
        let of_terms = Formula::new(&terms.graph, &terms.results, false);
        let loss = head.results[0];
        let of_sums = head.graph.derivatives(loss, &head.operands);
        let results: Vec<_> = core::iter::once(loss).chain(of_sums).collect();
        let of_head = Formula::new(&head.graph, &results, true);

        // The derivatives with respect to the sums come as operands after those of the terms, or as parameters.
        let (operands, parameters) = (terms.operands.len(), head.parameters.len());
        let after = |first: usize| (first..first + sums).map(|at| at as u8);
        let slopes = Self::slopes(&mut terms, after(operands).map(Operation::Operand));
        let of_row = Self::slopes(&mut terms, after(parameters).map(Operation::Parameter));
        let slopes = Formula::new(&terms.graph, &slopes, true);
        let of_row = Program::fast(&terms.graph, &of_row[1..]);
        Self {
            terms: Arc::new(of_terms),
            head: Arc::new(of_head),
            slopes: Arc::new(slopes),
            slopes_of_row: Arc::new(of_row),
            sums,
        }
    }

    /// The derivatives of terms, each times a factor, behind the sum of the factors.
    fn slopes(terms: &mut RecordedFormula, factors: impl Iterator<Item = Operation>) -> Vec<Value> {
        let graph = &mut terms.graph;
        let factors: Vec<_> = factors.map(|factor| graph.add(factor, &[])).collect();
        let nothing = graph.constant(0.0);
        let mut slopes = vec![nothing; terms.operands.len() + 1];
        for (&term, &factor) in terms.results.iter().zip(&factors) {
            slopes[0] = graph.add(Operation::Add, &[slopes[0], factor]);
            let of_term = graph.derivatives(term, &terms.operands);
            for (sum, of_term) in slopes[1..].iter_mut().zip(of_term) {
                let slope = graph.add(Operation::Chain, &[factor, of_term]);
                *sum = graph.add(Operation::Add, &[*sum, slope]);
            }
        }
        slopes
    }
}

impl<const K: usize> CustomRow<K> {
    #[track_caller]
    pub(super) fn new(name: &'static str, terms: RecordedFormula, head: RecordedFormula) -> Self {
        or_panic(Self::try_new(name, terms, head))
    }

    fn try_new(
        name: &'static str,
        terms: RecordedFormula,
        head: RecordedFormula,
    ) -> Result<Self, LossError> {
        const {
            assert!(
                K >= 1 && K <= OPERANDS,
                "a loss of sums has one to three operands"
            );
        }
        let settings = Settings::new(name, &[&terms, &head])?;
        let sums = terms.results.len();
        if sums > SUMS {
            return Err(settings.error(format!(
                "there are {sums} sums, and {SUMS} are the most there can be."
            )));
        }
        let unread = |reads: Vec<bool>| reads.iter().position(|read| !read);
        if let Some(at) = unread(terms.reads()) {
            return Err(settings.error(format!(
                "no sum depends on the {} operand: leave it out, or is something missing?",
                ORDINALS[at]
            )));
        }
        if let Some(at) = unread(head.reads()) {
            return Err(settings.error(format!(
                "the loss does not depend on the {} sum: leave it out, or is something missing?",
                ORDINALS[at]
            )));
        }
        let parameters = head.parameters.clone();
        let inner = RowParts {
            settings,
            operands: Operands::new("multiply its terms by a mask, a further operand"),
            formulas: RowFormulas::new(terms, head),
            parameters,
            axes: None,
        };
        Ok(Self { inner })
    }

    /// The same loss, whose sums are over these axes.
    ///
    /// # Panics
    ///
    /// If there is none, or one is named twice.
    #[track_caller]
    pub fn with_axes(mut self, axes: impl Into<Vec<usize>>) -> Self {
        let given = axes.into();
        let mut axes = given.clone();
        axes.sort_unstable();
        axes.dedup();
        let once = given.len() == axes.len() && !given.is_empty();
        if !once {
            let message = format!("name the axes of the sums, each once: these are {given:?}.");
            or_panic(Err(self.inner.settings.error(message)))
        }
        self.inner.axes = Some(axes);
        self
    }

    /// Which axes of a rank are summed over.
    fn summed(&self, shape: &Shape) -> Result<Vec<bool>, LossError> {
        let rank = shape.num_dims();
        let axes = match &self.inner.axes {
            Some(axes) => axes.clone(),
            None => (1..rank).collect(),
        };
        let error =
            |message: String| Err(LossError::new(self.name(), LossErrorKind::Shape, message));
        if let Some(axis) = axes.iter().find(|&&axis| axis >= rank) {
            return error(format!(
                "axis {axis} is no axis of the operands {}: the last one is {}.",
                dims(shape),
                rank - 1
            ));
        }
        if axes.is_empty() {
            return error(
                "the operands have rank 1, and the sums are over all axes but the first: sum over it by \
                 `with_axes([0])`, or give a single sample a batch axis with `unsqueeze_dim::<2>(0)`."
                    .into(),
            );
        }
        let summed: Vec<bool> = (0..rank).map(|axis| axes.contains(&axis)).collect();
        let empty =
            |is_summed: bool| (0..rank).any(|axis| summed[axis] == is_summed && shape[axis] == 0);
        if empty(true) && !empty(false) {
            return error(format!(
                "the operands {} have nothing to add up.",
                dims(shape)
            ));
        }
        Ok(summed)
    }

    /// The losses of operands of a shape, in which the axes that are summed over come last; where they are is given.
    fn losses(
        &self,
        operands: [AnyOperand; K],
        (shape, summed): (&Shape, &[bool]),
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let RowParts {
            settings,
            operands: kinds,
            formulas,
            parameters,
            ..
        } = &self.inner;
        let AnyOperand::Numbers(first) = &operands[0] else {
            unreachable!("the first operand is of floats")
        };
        let dtype = first.dtype();
        let check = Check::new(settings.name, &first.device(), call.waiting);
        kinds.check(&check, &operands)?;
        settings.held(&check, dtype)?;
        let parameters = settings.parameters(parameters)?;
        let mut seen_as = shape.clone();
        let mut length = 1;
        for (axis, _) in summed.iter().enumerate().filter(|(_, summed)| **summed) {
            length *= shape[axis];
            seen_as[axis] = 1;
        }
        let rows = seen_as.num_elements();
        let mut rules = kinds.rules.into_iter();
        let inputs = operands.map(|operand| {
            let rule = rules.next().expect("each operand has one");
            let numbers = numbers(operand, rule, dtype);
            if rows == 0 {
                return numbers;
            }
            numbers.shaped([rows, length])
        });
        let loss = FormulaRows {
            terms: formulas.terms.clone(),
            head: formulas.head.clone(),
            slopes: formulas.slopes.clone(),
            slopes_of_row: formulas.slopes_of_row.clone(),
            sums: formulas.sums,
            rules: kinds.rules(),
            parameters,
        };
        let spec = RowSpec::new(Arc::new(loss), 1, RowTarget::Nothing);
        // Where an element of a row is in what the user gave.
        let given = |index: &[usize]| match *index {
            [row, element] => index_of(row * length + element, shape, summed),
            _ => index.to_vec(),
        };
        let explain =
            |at: usize, found: &Violation| kinds.explain(at, &found.moved(given(&found.index)));
        evaluate_ruled(&check, spec, inputs, call.seen_as(seen_as), &explain).map_err(|error| {
            let kind = match error.kind {
                LossErrorKind::Value { value, index } => LossErrorKind::Value {
                    value,
                    index: given(&index),
                },
                kind => kind,
            };
            LossError { kind, ..error }
        })
    }

    fn lints(&self, operands: [AnyOperand; K]) -> Vec<Lint> {
        let RowParts {
            settings,
            operands: kinds,
            ..
        } = &self.inner;
        settings.lints(&kinds.statistics(operands), kinds.rules[K - 1])
    }
}

of_settings!([const K: usize] CustomRow<K>);
of_operand_rules!(CustomRow);

/// The axes that are kept, and then the others.
fn kept_first(summed: &[bool]) -> Vec<usize> {
    let mut axes: Vec<usize> = (0..summed.len()).collect();
    axes.sort_by_key(|&axis| summed[axis]);
    axes
}

/// The axes as [`kept_first`]; nothing where they are in that order.
fn order<const D: usize>(summed: &[bool]) -> Option<[isize; D]> {
    let order = kept_first(summed);
    let in_order = order.iter().enumerate().all(|(at, &axis)| at == axis);
    (!in_order).then(|| core::array::from_fn(|at| order[at] as isize))
}

/// The index of an element, by its place among those whose axes come as [`kept_first`].
fn index_of(mut place: usize, shape: &Shape, summed: &[bool]) -> Vec<usize> {
    let mut index = vec![0; summed.len()];
    for axis in kept_first(summed).into_iter().rev() {
        index[axis] = place % shape[axis];
        place /= shape[axis];
    }
    index
}

/// Stamps the calls of a loss of so many operands. What is not generic is compiled here, and not where it is called: there
/// nothing may be optimised.
macro_rules! of_operands {
    ($count:literal, [$first:ident $(, $other:ident: $kind:ident)*]) => {
        impl CustomRow<$count> {
            #[inline(never)]
            fn compiled_losses(
                &self,
                operands: [AnyOperand; $count],
                seen: (&Shape, &[bool]),
                call: Call,
            ) -> Result<LossOutput, LossError> {
                self.losses(operands, seen, call)
            }

            #[inline(never)]
            fn compiled_lints(&self, operands: [AnyOperand; $count]) -> Vec<Lint> {
                self.lints(operands)
            }
        }

        impl<const D: usize $(, $kind: Operand<D>)*> Evaluate<(Tensor<D>, $($kind,)*)>
            for CustomRow<$count>
        {
            type Unreduced = Tensor<D>;

            fn evaluate(
                &self,
                ($first, $($other,)*): (Tensor<D>, $($kind,)*),
                call: Call,
            ) -> Result<LossOutput, LossError> {
                let shape = $first.shape();
                let summed = self.summed(&shape)?;
                let order = order::<D>(&summed);
                let operands = [
                    AnyOperand::Numbers(match order {
                        Some(order) => $first.permute(order).into(),
                        None => $first.into(),
                    }),
                    $(match order {
                        Some(order) => $other.permuted(order).into_operand(),
                        None => $other.into_operand(),
                    }),*
                ];
                self.compiled_losses(operands, (&shape, &summed), call)
            }

            fn inspect(&self, ($first, $($other,)*): (Tensor<D>, $($kind,)*)) -> Vec<Lint> {
                let first = AnyOperand::Numbers($first.into());
                self.compiled_lints([first, $($other.into_operand()),*])
            }
        }
    };
}

of_operands!(1, [output]);
of_operands!(2, [output, targets: T]);
of_operands!(3, [first, second: A, third: B]);

calls!([] CustomRow<1>, Inputs [output]);
calls!([] CustomRow<2>, Loss [output, targets]);
calls!([] CustomRow<3>, TripleLoss [first, second, third]);
