//! A step of a training is the same for one batch, and for the same samples in several batches or on several devices.
#![cfg(feature = "train")]

mod common;

use burn::data::dataloader::{DataLoader, DataLoaderBuilder, batcher::Batcher};
use burn::data::dataset::InMemDataset;
use burn::lr_scheduler::constant::ConstantLr;
use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::{Module, ModuleVisitor, Param};
use burn::nn::Linear;
use burn::optim::{
    GradientsAccumulator, GradientsParams, ModuleOptimizer, MultiGradientsParams, SgdConfig,
};
use burn::prelude::*;
use burn::tensor::DType;
use burn::train::{
    ExecutionStrategy, InferenceStep, Learner, MultiDeviceOptim, SupervisedTraining, TrainOutput,
    TrainStep,
};
use burn_losses::Normalizer;
use burn_losses::prelude::*;
use common::{TestDevice, assert_close, devices, numbers};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const FEATURES: usize = 4;
const CLASSES: usize = 3;
const IGNORED: i64 = -1;
const RATE: f64 = 0.5;

/// The features of a sample, and its class.
#[derive(Clone, Debug)]
struct Sample([f64; FEATURES], i64);

/// Of which two fifths are ignored, some batches have many and some have few.
fn samples(count: usize) -> Vec<Sample> {
    let feature = |at: usize| ((at * 7919 + 13) % 101) as f64 / 50.0 - 1.0;
    let class = |at: usize| [0, 1, 2, IGNORED, IGNORED][(at * at + at / 3) % 5];
    (0..count)
        .map(|at| {
            let features = std::array::from_fn(|place| feature(at * FEATURES + place));
            Sample(features, class(at))
        })
        .collect()
}

#[derive(Clone, Debug)]
struct Batch {
    inputs: Tensor<2>,
    targets: Tensor<1, Int>,
}

fn batch(samples: &[Sample], device: &Device, dtype: DType) -> Batch {
    let features: Vec<f64> = samples.iter().flat_map(|Sample(of, _)| *of).collect();
    let features = TensorData::new(features, [samples.len(), FEATURES]).convert_dtype(dtype);
    let classes: Vec<i64> = samples.iter().map(|Sample(_, class)| *class).collect();
    Batch {
        inputs: Tensor::from_data(features, (device, dtype)),
        targets: Tensor::from_data(TensorData::new(classes, [samples.len()]), device),
    }
}

#[derive(Clone)]
struct InSingle;

impl Batcher<Sample, Batch> for InSingle {
    fn batch(&self, samples: Vec<Sample>, device: &Device) -> Batch {
        batch(&samples, device, DType::F32)
    }
}

#[derive(Module, Debug)]
struct Classifier {
    linear: Linear,
    loss: CrossEntropyLoss,
    /// Without one a step is by the mean of its batch.
    normalizer: Option<Normalizer>,
}

impl Classifier {
    fn new(device: &Device, dtype: DType, normalizer: Option<Normalizer>) -> Self {
        let numbers = |count: usize| -> Vec<f64> {
            let number = |at: usize| ((at * 37 + 11) % 17) as f64 / 17.0 - 0.5;
            (0..count).map(number).collect()
        };
        let weight = TensorData::new(numbers(FEATURES * CLASSES), [FEATURES, CLASSES]);
        let bias = TensorData::new(numbers(CLASSES), [CLASSES]);
        let weight = Tensor::<2>::from_data(weight.convert_dtype(dtype), (device, dtype));
        let bias = Tensor::<1>::from_data(bias.convert_dtype(dtype), (device, dtype));
        let loss = CrossEntropyLossConfig::new()
            .with_weights(Some(vec![0.5, 1.0, 2.25]))
            .with_ignore_index(IGNORED);
        Self {
            linear: Linear {
                weight: Param::from_tensor(weight),
                bias: Some(Param::from_tensor(bias)),
            },
            loss: loss.init(),
            normalizer,
        }
    }

    fn normalizer(&self) -> &Normalizer {
        self.normalizer.as_ref().expect("it has one")
    }

    fn parts(&self, batch: Batch) -> LossParts {
        let logits = self.linear.forward(batch.inputs);
        self.loss.forward_parts(logits, batch.targets)
    }

