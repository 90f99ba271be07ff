//! The table of losses: one row for each.
//!
//! All data is of rank 2 on the host, `[rows, columns]`; a variant of another rank reshapes it on
//! the device. What a loss is differentiable in is among the *inputs*, the rest is the *target*.

use crate::common::TestDevice;
use burn::tensor::{Bool, DType, Device, Int, Tensor, TensorData, kind::Basic};
use burn_losses::Evaluate;
use burn_losses::prelude::*;
use burn_losses::target::SampleWeights;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use std::marker::PhantomData;
use std::ops::Range;

pub struct Row {
    pub loss: &'static str,
    pub variants: Vec<Variant>,
}

/// The losses of this crate.
pub fn table() -> Vec<Row> {
    let plain = ClassOptions::default;
    let weighted = || ClassOptions {
        weights: true,
        ignored: vec![-100, 1],
        smoothing: 0.0,
    };
    let smooth = || ClassOptions {
        smoothing: 0.2,
        ..weighted()
    };
    let unignored = || ClassOptions {
        ignored: vec![],
        ..smooth()
    };
    let smoothed = || ClassOptions {
        weights: false,
        ..unignored()
    };
    let l1 = |reduction| L1LossConfig::new().with_reduction(reduction).init();
    let mse = |reduction| MseLossConfig::new().with_reduction(reduction).init();
    let smooth_l1 = |beta| {
        let config = SmoothL1LossConfig::new().with_beta(beta);
        move |reduction| config.clone().with_reduction(reduction).init()
    };
    let huber = |delta| {
        let config = HuberLossConfig::new().with_delta(delta);
        move |reduction| config.clone().with_reduction(reduction).init()
    };
    let poisson = PoissonNllLossConfig::new;
    let gaussian = GaussianNllLossConfig::new;
    let robust = |config: GeneralRobustLossConfig| {
        move |reduction| config.clone().with_reduction(reduction).init()
    };
    let negative_binomials = NegativeBinomialNllLossConfig::new;
    let margins = MultiMarginLossConfig::new;
    let triplet = TripletMarginLossConfig::new;
    let distant = |distance| TripletMarginWithDistanceLossConfig::new().with_distance(distance);
    let preferred = DpoLossConfig::new;
    let desirable = KtoLossConfig::new;
    let clipped = PolicyClipLossConfig::new;
    let scored = |objective| {
        let config = GanDiscriminatorLossConfig::new().with_objective(objective);
        move |reduction| config.clone().with_reduction(reduction).init()
    };
    let generated = |objective| GanGeneratorLossConfig::new().with_objective(objective);
    let gaussian_kl = |reduction| GaussianKlLossConfig::new().with_reduction(reduction).init();
    let poly1 = |epsilon| Poly1LossConfig::new().with_epsilon(epsilon);
    let divergence = |config: SoftmaxKlLossConfig| {
        move |reduction| config.clone().with_reduction(reduction).init()
    };
    let directed = |direction| SoftmaxKlLossConfig::new().with_direction(direction);
    let mixed =
        |config: JsDivLossConfig| move |reduction| config.clone().with_reduction(reduction).init();
    let variation = |config: TotalVariationLossConfig| {
        move |reduction| config.clone().with_reduction(reduction).init()
    };
    let distilled = DistillationLossConfig::new;
    let dice = |config: DiceLossConfig| {
        move |reduction, _: usize| config.clone().with_reduction(reduction).init()
    };
    let dices = DiceLossConfig::new;
    let lovasz = |config: LovaszLossConfig| {
        move |reduction, _: usize| config.clone().with_reduction(reduction).init()
    };
    let ciou =
        |config: CiouLossConfig| move |reduction| config.clone().with_reduction(reduction).init();
    let balanced = LoadBalanceLossConfig::new;
    vec![
        row(
            "L1Loss",
            [
                regression("rank 2", l1),
                regression_1("rank 1", l1),
                regression_4("rank 4", l1),
            ],
        ),
        row(
            "MseLoss",
            [
                regression("rank 2", mse),
                regression_1("rank 1", mse),
                regression_4("rank 4", mse),
            ],
        ),
        row(
            "SmoothL1Loss",
            [
                regression("rank 2", smooth_l1(1.0)),
                regression("beta 0", smooth_l1(0.0)),
                regression_1("rank 1, beta 0.5", smooth_l1(0.5)),
                regression_4("rank 4, beta 2", smooth_l1(2.0)),
            ],
        ),
        row(
            "HuberLoss",
            [
                regression("rank 2", huber(1.0)),
                regression_1("rank 1, delta 0.5", huber(0.5)),
                regression_4("rank 4, delta 2", huber(2.0)),
            ],
        ),
        row(
            "PoissonNllLoss",
            [
                poisson_nll("float counts", Kind::Float, poisson()),
                poisson_nll("int counts, full", Kind::Int, poisson().with_full(true)),
                poisson_nll(
                    "float counts of rates, full, eps 0",
                    Kind::Float,
                    poisson()
                        .with_log_input(false)
                        .with_full(true)
                        .with_eps(0.0),
                ),
                poisson_nll(
                    "int counts of rates, eps 0.1",
                    Kind::Int,
                    poisson().with_log_input(false).with_eps(0.1),
                ),
            ],
        ),
        row(
            "GaussianNllLoss",
            [
                gaussian_nll("variances of elements", Variances::Elements, gaussian()),
                gaussian_nll(
                    "variances of rows, full",
                    Variances::Rows,
                    gaussian().with_full(true),
                ),
                gaussian_nll("variances of rows [N, 1]", Variances::Columns, gaussian()),
                gaussian_nll("a number", Variances::Number(0.7), gaussian()),
                gaussian_nll_3("variances of rows, rank 3", gaussian()),
            ],
        ),
        row(
            "QuantileLoss",
            [
                regression("median", |reduction| {
                    QuantileLossConfig::new().with_reduction(reduction).init()
                }),
                regression_4("rank 4, 0.9", |reduction| {
                    let config = QuantileLossConfig::new().with_quantiles(vec![0.9]);
                    config.with_reduction(reduction).init()
                }),
            ],
        ),
        row(
            "ExpectileLoss",
            [
                regression("rank 2", |reduction| {
                    ExpectileLossConfig::new().with_reduction(reduction).init()
                }),
                regression_1("rank 1, 0.9", |reduction| {
                    let config = ExpectileLossConfig::new().with_expectile(0.9);
                    config.with_reduction(reduction).init()
                }),
            ],
        ),
        row(
            "LogCoshLoss",
            [
                regression("rank 2", |reduction| {
                    LogCoshLossConfig::new().with_reduction(reduction).init()
                }),
                regression_4("rank 4", |reduction| {
                    LogCoshLossConfig::new().with_reduction(reduction).init()
                }),
            ],
        ),
        row(
            "GeneralRobustLoss",
            [
                regression(
                    "Charbonnier",
                    robust(GeneralRobustLossConfig::charbonnier()),
                ),
                regression("Cauchy", robust(GeneralRobustLossConfig::cauchy())),
                regression(
                    "Geman-McClure",
                    robust(GeneralRobustLossConfig::geman_mcclure()),
                ),
                regression(
                    "Welsch, scale 2",
                    robust(GeneralRobustLossConfig::welsch().with_scale(2.0)),
                ),
                regression(
                    "squared",
                    robust(GeneralRobustLossConfig::new().with_alpha(Some(2.0))),
                ),
                regression_1(
                    "alpha 0.5",
                    robust(GeneralRobustLossConfig::new().with_alpha(Some(0.5))),
                ),
                regression(
                    "alpha 3",
                    robust(GeneralRobustLossConfig::new().with_alpha(Some(3.0))),
                ),
                regression(
                    "alpha -7",
                    robust(GeneralRobustLossConfig::new().with_alpha(Some(-7.0))),
                ),
            ],
        ),
        row(
            "TukeyLoss",
            [
                regression("rank 2", |reduction| {
                    TukeyLossConfig::new().with_reduction(reduction).init()
                }),
                regression_1("rank 1, c 1", |reduction| {
                    TukeyLossConfig::new()
                        .with_c(1.0)
                        .with_reduction(reduction)
                        .init()
                }),
            ],
        ),
        row(
            "MsleLoss",
            [of_amounts("rank 2", |reduction| {
                MsleLossConfig::new().with_reduction(reduction).init()
            })],
        ),
        row(
            "MapeLoss",
            [
                of_amounts("rank 2", |reduction| {
                    MapeLossConfig::new().with_reduction(reduction).init()
                }),
                of_amounts("percent, eps 1", |reduction| {
                    let config = MapeLossConfig::new().with_percent(true).with_eps(1.0);
                    config.with_reduction(reduction).init()
                }),
            ],
        ),
        row(
            "SmapeLoss",
            [
                of_amounts("rank 2", |reduction| {
                    SmapeLossConfig::new().with_reduction(reduction).init()
                }),
                of_amounts("percent", |reduction| {
                    SmapeLossConfig::new()
                        .with_percent(true)
                        .with_reduction(reduction)
                        .init()
                }),
            ],
        ),
        row(
            "TweedieLoss",
            [
                of_log_means("rank 2", |reduction| {
                    TweedieLossConfig::new().with_reduction(reduction).init()
                }),
                of_log_means("power 1.2", |reduction| {
                    TweedieLossConfig::new()
                        .with_power(1.2)
                        .with_reduction(reduction)
                        .init()
                }),
            ],
        ),
        row(
            "GammaNllLoss",
            [
                of_log_means("rank 2", |reduction| {
                    GammaNllLossConfig::new().with_reduction(reduction).init()
                }),
                of_log_means("shape 2.5", |reduction| {
                    let config = GammaNllLossConfig::new().with_shape(Some(2.5));
                    config.with_reduction(reduction).init()
                }),
            ],
        ),
        row(
            "NegativeBinomialNllLoss",
            [
                negative_binomial("means, float counts", Kind::Float, negative_binomials()),
                negative_binomial("means, int counts", Kind::Int, negative_binomials()),
                negative_binomial(
                    "logits, float counts",
                    Kind::Float,
                    negative_binomials()
                        .with_parametrization(NegativeBinomialParametrization::TotalCountLogits),
                ),
            ],
        ),
        row(
            "LaplaceNllLoss",
            [of_scale("rank 2", false, |reduction| {
                LaplaceNllLossConfig::new().with_reduction(reduction).init()
            })],
        ),
        row(
            "StudentTNllLoss",
            [
                of_scale("rank 2", false, |reduction| {
                    StudentTNllLossConfig::new()
                        .with_reduction(reduction)
                        .init()
                }),
                of_scale("Cauchy", false, |reduction| {
                    StudentTNllLossConfig::new()
                        .with_df(1.0)
                        .with_reduction(reduction)
                        .init()
                }),
            ],
        ),
        row(
            "LogNormalNllLoss",
            [of_scale("rank 2", true, |reduction| {
                LogNormalNllLossConfig::new()
                    .with_reduction(reduction)
                    .init()
            })],
        ),
        row(
            "GaussianCrpsLoss",
            [of_scale("rank 2", false, |reduction| {
                GaussianCrpsLossConfig::new()
                    .with_reduction(reduction)
                    .init()
            })],
        ),
        row(
            "SigmoidFocalLoss",
            [
                binary("soft labels", Kind::Float, |reduction| {
                    SigmoidFocalLossConfig::new()
                        .with_reduction(reduction)
                        .init()
                }),
                binary("int labels, alpha", Kind::Int, |reduction| {
                    let config = SigmoidFocalLossConfig::new().with_alpha(Some(0.25));
                    config.with_reduction(reduction).init()
                }),
                binary("bool labels, gamma 0.5", Kind::Bool, |reduction| {
                    let config = SigmoidFocalLossConfig::new().with_gamma(0.5);
                    config.with_reduction(reduction).init()
                }),
            ],
        ),
        row(
            "QualityFocalLoss",
            [
                binary("soft labels", Kind::Float, |reduction| {
                    QualityFocalLossConfig::new()
                        .with_reduction(reduction)
                        .init()
                }),
                binary("int labels, beta 1.5", Kind::Int, |reduction| {
                    let config = QualityFocalLossConfig::new().with_beta(1.5);
                    config.with_reduction(reduction).init()
                }),
            ],
        ),
        row(
            "VarifocalLoss",
            [
                binary("soft labels", Kind::Float, |reduction| {
                    VarifocalLossConfig::new().with_reduction(reduction).init()
                }),
                binary("int labels, gamma 1.5", Kind::Int, |reduction| {
                    let config = VarifocalLossConfig::new().with_gamma(1.5);
                    config.with_reduction(reduction).init()
                }),
            ],
        ),
        row(
            "AsymmetricLoss",
            [
                binary("soft labels", Kind::Float, |reduction| {
                    AsymmetricLossConfig::new().with_reduction(reduction).init()
                }),
                binary("bool labels, no margin", Kind::Bool, |reduction| {
                    let config = AsymmetricLossConfig::new().with_margin(0.0);
                    config.with_reduction(reduction).init()
                }),
                binary("int labels, other powers", Kind::Int, |reduction| {
                    let config = AsymmetricLossConfig::new()
                        .with_gamma_neg(2.5)
                        .with_gamma_pos(0.5);
                    config.with_reduction(reduction).init()
                }),
            ],
        ),
        row(
            "NllLoss",
            [
                nll("ids", plain()),
                nll("weights, ignored ids", weighted()),
                nll_spatial("[N, C, 2]", Axes::ClassSecond, weighted()),
                nll_spatial("[N, 2, C]", Axes::ClassLast, plain()),
            ],
        ),
        row(
            "CrossEntropyLoss",
            [
                cross_entropy("ids", plain()),
                cross_entropy_probs("probabilities", plain()),
                cross_entropy("weights, ignored ids", weighted()),
                cross_entropy("weights, ignored ids, smoothing", smooth()),
                cross_entropy_probs("probabilities, weights, smoothing", unignored()),
                cross_entropy_spatial("[N, C, 2]", Axes::ClassSecond, smooth()),
                cross_entropy_spatial("[N, 2, C]", Axes::ClassLast, weighted()),
                cross_entropy_probs_spatial(
                    "probabilities [N, C, 2], weights, smoothing",
                    Axes::ClassSecond,
                    unignored(),
                    |config, _| config,
                ),
                cross_entropy_with("log_prior", plain(), of_prior),
                cross_entropy_with("margins", plain(), of_margins),
                cross_entropy_with("logit_scale", plain(), |config, _| {
                    config.with_logit_scale(2.5)
                }),
                cross_entropy_with("softcap", plain(), |config, _| {
                    config.with_softcap(Some(1.5))
                }),
                cross_entropy_with(
                    "log_prior, weights, ignored ids, smoothing",
                    smooth(),
                    of_prior,
                ),
                cross_entropy_with("margins, weights, ignored ids", weighted(), of_margins),
                cross_entropy_with(
                    "margins, weights, ignored ids, smoothing",
                    smooth(),
                    of_margins,
                ),
                cross_entropy_with("all that is done to logits", plain(), adjusted),
                cross_entropy_with(
                    "all that is done to logits, weights, ignored ids, smoothing",
                    smooth(),
                    adjusted,
                ),
                cross_entropy_with("z_loss", plain(), with_square),
                cross_entropy_with("z_loss, weights, ignored ids", weighted(), with_square),
                cross_entropy_with(
                    "z_loss, weights, ignored ids, smoothing",
                    smooth(),
                    with_square,
                ),
                cross_entropy_with("z_loss, smoothing", smoothed(), with_square),
                cross_entropy_with(
                    "z_loss, all that is done to logits",
                    plain(),
                    |config, classes| with_square(adjusted(config, classes), classes),
                ),
                cross_entropy_with("everything", smooth(), |config, classes| {
                    with_square(adjusted(config, classes), classes)
                }),
                cross_entropy_probs_with("probabilities, log_prior", plain(), of_prior),
                cross_entropy_probs_with("probabilities, z_loss", plain(), with_square),
                cross_entropy_probs_with("probabilities, everything", unignored(), of_probs),
                cross_entropy_spatial_with(
                    "[N, C, 2], margins",
                    Axes::ClassSecond,
                    plain(),
                    of_margins,
                ),
                cross_entropy_spatial_with(
                    "[N, 2, C], log_prior, weights, ignored ids",
                    Axes::ClassLast,
                    weighted(),
                    of_prior,
                ),
                cross_entropy_spatial_with(
                    "[N, C, 2], z_loss",
                    Axes::ClassSecond,
                    plain(),
                    with_square,
                ),
                cross_entropy_spatial_with(
                    "[N, 2, C], z_loss, weights, ignored ids",
                    Axes::ClassLast,
                    weighted(),
                    with_square,
                ),
                cross_entropy_spatial_with(
                    "[N, C, 2], everything",
                    Axes::ClassSecond,
                    smooth(),
                    |config, classes| with_square(adjusted(config, classes), classes),
                ),
                cross_entropy_spatial_with(
                    "[N, 2, C], everything",
                    Axes::ClassLast,
                    smooth(),
                    |config, classes| with_square(adjusted(config, classes), classes),
                ),
                cross_entropy_probs_spatial(
                    "probabilities [N, C, 2], everything",
                    Axes::ClassSecond,
                    unignored(),
                    of_probs,
                ),
                cross_entropy_probs_spatial(
                    "probabilities [N, 2, C], everything",
                    Axes::ClassLast,
                    plain(),
                    of_probs,
                ),
            ],
        ),
        row(
            "FocalLoss",
            [
                focal("ids", 2.0, plain()),
                focal("alpha, ignored ids", 0.5, weighted()),
                focal("cross-entropy", 0.0, plain()),
                focal_spatial("[N, C, 2]", Axes::ClassSecond, weighted()),
                focal_spatial("[N, 2, C]", Axes::ClassLast, plain()),
                focal_with("log_prior", 2.0, plain(), |config, classes| {
                    let config = config.with_log_prior(Some(log_prior(classes)));
                    config.with_tau(1.5)
                }),
                focal_with("margins", 1.0, plain(), |config, classes| {
                    config.with_margins(Some(class_margins(classes)))
                }),
                focal_with("logit_scale", 2.0, plain(), |config, _| {
                    config.with_logit_scale(2.5)
                }),
                focal_with("softcap", 0.5, plain(), |config, _| {
                    config.with_softcap(Some(1.5))
                }),
                focal_with("everything", 2.0, weighted(), adjusted_focal),
                focal_spatial_with(
                    "[N, C, 2], everything",
                    Axes::ClassSecond,
                    weighted(),
                    adjusted_focal,
                ),
                focal_spatial_with(
                    "[N, 2, C], everything",
                    Axes::ClassLast,
                    plain(),
                    adjusted_focal,
                ),
            ],
        ),
        row(
            "Poly1Loss",
            [
                poly1_of("ids", plain(), poly1(1.0)),
                poly1_of("weights, ignored ids, epsilon -1", weighted(), poly1(-1.0)),
                poly1_of("cross-entropy", plain(), poly1(0.0)),
                poly1_spatial(
                    "[N, C, 2], epsilon 2.5",
                    Axes::ClassSecond,
                    weighted(),
                    poly1(2.5),
                ),
                poly1_spatial("[N, 2, C]", Axes::ClassLast, plain(), poly1(1.0)),
            ],
        ),
        row(
            "SigmoidPoly1Loss",
            [
                binary("soft labels", Kind::Float, |reduction| {
                    SigmoidPoly1LossConfig::new()
                        .with_reduction(reduction)
                        .init()
                }),
                binary("int labels, epsilon 2", Kind::Int, |reduction| {
                    let config = SigmoidPoly1LossConfig::new().with_epsilon(2.0);
                    config.with_reduction(reduction).init()
                }),
                binary("bool labels, epsilon -1", Kind::Bool, |reduction| {
                    let config = SigmoidPoly1LossConfig::new().with_epsilon(-1.0);
                    config.with_reduction(reduction).init()
                }),
            ],
        ),
        row(
            "BceLoss",
            [
                bce("soft labels", Kind::Float, BinaryOptions::default()),
                bce("int labels", Kind::Int, BinaryOptions::default()),
                bce(
                    "bool labels, weights, smoothing",
                    Kind::Bool,
                    weights_and(0.1),
                ),
            ],
        ),
        row(
            "BceWithLogitsLoss",
            [
                bce_with_logits("soft labels", Kind::Float, BinaryOptions::default()),
                bce_with_logits("int labels", Kind::Int, BinaryOptions::default()),
                bce_with_logits(
                    "bool labels, weights, positive weights, smoothing",
                    Kind::Bool,
                    BinaryOptions {
                        pos_weights: true,
                        ..weights_and(0.1)
                    },
                ),
            ],
        ),
        row(
            "SoftMarginLoss",
            [
                soft_margin("float signs", Kind::Float),
                soft_margin("int signs", Kind::Int),
                soft_margin("bool signs", Kind::Bool),
            ],
        ),
        row(
            "MultiMarginLoss",
            [
                multi_margin("p = 1", false, margins()),
                multi_margin("p = 2", false, margins().with_p(2)),
                multi_margin("margin 0.5, weights", true, margins().with_margin(0.5)),
                multi_margin_spatial(
                    "[N, C, 2], p = 2, weights",
                    Axes::ClassSecond,
                    true,
                    margins().with_p(2),
                ),
                multi_margin_spatial("[N, 2, C]", Axes::ClassLast, false, margins()),
            ],
        ),
        row(
            "MultiLabelMarginLoss",
            [
                multi_label_margin("label ids"),
                multi_label_margin_spatial("[N, C, 2]", Axes::ClassSecond),
                multi_label_margin_spatial("[N, 2, C]", Axes::ClassLast),
            ],
        ),
        row(
            "MultiLabelSoftMarginLoss",
            [
                multi_label_soft_margin("soft labels", Kind::Float, false),
                multi_label_soft_margin("int labels", Kind::Int, false),
                multi_label_soft_margin("bool labels, weights", Kind::Bool, true),
                multi_label_soft_margin_spatial("[N, C, 2], weights", Axes::ClassSecond, true),
                multi_label_soft_margin_spatial("[N, 2, C]", Axes::ClassLast, false),
            ],
        ),
        row(
            "HingeEmbeddingLoss",
            [
                hinge_embedding("float signs", Kind::Float, 1.0),
                hinge_embedding("int signs, margin 2", Kind::Int, 2.0),
                hinge_embedding("bool signs, margin 0.5", Kind::Bool, 0.5),
            ],
        ),
        row(
            "MarginRankingLoss",
            [
                margin_ranking("float signs", Kind::Float, 0.0),
                margin_ranking("int signs, margin 1", Kind::Int, 1.0),
                margin_ranking("bool signs, margin 0.5", Kind::Bool, 0.5),
            ],
        ),
        row(
            "TripletMarginLoss",
            [
                triplet_margin("p = 2", triplet()),
                triplet_margin("p = 2, swap", triplet().with_swap(true).with_margin(3.0)),
                triplet_margin("p = 1", triplet().with_p(1.0)),
                triplet_margin("p = 1.5, eps 0", triplet().with_p(1.5).with_eps(0.0)),
                triplet_margin_3("p = 3, swap, rank 3", triplet().with_p(3.0).with_swap(true)),
            ],
        ),
        row(
            "CosineEmbeddingLoss",
            [
                cosine_embedding("float signs", Kind::Float, 0.0),
                cosine_embedding("int signs, margin 0.3", Kind::Int, 0.3),
                cosine_embedding("bool signs, margin -0.5", Kind::Bool, -0.5),
                cosine_embedding_3("int signs, rank 3", 0.1),
            ],
        ),
        row(
            "TripletMarginWithDistanceLoss",
            [
                triplet_margin_with_distance("Euclidean", distant(Distance::Euclidean)),
                triplet_margin_with_distance("p = 1", distant(Distance::Lp(1.0))),
                triplet_margin_with_distance("cosine", distant(Distance::Cosine)),
                triplet_margin_with_distance(
                    "Euclidean, swap",
                    distant(Distance::Euclidean)
                        .with_swap(true)
                        .with_margin(3.0),
                ),
                triplet_margin_with_distance_3(
                    "cosine, swap, rank 3",
                    distant(Distance::Cosine).with_swap(true),
                ),
                triplets("mean square, a closure", |reduction| {
                    TripletMarginWithDistanceLossConfig::new()
                        .with_reduction(reduction)
                        .init_with(|a: Tensor<2>, b: Tensor<2>| {
                            (a - b).square().mean_dim(1).squeeze_dim::<1>(1)
                        })
                }),
            ],
        ),
        row(
            "KlDivLoss",
            [
                kl_div("probabilities", KlDivLossConfig::new()),
                kl_div(
                    "log-probabilities",
                    KlDivLossConfig::new().with_log_target(true),
                ),
                kl_div(
                    "no class axis",
                    KlDivLossConfig::new().with_class_axis(None),
                ),
            ],
        ),
        row(
            "SoftmaxKlLoss",
            [
                two_logits("forward", divergence(SoftmaxKlLossConfig::new())),
                two_logits("reverse", divergence(directed(KlDirection::Reverse))),
                two_logits("symmetric", divergence(directed(KlDirection::Symmetric))),
                two_logits(
                    "skew forward",
                    divergence(directed(KlDirection::SkewForward)),
                ),
                two_logits(
                    "skew reverse, skew 0.4",
                    divergence(directed(KlDirection::SkewReverse).with_skew(0.4)),
                ),
                two_logits(
                    "temperature 3",
                    divergence(SoftmaxKlLossConfig::new().with_temperature(3.0)),
                ),
                two_logits(
                    "reverse, temperature 0.5, not squared",
                    divergence(
                        directed(KlDirection::Reverse)
                            .with_temperature(0.5)
                            .with_squared_temperature(false),
                    ),
                ),
                two_logits_spatial(
                    "[N, C, 2]",
                    Axes::ClassSecond,
                    divergence(SoftmaxKlLossConfig::new()),
                ),
                two_logits_spatial(
                    "[N, 2, C], symmetric, temperature 2",
                    Axes::ClassLast,
                    divergence(
                        directed(KlDirection::Symmetric)
                            .with_temperature(2.0)
                            .with_class_axis(2),
                    ),
                ),
            ],
        ),
        row(
            "JsDivLoss",
            [
                two_logits("beta 0.5", mixed(JsDivLossConfig::new())),
                two_logits("beta 0.1", mixed(JsDivLossConfig::new().with_beta(0.1))),
                two_logits(
                    "beta 0, the forward divergence",
                    mixed(JsDivLossConfig::new().with_beta(0.0)),
                ),
                two_logits(
                    "beta 1, the reverse divergence",
                    mixed(JsDivLossConfig::new().with_beta(1.0)),
                ),
                two_logits(
                    "beta 0.9, temperature 2",
                    mixed(JsDivLossConfig::new().with_beta(0.9).with_temperature(2.0)),
                ),
                two_logits_spatial(
                    "[N, C, 2]",
                    Axes::ClassSecond,
                    mixed(JsDivLossConfig::new()),
                ),
                two_logits_spatial(
                    "[N, 2, C]",
                    Axes::ClassLast,
                    mixed(JsDivLossConfig::new().with_class_axis(2)),
                ),
            ],
        ),
        row(
            "TotalVariationLoss",
            [
                two_logits("rank 2", variation(TotalVariationLossConfig::new())),
                two_logits(
                    "temperature 2",
                    variation(TotalVariationLossConfig::new().with_temperature(2.0)),
                ),
                two_logits_spatial(
                    "[N, C, 2]",
                    Axes::ClassSecond,
                    variation(TotalVariationLossConfig::new()),
                ),
                two_logits_spatial(
                    "[N, 2, C]",
                    Axes::ClassLast,
                    variation(TotalVariationLossConfig::new().with_class_axis(2)),
                ),
            ],
        ),
        row(
            "DistillationLoss",
            [
                distillation("ids", vec![], distilled()),
                distillation("ignored ids", vec![-100, 1], distilled()),
                distillation(
                    "temperature 3, alpha 0.9",
                    vec![],
                    distilled().with_temperature(3.0).with_alpha(0.9),
                ),
                distillation(
                    "not squared, ignored ids",
                    vec![-1],
                    distilled().with_squared_temperature(false),
                ),
                distillation("the teacher alone", vec![], distilled().with_alpha(1.0)),
                distillation("the class alone", vec![], distilled().with_alpha(0.0)),
                distillation_spatial(
                    "[N, C, 2], ignored ids",
                    Axes::ClassSecond,
                    vec![-100, 1],
                    distilled(),
                ),
                distillation_spatial("[N, 2, C]", Axes::ClassLast, vec![], distilled()),
            ],
        ),
        row(
            "CoralLoss",
            [
                coral("ranks", false),
                coral("importance weights", true),
                coral_spatial("[N, K, 2], importance weights", Axes::ClassSecond, true),
                coral_spatial("[N, 2, K]", Axes::ClassLast, false),
            ],
        ),
        row(
            "CornLoss",
            [
                corn("ranks"),
                corn_spatial("[N, K, 2]", Axes::ClassSecond),
                corn_spatial("[N, 2, K]", Axes::ClassLast),
            ],
        ),
        row(
            "EarthMoverLoss",
            [
                earth_mover("ranks"),
                earth_mover_spatial("[N, C, 2]", Axes::ClassSecond),
                earth_mover_spatial("[N, 2, C]", Axes::ClassLast),
            ],
        ),
        row(
            "GanGeneratorLoss",
            [
                gan_generator("non-saturating", generated(GanObjective::NonSaturating)),
                gan_generator("hinge", generated(GanObjective::Hinge)),
                gan_generator("least squares", generated(GanObjective::LeastSquares)),
                gan_generator("Wasserstein", generated(GanObjective::Wasserstein)),
                gan_generator_4("rank 4", generated(GanObjective::NonSaturating)),
            ],
        ),
        row(
            "GanDiscriminatorLoss",
            [
                gan_discriminator("non-saturating", scored(GanObjective::NonSaturating)),
                gan_discriminator("hinge", scored(GanObjective::Hinge)),
                gan_discriminator("least squares", scored(GanObjective::LeastSquares)),
                gan_discriminator("Wasserstein", scored(GanObjective::Wasserstein)),
                regression_4("rank 4", scored(GanObjective::NonSaturating)),
            ],
        ),
        row(
            "GaussianKlLoss",
            [
                regression("rank 2", gaussian_kl),
                regression_1("rank 1", gaussian_kl),
                regression_4("rank 4", gaussian_kl),
            ],
        ),
        row(
            "DpoLoss",
            [
                dpo("sigmoid", preferred()),
                dpo("sigmoid, smoothing", preferred().with_label_smoothing(0.2)),
                dpo(
                    "hinge, beta 1",
                    preferred().with_variant(DpoVariant::Hinge).with_beta(1.0),
                ),
                dpo("ipo", preferred().with_variant(DpoVariant::Ipo)),
                dpo("robust", preferred().with_variant(DpoVariant::Robust)),
                dpo(
                    "robust, smoothing",
                    preferred()
                        .with_variant(DpoVariant::Robust)
                        .with_label_smoothing(0.2),
                ),
                dpo_1("rank 1, beta 0.5", preferred().with_beta(0.5)),
            ],
        ),
        row(
            "SimPoLoss",
            [
                of_answers("rank 2", |reduction| {
                    SimPoLossConfig::new().with_reduction(reduction).init()
                }),
                of_answers("smoothing, gamma 0.5", |reduction| {
                    let config = SimPoLossConfig::new().with_gamma(0.5);
                    let config = config.with_label_smoothing(0.2);
                    config.with_reduction(reduction).init()
                }),
                of_answers_1("rank 1, beta 1", |reduction| {
                    let config = SimPoLossConfig::new().with_beta(1.0);
                    config.with_reduction(reduction).init()
                }),
            ],
        ),
        row(
            "OrpoLoss",
            [
                of_answers("rank 2", |reduction| {
                    OrpoLossConfig::new().with_reduction(reduction).init()
                }),
                of_answers_1("rank 1, lambda 0.5", |reduction| {
                    let config = OrpoLossConfig::new().with_lambda(0.5);
                    config.with_reduction(reduction).init()
                }),
            ],
        ),
        row(
            "KtoLoss",
            [
                kto("float labels", Kind::Float, desirable()),
                kto(
                    "int labels, weights",
                    Kind::Int,
                    desirable()
                        .with_desirable_weight(0.5)
                        .with_undesirable_weight(2.0),
                ),
                kto(
                    "bool labels, beta 0.5",
                    Kind::Bool,
                    desirable().with_beta(0.5),
                ),
            ],
        ),
        row(
            "PolicyClipLoss",
            [
                policy_clip("rank 2", clipped()),
                policy_clip(
                    "clipped further above",
                    clipped().with_clip_low(0.1).with_clip_high(0.28),
                ),
                policy_clip("clipped above alone", clipped().with_clip_low(1.0)),
                policy_clip_1("rank 1", clipped()),
            ],
        ),
        row(
            "RegressionLoss",
            [
                regression("l1", move |reduction| RegressionLoss::from(l1(reduction))),
                regression("mse", move |reduction| RegressionLoss::from(mse(reduction))),
                regression("smooth_l1", {
                    let loss = smooth_l1(0.5);
                    move |reduction| RegressionLoss::from(loss(reduction))
                }),
                regression("huber", {
                    let loss = huber(0.5);
                    move |reduction| RegressionLoss::from(loss(reduction))
                }),
                of_counts("poisson_nll", Kind::Float, true, |reduction, _| {
                    let config = PoissonNllLossConfig::new().with_reduction(reduction);
                    RegressionLoss::from(config.init())
                }),
                regression("quantile", |reduction| {
                    let config = QuantileLossConfig::new().with_quantiles(vec![0.1]);
                    RegressionLoss::from(config.with_reduction(reduction).init())
                }),
                regression("tukey", |reduction| {
                    let config = TukeyLossConfig::new().with_reduction(reduction);
                    RegressionLoss::from(config.init())
                }),
            ],
        ),
        row("ClassificationLoss", classification_family()),
        row(
            "DiceLoss",
            [
                of_logits_spatial("ids [N, C, 2]", Axes::ClassSecond, vec![], dice(dices())),
                of_logits_spatial(
                    "ids [N, 2, C], weights, ignored ids, no absent classes",
                    Axes::ClassLast,
                    vec![-100, 1],
                    move |reduction, classes| {
                        dices()
                            .with_weights(Some(class_weights(classes)))
                            .with_ignore_indices(vec![-100, 1])
                            .with_absent(AbsentClass::LeftOut)
                            .with_class_axis(2)
                            .with_reduction(reduction)
                            .init()
                    },
                ),
                of_masks(
                    "soft masks, the minimum, by sample",
                    Axes::ClassSecond,
                    Kind::Float,
                    dice(
                        dices()
                            .with_activation(Activation::Sigmoid)
                            .with_overlap(Overlap::Minimum)
                            .with_aggregation(Aggregation::Sample),
                    ),
                ),
                of_logits_spatial(
                    "ids, by class of the batch",
                    Axes::ClassSecond,
                    vec![],
                    dice(dices().with_aggregation(Aggregation::Class)),
                )
                .of_batch(),
            ],
        ),
        row(
            "JaccardLoss",
            [
                of_logits_spatial(
                    "ids [N, C, 2]",
                    Axes::ClassSecond,
                    vec![],
                    |reduction, _| JaccardLossConfig::new().with_reduction(reduction).init(),
                ),
                of_masks(
                    "bool masks, logarithm",
                    Axes::ClassLast,
                    Kind::Bool,
                    |reduction, _| {
                        JaccardLossConfig::new()
                            .with_activation(Activation::Sigmoid)
                            .with_log_loss(true)
                            .with_class_axis(2)
                            .with_reduction(reduction)
                            .init()
                    },
                ),
            ],
        ),
        row(
            "TverskyLoss",
            [of_logits_spatial(
                "ids [N, C, 2], focal",
                Axes::ClassSecond,
                vec![],
                |reduction, _| {
                    TverskyLossConfig::new()
                        .with_fp_weight(0.3)
                        .with_fn_weight(0.7)
                        .with_gamma(0.75)
                        .with_reduction(reduction)
                        .init()
                },
            )],
        ),
        row(
            "GeneralizedDiceLoss",
            [of_logits_spatial(
                "ids [N, C, 2]",
                Axes::ClassSecond,
                vec![],
                |reduction, _| {
                    GeneralizedDiceLossConfig::new()
                        .with_reduction(reduction)
                        .init()
                },
            )],
        ),
        row(
            "LovaszLoss",
            [
                of_logits_spatial(
                    "ids [N, C, 2], ignored ids, by sample",
                    Axes::ClassSecond,
                    vec![-100],
                    lovasz(
                        LovaszLossConfig::new()
                            .with_per_sample(true)
                            .with_ignore_index(-100),
                    ),
                ),
                of_masks(
                    "hinge, bool masks, by sample",
                    Axes::ClassLast,
                    Kind::Bool,
                    lovasz(
                        LovaszLossConfig::new()
                            .with_variant(LovaszVariant::Hinge)
                            .with_absent(AbsentClass::Smoothed)
                            .with_per_sample(true)
                            .with_class_axis(2),
                    ),
                ),
                of_logits_spatial(
                    "ids of the batch",
                    Axes::ClassSecond,
                    vec![],
                    lovasz(LovaszLossConfig::new()),
                )
                .of_batch(),
            ],
        ),
        row(
            "DiceCrossEntropyLoss",
            [
                of_logits_spatial(
                    "ids [N, C, 2]",
                    Axes::ClassSecond,
                    vec![],
                    |reduction, _| {
                        DiceCrossEntropyLossConfig::new()
                            .with_reduction(reduction)
                            .init()
                    },
                ),
                of_masks(
                    "bool masks, weights",
                    Axes::ClassSecond,
                    Kind::Bool,
                    move |reduction, classes| {
                        DiceCrossEntropyLossConfig::new()
                            .with_dice(dices().with_activation(Activation::Sigmoid))
                            .with_dice_weight(0.5)
                            .with_weights(Some(class_weights(classes)))
                            .with_reduction(reduction)
                            .init()
                    },
                ),
            ],
        ),
        row(
            "DiceFocalLoss",
            [
                of_logits_spatial(
                    "ids [N, 2, C]",
                    Axes::ClassLast,
                    vec![],
                    move |reduction, _| {
                        DiceFocalLossConfig::new()
                            .with_dice(dices().with_class_axis(2))
                            .with_reduction(reduction)
                            .init()
                    },
                ),
                of_masks(
                    "int masks",
                    Axes::ClassSecond,
                    Kind::Int,
                    move |reduction, _| {
                        DiceFocalLossConfig::new()
                            .with_dice(dices().with_activation(Activation::Sigmoid))
                            .with_focal_weight(20.0)
                            .with_reduction(reduction)
                            .init()
                    },
                ),
            ],
        ),
        row(
            "IouLoss",
            [of_boxes("edges", BoxFormat::Xyxy, |reduction| {
                IouLossConfig::new().with_reduction(reduction).init()
            })],
        ),
        row(
            "GiouLoss",
            [of_boxes("centres", BoxFormat::Cxcywh, |reduction| {
                GiouLossConfig::new()
                    .with_format(BoxFormat::Cxcywh)
                    .with_reduction(reduction)
                    .init()
            })],
        ),
        row(
            "DiouLoss",
            [of_boxes("corners", BoxFormat::Xywh, |reduction| {
                DiouLossConfig::new()
                    .with_format(BoxFormat::Xywh)
                    .with_reduction(reduction)
                    .init()
            })],
        ),
        row(
            "CiouLoss",
            [
                of_boxes("edges", BoxFormat::Xyxy, ciou(CiouLossConfig::new())),
                of_boxes(
                    "centres, shapes from an IoU of 0.5 on",
                    BoxFormat::Cxcywh,
                    ciou(
                        CiouLossConfig::new()
                            .with_aspect_gate(0.5)
                            .with_format(BoxFormat::Cxcywh),
                    ),
                ),
            ],
        ),
        row(
            "EiouLoss",
            [of_boxes("edges", BoxFormat::Xyxy, |reduction| {
                EiouLossConfig::new().with_reduction(reduction).init()
            })],
        ),
        row(
            "SiouLoss",
            [of_boxes("edges", BoxFormat::Xyxy, |reduction| {
                SiouLossConfig::new().with_reduction(reduction).init()
            })],
        ),
        row(
            "DistributionFocalLoss",
            [
                distribution_focal("an edge"),
                distribution_focal_3("[N, 2, bins]"),
            ],
        ),
        row(
            "LoadBalanceLoss",
            [
                load_balance_3(
                    "sequences, k = 2, ignored ids",
                    2,
                    balanced().with_ignore_indices(vec![-100, 1]),
                ),
                load_balance_3(
                    "sequences, k = 2, sigmoids, of tokens",
                    2,
                    balanced()
                        .with_activation(RouterActivation::Sigmoid)
                        .with_share(LoadShare::Tokens),
                ),
                load_balance_3(
                    "sequences, k = 1, probabilities, ignored ids",
                    1,
                    balanced()
                        .with_activation(RouterActivation::Probabilities)
                        .with_ignore_index(-100),
                ),
                load_balance("the batch, k = 1", 1, balanced()),
            ],
        ),
        row(
            "RouterZLoss",
            [router_z("rank 2"), router_z_3("[N, 2, experts]")],
        ),
    ]
}

