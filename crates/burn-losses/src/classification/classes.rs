//! Class targets as coefficients: how much each class's log-probability counts.
//!
//! Whatever the target (ids or probabilities), with weights, smoothing and ignored ids, the loss of
//! a sample is `-sum over c of q_c * log_prob_c`. This module finds `q`.

use crate::error::{LossError, LossErrorKind};
use crate::kernels::fused::{self, Besides, ClassSweep, Family};
use crate::kernels::host::Power;
use crate::kernels::id;
use crate::kernels::ops::{self, Wanted};
use crate::kernels::portable::{Softmax, along_axis, both, flat, or_nan, untracked};
use crate::kernels::rule::Rule;
use crate::kernels::softmax::{cross_entropy_slope, nll_term};
use crate::loss::{Call, Evaluation, Graph, Losses, without};
use crate::reduction::Reduction;
use crate::target::check::{
    Check, Found, LOG_PROB, LOG_PROB_MAX, dims, no_log_prob, tolerance, whole_rows,
};
use crate::target::{ClassAxisTarget, Classes, Readable};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use burn::tensor::{Bool, DType, Device, FloatDType, Int, IntDType, Shape, Tensor};

/// The options that NLL and cross-entropy share.
pub(super) struct Options<'a> {
    pub(super) loss: &'static str,
    pub(super) weights: Option<&'a Vec<f64>>,
    pub(super) ignored: &'a [i64],
    pub(super) label_smoothing: f64,
    pub(super) class_axis: usize,
}

/// A class target as coefficients of the log-probabilities.
struct Coefficients<const D: usize> {
    /// The coefficient of each class.
    q: Tensor<D>,
    /// How much each sample counts in the mean, if not 1.
    weight: Option<Tensor<D>>,
    /// Which samples have a valid target, where their values were not read.
    valid: Option<Tensor<D, Bool>>,
}

/// The checks of the shapes, and the target in the form to compute with.
pub(super) fn classes<const D: usize, T: ClassAxisTarget<D>>(
    check: &Check,
    options: &Options,
    name: &str,
    input: &Tensor<D>,
    targets: T,
) -> Result<Classes<D>, LossError> {
    let axis = options.class_axis;
    let device = input.device();
    let shape = input.shape();
    check.dtype(&device, input.dtype())?;
    check.device(name, &device, "targets", &targets.device())?;
    check.untracked("targets", &targets)?;
    check.class_axis(axis, &shape)?;
    let found = targets.shape();
    if shape[axis] < 2 {
        return Err(check.error(
            LossErrorKind::Shape,
            format!(
                "{name} {} has {} class along axis {axis}, so the loss is always 0. For one \
                 yes-or-no output per sample use BceWithLogitsLoss; for {} with two classes let \
                 the model give 2 outputs and the target be class ids.",
                dims(&shape),
                shape[axis],
                options.loss,
            ),
        ));
    }
    let fits = if found.num_dims() == D {
        found == shape
    } else {
        found == without(&shape, axis)
    };
    if !fits {
        return Err(misfit(check, name, &shape, axis, &found));
    }
    check.class_weights("weights", options.weights, shape[axis], false)?;
    let classes = targets.into_classes(axis);
    if let (Classes::Probs(_), Some(id)) = (&classes, options.ignored.first()) {
        return Err(check.error(
            LossErrorKind::Config,
            format!(
                "ignore_indices (here {id}) are ids, but the target holds class probabilities: \
                 leave samples out with weight 0 in forward_weighted."
            ),
        ));
    }
    Ok(classes)
}

/// The error for a target whose shape does not fit, with the class axis that would make it fit.
fn misfit(check: &Check, name: &str, shape: &Shape, axis: usize, found: &Shape) -> LossError {
    let rank = shape.num_dims();
    let ids = found.num_dims() < rank;
    let expected = if ids {
        without(shape, axis)
    } else {
        shape.clone()
    };
    let fitting = (1..rank).find(|&other| ids && without(shape, other) == *found);
    let fix = match fitting {
        Some(other) => format!(
            "The target fits class axis {other} ({} classes): set with_class_axis({other}).",
            shape[other]
        ),
        None if found[0] != shape[0] => {
            format!("The batch sizes differ: {} and {}.", shape[0], found[0])
        }
        None if ids => String::from("The target has the input's shape without the class axis."),
        None if found[axis] == 1 => format!(
            "If these are labels, they become class ids by `targets.squeeze_dim::<{}>({axis}).int()`.",
            rank - 1
        ),
        None => String::from("Each sample needs a probability for each class."),
    };
    let kind = if ids {
        "class ids"
    } else {
        "class probabilities"
    };
    check.error(
        LossErrorKind::Shape,
        format!(
            "{name} {} with class axis {axis} ({} classes) needs {kind} of shape {}, but targets \
             have {}. {fix}",
            dims(shape),
            shape[axis],
            dims(&expected),
            dims(found),
        ),
    )
}

