//! Burn's training loop with ignored ids: what the metrics say is what is counted by hand.
#![cfg(feature = "train")]

mod common;

use burn::data::dataloader::{DataLoader, DataLoaderBuilder, Progress, batcher::Batcher};
use burn::data::dataset::InMemDataset;
use burn::lr_scheduler::constant::ConstantLr;
use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::optim::SgdConfig;
use burn::prelude::*;
use burn::tensor::DType;
use burn::train::logger::{FileMetricLogger, MetricLogger};
use burn::train::metric::store::Split;
use burn::train::metric::{Metric, MetricMetadata, Numeric, NumericEntry};
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

fn metadata() -> MetricMetadata {
    MetricMetadata {
        progress: Progress {
            items_processed: 1,
            items_total: 1,
            unit: None,
        },
        iteration: None,
        lr: None,
    }
}

#[test]
fn what_does_not_count_changes_no_metric() {
    for on in devices() {
        let device = &on.device;
        let mut accuracy = MaskedAccuracyMetric::new().with_ignore_indices(vec![-100, PADDING]);
        let mut loss = LossPartsMetric::named("Weighted loss");
        let mut add = |ids: [i64; 3], weights: Option<[f32; 3]>| {
            let logits = Tensor::<2>::from_data([[2., 0., 1.], [0., 3., 1.], [1., 2., 0.]], device);
            let ids = Tensor::<1, Int>::from_data(ids, device);
            let config = CrossEntropyLossConfig::new().with_ignore_indices(vec![-100, PADDING]);
            let input = MaskedAccuracyInput::new(logits.clone(), ids.clone());
            let (parts, input) = match weights {
                Some(weights) => {
                    let weights = Tensor::<1>::from_data(weights, device);
                    let parts = config
                        .init()
                        .forward_weighted_parts(logits, ids, weights.clone());
                    (parts, input.with_weights(weights))
                }
                None => (config.init().forward_parts(logits, ids), input),
            };
            loss.update(&parts, &metadata()).expect("a loss");
            let shown = accuracy.update(&input, &metadata()).expect("an accuracy");
            let of = |entry: Option<NumericEntry>| entry.map(|entry| entry.current());
            (
                of(accuracy.value()),
                of(accuracy.running_value()),
                of(loss.value()),
                shown,
            )
        };
        let (batch, epoch, _, _) = add([0, 0, -100], None);
        assert_eq!((batch, epoch), (Some(50.0), Some(50.0)), "on {}", on.name);
        let (batch, epoch, of_loss, shown) = add([PADDING; 3], None);
        assert_eq!(
            (batch, epoch, of_loss),
            (None, Some(50.0), None),
            "on {}",
            on.name
        );
        assert!(shown.is_not_available(), "{shown:?}");
        // Two more right ones, which count for 6.
        let (batch, epoch, _, _) = add([0, 1, 0], Some([1.5, 4.5, 0.0]));
        assert_eq!(
            (batch, epoch),
            (Some(100.0), Some(100.0 * 7.0 / 8.0)),
            "on {}",
            on.name
        );
        accuracy.clear();
        assert!(accuracy.running_value().is_none());
        assert!(accuracy.final_value().current().is_nan());
        let x = (1.0 + (-1f64).exp() + (-2f64).exp()).ln();
        let y = (1.0 + (-2f64).exp() + (-3f64).exp()).ln();
        let sum = x + (y + 3.0) + 1.5 * x + 4.5 * y;
        let found = loss.final_value().current();
        assert!((found - sum / 8.0).abs() < 1e-5, "{found} on {}", on.name);
    }
}

#[test]
fn a_class_beyond_the_type_of_the_ids_is_not_wrapped() {
    for on in devices().into_iter().filter(|on| on.double) {
        let mut scores = vec![0f32; 300];
        scores[256] = 1.0;
        let logits = Tensor::<2>::from_data(TensorData::new(scores, [1, 300]), &on.device);
        let ids = TensorData::new(vec![0u8], [1]);
        let ids = Tensor::<1, Int>::from_data(ids, (&on.device, DType::U8));
        let mut accuracy = MaskedAccuracyMetric::new();
        let input = MaskedAccuracyInput::new(logits, ids);
        accuracy.update(&input, &metadata()).expect("an accuracy");
        assert_eq!(accuracy.final_value().current(), 0.0, "on {}", on.name);
    }
}

#[test]
fn a_mask_may_have_any_rank() {
    for on in devices() {
        let logits =
            Tensor::<3>::from_data([[[3., 0.], [0., 3.]], [[3., 0.], [0., 3.]]], &on.device);
        let ids = Tensor::<2, Int>::from_data([[0, 0], [0, 1]], &on.device);
        let mask = Tensor::<2, Bool>::from_data([[true, false], [true, true]], &on.device);
        // Along axis 1, as the losses have them: place 1 of both has class 1.
        let mut accuracy = MaskedAccuracyMetric::new();
        let input = MaskedAccuracyInput::new(logits.clone(), ids.clone());
        accuracy.update(&input, &metadata()).expect("an accuracy");
        assert_eq!(accuracy.final_value().current(), 75.0);
        accuracy.clear();
        let masked = MaskedAccuracyInput::with_classes_along(2, logits, ids).with_mask(mask);
        accuracy.update(&masked, &metadata()).expect("an accuracy");
        assert_eq!(accuracy.final_value().current(), 100.0);
    }
    let device = Device::flex();
    let wrong = std::panic::catch_unwind(|| {
        MaskedAccuracyInput::new(
            Tensor::<2>::zeros([2, 3], &device),
            Tensor::<1, Int>::zeros([3], &device),
        )
    });
    let text = *wrong
        .expect_err("a panic")
        .downcast::<String>()
        .expect("a text");
    assert!(
        text.starts_with("MaskedAccuracyMetric: targets [3] do not fit logits [2, 3]"),
        "{text}"
    );
}
