//! What goes wrong in `burn::nn::loss` 0.22.1, and does not here.
//!
//! Only ours is asserted. Beside it, Burn's own is run and printed (`--nocapture` shows it), except
//! where that would read or write foreign memory: cross-entropy of an invalid id on a GPU.

use crate::common::{TestDevice, assert_close, devices, numbers};
use crate::harness::*;
use crate::unchecked::unchecked;
use burn::nn::loss as burn_nn;
use burn::tensor::{DType, Int, Tensor, TensorData};
use burn_losses::prelude::*;
use burn_losses::{LossErrorKind, cosine_similarity};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs ours on each device, asserting, and then Burn's, printing.
fn compare(what: &str, ours: impl Fn(&TestDevice), burns: impl Fn(&TestDevice) -> String) {
    let _turn = beside_others();
    run_compared(what, ours, burns);
}

/// As [`compare`], for who has a turn already.
fn run_compared(what: &str, ours: impl Fn(&TestDevice), burns: impl Fn(&TestDevice) -> String) {
    let cases = devices().into_iter().map(|on| (on.name.to_string(), on));
    each_case(cases, |on| {
        ours(&on);
        let burns = catch_unwind(AssertUnwindSafe(|| burns(&on)));
        let burns = burns.unwrap_or_else(|panic| format!("panics: {}", text(&*panic)));
        println!("{what}, burn::nn::loss on {}: {burns}", on.name);
    });
}

fn gradient<const D: usize>(loss: &Tensor<1>, input: &Tensor<D>) -> Vec<f64> {
    numbers(&input.grad(&loss.backward()).expect("a gradient"))
}

fn ints<const D: usize>(on: &TestDevice, values: &[i64], shape: [usize; D]) -> Tensor<D, Int> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), &on.device)
}

#[test]
fn triplet_margin_of_an_anchor_that_is_the_positive() {
    let inputs = |on: &TestDevice| {
        [[1.0, 2.0], [1.0, 2.0], [1.3, 2.4]].map(|row| on.tracked(&row, [1, 2], DType::F32))
    };
    compare(
        "triplet margin, anchor = positive",
        |on| {
            let [anchor, positive, negative] = inputs(on);
            let loss = TripletMarginLossConfig::new().with_eps(0.0).init();
            let value = loss.forward(anchor.clone(), positive, negative);
            assert_close("value", &numbers(&value), &[0.5], 1e-5);
            assert_close("gradient", &gradient(&value, &anchor), &[0.6, 0.8], 1e-5);
        },
        |on| {
            let [anchor, positive, negative] = inputs(on);
            let loss = burn_nn::TripletMarginLossConfig::new().init();
            let reduction = burn_nn::Reduction::Mean;
            let value = loss.forward(anchor.clone(), positive, negative, reduction);
            format!("gradient {:?}", gradient(&value, &anchor))
        },
    );
}

#[test]
fn bce_of_perfect_predictions() {
    let probs = |on: &TestDevice| on.tracked(&[0.0, 1.0], [2], DType::F32);
    compare(
        "BCE of exactly 0 and 1",
        |on| {
            let probs = probs(on);
            let value = BceLoss::new().forward(probs.clone(), ints(on, &[0, 1], [2]));
            assert_eq!(numbers(&value), [0.0]);
            assert_eq!(gradient(&value, &probs), [0.0, 0.0]);
        },
        |on| {
            let probs = probs(on);
            let loss = burn_nn::BinaryCrossEntropyLossConfig::new().init(&on.device);
            let value = loss.forward(probs.clone(), ints(on, &[0, 1], [2]));
            format!("gradient {:?}", gradient(&value, &probs))
        },
    );
}

#[test]
fn cosine_of_a_zero_vector() {
    let inputs = |on: &TestDevice| {
        let zero = on.tracked(&[0.0, 0.0], [1, 2], DType::F32);
        let other = on.tracked(&[3.0, 4.0], [1, 2], DType::F32);
        [zero, other]
    };
    compare(
        "cosine of a zero vector",
        |on| {
            let [zero, other] = inputs(on);
            let value = cosine_similarity(zero.clone(), other, 1e-8);
            assert_eq!(numbers(&value), [0.0]);
            assert_close("gradient", &gradient(&value, &zero), &[0.6e8, 0.8e8], 1e-5);

            let [zero, other] = inputs(on);
            let value =
                CosineEmbeddingLoss::new().forward(zero.clone(), other, ints(on, &[1], [1]));
            assert_eq!(numbers(&value), [1.0]);
            let expected = [-0.6e6, -0.8e6];
            assert_close("gradient", &gradient(&value, &zero), &expected, 1e-5);
        },
        |on| {
            let [zero, other] = inputs(on);
            let loss = burn_nn::CosineEmbeddingLossConfig::new().init();
            let value = loss.forward(zero.clone(), other, ints(on, &[1], [1]));
            format!("gradient {:?}", gradient(&value, &zero))
        },
    );
}

