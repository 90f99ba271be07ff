//! The arithmetic of the definitions on whole tensors, of any backend.

use super::Real;
use burn::tensor::{Bool, DType, Tensor};

// Each operation is a call, also where it is compiled into the tensor form of a loss: there are hundreds of them, and each
// would be built once more.
impl<const D: usize> Real for Tensor<D> {
    type Mask = Tensor<D, Bool>;

    fn is_double(&self) -> bool {
        self.dtype() == DType::F64
    }
    #[inline(never)]
    fn plus(self, constant: f64) -> Self {
        self.add_scalar(constant)
    }
    #[inline(never)]
    fn times(self, constant: f64) -> Self {
        self.mul_scalar(constant)
    }
    #[inline(never)]
    fn at_least(self, constant: f64) -> Self {
        self.clamp_min(constant)
    }
    #[inline(never)]
    fn at_most(self, constant: f64) -> Self {
        self.clamp_max(constant)
    }
    #[inline(never)]
    fn abs(self) -> Self {
        Tensor::abs(self)
    }
    #[inline(never)]
    fn sign(self) -> Self {
        Tensor::sign(self)
    }
    #[inline(never)]
    fn exp(self) -> Self {
        Tensor::exp(self)
    }
    #[inline(never)]
    fn ln(self) -> Self {
        self.log()
    }
    #[inline(never)]
    fn sqrt(self) -> Self {
        Tensor::sqrt(self)
    }
    #[inline(never)]
    fn like(&self, constant: f64) -> Self {
        Tensor::full(self.shape(), constant, (&self.device(), self.dtype()))
    }
    #[inline(never)]
    fn above(&self, constant: f64) -> Tensor<D, Bool> {
        self.clone().greater_scalar(constant)
    }
    #[inline(never)]
    fn exceeds(&self, other: &Self) -> Tensor<D, Bool> {
        self.clone().greater(other.clone())
    }
    #[inline(never)]
    fn same(&self, other: &Self) -> Tensor<D, Bool> {
        self.clone().equal(other.clone())
    }
    #[inline(never)]
    fn equals(&self, constant: f64) -> Tensor<D, Bool> {
        self.clone().equal_scalar(constant)
    }
    #[inline(never)]
    fn between(&self, least: f64, most: f64) -> Tensor<D, Bool> {
        let above = self.clone().greater_equal_scalar(least);
        above.bool_and(self.clone().lower_equal_scalar(most))
    }
    #[inline(never)]
    fn is_nan(&self) -> Tensor<D, Bool> {
        self.clone().is_nan()
    }
    #[inline(never)]
    fn either(one: Tensor<D, Bool>, other: Tensor<D, Bool>) -> Tensor<D, Bool> {
        one.bool_or(other)
    }
    #[inline(never)]
    fn set(self, mask: Tensor<D, Bool>, constant: f64) -> Self {
        self.mask_fill(mask, constant)
    }
    #[inline(never)]
    fn replace(self, mask: Tensor<D, Bool>, other: Self) -> Self {
        self.mask_where(mask, other)
    }
}
