//! Distances that a model can be trained through.

use crate::error::{LossError, LossErrorKind, or_panic};
use crate::kernels::fused::{self, Besides, Family, PairSweep};
use crate::kernels::host::distance::Pair;
use crate::kernels::norm::{Length, Measure, Short, length, norm_root, norm_slope, norm_term};
use crate::kernels::ops::{Pairs, Wanted, Wish};
use crate::kernels::portable::{as_function_of, untracked, wide};
use crate::kernels::real::Real;
use crate::loss::{LowerRank, Unreduced};
use crate::target::check::{Check, dims, hyper_parameter};
use alloc::format;
use burn::tensor::{DType, Tensor};

/// A norm of vectors along the last axis, and how it changes with them.
pub(crate) struct Norm<const D: usize> {
    /// The norm, with the last axis kept at length 1.
    pub(crate) value: Tensor<D>,
    /// Each component over the largest, and the norm of those.
    ratio: Tensor<D>,
    norm: Tensor<D>,
    p: f64,
}

impl<const D: usize> Norm<D> {
    /// The derivative with respect to the vector; it is 0 where the norm is 0.
    pub(crate) fn direction(self) -> Tensor<D> {
        let zero = self.norm.equals(0.0);
        norm_slope(self.ratio / self.norm.set(zero, 1.0), self.p)
    }
}

/// The p-norm of `difference` along the last axis.
///
/// It is computed on the ratios to the largest component, so it does not overflow before its value
/// does; and where the norm is 0 the derivative is 0, not 0 / 0.
pub(crate) fn norm<const D: usize>(difference: Tensor<D>, p: f64) -> Norm<D> {
    let largest = if difference.is_double() {
        f64::MAX
    } else {
        f64::from(f32::MAX)
    };
    let difference = difference.at_least(-largest).at_most(largest);
    let scale = difference.clone().abs().max_dim(D - 1);
    let zero = scale.equals(0.0);
    let ratio = difference / scale.clone().set(zero, 1.0);
    let sum = norm_term(ratio.clone(), p).sum_dim(D - 1);
    let norm = norm_root(sum, p);
    Norm {
        value: (norm.clone() * scale).at_most(largest),
        ratio,
        norm,
        p,
    }
}

/// The distance `||a - b + eps||_p` along the last axis, as PyTorch defines it: `eps` is added to
/// each signed component.
///
/// Its gradient is exact, and 0 where the distance is 0, so it is the one to feed
/// [`HingeEmbeddingLoss`](crate::HingeEmbeddingLoss) with. Its usual composition from tensor
/// operations gives NaN there.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_losses::pairwise_distance;
///
/// let device = Device::flex();
/// let a = Tensor::<2>::from_data([[0., 0.], [1., 1.]], &device);
/// let b = Tensor::<2>::from_data([[3., 4.], [1., 1.]], &device);
/// let distances: Tensor<1> = pairwise_distance(a, b, 2.0, 0.0);
/// distances.into_data().assert_eq(&[5f32, 0.].into(), true);
/// ```
///
/// # Panics
///
/// When the shapes or devices differ or the vectors have no components, the device cannot compute with
/// the float type, `p` is less than 1, `eps` is negative, or either is not finite.
#[track_caller]
pub fn pairwise_distance<const D: usize>(
    a: Tensor<D>,
    b: Tensor<D>,
    p: f64,
    eps: f64,
) -> <Tensor<D> as LowerRank>::Lower
where
    Tensor<D>: LowerRank,
{
    const NAME: &str = "pairwise_distance";
    let checked = norm_options(NAME, p, eps)
        .and_then(|()| check_pair(NAME, &a, &b, Measure::Norm { p, eps }));
    or_panic(checked);
    if a.shape().num_elements() > 0 && is_swept(&a, &b) {
        return swept(Pair::Norm { p, eps }, a, b);
    }
    let x = untracked(&a);
    let y = untracked(&b).cast(x.dtype());
    let distance = norm((x - y).plus(eps), p);
    let value = distance.value.clone();
    let direction = distance.direction();
    joined(value, [(&a, direction.clone()), (&b, -direction)])
}

/// The cosine of the angle between vectors along the last axis; norms count for at least `eps`
/// (PyTorch's is 1e-8), so a zero vector has cosine 0 and a finite gradient.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_losses::cosine_similarity;
///
/// let device = Device::flex();
/// let a = Tensor::<2>::from_data([[3., 4.], [0., 0.]], &device);
/// let b = Tensor::<2>::from_data([[6., 8.], [1., 1.]], &device);
/// let cosines: Tensor<1> = cosine_similarity(a, b, 1e-8);
/// cosines.into_data().assert_eq(&[1f32, 0.].into(), true);
/// ```
///
/// # Panics
///
/// When the shapes or devices differ or the vectors have no components, the device cannot compute with
/// the float type, or `eps` is not finite and positive.
#[track_caller]
pub fn cosine_similarity<const D: usize>(
    a: Tensor<D>,
    b: Tensor<D>,
    eps: f64,
) -> <Tensor<D> as LowerRank>::Lower
where
    Tensor<D>: LowerRank,
{
    const NAME: &str = "cosine_similarity";
    let checked = hyper_parameter(NAME, "eps", eps, |eps| eps > 0.0, "finite and positive")
        .and_then(|()| check_pair(NAME, &a, &b, Measure::Cosine { eps }));
    or_panic(checked);
    if a.shape().num_elements() > 0 && is_swept(&a, &b) {
        return swept(Pair::Cosine { eps }, a, b);
    }
    let cosine = Cosine::new([&a, &b], Short::AtLeast(eps));
    let value = cosine.value.clone();
    let [of_a, of_b] = cosine.slopes();
    joined(value, [(&a, of_a), (&b, of_b)])
}

