//! The generalized dice loss.

use super::regions::{AbsentClass, Aggregation, OfRegions, Regions, Score, of_overlap};
use crate::engine::any_rank::AnyRank;
use crate::engine::values::AnyTarget;
use crate::loss::call::{Call, LossOutput};
use crate::loss::overlap::{check_overlap, narrowed, of_no_samples, overlap_sums, seen_samples};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::overlap::{Activation, Overlap};
use crate::spec::reduction::Reduction;
use crate::validate::check::{Check, config_error};
use crate::validate::error::{Lint, LossError};
use alloc::vec::Vec;
use burn::tensor::{Shape, Tensor};
use serde::{Deserialize, Serialize};

/// How much a class counts in [`GeneralizedDiceLoss`], by how many of its pixels are true.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum DiceWeighting {
    /// One over the square of their number.
    #[default]
    #[serde(alias = "squared_inverse")]
    SquaredInverse,
    /// One over their number.
    #[serde(alias = "inverse")]
    Inverse,
    /// As much as any other class.
    #[serde(alias = "uniform")]
    Uniform,
}

/// How much a class without a true pixel counts in [`GeneralizedDiceLoss`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum AbsentWeight {
    /// As much as the rarest class that is there.
    #[default]
    #[serde(alias = "largest")]
    Largest,
    /// Nothing.
    #[serde(alias = "zero")]
    Zero,
}

loss_config! {
    /// Configuration of [`GeneralizedDiceLoss`].
    pub struct GeneralizedDiceLossConfig {
        /// What makes probabilities of the input.
        pub activation: Activation = Activation::Softmax,
        /// The sums are over the whole batch; else each sample has its loss.
        pub over_batch: bool = false,
        /// How much a class counts.
        pub class_weighting: DiceWeighting = DiceWeighting::SquaredInverse,
        /// How much a class counts that is not there.
        pub absent_weight: AbsentWeight = AbsentWeight::Largest,
        /// How a probability and a target overlap: by their product or the lesser of the two.
        pub overlap: Overlap = Overlap::Product,
        /// What is added above the line: finite, at least 0.
        pub smooth_numerator: f64 = 1e-5,
        /// What is added below the line: finite, at least 0.
        pub smooth_denominator: f64 = 1e-5,
        /// Class 0 is one of the classes; else it is left out.
        pub background: bool = true,
        /// The ids that mark a pixel as not to be counted. There is none by default.
        pub ignore_indices: Vec<i64> = Vec::new(),
        /// The axis of the input that holds the classes.
        pub class_axis: usize = 1,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
    and self.fits_together()
}

impl GeneralizedDiceLossConfig {
    /// Adds an id that marks a pixel as not to be counted.
    pub fn with_ignore_index(mut self, id: i64) -> Self {
        self.ignore_indices.push(id);
        self
    }

    fn regions(&self) -> Regions<'_> {
        Regions {
            loss: GeneralizedDiceLoss::NAME,
            activation: self.activation,
            aggregation: if self.over_batch {
                Aggregation::Class
            } else {
                Aggregation::SampleClass
            },
            overlap: self.overlap,
            smooth_numerator: self.smooth_numerator,
            smooth_denominator: self.smooth_denominator,
            absent: AbsentClass::Smoothed,
            background: self.background,
            weights: None,
            ignored: &self.ignore_indices,
            class_axis: self.class_axis,
        }
    }

    fn fits_together(&self) -> Result<(), LossError> {
        if self.overlap == Overlap::Squared {
            let message = "overlap Squared has no number of true pixels, which the weights are made of: set it to Product or \
                           Minimum.";
            return Err(config_error(GeneralizedDiceLoss::NAME, message.into()));
        }
        self.regions().validate()
    }
}

