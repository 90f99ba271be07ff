//! The kernels of the overlap of probabilities and targets: one adds it up for each sample and class, and one makes the
//! gradient, which cannot be known before the sums are.
//!
//! For the sums a workgroup has some neighbouring pixels of a sample. Each of its threads finds out the softmax of some of
//! them; then some threads work on a class together. What the workgroups found is added up in order by another kernel.

use super::kernel_key::KernelKey;
use super::pairs::of_all;
use super::registers::{Registers, RegistersExpand, tracer};
use super::samples::{Samples, own_class};
use super::sums::{UNITS, of_all_units};
use super::traced::{NonFinite, Traced, Tracer};
use crate::engine::overlap::{Beside, SUMS, SUMS_BESIDE};
use crate::real::Real;
use crate::spec::overlap::{
    Activation, OfMinimum, OfProduct, OfSquares, Overlap, OverlapTerms, sigmoid,
};
use crate::spec::rule::Rule;
use crate::spec::softmax::{slope_of_class, slope_of_others};
use alloc::sync::Arc;
use alloc::vec::Vec;
use cubecl::prelude::*;

/// How many threads work on a class together.
const LANES: u32 = 16;

/// How many pixels a workgroup adds up.
pub(crate) const PIXELS: usize = 512;

/// What a kernel computes of a pixel and class.
#[derive(Debug)]
pub(crate) struct OverlapDefinition {
    pub(crate) activation: Activation,
    pub(crate) overlap: Overlap,
    pub(crate) beside: Option<Beside>,
    /// The target is ids; else masks, of which these values do not count.
    pub(crate) of_ids: bool,
    pub(crate) ignored: Vec<i64>,
    /// The largest size of a gradient.
    pub(crate) limit: f64,
}

impl KernelKey<OverlapDefinition> {
    pub(crate) fn of_overlap(definition: OverlapDefinition) -> Self {
        Self::new(definition, Arc::new)
    }
}

/// How kernels go about pixels.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OverlapPlan {
    pub(crate) of_pixel: KernelKey<OverlapDefinition>,
    pub(crate) samples: Samples,
}

/// What is known of a pixel and class.
#[derive(Clone, Copy)]
struct PixelAndClass<'a> {
    x: Traced<'a>,
    /// Of a softmax, the largest logit of the pixel, and the sum of the exponentials of the others less it.
    largest: Traced<'a>,
    others: Traced<'a>,
    /// How true the class is, as it was given.
    y: Traced<'a>,
}

impl OverlapDefinition {
    /// How many sums there are of each sample and class.
    pub(crate) fn sums(&self) -> usize {
        match self.beside {
            Some(_) => SUMS_BESIDE,
            None => SUMS,
        }
    }

    /// The loss beside is of one class of each pixel.
    fn has_head(&self) -> bool {
        self.of_ids && self.beside.is_some()
    }

