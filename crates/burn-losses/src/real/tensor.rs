//! The arithmetic of the definitions on whole tensors, of any backend.

use super::Real;
use burn::tensor::{Bool, DType, Tensor};

impl<const D: usize> Real for Tensor<D> {
    type Mask = Tensor<D, Bool>;

    fn is_double(&self) -> bool {
        self.dtype() == DType::F64
    }
    fn plus(self, constant: f64) -> Self {
        self.add_scalar(constant)
    }
    fn times(self, constant: f64) -> Self {
        self.mul_scalar(constant)
    }
    fn at_least(self, constant: f64) -> Self {
        self.clamp_min(constant)
    }
    fn at_most(self, constant: f64) -> Self {
        self.clamp_max(constant)
    }
    fn abs(self) -> Self {
        Tensor::abs(self)
    }
    fn sign(self) -> Self {
        Tensor::sign(self)
    }
    fn exp(self) -> Self {
        Tensor::exp(self)
    }
    fn ln(self) -> Self {
        self.log()
    }
    fn sqrt(self) -> Self {
        Tensor::sqrt(self)
    }
    fn like(&self, constant: f64) -> Self {
        Tensor::full(self.shape(), constant, (&self.device(), self.dtype()))
    }
    fn above(&self, constant: f64) -> Tensor<D, Bool> {
        self.clone().greater_scalar(constant)
    }
    fn exceeds(&self, other: &Self) -> Tensor<D, Bool> {
        self.clone().greater(other.clone())
    }
    fn same(&self, other: &Self) -> Tensor<D, Bool> {
        self.clone().equal(other.clone())
    }
    fn equals(&self, constant: f64) -> Tensor<D, Bool> {
        self.clone().equal_scalar(constant)
    }
    fn between(&self, least: f64, most: f64) -> Tensor<D, Bool> {
        let above = self.clone().greater_equal_scalar(least);
        above.bool_and(self.clone().lower_equal_scalar(most))
    }
    fn is_nan(&self) -> Tensor<D, Bool> {
        self.clone().is_nan()
    }
    fn either(one: Tensor<D, Bool>, other: Tensor<D, Bool>) -> Tensor<D, Bool> {
        one.bool_or(other)
    }
    fn set(self, mask: Tensor<D, Bool>, constant: f64) -> Self {
        self.mask_fill(mask, constant)
    }
    fn replace(self, mask: Tensor<D, Bool>, other: Self) -> Self {
        self.mask_where(mask, other)
    }
}