/// One less the generalized dice score: one ratio for all classes of a sample, in which a class counts the more the fewer of
/// its pixels there are.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/generalized_dice.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// p        = softmax(x) along the class axis, sigmoid(x), or x              `activation`
/// TP[c]    = sum p y,  FP[c] = sum p (1 - y),  FN[c] = sum (1 - p) y        over the pixels of class c
/// T[c]     = TP[c] + FN[c] = sum y                                          how much of the class is true
/// w[c]     = 1 / T[c]^2, 1 / T[c], or 1                                     `class_weighting`; T[c] = 0: `absent_weight`
/// D        = sum over c of w[c] (2 TP[c] + FP[c] + FN[c]) + d
/// s        = (2 sum over c of w[c] TP[c] + n) / D                           n, d: `smooth_numerator`, `smooth_denominator`
/// loss     = 1 - s
/// gradient = w[c] (s - 2 y) / D for each p                                  the weights are constants
/// `overlap` Minimum: TP = sum min(p, y),  FP = sum max(p - y, 0),  FN = sum max(y - p, 0)
/// ```
///
/// </details>
///
/// # Character
///
/// For classes of very different size. [`DiceLoss`](crate::segmentation::DiceLoss) has a ratio for each class, and the mean
/// of these; here what overlaps and what does not is added up over the classes first, each in units of its own size. So a
/// pixel of a rare class moves the loss of the whole sample, and with `SquaredInverse`, the weights of the paper, training
/// is restless where a class has a handful of pixels. `Inverse` is calmer, and `Uniform` counts all pixels alike, as
/// `DiceLoss` does with the aggregation `Sample`. `over_batch` takes the sums of the whole batch, in which fewer classes are
/// missing. **The last layer is linear, with C outputs and no softmax**; with `Sigmoid` it has no sigmoid.
///
/// A class that is nowhere has no weight of its own. `Largest` gives it that of the rarest class which is there, so whatever
/// is found of it is a mistake of that price; `Zero` leaves it out of the score. Where no class is there, as with empty
/// masks, all weights are 0, and so is the loss if both smoothings are the same (not with `Uniform`).
///
/// **The smoothing is no small number here** where regions are large, since the weights are then very small: beside two
/// classes of 100 000 pixels each 1e-5 is a fifth of what is below the line, and for volumes it is nearly all. Set both
/// smoothings far lower, or to 0, for such.
///
/// # Target
///
/// **Class ids from 0 to C - 1: an `Int` tensor without the class axis**, `[N, H, W]` for logits `[N, C, H, W]`. Or **a mask
/// for each class: a tensor of the input's shape**, of floats from 0 to 1, `Int` 0 and 1, or `Bool`; a single mask is
/// `[N, 1, H, W]`, with `Sigmoid`. The usual mistakes: class weights beside these, which would count a rare class twice
/// (there is no option for them); masks of 0 and 255, and an id of 255 for what is not labelled, which are errors
/// (`with_ignore_index(255)` leaves these pixels out); ids from 1, an error when the last class occurs; a softmax or sigmoid
/// in the model, and soft masks without `Minimum`, which [`lint`](crate::Loss::lint) tells.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// // An image of 2 x 2 pixels: one of class 1, three of class 0, none of class 2.
/// let logits = Tensor::<4>::from_data(
///     [[[[2., 0.], [0., 0.]], [[0., 2.], [1., 0.]], [[0., 0.], [0., -1.]]]],
///     &device,
/// );
/// let ids = Tensor::<3, Int>::from_data([[[0, 1], [0, 0]]], &device);
///
/// for (weighting, absent_weight, expected) in [
///     (DiceWeighting::SquaredInverse, AbsentWeight::Largest, 0.524616), // the defaults
///     (DiceWeighting::Inverse, AbsentWeight::Largest, 0.493832),
///     (DiceWeighting::Uniform, AbsentWeight::Largest, 0.447941),
///     (DiceWeighting::SquaredInverse, AbsentWeight::Zero, 0.443357),
/// ] {
///     let config = GeneralizedDiceLossConfig::new()
///         .with_class_weighting(weighting)
///         .with_absent_weight(absent_weight);
///     let value = config.init().forward(logits.clone(), ids.clone());
///     assert!((value.into_scalar::<f32>() - expected).abs() < 1e-5);
/// }
/// ```
///
/// # Shapes
///
/// * input: `[N, C]`, `[N, C, d1, ..]`, rank 2 to 6; the classes on axis 1 or `class_axis`
/// * targets: ids in that shape without the class axis, or masks in that shape
/// * unreduced: `[N, 1]`, and `[1, 1]` with `over_batch`
///
/// # Errors
///
/// * A target of another shape; the text says which class axis would fit.
/// * An id that is neither a class nor ignored, with its index, and whether ids seem to start at 1.
/// * A mask that is not from 0 to 1, with its index, and whether it looks like 0 and 255, signs or ids.
/// * With `Probabilities` an input that is not from 0 to 1.
/// * One class with a softmax, or with ids: a single mask goes with `Sigmoid`, in the shape of the input.
/// * Ignored ids with masks of floats or `Bool`, or with masks and a softmax.
/// * One class, and that left out as background.
/// * A target that is tracked by autodiff. A float type that the device cannot compute with.
/// * In `init`: the overlap `Squared`, which has no number of true pixels; a smoothing that is negative or not finite, a
///   `class_axis` of 0.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid target or probability makes loss and gradient of
/// its sample NaN, and with `over_batch` those of the whole batch.
///
/// # Other libraries
///
/// PyTorch has none. MONAI's `GeneralizedDiceLoss` (1.6.1) has the same values and gradients:
///
/// | there | here | what differs |
/// |---|---|---|
/// | `GeneralizedDiceLoss(softmax=True, to_onehot_y=True)` | the defaults | its ids are `[N, 1, ..]`, and none is ignored |
/// | its `w_type="simple"`, `"uniform"` | `Inverse`, `Uniform` | |
/// | its `batch=True`, `include_background=False`, `soft_label=True` | `over_batch`, `background` false, `Minimum` | |
///
/// optax' `multiclass_generalized_dice_loss` is another loss: a mean of dice losses with weights of the batch, as
/// [`DiceLoss`](crate::segmentation::DiceLoss) is with such `weights`.
///
/// # Reference
///
/// Sudre et al., *Generalised Dice overlap as a deep learning loss function for highly unbalanced segmentations*, 2017,
/// [arXiv:1707.03237](https://arxiv.org/abs/1707.03237).
#[doc(alias = "GDL")]
#[doc(alias = "generalised dice")]
#[doc(alias = "multiclass_generalized_dice_loss")]
#[doc(alias = "segmentation")]
#[derive(Clone, Debug)]
pub struct GeneralizedDiceLoss {
    config: GeneralizedDiceLossConfig,
}

