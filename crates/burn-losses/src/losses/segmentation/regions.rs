//! What the losses of overlaps share: which sums make one loss, and what is made of these.

use crate::engine::any_rank::AnyRank;
use crate::engine::portable::tensors::{along_axis, flat};
use crate::engine::values::{AnyTarget, FlatValues};
use crate::loss::call::{Call, LossOutput};
use crate::loss::classes::scaled;
use crate::loss::formula::LossFormula;
use crate::loss::overlap::{
    OverlapOptions, OverlapSums, check_overlap, narrowed, of_no_samples, overlap_sums,
};
use crate::losses::classification::{looks_like_probabilities, single_class};
use crate::spec::expression::Expr;
use crate::spec::overlap::{Activation, Overlap};
use crate::targets::AnyOperand;
use crate::validate::check::{Check, config_error};
use crate::validate::error::{Lint, LossError};
use crate::validate::options::{CLASS_AXIS, NOT_NEGATIVE};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use burn::tensor::{FloatDType, Tensor};
use serde::{Deserialize, Serialize};

/// What one loss of overlaps is of: over what its sums are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Aggregation {
    /// Each class of each sample: the sums are over its pixels.
    #[default]
    #[serde(alias = "sample_class")]
    SampleClass,
    /// Each class: the sums are over all pixels of the batch.
    #[serde(alias = "class")]
    Class,
    /// Each sample: the sums are over its pixels and classes.
    #[serde(alias = "sample")]
    Sample,
    /// All together: one loss.
    #[serde(alias = "batch")]
    Batch,
}

impl Aggregation {
    pub(super) fn by_sample(self) -> bool {
        matches!(self, Self::SampleClass | Self::Sample)
    }

    pub(super) fn by_class(self) -> bool {
        matches!(self, Self::SampleClass | Self::Class)
    }
}

/// What a loss of overlaps counts where nothing is true.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum AbsentClass {
    /// What the smoothing makes of it: nearly 1 as soon as anything is found, where the smoothing is small.
    #[default]
    #[serde(alias = "smoothed")]
    Smoothed,
    /// 0, and the mean divides by it as by any other: nothing is learned of a class where it is absent.
    #[serde(alias = "zero")]
    Zero,
    /// Nothing: it is no part of the mean.
    #[serde(alias = "left_out")]
    LeftOut,
}

/// What the losses of overlaps are told.
pub(super) struct Regions<'a> {
    pub(super) loss: &'static str,
    pub(super) activation: Activation,
    pub(super) aggregation: Aggregation,
    pub(super) overlap: Overlap,
    pub(super) smooth_numerator: f64,
    pub(super) smooth_denominator: f64,
    pub(super) absent: AbsentClass,
    pub(super) background: bool,
    pub(super) weights: Option<&'a Vec<f64>>,
    pub(super) ignored: &'a [i64],
    pub(super) class_axis: usize,
}

/// What is made of the sums of a region.
#[derive(Clone, Copy)]
pub(super) struct Score {
    /// How much of what is false, and of what is missed, is divided by beside what overlaps.
    pub(super) fp_weight: f64,
    pub(super) fn_weight: f64,
    /// What the smoothing is multiplied by: dice has twice the overlap.
    pub(super) smoothing: f64,
    pub(super) log_loss: bool,
    pub(super) gamma: f64,
}

/// The least score whose logarithm is taken.
const LEAST_SCORE: f64 = 1e-7;

/// What the score lacks of 1, and the score, of what overlaps, is false, and is missed.
fn scores(tp: Expr, fp: Expr, missed: Expr) -> (Expr, Expr) {
    let (above, below) = (Expr::parameter("above"), Expr::parameter("below"));
    let off = Expr::parameter("fp_weight") * fp + Expr::parameter("fn_weight") * missed;
    let whole = tp + off + below;
    // Nothing is there, and nothing was found.
    let nothing = whole.equals(0.0);
    let divisor = nothing.select(1.0, whole);
    let lack = nothing.select(0.0, (off + (below - above)) / divisor);
    (lack, nothing.select(1.0, (tp + above) / divisor))
}

fn logarithm(lack: Expr, score: Expr) -> Expr {
    let near = -(-lack.at_most(0.5)).ln_1p();
    let far = -score.at_least(LEAST_SCORE).ln();
    lack.below(0.5).select(near, far)
}

/// A power whose slope at 0 is 0, as at a corner.
fn power(base: Expr) -> Expr {
    let base = base.at_least(0.0);
    let is_zero = base.equals(0.0);
    let power = is_zero.select(1.0, base).powf(Expr::parameter("gamma"));
    is_zero.select(0.0, power)
}

static LINEAR: LossFormula<4> =
    LossFormula::new(|[tp, fp, missed, counts]| scores(tp, fp, missed).0 * counts);

static POWER: LossFormula<4> =
    LossFormula::new(|[tp, fp, missed, counts]| power(scores(tp, fp, missed).0) * counts);

