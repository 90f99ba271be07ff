//! Losses over the classes of each sample: the checks of their targets, and how they are computed.
//!
//! Whatever the target (ids or probabilities), with weights, smoothing and ignored ids, NLL and cross-entropy of a
//! sample are `-sum over c of q_c * log_prob_c`: as tensors, the target is the coefficients `q`. Any other loss is
//! the head of a softmax, and its target is ids.

use super::call::{Call, LossOutput};
use super::front::Front;
use crate::engine::any_rank::AnyRank;
use crate::engine::device::is_cpu;
use crate::engine::dispatch;
use crate::engine::dispatch::RunClasses;
use crate::engine::host::scale::{Power, about_one};
use crate::engine::portable::elementwise::TensorTerms;
use crate::engine::portable::ids::SafeIds;
use crate::engine::portable::reduce::{Graph, Losses};
use crate::engine::portable::softmax::Softmax;
use crate::engine::portable::tensors::{AXIS, along_axis, both, flat, or_nan, untracked};
use crate::engine::shape::{layers, without};
use crate::engine::softmax::{AnySoftmaxHead, ClassSpec};
use crate::engine::values::{AnyTarget, FlatValues};
use crate::real::Real;
use crate::spec::classes::IdsOrProbs;
use crate::spec::logits::Adjustment;
use crate::spec::reduction::Reduction;
use crate::spec::request::Returns;
use crate::spec::rule::Rule;
use crate::spec::softmax::{cross_entropy_slope, nll_term, slope_of_class, slope_of_others};
use crate::validate::check::{Check, LOG_PROB, dims, integers, no_log_prob, tolerance};
use crate::validate::error::{LossError, LossErrorKind};
use crate::validate::probabilities::{probabilities, probability};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use burn::tensor::{Bool, DType, Int, Shape, Tensor};

/// The options that the losses over classes share.
pub(crate) struct Options<'a> {
    pub(crate) loss: &'static str,
    pub(crate) weights: Option<&'a Vec<f64>>,
    /// The option that the weights are.
    pub(crate) weights_are: &'static str,
    /// What the weights were divided by.
    pub(crate) weights_size: f64,
    pub(crate) ignored: &'a [i64],
    /// The weights are part of what a mean is divided by.
    pub(crate) weights_count: bool,
    pub(crate) label_smoothing: f64,
    /// What is done to the logits first.
    pub(crate) adjustment: Option<Arc<Adjustment>>,
    /// As in [`ClassSpec`].
    pub(crate) z_loss: f64,
    pub(crate) class_axis: usize,
    /// What is computed of the class's probability, if it is not its logarithm.
    pub(crate) head: Option<Arc<dyn AnySoftmaxHead>>,
}

impl Options<'_> {
    /// Whether how much a sample counts in a mean depends on its class.
    pub(super) fn by_class(&self) -> bool {
        self.weights.is_some() && self.weights_count
    }

    /// With weights that are about 1, which are put into `weights`, and what is added to weighted losses in their size.
    pub(super) fn about_one<'a>(&'a self, weights: &'a mut Vec<f64>) -> Options<'a> {
        weights.clone_from(self.weights.unwrap_or(&Vec::new()));
        let weights_size = about_one(weights);
        Options {
            weights: self.weights.map(|_| &*weights),
            weights_size,
            z_loss: self.z_loss / weights_size,
            head: self.head.clone(),
            adjustment: self.adjustment.clone(),
            ..*self
        }
    }

    /// Those of a loss that has no other.
    pub(crate) fn new(loss: &'static str, class_axis: usize) -> Self {
        Self {
            loss,
            weights: None,
            weights_are: "weights",
            weights_size: 1.0,
            ignored: &[],
            weights_count: true,
            label_smoothing: 0.0,
            adjustment: None,
            z_loss: 0.0,
            class_axis,
            head: None,
        }
    }
}

/// A class target as coefficients of the log-probabilities.
struct Coefficients {
    /// The coefficient of each class.
    q: Tensor<3>,
    /// How much each sample counts in the mean, if not 1.
    weight: Option<Tensor<3>>,
    /// What the coefficients were divided by.
    size: f64,
    /// Which samples have a valid target, where their values were not read.
    valid: Option<Tensor<3, Bool>>,
    /// The class of each sample, if they are ids.
    used: Option<Tensor<3, Bool>>,
}

