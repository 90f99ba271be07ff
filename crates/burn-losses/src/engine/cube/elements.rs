//! The kernel of losses that act on each element alone: one launch computes losses, sum and gradients.

use super::kernel_key::KernelKey;
use super::registers::{Registers, RegistersExpand, tracer};
use super::rows::SumScale;
use super::samples::{SampleShare, WEIGHT, share};
use super::sums::{UNITS, of_all_units};
use super::traced::{NonFinite, Traced, Tracer};
use crate::real::Real;
use crate::spec::elementwise::Elementwise;
use crate::spec::rule::Rule;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::Debug;
use cubecl::prelude::*;

/// What a kernel computes of an element.
pub(crate) trait ElementKernel: Debug + Send + Sync + 'static {
    /// What share of the loss and its gradients the definition gives.
    fn part(&self) -> f64;

    /// The numbers that are set from call to call.
    fn parameters(&self) -> &[f64] {
        &[]
    }

    /// The weighted loss, whether something is not valid, and the gradient of each input; scaled.
    fn at<'a>(
        &self,
        tracer: Tracer<'a>,
        element: Element<'a>,
        scales: Scales<'a>,
    ) -> Vec<Traced<'a>>;
}

/// What an element's loss and gradient are multiplied by.
pub(crate) struct Scales<'a> {
    /// What makes a share of all of a weight.
    share: [Traced<'a>; 2],
    losses: Traced<'a>,
    gradient: Traced<'a>,
}

/// An element of each operand, and what it counts.
pub(crate) struct Element<'a> {
    pub(crate) operands: Vec<Traced<'a>>,
    /// The weights of its class and of its sample.
    class: Option<Traced<'a>>,
    sample: Option<Traced<'a>>,
    /// 0, or NaN where the row of the target that it is of is not valid.
    of_row: Option<Traced<'a>>,
}

/// A definition, and what must hold for its operands.
#[derive(Debug)]
struct TracedDefinition<D, const K: usize, const S: usize> {
    definition: D,
    rules: Vec<Option<Rule>>,
    /// How many of the operands have a gradient.
    inputs: usize,
    /// The largest size of a gradient.
    limit: f64,
}

/// What a kernel computes of a definition's operands.
pub(crate) fn defined<D: Elementwise<K, S>, const K: usize, const S: usize>(
    definition: D,
    rules: Vec<Option<Rule>>,
    inputs: usize,
    limit: f64,
) -> KernelKey<dyn ElementKernel> {
    KernelKey::of_element(TracedDefinition::<D, K, S> {
        definition,
        rules,
        inputs,
        limit,
    })
}

impl<D: Elementwise<K, S>, const K: usize, const S: usize> ElementKernel
    for TracedDefinition<D, K, S>
{
    fn part(&self) -> f64 {
        D::PART
    }

    fn at<'a>(
        &self,
        tracer: Tracer<'a>,
        element: Element<'a>,
        scales: Scales<'a>,
    ) -> Vec<Traced<'a>> {
        let Ok(operands) = <[Traced; K]>::try_from(&element.operands[..]) else {
            unreachable!("a definition is given its operands")
        };
        let (loss, slope) = self.definition.at(operands);
        let slopes = slope();
        let derivatives = D::DERIVATIVES.iter().take(self.inputs);
        let gradients = derivatives.map(|derivative| derivative.of(&slopes));
        let (rules, limit) = (&self.rules, self.limit);
        scaled(
            tracer,
            element,
            scales,
            (loss, gradients.collect()),
            (rules, limit),
        )
    }
}

/// The loss and its slopes, times what they count; between them whether something is not valid.
pub(crate) fn scaled<'a>(
    tracer: Tracer<'a>,
    element: Element<'a>,
    scales: Scales<'a>,
    (loss, slopes): (Traced<'a>, Vec<Traced<'a>>),
    (rules, limit): (&[Option<Rule>], f64),
) -> Vec<Traced<'a>> {
    let nan = tracer.number(f64::NAN);
    let zero = tracer.number(0.0);
    let mut poisoned = element.of_row.unwrap_or(zero);
    for (operand, rule) in element.operands.iter().zip(rules) {
        if let Some(rule) = rule {
            poisoned = nan.replace(rule.holds(operand), poisoned);
        }
    }
    let class = |x: Traced<'a>| element.class.map_or(x, |weight| x.times_or_zero(weight));
    let (weighted, allowed) = match element.sample {
        Some(weight) => {
            let holds = WEIGHT.holds(&weight);
            let weight = nan.replace(holds, weight);
            let weight = weight * scales.share[0] * scales.share[1];
            (Some(weight), nan.set(holds, 0.0))
        }
        None => (None, zero),
    };
    // A weight meets the scale, in which is what makes the whole of a part, before either meets a loss or
    // slope: the product of the other two may leave the range where the result does not.
    let scaled = |x: Traced<'a>, scale: Traced<'a>| match weighted {
        Some(weight) => x.times_or_zero(weight * scale),
        None => x * scale,
    };
    let loss = scaled(class(loss) + poisoned, scales.losses);
    let scale_and_clamp = |slope: Traced<'a>| {
        let slope = scaled(class(slope) + poisoned, scales.gradient);
        slope.at_least(-limit).at_most(limit)
    };
    let invalid = zero.set((poisoned + allowed).is_nan(), 1.0);
    let gradients = slopes.into_iter().map(scale_and_clamp);
    [loss, invalid].into_iter().chain(gradients).collect()
}