#[test]
fn bce_of_a_saturated_logit() {
    let logit = |on: &TestDevice| on.tracked(&[20.0], [1], DType::F32);
    compare(
        "BCE with logits, x = 20, y = 1",
        |on| {
            let logit = logit(on);
            let value = BceWithLogitsLoss::new().forward(logit.clone(), ints(on, &[1], [1]));
            assert_close("value", &numbers(&value), &[2.0611536e-9], 1e-5);
            assert_close(
                "gradient",
                &gradient(&value, &logit),
                &[-2.0611536e-9],
                1e-5,
            );
        },
        |on| {
            let logit = logit(on);
            let config = burn_nn::BinaryCrossEntropyLossConfig::new().with_logits(true);
            let value = config
                .init(&on.device)
                .forward(logit.clone(), ints(on, &[1], [1]));
            format!(
                "{:?}, gradient {:?}",
                numbers(&value),
                gradient(&value, &logit)
            )
        },
    );
}

#[test]
fn cross_entropy_of_an_id_that_is_no_class() {
    let logits = |on: &TestDevice| on.tensor(&[0.5; 6], [2, 3], DType::F32);
    compare(
        "cross-entropy, id 5 of 3 classes",
        |on| {
            let target = || ints(on, &[1, 5], [2]);
            let kind = LossErrorKind::Value {
                value: 5.0,
                index: vec![1],
            };
            let tried = [
                CrossEntropyLoss::new().try_forward(logits(on), target()),
                NllLoss::new().try_forward(logits(on) * -1.0, target()),
            ];
            for tried in tried {
                assert_eq!(tried.expect_err("an error").kind, kind);
            }
        },
        |on| {
            if is_gpu(on) {
                return "not run: it accesses foreign memory".into();
            }
            let loss = burn_nn::CrossEntropyLossConfig::new().init(&on.device);
            let value = loss.forward(logits(on), ints(on, &[1, 5], [2]));
            format!("{:?}", numbers(&value))
        },
    );
}

#[test]
fn mse_of_a_column_against_a_row() {
    let inputs = |on: &TestDevice| {
        let column = on.tensor(&[1.0, 2.0, 3.0], [3, 1], DType::F32);
        (column, on.tensor(&[1.0, 2.0, 3.0], [1, 3], DType::F32))
    };
    compare(
        "MSE of [3, 1] against [1, 3]",
        |on| {
            let (column, row) = inputs(on);
            let error = MseLoss::new().try_forward(column, row).unwrap_err();
            assert_eq!(error.kind, LossErrorKind::Shape);
            let text = error.to_string();
            assert!(text.contains("[3, 1]") && text.contains("[1, 3]"), "{text}");
        },
        |on| {
            let (column, row) = inputs(on);
            let loss = burn_nn::MseLoss::new();
            let value = loss.forward(column, row, burn_nn::Reduction::Mean);
            format!("{:?}", numbers(&value))
        },
    );
}

#[test]
fn huber_of_delta_0() {
    compare(
        "Huber loss of errors 0.5 and 3, delta 0",
        |_| {
            let config = HuberLossConfig::new().with_delta(0.0);
            let error = config.try_init().unwrap_err();
            assert_eq!(error.kind, LossErrorKind::Config);
            assert_eq!(
                error.to_string(),
                "HuberLoss: delta must be finite and positive, but is 0."
            );
        },
        |on| {
            let predictions = on.tracked(&[0.5, 3.0], [2], DType::F32);
            let targets = on.tensor(&[0.0, 0.0], [2], DType::F32);
            let loss = burn_nn::HuberLossConfig::new(0.0).init();
            let value = loss.forward(predictions.clone(), targets, burn_nn::Reduction::Mean);
            format!(
                "{:?}, gradient {:?}",
                numbers(&value),
                gradient(&value, &predictions)
            )
        },
    );
}

