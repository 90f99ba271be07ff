//! Losses of the overlap of probabilities and targets: the checks of these, and the sums that such a loss is made of.

use super::call::{Call, LossOutput};
use super::formula::LossFormula;
use crate::engine::any_rank::AnyRank;
use crate::engine::device::is_cpu;
use crate::engine::dispatch;
use crate::engine::overlap::{Beside, OverlapSpec};
use crate::engine::portable::overlap::with_tensors;
use crate::engine::portable::tensors::flat;
use crate::engine::shape::without;
use crate::engine::values::{AnyTarget, FlatValues};
use crate::spec::overlap::{Activation, Overlap, OverlapTarget};
use crate::spec::rule::Rule;
use crate::targets::AnyOperand;
use crate::validate::check::{Check, Violation, dims};
use crate::validate::error::{LossError, LossErrorKind};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use burn::tensor::{Bool, DType, Shape, Tensor};

/// How many tensors a sweep reads and writes at most.
const TENSORS: usize = 4;

/// What such losses are told.
#[derive(Clone)]
pub(crate) struct OverlapOptions<'a> {
    pub(crate) loss: &'static str,
    pub(crate) activation: Activation,
    pub(crate) overlap: Overlap,
    pub(crate) ignored: &'a [i64],
    pub(crate) class_axis: usize,
    /// Sums are of each sample, not of the whole batch.
    pub(crate) by_sample: bool,
    /// What sets it to masks that each have a class, instead of a softmax; and to probabilities, if it takes them.
    pub(crate) to_masks: &'static str,
    pub(crate) to_probabilities: Option<&'static str>,
    /// What is computed of each pixel's softmax besides.
    pub(crate) beside: Option<Beside>,
    /// As [`OverlapSpec::lovasz`]; where there [is a sweep](has_sweep).
    pub(crate) lovasz: bool,
}

/// Whether there is a sweep in the memory of this process over such an input.
pub(crate) fn has_sweep(input: &AnyRank) -> bool {
    let device = input.device();
    is_cpu(&device) && dispatch::is_there(&device, input.dtype(), TENSORS)
}

/// The sums of each sample, or of the batch, and class.
pub(crate) struct OverlapSums {
    /// `[sum, sample, class]`, in the type that is computed in.
    sums: Tensor<3>,
    /// The type of the input.
    pub(crate) dtype: DType,
    /// The target is ids.
    pub(crate) of_ids: bool,
}

impl OverlapSums {
    fn sum(&self, kind: usize) -> Tensor<2> {
        let [_, samples, classes] = self.sums.dims();
        let sum = self.sums.clone().slice_dim(0, kind..kind + 1);
        sum.reshape([samples, classes])
    }

    /// The same, 0 for samples that are not `seen`: what is made of several samples must not see what has no weight, be it no
    /// number.
    pub(crate) fn seen(self, seen: Option<&Tensor<2>>) -> Self {
        let Some(seen) = seen else {
            return self;
        };
        let [kinds, samples, classes] = self.sums.dims();
        let none: Tensor<3, Bool> = seen.clone().equal_scalar(0.0).reshape([1, samples, 1]);
        let sums = self
            .sums
            .mask_fill(none.expand([kinds, samples, classes]), 0.0);
        Self { sums, ..self }
    }

    /// How many samples there are.
    pub(crate) fn samples(&self) -> usize {
        self.sums.dims()[1]
    }

    /// What overlaps, is false, and is missed: `[sample, class]`.
    pub(crate) fn overlap(&self) -> [Tensor<2>; 3] {
        [0, 1, 2].map(|kind| self.sum(kind))
    }

    /// Lovász' extension, and how many pixels are of the class: `[sample, class]`.
    pub(crate) fn lovasz(&self) -> [Tensor<2>; 2] {
        [0, 1].map(|kind| self.sum(kind))
    }

    /// The loss beside, and how many pixels it is of.
    pub(crate) fn beside(&self) -> [Tensor<2>; 2] {
        [3, 4].map(|kind| self.sum(kind))
    }
}

/// 0 for samples that have weight 0 in a call, 1 for others, if there are weights: `[sample, 1]`. There is one loss for each, in
/// the given shape.
pub(crate) fn seen_samples(
    check: &Check,
    call: &Call,
    sums: &OverlapSums,
    shape: &Shape,
) -> Result<Option<Tensor<2>>, LossError> {
    if !call.is_weighted() {
        return Ok(None);
    }
    let samples = sums.samples();
    let device = sums.sums.device().without_autodiff();
    let each = call.each_weight(check, shape, &device, sums.dtype)?;
    let none = each.clone().equal_scalar(0.0);
    let seen = each.ones_like().mask_fill(none, 0.0);
    Ok(Some(seen.cast(sums.sums.dtype()).reshape([samples, 1])))
}

