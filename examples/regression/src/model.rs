//! The model, with its loss as a field, and how it is trained and judged.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use burn_losses::Lint;
use burn_losses::prelude::*;
use common::mlp::Mlp;
use common::tabular::{mean, median};
use common::training::{Samples, Task};

use crate::data::{FEATURES, Patients};

const HIDDEN: usize = 32;

/// A regression model with one hidden layer.
///
/// Whichever loss of the family it is, the last layer is linear and the target is the true value:
/// the loss can be swapped without a change to the model.
#[derive(Module, Debug)]
pub struct Model {
    network: Mlp,
    loss: RegressionLoss,
}

impl Model {
    /// A model with random weights.
    pub fn new(loss: &RegressionLossConfig, device: &Device) -> Self {
        Self {
            network: Mlp::new([FEATURES, HIDDEN, 1], device),
            loss: loss.init(),
        }
    }

    /// The predictions `[N, 1]` for measurements `[N, FEATURES]`.
    pub fn forward(&self, measurements: Tensor<2>) -> Tensor<2> {
        self.network.forward(measurements)
    }
}

impl Samples for Patients {
    type Batch = (Tensor<2>, Tensor<2>);

    fn count(&self) -> usize {
        self.train.len()
    }

    fn batch(&self, indices: &[usize], device: &Device) -> Self::Batch {
        self.tensors(indices.iter().map(|&index| &self.train[index]), device)
    }
}

impl Task for Patients {
    type Model = Model;
    type Samples = Self;

    fn training_samples(&self) -> &Self {
        self
    }

    fn loss(&self, model: &Model, (measurements, targets): (Tensor<2>, Tensor<2>)) -> Tensor<1> {
        model.loss.forward(model.forward(measurements), targets)
    }

    fn lint(&self, model: &Model, (measurements, targets): (Tensor<2>, Tensor<2>)) -> Vec<Lint> {
        model.loss.lint(&model.forward(measurements), &targets)
    }

    fn held_out(&self, model: &Model, device: &Device) -> (f64, f64) {
        let (measurements, targets) = self.tensors(self.held_out.iter(), device);
        let predictions = model.forward(measurements);
        let explained = Answers::of(self, predictions.clone()).explained();
        let loss = model.loss.forward(predictions, targets);
        (loss.into_scalar(), explained)
    }
}

/// What a model says of the held-out patients.
pub struct Answers {
    /// The true value and the predicted one.
    pub pairs: Vec<(f32, f32)>,
}

impl Answers {
    /// The model's answers.
    pub fn new(patients: &Patients, model: &Model, device: &Device) -> Self {
        let (measurements, _) = patients.tensors(patients.held_out.iter(), device);
        Self::of(patients, model.forward(measurements))
    }

    /// The answers that scaled predictions for the held-out patients are.
    fn of(patients: &Patients, predictions: Tensor<2>) -> Self {
        let predictions = patients.progressions(predictions);
        let truth = patients.held_out.iter().map(|patient| patient.progression);
        Self {
            pairs: truth.zip(predictions).collect(),
        }
    }

    /// The answers of a model that gives one number to all.
    pub fn constant(patients: &Patients, number: f32) -> Self {
        let truth = patients.held_out.iter().map(|patient| patient.progression);
        Self {
            pairs: truth.map(|truth| (truth, number)).collect(),
        }
    }

    /// The mean absolute error.
    pub fn mean_absolute_error(&self) -> f32 {
        mean(self.pairs.iter().map(|(truth, said)| (truth - said).abs()))
    }

    /// The share of the variance that is explained (R squared): 1 at best, 0 for the mean.
    pub fn explained(&self) -> f64 {
        let middle = mean(self.pairs.iter().map(|&(truth, _)| truth));
        let left = mean(
            self.pairs
                .iter()
                .map(|(truth, said)| (truth - said).powi(2)),
        );
        let all = mean(self.pairs.iter().map(|(truth, _)| (truth - middle).powi(2)));
        f64::from(1.0 - left / all)
    }
}

/// The best constant answer in the sense of a loss, learned from the training targets: what a model
/// must beat to have learned anything from the measurements.
pub fn best_constant(loss: &RegressionLossConfig, patients: &Patients) -> (&'static str, f32) {
    let targets = patients.train.iter().map(|patient| patient.progression);
    match loss {
        RegressionLossConfig::L1(_) => ("median", median(targets)),
        _ => ("mean", mean(targets)),
    }
}
