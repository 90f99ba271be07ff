//! Calls the sweep of a backend that has one, and records its gradient: the one derivative, for all
//! losses on all such backends.

use super::any_rank::{AnyRank, in_context_of};
use super::elementwise::ElementwiseSpec;
#[cfg(feature = "std")]
use super::ops::OverlapOutput;
use super::ops::{AnyTensor, Invalid, KernelOutput, LossOps};
#[cfg(feature = "std")]
use super::overlap::OverlapSpec;
use super::packed::Pack;
use super::rows::RowSpec;
use super::softmax::ClassSpec;
use super::values::FlatValues;
use crate::engine::dtype::largest;
use crate::engine::tape::known::GradientOf;
use crate::engine::tape::record::{clamped, scale_gradient};
use crate::spec::request::Request;
use alloc::vec::Vec;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::{
    BalancedCheckpointing, CheckpointStrategy, NoCheckpointing,
};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, BackendTypes, DispatchDevice, DispatchKindConversion, DispatchTensor,
    GradientCheckpointingStrategy, TensorMetadata,
};
use burn::tensor::{DType, Device, Shape, Tensor};

impl KernelOutput<Tensor<1>, 0> {
    /// Whether a value broke a rule. On an accelerator this waits.
    pub(crate) fn is_invalid(&self) -> bool {
        match &self.invalid {
            Invalid::Known(invalid) => *invalid,
            Invalid::OnDevice(rows) => rows.clone().into_scalar::<f32>() > 0.0,
        }
    }

    /// With a value that is in the graph, and so has the gradients.
    fn in_graph<B: LossOps>(
        value: Tensor<1>,
        weight: Option<FloatTensor<B>>,
        invalid: Invalid<FloatTensor<B>>,
    ) -> Self
    where
        DispatchTensor: DispatchKindConversion<B>,
    {
        Self {
            value,
            weight: weight.map(Tensor::from_primitive::<B>),
            gradients: [],
            invalid: match invalid {
                Invalid::Known(invalid) => Invalid::Known(invalid),
                Invalid::OnDevice(rows) => Invalid::OnDevice(Tensor::from_primitive::<B>(rows)),
            },
        }
    }
}

/// A sweep that is to be run, on whichever backend.
pub(crate) trait Run<const N: usize> {
    /// Whose gradient it gives.
    fn of(&self) -> GradientOf {
        GradientOf::Loss
    }

    fn on<B: LossOps>(
        self,
        inputs: [FloatTensor<B>; N],
        gradients: [bool; N],
    ) -> KernelOutput<FloatTensor<B>, N>
    where
        DispatchTensor: DispatchKindConversion<B>;
}

/// Whether a device's backend has sweeps over numbers of that type, which read and write so many tensors at most.
#[allow(unused_variables)] // Only a GPU has limits.
pub(crate) fn is_there(device: &Device, dtype: DType, tensors: usize) -> bool {
    #[cfg(test)]
    if crate::tests::portable_is_forced() {
        return false;
    }
    match device.clone().without_autodiff().as_dispatch() {
        #[cfg(feature = "flex")]
        DispatchDevice::Flex(_) => super::host::tasks::is_fast(),
        #[cfg(feature = "ndarray")]
        DispatchDevice::NdArray(_) => super::host::tasks::is_fast(),
        // Its kernels compute in `f32`.
        #[cfg(feature = "cube")]
        DispatchDevice::Cube(cube) => {
            // CubeCL's runtime on a CPU has none of a GPU's many threads.
            let is_gpu = !super::device::is_cpu(device);
            is_gpu
                && dtype != DType::F64
                && (tensors <= ALWAYS_BOUND || tensors <= most_bound(cube))
        }
        #[cfg(feature = "remote")]
        DispatchDevice::Remote(_) => super::remote::client::is_swept(device),
        #[allow(unreachable_patterns)] // Which backends exist is up to Burn's features.
        _ => false,
    }
}

