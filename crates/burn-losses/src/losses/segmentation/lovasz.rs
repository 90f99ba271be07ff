//! The Lovász extension of the Jaccard loss.

use super::regions::{AbsentClass, of_overlap, overlap_lints};
use crate::engine::any_rank::{AnyRank, in_context_of};
use crate::engine::dtype::compute_dtype;
use crate::engine::host::lovasz::LovaszRows;
use crate::engine::portable::ids::SafeIds;
use crate::engine::portable::tensors::{AXIS, flat};
use crate::engine::rows::RowSpec;
use crate::engine::shape::layers;
use crate::engine::values::{AnyTarget, FlatValues};
use crate::loss::call::{Call, LossOutput};
use crate::loss::formula::LossFormula;
use crate::loss::overlap::{
    OverlapOptions, OverlapSums, answer, check_overlap, explain, has_sweep, narrowed,
    of_no_samples, overlap_sums,
};
use crate::loss::rows::evaluate;
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::overlap::{Activation, Overlap};
use crate::spec::reduction::Reduction;
use crate::spec::request::Returns;
use crate::spec::row::RowTarget;
use crate::spec::rule::Rule;
use crate::targets::AnyOperand;
use crate::validate::check::{Check, config_error};
use crate::validate::error::{Lint, LossError, LossErrorKind};
use alloc::sync::Arc;
use alloc::vec::Vec;
use burn::tensor::{DType, Shape, Tensor, activation};
use serde::{Deserialize, Serialize};

/// Of what the errors of [`LovaszLoss`] are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum LovaszVariant {
    /// Probabilities of a softmax: what they lack of 1 at the true class, and all of them elsewhere. The target is class ids.
    #[default]
    #[serde(alias = "softmax")]
    Softmax,
    /// Logits, each of which has a mask: what they lack of a margin of 1 on the side of the target. The target is masks.
    #[serde(alias = "hinge")]
    Hinge,
}

