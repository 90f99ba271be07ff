//! The rules for shapes and values, and their messages.

use super::checks::reads_values;
use super::error::{LossError, LossErrorKind};
use crate::engine::any_rank::AnyRank;
use crate::engine::device::computes_by_shaders;
use crate::engine::dtype::{compute_dtype, largest};
use crate::engine::portable::tensors::AXIS;
use crate::engine::values::AnyTarget;
use crate::spec::rule::Rule;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use burn::tensor::{Bool, DType, Device, Int, Shape, Tensor, TensorData};

/// How far class probabilities may stray from their range, and a row's sum from 1.
///
/// Wide enough for what a softmax in half precision gives, narrow enough for the mistakes worth
/// telling: counts, scores, several classes at once, rows of zeros.
pub(crate) fn tolerance(dtype: DType) -> f64 {
    match dtype {
        DType::BF16 => 0.05,
        _ => 0.01,
    }
}

/// The largest value that still passes for a logarithm of a probability.
pub(crate) const LOG_PROB_MAX: f64 = 0.01;

/// The rule for the logarithm of a probability: not above 0, but for rounding.
pub(crate) const LOG_PROB: Rule = Rule::between(f64::NEG_INFINITY, LOG_PROB_MAX).or_nan();

/// What to say of a value that is no logarithm of a probability.
pub(crate) fn no_log_prob(name: &str, found: &Violation) -> String {
    let hint = if found.all(|value| (0.0..=1.0).contains(&value)) {
        "These look like probabilities: take the logarithm, or better give `target::log_probs` the \
         logits."
    } else {
        "Logits become log-probabilities by `target::log_probs`."
    };
    format!(
        "{name} {} at index {:?} is not the logarithm of a probability: it must be at most 0. {hint}",
        found.shown(),
        found.index
    )
}

/// A shape as it is written in messages.
pub(crate) fn dims(shape: &Shape) -> String {
    format!("{:?}", shape.as_slice())
}

/// The checks of one call of one loss.
pub(crate) struct Check {
    loss: &'static str,
    reads: bool,
}

impl Check {
    pub(crate) fn new(loss: &'static str, device: &Device, waiting: bool) -> Self {
        Self {
            loss,
            reads: reads_values(device, waiting),
        }
    }

    pub(crate) fn error(&self, kind: LossErrorKind, message: String) -> LossError {
        LossError::new(self.loss, kind, message)
    }

    /// Whether values are read.
    pub(crate) fn reads(&self) -> bool {
        self.reads
    }

    /// The error where a sweep found a rule broken that a second look, before numbers were rounded to the type that is
    /// computed in, finds kept.
    pub(crate) fn unexplained(&self) -> LossError {
        let message = "the target is at the very edge of what is allowed, and beyond it in the float type that the loss is \
                       computed in: move such a number away from the edge, and divide rows that are to sum to 1 by their sum.";
        let kind = LossErrorKind::Value {
            value: 1.0,
            index: Vec::new(),
        };
        self.error(kind, message.into())
    }

    // Shapes, devices, types: known on the host, always checked.

    /// The float type must be one the device computes with: on some accelerators any other gives
    /// garbage without an error.
    pub(crate) fn dtype(&self, device: &Device, dtype: DType) -> Result<(), LossError> {
        let missing = match dtype {
            DType::F16 | DType::BF16 => !device.supports_dtype(dtype),
            DType::F64 => computes_by_shaders(device),
            _ => false,
        };
        if missing {
            return Err(self.error(
                LossErrorKind::DType,
                format!(
                    "the device {device:?} cannot compute with {dtype:?}: cast the input to F32."
                ),
            ));
        }
        Ok(())
    }

    pub(crate) fn device(
        &self,
        name: &str,
        device: &Device,
        other_name: &str,
        other: &Device,
    ) -> Result<(), LossError> {
        if device != other {
            let device = device.clone().without_autodiff();
            let other = other.clone().without_autodiff();
            return Err(self.error(
                LossErrorKind::Device,
                format!(
                    "{name} is on {device:?} and {other_name} on {other:?}: move {other_name} with \
                     `to_device`."
                ),
            ));
        }
        Ok(())
    }

