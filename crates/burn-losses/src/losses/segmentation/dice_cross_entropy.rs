//! Dice and cross-entropy, of which both are made of the same sums.

use super::compound::{Compound, OfPixels};
use super::dice::DiceLossConfig;
use super::regions::of_overlap;
use crate::engine::any_rank::AnyRank;
use crate::engine::overlap::Beside;
use crate::engine::values::AnyTarget;
use crate::loss::Evaluate;
use crate::loss::call::{Call, LossOutput};
use crate::losses::classification::BceWithLogitsLoss;
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::reduction::Reduction;
use crate::validate::error::{Lint, LossError};
use alloc::vec::Vec;
use burn::tensor::Tensor;

loss_config! {
    /// Configuration of [`DiceCrossEntropyLoss`].
    pub struct DiceCrossEntropyLossConfig {
        /// The options of the dice loss, of which `activation`, `class_axis` and `ignore_indices` are those of the other
        /// loss as well. Its `reduction` is not used.
        pub dice: DiceLossConfig = DiceLossConfig::new(),
        /// What the dice loss is multiplied by: finite, at least 0.
        pub dice_weight: f64 where NOT_NEGATIVE = 1.0,
        /// What the cross-entropy is multiplied by: finite, at least 0.
        pub cross_entropy_weight: f64 where NOT_NEGATIVE = 1.0,
        /// A weight for each class in the cross-entropy: finite, at least 0.
        pub weights: Option<Vec<f64>> where NOT_NEGATIVE = None,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
    and self.fits_together()
}

impl DiceCrossEntropyLossConfig {
    fn compound(&self) -> Compound<'_> {
        Compound {
            loss: DiceCrossEntropyLoss::NAME,
            dice: &self.dice,
            dice_weight: self.dice_weight,
            other_weight: self.cross_entropy_weight,
            weights: self.weights.as_ref(),
        }
    }

    fn fits_together(&self) -> Result<(), LossError> {
        self.compound().validate()
    }
}