    fn parameters(&self) -> Vec<f64> {
        let bias = self.linear.bias.as_ref().expect("it has one");
        [numbers(&self.linear.weight.val()), numbers(&bias.val())].concat()
    }

    fn gradients(&self, objective: Tensor<1>) -> GradientsParams {
        GradientsParams::from_grads(objective.backward(), self)
    }

    /// The gradients of the parameters that are trained.
    fn found(&self, gradients: &GradientsParams) -> Vec<f64> {
        let bias = self.linear.bias.as_ref().expect("it has one");
        let weight = gradients.get::<2>(self.linear.weight.id);
        let bias = gradients.get::<1>(bias.id);
        let (weight, bias) = weight.zip(bias).expect("a gradient for each");
        [numbers(&weight), numbers(&bias)].concat()
    }
}

impl TrainStep for Classifier {
    type Input = Batch;
    type Output = ();

    fn step(&self, batch: Batch) -> TrainOutput<()> {
        let parts = self.parts(batch);
        let objective = match &self.normalizer {
            Some(normalizer) => normalizer.objective(parts),
            None => parts.mean(),
        };
        TrainOutput::new(self, objective.backward(), ())
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

impl InferenceStep for Classifier {
    type Input = Batch;
    type Output = ();

    fn step(&self, _: Batch) {}
}

/// The numbers of all parameters.
#[derive(Default)]
struct Numbers(Vec<f64>);

impl ModuleVisitor for Numbers {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.extend(numbers(&param.val()));
    }
}

fn count(normalizer: &Normalizer) -> Vec<f64> {
    let mut found = Numbers::default();
    normalizer.visit(&mut found);
    found.0
}

/// The types with how exact a gradient is.
fn types(on: &TestDevice) -> Vec<(DType, f64)> {
    match on.double {
        true => vec![(DType::F32, 1e-6), (DType::F64, 1e-12)],
        false => vec![(DType::F32, 1e-5)],
    }
}

fn largest_difference(some: &[f64], others: &[f64]) -> f64 {
    assert_eq!(some.len(), others.len());
    let pairs = some.iter().zip(others);
    pairs
        .map(|(one, other)| (one - other).abs())
        .fold(0.0, f64::max)
}

// Gradients that are added up by hand.

#[test]
fn accumulated_gradients_are_those_of_the_whole_batch() {
    const SIZES: [&[usize]; 4] = [&[11], &[4, 7], &[7, 1, 3], &[1, 2, 2, 2, 4]];
    for on in devices() {
        let device = on.device.clone().autodiff();
        for (dtype, tolerance) in types(&on) {
            let normalizer = Normalizer::init((&device, dtype));
            let model = Classifier::new(&device, dtype, Some(normalizer));
            let samples = samples(11);
            let whole = model.parts(batch(&samples, &device, dtype)).mean();
            let expected = model.found(&model.gradients(whole));
            for sizes in SIZES {
                let mut accumulator = GradientsAccumulator::new();
                let mut of_means = GradientsAccumulator::new();
                let mut rest = &samples[..];
                for size in sizes {
                    let (some, others) = rest.split_at(*size);
                    rest = others;
                    let parts = model.parts(batch(some, &device, dtype));
                    let objective = model.normalizer().objective(parts);
                    accumulator.accumulate(&model, model.gradients(objective));
                    let mean = model.parts(batch(some, &device, dtype)).mean();
                    of_means.accumulate(&model, model.gradients(mean));
                }
                let divided = model.normalizer().divide(&model, accumulator.grads());
                assert_eq!(divided.len(), 2, "of the weight and of the bias, no other");
                let found = model.found(&divided);
                let what = format!("{} batches in {dtype:?} on {}", sizes.len(), on.name);
                assert_close(&what, &found, &expected, tolerance);
                if sizes.len() > 1 {
                    let of_means = model.found(&of_means.grads());
                    assert!(largest_difference(&of_means, &expected) > 1e-2, "{what}");
                }
            }
        }
    }
}

#[test]
fn gradients_of_several_devices_are_divided_by_the_weight_of_all() {
    for on in devices() {
        let device = on.device.clone().autodiff();
        for (dtype, tolerance) in types(&on) {
            let normalizer = Normalizer::init((&device, dtype));
            let model = Classifier::new(&device, dtype, Some(normalizer));
            let samples = samples(11);
            let whole = model.parts(batch(&samples, &device, dtype)).mean();
            let expected = model.found(&model.gradients(whole));
            let of = |samples: &[Sample]| {
                let parts = model.parts(batch(samples, &device, dtype));
                model.gradients(model.normalizer().objective(parts))
            };
            // One of the devices had no batch left.
            let of_devices = [of(&samples[..4]), GradientsParams::new(), of(&samples[4..])];
            let all = MultiGradientsParams {
                grads: of_devices
                    .into_iter()
                    .map(|of| (of, device.clone()))
                    .collect(),
            };
            let divided = model.normalizer().divide_multi(&model, all);
            assert_eq!(divided.grads.len(), 3);
            let of_device = |at: usize| model.found(&divided.grads[at].0);
            let sums = of_device(0).into_iter().zip(of_device(2));
            let found: Vec<f64> = sums.map(|(one, other)| one + other).collect();
            let what = format!("{dtype:?} on {}", on.name);
            assert_close(&what, &found, &expected, tolerance);
            assert!(divided.grads[1].0.is_empty());

            let none = MultiGradientsParams::default();
            assert!(
                model
                    .normalizer()
                    .divide_multi(&model, none)
                    .grads
                    .is_empty()
            );
        }
    }
}

#[test]
fn a_constant_factor_of_all_objectives_is_divided_out() {
    for on in devices() {
        let device = on.device.clone().autodiff();
        let model = Classifier::new(&device, DType::F32, Some(Normalizer::init(&device)));
        let samples = samples(11);
        let gradients = |factor: f64| {
            let parts = model.parts(batch(&samples, &device, DType::F32));
            let objective = model.normalizer().objective(parts) * factor;
            let divided = model
                .normalizer()
                .divide(&model, model.gradients(objective));
            model.found(&divided)
        };
        let what = format!("on {}", on.name);
        assert_close(&what, &gradients(1.0 / 1024.0), &gradients(1.0), 1e-6);
    }
}

/// A weight beyond `f16`, with gradients of it.
#[test]
fn gradients_of_a_narrow_type_are_divided_in_a_wide_one() {
    for on in cpus() {
        let device = on.device.clone().autodiff();
        let supported = |dtype: &DType| on.device.supports_dtype(*dtype);
        for dtype in [DType::F16, DType::BF16].into_iter().filter(supported) {
            let model = Classifier::new(&device, dtype, Some(Normalizer::init((&device, dtype))));
            let samples = samples(11);
            let mean = model.parts(batch(&samples, &device, dtype)).mean();
            let expected = model.found(&model.gradients(mean));
            let LossParts { sum, weight } = model.parts(batch(&samples, &device, dtype));
            let factor = 65536.0 / numbers(&weight)[0];
            let parts = LossParts {
                sum,
                weight: weight * factor,
            };
            let objective = model.normalizer().objective(parts);
            let divided = model
                .normalizer()
                .divide(&model, model.gradients(objective));
            let bias = model.linear.bias.as_ref().expect("it has one").id;
            assert_eq!(divided.get::<1>(bias).expect("a gradient").dtype(), dtype);
            let found: Vec<f64> = model.found(&divided).iter().map(|of| of * factor).collect();
            let tolerance = if dtype == DType::F16 { 1e-2 } else { 5e-2 };
            assert_close(
                &format!("{dtype:?} on {}", on.name),
                &found,
                &expected,
                tolerance,
            );
        }
    }
}

#[test]
fn where_nothing_counts_the_gradients_are_0() {
    for on in devices() {
        let device = on.device.clone().autodiff();
        let model = Classifier::new(&device, DType::F32, Some(Normalizer::init(&device)));
        let ignored: Vec<Sample> = samples(5)
            .into_iter()
            .map(|Sample(features, _)| Sample(features, IGNORED))
            .collect();
        let parts = model.parts(batch(&ignored, &device, DType::F32));
        let objective = model.normalizer().objective(parts);
        assert_eq!(numbers(&objective), [0.0]);
        let divided = model
            .normalizer()
            .divide(&model, model.gradients(objective));
        let found = model.found(&divided);
        assert_eq!(found, vec![0.0; found.len()], "on {}", on.name);

        let before = model.parameters();
        let model = SgdConfig::new().init().step(RATE, model, divided);
        assert_eq!(model.parameters(), before, "on {}", on.name);
    }
}

/// A class that weighs nothing has a loss where smoothing spreads one over the others. The mean of that is 0.
#[test]
fn a_loss_without_a_weight_trains_nothing() {
    for on in devices() {
        let device = on.device.clone().autodiff();
        let normalizer = Normalizer::init(&device);
        let model = Classifier::new(&device, DType::F32, Some(normalizer));
        let smooth = CrossEntropyLossConfig::new()
            .with_weights(Some(vec![0.0, 1.0, 1.0]))
            .with_label_smoothing(0.5);
        let inputs = batch(&samples(3), &device, DType::F32).inputs;
        let targets = Tensor::<1, Int>::from_data([0, 0, 0], &device);
        let parts = smooth
            .init()
            .forward_parts(model.linear.forward(inputs), targets);
        assert!(numbers(&parts.sum)[0] > 0.0);
        let objective = model.normalizer().objective(parts);
        let divided = model
            .normalizer()
            .divide(&model, model.gradients(objective));
        let found = model.found(&divided);
        assert_eq!(found, vec![0.0; found.len()], "on {}", on.name);
    }
}

/// Two layers with the same parameters.
#[derive(Module, Debug)]
struct Tied {
    first: Linear,
    second: Linear,
    normalizer: Normalizer,
}

#[test]
fn a_parameter_that_is_there_twice_is_divided_once() {
    for on in devices() {
        let device = on.device.clone().autodiff();
        let linear = Classifier::new(&device, DType::F32, None).linear;
        let model = Tied {
            first: linear.clone(),
            second: linear,
            normalizer: Normalizer::init(&device),
        };
        let samples = samples(4);
        let parts = || {
            let Batch { inputs, targets } = batch(&samples, &device, DType::F32);
            let logits = model.first.forward(inputs.clone()) + model.second.forward(inputs);
            let loss = CrossEntropyLossConfig::new()
                .with_ignore_index(IGNORED)
                .init();
            loss.forward_parts(logits, targets)
        };
        let id = model.first.weight.id;
        let mean = GradientsParams::from_grads(parts().mean().backward(), &model);
        let objective = model.normalizer.objective(parts());
        let sums = GradientsParams::from_grads(objective.backward(), &model);
        let divided = model.normalizer.divide(&model, sums);
        let [found, expected] = [divided, mean].map(|of| of.get::<2>(id).expect("a gradient"));
        let what = format!("on {}", on.name);
        assert_close(&what, &numbers(&found), &numbers(&expected), 1e-5);
    }
}

#[test]
#[should_panic(expected = "the gradients must be of Normalizer::objective")]
fn gradients_of_a_mean_are_not_divided_again() {
    let device = Device::flex().autodiff();
    let model = Classifier::new(&device, DType::F32, Some(Normalizer::init(&device)));
    let mean = model.parts(batch(&samples(5), &device, DType::F32)).mean();
    model.normalizer().divide(&model, model.gradients(mean));
}

#[test]
#[should_panic(
    expected = "2 gradients are of parameters that the model given to Normalizer::divide does not have"
)]
fn gradients_of_another_model_are_not_dropped() {
    let device = Device::flex().autodiff();
    let model = Classifier::new(&device, DType::F32, Some(Normalizer::init(&device)));
    let parts = model.parts(batch(&samples(5), &device, DType::F32));
    let gradients = model.gradients(model.normalizer().objective(parts));
    model.normalizer().divide(model.normalizer(), gradients);
}

