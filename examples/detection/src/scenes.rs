//! The images: an object in front of a few lines, and the box around it.

use core::array;
use core::f32::consts::TAU;
use core::ops::{Range, RangeInclusive};

use burn::tensor::{Device, Tensor, TensorData};
use common::tabular::mean;
use common::training::Samples;
use rand::Rng;

/// The pixels of a side of an image.
pub(crate) const SIDE: usize = 32;
/// The pixels of a side of a window, which the network sees at a time, and from one window to the next.
pub(crate) const WINDOW: usize = 12;
const STEP: usize = 4;
/// How many windows an image has.
pub(crate) const WINDOWS: usize = ((SIDE - WINDOW) / STEP + 1).pow(2);

/// How many images there are to train on, and to test with.
const TRAIN: usize = 3000;
const HELD_OUT: usize = 600;

/// The sides of an object, in pixels: as many of 4 to 8 as of 8 to 16.
const SHORTEST: usize = 4;
const LONGEST: usize = 22;
/// How bright the background is, how much brighter an object, by how much a line differs.
const BACKGROUND: Range<f32> = 0.3..0.5;
const OBJECT: Range<f32> = 0.2..0.4;
const LINE: Range<f32> = 0.15..0.35;
/// How many lines there are, and how long they are, in pixels.
const LINES: RangeInclusive<usize> = 2..=4;
const LENGTH: RangeInclusive<usize> = 8..=24;
/// By how much the noise changes a pixel at most.
const NOISE: f32 = 0.1;

/// An image, and the box around what it shows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scene {
    /// From 0 (black) to 1 (white) but for noise, row by row.
    pub(crate) pixels: Vec<f32>,
    /// The centre, the width and the height, as shares of the image's side.
    pub(crate) target: [f32; 4],
}

/// The images to train on and those to test with.
pub(crate) struct Scenes {
    train: Vec<Scene>,
    pub(crate) held_out: Vec<Scene>,
}

/// Images and boxes as tensors.
pub(crate) struct Batch {
    /// The windows of one image after the other, `[N * WINDOWS, WINDOW * WINDOW]`.
    ///
    /// A layer of the windows is a convolution, but by a product of matrices, which is fast on every
    /// backend.
    pub(crate) windows: Tensor<2>,
    /// `[N, 4]`
    pub(crate) targets: Tensor<2>,
}

impl Scene {
    /// An image at random.
    fn draw(rng: &mut impl Rng) -> Self {
        let background = rng.random_range(BACKGROUND);
        let mut pixels = vec![background; SIDE * SIDE];
        for _ in 0..rng.random_range(LINES) {
            line(&mut pixels, background, rng);
        }

        let size: [usize; 2] = array::from_fn(|_| length(rng));
        let corner = size.map(|length| rng.random_range(0..=SIDE - length));
        let round = rng.random_bool(0.5);
        let brightness = background + rng.random_range(OBJECT);
        object(&mut pixels, corner, size, round, brightness);
        for pixel in &mut pixels {
            *pixel += rng.random_range(-NOISE..NOISE);
        }

        let share = |pixels: f32| pixels / SIDE as f32;
        let [x, y] = array::from_fn(|at| share(corner[at] as f32 + size[at] as f32 / 2.0));
        let [width, height] = size.map(|length| share(length as f32));
        Self {
            pixels,
            target: [x, y, width, height],
        }
    }
}

/// A side of an object, whose logarithm is uniform.
fn length(rng: &mut impl Rng) -> usize {
    let ratio = (LONGEST + 1) as f32 / SHORTEST as f32;
    let length = SHORTEST as f32 * ratio.powf(rng.random::<f32>());
    (length as usize).min(LONGEST)
}

/// Draws a line, which may leave the image.
fn line(pixels: &mut [f32], background: f32, rng: &mut impl Rng) {
    let start: [f32; 2] = array::from_fn(|_| rng.random_range(0.0..SIDE as f32));
    let angle: f32 = rng.random_range(0.0..TAU);
    let length = rng.random_range(LENGTH);
    let difference = rng.random_range(LINE);
    let brightness = match rng.random_bool(0.5) {
        true => background + difference,
        false => background - difference,
    };
    let inside = 0.0..SIDE as f32;
    // By half a pixel, so that none is left out.
    for half in 0..2 * length {
        let along = half as f32 / 2.0;
        let x = start[0] + along * angle.cos();
        let y = start[1] + along * angle.sin();
        if inside.contains(&x) && inside.contains(&y) {
            pixels[y as usize * SIDE + x as usize] = brightness;
        }
    }
}

