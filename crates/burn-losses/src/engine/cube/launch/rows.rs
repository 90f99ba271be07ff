//! Over rows.

use super::{
    Counting, Destinations, LaunchContext, Sums, TensorSpec, address, buffer, elem, in_common_type,
    number, samples, tensor_spec, vector,
};
use crate::engine::cube::kernel_key::KernelKey;
use crate::engine::cube::row_kernel::RowKernel;
use crate::engine::cube::rows::{RowLayoutLaunch, RowPlan, rows_kernel};
use crate::engine::cube::samples::Samples;
use crate::engine::cube::sums::UNITS;
use crate::engine::cube::traced::NonFiniteLaunch;
use crate::engine::host::scale::about_one;
use crate::engine::ops::KernelOutput;
use crate::engine::shape::layers;
use crate::spec::request::Request;
use alloc::vec::Vec;
use burn::backend::TensorMetadata;
use burn::tensor::DType;
use burn_cubecl::kernel::{cast, into_contiguous};
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::CubeDim;

/// What is computed over rows, and of what.
pub(crate) struct RowLaunch<const N: usize> {
    pub(crate) of_row: KernelKey<dyn RowKernel>,
    pub(crate) inputs: [CubeTensor; N],
    /// The axis along which the elements of a row lie.
    pub(crate) axis: usize,
    pub(crate) besides: RowOperands,
}

/// What rows have besides their elements.
#[derive(Default)]
pub(crate) struct RowOperands {
    /// The class of each row, and the ids that are ignored.
    pub(crate) ids: Option<(CubeTensor, Vec<i64>)>,
    /// A probability of each class of each row.
    pub(crate) probs: Option<CubeTensor>,
    /// The weights of the classes; whether each element's is used, not only that of the row's own class.
    pub(crate) weights: Option<Vec<f64>>,
    pub(crate) all_weights: bool,
    /// They are part of what a mean is divided by.
    pub(crate) weights_count: bool,
    /// The sign of each row.
    pub(crate) signs: Option<CubeTensor>,
}

/// How far the rows along the last axis are apart, if they are evenly spaced.
fn pitch(tensor: &CubeTensor) -> Option<usize> {
    let (shape, strides) = (tensor.meta.shape(), tensor.meta.strides());
    let rank = shape.num_dims();
    if rank < 2 || tensor.meta.is_tiled() || strides[rank - 1] != 1 {
        return None;
    }
    let pitch = strides[rank - 2];
    let even = (0..rank - 2).all(|axis| strides[axis] == strides[axis + 1] * shape[axis + 1]);
    (even && pitch >= shape[rank - 1]).then_some(pitch)
}

/// From how many bytes on a row is long.
const LONG: usize = 32 * 1024;

/// How many threads work on a row of that many vectors and bytes, and on how many rows a workgroup works.
///
/// A long row has as many threads as a workgroup may have, where there are many processors: then few
/// rows are worked on at a time, and the nearest cache that all share still holds them when they are
/// read again.
fn division(place: &LaunchContext, vectors: usize, bytes: usize) -> (u32, u32) {
    let hardware = &place.client.properties().hardware;
    let units = match hardware.num_streaming_multiprocessors {
        Some(_) if bytes >= LONG => hardware.max_units_per_cube.clamp(UNITS, 1024),
        _ => UNITS,
    };
    let most = 1 << units.ilog2();
    let threads = (vectors / 4).next_power_of_two().clamp(1, most) as u32;
    (threads, (UNITS / threads).max(1))
}

/// The inputs as a kernel reads them, and how far the rows of the first are apart: only they may be.
fn inputs<const N: usize>(inputs: [CubeTensor; N], axis: usize) -> ([CubeTensor; N], usize) {
    let shape = inputs[0].shape();
    let along_last = axis + 1 == shape.num_dims();
    let mut pitched = along_last;
    let inputs = in_common_type(inputs).map(|input| {
        if core::mem::take(&mut pitched) && pitch(&input).is_some() {
            input
        } else {
            into_contiguous(input)
        }
    });
    let of_first = pitch(&inputs[0]).filter(|_| along_last);
    (inputs, of_first.unwrap_or(shape[axis]))
}

/// What rows have besides their elements, as a kernel reads it.
struct ReadOperands {
    ids: Option<CubeTensor>,
    plan: Samples,
    probs: Option<CubeTensor>,
    /// Divided by `weights_size`.
    weights: Option<CubeTensor>,
    weights_size: f64,
    signs: Option<CubeTensor>,
}

