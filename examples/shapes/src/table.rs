//! A row per loss: what it is a function of, and its formula.

use std::ops::Range;

use burn::tensor::{Int, Tensor};
use burn_losses::prelude::*;
use burn_losses::target;

/// A target or an option of a loss, and the loss of each of many numbers with it.
pub type Curve = (&'static str, fn(Tensor<1>) -> Tensor<1>);

/// A loss as a function of one number.
pub struct Row {
    /// The name of its file.
    pub name: &'static str,
    /// The name of its type.
    pub title: &'static str,
    /// The formula in LaTeX, a line for each line.
    pub formula: &'static [&'static str],
    /// What the number is.
    pub x: &'static str,
    /// Between what it is shown.
    pub range: Range<f64>,
    /// What is shown of the gradient, where it grows without bound.
    pub gradients: Option<Range<f64>>,
    /// The targets or options to show.
    pub curves: &'static [Curve],
}

/// All rows, in the order of the documentation.
pub fn rows() -> Vec<Row> {
    vec![
        Row {
            name: "l1",
            title: "L1Loss",
            formula: &[
                r"\ell &= |x - y|",
                r"\frac{\partial \ell}{\partial x} &= \operatorname{sign}(x - y)",
            ],
            x: "prediction - target",
            range: -3.0..3.0,
            gradients: None,
            curves: &[("|x - y|", |x| {
                L1Loss::new().forward_no_reduction(x.clone(), zeros(x))
            })],
        },
        Row {
            name: "mse",
            title: "MseLoss",
            formula: &[
                r"\ell &= (x - y)^2",
                r"\frac{\partial \ell}{\partial x} &= 2 (x - y)",
            ],
            x: "prediction - target",
            range: -3.0..3.0,
            gradients: None,
            curves: &[("(x - y)²", |x| {
                MseLoss::new().forward_no_reduction(x.clone(), zeros(x))
            })],
        },
        Row {
            name: "cross_entropy",
            title: "CrossEntropyLoss",
            formula: &[
                r"p_c &= \frac{e^{x_c}}{\sum_k e^{x_k}}",
                r"\text{ids:} \quad \ell &= -(1 - a)\, w_y \ln p_y - \frac{a}{C} \sum_c w_c \ln p_c",
                r"\text{probabilities:} \quad \ell &= -\sum_c w_c \left( (1 - a)\, y_c + \frac{a}{C} \right) \ln p_c",
                r"\frac{\partial \ell}{\partial x_c} &= p_c - y_c \qquad \text{where } w = 1 \text{ and } a = 0; \ y \text{ one-hot for ids}",
            ],
            x: "logit of class 1, where that of class 0 is 0",
            range: -6.0..6.0,
            gradients: None,
            curves: &[
                ("class 1", |x| two_classes(x, CrossEntropyLossConfig::new())),
                ("class 1, smoothed by 0.2", |x| {
                    let config = CrossEntropyLossConfig::new();
                    two_classes(x, config.with_label_smoothing(0.2))
                }),
                ("half each", |x| {
                    let logits = beside_zero(x);
                    let targets = logits.zeros_like() + 0.5;
                    CrossEntropyLoss::new().forward_no_reduction(logits, targets)
                }),
            ],
        },
        Row {
            name: "nll",
            title: "NllLoss",
            formula: &[
                r"\ell &= -w_y x_y",
                r"\frac{\partial \ell}{\partial x_c} &= \begin{cases} -w_y & c = y \\ 0 & c \ne y \end{cases}",
            ],
            x: "log-probability of the target class",
            range: -6.0..0.0,
            gradients: None,
            curves: &[
                ("w = 1", |x| one_of_two(x, NllLossConfig::new())),
                ("w = 2", |x| {
                    one_of_two(x, NllLossConfig::new().with_weights(Some(vec![1.0, 2.0])))
                }),
            ],
        },
        Row {
            name: "bce_with_logits",
            title: "BceWithLogitsLoss",
            formula: &[
                r"p &= \frac{1}{1 + e^{-x}}",
                r"\ell &= -w \left( v\, y \ln p + (1 - y) \ln(1 - p) \right)",
                r"\frac{\partial \ell}{\partial x} &= w \left( (1 - y)\, p - v\, y\, (1 - p) \right)",
            ],
            x: "logit",
            range: -6.0..6.0,
            gradients: None,
            curves: &[
                ("label 1", |x| {
                    BceWithLogitsLoss::new().forward_no_reduction(x.clone(), zeros(x) + 1.0)
                }),
                ("label 0", |x| {
                    BceWithLogitsLoss::new().forward_no_reduction(x.clone(), zeros(x))
                }),
                ("label 0.7", |x| {
                    BceWithLogitsLoss::new().forward_no_reduction(x.clone(), zeros(x) + 0.7)
                }),
            ],
        },
        Row {
            name: "bce",
            title: "BceLoss",
            formula: &[
                r"\ell &= -w \left( y \ln x + (1 - y) \ln(1 - x) \right) \qquad \ln \text{ counted as at least } {-100}",
                r"\frac{\partial \ell}{\partial x} &= w\, \frac{x - y}{\max(x (1 - x),\ 10^{-12})}",
            ],
            x: "probability",
            range: 0.004..0.996,
            gradients: Some(-12.0..12.0),
            curves: &[
                ("label 1", |x| {
                    BceLoss::new().forward_no_reduction(x.clone(), zeros(x) + 1.0)
                }),
                ("label 0", |x| {
                    BceLoss::new().forward_no_reduction(x.clone(), zeros(x))
                }),
                ("label 0.7", |x| {
                    BceLoss::new().forward_no_reduction(x.clone(), zeros(x) + 0.7)
                }),
            ],
        },
        Row {
            name: "kl_div",
            title: "KlDivLoss",
            formula: &[
                r"\ell &= y\, (\ln y - x) \qquad 0 \text{ where } y = 0",
                r"\text{log target:} \quad \ell &= e^{y} (y - x)",
                r"\frac{\partial \ell}{\partial x} &= -y \qquad \text{log target: } {-e^{y}}",
                r"\text{batch mean} &= \frac{1}{N} \sum_{n} \sum_c \ell_{n c}",
            ],
            x: "logit of class 1, where that of class 0 is 0",
            range: -6.0..6.0,
            gradients: None,
            curves: &[
                ("half each", |x| divergence(x, 0.5)),
                ("0.9 for class 1", |x| divergence(x, 0.9)),
                ("1 for class 1", |x| divergence(x, 1.0)),
            ],
        },
        Row {
            name: "hinge_embedding",
            title: "HingeEmbeddingLoss",
            formula: &[
                r"\ell &= \begin{cases} x & y = +1 \\ \max(0,\ m - x) & y = -1 \end{cases}",
                r"\frac{\partial \ell}{\partial x} &= \begin{cases} 1 & y = +1 \\ -1 & y = -1 \text{ and } x < m \\ 0 & \text{else} \end{cases}",
            ],
            x: "distance (margin 1)",
            range: 0.0..2.0,
            gradients: None,
            curves: &[
                ("+1: alike", |x| {
                    HingeEmbeddingLoss::new().forward_no_reduction(x.clone(), zeros(x) + 1.0)
                }),
                ("-1: not alike", |x| {
                    HingeEmbeddingLoss::new().forward_no_reduction(x.clone(), zeros(x) - 1.0)
                }),
            ],
        },
        Row {
            name: "margin_ranking",
            title: "MarginRankingLoss",
            formula: &[
                r"\ell &= \max(0,\ -y\, (x_1 - x_2) + m)",
                r"\frac{\partial \ell}{\partial x_1} &= -\frac{\partial \ell}{\partial x_2} = \begin{cases} -y & \ell > 0 \\ 0 & \text{else} \end{cases}",
            ],
            x: "first score - second score",
            range: -2.0..2.0,
            gradients: None,
            curves: &[
                ("+1, margin 1", |x| order(x, 1.0, 1.0)),
                ("-1, margin 1", |x| order(x, -1.0, 1.0)),
                ("+1, margin 0", |x| order(x, 1.0, 0.0)),
            ],
        },
        Row {
            name: "triplet_margin",
            title: "TripletMarginLoss",
            formula: &[
                r"d(u, v) &= \| u - v + \varepsilon \|_p",
                r"\ell &= \max(0,\ d(a, p) - d(a, n) + m)",
                r"\text{swap:} \quad \ell &= \max(0,\ d(a, p) - \min(d(a, n),\ d(p, n)) + m)",
            ],
            x: "place of the negative; anchor at 0, positive at 1",
            range: -3.0..3.0,
            gradients: None,
            curves: &[
                ("margin 1", |x| triplet(x, TripletMarginLossConfig::new())),
                ("margin 1, swap", |x| {
                    triplet(x, TripletMarginLossConfig::new().with_swap(true))
                }),
            ],
        },
    ]
}

