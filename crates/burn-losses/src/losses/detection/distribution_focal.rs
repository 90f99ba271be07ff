//! Cross-entropy of a distribution over places and a place between two of them.

use crate::engine::any_rank::AnyRank;
use crate::engine::host::distribution::BetweenClasses;
use crate::engine::rows::RowSpec;
use crate::engine::shape::without;
use crate::engine::values::{AnyTarget, FlatValues};
use crate::loss::Evaluate;
use crate::loss::call::{Call, LossOutput};
use crate::loss::rows::evaluate;
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::reduction::Reduction;
use crate::spec::row::RowTarget;
use crate::spec::rule::Rule;
use crate::targets::Readable;
use crate::targets::rank::LowerRank;
use crate::validate::check::{Check, dims};
use crate::validate::error::{Lint, LossError, LossErrorKind};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use burn::tensor::{FloatDType, Tensor};

loss_config! {
    /// Configuration of [`DistributionFocalLoss`].
    pub struct DistributionFocalLossConfig {
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// Cross-entropy of a softmax over bins with a place between two of them: an edge of a box as a distribution over
/// distances.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/distribution_focal.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// p        = softmax(x) over the bins, along the last axis
/// l        = floor(y), at most the last bin but one
/// loss     = -(l + 1 - y) ln p[l] - (y - l) ln p[l + 1]
/// gradient = p[k] - q[k] for each bin k,  q[l] = l + 1 - y,  q[l + 1] = y - l,  the others 0
/// ```
///
/// </details>
///
/// # Character
///
/// In place of a number the model gives a distribution over the bins 0, 1, 2 and on, and its prediction is the mean of
/// that, `sum k p[k]`. The loss puts the probability onto the two bins beside the true place, each the more the nearer it
/// is. So edges that are not clear come out wide, or with two peaks, where a number would have to lie between; and
/// probabilities far from the true place are pushed away, which a loss of the mean alone would not do: train with both,
/// as the example on the page of [`detection`](crate::detection) does. **The last layer is linear, with an output for
/// each bin of each edge and no softmax.**
///
/// The least loss is 0 only for a whole number. Between two bins it is their entropy, up to ln 2 = 0.69 in the middle:
/// with a gradient of 0, but not 0. The name is that of its paper; there is no focal factor in it. On a GPU it runs as
/// tensor operations.
///
/// # Target
///
/// **The place of each row, as a float from 0 to the number of bins less 1: the logits' shape without the last axis**,
/// `[N, 4]` for logits `[N, 4, bins]`. For a box these are the distances of its left, upper, right and lower edge from a
/// point inside, **in the unit of the bins, most often the stride** of the feature map. With 16 bins of a stride of 8 an
/// edge may be 120 pixels away.
///
/// The usual mistakes: distances in pixels, an error as soon as one is beyond the last bin; parts of the image, all at
/// most 1, which [`lint`](crate::Loss::lint) tells; a negative distance, of a point that is outside of its box, and one
/// beyond the last bin, which are errors: clamp them to the bins, or leave the row out by a mask in
/// [`forward_weighted`](crate::Loss::forward_weighted) with any legal place as its target. And logits `[N, 4 * bins]`,
/// which are reshaped to `[N, 4, bins]` first.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// // Two edges, four bins. The first is a quarter of the way from bin 1 to bin 2, the second on the
/// // last bin.
/// let logits = Tensor::<2>::from_data([[0., 2., 1., 0.], [1., 0., 0., 3.]], &device);
/// let places = Tensor::<1>::from_data([1.25, 3.0], &device);
/// let value = DistributionFocalLoss::new().forward(logits, places);
/// assert!((value.into_scalar::<f32>() - 0.477405).abs() < 1e-5);
///
/// // Three quarters of the probability on bin 0, the rest on bin 1: right, and what is left is the
/// // entropy.
/// let logits = Tensor::<2>::from_data([[0.75, 0.25]], &device).log();
/// let places = Tensor::<1>::from_data([0.25], &device);
/// let value = DistributionFocalLoss::new().forward(logits, places);
/// assert!((value.into_scalar::<f32>() - 0.562335).abs() < 1e-5);
/// ```
///
/// # Shapes
///
/// * logits: `[N, bins]`, `[N, .., bins]`, rank 2 to 6; the bins on the last axis
/// * targets: that shape without the last axis
/// * unreduced: the shape of the targets
///
/// # Errors
///
/// * A target of another shape.
/// * A target that is not from 0 to the number of bins less 1, with its index.
/// * Fewer than two bins.
/// * A target that is tracked by autodiff. A float type that the device cannot compute with.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid target makes loss and gradient of its row NaN.
///
/// # Other libraries
///
/// PyTorch has none; it is its `cross_entropy` with the two shares as probabilities. The same values and gradients come
/// from:
///
/// | there | here | what differs |
/// |---|---|---|
/// | mmdet's `DistributionFocalLoss()` | the loss of logits `[N * 4, bins]` | a target on the last bin reads out of range there. Its weight of each edge goes into `forward_weighted`; with an `avg_factor`: `Sum` divided by that |
/// | ultralytics' `DFLoss(reg_max)` | `[N, 4, reg_max]`, the mean of the four unreduced losses | equal up to 1.01 below `reg_max`; places above that are set to it |
///
/// # Reference
///
/// Li et al., *Generalized Focal Loss: Learning Qualified and Distributed Bounding Boxes for Dense Object Detection*,
/// 2020, [arXiv:2006.04388](https://arxiv.org/abs/2006.04388).
#[doc(alias = "DFL")]
#[doc(alias = "DFLoss")]
#[doc(alias = "GeneralizedFocalLoss")]
#[doc(alias = "YOLO")]
#[doc(alias = "bounding box")]
#[doc(alias = "detection")]
#[derive(Clone, Debug)]
pub struct DistributionFocalLoss {
    config: DistributionFocalLossConfig,
}

loss_module!(DistributionFocalLoss, DistributionFocalLossConfig, Loss [logits, targets]);

impl DistributionFocalLoss {
    fn losses(
        &self,
        logits: AnyRank,
        targets: AnyTarget,
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let check = Check::new(Self::NAME, &logits.device(), call.waiting);
        let shape = logits.shape();
        let axis = shape.num_dims() - 1;
        check.dtype(&logits.device(), logits.dtype())?;
        check.device("logits", &logits.device(), "targets", &targets.device)?;
        check.untracked("targets", &targets)?;
        if shape[axis] < 2 {
            let message = format!(
                "logits {} have {} bin along the last axis, so there is nothing between two: give one more than the largest \
                 distance.",
                dims(&shape),
                shape[axis]
            );
            return Err(check.error(LossErrorKind::Shape, message));
        }
        let expected = without(&shape, axis);
        if targets.shape != expected {
            let message = format!(
                "logits {} with the bins on the last axis need targets of shape {}, but they have {}: a place for each row.",
                dims(&shape),
                dims(&expected),
                dims(&targets.shape)
            );
            return Err(check.error(LossErrorKind::Shape, message));
        }
        let rule = Rule::between(0.0, (shape[axis] - 1) as f64);
        let target = RowTarget::Numbers(targets.values, rule);
        let spec = RowSpec::new(Arc::new(BetweenClasses), axis, target);
        evaluate(&check, spec, [logits], call)
    }
}

impl<const D: usize> Evaluate<(Tensor<D>, <Tensor<D> as LowerRank>::Lower)>
    for DistributionFocalLoss
where
    Tensor<D>: LowerRank,
    <Tensor<D> as LowerRank>::Lower: Readable,
{
    type Unreduced = <Tensor<D> as LowerRank>::Lower;

    fn evaluate(
        &self,
        (logits, targets): (Tensor<D>, <Tensor<D> as LowerRank>::Lower),
        call: Call,
    ) -> Result<LossOutput, LossError> {
        self.losses(logits.into(), targets.erased(), call)
    }

    fn inspect(
        &self,
        (logits, targets): (Tensor<D>, <Tensor<D> as LowerRank>::Lower),
    ) -> Vec<Lint> {
        // Between two bins there is no place beyond 1.
        if logits.dims()[D - 1] == 2 {
            return Vec::new();
        }
        let FlatValues::Float(targets) = targets.erased().values else {
            return Vec::new();
        };
        let values = AnyRank::from(targets.cast(FloatDType::F32)).values();
        let parts = values.len() > 1 && values.iter().all(|&place| place <= 1.0);
        let suspicion = parts.then(|| Lint {
            loss: Self::NAME,
            rule: "not-in-bins",
            message: format!(
                "all {} targets are at most 1: are they parts of the image, and not numbers of bins? Divide distances in pixels \
                 by the stride.",
                values.len()
            ),
        });
        suspicion.into_iter().collect()
    }
}
