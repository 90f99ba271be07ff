//! The kernel of losses over rows: one launch reads each row for its loss and again for its gradient.
//!
//! A row is worked on by one or more threads of a workgroup, and a workgroup works on one or more rows.
//! Each thread folds the elements it comes by into a state, then the states of a row's threads are folded
//! into one. All is done in an order that is fixed, so the result is always the same.

use super::kernel_key::KernelKey;
use super::registers::{Registers, RegistersExpand, tracer};
use super::row_kernel::{Finished, RowContext, RowKernel};
use super::samples::{Samples, own_class, sample_weight, share};
use super::traced::NonFinite;
use crate::real::Real;
use cubecl::prelude::*;

/// How a kernel goes about rows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RowPlan {
    pub(crate) of_row: KernelKey<dyn RowKernel>,
    /// How many threads work on a row, and how many rows a workgroup works on: powers of two.
    pub(crate) threads: u32,
    pub(crate) rows: u32,
    /// The elements of a row are adjacent.
    pub(crate) adjacent: bool,
    /// The weights of the classes are an operand; else only that of a row's own class is read.
    pub(crate) weights: bool,
    pub(crate) samples: Samples,
}

/// How the rows lie in memory, counted in vectors.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
#[expand(derive(Clone, Copy))]
pub(crate) struct RowLayout {
    pub(crate) rows: usize,
    /// How many vectors a row has.
    pub(crate) length: usize,
    /// How many elements apart those of a row are.
    pub(crate) inner: usize,
    /// How far the rows of the first input and of its gradient are apart, where their elements are
    /// adjacent; those of the rest follow each other.
    pub(crate) pitch: usize,
    pub(crate) gradient_pitch: usize,
}

/// What the results are multiplied by, besides the weights of the samples.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
#[expand(derive(Clone, Copy))]
pub(crate) struct SumScale {
    /// The losses: what makes the whole of a part, and a power of two that keeps their sum in range.
    pub(crate) losses: f32,
    /// The gradient.
    pub(crate) gradient: f32,
}

/// The place of the first element of a row.
#[cube]
pub(crate) fn start(
    row: usize,
    pitch: usize,
    layout: &RowLayout,
    #[comptime] adjacent: bool,
) -> usize {
    if adjacent {
        row * pitch
    } else {
        row / layout.inner * layout.length * layout.inner + row % layout.inner
    }
}

/// An element of each operand.
#[cube]
#[allow(clippy::too_many_arguments)]
fn operands<F: Float, P: Float, N: Size>(
    first: &[Vector<F, N>],
    second: &ComptimeOption<Box<[Vector<F, N>]>>,
    third: &ComptimeOption<Box<[Vector<F, N>]>>,
    probs: &ComptimeOption<Box<[Vector<P, N>]>>,
    weights: &ComptimeOption<Box<[Vector<f32, N>]>>,
    own: &Registers,
    class: &ClassPlace,
    at_first: usize,
    at: usize,
    element: usize,
    #[comptime] plan: &RowPlan,
) -> Registers {
    let mut operands = Registers::new();
    operands.push::<Vector<f32, N>>(Vector::cast_from(first[at_first]));
    #[comptime]
    match second {
        ComptimeOption::Some(second) => {
            operands.push::<Vector<f32, N>>(Vector::cast_from(second[at]))
        }
        ComptimeOption::None => {}
    }
    #[comptime]
    match third {
        ComptimeOption::Some(third) => {
            operands.push::<Vector<f32, N>>(Vector::cast_from(third[at]))
        }
        ComptimeOption::None => {}
    }
    #[comptime]
    match probs {
        ComptimeOption::Some(probs) => {
            operands.push::<Vector<f32, N>>(Vector::cast_from(probs[at]))
        }
        ComptimeOption::None => {}
    }
    if comptime!(plan.weights) {
        #[comptime]
        match weights {
            ComptimeOption::Some(weights) => operands.push::<Vector<f32, N>>(weights[element]),
            ComptimeOption::None => {}
        }
    }
    if comptime!(plan.of_row.reads_class()) {
        operands.push::<f32>(own.at::<f32>(0usize));
        let mut is_class = RuntimeCell::<Vector<f32, N>>::new(Vector::new(0f32));
        put_at_class::<N>(&mut is_class, class, element, 1f32);
        operands.push::<Vector<f32, N>>(is_class.read());
    }
    operands
}