impl KernelKey<dyn ElementKernel> {
    pub(crate) fn of_element(value: impl ElementKernel) -> Self {
        Self::new(value, |value| Arc::new(value))
    }
}

/// How a kernel goes about elements.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ElementPlan {
    pub(crate) of_element: KernelKey<dyn ElementKernel>,
    /// How many operands there are besides the weights.
    pub(crate) operands: usize,
}

/// Where the elements are, counted in vectors.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
#[expand(derive(Clone, Copy))]
pub(crate) struct Extent {
    pub(crate) length: usize,
    /// How many vectors a thread goes through.
    pub(crate) of_unit: usize,
}

/// Numbers along an axis, repeated for as many elements as are inside of it.
#[derive(CubeType, CubeLaunch)]
pub(crate) struct Along {
    pub(crate) numbers: Box<[f32]>,
    pub(crate) inner: usize,
    pub(crate) length: usize,
}

#[cube]
impl Along {
    fn at<N: Size>(&self, element: usize) -> Vector<f32, N> {
        Vector::new(self.numbers[element / self.inner % self.length])
    }
}

/// Numbers of rows, whose elements are `inner` apart and so many.
#[derive(CubeType, CubeLaunch)]
pub(crate) struct DistributionRows {
    pub(crate) numbers: Box<[f32]>,
    pub(crate) inner: usize,
    pub(crate) length: usize,
}

#[cube]
impl DistributionRows {
    fn at<N: Size>(&self, vector: usize) -> Vector<f32, N> {
        let element = vector * N::value();
        let outer = element / (self.length * self.inner) * self.inner;
        Vector::new(self.numbers[outer + element % self.inner])
    }
}

/// What an element comes to.
#[cube]
fn computed(
    operands: &Registers,
    share: &SampleShare,
    scale: &SumScale,
    special: &NonFinite,
    #[comptime] extra: [bool; 3],
    #[comptime] plan: &ElementPlan,
) -> Registers {
    intrinsic!(|scope| {
        let tracer = tracer(scope, special);
        let mut operands = operands.traced(tracer);
        let mut rest = operands.split_off(plan.operands).into_iter();
        let [class, sample, of_row] = extra.map(|is_there| is_there.then(|| rest.next()).flatten());
        let element = Element {
            operands,
            class,
            sample,
            of_row,
        };
        let scales = Scales {
            share: [tracer.of(share.scale), tracer.of(share.one_over_sum)],
            losses: tracer.of(scale.losses),
            gradient: tracer.of(scale.gradient),
        };
        let values = plan.of_element.at(tracer, element, scales);
        values.into_iter().collect::<RegistersExpand>()
    })
}

/// The sum of a vector's components.
#[cube]
fn of_components<N: Size>(vector: Vector<f32, N>) -> f32 {
    let mut sum = vector.extract(0usize);
    #[unroll]
    for at in 1..N::value() {
        sum += vector.extract(at);
    }
    sum
}

