//! The kernel of losses of pairs within a row: of each of its labels with each class that is none.
//!
//! A workgroup works on a row. It finds out where in the list of labels each class is, and with that whether the
//! list is valid. Then each thread takes some of the classes that are no label, and last some of the labels. All is
//! added up in an order that is fixed.

use super::kernel_key::KernelKey;
use super::registers::{Registers, RegistersExpand, tracer};
use super::row_kernel::scale_and_clamp;
use super::rows::{RowLayout, SumScale, start};
use super::samples::{Samples, allowed, own_class, share};
use super::traced::{NonFinite, Traced, Tracer};
use crate::real::Real;
use crate::spec::row::PairLoss;
use alloc::sync::Arc;
use core::fmt::Debug;
use cubecl::prelude::*;

/// How many threads add up what a label has with all classes.
pub(crate) const THREADS_OF_LABEL: u32 = 16;

/// What a kernel computes of pairs.
pub(crate) trait PairKernel: Debug + Send + Sync + 'static {
    /// What share of the loss is given.
    fn part(&self) -> f64;

    /// The largest size of a gradient.
    fn limit(&self) -> f64;

    /// The loss of a pair, and its derivative with respect to the class that is no label.
    fn at<'a>(&self, tracer: Tracer<'a>, label: Traced<'a>, other: Traced<'a>) -> [Traced<'a>; 2];
}

#[derive(Debug)]
struct TracedPairs<L> {
    loss: L,
    limit: f64,
}

impl<L: PairLoss> PairKernel for TracedPairs<L> {
    fn part(&self) -> f64 {
        L::PART
    }

    fn limit(&self) -> f64 {
        self.limit
    }

    fn at<'a>(&self, tracer: Tracer<'a>, label: Traced<'a>, other: Traced<'a>) -> [Traced<'a>; 2] {
        let over_length = tracer.over_length(1.0);
        let (value, slope) = self.loss.at(label, other, &over_length);
        [value, slope()]
    }
}

impl KernelKey<dyn PairKernel> {
    pub(crate) fn of_pairs(loss: impl PairLoss, limit: f64) -> Self {
        Self::new(TracedPairs { loss, limit }, |value| Arc::new(value))
    }
}

/// How a kernel goes about rows with lists of labels.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PairPlan {
    pub(crate) of_pair: KernelKey<dyn PairKernel>,
    /// How many threads work on a row: a power of two, and no fewer than work on a label.
    pub(crate) threads: u32,
    /// The elements of a row are adjacent.
    pub(crate) adjacent: bool,
    /// The id that ends a list is one that is ignored.
    pub(crate) samples: Samples,
}

/// The loss of a pair, and its derivative with respect to the class that is no label.
#[cube]
fn pair(label: f32, other: f32, special: &NonFinite, #[comptime] plan: &PairPlan) -> Registers {
    intrinsic!(|scope| {
        let tracer = tracer(scope, special);
        let pair = plan.of_pair.at(tracer, tracer.of(label), tracer.of(other));
        pair.into_iter().collect::<RegistersExpand>()
    })
}

/// A gradient of a row that counts, or does not count because it is not valid, scaled.
#[cube]
fn gradient_of(
    slope: f32,
    counted: f32,
    scale: f32,
    special: &NonFinite,
    #[comptime] plan: &PairPlan,
) -> f32 {
    intrinsic!(|scope| {
        let tracer = tracer(scope, special);
        let slope = tracer.of(slope).times_or_zero(tracer.of(counted));
        scale_and_clamp(slope, plan.of_pair.limit(), tracer.of(scale)).value::<f32>()
    })
}

/// The sum over all threads of a workgroup, for each of them.
#[cube]
fn of_all(own: f32, shared: &mut Shared<[f32]>, #[comptime] threads: u32) -> f32 {
    let unit = UNIT_POS as usize;
    // What was there has been read by all.
    sync_cube();
    shared[unit] = own;
    let levels = comptime!(threads.ilog2());
    #[unroll]
    for level in 0..levels {
        let apart = comptime!((threads >> (level + 1)) as usize);
        sync_cube();
        if unit < apart {
            shared[unit] += shared[unit + apart];
        }
    }
    sync_cube();
    shared[0usize]
}

