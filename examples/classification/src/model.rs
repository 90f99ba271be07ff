//! The model, with its loss as a field, and how each loss gets its input and its target.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Int, Tensor, activation};
use burn_losses::prelude::*;
use burn_losses::{Lint, target};

use crate::data::{CLASSES, PIXELS};

const HIDDEN: usize = 64;

/// A classifier of digits with one hidden layer.
#[derive(Module, Debug)]
pub(crate) struct Model {
    hidden: Linear,
    output: Linear,
    loss: ModelLoss,
}

/// The losses the model can be trained with. A model with one loss has that loss as its field.
#[derive(Module, Debug)]
pub(crate) enum ModelLoss {
    CrossEntropy(CrossEntropyLoss),
    Nll(NllLoss),
    BceWithLogits(BceWithLogitsLoss),
    Bce(BceLoss),
    KlDiv(KlDivLoss),
}

impl Model {
    pub(crate) fn new(loss: ModelLoss, device: &Device) -> Self {
        Self {
            hidden: LinearConfig::new(PIXELS, HIDDEN).init(device),
            output: LinearConfig::new(HIDDEN, CLASSES).init(device),
            loss,
        }
    }

    /// The logits `[N, CLASSES]` of images `[N, PIXELS]`.
    pub(crate) fn forward(&self, images: Tensor<2>) -> Tensor<2> {
        self.output
            .forward(activation::relu(self.hidden.forward(images)))
    }

    /// The mean loss of a batch.
    pub(crate) fn loss(&self, logits: Tensor<2>, ids: Tensor<1, Int>) -> Tensor<1> {
        match &self.loss {
            ModelLoss::CrossEntropy(loss) => loss.forward(logits, ids),
            ModelLoss::Nll(loss) => loss.forward(target::log_probs(logits, 1), ids),
            ModelLoss::BceWithLogits(loss) => loss.forward(logits, one_hot(ids)),
            ModelLoss::Bce(loss) => loss.forward(activation::sigmoid(logits), one_hot(ids)),
            ModelLoss::KlDiv(loss) => loss.forward(target::log_probs(logits, 1), one_hot(ids)),
        }
    }

    /// What looks suspicious about a batch; for the first one of a run.
    pub(crate) fn lint(&self, logits: Tensor<2>, ids: Tensor<1, Int>) -> Vec<Lint> {
        match &self.loss {
            ModelLoss::CrossEntropy(loss) => loss.lint(&logits, &ids),
            ModelLoss::Nll(loss) => loss.lint(&target::log_probs(logits, 1), &ids),
            ModelLoss::BceWithLogits(loss) => loss.lint(&logits, &one_hot(ids)),
            ModelLoss::Bce(loss) => loss.lint(&activation::sigmoid(logits), &one_hot(ids)),
            ModelLoss::KlDiv(loss) => loss.lint(&target::log_probs(logits, 1), &one_hot(ids)),
        }
    }
}

fn one_hot(ids: Tensor<1, Int>) -> Tensor<2> {
    target::one_hot(ids, CLASSES, 1)
}