/// Adds up the overlap of an input and a target that [fit](check_overlap) it; their values are checked. The input has samples
/// and pixels.
pub(crate) fn overlap_sums(
    check: &Check,
    options: &OverlapOptions,
    input: AnyRank,
    targets: AnyTarget,
) -> Result<OverlapSums, LossError> {
    let (shape, dtype) = (input.shape(), input.dtype());
    let target = overlap_target(&shape, targets.clone(), options.ignored);
    let of_ids = matches!(target, OverlapTarget::Ids(..));
    let spec = OverlapSpec {
        axis: options.class_axis,
        samples: if options.by_sample { shape[0] } else { 1 },
        activation: options.activation,
        overlap: options.overlap,
        target,
        beside: options.beside.clone(),
        lovasz: options.lovasz,
    };
    // What would have to be read again to say what is wrong.
    let is_read = check.reads() && options.activation == Activation::Probabilities;
    let again = is_read.then(|| input.clone().inner());
    let look = || {
        explain(
            check,
            options,
            &shape,
            dtype,
            again.clone(),
            targets.clone(),
        )
    };
    // What a GPU finds out is not waited for.
    if check.reads() && !has_sweep(&input) {
        look()?;
    }
    let device = input.device();
    let is_known = match &spec.beside {
        Some(Beside::OfClass(head)) => dispatch::is_known(&device, &**head),
        _ => true,
    };
    let (sums, invalid) = if is_known && dispatch::is_there(&device, dtype, TENSORS) {
        dispatch::overlap(input, spec)
    } else {
        (with_tensors(input, spec), false)
    };
    if check.reads() && invalid {
        look()?;
        return Err(check.unexplained());
    }
    Ok(OverlapSums {
        sums,
        dtype,
        of_ids,
    })
}

/// What a target is beside an input of a shape: ids, which lack the axis of the classes, or masks.
pub(crate) fn overlap_target(
    shape: &Shape,
    targets: AnyTarget,
    ignored: &[i64],
) -> OverlapTarget<FlatValues> {
    let ignored = ignored.to_vec();
    if targets.shape.num_dims() < shape.num_dims() {
        OverlapTarget::Ids(targets.values, ignored)
    } else {
        OverlapTarget::Masks(targets.values, ignored)
    }
}

static ITSELF: LossFormula<1> = LossFormula::new(|[loss]| loss);

/// What a call wants of losses that were computed, of an input of that type.
pub(crate) fn answer<const K: usize>(
    loss: &'static str,
    losses: Tensor<K>,
    call: Call,
    dtype: DType,
) -> Result<LossOutput, LossError> {
    let operands = [AnyOperand::Numbers(flat(losses).into())];
    let formula = ITSELF.of(["loss"]);
    let output = formula.evaluate(loss, operands, call.clone())?;
    Ok(narrowed(output, &call, dtype))
}

/// What is made of sums in the type that is computed in, in that of the input.
pub(crate) fn narrowed(output: LossOutput, call: &Call, dtype: DType) -> LossOutput {
    if call.wants_parts() {
        return output;
    }
    LossOutput {
        value: output.value.cast(dtype),
        ..output
    }
}

/// The checks of what the host knows.
pub(crate) fn check_overlap(
    check: &Check,
    options: &OverlapOptions,
    input: &AnyRank,
    targets: &AnyTarget,
) -> Result<(), LossError> {
    let (shape, axis, device) = (input.shape(), options.class_axis, input.device());
    check.dtype(&device, input.dtype())?;
    check.device("input", &device, "targets", &targets.device)?;
    check.untracked("targets", targets)?;
    check.class_axis(axis, &shape)?;
    let found = &targets.shape;
    let of_ids = found.num_dims() < shape.num_dims();
    let expected = if of_ids {
        without(&shape, axis)
    } else {
        shape.clone()
    };
    let error = |kind, message| Err(check.error(kind, message));
    if *found != expected {
        return error(
            LossErrorKind::Shape,
            misfit(&shape, axis, found, &expected, of_ids),
        );
    }
    let softmax = options.activation == Activation::Softmax;
    if shape[axis] == 1 && (softmax || of_ids) {
        let message = if softmax {
            format!(
                "input {} has 1 class along axis {axis}, of which a softmax is always 1: set {}, and give a mask of the input's \
                 shape.",
                dims(&shape),
                options.to_masks
            )
        } else {
            format!(
                "input {} has 1 class along axis {axis}, and the target is class ids {}: give the mask in the input's \
                 shape, which `unsqueeze_dim({axis})` makes of it.",
                dims(&shape),
                dims(found)
            )
        };
        return error(LossErrorKind::Shape, message);
    }
    if let (false, Some(id)) = (of_ids, options.ignored.first()) {
        let kind = match targets.values {
            FlatValues::Int(_) if !softmax => return Ok(()),
            FlatValues::Int(_) => {
                "masks of a softmax, of which a pixel counts for all classes or for none"
            }
            FlatValues::Bool(_) => "Bool masks, which hold no such value",
            FlatValues::Float(_) => "masks of floats",
        };
        return error(
            LossErrorKind::Config,
            format!(
                "ignore_indices (here {id}) are ids, but the target is {kind}: give class ids, or multiply what is not to \
                 count out of the input and the target."
            ),
        );
    }
    Ok(())
}

