//! Binary cross-entropy of logits.

use super::bce::{class_factors, smooth};
use super::{binary_labels, single_label};
use crate::error::{Lint, LossError};
use crate::kernels::portable::{pointwise, untracked};
use crate::kernels::real::Real;
use crate::loss::{Evaluate, Evaluation};
use crate::module::loss_module;
use crate::reduction::Reduction;
use crate::target::BinaryTarget;
use crate::target::check::{self, Check, values};
use alloc::string::ToString;
use alloc::vec::Vec;
use burn::config::Config;
use burn::module::Module;
use burn::tensor::Tensor;

/// Configuration of [`BceWithLogitsLoss`].
#[derive(Config, Debug, PartialEq)]
#[non_exhaustive]
pub struct BceWithLogitsLossConfig {
    /// A factor for the loss: one for all, or one for each class along the class axis.
    pub weights: Option<Vec<f64>>,
    /// A factor for the part of the loss that speaks for "yes": one for all, or one for each class.
    /// The number of negatives over the number of positives balances a rare label.
    pub pos_weights: Option<Vec<f64>>,
    /// The share of each label that is moved to the middle: `y` becomes `(1 - a) y + a / 2`.
    #[config(default = 0.0)]
    pub label_smoothing: f64,
    /// The axis of the input that holds the classes, for weights per class.
    #[config(default = 1)]
    pub class_axis: usize,
    /// How the losses are reduced.
    #[config(default = "Reduction::Mean")]
    pub reduction: Reduction,
}

impl BceWithLogitsLossConfig {
    fn validate(&self) -> Result<(), LossError> {
        check::weights("BceWithLogitsLoss", "weights", self.weights.as_ref())?;
        check::weights(
            "BceWithLogitsLoss",
            "pos_weights",
            self.pos_weights.as_ref(),
        )?;
        check::label_smoothing("BceWithLogitsLoss", self.label_smoothing)?;
        check::positive_class_axis("BceWithLogitsLoss", self.class_axis)
    }
}

/// The binary cross-entropy between the sigmoid of logits and labels.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct BceWithLogitsLoss {
    #[module(skip)]
    config: BceWithLogitsLossConfig,
}

loss_module!(BceWithLogitsLoss, BceWithLogitsLossConfig);

/// `p y softplus(-x) + (1 - y) softplus(x)`, with `p` the weight of the positive part.
///
/// Both softplus values share `ln(1 + exp(-|x|))`, and both sigmoids `exp(-|x|)`: nothing large is
/// subtracted from something large, so a saturated logit keeps its tiny loss and gradient.
pub(crate) fn bce_with_logits<R: Real>(x: R, y: R, pos_weight: Option<R>) -> (R, R) {
    let yes = match pos_weight {
        Some(weight) => y.clone() * weight,
        None => y.clone(),
    };
    let no = (-y).plus(1.0);

    let u = (-x.clone().abs()).exp();
    let tail = u.clone().ln_1p_small();
    let softplus = x.clone().at_least(0.0) + tail.clone();
    let softplus_of_negative = (-x.clone()).at_least(0.0) + tail;
    let value =
        softplus_of_negative.times_or_zero(yes.clone()) + softplus.times_or_zero(no.clone());

    let small = u.clone() / u.plus(1.0);
    let large = (-small.clone()).plus(1.0);
    let positive = x.above(0.0);
    let sigmoid = small.clone().replace(positive.clone(), large.clone());
    let sigmoid_of_negative = large.replace(positive, small);
    (value, no * sigmoid - yes * sigmoid_of_negative)
}

impl<const D: usize, T: BinaryTarget<D>> Evaluate<(Tensor<D>, T)> for BceWithLogitsLoss {
    type Unreduced = Tensor<D>;
    const NAME: &'static str = "BceWithLogitsLoss";

    fn reduction(&self) -> Reduction {
        self.config.reduction
    }

    fn evaluate(
        &self,
        (logits, targets): (Tensor<D>, T),
        waiting: bool,
    ) -> Result<Evaluation, LossError> {
        let config = &self.config;
        let check = Check::new("BceWithLogitsLoss", &logits.device(), waiting);
        let (y, valid) = binary_labels(&check, "logits", &logits, targets)?;
        let x = untracked(&logits);
        let axis = config.class_axis;
        let weights = class_factors(&check, "weights", &config.weights, &x, axis)?;
        let pos_weights = class_factors(&check, "pos_weights", &config.pos_weights, &x, axis)?;
        let y = smooth(y, config.label_smoothing);
        let (mut value, mut slope) = bce_with_logits(x, y, pos_weights);
        if let Some(weights) = weights {
            value = value.times_or_zero(weights.clone());
            slope = slope * weights;
        }
        let values = pointwise((value, slope), valid, [(&logits, 1.0)]);
        Ok(Evaluation::unweighted(values, &logits))
    }

    fn inspect(&self, (logits, targets): (Tensor<D>, T)) -> Vec<Lint> {
        let mut lints = Vec::from_iter(single_label("BceWithLogitsLoss", targets));
        let logits = values(&logits);
        if logits.len() > 1 && logits.iter().all(|logit| (0.0..=1.0).contains(logit)) {
            lints.push(Lint {
                loss: "BceWithLogitsLoss",
                rule: "probabilities-as-logits",
                message:
                    "every logit is between 0 and 1, as after a sigmoid: this loss applies the \
                          sigmoid itself, so remove it from the model, or use BceLoss."
                        .to_string(),
            });
        }
        lints
    }
}
