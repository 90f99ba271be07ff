//! The digits: small images of handwritten digits, embedded in the program.

use burn::tensor::{Device, Int, Tensor, TensorData};
use flate2::read::GzDecoder;
use rand::Rng;
use rand::seq::SliceRandom;

use crate::Error;
use crate::training::Samples;

/// The number of pixels of an image, 8 by 8.
pub const PIXELS: usize = 64;
/// The number of different digits.
pub const CLASSES: usize = 10;

/// The greatest value of a pixel in the file.
const BLACK: f32 = 16.0;
/// One image in this many is held out.
const HELD_OUT: usize = 5;

const FILE: &[u8] = include_bytes!("../data/digits.csv.gz");

/// An image, with pixels from 0 to 1, and the digit it shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Digit {
    /// From 0 (white) to 1 (black), row by row.
    pub pixels: [f32; PIXELS],
    /// The digit, from 0 to 9.
    pub class: usize,
}

/// The images to train on, and those that show what the training was worth.
pub struct Split {
    /// To train on.
    pub train: Vec<Digit>,
    /// To test with.
    pub held_out: Vec<Digit>,
}

/// Images and class ids as tensors.
#[derive(Clone, Debug)]
pub struct Batch {
    /// `[N, PIXELS]`
    pub images: Tensor<2>,
    /// `[N]`
    pub ids: Tensor<1, Int>,
}

/// All digits, in the order of the file.
pub fn load() -> Result<Vec<Digit>, Error> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(GzDecoder::new(FILE))
        .into_deserialize()
        .map(|row| parse(row?))
        .collect()
}

fn parse(row: Vec<u8>) -> Result<Digit, Error> {
    match row.split_last_chunk() {
        Some((pixels, &[class])) if usize::from(class) < CLASSES => Ok(Digit {
            pixels: <[u8; PIXELS]>::try_from(pixels)?.map(|pixel| f32::from(pixel) / BLACK),
            class: class.into(),
        }),
        _ => Err("a row of the digits does not end in a digit".into()),
    }
}

/// Splits at random, with the same share of each class held out.
pub fn split(mut digits: Vec<Digit>, rng: &mut impl Rng) -> Split {
    digits.shuffle(rng);
    let mut seen = [0; CLASSES];
    let (held_out, train) = digits.into_iter().partition(|digit| {
        seen[digit.class] += 1;
        seen[digit.class] % HELD_OUT == 0
    });
    Split { train, held_out }
}

impl Split {
    /// All held-out images.
    pub fn held_out(&self, device: &Device) -> Batch {
        Batch::new(self.held_out.iter(), device)
    }

    /// The class that is the most frequent one in the training part.
    pub fn majority_class(&self) -> usize {
        let count = |class| self.train.iter().filter(|it| it.class == class).count();
        (0..CLASSES).max_by_key(|&class| count(class)).unwrap_or(0)
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
    /// The images and classes of digits.
    pub fn new<'a>(digits: impl Iterator<Item = &'a Digit>, device: &Device) -> Self {
        let (mut pixels, mut ids) = (Vec::new(), Vec::new());
        for digit in digits {
            pixels.extend_from_slice(&digit.pixels);
            ids.push(digit.class as i64);
        }
        let count = ids.len();
        Self {
            images: Tensor::from_data(TensorData::new(pixels, [count, PIXELS]), device),
            ids: Tensor::from_data(TensorData::new(ids, [count]), device),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn all_digits_load() {
        let digits = load().unwrap();
        assert_eq!(digits.len(), 1797);
        assert_eq!(digits[0].class, 0);
        assert_eq!(digits[0].pixels[2], 5.0 / 16.0);
        let values = digits.iter().flat_map(|digit| digit.pixels);
        assert_eq!(values.fold(0.0, f32::max), 1.0);
    }

    #[test]
    fn a_row_of_another_length_is_refused() {
        assert!(parse(vec![0; PIXELS]).is_err());
        assert!(parse(vec![0; PIXELS + 2]).is_err());
    }

    #[test]
    fn every_digit_is_on_one_side_of_the_split() {
        let mut digits = load().unwrap();
        // The first pixel marks the image here, so that the parts can be told apart.
        for (index, digit) in digits.iter_mut().enumerate() {
            digit.pixels[0] = index as f32;
        }
        let parts = split(digits.clone(), &mut StdRng::seed_from_u64(1));
        let mut marks: Vec<f32> = parts
            .train
            .iter()
            .chain(&parts.held_out)
            .map(|it| it.pixels[0])
            .collect();
        marks.sort_by(f32::total_cmp);
        assert!(
            marks
                .iter()
                .enumerate()
                .all(|(index, &mark)| mark == index as f32)
        );
        assert_eq!(marks.len(), digits.len());
        for class in 0..CLASSES {
            let of_class = |part: &[Digit]| part.iter().filter(|it| it.class == class).count();
            assert_eq!(of_class(&parts.held_out), of_class(&digits) / HELD_OUT);
        }
    }
}
