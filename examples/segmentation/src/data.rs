//! The images, which the program draws: shapes on an uneven ground, with noise over all of it.

use std::f32::consts::TAU;

use burn::tensor::{Device, Int, Tensor, TensorData};
use common::training::Samples;
use rand::Rng;

/// The height and the width of an image.
pub const SIDE: usize = 48;
/// The number of pixels of an image.
pub const PIXELS: usize = SIDE * SIDE;

/// The names of the classes.
pub const NAMES: [&str; CLASSES] = ["background", "disc", "square", "cross"];
/// The number of classes.
pub const CLASSES: usize = 4;
/// What is none of the shapes.
pub const BACKGROUND: usize = 0;
/// Large, and brighter than the ground.
pub const DISC: usize = 1;
/// Large, and darker than the ground.
pub const SQUARE: usize = 2;
/// Five pixels that are brighter than the ground.
pub const CROSS: usize = 3;

const TRAIN: usize = 128;
const HELD_OUT: usize = 64;

/// How many shapes of each kind are drawn into an image at most. There is one at least.
const MOST: usize = 2;
/// By how much the ground is brighter at one edge of an image than in the middle, at most.
const LIGHT: f32 = 0.25;
/// By how much a cross is brighter than the ground.
const CROSS_CONTRAST: f32 = 0.4;
/// The standard deviation of the noise.
const NOISE: f32 = 0.1;

/// An image, and what each pixel of it belongs to.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// The grey, row by row: 0 is the middle one, and most are within half of 1.
    pub pixels: Vec<f32>,
    /// The class of each pixel.
    pub classes: Vec<usize>,
}

impl Picture {
    /// Draws an image with one or two shapes of each kind. A square may hide a disc, and nothing hides a cross.
    pub fn draw(rng: &mut impl Rng) -> Self {
        let mut picture = Self {
            pixels: ground(rng),
            classes: vec![BACKGROUND; PIXELS],
        };
        for _ in 0..rng.random_range(1..=MOST) {
            let radius: f32 = rng.random_range(5.0..9.0);
            let mut place = || -> f32 { rng.random_range(radius..SIDE as f32 - radius) };
            let (left, top) = (place(), place());
            picture.mark(DISC, |x, y| {
                (x as f32 - left).powi(2) + (y as f32 - top).powi(2) <= radius * radius
            });
        }
        for _ in 0..rng.random_range(1..=MOST) {
            let side: usize = rng.random_range(8..=14);
            let mut place = || -> usize { rng.random_range(0..=SIDE - side) };
            let (left, top) = (place(), place());
            picture.mark(SQUARE, |x, y| {
                (left..left + side).contains(&x) && (top..top + side).contains(&y)
            });
        }
        for _ in 0..rng.random_range(1..=MOST) {
            let (left, top) = picture.free_place(rng);
            picture.mark(CROSS, |x, y| x.abs_diff(left) + y.abs_diff(top) <= 1);
        }

        let mut contrast = || -> f32 { rng.random_range(0.15..0.35) };
        let contrasts = [0.0, contrast(), -contrast(), CROSS_CONTRAST];
        for (pixel, &class) in picture.pixels.iter_mut().zip(&picture.classes) {
            *pixel += contrasts[class] + NOISE * noise(rng);
        }
        picture
    }

    /// Makes the pixels of a shape those of a class.
    fn mark(&mut self, class: usize, within: impl Fn(usize, usize) -> bool) {
        for (at, of_pixel) in self.classes.iter_mut().enumerate() {
            if within(at % SIDE, at / SIDE) {
                *of_pixel = class;
            }
        }
    }

    /// A place with nothing on it or next to it. The shapes leave more than half of an image free, so there is one.
    fn free_place(&self, rng: &mut impl Rng) -> (usize, usize) {
        loop {
            let mut place = || -> usize { rng.random_range(1..SIDE - 1) };
            let (left, top) = (place(), place());
            let mut around = (top - 1..=top + 1).flat_map(|y| {
                let start = y * SIDE + left;
                &self.classes[start - 1..=start + 1]
            });
            if around.all(|&class| class == BACKGROUND) {
                return (left, top);
            }
        }
    }
}

/// A ground that is brighter towards one side.
fn ground(rng: &mut impl Rng) -> Vec<f32> {
    let angle: f32 = rng.random_range(0.0..TAU);
    let light: f32 = rng.random_range(0.0..LIGHT);
    let (down, right) = angle.sin_cos();
    let middle = SIDE as f32 / 2.0;
    let of_pixel = |at: usize| {
        let [x, y] = [at % SIDE, at / SIDE].map(|place| (place as f32 - middle) / middle);
        light * (x * right + y * down)
    };
    (0..PIXELS).map(of_pixel).collect()
}

