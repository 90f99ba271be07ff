//! Binary cross-entropy that makes less of easy negatives than of easy positives.

use super::sigmoid_focal::sigmoid_applied;
use crate::loss::formula::{FormulaLoss, LossFormula};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::expression::Expr;
use crate::spec::reduction::Reduction;
use crate::spec::rule::Rule;

loss_config! {
    /// Configuration of [`AsymmetricLoss`].
    pub struct AsymmetricLossConfig {
        /// How much less a negative counts whose probability is small already: finite, at least 0.
        pub gamma_neg: f64 where NOT_NEGATIVE = 4.0,
        /// How much less a positive counts whose probability is large already: finite, at least 0.
        pub gamma_pos: f64 where NOT_NEGATIVE = 1.0,
        /// Up to which probability a negative does not count at all: at least 0, below 1.
        pub margin: f64 where BELOW_1 = 0.05,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The asymmetric loss of logits and labels: binary cross-entropy in which a label counts the less the more probable it is
/// already, and a "no" much less than a "yes".
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/asymmetric.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// p    = 1 / (1 + exp(-x))
/// q    = max(p - margin, 0)
/// loss = -y (1 - p)^gamma_pos ln p - (1 - y) q^gamma_neg ln(1 - q)
///        the factors are a part of the gradient
/// ```
///
/// </details>
///
/// # Character
///
/// For many labels at a time of which few hold, as the tags of an image. As in
/// [`SigmoidFocalLoss`](crate::classification::SigmoidFocalLoss) what is easy counts less, but "yes" and "no" have a `gamma`
/// of their own, so the rare "yes" keeps its gradient. A "no" whose probability is at most `margin` has neither loss nor
/// gradient. The margin also bounds the loss of a "no", by `-ln(margin)`, and its gradient goes back to 0 where the
/// probability comes close to 1: a label that was forgotten does little harm. With both `gamma` the same and no margin it is
/// the focal loss without `alpha`, for labels of 0 and 1; with all options 0 it is
/// [`BceWithLogitsLoss`](crate::classification::BceWithLogitsLoss). **The last layer is linear, without a sigmoid.** The
/// probabilities that it learns are larger than the shares of "yes": choose a threshold for each label.
///
/// # Target
///
/// **A label for each logit, in the same shape**: floats from 0 to 1, `Int` 0 or 1, or `Bool`. A label between is that share
/// of either loss. The usual mistakes: lists of ids, which [`target::multi_hot`](crate::target::multi_hot) converts, and
/// class ids, for which there is [`target::one_hot`](crate::target::one_hot); masks of 0 and 255, of which
/// `greater_scalar(0)` makes labels; and signs -1 and +1, which [`target::labels`](crate::target::labels) converts. Each is
/// an error. [`lint`](crate::Loss::lint) reports labels that are all the same, and logits that look like the output of a
/// sigmoid.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// // Two images, three tags.
/// let logits = Tensor::<2>::from_data([[-2., 1., -4.], [1.5, -5., 0.]], &device);
/// let targets = Tensor::<2, Int>::from_data([[0, 1, 0], [0, 0, 1]], &device);
///
/// let loss = AsymmetricLoss::new();
/// let value = loss.forward(logits.clone(), targets.clone());
/// assert!((value.into_scalar::<f32>() - 0.156223).abs() < 1e-5);
///
/// // sigmoid(-4) = 0.018 is below the margin.
/// let each = loss.forward_no_reduction(logits, targets).into_data();
/// let each = each.try_to_vec::<f32>().unwrap();
/// assert_eq!(each[2], 0.0);
/// ```
///
/// # Shapes
///
/// * logits and targets: the same shape, of any rank
/// * unreduced: that shape
///
/// # Errors
///
/// * Shapes or devices that differ: nothing is broadcast.
/// * A label that is not from 0 to 1; it says whether the target looks like signs, a mask, ids or lists of them.
/// * A float type that the device cannot compute with.
/// * In `init`: a `gamma_neg` or a `gamma_pos` that is negative or not finite, a `margin` that is not from 0 to below 1.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid label makes loss and gradient NaN.
///
/// # Other libraries
///
/// timm's `AsymmetricLossMultiLabel`, with the same defaults but for the reduction: there the sum over the classes, averaged
/// over the batch, which is `BatchMean` here for `[N, C]`, and C times `Mean`. The `margin` is called `clip`. The authors'
/// `AsymmetricLoss` is the same and sums over all, `Sum` here.
///
/// * timm differentiates the factors unless it is told not to, by `disable_torch_grad_focal_loss`; here they always are.
/// * timm takes probabilities of at least `eps`, 1e-8, into the logarithm: the loss of a true label ends at 18.4, and below a
///   logit of -18.4 its gradient is almost 0. Here the loss goes on growing with the logit, and pulls.
/// * timm's `gamma` and factor of a label between 0 and 1 are mixtures; here the two losses are mixed.
/// * timm has `smoothing`, `weight` and `pos_weight` besides.
///
/// timm's `AsymmetricLossSingleLabel` is by a softmax, and another loss.
///
/// # Reference
///
/// Ben-Baruch et al., *Asymmetric Loss For Multi-Label Classification*, 2020,
/// [arXiv:2009.14119](https://arxiv.org/abs/2009.14119).
#[doc(alias = "ASL")]
#[doc(alias = "AsymmetricLossMultiLabel")]
#[doc(alias = "multi-label")]
#[doc(alias = "class imbalance")]
#[derive(Clone, Debug)]
pub struct AsymmetricLoss {
    config: AsymmetricLossConfig,
}

loss_module!(AsymmetricLoss, AsymmetricLossConfig, Formula<BinaryTarget> [logits, targets]);

/// With the usual powers, which are products, and with any.
static PLAIN: [LossFormula<2>; 2] = [
    LossFormula::new(|[x, y]| y * positive(x) + (1.0 - y) * x.sigmoid().powf(4.0) * x.softplus()),
    LossFormula::new(|[x, y]| {
        y * any_positive(x) + (1.0 - y) * sigmoid_power(x, "gamma_neg") * x.softplus()
    }),
];

static WITH_MARGIN: [LossFormula<2>; 2] = [
    LossFormula::with_slopes(
        |[x, y]| y * positive(x) + (1.0 - y) * shifted(x).powf(4.0) * unlikely(x),
        // Below the margin the power of the probability makes it 0, whatever the logarithm's slope would be.
        |[x, y]| {
            let (p, rest, q) = (x.sigmoid(), (-x).sigmoid(), shifted(x));
            let of_no = 4.0 * unlikely(x) + q / (rest + Expr::parameter("margin"));
            let of_yes = p * (-x).softplus() + rest;
            [
                rest * ((1.0 - y) * (p * (q.powf(3.0) * of_no)) - y * of_yes),
                positive(x) - q.powf(4.0) * unlikely(x),
            ]
        },
    ),
    LossFormula::new(|[x, y]| {
        y * any_positive(x) + (1.0 - y) * power(shifted(x), "gamma_neg") * unlikely(x)
    }),
];

fn positive(x: Expr) -> Expr {
    (-x).sigmoid() * (-x).softplus()
}

fn any_positive(x: Expr) -> Expr {
    sigmoid_power(-x, "gamma_pos") * (-x).softplus()
}

/// A sigmoid to the power of an option, by its logarithm: no factor of the slope is infinite where the sigmoid is 0.
fn sigmoid_power(x: Expr, exponent: &'static str) -> Expr {
    (Expr::parameter(exponent) * x.log_sigmoid()).exp()
}

/// A number that is not negative to the power of an option. By way of the root, no factor of the slope leaves the range of
/// the type where the number is one of its least and the power is below 1.
fn power(base: Expr, exponent: &'static str) -> Expr {
    base.sqrt().powf(2.0 * Expr::parameter(exponent))
}

/// The probability that is left of a "yes" beyond the margin.
fn shifted(x: Expr) -> Expr {
    (x.sigmoid() - Expr::parameter("margin")).at_least(0.0)
}

/// `-ln(1 - q)` of that probability: neither logarithm is of what is left of a difference.
fn unlikely(x: Expr) -> Expr {
    let (q, rest) = (shifted(x), (-x).sigmoid() + Expr::parameter("margin"));
    -q.below(0.5).select((-q).ln_1p(), rest.ln())
}

impl AsymmetricLoss {
    fn formula(&self) -> FormulaLoss<2> {
        let config = &self.config;
        let (gamma_neg, gamma_pos) = (config.gamma_neg, config.gamma_pos);
        let formulas = if config.margin == 0.0 {
            &PLAIN
        } else {
            &WITH_MARGIN
        };
        formulas[usize::from((gamma_neg, gamma_pos) != (4.0, 1.0))]
            .of(["logits", "targets"])
            .with("gamma_neg", gamma_neg)
            .with("gamma_pos", gamma_pos)
            .with("margin", config.margin)
            .rule(1, Rule::PROBABILITY, "")
            .suspect("probabilities-as-logits", sigmoid_applied)
    }
}
