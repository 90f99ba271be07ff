//! The choice of the loss: any of those for boxes, and L1 to compare them with.

use std::str::FromStr;

use burn::config::Config;
use burn::module::Module;
use burn_losses::prelude::*;
use common::cli;
use serde::{Deserialize, Serialize};

/// A loss with its options.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "loss", rename_all = "snake_case")]
pub(crate) enum DetectionLossConfig {
    L1(L1LossConfig),
    Iou(IouLossConfig),
    Giou(GiouLossConfig),
    Diou(DiouLossConfig),
    Ciou(CiouLossConfig),
    Eiou(EiouLossConfig),
    Siou(SiouLossConfig),
}

/// A loss of boxes. A model with one loss has that loss as its field.
#[derive(Module, Debug)]
pub(crate) enum BoxLoss {
    L1(L1Loss),
    Iou(IouLoss),
    Giou(GiouLoss),
    Diou(DiouLoss),
    Ciou(CiouLoss),
    Eiou(EiouLoss),
    Siou(SiouLoss),
}

impl DetectionLossConfig {
    /// The names, as on the command line and in a file.
    pub(crate) const NAMES: &[&str] = &["l1", "iou", "giou", "diou", "ciou", "eiou", "siou"];

    /// The name of this one.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::L1(_) => Self::NAMES[0],
            Self::Iou(_) => Self::NAMES[1],
            Self::Giou(_) => Self::NAMES[2],
            Self::Diou(_) => Self::NAMES[3],
            Self::Ciou(_) => Self::NAMES[4],
            Self::Eiou(_) => Self::NAMES[5],
            Self::Siou(_) => Self::NAMES[6],
        }
    }

    /// The loss, or what is wrong with its options.
    pub(crate) fn try_init(&self) -> Result<BoxLoss, LossError> {
        match self {
            Self::L1(config) => config.try_init().map(BoxLoss::L1),
            Self::Iou(config) => config.try_init().map(BoxLoss::Iou),
            Self::Giou(config) => config.try_init().map(BoxLoss::Giou),
            Self::Diou(config) => config.try_init().map(BoxLoss::Diou),
            Self::Ciou(config) => config.try_init().map(BoxLoss::Ciou),
            Self::Eiou(config) => config.try_init().map(BoxLoss::Eiou),
            Self::Siou(config) => config.try_init().map(BoxLoss::Siou),
        }
    }

    /// What the four numbers of a box are; for L1 they are any numbers.
    fn format_mut(&mut self) -> Option<&mut BoxFormat> {
        match self {
            Self::L1(_) => None,
            Self::Iou(config) => Some(&mut config.format),
            Self::Giou(config) => Some(&mut config.format),
            Self::Diou(config) => Some(&mut config.format),
            Self::Ciou(config) => Some(&mut config.format),
            Self::Eiou(config) => Some(&mut config.format),
            Self::Siou(config) => Some(&mut config.format),
        }
    }
}

impl Config for DetectionLossConfig {}

/// The loss of this name, with its default options, but for boxes that have centres.
impl FromStr for DetectionLossConfig {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let mut config: Self = cli::named(name)?;
        if let Some(format) = config.format_mut() {
            *format = BoxFormat::Cxcywh;
        }
        Ok(config)
    }
}

/// For `--config`: a file that takes the boxes for what they are not would train, but to no good.
pub(crate) fn config_file(path: &str) -> Result<DetectionLossConfig, String> {
    let mut config: DetectionLossConfig = cli::config_file(path)?;
    let format = config.format_mut();
    match format.is_none_or(|format| matches!(format, BoxFormat::Cxcywh)) {
        true => Ok(config),
        false => {
            Err(r#"the boxes here have centres: the file must say "format": "Cxcywh""#.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_loss_of_boxes_with_centres() {
        for name in DetectionLossConfig::NAMES {
            let mut config: DetectionLossConfig = name.parse().unwrap();
            assert_eq!(config.name(), *name);
            assert!(config.try_init().is_ok());
            let format = config.format_mut();
            assert!(format.is_none_or(|format| matches!(format, BoxFormat::Cxcywh)));
        }
        let error = "fiou".parse::<DetectionLossConfig>().unwrap_err();
        for name in DetectionLossConfig::NAMES {
            assert!(error.contains(&format!("`{name}`")), "{error}");
        }
    }

    #[test]
    fn a_file_is_laid_over_the_defaults() {
        let load = |file: &str| DetectionLossConfig::load_binary(file.as_bytes());
        let config = load(r#"{ "aspect_gate": 0.5, "loss": "ciou" }"#).unwrap();
        let expected = CiouLossConfig::new().with_aspect_gate(0.5);
        assert_eq!(config, DetectionLossConfig::Ciou(expected));
        let error = load(r#"{ "loss": "giou", "aspect_gate": 0.5 }"#).unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("GiouLoss has no option `aspect_gate`"),
            "{error}"
        );
    }

    #[test]
    fn a_file_for_other_boxes_is_refused() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/configs");
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            config_file(path.to_str().unwrap()).unwrap();
        }

        let file = format!("detection-{}.json", std::process::id());
        let path = std::env::temp_dir().join(file);
        std::fs::write(&path, r#"{ "loss": "ciou" }"#).unwrap();
        let error = config_file(path.to_str().unwrap()).unwrap_err();
        std::fs::remove_file(&path).unwrap();
        assert!(error.contains("Cxcywh"), "{error}");
    }
}
