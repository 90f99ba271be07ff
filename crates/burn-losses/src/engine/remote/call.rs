//! A call of a sweep, in words that a server of the same version understands.

use super::catalog;
use crate::engine::elementwise::ElementwiseSpec;
use crate::engine::overlap::OverlapSpec;
use crate::engine::rows::RowSpec;
use crate::engine::softmax::ClassSpec;
use crate::spec::request::Request;
use alloc::vec::Vec;
use burn::backend::ir::ScalarIr;
use burn::tensor::DType;
use serde::{Deserialize, Serialize};

/// The operation that says what a server knows. No other version of this crate may have another meaning for it.
pub(crate) const HELLO: &str = "burn-losses/hello";

/// The operation that runs a [`SweepCall`].
pub(crate) const SWEEP: &str = "burn-losses/sweep";

/// A call of a sweep. The inputs come first among the tensors of the operation, and what refers to the others are
/// their places there.
#[derive(Serialize, Deserialize)]
pub(crate) enum SweepCall {
    Elements(ElementwiseSpec<u8>, Request<u8>, Vec<bool>),
    Classes(ClassSpec<u8>, Request<u8>, bool),
    /// A [`RowsCall`] of so many inputs, written down: what it is depends on how many.
    Rows(usize, Vec<u8>),
    OverlapSums(OverlapSpec<u8>),
    /// The derivatives with respect to the sums come last.
    OverlapGradient(OverlapSpec<u8>),
    /// A gradient times a number.
    Scaled,
}

/// What is swept over rows.
pub(crate) type RowsCall<const N: usize> = (RowSpec<u8, N>, Request<u8>, Vec<bool>);

/// The type that a sweep over memory computes in.
pub(crate) fn computed(input: DType) -> DType {
    match input {
        DType::F64 => DType::F64,
        _ => DType::F32,
    }
}

const WORD: usize = size_of::<u64>();

impl SweepCall {
    pub(crate) fn rows<const N: usize>(call: RowsCall<N>) -> Self {
        let call = postcard::to_allocvec(&call);
        Self::Rows(N, call.expect("numbers can be written down"))
    }

    /// The call as numbers: how many bytes it has, then these.
    pub(crate) fn scalars(&self) -> Vec<ScalarIr> {
        let bytes = postcard::to_allocvec(self).expect("numbers can be written down");
        let words = bytes.chunks(WORD).map(|bytes| {
            let mut word = [0; WORD];
            word[..bytes.len()].copy_from_slice(bytes);
            u64::from_le_bytes(word)
        });
        let numbers = core::iter::once(bytes.len() as u64).chain(words);
        numbers.map(ScalarIr::UInt).collect()
    }

    /// The call of such numbers.
    #[cfg(feature = "remote-server")]
    pub(crate) fn read(scalars: &[ScalarIr]) -> Option<Self> {
        let mut numbers = scalars.iter().map(|scalar| match scalar {
            ScalarIr::UInt(number) => Some(*number),
            _ => None,
        });
        let length = usize::try_from(numbers.next()??).ok()?;
        let mut bytes = Vec::with_capacity(numbers.len() * WORD);
        for number in numbers {
            bytes.extend(number?.to_le_bytes());
        }
        postcard::from_bytes(bytes.get(..length)?).ok()
    }
}

/// What tells this version of this crate, and what it knows, from others; in numbers that `f32` holds.
pub(crate) fn fingerprint() -> [f32; 4] {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let words = core::iter::once(env!("CARGO_PKG_VERSION")).chain(catalog::names());
    let bytes = words.flat_map(|word| word.bytes().chain([0]));
    let hash = bytes.fold(BASIS, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(PRIME)
    });
    [0, 16, 32, 48].map(|at| f32::from((hash >> at) as u16))
}
