//! Binary cross-entropy at each threshold between ranks, given that the one before is passed.

use super::ranks::{check_ranks, levels};
use crate::engine::any_rank::{AnyRank, in_context_of};
use crate::engine::dispatch::is_in_memory;
use crate::engine::elementwise::erase;
use crate::engine::host::thresholds::Thresholds;
use crate::engine::rows::RowSpec;
use crate::engine::shape::without;
use crate::engine::values::AnyTarget;
use crate::loss::Evaluate;
use crate::loss::call::{Call, LossOutput};
use crate::loss::formula::LossFormula;
use crate::loss::rows::evaluate;
use crate::losses::classification::{BceWithLogits, single_class};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::losses::sided_logit::SidedLogit;
use crate::spec::reduction::Reduction;
use crate::spec::row::RowTarget;
use crate::spec::rule::Rule;
use crate::targets::{AnyOperand, ClassAxisTarget, ClassIds};
use crate::validate::check::Check;
use crate::validate::error::{Lint, LossError};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use burn::tensor::Tensor;

loss_config! {
    /// Configuration of [`CornLoss`].
    pub struct CornLossConfig {
        /// The axis of the input that holds the thresholds.
        pub class_axis: usize where CLASS_AXIS = 1,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The CORN loss of logits and ranks: binary cross-entropy at each threshold between neighbouring ranks, of the samples
/// that pass the threshold before.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/corn.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// p[k]     = 1 / (1 + exp(-x[k]))         that the rank is above k if it is above k - 1, for k from 0 to K - 2 of K ranks
/// t[k]     = 1 where y > k, else 0
/// loss     = sum over the k up to y of -t[k] ln p[k] - (1 - t[k]) ln(1 - p[k])
///            Mean = sum of the losses / sum over the samples of the number of those k, which is min(y + 1, K - 1)
/// gradient = p[k] - t[k] for the k up to y, else 0
/// ```
///
/// </details>
///
/// # Character
///
/// For classes that have an order, by a chain of questions: is the rank above 0? If so, is it above 1? What a sample's
/// rank does not reach says nothing about the later ones. **The last layer is linear with K - 1 outputs, one for each
/// threshold**, without a sigmoid and with weights of their own, unlike that of [`CoralLoss`](crate::ordinal::CoralLoss).
/// Still no prediction contradicts itself: the probability to pass a threshold is the product of the sigmoids up to it,
/// which falls whatever they are. [`ordinal::conditional_rank`](crate::ordinal::conditional_rank) makes ranks of the
/// logits by these products. The late thresholds learn from few samples where high ranks are rare.
///
/// `Mean` divides by the pairs of a sample and a threshold that count, not by the samples: a high rank asks more
/// questions and has more weight. `BatchMean` divides by the samples. [`forward_parts`](crate::Loss::forward_parts) gives
/// those pairs, so that the mean over several batches is exact.
///
/// # Target
///
/// **Ranks from 0 to K - 1: an `Int` tensor without the axis of the thresholds**, `[N]` for logits `[N, K - 1]`. The
/// usual mistakes: a last layer of K outputs, which is for K + 1 ranks and no error; ranks from 1, an error where the
/// last one occurs; and [`ordinal::rank`](crate::ordinal::rank) for the predictions, which takes the logits for those of
/// CORAL and is too high. [`lint`](crate::Loss::lint) reports ranks that are all the same.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use burn_losses::{ordinal, prelude::*};
///
/// let device = Device::flex();
/// // Three samples, four ranks: two questions, one, and three.
/// let logits = [[1., 0.5, 2.], [-1., 0., 0.], [2., 1.5, 1.]];
/// let logits = Tensor::<2>::from_data(logits, &device);
/// let targets = Tensor::<1, Int>::from_data([1, 0, 3], &device);
///
/// let value = CornLoss::new().forward(logits.clone(), targets.clone());
/// assert!((value.into_scalar::<f32>() - 0.373701).abs() < 1e-5);
///
/// // Over the three samples, not over the six questions.
/// let loss = CornLossConfig::new().with_reduction(Reduction::BatchMean).init();
/// let value = loss.forward(logits.clone(), targets);
/// assert!((value.into_scalar::<f32>() - 0.747401).abs() < 1e-5);
///
/// let ranks = ordinal::conditional_rank(logits, 1).into_data();
/// assert_eq!(ranks.iter::<i64>().collect::<Vec<_>>(), [1, 0, 3]);
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
/// * No threshold.
/// * A float type that the device cannot compute with.
/// * In `init`: a `class_axis` of 0.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid rank makes loss and gradient NaN. No rank is
/// ignored: leave samples out by a mask in [`forward_weighted`](crate::Loss::forward_weighted).
///
/// # Other libraries
///
/// `coral_pytorch.losses.corn_loss(x, y, K)`, with the same divisor, and `corn_label_from_logits` for the ranks.
/// dlordinal's `CORNLoss(K)` is the same. In both, ids are not checked: one of K or more counts as the last rank, a
/// negative one not at all, and an empty batch is a division by zero (here 0). Neither has another reduction.
///
/// # Reference
///
/// Shi et al., *Deep Neural Networks for Rank-Consistent Ordinal Regression Based On Conditional Probabilities*, 2021,
/// [arXiv:2111.08851](https://arxiv.org/abs/2111.08851).
#[doc(alias = "ordinal regression")]
#[doc(alias = "corn_loss")]
#[doc(alias = "continuation ratio")]
#[doc(alias = "rank consistent")]
#[derive(Clone, Debug)]
pub struct CornLoss {
    config: CornLossConfig,
}

loss_module!(CornLoss, CornLossConfig, Loss [logits, targets]);

/// What stands for "not passed" is 0, for "passed" 1, and for a threshold that says nothing of a sample 2.
const UNUSED: f64 = 2.0;

static CONDITIONAL: LossFormula<2> = LossFormula::with_slopes(
    |[x, level]| {
        let passed = SidedLogit::new(x, level).cross_entropy();
        level.equals(UNUSED).select(0.0, passed)
    },
    |[x, level]| {
        let logit = SidedLogit::new(x, level);
        [logit.back(logit.excess()), -x].map(|slope| level.equals(UNUSED).select(0.0, slope))
    },
);

impl CornLoss {
    fn losses(
        &self,
        logits: AnyRank,
        targets: AnyTarget,
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let (shape, axis, dtype) = (logits.shape(), self.config.class_axis, logits.dtype());
        let device = logits.device();
        let check = Check::new(Self::NAME, &device, call.waiting);
        check_ranks(&check, &logits, &targets, axis)?;
        if is_in_memory(&device) {
            let thresholds = shape[axis];
            let definition = BceWithLogits {
                label_smoothing: 0.0,
            };
            let each = erase::<_, 2, 1>(definition);
            let loss = Thresholds::new(each, vec![1.0; thresholds], true);
            let asked = (0..=thresholds).map(|rank| thresholds.min(rank + 1) as f64);
            let target = RowTarget::Rank(targets.values, Some(asked.collect()));
            let spec = RowSpec::new(Arc::new(loss), axis, target);
            return evaluate(&check, spec, [logits], call);
        }
        let levels = levels(&check, &logits, targets.values, axis)?;
        let unused = levels.reached.equal_scalar(0.0);
        let above = AnyRank::from(levels.above.mask_fill(unused, UNUSED));
        let above = if logits.is_empty() {
            logits.clone().inner()
        } else {
            above.shaped(shape.clone())
        };
        let operands = [logits, above].map(AnyOperand::Numbers);
        let formula = CONDITIONAL
            .of(["logits", "targets"])
            .rule(1, Rule::between(0.0, UNUSED), "");
        if call.undivided().is_none() {
            return formula.evaluate(Self::NAME, operands, call.summed(axis));
        }
        let of_samples = without(&shape, axis);
        let call = call.within_range(&check, &of_samples, &device, dtype)?;
        let undivided = call.undivided().expect("as before");
        let sum = formula.evaluate(Self::NAME, operands, undivided.summed(axis))?;
        let pairs = call.weighted_sum(&check, levels.pairs, &of_samples)?;
        let none = pairs.clone().equal_scalar(0.0);
        let divisor = if call.is_mean() {
            pairs.mask_fill(none, 1.0)
        } else {
            pairs
        };
        Ok(call.divided(sum, in_context_of(divisor, &device), dtype))
    }
}

impl<const D: usize, T: ClassIds<D>> Evaluate<(Tensor<D>, T)> for CornLoss {
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
