//! The total variation distance between the softmaxes of a student and a teacher.

use super::rows::of_two_logits;
use crate::engine::host::softmax_pair::SoftmaxPair;
use crate::loss::formula::softmax::PairFormula;
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::reduction::Reduction;

loss_config! {
    /// Configuration of [`TotalVariationLoss`].
    pub struct TotalVariationLossConfig {
        /// What both logits are divided by: above 0.
        pub temperature: f64 where POSITIVE = 1.0,
        /// The axis of the inputs that holds the classes.
        pub class_axis: usize where CLASS_AXIS = 1,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The total variation distance between the softmaxes of a student's and a teacher's logits: half of the sum of their
/// differences.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/total_variation.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// p        = softmax(x / T),  q = softmax(z / T) along the class axis     x: student, z: teacher, T: `temperature`
/// loss     = 1/2 sum over c of |p[c] - q[c]|
/// gradient = p[c] (s[c] - sum over k of p[k] s[k]) / (2 T),  s = sign(p - q), with respect to x
/// ```
///
/// </details>
///
/// # Character
///
/// The share of the probability that is at the wrong place, from 0 to 1, and the most by which the two differ about any
/// event. No class counts more because its logarithm is large: a teacher that is wrong about rare classes does little
/// harm, and what the student should learn from small probabilities is lost too. Where student and teacher are sure of
/// two different classes there is hardly a gradient, because the softmax is flat there: begin with
/// [`SoftmaxKlLoss`](crate::distillation::SoftmaxKlLoss) or [`JsDivLoss`](crate::distillation::JsDivLoss), or add it to
/// cross-entropy. A difference of 0 has the slope 0.
///
/// There is no square of the temperature, as in the libraries that have this loss. On a CPU it is one pass over both
/// logits; on a GPU it runs as tensor operations. Classes on another axis than the last are brought there first, which is
/// a copy.
///
/// # Target
///
/// **The logits of the teacher, in the shape of the student's**, for the same classes in the same order. The usual
/// mistakes: the teacher's probabilities, which [`lint`](crate::Loss::lint) reports, and a teacher that was left in
/// training mode. The two may be exchanged. Each of them that is tracked gets its gradient; of a teacher that stays as it
/// is give `teacher.inner()`.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// let student = Tensor::<2>::from_data([[0., 1., 2.], [1., 0., -1.]], &device);
/// let teacher = Tensor::<2>::from_data([[-1., 1., 3.], [2., 0., 0.]], &device);
///
/// let value = TotalVariationLoss::new().forward(student.clone(), teacher.clone());
/// assert!((value.into_scalar::<f32>() - 0.169897).abs() < 1e-5);
///
/// // Softer distributions differ less.
/// let loss = TotalVariationLossConfig::new().with_temperature(2.0).init();
/// let value = loss.forward(student, teacher);
/// assert!((value.into_scalar::<f32>() - 0.127007).abs() < 1e-5);
/// ```
///
/// # Shapes
///
/// * student and teacher: the same, `[N, C]`, `[N, C, d1, ..]`, rank 2 to 6; the classes on axis 1 or `class_axis`, which
///   is 2 for the tokens `[N, T, C]` of a text
/// * unreduced: that shape without the class axis
///
/// `Mean` is over the samples, not over the classes.
///
/// # Errors
///
/// * Shapes or devices that differ: nothing is broadcast.
/// * A single class, of which both softmaxes are always 1; a `class_axis` that is not one.
/// * Student and teacher tracked in two ways, one with gradient checkpointing.
/// * A float type that the device cannot compute with.
/// * In `init`: a `temperature` that is not above 0, a `class_axis` of 0.
///
/// Any logits are valid, so no values are read. A logit of `-inf` is a probability of 0.
///
/// # Other libraries
///
/// Liger's `LigerTVDLoss` is the same of two rows of probabilities, with the same mean over rows (`"batchmean"`, its
/// default); only the first gets a gradient. DistiLLM's `tv_distance` is the same of logits at temperature 1.
///
/// The total variation of an *image*, a sum of differences of neighbouring pixels, is another loss of that name.
///
/// # Reference
///
/// Wen et al., *f-Divergence Minimization for Sequence-Level Knowledge Distillation*, 2023,
/// [arXiv:2307.15190](https://arxiv.org/abs/2307.15190).
#[doc(alias = "TVD")]
#[doc(alias = "total variation distance")]
#[doc(alias = "LigerTVDLoss")]
#[doc(alias = "knowledge distillation")]
#[derive(Clone, Debug)]
pub struct TotalVariationLoss {
    config: TotalVariationLossConfig,
}

of_two_logits!(TotalVariationLoss, TotalVariationLossConfig);

static HALF_OF_DIFFERENCES: PairFormula = PairFormula::new(|[_, p, _, q]| 0.5 * (p - q).abs());

impl TotalVariationLoss {
    fn pair(&self) -> SoftmaxPair {
        HALF_OF_DIFFERENCES.with(&[], self.config.temperature, 1.0)
    }
}
