//! Launches the kernels: chooses how the work is divided, and where the results go.

pub(crate) mod elements;
#[cfg(feature = "std")]
pub(crate) mod overlap;
pub(crate) mod pairs;
pub(crate) mod rows;

use super::rows::SumScaleLaunch;
use super::samples::Samples;
use super::sums::{
    ReductionPlanLaunch, UNITS, scale_kernel, total_kernel, weight_kernel, weight_total_kernel,
};
use super::traced::NonFiniteLaunch;
use crate::engine::ops::{Invalid, KernelOutput, TensorSpec};
use crate::spec::reduction::Reduction;
use crate::spec::request::{Request, Returns};
use alloc::vec::Vec;
use burn::backend::TensorMetadata;
use burn::tensor::{BoolStore, DType, Shape};
use burn_cubecl::CubeDevice;
use burn_cubecl::kernel::{bool_cast, cast, into_contiguous};
use burn_cubecl::tensor::CubeTensor;
use cubecl::client::Client;
use cubecl::ir::{AddressType, ElemType, FloatKind, IntKind, UIntKind};
use cubecl::prelude::{BufferArg, CubeCount, CubeDim};
use cubecl::server::Handle;

/// From how many samples on their weights are added up by several workgroups, and by how many at most.
const PER_GROUP: usize = 16 * 1024;
const MOST_GROUPS: usize = 256;

/// How many workgroups scale a gradient at most: enough for any device, and quickly started where there is nothing to
/// do.
const MOST_THAT_SCALE: usize = 4096;

impl TensorSpec {
    fn of(tensor: &CubeTensor) -> Self {
        Self {
            shape: tensor.shape(),
            dtype: tensor.dtype,
        }
    }
}

/// What a sweep over inputs like these will give.
pub(crate) fn tensor_spec<P, const N: usize>(
    inputs: [TensorSpec; N],
    count: usize,
    request: &Request<P>,
    gradients: [bool; N],
) -> KernelOutput<TensorSpec, N> {
    // One type serves all gradients.
    let read = common_type(&inputs.each_ref().map(|input| input.dtype));
    let shapes = inputs.map(|input| input.shape);
    KernelOutput::to_come(
        shapes,
        count,
        request,
        gradients,
        [DType::F32, stored(read)],
    )
}

/// The type in which inputs are read: their own, or a wider one if they are not of one type.
fn common_type(dtypes: &[DType]) -> DType {
    if dtypes.iter().all(|dtype| *dtype == dtypes[0]) {
        dtypes[0]
    } else {
        DType::F32
    }
}

/// A tensor that a kernel can read as numbers in `f32`.
fn number(tensor: CubeTensor) -> CubeTensor {
    into_contiguous(match tensor.dtype {
        DType::Bool(BoolStore::Native) => bool_cast(tensor, DType::F32),
        DType::F64 => cast(tensor, DType::F32),
        _ => tensor,
    })
}

/// The inputs, cast to that type.
fn in_common_type<const N: usize>(inputs: [CubeTensor; N]) -> [CubeTensor; N] {
    let dtype = common_type(&inputs.each_ref().map(|input| input.dtype));
    inputs.map(|input| {
        if input.dtype == dtype {
            input
        } else {
            cast(input, dtype)
        }
    })
}

/// The device and what tensors are made with.
struct LaunchContext {
    client: Client,
    device: CubeDevice,
}

impl From<&CubeTensor> for LaunchContext {
    fn from(tensor: &CubeTensor) -> Self {
        Self {
            client: tensor.client.clone(),
            device: tensor.device.clone(),
        }
    }
}

impl LaunchContext {
    #[cfg(not(all(test, feature = "wgpu")))]
    fn memory(&self, size: usize) -> Handle {
        self.client.empty(size)
    }

    #[cfg(all(test, feature = "wgpu"))]
    fn memory(&self, size: usize) -> Handle {
        crate::tests::gpu::memory(&self.client, size)
    }

    fn empty(&self, tensor_spec: TensorSpec) -> CubeTensor {
        let size = tensor_spec.shape.num_elements() * tensor_spec.dtype.size();
        CubeTensor::new_contiguous(
            self.client.clone(),
            self.device.clone(),
            tensor_spec.shape,
            self.memory(size),
            tensor_spec.dtype,
        )
    }

    fn numbers(&self, count: usize) -> CubeTensor {
        self.empty(TensorSpec {
            shape: Shape::new([count]),
            dtype: DType::F32,
        })
    }

