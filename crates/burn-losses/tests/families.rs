//! The families: each member by the family's call gives what the loss by itself gives, a file says
//! which member it is, and what is wrong in either has a text that helps.

mod common;

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{DType, Device, Int, Tensor, TensorData, activation};
use burn_losses::prelude::*;
use burn_losses::{LossErrorKind, target};
use common::{TestDevice, assert_close, devices, numbers};

const F32: DType = DType::F32;
const LOGITS: [f64; 12] = [
    0.5, -1.0, 2.0, 1.5, 0.25, -0.75, -2.0, 1.0, 0.0, 3.0, -1.5, 0.75,
];
const IDS: [i64; 4] = [2, 0, 1, 1];
const WEIGHTS: [f64; 4] = [0.5, 0.0, 2.0, 1.0];

/// The loss of elements alone, whose classes the family has on axis 1.
const WITHOUT_AXIS: &str = "soft_margin";

const REDUCTIONS: [Reduction; 3] = [Reduction::Mean, Reduction::Sum, Reduction::BatchMean];

fn ids<const D: usize>(on: &TestDevice, ids: &[i64], shape: [usize; D]) -> Tensor<D, Int> {
    Tensor::from_data(TensorData::new(ids.to_vec(), shape), &on.device)
}

/// A member of the classification family, and the same loss called by itself: on logits, class ids
/// and (where they are given) weights per sample.
struct Member {
    config: ClassificationLossConfig,
    alone: fn(Tensor<2>, Tensor<1, Int>, Option<Tensor<1>>, Reduction) -> Tensor<1>,
}

/// The loss called by itself, whatever it takes.
fn call<X, T, L: Loss<X, T>>(
    loss: L,
    output: X,
    targets: T,
    weights: Option<Tensor<1>>,
) -> Tensor<1>
where
    Tensor<1>: burn_losses::target::SampleWeights<L::Unreduced>,
{
    match weights {
        Some(weights) => loss.forward_weighted(output, targets, weights),
        None => loss.forward(output, targets),
    }
}

fn rows(ids: Tensor<1, Int>) -> Tensor<2> {
    target::one_hot(ids, 3, 1)
}

fn with_reduction(config: &ClassificationLossConfig, reduction: Reduction) -> ClassificationLoss {
    use ClassificationLossConfig as C;
    let config: C = match config.clone() {
        C::CrossEntropy(config) => config.with_reduction(reduction).into(),
        C::Focal(config) => config.with_reduction(reduction).into(),
        C::Nll(config) => config.with_reduction(reduction).into(),
        C::BceWithLogits(config) => config.with_reduction(reduction).into(),
        C::Bce(config) => config.with_reduction(reduction).into(),
        C::KlDiv(config) => config.with_reduction(reduction).into(),
        C::MultiMargin(config) => config.with_reduction(reduction).into(),
        C::SoftMargin(config) => config.with_reduction(reduction).into(),
        C::MultiLabelMargin(config) => config.with_reduction(reduction).into(),
        C::MultiLabelSoftMargin(config) => config.with_reduction(reduction).into(),
        other => panic!("{} is not tested", other.name()),
    };
    config.init()
}

