//! The built-in losses that are made of formulas: beside the same formulas in PyTorch and in JAX.

use crate::cases::{Case, Contestant, OURS, Prepare, labels, normal, shared};
use burn::tensor::{Device, Tensor, activation};
use burn_losses::Checks;
use burn_losses::prelude::*;

/// The losses, by the names that the scripts know.
const LOSSES: &[&str] = &[
    "expectile",
    "quantile",
    "log_cosh",
    "general_robust",
    "tukey",
    "msle",
    "mape",
    "smape",
    "tweedie",
    "gamma_nll",
    "negative_binomial_nll",
    "laplace_nll",
    "student_t_nll",
    "log_normal_nll",
    "gaussian_crps",
    "sigmoid_focal",
    "quality_focal",
    "varifocal",
    "asymmetric",
];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for shape in [[4096, 1000], [10, 100]] {
        for &loss in LOSSES {
            let shape = shape.to_vec();
            cases.push(Case { loss, shape });
        }
    }
    cases
}

/// Ours alone: Burn has none of these, and the scripts bring the others.
pub(crate) fn contestants(case: &Case, device: &Device) -> Vec<Contestant> {
    vec![Contestant {
        name: OURS,
        prepare: ours(case, device),
        checks: Checks::Auto,
    }]
}

fn ours(case: &Case, device: &Device) -> Prepare {
    let shape = &case.shape;
    let normal = || normal(shape, device);
    let positive = || normal().exp();
    let counts = || (normal().abs() * 3.0).floor();
    let labels = || labels(shape, device);
    // Of the positives; that of the others is 0.
    let qualities = || labels() * activation::sigmoid(normal());
    match case.loss {
        "expectile" => of_two(normal(), normal(), |x, y| {
            ExpectileLoss::new().forward(x, y)
        }),
        "quantile" => of_two(normal(), normal(), |x, y| QuantileLoss::new().forward(x, y)),
        "log_cosh" => of_two(normal(), normal(), |x, y| LogCoshLoss::new().forward(x, y)),
        // Charbonnier's.
        "general_robust" => of_two(normal(), normal(), |x, y| {
            GeneralRobustLoss::new().forward(x, y)
        }),
        "tukey" => of_two(normal(), normal(), |x, y| TukeyLoss::new().forward(x, y)),
        "msle" => of_two(positive(), positive(), |x, y| MsleLoss::new().forward(x, y)),
        "mape" => of_two(positive(), positive(), |x, y| MapeLoss::new().forward(x, y)),
        "smape" => of_two(positive(), positive(), |x, y| {
            SmapeLoss::new().forward(x, y)
        }),
        // Many of the targets are 0.
        "tweedie" => of_two(normal(), counts(), |x, y| TweedieLoss::new().forward(x, y)),
        "gamma_nll" => of_two(normal(), positive(), |x, y| {
            GammaNllLoss::new().forward(x, y)
        }),
        "negative_binomial_nll" => of_three(positive(), positive(), counts(), |mean, a, y| {
            NegativeBinomialNllLoss::new().forward(mean, a, y)
        }),
        "laplace_nll" => of_three(normal(), positive(), normal(), |x, scale, y| {
            LaplaceNllLoss::new().forward(x, scale, y)
        }),
        "student_t_nll" => of_three(normal(), positive(), normal(), |x, scale, y| {
            StudentTNllLoss::new().forward(x, scale, y)
        }),
        "log_normal_nll" => of_three(normal(), positive(), positive(), |x, scale, y| {
            LogNormalNllLoss::new().forward(x, scale, y)
        }),
        "gaussian_crps" => of_three(normal(), positive(), normal(), |x, scale, y| {
            GaussianCrpsLoss::new().forward(x, scale, y)
        }),
        "sigmoid_focal" => of_two(normal(), labels(), |x, y| {
            SigmoidFocalLoss::new().forward(x, y)
        }),
        "quality_focal" => of_two(normal(), qualities(), |x, y| {
            QualityFocalLoss::new().forward(x, y)
        }),
        "varifocal" => of_two(normal(), qualities(), |x, y| {
            VarifocalLoss::new().forward(x, y)
        }),
        "asymmetric" => of_two(normal(), labels(), |x, y| {
            AsymmetricLoss::new().forward(x, y)
        }),
        loss => unreachable!("{loss} is not among the losses"),
    }
}

type Two = fn(Tensor<2>, Tensor<2>) -> Tensor<1>;
type Three = fn(Tensor<2>, Tensor<2>, Tensor<2>) -> Tensor<1>;

/// Of a prediction, with its gradient, and a target.
fn of_two(x: Tensor<2>, y: Tensor<2>, forward: Two) -> Prepare {
    shared([x], move |[x]| forward(x, y.clone()))
}

/// Of two numbers for each element, with the gradients of both, and a target.
fn of_three(x: Tensor<2>, second: Tensor<2>, y: Tensor<2>, forward: Three) -> Prepare {
    shared([x, second], move |[x, second]| {
        forward(x, second, y.clone())
    })
}
