//! The share that two boxes have in common, how far their centres are apart, and how unlike their shapes are.

use super::boxes::{BoxFormat, BoxFormula, BoxSide, of_boxes, quotient};
use crate::engine::host::boxes::BoxRows;
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::expression::Expr;
use crate::spec::reduction::Reduction;

loss_config! {
    /// Configuration of [`CiouLoss`].
    pub struct CiouLossConfig {
        /// From which share of the common area on unlike shapes count: from 0 to 1.
        pub aspect_gate: f64 where FROM_0_TO_1 = 0.0,
        /// What the four numbers of a box are.
        pub format: BoxFormat = BoxFormat::Xyxy,
        /// What is added to each divisor: finite, at least 0.
        pub eps: f64 where NOT_NEGATIVE = 0.0,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// One less the IoU of a predicted box and the true one, how far apart their centres are, and how unlike their aspect
/// ratios are.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/ciou.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// I        = the area that is in both boxes                                 0 where they are apart
/// U        = w h + w' h' - I                                                w, h: the predicted sides, w', h': the true ones
/// IoU      = I / (U + eps)                                                  each quotient is 0 where it is 0 / 0
/// r^2      = dx^2 + dy^2                                                    the squared distance of the centres
/// c^2      = cw^2 + ch^2                                                    cw, ch: the sides of the box around both
/// v        = 4/pi^2 (atan(w' / h') - atan(w / h))^2
/// alpha    = v / (1 - IoU + v) where IoU >= aspect_gate, else 0             no gradient goes through it
/// loss     = 1 - IoU + r^2 / (c^2 + eps) + alpha v
/// ```
///
/// </details>
///
/// # Character
///
/// [`DiouLoss`](crate::detection::DiouLoss) and a term for the shape: the usual loss of boxes of detectors since YOLOv4.
/// Where to start, if there is no reason for another.
///
/// The third term is small, at most 1/2, and below 0.01 where the boxes have half in common. It compares ratios: of a box
/// that is twice as wide and twice as high it says nothing, and it makes a width larger only together with a smaller
/// height, or the reverse. [`EiouLoss`](crate::detection::EiouLoss) has the two sizes themselves. `alpha` is a number for
/// the gradient and no function of the boxes, so that the gradient is not quite the slope of the value.
///
/// `aspect_gate` is the IoU from which on shapes count: with 0 they always do, with 0.5 they do not until half is in
/// common, and the loss has a small step there. The authors' code and mmdet have 0.5, torchvision, ultralytics and Keras
/// have none.
///
/// Distances and ratios change when an axis is stretched: of boxes as shares of an image that is not square the loss is
/// another one than in pixels. A width or height below 0 counts as 0, see [`IouLoss`](crate::detection::IouLoss). What
/// holds for all losses of boxes is told on the page of [`detection`](crate::detection). On a GPU it runs as tensor
/// operations.
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
/// // By centre, width and height: a wide box on a high one, the right shape half a pixel off, and a
/// // wide box beside a high one.
/// let predictions = Tensor::<2>::from_data(
///     [[3., 3., 4., 1.], [3., 3., 2., 2.], [7., 3., 4., 1.]],
///     &device,
/// );
/// let targets = Tensor::<2>::from_data(
///     [[3., 3., 1., 4.], [3., 3.5, 2., 2.], [3., 3., 1., 4.]],
///     &device,
/// );
///
/// let config = CiouLossConfig::new().with_format(BoxFormat::Cxcywh);
/// let each: Tensor<1> = config.init().forward_no_reduction(predictions.clone(), targets.clone());
/// let each: Vec<f32> = each.into_data().iter().collect();
/// for (found, expected) in each.iter().zip([1.02561f32, 0.42439, 1.426812]) {
///     assert!((found - expected).abs() < 1e-5);
/// }
///
/// // Where less than half is in common, shapes do not count now: the distances alone.
/// let loss = config.with_aspect_gate(0.5).init();
/// let each: Tensor<1> = loss.forward_no_reduction(predictions, targets);
/// let each: Vec<f32> = each.into_data().iter().collect();
/// for (found, expected) in each.iter().zip([0.857143f32, 0.42439, 1.274678]) {
///     assert!((found - expected).abs() < 1e-5);
/// }
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
/// * In `init`: an `eps` that is negative or not finite, an `aspect_gate` that is not from 0 to 1.
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
/// | torchvision's `complete_box_iou_loss` | `eps` 1e-7 | its DIoU has 1e-7, whatever is given; the `eps` that is given is added to what alpha is divided by, 2e-8 of the loss by default. NaN for a predicted box without width and height. It does not reduce by default |
/// | mmdet's `CIoULoss()` | `aspect_gate` 0.5, `eps` 1e-6 | its `eps` is added to the heights of the ratios too, 1e-8 of the loss for sides of about 1; the shape counts above an IoU of 0.5, here from there on. With an `avg_factor`: `Sum` divided by that |
/// | ultralytics' `bbox_iou(xywh=True, CIoU=True)`, subtracted from 1 | `Cxcywh`, `eps` 1e-7 | its `xywh` has centres. Its `eps` is added to what alpha is divided by too, 2e-8 of the loss; with `xywh=False` also to heights, 3e-7 for sides of about 1 |
/// | Keras' `compute_ciou`, subtracted from 1 | `eps` 1e-7 | it computes in `f32`, with its 1e-7 in heights, ratios and alpha, 6e-7 of the loss for sides of about 1 |
///
/// # Reference
///
/// Zheng et al., *Distance-IoU Loss: Faster and Better Learning for Bounding Box Regression*, 2019,
/// [arXiv:1911.08287](https://arxiv.org/abs/1911.08287), and *Enhancing Geometric Factors in Model Learning and Inference
/// for Object Detection and Instance Segmentation*, 2020, [arXiv:2005.03572](https://arxiv.org/abs/2005.03572).
#[doc(alias = "CIoULoss")]
#[doc(alias = "complete_box_iou_loss")]
#[doc(alias = "compute_ciou")]
#[doc(alias = "complete IoU")]
#[doc(alias = "YOLO")]
#[doc(alias = "bounding box")]
#[doc(alias = "detection")]
#[derive(Clone, Debug)]
pub struct CiouLoss {
    config: CiouLossConfig,
}

of_boxes!(CiouLoss, CiouLossConfig);

/// The angle of a diagonal: the arc tangent of the width over the height, of a quotient that is at most 1.
fn angle(width: BoxSide, height: BoxSide) -> Expr {
    let wide = width.length.above(height.length);
    let (less, more) = (
        wide.select(height.length, width.length),
        wide.select(width.length, height.length),
    );
    let angle = quotient(less, more).atan();
    wide.select(core::f64::consts::FRAC_PI_2 - angle, angle)
}

static COMPLETE: BoxFormula = BoxFormula::new(|boxes| {
    let [of_given, of_truth] = [0, 1].map(|at| angle(boxes.x[at], boxes.y[at]));
    let half_turn = core::f64::consts::FRAC_PI_2;
    let unlike = ((of_truth - of_given) * (1.0 / half_turn)).square();
    let iou = boxes.iou();
    let share = quotient(unlike, 1.0 - iou + unlike).detach();
    let below = iou.below(Expr::parameter("aspect_gate"));
    boxes.distance() + below.select(0.0, share * unlike)
});

impl CiouLoss {
    fn rows(&self) -> BoxRows {
        let CiouLossConfig {
            aspect_gate,
            format,
            eps,
            ..
        } = self.config;
        COMPLETE.of(format, &[("aspect_gate", aspect_gate), ("eps", eps)])
    }
}
