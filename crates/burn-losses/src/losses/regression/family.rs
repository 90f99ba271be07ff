//! Any loss for regression, chosen when the program runs.

#[cfg(feature = "std")]
use super::{
    ExpectileLoss, ExpectileLossConfig, GeneralRobustLoss, GeneralRobustLossConfig, LogCoshLoss,
    LogCoshLossConfig, QuantileLoss, QuantileLossConfig, TukeyLoss, TukeyLossConfig,
};
use super::{
    HuberLoss, HuberLossConfig, L1Loss, L1LossConfig, MseLoss, MseLossConfig, PoissonNllLoss,
    PoissonNllLossConfig, SmoothL1Loss, SmoothL1LossConfig,
};
use crate::loss::Evaluate;
use crate::loss::call::{Call, LossOutput};
use crate::losses::config::loss_family;
use crate::targets::RegressionTarget;
use crate::validate::error::{Lint, LossError};
use alloc::vec::Vec;
use burn::module::Module;
use burn::tensor::Tensor;
use serde::Serialize;

/// Configuration of a [`RegressionLoss`]: which loss, and its options.
///
/// As JSON it is the options of the loss, beside `loss`, its name; or the name alone, as text. What a
/// file leaves out keeps its default; what it misspells is an error with the names there are.
///
/// ```
/// use burn::config::Config;
/// use burn_losses::prelude::*;
///
/// let config = RegressionLossConfig::load_binary(br#"{ "loss": "l1" }"#).unwrap();
/// assert_eq!(config, L1LossConfig::new().into());
/// assert_eq!(config, "l1".parse().unwrap());
///
/// let error = "hubber".parse::<RegressionLossConfig>().unwrap_err();
/// assert_eq!(
///     error,
///     "there is no loss `hubber` here, only `l1`, `mse`, `smooth_l1`, `huber`, `poisson_nll`, `quantile`, `expectile`, \
///      `log_cosh`, `general_robust`, `tukey`"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "loss", rename_all = "snake_case")]
#[non_exhaustive]
pub enum RegressionLossConfig {
    /// `l1`: the absolute error, [`L1Loss`].
    L1(L1LossConfig),
    /// `mse`: the squared error, [`MseLoss`]; the default.
    Mse(MseLossConfig),
    /// `smooth_l1`: the absolute error, squared near zero, [`SmoothL1Loss`].
    SmoothL1(SmoothL1LossConfig),
    /// `huber`: the squared error, linear far from zero, [`HuberLoss`].
    Huber(HuberLossConfig),
    /// `poisson_nll`: for counts, [`PoissonNllLoss`].
    PoissonNll(PoissonNllLossConfig),
    /// `quantile`: a quantile of the targets, [`QuantileLoss`].
    #[cfg(feature = "std")]
    Quantile(QuantileLossConfig),
    /// `expectile`: the squared error, unequal on the two sides, [`ExpectileLoss`].
    #[cfg(feature = "std")]
    Expectile(ExpectileLossConfig),
    /// `log_cosh`: the absolute error, smooth near zero, [`LogCoshLoss`].
    #[cfg(feature = "std")]
    LogCosh(LogCoshLossConfig),
    /// `general_robust`: squared near zero, with any tail, [`GeneralRobustLoss`].
    #[cfg(feature = "std")]
    GeneralRobust(GeneralRobustLossConfig),
    /// `tukey`: squared near zero, and constant far from it, [`TukeyLoss`].
    #[cfg(feature = "std")]
    Tukey(TukeyLossConfig),
}

