//! The arithmetic of the definitions in a kernel that is being put together.
//!
//! A kernel is built by running its description once; what is computed then are not numbers but the
//! operations of the kernel. [`Traced`] is such a value to be, and has the arithmetic of [`Real`]. So
//! the definition of a loss is its kernel on a GPU too.

use crate::real::Real;
use core::ops::{Add, Div, Mul, Neg, Sub};
use cubecl::ir::{ExpandValue, Scope};
use cubecl::prelude::*;

/// The numbers that no kernel can have as constants: WebGPU's language has no way to write them. A
/// kernel is given them when it is launched.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
#[expand(derive(Clone, Copy))]
#[allow(dead_code)] // The kernels read the fields, of what this is expanded to.
pub(crate) struct NonFinite {
    pub(crate) nan: f32,
    pub(crate) infinity: f32,
    /// One over the length of a row: not a constant, or each length would compile a kernel.
    pub(crate) of_row: f32,
    pub(crate) parameters: Parameters,
}

/// The numbers that a formula is called with.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
#[expand(derive(Clone, Copy))]
#[allow(dead_code)] // As above.
pub(crate) struct Parameters {
    first: f32,
    second: f32,
    third: f32,
    fourth: f32,
    fifth: f32,
    sixth: f32,
    seventh: f32,
    eighth: f32,
}

impl ParametersLaunch {
    fn of(parameters: &[f64]) -> Self {
        let at = |at: usize| parameters.get(at).map_or(0.0, |&number| number as f32);
        Self::new(at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7))
    }
}

impl ParametersExpand {
    fn at(&self, at: usize) -> NativeExpand<f32> {
        match at {
            0 => self.first,
            1 => self.second,
            2 => self.third,
            3 => self.fourth,
            4 => self.fifth,
            5 => self.sixth,
            6 => self.seventh,
            7 => self.eighth,
            _ => unreachable!("a formula has eight parameters at most"),
        }
    }
}

impl NonFiniteLaunch {
    /// Of a kernel over rows of that length, and the parameters of what it computes.
    pub(crate) fn of_rows(length: usize, parameters: &[f64]) -> Self {
        let over_length = (1.0 / length as f64) as f32;
        let parameters = ParametersLaunch::of(parameters);
        Self::new(f32::NAN, f32::INFINITY, over_length, parameters)
    }

    /// Of a kernel that knows no rows.
    pub(crate) fn given(parameters: &[f64]) -> Self {
        Self::of_rows(1, parameters)
    }
}

/// From here on what is divided by is made smaller first, by as little as it takes: what is divided may be small.
const LARGE: f64 = 4e37;
const DOWN: f64 = 0.125;

/// A number in `f32`, or a vector of them, that the kernel will compute.
#[derive(Clone, Copy)]
pub(crate) struct Traced<'a> {
    scope: &'a Scope,
    special: NonFiniteExpand,
    value: NativeExpand<f32>,
}

/// Which of the numbers something holds for.
#[derive(Clone, Copy)]
pub(crate) struct Mask<'a> {
    scope: &'a Scope,
    value: NativeExpand<bool>,
}

/// Where values to be come from: the kernel they are for.
#[derive(Clone, Copy)]
pub(crate) struct Tracer<'a> {
    pub(crate) scope: &'a Scope,
    pub(crate) special: NonFiniteExpand,
}

impl<'a> Tracer<'a> {
    pub(crate) fn of<T: ?Sized>(self, value: NativeExpand<T>) -> Traced<'a> {
        self.wrap(value.expand.into())
    }

    /// A number over the length of a row.
    pub(crate) fn over_length(self, number: f64) -> Traced<'a> {
        self.wrap(self.special.of_row).times(number)
    }

    pub(crate) fn number(self, number: f64) -> Traced<'a> {
        let zero = self.wrap(NativeExpand::from(0.0));
        zero.with(zero.constant(number))
    }

    fn wrap(self, value: NativeExpand<f32>) -> Traced<'a> {
        Traced {
            scope: self.scope,
            special: self.special,
            value,
        }
    }
}

impl Traced<'_> {
    pub(crate) fn value<T: ?Sized>(self) -> NativeExpand<T>
    where
        NativeExpand<T>: From<ExpandValue>,
    {
        self.value.expand.into()
    }

    fn with(self, value: NativeExpand<f32>) -> Self {
        Self { value, ..self }
    }

    fn constant(&self, number: f64) -> NativeExpand<f32> {
        let number = number as f32;
        if number.is_nan() {
            self.special.nan
        } else if number == f32::INFINITY {
            self.special.infinity
        } else if number == f32::NEG_INFINITY {
            self.special.infinity.__expand_neg_method(self.scope)
        } else {
            NativeExpand::from(number)
        }
    }

    fn select(self, mask: Mask, other: NativeExpand<f32>) -> Self {
        self.with(select::expand(self.scope, mask.value, other, self.value))
    }
}

