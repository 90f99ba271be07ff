//! The hard inputs: saturated, infinite, equal, enormous. No value or gradient is NaN, none is
//! infinite unless its exact value exceeds the type, and all are right.

use crate::common::{TestDevice, assert_close, devices, numbers};
use crate::harness::*;
use crate::table::*;
use burn::tensor::{DType, Tensor};
use burn_losses::prelude::*;

/// Inputs with the losses and gradients that they have, exactly.
struct Hard {
    what: &'static str,
    variant: Variant,
    batch: Batch,
    /// Of each sample or element. A number beyond the type's largest stands for one that is to
    /// overflow or saturate.
    each: Vec<f64>,
    /// Of the sum of the losses, for each input. A number beyond the type's largest is to be
    /// clamped to it.
    gradients: Vec<Vec<f64>>,
}

/// How a case is written down: rows of inputs, of the target, of losses and of gradients.
struct Case<const R: usize, const C: usize, const N: usize> {
    inputs: [[[f64; C]; R]; N],
    target: Option<(Kind, Array)>,
    each: Vec<f64>,
    gradients: [[[f64; C]; R]; N],
}

impl<const R: usize, const C: usize, const N: usize> Case<R, C, N> {
    fn of(self, variant: Variant, what: &'static str) -> Hard {
        Hard {
            what,
            variant,
            batch: Batch {
                inputs: self.inputs.map(Array::of).to_vec(),
                target: self.target,
            },
            each: self.each,
            gradients: self.gradients.map(|rows| rows.concat()).to_vec(),
        }
    }
}

const INF: f64 = f64::INFINITY;

fn floats<const R: usize, const C: usize>(rows: [[f64; C]; R]) -> Option<(Kind, Array)> {
    Some((Kind::Float, Array::of(rows)))
}

fn ids<const R: usize>(ids: [i64; R]) -> Option<(Kind, Array)> {
    Some((Kind::Int, Array::of(ids.map(|id| [id as f64]))))
}

fn label_ids<const R: usize, const C: usize>(ids: [[i64; C]; R]) -> Option<(Kind, Array)> {
    let ids = ids.map(|row| row.map(|id| id as f64));
    Some((Kind::Int, Array::of(ids)))
}

