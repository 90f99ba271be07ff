//! The choice of the loss: any of the family for regression, and one that is not in it, because it
//! takes a third input.

use std::str::FromStr;

use burn::config::Config;
use burn::module::Module;
use burn_losses::prelude::*;
use common::cli;
use serde::{Deserialize, Serialize};

/// A loss with its options.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "loss", rename_all = "snake_case")]
pub enum LossConfig {
    /// The absolute error.
    L1(L1LossConfig),
    /// The squared error.
    Mse(MseLossConfig),
    /// The absolute error, squared near 0.
    SmoothL1(SmoothL1LossConfig),
    /// The squared error, linear far from 0.
    Huber(HuberLossConfig),
    /// The likelihood of counts.
    PoissonNll(PoissonNllLossConfig),
    /// The squared error, unequal on the two sides.
    Expectile(ExpectileLossConfig),
    /// The absolute error, smooth near 0.
    LogCosh(LogCoshLossConfig),
    /// Squared near 0, with any tail.
    GeneralRobust(GeneralRobustLossConfig),
    /// Squared near 0, and constant far from it.
    Tukey(TukeyLossConfig),
    /// Quantiles of the values.
    Quantile(QuantileLossConfig),
    /// The likelihood of values whose spread is predicted too.
    GaussianNll(GaussianNllLossConfig),
}

/// A loss as the field of a model: its kinds differ in what the model has to give.
#[derive(Module, Debug)]
pub enum ModelLoss {
    /// Of scaled predictions and scaled targets, which all but two of the family can take.
    Scaled(RegressionLoss),
    /// Of rates, or their logarithms, and targets as they are.
    PoissonNll(PoissonNllLoss),
    /// Of a scaled prediction for each quantile, and scaled targets.
    Quantile(QuantileLoss),
    /// Of scaled predictions, scaled targets, and variances.
    GaussianNll(GaussianNllLoss),
}

impl LossConfig {
    /// The names, as on the command line and in a file.
    pub const NAMES: &[&str] = &[
        "l1",
        "mse",
        "smooth_l1",
        "huber",
        "poisson_nll",
        "expectile",
        "log_cosh",
        "general_robust",
        "tukey",
        "quantile",
        "gaussian_nll",
    ];

    /// The name of this one.
    pub fn name(&self) -> &'static str {
        match self {
            Self::L1(_) => Self::NAMES[0],
            Self::Mse(_) => Self::NAMES[1],
            Self::SmoothL1(_) => Self::NAMES[2],
            Self::Huber(_) => Self::NAMES[3],
            Self::PoissonNll(_) => Self::NAMES[4],
            Self::Expectile(_) => Self::NAMES[5],
            Self::LogCosh(_) => Self::NAMES[6],
            Self::GeneralRobust(_) => Self::NAMES[7],
            Self::Tukey(_) => Self::NAMES[8],
            Self::Quantile(_) => Self::NAMES[9],
            Self::GaussianNll(_) => Self::NAMES[10],
        }
    }

    /// The loss, or what is wrong with its options.
    pub fn try_init(&self) -> Result<ModelLoss, LossError> {
        let scaled: RegressionLossConfig = match self.clone() {
            Self::L1(config) => config.into(),
            Self::Mse(config) => config.into(),
            Self::SmoothL1(config) => config.into(),
            Self::Huber(config) => config.into(),
            Self::Expectile(config) => config.into(),
            Self::LogCosh(config) => config.into(),
            Self::GeneralRobust(config) => config.into(),
            Self::Tukey(config) => config.into(),
            Self::Quantile(config) => return config.try_init().map(ModelLoss::Quantile),
            Self::PoissonNll(config) => return config.try_init().map(ModelLoss::PoissonNll),
            Self::GaussianNll(config) => return config.try_init().map(ModelLoss::GaussianNll),
        };
        scaled.try_init().map(ModelLoss::Scaled)
    }
}

impl Config for LossConfig {}

/// The loss of this name, with its default options, or three quantiles.
impl FromStr for LossConfig {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        // A band and its middle say more than the median alone, which is the default of the loss.
        if name == "quantile" {
            let band = QuantileLossConfig::new().with_quantiles(vec![0.1, 0.5, 0.9]);
            return Ok(Self::Quantile(band));
        }
        cli::named(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_loss() {
        for name in LossConfig::NAMES {
            let config: LossConfig = name.parse().unwrap();
            assert_eq!(config.name(), *name);
            assert!(config.try_init().is_ok());
        }
        let error = "l2".parse::<LossConfig>().unwrap_err();
        for name in LossConfig::NAMES {
            assert!(error.contains(&format!("`{name}`")), "{error}");
        }
    }

    #[test]
    fn the_whole_family_is_there() {
        for name in RegressionLossConfig::NAMES {
            assert!(LossConfig::NAMES.contains(name), "{name}");
        }
    }

    #[test]
    fn a_file_is_laid_over_the_defaults() {
        let load = |file: &str| LossConfig::load_binary(file.as_bytes());
        let config = load(r#"{ "full": true, "loss": "gaussian_nll" }"#).unwrap();
        let expected = GaussianNllLossConfig::new().with_full(true);
        assert_eq!(config, LossConfig::GaussianNll(expected));
        let error = load(r#"{ "loss": "huber", "beta": 1 }"#).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("HuberLoss has no option `beta`"), "{error}");
    }
}
