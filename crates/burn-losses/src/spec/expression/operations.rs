//! What a formula is made of, on any numbers.

use crate::real::{Real, atan, erf, half_exp_m1, half_exp_rest, half_exp_rest_beside, tanh};

/// An operation of a formula, on some values; or where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum Operation {
    /// An element of an operand.
    Operand(u8),
    /// A number that is set from call to call.
    Parameter(u8),
    /// A number, as its bits.
    Constant(u64),
    Add,
    Subtract,
    /// The difference, which is 0 of the same infinite numbers.
    Difference,
    /// The product, in which zero times infinity is zero.
    Multiply,
    /// The product, in which zero times anything is zero: of the derivatives of a chain.
    Chain,
    Divide,
    /// The first to the power of the second.
    Power,
    Negate,
    Abs,
    Sign,
    Exp,
    Ln,
    Ln1p,
    Sqrt,
    Sigmoid,
    /// `ln(1 + e^x)`.
    Softplus,
    Tanh,
    Atan,
    Erf,
    /// `(e^x - 1 - x) / 2`.
    HalfExpRest,
    /// `(e^x - 1) / 2`.
    HalfExpM1,
    /// The number itself, whose derivative is taken for 0.
    Detached,
    Max,
    Min,
    /// As [`Max`](Self::Max), and where both are the same each has half of the slope.
    Greater,
    /// As [`Min`](Self::Min), likewise.
    Lesser,
    /// 1 where the first is larger, else 0.
    Above,
    /// 1 where both are the same, else 0.
    Equal,
    /// The second where the first is not 0, else the third.
    Select,
    /// What is worked out of parameters alone.
    Uniform(u16),
    /// The product as the processor has it.
    Times,
    /// `a b + c`.
    TimesPlus,
    /// `c - a b`.
    MinusTimes,
    /// `(b a + c) a + d`.
    Quadratic,
    /// Two of these, one into the other.
    Quartic,
    /// The third where the first is larger than the second, else the fourth.
    SelectAbove,
    /// The third where the first is the same as the second, else the fourth.
    SelectEqual,
    /// `|a - b|`.
    AbsDifference,
    /// `a b c`.
    TimesTimes,
    /// `(a + b) c`.
    SumTimes,
    /// `(a - b) c`.
    DifferenceTimes,
    /// `a / b c`.
    QuotientTimes,
    /// `(a b + c) d`.
    TimesPlusTimes,
    /// `(c - a b) d`.
    MinusTimesTimes,
    /// The sign of the first, times the second.
    SignTimes,
    /// One over the number; of one so small that this is beyond the type, but not of 0, it is NaN.
    Inverse,
    /// `e^-|x|`.
    ExpOfSize,
    /// [`Sigmoid`](Self::Sigmoid) of the first, of which the second is the [`ExpOfSize`](Self::ExpOfSize).
    SigmoidBeside,
    /// [`Softplus`](Self::Softplus), likewise.
    SoftplusBeside,
    /// [`HalfExpRest`](Self::HalfExpRest) of the first, of which the second is the [`HalfExpM1`](Self::HalfExpM1).
    HalfExpRestBeside,
}

/// The most values that an operation is of.
pub(crate) const MOST: usize = 6;

impl Operation {
    pub(crate) fn constant(number: f64) -> Self {
        Self::Constant(number.to_bits())
    }

    /// How many values it is of.
    pub(crate) fn arity(self) -> usize {
        match self {
            Self::Operand(_) | Self::Parameter(_) | Self::Constant(_) | Self::Uniform(_) => 0,
            Self::Negate
            | Self::Abs
            | Self::Sign
            | Self::Exp
            | Self::Ln
            | Self::Ln1p
            | Self::Sqrt
            | Self::Sigmoid
            | Self::Softplus
            | Self::Tanh
            | Self::Atan
            | Self::Erf
            | Self::HalfExpRest
            | Self::HalfExpM1
            | Self::Detached
            | Self::Inverse
            | Self::ExpOfSize => 1,
            Self::Select
            | Self::TimesPlus
            | Self::MinusTimes
            | Self::TimesTimes
            | Self::SumTimes
            | Self::DifferenceTimes
            | Self::QuotientTimes => 3,
            Self::SelectAbove
            | Self::SelectEqual
            | Self::Quadratic
            | Self::TimesPlusTimes
            | Self::MinusTimesTimes => 4,
            Self::Quartic => MOST,
            _ => 2,
        }
    }

