//! The trainings that are compared, by Burn's training loop.

use std::sync::Arc;

use burn::data::dataloader::{DataLoader, DataLoaderBuilder, batcher::Batcher};
use burn::data::dataset::InMemDataset;
use burn::lr_scheduler::constant::ConstantLr;
use burn::module::Module;
use burn::optim::SgdConfig;
use burn::tensor::Device;
use burn::train::{
    ExecutionStrategy, Learner, MultiDeviceOptim, SupervisedTraining, TrainingStrategy,
};
use burn_losses::metric::{LossPartsMetric, MaskedAccuracyMetric};
use clap::ValueEnum;
use common::Error;
use common::cli::Flags;
use common::digits::{Batch, Digit, Split};

use crate::model::Model;
use crate::quiet::Quiet;
use crate::steps::{IGNORED, PIECES, Steps};

/// How the pieces of a step come together.
#[derive(Clone, Copy, ValueEnum)]
pub enum Strategy {
    /// Two devices; the optimizer works on the first of them
    Multi,
    /// Two devices; the optimizer works on both, on some of the parameters each
    Sharded,
    /// One device, one piece after the other, and then the optimizer
    Accumulation,
}

impl Strategy {
    /// For a table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Multi => "two devices",
            Self::Sharded => "two devices, sharded",
            Self::Accumulation => "two accumulated batches",
        }
    }
}

/// What is the same in all trainings.
pub struct Trainings<'a> {
    pub steps: &'a Steps,
    pub split: &'a Split,
    pub flags: &'a Flags,
    /// Of the training in one batch. Without autodiff, as the others.
    pub device: &'a Device,
    /// Those of the pieces.
    pub devices: Vec<Device>,
}

/// What came of a training.
pub struct Trained {
    pub weights: Vec<f64>,
    /// On the held-out images.
    pub accuracy: f64,
}

impl Trainings<'_> {
    /// A step is one batch, on one device.
    pub fn whole(&self) -> Result<Trained, Error> {
        let size = self.flags.batch_size;
        let training = self.prepare("one_batch", self.steps.in_order(), size, self.device);
        self.launch(training, false, self.device)
    }

    /// A step is in pieces, each with its mean or all with a normalizer.
    pub fn in_pieces(&self, strategy: Strategy, normalized: bool) -> Result<Trained, Error> {
        let name = if normalized { "normalizer" } else { "means" };
        let digits = match strategy {
            Strategy::Multi | Strategy::Sharded => self.steps.by_device(),
            Strategy::Accumulation => self.steps.in_order(),
        };
        let device = &self.devices[0];
        let training = self.prepare(name, digits, self.flags.batch_size / PIECES, device);
        let on_devices = |optimizer| -> TrainingStrategy<Model> {
            ExecutionStrategy::multi(self.devices.clone(), optimizer).into()
        };
        let training = match strategy {
            Strategy::Multi => {
                training.with_training_strategy(on_devices(MultiDeviceOptim::OptimMainDevice))
            }
            Strategy::Sharded => {
                training.with_training_strategy(on_devices(MultiDeviceOptim::OptimSharded))
            }
            Strategy::Accumulation => training.grads_accumulation(PIECES),
        };
        self.launch(training, normalized, device)
    }

    /// Training on digits in this order, the same in each epoch: what the first device gets is to stay with it.
    fn prepare(
        &self,
        name: &str,
        digits: Vec<Digit>,
        size: usize,
        device: &Device,
    ) -> SupervisedTraining<Model> {
        let held_out = self.split.held_out.clone();
        let count = held_out.len();
        let accuracy = MaskedAccuracyMetric::new().with_ignore_index(IGNORED as i64);
        SupervisedTraining::<Model>::new(
            self.flags.output.join(name),
            loader(digits, size, &device.clone().autodiff()),
            loader(held_out, count, device),
        )
        .metrics((LossPartsMetric::new(), accuracy))
        .renderer(Box::new(Quiet))
        .with_application_logger(None)
        .num_epochs(self.flags.epochs)
    }

    fn launch(
        &self,
        training: SupervisedTraining<Model>,
        normalized: bool,
        device: &Device,
    ) -> Result<Trained, Error> {
        // The same weights, whichever device's random numbers they are not of.
        let model = Model::new(normalized, self.flags.seed, &self.device.clone().autodiff());
        let model = model.fork(&device.clone().autodiff());
        // Unlike Adam, it is not blind to the size of gradients.
        let optimizer = SgdConfig::new().init();
        let rate = ConstantLr::from(self.flags.learning_rate);
        let result = training.launch(Learner::new(model, optimizer, rate));
        if let Some(error) = &result.error {
            return Err(error.to_string().into());
        }
        let weights = result.model.weights();
        if !weights.iter().all(|weight| weight.is_finite()) {
            return Err("the weights are no longer finite: lower --learning-rate".into());
        }
        let accuracy = result.model.accuracy(self.split.held_out(device));
        Ok(Trained { weights, accuracy })
    }
}

fn loader(digits: Vec<Digit>, size: usize, device: &Device) -> Arc<dyn DataLoader<Batch>> {
    DataLoaderBuilder::new(InTensors)
        .batch_size(size)
        .set_device(device.clone())
        .build(InMemDataset::new(digits))
}

struct InTensors;

impl Batcher<Digit, Batch> for InTensors {
    fn batch(&self, digits: Vec<Digit>, device: &Device) -> Batch {
        Batch::new(digits.iter(), device)
    }
}