of_overlap!(GeneralizedDiceLoss, GeneralizedDiceLossConfig, 2);

const DICE: Score = Score {
    fp_weight: 0.5,
    fn_weight: 0.5,
    smoothing: 0.5,
    log_loss: false,
    gamma: 1.0,
};

impl GeneralizedDiceLoss {
    fn losses(
        &self,
        input: AnyRank,
        targets: AnyTarget,
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let check = Check::new(Self::NAME, &input.device(), call.waiting);
        let regions = self.config.regions();
        let options = regions.options();
        check_overlap(&check, &options, &input, &targets)?;
        if input.is_empty() {
            return of_no_samples(&check, call, input, [0, 1].into());
        }
        regions.check_weights(&check, input.shape()[self.config.class_axis])?;
        let sums = overlap_sums(&check, &options, input, targets)?;
        let of_losses = Shape::new([sums.samples(), 1]);
        let seen = seen_samples(&check, &call, &sums, &of_losses)?;
        let sums = sums.seen(seen.as_ref());
        let of_classes = regions.regions(&sums);
        let [tp, _, missed] = &of_classes.sums;
        let truth = tp.clone().inner() + missed.clone().inner();
        let weights = self.weights(truth);
        let of_sample = OfRegions {
            sums: of_classes.sums.map(|sum| {
                let device = sum.device();
                let weights = crate::engine::any_rank::in_context_of(weights.clone(), &device);
                (sum * weights).sum_dim(1)
            }),
            counts: of_classes.counts.max_dim(1),
            present: of_classes.present.max_dim(1),
        };
        let output = regions.by_score(DICE, of_sample, call.clone())?;
        Ok(narrowed(output, &call, sums.dtype))
    }

    /// How much each class counts, from how much of it is true.
    fn weights(&self, truth: Tensor<2>) -> Tensor<2> {
        let absent = truth.clone().equal_scalar(0.0);
        // Of next to nothing the square would be nothing.
        let some = truth.clone().mask_fill(absent.clone(), 1.0);
        let inverse = some.clamp_min(1e-15).recip();
        let weights = match self.config.class_weighting {
            DiceWeighting::SquaredInverse => inverse.square(),
            DiceWeighting::Inverse => inverse,
            DiceWeighting::Uniform => {
                let all = truth.ones_like();
                return match self.config.absent_weight {
                    AbsentWeight::Largest => all,
                    AbsentWeight::Zero => all.mask_fill(absent, 0.0),
                };
            }
        };
        let there = weights.mask_fill(absent.clone(), 0.0);
        match self.config.absent_weight {
            AbsentWeight::Zero => there,
            AbsentWeight::Largest => {
                let largest = there.clone().max_dim(1).expand(there.dims());
                there.mask_where(absent, largest)
            }
        }
    }

    fn lints(&self, input: &AnyRank, targets: AnyTarget) -> Vec<Lint> {
        self.config.regions().lints(input, targets)
    }
}
