//! How frequent the classes are, and what a loss makes of it: weights, logarithms of a prior, margins.

use crate::validate::check::{Check, config_error, integers, unravel};
use crate::validate::error::{LossError, LossErrorKind, or_panic};
use crate::validate::options::{BELOW_1, POSITIVE};
use alloc::format;
use alloc::vec::Vec;
use burn::tensor::{Int, Tensor};
use num_traits::Float;

/// What the weight of a class is, by how often it occurs: for [`class_weights`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum ClassWeighting {
    /// `1 / n`: each class counts alike, however few samples it has.
    Inverse,
    /// `1 / sqrt(n)`: halfway from all samples alike to all classes alike.
    InverseSqrt,
    /// `(1 - beta) / (1 - beta^n)`, with `beta` at least 0 and below 1: samples of a class repeat each other the more there
    /// are. 0 makes all classes alike, and near 1 it is `Inverse`; 0.999 is usual.
    EffectiveNumber(f64),
}

/// How the weights of all classes are scaled: for [`class_weights`].
///
/// It makes no difference to the `Mean` of [`CrossEntropyLoss`](crate::classification::CrossEntropyLoss) with class ids,
/// which divides by the weights of the targets; it does to `Sum`, with probabilities or a `z_loss`, and to losses that do
/// not divide by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WeightNormalization {
    /// Not at all.
    None,
    /// The mean of the weights over the classes is 1.
    MeanOne,
    /// The sum of the weights over the classes is 1.
    SumOne,
    /// The mean of the weights over the *samples* is 1, so that the loss keeps its size.
    Balanced,
}

/// How often each class occurs among the ids. It waits for the device to read them.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use burn_losses::target;
///
/// let device = Device::flex();
/// let ids = Tensor::<1, Int>::from_data([0, 2, 255, 2], &device);
/// // 255 is ignored: as a class more, which is left out of the counts.
/// let ignored = ids.clone().equal_scalar(255);
/// let counts = target::class_counts(ids.mask_fill(ignored, 3), 4);
/// assert_eq!(counts[..3], [1, 0, 2]);
/// ```
///
/// Of a data set in several batches add up the counts.
///
/// # Panics
///
/// When an id is not a class. As the ids are read in any case, that is so whatever [`Checks`](crate::Checks) says.
#[doc(alias = "bincount")]
#[track_caller]
pub fn class_counts<const D: usize>(ids: Tensor<D, Int>, classes: usize) -> Vec<u64> {
    or_panic(counted(&ids, classes))
}

fn counted<const D: usize>(ids: &Tensor<D, Int>, classes: usize) -> Result<Vec<u64>, LossError> {
    let check = Check::new("class_counts", &ids.device(), true);
    let data = check.data(ids)?;
    let mut counts = alloc::vec![0; classes];
    for (at, id) in integers(&data).enumerate() {
        let class = usize::try_from(id).ok().filter(|&class| class < classes);
        let Some(class) = class else {
            let index = unravel(at, &ids.shape());
            let shifted = id == classes as i128 && !integers(&data).any(|id| id == 0);
            let hint = if shifted {
                "Are the ids 1-based? Subtract 1."
            } else {
                "Make ids that are ignored a class more, and leave out its count."
            };
            let message = format!(
                "id {id} at index {index:?} is not one of {classes} classes, which are counted from 0. {hint}"
            );
            let value = id as f64;
            return Err(check.error(LossErrorKind::Value { value, index }, message));
        };
        counts[class] += 1;
    }
    Ok(counts)
}

