//! Cross-entropy with one more term of its series.

use super::lints::{SOFTMAX_INSIDE, class_lints};
use crate::engine::any_rank::AnyRank;
use crate::engine::values::AnyTarget;
use crate::loss::Evaluate;
use crate::loss::call::{Call, LossOutput};
use crate::loss::classes::{ClassInput, Options, check_classes, evaluate};
use crate::loss::formula::softmax::ClassFormula;
use crate::losses::config::loss_config;
use crate::losses::module::{loss_module, weight};
use crate::spec::expression::Expr;
use crate::spec::reduction::Reduction;
use crate::targets::{ClassAxisTarget, ClassIds};
use crate::validate::check::Check;
use crate::validate::error::{Lint, LossError};
use alloc::sync::Arc;
use alloc::vec::Vec;
use burn::tensor::Tensor;

loss_config! {
    /// Configuration of [`Poly1Loss`].
    pub struct Poly1LossConfig {
        /// What the improbability of the class is multiplied by: finite, at least -1. With 0 it is cross-entropy.
        pub epsilon: f64 where AT_LEAST_MINUS_1 = 1.0,
        /// A weight for each class: finite, at least 0.
        pub weights: Option<Vec<f64>> where NOT_NEGATIVE = None,
        /// The ids that mark a sample as not to be counted. There is none by default.
        pub ignore_indices: Vec<i64> = Vec::new(),
        /// The axis of the input that holds the classes.
        pub class_axis: usize where CLASS_AXIS = 1,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

impl Poly1LossConfig {
    /// Adds an id that marks a sample as not to be counted.
    pub fn with_ignore_index(mut self, id: i64) -> Self {
        self.ignore_indices.push(id);
        self
    }
}

/// The Poly-1 loss of logits and class ids, by the softmax: cross-entropy, and a multiple of the probability that the
/// class lacks.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/poly1.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// p        = softmax(x) along the class axis, at the class y
/// loss     = w[y] (-ln p + epsilon (1 - p))                         0 where y is ignored
///            Mean = sum of the losses / sum of w[y] over the samples that are not ignored
/// gradient = -w[y] (1 + epsilon p) (1 - p)                          at the class,
///            w[y] (1 + epsilon p) p[c]                              at another class c
/// w: `weights` of the classes (1 without)
/// ```
///
/// </details>
///
/// # Character
///
/// Cross-entropy is a sum of powers of the probability that the class lacks, `(1 - p)^k / k`, of which the first is
/// changed here. So the pull of a sample is that of [`CrossEntropyLoss`](crate::classification::CrossEntropyLoss), times
/// `1 + epsilon p`: above 0, `epsilon` makes more of samples that are half right already, and of hopeless ones no less;
/// below 0 it makes less of them, as [`FocalLoss`](crate::classification::FocalLoss) does much more. Below -1 a sample
/// that is nearly right would be pushed back, which is an error. It is one option to tune: the paper took 2 to classify
/// images and -1 to detect objects. Labels of yes or no, by a sigmoid, have
/// [`SigmoidPoly1Loss`](crate::classification::SigmoidPoly1Loss). **The last layer is linear, with C outputs and no
/// softmax.**
///
/// # Target
///
/// **Class ids from 0 to C - 1: an `Int` tensor without the class axis**, as for cross-entropy; probabilities and
/// smoothing are not taken. Ids that are stored as floats do not compile; one-hot rows become ids by
/// [`target::class_ids`](crate::target::class_ids). [`lint`](crate::Loss::lint) tells a softmax that the model applied
/// already, and ids that are all the same.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// let logits = [[0., 2., 0., 0., 0.], [2., 0., 0., 0., 0.], [0., 0., 0., 2., 0.]];
/// let logits = Tensor::<2>::from_data(logits, &device);
/// let targets = Tensor::<1, Int>::from_data([1, 0, 4], &device);
///
/// let value = Poly1Loss::new().forward(logits.clone(), targets.clone()); // epsilon 1
/// assert!((value.into_scalar::<f32>() - 1.637528).abs() < 1e-5);
///
/// // As in timm and optax.
/// let loss = Poly1LossConfig::new().with_epsilon(2.0).init();
/// let value = loss.forward(logits.clone(), targets.clone());
/// assert!((value.into_scalar::<f32>() - 2.175736).abs() < 1e-5);
///
/// // The class that is wrong counts a quarter.
/// let weights = vec![1.0, 1.0, 1.0, 1.0, 0.25];
/// let loss = Poly1LossConfig::new().with_weights(Some(weights)).init();
/// let value = loss.forward(logits, targets);
/// assert!((value.into_scalar::<f32>() - 1.068421).abs() < 1e-5);
/// ```
///
/// # Shapes
///
/// * logits: `[N, C]`, `[N, C, d1, ..]`, rank 2 to 6; the classes on axis 1 or `class_axis`
/// * targets: ids in that shape without the class axis
/// * unreduced: the logits' shape without the class axis
///
/// # Errors
///
/// * A target of another shape; the text says which class axis would fit.
/// * An id that is neither a class nor ignored, with its index, and whether ids seem to start at 1.
/// * A single class, for which the loss is always 0; `weights` that are not one per class.
/// * A float type that the device cannot compute with.
/// * In `init`: an `epsilon` that is below -1 or not finite, bad weights, a `class_axis` of 0.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid target makes loss and gradient NaN.
///
/// # Other libraries
///
/// timm's `PolyCrossEntropy(epsilon)`, whose `epsilon` is 2 unless said otherwise. It has `smoothing`, and takes
/// distributions, but no weights of classes and no ignored ids. `optax.losses.poly_loss_cross_entropy(x, one_hot)`, also
/// with 2; it does not reduce. `rax.poly1_softmax_loss(x, one_hot)` has 1, as here: the items of a list are its classes.
///
/// All of them compute `1 - p` as a difference; here it keeps its digits where `p` is nearly 1.
///
/// # Reference
///
/// Leng et al., *PolyLoss: A Polynomial Expansion Perspective of Classification Loss Functions*, 2022,
/// [arXiv:2204.12511](https://arxiv.org/abs/2204.12511).
#[doc(alias = "PolyLoss")]
#[doc(alias = "Poly-1")]
#[doc(alias = "PolyCrossEntropy")]
#[doc(alias = "poly_loss_cross_entropy")]
#[derive(Clone, Debug)]
pub struct Poly1Loss {
    config: Poly1LossConfig,
}

loss_module!(Poly1Loss, Poly1LossConfig, Loss [logits, targets]);
weight!(Poly1Loss, ClassIds of classes);

static POLY1: ClassFormula =
    ClassFormula::new(|[ln_p, _, rest]| Expr::parameter("epsilon") * rest - ln_p);

impl Poly1Loss {
    fn options(&self) -> Options<'_> {
        Options {
            weights: self.config.weights.as_ref(),
            ignored: &self.config.ignore_indices,
            head: Some(Arc::new(POLY1.with(&[("epsilon", self.config.epsilon)]))),
            ..Options::new(Self::NAME, self.config.class_axis)
        }
    }

    fn losses(
        &self,
        logits: AnyRank,
        targets: AnyTarget,
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let options = self.options();
        let check = Check::new(Self::NAME, &logits.device(), call.waiting);
        check_classes(&check, &options, "logits", &logits, &targets)?;
        check.holds(logits.dtype(), "epsilon", self.config.epsilon)?;
        evaluate(&check, &options, ClassInput::Logits, logits, targets, call)
    }
}

impl<const D: usize, T: ClassIds<D>> Evaluate<(Tensor<D>, T)> for Poly1Loss {
    type Unreduced = <T as ClassAxisTarget<D>>::PerSample;

    fn evaluate(
        &self,
        (logits, targets): (Tensor<D>, T),
        call: Call,
    ) -> Result<LossOutput, LossError> {
        self.losses(logits.into(), targets.erased(), call)
    }

    fn inspect(&self, (logits, targets): (Tensor<D>, T)) -> Vec<Lint> {
        let targets = targets.erased();
        class_lints(&self.options(), &logits.into(), targets, SOFTMAX_INSIDE)
    }
}
