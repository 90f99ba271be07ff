//! What the values of operands are like, and what is suspicious about them.

use crate::engine::any_rank::AnyRank;
use crate::spec::rule::Rule;
use crate::validate::error::Lint;
use alloc::format;
use alloc::vec::Vec;

/// A suspicion about a target, the last of several operands, that is the same everywhere.
pub(crate) fn same_everywhere(
    loss: &'static str,
    operands: &[Statistics],
    target: Rule,
) -> Option<Lint> {
    // What may be anything is an output of the model.
    if target.is_any() {
        return None;
    }
    let [_, .., targets] = operands else {
        return None;
    };
    let is_class = target == Rule::SIGNS || target == Rule::LABELS || target == Rule::PROBABILITY;
    (targets.count() > 1 && targets.least() == targets.most()).then(|| Lint {
        loss,
        rule: if is_class {
            "single-class"
        } else {
            "constant-target"
        },
        message: format!(
            "all {} targets of the batch are {}: there is nothing to learn from it.",
            targets.count(),
            targets.least()
        ),
    })
}

/// What the values of an operand are like, for [a lint](crate::custom::CustomElementwise::with_lint).
#[derive(Clone, Debug)]
pub struct Statistics {
    values: Vec<f64>,
}

impl Statistics {
    pub(crate) fn of(values: AnyRank) -> Self {
        Self {
            values: values.values(),
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.values.len()
    }

    /// The least of them.
    pub fn least(&self) -> f64 {
        self.values.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// The largest of them.
    pub fn most(&self) -> f64 {
        self.values
            .iter()
            .copied()
            .fold(f64::NEG_INFINITY, f64::max)
    }

    /// Their mean.
    pub fn mean(&self) -> f64 {
        self.values.iter().sum::<f64>() / self.values.len() as f64
    }

    /// Whether they are all between 0 and 1, as after a sigmoid. One number alone may be so by chance.
    pub(crate) fn look_like_probabilities(&self) -> bool {
        self.count() > 1 && self.share(|value| (0.0..=1.0).contains(&value)) == 1.0
    }

    /// What share of them is such.
    pub fn share(&self, such: impl Fn(f64) -> bool) -> f64 {
        let found = self.values.iter().filter(|&&value| such(value)).count();
        found as f64 / self.values.len() as f64
    }
}