/// What the input of a loss over classes is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    Logits,
    LogProbs,
}

/// Evaluates a loss over classes, from its input and a target that [fits](classes) it.
pub(super) fn evaluate<const D: usize>(
    check: &Check,
    options: &Options,
    kind: Input,
    input: Tensor<D>,
    targets: Classes<D>,
    mut call: Call,
) -> Result<Evaluation, LossError> {
    let axis = options.class_axis;
    let (device, dtype) = (input.device(), input.dtype());
    let shape = without(&input.shape(), axis);
    if input.shape().num_elements() == 0 {
        return Evaluation::empty(check, call, shape, &[&input]);
    }
    let about_one;
    let class_weights = match (options.weights, &targets) {
        // A mean does not depend on how large its weights are.
        (Some(weights), Classes::Ids(_)) if call.wanted == MEAN => {
            about_one = scaled(weights);
            Some(&about_one)
        }
        (Some(weights), _) => {
            check.holds_all(dtype, "weights", weights)?;
            Some(weights)
        }
        (None, _) => None,
    };
    let options = &Options {
        weights: class_weights,
        ..*options
    };
    let besides = Besides {
        operands: 1 + usize::from(options.weights.is_some()),
        weighted: call.is_weighted(),
        counted: options.weights.is_some() || !options.ignored.is_empty(),
    };
    let tensors = fused::tensors([&input], besides);
    let swept = fused::is_there(&device, dtype, Family::Rows, tensors);
    let weights = call.weights(check, &shape, &device, dtype, swept)?;
    if !swept {
        let losses = with_tensors(check, options, kind, &input, targets)?;
        return Ok(losses.answer(&call, weights, &shape, dtype));
    }

    // What would have to be read again to say what is wrong. Logits are moved, so that their
    // gradient can take their place.
    let again = (kind == Input::LogProbs && check.reads()).then(|| input.clone().inner());
    let target = match targets.clone() {
        Classes::Ids(ids) => ops::ClassTarget::Ids(ids.flat(), options.ignored.to_vec()),
        Classes::Probs(probs) => {
            let dtype = probs.dtype();
            ops::ClassTarget::Probs(probs.flat(), probability(dtype), tolerance(dtype))
        }
    };
    let sweep = ClassSweep {
        call: ops::Classes {
            axis,
            target,
            log_probs: (kind == Input::LogProbs).then_some(LOG_PROB),
            weights: options.weights.cloned(),
            label_smoothing: options.label_smoothing,
        },
        wish: call.wish(&weights, input.dims()[0]),
    };
    let classes = input.dims()[axis];
    let kept = call.kept(input.dims(), axis);
    let outcome = fused::run([input], sweep, kept);
    if check.reads() && outcome.invalid() {
        if let Some(weights) = weights {
            weights.explain(check)?;
        }
        match targets {
            Classes::Ids(ids) => {
                check.class_ids(&ids, axis, classes, Some(options.ignored))?;
            }
            Classes::Probs(probs) => {
                probabilities(check, &probs.inner(), axis)?;
            }
        }
        if let Some(input) = again {
            check.each(&input, LOG_PROB, |found| no_log_prob("log_probs", found))?;
        }
        return Err(check.unexplained());
    }
    Ok(call.evaluation(outcome.value, outcome.weight, &shape, dtype))
}

const MEAN: Wanted = Wanted::Reduced(Reduction::Mean);

/// Weights of classes times a power of two, so that the largest of them is about 1.
fn scaled(weights: &[f64]) -> Vec<f64> {
    let largest = weights.iter().copied().fold(0.0, f64::max);
    if largest == 0.0 {
        return weights.to_vec();
    }
    let power = Power::over(largest, 0);
    weights.iter().map(|&weight| power.times(weight)).collect()
}