/// Draws an ellipse or a rectangle that fills a box, of which the corner at the top left and the size are given.
fn object(
    pixels: &mut [f32],
    [left, top]: [usize; 2],
    [width, height]: [usize; 2],
    round: bool,
    brightness: f32,
) {
    // Where the middle of a pixel is: from -1 to 1 in the box.
    let place = |at: usize, length: usize| (2 * at + 1) as f32 / length as f32 - 1.0;
    for y in 0..height {
        for x in 0..width {
            let from_middle = place(x, width).powi(2) + place(y, height).powi(2);
            if !round || from_middle <= 1.0 {
                pixels[(top + y) * SIDE + left + x] = brightness;
            }
        }
    }
}

impl Scenes {
    /// Images at random.
    pub(crate) fn draw(rng: &mut impl Rng) -> Self {
        let [train, held_out] =
            [TRAIN, HELD_OUT].map(|count| (0..count).map(|_| Scene::draw(rng)).collect());
        Self { train, held_out }
    }

    /// All held-out images.
    pub(crate) fn tests(&self, device: &Device) -> Batch {
        Batch::new(self.held_out.iter(), device)
    }

    /// The mean box of the training images.
    pub(crate) fn mean_box(&self) -> [f32; 4] {
        array::from_fn(|at| mean(self.train.iter().map(|scene| scene.target[at])))
    }
}

impl Batch {
    /// The windows and the boxes of images.
    fn new<'a>(scenes: impl Iterator<Item = &'a Scene>, device: &Device) -> Self {
        let (mut windows, mut targets) = (Vec::new(), Vec::new());
        for scene in scenes {
            cut(&scene.pixels, &mut windows);
            targets.extend(scene.target);
        }
        let count = targets.len() / 4;
        let tensor = |values: Vec<f32>, shape: [usize; 2]| {
            Tensor::from_data(TensorData::new(values, shape), device)
        };
        Self {
            // A window of nothing is about 0.
            windows: tensor(windows, [count * WINDOWS, WINDOW * WINDOW]) - 0.5,
            targets: tensor(targets, [count, 4]),
        }
    }
}

/// Adds the pixels of each window of an image.
fn cut(pixels: &[f32], windows: &mut Vec<f32>) {
    let starts = || (0..=SIDE - WINDOW).step_by(STEP);
    for top in starts() {
        for left in starts() {
            for y in top..top + WINDOW {
                windows.extend_from_slice(&pixels[y * SIDE + left..][..WINDOW]);
            }
        }
    }
}

impl Samples for Scenes {
    type Batch = Batch;

    fn count(&self) -> usize {
        self.train.len()
    }

    fn batch(&self, indices: &[usize], device: &Device) -> Batch {
        Batch::new(indices.iter().map(|&index| &self.train[index]), device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn an_object_fills_its_box() {
        for width in SHORTEST..=LONGEST {
            for height in SHORTEST..=LONGEST {
                for round in [false, true] {
                    let corner = [3, 5];
                    let mut pixels = vec![0.0; SIDE * SIDE];
                    object(&mut pixels, corner, [width, height], round, 1.0);
                    let bright = || (0..SIDE * SIDE).filter(|&at| pixels[at] == 1.0);
                    let ends = |of: fn(usize) -> usize| {
                        let least = bright().map(of).min();
                        (least, bright().map(of).max())
                    };
                    assert_eq!(ends(|at| at % SIDE), (Some(3), Some(2 + width)));
                    assert_eq!(ends(|at| at / SIDE), (Some(5), Some(4 + height)));
                }
            }
        }
    }

    #[test]
    fn the_same_seed_draws_the_same() {
        let of = |seed| Scene::draw(&mut StdRng::seed_from_u64(seed));
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
        for seed in 0..200 {
            let [x, y, width, height] = of(seed).target;
            for (middle, length) in [(x, width), (y, height)] {
                let pixels = length * SIDE as f32;
                assert!((SHORTEST as f32..=LONGEST as f32).contains(&pixels));
                assert!(middle >= length / 2.0 && middle + length / 2.0 <= 1.0);
            }
        }
    }

    #[test]
    fn windows_are_cut_row_by_row() {
        let pixels: Vec<f32> = (0..SIDE * SIDE).map(|at| at as f32).collect();
        let mut windows = Vec::new();
        cut(&pixels, &mut windows);
        assert_eq!(windows.len(), WINDOWS * WINDOW * WINDOW);
        let second = &windows[WINDOW * WINDOW..];
        assert_eq!(second[..WINDOW], pixels[STEP..STEP + WINDOW]);
        assert_eq!(second[WINDOW], pixels[SIDE + STEP]);
        assert_eq!(windows.last(), pixels.last());
    }
}
