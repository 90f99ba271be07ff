//! The model, with its loss as a field, and how it is trained: the same for both tasks and for every loss.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use burn_losses::Lint;
use burn_losses::prelude::*;
use common::Error;
use common::cli::Flags;
use common::log::TrainingLog;
use common::mlp::Mlp;
use common::training::{self, Samples, Task};
use rand::Rng;

const HIDDEN: usize = 32;

/// A model with one output. A loss of a closure is a module like any other, so nothing here asks which it is.
#[derive(Module, Debug)]
pub struct Model<L: LossModule<Tensor<2>, Tensor<2>>> {
    network: Mlp,
    loss: L,
}

impl<L: LossModule<Tensor<2>, Tensor<2>>> Model<L> {
    /// The outputs `[N, 1]` for inputs `[N, INPUTS]`.
    pub fn forward(&self, inputs: Tensor<2>) -> Tensor<2> {
        self.network.forward(inputs)
    }
}

/// Samples, each of which has numbers to look at and one target.
pub trait Data: Samples {
    /// How many numbers there are to look at.
    const INPUTS: usize;

    /// The inputs `[N, INPUTS]` and the targets `[N, 1]` of a batch.
    fn pairs(batch: Self::Batch) -> (Tensor<2>, Tensor<2>);

    /// The held-out samples.
    fn tests(&self, device: &Device) -> Self::Batch;
}

/// Data, and the loss to learn it with.
struct Learning<'a, D, L> {
    data: &'a D,
    loss: &'a L,
}

impl<D: Data, L: LossModule<Tensor<2>, Tensor<2>>> Task for Learning<'_, D, L> {
    type Model = Model<L>;
    type Samples = D;

    fn training_samples(&self) -> &D {
        self.data
    }

    fn loss(&self, model: &Model<L>, batch: D::Batch) -> Tensor<1> {
        let (inputs, targets) = D::pairs(batch);
        model.loss.forward(model.forward(inputs), targets)
    }

    fn lint(&self, model: &Model<L>, batch: D::Batch) -> Vec<Lint> {
        let (inputs, targets) = D::pairs(batch);
        model.loss.lint(&model.forward(inputs), &targets)
    }

    /// The score is for a log, and these runs have a quiet one: what a model is worth is measured in the end.
    fn held_out(&self, model: &Model<L>, device: &Device) -> (f64, f64) {
        let loss = self.loss(model, self.data.tests(device)).into_scalar();
        (loss, -loss)
    }
}

/// A model that was trained with a loss.
pub fn train<D: Data, L: LossModule<Tensor<2>, Tensor<2>>>(
    data: &D,
    loss: &L,
    seed: u64,
    flags: &Flags,
    device: &Device,
    rng: &mut impl Rng,
) -> Result<Model<L>, Error> {
    let task = Learning { data, loss };
    let new = |device: &Device| Model {
        network: Mlp::new([D::INPUTS, HIDDEN, 1], device),
        loss: task.loss.clone(),
    };
    let mut log = TrainingLog::quiet();
    training::train(&task, new, flags, seed, device, rng, &mut log)
}