    /// The probability, and what is left of it. Of a value that breaks its rule NaN.
    fn probability<'a>(&self, place: &PixelAndClass<'a>) -> (Traced<'a>, Traced<'a>) {
        let one = place.x.like(1.0);
        match self.activation {
            Activation::Softmax => {
                let share = one / place.others.plus(1.0);
                let exp = (place.x - place.largest).exp();
                let rest = place.others.plus(1.0) - exp;
                let rest = rest.replace(place.x.same(&place.largest), place.others);
                (exp * share, rest * share)
            }
            Activation::Sigmoid => sigmoid(place.x),
            Activation::Probabilities => {
                let nan = place.x.like(f64::NAN);
                let p = nan.replace(Rule::PROBABILITY.holds(&place.x), place.x);
                (p, one - p)
            }
        }
    }

    /// How true the class is, NaN if that is not valid; and 1 where it counts, else 0.
    fn target<'a>(&self, y: Traced<'a>) -> (Traced<'a>, Traced<'a>) {
        let one = y.like(1.0);
        if self.of_ids {
            return (y, one);
        }
        let nan = y.like(f64::NAN);
        let valid = nan.replace(Rule::PROBABILITY.holds(&y), y);
        let each = self.ignored.iter();
        each.fold((valid, one), |(valid, counts), &ignored| {
            let is_ignored = y.equals(ignored as f64);
            (valid.set(is_ignored, 0.0), counts.set(is_ignored, 0.0))
        })
    }

    /// What is added up, and 0, or NaN where something is not valid. What is `kept` is 1; 0 of a pixel that does not count;
    /// and NaN if its id is not valid.
    fn terms<'a>(
        &self,
        place: PixelAndClass<'a>,
        kept: Traced<'a>,
        is_first: Traced<'a>,
    ) -> Vec<Traced<'a>> {
        let (y, counts) = self.target(place.y);
        let (p, rest) = self.probability(&place);
        let counts = counts * kept;
        let mut terms = Vec::from(match self.overlap {
            Overlap::Product => OfProduct::terms(p, rest, y),
            Overlap::Squared => OfSquares::terms(p, rest, y),
            Overlap::Minimum => OfMinimum::terms(p, rest, y),
        });
        if self.beside.is_some() {
            let [loss, ..] = self.head(&place, p, rest);
            terms.push(loss.times_or_zero(y));
            terms.push(if self.of_ids { y } else { is_first });
        }
        let broken = (p + y).times_or_zero(counts);
        let zero = place.x.like(0.0);
        let broken = zero.replace(broken.is_nan(), broken.like(f64::NAN));
        let terms = terms.into_iter().map(|term| term.times_or_zero(counts));
        terms.chain([broken]).collect()
    }

    /// The loss beside at a class, and its derivatives with respect to the logarithm of its probability, and of the sum of
    /// all exponentials.
    fn head<'a>(
        &self,
        place: &PixelAndClass<'a>,
        p: Traced<'a>,
        rest: Traced<'a>,
    ) -> [Traced<'a>; 3] {
        let ln_sum = place.others.ln_1p();
        let ln_p = place.x - place.largest - ln_sum;
        match &self.beside {
            Some(Beside::OfClass(head)) => head.traced([ln_p, p, rest, place.largest + ln_sum]),
            _ => [-ln_p, p.like(-1.0), p.like(0.0)],
        }
    }

    /// The derivative with respect to the probability.
    fn slope<'a>(&self, place: &PixelAndClass<'a>, of_terms: [Traced<'a>; SUMS]) -> Traced<'a> {
        let (y, counts) = self.target(place.y);
        let (p, rest) = self.probability(place);
        let slope = match self.overlap {
            Overlap::Product => OfProduct::slope(p, rest, y, of_terms),
            Overlap::Squared => OfSquares::slope(p, rest, y, of_terms),
            Overlap::Minimum => OfMinimum::slope(p, rest, y, of_terms),
        };
        slope.times_or_zero(counts)
    }

    /// What a class adds to what its pixel's gradients have in common: to the mean of the slopes less that of the class with
    /// the largest logit, and to how much the classes count in a loss beside.
    fn share<'a>(
        &self,
        place: &PixelAndClass<'a>,
        of_terms: [Traced<'a>; SUMS],
        of_largest: Traced<'a>,
        of_beside: Traced<'a>,
    ) -> [Traced<'a>; 2] {
        let (p, _) = self.probability(place);
        let (y, _) = self.target(place.y);
        let slope = self.slope(place, of_terms) - of_largest;
        [p * slope, of_beside.times_or_zero(y)]
    }

    /// What the loss beside adds to the gradient at the pixel's class; and to that of the others, over their
    /// probabilities.
    fn beside<'a>(&self, place: &PixelAndClass<'a>, of_beside: Traced<'a>) -> [Traced<'a>; 2] {
        let (p, rest) = self.probability(place);
        let [_, of_ln_p, of_lse] = self.head(place, p, rest);
        let own = slope_of_class(p, rest, of_ln_p, of_lse);
        [own, slope_of_others(of_ln_p, of_lse)].map(|slope| slope.times_or_zero(of_beside))
    }

    /// The gradient.
    fn gradient<'a>(
        &self,
        place: &PixelAndClass<'a>,
        of_terms: [Traced<'a>; SUMS],
        of_beside: Traced<'a>,
        pixel: &OfPixel<'a>,
    ) -> Traced<'a> {
        let (p, rest) = self.probability(place);
        let slope = self.slope(place, of_terms);
        let gradient = match self.activation {
            Activation::Softmax if self.has_head() => {
                let slope = slope - pixel.of_largest - pixel.mean;
                let own = p * slope + pixel.own;
                (p * (slope + pixel.others)).replace(place.y.equals(1.0), own)
            }
            Activation::Softmax => {
                let gradient = p * (slope - pixel.of_largest - pixel.mean);
                match self.beside {
                    None => gradient,
                    Some(_) => {
                        let own = of_beside.times_or_zero(self.target(place.y).0);
                        gradient + p * (pixel.counted - own) - rest * own
                    }
                }
            }
            Activation::Sigmoid => p * rest * slope,
            Activation::Probabilities => slope,
        };
        let gradient = gradient.times_or_zero(pixel.kept);
        gradient.at_least(-self.limit).at_most(self.limit)
    }
}

