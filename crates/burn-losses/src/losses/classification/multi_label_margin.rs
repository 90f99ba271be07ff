//! The hinge loss of each label against each class that is none.

use crate::engine::any_rank::AnyRank;
use crate::engine::rows::{RowSpec, erase_pairs};
use crate::engine::values::AnyTarget;
use crate::loss::Evaluate;
use crate::loss::call::{Call, LossOutput};
use crate::loss::rows::evaluate;
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::margin::LabelMargins;
use crate::spec::reduction::Reduction;
use crate::spec::row::RowTarget;
use crate::targets::LabelIds;
use crate::targets::rank::LowerRank;
use crate::validate::check::{Check, dims, integers};
use crate::validate::error::{Lint, LossError, LossErrorKind};
use alloc::vec::Vec;
use alloc::{format, vec};
use burn::tensor::Tensor;

loss_config! {
    /// Configuration of [`MultiLabelMarginLoss`].
    pub struct MultiLabelMarginLossConfig {
        /// The axis of logits and targets that holds the classes.
        pub class_axis: usize where CLASS_AXIS = 1,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The hinge loss of several labels: the logit of each should lead that of each other class by 1.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/multi_label_margin.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// gap[j, c] = 1 - x[j] + x[c]                for each label j and each class c that is no label
/// loss      = sum over j, c of max(0, gap[j, c]) / C
/// gradient  = (labels with gap[j, c] > 0) / C         at class c
///             -(classes c with gap[j, c] > 0) / C     at label j
/// ```
///
/// </details>
///
/// # Character
///
/// For samples that have any number of labels, where what matters is that the labels come before the
/// other classes: tags that are proposed in order. It is a ranking within the sample, so there is no
/// threshold: a model trained with it says which class is likelier, not how many are right. For yes or no
/// of each class take [`MultiLabelSoftMarginLoss`](crate::classification::MultiLabelSoftMarginLoss) or
/// [`BceWithLogitsLoss`](crate::classification::BceWithLogitsLoss). A sample with one label is
/// [`MultiMarginLoss`](crate::classification::MultiMarginLoss). A sample without labels, or with all, costs nothing.
///
/// Its time grows with the number of labels times that of classes.
///
/// # Target
///
/// **The ids of each sample's labels, as `Int`, and then -1 to the end of the row**, in the shape of the
/// logits: with four classes, labels 3 and 0 are `[3, 0, -1, -1]`. The order of the labels does not
/// matter; each is there once. The usual mistake is a multi-hot row, `[1, 0, 0, 1]`, which is what
/// [`MultiLabelSoftMarginLoss`](crate::classification::MultiLabelSoftMarginLoss) takes. Read as ids that would be the
/// labels 0 and 1. As floats or `Bool` it does not compile here, and as `Int` it is an error, because the
/// ids repeat (of two classes they need not: then [`lint`](crate::Loss::lint) finds it); [`target::label_ids`](crate::target::label_ids) converts it. The other mistake is to pad
/// with 0 instead of -1.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use burn_losses::{prelude::*, target};
///
/// let device = Device::flex();
/// let logits = Tensor::<2>::from_data([[0.1, 0.2, 0.4, 0.8]], &device);
/// let targets = Tensor::<2, Int>::from_data([[3, 0, -1, -1]], &device);
///
/// let loss = MultiLabelMarginLoss::new();
/// let value = loss.forward(logits.clone(), targets);
/// // 3 against 1 and 2, then 0 against 1 and 2.
/// let expected = (0.4 + 0.6 + 1.1 + 1.3) / 4.0;
/// assert!((value.into_scalar::<f32>() - expected).abs() < 1e-5);
///
/// // From multi-hot rows.
/// let rows = Tensor::<2, Int>::from_data([[1, 0, 0, 1]], &device);
/// let value = loss.forward(logits.clone(), target::label_ids(rows.clone(), 1));
/// assert!((value.into_scalar::<f32>() - expected).abs() < 1e-5);
/// let error = loss.try_forward(logits, rows).unwrap_err();
/// assert!(error.to_string().contains("is in its row twice. These look like multi-hot rows"));
/// ```
///
/// # Shapes
///
/// * logits and targets: the same shape, of rank 2 to 6; the classes on axis 1 or `class_axis`
/// * unreduced: that shape without the class axis
///
/// # Errors
///
/// * Shapes or devices that differ, and fewer than two classes.
/// * An id that is neither a class nor -1, one that is in its row twice, or one after a -1.
/// * A float type that the device cannot compute with.
/// * In `init`: a `class_axis` of 0.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid row makes the loss and the
/// gradient row of its sample NaN, and no other's.
///
/// # PyTorch
///
/// `torch.nn.MultiLabelMarginLoss`, with the same default. PyTorch reads a row up to the first -1 and
/// passes over the ids after it; it counts a label that is there twice twice. It takes `[N, C]` and a
/// single sample `[C]`; here there may be more axes, and a sample needs a batch axis.
#[doc(alias = "MultilabelMarginLoss")]
#[doc(alias = "multi-label")]
#[derive(Clone, Debug)]
pub struct MultiLabelMarginLoss {
    config: MultiLabelMarginLossConfig,
}

loss_module!(MultiLabelMarginLoss, MultiLabelMarginLossConfig, Loss [logits, targets]);

impl MultiLabelMarginLoss {
    /// The losses, also for a rank of which the compiler does not know that there is one below.
    pub(super) fn losses(
        &self,
        logits: AnyRank,
        targets: AnyTarget,
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let axis = self.config.class_axis;
        let check = Check::new(Self::NAME, &logits.device(), call.waiting);
        check.target_per_element("logits", &logits, &targets)?;
        let shape = logits.shape();
        check.class_axis(axis, &shape)?;
        if shape[axis] < 2 {
            let message = format!(
                "logits {} has {} class along axis {axis}, so the loss is always 0.",
                dims(&shape),
                shape[axis]
            );
            return Err(check.error(LossErrorKind::Shape, message));
        }
        let target = RowTarget::Labels(targets.values);
        let spec = RowSpec::new(erase_pairs(LabelMargins), axis, target);
        evaluate(&check, spec, [logits], call)
    }
}

impl<const D: usize, T: LabelIds<D>> Evaluate<(Tensor<D>, T)> for MultiLabelMarginLoss
where
    Tensor<D>: LowerRank,
{
    type Unreduced = <Tensor<D> as LowerRank>::Lower;

    fn evaluate(
        &self,
        (logits, targets): (Tensor<D>, T),
        call: Call,
    ) -> Result<LossOutput, LossError> {
        self.losses(logits.into(), targets.erased(), call)
    }

    fn inspect(&self, (_, targets): (Tensor<D>, T)) -> Vec<Lint> {
        lints(targets.erased())
    }
}

fn lints(targets: AnyTarget) -> Vec<Lint> {
    let data = targets.values.integers().into_data();
    let (mut labels, mut ends) = (0, 0);
    integers(&data).for_each(|id| *(if id == -1 { &mut ends } else { &mut labels }) += 1);
    let (rule, message) = match (labels, ends) {
        (0, 1..) => ("no-labels", "no sample of the batch has a label"),
        (1.., 0) => (
            "all-labels",
            "every class is a label of every sample; or are these multi-hot rows, for \
             MultiLabelSoftMarginLoss",
        ),
        _ => return Vec::new(),
    };
    let lint = Lint {
        loss: MultiLabelMarginLoss::NAME,
        rule,
        message: format!("{message}: there is nothing to learn from it."),
    };
    vec![lint]
}
