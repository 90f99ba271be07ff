//! Dice and a focal loss, of which both are made of the same sums.

use super::compound::{Compound, OfPixels};
use super::dice::DiceLossConfig;
use super::regions::of_overlap;
use crate::engine::any_rank::AnyRank;
use crate::engine::overlap::Beside;
use crate::engine::softmax::erase_head;
use crate::engine::values::AnyTarget;
use crate::loss::Evaluate;
use crate::loss::call::{Call, LossOutput};
use crate::losses::classification::{Focal, SigmoidFocalLossConfig};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::reduction::Reduction;
use crate::validate::error::{Lint, LossError};
use alloc::vec::Vec;
use burn::tensor::Tensor;

loss_config! {
    /// Configuration of [`DiceFocalLoss`].
    pub struct DiceFocalLossConfig {
        /// The options of the dice loss, of which `activation`, `class_axis` and `ignore_indices` are those of the other
        /// loss as well. Its `reduction` is not used.
        pub dice: DiceLossConfig = DiceLossConfig::new(),
        /// What the dice loss is multiplied by: finite, at least 0.
        pub dice_weight: f64 where NOT_NEGATIVE = 1.0,
        /// What the focal loss is multiplied by: finite, at least 0.
        pub focal_weight: f64 where NOT_NEGATIVE = 1.0,
        /// How much less a pixel counts that is probable already: finite, at least 0.
        pub gamma: f64 where NOT_NEGATIVE = 2.0,
        /// A weight for each class in the focal loss: finite, at least 0.
        pub weights: Option<Vec<f64>> where NOT_NEGATIVE = None,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
    and self.fits_together()
}

impl DiceFocalLossConfig {
    fn compound(&self) -> Compound<'_> {
        Compound {
            loss: DiceFocalLoss::NAME,
            dice: &self.dice,
            dice_weight: self.dice_weight,
            other_weight: self.focal_weight,
            weights: self.weights.as_ref(),
        }
    }

    fn fits_together(&self) -> Result<(), LossError> {
        self.compound().validate()
    }
}