/// The catalogue for a type whose largest number is `max`.
fn catalogue(max: f64) -> Vec<Hard> {
    let plain = ClassOptions::default;
    let l1 = || regression("rank 2", |r| L1LossConfig::new().with_reduction(r).init());
    let mse = || regression("rank 2", |r| MseLossConfig::new().with_reduction(r).init());
    let smooth_l1 = |beta: f64| {
        let config = SmoothL1LossConfig::new().with_beta(beta);
        regression("", move |r| config.clone().with_reduction(r).init())
    };
    let huber = |delta: f64| {
        let config = HuberLossConfig::new().with_delta(delta);
        regression("", move |r| config.clone().with_reduction(r).init())
    };
    let poisson = |config: PoissonNllLossConfig| poisson_nll("", Kind::Float, config);
    let log_rates = PoissonNllLossConfig::new;
    let rates = |eps| {
        let config = PoissonNllLossConfig::new().with_log_input(false);
        config.with_eps(eps)
    };
    let gaussian = || gaussian_nll("", Variances::Elements, GaussianNllLossConfig::new());
    let bce = || bce("soft labels", Kind::Float, BinaryOptions::default());
    let logits = || bce_with_logits("soft labels", Kind::Float, BinaryOptions::default());
    let soft_margin = || soft_margin("float signs", Kind::Float);
    let multi_margin = |p, margin| {
        let config = MultiMarginLossConfig::new().with_p(p).with_margin(margin);
        multi_margin("ids", false, config)
    };
    let labels = || multi_label_margin("label ids");
    let soft_labels = || multi_label_soft_margin("soft labels", Kind::Float, false);
    let hinge = || hinge_embedding("float signs", Kind::Float, 1.0);
    let ranking = |margin| margin_ranking("float signs", Kind::Float, margin);
    let triplet = |p: f64, eps: f64| {
        let config = TripletMarginLossConfig::new().with_p(p).with_eps(eps);
        triplet_margin("", config)
    };
    let cosine = |margin| cosine_embedding("float signs", Kind::Float, margin);
    let distant = |distance| {
        let config = TripletMarginWithDistanceLossConfig::new().with_distance(distance);
        triplet_margin_with_distance("", config)
    };
    let kl = || kl_div("probabilities", KlDivLossConfig::new());
    let kl_log = || kl_div("log", KlDivLossConfig::new().with_log_target(true));
    let dpo = || dpo("sigmoid", DpoLossConfig::new());
    let simpo = || of_answers("", |r| SimPoLossConfig::new().with_reduction(r).init());
    let orpo = || of_answers("", |r| OrpoLossConfig::new().with_reduction(r).init());
    let kto = || kto("float labels", Kind::Float, KtoLossConfig::new());
    let policy_clip = || policy_clip("", PolicyClipLossConfig::new());
    let generator = |objective| {
        let config = GanGeneratorLossConfig::new().with_objective(objective);
        gan_generator("", config)
    };
    let discriminator = |objective| {
        let config = GanDiscriminatorLossConfig::new().with_objective(objective);
        gan_discriminator("", move |r| config.clone().with_reduction(r).init())
    };
    let gaussian_kl = || regression("", |r| GaussianKlLossConfig::new().with_reduction(r).init());
    let poly1 = || poly1_of("ids", plain(), Poly1LossConfig::new());
    let sigmoid_poly1 = || {
        binary("soft labels", Kind::Float, |r| {
            SigmoidPoly1LossConfig::new().with_reduction(r).init()
        })
    };
    let softmax_kl = || two_logits("", |r| SoftmaxKlLossConfig::new().with_reduction(r).init());
    let js_div = || two_logits("", |r| JsDivLossConfig::new().with_reduction(r).init());
    let variation = || {
        two_logits("", |r| {
            TotalVariationLossConfig::new().with_reduction(r).init()
        })
    };
    let distillation = || distillation("ids", vec![], DistillationLossConfig::new());
    let coral = || coral("ranks", false);
    let corn = || corn("ranks");
    let earth_mover = || earth_mover("ranks");
    let ln2 = std::f64::consts::LN_2;
    // What BCE's logarithm of 0 counts for, and PyTorch's least denominator of its gradient.
    let (least_ln, least_variance) = (100.0, f64::from(1e-12_f32));
    // A power of 2 whose square overflows f32: what is computed of it is exact.
    let huge = 2.0_f64.powi(100);
    // What PyTorch adds to the squared lengths of embeddings.
    let least_square = f64::from(1e-12_f32);
    // exp(-20), and ln(1 + exp(-20)).
    let (tiny, ln_tiny) = ((-20.0_f64).exp(), (-20.0_f64).exp().ln_1p());
    let tiny_slope = tiny / (1.0 + tiny);
    let third = 1.0 / 3.0;
    // What the full Poisson loss has more.
    let stirling =
        |count: f64| count * count.ln() - count + 0.5 * (2.0 * std::f64::consts::PI * count).ln();

    let mut all = vec![
        Case {
            inputs: [[[0.0, 1.0, max, -max]], [[0.0, 1.0, max, -max]]],
            target: None,
            each: vec![0.0; 4],
            gradients: [[[0.0; 4]]; 2],
        }
        .of(l1(), "predictions that are the targets"),
        Case {
            inputs: [[[max, -max]], [[-max, max]]],
            target: None,
            each: vec![2.0 * max; 2],
            gradients: [[[1.0, -1.0]], [[-1.0, 1.0]]],
        }
        .of(l1(), "the largest differences"),
        Case {
            inputs: [[[max], [max], [max]], [[0.0]; 3]],
            target: None,
            each: vec![max; 3],
            gradients: [[[1.0]; 3], [[-1.0]; 3]],
        }
        .of(l1(), "a sum that overflows, of a mean that does not"),
        Case {
            inputs: [[[0.0, 1.0, max, -max]], [[0.0, 1.0, max, -max]]],
            target: None,
            each: vec![0.0; 4],
            gradients: [[[0.0; 4]]; 2],
        }
        .of(mse(), "predictions that are the targets"),
        Case {
            inputs: [[[max, -max]], [[-max, max]]],
            target: None,
            each: vec![INF; 2],
            gradients: [[[4.0 * max, -4.0 * max]], [[-4.0 * max, 4.0 * max]]],
        }
        .of(mse(), "the largest differences"),
        Case {
            inputs: [[[max.sqrt() * 0.9; 2]; 2], [[0.0; 2]; 2]],
            target: None,
            each: vec![max * 0.81; 4],
            gradients: [[[max.sqrt() * 1.8; 2]; 2], [[max.sqrt() * -1.8; 2]; 2]],
        }
        .of(mse(), "a sum that overflows, of a mean that does not"),
        Case {
            inputs: [[[1e-30, max * 0.75]], [[0.0; 2]]],
            target: None,
            each: vec![if max > 1e300 { 1e-60 } else { 0.0 }, INF],
            gradients: [[[2e-30, 1.5 * max]], [[-2e-30, -1.5 * max]]],
        }
        .of(mse(), "squares beyond the type on both sides"),
        Case {
            inputs: [[[0.0, 1.0, max, -max]], [[0.0, 1.0, max, -max]]],
            target: None,
            each: vec![0.0; 4],
            gradients: [[[0.0; 4]]; 2],
        }
        .of(smooth_l1(1.0), "predictions that are the targets, smoothly"),
        Case {
            inputs: [[[0.0, 1.0, max, -max]], [[0.0, 1.0, max, -max]]],
            target: None,
            each: vec![0.0; 4],
            gradients: [[[0.0; 4]]; 2],
        }
        .of(smooth_l1(0.0), "predictions that are the targets, beta 0"),
        Case {
            inputs: [[[max, -max]], [[-max, max]]],
            target: None,
            each: vec![2.0 * max; 2],
            gradients: [[[1.0, -1.0]], [[-1.0, 1.0]]],
        }
        .of(smooth_l1(1.0), "the largest differences, smoothly"),
        Case {
            inputs: [[[max], [max], [max]], [[0.0]; 3]],
            target: None,
            each: vec![max; 3],
            gradients: [[[1.0]; 3], [[-1.0]; 3]],
        }
        .of(
            smooth_l1(1.0),
            "a sum that overflows, of a mean that does not, smoothly",
        ),
        Case {
            inputs: [[[0.5, -0.5, 0.25, 1e-30]], [[0.0; 4]]],
            target: None,
            each: vec![0.25, 0.25, 0.0625, 1e-60],
            gradients: [[[1.0, -1.0, 0.5, 2e-30]], [[-1.0, 1.0, -0.5, -2e-30]]],
        }
        .of(smooth_l1(0.5), "errors at the corner and tiny ones"),
        Case {
            inputs: [[[5e-31, 1.0]], [[0.0; 2]]],
            target: None,
            each: vec![1.25e-31, 1.0],
            gradients: [[[0.5, 1.0]], [[-0.5, -1.0]]],
        }
        .of(smooth_l1(1e-30), "a tiny beta"),
        Case {
            inputs: [[[0.0, 1.0, max, -max]], [[0.0, 1.0, max, -max]]],
            target: None,
            each: vec![0.0; 4],
            gradients: [[[0.0; 4]]; 2],
        }
        .of(huber(1.0), "predictions that are the targets, Huber"),
        Case {
            inputs: [[[max, -max]], [[-max, max]]],
            target: None,
            each: vec![2.0 * max; 2],
            gradients: [[[1.0, -1.0]], [[-1.0, 1.0]]],
        }
        .of(huber(1.0), "the largest differences, Huber"),
        Case {
            inputs: [[[2.0, -2.0, 3.0, 1e-30]], [[0.0; 4]]],
            target: None,
            each: vec![2.0, 2.0, 4.0, 5e-61],
            gradients: [[[2.0, -2.0, 2.0, 1e-30]], [[-2.0, 2.0, -2.0, -1e-30]]],
        }
        .of(huber(2.0), "errors at the corner and tiny ones, Huber"),
        Case {
            inputs: [[[3.0, -2.0]], [[0.0; 2]]],
            target: None,
            each: vec![4.5, 2.0],
            gradients: [[[3.0, -2.0]], [[-3.0, 2.0]]],
        }
        .of(huber(1e300), "a delta beyond f32"),
        Case {
            inputs: [[[max, max, -max, -max, 100.0]]],
            target: floats([[0.0, 2.0, 0.0, 2.0, 3.0]]),
            each: vec![INF, INF, 0.0, 2.0 * max, 100_f64.exp() - 300.0],
            gradients: [[[INF, INF, 0.0, -2.0, 100_f64.exp() - 3.0]]],
        }
        .of(poisson(log_rates()), "the largest and least log-rates"),
        Case {
            inputs: [[[0.0, 0.0, 0.0, 0.0]]],
            target: floats([[0.0, 1.0, 2.0, max]]),
            each: vec![1.0, 1.0, 1.0 + stirling(2.0), INF],
            gradients: [[[1.0, 0.0, -1.0, -max]]],
        }
        .of(
            poisson(log_rates().with_full(true)),
            "counts of 0 and the largest, full",
        ),
        Case {
            inputs: [[[0.0, 0.0, max, 1e-30]]],
            target: floats([[0.0, 1.0, 0.0, 0.0]]),
            each: vec![0.0, -(1e-8_f64.ln()), max, 1e-30],
            gradients: [[[1.0, 1.0 - 1e8, 1.0, 1.0]]],
        }
        .of(poisson(rates(1e-8)), "rates of 0 and the largest"),
        Case {
            inputs: [[[0.0, max]]],
            target: floats([[0.0, 0.0]]),
            each: vec![0.0, max],
            gradients: [[[1.0, 1.0]]],
        }
        .of(poisson(rates(0.0)), "a rate of 0 without eps"),
        Case {
            inputs: [[[max, 1e30]]],
            target: floats([[max, max]]),
            each: vec![-INF; 2],
            gradients: [[[0.0, 1.0 - max / 1e30]]],
        }
        .of(poisson(rates(1e-8)), "the largest counts of rates"),
        Case {
            inputs: [[[0.0, 1.0, 0.0]], [[0.0, 0.0, 1e-30]], [[0.0, 0.0, 1e-30]]],
            target: None,
            each: vec![
                0.5 * 1e-6_f64.ln(),
                0.5 * (1e-6_f64.ln() + 1e6),
                0.5 * 1e-6_f64.ln(),
            ],
            gradients: [
                [[0.0, 1e6, -1e-24]],
                [[0.0, -1e6, 1e-24]],
                [[0.5e6, 0.5e6 - 0.5e12, 0.5e6]],
            ],
        }
        .of(gaussian(), "variances below eps"),
        Case {
            inputs: [[[0.0, max, max]], [[0.0, 0.0, -max]], [[max; 3]]],
            target: None,
            each: vec![
                0.5 * max.ln(),
                0.5 * max.ln() + 0.5 * max,
                0.5 * max.ln() + 2.0 * max,
            ],
            gradients: [
                [[0.0, 1.0, 2.0]],
                [[0.0, -1.0, -2.0]],
                [[0.5 / max, -0.5, -2.0]],
            ],
        }
        .of(gaussian(), "the largest differences and variances"),
        Case {
            inputs: [[[max, -max]], [[-max, max]], [[1.0; 2]]],
            target: None,
            each: vec![INF; 2],
            gradients: [
                [[2.0 * max, -2.0 * max]],
                [[-2.0 * max, 2.0 * max]],
                [[-INF; 2]],
            ],
        }
        .of(gaussian(), "the largest differences of variance 1"),
        Case {
            inputs: [[[-INF, -0.5, -INF], [-0.25, -INF, -max]]],
            target: ids([1, 0]),
            each: vec![0.5, 0.25],
            gradients: [[[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0]]],
        }
        .of(
            nll("ids", plain()),
            "-inf at classes that are not the target",
        ),
        Case {
            inputs: [[[-INF, 0.0], [-max, 0.0]]],
            target: ids([0, 0]),
            each: vec![INF, max],
            gradients: [[[-1.0, 0.0], [-1.0, 0.0]]],
        }
        .of(
            nll("ids", plain()),
            "-inf and the least number at the target",
        ),
        Case {
            // The weights of the classes are 1.5, 1, 0.5, 0.
            inputs: [[[-1.0, -1.0, -1.0, -INF], [-2.0, -1.0, -1.0, -INF]]],
            target: ids([3, 0]),
            each: vec![0.0, 3.0],
            gradients: [[[0.0; 4], [-1.5, 0.0, 0.0, 0.0]]],
        }
        .of(
            nll(
                "weights",
                ClassOptions {
                    weights: true,
                    ..plain()
                },
            ),
            "-inf at a target of weight 0",
        ),
        Case {
            inputs: [[[-INF, -1.0], [-1.0, -INF]]],
            target: ids([-100, -100]),
            each: vec![0.0; 2],
            gradients: [[[0.0; 2]; 2]],
        }
        .of(ignoring(nll, "all ignored"), "all samples ignored"),
        Case {
            inputs: [[[1e4, -1e4], [-1e4, 1e4], [1e4, 1e4]]],
            target: ids([0, 0, 1]),
            each: vec![0.0, 2e4, ln2],
            gradients: [[[0.0, 0.0], [-1.0, 1.0], [0.5, -0.5]]],
        }
        .of(cross_entropy("ids", plain()), "logits of +-10000"),
        Case {
            inputs: [[[max, -max], [max, -max], [-max, -max], [max, max]]],
            target: ids([0, 1, 0, 1]),
            each: vec![0.0, 2.0 * max, ln2, ln2],
            gradients: [[[0.0, 0.0], [1.0, -1.0], [-0.5, 0.5], [0.5, -0.5]]],
        }
        .of(cross_entropy("ids", plain()), "the largest logits"),
        Case {
            inputs: [[[0.0, 20.0], [20.0, 0.0]]],
            target: ids([1, 1]),
            each: vec![ln_tiny, 20.0 + ln_tiny],
            gradients: [[
                [tiny_slope, -tiny_slope],
                [1.0 - tiny_slope, tiny_slope - 1.0],
            ]],
        }
        .of(
            cross_entropy("ids", plain()),
            "a saturated class keeps its tiny loss",
        ),
        Case {
            inputs: [[[-INF, 0.0, 0.0], [-INF, -INF, 3.0], [-INF, 0.0, 0.0]]],
            target: ids([1, 2, 0]),
            each: vec![ln2, 0.0, INF],
            gradients: [[[0.0, -0.5, 0.5], [0.0; 3], [-1.0, 0.5, 0.5]]],
        }
        .of(cross_entropy("ids", plain()), "logits of -inf"),
        Case {
            inputs: [[[-INF, 0.0], [0.0, -INF], [0.0, -INF]]],
            target: floats([[0.0, 1.0], [1.0, 0.0], [0.5, 0.5]]),
            each: vec![0.0, 0.0, INF],
            gradients: [[[0.0; 2], [0.0; 2], [0.5, -0.5]]],
        }
        .of(
            cross_entropy_probs("probabilities", plain()),
            "logits of -inf, at probability 0 and not",
        ),
        Case {
            inputs: [[[max, -max], [0.0, max]]],
            target: floats([[1.0, 0.0], [1.0, 0.0]]),
            each: vec![0.0, max],
            gradients: [[[0.0; 2], [-1.0, 1.0]]],
        }
        .of(
            cross_entropy_probs("probabilities", plain()),
            "the largest logits",
        ),
        Case {
            inputs: [[[-INF, 0.0]]],
            target: ids([1]),
            each: vec![INF],
            gradients: [[[-0.1, 0.1]]],
        }
        .of(
            cross_entropy(
                "smoothing",
                ClassOptions {
                    smoothing: 0.2,
                    ..plain()
                },
            ),
            "smoothing that wants what is impossible",
        ),
        Case {
            inputs: [[[-INF, 0.0], [max, -max]]],
            target: ids([-100, -100]),
            each: vec![0.0; 2],
            gradients: [[[0.0; 2]; 2]],
        }
        .of(
            ignoring(cross_entropy, "all ignored"),
            "all samples ignored",
        ),
        Case {
            inputs: [[[0.0, 1.0, 1.0, 0.0]]],
            target: floats([[0.0, 1.0, 0.0, 1.0]]),
            each: vec![0.0, 0.0, least_ln, least_ln],
            gradients: [[[0.0, 0.0, 1.0 / least_variance, -1.0 / least_variance]]],
        }
        .of(bce(), "probabilities of exactly 0 and 1"),
        Case {
            inputs: [[[0.0, 1.0, 0.5]]],
            target: floats([[0.5, 0.5, 0.5]]),
            each: vec![least_ln / 2.0, least_ln / 2.0, ln2],
            gradients: [[[-0.5 / least_variance, 0.5 / least_variance, 0.0]]],
        }
        .of(bce(), "probabilities of exactly 0 and 1, soft labels"),
        Case {
            inputs: [[[1e-30, 1e-30]]],
            target: floats([[1.0, 0.0]]),
            each: vec![-(1e-30_f64.ln()), 1e-30],
            gradients: [[[-1.0 / least_variance, 1e-30 / least_variance]]],
        }
        .of(bce(), "tiny probabilities"),
        Case {
            inputs: [[[1e4, -1e4, 1e4, -1e4]]],
            target: floats([[1.0, 0.0, 0.0, 1.0]]),
            each: vec![0.0, 0.0, 1e4, 1e4],
            gradients: [[[0.0, 0.0, 1.0, -1.0]]],
        }
        .of(logits(), "logits of +-10000"),
        Case {
            inputs: [[[max, -max, max, -max]]],
            target: floats([[1.0, 0.0, 0.0, 1.0]]),
            each: vec![0.0, 0.0, max, max],
            gradients: [[[0.0, 0.0, 1.0, -1.0]]],
        }
        .of(logits(), "the largest logits"),
        Case {
            inputs: [[[-INF, -INF, 0.0]]],
            target: floats([[0.0, 1.0, 1.0]]),
            each: vec![0.0, INF, ln2],
            gradients: [[[0.0, -1.0, -0.5]]],
        }
        .of(logits(), "logits of -inf"),
        Case {
            inputs: [[[20.0, -20.0]]],
            target: floats([[1.0, 0.0]]),
            each: vec![ln_tiny, ln_tiny],
            gradients: [[[-tiny_slope, tiny_slope]]],
        }
        .of(logits(), "a saturated logit keeps its tiny loss"),
        Case {
            // The weights of the columns are 1.5, 1, 0.5, 0.
            inputs: [[[-INF, max, -max, -INF]]],
            target: Some((Kind::Bool, Array::of([[0.0, 1.0, 0.0, 1.0]]))),
            each: vec![0.0; 4],
            gradients: [[[0.0; 4]]],
        }
        .of(
            bce_with_logits(
                "weights",
                Kind::Bool,
                BinaryOptions {
                    weights: true,
                    pos_weights: true,
                    smoothing: 0.0,
                },
            ),
            "-inf at a weight of 0",
        ),
        Case {
            inputs: [[[1e4, -1e4, 1e4, -1e4]]],
            target: floats([[1.0, -1.0, -1.0, 1.0]]),
            each: vec![0.0, 0.0, 1e4, 1e4],
            gradients: [[[0.0, 0.0, 1.0, -1.0]]],
        }
        .of(soft_margin(), "signs of +-10000"),
        Case {
            inputs: [[[max, -max, max, -max]]],
            target: floats([[1.0, -1.0, -1.0, 1.0]]),
            each: vec![0.0, 0.0, max, max],
            gradients: [[[0.0, 0.0, 1.0, -1.0]]],
        }
        .of(soft_margin(), "the largest logits and signs"),
        Case {
            inputs: [[[-INF, -INF, 0.0]]],
            target: floats([[-1.0, 1.0, 1.0]]),
            each: vec![0.0, INF, ln2],
            gradients: [[[0.0, -1.0, -0.5]]],
        }
        .of(soft_margin(), "logits of -inf and signs"),
        Case {
            inputs: [[[20.0, -20.0]]],
            target: floats([[1.0, -1.0]]),
            each: vec![ln_tiny, ln_tiny],
            gradients: [[[-tiny_slope, tiny_slope]]],
        }
        .of(soft_margin(), "a saturated sign keeps its tiny loss"),
        Case {
            inputs: [[[-max, max, max], [max, -max, -max]]],
            target: ids([0, 0]),
            each: vec![4.0 / 3.0 * max, 0.0],
            gradients: [[[-2.0 * third, third, third], [0.0; 3]]],
        }
        .of(multi_margin(1, 1.0), "the largest scores of classes"),
        Case {
            inputs: [[[0.0, max.sqrt() * 0.9], [0.0, max]]],
            target: ids([0, 0]),
            each: vec![(1.0 + max.sqrt() * 0.9).powi(2) / 2.0, INF],
            gradients: [[
                [-1.0 - max.sqrt() * 0.9, 1.0 + max.sqrt() * 0.9],
                [-max, max],
            ]],
        }
        .of(multi_margin(2, 1.0), "the largest squares of classes"),
        Case {
            inputs: [[[5.0, 5.0], [1.0, 0.0], [0.0, 1e-30]]],
            target: ids([0, 0, 0]),
            each: vec![0.5, 0.0, 0.5],
            gradients: [[[-0.5, 0.5], [0.0; 2], [-0.5, 0.5]]],
        }
        .of(multi_margin(1, 1.0), "equal scores of classes"),
        Case {
            inputs: [[[5.0, 5.0], [0.0, 1e-30]]],
            target: ids([0, 0]),
            each: vec![0.0, 0.5e-30],
            gradients: [[[0.0; 2], [-0.5, 0.5]]],
        }
        .of(multi_margin(1, 0.0), "equal scores of classes, no margin"),
        Case {
            inputs: [[[-INF, 0.0, 0.0], [-INF, 0.0, 0.0]]],
            target: ids([1, 0]),
            each: vec![third, INF],
            gradients: [[[0.0, -third, third], [-2.0 * third, third, third]]],
        }
        .of(multi_margin(1, 1.0), "scores of -inf"),
        Case {
            inputs: [[[1.0, 2.0], [3.0, 4.0], [max, -max]]],
            target: label_ids([[-1, -1], [0, 1], [1, 0]]),
            each: vec![0.0; 3],
            gradients: [[[0.0; 2]; 3]],
        }
        .of(labels(), "no labels, and all of them"),
        Case {
            inputs: [[[-max, max, max], [max, -max, -max], [0.0; 3]]],
            target: label_ids([[0, -1, -1], [0, -1, -1], [2, 0, -1]]),
            each: vec![4.0 / 3.0 * max, 0.0, 2.0 * third],
            gradients: [[
                [-2.0 * third, third, third],
                [0.0; 3],
                [-third, 2.0 * third, -third],
            ]],
        }
        .of(labels(), "the largest scores of labels, and equal ones"),
        Case {
            inputs: [[[-INF, 0.0, 0.0], [-INF, 0.0, 0.0], [1.0, 0.0, 0.0]]],
            target: label_ids([[1, -1, -1], [0, -1, -1], [0, -1, -1]]),
            each: vec![third, INF, 0.0],
            gradients: [[[0.0, -third, third], [-2.0 * third, third, third], [0.0; 3]]],
        }
        .of(labels(), "scores of -inf, and at the corner"),
        Case {
            inputs: [[[1e4, -1e4, 1e4, -1e4]]],
            target: floats([[1.0, 0.0, 0.0, 1.0]]),
            each: vec![5e3],
            gradients: [[[0.0, 0.0, 0.25, -0.25]]],
        }
        .of(soft_labels(), "logits of labels of +-10000"),
        Case {
            inputs: [[[max, -max, max, -max]]],
            target: floats([[1.0, 0.0, 0.0, 1.0]]),
            each: vec![max / 2.0],
            gradients: [[[0.0, 0.0, 0.25, -0.25]]],
        }
        .of(soft_labels(), "the largest logits of labels"),
        Case {
            inputs: [[[-INF, 0.0], [-INF, 0.0]]],
            target: floats([[0.0, 1.0], [1.0, 1.0]]),
            each: vec![ln2 / 2.0, INF],
            gradients: [[[0.0, -0.25], [-0.5, -0.25]]],
        }
        .of(soft_labels(), "logits of labels of -inf"),
        Case {
            inputs: [[[20.0, -20.0]]],
            target: floats([[1.0, 0.0]]),
            each: vec![ln_tiny],
            gradients: [[[-tiny_slope / 2.0, tiny_slope / 2.0]]],
        }
        .of(soft_labels(), "saturated labels keep their tiny loss"),
        Case {
            // The weights of the columns are 1.5, 1, 0.5, 0.
            inputs: [[[-INF, max, -max, -INF]]],
            target: Some((Kind::Bool, Array::of([[0.0, 1.0, 0.0, 1.0]]))),
            each: vec![0.0],
            gradients: [[[0.0; 4]]],
        }
        .of(
            multi_label_soft_margin("weights", Kind::Bool, true),
            "-inf at a label of weight 0",
        ),
        Case {
            inputs: [[[0.0, 0.0, max, max, -max, -max, 1.0]]],
            target: floats([[1.0, -1.0, 1.0, -1.0, 1.0, -1.0, -1.0]]),
            each: vec![0.0, 1.0, max, 0.0, -max, max, 0.0],
            gradients: [[[1.0, -1.0, 1.0, 0.0, 1.0, -1.0, 0.0]]],
        }
        .of(hinge(), "distances of 0, the largest and at the corner"),
        Case {
            inputs: [[[max, max, 5.0, 5.0]], [[-max, -max, 5.0, 5.0]]],
            target: floats([[1.0, -1.0, 1.0, -1.0]]),
            each: vec![0.0, 2.0 * max, 0.0, 0.0],
            gradients: [[[0.0, 1.0, 0.0, 0.0]], [[0.0, -1.0, 0.0, 0.0]]],
        }
        .of(ranking(0.0), "the largest scores, and equal ones"),
        Case {
            inputs: [[[max, 5.0, 6.0]], [[max, 5.0, 5.0]]],
            target: floats([[1.0, -1.0, 1.0]]),
            each: vec![1.0, 1.0, 0.0],
            gradients: [[[-1.0, 1.0, 0.0]], [[1.0, -1.0, 0.0]]],
        }
        .of(ranking(1.0), "equal scores and a margin"),
        Case {
            inputs: [[[0.0, 0.0], [1.0, 2.0]]; 3],
            target: None,
            each: vec![1.0; 2],
            gradients: [[[0.0; 2]; 2]; 3],
        }
        .of(triplet(2.0, 0.0), "identical vectors"),
        Case {
            // The anchor is the positive: only the negative's distance has a slope.
            inputs: [[[0.0, 0.0]], [[0.0, 0.0]], [[0.3, 0.4]]],
            target: None,
            each: vec![0.5],
            gradients: [[[0.6, 0.8]], [[0.0, 0.0]], [[-0.6, -0.8]]],
        }
        .of(triplet(2.0, 0.0), "the anchor is the positive"),
        Case {
            inputs: [[[1e30, 0.0]], [[0.0, 1e30]], [[1e30, 1e30]]],
            target: None,
            each: vec![1e30 * (2.0_f64.sqrt() - 1.0)],
            gradients: [
                [[0.5_f64.sqrt(), -(0.5_f64.sqrt()) + 1.0]],
                [[-(0.5_f64.sqrt()), 0.5_f64.sqrt()]],
                [[0.0, -1.0]],
            ],
        }
        .of(triplet(2.0, 0.0), "components whose squares overflow"),
        Case {
            inputs: [[[max, 0.0]], [[-max, 0.0]], [[-max, 0.0]]],
            target: None,
            each: vec![1.0],
            gradients: [[[0.0; 2]], [[-1.0, 0.0]], [[1.0, 0.0]]],
        }
        .of(triplet(2.0, 0.0), "the largest components"),
        Case {
            inputs: [
                [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]],
                [[3.0, 4.0], [0.0, 0.0], [3.0, 4.0]],
            ],
            target: floats([[1.0], [1.0], [-1.0]]),
            each: vec![1.0, 1.0, 0.0],
            gradients: [
                [
                    [-0.6 / least_square.sqrt(), -0.8 / least_square.sqrt()],
                    [0.0; 2],
                    [0.0; 2],
                ],
                [[0.0; 2]; 3],
            ],
        }
        .of(cosine(0.0), "zero vectors"),
        Case {
            inputs: [
                [[huge, 0.0], [huge, 0.0], [huge, 0.0], [huge, 0.0]],
                [[0.0, huge], [huge, 0.0], [huge, 0.0], [-huge, 0.0]],
            ],
            target: floats([[1.0], [1.0], [-1.0], [1.0]]),
            each: vec![1.0, 0.0, 1.0, 2.0],
            gradients: [
                [[0.0, -1.0 / huge], [0.0; 2], [0.0; 2], [0.0; 2]],
                [[-1.0 / huge, 0.0], [0.0; 2], [0.0; 2], [0.0; 2]],
            ],
        }
        .of(cosine(0.0), "cosines of squares that overflow"),
        Case {
            inputs: [
                [[max, 0.0], [max, 0.0], [1.0, 0.0]],
                [[0.0, -max], [-max, 0.0], [0.0, 1.0]],
            ],
            target: floats([[1.0], [-1.0], [-1.0]]),
            each: vec![1.0, 0.0, 0.0],
            gradients: [
                [[0.0, 1.0 / max], [0.0; 2], [0.0; 2]],
                [[-1.0 / max, 0.0], [0.0; 2], [0.0; 2]],
            ],
        }
        .of(cosine(0.0), "cosines of the largest, and at the corner"),
        Case {
            inputs: [[[1e-30, 0.0]], [[1e-30, 0.0]]],
            target: floats([[1.0]]),
            each: vec![1.0],
            gradients: [[[-1e-30 / least_square, 0.0]]; 2],
        }
        .of(cosine(0.0), "tiny vectors"),
        Case {
            inputs: [[[1.0, 2.0]]; 3],
            target: None,
            each: vec![1.0],
            gradients: [[[0.0; 2]], [[-(0.5_f64.sqrt()); 2]], [[0.5_f64.sqrt(); 2]]],
        }
        .of(distant(Distance::Euclidean), "identical vectors, Euclidean"),
        Case {
            inputs: [[[1.0, 2.0]]; 3],
            target: None,
            each: vec![1.0],
            gradients: [[[0.0; 2]], [[-1.0; 2]], [[1.0; 2]]],
        }
        .of(distant(Distance::Lp(1.0)), "identical vectors, p = 1"),
        Case {
            inputs: [[[2.0, 0.0], [0.0, 0.0]]; 3],
            target: None,
            each: vec![1.0; 2],
            gradients: [[[0.0; 2]; 2]; 3],
        }
        .of(
            distant(Distance::Cosine),
            "identical and zero vectors, cosine",
        ),
        Case {
            // The slope of the cosine is the other direction over eps.
            inputs: [[[0.0, 0.0]], [[3.0, 4.0]], [[0.0, 0.0]]],
            target: None,
            each: vec![1.0],
            gradients: [[[-0.6e8, -0.8e8]], [[0.0; 2]], [[0.0; 2]]],
        }
        .of(distant(Distance::Cosine), "an anchor of zeros, cosine"),
        Case {
            inputs: [[[1e30, 0.0]], [[0.0, 1e30]], [[1e30, 1e30]]],
            target: None,
            each: vec![1e30 * (2.0_f64.sqrt() - 1.0)],
            gradients: [
                [[0.5_f64.sqrt(), -(0.5_f64.sqrt()) + 1.0]],
                [[-(0.5_f64.sqrt()), 0.5_f64.sqrt()]],
                [[1e-36, -1.0]],
            ],
        }
        .of(
            distant(Distance::Euclidean),
            "components whose squares overflow, Euclidean",
        ),
        Case {
            inputs: [[[1e30, 0.0]], [[0.0, 1e30]], [[-1e30, 0.0]]],
            target: None,
            each: vec![0.0],
            gradients: [[[0.0; 2]]; 3],
        }
        .of(
            distant(Distance::Cosine),
            "components whose squares overflow, at the corner",
        ),
        Case {
            inputs: [[[max, 0.0]], [[-max, 0.0]], [[-max, 0.0]]],
            target: None,
            each: vec![1.0],
            gradients: [[[0.0; 2]], [[-1.0, 0.0]], [[1.0, 0.0]]],
        }
        .of(
            distant(Distance::Euclidean),
            "the largest components, Euclidean",
        ),
        Case {
            inputs: [[[-INF, 0.0, -1.0], [0.0, -INF, -max]]],
            target: floats([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]),
            each: vec![0.0; 6],
            gradients: [[[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0]]],
        }
        .of(kl(), "targets of probability 0"),
        Case {
            inputs: [[[-INF, 0.0], [-max, 0.0]]],
            target: floats([[0.25, 0.75], [1.0, 0.0]]),
            each: vec![INF, 0.75 * 0.75_f64.ln(), max, 0.0],
            gradients: [[[-0.25, -0.75], [-1.0, 0.0]]],
        }
        .of(kl(), "-inf at a target that is possible"),
        Case {
            inputs: [[[-INF, 0.0], [-1.0, 0.0]]],
            target: floats([[-INF, 0.0], [-INF, 0.0]]),
            each: vec![0.0; 4],
            gradients: [[[0.0, -1.0], [0.0, -1.0]]],
        }
        .of(kl_log(), "log-targets of -inf"),
        Case {
            inputs: [[[-INF, -INF]]],
            target: floats([[0.5_f64.ln(), 0.5_f64.ln()]]),
            each: vec![INF; 2],
            gradients: [[[-0.5; 2]]],
        }
        .of(kl_log(), "-inf at a log-target that is possible"),
        Case {
            inputs: [[[max, -max], [0.0, -0.5]]],
            target: ids([1, 1]),
            each: vec![4.0 + (-4.0_f64).exp().ln_1p(), {
                let capped = 2.0 * 0.25_f64.tanh();
                capped + (-capped).exp().ln_1p()
            }],
            gradients: [[[0.0; 2], {
                let slope = 1.0 / (1.0 + (-2.0 * 0.25_f64.tanh()).exp());
                [slope, -slope / 0.25_f64.cosh().powi(2)]
            }]],
        }
        .of(
            cross_entropy_with("softcap", plain(), |config, _| {
                config.with_softcap(Some(2.0))
            }),
            "the largest logits, capped",
        ),
        Case {
            inputs: [[[max, -max], [-max, max]]],
            target: ids([1, 1]),
            each: vec![2.0 * max, 0.0],
            gradients: [[[10.0, -10.0], [0.0; 2]]],
        }
        .of(
            cross_entropy_with("logit_scale", plain(), |config, _| {
                config.with_logit_scale(10.0)
            }),
            "the largest logits, scaled",
        ),
        Case {
            inputs: [[[max, 0.0], [-INF, 0.0], [1e4, 0.0]]],
            target: ids([0, 1, 1]),
            each: vec![INF, 0.0, 1e4 + 1e6],
            gradients: [[[0.02 * max, 0.0], [0.0; 2], [201.0, -1.0]]],
        }
        .of(
            cross_entropy_with("z_loss", plain(), |config, _| config.with_z_loss(0.01)),
            "the largest logits, whose sum is squared",
        ),
        Case {
            inputs: [[[1e4, -1e4], [-1e4, 1e4], [1e4, 1e4]]],
            target: ids([0, 0, 1]),
            each: vec![0.0, 2e4 + 1.0, ln2 + 0.5],
            gradients: [[[0.0; 2], [-1.0, 1.0], [0.75, -0.75]]],
        }
        .of(poly1(), "logits of +-10000, Poly-1"),
        Case {
            inputs: [[[max, -max], [-INF, 0.0]]],
            target: ids([1, 1]),
            each: vec![2.0 * max, 0.0],
            gradients: [[[1.0, -1.0], [0.0; 2]]],
        }
        .of(poly1(), "the largest logits and -inf, Poly-1"),
        Case {
            inputs: [[[max, -max, max, -max, 0.0]]],
            target: floats([[1.0, 0.0, 0.0, 1.0, 1.0]]),
            each: vec![0.0, 0.0, max, max, ln2 + 0.5],
            gradients: [[[0.0, 0.0, 1.0, -1.0, -0.75]]],
        }
        .of(sigmoid_poly1(), "the largest logits, Poly-1 by the sigmoid"),
        Case {
            inputs: [
                [[0.0, 0.0], [0.0, 0.0], [0.0, -INF]],
                [[1e4, -1e4], [0.0, -INF], [0.0, -INF]],
            ],
            target: None,
            each: vec![ln2, ln2, 0.0],
            gradients: [[[-0.5, 0.5], [-0.5, 0.5], [0.0; 2]], [[0.0; 2]; 3]],
        }
        .of(softmax_kl(), "a teacher that is certain"),
        Case {
            inputs: [[[1e4, -1e4], [-max, max]], [[-1e4, 1e4], [max, -max]]],
            target: None,
            each: vec![ln2; 2],
            gradients: [[[0.0; 2]; 2]; 2],
        }
        .of(js_div(), "a student and a teacher that are certain"),
        Case {
            inputs: [
                [[1e4, -1e4], [-max, max], [1.0, 2.0]],
                [[-1e4, 1e4], [max, -max], [1.0, 2.0]],
            ],
            target: None,
            each: vec![1.0, 1.0, 0.0],
            gradients: [[[0.0; 2]; 3]; 2],
        }
        .of(variation(), "certain, and at the corner"),
        Case {
            // The logits of the teacher, and the class.
            inputs: [[[1e4, -1e4], [0.0, 0.0]]],
            target: floats([[1e4, -1e4, 1.0], [1e4, -1e4, 0.0]]),
            each: vec![1e4, 2.5 * ln2],
            gradients: [[[0.5, -0.5], [-0.75, 0.75]]],
        }
        .of(distillation(), "a teacher that is certain, and a class"),
        Case {
            inputs: [[[max, -max], [max, -max], [max, -max]]],
            target: ids([1, 0, 2]),
            each: vec![0.0, max, max],
            gradients: [[[0.0; 2], [1.0, 0.0], [0.0, -1.0]]],
        }
        .of(coral(), "the largest logits of thresholds"),
        Case {
            // A mean is divided after the sum, which must be in range.
            inputs: [[[max / 4.0, -max / 4.0]; 3]],
            target: ids([1, 0, 2]),
            each: vec![0.0, max / 4.0, max / 4.0],
            gradients: [[[0.0; 2], [1.0, 0.0], [0.0, -1.0]]],
        }
        .of(corn(), "large logits of thresholds"),
        Case {
            inputs: [[[0.0, -INF], [0.0, max]]],
            target: ids([0, 0]),
            each: vec![ln2; 2],
            gradients: [[[0.5, 0.0]; 2]],
        }
        .of(corn(), "anything at a threshold that is not reached"),
        Case {
            inputs: [[[1e4, 0.0, -1e4], [max, 0.0, -max], [0.0, -INF, 1e4]]],
            target: ids([2, 0, 0]),
            each: vec![2.0, 0.0, 2.0],
            gradients: [[[0.0; 3]; 3]],
        }
        .of(earth_mover(), "logits that are certain of a rank"),
        Case {
            inputs: [[[5.0, 5.0], [-max, -max]]],
            target: ids([0, 1]),
            each: vec![0.25; 2],
            gradients: [[[-0.25, 0.25], [0.25, -0.25]]],
        }
        .of(earth_mover(), "equal logits of ranks"),
        Case {
            inputs: [[[max, -max, 0.0, 20.0]]],
            target: None,
            each: vec![0.0, max, ln2, ln_tiny],
            gradients: [[[0.0, -1.0, -0.5, -tiny_slope]]],
        }
        .of(
            generator(GanObjective::NonSaturating),
            "the largest scores of a generator",
        ),
        Case {
            inputs: [[[1.0, -max]], [[-1.0, max]]],
            target: None,
            each: vec![0.0, 2.0 * max],
            gradients: [[[0.0, -1.0]], [[0.0, 1.0]]],
        }
        .of(
            discriminator(GanObjective::Hinge),
            "scores at the corner and the largest",
        ),
        Case {
            inputs: [[[max, 1.0]], [[0.0, -max]]],
            target: None,
            each: vec![INF; 2],
            gradients: [[[max, 0.0]], [[0.0, -max]]],
        }
        .of(
            discriminator(GanObjective::LeastSquares),
            "scores whose squares overflow",
        ),
        Case {
            inputs: [[[0.0, 0.0, 0.0, max]], [[0.0, max, -max, 0.0]]],
            target: None,
            each: vec![0.0, INF, max / 2.0, INF],
            gradients: [[[0.0, 0.0, 0.0, max]], [[0.0, INF, -0.5, 0.0]]],
        }
        .of(gaussian_kl(), "the largest means and log-variances"),
        Case {
            inputs: [[[0.0, 0.0]], [[1e-5, -1e-5]]],
            target: None,
            // Further terms are below what `f64` shows of these.
            each: [1e-5_f64, -1e-5]
                .map(|v| v * v / 4.0 * (1.0 + v / 3.0 + v * v / 12.0))
                .to_vec(),
            gradients: [[[0.0; 2]], [[1e-5_f64, -1e-5].map(|v| v.exp_m1() / 2.0)]],
        }
        .of(gaussian_kl(), "variances that are nearly 1"),
        Case {
            // The log-probabilities under the reference, of the chosen answers and then of the rejected ones.
            inputs: [[[0.0, -max, 0.0, -max]], [[0.0, 0.0, -max, 0.0]]],
            target: floats([[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -max]]),
            each: vec![ln2, 0.1 * max, 0.0, 0.2 * max],
            gradients: [[[-0.05, -0.1, 0.0, -0.1]], [[0.05, 0.1, 0.0, 0.1]]],
        }
        .of(dpo(), "the least log-probabilities of answers"),
        Case {
            inputs: [[[-INF, -1.0]], [[-1.0, -INF]]],
            target: floats([[-1.0; 4]]),
            each: vec![INF, 0.0],
            gradients: [[[-0.1, 0.0]], [[0.1, 0.0]]],
        }
        .of(dpo(), "answers that are impossible"),
        Case {
            inputs: [[[0.0, -max, 0.0]], [[-0.5, 0.0, -max]]],
            target: None,
            each: vec![ln2, 2.0 * max, 0.0],
            gradients: [[[-1.0, -2.0, 0.0]], [[1.0, 2.0, 0.0]]],
        }
        .of(simpo(), "the least mean log-probabilities"),
        Case {
            inputs: [[[0.0, -1.0, -max]], [[0.0, -INF, -1.0]]],
            target: None,
            each: vec![0.1 * ln2, 1.0, 1.1 * max],
            gradients: [
                [[-1.0, -1.0, -1.1]],
                [[0.0, 0.0, -0.1 / (-1.0_f64).exp_m1()]],
            ],
        }
        .of(orpo(), "answers that are certain, and impossible"),
        Case {
            // The log-probabilities under the reference, the divergences and the labels.
            inputs: [[[-max, 0.0, 0.0]]],
            target: floats([[0.0, -max, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0]]),
            each: vec![1.0, 0.0, 0.5],
            gradients: [[[0.0, 0.0, 0.025]]],
        }
        .of(kto(), "the least log-probabilities of good answers"),
        Case {
            // The log-probabilities under the old policy, and the advantages.
            inputs: [[[0.0, 0.0, -max, max]]],
            target: floats([[0.0, -max, 0.0, 0.0, 1.0, 1.0, 1.0, -1.0]]),
            each: vec![-1.0, -1.2, 0.0, INF],
            gradients: [[[-1.0, 0.0, 0.0, INF]]],
        }
        .of(policy_clip(), "ratios that overflow"),
    ];
    for p in [1.0, 1.5, 3.0] {
        all.push(
            Case {
                inputs: [[[0.0, 0.0], [1.0, 2.0]]; 3],
                target: None,
                each: vec![1.0; 2],
                gradients: [[[0.0; 2]; 2]; 3],
            }
            .of(triplet(p, 0.0), "identical vectors, another norm"),
        );
    }
    all
}

