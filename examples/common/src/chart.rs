//! The look of the pictures: colours, text, axes and legends, once for all.

use std::ops::Range;
use std::path::Path;

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::Error;

pub use plotters::style::RGBColor;

/// A part of a picture.
pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Axes to draw on.
pub type Axes<'a, 'b> =
    ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// The colour of what comes first.
pub const BLUE: RGBColor = RGBColor(31, 95, 168);
/// The colour of what it is compared with.
pub const ORANGE: RGBColor = RGBColor(214, 93, 14);
/// The colour of a third.
pub const GREEN: RGBColor = RGBColor(46, 132, 74);
/// The colour of a fourth.
pub const PURPLE: RGBColor = RGBColor(128, 74, 160);
/// The colour of what is there for comparison only.
pub const GREY: RGBColor = RGBColor(96, 96, 96);
/// The colour of lines behind everything.
pub const GRID: RGBColor = RGBColor(228, 228, 228);

/// What is free at the left of a panel, and what the axis there takes.
const MARGIN: i32 = 20;
const LABELS: i32 = 76;
const TITLE: i32 = 60;
const LEGEND: i32 = 36;

/// Draws a picture with a title to a file.
pub fn picture(
    path: &Path,
    size: (u32, u32),
    title: &str,
    draw: impl FnOnce(&Area) -> Result<(), Error>,
) -> Result<(), Error> {
    let drawn = render(size, title, draw)?;
    std::fs::write(path, drawn)
        .map_err(|error| format!("cannot write {}: {error}", path.display()).into())
}

/// Draws a picture with a title, if there is one, as SVG.
pub fn render(
    size: (u32, u32),
    title: &str,
    draw: impl FnOnce(&Area) -> Result<(), Error>,
) -> Result<String, Error> {
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, size).into_drawing_area();
        root.fill(&WHITE)?;
        if title.is_empty() {
            draw(&root)?;
        } else {
            let (top, body) = root.split_vertically(TITLE);
            let middle = (size.0 as i32 / 2, TITLE / 2 + 4);
            top.draw(&Text::new(title.to_string(), middle, centred(26, BLACK)))?;
            draw(&body)?;
        }
        root.present()?;
    }
    // A page may be narrower than the picture.
    Ok(text.replacen("<svg ", "<svg style=\"max-width:100%;height:auto\" ", 1))
}

/// Writes a title above a part of a picture, and gives the rest of it.
pub fn titled<'a>(area: &Area<'a>, title: &str) -> Result<Area<'a>, Error> {
    let (top, body) = area.split_vertically(28);
    let middle = (top.dim_in_pixel().0 as i32 / 2, 18);
    top.draw(&Text::new(title.to_string(), middle, centred(17, BLACK)))?;
    Ok(body)
}

/// Text in the middle of its place.
pub fn centred(size: i32, color: RGBColor) -> TextStyle<'static> {
    let style = ("sans-serif", size).into_font().color(&color);
    style.pos(Pos::new(HPos::Center, VPos::Center))
}

/// An axis: its name and what it shows.
pub struct Axis<'a> {
    /// What is written beside it.
    pub name: &'a str,
    /// Its ends.
    pub range: Range<f64>,
}

impl<'a> Axis<'a> {
    /// An axis from one end to the other.
    pub fn new(name: &'a str, range: Range<f64>) -> Self {
        Self { name, range }
    }

    /// An axis that holds all values, with some room.
    pub fn around(name: &'a str, values: impl IntoIterator<Item = f64>) -> Self {
        let (least, largest) = values.into_iter().fold(
            (f64::INFINITY, f64::NEG_INFINITY),
            |(least, largest), value| (least.min(value), largest.max(value)),
        );
        let room = ((largest - least) * 0.04).max(1e-9);
        Self::new(name, least - room..largest + room)
    }
}

/// Writes names and colours above a part of a picture, and gives the rest of it.
pub fn legend<'a>(area: &Area<'a>, entries: &[(&str, RGBColor)]) -> Result<Area<'a>, Error> {
    let (above, body) = area.split_vertically(LEGEND);
    draw_legend(&above, entries)?;
    Ok(body)
}