static LOGARITHM: LossFormula<4> = LossFormula::new(|[tp, fp, missed, counts]| {
    let (lack, score) = scores(tp, fp, missed);
    logarithm(lack, score) * counts
});

static POWER_OF_LOGARITHM: LossFormula<4> = LossFormula::new(|[tp, fp, missed, counts]| {
    let (lack, score) = scores(tp, fp, missed);
    power(logarithm(lack, score)) * counts
});

/// The sums of each region, `[sample or 1, class or 1]`, and where something is true.
pub(super) struct OfRegions {
    pub(super) sums: [Tensor<2>; 3],
    pub(super) present: Tensor<2>,
    /// What each loss is multiplied by.
    pub(super) counts: Tensor<2>,
}

impl Regions<'_> {
    pub(super) fn validate(&self) -> Result<(), LossError> {
        let loss = self.loss;
        NOT_NEGATIVE.check(loss, "smooth_numerator", &self.smooth_numerator)?;
        NOT_NEGATIVE.check(loss, "smooth_denominator", &self.smooth_denominator)?;
        NOT_NEGATIVE.check(loss, "weights", &self.weights)?;
        CLASS_AXIS.check(loss, "class_axis", &self.class_axis)?;
        if self.weights.is_some() && !self.aggregation.by_class() {
            let message = format!(
                "weights are of classes, which aggregation {:?} adds up: set it to SampleClass or Class, or leave the \
                 weights at None.",
                self.aggregation
            );
            return Err(config_error(loss, message));
        }
        Ok(())
    }

    pub(super) fn options(&self) -> OverlapOptions<'_> {
        OverlapOptions {
            loss: self.loss,
            activation: self.activation,
            overlap: self.overlap,
            ignored: self.ignored,
            class_axis: self.class_axis,
            by_sample: self.aggregation.by_sample(),
            to_masks: "with_activation(Activation::Sigmoid)",
            to_probabilities: Some("with_activation(Activation::Probabilities)"),
            beside: None,
            lovasz: false,
        }
    }

    /// The loss of each region, by a score.
    pub(super) fn losses(
        &self,
        score: Score,
        input: AnyRank,
        targets: AnyTarget,
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let check = Check::new(self.loss, &input.device(), call.waiting);
        let options = self.options();
        let shape = input.shape();
        check_overlap(&check, &options, &input, &targets)?;
        if input.is_empty() {
            let classes = if self.aggregation.by_class() {
                self.counted_classes(shape[self.class_axis])
            } else {
                1
            };
            return of_no_samples(&check, call, input, [0, classes].into());
        }
        self.check_weights(&check, shape[self.class_axis])?;
        let sums = overlap_sums(&check, &options, input, targets)?;
        self.of_sums(&check, score, &sums, call)
    }

    /// How many classes are left.
    fn counted_classes(&self, classes: usize) -> usize {
        classes.saturating_sub(usize::from(!self.background))
    }

    pub(super) fn check_weights(&self, check: &Check, classes: usize) -> Result<(), LossError> {
        let counted = self.counted_classes(classes);
        if counted == 0 {
            return Err(config_error(
                self.loss,
                "the input has 1 class, and background(false) leaves it out: set it to true, as a single mask has no \
                 background of its own."
                    .into(),
            ));
        }
        check.class_weights("weights", self.weights, counted, false)
    }

    /// The loss of each region, of the sums of each class.
    pub(super) fn of_sums(
        &self,
        check: &Check,
        score: Score,
        sums: &OverlapSums,
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let mut regions = self.regions(sums);
        // What is not reduced is multiplied by its weight.
        let call = match self.factors(&regions, call.is_mean()) {
            Some(factors) if call.is_unreduced() => {
                regions.counts = regions.counts * factors;
                call
            }
            Some(factors) => {
                let (shape, dtype) = (factors.shape(), factors.dtype());
                call.where_counts(check, flat(factors), &shape, dtype)?
            }
            None => call,
        };
        let output = self.by_score(score, regions, call.clone())?;
        Ok(narrowed(output, &call, sums.dtype))
    }

    /// The sums of each region.
    pub(super) fn regions(&self, sums: &OverlapSums) -> OfRegions {
        let sums = sums.overlap().map(|sum| {
            let [_, classes] = sum.dims();
            let sum = if self.background {
                sum
            } else {
                sum.slice_dim(1, 1..classes)
            };
            if self.aggregation.by_class() {
                sum
            } else {
                sum.sum_dim(1)
            }
        });
        let [tp, _, missed] = &sums;
        let truth = tp.clone().inner() + missed.clone().inner();
        let absent = truth.clone().equal_scalar(0.0);
        let present = truth.ones_like().mask_fill(absent, 0.0);
        let counts = match self.absent {
            AbsentClass::Zero => present.clone(),
            _ => present.ones_like(),
        };
        OfRegions {
            sums,
            present,
            counts,
        }
    }

    /// How much each region counts, where not all do alike; of a mean, as of a largest of about 1.
    pub(super) fn factors(&self, regions: &OfRegions, of_mean: bool) -> Option<Tensor<2>> {
        let present = &regions.present;
        let weights = self.weights.map(|weights| {
            let (device, shape) = (present.device(), present.dims());
            let weights = if of_mean {
                scaled(weights)
            } else {
                weights.clone()
            };
            let of_classes = along_axis(&weights, &device, present.dtype());
            of_classes.reshape([1, shape[1]]).expand(shape)
        });
        match (self.absent, weights) {
            (AbsentClass::LeftOut, Some(weights)) => Some(weights * present.clone()),
            (AbsentClass::LeftOut, None) => Some(present.clone()),
            (_, weights) => weights,
        }
    }

    pub(super) fn by_score(
        &self,
        score: Score,
        regions: OfRegions,
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let [tp, fp, missed] = regions.sums;
        let operands = [tp, fp, missed, regions.counts].map(|of| AnyOperand::Numbers(of.into()));
        let formula = match (score.log_loss, score.gamma == 1.0) {
            (false, true) => &LINEAR,
            (false, false) => &POWER,
            (true, true) => &LOGARITHM,
            (true, false) => &POWER_OF_LOGARITHM,
        };
        let mut formula = formula
            .of(["tp", "fp", "fn", "counts"])
            .with("above", self.smooth_numerator * score.smoothing)
            .with("below", self.smooth_denominator * score.smoothing)
            .with("fp_weight", score.fp_weight)
            .with("fn_weight", score.fn_weight);
        if score.gamma != 1.0 {
            formula = formula.with("gamma", score.gamma);
        }
        formula.evaluate(self.loss, operands, call)
    }

    pub(super) fn lints(&self, input: &AnyRank, targets: AnyTarget) -> Vec<Lint> {
        overlap_lints(&self.options(), input, targets)
    }
}

