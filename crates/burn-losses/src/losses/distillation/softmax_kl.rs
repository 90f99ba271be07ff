//! The Kullback-Leibler divergence between the softmaxes of a student and a teacher.

use super::rows::of_two_logits;
use crate::engine::host::softmax_pair::SoftmaxPair;
use crate::loss::formula::softmax::PairFormula;
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::expression::special::ln_mixture;
use crate::spec::reduction::Reduction;
use serde::{Deserialize, Serialize};

/// Which divergence of a student `p` and a teacher `q` it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum KlDirection {
    /// `KL(q || p)`: the student covers all that the teacher holds possible. That of Hinton's distillation.
    #[default]
    #[serde(alias = "forward")]
    Forward,
    /// `KL(p || q)`: the student keeps to what the teacher holds probable.
    #[serde(alias = "reverse")]
    Reverse,
    /// The mean of both.
    #[serde(alias = "symmetric")]
    Symmetric,
    /// `KL(q || skew q + (1 - skew) p)`.
    #[serde(alias = "skew_forward")]
    SkewForward,
    /// `KL(p || (1 - skew) q + skew p)`.
    #[serde(alias = "skew_reverse")]
    SkewReverse,
}

loss_config! {
    /// Configuration of [`SoftmaxKlLoss`].
    pub struct SoftmaxKlLossConfig {
        /// Which divergence it is.
        pub direction: KlDirection = KlDirection::Forward,
        /// The share of itself that a skew divergence mixes in: above 0 and below 1.
        pub skew: f64 where WITHIN_0_AND_1 = 0.1,
        /// What both logits are divided by: above 0.
        pub temperature: f64 where POSITIVE = 1.0,
        /// Whether the loss is multiplied by the square of the temperature, so that its gradient is about as large at any.
        pub squared_temperature: bool = true,
        /// The axis of the inputs that holds the classes.
        pub class_axis: usize where CLASS_AXIS = 1,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The Kullback-Leibler divergence between the softmaxes of a student's and a teacher's logits, in one of its directions,
/// at a temperature.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/softmax_kl.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// p        = softmax(x / T),  q = softmax(z / T) along the class axis     x: student, z: teacher, T: `temperature`
/// KL(a||b) = sum over c of a[c] (ln a[c] - ln b[c])
/// loss     = T^2 KL(q || p)                                               Forward
///            T^2 KL(p || q)                                               Reverse
///            T^2 (KL(q || p) + KL(p || q)) / 2                            Symmetric
///            T^2 KL(q || skew q + (1 - skew) p)                           SkewForward
///            T^2 KL(p || (1 - skew) q + skew p)                           SkewReverse
///            without T^2 if `squared_temperature` is off
/// gradient = T (p - q), with respect to x                                 Forward
/// ```
///
/// </details>
///
/// # Character
///
/// The student learns the whole distribution of a teacher: which of the wrong classes are nearly right, too. `Forward` is
/// that of Hinton, and cross-entropy with soft labels, less what does not depend on the student: it is large where the
/// student rules out what the teacher does not, so the student covers everything. `Reverse` is large where the student
/// holds probable what the teacher does not; a student that is too small for all keeps to the main answers, which suits
/// texts that it writes itself. The skew ones mix a share of each distribution into what it is compared with: no
/// divergence is beyond `-ln(skew)` then, and the gradient stays small where the two have nothing in common.
/// [`JsDivLoss`](crate::distillation::JsDivLoss) lies between both directions.
/// [`TotalVariationLoss`](crate::distillation::TotalVariationLoss) makes least of small probabilities.
///
/// A temperature above 1 makes both softer, so that the small probabilities count. It divides the gradient by about its
/// square: **the loss is multiplied by that again**, and a learning rate and a share beside another loss stay right when
/// the temperature is changed. With the true classes at hand, take
/// [`DistillationLoss`](crate::distillation::DistillationLoss), which is both in one pass.
///
/// It starts from the logits of both: no logarithm of a rounded probability, and no intermediate tensor on a CPU. On a
/// GPU it runs as tensor operations. Classes on another axis than the last are brought there first, which is a copy.
///
/// # Target
///
/// **The logits of the teacher, in the shape of the student's**, for the same classes in the same order. The usual
/// mistakes: the teacher's probabilities, which [`lint`](crate::Loss::lint) reports (log-probabilities do no harm, their
/// softmax is the same), a teacher that was left in training mode, and student and teacher exchanged, which makes
/// `Reverse` of `Forward` in silence. Each of the two that is tracked gets its gradient, so that two models may teach
/// each other. Of a teacher that stays as it is give `teacher.inner()`.
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
/// let value = SoftmaxKlLoss::new().forward(student.clone(), teacher.clone());
/// assert!((value.into_scalar::<f32>() - 0.088583).abs() < 1e-5);
///
/// // Four times 0.041562.
/// let config = SoftmaxKlLossConfig::new().with_temperature(2.0);
/// let value = config.init().forward(student.clone(), teacher.clone());
/// assert!((value.into_scalar::<f32>() - 0.166246).abs() < 1e-5);
///
/// let loss = config.with_direction(KlDirection::Reverse).init();
/// let value = loss.forward(student.clone(), teacher.clone());
/// assert!((value.into_scalar::<f32>() - 0.184062).abs() < 1e-5);
///
/// let loss = SoftmaxKlLossConfig::new().with_direction(KlDirection::SkewForward).init(); // skew 0.1
/// let value = loss.forward(student, teacher);
/// assert!((value.into_scalar::<f32>() - 0.074458).abs() < 1e-5);
/// ```
///
/// # Shapes
///
/// * student and teacher: the same, `[N, C]`, `[N, C, d1, ..]`, rank 2 to 6; the classes on axis 1 or `class_axis`, which
///   is 2 for the tokens `[N, T, C]` of a text
/// * unreduced: that shape without the class axis
///
/// `Mean` is over the samples, and `BatchMean` divides by N alone.
///
/// # Errors
///
/// * Shapes or devices that differ: nothing is broadcast.
/// * A single class, of which both softmaxes are always 1; a `class_axis` that is not one.
/// * Student and teacher tracked in two ways, one with gradient checkpointing.
/// * A float type that the device cannot compute with.
/// * In `init`: a `temperature` that is not above 0, a `skew` that is not above 0 and below 1, a `class_axis` of 0.
///
/// Any logits are valid, so no values are read. A logit of `-inf` is a probability of 0; what the one rules out and the
/// other does not makes a divergence infinite, but no gradient.
///
/// # Other libraries
///
/// `torch.nn.KLDivLoss(reduction="batchmean")(log_softmax(x / T), softmax(z / T)) * T**2`, for `[N, C]`. **Its default
/// `"mean"` divides by C as well**, which is the usual mistake: the loss is C times too small. Leaving out the square is
/// the next one. [`KlDivLoss`](crate::classification::KlDivLoss) is PyTorch's, of log-probabilities and probabilities.
///
/// * timm's `LogitDistillationTask` and Keras' `LogitsDistillation` have the square, as here; Keras clips probabilities
///   at 1e-7.
/// * TRL's `generalized_jsd_loss` with `beta` 0 is `Forward`, with 1 `Reverse`, without the square. Its `batchmean`
///   without labels divides by the length of axis 0 alone: `BatchMean` here.
/// * The code of DistiLLM has `skewed_forward_kl` and `skewed_reverse_kl`, with 0.1 as here, at temperature 1. Its
///   forward ones leave out the entropy of the teacher: other values, the same gradients. MiniLLM's objective is
///   `Reverse`, estimated from texts of the student.
///
/// # Reference
///
/// Hinton et al., *Distilling the Knowledge in a Neural Network*, 2015,
/// [arXiv:1503.02531](https://arxiv.org/abs/1503.02531). Reverse: Gu et al., *MiniLLM*, 2023,
/// [arXiv:2306.08543](https://arxiv.org/abs/2306.08543). Skew: Ko et al., *DistiLLM: Towards Streamlined Distillation for
/// Large Language Models*, 2024, [arXiv:2402.03898](https://arxiv.org/abs/2402.03898).
#[doc(alias = "KLDivLoss with logits")]
#[doc(alias = "knowledge distillation")]
#[doc(alias = "Hinton")]
#[doc(alias = "reverse KL")]
#[doc(alias = "relative entropy")]
#[doc(alias = "DistiLLM")]
#[derive(Clone, Debug)]
pub struct SoftmaxKlLoss {
    config: SoftmaxKlLossConfig,
}

of_two_logits!(SoftmaxKlLoss, SoftmaxKlLossConfig);

// Of two logits of -inf the logarithms have no difference; nor has either a probability.
static FORWARD: PairFormula = PairFormula::new(|[ln_p, _, ln_q, q]| q.times_or_zero(ln_q - ln_p));

static REVERSE: PairFormula = PairFormula::new(|[ln_p, p, ln_q, _]| p.times_or_zero(ln_p - ln_q));

static SYMMETRIC: PairFormula =
    PairFormula::new(|[ln_p, p, ln_q, q]| 0.5 * (p - q).times_or_zero(ln_p - ln_q));

static SKEW_FORWARD: PairFormula =
    PairFormula::new(|[ln_p, _, ln_q, q]| -q.times_or_zero(ln_mixture(ln_p - ln_q, SHARES)));

static SKEW_REVERSE: PairFormula =
    PairFormula::new(|[ln_p, p, ln_q, _]| -p.times_or_zero(ln_mixture(ln_q - ln_p, SHARES)));

/// The names of the shares in a mixture: the other's, and one's own.
const SHARES: [&str; 2] = ["other", "skew"];

impl SoftmaxKlLoss {
    fn pair(&self) -> SoftmaxPair {
        let config = &self.config;
        let formula = match config.direction {
            KlDirection::Forward => &FORWARD,
            KlDirection::Reverse => &REVERSE,
            KlDirection::Symmetric => &SYMMETRIC,
            KlDirection::SkewForward => &SKEW_FORWARD,
            KlDirection::SkewReverse => &SKEW_REVERSE,
        };
        let options = [(SHARES[0], 1.0 - config.skew), (SHARES[1], config.skew)];
        formula.with(
            &options,
            config.temperature,
            factor(config.temperature, config.squared_temperature),
        )
    }
}

/// What a loss at a temperature is multiplied by.
pub(super) fn factor(temperature: f64, squared: bool) -> f64 {
    if squared {
        temperature * temperature
    } else {
        1.0
    }
}

/// `KL(q || p)` at a temperature.
pub(super) fn forward(temperature: f64, squared: bool) -> SoftmaxPair {
    FORWARD.with(&[], temperature, factor(temperature, squared))
}

/// `KL(p || q)` at a temperature.
pub(super) fn reverse(temperature: f64) -> SoftmaxPair {
    REVERSE.with(&[], temperature, 1.0)
}
