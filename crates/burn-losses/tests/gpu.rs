//! The kernels of a GPU against a CPU that computes in `f64`, and what must not depend on how a GPU
//! goes about its work.
//!
//! A row is worked on by more threads the longer it is, in vectors where its length allows, and a
//! workgroup works on as many rows as it has threads for. So shapes are chosen here by how they
//! divide, and tensors by how they lie in memory.

mod common;

use burn::tensor::{DType, Int, Tensor, TensorData};
use burn_losses::prelude::*;
use burn_losses::target::{ClassIds, ClassTarget};
use burn_losses::{Checks, LossErrorKind, cosine_similarity, pairwise_distance, set_checks};
use common::{TestDevice, devices, numbers};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How far a number may be from the exact one, relative to the largest of its tensor.
const TOLERANCE: f64 = 2e-6;

/// Sets when values are checked. While the guard lives, no other test of this file changes that, nor
/// uses the GPU.
fn with_checks(checks: Checks) -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    set_checks(checks);
    turn
}

/// A device, and the types of the numbers there.
struct On {
    device: TestDevice,
    float: DType,
    int: DType,
}

impl On {
    fn cpu() -> Self {
        let flex = devices().into_iter().find(|device| device.name == "flex");
        Self {
            device: flex.expect("flex is on"),
            float: DType::F64,
            int: DType::I64,
        }
    }

    /// The GPU, if this build and this machine have one; else it is said that the test is skipped.
    fn gpu() -> Option<Self> {
        let wgpu = devices().into_iter().find(|device| device.name == "wgpu");
        if wgpu.is_none() {
            eprintln!("SKIPPED: wgpu is not on in this build, or this machine has no adapter");
        }
        Some(Self {
            device: wgpu?,
            float: DType::F32,
            int: DType::I32,
        })
    }

    fn floats<const D: usize>(&self, values: &[f64], shape: [usize; D]) -> Tensor<D> {
        self.device.tensor(values, shape, self.float)
    }

    fn tracked<const D: usize>(&self, values: &[f64], shape: [usize; D]) -> Tensor<D> {
        self.device.tracked(values, shape, self.float)
    }

    fn ints<const D: usize>(&self, ints: &[i64], shape: [usize; D]) -> Tensor<D, Int> {
        let data = TensorData::new(ints.to_vec(), shape).convert_dtype(self.int);
        Tensor::from_data(data, (&self.device.device, self.int))
    }
}

// Numbers.

/// The number as an `f32`, so that each device has the same.
fn rounded(number: f64) -> f64 {
    f64::from(number as f32)
}

/// Numbers from -4 to 4, most of them near 0.
fn normal(seed: u64, count: usize) -> Vec<f64> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut number = || (0..4).map(|_| rng.random_range(-1.0_f64..1.0)).sum::<f64>();
    (0..count).map(|_| rounded(number())).collect()
}

/// Weights of samples, of which every fifth is 0.
fn sample_weights(count: usize) -> Vec<f64> {
    (0..count).map(|at| ((at + 1) % 5) as f64 / 2.0).collect()
}

/// Class ids for samples, some of them ignored if there are two ids to be ignored. The first sample
/// always counts.
fn some_ids(count: usize, classes: usize, ignored: &[i64]) -> Vec<i64> {
    let id = |at: usize| match (ignored, at % 3, at % 5) {
        (&[first, _], 1, _) => first,
        (&[_, second], _, 4) => second,
        _ => ((at * 5 + classes * 2 / 3) % classes) as i64,
    };
    (0..count).map(id).collect()
}

/// The sample that an element belongs to, where the classes are so many elements apart.
fn sample_of(element: usize, classes: usize, inner: usize) -> usize {
    element / (classes * inner) * inner + element % inner
}

/// A probability for each class of each sample.
fn probabilities<const D: usize>(shape: [usize; D], axis: usize) -> Vec<f64> {
    let (classes, inner) = (shape[axis], inner(shape, axis));
    let numbers = normal(7, shape.iter().product());
    let exps: Vec<f64> = numbers.iter().map(|number| number.exp()).collect();
    let mut sums = vec![0.0; exps.len() / classes];
    for (at, exp) in exps.iter().enumerate() {
        sums[sample_of(at, classes, inner)] += exp;
    }
    let of_sum = |(at, exp): (usize, &f64)| rounded(exp / sums[sample_of(at, classes, inner)]);
    exps.iter().enumerate().map(of_sum).collect()
}

// Shapes.

/// How many elements apart those along an axis are.
fn inner<const D: usize>(shape: [usize; D], axis: usize) -> usize {
    shape[axis + 1..].iter().product()
}

/// A shape without one of its axes.
fn without<const D: usize, const K: usize>(shape: [usize; D], axis: usize) -> [usize; K] {
    let mut dims = shape.to_vec();
    dims.remove(axis);
    dims.try_into().expect("one axis less")
}

fn flat<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    let count = tensor.shape().num_elements();
    tensor.reshape([count])
}

fn exactly<const N: usize, const D: usize>(tensors: Vec<Tensor<D>>) -> [Tensor<D>; N] {
    let Ok(tensors) = <[_; N]>::try_from(tensors) else {
        panic!("the loss has {N} inputs")
    };
    tensors
}

// Calls.

/// In which way a loss is called.
#[derive(Clone, Copy, Debug)]
enum Way {
    Each,
    Reduced(Reduction),
    Weighted(Reduction),
    Parts,
}

const WAYS: [Way; 7] = [
    Way::Each,
    Way::Reduced(Reduction::Mean),
    Way::Reduced(Reduction::Sum),
    Way::Reduced(Reduction::BatchMean),
    Way::Weighted(Reduction::Mean),
    Way::Weighted(Reduction::Sum),
    Way::Parts,
];

