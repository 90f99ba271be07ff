//! Joins a value to the autodiff graph by a gradient that is already known.
//!
//! Letting Burn differentiate a formula step by step is what makes gradients NaN (`0 * inf` in the
//! derivative of a root or a logarithm). Every loss states its derivative instead, computes it on
//! untracked tensors beside the value, and joins the two here: the backward pass only scales the
//! gradient by what comes from above.
//!
//! For a backend this crate was compiled for, that is one step on Burn's tape. For any other the
//! same is said in tensor operations, `value + (x - detached x) * gradient`.

use burn::backend::autodiff::{
    checkpoint::{
        base::Checkpointer,
        strategy::{BalancedCheckpointing, CheckpointStrategy, NoCheckpointing},
    },
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, Backend, BackendTypes, DispatchDevice, DispatchKindConversion, DispatchTensor,
    GradientCheckpointingStrategy, TensorMetadata, get_device_settings,
};
use burn::tensor::{DType, Device, Shape, Tensor};
use core::sync::atomic::{AtomicBool, Ordering};

/// The largest finite number of a float type: no gradient leaves this crate larger than that.
pub(crate) fn largest(dtype: DType) -> f64 {
    match dtype {
        DType::F16 => 65504.0,
        DType::BF16 => 3.389_531_389_251_535_5e38,
        DType::F64 => f64::MAX,
        _ => f64::from(f32::MAX),
    }
}

/// How a gradient known per element of an input applies to a value.
pub(crate) struct Slope<const D: usize> {
    /// The derivative of the value's element with respect to the input's, untracked.
    pub(crate) gradient: Tensor<D>,
    /// The shape to which what comes from above is brought for multiplying: that of the input, with
    /// length 1 on each axis the value was summed over.
    pub(crate) kept: [usize; D],
    /// A number of shape `[1]` by which the gradient is multiplied in the end, if not 1. It is kept
    /// apart because together with a loss scale from above it may be in range where it alone is not.
    pub(crate) factor: Option<Tensor<1>>,
}

/// `value`, now also a function of `input`. It holds what is computed so far and may already depend
/// on other inputs.
pub(crate) fn join<const D: usize>(
    value: Tensor<1>,
    input: &Tensor<D>,
    slope: Slope<D>,
) -> Tensor<1> {
    let device = input.device();
    if !input.is_tracked() {
        return value;
    }
    let value = in_context_of(value, &device);
    let input = input.clone();
    match device.without_autodiff().as_dispatch() {
        #[cfg(feature = "flex")]
        DispatchDevice::Flex(_) => record::<burn::backend::Flex, D>(value, input, slope),
        #[cfg(feature = "ndarray")]
        #[allow(deprecated)] // Burn points ndarray's users to flex; both are served here.
        DispatchDevice::NdArray(_) => record::<burn::backend::NdArray, D>(value, input, slope),
        #[cfg(any(feature = "wgpu", feature = "cuda", feature = "rocm"))]
        DispatchDevice::Cube(_) => record::<burn::backend::Cube, D>(value, input, slope),
        #[allow(unreachable_patterns)] // Which backends exist is up to Burn's features.
        _ => compose(value, input, slope),
    }
}

/// The tensor in the autodiff context of `device`; a tracked one stays tracked.
pub(crate) fn in_context_of<const K: usize>(tensor: Tensor<K>, device: &Device) -> Tensor<K> {
    match device.gradient_checkpointing_strategy() {
        Some(strategy) => tensor
            .autodiff()
            .with_gradient_checkpointing_strategy(strategy),
        None => tensor,
    }
}

/// The join as one step on the tape of `B`.
fn record<B: Backend, const D: usize>(
    value: Tensor<1>,
    input: Tensor<D>,
    slope: Slope<D>,
) -> Tensor<1>
where
    DispatchTensor: DispatchKindConversion<B>
        + DispatchKindConversion<Autodiff<B, NoCheckpointing>>
        + DispatchKindConversion<Autodiff<B, BalancedCheckpointing>>,
{
    match input.gradient_checkpointing_strategy() {
        Some(GradientCheckpointingStrategy::Balanced) => {
            record_with::<B, BalancedCheckpointing, D>(value, input, slope)
        }
        _ => record_with::<B, NoCheckpointing, D>(value, input, slope),
    }
}

