//! The model, and what a step of Burn's training loop does with it.

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{GradientsParams, ModuleOptimizer, MultiGradientsParams};
use burn::tensor::{Device, Tensor};
use burn::train::{InferenceStep, TrainOutput, TrainStep};
use burn_losses::Normalizer;
use burn_losses::metric::{MaskedAccuracyInput, MaskedClassificationOutput};
use burn_losses::prelude::*;
use common::digits::{Batch, CLASSES, PIXELS};
use common::mlp::Mlp;
use common::training;

use crate::steps::IGNORED;

const HIDDEN: usize = 32;

/// A classifier of digits with one hidden layer.
#[derive(Module, Debug)]
pub struct Model {
    network: Mlp,
    loss: CrossEntropyLoss,
    /// Without one a step is by the mean of its batch.
    normalizer: Option<Normalizer>,
}

impl Model {
    /// A model whose weights depend on the seed alone.
    pub fn new(normalized: bool, seed: u64, device: &Device) -> Self {
        let new = |device: &Device| Mlp::new([PIXELS, HIDDEN, CLASSES], device);
        let loss = CrossEntropyLossConfig::new().with_ignore_index(IGNORED as i64);
        Self {
            network: training::seeded(seed, device, new),
            loss: loss.init(),
            normalizer: normalized.then(|| Normalizer::init(device)),
        }
    }

    /// The share of the digits that it reads.
    pub fn accuracy(&self, batch: Batch) -> f64 {
        let answers = target::class_ids(self.network.forward(batch.images), 1);
        answers.equal(batch.ids).float().mean().into_scalar()
    }

    /// The weights of its network, in the order of its layers.
    pub fn weights(&self) -> Vec<f64> {
        let mut weights = Weights::default();
        self.network.visit(&mut weights);
        weights.0
    }

    fn output(&self, batch: Batch) -> MaskedClassificationOutput {
        let logits = self.network.forward(batch.images);
        let parts = self.loss.forward_parts(logits.clone(), batch.ids.clone());
        MaskedClassificationOutput::new(parts, MaskedAccuracyInput::new(logits, batch.ids))
    }
}

impl TrainStep for Model {
    type Input = Batch;
    type Output = MaskedClassificationOutput;

    fn step(&self, batch: Batch) -> TrainOutput<MaskedClassificationOutput> {
        let output = self.output(batch);
        let objective = match &self.normalizer {
            Some(normalizer) => normalizer.objective(output.parts.clone()),
            // What `forward` gives.
            None => output.parts.mean(),
        };
        TrainOutput::new(self, objective.backward(), output)
    }

    fn optimize(
        self,
        optimizer: &mut ModuleOptimizer,
        rate: ModuleLearningRate,
        gradients: GradientsParams,
    ) -> Self {
        let gradients = match &self.normalizer {
            Some(normalizer) => normalizer.divide(&self, gradients),
            None => gradients,
        };
        optimizer.step(rate, self, gradients)
    }

    // Called with `MultiDeviceOptim::OptimSharded` alone.
    fn optimize_multi(
        self,
        optimizer: &mut ModuleOptimizer,
        rate: ModuleLearningRate,
        gradients: MultiGradientsParams,
    ) -> Self {
        let gradients = match &self.normalizer {
            Some(normalizer) => normalizer.divide_multi(&self, gradients),
            None => gradients,
        };
        optimizer.step_multi(rate, self, gradients)
    }
}

impl InferenceStep for Model {
    type Input = Batch;
    type Output = MaskedClassificationOutput;

    fn step(&self, batch: Batch) -> MaskedClassificationOutput {
        self.output(batch)
    }
}

/// The numbers of all parameters.
#[derive(Default)]
struct Weights(Vec<f64>);

impl ModuleVisitor for Weights {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.extend(param.val().into_data().iter::<f64>());
    }
}
