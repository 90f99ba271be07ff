//! The share that two boxes have in common, how far their centres are apart, in which direction, and how unlike their sizes are.

use super::boxes::{BoxFormat, BoxFormula, of_boxes, quotient};
use crate::engine::host::boxes::BoxRows;
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::expression::Expr;
use crate::spec::reduction::Reduction;

loss_config! {
    /// Configuration of [`SiouLoss`].
    pub struct SiouLossConfig {
        /// The power of the part of unlike sizes: finite, above 0.
        pub theta: f64 where POSITIVE = 4.0,
        /// What the four numbers of a box are.
        pub format: BoxFormat = BoxFormat::Xyxy,
        /// What is added to each divisor: finite, at least 0.
        pub eps: f64 where NOT_NEGATIVE = 0.0,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// One less the IoU of a predicted box and the true one, and half of what the distance of their centres, by its
/// direction, and the difference of their sizes cost.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/siou.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// I        = the area that is in both boxes                                 0 where they are apart
/// U        = w h + w' h' - I                                                w, h: the predicted sides, w', h': the true ones
/// L        = 2 |dx| |dy| / (dx^2 + dy^2)                                    dx, dy: between the centres; 0 on an axis
/// D        = 1 - exp(-(2 - L) dx^2 / (cw^2 + eps))                          cw, ch: the sides of the box around both
///          + 1 - exp(-(2 - L) dy^2 / (ch^2 + eps))
/// S        = (1 - exp(-|w - w'| / max(w, w')))^theta
///          + (1 - exp(-|h - h'| / max(h, h')))^theta
/// loss     = 1 - I / (U + eps) + (D + S) / 2                                each quotient is 0 where it is 0 / 0
/// ```
///
/// </details>
///
/// # Character
///
/// One of the losses of YOLOv6. `L` is the sine of twice the angle between the line through the centres and an axis: on
/// an axis an offset counts in the exponent twice what it counts on a diagonal. So a box that is beside its true one is
/// drawn towards it and a little off the axis, and is straightened only once they have much in common. Each part has an
/// end, `D` at 1.73 and `S` at 0.32, so with the default `theta` the loss is at most 2.02.
///
/// With `theta` 4 a side that is a tenth off costs nearly nothing (4e-5), one of twice the length 0.012; sizes are left
/// to the IoU then. With 2 they are 0.0045 and 0.077. [`CiouLoss`](crate::detection::CiouLoss) is simpler and the usual
/// one: compare the two on your data.
///
/// Directions change when an axis is stretched: of boxes as shares of an image that is not square the loss is another one
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
/// for (theta, expected) in [(4.0, [0.525875f32, 1.301497, 0.0]), (2.0, [0.586091, 1.40387, 0.0])] {
///     let loss = SiouLossConfig::new().with_theta(theta).init();
///     let each: Tensor<1> = loss.forward_no_reduction(predictions.clone(), targets.clone());
///     let each: Vec<f32> = each.into_data().iter().collect();
///     for (found, expected) in each.iter().zip(expected) {
///         assert!((found - expected).abs() < 1e-5);
///     }
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
/// * In `init`: an `eps` that is negative or not finite, a `theta` that is not above 0 and finite.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid target makes loss and gradient of its box NaN. A
/// predicted box may be any four numbers.
///
/// # Other libraries
///
/// PyTorch has none. The formula is that of YOLOv6.
///
/// | there | here | what differs |
/// |---|---|---|
/// | mmdet's `SIoULoss(neg_gamma=True)` | the defaults | 1e-6 of the loss for sides of about 1, by its `eps` of 1e-6, and equal with next to none there; its loss is at most 2. With an `avg_factor`: `Sum` divided by that |
/// | its `SIoULoss()` | none | the distance has the other sign: the second box of the example is 0.504 there and 1.301 here, and boxes that are apart are driven farther apart |
///
/// # Reference
///
/// Gevorgyan, *SIoU Loss: More Powerful Learning for Bounding Box Regression*, 2022,
/// [arXiv:2205.12740](https://arxiv.org/abs/2205.12740).
#[doc(alias = "SIoULoss")]
#[doc(alias = "SCYLLA-IoU")]
#[doc(alias = "bounding box")]
#[doc(alias = "detection")]
#[derive(Clone, Debug)]
pub struct SiouLoss {
    config: SiouLossConfig,
}

of_boxes!(SiouLoss, SiouLossConfig);

static BY_ANGLE: BoxFormula = BoxFormula::new(|boxes| {
    let [width, height] = boxes.enclosing();
    let [dx, dy] = boxes.apart();
    // The sine of twice the angle between the line through the centres and an axis.
    let angle = quotient(2.0 * dx.abs() * dy.abs(), dx.square() + dy.square());
    let near = |off: Expr, whole: Expr| {
        1.0 - ((angle - 2.0) * quotient(off.square(), whole.square() + boxes.eps)).exp()
    };
    let distance = near(dx, width) + near(dy, height);
    let [of_x, of_y] = [boxes.x, boxes.y].map(|[given, truth]| {
        let off = (given.length - truth.length).abs();
        let unlike = 1.0 - (-quotient(off, given.length.greater(truth.length))).exp();
        // Its slope at 0 is 0, whatever the power.
        let is_zero = unlike.equals(0.0);
        let power = is_zero.select(1.0, unlike).powf(Expr::parameter("theta"));
        is_zero.select(0.0, power)
    });
    1.0 - boxes.iou() + 0.5 * (distance + of_x + of_y)
});

impl SiouLoss {
    fn rows(&self) -> BoxRows {
        let SiouLossConfig {
            theta, format, eps, ..
        } = self.config;
        BY_ANGLE.of(format, &[("theta", theta), ("eps", eps)])
    }
}
