//! Configurations: what is rejected, what is saved and loaded, how a loss is shown, and how it lives
//! in a model.

use burn::config::Config;
use burn::module::Module;
use burn::nn::loss::Reduction as BurnReduction;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use burn_losses::prelude::*;
use burn_losses::{LossErrorKind, Reduction};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

const NAN: f64 = f64::NAN;
const INFINITY: f64 = f64::INFINITY;

// What is rejected.

/// `try_init` gives the error with exactly this text, and `init` panics with it.
fn assert_rejected(tried: Result<(), LossError>, init: impl FnOnce(), text: &str) {
    let error = tried.expect_err(text);
    assert_eq!(error.to_string(), text);
    assert_eq!(error.kind, LossErrorKind::Config, "{text}");
    assert!(text.starts_with(&format!("{}: ", error.loss)), "{text}");
    let panic = catch_unwind(AssertUnwindSafe(init)).expect_err(text);
    assert_eq!(panic.downcast_ref::<String>().unwrap(), text);
}

/// A table of configurations and the texts they are rejected with; `Name` stands for the name of
/// the loss.
macro_rules! rejected {
    ($($config:ident $(.$with:ident($value:expr))+ => $text:literal),+ $(,)?) => {$(
        let config = $config::new()$(.$with($value))+;
        let name = stringify!($config).strip_suffix("Config").unwrap();
        assert_rejected(
            config.try_init().map(drop),
            || {
                config.init();
            },
            &$text.replace("Name", name),
        );
    )+};
}

/// A table of configurations at the edge of what is allowed.
macro_rules! accepted {
    ($($config:ident $(.$with:ident($value:expr))+),+ $(,)?) => {$(
        let config = $config::new()$(.$with($value))+;
        assert_eq!(config.init().config(), &config);
    )+};
}

#[test]
fn weights_per_class() {
    macro_rules! of_every_loss {
        ($($config:ident.$with:ident, $field:literal);+) => {$(
            for (weights, entry, value) in [
                (vec![-1.0], 0, "-1"),
                (vec![1.0, -0.25, -3.0], 1, "-0.25"),
                (vec![0.5, 1.0, NAN], 2, "NaN"),
                (vec![INFINITY, 1.0], 0, "inf"),
                (vec![1.0, -INFINITY], 1, "-inf"),
            ] {
                let config = $config::new().$with(Some(weights));
                let name = stringify!($config).strip_suffix("Config").unwrap();
                assert_rejected(
                    config.try_init().map(drop),
                    || {
                config.init();
            },
                    &format!(
                        "{name}: {}[{entry}] must be finite and at least 0, but is {value}.",
                        $field
                    ),
                );
            }
            accepted!($config.$with(Some(vec![0.0, 1.0])), $config.$with(Some(vec![0.0])));
        )+};
    }
    of_every_loss!(
        CrossEntropyLossConfig.with_weights, "weights";
        NllLossConfig.with_weights, "weights";
        BceLossConfig.with_weights, "weights";
        BceWithLogitsLossConfig.with_weights, "weights";
        BceWithLogitsLossConfig.with_pos_weights, "pos_weights";
        MultiMarginLossConfig.with_weights, "weights";
        MultiLabelSoftMarginLossConfig.with_weights, "weights"
    );
    rejected!(
        CrossEntropyLossConfig.with_weights(Some(vec![]))
            => "Name: weights is empty: leave it at its default, or give one number at least.",
        NllLossConfig.with_weights(Some(vec![]))
            => "Name: weights is empty: leave it at its default, or give one number at least.",
        BceLossConfig.with_weights(Some(vec![]))
            => "Name: weights is empty: leave it at its default, or give one number at least.",
        BceWithLogitsLossConfig.with_weights(Some(vec![]))
            => "Name: weights is empty: leave it at its default, or give one number at least.",
        BceWithLogitsLossConfig.with_pos_weights(Some(vec![]))
            => "Name: pos_weights is empty: leave it at its default, or give one number at least.",
        MultiMarginLossConfig.with_weights(Some(vec![]))
            => "Name: weights is empty: leave it at its default, or give one number at least.",
        MultiLabelSoftMarginLossConfig.with_weights(Some(vec![]))
            => "Name: weights is empty: leave it at its default, or give one number at least.",
    );
}

#[test]
fn label_smoothing() {
    macro_rules! of_every_loss {
        ($($config:ident)+) => {$(
            rejected!(
                $config.with_label_smoothing(-0.125)
                    => "Name: label_smoothing must be between 0 and 1, but is -0.125.",
                $config.with_label_smoothing(1.5)
                    => "Name: label_smoothing must be between 0 and 1, but is 1.5.",
                $config.with_label_smoothing(NAN)
                    => "Name: label_smoothing must be between 0 and 1, but is NaN.",
                $config.with_label_smoothing(INFINITY)
                    => "Name: label_smoothing must be between 0 and 1, but is inf.",
                $config.with_label_smoothing(-INFINITY)
                    => "Name: label_smoothing must be between 0 and 1, but is -inf.",
            );
            accepted!($config.with_label_smoothing(0.0), $config.with_label_smoothing(1.0));
        )+};
    }
    of_every_loss!(CrossEntropyLossConfig BceLossConfig BceWithLogitsLossConfig);
}