fn row(loss: &'static str, variants: impl IntoIterator<Item = Variant>) -> Row {
    let variants = variants
        .into_iter()
        .map(|variant| Variant { loss, ..variant });
    Row {
        loss,
        variants: variants.collect(),
    }
}

/// What a class loss may be told besides its target.
#[derive(Clone, Debug, Default)]
pub struct ClassOptions {
    /// A weight per class; among them are zeros.
    pub weights: bool,
    pub smoothing: f64,
    /// A sample of the batch carries each of them now and then.
    pub ignored: Vec<i64>,
}

#[derive(Clone, Copy, Debug)]
pub enum Axes {
    ClassSecond,
    ClassLast,
}

impl Axes {
    fn class(self) -> usize {
        match self {
            Self::ClassSecond => 1,
            Self::ClassLast => 2,
        }
    }

    fn lay<K: Basic>(self, tensor: Tensor<2, K>) -> Tensor<3, K> {
        let [rows, columns] = tensor.dims();
        let classes = columns / PLACES;
        tensor.reshape(match self {
            Self::ClassSecond => [rows, classes, PLACES],
            Self::ClassLast => [rows, PLACES, classes],
        })
    }

    /// The row of each sample, as [`lay`](Self::lay) wants it, from a row for each of its places.
    fn join(self, places: Array) -> Array {
        let row = |data: &[f64]| {
            let of_sample = Array {
                rows: PLACES,
                columns: places.columns,
                data: data.to_vec(),
            };
            match self {
                Self::ClassSecond => of_sample.transposed().data,
                Self::ClassLast => of_sample.data,
            }
        };
        let columns = PLACES * places.columns;
        Array {
            rows: places.rows / PLACES,
            columns,
            data: places.data.chunks(columns).flat_map(row).collect(),
        }
    }
}

