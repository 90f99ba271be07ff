//! The choice of the loss. These losses take different inputs, so each has a training task of its
//! own, and they form no family as those for regression and classification do.

use std::str::FromStr;

use burn::config::Config;
use burn_losses::partial_config;
use burn_losses::prelude::*;
use serde::de::value::{Error, MapDeserializer};
use serde::{Deserialize, Serialize};

/// A loss with its options.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "loss", rename_all = "snake_case")]
pub(crate) enum RankingLossConfig {
    TripletMargin(#[serde(deserialize_with = "partial_config")] TripletMarginLossConfig),
    HingeEmbedding(#[serde(deserialize_with = "partial_config")] HingeEmbeddingLossConfig),
    MarginRanking(#[serde(deserialize_with = "partial_config")] MarginRankingLossConfig),
}

impl RankingLossConfig {
    /// The names, as on the command line and in a file.
    pub(crate) const NAMES: &[&str] = &["triplet_margin", "hinge_embedding", "margin_ranking"];

    /// The name of this one.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::TripletMargin(_) => Self::NAMES[0],
            Self::HingeEmbedding(_) => Self::NAMES[1],
            Self::MarginRanking(_) => Self::NAMES[2],
        }
    }
}

impl Config for RankingLossConfig {}

/// The loss of this name, with its default options, but for the margin of margin ranking: at its
/// default of 0 equal scores cost nothing, and a model may end up with hardly any order.
impl FromStr for RankingLossConfig {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let options = MapDeserializer::<_, Error>::new([("loss", name)].into_iter());
        Ok(
            match Self::deserialize(options).map_err(|error| error.to_string())? {
                Self::MarginRanking(config) => Self::MarginRanking(config.with_margin(1.0)),
                other => other,
            },
        )
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
        assert!(
            error.contains("`triplet_margin`, `hinge_embedding`, `margin_ranking`"),
            "{error}"
        );
    }

    #[test]
    fn a_file_is_laid_over_the_defaults() {
        let load = |file: &str| RankingLossConfig::load_binary(file.as_bytes());
        let config = load(r#"{ "margin": 0.5, "loss": "triplet_margin" }"#).unwrap();
        let expected = TripletMarginLossConfig::new().with_margin(0.5);
        assert_eq!(config, RankingLossConfig::TripletMargin(expected));
        let error = load(r#"{ "loss": "margin_ranking", "margn": 1 }"#)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("MarginRankingLoss has no option `margn`"),
            "{error}"
        );
    }
}
