//! The hinge loss of the class against each other one.

use super::lints::{MARGIN_OF_LOGITS, class_lints};
use crate::engine::any_rank::AnyRank;
use crate::engine::rows::{RowSpec, erase_rows};
use crate::engine::values::AnyTarget;
use crate::loss::Evaluate;
use crate::loss::call::{Call, LossOutput};
use crate::loss::classes::{Options, check_classes};
use crate::loss::rows::evaluate;
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::margin::ClassMargins;
use crate::spec::reduction::Reduction;
use crate::spec::row::RowTarget;
use crate::targets::{ClassAxisTarget, ClassIds};
use crate::validate::check::Check;
use crate::validate::error::{Lint, LossError};
use alloc::vec::Vec;
use burn::tensor::Tensor;

loss_config! {
    /// Configuration of [`MultiMarginLoss`].
    pub struct MultiMarginLossConfig {
        /// The power of the hinge: 1 or 2.
        pub p: usize where ONE_OR_TWO = 1,
        /// By how much the logit of the class should at least be larger than each other one.
        pub margin: f64 where FINITE = 1.0,
        /// A weight for each class: finite, at least 0.
        pub weights: Option<Vec<f64>> where NOT_NEGATIVE = None,
        /// The axis of the logits that holds the classes.
        pub class_axis: usize where CLASS_AXIS = 1,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The hinge loss of a class: its logit should lead each other one by a margin.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/multi_margin.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// gap[c]   = margin - x[y] + x[c]                     for the classes c other than y
/// loss     = w[y] sum over c of max(0, gap[c])^p / C
/// gradient = w[y] p max(0, gap[c])^(p - 1) / C        at class c where gap[c] > 0, else 0
///            less the sum of those                    at class y
/// w: `weights` of the classes (1 without)
/// ```
///
/// </details>
///
/// # Character
///
/// A support vector machine for several classes. Once the class leads all others by the margin a sample
/// costs nothing and has no gradient, so training looks at the samples near the border; the logits stay
/// small, and say which class but not how probably. Where probabilities are wanted, or labels are
/// partly wrong and their mistakes should not rule, [`CrossEntropyLoss`](crate::classification::CrossEntropyLoss) is the
/// usual choice. `p = 2` is smooth and punishes a large gap more.
///
/// The last layer is linear, without a softmax: the margin has the unit of the logits.
///
/// # Target
///
/// **The id of each sample's class, as `Int`, in the shape of the logits without the class axis**:
/// `[N]` for `[N, C]`, just as for [`CrossEntropyLoss`](crate::classification::CrossEntropyLoss). The usual mistakes are
/// one-hot rows, which do not compile here ([`target::class_ids`](crate::target::class_ids) converts
/// them), and to take this loss for several labels at once: that is
/// [`MultiLabelMarginLoss`](crate::classification::MultiLabelMarginLoss). No id is ignored; leave a sample out by
/// weight 0 in [`forward_weighted`](crate::Loss::forward_weighted).
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// // Two samples, four classes, and the class of each sample.
/// let logits = [[0.1, 0.2, 0.4, 0.8], [2.0, 0.0, 0.0, 0.0]];
/// let logits = Tensor::<2>::from_data(logits, &device);
/// let targets = Tensor::<1, Int>::from_data([3, 0], &device);
///
/// let loss = MultiMarginLoss::new(); // margin 1
/// let each = loss.forward_no_reduction(logits.clone(), targets.clone());
/// let expected = (0.3 + 0.4 + 0.6) / 4.0; // the second sample leads by more than the margin
/// each.into_data().assert_approx_eq::<f32>(&[expected, 0.0].into(), Default::default());
///
/// let error = loss.try_forward(logits, targets + 1).unwrap_err();
/// assert!(error.to_string().contains("target 4 at index [0] is not a class id"));
/// ```
///
/// # Shapes
///
/// * logits: `[N, C]`, `[N, C, d1, ..]`, rank 2 to 6; the classes on axis 1 or `class_axis`
/// * targets: ids in that shape without the class axis
/// * unreduced: the shape of the targets
///
/// # Errors
///
/// * Shapes or devices that differ, and fewer than two classes.
/// * An id that is not a class.
/// * Weights that are not one per class.
/// * A float type that the device cannot compute with.
/// * In `init`: a `p` other than 1 and 2, a margin that is not finite, bad weights, a `class_axis` of 0.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid id makes the loss and the
/// gradient row of its sample NaN, and no other's.
///
/// # PyTorch
///
/// `torch.nn.MultiMarginLoss`, with the same defaults; there, too, the mean divides by the number of
/// samples and not by their weights. PyTorch takes `[N, C]` and a single sample `[C]`; here there may be
/// more axes, and a sample needs a batch axis. The mean of an empty batch is whatever was in memory there, and 0 here.
///
/// # Reference
///
/// Crammer and Singer, *On the Algorithmic Implementation of Multiclass Kernel-based Vector Machines*,
/// JMLR 2, 2001, count the largest gap only; the sum over all classes is from Weston and Watkins,
/// *Support Vector Machines for Multi-Class Pattern Recognition*, ESANN 1999.
#[doc(alias = "multiclass hinge")]
#[doc(alias = "SVM")]
#[derive(Clone, Debug)]
pub struct MultiMarginLoss {
    config: MultiMarginLossConfig,
}

loss_module!(MultiMarginLoss, MultiMarginLossConfig, Loss [logits, targets]);

impl MultiMarginLoss {
    pub(super) fn options(&self) -> Options<'_> {
        Options {
            weights: self.config.weights.as_ref(),
            ..Options::new(Self::NAME, self.config.class_axis)
        }
    }

    pub(super) fn losses(
        &self,
        logits: AnyRank,
        targets: AnyTarget,
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let check = Check::new(Self::NAME, &logits.device(), call.waiting);
        check_classes(&check, &self.options(), "logits", &logits, &targets)?;
        let dtype = logits.dtype();
        check.holds(dtype, "margin", self.config.margin)?;
        check.holds_all(
            dtype,
            "weights",
            self.config.weights.as_deref().unwrap_or_default(),
        )?;
        let MultiMarginLossConfig {
            p,
            margin,
            class_axis,
            ..
        } = self.config;
        let loss = match p {
            1 => erase_rows(ClassMargins::<false> { margin }),
            _ => erase_rows(ClassMargins::<true> { margin }),
        };
        let target = RowTarget::Class(targets.values, self.config.weights.clone());
        evaluate(
            &check,
            RowSpec::new(loss, class_axis, target),
            [logits],
            call,
        )
    }
}

impl<const D: usize, T: ClassIds<D>> Evaluate<(Tensor<D>, T)> for MultiMarginLoss {
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
        class_lints(&self.options(), &logits.into(), targets, MARGIN_OF_LOGITS)
    }
}
