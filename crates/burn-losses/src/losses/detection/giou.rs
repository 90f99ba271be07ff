//! The share that two boxes have in common, and what of their enclosing box neither has.

use super::boxes::{BoxFormat, BoxFormula, of_boxes, quotient};
use crate::engine::host::boxes::BoxRows;
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::reduction::Reduction;
use crate::validate::check;
use crate::validate::error::LossError;
use burn::module::Module;

loss_config! {
    /// Configuration of [`GiouLoss`].
    pub struct GiouLossConfig {
        /// What the four numbers of a box are.
        pub format: BoxFormat = BoxFormat::Xyxy,
        /// What is added to each divisor: finite, at least 0.
        pub eps: f64 = 0.0,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

impl GiouLossConfig {
    fn validate(&self) -> Result<(), LossError> {
        check::not_negative(GiouLoss::NAME, "eps", self.eps)
    }
}

/// Giou.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct GiouLoss {
    #[module(skip)]
    config: GiouLossConfig,
}

of_boxes!(GiouLoss, GiouLossConfig);

static GENERALIZED: BoxFormula = BoxFormula::new(|boxes| {
    let [width, height] = boxes.enclosing();
    let (_, either) = boxes.areas();
    let whole = width * height;
    1.0 - boxes.iou() + quotient(whole - either, whole + boxes.eps)
});

impl GiouLoss {
    fn rows(&self) -> BoxRows {
        GENERALIZED.of(self.config.format, &[("eps", self.config.eps)])
    }
}