/// What is suspicious of an input and a target.
pub(super) fn overlap_lints(
    options: &OverlapOptions,
    input: &AnyRank,
    targets: AnyTarget,
) -> Vec<Lint> {
    let mut lints = Vec::new();
    let mut suspect = |rule, message| {
        lints.push(Lint {
            loss: options.loss,
            rule,
            message,
        });
    };
    let already = |what: &str, by: &str| {
        let or = match options.to_probabilities {
            Some(set) => format!(", or set {set}"),
            None => String::new(),
        };
        format!(
            "{what}, as after a {by}: this loss applies the {by} itself, so remove it from the model{or}."
        )
    };
    let softmax = options.activation == Activation::Softmax;
    if softmax && looks_like_probabilities(input, options.class_axis) {
        suspect(
            "probabilities-as-logits",
            already("every row of the input sums to 1", "softmax"),
        );
    }
    if options.activation == Activation::Sigmoid {
        let values = input.values();
        let several = values.len() > 1 && values.iter().any(|value| *value != values[0]);
        if several && values.iter().all(|value| (0.0..=1.0).contains(value)) {
            suspect(
                "probabilities-as-logits",
                already("every number of the input is between 0 and 1", "sigmoid"),
            );
        }
    }
    if let FlatValues::Float(masks) = &targets.values
        && options.overlap == Overlap::Product
    {
        let values = AnyRank::from(masks.clone().cast(FloatDType::F32)).values();
        if let Some(soft) = values.iter().find(|value| **value > 0.0 && **value < 1.0) {
            suspect(
                "soft-labels",
                format!(
                    "the target holds {soft}, which is neither 0 nor 1: the product of a probability and such a target is \
                     largest at 1, not at the target. Set with_overlap(Overlap::Minimum), of which the target itself is best."
                ),
            );
        }
    }
    let masks = targets.shape.num_dims() == input.shape().num_dims();
    if masks {
        let values = AnyRank::from(targets.values.clone().cast(FloatDType::F32)).values();
        if values.iter().all(|value| *value == 0.0) {
            suspect(
                "empty-masks",
                "no class is true at any pixel of the batch: are the masks read, and is their scale 0 to 1?".into(),
            );
        }
    }
    if !masks {
        lints.extend(single_class(options.loss, targets, options.ignored));
    }
    lints
}

/// Stamps the evaluation of a loss of an input and a target of its overlaps, which brings `losses` and `lints`.
macro_rules! of_overlap {
    ($loss:ident, $config:ident, $unreduced:literal) => {
        loss_module!($loss, $config, Loss [input, targets]);

        impl<const D: usize, T: $crate::targets::MaskTarget<D>>
            $crate::loss::Evaluate<(burn::tensor::Tensor<D>, T)> for $loss
        {
            type Unreduced = burn::tensor::Tensor<$unreduced>;

            fn evaluate(
                &self,
                (input, targets): (burn::tensor::Tensor<D>, T),
                call: $crate::loss::call::Call,
            ) -> Result<$crate::loss::call::LossOutput, $crate::LossError> {
                self.losses(input.into(), targets.erased(), call)
            }

            fn inspect(&self, (input, targets): (burn::tensor::Tensor<D>, T)) -> alloc::vec::Vec<$crate::Lint> {
                self.lints(&input.into(), targets.erased())
            }
        }
    };
}

pub(super) use of_overlap;