fn zeros(x: Tensor<1>) -> Tensor<1> {
    x.inner().zeros_like()
}

fn column(x: Tensor<1>) -> Tensor<2> {
    x.unsqueeze_dim(1)
}

/// The logits of two classes, of which the first is always 0.
fn beside_zero(x: Tensor<1>) -> Tensor<2> {
    let x = column(x);
    Tensor::cat(vec![x.zeros_like(), x], 1)
}

fn ones(x: &Tensor<1>) -> Tensor<1, Int> {
    zeros(x.clone()).int() + 1
}

fn two_classes(x: Tensor<1>, config: CrossEntropyLossConfig) -> Tensor<1> {
    let targets = ones(&x);
    config.init().forward_no_reduction(beside_zero(x), targets)
}

/// Log-probabilities of two classes, of which the second is the target.
fn one_of_two(x: Tensor<1>, config: NllLossConfig) -> Tensor<1> {
    let targets = ones(&x);
    config.init().forward_no_reduction(beside_zero(x), targets)
}

fn divergence(x: Tensor<1>, probability: f64) -> Tensor<1> {
    let log_probs = target::log_probs(beside_zero(x.clone()), 1);
    let of_class_1 = column(zeros(x)) + probability;
    let targets = Tensor::cat(vec![-of_class_1.clone() + 1.0, of_class_1], 1);
    let terms: Tensor<2> = KlDivLoss::new().forward_no_reduction(log_probs, targets);
    terms.sum_dim(1).squeeze_dim(1)
}

fn order(x: Tensor<1>, sign: f64, margin: f64) -> Tensor<1> {
    let loss = MarginRankingLossConfig::new().with_margin(margin).init();
    let second = zeros(x.clone());
    loss.forward_no_reduction(x, second.clone(), second + sign)
}

fn triplet(x: Tensor<1>, config: TripletMarginLossConfig) -> Tensor<1> {
    let at = |place: f64| column(zeros(x.clone())) + place;
    config
        .init()
        .forward_no_reduction(at(0.0), at(1.0), column(x.clone()))
}
