//! The share that two boxes have in common, how far their centres are apart, and how unlike their shapes are.

use super::boxes::{BoxFormat, BoxFormula, Side, of_boxes, quotient};
use crate::engine::host::boxes::BoxRows;
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::expression::Expr;
use crate::spec::reduction::Reduction;
use crate::validate::check;
use crate::validate::error::LossError;
use burn::module::Module;

loss_config! {
    /// Configuration of [`CiouLoss`].
    pub struct CiouLossConfig {
        /// From which share of the common area on unlike shapes count: from 0 to 1.
        pub aspect_gate: f64 = 0.0,
        /// What the four numbers of a box are.
        pub format: BoxFormat = BoxFormat::Xyxy,
        /// What is added to each divisor: finite, at least 0.
        pub eps: f64 = 0.0,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

impl CiouLossConfig {
    fn validate(&self) -> Result<(), LossError> {
        check::hyper_parameter(
            CiouLoss::NAME,
            "aspect_gate",
            self.aspect_gate,
            |gate| (0.0..=1.0).contains(&gate),
            "between 0 and 1",
        )?;
        check::not_negative(CiouLoss::NAME, "eps", self.eps)
    }
}

/// Ciou.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct CiouLoss {
    #[module(skip)]
    config: CiouLossConfig,
}

of_boxes!(CiouLoss, CiouLossConfig);

/// The angle of a diagonal: the arc tangent of the width over the height, of a quotient that is at most 1.
fn angle(width: Side, height: Side) -> Expr {
    let wide = width.length.above(height.length);
    let (less, more) = (
        wide.select(height.length, width.length),
        wide.select(width.length, height.length),
    );
    let angle = quotient(less, more).atan();
    wide.select(core::f64::consts::FRAC_PI_2 - angle, angle)
}

static COMPLETE: BoxFormula = BoxFormula::new(|boxes| {
    let [of_given, of_truth] = [0, 1].map(|at| angle(boxes.x[at], boxes.y[at]));
    let half_turn = core::f64::consts::FRAC_PI_2;
    let unlike = ((of_truth - of_given) * (1.0 / half_turn)).square();
    let iou = boxes.iou();
    let share = quotient(unlike, 1.0 - iou + unlike).detach();
    let below = iou.below(Expr::parameter("aspect_gate"));
    boxes.distance() + below.select(0.0, share * unlike)
});

impl CiouLoss {
    fn rows(&self) -> BoxRows {
        let CiouLossConfig {
            aspect_gate,
            format,
            eps,
            ..
        } = self.config;
        COMPLETE.of(format, &[("aspect_gate", aspect_gate), ("eps", eps)])
    }
}
