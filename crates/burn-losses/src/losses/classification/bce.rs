//! Binary cross-entropy of probabilities.

use super::lints::single_label;
use crate::engine::any_rank::AnyRank;
use crate::engine::shape::layers;
use crate::engine::values::AnyTarget;
use crate::loss::call::{Call, LossOutput};
use crate::loss::elementwise::{ElementwiseCall, OtherOperands, Required};
use crate::loss::labels::label;
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::real::Real;
use crate::spec::elementwise::Elementwise;
use crate::spec::operand::PerClass;
use crate::spec::reduction::Reduction;
use crate::spec::rule::Rule;
use crate::validate::check::Check;
use crate::validate::error::{Lint, LossError};
use alloc::format;
use alloc::vec::Vec;
use burn::tensor::{DType, Shape};

loss_config! {
    /// Configuration of [`BceLoss`].
    pub struct BceLossConfig {
        /// A factor for the loss: one for all, or one for each class along the class axis.
        pub weights: Option<Vec<f64>> where NOT_NEGATIVE = None,
        /// The share of each label that is moved to the middle: `y` becomes `(1 - a) y + a / 2`.
        pub label_smoothing: f64 where FROM_0_TO_1 = 0.0,
        /// The axis of the input that holds the classes, for weights per class.
        pub class_axis: usize where CLASS_AXIS = 1,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The binary cross-entropy between probabilities and labels.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/bce.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// loss     = -w (y ln x + (1 - y) ln(1 - x))         no logarithm counts for less than -100
/// gradient =  w (x - y) / max(x (1 - x), 1e-12)
/// smoothing:  y becomes (1 - a) y + a/2
/// Mean     = sum of the losses / number of elements, whatever the weights
/// w: `weights` (one for all, or one per class); a: `label_smoothing`
/// ```
///
/// </details>
///
/// # Character
///
/// For yes-or-no outputs that already are probabilities: the last layer is a sigmoid. Where the
/// logits are at hand prefer [`BceWithLogitsLoss`](crate::classification::BceWithLogitsLoss): a probability cannot
/// say how close to 1 it is, since in `f32` what is missing is 0 or at least 6e-8. A wrong 0 or 1
/// costs 100 and has a gradient of 1e12, and the saturated sigmoid, whose slope is 0, makes 0 of
/// it: such an output stays wrong. All values and gradients are finite; a right 0 or 1 has loss and
/// gradient 0.
///
/// # Target
///
/// **A label for each probability, in the same shape**: floats from 0 to 1 (soft labels), `Int` 0
/// or 1, or `Bool`. The usual mistakes: labels `[N]` for outputs `[N, 1]`, which do not compile
/// (`labels.unsqueeze_dim::<2>(1)` adds the axis); signs -1 and +1
/// ([`target::labels`](crate::target::labels) converts them); and class ids
/// ([`target::one_hot`](crate::target::one_hot) converts them). [`lint`](crate::Loss::lint) reports
/// a batch in which all labels are the same.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use burn_losses::{prelude::*, target};
///
/// let device = Device::flex();
/// let probs = Tensor::<1>::from_data([0.75, 0.25, 1.0, 0.5], &device);
/// let targets = Tensor::<1, Int>::from_data([1, 0, 1, 1], &device);
///
/// let loss = BceLoss::new();
/// let value = loss.forward(probs.clone(), targets).into_scalar::<f32>();
/// assert!((value + (0.75f32.ln() * 2.0 + 0.5f32.ln()) / 4.0).abs() < 1e-5);
///
/// // Signs are an error, until they are converted.
/// let signs = Tensor::<1>::from_data([1., -1., 1., 1.], &device);
/// let error = loss.try_forward(probs.clone(), signs.clone()).unwrap_err();
/// assert!(error.to_string().contains("target::labels"));
/// assert!(loss.try_forward(probs, target::labels(signs)).is_ok());
///
/// // Three labels for each of two samples; the third class counts double.
/// let probs = Tensor::<2>::full([2, 3], 0.5, &device);
/// let targets = Tensor::<2>::from_data([[1., 0., 1.], [0., 0., 0.8]], &device);
/// let loss = BceLossConfig::new().with_weights(Some(vec![1., 1., 2.])).init();
/// let value = loss.forward(probs, targets).into_scalar::<f32>();
/// assert!((value - 2f32.ln() * 8.0 / 6.0).abs() < 1e-5);
/// ```
///
/// # Shapes
///
/// * probs and targets: the same shape, of any rank; `weights` lie along axis 1 or `class_axis`
/// * unreduced: that shape
///
/// # Errors
///
/// * Shapes or devices that differ: nothing is broadcast.
/// * A label that is not from 0 to 1; it says whether the target looks like signs or class ids.
/// * A probability that is not from 0 to 1; logits are for
///   [`BceWithLogitsLoss`](crate::classification::BceWithLogitsLoss).
/// * A target that is tracked by autodiff. `weights` that are neither one nor one per class.
/// * In `init`: bad weights, a smoothing that is not from 0 to 1, a `class_axis` of 0.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid label makes loss and
/// gradient NaN.
///
/// # PyTorch
///
/// `torch.nn.BCELoss`, with the same default reduction, limit of -100 and gradient. PyTorch has no
/// label smoothing here (Burn's goes towards 1 / classes, this one towards 1/2). Its `weight` is
/// any tensor that broadcasts; here it is one number per class, and
/// [`forward_weighted`](crate::Loss::forward_weighted) takes numbers per sample, by whose sum its
/// `Mean` divides. The mean of an empty batch is NaN there and 0 here. There, a target can be
/// tracked.
#[doc(alias = "BCELoss")]
#[doc(alias = "BinaryCrossEntropyLoss")]
#[derive(Clone, Debug)]
pub struct BceLoss {
    config: BceLossConfig,
}

loss_module!(BceLoss, BceLossConfig, BinaryTarget [probs, targets]);

/// `-(y ln x + (1 - y) ln(1 - x))`, where no logarithm counts for less than -100, and `y` is smoothed.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Bce {
    pub(crate) label_smoothing: f64,
}

impl Elementwise<2> for Bce {
    #[inline(always)]
    fn at<R: Real>(&self, [x, y]: [R; 2]) -> (R, impl FnOnce() -> [R; 1]) {
        let y = smooth(y, self.label_smoothing);
        let rest = (-x.clone()).plus(1.0);
        let (ln_x, ln_rest) = ln_of_both(x.clone(), rest.clone());
        let (ln_x, ln_rest) = (ln_x.at_least(-100.0), ln_rest.at_least(-100.0));
        let value = -(y.clone() * ln_x + (-y.clone()).plus(1.0) * ln_rest);

        // PyTorch's least denominator is this number in f32, for f64 as well.
        let slope = move || {
            let variance = (x.clone() * rest).at_least(f64::from(1e-12_f32));
            [(x - y) / variance]
        };
        (value, slope)
    }
}

/// The logarithms of a number in `[0, 1]` and of what is missing to 1. That of the larger one lives on
/// the smaller one: near 1 a number has rounded away what is missing, and a GPU's `ln` does not
/// resolve it.
#[inline(always)]
fn ln_of_both<R: Real>(x: R, rest: R) -> (R, R) {
    let near_one = x.above(0.5);
    let smaller = x.replace(near_one.clone(), rest);
    let ln_of_larger = (-smaller.clone()).at_least(-0.5).ln_1p_small();
    let ln_of_smaller = smaller.ln();
    (
        ln_of_smaller
            .clone()
            .replace(near_one.clone(), ln_of_larger.clone()),
        ln_of_larger.replace(near_one, ln_of_smaller),
    )
}

impl BceLoss {
    pub(super) fn losses(
        &self,
        probs: AnyRank,
        targets: AnyTarget,
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let config = &self.config;
        let check = Check::new(Self::NAME, &probs.device(), call.waiting);
        check.target_per_element("probs", &probs, &targets)?;
        let probable = Required {
            rule: Rule::PROBABILITY.or_nan(),
            explain: &|found| {
                format!(
                    "input {} at index {:?} is not a probability. BceWithLogitsLoss takes logits; \
                     or apply a sigmoid first.",
                    found.shown(),
                    found.index
                )
            },
        };
        let definition = Bce {
            label_smoothing: config.label_smoothing,
        };
        let required = [Some(probable), Some(label())];
        ElementwiseCall {
            weights: class_factors(
                &check,
                ("weights", &config.weights),
                &probs.shape(),
                probs.dtype(),
                config.class_axis,
            )?,
            ..ElementwiseCall::new(
                &check,
                definition,
                OtherOperands::flat(targets.values),
                required,
            )
        }
        .evaluate([probs], call)
    }

    fn lints(&self, _: &AnyRank, targets: AnyTarget) -> Vec<Lint> {
        Vec::from_iter(single_label(Self::NAME, targets))
    }
}

/// Labels moved towards the middle.
#[inline(always)]
pub(super) fn smooth<R: Real>(labels: R, smoothing: f64) -> R {
    if smoothing == 0.0 {
        return labels;
    }
    labels.times(1.0 - smoothing).plus(smoothing / 2.0)
}

/// Weights of a binary loss, laid along the class axis: one for all, or one for each class.
pub(super) fn class_factors(
    check: &Check,
    (name, factors): (&str, &Option<Vec<f64>>),
    shape: &Shape,
    dtype: DType,
    class_axis: usize,
) -> Result<Option<PerClass>, LossError> {
    let Some(factors) = factors else {
        return Ok(None);
    };
    let mut inner = 1;
    if factors.len() > 1 {
        check.at_least_rank_2(shape.num_dims(), "weights per class need a class axis")?;
        check.class_axis(class_axis, shape)?;
        check.class_weights(name, Some(factors), shape[class_axis], true)?;
        inner = layers(shape, class_axis)[2];
    }
    check.holds_all(dtype, name, factors)?;
    Ok(Some(PerClass::new(factors.clone(), inner)))
}
