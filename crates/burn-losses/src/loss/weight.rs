//! What targets count in a mean, as far as they tell it by themselves: before there is an output.

use super::classes::Options;
use crate::engine::device::is_cpu;
use crate::engine::dtype::compute_dtype;
use crate::engine::portable::ids::{AT_A_TIME, SafeIds};
use crate::engine::portable::tensors::{along_axis, or_nan};
use crate::engine::shape::without;
use crate::engine::values::{AnyTarget, FlatValues};
use crate::real::id;
use crate::validate::check::{Check, integers};
use crate::validate::error::LossError;
use burn::tensor::{DType, Device, Int, Shape, Tensor};

/// Of targets of that shape, of which each number has a loss that counts as one.
pub(crate) fn of_elements(shape: &Shape, device: &Device) -> Tensor<1> {
    number(
        shape.num_elements() as f64,
        &device.clone().without_autodiff(),
    )
}

/// Of class ids, or of probabilities of classes.
pub(crate) fn of_classes(
    options: &Options,
    targets: AnyTarget,
    waiting: bool,
) -> Result<Tensor<1>, LossError> {
    let device = targets.device.without_autodiff();
    let check = Check::new(options.loss, &device, waiting);
    let shape = targets.shape;
    let FlatValues::Int(ids) = targets.values else {
        check.class_axis(options.class_axis, &shape)?;
        let of_samples = without(&shape, options.class_axis);
        return Ok(number(of_samples.num_elements() as f64, &device));
    };
    let count = shape.num_elements();
    let weights = options.weights.filter(|_| options.weights_count);
    if count == 0 || (weights.is_none() && options.ignored.is_empty()) {
        return Ok(number(count as f64, &device));
    }
    // Without weights it is up to the output which ids are classes.
    let checked = match weights {
        Some(weights) => check.class_ids(&ids, &shape, weights.len(), Some(options.ignored))?,
        None => true,
    };
    if is_cpu(&device) {
        let data = check.data(&ids)?;
        let weight = |id: i128| {
            let is_ignored = options.ignored.iter().any(|&of| i128::from(of) == id);
            match weights {
                _ if is_ignored => 0.0,
                None => 1.0,
                Some(weights) => {
                    let class = usize::try_from(id).ok();
                    let weight = class.and_then(|class| weights.get(class));
                    weight.copied().unwrap_or(f64::NAN)
                }
            }
        };
        return Ok(number(integers(&data).map(weight).sum(), &device));
    }
    Ok(match weights {
        Some(weights) => of_weights(ids, weights, options.ignored, checked),
        None => {
            let range = id::range(ids.dtype());
            let ones: Tensor<1> = Tensor::ones([count], (&device, dtype_of(&device)));
            let held = options.ignored.iter().filter(|of| id::holds(range, **of));
            let counts = held.fold(ones, |counts, &ignored| {
                counts.mask_fill(ids.clone().equal_scalar(ignored), 0.0)
            });
            counts.sum()
        }
    })
}

/// Of ids whose classes have weights, some at a time, so that one-hot rows of them fit into memory.
fn of_weights(ids: Tensor<1, Int>, weights: &[f64], ignored: &[i64], checked: bool) -> Tensor<1> {
    let (count, classes, device) = (ids.dims()[0], weights.len(), ids.device());
    let dtype = dtype_of(&device);
    let weights: Tensor<2> = along_axis(weights, &device, dtype).reshape([1, classes]);
    let width = (AT_A_TIME / classes).max(1);
    let sums = (0..count).step_by(width).map(|start| {
        let some = ids.clone().narrow(0, start, width.min(count - start));
        let found = SafeIds::new(some.unsqueeze_dim::<2>(1), classes, ignored);
        let hot = found.one_hot(1, classes, &device, dtype);
        let each = (hot * weights.clone()).sum_dim(1);
        or_nan(each, &(!checked).then(|| found.valid())).sum()
    });
    let sum = sums.reduce(|sum, part| sum + part);
    sum.expect("there are ids")
}

/// The type of a weight: the device's own for floats, or `F32` where that is narrower.
fn dtype_of(device: &Device) -> DType {
    compute_dtype(device.settings().float_dtype.into()).into()
}

fn number(number: f64, device: &Device) -> Tensor<1> {
    Tensor::full([1], number, (device, dtype_of(device)))
}