    /// Inputs that are tracked must be so in one way: Burn cannot put others into one graph.
    pub(crate) fn one_tracking(&self, inputs: &[(&str, &AnyRank)]) -> Result<(), LossError> {
        let mut tracked = inputs.iter().filter(|(_, input)| input.is_tracked());
        let Some((first, input)) = tracked.next() else {
            return Ok(());
        };
        let Some((other, _)) =
            tracked.find(|(_, other)| other.is_checkpointed() != input.is_checkpointed())
        else {
            return Ok(());
        };
        let (with, without) = if input.is_checkpointed() {
            (first, other)
        } else {
            (other, first)
        };
        Err(self.error(
            LossErrorKind::Tracking,
            format!(
                "{with} is tracked with gradient checkpointing and {without} without: Burn cannot put \
                 both into one graph. Create all of a model and its inputs on one device, either \
                 `device.autodiff()` or `device.autodiff().gradient_checkpointing()`."
            ),
        ))
    }

    /// An option must be a number of the type that is computed in.
    pub(crate) fn holds(&self, dtype: DType, name: &str, option: f64) -> Result<(), LossError> {
        let wide = DType::from(compute_dtype(dtype));
        if option.abs() <= largest(wide) {
            return Ok(());
        }
        Err(self.error(
            LossErrorKind::Config,
            format!(
                "{name} is {}, which {} cannot hold.",
                shown(option, DType::F64),
                computed_in(wide)
            ),
        ))
    }

    /// As [`holds`](Self::holds), for a number for each class.
    pub(crate) fn holds_all(
        &self,
        dtype: DType,
        name: &str,
        options: &[f64],
    ) -> Result<(), LossError> {
        let held = largest(compute_dtype(dtype).into());
        match options.iter().position(|option| option.abs() > held) {
            Some(class) => self.holds(dtype, &format!("{name}[{class}]"), options[class]),
            None => Ok(()),
        }
    }

    pub(crate) fn untracked(&self, name: &str, target: &AnyTarget) -> Result<(), LossError> {
        if target.is_tracked {
            return Err(self.error(
                LossErrorKind::TrackedTarget,
                format!(
                    "{name}: tracked by autodiff, but this loss has no gradient for it: pass \
                     `{name}.inner()`."
                ),
            ));
        }
        Ok(())
    }

    /// The error for an operand that is tracked, and must not be.
    #[cfg(feature = "std")]
    pub(crate) fn tracked(&self, name: &str, hint: &str) -> LossError {
        self.error(
            LossErrorKind::TrackedTarget,
            format!("{name}: tracked by autodiff. {hint}"),
        )
    }

    /// As [`untracked`](Self::untracked), for weights: somebody may want their gradient.
    pub(crate) fn untracked_weights(&self, weights: &AnyTarget) -> Result<(), LossError> {
        if weights.is_tracked {
            return Err(self.error(
                LossErrorKind::TrackedTarget,
                "weights: tracked by autodiff, but this loss has no gradient for them. Multiply what \
                 forward_no_reduction gives by weights that are learnt; only for others is \
                 `weights.inner()` the same."
                    .into(),
            ));
        }
        Ok(())
    }

    /// The same shape, for tensors of one rank.
    pub(crate) fn same_shape(
        &self,
        name: &str,
        shape: &Shape,
        other_name: &str,
        other: &Shape,
    ) -> Result<(), LossError> {
        if shape == other {
            return Ok(());
        }
        let fix = if shape.num_elements() == other.num_elements() {
            format!(
                "Bring {other_name} to {} with `reshape` or `swap_dims`.",
                dims(shape)
            )
        } else {
            format!("Each element of {name} needs its own element of {other_name}.")
        };
        Err(self.error(
            LossErrorKind::Shape,
            format!(
                "{name} {} and {other_name} {} must have the same shape; nothing is broadcast. {fix}",
                dims(shape),
                dims(other),
            ),
        ))
    }

    /// A target with a value for each element of the input, and no gradient.
    pub(crate) fn target_per_element(
        &self,
        name: &str,
        input: &AnyRank,
        targets: &AnyTarget,
    ) -> Result<(), LossError> {
        let device = input.device();
        self.dtype(&device, input.dtype())?;
        self.device(name, &device, "targets", &targets.device)?;
        self.untracked("targets", targets)?;
        self.same_shape(name, &input.shape(), "targets", &targets.shape)
    }