    fn upload(&self, numbers: &[f64]) -> CubeTensor {
        let bytes: Vec<u8> = numbers
            .iter()
            .flat_map(|&number| (number as f32).to_ne_bytes())
            .collect();
        CubeTensor::new_contiguous(
            self.client.clone(),
            self.device.clone(),
            Shape::new([numbers.len()]),
            self.client.create_from_slice(&bytes),
            DType::F32,
        )
    }

    /// So many workgroups, or a few more, along as many axes as they need.
    fn groups(&self, groups: usize) -> (CubeCount, usize) {
        let most = self.client.properties().hardware.max_cube_count.0 as usize;
        let x = groups.clamp(1, most);
        let y = groups.div_ceil(x).max(1);
        (CubeCount::Static(x as u32, y as u32, 1), x * y)
    }
}

fn buffer(tensor: &CubeTensor) -> BufferArg {
    tensor.clone().into_buffer_arg()
}

fn elem(dtype: DType) -> ElemType {
    match dtype {
        DType::F16 => FloatKind::F16.into(),
        DType::BF16 => FloatKind::BF16.into(),
        DType::I64 => IntKind::I64.into(),
        DType::I32 => IntKind::I32.into(),
        DType::I16 => IntKind::I16.into(),
        DType::I8 => IntKind::I8.into(),
        DType::U64 => UIntKind::U64.into(),
        DType::U32 | DType::Bool(BoolStore::U32) => UIntKind::U32.into(),
        DType::U16 => UIntKind::U16.into(),
        DType::U8 | DType::Bool(BoolStore::U8) => UIntKind::U8.into(),
        _ => FloatKind::F32.into(),
    }
}

/// The widest index that a kernel over these tensors needs.
fn address<'a>(tensors: impl IntoIterator<Item = &'a CubeTensor>) -> AddressType {
    let needed = tensors.into_iter().map(CubeTensor::required_address_type);
    needed.max().unwrap_or_default()
}

/// The widest vectors in which all these numbers of elements can be counted.
fn vector(place: &LaunchContext, dtype: DType, counts: &[usize]) -> usize {
    let widths = place.client.io_optimized_vector_sizes(dtype.size());
    let fits = |width: &usize| counts.iter().all(|count| count % width == 0);
    widths.filter(fits).max().unwrap_or(1)
}

/// The weights of the samples as a kernel reads them.
fn samples(request: &Request<CubeTensor>) -> Option<CubeTensor> {
    let samples = request.samples.clone()?;
    Some(into_contiguous(match samples.dtype {
        DType::F32 => samples,
        _ => cast(samples, DType::F32),
    }))
}

/// How many of the samples count, and what the sum of their losses is divided by.
struct Weight {
    /// The sum of the weights, if that is up to the device: with what makes a share of a weight, and as it is.
    on_device: Option<[CubeTensor; 2]>,
    /// That sum, if it is not; 0 if nobody asked for it.
    known: f64,
    /// What the sum of the losses is divided by, unless each weight is its share already.
    divisor: f64,
}

impl Weight {
    /// What makes a share of each weight, if the losses are averaged by a sum of the device.
    fn shares(&self, request: &Request<CubeTensor>) -> Option<&CubeTensor> {
        let mean = matches!(request.returns, Returns::Reduced(Reduction::Mean));
        self.on_device
            .as_ref()
            .filter(|_| mean)
            .map(|[total, _]| total)
    }
}

/// What tells the samples' weights.
struct Counting<'a> {
    ids: Option<&'a CubeTensor>,
    weights: Option<&'a CubeTensor>,
    samples: Option<&'a CubeTensor>,
    plan: &'a Samples,
    count: usize,
    classes: usize,
}

impl<'a> Counting<'a> {
    /// So many losses, of samples that have no class.
    fn samples(count: usize, samples: Option<&'a CubeTensor>, plan: &'a Samples) -> Self {
        Self {
            ids: None,
            weights: None,
            samples,
            plan,
            count,
            classes: 1,
        }
    }
}

