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

/// More of them, each with an exponential: of how many tensors an element is read, and how many of these have a gradient.
const MORE_LOSSES: &[(&str, usize, usize)] = &[
    ("sigmoid_poly1", 2, 1),
    ("dpo", 4, 2),
    ("simpo", 2, 2),
    ("orpo", 2, 2),
    ("kto", 4, 1),
    ("policy_clip", 3, 1),
    ("gan_generator", 1, 1),
    ("gan_discriminator", 2, 2),
    ("gaussian_kl", 2, 2),
];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for shape in [[4096, 1000], [10, 100]] {
        let more = MORE_LOSSES.iter().map(|(loss, ..)| loss);
        for &loss in LOSSES.iter().chain(more) {
            let shape = shape.to_vec();
            cases.push(Case { loss, shape });
        }
    }
    cases
}

/// The bytes that have to move at least, of one of the more losses: each takes an exponential besides.
pub(crate) fn bytes(case: &Case, backward: bool, size: usize) -> Option<usize> {
    let of_case = |(loss, ..): &&(&str, usize, usize)| *loss == case.loss;
    let &(_, read, gradients) = MORE_LOSSES.iter().find(of_case)?;
    let written = if backward { gradients } else { 0 };
    Some(size * (read + written) * case.elements())
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
    let log_probs = || (normal().abs() + 0.1).neg();
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
        "sigmoid_poly1" => of_two(normal(), labels(), |x, y| {
            SigmoidPoly1Loss::new().forward(x, y)
        }),
        "dpo" => {
            let [reference_chosen, reference_rejected] = [log_probs(), log_probs()];
            shared([log_probs(), log_probs()], move |[chosen, rejected]| {
                let (of_chosen, of_rejected) =
                    (reference_chosen.clone(), reference_rejected.clone());
                DpoLoss::new().forward(chosen, rejected, of_chosen, of_rejected)
            })
        }
        "simpo" => of_pair(log_probs(), log_probs(), |chosen, rejected| {
            SimPoLoss::new().forward(chosen, rejected)
        }),
        "orpo" => of_pair(log_probs(), log_probs(), |chosen, rejected| {
            OrpoLoss::new().forward(chosen, rejected)
        }),
        "kto" => {
            let (reference, desirable) = (log_probs(), labels());
            let kl = reference.zeros_like() + 0.5;
            shared([log_probs()], move |[policy]| {
                let (reference, kl) = (reference.clone(), kl.clone());
                KtoLoss::new().forward(policy, reference, kl, desirable.clone())
            })
        }
        "policy_clip" => {
            let (log_probs, advantages) = (log_probs(), normal());
            let old = log_probs.clone() + normal() * 0.1;
            shared([log_probs], move |[log_probs]| {
                PolicyClipLoss::new().forward(log_probs, old.clone(), advantages.clone())
            })
        }
        "gan_generator" => shared([normal()], |[fake]| GanGeneratorLoss::new().forward(fake)),
        "gan_discriminator" => of_pair(normal(), normal(), |real, fake| {
            GanDiscriminatorLoss::new().forward(real, fake)
        }),
        "gaussian_kl" => of_pair(normal(), normal(), |mean, log_variance| {
            GaussianKlLoss::new().forward(mean, log_variance)
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

/// Of two numbers for each element, with the gradients of both, and no target.
fn of_pair(first: Tensor<2>, second: Tensor<2>, forward: Two) -> Prepare {
    shared([first, second], move |[first, second]| {
        forward(first, second)
    })
}
