//! What a value must be, stated once for the check that reads it, the mask where nothing is read,
//! and the sweep.

use crate::real::Real;

/// The numbers that are allowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    least: f64,
    most: f64,
    /// Only the bounds themselves are allowed.
    ends: bool,
    /// NaN is allowed: a model that gives it has diverged, and that is not a wrong call.
    or_nan: bool,
}

impl Rule {
    /// A number from 0 to 1.
    pub(crate) const LABEL: Self = Self::between(0.0, 1.0);
    /// -1 or 1.
    pub(crate) const SIGN: Self = Self::either(-1.0, 1.0);

    pub(crate) const fn between(least: f64, most: f64) -> Self {
        Self {
            least,
            most,
            ends: false,
            or_nan: false,
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

    /// Whether it holds for all numbers. Which kind of rule it is, is asked once, so that each loop is a plain one.
    #[inline(always)]
    pub(crate) fn holds_for_all<R: Real<Mask = bool>>(&self, numbers: &[R]) -> bool {
        let Self { least, most, .. } = *self;
        match (self.ends, self.or_nan) {
            (false, false) => numbers
                .iter()
                .fold(true, |all, it| all & it.between(least, most)),
            (false, true) => numbers.iter().fold(true, |all, it| {
                all & (it.between(least, most) | it.is_nan())
            }),
            (true, _) => numbers.iter().fold(true, |all, it| all & self.holds(it)),
        }
    }

    #[inline(always)]
    pub(crate) fn holds<R: Real>(&self, value: &R) -> R::Mask {
        let within = if self.ends {
            R::either(value.equals(self.least), value.equals(self.most))
        } else {
            value.between(self.least, self.most)
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
