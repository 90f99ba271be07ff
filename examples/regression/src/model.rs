//! The model, with its loss as a field, and how it is trained and judged.

use burn::module::Module;
use burn::tensor::activation::softplus;
use burn::tensor::{Device, Tensor};
use burn_losses::Lint;
use burn_losses::prelude::*;
use common::mlp::Mlp;
use common::tabular::{huber_mean, mean, median};
use common::training::{Samples, Task};

use crate::data::{Batch, FEATURES, Penguins};
use crate::loss::{LossConfig, ModelLoss};

const HIDDEN: usize = 32;

/// A regression model with one hidden layer and a linear last one.
///
/// What its outputs mean is up to the loss. Most take them for scaled values: these losses can be
/// swapped without a change to the model. The Poisson loss takes rates and the Gaussian one variances
/// too, so something is put in between.
#[derive(Module, Debug)]
pub struct Model {
    network: Mlp,
    loss: ModelLoss,
}

impl Model {
    /// A model with random weights.
    pub fn new(loss: &ModelLoss, device: &Device) -> Self {
        Self {
            network: Mlp::new([FEATURES, HIDDEN, outputs(loss)], device),
            loss: loss.clone(),
        }
    }

    /// The outputs for measurements `[N, FEATURES]`.
    fn forward(&self, measurements: Tensor<2>) -> Tensor<2> {
        self.network.forward(measurements)
    }
}

/// How many outputs the model has.
fn outputs(loss: &ModelLoss) -> usize {
    match loss {
        ModelLoss::Scaled(_) | ModelLoss::PoissonNll(_) => 1,
        ModelLoss::Quantile(loss) => loss.config().quantiles.len(),
        ModelLoss::GaussianNll(_) => 2,
    }
}

/// For the Gaussian loss: the means `[N, 1]` and the variances `[N, 1]`, both scaled.
fn mean_and_variance(outputs: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
    let [mean, variance] = [0, 1].map(|at| outputs.clone().narrow(1, at, 1));
    (mean, softplus(variance, 1.0))
}

impl Penguins {
    /// For the Poisson loss: the logarithms of the rates `[N, 1]`, or the rates. They are in the unit
    /// of the targets, and start about the mean of those.
    fn rates(&self, loss: &PoissonNllLoss, outputs: Tensor<2>) -> Tensor<2> {
        let mean = self.mass.mean();
        match loss.config().log_input {
            true => outputs + mean.ln(),
            false => softplus(outputs, 1.0) * mean,
        }
    }

    fn loss_of(&self, loss: &ModelLoss, outputs: Tensor<2>, batch: Batch) -> Tensor<1> {
        match loss {
            ModelLoss::Scaled(loss) => loss.forward(outputs, batch.scaled),
            ModelLoss::Quantile(loss) => loss.forward(outputs, batch.scaled),
            ModelLoss::PoissonNll(loss) => loss.forward(self.rates(loss, outputs), batch.masses),
            ModelLoss::GaussianNll(loss) => {
                let (mean, variance) = mean_and_variance(outputs);
                loss.forward(mean, batch.scaled, variance)
            }
        }
    }
}

impl Samples for Penguins {
    type Batch = Batch;

    fn count(&self) -> usize {
        self.train.len()
    }

    fn batch(&self, indices: &[usize], device: &Device) -> Batch {
        self.tensors(indices.iter().map(|&index| &self.train[index]), device)
    }
}

impl Task for Penguins {
    type Model = Model;
    type Samples = Self;

    fn training_samples(&self) -> &Self {
        self
    }

    fn loss(&self, model: &Model, batch: Batch) -> Tensor<1> {
        let outputs = model.forward(batch.measurements.clone());
        self.loss_of(&model.loss, outputs, batch)
    }

    fn lint(&self, model: &Model, batch: Batch) -> Vec<Lint> {
        let outputs = model.forward(batch.measurements);
        match &model.loss {
            ModelLoss::Scaled(loss) => loss.lint(&outputs, &batch.scaled),
            ModelLoss::Quantile(loss) => loss.lint(&outputs, &batch.scaled),
            ModelLoss::PoissonNll(loss) => loss.lint(&self.rates(loss, outputs), &batch.masses),
            ModelLoss::GaussianNll(loss) => {
                let (mean, variance) = mean_and_variance(outputs);
                loss.lint(&mean, &batch.scaled, &variance)
            }
        }
    }

    fn held_out(&self, model: &Model, device: &Device) -> (f64, f64) {
        let batch = self.tensors(self.held_out.iter(), device);
        let outputs = model.forward(batch.measurements.clone());
        let explained = Answers::of(self, &model.loss, outputs.clone()).explained();
        let loss = self.loss_of(&model.loss, outputs, batch);
        (loss.into_scalar(), explained)
    }
}

/// What a model says of the held-out penguins.
pub struct Answers {
    /// The true value and the predicted one.
    pub pairs: Vec<(f32, f32)>,
    /// The standard deviation of each prediction, if the model predicts it.
    pub deviations: Option<Vec<f32>>,
    /// The least and the largest quantile, if the model predicts several.
    pub band: Option<Band>,
}

