//! What means over several batches are made of: parts, shares in a total, and the weights of targets.

mod common;

use burn::tensor::{Bool, DType, Device, Int, Tensor};
use burn_losses::prelude::*;
use burn_losses::{Checks, LossErrorKind, with_checks};
use common::{TestDevice, assert_close, devices, numbers};

const LOGITS: [[f64; 3]; 5] = [
    [2.0, 0.5, -1.0],
    [0.0, 1.5, 0.25],
    [-0.5, 0.0, 3.0],
    [1.0, 1.0, 1.0],
    [0.75, -2.0, 0.5],
];
const IDS: [i64; 5] = [0, 2, -1, 1, 2];
const WEIGHTS: [f64; 3] = [0.5, 1.0, 2.25];

fn logits(on: &TestDevice, dtype: DType) -> Tensor<2> {
    on.tracked(LOGITS.as_flattened(), [5, 3], dtype)
}

fn ids(on: &TestDevice) -> Tensor<1, Int> {
    Tensor::from_data(IDS, &on.device)
}

fn cross_entropy() -> CrossEntropyLoss {
    CrossEntropyLossConfig::new()
        .with_weights(Some(WEIGHTS.to_vec()))
        .with_ignore_index(-1)
        .init()
}

fn number(on: &TestDevice, number: f64, dtype: DType) -> Tensor<1> {
    on.tensor(&[number], [1], dtype)
}

#[test]
fn parts_of_nothing_are_0_and_change_nothing() {
    for on in devices() {
        let zero = LossParts::zero(&on.device);
        assert_eq!(numbers(&zero.mean()), [0.0], "on {}", on.name);
        let parts = cross_entropy().forward_parts(logits(&on, DType::F32), ids(&on));
        let mean = numbers(&parts.mean());
        assert_eq!(numbers(&(zero.clone() + parts.clone()).mean()), mean);
        assert_eq!(numbers(&(parts + zero).mean()), mean);
    }
    // That another device is the default one is for who builds: it may not be there.
    if devices().iter().any(|on| on.device == Device::default()) {
        let none = std::iter::empty::<LossParts>().sum::<LossParts>();
        assert_eq!(numbers(&none.sum), [0.0]);
        assert_eq!(numbers(&none.weight), [0.0]);
    }
}

#[test]
fn a_sum_of_parts_is_as_wide_as_its_widest() {
    for on in devices().into_iter().filter(|on| on.double) {
        let of = |dtype| cross_entropy().forward_parts(logits(&on, dtype), ids(&on));
        let single = numbers(&of(DType::F64).mean());
        for sum in [
            of(DType::F32) + of(DType::F64),
            of(DType::F64) + of(DType::F32),
            LossParts::zero(&on.device) + of(DType::F64),
        ] {
            assert_eq!(sum.sum.dtype(), DType::F64);
            assert_eq!(sum.weight.dtype(), DType::F64);
            assert!(sum.sum.is_tracked());
            assert_close("the mean", &numbers(&sum.mean()), &single, 1e-6);
        }
    }
}

#[test]
fn a_total_may_be_of_any_float_type() {
    for on in devices() {
        let whole = cross_entropy().forward(logits(&on, DType::F32), ids(&on));
        let dtypes = [DType::F32, DType::F64, DType::F16, DType::BF16];
        for dtype in dtypes.into_iter().filter(|dtype| match dtype {
            DType::F64 => on.double,
            dtype => on.device.supports_dtype(*dtype),
        }) {
            // 0.5, 2.25, 1 and 2.25: what each of the types holds.
            let total = number(&on, 6.0, dtype);
            let value = cross_entropy().forward_over(logits(&on, DType::F32), ids(&on), total);
            assert_eq!(value.dtype(), DType::F32, "the type of the logits");
            assert_close("value", &numbers(&value), &numbers(&whole), 1e-5);
        }
        // On a device with autodiff, too.
        let total = number(&on, 6.0, DType::F32).autodiff();
        let value = cross_entropy().forward_over(logits(&on, DType::F32), ids(&on), total);
        assert_close("value", &numbers(&value), &numbers(&whole), 1e-5);
    }
}

