//! The share that two boxes have in common.

use super::boxes::{BoxFormat, BoxFormula, of_boxes};
use crate::engine::host::boxes::BoxRows;
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::reduction::Reduction;
use crate::validate::check;
use crate::validate::error::LossError;
use burn::module::Module;
use serde::{Deserialize, Serialize};

/// What [`IouLoss`] makes of the share of the common area.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum IouForm {
    /// `1 - IoU`.
    #[default]
    #[serde(alias = "linear")]
    Linear,
    /// `-ln IoU`, of an IoU of at least 1e-6.
    #[serde(alias = "log")]
    Log,
    /// `1 - IoU^2`.
    #[serde(alias = "squared")]
    Squared,
}

loss_config! {
    /// Configuration of [`IouLoss`].
    pub struct IouLossConfig {
        /// What is made of the share of the common area.
        pub form: IouForm = IouForm::Linear,
        /// What the four numbers of a box are.
        pub format: BoxFormat = BoxFormat::Xyxy,
        /// What is added to each divisor: finite, at least 0.
        pub eps: f64 = 0.0,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

impl IouLossConfig {
    fn validate(&self) -> Result<(), LossError> {
        check::not_negative(IouLoss::NAME, "eps", self.eps)
    }
}

/// Iou.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct IouLoss {
    #[module(skip)]
    config: IouLossConfig,
}

of_boxes!(IouLoss, IouLossConfig);

static LINEAR: BoxFormula = BoxFormula::new(|boxes| 1.0 - boxes.iou());

static LOG: BoxFormula = BoxFormula::new(|boxes| -boxes.iou().at_least(1e-6).ln());

static SQUARED: BoxFormula = BoxFormula::new(|boxes| 1.0 - boxes.iou().square());

impl IouLoss {
    fn rows(&self) -> BoxRows {
        let formula = match self.config.form {
            IouForm::Linear => &LINEAR,
            IouForm::Log => &LOG,
            IouForm::Squared => &SQUARED,
        };
        formula.of(self.config.format, &[("eps", self.config.eps)])
    }
}