    /// Whether the values can change places.
    pub(crate) fn commutes(self) -> bool {
        matches!(
            self,
            Self::Add
                | Self::Multiply
                | Self::Chain
                | Self::Max
                | Self::Min
                | Self::Greater
                | Self::Lesser
                | Self::Equal
        )
    }

    /// The operation on numbers.
    #[inline(always)]
    pub(crate) fn of<R: Real>(self, [a, b, c, d, e, f]: [R; MOST]) -> R {
        match self {
            Self::Operand(_) | Self::Parameter(_) | Self::Constant(_) | Self::Uniform(_) => {
                unreachable!("a source is no operation")
            }
            Self::Add => a + b,
            Self::Subtract => a - b,
            Self::Difference => difference(a, b),
            Self::Multiply => multiply(a, b),
            Self::Chain => chain(a, b),
            Self::Divide => a / b,
            Self::Power => multiply(b, a.ln()).exp(),
            Self::Negate => -a,
            Self::Abs => a.abs(),
            Self::Sign => a.sign(),
            Self::Exp => a.exp(),
            Self::Ln => a.ln(),
            Self::Ln1p => a.ln_1p(),
            Self::Sqrt => a.sqrt(),
            Self::Sigmoid => sigmoid(a),
            Self::Softplus => softplus(a),
            Self::Tanh => tanh(a),
            Self::Atan => atan(a),
            Self::Erf => erf(a),
            Self::HalfExpRest => half_exp_rest(a),
            Self::HalfExpM1 => half_exp_m1(a),
            Self::Detached => a,
            Self::Max | Self::Greater => max(a, b),
            Self::Min | Self::Lesser => min(a, b),
            Self::Above => above(a, b),
            Self::Equal => equal(a, b),
            Self::Select => select(a, b, c),
            Self::Times => a * b,
            Self::TimesPlus => times_plus(a, b, c),
            Self::MinusTimes => minus_times(a, b, c),
            Self::Quadratic => quadratic(a, b, c, d),
            Self::Quartic => quartic(a, b, c, d, e, f),
            Self::SelectAbove => select_above(a, b, c, d),
            Self::SelectEqual => select_equal(a, b, c, d),
            Self::AbsDifference => (a - b).abs(),
            Self::TimesTimes => a * b * c,
            Self::SumTimes => (a + b) * c,
            Self::DifferenceTimes => (a - b) * c,
            Self::QuotientTimes => a / b * c,
            Self::TimesPlusTimes => times_plus(a, b, c) * d,
            Self::MinusTimesTimes => minus_times(a, b, c) * d,
            Self::SignTimes => a.sign() * b,
            Self::Inverse => inverse(a),
            Self::ExpOfSize => exp_of_size(a),
            Self::SigmoidBeside => sigmoid_beside(a, b),
            Self::SoftplusBeside => softplus_beside(a, b),
            Self::HalfExpRestBeside => half_exp_rest_beside(a, b),
        }
    }
}

#[inline(always)]
pub(crate) fn multiply<R: Real>(a: R, b: R) -> R {
    let product = a.clone() * b.clone();
    let largest = a.largest();
    let within = |x: R| x.at_least(-largest).at_most(largest);
    let undefined = product.is_nan();
    product.replace(undefined, within(a) * within(b))
}

#[inline(always)]
pub(crate) fn difference<R: Real>(a: R, b: R) -> R {
    let same = a.same(&b);
    (a - b).set(same, 0.0)
}

#[inline(always)]
pub(crate) fn chain<R: Real>(a: R, b: R) -> R {
    let absent = a.equals(0.0);
    a.times_or_zero(b).set(absent, 0.0)
}

#[inline(always)]
pub(crate) fn times_plus<R: Real>(a: R, b: R, c: R) -> R {
    c.plus_product(a, b)
}

