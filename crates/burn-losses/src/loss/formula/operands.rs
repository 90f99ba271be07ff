//! The operands of a call: their names, what must hold for them, and what they are without their types.

use super::statistics::Statistics;
use crate::engine::any_rank::AnyRank;
use crate::engine::dtype::compute_dtype;
use crate::engine::values::{AnyTarget, FlatValues};
use crate::loss::labels::label;
use crate::spec::rule::Rule;
use crate::targets::AnyOperand;
use crate::validate::check::{Check, Violation};
use crate::validate::error::{LossError, LossErrorKind};
use crate::validate::signs::no_sign;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use burn::tensor::{DType, FloatDType};

#[derive(Clone, Debug)]
pub(crate) struct Operands<const K: usize> {
    pub(crate) names: [&'static str; K],
    pub(crate) rules: [Rule; K],
    /// What to do about an operand that breaks its rule, where that says more than the rule.
    pub(crate) hints: [&'static str; K],
    /// What else leaves out an element.
    left_out: &'static str,
}

impl<const K: usize> Operands<K> {
    /// The last one is the target, if there are several; it must be finite.
    pub(crate) fn new(left_out: &'static str) -> Self {
        let names = match K {
            1 => &["output"][..],
            2 => &["output", "targets"],
            3 => &["first", "second", "targets"],
            _ => &["first", "second", "third", "targets"],
        };
        let mut rules = [Rule::ANY; K];
        if K > 1 {
            rules[K - 1] = Rule::FINITE;
        }
        Self {
            names: core::array::from_fn(|at| names[at]),
            rules,
            hints: [""; K],
            left_out,
        }
    }

    /// The checks of what the host knows.
    pub(crate) fn check(&self, check: &Check, operands: &[AnyOperand; K]) -> Result<(), LossError> {
        let (first, first_name) = (&operands[0], self.names[0]);
        let AnyOperand::Numbers(input) = first else {
            unreachable!("the first operand is of floats")
        };
        let (device, dtype) = (input.device(), input.dtype());
        check.dtype(&device, dtype)?;
        let mut tracked = Vec::new();
        for ((operand, name), rule) in operands.iter().zip(self.names).zip(self.rules) {
            let (of, shape) = match operand {
                AnyOperand::Numbers(numbers) => {
                    tracked.push((name, numbers));
                    (numbers.device(), numbers.shape())
                }
                AnyOperand::Others(others) => {
                    can_hold(check, name, others, rule)?;
                    (others.device.clone(), others.shape.clone())
                }
            };
            check.device(first_name, &device, name, &of)?;
            check.same_shape(first_name, &input.shape(), name, &shape)?;
        }
        check.one_tracking(&tracked)
    }

    /// What must hold for each operand.
    pub(crate) fn rules(&self) -> [Option<Rule>; K] {
        self.rules.map(|rule| (!rule.is_any()).then_some(rule))
    }

    /// What the values of operands are like.
    pub(crate) fn statistics(&self, operands: [AnyOperand; K]) -> Vec<Statistics> {
        let operands = operands.into_iter().zip(self.rules);
        operands
            .map(|(operand, rule)| Statistics::of(read(operand, rule)))
            .collect()
    }

    /// What to say of a value that breaks the rule of an operand.
    pub(crate) fn explain(&self, at: usize, found: &Violation) -> String {
        let (name, rule) = (self.names[at], self.rules[at]);
        if let Some(too_large) = found.too_large() {
            return format!("{name}: {too_large}");
        }
        let is_target = K > 1 && at + 1 == K;
        let hint = if !self.hints[at].is_empty() {
            format!(" {}", self.hints[at])
        } else if rule == Rule::PROBABILITY && !is_target {
            " If these are logits, a `sigmoid` or `softmax` makes probabilities of them.".into()
        } else if rule == Rule::SIGNS {
            hint_of(no_sign(found))
        } else if rule == Rule::PROBABILITY || rule == Rule::LABELS {
            hint_of((label().explain)(found))
        } else if rule == Rule::FINITE && is_target {
            format!(" To leave it out, set it to 0 and {}.", self.left_out)
        } else {
            String::new()
        };
        format!(
            "{name}: {} at index {:?} must be {}.{hint}",
            found.shown(),
            found.index,
            rule.in_words()
        )
    }
}

/// What a loss of this crate says to do about such a value: all that it says after the rule.
fn hint_of(message: String) -> String {
    let rule = message.find(". ").map_or(message.len(), |end| end + 1);
    message[rule..].into()
}

/// Whether a rule says anything of a type that is no float.
fn can_hold(check: &Check, name: &str, operand: &AnyTarget, rule: Rule) -> Result<(), LossError> {
    let of_bool = |value: f64| rule == Rule::SIGNS || rule.holds(&value);
    let is_bool = matches!(operand.values, FlatValues::Bool(_));
    if is_bool && !(of_bool(0.0) && of_bool(1.0)) {
        return Err(check.error(
            LossErrorKind::Config,
            format!(
                "{name} are Bool, which is 0 or 1, and must be {}: give them as floats, or the operand a rule that both \
                 keep.",
                rule.in_words()
            ),
        ));
    }
    Ok(())
}

/// The operand as numbers, in the type in which input of a type is computed, if it is none yet.
pub(crate) fn numbers(operand: AnyOperand, rule: Rule, dtype: DType) -> AnyRank {
    let wide: FloatDType = compute_dtype(dtype);
    match operand {
        AnyOperand::Numbers(numbers) => numbers,
        AnyOperand::Others(others) => {
            let values = flat(others.values, rule, dtype).cast(wide);
            AnyRank::from(values).shaped(others.shape)
        }
    }
}

/// Values that are no floats, in order: `true` is a sign where signs are wanted.
pub(crate) fn flat(values: FlatValues, rule: Rule, dtype: DType) -> FlatValues {
    if rule == Rule::SIGNS {
        values.signs(compute_dtype(dtype))
    } else {
        values
    }
}

/// The values of an operand, for looking at them.
fn read(operand: AnyOperand, rule: Rule) -> AnyRank {
    match operand {
        AnyOperand::Numbers(numbers) => numbers,
        AnyOperand::Others(others) => {
            AnyRank::from(flat(others.values, rule, DType::F32).cast(FloatDType::F32))
        }
    }
}
