//! What a target may be: the module [`target`](crate::target) of users.

mod adapters;
mod class_counts;
pub(crate) mod rank;
pub(crate) mod rows;
pub(crate) mod sealed;

pub use adapters::{
    Pairs, Triplets, class_ids, flatten, label_ids, labels, log_probs, multi_hot, one_hot, pairs,
    signs, triplets,
};
pub use class_counts::{
    ClassWeighting, WeightNormalization, class_counts, class_weights, ldam_margins, log_prior,
};

use crate::engine::any_rank::AnyRank;
use crate::engine::values::AnyTarget;
use burn::tensor::{Bool, Int, Shape, Tensor};
use rank::{LowerRank, Unreduced};
pub(crate) use sealed::Readable;

/// A target for input with a class axis: what [`ClassIds`] and [`ClassTarget`] have in common.
#[doc(hidden)]
pub trait ClassAxisTarget<const D: usize>: Readable {
    /// The loss per sample: the input's shape without the class axis.
    type PerSample: Unreduced;
}

/// A target of [`CrossEntropyLoss`](crate::classification::CrossEntropyLoss) for logits of rank `D`.
///
/// Class ids: an `Int` tensor of the logits' shape without the class axis. Or class probabilities: a
/// float tensor of the logits' shape, each row summing to 1.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a cross-entropy target for logits of rank {D}",
    label = "the target of this must be class ids, an Int tensor of one rank less, or class probabilities, a float tensor of rank {D}",
    note = "class ids of shape [N, 1]: drop the axis with `targets.squeeze_dim::<1>(1)`",
    note = "class ids of shape [N, 1, H, W]: drop the axis with `targets.squeeze_dim::<3>(1)`",
    note = "class ids stored as floats: convert them with `targets.int()`",
    note = "one-hot rows stored as Int: convert them with `targets.float()`, or to ids with `burn_losses::target::class_ids(targets.float(), 1)`",
    note = "logits of rank 1, a single sample: give them a batch axis with `unsqueeze_dim::<2>(0)`"
)]
pub trait ClassTarget<const D: usize>: ClassAxisTarget<D> {}

/// A target of [`NllLoss`](crate::classification::NllLoss) for log-probabilities of rank `D`: class ids, an `Int`
/// tensor of the input's shape without the class axis.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a tensor of class ids for input of rank {D}",
    label = "the target of this must be class ids: an Int tensor of one rank less than the input",
    note = "class ids of shape [N, 1]: drop the axis with `targets.squeeze_dim::<1>(1)`",
    note = "class ids of shape [N, 1, H, W]: drop the axis with `targets.squeeze_dim::<3>(1)`",
    note = "class ids stored as floats: convert them with `targets.int()`",
    note = "one-hot rows or class probabilities: use `CrossEntropyLoss` on logits, or convert them with `burn_losses::target::class_ids`",
    note = "input of rank 1, a single sample: give it a batch axis with `unsqueeze_dim::<2>(0)`"
)]
pub trait ClassIds<const D: usize>: ClassTarget<D> {}

/// A target of a regression loss for predictions of rank `D`: the true values, a float tensor of the
/// predictions' shape.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a target for predictions of rank {D}",
    label = "the target of this must be a float tensor of rank {D}, one true value per prediction",
    note = "targets without an axis of length 1, [N] for [N, 1]: add it with `targets.unsqueeze_dim::<{D}>(1)`",
    note = "integer targets: convert them with `targets.float()`"
)]
pub trait RegressionTarget<const D: usize>: CountTarget<D> {
    /// The targets as they are: they may be tracked.
    #[doc(hidden)]
    fn into_any_rank(self) -> AnyRank;
}

/// A target of [`PoissonNllLoss`](crate::regression::PoissonNllLoss) for predictions of rank `D`: what was counted,
/// as a float or `Int` tensor of the predictions' shape.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a target of counts for predictions of rank {D}",
    label = "the target of this must be a float or Int tensor of rank {D}, one count per prediction",
    note = "counts without an axis of length 1, [N] for [N, 1]: add it with `targets.unsqueeze_dim::<{D}>(1)`",
    note = "labels as Bool: they are no counts; use `BceWithLogitsLoss`"
)]
pub trait CountTarget<const D: usize>: Operand<D> {}

