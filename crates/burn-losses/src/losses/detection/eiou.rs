//! The share that two boxes have in common, and how far their centres, widths and heights are apart.

use super::boxes::{BoxFormat, BoxFormula, of_boxes, quotient};
use crate::engine::host::boxes::BoxRows;
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::reduction::Reduction;

loss_config! {
    /// Configuration of [`EiouLoss`].
    pub struct EiouLossConfig {
        /// What the four numbers of a box are.
        pub format: BoxFormat = BoxFormat::Xyxy,
        /// What is added to each divisor: finite, at least 0.
        pub eps: f64 where NOT_NEGATIVE = 0.0,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// One less the IoU of a predicted box and the true one, how far apart their centres are, and how much their widths and
/// their heights differ: Efficient IoU.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/eiou.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// I        = the area that is in both boxes                                 0 where they are apart
/// U        = w h + w' h' - I                                                w, h: the predicted sides, w', h': the true ones
/// r^2      = dx^2 + dy^2                                                    the squared distance of the centres
/// c^2      = cw^2 + ch^2                                                    cw, ch: the sides of the box around both
/// S        = (w - w')^2 / (cw^2 + eps) + (h - h')^2 / (ch^2 + eps)
/// loss     = 1 - I / (U + eps) + r^2 / (c^2 + eps) + S                      each quotient is 0 where it is 0 / 0
/// ```
///
/// </details>
///
/// # Character
///
/// [`DiouLoss`](crate::detection::DiouLoss) and a term for each of the two sizes: from 0 to 4.
/// [`CiouLoss`](crate::detection::CiouLoss) compares ratios, so it has no word for a box that is too large both ways;
/// here each side is pulled to its own length. The other losses make a box that starts far away several times too large
/// before it fits; this one holds its size, and mostly arrives sooner. Sizes weigh more beside the overlap than in
/// `CiouLoss`: take it where boxes come out in the right place and too large or too small.
///
/// The focal form of its paper weighs each box by a power of its IoU: that is
/// [`forward_weighted`](crate::Loss::forward_weighted), with one less the unreduced
/// [`IouLoss`](crate::detection::IouLoss) as weights, taken by `inner()`; `Mean` divides by their sum.
///
/// Distances change when an axis is stretched: of boxes as shares of an image that is not square the loss is another one
/// than in pixels. A width or height below 0 counts as 0, see [`IouLoss`](crate::detection::IouLoss). What holds for all
/// losses of boxes is told on the page of [`detection`](crate::detection). On a GPU it runs as tensor operations.
///
/// # Target
///
/// **The true box of each predicted one: four floats along the last axis, of the same shape and the same `format`**,
/// edges `x1, y1, x2, y2` by default. The usual mistakes are those of [`IouLoss`](crate::detection::IouLoss): sizes for
/// edges, an error where a box would end before it begins; edges for sizes, and pixels beside shares of the image, which
/// [`lint`](crate::Loss::lint) tells; corners for centres, which nothing sees; offsets that were not decoded. Predictions
/// without an object are left out by a mask in [`forward_weighted`](crate::Loss::forward_weighted).
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// // A box inside of the true one, one that is apart from it, and one that is right.
/// let predictions = Tensor::<2>::from_data(
///     [[1., 1., 4., 3.], [6., 1., 8., 3.], [1., 1., 4., 5.]],
///     &device,
/// );
/// let targets = Tensor::<2>::from_data(
///     [[0., 1., 4., 4.], [1., 1., 4., 5.], [1., 1., 4., 5.]],
///     &device,
/// );
/// let value = EiouLoss::new().forward(predictions, targets);
/// assert!((value.into_scalar::<f32>() - 0.763647).abs() < 1e-5);
///
/// // Twice as wide and twice as high, around the same centre: an IoU of 1/4, and of each side half
/// // is too much.
/// let prediction = Tensor::<2>::from_data([[3., 3., 4., 4.]], &device);
/// let target = Tensor::<2>::from_data([[3., 3., 2., 2.]], &device);
/// let loss = EiouLossConfig::new().with_format(BoxFormat::Cxcywh).init();
/// let value = loss.forward(prediction.clone(), target.clone());
/// assert!((value.into_scalar::<f32>() - (0.75 + 0.25 + 0.25)).abs() < 1e-5);
/// // The aspect ratio is the right one.
/// let loss = CiouLossConfig::new().with_format(BoxFormat::Cxcywh).init();
/// let value = loss.forward(prediction, target);
/// assert!((value.into_scalar::<f32>() - 0.75).abs() < 1e-5);
/// ```
///
/// # Shapes
///
/// * predictions and targets: `[N, 4]`, `[N, .., 4]`, rank 2 to 6, the same shape; the numbers of a box on the last axis
/// * unreduced: that shape without the last axis
///
/// # Errors
///
/// * Predictions and targets of another shape: nothing is broadcast. A last axis that is not of length 4.
/// * A target box that ends before it begins, or whose width or height is below 0, with its index; where edges are taken,
///   the text names the formats of sizes.
/// * A target that is not finite, with its index.
/// * A target that is tracked by autodiff. A float type that the device cannot compute with.
/// * In `init`: an `eps` that is negative or not finite.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid target makes loss and gradient of its box NaN. A
/// predicted box may be any four numbers.
///
/// # Other libraries
///
/// PyTorch has none, and neither have torchvision, mmdet, ultralytics, Keras and MONAI. **mmdet's `EIoULoss` is another
/// loss, Extended IoU**: the second box of the example has 1.150 there and 1.597 here, the first one 0.450 and 0.694.
///
/// # Reference
///
/// Zhang et al., *Focal and Efficient IOU Loss for Accurate Bounding Box Regression*, 2021,
/// [arXiv:2101.08158](https://arxiv.org/abs/2101.08158).
#[doc(alias = "EIoU")]
#[doc(alias = "efficient IoU")]
#[doc(alias = "focal EIoU")]
#[doc(alias = "bounding box")]
#[doc(alias = "detection")]
#[derive(Clone, Debug)]
pub struct EiouLoss {
    config: EiouLossConfig,
}

of_boxes!(EiouLoss, EiouLossConfig);

static EFFICIENT: BoxFormula = BoxFormula::new(|boxes| {
    let [width, height] = boxes.enclosing();
    let [of_x, of_y] = [(boxes.x, width), (boxes.y, height)].map(|([given, truth], whole)| {
        let off = given.length - truth.length;
        quotient(off.square(), whole.square() + boxes.eps)
    });
    boxes.distance() + of_x + of_y
});

impl EiouLoss {
    fn rows(&self) -> BoxRows {
        EFFICIENT.of(self.config.format, &[("eps", self.config.eps)])
    }
}