/// Whether the sweeps of a device are those of another process, which serves it.
#[allow(unused_variables)] // Without that feature there is no such process.
pub(crate) fn is_served(device: &Device) -> bool {
    #[cfg(feature = "remote")]
    return super::remote::client::is_swept(device);
    #[cfg(not(feature = "remote"))]
    false
}

/// Whether tensors are in the memory of the process that computes with them: this one, or the one that serves the device.
pub(crate) fn is_in_memory(device: &Device) -> bool {
    super::device::is_cpu(device) || is_served(device)
}

/// Whether the process that serves a device, if one does, knows a definition.
pub(crate) fn is_known(device: &Device, definition: &dyn Pack) -> bool {
    !is_served(device) || definition.is_known()
}

/// How many tensors any GPU lets a kernel have: WebGPU promises eight, of which CubeCL keeps one.
#[cfg(feature = "cube")]
const ALWAYS_BOUND: usize = 7;

/// How many tensors a GPU lets a kernel have.
#[cfg(feature = "cube")]
fn most_bound(device: &burn_cubecl::CubeDevice) -> usize {
    #[cfg(test)]
    if let Some(most) = crate::tests::most_bound() {
        return most;
    }
    device.client().properties().hardware.max_bindings as usize
}

/// How many tensors a sweep reads and writes at most: its inputs, a gradient for each that is tracked, what
/// becomes of the losses, and what there is `besides`.
pub(crate) fn tensors(inputs: &[AnyRank], besides: ExtraOperands) -> usize {
    let ExtraOperands {
        operands,
        weighted,
        counted,
        each,
    } = besides;
    let tracked = inputs.iter().filter(|input| input.is_tracked()).count();
    let one_of = weighted || counted || each;
    inputs.len() + tracked + 1 + operands + usize::from(weighted) + usize::from(one_of)
}

/// What a sweep reads besides its inputs.
#[derive(Clone, Copy, Default)]
pub(crate) struct ExtraOperands {
    /// Targets, and numbers of classes or rows.
    pub(crate) operands: usize,
    /// A weight for each sample.
    pub(crate) weighted: bool,
    /// The sum of what the samples count must be found out for another reason.
    pub(crate) counted: bool,
    /// Each loss is wanted, not only their sum; what the samples count then is not.
    pub(crate) each: bool,
}

/// Runs a sweep on a device that [has](is_there) it. The losses are for the axes that `keepdim_shape` has in
/// full; it has length 1 on each axis they are summed over.
pub(crate) fn run<const N: usize>(
    inputs: [AnyRank; N],
    sweep: impl Run<N>,
    keepdim_shape: Shape,
) -> KernelOutput<Tensor<1>, 0> {
    match inputs[0].device().without_autodiff().as_dispatch() {
        #[cfg(feature = "flex")]
        DispatchDevice::Flex(_) => on::<burn::backend::Flex, N>(inputs, sweep, keepdim_shape),
        #[cfg(feature = "ndarray")]
        #[allow(deprecated)] // Burn points ndarray's users to flex; both are served here.
        DispatchDevice::NdArray(_) => on::<burn::backend::NdArray, N>(inputs, sweep, keepdim_shape),
        #[cfg(feature = "cube")]
        DispatchDevice::Cube(_) => on::<burn::backend::Cube, N>(inputs, sweep, keepdim_shape),
        #[cfg(feature = "remote")]
        DispatchDevice::Remote(_) => on::<burn::backend::Remote, N>(inputs, sweep, keepdim_shape),
        #[allow(unreachable_patterns)] // Which backends exist is up to Burn's features.
        _ => unreachable!("the backend was asked whether it has sweeps"),
    }
}

