//! Targets without their types.

use super::dtype::compute_dtype;
use burn::tensor::{Bool, DType, Device, FloatDType, Int, Shape, Tensor};

/// A target, or weights, of any type and rank.
#[derive(Clone, Debug)]
pub struct AnyTarget {
    pub values: FlatValues,
    pub shape: Shape,
    pub device: Device,
    pub is_tracked: bool,
}

impl AnyTarget {
    /// The same target with other floats.
    pub fn map(self, map: impl FnOnce(Tensor<1>) -> Tensor<1>) -> Self {
        let values = match self.values {
            FlatValues::Float(values) => FlatValues::Float(map(values)),
            others => others,
        };
        Self { values, ..self }
    }
}

/// Values in order, of whatever type.
#[derive(Clone, Debug)]
pub enum FlatValues {
    Float(Tensor<1>),
    Int(Tensor<1, Int>),
    Bool(Tensor<1, Bool>),
}

impl FlatValues {
    /// As floats; 0 and 1 for `Bool`.
    pub fn cast(self, dtype: FloatDType) -> Tensor<1> {
        match self {
            Self::Float(values) => values.cast(dtype),
            Self::Int(values) => values.cast(dtype),
            Self::Bool(values) => values.cast(dtype),
        }
    }

    /// The values beside inputs of the given type: in the type in which those are computed, but floats
    /// in a wider one if they were given so.
    pub fn in_compute_dtype(self, inputs: DType) -> Tensor<1> {
        match self {
            Self::Float(values) => {
                let dtype = compute_dtype(values.dtype());
                values.cast(dtype)
            }
            others => others.cast(compute_dtype(inputs)),
        }
    }

    /// The integers, where only integers can be given.
    pub fn integers(self) -> Tensor<1, Int> {
        match self {
            Self::Int(values) => values,
            _ => unreachable!("ids are integers"),
        }
    }

    pub fn dtype(&self) -> DType {
        match self {
            Self::Float(values) => values.dtype(),
            Self::Int(values) => values.dtype(),
            Self::Bool(values) => values.dtype(),
        }
    }

    /// As signs: `true` is +1 and `false` is -1; numbers are signs already.
    pub fn signs(self, dtype: FloatDType) -> Self {
        match self {
            Self::Bool(values) => Self::Float(values.cast(dtype) * 2.0 - 1.0),
            numbers => numbers,
        }
    }
}
