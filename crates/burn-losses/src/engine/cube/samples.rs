//! What belongs to a sample besides its elements: its class and its weight.

use super::id::{TracedClasses, TracedId};
use super::registers::tracer;
use super::traced::NonFinite;
use crate::real::Real;
use crate::real::id::{classify, holds, range};
use crate::spec::rule::Rule;
use alloc::vec::Vec;
use burn::tensor::DType;
use cubecl::prelude::*;

/// What a weight must be: finite, and not negative.
pub(crate) const WEIGHT: Rule = Rule::between(0.0, f32::MAX as f64);

/// What ids are to be, besides classes. (How many of these there are is told to a kernel when it is
/// launched: it does not have to be compiled for that.)
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Samples {
    /// The ids that are ignored, and the numbers that the ids' type holds.
    pub(crate) ignored: Vec<i64>,
    pub(crate) range: (i128, i128),
    /// The id of the last class is one of these.
    pub(crate) held: bool,
}

impl Samples {
    /// Of samples that have no id.
    pub(crate) fn without_ids() -> Self {
        Self {
            ignored: Vec::new(),
            range: (0, 0),
            held: false,
        }
    }

    /// Of samples that have an id, of a type, of one of so many classes.
    pub(crate) fn of_ids(dtype: DType, classes: usize, ignored: Vec<i64>) -> Self {
        let range = range(dtype);
        Self {
            ignored,
            range,
            held: holds(range, classes as i64 - 1),
        }
    }
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
    classes: usize,
    special: &NonFinite,
    #[comptime] samples: &Samples,
) -> OwnClass {
    let last = classes - 1;
    intrinsic!(|scope| {
        let id = TracedId::<I> {
            scope,
            range: samples.range,
            value: id,
        };
        let classes = TracedClasses {
            last,
            held: samples.held,
        };
        let found = classify(id, classes, &samples.ignored);
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

/// What makes a share of all of a weight: the sum of all weights, and what they were multiplied by before
/// they were added up. So neither large nor small weights leave the range.
#[derive(CubeType, Clone, Copy)]
#[expand(derive(Clone, Copy))]
pub(crate) struct SampleShare {
    pub(crate) scale: f32,
    pub(crate) one_over_sum: f32,
    /// 1, or 0 where nothing counts. It multiplies what is finite or NaN, so that a target that is not valid
    /// still shows.
    pub(crate) something: f32,
}

/// The share of the weights that is summed up in two numbers of the device; or each weight as it is.
#[cube]
pub(crate) fn share(total: &ComptimeOption<Box<[f32]>>) -> SampleShare {
    let mut scale = 1f32;
    let mut one_over_sum = 1f32;
    let mut something = 1f32;
    #[comptime]
    match total {
        ComptimeOption::Some(total) => {
            let nothing = total[0] == 0f32;
            scale = total[1];
            one_over_sum = select(nothing, 1f32, 1f32 / total[0]);
            something = select(nothing, 0f32, 1f32);
        }
        ComptimeOption::None => {}
    }
    SampleShare {
        scale,
        one_over_sum,
        something,
    }
}

#[cube]
impl SampleShare {
    pub(crate) fn of(&self, weight: f32) -> f32 {
        weight * self.scale * self.one_over_sum
    }
}

/// The weight of a sample, 1 where there are none; NaN where it is not allowed.
#[cube]
pub(crate) fn sample_weight(
    samples: &ComptimeOption<Box<[f32]>>,
    sample: usize,
    special: &NonFinite,
) -> f32 {
    let mut weight = 1f32;
    #[comptime]
    match samples {
        ComptimeOption::Some(samples) => {
            weight = allowed(samples[sample], special);
        }
        ComptimeOption::None => {}
    }
    weight
}

/// A weight; NaN where it is not allowed.
#[cube]
pub(crate) fn allowed(weight: f32, special: &NonFinite) -> f32 {
    intrinsic!(|scope| {
        let tracer = tracer(scope, special);
        let weight = tracer.of(weight);
        let nan = tracer.number(f64::NAN);
        nan.replace(WEIGHT.holds(&weight), weight).value::<f32>()
    })
}
