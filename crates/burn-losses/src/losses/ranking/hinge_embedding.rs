//! The hinge loss of distances.

use crate::engine::any_rank::AnyRank;
use crate::engine::values::AnyTarget;
use crate::loss::call::{Call, LossOutput};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::losses::signs::{single_sign, sweep_signs};
use crate::real::Real;
use crate::spec::elementwise::Elementwise;
use crate::spec::reduction::Reduction;
use crate::validate::check::Check;
use crate::validate::error::{Lint, LossError};
use alloc::format;
use alloc::vec::Vec;

loss_config! {
    /// Configuration of [`HingeEmbeddingLoss`].
    pub struct HingeEmbeddingLossConfig {
        /// How far apart an unlike pair should at least be.
        pub margin: f64 where FINITE = 1.0,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The hinge loss of distances: like pairs are pulled together, unlike ones pushed apart.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/hinge_embedding.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// loss     = x                     where y = +1: the pair is alike
///            max(0, margin - x)    where y = -1: the pair is not
/// gradient = +1 for a like pair, -1 for an unlike one nearer than the margin, 0 for any other
/// ```
///
/// </details>
///
/// # Character
///
/// The input is the *distance* of two embeddings, so a distance is the last layer; the gradient of
/// [`pairwise_distance`](crate::pairwise_distance) is right for a distance of 0 too. All pairs that
/// count pull with the same force, near or far. Unlike pairs beyond the margin do not count, so
/// ever fewer pairs matter: look at how many, not only at the loss. The margin has the unit of the
/// distance; normalise the embeddings if their length should not matter. A negative input for a
/// like pair gives a negative loss.
///
/// # Target
///
/// **A sign for each distance, in the same shape**: +1 alike, -1 not, as floats or `Int`, or `Bool`
/// with `true` for alike. The usual mistake is labels 0 and 1; the error names
/// [`target::signs`](crate::target::signs), which converts them. Where 1 stands for "different",
/// turn them around first. [`target::pairs`](crate::target::pairs) makes pairs and signs from the
/// class of each sample. [`lint`](crate::Loss::lint) reports negative "distances" (embeddings or
/// similarities by mistake), and signs that are all the same.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use burn_losses::{pairwise_distance, prelude::*, target};
///
/// let device = Device::flex();
/// // The distances of three queries to five documents, and which of them belong together.
/// let distances = Tensor::<2>::full([3, 5], 0.25, &device);
/// let labels = [[0, 1, 0, 0, 0], [1, 0, 0, 0, 0], [0, 0, 0, 0, 1]];
/// let targets = target::signs(Tensor::<2, Int>::from_data(labels, &device));
///
/// // 0.25 for the three like pairs, 1 - 0.25 for the twelve others.
/// let value = HingeEmbeddingLoss::new().forward(distances, targets);
/// assert!((value.into_scalar::<f32>() - 0.65).abs() < 1e-5);
///
/// // From embeddings and the class of each sample.
/// let embeddings = Tensor::<2>::from_data([[0., 0.], [0., 0.], [3., 4.]], &device);
/// let pairs = target::pairs(Tensor::<1, Int>::from_data([7, 7, 2], &device));
/// let first = embeddings.clone().select(0, pairs.first);
/// let second = embeddings.select(0, pairs.second);
/// let distances: Tensor<1> = pairwise_distance(first, second, 2.0, 0.0);
/// let loss = HingeEmbeddingLossConfig::new().with_margin(5.5).init();
/// let value = loss.forward(distances, pairs.signs); // 0 to a like one, 5 to two unlike ones
/// assert!((value.into_scalar::<f32>() - 1.0 / 3.0).abs() < 1e-5);
/// ```
///
/// # Shapes
///
/// * distances and targets: the same shape, of any rank
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
/// gradient NaN.
///
/// # PyTorch
///
/// `torch.nn.HingeEmbeddingLoss`, with the same defaults. PyTorch does not check the target: a 0
/// counts as both alike and not. It broadcasts, and the mean of an empty batch is NaN, where here
/// it is 0.
///
/// # Reference
///
/// Hadsell, Chopra and LeCun, *Dimensionality Reduction by Learning an Invariant Mapping*, CVPR
/// 2006, where both parts are squared: the contrastive loss.
#[doc(alias = "contrastive")]
#[derive(Clone, Debug)]
pub struct HingeEmbeddingLoss {
    config: HingeEmbeddingLossConfig,
}

loss_module!(HingeEmbeddingLoss, HingeEmbeddingLossConfig, SignTarget [distances, targets]);

/// `x` for a like pair, `max(0, margin - x)` for an unlike one; the derivative at the corner is 0.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Hinge {
    pub(crate) margin: f64,
}

impl Elementwise<2> for Hinge {
    const PART: f64 = 0.5;

    #[inline(always)]
    fn at<R: Real>(&self, [x, sign]: [R; 2]) -> (R, impl FnOnce() -> [R; 1]) {
        let x = x.times(0.5);
        let gap = (-x.clone()).plus(self.margin / 2.0);
        let alike = sign.above(0.0);
        let value = gap.clone().at_least(0.0).replace(alike.clone(), x);
        let slope = move || {
            let zero = sign.clone() - sign;
            [zero.set(gap.above(0.0), -0.5).set(alike, 0.5)]
        };
        (value, slope)
    }
}

impl HingeEmbeddingLoss {
    fn losses(
        &self,
        distances: AnyRank,
        targets: AnyTarget,
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let check = Check::new(Self::NAME, &distances.device(), call.waiting);
        check.target_per_element("distances", &distances, &targets)?;
        check.holds(distances.dtype(), "margin", self.config.margin)?;
        let definition = Hinge {
            margin: self.config.margin,
        };
        sweep_signs(&check, definition, [distances], targets, call)
    }

    fn lints(&self, distances: &AnyRank, targets: AnyTarget) -> Vec<Lint> {
        let mut lints = Vec::from_iter(single_sign(Self::NAME, targets));
        if let Some(negative) = distances.values().into_iter().find(|&value| value < 0.0) {
            lints.push(Lint {
                loss: Self::NAME,
                rule: "negative-distance",
                message: format!(
                    "the input holds {negative}, and a distance is never negative: this loss takes \
                     distances of pairs (`pairwise_distance`), not embeddings or scores."
                ),
            });
        }
        lints
    }
}
