//! Losses of closures: beside the built-in ones of the same formula, and the formula as Burn's tensor operations.

use crate::cases::{Case, Contestant, OURS, TENSORS, labels, normal, shared, signs};
use burn::tensor::{Device, Tensor, activation};
use burn_losses::Checks;
use burn_losses::custom::{Custom, CustomElementwise, CustomRow, CustomSoftmax, Rule};
use burn_losses::prelude::*;

/// The built-in loss of the same formula.
pub(crate) const BUILT_IN: &str = "built-in";

/// The formulas, by the names that the scripts know.
const FORMULAS: &[&str] = &[
    "closure_l1",
    "closure_mse",
    "closure_huber",
    "closure_bce_with_logits",
    "closure_kl_div",
    "closure_squared_hinge",
    "closure_quantile",
    "closure_log_cosh",
];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for &loss in FORMULAS.iter().chain(&["closure_focal", "closure_dice"]) {
        let shape = vec![4096, 1000];
        cases.push(Case { loss, shape });
    }
    for &loss in FORMULAS {
        let shape = vec![10, 100];
        cases.push(Case { loss, shape });
    }
    cases
}

type Pair = fn(Tensor<2>, Tensor<2>) -> Tensor<1>;

fn elementwise(loss: &str) -> CustomElementwise<2> {
    match loss {
        "closure_l1" => Custom::elementwise("L1", |x, y| (x - y).abs()),
        "closure_mse" => Custom::elementwise("Mse", |x, y| (x - y).square()),
        "closure_huber" => Custom::elementwise("Huber", |x, y| {
            let error = (x - y).abs();
            error.below(1.0).select(0.5 * error * error, error - 0.5)
        }),
        "closure_bce_with_logits" => {
            Custom::elementwise("Bce", |x, y| x.softplus() - x * y).with_target(Rule::PROBABILITY)
        }
        "closure_kl_div" => Custom::elementwise("Kl", |ln_q, p| p * (p.ln() - ln_q))
            .with_target(Rule::PROBABILITY)
            .with_reduction(Reduction::BatchMean),
        "closure_squared_hinge" => {
            Custom::elementwise("SquaredHinge", |x, y| (1.0 - x * y).at_least(0.0).square())
                .with_target(Rule::SIGNS)
        }
        "closure_quantile" => Custom::elementwise("Quantile", |x, y| {
            let error = y - x;
            (0.9 * error).max(-0.1 * error)
        }),
        "closure_log_cosh" => Custom::elementwise("LogCosh", |x, y| {
            let error = (x - y).abs();
            error + (-2.0 * error).softplus() - std::f64::consts::LN_2
        }),
        loss => unreachable!("{loss} is not among the formulas"),
    }
}

fn softmax() -> CustomSoftmax {
    Custom::softmax("SoftmaxFocal", |ln_p, _, rest| -rest.square() * ln_p)
}

fn dice() -> CustomRow<2> {
    let terms = |[x, y]: [burn_losses::custom::Expr; 2]| [x * y, x, y];
    Custom::row("Dice", terms, |[both, x, y]| {
        1.0 - (2.0 * both + 1.0) / (x + y + 1.0)
    })
    .with_rules([Rule::PROBABILITY, Rule::PROBABILITY])
}