#[test]
fn class_axis() {
    rejected!(
        CrossEntropyLossConfig.with_class_axis(0)
            => "Name: class_axis must be at least 1, but is 0: axis 0 is the batch.",
        NllLossConfig.with_class_axis(0)
            => "Name: class_axis must be at least 1, but is 0: axis 0 is the batch.",
        BceLossConfig.with_class_axis(0)
            => "Name: class_axis must be at least 1, but is 0: axis 0 is the batch.",
        BceWithLogitsLossConfig.with_class_axis(0)
            => "Name: class_axis must be at least 1, but is 0: axis 0 is the batch.",
        KlDivLossConfig.with_class_axis(Some(0))
            => "Name: class_axis must be at least 1, but is 0: axis 0 is the batch.",
        MultiMarginLossConfig.with_class_axis(0)
            => "Name: class_axis must be at least 1, but is 0: axis 0 is the batch.",
        MultiLabelMarginLossConfig.with_class_axis(0)
            => "Name: class_axis must be at least 1, but is 0: axis 0 is the batch.",
        MultiLabelSoftMarginLossConfig.with_class_axis(0)
            => "Name: class_axis must be at least 1, but is 0: axis 0 is the batch.",
    );
    accepted!(
        CrossEntropyLossConfig.with_class_axis(5),
        KlDivLossConfig.with_class_axis(None),
        MultiMarginLossConfig.with_class_axis(5),
        MultiLabelMarginLossConfig.with_class_axis(5),
        MultiLabelSoftMarginLossConfig.with_class_axis(5),
    );
}

#[test]
fn margins_norms_and_eps() {
    rejected!(
        HingeEmbeddingLossConfig.with_margin(NAN) => "Name: margin must be finite, but is NaN.",
        HingeEmbeddingLossConfig.with_margin(INFINITY) => "Name: margin must be finite, but is inf.",
        MarginRankingLossConfig.with_margin(NAN) => "Name: margin must be finite, but is NaN.",
        MarginRankingLossConfig.with_margin(-INFINITY)
            => "Name: margin must be finite, but is -inf.",
        TripletMarginLossConfig.with_margin(0.0)
            => "Name: margin must be finite and positive, but is 0.",
        TripletMarginLossConfig.with_margin(-1.0)
            => "Name: margin must be finite and positive, but is -1.",
        TripletMarginLossConfig.with_margin(NAN)
            => "Name: margin must be finite and positive, but is NaN.",
        TripletMarginLossConfig.with_margin(INFINITY)
            => "Name: margin must be finite and positive, but is inf.",
        TripletMarginLossConfig.with_p(0.5)
            => "Name: p must be finite and at least 1, but is 0.5.",
        TripletMarginLossConfig.with_p(-2.0)
            => "Name: p must be finite and at least 1, but is -2.",
        TripletMarginLossConfig.with_p(NAN)
            => "Name: p must be finite and at least 1, but is NaN.",
        TripletMarginLossConfig.with_p(INFINITY)
            => "Name: p must be finite and at least 1, but is inf.",
        TripletMarginLossConfig.with_eps(-1e-6)
            => "Name: eps must be finite and at least 0, but is -0.000001.",
        TripletMarginLossConfig.with_eps(NAN)
            => "Name: eps must be finite and at least 0, but is NaN.",
        TripletMarginLossConfig.with_eps(INFINITY)
            => "Name: eps must be finite and at least 0, but is inf.",
    );
    accepted!(
        HingeEmbeddingLossConfig.with_margin(0.0),
        HingeEmbeddingLossConfig.with_margin(-1.0),
        MarginRankingLossConfig.with_margin(-1.0),
        TripletMarginLossConfig.with_margin(1e-300),
        TripletMarginLossConfig.with_p(1.0).with_eps(0.0),
    );
}

#[test]
fn betas_and_deltas() {
    rejected!(
        SmoothL1LossConfig.with_beta(-1.0)
            => "Name: beta must be finite and at least 0, but is -1.",
        SmoothL1LossConfig.with_beta(-1e-9)
            => "Name: beta must be finite and at least 0, but is -0.000000001.",
        SmoothL1LossConfig.with_beta(NAN)
            => "Name: beta must be finite and at least 0, but is NaN.",
        SmoothL1LossConfig.with_beta(INFINITY)
            => "Name: beta must be finite and at least 0, but is inf.",
        HuberLossConfig.with_delta(0.0) => "Name: delta must be finite and positive, but is 0.",
        HuberLossConfig.with_delta(-1.0) => "Name: delta must be finite and positive, but is -1.",
        HuberLossConfig.with_delta(NAN) => "Name: delta must be finite and positive, but is NaN.",
        HuberLossConfig.with_delta(INFINITY)
            => "Name: delta must be finite and positive, but is inf.",
    );
    accepted!(
        SmoothL1LossConfig.with_beta(0.0),
        SmoothL1LossConfig.with_beta(1e300),
        HuberLossConfig.with_delta(1e-300),
        HuberLossConfig.with_delta(1e300),
    );
}

#[test]
fn eps_of_likelihoods() {
    rejected!(
        PoissonNllLossConfig.with_eps(-1.0)
            => "Name: eps must be finite and at least 0, but is -1.",
        PoissonNllLossConfig.with_eps(NAN)
            => "Name: eps must be finite and at least 0, but is NaN.",
        PoissonNllLossConfig.with_eps(INFINITY)
            => "Name: eps must be finite and at least 0, but is inf.",
        GaussianNllLossConfig.with_eps(0.0)
            => "Name: eps must be finite and positive, but is 0.",
        GaussianNllLossConfig.with_eps(-0.5)
            => "Name: eps must be finite and positive, but is -0.5.",
        GaussianNllLossConfig.with_eps(NAN)
            => "Name: eps must be finite and positive, but is NaN.",
        GaussianNllLossConfig.with_eps(INFINITY)
            => "Name: eps must be finite and positive, but is inf.",
    );
    accepted!(
        PoissonNllLossConfig.with_eps(0.0),
        GaussianNllLossConfig.with_eps(1e-300),
    );
}

#[test]
fn powers_and_margins_of_classes() {
    rejected!(
        MultiMarginLossConfig.with_p(3) => "Name: p must be 1 or 2, but is 3.",
        MultiMarginLossConfig.with_p(0) => "Name: p must be 1 or 2, but is 0.",
        MultiMarginLossConfig.with_margin(INFINITY) => "Name: margin must be finite, but is inf.",
        MultiMarginLossConfig.with_margin(-INFINITY)
            => "Name: margin must be finite, but is -inf.",
        MultiMarginLossConfig.with_margin(NAN) => "Name: margin must be finite, but is NaN.",
    );
    accepted!(
        MultiMarginLossConfig.with_p(2).with_margin(-1.0),
        MultiMarginLossConfig.with_margin(0.0),
    );
}

