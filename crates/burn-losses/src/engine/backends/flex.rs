//! Flex.

use super::InMemory;
use crate::engine::host::memory::Memory;
use crate::engine::host::numbers::Source;
#[cfg(feature = "std")]
use crate::engine::host::pool::LARGE;
use alloc::vec::Vec;
use burn::backend::Flex;
use burn::tensor::{BoolStore, Bytes, DType, Element, Shape};
use burn_flex::{FlexTensor, Layout};

/// The numbers as the memory of a tensor; if they are many, it comes back when the tensor is dropped.
macro_rules! bytes {
    ($numbers:expr) => {
        match $numbers {
            #[cfg(feature = "std")]
            numbers if numbers.capacity() >= LARGE => pooled::kept(numbers),
            numbers => Bytes::from_elems(numbers),
        }
    };
}

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
        Self::new(bytes!(numbers), Layout::contiguous(shape), f32::dtype())
    }

    fn from_f64(numbers: Vec<f64>, shape: Shape) -> Self {
        Self::new(bytes!(numbers), Layout::contiguous(shape), f64::dtype())
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

/// Memory that comes back when nobody needs it any more.
#[cfg(feature = "std")]
mod pooled {
    use crate::engine::host::numbers::Float;
    use alloc::boxed::Box;
    use alloc::vec::Vec;
    use burn::tensor::Bytes;
    use burn_std::{AccessError, AccessPolicy, AllocationController, AllocationProperty};
    use core::mem::MaybeUninit;

    #[allow(unsafe_code)]
    pub(super) fn kept<F: Float>(numbers: Vec<F>) -> Bytes {
        let length = size_of_val(&numbers[..]);
        // SAFETY: so many bytes are those of the numbers.
        unsafe { Bytes::from_controller(Box::new(Kept(numbers)), length) }
    }

    struct Kept<F: Float>(Vec<F>);

    #[allow(unsafe_code)]
    impl<F: Float> AllocationController for Kept<F> {
        fn alloc_align(&self) -> usize {
            align_of::<F>()
        }

        fn property(&self) -> AllocationProperty {
            AllocationProperty::Other
        }

        unsafe fn memory_mut(
            &mut self,
            _: AccessPolicy,
        ) -> Result<&mut [MaybeUninit<u8>], AccessError> {
            let length = size_of_val(&self.0[..]);
            // SAFETY: it is the memory of the numbers, of which any bytes are some.
            Ok(unsafe { core::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), length) })
        }

        fn memory(&self, _: AccessPolicy) -> Result<&[MaybeUninit<u8>], AccessError> {
            let length = size_of_val(&self.0[..]);
            // SAFETY: as above.
            Ok(unsafe { core::slice::from_raw_parts(self.0.as_ptr().cast(), length) })
        }
    }

    impl<F: Float> Drop for Kept<F> {
        fn drop(&mut self) {
            F::pool().give(core::mem::take(&mut self.0));
        }
    }
}