fn ignoring(make: fn(&str, ClassOptions) -> Variant, name: &str) -> Variant {
    make(
        name,
        ClassOptions {
            ignored: vec![-100],
            ..ClassOptions::default()
        },
    )
}

fn max(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => f64::MAX,
        _ => f64::from(f32::MAX),
    }
}

/// The numbers must agree relatively, except for what the type cannot hold: more than its largest
/// saturates or overflows, and less than its least normal may be 0 (GPUs flush it).
fn assert_exact(what: &str, found: &[f64], expected: &[f64], dtype: DType, clamped: bool) {
    let (max, least) = match dtype {
        DType::F64 => (f64::MAX, f64::MIN_POSITIVE),
        _ => (f64::from(f32::MAX), f64::from(f32::MIN_POSITIVE)),
    };
    let tolerance = if dtype == DType::F64 { 1e-10 } else { 1e-5 };
    assert_eq!(found.len(), expected.len(), "{what}");
    for (at, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let close = if expected.abs() > max {
            let saturated = found.abs() >= max * (1.0 - tolerance);
            saturated && found.signum() == expected.signum() && !(clamped && found.is_infinite())
        } else {
            (found - expected).abs() <= tolerance * expected.abs() + least
        };
        assert!(
            close,
            "{what}[{at}]: found {found:e}, expected {expected:e}"
        );
    }
}