/// The losses, computed with tensor operations.
fn with_tensors<const D: usize>(
    check: &Check,
    options: &Options,
    kind: Input,
    input: &Tensor<D>,
    targets: Classes<D>,
) -> Result<Losses, LossError> {
    let axis = options.class_axis;
    let x = untracked(input);
    let coefficients = Coefficients::new(check, options, &x, targets)?;
    if kind == Input::LogProbs {
        let valid = check.each(&x, LOG_PROB, |found| no_log_prob("log_probs", found))?;
        let coefficients = coefficients.and_valid(valid, axis);
        let terms = nll_term(x, coefficients.q.clone());
        return Ok(coefficients.losses(input, axis, 1.0, terms));
    }
    let q = coefficients.q.clone();
    let softmax = Softmax::new(x, axis);
    let (values, _) = nll_term(softmax.half_log_prob(), q.clone());
    let slopes = || {
        let q_of_rest = q.clone().sum_dim(axis) - q.clone();
        let (prob, rest) = softmax.prob_and_rest();
        cross_entropy_slope(prob, rest, q, q_of_rest)
    };
    Ok(coefficients.losses(input, axis, 0.5, (values, slopes)))
}

impl<const D: usize> Coefficients<D> {
    /// The coefficients of a target that fits the untracked `input`; its values are checked here.
    fn new(
        check: &Check,
        options: &Options,
        input: &Tensor<D>,
        targets: Classes<D>,
    ) -> Result<Self, LossError> {
        match targets {
            Classes::Ids(ids) => Self::of_ids(check, options, input, ids),
            Classes::Probs(probs) => Self::of_probs(check, options, input, probs),
        }
    }

    fn of_ids(
        check: &Check,
        options: &Options,
        input: &Tensor<D>,
        ids: Tensor<D, Int>,
    ) -> Result<Self, LossError> {
        let axis = options.class_axis;
        let count = input.dims()[axis];
        let checked = check.class_ids(&ids, axis, count, Some(options.ignored))?;
        let found = SafeIds::new(ids, count, options.ignored);

        let dtype = input.dtype();
        let device = input.device();
        let hot = found.one_hot(axis, count, &device, dtype);
        let weights = options
            .weights
            .map(|weights| along_axis::<D>(weights, axis, &device, dtype));
        let weighted = match &weights {
            Some(weights) => hot.clone() * weights.clone(),
            None => hot.clone(),
        };
        let weight = (weights.is_some() || !options.ignored.is_empty())
            .then(|| weighted.clone().sum_dim(axis));
        let q = match options.label_smoothing {
            0.0 => weighted,
            smoothing => {
                let kept = hot.sum_dim(axis) * (smoothing / count as f64);
                let spread = match weights {
                    Some(weights) => kept * weights,
                    None => kept,
                };
                weighted * (1.0 - smoothing) + spread
            }
        };
        Ok(Self {
            q,
            weight,
            valid: (!checked).then_some(found.valid),
        })
    }

    fn of_probs(
        check: &Check,
        options: &Options,
        input: &Tensor<D>,
        probs: Tensor<D>,
    ) -> Result<Self, LossError> {
        let axis = options.class_axis;
        let dtype = input.dtype();
        let probs = probs.inner();
        let valid = probabilities(check, &probs, axis)?;
        let device = input.device();
        let mut q = probs.cast(dtype);
        if options.label_smoothing != 0.0 {
            let spread = options.label_smoothing / input.dims()[axis] as f64;
            q = q * (1.0 - options.label_smoothing) + spread;
        }
        if let Some(weights) = options.weights {
            q = q * along_axis::<D>(weights, axis, &device, dtype);
        }
        Ok(Self {
            q,
            weight: None,
            valid,
        })
    }

    /// Makes the samples of which some class is not valid as if their target were not.
    fn and_valid(mut self, classes: Option<Tensor<D, Bool>>, axis: usize) -> Self {
        self.valid = both(self.valid, classes.map(|classes| classes.all_dim(axis)));
        self
    }

    /// The losses per sample from the terms of their classes, joined to the input. The terms are a `part` of
    /// what they stand for.
    fn losses(
        self,
        input: &Tensor<D>,
        axis: usize,
        part: f64,
        (terms, slopes): (Tensor<D>, impl FnOnce() -> Tensor<D>),
    ) -> Losses {
        let shape = input.dims();
        let mut kept = shape;
        kept[axis] = 1;
        let valid = self.valid;
        let gradient = input.is_tracked().then(|| {
            let valid = valid.clone().map(|valid| valid.expand(shape));
            (input.clone(), or_nan(slopes() * part, &valid))
        });
        Losses {
            values: flat(or_nan(terms.sum_dim(axis), &valid)),
            part,
            weights: self.weight.map(flat),
            batch: shape[0],
            graph: Graph::new(input, kept, gradient.into_iter()),
        }
    }
}