/// A loss of 0 over a total that is less than any weight is 0.
#[test]
fn no_weight_leaves_the_range_by_a_total() {
    for on in devices().into_iter().filter(|on| on.double) {
        let logits = on.tracked::<2>(&[200.0], [1, 1], DType::F32);
        let ranks = Tensor::<1, Int>::from_data([1], &on.device);
        let value =
            CornLoss::new().forward_over(logits.clone(), ranks, number(&on, 1e-40, DType::F64));
        assert_eq!(numbers(&value), [0.0], "{}", on.name);
        let gradient = logits.grad(&value.backward()).expect("a gradient");
        assert!(numbers(&gradient)[0].is_finite(), "{}", on.name);
    }
}

/// Class weights of 1e-39 count as those of 1 do, also in a share.
#[test]
fn a_total_may_be_less_than_what_f32_holds() {
    for on in devices().into_iter().filter(|on| on.double) {
        let weights: Vec<f64> = WEIGHTS.iter().map(|weight| weight * 1e-39).collect();
        let config = CrossEntropyLossConfig::new().with_ignore_index(-1);
        let tiny = config.with_weights(Some(weights)).init();
        let [plain, small] = [logits(&on, DType::F32), logits(&on, DType::F32)];
        let expected = cross_entropy().forward(plain.clone(), ids(&on));
        let found = tiny.forward_over(small.clone(), ids(&on), number(&on, 6e-39, DType::F64));
        assert_close("value", &numbers(&found), &numbers(&expected), 1e-5);
        let [expected, found] = [
            plain.grad(&expected.backward()).expect("a gradient"),
            small.grad(&found.backward()).expect("a gradient"),
        ];
        assert_close("gradient", &numbers(&found), &numbers(&expected), 1e-5);
    }
}

#[test]
fn a_total_that_is_none_is_an_error() {
    for on in devices() {
        let tried = |total: Tensor<1>| {
            let tried = cross_entropy().try_forward_over(logits(&on, DType::F32), ids(&on), total);
            let error = tried.expect_err("not a total");
            (error.kind.clone(), error.to_string())
        };
        let (kind, text) = tried(on.tensor(&[1.0, 2.0], [2], DType::F32));
        assert_eq!(kind, LossErrorKind::Shape);
        assert!(
            text.starts_with("CrossEntropyLoss: total [2] must be one number"),
            "{text}"
        );

        let (kind, text) = tried(on.tracked(&[1.0], [1], DType::F32));
        assert_eq!(kind, LossErrorKind::TrackedTarget);
        assert!(text.contains("`total.inner()`"), "{text}");

        for (total, shown) in [(-3.0, "-3"), (f64::INFINITY, "inf"), (f64::NAN, "NaN")] {
            let (kind, text) = tried(number(&on, total, DType::F32));
            assert!(matches!(kind, LossErrorKind::Value { .. }), "{kind:?}");
            let expected = format!("CrossEntropyLoss: total {shown} must be finite and at least 0");
            assert!(text.starts_with(&expected), "{text}");
        }
        // Where nothing is read it shows.
        let total = number(&on, -3.0, DType::F32);
        let value = with_checks(Checks::Never, || {
            cross_entropy().forward_over(logits(&on, DType::F32), ids(&on), total)
        });
        assert!(numbers(&value)[0].is_nan(), "on {}", on.name);
    }
}

#[test]
fn an_invalid_target_shows_in_a_share_of_nothing() {
    for on in devices() {
        let ids = Tensor::<1, Int>::from_data([0, 2, 3, 1, 2], &on.device);
        let value = with_checks(Checks::Never, || {
            let total = number(&on, 0.0, DType::F32);
            cross_entropy().forward_over(logits(&on, DType::F32), ids, total)
        });
        assert!(numbers(&value)[0].is_nan(), "on {}", on.name);
    }
}

#[test]
fn an_empty_batch_has_no_share() {
    // Tensors without numbers may break a GPU's queue for whoever runs beside.
    for on in devices().into_iter().filter(|on| on.double) {
        let empty = on.tracked(&[], [0, 3], DType::F32);
        let ids = Tensor::<1, Int>::empty([0], &on.device);
        assert_eq!(numbers(&cross_entropy().weight(ids.clone())), [0.0]);
        let value = cross_entropy().forward_over(empty, ids, number(&on, 2.0, DType::F32));
        assert_eq!(numbers(&value), [0.0], "on {}", on.name);
    }
}

#[test]
fn a_loss_behind_a_trait_object_has_shares() {
    for on in devices() {
        let loss = cross_entropy();
        let behind: &dyn Loss<Tensor<2>, Tensor<1, Int>, Unreduced = Tensor<1>> = &loss;
        let total = || loss.weight(ids(&on));
        let found = behind.forward_over(logits(&on, DType::F32), ids(&on), total());
        let expected = loss.forward(logits(&on, DType::F32), ids(&on));
        assert_close("value", &numbers(&found), &numbers(&expected), 1e-5);
    }
}

