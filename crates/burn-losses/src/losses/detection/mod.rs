//! Losses for boxes of objects in images: how far a predicted box and the true one are from covering the same.
//!
//! | what you have | loss |
//! |---|---|
//! | boxes, and no reason for another | [`CiouLoss`] |
//! | boxes that come out too large or too small, or start far from the true ones | [`EiouLoss`] |
//! | boxes as shares of images that are not square | [`GiouLoss`], which does not change when an axis is stretched |
//! | sizes that are known or matter little, centres that matter | [`DiouLoss`] |
//! | offsets whose direction should count, as in recipes of YOLOv6 | [`SiouLoss`] |
//! | predictions that overlap the true boxes already, and IoU as the measure | [`IouLoss`] |
//! | edges that are not clear, by a distribution of their distance | [`DistributionFocalLoss`], beside one of these |
//! | the class of a box, and how well it fits | [`QualityFocalLoss`](crate::classification::QualityFocalLoss), [`VarifocalLoss`](crate::classification::VarifocalLoss), [`SigmoidFocalLoss`](crate::classification::SigmoidFocalLoss) |
//! | four numbers that are judged one by one | [`SmoothL1Loss`](crate::regression::SmoothL1Loss), [`L1Loss`](crate::regression::L1Loss) |
//!
//! They need the feature `std`, which is on by default. [`box_iou`] has the IoU of each of some boxes with each of
//! others, to match predictions to true boxes; which belongs to which is up to you. A prediction without an object is
//! left out by a mask in [`forward_weighted`](crate::Loss::forward_weighted), with any legal box as its target. In a
//! configuration file the formats may be in lower case: `"format": "cxcywh"`.
//!
//! # What a box is
//!
//! Four floats along the last axis, of predictions and targets alike, in one [`BoxFormat`]:
//!
//! | `format` | the four numbers | elsewhere |
//! |---|---|---|
//! | [`Xyxy`](BoxFormat::Xyxy), the default | left, upper, right and lower edge | torchvision, mmdet, Pascal VOC |
//! | [`Xywh`](BoxFormat::Xywh) | left and upper edge, width, height | COCO's files |
//! | [`Cxcywh`](BoxFormat::Cxcywh) | centre, width, height | YOLO's files, DETR; what ultralytics' code names `xywh` |
//!
//! The gradient is for these four numbers. The unit does not matter, if it is the same along x and y: for numbers a
//! hundred times as large the losses are the same and the gradients a hundred times smaller. With two units, as of shares
//! of an image that is not square, [`IouLoss`] and [`GiouLoss`] are still the same, and the others are not. Give boxes in
//! `f32`: near 1000 numbers have steps of a half in `f16`, and of 4 in `bf16`.
//!
//! # Boxes without area
//!
//! * **0 / 0 is 0.** Two boxes without area have an IoU of 0, also where they are the same point, and no number is NaN.
//!   So `eps` is 0 by default. In libraries it is 1e-7 or so, and it is added to areas: of a true box with sides of 0.001
//!   of the image it takes a tenth of the IoU. Set it to have their values.
//! * **A predicted width or height below 0 counts as 0.** Its box stays where its first number says, the edge or the
//!   centre, and its second number gets no gradient, so nothing makes it positive again. End a model with an `exp`, a
//!   softplus or a sigmoid where it gives sizes or distances. A true width or height below 0 is an error.
//! * **Where an edge of both boxes is the same**, each has half of the slope there. So a box that is right has a gradient
//!   of exactly 0; an edge alone that is right has the mean of the slopes on both sides.
//!
//! # A detector's boxes, in a few lines
//!
//! At each point of a feature map that has an object, the model gives a distribution for the distance of each of the four
//! edges from the point. Its mean is the predicted distance. [`DistributionFocalLoss`] is for the distribution,
//! [`CiouLoss`] for the box that the means make:
//!
//! ```
//! use burn::tensor::{Device, Int, Tensor, activation};
//! use burn_losses::prelude::*;
//!
//! let device = Device::flex().autodiff();
//! // Two points and the true boxes around them, in units of the stride; logits for 8 bins of each edge.
//! let points = Tensor::<2>::from_data([[3.5, 2.5], [1.5, 4.5]], &device);
//! let boxes = Tensor::<2>::from_data([[1., 1.5, 6., 4.], [0., 3., 2.5, 6.5]], &device);
//! let logits = Tensor::<3>::zeros([2, 4, 8], &device).require_grad();
//!
//! // How far the left, upper, right and lower edge are: from 0 to 7.
//! let [first, last] = [0, 2].map(|at| boxes.clone().narrow(1, at, 2));
//! let distances = Tensor::cat(vec![points.clone() - first, last - points.clone()], 1);
//! let of_edges = DistributionFocalLoss::new().forward(logits.clone(), distances);
//!
//! let bins: Tensor<3> = Tensor::<1, Int>::arange(0..8, &device).float().reshape([1, 1, 8]);
//! let means: Tensor<2> = (activation::softmax(logits.clone(), 2) * bins).sum_dim(2).squeeze_dim(2);
//! let [before, after] = [0, 2].map(|at| means.clone().narrow(1, at, 2));
//! let predicted = Tensor::cat(vec![points.clone() - before, points + after], 1);
//! let of_boxes = CiouLoss::new().forward(predicted, boxes);
//!
//! // All bins are alike yet: ln 8 for each edge, and boxes of 7 by 7.
//! let loss = of_boxes * 7.5 + of_edges * 1.5; // as ultralytics weighs the two
//! assert!((loss.clone().into_scalar::<f32>() - 9.009001).abs() < 1e-4);
//! let gradients = loss.backward();
//! assert_eq!(logits.grad(&gradients).unwrap().dims(), [2, 4, 8]);
//! ```
//!
//! Detectors mostly weigh each box by its score and divide by the sum of the scores. That is
//! [`forward_weighted`](crate::Loss::forward_weighted) with scores `[N]`, taken by `inner()`; they go for all four edges
//! of a box as well.
//!
//! # The same loss elsewhere
//!
//! Checked in `f64` with torchvision 0.29, mmdet 3.3, ultralytics 8.4, Keras 3.15 and MONAI 1.6, for boxes whose widths
//! and heights are not negative. The pages of the losses have more of them, and what differs.
//!
//! | there | here | what differs |
//! |---|---|---|
//! | torchvision's `generalized_box_iou_loss`, `distance_box_iou_loss` | [`GiouLoss`], [`DiouLoss`], `eps` 1e-7 | nothing; they do not reduce by default |
//! | its `complete_box_iou_loss` | [`CiouLoss`], `eps` 1e-7 | 2e-8 of the loss, by where its `eps` is |
//! | its `box_iou` | [`box_iou`] | NaN for two boxes without area, 0 here |
//! | mmdet's `IoULoss()` | [`IouLoss`], `Log` | nothing; its `mode="linear"` and `"square"` have an IoU of at least 1e-6 |
//! | its `GIoULoss()`, `DIoULoss()` | [`GiouLoss`]; [`DiouLoss`], `eps` 1e-6 | nothing |
//! | its `CIoULoss()` | [`CiouLoss`], `aspect_gate` 0.5, `eps` 1e-6 | 1e-8 of the loss for sides of about 1, by where its `eps` is |
//! | its `SIoULoss(neg_gamma=True)` | [`SiouLoss`] | 1e-6 of the loss for sides of about 1, by its `eps`; without `neg_gamma` the distance has the wrong sign |
//! | its `EIoULoss` | none | Extended IoU, another loss than [`EiouLoss`] |
//! | its `DistributionFocalLoss()`, ultralytics' `DFLoss` | [`DistributionFocalLoss`] | the last bin; ultralytics averages over the edges |
//! | ultralytics' `bbox_iou(xywh=True)`, with `GIoU=True`, `DIoU=True`, `CIoU=True` | 1 less [`IouLoss`], [`GiouLoss`], [`DiouLoss`], [`CiouLoss`], `Cxcywh`, `eps` 1e-7 | of CIoU 2e-8; with `xywh=False` up to 3e-7, for sides of about 1 |
//! | Keras' `compute_iou`, `compute_ciou` | [`box_iou`]; 1 less [`CiouLoss`], `eps` 1e-7 | they compute in `f32` |
//! | MONAI's `BoxGIoULoss()` | [`GiouLoss`], `eps` 1.2e-7 | it computes in `f32` |
//!
//! Predicted boxes of negative width are another matter: two negative sides make a positive area in most of them, and are
//! an error in MONAI.
//!
//! # Where they run
//!
//! On a CPU loss, checks and gradient are one pass over the memory. On a GPU they are tensor operations, without a kernel
//! of their own.

mod boxes;
mod ciou;
mod diou;
mod distribution_focal;
mod eiou;
mod giou;
mod iou;
mod pairwise;
mod siou;

pub use boxes::BoxFormat;
pub use ciou::{CiouLoss, CiouLossConfig};
pub use diou::{DiouLoss, DiouLossConfig};
pub use distribution_focal::{DistributionFocalLoss, DistributionFocalLossConfig};
pub use eiou::{EiouLoss, EiouLossConfig};
pub use giou::{GiouLoss, GiouLossConfig};
pub use iou::{IouForm, IouLoss, IouLossConfig};
pub use pairwise::box_iou;
pub use siou::{SiouLoss, SiouLossConfig};
