//! The Jensen-Shannon divergence between the softmaxes of a student and a teacher.

use super::rows::of_two_logits;
use super::softmax_kl::{forward, reverse};
use crate::engine::host::softmax_pair::SoftmaxPair;
use crate::loss::formula::softmax::PairFormula;
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::expression::Expr;
use crate::spec::expression::special::ln_mixture;
use crate::spec::reduction::Reduction;

loss_config! {
    /// Configuration of [`JsDivLoss`].
    pub struct JsDivLossConfig {
        /// The share of the teacher in the mixture, from 0 to 1. At 0 it is the forward, at 1 the reverse KL divergence.
        pub beta: f64 where FROM_0_TO_1 = 0.5,
        /// What both logits are divided by: above 0.
        pub temperature: f64 where POSITIVE = 1.0,
        /// The axis of the inputs that holds the classes.
        pub class_axis: usize where CLASS_AXIS = 1,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The generalised Jensen-Shannon divergence between the softmaxes of a student's and a teacher's logits.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/js_div.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// p    = softmax(x / T),  q = softmax(z / T) along the class axis     x: student, z: teacher, T: `temperature`
/// m    = beta q + (1 - beta) p
/// loss = beta KL(q || m) + (1 - beta) KL(p || m)
///        KL(q || p)                                                   `beta` 0
///        KL(p || q)                                                   `beta` 1
/// KL(a||b) = sum over c of a[c] (ln a[c] - ln b[c])
/// ```
///
/// </details>
///
/// # Character
///
/// Student and teacher are compared with what lies between them, so neither direction rules, and no loss is beyond
/// `-beta ln beta - (1 - beta) ln(1 - beta)`: ln 2 for a `beta` of 1/2. The gradient stays small even where the two have
/// nothing in common. Near 0 it behaves as the forward divergence, near 1 as the reverse one. **At 0 and 1 it *is* that
/// divergence**, of [`SoftmaxKlLoss`](crate::distillation::SoftmaxKlLoss), and not the limit, which would be 0: between
/// them the loss is small by a factor of about `beta` or `1 - beta`, so a `beta` of 0.01 wants a larger learning rate
/// than 0.
///
/// There is no square of the temperature, as in the libraries that have this loss: at a temperature above 1 the gradient
/// is smaller. On a CPU it is one pass over both logits; on a GPU it runs as tensor operations. Classes on another axis
/// than the last are brought there first, which is a copy.
///
/// # Target
///
/// **The logits of the teacher, in the shape of the student's**, for the same classes in the same order. The usual
/// mistakes: the teacher's probabilities, which [`lint`](crate::Loss::lint) reports, a teacher that was left in training
/// mode, and student and teacher exchanged, which makes `1 - beta` of `beta`. Each of the two that is tracked gets its
/// gradient; of a teacher that stays as it is give `teacher.inner()`.
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
/// let value = JsDivLoss::new().forward(student.clone(), teacher.clone()); // beta 1/2
/// assert!((value.into_scalar::<f32>() - 0.024653).abs() < 1e-5);
///
/// let loss = JsDivLossConfig::new().with_beta(0.1).init();
/// let value = loss.forward(student.clone(), teacher.clone());
/// assert!((value.into_scalar::<f32>() - 0.008119).abs() < 1e-5);
///
/// // The forward divergence, and no tenth of it.
/// let loss = JsDivLossConfig::new().with_beta(0.0).init();
/// let value = loss.forward(student, teacher);
/// assert!((value.into_scalar::<f32>() - 0.088583).abs() < 1e-5);
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
/// * In `init`: a `beta` that is not from 0 to 1, a `temperature` that is not above 0, a `class_axis` of 0.
///
/// Any logits are valid, so no values are read. A logit of `-inf` is a probability of 0.
///
/// # Other libraries
///
/// TRL's `generalized_jsd_loss(x, z, beta=beta, temperature=T)` of its `GKDTrainer`, with the same `beta`, ends included.
/// With labels it divides by the tokens that count, as `Mean` with a mask in
/// [`forward_weighted`](crate::Loss::forward_weighted); without them by the length of axis 0 alone, as `BatchMean`.
/// Liger's `LigerJSD(beta)` takes the log-probabilities of both, and has no temperature. In DistiLLM's `js_distance` the
/// share is that of the student: `1 - beta`, and 0.9 by default.
///
/// timm's `JsdCrossEntropy` is another loss: of several views of an image, without a teacher, and with cross-entropy.
///
/// # Reference
///
/// Agarwal et al., *On-Policy Distillation of Language Models: Learning from Self-Generated Mistakes*, 2023,
/// [arXiv:2306.13649](https://arxiv.org/abs/2306.13649).
#[doc(alias = "JSD")]
#[doc(alias = "Jensen-Shannon")]
#[doc(alias = "generalized_jsd_loss")]
#[doc(alias = "GKD")]
#[doc(alias = "knowledge distillation")]
#[derive(Clone, Debug)]
pub struct JsDivLoss {
    config: JsDivLossConfig,
}

of_two_logits!(JsDivLoss, JsDivLossConfig);

static MIXTURE: PairFormula = PairFormula::new(|[ln_p, p, ln_q, q]| {
    let (beta, rest) = (Expr::parameter("beta"), Expr::parameter("rest"));
    let of_teacher = q.times_or_zero(ln_mixture(ln_p - ln_q, ["rest", "beta"]));
    let of_student = p.times_or_zero(ln_mixture(ln_q - ln_p, ["beta", "rest"]));
    -(beta * of_teacher + rest * of_student)
});

impl JsDivLoss {
    fn pair(&self) -> SoftmaxPair {
        let JsDivLossConfig {
            beta, temperature, ..
        } = self.config;
        match beta {
            0.0 => forward(temperature, false),
            1.0 => reverse(temperature),
            _ => {
                let options = [("beta", beta), ("rest", 1.0 - beta)];
                MIXTURE.with(&options, temperature, 1.0)
            }
        }
    }
}