loss_config! {
    /// Configuration of [`LovaszLoss`].
    pub struct LovaszLossConfig {
        /// Of what the errors are.
        pub variant: LovaszVariant = LovaszVariant::Softmax,
        /// Each sample has its losses; else they are of the whole batch.
        pub per_sample: bool = false,
        /// What a class without a true pixel counts: its largest error (`Smoothed`), or nothing (`LeftOut`).
        pub absent: AbsentClass = AbsentClass::LeftOut,
        /// The ids that mark a pixel as not to be counted. There is none by default.
        pub ignore_indices: Vec<i64> = Vec::new(),
        /// The axis of the input that holds the classes.
        pub class_axis: usize where CLASS_AXIS = 1,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
    and self.fits_together()
}

impl LovaszLossConfig {
    /// Adds an id that marks a pixel as not to be counted.
    pub fn with_ignore_index(mut self, id: i64) -> Self {
        self.ignore_indices.push(id);
        self
    }

    fn fits_together(&self) -> Result<(), LossError> {
        if self.absent == AbsentClass::Zero {
            let message = "absent is Zero, which this loss does not have: set it to LeftOut, or to Smoothed to count the largest \
                           error of a class that is absent.";
            return Err(config_error(LovaszLoss::NAME, message.into()));
        }
        Ok(())
    }
}

/// The Lovász extension of the Jaccard loss: a loss of probabilities or margins that is one less the intersection over the
/// union where these are decisions.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/lovasz.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// Softmax  : e = 1 - p where class c is true, else p                        p = softmax(x) along the class axis, at class c
/// Hinge    : e = max(1 - x, 0) where the mask is 1, else max(1 + x, 0)      of each class by itself
/// sorted   : e[1] >= e[2] >= ..                                             the pixels of a class; `per_sample`: of a sample
/// J[k]     = 1 - (T - t[k]) / (T + f[k])                                    T: how many are true
/// t[k], f[k]                                                                how many of the first k are true, are false
/// loss     = sum over k of e[k] (J[k] - J[k - 1]),  J[0] = 0
/// gradient = J[k] - J[k - 1] for each e[k]
/// ```
///
/// </details>
///
/// # Character
///
/// `J[k]` is the Jaccard loss of a prediction that is wrong at the k pixels with the largest errors and right at the others.
/// The loss mixes these by the sizes of the errors: where all errors are 0 or 1 it is one less the intersection over the
/// union, exactly, and it is convex in the errors. [`JaccardLoss`](crate::segmentation::JaccardLoss) puts probabilities into
/// the formula of the ratio instead. Where IoU is the measure, this loss takes a trained model further. The gradient is at
/// the pixels with the largest errors, about as many as the region has, so begin with cross-entropy, or add it. **The last
/// layer is linear, without a softmax or a sigmoid**, and there is no smoothing to set.
///
/// `Softmax` is for one class of several; `Hinge` for a mask, or several, and stops where each pixel is right by a margin of
/// 1, so its outputs are scores and no logits of probabilities. By default a class is sorted over the whole batch, as IoU is
/// counted over a data set; `per_sample` is for IoU that is averaged over images.
///
/// A class that is nowhere is left out by default. With the absent class `Smoothed` it counts: as its largest probability
/// with `Softmax`, and as its largest error with `Hinge`, so that an empty mask is learned to be empty.
///
/// Pixels are sorted for each class, so it costs more than the other losses, the more so the more classes there are. Errors
/// that are equal may be in any order: the loss is the same, and how the gradient is shared between them is not said. On a
/// GPU the errors are made by tensor operations, read and sorted by the host: each call waits for the device.
///
/// # Target
///
/// With `Softmax` **class ids from 0 to C - 1: an `Int` tensor without the class axis**, `[N, H, W]` for logits
/// `[N, C, H, W]`. With `Hinge` **a mask for each class, of 0 and 1 and of the input's shape**: floats, `Int` or `Bool`; a
/// single mask is `[N, 1, H, W]`. The usual mistakes: a softmax that the model applied already, which
/// [`lint`](crate::Loss::lint) tells; soft masks, for which [`JaccardLoss`](crate::segmentation::JaccardLoss) has the
/// overlap `Minimum`; an id of 255 for what is not labelled, an error unless `with_ignore_index(255)` leaves these pixels
/// out; ids from 1, an error when the last class occurs. In `Int` masks an ignored id leaves out an element.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// // An image of 2 x 2 pixels, three classes, of which the last is nowhere.
/// let logits = Tensor::<4>::from_data(
///     [[[[2., 0.], [0., 0.]], [[0., 2.], [1., 0.]], [[0., 0.], [0., -1.]]]],
///     &device,
/// );
/// let ids = Tensor::<3, Int>::from_data([[[0, 1], [1, 0]]], &device);
///
/// let loss = LovaszLoss::new();
/// let value = loss.forward(logits.clone(), ids.clone());
/// assert!((value.into_scalar::<f32>() - 0.37434).abs() < 1e-5);
/// // The class that is nowhere counts its largest probability, 0.211942.
/// let loss = LovaszLossConfig::new().with_absent(AbsentClass::Smoothed).init();
/// let value = loss.forward(logits.clone(), ids.clone());
/// assert!((value.into_scalar::<f32>() - 0.320207).abs() < 1e-5);
///
/// // A single mask, of class 1: two pixels are right by the margin, two have a logit of 0.
/// let logits = logits.narrow(1, 1, 1);
/// let mask = ids.equal_scalar(1).unsqueeze_dim::<4>(1);
/// let loss = LovaszLossConfig::new().with_variant(LovaszVariant::Hinge).init();
/// let value = loss.forward(logits, mask);
/// assert!((value.into_scalar::<f32>() - 0.5).abs() < 1e-5);
/// ```
///
/// # Shapes
///
/// * input: `[N, C]`, `[N, C, d1, ..]`, rank 2 to 6; the classes on axis 1 or `class_axis`
/// * targets: ids in that shape without the class axis; with `Hinge` masks in that shape
/// * unreduced: `[1, C]`, and `[N, C]` with `per_sample`; 0 where a class is left out
///
/// # Errors
///
/// * A target of another shape; the text says which class axis would fit.
/// * With `Softmax` masks, and with `Hinge` ids.
/// * An id that is neither a class nor ignored, with its index, and whether ids seem to start at 1.
/// * A mask that is neither 0 nor 1, with its index.
/// * One class with `Softmax`: a single mask goes with `Hinge`.
/// * Ignored ids with masks of floats or `Bool`.
/// * A target that is tracked by autodiff. A float type that the device cannot compute with.
/// * In `init`: the absent class `Zero`, a `class_axis` of 0.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid target makes loss and gradient NaN: of the whole
/// batch, or with `per_sample` of its sample.
///
/// # Other libraries
///
/// PyTorch has none. The same values come from these options, and the same gradients where no two errors are equal; the
/// versions are segmentation-models-pytorch 0.6, kornia 0.9 and mmsegmentation 1.2.2.
///
/// | there | here | what differs |
/// |---|---|---|
/// | segmentation-models-pytorch's `LovaszLoss("multiclass")` | the defaults; `ignore_index` is `ignore_indices` | `per_image=True` takes the mean of each image first: `per_sample` where each has as many classes. `f32` alone |
/// | its `"binary"` | `Hinge`, `Smoothed`, one channel; `per_image=True` is `per_sample` | |
/// | its `"multilabel"` | none | it sorts all classes together: reshape them to one channel |
/// | kornia's `lovasz_softmax_loss` | `per_sample`, `Smoothed` | its `weight` has no option; no id is ignored |
/// | kornia's `lovasz_hinge_loss` | `Hinge`, `per_sample`, `Smoothed`, one channel | |
/// | mmsegmentation's `LovaszLoss(reduction="none")` | 255 ignored; `classes="all"` is `Smoothed` | `per_image=True` takes the mean of each image first; its `class_weight` has no option |
/// | its `loss_type="binary"` | `Hinge`, `Smoothed`, one channel | |
///
/// # Reference
///
/// Berman et al., *The Lovász-Softmax loss: A tractable surrogate for the optimization of the intersection-over-union
/// measure in neural networks*, 2017, [arXiv:1705.08790](https://arxiv.org/abs/1705.08790). `Hinge`: Yu and Blaschko, *The
/// Lovász Hinge: A Novel Convex Surrogate for Submodular Losses*, 2015,
/// [arXiv:1512.07797](https://arxiv.org/abs/1512.07797).
#[doc(alias = "Lovász")]
#[doc(alias = "lovasz_softmax")]
#[doc(alias = "lovasz_hinge")]
#[doc(alias = "IoU")]
#[doc(alias = "segmentation")]
#[derive(Clone, Debug)]
pub struct LovaszLoss {
    config: LovaszLossConfig,
}

of_overlap!(LovaszLoss, LovaszLossConfig, 2);

static OF_PROBABILITIES: LossFormula<2> =
    LossFormula::new(|[p, truth]| truth.above(0.0).select(1.0 - p, p));

static OF_SCORES: LossFormula<2> =
    LossFormula::new(|[x, truth]| truth.above(0.0).select(1.0 - x, 1.0 + x));

impl LovaszLoss {
    fn options(&self) -> OverlapOptions<'_> {
        OverlapOptions {
            loss: Self::NAME,
            activation: match self.config.variant {
                LovaszVariant::Softmax => Activation::Softmax,
                LovaszVariant::Hinge => Activation::Sigmoid,
            },
            overlap: Overlap::Product,
            ignored: &self.config.ignore_indices,
            class_axis: self.config.class_axis,
            by_sample: self.config.per_sample,
            to_masks: "with_variant(LovaszVariant::Hinge)",
            to_probabilities: None,
            beside: None,
            lovasz: self.config.variant == LovaszVariant::Softmax,
        }
    }

    fn losses(
        &self,
        input: AnyRank,
        targets: AnyTarget,
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let check = Check::new(Self::NAME, &input.device(), call.waiting);
        let options = self.options();
        let (shape, dtype, device) = (input.shape(), input.dtype(), input.device());
        let softmax = self.config.variant == LovaszVariant::Softmax;
        let of_ids = targets.shape.num_dims() < shape.num_dims();
        check_overlap(&check, &options, &input, &targets)?;
        if softmax != of_ids {
            let message = if softmax {
                "with variant Softmax the target is class ids, but it has the shape of the input: `target::class_ids` makes ids \
                 of one-hot rows. Masks go with variant Hinge."
            } else {
                "with variant Hinge the target is masks of the shape of the input, but it has none for each class: \
                 `target::one_hot` makes them of class ids, or set with_variant(LovaszVariant::Softmax)."
            };
            return Err(check.error(LossErrorKind::Config, message.into()));
        }
        let layers = layers(&shape, self.config.class_axis);
        let [outer, classes, inner] = layers;
        if input.is_empty() {
            return of_no_samples(&check, call, input, [0, classes].into());
        }
        if softmax && has_sweep(&input) {
            let sums = overlap_sums(&check, &options, input, targets)?;
            return self.of_sums(&check, &sums, call);
        }
        if check.reads() {
            explain(&check, &options, &shape, dtype, None, targets.clone())?;
            whole_masks(&check, &shape, &targets)?;
        }
        let wide = compute_dtype(dtype);
        let computed: DType = wide.into();
        let truth = truth(targets, layers, &self.config.ignore_indices, computed);
        let x = input.cast(wide).layers(layers);
        // Errors, as a function of the input: of what is true, they fall with it.
        let (x, formula) = if softmax {
            (activation::softmax(x, AXIS), &OF_PROBABILITIES)
        } else {
            (x, &OF_SCORES)
        };
        let operands = [x, truth.clone()].map(|of| AnyOperand::Numbers(of.into()));
        let plain = Call::new(call.waiting, Returns::Unreduced);
        let formula = formula.of(["input", "truth"]);
        let errors = formula.evaluate(Self::NAME, operands, plain)?.value;
        let errors: Tensor<3> = errors.reshape(layers);
        let samples = if self.config.per_sample { shape[0] } else { 1 };
        let together = |of: Tensor<3>| -> Tensor<2> {
            let of: Tensor<4> = of.reshape([samples, outer / samples, classes, inner]);
            let rows = of.swap_dims(1, 2);
            rows.reshape([samples * classes, outer / samples * inner])
        };
        let (errors, truth) = (together(errors), together(truth));
        let of_regions = Shape::new([samples, classes]);
        let present = flat(truth.clone().clamp_min(0.0).max_dim(1));
        let leaves_out = self.config.absent == AbsentClass::LeftOut;
        let call = if leaves_out && !call.is_unreduced() {
            call.where_counts(&check, present.clone(), &of_regions, computed)?
        } else {
            call
        };
        let spec = RowSpec::new(Arc::new(LovaszRows), 1, RowTarget::Nothing);
        let inputs = [AnyRank::from(errors), AnyRank::from(truth)];
        let seen = call.clone().seen_as(of_regions);
        let mut output = evaluate(&check, spec, inputs, seen)?;
        if leaves_out && call.is_unreduced() {
            let absent = in_context_of(present, &device).equal_scalar(0.0);
            output.value = output.value.mask_fill(absent, 0.0);
        }
        Ok(narrowed(output, &call, dtype))
    }

    /// What a call wants of losses that a sweep gave.
    fn of_sums(
        &self,
        check: &Check,
        sums: &OverlapSums,
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let [mut losses, counts] = sums.lovasz();
        let (shape, computed) = (losses.shape(), losses.dtype());
        let leaves_out = self.config.absent == AbsentClass::LeftOut;
        let call = if leaves_out && call.is_unreduced() {
            losses = losses.mask_fill(counts.equal_scalar(0.0), 0.0);
            call
        } else if leaves_out {
            let present = flat(counts.inner().clamp_max(1.0));
            call.where_counts(check, present, &shape, computed)?
        } else {
            call
        };
        answer(Self::NAME, losses, call.seen_as(shape), sums.dtype)
    }

    fn lints(&self, input: &AnyRank, targets: AnyTarget) -> Vec<Lint> {
        if self.config.variant == LovaszVariant::Hinge {
            return Vec::new();
        }
        overlap_lints(&self.options(), input, targets)
    }
}