/// Any of the losses for regression, for programs in which the loss is an option.
///
/// # Target
///
/// **The true values, as floats in the shape of the predictions**, whichever loss it is. All but
/// `poisson_nll` can be swapped without a change to the model. That one takes counts, which are never
/// negative (so they are not standardised; a negative one is an error), and predictions that are the
/// logarithms of rates, or rates. `quantile` with several quantiles takes an output for each beside a target of length 1.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// let predictions = Tensor::<1>::from_data([0., 2., 9.], &device);
/// let targets = Tensor::<1>::from_data([0., 1., 3.], &device);
///
/// for (name, expected) in [("l1", 7.0 / 3.0), ("mse", 37.0 / 3.0)] {
///     let loss = name.parse::<RegressionLossConfig>().unwrap().init();
///     let value = loss.forward(predictions.clone(), targets.clone());
///     assert!((value.into_scalar::<f32>() - expected).abs() < 1e-5);
/// }
/// ```
///
/// # Shapes
///
/// * predictions and targets: the same shape, of any rank
/// * unreduced: that shape
///
/// # Errors
///
/// Those of the loss chosen, under its name.
#[derive(Module, Debug)]
#[module(custom_display)]
#[non_exhaustive]
pub enum RegressionLoss {
    /// The absolute error.
    L1(L1Loss),
    /// The squared error.
    Mse(MseLoss),
    /// The absolute error, squared near zero.
    SmoothL1(SmoothL1Loss),
    /// The squared error, linear far from zero.
    Huber(HuberLoss),
    /// The negative log-likelihood of counts.
    PoissonNll(PoissonNllLoss),
    /// A quantile of the targets.
    #[cfg(feature = "std")]
    Quantile(QuantileLoss),
    /// The squared error, unequal on the two sides.
    #[cfg(feature = "std")]
    Expectile(ExpectileLoss),
    /// The absolute error, smooth near zero.
    #[cfg(feature = "std")]
    LogCosh(LogCoshLoss),
    /// Squared near zero, with any tail.
    #[cfg(feature = "std")]
    GeneralRobust(GeneralRobustLoss),
    /// Squared near zero, and constant far from it.
    #[cfg(feature = "std")]
    Tukey(TukeyLoss),
}

loss_family!(RegressionLoss [predictions, targets], RegressionLossConfig, default: Mse, {
    L1: "l1", L1Loss, L1LossConfig;
    Mse: "mse", MseLoss, MseLossConfig;
    SmoothL1: "smooth_l1", SmoothL1Loss, SmoothL1LossConfig;
    Huber: "huber", HuberLoss, HuberLossConfig;
    PoissonNll: "poisson_nll", PoissonNllLoss, PoissonNllLossConfig;
    #[cfg(feature = "std")] Quantile: "quantile", QuantileLoss, QuantileLossConfig;
    #[cfg(feature = "std")] Expectile: "expectile", ExpectileLoss, ExpectileLossConfig;
    #[cfg(feature = "std")] LogCosh: "log_cosh", LogCoshLoss, LogCoshLossConfig;
    #[cfg(feature = "std")] GeneralRobust: "general_robust", GeneralRobustLoss, GeneralRobustLossConfig;
    #[cfg(feature = "std")] Tukey: "tukey", TukeyLoss, TukeyLossConfig;
});

impl RegressionLossConfig {
    fn validate(&self) -> Result<(), LossError> {
        Ok(())
    }
}

impl RegressionLoss {
    fn chosen<const D: usize, T: RegressionTarget<D>>(
        &self,
    ) -> &dyn Evaluate<(Tensor<D>, T), Unreduced = Tensor<D>> {
        match self {
            Self::L1(loss) => loss,
            Self::Mse(loss) => loss,
            Self::SmoothL1(loss) => loss,
            Self::Huber(loss) => loss,
            Self::PoissonNll(loss) => loss,
            #[cfg(feature = "std")]
            Self::Quantile(loss) => loss,
            #[cfg(feature = "std")]
            Self::Expectile(loss) => loss,
            #[cfg(feature = "std")]
            Self::LogCosh(loss) => loss,
            #[cfg(feature = "std")]
            Self::GeneralRobust(loss) => loss,
            #[cfg(feature = "std")]
            Self::Tukey(loss) => loss,
        }
    }
}

impl<const D: usize, T: RegressionTarget<D>> Evaluate<(Tensor<D>, T)> for RegressionLoss {
    type Unreduced = Tensor<D>;

    fn evaluate(&self, inputs: (Tensor<D>, T), call: Call) -> Result<LossOutput, LossError> {
        self.chosen().evaluate(inputs, call)
    }

    fn inspect(&self, inputs: (Tensor<D>, T)) -> Vec<Lint> {
        self.chosen().inspect(inputs)
    }
}
