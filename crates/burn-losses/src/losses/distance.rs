//! Distances that a model can be trained through.

use crate::engine::any_rank::AnyRank;
use crate::engine::dispatch;
use crate::engine::dispatch::{ExtraOperands, Family, RunPairs};
use crate::engine::dtype::compute_dtype;
use crate::engine::portable::tensors::{AXIS, as_function_of};
use crate::engine::shape::{layers, without};
use crate::real::Real;
use crate::spec::norm::{
    DistanceKind, Length, NormFloor, length, norm_root, norm_slope, norm_term,
};
use crate::spec::pairs::{Pair, PairSpec};
use crate::spec::request::{Request, Returns};
use crate::targets::rank::{LowerRank, Unreduced};
use crate::validate::check::{Check, dims, hyper_parameter};
use crate::validate::error::{LossError, LossErrorKind, or_panic};
use alloc::format;
use burn::tensor::{DType, Shape, Tensor};

/// A norm of vectors along the axis of layers, and how it changes with them.
pub(crate) struct NormTerms {
    /// The norm, with the axis kept at length 1.
    pub(crate) value: Tensor<3>,
    /// Each component over the largest, and the norm of those.
    ratio: Tensor<3>,
    norm: Tensor<3>,
    p: f64,
}

impl NormTerms {
    /// The derivative with respect to the vector; it is 0 where the norm is 0.
    pub(crate) fn direction(self) -> Tensor<3> {
        let zero = self.norm.equals(0.0);
        norm_slope(self.ratio / self.norm.set(zero, 1.0), self.p)
    }
}

