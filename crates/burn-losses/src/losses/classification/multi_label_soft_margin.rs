//! The binary cross-entropy of several labels, averaged over the classes.

use super::bce::class_factors;
use super::bce_with_logits::{BceWithLogits, sigmoid_left};
use super::lints::single_label;
use crate::engine::any_rank::AnyRank;
use crate::engine::shape::layers;
use crate::engine::values::AnyTarget;
use crate::loss::Evaluate;
use crate::loss::call::{Call, LossOutput};
use crate::loss::elementwise::{ElementwiseCall, OtherOperands};
use crate::loss::labels::label;
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::operand::PerClass;
use crate::spec::reduction::Reduction;
use crate::targets::BinaryTarget;
use crate::targets::rank::LowerRank;
use crate::validate::check::Check;
use crate::validate::error::{Lint, LossError};
use alloc::vec;
use alloc::vec::Vec;
use burn::tensor::Tensor;

loss_config! {
    /// Configuration of [`MultiLabelSoftMarginLoss`].
    pub struct MultiLabelSoftMarginLossConfig {
        /// A weight for each class: finite, at least 0.
        pub weights: Option<Vec<f64>> where NOT_NEGATIVE = None,
        /// The axis of the logits that holds the classes.
        pub class_axis: usize where CLASS_AXIS = 1,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The binary cross-entropy of each class from its logit, averaged over the classes of a sample.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/multi_label_soft_margin.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// p        = 1 / (1 + exp(-x))
/// loss     = -sum over c of w[c] (y[c] ln p[c] + (1 - y[c]) ln(1 - p[c])) / C
/// gradient = w[c] (p[c] - y[c]) / C
/// w: `weights` of the classes (1 without)
/// ```
///
/// </details>
///
/// # Character
///
/// For samples that have any number of labels: each class is a question of its own, yes or no. It is
/// [`BceWithLogitsLoss`](crate::classification::BceWithLogitsLoss) with one number for each sample instead of one for
/// each class, so samples can be weighted and compared; the mean over a batch is the same. Rare labels
/// drown in the many noes: weight the classes, or use `pos_weights` there.
///
/// The model gives **logits**: its last layer is linear, without a sigmoid.
///
/// # Target
///
/// **A label for each class of each sample, from 0 (no) to 1 (yes), in the shape of the logits**: a
/// multi-hot row, as float, `Int` or `Bool`. With four classes, labels 0 and 3 are `[1, 0, 0, 1]`. The
/// usual mistake is a list of ids, `[0, 3, -1, -1]`, which is what
/// [`MultiLabelMarginLoss`](crate::classification::MultiLabelMarginLoss) takes; here it is an error, and
/// [`target::multi_hot`](crate::target::multi_hot) converts it. Class ids become rows by
/// [`target::one_hot`](crate::target::one_hot).
///
/// Burn's metric `HammingScore` takes probabilities: of these logits it needs `.with_sigmoid(true)`.
///
/// # Example
///
/// ```
/// use burn::tensor::{Bool, Device, Int, Tensor};
/// use burn_losses::{prelude::*, target};
///
/// let device = Device::flex();
/// let logits = Tensor::<2>::from_data([[2.0, -1.0, 0.0], [0.0, 0.0, 3.0]], &device);
/// let targets = [[true, false, false], [false, false, true]];
/// let targets = Tensor::<2, Bool>::from_data(targets, &device);
///
/// let loss = MultiLabelSoftMarginLoss::new();
/// let each = loss.forward_no_reduction(logits.clone(), targets);
/// let expected = [(0.126928 + 0.313262 + 0.693147) / 3.0, (2.0 * 0.693147 + 0.048587) / 3.0];
/// each.into_data().assert_approx_eq::<f32>(&expected.into(), Default::default());
///
/// // From lists of ids.
/// let ids = Tensor::<2, Int>::from_data([[0, -1, -1], [2, -1, -1]], &device);
/// assert!(loss.try_forward(logits.clone(), ids.clone()).is_err());
/// let value = loss.forward(logits, target::multi_hot(ids, 1));
/// assert!((value.into_scalar::<f32>() - (expected[0] + expected[1]) / 2.0).abs() < 1e-5);
/// ```
///
/// # Shapes
///
/// * logits and targets: the same shape, of rank 2 to 6; the classes on axis 1 or `class_axis`
/// * unreduced: that shape without the class axis
///
/// # Errors
///
/// * Shapes or devices that differ: nothing is broadcast.
/// * A label that is not from 0 to 1; it says whether the target looks like signs or ids.
/// * A target that is tracked by autodiff. Weights that are neither one nor one per class.
/// * A float type that the device cannot compute with.
/// * In `init`: bad weights, a `class_axis` of 0.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid label makes the loss of its
/// sample NaN, and the gradient of its element.
///
/// # PyTorch
///
/// `torch.nn.MultiLabelSoftMarginLoss`, with the same defaults, for `[N, C]`. With more axes PyTorch
/// averages over the last one; here the classes are on axis 1 or `class_axis`. PyTorch does not check
/// labels, broadcasts, takes a single sample `[C]` and a tracked target, and gives NaN for the mean of an
/// empty batch, where this loss gives 0.
#[doc(alias = "MultilabelSoftMarginLoss")]
#[doc(alias = "multi-label")]
#[doc(alias = "multi-hot")]
#[derive(Clone, Debug)]
pub struct MultiLabelSoftMarginLoss {
    config: MultiLabelSoftMarginLossConfig,
}

loss_module!(
    MultiLabelSoftMarginLoss,
    MultiLabelSoftMarginLossConfig,
    Loss [logits, targets]
);

impl MultiLabelSoftMarginLoss {
    /// The losses, also for a rank of which the compiler does not know that there is one below.
    pub(super) fn losses(
        &self,
        logits: AnyRank,
        targets: AnyTarget,
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let (shape, axis) = (logits.shape(), self.config.class_axis);
        let check = Check::new(Self::NAME, &logits.device(), call.waiting);
        check.target_per_element("logits", &logits, &targets)?;
        check.class_axis(axis, &shape)?;
        let weights = class_factors(
            &check,
            ("weights", &self.config.weights),
            &shape,
            logits.dtype(),
            axis,
        )?;
        let classes = shape[axis].max(1);
        let weights = weights.map_or(vec![1.0], |weights| weights.numbers);
        let shares = weights.iter().map(|weight| weight / classes as f64);
        let definition = BceWithLogits {
            label_smoothing: 0.0,
        };
        let required = [None, Some(label())];
        ElementwiseCall {
            weights: Some(PerClass::new(shares.collect(), layers(&shape, axis)[2])),
            ..ElementwiseCall::new(
                &check,
                definition,
                OtherOperands::flat(targets.values),
                required,
            )
        }
        .evaluate([logits], call.averaged(axis, classes))
    }
}

impl<const D: usize, T: BinaryTarget<D>> Evaluate<(Tensor<D>, T)> for MultiLabelSoftMarginLoss
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

    fn inspect(&self, (logits, targets): (Tensor<D>, T)) -> Vec<Lint> {
        lints(&logits.into(), targets.erased())
    }
}

fn lints(logits: &AnyRank, targets: AnyTarget) -> Vec<Lint> {
    let mut lints = Vec::from_iter(single_label(MultiLabelSoftMarginLoss::NAME, targets));
    lints.extend(sigmoid_left(MultiLabelSoftMarginLoss::NAME, logits, ""));
    lints
}
