//! The quantile loss, also called pinball loss.

use crate::engine::shape::layers;
use crate::loss::call::{Call, LossOutput};
use crate::loss::formula::{FormulaLoss, LossFormula};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::expression::Expr;
use crate::spec::operand::PerClass;
use crate::spec::reduction::Reduction;
use crate::targets::AnyOperand;
use crate::validate::check::{config_error, dims};
use crate::validate::error::{Lint, LossError, LossErrorKind};
use alloc::vec::Vec;
use alloc::{format, vec};
use burn::tensor::Shape;

loss_config! {
    /// Configuration of [`QuantileLoss`].
    pub struct QuantileLossConfig {
        /// The quantiles to predict, in ascending order, each between 0 and 1.
        pub quantiles: Vec<f64> where WITHIN_0_AND_1 = vec![0.5],
        /// The axis of the predictions that has an entry for each quantile, if there are several.
        pub quantile_axis: usize = 1,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
    and self.ascends()
}

impl QuantileLossConfig {
    fn ascends(&self) -> Result<(), LossError> {
        if let Some([a, b]) = self.quantiles.array_windows().find(|[a, b]| a >= b) {
            return Err(config_error(
                QuantileLoss::NAME,
                format!("quantiles must ascend, but {b} comes after {a}."),
            ));
        }
        Ok(())
    }
}

/// The loss whose best prediction is a quantile of the targets, not their mean: one quantile, or several at once.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/quantile.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// e        = y - x
/// loss     = q e           where e >= 0
///            (q - 1) e     elsewhere
/// gradient = -q where e > 0, 1 - q where e < 0, 0 where e is 0
/// ```
///
/// </details>
///
/// # Character
///
/// A model trained with 0.9 is too high nine times in ten: what is needed in stock, what a delivery takes at most. Quantiles of 0.1
/// and 0.9 make a band that holds 80 % of what will be. With 0.5 it is half of [`L1Loss`](crate::regression::L1Loss), and the
/// prediction a median. No distribution is assumed, and an outlier pulls no harder than any other target.
///
/// The last layer is linear, with an output for each quantile. Nothing keeps one quantile from crossing another; `lint` reports
/// predictions that do.
///
/// # Target
///
/// **The true values, as floats.** With one quantile they have the shape of the predictions; with several, a length of 1 along
/// `quantile_axis`: `[N, 1]` beside predictions of `[N, Q]`, where each target is compared with all quantiles of its row. The usual
/// mistake is a target repeated for each quantile by hand, or of shape `[N]`: `targets.unsqueeze_dim::<2>(1)` adds the axis.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// // A low and a high estimate for each of two samples.
/// let predictions = Tensor::<2>::from_data([[1.0, 3.0], [2.0, 6.0]], &device);
/// let targets = Tensor::<1>::from_data([2.0, 7.0], &device).unsqueeze_dim::<2>(1);
///
/// let loss = QuantileLossConfig::new().with_quantiles(vec![0.1, 0.9]).init();
/// let each = loss.forward_no_reduction(predictions, targets);
/// // 0.1 * 1, 0.1 * 1; 0.1 * 5, 0.9 * 1
/// let expected = Tensor::<2>::from_data([[0.1, 0.1], [0.5, 0.9]], &device);
/// assert!((each - expected).abs().max().into_scalar::<f32>() < 1e-6);
/// ```
///
/// # Shapes
///
/// * predictions: any rank; with several quantiles, one entry for each along `quantile_axis`
/// * targets: that shape; with several quantiles, of length 1 along `quantile_axis`
/// * unreduced: the shape of the predictions
///
/// # Errors
///
/// * Shapes or devices that differ otherwise: nothing else is broadcast.
/// * A target that is NaN or infinite.
/// * A float type that the device cannot compute with.
/// * In `init`: no quantiles, or one that is not between 0 and 1 or does not ascend.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid target makes loss and gradient NaN.
///
/// # Other libraries
///
/// scikit-learn's `mean_pinball_loss(y, x, alpha=quantile)`. `Mean` averages over quantiles too, as neuralforecast says its
/// `MQLoss` does; its code adds them up (version 3.3). pytorch-forecasting's and GluonTS's losses are **twice** this one; darts adds
/// up the quantiles. A target that is tracked gets its gradient.
///
/// # Reference
///
/// Koenker and Bassett, *Regression Quantiles*, Econometrica 46, 1978.
#[doc(alias = "PinballLoss")]
#[doc(alias = "pinball loss")]
#[doc(alias = "MQLoss")]
#[derive(Clone, Debug)]
pub struct QuantileLoss {
    config: QuantileLossConfig,
}

loss_module!(QuantileLoss, QuantileLossConfig, Formula<RegressionTarget> with losses [predictions, targets]);

static QUANTILE: LossFormula<2> =
    LossFormula::new(|[x, y]| pinball(x, y, ["quantile", "rest"].map(Expr::parameter)));

/// The third is a quantile, or, of one above 1/2, minus what is left of it to 1: the smaller of both keeps its digits.
static QUANTILES: LossFormula<3> = LossFormula::new(|[x, y, smaller]| {
    let is_rest = smaller.below(0.0);
    let (quantile, rest) = (
        is_rest.select(smaller + 1.0, smaller),
        is_rest.select(-smaller, 1.0 - smaller),
    );
    pinball(x, y, [quantile, rest])
});

/// The error times its slope, which is 0 where there is none.
fn pinball(x: Expr, y: Expr, [quantile, rest]: [Expr; 2]) -> Expr {
    let error = x - y;
    let below = error.below(0.0).select(-quantile, 0.0);
    error * error.above(0.0).select(rest, below)
}

impl QuantileLoss {
    fn losses(&self, operands: [AnyOperand; 2], call: Call) -> Result<LossOutput, LossError> {
        let operands = self.side_by_side(operands)?;
        let formula = self.formula(&operands[0].shape());
        formula.evaluate(Self::NAME, operands, call)
    }

    /// The target beside the prediction of each quantile.
    fn side_by_side(
        &self,
        [predictions, targets]: [AnyOperand; 2],
    ) -> Result<[AnyOperand; 2], LossError> {
        let QuantileLossConfig {
            quantiles,
            quantile_axis: axis,
            ..
        } = &self.config;
        let (count, shape) = (quantiles.len(), predictions.shape());
        if count == 1 {
            return Ok([predictions, targets]);
        }
        let error = |message| LossError::new(Self::NAME, LossErrorKind::Shape, message);
        if shape.num_dims() <= *axis || shape[*axis] != count {
            return Err(error(format!(
                "there are {count} quantiles, and predictions {} do not have an entry for each along axis {axis}: give the last \
                 layer {count} outputs, or set `quantile_axis`.",
                dims(&shape)
            )));
        }
        let mut expected = shape.clone();
        expected[*axis] = 1;
        if targets.shape() != expected {
            return Err(error(format!(
                "targets {} must have shape {}, one value beside the {count} quantiles of predictions {}: add the axis with \
                 `targets.unsqueeze_dim({axis})`.",
                dims(&targets.shape()),
                dims(&expected),
                dims(&shape)
            )));
        }
        let AnyOperand::Numbers(targets) = targets else {
            unreachable!("true values are floats")
        };
        Ok([predictions, AnyOperand::Numbers(targets.expanded(shape))])
    }

    fn formula(&self, shape: &Shape) -> FormulaLoss<2> {
        let names = ["predictions", "targets"];
        let QuantileLossConfig {
            quantiles,
            quantile_axis: axis,
            ..
        } = &self.config;
        match quantiles[..] {
            // Beside a quantile near 1 the difference would lose its digits in a narrow type.
            [quantile] => QUANTILE
                .of(names)
                .with("quantile", quantile)
                .with("rest", 1.0 - quantile),
            _ => {
                let inner = layers(shape, *axis)[2];
                let smaller = quantiles.iter().map(|&quantile| {
                    if quantile > 0.5 {
                        quantile - 1.0
                    } else {
                        quantile
                    }
                });
                QUANTILES
                    .of(names)
                    .along(PerClass::new(smaller.collect(), inner))
            }
        }
    }

    fn lints(&self, [predictions, targets]: [AnyOperand; 2]) -> Vec<Lint> {
        let crossing = self.crossing(&predictions);
        let lints = QUANTILE
            .of(["predictions", "targets"])
            .lints(Self::NAME, [predictions, targets]);
        lints.into_iter().chain(crossing).collect()
    }

    /// A suspicion about a prediction of a quantile above that of the next.
    fn crossing(&self, predictions: &AnyOperand) -> Option<Lint> {
        let AnyOperand::Numbers(predictions) = predictions else {
            return None;
        };
        let (shape, axis) = (predictions.shape(), self.config.quantile_axis);
        let count = self.config.quantiles.len();
        let fits = shape.num_dims() > axis && shape[axis] == count;
        if count == 1 || !fits || shape.num_elements() == 0 {
            return None;
        }
        let inner = layers(&shape, axis)[2];
        let values = predictions.values();
        let rows = values.chunks(count * inner);
        let pairs = rows.flat_map(|row| row.iter().zip(&row[inner..]));
        let crossing = pairs.filter(|(low, high)| low > high).count();
        (crossing > 0).then(|| Lint {
            loss: Self::NAME,
            rule: "quantile-crossing",
            message: format!(
                "{crossing} predictions of a quantile are above that of the next one: the model may not be trained yet, or its \
                 outputs are in another order than `quantiles`."
            ),
        })
    }
}