#[inline(always)]
pub(crate) fn minus_times<R: Real>(a: R, b: R, c: R) -> R {
    c.plus_product(-a, b)
}

/// A polynomial in `x`, of which the first is known.
#[inline(always)]
pub(crate) fn quadratic<R: Real>(x: R, first: R, second: R, third: R) -> R {
    let sum = second.plus_product(first, x.clone());
    third.plus_product(sum, x)
}

#[inline(always)]
pub(crate) fn quartic<R: Real>(x: R, first: R, second: R, third: R, fourth: R, fifth: R) -> R {
    let sum = quadratic(x.clone(), first, second, third);
    quadratic(x, sum, fourth, fifth)
}

/// What is not in the range of the type comes out as NaN, not as infinity, which may become a number again.
#[inline(always)]
pub(crate) fn inverse<R: Real>(x: R) -> R {
    let inverse = x.like(1.0) / x.clone();
    let beyond = inverse.clone().abs().above(x.largest());
    inverse
        .clone()
        .set(beyond, f64::NAN)
        .replace(x.equals(0.0), inverse)
}

#[inline(always)]
pub(crate) fn exp_of_size<R: Real>(x: R) -> R {
    (-x.abs()).exp()
}

#[inline(always)]
pub(crate) fn sigmoid<R: Real>(x: R) -> R {
    sigmoid_beside(x.clone(), exp_of_size(x))
}

#[inline(always)]
pub(crate) fn sigmoid_beside<R: Real>(x: R, exp: R) -> R {
    let one = x.like(1.0);
    let large = one / exp.clone().plus(1.0);
    let small = exp * large.clone();
    small.replace(x.above(0.0), large)
}

#[inline(always)]
pub(crate) fn softplus<R: Real>(x: R) -> R {
    softplus_beside(x.clone(), exp_of_size(x))
}

#[inline(always)]
pub(crate) fn softplus_beside<R: Real>(x: R, exp: R) -> R {
    x.at_least(0.0) + exp.ln_1p_small()
}

/// The larger one; NaN where one is.
#[inline(always)]
pub(crate) fn max<R: Real>(a: R, b: R) -> R {
    let (other, undefined) = (a.exceeds(&b), a.is_nan());
    b.replace(R::either(other, undefined), a)
}

/// The smaller one; NaN where one is.
#[inline(always)]
pub(crate) fn min<R: Real>(a: R, b: R) -> R {
    let (other, undefined) = (b.exceeds(&a), a.is_nan());
    b.replace(R::either(other, undefined), a)
}

/// A comparison is NaN where there is nothing to compare: what is chosen by it shows that.
#[inline(always)]
pub(crate) fn above<R: Real>(a: R, b: R) -> R {
    let (above, not) = (a.exceeds(&b), R::either(b.exceeds(&a), a.same(&b)));
    a.like(f64::NAN).set(not, 0.0).set(above, 1.0)
}

#[inline(always)]
pub(crate) fn equal<R: Real>(a: R, b: R) -> R {
    let (equal, not) = (a.same(&b), R::either(b.exceeds(&a), a.exceeds(&b)));
    a.like(f64::NAN).set(not, 0.0).set(equal, 1.0)
}

#[inline(always)]
pub(crate) fn select_above<R: Real>(a: R, b: R, yes: R, no: R) -> R {
    let (above, not) = (a.exceeds(&b), R::either(b.exceeds(&a), a.same(&b)));
    a.like(f64::NAN).replace(not, no).replace(above, yes)
}

#[inline(always)]
pub(crate) fn select_equal<R: Real>(a: R, b: R, yes: R, no: R) -> R {
    let (equal, not) = (a.same(&b), R::either(b.exceeds(&a), a.exceeds(&b)));
    a.like(f64::NAN).replace(not, no).replace(equal, yes)
}

#[inline(always)]
pub(crate) fn select<R: Real>(condition: R, a: R, b: R) -> R {
    let (no, undefined) = (condition.equals(0.0), condition.is_nan());
    a.replace(no, b).replace(undefined, condition)
}
