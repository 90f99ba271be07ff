//! The picture of some held-out images, what is in them, and what was found.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use common::Error;
use common::chart::{self, RGBColor};
use plotters::prelude::{BLACK, Text};

use crate::data::{CLASSES, CROSS, DISC, NAMES, PIXELS, Picture, SIDE, SQUARE};

/// How many images there are in the picture.
const ROWS: usize = 5;
/// How many dots a pixel has along each side, in the picture.
const SCALE: usize = 3;
const PANEL: i32 = (SIDE * SCALE) as i32;
const GAP: i32 = 14;
/// What the title and the legend take, and the names of the columns below them.
const TITLE: i32 = 96;
const HEADING: i32 = 28;

/// How many greys there are: more would not be told apart beside the noise, and fewer make a shorter file.
const GREYS: f32 = 32.0;

/// A name, and the classes of all held-out pixels by it.
pub type Column<'a> = (&'a str, &'a [usize]);

/// The colour of a class: none of them looks like a grey of the images but that of the background.
fn of_class(class: usize) -> RGBColor {
    match class {
        DISC => chart::BLUE,
        SQUARE => chart::GREEN,
        CROSS => RGBColor(214, 30, 60),
        _ => RGBColor(232, 232, 232),
    }
}

fn grey(pixel: f32) -> RGBColor {
    let level = ((pixel + 0.5).clamp(0.0, 1.0) * (GREYS - 1.0)).round();
    let level = (level * 255.0 / (GREYS - 1.0)) as u8;
    RGBColor(level, level, level)
}

/// Draws the first held-out images, each with what the columns say of it, side by side.
pub fn draw(path: &Path, held_out: &[Picture], columns: &[Column]) -> Result<(), Error> {
    let drawn = render(held_out, columns)?;
    std::fs::write(path, drawn)
        .map_err(|error| format!("cannot write {}: {error}", path.display()).into())
}

fn render(held_out: &[Picture], columns: &[Column]) -> Result<String, Error> {
    let rows = held_out.len().min(ROWS);
    let size = [columns.len() + 1, rows].map(|count| GAP + count as i32 * (PANEL + GAP));
    let size = (size[0] as u32, (TITLE + HEADING + size[1]) as u32);
    let place = |at: usize| GAP + at as i32 * (PANEL + GAP);

    let names = ["image"].into_iter().chain(columns.iter().map(|it| it.0));
    let legend: Vec<_> = (1..CLASSES)
        .map(|class| (NAMES[class], of_class(class)))
        .collect();
    let mut origin = (0, 0);
    let drawn = chart::render(size, "Held-out images, and what is found in them", |root| {
        let body = chart::legend(root, &legend)?;
        let (x, y) = body.get_pixel_range();
        origin = (x.start, y.start);
        for (column, name) in names.enumerate() {
            let middle = (place(column) + PANEL / 2, HEADING / 2);
            let style = chart::centred(17, BLACK);
            body.draw(&Text::new(name.to_string(), middle, style))?;
        }
        Ok(())
    })?;

    let mut panels = String::new();
    for (row, picture) in held_out.iter().take(rows).enumerate() {
        let y = origin.1 + HEADING + place(row);
        let greys = picture.pixels.iter().map(|&pixel| grey(pixel)).collect();
        panels += &panel(greys, (origin.0 + place(0), y));
        for (column, (_, classes)) in columns.iter().enumerate() {
            let classes = &classes[row * PIXELS..][..PIXELS];
            let colors = classes.iter().map(|&class| of_class(class)).collect();
            panels += &panel(colors, (origin.0 + place(column + 1), y));
        }
    }
    Ok(drawn.replacen("</svg>", &format!("{panels}</svg>"), 1))
}

/// An image as SVG: all runs of pixels of one colour are one path, much shorter than a rectangle for each pixel.
fn panel(colors: Vec<RGBColor>, (x, y): (i32, i32)) -> String {
    let mut paths: BTreeMap<(u8, u8, u8), String> = BTreeMap::new();
    for (row, colors) in colors.chunks(SIDE).enumerate() {
        let mut column = 0;
        for run in colors.chunk_by(|one, next| one == next) {
            let RGBColor(red, green, blue) = run[0];
            let path = paths.entry((red, green, blue)).or_default();
            // Writing to a text does not fail.
            let _ = write!(path, "M{column} {row}h{}", run.len());
            column += run.len();
        }
    }
    // A line as wide as a pixel lies on both sides of its middle.
    let place = format!("translate({x},{y}) scale({SCALE}) translate(0,0.5)");
    let mut svg =
        format!("<g transform=\"{place}\" fill=\"none\" shape-rendering=\"crispEdges\">\n");
    for ((red, green, blue), path) in paths {
        svg += &format!("<path stroke=\"#{red:02x}{green:02x}{blue:02x}\" d=\"{path}\"/>\n");
    }
    svg + "</g>\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn runs_of_a_colour_are_one_path() {
        let colors = (0..PIXELS).map(|at| of_class(if at < 2 { DISC } else { SQUARE }));
        let svg = panel(colors.collect(), (3, 4));
        assert_eq!(svg.matches("<path").count(), 2);
        assert!(svg.contains("d=\"M0 0h2\"") && svg.contains("d=\"M2 0h46M0 1h48"));
    }

    #[test]
    fn the_panels_are_within_the_picture() {
        let mut rng = StdRng::seed_from_u64(1);
        let held_out: Vec<_> = (0..2).map(|_| Picture::draw(&mut rng)).collect();
        let truth: Vec<usize> = held_out.iter().flat_map(|it| it.classes.clone()).collect();
        let svg = render(&held_out, &[("truth", &truth)]).unwrap();
        assert_eq!(svg.matches("<g ").count(), 4);
        assert!(svg.trim_end().ends_with("</svg>"));
        // The last panel ends a gap before the picture does.
        let (right, below) = (
            2 * (GAP + PANEL) + GAP,
            TITLE + HEADING + 2 * (GAP + PANEL) + GAP,
        );
        assert!(svg.contains(&format!("width=\"{right}\" height=\"{below}\"")));
        let last = (right - GAP - PANEL, below - GAP - PANEL);
        assert!(svg.contains(&format!("translate({},{})", last.0, last.1)));
    }
}
