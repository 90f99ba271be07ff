//! Ordinary numbers leave no range on the way: a loss of elements is one pass over them, in their own type. A block that is
//! computed again, in `f64`, takes several times as long, and nothing else tells.

use crate::engine::host::elementwise::LONG_WAYS;
use crate::prelude::*;
use burn::tensor::{Device, Tensor, TensorData};

/// Numbers that are spread between these, of which no two neighbours are alike.
fn spread(from: f64, to: f64, step: usize) -> Tensor<1> {
    const COUNT: usize = 600;
    let at = |at: usize| from + (to - from) * ((at * step) % COUNT) as f64 / COUNT as f64;
    let numbers: Vec<f64> = (0..COUNT).map(at).collect();
    let data = TensorData::new(numbers, [COUNT]);
    Tensor::from_data(data, &Device::flex())
}

fn any() -> Tensor<1> {
    spread(-4.0, 4.0, 7)
}

fn others() -> Tensor<1> {
    spread(-3.0, 3.0, 11)
}

fn positive() -> Tensor<1> {
    spread(0.05, 9.0, 13)
}

fn counts() -> Tensor<1> {
    spread(0.0, 9.0, 17).floor()
}

fn labels() -> Tensor<1> {
    spread(0.0, 2.0, 19).floor()
}

fn qualities() -> Tensor<1> {
    labels() * spread(0.1, 1.0, 23)
}

fn log_probs() -> Tensor<1> {
    -positive()
}

/// Asserts that a loss goes no long way, forward alone and with the gradients of what it is given.
fn in_one_pass<const N: usize>(
    name: &str,
    inputs: [Tensor<1>; N],
    loss: impl Fn([Tensor<1>; N]) -> Tensor<1>,
) {
    LONG_WAYS.set(0);
    let value = loss(inputs.clone());
    assert!(value.into_scalar::<f32>().is_finite(), "{name}");
    assert_eq!(LONG_WAYS.get(), 0, "{name}, forward");
    let leaves = inputs.map(|input| input.autodiff().require_grad());
    loss(leaves.clone()).backward();
    assert_eq!(LONG_WAYS.get(), 0, "{name}, with its gradients");
}

/// A loss of outputs, and of targets that are not tracked.
macro_rules! losses {
    ($($loss:expr => [$($output:ident),*], [$($target:ident),*];)*) => {$({
        let targets = ($($target(),)*);
        in_one_pass(stringify!($loss), [$($output()),*], |outputs| {
            let ($($target,)*) = targets.clone();
            let [$($output),*] = outputs;
            $loss.forward($($output,)* $($target),*)
        });
    })*};
}

#[test]
fn ordinary_numbers_take_one_pass() {
    let logits = any;
    let means = positive;
    let rates = || spread(0.1, 3.0, 29);
    let divergence = || spread(0.5, 0.5, 1);
    let chosen = log_probs;
    let rejected = || -spread(0.1, 7.0, 31);
    let (reference, reference_too) = (rejected, log_probs);
    let old = || log_probs() + 0.1 * others();
    let by_logits = NegativeBinomialParametrization::TotalCountLogits;
    losses! {
        L1Loss::new() => [any], [others];
        MseLoss::new() => [any], [others];
        SmoothL1Loss::new() => [any], [others];
        HuberLoss::new() => [any], [others];
        PoissonNllLoss::new() => [any], [counts];
        BceWithLogitsLoss::new() => [logits], [labels];
        ExpectileLoss::new() => [any], [others];
        QuantileLoss::new() => [any], [others];
        LogCoshLoss::new() => [any], [others];
        GeneralRobustLoss::new() => [any], [others];
        GeneralRobustLossConfig::cauchy().init() => [any], [others];
        GeneralRobustLossConfig::geman_mcclure().init() => [any], [others];
        GeneralRobustLossConfig::welsch().init() => [any], [others];
        TukeyLoss::new() => [any], [others];
        MsleLoss::new() => [means], [counts];
        MapeLoss::new() => [means], [rates];
        SmapeLoss::new() => [means], [counts];
        TweedieLoss::new() => [any], [counts];
        GammaNllLoss::new() => [any], [rates];
        NegativeBinomialNllLoss::new() => [means, rates], [counts];
        NegativeBinomialNllLossConfig::new().with_parametrization(by_logits).init()
            => [rates, logits], [counts];
        LaplaceNllLoss::new() => [any, rates], [others];
        StudentTNllLoss::new() => [any, rates], [others];
        LogNormalNllLoss::new() => [any, rates], [means];
        GaussianCrpsLoss::new() => [any, rates], [others];
        SigmoidFocalLoss::new() => [logits], [labels];
        QualityFocalLoss::new() => [logits], [qualities];
        VarifocalLoss::new() => [logits], [qualities];
        AsymmetricLoss::new() => [logits], [labels];
        SigmoidPoly1Loss::new() => [logits], [labels];
        DpoLoss::new() => [chosen, rejected], [reference, reference_too];
        SimPoLoss::new() => [chosen, rejected], [];
        OrpoLoss::new() => [chosen, rejected], [];
        KtoLoss::new() => [chosen], [reference, divergence, labels];
        PolicyClipLoss::new() => [chosen], [old, any];
        GanGeneratorLoss::new() => [any], [];
        GanDiscriminatorLoss::new() => [any, others], [];
        GaussianKlLoss::new() => [any, others], [];
    }
}
