//! Burn's training loop with ignored ids: what the metrics say is what is counted by hand.
#![cfg(feature = "train")]

mod common;

use burn::data::dataloader::{DataLoader, DataLoaderBuilder, batcher::Batcher};
use burn::data::dataset::InMemDataset;
use burn::lr_scheduler::constant::ConstantLr;
use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::optim::SgdConfig;
use burn::prelude::*;
use burn::train::logger::{FileMetricLogger, MetricLogger};
use burn::train::metric::store::Split;
use burn::train::{InferenceStep, Learner, SupervisedTraining, TrainOutput, TrainStep};
use burn_losses::metric::{
    LossPartsMetric, MaskedAccuracyInput, MaskedAccuracyMetric, MaskedClassificationOutput,
};
use burn_losses::prelude::*;
use common::{devices, numbers};
use std::path::PathBuf;
use std::sync::Arc;

const WORDS: usize = 5;
const FEATURES: usize = 4;
const TAGS: usize = 3;
const PADDING: i64 = -1;

type Logits = Tensor<2>;
type Ids = Tensor<1, Int>;

/// A model that tags each word of a sentence, generic over its loss.
#[derive(Module, Debug)]
struct Tagger<L: LossModule<Logits, Ids>> {
    linear: Linear,
    loss: L,
}

/// A sentence, padded: the features of its words, and their tags.
#[derive(Clone, Debug)]
struct Sentence {
    words: Vec<f32>,
    tags: Vec<i64>,
}

#[derive(Clone, Debug)]
struct Batch {
    words: Tensor<3>,
    tags: Tensor<2, Int>,
}

#[derive(Clone)]
struct Padded;

impl Batcher<Sentence, Batch> for Padded {
    fn batch(&self, sentences: Vec<Sentence>, device: &Device) -> Batch {
        let count = sentences.len();
        let words: Vec<f32> = sentences.iter().flat_map(|of| of.words.clone()).collect();
        let tags: Vec<i64> = sentences.iter().flat_map(|of| of.tags.clone()).collect();
        Batch {
            words: Tensor::from_data(TensorData::new(words, [count, WORDS, FEATURES]), device),
            tags: Tensor::from_data(TensorData::new(tags, [count, WORDS]), device),
        }
    }
}

impl<L: LossModule<Logits, Ids>> Tagger<L> {
    fn output(&self, batch: Batch) -> MaskedClassificationOutput {
        let (logits, tags) = target::flatten(self.linear.forward(batch.words), batch.tags);
        let parts = self.loss.forward_parts(logits.clone(), tags.clone());
        MaskedClassificationOutput::new(parts, MaskedAccuracyInput::new(logits, tags))
    }
}

impl<L: LossModule<Logits, Ids>> TrainStep for Tagger<L> {
    type Input = Batch;
    type Output = MaskedClassificationOutput;

    fn step(&self, batch: Batch) -> TrainOutput<MaskedClassificationOutput> {
        let output = self.output(batch);
        TrainOutput::new(self, output.parts.mean().backward(), output)
    }
}

impl<L: LossModule<Logits, Ids>> InferenceStep for Tagger<L> {
    type Input = Batch;
    type Output = MaskedClassificationOutput;

    fn step(&self, batch: Batch) -> MaskedClassificationOutput {
        self.output(batch)
    }
}

/// Sentences of one to five words, whose tag depends on the features; a batch of the last is all padding.
fn sentences(count: usize) -> Vec<Sentence> {
    let feature = |at: usize| ((at * 7919 + 13) % 101) as f32 / 50.0 - 1.0;
    (0..count)
        .map(|sentence| {
            let length = if sentence + 1 == count {
                0
            } else {
                1 + sentence % WORDS
            };
            let start = sentence * WORDS * FEATURES;
            let words = (0..WORDS * FEATURES)
                .map(|at| feature(start + at))
                .collect();
            let tag = |word: usize| {
                let first = feature(start + word * FEATURES);
                if word >= length {
                    PADDING
                } else if first < -0.3 {
                    0
                } else if first < 0.3 {
                    1
                } else {
                    2
                }
            };
            Sentence {
                words,
                tags: (0..WORDS).map(tag).collect(),
            }
        })
        .collect()
}