fn members() -> Vec<Member> {
    let class_weights = || Some(vec![0.5, 2.0, 1.5]);
    vec![
        Member {
            config: CrossEntropyLossConfig::new()
                .with_weights(Some(vec![0.5, 2.0, 1.5]))
                .with_label_smoothing(0.25)
                .into(),
            alone: |x, ids, weights, reduction| {
                let config = CrossEntropyLossConfig::new()
                    .with_weights(Some(vec![0.5, 2.0, 1.5]))
                    .with_label_smoothing(0.25);
                call(config.with_reduction(reduction).init(), x, ids, weights)
            },
        },
        Member {
            config: FocalLossConfig::new().with_alpha(class_weights()).into(),
            alone: |x, ids, weights, reduction| {
                let config = FocalLossConfig::new().with_alpha(Some(vec![0.5, 2.0, 1.5]));
                call(config.with_reduction(reduction).init(), x, ids, weights)
            },
        },
        Member {
            config: NllLossConfig::new().with_weights(class_weights()).into(),
            alone: |x, ids, weights, reduction| {
                let config = NllLossConfig::new().with_weights(Some(vec![0.5, 2.0, 1.5]));
                let loss = config.with_reduction(reduction).init();
                call(loss, target::log_probs(x, 1), ids, weights)
            },
        },
        Member {
            config: BceWithLogitsLossConfig::new()
                .with_pos_weights(class_weights())
                .into(),
            alone: |x, ids, weights, reduction| {
                let config =
                    BceWithLogitsLossConfig::new().with_pos_weights(Some(vec![0.5, 2.0, 1.5]));
                call(
                    config.with_reduction(reduction).init(),
                    x,
                    rows(ids),
                    weights,
                )
            },
        },
        Member {
            config: BceLossConfig::new().with_label_smoothing(0.25).into(),
            alone: |x, ids, weights, reduction| {
                let config = BceLossConfig::new().with_label_smoothing(0.25);
                let loss = config.with_reduction(reduction).init();
                call(loss, activation::sigmoid(x), rows(ids), weights)
            },
        },
        Member {
            config: KlDivLossConfig::new().into(),
            alone: |x, ids, weights, reduction| {
                let loss = KlDivLossConfig::new().with_reduction(reduction).init();
                call(loss, target::log_probs(x, 1), rows(ids), weights)
            },
        },
        Member {
            config: KlDivLossConfig::new().with_log_target(true).into(),
            alone: |x, ids, weights, reduction| {
                let loss = KlDivLossConfig::new().with_reduction(reduction).init();
                call(loss, target::log_probs(x, 1), rows(ids), weights)
            },
        },
        Member {
            config: MultiMarginLossConfig::new()
                .with_margin(0.5)
                .with_weights(class_weights())
                .into(),
            alone: |x, ids, weights, reduction| {
                let config = MultiMarginLossConfig::new()
                    .with_margin(0.5)
                    .with_weights(Some(vec![0.5, 2.0, 1.5]));
                call(config.with_reduction(reduction).init(), x, ids, weights)
            },
        },
        Member {
            config: SoftMarginLossConfig::new().into(),
            alone: |x, ids, weights, reduction| {
                let loss = SoftMarginLossConfig::new().with_reduction(reduction).init();
                call(loss, x, target::signs(rows(ids)), weights)
            },
        },
        Member {
            config: MultiLabelMarginLossConfig::new().into(),
            alone: |x, ids, weights, reduction| {
                let config = MultiLabelMarginLossConfig::new();
                let label = target::label_ids(rows(ids).greater_scalar(0.5), 1);
                call(config.with_reduction(reduction).init(), x, label, weights)
            },
        },
        Member {
            config: MultiLabelSoftMarginLossConfig::new()
                .with_weights(class_weights())
                .into(),
            alone: |x, ids, weights, reduction| {
                let config =
                    MultiLabelSoftMarginLossConfig::new().with_weights(Some(vec![0.5, 2.0, 1.5]));
                let loss = config.with_reduction(reduction).init();
                call(loss, x, rows(ids), weights)
            },
        },
    ]
}

#[test]
fn every_member_is_tested() {
    let members = members();
    for name in ClassificationLossConfig::NAMES {
        assert!(
            members.iter().any(|member| member.config.name() == *name),
            "no test for {name}"
        );
    }
    assert_eq!(
        RegressionLossConfig::NAMES,
        [
            "l1",
            "mse",
            "smooth_l1",
            "huber",
            "poisson_nll",
            "quantile",
            "expectile",
            "log_cosh",
            "general_robust",
            "tukey"
        ]
    );
}

#[test]
fn a_member_gives_what_its_loss_gives() {
    for on in devices() {
        for member in members() {
            for reduction in REDUCTIONS {
                for weighted in [false, true] {
                    let what = format!(
                        "{} {:?} {reduction:?} weighted {weighted}",
                        on.name, member.config
                    );
                    let weights = || weighted.then(|| on.tensor(&WEIGHTS, [4], F32));
                    let targets = || ids(&on, &IDS, [4]);

                    let x = on.tracked(&LOGITS, [4, 3], F32);
                    let expected = (member.alone)(x.clone(), targets(), weights(), reduction);
                    let gradient = x.grad(&expected.backward()).unwrap();

                    let loss = with_reduction(&member.config, reduction);
                    let y = on.tracked(&LOGITS, [4, 3], F32);
                    let found = call(loss, y.clone(), targets(), weights());
                    let found_gradient = y.grad(&found.backward()).unwrap();

                    assert_close(&what, &numbers(&found), &numbers(&expected), 1e-6);
                    assert_close(&what, &numbers(&found_gradient), &numbers(&gradient), 1e-6);
                }
            }
        }
    }
}