fn draw_legend(area: &Area, entries: &[(&str, RGBColor)]) -> Result<(), Error> {
    let mut left = MARGIN + LABELS;
    for &(name, color) in entries {
        let y = LEGEND / 2;
        let line = vec![(left, y), (left + 28, y)];
        area.draw(&PathElement::new(line, color.stroke_width(3)))?;
        let style = ("sans-serif", 18).into_font().color(&BLACK);
        area.draw(&Text::new(name.to_string(), (left + 36, y - 9), style))?;
        left += 64 + 9 * name.chars().count() as i32;
    }
    Ok(())
}

/// Two axes, with a legend of names and colours above them where there are any. Without a name the
/// axes take little room.
pub fn panel<'a, 'b>(
    area: &'a Area<'b>,
    x: Axis,
    y: Axis,
    legend: &[(&str, RGBColor)],
) -> Result<Axes<'a, 'b>, Error> {
    let (above, body) = area.split_vertically(if legend.is_empty() { 8 } else { LEGEND });
    draw_legend(&above, legend)?;
    let small = y.name.is_empty();
    let mut axes = ChartBuilder::on(&body)
        .margin_left(if small { 8 } else { MARGIN })
        .margin_right(24)
        .margin_bottom(8)
        .margin_top(8)
        .x_label_area_size(if small { 32 } else { 56 })
        .y_label_area_size(if small { 44 } else { LABELS })
        .build_cartesian_2d(x.range.clone(), y.range.clone())?;
    let (of_x, of_y) = (labels(x.range), labels(y.range));
    axes.configure_mesh()
        .disable_x_mesh()
        .max_light_lines(0)
        .bold_line_style(GRID)
        .axis_style(GREY)
        .label_style(("sans-serif", if small { 15 } else { 18 }))
        .axis_desc_style(("sans-serif", 20))
        .x_labels(if small { 5 } else { 8 })
        .y_labels(if small { 6 } else { 8 })
        .x_label_formatter(&of_x)
        .y_label_formatter(&of_y)
        .x_desc(x.name)
        .y_desc(y.name)
        .draw()?;
    Ok(axes)
}

/// Draws a line through points.
pub fn line(
    axes: &mut Axes,
    points: impl IntoIterator<Item = (f64, f64)>,
    color: RGBColor,
) -> Result<(), Error> {
    axes.draw_series(LineSeries::new(points, color.stroke_width(2)))?;
    Ok(())
}

/// Draws a dot at each point.
pub fn dots(
    axes: &mut Axes,
    points: impl IntoIterator<Item = (f64, f64)>,
    size: i32,
    color: RGBColor,
) -> Result<(), Error> {
    let points = points.into_iter();
    axes.draw_series(points.map(|point| Circle::new(point, size, color.filled())))?;
    Ok(())
}

/// Writes a text at each point.
pub fn letters(
    axes: &mut Axes,
    points: impl IntoIterator<Item = (f64, f64)>,
    text: &str,
    color: RGBColor,
) -> Result<(), Error> {
    let points = points.into_iter();
    axes.draw_series(points.map(|point| Text::new(text.to_string(), point, centred(15, color))))?;
    Ok(())
}

/// The colour of one class of ten: dark enough for letters on white.
pub fn of_class(class: usize) -> RGBColor {
    const COLORS: [RGBColor; 10] = [
        BLUE,
        ORANGE,
        GREEN,
        RGBColor(192, 32, 44),
        PURPLE,
        RGBColor(125, 84, 66),
        RGBColor(206, 72, 160),
        RGBColor(84, 84, 84),
        RGBColor(134, 128, 16),
        RGBColor(0, 136, 152),
    ];
    COLORS[class % COLORS.len()]
}

/// Labels short enough for an axis, with the decimals that tell them apart.
fn labels(range: Range<f64>) -> impl Fn(&f64) -> String {
    // The labels are at least an eighth apart, by 1, 2 or 5 times a power of ten.
    let step = (range.end - range.start) / 8.0;
    let decimals = (-(1.99 * step).log10().floor()).max(0.0) as usize;
    let long = decimals > 4 || range.end.abs() >= 1e5;
    move |value| match long {
        true => format!("{value:.1e}"),
        false => {
            // Adding 0 takes the sign from what is rounded to 0.
            let scale = 10f64.powi(decimals as i32);
            let rounded = (value * scale).round() / scale + 0.0;
            format!("{rounded:.decimals$}")
        }
    }
}