/// The ways that are least alike.
const SOME_WAYS: [Way; 3] = [
    Way::Each,
    Way::Reduced(Reduction::Mean),
    Way::Weighted(Reduction::Mean),
];

impl Way {
    fn reduction(self) -> Reduction {
        match self {
            Self::Reduced(reduction) | Self::Weighted(reduction) => reduction,
            Self::Each | Self::Parts => Reduction::Mean,
        }
    }
}

/// A number that shows an error of either part.
fn product(parts: LossParts) -> Tensor<1> {
    parts.sum * parts.weight.autodiff()
}

/// Calls a loss of an output and a target; what it gives is flattened.
fn of_two<const D: usize, const K: usize, T, L>(
    loss: &L,
    on: &On,
    (output, targets): (Tensor<D>, T),
    samples: [usize; K],
    way: Way,
) -> Tensor<1>
where
    L: Loss<Tensor<D>, T, Unreduced = Tensor<K>>,
{
    match way {
        Way::Each => flat(loss.forward_no_reduction(output, targets)),
        Way::Reduced(_) => loss.forward(output, targets),
        Way::Weighted(_) => {
            let weights = on.floats(&sample_weights(samples.iter().product()), samples);
            loss.forward_weighted(output, targets, weights)
        }
        Way::Parts => product(loss.forward_parts(output, targets)),
    }
}

/// Calls a loss of three inputs.
fn of_three<T, L>(
    loss: &L,
    on: &On,
    (first, second, third): (Tensor<2>, Tensor<2>, T),
    way: Way,
) -> Tensor<1>
where
    L: TripleLoss<Tensor<2>, Tensor<2>, T, Unreduced = Tensor<1>>,
{
    match way {
        Way::Each => loss.forward_no_reduction(first, second, third),
        Way::Reduced(_) => loss.forward(first, second, third),
        Way::Weighted(_) => {
            let rows = first.dims()[0];
            let weights = on.floats(&sample_weights(rows), [rows]);
            loss.forward_weighted(first, second, third, weights)
        }
        Way::Parts => product(loss.forward_parts(first, second, third)),
    }
}

// The losses.

/// A loss of class ids.
#[derive(Clone)]
enum OfIds {
    CrossEntropy(CrossEntropyLossConfig),
    Focal(FocalLossConfig),
    MultiMargin(MultiMarginLossConfig),
    Nll(NllLossConfig),
}

impl OfIds {
    fn axis(&self) -> usize {
        match self {
            Self::CrossEntropy(config) => config.class_axis,
            Self::Focal(config) => config.class_axis,
            Self::MultiMargin(config) => config.class_axis,
            Self::Nll(config) => config.class_axis,
        }
    }

    fn ignored(&self) -> &[i64] {
        match self {
            Self::CrossEntropy(config) => &config.ignore_indices,
            Self::Focal(config) => &config.ignore_indices,
            Self::MultiMargin(_) => &[],
            Self::Nll(config) => &config.ignore_indices,
        }
    }

    /// Logits; or numbers that may be log-probabilities, though no softmax was taken.
    fn input(&self, count: usize) -> Vec<f64> {
        let numbers = normal(1, count);
        match self {
            Self::CrossEntropy(_) | Self::Focal(_) | Self::MultiMargin(_) => numbers,
            Self::Nll(_) => numbers.iter().map(|number| -number.abs()).collect(),
        }
    }

    fn call<const D: usize, const K: usize>(
        &self,
        on: &On,
        input: Tensor<D>,
        ids: Tensor<K, Int>,
        way: Way,
    ) -> Tensor<1>
    where
        Tensor<K, Int>: ClassIds<D, PerSample = Tensor<K>>,
    {
        let samples = ids.dims();
        match self {
            Self::CrossEntropy(config) => {
                let loss = config.clone().with_reduction(way.reduction()).init();
                of_two(&loss, on, (input, ids), samples, way)
            }
            Self::Focal(config) => {
                let loss = config.clone().with_reduction(way.reduction()).init();
                of_two(&loss, on, (input, ids), samples, way)
            }
            Self::MultiMargin(config) => {
                let loss = config.clone().with_reduction(way.reduction()).init();
                of_two(&loss, on, (input, ids), samples, way)
            }
            Self::Nll(config) => {
                let loss = config.clone().with_reduction(way.reduction()).init();
                of_two(&loss, on, (input, ids), samples, way)
            }
        }
    }
}

/// The ids that are ignored where some are: no class, and one of the classes.
const IGNORED: [i64; 2] = [-100, 0];

fn class_weights(classes: usize) -> Vec<f64> {
    (0..classes)
        .map(|class| (class % 7 + 1) as f64 / 4.0)
        .collect()
}

/// Losses of class ids by name, from the plainest to the one with the most options.
fn losses_of_ids(axis: usize, classes: usize) -> Vec<(&'static str, OfIds)> {
    let plain = CrossEntropyLossConfig::new().with_class_axis(axis);
    let weighted = plain.clone().with_weights(Some(class_weights(classes)));
    let ignoring = plain.clone().with_ignore_indices(IGNORED.to_vec());
    let smoothed = plain.clone().with_label_smoothing(0.1);
    let all = weighted
        .clone()
        .with_ignore_indices(IGNORED.to_vec())
        .with_label_smoothing(0.1);
    let nll = NllLossConfig::new().with_class_axis(axis);
    let nll_weighted = nll.clone().with_weights(Some(class_weights(classes)));
    let nll_ignoring = nll.with_ignore_indices(IGNORED.to_vec());
    let focal = FocalLossConfig::new().with_class_axis(axis);
    let focal_all = focal
        .clone()
        .with_gamma(0.5)
        .with_alpha(Some(class_weights(classes)))
        .with_ignore_indices(IGNORED.to_vec());
    let margins = MultiMarginLossConfig::new().with_class_axis(axis);
    let squares = margins
        .clone()
        .with_p(2)
        .with_weights(Some(class_weights(classes)));
    vec![
        ("margins", OfIds::MultiMargin(margins)),
        ("squares of margins", OfIds::MultiMargin(squares)),
        ("cross-entropy", OfIds::CrossEntropy(plain)),
        ("weighted cross-entropy", OfIds::CrossEntropy(weighted)),
        ("ignoring cross-entropy", OfIds::CrossEntropy(ignoring)),
        ("smoothed cross-entropy", OfIds::CrossEntropy(smoothed)),
        ("focal", OfIds::Focal(focal)),
        ("focal with all options", OfIds::Focal(focal_all)),
        ("weighted NLL", OfIds::Nll(nll_weighted)),
        ("ignoring NLL", OfIds::Nll(nll_ignoring)),
        ("cross-entropy with all options", OfIds::CrossEntropy(all)),
    ]
}