/// Where the class of a row is, if it has one.
#[derive(CubeType)]
struct ClassPlace {
    is_class: bool,
    vector: usize,
    component: usize,
}

/// Puts a number at the class of a row, if it is in that vector.
#[cube]
fn put_at_class<N: Size>(
    vector: &mut RuntimeCell<Vector<f32, N>>,
    class: &ClassPlace,
    element: usize,
    number: f32,
) {
    if class.is_class && element == class.vector {
        #[unroll]
        for at in 0..N::value() {
            if at == class.component {
                vector.insert(at, number);
            }
        }
    }
}

/// The state of no elements.
#[cube]
fn nothing(special: &NonFinite, #[comptime] plan: &RowPlan) -> Registers {
    intrinsic!(|scope| {
        let tracer = tracer(scope, special);
        plan.of_row
            .start(tracer)
            .into_iter()
            .collect::<RegistersExpand>()
    })
}

/// The state with one more element.
#[cube]
fn with_element(
    state: &Registers,
    operands: &Registers,
    special: &NonFinite,
    #[comptime] plan: &RowPlan,
) -> Registers {
    intrinsic!(|scope| {
        let tracer = tracer(scope, special);
        let element = plan.of_row.of(tracer, &operands.traced(tracer));
        let state = plan.of_row.join(&state.traced(tracer), &element);
        state.into_iter().collect::<RegistersExpand>()
    })
}

/// The states of the components of vectors as one.
#[cube]
fn of_all_components<N: Size>(
    state: &Registers,
    special: &NonFinite,
    #[comptime] plan: &RowPlan,
) -> Registers {
    intrinsic!(|scope| {
        let tracer = tracer(scope, special);
        let component = |at| state.component::<N>(tracer, at);
        let others = 1..N::__expand_value(scope);
        let state = others.fold(component(0), |state, at| {
            plan.of_row.join(&state, &component(at))
        });
        state.into_iter().collect::<RegistersExpand>()
    })
}

/// Two states as one.
#[cube]
fn joined(
    a: &Registers,
    b: &Registers,
    special: &NonFinite,
    #[comptime] plan: &RowPlan,
) -> Registers {
    intrinsic!(|scope| {
        let tracer = tracer(scope, special);
        let state = plan.of_row.join(&a.traced(tracer), &b.traced(tracer));
        state.into_iter().collect::<RegistersExpand>()
    })
}

/// The states of all threads of a row as one.
#[cube]
fn of_all_threads(
    state: Registers,
    shared: &mut Shared<[f32]>,
    special: &NonFinite,
    #[comptime] plan: &RowPlan,
) -> Registers {
    let unit = UNIT_POS as usize;
    let lane = UNIT_POS % plan.threads;
    store(&state, shared, unit, plan);
    let levels = comptime!(plan.threads.ilog2());
    #[unroll]
    for level in 0..levels {
        let apart = comptime!(plan.threads >> (level + 1));
        sync_cube();
        if lane < apart {
            let own = load(shared, unit, plan);
            let other = load(shared, unit + apart as usize, plan);
            let state = joined(&own, &other, special, plan);
            store(&state, shared, unit, plan);
        }
    }
    sync_cube();
    load(shared, unit - lane as usize, plan)
}

#[cube]
fn store(state: &Registers, shared: &mut Shared<[f32]>, unit: usize, #[comptime] plan: &RowPlan) {
    let states = comptime!(plan.of_row.states());
    #[unroll]
    for at in 0..states {
        let units = comptime!((plan.threads * plan.rows) as usize);
        shared[comptime!(at * units) + unit] = state.at::<f32>(at);
    }
}

#[cube]
fn load(shared: &mut Shared<[f32]>, unit: usize, #[comptime] plan: &RowPlan) -> Registers {
    let mut state = Registers::new();
    let states = comptime!(plan.of_row.states());
    #[unroll]
    for at in 0..states {
        let units = comptime!((plan.threads * plan.rows) as usize);
        state.push::<f32>(shared[comptime!(at * units) + unit]);
    }
    state
}

/// A component of a vector that is known only when the kernel runs.
#[cube]
fn component<N: Size>(vector: Vector<f32, N>, at: usize) -> f32 {
    let mut component = vector.extract(0usize);
    #[unroll]
    for other in 1..N::value() {
        if at == other {
            component = vector.extract(other);
        }
    }
    component
}

