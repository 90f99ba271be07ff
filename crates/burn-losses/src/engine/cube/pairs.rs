//! The kernel of losses of pairs within a row: of each of its labels with each class that is none.
//!
//! A workgroup works on a row. It finds out where in the list of labels each class is, and with that whether the
//! list is valid. Then each thread takes some of the classes that are no label, and last some of the labels. All is
//! added up in an order that is fixed.

use super::kernel_key::KernelKey;
use super::registers::{Registers, RegistersExpand, tracer};
use super::row_kernel::scale_and_clamp;
use super::rows::{RowLayout, SumScale, start};
use super::samples::{OwnClass, Samples, own_class, sample_weight, share};
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

/// What gradients of a row are multiplied by.
#[derive(CubeType, Clone, Copy)]
#[expand(derive(Clone, Copy))]
struct PairScale {
    scale: f32,
    /// 0 where no row counts, or else 1.
    something: f32,
}

/// A gradient of a row that counts, or does not because it is not valid.
#[cube]
fn gradient_of(
    slope: f32,
    counted: f32,
    scale: &PairScale,
    special: &NonFinite,
    #[comptime] plan: &PairPlan,
) -> f32 {
    let (by, something) = (scale.scale, scale.something);
    intrinsic!(|scope| {
        let tracer = tracer(scope, special);
        let slope = tracer.of(slope).times_or_zero(tracer.of(counted));
        let gradient = scale_and_clamp(slope, plan.of_pair.limit(), tracer.of(by));
        (gradient * tracer.of(something)).value::<f32>()
    })
}