fn on<B: LossOps, const N: usize>(
    inputs: [AnyRank; N],
    sweep: impl Run<N>,
    keepdim_shape: Shape,
) -> KernelOutput<Tensor<1>, 0>
where
    DispatchTensor: DispatchKindConversion<B>
        + DispatchKindConversion<Autodiff<B, NoCheckpointing>>
        + DispatchKindConversion<Autodiff<B, BalancedCheckpointing>>,
{
    let device = inputs[0].device();
    let Some(tracked) = inputs.iter().find(|input| input.is_tracked()) else {
        let inputs = inputs.map(|input| input.inner().primitive::<B>());
        let swept = sweep.on::<B>(inputs, [false; N]);
        let value = in_context_of(Tensor::from_primitive::<B>(swept.value), &device);
        return KernelOutput::in_graph::<B>(value, swept.weight, swept.invalid);
    };
    let context = tracked.device();
    match context.gradient_checkpointing_strategy() {
        Some(GradientCheckpointingStrategy::Balanced) => {
            record::<B, BalancedCheckpointing, N>(inputs, sweep, keepdim_shape, &context)
        }
        _ => record::<B, NoCheckpointing, N>(inputs, sweep, keepdim_shape, &context),
    }
}

fn record<B: LossOps, C: CheckpointStrategy, const N: usize>(
    inputs: [AnyRank; N],
    sweep: impl Run<N>,
    keepdim_shape: Shape,
    context: &Device,
) -> KernelOutput<Tensor<1>, 0>
where
    DispatchTensor: DispatchKindConversion<B> + DispatchKindConversion<Autodiff<B, C>>,
{
    let gradients = inputs.each_ref().map(AnyRank::is_tracked);
    let dtypes = inputs.each_ref().map(AnyRank::dtype);
    // The tensors are moved, so that nobody shares them who does not need to.
    let mut guards = Vec::with_capacity(N);
    let inputs = inputs.map(|input| {
        let input = if input.is_tracked() {
            input
        } else {
            input.inner().in_context_of(context)
        };
        let (input, guard) = input.primitive::<Autodiff<B, C>>().into_parts();
        guards.push(guard);
        input
    });
    let Ok(guards) = <[_; N]>::try_from(guards) else {
        unreachable!("a guard for each input")
    };
    let of = sweep.of();
    let swept = sweep.on::<B>(inputs, gradients);
    let is_number = of == GradientOf::Loss && swept.value.shape().num_elements() == 1;
    let mut at = 0;
    let kept = swept.gradients.map(|gradient| {
        let dtype = dtypes[at];
        at += 1;
        match gradient {
            Some(gradient) if is_number => Some(narrowed::<B>(gradient, dtype)),
            gradient => gradient,
        }
    });
    let state = RecordedGradients::<B, N> {
        gradients: kept,
        keepdim_shape,
        of,
        dtypes,
    };
    let value = match Recorded.prepare::<C>(guards).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(state, swept.value),
        OpsKind::UnTracked(prep) => prep.finish(swept.value),
    };
    let value = Tensor::from_primitive::<Autodiff<B, C>>(value);
    KernelOutput::in_graph::<B>(value, swept.weight, swept.invalid)
}

/// The gradient in the type in which it is kept for the backward pass: its input's, if that has the range of `f32`. What
/// comes from above may scale it after that.
fn narrowed<B: LossOps>(gradient: FloatTensor<B>, input: DType) -> FloatTensor<B> {
    if input != DType::BF16 || gradient.dtype() == input || gradient.shape().num_elements() == 0 {
        return gradient;
    }
    B::float_cast(clamped::<B>(gradient, largest(input)), input.into())
}

#[derive(Debug)]
struct Recorded;

#[derive(Clone, Debug)]
struct RecordedGradients<B: BackendTypes, const N: usize> {
    gradients: [Option<FloatTensor<B>>; N],
    keepdim_shape: Shape,
    of: GradientOf,
    /// The float types of the inputs, which may be narrower than that of their gradients.
    dtypes: [DType; N],
}

impl<B: LossOps, const N: usize> Backward<B, N> for Recorded {
    type State = RecordedGradients<B, N>;

    fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let upstream = grads.consume::<B>(&ops.node);
        let scale = ops.state;
        let inputs = ops
            .parents
            .into_iter()
            .zip(scale.gradients)
            .zip(scale.dtypes);
        // Where it is a single number, and there is no change of type, the gradient is only scaled, and not
        // even that where the number is 1.
        let number = scale.of == GradientOf::Loss && upstream.shape().num_elements() == 1;
        for ((input, gradient), dtype) in inputs {
            let (Some(input), Some(gradient)) = (input, gradient) else {
                continue;
            };
            let gradient = if number && gradient.dtype() == dtype {
                B::scaled(gradient, &upstream)
            } else {
                let (upstream, keepdim_shape) = (upstream.clone(), scale.keepdim_shape.clone());
                scale_gradient::<B>(gradient, upstream, keepdim_shape, scale.of, dtype)
            };
            grads.register::<B>(input.id, gradient);
        }
    }
}

/// The sweep of a loss that acts on each element alone.
pub(crate) struct RunElementwise {
    pub(crate) call: ElementwiseSpec<FlatValues>,
    pub(crate) request: Request<FlatValues>,
}

impl<const N: usize> Run<N> for RunElementwise {
    fn on<B: LossOps>(
        self,
        inputs: [FloatTensor<B>; N],
        gradients: [bool; N],
    ) -> KernelOutput<FloatTensor<B>, N>
    where
        DispatchTensor: DispatchKindConversion<B>,
    {
        let request = self.request.map(floats::<B>);
        B::elementwise(self.call.map(any::<B>), inputs, request, gradients)
    }
}

/// The sweep of a loss over classes.
pub(crate) struct RunClasses {
    pub(crate) call: ClassSpec<FlatValues>,
    pub(crate) request: Request<FlatValues>,
}

impl Run<1> for RunClasses {
    fn on<B: LossOps>(
        self,
        [input]: [FloatTensor<B>; 1],
        [gradient]: [bool; 1],
    ) -> KernelOutput<FloatTensor<B>, 1>
    where
        DispatchTensor: DispatchKindConversion<B>,
    {
        let request = self.request.map(floats::<B>);
        B::classes(self.call.map(any::<B>), input, request, gradient)
    }
}

/// The sweep of a loss of rows.
pub(crate) struct RunRows<const N: usize> {
    pub(crate) call: RowSpec<FlatValues, N>,
    pub(crate) request: Request<FlatValues>,
}

impl<const N: usize> Run<N> for RunRows<N> {
    fn of(&self) -> GradientOf {
        self.call.of
    }

    fn on<B: LossOps>(
        self,
        inputs: [FloatTensor<B>; N],
        gradients: [bool; N],
    ) -> KernelOutput<FloatTensor<B>, N>
    where
        DispatchTensor: DispatchKindConversion<B>,
    {
        let request = self.request.map(floats::<B>);
        B::rows(self.call.map(any::<B>), inputs, request, gradients)
    }
}

/// The sums of a sweep over overlaps, as a function of the input; and whether a value broke a rule. The device is one that
/// [has](is_there) it.
#[cfg(feature = "std")]
pub(crate) fn overlap(input: AnyRank, call: OverlapSpec<FlatValues>) -> (Tensor<3>, bool) {
    match input.device().without_autodiff().as_dispatch() {
        #[cfg(feature = "flex")]
        DispatchDevice::Flex(_) => overlap_on::<burn::backend::Flex>(input, call),
        #[cfg(feature = "ndarray")]
        #[allow(deprecated)] // Burn points ndarray's users to flex; both are served here.
        DispatchDevice::NdArray(_) => overlap_on::<burn::backend::NdArray>(input, call),
        #[cfg(feature = "cube")]
        DispatchDevice::Cube(_) => overlap_on::<burn::backend::Cube>(input, call),
        #[cfg(feature = "remote")]
        DispatchDevice::Remote(_) => overlap_on::<burn::backend::Remote>(input, call),
        #[allow(unreachable_patterns)] // Which backends exist is up to Burn's features.
        _ => unreachable!("the backend was asked whether it has sweeps"),
    }
}