/// The dice loss of the regions and the cross-entropy of the pixels, added up.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/dice_cross_entropy.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// dice = the Mean of DiceLoss with the options of `dice`
/// ce   = sum of w[y] (-ln p[y]) / sum of w[y]                               Softmax and ids, over the pixels that count
///        sum of w[c] y[c] (-ln p[c]) / number of pixels                     Softmax and masks, over pixels and classes
///        sum of w[c] (-y ln p - (1 - y) ln(1 - p)) / sum of w[c]            Sigmoid, over the elements that count
/// loss = a dice + b ce                                                      a, b: `dice_weight`, `cross_entropy_weight`
/// w: `weights` of the classes in the cross-entropy, 1 without
/// unreduced: what each sample adds to the loss, times the number of samples
/// ```
///
/// </details>
///
/// # Character
///
/// The usual choice to start with. Cross-entropy looks at each pixel, and has a gradient wherever one is wrong, most so
/// where it is sure and wrong; but where most pixels are background it is content with that.
/// [`DiceLoss`](crate::segmentation::DiceLoss) looks at the region of each class, whatever its size, and its gradient fades
/// where a pixel is sure. Together they start fast and do not forget small classes. It is the loss of nnU-Net. **The last
/// layer is linear, with C outputs and no softmax**; with `Sigmoid` it has no sigmoid.
///
/// The dice is at most 1, and cross-entropy starts near ln C. `dice_weight` and `cross_entropy_weight` say how much each
/// counts; 1 and 1 are usual. There are two lists of class weights, which do different things: `weights` here are of the
/// pixels, `dice.weights` of the regions. Class 0 is left out of the dice alone by `dice.background`; as pixels it counts
/// always.
///
/// With a softmax both are made of the same pass over the memory, and of another one for the gradient; with `Sigmoid` the
/// cross-entropy is a pass of its own.
///
/// # Target
///
/// **Class ids from 0 to C - 1: an `Int` tensor without the class axis**, `[N, H, W]` for logits `[N, C, H, W]`. Or **a mask
/// for each class: a tensor of the input's shape**, of floats from 0 to 1, `Int` 0 and 1, or `Bool`. Masks that overlap, and
/// a single one, `[N, 1, H, W]`, go with `Sigmoid`; with a softmax they are the rows of probabilities of cross-entropy, and
/// nothing checks that a row sums to 1. With `Sigmoid` ids stand for the masks that they make. The usual mistakes are those
/// of [`DiceLoss`](crate::segmentation::DiceLoss), and to set `dice.reduction`, which is not used: `reduction` is.
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
/// let value = DiceCrossEntropyLoss::new().forward(logits.clone(), ids.clone());
/// assert!((value.into_scalar::<f32>() - 1.011102).abs() < 1e-4);
/// // The options of the dice are its own: 0.306963, and 0.473132 of the pixels.
/// let dice = DiceLossConfig::new().with_absent(AbsentClass::LeftOut);
/// let config = DiceCrossEntropyLossConfig::new().with_dice(dice);
/// let value = config.clone().init().forward(logits.clone(), ids.clone());
/// assert!((value.into_scalar::<f32>() - 0.780096).abs() < 1e-5);
/// // A pixel of class 1 counts three times in the cross-entropy.
/// let loss = config.with_weights(Some(vec![1.0, 3.0, 1.0])).init();
/// let value = loss.forward(logits.clone(), ids.clone());
/// assert!((value.into_scalar::<f32>() - 0.741277).abs() < 1e-5);
///
/// // A single mask, of class 1.
/// let dice = DiceLossConfig::new().with_activation(Activation::Sigmoid);
/// let loss = DiceCrossEntropyLossConfig::new().with_dice(dice).init();
/// let mask = ids.equal_scalar(1).unsqueeze_dim::<4>(1);
/// let value = loss.forward(logits.narrow(1, 1, 1), mask);
/// assert!((value.into_scalar::<f32>() - 0.757615).abs() < 1e-5);
/// ```
///
/// # Shapes
///
/// * input: `[N, C]`, `[N, C, d1, ..]`, rank 2 to 6; the classes on axis 1 or `dice.class_axis`
/// * targets: ids in that shape without the class axis, or masks in that shape
/// * unreduced: `[N]`, whose mean is the loss; `[1]` with the aggregation `Class` or `Batch`, where samples cannot be taken
///   apart
///
/// # Errors
///
/// * All those of [`DiceLoss`](crate::segmentation::DiceLoss).
/// * `weights` that are not one for each class; here the background is one of them.
/// * In `init`: the activation `Probabilities`, as the cross-entropy is computed from logits; a `dice_weight` or
///   `cross_entropy_weight`, or weights, that are negative or not finite.
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
/// | any of those dices and PyTorch's `cross_entropy(weight, ignore_index)` | `weights`, `dice.ignore_indices` | |
/// | MONAI's `DiceCELoss(softmax=True, to_onehot_y=True)` | the defaults; `lambda_dice` and `lambda_ce` are the two weights | its `weight` is in both losses, and the dice is not divided by it; `"sum"` adds up regions and pixels. No id is ignored |
/// | its `sigmoid=True` | `Sigmoid`, for one channel | of several channels its cross-entropy is still that of a softmax |
/// | nnU-Net's `DC_and_CE_loss`, as its trainer has it | `dice.background` false, `Class` if the plan has `batch_dice`; less `dice_weight` | its dice is minus the score. An `ignore_label` is `dice.ignore_indices` |
/// | its `DC_and_BCE_loss`, of regions | `Sigmoid`, less `dice_weight` | with an ignored region its cross-entropy is as many times as large as there are classes |
///
/// # Reference
///
/// Isensee et al., *nnU-Net: Self-adapting Framework for U-Net-Based Medical Image Segmentation*, 2018,
/// [arXiv:1809.10486](https://arxiv.org/abs/1809.10486).
#[doc(alias = "DiceCELoss")]
#[doc(alias = "DC_and_CE_loss")]
#[doc(alias = "DiceBCELoss")]
#[doc(alias = "nnU-Net")]
#[doc(alias = "combo loss")]
#[doc(alias = "segmentation")]
#[derive(Clone, Debug)]
pub struct DiceCrossEntropyLoss {
    config: DiceCrossEntropyLossConfig,
}

of_overlap!(DiceCrossEntropyLoss, DiceCrossEntropyLossConfig, 1);

/// The cross-entropy of each pixel.
struct CrossEntropyOfPixels;

impl OfPixels for CrossEntropyOfPixels {
    fn beside(&self) -> Beside {
        Beside::CrossEntropy
    }

    fn of_logits(
        &self,
        logits: Tensor<1>,
        labels: Tensor<1>,
        call: Call,
    ) -> Result<LossOutput, LossError> {
        BceWithLogitsLoss::new().evaluate((logits, labels), call)
    }
}

impl DiceCrossEntropyLoss {
    fn losses(
        &self,
        input: AnyRank,
        targets: AnyTarget,
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let of_pixels = CrossEntropyOfPixels;
        let compound = self.config.compound();
        compound.losses(&of_pixels, input, targets, call)
    }

    fn lints(&self, input: &AnyRank, targets: AnyTarget) -> Vec<Lint> {
        self.config.compound().lints(input, targets)
    }
}