/// Runs the check for all of the catalogue, on every device in every type.
fn for_all(check: impl Fn(&Hard, &TestDevice, DType)) {
    let _turn = beside_others();
    let cases = devices().into_iter().flat_map(|on| {
        full_types(&on).into_iter().flat_map(move |dtype| {
            let on = on.clone();
            catalogue(max(dtype)).into_iter().map(move |hard| {
                let name = format!("{} on {} in {dtype:?}", hard.what, on.name);
                (name, (hard, on.clone(), dtype))
            })
        })
    });
    each_case(cases, |(hard, on, dtype)| check(&hard, &on, dtype));
}

/// All reductions; on a GPU, where calls are slow, the one that does most.
fn reductions(on: &TestDevice) -> Vec<Reduction> {
    match is_gpu(on) {
        true => vec![Reduction::Mean],
        false => REDUCTIONS.to_vec(),
    }
}

#[test]
fn each_loss_and_the_gradient_of_their_sum_are_right() {
    for_all(|hard, on, dtype| {
        let each = hard.variant.each(hard.batch.on(on, dtype));
        assert_exact("each", &numbers(&each), &hard.each, dtype, false);
        let args = hard.batch.on(on, dtype).tracked();
        let found = outcome(&hard.variant, Reduction::Sum, args);
        let sum = hard.each.iter().sum();
        assert_exact("sum", &[found.value], &[sum], dtype, false);
        for (found, expected) in found.gradients.iter().zip(&hard.gradients) {
            assert_exact("gradient", found, expected, dtype, true);
        }
    });
}