/// Between what the true values are said to be.
pub struct Band {
    /// How many of them are said to be there, as a share.
    pub asked: f64,
    /// The ends for each penguin.
    pub ends: Vec<[f32; 2]>,
}

impl Answers {
    /// The model's answers.
    pub fn new(penguins: &Penguins, model: &Model, device: &Device) -> Self {
        let batch = penguins.tensors(penguins.held_out.iter(), device);
        Self::of(penguins, &model.loss, model.forward(batch.measurements))
    }

    /// The answers that a model's outputs for the held-out penguins are.
    fn of(penguins: &Penguins, loss: &ModelLoss, outputs: Tensor<2>) -> Self {
        let numbers = |values: Tensor<2>| values.into_data().iter::<f32>().collect::<Vec<_>>();
        let mut band = None;
        let (predictions, deviations) = match loss {
            ModelLoss::Scaled(_) => (penguins.masses(outputs), None),
            ModelLoss::Quantile(loss) => {
                let quantiles = &loss.config().quantiles;
                let last = quantiles.len() - 1;
                let of = |at| penguins.masses(outputs.clone().narrow(1, at, 1));
                band = (last > 0).then(|| Band {
                    asked: quantiles[last] - quantiles[0],
                    ends: of(0)
                        .into_iter()
                        .zip(of(last))
                        .map(|(low, high)| [low, high])
                        .collect(),
                });
                (of(last / 2), None)
            }
            ModelLoss::PoissonNll(loss) => {
                let rates = penguins.rates(loss, outputs);
                let rates = match loss.config().log_input {
                    true => rates.exp(),
                    false => rates,
                };
                (numbers(rates), None)
            }
            ModelLoss::GaussianNll(_) => {
                let (mean, variance) = mean_and_variance(outputs);
                let deviations = variance.sqrt() * penguins.mass.deviation();
                (penguins.masses(mean), Some(numbers(deviations)))
            }
        };
        let truth = penguins.held_out.iter().map(|penguin| penguin.mass);
        Self {
            pairs: truth.zip(predictions).collect(),
            deviations,
            band,
        }
    }

    /// The answers of a model that gives one number to all.
    pub fn constant(penguins: &Penguins, number: f32) -> Self {
        let truth = penguins.held_out.iter().map(|penguin| penguin.mass);
        Self {
            pairs: truth.map(|truth| (truth, number)).collect(),
            deviations: None,
            band: None,
        }
    }

    /// The mean absolute error.
    pub fn mean_absolute_error(&self) -> f32 {
        mean(self.pairs.iter().map(|(truth, said)| (truth - said).abs()))
    }

    /// The share of the true values that are in the band, if there is one, and the share that should be.
    pub fn coverage(&self) -> Option<(f64, f64)> {
        let band = self.band.as_ref()?;
        let inside = self.pairs.iter().zip(&band.ends);
        let inside = inside.filter(|((truth, _), [low, high])| (low..=high).contains(&truth));
        Some((inside.count() as f64 / self.pairs.len() as f64, band.asked))
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
pub fn best_constant(loss: &LossConfig, penguins: &Penguins) -> (&'static str, f32) {
    let targets = penguins.train.iter().map(|penguin| penguin.mass);
    // The loss has scaled targets, these are not.
    let unscaled = |limit: f64| limit as f32 * penguins.mass.deviation();
    match loss {
        LossConfig::L1(_) => ("median", median(targets)),
        LossConfig::SmoothL1(config) => ("Huber mean", huber_mean(targets, unscaled(config.beta))),
        LossConfig::Huber(config) => ("Huber mean", huber_mean(targets, unscaled(config.delta))),
        // Robust means lie between mean and median; the error that is compared is least for the median.
        LossConfig::LogCosh(_)
        | LossConfig::GeneralRobust(_)
        | LossConfig::Tukey(_)
        | LossConfig::Quantile(_) => ("median", median(targets)),
        // An expectile other than the mean is no better a guess of the value.
        LossConfig::Expectile(_)
        | LossConfig::Mse(_)
        | LossConfig::PoissonNll(_)
        | LossConfig::GaussianNll(_) => ("mean", mean(targets)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn outputs_are_read_as_their_loss_takes_them() {
        let mut rng = StdRng::seed_from_u64(3);
        let penguins = Penguins::split(data::load().unwrap(), 0.0, &mut rng);
        let middle = penguins.mass.mean();
        let check = |config: LossConfig, expected: f32| {
            let loss = config.try_init().unwrap();
            let shape = [penguins.held_out.len(), outputs(&loss)];
            let answers = Answers::of(&penguins, &loss, Tensor::zeros(shape, &Device::flex()));
            assert_eq!(answers.pairs.len(), penguins.held_out.len());
            for (_, said) in answers.pairs {
                assert!((said - expected).abs() < 0.01, "{config:?}: {said}");
            }
        };
        for name in LossConfig::NAMES {
            check(name.parse().unwrap(), middle);
        }
        let of_rates = PoissonNllLossConfig::new().with_log_input(false);
        // The softplus of 0.
        check(LossConfig::PoissonNll(of_rates), middle * 2f32.ln());
    }
}