/// The formula as a user of Burn writes it.
fn tensors(loss: &str) -> Pair {
    match loss {
        "closure_l1" => |x, y| (x - y).abs().mean(),
        "closure_mse" => |x, y| (x - y).powi_scalar(2).mean(),
        "closure_huber" => |x, y| {
            let error = (x - y).abs();
            let square = error.clone() * error.clone() * 0.5;
            let small = error.clone().lower_scalar(1.0);
            (error - 0.5).mask_where(small, square).mean()
        },
        "closure_bce_with_logits" => |x, y| {
            let tail = (x.clone().abs().neg().exp() + 1.0).log();
            (x.clone().clamp_min(0.0) - x * y + tail).mean()
        },
        "closure_kl_div" => |ln_q, p| {
            let zero = p.clone().equal_scalar(0.0);
            let terms = (p.clone().log().mask_fill(zero, 0.0) - ln_q) * p;
            let rows = terms.dims()[0] as f64;
            terms.sum() / rows
        },
        "closure_squared_hinge" => {
            |x, y| ((x * y).neg() + 1.0).clamp_min(0.0).powi_scalar(2).mean()
        }
        "closure_quantile" => |x, y| {
            let error = y - x;
            (error.clone() * 0.9).max_pair(error * -0.1).mean()
        },
        "closure_log_cosh" => |x, y| {
            let error = (x - y).abs();
            let tail = ((error.clone() * -2.0).exp() + 1.0).log();
            (error + tail - std::f64::consts::LN_2).mean()
        },
        "closure_dice" => |x, y| {
            let both = (x.clone() * y.clone()).sum_dim(1) * 2.0 + 1.0;
            let sizes = x.sum_dim(1) + y.sum_dim(1) + 1.0;
            ((both / sizes).neg() + 1.0).mean()
        },
        loss => unreachable!("{loss} is not among the formulas"),
    }
}

fn built_in(loss: &str) -> Option<Pair> {
    Some(match loss {
        "closure_l1" => |x, y| L1Loss::new().forward(x, y),
        "closure_mse" => |x, y| MseLoss::new().forward(x, y),
        "closure_huber" => |x, y| HuberLoss::new().forward(x, y),
        "closure_bce_with_logits" => |x, y| BceWithLogitsLoss::new().forward(x, y),
        "closure_kl_div" => |x, y| KlDivLoss::new().forward(x, y),
        _ => return None,
    })
}

pub(crate) fn contestants(case: &Case, device: &Device) -> Vec<Contestant> {
    let shape = &case.shape;
    let contestant = |name, prepare| Contestant {
        name,
        prepare,
        checks: Checks::Auto,
    };
    if case.loss == "closure_focal" {
        let ids = crate::cases::ids(shape, device);
        let of_closure = ids.clone();
        let of_tensors = ids.clone();
        let x = [normal(shape, device)];
        let custom = softmax();
        return vec![
            contestant(
                OURS,
                shared(x.clone(), move |[x]| custom.forward(x, of_closure.clone())),
            ),
            contestant(
                BUILT_IN,
                shared(x.clone(), move |[x]| {
                    FocalLoss::new().forward(x, ids.clone())
                }),
            ),
            contestant(
                TENSORS,
                shared(x, move |[x]| {
                    let ids = of_tensors.clone().unsqueeze_dim::<2>(1);
                    let ln_p = activation::log_softmax(x, 1).gather(1, ids);
                    let rest = ln_p.clone().exp().neg() + 1.0;
                    (rest.powi_scalar(2) * ln_p).mean().neg()
                }),
            ),
        ];
    }
    let (x, y) = match case.loss {
        "closure_bce_with_logits" => (normal(shape, device), labels(shape, device)),
        "closure_squared_hinge" => (normal(shape, device), signs(shape, device)),
        "closure_kl_div" => (
            activation::log_softmax(normal(shape, device), 1),
            activation::softmax(normal(shape, device), 1),
        ),
        "closure_dice" => (
            activation::sigmoid(normal(shape, device)),
            labels(shape, device),
        ),
        _ => (normal(shape, device), normal(shape, device)),
    };
    let of = |forward: Pair| {
        let y = y.clone();
        shared([x.clone()], move |[x]| forward(x, y.clone()))
    };
    let targets = y.clone();
    let ours = if case.loss == "closure_dice" {
        let dice = dice();
        shared([x.clone()], move |[x]| dice.forward(x, targets.clone()))
    } else {
        let custom = elementwise(case.loss);
        shared([x.clone()], move |[x]| custom.forward(x, targets.clone()))
    };
    let mut all = vec![contestant(OURS, ours)];
    if let Some(built_in) = built_in(case.loss) {
        all.push(contestant(BUILT_IN, of(built_in)));
    }
    all.push(contestant(TENSORS, of(tensors(case.loss))));
    all
}