impl<'a> Traced<'a> {
    pub(crate) fn tracer(&self) -> Tracer<'a> {
        Tracer {
            scope: self.scope,
            special: self.special,
        }
    }

    /// NaN where another number is. A driver takes the choice between a number and a bound for a minimum or a
    /// maximum, and the one of an NVIDIA GPU knows no NaN; whether a number is NaN is told by its bits.
    fn or_nan_of(self, other: Self) -> Self {
        self.replace(other.is_nan(), other)
    }

    fn mask(&self, value: NativeExpand<bool>) -> Mask<'a> {
        Mask {
            scope: self.scope,
            value,
        }
    }
}

impl Add for Traced<'_> {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        self.with(self.value.__expand_add_method(self.scope, other.value))
    }
}

impl Sub for Traced<'_> {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self.with(self.value.__expand_sub_method(self.scope, other.value))
    }
}

impl Mul for Traced<'_> {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        self.with(self.value.__expand_mul_method(self.scope, other.value))
    }
}

impl Div for Traced<'_> {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        // A GPU divides by multiplying with the inverse, and that of a number beyond 2^126 is below the
        // normal ones, which is 0 on many.
        let one = other.tracer().number(1.0);
        let down = one.set(other.abs().above(LARGE), DOWN);
        let (over, under) = (self * down, other * down);
        over.with(over.value.__expand_div_method(self.scope, under.value))
    }
}

impl Neg for Traced<'_> {
    type Output = Self;
    fn neg(self) -> Self {
        self.with(self.value.__expand_neg_method(self.scope))
    }
}

impl<'a> Real for Traced<'a> {
    type Mask = Mask<'a>;

    fn is_double(&self) -> bool {
        false
    }
    fn plus(self, constant: f64) -> Self {
        self + self.with(self.constant(constant))
    }
    fn times(self, constant: f64) -> Self {
        self * self.with(self.constant(constant))
    }
    fn at_least(self, constant: f64) -> Self {
        let least = self.constant(constant);
        let less = self.value.__expand_lt_method(self.scope, &least);
        self.select(self.mask(less), least).or_nan_of(self)
    }
    fn at_most(self, constant: f64) -> Self {
        let most = self.constant(constant);
        let more = self.value.__expand_gt_method(self.scope, &most);
        self.select(self.mask(more), most).or_nan_of(self)
    }
    fn abs(self) -> Self {
        self.with(self.value.__expand_abs_method(self.scope))
    }
    fn sign(self) -> Self {
        // A GPU's own sign of NaN is a number.
        let zero = self.with(self.constant(0.0));
        let negative = self.value.__expand_lt_method(self.scope, &zero.value);
        let sign = zero.set(self.above(0.0), 1.0);
        let sign = sign.set(self.mask(negative), -1.0);
        sign.replace(self.is_nan(), self)
    }
    fn exp(self) -> Self {
        self.with(self.value.__expand_exp_method(self.scope))
    }
    fn ln(self) -> Self {
        self.with(self.value.__expand_ln_method(self.scope))
    }
    fn sqrt(self) -> Self {
        self.with(self.value.__expand_sqrt_method(self.scope))
    }
    fn like(&self, constant: f64) -> Self {
        self.with(self.constant(constant))
    }
    fn parameter(&self, at: usize, _: f64) -> Self {
        self.with(self.special.parameters.at(at))
    }
    fn exceeds(&self, other: &Self) -> Mask<'a> {
        self.mask(self.value.__expand_gt_method(self.scope, &other.value))
    }
    fn same(&self, other: &Self) -> Mask<'a> {
        self.mask(self.value.__expand_eq_method(self.scope, &other.value))
    }
    fn above(&self, constant: f64) -> Mask<'a> {
        let constant = self.constant(constant);
        self.mask(self.value.__expand_gt_method(self.scope, &constant))
    }
    fn equals(&self, constant: f64) -> Mask<'a> {
        let constant = self.constant(constant);
        self.mask(self.value.__expand_eq_method(self.scope, &constant))
    }
    fn between(&self, least: f64, most: f64) -> Mask<'a> {
        let (least, most) = (self.constant(least), self.constant(most));
        let above = self.value.__expand_ge_method(self.scope, &least);
        let below = self.value.__expand_le_method(self.scope, &most);
        self.mask(above.__expand_and_method(self.scope, below))
    }
    fn is_nan(&self) -> Mask<'a> {
        self.mask(self.value.__expand_is_nan_method(self.scope))
    }
    fn either(one: Mask<'a>, other: Mask<'a>) -> Mask<'a> {
        Mask {
            scope: one.scope,
            value: one.value.__expand_or_method(one.scope, other.value),
        }
    }
    fn set(self, mask: Mask<'a>, constant: f64) -> Self {
        self.select(mask, self.constant(constant))
    }
    fn replace(self, mask: Mask<'a>, other: Self) -> Self {
        self.select(mask, other.value)
    }
}