/// What the gradients of a pixel have in common.
struct OfPixel<'a> {
    kept: Traced<'a>,
    of_largest: Traced<'a>,
    mean: Traced<'a>,
    /// How much its classes count in a loss beside.
    counted: Traced<'a>,
    own: Traced<'a>,
    others: Traced<'a>,
}

/// How the pixels lie in memory, `[outer, classes, inner]`.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
#[expand(derive(Clone, Copy))]
pub(crate) struct PixelLayout {
    pub(crate) classes: usize,
    pub(crate) inner: usize,
    pub(crate) samples: usize,
    /// How many pixels a sample has, and how many workgroups.
    pub(crate) pixels: usize,
    pub(crate) groups: usize,
}

/// The place of the first class of a pixel.
#[cube]
fn first_of(pixel: usize, layout: &PixelLayout) -> usize {
    pixel / layout.inner * layout.classes * layout.inner + pixel % layout.inner
}

/// What is known of the softmax of a pixel.
#[derive(CubeType)]
struct PixelSoftmax {
    largest: f32,
    others: f32,
    /// The class that has the largest logit.
    at: usize,
}

#[cube]
fn softmax<F: Float>(
    x: &[F],
    first: usize,
    layout: &PixelLayout,
    #[comptime] plan: &OverlapPlan,
) -> PixelSoftmax {
    let mut largest = 0f32;
    let mut others = 0f32;
    let mut at = 0usize.runtime();
    if comptime!(plan.of_pixel.activation == Activation::Softmax) {
        largest = f32::cast_from(x[first]);
        let mut class = 1usize.runtime();
        while class < layout.classes {
            let logit = f32::cast_from(x[first + class * layout.inner]);
            if logit > largest {
                largest = logit;
                at = class;
            }
            class += 1;
        }
        class = 0usize.runtime();
        while class < layout.classes {
            let logit = f32::cast_from(x[first + class * layout.inner]);
            others += select(class == at, 0f32, (logit - largest).exp());
            class += 1;
        }
    }
    PixelSoftmax {
        largest,
        others,
        at,
    }
}

/// The class of a pixel, one more than there are where it has none, and how it counts.
#[derive(CubeType)]
struct PixelClass {
    class: usize,
    kept: f32,
}

#[cube]
fn class_of<I: Int>(
    ids: &ComptimeOption<Box<[I]>>,
    pixel: usize,
    layout: &PixelLayout,
    special: &NonFinite,
    #[comptime] plan: &OverlapPlan,
) -> PixelClass {
    let mut class = layout.classes;
    let mut kept = 1f32;
    #[comptime]
    match ids {
        ComptimeOption::Some(ids) => {
            let found = own_class::<I>(ids[pixel], layout.classes, special, &plan.samples);
            class = select(found.is_class, found.class, layout.classes);
            kept = found.kept;
        }
        ComptimeOption::None => {}
    }
    PixelClass { class, kept }
}

/// How true a class is at a pixel, as it was given.
#[cube]
fn truth<P: Float>(masks: &ComptimeOption<Box<[P]>>, at: usize, is_own: bool) -> f32 {
    let mut y = select(is_own, 1f32, 0f32);
    #[comptime]
    match masks {
        ComptimeOption::Some(masks) => y = f32::cast_from(masks[at]),
        ComptimeOption::None => {}
    }
    y
}