/// A random number with mean 0 and deviation 1. The sum of four uniform ones is close enough to a normal one.
fn noise(rng: &mut impl Rng) -> f32 {
    let sum: f32 = (0..4).map(|_| rng.random::<f32>()).sum();
    (sum - 2.0) * 3f32.sqrt()
}

/// The images to train on, and those that show what the training was worth.
pub struct Split {
    /// To train on.
    pub train: Vec<Picture>,
    /// To test with.
    pub held_out: Vec<Picture>,
}

/// Images and class ids as tensors.
pub struct Batch {
    /// `[N, 1, SIDE, SIDE]`
    pub images: Tensor<4>,
    /// `[N, SIDE, SIDE]`
    pub ids: Tensor<3, Int>,
}

impl Split {
    /// Draws all images.
    pub fn draw(rng: &mut impl Rng) -> Self {
        let mut pictures =
            |count: usize| -> Vec<Picture> { (0..count).map(|_| Picture::draw(rng)).collect() };
        Self {
            train: pictures(TRAIN),
            held_out: pictures(HELD_OUT),
        }
    }

    /// All held-out images.
    pub fn held_out(&self, device: &Device) -> Batch {
        Batch::new(self.held_out.iter(), device)
    }

    /// The classes of all held-out pixels.
    pub fn truth(&self) -> Vec<usize> {
        let classes = self.held_out.iter().map(|picture| &picture.classes[..]);
        classes.collect::<Vec<_>>().concat()
    }

    /// The share of the training pixels that each class has.
    pub fn shares(&self) -> [f64; CLASSES] {
        let all = (self.train.len() * PIXELS) as f64;
        core::array::from_fn(|class| {
            let pixels = self.train.iter().flat_map(|picture| &picture.classes);
            pixels.filter(|&&of_pixel| of_pixel == class).count() as f64 / all
        })
    }
}

impl Samples for Split {
    type Batch = Batch;

    fn count(&self) -> usize {
        self.train.len()
    }

    fn batch(&self, indices: &[usize], device: &Device) -> Batch {
        Batch::new(indices.iter().map(|&index| &self.train[index]), device)
    }
}

impl Batch {
    /// The pixels and classes of images.
    pub fn new<'a>(pictures: impl Iterator<Item = &'a Picture>, device: &Device) -> Self {
        let (mut pixels, mut ids) = (Vec::new(), Vec::new());
        for picture in pictures {
            pixels.extend_from_slice(&picture.pixels);
            ids.extend(picture.classes.iter().map(|&class| class as i64));
        }
        let count = ids.len() / PIXELS;
        Self {
            images: Tensor::from_data(TensorData::new(pixels, [count, 1, SIDE, SIDE]), device),
            ids: Tensor::from_data(TensorData::new(ids, [count, SIDE, SIDE]), device),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn one_seed_draws_the_same_images() {
        let of = |seed| Picture::draw(&mut StdRng::seed_from_u64(seed));
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
    }

    #[test]
    fn every_image_has_squares_and_crosses() {
        let mut rng = StdRng::seed_from_u64(1);
        for _ in 0..200 {
            let picture = Picture::draw(&mut rng);
            let count = |class| picture.classes.iter().filter(|&&it| it == class).count();
            assert!([5, 10].contains(&count(CROSS)));
            // Two squares can hide all of a small disc.
            assert!(count(SQUARE) >= 64 && count(BACKGROUND) > PIXELS / 2);
            let bound = |pixel: &f32| pixel.is_finite() && pixel.abs() < 1.5;
            assert!(picture.pixels.iter().all(bound));
        }
    }

    #[test]
    fn crosses_are_rare() {
        let split = Split::draw(&mut StdRng::seed_from_u64(1));
        let [background, disc, square, cross] = split.shares();
        assert!((background + disc + square + cross - 1.0).abs() < 1e-12);
        assert!((0.05..0.15).contains(&disc) && (0.05..0.15).contains(&square));
        assert!((0.002..0.005).contains(&cross), "{cross}");
    }

    #[test]
    fn noise_has_deviation_1() {
        let mut rng = StdRng::seed_from_u64(1);
        let all: Vec<f32> = (0..10_000).map(|_| noise(&mut rng)).collect();
        let mean = |of: &dyn Fn(f32) -> f32| all.iter().map(|&it| of(it)).sum::<f32>() / 1e4;
        assert!(mean(&|it| it).abs() < 0.05);
        assert!((mean(&|it| it * it) - 1.0).abs() < 0.05);
    }
}
