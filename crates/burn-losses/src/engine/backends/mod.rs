//! The backends with sweeps of their own.

#[cfg(feature = "cube")]
mod cube;
#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "ndarray")]
mod ndarray;

use super::elementwise::Pointwise;
use super::host::memory;
use super::ops::{AnyTensor, LossOps, Swept};
use crate::engine::host::memory::Memory;
use crate::engine::tape::record::times_infinity;
use crate::spec::classes::Classes;
use crate::spec::margin::Margins;
use crate::spec::pairs::{Pairs, Triplet};
use crate::spec::request::Wish;
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
    fn pointwise<const N: usize>(
        call: Pointwise<AnyTensor<B>>,
        inputs: [FloatTensor<B>; N],
        wish: Wish<FloatTensor<B>>,
        gradients: [bool; N],
    ) -> Swept<FloatTensor<B>, N> {
        memory::pointwise(call.map(of_any_kind::<B>), inputs, wish, gradients)
    }

    fn classes(
        call: Classes<AnyTensor<B>>,
        input: FloatTensor<B>,
        wish: Wish<FloatTensor<B>>,
        gradient: bool,
    ) -> Swept<FloatTensor<B>, 1> {
        memory::classes(call.map(of_any_kind::<B>), input, wish, gradient)
    }

    fn triplet(
        triplet: Triplet,
        inputs: [FloatTensor<B>; 3],
        wish: Wish<FloatTensor<B>>,
        gradients: [bool; 3],
    ) -> Swept<FloatTensor<B>, 3> {
        memory::triplet(triplet, inputs, wish, gradients)
    }

    fn pairs(
        call: Pairs<AnyTensor<B>>,
        inputs: [FloatTensor<B>; 2],
        wish: Wish<FloatTensor<B>>,
        gradients: [bool; 2],
    ) -> Swept<FloatTensor<B>, 2> {
        memory::pairs(call.map(of_any_kind::<B>), inputs, wish, gradients)
    }

    fn margins(
        call: Margins<AnyTensor<B>>,
        input: FloatTensor<B>,
        wish: Wish<FloatTensor<B>>,
        gradient: bool,
    ) -> Swept<FloatTensor<B>, 1> {
        memory::margins(call.map(of_any_kind::<B>), input, wish, gradient)
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