// Burn's training loop.

fn directory() -> PathBuf {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("burn-losses-normalizer-{}-{number}", std::process::id());
    std::env::temp_dir().join(name)
}

/// How a step is divided.
struct Plan {
    batch: usize,
    accumulation: Option<usize>,
    /// Where the optimizer works, with two devices.
    devices: Option<MultiDeviceOptim>,
}

/// The parameters after an epoch.
fn train(on: &TestDevice, plan: Plan, samples: &[Sample], with_normalizer: bool) -> Vec<f64> {
    let device = on.device.clone().autodiff();
    let loader = |samples: &[Sample], device: &Device| -> Arc<dyn DataLoader<Batch>> {
        DataLoaderBuilder::new(InSingle)
            .batch_size(plan.batch)
            .set_device(device.clone())
            .build(InMemDataset::new(samples.to_vec()))
    };
    let normalizer = with_normalizer.then(|| Normalizer::init(&device));
    let model = Classifier::new(&device, DType::F32, normalizer);
    let directory = directory();
    let loaders = [loader(samples, &device), loader(&samples[..1], &on.device)];
    let [of_training, of_validation] = loaders;
    let mut training: SupervisedTraining<Classifier> =
        SupervisedTraining::new(&directory, of_training, of_validation)
            .with_application_logger(None)
            .num_epochs(1);
    if let Some(accumulation) = plan.accumulation {
        training = training.grads_accumulation(accumulation);
    }
    if let Some(place) = plan.devices {
        let devices = vec![on.device.clone(), on.device.clone()];
        let strategy = ExecutionStrategy::multi(devices, place);
        training = training.with_training_strategy(strategy.into());
    }
    let optimizer = SgdConfig::new().init();
    let learner = Learner::new(model, optimizer, ConstantLr::from(RATE));
    let result = training.launch(learner);
    let _ = std::fs::remove_dir_all(&directory);
    if let Some(error) = &result.error {
        panic!("{error} on {}", on.name);
    }
    if let Some(normalizer) = &result.model.normalizer {
        assert_eq!(count(normalizer), [0.0], "the optimizer leaves it alone");
    }
    result.model.parameters()
}

