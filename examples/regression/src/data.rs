//! The patients: ten measurements each, and how far their disease progressed within a year.

use burn::tensor::{Device, Tensor, TensorData};
use common::Error;
use common::tabular::{self, Scale};
use rand::Rng;
use rand::seq::SliceRandom;

/// The number of measurements.
pub const FEATURES: usize = 10;
/// By how many standard deviations a corrupted target is shifted.
pub const SHIFT: f32 = 5.0;

/// One patient in this many is held out.
const HELD_OUT: usize = 5;

const MEASUREMENTS: &[u8] = include_bytes!("../data/diabetes_data_raw.csv.gz");
const PROGRESSIONS: &[u8] = include_bytes!("../data/diabetes_target.csv.gz");

/// A patient.
#[derive(Clone, Debug, PartialEq)]
pub struct Patient {
    measurements: Vec<f32>,
    /// How far the disease progressed: the target.
    pub progression: f32,
}

/// All patients, in the order of the files.
pub fn load() -> Result<Vec<Patient>, Error> {
    let measurements = tabular::read(MEASUREMENTS, b' ', false)?.rows;
    let progressions = tabular::read(PROGRESSIONS, b' ', false)?.rows;
    if measurements.len() != progressions.len() {
        return Err("the two files of the patients differ in length".into());
    }
    measurements
        .into_iter()
        .zip(progressions)
        .map(|patient| match patient {
            (measurements, progression)
                if measurements.len() == FEATURES && progression.len() == 1 =>
            {
                Ok(Patient {
                    measurements,
                    progression: progression[0],
                })
            }
            _ => Err("a row of the patients has the wrong length".into()),
        })
        .collect()
}

/// The patients to train on and those to test with, and the scales that the former define.
#[derive(Clone, Debug)]
pub struct Patients {
    /// To train on.
    pub train: Vec<Patient>,
    /// To test with.
    pub held_out: Vec<Patient>,
    /// The scale of the targets.
    pub progression: Scale,
    measurements: Scale,
}

/// Patients as tensors.
pub struct Batch {
    /// The scaled measurements `[N, FEATURES]`.
    pub measurements: Tensor<2>,
    /// The scaled targets `[N, 1]`.
    pub scaled: Tensor<2>,
    /// The targets as they are `[N, 1]`: they may pass for counts.
    pub counts: Tensor<2>,
}

impl Patients {
    /// Splits at random. A share of the training targets is shifted upwards, far out of place, as
    /// by a wrong unit or a slipped decimal point; the held-out ones are left as they are.
    pub fn split(patients: Vec<Patient>, corrupt: f64, rng: &mut impl Rng) -> Self {
        let (mut train, held_out) = tabular::split(patients, HELD_OUT, rng);
        let shift = SHIFT * progressions(&train).deviation();
        let count = (corrupt * train.len() as f64).round() as usize;
        for patient in &mut train[..count] {
            patient.progression += shift;
        }
        train.shuffle(rng);
        let measurements = Scale::of(train.iter().map(|patient| patient.measurements.as_slice()));
        let progression = progressions(&train);
        Self {
            train,
            held_out,
            progression,
            measurements,
        }
    }

    /// The measurements and the targets of some patients.
    pub fn tensors<'a>(
        &self,
        patients: impl Iterator<Item = &'a Patient>,
        device: &Device,
    ) -> Batch {
        let (mut measurements, mut scaled, mut counts) = (Vec::new(), Vec::new(), Vec::new());
        for patient in patients {
            measurements.extend(self.measurements.apply(&patient.measurements));
            scaled.extend(self.progression.apply(&[patient.progression]));
            counts.push(patient.progression);
        }
        let rows = counts.len();
        let tensor = |values: Vec<f32>, columns| {
            Tensor::from_data(TensorData::new(values, [rows, columns]), device)
        };
        Batch {
            measurements: tensor(measurements, FEATURES),
            scaled: tensor(scaled, 1),
            counts: tensor(counts, 1),
        }
    }

    /// Scaled predictions `[N, 1]` in the unit of the targets.
    pub fn progressions(&self, predictions: Tensor<2>) -> Vec<f32> {
        let predictions = predictions.into_data();
        let values = predictions.iter::<f32>();
        values.map(|value| self.progression.invert(value)).collect()
    }
}

fn progressions(patients: &[Patient]) -> Scale {
    Scale::of(
        patients
            .iter()
            .map(|patient| core::slice::from_ref(&patient.progression)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn all_patients_load() {
        let patients = load().unwrap();
        assert_eq!(patients.len(), 442);
        assert_eq!(patients[0].measurements[..3], [59.0, 2.0, 32.1]);
        assert_eq!(patients[0].progression, 151.0);
    }

    #[test]
    fn only_the_share_asked_for_is_shifted_and_only_in_training() {
        let of = |corrupt| {
            let mut rng = StdRng::seed_from_u64(3);
            Patients::split(load().unwrap(), corrupt, &mut rng)
        };
        let (clean, corrupt) = (of(0.0), of(0.2));
        assert_eq!((clean.train.len(), clean.held_out.len()), (354, 88));
        assert_eq!(clean.held_out, corrupt.held_out);
        let beyond = |patients: &Patients| {
            let far = patients
                .train
                .iter()
                .filter(|patient| patient.progression > 346.0);
            far.count()
        };
        assert_eq!((beyond(&clean), beyond(&corrupt)), (0, 71));
    }
}
