//! Losses by a softmax: what options of cross-entropy cost beside it, and the losses of a student and a teacher, of ranks, and
//! of a router of experts, beside the same in PyTorch and in JAX.

use crate::cases::{Case, Contestant, OURS, Prepare, ids, normal, shared};
use crate::report::Measured;
use burn::tensor::{Device, Int, Tensor};
use burn_losses::Checks;
use burn_losses::prelude::*;
use std::fmt::Write;

/// Plain cross-entropy of the same inputs.
pub(crate) const CROSS_ENTROPY: &str = "our cross-entropy";

/// What is done to cross-entropy, by the names that the scripts know.
const CHANGED: &[&str] = &[
    "poly1",
    "cross_entropy_log_prior",
    "cross_entropy_margins",
    "cross_entropy_softcap",
    "cross_entropy_z_loss",
    "focal_log_prior",
];

/// The losses of a student and a teacher.
const TEACHERS: &[&str] = &["softmax_kl", "js_div", "total_variation", "distillation"];

/// The losses of ranks.
const RANKS: &[&str] = &["earth_mover", "coral", "corn"];

/// The losses of a router of experts.
const ROUTERS: &[&str] = &["load_balance", "router_z"];

/// How many experts each token is sent to.
const CHOICES: usize = 2;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |losses: &[&'static str], shape: &[usize]| {
        for &loss in losses {
            let shape = shape.to_vec();
            cases.push(Case { loss, shape });
        }
    };
    for shape in [[4096, 1000], [512, 32000]] {
        add(&["cross_entropy"], &shape);
        add(CHANGED, &shape);
        add(TEACHERS, &shape);
    }
    add(RANKS, &[65536, 10]);
    add(ROUTERS, &[65536, 64]);
    cases
}

/// The bytes that have to move at least, where the loss is one of these alone: each takes an exponential besides.
pub(crate) fn bytes(case: &Case, backward: bool, size: usize) -> Option<usize> {
    let (elements, samples) = (case.elements(), case.shape[0]);
    let (floats, integers) = match case.loss {
        "distillation" => (2 * elements, samples),
        loss if TEACHERS.contains(&loss) => (2 * elements, 0),
        loss if CHANGED.contains(&loss) || RANKS.contains(&loss) => (elements, samples),
        "load_balance" => (elements, CHOICES * samples),
        "router_z" => (elements, 0),
        _ => return None,
    };
    // The gradient of the logits; a teacher has none.
    let written = if backward { elements } else { 0 };
    Some(size * (floats + written) + 4 * integers)
}

/// Ours, and beside what changes cross-entropy the plain one; the scripts bring the others.
pub(crate) fn contestants(case: &Case, device: &Device) -> Vec<Contestant> {
    let contestant = |name, prepare| Contestant {
        name,
        prepare,
        checks: Checks::Auto,
    };
    let x = normal(&case.shape, device);
    let ids = ids(&case.shape, device);
    let mut all = vec![contestant(OURS, ours(case, &x, &ids, device))];
    if CHANGED.contains(&case.loss) {
        let plain = of_ids(&x, &ids, CrossEntropyLoss::new());
        all.push(contestant(CROSS_ENTROPY, plain));
    }
    all
}

fn ours(case: &Case, x: &Tensor<2>, ids: &Tensor<1, Int>, device: &Device) -> Prepare {
    let counts: Vec<u64> = (1..=case.shape[1] as u64).collect();
    let log_prior = Some(target::log_prior(&counts));
    let teacher = || normal(&case.shape, device);
    let options = CrossEntropyLossConfig::new();
    match case.loss {
        "cross_entropy" => of_ids(x, ids, options.init()),
        "poly1" => of_ids(x, ids, Poly1Loss::new()),
        "cross_entropy_log_prior" => of_ids(x, ids, options.with_log_prior(log_prior).init()),
        "cross_entropy_margins" => {
            let options = options
                .with_margins(Some(target::ldam_margins(&counts, 0.5)))
                .with_logit_scale(8.0);
            of_ids(x, ids, options.init())
        }
        "cross_entropy_softcap" => of_ids(x, ids, options.with_softcap(Some(30.0)).init()),
        "cross_entropy_z_loss" => of_ids(x, ids, options.with_z_loss(1e-4).init()),
        "focal_log_prior" => {
            let options = FocalLossConfig::new().with_log_prior(log_prior);
            of_ids(x, ids, options.init())
        }
        "softmax_kl" => of_teacher(x, teacher(), SoftmaxKlLoss::new()),
        "js_div" => of_teacher(x, teacher(), JsDivLoss::new()),
        "total_variation" => of_teacher(x, teacher(), TotalVariationLoss::new()),
        "distillation" => {
            let (teacher, ids) = (teacher(), ids.clone());
            shared([x.clone()], move |[student]| {
                DistillationLoss::new().forward(student, teacher.clone(), ids.clone())
            })
        }
        "earth_mover" => of_ids(x, ids, EarthMoverLoss::new()),
        // As many outputs as there are thresholds: one rank more, which no sample has.
        "coral" => of_ids(x, ids, CoralLoss::new()),
        "corn" => of_ids(x, ids, CornLoss::new()),
        "load_balance" => {
            let (_, experts) = x.clone().topk_with_indices(CHOICES, 1);
            shared([x.clone()], move |[x]| {
                LoadBalanceLoss::new().forward(x, experts.clone())
            })
        }
        "router_z" => shared([x.clone()], |[x]| RouterZLoss::new().forward(x)),
        loss => unreachable!("{loss} is not among the losses"),
    }
}

/// Of logits, with their gradient, and ids.
fn of_ids<L>(x: &Tensor<2>, ids: &Tensor<1, Int>, loss: L) -> Prepare
where
    L: Loss<Tensor<2>, Tensor<1, Int>> + Clone + 'static,
{
    let ids = ids.clone();
    shared([x.clone()], move |[x]| loss.forward(x, ids.clone()))
}

/// Of a student's logits, with their gradient, and a teacher's.
fn of_teacher<L>(student: &Tensor<2>, teacher: Tensor<2>, loss: L) -> Prepare
where
    L: Loss<Tensor<2>, Tensor<2>> + Clone + 'static,
{
    shared([student.clone()], move |[student]| {
        loss.forward(student, teacher.clone())
    })
}

/// How many times as long as plain cross-entropy it takes with each change, where that was measured.
pub(crate) fn ratios(measured: &[Measured]) -> String {
    let ratio = |row: &Measured| Some(row.times.get(OURS)? / row.times.get(CROSS_ENTROPY)?);
    let mut table = String::new();
    for backward in [true, false] {
        for row in measured.iter().filter(|row| row.backward == backward) {
            let Some(ratio) = ratio(row) else {
                continue;
            };
            if table.is_empty() {
                table.push_str("\n| case | pass | ours / our cross-entropy |\n|---|---|---:|\n");
            }
            let pass = if backward { "both" } else { "forward" };
            writeln!(table, "| {} | {pass} | {ratio:.2} |", row.case).expect("writing to a string");
        }
    }
    table
}
