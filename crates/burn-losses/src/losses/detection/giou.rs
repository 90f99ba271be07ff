//! The share that two boxes have in common, and what of their enclosing box neither has.

use super::boxes::{BoxFormat, BoxFormula, of_boxes, quotient};
use crate::engine::host::boxes::BoxRows;
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::reduction::Reduction;

loss_config! {
    /// Configuration of [`GiouLoss`].
    pub struct GiouLossConfig {
        /// What the four numbers of a box are.
        pub format: BoxFormat = BoxFormat::Xyxy,
        /// What is added to each divisor: finite, at least 0.
        pub eps: f64 where NOT_NEGATIVE = 0.0,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// One less the generalized IoU of a predicted box and the true one: one less their IoU, and of the box around both the
/// share that neither covers.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/giou.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// I        = the area that is in both boxes                                 0 where they are apart
/// U        = w h + w' h' - I                                                w, h: the predicted sides, w', h': the true ones
/// C        = the area of the smallest box around both
/// loss     = 1 - I / (U + eps) + (C - U) / (C + eps)                        each quotient is 0 where it is 0 / 0
/// ```
///
/// </details>
///
/// # Character
///
/// [`IouLoss`](crate::detection::IouLoss) with a gradient wherever the boxes are: from 0, of a box that is right, to 2,
/// of one that is far away. The second term is what lies empty between the two. Of boxes that are apart it pulls the
/// predicted one towards the true one, and makes it larger as well, the more so the farther they are: a box that starts
/// far away becomes too large before it fits. Of a box inside of the other nothing lies empty: there it is `IouLoss`, and
/// only the sizes count; [`DiouLoss`](crate::detection::DiouLoss) still moves the centre.
///
/// **Of the losses with a gradient everywhere it is the one that does not change when an axis is stretched**: boxes as
/// shares of an image's width and height have the loss that they have in pixels. The other ones have distances or angles
/// in them, and change with the shape of the image. As a loss beside L1 it is that of DETR and its successors.
///
/// A width or height below 0 counts as 0, see [`IouLoss`](crate::detection::IouLoss). What holds for all losses of boxes
/// is told on the page of [`detection`](crate::detection). On a GPU it runs as tensor operations.
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
/// let each: Tensor<1> = GiouLoss::new().forward_no_reduction(predictions, targets);
/// let each: Vec<f32> = each.into_data().iter().collect();
/// for (found, expected) in each.iter().zip([0.5f32, 1.428571, 0.0]) {
///     assert!((found - expected).abs() < 1e-5);
/// }
///
/// // The same boxes by a corner, a width and a height.
/// let predictions = Tensor::<2>::from_data(
///     [[1., 1., 3., 2.], [6., 1., 2., 2.], [1., 1., 3., 4.]],
///     &device,
/// );
/// let targets = Tensor::<2>::from_data(
///     [[0., 1., 4., 3.], [1., 1., 3., 4.], [1., 1., 3., 4.]],
///     &device,
/// );
/// let loss = GiouLossConfig::new().with_format(BoxFormat::Xywh).init();
/// let value = loss.forward(predictions, targets);
/// assert!((value.into_scalar::<f32>() - 0.642857).abs() < 1e-5);
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
/// PyTorch has none. The same values and gradients come from these options; the versions are on the page of
/// [`detection`](crate::detection).
///
/// | there | here | what differs |
/// |---|---|---|
/// | torchvision's `generalized_box_iou_loss` | `eps` 1e-7 | it does not reduce by default |
/// | its `generalized_box_iou` of each pair, subtracted from 1 | the defaults | |
/// | mmdet's `GIoULoss()` | the defaults | its `eps` is the least that an area counts as, and nothing is added. With an `avg_factor`: `Sum` divided by that |
/// | ultralytics' `bbox_iou(xywh=True, GIoU=True)`, subtracted from 1 | `Cxcywh`, `eps` 1e-7 | its `xywh` has centres. With `xywh=False` its `eps` makes boxes higher too, 2e-7 of the loss for sides of about 1 |
/// | MONAI's `BoxGIoULoss()` | `eps` 1.2e-7 | it computes in `f32`, also what is `f64`; a predicted box of negative width is an error |
///
/// # Reference
///
/// Rezatofighi et al., *Generalized Intersection over Union: A Metric and A Loss for Bounding Box Regression*, 2019,
/// [arXiv:1902.09630](https://arxiv.org/abs/1902.09630).
#[doc(alias = "GIoULoss")]
#[doc(alias = "BoxGIoULoss")]
#[doc(alias = "generalized_box_iou_loss")]
#[doc(alias = "generalized IoU")]
#[doc(alias = "bounding box")]
#[doc(alias = "detection")]
#[derive(Clone, Debug)]
pub struct GiouLoss {
    config: GiouLossConfig,
}

of_boxes!(GiouLoss, GiouLossConfig);

static GENERALIZED: BoxFormula = BoxFormula::new(|boxes| {
    let [width, height] = boxes.enclosing();
    let (_, either) = boxes.areas();
    let whole = width * height;
    1.0 - boxes.iou() + quotient(whole - either, whole + boxes.eps)
});

impl GiouLoss {
    fn rows(&self) -> BoxRows {
        GENERALIZED.of(self.config.format, &[("eps", self.config.eps)])
    }
}
