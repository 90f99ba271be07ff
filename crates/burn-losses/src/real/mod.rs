//! The arithmetic in which every loss states its value and derivative, once.
//!
//! A formula written against [`Real`] runs on `f32` and `f64` (the loop over memory, the reference
//! of the tests) and on a tensor (every backend Burn has; see the module `tensor`).

pub(crate) mod elementary;
pub(crate) mod id;
mod tensor;

use core::ops::{Add, Div, Mul, Neg, Sub};

/// A real number, or a tensor of them, with the operations a loss needs.
///
/// Constants are `f64` and comparisons are with a constant: that is all the formulas need, and it
/// spares a tensor from being filled with one value.
#[cfg_attr(not(feature = "std"), allow(dead_code))] // Some of it is for formulas alone.
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

    /// The largest finite number.
    #[inline(always)]
    fn largest(&self) -> f64 {
        if self.is_double() {
            f64::MAX
        } else {
            f64::from(f32::MAX)
        }
    }
    /// The least positive number that has all digits.
    #[inline(always)]
    fn least_normal(&self) -> f64 {
        if self.is_double() {
            f64::MIN_POSITIVE
        } else {
            f64::from(f32::MIN_POSITIVE)
        }
    }

    fn plus(self, constant: f64) -> Self;
    fn times(self, constant: f64) -> Self;
    /// The product with a number, plus a constant: a step of a polynomial.
    fn times_plus(self, factor: Self, constant: f64) -> Self {
        (self * factor).plus(constant)
    }
    /// The number plus a product.
    #[inline(always)]
    fn plus_product(self, a: Self, b: Self) -> Self {
        self + a * b
    }
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

    /// As many of the constant as there are numbers.
    fn like(&self, constant: f64) -> Self;

    /// As [`like`](Self::like), of the number that a parameter is now. A kernel that is being put together is told
    /// it when it is launched.
    #[inline(always)]
    fn parameter(&self, _at: usize, number: f64) -> Self {
        self.like(number)
    }

    fn above(&self, constant: f64) -> Self::Mask;
    /// Whether the number is larger than another; NaN is not.
    fn exceeds(&self, other: &Self) -> Self::Mask;
    /// Whether the number is the same as another; NaN is not.
    fn same(&self, other: &Self) -> Self::Mask;
    fn equals(&self, constant: f64) -> Self::Mask;
    /// Whether the number is from `least` to `most`; NaN is not.
    fn between(&self, least: f64, most: f64) -> Self::Mask;
    fn is_nan(&self) -> Self::Mask;
    /// Where at least one of two masks holds.
    fn either(one: Self::Mask, other: Self::Mask) -> Self::Mask;
    /// `constant` where the mask holds, the number elsewhere.
    fn set(self, mask: Self::Mask, constant: f64) -> Self;
    /// `other` where the mask holds, the number elsewhere.
    fn replace(self, mask: Self::Mask, other: Self) -> Self;

    /// The product, in which zero times infinity is zero: a term of weight 0 does not count,
    /// whatever it is.
    #[inline(always)]
    fn times_or_zero(self, weight: Self) -> Self {
        let absent = weight.equals(0.0);
        (self * weight).set(absent, 0.0)
    }

    /// A positive power of a number that is not negative.
    ///
    /// The backends' own power is not used: ndarray's rounds the exponent to `f32`.
    #[inline(always)]
    fn power(self, exponent: f64) -> Self {
        self.ln().times(exponent).exp()
    }

    /// `ln(1 + self)`, accurate for tiny numbers.
    #[inline(always)]
    fn ln_1p(self) -> Self {
        let small = self.between(-0.5, 1.0);
        let series = self.clone().at_least(-0.5).at_most(1.0).ln_1p_small();
        self.plus(1.0).ln().replace(small, series)
    }

    /// As [`ln_1p`](Self::ln_1p), of numbers in `[-1/2, 1]`, without a logarithm.
    ///
    /// The backends' own `log1p` is not: on CubeCL it is `ln(1 + x)`, which is 0 for every tiny
    /// `x`. With `s = x / (2 + x)`, `ln(1 + x)` is the odd series `2 (s + s^3/3 + s^5/5 + ..)`; here
    /// `|s| <= 1/3`, so each term gives about one digit.
    #[inline(always)]
    fn ln_1p_small(self) -> Self {
        let terms: usize = if self.is_double() { 17 } else { 7 };
        let s = self.clone() / self.plus(2.0);
        let square = s.clone() * s.clone();
        // The terms of even and odd powers of the square apart: a step waits for the one before.
        let fourth = square.clone() * square.clone();
        let (even, odd) = (every_other(&fourth, terms - 1), every_other(&fourth, terms));
        let series = even + odd * square;
        series.times(2.0) * s
    }
}