fn loader(sentences: Vec<Sentence>, device: &Device) -> Arc<dyn DataLoader<Batch>> {
    DataLoaderBuilder::new(Padded)
        .batch_size(3)
        .set_device(device.clone())
        .build(InMemDataset::new(sentences))
}

/// The mean loss with class weights and the accuracy, in percent, over all words that are not padding.
fn by_hand(linear: &Linear, sentences: &[Sentence], weights: &[f64; TAGS]) -> [f64; 2] {
    let matrix = numbers(&linear.weight.val());
    let bias = numbers(&linear.bias.as_ref().map(Param::val).expect("it has one"));
    let (mut loss, mut weight, mut right, mut count) = (0.0, 0.0, 0.0, 0.0);
    for Sentence { words, tags } in sentences {
        for (word, &tag) in words.chunks(FEATURES).zip(tags) {
            let Ok(tag) = usize::try_from(tag) else {
                continue;
            };
            let logit = |class: usize| {
                let products = word.iter().enumerate();
                let products = products.map(|(at, x)| f64::from(*x) * matrix[at * TAGS + class]);
                products.sum::<f64>() + bias[class]
            };
            let logits: Vec<f64> = (0..TAGS).map(logit).collect();
            let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = logits.iter().map(|x| (x - largest).exp()).sum();
            loss += weights[tag] * (sum.ln() + largest - logits[tag]);
            weight += weights[tag];
            count += 1.0;
            if logits[tag] == largest {
                right += 1.0;
            }
        }
    }
    [loss / weight, 100.0 * right / count]
}

fn directory(name: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("burn-losses-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&directory);
    directory
}

#[test]
fn the_metrics_of_a_training_are_those_counted_by_hand() {
    for on in devices().into_iter().filter(|on| on.double) {
        let device = on.device.clone().autodiff();
        device.seed(7);
        let weights = [0.5, 1.0, 2.25];
        let loss = CrossEntropyLossConfig::new()
            .with_ignore_index(PADDING)
            .with_weights(Some(weights.to_vec()))
            .init();
        let model = Tagger {
            linear: LinearConfig::new(FEATURES, TAGS).init(&device),
            loss,
        };
        let valid = sentences(13);
        let [before, _] = by_hand(&model.linear, &valid, &weights);
        let optimizer = SgdConfig::new().init();
        let learner = Learner::new(model, optimizer, ConstantLr::from(0.5));
        let directory = directory(on.name);
        let loaders = [
            loader(sentences(31), &device),
            loader(valid.clone(), &on.device),
        ];
        let [train_loader, valid_loader] = loaders;
        let result = SupervisedTraining::new(&directory, train_loader, valid_loader)
            .metrics((
                LossPartsMetric::new(),
                MaskedAccuracyMetric::new().with_ignore_index(PADDING),
            ))
            .with_application_logger(None)
            .num_epochs(3)
            .launch(learner);

        let [loss, accuracy] = by_hand(&result.model.linear, &valid, &weights);
        assert!(loss < before, "{loss} after {before}");
        let mut logs = FileMetricLogger::new(&directory);
        let mut of = |name: &str| {
            let entries = logs.read_numeric(name, 3, &Split::Valid).expect("a log");
            entries.last().expect("an entry").current()
        };
        let (found, shown) = (of("Loss"), of("Accuracy"));
        assert!(
            (found - loss).abs() <= 1e-6,
            "{found}, by hand {loss}, on {}",
            on.name
        );
        assert!(
            (shown - accuracy).abs() <= 1e-6,
            "{shown}, by hand {accuracy}, on {}",
            on.name
        );
        let _ = std::fs::remove_dir_all(&directory);
    }
}
