//! The model, with its loss as a field, and how it is trained and judged.

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};
use burn_losses::prelude::*;
use burn_losses::{Lint, target};
use common::digits::{Batch, CLASSES, PIXELS, Split};
use common::mlp::Mlp;
use common::training::Task;

use crate::confusion::Confusion;

const HIDDEN: usize = 64;

/// A classifier of digits with one hidden layer.
///
/// The losses take different input and different targets. The family takes logits and class ids for
/// all of them; its page says what each loss gets of these.
#[derive(Module, Debug)]
pub struct Model {
    network: Mlp,
    loss: ClassificationLoss,
}

impl Model {
    /// A model with random weights.
    pub fn new(loss: &ClassificationLossConfig, device: &Device) -> Self {
        Self {
            network: Mlp::new([PIXELS, HIDDEN, CLASSES], device),
            loss: loss.init(),
        }
    }

    /// The logits `[N, CLASSES]` of images `[N, PIXELS]`.
    pub fn forward(&self, images: Tensor<2>) -> Tensor<2> {
        self.network.forward(images)
    }

    /// The class of each image.
    pub fn answers(&self, images: Tensor<2>) -> Tensor<1, Int> {
        target::class_ids(self.forward(images), 1)
    }
}

/// The digits as a task.
pub struct Digits(pub Split);

impl Digits {
    /// The model's answers on the held-out digits.
    pub fn confusion(&self, model: &Model, device: &Device) -> Confusion {
        let batch = self.0.held_out(device);
        Confusion::new(batch.ids, model.answers(batch.images))
    }
}

impl Task for Digits {
    type Model = Model;
    type Samples = Split;

    fn training_samples(&self) -> &Split {
        &self.0
    }

    fn loss(&self, model: &Model, batch: Batch) -> Tensor<1> {
        model.loss.forward(model.forward(batch.images), batch.ids)
    }

    fn lint(&self, model: &Model, batch: Batch) -> Vec<Lint> {
        model.loss.lint(&model.forward(batch.images), &batch.ids)
    }

    fn held_out(&self, model: &Model, device: &Device) -> (f64, f64) {
        let batch = self.0.held_out(device);
        let logits = model.forward(batch.images);
        let answers = target::class_ids(logits.clone(), 1);
        let accuracy = Confusion::new(batch.ids.clone(), answers).accuracy();
        (
            model.loss.forward(logits, batch.ids).into_scalar(),
            accuracy,
        )
    }
}
