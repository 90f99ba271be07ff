//! What belongs to a sample besides its elements: its class and its weight.

use super::bundle::tracer;
use super::id::TracedId;
use super::traced::Special;
use crate::kernels::id::classify;
use crate::kernels::real::Real;
use crate::kernels::rule::Rule;
use alloc::vec::Vec;
use cubecl::prelude::*;

/// What a weight must be: finite, and not negative.
pub(crate) const WEIGHT: Rule = Rule::between(0.0, f32::MAX as f64);

/// What ids are to be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Samples {
    pub(crate) classes: usize,
    /// The ids that are ignored, and the numbers that the ids' type holds.
    pub(crate) ignored: Vec<i64>,
    pub(crate) range: (i128, i128),
}

/// What was found out about the class of a row.
#[derive(CubeType)]
pub(crate) struct OwnClass {
    /// A class, also where the id is none: an address may be computed from it.
    pub(crate) class: usize,
    pub(crate) is_class: bool,
    /// 1 for a class, 0 for an ignored id, NaN for any other.
    pub(crate) kept: f32,
}

#[cube]
pub(crate) fn own_class<I: Int>(
    id: I,
    special: &Special,
    #[comptime] samples: &Samples,
) -> OwnClass {
    intrinsic!(|scope| {
        let id = TracedId::<I> {
            scope,
            range: samples.range,
            value: id,
        };
        let found = classify(id, samples.classes, &samples.ignored);
        let number = |number: f32| NativeExpand::<f32>::from(number);
        let kept = select::expand(scope, found.is_class.value, number(1.0), number(0.0));
        let kept = select::expand(scope, found.valid.value, kept, special.nan);
        OwnClassExpand {
            class: usize::__expand_cast_from(scope, found.class.value),
            is_class: found.is_class.value,
            kept,
        }
    })
}

/// The weight of a sample; NaN where it is not allowed.
#[cube]
pub(crate) fn allowed(weight: f32, special: &Special) -> f32 {
    intrinsic!(|scope| {
        let tracer = tracer(scope, special);
        let weight = tracer.of(weight);
        let nan = tracer.number(f64::NAN);
        nan.replace(WEIGHT.holds(&weight), weight).value::<f32>()
    })
}
