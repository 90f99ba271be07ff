//! What the losses of a student's and a teacher's logits share.

use crate::engine::any_rank::AnyRank;
use crate::engine::host::softmax_pair::SoftmaxPair;
use crate::engine::rows::RowSpec;
use crate::engine::shape::{layers, without};
use crate::engine::values::FlatValues;
use crate::loss::call::{Call, LossOutput};
use crate::loss::rows::evaluate;
use crate::spec::row::RowTarget;
use crate::validate::check::{Check, dims, row_sums, tolerance};
use crate::validate::error::{Lint, LossError, LossErrorKind};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use burn::tensor::{Shape, Tensor};

/// With the classes last, as the rows of a sweep are.
pub(super) fn classes_last<const D: usize>(logits: Tensor<D>, axis: usize) -> Tensor<D> {
    if axis + 1 >= D {
        return logits;
    }
    let mut axes: [isize; D] = core::array::from_fn(|at| at as isize);
    axes[axis..].rotate_left(1);
    logits.permute(axes)
}

/// The loss of logits whose classes are last, and were along the given axis.
pub(super) fn losses(
    loss: &'static str,
    pair: SoftmaxPair,
    [student, teacher]: [AnyRank; 2],
    class_axis: usize,
    target: RowTarget<FlatValues>,
    call: Call,
) -> Result<LossOutput, LossError> {
    let check = checked(loss, [&student, &teacher], class_axis, &call)?;
    let dtype = student.dtype();
    check.holds(dtype, "1 / temperature", pair.over_temperature)?;
    check.holds(dtype, "the square of the temperature", pair.factor)?;
    let last = student.shape().num_dims() - 1;
    let spec = RowSpec::new(Arc::new(pair), last, target);
    evaluate(&check, spec, [student, teacher], call)
}

/// The checks of what the host knows of logits whose classes are last, and were along the given axis.
pub(super) fn checked(
    loss: &'static str,
    [student, teacher]: [&AnyRank; 2],
    class_axis: usize,
    call: &Call,
) -> Result<Check, LossError> {
    let (device, shape) = (student.device(), student.shape());
    let check = Check::new(loss, &device, call.waiting);
    check.dtype(&device, student.dtype())?;
    check.device("student", &device, "teacher", &teacher.device())?;
    check.same_shape("student", &shape, "teacher", &teacher.shape())?;
    check.one_tracking(&[("student", student), ("teacher", teacher)])?;
    check.class_axis(class_axis, &shape)?;
    let classes = shape[shape.num_dims() - 1];
    if classes < 2 {
        return Err(check.error(
            LossErrorKind::Shape,
            format!(
                "student {} has {classes} class along the class axis, so both softmaxes are always 1.",
                dims(&shape)
            ),
        ));
    }
    Ok(check)
}

/// Suspicions about logits whose classes are last.
pub(super) fn lints(loss: &'static str, student: &AnyRank, teacher: &AnyRank) -> Vec<Lint> {
    let mut lints = Vec::new();
    for (name, logits) in [("student", student), ("teacher", teacher)] {
        let shape = logits.shape();
        let last = shape.num_dims() - 1;
        let values = logits.values();
        if values.is_empty() {
            continue;
        }
        let sums = row_sums(values.iter().copied(), layers(&shape, last), |value| value);
        let slack = tolerance(logits.dtype());
        let all = |such: &dyn Fn(f64) -> bool| values.iter().all(|&value| such(value));
        let sum_to_one = |sums: &[f64]| sums.iter().all(|sum| (sum - 1.0).abs() <= slack);
        if all(&|value| (0.0..=1.0).contains(&value)) && sum_to_one(&sums) {
            lints.push(Lint {
                loss,
                rule: "probabilities-as-logits",
                message: format!(
                    "every row of {name} is from 0 to 1 and sums to 1, as after a softmax: this loss applies the softmax \
                     itself, so give it the logits."
                ),
            });
        }
    }
    let (of_student, of_teacher) = (student.values(), teacher.values());
    if !of_student.is_empty() && of_student == of_teacher {
        lints.push(Lint {
            loss,
            rule: "teacher-is-student",
            message: "student and teacher are the same logits: the loss is 0, and nothing can be learned from it.".into(),
        });
    }
    lints
}

/// The shape of the losses of logits whose classes are last.
pub(super) fn shape_of_losses(logits: &Shape) -> Shape {
    without(logits, logits.num_dims() - 1)
}

/// Stamps onto a loss of two logits what its `pair` computes.
macro_rules! of_two_logits {
    ($loss:ident, $config:ident) => {
        $crate::losses::module::loss_module!($loss, $config, Loss [student, teacher]);

        impl<const D: usize> $crate::loss::Evaluate<(burn::tensor::Tensor<D>, burn::tensor::Tensor<D>)> for $loss
        where
            burn::tensor::Tensor<D>: $crate::targets::rank::LowerRank,
        {
            type Unreduced = <burn::tensor::Tensor<D> as $crate::targets::rank::LowerRank>::Lower;

            fn evaluate(
                &self,
                (student, teacher): (burn::tensor::Tensor<D>, burn::tensor::Tensor<D>),
                call: $crate::loss::call::Call,
            ) -> Result<$crate::loss::call::LossOutput, $crate::LossError> {
                let axis = self.config.class_axis;
                let rows = [student, teacher].map(|logits| super::rows::classes_last(logits, axis).into());
                let target = $crate::spec::row::RowTarget::Nothing;
                super::rows::losses(Self::NAME, self.pair(), rows, axis, target, call)
            }

            fn inspect(
                &self,
                (student, teacher): (burn::tensor::Tensor<D>, burn::tensor::Tensor<D>),
            ) -> alloc::vec::Vec<$crate::Lint> {
                let axis = self.config.class_axis;
                let [student, teacher] = [student, teacher].map(|logits| super::rows::classes_last(logits, axis).into());
                super::rows::lints(Self::NAME, &student, &teacher)
            }
        }
    };
}

pub(super) use of_two_logits;