#[cfg(feature = "std")]
fn overlap_on<B: LossOps>(input: AnyRank, call: OverlapSpec<FlatValues>) -> (Tensor<3>, bool)
where
    DispatchTensor: DispatchKindConversion<B>
        + DispatchKindConversion<Autodiff<B, NoCheckpointing>>
        + DispatchKindConversion<Autodiff<B, BalancedCheckpointing>>,
{
    let device = input.device();
    let call = call.map(any::<B>);
    if !input.is_tracked() {
        let output = B::overlap_sums(&call, input.inner().primitive::<B>(), false);
        let sums = in_context_of(Tensor::from_primitive::<B>(output.sums), &device);
        return (sums, output.invalid);
    }
    match device.gradient_checkpointing_strategy() {
        Some(GradientCheckpointingStrategy::Balanced) => {
            record_overlap::<B, BalancedCheckpointing>(input, call)
        }
        _ => record_overlap::<B, NoCheckpointing>(input, call),
    }
}

#[cfg(feature = "std")]
fn record_overlap<B: LossOps, C: CheckpointStrategy>(
    input: AnyRank,
    call: OverlapSpec<AnyTensor<B>>,
) -> (Tensor<3>, bool)
where
    DispatchTensor: DispatchKindConversion<B> + DispatchKindConversion<Autodiff<B, C>>,
{
    let dtype = input.dtype();
    let (input, guard) = input.primitive::<Autodiff<B, C>>().into_parts();
    let OverlapOutput {
        sums,
        kept,
        invalid,
    } = B::overlap_sums(&call, input.clone(), true);
    let state = OverlapState::<B> {
        call,
        input,
        kept,
        dtype,
    };
    let sums = match RecordedOverlap
        .prepare::<C>([guard])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => prep.finish(state, sums),
        OpsKind::UnTracked(prep) => prep.finish(sums),
    };
    (Tensor::from_primitive::<Autodiff<B, C>>(sums), invalid)
}

#[cfg(feature = "std")]
#[derive(Debug)]
struct RecordedOverlap;

#[cfg(feature = "std")]
#[derive(Clone, Debug)]
struct OverlapState<B: LossOps> {
    call: OverlapSpec<AnyTensor<B>>,
    input: FloatTensor<B>,
    kept: Option<FloatTensor<B>>,
    dtype: DType,
}

#[cfg(feature = "std")]
impl<B: LossOps> Backward<B, 1> for RecordedOverlap {
    type State = OverlapState<B>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let of_sums = grads.consume::<B>(&ops.node);
        let OverlapState {
            call,
            input,
            kept,
            dtype,
        } = ops.state;
        let [Some(node)] = ops.parents else {
            return;
        };
        let gradient = B::overlap_gradient(&call, input, kept, of_sums);
        let gradient = if gradient.dtype() == dtype {
            gradient
        } else {
            B::float_cast(gradient, dtype.into())
        };
        grads.register::<B>(node.id, gradient);
    }
}

fn any<B: LossOps>(tensor: FlatValues) -> AnyTensor<B>
where
    DispatchTensor: DispatchKindConversion<B>,
{
    const ON_ITS_DEVICE: &str = "a target is of the backend its device names";
    match tensor {
        FlatValues::Float(tensor) => {
            AnyTensor::Float(tensor.try_into_primitive::<B>().expect(ON_ITS_DEVICE))
        }
        FlatValues::Int(tensor) => {
            AnyTensor::Int(tensor.try_into_primitive::<B>().expect(ON_ITS_DEVICE))
        }
        FlatValues::Bool(tensor) => {
            AnyTensor::Bool(tensor.try_into_primitive::<B>().expect(ON_ITS_DEVICE))
        }
    }
}

fn floats<B: LossOps>(tensor: FlatValues) -> FloatTensor<B>
where
    DispatchTensor: DispatchKindConversion<B>,
{
    match any::<B>(tensor) {
        AnyTensor::Float(tensor) => tensor,
        _ => unreachable!("weights are floats"),
    }
}
