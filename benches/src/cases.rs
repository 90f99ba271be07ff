//! What is timed: losses of several shapes, and who computes them.

use crate::Backend;
use burn::nn::loss as burn_nn;
use burn::tensor::{DType, Device, Distribution, Int, Tensor, activation};
use burn_losses::prelude::*;
use burn_losses::{Checks, target};
use std::any::Any;

/// A step that is ready to be timed. What it leaves (the gradients) is dropped afterwards.
pub(crate) type Step = Box<dyn FnOnce() -> Box<dyn Any>>;

/// Prepares a step: forward and backward with the inputs tracked, or forward alone, untracked.
pub(crate) type Prepare = Box<dyn Fn(bool) -> Step>;

/// Somebody who computes a loss.
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    pub(crate) prepare: Prepare,
    pub(crate) checks: Checks,
}

/// A loss of inputs of a shape.
pub(crate) struct Case {
    /// The name of the loss's file.
    pub(crate) loss: &'static str,
    pub(crate) shape: Vec<usize>,
}

/// The names of the contestants in this process.
pub(crate) const OURS: &str = "ours";
pub(crate) const IN_PLACE: &str = "ours, in place";
pub(crate) const UNCHECKED: &str = "ours, unchecked";
pub(crate) const BURN: &str = "burn::nn";
pub(crate) const PLAIN: &str = "plain loop";
/// A formula as tensor operations.
pub(crate) const TENSORS: &str = "tensor operations";
#[cfg(feature = "candle")]
pub(crate) const CANDLE: &str = "candle";

const POINTWISE: &[&str] = &[
    "l1",
    "mse",
    "smooth_l1",
    "huber",
    "poisson_nll",
    "gaussian_nll",
    "bce",
    "bce_with_logits",
    "kl_div",
    "soft_margin",
    "multi_label_soft_margin",
    "hinge_embedding",
    "margin_ranking",
];

/// The sizes of the logits of cross-entropy.
const ON_CPU: &[&[usize]] = &[
    &[4096, 1000],
    &[512, 32000],
    &[65536, 10],
    &[32, 10],
    &[8, 21, 256, 256],
];
/// What a processor that plays the GPU computes in time too.
const ON_ANY_GPU: &[&[usize]] = &[&[1024, 4096], &[64, 32000], &[16384, 10], &[65536, 10]];
/// The sizes of language models.
const ON_LARGE_GPU: &[&[usize]] = &[&[8192, 32000], &[4096, 128256]];

/// All cases for a backend, the large ones first; with those of language models for a GPU of that size.
pub(crate) fn cases(backend: Backend, language_models: bool) -> Vec<Case> {
    let on_gpu = backend.is_gpu();
    let mut cases = Vec::new();
    let mut add = |loss, shape: &[usize]| {
        let shape = shape.to_vec();
        cases.push(Case { loss, shape });
    };
    for loss in POINTWISE {
        add(loss, &[4096, 1000]);
    }
    add("nll", &[4096, 1000]);
    add("multi_margin", &[4096, 1000]);
    add("multi_label_margin", &[4096, 100]);
    for loss in [
        "triplet_margin",
        "cosine_embedding",
        "triplet_margin_with_distance",
    ] {
        add(loss, &[16384, 256]);
    }
    let logits = match backend {
        Backend::Flex | Backend::Ndarray => [ON_CPU, &[]],
        _ if language_models => [ON_LARGE_GPU, ON_ANY_GPU],
        Backend::Wgpu | Backend::Cuda | Backend::Rocm => [ON_ANY_GPU, &[]],
    };
    for shape in logits.concat() {
        add("cross_entropy", shape);
    }
    for shape in [&[4096, 1000][..], &[65536, 10]] {
        add("focal", shape);
    }
    if !on_gpu {
        for shape in [&[100, 1000][..], &[10, 100]] {
            for loss in POINTWISE {
                add(loss, shape);
            }
        }
    }
    cases
}

impl Case {
    pub(crate) fn name(&self) -> String {
        let sizes: Vec<String> = self.shape.iter().map(usize::to_string).collect();
        format!("{} {}", self.loss, sizes.join("x"))
    }

    /// The name of what is computed, by a closure or not.
    fn formula(&self) -> &str {
        self.loss.trim_start_matches("closure_")
    }

