//! The Jaccard loss.

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
    /// Configuration of [`JaccardLoss`].
    pub struct JaccardLossConfig {
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

impl JaccardLossConfig {
    /// Adds an id that marks a pixel as not to be counted.
    pub fn with_ignore_index(mut self, id: i64) -> Self {
        self.ignore_indices.push(id);
        self
    }

    fn regions(&self, loss: &'static str) -> Regions<'_> {
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

    fn score(&self) -> Score {
        Score {
            fp_weight: 1.0,
            fn_weight: 1.0,
            smoothing: 1.0,
            log_loss: self.log_loss,
            gamma: 1.0,
        }
    }

    fn fits_together(&self) -> Result<(), LossError> {
        self.regions(JaccardLoss::NAME).validate()
    }
}

/// One less the Jaccard index, the intersection over the union of the probabilities of a class and the pixels where it is
/// true.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/jaccard.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// p        = softmax(x) along the class axis, sigmoid(x), or x              `activation`
/// TP       = sum p y,  FP = sum p (1 - y),  FN = sum (1 - p) y              over the pixels that `aggregation` puts together
/// s        = (TP + n) / (TP + FP + FN + d)                                  n, d: `smooth_numerator`, `smooth_denominator`
/// loss     = w (1 - s), or -w ln s with `log_loss`                          w: the class's of `weights`, 1 without
///            Mean = sum of the losses / sum of w over what counts           see `absent`
/// gradient = w (s (1 - y) - y) / (TP + FP + FN + d) for each p              over s with `log_loss`
/// TP, FP and FN are those of `overlap` Product; the others are on the page of DiceLoss
/// ```
///
/// </details>
///
/// # Character
///
/// [`DiceLoss`](crate::segmentation::DiceLoss) by another measure: of a region whose dice loss is l this one is
/// `2 l / (1 + l)`, but for the smoothing. The two are least at the same place, and order the predictions of a region alike.
/// They differ in what a mean over regions makes of them: here one that is found badly weighs more, and the loss is larger
/// throughout. It is the measure by which data sets are mostly ranked, the mean IoU, with probabilities in place of
/// decisions. [`LovaszLoss`](crate::segmentation::LovaszLoss) comes closer to that measure for a model that is trained
/// already. **The last layer is linear, with C outputs and no softmax**; with `Sigmoid` it has no sigmoid.
///
/// What is said of `DiceLoss` holds here: a pixel that is sure and wrong has hardly a gradient, a class that is nowhere
/// counts nearly 1 unless `absent` says otherwise, and the options are told on the page of
/// [`segmentation`](crate::segmentation).
///
/// # Target
///
/// **Class ids from 0 to C - 1: an `Int` tensor without the class axis**, `[N, H, W]` for logits `[N, C, H, W]`. Or **a mask
/// for each class: a tensor of the input's shape**, of floats from 0 to 1, `Int` 0 and 1, or `Bool`; a single mask is
/// `[N, 1, H, W]`, with `Sigmoid`. The usual mistakes: masks of 0 and 255, and an id of 255 for what is not labelled, which
/// are errors (`with_ignore_index(255)` leaves these pixels out); ids from 1, an error when the last class occurs; a softmax
/// or sigmoid in the model, and soft masks without `Minimum`, which [`lint`](crate::Loss::lint) tells.
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
/// let value = JaccardLoss::new().forward(logits.clone(), ids.clone());
/// assert!((value.into_scalar::<f32>() - 0.646451).abs() < 1e-5);
/// let config = JaccardLossConfig::new().with_absent(AbsentClass::LeftOut);
/// let value = config.init().forward(logits.clone(), ids.clone());
/// assert!((value.into_scalar::<f32>() - 0.469685).abs() < 1e-5);
///
/// // A single mask, of class 1: beside a dice loss of 0.300994.
/// let logits = logits.narrow(1, 1, 1);
/// let mask = ids.equal_scalar(1).unsqueeze_dim::<4>(1);
/// let config = JaccardLossConfig::new().with_activation(Activation::Sigmoid);
/// let value = config.init().forward(logits, mask).into_scalar::<f32>();
/// assert!((value - 0.462713).abs() < 1e-5);
/// assert!((value - 2.0 * 0.300994 / 1.300994).abs() < 1e-4);
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
/// PyTorch has none. The same values and gradients come from these options:
///
/// | there | here | what differs |
/// |---|---|---|
/// | segmentation-models-pytorch's `JaccardLoss("multiclass", smooth=s)` | `Class`, `Zero`, both smoothings s (0 by default); `Minimum` for soft labels | its `eps` never matters where a class is true. `classes=[1, ..]` is `background` false, other choices have no option |
/// | its `"multilabel"`, `"binary"` | the same with `Sigmoid`; `from_logits=False` is `Probabilities` | |
/// | MONAI's `DiceLoss(jaccard=True, softmax=True, to_onehot_y=True)` | both smoothings 5e-6, half of its own | `batch=True` is `Class`, `soft_label=True` `Minimum`. Its mean does not divide by its `weight` |
///
/// # Reference
///
/// Rahman and Wang, *Optimizing Intersection-Over-Union in Deep Neural Networks for Image Segmentation*, 2016,
/// [doi:10.1007/978-3-319-50835-1_22](https://doi.org/10.1007/978-3-319-50835-1_22). `Minimum`: Wang et al., *Jaccard Metric
/// Losses: Optimizing the Jaccard Index with Soft Labels*, 2023, [arXiv:2302.05666](https://arxiv.org/abs/2302.05666).
#[doc(alias = "IoU")]
#[doc(alias = "SoftIoU")]
#[doc(alias = "mIoU")]
#[doc(alias = "intersection over union")]
#[doc(alias = "segmentation")]
#[derive(Clone, Debug)]
pub struct JaccardLoss {
    config: JaccardLossConfig,
}

of_overlap!(JaccardLoss, JaccardLossConfig, 2);

impl JaccardLoss {
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