#[test]
fn the_means_are_right() {
    for_all(|hard, on, dtype| {
        let args = hard.batch.on(on, dtype);
        let weight = numbers(&hard.variant.parts(args.clone()).weight)[0];
        let rows = hard.batch.inputs[0].rows as f64;
        for (reduction, count) in [(Reduction::Mean, weight), (Reduction::BatchMean, rows)] {
            let found = outcome(&hard.variant, reduction, args.clone().tracked());
            let share = |total: f64| if count == 0.0 { 0.0 } else { total / count };
            let what = format!("{reduction:?}");
            if hard.each.iter().all(|loss| loss.abs() <= max(dtype)) {
                let mean = hard.each.iter().map(|&loss| share(loss)).sum();
                assert_exact(&what, &[found.value], &[mean], dtype, false);
            } else {
                assert!(!found.value.is_nan(), "{what} is NaN");
            }
            for (found, expected) in found.gradients.iter().zip(&hard.gradients) {
                assert!(
                    found.iter().all(|slope| slope.is_finite()),
                    "{what}: {found:?}"
                );
                if expected.iter().all(|slope| slope.abs() <= max(dtype)) {
                    let expected: Vec<f64> = expected.iter().map(|&slope| share(slope)).collect();
                    assert_exact(&what, found, &expected, dtype, true);
                }
            }
        }
    });
}