/// A predicted variance in the form the loss computes with.
#[doc(hidden)]
#[allow(clippy::large_enum_variant)] // There is one of them in a call.
pub enum Predicted {
    Number(f64),
    /// With length 1 on the last axis where it is for a row; given with that many axes.
    Tensor {
        variance: AnyRank,
        given: usize,
    },
}

/// The variance for [`GaussianNllLoss`](crate::regression::GaussianNllLoss) beside predictions of rank `D`: a float
/// tensor with a variance for each prediction, or for each row of them, or one number for all.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a variance for predictions of rank {D}",
    label = "the variance of this must be a float tensor of rank {D}, or of one rank less, or an f64",
    note = "a variance for each row: a tensor without the last axis, or with length 1 on it",
    note = "a variance of Int: convert it with `variance.float()`"
)]
pub trait Variance<const D: usize>: sealed::SealedVariance {
    #[doc(hidden)]
    fn into_predicted(self) -> Predicted;
}

/// A target of [`MultiLabelMarginLoss`](crate::classification::MultiLabelMarginLoss) for logits of rank `D`: an `Int`
/// tensor of their shape which lists, along the class axis, the ids of a sample's labels, and then -1.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a tensor of label ids for logits of rank {D}",
    label = "the target of this must be an Int tensor of rank {D}: the ids of each sample's labels, then -1 to the end of the row",
    note = "multi-hot rows: use `MultiLabelSoftMarginLoss`, or convert them with `burn_losses::target::label_ids`",
    note = "a single class id per sample: use `MultiMarginLoss`"
)]
pub trait LabelIds<const D: usize>: Readable {}

/// A target of [`CosineEmbeddingLoss`](crate::ranking::CosineEmbeddingLoss) for pairs of vectors in tensors of
/// rank `D`: a sign for each pair, so a tensor of one rank less, as float or `Int` -1 or +1, or `Bool`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a tensor of signs for pairs of vectors of rank {D}",
    label = "the target of this must be one sign for each pair: a float or Int (-1 or +1) or Bool (true is +1) tensor of one rank less",
    note = "signs of shape [N, 1]: drop the axis with `targets.squeeze_dim::<1>(1)`",
    note = "a single pair, vectors of rank 1: give them a batch axis with `unsqueeze_dim::<2>(0)`"
)]
pub trait PairSigns<const D: usize>: Readable {}

/// A target of [`KlDivLoss`](crate::classification::KlDivLoss) for log-probabilities of rank `D`: a float tensor of
/// their shape, of probabilities or log-probabilities.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a target distribution for log-probabilities of rank {D}",
    label = "the target of this must be a float tensor of rank {D}: a probability for each class",
    note = "class ids: convert them with `burn_losses::target::one_hot`, or use `NllLoss`"
)]
pub trait DistributionTarget<const D: usize>: Readable {}

/// A target of [`BceLoss`](crate::classification::BceLoss) and [`BceWithLogitsLoss`](crate::classification::BceWithLogitsLoss) for
/// input of rank `D`: a label for each element, as float in `[0, 1]`, `Int` 0 or 1, or `Bool`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a binary target for input of rank {D}",
    label = "the target of this must be a label for each element: a float (0 to 1), Int (0 or 1) or Bool tensor of rank {D}",
    note = "labels without an axis of length 1, [N] for [N, 1] or [N, H, W] for [N, 1, H, W]: add it with `targets.unsqueeze_dim::<{D}>(1)`",
    note = "class ids: use `CrossEntropyLoss`, or convert them with `burn_losses::target::one_hot`"
)]
pub trait BinaryTarget<const D: usize>: Operand<D> {}

