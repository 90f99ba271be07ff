//! Which digit was taken for which.

use std::path::Path;

use burn::tensor::{Int, Tensor};
use common::Error;
use common::chart::{self, Area, BLUE, GREY, ORANGE, RGBColor};
use common::digits::CLASSES;
use plotters::prelude::*;

/// How often each digit was taken for each.
#[derive(Clone, Debug, Default)]
pub struct Confusion {
    /// By the true class, then by the predicted one.
    counts: [[usize; CLASSES]; CLASSES],
}

impl Confusion {
    /// Counts pairs of the true and the predicted class.
    pub fn new(truth: Tensor<1, Int>, predicted: Tensor<1, Int>) -> Self {
        let mut confusion = Self::default();
        let (truth, predicted) = (truth.into_data(), predicted.into_data());
        for (truth, predicted) in truth.iter::<i64>().zip(predicted.iter::<i64>()) {
            confusion.counts[truth as usize][predicted as usize] += 1;
        }
        confusion
    }

    /// The number of samples.
    pub fn total(&self) -> usize {
        self.counts.iter().flatten().sum()
    }

    /// The number of right answers.
    pub fn right(&self) -> usize {
        (0..CLASSES).map(|class| self.counts[class][class]).sum()
    }

    /// The share of right answers.
    pub fn accuracy(&self) -> f64 {
        self.right() as f64 / self.total() as f64
    }

    /// The share of a class in the truth: the accuracy of always answering with it.
    pub fn share(&self, class: usize) -> f64 {
        self.counts[class].iter().sum::<usize>() as f64 / self.total() as f64
    }

    /// The share of a class that is recognized; NaN where it does not occur.
    pub fn recall(&self, class: usize) -> f64 {
        self.counts[class][class] as f64 / self.counts[class].iter().sum::<usize>() as f64
    }

    /// The mean of the recalls of the classes that occur, in which a rare class counts as much as any.
    pub fn balanced_accuracy(&self) -> f64 {
        let recalls = (0..CLASSES).map(|class| self.recall(class));
        let occurring = recalls.filter(|recall| !recall.is_nan());
        let (sum, count) = occurring.fold((0.0, 0.0), |(sum, count), recall| {
            (sum + recall, count + 1.0)
        });
        sum / count
    }

    /// Draws the counts as a heat map.
    pub fn draw(&self, path: &Path) -> Result<(), Error> {
        let title = "Which digit was taken for which";
        chart::picture(path, SIZE, title, |root| self.cells(root))
    }

    fn cells(&self, root: &Area) -> Result<(), Error> {
        let write = |text: String, at: (i32, i32), size: i32, color: RGBColor| {
            root.draw(&Text::new(text, at, chart::centred(size, color)))
        };

        let middle = LEFT + SIDE / 2;
        let summary = format!(
            "{} of {} held-out images right ({:.1} %)",
            self.right(),
            self.total(),
            100.0 * self.accuracy()
        );
        write(summary, (middle, 2), 16, GREY)?;
        write("predicted digit".to_string(), (middle, TOP - 36), 18, BLACK)?;
        let upwards = chart::centred(18, BLACK).transform(FontTransform::Rotate270);
        root.draw(&Text::new(
            "true digit",
            (LEFT - 52, TOP + SIDE / 2),
            upwards,
        ))?;

        for (truth, row) in self.counts.iter().enumerate() {
            let y = TOP + CELL * truth as i32;
            write(truth.to_string(), (LEFT - 20, y + CELL / 2), 18, BLACK)?;
            write(
                truth.to_string(),
                (LEFT + CELL * truth as i32 + CELL / 2, TOP - 14),
                18,
                BLACK,
            )?;
            let of_class = row.iter().sum::<usize>().max(1) as f64;
            for (predicted, &count) in row.iter().enumerate() {
                let x = LEFT + CELL * predicted as i32;
                let share = count as f64 / of_class;
                let (fill, ink) = shades(share, truth == predicted);
                let corners = [(x, y), (x + CELL, y + CELL)];
                root.draw(&Rectangle::new(corners, fill.filled()))?;
                root.draw(&Rectangle::new(corners, LINES))?;
                write(count.to_string(), (x + CELL / 2, y + CELL / 2), 18, ink)?;
            }
        }
        Ok(())
    }
}

const CELL: i32 = 56;
const LEFT: i32 = 92;
const TOP: i32 = 62;
const SIDE: i32 = CELL * CLASSES as i32;
const SIZE: (u32, u32) = ((LEFT + SIDE + 32) as u32, (TOP + SIDE + 92) as u32);

const LINES: RGBColor = RGBColor(216, 216, 216);

/// The colours of a cell and of the number in it.
fn shades(share: f64, right: bool) -> (RGBColor, RGBColor) {
    let full = if right { BLUE } else { ORANGE };
    // The square root lets a single mistake be seen next to many right answers.
    let depth = share.sqrt();
    let blend = |channel: u8| (255.0 + (f64::from(channel) - 255.0) * depth).round() as u8;
    let fill = RGBColor(blend(full.0), blend(full.1), blend(full.2));
    let ink = match depth {
        0.0 => LINES,
        _ if depth > 0.6 => WHITE,
        _ => BLACK,
    };
    (fill, ink)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn counts_by_truth_and_prediction() {
        let ids = |ids: [i64; 4]| Tensor::from_data(ids, &Device::flex());
        let confusion = Confusion::new(ids([3, 3, 3, 8]), ids([3, 3, 8, 8]));
        assert_eq!(confusion.counts[3][8], 1);
        assert_eq!((confusion.right(), confusion.total()), (3, 4));
        assert_eq!((confusion.accuracy(), confusion.share(3)), (0.75, 0.75));
        assert_eq!(
            (confusion.recall(8), confusion.recall(0).is_nan()),
            (1.0, true)
        );
        let balanced = confusion.balanced_accuracy();
        assert!((balanced - 5.0 / 6.0).abs() < 1e-12, "{balanced}");
    }
}