/// Class ids of which none can reach outside of the classes, and which of them were given so.
///
/// Nothing gathers by an id.
pub(crate) struct SafeIds<const D: usize> {
    /// The id, or -1 where it is ignored or invalid: that matches no class.
    ids: Tensor<D, Int>,
    /// Whether the id was a class or ignored.
    valid: Tensor<D, Bool>,
}

impl<const D: usize> SafeIds<D> {
    pub(crate) fn new(ids: Tensor<D, Int>, count: usize, ignored: &[i64]) -> Self {
        let found = id::classify(ids, count, ignored);
        // Narrow to 32 bits only what is known to fit.
        let ids = found.class.cast(IntDType::I32);
        Self {
            ids: ids.mask_fill(found.is_class.bool_not(), -1),
            valid: found.valid,
        }
    }

    /// Which ids were a class or ignored.
    pub(crate) fn valid(&self) -> Tensor<D, Bool> {
        self.valid.clone()
    }

    /// The ids, and another number where they are invalid.
    pub(crate) fn or(self, other: i64) -> Tensor<D, Int> {
        self.ids.mask_fill(self.valid.bool_not(), other)
    }

    /// Which ids are a class.
    pub(crate) fn is_class(&self) -> Tensor<D, Bool> {
        self.ids.clone().greater_equal_scalar(0)
    }

    /// 1 at the class of each sample, 0 elsewhere; all 0 where there is none.
    pub(crate) fn one_hot(
        &self,
        axis: usize,
        count: usize,
        device: &Device,
        dtype: DType,
    ) -> Tensor<D> {
        let mut shape = [1; D];
        shape[axis] = count;
        let all = Tensor::<1, Int>::arange(0..count as i64, (device, DType::I32)).reshape(shape);
        let mut full = self.ids.dims();
        full[axis] = count;
        let hot = self.ids.clone().expand(full).equal(all.expand(full));
        hot.cast(FloatDType::from(dtype))
    }
}

/// Checked class ids, with the class axis at length 1, as one-hot rows of that many classes. Where
/// values are not read, the row of an id that is no class is NaN.
pub(crate) fn one_hot_rows<const D: usize>(
    check: &Check,
    ids: Tensor<D, Int>,
    axis: usize,
    count: usize,
    dtype: DType,
) -> Result<Tensor<D>, LossError> {
    let checked = check.class_ids(&ids, axis, count, None)?;
    let device = ids.device();
    let found = SafeIds::new(ids, count, &[]);
    let hot = found.one_hot(axis, count, &device, dtype);
    let shape = hot.dims();
    let valid = (!checked).then(|| found.valid.expand(shape));
    Ok(or_nan(hot, &valid))
}

/// What a class probability must be.
pub(super) fn probability(dtype: DType) -> Rule {
    let tolerance = tolerance(dtype);
    Rule::between(-tolerance, 1.0 + tolerance)
}

/// Checks class probabilities: the range of each entry and the sum of each row.
fn probabilities<const D: usize>(
    check: &Check,
    probs: &Tensor<D>,
    axis: usize,
) -> Result<Option<Tensor<D, Bool>>, LossError> {
    let tolerance = tolerance(probs.dtype());
    let entries = check.each(probs, probability(probs.dtype()), no_probability)?;
    let rows = check.rows_sum_to_one(probs, axis, tolerance, false, |found| {
        no_distribution(found, tolerance)
    })?;
    Ok(whole_rows(entries, rows, axis))
}

/// What to say of a row of probabilities that does not sum to 1.
pub(super) fn no_distribution(found: &Found, tolerance: f64) -> String {
    let hint = if found.value.abs() <= tolerance {
        "A row of zeros is no distribution: to leave the sample out, make it any distribution and \
         give it weight 0 in forward_weighted."
    } else if found.all(|value| value == 0.0 || value == 1.0) {
        "Several classes at once are for BceWithLogitsLoss."
    } else {
        "Divide each row by its sum."
    };
    format!(
        "the class probabilities of the row at index {:?} sum to {}, not 1. {hint}",
        found.index,
        found.shown()
    )
}

/// What to say of a value that is no probability.
pub(super) fn no_probability(found: &Found) -> String {
    let hint = if !found.value.is_finite() {
        "Look at where the targets are computed."
    } else if found.all(|value| value <= LOG_PROB_MAX) {
        "These look like log-probabilities: take `exp()` of them, or for KlDivLoss set \
         with_log_target(true)."
    } else if found.all(|value| value >= 0.0) {
        "Divide each row by its sum; class ids belong in an Int tensor."
    } else {
        "Scores become probabilities by softmax."
    };
    format!(
        "target {} at index {:?} is not a probability: it must be between 0 and 1. {hint}",
        found.shown(),
        found.index
    )
}