impl RowOperands {
    fn read(
        self,
        place: &LaunchContext,
        length: usize,
        request: &Request<CubeTensor>,
    ) -> ReadOperands {
        let are_counted = self.weights_count && self.ids.is_some() && request.weighs();
        let (ids, plan) = match self.ids {
            Some((ids, ignored)) => {
                let plan = Samples::of_ids(ids.dtype, length, ignored);
                (Some(into_contiguous(ids)), plan)
            }
            None => (None, Samples::without_ids()),
        };
        let signs = self.signs.map(|signs| cast(signs, DType::F32));
        let mut weights_size = 1.0;
        let weights = self.weights.map(|mut weights| {
            // Where their sum is wanted, they are what they are; those of a mean are about 1 already.
            if !are_counted {
                weights_size = about_one(&mut weights);
            }
            place.upload(&weights)
        });
        ReadOperands {
            ids,
            plan,
            probs: self.probs.map(number),
            weights,
            weights_size,
            signs: signs.map(into_contiguous),
        }
    }
}

/// How a kernel goes about rows.
struct RowGrid {
    /// How many elements a thread reads at once.
    width: usize,
    /// How many threads work on a row, and how many rows a workgroup works on.
    threads: u32,
    rows: u32,
    layout: RowLayoutLaunch,
}

impl RowGrid {
    /// For rows of a type, of that length, between whose elements are `inner - 1` others; how far they are apart in
    /// the first input, in whose place its gradient may be.
    fn new(
        place: &LaunchContext,
        dtype: DType,
        [count, length, inner]: [usize; 3],
        first: usize,
        in_place: bool,
    ) -> Self {
        let gradient = if in_place { first } else { length };
        let width = match inner {
            1 => vector(place, dtype, &[length, first, gradient]),
            _ => 1,
        };
        let (threads, rows) = division(place, length / width, length * dtype.size());
        let (first, gradient) = (first / width, gradient / width);
        Self {
            width,
            threads,
            rows,
            layout: RowLayoutLaunch::new(count, length / width, inner, first, gradient),
        }
    }
}

/// Launches the kernel over rows.
pub(crate) fn rows<const N: usize>(
    call: RowLaunch<N>,
    request: Request<CubeTensor>,
    wanted: [bool; N],
) -> KernelOutput<CubeTensor, N> {
    let place = LaunchContext::from(&call.inputs[0]);
    let shape = call.inputs[0].shape();
    let [outer, length, inner] = layers(&shape, call.axis);
    let count = outer * inner;
    let outlines = call.inputs.each_ref().map(TensorSpec::of);
    let tensor_spec = tensor_spec(outlines, count, &request, wanted);

    let (inputs, first_pitch) = inputs(call.inputs, call.axis);
    let dtype = inputs[0].dtype;
    let (all_weights, weights_count) = (call.besides.all_weights, call.besides.weights_count);
    let ReadOperands {
        ids,
        plan,
        probs,
        weights,
        weights_size,
        signs,
    } = call.besides.read(&place, length, &request);
    let samples = samples(&request);
    let counted = Counting {
        ids: ids.as_ref(),
        weights: weights.as_ref().filter(|_| weights_count),
        classes: length,
        ..Counting::samples(count, samples.as_ref(), &plan)
    };
    let targets = Destinations::new(&place, &inputs, tensor_spec.gradients);
    let sizes = [count, length, inner];
    let grid = RowGrid::new(&place, dtype, sizes, first_pitch, targets.is_in_place(0));
    let groups = count.div_ceil(grid.rows as usize);
    let sums = Sums::new(&place, &counted, groups, &request);
    let tensors = inputs.iter().chain(&probs).chain(targets.new_tensors());
    let address = address(tensors);
    let [of_first, of_second, of_third, _] = targets.arguments(count * length);
    rows_kernel::launch(
        &place.client,
        sums.cubes.clone(),
        CubeDim::new_1d(grid.threads * grid.rows),
        address,
        grid.width,
        buffer(&inputs[0]),
        inputs.get(1).map(buffer).into(),
        inputs.get(2).map(buffer).into(),
        probs.as_ref().map(buffer).into(),
        weights.as_ref().map(buffer).into(),
        ids.as_ref().map(buffer).into(),
        signs.as_ref().map(buffer).into(),
        samples.as_ref().map(buffer).into(),
        sums.weight.shares(&request).map(buffer).into(),
        of_first.into(),
        of_second.into(),
        of_third.into(),
        sums.losses.as_ref().map(buffer).into(),
        buffer(&sums.partials),
        grid.layout,
        sums.factors
            .launch(call.of_row.part() / weights_size, 1.0 / weights_size),
        NonFiniteLaunch::of_rows(length, call.of_row.parameters()),
        RowPlan {
            of_row: call.of_row,
            threads: grid.threads,
            rows: grid.rows,
            adjacent: inner == 1,
            weights: all_weights && weights.is_some(),
            samples: plan,
        },
        [
            elem(dtype),
            elem(probs.as_ref().map_or(DType::F32, |probs| probs.dtype)),
            elem(ids.as_ref().map_or(DType::I32, |ids| ids.dtype)),
            elem(targets.dtype(dtype)),
        ],
    );
    sums.total(&place, targets.tensors(inputs), &request)
}
