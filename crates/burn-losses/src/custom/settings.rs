//! What every loss of a closure has besides its formula.

use crate::loss::formula::statistics::{Statistics, same_everywhere};
use crate::losses::NAMES;
use crate::spec::expression::RecordedFormula;
use crate::spec::reduction::Reduction;
use crate::spec::rule::Rule;
use crate::validate::check::Check;
use crate::validate::error::{Lint, LossError, LossErrorKind, or_panic};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use burn::tensor::DType;
use core::fmt::{Debug, Display, Formatter};

/// How many parameters a formula has at most: a kernel is told so many.
const PARAMETERS: usize = 8;

/// What operands and sums are called in messages.
pub(super) const ORDINALS: [&str; 8] = [
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth",
];

/// A suspicion of a user: its name, and what tells it of the statistics of the operands.
type Suspicion = (
    &'static str,
    Arc<dyn Fn(&[Statistics]) -> Option<String> + Send + Sync>,
);

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) name: &'static str,
    pub(super) reduction: Reduction,
    /// The parameters of the formula, and what they are set to.
    parameters: Vec<(&'static str, Option<f64>)>,
    suspicions: Vec<Suspicion>,
    /// The largest size of a constant.
    constant: f64,
}

impl Settings {
    /// Of formulas, which have one set of parameters.
    pub(super) fn new(
        name: &'static str,
        recorded: &[&RecordedFormula],
    ) -> Result<Self, LossError> {
        let error = |message: String| Err(LossError::new(name, LossErrorKind::Config, message));
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        if !name.starts_with(char::is_alphabetic) || !name.chars().all(is_part) {
            let shown = format!(
                "{name:?} is no name of a loss: give one word of letters and digits, as types have, such as \
                 `SquaredHinge`."
            );
            return Err(LossError::new("Custom", LossErrorKind::Config, shown));
        }
        if NAMES.contains(&name) {
            return error(format!(
                "there is a loss of that name: errors could not tell the two apart. Name yours `My{name}`, say."
            ));
        }
        let mut parameters: Vec<(&'static str, Option<f64>)> = Vec::new();
        let mut constant: f64 = 0.0;
        for recorded in recorded {
            for &parameter in &recorded.parameters {
                if parameters.iter().all(|(known, _)| *known != parameter) {
                    parameters.push((parameter, None));
                }
            }
            for number in recorded.constants() {
                if number.is_nan() {
                    return error("a constant of the formula is NaN.".into());
                }
                if number.is_finite() {
                    constant = constant.max(number.abs());
                }
            }
        }
        if parameters.len() > PARAMETERS {
            return error(format!(
                "the formula has {} parameters, and {PARAMETERS} are the most there can be: what does not change from \
                 call to call is a plain number.",
                parameters.len()
            ));
        }
        Ok(Self {
            name,
            reduction: Reduction::default(),
            parameters,
            suspicions: Vec::new(),
            constant,
        })
    }

    /// The same for a formula that has become more.
    pub(super) fn again(&self, recorded: &RecordedFormula) -> Result<Self, LossError> {
        let mut settings = Self::new(self.name, &[recorded])?;
        for (name, value) in &mut settings.parameters {
            let known = self.parameters.iter().find(|(known, _)| known == name);
            *value = known.and_then(|(_, value)| *value);
        }
        settings.reduction = self.reduction;
        settings.suspicions = self.suspicions.clone();
        Ok(settings)
    }

    pub(super) fn error(&self, message: String) -> LossError {
        LossError::new(self.name, LossErrorKind::Config, message)
    }

    #[track_caller]
    pub(super) fn set(&mut self, parameter: &str, number: f64) {
        let set = self.try_set(parameter, number);
        or_panic(set);
    }

    fn try_set(&mut self, parameter: &str, number: f64) -> Result<(), LossError> {
        if !number.is_finite() {
            return Err(self.error(format!(
                "parameter `{parameter}` is {number}: it must be finite."
            )));
        }
        let mut known = self.parameters.iter_mut();
        match known.find(|(name, _)| *name == parameter) {
            Some((_, value)) => {
                *value = Some(number);
                Ok(())
            }
            None => {
                let names: Vec<&str> = self.parameters.iter().map(|(name, _)| *name).collect();
                let has = match &names[..] {
                    [] => "it has none".into(),
                    names => format!("it has {}", crate::spec::expression::names(names)),
                };
                Err(self.error(format!(
                    "the formula has no parameter `{parameter}`: {has}."
                )))
            }
        }
    }

    /// The parameters, in an order of their names.
    pub(super) fn parameters(&self, order: &[&'static str]) -> Result<Vec<f64>, LossError> {
        let value = |name: &&'static str| {
            let known = self.parameters.iter().find(|(known, _)| known == name);
            known.and_then(|(_, value)| *value).ok_or_else(|| {
                self.error(format!(
                    "parameter `{name}` has no value: set it with `with_parameter(\"{name}\", ..)`."
                ))
            })
        };
        order.iter().map(value).collect()
    }

    /// The numbers of the formula must be some of the type that is computed in.
    pub(super) fn held(&self, check: &Check, dtype: DType) -> Result<(), LossError> {
        check.holds(dtype, "a constant of the formula", self.constant)?;
        for (name, value) in &self.parameters {
            let name = format!("parameter `{name}`");
            check.holds(dtype, &name, value.unwrap_or_default())?;
        }
        Ok(())
    }

    pub(super) fn suspect(
        &mut self,
        rule: &'static str,
        suspicion: impl Fn(&[Statistics]) -> Option<String> + Send + Sync + 'static,
    ) {
        self.suspicions.push((rule, Arc::new(suspicion)));
    }

    /// What is suspicious of operands: a target, which is the last of several, that is the same everywhere, and what the
    /// user suspects.
    pub(super) fn lints(&self, operands: &[Statistics], target: Rule) -> Vec<Lint> {
        let same = same_everywhere(self.name, operands, target).into_iter();
        same.chain(self.suspected(|| operands.to_vec())).collect()
    }

    /// What the user suspects of operands, whose statistics are asked for if that is anything.
    pub(super) fn suspected(&self, operands: impl FnOnce() -> Vec<Statistics>) -> Vec<Lint> {
        if self.suspicions.is_empty() {
            return Vec::new();
        }
        let operands = operands();
        let lints = self.suspicions.iter().filter_map(|(rule, suspicion)| {
            Some(Lint {
                loss: self.name,
                rule,
                message: suspicion(&operands)?,
            })
        });
        lints.collect()
    }
}

impl Display for Settings {
    fn fmt(&self, formatter: &mut Formatter) -> core::fmt::Result {
        write!(formatter, "{} {{reduction: {:?}", self.name, self.reduction)?;
        for (name, value) in &self.parameters {
            match value {
                Some(value) => write!(formatter, ", {name}: {value}")?,
                None => write!(formatter, ", {name}: not set")?,
            }
        }
        formatter.write_str("}")
    }
}

impl Debug for Settings {
    fn fmt(&self, formatter: &mut Formatter) -> core::fmt::Result {
        Display::fmt(self, formatter)
    }
}

/// Stamps what each loss of a closure has of its [`Settings`]: how they are set, and what it says of itself.
macro_rules! of_settings {
    ([$($generics:tt)*] $loss:ty) => {
        impl<$($generics)*> $loss {
            /// The same loss, reduced in this way; without it a batch is averaged.
            pub fn with_reduction(mut self, reduction: crate::Reduction) -> Self {
                self.inner.settings.reduction = reduction;
                self
            }

            /// The same loss, with a number for an [`Expr::parameter`](super::Expr::parameter). It costs nothing: to set a
            /// margin before each call is what it is for.
            ///
            /// # Panics
            ///
            /// If the formula has no such parameter, or the number is not finite.
            #[track_caller]
            pub fn with_parameter(mut self, name: &str, number: f64) -> Self {
                self.inner.settings.set(name, number);
                self
            }

            /// The same loss, with a suspicion that [`lint`](crate::Loss::lint) reports under a name such as
            /// `"single-class"`: what is legal but looks like a mistake, by the statistics of all that the loss is called
            /// with, in that order.
            ///
            /// ```
            /// use burn_losses::custom::Custom;
            ///
            /// let loss = Custom::elementwise("SquaredError", |x, y| (x - y).square())
            ///     .with_lint("not-standardised", |operands| {
            ///         let most = operands[1].most();
            ///         (most > 100.0).then(|| format!("a target is {most}: are the targets standardised?"))
            ///     });
            /// ```
            pub fn with_lint(
                mut self,
                rule: &'static str,
                suspicion: impl Fn(&[super::Statistics]) -> Option<alloc::string::String>
                + Send
                + Sync
                + 'static,
            ) -> Self {
                self.inner.settings.suspect(rule, suspicion);
                self
            }
        }

        impl<$($generics)*> burn::module::ModuleDisplay for $loss {
            fn custom_content(
                &self,
                content: burn::module::Content,
            ) -> Option<burn::module::Content> {
                content.add_formatted(&self.inner.settings).optional()
            }
        }

        impl<$($generics)*> crate::loss::sealed::Sealed for $loss {}

        impl<$($generics)*> crate::loss::LossInfo for $loss {
            fn name(&self) -> &'static str {
                self.inner.settings.name
            }

            fn reduction(&self) -> crate::Reduction {
                self.inner.settings.reduction
            }
        }
    };
}
pub(super) use of_settings;

/// Stamps how the operands of a loss of a closure are described, which are `K`.
macro_rules! of_operand_rules {
    ($loss:ident) => {
        impl<const K: usize> $loss<K> {
            /// The same loss, whose target, the last operand, is of values that keep a rule.
            pub fn with_target(mut self, rule: Rule) -> Self {
                self.inner.operands.rules[K - 1] = rule;
                self
            }

            /// The same loss, one of whose operands (counted from 0) is of values that keep a rule.
            ///
            /// # Panics
            ///
            /// If there is no such operand.
            #[track_caller]
            pub fn with_rule(mut self, operand: usize, rule: Rule) -> Self {
                let name = self.inner.settings.name;
                assert!(operand < K, "{name}: there is no operand {operand}");
                self.inner.operands.rules[operand] = rule;
                self
            }

            /// The same loss, whose operands are of values that keep these rules.
            pub fn with_rules(mut self, rules: [Rule; K]) -> Self {
                self.inner.operands.rules = rules;
                self
            }

            /// The same loss, whose operands have these names in errors.
            pub fn with_names(mut self, names: [&'static str; K]) -> Self {
                self.inner.operands.names = names;
                self
            }
        }
    };
}
pub(super) use of_operand_rules;