/// What the row comes to: its weighted and scaled loss, 1 if something of it is not valid or else 0, the gradient at
/// its class, and the numbers of the gradient.
#[cube]
fn finished(
    state: &Registers,
    own: &Registers,
    weight: f32,
    scale: &SumScale,
    special: &NonFinite,
    #[comptime] plan: &RowPlan,
) -> Registers {
    let of_losses = weight * scale.losses;
    let of_gradient = weight * scale.gradient;
    intrinsic!(|scope| {
        let tracer = tracer(scope, special);
        let row = RowContext {
            own: own.traced(tracer),
            scale: tracer.of(of_gradient),
        };
        let Finished {
            loss,
            poisoned,
            at_class,
            numbers,
        } = plan.of_row.finish(tracer, &state.traced(tracer), row);
        let weight = tracer.of(weight);
        let zero = tracer.number(0.0);
        let invalid = zero.set(poisoned.is_nan(), 1.0).set(weight.is_nan(), 1.0);
        let first = [
            loss.times_or_zero(tracer.of(of_losses)),
            invalid,
            at_class.unwrap_or(zero),
        ];
        first
            .into_iter()
            .chain(numbers)
            .collect::<RegistersExpand>()
    })
}

/// The gradient of each input at an element.
#[cube]
fn gradients(
    finished: &Registers,
    operands: &Registers,
    special: &NonFinite,
    #[comptime] plan: &RowPlan,
) -> Registers {
    intrinsic!(|scope| {
        let tracer = tracer(scope, special);
        let numbers = &finished.traced(tracer)[3..];
        let gradients = plan.of_row.gradients(numbers, &operands.traced(tracer));
        gradients.into_iter().collect::<RegistersExpand>()
    })
}