/// The cosine of the angle of vectors along the last axis, and how it changes with both.
pub(crate) struct Cosine<const D: usize> {
    /// The cosine, with the last axis kept at length 1.
    pub(crate) value: Tensor<D>,
    vectors: [Direction<D>; 2],
}

impl<const D: usize> Cosine<D> {
    /// Of vectors of one shape, computed in the type of the first.
    pub(crate) fn new(vectors: [&Tensor<D>; 2], short: Short) -> Self {
        let wide = wide(vectors[0].dtype());
        let vectors = vectors.map(|vector| Direction::new(untracked(vector).cast(wide), short));
        let [a, b] = &vectors;
        Self {
            value: (a.unit.clone() * b.unit.clone()).sum_dim(D - 1),
            vectors,
        }
    }

    /// The derivatives with respect to both vectors.
    pub(crate) fn slopes(&self) -> [Tensor<D>; 2] {
        let [a, b] = &self.vectors;
        [a.slope(&self.value, b), b.slope(&self.value, a)]
    }
}

/// A vector as a direction and a length.
struct Direction<const D: usize> {
    unit: Tensor<D>,
    length: Length<Tensor<D>>,
}

impl<const D: usize> Direction<D> {
    fn new(vector: Tensor<D>, short: Short) -> Self {
        let norm = norm(vector, 2.0);
        let length = length(norm.value.clone(), short);
        // The norm's direction is exact even where the length is beyond the largest number.
        let unit = norm.direction() * length.share.clone();
        Self { unit, length }
    }

    /// The derivative of the cosine with respect to this vector.
    fn slope(&self, cosine: &Tensor<D>, other: &Self) -> Tensor<D> {
        let along = self.unit.clone() * (cosine.clone() * self.length.own.clone());
        (other.unit.clone() - along) / self.length.length.clone()
    }
}

fn is_swept<const D: usize>(a: &Tensor<D>, b: &Tensor<D>) -> bool {
    let tensors = fused::tensors([a, b], Besides::default());
    fused::is_there(&a.device(), a.dtype(), Family::Rows, tensors)
}

/// What a sweep computes of the pairs of rows, in the graph.
fn swept<const D: usize>(pair: Pair, a: Tensor<D>, b: Tensor<D>) -> <Tensor<D> as LowerRank>::Lower
where
    Tensor<D>: LowerRank,
{
    let (shape, dtype) = (a.dims(), a.dtype());
    let mut kept = shape;
    kept[D - 1] = 1;
    let sweep = PairSweep {
        call: Pairs { pair, signs: None },
        wish: Wish {
            wanted: Wanted::Each,
            samples: None,
            batch: shape[0],
            terms: 1,
        },
    };
    let outcome = fused::run([a, b], sweep, kept);
    Unreduced::from_flat(outcome.value.cast(dtype), shape[..D - 1].to_vec().into())
}

/// The value, last axis dropped, as a function of the inputs whose gradients are given.
fn joined<const D: usize>(
    value: Tensor<D>,
    inputs: [(&Tensor<D>, Tensor<D>); 2],
) -> <Tensor<D> as LowerRank>::Lower
where
    Tensor<D>: LowerRank,
{
    let shape = value.dims();
    let flat = as_function_of(value, inputs);
    Unreduced::from_flat(flat, shape[..D - 1].to_vec().into())
}

fn check_pair<const D: usize>(
    name: &'static str,
    a: &Tensor<D>,
    b: &Tensor<D>,
    measure: Measure,
) -> Result<(), LossError> {
    let device = a.device();
    let check = Check::new(name, &device, false);
    check.dtype(&device, a.dtype())?;
    check.device("a", &device, "b", &b.device())?;
    check.same_shape("a", &a.shape(), "b", &b.shape())?;
    if a.dims()[D - 1] == 0 {
        let message = format!("the vectors {} have no components.", dims(&a.shape()));
        return Err(check.error(LossErrorKind::Shape, message));
    }
    check.one_tracking([("a", a), ("b", b)])?;
    check_measure(&check, a.dtype(), measure)
}

/// The options of a measure must be numbers of the type that is computed in.
pub(crate) fn check_measure(
    check: &Check,
    dtype: DType,
    measure: Measure,
) -> Result<(), LossError> {
    match measure {
        Measure::Norm { p, eps } => {
            check.holds(dtype, "p", p)?;
            check.holds(dtype, "eps", eps)
        }
        Measure::Cosine { eps } => check.holds(dtype, "eps", eps),
    }
}

/// The options of a p-norm that all its users share.
pub(crate) fn norm_options(name: &'static str, p: f64, eps: f64) -> Result<(), LossError> {
    hyper_parameter(name, "p", p, |p| p >= 1.0, "finite and at least 1")?;
    hyper_parameter(name, "eps", eps, |eps| eps >= 0.0, "finite and at least 0")
}