/// The dice loss of the regions and the focal loss of the pixels, added up.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/dice_focal.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// dice  = the Mean of DiceLoss with the options of `dice`
/// focal = sum of w[y] (1 - p[y])^g (-ln p[y]) / sum of w[y]                 Softmax, over the pixels that count
///         sum of w[c] q^g (-y ln p - (1 - y) ln(1 - p)) / sum of w[c]       Sigmoid, over the elements that count
/// q     = y (1 - p) + (1 - y) p                                             g: `gamma`
/// loss  = a dice + b focal                                                  a, b: `dice_weight`, `focal_weight`
/// w: `weights` of the classes in the focal loss, 1 without
/// unreduced: what each sample adds to the loss, times the number of samples
/// ```
///
/// </details>
///
/// # Character
///
/// [`DiceCrossEntropyLoss`](crate::segmentation::DiceCrossEntropyLoss) in which a pixel counts the less the more probable
/// its class is already: with `gamma` 2 one of probability 0.9 counts a hundredth. For images that are nearly all
/// background, in which edges and small things should have the gradient. A `gamma` of 0 is that loss. **The last layer is
/// linear, with C outputs and no softmax**; with `Sigmoid` it has no sigmoid.
///
/// The focal loss is far smaller than cross-entropy once most pixels are right, and the dice then rules: a `focal_weight` of
/// 20, as in Segment Anything, brings it back. There are two lists of class weights: `weights` here are of the pixels, and
/// their mean is divided by, as that of cross-entropy is (and that of [`FocalLoss`](crate::classification::FocalLoss) is not
/// by its `alpha`); `dice.weights` are of the regions. Class 0 is left out of the dice alone by `dice.background`.
///
/// With a softmax both are made of the same pass over the memory, and of another one for the gradient; with `Sigmoid` the
/// focal loss is a pass of its own.
///
/// # Target
///
/// **Class ids from 0 to C - 1: an `Int` tensor without the class axis**, `[N, H, W]` for logits `[N, C, H, W]`, or with
/// `Sigmoid` **a mask for each class: a tensor of the input's shape**, of floats from 0 to 1, `Int` 0 and 1, or `Bool`. With
/// a softmax masks are an error: [`target::class_ids`](crate::target::class_ids) makes ids of one-hot rows. With `Sigmoid`
/// ids stand for the masks that they make, which is what several libraries compute when they are asked for classes. The
/// other usual mistakes are those of [`DiceLoss`](crate::segmentation::DiceLoss), and to set `dice.reduction`, which is not
/// used: `reduction` is.
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
/// // 0.306963 of the two regions that are there, and 0.10212 of the pixels.
/// let dice = DiceLossConfig::new().with_absent(AbsentClass::LeftOut);
/// let config = DiceFocalLossConfig::new().with_dice(dice); // gamma 2
/// let value = config.clone().init().forward(logits.clone(), ids.clone());
/// assert!((value.into_scalar::<f32>() - 0.409084).abs() < 1e-5);
/// let value = config.with_focal_weight(20.0).init().forward(logits.clone(), ids.clone());
/// assert!((value.into_scalar::<f32>() - 2.349371).abs() < 1e-4);
///
/// // A single mask, of class 1.
/// let dice = DiceLossConfig::new().with_activation(Activation::Sigmoid);
/// let loss = DiceFocalLossConfig::new().with_dice(dice).init();
/// let mask = ids.equal_scalar(1).unsqueeze_dim::<4>(1);
/// let value = loss.forward(logits.narrow(1, 1, 1), mask);
/// assert!((value.into_scalar::<f32>() - 0.393753).abs() < 1e-5);
/// ```
///
/// # Shapes
///
/// * input: `[N, C]`, `[N, C, d1, ..]`, rank 2 to 6; the classes on axis 1 or `dice.class_axis`
/// * targets: ids in that shape without the class axis; with `Sigmoid` also masks in that shape
/// * unreduced: `[N]`, whose mean is the loss; `[1]` with the aggregation `Class` or `Batch`, where samples cannot be taken
///   apart
///
/// # Errors
///
/// * All those of [`DiceLoss`](crate::segmentation::DiceLoss).
/// * Masks with a softmax.
/// * `weights` that are not one for each class; here the background is one of them.
/// * In `init`: the activation `Probabilities`, as the focal loss is computed from logits; a `gamma`, `dice_weight` or
///   `focal_weight`, or weights, that are negative or not finite.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid target makes loss and gradient of its sample NaN,
/// and with `Class` or `Batch` those of the whole batch.
///
/// # Other libraries
///
/// The options of the dice are as on the page of [`DiceLoss`](crate::segmentation::DiceLoss), for each library.
///
/// | there | here | what differs |
/// |---|---|---|
/// | MONAI's `DiceFocalLoss(sigmoid=True, gamma=g)` | `Sigmoid`; `lambda_dice` and `lambda_focal` are the two weights | with `include_background=False` its focal loss has no background either |
/// | its `softmax=True` | none | its focal loss has a sigmoid for each class all the same |
/// | MONAI's `DiceLoss` and its `FocalLoss(use_softmax=True)` | the defaults, with C times the latter | that mean divides by the number of classes too |
/// | segmentation-models-pytorch's `DiceLoss` and `FocalLoss("multilabel", gamma=g)` | `Sigmoid` | its `FocalLoss("multiclass")` is `Sigmoid` with ids: it has a sigmoid for each class |
/// | kornia's `dice_loss` and `focal_loss(alpha=None, gamma=g, reduction="mean")` | C times the latter | that mean divides by the number of classes too, and counts ignored pixels |
/// | any of those dices and torchvision's `sigmoid_focal_loss(alpha=-1, reduction="mean")` | `Sigmoid` | |
///
/// # Reference
///
/// Zhu et al., *AnatomyNet: Deep Learning for Fast and Fully Automated Whole-volume Segmentation of Head and Neck Anatomy*,
/// 2018, [arXiv:1808.05238](https://arxiv.org/abs/1808.05238). The focal loss: Lin et al., *Focal Loss for Dense Object
/// Detection*, 2017, [arXiv:1708.02002](https://arxiv.org/abs/1708.02002). The weight of 20: Kirillov et al., *Segment
/// Anything*, 2023, [arXiv:2304.02643](https://arxiv.org/abs/2304.02643).
#[doc(alias = "focal")]
#[doc(alias = "AnatomyNet")]
#[doc(alias = "segmentation")]
#[derive(Clone, Debug)]
pub struct DiceFocalLoss {
    config: DiceFocalLossConfig,
}

of_overlap!(DiceFocalLoss, DiceFocalLossConfig, 1);

/// The focal loss of each pixel, of such a gamma.
struct FocalOfPixels(f64);

impl OfPixels for FocalOfPixels {
    fn beside(&self) -> Beside {
        Beside::OfClass(erase_head(Focal { gamma: self.0 }))
    }

    fn of_logits(
        &self,
        logits: Tensor<1>,
        labels: Tensor<1>,
        call: Call,
    ) -> Result<LossOutput, LossError> {
        SigmoidFocalLossConfig::new()
            .with_gamma(self.0)
            .init()
            .evaluate((logits, labels), call)
    }
}

impl DiceFocalLoss {
    fn losses(
        &self,
        input: AnyRank,
        targets: AnyTarget,
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let of_pixels = FocalOfPixels(self.config.gamma);
        let compound = self.config.compound();
        compound.losses(&of_pixels, input, targets, call)
    }

    fn lints(&self, input: &AnyRank, targets: AnyTarget) -> Vec<Lint> {
        self.config.compound().lints(input, targets)
    }
}
