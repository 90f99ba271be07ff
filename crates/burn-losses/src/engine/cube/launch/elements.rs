//! Over elements.

use super::rows::{RowLaunch, RowOperands};
use super::{
    Counting, Destinations, LaunchContext, Sums, TensorSpec, address, buffer, common_type, elem,
    in_common_type, number, samples, tensor_spec, vector,
};
use crate::engine::cube::distribution::Distribution;
use crate::engine::cube::elements::{
    AlongLaunch, DistributionRowsLaunch, ElementKernel, ElementPlan, ExtentLaunch, elements_kernel,
};
use crate::engine::cube::kernel_key::KernelKey;
use crate::engine::cube::samples::Samples;
use crate::engine::cube::sums::UNITS;
use crate::engine::cube::traced::NonFiniteLaunch;
use crate::engine::host::scale::about_one;
use crate::engine::ops::KernelOutput;
use crate::spec::operand::PerClass;
use crate::spec::request::{Request, Returns};
use crate::spec::rule::UnitRows;
use burn::backend::TensorMetadata;
use burn::tensor::{DType, Shape};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::CubeDim;

/// How many vectors a thread goes through, at most.
const OF_UNIT: usize = 16;

/// How many workgroups there are to be before a thread goes through more than one vector: some for
/// each processor, as far as it is known how many there are.
fn enough_groups(place: &LaunchContext) -> usize {
    let hardware = &place.client.properties().hardware;
    hardware
        .num_streaming_multiprocessors
        .map_or(256, |count| 16 * count as usize)
}

/// Says of each row of a target, 0 or NaN, whether it is a distribution.
fn distributions(
    target: &CubeTensor,
    (rows, distribution): (UnitRows, Distribution),
) -> CubeTensor {
    let outer = target.shape().num_elements() / (rows.length * rows.inner);
    let input = CubeTensor::new_contiguous(
        target.client.clone(),
        target.device.clone(),
        Shape::new([outer, rows.length, rows.inner]),
        target.handle.clone(),
        target.dtype,
    );
    let call = RowLaunch {
        of_row: KernelKey::of_row(distribution),
        inputs: [input],
        axis: 1,
        besides: RowOperands::default(),
    };
    let request = Request {
        returns: Returns::Unreduced,
        samples: None,
        batch: 1,
        terms: 1,
        total: None,
    };
    super::rows::rows(call, request, [false]).value
}

/// What is computed of each element, and of what.
pub(crate) struct ElementLaunch<const N: usize> {
    pub(crate) of_element: KernelKey<dyn ElementKernel>,
    pub(crate) inputs: [CubeTensor; N],
    /// The operands after the inputs: a tensor, then numbers along an axis.
    pub(crate) flat: Option<CubeTensor>,
    pub(crate) along: Option<PerClass>,
    /// The weights of the classes.
    pub(crate) weights: Option<PerClass>,
    /// What the rows of the tensor after the inputs must be.
    pub(crate) distribution: Option<(UnitRows, Distribution)>,
}

fn along(place: &LaunchContext, along: Option<PerClass>) -> Option<AlongLaunch> {
    let PerClass { numbers, inner } = along?;
    let tensor = place.upload(&numbers);
    Some(AlongLaunch::new(
        tensor.into_buffer_arg(),
        // A single number is the same everywhere.
        if numbers.len() == 1 { 1 } else { inner },
        numbers.len(),
    ))
}

/// How many elements a thread reads at once.
fn width<const N: usize>(place: &LaunchContext, call: &ElementLaunch<N>, count: usize) -> usize {
    // Numbers along an axis are looked up one by one.
    let mut along = call.along.iter().chain(&call.weights);
    if along.any(PerClass::varies) {
        return 1;
    }
    // The components of a vector are of one row.
    let whole = match &call.distribution {
        Some((rows, _)) if rows.inner == 1 => rows.length,
        Some(_) => 1,
        None => count,
    };
    let dtype = common_type(&call.inputs.each_ref().map(|input| input.dtype));
    vector(place, dtype, &[count, whole])
}

/// Launches the kernel over elements.
pub(crate) fn elements<const N: usize>(
    call: ElementLaunch<N>,
    request: Request<CubeTensor>,
    wanted: [bool; N],
) -> KernelOutput<CubeTensor, N> {
    let place = LaunchContext::from(&call.inputs[0]);
    let count = call.inputs[0].shape().num_elements();
    let outlines = call.inputs.each_ref().map(TensorSpec::of);
    let tensor_spec = tensor_spec(outlines, count, &request, wanted);
    let operands = N + usize::from(call.flat.is_some()) + usize::from(call.along.is_some());
    let width = width(&place, &call, count);
    let flat = call.flat.map(number);
    let inputs = in_common_type(call.inputs).map(into_contiguous);
    let dtype = inputs[0].dtype;
    let samples = samples(&request);
    let plan = Samples::without_ids();
    let counted = Counting::samples(count, samples.as_ref(), &plan);
    let mut size = 1.0;
    let weights = call.weights.map(|mut weights| {
        size = about_one(&mut weights.numbers);
        weights
    });
    let part = call.of_element.part() / size;
    let of_rows = call.distribution.zip(flat.as_ref());
    let of_rows = of_rows.map(|(distribution, target)| {
        let (length, inner) = (distribution.0.length, distribution.0.inner);
        let numbers = distributions(target, distribution).into_buffer_arg();
        DistributionRowsLaunch::new(numbers, inner, length)
    });
    let length = count / width;
    let of_unit = length / (enough_groups(&place) * UNITS as usize);
    let of_unit = of_unit.clamp(1, OF_UNIT);
    let groups = length.div_ceil(of_unit * UNITS as usize);
    let sums = Sums::new(&place, &counted, groups, &request);
    let targets = Destinations::new(&place, &inputs, tensor_spec.gradients);
    let tensors = inputs.iter().chain(&flat).chain(targets.new_tensors());
    let address = address(tensors);
    let [of_first, of_second, of_third, of_fourth] = targets.arguments(count);
    elements_kernel::launch(
        &place.client,
        sums.cubes.clone(),
        CubeDim::new_1d(UNITS),
        address,
        width,
        buffer(&inputs[0]),
        inputs.get(1).map(buffer).into(),
        inputs.get(2).map(buffer).into(),
        inputs.get(3).map(buffer).into(),
        flat.as_ref().map(buffer).into(),
        along(&place, call.along).into(),
        along(&place, weights).into(),
        samples.as_ref().map(buffer).into(),
        of_rows.into(),
        sums.weight.shares(&request).map(buffer).into(),
        of_first.into(),
        of_second.into(),
        of_third.into(),
        of_fourth.into(),
        sums.losses.as_ref().map(buffer).into(),
        buffer(&sums.partials),
        ExtentLaunch::new(length, of_unit),
        sums.factors.launch(part, part),
        NonFiniteLaunch::given(call.of_element.parameters()),
        ElementPlan {
            of_element: call.of_element,
            operands,
        },
        [
            elem(dtype),
            elem(flat.as_ref().map_or(DType::F32, |tensor| tensor.dtype)),
            elem(targets.dtype(dtype)),
        ],
    );
    sums.total(&place, targets.tensors(inputs), &request)
}
