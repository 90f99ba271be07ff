//! Whether a formula and its slopes agree.

use super::elementwise::CustomElementwise;
use crate::loss::LossInfo;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// How far a slope may be from the difference quotient, for each of the largest of the two and 1.
const TOLERANCE: f64 = 1e-5;

/// Compares the slopes of a loss with difference quotients, in `f64`, at points that are given: for a test of a
/// formula whose slope is [stated](CustomElementwise::with_slope). A corner is no good point: there the loss changes by
/// one slope on the one side and by another on the other.
///
/// ```
/// use burn_losses::custom::{Custom, check};
///
/// let loss = Custom::elementwise("LogCosh", |x, y| {
///     let error = (x - y).abs();
///     error + (-2.0 * error).softplus() - std::f64::consts::LN_2
/// })
/// .with_slope(|[x, y]| (x - y).tanh());
/// check(&loss, &[[0.5, 1.0], [3.0, -4.0]]);
/// ```
///
/// # Panics
///
/// With all points at which a slope is not the difference quotient, and both numbers.
#[track_caller]
pub fn check<const K: usize>(loss: &CustomElementwise<K>, points: &[[f64; K]]) {
    let found: Vec<String> = points
        .iter()
        .flat_map(|point| (0..K).filter_map(|operand| difference(loss, point, operand)))
        .collect();
    if !found.is_empty() {
        panic!(
            "{}: the slope is not what the loss changes by:\n{}",
            loss.name(),
            found.join("\n")
        );
    }
}

/// What to say of an operand with respect to which the slope is not the difference quotient.
fn difference<const K: usize>(
    loss: &CustomElementwise<K>,
    point: &[f64; K],
    operand: usize,
) -> Option<String> {
    // The error of the quotient is about the step squared, and that of rounding over the step.
    let step = 1e-5 * point[operand].abs().max(1.0);
    let moved = |step: f64| {
        let mut point = *point;
        point[operand] += step;
        loss.at(&point)[0]
    };
    let quotient = (moved(step) - moved(-step)) / (2.0 * step);
    let slope = loss.at(point)[1 + operand];
    let apart = (slope - quotient).abs();
    let close = apart <= TOLERANCE * slope.abs().max(quotient.abs()).max(1.0);
    (!close).then(|| {
        format!(
            "  at {point:?}, operand {operand}: the slope is {slope}, and the loss changes by {quotient}"
        )
    })
}
