//! Dice together with a loss of each pixel, of which both are made of the same sums.

use super::dice::DiceLossConfig;
use super::regions::{Regions, overlap_lints};
use crate::engine::any_rank::{AnyRank, in_context_of};
use crate::engine::dtype::compute_dtype;
use crate::engine::overlap::Beside;
use crate::engine::portable::overlap::PixelTargets;
use crate::engine::portable::tensors::{along_axis, flat, or_nan};
use crate::engine::shape::layers;
use crate::engine::values::AnyTarget;
use crate::loss::call::{Call, LossOutput};
use crate::loss::classes::scaled;
use crate::loss::overlap::{
    OverlapOptions, OverlapSums, answer, check_overlap, of_no_samples, overlap_sums,
    overlap_target, seen_samples,
};
use crate::spec::overlap::Activation;
use crate::spec::request::Returns;
use crate::validate::check::{Check, config_error};
use crate::validate::error::{Lint, LossError, LossErrorKind};
use alloc::vec::Vec;
use burn::tensor::{Bool, DType, Shape, Tensor};

/// Dice, and a loss of each pixel.
pub(super) struct Compound<'a> {
    pub(super) loss: &'static str,
    pub(super) dice: &'a DiceLossConfig,
    pub(super) dice_weight: f64,
    pub(super) other_weight: f64,
    /// A weight for each class in the other loss.
    pub(super) weights: Option<&'a Vec<f64>>,
}

/// The loss of each pixel: what it makes of the softmax of one, or of each logit and label.
pub(super) trait OfPixels {
    fn beside(&self) -> Beside;

    fn of_logits(
        &self,
        logits: Tensor<1>,
        labels: Tensor<1>,
        call: Call,
    ) -> Result<LossOutput, LossError>;
}

/// Where an option is that an error names as if it were the loss's own.
const OF_DICE: &str = " (It is an option of `dice` in the configuration.)";

fn of_dice(error: LossError) -> LossError {
    LossError {
        message: error.message + OF_DICE,
        ..error
    }
}

fn of_dice_if_named(error: LossError) -> LossError {
    if names_an_option(&error.message) {
        of_dice(error)
    } else {
        error
    }
}

fn names_an_option(message: &str) -> bool {
    [
        "with_class_axis",
        "with_ignore_index",
        "with_overlap",
        "class_axis ",
        "ignore_indices",
    ]
    .iter()
    .any(|name| message.contains(name))
}