#[test]
fn margins_and_norms_of_embeddings() {
    rejected!(
        CosineEmbeddingLossConfig.with_margin(2.0)
            => "Name: margin must be between -1 and 1, but is 2.",
        CosineEmbeddingLossConfig.with_margin(-1.25)
            => "Name: margin must be between -1 and 1, but is -1.25.",
        CosineEmbeddingLossConfig.with_margin(NAN)
            => "Name: margin must be between -1 and 1, but is NaN.",
        CosineEmbeddingLossConfig.with_margin(-INFINITY)
            => "Name: margin must be between -1 and 1, but is -inf.",
        TripletMarginWithDistanceLossConfig.with_margin(0.0)
            => "Name: margin must be finite and positive, but is 0.",
        TripletMarginWithDistanceLossConfig.with_margin(-1.0)
            => "Name: margin must be finite and positive, but is -1.",
        TripletMarginWithDistanceLossConfig.with_margin(NAN)
            => "Name: margin must be finite and positive, but is NaN.",
        TripletMarginWithDistanceLossConfig.with_margin(INFINITY)
            => "Name: margin must be finite and positive, but is inf.",
        TripletMarginWithDistanceLossConfig.with_distance(Distance::Lp(0.5))
            => "Name: p must be finite and at least 1, but is 0.5.",
        TripletMarginWithDistanceLossConfig.with_distance(Distance::Lp(NAN))
            => "Name: p must be finite and at least 1, but is NaN.",
        TripletMarginWithDistanceLossConfig.with_distance(Distance::Lp(INFINITY))
            => "Name: p must be finite and at least 1, but is inf.",
    );
    accepted!(
        CosineEmbeddingLossConfig.with_margin(1.0),
        CosineEmbeddingLossConfig.with_margin(-1.0),
        TripletMarginWithDistanceLossConfig.with_margin(1e-300),
        TripletMarginWithDistanceLossConfig.with_distance(Distance::Lp(1.0)),
        TripletMarginWithDistanceLossConfig.with_distance(Distance::Cosine),
    );
}

/// A distance function of one's own has a margin too.
#[test]
fn a_margin_beside_a_function() {
    let config = TripletMarginWithDistanceLossConfig::new().with_margin(-0.5);
    let text = "TripletMarginWithDistanceLoss: margin must be finite and positive, but is -0.5.";
    let init = || drop(config.init_with(|a: Tensor<2>, _: Tensor<2>| -> Tensor<1> { a.sum() }));
    let panic = catch_unwind(AssertUnwindSafe(init)).expect_err(text);
    assert_eq!(panic.downcast_ref::<String>().unwrap(), text);
}

#[test]
fn the_first_wrong_option_is_told_whatever_the_others_are() {
    rejected!(
        CrossEntropyLossConfig
            .with_weights(Some(vec![1.0, 2.0]))
            .with_ignore_index(-100)
            .with_reduction(Reduction::Sum)
            .with_class_axis(0)
            => "Name: class_axis must be at least 1, but is 0: axis 0 is the batch.",
        TripletMarginLossConfig.with_swap(true).with_p(3.0).with_eps(-0.5)
            => "Name: eps must be finite and at least 0, but is -0.5.",
    );
}

// The defaults.

#[test]
fn defaults_are_the_documented_ones() {
    macro_rules! defaults {
        ($($loss:ident, $config:ident { $($field:ident: $value:expr),+ });+ $(;)?) => {$(
            let config = $config::new();
            $(assert_eq!(config.$field, $value, "{}", stringify!($config.$field));)+
            assert_eq!($config::default(), config);
            assert_eq!($loss::new().config(), &config);
            assert_eq!($loss::default().config(), &config);
            // No field is left out above.
            let json: serde_json::Value = serde_json::to_value(&config).unwrap();
            let tested = [$(stringify!($field)),+];
            assert_eq!(json.as_object().unwrap().len(), tested.len(), "{json}");
        )+};
    }
    let none: Option<Vec<f64>> = None;
    let nothing: Vec<i64> = Vec::new();
    defaults!(
        L1Loss, L1LossConfig { reduction: Reduction::Mean };
        MseLoss, MseLossConfig { reduction: Reduction::Mean };
        NllLoss, NllLossConfig {
            weights: none, ignore_indices: nothing, class_axis: 1, reduction: Reduction::Mean
        };
        CrossEntropyLoss, CrossEntropyLossConfig {
            weights: none, ignore_indices: nothing, label_smoothing: 0.0, log_prior: none, tau: 1.0,
            margins: none, logit_scale: 1.0, softcap: None, z_loss: 0.0, class_axis: 1,
            reduction: Reduction::Mean
        };
        BceLoss, BceLossConfig {
            weights: none, label_smoothing: 0.0, class_axis: 1, reduction: Reduction::Mean
        };
        BceWithLogitsLoss, BceWithLogitsLossConfig {
            weights: none, pos_weights: none, label_smoothing: 0.0, class_axis: 1,
            reduction: Reduction::Mean
        };
        HingeEmbeddingLoss, HingeEmbeddingLossConfig { margin: 1.0, reduction: Reduction::Mean };
        MarginRankingLoss, MarginRankingLossConfig { margin: 0.0, reduction: Reduction::Mean };
        TripletMarginLoss, TripletMarginLossConfig {
            margin: 1.0, p: 2.0, eps: 1e-6, swap: false, reduction: Reduction::Mean
        };
        KlDivLoss, KlDivLossConfig {
            log_target: false, class_axis: Some(1), reduction: Reduction::BatchMean
        };
        SmoothL1Loss, SmoothL1LossConfig { beta: 1.0, reduction: Reduction::Mean };
        HuberLoss, HuberLossConfig { delta: 1.0, reduction: Reduction::Mean };
        PoissonNllLoss, PoissonNllLossConfig {
            log_input: true, full: false, eps: 1e-8, reduction: Reduction::Mean
        };
        GaussianNllLoss, GaussianNllLossConfig {
            full: false, eps: 1e-6, reduction: Reduction::Mean
        };
        SoftMarginLoss, SoftMarginLossConfig { reduction: Reduction::Mean };
        MultiMarginLoss, MultiMarginLossConfig {
            p: 1, margin: 1.0, weights: none, class_axis: 1, reduction: Reduction::Mean
        };
        MultiLabelMarginLoss, MultiLabelMarginLossConfig {
            class_axis: 1, reduction: Reduction::Mean
        };
        MultiLabelSoftMarginLoss, MultiLabelSoftMarginLossConfig {
            weights: none, class_axis: 1, reduction: Reduction::Mean
        };
        CosineEmbeddingLoss, CosineEmbeddingLossConfig { margin: 0.0, reduction: Reduction::Mean };
        TripletMarginWithDistanceLoss, TripletMarginWithDistanceLossConfig {
            distance: Distance::Euclidean, margin: 1.0, swap: false, reduction: Reduction::Mean
        };
        LoadBalanceLoss, LoadBalanceLossConfig {
            activation: RouterActivation::Softmax, share: LoadShare::Choices, per_sequence: false,
            ignore_indices: nothing, reduction: Reduction::Mean
        };
        RouterZLoss, RouterZLossConfig { reduction: Reduction::Mean };
    );
    assert_eq!(Reduction::default(), Reduction::Mean);
}