/// The sum over all threads of a workgroup, for each of them.
#[cube]
pub(crate) fn of_all(own: f32, shared: &mut Shared<[f32]>, #[comptime] threads: u32) -> f32 {
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

/// A row, as a workgroup goes through it.
#[derive(CubeType, Clone, Copy)]
#[expand(derive(Clone, Copy))]
struct PairRow {
    start: usize,
    /// How far its elements are apart.
    inner: usize,
    classes: usize,
    /// How many of them are gone through: none of a row that there is not.
    length: usize,
}

#[cube]
impl PairRow {
    fn place(&self, at: usize) -> usize {
        self.start + at * self.inner
    }
}

/// What was found out about the list of labels of a row.
#[derive(CubeType, Clone, Copy)]
#[expand(derive(Clone, Copy))]
struct LabelList {
    /// How many labels there are; none where the list is not valid.
    labels: usize,
    is_broken: bool,
    /// 1, or NaN where it is not valid.
    counted: f32,
}

/// The class of the label at a place of the list.
#[cube]
fn class_at<I: Int>(
    ids: &[I],
    at: usize,
    row: &PairRow,
    special: &NonFinite,
    #[comptime] plan: &PairPlan,
) -> OwnClass {
    own_class::<I>(ids[row.place(at)], row.classes, special, &plan.samples)
}

/// Reads the list of labels, and notes in `places` where in it each class is, counted from 1; 0 where it is no label.
#[cube]
fn list_of_labels<I: Int>(
    ids: &[I],
    places: &mut [u32],
    row: &PairRow,
    shared: &mut Shared<[f32]>,
    special: &NonFinite,
    #[comptime] plan: &PairPlan,
) -> LabelList {
    let step = comptime!(plan.threads as usize);
    let lane = UNIT_POS as usize;
    let mut at = lane;
    while at < row.length {
        places[row.place(at)] = 0u32;
        at += step;
    }
    sync_storage();
    let mut count = 0f32;
    at = lane;
    while at < row.length {
        let found = class_at::<I>(ids, at, row, special, plan);
        if found.is_class {
            places[row.place(found.class)] = at as u32 + 1u32;
            count += 1f32;
        }
        at += step;
    }
    sync_storage();
    let count = usize::cast_from(of_all(count, shared, plan.threads));
    // No label comes after the end, or twice, and all else are ends.
    let mut broken = 0f32;
    at = lane;
    while at < row.length {
        let found = class_at::<I>(ids, at, row, special, plan);
        let place = places[row.place(found.class)];
        let is_label = at < count && place == at as u32 + 1u32;
        if (found.is_class && !is_label) || found.kept.is_nan() {
            broken = 1f32;
        }
        at += step;
    }
    let is_broken = of_all(broken, shared, plan.threads) > 0f32;
    LabelList {
        labels: select(is_broken, 0usize, count),
        is_broken,
        counted: select(is_broken, special.nan, 1f32),
    }
}

/// The losses of this thread's classes that are no label, with all labels; their gradients are written.
#[cube]
#[allow(clippy::too_many_arguments)]
fn of_others<F: Float, I: Int, G: Float>(
    input: &[F],
    ids: &[I],
    places: &mut [u32],
    gradient: &mut ComptimeOption<Box<[G]>>,
    row: &PairRow,
    list: &LabelList,
    scale: &PairScale,
    special: &NonFinite,
    #[comptime] plan: &PairPlan,
) -> f32 {
    let mut sum = 0f32;
    let mut at = UNIT_POS as usize;
    while at < row.length {
        let place = row.place(at);
        if list.is_broken || places[place] == 0u32 {
            let other = f32::cast_from(input[place]);
            let mut slopes = 0f32;
            let mut label = 0usize.runtime();
            while label < list.labels {
                let found = class_at::<I>(ids, label, row, special, plan);
                let of_label = f32::cast_from(input[row.place(found.class)]);
                let pair = pair(of_label, other, special, plan);
                sum += pair.at::<f32>(0usize);
                slopes += pair.at::<f32>(1usize);
                label += 1;
            }
            #[comptime]
            match gradient {
                ComptimeOption::Some(gradient) => {
                    let slope = gradient_of(slopes, list.counted, scale, special, plan);
                    gradient[place] = G::cast_from(slope);
                }
                ComptimeOption::None => {}
            }
        }
        at += comptime!(plan.threads as usize);
    }
    sum
}

/// Writes the gradients of the labels, each with all classes that are none. Some threads work on a label together, and
/// there are as many rounds as a list can be long: all threads come to all barriers.
#[cube]
#[allow(clippy::too_many_arguments)]
fn of_labels<F: Float, I: Int, G: Float>(
    input: &[F],
    ids: &[I],
    places: &mut [u32],
    gradient: &mut [G],
    row: &PairRow,
    list: &LabelList,
    scale: &PairScale,
    shared: &mut Shared<[f32]>,
    special: &NonFinite,
    #[comptime] plan: &PairPlan,
) {
    let threads = comptime!(THREADS_OF_LABEL as usize);
    let lane = UNIT_POS as usize;
    let member = lane % threads;
    let mut first = 0usize.runtime();
    while first < row.classes {
        let label = first + lane / threads;
        let mut slopes = 0f32;
        let mut place = row.start;
        if label < list.labels {
            let found = class_at::<I>(ids, label, row, special, plan);
            place = row.place(found.class);
            let of_label = f32::cast_from(input[place]);
            let mut at = member;
            while at < row.length {
                let other = row.place(at);
                if places[other] == 0u32 {
                    let other = f32::cast_from(input[other]);
                    let pair = pair(of_label, other, special, plan);
                    slopes += pair.at::<f32>(1usize);
                }
                at += threads;
            }
        }
        sync_cube();
        shared[lane] = slopes;
        sync_cube();
        if member == 0 && label < list.labels {
            let mut slopes = 0f32;
            #[unroll]
            for other in 0..threads {
                slopes += shared[lane + other];
            }
            let slope = gradient_of(-slopes, list.counted, scale, special, plan);
            gradient[place] = G::cast_from(slope);
        }
        first += comptime!((plan.threads / THREADS_OF_LABEL) as usize);
    }
}

/// `places` is what is noted about lists.
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
    let active = CUBE_POS < layout.rows;
    let at = select(active, CUBE_POS, layout.rows - 1);
    let row = PairRow {
        start: start(at, layout.length, &layout, plan.adjacent),
        inner: if comptime!(plan.adjacent) {
            1usize.runtime()
        } else {
            layout.inner
        },
        classes: layout.length,
        length: select(active, layout.length, 0usize),
    };
    let list = list_of_labels::<I>(ids, places, &row, &mut shared, &special, &plan);

    let share = share(total);
    let weight = share.of(sample_weight(samples, at, &special));
    let of_gradient = PairScale {
        scale: weight * scale.gradient,
        something: share.something,
    };
    let sum = of_others::<F, I, G>(
        input,
        ids,
        places,
        gradient,
        &row,
        &list,
        &of_gradient,
        &special,
        &plan,
    );
    #[comptime]
    match gradient {
        ComptimeOption::Some(gradient) => of_labels::<F, I, G>(
            input,
            ids,
            places,
            gradient,
            &row,
            &list,
            &of_gradient,
            &mut shared,
            &special,
            &plan,
        ),
        ComptimeOption::None => {}
    }

    let sum = of_all(sum, &mut shared, plan.threads);
    if UNIT_POS == 0 {
        let loss = weighted(sum, list.counted, weight * scale.losses, &special);
        if active {
            #[comptime]
            match losses {
                ComptimeOption::Some(losses) => losses[at] = loss,
                ComptimeOption::None => {}
            }
        }
        let invalid = list.is_broken || weight.is_nan();
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
