//! The choice of the loss: all of these take logits and class ids, but they form no family of the library.

use std::str::FromStr;

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Int, Tensor};
use burn_losses::Lint;
use burn_losses::prelude::*;
use common::cli;
use serde::{Deserialize, Serialize};

/// A loss with its options.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "loss", rename_all = "snake_case")]
pub enum LossConfig {
    /// The cross-entropy of each pixel.
    CrossEntropy(CrossEntropyLossConfig),
    /// The overlap of each class.
    Dice(DiceLossConfig),
    /// The overlap of all classes in one, each weighted by how rare it is.
    GeneralizedDice(GeneralizedDiceLossConfig),
    /// The overlap, with weights for what is missed and what is too much.
    Tversky(TverskyLossConfig),
    /// The intersection over the union.
    Jaccard(JaccardLossConfig),
    /// The intersection over the union, continued from answers to probabilities.
    Lovasz(LovaszLossConfig),
    /// The sum of the overlap and the cross-entropy.
    DiceCrossEntropy(DiceCrossEntropyLossConfig),
    /// The sum of the overlap and the focal loss.
    DiceFocal(DiceFocalLossConfig),
}

/// A loss as the field of a model.
#[derive(Module, Debug)]
pub enum ModelLoss {
    /// `cross_entropy`
    CrossEntropy(CrossEntropyLoss),
    /// `dice`
    Dice(DiceLoss),
    /// `generalized_dice`
    GeneralizedDice(GeneralizedDiceLoss),
    /// `tversky`
    Tversky(TverskyLoss),
    /// `jaccard`
    Jaccard(JaccardLoss),
    /// `lovasz`
    Lovasz(LovaszLoss),
    /// `dice_cross_entropy`
    DiceCrossEntropy(DiceCrossEntropyLoss),
    /// `dice_focal`
    DiceFocal(DiceFocalLoss),
}

impl LossConfig {
    /// The names, as on the command line and in a file.
    pub const NAMES: &[&str] = &[
        "cross_entropy",
        "dice",
        "generalized_dice",
        "tversky",
        "jaccard",
        "lovasz",
        "dice_cross_entropy",
        "dice_focal",
    ];

    /// The name of this one.
    pub fn name(&self) -> &'static str {
        match self {
            Self::CrossEntropy(_) => Self::NAMES[0],
            Self::Dice(_) => Self::NAMES[1],
            Self::GeneralizedDice(_) => Self::NAMES[2],
            Self::Tversky(_) => Self::NAMES[3],
            Self::Jaccard(_) => Self::NAMES[4],
            Self::Lovasz(_) => Self::NAMES[5],
            Self::DiceCrossEntropy(_) => Self::NAMES[6],
            Self::DiceFocal(_) => Self::NAMES[7],
        }
    }

    /// The loss, or what is wrong with its options.
    pub fn try_init(&self) -> Result<ModelLoss, LossError> {
        match self {
            Self::CrossEntropy(config) => config.try_init().map(ModelLoss::CrossEntropy),
            Self::Dice(config) => config.try_init().map(ModelLoss::Dice),
            Self::GeneralizedDice(config) => config.try_init().map(ModelLoss::GeneralizedDice),
            Self::Tversky(config) => config.try_init().map(ModelLoss::Tversky),
            Self::Jaccard(config) => config.try_init().map(ModelLoss::Jaccard),
            Self::Lovasz(config) => config.try_init().map(ModelLoss::Lovasz),
            Self::DiceCrossEntropy(config) => config.try_init().map(ModelLoss::DiceCrossEntropy),
            Self::DiceFocal(config) => config.try_init().map(ModelLoss::DiceFocal),
        }
    }
}

impl Config for LossConfig {}

/// The loss of this name, with its default options.
impl FromStr for LossConfig {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        cli::named(name)
    }
}

impl ModelLoss {
    /// The loss of logits `[N, C, H, W]` and class ids `[N, H, W]`.
    pub fn forward(&self, logits: Tensor<4>, ids: Tensor<3, Int>) -> Tensor<1> {
        match self {
            Self::CrossEntropy(loss) => loss.forward(logits, ids),
            Self::Dice(loss) => loss.forward(logits, ids),
            Self::GeneralizedDice(loss) => loss.forward(logits, ids),
            Self::Tversky(loss) => loss.forward(logits, ids),
            Self::Jaccard(loss) => loss.forward(logits, ids),
            Self::Lovasz(loss) => loss.forward(logits, ids),
            Self::DiceCrossEntropy(loss) => loss.forward(logits, ids),
            Self::DiceFocal(loss) => loss.forward(logits, ids),
        }
    }

    /// What looks suspicious about logits and ids.
    pub fn lint(&self, logits: &Tensor<4>, ids: &Tensor<3, Int>) -> Vec<Lint> {
        match self {
            Self::CrossEntropy(loss) => loss.lint(logits, ids),
            Self::Dice(loss) => loss.lint(logits, ids),
            Self::GeneralizedDice(loss) => loss.lint(logits, ids),
            Self::Tversky(loss) => loss.lint(logits, ids),
            Self::Jaccard(loss) => loss.lint(logits, ids),
            Self::Lovasz(loss) => loss.lint(logits, ids),
            Self::DiceCrossEntropy(loss) => loss.lint(logits, ids),
            Self::DiceFocal(loss) => loss.lint(logits, ids),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Distribution};

    #[test]
    fn every_name_is_a_loss() {
        let device = Device::flex();
        let ids = [[[0, 1, 2], [3, 0, 0]], [[0, 0, 1], [0, 2, 0]]];
        for name in LossConfig::NAMES {
            let config: LossConfig = name.parse().unwrap();
            assert_eq!(config.name(), *name);
            let loss = config.try_init().unwrap();
            let logits = Tensor::random([2, 4, 2, 3], Distribution::Default, &device);
            let value = loss.forward(logits, Tensor::from_data(ids, &device));
            let value: f64 = value.into_scalar();
            assert!(value.is_finite() && value > 0.0, "{name}: {value}");
        }
        let error = "iou".parse::<LossConfig>().unwrap_err();
        for name in LossConfig::NAMES {
            assert!(error.contains(&format!("`{name}`")), "{error}");
        }
    }

    #[test]
    fn a_file_is_laid_over_the_defaults() {
        let load = |file: &str| LossConfig::load_binary(file.as_bytes());
        let config = load(r#"{ "fn_weight": 0.7, "loss": "tversky" }"#).unwrap();
        let expected = TverskyLossConfig::new().with_fn_weight(0.7);
        assert_eq!(config, LossConfig::Tversky(expected));
        let file = r#"{ "loss": "dice_cross_entropy", "dice": { "background": false } }"#;
        let dice = DiceLossConfig::new().with_background(false);
        let expected = DiceCrossEntropyLossConfig::new().with_dice(dice);
        assert_eq!(load(file).unwrap(), LossConfig::DiceCrossEntropy(expected));
        let error = load(r#"{ "loss": "dice", "smooth": 1 }"#).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("DiceLoss has no option `smooth`"), "{error}");
    }
}