fn place<'a>(
    tracer: Tracer<'a>,
    [x, largest, others, y]: [NativeExpand<f32>; 4],
) -> (Tracer<'a>, PixelAndClass<'a>) {
    let place = PixelAndClass {
        x: tracer.of(x),
        largest: tracer.of(largest),
        others: tracer.of(others),
        y: tracer.of(y),
    };
    (tracer, place)
}

/// What is added up of a pixel and class.
#[cube]
#[allow(clippy::too_many_arguments)]
fn terms(
    x: f32,
    largest: f32,
    others: f32,
    y: f32,
    kept: f32,
    is_first: f32,
    special: &NonFinite,
    #[comptime] plan: &OverlapPlan,
) -> Registers {
    intrinsic!(|scope| {
        let (tracer, place) = place(tracer(scope, special), [x, largest, others, y]);
        let terms = plan
            .of_pixel
            .terms(place, tracer.of(kept), tracer.of(is_first));
        terms.into_iter().collect::<RegistersExpand>()
    })
}

/// Writes the sum over the threads that work on a class together.
#[cube]
fn write_sum(
    own: f32,
    shared: &mut Shared<[f32]>,
    partials: &mut [f32],
    to: usize,
    is_there: bool,
) {
    let unit = UNIT_POS as usize;
    sync_cube();
    shared[unit] = own;
    sync_cube();
    let lane = UNIT_POS % LANES;
    if is_there && lane == 0 {
        let mut sum = 0f32;
        #[unroll]
        for at in 0..comptime!(LANES as usize) {
            sum += shared[unit + at];
        }
        partials[to] = sum;
    }
}

/// What the classes of a pixel have in common, for all threads of a workgroup.
#[cube]
#[allow(clippy::too_many_arguments)]
fn share_pixels<F: Float, I: Int>(
    x: &[F],
    ids: &ComptimeOption<Box<[I]>>,
    start: usize,
    count: usize,
    largest: &mut Shared<[f32]>,
    others: &mut Shared<[f32]>,
    kept: &mut Shared<[f32]>,
    classes: &mut Shared<[u32]>,
    layout: &PixelLayout,
    special: &NonFinite,
    #[comptime] plan: &OverlapPlan,
) {
    let mut at = UNIT_POS as usize;
    while at < count {
        let pixel = start + at;
        let found = softmax::<F>(x, first_of(pixel, layout), layout, plan);
        let own = class_of::<I>(ids, pixel, layout, special, plan);
        largest[at] = found.largest;
        others[at] = found.others;
        kept[at] = own.kept;
        classes[at] = own.class as u32;
        at += comptime!(UNITS as usize);
    }
    sync_cube();
}

/// What a thread adds up of a class, over its part of the pixels; and last what is 0, or NaN where something is not valid.
#[cube]
#[allow(clippy::too_many_arguments)]
fn sums_of_class<F: Float, P: Float>(
    x: &[F],
    masks: &ComptimeOption<Box<[P]>>,
    start: usize,
    count: usize,
    class: usize,
    largest: &Shared<[f32]>,
    others: &Shared<[f32]>,
    kept: &Shared<[f32]>,
    classes: &Shared<[u32]>,
    layout: &PixelLayout,
    special: &NonFinite,
    #[comptime] plan: &OverlapPlan,
) -> Registers {
    let kinds = comptime!(plan.of_pixel.sums());
    let is_first = select(class == 0, 1f32, 0f32);
    let mut overlaps = 0f32;
    let mut is_false = 0f32;
    let mut missed = 0f32;
    let mut loss = 0f32;
    let mut counted = 0f32;
    let mut broken = 0f32;
    let mut at = UNIT_POS as usize % comptime!(LANES as usize);
    while at < count {
        let place = first_of(start + at, layout) + class * layout.inner;
        let y = truth::<P>(masks, place, classes[at] == class as u32);
        let terms = terms(
            f32::cast_from(x[place]),
            largest[at],
            others[at],
            y,
            kept[at],
            is_first,
            special,
            plan,
        );
        overlaps += terms.at::<f32>(0usize);
        is_false += terms.at::<f32>(1usize);
        missed += terms.at::<f32>(2usize);
        if comptime!(kinds > SUMS) {
            loss += terms.at::<f32>(3usize);
            counted += terms.at::<f32>(4usize);
        }
        broken += terms.at::<f32>(kinds);
        at += comptime!(LANES as usize);
    }
    let mut sums = Registers::new();
    sums.push::<f32>(overlaps);
    sums.push::<f32>(is_false);
    sums.push::<f32>(missed);
    if comptime!(kinds > SUMS) {
        sums.push::<f32>(loss);
        sums.push::<f32>(counted);
    }
    sums.push::<f32>(broken);
    sums
}

