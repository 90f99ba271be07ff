//! The curves of a training run.

use std::path::Path;

use crate::Error;
use crate::chart::{self, Axes, Axis, BLUE, ORANGE, RGBColor};
use crate::log::Epoch;

/// Draws the losses and the held-out score after each epoch, side by side.
pub fn draw(path: &Path, title: &str, score_name: &str, epochs: &[Epoch]) -> Result<(), Error> {
    let of = |value: fn(&Epoch) -> f64| epochs.iter().map(value).collect::<Vec<_>>();
    let train = of(|epoch| epoch.train_loss);
    let held_out = of(|epoch| epoch.held_out_loss);
    let scores = of(|epoch| epoch.score);

    let size = (1200, 520);
    chart::picture(path, size, title, |body| {
        let (left, right) = body.split_horizontally(size.0 / 2);
        // An axis needs two ends, also after a single epoch.
        let x = || Axis::new("epoch", 1.0..epochs.len().max(2) as f64);

        let losses = train.iter().chain(&held_out).copied();
        let y = if losses.clone().all(|loss| loss >= 0.0) {
            let greatest = losses.fold(f64::MIN_POSITIVE, f64::max);
            Axis::new("loss", 0.0..greatest * 1.05)
        } else {
            // The logarithm of a likelihood: 0 is no loss to compare with.
            Axis::around("loss", losses)
        };
        let mut axes = chart::panel(&left, x(), y, &[("training", BLUE), ("held out", ORANGE)])?;
        curve(&mut axes, &train, BLUE)?;
        curve(&mut axes, &held_out, ORANGE)?;

        // No score is above 1: the axis ends just above it, so that a curve along it is seen.
        let least = scores.iter().copied().fold(1.0, f64::min);
        let room = (1.0 - least).max(0.01);
        let y = Axis::new(score_name, least - 0.05 * room..1.0 + 0.02 * room);
        let mut axes = chart::panel(&right, x(), y, &[("held out", ORANGE)])?;
        curve(&mut axes, &scores, ORANGE)
    })
}

/// Draws a value after each epoch.
pub fn curve(axes: &mut Axes, values: &[f64], color: RGBColor) -> Result<(), Error> {
    let points = || (1..).map(f64::from).zip(values.iter().copied());
    chart::line(axes, points(), color)?;
    // With many epochs, dots would be a thick line.
    match values.len() {
        0..=60 => chart::dots(axes, points(), 3, color),
        _ => Ok(()),
    }
}
