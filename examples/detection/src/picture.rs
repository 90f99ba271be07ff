//! Some of the held-out images, with the true boxes and the predicted ones.

use std::path::Path;

use common::Error;
use common::chart::{self, Area, GREEN, ORANGE, RGBColor};
use plotters::prelude::*;

use crate::model::{ends, iou};
use crate::scenes::{SIDE, Scene};

const ROWS: usize = 2;
const COLUMNS: usize = 4;
/// The side of a pixel, and what is free beside an image.
const PIXEL: i32 = 8;
const MARGIN: i32 = 12;
/// What the titles of the picture and of an image take, and the legend.
const HEAD: i32 = 96;
const TITLE: i32 = 28;

const WIDTH: i32 = PIXEL * SIDE as i32 + 2 * MARGIN;
const HEIGHT: i32 = PIXEL * SIDE as i32 + MARGIN + TITLE;
const SIZE: (u32, u32) = (
    (COLUMNS as i32 * WIDTH) as u32,
    (HEAD + ROWS as i32 * HEIGHT) as u32,
);

/// How many shades of grey there are. Neighbours of the same shade are one rectangle, so the file has fewer of them.
const SHADES: f32 = 16.0;

/// Draws the first images, and what is said of them.
pub(crate) fn draw(
    path: &Path,
    title: &str,
    scenes: &[Scene],
    answers: &[[f32; 4]],
) -> Result<(), Error> {
    chart::picture(path, SIZE, title, |body| {
        let body = chart::legend(body, &[("true box", GREEN), ("predicted box", ORANGE)])?;
        let cells = body.split_evenly((ROWS, COLUMNS));
        for (cell, (scene, &answer)) in cells.iter().zip(scenes.iter().zip(answers)) {
            let title = format!("IoU {:.2}", iou(answer, scene.target));
            let cell = chart::titled(cell, &title)?;
            image(&cell, scene)?;
            outline(&cell, scene.target, GREEN)?;
            outline(&cell, answer, ORANGE)?;
        }
        Ok(())
    })
}

/// Draws the pixels of an image.
fn image(area: &Area, scene: &Scene) -> Result<(), Error> {
    let shades: Vec<u8> = scene.pixels.iter().map(|&pixel| shade(pixel)).collect();
    for (row, shades) in shades.chunks(SIDE).enumerate() {
        let top = PIXEL * row as i32;
        let mut column = 0;
        for same in shades.chunk_by(|one, other| one == other) {
            let [left, right] = [column, column + same.len()].map(|at| MARGIN + PIXEL * at as i32);
            let grey = RGBColor(same[0], same[0], same[0]);
            let corners = [(left, top), (right, top + PIXEL)];
            area.draw(&Rectangle::new(corners, grey.filled()))?;
            column += same.len();
        }
    }
    Ok(())
}

/// The nearest shade of grey.
fn shade(pixel: f32) -> u8 {
    let step = (pixel.clamp(0.0, 1.0) * (SHADES - 1.0)).round();
    (step * 255.0 / (SHADES - 1.0)) as u8
}

/// Draws a box on an image.
fn outline(area: &Area, around: [f32; 4], color: RGBColor) -> Result<(), Error> {
    let side = (PIXEL * SIDE as i32) as f32;
    let [left, top, right, bottom] = ends(around).map(|share| (share * side).round() as i32);
    let (left, right) = (MARGIN + left, MARGIN + right);
    let corners = vec![
        (left, top),
        (right, top),
        (right, bottom),
        (left, bottom),
        (left, top),
    ];
    area.draw(&PathElement::new(corners, color.stroke_width(3)))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shades_go_from_black_to_white() {
        assert_eq!([-0.1, 0.0, 1.0, 1.1].map(shade), [0, 0, 255, 255]);
        assert_eq!(shade(0.5), shade(0.51));
    }
}