#[test]
fn the_loss_of_a_sample_is_the_sum_of_its_terms() {
    for on in devices() {
        for member in members() {
            let what = format!("{} {:?}", on.name, member.config);
            let loss = with_reduction(&member.config, Reduction::Mean);
            let x = on.tracked(&LOGITS, [4, 3], F32);
            let targets = || ids(&on, &IDS, [4]);

            let each: Tensor<1> = loss.forward_no_reduction(x.clone(), targets());
            let sum = with_reduction(&member.config, Reduction::Sum).forward(x.clone(), targets());
            let total: f64 = numbers(&each).iter().sum();
            assert_close(&what, &[total], &numbers(&sum), 1e-6);

            // What comes from above differs from sample to sample.
            let scales = on.tensor(&WEIGHTS, [4], F32).autodiff();
            let gradient = x.grad(&(each * scales).sum().backward()).unwrap();
            let y = on.tracked(&LOGITS, [4, 3], F32);
            let weights = Some(on.tensor(&WEIGHTS, [4], F32));
            let sum = (member.alone)(y.clone(), targets(), weights, Reduction::Sum);
            let expected = y.grad(&sum.backward()).unwrap();
            assert_close(&what, &numbers(&gradient), &numbers(&expected), 1e-6);

            let parts = loss.forward_parts(x.clone(), targets());
            let mean = numbers(&parts.sum)[0] / numbers(&parts.weight)[0];
            assert_close(&what, &[mean], &numbers(&loss.forward(x, targets())), 1e-6);
        }
    }
}

