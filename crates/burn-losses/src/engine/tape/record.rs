//! The join as one step on the tape of a backend that this crate was compiled for.
#![cfg_attr(
    not(any(
        feature = "flex",
        feature = "ndarray",
        feature = "cube",
        feature = "remote"
    )),
    allow(dead_code, unused_imports) // Without any backend there is no tape to write to.
)]

use super::known::{GradientOf, KnownGradient};
use crate::engine::any_rank::AnyRank;
use crate::engine::dtype::largest;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::{
    BalancedCheckpointing, CheckpointStrategy, NoCheckpointing,
};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::{BoolTensor, FloatTensor};
use burn::backend::{
    Autodiff, Backend, BackendTypes, DispatchKindConversion, DispatchTensor,
    GradientCheckpointingStrategy, TensorMetadata, get_device_settings,
};
use burn::tensor::{DType, Shape, Tensor};

/// The join as one step on the tape of `B`.
pub(super) fn record<B: Backend>(
    value: Tensor<1>,
    input: &AnyRank,
    slope: KnownGradient,
) -> Tensor<1>
where
    DispatchTensor: DispatchKindConversion<B>
        + DispatchKindConversion<Autodiff<B, NoCheckpointing>>
        + DispatchKindConversion<Autodiff<B, BalancedCheckpointing>>,
{
    match input.gradient_checkpointing_strategy() {
        Some(GradientCheckpointingStrategy::Balanced) => {
            record_with::<B, BalancedCheckpointing>(value, input, slope)
        }
        _ => record_with::<B, NoCheckpointing>(value, input, slope),
    }
}

fn record_with<B: Backend, C: CheckpointStrategy>(
    value: Tensor<1>,
    input: &AnyRank,
    slope: KnownGradient,
) -> Tensor<1>
where
    DispatchTensor: DispatchKindConversion<B> + DispatchKindConversion<Autodiff<B, C>>,
{
    const ON_ITS_DEVICE: &str = "a tensor is of the backend its device names";
    let state = RecordedGradient::<B> {
        dtype: input.dtype(),
        shape: input.shape(),
        gradient: slope
            .gradient
            .try_into_primitive::<B>()
            .expect(ON_ITS_DEVICE),
        keepdim_shape: Shape::new(slope.keepdim_shape),
        of: slope.of,
    };
    let (value, value_node) = value
        .try_into_primitive::<Autodiff<B, C>>()
        .expect(ON_ITS_DEVICE)
        .into_parts();
    let input_node = input.clone().primitive::<Autodiff<B, C>>().node();
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
struct RecordedGradient<B: BackendTypes> {
    gradient: FloatTensor<B>,
    keepdim_shape: Shape,
    of: GradientOf,
    /// The float type of the input, which may be narrower than that of the gradient.
    dtype: DType,
    shape: Shape,
}

impl<B: Backend> Backward<B, 2> for ScaleGradient {
    type State = RecordedGradient<B>;

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let upstream = grads.consume::<B>(&ops.node);
        let scale = ops.state;
        let [value, input] = ops.parents;
        if let Some(input) = input {
            let gradient = scale_gradient::<B>(
                scale.gradient,
                upstream.clone(),
                scale.keepdim_shape,
                scale.of,
                scale.dtype,
            );
            grads.register::<B>(input.id, reshaped::<B>(gradient, scale.shape));
        }
        if let Some(value) = value {
            grads.register::<B>(value.id, upstream);
        }
    }
}

/// The same numbers in another shape.
fn reshaped<B: Backend>(tensor: FloatTensor<B>, shape: Shape) -> FloatTensor<B> {
    if tensor.shape() == shape {
        tensor
    } else {
        B::float_reshape(tensor, shape)
    }
}

/// A gradient times what comes from above, of shape `keepdim_shape`; in the type of the input.
///
/// That type may be narrower: the gradient itself is clamped to what it holds, but what a loss scale makes
/// too large for it becomes infinite, which whoever set the scale looks for. Nothing times an infinite
/// scale is nothing.
pub(crate) fn scale_gradient<B: Backend>(
    gradient: FloatTensor<B>,
    upstream: FloatTensor<B>,
    keepdim_shape: Shape,
    of: GradientOf,
    dtype: DType,
) -> FloatTensor<B> {
    let narrows = gradient.dtype() != dtype;
    // Some backends cannot multiply nothing.
    if gradient.shape().num_elements() == 0 {
        return if narrows {
            B::float_cast(gradient, dtype.into())
        } else {
            gradient
        };
    }
    let gradient = if narrows {
        clamped::<B>(gradient, largest(dtype))
    } else {
        gradient
    };
    let upstream = if upstream.dtype() == gradient.dtype() {
        upstream
    } else {
        B::float_cast(upstream, gradient.dtype().into())
    };
    let scale = B::float_reshape(upstream, keepdim_shape);
    let shape = gradient.shape();
    let nothing_from_above =
        (of == GradientOf::Function).then(|| B::bool_expand(is_zero::<B>(&scale), shape));
    let nothing_here = narrows.then(|| is_zero::<B>(&gradient));
    let mut product = B::float_mul(gradient, scale);
    for nothing in [nothing_from_above, nothing_here].into_iter().flatten() {
        product = B::float_mask_fill(product, nothing, 0.0.into());
    }
    if narrows {
        B::float_cast(product, dtype.into())
    } else {
        product
    }
}

/// A gradient times an infinite scale, of which nothing is nothing.
pub(crate) fn times_infinity<B: Backend>(
    gradient: FloatTensor<B>,
    infinity: f64,
) -> FloatTensor<B> {
    let nothing = is_zero::<B>(&gradient);
    let product = B::float_mul_scalar(gradient, infinity.into());
    B::float_mask_fill(product, nothing, 0.0.into())
}

fn is_zero<B: Backend>(tensor: &FloatTensor<B>) -> BoolTensor<B> {
    let bool_dtype = get_device_settings::<B>(&tensor.device()).bool_dtype;
    B::float_equal_elem(tensor.clone(), 0.0.into(), bool_dtype)
}

/// Clamps to `[-limit, limit]`; NaN, which a GPU's clamp may swallow, stays NaN.
pub(crate) fn clamped<B: Backend>(tensor: FloatTensor<B>, limit: f64) -> FloatTensor<B> {
    let bool_dtype = get_device_settings::<B>(&tensor.device()).bool_dtype;
    let nan = B::float_is_nan(tensor.clone(), bool_dtype);
    let clamped = B::float_clamp(tensor, (-limit).into(), limit.into());
    B::float_mask_fill(clamped, nan, f64::NAN.into())
}