#[test]
fn hard_samples_of_weight_0_do_not_count() {
    for_all(|hard, on, dtype| {
        let rows = hard.batch.inputs[0].rows;
        for reduction in reductions(on) {
            let args = hard.batch.on(on, dtype).tracked();
            let leaves = args.inputs.clone();
            let zeros = Weights::PerSample(Tensor::zeros([rows], (&on.device, dtype)));
            let found = outcome_of(hard.variant.weighted(reduction, args, zeros), &leaves);
            assert_eq!(found.value, 0.0, "{reduction:?}");
            for gradient in &found.gradients {
                assert!(gradient.iter().all(|slope| *slope == 0.0), "{gradient:?}");
            }
        }
    });
}

/// Half precision overflows early: what the type cannot hold must become its largest number, and
/// nothing NaN.
#[test]
fn half_precision_saturates() {
    let _turn = alone();
    let cases = devices().into_iter().flat_map(|on| {
        halves(&on).into_iter().flat_map(move |dtype| {
            let max = if dtype == DType::F16 {
                65504.0
            } else {
                3.3895313892515355e38
            };
            let on = on.clone();
            catalogue(max).into_iter().map(move |hard| {
                let name = format!("{} on {} in {dtype:?}", hard.what, on.name);
                (name, (hard, on.clone(), dtype))
            })
        })
    });
    each_case(cases, |(hard, on, dtype)| {
        // Numbers of f32's range do not fit into f16; the saturated ones of the type do.
        let fits = |array: &Array| {
            let rounded = Batch {
                inputs: vec![array.clone()],
                target: None,
            }
            .rounded(dtype);
            rounded.inputs[0]
                .data
                .iter()
                .zip(&array.data)
                .all(|(rounded, exact)| rounded.is_infinite() == exact.is_infinite())
        };
        if !hard.batch.inputs.iter().all(fits) {
            return;
        }
        for reduction in reductions(&on) {
            let args = hard.batch.on(&on, dtype).tracked();
            let found = outcome(&hard.variant, reduction, args);
            assert!(!found.value.is_nan(), "{reduction:?}");
            let slopes = found.gradients.concat();
            assert!(
                slopes.iter().all(|slope| slope.is_finite()),
                "{reduction:?}: {slopes:?}"
            );
        }
    });
}

#[test]
fn a_mean_of_a_million_losses_is_accurate() {
    let _turn = beside_others();
    let cases = devices().into_iter().map(|on| (on.name.to_string(), on));
    each_case(cases, |on| {
        const COUNT: usize = 1 << 20;
        // Errors of 0.1 (as f32 holds it) and 0: half of its square on average.
        let error = f64::from(0.1_f32);
        let column = Tensor::<1>::full([COUNT / 2], error, &on.device);
        let predictions = Tensor::cat(vec![column.clone(), column.zeros_like()], 0);
        let targets = predictions.zeros_like();
        let mse = MseLoss::new().forward(predictions.clone(), targets.clone());
        let tolerance = if is_gpu(&on) { 1e-5 } else { 1e-6 };
        assert_close("MSE", &numbers(&mse), &[error * error / 2.0], tolerance);
        let l1 = L1Loss::new().forward(predictions, targets);
        assert_close("L1", &numbers(&l1), &[error / 2.0], tolerance);
    });
}