#[test]
fn the_class_axis_and_ignored_ids_reach_the_loss() {
    for on in devices() {
        // [1, 4, 3]: a sentence of four words, classes last.
        let x = || on.tensor(&LOGITS, [1, 4, 3], F32);
        let targets = || ids(&on, &IDS, [1, 4]);
        let flat = || (on.tensor(&LOGITS, [4, 3], F32), ids(&on, &IDS, [4]));
        let of = |name: &str, axis: &str| {
            let file = format!(r#"{{ "loss": "{name}", {axis} "reduction": "Sum" }}"#);
            ClassificationLossConfig::load_binary(file.as_bytes())
                .unwrap()
                .init()
        };
        for name in ClassificationLossConfig::NAMES {
            let each: Tensor<2> = match *name {
                WITHOUT_AXIS => of(name, "").forward_no_reduction(x().swap_dims(1, 2), targets()),
                _ => of(name, r#""class_axis": 2,"#).forward_no_reduction(x(), targets()),
            };
            let (x, ids) = flat();
            let expected: Tensor<1> = of(name, "").forward_no_reduction(x, ids);
            assert_close(name, &numbers(&each), &numbers(&expected), 1e-6);
        }
        let file = br#"{ "loss": "nll", "ignore_indices": [1] }"#;
        let loss = ClassificationLossConfig::load_binary(file).unwrap().init();
        let (x, ids) = flat();
        let each: Tensor<1> = loss.forward_no_reduction(x, ids);
        assert_eq!(numbers(&each)[2..], [0.0, 0.0]);
    }
}

#[test]
fn no_logits_no_loss() {
    for on in devices() {
        for member in members() {
            let loss = member.config.init();
            let x = on.tracked(&[], [0, 3], F32);
            let value = loss.forward(x.clone(), ids(&on, &[], [0]));
            assert_eq!(numbers(&value), [0.0], "{} {:?}", on.name, member.config);
            let each: Tensor<1> = loss.forward_no_reduction(x, ids(&on, &[], [0]));
            assert_eq!(each.dims(), [0]);
        }
    }
}

/// No member has a gradient beyond 1 per logit, however the logit is saturated; and what it puts in
/// between must not make one.
#[test]
fn saturated_logits_have_bounded_gradients() {
    for on in devices() {
        for member in members() {
            let what = format!("{} {:?}", on.name, member.config);
            let loss = with_reduction(&member.config, Reduction::Sum);
            let large = [17.0, 17.5, 18.0, 20.0, 25.0, 100.0, 1e4, 1e30, 3e38];
            let rows: Vec<f64> = large
                .iter()
                .flat_map(|&x| [x, 0.0, -x, -x, 0.0, x])
                .collect();
            let count = rows.len() / 3;
            let x = on.tracked(&rows, [count, 3], F32);
            let targets = vec![0; count];
            let each = loss.forward_no_reduction(x.clone(), ids(&on, &targets, [count]));
            let gradient = x.grad(&each.clone().sum().backward()).unwrap();
            for gradient in numbers(&gradient) {
                // The greatest weight of a class is 2.
                assert!(gradient.abs() <= 2.001, "{what}: {gradient}");
            }
            assert!(numbers(&each).iter().all(|loss| !loss.is_nan()), "{what}");
        }
    }
}

/// The mean of losses near the largest number is finite if that of the loss alone is.
#[test]
fn the_mean_of_large_terms_does_not_overflow() {
    for on in devices() {
        let rows = || on.tensor(&[2e38; 6], [2, 3], F32);
        let targets = ids(&on, &[0, 1], [2]);
        let alone = BceWithLogitsLoss::new().forward(rows(), rows().zeros_like());
        for name in ["bce_with_logits", "soft_margin", "multi_label_soft_margin"] {
            let loss = name.parse::<ClassificationLossConfig>().unwrap().init();
            let found = loss.forward(rows(), targets.clone());
            assert_close(
                &format!("{name} on {}", on.name),
                &numbers(&found),
                &[numbers(&alone)[0] * 2.0 / 3.0],
                1e-5,
            );
        }
    }
}

#[test]
fn a_wrong_call_is_an_error_of_the_loss() {
    for on in devices() {
        let logits = || on.tensor(&LOGITS, [4, 3], F32);
        let of = |name: &str| name.parse::<ClassificationLossConfig>().unwrap().init();

        for (name, loss, fix) in [
            (
                "cross_entropy",
                "CrossEntropyLoss",
                "Only if 3 marks what does not count, set with_ignore_index(3)",
            ),
            (
                "nll",
                "NllLoss",
                "Only if 3 marks what does not count, set with_ignore_index(3)",
            ),
            (
                "bce_with_logits",
                "BceWithLogitsLoss",
                "make it any class and give it weight 0",
            ),
            ("bce", "BceLoss", "make it any class and give it weight 0"),
            (
                "kl_div",
                "KlDivLoss",
                "make it any class and give it weight 0",
            ),
            (
                "multi_margin",
                "MultiMarginLoss",
                "make it any class and give it weight 0",
            ),
            (
                "soft_margin",
                "SoftMarginLoss",
                "make it any class and give it weight 0",
            ),
            (
                "multi_label_margin",
                "MultiLabelMarginLoss",
                "make it any class and give it weight 0",
            ),
            (
                "multi_label_soft_margin",
                "MultiLabelSoftMarginLoss",
                "make it any class and give it weight 0",
            ),
        ] {
            let said = |error: burn_losses::LossError, start: &str, part: &str| {
                let text = error.to_string();
                assert!(
                    text.starts_with(&format!("{loss}: {start}")),
                    "{}: {text}",
                    on.name
                );
                assert!(text.contains(part), "{}: {text}", on.name);
            };
            let error = of(name)
                .try_forward(logits(), ids(&on, &[0, 1, 3, 2], [4]))
                .unwrap_err();
            assert_eq!(
                error.kind,
                LossErrorKind::Value {
                    value: 3.0,
                    index: vec![2]
                }
            );
            said(
                error,
                "target 3 at index [2] is not a class id: the input has 3 classes",
                fix,
            );

            let error = of(name)
                .try_forward(logits(), ids(&on, &[0, 1], [2]))
                .unwrap_err();
            said(
                error,
                "log",
                "[4, 3] with class axis 1 (3 classes) needs class ids of shape [4]",
            );

            let one = on.tensor(&LOGITS[..4], [4, 1], F32);
            let error = of(name)
                .try_forward(one, ids(&on, &[0; 4], [4]))
                .unwrap_err();
            assert_eq!(error.kind, LossErrorKind::Shape);
            said(error, "", "BceWithLogitsLoss");

            if name != WITHOUT_AXIS {
                let file = format!(r#"{{ "loss": "{name}", "class_axis": 2 }}"#);
                let config = ClassificationLossConfig::load_binary(file.as_bytes()).unwrap();
                let error = config
                    .init()
                    .try_forward(logits(), ids(&on, &IDS, [4]))
                    .unwrap_err();
                said(
                    error,
                    "class_axis 2 is not an axis of the input [4, 3]",
                    "the last one is 1",
                );
            }

            let weights = on.tensor(&[1.0, 2.0], [2], F32);
            let error = of(name).try_forward_weighted(logits(), ids(&on, &IDS, [4]), weights);
            said(
                error.unwrap_err(),
                "weights [2] do not fit the loss [4]",
                "one per sample",
            );
        }

        let (x, y) = (
            on.tensor(&[1.0; 4], [4, 1], F32),
            on.tensor(&[1.0; 4], [1, 4], F32),
        );
        let loss = RegressionLossConfig::default().init();
        let error = loss.try_forward(x, y).unwrap_err().to_string();
        assert!(
            error.starts_with("MseLoss: predictions [4, 1] and targets [1, 4]"),
            "{error}"
        );
    }
}

#[test]
fn a_bad_option_is_an_error_of_the_loss() {
    for (file, text) in [
        (
            r#"{ "loss": "kl_div", "class_axis": null }"#,
            "KlDivLoss: class_axis is None, but a ClassificationLoss makes rows of the class ids \
             along it: set with_class_axis(Some(1)).",
        ),
        (
            r#"{ "loss": "cross_entropy", "label_smoothing": 2 }"#,
            "CrossEntropyLoss: label_smoothing must be between 0 and 1, but is 2.",
        ),
        (
            r#"{ "loss": "multi_margin", "p": 3 }"#,
            "MultiMarginLoss: p must be 1 or 2, but is 3.",
        ),
    ] {
        let config = ClassificationLossConfig::load_binary(file.as_bytes()).unwrap();
        let error = config.try_init().unwrap_err();
        assert_eq!(error.kind, LossErrorKind::Config);
        assert!(error.to_string().starts_with(text), "{error}");
    }

    // The loss alone may be without a class axis; as a member it would have to guess one.
    let alone = KlDivLossConfig::new().with_class_axis(None).init();
    let device = Device::flex();
    let logits = Tensor::<2>::zeros([1, 2], &device);
    let ids = Tensor::<1, Int>::from_data([0], &device);
    let error = ClassificationLoss::from(alone)
        .try_forward(logits, ids)
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("KlDivLoss: class_axis is None"),
        "{error}"
    );
}

#[test]
fn suspicions_are_about_logits_and_ids() {
    for on in devices() {
        for member in members() {
            let loss = member.config.init();
            let rules = |logits: Tensor<2>, targets: &[i64]| -> Vec<_> {
                let lints = loss.lint(&logits, &ids(&on, targets, [4]));
                lints.into_iter().map(|lint| lint.rule).collect()
            };
            let logits = || on.tensor(&LOGITS, [4, 3], F32);
            assert!(rules(logits(), &IDS).is_empty());
            assert_eq!(rules(logits(), &[1; 4]), ["single-class"]);
            let softmax = activation::softmax(logits(), 1);
            assert_eq!(rules(softmax, &IDS), ["probabilities-as-logits"]);
            // Outputs of a sigmoid are legal logits of a softmax.
            let binary = [
                "bce_with_logits",
                "bce",
                "soft_margin",
                "multi_label_soft_margin",
            ];
            let expected: &[&str] = if binary.contains(&member.config.name()) {
                &["probabilities-as-logits"]
            } else {
                &[]
            };
            assert_eq!(rules(activation::sigmoid(logits()), &IDS), expected);
            assert_eq!(rules(logits(), &[0, 1, 2, 3]), ["invalid"]);
        }
        let loss = RegressionLossConfig::default().init();
        let x = on.tensor(&LOGITS, [12], F32);
        assert_eq!(loss.lint(&x, &x.ones_like())[0].rule, "constant-target");
    }
}

#[test]
fn a_regression_member_gives_what_its_loss_gives() {
    for on in devices() {
        let targets = || on.tensor(&[0.0, 1.0, 2.0, 3.0], [2, 2], F32);
        let both = |family: RegressionLoss, each: &dyn Fn(Tensor<2>, Tensor<2>) -> Tensor<1>| {
            let x = on.tracked(&LOGITS[..4], [2, 2], F32);
            let y = on.tracked(&LOGITS[..4], [2, 2], F32);
            let found = family.forward(x.clone(), targets());
            let expected = each(y.clone(), targets());
            assert_eq!(numbers(&found), numbers(&expected));
            let found = x.grad(&found.backward()).unwrap();
            let expected = y.grad(&expected.backward()).unwrap();
            assert_eq!(numbers(&found), numbers(&expected));
        };
        let l1 = L1LossConfig::new().with_reduction(Reduction::BatchMean);
        let family = RegressionLossConfig::from(l1.clone()).init();
        both(family, &|x, y| l1.init().forward(x, y));
        both(MseLoss::new().into(), &|x, y| MseLoss::new().forward(x, y));
        let smooth_l1 = SmoothL1LossConfig::new().with_beta(0.5).init();
        both(smooth_l1.clone().into(), &|x, y| smooth_l1.forward(x, y));
        let huber = HuberLossConfig::new().with_delta(0.5).init();
        both(huber.clone().into(), &|x, y| huber.forward(x, y));
        let poisson = PoissonNllLossConfig::new().with_full(true).init();
        both(poisson.clone().into(), &|x, y| poisson.forward(x, y));
        let quantile = QuantileLossConfig::new().with_quantiles(vec![0.9]).init();
        both(quantile.clone().into(), &|x, y| quantile.forward(x, y));
        let expectile = ExpectileLossConfig::new().with_expectile(0.9).init();
        both(expectile.clone().into(), &|x, y| expectile.forward(x, y));
        let log_cosh = LogCoshLoss::new();
        both(log_cosh.clone().into(), &|x, y| log_cosh.forward(x, y));
        let welsch = GeneralRobustLossConfig::welsch().init();
        both(welsch.clone().into(), &|x, y| welsch.forward(x, y));
        let tukey = TukeyLossConfig::new().with_c(2.0).init();
        both(tukey.clone().into(), &|x, y| tukey.forward(x, y));
    }
}

// Files.

fn classification(file: &str) -> Result<ClassificationLossConfig, String> {
    let config = ClassificationLossConfig::load_binary(file.as_bytes());
    config.map_err(|error| error.to_string())
}

#[test]
fn a_file_is_laid_over_the_defaults() {
    let config = classification(r#"{ "weights": [1, 2.5], "loss": "cross_entropy" }"#);
    let expected = CrossEntropyLossConfig::new().with_weights(Some(vec![1.0, 2.5]));
    assert_eq!(config, Ok(expected.into()));
    let config = classification(r#"{ "loss": "kl_div" }"#);
    assert_eq!(config, Ok(KlDivLossConfig::new().into()));
    let config = classification(r#"{ "loss": "bce", "weights": null, "reduction": "Sum" }"#);
    assert_eq!(
        config,
        Ok(BceLossConfig::new().with_reduction(Reduction::Sum).into())
    );
}

#[test]
fn a_wrong_file_says_what_there_is() {
    let losses = "`cross_entropy`, `focal`, `nll`, `bce_with_logits`, `bce`, `kl_div`, `multi_margin`, \
                  `soft_margin`, `multi_label_margin`, `multi_label_soft_margin`";
    let smoothing = "`weights`, `ignore_indices`, `label_smoothing`, `log_prior`, `tau`, `margins`, `logit_scale`, `softcap`, `z_loss`, `class_axis`, `reduction`";
    for (file, text) in [
        (
            r#"{ "loss": "cross_entrpy" }"#,
            format!("there is no loss `cross_entrpy` here, only {losses}"),
        ),
        (
            r#"{ "loss": "triplet_margin" }"#,
            format!("there is no loss `triplet_margin` here, only {losses}"),
        ),
        (
            r#"{ "loss": 3 }"#,
            format!("`loss` must be one of {losses}, not 3"),
        ),
        (
            r#"{ "los": "bce" }"#,
            format!("`loss` is missing: it must be one of {losses}"),
        ),
        (
            r#"{ "loss": "cross_entropy", "label_smothing": 0.1 }"#,
            format!("CrossEntropyLoss has no option `label_smothing`: it has {smoothing}"),
        ),
        (
            r#"{ "loss": "cross_entropy", "label_smoothing": "0.1" }"#,
            "option `label_smoothing` of CrossEntropyLoss: invalid type: string \"0.1\", expected \
             f64"
            .into(),
        ),
        (
            r#"{ "loss": "cross_entropy", "class_axis": -1 }"#,
            "option `class_axis` of CrossEntropyLoss: invalid value: integer `-1`, expected usize"
                .into(),
        ),
        (
            r#"{ "loss": "nll", "reduction": "average" }"#,
            "option `reduction` of NllLoss: unknown variant `average`, expected one of".into(),
        ),
        (
            r#"{ "loss": "nll", "weights": [1, 2], "weights": [2, 1] }"#,
            "option `weights` is given twice".into(),
        ),
        (
            r#"["nll"]"#,
            "invalid type: sequence, expected the name of a loss, or its options by name".into(),
        ),
    ] {
        let found = classification(file).unwrap_err();
        assert!(
            found.contains(&text),
            "{file}:\n found {found}\nwanted {text}"
        );
    }
    let error = "hubert".parse::<RegressionLossConfig>().unwrap_err();
    assert_eq!(
        error,
        "there is no loss `hubert` here, only `l1`, `mse`, `smooth_l1`, `huber`, `poisson_nll`, `quantile`, `expectile`, \
         `log_cosh`, `general_robust`, `tukey`"
    );
}

#[test]
fn a_saved_configuration_loads_to_the_same_loss() {
    let directory = std::env::temp_dir();
    for (number, member) in members().into_iter().enumerate() {
        let name = format!("burn_losses_family_{}_{number}.json", std::process::id());
        let path = directory.join(name);
        member.config.save(&path).unwrap();
        let loaded = ClassificationLossConfig::load(&path);
        std::fs::remove_file(&path).unwrap();
        let loaded = loaded.unwrap();
        assert_eq!(loaded, member.config);
        assert_eq!(loaded.init().to_string(), member.config.init().to_string());
    }
    for config in [
        L1LossConfig::new().into(),
        RegressionLossConfig::from(MseLossConfig::new().with_reduction(Reduction::Sum)),
        SmoothL1LossConfig::new().with_beta(0.5).into(),
        HuberLossConfig::new().with_delta(0.5).into(),
        PoissonNllLossConfig::new().with_log_input(false).into(),
        QuantileLossConfig::new()
            .with_quantiles(vec![0.1, 0.9])
            .into(),
        GeneralRobustLossConfig::welsch().into(),
        TukeyLossConfig::new().with_c(2.0).into(),
    ] {
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(
            RegressionLossConfig::load_binary(json.as_bytes()).unwrap(),
            config
        );
    }
    let json = serde_json::to_string(&RegressionLossConfig::default()).unwrap();
    assert_eq!(json, r#"{"loss":"mse","reduction":"Mean"}"#);
}

#[test]
fn names_are_those_of_the_files() {
    for name in ClassificationLossConfig::NAMES {
        let config: ClassificationLossConfig = name.parse().unwrap();
        let json = serde_json::to_value(&config).unwrap();
        assert_eq!(
            (config.name(), json["loss"].as_str().unwrap()),
            (*name, *name)
        );
    }
    for name in RegressionLossConfig::NAMES {
        let config: RegressionLossConfig = name.parse().unwrap();
        let json = serde_json::to_value(&config).unwrap();
        assert_eq!(
            (config.name(), json["loss"].as_str().unwrap()),
            (*name, *name)
        );
    }
}

#[test]
fn a_family_is_a_field_of_a_model() {
    #[derive(Module, Debug)]
    struct Model {
        loss: ClassificationLoss,
        auxiliary: RegressionLoss,
    }
    let model = Model {
        loss: ClassificationLossConfig::default().init(),
        auxiliary: RegressionLossConfig::default().init(),
    };
    assert_eq!(model.num_params(), 0);
    let shown = model.to_string();
    assert!(
        shown.contains("CrossEntropyLoss { weights: None"),
        "{shown}"
    );
    assert!(shown.contains("MseLoss { reduction: Mean }"), "{shown}");
    let device = Device::flex();
    let logits = Tensor::<2>::zeros([1, 2], &device);
    let value = model
        .loss
        .forward(logits, Tensor::<1, Int>::from_data([0], &device));
    assert_close("ln 2", &numbers(&value), &[2f64.ln()], 1e-6);
}
