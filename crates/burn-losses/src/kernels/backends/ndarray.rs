//! NdArray.
#![allow(deprecated)] // Burn points ndarray's users to flex; both are served here.

use super::InMemory;
use crate::kernels::host::Source;
use crate::kernels::host::memory::Memory;
use alloc::vec::Vec;
use burn::backend::NdArray;
use burn::tensor::{Element, Shape};
use burn_ndarray::{NdArrayTensor, SharedArray};

impl InMemory for NdArray {
    type Tensor = NdArrayTensor;
}

/// The same for a tensor of each type: the storage cannot be named outside of its crate.
macro_rules! each_type {
    ($tensor:expr, $numbers:ident => $result:expr, $($variant:ident)*) => {
        match $tensor {
            $(NdArrayTensor::$variant($numbers) => $result,)*
        }
    };
}

impl Memory for NdArrayTensor {
    fn source(&self) -> Option<Source<'_>> {
        Some(match self {
            Self::F64(numbers) => Source::F64(numbers.view().to_slice()?),
            Self::F32(numbers) => Source::F32(numbers.view().to_slice()?),
            Self::I64(numbers) => Source::I64(numbers.view().to_slice()?),
            Self::I32(numbers) => Source::I32(numbers.view().to_slice()?),
            Self::I16(numbers) => Source::I16(numbers.view().to_slice()?),
            Self::I8(numbers) => Source::I8(numbers.view().to_slice()?),
            Self::U64(numbers) => Source::U64(numbers.view().to_slice()?),
            Self::U32(numbers) => Source::U32(numbers.view().to_slice()?),
            Self::U16(numbers) => Source::U16(numbers.view().to_slice()?),
            Self::U8(numbers) => Source::U8(numbers.view().to_slice()?),
            Self::Bool(numbers) => Source::Bool(numbers.view().to_slice()?),
        })
    }

    fn contiguous(self) -> Self {
        each_type!(
            self,
            numbers => {
                let view = numbers.view();
                array(view.iter().copied().collect(), view.shape().to_vec()).into()
            },
            F64 F32 I64 I32 I16 I8 U64 U32 U16 U8 Bool
        )
    }

    fn own_f32(&mut self) -> Option<&mut [f32]> {
        match self {
            Self::F32(numbers) if numbers.is_unique() => numbers.ensure_owned().as_slice_mut(),
            _ => None,
        }
    }

    fn own_f64(&mut self) -> Option<&mut [f64]> {
        match self {
            Self::F64(numbers) if numbers.is_unique() => numbers.ensure_owned().as_slice_mut(),
            _ => None,
        }
    }

    fn from_f32(numbers: Vec<f32>, shape: Shape) -> Self {
        array(numbers, shape.to_vec()).into()
    }

    fn from_f64(numbers: Vec<f64>, shape: Shape) -> Self {
        array(numbers, shape.to_vec()).into()
    }
}

fn array<E: Element>(numbers: Vec<E>, shape: Vec<usize>) -> SharedArray<E> {
    SharedArray::from_shape_vec(shape, numbers).expect("a number for each element")
}
