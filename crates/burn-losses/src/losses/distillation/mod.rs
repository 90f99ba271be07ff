//! Losses between the logits of a student and of a teacher.
//!
//! | what you have | loss |
//! |---|---|
//! | a teacher that stays as it is, and the true classes | [`DistillationLoss`] |
//! | a teacher alone, or two models that teach each other | [`SoftmaxKlLoss`] |
//! | a student that is too small for all that the teacher knows, or texts that it wrote itself | [`SoftmaxKlLoss`] with [`Reverse`](KlDirection::Reverse), [`JsDivLoss`] |
//! | a student that has little in common with the teacher yet | [`SoftmaxKlLoss`] with [`SkewForward`](KlDirection::SkewForward), [`JsDivLoss`] |
//! | a teacher whose small probabilities are not to be trusted | [`TotalVariationLoss`] |
//! | probabilities of a teacher, without logits | [`CrossEntropyLoss`](crate::classification::CrossEntropyLoss), [`KlDivLoss`](crate::classification::KlDivLoss) |
//!
//! They need the feature `std`, which is on by default.
//!
//! # Student and teacher
//!
//! The student comes first, the teacher second: **the logits of both, of one shape, for the same classes in the same
//! order**, the classes on axis 1 or `class_axis`. Neither has a softmax at its end. [`DistillationLoss`] takes class ids
//! besides, without the class axis, and its teacher must not be tracked: pass `teacher.inner()`. To the others a teacher
//! that is tracked is a student as well, and gets its gradient. A teacher is run in the mode of prediction, without
//! dropout, best on a device without autodiff.
//!
//! # How large they are
//!
//! **Each loss is a sum over the classes, and `Mean` is over the samples**, as PyTorch's `batchmean` of `[N, C]`.
//! PyTorch's `mean` divides by the number of classes too: for 1000 of them a thousandth is left, and cross-entropy beside
//! it does all the work. Tokens that do not count are left out by a mask in
//! [`forward_weighted`](crate::Loss::forward_weighted), or in [`DistillationLoss`] by an ignored id.
//!
//! A temperature divides the logits of both. Gradients then fall with about its square. [`SoftmaxKlLoss`] and
//! [`DistillationLoss`] multiply by that square unless told otherwise; [`JsDivLoss`] and [`TotalVariationLoss`] do not,
//! as other libraries that have them.

#[allow(clippy::module_inception)] // A file has the name of its loss.
mod distillation;
mod js_div;
mod rows;
mod softmax_kl;
mod total_variation;

pub use distillation::{DistillationLoss, DistillationLossConfig};
pub use js_div::{JsDivLoss, JsDivLossConfig};
pub use softmax_kl::{KlDirection, SoftmaxKlLoss, SoftmaxKlLossConfig};
pub use total_variation::{TotalVariationLoss, TotalVariationLossConfig};
