//! The share that two boxes have in common, and how far their centres are apart.

use super::boxes::{BoxFormat, BoxFormula, of_boxes};
use crate::engine::host::boxes::BoxRows;
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::reduction::Reduction;

loss_config! {
    /// Configuration of [`DiouLoss`].
    pub struct DiouLossConfig {
        /// What the four numbers of a box are.
        pub format: BoxFormat = BoxFormat::Xyxy,
        /// What is added to each divisor: finite, at least 0.
        pub eps: f64 where NOT_NEGATIVE = 0.0,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// One less the IoU of a predicted box and the true one, and how far apart their centres are, beside the diagonal of the
/// box around both.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/diou.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// I        = the area that is in both boxes                                 0 where they are apart
/// U        = w h + w' h' - I                                                w, h: the predicted sides, w', h': the true ones
/// r^2      = dx^2 + dy^2                                                    the squared distance of the centres
/// c^2      = cw^2 + ch^2                                                    cw, ch: the sides of the box around both
/// loss     = 1 - I / (U + eps) + r^2 / (c^2 + eps)                          each quotient is 0 where it is 0 / 0
/// ```
///
/// </details>
///
/// # Character
///
/// [`IouLoss`](crate::detection::IouLoss) with a gradient wherever the boxes are: from 0, of a box that is right, to 2,
/// of one that is far away. The second term moves the centre to the true one from anywhere, also where one box is inside
/// of the other, of which [`GiouLoss`](crate::detection::GiouLoss) sees only the sizes. As with that one, a box that
/// starts far away becomes too large before it fits, since that makes `c` larger. Where the centres are the same it is
/// `IouLoss`. [`CiouLoss`](crate::detection::CiouLoss) adds the aspect ratio to it,
/// [`EiouLoss`](crate::detection::EiouLoss) width and height.
///
/// A distance along x counts as one along y, so of boxes as shares of an image that is not square the loss is another one
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
/// use burn::tensor::{Bool, Device, Tensor};
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
///
/// let loss = DiouLoss::new();
/// let each: Tensor<1> = loss.forward_no_reduction(predictions.clone(), targets.clone());
/// let each: Vec<f32> = each.into_data().iter().collect();
/// for (found, expected) in each.iter().zip([0.52f32, 1.326923, 0.0]) {
///     assert!((found - expected).abs() < 1e-5);
/// }
///
/// // Without the second one, as if it had no object.
/// let objects = Tensor::<1, Bool>::from_data([true, false, true], &device);
/// let value = loss.forward_weighted(predictions, targets, objects);
/// assert!((value.into_scalar::<f32>() - 0.26).abs() < 1e-5);
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
/// | torchvision's `distance_box_iou_loss` | `eps` 1e-7 | it does not reduce by default |
/// | its `distance_box_iou` of each pair, subtracted from 1 | `eps` 1e-7 | |
/// | mmdet's `DIoULoss()` | `eps` 1e-6 | equal for every `eps`. With an `avg_factor`: `Sum` divided by that |
/// | ultralytics' `bbox_iou(xywh=True, DIoU=True)`, subtracted from 1 | `Cxcywh`, `eps` 1e-7 | its `xywh` has centres. With `xywh=False` its `eps` makes boxes higher too, 3e-7 of the loss for sides of about 1 |
///
/// # Reference
///
/// Zheng et al., *Distance-IoU Loss: Faster and Better Learning for Bounding Box Regression*, 2019,
/// [arXiv:1911.08287](https://arxiv.org/abs/1911.08287).
#[doc(alias = "DIoULoss")]
#[doc(alias = "distance_box_iou_loss")]
#[doc(alias = "distance IoU")]
#[doc(alias = "bounding box")]
#[doc(alias = "detection")]
#[derive(Clone, Debug)]
pub struct DiouLoss {
    config: DiouLossConfig,
}

of_boxes!(DiouLoss, DiouLossConfig);

static DISTANCE: BoxFormula = BoxFormula::new(|boxes| boxes.distance());

impl DiouLoss {
    fn rows(&self) -> BoxRows {
        DISTANCE.of(self.config.format, &[("eps", self.config.eps)])
    }
}
