//! What a value must be, stated once for the check that reads it, the mask where nothing is read,
//! and the sweep.

use crate::real::Real;
use alloc::format;
use alloc::string::String;

/// What the numbers of an operand must be, such as a target of a [`Custom`](crate::custom::Custom) loss.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub struct Rule {
    least: f64,
    most: f64,
    /// Only the bounds themselves are allowed.
    ends: bool,
    /// The least bound itself is not allowed.
    open: bool,
    /// NaN is allowed: a model that gives it has diverged, and that is not a wrong call.
    or_nan: bool,
}

#[cfg_attr(not(feature = "std"), allow(dead_code))] // Then nobody writes formulas.
impl Rule {
    /// Anything, also what is infinite or NaN.
    pub const ANY: Self = Self::between(f64::NEG_INFINITY, f64::INFINITY).or_nan();
    /// A finite number.
    pub const FINITE: Self = Self::between(-f64::MAX, f64::MAX);
    /// A finite number from 0 on.
    pub const NONNEGATIVE: Self = Self::between(0.0, f64::MAX);
    /// A finite number above 0.
    pub const POSITIVE: Self = Self {
        open: true,
        ..Self::NONNEGATIVE
    };
    /// A number from 0 to 1.
    pub const PROBABILITY: Self = Self::between(0.0, 1.0);
    /// 0 or 1.
    pub const LABELS: Self = Self::either(0.0, 1.0);
    /// -1 or 1; of a `Bool` operand `true` is 1 and `false` is -1.
    pub const SIGNS: Self = Self::either(-1.0, 1.0);

    /// A number from `least` to `most`, these included.
    pub const fn between(least: f64, most: f64) -> Self {
        Self {
            least,
            most,
            ends: false,
            open: false,
            or_nan: false,
        }
    }

    /// A finite number above `least`, which is not allowed itself.
    pub const fn above(least: f64) -> Self {
        Self {
            open: true,
            ..Self::between(least, f64::MAX)
        }
    }

    /// Whether there is anything that is not allowed.
    #[cfg(feature = "std")]
    pub(crate) fn is_any(&self) -> bool {
        *self == Self::ANY
    }

    /// The same for a type whose largest number is given: no other number is finite in it.
    #[inline(always)]
    fn held(self, largest: f64) -> Self {
        let held = |bound: f64| {
            if bound.is_finite() {
                bound.clamp(-largest, largest)
            } else {
                bound
            }
        };
        Self {
            least: held(self.least),
            most: held(self.most),
            ..self
        }
    }

    /// What a number must be, in words.
    pub(crate) fn in_words(&self) -> String {
        let Self {
            least, most, ends, ..
        } = *self;
        if *self == Self::FINITE {
            "a finite number".into()
        } else if *self == Self::NONNEGATIVE {
            "a finite number from 0 on".into()
        } else if *self == Self::POSITIVE {
            "a finite number above 0".into()
        } else if self.open && most == f64::MAX {
            format!("a finite number above {least}")
        } else if self.open {
            format!("a number above {least}")
        } else if ends {
            format!("{least} or {most}")
        } else if most == f64::INFINITY {
            format!("a number from {least} on")
        } else {
            format!("a number from {least} to {most}")
        }
    }

    pub(crate) const fn either(one: f64, other: f64) -> Self {
        Self {
            ends: true,
            ..Self::between(one, other)
        }
    }

    pub(crate) const fn or_nan(self) -> Self {
        Self {
            or_nan: true,
            ..self
        }
    }

    /// The same for what a model gives: where it is not finite the model has diverged, and that is not a wrong call.
    #[cfg(feature = "std")]
    pub(crate) fn or_diverged(self) -> Self {
        let most = if self.most == f64::MAX {
            f64::INFINITY
        } else {
            self.most
        };
        Self { most, ..self }.or_nan()
    }

    /// Whether it holds for all numbers. Which kind of rule it is, is asked once, so that each loop is a plain one, and as
    /// short as can be: each sweep has them.
    #[inline(always)]
    pub(crate) fn holds_for_all<R: Real<Mask = bool>>(&self, numbers: &[R]) -> bool {
        let Some(first) = numbers.first() else {
            return true;
        };
        let Self { least, most, .. } = self.held(first.largest());
        let mut all = true;
        match (self.ends, self.open, self.or_nan) {
            // One comparison: it is never below the least.
            (false, false, false) if least == -most => {
                for it in numbers {
                    all &= it.clone().abs().between(f64::NEG_INFINITY, most);
                }
            }
            (false, false, false) => {
                for it in numbers {
                    all &= it.between(least, most);
                }
            }
            (false, false, true) => {
                for it in numbers {
                    all &= it.between(least, most) | it.is_nan();
                }
            }
            (true, false, false) => {
                for it in numbers {
                    all &= it.equals(least) | it.equals(most);
                }
            }
            (false, true, or_nan) => {
                for it in numbers {
                    let within = it.between(least, most) & !it.equals(least);
                    all &= within | (or_nan & it.is_nan());
                }
            }
            _ => all = self.holds_for_each(numbers),
        }
        all
    }

    /// As [`holds_for_all`](Self::holds_for_all), of any kind.
    #[inline(never)]
    fn holds_for_each<R: Real<Mask = bool>>(&self, numbers: &[R]) -> bool {
        numbers.iter().all(|number| self.holds(number))
    }

    #[inline(always)]
    pub(crate) fn holds<R: Real>(&self, value: &R) -> R::Mask {
        let Self { least, most, .. } = self.held(value.largest());
        let within = if self.ends {
            R::either(value.equals(least), value.equals(most))
        } else if self.open {
            let is_least = value.equals(least);
            let others = value.clone().set(is_least, f64::NAN);
            others.between(least, most)
        } else {
            value.between(least, most)
        };
        if self.or_nan {
            R::either(within, value.is_nan())
        } else {
            within
        }
    }
}

/// Which rows along an axis of an operand must sum to 1.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct UnitRows {
    /// The operand.
    pub(crate) operand: usize,
    /// The length of the axis, and of what is inside of it.
    pub(crate) length: usize,
    pub(crate) inner: usize,
    pub(crate) tolerance: f64,
    /// The operand holds logarithms.
    pub(crate) logarithms: bool,
}