/// `places` is for the place of each class in the list of its row, counted from 1; 0 where it is no label.
#[cube(launch, address_type = "dynamic")]
#[allow(clippy::too_many_arguments)]
pub(crate) fn pairs_kernel<F: Float, I: Int, G: Float>(
    input: &[F],
    ids: &[I],
    samples: &ComptimeOption<Box<[f32]>>,
    total: &ComptimeOption<Box<[f32]>>,
    places: &mut [u32],
    gradient: &mut ComptimeOption<Box<[G]>>,
    losses: &mut ComptimeOption<Box<[f32]>>,
    partials: &mut [f32],
    layout: RowLayout,
    scale: SumScale,
    special: NonFinite,
    #[comptime] plan: PairPlan,
    #[define(F, I, G)] _dtypes: [ElemType; 3],
) {
    let mut shared = Shared::new_slice(comptime!(plan.threads as usize));
    let step = comptime!(plan.threads as usize);
    let lane = UNIT_POS as usize;
    let active = CUBE_POS < layout.rows;
    let row = select(active, CUBE_POS, layout.rows - 1);
    let length = select(active, layout.length, 0usize);
    let inner = if comptime!(plan.adjacent) {
        1usize.runtime()
    } else {
        layout.inner
    };
    let start = start(row, layout.length, &layout, plan.adjacent);

    // The list of labels: where each class is in it, and how long it is.
    let mut at = lane;
    while at < length {
        places[start + at * inner] = 0u32;
        at += step;
    }
    sync_storage();
    let mut count = 0f32;
    at = lane;
    while at < length {
        let id = ids[start + at * inner];
        let found = own_class::<I>(id, layout.length, &special, &plan.samples);
        if found.is_class {
            places[start + found.class * inner] = at as u32 + 1u32;
            count += 1f32;
        }
        at += step;
    }
    sync_storage();
    let count = usize::cast_from(of_all(count, &mut shared, plan.threads));
    // No label comes after the end, or twice, and all else are ends.
    let mut broken = 0f32;
    at = lane;
    while at < length {
        let id = ids[start + at * inner];
        let found = own_class::<I>(id, layout.length, &special, &plan.samples);
        let place = places[start + found.class * inner];
        let is_label = at < count && place == at as u32 + 1u32;
        if (found.is_class && !is_label) || found.kept.is_nan() {
            broken = 1f32;
        }
        at += step;
    }
    let is_broken = of_all(broken, &mut shared, plan.threads) > 0f32;
    let counted = select(is_broken, special.nan, 1f32);
    let labels = select(is_broken, 0usize, count);

    let mut weight = 1f32;
    #[comptime]
    match samples {
        ComptimeOption::Some(samples) => {
            weight = allowed(samples[row], &special);
        }
        ComptimeOption::None => {}
    }
    let share = share(total);
    let weight = share.of(weight);
    let of_gradient = weight * scale.gradient;

    // Each class that is no label, with all labels.
    let mut sum = 0f32;
    at = lane;
    while at < length {
        let place = start + at * inner;
        if is_broken || places[place] == 0u32 {
            let other = f32::cast_from(input[place]);
            let mut slopes = 0f32;
            let mut label = 0usize.runtime();
            while label < labels {
                let id = ids[start + label * inner];
                let found = own_class::<I>(id, layout.length, &special, &plan.samples);
                let of_label = f32::cast_from(input[start + found.class * inner]);
                let pair = pair(of_label, other, &special, &plan);
                sum += pair.at::<f32>(0usize);
                slopes += pair.at::<f32>(1usize);
                label += 1;
            }
            #[comptime]
            match gradient {
                ComptimeOption::Some(gradient) => {
                    let slope = gradient_of(slopes, counted, of_gradient, &special, &plan);
                    gradient[place] = G::cast_from(slope * share.something);
                }
                ComptimeOption::None => {}
            }
        }
        at += step;
    }

    // Each label, with all classes that are none.
    #[comptime]
    match gradient {
        ComptimeOption::Some(gradient) => {
            let threads = comptime!(THREADS_OF_LABEL as usize);
            let at_once = comptime!((plan.threads / THREADS_OF_LABEL) as usize);
            let member = lane % threads;
            // As many rounds as a list can be long: all threads come to all barriers.
            let mut first = 0usize.runtime();
            while first < layout.length {
                let label = first + lane / threads;
                let mut slopes = 0f32;
                let mut place = start;
                if label < labels {
                    let id = ids[start + label * inner];
                    let found = own_class::<I>(id, layout.length, &special, &plan.samples);
                    place = start + found.class * inner;
                    let of_label = f32::cast_from(input[place]);
                    let mut at = member;
                    while at < length {
                        let other = start + at * inner;
                        if places[other] == 0u32 {
                            let other = f32::cast_from(input[other]);
                            let pair = pair(of_label, other, &special, &plan);
                            slopes += pair.at::<f32>(1usize);
                        }
                        at += threads;
                    }
                }
                sync_cube();
                shared[lane] = slopes;
                sync_cube();
                if member == 0 && label < labels {
                    let mut slopes = 0f32;
                    #[unroll]
                    for other in 0..threads {
                        slopes += shared[lane + other];
                    }
                    let slope = gradient_of(-slopes, counted, of_gradient, &special, &plan);
                    gradient[place] = G::cast_from(slope * share.something);
                }
                first += at_once;
            }
        }
        ComptimeOption::None => {}
    }

    let sum = of_all(sum, &mut shared, plan.threads);
    if lane == 0 {
        let loss = weighted(sum, counted, weight * scale.losses, &special);
        if active {
            #[comptime]
            match losses {
                ComptimeOption::Some(losses) => losses[row] = loss,
                ComptimeOption::None => {}
            }
        }
        let invalid = is_broken || weight.is_nan();
        partials[2 * CUBE_POS] = select(active, loss, 0f32);
        partials[2 * CUBE_POS + 1] = select(active && invalid, 1f32, 0f32);
    }
}

/// What a row's loss comes to.
#[cube]
fn weighted(loss: f32, counted: f32, scale: f32, special: &NonFinite) -> f32 {
    intrinsic!(|scope| {
        let tracer = tracer(scope, special);
        let loss = tracer.of(loss).times_or_zero(tracer.of(counted));
        loss.times_or_zero(tracer.of(scale)).value::<f32>()
    })
}
