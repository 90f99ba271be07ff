//! The arithmetic in which every loss states its value and derivative, once.
//!
//! A formula written against [`Real`] runs on `f32` and `f64` (the loop over memory, the reference
//! of the tests) and on [`Tensor`] (every backend Burn has).

use burn::tensor::{Bool, DType, Tensor};
use core::ops::{Add, Div, Mul, Neg, Sub};

/// A real number, or a tensor of them, with the operations a loss needs.
///
/// Constants are `f64` and comparisons are with a constant: that is all the formulas need, and it
/// spares a tensor from being filled with one value.
pub(crate) trait Real:
    Clone
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// The result of a comparison.
    type Mask: Clone;

    /// Whether the numbers have more digits than `f32`; decides how long a series must be.
    fn is_double(&self) -> bool;

    fn plus(self, constant: f64) -> Self;
    fn times(self, constant: f64) -> Self;
    /// The larger of the number and the constant; NaN stays NaN.
    fn at_least(self, constant: f64) -> Self;
    /// The smaller of the number and the constant; NaN stays NaN.
    fn at_most(self, constant: f64) -> Self;
    fn abs(self) -> Self;
    /// -1, 0 or 1.
    fn sign(self) -> Self;
    fn exp(self) -> Self;
    fn ln(self) -> Self;
    fn sqrt(self) -> Self;

    fn above(&self, constant: f64) -> Self::Mask;
    fn equals(&self, constant: f64) -> Self::Mask;
    /// `constant` where the mask holds, the number elsewhere.
    fn set(self, mask: Self::Mask, constant: f64) -> Self;
    /// `other` where the mask holds, the number elsewhere.
    fn replace(self, mask: Self::Mask, other: Self) -> Self;

    /// The product, in which zero times infinity is zero: a term of weight 0 does not count,
    /// whatever it is.
    fn times_or_zero(self, weight: Self) -> Self {
        let absent = weight.equals(0.0);
        (self * weight).set(absent, 0.0)
    }

    /// A positive power of a number that is not negative.
    ///
    /// The backends' own power is not used: ndarray's rounds the exponent to `f32`.
    fn power(self, exponent: f64) -> Self {
        self.ln().times(exponent).exp()
    }

    /// `ln(1 + self)` for numbers in `[-1/2, 1]`, accurate for tiny ones.
    ///
    /// The backends' own `log1p` is not: on CubeCL it is `ln(1 + x)`, which is 0 for every tiny
    /// `x`. With `s = x / (2 + x)`, `ln(1 + x)` is the odd series `2 (s + s^3/3 + s^5/5 + ..)`; here
    /// `|s| <= 1/3`, so each term gives about one digit.
    fn ln_1p_small(self) -> Self {
        let terms = if self.is_double() { 17 } else { 7 };
        let s = self.clone() / self.plus(2.0);
        let square = s.clone() * s.clone();
        let last = 1.0 / f64::from(2 * terms + 1);
        let start = square.clone().times(last);
        let series = (1..terms).rev().fold(start, |sum, k| {
            sum.plus(1.0 / f64::from(2 * k + 1)) * square.clone()
        });
        series.plus(1.0).times(2.0) * s
    }
}

/// Stamps [`Real`] for a primitive float: the two differ in nothing but their name.
macro_rules! real_for_primitive {
    ($float:ident) => {
        impl Real for $float {
            type Mask = bool;

            fn is_double(&self) -> bool {
                size_of::<$float>() == 8
            }
            fn plus(self, constant: f64) -> Self {
                self + constant as $float
            }
            fn times(self, constant: f64) -> Self {
                self * constant as $float
            }
            fn at_least(self, constant: f64) -> Self {
                if self < constant as $float {
                    constant as $float
                } else {
                    self
                }
            }
            fn at_most(self, constant: f64) -> Self {
                if self > constant as $float {
                    constant as $float
                } else {
                    self
                }
            }
            fn abs(self) -> Self {
                num_traits::Float::abs(self)
            }
            fn sign(self) -> Self {
                if self == 0.0 {
                    0.0
                } else {
                    num_traits::Float::signum(self)
                }
            }
            fn exp(self) -> Self {
                num_traits::Float::exp(self)
            }
            fn ln(self) -> Self {
                num_traits::Float::ln(self)
            }
            fn sqrt(self) -> Self {
                num_traits::Float::sqrt(self)
            }
            fn above(&self, constant: f64) -> bool {
                *self > constant as $float
            }
            fn equals(&self, constant: f64) -> bool {
                *self == constant as $float
            }
            fn set(self, mask: bool, constant: f64) -> Self {
                if mask { constant as $float } else { self }
            }
            fn replace(self, mask: bool, other: Self) -> Self {
                if mask { other } else { self }
            }
        }
    };
}

real_for_primitive!(f32);
real_for_primitive!(f64);

impl<const D: usize> Real for Tensor<D> {
    type Mask = Tensor<D, Bool>;

    fn is_double(&self) -> bool {
        self.dtype() == DType::F64
    }
    fn plus(self, constant: f64) -> Self {
        self.add_scalar(constant)
    }
    fn times(self, constant: f64) -> Self {
        self.mul_scalar(constant)
    }
    fn at_least(self, constant: f64) -> Self {
        self.clamp_min(constant)
    }
    fn at_most(self, constant: f64) -> Self {
        self.clamp_max(constant)
    }
    fn abs(self) -> Self {
        Tensor::abs(self)
    }
    fn sign(self) -> Self {
        Tensor::sign(self)
    }
    fn exp(self) -> Self {
        Tensor::exp(self)
    }
    fn ln(self) -> Self {
        self.log()
    }
    fn sqrt(self) -> Self {
        Tensor::sqrt(self)
    }
    fn above(&self, constant: f64) -> Tensor<D, Bool> {
        self.clone().greater_scalar(constant)
    }
    fn equals(&self, constant: f64) -> Tensor<D, Bool> {
        self.clone().equal_scalar(constant)
    }
    fn set(self, mask: Tensor<D, Bool>, constant: f64) -> Self {
        self.mask_fill(mask, constant)
    }
    fn replace(self, mask: Tensor<D, Bool>, other: Self) -> Self {
        self.mask_where(mask, other)
    }
}
