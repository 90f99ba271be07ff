//! The curves of a training run.

use std::error::Error;
use std::ops::Range;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::log::Epoch;

/// A line of a panel: its name, its colour, and its value after each epoch.
struct Curve {
    name: &'static str,
    color: RGBColor,
    values: Vec<f64>,
}

const SIZE: (u32, u32) = (1200, 520);
const TITLE: i32 = 60;
const LEGEND: i32 = 36;
/// What is left free at the left of a panel, and what the axis there takes.
const MARGIN: i32 = 20;
const LABELS: i32 = 76;

const TRAIN: RGBColor = RGBColor(31, 95, 168);
const HELD_OUT: RGBColor = RGBColor(214, 93, 14);
const GRID: RGBColor = RGBColor(228, 228, 228);
const AXIS: RGBColor = RGBColor(96, 96, 96);

/// Draws the losses and the held-out score after each epoch, side by side.
pub(crate) fn draw(
    path: &Path,
    title: &str,
    score_name: &str,
    epochs: &[Epoch],
) -> Result<(), Box<dyn Error>> {
    let curve = |name, color, value: fn(&Epoch) -> f64| Curve {
        name,
        color,
        values: epochs.iter().map(value).collect(),
    };
    let losses = [
        curve("training", TRAIN, |epoch| epoch.train_loss),
        curve("held out", HELD_OUT, |epoch| epoch.held_out_loss),
    ];
    let scores = [curve("held out", HELD_OUT, |epoch| epoch.score)];

    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let (top, body) = root.split_vertically(TITLE);
    top.margin(12, 0, 0, 0).titled(title, ("sans-serif", 30))?;
    let (left, right) = body.split_horizontally(SIZE.0 / 2);

    let greatest = losses.iter().flat_map(|curve| &curve.values).copied();
    let greatest = greatest.fold(f64::MIN_POSITIVE, f64::max);
    panel(&left, "loss", 0.0..greatest * 1.05, &losses)?;
    // No score is above 1: the axis ends just above it, so that a curve along it is seen.
    let least = scores[0].values.iter().copied().fold(1.0, f64::min);
    let room = (1.0 - least).max(0.01);
    let range = least - 0.05 * room..1.0 + 0.02 * room;
    panel(&right, score_name, range, &scores)?;
    root.present()?;
    Ok(())
}

/// Draws an axis of epochs, an axis of values and the curves; their names stand above.
fn panel<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    name: &str,
    range: Range<f64>,
    curves: &[Curve],
) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
    let (legend, body) = area.split_vertically(LEGEND);
    for (index, curve) in curves.iter().enumerate() {
        let (x, y) = (MARGIN + LABELS + 150 * index as i32, LEGEND / 2);
        let line = vec![(x, y), (x + 30, y)];
        legend.draw(&PathElement::new(line, curve.color.stroke_width(3)))?;
        let style = ("sans-serif", 20).into_font().color(&BLACK);
        legend.draw(&Text::new(curve.name, (x + 40, y - 10), style))?;
    }

    // An axis needs two ends, also after a single epoch.
    let epochs = curves[0].values.len().max(2);
    let mut chart = ChartBuilder::on(&body)
        .margin_left(MARGIN)
        .margin_right(24)
        .margin_bottom(8)
        .margin_top(8)
        .x_label_area_size(56)
        .y_label_area_size(LABELS)
        .build_cartesian_2d(1..epochs, range)?;
    let label = labels(chart.y_range());
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(WHITE)
        .bold_line_style(GRID)
        .axis_style(AXIS)
        .label_style(("sans-serif", 18))
        .axis_desc_style(("sans-serif", 22))
        .x_labels(10)
        .y_labels(8)
        .y_label_formatter(&label)
        .x_desc("epoch")
        .y_desc(name)
        .draw()?;
    for curve in curves {
        let points = || (1..).zip(curve.values.iter().copied());
        chart.draw_series(LineSeries::new(points(), curve.color.stroke_width(2)))?;
        chart.draw_series(points().map(|point| Circle::new(point, 3, curve.color.filled())))?;
    }
    Ok(())
}

/// Labels short enough for an axis, with the decimals that tell them apart.
fn labels(range: Range<f64>) -> impl Fn(&f64) -> String {
    let step = (range.end - range.start) / 10.0;
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    let long = decimals > 4 || range.end >= 1e5;
    move |value| match long {
        true => format!("{value:.1e}"),
        false => format!("{value:.decimals$}"),
    }
}