#[test]
fn gaussian_nll_of_a_variance_below_eps() {
    let inputs =
        |on: &TestDevice| [[0.5], [0.0], [1e-9]].map(|value| on.tracked(&value, [1], DType::F32));
    compare(
        "Gaussian NLL, error 0.5, variance 1e-9",
        |on| {
            let [predictions, targets, variance] = inputs(on);
            let value = GaussianNllLoss::new().forward(predictions, targets, variance.clone());
            let eps = 1e-6;
            let expected = 0.5 * (1.0 / eps - 0.25 / (eps * eps));
            assert_close("gradient", &gradient(&value, &variance), &[expected], 1e-5);
        },
        |on| {
            let [predictions, targets, variance] = inputs(on);
            let loss = burn_nn::GaussianNLLLossConfig::new().init();
            let reduction = burn_nn::Reduction::Mean;
            let value = loss.forward(predictions, targets, variance.clone(), reduction);
            format!("gradient {:?}", gradient(&value, &variance))
        },
    );
}

/// Reading a value means waiting for the device. Where nothing is to be read, a count that is none
/// goes unseen, and its loss is NaN.
#[test]
fn poisson_nll_of_a_call_that_is_not_to_wait() {
    let _turn = alone();
    let inputs = |on: &TestDevice| {
        let log_rates = on.tensor(&[0.5, 1.0], [2], DType::F32);
        (log_rates, on.tensor(&[2.0, -1.0], [2], DType::F32))
    };
    run_compared(
        "Poisson NLL, count -1, nothing read",
        |on| {
            let (log_rates, counts) = inputs(on);
            let loss = PoissonNllLoss::new();
            let each = unchecked(|| loss.forward_no_reduction(log_rates, counts));
            let each = numbers(&each);
            assert_close("valid", &each[..1], &[0.5_f64.exp() - 1.0], 1e-5);
            assert!(each[1].is_nan(), "{each:?}");
        },
        |on| {
            let (log_rates, counts) = inputs(on);
            let loss = burn_nn::PoissonNllLossConfig::new().init();
            let each = loss.forward_no_reduction(log_rates, counts);
            format!("{:?}", numbers(&each))
        },
    );
}

#[test]
fn multi_margin_of_a_small_violation() {
    // The score of the other class is above the target's less the margin by 2^-13, exactly.
    let above = 2.0_f64.powi(-13);
    let logits = |on: &TestDevice| on.tracked(&[1.0, above], [1, 2], DType::F32);
    compare(
        "multi-margin, p = 2, violated by 2^-13",
        |on| {
            for weight in [1.0, 0.25] {
                let logits = logits(on);
                let loss = MultiMarginLossConfig::new()
                    .with_p(2)
                    .with_weights(Some(vec![weight, 1.0]))
                    .init();
                let value = loss.forward(logits.clone(), ints(on, &[0], [1]));
                let expected = weight * above * above / 2.0;
                assert_close("value", &numbers(&value), &[expected], 1e-6);
                let slope = weight * above;
                assert_close(
                    "gradient",
                    &gradient(&value, &logits),
                    &[-slope, slope],
                    1e-6,
                );
            }
        },
        |on| {
            let logits = logits(on);
            let loss = burn_nn::MultiMarginLossConfig::new().with_p(2).init();
            let reduction = burn_nn::Reduction::Mean;
            let value = loss.forward(logits.clone(), ints(on, &[0], [1]), reduction);
            format!(
                "{:?}, gradient {:?}; it has no weights",
                numbers(&value),
                gradient(&value, &logits)
            )
        },
    );
}

#[test]
fn every_loss_has_every_reduction_in_the_same_call() {
    for_samples(OnGpu::First, |variant, on| {
        let args = variant.batch(70, 4, 3).on(on, DType::F32);
        let sum = numbers(&variant.value(Reduction::Sum, args.clone()));
        let batch_mean = numbers(&variant.value(Reduction::BatchMean, args));
        assert_close("BatchMean", &batch_mean, &[sum[0] / 4.0], 1e-5);
    });
    let on = reference();
    let loss = |reduction| {
        let zeros = Tensor::<2>::zeros([2, 2], &on.device);
        numbers(&burn_nn::MseLoss::new().forward(zeros.clone(), zeros, reduction))
    };
    let burns = catch_unwind(|| loss(burn_nn::Reduction::BatchMean));
    let burns = burns.map_err(|panic| text(&*panic));
    println!("BatchMean of MSE, burn::nn::loss: {burns:?}");
}
