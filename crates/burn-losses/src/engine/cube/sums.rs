//! The kernels that add up: what losses come to, and what they count.

use super::samples::{Samples, allowed, own_class};
use super::traced::NonFinite;
use cubecl::prelude::*;

/// How many threads a workgroup of these kernels has.
pub(crate) const UNITS: u32 = 256;

/// How many of all threads' numbers one thread adds up.
const STRIDE: u32 = 16;

/// The sums of two numbers of each thread of the workgroup.
#[derive(CubeType)]
pub(crate) struct PartialSums {
    pub(crate) first: f32,
    pub(crate) second: f32,
}

/// Adds up two numbers of each thread. A few threads add up some of them, then each adds up theirs: that
/// takes as long as in pairs, and fewer of the barriers at which all have to wait.
#[cube]
pub(crate) fn of_all_units(first: f32, second: f32) -> PartialSums {
    let units = comptime!(UNITS as usize);
    let mut shared = Shared::new_slice(comptime!(2 * units));
    let unit = UNIT_POS as usize;
    shared[unit] = first;
    shared[units + unit] = second;
    sync_cube();
    if UNIT_POS < comptime!(UNITS / STRIDE) {
        let mut first = 0f32;
        let mut second = 0f32;
        #[unroll]
        for at in 0..STRIDE {
            let other = unit + comptime!((at * UNITS / STRIDE) as usize);
            first += shared[other];
            second += shared[units + other];
        }
        shared[unit] = first;
        shared[units + unit] = second;
    }
    sync_cube();
    let mut first = 0f32;
    let mut second = 0f32;
    if UNIT_POS == 0 {
        #[unroll]
        for at in 0..comptime!((UNITS / STRIDE) as usize) {
            first += shared[at];
            second += shared[units + at];
        }
    }
    PartialSums { first, second }
}

/// What the sums of all workgroups come to.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
#[expand(derive(Clone, Copy))]
pub(crate) struct ReductionPlan {
    /// How many pairs of a sum and a number of invalid rows there are.
    pub(crate) partials: usize,
    /// What the losses were not multiplied by before they were added up.
    pub(crate) power: f32,
    /// What the sum is divided by.
    pub(crate) divisor: f32,
    /// What the losses count, if that is not a number of the device.
    pub(crate) weight: f32,
}

#[cube(launch)]
#[allow(clippy::too_many_arguments)]
pub(crate) fn total_kernel(
    partials: &[f32],
    shares: &ComptimeOption<Box<[f32]>>,
    value: &mut ComptimeOption<Box<[f32]>>,
    invalid: &mut ComptimeOption<Box<[f32]>>,
    weight: &mut ComptimeOption<Box<[f32]>>,
    reduction: ReductionPlan,
) {
    let mut sum = 0f32;
    let mut poisoned = 0f32;
    let mut at = UNIT_POS as usize;
    while at < reduction.partials {
        sum += partials[2 * at];
        poisoned += partials[2 * at + 1];
        at += comptime!(UNITS as usize);
    }
    let sums = of_all_units(sum, poisoned);
    let sum = sums.first;
    let by = reduction.divisor;
    let mut nothing = by == 0f32;
    #[comptime]
    match shares {
        ComptimeOption::Some(total) => nothing = total[0] == 0f32,
        ComptimeOption::None => {}
    }
    let one_over = select(by == 0f32, 0f32, 1f32 / by);
    if UNIT_POS == 0 {
        #[comptime]
        match value {
            ComptimeOption::Some(value) => {
                // Where there is nothing to average, a target that is not valid still shows.
                let mean = sum * (one_over * reduction.power);
                value[0] = select(nothing && !sum.is_nan(), 0f32, mean);
            }
            ComptimeOption::None => {}
        }
        #[comptime]
        match invalid {
            ComptimeOption::Some(invalid) => invalid[0] = sums.second,
            ComptimeOption::None => {}
        }
        #[comptime]
        match weight {
            ComptimeOption::Some(weight) => weight[0] = reduction.weight,
            ComptimeOption::None => {}
        }
    }
}