/// Cross-entropies of class probabilities.
fn losses_of_probabilities(
    axis: usize,
    classes: usize,
) -> Vec<(&'static str, CrossEntropyLossConfig)> {
    let plain = CrossEntropyLossConfig::new().with_class_axis(axis);
    let all = plain
        .clone()
        .with_weights(Some(class_weights(classes)))
        .with_label_smoothing(0.1);
    vec![("plain", plain), ("weighted and smoothed", all)]
}

/// A loss or a distance of embeddings, one in each row.
#[derive(Clone)]
enum OfRows {
    Triplet(TripletMarginLossConfig),
    WithDistance(TripletMarginWithDistanceLossConfig),
    Embedding(CosineEmbeddingLossConfig),
    Distance { p: f64 },
    Similarity,
}

impl OfRows {
    /// A function gives the distance of each row, and nothing else.
    fn is_function(&self) -> bool {
        matches!(self, Self::Distance { .. } | Self::Similarity)
    }

    /// Inputs of which the first row always costs. A triplet does not where the negative is far away,
    /// and an unlike pair not where its angle is wide.
    fn inputs(&self, [rows, length]: [usize; 2]) -> Vec<Vec<f64>> {
        let [first, second, third] = [1, 2, 3].map(|seed| normal(seed, rows * length));
        let near_first = |other: &[f64], at: usize| rounded((first[at] + other[at]) / 2.0);
        match self {
            Self::Triplet(_) | Self::WithDistance(_) => {
                let negative = |at: usize| match at / length % 2 {
                    0 => near_first(&third, at),
                    _ => third[at],
                };
                let negative = (0..third.len()).map(negative).collect();
                vec![first, second, negative]
            }
            _ => {
                let near = |at: usize| near_first(&second, at);
                let near = (0..second.len()).map(near).collect();
                vec![first, near]
            }
        }
    }

    fn call(&self, on: &On, inputs: Vec<Tensor<2>>, way: Way) -> Tensor<1> {
        match self {
            Self::Triplet(config) => {
                let loss = config.clone().with_reduction(way.reduction()).init();
                let [anchor, positive, negative] = exactly(inputs);
                of_three(&loss, on, (anchor, positive, negative), way)
            }
            Self::WithDistance(config) => {
                let loss = config.clone().with_reduction(way.reduction()).init();
                let [anchor, positive, negative] = exactly(inputs);
                of_three(&loss, on, (anchor, positive, negative), way)
            }
            Self::Embedding(config) => {
                let loss = config.clone().with_reduction(way.reduction()).init();
                let [first, second] = exactly(inputs);
                let rows = first.dims()[0];
                let signs: Vec<i64> = (0..rows).map(|row| [1, -1][row % 2]).collect();
                of_three(&loss, on, (first, second, on.ints(&signs, [rows])), way)
            }
            Self::Distance { p } => {
                let [first, second] = exactly(inputs);
                pairwise_distance(first, second, *p, 1e-6)
            }
            Self::Similarity => {
                let [first, second] = exactly(inputs);
                cosine_similarity(first, second, 1e-8)
            }
        }
    }
}

/// Losses and distances of rows by name.
fn losses_of_rows() -> Vec<(&'static str, OfRows)> {
    let triplet = TripletMarginLossConfig::new().with_margin(2.0);
    let p = |p: f64| OfRows::Triplet(triplet.clone().with_p(p));
    let swap = OfRows::Triplet(triplet.clone().with_swap(true));
    let cosine = TripletMarginWithDistanceLossConfig::new()
        .with_distance(Distance::Cosine)
        .with_margin(2.0);
    let cosine_swap = OfRows::WithDistance(cosine.clone().with_swap(true));
    let embedding = CosineEmbeddingLossConfig::new().with_margin(0.3);
    vec![
        ("triplet margin", p(2.0)),
        ("triplet margin, p 1", p(1.0)),
        ("triplet margin, p 3.5", p(3.5)),
        ("triplet margin, swapping", swap),
        ("triplet by cosine, swapping", cosine_swap),
        ("cosine embedding", OfRows::Embedding(embedding)),
        ("distance, p 1", OfRows::Distance { p: 1.0 }),
        ("distance, p 2", OfRows::Distance { p: 2.0 }),
        ("distance, p 3", OfRows::Distance { p: 3.0 }),
        ("cosine similarity", OfRows::Similarity),
        ("triplet by cosine", OfRows::WithDistance(cosine)),
    ]
}

/// The first and the last.
fn extremes<T>(mut all: Vec<T>) -> Vec<T> {
    let last = all.pop();
    all.truncate(1);
    all.extend(last);
    all
}

// Cases.

type Run = Box<dyn Fn(&On, Vec<Tensor<1>>) -> Tensor<1>>;