/// The hyperbolic tangent: near zero its series, elsewhere from the exponential.
#[inline(always)]
pub(crate) fn tanh<R: Real>(x: R) -> R {
    let size = x.clone().abs();
    let exp = size.clone().times(-2.0).exp();
    let one = x.like(1.0);
    let large = (one - exp.clone()) / exp.plus(1.0);
    let small = tanh_small(size.clone().at_most(SMALL_FOR_TANH));
    large.replace(size.between(0.0, SMALL_FOR_TANH), small) * x.sign()
}

/// Up to which size the series of the hyperbolic tangent has all digits.
pub(crate) const SMALL_FOR_TANH: f64 = 0.5;

/// As [`tanh`], of no more than [`SMALL_FOR_TANH`].
#[inline(always)]
pub(crate) fn tanh_small<R: Real>(x: R) -> R {
    let square = x.clone() * x.clone();
    let last: usize = if x.is_double() { 15 } else { 7 };
    x * polynomial(&square, &TANH[..=last])
}

/// A polynomial of at least two coefficients, that of the power 0 first.
#[inline(always)]
fn polynomial<R: Real>(x: &R, coefficients: &[f64]) -> R {
    let last = coefficients.len() - 1;
    let mut sum = x
        .clone()
        .times(coefficients[last])
        .plus(coefficients[last - 1]);
    for &coefficient in coefficients[..last - 1].iter().rev() {
        sum = sum.times_plus(x.clone(), coefficient);
    }
    sum
}

/// The coefficients of `tanh(x) / x` in powers of `x^2`.
const TANH: [f64; 16] = {
    let mut series = [1.0; 16];
    let mut power = 1;
    // The derivative is `1 - tanh^2`.
    while power < series.len() {
        let (mut square, mut at) = (0.0, 0);
        while at < power {
            square += series[at] * series[power - 1 - at];
            at += 1;
        }
        series[power] = -square / (2 * power + 1) as f64;
        power += 1;
    }
    series
};

/// The arc tangent: the number, or what is left of it where it is turned by an eighth or a quarter, is small.
#[cfg(feature = "std")]
#[inline(always)]
pub(crate) fn atan<R: Real>(x: R) -> R {
    const EIGHTH: f64 = core::f64::consts::FRAC_PI_4;
    let size = x.clone().abs();
    let (above, far) = (size.above(SMALL_FOR_ATAN), size.above(1.0 / SMALL_FOR_ATAN));
    let one = x.like(1.0);
    let over = size.clone().plus(-1.0).replace(far.clone(), -one.clone());
    let over = size.clone().replace(above.clone(), over);
    let under = size.clone().plus(1.0).replace(far.clone(), size);
    let under = one.replace(above.clone(), under);
    let turned = x.like(0.0).set(above, EIGHTH).set(far, 2.0 * EIGHTH);
    let left = over / under;
    let square = left.clone() * left.clone();
    let series = polynomial(&square, &ATAN);
    let least = left.clone().plus_product(left * square, series);
    (turned + least) * x.sign()
}

/// The tangent of an eighth of half a turn.
#[cfg(feature = "std")]
const SMALL_FOR_ATAN: f64 = core::f64::consts::SQRT_2 - 1.0;

/// Coefficients of `atan(x) / x - 1` in powers of `x^2`, from `x^2` on, for `x` up to [`SMALL_FOR_ATAN`]: the polynomial
/// whose largest relative error, 3.5e-17, is least.
#[cfg(feature = "std")]
const ATAN: [f64; 10] = [
    -0.333_333_333_333_301_5,
    0.199_999_999_990_889_7,
    -0.142_857_141_952_623_83,
    0.111_111_066_536_274_14,
    -0.090_907_824_133_217_57,
    0.076_900_683_114_679_43,
    -0.066_411_212_754_599_52,
    0.056_925_393_694_800_5,
    -0.043_590_961_731_423_18,
    0.021_259_853_676_481_74,
];

