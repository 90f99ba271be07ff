//! The share that two boxes have in common, how far their centres are apart, in which direction, and how unlike their sizes are.

use super::boxes::{BoxFormat, BoxFormula, greater, of_boxes, quotient};
use crate::engine::host::boxes::BoxRows;
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::expression::Expr;
use crate::spec::reduction::Reduction;
use crate::validate::check;
use crate::validate::error::LossError;
use burn::module::Module;

loss_config! {
    /// Configuration of [`SiouLoss`].
    pub struct SiouLossConfig {
        /// The power of the part of unlike sizes: finite, above 0.
        pub theta: f64 = 4.0,
        /// What the four numbers of a box are.
        pub format: BoxFormat = BoxFormat::Xyxy,
        /// What is added to each divisor: finite, at least 0.
        pub eps: f64 = 0.0,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

impl SiouLossConfig {
    fn validate(&self) -> Result<(), LossError> {
        check::positive(SiouLoss::NAME, "theta", self.theta)?;
        check::not_negative(SiouLoss::NAME, "eps", self.eps)
    }
}

/// Siou.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct SiouLoss {
    #[module(skip)]
    config: SiouLossConfig,
}

of_boxes!(SiouLoss, SiouLossConfig);

static BY_ANGLE: BoxFormula = BoxFormula::new(|boxes| {
    let [width, height] = boxes.enclosing();
    let [dx, dy] = boxes.apart();
    // The sine of twice the angle between the line through the centres and an axis.
    let angle = quotient(2.0 * dx.abs() * dy.abs(), dx.square() + dy.square());
    let near = |off: Expr, whole: Expr| {
        1.0 - ((angle - 2.0) * quotient(off.square(), whole.square() + boxes.eps)).exp()
    };
    let distance = near(dx, width) + near(dy, height);
    let [of_x, of_y] = [boxes.x, boxes.y].map(|[given, truth]| {
        let off = (given.length - truth.length).abs();
        let unlike = 1.0 - (-quotient(off, greater(given.length, truth.length))).exp();
        // Its slope at 0 is 0, whatever the power.
        let is_zero = unlike.equals(0.0);
        let power = is_zero.select(1.0, unlike).powf(Expr::parameter("theta"));
        is_zero.select(0.0, power)
    });
    1.0 - boxes.iou() + 0.5 * (distance + of_x + of_y)
});

impl SiouLoss {
    fn rows(&self) -> BoxRows {
        let SiouLossConfig {
            theta, format, eps, ..
        } = self.config;
        BY_ANGLE.of(format, &[("theta", theta), ("eps", eps)])
    }
}