/// A call that can be made on any device.
struct Case {
    name: String,
    /// What the loss is differentiated by, flattened; the numbers are exact in `f32`.
    inputs: Vec<Vec<f64>>,
    run: Run,
}

impl Case {
    fn new(
        name: String,
        inputs: Vec<Vec<f64>>,
        run: impl Fn(&On, Vec<Tensor<1>>) -> Tensor<1> + 'static,
    ) -> Self {
        let run = Box::new(run);
        Self { name, inputs, run }
    }

    /// The value, and the gradient of each input. No input may have changed meanwhile.
    fn outcome(&self, on: &On) -> Vec<Vec<f64>> {
        let leaf = |input: &Vec<f64>| on.tracked(input, [input.len()]);
        let leaves: Vec<Tensor<1>> = self.inputs.iter().map(leaf).collect();
        let value = (self.run)(on, leaves.clone());
        // A single value meets 1 from above, several meet different numbers.
        let count = value.dims()[0];
        let above: Vec<f64> = (0..count).map(|at| 1.0 + (at % 5) as f64 / 4.0).collect();
        let above = on.floats(&above, [count]).autodiff();
        let gradients = (value.clone() * above).sum().backward();
        let mut outcome = vec![numbers(&value)];
        for (leaf, input) in leaves.iter().zip(&self.inputs) {
            outcome.push(numbers(&leaf.grad(&gradients).expect("a gradient")));
            let kept = numbers(leaf) == *input;
            assert!(kept, "{}: an input was written to", self.name);
        }
        outcome
    }
}

fn cases_of_ids<const D: usize, const K: usize>(
    losses: &[(&str, OfIds)],
    shape: [usize; D],
    ways: &[Way],
) -> Vec<Case>
where
    Tensor<K, Int>: ClassIds<D, PerSample = Tensor<K>>,
{
    let case = |name: &str, loss: &OfIds, way: Way| {
        let loss = loss.clone();
        let samples: [usize; K] = without(shape, loss.axis());
        let classes = shape[loss.axis()];
        let ids = some_ids(samples.iter().product(), classes, loss.ignored());
        Case::new(
            format!("{name} of {shape:?}, {way:?}"),
            vec![loss.input(shape.iter().product())],
            move |on, inputs| {
                let [input] = exactly(inputs);
                let input: Tensor<D> = input.reshape(shape);
                loss.call(on, input, on.ints(&ids, samples), way)
            },
        )
    };
    let of_loss = |(name, loss): &(&str, OfIds)| -> Vec<Case> {
        ways.iter().map(|&way| case(name, loss, way)).collect()
    };
    losses.iter().flat_map(of_loss).collect()
}

fn cases_of_probabilities<const D: usize, const K: usize>(
    losses: &[(&str, CrossEntropyLossConfig)],
    shape: [usize; D],
    ways: &[Way],
) -> Vec<Case>
where
    Tensor<D>: ClassTarget<D, PerSample = Tensor<K>>,
{
    let case = |name: &str, config: &CrossEntropyLossConfig, way: Way| {
        let loss = config.clone().with_reduction(way.reduction()).init();
        let samples: [usize; K] = without(shape, config.class_axis);
        let targets = probabilities(shape, config.class_axis);
        Case::new(
            format!("{name} cross-entropy of probabilities of {shape:?}, {way:?}"),
            vec![normal(1, shape.iter().product())],
            move |on, inputs| {
                let [logits] = exactly(inputs);
                let logits: Tensor<D> = logits.reshape(shape);
                of_two(
                    &loss,
                    on,
                    (logits, on.floats(&targets, shape)),
                    samples,
                    way,
                )
            },
        )
    };
    let of_loss = |(name, config): &(&str, CrossEntropyLossConfig)| -> Vec<Case> {
        ways.iter().map(|&way| case(name, config, way)).collect()
    };
    losses.iter().flat_map(of_loss).collect()
}

fn cases_of_rows(losses: &[(&str, OfRows)], shape: [usize; 2], ways: &[Way]) -> Vec<Case> {
    let case = |name: &str, loss: &OfRows, way: Way| {
        let loss = loss.clone();
        Case::new(
            format!("{name} of {shape:?}, {way:?}"),
            loss.inputs(shape),
            move |on, inputs| {
                let inputs = inputs.into_iter().map(|input| input.reshape(shape));
                loss.call(on, inputs.collect(), way)
            },
        )
    };
    let of_loss = |(name, loss): &(&str, OfRows)| -> Vec<Case> {
        let ways = ways
            .iter()
            .filter(|way| !loss.is_function() || matches!(way, Way::Each));
        ways.map(|&way| case(name, loss, way)).collect()
    };
    losses.iter().flat_map(of_loss).collect()
}

// Comparisons.

const PARTS: [&str; 4] = [
    "value",
    "first gradient",
    "second gradient",
    "third gradient",
];

/// What is too far apart. Where all that is expected is 0, exactly that is.
fn differences(what: &str, found: &[Vec<f64>], expected: &[Vec<f64>]) -> Vec<String> {
    assert_eq!(found.len(), expected.len(), "{what}");
    let mut differences = Vec::new();
    for ((part, found), expected) in PARTS.iter().zip(found).zip(expected) {
        assert_eq!(found.len(), expected.len(), "{what}: {part}");
        let sizes = expected.iter().map(|number| number.abs());
        let largest = sizes.max_by(f64::total_cmp).expect("some numbers");
        assert!(largest.is_finite(), "{what}: the largest of the {part}");
        // A NaN counts as farthest.
        let apart = |at: usize| (found[at] - expected[at]).abs();
        let farthest = (0..found.len()).max_by(|&a, &b| apart(a).total_cmp(&apart(b)));
        let at = farthest.expect("some numbers");
        let ratio = match largest {
            0.0 => apart(at),
            largest => apart(at) / largest,
        };
        if ratio.is_nan() || ratio > TOLERANCE {
            differences.push(format!(
                "{what}: {part}[{at}]: found {:e}, expected {:e}, {ratio:.1e} of the largest apart",
                found[at], expected[at]
            ));
        }
    }
    differences
}

