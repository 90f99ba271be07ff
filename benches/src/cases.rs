//! What is timed: losses of several shapes, and who computes them.

use burn::nn::loss as burn_nn;
use burn::tensor::{Device, Distribution, Int, Tensor, activation};
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
#[cfg(feature = "candle")]
pub(crate) const CANDLE: &str = "candle";

const POINTWISE: &[&str] = &[
    "l1",
    "mse",
    "bce",
    "bce_with_logits",
    "kl_div",
    "hinge_embedding",
    "margin_ranking",
];

/// All cases, the large ones first.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |loss, shape: &[usize]| {
        let shape = shape.to_vec();
        cases.push(Case { loss, shape });
    };
    for loss in POINTWISE {
        add(loss, &[4096, 1000]);
    }
    add("nll", &[4096, 1000]);
    add("triplet_margin", &[16384, 256]);
    for shape in [
        &[4096, 1000][..],
        &[512, 32000],
        &[65536, 10],
        &[32, 10],
        &[8, 21, 256, 256],
    ] {
        add("cross_entropy", shape);
    }
    for shape in [&[100, 1000][..], &[10, 100]] {
        for loss in POINTWISE {
            add(loss, shape);
        }
    }
    cases
}

impl Case {
    pub(crate) fn name(&self) -> String {
        let sizes: Vec<String> = self.shape.iter().map(usize::to_string).collect();
        format!("{} {}", self.loss, sizes.join("x"))
    }

    pub(crate) fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// The bytes of `f32` that have to move at least: what is read, and the gradients.
    pub(crate) fn bytes(&self, backward: bool) -> usize {
        let elements = self.elements();
        let samples = elements / self.shape[1];
        let (read, inputs) = match self.loss {
            "margin_ranking" => (3 * elements, 2),
            "triplet_margin" => (3 * elements, 3),
            "cross_entropy" | "nll" => (elements + samples, 1),
            _ => (2 * elements, 1),
        };
        let written = if backward { inputs * elements } else { 0 };
        4 * (read + written)
    }

    /// Whether an exponential or a logarithm per element is part of the formula.
    pub(crate) fn transcendental(&self) -> bool {
        matches!(
            self.loss,
            "bce" | "bce_with_logits" | "kl_div" | "cross_entropy"
        )
    }