#[test]
fn ignored_ids_add_up() {
    let one_by_one = CrossEntropyLossConfig::new()
        .with_ignore_index(-100)
        .with_ignore_index(255);
    let at_once = CrossEntropyLossConfig::new().with_ignore_indices(vec![-100, 255]);
    assert_eq!(one_by_one, at_once);
    let of_nll = NllLossConfig::new()
        .with_ignore_index(-1)
        .with_ignore_index(3);
    assert_eq!(of_nll.ignore_indices, [-1, 3]);
}

// Saving and loading.

/// A file of this process that is gone after the test.
struct TempFile(PathBuf);

impl TempFile {
    fn new(name: &str) -> Self {
        let name = format!("burn_losses_{}_{name}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn assert_round_trip<C: Config + PartialEq>(config: &C) {
    static COUNTER: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let count = COUNTER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let file = TempFile::new(&format!("config_{count}.json"));
    config.save(&file.0).unwrap();
    assert_eq!(&C::load(&file.0).unwrap(), config);
}

#[test]
fn every_configuration_survives_json() {
    macro_rules! round_trips {
        ($($config:ident $(.$with:ident($value:expr))+;)+) => {$(
            assert_round_trip(&$config::new());
            // Every option differs from its default, so that none can be lost unseen.
            let config = $config::new()$(.$with($value))+;
            let before = serde_json::to_value($config::new()).unwrap();
            let after = serde_json::to_value(&config).unwrap();
            for (key, value) in after.as_object().unwrap() {
                assert_ne!(&before[key], value, "{}.{key}", stringify!($config));
            }
            assert_round_trip(&config);
            assert_eq!(config.init().config(), &config);
        )+};
    }
    let sum = Reduction::Sum;
    round_trips!(
        L1LossConfig.with_reduction(sum);
        MseLossConfig.with_reduction(Reduction::BatchMean);
        NllLossConfig
            .with_weights(Some(vec![0.1, 2.0]))
            .with_ignore_indices(vec![-100, i64::MIN, i64::MAX])
            .with_class_axis(2)
            .with_reduction(sum);
        CrossEntropyLossConfig
            .with_weights(Some(vec![0.0, 1.0 / 3.0, 1e-300, 12345.678]))
            .with_ignore_index(255)
            .with_label_smoothing(0.1)
            .with_log_prior(Some(vec![-1.5, -0.25]))
            .with_tau(0.5)
            .with_margins(Some(vec![0.5, 1.0 / 3.0]))
            .with_logit_scale(30.0)
            .with_softcap(Some(50.0))
            .with_z_loss(1e-4)
            .with_class_axis(3)
            .with_reduction(sum);
        BceLossConfig
            .with_weights(Some(vec![0.7]))
            .with_label_smoothing(0.05)
            .with_class_axis(2)
            .with_reduction(sum);
        BceWithLogitsLossConfig
            .with_weights(Some(vec![0.7]))
            .with_pos_weights(Some(vec![0.1, 0.2, 0.3]))
            .with_label_smoothing(0.05)
            .with_class_axis(2)
            .with_reduction(sum);
        HingeEmbeddingLossConfig.with_margin(0.3).with_reduction(sum);
        MarginRankingLossConfig.with_margin(-0.7).with_reduction(sum);
        TripletMarginLossConfig
            .with_margin(0.2)
            .with_p(3.5)
            .with_eps(1e-9)
            .with_swap(true)
            .with_reduction(sum);
        KlDivLossConfig.with_log_target(true).with_class_axis(None).with_reduction(Reduction::Mean);
        SmoothL1LossConfig.with_beta(0.3).with_reduction(sum);
        HuberLossConfig.with_delta(1e-5).with_reduction(Reduction::BatchMean);
        PoissonNllLossConfig
            .with_log_input(false)
            .with_full(true)
            .with_eps(1.0 / 3.0)
            .with_reduction(sum);
        GaussianNllLossConfig.with_full(true).with_eps(1e-9).with_reduction(sum);
        SoftMarginLossConfig.with_reduction(sum);
        MultiMarginLossConfig
            .with_p(2)
            .with_margin(-0.3)
            .with_weights(Some(vec![0.1, 2.0]))
            .with_class_axis(2)
            .with_reduction(sum);
        MultiLabelMarginLossConfig.with_class_axis(2).with_reduction(sum);
        MultiLabelSoftMarginLossConfig
            .with_weights(Some(vec![0.7, 1.0 / 3.0]))
            .with_class_axis(2)
            .with_reduction(sum);
        CosineEmbeddingLossConfig.with_margin(-0.7).with_reduction(sum);
        TripletMarginWithDistanceLossConfig
            .with_distance(Distance::Lp(3.5))
            .with_margin(0.2)
            .with_swap(true)
            .with_reduction(sum);
        LoadBalanceLossConfig
            .with_activation(RouterActivation::Sigmoid)
            .with_share(LoadShare::Tokens)
            .with_per_sequence(true)
            .with_ignore_indices(vec![-100, i64::MIN, i64::MAX])
            .with_reduction(sum);
        RouterZLossConfig.with_reduction(sum);
    );
}

/// A loaded file is not trusted: its options are checked when the loss is made.
#[test]
fn a_loaded_configuration_is_checked() {
    let json = r#"{ "margin": -1.0, "p": 2.0, "eps": 1e-6, "swap": false, "reduction": "Mean" }"#;
    let config = TripletMarginLossConfig::load_binary(json.as_bytes()).unwrap();
    assert_eq!(
        config.try_init().unwrap_err().to_string(),
        "TripletMarginLoss: margin must be finite and positive, but is -1."
    );
}

#[test]
fn the_reduction_is_written_by_name() {
    let json = serde_json::to_string(&L1LossConfig::new().with_reduction(Reduction::BatchMean));
    assert_eq!(json.unwrap(), r#"{"reduction":"BatchMean"}"#);
    let misspelt = L1LossConfig::load_binary(br#"{ "reduction": "average" }"#).unwrap_err();
    for name in ["`average`", "`Mean`", "`Sum`", "`BatchMean`"] {
        assert!(misspelt.to_string().contains(name), "{misspelt}");
    }
}

#[test]
fn the_distance_is_written_by_name() {
    for (distance, json) in [
        (Distance::Euclidean, r#""Euclidean""#),
        (Distance::Lp(1.0), r#"{"Lp":1.0}"#),
        (Distance::Cosine, r#""Cosine""#),
    ] {
        assert_eq!(serde_json::to_string(&distance).unwrap(), json);
        let config = TripletMarginWithDistanceLossConfig::new().with_distance(distance);
        assert_round_trip(&config);
        let file = format!(r#"{{ "distance": {json} }}"#);
        assert_eq!(read(&file), Ok(config));
    }
    let config = read::<TripletMarginWithDistanceLossConfig>(r#"{ "distance": "euclid" }"#);
    let misspelt = config.unwrap_err();
    for name in ["`euclid`", "`Euclidean`", "`Lp`", "`Cosine`"] {
        assert!(misspelt.contains(name), "{misspelt}");
    }
}

/// A configuration of which only some options are given.
fn read<C: Config + Default>(file: &str) -> Result<C, String> {
    read_any(file)
}

fn read_any<C: Config>(file: &str) -> Result<C, String> {
    C::load_binary(file.as_bytes()).map_err(|error| error.to_string())
}

#[test]
fn a_file_in_part_is_laid_over_the_defaults() {
    macro_rules! reads {
        ($($config:ident $(.$with:ident($value:expr))* = $file:literal;)+) => {$(
            let expected = $config::new()$(.$with($value))*;
            assert_eq!(read::<$config>($file), Ok(expected), "{}", $file);
            assert_eq!(read::<$config>("{}"), Ok($config::new()));
        )+};
    }
    reads!(
        SmoothL1LossConfig.with_beta(0.0) = r#"{ "beta": 0 }"#;
        HuberLossConfig.with_delta(2.5) = r#"{ "delta": 2.5 }"#;
        PoissonNllLossConfig.with_log_input(false) = r#"{ "log_input": false }"#;
        PoissonNllLossConfig.with_full(true).with_eps(1e-6) = r#"{ "eps": 1e-6, "full": true }"#;
        GaussianNllLossConfig.with_full(true) = r#"{ "full": true }"#;
        SoftMarginLossConfig.with_reduction(Reduction::Sum) = r#"{ "reduction": "Sum" }"#;
        MultiMarginLossConfig.with_p(2).with_weights(Some(vec![1.0, 2.5]))
            = r#"{ "weights": [1, 2.5], "p": 2 }"#;
        MultiLabelMarginLossConfig.with_class_axis(2) = r#"{ "class_axis": 2 }"#;
        MultiLabelSoftMarginLossConfig.with_class_axis(2)
            = r#"{ "class_axis": 2, "weights": null }"#;
        CosineEmbeddingLossConfig.with_margin(0.5) = r#"{ "margin": 0.5 }"#;
        TripletMarginWithDistanceLossConfig.with_distance(Distance::Lp(1.0)).with_swap(true)
            = r#"{ "swap": true, "distance": { "Lp": 1 } }"#;
        TripletMarginWithDistanceLossConfig.with_distance(Distance::Cosine)
            = r#"{ "distance": "cosine" }"#;
        LoadBalanceLossConfig
            .with_activation(RouterActivation::Sigmoid)
            .with_share(LoadShare::Tokens)
            = r#"{ "activation": "sigmoid", "share": "tokens" }"#;
        LoadBalanceLossConfig
            .with_activation(RouterActivation::Probabilities)
            .with_ignore_index(-1)
            = r#"{ "ignore_indices": [-1], "activation": "probabilities" }"#;
        L1LossConfig.with_reduction(Reduction::Mean) = r#"{ "reduction": "mean" }"#;
        MseLossConfig.with_reduction(Reduction::Sum) = r#"{ "reduction": "sum" }"#;
        NllLossConfig.with_reduction(Reduction::BatchMean) = r#"{ "reduction": "batch_mean" }"#;
        KlDivLossConfig.with_reduction(Reduction::BatchMean) = r#"{ "reduction": "batchmean" }"#;
    );
}

/// As a user writes one.
#[derive(Config, Debug)]
struct TrainingConfig {
    learning_rate: f64,
    loss: CrossEntropyLossConfig,
    task: ClassificationLossConfig,
}

#[test]
fn a_file_in_part_is_a_field_of_a_users_configuration() {
    let file = r#"{ "learning_rate": 0.1, "loss": { "label_smoothing": 0.1 }, "task": "focal" }"#;
    let config = read_any::<TrainingConfig>(file).unwrap();
    assert_eq!(
        config.loss,
        CrossEntropyLossConfig::new().with_label_smoothing(0.1)
    );
    assert_eq!(config.task, FocalLossConfig::new().into());
    let again = read_any::<TrainingConfig>(&config.to_string()).unwrap();
    assert_eq!((again.loss, again.task), (config.loss, config.task));

    for (file, text) in [
        (
            r#"{ "learning_rate": 0.1, "loss": { "label_smooting": 0.1 }, "task": "nll" }"#,
            "CrossEntropyLoss has no option `label_smooting`: it has `weights`, `ignore_indices`, \
             `label_smoothing`, `log_prior`, `tau`, `margins`, `logit_scale`, `softcap`, `z_loss`, `class_axis`, `reduction`",
        ),
        (
            r#"{ "learning_rate": 0.1, "loss": {}, "task": "cross entropy" }"#,
            "there is no loss `cross entropy` here, only `cross_entropy`, `focal`, `nll`",
        ),
        (
            r#"{ "learning_rate": 0.1, "loss": "cross_entropy", "task": "nll" }"#,
            "invalid type: string \"cross_entropy\", expected the options of a loss by name",
        ),
        (
            r#"{ "learning_rate": 0.1, "loss": {}, "task": 3 }"#,
            "invalid type: integer `3`, expected the name of a loss, or its options by name",
        ),
        (
            r#"{ "learning_rate": 0.1, "loss": { "reduction": "average" }, "task": "nll" }"#,
            "option `reduction` of CrossEntropyLoss: unknown variant `average`, expected one of",
        ),
    ] {
        let error = read_any::<TrainingConfig>(file).unwrap_err();
        assert!(
            error.contains(text),
            "{file}:\n found {error}\nwanted {text}"
        );
    }
}

#[test]
fn a_wrong_option_of_a_file_is_told_with_the_right_ones() {
    macro_rules! tells {
        ($($config:ident, $file:literal => $text:literal;)+) => {$(
            let name = stringify!($config).strip_suffix("Config").unwrap();
            let found = read::<$config>($file).unwrap_err();
            let text = $text.replace("Name", name);
            assert!(found.contains(&text), "{}:\n found {found}\nwanted {text}", $file);
        )+};
    }
    tells!(
        SmoothL1LossConfig, r#"{ "bta": 0.5 }"#
            => "Name has no option `bta`: it has `beta`, `reduction`";
        SmoothL1LossConfig, r#"{ "delta": 0.5 }"#
            => "Name has no option `delta`: it has `beta`, `reduction`";
        HuberLossConfig, r#"{ "beta": 0.5 }"#
            => "Name has no option `beta`: it has `delta`, `reduction`";
        PoissonNllLossConfig, r#"{ "log": true }"#
            => "Name has no option `log`: it has `log_input`, `full`, `eps`, `reduction`";
        GaussianNllLossConfig, r#"{ "variance": 1 }"#
            => "Name has no option `variance`: it has `full`, `eps`, `reduction`";
        SoftMarginLossConfig, r#"{ "margin": 1 }"#
            => "Name has no option `margin`: it has `reduction`";
        MultiMarginLossConfig, r#"{ "weight": [1, 2] }"#
            => "Name has no option `weight`: it has `p`, `margin`, `weights`, `class_axis`, \
                `reduction`";
        MultiLabelMarginLossConfig, r#"{ "margin": 1 }"#
            => "Name has no option `margin`: it has `class_axis`, `reduction`";
        MultiLabelSoftMarginLossConfig, r#"{ "pos_weights": [1, 2] }"#
            => "Name has no option `pos_weights`: it has `weights`, `class_axis`, `reduction`";
        CosineEmbeddingLossConfig, r#"{ "margn": 0.5 }"#
            => "Name has no option `margn`: it has `margin`, `reduction`";
        TripletMarginWithDistanceLossConfig, r#"{ "p": 2 }"#
            => "Name has no option `p`: it has `distance`, `margin`, `swap`, `reduction`";
        LoadBalanceLossConfig, r#"{ "top_k": 2 }"#
            => "Name has no option `top_k`: it has `activation`, `share`, `per_sequence`, `ignore_indices`, \
                `reduction`";
        RouterZLossConfig, r#"{ "weight": 0.001 }"#
            => "Name has no option `weight`: it has `reduction`";

        PoissonNllLossConfig, r#"{ "full": 1 }"#
            => "option `full` of Name: invalid type: integer `1`, expected a boolean";
        MultiMarginLossConfig, r#"{ "p": 1.5 }"#
            => "option `p` of Name: invalid type: floating point `1.5`, expected usize";
        MultiMarginLossConfig, r#"{ "p": 1, "p": 2 }"#
            => "option `p` is given twice";
    );
}

// How a loss is shown.

#[test]
fn a_loss_is_shown_with_its_options() {
    let shown = [
        (L1Loss::new().to_string(), "L1Loss { reduction: Mean }"),
        (
            MseLossConfig::new()
                .with_reduction(Reduction::Sum)
                .init()
                .to_string(),
            "MseLoss { reduction: Sum }",
        ),
        (
            NllLossConfig::new()
                .with_ignore_index(-100)
                .init()
                .to_string(),
            "NllLoss { weights: None, ignore_indices: [-100], class_axis: 1, reduction: Mean }",
        ),
        (
            CrossEntropyLoss::new().to_string(),
            "CrossEntropyLoss { weights: None, ignore_indices: [], label_smoothing: 0.0, \
             log_prior: None, tau: 1.0, margins: None, logit_scale: 1.0, softcap: None, z_loss: 0.0, class_axis: 1, reduction: Mean }",
        ),
        (
            CrossEntropyLossConfig::new()
                .with_weights(Some(vec![0.5, 2.0]))
                .init()
                .to_string(),
            "CrossEntropyLoss { weights: Some([0.5, 2.0]), ignore_indices: [], \
             label_smoothing: 0.0, log_prior: None, tau: 1.0, margins: None, logit_scale: 1.0, softcap: None, z_loss: 0.0, class_axis: 1, reduction: Mean }",
        ),
        (
            BceLoss::new().to_string(),
            "BceLoss { weights: None, label_smoothing: 0.0, class_axis: 1, reduction: Mean }",
        ),
        (
            BceWithLogitsLossConfig::new()
                .with_pos_weights(Some(vec![3.0]))
                .init()
                .to_string(),
            "BceWithLogitsLoss { weights: None, pos_weights: Some([3.0]), label_smoothing: 0.0, \
             class_axis: 1, reduction: Mean }",
        ),
        (
            HingeEmbeddingLoss::new().to_string(),
            "HingeEmbeddingLoss { margin: 1.0, reduction: Mean }",
        ),
        (
            MarginRankingLoss::new().to_string(),
            "MarginRankingLoss { margin: 0.0, reduction: Mean }",
        ),
        (
            TripletMarginLoss::new().to_string(),
            "TripletMarginLoss { margin: 1.0, p: 2.0, eps: 1e-6, swap: false, reduction: Mean }",
        ),
        (
            KlDivLoss::new().to_string(),
            "KlDivLoss { log_target: false, class_axis: Some(1), reduction: BatchMean }",
        ),
        (
            SmoothL1Loss::new().to_string(),
            "SmoothL1Loss { beta: 1.0, reduction: Mean }",
        ),
        (
            HuberLossConfig::new().with_delta(0.5).init().to_string(),
            "HuberLoss { delta: 0.5, reduction: Mean }",
        ),
        (
            PoissonNllLoss::new().to_string(),
            "PoissonNllLoss { log_input: true, full: false, eps: 1e-8, reduction: Mean }",
        ),
        (
            GaussianNllLoss::new().to_string(),
            "GaussianNllLoss { full: false, eps: 1e-6, reduction: Mean }",
        ),
        (
            SoftMarginLoss::new().to_string(),
            "SoftMarginLoss { reduction: Mean }",
        ),
        (
            MultiMarginLossConfig::new()
                .with_weights(Some(vec![0.5, 2.0]))
                .init()
                .to_string(),
            "MultiMarginLoss { p: 1, margin: 1.0, weights: Some([0.5, 2.0]), class_axis: 1, \
             reduction: Mean }",
        ),
        (
            MultiLabelMarginLoss::new().to_string(),
            "MultiLabelMarginLoss { class_axis: 1, reduction: Mean }",
        ),
        (
            MultiLabelSoftMarginLoss::new().to_string(),
            "MultiLabelSoftMarginLoss { weights: None, class_axis: 1, reduction: Mean }",
        ),
        (
            CosineEmbeddingLoss::new().to_string(),
            "CosineEmbeddingLoss { margin: 0.0, reduction: Mean }",
        ),
        (
            TripletMarginWithDistanceLoss::new().to_string(),
            "TripletMarginWithDistanceLoss { distance: Euclidean, margin: 1.0, swap: false, \
             reduction: Mean }",
        ),
        (
            TripletMarginWithDistanceLossConfig::new()
                .with_distance(Distance::Lp(1.5))
                .init()
                .to_string(),
            "TripletMarginWithDistanceLoss { distance: Lp(1.5), margin: 1.0, swap: false, \
             reduction: Mean }",
        ),
        (
            LoadBalanceLoss::new().to_string(),
            "LoadBalanceLoss { activation: Softmax, share: Choices, per_sequence: false, ignore_indices: [], \
             reduction: Mean }",
        ),
        (
            RouterZLoss::new().to_string(),
            "RouterZLoss { reduction: Mean }",
        ),
    ];
    for (found, expected) in shown {
        assert_eq!(found, expected);
    }
}

// A loss in a model.

#[derive(Module, Debug)]
struct Model {
    linear: Linear,
    loss: CrossEntropyLoss,
    auxiliary: Option<TripletMarginLoss>,
}

/// A model whose loss is chosen by its type.
#[derive(Module, Debug)]
struct Generic<L: Module> {
    linear: Linear,
    loss: L,
}

fn loss() -> CrossEntropyLoss {
    CrossEntropyLossConfig::new()
        .with_weights(Some(vec![1.0, 2.0, 0.5]))
        .with_ignore_index(-1)
        .init()
}

fn model(device: &Device) -> Model {
    Model {
        linear: LinearConfig::new(2, 3).init(device),
        loss: loss(),
        auxiliary: Some(TripletMarginLossConfig::new().with_p(1.0).init()),
    }
}

#[test]
fn a_model_shows_its_losses() {
    assert_eq!(
        model(&Device::flex()).to_string(),
        "Model {
  linear: Linear {d_input: 2, d_output: 3, bias: true, params: 9}
  loss: CrossEntropyLoss { weights: Some([1.0, 2.0, 0.5]), ignore_indices: [-1], \
  label_smoothing: 0.0, log_prior: None, tau: 1.0, margins: None, logit_scale: 1.0, softcap: None, z_loss: 0.0, \
  class_axis: 1, reduction: Mean }
  auxiliary: TripletMarginLoss { margin: 1.0, p: 1.0, eps: 1e-6, swap: false, reduction: Mean }
  params: 9
}"
    );
    let generic = Generic {
        linear: LinearConfig::new(1, 1)
            .with_bias(false)
            .init(&Device::flex()),
        loss: MseLoss::new(),
    };
    assert_eq!(
        generic.to_string(),
        "Generic {
  linear: Linear {d_input: 1, d_output: 1, bias: false, params: 1}
  loss: MseLoss { reduction: Mean }
  params: 1
}"
    );
    let chosen = Generic {
        linear: generic.linear,
        loss: ClassificationLoss::from(MultiLabelMarginLoss::new()),
    };
    assert_eq!(
        chosen.to_string(),
        "Generic {
  linear: Linear {d_input: 1, d_output: 1, bias: false, params: 1}
  loss: MultiLabelMarginLoss { class_axis: 1, reduction: Mean }
  params: 1
}"
    );
}

#[test]
fn a_loss_has_no_parameters() {
    fn assert_no_parameters(loss: impl Module) {
        assert_eq!(loss.num_params(), 0, "{loss:?}");
        assert!(loss.devices().is_empty(), "{loss:?}");
    }
    assert_no_parameters(L1Loss::new());
    assert_no_parameters(MseLoss::new());
    assert_no_parameters(NllLoss::new());
    assert_no_parameters(loss());
    assert_no_parameters(BceLoss::new());
    assert_no_parameters(
        BceWithLogitsLossConfig::new()
            .with_pos_weights(Some(vec![2.0]))
            .init(),
    );
    assert_no_parameters(HingeEmbeddingLoss::new());
    assert_no_parameters(MarginRankingLoss::new());
    assert_no_parameters(TripletMarginLoss::new());
    assert_no_parameters(KlDivLoss::new());
    assert_no_parameters(SmoothL1Loss::new());
    assert_no_parameters(HuberLoss::new());
    assert_no_parameters(PoissonNllLoss::new());
    assert_no_parameters(GaussianNllLoss::new());
    assert_no_parameters(SoftMarginLoss::new());
    assert_no_parameters(
        MultiMarginLossConfig::new()
            .with_weights(Some(vec![1.0, 2.0]))
            .init(),
    );
    assert_no_parameters(MultiLabelMarginLoss::new());
    assert_no_parameters(MultiLabelSoftMarginLoss::new());
    assert_no_parameters(CosineEmbeddingLoss::new());
    assert_no_parameters(TripletMarginWithDistanceLoss::new());
    assert_no_parameters(LoadBalanceLoss::new());
    assert_no_parameters(RouterZLoss::new());
    assert_eq!(model(&Device::flex()).num_params(), 9);
}

fn assert_same_losses(found: &Model, expected: &Model, what: &str) {
    assert_eq!(found.loss.config(), expected.loss.config(), "{what}");
    let options = |model: &Model| model.auxiliary.as_ref().map(|loss| loss.config().clone());
    assert_eq!(options(found), options(expected), "{what}");
}

#[test]
fn a_loss_survives_what_is_done_to_its_model() {
    let device = Device::flex().autodiff();
    let before = model(&device);
    for (what, after) in [
        ("clone", before.clone()),
        ("valid", before.valid()),
        ("valid and train", before.valid().train()),
        ("no_grad", before.clone().no_grad()),
        ("fork", before.clone().fork(&device)),
        ("to_device", before.clone().to_device(&Device::flex())),
        #[cfg(feature = "ndarray")]
        ("to another backend", {
            #[allow(deprecated)]
            before.clone().to_device(&Device::ndarray())
        }),
    ] {
        assert_same_losses(&after, &before, what);
        assert_eq!(after.num_params(), 9, "{what}");
    }
}

/// The class weights follow the logits: a model that was moved computes the same loss.
#[test]
fn a_moved_model_trains() {
    #[cfg(feature = "ndarray")]
    #[allow(deprecated)]
    let other = Device::ndarray();
    #[cfg(not(feature = "ndarray"))]
    let other = Device::flex();

    let value = |model: &Model, device: &Device| {
        let input = Tensor::<2>::from_data([[1.0, -1.0], [0.5, 2.0]], device);
        let targets = Tensor::<1, burn::tensor::Int>::from_data([2, 1], device);
        let value = model.loss.forward(model.linear.forward(input), targets);
        value.into_data().iter::<f64>().next().unwrap()
    };
    let here = model(&Device::flex());
    let there = here.clone().to_device(&other);
    let (here, there) = (value(&here, &Device::flex()), value(&there, &other));
    assert!((here - there).abs() < 1e-5 * here, "{here} and {there}");
}

#[test]
fn a_record_holds_the_parameters_and_keeps_the_losses_of_the_model_it_is_loaded_into() {
    let device = Device::flex();
    let trained = model(&device);
    let file = TempFile::new("model.bpk");
    trained.clone().save_file(&file.0).unwrap();

    let mut fresh = model(&device);
    fresh.loss = CrossEntropyLoss::new();
    let other_losses = fresh.clone();
    let loaded = fresh.try_load_file(&file.0).unwrap();
    assert_same_losses(&loaded, &other_losses, "load_file");
    let weights = |model: &Model| model.linear.weight.val().into_data();
    weights(&loaded).assert_eq(&weights(&trained), true);
}

// Burn's reduction.

#[test]
fn reductions_convert_from_and_to_burns() {
    for (ours, burns) in [
        (Reduction::Mean, BurnReduction::Mean),
        (Reduction::Sum, BurnReduction::Sum),
        (Reduction::BatchMean, BurnReduction::BatchMean),
    ] {
        let name = format!("{burns:?}");
        assert_eq!(format!("{:?}", BurnReduction::from(ours)), name);
        assert_eq!(Reduction::from(burns), ours);
    }
    assert_eq!(Reduction::from(BurnReduction::Auto), Reduction::Mean);
}