/// Compares all cases with the CPU, and names those that differ.
fn assert_agree(gpu: &On, cases: &[Case]) {
    assert!(!cases.is_empty(), "nothing was compared");
    let cpu = On::cpu();
    let of_case = |case: &Case| differences(&case.name, &case.outcome(gpu), &case.outcome(&cpu));
    let differences: Vec<String> = cases.iter().flat_map(of_case).collect();
    assert!(
        differences.is_empty(),
        "{} differences in {} cases:\n  {}",
        differences.len(),
        cases.len(),
        differences.join("\n  ")
    );
}

fn bits(outcome: &[Vec<f64>]) -> Vec<Vec<u64>> {
    let of_part = |part: &Vec<f64>| part.iter().map(|number| number.to_bits()).collect();
    outcome.iter().map(of_part).collect()
}

// The tests.

/// Rows and their length: fewer rows than a workgroup takes, each with one thread; more than it takes;
/// and rows with four threads.
const MATRICES: [[usize; 2]; 3] = [[3, 3], [300, 10], [33, 64]];

/// Rows with one thread in vectors of two and of four; and with 32, 64 and 128 threads, where the last
/// workgroup has threads without a row.
const MORE_MATRICES: [[usize; 2]; 6] = [[1, 2], [5, 4], [7, 10], [9, 129], [5, 1000], [3, 1026]];

/// Rows with all 256 threads of a workgroup.
const LONG_MATRICES: [[usize; 2]; 2] = [[2, 4097], [1, 33000]];

fn cases_of_matrix(shape: [usize; 2], ways: &[Way]) -> Vec<Case> {
    let mut cases = cases_of_ids::<2, 1>(&losses_of_ids(1, shape[1]), shape, ways);
    let of_probabilities = losses_of_probabilities(1, shape[1]);
    cases.extend(cases_of_probabilities::<2, 1>(
        &of_probabilities,
        shape,
        ways,
    ));
    cases.extend(cases_of_rows(&losses_of_rows(), shape, ways));
    cases
}

/// A few losses only: software Vulkan takes its time.
fn cases_of_long_matrix(shape: [usize; 2]) -> Vec<Case> {
    let ways = &SOME_WAYS[..2];
    let of_ids = extremes(losses_of_ids(1, shape[1]));
    let of_probabilities = losses_of_probabilities(1, shape[1]);
    let mut cases = cases_of_ids::<2, 1>(&of_ids, shape, ways);
    cases.extend(cases_of_probabilities::<2, 1>(
        &of_probabilities[1..],
        shape,
        ways,
    ));
    cases.extend(cases_of_rows(&extremes(losses_of_rows()), shape, ways));
    cases
}

fn cases_along_axis<const D: usize, const K: usize>(shape: [usize; D], axis: usize) -> Vec<Case>
where
    Tensor<K, Int>: ClassIds<D, PerSample = Tensor<K>>,
    Tensor<D>: ClassTarget<D, PerSample = Tensor<K>>,
{
    let of_ids = losses_of_ids(axis, shape[axis]);
    let of_probabilities = losses_of_probabilities(axis, shape[axis]);
    let mut cases = cases_of_ids::<D, K>(&of_ids, shape, &SOME_WAYS);
    cases.extend(cases_of_probabilities::<D, K>(
        &of_probabilities,
        shape,
        &SOME_WAYS,
    ));
    cases
}

#[test]
fn agrees_with_a_cpu_in_f64() {
    let _turn = with_checks(Checks::Always);
    let Some(gpu) = On::gpu() else { return };
    let mut cases = Vec::new();
    cases.extend(
        MATRICES
            .into_iter()
            .flat_map(|shape| cases_of_matrix(shape, &WAYS)),
    );
    cases.extend(
        MORE_MATRICES
            .into_iter()
            .flat_map(|shape| cases_of_matrix(shape, &SOME_WAYS)),
    );
    cases.extend(LONG_MATRICES.into_iter().flat_map(cases_of_long_matrix));
    cases.extend(cases_along_axis::<3, 2>([2, 5, 3], 1));
    cases.extend(cases_along_axis::<4, 3>([2, 3, 4, 5], 1));
    cases.extend(cases_along_axis::<3, 2>([4, 5, 1], 1));
    cases.extend(cases_along_axis::<3, 2>([2, 6, 5], 2));
    cases.extend(cases_along_axis::<4, 3>([2, 3, 7, 2], 3));
    assert_agree(&gpu, &cases);
}

/// How far the target's logit is above the best other one, or below it.
const FAR: [f64; 7] = [5.0, 10.0, 15.0, 20.0, 40.0, 60.0, 80.0];

/// The target of a row of saturated logits.
fn saturated_target(row: usize, classes: usize) -> usize {
    row * 3 % classes
}

/// Rows that are sure of their target, then rows that are sure of another class. All differences of
/// logits are exact in `f32`.
fn saturated_logits(classes: usize) -> Vec<f64> {
    let logit = |row: usize, class: usize| {
        let far = FAR[row % FAR.len()];
        let target = saturated_target(row, classes);
        let other = (target + 1) % classes;
        let (best, next) = match row < FAR.len() {
            true => (target, other),
            false => (other, target),
        };
        let below = match class {
            class if class == best => 0.0,
            class if class == next => far,
            class => far + 1.0 + (class % 8) as f64 / 4.0,
        };
        (row % 3) as f64 - below
    };
    let count = 2 * FAR.len() * classes;
    let logits = (0..count).map(|at| logit(at / classes, at % classes));
    logits.collect()
}