/// What weights are multiplied by before they are added up: the first keeps the sum of small ones in range,
/// and the second that of large ones. (A GPU may have no numbers below the least normal one.)
const LARGER: f32 = (1u64 << 63) as f32;
const SMALLER: f32 = 1.0 / LARGER;

/// Up to here a sum has an inverse that is a normal number.
const HAS_INVERSE: f32 = (1u128 << 125) as f32;

/// What the sums of the workgroups' weights come to: a sum, and what the weights were multiplied by for it;
/// and the sum of the weights as they are.
#[cube(launch)]
pub(crate) fn weight_total_kernel(
    partials: &[f32],
    total: &mut [f32],
    weight: &mut [f32],
    count: usize,
    terms: f32,
) {
    let mut large = 0f32;
    let mut small = 0f32;
    let mut at = UNIT_POS as usize;
    while at < count {
        large += partials[2 * at];
        small += partials[2 * at + 1];
        at += comptime!(UNITS as usize);
    }
    let sums = of_all_units(large, small);
    if UNIT_POS == 0 {
        let fits = sums.first < HAS_INVERSE;
        let sum = select(fits, sums.first, sums.second) / terms;
        let scale = select(fits, LARGER, SMALLER);
        total[0] = sum;
        total[1] = scale;
        weight[0] = sum / scale;
    }
}

/// Adds up what the samples count, and what their classes do.
#[cube(launch, address_type = "dynamic")]
#[allow(clippy::too_many_arguments)]
pub(crate) fn weight_kernel<I: Int>(
    ids: &ComptimeOption<Box<[I]>>,
    weights: &ComptimeOption<Box<[f32]>>,
    samples: &ComptimeOption<Box<[f32]>>,
    partials: &mut [f32],
    rows: usize,
    classes: usize,
    special: NonFinite,
    #[comptime] plan: Samples,
    #[define(I)] _dtype: ElemType,
) {
    let mut large = 0f32;
    let mut small = 0f32;
    let mut row = ABSOLUTE_POS;
    while row < rows {
        let mut large_count = LARGER.runtime();
        let mut small_count = SMALLER.runtime();
        // The weight of the sample meets what keeps it in range before that of its class.
        #[comptime]
        match samples {
            ComptimeOption::Some(samples) => {
                let weight = allowed(samples[row], &special);
                large_count *= weight;
                small_count *= weight;
            }
            ComptimeOption::None => {}
        }
        #[comptime]
        match ids {
            ComptimeOption::Some(ids) => {
                let found = own_class::<I>(ids[row], classes, &special, &plan);
                let mut weight = 1f32;
                #[comptime]
                match weights {
                    ComptimeOption::Some(weights) => weight = weights[found.class],
                    ComptimeOption::None => {}
                }
                let of_class = select(found.is_class, weight, 0f32);
                large_count *= of_class;
                small_count *= of_class;
            }
            ComptimeOption::None => {}
        }
        large += large_count;
        small += small_count;
        row += CUBE_COUNT * comptime!(UNITS as usize);
    }
    let sums = of_all_units(large, small);
    if UNIT_POS == 0 {
        partials[2 * CUBE_POS] = sums.first;
        partials[2 * CUBE_POS + 1] = sums.second;
    }
}

/// Multiplies a gradient by a number of the device, unless that is 1.
#[cube(launch, address_type = "dynamic")]
pub(crate) fn scale_kernel<G: Float, N: Size>(
    gradient: &[Vector<G, N>],
    scaled: &mut [Vector<G, N>],
    upstream: &[f32],
    length: usize,
    #[comptime] in_place: bool,
    #[define(G)] _dtype: ElemType,
) {
    let number = upstream[0];
    if comptime!(in_place) && number == 1f32 {
        terminate!();
    }
    let number = Vector::<f32, N>::new(number);
    let zero = Vector::<f32, N>::new(0f32);
    let mut at = ABSOLUTE_POS;
    while at < length {
        let gradient = Vector::<f32, N>::cast_from(gradient[at]);
        // Nothing times an infinite scale is nothing.
        let product = select_many(gradient.equal(&zero), zero, gradient * number);
        scaled[at] = Vector::cast_from(product);
        at += CUBE_COUNT * comptime!(UNITS as usize);
    }
}