fn weight(place: &LaunchContext, counted: &Counting, request: &Request<CubeTensor>) -> Weight {
    let known = counted.count as f64 / request.terms as f64;
    let divisor = request.divisor(known);
    let wanted = request.weighs();
    // Without weights and ignored ids all count alike.
    let ids = counted
        .ids
        .filter(|_| counted.weights.is_some() || !counted.plan.ignored.is_empty());
    let alike = ids.is_none() && counted.samples.is_none();
    if !wanted || alike {
        return Weight {
            on_device: None,
            known: if wanted { known } else { 0.0 },
            divisor,
        };
    }
    let groups = counted.count.div_ceil(PER_GROUP).min(MOST_GROUPS);
    let (count, groups) = place.groups(groups);
    let partials = place.numbers(2 * groups);
    let tensors = ids.into_iter().chain(counted.samples);
    weight_kernel::launch(
        &place.client,
        count,
        CubeDim::new_1d(UNITS),
        address(tensors),
        ids.map(buffer).into(),
        ids.and(counted.weights).map(buffer).into(),
        counted.samples.map(buffer).into(),
        buffer(&partials),
        counted.count,
        counted.classes,
        NonFiniteLaunch::given(&[]),
        counted.plan.clone(),
        ids.map_or(IntKind::I32.into(), |ids| elem(ids.dtype)),
    );
    let (total, sum) = (place.numbers(2), place.numbers(1));
    weight_total_kernel::launch(
        &place.client,
        CubeCount::Static(1, 1, 1),
        CubeDim::new_1d(UNITS),
        buffer(&partials),
        buffer(&total),
        buffer(&sum),
        groups,
        request.terms as f32,
    );
    let mean = matches!(request.returns, Returns::Reduced(Reduction::Mean));
    Weight {
        on_device: Some([total, sum]),
        known: 0.0,
        divisor: if mean { 1.0 } else { divisor },
    }
}

/// What the losses and the gradients are multiplied by.
struct Factors {
    /// The losses, before they are added up.
    losses: f64,
    gradients: f64,
}

impl Factors {
    fn new(request: &Request<CubeTensor>, count: usize, weight: &Weight) -> Self {
        Self {
            // Dividing by a power of two is exact; done before adding up, it keeps the sum in range. Shares
            // of a mean do that themselves.
            losses: match request.returns {
                Returns::Reduced(_) if weight.shares(request).is_none() => {
                    1.0 / count.next_power_of_two() as f64
                }
                _ => 1.0,
            },
            gradients: match weight.divisor {
                0.0 => 0.0,
                divisor => 1.0 / divisor,
            },
        }
    }

    /// For a kernel that computes a `part` of the losses, and a part of their gradients.
    fn launch(&self, part: f64, of_gradients: f64) -> SumScaleLaunch {
        SumScaleLaunch::new(
            (self.losses / part) as f32,
            (self.gradients / of_gradients) as f32,
        )
    }
}

/// Where a gradient goes.
#[allow(clippy::large_enum_variant)] // There are one to four of them in a launch.
enum Destination {
    Nowhere,
    /// In place of the input.
    InPlace,
    New(CubeTensor),
}

/// Where the gradients of the inputs go.
struct Destinations<const N: usize>([Destination; N]);

impl<const N: usize> Destinations<N> {
    /// Each in memory of its own.
    fn apart(place: &LaunchContext, outlines: [Option<TensorSpec>; N]) -> Self {
        Self(outlines.map(|tensor_spec| match tensor_spec {
            None => Destination::Nowhere,
            Some(tensor_spec) => Destination::New(place.empty(tensor_spec)),
        }))
    }

    /// In place of the inputs where that may be.
    fn new(
        place: &LaunchContext,
        inputs: &[CubeTensor; N],
        outlines: [Option<TensorSpec>; N],
    ) -> Self {
        let mut inputs = inputs.iter();
        Self(outlines.map(|tensor_spec| {
            let input = inputs.next().expect("an tensor_spec for each input");
            match tensor_spec {
                None => Destination::Nowhere,
                Some(tensor_spec) if tensor_spec.dtype == input.dtype && input.can_mut() => {
                    Destination::InPlace
                }
                Some(tensor_spec) => Destination::New(place.empty(tensor_spec)),
            }
        }))
    }

    /// The arguments of a kernel whose first arguments are the inputs, of so many elements each.
    fn arguments(&self, count: usize) -> [Option<BufferArg>; 4] {
        core::array::from_fn(|at| match self.0.get(at)? {
            Destination::Nowhere => None,
            Destination::InPlace => Some(BufferArg::alias(at, count)),
            Destination::New(tensor) => Some(buffer(tensor)),
        })
    }

    fn is_in_place(&self, at: usize) -> bool {
        matches!(self.0[at], Destination::InPlace)
    }

    fn new_tensors(&self) -> impl Iterator<Item = &CubeTensor> {
        self.0.iter().filter_map(|target| match target {
            Destination::New(tensor) => Some(tensor),
            _ => None,
        })
    }

