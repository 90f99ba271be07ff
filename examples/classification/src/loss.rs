//! The choice of the loss: any of the family, and some whose options are made of how often each class occurs.

use std::str::FromStr;

use burn::tensor::Device;
use burn_losses::prelude::*;
use burn_losses::target::{ClassWeighting, WeightNormalization};
use common::digits::{CLASSES, Split};
use common::training::Samples;

/// How much less a sample says the more of its class there are: the usual number.
const BETA: f64 = 0.999;

/// A loss to train with.
#[derive(Clone, Debug, PartialEq)]
pub enum LossChoice {
    /// A loss of the family, with its options.
    AsIs(ClassificationLossConfig),
    /// The focal loss, in which each class counts alike.
    FocalWeighted,
    /// Cross-entropy, weighted by the effective number of each class's samples.
    ClassBalanced,
    /// Cross-entropy of logits to which the logarithm of each class's share is added while training.
    LogitAdjusted,
}

impl LossChoice {
    /// The names, as on the command line.
    pub const NAMES: &[&str] = &[
        "cross_entropy",
        "focal",
        "nll",
        "bce_with_logits",
        "bce",
        "kl_div",
        "multi_margin",
        "soft_margin",
        "multi_label_margin",
        "multi_label_soft_margin",
        "focal_weighted",
        "class_balanced",
        "logit_adjusted",
    ];

    /// The name of this one.
    pub fn name(&self) -> &'static str {
        match self {
            Self::AsIs(config) => config.name(),
            Self::FocalWeighted => "focal_weighted",
            Self::ClassBalanced => "class_balanced",
            Self::LogitAdjusted => "logit_adjusted",
        }
    }

    /// The loss with its options, for training samples of which there are so many of each class.
    pub fn config(&self, counts: &[u64]) -> ClassificationLossConfig {
        match self {
            Self::AsIs(config) => config.clone(),
            Self::FocalWeighted => {
                // The focal loss does not divide by the weights: balanced ones keep its size.
                let scale = WeightNormalization::Balanced;
                let alpha = target::class_weights(counts, ClassWeighting::Inverse, scale);
                FocalLossConfig::new().with_alpha(Some(alpha)).into()
            }
            Self::ClassBalanced => {
                let weighting = ClassWeighting::EffectiveNumber(BETA);
                let weights =
                    target::class_weights(counts, weighting, WeightNormalization::MeanOne);
                let config = CrossEntropyLossConfig::new();
                config.with_weights(Some(weights)).into()
            }
            Self::LogitAdjusted => {
                let log_prior = target::log_prior(counts);
                let config = CrossEntropyLossConfig::new();
                config.with_log_prior(Some(log_prior)).into()
            }
        }
    }
}

/// The loss of this name, with its default options, or those that the counts give.
impl FromStr for LossChoice {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "focal_weighted" => Ok(Self::FocalWeighted),
            "class_balanced" => Ok(Self::ClassBalanced),
            "logit_adjusted" => Ok(Self::LogitAdjusted),
            _ => name.parse::<ClassificationLossConfig>().map(Self::AsIs),
        }
    }
}

/// How many training samples there are of each class.
pub fn counts(split: &Split) -> Vec<u64> {
    let all: Vec<usize> = (0..split.count()).collect();
    target::class_counts(split.batch(&all, &Device::flex()).ids, CLASSES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_loss() {
        for name in LossChoice::NAMES {
            let choice: LossChoice = name.parse().unwrap();
            assert_eq!(choice.name(), *name);
            assert!(choice.config(&[3; CLASSES]).try_init().is_ok());
        }
        assert!("hinge".parse::<LossChoice>().is_err());
    }

    #[test]
    fn the_whole_family_is_there() {
        for name in ClassificationLossConfig::NAMES {
            assert!(LossChoice::NAMES.contains(name), "{name}");
        }
    }

    #[test]
    fn the_rarer_a_class_is_the_more_it_counts() {
        let of = |choice: LossChoice| choice.config(&[100, 5]);
        let ClassificationLossConfig::Focal(focal) = of(LossChoice::FocalWeighted) else {
            panic!("no focal loss");
        };
        let alpha = focal.alpha.unwrap();
        assert!((alpha[1] / alpha[0] - 20.0).abs() < 1e-9, "{alpha:?}");
        let ClassificationLossConfig::CrossEntropy(balanced) = of(LossChoice::ClassBalanced) else {
            panic!("no cross-entropy");
        };
        let weights = balanced.weights.unwrap();
        assert!(weights[1] > 15.0 * weights[0], "{weights:?}");
        let ClassificationLossConfig::CrossEntropy(adjusted) = of(LossChoice::LogitAdjusted) else {
            panic!("no cross-entropy");
        };
        let log_prior = adjusted.log_prior.unwrap();
        let between = log_prior[0] - log_prior[1];
        assert!((between - 20f64.ln()).abs() < 1e-9, "{log_prior:?}");
    }
}
