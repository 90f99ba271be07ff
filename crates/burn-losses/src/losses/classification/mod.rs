//! Losses for a class, a label or a distribution to predict.
//!
//! | what is true of a sample | the model gives | loss |
//! |---|---|---|
//! | one class of several | logits | [`CrossEntropyLoss`] |
//! | one class of several, where most samples are easy | logits | [`FocalLoss`] |
//! | one class of several, with one more option to tune | logits | [`Poly1Loss`] |
//! | one class of several | log-probabilities | [`NllLoss`] |
//! | one class of several, of which the best should lead by a margin | logits | [`MultiMarginLoss`] |
//! | yes or no, or any number of labels | logits | [`BceWithLogitsLoss`] |
//! | yes or no, or any number of labels | probabilities | [`BceLoss`] |
//! | yes or no, where "no" is frequent and easy | logits | [`SigmoidFocalLoss`] |
//! | yes or no, with one more option to tune | logits | [`SigmoidPoly1Loss`] |
//! | how good a detection of a class is | logits | [`QualityFocalLoss`], [`VarifocalLoss`] |
//! | many labels, of which few hold | logits | [`AsymmetricLoss`] |
//! | yes or no, given as signs | logits | [`SoftMarginLoss`] |
//! | any number of labels, one loss per sample | logits | [`MultiLabelSoftMarginLoss`] |
//! | any number of labels, which should lead all others | logits | [`MultiLabelMarginLoss`] |
//! | a distribution over the classes | log-probabilities | [`KlDivLoss`] |
//! | a distribution over the classes | logits | [`CrossEntropyLoss`] |
//!
//! Where there is a choice, take the loss that starts from logits: it has the softmax or sigmoid
//! inside, and stays accurate where a probability is all but 0 or 1.
//!
//! Where labels are unequal, four losses are binary cross-entropy in which some labels count less. [`SigmoidFocalLoss`]
//! makes less of labels that are right already, so that many easy "no" do not rule. [`AsymmetricLoss`] makes still less of
//! a "no", and nothing of one that is improbable. In [`QualityFocalLoss`] and [`VarifocalLoss`] a label between 0 and 1 is the
//! quality of a detection. [`Poly1Loss`] and [`SigmoidPoly1Loss`] are cross-entropy in which labels that are half right
//! count more, or less. These six need the feature `std`, which is on by default.
//!
//! Where classes are rare, [`CrossEntropyLoss`] and [`FocalLoss`] take what
//! [`target::class_counts`](crate::target::class_counts) says of the data: as weights, as a prior that is added to the
//! logits, or as margins. Classes that have an order are for the losses of [`ordinal`](crate::ordinal), and the logits of
//! a teacher for those of [`distillation`](crate::distillation).
//!
//! The targets differ more than the losses do: class ids, labels, signs, lists of labels or
//! probabilities. Each page says which, and [`target`](crate::target) converts between them.
//! [`ClassificationLoss`] is any of them but those six, and always takes logits and class ids.
//!
//! # From two classes to ten
//!
//! A binary classifier becomes one of ten classes by *three* changes: the last layer has an output
//! per class, the loss is cross-entropy, and the target is class ids instead of labels. Doing half of
//! it is an error, or does not compile; `cargo run --release -p classification --bin two_to_ten` in
//! the repository tries each half and prints what is said. Two mistakes run all the same. A softmax
//! that was left in the model slows the training down, and [`lint`](crate::Loss::lint) reports it.
//! Ids that are shifted but in range train the model to give wrong answers, and only the held-out
//! accuracy shows it:
//!
#![cfg_attr(doc, doc = include_str!("../../../docs/pictures/two_to_ten.svg"))]
//!
//! After the move, with [`CrossEntropyLoss`] (`cargo run --release -p classification`):
//!
#![cfg_attr(doc, doc = include_str!("../../../docs/pictures/digits-confusion.svg"))]

pub(crate) mod bce;
pub(crate) mod bce_with_logits;
pub(crate) mod cross_entropy;
mod family;
pub(crate) mod focal;
pub(crate) mod kl_div;
mod lints;
mod logit_options;
mod multi_label_margin;
mod multi_label_soft_margin;
mod multi_margin;
mod nll;
pub(crate) mod soft_margin;

pub use bce::{BceLoss, BceLossConfig};
pub use bce_with_logits::{BceWithLogitsLoss, BceWithLogitsLossConfig};
pub use cross_entropy::{CrossEntropyLoss, CrossEntropyLossConfig};
pub use family::{ClassificationLoss, ClassificationLossConfig};
pub use focal::{FocalLoss, FocalLossConfig};
pub use kl_div::{KlDivLoss, KlDivLossConfig};
pub use multi_label_margin::{MultiLabelMarginLoss, MultiLabelMarginLossConfig};
pub use multi_label_soft_margin::{MultiLabelSoftMarginLoss, MultiLabelSoftMarginLossConfig};
pub use multi_margin::{MultiMarginLoss, MultiMarginLossConfig};
pub use nll::{NllLoss, NllLossConfig};
pub use soft_margin::{SoftMarginLoss, SoftMarginLossConfig};

#[cfg(feature = "std")]
pub(crate) use bce_with_logits::BceWithLogits;
#[cfg(feature = "std")]
pub(crate) use focal::Focal;
#[cfg(feature = "std")]
pub(crate) use lints::{
    SOFTMAX_INSIDE, class_lints, looks_like_probabilities, not_normalised, single_class,
};

// Losses by formulas, whose recording needs `std`, and what threads and processes share.
#[cfg(feature = "std")]
mod asymmetric;
#[cfg(feature = "std")]
mod poly1;
#[cfg(feature = "std")]
mod quality_focal;
#[cfg(feature = "std")]
mod sharded;
#[cfg(feature = "std")]
mod sigmoid_focal;
#[cfg(feature = "std")]
mod sigmoid_poly1;
#[cfg(feature = "std")]
mod varifocal;

#[cfg(feature = "std")]
pub use asymmetric::{AsymmetricLoss, AsymmetricLossConfig};
#[cfg(feature = "std")]
pub use poly1::{Poly1Loss, Poly1LossConfig};
#[cfg(feature = "std")]
pub use quality_focal::{QualityFocalLoss, QualityFocalLossConfig};
#[cfg(feature = "std")]
pub use sigmoid_focal::{FocalDivisor, SigmoidFocalLoss, SigmoidFocalLossConfig};
#[cfg(feature = "std")]
pub use sigmoid_poly1::{SigmoidPoly1Loss, SigmoidPoly1LossConfig};
#[cfg(feature = "std")]
pub use varifocal::{VarifocalLoss, VarifocalLossConfig};

/// The maths of this folder's losses, for the unit tests.
#[cfg(test)]
pub(crate) mod definitions {
    pub(crate) use super::bce::Bce;
    pub(crate) use super::bce_with_logits::BceWithLogits;
    pub(crate) use super::focal::Focal;
    pub(crate) use super::kl_div::{Divergence, DivergenceOfLogs};
    pub(crate) use super::soft_margin::Logistic;
}