fn record_with<B: Backend, C: CheckpointStrategy, const D: usize>(
    value: Tensor<1>,
    input: Tensor<D>,
    slope: Slope<D>,
) -> Tensor<1>
where
    DispatchTensor: DispatchKindConversion<B> + DispatchKindConversion<Autodiff<B, C>>,
{
    const ON_ITS_DEVICE: &str = "a tensor is of the backend its device names";
    let state = Scale::<B> {
        dtype: input.dtype(),
        gradient: slope
            .gradient
            .try_into_primitive::<B>()
            .expect(ON_ITS_DEVICE),
        kept: Shape::new(slope.kept),
        factor: slope
            .factor
            .map(|factor| factor.try_into_primitive::<B>().expect(ON_ITS_DEVICE)),
    };
    let (value, value_node) = value
        .try_into_primitive::<Autodiff<B, C>>()
        .expect(ON_ITS_DEVICE)
        .into_parts();
    let input_node = input
        .try_into_primitive::<Autodiff<B, C>>()
        .expect(ON_ITS_DEVICE)
        .node();
    let joined = ScaleGradient
        .prepare::<C>([value_node, input_node])
        .compute_bound()
        .stateful();
    let joined = match joined {
        OpsKind::Tracked(prep) => prep.finish(state, value),
        OpsKind::UnTracked(prep) => prep.finish(value),
    };
    Tensor::from_primitive::<Autodiff<B, C>>(joined)
}

#[derive(Debug)]
struct ScaleGradient;

#[derive(Clone, Debug)]
struct Scale<B: BackendTypes> {
    gradient: FloatTensor<B>,
    kept: Shape,
    factor: Option<FloatTensor<B>>,
    /// The float type of the input, which may be narrower than that of the gradient.
    dtype: DType,
}

impl<B: Backend> Backward<B, 2> for ScaleGradient {
    type State = Scale<B>;

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let upstream = grads.consume::<B>(&ops.node);
        let scale = ops.state;
        let [value, input] = ops.parents;
        if let Some(input) = input {
            let mut gradient = scale.gradient;
            // Some backends cannot multiply nothing.
            if gradient.shape().num_elements() > 0 {
                let scalar = match scale.factor {
                    Some(factor) => B::float_mul(upstream.clone(), factor),
                    None => upstream.clone(),
                };
                gradient = B::float_mul(gradient, B::float_reshape(scalar, scale.kept));
            }
            if gradient.dtype() != scale.dtype {
                gradient = clamped::<B>(gradient, largest(scale.dtype));
                gradient = B::float_cast(gradient, scale.dtype.into());
            }
            grads.register::<B>(input.id, gradient);
        }
        if let Some(value) = value {
            grads.register::<B>(value.id, upstream);
        }
    }
}

/// Clamps to `[-limit, limit]`; NaN, which a GPU's clamp may swallow, stays NaN.
fn clamped<B: Backend>(tensor: FloatTensor<B>, limit: f64) -> FloatTensor<B> {
    let bool_dtype = get_device_settings::<B>(&tensor.device()).bool_dtype;
    let nan = B::float_is_nan(tensor.clone(), bool_dtype);
    let clamped = B::float_clamp(tensor, (-limit).into(), limit.into());
    B::float_mask_fill(clamped, nan, f64::NAN.into())
}

/// The join in tensor operations, for a backend this crate was not compiled for.
///
/// An input of -inf contributes no gradient here: nothing finite can be computed from it.
fn compose<const D: usize>(value: Tensor<1>, input: Tensor<D>, slope: Slope<D>) -> Tensor<1> {
    static TOLD: AtomicBool = AtomicBool::new(false);
    let device = input.device();
    if !TOLD.swap(true, Ordering::Relaxed) {
        log::warn!(
            "burn-losses was compiled without the backend of {device:?} and composes slower \
             operations there: turn on the feature of burn-losses that is named like the backend"
        );
    }
    let infinite = input.clone().is_finite().bool_not();
    let input = input.mask_fill(infinite, 0.0).cast(value.dtype());
    let zero = input.clone() - input.detach();
    let mut change = zero * in_context_of(slope.gradient, &device);
    for axis in 0..D {
        if change.dims()[axis] != slope.kept[axis] {
            change = change.sum_dim(axis);
        }
    }
    let mut change = change.reshape(value.dims());
    if let Some(factor) = slope.factor {
        change = change * in_context_of(factor, &device);
    }
    value + change
}