    pub(crate) fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// The bytes that have to move at least: what is read, and the gradients. An input or a target
    /// of floats has `size` bytes for each, one of integers four.
    pub(crate) fn bytes(&self, backward: bool, size: usize) -> usize {
        let elements = self.elements();
        let samples = elements / self.shape[1];
        let (floats, integers, inputs) = match self.formula() {
            "margin_ranking"
            | "gaussian_nll"
            | "negative_binomial_nll"
            | "laplace_nll"
            | "student_t_nll"
            | "log_normal_nll"
            | "gaussian_crps" => (3 * elements, 0, 2),
            "triplet_margin" | "triplet_margin_with_distance" => (3 * elements, 0, 3),
            "cosine_embedding" => (2 * elements, samples, 2),
            "cross_entropy" | "focal" | "nll" | "multi_margin" => (elements, samples, 1),
            "multi_label_margin" => (elements, elements, 1),
            _ => (2 * elements, 0, 1),
        };
        let written = if backward { inputs * elements } else { 0 };
        size * (floats + written) + 4 * integers
    }

    /// The bytes that forward and backward move at best, where a workgroup keeps `shared` bytes: a
    /// row of logits is read once if it fits, or else twice, and its gradient is written.
    pub(crate) fn best_schedule(&self, size: usize, shared: usize) -> usize {
        let reads = if self.shape[1] * size <= shared { 1 } else { 2 };
        (reads + 1) * size * self.elements()
    }

    /// Whether an exponential or a logarithm per element is part of the formula.
    pub(crate) fn transcendental(&self) -> bool {
        matches!(
            self.formula(),
            "poisson_nll"
                | "gaussian_nll"
                | "bce"
                | "bce_with_logits"
                | "kl_div"
                | "cross_entropy"
                | "focal"
                | "soft_margin"
                | "multi_label_soft_margin"
                | "log_cosh"
                | "msle"
                | "tweedie"
                | "gamma_nll"
                | "negative_binomial_nll"
                | "laplace_nll"
                | "student_t_nll"
                | "log_normal_nll"
                | "gaussian_crps"
                | "sigmoid_focal"
                | "quality_focal"
                | "varifocal"
                | "asymmetric"
        )
    }

