//! The dice loss.

use super::regions::{AbsentClass, Aggregation, Regions, Score, of_overlap};
use crate::engine::any_rank::AnyRank;
use crate::engine::values::AnyTarget;
use crate::loss::call::{Call, LossOutput};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::overlap::{Activation, Overlap};
use crate::spec::reduction::Reduction;
use crate::validate::error::{Lint, LossError};
use alloc::vec::Vec;

loss_config! {
    /// Configuration of [`DiceLoss`].
    pub struct DiceLossConfig {
        /// What makes probabilities of the input.
        pub activation: Activation = Activation::Softmax,
        /// What one loss is of.
        pub aggregation: Aggregation = Aggregation::SampleClass,
        /// How a probability and a target overlap.
        pub overlap: Overlap = Overlap::Product,
        /// What is added above the line: finite, at least 0.
        pub smooth_numerator: f64 = 1e-5,
        /// What is added below the line: finite, at least 0.
        pub smooth_denominator: f64 = 1e-5,
        /// What is counted where nothing is true.
        pub absent: AbsentClass = AbsentClass::Smoothed,
        /// The loss is the negative logarithm of the score, instead of 1 less the score.
        pub log_loss: bool = false,
        /// Class 0 is one of the classes; else it is left out.
        pub background: bool = true,
        /// A weight for each class that is not left out: finite, at least 0.
        pub weights: Option<Vec<f64>> = None,
        /// The ids that mark a pixel as not to be counted. There is none by default.
        pub ignore_indices: Vec<i64> = Vec::new(),
        /// The axis of the input that holds the classes.
        pub class_axis: usize = 1,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
    and self.fits_together()
}

impl DiceLossConfig {
    /// Adds an id that marks a pixel as not to be counted.
    pub fn with_ignore_index(mut self, id: i64) -> Self {
        self.ignore_indices.push(id);
        self
    }

    pub(super) fn regions(&self, loss: &'static str) -> Regions<'_> {
        Regions {
            loss,
            activation: self.activation,
            aggregation: self.aggregation,
            overlap: self.overlap,
            smooth_numerator: self.smooth_numerator,
            smooth_denominator: self.smooth_denominator,
            absent: self.absent,
            background: self.background,
            weights: self.weights.as_ref(),
            ignored: &self.ignore_indices,
            class_axis: self.class_axis,
        }
    }

    /// Half of what overlaps twice.
    pub(super) fn score(&self) -> Score {
        Score {
            fp_weight: 0.5,
            fn_weight: 0.5,
            smoothing: 0.5,
            log_loss: self.log_loss,
            gamma: 1.0,
        }
    }

    fn fits_together(&self) -> Result<(), LossError> {
        self.regions(DiceLoss::NAME).validate()
    }
}

/// One less the dice score: how far the probabilities of a class and the pixels where it is true are from being the same.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/dice.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// p        = softmax(x) along the class axis, sigmoid(x), or x              `activation`
/// TP       = sum tp,  FP = sum fp,  FN = sum fn                             over the pixels that `aggregation` puts together
/// s        = (2 TP + n) / (2 TP + FP + FN + d)                              n, d: `smooth_numerator`, `smooth_denominator`
/// loss     = w (1 - s), or -w ln s with `log_loss`                          w: the class's of `weights`, 1 without
///            Mean = sum of the losses / sum of w over what counts           see `absent`
/// gradient = w (s - 2 y) / (2 TP + FP + FN + d) for each p                  Product; over s with `log_loss`
///
/// overlap    tp          fp                fn
/// Product    p y         p (1 - y)         (1 - p) y
/// Squared    p y         max(p - y, 0)^2   max(y - p, 0)^2                  s = 2 sum p y / (sum p^2 + sum y^2)
/// Minimum    min(p, y)   max(p - y, 0)     max(y - p, 0)
/// ```
///
/// </details>
///
/// # Character
///
/// A ratio of sums over a region, where cross-entropy is a mean over pixels: a class of a hundred pixels counts as much as
/// one of a million, and background that is right adds nothing. It is the dice score, or F1, with probabilities in place of
/// decisions. **The last layer is linear, with C outputs and no softmax**; with `Sigmoid` it has an output for each mask,
/// and no sigmoid.
///
/// All pixels of a region pull alike, however wrong they are, but for the slope of the softmax: one that is sure and wrong
/// has hardly a gradient. So training starts slowly, and few train with it alone:
/// [`DiceCrossEntropyLoss`](crate::segmentation::DiceCrossEntropyLoss) is the two together. The probabilities are pushed to
/// 0 and 1, and say little about how sure the model should be. With `log_loss` what is found least pulls most; a score is
/// counted as at least 1e-7 there.
///
/// **A class that is nowhere in a region counts nearly 1 by default**, as soon as anything is found of it, since the
/// smoothing is all that is above the line: a number in the loss with hardly a gradient. `absent` counts 0 (`Zero`) or
/// leaves it out (`LeftOut`), `Class` adds up the whole batch first, and a larger smoothing makes a slope of it. What
/// `activation`, `aggregation`, `absent` and `overlap` choose is told on the page of [`segmentation`](crate::segmentation).
///
/// One pass over the memory makes the sums and another one the gradient, without a tensor of probabilities, on a CPU and on
/// a GPU.
///
/// # Target
///
/// **Class ids from 0 to C - 1: an `Int` tensor without the class axis**, `[N, H, W]` for logits `[N, C, H, W]`. Or **a mask
/// for each class: a tensor of the input's shape**, of floats from 0 to 1, `Int` 0 and 1, or `Bool`. Masks that overlap go
/// with `Sigmoid`, and so does a single one, which is `[N, 1, H, W]` as its input is. An `Int` tensor of the input's rank is
/// a mask.
///
/// The usual mistakes: masks of 0 and 255, and an id of 255 for what is not labelled, which are errors
/// (`with_ignore_index(255)` leaves these pixels out); a softmax or sigmoid that the model applied already, which
/// [`lint`](crate::Loss::lint) tells; ids from 1, an error when the last class occurs; and soft masks with `Product`, of
/// which the loss is least at 1 and not at the target: that is a lint, and `Minimum` is right for them. An ignored id leaves
/// out a pixel, and in `Int` masks without a softmax an element. [`forward_weighted`](crate::Loss::forward_weighted) weighs
/// whole regions, not pixels.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// // An image of 2 x 2 pixels, three classes.
/// let logits = Tensor::<4>::from_data(
///     [[[[2., 0.], [0., 0.]], [[0., 2.], [1., 0.]], [[0., 0.], [0., -1.]]]],
///     &device,
/// );
/// let ids = Tensor::<3, Int>::from_data([[[0, 1], [1, 0]]], &device);
///
/// let loss = DiceLoss::new();
/// let each: Tensor<2> = loss.forward_no_reduction(logits.clone(), ids.clone());
/// let each: Vec<f32> = each.into_data().iter().collect();
/// // The last class is nowhere.
/// for (found, expected) in each.iter().zip([0.31441f32, 0.29951, 0.99999]) {
///     assert!((found - expected).abs() < 1e-4);
/// }
/// let value = loss.forward(logits.clone(), ids.clone());
/// assert!((value.into_scalar::<f32>() - 0.53797).abs() < 1e-5);
/// let config = DiceLossConfig::new().with_absent(AbsentClass::LeftOut);
/// let value = config.init().forward(logits.clone(), ids.clone());
/// assert!((value.into_scalar::<f32>() - 0.306963).abs() < 1e-5);
///
/// // A single mask, of class 1.
/// let logits = logits.narrow(1, 1, 1);
/// let mask = ids.equal_scalar(1).unsqueeze_dim::<4>(1);
/// let config = DiceLossConfig::new().with_activation(Activation::Sigmoid);
/// let value = config.init().forward(logits, mask);
/// assert!((value.into_scalar::<f32>() - 0.300994).abs() < 1e-5);
///
/// // A soft mask, and the probabilities that are best.
/// let mask = Tensor::<3>::from_data([[[0.7, 0.2]]], &device);
/// let config = DiceLossConfig::new().with_activation(Activation::Probabilities);
/// for (overlap, expected) in [(Overlap::Minimum, 0.0), (Overlap::Product, 0.411109)] {
///     let loss = config.clone().with_overlap(overlap).init();
///     let value = loss.forward(mask.clone(), mask.clone());
///     assert!((value.into_scalar::<f32>() - expected).abs() < 1e-5);
/// }
/// ```
///
/// # Shapes
///
/// * input: `[N, C]`, `[N, C, d1, ..]`, rank 2 to 6; the classes on axis 1 or `class_axis`
/// * targets: ids in that shape without the class axis, or masks in that shape
/// * unreduced: `[N, C]` with `SampleClass`, `[1, C]` with `Class`, `[N, 1]` with `Sample`, `[1, 1]` with `Batch`; one class
///   less without background
///
/// # Errors
///
/// * A target of another shape; the text says which class axis would fit.
/// * An id that is neither a class nor ignored, with its index, and whether ids seem to start at 1.
/// * A mask that is not from 0 to 1, with its index, and whether it looks like 0 and 255, signs or ids.
/// * With `Probabilities` an input that is not from 0 to 1.
/// * One class with a softmax, or with ids: a single mask goes with `Sigmoid`, in the shape of the input.
/// * Ignored ids with masks of floats or `Bool`, or with masks and a softmax.
/// * `weights` that are not one for each class that is left; one class, and that left out as background.
/// * A target that is tracked by autodiff. A float type that the device cannot compute with.
/// * In `init`: a smoothing or weights that are negative or not finite, `weights` with `Sample` or `Batch`, a `class_axis`
///   of 0.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid target or probability makes loss and gradient of
/// its sample NaN, and with `Class` or `Batch` those of the whole batch.
///
/// # Other libraries
///
/// PyTorch has none. The same values and gradients come from these options; the versions are MONAI 1.6.1,
/// segmentation-models-pytorch 0.6, kornia 0.9, Keras 3.15, optax 0.2.8, nnU-Net 2.8 and mmsegmentation 1.2.2.
///
/// | there | here | what differs |
/// |---|---|---|
/// | MONAI's `DiceLoss(softmax=True, to_onehot_y=True)` | the defaults | its ids are `[N, 1, ..]`. `sigmoid=True` is `Sigmoid`; neither is `Probabilities` |
/// | its `batch=True`, `squared_pred=True`, `soft_label=True` | `Class`, `Squared`, `Minimum` | |
/// | its `include_background=False`, `ignore_index=i` | `background` false, `ignore_indices` | of one-hot targets it ignores a channel, or the pixels without a class |
/// | its `weight` | `weights` with `Sum`, or unreduced | its mean divides by the number of regions, not by the weights |
/// | segmentation-models-pytorch's `DiceLoss("multiclass", smooth=s)` | `Class`, `Zero`, both smoothings 2 s (0 by default); `Minimum` for soft labels | its `eps` never matters where a class is true. `classes=[1, ..]` is `background` false, other choices have no option |
/// | its `"multilabel"`, `"binary"` | the same with `Sigmoid`; `from_logits=False` is `Probabilities` | |
/// | kornia's `dice_loss` | `Sample`, smoothings of 0 and 1e-8, -100 ignored | its `weight` is inside of the score; a sample of ignored pixels alone is 1 |
/// | its `average="macro"` | `LeftOut`, smoothings of 0 and 1e-8, -100 ignored; `weight` is `weights` | the mean of each sample comes first: equal where each has as many classes |
/// | Keras' `Dice()` | `Probabilities`, `Batch`, smoothings of 0 and 1e-7 | one-hot targets; an `axis` of all but the batch is `Sample`, one of the pixels `SampleClass` |
/// | optax' `dice_loss` | `class_axis` the last, both smoothings 2 | twice its `smooth`. It does not reduce; its `class_weights` multiply, as with `Sum` |
/// | its `binary_dice_loss` | the same with `Sigmoid`, for one channel | |
/// | nnU-Net's `SoftDiceLoss` | both smoothings 1, and 1 subtracted | it returns minus the score. `batch_dice=True` is `Class`, `do_bg=False` `background` false |
/// | mmsegmentation's `DiceLoss()` | `Sigmoid`, `Sample`, `Squared`, smoothings of 0 and 2e-3 | its `ignore_index` takes a channel away: pixels of 255 count as falsely found |
/// | its `naive_dice=True` | `Sigmoid`, `Sample`, both smoothings 1e-3 | the same |
///
/// # Reference
///
/// Drozdzal et al., *The Importance of Skip Connections in Biomedical Image Segmentation*, 2016,
/// [arXiv:1608.04117](https://arxiv.org/abs/1608.04117). `Squared`: Milletari et al., *V-Net: Fully Convolutional Neural
/// Networks for Volumetric Medical Image Segmentation*, 2016, [arXiv:1606.04797](https://arxiv.org/abs/1606.04797).
/// `Minimum`: Wang et al., *Dice Semimetric Losses: Optimizing the Dice Score with Soft Labels*, 2023,
/// [arXiv:2303.16296](https://arxiv.org/abs/2303.16296).
#[doc(alias = "SoftDiceLoss")]
#[doc(alias = "Sorensen-Dice")]
#[doc(alias = "F1")]
#[doc(alias = "V-Net")]
#[doc(alias = "squared_pred")]
#[doc(alias = "log dice")]
#[doc(alias = "segmentation")]
#[derive(Clone, Debug)]
pub struct DiceLoss {
    config: DiceLossConfig,
}

of_overlap!(DiceLoss, DiceLossConfig, 2);

impl DiceLoss {
    fn losses(
        &self,
        input: AnyRank,
        targets: AnyTarget,
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let regions = self.config.regions(Self::NAME);
        regions.losses(self.config.score(), input, targets, call)
    }

    fn lints(&self, input: &AnyRank, targets: AnyTarget) -> Vec<Lint> {
        self.config.regions(Self::NAME).lints(input, targets)
    }
}