/// The sums of each workgroup: `[sum][class]`, and what is 0, or NaN where something is not valid.
#[cube(launch, address_type = "dynamic")]
#[allow(clippy::too_many_arguments)]
pub(crate) fn overlap_kernel<F: Float, I: Int, P: Float>(
    x: &[F],
    ids: &ComptimeOption<Box<[I]>>,
    masks: &ComptimeOption<Box<[P]>>,
    partials: &mut [f32],
    layout: PixelLayout,
    special: NonFinite,
    #[comptime] plan: OverlapPlan,
    #[define(F, I, P)] _dtypes: [ElemType; 3],
) {
    let mut shared = Shared::new_slice(comptime!(UNITS as usize));
    let mut largest = Shared::new_slice(PIXELS);
    let mut others = Shared::new_slice(PIXELS);
    let mut kept = Shared::new_slice(PIXELS);
    let mut classes = Shared::<[u32]>::new_slice(PIXELS);
    let unit = UNIT_POS as usize;
    // A workgroup more than there are does what the last one does.
    let last = layout.samples * layout.groups - 1;
    let group = select(CUBE_POS < last, CUBE_POS, last);
    let sample = group / layout.groups;
    let start = group % layout.groups * PIXELS;
    let left = layout.pixels - start;
    let count = select(left < PIXELS, left, PIXELS);
    let start = sample * layout.pixels + start;

    share_pixels::<F, I>(
        x,
        ids,
        start,
        count,
        &mut largest,
        &mut others,
        &mut kept,
        &mut classes,
        &layout,
        &special,
        &plan,
    );

    let kinds = comptime!(plan.of_pixel.sums());
    let of_group = group * (kinds * layout.classes + 1);
    let mut broken = 0f32;
    let mut chunk = 0usize.runtime();
    while chunk < layout.classes {
        let class = chunk + unit / comptime!(LANES as usize);
        let is_there = class < layout.classes;
        let sums = sums_of_class::<F, P>(
            x,
            masks,
            start,
            select(is_there, count, 0usize),
            class,
            &largest,
            &others,
            &kept,
            &classes,
            &layout,
            &special,
            &plan,
        );
        broken += sums.at::<f32>(kinds);
        #[unroll]
        for kind in 0..kinds {
            let to = of_group + kind * layout.classes + class;
            write_sum(sums.at::<f32>(kind), &mut shared, partials, to, is_there);
        }
        chunk += comptime!((UNITS / LANES) as usize);
    }
    let broken = of_all(broken, &mut shared, UNITS);
    if unit == 0 {
        partials[of_group + kinds * layout.classes] = broken;
    }
}

/// What the sums of the workgroups of each sample come to: `[sum][sample][class]`, of which a workgroup adds up one.
#[cube(launch, address_type = "dynamic")]
pub(crate) fn overlap_total_kernel(
    partials: &[f32],
    sums: &mut [f32],
    layout: PixelLayout,
    kinds: usize,
) {
    let of_kind = layout.samples * layout.classes;
    let last = kinds * of_kind - 1;
    let at = select(CUBE_POS < last, CUBE_POS, last);
    let sample = at % of_kind / layout.classes;
    let place = at / of_kind * layout.classes + at % layout.classes;
    let of_group = kinds * layout.classes + 1;
    // Each thread adds up some: of many parts that are nearly the same, one sum after the other would lose digits.
    let mut sum = 0f32;
    let mut broken = 0f32;
    let mut group = UNIT_POS as usize;
    while group < layout.groups {
        let start = (sample * layout.groups + group) * of_group;
        sum += partials[start + place];
        broken += partials[start + of_group - 1];
        group += comptime!(UNITS as usize);
    }
    let found = of_all_units(sum, broken);
    if UNIT_POS == 0 {
        sums[at] = found.first + found.second;
    }
}

