//! A call of a sweep, in words that a server of the same version understands.

use super::catalog;
use crate::engine::elementwise::ElementwiseSpec;
use crate::engine::overlap::OverlapSpec;
use crate::engine::rows::RowSpec;
use crate::engine::softmax::ClassSpec;
use crate::spec::request::Request;
use alloc::boxed::Box;
use alloc::vec::Vec;
use burn::backend::ir::ScalarIr;
use burn::tensor::{DType, Shape};
use core::any::Any;
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
    Classes(ClassSpec<u8>, Request<u8>, [bool; 1]),
    Rows(RowSpec<u8, 1>, Request<u8>, [bool; 1]),
    PairsOfRows(RowSpec<u8, 2>, Request<u8>, [bool; 2]),
    TriplesOfRows(RowSpec<u8, 3>, Request<u8>, [bool; 3]),
    OverlapSums(OverlapSpec<u8>),
    /// The derivatives with respect to the sums come last.
    OverlapGradient(OverlapSpec<u8>),
    /// A gradient times a number.
    Scaled,
}

/// What a tensor that comes back is.
pub(crate) struct Outline {
    pub(crate) shape: Shape,
    pub(crate) dtype: DType,
}

/// The type that a sweep over memory computes in.
pub(crate) fn computed(input: DType) -> DType {
    match input {
        DType::F64 => DType::F64,
        _ => DType::F32,
    }
}

const WORD: usize = size_of::<u64>();

impl SweepCall {
    /// The call of a sweep over rows of one to three inputs.
    pub(crate) fn rows<const N: usize>(
        call: RowSpec<u8, N>,
        request: Request<u8>,
        gradients: [bool; N],
    ) -> Self {
        type Of<const N: usize> = (RowSpec<u8, N>, Request<u8>, [bool; N]);
        let of_any: Box<dyn Any> = Box::new((call, request, gradients));
        let of_any = match of_any.downcast::<Of<1>>() {
            Ok(of) => return Self::Rows(of.0, of.1, of.2),
            Err(of_any) => of_any,
        };
        let of_any = match of_any.downcast::<Of<2>>() {
            Ok(of) => return Self::PairsOfRows(of.0, of.1, of.2),
            Err(of_any) => of_any,
        };
        match of_any.downcast::<Of<3>>() {
            Ok(of) => Self::TriplesOfRows(of.0, of.1, of.2),
            Err(_) => unreachable!("no loss of {N} inputs is in the catalog"),
        }
    }

    /// The call as numbers: how many bytes it has, then these.
    pub(crate) fn scalars(&self) -> Vec<ScalarIr> {
        let bytes = postcard::to_allocvec(self).expect("what is not in the catalog is not sent");
        let words = bytes.chunks(WORD).map(|bytes| {
            let mut word = [0; WORD];
            word[..bytes.len()].copy_from_slice(bytes);
            u64::from_le_bytes(word)
        });
        let numbers = core::iter::once(bytes.len() as u64).chain(words);
        numbers.map(ScalarIr::UInt).collect()
    }

    /// The call of such numbers.
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