/// The error function: near zero its series, elsewhere from what is left to 1.
#[cfg(feature = "std")]
#[inline(always)]
pub(crate) fn erf<R: Real>(x: R) -> R {
    let size = x.clone().abs();
    let near = size.clone().at_most(SMALL_FOR_ERF);
    let square = near.clone() * near.clone();
    let last: usize = if x.is_double() { 11 } else { 6 };
    let small = near * polynomial(&square, &ERF[..=last]);

    let t = x.like(2.0) / size.clone().plus(2.0);
    let twice = t.clone().times(4.0).plus(-2.0);
    let terms: usize = if x.is_double() { 20 } else { 10 };
    // Clenshaw's recurrence.
    let (mut ahead, mut sum) = (x.like(0.0), x.like(COMPLEMENT[terms - 1]));
    for &coefficient in COMPLEMENT[1..terms - 1].iter().rev() {
        let next = (-ahead)
            .plus(coefficient)
            .plus_product(twice.clone(), sum.clone());
        (ahead, sum) = (sum, next);
    }
    let exponent = (-ahead)
        .plus(0.5 * COMPLEMENT[0])
        .plus_product(twice.times(0.5), sum);
    let exponent = exponent.plus_product(-size.clone(), size.clone());
    let rest = t * exponent.exp();
    let large = x.like(1.0) - rest;
    large.replace(size.between(0.0, SMALL_FOR_ERF), small) * x.sign()
}

/// Up to which size the series of the error function is taken.
#[cfg(feature = "std")]
const SMALL_FOR_ERF: f64 = 0.5;

/// The coefficients of `erf(x) / x` in powers of `x^2`.
#[cfg(feature = "std")]
const ERF: [f64; 12] = {
    let mut series = [core::f64::consts::FRAC_2_SQRT_PI; 12];
    let (mut power, mut factorial) = (1, 1.0);
    while power < series.len() {
        factorial *= -(power as f64);
        series[power] /= factorial * (2 * power + 1) as f64;
        power += 1;
    }
    series
};

/// Coefficients of Chebyshev polynomials of `ln(erfc(z) / t) + z^2` for `t = 2 / (2 + z)`, computed with 40 digits. Cut off
/// here, they give `erfc` to 2e-13; in `f32` ten of them are enough.
#[cfg(feature = "std")]
const COMPLEMENT: [f64; 20] = [
    -1.3026537197817094,
    0.6419697923564902,
    0.019476473204185836,
    -0.009561514786808632,
    -0.0009465953444820369,
    0.00036683949785276145,
    4.252332480690777e-05,
    -2.0278578112534242e-05,
    -1.6242900046470256e-06,
    1.3036558355805232e-06,
    1.5626441722066142e-08,
    -8.523809591492654e-08,
    6.5290544390988515e-09,
    5.059343495551469e-09,
    -9.91364156493033e-10,
    -2.273651222931836e-10,
    9.646791102015527e-11,
    2.3940380830391146e-12,
    -6.886027526497553e-12,
    8.944879273090725e-13,
];

/// `(e^x - 1 - x) / 2`.
#[inline(always)]
pub(crate) fn half_exp_rest<R: Real>(x: R) -> R {
    half_exp_rest_beside(x.clone(), half_exp_m1(x))
}

/// [`half_exp_rest`], of a number and its [`half_exp_m1`].
#[inline(always)]
pub(crate) fn half_exp_rest_beside<R: Real>(x: R, m1: R) -> R {
    let (near, series) = half_exp_series(&x);
    (m1 - x.clone().times(0.5)).replace(x.between(-SMALL, SMALL), near.clone() * near * series)
}

/// `(e^x - 1) / 2`, the derivative of [`half_exp_rest`]: by the square of a root, which is infinite no sooner than its half
/// has to be.
#[inline(always)]
pub(crate) fn half_exp_m1<R: Real>(x: R) -> R {
    let (near, series) = half_exp_series(&x);
    let root = x.clone().times(0.5).exp();
    let grown = root.clone().times(0.5) * root;
    let small = near.clone() * (near * series).plus(0.5);
    grown.plus(-0.5).replace(x.between(-SMALL, SMALL), small)
}

const SMALL: f64 = 0.5;

/// A number that is small, and the [`EXP_REST`] series of it.
#[inline(always)]
fn half_exp_series<R: Real>(x: &R) -> (R, R) {
    let near = x.clone().at_least(-SMALL).at_most(SMALL);
    let last: usize = if x.is_double() { 13 } else { 7 };
    let series = polynomial(&near, &EXP_REST[..=last]);
    (near, series)
}