/// The derivatives with respect to the sums of a class.
#[cube]
fn of_class(
    of_sums: &[f32],
    sample: usize,
    class: usize,
    layout: &PixelLayout,
    #[comptime] plan: &OverlapPlan,
) -> Registers {
    let mut of_class = Registers::new();
    let kinds = comptime!(if plan.of_pixel.beside.is_some() {
        SUMS + 1
    } else {
        SUMS
    });
    #[unroll]
    for kind in 0..kinds {
        let of_kind = of_sums[(kind * layout.samples + sample) * layout.classes + class];
        of_class.push::<f32>(of_kind);
    }
    of_class
}

fn of_terms<'a>(of_class: &[Traced<'a>]) -> ([Traced<'a>; SUMS], Traced<'a>) {
    let terms = core::array::from_fn(|kind| of_class[kind]);
    let zero = of_class[0].like(0.0);
    (terms, of_class.get(SUMS).copied().unwrap_or(zero))
}

/// The derivative with respect to the probability.
#[cube]
#[allow(clippy::too_many_arguments)]
fn slope(
    x: f32,
    largest: f32,
    others: f32,
    y: f32,
    of_class: &Registers,
    special: &NonFinite,
    #[comptime] plan: &OverlapPlan,
) -> f32 {
    intrinsic!(|scope| {
        let (tracer, place) = place(tracer(scope, special), [x, largest, others, y]);
        let (terms, _) = of_terms(&of_class.traced(tracer));
        plan.of_pixel.slope(&place, terms).value::<f32>()
    })
}

#[cube]
#[allow(clippy::too_many_arguments)]
fn share(
    x: f32,
    largest: f32,
    others: f32,
    y: f32,
    of_class: &Registers,
    of_largest: f32,
    special: &NonFinite,
    #[comptime] plan: &OverlapPlan,
) -> Registers {
    intrinsic!(|scope| {
        let (tracer, place) = place(tracer(scope, special), [x, largest, others, y]);
        let (terms, of_beside) = of_terms(&of_class.traced(tracer));
        let share = plan
            .of_pixel
            .share(&place, terms, tracer.of(of_largest), of_beside);
        share.into_iter().collect::<RegistersExpand>()
    })
}

#[cube]
fn beside(
    x: f32,
    largest: f32,
    others: f32,
    of_class: &Registers,
    special: &NonFinite,
    #[comptime] plan: &OverlapPlan,
) -> Registers {
    let y = 1f32;
    intrinsic!(|scope| {
        let (tracer, place) = place(tracer(scope, special), [x, largest, others, y.into()]);
        let (_, of_beside) = of_terms(&of_class.traced(tracer));
        let beside = plan.of_pixel.beside(&place, of_beside);
        beside.into_iter().collect::<RegistersExpand>()
    })
}

#[cube]
#[allow(clippy::too_many_arguments)]
fn gradient_of(
    x: f32,
    largest: f32,
    others: f32,
    y: f32,
    of_class: &Registers,
    pixel: &Registers,
    special: &NonFinite,
    #[comptime] plan: &OverlapPlan,
) -> f32 {
    intrinsic!(|scope| {
        let (tracer, place) = place(tracer(scope, special), [x, largest, others, y]);
        let (terms, of_beside) = of_terms(&of_class.traced(tracer));
        let pixel = pixel.traced(tracer);
        let pixel = OfPixel {
            kept: pixel[0],
            of_largest: pixel[1],
            mean: pixel[2],
            counted: pixel[3],
            own: pixel[4],
            others: pixel[5],
        };
        let gradient = plan.of_pixel.gradient(&place, terms, of_beside, &pixel);
        gradient.value::<f32>()
    })
}

/// What the gradients of a pixel have in common.
#[cube]
#[allow(clippy::too_many_arguments)]
fn of_pixel<F: Float, P: Float>(
    x: &[F],
    masks: &ComptimeOption<Box<[P]>>,
    of_sums: &[f32],
    sample: usize,
    first: usize,
    kept: f32,
    found: &PixelSoftmax,
    own: usize,
    layout: &PixelLayout,
    special: &NonFinite,
    #[comptime] plan: &OverlapPlan,
) -> Registers {
    let mut of_largest = 0f32;
    let mut mean = 0f32;
    let mut counted = 0f32;
    let mut of_own = 0f32;
    let mut of_others = 0f32;
    if comptime!(plan.of_pixel.activation == Activation::Softmax) {
        let place = first + found.at * layout.inner;
        let y = truth::<P>(masks, place, found.at == own);
        of_largest = slope(
            f32::cast_from(x[place]),
            found.largest,
            found.others,
            y,
            &of_class(of_sums, sample, found.at, layout, plan),
            special,
            plan,
        );
        let mut class = 0usize.runtime();
        while class < layout.classes {
            let place = first + class * layout.inner;
            let y = truth::<P>(masks, place, class == own);
            let share = share(
                f32::cast_from(x[place]),
                found.largest,
                found.others,
                y,
                &of_class(of_sums, sample, class, layout, plan),
                of_largest,
                special,
                plan,
            );
            mean += select(class == found.at, 0f32, share.at::<f32>(0usize));
            counted += share.at::<f32>(1usize);
            class += 1;
        }
        if comptime!(plan.of_pixel.has_head()) && own < layout.classes {
            let of_beside = beside(
                f32::cast_from(x[first + own * layout.inner]),
                found.largest,
                found.others,
                &of_class(of_sums, sample, own, layout, plan),
                special,
                plan,
            );
            of_own = of_beside.at::<f32>(0usize);
            of_others = of_beside.at::<f32>(1usize);
        }
    }
    let mut of_pixel = Registers::new();
    of_pixel.push::<f32>(kept);
    of_pixel.push::<f32>(of_largest);
    of_pixel.push::<f32>(mean);
    of_pixel.push::<f32>(counted);
    of_pixel.push::<f32>(of_own);
    of_pixel.push::<f32>(of_others);
    of_pixel
}

/// The gradient, from the derivatives with respect to the sums.
#[cube(launch, address_type = "dynamic")]
#[allow(clippy::too_many_arguments)]
pub(crate) fn overlap_gradient_kernel<F: Float, I: Int, P: Float>(
    x: &[F],
    ids: &ComptimeOption<Box<[I]>>,
    masks: &ComptimeOption<Box<[P]>>,
    of_sums: &[f32],
    gradient: &mut [f32],
    layout: PixelLayout,
    special: NonFinite,
    #[comptime] plan: OverlapPlan,
    #[define(F, I, P)] _dtypes: [ElemType; 3],
) {
    let mut shared = Shared::new_slice(comptime!(UNITS as usize));
    let unit = UNIT_POS as usize;
    // Here a workgroup has as many pixels as threads.
    let is_there = CUBE_POS < layout.samples * layout.groups;
    let group = select(is_there, CUBE_POS, 0usize);
    let sample = group / layout.groups;
    let in_sample = group % layout.groups * comptime!(UNITS as usize) + unit;
    let is_there = is_there && in_sample < layout.pixels;
    let pixel = sample * layout.pixels + select(is_there, in_sample, 0usize);
    let first = first_of(pixel, &layout);

    // What does not count has no gradient, whatever it is.
    let mut counts = 0f32;
    let mut at = unit;
    let kinds = comptime!(plan.of_pixel.sums());
    while at < kinds * layout.classes {
        let (kind, class) = (at / layout.classes, at % layout.classes);
        let of_sum = of_sums[(kind * layout.samples + sample) * layout.classes + class];
        counts = select(of_sum == 0f32, counts, 1f32);
        at += comptime!(UNITS as usize);
    }
    let counts = of_all(counts, &mut shared, UNITS) > 0f32;

    if is_there {
        let found = softmax::<F>(x, first, &layout, &plan);
        let own = class_of::<I>(ids, pixel, &layout, &special, &plan);
        let of_pixel = of_pixel::<F, P>(
            x,
            masks,
            of_sums,
            sample,
            first,
            select(counts, own.kept, 0f32),
            &found,
            own.class,
            &layout,
            &special,
            &plan,
        );
        let mut class = 0usize.runtime();
        while class < layout.classes {
            let place = first + class * layout.inner;
            let y = truth::<P>(masks, place, class == own.class);
            gradient[place] = gradient_of(
                f32::cast_from(x[place]),
                found.largest,
                found.others,
                y,
                &of_class(of_sums, sample, class, &layout, &plan),
                &of_pixel,
                &special,
                &plan,
            );
            class += 1;
        }
    }
}