/// A weight for each class, from how often it occurs, as the `weights` of
/// [`CrossEntropyLoss`](crate::classification::CrossEntropyLoss) and others.
///
/// ```
/// use burn_losses::prelude::*;
/// use burn_losses::target::{ClassWeighting, WeightNormalization};
///
/// let counts = [100, 30, 5];
/// let weights = target::class_weights(&counts, ClassWeighting::Inverse, WeightNormalization::Balanced);
/// assert!((weights[0] - 0.45).abs() < 1e-12); // 135 / (3 * 100)
/// assert!((weights[2] - 9.0).abs() < 1e-12);
/// let loss = CrossEntropyLossConfig::new().with_weights(Some(weights)).init();
///
/// // The class-balanced loss.
/// let weighting = ClassWeighting::EffectiveNumber(0.999);
/// let weights = target::class_weights(&counts, weighting, WeightNormalization::MeanOne);
/// assert!((weights[0] - 0.128758).abs() < 1e-6);
/// assert!((weights[2] - 2.456661).abs() < 1e-6);
/// ```
///
/// [`Inverse`](ClassWeighting::Inverse) and [`Balanced`](WeightNormalization::Balanced) are scikit-learn's
/// `compute_class_weight("balanced")`, and its `class_weight="balanced"`.
/// [`EffectiveNumber`](ClassWeighting::EffectiveNumber) and [`MeanOne`](WeightNormalization::MeanOne) are the weights of
/// Cui et al., *Class-Balanced Loss Based on Effective Number of Samples*, 2019,
/// [arXiv:1901.05555](https://arxiv.org/abs/1901.05555), and of the package `balanced-loss`.
///
/// # Panics
///
/// When there is no class, or one that does not occur: its weight would be infinite. When the `beta` of an effective number
/// is not from 0 to below 1.
#[doc(alias = "compute_class_weight")]
#[doc(alias = "class-balanced")]
#[doc(alias = "class imbalance")]
#[track_caller]
pub fn class_weights(
    counts: &[u64],
    weighting: ClassWeighting,
    normalization: WeightNormalization,
) -> Vec<f64> {
    const NAME: &str = "class_weights";
    let counts = or_panic(occurring(NAME, "weigh it", counts));
    if let ClassWeighting::EffectiveNumber(beta) = weighting {
        or_panic(BELOW_1.check(NAME, "beta", &beta));
    }
    let weight = |&count: &f64| match weighting {
        ClassWeighting::Inverse => 1.0 / count,
        ClassWeighting::InverseSqrt => 1.0 / Float::sqrt(count),
        // A power near 1 has lost the digits of what it lacks.
        ClassWeighting::EffectiveNumber(beta) => {
            (beta - 1.0) / Float::exp_m1(count * Float::ln(beta))
        }
    };
    let weights: Vec<f64> = counts.iter().map(weight).collect();
    let sum: f64 = weights.iter().sum();
    let scale = match normalization {
        WeightNormalization::None => 1.0,
        WeightNormalization::MeanOne => weights.len() as f64 / sum,
        WeightNormalization::SumOne => 1.0 / sum,
        WeightNormalization::Balanced => {
            let of_samples = counts.iter().zip(&weights);
            let weighted: f64 = of_samples.map(|(count, weight)| count * weight).sum();
            counts.iter().sum::<f64>() / weighted
        }
    };
    weights.into_iter().map(|weight| weight * scale).collect()
}

/// The logarithm of the share of each class, for logit adjustment: `with_log_prior` of
/// [`CrossEntropyLoss`](crate::classification::CrossEntropyLoss).
///
/// ```
/// let log_prior = burn_losses::target::log_prior(&[100, 30, 5]);
/// assert!((log_prior[0] + 0.300105).abs() < 1e-6); // ln(100 / 135)
/// assert!((log_prior[2] + 3.295837).abs() < 1e-6);
/// ```
///
/// Menon et al., *Long-tail learning via logit adjustment*, 2020, [arXiv:2007.07314](https://arxiv.org/abs/2007.07314).
///
/// # Panics
///
/// When there is no class, or one that does not occur: the logarithm of its share would be infinite.
#[doc(alias = "logit adjustment")]
#[doc(alias = "balanced softmax")]
#[track_caller]
pub fn log_prior(counts: &[u64]) -> Vec<f64> {
    let counts = or_panic(occurring("log_prior", "take it", counts));
    let sum: f64 = counts.iter().sum();
    counts.iter().map(|count| Float::ln(count / sum)).collect()
}

/// A margin for each class, larger for rarer ones, by label-distribution-aware margins: `n^(-1/4)`, scaled so that the
/// `largest` is what is given, usually 0.5.
///
/// ```
/// let margins = burn_losses::target::ldam_margins(&[100, 30, 5], 0.5);
/// assert!((margins[0] - 0.236435).abs() < 1e-6);
/// assert_eq!(margins[2], 0.5);
/// ```
///
/// The margin of its class is taken from the target's logit. That is meant for cosines, times a scale (30 in the paper's
/// code), and not for logits of any size.
///
/// Cao et al., *Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss*, 2019,
/// [arXiv:1906.07413](https://arxiv.org/abs/1906.07413).
///
/// # Panics
///
/// When there is no class, or one that does not occur: its margin would be infinite. When `largest` is not finite and above
/// 0.
#[doc(alias = "LDAM")]
#[doc(alias = "class imbalance")]
#[track_caller]
pub fn ldam_margins(counts: &[u64], largest: f64) -> Vec<f64> {
    const NAME: &str = "ldam_margins";
    let counts = or_panic(occurring(NAME, "treat it", counts));
    or_panic(POSITIVE.check(NAME, "largest", &largest));
    let rarest = counts.iter().copied().fold(f64::INFINITY, f64::min);
    let margin = |count: &f64| largest * Float::sqrt(Float::sqrt(rarest / count));
    counts.iter().map(margin).collect()
}

/// The counts as numbers, none of which may be 0; `fix` says what a count of 1 would do.
fn occurring(function: &'static str, fix: &str, counts: &[u64]) -> Result<Vec<f64>, LossError> {
    if counts.is_empty() {
        let message = "counts is empty: it needs a count for each class.".into();
        return Err(config_error(function, message));
    }
    if let Some(class) = counts.iter().position(|&count| count == 0) {
        let message = format!(
            "class {class} has a count of 0: give it a count of 1 to {fix} as if it occurred once."
        );
        return Err(config_error(function, message));
    }
    Ok(counts.iter().map(|&count| count as f64).collect())
}
