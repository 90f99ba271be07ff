//! The distance between the cumulative distributions of a softmax and a rank.

use crate::engine::any_rank::AnyRank;
use crate::engine::host::earth_mover::EarthMover;
use crate::engine::rows::RowSpec;
use crate::engine::values::AnyTarget;
use crate::loss::Evaluate;
use crate::loss::call::{Call, LossOutput};
use crate::loss::classes::{Options, check_classes};
use crate::loss::rows::evaluate;
use crate::losses::classification::{SOFTMAX_INSIDE, class_lints};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::reduction::Reduction;
use crate::spec::row::RowTarget;
use crate::targets::{ClassAxisTarget, ClassIds};
use crate::validate::check::Check;
use crate::validate::error::{Lint, LossError};
use alloc::sync::Arc;
use alloc::vec::Vec;
use burn::tensor::Tensor;

loss_config! {
    /// Configuration of [`EarthMoverLoss`].
    pub struct EarthMoverLossConfig {
        /// The axis of the input that holds the ranks.
        pub class_axis: usize where CLASS_AXIS = 1,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The squared earth mover's distance of logits and ranks: how far the cumulative probabilities of the softmax are from
/// those of the true rank.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/earth_mover.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// p        = softmax(x) along the class axis, of K ranks
/// F[k]     = sum over j up to k of p[j]
/// t[k]     = 1 where y <= k, else 0
/// loss     = sum over k of (F[k] - t[k])^2
/// gradient = p[c] (g[c] - sum over j of p[j] g[j]),  g[c] = 2 sum over k from c on of (F[k] - t[k])
/// ```
///
/// </details>
///
/// # Character
///
/// For classes that have an order. Probability at a wrong rank costs the more the further it must be moved to the true
/// one, so what is nearly right costs little, which [`CrossEntropyLoss`](crate::classification::CrossEntropyLoss) does
/// not know. It is a score that is least for the true probabilities, the ranked probability score. **The last layer is
/// linear, with an output for each of the K ranks and no softmax**: a classifier stays as it is, and its prediction is
/// the most probable rank, or the median. The loss is at most K - 1, and a sample whose softmax is sure of a wrong rank
/// has hardly a gradient. Train with cross-entropy first, or add it, where the start is slow.
/// [`CoralLoss`](crate::ordinal::CoralLoss) and [`CornLoss`](crate::ordinal::CornLoss) have no such end, but need another
/// last layer.
///
/// Only the order of the ranks counts: all neighbours are equally far apart. Both ends are summed from their own side, so
/// that a loss that is nearly 0 keeps its digits. On a GPU it runs as tensor operations.
///
/// # Target
///
/// **Ranks from 0 to K - 1: an `Int` tensor without the class axis**, as the class ids of cross-entropy. The usual
/// mistake is classes whose numbers are in no order, as those of names in alphabetical order are: nothing can see it. Ids
/// from 1 are an error when the last rank occurs. [`lint`](crate::Loss::lint) tells a softmax that the model applied
/// already, and ranks that are all the same.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// // Two samples, four ranks.
/// let logits = Tensor::<2>::from_data([[0., 2., 1., 0.], [1., 0., 0., 2.]], &device);
/// let targets = Tensor::<1, Int>::from_data([1, 3], &device);
///
/// let value = EarthMoverLoss::new().forward(logits.clone(), targets);
/// assert!((value.into_scalar::<f32>() - 0.202277).abs() < 1e-5);
///
/// // The more ranks the true one is off, the more it costs.
/// let targets = Tensor::<1, Int>::from_data([3, 1], &device);
/// let value = EarthMoverLoss::new().forward(logits, targets);
/// assert!((value.into_scalar::<f32>() - 1.115758).abs() < 1e-5);
/// ```
///
/// # Shapes
///
/// * logits: `[N, K]`, `[N, K, d1, ..]`, rank 2 to 6; the ranks on axis 1 or `class_axis`
/// * targets: ids in that shape without the class axis
/// * unreduced: the logits' shape without the class axis
///
/// # Errors
///
/// * A target of another shape; the text says which class axis would fit.
/// * An id that is not a rank, with its index, and whether ids seem to start at 1.
/// * A single rank, for which the loss is always 0.
/// * A float type that the device cannot compute with.
/// * In `init`: a `class_axis` of 0.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid target makes loss and gradient NaN. No rank is
/// ignored: leave samples out by a mask in [`forward_weighted`](crate::Loss::forward_weighted).
///
/// # Other libraries
///
/// dlordinal's `EMDLoss(K)`, with the same mean over samples: neither divides by the number of ranks. Others do, or take
/// a root, as for the scores of photographs in NIMA. `scipy.stats.wasserstein_distance` of the ranks is the sum of the
/// differences, not of their squares.
///
/// # Reference
///
/// Hou et al., *Squared Earth Mover's Distance-based Loss for Training Deep Neural Networks*, 2016,
/// [arXiv:1611.05916](https://arxiv.org/abs/1611.05916).
#[doc(alias = "EMD")]
#[doc(alias = "EMDLoss")]
#[doc(alias = "ranked probability score")]
#[doc(alias = "RPS")]
#[doc(alias = "Wasserstein")]
#[doc(alias = "ordinal regression")]
#[derive(Clone, Debug)]
pub struct EarthMoverLoss {
    config: EarthMoverLossConfig,
}

loss_module!(EarthMoverLoss, EarthMoverLossConfig, Loss [logits, targets]);

impl EarthMoverLoss {
    fn options(&self) -> Options<'_> {
        Options::new(Self::NAME, self.config.class_axis)
    }

    fn losses(
        &self,
        logits: AnyRank,
        targets: AnyTarget,
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let check = Check::new(Self::NAME, &logits.device(), call.waiting);
        check_classes(&check, &self.options(), "logits", &logits, &targets)?;
        let target = RowTarget::Class(targets.values, None);
        let spec = RowSpec::new(Arc::new(EarthMover), self.config.class_axis, target);
        evaluate(&check, spec, [logits], call)
    }
}

impl<const D: usize, T: ClassIds<D>> Evaluate<(Tensor<D>, T)> for EarthMoverLoss {
    type Unreduced = <T as ClassAxisTarget<D>>::PerSample;

    fn evaluate(
        &self,
        (logits, targets): (Tensor<D>, T),
        call: Call,
    ) -> Result<LossOutput, LossError> {
        self.losses(logits.into(), targets.erased(), call)
    }

    fn inspect(&self, (logits, targets): (Tensor<D>, T)) -> Vec<Lint> {
        let targets = targets.erased();
        class_lints(&self.options(), &logits.into(), targets, SOFTMAX_INSIDE)
    }
}
