//! The losses to time: each one of ours and what Burn has for the same.

use burn::nn::loss as burn_nn;
use burn::tensor::{Device, Distribution, Int, Tensor, activation};
use burn_losses::prelude::*;
use burn_losses::target;

/// One pass: forward alone, untracked, or forward and backward with the inputs tracked.
pub(crate) type Contestant = Box<dyn Fn(bool)>;

/// Makes ours and Burn's for the same inputs.
pub(crate) type Make = fn(&Device, Sizes) -> [Contestant; 2];

/// The shape of the inputs.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

impl Sizes {
    fn normal(self, device: &Device) -> Tensor<2> {
        random(
            [self.rows, self.columns],
            Distribution::Normal(0.0, 1.0),
            device,
        )
    }

    fn ids(self, device: &Device) -> Tensor<1, Int> {
        let classes = self.columns as i64;
        let ids: Vec<i64> = (0..self.rows as i64)
            .map(|row| row * 7919 % classes)
            .collect();
        Tensor::from_data(ids.as_slice(), device)
    }

    fn signs(self, device: &Device) -> Tensor<2> {
        self.normal(device).greater_scalar(0.0).float() * 2.0 - 1.0
    }
}

fn random<const D: usize>(shape: [usize; D], how: Distribution, device: &Device) -> Tensor<D> {
    Tensor::random(shape, how, device)
}

/// A pass of `forward` over these inputs.
fn pass<const N: usize>(
    inputs: [Tensor<2>; N],
    forward: impl Fn([Tensor<2>; N]) -> Tensor<1> + 'static,
) -> Contestant {
    Box::new(move |backward| {
        let inputs = inputs.clone();
        let value = if backward {
            let tracked = inputs.map(|input| input.autodiff().require_grad());
            let value = forward(tracked.clone());
            let gradients = value.backward();
            for input in &tracked {
                input.grad(&gradients).expect("a gradient");
            }
            value
        } else {
            forward(inputs)
        };
        value.device().sync().expect("the device finishes its work");
    })
}

/// The losses by name.
pub(crate) fn cases() -> Vec<(&'static str, Make)> {
    vec![
        ("L1Loss", |device, sizes| {
            let (x, y) = (sizes.normal(device), sizes.normal(device));
            let targets = y.clone();
            [
                pass([x.clone()], move |[x]| L1Loss::new().forward(x, y.clone())),
                pass([x], move |[x]| {
                    let loss = burn_nn::LpLossConfig::l1();
                    loss.forward(x, targets.clone(), burn_nn::Reduction::Mean)
                }),
            ]
        }),
        ("MseLoss", |device, sizes| {
            let (x, y) = (sizes.normal(device), sizes.normal(device));
            let targets = y.clone();
            [
                pass([x.clone()], move |[x]| MseLoss::new().forward(x, y.clone())),
                pass([x], move |[x]| {
                    let loss = burn_nn::MseLoss::new();
                    loss.forward(x, targets.clone(), burn_nn::Reduction::Mean)
                }),
            ]
        }),
        // Burn has no loss of this name; its users gather.
        ("NllLoss", |device, sizes| {
            let x = target::log_probs(sizes.normal(device), 1);
            let ids = sizes.ids(device);
            let targets = ids.clone();
            [
                pass([x.clone()], move |[x]| {
                    NllLoss::new().forward(x, ids.clone())
                }),
                pass([x], move |[x]| {
                    let column = targets.clone().unsqueeze_dim::<2>(1);
                    x.gather(1, column).mean().neg()
                }),
            ]
        }),
        ("CrossEntropyLoss", |device, sizes| {
            let (x, ids) = (sizes.normal(device), sizes.ids(device));
            let targets = ids.clone();
            let loss = burn_nn::CrossEntropyLoss::new(None, device);
            [
                pass([x.clone()], move |[x]| {
                    CrossEntropyLoss::new().forward(x, ids.clone())
                }),
                pass([x], move |[x]| loss.forward(x, targets.clone())),
            ]
        }),
        ("BceLoss", |device, sizes| {
            let x = activation::sigmoid(sizes.normal(device));
            let y = sizes.normal(device).greater_scalar(0.0).int();
            let targets = y.clone();
            let loss = burn_nn::BinaryCrossEntropyLossConfig::new().init(device);
            [
                pass([x.clone()], move |[x]| BceLoss::new().forward(x, y.clone())),
                pass([x], move |[x]| loss.forward(x, targets.clone())),
            ]
        }),
        ("BceWithLogitsLoss", |device, sizes| {
            let x = sizes.normal(device);
            let y = sizes.normal(device).greater_scalar(0.0).int();
            let targets = y.clone();
            let loss = burn_nn::BinaryCrossEntropyLossConfig::new()
                .with_logits(true)
                .init(device);
            [
                pass([x.clone()], move |[x]| {
                    BceWithLogitsLoss::new().forward(x, y.clone())
                }),
                pass([x], move |[x]| loss.forward(x, targets.clone())),
            ]
        }),
        ("KlDivLoss", |device, sizes| {
            let x = target::log_probs(sizes.normal(device), 1);
            let y = activation::softmax(sizes.normal(device), 1);
            let targets = y.clone();
            [
                pass([x.clone()], move |[x]| {
                    KlDivLoss::new().forward(x, y.clone())
                }),
                pass([x], move |[x]| {
                    let loss = burn_nn::KLDivLossConfig::new().init();
                    loss.forward(x, targets.clone(), burn_nn::Reduction::BatchMean)
                }),
            ]
        }),
        ("HingeEmbeddingLoss", |device, sizes| {
            let (x, y) = (sizes.normal(device).abs(), sizes.signs(device));
            let targets = y.clone();
            [
                pass([x.clone()], move |[x]| {
                    HingeEmbeddingLoss::new().forward(x, y.clone())
                }),
                pass([x], move |[x]| {
                    let loss = burn_nn::HingeEmbeddingLossConfig::new().init();
                    loss.forward(x, targets.clone(), burn_nn::Reduction::Mean)
                }),
            ]
        }),
        ("MarginRankingLoss", |device, sizes| {
            let (a, b) = (sizes.normal(device), sizes.normal(device));
            let y = sizes.signs(device);
            let targets = y.clone();
            [
                pass([a.clone(), b.clone()], move |[a, b]| {
                    MarginRankingLoss::new().forward(a, b, y.clone())
                }),
                pass([a, b], move |[a, b]| {
                    let loss = burn_nn::MarginRankingLossConfig::new().init();
                    loss.forward(a, b, targets.clone(), burn_nn::Reduction::Mean)
                }),
            ]
        }),
        ("TripletMarginLoss", |device, sizes| {
            let embeddings = || {
                let shape = [4 * sizes.rows, 256];
                random(shape, Distribution::Normal(0.0, 1.0), device)
            };
            let triplet = [embeddings(), embeddings(), embeddings()];
            [
                pass(triplet.clone(), |[a, p, n]| {
                    TripletMarginLoss::new().forward(a, p, n)
                }),
                pass(triplet, |[a, p, n]| {
                    let loss = burn_nn::TripletMarginLossConfig::new().init();
                    loss.forward(a, p, n, burn_nn::Reduction::Mean)
                }),
            ]
        }),
    ]
}
