//! What the options of a loss may be.

#![cfg_attr(not(feature = "std"), allow(dead_code))] // Some ranges are of losses that take `std`.

use super::check::config_error;
use super::error::LossError;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The numbers that an option may be.
pub(crate) struct Range {
    holds: fn(f64) -> bool,
    /// In words.
    words: &'static str,
    /// What else to say of one that it may not be.
    hint: &'static str,
}

impl Range {
    const fn new(words: &'static str, holds: fn(f64) -> bool) -> Self {
        Self::with_hint(words, "", holds)
    }

    const fn with_hint(words: &'static str, hint: &'static str, holds: fn(f64) -> bool) -> Self {
        Self { holds, words, hint }
    }

    /// What is wrong with an option, if anything is.
    pub(crate) fn check<'a>(
        &self,
        loss: &'static str,
        name: &str,
        option: impl Into<Numbers<'a>>,
    ) -> Result<(), LossError> {
        self.first_fault(name, option.into())
            .map_or(Ok(()), |message| Err(config_error(loss, message)))
    }

    fn first_fault(&self, name: &str, option: Numbers) -> Option<String> {
        let Self { holds, words, hint } = self;
        let is_fault = |&number: &f64| !number.is_finite() || !holds(number);
        let text = |name: &str, number| format!("{name} must be {words}, but is {number}{hint}.");
        match option {
            Numbers::None => None,
            Numbers::One(number) => is_fault(&number).then(|| text(name, number)),
            Numbers::List([]) => Some(format!(
                "{name} is empty: leave it at its default, or give one number at least."
            )),
            Numbers::List(numbers) => {
                let at = numbers.iter().position(is_fault)?;
                Some(text(&format!("{name}[{at}]"), numbers[at]))
            }
        }
    }
}

/// What an option is set to.
pub(crate) enum Numbers<'a> {
    None,
    One(f64),
    List(&'a [f64]),
}

impl From<&f64> for Numbers<'_> {
    fn from(number: &f64) -> Self {
        Self::One(*number)
    }
}

impl From<&usize> for Numbers<'_> {
    fn from(number: &usize) -> Self {
        Self::One(*number as f64)
    }
}

impl<'a> From<&'a Vec<f64>> for Numbers<'a> {
    fn from(numbers: &'a Vec<f64>) -> Self {
        Self::List(numbers)
    }
}

impl<'a> From<&&'a Vec<f64>> for Numbers<'a> {
    fn from(numbers: &&'a Vec<f64>) -> Self {
        Self::List(numbers)
    }
}

impl<'a, T> From<&'a Option<T>> for Numbers<'a>
where
    &'a T: Into<Self>,
{
    fn from(option: &'a Option<T>) -> Self {
        option.as_ref().map_or(Self::None, Into::into)
    }
}

pub(crate) const FINITE: Range = Range::new("finite", |_| true);
pub(crate) const POSITIVE: Range = Range::new("finite and positive", |x| x > 0.0);
pub(crate) const NOT_NEGATIVE: Range = Range::new("finite and at least 0", |x| x >= 0.0);
pub(crate) const AT_LEAST_1: Range = Range::new("finite and at least 1", |x| x >= 1.0);
pub(crate) const AT_LEAST_MINUS_1: Range = Range::new("finite and at least -1", |x| x >= -1.0);
pub(crate) const FROM_0_TO_1: Range = Range::new("between 0 and 1", |x| (0.0..=1.0).contains(&x));
pub(crate) const FROM_MINUS_1_TO_1: Range =
    Range::new("between -1 and 1", |x| (-1.0..=1.0).contains(&x));
pub(crate) const WITHIN_0_AND_1: Range = Range::new("above 0 and below 1", |x| 0.0 < x && x < 1.0);
pub(crate) const WITHIN_1_AND_2: Range = Range::new("above 1 and below 2", |x| 1.0 < x && x < 2.0);
pub(crate) const BELOW_1: Range = Range::new("at least 0 and below 1", |x| (0.0..1.0).contains(&x));
pub(crate) const BELOW_HALF: Range =
    Range::new("at least 0 and below 0.5", |x| (0.0..0.5).contains(&x));
pub(crate) const ONE_OR_TWO: Range = Range::new("1 or 2", |x| x == 1.0 || x == 2.0);
pub(crate) const CLASS_AXIS: Range =
    Range::with_hint("at least 1", ": axis 0 is the batch", |axis| axis >= 1.0);
pub(crate) const LOG_SHARE: Range = Range::with_hint(
    "finite and at most 0",
    ", and no logarithm of a share: `target::log_prior` makes them of counts",
    |x| x <= 0.0,
);
/// How far a ratio may fall below 1, and rise above it. With no room, or with what `f32` rounds away beside 1, the ratio of the
/// first step would be at a corner, where the gradient is 0.
pub(crate) const CLIP_LOW: Range = Range::new("at least 0.000001 and at most 1", |x| {
    (1e-6..=1.0).contains(&x)
});
pub(crate) const CLIP_HIGH: Range = Range::new("finite and at least 0.000001", |x| x >= 1e-6);