/// A target of a loss of overlaps, such as [`DiceLoss`](crate::segmentation::DiceLoss), for input of rank `D`: class ids, an
/// `Int` tensor of the input's shape without the class axis; or a mask for each class, a float (0 to 1), `Int` (0 or 1) or
/// `Bool` tensor of the input's shape.
#[cfg(feature = "std")]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a target of overlaps for input of rank {D}",
    label = "the target of this must be class ids, an Int tensor of one rank less, or masks, a float, Int or Bool tensor of rank {D}",
    note = "class ids of shape [N, 1, H, W]: drop the axis with `targets.squeeze_dim::<3>(1)`",
    note = "a single mask of shape [N, H, W] for [N, 1, H, W]: add the axis with `targets.unsqueeze_dim::<{D}>(1)`",
    note = "class ids stored as floats: convert them with `targets.int()`"
)]
pub trait MaskTarget<const D: usize>: Readable {}

/// A target that says one of two directions, for input of rank `D`: float or `Int` -1 or +1, or
/// `Bool`, where `true` is +1.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a tensor of signs for input of rank {D}",
    label = "the target of this must be a sign for each element: a float or Int (-1 or +1) or Bool (true is +1) tensor of rank {D}",
    note = "labels 0 and 1: convert them with `burn_losses::target::signs`",
    note = "signs of another rank than the input: bring both to one shape with `reshape`"
)]
pub trait SignTarget<const D: usize>: Operand<D> {}

/// An operand of a [`Custom`](crate::custom::Custom) loss beside its first, of rank `D`: a tensor of numbers, which may
/// be tracked, of `Int`, or of `Bool`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an operand beside a first of rank {D}",
    label = "this must be a float, Int or Bool tensor of rank {D}",
    note = "targets without an axis of length 1, [N] for [N, 1]: add it with `targets.unsqueeze_dim::<{D}>(1)`"
)]
pub trait Operand<const D: usize>: Readable {
    /// As it is: it may be tracked.
    #[doc(hidden)]
    fn into_operand(self) -> AnyOperand;

    /// With its axes in another order.
    #[doc(hidden)]
    fn permuted(self, axes: [isize; D]) -> Self;
}

/// An operand without its type.
#[doc(hidden)]
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // There are up to four of them in a call.
pub enum AnyOperand {
    Numbers(AnyRank),
    Others(AnyTarget),
}

#[cfg(feature = "std")] // The losses by formulas look at it.
impl AnyOperand {
    pub(crate) fn shape(&self) -> Shape {
        match self {
            Self::Numbers(numbers) => numbers.shape(),
            Self::Others(others) => others.shape.clone(),
        }
    }
}

impl<const D: usize> Operand<D> for Tensor<D> {
    fn into_operand(self) -> AnyOperand {
        AnyOperand::Numbers(self.into())
    }

    fn permuted(self, axes: [isize; D]) -> Self {
        self.permute(axes)
    }
}

impl<const D: usize> Operand<D> for Tensor<D, Int> {
    fn into_operand(self) -> AnyOperand {
        AnyOperand::Others(self.erased())
    }

    fn permuted(self, axes: [isize; D]) -> Self {
        self.permute(axes)
    }
}

impl<const D: usize> Operand<D> for Tensor<D, Bool> {
    fn into_operand(self) -> AnyOperand {
        AnyOperand::Others(self.erased())
    }

    fn permuted(self, axes: [isize; D]) -> Self {
        self.permute(axes)
    }
}

/// Weights for [`forward_weighted`](crate::Loss::forward_weighted): a tensor of the shape of the
/// unreduced loss `U`, or of one weight per sample along axis 0; as floats, or as a mask (`Bool`) of
/// what counts.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot weight an unreduced loss of type `{U}`",
    label = "the weights of this must be a float or Bool tensor: one weight per element of the loss, or one per sample of shape [N]",
    note = "a mask of Int: convert it with `mask.bool()`; weights of shape [N, 1]: drop the axis with `squeeze_dim::<1>(1)`"
)]
pub trait SampleWeights<U>: Readable {}

