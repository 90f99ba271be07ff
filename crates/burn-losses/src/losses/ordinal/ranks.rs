//! Ranks, and what they say of thresholds.

use crate::engine::any_rank::AnyRank;
use crate::engine::dtype::compute_dtype;
use crate::engine::portable::ids::SafeIds;
use crate::engine::portable::tensors::or_nan;
use crate::engine::shape::{layers, without};
use crate::engine::values::{AnyTarget, FlatValues};
use crate::targets::rank::LowerRank;
use crate::validate::check::{Check, dims};
use crate::validate::error::{LossError, LossErrorKind, or_panic};
use crate::validate::rank_ids::rank_ids;
use alloc::format;
use burn::tensor::{Int, Shape, Tensor, activation};

/// What the ranks of samples say of the thresholds between them.
pub(super) struct Levels {
    /// 1 for each threshold that a sample's rank is above, else 0, in layers; NaN where the rank is none.
    pub(super) above: Tensor<3>,
    /// 1 for each threshold whose lower neighbour a sample's rank is above, and for the first one, else 0; NaN as above.
    pub(super) reached: Tensor<3>,
    /// How many of those there are, for each sample.
    pub(super) pairs: Tensor<1>,
}

/// Checks the shapes of logits with a threshold along `axis` each, and of the ranks of their samples.
pub(super) fn check_ranks(
    check: &Check,
    logits: &AnyRank,
    targets: &AnyTarget,
    axis: usize,
) -> Result<(), LossError> {
    let shape = logits.shape();
    let device = logits.device().without_autodiff();
    check.dtype(&device, logits.dtype())?;
    check.device("logits", &device, "targets", &targets.device)?;
    check.class_axis(axis, &shape)?;
    let expected = without(&shape, axis);
    if shape[axis] == 0 {
        return Err(misfit(
            check,
            &shape,
            format!("have no threshold along axis {axis}."),
        ));
    }
    if targets.shape != expected {
        let message = format!(
            "and targets {} do not fit: the ranks are ids in that shape without the axis of the thresholds, {}.",
            dims(&targets.shape),
            dims(&expected)
        );
        return Err(misfit(check, &shape, message));
    }
    Ok(())
}

/// What the ranks of samples say, beside logits whose shapes have been checked. A CPU finds that out as it goes through
/// rows; a GPU has kernels for single elements.
pub(super) fn levels(
    check: &Check,
    logits: &AnyRank,
    ranks: FlatValues,
    axis: usize,
) -> Result<Levels, LossError> {
    let (shape, dtype) = (logits.shape(), logits.dtype());
    let device = logits.device().without_autodiff();
    let ids = ranks.integers();
    let [outer, thresholds, inner] = layers(&shape, axis);
    let computed = compute_dtype(dtype);
    let place = (&device, computed.into());
    if logits.is_empty() {
        return Ok(Levels {
            above: Tensor::zeros([outer, thresholds, inner], place),
            reached: Tensor::zeros([outer, thresholds, inner], place),
            pairs: Tensor::zeros([outer * inner], place),
        });
    }
    let checked = rank_ids(check, &ids, &without(&shape, axis), thresholds)?;
    let found = SafeIds::new(ids.reshape([outer, 1, inner]), thresholds + 1, &[]);
    let valid = (!checked).then(|| found.valid().expand([outer, thresholds, inner]));
    let ids = found.or(0).expand([outer, thresholds, inner]);
    let all = Tensor::<1, Int>::arange(0..thresholds as i64, (&device, ids.dtype()));
    let all = all
        .reshape([1, thresholds, 1])
        .expand([outer, thresholds, inner]);
    let above = ids.clone().greater(all.clone()).cast(computed);
    let reached = ids.greater_equal(all).cast(computed);
    Ok(Levels {
        pairs: reached.clone().sum_dim(1).reshape([outer * inner]),
        above: or_nan(above, &valid),
        reached: or_nan(reached, &valid),
    })
}

fn misfit(check: &Check, shape: &Shape, message: alloc::string::String) -> LossError {
    check.error(
        LossErrorKind::Shape,
        format!("logits {} {message}", dims(shape)),
    )
}

/// The ranks that a model trained with [`CoralLoss`](super::CoralLoss) predicts: of each sample how many thresholds, along
/// `class_axis`, it holds more probable than not to be passed.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_losses::ordinal;
///
/// // Two samples, four ranks.
/// let logits = Tensor::<2>::from_data([[3., 1., -2.], [-1., -2., -4.]], &Device::flex());
/// let ranks = ordinal::rank(logits, 1).into_data();
/// assert_eq!(ranks.iter::<i64>().collect::<Vec<_>>(), [2, 0]);
/// ```
///
/// # Panics
///
/// If `class_axis` is not an axis of the logits.
#[track_caller]
pub fn rank<const D: usize>(
    logits: Tensor<D>,
    class_axis: usize,
) -> <Tensor<D> as LowerRank>::LowerInt
where
    Tensor<D>: LowerRank,
{
    counted("rank", logits, class_axis, |logits| logits)
}

/// As [`rank`], of a model trained with [`CornLoss`](super::CornLoss), each of whose outputs is for a threshold *given* that
/// the one before is passed.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_losses::ordinal;
///
/// // 0.73 * 0.62 = 0.45: that the second threshold is passed is less probable than not.
/// let logits = Tensor::<2>::from_data([[1., 0.5, 2.]], &Device::flex());
/// let ranks = ordinal::conditional_rank(logits, 1).into_data();
/// assert_eq!(ranks.iter::<i64>().collect::<Vec<_>>(), [1]);
/// ```
///
/// # Panics
///
/// If `class_axis` is not an axis of the logits.
#[track_caller]
pub fn conditional_rank<const D: usize>(
    logits: Tensor<D>,
    class_axis: usize,
) -> <Tensor<D> as LowerRank>::LowerInt
where
    Tensor<D>: LowerRank,
{
    counted("conditional_rank", logits, class_axis, |logits| {
        activation::log_sigmoid(logits).cumsum(1) + core::f64::consts::LN_2
    })
}

/// How many numbers along an axis are above 0, after they were changed.
#[track_caller]
fn counted<const D: usize>(
    name: &'static str,
    logits: Tensor<D>,
    axis: usize,
    change: impl FnOnce(Tensor<3>) -> Tensor<3>,
) -> <Tensor<D> as LowerRank>::LowerInt
where
    Tensor<D>: LowerRank,
{
    let (shape, device) = (logits.shape(), logits.device());
    or_panic(Check::new(name, &device, false).class_axis(axis, &shape));
    let logits = AnyRank::from(logits).inner();
    let computed = compute_dtype(logits.dtype());
    let below = without(&shape, axis);
    let flat = if logits.is_empty() {
        Tensor::zeros([below.num_elements()], &device.without_autodiff())
    } else {
        let logits = change(logits.cast(computed).layers(layers(&shape, axis)));
        let passed = logits.greater_scalar(0.0).int().sum_dim(1);
        passed.reshape([below.num_elements()])
    };
    <Tensor<D> as LowerRank>::ids_from(flat, below)
}