    pub(crate) fn at_least_rank_2(&self, rank: usize, what: &str) -> Result<(), LossError> {
        if rank < 2 {
            return Err(self.error(
                LossErrorKind::Shape,
                format!(
                    "the input has rank {rank}, but {what}: give a single sample a batch axis with \
                     `unsqueeze_dim::<2>(0)`."
                ),
            ));
        }
        Ok(())
    }

    /// A class axis that the input has.
    pub(crate) fn class_axis(&self, axis: usize, shape: &Shape) -> Result<(), LossError> {
        let rank = shape.num_dims();
        if axis >= rank {
            return Err(self.error(
                LossErrorKind::Shape,
                format!(
                    "class_axis {axis} is not an axis of the input {}: the last one is {}.",
                    dims(shape),
                    rank - 1
                ),
            ));
        }
        Ok(())
    }

    /// One weight for each class, or (where `or_one`) a single one.
    pub(crate) fn class_weights(
        &self,
        name: &str,
        weights: Option<&Vec<f64>>,
        classes: usize,
        or_one: bool,
    ) -> Result<(), LossError> {
        match weights.map(Vec::len) {
            Some(1) if or_one => Ok(()),
            Some(count) if count != classes => {
                let needed = match classes {
                    1 => "1: there is one class.".into(),
                    _ if or_one => format!("1 for all, or {classes}: one per class."),
                    _ => format!("{classes}: one per class."),
                };
                let message = format!("{name} has {count} entries, but needs {needed}");
                Err(self.error(LossErrorKind::Shape, message))
            }
            _ => Ok(()),
        }
    }

    // Values: read from the device, where the call waits for that.

    pub(crate) fn data<
        const D: usize,
        K: burn::tensor::kind::Basic + burn::tensor::kind::Autodiff,
    >(
        &self,
        tensor: &Tensor<D, K>,
    ) -> Result<TensorData, LossError> {
        tensor.clone().inner().try_to_data().map_err(|error| {
            self.error(
                LossErrorKind::Read,
                format!("the values could not be read from the device: {error:?}"),
            )
        })
    }

    /// The rule for every single value: an error with `explain`'s text for the first that breaks it,
    /// and the mask of where it holds if the values are not read.
    pub(crate) fn each<const D: usize>(
        &self,
        tensor: &Tensor<D>,
        rule: Rule,
        explain: impl FnOnce(&Violation) -> String,
    ) -> Result<Option<Tensor<D, Bool>>, LossError> {
        self.each_in(&tensor.shape(), tensor.dtype(), tensor, rule, explain)
    }

    /// As [`each`](Self::each), for values that were flattened from a tensor of the given shape, beside
    /// inputs of the given type.
    pub(crate) fn each_in<const D: usize>(
        &self,
        shape: &Shape,
        inputs: DType,
        tensor: &Tensor<D>,
        rule: Rule,
        explain: impl FnOnce(&Violation) -> String,
    ) -> Result<Option<Tensor<D, Bool>>, LossError> {
        if !self.reads {
            return Ok(Some(rule.holds(tensor)));
        }
        let data = self.data(tensor)?;
        match position(&data, |value| !rule.holds(&value)) {
            Some((at, value)) => {
                let found = Violation {
                    value,
                    index: unravel(at, shape),
                    computed: compute_dtype(inputs).into(),
                    data: &data,
                };
                Err(self.found(found, explain))
            }
            None => Ok(None),
        }
    }

    /// The rule for the values at some positions of layers, which were a tensor of the given shape: an error with
    /// `explain`'s text for the first that breaks it. They are read.
    pub(crate) fn picked(
        &self,
        shape: &Shape,
        tensor: &Tensor<3>,
        mut positions: impl Iterator<Item = usize>,
        rule: Rule,
        explain: impl FnOnce(&Violation) -> String,
    ) -> Result<(), LossError> {
        let data = self.data(tensor)?;
        let values: Vec<f64> = data.iter().collect();
        match positions.find(|&at| !rule.holds(&values[at])) {
            Some(at) => {
                let found = Violation {
                    value: values[at],
                    index: unravel(at, shape),
                    computed: compute_dtype(tensor.dtype()).into(),
                    data: &data,
                };
                Err(self.found(found, explain))
            }
            None => Ok(()),
        }
    }

    /// The error for a value that was found.
    fn found(&self, found: Violation, explain: impl FnOnce(&Violation) -> String) -> LossError {
        let message = explain(&found);
        let Violation { value, index, .. } = found;
        self.error(LossErrorKind::Value { value, index }, message)
    }