/// With the normalizer the plan gives what the whole batch of each step gives; without it something else.
fn compare(
    on: &TestDevice,
    what: &str,
    plan: impl Fn() -> Plan,
    samples: &[Sample],
    whole: &[f64],
) {
    let found = train(on, plan(), samples, true);
    let difference = largest_difference(&found, whole);
    assert!(
        difference < 1e-5,
        "{what} on {}: off by {difference}",
        on.name
    );
    let found = train(on, plan(), samples, false);
    let difference = largest_difference(&found, whole);
    assert!(
        difference > 1e-3,
        "{what} on {}: off by {difference} only",
        on.name
    );
}

fn at_once(batch: usize) -> Plan {
    Plan {
        batch,
        accumulation: None,
        devices: None,
    }
}

fn cpus() -> impl Iterator<Item = TestDevice> {
    devices().into_iter().filter(|on| on.double)
}

#[test]
fn accumulation_trains_as_the_whole_batch_does() {
    for on in cpus() {
        // 20 steps, of three batches of three samples each; the last has two of them.
        let samples = samples(177);
        let whole = train(&on, at_once(9), &samples, false);
        let plan = || Plan {
            accumulation: Some(3),
            ..at_once(3)
        };
        compare(&on, "accumulation", plan, &samples, &whole);
        // The normalizer changes nothing where there is nothing to change.
        let found = train(&on, at_once(9), &samples, true);
        let difference = largest_difference(&found, &whole);
        assert!(difference < 1e-5, "off by {difference} on {}", on.name);
    }
}

#[test]
fn two_devices_train_as_one_does() {
    for on in cpus() {
        // Burn gives the first 99 samples to the one device and the last 100 to the other: 20 steps of 5 and 5 samples,
        // the last of 4 and 5.
        let samples = samples(199);
        let (first, second) = samples.split_at(99);
        let steps = first.chunks(5).zip(second.chunks(5));
        let in_order: Vec<Sample> = steps
            .flat_map(|(one, other)| [one, other].concat())
            .collect();
        let once = train(&on, at_once(10), &in_order, false);
        let twice = train(&on, at_once(20), &in_order, false);
        for place in [
            MultiDeviceOptim::OptimMainDevice,
            MultiDeviceOptim::OptimSharded,
        ] {
            let plan = |accumulation: Option<usize>| Plan {
                accumulation,
                devices: Some(place),
                ..at_once(5)
            };
            let what = format!("{place:?}");
            compare(&on, &what, || plan(None), &samples, &once);
            let what = format!("{place:?} with accumulation");
            compare(&on, &what, || plan(Some(2)), &samples, &twice);
        }
    }
}
