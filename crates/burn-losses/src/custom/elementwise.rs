//! A loss of each element, of a closure.

use super::settings::{ORDINALS, Settings, of_operand_rules, of_settings};
use crate::loss::call::{Call, LossOutput};
use crate::loss::formula::operands::Operands;
use crate::loss::formula::{ElementFormulas, FormulaCall, MOST};
use crate::loss::{Evaluate, LossInfo};
use crate::losses::module::calls;
use crate::spec::expression::{Expr, RecordedFormula, record_more};
use crate::spec::rule::Rule;
use crate::targets::{AnyOperand, Operand};
use crate::validate::check::Check;
use crate::validate::error::{Lint, LossError, or_panic};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use burn::module::Module;
use burn::tensor::Tensor;

/// A loss of each element, of a closure: see [`Custom::elementwise`](super::Custom::elementwise).
///
/// # Shapes
///
/// * the operands: the same shape, of any rank; the first is a float tensor, any other may be `Int` or `Bool` too
/// * unreduced: that shape
///
/// Each operand that is tracked gets its gradient, a target too: give `target.detach()` where it should not.
///
/// # Numbers
///
/// On flex and ndarray an element of `f32` whose loss or slope comes out infinite or NaN is computed again in `f64`; on a
/// GPU, whose numbers are `f32`, it is not. A slope that is infinite in truth is the largest number of its type, and where
/// there is a loss but no slope (infinity less infinity) it is 0.
///
/// # Errors
///
/// * Shapes or devices that differ: nothing is broadcast.
/// * An element that breaks the rule of its operand. That of a target is to be finite, unless another is
///   [given](Self::with_target); other operands have none.
/// * A parameter that has no value, a number of the formula that the type of the input cannot hold.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid element makes its loss and gradients NaN.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct CustomElementwise<const K: usize> {
    #[module(skip)]
    inner: ElementwiseParts<K>,
}

#[derive(Clone)]
struct ElementwiseParts<const K: usize> {
    settings: Settings,
    operands: Operands<K>,
    formula: Arc<ElementFormulas>,
}

impl<const K: usize> core::fmt::Debug for ElementwiseParts<K> {
    fn fmt(&self, formatter: &mut core::fmt::Formatter) -> core::fmt::Result {
        core::fmt::Debug::fmt(&self.settings, formatter)
    }
}

impl<const K: usize> CustomElementwise<K> {
    #[track_caller]
    pub(super) fn new(name: &'static str, recorded: RecordedFormula) -> Self {
        or_panic(Self::try_new(name, recorded))
    }

    fn try_new(name: &'static str, recorded: RecordedFormula) -> Result<Self, LossError> {
        const {
            assert!(
                K >= 1 && K <= MOST,
                "a loss of elements has one to four operands"
            );
        }
        let settings = Settings::new(name, &[&recorded])?;
        if let Some(unread) = recorded.reads().iter().position(|read| !read) {
            let which = ORDINALS[unread];
            return Err(settings.error(format!(
                "the formula does not depend on its {which} operand: leave it out of the closure, or is something \
                 missing?"
            )));
        }
        let formula = Arc::new(ElementFormulas::new(recorded, [None; MOST]));
        let inner = ElementwiseParts {
            settings,
            operands: Operands::new("give it weight 0 in forward_weighted"),
            formula,
        };
        Ok(Self { inner })
    }

    /// The same loss, with its derivative with respect to the first operand as another formula says: where the one that
    /// is found by rules is not good enough. [`check`](super::check) compares it with finite differences.
    #[track_caller]
    pub fn with_slope(self, slope: impl FnOnce([Expr; K]) -> Expr) -> Self {
        self.with_slope_of(0, slope)
    }

    /// As [`with_slope`](Self::with_slope), of any operand, counted from 0.
    ///
    /// # Panics
    ///
    /// If there is no such operand.
    #[track_caller]
    pub fn with_slope_of(mut self, operand: usize, slope: impl FnOnce([Expr; K]) -> Expr) -> Self {
        assert!(
            operand < K,
            "{}: there is no operand {operand}",
            self.name()
        );
        let ElementFormulas {
            recorded, slopes, ..
        } = &*self.inner.formula;
        let mut slopes = *slopes;
        let (more, stated) = record_more(recorded, |operands| [slope(operands)]);
        slopes[operand] = Some(stated[0]);
        let settings = or_panic(self.inner.settings.again(&more));
        self.inner.settings = settings;
        self.inner.formula = Arc::new(ElementFormulas::new(more, slopes));
        self
    }

    fn losses(&self, operands: [AnyOperand; K], call: Call) -> Result<LossOutput, LossError> {
        let ElementwiseParts {
            settings,
            operands: kinds,
            formula,
        } = &self.inner;
        let AnyOperand::Numbers(first) = &operands[0] else {
            unreachable!("the first operand is of floats")
        };
        let check = Check::new(settings.name, &first.device(), call.waiting);
        kinds.check(&check, &operands)?;
        settings.held(&check, first.dtype())?;
        let call_of = FormulaCall {
            check: &check,
            formulas: formula,
            parameters: settings.parameters(&formula.recorded.parameters)?,
            kinds,
            along: None,
        };
        call_of.evaluate(operands, call)
    }

    fn lints(&self, operands: [AnyOperand; K]) -> Vec<Lint> {
        let ElementwiseParts {
            settings,
            operands: kinds,
            ..
        } = &self.inner;
        settings.lints(&kinds.statistics(operands), kinds.rules[K - 1])
    }

    /// The loss and its slopes at a point, in `f64`.
    pub(super) fn at(&self, point: &[f64; K]) -> Vec<f64> {
        let ElementwiseParts {
            settings, formula, ..
        } = &self.inner;
        let parameters = or_panic(settings.parameters(&formula.recorded.parameters));
        let all = formula.with_slopes((1 << K) - 1);
        all.run(point, &parameters)
    }
}

of_settings!([const K: usize] CustomElementwise<K>);
of_operand_rules!(CustomElementwise);

/// Stamps the calls of a loss of so many operands. What is not generic is compiled here, and not where it is called: there
/// nothing may be optimised.
macro_rules! of_operands {
    ($count:literal, [$first:ident $(, $other:ident: $kind:ident)*]) => {
        impl CustomElementwise<$count> {
            #[inline(never)]
            fn compiled_losses(
                &self,
                operands: [AnyOperand; $count],
                call: Call,
            ) -> Result<LossOutput, LossError> {
                self.losses(operands, call)
            }

            #[inline(never)]
            fn compiled_lints(&self, operands: [AnyOperand; $count]) -> Vec<Lint> {
                self.lints(operands)
            }
        }

        impl<const D: usize $(, $kind: Operand<D>)*> Evaluate<(Tensor<D>, $($kind,)*)>
            for CustomElementwise<$count>
        {
            type Unreduced = Tensor<D>;

            fn evaluate(
                &self,
                ($first, $($other,)*): (Tensor<D>, $($kind,)*),
                call: Call,
            ) -> Result<LossOutput, LossError> {
                let first = AnyOperand::Numbers($first.into());
                self.compiled_losses([first, $($other.into_operand()),*], call)
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
of_operands!(4, [first, second: A, third: B, fourth: C]);

calls!([] CustomElementwise<1>, Inputs [output]);
calls!([] CustomElementwise<2>, Loss [output, targets]);
calls!([] CustomElementwise<3>, TripleLoss [first, second, third]);
calls!([] CustomElementwise<4>, Inputs [first, second, third, fourth]);