impl Compound<'_> {
    fn regions(&self) -> Regions<'_> {
        self.dice.regions(self.loss)
    }

    fn options<'a>(&self, regions: &'a Regions) -> OverlapOptions<'a> {
        OverlapOptions {
            to_masks: "dice.activation to Sigmoid",
            to_probabilities: None,
            ..regions.options()
        }
    }

    pub(super) fn lints(&self, input: &AnyRank, targets: AnyTarget) -> Vec<Lint> {
        let regions = self.regions();
        let lints = overlap_lints(&self.options(&regions), input, targets);
        let named = |lint: Lint| Lint {
            message: if names_an_option(&lint.message) {
                lint.message + OF_DICE
            } else {
                lint.message
            },
            ..lint
        };
        lints.into_iter().map(named).collect()
    }

    pub(super) fn validate(&self) -> Result<(), LossError> {
        self.regions().validate().map_err(of_dice)?;
        if self.dice.activation == Activation::Probabilities {
            let message = "dice.activation is Probabilities, but the other loss is computed from logits: set it to Softmax or \
                           Sigmoid, and give the logits.";
            return Err(config_error(self.loss, message.into()));
        }
        Ok(())
    }

    pub(super) fn losses(
        &self,
        of_pixels: &dyn OfPixels,
        input: AnyRank,
        targets: AnyTarget,
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let check = Check::new(self.loss, &input.device(), call.waiting);
        let regions = self.regions();
        let by_softmax = self.dice.activation == Activation::Softmax;
        let options = OverlapOptions {
            beside: by_softmax.then(|| of_pixels.beside()),
            ..self.options(&regions)
        };
        let shape = input.shape();
        check_overlap(&check, &options, &input, &targets).map_err(of_dice_if_named)?;
        if input.is_empty() {
            return of_no_samples(&check, call, input, [0].into());
        }
        let classes = shape[self.dice.class_axis];
        regions.check_weights(&check, classes).map_err(of_dice)?;
        check.class_weights("weights", self.weights, classes, false)?;
        let of_ids = targets.shape.num_dims() < shape.num_dims();
        let takes_masks = !matches!(options.beside, Some(Beside::OfClass(_)));
        if !of_ids && !takes_masks {
            return Err(check.error(
                LossErrorKind::Config,
                "with a softmax the target must be class ids, but it has the shape of the input: `target::class_ids` makes ids \
                 of one-hot rows. (Masks that overlap go with dice.activation Sigmoid.)"
                    .into(),
            ));
        }
        let again = (!by_softmax).then(|| (input.clone(), targets.clone()));
        let sums = overlap_sums(&check, &options, input, targets).map_err(of_dice_if_named)?;
        let of_losses = Shape::new([sums.samples()]);
        let seen = seen_samples(&check, &call, &sums, &of_losses)?;
        let (sums, seen) = (sums.seen(seen.as_ref()), seen.as_ref());
        let dice = self.dice(&regions, &sums, &call, seen)?;
        let other = match again {
            None => self.of_sums(&sums, seen),
            Some((input, targets)) => self.of_logits(of_pixels, input, targets, &call, seen)?,
        };
        // An invalid target shows in both; what has no weight adds nothing, be it infinite.
        let both = match (self.dice_weight, self.other_weight) {
            (dice_weight, 0.0) => dice * dice_weight,
            (0.0, other_weight) => other * other_weight,
            (dice_weight, other_weight) => dice * dice_weight + other * other_weight,
        };
        answer(self.loss, both, call, sums.dtype)
    }

    /// The share of each sample, or of the batch, in the mean of the dice losses, times their number: `[sample, 1]`.
    fn dice(
        &self,
        regions: &Regions,
        sums: &OverlapSums,
        call: &Call,
        seen: Option<&Tensor<2>>,
    ) -> Result<Tensor<2>, LossError> {
        let of_regions = regions.regions(sums);
        let factors = regions.factors(&of_regions, true);
        let [samples, classes] = of_regions.present.dims();
        let plain = Call::new(call.waiting, Returns::Unreduced);
        let each = regions.by_score(self.dice.score(), of_regions, plain)?;
        let each: Tensor<2> = each.value.reshape([samples, classes]);
        let factors = match factors {
            Some(factors) => factors,
            None => each.clone().inner().ones_like(),
        };
        Ok(shares(each, factors.clone(), factors, seen))
    }

    /// As [`dice`](Self::dice), of the losses of pixels that were added up beside.
    fn of_sums(&self, sums: &OverlapSums, seen: Option<&Tensor<2>>) -> Tensor<2> {
        let [losses, counts] = sums.beside();
        let counts = counts.inner();
        let weights = match self.weights {
            Some(weights) => {
                let (device, shape) = (counts.device(), counts.dims());
                // Of masks the divisor is the number of pixels, whatever these weigh.
                let weights = if sums.of_ids {
                    scaled(weights)
                } else {
                    weights.clone()
                };
                let of_classes = along_axis(&weights, &device, counts.dtype());
                of_classes.reshape([1, shape[1]]).expand(shape)
            }
            None => counts.ones_like(),
        };
        let counted = if sums.of_ids {
            counts * weights.clone()
        } else {
            counts
        };
        shares(losses, weights, counted, seen)
    }

    /// As [`dice`](Self::dice), of the losses of each logit, each of which has a mask.
    fn of_logits(
        &self,
        of_pixels: &dyn OfPixels,
        input: AnyRank,
        targets: AnyTarget,
        call: &Call,
        seen: Option<&Tensor<2>>,
    ) -> Result<Tensor<2>, LossError> {
        let shape = input.shape();
        let layers = layers(&shape, self.dice.class_axis);
        let dtype: DType = compute_dtype(input.dtype()).into();
        let of_samples = if self.dice.aggregation.by_sample() {
            shape[0]
        } else {
            1
        };
        let target = overlap_target(&shape, targets, &self.dice.ignore_indices);
        let logits = input.cast(compute_dtype(dtype)).layers(layers);
        let PixelTargets { y, counts, valid } = PixelTargets::new(target, &logits);
        let counts = match counts {
            Some(counts) => counts.expand(layers).float().cast(compute_dtype(dtype)),
            None => y.ones_like(),
        };
        // An id that is no class would pass for one that is ignored.
        let mut counts = or_nan(counts, &Some(valid.expand(layers)));
        let (mut logits, mut labels) = (flat(logits), flat(y));
        // What has no weight is not seen, be it no number.
        if let Some(seen) = seen {
            let count = labels.dims()[0];
            let none: Tensor<2, Bool> = seen.clone().equal_scalar(0.0);
            let none: Tensor<2, Bool> = none.expand([of_samples, count / of_samples]);
            let none: Tensor<1, Bool> = none.reshape([count]);
            logits = logits.mask_fill(none.clone(), 0.0);
            labels = labels.mask_fill(none.clone(), 0.0);
            let none: Tensor<3, Bool> = none.reshape(layers);
            counts = counts.mask_fill(none, 0.0);
        }
        let plain = Call::new(call.waiting, Returns::Unreduced);
        let each = of_pixels.of_logits(logits, labels, plain)?.value;
        let weights = match self.weights {
            Some(weights) => along_axis(&scaled(weights), &counts.device(), dtype) * counts,
            None => counts,
        };
        let by_sample = |of: Tensor<3>| {
            let count = of.shape().num_elements();
            flat(of).reshape([of_samples, count / of_samples])
        };
        let each: Tensor<3> = each.reshape(layers);
        let weights: Tensor<2> = by_sample(weights);
        Ok(shares(by_sample(each), weights.clone(), weights, seen))
    }
}

/// Losses of each sample times weights, over the sum of all weights, times the number of samples that are `seen`: the mean of
/// theirs is the mean of all. What counts for the sum may be another number than the weights.
fn shares(
    losses: Tensor<2>,
    weights: Tensor<2>,
    counted: Tensor<2>,
    seen: Option<&Tensor<2>>,
) -> Tensor<2> {
    let device = losses.device();
    let of_samples = counted.sum_dim(1);
    // A sample whose target is not valid shows that by itself, and leaves the others' shares as they are.
    let invalid = of_samples.clone().is_nan();
    let seen = match seen {
        Some(seen) => seen.clone(),
        None => of_samples.ones_like(),
    };
    let seen = seen.mask_fill(invalid.clone(), 0.0);
    let sum = (of_samples.mask_fill(invalid, 0.0) * seen.clone()).sum();
    let none = sum.clone().equal_scalar(0.0);
    let over = (seen.sum() / sum.mask_fill(none.clone(), 1.0)).mask_fill(none, 0.0);
    // What does not count adds nothing, be it infinite.
    let absent = weights.clone().equal_scalar(0.0);
    let weights = weights * over.reshape([1, 1]);
    let shares = losses * in_context_of(weights, &device);
    shares.mask_fill(absent, 0.0).sum_dim(1)
}