#[cube(launch, address_type = "dynamic")]
#[allow(clippy::too_many_arguments)]
pub(crate) fn elements_kernel<F: Float, P: Numeric, G: Float, N: Size>(
    first: &[Vector<F, N>],
    second: &ComptimeOption<Box<[Vector<F, N>]>>,
    third: &ComptimeOption<Box<[Vector<F, N>]>>,
    fourth: &ComptimeOption<Box<[Vector<F, N>]>>,
    target: &ComptimeOption<Box<[Vector<P, N>]>>,
    along: &ComptimeOption<Along>,
    weights: &ComptimeOption<Along>,
    samples: &ComptimeOption<Box<[Vector<f32, N>]>>,
    of_rows: &ComptimeOption<DistributionRows>,
    total: &ComptimeOption<Box<[f32]>>,
    of_first: &mut ComptimeOption<Box<[Vector<G, N>]>>,
    of_second: &mut ComptimeOption<Box<[Vector<G, N>]>>,
    of_third: &mut ComptimeOption<Box<[Vector<G, N>]>>,
    of_fourth: &mut ComptimeOption<Box<[Vector<G, N>]>>,
    losses: &mut ComptimeOption<Box<[Vector<f32, N>]>>,
    partials: &mut [f32],
    extent: Extent,
    scale: SumScale,
    special: NonFinite,
    #[comptime] plan: ElementPlan,
    #[define(F, P, G)] _dtypes: [ElemType; 3],
) {
    let share = share(total);
    let mut sum = Vector::<f32, N>::new(0f32);
    let mut invalid = Vector::<f32, N>::new(0f32);
    let start = CUBE_POS * extent.of_unit * comptime!(UNITS as usize);
    for step in 0..extent.of_unit {
        let at = start + step * comptime!(UNITS as usize) + UNIT_POS as usize;
        if at < extent.length {
            let mut operands = Registers::new();
            operands.push::<Vector<f32, N>>(Vector::cast_from(first[at]));
            #[comptime]
            match second {
                ComptimeOption::Some(second) => {
                    operands.push::<Vector<f32, N>>(Vector::cast_from(second[at]));
                }
                ComptimeOption::None => {}
            }
            #[comptime]
            match third {
                ComptimeOption::Some(third) => {
                    operands.push::<Vector<f32, N>>(Vector::cast_from(third[at]));
                }
                ComptimeOption::None => {}
            }
            #[comptime]
            match fourth {
                ComptimeOption::Some(fourth) => {
                    operands.push::<Vector<f32, N>>(Vector::cast_from(fourth[at]));
                }
                ComptimeOption::None => {}
            }
            #[comptime]
            match target {
                ComptimeOption::Some(target) => {
                    operands.push::<Vector<f32, N>>(Vector::cast_from(target[at]));
                }
                ComptimeOption::None => {}
            }
            #[comptime]
            match along {
                ComptimeOption::Some(along) => {
                    operands.push::<Vector<f32, N>>(along.at::<N>(at));
                }
                ComptimeOption::None => {}
            }
            #[comptime]
            match weights {
                ComptimeOption::Some(weights) => {
                    operands.push::<Vector<f32, N>>(weights.at::<N>(at));
                }
                ComptimeOption::None => {}
            }
            #[comptime]
            match samples {
                ComptimeOption::Some(samples) => {
                    operands.push::<Vector<f32, N>>(samples[at]);
                }
                ComptimeOption::None => {}
            }
            #[comptime]
            match of_rows {
                ComptimeOption::Some(of_rows) => {
                    operands.push::<Vector<f32, N>>(of_rows.at::<N>(at));
                }
                ComptimeOption::None => {}
            }
            let extra = comptime!([weights.is_some(), samples.is_some(), of_rows.is_some()]);
            let computed = computed(&operands, &share, &scale, &special, extra, &plan);
            let loss = computed.at::<Vector<f32, N>>(0usize);
            sum += loss;
            invalid += computed.at::<Vector<f32, N>>(1usize);
            #[comptime]
            match losses {
                ComptimeOption::Some(losses) => losses[at] = loss,
                ComptimeOption::None => {}
            }
            #[comptime]
            match of_first {
                ComptimeOption::Some(of_first) => {
                    of_first[at] = Vector::cast_from(computed.at::<Vector<f32, N>>(2usize));
                }
                ComptimeOption::None => {}
            }
            #[comptime]
            match of_second {
                ComptimeOption::Some(of_second) => {
                    of_second[at] = Vector::cast_from(computed.at::<Vector<f32, N>>(3usize));
                }
                ComptimeOption::None => {}
            }
            #[comptime]
            match of_third {
                ComptimeOption::Some(of_third) => {
                    of_third[at] = Vector::cast_from(computed.at::<Vector<f32, N>>(4usize));
                }
                ComptimeOption::None => {}
            }
            #[comptime]
            match of_fourth {
                ComptimeOption::Some(of_fourth) => {
                    of_fourth[at] = Vector::cast_from(computed.at::<Vector<f32, N>>(5usize));
                }
                ComptimeOption::None => {}
            }
        }
    }
    let sums = of_all_units(of_components::<N>(sum), of_components::<N>(invalid));
    if UNIT_POS == 0 {
        partials[2 * CUBE_POS] = sums.first;
        partials[2 * CUBE_POS + 1] = sums.second;
    }
}