/// Cross-entropy of saturated logits, of class ids and of the same as probabilities.
fn saturated_cases(classes: usize) -> [Case; 2] {
    let rows = 2 * FAR.len();
    let targets: Vec<usize> = (0..rows)
        .map(|row| saturated_target(row, classes))
        .collect();
    let ids: Vec<i64> = targets.iter().map(|&target| target as i64).collect();
    let mut probabilities = vec![0.0; rows * classes];
    for (row, target) in targets.iter().enumerate() {
        probabilities[row * classes + target] = 1.0;
    }
    let loss = CrossEntropyLoss::new();
    let of_ids = Case::new(
        format!("ids of {classes} classes"),
        vec![saturated_logits(classes)],
        move |on, inputs| {
            let [logits] = exactly(inputs);
            let logits: Tensor<2> = logits.reshape([rows, classes]);
            loss.forward_no_reduction(logits, on.ints(&ids, [rows]))
        },
    );
    let loss = CrossEntropyLoss::new();
    let of_probabilities = Case::new(
        format!("probabilities of {classes} classes"),
        vec![saturated_logits(classes)],
        move |on, inputs| {
            let [logits] = exactly(inputs);
            let logits: Tensor<2> = logits.reshape([rows, classes]);
            let targets = on.floats(&probabilities, [rows, classes]);
            loss.forward_no_reduction(logits, targets)
        },
    );
    [of_ids, of_probabilities]
}

/// A tiny loss is as exact as any other, and so is a tiny entry of a gradient, down to where `f32` has
/// no normal numbers left.
#[test]
fn saturated_values_agree_relatively() {
    let _turn = with_checks(Checks::Always);
    let Some(gpu) = On::gpu() else { return };
    for case in [2, 10, 1000].into_iter().flat_map(saturated_cases) {
        let (found, expected) = (case.outcome(&gpu), case.outcome(&On::cpu()));
        for ((part, found), expected) in PARTS.iter().zip(&found).zip(&expected) {
            for (at, (&found, &expected)) in found.iter().zip(expected).enumerate() {
                let close = (found / expected - 1.0).abs() <= 1e-4;
                assert!(
                    close || expected.abs() < 1e-37,
                    "{}: {part}[{at}]: found {found:e}, expected {expected:e}",
                    case.name
                );
            }
        }
    }
}

/// Ids that are neither a class nor ignored. Beyond 32 bits there are such that would be a class if they
/// were cut off.
fn invalid_ids(on: &On, classes: usize, ignored: &[i64]) -> Vec<i64> {
    let (least, largest) = (i64::from(i32::MIN), i64::from(i32::MAX));
    let mut ids = vec![classes as i64, 255, -1, -100, least, largest];
    if on.int == DType::I64 {
        ids.extend([1 << 32, (1 << 32) + 1, i64::MIN, i64::MAX]);
    }
    ids.retain(|id| !(0..classes as i64).contains(id) && !ignored.contains(id));
    ids
}

/// Every other sample of a batch.
fn is_invalid(sample: usize) -> bool {
    sample % 2 == 1
}

/// The loss of each sample, and the gradient of the sum of those that are valid. `moved` input belongs
/// to the loss alone, which may write to it.
fn of_valid<const D: usize, const K: usize>(
    gpu: &On,
    loss: &OfIds,
    shape: [usize; D],
    ids: Tensor<K, Int>,
    moved: bool,
) -> [Vec<f64>; 2]
where
    Tensor<K, Int>: ClassIds<D, PerSample = Tensor<K>>,
{
    let leaf = gpu.tracked(&loss.input(shape.iter().product()), shape);
    let input = match moved {
        true => leaf.clone() * 1.0,
        false => leaf.clone(),
    };
    let losses = loss.call(gpu, input, ids, Way::Each);
    let valid = (0..losses.dims()[0]).filter(|&sample| !is_invalid(sample));
    let valid: Vec<i64> = valid.map(|sample| sample as i64).collect();
    let count = valid.len();
    let valid = TensorData::new(valid, [count]);
    let valid: Tensor<1, Int> = Tensor::from_data(valid, &gpu.device.device);
    let sum = losses.clone().select(0, valid).sum();
    let gradient = leaf.grad(&sum.backward()).expect("a gradient");
    [numbers(&losses), numbers(&gradient)]
}

/// Asserts that what is `invalid` is NaN and that all else has the same bits as expected.
fn assert_contained(what: &str, found: &[f64], expected: &[f64], invalid: impl Fn(usize) -> bool) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (at, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let right = match invalid(at) {
            true => found.is_nan(),
            false => found.to_bits() == expected.to_bits() && !found.is_nan(),
        };
        assert!(
            right,
            "{what}[{at}]: found {found:e}, with valid ids {expected:e}"
        );
    }
}

fn assert_ids_contained<const D: usize, const K: usize>(
    gpu: &On,
    losses: &[(&str, OfIds)],
    shape: [usize; D],
) where
    Tensor<K, Int>: ClassIds<D, PerSample = Tensor<K>>,
{
    for (name, loss) in losses {
        let axis = loss.axis();
        let samples: [usize; K] = without(shape, axis);
        let (count, classes) = (samples.iter().product(), shape[axis]);
        let valid = some_ids(count, classes, loss.ignored());
        let invalid = invalid_ids(gpu, classes, loss.ignored());
        assert!(count > 2 * invalid.len(), "not all invalid ids are tried");
        let mut ids = valid.clone();
        for sample in (0..count).filter(|&sample| is_invalid(sample)) {
            ids[sample] = invalid[sample / 2 % invalid.len()];
        }
        for moved in [false, true] {
            let of = |ids: &[i64]| of_valid(gpu, loss, shape, gpu.ints(ids, samples), moved);
            let [losses, gradient] = of(&ids);
            let [expected_losses, expected_gradient] = of(&valid);
            let what = format!("{name} of {shape:?}, {:?}, moved: {moved}", gpu.int);
            let losses_of = format!("{what}: losses");
            assert_contained(&losses_of, &losses, &expected_losses, is_invalid);
            let gradient_of = format!("{what}: gradient");
            assert_contained(&gradient_of, &gradient, &expected_gradient, |at| {
                is_invalid(sample_of(at, classes, inner(shape, axis)))
            });
        }
    }
}