    /// The type of the gradients of inputs of that type.
    fn dtype(&self, inputs: DType) -> DType {
        let new = self.new_tensors().next();
        new.map_or(inputs, |tensor| tensor.dtype)
    }

    fn tensors(self, inputs: [CubeTensor; N]) -> [Option<CubeTensor>; N] {
        let mut inputs = inputs.into_iter();
        self.0.map(|target| {
            let input = inputs.next();
            match target {
                Destination::Nowhere => None,
                Destination::InPlace => input,
                Destination::New(tensor) => Some(tensor),
            }
        })
    }
}

/// What becomes of the losses of a launch: what they count, and where they and their sums go.
struct Sums {
    weight: Weight,
    factors: Factors,
    /// Each loss, if they are wanted.
    losses: Option<CubeTensor>,
    /// Of each workgroup.
    partials: CubeTensor,
    groups: usize,
    cubes: CubeCount,
}

impl Sums {
    /// Of a launch of at least so many workgroups.
    fn new(
        place: &LaunchContext,
        counted: &Counting,
        groups: usize,
        request: &Request<CubeTensor>,
    ) -> Self {
        let weight = weight(place, counted, request);
        let factors = Factors::new(request, counted.count, &weight);
        let (cubes, groups) = place.groups(groups);
        let each = matches!(request.returns, Returns::Unreduced);
        Self {
            weight,
            factors,
            losses: each.then(|| place.numbers(counted.count)),
            partials: place.numbers(2 * groups),
            groups,
            cubes,
        }
    }

    /// Launches the last kernel, which makes of the workgroups' sums what is wanted.
    fn total<const N: usize>(
        self,
        place: &LaunchContext,
        gradients: [Option<CubeTensor>; N],
        request: &Request<CubeTensor>,
    ) -> KernelOutput<CubeTensor, N> {
        let value = self.losses.is_none().then(|| place.numbers(1));
        let invalid = place.numbers(1);
        let wanted = matches!(request.returns, Returns::SumAndWeight);
        let weight = match &self.weight.on_device {
            None if wanted => Some(place.numbers(1)),
            _ => None,
        };
        let reduction = ReductionPlanLaunch::new(
            self.groups,
            (1.0 / self.factors.losses) as f32,
            self.weight.divisor as f32,
            self.weight.known as f32,
        );
        total_kernel::launch(
            &place.client,
            CubeCount::Static(1, 1, 1),
            CubeDim::new_1d(UNITS),
            buffer(&self.partials),
            self.weight.shares(request).map(buffer).into(),
            value.as_ref().map(buffer).into(),
            Some(buffer(&invalid)).into(),
            weight.as_ref().map(buffer).into(),
            reduction,
        );
        KernelOutput {
            value: value
                .or(self.losses)
                .expect("either the sum is wanted or each loss"),
            weight: weight
                .or(self.weight.on_device.map(|[_, weight]| weight))
                .filter(|_| wanted),
            gradients,
            invalid: Invalid::OnDevice(invalid),
        }
    }
}

/// The gradient times a number of the device. Nothing is done where that is 1, if nobody else has the
/// gradient.
pub(crate) fn scaled(gradient: CubeTensor, upstream: CubeTensor) -> CubeTensor {
    let place = LaunchContext::from(&gradient);
    let in_place = gradient.can_mut() && gradient.is_contiguous();
    let gradient = into_contiguous(gradient);
    let count = gradient.shape().num_elements();
    let width = vector(&place, gradient.dtype, &[count]);
    let groups = (count / width).div_ceil(UNITS as usize);
    let (groups, _) = place.groups(groups.min(MOST_THAT_SCALE));
    let (target, scaled) = if in_place {
        (BufferArg::alias(0, count), gradient.clone())
    } else {
        let scaled = place.empty(TensorSpec {
            shape: gradient.shape(),
            dtype: gradient.dtype,
        });
        (buffer(&scaled), scaled)
    };
    scale_kernel::launch(
        &place.client,
        groups,
        CubeDim::new_1d(UNITS),
        address([&gradient]),
        width,
        buffer(&gradient),
        target,
        buffer(&into_contiguous(upstream)),
        count / width,
        in_place,
        elem(gradient.dtype),
    );
    scaled
}

/// The type in which the gradient of an input is stored. That of a narrow range is kept wide until it has met
/// what comes from above.
pub(crate) fn stored(input: DType) -> DType {
    match input {
        DType::F16 => DType::F32,
        dtype => dtype,
    }
}