/// The checks of what the host knows.
pub(crate) fn check_classes(
    check: &Check,
    options: &Options,
    name: &str,
    input: &AnyRank,
    targets: &AnyTarget,
) -> Result<(), LossError> {
    let axis = options.class_axis;
    let device = input.device();
    let shape = input.shape();
    check.dtype(&device, input.dtype())?;
    check.device(name, &device, "targets", &targets.device)?;
    check.untracked("targets", targets)?;
    check.class_axis(axis, &shape)?;
    let found = &targets.shape;
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
    let fits = if found.num_dims() == shape.num_dims() {
        *found == shape
    } else {
        *found == without(&shape, axis)
    };
    if !fits {
        return Err(misfit(check, name, &shape, axis, found));
    }
    check.class_weights(options.weights_are, options.weights, shape[axis], false)?;
    check_adjustment(check, options, shape[axis], targets, input.dtype())?;
    if let (FlatValues::Float(_), Some(id)) = (&targets.values, options.ignored.first()) {
        return Err(check.error(
            LossErrorKind::Config,
            format!(
                "ignore_indices (here {id}) are ids, but the target holds class probabilities: \
                 leave samples out with weight 0 in forward_weighted."
            ),
        ));
    }
    Ok(())
}

/// What is done to the logits fits the classes and the target.
pub(super) fn check_adjustment(
    check: &Check,
    options: &Options,
    classes: usize,
    targets: &AnyTarget,
    dtype: DType,
) -> Result<(), LossError> {
    check.holds(dtype, "z_loss", options.z_loss)?;
    let Some(adjustment) = &options.adjustment else {
        return Ok(());
    };
    let Adjustment {
        softcap,
        scale,
        offsets,
        margins,
    } = &**adjustment;
    check.holds(dtype, "softcap", softcap.unwrap_or(1.0))?;
    check.holds(dtype, "logit_scale", *scale)?;
    for (name, numbers) in [("log_prior", offsets), ("margins", margins)] {
        check.class_weights(name, numbers.as_ref(), classes, false)?;
        check.holds_all(dtype, name, numbers.as_deref().unwrap_or_default())?;
    }
    if margins.is_some() && matches!(targets.values, FlatValues::Float(_)) {
        return Err(check.error(
            LossErrorKind::Config,
            "margins are taken from the logit of a sample's class, but the target holds class probabilities: give class ids, \
             which `target::class_ids` makes of them."
                .into(),
        ));
    }
    Ok(())
}