#[test]
fn invalid_ids_stay_in_their_row() {
    let _turn = with_checks(Checks::Never);
    let Some(gpu) = On::gpu() else { return };
    for classes in [2, 10, 254, 1000] {
        let losses = losses_of_ids(1, classes);
        assert_ids_contained::<2, 1>(&gpu, &losses, [21, classes]);
        assert_ids_contained::<3, 2>(&gpu, &losses, [7, classes, 3]);
        assert_ids_contained::<3, 2>(&gpu, &losses_of_ids(2, classes), [7, 3, classes]);
    }

    let wide = On {
        int: DType::I64,
        ..gpu
    };
    if !wide.device.device.supports_dtype(DType::I64) {
        eprintln!("SKIPPED for ids of 64 bits: the GPU has none");
        return;
    }
    for classes in [2, 10, 254, 1000] {
        let losses = extremes(losses_of_ids(1, classes));
        assert_ids_contained::<2, 1>(&wide, &losses, [21, classes]);
        assert_ids_contained::<3, 2>(&wide, &losses, [7, classes, 3]);
        let losses = extremes(losses_of_ids(2, classes));
        assert_ids_contained::<3, 2>(&wide, &losses, [7, 3, classes]);
    }
}

/// The order in which numbers are added up is fixed.
#[test]
fn the_same_bits_every_time() {
    let _turn = with_checks(Checks::Never);
    let Some(gpu) = On::gpu() else { return };
    let ways = [Way::Reduced(Reduction::Mean)];
    let mut cases = cases_of_ids::<2, 1>(&losses_of_ids(1, 1000)[..1], [300, 1000], &ways);
    cases.extend(cases_of_rows(&losses_of_rows()[..1], [300, 100], &ways));
    for case in cases {
        let first = bits(&case.outcome(&gpu));
        for run in 2..=5 {
            let same = bits(&case.outcome(&gpu)) == first;
            assert!(same, "{}: run {run} gave other bits", case.name);
        }
    }
}

/// The losses of these rows add up to more than the largest `f32`, though their mean is far below it.
#[test]
fn large_sums_stay_in_range() {
    const ROWS: usize = 1024;
    const LOSS: f64 = 1e36;
    let _turn = with_checks(Checks::Never);
    let Some(gpu) = On::gpu() else { return };
    let plain = CrossEntropyLossConfig::new();
    let ignoring = plain.clone().with_ignore_index(-100);
    for config in [plain, ignoring] {
        for way in [
            Way::Reduced(Reduction::Mean),
            Way::Reduced(Reduction::BatchMean),
            Way::Weighted(Reduction::Mean),
        ] {
            let what = format!("{way:?} of {config:?}");
            let logits = gpu.tracked(&[0.0, LOSS].repeat(ROWS), [ROWS, 2]);
            let ids = gpu.ints(&[0; ROWS], [ROWS]);
            let loss = OfIds::CrossEntropy(config.clone());
            let value = loss.call(&gpu, logits.clone(), ids, way);
            let gradient = numbers(&logits.grad(&value.backward()).expect("a gradient"));
            let value = numbers(&value)[0];
            assert!((value / LOSS - 1.0).abs() <= 1e-5, "{what} is {value:e}");
            // Each row's is minus its share of the mean, and plus the same.
            let shares: f64 = gradient.iter().map(|number| number.abs()).sum();
            assert!((shares - 2.0).abs() <= 1e-5, "{what}: shares {shares}");
        }
    }
}

/// Shaders have no exponential in `F64`, and a driver may fail on one and take the device with it.
#[test]
fn doubles_are_refused() {
    let _turn = with_checks(Checks::Never);
    let Some(gpu) = On::gpu() else { return };
    if !gpu.device.device.supports_dtype(DType::F64) {
        return;
    }
    let options = (&gpu.device.device, DType::F64);
    let logits = Tensor::<2>::zeros([2, 3], options);
    let error = CrossEntropyLoss::new().try_forward(logits, gpu.ints(&[0, 1], [2]));
    let error = error.expect_err("an error");
    assert_eq!(error.kind, LossErrorKind::DType);
    assert!(
        error.to_string().contains("cannot compute with F64"),
        "{error}"
    );
}

/// A matrix that is a part of a larger one, or lies in memory in another order.
#[derive(Clone, Copy)]
struct View {
    name: &'static str,
    whole: [usize; 2],
    of: fn(Tensor<2>) -> Tensor<2>,
}

/// Parts that start and end at a multiple of 64 elements can be used where they are, others must be
/// copied.
const VIEWS: [View; 8] = [
    View {
        name: "transposed",
        whole: [64, 6],
        of: |whole| whole.transpose(),
    },
    View {
        name: "rows",
        whole: [11, 64],
        of: |whole| whole.narrow(0, 2, 6),
    },
    View {
        name: "columns",
        whole: [6, 192],
        of: |whole| whole.narrow(1, 64, 64),
    },
    View {
        name: "rows and columns",
        whole: [9, 192],
        of: |whole| whole.narrow(0, 2, 6).narrow(1, 64, 64),
    },
    View {
        name: "an even number of columns",
        whole: [6, 190],
        of: |whole| whole.narrow(1, 64, 62),
    },
    View {
        name: "an odd number of columns",
        whole: [6, 191],
        of: |whole| whole.narrow(1, 64, 63),
    },
    View {
        name: "columns from the fourth on",
        whole: [6, 77],
        of: |whole| whole.narrow(1, 3, 64),
    },
    View {
        name: "expanded",
        whole: [1, 64],
        of: |whole| whole.expand([6, 64]),
    },
];