/// Masks must be of 0 and 1 here.
fn whole_masks(check: &Check, shape: &Shape, targets: &AnyTarget) -> Result<(), LossError> {
    let FlatValues::Float(masks) = &targets.values else {
        return Ok(());
    };
    check
        .each_in(shape, masks.dtype(), masks, Rule::LABELS, |found| {
            alloc::format!(
                "target {} at index {:?} must be 0 or 1: the order of the errors has no place for what is between.",
                found.shown(),
                found.index
            )
        })
        .map(|_| ())
}

/// Where a class is true: 1 or 0, -1 where a pixel does not count, NaN where the target is not valid.
fn truth(targets: AnyTarget, layers: [usize; 3], ignored: &[i64], dtype: DType) -> Tensor<3> {
    let [outer, classes, inner] = layers;
    let device = targets.device.clone().without_autodiff();
    if targets.shape.num_elements() == outer * inner && classes > 1 {
        let ids = targets.values.integers().reshape([outer, 1, inner]);
        let found = SafeIds::new(ids, classes, ignored);
        let hot = found.one_hot(AXIS, classes, &device, dtype);
        let none = found.is_class().bool_not().expand(layers);
        let invalid = found.valid().bool_not().expand(layers);
        return hot.mask_fill(none, -1.0).mask_fill(invalid, f64::NAN);
    }
    let masks = targets.values.cast(compute_dtype(dtype));
    let masks: Tensor<3> = masks.reshape(layers);
    let mut left_out = None;
    for &of in ignored {
        let is = masks.clone().equal_scalar(of as f64);
        left_out = Some(match left_out {
            None => is,
            Some(before) => is.bool_or(before),
        });
    }
    let valid = Rule::LABELS.holds(&masks);
    let truth = masks.mask_fill(valid.bool_not(), f64::NAN);
    match left_out {
        Some(left_out) => truth.mask_fill(left_out, -1.0),
        None => truth,
    }
}
