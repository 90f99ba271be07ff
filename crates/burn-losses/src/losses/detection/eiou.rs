//! The share that two boxes have in common, and how far their centres, widths and heights are apart.

use super::boxes::{BoxFormat, BoxFormula, of_boxes, quotient};
use crate::engine::host::boxes::BoxRows;
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::reduction::Reduction;
use crate::validate::check;
use crate::validate::error::LossError;
use burn::module::Module;

loss_config! {
    /// Configuration of [`EiouLoss`].
    pub struct EiouLossConfig {
        /// What the four numbers of a box are.
        pub format: BoxFormat = BoxFormat::Xyxy,
        /// What is added to each divisor: finite, at least 0.
        pub eps: f64 = 0.0,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

impl EiouLossConfig {
    fn validate(&self) -> Result<(), LossError> {
        check::not_negative(EiouLoss::NAME, "eps", self.eps)
    }
}

/// Eiou.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct EiouLoss {
    #[module(skip)]
    config: EiouLossConfig,
}

of_boxes!(EiouLoss, EiouLossConfig);

static EFFICIENT: BoxFormula = BoxFormula::new(|boxes| {
    let [width, height] = boxes.enclosing();
    let [of_x, of_y] = [(boxes.x, width), (boxes.y, height)].map(|([given, truth], whole)| {
        let off = given.length - truth.length;
        quotient(off.square(), whole.square() + boxes.eps)
    });
    boxes.distance() + of_x + of_y
});

impl EiouLoss {
    fn rows(&self) -> BoxRows {
        EFFICIENT.of(self.config.format, &[("eps", self.config.eps)])
    }
}