    /// Everybody who computes this loss on the device's backend.
    pub(crate) fn contestants(&self, device: &Device) -> Vec<Contestant> {
        let shape = &self.shape;
        match self.loss {
            "l1" => {
                let (x, y) = (normal(shape, device), normal(shape, device));
                let targets = y.clone();
                everybody(
                    [x],
                    move |[x]| L1Loss::new().forward(x, y.clone()),
                    move |[x]| {
                        let loss = burn_nn::LpLossConfig::l1();
                        loss.forward(x, targets.clone(), burn_nn::Reduction::Mean)
                    },
                )
            }
            "mse" => {
                let (x, y) = (normal(shape, device), normal(shape, device));
                let targets = y.clone();
                everybody(
                    [x],
                    move |[x]| MseLoss::new().forward(x, y.clone()),
                    move |[x]| {
                        let loss = burn_nn::MseLoss::new();
                        loss.forward(x, targets.clone(), burn_nn::Reduction::Mean)
                    },
                )
            }
            // Burn has no loss of this name; its users gather.
            "nll" => {
                let x = target::log_probs(normal(shape, device), 1);
                let ids = ids(shape, device);
                let targets = ids.clone();
                everybody(
                    [x],
                    move |[x]| NllLoss::new().forward(x, ids.clone()),
                    move |[x]| {
                        let column = targets.clone().unsqueeze_dim::<2>(1);
                        x.gather(1, column).mean().neg()
                    },
                )
            }
            "cross_entropy" if shape.len() == 4 => {
                let sizes: [usize; 4] = shape.as_slice().try_into().expect("four sizes");
                let x = random(sizes, device);
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
                let (x, ids) = (normal(shape, device), ids(shape, device));
                let targets = ids.clone();
                let loss = burn_nn::CrossEntropyLoss::new(None, device);
                everybody(
                    [x],
                    move |[x]| CrossEntropyLoss::new().forward(x, ids.clone()),
                    move |[x]| loss.forward(x, targets.clone()),
                )
            }
            "bce" => {
                let x = activation::sigmoid(normal(shape, device));
                let y = labels(shape, device);
                let targets = y.clone().int();
                let loss = burn_nn::BinaryCrossEntropyLossConfig::new().init(device);
                everybody(
                    [x],
                    move |[x]| BceLoss::new().forward(x, y.clone()),
                    move |[x]| loss.forward(x, targets.clone()),
                )
            }
            "bce_with_logits" => {
                let (x, y) = (normal(shape, device), labels(shape, device));
                let targets = y.clone().int();
                let loss = burn_nn::BinaryCrossEntropyLossConfig::new()
                    .with_logits(true)
                    .init(device);
                everybody(
                    [x],
                    move |[x]| BceWithLogitsLoss::new().forward(x, y.clone()),
                    move |[x]| loss.forward(x, targets.clone()),
                )
            }
            "kl_div" => {
                let x = target::log_probs(normal(shape, device), 1);
                let y = activation::softmax(normal(shape, device), 1);
                let targets = y.clone();
                everybody(
                    [x],
                    move |[x]| KlDivLoss::new().forward(x, y.clone()),
                    move |[x]| {
                        let loss = burn_nn::KLDivLossConfig::new().init();
                        loss.forward(x, targets.clone(), burn_nn::Reduction::BatchMean)
                    },
                )
            }
            "hinge_embedding" => {
                let x = normal(shape, device).abs();
                let y = labels(shape, device) * 2.0 - 1.0;
                let targets = y.clone();
                everybody(
                    [x],
                    move |[x]| HingeEmbeddingLoss::new().forward(x, y.clone()),
                    move |[x]| {
                        let loss = burn_nn::HingeEmbeddingLossConfig::new().init();
                        loss.forward(x, targets.clone(), burn_nn::Reduction::Mean)
                    },
                )
            }
            "margin_ranking" => {
                let (a, b) = (normal(shape, device), normal(shape, device));
                let y = labels(shape, device) * 2.0 - 1.0;
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
                |[a, p, n]| {
                    let loss = burn_nn::TripletMarginLossConfig::new().init();
                    loss.forward(a, p, n, burn_nn::Reduction::Mean)
                },
            ),
            loss => unreachable!("{loss} is not among the cases"),
        }
    }
}

fn random<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), device)
}

fn normal(shape: &[usize], device: &Device) -> Tensor<2> {
    random([shape[0], shape[1]], device)
}

fn labels(shape: &[usize], device: &Device) -> Tensor<2> {
    normal(shape, device).greater_scalar(0.0).float()
}

fn ids(shape: &[usize], device: &Device) -> Tensor<1, Int> {
    let classes = shape[1] as i64;
    let ids: Vec<i64> = (0..shape[0] as i64)
        .map(|row| row * 7919 % classes)
        .collect();
    Tensor::from_data(ids.as_slice(), device)
}

/// Ours, in place, without checks, and Burn's, on the same inputs.
fn everybody<const D: usize, const N: usize>(
    inputs: [Tensor<D>; N],
    ours: impl Fn([Tensor<D>; N]) -> Tensor<1> + Clone + 'static,
    theirs: impl Fn([Tensor<D>; N]) -> Tensor<1> + Clone + 'static,
) -> Vec<Contestant> {
    let contestant = |name, prepare, checks| Contestant {
        name,
        prepare,
        checks,
    };
    vec![
        contestant(OURS, shared(inputs.clone(), ours.clone()), Checks::Auto),
        contestant(IN_PLACE, moved(inputs.clone(), ours.clone()), Checks::Auto),
        contestant(UNCHECKED, shared(inputs.clone(), ours), Checks::Never),
        contestant(BURN, shared(inputs, theirs), Checks::Auto),
    ]
}

/// Steps on inputs that others hold too: the gradients need memory of their own.
fn shared<const D: usize, const N: usize>(
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