    /// Everybody who computes this loss on the device's backend.
    pub(crate) fn contestants(&self, device: &Device) -> Vec<Contestant> {
        let shape = &self.shape;
        match self.loss {
            "l1" => with_target(
                normal(shape, device),
                normal(shape, device),
                |x, y| L1Loss::new().forward(x, y),
                |x, y| burn_nn::LpLossConfig::l1().forward(x, y, burn_nn::Reduction::Mean),
            ),
            "mse" => with_target(
                normal(shape, device),
                normal(shape, device),
                |x, y| MseLoss::new().forward(x, y),
                |x, y| burn_nn::MseLoss::new().forward(x, y, burn_nn::Reduction::Mean),
            ),
            "smooth_l1" => with_target(
                normal(shape, device),
                normal(shape, device),
                |x, y| SmoothL1Loss::new().forward(x, y),
                |x, y| {
                    let loss = burn_nn::SmoothL1LossConfig::new().init();
                    loss.forward_with_reduction(x, y, burn_nn::Reduction::Mean)
                },
            ),
            "huber" => with_target(
                normal(shape, device),
                normal(shape, device),
                |x, y| HuberLoss::new().forward(x, y),
                |x, y| {
                    let loss = burn_nn::HuberLossConfig::new(1.0).init();
                    loss.forward(x, y, burn_nn::Reduction::Mean)
                },
            ),
            "poisson_nll" => with_target(
                normal(shape, device),
                (normal(shape, device).abs() * 3.0).floor(),
                |x, y| PoissonNllLoss::new().forward(x, y),
                |x, y| {
                    let loss = burn_nn::PoissonNllLossConfig::new().init();
                    loss.forward(x, y, burn_nn::Reduction::Mean)
                },
            ),
            "gaussian_nll" => {
                let (x, y) = (normal(shape, device), normal(shape, device));
                let variance = normal(shape, device).exp();
                let targets = y.clone();
                everybody(
                    [x, variance],
                    move |[x, variance]| GaussianNllLoss::new().forward(x, y.clone(), variance),
                    move |[x, variance]| {
                        let loss = burn_nn::GaussianNLLLossConfig::new().init();
                        loss.forward(x, targets.clone(), variance, burn_nn::Reduction::Mean)
                    },
                )
            }
            // Burn has no loss of this name; its users gather.
            "nll" => with_target(
                narrow(target::log_probs(wide(shape, device), 1)),
                ids(shape, device),
                |x, ids| NllLoss::new().forward(x, ids),
                |x, ids| x.gather(1, ids.unsqueeze_dim::<2>(1)).mean().neg(),
            ),
            "cross_entropy" if shape.len() == 4 => {
                let sizes: [usize; 4] = shape.as_slice().try_into().expect("four sizes");
                let x = narrow(random(sizes, device));
                let samples = sizes[0] * sizes[2] * sizes[3];
                let ids = ids(&[samples, sizes[1]], device);
                let ids = ids.reshape([sizes[0], sizes[2], sizes[3]]);
                let targets = ids.clone().reshape([samples]);
                let loss = burn_nn::CrossEntropyLoss::new(None, device);
                everybody(
                    [x],
                    move |[x]| CrossEntropyLoss::new().forward(x, ids.clone()),
                    move |[x]| {
                        let rows = x.permute([0, 2, 3, 1]).reshape([samples, sizes[1]]);
                        loss.forward(rows, targets.clone())
                    },
                )
            }
            "cross_entropy" => {
                let loss = burn_nn::CrossEntropyLoss::new(None, device);
                with_target(
                    normal(shape, device),
                    ids(shape, device),
                    |x, ids| CrossEntropyLoss::new().forward(x, ids),
                    move |x, ids| loss.forward(x, ids),
                )
            }
            // Burn has none: its users pick the class's logarithm.
            "focal" => with_target(
                normal(shape, device),
                ids(shape, device),
                |x, ids| FocalLoss::new().forward(x, ids),
                |x, ids| {
                    let ids = ids.unsqueeze_dim::<2>(1);
                    let ln_p = activation::log_softmax(x, 1).gather(1, ids);
                    let rest = ln_p.clone().exp().neg() + 1.0;
                    (rest.powi_scalar(2) * ln_p).mean().neg()
                },
            ),
            "bce" => with_labels(
                activation::sigmoid(normal(shape, device)),
                labels(shape, device),
                |x, y| BceLoss::new().forward(x, y),
                burn_bce(device, false),
            ),
            "bce_with_logits" => with_labels(
                normal(shape, device),
                labels(shape, device),
                |x, y| BceWithLogitsLoss::new().forward(x, y),
                burn_bce(device, true),
            ),
            "kl_div" => with_target(
                narrow(target::log_probs(wide(shape, device), 1)),
                narrow(activation::softmax(wide(shape, device), 1)),
                |x, y| KlDivLoss::new().forward(x, y),
                |x, y| {
                    let loss = burn_nn::KLDivLossConfig::new().init();
                    loss.forward(x, y, burn_nn::Reduction::BatchMean)
                },
            ),
            "multi_margin" => with_target(
                normal(shape, device),
                ids(shape, device),
                |x, ids| MultiMarginLoss::new().forward(x, ids),
                |x, ids| {
                    let loss = burn_nn::MultiMarginLossConfig::new().init();
                    loss.forward(x, ids, burn_nn::Reduction::Mean)
                },
            ),
            "soft_margin" => with_target(
                normal(shape, device),
                signs(shape, device),
                |x, y| SoftMarginLoss::new().forward(x, y),
                |x, y| burn_nn::SoftMarginLoss::new().forward(x, y, burn_nn::Reduction::Mean),
            ),
            // Burn has nothing like it.
            "multi_label_margin" => {
                let (x, ids) = (normal(shape, device), label_ids(shape, device));
                us([x], move |[x]| {
                    MultiLabelMarginLoss::new().forward(x, ids.clone())
                })
            }
            // Burn has no loss of this name; without weights its mean is that of the binary one.
            "multi_label_soft_margin" => with_labels(
                normal(shape, device),
                labels(shape, device),
                |x, y| MultiLabelSoftMarginLoss::new().forward(x, y),
                burn_bce(device, true),
            ),
            "hinge_embedding" => with_target(
                normal(shape, device).abs(),
                signs(shape, device),
                |x, y| HingeEmbeddingLoss::new().forward(x, y),
                |x, y| {
                    let loss = burn_nn::HingeEmbeddingLossConfig::new().init();
                    loss.forward(x, y, burn_nn::Reduction::Mean)
                },
            ),
            "margin_ranking" => {
                let (a, b) = (normal(shape, device), normal(shape, device));
                let y = signs(shape, device);
                let targets = y.clone();
                everybody(
                    [a, b],
                    move |[a, b]| MarginRankingLoss::new().forward(a, b, y.clone()),
                    move |[a, b]| {
                        let loss = burn_nn::MarginRankingLossConfig::new().init();
                        loss.forward(a, b, targets.clone(), burn_nn::Reduction::Mean)
                    },
                )
            }
            "triplet_margin" => everybody(
                [0; 3].map(|_| normal(shape, device)),
                |[a, p, n]| TripletMarginLoss::new().forward(a, p, n),
                burn_triplet_margin,
            ),
            "cosine_embedding" => {
                let y = signs(&[shape[0], 1], device).squeeze_dim::<1>(1).int();
                let targets = y.clone();
                everybody(
                    [0; 2].map(|_| normal(shape, device)),
                    move |[a, b]| CosineEmbeddingLoss::new().forward(a, b, y.clone()),
                    move |[a, b]| {
                        let loss = burn_nn::CosineEmbeddingLoss::new();
                        loss.forward(a, b, targets.clone())
                    },
                )
            }
            // Burn has no loss of this name; with the Euclidean distance it is its triplet margin.
            "triplet_margin_with_distance" => everybody(
                [0; 3].map(|_| normal(shape, device)),
                |[a, p, n]| TripletMarginWithDistanceLoss::new().forward(a, p, n),
                burn_triplet_margin,
            ),
            loss => unreachable!("{loss} is not among the cases"),
        }
    }
}

