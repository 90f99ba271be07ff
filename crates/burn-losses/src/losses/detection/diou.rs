//! The share that two boxes have in common, and how far their centres are apart.

use super::boxes::{BoxFormat, BoxFormula, of_boxes};
use crate::engine::host::boxes::BoxRows;
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::reduction::Reduction;
use crate::validate::check;
use crate::validate::error::LossError;
use burn::module::Module;

loss_config! {
    /// Configuration of [`DiouLoss`].
    pub struct DiouLossConfig {
        /// What the four numbers of a box are.
        pub format: BoxFormat = BoxFormat::Xyxy,
        /// What is added to each divisor: finite, at least 0.
        pub eps: f64 = 0.0,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

impl DiouLossConfig {
    fn validate(&self) -> Result<(), LossError> {
        check::not_negative(DiouLoss::NAME, "eps", self.eps)
    }
}

/// Diou.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct DiouLoss {
    #[module(skip)]
    config: DiouLossConfig,
}

of_boxes!(DiouLoss, DiouLossConfig);

static DISTANCE: BoxFormula = BoxFormula::new(|boxes| boxes.distance());

impl DiouLoss {
    fn rows(&self) -> BoxRows {
        DISTANCE.of(self.config.format, &[("eps", self.config.eps)])
    }
}