impl View {
    fn count(self) -> usize {
        self.whole.iter().product()
    }

    /// The matrix; if `moved`, nobody else has what it is a part of.
    fn of_flat(self, whole: Tensor<1>, moved: bool) -> Tensor<2> {
        let whole: Tensor<2> = whole.reshape(self.whole);
        (self.of)(match moved {
            true => whole * 1.0,
            false => whole,
        })
    }
}

/// Cross-entropy and the triplet margin of a view, with gradients of all of what it is a view of.
fn cases_of_view(view: View, moved: bool, way: Way) -> [Case; 2] {
    let name = format!("{}, moved: {moved}, {way:?}", view.name);
    let cross_entropy = OfIds::CrossEntropy(CrossEntropyLossConfig::new());
    let of_ids = Case::new(
        format!("cross-entropy, {name}"),
        vec![normal(1, view.count())],
        move |on, inputs| {
            let [whole] = exactly(inputs);
            let logits = view.of_flat(whole, moved);
            let [rows, classes] = logits.dims();
            let ids = on.ints(&some_ids(rows, classes, &[]), [rows]);
            cross_entropy.call(on, logits, ids, way)
        },
    );
    // With a margin that no triplet keeps.
    let triplet = OfRows::Triplet(TripletMarginLossConfig::new().with_margin(20.0));
    let of_rows = Case::new(
        format!("triplet margin, {name}"),
        [1, 2, 3].map(|seed| normal(seed, view.count())).to_vec(),
        move |on, inputs| {
            let views = inputs.into_iter().map(|whole| view.of_flat(whole, moved));
            triplet.call(on, views.collect(), way)
        },
    );
    [of_ids, of_rows]
}

/// Classes between other axes, though in memory they are last.
fn swapped_case() -> Case {
    let loss = OfIds::CrossEntropy(CrossEntropyLossConfig::new());
    Case::new(
        "cross-entropy, swapped axes".into(),
        vec![normal(1, 2 * 3 * 5)],
        move |on, inputs| {
            let [whole] = exactly(inputs);
            let whole: Tensor<3> = whole.reshape([2, 3, 5]);
            let ids = on.ints(&some_ids(6, 5, &[]), [2, 3]);
            loss.call(on, whole.swap_dims(1, 2), ids, Way::Each)
        },
    )
}

/// A tensor in two roles: a gradient that takes the place of one is written to what the other reads.
fn two_roles_case() -> Case {
    let loss = OfRows::Triplet(TripletMarginLossConfig::new().with_margin(20.0));
    Case::new(
        "triplet margin, the anchor as negative".into(),
        [1, 2].map(|seed| normal(seed, 6 * 64)).to_vec(),
        move |on, inputs| {
            let moved = |input: Tensor<1>| {
                let input: Tensor<2> = input.reshape([6, 64]);
                input * 1.0
            };
            let [anchor, positive] = exactly(inputs);
            let (anchor, positive) = (moved(anchor), moved(positive));
            let inputs = vec![anchor.clone(), positive, anchor];
            loss.call(on, inputs, Way::Reduced(Reduction::Mean))
        },
    )
}

/// Asserts that clones of the inputs that somebody holds are what they were after the gradient is
/// there, and that this gradient is the one without such clones.
fn assert_clones_kept(
    what: &str,
    gpu: &On,
    values: &[Vec<f64>],
    shape: [usize; 2],
    call: impl Fn(Vec<Tensor<2>>) -> Tensor<1>,
) {
    let run = |shared: bool| {
        let leaf = |values: &Vec<f64>| gpu.tracked(values, shape);
        let leaves: Vec<Tensor<2>> = values.iter().map(leaf).collect();
        let inputs: Vec<Tensor<2>> = leaves.iter().map(|leaf| leaf.clone() * 1.0).collect();
        let held = shared.then(|| inputs.clone());
        let value = call(inputs);
        let gradients = value.backward();
        let mut outcome = vec![numbers(&value)];
        for leaf in &leaves {
            outcome.push(numbers(&leaf.grad(&gradients).expect("a gradient")));
        }
        for (held, values) in held.iter().flatten().zip(values) {
            assert!(numbers(held) == *values, "{what}: a clone was written to");
        }
        outcome
    };
    let differences = differences(what, &run(true), &run(false));
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn strided_and_shared_input() {
    let _turn = with_checks(Checks::Never);
    let Some(gpu) = On::gpu() else { return };
    let mut cases = vec![swapped_case(), two_roles_case()];
    for view in VIEWS {
        for moved in [false, true] {
            for way in [Way::Each, Way::Reduced(Reduction::Mean)] {
                cases.extend(cases_of_view(view, moved, way));
            }
        }
    }
    assert_agree(&gpu, &cases);

    let shape = [33, 64];
    for way in [Way::Each, Way::Reduced(Reduction::Mean)] {
        for (name, loss) in &losses_of_ids(1, 64) {
            let ids = some_ids(33, 64, loss.ignored());
            let values = [loss.input(33 * 64)];
            assert_clones_kept(name, &gpu, &values, shape, |inputs| {
                let [input] = exactly(inputs);
                loss.call(&gpu, input, gpu.ints(&ids, [33]), way).sum()
            });
        }
        for (name, loss) in &losses_of_rows() {
            assert_clones_kept(name, &gpu, &loss.inputs(shape), shape, |inputs| {
                loss.call(&gpu, inputs, way).sum()
            });
        }
    }
}
