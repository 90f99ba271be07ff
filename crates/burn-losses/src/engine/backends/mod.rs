//! The backends with sweeps of their own.

#[cfg(feature = "cube")]
mod cube;
#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "ndarray")]
mod ndarray;

use super::elementwise::ElementwiseSpec;
use super::host::memory;
#[cfg(feature = "std")]
use super::ops::OverlapOutput;
use super::ops::{AnyTensor, KernelOutput, LossOps};
#[cfg(feature = "std")]
use super::overlap::OverlapSpec;
use super::rows::RowSpec;
use super::softmax::ClassSpec;
use crate::engine::host::memory::Memory;
use crate::engine::tape::record::times_infinity;
use crate::spec::request::Request;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, BackendTypes};

/// A backend whose tensors, of whatever kind, are numbers in the memory of this process.
pub(crate) trait InMemory:
    Backend
    + BackendTypes<
        FloatTensorPrimitive = Self::Tensor,
        IntTensorPrimitive = Self::Tensor,
        BoolTensorPrimitive = Self::Tensor,
    >
{
    type Tensor: Memory;
}

fn of_any_kind<B: InMemory>(tensor: AnyTensor<B>) -> B::Tensor {
    match tensor {
        AnyTensor::Float(tensor) | AnyTensor::Int(tensor) | AnyTensor::Bool(tensor) => tensor,
    }
}

impl<B: InMemory> LossOps for B {
    fn elementwise<const N: usize>(
        call: ElementwiseSpec<AnyTensor<B>>,
        inputs: [FloatTensor<B>; N],
        request: Request<FloatTensor<B>>,
        gradients: [bool; N],
    ) -> KernelOutput<FloatTensor<B>, N> {
        memory::elementwise(call.map(of_any_kind::<B>), inputs, request, gradients)
    }

    fn classes(
        call: ClassSpec<AnyTensor<B>>,
        input: FloatTensor<B>,
        request: Request<FloatTensor<B>>,
        gradient: bool,
    ) -> KernelOutput<FloatTensor<B>, 1> {
        memory::classes(call.map(of_any_kind::<B>), input, request, gradient)
    }

    fn rows<const N: usize>(
        call: RowSpec<AnyTensor<B>, N>,
        inputs: [FloatTensor<B>; N],
        request: Request<FloatTensor<B>>,
        gradients: [bool; N],
    ) -> KernelOutput<FloatTensor<B>, N> {
        memory::rows(call.map(of_any_kind::<B>), inputs, request, gradients)
    }

    #[cfg(feature = "std")]
    fn overlap_sums(
        call: &OverlapSpec<AnyTensor<B>>,
        input: FloatTensor<B>,
        tracked: bool,
    ) -> OverlapOutput<FloatTensor<B>> {
        memory::overlap_sums(call.clone().map(of_any_kind::<B>), input, tracked)
    }

    #[cfg(feature = "std")]
    fn overlap_gradient(
        call: &OverlapSpec<AnyTensor<B>>,
        input: FloatTensor<B>,
        kept: Option<FloatTensor<B>>,
        of_sums: FloatTensor<B>,
    ) -> FloatTensor<B> {
        memory::overlap_gradient(call.clone().map(of_any_kind::<B>), input, kept, of_sums)
    }

    fn scaled(gradient: FloatTensor<B>, number: &FloatTensor<B>) -> FloatTensor<B> {
        match memory::number(number) {
            Some(1.0) => gradient,
            Some(number) if number.is_infinite() => times_infinity::<B>(gradient, number),
            Some(number) => B::float_mul_scalar(gradient, number.into()),
            None => B::float_mul(gradient, number.clone()),
        }
    }
}
