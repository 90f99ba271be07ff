//! The triplet margin loss.

use crate::engine::any_rank::AnyRank;
use crate::engine::rows::{RowSpec, erase_rows};
use crate::loss::Evaluate;
use crate::loss::call::{Call, LossOutput};
use crate::loss::rows;
use crate::losses::config::loss_config;
use crate::losses::distance::check_distance_kind;
use crate::losses::module::loss_module;
use crate::spec::distance::{Triplet, TripletOfAngles, TripletOfNorms};
use crate::spec::norm::DistanceKind;
use crate::spec::reduction::Reduction;
use crate::spec::row::RowTarget;
use crate::targets::rank::LowerRank;
use crate::validate::check::Check;
use crate::validate::error::{Lint, LossError};
use alloc::string::ToString;
use alloc::vec::Vec;
use burn::tensor::Tensor;

loss_config! {
    /// Configuration of [`TripletMarginLoss`].
    pub struct TripletMarginLossConfig {
        /// By how much the negative should at least be farther from the anchor than the positive.
        pub margin: f64 where POSITIVE = 1.0,
        /// The norm of the distance: 2 is the Euclidean one.
        pub p: f64 where AT_LEAST_1 = 2.0,
        /// What is added to each component of a difference, as PyTorch does.
        pub eps: f64 where NOT_NEGATIVE = 1e-6,
        /// Whether the negative's distance is that to the anchor or the positive, whichever is smaller.
        pub swap: bool = false,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The hinge loss of two distances: a positive should be nearer to its anchor than a negative.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/triplet_margin.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// d(u, v) = || u - v + eps ||_p                  along the last axis
/// loss    = max(0, d(anchor, positive) - d(anchor, negative) + margin)
/// swap    : min(d(anchor, negative), d(positive, negative)) instead of d(anchor, negative)
/// ```
///
/// </details>
///
/// The gradient is 0 where the loss is 0, and that of a distance of exactly 0 is 0.
///
/// # Character
///
/// For embeddings in which near means alike. Only which distance is larger matters, and by how
/// much. Most random triplets are soon far enough apart and do not count: choose hard ones, and
/// look at how many count. Always choosing the very hardest can collapse all embeddings to one
/// point: **a loss that stays at the margin has learned nothing.** The margin has the unit of the
/// distance, and means something only where the length of the embeddings is bounded, so they are
/// often normalised.
///
/// # Target
///
/// There is none: **the roles are the target**. The positive is *another* sample like the anchor,
/// the negative one that is not. The usual mistake is to mix up the two, or to draw the negative at
/// random and at times from the anchor's class; no check can see that in the values.
/// [`target::triplets`](crate::target::triplets) makes all triplets of a batch from the class of
/// each sample. [`lint`](crate::TripleLoss::lint) reports a positive that is the negative, or the
/// anchor.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Distribution, Int, Tensor};
/// use burn_losses::{prelude::*, target};
///
/// let device = Device::flex();
/// // 100 triplets of embeddings of 128 numbers: the negative is sqrt(128) = 11.3 away.
/// let anchor = Tensor::<2>::random([100, 128], Distribution::Default, &device);
/// let (positive, negative) = (anchor.clone(), anchor.clone() + 1.0);
///
/// let loss = TripletMarginLoss::new(); // margin 1, p 2
/// let value = loss.forward(anchor.clone(), positive.clone(), negative.clone());
/// assert_eq!(value.into_scalar::<f32>(), 0.0);
/// let mixed_up = loss.forward(anchor, negative, positive);
/// assert!((mixed_up.into_scalar::<f32>() - (128f32.sqrt() + 1.0)).abs() < 1e-3);
///
/// // From embeddings and the class of each sample: (0, 1, 2) and (1, 0, 2).
/// let embeddings = Tensor::<2>::from_data([[0., 0.], [3., 4.], [0., 5.]], &device);
/// let triplets = target::triplets(Tensor::<1, Int>::from_data([7, 7, 2], &device));
/// let [anchor, positive, negative] = [triplets.anchor, triplets.positive, triplets.negative]
///     .map(|ids| embeddings.clone().select(0, ids));
/// let loss = TripletMarginLossConfig::new().with_margin(2.0).with_swap(true).init();
/// let value = loss.forward(anchor, positive, negative);
/// // 5 to the positive, sqrt(10) from the nearer of the two to the negative.
/// assert!((value.into_scalar::<f32>() - (5.0 - 10f32.sqrt() + 2.0)).abs() < 1e-4);
/// ```
///
/// # Shapes
///
/// * anchor, positive, negative: the same shape, of rank 2 to 6, the embedding on the last axis
/// * unreduced: that shape without the last axis
///
/// # Errors
///
/// * Shapes or devices that differ: nothing is broadcast.
/// * A float type that the device cannot compute with.
/// * In `init`: a margin that is not above 0, `p` below 1, `eps` below 0, or any that is not
///   finite.
///
/// # PyTorch
///
/// `torch.nn.TripletMarginLoss`, with the same defaults. PyTorch broadcasts, takes single vectors
/// `[E]` and any `p`, and gives NaN for the mean of an empty batch, where this loss gives 0. At the
/// corner the gradient is 0 as in PyTorch 2.15; earlier ones counted it as active.
///
/// # Reference
///
/// Schroff, Kalenichenko and Philbin, *FaceNet*, 2015,
/// [arXiv:1503.03832](https://arxiv.org/abs/1503.03832), with squared distances. For `swap`:
/// Balntas, Riba, Ponsa and Mikolajczyk, *Learning local feature descriptors with triplets and
/// shallow convolutional neural networks*, BMVC 2016.
#[doc(alias = "TripletLoss")]
#[doc(alias = "metric learning")]
#[derive(Clone, Debug)]
pub struct TripletMarginLoss {
    config: TripletMarginLossConfig,
}

loss_module!(TripletMarginLoss, TripletMarginLossConfig, TripleLoss [anchor, positive, negative]);

impl<const D: usize> Evaluate<(Tensor<D>, Tensor<D>, Tensor<D>)> for TripletMarginLoss
where
    Tensor<D>: LowerRank,
{
    type Unreduced = <Tensor<D> as LowerRank>::Lower;

    fn evaluate(
        &self,
        (anchor, positive, negative): (Tensor<D>, Tensor<D>, Tensor<D>),
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let TripletMarginLossConfig {
            margin,
            p,
            eps,
            swap,
            ..
        } = self.config;
        let triplet = Triplet {
            margin,
            swap,
            kind: DistanceKind::Norm { p, eps },
        };
        let inputs = [anchor.into(), positive.into(), negative.into()];
        evaluate(Self::NAME, triplet, inputs, call)
    }

    fn inspect(
        &self,
        (anchor, positive, negative): (Tensor<D>, Tensor<D>, Tensor<D>),
    ) -> Vec<Lint> {
        role_lints(
            Self::NAME,
            [anchor.into(), positive.into(), negative.into()],
        )
    }
}

/// Evaluates the loss of that name.
pub(super) fn evaluate(
    loss: &'static str,
    triplet: Triplet,
    inputs: [AnyRank; 3],
    call: Call,
) -> Result<LossOutput, LossError> {
    let (device, dtype) = (inputs[0].device(), inputs[0].dtype());
    let check = Check::new(loss, &device, call.waiting);
    let shape = super::vectors::check_triplet(&check, inputs.each_ref())?;
    check.holds(dtype, "margin", triplet.margin)?;
    check_distance_kind(&check, dtype, triplet.kind)?;
    super::vectors::rows(&check, "embeddings", &shape)?;
    let Triplet { margin, swap, kind } = triplet;
    let loss = match kind {
        DistanceKind::Norm { p: 2.0, eps } if swap => {
            erase_rows(TripletOfNorms::<true, 3>::new(margin, swap, 2.0, eps))
        }
        DistanceKind::Norm { p: 2.0, eps } => {
            erase_rows(TripletOfNorms::<true, 2>::new(margin, swap, 2.0, eps))
        }
        // The third norm is not needed without a swap, and others than 2 are rare.
        DistanceKind::Norm { p, eps } => {
            erase_rows(TripletOfNorms::<false, 3>::new(margin, swap, p, eps))
        }
        DistanceKind::Cosine { eps } => erase_rows(TripletOfAngles::new(margin, swap, eps)),
    };
    let spec = RowSpec::new(loss, shape.num_dims() - 1, RowTarget::Nothing);
    rows::evaluate(&check, spec, inputs, call)
}

/// Suspicions about two roles that are the same.
pub(super) fn role_lints(
    loss: &'static str,
    [anchor, positive, negative]: [AnyRank; 3],
) -> Vec<Lint> {
    let [anchor, positive, negative] = [anchor, positive, negative].map(|input| input.values());
    let same = |a: &[f64], b: &[f64]| !a.is_empty() && a == b;
    let mut lints = Vec::new();
    let mut suspect = |rule, message: &str| {
        lints.push(Lint {
            loss,
            rule,
            message: message.to_string(),
        });
    };
    if same(&positive, &negative) {
        suspect(
            "positive-is-negative",
            "positive and negative are the same tensor: every triplet costs the margin, and nothing \
             can be learned.",
        );
    }
    if same(&anchor, &positive) {
        suspect(
            "anchor-is-positive",
            "anchor and positive are the same tensor: the positive should be another sample like the \
             anchor.",
        );
    }
    lints
}