/// The places of a sample that each get a class, or have a vector, in the variants of rank 3.
const PLACES: usize = 2;

/// A vector at each place.
fn vectors(tensor: Tensor<2>) -> Tensor<3> {
    Axes::ClassLast.lay(tensor)
}

#[derive(Clone, Copy, Debug, Default)]
pub struct BinaryOptions {
    pub weights: bool,
    pub pos_weights: bool,
    pub smoothing: f64,
}

fn weights_and(smoothing: f64) -> BinaryOptions {
    BinaryOptions {
        weights: true,
        pos_weights: false,
        smoothing,
    }
}

/// Weights of classes, among them 0.
pub fn class_weights(classes: usize) -> Vec<f64> {
    (0..classes)
        .map(|class| ((class + 1) * 3 % 4) as f64 * 0.5)
        .collect()
}

/// The logarithms of what each class has of the data.
fn log_prior(classes: usize) -> Vec<f64> {
    let counts: Vec<u64> = (1..=classes as u64).collect();
    target::log_prior(&counts)
}

/// Margins of classes, among them 0.
fn class_margins(classes: usize) -> Vec<f64> {
    (0..classes).map(|class| (class % 3) as f64 * 0.3).collect()
}

// How each family is made, fed and called.

pub fn regression<L>(name: &str, make: impl Fn(Reduction) -> L + Send + Sync + 'static) -> Variant
where
    L: Call<(Tensor<2>, Tensor<2>), 2>,
{
    variant(
        name,
        two_arrays,
        move |reduction, _| make(reduction),
        |mut args| (args.input(), args.input()),
    )
}

pub fn regression_1<L>(name: &str, make: impl Fn(Reduction) -> L + Send + Sync + 'static) -> Variant
where
    L: Call<(Tensor<1>, Tensor<1>), 1>,
{
    let column = |rng: &mut StdRng, rows, _| two_arrays(rng, rows, 1);
    variant(
        name,
        column,
        move |reduction, _| make(reduction),
        |mut args| (flat(args.input()), flat(args.input())),
    )
    .at_least(1)
}

/// A column as a tensor of rank 1.
fn flat(column: Tensor<2>) -> Tensor<1> {
    column.squeeze_dim(1)
}

pub fn regression_4<L>(name: &str, make: impl Fn(Reduction) -> L + Send + Sync + 'static) -> Variant
where
    L: Call<(Tensor<4>, Tensor<4>), 4>,
{
    variant(
        name,
        two_arrays,
        move |reduction, _| make(reduction),
        |mut args| (deep(args.input()), deep(args.input())),
    )
    .reshaping()
}

/// A tensor as one of rank 4.
fn deep(tensor: Tensor<2>) -> Tensor<4> {
    let [rows, columns] = tensor.dims();
    tensor.reshape([rows, 1, columns, 1])
}

/// A loss of predicted and true amounts, all positive.
pub fn of_amounts<L>(name: &str, make: impl Fn(Reduction) -> L + Send + Sync + 'static) -> Variant
where
    L: Call<(Tensor<2>, Tensor<2>), 2>,
{
    variant(
        name,
        |rng, rows, columns| Batch {
            inputs: vec![
                uniform(rng, rows, columns, 0.1, 4.0),
                uniform(rng, rows, columns, 0.1, 4.0),
            ],
            target: None,
        },
        move |reduction, _| make(reduction),
        |mut args| (args.input(), args.input()),
    )
}

/// A loss of the logarithms of means, and positive amounts.
pub fn of_log_means<L>(name: &str, make: impl Fn(Reduction) -> L + Send + Sync + 'static) -> Variant
where
    L: Call<(Tensor<2>, Tensor<2>), 2>,
{
    variant(
        name,
        |rng, rows, columns| Batch {
            inputs: vec![
                normal(rng, rows, columns),
                uniform(rng, rows, columns, 0.1, 4.0),
            ],
            target: None,
        },
        move |reduction, _| make(reduction),
        |mut args| (args.input(), args.input()),
    )
}

/// A loss of predictions, their scale, and true values, which may have to be positive.
pub fn of_scale<L>(
    name: &str,
    positive: bool,
    make: impl Fn(Reduction) -> L + Send + Sync + 'static,
) -> Variant
where
    L: Call<(Tensor<2>, Tensor<2>, Tensor<2>), 2>,
{
    variant(
        name,
        move |rng, rows, columns| Batch {
            inputs: vec![
                normal(rng, rows, columns),
                uniform(rng, rows, columns, 0.2, 2.0),
                match positive {
                    true => uniform(rng, rows, columns, 0.1, 4.0),
                    false => normal(rng, rows, columns),
                },
            ],
            target: None,
        },
        move |reduction, _| make(reduction),
        |mut args| (args.input(), args.input(), args.input()),
    )
}

/// Of positive numbers, whichever they are, and counts.
pub fn negative_binomial(name: &str, kind: Kind, config: NegativeBinomialNllLossConfig) -> Variant {
    let sample = move |rng: &mut StdRng, rows, columns| {
        let counted = counted(rng, rows, columns, kind, false);
        counted.and(uniform(rng, rows, columns, 0.2, 2.0))
    };
    let make = move |reduction, _| config.clone().with_reduction(reduction).init();
    match kind {
        Kind::Int => variant(name, sample, make, |mut args| {
            (args.input(), args.input(), args.ints())
        }),
        _ => variant(name, sample, make, |mut args| {
            (args.input(), args.input(), args.floats())
        }),
    }
}

/// A loss of counts and their rates, or the logarithms of the rates.
pub fn of_counts<L>(
    name: &str,
    kind: Kind,
    log_input: bool,
    make: impl Fn(Reduction, usize) -> L + Send + Sync + 'static,
) -> Variant
where
    L: Call<(Tensor<2>, Tensor<2>), 2>,
{
    variant(
        name,
        move |rng, rows, columns| counted(rng, rows, columns, kind, log_input),
        make,
        |mut args| (args.input(), args.floats()),
    )
}

/// The counts are of floats or ints.
pub fn poisson_nll(name: &str, kind: Kind, config: PoissonNllLossConfig) -> Variant {
    let log_input = config.log_input;
    let make = move |reduction, _| config.clone().with_reduction(reduction).init();
    match kind {
        Kind::Int => variant(
            name,
            move |rng, rows, columns| counted(rng, rows, columns, kind, log_input),
            make,
            |mut args| (args.input(), args.ints()),
        ),
        _ => of_counts(name, kind, log_input, make),
    }
}

/// What has a variance of its own.
#[derive(Clone, Copy, Debug)]
pub enum Variances {
    Elements,
    /// One for each row, of rank 1.
    Rows,
    /// The same, of rank 2.
    Columns,
    /// Nothing: it is known.
    Number(f64),
}

pub fn gaussian_nll(name: &str, variances: Variances, config: GaussianNllLossConfig) -> Variant {
    let make = move |reduction, _| config.clone().with_reduction(reduction).init();
    let of_rows = |rng: &mut StdRng, rows, columns| spread(rng, rows, columns, 1);
    match variances {
        Variances::Elements => variant(
            name,
            |rng, rows, columns| spread(rng, rows, columns, columns),
            make,
            |mut args| (args.input(), args.input(), args.input()),
        ),
        Variances::Rows => variant(name, of_rows, make, |mut args| {
            (args.input(), args.input(), flat(args.input()))
        })
        .at_least(1),
        Variances::Columns => variant(name, of_rows, make, |mut args| {
            (args.input(), args.input(), args.input())
        })
        .at_least(1),
        Variances::Number(variance) => variant(name, two_arrays, make, move |mut args| {
            (args.input(), args.input(), variance)
        }),
    }
}

/// The same with a variance for each of the rows of a sample.
pub fn gaussian_nll_3(name: &str, config: GaussianNllLossConfig) -> Variant {
    variant(
        name,
        |rng, rows, columns| spread(rng, rows, PLACES * columns, PLACES),
        move |reduction, _| config.clone().with_reduction(reduction).init(),
        |mut args| (vectors(args.input()), vectors(args.input()), args.input()),
    )
    .reshaping()
}

pub fn nll_config(options: &ClassOptions, classes: usize) -> NllLossConfig {
    NllLossConfig::new()
        .with_weights(options.weights.then(|| class_weights(classes)))
        .with_ignore_indices(options.ignored.clone())
}

pub fn nll(name: &str, options: ClassOptions) -> Variant {
    let ignored = options.ignored.clone();
    variant(
        name,
        move |rng, rows, classes| Batch {
            inputs: vec![log_probs(rng, rows, classes)],
            target: Some((Kind::Int, ids(rng, rows, 1, classes, &ignored))),
        },
        move |reduction, classes| {
            nll_config(&options, classes)
                .with_reduction(reduction)
                .init()
        },
        |mut args| (args.input(), args.ids()),
    )
    .at_least(2)
}

pub fn nll_spatial(name: &str, axes: Axes, options: ClassOptions) -> Variant {
    let ignored = options.ignored.clone();
    variant(
        name,
        // Each value of a row is a possible log-probability; that they sum to 1 is not required.
        move |rng, rows, classes| Batch {
            inputs: vec![log_probs(rng, rows, PLACES * classes)],
            target: Some((Kind::Int, ids(rng, rows, PLACES, classes, &ignored))),
        },
        move |reduction, columns| {
            nll_config(&options, columns / PLACES)
                .with_class_axis(axes.class())
                .with_reduction(reduction)
                .init()
        },
        move |mut args| (axes.lay(args.input()), args.ints()),
    )
    .at_least(2)
    .reshaping()
}

pub fn cross_entropy_config(options: &ClassOptions, classes: usize) -> CrossEntropyLossConfig {
    CrossEntropyLossConfig::new()
        .with_weights(options.weights.then(|| class_weights(classes)))
        .with_ignore_indices(options.ignored.clone())
        .with_label_smoothing(options.smoothing)
}

/// A loss of logits and class ids, made for a number of classes.
pub fn of_logits<L>(
    name: &str,
    ignored: Vec<i64>,
    make: impl Fn(Reduction, usize) -> L + Send + Sync + 'static,
) -> Variant
where
    L: Call<(Tensor<2>, Tensor<1, Int>), 1>,
{
    variant(
        name,
        move |rng, rows, classes| Batch {
            inputs: vec![normal(rng, rows, classes)],
            target: Some((Kind::Int, ids(rng, rows, 1, classes, &ignored))),
        },
        make,
        |mut args| (args.input(), args.ids()),
    )
    .at_least(2)
}

/// The same, with several places in a sample.
pub fn of_logits_spatial<L, const K: usize>(
    name: &str,
    axes: Axes,
    ignored: Vec<i64>,
    make: impl Fn(Reduction, usize) -> L + Send + Sync + 'static,
) -> Variant
where
    L: Call<(Tensor<3>, Tensor<2, Int>), K>,
{
    variant(
        name,
        move |rng, rows, classes| Batch {
            inputs: vec![normal(rng, rows, PLACES * classes)],
            target: Some((Kind::Int, ids(rng, rows, PLACES, classes, &ignored))),
        },
        move |reduction, columns| make(reduction, columns / PLACES),
        move |mut args| (axes.lay(args.input()), args.ints()),
    )
    .at_least(2)
    .reshaping()
}

pub fn cross_entropy(name: &str, options: ClassOptions) -> Variant {
    cross_entropy_with(name, options, |config, _| config)
}

/// With a configuration that is changed, for a number of classes.
pub fn cross_entropy_with(
    name: &str,
    options: ClassOptions,
    change: impl Fn(CrossEntropyLossConfig, usize) -> CrossEntropyLossConfig + Send + Sync + 'static,
) -> Variant {
    let ignored = options.ignored.clone();
    of_logits(name, ignored, move |reduction, classes| {
        let config = change(cross_entropy_config(&options, classes), classes);
        config.with_reduction(reduction).init()
    })
}

pub fn cross_entropy_probs(name: &str, options: ClassOptions) -> Variant {
    cross_entropy_probs_with(name, options, |config, _| config)
}

fn cross_entropy_probs_with(
    name: &str,
    options: ClassOptions,
    change: impl Fn(CrossEntropyLossConfig, usize) -> CrossEntropyLossConfig + Send + Sync + 'static,
) -> Variant {
    variant(
        name,
        |rng, rows, classes| Batch {
            inputs: vec![normal(rng, rows, classes)],
            target: Some((Kind::Float, log_probs(rng, rows, classes).map(f64::exp))),
        },
        move |reduction, classes| {
            let config = change(cross_entropy_config(&options, classes), classes);
            config.with_reduction(reduction).init()
        },
        |mut args| (args.input(), args.floats()),
    )
    .at_least(2)
}

fn cross_entropy_probs_spatial(
    name: &str,
    axes: Axes,
    options: ClassOptions,
    change: impl Fn(CrossEntropyLossConfig, usize) -> CrossEntropyLossConfig + Send + Sync + 'static,
) -> Variant {
    variant(
        name,
        move |rng, rows, classes| {
            let probs = log_probs(rng, rows * PLACES, classes).map(f64::exp);
            Batch {
                inputs: vec![normal(rng, rows, PLACES * classes)],
                target: Some((Kind::Float, axes.join(probs))),
            }
        },
        move |reduction, columns| {
            let classes = columns / PLACES;
            change(cross_entropy_config(&options, classes), classes)
                .with_class_axis(axes.class())
                .with_reduction(reduction)
                .init()
        },
        move |mut args| (axes.lay(args.input()), axes.lay(args.floats())),
    )
    .at_least(2)
    .reshaping()
}

pub fn cross_entropy_spatial(name: &str, axes: Axes, options: ClassOptions) -> Variant {
    cross_entropy_spatial_with(name, axes, options, |config, _| config)
}

fn cross_entropy_spatial_with(
    name: &str,
    axes: Axes,
    options: ClassOptions,
    change: impl Fn(CrossEntropyLossConfig, usize) -> CrossEntropyLossConfig + Send + Sync + 'static,
) -> Variant {
    let ignored = options.ignored.clone();
    of_logits_spatial(name, axes, ignored, move |reduction, classes| {
        change(cross_entropy_config(&options, classes), classes)
            .with_class_axis(axes.class())
            .with_reduction(reduction)
            .init()
    })
}

fn of_prior(config: CrossEntropyLossConfig, classes: usize) -> CrossEntropyLossConfig {
    let config = config.with_log_prior(Some(log_prior(classes)));
    config.with_tau(1.5)
}

fn of_margins(config: CrossEntropyLossConfig, classes: usize) -> CrossEntropyLossConfig {
    let config = config.with_margins(Some(class_margins(classes)));
    config.with_logit_scale(1.5)
}

/// All that is done to logits.
fn adjusted(config: CrossEntropyLossConfig, classes: usize) -> CrossEntropyLossConfig {
    of_margins(of_prior(config, classes), classes).with_softcap(Some(2.5))
}

fn with_square(config: CrossEntropyLossConfig, _: usize) -> CrossEntropyLossConfig {
    config.with_z_loss(0.05)
}

/// All that there is for a target of probabilities.
fn of_probs(config: CrossEntropyLossConfig, classes: usize) -> CrossEntropyLossConfig {
    with_square(of_prior(config, classes), classes)
        .with_logit_scale(1.5)
        .with_softcap(Some(2.5))
}

fn focal_config(gamma: f64, options: &ClassOptions, classes: usize) -> FocalLossConfig {
    FocalLossConfig::new()
        .with_gamma(gamma)
        .with_alpha(options.weights.then(|| class_weights(classes)))
        .with_ignore_indices(options.ignored.clone())
}

pub fn focal(name: &str, gamma: f64, options: ClassOptions) -> Variant {
    focal_with(name, gamma, options, |config, _| config)
}

/// With a configuration that is changed, for a number of classes.
fn focal_with(
    name: &str,
    gamma: f64,
    options: ClassOptions,
    change: impl Fn(FocalLossConfig, usize) -> FocalLossConfig + Send + Sync + 'static,
) -> Variant {
    let ignored = options.ignored.clone();
    of_logits(name, ignored, move |reduction, classes| {
        let config = change(focal_config(gamma, &options, classes), classes);
        config.with_reduction(reduction).init()
    })
}

fn focal_spatial(name: &str, axes: Axes, options: ClassOptions) -> Variant {
    focal_spatial_with(name, axes, options, |config, _| config)
}

fn focal_spatial_with(
    name: &str,
    axes: Axes,
    options: ClassOptions,
    change: impl Fn(FocalLossConfig, usize) -> FocalLossConfig + Send + Sync + 'static,
) -> Variant {
    let ignored = options.ignored.clone();
    of_logits_spatial(name, axes, ignored, move |reduction, classes| {
        change(focal_config(2.0, &options, classes), classes)
            .with_class_axis(axes.class())
            .with_reduction(reduction)
            .init()
    })
}

/// All that is done to logits.
fn adjusted_focal(config: FocalLossConfig, classes: usize) -> FocalLossConfig {
    config
        .with_log_prior(Some(log_prior(classes)))
        .with_tau(1.5)
        .with_margins(Some(class_margins(classes)))
        .with_logit_scale(1.5)
        .with_softcap(Some(2.5))
}

fn poly1_config(
    config: &Poly1LossConfig,
    options: &ClassOptions,
    classes: usize,
) -> Poly1LossConfig {
    let config = config.clone();
    config
        .with_weights(options.weights.then(|| class_weights(classes)))
        .with_ignore_indices(options.ignored.clone())
}

pub fn poly1_of(name: &str, options: ClassOptions, config: Poly1LossConfig) -> Variant {
    let ignored = options.ignored.clone();
    of_logits(name, ignored, move |reduction, classes| {
        let config = poly1_config(&config, &options, classes);
        config.with_reduction(reduction).init()
    })
}

fn poly1_spatial(
    name: &str,
    axes: Axes,
    options: ClassOptions,
    config: Poly1LossConfig,
) -> Variant {
    let ignored = options.ignored.clone();
    of_logits_spatial(name, axes, ignored, move |reduction, classes| {
        poly1_config(&config, &options, classes)
            .with_class_axis(axes.class())
            .with_reduction(reduction)
            .init()
    })
}

/// The members of the family, each with the options that matter to what it puts in between.
fn classification_family() -> Vec<Variant> {
    let family = |loss: ClassificationLoss| loss;
    vec![
        of_logits("cross_entropy", vec![-100], move |reduction, _| {
            let config = CrossEntropyLossConfig::new().with_ignore_index(-100);
            family(config.with_reduction(reduction).init().into())
        }),
        of_logits("focal", vec![1], move |reduction, classes| {
            let config = FocalLossConfig::new().with_ignore_index(1);
            let config = config.with_alpha(Some(class_weights(classes)));
            family(config.with_reduction(reduction).init().into())
        }),
        of_logits("nll", vec![1], move |reduction, classes| {
            let config = NllLossConfig::new().with_ignore_index(1);
            let config = config.with_weights(Some(class_weights(classes)));
            family(config.with_reduction(reduction).init().into())
        }),
        of_logits("bce_with_logits", vec![], move |reduction, classes| {
            let config = BceWithLogitsLossConfig::new().with_label_smoothing(0.1);
            let config = config.with_pos_weights(Some(class_weights(classes)));
            family(config.with_reduction(reduction).init().into())
        }),
        of_logits("bce", vec![], move |reduction, classes| {
            let config = BceLossConfig::new().with_weights(Some(class_weights(classes)));
            family(config.with_reduction(reduction).init().into())
        }),
        of_logits("kl_div", vec![], move |reduction, _| {
            let config = KlDivLossConfig::new();
            family(config.with_reduction(reduction).init().into())
        }),
        of_logits("kl_div of logarithms", vec![], move |reduction, _| {
            let config = KlDivLossConfig::new().with_log_target(true);
            family(config.with_reduction(reduction).init().into())
        }),
        of_logits("multi_margin", vec![], move |reduction, classes| {
            let config = MultiMarginLossConfig::new().with_p(2);
            let config = config.with_weights(Some(class_weights(classes)));
            family(config.with_reduction(reduction).init().into())
        }),
        of_logits("soft_margin", vec![], move |reduction, _| {
            let config = SoftMarginLossConfig::new();
            family(config.with_reduction(reduction).init().into())
        }),
        of_logits("multi_label_margin", vec![], move |reduction, _| {
            let config = MultiLabelMarginLossConfig::new();
            family(config.with_reduction(reduction).init().into())
        }),
        of_logits("multi_label_soft_margin", vec![], {
            move |reduction, classes| {
                let config = MultiLabelSoftMarginLossConfig::new();
                let config = config.with_weights(Some(class_weights(classes)));
                family(config.with_reduction(reduction).init().into())
            }
        }),
        of_logits_spatial("bce_with_logits, [N, C, 2]", Axes::ClassSecond, vec![], {
            move |reduction, _| {
                let config = BceWithLogitsLossConfig::new();
                family(config.with_reduction(reduction).init().into())
            }
        }),
        of_logits_spatial("kl_div, [N, 2, C]", Axes::ClassLast, vec![], {
            move |reduction, _| {
                let config = KlDivLossConfig::new().with_class_axis(Some(2));
                family(config.with_reduction(reduction).init().into())
            }
        }),
        of_logits_spatial("soft_margin, [N, C, 2]", Axes::ClassSecond, vec![], {
            move |reduction, _| {
                let config = SoftMarginLossConfig::new();
                family(config.with_reduction(reduction).init().into())
            }
        }),
        of_logits_spatial("multi_label_margin, [N, 2, C]", Axes::ClassLast, vec![], {
            move |reduction, _| {
                let config = MultiLabelMarginLossConfig::new().with_class_axis(2);
                family(config.with_reduction(reduction).init().into())
            }
        }),
    ]
}

/// Stamps the variants whose target is of any of several kinds: the call is the same for each, its
/// type is not. What follows the inputs is done to the target.
macro_rules! of_kind {
    ($name:expr, $kind:expr, $sample:expr, $make:expr, [$($input:ident),*] $($change:tt)*) => {
        match $kind {
            Kind::Float => variant($name, $sample, $make, |mut args: Args| {
                $(let $input = args.input();)*
                ($($input,)* args.floats() $($change)*)
            }),
            Kind::Int => variant($name, $sample, $make, |mut args: Args| {
                $(let $input = args.input();)*
                ($($input,)* args.ints() $($change)*)
            }),
            Kind::Bool => variant($name, $sample, $make, |mut args: Args| {
                $(let $input = args.input();)*
                ($($input,)* args.bools() $($change)*)
            }),
        }
    };
}

/// A loss of logits and labels.
pub fn binary<L>(
    name: &str,
    kind: Kind,
    make: impl Fn(Reduction) -> L + Send + Sync + 'static,
) -> Variant
where
    L: Call<(Tensor<2>, Tensor<2>), 2>
        + Call<(Tensor<2>, Tensor<2, Int>), 2>
        + Call<(Tensor<2>, Tensor<2, Bool>), 2>,
{
    let sample = move |rng: &mut StdRng, rows, columns| Batch {
        inputs: vec![normal(rng, rows, columns)],
        target: Some((kind, labels(rng, rows, columns, kind))),
    };
    let make = move |reduction, _| make(reduction);
    of_kind!(name, kind, sample, make, [logits])
}

pub fn bce(name: &str, kind: Kind, options: BinaryOptions) -> Variant {
    let sample = move |rng: &mut StdRng, rows, columns| Batch {
        inputs: vec![uniform(rng, rows, columns, 0.05, 0.95)],
        target: Some((kind, labels(rng, rows, columns, kind))),
    };
    let make = move |reduction, columns| {
        BceLossConfig::new()
            .with_weights(options.weights.then(|| class_weights(columns)))
            .with_label_smoothing(options.smoothing)
            .with_reduction(reduction)
            .init()
    };
    of_kind!(name, kind, sample, make, [probs]).at_least(usize::from(options.weights))
}

pub fn bce_with_logits(name: &str, kind: Kind, options: BinaryOptions) -> Variant {
    let sample = move |rng: &mut StdRng, rows, columns| Batch {
        inputs: vec![normal(rng, rows, columns)],
        target: Some((kind, labels(rng, rows, columns, kind))),
    };
    let make = move |reduction, columns| {
        BceWithLogitsLossConfig::new()
            .with_weights(options.weights.then(|| class_weights(columns)))
            .with_pos_weights(options.pos_weights.then(|| vec![1.7; columns]))
            .with_label_smoothing(options.smoothing)
            .with_reduction(reduction)
            .init()
    };
    let weights = options.weights || options.pos_weights;
    of_kind!(name, kind, sample, make, [logits]).at_least(usize::from(weights))
}

pub fn soft_margin(name: &str, kind: Kind) -> Variant {
    let sample = move |rng: &mut StdRng, rows, columns| Batch {
        inputs: vec![normal(rng, rows, columns)],
        target: Some((kind, signs(rng, rows, columns, kind))),
    };
    let make = |reduction, _| SoftMarginLossConfig::new().with_reduction(reduction).init();
    of_kind!(name, kind, sample, make, [logits])
}

pub fn multi_margin(name: &str, weights: bool, config: MultiMarginLossConfig) -> Variant {
    of_logits(name, vec![], move |reduction, classes| {
        let weights = weights.then(|| class_weights(classes));
        let config = config.clone().with_weights(weights);
        config.with_reduction(reduction).init()
    })
}

pub fn multi_margin_spatial(
    name: &str,
    axes: Axes,
    weights: bool,
    config: MultiMarginLossConfig,
) -> Variant {
    of_logits_spatial(name, axes, vec![], move |reduction, classes| {
        let weights = weights.then(|| class_weights(classes));
        let config = config.clone().with_weights(weights);
        config
            .with_class_axis(axes.class())
            .with_reduction(reduction)
            .init()
    })
}

pub fn multi_label_margin(name: &str) -> Variant {
    variant(
        name,
        |rng, rows, classes| Batch {
            inputs: vec![normal(rng, rows, classes)],
            target: Some((Kind::Int, label_ids(rng, rows, classes))),
        },
        |reduction, _| {
            MultiLabelMarginLossConfig::new()
                .with_reduction(reduction)
                .init()
        },
        |mut args| (args.input(), args.ints()),
    )
    .at_least(2)
}

pub fn multi_label_margin_spatial(name: &str, axes: Axes) -> Variant {
    variant(
        name,
        move |rng, rows, classes| Batch {
            inputs: vec![normal(rng, rows, PLACES * classes)],
            target: Some((Kind::Int, axes.join(label_ids(rng, rows * PLACES, classes)))),
        },
        move |reduction, _| {
            MultiLabelMarginLossConfig::new()
                .with_class_axis(axes.class())
                .with_reduction(reduction)
                .init()
        },
        move |mut args| (axes.lay(args.input()), axes.lay(args.ints())),
    )
    .at_least(2)
    .reshaping()
}

fn multi_label_soft_margin_config(weights: bool, classes: usize) -> MultiLabelSoftMarginLossConfig {
    MultiLabelSoftMarginLossConfig::new().with_weights(weights.then(|| class_weights(classes)))
}

pub fn multi_label_soft_margin(name: &str, kind: Kind, weights: bool) -> Variant {
    let sample = move |rng: &mut StdRng, rows, columns| Batch {
        inputs: vec![normal(rng, rows, columns)],
        target: Some((kind, labels(rng, rows, columns, kind))),
    };
    let make = move |reduction, classes| {
        let config = multi_label_soft_margin_config(weights, classes);
        config.with_reduction(reduction).init()
    };
    of_kind!(name, kind, sample, make, [logits]).at_least(2)
}

pub fn multi_label_soft_margin_spatial(name: &str, axes: Axes, weights: bool) -> Variant {
    variant(
        name,
        |rng, rows, classes| Batch {
            inputs: vec![normal(rng, rows, PLACES * classes)],
            target: Some((
                Kind::Float,
                labels(rng, rows, PLACES * classes, Kind::Float),
            )),
        },
        move |reduction, columns| {
            multi_label_soft_margin_config(weights, columns / PLACES)
                .with_class_axis(axes.class())
                .with_reduction(reduction)
                .init()
        },
        move |mut args| (axes.lay(args.input()), axes.lay(args.floats())),
    )
    .at_least(2)
    .reshaping()
}

pub fn hinge_embedding(name: &str, kind: Kind, margin: f64) -> Variant {
    let sample = move |rng: &mut StdRng, rows, columns| Batch {
        inputs: vec![uniform(rng, rows, columns, 0.0, 2.0 * margin)],
        target: Some((kind, signs(rng, rows, columns, kind))),
    };
    let make = move |reduction, _| {
        HingeEmbeddingLossConfig::new()
            .with_margin(margin)
            .with_reduction(reduction)
            .init()
    };
    of_kind!(name, kind, sample, make, [distances])
}

pub fn margin_ranking(name: &str, kind: Kind, margin: f64) -> Variant {
    let sample = move |rng: &mut StdRng, rows, columns| Batch {
        target: Some((kind, signs(rng, rows, columns, kind))),
        ..two_arrays(rng, rows, columns)
    };
    let make = move |reduction, _| {
        MarginRankingLossConfig::new()
            .with_margin(margin)
            .with_reduction(reduction)
            .init()
    };
    of_kind!(name, kind, sample, make, [first, second])
}

pub fn cosine_embedding(name: &str, kind: Kind, margin: f64) -> Variant {
    let sample = move |rng: &mut StdRng, rows, columns| Batch {
        target: Some((kind, signs(rng, rows, 1, kind))),
        ..two_arrays(rng, rows, columns)
    };
    let make = move |reduction, _| {
        CosineEmbeddingLossConfig::new()
            .with_margin(margin)
            .with_reduction(reduction)
            .init()
    };
    of_kind!(
        name,
        kind,
        sample,
        make,
        [first, second].squeeze_dim::<1>(1)
    )
    .at_least(2)
}

pub fn cosine_embedding_3(name: &str, margin: f64) -> Variant {
    variant(
        name,
        |rng, rows, columns| Batch {
            target: Some((Kind::Int, signs(rng, rows, PLACES, Kind::Int))),
            ..two_arrays(rng, rows, PLACES * columns)
        },
        move |reduction, _| {
            CosineEmbeddingLossConfig::new()
                .with_margin(margin)
                .with_reduction(reduction)
                .init()
        },
        |mut args| (vectors(args.input()), vectors(args.input()), args.ints()),
    )
    .at_least(2)
    .reshaping()
}

/// A loss of an anchor, a positive and a negative.
pub fn triplets<L>(name: &str, make: impl Fn(Reduction) -> L + Send + Sync + 'static) -> Variant
where
    L: Call<(Tensor<2>, Tensor<2>, Tensor<2>), 1>,
{
    variant(
        name,
        three_arrays,
        move |reduction, _| make(reduction),
        |mut args| (args.input(), args.input(), args.input()),
    )
    .at_least(1)
}

/// The same, with several places in a sample.
pub fn triplets_3<L>(name: &str, make: impl Fn(Reduction) -> L + Send + Sync + 'static) -> Variant
where
    L: Call<(Tensor<3>, Tensor<3>, Tensor<3>), 2>,
{
    variant(
        name,
        |rng, rows, columns| three_arrays(rng, rows, PLACES * columns),
        move |reduction, _| make(reduction),
        |mut args| {
            let [anchor, positive] = [vectors(args.input()), vectors(args.input())];
            (anchor, positive, vectors(args.input()))
        },
    )
    .at_least(1)
    .reshaping()
}

pub fn triplet_margin(name: &str, config: TripletMarginLossConfig) -> Variant {
    triplets(name, move |reduction| {
        config.clone().with_reduction(reduction).init()
    })
}

pub fn triplet_margin_3(name: &str, config: TripletMarginLossConfig) -> Variant {
    triplets_3(name, move |reduction| {
        config.clone().with_reduction(reduction).init()
    })
}

pub fn triplet_margin_with_distance(
    name: &str,
    config: TripletMarginWithDistanceLossConfig,
) -> Variant {
    let least = components(&config.distance);
    triplets(name, move |reduction| {
        config.clone().with_reduction(reduction).init()
    })
    .at_least(least)
}

pub fn triplet_margin_with_distance_3(
    name: &str,
    config: TripletMarginWithDistanceLossConfig,
) -> Variant {
    let least = components(&config.distance);
    triplets_3(name, move |reduction| {
        config.clone().with_reduction(reduction).init()
    })
    .at_least(least)
}

/// The fewest components of vectors that can be any distance apart.
fn components(distance: &Distance) -> usize {
    match distance {
        Distance::Cosine => 2,
        _ => 1,
    }
}

pub fn kl_div(name: &str, config: KlDivLossConfig) -> Variant {
    let log_target = config.log_target;
    variant(
        name,
        move |rng, rows, columns| {
            let target = log_probs(rng, rows, columns);
            Batch {
                inputs: vec![log_probs(rng, rows, columns)],
                target: Some((
                    Kind::Float,
                    match log_target {
                        true => target,
                        false => target.map(f64::exp),
                    },
                )),
            }
        },
        move |reduction, _| config.clone().with_reduction(reduction).init(),
        |mut args| (args.input(), args.floats()),
    )
}

/// A loss of the logits of a student and a teacher.
pub fn two_logits<L>(name: &str, make: impl Fn(Reduction) -> L + Send + Sync + 'static) -> Variant
where
    L: Call<(Tensor<2>, Tensor<2>), 1>,
{
    variant(
        name,
        two_arrays,
        move |reduction, _| make(reduction),
        |mut args| (args.input(), args.input()),
    )
    .at_least(2)
}

/// The same, with several places in a sample.
fn two_logits_spatial<L>(
    name: &str,
    axes: Axes,
    make: impl Fn(Reduction) -> L + Send + Sync + 'static,
) -> Variant
where
    L: Call<(Tensor<3>, Tensor<3>), 2>,
{
    variant(
        name,
        |rng, rows, classes| two_arrays(rng, rows, PLACES * classes),
        move |reduction, _| make(reduction),
        move |mut args| (axes.lay(args.input()), axes.lay(args.input())),
    )
    .at_least(2)
    .reshaping()
}

/// The logits of a teacher and then the class ids are the target.
pub fn distillation(name: &str, ignored: Vec<i64>, config: DistillationLossConfig) -> Variant {
    let config = config.with_ignore_indices(ignored.clone());
    variant(
        name,
        move |rng, rows, classes| Batch {
            inputs: vec![normal(rng, rows, classes)],
            target: beside([
                normal(rng, rows, classes),
                ids(rng, rows, 1, classes, &ignored),
            ]),
        },
        move |reduction, _| config.clone().with_reduction(reduction).init(),
        |mut args| {
            let student = args.input();
            let (teacher, ids) = args.split(student.dims()[1]);
            (student, teacher, ids.squeeze_dim::<1>(1).int())
        },
    )
    .at_least(2)
}

fn distillation_spatial(
    name: &str,
    axes: Axes,
    ignored: Vec<i64>,
    config: DistillationLossConfig,
) -> Variant {
    let config = config
        .with_ignore_indices(ignored.clone())
        .with_class_axis(axes.class());
    variant(
        name,
        move |rng, rows, classes| Batch {
            inputs: vec![normal(rng, rows, PLACES * classes)],
            target: beside([
                normal(rng, rows, PLACES * classes),
                ids(rng, rows, PLACES, classes, &ignored),
            ]),
        },
        move |reduction, _| config.clone().with_reduction(reduction).init(),
        move |mut args| {
            let student = args.input();
            let (teacher, ids) = args.split(student.dims()[1]);
            (axes.lay(student), axes.lay(teacher), ids.int())
        },
    )
    .at_least(2)
    .reshaping()
}

/// A loss of a logit for each threshold between ranks, and ranks.
fn of_thresholds<L>(
    name: &str,
    make: impl Fn(Reduction, usize) -> L + Send + Sync + 'static,
) -> Variant
where
    L: Call<(Tensor<2>, Tensor<1, Int>), 1>,
{
    variant(
        name,
        |rng, rows, thresholds| Batch {
            inputs: vec![normal(rng, rows, thresholds)],
            target: Some((Kind::Int, ids(rng, rows, 1, thresholds + 1, &[]))),
        },
        make,
        |mut args| (args.input(), args.ids()),
    )
    .at_least(1)
}

/// The same, with several places in a sample.
fn of_thresholds_spatial<L>(
    name: &str,
    axes: Axes,
    make: impl Fn(Reduction, usize) -> L + Send + Sync + 'static,
) -> Variant
where
    L: Call<(Tensor<3>, Tensor<2, Int>), 2>,
{
    variant(
        name,
        |rng, rows, thresholds| Batch {
            inputs: vec![normal(rng, rows, PLACES * thresholds)],
            target: Some((Kind::Int, ids(rng, rows, PLACES, thresholds + 1, &[]))),
        },
        move |reduction, columns| make(reduction, columns / PLACES),
        move |mut args| (axes.lay(args.input()), args.ints()),
    )
    .at_least(1)
    .reshaping()
}

fn coral_config(weights: bool, thresholds: usize) -> CoralLossConfig {
    CoralLossConfig::new().with_importance_weights(weights.then(|| class_weights(thresholds)))
}

pub fn coral(name: &str, weights: bool) -> Variant {
    of_thresholds(name, move |reduction, thresholds| {
        let config = coral_config(weights, thresholds);
        config.with_reduction(reduction).init()
    })
}

fn coral_spatial(name: &str, axes: Axes, weights: bool) -> Variant {
    of_thresholds_spatial(name, axes, move |reduction, thresholds| {
        coral_config(weights, thresholds)
            .with_class_axis(axes.class())
            .with_reduction(reduction)
            .init()
    })
}

pub fn corn(name: &str) -> Variant {
    of_thresholds(name, |reduction, _| {
        CornLossConfig::new().with_reduction(reduction).init()
    })
}

fn corn_spatial(name: &str, axes: Axes) -> Variant {
    of_thresholds_spatial(name, axes, move |reduction, _| {
        CornLossConfig::new()
            .with_class_axis(axes.class())
            .with_reduction(reduction)
            .init()
    })
}

pub fn earth_mover(name: &str) -> Variant {
    of_logits(name, vec![], |reduction, _| {
        EarthMoverLossConfig::new().with_reduction(reduction).init()
    })
}

fn earth_mover_spatial(name: &str, axes: Axes) -> Variant {
    of_logits_spatial(name, axes, vec![], move |reduction, _| {
        EarthMoverLossConfig::new()
            .with_class_axis(axes.class())
            .with_reduction(reduction)
            .init()
    })
}

/// A loss of logits with several places in a sample, and a mask for each class.
pub fn of_masks<L, const K: usize>(
    name: &str,
    axes: Axes,
    kind: Kind,
    make: impl Fn(Reduction, usize) -> L + Send + Sync + 'static,
) -> Variant
where
    L: Call<(Tensor<3>, Tensor<3>), K>
        + Call<(Tensor<3>, Tensor<3, Int>), K>
        + Call<(Tensor<3>, Tensor<3, Bool>), K>,
{
    let sample = move |rng: &mut StdRng, rows, classes: usize| Batch {
        inputs: vec![normal(rng, rows, PLACES * classes)],
        target: Some((kind, labels(rng, rows, PLACES * classes, kind))),
    };
    let make = move |reduction, columns: usize| make(reduction, columns / PLACES);
    match kind {
        Kind::Float => variant(name, sample, make, move |mut args| {
            (axes.lay(args.input()), axes.lay(args.floats()))
        }),
        Kind::Int => variant(name, sample, make, move |mut args| {
            (axes.lay(args.input()), axes.lay(args.ints()))
        }),
        Kind::Bool => variant(name, sample, make, move |mut args| {
            (axes.lay(args.input()), axes.lay(args.bools()))
        }),
    }
    .at_least(1)
    .reshaping()
}

/// A loss of predicted boxes and true ones, which have no gradient. There are four columns, whatever is asked for.
pub fn of_boxes<L>(
    name: &str,
    format: BoxFormat,
    make: impl Fn(Reduction) -> L + Send + Sync + 'static,
) -> Variant
where
    L: Call<(Tensor<2>, Tensor<2>), 1>,
{
    variant(
        name,
        move |rng, rows, _| two_boxes(rng, rows, format),
        move |reduction, _| make(reduction),
        |mut args| (args.input(), args.floats()),
    )
    .at_least(1)
}

/// Boxes that overlap, and differ in all that a box has.
fn two_boxes(rng: &mut StdRng, rows: usize, format: BoxFormat) -> Batch {
    let (mut predicted, mut truth) = (Vec::new(), Vec::new());
    for _ in 0..rows {
        let of_truth: [f64; 4] = std::array::from_fn(|_| rng.random_range(1.0..3.0));
        let moved = of_truth.map(|number| rng.random_range(number - 0.4..number + 0.4));
        predicted.extend(sides(moved, format));
        truth.extend(sides(of_truth, format));
    }
    let boxes = |data| Array {
        rows,
        columns: 4,
        data,
    };
    Batch {
        inputs: vec![boxes(predicted)],
        target: Some((Kind::Float, boxes(truth))),
    }
}

/// A box with its centre, width and height in a format.
fn sides([x, y, width, height]: [f64; 4], format: BoxFormat) -> [f64; 4] {
    let (left, top) = (x - width / 2.0, y - height / 2.0);
    match format {
        BoxFormat::Xyxy => [left, top, left + width, top + height],
        BoxFormat::Xywh => [left, top, width, height],
        _ => [x, y, width, height],
    }
}

/// The target is a place between the first bin and the last.
pub fn distribution_focal(name: &str) -> Variant {
    variant(
        name,
        |rng, rows, bins| Batch {
            inputs: vec![normal(rng, rows, bins)],
            target: Some((Kind::Float, places_among(rng, rows, 1, bins))),
        },
        |reduction, _| {
            DistributionFocalLossConfig::new()
                .with_reduction(reduction)
                .init()
        },
        |mut args| (args.input(), flat(args.floats())),
    )
    .at_least(2)
}

fn distribution_focal_3(name: &str) -> Variant {
    variant(
        name,
        |rng, rows, bins| Batch {
            inputs: vec![normal(rng, rows, PLACES * bins)],
            target: Some((Kind::Float, places_among(rng, rows, PLACES, bins))),
        },
        |reduction, _| {
            DistributionFocalLossConfig::new()
                .with_reduction(reduction)
                .init()
        },
        |mut args| (vectors(args.input()), args.floats()),
    )
    .at_least(2)
    .reshaping()
}

fn places_among(rng: &mut StdRng, rows: usize, columns: usize, bins: usize) -> Array {
    uniform(rng, rows, columns, 0.0, bins as f64 - 1.0)
}

/// A row is a token, and all of them have one loss.
fn load_balance(name: &str, choices: usize, config: LoadBalanceLossConfig) -> Variant {
    let (activation, ignored) = (config.activation, config.ignore_indices.clone());
    variant(
        name,
        move |rng, rows, experts| Batch {
            inputs: vec![routed(rng, rows, experts, activation)],
            target: Some((Kind::Int, chosen(rng, rows, experts, choices, &ignored))),
        },
        move |reduction, _| config.clone().with_reduction(reduction).init(),
        |mut args| (args.input(), args.ints()),
    )
    .at_least(choices + 1)
    .of_batch()
}

/// A row is a sequence of tokens, which has a loss of its own.
pub fn load_balance_3(name: &str, choices: usize, config: LoadBalanceLossConfig) -> Variant {
    let config = config.with_per_sequence(true);
    let (activation, ignored) = (config.activation, config.ignore_indices.clone());
    variant(
        name,
        move |rng, rows, experts| {
            let tokens = rows * PLACES;
            let logits = routed(rng, tokens, experts, activation);
            let ids = chosen(rng, tokens, experts, choices, &ignored);
            Batch {
                inputs: vec![Axes::ClassLast.join(logits)],
                target: Some((Kind::Int, Axes::ClassLast.join(ids))),
            }
        },
        move |reduction, _| config.clone().with_reduction(reduction).init(),
        |mut args| (vectors(args.input()), Axes::ClassLast.lay(args.ints())),
    )
    .at_least(choices + 1)
    .reshaping()
}

/// What a router gives for tokens: logits, or probabilities of experts.
fn routed(rng: &mut StdRng, tokens: usize, experts: usize, activation: RouterActivation) -> Array {
    match activation {
        RouterActivation::Probabilities => log_probs(rng, tokens, experts).map(f64::exp),
        _ => normal(rng, tokens, experts),
    }
}

/// The experts of each token, none of them twice; of the ids that are ignored there are some too. The first expert gets no token:
/// where all are used alike there is no gradient.
fn chosen(
    rng: &mut StdRng,
    tokens: usize,
    experts: usize,
    choices: usize,
    ignored: &[i64],
) -> Array {
    let mut array = Array::new(tokens, choices, || 0.0);
    let mut ids: Vec<f64> = (1..experts).map(|id| id as f64).collect();
    for token in array.data.chunks_mut(choices) {
        ids.shuffle(rng);
        token.copy_from_slice(&ids[..choices]);
        for id in token {
            if !ignored.is_empty() && rng.random_bool(0.3) {
                *id = ignored[rng.random_range(0..ignored.len())] as f64;
            }
        }
    }
    array
}

fn router_z(name: &str) -> Variant {
    variant(
        name,
        |rng, rows, experts| Batch {
            inputs: vec![normal(rng, rows, experts)],
            target: None,
        },
        |reduction, _| RouterZLossConfig::new().with_reduction(reduction).init(),
        |mut args| (args.input(),),
    )
    .at_least(2)
}

fn router_z_3(name: &str) -> Variant {
    variant(
        name,
        |rng, rows, experts| Batch {
            inputs: vec![normal(rng, rows, PLACES * experts)],
            target: None,
        },
        |reduction, _| RouterZLossConfig::new().with_reduction(reduction).init(),
        |mut args| (vectors(args.input()),),
    )
    .at_least(2)
    .reshaping()
}

/// Scores of generated samples. Their mean is not 0: a loss may be that mean, and nothing of it would be
/// left.
fn fakes(rng: &mut StdRng, rows: usize, columns: usize) -> Array {
    normal(rng, rows, columns).map(|score| score - 0.5)
}

pub fn gan_generator(name: &str, config: GanGeneratorLossConfig) -> Variant {
    variant(
        name,
        |rng, rows, columns| Batch {
            inputs: vec![fakes(rng, rows, columns)],
            target: None,
        },
        move |reduction, _| config.clone().with_reduction(reduction).init(),
        |mut args| (args.input(),),
    )
}

fn gan_generator_4(name: &str, config: GanGeneratorLossConfig) -> Variant {
    variant(
        name,
        |rng, rows, columns| Batch {
            inputs: vec![fakes(rng, rows, columns)],
            target: None,
        },
        move |reduction, _| config.clone().with_reduction(reduction).init(),
        |mut args| (deep(args.input()),),
    )
    .reshaping()
}

pub fn gan_discriminator<L>(
    name: &str,
    make: impl Fn(Reduction) -> L + Send + Sync + 'static,
) -> Variant
where
    L: Call<(Tensor<2>, Tensor<2>), 2>,
{
    variant(
        name,
        |rng, rows, columns| Batch {
            inputs: vec![
                normal(rng, rows, columns).map(|score| score + 0.5),
                fakes(rng, rows, columns),
            ],
            target: None,
        },
        move |reduction, _| make(reduction),
        |mut args| (args.input(), args.input()),
    )
}

/// A loss of the log-probabilities of two answers.
pub fn of_answers<L>(name: &str, make: impl Fn(Reduction) -> L + Send + Sync + 'static) -> Variant
where
    L: Call<(Tensor<2>, Tensor<2>), 2>,
{
    variant(
        name,
        two_answers,
        move |reduction, _| make(reduction),
        |mut args| (args.input(), args.input()),
    )
}

fn of_answers_1<L>(name: &str, make: impl Fn(Reduction) -> L + Send + Sync + 'static) -> Variant
where
    L: Call<(Tensor<1>, Tensor<1>), 1>,
{
    let column = |rng: &mut StdRng, rows, _| two_answers(rng, rows, 1);
    variant(
        name,
        column,
        move |reduction, _| make(reduction),
        |mut args| (flat(args.input()), flat(args.input())),
    )
    .at_least(1)
}

/// The log-probabilities under the reference are the target, those of the chosen answers first.
pub fn dpo(name: &str, config: DpoLossConfig) -> Variant {
    variant(
        name,
        with_reference,
        move |reduction, _| config.clone().with_reduction(reduction).init(),
        |mut args| {
            let (chosen, rejected) = (args.input(), args.input());
            let [of_chosen, of_rejected] = args.parts();
            (chosen, rejected, of_chosen, of_rejected)
        },
    )
}

fn dpo_1(name: &str, config: DpoLossConfig) -> Variant {
    let column = |rng: &mut StdRng, rows, _| with_reference(rng, rows, 1);
    variant(
        name,
        column,
        move |reduction, _| config.clone().with_reduction(reduction).init(),
        |mut args| {
            let (chosen, rejected) = (flat(args.input()), flat(args.input()));
            let [of_chosen, of_rejected] = args.parts::<2>().map(flat);
            (chosen, rejected, of_chosen, of_rejected)
        },
    )
    .at_least(1)
}

fn with_reference(rng: &mut StdRng, rows: usize, columns: usize) -> Batch {
    Batch {
        target: beside([answers(rng, rows, columns), answers(rng, rows, columns)]),
        ..two_answers(rng, rows, columns)
    }
}

/// The log-probabilities under the reference, then the divergence, then the labels are the target, of
/// which only the labels become another kind.
pub fn kto(name: &str, kind: Kind, config: KtoLossConfig) -> Variant {
    let sample = |rng: &mut StdRng, rows, columns| Batch {
        inputs: vec![answers(rng, rows, columns)],
        target: beside([
            answers(rng, rows, columns),
            uniform(rng, rows, columns, 0.0, 1.0),
            labels(rng, rows, columns, Kind::Int),
        ]),
    };
    let make = move |reduction, _| config.clone().with_reduction(reduction).init();
    match kind {
        Kind::Float => variant(name, sample, make, |mut args| {
            let policy = args.input();
            let [reference, kl, desirable] = args.parts();
            (policy, reference, kl, desirable)
        }),
        Kind::Int => variant(name, sample, make, |mut args| {
            let policy = args.input();
            let [reference, kl, desirable] = args.parts();
            (policy, reference, kl, desirable.int())
        }),
        Kind::Bool => variant(name, sample, make, |mut args| {
            let policy = args.input();
            let [reference, kl, desirable] = args.parts();
            (policy, reference, kl, desirable.greater_scalar(0.5))
        }),
    }
}

/// The log-probabilities under the old policy and then the advantages are the target.
pub fn policy_clip(name: &str, config: PolicyClipLossConfig) -> Variant {
    variant(
        name,
        actions,
        move |reduction, _| config.clone().with_reduction(reduction).init(),
        |mut args| {
            let log_probs = args.input();
            let [old, advantages] = args.parts();
            (log_probs, old, advantages)
        },
    )
}

fn policy_clip_1(name: &str, config: PolicyClipLossConfig) -> Variant {
    let column = |rng: &mut StdRng, rows, _| actions(rng, rows, 1);
    variant(
        name,
        column,
        move |reduction, _| config.clone().with_reduction(reduction).init(),
        |mut args| {
            let log_probs = flat(args.input());
            let [old, advantages] = args.parts::<2>().map(flat);
            (log_probs, old, advantages)
        },
    )
    .at_least(1)
}

/// Some have become more probable than is counted, some less. The mean advantage is not 0: it is the loss, nearly.
fn actions(rng: &mut StdRng, rows: usize, columns: usize) -> Batch {
    let old = answers(rng, rows, columns);
    let moves = uniform(rng, rows, columns, -0.5, 0.5);
    let moved = old.data.iter().zip(&moves.data).map(|(old, by)| old + by);
    Batch {
        inputs: vec![Array {
            data: moved.collect(),
            ..old
        }],
        target: beside([old, uniform(rng, rows, columns, -1.0, 2.0)]),
    }
}

// Numbers of the host.

/// The rows of a tensor of rank 2.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    pub rows: usize,
    pub columns: usize,
    pub data: Vec<f64>,
}

impl Array {
    pub fn new(rows: usize, columns: usize, mut next: impl FnMut() -> f64) -> Self {
        let data = (0..rows * columns).map(|_| next()).collect();
        Self {
            rows,
            columns,
            data,
        }
    }

    pub fn of<const R: usize, const C: usize>(rows: [[f64; C]; R]) -> Self {
        Self {
            rows: R,
            columns: C,
            data: rows.concat(),
        }
    }

    pub fn map(mut self, change: impl Fn(f64) -> f64) -> Self {
        for value in &mut self.data {
            *value = change(*value);
        }
        self
    }

    /// The rows with these numbers.
    pub fn select(&self, rows: &[usize]) -> Self {
        let row = |&row: &usize| self.data[row * self.columns..][..self.columns].to_vec();
        Self {
            rows: rows.len(),
            columns: self.columns,
            data: rows.iter().flat_map(row).collect(),
        }
    }

    fn transposed(&self) -> Self {
        let at = |at: usize| self.data[at % self.rows * self.columns + at / self.rows];
        Self {
            rows: self.columns,
            columns: self.rows,
            data: (0..self.data.len()).map(at).collect(),
        }
    }

    /// The array in the middle of a larger one, filled with what must not be read.
    fn framed(&self, fill: f64) -> Self {
        let mut framed = Self::new(self.rows + 2, self.columns + 3, || fill);
        for row in 0..self.rows {
            let start = (row + 1) * framed.columns + 2;
            framed.data[start..start + self.columns]
                .copy_from_slice(&self.data[row * self.columns..][..self.columns]);
        }
        framed
    }
}

fn uniform(rng: &mut StdRng, rows: usize, columns: usize, low: f64, high: f64) -> Array {
    Array::new(rows, columns, || rng.random_range(low..high))
}

/// About normal: the sum of a few uniform numbers.
fn normal(rng: &mut StdRng, rows: usize, columns: usize) -> Array {
    Array::new(rows, columns, || {
        (0..4).map(|_| rng.random_range(-1.0..1.0)).sum()
    })
}

fn two_arrays(rng: &mut StdRng, rows: usize, columns: usize) -> Batch {
    Batch {
        inputs: vec![normal(rng, rows, columns), normal(rng, rows, columns)],
        target: None,
    }
}

fn three_arrays(rng: &mut StdRng, rows: usize, columns: usize) -> Batch {
    two_arrays(rng, rows, columns).and(normal(rng, rows, columns))
}

/// Predictions, targets, and so many variances a row.
fn spread(rng: &mut StdRng, rows: usize, columns: usize, variances: usize) -> Batch {
    two_arrays(rng, rows, columns).and(uniform(rng, rows, variances, 0.1, 2.0))
}

/// Counts, and their rates or the logarithms of them.
fn counted(rng: &mut StdRng, rows: usize, columns: usize, kind: Kind, log_input: bool) -> Batch {
    let rates = match log_input {
        true => normal(rng, rows, columns),
        false => uniform(rng, rows, columns, 0.1, 3.0),
    };
    let counts = Array::new(rows, columns, || f64::from(rng.random_range(0..6)));
    Batch {
        inputs: vec![rates],
        target: Some((kind, counts)),
    }
}

/// The log-probabilities of answers.
fn answers(rng: &mut StdRng, rows: usize, columns: usize) -> Array {
    uniform(rng, rows, columns, -3.0, -0.1)
}

fn two_answers(rng: &mut StdRng, rows: usize, columns: usize) -> Batch {
    Batch {
        inputs: vec![answers(rng, rows, columns), answers(rng, rows, columns)],
        target: None,
    }
}

fn log_probs(rng: &mut StdRng, rows: usize, columns: usize) -> Array {
    let mut array = normal(rng, rows, columns);
    for row in array.data.chunks_mut(columns.max(1)) {
        let sum: f64 = row.iter().map(|x| x.exp()).sum();
        row.iter_mut().for_each(|x| *x -= sum.ln());
    }
    array
}

/// Class ids; of those that are ignored there are some too.
fn ids(rng: &mut StdRng, rows: usize, places: usize, classes: usize, ignored: &[i64]) -> Array {
    Array::new(rows, places, || match ignored {
        [] => rng.random_range(0..classes) as f64,
        _ if rng.random_bool(0.7) => rng.random_range(0..classes) as f64,
        _ => ignored[rng.random_range(0..ignored.len())] as f64,
    })
}

/// Rows that list labels: the ids of some of the classes in any order, then -1. Some list none.
fn label_ids(rng: &mut StdRng, rows: usize, classes: usize) -> Array {
    let mut array = Array::new(rows, classes, || -1.0);
    let mut ids: Vec<f64> = (0..classes).map(|id| id as f64).collect();
    for row in array.data.chunks_mut(classes.max(1)) {
        ids.shuffle(rng);
        let count = rng.random_range(0..=classes);
        row[..count].copy_from_slice(&ids[..count]);
    }
    array
}

fn labels(rng: &mut StdRng, rows: usize, columns: usize, kind: Kind) -> Array {
    Array::new(rows, columns, || match kind {
        Kind::Float => rng.random_range(0.0..1.0),
        _ => f64::from(u8::from(rng.random_bool(0.5))),
    })
}

/// -1 and +1; for a Bool target 0 and 1.
fn signs(rng: &mut StdRng, rows: usize, columns: usize, kind: Kind) -> Array {
    let negative = match kind {
        Kind::Bool => 0.0,
        _ => -1.0,
    };
    Array::new(rows, columns, || {
        if rng.random_bool(0.5) { 1.0 } else { negative }
    })
}

/// Several arrays side by side as the one target of a batch: the operands of a call that have no gradient.
fn beside<const P: usize>(parts: [Array; P]) -> Option<(Kind, Array)> {
    let rows = parts[0].rows;
    let row = |row: usize| {
        let of_part = |part: &Array| part.select(&[row]).data;
        parts.iter().flat_map(of_part).collect::<Vec<f64>>()
    };
    let joined = Array {
        rows,
        columns: parts.iter().map(|part| part.columns).sum(),
        data: (0..rows).flat_map(row).collect(),
    };
    Some((Kind::Float, joined))
}

/// The element type of a target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Float,
    Int,
    Bool,
}

/// Inputs and target on the host.
#[derive(Clone, Debug)]
pub struct Batch {
    pub inputs: Vec<Array>,
    pub target: Option<(Kind, Array)>,
}

/// How a tensor lies in memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Layout {
    Contiguous,
    /// A swapped axis pair.
    Transposed,
    /// A window of a larger tensor, all around it NaN (or an invalid id).
    Sliced,
    /// The first row, repeated without a copy.
    Expanded,
}

/// Where and as what a batch is put on a device.
#[derive(Clone)]
pub struct Place {
    pub device: Device,
    pub dtype: DType,
    /// The type of an Int target; the device's own if none.
    pub int: Option<DType>,
    pub layout: Layout,
}

impl Place {
    pub fn new(on: &TestDevice, dtype: DType) -> Self {
        Self {
            device: on.device.clone(),
            dtype,
            int: None,
            layout: Layout::Contiguous,
        }
    }

    fn lay<K: Basic>(
        &self,
        array: &Array,
        fill: f64,
        make: impl Fn(&Array) -> Tensor<2, K>,
    ) -> Tensor<2, K> {
        let [rows, columns] = [array.rows, array.columns];
        match self.layout {
            Layout::Contiguous => make(array),
            Layout::Transposed => make(&array.transposed()).swap_dims(0, 1),
            Layout::Sliced => make(&array.framed(fill)).slice([1..1 + rows, 2..2 + columns]),
            Layout::Expanded => make(&array.select(&[0])).expand([rows, columns]),
        }
    }

    pub fn floats(&self, array: &Array) -> Tensor<2> {
        self.lay(array, f64::NAN, |array| {
            let data = TensorData::new(array.data.clone(), [array.rows, array.columns]);
            Tensor::from_data(data.convert_dtype(self.dtype), (&self.device, self.dtype))
        })
    }

    pub fn ints(&self, array: &Array) -> Tensor<2, Int> {
        self.lay(array, 99.0, |array| {
            let ints: Vec<i64> = array.data.iter().map(|&value| value as i64).collect();
            let data = TensorData::new(ints, [array.rows, array.columns]);
            match self.int {
                Some(int) => Tensor::from_data(data, (&self.device, int)),
                None => Tensor::from_data(data, &self.device),
            }
        })
    }

    pub fn bools(&self, array: &Array) -> Tensor<2, Bool> {
        self.lay(array, 1.0, |array| {
            let bools: Vec<bool> = array.data.iter().map(|&value| value == 1.0).collect();
            let data = TensorData::new(bools, [array.rows, array.columns]);
            Tensor::from_data(data, &self.device)
        })
    }
}

impl Batch {
    /// The batch with another input.
    fn and(mut self, input: Array) -> Self {
        self.inputs.push(input);
        self
    }

    /// The samples with these numbers, in this order.
    pub fn select(&self, rows: &[usize]) -> Self {
        Self {
            inputs: self.inputs.iter().map(|input| input.select(rows)).collect(),
            target: self
                .target
                .as_ref()
                .map(|(kind, target)| (*kind, target.select(rows))),
        }
    }

    /// The batch with its inputs and float target as a narrower type holds them.
    pub fn rounded(&self, dtype: DType) -> Self {
        let round = |array: &Array| {
            let data = TensorData::new(array.data.clone(), [array.data.len()]);
            Array {
                data: data.convert_dtype(dtype).iter::<f64>().collect(),
                ..*array
            }
        };
        Self {
            inputs: self.inputs.iter().map(round).collect(),
            target: self.target.as_ref().map(|(kind, target)| match kind {
                Kind::Float => (*kind, round(target)),
                _ => (*kind, target.clone()),
            }),
        }
    }

    /// The untracked tensors of the batch, contiguous on a device.
    pub fn on(&self, on: &TestDevice, dtype: DType) -> Args {
        let place = Place::new(on, dtype);
        self.at(&place, &place)
    }

    /// The untracked tensors of the batch, inputs and target placed as told.
    pub fn at(&self, inputs: &Place, target: &Place) -> Args {
        Args {
            inputs: self
                .inputs
                .iter()
                .map(|input| inputs.floats(input))
                .collect(),
            target: self.target.as_ref().map(|(kind, array)| match kind {
                Kind::Float => Target::Float(target.floats(array)),
                Kind::Int => Target::Int(target.ints(array)),
                Kind::Bool => Target::Bool(target.bools(array)),
            }),
        }
    }
}

// Tensors of a device.

/// The tensors a loss is called with.
#[derive(Clone)]
pub struct Args {
    pub inputs: Vec<Tensor<2>>,
    pub target: Option<Target>,
}

#[derive(Clone)]
pub enum Target {
    Float(Tensor<2>),
    Int(Tensor<2, Int>),
    Bool(Tensor<2, Bool>),
}

impl Args {
    /// The arguments with inputs whose gradients are kept.
    pub fn tracked(self) -> Self {
        self.map_inputs(|input| input.autodiff().require_grad())
    }

    pub fn map_inputs(self, change: impl Fn(Tensor<2>) -> Tensor<2>) -> Self {
        Self {
            inputs: self.inputs.into_iter().map(change).collect(),
            ..self
        }
    }

    /// The next input, moved out: a loss may use the memory of a tensor that nobody else has.
    fn input(&mut self) -> Tensor<2> {
        self.inputs.remove(0)
    }

    fn floats(self) -> Tensor<2> {
        match self.target {
            Some(Target::Float(target)) => target,
            _ => panic!("the variant's target is not of floats"),
        }
    }

    fn ints(self) -> Tensor<2, Int> {
        match self.target {
            Some(Target::Int(target)) => target,
            _ => panic!("the variant's target is not of ints"),
        }
    }

    fn ids(self) -> Tensor<1, Int> {
        self.ints().squeeze_dim(1)
    }

    /// The target that is several operands of one width, side by side.
    fn parts<const P: usize>(self) -> [Tensor<2>; P] {
        let all = self.floats();
        let width = all.dims()[1] / P;
        std::array::from_fn(|part| columns(&all, part * width..(part + 1) * width))
    }

    /// The target that is two operands side by side, of which the first has so many columns.
    fn split(self, width: usize) -> (Tensor<2>, Tensor<2>) {
        let all = self.floats();
        let end = all.dims()[1];
        (columns(&all, 0..width), columns(&all, width..end))
    }

    fn bools(self) -> Tensor<2, Bool> {
        match self.target {
            Some(Target::Bool(target)) => target,
            _ => panic!("the variant's target is not of bools"),
        }
    }
}

/// Some of the columns of a tensor.
fn columns(tensor: &Tensor<2>, columns: Range<usize>) -> Tensor<2> {
    let rows = tensor.dims()[0];
    if rows * columns.len() == 0 {
        let on = (&tensor.device(), tensor.dtype());
        return Tensor::zeros([rows, columns.len()], on);
    }
    tensor.clone().slice([0..rows, columns])
}

/// Weights for `forward_weighted`; per element they have the shape that [`Variant::each`] gives.
#[derive(Clone)]
pub enum Weights {
    PerSample(Tensor<1>),
    SampleMask(Tensor<1, Bool>),
    PerElement(Tensor<2>),
    ElementMask(Tensor<2, Bool>),
}

// A variant: a loss with certain options, behind calls that are the same for all losses.

/// Makes a batch from random numbers, of so many rows and columns.
type Sample = Box<dyn Fn(&mut StdRng, usize, usize) -> Batch + Send + Sync>;

pub struct Variant {
    pub loss: &'static str,
    pub name: String,
    /// The fewest columns that make sense: 2 where they are classes or have a direction, 1 where
    /// they are a vector or have a weight or a variance, and none where each is by itself.
    pub least_columns: usize,
    /// Whether the arguments are of another rank than the batch, and so reshaped first.
    pub reshapes: bool,
    /// Whether the losses are of the whole batch, so that no sample has one of its own.
    pub of_batch: bool,
    sample: Sample,
    calls: Box<dyn Calls + Send + Sync>,
}

impl Variant {
    /// Random valid inputs and target.
    pub fn batch(&self, seed: u64, rows: usize, columns: usize) -> Batch {
        (self.sample)(&mut StdRng::seed_from_u64(seed), rows, columns)
    }

    pub fn value(&self, reduction: Reduction, args: Args) -> Tensor<1> {
        self.calls.value(reduction, args)
    }

    pub fn try_value(&self, reduction: Reduction, args: Args) -> Result<Tensor<1>, LossError> {
        self.calls.try_value(reduction, args)
    }

    /// The unreduced loss, as rows of what belongs to one sample.
    pub fn each(&self, args: Args) -> Tensor<2> {
        self.calls.each(args)
    }

    pub fn parts(&self, args: Args) -> LossParts {
        self.calls.parts(args)
    }

    pub fn weighted_parts(&self, args: Args, per_sample: Tensor<1>) -> LossParts {
        self.calls.weighted_parts(args, per_sample)
    }

    pub fn over(&self, args: Args, total: Tensor<1>) -> Tensor<1> {
        self.calls.over(args, total)
    }

    pub fn weighted(&self, reduction: Reduction, args: Args, weights: Weights) -> Tensor<1> {
        self.calls.weighted(reduction, args, weights)
    }

    fn reshaping(self) -> Self {
        Self {
            reshapes: true,
            ..self
        }
    }

    fn of_batch(self) -> Self {
        Self {
            of_batch: true,
            ..self
        }
    }

    fn at_least(self, columns: usize) -> Self {
        Self {
            least_columns: columns,
            ..self
        }
    }
}

/// A variant from how to draw a batch, to make the loss (the second argument is the number of
/// columns), and to lay out the arguments of its call.
pub fn variant<L, I, const K: usize>(
    name: &str,
    sample: impl Fn(&mut StdRng, usize, usize) -> Batch + Send + Sync + 'static,
    make: impl Fn(Reduction, usize) -> L + Send + Sync + 'static,
    arguments: impl Fn(Args) -> I + Send + Sync + 'static,
) -> Variant
where
    L: Call<I, K>,
    I: 'static,
{
    Variant {
        loss: "",
        name: name.into(),
        least_columns: 0,
        reshapes: false,
        of_batch: false,
        sample: Box::new(sample),
        calls: Box::new(Of {
            make,
            arguments,
            marker: PhantomData::<fn(I) -> Tensor<K>>,
        }),
    }
}

trait Calls {
    fn value(&self, reduction: Reduction, args: Args) -> Tensor<1>;
    fn try_value(&self, reduction: Reduction, args: Args) -> Result<Tensor<1>, LossError>;
    fn each(&self, args: Args) -> Tensor<2>;
    fn parts(&self, args: Args) -> LossParts;
    fn weighted_parts(&self, args: Args, per_sample: Tensor<1>) -> LossParts;
    fn over(&self, args: Args, total: Tensor<1>) -> Tensor<1>;
    fn weighted(&self, reduction: Reduction, args: Args, weights: Weights) -> Tensor<1>;
}

struct Of<M, A, I, const K: usize> {
    make: M,
    arguments: A,
    marker: PhantomData<fn(I) -> Tensor<K>>,
}

impl<M, A, I, const K: usize> Of<M, A, I, K> {
    fn loss<L>(&self, reduction: Reduction, args: &Args) -> L
    where
        M: Fn(Reduction, usize) -> L,
    {
        (self.make)(reduction, args.inputs[0].dims()[1])
    }
}

impl<L, M, A, I, const K: usize> Calls for Of<M, A, I, K>
where
    M: Fn(Reduction, usize) -> L,
    A: Fn(Args) -> I,
    L: Call<I, K>,
{
    fn value(&self, reduction: Reduction, args: Args) -> Tensor<1> {
        self.loss(reduction, &args).value((self.arguments)(args))
    }

    fn try_value(&self, reduction: Reduction, args: Args) -> Result<Tensor<1>, LossError> {
        self.loss(reduction, &args)
            .try_value((self.arguments)(args))
    }

    fn each(&self, args: Args) -> Tensor<2> {
        let each = self
            .loss(Reduction::Mean, &args)
            .each((self.arguments)(args));
        let shape = each.dims();
        each.reshape([shape[0], shape[1..].iter().product()])
    }

    fn parts(&self, args: Args) -> LossParts {
        self.loss(Reduction::Mean, &args)
            .parts((self.arguments)(args))
    }

    fn weighted_parts(&self, args: Args, per_sample: Tensor<1>) -> LossParts {
        self.loss(Reduction::Mean, &args)
            .weighted_parts((self.arguments)(args), per_sample)
    }

    fn over(&self, args: Args, total: Tensor<1>) -> Tensor<1> {
        self.loss(Reduction::Mean, &args)
            .over((self.arguments)(args), total)
    }

    fn weighted(&self, reduction: Reduction, args: Args, weights: Weights) -> Tensor<1> {
        let loss = self.loss(reduction, &args);
        let untracked = args.clone().map_inputs(|input| input.inner());
        let shape = || loss.each((self.arguments)(untracked)).dims();
        loss.weighted((self.arguments)(args), weights, shape)
    }
}

/// A loss of inputs `I` whose unreduced form has rank `K`: [`Loss`] and [`TripleLoss`] as one,
/// and the losses of one and of four inputs, whose calls are methods of their own.
pub trait Call<I, const K: usize> {
    fn value(&self, inputs: I) -> Tensor<1>;
    fn try_value(&self, inputs: I) -> Result<Tensor<1>, LossError>;
    fn each(&self, inputs: I) -> Tensor<K>;
    fn parts(&self, inputs: I) -> LossParts;
    fn weighted_parts(&self, inputs: I, per_sample: Tensor<1>) -> LossParts;
    fn over(&self, inputs: I, total: Tensor<1>) -> Tensor<1>;
    fn weighted(
        &self,
        inputs: I,
        weights: Weights,
        shape: impl FnOnce() -> [usize; K],
    ) -> Tensor<1>;
}

macro_rules! call {
    (@methods $($name:ident: $input:ty),*) => {
        fn value(&self, ($($name,)*): ($($input,)*)) -> Tensor<1> {
            self.forward($($name),*)
        }
        fn try_value(&self, ($($name,)*): ($($input,)*)) -> Result<Tensor<1>, LossError> {
            self.try_forward($($name),*)
        }
        fn each(&self, ($($name,)*): ($($input,)*)) -> Tensor<K> {
            self.forward_no_reduction($($name),*)
        }
        fn parts(&self, ($($name,)*): ($($input,)*)) -> LossParts {
            self.forward_parts($($name),*)
        }
        fn weighted_parts(&self, ($($name,)*): ($($input,)*), per_sample: Tensor<1>) -> LossParts {
            self.forward_weighted_parts($($name,)* per_sample)
        }
        fn over(&self, ($($name,)*): ($($input,)*), total: Tensor<1>) -> Tensor<1> {
            self.forward_over($($name,)* total)
        }
        fn weighted(
            &self,
            ($($name,)*): ($($input,)*),
            weights: Weights,
            shape: impl FnOnce() -> [usize; K],
        ) -> Tensor<1> {
            match weights {
                Weights::PerSample(weights) => self.forward_weighted($($name,)* weights),
                Weights::SampleMask(mask) => self.forward_weighted($($name,)* mask),
                Weights::PerElement(weights) => {
                    self.forward_weighted($($name,)* weights.reshape(shape()))
                }
                Weights::ElementMask(mask) => {
                    self.forward_weighted($($name,)* mask.reshape(shape()))
                }
            }
        }
    };
    (of $loss:ty, $($name:ident: $input:ty),*) => {
        impl<const D: usize, const K: usize> Call<($($input,)*), K> for $loss
        where
            $loss: Evaluate<($($input,)*), Unreduced = Tensor<K>>,
            Tensor<1>: SampleWeights<Tensor<K>>,
            Tensor<1, Bool>: SampleWeights<Tensor<K>>,
        {
            call!(@methods $($name: $input),*);
        }
    };
    ($trait:ident, $($name:ident: $input:ident),*) => {
        impl<L, $($input,)* const K: usize> Call<($($input,)*), K> for L
        where
            L: $trait<$($input,)* Unreduced = Tensor<K>>,
            Tensor<1>: SampleWeights<Tensor<K>>,
            Tensor<1, Bool>: SampleWeights<Tensor<K>>,
        {
            call!(@methods $($name: $input),*);
        }
    };
}

call!(Loss, output: X, target: T);
call!(TripleLoss, first: A, second: B, third: C);
call!(of GanGeneratorLoss, fake: Tensor<D>);
call!(of RouterZLoss, logits: Tensor<D>);
call!(of DpoLoss, a: Tensor<D>, b: Tensor<D>, c: Tensor<D>, d: Tensor<D>);
call!(of KtoLoss, a: Tensor<D>, b: Tensor<D>, c: Tensor<D>, d: Tensor<D>);
call!(of KtoLoss, a: Tensor<D>, b: Tensor<D>, c: Tensor<D>, d: Tensor<D, Int>);
call!(of KtoLoss, a: Tensor<D>, b: Tensor<D>, c: Tensor<D>, d: Tensor<D, Bool>);

// The table is complete.

/// The folders of the crate whose exports are losses.
const FOLDERS: [(&str, &str); 10] = [
    (
        "classification",
        include_str!("../../src/losses/classification/mod.rs"),
    ),
    ("ranking", include_str!("../../src/losses/ranking/mod.rs")),
    (
        "regression",
        include_str!("../../src/losses/regression/mod.rs"),
    ),
    // Those that are there with `std` alone.
    (
        "detection",
        include_str!("../../src/losses/detection/mod.rs"),
    ),
    (
        "distillation",
        include_str!("../../src/losses/distillation/mod.rs"),
    ),
    (
        "generative",
        include_str!("../../src/losses/generative/mod.rs"),
    ),
    ("ordinal", include_str!("../../src/losses/ordinal/mod.rs")),
    (
        "preference",
        include_str!("../../src/losses/preference/mod.rs"),
    ),
    ("routing", include_str!("../../src/losses/routing/mod.rs")),
    (
        "segmentation",
        include_str!("../../src/losses/segmentation/mod.rs"),
    ),
];

/// The names that a source exports with `pub use`.
fn exports(source: &str) -> Vec<String> {
    let exported = source.split("\npub use ").skip(1);
    let lists = exported.filter_map(|rest| rest.split(';').next());
    lists
        .flat_map(|list| list.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '*'))
        .map(str::to_string)
        .collect()
}

#[test]
fn each_exported_loss_has_a_row() {
    let library = include_str!("../../src/lib.rs");
    let lists = library.split("\npub use losses::{").skip(1);
    let tasks: Vec<&str> = lists
        .flat_map(|rest| rest.split_once("};").expect("its end").0.split(", "))
        .collect();
    let folders: Vec<&str> = FOLDERS.iter().map(|(folder, _)| *folder).collect();
    assert_eq!(
        tasks, folders,
        "lib.rs exports other folders than the table reads: add them to FOLDERS"
    );

    // The traits are calls, not losses.
    let is_loss =
        |name: &String| name.ends_with("Loss") && !["Loss", "TripleLoss"].contains(&name.as_str());
    let mut exported: Vec<String> = FOLDERS
        .iter()
        .flat_map(|(_, source)| exports(source))
        .chain(exports(library))
        .filter(is_loss)
        .collect();
    exported.sort();
    let mut rows: Vec<String> = table().iter().map(|row| row.loss.to_string()).collect();
    rows.sort();
    assert!(exported.len() >= 50, "only {exported:?} were found");
    assert_eq!(
        rows, exported,
        "each loss that the crate exports needs a row in the table"
    );
}

#[test]
fn each_row_has_variants_that_differ() {
    for row in table() {
        let mut names: Vec<&str> = row.variants.iter().map(|v| v.name.as_str()).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert!(count > 0, "{} has no variant", row.loss);
        assert_eq!(names.len(), count, "{} names two variants alike", row.loss);
    }
}
