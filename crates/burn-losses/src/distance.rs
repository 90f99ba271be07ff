//! Distances that a model can be trained through.

use crate::error::{LossError, LossErrorKind, or_panic};
use crate::kernels::norm::{norm_root, norm_slope, norm_term};
use crate::kernels::portable::{as_function_of, repeated, untracked};
use crate::kernels::real::Real;
use crate::loss::{LowerRank, Unreduced};
use crate::target::check::{Check, dims, hyper_parameter};
use alloc::format;
use burn::tensor::Tensor;

/// A distance of vectors along the last axis, and how it changes with the first vector.
pub(crate) struct Distance<const D: usize> {
    /// The distance, with the last axis kept at length 1.
    pub(crate) value: Tensor<D>,
    /// Each component over the largest, and the norm of those.
    ratio: Tensor<D>,
    norm: Tensor<D>,
    p: f64,
}

impl<const D: usize> Distance<D> {
    /// The derivative with respect to the first vector; that with respect to the second is the
    /// negative of it. It is 0 where the distance is 0.
    pub(crate) fn direction(self) -> Tensor<D> {
        let zero = self.norm.equals(0.0);
        norm_slope(self.ratio / self.norm.set(zero, 1.0), self.p)
    }
}

/// The p-norm of `difference` along the last axis.
///
/// It is computed on the ratios to the largest component, so it does not overflow before its value
/// does; and where the norm is 0 the derivative is 0, not 0 / 0.
pub(crate) fn norm<const D: usize>(difference: Tensor<D>, p: f64) -> Distance<D> {
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
    Distance {
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
    let checked = check_pair(NAME, &a, &b).and_then(|()| norm_options(NAME, p, eps));
    or_panic(checked);
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
    let checked = check_pair(NAME, &a, &b)
        .and_then(|()| hyper_parameter(NAME, "eps", eps, |eps| eps > 0.0, "finite and positive"));
    or_panic(checked);
    let x = untracked(&a);
    let y = untracked(&b).cast(x.dtype());
    let of_x = Direction::new(x, eps);
    let of_y = Direction::new(y, eps);
    let cosine = (of_x.unit.clone() * of_y.unit.clone()).sum_dim(D - 1);
    let slope_of_a = of_x.slope(&cosine, &of_y);
    let slope_of_b = of_y.slope(&cosine, &of_x);
    joined(cosine, [(&a, slope_of_a), (&b, slope_of_b)])
}

/// A vector as a direction and a length.
struct Direction<const D: usize> {
    unit: Tensor<D>,
    length: Tensor<D>,
    /// 1 where the length is the vector's own, 0 where it is the least allowed.
    own: Tensor<D>,
}

impl<const D: usize> Direction<D> {
    fn new(vector: Tensor<D>, eps: f64) -> Self {
        let norm = norm(vector.clone(), 2.0);
        let length = norm.value.clone();
        let short = length.clone().lower_equal_scalar(eps);
        let own = length.clone().ones_like().set(short.clone(), 0.0);
        // The norm's direction is exact even where the length is beyond the largest number.
        let scaled = vector.clone() / eps;
        let unit = norm
            .direction()
            .replace(repeated(short, vector.dims()), scaled);
        Self {
            unit,
            length: length.at_least(eps),
            own,
        }
    }

    /// The derivative of the cosine with respect to this vector.
    fn slope(&self, cosine: &Tensor<D>, other: &Self) -> Tensor<D> {
        let along = self.unit.clone() * (cosine.clone() * self.own.clone());
        (other.unit.clone() - along) / self.length.clone()
    }
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
    Ok(())
}

/// The options of a p-norm that all its users share.
pub(crate) fn norm_options(name: &'static str, p: f64, eps: f64) -> Result<(), LossError> {
    hyper_parameter(name, "p", p, |p| p >= 1.0, "finite and at least 1")?;
    hyper_parameter(name, "eps", eps, |eps| eps >= 0.0, "finite and at least 0")
}
