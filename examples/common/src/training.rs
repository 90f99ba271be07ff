//! The training loop.

use std::time::Instant;

use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Tensor};
use burn_losses::Lint;
use rand::Rng;
use rand::seq::SliceRandom;

use crate::Error;
use crate::cli::Flags;
use crate::log::{Epoch, TrainingLog};

/// What there is to learn: samples, how a model's loss on them is computed, and how good it is.
pub trait Task {
    /// The model to train.
    type Model: Module;
    /// Some training samples as tensors.
    type Batch;

    /// The number of training samples.
    fn samples(&self) -> usize;

    /// Training samples by their indices.
    fn batch(&self, indices: &[usize], device: &Device) -> Self::Batch;

    /// The loss of a batch.
    fn loss(&self, model: &Self::Model, batch: Self::Batch) -> Tensor<1>;

    /// What looks suspicious about a batch; for the first one of a run.
    fn lint(&self, model: &Self::Model, batch: Self::Batch) -> Vec<Lint>;

    /// The loss on the held-out samples, and a score: the higher the better, 1 at best.
    fn held_out(&self, model: &Self::Model, device: &Device) -> (f64, f64);
}

/// A model whose weights depend on the seed alone.
///
/// Every backend has random numbers of its own, so the weights are drawn on the same one for all.
pub fn seeded<M: Module>(seed: u64, device: &Device, new: impl Fn(&Device) -> M) -> M {
    let host = Device::flex();
    host.seed(seed);
    let weights = new(&host).into_record();
    new(device).load_record(weights)
}

/// Trains the model on a device with autodiff. What looks suspicious about the first batch is said
/// before any time is spent.
pub fn train<T: Task>(
    task: &T,
    mut model: T::Model,
    flags: &Flags,
    device: &Device,
    rng: &mut impl Rng,
    log: &mut TrainingLog,
) -> Result<T::Model, Error> {
    let first: Vec<usize> = (0..task.samples().min(flags.batch_size)).collect();
    for lint in task.lint(&model, task.batch(&first, device)) {
        log.say(format!("lint: {lint}"));
    }

    let host = device.clone().without_autodiff();
    let mut optimizer = AdamConfig::new().init();
    for epoch in 1..=flags.epochs {
        let start = Instant::now();
        let order = batches(task.samples(), flags.batch_size, rng);
        let mut losses = Vec::new();
        for indices in &order {
            let loss = task.loss(&model, task.batch(indices, device));
            losses.push(loss.clone().inner());
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            model = optimizer.step(flags.learning_rate, model, gradients);
            log.step();
        }

        // Reading a loss waits for the device, so that is done once an epoch and not in each step.
        let losses: Vec<f64> = Tensor::cat(losses, 0).into_data().iter().collect();
        let train_loss = mean(&losses, &order);
        let (held_out_loss, score) = task.held_out(&model.valid(), &host);
        log.epoch(
            &losses,
            Epoch {
                epoch,
                train_loss,
                held_out_loss,
                score,
                seconds: start.elapsed().as_secs_f64(),
            },
        )?;
        if !(train_loss.is_finite() && held_out_loss.is_finite()) {
            return Err("the loss is no longer finite: lower --learning-rate".into());
        }
    }
    Ok(model)
}

/// All indices in a new order, in batches. The last one may be smaller.
fn batches(count: usize, size: usize, rng: &mut impl Rng) -> Vec<Vec<usize>> {
    let mut indices: Vec<usize> = (0..count).collect();
    indices.shuffle(rng);
    indices.chunks(size).map(<[usize]>::to_vec).collect()
}

/// The mean over the samples, from the means over batches of unequal size.
fn mean(losses: &[f64], batches: &[Vec<usize>]) -> f64 {
    let sizes = batches.iter().map(|batch| batch.len() as f64);
    let sum: f64 = losses.iter().zip(sizes.clone()).map(|(l, n)| l * n).sum();
    sum / sizes.sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn same_seed_same_batches() {
        let of = |seed| batches(10, 4, &mut StdRng::seed_from_u64(seed));
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
        let mut all = of(7).concat();
        all.sort();
        assert_eq!(all, (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn the_mean_weighs_batches_by_size() {
        assert_eq!(mean(&[1.0, 4.0], &[vec![0, 1], vec![2]]), 2.0);
    }
}