impl<const D: usize> RegressionTarget<D> for Tensor<D> {
    fn into_any_rank(self) -> AnyRank {
        self.into()
    }
}

impl<const D: usize> CountTarget<D> for Tensor<D> {}
impl<const D: usize> CountTarget<D> for Tensor<D, Int> {}

impl<const D: usize> Variance<D> for f64 {
    fn into_predicted(self) -> Predicted {
        Predicted::Number(self)
    }
}

impl<const D: usize> Variance<D> for Tensor<D> {
    fn into_predicted(self) -> Predicted {
        Predicted::Tensor {
            variance: self.into(),
            given: D,
        }
    }
}

impl<const D: usize> LabelIds<D> for Tensor<D, Int> {}

impl<const D: usize> DistributionTarget<D> for Tensor<D> {}

impl<const D: usize> BinaryTarget<D> for Tensor<D> {}
impl<const D: usize> BinaryTarget<D> for Tensor<D, Int> {}
impl<const D: usize> BinaryTarget<D> for Tensor<D, Bool> {}

#[cfg(feature = "std")]
impl<const D: usize> MaskTarget<D> for Tensor<D> {}
#[cfg(feature = "std")]
impl<const D: usize> MaskTarget<D> for Tensor<D, Int> {}
#[cfg(feature = "std")]
impl<const D: usize> MaskTarget<D> for Tensor<D, Bool> {}

impl<const D: usize> SignTarget<D> for Tensor<D> {}
impl<const D: usize> SignTarget<D> for Tensor<D, Int> {}
impl<const D: usize> SignTarget<D> for Tensor<D, Bool> {}

impl<const D: usize> SampleWeights<Tensor<D>> for Tensor<D> {}
impl<const D: usize> SampleWeights<Tensor<D>> for Tensor<D, Bool> {}

/// Stamps what Rust's const generics cannot say on stable: a tensor of rank `D - 1`.
macro_rules! rank_below {
    ($($rank:literal => $below:literal),*) => {$(
        impl LowerRank for Tensor<$rank> {
            type Lower = Tensor<$below>;
            type LowerInt = Tensor<$below, Int>;

            fn ids_from(flat: Tensor<1, Int>, shape: Shape) -> Self::LowerInt {
                match shape.num_elements() {
                    // Burn's own reshape takes a length of 0 for "as before".
                    0 => Tensor::empty(shape, (&flat.device(), flat.dtype())),
                    _ => flat.reshape(shape),
                }
            }
        }

        impl ClassAxisTarget<$rank> for Tensor<$below, Int> {
            type PerSample = Tensor<$below>;
        }
        impl ClassTarget<$rank> for Tensor<$below, Int> {}
        #[cfg(feature = "std")]
        impl MaskTarget<$rank> for Tensor<$below, Int> {}
        impl ClassIds<$rank> for Tensor<$below, Int> {}

        impl ClassAxisTarget<$rank> for Tensor<$rank> {
            type PerSample = Tensor<$below>;
        }
        impl ClassTarget<$rank> for Tensor<$rank> {}

        impl Variance<$rank> for Tensor<$below> {
            fn into_predicted(self) -> Predicted {
                Predicted::Tensor {
                    variance: self.unsqueeze_dim::<$rank>($below).into(),
                    given: $below,
                }
            }
        }

        impl PairSigns<$rank> for Tensor<$below> {}
        impl PairSigns<$rank> for Tensor<$below, Int> {}
        impl PairSigns<$rank> for Tensor<$below, Bool> {}
    )*};
}

rank_below!(2 => 1, 3 => 2, 4 => 3, 5 => 4, 6 => 5);

/// Stamps weights per sample for unreduced losses of more than one axis.
macro_rules! weights_per_sample {
    ($($rank:literal),*) => {$(
        impl SampleWeights<Tensor<$rank>> for Tensor<1> {}
        impl SampleWeights<Tensor<$rank>> for Tensor<1, Bool> {}
    )*};
}

weights_per_sample!(2, 3, 4, 5, 6);
