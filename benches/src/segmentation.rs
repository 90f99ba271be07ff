//! Losses of masks and of boxes: what they cost beside cross-entropy of the same logits, and beside the same in PyTorch, in
//! JAX, and in the libraries that have them.

use crate::cases::{Case, Contestant, OURS, Prepare, ids, narrow, normal, random, shared};
use crate::softmax::CROSS_ENTROPY;
use burn::tensor::{Device, Int, Tensor, activation};
use burn_losses::Checks;
use burn_losses::prelude::*;

/// The losses of overlaps, by the names that the scripts know.
const OVERLAPS: &[&str] = &[
    "dice",
    "dice_cross_entropy",
    "dice_focal",
    "jaccard",
    "lovasz",
];

/// The losses of boxes.
const BOXES: &[&str] = &["iou", "giou", "diou", "ciou", "eiou", "siou"];

/// That of a distribution of an edge over bins.
const BINS: &str = "distribution_focal";

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |losses: &[&'static str], shape: &[usize]| {
        for &loss in losses {
            let shape = shape.to_vec();
            cases.push(Case { loss, shape });
        }
    };
    let images = [8, 21, 256, 256];
    add(&["cross_entropy"], &images);
    add(OVERLAPS, &images);
    add(BOXES, &[200_000, 4]);
    add(&[BINS], &[200_000, 17]);
    cases
}

/// The bytes that have to move at least, where the loss is one of these. (That of an overlap needs its sums before its
/// gradient: what is read is read again, from a cache if it fits there.)
pub(crate) fn bytes(case: &Case, backward: bool, size: usize) -> Option<usize> {
    let elements = case.elements();
    let rows = elements / case.shape[1];
    let (floats, integers) = match case.loss {
        loss if OVERLAPS.contains(&loss) => (elements, rows),
        loss if BOXES.contains(&loss) => (2 * elements, 0),
        BINS => (elements + rows, 0),
        _ => return None,
    };
    let written = if backward { elements } else { 0 };
    Some(size * (floats + written) + 4 * integers)
}

/// Whether an exponential or an arc tangent is part of the formula.
pub(crate) fn transcendental(case: &Case) -> bool {
    OVERLAPS.contains(&case.loss) || ["ciou", "siou", BINS].contains(&case.loss)
}

/// Ours, and beside a loss of overlaps our cross-entropy of the same logits; the scripts bring the others.
pub(crate) fn contestants(case: &Case, device: &Device) -> Vec<Contestant> {
    let contestant = |name, prepare| Contestant {
        name,
        prepare,
        checks: Checks::Auto,
    };
    let &[samples, classes, height, width] = case.shape.as_slice() else {
        return vec![contestant(OURS, of_rows(case, device))];
    };
    let x = narrow(random([samples, classes, height, width], device));
    let ids = ids(&[samples * height * width, classes], device);
    let ids = ids.reshape([samples, height, width]);
    let plain = || of_ids(&x, &ids, CrossEntropyLoss::new());
    let ours = match case.loss {
        "cross_entropy" => plain(),
        "dice" => of_ids(&x, &ids, DiceLoss::new()),
        "dice_cross_entropy" => of_ids(&x, &ids, DiceCrossEntropyLoss::new()),
        "dice_focal" => of_ids(&x, &ids, DiceFocalLoss::new()),
        "jaccard" => of_ids(&x, &ids, JaccardLoss::new()),
        "lovasz" => of_ids(&x, &ids, LovaszLoss::new()),
        loss => unreachable!("{loss} is not among the losses of images"),
    };
    let mut all = vec![contestant(OURS, ours)];
    if OVERLAPS.contains(&case.loss) {
        all.push(contestant(CROSS_ENTROPY, plain()));
    }
    all
}

/// Of logits, with their gradient, and ids.
fn of_ids<L>(x: &Tensor<4>, ids: &Tensor<3, Int>, loss: L) -> Prepare
where
    L: Loss<Tensor<4>, Tensor<3, Int>> + Clone + 'static,
{
    let ids = ids.clone();
    shared([x.clone()], move |[x]| loss.forward(x, ids.clone()))
}

fn of_rows(case: &Case, device: &Device) -> Prepare {
    match case.loss {
        "iou" => of_boxes(case, device, IouLoss::new()),
        "giou" => of_boxes(case, device, GiouLoss::new()),
        "diou" => of_boxes(case, device, DiouLoss::new()),
        "ciou" => of_boxes(case, device, CiouLoss::new()),
        "eiou" => of_boxes(case, device, EiouLoss::new()),
        "siou" => of_boxes(case, device, SiouLoss::new()),
        BINS => {
            let places = activation::sigmoid(normal(&[case.shape[0], 1], device));
            let places = places.squeeze_dim::<1>(1) * (case.shape[1] as f64 - 1.5);
            shared([normal(&case.shape, device)], move |[x]| {
                DistributionFocalLoss::new().forward(x, places.clone())
            })
        }
        loss => unreachable!("{loss} is not among the losses of rows"),
    }
}

/// Of boxes that are predicted, with their gradient, and true ones, which are about where these are.
fn of_boxes<L>(case: &Case, device: &Device, loss: L) -> Prepare
where
    L: Loss<Tensor<2>, Tensor<2>> + Clone + 'static,
{
    let numbers = || normal(&[case.shape[0], 2], device).abs();
    let (corner, size) = (numbers() * 100.0, numbers() * 50.0 + 20.0);
    let truth = Tensor::cat(vec![corner.clone(), corner + size], 1);
    let predicted = truth.clone() + normal(&case.shape, device) * 3.0;
    shared([predicted], move |[predicted]| {
        loss.forward(predicted, truth.clone())
    })
}
