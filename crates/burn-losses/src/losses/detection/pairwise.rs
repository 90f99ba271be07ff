//! How much each of some boxes has in common with each of others.

use super::boxes::BoxFormat;
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
    let [n, m] = [a.dims()[0], b.dims()[0]];
    if n == 0 || m == 0 {
        return Tensor::zeros([n, m], (&a.device(), a.dtype()));
    }
    let [start, length] =
        [0, 2].map(|at| move |boxes: &Tensor<2>| boxes.clone().slice_dim(1, at..at + 2));
    let sides = |boxes: Tensor<2>| {
        let (first, second) = (start(&boxes), length(&boxes));
        match format {
            BoxFormat::Xyxy => {
                let end = first.clone().max_pair(second);
                (first.clone(), end.clone(), end - first)
            }
            BoxFormat::Xywh => {
                let size = second.clamp_min(0.0);
                (first.clone(), first + size.clone(), size)
            }
            BoxFormat::Cxcywh => {
                let size = second.clamp_min(0.0);
                let half = size.clone() * 0.5;
                (first.clone() - half.clone(), first + half, size)
            }
        }
    };
    let (start_a, end_a, size_a) = sides(a);
    let (start_b, end_b, size_b) = sides(b);
    let rows = |of: Tensor<2>| of.reshape([n, 1, 2]).expand([n, m, 2]);
    let columns = |of: Tensor<2>| of.reshape([1, m, 2]).expand([n, m, 2]);
    let ends = rows(end_a).min_pair(columns(end_b));
    let starts = rows(start_a).max_pair(columns(start_b));
    let common = (ends - starts).clamp_min(0.0);
    let area = |sizes: Tensor<3>| -> Tensor<2> {
        let [n, m, _] = sizes.dims();
        let [width, height] = [0, 1].map(|at| sizes.clone().slice_dim(2, at..at + 1));
        (width * height).reshape([n, m])
    };
    let both = area(common);
    let either = area(rows(size_a)) + area(columns(size_b)) - both.clone();
    let nothing = either.clone().equal_scalar(0.0);
    both / either.mask_fill(nothing, 1.0)
}