    /// The rule for rows along the axis of layers, which was `axis` of the given shape: that the entries sum to
    /// 1; or, where the entries are `logarithms`, what they are the logarithms of.
    pub(crate) fn rows_sum_to_one(
        &self,
        tensor: &Tensor<3>,
        (shape, axis): (&Shape, usize),
        tolerance: f64,
        logarithms: bool,
        explain: impl FnOnce(&Violation) -> String,
    ) -> Result<Option<Tensor<3, Bool>>, LossError> {
        if !self.reads {
            let parts = if logarithms {
                tensor.clone().exp()
            } else {
                tensor.clone()
            };
            let sum = parts.sum_dim(AXIS);
            return Ok(Some((sum - 1.0).abs().lower_equal_scalar(tolerance)));
        }
        let data = self.data(tensor)?;
        let layers = tensor.dims();
        let sums = if logarithms {
            row_sums(data.iter(), layers, num_traits::Float::exp)
        } else {
            row_sums(data.iter(), layers, |part| part)
        };
        let off = |sum: &f64| (*sum - 1.0).abs() > tolerance || sum.is_nan();
        match sums.iter().position(off) {
            Some(row) => {
                let mut kept = shape.clone();
                kept[axis] = 1;
                let found = Violation {
                    value: sums[row],
                    index: unravel(row, &kept),
                    computed: compute_dtype(tensor.dtype()).into(),
                    data: &data,
                };
                Err(self.found(found, explain))
            }
            None => Ok(None),
        }
    }

    /// Every id is a class or ignored; the ids are flattened from a tensor of the given shape, which has no
    /// class axis. Which ids are valid is for the caller to find out where the values are not read:
    /// `Ok(false)`. `ignored` is absent where no id can be.
    pub(crate) fn class_ids(
        &self,
        ids: &Tensor<1, Int>,
        shape: &Shape,
        classes: usize,
        ignored: Option<&[i64]>,
    ) -> Result<bool, LossError> {
        if !self.reads {
            return Ok(false);
        }
        let data = self.data(ids)?;
        let is_class = |id: i128| usize::try_from(id).is_ok_and(|id| id < classes);
        let ids_ignored = ignored.unwrap_or_default();
        let is_ignored = |id: i128| ids_ignored.iter().any(|&ignored| i128::from(ignored) == id);
        let found = integers(&data)
            .enumerate()
            .find(|&(_, id)| !is_class(id) && !is_ignored(id));
        let Some((at, id)) = found else {
            return Ok(true);
        };
        let index = unravel(at, shape);
        let past_the_end = id == classes as i128;
        let hint = if past_the_end && !integers(&data).any(|id| id == 0) {
            "Are the ids 1-based? Subtract 1. "
        } else if past_the_end {
            "Are the ids 1-based, or is a class missing from the model's output? "
        } else if id == -100 {
            "PyTorch ignores -100 by default; here no id is ignored unasked. "
        } else {
            ""
        };
        let skip = match ignored {
            // Of ids from 1 on, that would be the last class.
            Some(_) if past_the_end => format!(
                "Only if {id} marks what does not count, set with_ignore_index({id}): every sample with it is left out."
            ),
            Some(_) => format!("To skip a value, set with_ignore_index({id})."),
            None => String::from(
                "To leave a sample out, make it any class and give it weight 0 in forward_weighted.",
            ),
        };
        Err(self.error(
            LossErrorKind::Value {
                value: id as f64,
                index: index.clone(),
            },
            format!(
                "target {id} at index {index:?} is not a class id: the input has {classes} classes \
                 (valid ids 0..={}). {hint}{skip}",
                classes - 1
            ),
        ))
    }

    /// Weights for samples, flattened from a tensor of the given shape: not negative, and finite in the
    /// type that is computed in.
    pub(crate) fn sample_weights(
        &self,
        weights: &Tensor<1>,
        shape: &Shape,
        inputs: DType,
    ) -> Result<Option<Tensor<1, Bool>>, LossError> {
        self.each_in(
            shape,
            inputs,
            weights,
            Rule::between(0.0, largest(compute_dtype(inputs).into())),
            |found| match found.too_large() {
                Some(too_large) => format!("weight {too_large}"),
                None => format!(
                    "weight {} at index {:?} must be finite and at least 0; 0 leaves an element \
                     out.",
                    found.shown(),
                    found.index
                ),
            },
        )
    }
}

