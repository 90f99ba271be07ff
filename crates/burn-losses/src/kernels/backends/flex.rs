//! Flex.

use super::InMemory;
use crate::kernels::host::Source;
use crate::kernels::host::memory::Memory;
use alloc::vec::Vec;
use burn::backend::Flex;
use burn::tensor::{BoolStore, Bytes, DType, Element, Shape};
use burn_flex::{FlexTensor, Layout};

impl InMemory for Flex {
    type Tensor = FlexTensor;
}

impl Memory for FlexTensor {
    fn source(&self) -> Option<Source<'_>> {
        Some(match self.dtype() {
            DType::F64 => Source::F64(self.as_slice()?),
            DType::F32 => Source::F32(self.as_slice()?),
            DType::F16 => Source::F16(self.as_slice()?),
            DType::BF16 => Source::BF16(self.as_slice()?),
            DType::I64 => Source::I64(self.as_slice()?),
            DType::I32 => Source::I32(self.as_slice()?),
            DType::I16 => Source::I16(self.as_slice()?),
            DType::I8 => Source::I8(self.as_slice()?),
            DType::U64 => Source::U64(self.as_slice()?),
            DType::U32 => Source::U32(self.as_slice()?),
            DType::U16 => Source::U16(self.as_slice()?),
            DType::U8 => Source::U8(self.as_slice()?),
            DType::Bool(BoolStore::Native | BoolStore::U8) => {
                let (start, end) = self.layout().contiguous_offsets()?;
                Source::U8(&self.storage::<u8>()[start..end])
            }
            dtype => unreachable!("flex has no tensors of {dtype:?}"),
        })
    }

    fn contiguous(self) -> Self {
        self.to_contiguous()
    }

    fn own_f32(&mut self) -> Option<&mut [f32]> {
        let whole = is_whole(self, DType::F32);
        whole.then(|| self.try_storage_mut::<f32>()).flatten()
    }

    fn own_f64(&mut self) -> Option<&mut [f64]> {
        let whole = is_whole(self, DType::F64);
        whole.then(|| self.try_storage_mut::<f64>()).flatten()
    }

    fn from_f32(numbers: Vec<f32>, shape: Shape) -> Self {
        let layout = Layout::contiguous(shape);
        Self::new(Bytes::from_elems(numbers), layout, f32::dtype())
    }

    fn from_f64(numbers: Vec<f64>, shape: Shape) -> Self {
        let layout = Layout::contiguous(shape);
        Self::new(Bytes::from_elems(numbers), layout, f64::dtype())
    }
}

/// Whether the tensor is its storage: as many numbers of the type, in row-major order.
fn is_whole(tensor: &FlexTensor, dtype: DType) -> bool {
    let layout = tensor.layout();
    tensor.dtype() == dtype
        && layout.is_contiguous()
        && layout.start_offset() == 0
        && layout.num_elements() * dtype.size() == tensor.bytes().len()
}