/// The coefficients of `(e^x - 1 - x) / (2 x^2)`.
const EXP_REST: [f64; 14] = {
    let mut series = [0.25; 14];
    let mut power = 1;
    while power < series.len() {
        series[power] = series[power - 1] / (power + 2) as f64;
        power += 1;
    }
    series
};

/// Every other term of the series, down from the last one.
#[inline(always)]
fn every_other<R: Real>(fourth: &R, last: usize) -> R {
    let start = fourth.clone().times(SERIES[last]);
    let mut sum = start.plus(SERIES[last - 2]);
    let mut at = last - 2;
    while at >= 2 {
        at -= 2;
        sum = sum.times_plus(fourth.clone(), SERIES[at]);
    }
    sum
}

/// `1 / (2 k + 1)`: the coefficients of `ln((1 + s) / (1 - s)) / 2`.
const SERIES: [f64; 18] = {
    let mut series = [1.0; 18];
    let (mut at, mut odd) = (1, 3.0);
    while at < series.len() {
        series[at] = 1.0 / odd;
        (at, odd) = (at + 1, odd + 2.0);
    }
    series
};

/// Stamps [`Real`] for a primitive float: the two differ in nothing but their name.
///
/// Everything is inlined, so that it is compiled for the vector instructions of the loop it is in.
macro_rules! real_for_primitive {
    ($float:ident) => {
        impl Real for $float {
            type Mask = bool;

            #[inline(always)]
            fn is_double(&self) -> bool {
                size_of::<$float>() == 8
            }
            #[inline(always)]
            fn plus(self, constant: f64) -> Self {
                self + constant as $float
            }
            #[inline(always)]
            fn times(self, constant: f64) -> Self {
                self * constant as $float
            }
            #[inline(always)]
            fn times_plus(self, factor: Self, constant: f64) -> Self {
                elementary::$float::multiply_add(self, factor, constant as $float)
            }
            #[inline(always)]
            fn plus_product(self, a: Self, b: Self) -> Self {
                elementary::$float::multiply_add(a, b, self)
            }
            #[inline(always)]
            fn at_least(self, constant: f64) -> Self {
                if self < constant as $float {
                    constant as $float
                } else {
                    self
                }
            }
            #[inline(always)]
            fn at_most(self, constant: f64) -> Self {
                if self > constant as $float {
                    constant as $float
                } else {
                    self
                }
            }
            #[inline(always)]
            fn abs(self) -> Self {
                $float::abs(self)
            }
            #[inline(always)]
            fn sign(self) -> Self {
                let positive: $float = if self > 0.0 { 1.0 } else { 0.0 };
                let negative: $float = if self < 0.0 { 1.0 } else { 0.0 };
                let sign = positive - negative;
                if self.is_nan() { self } else { sign }
            }
            #[inline(always)]
            fn exp(self) -> Self {
                elementary::$float::exp(self)
            }
            #[inline(always)]
            fn ln(self) -> Self {
                elementary::$float::ln(self)
            }
            #[inline(always)]
            fn ln_1p(self) -> Self {
                elementary::$float::ln_1p(self)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                num_traits::Float::sqrt(self)
            }
            #[inline(always)]
            fn like(&self, constant: f64) -> Self {
                constant as $float
            }
            #[inline(always)]
            fn above(&self, constant: f64) -> bool {
                *self > constant as $float
            }
            #[inline(always)]
            fn exceeds(&self, other: &Self) -> bool {
                *self > *other
            }
            #[inline(always)]
            fn same(&self, other: &Self) -> bool {
                *self == *other
            }
            #[inline(always)]
            fn equals(&self, constant: f64) -> bool {
                *self == constant as $float
            }
            #[inline(always)]
            fn between(&self, least: f64, most: f64) -> bool {
                (*self >= least as $float) & (*self <= most as $float)
            }
            #[inline(always)]
            fn is_nan(&self) -> bool {
                $float::is_nan(*self)
            }
            #[inline(always)]
            fn either(one: bool, other: bool) -> bool {
                one | other
            }
            #[inline(always)]
            fn set(self, mask: bool, constant: f64) -> Self {
                if mask { constant as $float } else { self }
            }
            #[inline(always)]
            fn replace(self, mask: bool, other: Self) -> Self {
                if mask { other } else { self }
            }
        }
    };
}

real_for_primitive!(f32);
real_for_primitive!(f64);
