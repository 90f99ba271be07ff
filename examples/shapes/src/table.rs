//! A row per loss: what it is a function of, and its formula.

use std::f64::consts::PI;
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
            curves: &[("|x - y|", |x| with_target(x, 0.0, L1Loss::new()))],
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
            curves: &[("(x - y)²", |x| with_target(x, 0.0, MseLoss::new()))],
        },
        Row {
            name: "smooth_l1",
            title: "SmoothL1Loss",
            formula: &[
                r"\ell &= \begin{cases} \frac{(x - y)^2}{2 \beta} & |x - y| < \beta \\ |x - y| - \frac{\beta}{2} & \text{else} \end{cases}",
                r"\frac{\partial \ell}{\partial x} &= \begin{cases} \frac{x - y}{\beta} & |x - y| < \beta \\ \operatorname{sign}(x - y) & \text{else} \end{cases}",
            ],
            x: "prediction - target",
            range: -3.0..3.0,
            gradients: None,
            curves: &[
                ("beta 1", |x| smooth_l1(x, 1.0)),
                ("beta 0.5", |x| smooth_l1(x, 0.5)),
                ("beta 0: L1Loss", |x| smooth_l1(x, 0.0)),
            ],
        },
        Row {
            name: "huber",
            title: "HuberLoss",
            formula: &[
                r"\ell &= \begin{cases} \frac{1}{2} (x - y)^2 & |x - y| < \delta \\ \delta \left( |x - y| - \frac{\delta}{2} \right) & \text{else} \end{cases}",
                r"\frac{\partial \ell}{\partial x} &= \begin{cases} x - y & |x - y| < \delta \\ \delta \operatorname{sign}(x - y) & \text{else} \end{cases}",
            ],
            x: "prediction - target",
            range: -3.0..3.0,
            gradients: None,
            curves: &[
                ("delta 1", |x| huber(x, 1.0)),
                ("delta 0.5", |x| huber(x, 0.5)),
            ],
        },
        Row {
            name: "poisson_nll",
            title: "PoissonNllLoss",
            formula: &[
                r"\text{logarithm of the rate:} \quad \ell &= e^x - y\, x",
                r"\text{rate:} \quad \ell &= x - y \ln(x + \varepsilon)",
                r"\text{full:} \quad \ell &= \ldots + y \ln y - y + \frac{1}{2} \ln(2 \pi y) \qquad \text{where } y > 1",
                r"\frac{\partial \ell}{\partial x} &= e^x - y \qquad \text{rate: } 1 - \frac{y}{x + \varepsilon}",
            ],
            x: "logarithm of the rate",
            range: -3.0..2.0,
            gradients: None,
            curves: &[
                ("count 0", |x| with_target(x, 0.0, PoissonNllLoss::new())),
                ("count 1", |x| with_target(x, 1.0, PoissonNllLoss::new())),
                ("count 3", |x| with_target(x, 3.0, PoissonNllLoss::new())),
            ],
        },
        Row {
            name: "gaussian_nll",
            title: "GaussianNllLoss",
            formula: &[
                r"s &= \max(v,\ \varepsilon)",
                r"\ell &= \frac{1}{2} \left( \ln s + \frac{(x - y)^2}{s} \right)",
                r"\text{full:} \quad \ell &= \ldots + \frac{1}{2} \ln(2 \pi)",
                r"\frac{\partial \ell}{\partial x} &= \frac{x - y}{s} \qquad \frac{\partial \ell}{\partial v} = \frac{1}{2} \left( \frac{1}{s} - \frac{(x - y)^2}{s^2} \right)",
            ],
            x: "prediction - target",
            range: -2.0..2.0,
            gradients: None,
            curves: &[
                ("variance 0.25", |x| gaussian(x, 0.25)),
                ("variance 1", |x| gaussian(x, 1.0)),
                ("variance 4", |x| gaussian(x, 4.0)),
            ],
        },
        Row {
            name: "quantile",
            title: "QuantileLoss",
            formula: &[
                r"\ell &= \max(q\, (y - x),\ (q - 1) (y - x)) \qquad q \text{: the quantile}",
                r"\frac{\partial \ell}{\partial x} &= \begin{cases} -q & x < y \\ 1 - q & x > y \\ 0 & x = y \end{cases}",
            ],
            x: "prediction - target",
            range: -3.0..3.0,
            gradients: None,
            curves: &[
                ("quantile 0.5", |x| quantile(x, 0.5)),
                ("quantile 0.9", |x| quantile(x, 0.9)),
                ("quantile 0.1", |x| quantile(x, 0.1)),
            ],
        },
        Row {
            name: "expectile",
            title: "ExpectileLoss",
            formula: &[
                r"w &= \begin{cases} q & x \le y \\ 1 - q & x > y \end{cases} \qquad q \text{: the expectile}",
                r"\ell &= w\, (x - y)^2",
                r"\frac{\partial \ell}{\partial x} &= 2 w\, (x - y)",
            ],
            x: "prediction - target",
            range: -3.0..3.0,
            gradients: None,
            curves: &[
                ("expectile 0.5", |x| expectile(x, 0.5)),
                ("expectile 0.9", |x| expectile(x, 0.9)),
                ("expectile 0.1", |x| expectile(x, 0.1)),
            ],
        },
        Row {
            name: "log_cosh",
            title: "LogCoshLoss",
            formula: &[
                r"\ell &= \ln \cosh(x - y) = |x - y| + \ln \left( 1 + e^{-2 |x - y|} \right) - \ln 2",
                r"\frac{\partial \ell}{\partial x} &= \tanh(x - y)",
            ],
            x: "prediction - target",
            range: -3.0..3.0,
            gradients: None,
            curves: &[("ln cosh(x - y)", |x| {
                with_target(x, 0.0, LogCoshLoss::new())
            })],
        },
        Row {
            name: "general_robust",
            title: "GeneralRobustLoss",
            formula: &[
                r"s &= \frac{x - y}{c} \qquad c \text{: the scale}",
                r"\ell &= \frac{|\alpha - 2|}{\alpha} \left( \left( \frac{s^2}{|\alpha - 2|} + 1 \right)^{\alpha / 2} - 1 \right)",
                r"\alpha = 2 \text{:} \quad \ell &= \frac{s^2}{2} \qquad \alpha = 0 \text{:} \quad \ell = \ln \left( \frac{s^2}{2} + 1 \right) \qquad \text{no } \alpha \text{:} \quad \ell = 1 - e^{-s^2 / 2}",
                r"\frac{\partial \ell}{\partial x} &= \frac{s}{c} \left( \frac{s^2}{|\alpha - 2|} + 1 \right)^{\alpha / 2 - 1} \qquad \text{no } \alpha \text{: } \frac{s}{c}\, e^{-s^2 / 2}",
            ],
            x: "prediction - target",
            range: -5.0..5.0,
            gradients: None,
            curves: &[
                ("alpha 1: Charbonnier", |x| {
                    robust(x, GeneralRobustLossConfig::charbonnier())
                }),
                ("alpha 0: Cauchy", |x| {
                    robust(x, GeneralRobustLossConfig::cauchy())
                }),
                ("no alpha: Welsch", |x| {
                    robust(x, GeneralRobustLossConfig::welsch())
                }),
            ],
        },
        Row {
            name: "tukey",
            title: "TukeyLoss",
            formula: &[
                r"\ell &= \begin{cases} \frac{c^2}{6} \left( 1 - \left( 1 - \frac{(x - y)^2}{c^2} \right)^3 \right) & |x - y| \le c \\ \frac{c^2}{6} & \text{else} \end{cases}",
                r"\frac{\partial \ell}{\partial x} &= \begin{cases} (x - y) \left( 1 - \frac{(x - y)^2}{c^2} \right)^2 & |x - y| \le c \\ 0 & \text{else} \end{cases}",
            ],
            x: "prediction - target",
            range: -7.0..7.0,
            gradients: None,
            curves: &[("c 4.685", |x| tukey(x, 4.685)), ("c 2", |x| tukey(x, 2.0))],
        },
        Row {
            name: "msle",
            title: "MsleLoss",
            formula: &[
                r"\ell &= \left( \ln(1 + x) - \ln(1 + y) \right)^2",
                r"\frac{\partial \ell}{\partial x} &= \frac{2}{1 + x} \left( \ln(1 + x) - \ln(1 + y) \right)",
            ],
            x: "prediction",
            range: 0.0..8.0,
            gradients: None,
            curves: &[
                ("target 0", |x| with_target(x, 0.0, MsleLoss::new())),
                ("target 2", |x| with_target(x, 2.0, MsleLoss::new())),
                ("target 6", |x| with_target(x, 6.0, MsleLoss::new())),
            ],
        },
        Row {
            name: "mape",
            title: "MapeLoss",
            formula: &[
                r"\ell &= \frac{|x - y|}{\max(|y|,\ \varepsilon)} \qquad \text{percent: times } 100",
                r"\frac{\partial \ell}{\partial x} &= \frac{\operatorname{sign}(x - y)}{\max(|y|,\ \varepsilon)}",
            ],
            x: "prediction",
            range: 0.0..4.0,
            gradients: None,
            curves: &[
                ("target 1", |x| with_target(x, 1.0, MapeLoss::new())),
                ("target 2", |x| with_target(x, 2.0, MapeLoss::new())),
            ],
        },
        Row {
            name: "smape",
            title: "SmapeLoss",
            formula: &[
                r"\ell &= \begin{cases} \frac{2 |x - y|}{|x| + |y|} & x \ne 0 \text{ or } y \ne 0 \\ 0 & \text{else} \end{cases} \qquad \text{percent: times } 100",
                r"\frac{\partial \ell}{\partial x} &= \begin{cases} \frac{4 |y| \operatorname{sign}(x - y)}{(|x| + |y|)^2} & x y > 0 \\ -\frac{2}{y} & x = 0,\ y \ne 0 \\ 0 & \text{else} \end{cases}",
            ],
            x: "prediction",
            range: -1.0..5.0,
            gradients: None,
            curves: &[
                ("target 1", |x| with_target(x, 1.0, SmapeLoss::new())),
                ("target 3", |x| with_target(x, 3.0, SmapeLoss::new())),
            ],
        },
        Row {
            name: "tweedie",
            title: "TweedieLoss",
            formula: &[
                r"\ell &= \frac{y\, e^{-(p - 1) x}}{p - 1} + \frac{e^{(2 - p) x}}{2 - p} \qquad p \text{: the power}",
                r"\frac{\partial \ell}{\partial x} &= e^{(2 - p) x} - y\, e^{-(p - 1) x}",
            ],
            x: "logarithm of the mean",
            range: -2.0..3.0,
            gradients: None,
            curves: &[
                ("amount 0", |x| with_target(x, 0.0, TweedieLoss::new())),
                ("amount 1", |x| with_target(x, 1.0, TweedieLoss::new())),
                ("amount 3", |x| with_target(x, 3.0, TweedieLoss::new())),
            ],
        },
        Row {
            name: "gamma_nll",
            title: "GammaNllLoss",
            formula: &[
                r"\ell &= y\, e^{-x} + x",
                r"\text{shape } k \text{:} \quad \ell &= k \left( y\, e^{-x} + x \right) - (k - 1) \ln y - k \ln k + \ln \Gamma(k)",
                r"\frac{\partial \ell}{\partial x} &= 1 - y\, e^{-x} \qquad \text{shape } k \text{: } k \left( 1 - y\, e^{-x} \right)",
            ],
            x: "logarithm of the mean",
            range: -1.0..3.0,
            gradients: None,
            curves: &[
                ("amount 1", |x| with_target(x, 1.0, GammaNllLoss::new())),
                ("amount 3", |x| with_target(x, 3.0, GammaNllLoss::new())),
                ("amount 3, shape 2", |x| {
                    let config = GammaNllLossConfig::new().with_shape(Some(2.0));
                    with_target(x, 3.0, config.init())
                }),
            ],
        },
        Row {
            name: "negative_binomial_nll",
            title: "NegativeBinomialNllLoss",
            formula: &[
                r"\text{mean } m \text{ and dispersion } a \text{:} \quad r &= \frac{1}{a}",
                r"\text{total count } r \text{ and logits } z \text{:} \quad m &= r\, e^{z}",
                r"\ell &= -\ln \left( \frac{\Gamma(y + r)}{\Gamma(r)\, y!} \left( \frac{r}{r + m} \right)^r \left( \frac{m}{r + m} \right)^y \right)",
                r"\frac{\partial \ell}{\partial m} &= \frac{m - y}{m + a m^2} \qquad \frac{\partial \ell}{\partial z} = \frac{r\, (m - y)}{r + m}",
            ],
            x: "mean, where the count is 3",
            range: 0.5..10.0,
            gradients: None,
            curves: &[
                ("dispersion 0.1", |x| {
                    with_scale(x, 0.1, 3.0, NegativeBinomialNllLoss::new())
                }),
                ("dispersion 0.5", |x| {
                    with_scale(x, 0.5, 3.0, NegativeBinomialNllLoss::new())
                }),
                ("dispersion 2", |x| {
                    with_scale(x, 2.0, 3.0, NegativeBinomialNllLoss::new())
                }),
            ],
        },
        Row {
            name: "laplace_nll",
            title: "LaplaceNllLoss",
            formula: &[
                r"\ell &= \ln(2 b) + \frac{|x - y|}{b} \qquad b \text{: the scale}",
                r"\frac{\partial \ell}{\partial x} &= \frac{\operatorname{sign}(x - y)}{b} \qquad \frac{\partial \ell}{\partial b} = \frac{1}{b} - \frac{|x - y|}{b^2}",
            ],
            x: "prediction - target",
            range: -3.0..3.0,
            gradients: None,
            curves: &[
                ("scale 0.5", |x| {
                    with_scale(x, 0.5, 0.0, LaplaceNllLoss::new())
                }),
                ("scale 1", |x| {
                    with_scale(x, 1.0, 0.0, LaplaceNllLoss::new())
                }),
            ],
        },
        Row {
            name: "student_t_nll",
            title: "StudentTNllLoss",
            formula: &[
                r"w &= \frac{x - y}{s} \qquad s \text{: the scale} \qquad \nu \text{: the degrees of freedom}",
                r"\ell &= \frac{\nu + 1}{2} \ln \left( 1 + \frac{w^2}{\nu} \right) + \ln s + \ln \Gamma \left( \frac{\nu}{2} \right) - \ln \Gamma \left( \frac{\nu + 1}{2} \right) + \frac{1}{2} \ln(\pi \nu)",
                r"\frac{\partial \ell}{\partial x} &= \frac{(\nu + 1)\, w}{s\, (\nu + w^2)} \qquad \frac{\partial \ell}{\partial s} = \frac{1}{s} \left( 1 - \frac{(\nu + 1)\, w^2}{\nu + w^2} \right)",
            ],
            x: "prediction - target",
            range: -5.0..5.0,
            gradients: None,
            curves: &[
                ("scale 1", |x| student_t(x, 1.0, 3.0)),
                ("scale 2", |x| student_t(x, 2.0, 3.0)),
                ("scale 1, df 1: Cauchy", |x| student_t(x, 1.0, 1.0)),
            ],
        },
        Row {
            name: "log_normal_nll",
            title: "LogNormalNllLoss",
            formula: &[
                r"w &= \frac{\ln y - x}{s} \qquad s \text{: the scale}",
                r"\ell &= \ln y + \ln s + \frac{1}{2} \ln(2 \pi) + \frac{w^2}{2}",
                r"\frac{\partial \ell}{\partial x} &= -\frac{w}{s} \qquad \frac{\partial \ell}{\partial s} = \frac{1 - w^2}{s}",
            ],
            x: "mean of the logarithm, where the amount is 1",
            range: -2.0..2.0,
            gradients: None,
            curves: &[
                ("scale 0.5", |x| {
                    with_scale(x, 0.5, 1.0, LogNormalNllLoss::new())
                }),
                ("scale 1", |x| {
                    with_scale(x, 1.0, 1.0, LogNormalNllLoss::new())
                }),
                ("scale 2", |x| {
                    with_scale(x, 2.0, 1.0, LogNormalNllLoss::new())
                }),
            ],
        },
        Row {
            name: "gaussian_crps",
            title: "GaussianCrpsLoss",
            formula: &[
                r"w &= \frac{y - x}{s} \qquad s \text{: the scale}",
                r"\varphi(w) &= \frac{e^{-w^2 / 2}}{\sqrt{2 \pi}} \qquad \Phi(w) = \int_{-\infty}^{w} \varphi(t)\, dt",
                r"\ell &= s \left( w\, (2 \Phi(w) - 1) + 2 \varphi(w) - \frac{1}{\sqrt{\pi}} \right)",
                r"\frac{\partial \ell}{\partial x} &= 1 - 2 \Phi(w) \qquad \frac{\partial \ell}{\partial s} = 2 \varphi(w) - \frac{1}{\sqrt{\pi}}",
            ],
            x: "prediction - target",
            range: -3.0..3.0,
            gradients: None,
            curves: &[
                ("scale 0.5", |x| {
                    with_scale(x, 0.5, 0.0, GaussianCrpsLoss::new())
                }),
                ("scale 1", |x| {
                    with_scale(x, 1.0, 0.0, GaussianCrpsLoss::new())
                }),
                ("scale 2", |x| {
                    with_scale(x, 2.0, 0.0, GaussianCrpsLoss::new())
                }),
            ],
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
                ("class 1", |x| of_class_1(x, CrossEntropyLoss::new())),
                ("class 1, smoothed by 0.2", |x| {
                    let config = CrossEntropyLossConfig::new().with_label_smoothing(0.2);
                    of_class_1(x, config.init())
                }),
                ("half each", |x| {
                    let logits = beside_zero(x);
                    let targets = logits.zeros_like() + 0.5;
                    CrossEntropyLoss::new().forward_no_reduction(logits, targets)
                }),
            ],
        },
        Row {
            name: "focal",
            title: "FocalLoss",
            formula: &[
                r"p_c &= \frac{e^{x_c}}{\sum_k e^{x_k}}",
                r"\ell &= -\alpha_y (1 - p_y)^{\gamma} \ln p_y",
                r"\frac{\partial \ell}{\partial x_c} &= \alpha_y (1 - p_y)^{\gamma} \left( \frac{\gamma\, p_y \ln p_y}{1 - p_y} - 1 \right) \begin{cases} 1 - p_y & c = y \\ -p_c & c \ne y \end{cases}",
            ],
            x: "logit of class 1, where that of class 0 is 0",
            range: -6.0..6.0,
            gradients: None,
            curves: &[
                ("class 1, gamma 0: CrossEntropyLoss", |x| focal(x, 0.0)),
                ("class 1, gamma 2", |x| focal(x, 2.0)),
                ("class 1, gamma 5", |x| focal(x, 5.0)),
            ],
        },
        Row {
            name: "poly1",
            title: "Poly1Loss",
            formula: &[
                r"p_c &= \frac{e^{x_c}}{\sum_k e^{x_k}}",
                r"\ell &= w_y \left( -\ln p_y + \varepsilon\, (1 - p_y) \right)",
                r"\frac{\partial \ell}{\partial x_c} &= w_y\, (1 + \varepsilon\, p_y) \begin{cases} p_c - 1 & c = y \\ p_c & c \ne y \end{cases}",
            ],
            x: "logit of class 1, where that of class 0 is 0",
            range: -6.0..6.0,
            gradients: None,
            curves: &[
                ("class 1, epsilon 0: CrossEntropyLoss", |x| poly1(x, 0.0)),
                ("class 1, epsilon 1", |x| poly1(x, 1.0)),
                ("epsilon -1", |x| poly1(x, -1.0)),
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
                ("w = 1", |x| of_class_1(x, NllLoss::new())),
                ("w = 2", |x| {
                    let config = NllLossConfig::new().with_weights(Some(vec![1.0, 2.0]));
                    of_class_1(x, config.init())
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
                ("label 1", |x| with_target(x, 1.0, BceWithLogitsLoss::new())),
                ("label 0", |x| with_target(x, 0.0, BceWithLogitsLoss::new())),
                ("label 0.7", |x| {
                    with_target(x, 0.7, BceWithLogitsLoss::new())
                }),
            ],
        },
        Row {
            name: "sigmoid_focal",
            title: "SigmoidFocalLoss",
            formula: &[
                r"p &= \frac{1}{1 + e^{-x}} \qquad b = -y \ln p - (1 - y) \ln(1 - p)",
                r"q &= y\, (1 - p) + (1 - y)\, p \qquad a = \alpha y + (1 - \alpha) (1 - y) \text{, or } 1 \text{ without } \alpha",
                r"\ell &= a\, q^{\gamma}\, b",
                r"\frac{\partial \ell}{\partial x} &= a \left( q^{\gamma} (p - y) + \gamma\, q^{\gamma - 1} (1 - 2 y)\, p\, (1 - p)\, b \right)",
            ],
            x: "logit",
            range: -6.0..6.0,
            gradients: None,
            curves: &[
                ("label 1, gamma 0: BceWithLogitsLoss", |x| {
                    sigmoid_focal(x, 1.0, 0.0)
                }),
                ("label 1, gamma 2", |x| sigmoid_focal(x, 1.0, 2.0)),
                ("label 0, gamma 2", |x| sigmoid_focal(x, 0.0, 2.0)),
            ],
        },
        Row {
            name: "sigmoid_poly1",
            title: "SigmoidPoly1Loss",
            formula: &[
                r"p &= \frac{1}{1 + e^{-x}}",
                r"\ell &= y \left( -\ln p + \varepsilon\, (1 - p) \right) + (1 - y) \left( -\ln(1 - p) + \varepsilon\, p \right)",
                r"\frac{\partial \ell}{\partial x} &= p - y + \varepsilon\, (1 - 2 y)\, p\, (1 - p)",
            ],
            x: "logit",
            range: -6.0..6.0,
            gradients: None,
            curves: &[
                ("label 1, epsilon 0: BceWithLogitsLoss", |x| {
                    sigmoid_poly1(x, 1.0, 0.0)
                }),
                ("label 1, epsilon 1", |x| sigmoid_poly1(x, 1.0, 1.0)),
                ("label 0, epsilon 1", |x| sigmoid_poly1(x, 0.0, 1.0)),
            ],
        },
        Row {
            name: "quality_focal",
            title: "QualityFocalLoss",
            formula: &[
                r"p &= \frac{1}{1 + e^{-x}} \qquad b = -y \ln p - (1 - y) \ln(1 - p)",
                r"\ell &= |y - p|^{\beta}\, b",
                r"\frac{\partial \ell}{\partial x} &= (p - y) \left( |y - p|^{\beta} + \beta\, |y - p|^{\beta - 2}\, p\, (1 - p)\, b \right)",
            ],
            x: "logit",
            range: -6.0..6.0,
            gradients: None,
            curves: &[
                ("label 1", |x| with_target(x, 1.0, QualityFocalLoss::new())),
                ("label 0", |x| with_target(x, 0.0, QualityFocalLoss::new())),
                ("label 0.7", |x| {
                    with_target(x, 0.7, QualityFocalLoss::new())
                }),
            ],
        },
        Row {
            name: "varifocal",
            title: "VarifocalLoss",
            formula: &[
                r"p &= \frac{1}{1 + e^{-x}} \qquad b = -y \ln p - (1 - y) \ln(1 - p)",
                r"\ell &= \begin{cases} y\, b & y > 0 \\ -\alpha\, p^{\gamma} \ln(1 - p) & y = 0 \end{cases}",
                r"\frac{\partial \ell}{\partial x} &= \begin{cases} y\, (p - y) & y > 0 \\ \alpha\, p^{\gamma} \left( p - \gamma\, (1 - p) \ln(1 - p) \right) & y = 0 \end{cases}",
            ],
            x: "logit",
            range: -6.0..6.0,
            gradients: None,
            curves: &[
                ("label 1", |x| with_target(x, 1.0, VarifocalLoss::new())),
                ("label 0", |x| with_target(x, 0.0, VarifocalLoss::new())),
                ("label 0.7", |x| with_target(x, 0.7, VarifocalLoss::new())),
            ],
        },
        Row {
            name: "asymmetric",
            title: "AsymmetricLoss",
            formula: &[
                r"p &= \frac{1}{1 + e^{-x}} \qquad q = \max(p - m,\ 0) \qquad m \text{: the margin}",
                r"\ell &= -y\, (1 - p)^{\gamma_+} \ln p - (1 - y)\, q^{\gamma_-} \ln(1 - q)",
                r"\frac{\partial \ell}{\partial x} &= \begin{cases} (1 - p)^{\gamma_+} \left( \gamma_+\, p \ln p - (1 - p) \right) & y = 1 \\ p\, (1 - p)\, q^{\gamma_-} \left( \frac{1}{1 - q} - \frac{\gamma_-}{q} \ln(1 - q) \right) & y = 0 \text{ and } p > m \\ 0 & y = 0 \text{ and } p \le m \end{cases}",
            ],
            x: "logit",
            range: -6.0..6.0,
            gradients: None,
            curves: &[
                ("label 1", |x| asymmetric(x, 1.0, 0.05)),
                ("label 0", |x| asymmetric(x, 0.0, 0.05)),
                ("label 0, margin 0", |x| asymmetric(x, 0.0, 0.0)),
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
                ("label 1", |x| with_target(x, 1.0, BceLoss::new())),
                ("label 0", |x| with_target(x, 0.0, BceLoss::new())),
                ("label 0.7", |x| with_target(x, 0.7, BceLoss::new())),
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
            name: "multi_margin",
            title: "MultiMarginLoss",
            formula: &[
                r"h_i &= m - x_y + x_i",
                r"\ell &= \frac{w_y}{C} \sum_{i \ne y} \max(0,\ h_i)^p",
                r"\frac{\partial \ell}{\partial x_i} &= \begin{cases} \frac{w_y}{C}\, p\, h_i^{p - 1} & i \ne y \text{ and } h_i > 0 \\ -\sum_{k \ne y} \frac{\partial \ell}{\partial x_k} & i = y \\ 0 & \text{else} \end{cases}",
            ],
            x: "logit of class 1, where that of class 0 is 0",
            range: -2.0..3.0,
            gradients: None,
            curves: &[
                ("class 1, p = 1", |x| of_class_1(x, MultiMarginLoss::new())),
                ("class 1, p = 2", |x| {
                    of_class_1(x, MultiMarginLossConfig::new().with_p(2).init())
                }),
            ],
        },
        Row {
            name: "soft_margin",
            title: "SoftMarginLoss",
            formula: &[
                r"\ell &= \ln(1 + e^{-y x})",
                r"\frac{\partial \ell}{\partial x} &= -\frac{y}{1 + e^{y x}}",
            ],
            x: "logit",
            range: -6.0..6.0,
            gradients: None,
            curves: &[
                ("+1", |x| with_target(x, 1.0, SoftMarginLoss::new())),
                ("-1", |x| with_target(x, -1.0, SoftMarginLoss::new())),
            ],
        },
        Row {
            name: "multi_label_margin",
            title: "MultiLabelMarginLoss",
            formula: &[
                r"h_{j i} &= 1 - x_j + x_i \qquad y \text{: the set of the labels}",
                r"\ell &= \frac{1}{C} \sum_{j \in y} \sum_{i \notin y} \max(0,\ h_{j i})",
                r"\frac{\partial \ell}{\partial x_c} &= \begin{cases} -\frac{1}{C} \sum_{i \notin y} [h_{c i} > 0] & c \in y \\ \frac{1}{C} \sum_{j \in y} [h_{j c} > 0] & c \notin y \end{cases} \qquad [\ldots] \text{: 1 if so, else 0}",
            ],
            x: "logit of class 1; those of classes 0 and 2 are 0 and 1",
            range: -2.0..3.0,
            gradients: None,
            curves: &[
                ("label 1", |x| multi_label_margin(x, [1, -1, -1])),
                ("labels 1 and 2", |x| multi_label_margin(x, [1, 2, -1])),
                ("label 2", |x| multi_label_margin(x, [2, -1, -1])),
            ],
        },
        Row {
            name: "multi_label_soft_margin",
            title: "MultiLabelSoftMarginLoss",
            formula: &[
                r"p_c &= \frac{1}{1 + e^{-x_c}}",
                r"\ell &= -\frac{1}{C} \sum_c w_c \left( y_c \ln p_c + (1 - y_c) \ln(1 - p_c) \right)",
                r"\frac{\partial \ell}{\partial x_c} &= \frac{w_c}{C} (p_c - y_c)",
            ],
            x: "logit of class 1, where that of class 0 is 0",
            range: -6.0..6.0,
            gradients: None,
            curves: &[
                ("class 1", |x| multi_label_soft_margin(x, 1.0, None)),
                ("no class", |x| multi_label_soft_margin(x, 0.0, None)),
                ("class 1, w = 2", |x| {
                    multi_label_soft_margin(x, 1.0, Some(vec![1.0, 2.0]))
                }),
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
                    with_target(x, 1.0, HingeEmbeddingLoss::new())
                }),
                ("-1: not alike", |x| {
                    with_target(x, -1.0, HingeEmbeddingLoss::new())
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
        Row {
            name: "cosine_embedding",
            title: "CosineEmbeddingLoss",
            formula: &[
                r"q_u &= \|u\|^2 + 10^{-12} \qquad c = \frac{u \cdot v}{\sqrt{q_u\, q_v}}",
                r"\ell &= \begin{cases} 1 - c & y = +1 \\ \max(0,\ c - m) & y = -1 \end{cases}",
                r"\frac{\partial \ell}{\partial c} &= \begin{cases} -1 & y = +1 \\ 1 & y = -1 \text{ and } c > m \\ 0 & \text{else} \end{cases} \qquad \frac{\partial c}{\partial u} = \frac{v}{\sqrt{q_u\, q_v}} - \frac{c\, u}{q_u}",
            ],
            x: "angle between the two, in radians",
            range: 0.0..PI,
            gradients: None,
            curves: &[
                ("+1: alike", |x| pair(x, 1.0, 0.0)),
                ("-1, margin 0", |x| pair(x, -1.0, 0.0)),
                ("-1, margin 0.5", |x| pair(x, -1.0, 0.5)),
            ],
        },
        Row {
            name: "triplet_margin_with_distance",
            title: "TripletMarginWithDistanceLoss",
            formula: &[
                r"\text{Euclidean, Lp:} \quad d(u, v) &= \| u - v + 10^{-6} \|_p \qquad p = 2 \text{ or given}",
                r"\text{Cosine:} \quad d(u, v) &= 1 - \frac{u \cdot v}{\max(\|u\|,\ 10^{-8}) \max(\|v\|,\ 10^{-8})}",
                r"\ell &= \max(0,\ d(a, p) - d(a, n) + m)",
                r"\text{swap:} \quad \ell &= \max(0,\ d(a, p) - \min(d(a, n),\ d(p, n)) + m)",
                r"\frac{\partial \ell}{\partial d(a, p)} &= -\frac{\partial \ell}{\partial d(a, n)} = \begin{cases} 1 & \ell > 0 \\ 0 & \text{else} \end{cases} \qquad \text{without swap}",
            ],
            x: "angle of the negative; anchor at 0, positive at 1",
            range: -PI..PI,
            gradients: None,
            curves: &[
                ("Euclidean", |x| triplet_of_angles(x, Distance::Euclidean)),
                ("Lp(1.0)", |x| triplet_of_angles(x, Distance::Lp(1.0))),
                ("Cosine", |x| triplet_of_angles(x, Distance::Cosine)),
            ],
        },
        Row {
            name: "softmax_kl",
            title: "SoftmaxKlLoss",
            formula: &[
                r"p &= \operatorname{softmax} \left( \frac{x}{T} \right) \qquad q = \operatorname{softmax} \left( \frac{z}{T} \right) \qquad x \text{: the student, } z \text{: the teacher, } T \text{: the temperature}",
                r"\operatorname{KL}(a, b) &= \sum_c a_c \ln \frac{a_c}{b_c} \qquad s \text{: the skew}",
                r"\text{Forward:} \quad \ell &= T^2 \operatorname{KL}(q, p) \qquad \text{Reverse:} \quad \ell = T^2 \operatorname{KL}(p, q) \qquad \text{Symmetric: the mean of both}",
                r"\text{SkewForward:} \quad \ell &= T^2 \operatorname{KL}(q,\ s\, q + (1 - s)\, p) \qquad \text{SkewReverse:} \quad \ell = T^2 \operatorname{KL}(p,\ (1 - s)\, q + s\, p)",
                r"\text{Forward:} \quad \frac{\partial \ell}{\partial x_c} &= T\, (p_c - q_c) \qquad \text{Reverse:} \quad \frac{\partial \ell}{\partial x_c} = T\, p_c \left( \ln \frac{p_c}{q_c} - \operatorname{KL}(p, q) \right)",
            ],
            x: "student's logit of class 1 (the teacher's is 2)",
            range: -4.0..8.0,
            gradients: None,
            curves: &[
                ("Forward", |x| softmax_kl(x, KlDirection::Forward)),
                ("Reverse", |x| softmax_kl(x, KlDirection::Reverse)),
                ("Symmetric", |x| softmax_kl(x, KlDirection::Symmetric)),
                ("SkewForward", |x| softmax_kl(x, KlDirection::SkewForward)),
            ],
        },
        Row {
            name: "js_div",
            title: "JsDivLoss",
            formula: &[
                r"p &= \operatorname{softmax} \left( \frac{x}{T} \right) \qquad q = \operatorname{softmax} \left( \frac{z}{T} \right) \qquad x \text{: the student, } z \text{: the teacher, } T \text{: the temperature}",
                r"m &= \beta\, q + (1 - \beta)\, p \qquad \operatorname{KL}(a, b) = \sum_c a_c \ln \frac{a_c}{b_c}",
                r"\ell &= \beta \operatorname{KL}(q, m) + (1 - \beta) \operatorname{KL}(p, m)",
                r"\beta = 0 \text{:} \quad \ell &= \operatorname{KL}(q, p) \qquad \beta = 1 \text{:} \quad \ell = \operatorname{KL}(p, q)",
                r"\frac{\partial \ell}{\partial x_c} &= \frac{1 - \beta}{T}\, p_c \left( \ln \frac{p_c}{m_c} - \operatorname{KL}(p, m) \right) \qquad 0 < \beta < 1",
            ],
            x: "student's logit of class 1 (the teacher's is 2)",
            range: -4.0..8.0,
            gradients: None,
            curves: &[
                ("beta 0.5", |x| js_div(x, 0.5)),
                ("beta 0.1", |x| js_div(x, 0.1)),
                ("beta 0.9", |x| js_div(x, 0.9)),
            ],
        },
        Row {
            name: "total_variation",
            title: "TotalVariationLoss",
            formula: &[
                r"p &= \operatorname{softmax} \left( \frac{x}{T} \right) \qquad q = \operatorname{softmax} \left( \frac{z}{T} \right) \qquad x \text{: the student, } z \text{: the teacher, } T \text{: the temperature}",
                r"\ell &= \frac{1}{2} \sum_c |p_c - q_c|",
                r"g_c &= \operatorname{sign}(p_c - q_c) \qquad \frac{\partial \ell}{\partial x_c} = \frac{p_c}{2 T} \left( g_c - \sum_k p_k\, g_k \right)",
            ],
            x: "student's logit of class 1 (the teacher's is 2)",
            range: -4.0..8.0,
            gradients: None,
            curves: &[
                ("temperature 1", |x| total_variation(x, 1.0)),
                ("temperature 2", |x| total_variation(x, 2.0)),
            ],
        },
        Row {
            name: "distillation",
            title: "DistillationLoss",
            formula: &[
                r"p &= \operatorname{softmax} \left( \frac{x}{T} \right) \qquad q = \operatorname{softmax} \left( \frac{z}{T} \right) \qquad x \text{: the student, } z \text{: the teacher, } T \text{: the temperature}",
                r"r &= \operatorname{softmax}(x) \qquad y \text{: the class}",
                r"\ell &= \alpha\, T^2 \sum_c q_c \ln \frac{q_c}{p_c} - (1 - \alpha) \ln r_y",
                r"\frac{\partial \ell}{\partial x_c} &= \alpha\, T\, (p_c - q_c) + (1 - \alpha) \begin{cases} r_c - 1 & c = y \\ r_c & c \ne y \end{cases}",
            ],
            x: "student's logit of class 1 (the teacher's is 2)",
            range: -4.0..8.0,
            gradients: None,
            curves: &[
                ("class 1, alpha 0.5", |x| distillation(x, 1, 0.5)),
                ("class 0, alpha 0.5", |x| distillation(x, 0, 0.5)),
                ("alpha 1: SoftmaxKlLoss", |x| distillation(x, 1, 1.0)),
            ],
        },
        Row {
            name: "coral",
            title: "CoralLoss",
            formula: &[
                r"p_k &= \frac{1}{1 + e^{-x_k}} \qquad k \text{: the threshold between rank } k \text{ and } k + 1",
                r"\ell &= -\sum_{k < y} w_k \ln p_k - \sum_{k \ge y} w_k \ln(1 - p_k)",
                r"\frac{\partial \ell}{\partial x_k} &= w_k \begin{cases} p_k - 1 & k < y \\ p_k & k \ge y \end{cases}",
            ],
            x: "score; the two logits are 2 above and below",
            range: -6.0..6.0,
            gradients: None,
            curves: &[
                ("rank 0", |x| coral(x, 0)),
                ("rank 1", |x| coral(x, 1)),
                ("rank 2", |x| coral(x, 2)),
            ],
        },
        Row {
            name: "corn",
            title: "CornLoss",
            formula: &[
                r"p_k &= \frac{1}{1 + e^{-x_k}} \qquad \text{that threshold } k \text{ is passed, if the one before is}",
                r"\ell &= -\sum_{k < y} \ln p_k - \ln(1 - p_y) \qquad \text{without the last term for the highest rank}",
                r"\frac{\partial \ell}{\partial x_k} &= \begin{cases} p_k - 1 & k < y \\ p_k & k = y \\ 0 & k > y \end{cases}",
                r"\text{mean} &= \frac{\sum_n \ell_n}{\text{number of terms of all } \ell_n}",
            ],
            x: "second threshold's logit (the first one's is 0)",
            range: -6.0..6.0,
            gradients: None,
            curves: &[
                ("rank 0", |x| corn(x, 0)),
                ("rank 1", |x| corn(x, 1)),
                ("rank 2", |x| corn(x, 2)),
            ],
        },
        Row {
            name: "earth_mover",
            title: "EarthMoverLoss",
            formula: &[
                r"p_c &= \frac{e^{x_c}}{\sum_k e^{x_k}} \qquad P_c = \sum_{k \le c} p_k",
                r"d_c &= \begin{cases} P_c & c < y \\ P_c - 1 & c \ge y \end{cases} \qquad \ell = \sum_c d_c^2",
                r"g_c &= 2 \sum_{k \ge c} d_k \qquad \frac{\partial \ell}{\partial x_c} = p_c \left( g_c - \sum_k p_k\, g_k \right)",
            ],
            x: "logit of rank 2; those of 0 and 1 are 0",
            range: -6.0..6.0,
            gradients: None,
            curves: &[
                ("rank 0", |x| earth_mover(x, 0)),
                ("rank 1", |x| earth_mover(x, 1)),
                ("rank 2", |x| earth_mover(x, 2)),
            ],
        },
        Row {
            name: "dice",
            title: "DiceLoss",
            formula: &[
                r"\text{TP} &= \sum p\, y \qquad \text{FP} = \sum p\, (1 - y) \qquad \text{FN} = \sum (1 - p)\, y \qquad \text{over the pixels of a region}",
                r"s &= \frac{2\, \text{TP} + n}{2\, \text{TP} + \text{FP} + \text{FN} + d} \qquad n, d \text{: the smoothing}",
                r"\ell &= w\, (1 - s) \qquad \text{log\_loss:} \quad \ell = -w \ln s \qquad w \text{: the weight of the class}",
                r"\frac{\partial \ell}{\partial p} &= w\, \frac{s - 2 y}{2\, \text{TP} + \text{FP} + \text{FN} + d} \qquad \text{log\_loss: divided by } s",
            ],
            x: "logit; a true pixel at 0.5, two false at -0.5",
            range: -6.0..6.0,
            gradients: None,
            curves: &[
                ("a true pixel", |x| dice(x, 1.0, false)),
                ("a false pixel", |x| dice(x, 0.0, false)),
                ("a true pixel, log_loss", |x| dice(x, 1.0, true)),
            ],
        },
        Row {
            name: "jaccard",
            title: "JaccardLoss",
            formula: &[
                r"\text{TP} &= \sum p\, y \qquad \text{FP} = \sum p\, (1 - y) \qquad \text{FN} = \sum (1 - p)\, y \qquad \text{over the pixels of a region}",
                r"s &= \frac{\text{TP} + n}{\text{TP} + \text{FP} + \text{FN} + d} \qquad n, d \text{: the smoothing}",
                r"\ell &= w\, (1 - s) \qquad \text{log\_loss:} \quad \ell = -w \ln s \qquad w \text{: the weight of the class}",
                r"\frac{\partial \ell}{\partial p} &= w\, \frac{s\, (1 - y) - y}{\text{TP} + \text{FP} + \text{FN} + d} \qquad \text{log\_loss: divided by } s",
            ],
            x: "logit; a true pixel at 0.5, two false at -0.5",
            range: -6.0..6.0,
            gradients: None,
            curves: &[
                ("a true pixel", |x| jaccard(x, 1.0)),
                ("a false pixel", |x| jaccard(x, 0.0)),
                ("a true pixel, DiceLoss", |x| dice(x, 1.0, false)),
            ],
        },
        Row {
            name: "tversky",
            title: "TverskyLoss",
            formula: &[
                r"\text{TP} &= \sum p\, y \qquad \text{FP} = \sum p\, (1 - y) \qquad \text{FN} = \sum (1 - p)\, y \qquad \text{over the pixels of a region}",
                r"D &= \text{TP} + a\, \text{FP} + b\, \text{FN} + d \qquad s = \frac{\text{TP} + n}{D} \qquad a, b \text{: fp\_weight, fn\_weight} \qquad n, d \text{: the smoothing}",
                r"\ell &= w\, (1 - s)^{\gamma} \qquad \text{log\_loss:} \quad \ell = w\, (-\ln s)^{\gamma} \qquad w \text{: the weight of the class}",
                r"\frac{\partial \ell}{\partial p} &= w\, \gamma\, (1 - s)^{\gamma - 1}\, \frac{s\, (y + a\, (1 - y) - b\, y) - y}{D} \qquad \text{without log\_loss}",
            ],
            x: "logit of a true pixel; others at 0.5, -0.5, -0.5",
            range: -6.0..6.0,
            gradients: None,
            curves: &[
                ("0.3 FP, 0.7 FN", |x| tversky(x, 0.3, 1.0)),
                ("0.7 FP, 0.3 FN", |x| tversky(x, 0.7, 1.0)),
                ("0.3, 0.7, gamma 0.75", |x| tversky(x, 0.3, 0.75)),
            ],
        },
        Row {
            name: "generalized_dice",
            title: "GeneralizedDiceLoss",
            formula: &[
                r"\text{TP}_c &= \sum p_c\, y_c \qquad \text{FP}_c = \sum p_c\, (1 - y_c) \qquad \text{FN}_c = \sum (1 - p_c)\, y_c",
                r"T_c &= \text{TP}_c + \text{FN}_c \qquad w_c = \frac{1}{T_c^2} \text{, } \frac{1}{T_c} \text{ or } 1 \qquad T_c = 0 \text{: the largest of the others, or } 0",
                r"D &= \sum_c w_c\, (2\, \text{TP}_c + \text{FP}_c + \text{FN}_c) + d \qquad s = \frac{2 \sum_c w_c\, \text{TP}_c + n}{D} \qquad n, d \text{: the smoothing}",
                r"\ell &= 1 - s \qquad \frac{\partial \ell}{\partial p_c} = w_c\, \frac{s - 2 y_c}{D}",
            ],
            x: "logit of class 1, at its only pixel of four",
            range: -6.0..6.0,
            gradients: None,
            curves: &[
                ("SquaredInverse", |x| {
                    generalized_dice(x, DiceWeighting::SquaredInverse)
                }),
                ("Inverse", |x| generalized_dice(x, DiceWeighting::Inverse)),
                ("Uniform", |x| generalized_dice(x, DiceWeighting::Uniform)),
            ],
        },
        Row {
            name: "lovasz",
            title: "LovaszLoss",
            formula: &[
                r"\text{Softmax:} \quad e &= \begin{cases} 1 - p_c & \text{class } c \text{ is true} \\ p_c & \text{else} \end{cases} \qquad \text{Hinge:} \quad e = \begin{cases} \max(0,\ 1 - x_c) & \text{the mask is } 1 \\ \max(0,\ 1 + x_c) & \text{else} \end{cases}",
                r"e_1 &\ge e_2 \ge \ldots \qquad T \text{: how many are true} \qquad t_k, f_k \text{: how many of the first } k \text{ are true, are false}",
                r"J_k &= 1 - \frac{T - t_k}{T + f_k} \qquad J_0 = 0",
                r"\ell &= \sum_k e_k\, (J_k - J_{k - 1}) \qquad \frac{\partial \ell}{\partial e_k} = J_k - J_{k - 1}",
            ],
            x: "logit; a true pixel at 0.5, two false at -0.5",
            // No point of it is at a logit where two pixels are equally wrong.
            range: -7.0..7.0,
            gradients: None,
            curves: &[
                ("a true pixel, Softmax", |x| lovasz_softmax(x, 1.0)),
                ("a true pixel, Hinge", |x| lovasz_hinge(x, 1.0)),
                ("a false pixel, Hinge", |x| lovasz_hinge(x, 0.0)),
            ],
        },
        Row {
            name: "dice_cross_entropy",
            title: "DiceCrossEntropyLoss",
            formula: &[
                r"\ell_D &= \text{the mean of DiceLoss}",
                r"\text{Softmax, ids:} \quad \ell_C &= \frac{\sum w_y\, (-\ln p_y)}{\sum w_y} \qquad \text{masks:} \quad \ell_C = \frac{\sum \sum_c w_c\, y_c\, (-\ln p_c)}{\text{number of pixels}}",
                r"\text{Sigmoid:} \quad \ell_C &= \frac{\sum \sum_c w_c \left( -y_c \ln p_c - (1 - y_c) \ln(1 - p_c) \right)}{\sum \sum_c w_c}",
                r"\ell &= a\, \ell_D + b\, \ell_C \qquad a, b \text{: the weights of the two}",
            ],
            x: "logit; a true pixel at 0.5, two false at -0.5",
            range: -6.0..6.0,
            gradients: None,
            curves: &[
                ("a true pixel", |x| dice_cross_entropy(x, 1.0)),
                ("a false pixel", |x| dice_cross_entropy(x, 0.0)),
                ("a true pixel, DiceLoss", |x| dice(x, 1.0, false)),
            ],
        },
        Row {
            name: "dice_focal",
            title: "DiceFocalLoss",
            formula: &[
                r"\ell_D &= \text{the mean of DiceLoss}",
                r"\text{Softmax:} \quad \ell_F &= \frac{\sum w_y\, (1 - p_y)^{\gamma}\, (-\ln p_y)}{\sum w_y}",
                r"\text{Sigmoid:} \quad q_c &= y_c\, (1 - p_c) + (1 - y_c)\, p_c \qquad \ell_F = \frac{\sum \sum_c w_c\, q_c^{\gamma} \left( -y_c \ln p_c - (1 - y_c) \ln(1 - p_c) \right)}{\sum \sum_c w_c}",
                r"\ell &= a\, \ell_D + b\, \ell_F \qquad a, b \text{: the weights of the two}",
            ],
            x: "logit; a true pixel at 0.5, two false at -0.5",
            range: -6.0..6.0,
            gradients: None,
            curves: &[
                ("gamma 0: DiceCrossEntropyLoss", |x| dice_focal(x, 1.0, 0.0)),
                ("gamma 2", |x| dice_focal(x, 1.0, 2.0)),
                ("gamma 2, a false pixel", |x| dice_focal(x, 0.0, 2.0)),
            ],
        },
        Row {
            name: "iou",
            title: "IouLoss",
            formula: &[
                r"I &= \text{the area that is in both boxes} \qquad U = w\, h + w' h' - I \qquad w, h \text{: predicted} \qquad w', h' \text{: true}",
                r"\text{IoU} &= \frac{I}{U + \varepsilon}",
                r"\text{Linear:} \quad \ell &= 1 - \text{IoU} \qquad \text{Log:} \quad \ell = -\ln \max(\text{IoU},\ 10^{-6}) \qquad \text{Squared:} \quad \ell = 1 - \text{IoU}^2",
                r"\partial\, \text{IoU} &= \frac{(U + \varepsilon + I)\, \partial I - I\, \partial (w h)}{(U + \varepsilon)^2}",
            ],
            x: "offset in x of a box of size 1",
            // With less in common, and none, Log is up to 13.8.
            range: -0.95..0.95,
            gradients: Some(-6.0..6.0),
            curves: &[
                ("Linear", |x| offset(x, IouLoss::new())),
                ("Log", |x| iou(x, IouForm::Log)),
                ("Squared", |x| iou(x, IouForm::Squared)),
            ],
        },
        Row {
            name: "giou",
            title: "GiouLoss",
            formula: &[
                r"I &= \text{the area that is in both boxes} \qquad U = w\, h + w' h' - I \qquad w, h \text{: predicted} \qquad w', h' \text{: true}",
                r"C &= \text{the area of the smallest box around both}",
                r"\ell &= 1 - \frac{I}{U + \varepsilon} + \frac{C - U}{C + \varepsilon}",
            ],
            x: "offset in x of a box of size 1",
            range: -3.0..3.0,
            gradients: None,
            curves: &[
                ("GiouLoss", |x| offset(x, GiouLoss::new())),
                ("IouLoss", |x| offset(x, IouLoss::new())),
            ],
        },
        Row {
            name: "diou",
            title: "DiouLoss",
            formula: &[
                r"I &= \text{the area that is in both boxes} \qquad U = w\, h + w' h' - I \qquad w, h \text{: predicted} \qquad w', h' \text{: true}",
                r"r^2 &= \text{the squared distance of the centres} \qquad c^2 = \text{the squared diagonal of the smallest box around both}",
                r"\ell &= 1 - \frac{I}{U + \varepsilon} + \frac{r^2}{c^2 + \varepsilon}",
            ],
            x: "offset in x of a box of size 1",
            range: -3.0..3.0,
            gradients: None,
            curves: &[
                ("DiouLoss", |x| offset(x, DiouLoss::new())),
                ("in x and y", |x| offset_in_both(x, DiouLoss::new())),
                ("IouLoss", |x| offset(x, IouLoss::new())),
            ],
        },
        Row {
            name: "ciou",
            title: "CiouLoss",
            formula: &[
                r"v &= \frac{4}{\pi^2} \left( \arctan \frac{w'}{h'} - \arctan \frac{w}{h} \right)^2 \qquad w, h \text{: predicted} \qquad w', h' \text{: true}",
                r"\alpha &= \begin{cases} \frac{v}{1 - \text{IoU} + v} & \text{IoU} \ge \text{the gate} \\ 0 & \text{else} \end{cases} \qquad \text{without a gradient}",
                r"\ell &= 1 - \text{IoU} + \frac{r^2}{c^2 + \varepsilon} + \alpha v \qquad \text{IoU, } r^2 \text{ and } c^2 \text{ as in DiouLoss}",
                r"\frac{\partial v}{\partial w} &= \frac{8}{\pi^2} \left( \arctan \frac{w}{h} - \arctan \frac{w'}{h'} \right) \frac{h}{w^2 + h^2} \qquad \frac{\partial v}{\partial h} = -\frac{w}{h}\, \frac{\partial v}{\partial w}",
            ],
            x: "width; height and true width are 1",
            range: 0.05..4.0,
            gradients: None,
            curves: &[
                ("CiouLoss", |x| widened(x, CiouLoss::new())),
                ("DiouLoss, IouLoss", |x| widened(x, DiouLoss::new())),
            ],
        },
        Row {
            name: "eiou",
            title: "EiouLoss",
            formula: &[
                r"c_w, c_h &= \text{width and height of the smallest box around both}",
                r"\ell &= 1 - \text{IoU} + \frac{r^2}{c_w^2 + c_h^2 + \varepsilon} + \frac{(w - w')^2}{c_w^2 + \varepsilon} + \frac{(h - h')^2}{c_h^2 + \varepsilon} \qquad \text{IoU and } r^2 \text{ as in DiouLoss}",
            ],
            x: "width; height and true width are 1",
            range: 0.05..4.0,
            gradients: None,
            curves: &[
                ("EiouLoss", |x| widened(x, EiouLoss::new())),
                ("CiouLoss", |x| widened(x, CiouLoss::new())),
                ("DiouLoss, IouLoss", |x| widened(x, DiouLoss::new())),
            ],
        },
        Row {
            name: "siou",
            title: "SiouLoss",
            formula: &[
                r"L &= \frac{2\, |d_x|\, |d_y|}{d_x^2 + d_y^2} \qquad d_x, d_y \text{: between the centres} \qquad c_w, c_h \text{: the smallest box around both}",
                r"D &= \left( 1 - e^{-(2 - L)\, d_x^2 / (c_w^2 + \varepsilon)} \right) + \left( 1 - e^{-(2 - L)\, d_y^2 / (c_h^2 + \varepsilon)} \right)",
                r"S &= \left( 1 - e^{-|w - w'| / \max(w,\ w')} \right)^{\theta} + \left( 1 - e^{-|h - h'| / \max(h,\ h')} \right)^{\theta}",
                r"\ell &= 1 - \text{IoU} + \frac{D + S}{2}",
            ],
            x: "offset in x of a box of size 1",
            range: -3.0..3.0,
            gradients: None,
            curves: &[
                ("SiouLoss", |x| offset(x, SiouLoss::new())),
                ("in x and y", |x| offset_in_both(x, SiouLoss::new())),
                ("IouLoss", |x| offset(x, IouLoss::new())),
            ],
        },
        Row {
            name: "distribution_focal",
            title: "DistributionFocalLoss",
            formula: &[
                r"p_k &= \frac{e^{x_k}}{\sum_j e^{x_j}} \qquad l = \min(\lfloor y \rfloor,\ \text{last bin} - 1)",
                r"q_l &= l + 1 - y \qquad q_{l + 1} = y - l \qquad q_k = 0 \text{ else}",
                r"\ell &= -q_l \ln p_l - q_{l + 1} \ln p_{l + 1} \qquad \frac{\partial \ell}{\partial x_k} = p_k - q_k",
            ],
            x: "logit of bin 1; those of 0, 2 and 3 are 0",
            range: -6.0..6.0,
            gradients: None,
            curves: &[
                ("place 1", |x| distribution_focal(x, 1.0)),
                ("place 1.25", |x| distribution_focal(x, 1.25)),
                ("place 1.5", |x| distribution_focal(x, 1.5)),
                ("place 2.5", |x| distribution_focal(x, 2.5)),
            ],
        },
        Row {
            name: "dpo",
            title: "DpoLoss",
            formula: &[
                r"D &= (a - b) - (a_0 - b_0) \qquad a, b \text{: chosen and rejected, by the policy} \qquad a_0, b_0 \text{: by the reference}",
                r"z &= \beta D \qquad l = \ln(1 + e^{-z}) \qquad m = \ln(1 + e^{z}) \qquad \sigma(z) = \frac{1}{1 + e^{-z}}",
                r"\text{Sigmoid:} \quad \ell &= (1 - e)\, l + e\, m \qquad \text{Robust:} \quad \ell = \frac{(1 - e)\, l - e\, m}{1 - 2 e} \qquad e \text{: the label smoothing}",
                r"\text{Hinge:} \quad \ell &= \max(1 - z,\ 0) \qquad \text{Ipo:} \quad \ell = \left( D - \frac{1}{2 \beta} \right)^2",
                r"\frac{\partial \ell}{\partial a} &= -\frac{\partial \ell}{\partial b} = \begin{cases} \beta\, (\sigma(z) - 1 + e) & \text{Sigmoid} \\ \frac{-\beta}{1 - 2 e} \left( (1 - e)\, \sigma(-z) + e\, \sigma(z) \right) & \text{Robust} \\ -\beta & \text{Hinge, } z < 1 \text{, else } 0 \\ 2 \left( D - \frac{1}{2 \beta} \right) & \text{Ipo} \end{cases}",
            ],
            x: "D, where beta is 1",
            range: -2.0..3.0,
            gradients: None,
            curves: &[
                ("Sigmoid", |x| dpo(x, DpoVariant::Sigmoid, 0.0)),
                ("Hinge", |x| dpo(x, DpoVariant::Hinge, 0.0)),
                ("Ipo", |x| dpo(x, DpoVariant::Ipo, 0.0)),
                ("Robust, smoothed by 0.2", |x| {
                    dpo(x, DpoVariant::Robust, 0.2)
                }),
            ],
        },
        Row {
            name: "simpo",
            title: "SimPoLoss",
            formula: &[
                r"z &= \beta\, (a - b) - \gamma \qquad a, b \text{: chosen and rejected} \qquad \sigma(z) = \frac{1}{1 + e^{-z}}",
                r"\ell &= (1 - e) \ln(1 + e^{-z}) + e \ln(1 + e^{z}) \qquad e \text{: the label smoothing}",
                r"\frac{\partial \ell}{\partial a} &= -\frac{\partial \ell}{\partial b} = \beta\, (\sigma(z) - 1 + e)",
            ],
            x: "chosen - rejected",
            range: -2.0..3.0,
            gradients: None,
            curves: &[
                ("beta 2, gamma 1", |x| simpo(x, 1.0, 0.0)),
                ("beta 2, gamma 0", |x| simpo(x, 0.0, 0.0)),
                ("gamma 1, smoothed by 0.2", |x| simpo(x, 1.0, 0.2)),
            ],
        },
        Row {
            name: "orpo",
            title: "OrpoLoss",
            formula: &[
                r"L &= \ln \frac{e^a}{1 - e^a} - \ln \frac{e^b}{1 - e^b} \qquad a, b \text{: chosen and rejected}",
                r"\ell &= -a + \lambda \ln \left( 1 + e^{-L} \right)",
                r"\frac{\partial \ell}{\partial a} &= -1 - \frac{\lambda}{(1 + e^L) (1 - e^a)} \qquad \frac{\partial \ell}{\partial b} = \frac{\lambda}{(1 + e^L) (1 - e^b)}",
            ],
            x: "chosen, where the rejected one is -1",
            range: -4.0..-0.02,
            gradients: None,
            curves: &[
                ("lambda 0.1", |x| orpo(x, 0.1)),
                ("lambda 0.5", |x| orpo(x, 0.5)),
                ("lambda 0", |x| orpo(x, 0.0)),
            ],
        },
        Row {
            name: "kto",
            title: "KtoLoss",
            formula: &[
                r"t &= \beta \left( (a - a_0) - k \right) \qquad a, a_0 \text{: by the policy and the reference} \qquad \sigma(t) = \frac{1}{1 + e^{-t}}",
                r"\ell &= \begin{cases} w_+\, \sigma(-t) & \text{good} \\ w_-\, \sigma(t) & \text{bad} \end{cases}",
                r"\frac{\partial \ell}{\partial a} &= \begin{cases} -\beta\, w_+\, \sigma(t)\, \sigma(-t) & \text{good} \\ \beta\, w_-\, \sigma(t)\, \sigma(-t) & \text{bad} \end{cases}",
            ],
            x: "policy - reference (beta 0.1)",
            range: -60.0..60.0,
            gradients: None,
            curves: &[
                ("good, kl 0", |x| kto(x, 0.0, 1.0)),
                ("bad, kl 0", |x| kto(x, 0.0, 0.0)),
                ("good, kl 20", |x| kto(x, 20.0, 1.0)),
            ],
        },
        Row {
            name: "policy_clip",
            title: "PolicyClipLoss",
            formula: &[
                r"r &= e^{x - x_0} \qquad x, x_0 \text{: log-probabilities now and as it acted} \qquad A \text{: the advantage}",
                r"\ell &= -\min \left( r A,\ \min(\max(r,\ 1 - c_-),\ 1 + c_+)\, A \right) \qquad c_-, c_+ \text{: how far down and up}",
                r"\frac{\partial \ell}{\partial x} &= r\, \frac{\partial \ell}{\partial r} \qquad \frac{\partial \ell}{\partial r} = \begin{cases} 0 & A > 0 \text{ and } r \ge 1 + c_+ \text{, or } A < 0 \text{ and } r \le 1 - c_- \\ -A & \text{else} \end{cases}",
            ],
            x: "ratio r",
            range: 0.2..2.0,
            gradients: None,
            curves: &[
                ("advantage 1", |x| {
                    with_scale(x.log(), 0.0, 1.0, PolicyClipLoss::new())
                }),
                ("advantage -1", |x| {
                    with_scale(x.log(), 0.0, -1.0, PolicyClipLoss::new())
                }),
            ],
        },
        Row {
            name: "gan_generator",
            title: "GanGeneratorLoss",
            formula: &[
                r"\ell &= \begin{cases} \ln(1 + e^{-f}) & \text{NonSaturating} \\ -f & \text{Hinge, Wasserstein} \\ \frac{1}{2} (f - 1)^2 & \text{LeastSquares} \end{cases} \qquad f \text{: the score}",
                r"\frac{\partial \ell}{\partial f} &= \begin{cases} -\frac{1}{1 + e^{f}} & \text{NonSaturating} \\ -1 & \text{Hinge, Wasserstein} \\ f - 1 & \text{LeastSquares} \end{cases}",
            ],
            x: "score of a generated sample",
            range: -3.0..3.0,
            gradients: None,
            curves: &[
                ("NonSaturating", |x| {
                    generator(x, GanObjective::NonSaturating)
                }),
                ("Hinge, Wasserstein", |x| generator(x, GanObjective::Hinge)),
                ("LeastSquares", |x| generator(x, GanObjective::LeastSquares)),
            ],
        },
        Row {
            name: "gan_discriminator",
            title: "GanDiscriminatorLoss",
            formula: &[
                r"\ell &= \begin{cases} \ln(1 + e^{-r}) + \ln(1 + e^{f}) & \text{NonSaturating} \\ \max(1 - r,\ 0) + \max(1 + f,\ 0) & \text{Hinge} \\ \frac{1}{2} \left( (r - 1)^2 + f^2 \right) & \text{LeastSquares} \\ f - r & \text{Wasserstein} \end{cases} \qquad r, f \text{: the scores}",
                r"\frac{\partial \ell}{\partial f} &= \begin{cases} \frac{1}{1 + e^{-f}} & \text{NonSaturating} \\ 1 & \text{Hinge, } f > -1 \text{, else } 0 \\ f & \text{LeastSquares} \\ 1 & \text{Wasserstein} \end{cases} \qquad \frac{\partial \ell}{\partial r} = \begin{cases} -\frac{1}{1 + e^{r}} & \text{NonSaturating} \\ -1 & \text{Hinge, } r < 1 \text{, else } 0 \\ r - 1 & \text{LeastSquares} \\ -1 & \text{Wasserstein} \end{cases}",
            ],
            x: "generated sample's score (the real one's is 1)",
            range: -3.0..3.0,
            gradients: None,
            curves: &[
                ("NonSaturating", |x| {
                    discriminator(x, GanObjective::NonSaturating)
                }),
                ("Hinge", |x| discriminator(x, GanObjective::Hinge)),
                ("LeastSquares", |x| {
                    discriminator(x, GanObjective::LeastSquares)
                }),
                ("Wasserstein", |x| {
                    discriminator(x, GanObjective::Wasserstein)
                }),
            ],
        },
        Row {
            name: "gaussian_kl",
            title: "GaussianKlLoss",
            formula: &[
                r"\ell &= \frac{1}{2} \left( m^2 + e^{v} - 1 - v \right) \qquad m \text{: the mean, } v \text{: the logarithm of the variance}",
                r"\frac{\partial \ell}{\partial m} &= m \qquad \frac{\partial \ell}{\partial v} = \frac{e^{v} - 1}{2}",
                r"\text{batch mean} &= \frac{1}{N} \sum_n \sum_d \ell_{n d}",
            ],
            x: "one of the two, where the other is 0",
            range: -3.0..3.0,
            gradients: None,
            curves: &[
                ("mean", |x| with_target(x, 0.0, GaussianKlLoss::new())),
                ("logarithm of the variance", |x| {
                    GaussianKlLoss::new().forward_no_reduction(zeros(x.clone()), x)
                }),
            ],
        },
        Row {
            name: "load_balance",
            title: "LoadBalanceLoss",
            formula: &[
                r"p_{t i} &= \begin{cases} \frac{e^{x_{t i}}}{\sum_j e^{x_{t j}}} & \text{Softmax} \\ \frac{\sigma(x_{t i})}{\sum_j \sigma(x_{t j})} & \text{Sigmoid} \\ x_{t i} & \text{Probabilities} \end{cases} \qquad \sigma(z) = \frac{1}{1 + e^{-z}}",
                r"P_i &= \frac{1}{T} \sum_t p_{t i} \qquad T \text{: the number of tokens}",
                r"f_i &= \begin{cases} \frac{\text{choices of expert } i}{\text{all choices}} & \text{Choices} \\ \frac{\text{choices of expert } i}{T} & \text{Tokens} \end{cases} \qquad \text{without a gradient}",
                r"\ell &= E \sum_i f_i P_i \qquad \frac{\partial \ell}{\partial p_{t i}} = \frac{E f_i}{T} \qquad E \text{: the number of experts}",
            ],
            x: "logit of an expert, where the other's is 0",
            range: -6.0..6.0,
            gradients: None,
            curves: &[
                ("it gets all tokens", |x| {
                    load_balance(x, [1, 1, 1, 1], RouterActivation::Softmax)
                }),
                ("3 of 4", |x| {
                    load_balance(x, [0, 1, 1, 1], RouterActivation::Softmax)
                }),
                ("half of them", |x| {
                    load_balance(x, [0, 0, 1, 1], RouterActivation::Softmax)
                }),
                ("all, Sigmoid", |x| {
                    load_balance(x, [1, 1, 1, 1], RouterActivation::Sigmoid)
                }),
            ],
        },
        Row {
            name: "router_z",
            title: "RouterZLoss",
            formula: &[
                r"z &= \ln \sum_i e^{x_i} \qquad x_i \text{: the logit of expert } i",
                r"\ell &= z^2 \qquad \frac{\partial \ell}{\partial x_i} = 2 z\, \frac{e^{x_i}}{\sum_j e^{x_j}}",
            ],
            x: "logit of an expert, where the others' are 0",
            range: -6.0..6.0,
            gradients: None,
            curves: &[
                ("2 experts", |x| router_z(x, 1)),
                ("8 experts", |x| router_z(x, 7)),
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

/// A unit vector in the plane for each angle.
fn direction(angle: Tensor<1>) -> Tensor<2> {
    let angle = column(angle);
    Tensor::cat(vec![angle.clone().cos(), angle.sin()], 1)
}

/// The loss with the same target everywhere.
fn with_target<L>(x: Tensor<1>, target: f64, loss: L) -> Tensor<1>
where
    L: Loss<Tensor<1>, Tensor<1>, Unreduced = Tensor<1>>,
{
    loss.forward_no_reduction(x.clone(), zeros(x) + target)
}

/// The loss with the same scale and the same target everywhere.
fn with_scale<L>(x: Tensor<1>, scale: f64, target: f64, loss: L) -> Tensor<1>
where
    L: TripleLoss<Tensor<1>, Tensor<1>, Tensor<1>, Unreduced = Tensor<1>>,
{
    let zeros = zeros(x.clone());
    loss.forward_no_reduction(x, zeros.clone() + scale, zeros + target)
}

/// The loss of two classes, of which the second is the target.
fn of_class_1<L>(x: Tensor<1>, loss: L) -> Tensor<1>
where
    L: Loss<Tensor<2>, Tensor<1, Int>, Unreduced = Tensor<1>>,
{
    let ids = zeros(x.clone()).int() + 1;
    loss.forward_no_reduction(beside_zero(x), ids)
}

fn smooth_l1(x: Tensor<1>, beta: f64) -> Tensor<1> {
    with_target(x, 0.0, SmoothL1LossConfig::new().with_beta(beta).init())
}

fn huber(x: Tensor<1>, delta: f64) -> Tensor<1> {
    with_target(x, 0.0, HuberLossConfig::new().with_delta(delta).init())
}

fn focal(x: Tensor<1>, gamma: f64) -> Tensor<1> {
    of_class_1(x, FocalLossConfig::new().with_gamma(gamma).init())
}

fn poly1(x: Tensor<1>, epsilon: f64) -> Tensor<1> {
    of_class_1(x, Poly1LossConfig::new().with_epsilon(epsilon).init())
}

fn gaussian(x: Tensor<1>, variance: f64) -> Tensor<1> {
    let targets = zeros(x.clone());
    GaussianNllLoss::new().forward_no_reduction(x, targets, variance)
}

fn quantile(x: Tensor<1>, quantile: f64) -> Tensor<1> {
    let config = QuantileLossConfig::new().with_quantiles(vec![quantile]);
    with_target(x, 0.0, config.init())
}

fn expectile(x: Tensor<1>, expectile: f64) -> Tensor<1> {
    let config = ExpectileLossConfig::new().with_expectile(expectile);
    with_target(x, 0.0, config.init())
}

fn robust(x: Tensor<1>, config: GeneralRobustLossConfig) -> Tensor<1> {
    with_target(x, 0.0, config.init())
}

fn tukey(x: Tensor<1>, c: f64) -> Tensor<1> {
    with_target(x, 0.0, TukeyLossConfig::new().with_c(c).init())
}

fn student_t(x: Tensor<1>, scale: f64, df: f64) -> Tensor<1> {
    let config = StudentTNllLossConfig::new().with_df(df);
    with_scale(x, scale, 0.0, config.init())
}

fn sigmoid_focal(x: Tensor<1>, label: f64, gamma: f64) -> Tensor<1> {
    let config = SigmoidFocalLossConfig::new().with_gamma(gamma);
    with_target(x, label, config.init())
}

fn sigmoid_poly1(x: Tensor<1>, label: f64, epsilon: f64) -> Tensor<1> {
    let config = SigmoidPoly1LossConfig::new().with_epsilon(epsilon);
    with_target(x, label, config.init())
}

fn asymmetric(x: Tensor<1>, label: f64, margin: f64) -> Tensor<1> {
    let config = AsymmetricLossConfig::new().with_margin(margin);
    with_target(x, label, config.init())
}

fn divergence(x: Tensor<1>, probability: f64) -> Tensor<1> {
    let log_probs = target::log_probs(beside_zero(x.clone()), 1);
    let of_class_1 = column(zeros(x)) + probability;
    let targets = Tensor::cat(vec![-of_class_1.clone() + 1.0, of_class_1], 1);
    let terms: Tensor<2> = KlDivLoss::new().forward_no_reduction(log_probs, targets);
    terms.sum_dim(1).squeeze_dim(1)
}

/// Three classes with logits of 0, `x` and 1.
fn multi_label_margin(x: Tensor<1>, labels: [i64; 3]) -> Tensor<1> {
    let targets = Tensor::<2, Int>::from_data([labels], &x.device());
    let targets = targets.repeat_dim(0, x.dims()[0]);
    let last = column(x.clone()).ones_like();
    let logits = Tensor::cat(vec![beside_zero(x), last], 1);
    MultiLabelMarginLoss::new().forward_no_reduction(logits, targets)
}

fn multi_label_soft_margin(x: Tensor<1>, label: f64, weights: Option<Vec<f64>>) -> Tensor<1> {
    let config = MultiLabelSoftMarginLossConfig::new().with_weights(weights);
    let targets = beside_zero(zeros(x.clone()) + label);
    config.init().forward_no_reduction(beside_zero(x), targets)
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

fn pair(angle: Tensor<1>, sign: f64, margin: f64) -> Tensor<1> {
    let loss = CosineEmbeddingLossConfig::new().with_margin(margin).init();
    let zeros = zeros(angle.clone());
    loss.forward_no_reduction(direction(zeros.clone()), direction(angle), zeros + sign)
}

fn triplet_of_angles(angle: Tensor<1>, distance: Distance) -> Tensor<1> {
    let config = TripletMarginWithDistanceLossConfig::new().with_distance(distance);
    let zeros = zeros(angle.clone());
    let [anchor, positive, negative] = [zeros.clone(), zeros + 1.0, angle].map(direction);
    config
        .init()
        .forward_no_reduction(anchor, positive, negative)
}

/// The logits of a teacher of two classes, for each of a student's.
fn teacher(x: Tensor<1>) -> Tensor<2> {
    beside_zero(zeros(x) + 2.0)
}

/// The loss of a student beside that teacher.
fn beside_teacher<L>(x: Tensor<1>, loss: L) -> Tensor<1>
where
    L: Loss<Tensor<2>, Tensor<2>, Unreduced = Tensor<1>>,
{
    loss.forward_no_reduction(beside_zero(x.clone()), teacher(x))
}

fn softmax_kl(x: Tensor<1>, direction: KlDirection) -> Tensor<1> {
    let config = SoftmaxKlLossConfig::new().with_direction(direction);
    beside_teacher(x, config.init())
}

fn js_div(x: Tensor<1>, beta: f64) -> Tensor<1> {
    beside_teacher(x, JsDivLossConfig::new().with_beta(beta).init())
}

fn total_variation(x: Tensor<1>, temperature: f64) -> Tensor<1> {
    let config = TotalVariationLossConfig::new().with_temperature(temperature);
    beside_teacher(x, config.init())
}

fn distillation(x: Tensor<1>, class: i64, alpha: f64) -> Tensor<1> {
    let loss = DistillationLossConfig::new().with_alpha(alpha).init();
    let ids = same_ids(x.clone(), class);
    loss.forward_no_reduction(beside_zero(x.clone()), teacher(x), ids)
}

/// The same class everywhere.
fn same_ids(x: Tensor<1>, class: i64) -> Tensor<1, Int> {
    zeros(x).int() + class
}

/// One score for all thresholds, as the last layer of such a model gives it, and what each threshold adds to it.
fn coral(score: Tensor<1>, rank: i64) -> Tensor<1> {
    let ranks = same_ids(score.clone(), rank);
    let score = column(score);
    let logits = Tensor::cat(vec![score.clone() + 2.0, score - 2.0], 1);
    CoralLoss::new().forward_no_reduction(logits, ranks)
}

fn corn(x: Tensor<1>, rank: i64) -> Tensor<1> {
    let ranks = same_ids(x.clone(), rank);
    CornLoss::new().forward_no_reduction(beside_zero(x), ranks)
}

/// Three ranks with logits of 0, 0 and `x`.
fn earth_mover(x: Tensor<1>, rank: i64) -> Tensor<1> {
    let ranks = same_ids(x.clone(), rank);
    let first = column(x.clone()).zeros_like();
    let logits = Tensor::cat(vec![first, beside_zero(x)], 1);
    EarthMoverLoss::new().forward_no_reduction(logits, ranks)
}

/// The four logits of an image of one class: `x`, one of a pixel that is true, and two of pixels that are not.
fn four_pixels(x: Tensor<1>) -> Tensor<3> {
    let x = column(x);
    let (yes, no) = (x.zeros_like() + 0.5, x.zeros_like() - 0.5);
    let pixels: Tensor<2> = Tensor::cat(vec![x, yes, no.clone(), no], 1);
    pixels.unsqueeze_dim(1)
}

/// What is true of these four: the first as it is labelled.
fn four_labels(x: Tensor<1>, label: f64) -> Tensor<2> {
    let no = column(zeros(x));
    let (first, yes) = (no.clone() + label, no.clone() + 1.0);
    Tensor::cat(vec![first, yes, no.clone(), no], 1)
}

/// The loss of such an image, of a mask by a sigmoid.
fn of_mask<L>(x: Tensor<1>, label: f64, loss: L) -> L::Unreduced
where
    L: Loss<Tensor<3>, Tensor<3>>,
{
    let mask = four_labels(x.clone(), label).unsqueeze_dim(1);
    loss.forward_no_reduction(four_pixels(x), mask)
}

/// The options of a dice loss of masks.
fn dice_of_masks() -> DiceLossConfig {
    DiceLossConfig::new().with_activation(Activation::Sigmoid)
}

fn dice(x: Tensor<1>, label: f64, log_loss: bool) -> Tensor<1> {
    let config = dice_of_masks().with_log_loss(log_loss);
    of_mask(x, label, config.init()).squeeze_dim(1)
}

fn jaccard(x: Tensor<1>, label: f64) -> Tensor<1> {
    let config = JaccardLossConfig::new().with_activation(Activation::Sigmoid);
    of_mask(x, label, config.init()).squeeze_dim(1)
}

/// Of a true pixel. What is missed costs as much more as what is falsely found costs less.
fn tversky(x: Tensor<1>, fp_weight: f64, gamma: f64) -> Tensor<1> {
    let config = TverskyLossConfig::new()
        .with_activation(Activation::Sigmoid)
        .with_fp_weight(fp_weight)
        .with_fn_weight(1.0 - fp_weight)
        .with_gamma(gamma);
    of_mask(x, 1.0, config.init()).squeeze_dim(1)
}

/// Four pixels of two classes: the first one is of class 1, whose logits elsewhere are -2.
fn generalized_dice(x: Tensor<1>, weighting: DiceWeighting) -> Tensor<1> {
    let config = GeneralizedDiceLossConfig::new().with_class_weighting(weighting);
    let none = column(zeros(x.clone())).int();
    let ids = vec![none.clone() + 1, none.clone(), none.clone(), none];
    let first = column(x);
    let other = first.zeros_like() - 2.0;
    let pixels: Tensor<2> = Tensor::cat(vec![first, other.clone(), other.clone(), other], 1);
    let logits = beside_zeros(pixels.unsqueeze_dim(1));
    let each: Tensor<2> = config
        .init()
        .forward_no_reduction(logits, Tensor::cat(ids, 1));
    each.squeeze_dim(1)
}

/// The logits of two classes, of which the first's are always 0.
fn beside_zeros(of_class_1: Tensor<3>) -> Tensor<3> {
    Tensor::cat(vec![of_class_1.zeros_like(), of_class_1], 1)
}

fn lovasz_softmax(x: Tensor<1>, class: f64) -> Tensor<1> {
    let ids = four_labels(x.clone(), class).int();
    let loss = LovaszLossConfig::new().with_per_sample(true).init();
    let each: Tensor<2> = loss.forward_no_reduction(beside_zeros(four_pixels(x)), ids);
    each.mean_dim(1).squeeze_dim(1)
}

fn lovasz_hinge(x: Tensor<1>, label: f64) -> Tensor<1> {
    let config = LovaszLossConfig::new()
        .with_variant(LovaszVariant::Hinge)
        .with_per_sample(true);
    of_mask(x, label, config.init()).squeeze_dim(1)
}

fn dice_cross_entropy(x: Tensor<1>, label: f64) -> Tensor<1> {
    let config = DiceCrossEntropyLossConfig::new().with_dice(dice_of_masks());
    of_mask(x, label, config.init())
}

fn dice_focal(x: Tensor<1>, label: f64, gamma: f64) -> Tensor<1> {
    let config = DiceFocalLossConfig::new()
        .with_dice(dice_of_masks())
        .with_gamma(gamma);
    of_mask(x, label, config.init())
}

/// The loss of a box by its edges, beside a true one whose edges are 0, 0, 1 and 1.
fn of_box<L>(x: Tensor<1>, edges: [Tensor<2>; 4], loss: L) -> Tensor<1>
where
    L: Loss<Tensor<2>, Tensor<2>, Unreduced = Tensor<1>>,
{
    let zero = column(zeros(x));
    let one = zero.clone() + 1.0;
    let truth = Tensor::cat(vec![zero.clone(), zero, one.clone(), one], 1);
    loss.forward_no_reduction(Tensor::cat(edges.to_vec(), 1), truth)
}

/// A box of the true one's size, to the right of it by `x`.
fn offset<L>(x: Tensor<1>, loss: L) -> Tensor<1>
where
    L: Loss<Tensor<2>, Tensor<2>, Unreduced = Tensor<1>>,
{
    let left = column(x.clone());
    let (top, bottom) = (left.zeros_like(), left.ones_like());
    of_box(x, [left.clone(), top, left + 1.0, bottom], loss)
}

/// A box of the true one's size, to the right of it and below it by `x`.
fn offset_in_both<L>(x: Tensor<1>, loss: L) -> Tensor<1>
where
    L: Loss<Tensor<2>, Tensor<2>, Unreduced = Tensor<1>>,
{
    let start = column(x.clone());
    let end = start.clone() + 1.0;
    of_box(x, [start.clone(), start, end.clone(), end], loss)
}

/// A box around the true one's centre, of its height and this width.
fn widened<L>(x: Tensor<1>, loss: L) -> Tensor<1>
where
    L: Loss<Tensor<2>, Tensor<2>, Unreduced = Tensor<1>>,
{
    let half = column(x.clone()) * 0.5;
    let (top, bottom) = (half.zeros_like(), half.ones_like());
    of_box(x, [-half.clone() + 0.5, top, half + 0.5, bottom], loss)
}

fn iou(x: Tensor<1>, form: IouForm) -> Tensor<1> {
    offset(x, IouLossConfig::new().with_form(form).init())
}

/// Four bins, of which the others have logits of 0.
fn distribution_focal(x: Tensor<1>, place: f64) -> Tensor<1> {
    let places = zeros(x.clone()) + place;
    let logits = beside_zero(x);
    let logits = Tensor::cat(vec![logits.clone(), logits.zeros_like()], 1);
    DistributionFocalLoss::new().forward_no_reduction(logits, places)
}

/// By how much more the policy prefers the chosen answer than the reference, which finds both alike.
fn dpo(x: Tensor<1>, variant: DpoVariant, label_smoothing: f64) -> Tensor<1> {
    let config = DpoLossConfig::new()
        .with_beta(1.0)
        .with_variant(variant)
        .with_label_smoothing(label_smoothing);
    let alike = zeros(x.clone()) - 10.0;
    let loss = config.init();
    loss.forward_no_reduction(x - 10.0, alike.clone(), alike.clone(), alike)
}

fn simpo(x: Tensor<1>, gamma: f64, label_smoothing: f64) -> Tensor<1> {
    let config = SimPoLossConfig::new()
        .with_gamma(gamma)
        .with_label_smoothing(label_smoothing);
    with_target(x - 10.0, -10.0, config.init())
}

fn orpo(x: Tensor<1>, lambda: f64) -> Tensor<1> {
    let config = OrpoLossConfig::new().with_lambda(lambda);
    with_target(x, -1.0, config.init())
}

/// How much more probable an answer is than by the reference.
fn kto(x: Tensor<1>, kl: f64, desirable: f64) -> Tensor<1> {
    let zeros = zeros(x.clone());
    let (reference, kl, desirable) = (zeros.clone() - 100.0, zeros.clone() + kl, zeros + desirable);
    KtoLoss::new().forward_no_reduction(x - 100.0, reference, kl, desirable)
}

fn generator(x: Tensor<1>, objective: GanObjective) -> Tensor<1> {
    let config = GanGeneratorLossConfig::new().with_objective(objective);
    config.init().forward_no_reduction(x)
}

fn discriminator(x: Tensor<1>, objective: GanObjective) -> Tensor<1> {
    let config = GanDiscriminatorLossConfig::new().with_objective(objective);
    let real = zeros(x.clone()) + 1.0;
    config.init().forward_no_reduction(real, x)
}

/// A sequence of four tokens for each number, with the logits 0 and `x` of two experts, and the expert of each token.
fn load_balance(x: Tensor<1>, experts: [i64; 4], activation: RouterActivation) -> Tensor<1> {
    let experts = Tensor::<1, Int>::from_data(experts, &x.device());
    let experts: Tensor<3, Int> = experts.reshape([1, 4, 1]);
    let experts = experts.repeat_dim(0, x.dims()[0]);
    let token: Tensor<3> = beside_zero(x).unsqueeze_dim(1);
    let config = LoadBalanceLossConfig::new()
        .with_activation(activation)
        .with_per_sequence(true);
    config
        .init()
        .forward_no_reduction(token.repeat_dim(1, 4), experts)
}

/// The logits of so many others are 0.
fn router_z(x: Tensor<1>, others: usize) -> Tensor<1> {
    let x = column(x);
    let others = x.zeros_like().repeat_dim(1, others);
    RouterZLoss::new().forward_no_reduction(Tensor::cat(vec![x, others], 1))
}
