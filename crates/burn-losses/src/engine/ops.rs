//! What a backend can do for the losses: a sweep for each family of them.

use super::elementwise::ElementwiseSpec;
#[cfg(feature = "std")]
use super::overlap::OverlapSpec;
use super::rows::RowSpec;
use super::softmax::ClassSpec;
use crate::spec::request::Request;
#[cfg(any(feature = "cube", feature = "remote"))]
use crate::spec::request::Returns;
use burn::backend::Backend;
use burn::backend::tensor::{BoolTensor, FloatTensor, IntTensor};
#[cfg(any(feature = "cube", feature = "remote"))]
use burn::tensor::{DType, Shape};

/// What a sweep gives.
pub(crate) struct KernelOutput<P, const N: usize> {
    /// The reduced loss, of shape `[1]`, or the loss of each element, flattened; in `f32` or `f64`.
    pub(crate) value: P,
    /// The sum of the weights, if it is wanted.
    pub(crate) weight: Option<P>,
    /// The gradient of each input, if it is wanted: of the value, or for each loss of that.
    pub(crate) gradients: [Option<P>; N],
    /// Whether a value broke a rule. What depends on it is NaN.
    pub(crate) invalid: Invalid<P>,
}

/// The shape and the type of a tensor.
#[derive(Clone, Debug)]
#[cfg(any(feature = "cube", feature = "remote"))]
pub(crate) struct TensorSpec {
    pub(crate) shape: Shape,
    pub(crate) dtype: DType,
}

#[cfg(any(feature = "cube", feature = "remote"))]
impl<const N: usize> KernelOutput<TensorSpec, N> {
    /// What a sweep of so many losses, over inputs of these shapes, will give: in a type for what is computed, and
    /// one for gradients.
    pub(crate) fn to_come<P>(
        shapes: [Shape; N],
        count: usize,
        request: &Request<P>,
        gradients: [bool; N],
        [computed, stored]: [DType; 2],
    ) -> Self {
        let numbers = |count: usize, dtype: DType| TensorSpec {
            shape: Shape::new([count]),
            dtype,
        };
        let values = match request.returns {
            Returns::Unreduced => count,
            _ => 1,
        };
        let mut wanted = gradients.into_iter();
        Self {
            value: numbers(values, computed),
            weight: matches!(request.returns, Returns::SumAndWeight).then(|| numbers(1, computed)),
            gradients: shapes.map(|shape| {
                let dtype = stored;
                wanted.next()?.then_some(TensorSpec { shape, dtype })
            }),
            invalid: Invalid::OnDevice(numbers(1, DType::F32)),
        }
    }
}

#[cfg(any(feature = "cube", feature = "remote"))]
impl<P, const N: usize> KernelOutput<P, N> {
    /// The same, of other tensors; they are taken in a fixed order.
    pub(crate) fn map<Q>(self, mut map: impl FnMut(P) -> Q) -> KernelOutput<Q, N> {
        KernelOutput {
            value: map(self.value),
            weight: self.weight.map(&mut map),
            gradients: self.gradients.map(|gradient| gradient.map(&mut map)),
            invalid: match self.invalid {
                Invalid::Known(invalid) => Invalid::Known(invalid),
                Invalid::OnDevice(rows) => Invalid::OnDevice(map(rows)),
            },
        }
    }
}

/// What a sweep over overlaps gives.
#[cfg(feature = "std")]
pub(crate) struct OverlapOutput<P> {
    /// The sums `[sum, sample, class]`.
    pub(crate) sums: P,
    /// What the gradient will be made of besides, if it will be asked for.
    pub(crate) kept: Option<P>,
    /// Whether a value broke a rule.
    pub(crate) invalid: bool,
}

/// Whether a value broke a rule.
pub(crate) enum Invalid<P> {
    Known(bool),
    /// How many values or rows did, in a tensor of shape `[1]`.
    #[cfg_attr(not(any(feature = "cube", feature = "remote")), allow(dead_code))]
    // Memory can be looked at at once.
    OnDevice(P),
}

/// A tensor of any kind.
#[derive(Clone)]
pub(crate) enum AnyTensor<B: Backend> {
    Float(FloatTensor<B>),
    Int(IntTensor<B>),
    Bool(BoolTensor<B>),
}

/// A backend with sweeps of its own.
pub(crate) trait LossOps: Backend {
    fn elementwise<const N: usize>(
        call: ElementwiseSpec<AnyTensor<Self>>,
        inputs: [FloatTensor<Self>; N],
        request: Request<FloatTensor<Self>>,
        gradients: [bool; N],
    ) -> KernelOutput<FloatTensor<Self>, N>;

    fn classes(
        call: ClassSpec<AnyTensor<Self>>,
        input: FloatTensor<Self>,
        request: Request<FloatTensor<Self>>,
        gradient: bool,
    ) -> KernelOutput<FloatTensor<Self>, 1>;

    fn rows<const N: usize>(
        call: RowSpec<AnyTensor<Self>, N>,
        inputs: [FloatTensor<Self>; N],
        request: Request<FloatTensor<Self>>,
        gradients: [bool; N],
    ) -> KernelOutput<FloatTensor<Self>, N>;

    /// The sums of overlaps, whose gradient will be asked for if the input is tracked.
    #[cfg(feature = "std")]
    fn overlap_sums(
        call: &OverlapSpec<AnyTensor<Self>>,
        input: FloatTensor<Self>,
        tracked: bool,
    ) -> OverlapOutput<FloatTensor<Self>>;

    /// The gradient of the input, in the type that is computed in, from what was kept and the derivatives with respect to
    /// the sums.
    #[cfg(feature = "std")]
    fn overlap_gradient(
        call: &OverlapSpec<AnyTensor<Self>>,
        input: FloatTensor<Self>,
        kept: Option<FloatTensor<Self>>,
        of_sums: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    /// A gradient times the number in a tensor of shape `[1]`.
    fn scaled(gradient: FloatTensor<Self>, number: &FloatTensor<Self>) -> FloatTensor<Self>;
}
