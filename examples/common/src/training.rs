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
use crate::curves;
use crate::log::{Epoch, TrainingLog};

/// What a model is trained on.
pub trait Samples {
    /// Some of the samples as tensors.
    type Batch;

    /// The number of samples.
    fn count(&self) -> usize;

    /// Samples by their indices.
    fn batch(&self, indices: &[usize], device: &Device) -> Self::Batch;
}

/// Some of a task's samples as tensors.
pub type Batch<T> = <<T as Task>::Samples as Samples>::Batch;

/// What there is to learn: how a model's loss on samples is computed, and how good it is.
pub trait Task {
    /// The model to train.
    type Model: Module;
    /// What it is trained on.
    type Samples: Samples;

    /// The samples to train on.
    fn training_samples(&self) -> &Self::Samples;

    /// The loss of a batch.
    fn loss(&self, model: &Self::Model, batch: Batch<Self>) -> Tensor<1>;

    /// What looks suspicious about a batch; for the first one of a run.
    fn lint(&self, model: &Self::Model, batch: Batch<Self>) -> Vec<Lint>;

    /// The loss on the held-out samples, and a score: the higher the better, 1 at best.
    fn held_out(&self, model: &Self::Model, device: &Device) -> (f64, f64);
}

/// A whole training run, as the options ask for it: the log goes along, the curves are drawn.
pub fn run<T: Task>(
    task: &T,
    new: impl Fn(&Device) -> T::Model,
    title: &str,
    score_name: &'static str,
    flags: &Flags,
    device: &Device,
    rng: &mut impl Rng,
) -> Result<T::Model, Error> {
    let steps = flags.epochs * task.training_samples().count().div_ceil(flags.batch_size);
    let mut log = TrainingLog::create(&flags.output, steps, score_name)?;
    let model = train(task, new, flags, flags.seed, device, rng, &mut log)?;
    let path = flags.output.join("curves.svg");
    curves::draw(&path, title, score_name, &log.finish()?)?;
    println!("wrote {}", path.display());
    Ok(model)
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

/// Trains a new model, and gives it without autodiff. What looks suspicious about the first batch is
/// said before any time is spent.
pub fn train<T: Task>(
    task: &T,
    new: impl Fn(&Device) -> T::Model,
    flags: &Flags,
    seed: u64,
    device: &Device,
    rng: &mut impl Rng,
    log: &mut TrainingLog,
) -> Result<T::Model, Error> {
    let samples = task.training_samples();
    let host = device;
    let device = &device.clone().autodiff();
    let mut model = seeded(seed, device, new);
    let mut optimizer = AdamConfig::new().init();
    for epoch in 1..=flags.epochs {
        let start = Instant::now();
        let order = batches(samples.count(), flags.batch_size, rng);
        if epoch == 1 {
            for lint in task.lint(&model, samples.batch(&order[0], device)) {
                log.say(format!("lint: {lint}"));
            }
        }
        let mut losses = Vec::new();
        for indices in &order {
            let loss = task.loss(&model, samples.batch(indices, device));
            losses.push(loss.clone().inner());
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            model = optimizer.step(flags.learning_rate, model, gradients);
            log.step();
        }

        // Reading a loss waits for the device, so that is done once an epoch and not in each step.
        let losses: Vec<f64> = Tensor::cat(losses, 0).into_data().iter().collect();
        let train_loss = mean(&losses, &order);
        let (held_out_loss, score) = task.held_out(&model.valid(), host);
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
    Ok(model.valid())
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
