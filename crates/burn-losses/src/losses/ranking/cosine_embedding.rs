//! The loss of the cosine of pairs of embeddings.

use crate::engine::any_rank::AnyRank;
use crate::engine::dtype::compute_dtype;
use crate::engine::rows::{RowSpec, erase_rows};
use crate::engine::values::AnyTarget;
use crate::loss::Evaluate;
use crate::loss::call::{Call, LossOutput};
use crate::loss::rows::evaluate;
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::losses::signs::single_sign;
use crate::spec::distance::Cosine;
use crate::spec::reduction::Reduction;
use crate::spec::row::RowTarget;
use crate::spec::rule::Rule;
use crate::targets::PairSigns;
use crate::targets::rank::LowerRank;
use crate::validate::check::{Check, dims};
use crate::validate::error::{Lint, LossError, LossErrorKind};
use alloc::format;
use alloc::vec::Vec;
use burn::tensor::Tensor;

loss_config! {
    /// Configuration of [`CosineEmbeddingLoss`].
    pub struct CosineEmbeddingLossConfig {
        /// The cosine from which on an unlike pair costs, from -1 to 1; 0 to 0.5 is usual.
        pub margin: f64 where FROM_MINUS_1_TO_1 = 0.0,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The loss of the angle between pairs of embeddings: alike ones should point the same way.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/cosine_embedding.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// cos      = a . b / sqrt((|a|^2 + 1e-12) (|b|^2 + 1e-12))     along the last axis
/// loss     = 1 - cos                 where y = +1
///            max(0, cos - margin)    where y = -1
/// gradient = +-(b / |b| - cos a / |a|) / |a|    with respect to a, and likewise for b
/// ```
///
/// </details>
///
/// # Character
///
/// For embeddings of which only the direction counts: texts, users and items. Their length neither helps
/// nor costs, so nothing has to be normalised, but it does scale the gradient: short vectors turn fast,
/// and a vector of zeros has no direction (its cosine is 0, and its gradient is finite but huge).
/// Pairs are told apart by angle, so the margin means the same in any number of dimensions. In many
/// dimensions random vectors have a cosine of about 0: with `margin = 0` unlike pairs are left alone once
/// they are at a right angle. [`HingeEmbeddingLoss`](crate::ranking::HingeEmbeddingLoss) is the same for
/// distances.
///
/// # Target
///
/// **A sign for each pair, not for each component: +1 alike, -1 not**, as float or `Int` or as `Bool`,
/// where `true` is +1. For embeddings `[N, E]` that is `[N]`. The usual mistakes are labels 0 and 1, where
/// a 0 is an error here that names [`target::signs`](crate::target::signs), and a target of `[N, 1]`,
/// which does not compile. From the class of each sample [`target::pairs`](crate::target::pairs) makes
/// pairs with their signs.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use burn_losses::{prelude::*, target};
///
/// let device = Device::flex();
/// let embeddings = Tensor::<2>::from_data([[3., 4.], [6., 8.], [4., -3.]], &device);
/// // Two samples of class 7, one of class 2: the pairs (0, 1), (0, 2), (1, 2).
/// let pairs = target::pairs(Tensor::<1, Int>::from_data([7, 7, 2], &device));
/// let [first, second] = [pairs.first, pairs.second].map(|ids| embeddings.clone().select(0, ids));
///
/// let loss = CosineEmbeddingLoss::new(); // margin 0
/// let value = loss.forward(first.clone(), second.clone(), pairs.signs.clone());
/// assert!(value.into_scalar::<f32>().abs() < 1e-6); // one direction, and right angles
///
/// // The other way round: the first pair costs its cosine, 1, and the others 1 each.
/// let value = loss.forward(first, second, pairs.signs.neg());
/// assert!((value.into_scalar::<f32>() - 1.0).abs() < 1e-6);
/// ```
///
/// # Shapes
///
/// * first and second: the same shape, of rank 2 to 6, the embedding on the last axis
/// * targets, and unreduced: that shape without the last axis
///
/// # Errors
///
/// * Shapes or devices that differ: nothing is broadcast.
/// * A target other than -1 and +1; it says whether the target looks like labels.
/// * A target that is tracked by autodiff.
/// * A float type that the device cannot compute with.
/// * In `init`: a margin that is not from -1 to 1.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid sign makes the loss and the
/// gradients of its pair NaN.
///
/// # PyTorch
///
/// `torch.nn.CosineEmbeddingLoss`, with the same defaults and the same 1e-12. PyTorch takes `[N, E]` and
/// single vectors `[E]`, any margin, and a target of another value, which then counts as neither. The
/// mean of an empty batch is NaN there and 0 here.
#[doc(alias = "cosine similarity")]
#[doc(alias = "contrastive")]
#[derive(Clone, Debug)]
pub struct CosineEmbeddingLoss {
    config: CosineEmbeddingLossConfig,
}

loss_module!(CosineEmbeddingLoss, CosineEmbeddingLossConfig, TripleLoss [first, second, targets]);

impl CosineEmbeddingLoss {
    fn losses(
        &self,
        [first, second]: [AnyRank; 2],
        targets: AnyTarget,
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let margin = self.config.margin;
        let (device, dtype) = (first.device(), first.dtype());
        let check = Check::new(Self::NAME, &device, call.waiting);
        check.dtype(&device, dtype)?;
        check.device("first", &device, "second", &second.device())?;
        check.device("first", &device, "targets", &targets.device)?;
        check.untracked("targets", &targets)?;
        let shape = first.shape();
        check.same_shape("first", &shape, "second", &second.shape())?;
        check.one_tracking(&[("first", &first), ("second", &second)])?;
        let rows = super::vectors::rows(&check, "vectors", &shape)?;
        if targets.shape != rows {
            let message = format!(
                "targets {} do not fit first {}: give one sign for each pair, {}.",
                dims(&targets.shape),
                dims(&shape),
                dims(&rows)
            );
            return Err(check.error(LossErrorKind::Shape, message));
        }
        let signs = targets.values.signs(compute_dtype(dtype));
        let loss = erase_rows(Cosine::embedding(margin));
        let spec = RowSpec::new(
            loss,
            shape.num_dims() - 1,
            RowTarget::Numbers(signs, Rule::SIGNS),
        );
        evaluate(&check, spec, [first, second], call)
    }
}

impl<const D: usize, T: PairSigns<D>> Evaluate<(Tensor<D>, Tensor<D>, T)> for CosineEmbeddingLoss
where
    Tensor<D>: LowerRank,
{
    type Unreduced = <Tensor<D> as LowerRank>::Lower;

    fn evaluate(
        &self,
        (first, second, targets): (Tensor<D>, Tensor<D>, T),
        call: Call,
    ) -> Result<LossOutput, LossError> {
        self.losses([first.into(), second.into()], targets.erased(), call)
    }

    fn inspect(&self, (first, second, targets): (Tensor<D>, Tensor<D>, T)) -> Vec<Lint> {
        lints([&first.into(), &second.into()], targets.erased())
    }
}

fn lints([first, second]: [&AnyRank; 2], targets: AnyTarget) -> Vec<Lint> {
    let mut lints = Vec::from_iter(single_sign(CosineEmbeddingLoss::NAME, targets));
    for (name, vectors) in [("first", first), ("second", second)] {
        let length = vectors.shape()[vectors.shape().num_dims() - 1];
        let zero = |vector: &[f64]| vector.iter().all(|&x| x == 0.0);
        if vectors.values().chunks(length.max(1)).any(zero) {
            lints.push(Lint {
                loss: CosineEmbeddingLoss::NAME,
                rule: "zero-vector",
                message: format!(
                    "{name} has a vector of zeros, which points nowhere: its cosine is 0, and its \
                     gradient is up to a million times that of a vector of length 1."
                ),
            });
        }
    }
    lints
}
