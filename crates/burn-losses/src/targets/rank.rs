//! Ranks, and one less.

use crate::engine::portable::tensors::{flat, shaped};
use burn::tensor::{Int, Shape, Tensor};

/// A tensor with one loss per element or sample.
pub trait Unreduced: Sized + sealed::SealedRank {
    #[doc(hidden)]
    fn from_flat(flat: Tensor<1>, shape: Shape) -> Self;

    /// The elements in order, in the graph, and the shape.
    #[doc(hidden)]
    fn into_flat(self) -> (Tensor<1>, Shape);

    /// The elements changed, the shape kept.
    #[doc(hidden)]
    fn map_flat(self, map: impl FnOnce(Tensor<1>) -> Tensor<1>) -> Self {
        let (flat, shape) = self.into_flat();
        Self::from_flat(map(flat), shape)
    }
}

impl<const D: usize> Unreduced for Tensor<D> {
    fn into_flat(self) -> (Tensor<1>, Shape) {
        let shape = self.shape();
        (flat(self), shape)
    }

    fn from_flat(flat: Tensor<1>, shape: Shape) -> Self {
        shaped(flat, shape.dims())
    }
}

/// A tensor that loses its last or its class axis when a loss is computed along it.
///
/// Stable Rust cannot write `D - 1`; this is it, for ranks 2 to 6.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no axis to compute a loss along",
    label = "expected a tensor of rank 2 to 6",
    note = "give a single sample a batch axis with `unsqueeze_dim::<2>(0)`"
)]
pub trait LowerRank: sealed::SealedRank {
    /// The float tensor of one rank less.
    type Lower: Unreduced;
    /// The tensor of class ids of one rank less.
    type LowerInt;

    #[doc(hidden)]
    fn ids_from(flat: Tensor<1, Int>, shape: Shape) -> Self::LowerInt;
}

mod sealed {
    pub trait SealedRank {}
    impl<const D: usize> SealedRank for burn::tensor::Tensor<D> {}
}
