//! Binary cross-entropy at each threshold between ranks.

use super::ranks::{check_ranks, levels};
use crate::engine::any_rank::AnyRank;
use crate::engine::dispatch::is_in_memory;
use crate::engine::elementwise::erase;
use crate::engine::host::thresholds::Thresholds;
use crate::engine::portable::tensors::flat;
use crate::engine::rows::RowSpec;
use crate::engine::shape::layers;
use crate::engine::values::{AnyTarget, FlatValues};
use crate::loss::Evaluate;
use crate::loss::call::{Call, LossOutput};
use crate::loss::elementwise::{ElementwiseCall, OtherOperands};
use crate::loss::labels::label;
use crate::loss::rows::evaluate;
use crate::losses::classification::{BceWithLogits, single_class};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::operand::PerClass;
use crate::spec::reduction::Reduction;
use crate::spec::row::RowTarget;
use crate::targets::{ClassAxisTarget, ClassIds};
use crate::validate::check::Check;
use crate::validate::error::{Lint, LossError};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use burn::tensor::Tensor;

loss_config! {
    /// Configuration of [`CoralLoss`].
    pub struct CoralLossConfig {
        /// What the loss at each threshold is multiplied by: finite, at least 0.
        pub importance_weights: Option<Vec<f64>> where NOT_NEGATIVE = None,
        /// The axis of the input that holds the thresholds.
        pub class_axis: usize where CLASS_AXIS = 1,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The CORAL loss of logits and ranks: binary cross-entropy at each threshold between neighbouring ranks, summed.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/coral.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// p[k]     = 1 / (1 + exp(-x[k]))                     that the rank is above k, for k from 0 to K - 2 of K ranks
/// t[k]     = 1 where y > k, else 0
/// loss     = sum over k of i[k] (-t[k] ln p[k] - (1 - t[k]) ln(1 - p[k]))
///            Mean = sum of the losses / number of samples, whatever the weights
/// gradient = i[k] (p[k] - t[k])
/// i: `importance_weights` of the thresholds (1 without)
/// ```
///
/// </details>
///
/// # Character
///
/// For classes that have an order: grades, ages in years, stages of a disease. Each threshold is asked whether the rank
/// is above it, so a prediction that is off by two ranks costs about twice what one that is off by one does, which
/// [`CrossEntropyLoss`](crate::classification::CrossEntropyLoss) does not know. **The last layer has an output for each
/// of the K - 1 thresholds**, without a sigmoid. In CORAL they are one score of the model, from a linear layer with one
/// output and without a bias, plus a bias for each threshold. Then the probabilities fall from threshold to threshold and
/// never contradict each other once the biases are in order, and the model learns little besides one direction. Start the
/// biases in falling order. A linear layer with K - 1 outputs is freer and works with this loss too, but may contradict
/// itself: [`CornLoss`](crate::ordinal::CornLoss) cannot.
///
/// [`ordinal::rank`](crate::ordinal::rank) makes ranks of the logits: it counts the thresholds that are more probably
/// passed than not. `importance_weights` make up for thresholds that few samples pass.
///
/// # Target
///
/// **Ranks from 0 to K - 1: an `Int` tensor without the axis of the thresholds**, `[N]` for logits `[N, K - 1]`. They
/// become zeros and ones inside; there are no rows of levels to make. The usual mistake is a last layer of K outputs, as
/// for cross-entropy. It is no error, as K outputs are for K + 1 ranks, of which the last never occurs. The other is
/// ranks from 1, which is an error where the last one occurs. [`lint`](crate::Loss::lint) reports ranks that are all the
/// same.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use burn_losses::{ordinal, prelude::*};
///
/// let device = Device::flex();
/// // Three samples, four ranks.
/// let logits = [[3., 1., -2.], [-1., -2., -4.], [2., 1., 0.5]];
/// let logits = Tensor::<2>::from_data(logits, &device);
/// let targets = Tensor::<1, Int>::from_data([2, 0, 3], &device);
///
/// let value = CoralLoss::new().forward(logits.clone(), targets.clone());
/// assert!((value.into_scalar::<f32>() - 0.620461).abs() < 1e-5);
///
/// // The last threshold counts twice.
/// let loss = CoralLossConfig::new().with_importance_weights(Some(vec![1.0, 1.0, 2.0])).init();
/// let value = loss.forward(logits.clone(), targets);
/// assert!((value.into_scalar::<f32>() - 0.826846).abs() < 1e-5);
///
/// let ranks = ordinal::rank(logits, 1).into_data();
/// assert_eq!(ranks.iter::<i64>().collect::<Vec<_>>(), [2, 0, 3]);
/// ```
///
/// # Shapes
///
/// * logits: `[N, K - 1]`, `[N, K - 1, d1, ..]`, rank 2 to 6; the thresholds on axis 1 or `class_axis`
/// * targets: ranks in that shape without the axis of the thresholds
/// * unreduced: that shape without the axis of the thresholds
///
/// # Errors
///
/// * A target of another shape, or on another device.
/// * A rank that is not from 0 to the number of thresholds, with its index.
/// * No threshold; `importance_weights` that are not one per threshold.
/// * A float type that the device cannot compute with.
/// * In `init`: an importance that is negative or not finite, a `class_axis` of 0.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid rank makes loss and gradient NaN. No rank is
/// ignored: leave samples out by a mask in [`forward_weighted`](crate::Loss::forward_weighted).
///
/// # Other libraries
///
/// `coral_pytorch.losses.coral_loss(x, levels, importance_weights)`, with `levels_from_labelbatch(y, K)` as the levels;
/// its mean is over samples too. Its `CoralLayer` is the last layer, whose biases start from 1 down to `1 / (K - 1)`, and
/// its `proba_to_label` is [`ordinal::rank`](crate::ordinal::rank) of probabilities. PyTorch's `BCEWithLogitsLoss` of the
/// levels is this loss over K - 1, as it averages over the thresholds.
///
/// # Reference
///
/// Cao et al., *Rank consistent ordinal regression for neural networks with application to age estimation*, 2019,
/// [arXiv:1901.07884](https://arxiv.org/abs/1901.07884).
#[doc(alias = "ordinal regression")]
#[doc(alias = "coral_loss")]
#[doc(alias = "extended binary classification")]
#[doc(alias = "rank consistent")]
#[derive(Clone, Debug)]
pub struct CoralLoss {
    config: CoralLossConfig,
}

loss_module!(CoralLoss, CoralLossConfig, Loss [logits, targets]);

impl CoralLoss {
    fn losses(
        &self,
        logits: AnyRank,
        targets: AnyTarget,
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let (shape, axis) = (logits.shape(), self.config.class_axis);
        let check = Check::new(Self::NAME, &logits.device(), call.waiting);
        check_ranks(&check, &logits, &targets, axis)?;
        let weights = self.config.importance_weights.as_ref();
        check.class_weights("importance_weights", weights, shape[axis], false)?;
        check.holds_all(
            logits.dtype(),
            "importance_weights",
            weights.map_or(&[], |of| of),
        )?;
        let definition = BceWithLogits {
            label_smoothing: 0.0,
        };
        if is_in_memory(&logits.device()) {
            let importance = weights.cloned();
            let importance = importance.unwrap_or_else(|| vec![1.0; shape[axis]]);
            let loss = Thresholds::new(erase::<_, 2, 1>(definition), importance, false);
            let target = RowTarget::Rank(targets.values, None);
            let spec = RowSpec::new(Arc::new(loss), axis, target);
            return evaluate(&check, spec, [logits], call);
        }
        let levels = levels(&check, &logits, targets.values, axis)?;
        let inner = layers(&shape, axis)[2];
        let weights = weights.map(|weights| PerClass::new(weights.clone(), inner));
        let levels = OtherOperands::flat(FlatValues::Float(flat(levels.above)));
        ElementwiseCall {
            weights,
            ..ElementwiseCall::new(&check, definition, levels, [None, Some(label())])
        }
        .evaluate([logits], call.averaged(axis, shape[axis]))
    }
}

impl<const D: usize, T: ClassIds<D>> Evaluate<(Tensor<D>, T)> for CoralLoss {
    type Unreduced = <T as ClassAxisTarget<D>>::PerSample;

    fn evaluate(
        &self,
        (logits, targets): (Tensor<D>, T),
        call: Call,
    ) -> Result<LossOutput, LossError> {
        self.losses(logits.into(), targets.erased(), call)
    }

    fn inspect(&self, (_, targets): (Tensor<D>, T)) -> Vec<Lint> {
        Vec::from_iter(single_class(Self::NAME, targets.erased(), &[]))
    }
}
