//! A teacher's softmax and the true class, both at once.

use super::rows::{checked, classes_last, lints, losses, shape_of_losses};
use super::softmax_kl::forward;
use crate::engine::any_rank::AnyRank;
use crate::engine::dtype::compute_dtype;
use crate::engine::host::softmax_pair::SoftmaxPair;
use crate::engine::portable::ids::SafeIds;
use crate::engine::values::{AnyTarget, FlatValues};
use crate::loss::Evaluate;
use crate::loss::call::{Call, LossOutput};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::reduction::Reduction;
use crate::spec::row::RowTarget;
use crate::targets::rank::LowerRank;
use crate::targets::{ClassAxisTarget, ClassIds};
use crate::validate::check::dims;
use crate::validate::error::{Lint, LossError, LossErrorKind};
use alloc::format;
use alloc::vec::Vec;
use burn::tensor::Tensor;

loss_config! {
    /// Configuration of [`DistillationLoss`].
    pub struct DistillationLossConfig {
        /// What the logits of both are divided by for the teacher's share: above 0.
        pub temperature: f64 where POSITIVE = 2.0,
        /// The share of the teacher, from 0 to 1; the rest is the cross-entropy with the true class.
        pub alpha: f64 where FROM_0_TO_1 = 0.5,
        /// Whether the teacher's share is multiplied by the square of the temperature, so that its gradient is about as
        /// large at any.
        pub squared_temperature: bool = true,
        /// The ids that mark a sample as not to be counted. There is none by default.
        pub ignore_indices: Vec<i64> = Vec::new(),
        /// The axis of the inputs that holds the classes.
        pub class_axis: usize where CLASS_AXIS = 1,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

impl DistillationLossConfig {
    /// Adds an id that marks a sample as not to be counted.
    pub fn with_ignore_index(mut self, id: i64) -> Self {
        self.ignore_indices.push(id);
        self
    }
}

/// Knowledge distillation: the divergence of a student's softened softmax from a teacher's, and the cross-entropy of the
/// student with the true class, in one pass.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/distillation.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// p_T      = softmax(x / T),  q_T = softmax(z / T) along the class axis     x: student, z: teacher, T: `temperature`
/// p        = softmax(x)
/// loss     = alpha T^2 sum over c of q_T[c] (ln q_T[c] - ln p_T[c]) - (1 - alpha) ln p[y]     0 where y is ignored
///            without T^2 if `squared_temperature` is off
///            Mean = sum of the losses / number of samples that are not ignored
/// gradient = alpha T (p_T - q_T) + (1 - alpha) (p - y), with respect to x     y one-hot, with T^2
/// ```
///
/// </details>
///
/// # Character
///
/// For a small model that learns from a large one where the true classes are known too. The teacher says which wrong
/// classes are nearly right, the class corrects the teacher. Softening both by a temperature of 2 to 5 brings out the
/// small probabilities; the square of it keeps the gradient of the teacher's share as large as it was, so that `alpha`
/// and the temperature are tuned apart. `alpha` is usually 0.5 to 0.9. With 1 it is
/// [`SoftmaxKlLoss`](crate::distillation::SoftmaxKlLoss), which has the other directions, with 0 it is
/// [`CrossEntropyLoss`](crate::classification::CrossEntropyLoss).
///
/// On a CPU both losses are computed together, each row read once. On a GPU they run as tensor operations. Classes on
/// another axis than the last are brought there first, which is a copy.
///
/// # Target
///
/// **Two of them. The logits of the teacher, in the shape of the student's**, for the same classes in the same order, and
/// **class ids from 0 to C - 1, an `Int` tensor without the class axis**. An ignored id leaves out both shares of its
/// sample: padding has no teacher. The usual mistakes:
///
/// * A teacher that is tracked, which is an error: it would be trained to agree with the student. Pass `teacher.inner()`.
/// * The teacher's probabilities, which [`lint`](crate::TripleLoss::lint) reports; log-probabilities do no harm.
/// * A teacher that was left in training mode, and student and teacher exchanged (which autodiff makes an error).
/// * `alpha` the wrong way round: here it is the teacher's share.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// let student = Tensor::<2>::from_data([[0., 1., 2.], [1., 0., -1.]], &device);
/// let teacher = Tensor::<2>::from_data([[-1., 1., 3.], [2., 0., 0.]], &device);
/// let targets = Tensor::<1, Int>::from_data([2, 0], &device);
///
/// let loss = DistillationLoss::new(); // temperature 2, alpha 1/2
/// let value = loss.forward(student.clone(), teacher.clone(), targets.clone());
/// assert!((value.into_scalar::<f32>() - 0.286926).abs() < 1e-5);
///
/// let config = DistillationLossConfig::new().with_temperature(4.0).with_alpha(0.9);
/// let value = config.init().forward(student.clone(), teacher.clone(), targets.clone());
/// assert!((value.into_scalar::<f32>() - 0.224733).abs() < 1e-5);
///
/// // Neither the teacher's share of the first sample counts, nor its class.
/// let loss = config.with_ignore_index(2).init();
/// let value = loss.forward(student, teacher, targets);
/// assert!((value.into_scalar::<f32>() - 0.133557).abs() < 1e-5);
/// ```
///
/// # Shapes
///
/// * student and teacher: the same, `[N, C]`, `[N, C, d1, ..]`, rank 2 to 6; the classes on axis 1 or `class_axis`, which
///   is 2 for the tokens `[N, T, C]` of a text
/// * targets: ids in that shape without the class axis
/// * unreduced: that shape without the class axis
///
/// # Errors
///
/// * Shapes or devices that differ: nothing is broadcast.
/// * A teacher that is tracked by autodiff.
/// * An id that is neither a class nor ignored, with its index.
/// * A single class, of which both softmaxes are always 1; a `class_axis` that is not one.
/// * A float type that the device cannot compute with.
/// * In `init`: an `alpha` that is not from 0 to 1, a `temperature` that is not above 0, a `class_axis` of 0.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid id makes loss and gradient NaN. Logits may be
/// anything; `-inf` is a probability of 0, and the loss is infinite where the student rules out what the teacher does
/// not.
///
/// # Other libraries
///
/// In PyTorch it is `alpha * T**2 * kl_div(log_softmax(x / T, 1), softmax(z / T, 1), reduction="batchmean")` plus
/// `(1 - alpha) * cross_entropy(x, y)`, for `[N, C]`. The usual mistakes there are `reduction="mean"`, which divides the
/// teacher's share by C as well, and no `T**2`.
///
/// * timm's `LogitDistillationTask(temperature=T, task_loss_weight=1 - alpha)`, with cross-entropy as the criterion. With
///   neither weight given both losses count 1.
/// * Keras' `Distiller(student_loss_weight=1 - alpha)` with `LogitsDistillation(T)`, whose temperature is 3 by default.
///   It clips probabilities at 1e-7.
/// * torchdistill's `KDLoss`: **its `alpha` is the share of the class**, and its `beta`, that of the teacher, may be
///   given apart. With an `alpha` of 0 it leaves out the `T**2` as well. An `ignore_index` leaves a sample out of the
///   cross-entropy alone.
/// * Liger's fused distillation losses have `weight_hard_loss` and `weight_soft_loss`, and no `T**2`.
///
/// # Reference
///
/// Hinton et al., *Distilling the Knowledge in a Neural Network*, 2015,
/// [arXiv:1503.02531](https://arxiv.org/abs/1503.02531).
#[doc(alias = "knowledge distillation")]
#[doc(alias = "Hinton")]
#[doc(alias = "KDLoss")]
#[doc(alias = "KD")]
#[doc(alias = "teacher")]
#[doc(alias = "soft targets")]
#[derive(Clone, Debug)]
pub struct DistillationLoss {
    config: DistillationLossConfig,
}

loss_module!(DistillationLoss, DistillationLossConfig, TripleLoss [student, teacher, targets]);

impl DistillationLoss {
    fn pair(&self) -> SoftmaxPair {
        let config = &self.config;
        let pair = forward(config.temperature, config.squared_temperature);
        SoftmaxPair {
            factor: pair.factor * config.alpha,
            of_class: Some(1.0 - config.alpha),
            ..pair
        }
    }

    /// Of logits whose classes are last.
    fn losses(
        &self,
        rows: [AnyRank; 2],
        targets: AnyTarget,
        mut call: Call,
    ) -> Result<LossOutput, LossError> {
        let [student, teacher] = rows.each_ref();
        let axis = self.config.class_axis;
        let check = checked(Self::NAME, [student, teacher], axis, &call)?;
        check.device("student", &student.device(), "targets", &targets.device)?;
        let shape = shape_of_losses(&student.shape());
        if targets.shape != shape {
            let message = format!(
                "targets {} do not fit student {} (its classes last): they are class ids in that shape without the class \
                 axis, {}.",
                dims(&targets.shape),
                dims(&student.shape()),
                dims(&shape)
            );
            return Err(check.error(LossErrorKind::Shape, message));
        }
        if teacher.is_tracked() {
            let hint = "The teacher stays as it is: pass `teacher.inner()`, or run it on a device without autodiff.";
            return Err(check.tracked("teacher", hint));
        }
        let mut left_out = None;
        let mut ids = targets.values.integers();
        let ignored = &self.config.ignore_indices;
        if !ignored.is_empty() && shape.num_elements() > 0 {
            let classes = student.shape()[shape.num_dims()];
            let found = SafeIds::new(ids.clone(), classes, ignored);
            let is_ignored = found.valid().bool_and(found.is_class().bool_not());
            ids = ids.mask_fill(is_ignored.clone(), 0);
            if call.is_unreduced() {
                left_out = Some(is_ignored);
            } else {
                let counts = is_ignored.bool_not().cast(compute_dtype(student.dtype()));
                call = call.where_counts(&check, counts, &shape, student.dtype())?;
            }
        }
        let target = RowTarget::Class(FlatValues::Int(ids), None);
        let output = losses(Self::NAME, self.pair(), rows, axis, target, call)?;
        Ok(match left_out {
            Some(left_out) => LossOutput {
                value: output.value.mask_fill(left_out, 0.0),
                ..output
            },
            None => output,
        })
    }
}

impl<const D: usize, T: ClassIds<D>> Evaluate<(Tensor<D>, Tensor<D>, T)> for DistillationLoss
where
    Tensor<D>: LowerRank,
{
    type Unreduced = <T as ClassAxisTarget<D>>::PerSample;

    fn evaluate(
        &self,
        (student, teacher, targets): (Tensor<D>, Tensor<D>, T),
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let rows =
            [student, teacher].map(|logits| classes_last(logits, self.config.class_axis).into());
        self.losses(rows, targets.erased(), call)
    }

    fn inspect(&self, (student, teacher, _): (Tensor<D>, Tensor<D>, T)) -> Vec<Lint> {
        let rows =
            [student, teacher].map(|logits| classes_last(logits, self.config.class_axis).into());
        lints(Self::NAME, &rows[0], &rows[1])
    }
}
