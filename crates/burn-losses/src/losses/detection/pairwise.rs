//! How much each of some boxes has in common with each of others.

use super::boxes::BoxFormat;
use crate::engine::dtype::compute_dtype;
use crate::validate::check::{Check, dims};
use crate::validate::error::{LossErrorKind, or_panic};
use alloc::format;
use burn::tensor::Tensor;

/// The share of the common area of each box of `a`, `[N, 4]`, with each of `b`, `[M, 4]`: `[N, M]`, as for matching predictions to
/// true boxes. That of boxes without area is 0, and a width or height below 0 counts as 0.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_losses::detection::{BoxFormat, box_iou};
///
/// let device = Device::flex();
/// let a = Tensor::<2>::from_data([[0., 0., 2., 2.], [4., 4., 6., 6.]], &device);
/// let b = Tensor::<2>::from_data([[1., 0., 3., 2.]], &device);
/// let iou: Vec<f32> = box_iou(a, b, BoxFormat::Xyxy).into_data().iter().collect();
/// assert!((iou[0] - 1.0 / 3.0).abs() < 1e-6 && iou[1] == 0.0);
/// ```
///
/// # Panics
///
/// When a tensor does not have four numbers for each box, or the two are not of one device.
#[track_caller]
pub fn box_iou(a: Tensor<2>, b: Tensor<2>, format: BoxFormat) -> Tensor<2> {
    let check = Check::new("box_iou", &a.device(), false);
    or_panic(check.device("a", &a.device(), "b", &b.device()));
    for (name, boxes) in [("a", &a), ("b", &b)] {
        if boxes.dims()[1] != 4 {
            let message = format!(
                "{name} {} must be [N, 4]: a box has 4 numbers.",
                dims(&boxes.shape())
            );
            or_panic(Err(check.error(LossErrorKind::Shape, message)))
        }
    }
    let ([n, m], dtype) = ([a.dims()[0], b.dims()[0]], a.dtype());
    if n == 0 || m == 0 {
        return Tensor::zeros([n, m], (&a.device(), dtype));
    }
    // Half precision does not hold the areas of pixels.
    let [a, b] = [a, b].map(|boxes| boxes.cast(compute_dtype(dtype)));
    let half_of = |boxes: &Tensor<2>, at: usize| boxes.clone().slice_dim(1, at..at + 2);
    // The edges where a box begins and ends, or its centre twice; and its sizes.
    let sides = |boxes: Tensor<2>| {
        let (first, second) = (half_of(&boxes, 0), half_of(&boxes, 2));
        let size = second.clone().clamp_min(0.0);
        match format {
            BoxFormat::Xyxy => {
                let end = first.clone().max_pair(second);
                [first.clone(), end.clone(), end - first]
            }
            BoxFormat::Xywh => {
                let centre = first + size.clone() * 0.5;
                [centre.clone(), centre, size]
            }
            BoxFormat::Cxcywh => [first.clone(), first, size],
        }
    };
    let rows = |of: Tensor<2>| of.reshape([n, 1, 2]).expand([n, m, 2]);
    let columns = |of: Tensor<2>| of.reshape([1, m, 2]).expand([n, m, 2]);
    let ([start_a, end_a, size_a], [start_b, end_b, size_b]) =
        (sides(a).map(rows), sides(b).map(columns));
    let common = match format {
        BoxFormat::Xyxy => end_a.min_pair(end_b) - start_a.max_pair(start_b),
        // Edges that are made of sizes would be rounded, and sizes are not.
        BoxFormat::Xywh | BoxFormat::Cxcywh => {
            let apart = (start_a - start_b).abs();
            let beside = (size_a.clone() + size_b.clone()) * 0.5 - apart;
            size_a.clone().min_pair(size_b.clone()).min_pair(beside)
        }
    };
    let common = common.clamp_min(0.0);
    let area = |sizes: Tensor<3>| -> Tensor<2> {
        let [n, m, _] = sizes.dims();
        let [width, height] = [0, 1].map(|at| sizes.clone().slice_dim(2, at..at + 1));
        (width * height).reshape([n, m])
    };
    let both = area(common);
    let either = area(size_a) + area(size_b) - both.clone();
    let nothing = either.clone().equal_scalar(0.0);
    (both / either.mask_fill(nothing, 1.0)).cast(dtype)
}
