//! The share that two boxes have in common.

use super::boxes::{BoxFormat, BoxFormula, of_boxes};
use crate::engine::host::boxes::BoxRows;
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::reduction::Reduction;
use serde::{Deserialize, Serialize};

/// What [`IouLoss`] makes of the share of the common area.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum IouForm {
    /// `1 - IoU`.
    #[default]
    #[serde(alias = "linear")]
    Linear,
    /// `-ln IoU`, of an IoU of at least 1e-6.
    #[serde(alias = "log")]
    Log,
    /// `1 - IoU^2`.
    #[serde(alias = "squared")]
    Squared,
}

loss_config! {
    /// Configuration of [`IouLoss`].
    pub struct IouLossConfig {
        /// What is made of the share of the common area.
        pub form: IouForm = IouForm::Linear,
        /// What the four numbers of a box are.
        pub format: BoxFormat = BoxFormat::Xyxy,
        /// What is added to each divisor: finite, at least 0.
        pub eps: f64 where NOT_NEGATIVE = 0.0,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// One less the intersection over the union (IoU) of a predicted box and the true one: of what either covers, the share
/// that is not in both.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/iou.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// I        = the area that is in both boxes                                 0 where they are apart
/// U        = w h + w' h' - I                                                w, h: the predicted sides, w', h': the true ones
/// IoU      = I / (U + eps)                                                  0 where both are 0
/// loss     = 1 - IoU                                                        Linear
///            -ln max(IoU, 1e-6)                                             Log
///            1 - IoU^2                                                      Squared
/// gradient = (I d(w h) - (U + eps + I) dI) / (U + eps)^2                    Log: that over IoU, Squared: times 2 IoU
/// ```
///
/// </details>
///
/// # Character
///
/// It judges the four numbers of a box together, by the measure that detectors are compared by. A loss of each number, as
/// [`SmoothL1Loss`](crate::regression::SmoothL1Loss), charges a pixel on a small box as much as on a large one; here the
/// same box at twice the scale has the same loss. With `Linear` and `Squared` the loss is from 0 to 1. `Log` is up to
/// 13.8 and pulls the more the less is in both; `Squared` pulls the less then.
///
/// **Boxes that are apart have a loss of 1 and no gradient**, be they near or far: nothing moves them. Take it where
/// predictions overlap their true boxes from the start, as those of matched anchors do.
/// [`GiouLoss`](crate::detection::GiouLoss), [`DiouLoss`](crate::detection::DiouLoss) and
/// [`CiouLoss`](crate::detection::CiouLoss) are this loss and a term that pulls from afar. Of a box inside of the other
/// only the sizes count here, and not where it lies.
///
/// A width or height that the model makes negative counts as 0, and no gradient makes it larger again: end the model with
/// an `exp`, a softplus or a sigmoid for sizes, or for the distances of the four edges from a point inside. What holds
/// for all losses of boxes is told on the page of [`detection`](crate::detection). On a GPU it runs as tensor operations.
///
/// # Target
///
/// **The true box of each predicted one: four floats along the last axis, of the same shape and the same `format`**,
/// edges `x1, y1, x2, y2` by default. Predictions are boxes too: offsets from anchors are decoded first. Which true box
/// belongs to which prediction is up to you; [`box_iou`](crate::detection::box_iou) has the IoU of each with each.
///
/// The usual mistakes: sizes where edges are taken, an error for a target that is farther from the image's upper left
/// corner than it is large, and not seen for others; edges where sizes are taken, which [`lint`](crate::Loss::lint) tells
/// of eight boxes or more, as it tells pixels beside shares of the image; `Xywh`, whose first two numbers are a corner,
/// for boxes with centres, which nothing sees: those are `Cxcywh`. A prediction without an object has no true box: leave
/// it out by a mask in [`forward_weighted`](crate::Loss::forward_weighted), with any legal box as its target.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// // A box that covers half of the true one, one that is apart from it, and one that is right.
/// let predictions = Tensor::<2>::from_data(
///     [[1., 1., 4., 3.], [6., 1., 8., 3.], [1., 1., 4., 5.]],
///     &device,
/// );
/// let targets = Tensor::<2>::from_data(
///     [[0., 1., 4., 4.], [1., 1., 4., 5.], [1., 1., 4., 5.]],
///     &device,
/// );
///
/// let loss = IouLoss::new();
/// let each: Tensor<1> = loss.forward_no_reduction(predictions.clone(), targets.clone());
/// let each: Vec<f32> = each.into_data().iter().collect();
/// for (found, expected) in each.iter().zip([0.5f32, 1.0, 0.0]) {
///     assert!((found - expected).abs() < 1e-6);
/// }
/// for (form, expected) in [
///     (IouForm::Linear, 0.5),
///     (IouForm::Squared, 0.583333),
///     (IouForm::Log, 4.836219),
/// ] {
///     let loss = IouLossConfig::new().with_form(form).init();
///     let value = loss.forward(predictions.clone(), targets.clone());
///     assert!((value.into_scalar::<f32>() - expected).abs() < 1e-5);
/// }
///
/// // A width in place of an edge: this target would end before it begins.
/// let sizes = Tensor::<2>::from_data([[6., 1., 2., 2.]], &device);
/// let error = loss.try_forward(sizes.clone(), sizes).unwrap_err();
/// assert!(error.to_string().contains("with_format(BoxFormat::Xywh)"));
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
/// | mmdet's `IoULoss()` | `Log` | equal for unions of at least 1e-6. Its `linear=True` is `mode="linear"` |
/// | its `mode="linear"`, `mode="square"` | `Linear`, `Squared` | its IoU is at least 1e-6, so boxes that are apart have 0.999999, 1 here |
/// | ultralytics' `bbox_iou(xywh=True)`, subtracted from 1 | `Cxcywh`, `eps` 1e-7 | its `xywh` has centres. With `xywh=False` its `eps` makes boxes higher too, 2e-7 of the loss for sides of about 1 |
/// | torchvision's `box_iou` of each pair, subtracted from 1 | the defaults | NaN for two boxes without area, 1 here |
///
/// mmdet's mean is over the boxes, as `Mean`; with an `avg_factor` it is `Sum` divided by that.
///
/// # Reference
///
/// `Log`: Yu et al., *UnitBox: An Advanced Object Detection Network*, 2016,
/// [arXiv:1608.01471](https://arxiv.org/abs/1608.01471). `Linear` is the case without the last term of
/// [arXiv:1902.09630](https://arxiv.org/abs/1902.09630).
#[doc(alias = "IoULoss")]
#[doc(alias = "UnitBox")]
#[doc(alias = "intersection over union")]
#[doc(alias = "bounding box")]
#[doc(alias = "detection")]
#[derive(Clone, Debug)]
pub struct IouLoss {
    config: IouLossConfig,
}

of_boxes!(IouLoss, IouLossConfig);

static LINEAR: BoxFormula = BoxFormula::new(|boxes| 1.0 - boxes.iou());

static LOG: BoxFormula = BoxFormula::new(|boxes| -boxes.iou().at_least(1e-6).ln());

static SQUARED: BoxFormula = BoxFormula::new(|boxes| 1.0 - boxes.iou().square());

impl IouLoss {
    fn rows(&self) -> BoxRows {
        let formula = match self.config.form {
            IouForm::Linear => &LINEAR,
            IouForm::Log => &LOG,
            IouForm::Squared => &SQUARED,
        };
        formula.of(self.config.format, &[("eps", self.config.eps)])
    }
}