#[test]
fn the_weight_of_ids_is_that_of_their_parts() {
    for on in devices() {
        let input = || logits(&on, DType::F32).inner();
        let log_probs = || target::log_probs(input(), 1);
        let weights = || Some(WEIGHTS.to_vec());
        let ignoring = CrossEntropyLossConfig::new().with_ignore_index(-1);
        let same = |what: &str, found: Tensor<1>, parts: LossParts| {
            assert_eq!(found.dims(), [1]);
            assert_close(what, &numbers(&found), &numbers(&parts.weight), 1e-6);
        };
        for loss in [
            ignoring.clone().init(),
            ignoring.clone().with_weights(weights()).init(),
            ignoring
                .with_label_smoothing(0.1)
                .with_weights(weights())
                .init(),
        ] {
            let parts = loss.forward_parts(input(), ids(&on));
            same("cross-entropy", loss.weight(ids(&on)), parts);
        }
        let config = FocalLossConfig::new().with_ignore_index(-1);
        let loss = config.with_alpha(weights()).init();
        let parts = loss.forward_parts(input(), ids(&on));
        same("focal", loss.weight(ids(&on)), parts);
        let config = NllLossConfig::new().with_ignore_index(-1);
        let loss = config.with_weights(weights()).init();
        let parts = loss.forward_parts(log_probs(), ids(&on));
        same("NLL", loss.weight(ids(&on)), parts);
        let config = Poly1LossConfig::new().with_ignore_index(-1);
        let loss = config.with_weights(weights()).init();
        let parts = loss.forward_parts(input(), ids(&on));
        same("Poly-1", loss.weight(ids(&on)), parts);

        // No id is ignored, and every sample counts as one.
        let all = Tensor::<1, Int>::from_data([0, 2, 1], &on.device);
        assert_eq!(numbers(&CrossEntropyLoss::new().weight(all)), [3.0]);
        // Probabilities: whatever the classes weigh.
        let probs = Tensor::<3>::full([4, 3, 2], 1.0 / 3.0, &on.device);
        let loss = CrossEntropyLossConfig::new().with_weights(weights()).init();
        assert_eq!(numbers(&loss.weight(probs)), [8.0]);
    }
}

#[test]
fn the_weight_of_elements_is_how_many_there_are() {
    for on in devices() {
        let values = Tensor::<3>::zeros([2, 3, 4], &on.device);
        assert_eq!(numbers(&MseLoss::new().weight(values.clone())), [24.0]);
        assert_eq!(numbers(&KlDivLoss::new().weight(values.clone())), [24.0]);
        assert_eq!(numbers(&LogCoshLoss::new().weight(values)), [24.0]);
        let labels = Tensor::<2, Bool>::from_data([[true, false]], &on.device);
        let loss = BceWithLogitsLossConfig::new()
            .with_weights(Some(vec![1.0, 3.0]))
            .init();
        let parts = loss.forward_parts(Tensor::<2>::zeros([1, 2], &on.device), labels.clone());
        assert_eq!(numbers(&loss.weight(labels)), numbers(&parts.weight));
        let counts = Tensor::<1, Int>::from_data([0, 3, 1], &on.device);
        assert_eq!(numbers(&PoissonNllLoss::new().weight(counts)), [3.0]);
        let signs = Tensor::<1>::from_data([-1.0, 1.0], &on.device);
        assert_eq!(numbers(&HingeEmbeddingLoss::new().weight(signs)), [2.0]);
    }
}

#[test]
fn an_id_without_a_weight_is_an_error() {
    for on in devices() {
        let wrong = || Tensor::<1, Int>::from_data([0, 3, -1], &on.device);
        let error = cross_entropy().try_weight(wrong()).expect_err("class 3");
        assert!(
            matches!(&error.kind, LossErrorKind::Value { value: 3.0, index } if index == &[1]),
            "{error:?}"
        );
        let text = error.to_string();
        assert!(
            text.starts_with("CrossEntropyLoss: target 3 at index [1] is not a class id"),
            "{text}"
        );
        let found = with_checks(Checks::Never, || cross_entropy().weight(wrong()));
        assert!(numbers(&found)[0].is_nan(), "on {}", on.name);
    }
}