/// What to say of a target whose shape does not fit.
fn misfit(shape: &Shape, axis: usize, found: &Shape, expected: &Shape, of_ids: bool) -> String {
    let rank = shape.num_dims();
    let fitting = (1..rank).find(|&other| of_ids && without(shape, other) == *found);
    let fix = match fitting {
        Some(other) => format!("It fits class axis {other}: set with_class_axis({other})."),
        None if found[0] != shape[0] => {
            format!("The batch sizes differ: {} and {}.", shape[0], found[0])
        }
        None if !of_ids && found[axis] == 1 && shape[axis] > 1 => format!(
            "If these are class ids, drop the axis with `targets.squeeze_dim::<{}>({axis})`.",
            rank - 1
        ),
        None if of_ids => String::from("Class ids have the input's shape without the class axis."),
        None => String::from("Nothing is broadcast."),
    };
    let kind = if of_ids { "class ids" } else { "masks" };
    format!(
        "input {} with class axis {axis} needs {kind} of shape {}, but targets have {}. {fix}",
        dims(shape),
        dims(expected),
        dims(found),
    )
}

/// What is wrong with values that are looked at again, if anything is.
#[cold]
#[inline(never)]
pub(crate) fn explain(
    check: &Check,
    options: &OverlapOptions,
    shape: &Shape,
    dtype: DType,
    input: Option<AnyRank>,
    targets: AnyTarget,
) -> Result<(), LossError> {
    if targets.shape.num_dims() < shape.num_dims() {
        let classes = shape[options.class_axis];
        let ids = targets.values.integers();
        check.class_ids(&ids, &targets.shape, classes, Some(options.ignored))?;
    } else {
        let mut masks = targets.values.in_compute_dtype(dtype);
        for &of in options.ignored {
            let is = masks.clone().equal_scalar(of as f64);
            masks = masks.mask_fill(is, 0.0);
        }
        check.each_in(shape, dtype, &masks, Rule::PROBABILITY, |found| {
            no_mask(found, options.class_axis)
        })?;
    }
    if let Some(input) = input {
        let rule = Rule::PROBABILITY.or_nan();
        check.each_in(shape, dtype, &input.flat(), rule, |found| {
            format!(
                "input {} at index {:?} is not a probability: it must be between 0 and 1. If these are logits, set \
                 with_activation to Softmax, or to Sigmoid if each class has a mask of its own.",
                found.shown(),
                found.index
            )
        })?;
    }
    Ok(())
}

fn no_mask(found: &Violation, axis: usize) -> String {
    let whole = |value: f64| value % 1.0 == 0.0;
    let hint = if found.all(|value| value == 0.0 || value == 255.0) {
        String::from("This looks like a mask of 0 and 255: `greater_scalar(0)` makes a mask of it.")
    } else if found.all(|value| value == -1.0 || value == 1.0) {
        String::from("These are signs: convert them with `target::labels`.")
    } else if found.all(|value| value >= 0.0 && whole(value)) {
        format!(
            "Class ids are an Int tensor without the class axis (here {axis}), one for each pixel; a value that marks what \
             does not count is left out by with_ignore_index."
        )
    } else {
        String::from("It says how true a class is at a pixel, from 0 (no) to 1 (yes).")
    };
    format!(
        "target {} at index {:?} is not of a mask: it must be 0, 1 or between. {hint}",
        found.shown(),
        found.index
    )
}

/// The shape of what is left where there are no samples: nothing.
pub(crate) fn of_no_samples(
    check: &Check,
    call: Call,
    input: AnyRank,
    shape: Vec<usize>,
) -> Result<LossOutput, LossError> {
    LossOutput::empty(check, call, Shape::from(shape), &[input])
}
