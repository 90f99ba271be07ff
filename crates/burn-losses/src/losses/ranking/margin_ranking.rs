//! The hinge loss of the difference of two scores.

use crate::engine::any_rank::AnyRank;
use crate::engine::values::AnyTarget;
use crate::loss::Evaluate;
use crate::loss::call::{Call, LossOutput};
use crate::losses::config::loss_config;
use crate::losses::module::{loss_module, weight};
use crate::losses::signs::{single_sign, sweep_signs};
use crate::real::Real;
use crate::spec::elementwise::Elementwise;
use crate::spec::reduction::Reduction;
use crate::targets::SignTarget;
use crate::validate::check::Check;
use crate::validate::error::{Lint, LossError};
use alloc::vec::Vec;
use burn::tensor::Tensor;

loss_config! {
    /// Configuration of [`MarginRankingLoss`].
    pub struct MarginRankingLossConfig {
        /// By how much the better score should at least lead.
        pub margin: f64 where FINITE = 0.0,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The hinge loss of the difference of two scores, one of which should be higher.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/margin_ranking.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// loss     = max(0, -y (first - second) + margin)
/// gradient = -y for first and +y for second where the loss is positive, 0 elsewhere
/// ```
///
/// </details>
///
/// # Character
///
/// For an order that is learned from comparisons: one model with one linear output scores both
/// items. Only the difference counts, so scores have no zero point. A pair in the right order, by
/// the margin, does not count; any other pulls with the same force. **With the default margin of 0,
/// equal scores have loss 0 and gradient 0**, so a model that scores everything alike learns
/// nothing: set a positive margin. It also sets the scale of the scores.
///
/// # Target
///
/// **A sign for each pair, in the same shape**: +1 where the first score should be higher, -1 where
/// the second should; as floats or `Int`, or `Bool` with `true` for the first. The usual mistake is
/// labels 0 and 1; the error names [`target::signs`](crate::target::signs), which converts them.
/// The next is the direction, which no check can see: where rank 1 is the best, the *smaller* rank
/// needs the higher score. There is no sign for a tie: leave it out by a mask.
/// [`lint`](crate::TripleLoss::lint) reports signs that are all the same.
///
/// # Example
///
/// ```
/// use burn::tensor::{Bool, Device, Tensor};
/// use burn_losses::{prelude::*, target};
///
/// let device = Device::flex();
/// // The scores of three pairs of films, and how many stars they got.
/// let first = Tensor::<1>::from_data([0.9, 0.2, 0.5], &device);
/// let second = Tensor::<1>::from_data([0.1, 0.4, 0.4], &device);
/// let stars = Tensor::<1>::from_data([5., 2., 3.], &device);
/// let stars_of_second = Tensor::<1>::from_data([1., 4., 3.], &device);
///
/// // true where the first should be higher; and what is no tie.
/// let targets: Tensor<1, Bool> = stars.clone().greater(stars_of_second.clone());
/// let no_tie: Tensor<1, Bool> = stars.not_equal(stars_of_second);
///
/// // The second pair is in order, but by 0.2 instead of 0.5.
/// let loss = MarginRankingLossConfig::new().with_margin(0.5).init();
/// let value = loss.forward_weighted(first.clone(), second.clone(), targets, no_tie);
/// assert!((value.into_scalar::<f32>() - 0.3 / 2.0).abs() < 1e-5);
///
/// // Labels 0 and 1 are an error, until they are converted.
/// let labels = Tensor::<1>::from_data([1., 0., 1.], &device);
/// assert!(loss.try_forward(first.clone(), second.clone(), labels.clone()).is_err());
/// let value = loss.forward(first, second, target::signs(labels));
/// assert!((value.into_scalar::<f32>() - (0.3 + 0.4) / 3.0).abs() < 1e-5);
/// ```
///
/// # Shapes
///
/// * first, second and targets: the same shape, of any rank; usually `[N]`
/// * unreduced: that shape
///
/// # Errors
///
/// * Shapes or devices that differ: nothing is broadcast.
/// * A target other than -1 and +1; it says whether the target looks like labels.
/// * A target that is tracked by autodiff.
/// * In `init`: a margin that is not finite.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid sign makes loss and
/// gradients NaN.
///
/// # PyTorch
///
/// `torch.nn.MarginRankingLoss`, with the same defaults. PyTorch does not check the target: a 0
/// gives the margin as the loss, and no gradient. It broadcasts, and the mean of an empty batch is
/// NaN, where here it is 0. At the corner (a tie, with margin 0) the gradient is 0 as in PyTorch
/// 2.15; earlier ones counted it as active.
///
/// # Reference
///
/// Joachims, *Optimizing Search Engines using Clickthrough Data*, KDD 2002, learns a ranking from
/// such pairs, with a margin of 1.
#[doc(alias = "pairwise ranking")]
#[derive(Clone, Debug)]
pub struct MarginRankingLoss {
    config: MarginRankingLossConfig,
}

loss_module!(MarginRankingLoss, MarginRankingLossConfig, TripleLoss [first, second, targets]);
weight!(MarginRankingLoss, SignTarget of elements);

/// `max(0, -y (first - second) + margin)`, and the derivative with respect to `first`; that with
/// respect to `second` is the negative one. At the corner both are 0.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Ranking {
    pub(crate) margin: f64,
}

impl Elementwise<3> for Ranking {
    const PART: f64 = 0.25;

    #[inline(always)]
    fn at<R: Real>(&self, [first, second, y]: [R; 3]) -> (R, impl FnOnce() -> [R; 1]) {
        let apart = second.times(0.25) - first.times(0.25);
        let gap = (apart * y.clone()).plus(self.margin / 4.0);
        let value = gap.clone().at_least(0.0);
        let slope = move || {
            let zero = y.clone() - y.clone();
            [zero.replace(gap.above(0.0), y.times(-0.25))]
        };
        (value, slope)
    }
}

impl MarginRankingLoss {
    fn losses(
        &self,
        [first, second]: [AnyRank; 2],
        targets: AnyTarget,
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let device = first.device();
        let check = Check::new(Self::NAME, &device, call.waiting);
        check.device("first", &device, "second", &second.device())?;
        check.same_shape("first", &first.shape(), "second", &second.shape())?;
        check.one_tracking(&[("first", &first), ("second", &second)])?;
        check.target_per_element("first", &first, &targets)?;
        check.holds(first.dtype(), "margin", self.config.margin)?;
        let definition = Ranking {
            margin: self.config.margin,
        };
        sweep_signs(&check, definition, [first, second], targets, call)
    }
}

impl<const D: usize, T: SignTarget<D>> Evaluate<(Tensor<D>, Tensor<D>, T)> for MarginRankingLoss {
    type Unreduced = Tensor<D>;

    fn evaluate(
        &self,
        (first, second, targets): (Tensor<D>, Tensor<D>, T),
        call: Call,
    ) -> Result<LossOutput, LossError> {
        self.losses([first.into(), second.into()], targets.erased(), call)
    }

    fn inspect(&self, (_, _, targets): (Tensor<D>, Tensor<D>, T)) -> Vec<Lint> {
        Vec::from_iter(single_sign(Self::NAME, targets.erased()))
    }
}
