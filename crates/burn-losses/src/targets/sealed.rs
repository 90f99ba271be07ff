//! What the checks ask of any target, and what may be one.

use crate::engine::any_rank::AnyRank;
use crate::engine::values::{AnyTarget, FlatValues};
use burn::tensor::{Bool, Device, Int, Shape, Tensor};

/// Seals what may be a number instead of a tensor.
pub trait SealedVariance {}
impl SealedVariance for f64 {}
impl<const D: usize> SealedVariance for Tensor<D> {}

/// What the checks ask of any target or weight. Nobody else can implement it, which seals the
/// traits of this module.
pub trait Readable: Sized {
    fn shape(&self) -> Shape;
    fn device(&self) -> Device;
    fn is_tracked(&self) -> bool;
    /// The values in order, of whatever type, outside of the autodiff graph.
    fn flat(self) -> FlatValues;
    /// The target without its type.
    fn erased(self) -> AnyTarget {
        AnyTarget {
            shape: self.shape(),
            device: self.device(),
            is_tracked: self.is_tracked(),
            values: self.flat(),
        }
    }
}

impl<const D: usize> Readable for Tensor<D> {
    fn shape(&self) -> Shape {
        Tensor::shape(self)
    }
    fn device(&self) -> Device {
        Tensor::device(self)
    }
    fn is_tracked(&self) -> bool {
        Tensor::is_tracked(self)
    }
    fn flat(self) -> FlatValues {
        FlatValues::Float(AnyRank::from(self).inner().flat())
    }
}

impl<const D: usize> Readable for Tensor<D, Int> {
    fn shape(&self) -> Shape {
        Tensor::shape(self)
    }
    fn device(&self) -> Device {
        Tensor::device(self)
    }
    fn is_tracked(&self) -> bool {
        false
    }
    fn flat(self) -> FlatValues {
        let count = Tensor::shape(&self).num_elements();
        FlatValues::Int(match count {
            // Burn's own reshape takes a length of 0 for "as before".
            0 => Tensor::empty([0], (&self.device(), self.dtype())),
            _ => self.inner().reshape([count]),
        })
    }
}

impl<const D: usize> Readable for Tensor<D, Bool> {
    fn shape(&self) -> Shape {
        Tensor::shape(self)
    }
    fn device(&self) -> Device {
        Tensor::device(self)
    }
    fn is_tracked(&self) -> bool {
        false
    }
    fn flat(self) -> FlatValues {
        let count = Tensor::shape(&self).num_elements();
        FlatValues::Bool(match count {
            0 => Tensor::empty([0], &self.device()),
            _ => self.inner().reshape([count]),
        })
    }
}
