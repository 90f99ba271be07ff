//! Tensors whose rank is not part of their type.
//!
//! What is generic over a rank is compiled in the crate that calls it, at that crate's level of
//! optimisation, once for each rank. So the calls of a loss drop the rank, and what is behind them is
//! compiled here.

use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Backend, DispatchKindConversion, DispatchTensor, GradientCheckpointingStrategy,
};
use burn::tensor::{DType, Device, FloatDType, Shape, Tensor};

/// A float tensor of any rank.
#[derive(Clone, Debug)]
pub struct AnyRank(Tensor<1>);

impl<const D: usize> From<Tensor<D>> for AnyRank {
    fn from(tensor: Tensor<D>) -> Self {
        Self(Tensor::from_bridge(tensor.into_bridge()))
    }
}

impl AnyRank {
    /// The tensor, which must be of that rank.
    pub(crate) fn of_rank<const D: usize>(self) -> Tensor<D> {
        debug_assert_eq!(self.shape().num_dims(), D);
        Tensor::from_bridge(self.0.into_bridge())
    }

    pub(crate) fn shape(&self) -> Shape {
        self.0.shape()
    }

    pub(crate) fn dtype(&self) -> DType {
        self.0.dtype()
    }

    pub(crate) fn device(&self) -> Device {
        self.0.device()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.shape().num_elements() == 0
    }

    pub(crate) fn is_tracked(&self) -> bool {
        self.0.is_tracked()
    }

    pub(crate) fn gradient_checkpointing_strategy(&self) -> Option<GradientCheckpointingStrategy> {
        self.0.gradient_checkpointing_strategy()
    }

    /// Whether it is tracked with gradient checkpointing.
    pub(crate) fn is_checkpointed(&self) -> bool {
        self.gradient_checkpointing_strategy() == Some(GradientCheckpointingStrategy::Balanced)
    }

    /// The tensor outside of the autodiff graph.
    pub(crate) fn inner(self) -> Self {
        Self(self.0.inner())
    }

    pub(crate) fn cast(self, dtype: impl Into<FloatDType>) -> Self {
        Self(self.0.cast(dtype.into()))
    }

    /// The elements in order, in the shape given, which has no length of 0.
    pub(crate) fn shaped(self, shape: impl Into<Shape>) -> Self {
        Self(self.0.reshape(shape.into()))
    }

    /// The tensor repeated along the axes on which it has length 1.
    pub(crate) fn expanded(self, shape: Shape) -> Self {
        Self(self.0.expand::<1, _>(shape))
    }

    /// The elements as layers: what is before an axis, the axis, and what is after it.
    pub(crate) fn layers(self, layers: [usize; 3]) -> Tensor<3> {
        if self.is_empty() {
            // Burn's own reshape takes a length of 0 for "as before".
            return Tensor::zeros(layers, (&self.device(), self.dtype()));
        }
        self.shaped(layers).of_rank()
    }

    /// The sum of the elements, of shape `[1]`.
    pub(crate) fn sum(self) -> Tensor<1> {
        self.0.sum()
    }

    /// The elements in order.
    pub(crate) fn flat(self) -> Tensor<1> {
        match self.shape().num_elements() {
            0 => Tensor::zeros([0], (&self.device(), self.dtype())),
            count => self.0.reshape([count]),
        }
    }

    /// The tensor of its backend.
    pub(crate) fn primitive<B: Backend>(self) -> FloatTensor<B>
    where
        DispatchTensor: DispatchKindConversion<B>,
    {
        let primitive = self.0.try_into_primitive::<B>();
        primitive.expect("a tensor is of the backend its device names")
    }

    /// As [`in_context_of`].
    pub(crate) fn in_context_of(self, device: &Device) -> Self {
        Self(in_context_of(self.0, device))
    }

    /// The numbers on the host, in order.
    pub(crate) fn values(&self) -> alloc::vec::Vec<f64> {
        let data = self.0.clone().inner().into_data();
        data.iter::<f64>().collect()
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
