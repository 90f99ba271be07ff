//! The Tversky loss.

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
    /// Configuration of [`TverskyLoss`].
    pub struct TverskyLossConfig {
        /// What makes probabilities of the input.
        pub activation: Activation = Activation::Softmax,
        /// What one loss is of.
        pub aggregation: Aggregation = Aggregation::SampleClass,
        /// How a probability and a target overlap.
        pub overlap: Overlap = Overlap::Product,
        /// How much what is falsely found counts: finite, at least 0.
        pub fp_weight: f64 where NOT_NEGATIVE = 0.5,
        /// How much what is missed counts: finite, at least 0.
        pub fn_weight: f64 where NOT_NEGATIVE = 0.5,
        /// The power of what the score lacks of 1, or of its negative logarithm: finite, above 0.
        pub gamma: f64 where POSITIVE = 1.0,
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

impl TverskyLossConfig {
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
            fp_weight: self.fp_weight,
            fn_weight: self.fn_weight,
            smoothing: 1.0,
            log_loss: self.log_loss,
            gamma: self.gamma,
        }
    }

    fn fits_together(&self) -> Result<(), LossError> {
        self.regions(TverskyLoss::NAME).validate()
    }
}

/// One less the Tversky index: the overlap of the probabilities of a class and the pixels where it is true, in which what is
/// falsely found and what is missed cost differently.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/tversky.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// p        = softmax(x) along the class axis, sigmoid(x), or x              `activation`
/// TP       = sum p y,  FP = sum p (1 - y),  FN = sum (1 - p) y              over the pixels that `aggregation` puts together
/// D        = TP + a FP + b FN + d                                           a, b: `fp_weight`, `fn_weight`
/// s        = (TP + n) / D                                                   n, d: `smooth_numerator`, `smooth_denominator`
/// loss     = w (1 - s)^g, or w (-ln s)^g with `log_loss`                    g: `gamma`; w: the class's of `weights`, 1 without
///            Mean = sum of the losses / sum of w over what counts           see `absent`
/// gradient = w (s (y + a (1 - y) - b y) - y) / D for each p                 times g (1 - s)^(g - 1); without `log_loss`
/// TP, FP and FN are those of `overlap` Product; the others are on the page of DiceLoss
/// ```
///
/// </details>
///
/// # Character
///
/// [`DiceLoss`](crate::segmentation::DiceLoss) with a price for each of the two mistakes. With 0.5 and 0.5 it is that loss,
/// of twice the smoothing; with 1 and 1 it is [`JaccardLoss`](crate::segmentation::JaccardLoss). A `fn_weight` above
/// `fp_weight`, such as 0.7 beside 0.3, finds more and is more often wrong: for lesions, of which none should be missed. The
/// other way round it finds less and is surer. **The last layer is linear, with C outputs and no softmax**; with `Sigmoid`
/// it has no sigmoid.
///
/// `gamma` is the exponent of each region's loss. Above 1 regions that are nearly right count less, and what is found badly
/// has the gradient. Below 1, as in the focal Tversky loss, a region pulls the harder the closer it is to being right; at a
/// loss of exactly 0 it does not pull. With `log_loss` and a `gamma` of 0.3 it is the dice part of the exponential
/// logarithmic loss. A class that is nowhere counts nearly 1 unless `absent` says otherwise; this and the other options are
/// told on the page of [`segmentation`](crate::segmentation).
///
/// # Target
///
/// **Class ids from 0 to C - 1: an `Int` tensor without the class axis**, `[N, H, W]` for logits `[N, C, H, W]`. Or **a mask
/// for each class: a tensor of the input's shape**, of floats from 0 to 1, `Int` 0 and 1, or `Bool`; a single mask is
/// `[N, 1, H, W]`, with `Sigmoid`. The usual mistakes: **the two weights exchanged**, which nothing can see, as libraries
/// call them alpha and beta in either order; masks of 0 and 255, and an id of 255 for what is not labelled, which are errors
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
/// // An image of 2 x 2 pixels, three classes, of which the last is nowhere.
/// let logits = Tensor::<4>::from_data(
///     [[[[2., 0.], [0., 0.]], [[0., 2.], [1., 0.]], [[0., 0.], [0., -1.]]]],
///     &device,
/// );
/// let ids = Tensor::<3, Int>::from_data([[[0, 1], [1, 0]]], &device);
///
/// // What is missed costs more.
/// let config = TverskyLossConfig::new()
///     .with_fp_weight(0.3)
///     .with_fn_weight(0.7)
///     .with_absent(AbsentClass::LeftOut);
/// let value = config.init().forward(logits.clone(), ids.clone());
/// assert!((value.into_scalar::<f32>() - 0.328233).abs() < 1e-5);
/// // Focal Tversky.
/// let value = config.with_gamma(0.75).init().forward(logits.clone(), ids.clone());
/// assert!((value.into_scalar::<f32>() - 0.43348).abs() < 1e-5);
///
/// // A single mask, of class 1: more is found falsely than is missed.
/// let logits = logits.narrow(1, 1, 1);
/// let mask = ids.equal_scalar(1).unsqueeze_dim::<4>(1);
/// for (fp_weight, fn_weight, expected) in [(0.3, 0.7, 0.26182), (0.7, 0.3, 0.336219)] {
///     let config = TverskyLossConfig::new()
///         .with_activation(Activation::Sigmoid)
///         .with_fp_weight(fp_weight)
///         .with_fn_weight(fn_weight);
///     let value = config.init().forward(logits.clone(), mask.clone());
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
/// * In `init`: a `fp_weight` or `fn_weight` that is negative or not finite, a `gamma` that is not above 0; a smoothing or
///   weights that are negative or not finite, `weights` with `Sample` or `Batch`, a `class_axis` of 0.
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
/// | segmentation-models-pytorch's `TverskyLoss("multiclass", alpha=a, beta=b, smooth=s)` | `Class`, `Zero`, `fp_weight` a, `fn_weight` b, both smoothings s (0 by default); `Minimum` for soft labels | its `gamma` is an exponent of the mean over the classes, here of each loss: equal for one class |
/// | MONAI's `TverskyLoss(softmax=True, to_onehot_y=True, alpha=a, beta=b)` | `fp_weight` a, `fn_weight` b | the defaults are the same |
/// | kornia's `tversky_loss(alpha=a, beta=b)` | `LeftOut`, `fp_weight` a, `fn_weight` b, smoothings of 0 and 1e-8, -100 ignored | the mean of each sample comes first: equal where each has as many classes |
/// | Keras' `Tversky(alpha=a, beta=b)` | `Probabilities`, `Batch`, smoothings of 0 and 1e-7, **`fn_weight` a, `fp_weight` b** | in 3.15 the two are exchanged, against its own page |
/// | optax' `dice_loss(alpha=a, beta=b)` | `class_axis` the last, `fp_weight` a, `fn_weight` b, both smoothings 1 | it does not reduce; its `class_weights` multiply, as with `Sum` |
/// | mmsegmentation's `TverskyLoss()` | `fp_weight` 0.3, `fn_weight` 0.7, both smoothings 1, 255 ignored | its `class_weight` multiplies, and is not divided by |
/// | the focal Tversky loss of its authors | `gamma` 0.75 for their 4/3, `fn_weight` 0.7, `fp_weight` 0.3 | their exponent is one over gamma, and their alpha weighs what is missed |
///
/// # Reference
///
/// Salehi et al., *Tversky loss function for image segmentation using 3D fully convolutional deep networks*, 2017,
/// [arXiv:1706.05721](https://arxiv.org/abs/1706.05721). `gamma`: Abraham and Khan, *A Novel Focal Tversky Loss Function
/// with Improved Attention U-Net for Lesion Segmentation*, 2018, [arXiv:1810.07842](https://arxiv.org/abs/1810.07842); with
/// `log_loss`: Wong et al., *3D Segmentation with Exponential Logarithmic Loss for Highly Unbalanced Object Sizes*, 2018,
/// [arXiv:1809.00076](https://arxiv.org/abs/1809.00076).
#[doc(alias = "FocalTverskyLoss")]
#[doc(alias = "focal Tversky")]
#[doc(alias = "exponential logarithmic loss")]
#[doc(alias = "F-beta")]
#[doc(alias = "segmentation")]
#[derive(Clone, Debug)]
pub struct TverskyLoss {
    config: TverskyLossConfig,
}

of_overlap!(TverskyLoss, TverskyLossConfig, 2);

impl TverskyLoss {
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
