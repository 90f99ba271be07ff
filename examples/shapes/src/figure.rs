//! Figures from the rows of the table.

use burn::tensor::{DType, Device, Tensor, TensorData};
use common::Error;
use common::chart::{self, Area, Axis, BLUE, GREEN, ORANGE, PURPLE, RGBColor};
use math_core::{LatexToMathML, MathCoreConfig, MathDisplay};

use crate::table::{Row, rows};

/// The number of points of a curve: odd, so that the middle is one of them.
const POINTS: usize = 241;
const COLORS: [RGBColor; 4] = [BLUE, ORANGE, GREEN, PURPLE];
/// Fonts that have the parts of large braces, and room between the lines of a formula.
const STYLE: &str = "<style>.formula math{font-family:'STIX Two Math','Cambria Math',\
    'Latin Modern Math','STIX Math',math} .formula mtd{padding-top:.4em;padding-bottom:.4em} \
    .formula mtable mtable mtd{padding-top:.1em;padding-bottom:.1em} \
    .docblock>.formula{overflow-y:hidden;padding:.4em 0}</style>";
const SIZE: (u32, u32) = (960, 340);

/// All files, by name.
pub fn all() -> Result<Vec<(String, String)>, Error> {
    let rows = rows();
    let mut files = Vec::new();
    for row in &rows {
        files.push((format!("{}.html", row.name), page(row)?));
    }
    files.push(("shapes.svg".into(), overview(&rows)?));
    Ok(files)
}

/// Formula and shape, as a part of a page. There is no empty line in it: that would end the HTML
/// within Markdown.
fn page(row: &Row) -> Result<String, Error> {
    let curves = curves(row);
    let names = row.curves.iter().map(|&(name, _)| name);
    let legend: Vec<_> = names.zip(COLORS).collect();
    let picture = chart::render(SIZE, "", |body| {
        let body = chart::legend(body, &legend)?;
        let (left, right) = body.split_horizontally(SIZE.0 / 2);
        values(&left, row, &curves, "loss")?;
        gradients(&right, row, &curves)
    })?;
    let formula = typeset(row)?;
    Ok(format!(
        "{STYLE}\n<div class=\"formula\">{formula}</div>\n\
         <figure style=\"margin:1em 0\">\n{picture}</figure>\n"
    ))
}

fn typeset(row: &Row) -> Result<String, Error> {
    let lines = row.formula.join(r" \\ ");
    let latex = format!(r"\begin{{aligned}}{lines}\end{{aligned}}");
    let converter = LatexToMathML::new(MathCoreConfig::default())
        .map_err(|error| format!("the options of the formulas: {error:?}"))?;
    let formula = converter
        .convert_with_local_state(&latex, MathDisplay::Block)
        .map_err(|error| format!("the formula of {}: {error:?}", row.name))?;
    Ok(formula.mathml.replace('\n', " "))
}

/// All losses side by side.
fn overview(rows: &[Row]) -> Result<String, Error> {
    const CELL: (i32, i32) = (300, 270);
    const COLUMNS: usize = 5;
    let lines = rows.len().div_ceil(COLUMNS);
    let size = (
        CELL.0 as u32 * COLUMNS as u32,
        60 + CELL.1 as u32 * lines as u32,
    );
    chart::render(size, "The shape of each loss", |body| {
        for (row, cell) in rows.iter().zip(body.split_evenly((lines, COLUMNS))) {
            let cell = chart::titled(&cell, row.title)?;
            values(&cell, row, &curves(row), "")?;
        }
        Ok(())
    })
}

/// A loss at one number.
struct Point {
    x: f64,
    value: f64,
    gradient: f64,
}

