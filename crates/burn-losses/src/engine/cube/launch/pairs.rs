//! Over pairs within rows.

use super::{
    Counting, Destinations, LaunchContext, Sums, TensorSpec, address, buffer, elem, samples,
    tensor_spec,
};
use crate::engine::cube::kernel_key::KernelKey;
use crate::engine::cube::pairs::{PairKernel, PairPlan, THREADS_OF_LABEL, pairs_kernel};
use crate::engine::cube::rows::RowLayoutLaunch;
use crate::engine::cube::samples::Samples;
use crate::engine::cube::sums::UNITS;
use crate::engine::cube::traced::NonFiniteLaunch;
use crate::engine::ops::KernelOutput;
use crate::engine::shape::layers;
use crate::spec::request::Request;
use alloc::vec;
use burn::backend::TensorMetadata;
use burn::tensor::DType;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::CubeDim;

/// What is computed over pairs, and of what.
pub(crate) struct PairLaunch<const N: usize> {
    pub(crate) of_pair: KernelKey<dyn PairKernel>,
    pub(crate) inputs: [CubeTensor; N],
    /// The axis along which the classes lie.
    pub(crate) axis: usize,
    /// The ids of the labels of each row, then -1.
    pub(crate) ids: CubeTensor,
}

/// Launches the kernel over pairs.
pub(crate) fn pairs<const N: usize>(
    call: PairLaunch<N>,
    request: Request<CubeTensor>,
    wanted: [bool; N],
) -> KernelOutput<CubeTensor, N> {
    let place = LaunchContext::from(&call.inputs[0]);
    let shape = call.inputs[0].shape();
    let [outer, length, inner] = layers(&shape, call.axis);
    let count = outer * inner;
    let outlines = call.inputs.each_ref().map(TensorSpec::of);
    let tensor_spec = tensor_spec(outlines, count, &request, wanted);

    let inputs = call.inputs.map(into_contiguous);
    let dtype = inputs[0].dtype;
    let ids = into_contiguous(call.ids);
    let samples = samples(&request);
    let plan = Samples::of_ids(ids.dtype, length, vec![-1]);
    let counted = Counting::samples(count, samples.as_ref(), &plan);
    let sums = Sums::new(&place, &counted, count, &request);

    // Every gradient depends on the whole row: none takes the place of an input.
    let targets = Destinations::apart(&place, tensor_spec.gradients);
    let places = place.empty(TensorSpec {
        shape,
        dtype: DType::U32,
    });
    let threads = length
        .next_power_of_two()
        .clamp(2 * THREADS_OF_LABEL as usize, UNITS as usize) as u32;
    let tensors = inputs
        .iter()
        .chain([&ids, &places])
        .chain(targets.new_tensors());
    let address = address(tensors);
    let [gradient, ..] = targets.arguments(count * length);
    pairs_kernel::launch(
        &place.client,
        sums.cubes.clone(),
        CubeDim::new_1d(threads),
        address,
        buffer(&inputs[0]),
        buffer(&ids),
        samples.as_ref().map(buffer).into(),
        sums.weight.shares(&request).map(buffer).into(),
        buffer(&places),
        gradient.into(),
        sums.losses.as_ref().map(buffer).into(),
        buffer(&sums.partials),
        RowLayoutLaunch::new(count, length, inner, length, length),
        sums.factors.launch(call.of_pair.part(), 1.0),
        NonFiniteLaunch::of_rows(length, &[]),
        PairPlan {
            of_pair: call.of_pair,
            threads,
            adjacent: inner == 1,
            samples: plan,
        },
        [elem(dtype), elem(ids.dtype), elem(targets.dtype(dtype))],
    );
    sums.total(&place, targets.tensors(inputs), &request)
}
