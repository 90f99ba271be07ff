//! The penguins: three measurements and the sex of each, and its body mass.

use burn::tensor::{Device, Tensor, TensorData};
use common::Error;
use common::tabular::{self, Scale};
use rand::Rng;
use rand::seq::SliceRandom;

/// The number of measurements, the sex among them.
pub const FEATURES: usize = 4;
/// By how many standard deviations a corrupted target is shifted.
pub const SHIFT: f32 = 5.0;

/// One penguin in this many is held out.
const HELD_OUT: usize = 5;

const PENGUINS: &[u8] = include_bytes!("../data/penguins.csv.gz");

/// A penguin.
#[derive(Clone, Debug, PartialEq)]
pub struct Penguin {
    measurements: Vec<f32>,
    /// The body mass in grams: the target.
    pub mass: f32,
}

/// All penguins, in the order of the file.
pub fn load() -> Result<Vec<Penguin>, Error> {
    let rows = tabular::read(PENGUINS, b',', true)?.rows;
    let penguins = rows.into_iter().map(|mut row| match row.pop() {
        Some(mass) if row.len() == FEATURES => Ok(Penguin {
            measurements: row,
            mass,
        }),
        _ => Err("a row of the penguins has the wrong length".into()),
    });
    penguins.collect()
}

/// The penguins to train on and those to test with, and the scales that the former define.
#[derive(Clone, Debug)]
pub struct Penguins {
    /// To train on.
    pub train: Vec<Penguin>,
    /// To test with.
    pub held_out: Vec<Penguin>,
    /// The scale of the targets.
    pub mass: Scale,
    measurements: Scale,
}

/// Penguins as tensors.
pub struct Batch {
    /// The scaled measurements `[N, FEATURES]`.
    pub measurements: Tensor<2>,
    /// The scaled targets `[N, 1]`.
    pub scaled: Tensor<2>,
    /// The targets as they are `[N, 1]`.
    pub masses: Tensor<2>,
}

impl Penguins {
    /// Splits at random. A share of the training targets is shifted upwards, far out of place, as
    /// by a wrong unit or a slipped decimal point; the held-out ones are left as they are.
    pub fn split(penguins: Vec<Penguin>, corrupt: f64, rng: &mut impl Rng) -> Self {
        let (mut train, held_out) = tabular::split(penguins, HELD_OUT, rng);
        let shift = SHIFT * masses(&train).deviation();
        let count = (corrupt * train.len() as f64).round() as usize;
        for penguin in &mut train[..count] {
            penguin.mass += shift;
        }
        train.shuffle(rng);
        let measurements = Scale::of(train.iter().map(|penguin| penguin.measurements.as_slice()));
        let mass = masses(&train);
        Self {
            train,
            held_out,
            mass,
            measurements,
        }
    }

    /// The measurements and the targets of some penguins.
    pub fn tensors<'a>(
        &self,
        penguins: impl Iterator<Item = &'a Penguin>,
        device: &Device,
    ) -> Batch {
        let (mut measurements, mut scaled, mut masses) = (Vec::new(), Vec::new(), Vec::new());
        for penguin in penguins {
            measurements.extend(self.measurements.apply(&penguin.measurements));
            scaled.extend(self.mass.apply(&[penguin.mass]));
            masses.push(penguin.mass);
        }
        let rows = masses.len();
        let tensor = |values: Vec<f32>, columns| {
            Tensor::from_data(TensorData::new(values, [rows, columns]), device)
        };
        Batch {
            measurements: tensor(measurements, FEATURES),
            scaled: tensor(scaled, 1),
            masses: tensor(masses, 1),
        }
    }

    /// Scaled predictions `[N, 1]` in the unit of the targets.
    pub fn masses(&self, predictions: Tensor<2>) -> Vec<f32> {
        let predictions = predictions.into_data();
        let values = predictions.iter::<f32>();
        values.map(|value| self.mass.invert(value)).collect()
    }
}

fn masses(penguins: &[Penguin]) -> Scale {
    Scale::of(
        penguins
            .iter()
            .map(|penguin| core::slice::from_ref(&penguin.mass)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn all_penguins_load() {
        let penguins = load().unwrap();
        assert_eq!(penguins.len(), 333);
        assert_eq!(penguins[0].measurements, [39.1, 18.7, 181.0, 1.0]);
        assert_eq!(penguins[0].mass, 3750.0);
    }

    #[test]
    fn only_the_share_asked_for_is_shifted_and_only_in_training() {
        let of = |corrupt| {
            let mut rng = StdRng::seed_from_u64(3);
            Penguins::split(load().unwrap(), corrupt, &mut rng)
        };
        let (clean, corrupt) = (of(0.0), of(0.2));
        assert_eq!((clean.train.len(), clean.held_out.len()), (267, 66));
        assert_eq!(clean.held_out, corrupt.held_out);
        let beyond = |penguins: &Penguins| {
            let far = penguins
                .train
                .iter()
                .filter(|penguin| penguin.mass > 6300.0);
            far.count()
        };
        assert_eq!((beyond(&clean), beyond(&corrupt)), (0, 53));
    }
}