/// Each curve of a row, computed by the loss itself.
fn curves(row: &Row) -> Vec<Vec<Point>> {
    let device = Device::flex().autodiff();
    let step = (row.range.end - row.range.start) / (POINTS - 1) as f64;
    let xs: Vec<f64> = (0..POINTS)
        .map(|index| row.range.start + step * index as f64)
        .collect();
    let of = |loss: fn(Tensor<1>) -> Tensor<1>| {
        let data = TensorData::new(xs.clone(), [POINTS]);
        let x = Tensor::<1>::from_data(data, (&device, DType::F64)).require_grad();
        let values = loss(x.clone());
        let gradient = x.grad(&values.clone().sum().backward());
        let gradient = gradient.expect("the loss depends on its input").into_data();
        let values = values.into_data();
        let points = xs
            .iter()
            .zip(values.iter::<f64>())
            .zip(gradient.iter::<f64>());
        points
            .map(|((&x, value), gradient)| Point { x, value, gradient })
            .collect()
    };
    row.curves.iter().map(|&(_, loss)| of(loss)).collect()
}

/// Draws the value of each curve.
fn values(area: &Area, row: &Row, curves: &[Vec<Point>], name: &str) -> Result<(), Error> {
    let all = curves.iter().flatten().map(|point| point.value);
    let y = Axis::around(name, all.chain([0.0]));
    draw(area, row, y, curves, |point| point.value)
}

/// Draws the gradient of each curve.
fn gradients(area: &Area, row: &Row, curves: &[Vec<Point>]) -> Result<(), Error> {
    let all = curves.iter().flatten().map(|point| point.gradient);
    let y = match &row.gradients {
        Some(range) => Axis::new("gradient", range.clone()),
        None => Axis::around("gradient", all.chain([0.0])),
    };
    draw(area, row, y, curves, |point| point.gradient)
}

/// Draws curves, with breaks where they leave the axis and where they jump.
fn draw(
    area: &Area,
    row: &Row,
    y: Axis,
    curves: &[Vec<Point>],
    height: impl Fn(&Point) -> f64,
) -> Result<(), Error> {
    let x = Axis::new(
        if y.name.is_empty() { "" } else { row.x },
        row.range.clone(),
    );
    let range = y.range.clone();
    let jump = 0.2 * (range.end - range.start);
    let mut axes = chart::panel(area, x, y, &[])?;
    for (curve, color) in curves.iter().zip(COLORS) {
        let whole = curve.chunk_by(|one, other| {
            let (one, other) = (height(one), height(other));
            (one - other).abs() < jump && range.contains(&one) && range.contains(&other)
        });
        for piece in whole.filter(|piece| piece.len() > 1) {
            let points: Vec<_> = piece.iter().map(|at| (at.x, height(at))).collect();
            chart::line(
                &mut axes,
                simplified(&points, 0.001 * (range.end - range.start)),
                color,
            )?;
        }
    }
    Ok(())
}

/// Fewer points of the same line (Douglas and Peucker): a straight part needs but its ends, and a
/// point at every pixel would make it ragged.
fn simplified(points: &[(f64, f64)], tolerance: f64) -> Vec<(f64, f64)> {
    let (Some(&first), Some(&last)) = (points.first(), points.last()) else {
        return Vec::new();
    };
    let slope = (last.1 - first.1) / (last.0 - first.0);
    let off = |point: &(f64, f64)| (point.1 - first.1 - slope * (point.0 - first.0)).abs();
    let farthest =
        (1..points.len() - 1).max_by(|&a, &b| off(&points[a]).total_cmp(&off(&points[b])));
    match farthest {
        Some(index) if off(&points[index]) > tolerance => {
            let mut left = simplified(&points[..=index], tolerance);
            left.pop();
            left.extend(simplified(&points[index..], tolerance));
            left
        }
        _ => vec![first, last],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straight_line_needs_its_ends() {
        let at = |x: f64| (x, (x - 2.0).abs());
        let points: Vec<_> = (0..5).map(|x| at(f64::from(x))).collect();
        assert_eq!(simplified(&points, 0.01), [at(0.0), at(2.0), at(4.0)]);
    }
}
