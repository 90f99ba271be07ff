//! The training loop.

use std::error::Error;
use std::time::Instant;

use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Tensor};
use burn_losses::{Lint, target};
use rand::Rng;
use rand::seq::SliceRandom;

use crate::confusion::Confusion;
use crate::data::{Batch, Split};
use crate::log::{Epoch, TrainingLog};
use crate::model::{Model, ModelLoss};

/// How to train.
pub(crate) struct Settings {
    pub(crate) epochs: usize,
    pub(crate) batch_size: usize,
    pub(crate) learning_rate: f64,
}

/// A model whose weights depend on the seed alone.
///
/// Every backend has random numbers of its own, so the weights are drawn on the same one for all.
pub(crate) fn seeded_model(loss: ModelLoss, seed: u64, device: &Device) -> Model {
    let host = Device::flex();
    host.seed(seed);
    let weights = Model::new(loss.clone(), &host).into_record();
    Model::new(loss, device).load_record(weights)
}

/// What looks suspicious about a first batch of samples, before any time is spent on training.
pub(crate) fn lint(model: &Model, split: &Split, size: usize, device: &Device) -> Vec<Lint> {
    let batch = Batch::new(split.train.iter().take(size), device);
    model.lint(model.forward(batch.images), batch.ids)
}

/// Trains the model on a device with autodiff, and gives its answers on the held-out samples.
pub(crate) fn train(
    mut model: Model,
    split: &Split,
    settings: &Settings,
    device: &Device,
    rng: &mut impl Rng,
    log: &mut TrainingLog,
) -> Result<Confusion, Box<dyn Error>> {
    let held_out = Batch::new(split.held_out.iter(), &device.clone().without_autodiff());
    let mut optimizer = AdamConfig::new().init();
    let mut confusion = Confusion::default();

    for epoch in 1..=settings.epochs {
        let start = Instant::now();
        let order = batches(split.train.len(), settings.batch_size, rng);
        let mut losses = Vec::new();
        for indices in &order {
            let batch = Batch::new(indices.iter().map(|&index| &split.train[index]), device);
            let logits = model.forward(batch.images);
            let loss = model.loss(logits, batch.ids);
            losses.push(loss.clone().inner());
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            model = optimizer.step(settings.learning_rate, model, gradients);
            log.step();
        }

        // Reading a loss waits for the device, so that is done once an epoch and not in each step.
        let losses: Vec<f64> = Tensor::cat(losses, 0).into_data().iter().collect();
        let train_loss = mean(&losses, &order);
        let (held_out_loss, answers) = evaluate(&model.valid(), &held_out);
        confusion = answers;
        let score = confusion.accuracy();
        let seconds = start.elapsed().as_secs_f64();
        log.epoch(
            &losses,
            Epoch {
                epoch,
                train_loss,
                held_out_loss,
                score,
                seconds,
            },
        )?;
        if !(train_loss.is_finite() && held_out_loss.is_finite()) {
            return Err("the loss is no longer finite: lower --learning-rate".into());
        }
    }
    Ok(confusion)
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

fn evaluate(model: &Model, batch: &Batch) -> (f64, Confusion) {
    let logits = model.forward(batch.images.clone());
    let predicted = target::class_ids(logits.clone(), 1);
    let loss = model.loss(logits, batch.ids.clone());
    (
        loss.into_scalar(),
        Confusion::new(batch.ids.clone(), predicted),
    )
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