/// The error for a target whose shape does not fit, with the class axis that would make it fit.
pub(super) fn misfit(
    check: &Check,
    name: &str,
    shape: &Shape,
    axis: usize,
    found: &Shape,
) -> LossError {
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
pub(crate) enum ClassInput {
    Logits,
    LogProbs,
}

/// Evaluates a loss over classes, from its input and a target that [fits](check_classes) it.
pub(crate) fn evaluate(
    check: &Check,
    options: &Options,
    kind: ClassInput,
    input: AnyRank,
    targets: AnyTarget,
    call: Call,
) -> Result<LossOutput, LossError> {
    let (axis, dtype) = (options.class_axis, input.dtype());
    let of_input = input.shape();
    let scaled_weights;
    let class_weights = match (options.weights, &targets.values) {
        // A mean does not depend on how large its weights are.
        (Some(weights), FlatValues::Int(_))
            if call.returns == MEAN && options.weights_count && options.z_loss == 0.0 =>
        {
            scaled_weights = scaled(weights);
            Some(&scaled_weights)
        }
        (Some(weights), _) => {
            if !input.is_empty() {
                check.holds_all(dtype, options.weights_are, weights)?;
            }
            Some(weights)
        }
        (None, _) => None,
    };
    let options = &Options {
        weights: class_weights,
        head: options.head.clone(),
        adjustment: options.adjustment.clone(),
        ..*options
    };
    let front = Front {
        check,
        axis: Some(axis),
        operands: 1 + usize::from(options.weights.is_some()),
        counted: options.by_class() || !options.ignored.is_empty(),
        on_gpus: options.adjustment.is_none() && options.z_loss == 0.0,
        is_known: options
            .head
            .iter()
            .all(|head| dispatch::is_known(&input.device(), &**head)),
    };
    // What would have to be read again to say what is wrong. Logits are moved, so that their
    // gradient can take their place.
    let again = (kind == ClassInput::LogProbs && check.reads()).then(|| input.clone().inner());
    front.evaluate(
        [input],
        call,
        |[input]| with_tensors(check, options, kind, input, targets.clone()),
        |request| RunClasses {
            call: sweep(options, kind, targets.values.clone()),
            request,
        },
        || explain(check, options, &of_input, targets.values.clone(), again),
    )
}

/// The call of a sweep.
fn sweep(options: &Options, kind: ClassInput, targets: FlatValues) -> ClassSpec<FlatValues> {
    let target = match targets {
        FlatValues::Float(probs) => {
            let dtype = probs.dtype();
            let (rule, tolerance) = (probability(dtype), tolerance(dtype));
            IdsOrProbs::Probs(FlatValues::Float(probs), rule, tolerance)
        }
        ids => IdsOrProbs::Ids(ids, options.ignored.to_vec()),
    };
    ClassSpec {
        axis: options.class_axis,
        target,
        log_probs: (kind == ClassInput::LogProbs).then_some(LOG_PROB),
        weights: options.weights.cloned(),
        weights_count: options.weights_count,
        label_smoothing: options.label_smoothing,
        adjustment: options.adjustment.clone(),
        z_loss: options.z_loss,
        head: options.head.clone(),
    }
}

/// What is wrong with a target, or with log-probabilities that are looked at again.
#[cold]
#[inline(never)]
fn explain(
    check: &Check,
    options: &Options,
    shape: &Shape,
    targets: FlatValues,
    again: Option<AnyRank>,
) -> Result<(), LossError> {
    let axis = options.class_axis;
    match targets {
        FlatValues::Float(probs) => probabilities(check, probs, shape, axis).map(|_| ()),
        ids => {
            let ids = ids.integers();
            let below = without(shape, axis);
            check.class_ids(&ids, &below, shape[axis], Some(options.ignored))?;
            match again {
                Some(input) => check_log_probs(check, options, &input, ids),
                None => Ok(()),
            }
        }
    }
}

/// Checks that the inputs at the classes of the samples, whose ids were found valid, are log-probabilities.
fn check_log_probs(
    check: &Check,
    options: &Options,
    input: &AnyRank,
    ids: Tensor<1, Int>,
) -> Result<(), LossError> {
    let shape = input.shape();
    let [outer, classes, inner] = layers(&shape, options.class_axis);
    let x = untracked(input).layers([outer, classes, inner]);
    let data = check.data(&ids)?;
    let used = integers(&data).enumerate().filter_map(|(sample, id)| {
        let ignored = options
            .ignored
            .iter()
            .any(|&ignored| i128::from(ignored) == id);
        let class = usize::try_from(id).ok().filter(|_| !ignored)?;
        Some((sample / inner * classes + class) * inner + sample % inner)
    });
    check.picked(&shape, &x, used, LOG_PROB, |found| {
        no_log_prob("log_probs", found)
    })
}

pub(super) const MEAN: Returns = Returns::Reduced(Reduction::Mean);

/// Weights of classes times a power of two, so that the largest of them is about 1.
pub(crate) fn scaled(weights: &[f64]) -> Vec<f64> {
    let largest = weights.iter().copied().fold(0.0, f64::max);
    if largest == 0.0 {
        return weights.to_vec();
    }
    let power = Power::over(largest, 0);
    weights.iter().map(|&weight| power.times(weight)).collect()
}

/// The losses, computed with tensor operations.
fn with_tensors(
    check: &Check,
    options: &Options,
    kind: ClassInput,
    input: &AnyRank,
    targets: AnyTarget,
) -> Result<Losses, LossError> {
    let mut weights = Vec::new();
    let options = &options.about_one(&mut weights);
    let shape = input.shape();
    let x = untracked(input).layers(layers(&shape, options.class_axis));
    let ids = (kind == ClassInput::LogProbs).then(|| targets.values.clone().integers());
    let coefficients = Coefficients::new(check, options, (&x, &shape), targets)?;
    if let Some(ids) = ids {
        let coefficients = if check.reads() {
            check_log_probs(check, options, input, ids)?;
            coefficients
        } else {
            coefficients.and_holds(LOG_PROB, &x)
        };
        let terms = nll_term(x, coefficients.q.clone());
        return Ok(coefficients.losses(input, 1.0, terms));
    }
    let q = coefficients.q.clone();
    let (x, step) = match &options.adjustment {
        Some(adjustment) => adjusted(adjustment, x, coefficients.used.as_ref()),
        None => (x, None),
    };
    let through = |slope: Tensor<3>| match step {
        // What does not count has no gradient, whatever its cap.
        Some(step) => step.cast(slope.dtype()).times_or_zero(slope),
        None => slope,
    };
    if let Some(head) = &options.head {
        let of_f32 = x.dtype() == DType::F32 && is_cpu(&x.device());
        let terms = head_terms(&**head, x.clone(), q.clone(), &coefficients);
        // What is made of numbers beyond `f32` may be in its range. Where values can be looked at for nothing,
        // they are.
        let terms = if of_f32 && terms.leave_the_range() {
            head_terms(
                &**head,
                x.cast(DType::F64),
                q.cast(DType::F64),
                &coefficients,
            )
        } else {
            terms
        };
        let TensorTerms { value, mut slopes } = terms;
        let slopes = || through(slopes.pop().expect("there is one"));
        return Ok(coefficients.losses(input, 0.5, (value, slopes)));
    }
    let shape_of = x.dims();
    let softmax = Softmax::new(x);
    let (mut values, _) = nll_term(softmax.half_log_prob(), q.clone());
    let mut of_lse = None;
    if options.z_loss != 0.0 {
        let lse = softmax.log_sum_exp();
        let counts = coefficients.used.clone().map(|used| used.any_dim(AXIS));
        let lse = match counts {
            Some(counts) => lse.mask_fill(counts.bool_not(), 0.0),
            None => lse,
        };
        // Among the terms of the first class: they are added up.
        let square = lse.clone() * (lse.clone() * (0.5 * options.z_loss));
        let first = values.clone().slice_dim(AXIS, 0..1) + square;
        values = values.slice_assign([0..shape_of[0], 0..1, 0..shape_of[2]], first);
        of_lse = Some(lse * (2.0 * options.z_loss));
    }
    let slopes = || {
        let q_of_rest = q.clone().sum_dim(AXIS) - q.clone();
        let (prob, rest) = softmax.prob_and_rest();
        let slope = cross_entropy_slope(prob.clone(), rest, q, q_of_rest);
        through(match of_lse {
            Some(of_lse) => slope + prob.times_or_zero(of_lse.expand(shape_of)),
            None => slope,
        })
    };
    Ok(coefficients.losses(input, 0.5, (values, slopes)))
}

/// Logits as they count, and what their gradient is multiplied by. `used` is the class of each sample, if they are ids.
pub(super) fn adjusted(
    adjustment: &Adjustment,
    x: Tensor<3>,
    used: Option<&Tensor<3, Bool>>,
) -> (Tensor<3>, Option<Tensor<3>>) {
    let (device, dtype, shape) = (x.device(), x.dtype(), x.dims());
    let (x, slope) = adjustment.capped(x);
    let step = slope.unwrap_or_else(|| x.ones_like()) * adjustment.scale;
    let offset = match &adjustment.offsets {
        Some(offsets) => along_axis(offsets, &device, dtype).expand(shape),
        None => x.zeros_like(),
    };
    let mut x = adjustment.moved(x, offset);
    if let (Some(margins), Some(used)) = (&adjustment.margins, used) {
        let margins: Vec<f64> = margins
            .iter()
            .map(|margin| margin * adjustment.scale)
            .collect();
        let margins = along_axis(&margins, &device, dtype).expand(shape);
        x = x - margins.mask_fill(used.clone().bool_not(), 0.0);
    }
    (x, Some(step))
}

/// Half of the losses of samples by the head of their softmax, at their classes, and the slopes.
fn head_terms(
    head: &dyn AnySoftmaxHead,
    x: Tensor<3>,
    q: Tensor<3>,
    coefficients: &Coefficients,
) -> TensorTerms {
    let is_class = coefficients.used.clone().expect("ids choose classes");
    let elsewhere = is_class.clone().bool_not();
    // Not multiplied by the one-hot row: zero times infinity would be NaN.
    let of_class = |tensor: Tensor<3>| tensor.mask_fill(elsewhere.clone(), 0.0).sum_dim(AXIS);
    let softmax = Softmax::new(x);
    let (ln_p, lse) = (softmax.half_log_prob() * 2.0, softmax.log_sum_exp());
    let (p, rest) = softmax.prob_and_rest();
    let at_class = [ln_p, p.clone(), rest].map(of_class);
    let [ln_p, p_of_class, rest] = at_class;
    let at_class = [ln_p, p_of_class.clone(), rest.clone(), lse];
    let [loss, of_ln_p, of_lse] = head.on_tensors(at_class);
    let counted = q.sum_dim(AXIS);
    let value = (loss * 0.5).times_or_zero(counted.clone());
    let own = slope_of_class(p_of_class, rest, of_ln_p.clone(), of_lse.clone());
    let shape = p.dims();
    let slope = p.times_or_zero(slope_of_others(of_ln_p, of_lse).expand(shape));
    let slope = slope.mask_where(is_class, own.expand(shape));
    TensorTerms {
        value: value.mask_fill(elsewhere, 0.0),
        slopes: vec![slope.times_or_zero(counted.expand(shape))],
    }
}

impl Coefficients {
    /// The coefficients of a target that fits the untracked `x`, which are the layers of an input of the given
    /// shape; its values are checked here.
    fn new(
        check: &Check,
        options: &Options,
        (x, shape): (&Tensor<3>, &Shape),
        targets: AnyTarget,
    ) -> Result<Self, LossError> {
        match targets.values {
            FlatValues::Float(probs) => Self::of_probs(check, options, (x, shape), probs),
            ids => Self::of_ids(check, options, x, (ids.integers(), &targets.shape)),
        }
    }

    fn of_ids(
        check: &Check,
        options: &Options,
        x: &Tensor<3>,
        (ids, shape): (Tensor<1, Int>, &Shape),
    ) -> Result<Self, LossError> {
        let [outer, count, inner] = x.dims();
        let checked = check.class_ids(&ids, shape, count, Some(options.ignored))?;
        let ids = ids.reshape([outer, 1, inner]);
        let found = SafeIds::new(ids, count, options.ignored);

        let dtype = x.dtype();
        let device = x.device();
        let hot = found.one_hot(AXIS, count, &device, dtype);
        let used = hot.clone().equal_scalar(1.0);
        let weights = options
            .weights
            .map(|weights| along_axis(weights, &device, dtype));
        let weighted = match &weights {
            Some(weights) => hot.clone() * weights.clone(),
            None => hot.clone(),
        };
        let weight = if options.by_class() {
            Some(weighted.clone().sum_dim(AXIS) * options.weights_size)
        } else if options.ignored.is_empty() {
            None
        } else {
            Some(hot.clone().sum_dim(AXIS))
        };
        let q = match options.label_smoothing {
            0.0 => weighted,
            smoothing => {
                let keepdim_shape = hot.sum_dim(AXIS) * (smoothing / count as f64);
                let spread = match weights {
                    Some(weights) => keepdim_shape * weights,
                    None => keepdim_shape,
                };
                weighted * (1.0 - smoothing) + spread
            }
        };
        Ok(Self {
            q,
            weight,
            size: options.weights_size,
            valid: (!checked).then_some(found.valid()),
            used: Some(used),
        })
    }

    fn of_probs(
        check: &Check,
        options: &Options,
        (x, shape): (&Tensor<3>, &Shape),
        probs: Tensor<1>,
    ) -> Result<Self, LossError> {
        let dtype = x.dtype();
        let valid = probabilities(check, probs.clone(), shape, options.class_axis)?;
        let device = x.device();
        let mut q = probs.reshape(x.dims()).cast(dtype);
        if options.label_smoothing != 0.0 {
            let spread = options.label_smoothing / x.dims()[AXIS] as f64;
            q = q * (1.0 - options.label_smoothing) + spread;
        }
        if let Some(weights) = options.weights {
            q = q * along_axis(weights, &device, dtype);
        }
        Ok(Self {
            q,
            weight: None,
            size: options.weights_size,
            valid,
            used: None,
        })
    }

    /// Makes the samples at whose class a rule is broken as if their target were not valid.
    fn and_holds(mut self, rule: Rule, x: &Tensor<3>) -> Self {
        let used = self.used.clone().expect("ids choose classes");
        let holds = rule.holds(x).bool_or(used.bool_not());
        self.valid = both(self.valid, Some(holds.all_dim(AXIS)));
        self
    }

    /// The losses per sample from the terms of their classes, joined to the input. The terms are a `part` of
    /// what they stand for.
    fn losses(
        self,
        input: &AnyRank,
        part: f64,
        (terms, slopes): (Tensor<3>, impl FnOnce() -> Tensor<3>),
    ) -> Losses {
        let (layers, dtype) = (terms.dims(), terms.dtype());
        let keepdim_shape = [layers[0], 1, layers[2]];
        let valid = self.valid;
        let gradient = input.is_tracked().then(|| {
            let valid = valid.clone().map(|valid| valid.expand(layers));
            (input.clone(), or_nan(slopes() * part, &valid))
        });
        Losses {
            values: flat(or_nan(terms.sum_dim(AXIS), &valid)),
            part: part / self.size,
            weights: self.weight.map(|weight| flat(weight.cast(dtype))),
            batch: input.shape()[0],
            graph: Graph::new(input, keepdim_shape, Vec::from_iter(gradient)),
        }
    }
}
