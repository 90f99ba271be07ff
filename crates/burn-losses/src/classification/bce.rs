//! Binary cross-entropy of probabilities.

use super::classes::along_axis;
use super::{binary_labels, single_label};
use crate::error::{Lint, LossError};
use crate::kernels::portable::{pointwise, untracked};
use crate::kernels::real::Real;
use crate::loss::{Evaluate, Evaluation};
use crate::module::loss_module;
use crate::reduction::Reduction;
use crate::target::BinaryTarget;
use crate::target::check::{self, Check};
use alloc::format;
use alloc::vec::Vec;
use burn::config::Config;
use burn::module::Module;
use burn::tensor::Tensor;

/// Configuration of [`BceLoss`].
#[derive(Config, Debug, PartialEq)]
#[non_exhaustive]
pub struct BceLossConfig {
    /// A factor for the loss: one for all, or one for each class along the class axis.
    pub weights: Option<Vec<f64>>,
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

impl BceLossConfig {
    fn validate(&self) -> Result<(), LossError> {
        check::weights("BceLoss", "weights", self.weights.as_ref())?;
        check::label_smoothing("BceLoss", self.label_smoothing)?;
        check::positive_class_axis("BceLoss", self.class_axis)
    }
}

/// The binary cross-entropy between probabilities and labels.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct BceLoss {
    #[module(skip)]
    config: BceLossConfig,
}

loss_module!(BceLoss, BceLossConfig);

/// `-(y ln x + (1 - y) ln(1 - x))`, where no logarithm counts for less than -100.
pub(crate) fn bce<R: Real>(x: R, y: R) -> (R, R) {
    let rest = (-x.clone()).plus(1.0);
    let ln_x = ln_given_rest(x.clone(), rest.clone()).at_least(-100.0);
    let ln_rest = ln_given_rest(rest.clone(), x.clone()).at_least(-100.0);
    let value = -(y.clone() * ln_x + (-y.clone()).plus(1.0) * ln_rest);

    // PyTorch's least denominator is this number in f32, for f64 as well.
    let variance = (x.clone() * rest).at_least(f64::from(1e-12_f32));
    (value, (x - y) / variance)
}

/// `ln x` of a number in `[0, 1]`, given `1 - x` too: near 1 the logarithm lives on what is missing,
/// which `x` has rounded away, and which a GPU's `ln` does not resolve.
fn ln_given_rest<R: Real>(x: R, rest: R) -> R {
    let near_one = x.above(0.5);
    let small = (-rest).at_least(-0.5).ln_1p_small();
    x.ln().replace(near_one, small)
}

impl<const D: usize, T: BinaryTarget<D>> Evaluate<(Tensor<D>, T)> for BceLoss {
    type Unreduced = Tensor<D>;
    const NAME: &'static str = "BceLoss";

    fn reduction(&self) -> Reduction {
        self.config.reduction
    }

    fn evaluate(
        &self,
        (probs, targets): (Tensor<D>, T),
        waiting: bool,
    ) -> Result<Evaluation, LossError> {
        let config = &self.config;
        let check = Check::new("BceLoss", &probs.device(), waiting);
        let (y, valid) = binary_labels(&check, "probs", &probs, targets)?;
        let x = untracked(&probs);
        check.each(
            &x,
            |value| (0.0..=1.0).contains(&value) || value.is_nan(),
            |x| x.is_finite(),
            |found| {
                format!(
                    "input {} at index {:?} is not a probability. BceWithLogitsLoss takes logits; \
                     or apply a sigmoid first.",
                    found.value, found.index
                )
            },
        )?;
        let y = smooth(y, config.label_smoothing);
        let (mut value, mut slope) = bce(x.clone(), y);
        if let Some(weights) =
            class_factors(&check, "weights", &config.weights, &x, config.class_axis)?
        {
            value = value * weights.clone();
            slope = slope * weights;
        }
        let values = pointwise((value, slope), valid, [(&probs, 1.0)]);
        Ok(Evaluation::unweighted(values, &probs))
    }

    fn inspect(&self, (_, targets): (Tensor<D>, T)) -> Vec<Lint> {
        Vec::from_iter(single_label("BceLoss", targets))
    }
}

/// Labels moved towards the middle.
pub(super) fn smooth<R: Real>(labels: R, smoothing: f64) -> R {
    if smoothing == 0.0 {
        return labels;
    }
    labels.times(1.0 - smoothing).plus(smoothing / 2.0)
}

/// Weights of a binary loss, laid along the class axis: one for all, or one for each class.
pub(super) fn class_factors<const D: usize>(
    check: &Check,
    name: &str,
    factors: &Option<Vec<f64>>,
    input: &Tensor<D>,
    class_axis: usize,
) -> Result<Option<Tensor<D>>, LossError> {
    let Some(factors) = factors else {
        return Ok(None);
    };
    if factors.len() > 1 {
        let shape = input.shape();
        check.at_least_rank_2(D, "weights per class need a class axis")?;
        check.class_axis(class_axis, &shape)?;
        check.class_weights(name, Some(factors), shape[class_axis], true)?;
    }
    let factors = along_axis(factors, class_axis, &input.device(), input.dtype());
    Ok(Some(factors))
}