#[cube(launch, address_type = "dynamic")]
#[allow(clippy::too_many_arguments)]
pub(crate) fn rows_kernel<F: Float, P: Float, I: Int, G: Float, N: Size>(
    first: &[Vector<F, N>],
    second: &ComptimeOption<Box<[Vector<F, N>]>>,
    third: &ComptimeOption<Box<[Vector<F, N>]>>,
    probs: &ComptimeOption<Box<[Vector<P, N>]>>,
    weights: &ComptimeOption<Box<[Vector<f32, N>]>>,
    ids: &ComptimeOption<Box<[I]>>,
    signs: &ComptimeOption<Box<[f32]>>,
    samples: &ComptimeOption<Box<[f32]>>,
    total: &ComptimeOption<Box<[f32]>>,
    of_first: &mut ComptimeOption<Box<[Vector<G, N>]>>,
    of_second: &mut ComptimeOption<Box<[Vector<G, N>]>>,
    of_third: &mut ComptimeOption<Box<[Vector<G, N>]>>,
    losses: &mut ComptimeOption<Box<[f32]>>,
    partials: &mut [f32],
    layout: RowLayout,
    scale: SumScale,
    special: NonFinite,
    #[comptime] plan: RowPlan,
    #[define(F, P, I, G)] _dtypes: [ElemType; 4],
) {
    let units = comptime!((plan.threads * plan.rows) as usize);
    let mut shared = Shared::new_slice(comptime!(units * plan.of_row.states().max(2)));
    let group_row = (UNIT_POS / plan.threads) as usize;
    let lane = (UNIT_POS % plan.threads) as usize;
    let wanted = CUBE_POS * comptime!(plan.rows as usize) + group_row;
    let active = wanted < layout.rows;
    let row = select(active, wanted, layout.rows - 1);
    let length = select(active, layout.length, 0usize);
    let step = comptime!(plan.threads as usize);
    let inner = if comptime!(plan.adjacent) {
        1usize.runtime()
    } else {
        layout.inner
    };
    let start_first = start(row, layout.pitch, &layout, plan.adjacent);
    let start_gradient = start(row, layout.gradient_pitch, &layout, plan.adjacent);
    let start_rest = start(row, layout.length, &layout, plan.adjacent);

    let mut own = Registers::new();
    let mut class = ClassPlace {
        is_class: false,
        vector: 0usize,
        component: 0usize,
    };
    #[comptime]
    match ids {
        ComptimeOption::Some(ids) => {
            let classes = layout.length * N::value();
            let found = own_class::<I>(ids[row], classes, &special, &plan.samples);
            class.vector = found.class / N::value();
            class.component = found.class % N::value();
            class.is_class = found.is_class;
            let x = Vector::<f32, N>::cast_from(first[start_first + class.vector * inner]);
            let mut weight = 1f32;
            #[comptime]
            match weights {
                ComptimeOption::Some(weights) => {
                    weight = component::<N>(weights[class.vector], class.component);
                }
                ComptimeOption::None => {}
            }
            own.push::<f32>(component::<N>(x, class.component));
            own.push::<f32>(select(class.is_class, weight, found.kept));
            own.push::<f32>(found.kept);
            own.push::<f32>(weight);
        }
        ComptimeOption::None => {}
    }
    #[comptime]
    match signs {
        ComptimeOption::Some(signs) => own.push::<f32>(signs[row]),
        ComptimeOption::None => {}
    }
    let share = share(total);
    let weight = share.of(sample_weight(samples, row, &special));

    let variables = nothing(&special, &plan).variables::<N>();
    let to_read = if comptime!(plan.of_row.reads_all()) {
        length
    } else {
        0usize.runtime()
    };
    let mut element = lane;
    while element < to_read {
        let at = element * inner;
        let operands = operands(
            first,
            second,
            third,
            probs,
            weights,
            &own,
            &class,
            start_first + at,
            start_rest + at,
            element,
            &plan,
        );
        variables.assign(with_element(&variables, &operands, &special, &plan));
        element += step;
    }
    let state = of_all_components::<N>(&variables, &special, &plan);
    let state = if comptime!(plan.threads > 1) {
        of_all_threads(state, &mut shared, &special, &plan)
    } else {
        state
    };
    let finished = finished(&state, &own, weight, &scale, &special, &plan);

    let any = comptime!(of_first.is_some() || of_second.is_some() || of_third.is_some());
    if any {
        // All threads of a row have read the input at its class, which one of them may overwrite.
        if comptime!(ids.is_some() && plan.threads > 1) {
            sync_storage();
        }
        let mut element = lane;
        while element < length {
            let at = element * inner;
            let operands = operands(
                first,
                second,
                third,
                probs,
                weights,
                &own,
                &class,
                start_first + at,
                start_rest + at,
                element,
                &plan,
            );
            let gradients = gradients(&finished, &operands, &special, &plan);
            #[comptime]
            match of_first {
                ComptimeOption::Some(of_first) => {
                    let mut gradient = RuntimeCell::<Vector<f32, N>>::new(Vector::cast_from(
                        gradients.at::<Vector<f32, N>>(0usize),
                    ));
                    put_at_class::<N>(&mut gradient, &class, element, finished.at::<f32>(2usize));
                    let gradient = gradient.read() * Vector::new(share.something);
                    of_first[start_gradient + at] = Vector::cast_from(gradient);
                }
                ComptimeOption::None => {}
            }
            #[comptime]
            match of_second {
                ComptimeOption::Some(of_second) => {
                    let gradient = gradients.at::<Vector<f32, N>>(1usize);
                    of_second[start_rest + at] = Vector::cast_from(gradient);
                }
                ComptimeOption::None => {}
            }
            #[comptime]
            match of_third {
                ComptimeOption::Some(of_third) => {
                    let gradient = gradients.at::<Vector<f32, N>>(2usize);
                    of_third[start_rest + at] = Vector::cast_from(gradient);
                }
                ComptimeOption::None => {}
            }
            element += step;
        }
    }

    let loss = finished.at::<f32>(0usize);
    if lane == 0 && active {
        #[comptime]
        match losses {
            ComptimeOption::Some(losses) => losses[row] = loss,
            ComptimeOption::None => {}
        }
    }
    // The sums over the rows of the workgroup.
    let rows = comptime!(plan.rows as usize);
    sync_cube();
    if lane == 0 {
        shared[group_row] = select(active, loss, 0f32);
        shared[rows + group_row] = select(active, finished.at::<f32>(1usize), 0f32);
    }
    let levels = comptime!(plan.rows.ilog2());
    #[unroll]
    for level in 0..levels {
        let apart = comptime!((plan.rows >> (level + 1)) as usize);
        sync_cube();
        let unit = UNIT_POS as usize;
        if unit < apart {
            shared[unit] += shared[unit + apart];
            shared[rows + unit] += shared[rows + unit + apart];
        }
    }
    sync_cube();
    if UNIT_POS == 0 {
        partials[2 * CUBE_POS] = shared[0];
        partials[2 * CUBE_POS + 1] = shared[rows];
    }
}
