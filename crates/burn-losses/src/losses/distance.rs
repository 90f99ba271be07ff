//! Distances that a model can be trained through.

use crate::engine::any_rank::AnyRank;
use crate::engine::rows::{RowSpec, erase_rows};
use crate::engine::shape::without;
use crate::engine::tape::known::GradientOf;
use crate::loss::rows::function;
use crate::spec::distance::{Cosine, Norm};
use crate::spec::norm::DistanceKind;
use crate::spec::row::RowTarget;
use crate::targets::rank::{LowerRank, Unreduced};
use crate::validate::check::{Check, dims};
use crate::validate::error::{LossError, LossErrorKind, or_panic};
use crate::validate::options::{AT_LEAST_1, NOT_NEGATIVE, POSITIVE};
use alloc::format;
use burn::tensor::{DType, Shape, Tensor};

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

/// What is computed of pairs of vectors, in the graph, or what is wrong with them; and the shape it has.
fn distance(kind: DistanceKind, a: AnyRank, b: AnyRank) -> Result<(Tensor<1>, Shape), LossError> {
    check_pair(kind, &a, &b)?;
    let shape = a.shape();
    let axis = shape.num_dims() - 1;
    let loss = match kind {
        DistanceKind::Norm { p: 2.0, eps } => erase_rows(Norm::<true> { p: 2.0, eps }),
        DistanceKind::Norm { p, eps } => erase_rows(Norm::<false> { p, eps }),
        DistanceKind::Cosine { eps } => erase_rows(Cosine::itself(eps)),
    };
    let spec = RowSpec {
        of: GradientOf::Function,
        ..RowSpec::new(loss, axis, RowTarget::Nothing)
    };
    Ok((function(spec, [a, b]), without(&shape, axis)))
}

fn unreduced<U: Unreduced>((value, shape): (Tensor<1>, Shape)) -> U {
    U::from_flat(value, shape)
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
            POSITIVE.check(name, "eps", &eps)?;
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
    AT_LEAST_1.check(name, "p", &p)?;
    NOT_NEGATIVE.check(name, "eps", &eps)
}
