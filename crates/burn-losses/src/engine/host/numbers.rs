//! Numbers in memory: the types that are computed in, and where numbers of any type are read from.

use super::pool::Pooled;
use crate::real::Real;
use burn::tensor::{bf16, f16};
use core::ops::AddAssign;

/// A float type that is computed in.
pub(crate) trait Float:
    Real<Mask = bool> + Copy + Default + PartialOrd + AddAssign + Pooled + Send + Sync + 'static
{
    const NAN: Self;
    const NEG_INFINITY: Self;
    const IS_DOUBLE: bool;
    const MAX: f64;
    /// The least positive number.
    const LEAST: Self;
    fn of(number: f64) -> Self;
    fn double(self) -> f64;
    fn widened<const N: usize>(numbers: [Self; N]) -> [f64; N];
    /// The numbers of a source of this type, which are read where they are.
    fn direct<'a>(source: &Source<'a>) -> Option<&'a [Self]>;
}

/// Stamps what the float types have in common.
macro_rules! float {
    ($float:ident, $variant:ident) => {
        const NAN: Self = $float::NAN;
        const NEG_INFINITY: Self = $float::NEG_INFINITY;
        const IS_DOUBLE: bool = size_of::<$float>() == 8;
        const MAX: f64 = $float::MAX as f64;
        const LEAST: Self = $float::from_bits(1);
        #[inline(always)]
        fn of(number: f64) -> Self {
            number as $float
        }
        #[inline(always)]
        fn double(self) -> f64 {
            f64::from(self)
        }
        #[inline(always)]
        fn direct<'a>(source: &Source<'a>) -> Option<&'a [Self]> {
            match *source {
                Source::$variant(numbers) => Some(numbers),
                _ => None,
            }
        }
    };
}

impl Float for f32 {
    float!(f32, F32);

    #[inline(always)]
    fn widened<const N: usize>(numbers: [f32; N]) -> [f64; N] {
        let mut widened = [0.0; N];
        for (wide, number) in widened.iter_mut().zip(numbers) {
            *wide = f64::from(number);
        }
        widened
    }
}

impl Float for f64 {
    float!(f64, F64);

    #[inline(always)]
    fn widened<const N: usize>(numbers: [f64; N]) -> [f64; N] {
        numbers
    }
}

/// Numbers in memory, of whatever type, in row-major order.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "flex"), allow(dead_code))] // ndarray has no numbers in half precision.
pub(crate) enum Source<'a> {
    F64(&'a [f64]),
    F32(&'a [f32]),
    F16(&'a [f16]),
    BF16(&'a [bf16]),
    I64(&'a [i64]),
    I32(&'a [i32]),
    I16(&'a [i16]),
    I8(&'a [i8]),
    U64(&'a [u64]),
    U32(&'a [u32]),
    U16(&'a [u16]),
    U8(&'a [u8]),
    #[cfg_attr(not(feature = "ndarray"), allow(dead_code))] // Flex has bytes.
    Bool(&'a [bool]),
    /// Numbers along one axis: the same for `inner` elements in a row.
    Along {
        numbers: &'a [f64],
        inner: usize,
    },
}

impl Source<'_> {
    /// Reads the elements from `start` on.
    #[inline(never)] // One for each type that is computed in, not one for each loss.
    pub(crate) fn read<F: Float>(&self, start: usize, out: &mut [F]) {
        match *self {
            Self::F64(from) => convert(&from[start..], out, F::of),
            Self::F32(from) => convert(&from[start..], out, |x| F::of(f64::from(x))),
            Self::F16(from) => convert(&from[start..], out, |x| F::of(x.to_f64())),
            Self::BF16(from) => convert(&from[start..], out, |x| F::of(x.to_f64())),
            Self::I64(from) => convert(&from[start..], out, |x| F::of(x as f64)),
            Self::I32(from) => convert(&from[start..], out, |x| F::of(f64::from(x))),
            Self::I16(from) => convert(&from[start..], out, |x| F::of(f64::from(x))),
            Self::I8(from) => convert(&from[start..], out, |x| F::of(f64::from(x))),
            Self::U64(from) => convert(&from[start..], out, |x| F::of(x as f64)),
            Self::U32(from) => convert(&from[start..], out, |x| F::of(f64::from(x))),
            Self::U16(from) => convert(&from[start..], out, |x| F::of(f64::from(x))),
            Self::U8(from) => convert(&from[start..], out, |x| F::of(f64::from(x))),
            Self::Bool(from) => convert(&from[start..], out, |x| F::of(f64::from(u8::from(x)))),
            Self::Along { numbers, inner } => {
                let mut class = start / inner % numbers.len();
                let mut length = inner - start % inner;
                let mut out = out;
                while !out.is_empty() {
                    let (now, rest) = out.split_at_mut(length.min(out.len()));
                    now.fill(F::of(numbers[class]));
                    class = (class + 1) % numbers.len();
                    length = inner;
                    out = rest;
                }
            }
        }
    }

    /// The element at a position.
    pub(crate) fn number<F: Float>(&self, at: usize) -> F {
        let mut number = [F::default()];
        self.read(at, &mut number);
        number[0]
    }

    /// The element at a position, of an integer type; nothing where `i64` cannot hold it.
    #[inline(always)]
    pub(crate) fn integer(&self, at: usize) -> Option<i64> {
        Some(match *self {
            Self::I64(from) => from[at],
            Self::I32(from) => from[at].into(),
            Self::I16(from) => from[at].into(),
            Self::I8(from) => from[at].into(),
            Self::U64(from) => return i64::try_from(from[at]).ok(),
            Self::U32(from) => from[at].into(),
            Self::U16(from) => from[at].into(),
            Self::U8(from) => from[at].into(),
            _ => unreachable!("class ids are integers"),
        })
    }

    /// Whether so many elements, from a place on and so far apart, are that integer.
    pub(crate) fn are_all(&self, integer: i64, start: usize, step: usize, count: usize) -> bool {
        // All of them are looked at: a loop that may stop is not vectorised.
        match *self {
            Self::I64(from) if step == 1 => {
                let numbers = from[start..start + count].iter();
                numbers.fold(true, |all, &number| all & (number == integer))
            }
            Self::I32(from) if step == 1 => {
                let numbers = from[start..start + count].iter();
                numbers.fold(true, |all, &number| all & (i64::from(number) == integer))
            }
            _ => (0..count).all(|at| self.integer(start + at * step) == Some(integer)),
        }
    }

    /// Reads the elements from `start` on, of an integer type; -1 where `i64` cannot hold one.
    pub(crate) fn integers(&self, start: usize, out: &mut [i64]) {
        match *self {
            Self::I64(from) => out.copy_from_slice(&from[start..start + out.len()]),
            Self::I32(from) => {
                let from = &from[start..start + out.len()];
                for (out, &from) in out.iter_mut().zip(from) {
                    *out = from.into();
                }
            }
            _ => {
                for (at, out) in out.iter_mut().enumerate() {
                    *out = self.integer(start + at).unwrap_or(-1);
                }
            }
        }
    }
}

#[inline(always)]
fn convert<T: Copy, F: Float>(from: &[T], out: &mut [F], number: impl Fn(T) -> F) {
    let from = &from[..out.len()];
    for (out, &from) in out.iter_mut().zip(from) {
        *out = number(from);
    }
}
