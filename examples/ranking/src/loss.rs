//! The choice of the loss. These losses take different inputs, so each has a training task of its
//! own, and they form no family as those for regression and classification do.

use std::str::FromStr;

use burn::config::Config;
use burn_losses::prelude::*;
use common::cli;
use serde::{Deserialize, Serialize};

/// A loss with its options.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "loss", rename_all = "snake_case")]
pub(crate) enum RankingLossConfig {
    TripletMargin(TripletMarginLossConfig),
    TripletMarginWithDistance(TripletMarginWithDistanceLossConfig),
    HingeEmbedding(HingeEmbeddingLossConfig),
    CosineEmbedding(CosineEmbeddingLossConfig),
    MarginRanking(MarginRankingLossConfig),
}

impl RankingLossConfig {
    /// The names, as on the command line and in a file.
    pub(crate) const NAMES: &[&str] = &[
        "triplet_margin",
        "triplet_margin_with_distance",
        "hinge_embedding",
        "cosine_embedding",
        "margin_ranking",
    ];

    /// The name of this one.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::TripletMargin(_) => Self::NAMES[0],
            Self::TripletMarginWithDistance(_) => Self::NAMES[1],
            Self::HingeEmbedding(_) => Self::NAMES[2],
            Self::CosineEmbedding(_) => Self::NAMES[3],
            Self::MarginRanking(_) => Self::NAMES[4],
        }
    }
}

impl Config for RankingLossConfig {}

/// The loss of this name, with its default options, but for two margins of 0. In margin ranking equal
/// scores would cost nothing, and a model may end up with hardly any order. For the cosine, any two
/// digits should be at right angles, which ten cannot be in three dimensions; at 60 degrees, whose
/// cosine is 0.5, they can.
impl FromStr for RankingLossConfig {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Ok(match cli::named::<Self>(name)? {
            Self::MarginRanking(config) => Self::MarginRanking(config.with_margin(1.0)),
            Self::CosineEmbedding(config) => Self::CosineEmbedding(config.with_margin(0.5)),
            other => other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_loss() {
        for name in RankingLossConfig::NAMES {
            assert_eq!(name.parse::<RankingLossConfig>().unwrap().name(), *name);
        }
        let error = "triplet".parse::<RankingLossConfig>().unwrap_err();
        for name in RankingLossConfig::NAMES {
            assert!(error.contains(&format!("`{name}`")), "{error}");
        }
    }

    #[test]
    fn a_file_is_laid_over_the_defaults() {
        let load = |file: &str| RankingLossConfig::load_binary(file.as_bytes());
        let config = load(r#"{ "margin": 0.5, "loss": "triplet_margin" }"#).unwrap();
        let expected = TripletMarginLossConfig::new().with_margin(0.5);
        assert_eq!(config, RankingLossConfig::TripletMargin(expected));
        let file = r#"{ "loss": "triplet_margin_with_distance", "distance": { "Lp": 1 } }"#;
        let expected = TripletMarginWithDistanceLossConfig::new().with_distance(Distance::Lp(1.0));
        assert_eq!(
            load(file).unwrap(),
            RankingLossConfig::TripletMarginWithDistance(expected)
        );
        let error = load(r#"{ "loss": "margin_ranking", "margn": 1 }"#)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("MarginRankingLoss has no option `margn`"),
            "{error}"
        );
    }
}