/// A type, and how large its numbers may be.
fn computed_in(dtype: DType) -> String {
    let largest = shown(largest(dtype), dtype);
    format!("{dtype:?}, in which this is computed (up to {largest}),")
}

/// A row along the axis of layers is valid where all its entries and the row itself are.
pub(crate) fn whole_rows(
    entries: Option<Tensor<3, Bool>>,
    rows: Option<Tensor<3, Bool>>,
) -> Option<Tensor<3, Bool>> {
    Some(entries?.all_dim(AXIS).bool_and(rows?))
}

/// A value that broke a rule.
pub(crate) struct Violation<'a> {
    pub(crate) value: f64,
    pub(crate) index: Vec<usize>,
    /// The type in which the loss is computed.
    computed: DType,
    data: &'a TensorData,
}

impl Violation<'_> {
    /// The value as it was written: in `f32`, if it was one.
    pub(crate) fn shown(&self) -> String {
        shown(self.value, self.data.dtype())
    }

    /// What to say of a number that is one, but not of the type that is computed in.
    pub(crate) fn too_large(&self) -> Option<String> {
        (self.value.is_finite() && self.value.abs() > largest(self.computed)).then(|| {
            format!(
                "{} at index {:?} is a number that {} cannot hold.",
                self.shown(),
                self.index,
                computed_in(self.computed)
            )
        })
    }

    /// The same value, which is at another place of what the user gave.
    #[cfg(feature = "std")]
    pub(crate) fn moved(&self, index: Vec<usize>) -> Self {
        Self {
            value: self.value,
            index,
            computed: self.computed,
            data: self.data,
        }
    }

    /// Whether all values of the tensor are such; for guessing what went wrong.
    pub(crate) fn all(&self, such: impl Fn(f64) -> bool) -> bool {
        position(self.data, |value| !such(value)).is_none()
    }
}

/// A value of the given type as it was written; with an exponent where it would have many zeros.
pub(crate) fn shown(value: f64, dtype: DType) -> String {
    let size = value.abs();
    let plain = size == 0.0 || (1e-5..1e16).contains(&size) || !size.is_finite();
    match (dtype, plain) {
        (DType::F64, true) => format!("{value}"),
        (DType::F64, false) => format!("{value:e}"),
        (_, true) => format!("{}", value as f32),
        (_, false) => format!("{:e}", value as f32),
    }
}

/// The numbers of an integer tensor, whatever its type.
pub(crate) fn integers(data: &TensorData) -> Box<dyn Iterator<Item = i128> + '_> {
    match data.dtype() {
        DType::U64 => Box::new(data.iter::<u64>().map(i128::from)),
        _ => Box::new(data.iter::<i64>().map(i128::from)),
    }
}

/// The first value that satisfies `such`, and where it is.
fn position(data: &TensorData, such: impl Fn(f64) -> bool) -> Option<(usize, f64)> {
    if let Ok(values) = data.as_slice::<f32>() {
        let at = values.iter().position(|&value| such(f64::from(value)))?;
        return Some((at, f64::from(values[at])));
    }
    data.iter::<f64>()
        .enumerate()
        .find(|&(_, value)| such(value))
}

/// The sum of each row along the axis of layers.
pub(crate) fn row_sums(
    values: impl Iterator<Item = f64>,
    [outer, classes, inner]: [usize; 3],
    part: impl Fn(f64) -> f64,
) -> Vec<f64> {
    let mut sums = alloc::vec![0.0; outer * inner];
    for (at, value) in values.enumerate() {
        let row = at / (classes * inner) * inner + at % inner;
        sums[row] += part(value);
    }
    sums
}

/// The index of the element at a position in row-major order.
pub(crate) fn unravel(position: usize, shape: &Shape) -> Vec<usize> {
    let mut index = alloc::vec![0; shape.num_dims()];
    let mut rest = position;
    for axis in (0..shape.num_dims()).rev() {
        index[axis] = rest % shape[axis];
        rest /= shape[axis];
    }
    index
}

pub(crate) fn config_error(loss: &'static str, message: String) -> LossError {
    LossError::new(loss, LossErrorKind::Config, message)
}