/// In `f32`, whatever the device's type is.
pub(crate) fn random<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    let distribution = Distribution::Normal(0.0, 1.0);
    Tensor::random(shape, distribution, (device, DType::F32))
}

/// In the device's type.
pub(crate) fn narrow<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    let dtype = tensor.device().settings().float_dtype;
    tensor.cast(dtype)
}

/// In `f32`, for what is added up along a row before it is an input.
fn wide(shape: &[usize], device: &Device) -> Tensor<2> {
    random([shape[0], shape[1]], device)
}

pub(crate) fn normal(shape: &[usize], device: &Device) -> Tensor<2> {
    narrow(wide(shape, device))
}

pub(crate) fn labels(shape: &[usize], device: &Device) -> Tensor<2> {
    normal(shape, device).greater_scalar(0.0).float()
}

pub(crate) fn signs(shape: &[usize], device: &Device) -> Tensor<2> {
    labels(shape, device) * 2.0 - 1.0
}

pub(crate) fn ids(shape: &[usize], device: &Device) -> Tensor<1, Int> {
    let classes = shape[1] as i64;
    let ids: Vec<i64> = (0..shape[0] as i64)
        .map(|row| row * 7919 % classes)
        .collect();
    Tensor::from_data(ids.as_slice(), device)
}

/// Three labels for each row, then -1 to the end.
fn label_ids(shape: &[usize], device: &Device) -> Tensor<2, Int> {
    let classes = shape[1] as i64;
    let row = |row: i64| {
        (0..classes).map(move |at| match at {
            0..3 => (row * 7919 + at) % classes,
            _ => -1,
        })
    };
    let ids: Vec<i64> = (0..shape[0] as i64).flat_map(row).collect();
    Tensor::<1, Int>::from_data(ids.as_slice(), device).reshape([shape[0], shape[1]])
}

fn burn_bce(device: &Device, logits: bool) -> burn_nn::BinaryCrossEntropyLoss {
    let config = burn_nn::BinaryCrossEntropyLossConfig::new();
    config.with_logits(logits).init(device)
}

fn burn_triplet_margin([anchor, positive, negative]: [Tensor<2>; 3]) -> Tensor<1> {
    let loss = burn_nn::TripletMarginLossConfig::new().init();
    loss.forward(anchor, positive, negative, burn_nn::Reduction::Mean)
}

/// Everybody on one input and one target.
fn with_target<T: Clone + 'static>(
    x: Tensor<2>,
    y: T,
    ours: impl Fn(Tensor<2>, T) -> Tensor<1> + Clone + 'static,
    theirs: impl Fn(Tensor<2>, T) -> Tensor<1> + Clone + 'static,
) -> Vec<Contestant> {
    let targets = y.clone();
    everybody(
        [x],
        move |[x]| ours(x, y.clone()),
        move |[x]| theirs(x, targets.clone()),
    )
}

/// Everybody on one input and labels 0 and 1, which Burn wants as integers.
fn with_labels(
    x: Tensor<2>,
    y: Tensor<2>,
    ours: impl Fn(Tensor<2>, Tensor<2>) -> Tensor<1> + Clone + 'static,
    theirs: burn_nn::BinaryCrossEntropyLoss,
) -> Vec<Contestant> {
    let targets = y.clone().int();
    everybody(
        [x],
        move |[x]| ours(x, y.clone()),
        move |[x]| theirs.forward(x, targets.clone()),
    )
}

/// Ours, in place, without checks, and Burn's, on the same inputs.
fn everybody<const D: usize, const N: usize>(
    inputs: [Tensor<D>; N],
    ours: impl Fn([Tensor<D>; N]) -> Tensor<1> + Clone + 'static,
    theirs: impl Fn([Tensor<D>; N]) -> Tensor<1> + Clone + 'static,
) -> Vec<Contestant> {
    let mut all = us(inputs.clone(), ours);
    all.push(Contestant {
        name: BURN,
        prepare: shared(inputs, theirs),
        checks: Checks::Auto,
    });
    all
}