/// The p-norm of `difference` along the axis of layers.
///
/// It is computed on the ratios to the largest component, so it does not overflow before its value
/// does; and where the norm is 0 the derivative is 0, not 0 / 0.
pub(crate) fn norm(difference: Tensor<3>, p: f64) -> NormTerms {
    let largest = if difference.is_double() {
        f64::MAX
    } else {
        f64::from(f32::MAX)
    };
    let difference = difference.at_least(-largest).at_most(largest);
    let scale = difference.clone().abs().max_dim(AXIS);
    let zero = scale.equals(0.0);
    let ratio = difference / scale.clone().set(zero, 1.0);
    let sum = norm_term(ratio.clone(), p).sum_dim(AXIS);
    let norm = norm_root(sum, p);
    NormTerms {
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
/// [`HingeEmbeddingLoss`](crate::ranking::HingeEmbeddingLoss) with. Its usual composition from tensor
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
    let kind = DistanceKind::Norm { p, eps };
    unreduced(or_panic(distance(kind, a.into(), b.into())))
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
    let kind = DistanceKind::Cosine { eps };
    unreduced(or_panic(distance(kind, a.into(), b.into())))
}

/// The cosine of the angle of vectors along the last axis, and how it changes with both.
pub(crate) struct Cosine {
    /// The cosine, with the last axis kept at length 1.
    pub(crate) value: Tensor<3>,
    vectors: [Direction; 2],
}

impl Cosine {
    /// Of vectors of one shape and type.
    pub(crate) fn new(vectors: [Tensor<3>; 2], short: NormFloor) -> Self {
        let vectors = vectors.map(|vector| Direction::new(vector, short));
        let [a, b] = &vectors;
        Self {
            value: (a.unit.clone() * b.unit.clone()).sum_dim(AXIS),
            vectors,
        }
    }

    /// The derivatives with respect to both vectors.
    pub(crate) fn slopes(&self) -> [Tensor<3>; 2] {
        let [a, b] = &self.vectors;
        [a.slope(&self.value, b), b.slope(&self.value, a)]
    }
}

/// A vector as a direction and a length.
struct Direction {
    unit: Tensor<3>,
    length: Length<Tensor<3>>,
}

impl Direction {
    fn new(vector: Tensor<3>, short: NormFloor) -> Self {
        let norm = norm(vector, 2.0);
        let length = length(norm.value.clone(), short);
        // The norm's direction is exact even where the length is beyond the largest number.
        let unit = norm.direction() * length.share.clone();
        Self { unit, length }
    }

    /// The derivative of the cosine with respect to this vector.
    fn slope(&self, cosine: &Tensor<3>, other: &Self) -> Tensor<3> {
        let along = self.unit.clone() * (cosine.clone() * self.length.own.clone());
        (other.unit.clone() - along) / self.length.length.clone()
    }
}

/// Vectors along the last axis, outside of the autodiff graph, as rows in the type in which those of the first
/// are computed.
pub(crate) fn rows<const N: usize>(vectors: [&AnyRank; N]) -> [Tensor<3>; N] {
    let (shape, wide) = (vectors[0].shape(), compute_dtype(vectors[0].dtype()));
    let layers = layers(&shape, shape.num_dims() - 1);
    vectors.map(|vector| vector.clone().inner().cast(wide).layers(layers))
}

/// What is computed of pairs of vectors, in the graph, or what is wrong with them; and the shape it has.
fn distance(kind: DistanceKind, a: AnyRank, b: AnyRank) -> Result<(Tensor<1>, Shape), LossError> {
    check_pair(kind, &a, &b)?;
    let shape = a.shape();
    let without_last = without(&shape, shape.num_dims() - 1);
    let tensors = dispatch::tensors(&[a.clone(), b.clone()], ExtraOperands::default());
    let is_there = dispatch::is_there(&a.device(), a.dtype(), Family::Rows, tensors);
    let value = if !a.is_empty() && is_there {
        swept(kind, a, b)
    } else {
        composed(kind, &a, &b)
    };
    Ok((value, without_last))
}

fn unreduced<U: Unreduced>((value, shape): (Tensor<1>, Shape)) -> U {
    U::from_flat(value, shape)
}

fn swept(kind: DistanceKind, a: AnyRank, b: AnyRank) -> Tensor<1> {
    let pair = match kind {
        DistanceKind::Norm { p, eps } => Pair::Norm { p, eps },
        DistanceKind::Cosine { eps } => Pair::Cosine { eps },
    };
    let (shape, dtype) = (a.shape(), a.dtype());
    let mut keepdim_shape = shape.clone();
    keepdim_shape[shape.num_dims() - 1] = 1;
    let sweep = RunPairs {
        call: PairSpec { pair, signs: None },
        request: Request {
            returns: Returns::Unreduced,
            samples: None,
            batch: shape[0],
            terms: 1,
        },
    };
    dispatch::run([a, b], sweep, keepdim_shape)
        .value
        .cast(dtype)
}

fn composed(kind: DistanceKind, a: &AnyRank, b: &AnyRank) -> Tensor<1> {
    let [x, y] = rows([a, b]);
    let (value, [of_a, of_b]) = match kind {
        DistanceKind::Norm { p, eps } => {
            let distance = norm((x - y).plus(eps), p);
            let value = distance.value.clone();
            let direction = distance.direction();
            (value, [direction.clone(), -direction])
        }
        DistanceKind::Cosine { eps } => {
            let cosine = Cosine::new([x, y], NormFloor::AtLeast(eps));
            (cosine.value.clone(), cosine.slopes())
        }
    };
    as_function_of(value, &[(a, of_a), (b, of_b)])
}

/// The options of a distance, and its vectors.
fn check_pair(kind: DistanceKind, a: &AnyRank, b: &AnyRank) -> Result<(), LossError> {
    let name = match kind {
        DistanceKind::Norm { p, eps } => {
            norm_options("pairwise_distance", p, eps)?;
            "pairwise_distance"
        }
        DistanceKind::Cosine { eps } => {
            let name = "cosine_similarity";
            hyper_parameter(name, "eps", eps, |eps| eps > 0.0, "finite and positive")?;
            name
        }
    };
    let (device, shape) = (a.device(), a.shape());
    let check = Check::new(name, &device, false);
    check.dtype(&device, a.dtype())?;
    check.device("a", &device, "b", &b.device())?;
    check.same_shape("a", &shape, "b", &b.shape())?;
    if shape[shape.num_dims() - 1] == 0 {
        let message = format!("the vectors {} have no components.", dims(&shape));
        return Err(check.error(LossErrorKind::Shape, message));
    }
    check.one_tracking(&[("a", a), ("b", b)])?;
    check_distance_kind(&check, a.dtype(), kind)
}

/// The options of a distance must be numbers of the type that is computed in.
pub(crate) fn check_distance_kind(
    check: &Check,
    dtype: DType,
    kind: DistanceKind,
) -> Result<(), LossError> {
    match kind {
        DistanceKind::Norm { p, eps } => {
            check.holds(dtype, "p", p)?;
            check.holds(dtype, "eps", eps)
        }
        DistanceKind::Cosine { eps } => check.holds(dtype, "eps", eps),
    }
}

/// The options of a p-norm that all its users share.
pub(crate) fn norm_options(name: &'static str, p: f64, eps: f64) -> Result<(), LossError> {
    hyper_parameter(name, "p", p, |p| p >= 1.0, "finite and at least 1")?;
    hyper_parameter(name, "eps", eps, |eps| eps >= 0.0, "finite and at least 0")
}