/// Ours, in place and without checks.
fn us<const D: usize, const N: usize>(
    inputs: [Tensor<D>; N],
    ours: impl Fn([Tensor<D>; N]) -> Tensor<1> + Clone + 'static,
) -> Vec<Contestant> {
    let contestant = |name, prepare, checks| Contestant {
        name,
        prepare,
        checks,
    };
    vec![
        contestant(OURS, shared(inputs.clone(), ours.clone()), Checks::Auto),
        contestant(IN_PLACE, moved(inputs.clone(), ours.clone()), Checks::Auto),
        contestant(UNCHECKED, shared(inputs, ours), Checks::Never),
    ]
}

/// Steps on inputs that others hold too: the gradients need memory of their own.
pub(crate) fn shared<const D: usize, const N: usize>(
    inputs: [Tensor<D>; N],
    forward: impl Fn([Tensor<D>; N]) -> Tensor<1> + Clone + 'static,
) -> Prepare {
    Box::new(move |backward| {
        let (inputs, forward) = (inputs.clone(), forward.clone());
        Box::new(move || {
            if !backward {
                let value = forward(inputs);
                value.device().sync().expect("the device finishes its work");
                return Box::new(value);
            }
            let tracked = inputs.map(|input| input.autodiff().require_grad());
            let value = forward(tracked.clone());
            let gradients = value.backward();
            for input in &tracked {
                input.grad(&gradients).expect("a gradient");
            }
            value.device().sync().expect("the device finishes its work");
            Box::new((tracked, gradients))
        })
    })
}

/// Steps on inputs that nobody else holds, as the output of a layer is.
fn moved<const D: usize, const N: usize>(
    inputs: [Tensor<D>; N],
    forward: impl Fn([Tensor<D>; N]) -> Tensor<1> + Clone + 'static,
) -> Prepare {
    Box::new(move |backward| {
        let forward = forward.clone();
        let inputs = inputs.clone().map(|input| {
            let own = input * 1.0;
            match backward {
                true => own.autodiff().require_grad(),
                false => own,
            }
        });
        inputs[0]
            .device()
            .sync()
            .expect("the device finishes its work");
        Box::new(move || {
            let value = forward(inputs);
            let gradients = backward.then(|| value.backward());
            value.device().sync().expect("the device finishes its work");
            Box::new(gradients)
        })
    })
}

/// Candle's loss of the name, where it has one for the shape.
#[cfg(feature = "candle")]
pub(crate) fn candle(case: &Case) -> candle_core::Result<Option<Contestant>> {
    use candle_core::{Device, Tensor, Var};
    use candle_nn::{loss, ops};

    let &[rows, columns] = case.shape.as_slice() else {
        return Ok(None);
    };
    let device = &Device::Cpu;
    let random = || Tensor::randn(0f32, 1f32, (rows, columns), device);
    let ids: Vec<u32> = (0..rows).map(|row| (row * 7919 % columns) as u32).collect();
    let ids = Tensor::from_vec(ids, rows, device)?;
    type Forward = fn(&Tensor, &Tensor) -> candle_core::Result<Tensor>;
    let (x, y, forward): (Tensor, Tensor, Forward) = match case.loss {
        "mse" => (random()?, random()?, loss::mse),
        "huber" => (random()?, random()?, |x, y| loss::huber(x, y, 1.0)),
        "cross_entropy" => (random()?, ids, loss::cross_entropy),
        "nll" => (ops::log_softmax(&random()?, 1)?, ids, loss::nll),
        "bce_with_logits" => (
            random()?,
            random()?.gt(0f32)?.to_dtype(candle_core::DType::F32)?,
            loss::binary_cross_entropy_with_logit,
        ),
        _ => return Ok(None),
    };
    let prepare: Prepare = Box::new(move |backward| {
        let (x, y) = (x.clone(), y.clone());
        let tracked = Var::from_tensor(&x).expect("a copy of a tensor");
        Box::new(move || {
            if backward {
                let value = forward(&tracked, &y).expect("candle computes the loss");
                let gradients = value.backward().expect("candle computes the gradient");
                Box::new(gradients)
            } else {
                Box::new(forward(&x, &y).expect("candle computes the loss"))
            }
        })
    });
    Ok(Some(Contestant {
        name: CANDLE,
        prepare,
        checks: Checks::Auto,
    }))
}
