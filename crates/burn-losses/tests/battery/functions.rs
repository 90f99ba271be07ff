//! The public functions beside the losses: distances and the adapters of targets.

use crate::common::{TestDevice, assert_close, devices, numbers};
use crate::harness::*;
use crate::table::{Args, Array, Batch, Place};
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use burn_losses::prelude::*;
use burn_losses::target;
use burn_losses::{cosine_similarity, pairwise_distance};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a check for each device, to the end.
fn on_each_device(check: impl Fn(&TestDevice)) {
    let _turn = beside_others();
    let cases = devices().into_iter().map(|on| (on.name.to_string(), on));
    each_case(cases, |on| check(&on));
}

fn pair(first: Array, second: Array) -> Batch {
    Batch {
        inputs: vec![first, second],
        target: None,
    }
}

fn random_pair(seed: u64) -> Batch {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut array = || Array::new(4, 5, || rng.random_range(-2.0..2.0));
    pair(array(), array())
}

const NORMS: [f64; 4] = [1.0, 1.5, 2.0, 3.0];

/// The definition, in `f64` on the host, on numbers scaled to where nothing overflows.
fn distances(batch: &Batch, p: f64, eps: f64) -> Vec<f64> {
    let [a, b] = [&batch.inputs[0], &batch.inputs[1]];
    let rows = a.data.chunks(a.columns).zip(b.data.chunks(b.columns));
    rows.map(|(a, b)| {
        let powers = a.iter().zip(b).map(|(a, b)| (a - b + eps).abs().powf(p));
        powers.sum::<f64>().powf(1.0 / p)
    })
    .collect()
}

fn cosines(batch: &Batch, eps: f64) -> Vec<f64> {
    let [a, b] = [&batch.inputs[0], &batch.inputs[1]];
    let rows = a.data.chunks(a.columns).zip(b.data.chunks(b.columns));
    let length = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt().max(eps);
    rows.map(|(a, b)| {
        let product: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
        product / (length(a) * length(b))
    })
    .collect()
}

/// A function of two tensors as a loss: its values, each with another factor, summed up.
fn summed(args: Args, function: impl Fn(Tensor<2>, Tensor<2>) -> Tensor<1>) -> Tensor<1> {
    let [a, b] = [args.inputs[0].clone(), args.inputs[1].clone()];
    let value = function(a, b);
    let factors = (0..value.dims()[0]).map(|row| row as f64 - 1.5);
    let factors = TensorData::new(factors.collect::<Vec<_>>(), value.dims());
    let factors = factors.convert_dtype(value.dtype());
    let device = value.device().without_autodiff();
    (value.clone() * Tensor::from_data(factors, (&device, value.dtype()))).sum()
}

fn gradients(
    batch: &Batch,
    on: &TestDevice,
    dtype: DType,
    function: impl Fn(Tensor<2>, Tensor<2>) -> Tensor<1>,
) -> Outcome {
    let args = batch.on(on, dtype).tracked();
    let leaves = args.inputs.clone();
    outcome_of(summed(args, function), &leaves)
}

#[test]
fn distances_are_what_they_are_defined_to_be() {
    on_each_device(|on| {
        for dtype in full_types(on) {
            let batch = random_pair(50).rounded(dtype);
            let [a, b] = [0, 1].map(|at: usize| Place::new(on, dtype).floats(&batch.inputs[at]));
            for p in NORMS {
                for eps in [0.0, 1e-6, 0.1] {
                    let found = pairwise_distance(a.clone(), b.clone(), p, eps);
                    assert_eq!(found.dtype(), dtype);
                    let what = format!("p = {p}, eps = {eps}, {dtype:?}");
                    let expected = distances(&batch, p, eps);
                    assert_close(&what, &numbers(&found), &expected, precision(dtype));
                }
            }
            let found = cosine_similarity(a, b, 1e-8);
            assert_close(
                "cosine",
                &numbers(&found),
                &cosines(&batch, 1e-8),
                precision(dtype),
            );
        }
    });
}

#[test]
fn gradients_of_distances_are_their_slopes() {
    on_each_device(|on| {
        let batch = random_pair(51);
        let check = |what: &str, function: &dyn Fn(Tensor<2>, Tensor<2>) -> Tensor<1>| {
            let reference = reference();
            let expected = slopes(&batch, &reference, |args| summed(args, function));
            for dtype in full_types(on) {
                let found = gradients(&batch, on, dtype, function);
                for (found, expected) in found.gradients.iter().zip(&expected) {
                    assert_close(what, found, expected, precision(dtype).max(1e-7));
                }
            }
        };
        for p in NORMS {
            for eps in [0.0, 0.1] {
                let what = format!("p = {p}, eps = {eps}");
                check(&what, &|a, b| pairwise_distance(a, b, p, eps));
            }
        }
        check("cosine", &|a, b| cosine_similarity(a, b, 1e-8));
        // Vectors that are shorter than eps: the length counts as constant.
        check("cosine of short vectors", &|a, b| {
            cosine_similarity(a, b, 100.0)
        });
    });
}

#[test]
fn identical_vectors_have_distance_0_and_gradient_0() {
    on_each_device(|on| {
        let vectors = Array::of([[0.0, 0.0, 0.0], [1.0, -2.0, 3.0], [1e30, -1e30, 0.0]]);
        let batch = pair(vectors.clone(), vectors);
        for dtype in full_types(on) {
            for p in NORMS {
                let found = gradients(&batch, on, dtype, |a, b| pairwise_distance(a, b, p, 0.0));
                assert_eq!(found.value, 0.0, "p = {p}");
                for gradient in found.gradients {
                    assert_eq!(gradient, [0.0; 9], "p = {p}");
                }
            }
        }
    });
}

#[test]
fn norms_neither_overflow_nor_underflow() {
    on_each_device(|on| {
        let plain = Array::of([[3.0, -4.0, 0.5], [0.25, 2.0, -1.0]]);
        let origin = Array::of([[0.0; 3]; 2]);
        for dtype in full_types(on) {
            for scale in [1e30, 1e-30] {
                let far = pair(plain.clone().map(|x| x * scale), origin.clone());
                let near = pair(plain.clone(), origin.clone());
                for p in NORMS {
                    let run = |batch: &Batch| {
                        gradients(batch, on, dtype, |a, b| pairwise_distance(a, b, p, 0.0))
                    };
                    let [far, near] = [run(&far), run(&near)];
                    let what = format!("p = {p}, times {scale:e}");
                    assert_close(&what, &[far.value / scale], &[near.value], 1e-5);
                    // A norm's slope does not depend on the scale.
                    for (far, near) in far.gradients.iter().zip(&near.gradients) {
                        assert_close(&what, far, near, 1e-5);
                    }
                }
            }
            let scaled = pair(
                plain.clone().map(|x| x * 1e30),
                plain.clone().map(|x| x * 1e-3),
            );
            let found = gradients(&scaled, on, dtype, |a, b| cosine_similarity(a, b, 1e-8));
            // Factors -1.5 and -0.5, cosines 1.
            assert_close("cosine", &[found.value], &[-2.0], 1e-5);
            assert!(
                found
                    .gradients
                    .concat()
                    .iter()
                    .all(|slope| slope.is_finite())
            );
        }
    });
}

#[test]
fn the_largest_components_stay_finite() {
    on_each_device(|on| {
        for dtype in full_types(on) {
            let max = if dtype == DType::F64 {
                f64::MAX
            } else {
                f64::from(f32::MAX)
            };
            let batch = pair(
                Array::of([[max, max, max], [max, -max, 0.0]]),
                Array::of([[-max, -max, -max], [max, max, 0.0]]),
            );
            for p in NORMS {
                let found = gradients(&batch, on, dtype, |a, b| pairwise_distance(a, b, p, 1e-6));
                assert!(!found.value.is_nan(), "p = {p}");
                let slopes = found.gradients.concat();
                assert!(
                    slopes.iter().all(|slope| slope.is_finite()),
                    "p = {p}: {slopes:?}"
                );
            }
            let found = gradients(&batch, on, dtype, |a, b| cosine_similarity(a, b, 1e-8));
            // Factors -1.5 and -0.5; cosines -1 and 0.
            assert_close("cosine", &[found.value], &[1.5], 1e-5);
            assert!(
                found
                    .gradients
                    .concat()
                    .iter()
                    .all(|slope| slope.is_finite())
            );
        }
    });
}

#[test]
fn a_zero_vector_has_cosine_0_and_a_finite_gradient() {
    on_each_device(|on| {
        let batch = pair(
            Array::of([[0.0, 0.0], [0.0, 0.0], [3.0, 4.0]]),
            Array::of([[3.0, 4.0], [0.0, 0.0], [0.0, 0.0]]),
        );
        for dtype in full_types(on) {
            let found = gradients(&batch, on, dtype, |a, b| cosine_similarity(a, b, 1e-8));
            assert_eq!(found.value, 0.0);
            // The slope is the other direction over eps, times the factor of the row.
            let expected = [-1.5 * 0.6e8, -1.5 * 0.8e8, 0.0, 0.0, 0.0, 0.0];
            assert_close("first", &found.gradients[0], &expected, 1e-5);
            let expected = [0.0, 0.0, 0.0, 0.0, 0.5 * 0.6e8, 0.5 * 0.8e8];
            assert_close("second", &found.gradients[1], &expected, 1e-5);
        }
    });
}

#[test]
fn distances_take_other_ranks_types_and_empty_batches() {
    on_each_device(|on| {
        let [a, b] = [1.0, 4.0].map(|x| Tensor::<3>::full([2, 3, 4], x, &on.device));
        let distance: Tensor<2> = pairwise_distance(a.clone(), b.clone(), 2.0, 0.0);
        assert_eq!(distance.dims(), [2, 3]);
        assert_close("rank 3", &numbers(&distance), &[6.0; 6], 1e-6);
        let cosine: Tensor<2> = cosine_similarity(a, b, 1e-8);
        assert_close("rank 3", &numbers(&cosine), &[1.0; 6], 1e-6);
        for dtype in halves(on) {
            let [a, b] = [1.0, 4.0].map(|x| Tensor::<2>::full([2, 4], x, (&on.device, dtype)));
            let distance = pairwise_distance(a, b, 2.0, 0.0);
            assert_eq!(distance.dtype(), dtype);
            assert_close("half", &numbers(&distance), &[6.0; 2], precision(dtype));
        }
        let none = pair(Array::new(0, 3, || 0.0), Array::new(0, 3, || 0.0));
        assert_eq!(
            gradients(&none, on, DType::F32, |a, b| pairwise_distance(
                a, b, 2.0, 0.0
            ))
            .value,
            0.0
        );
        assert_eq!(
            gradients(&none, on, DType::F32, |a, b| cosine_similarity(a, b, 1e-8)).value,
            0.0
        );
    });
}

/// The model that the distances are for: embeddings that coincide must not break its training.
#[test]
fn hinge_embedding_is_trained_through_a_distance() {
    on_each_device(|on| {
        let first = Array::of([[1.0, 2.0], [1.0, 2.0], [0.0, 0.0]]);
        let second = Array::of([[1.0, 2.0], [4.0, 6.0], [0.3, 0.4]]);
        let batch = pair(first, second);
        let signs = Tensor::<1>::from_data([1.0, 1.0, -1.0], &on.device);
        let args = batch.on(on, DType::F32).tracked();
        let leaves = args.inputs.clone();
        let distance = pairwise_distance(leaves[0].clone(), leaves[1].clone(), 2.0, 0.0);
        let loss = HingeEmbeddingLossConfig::new()
            .with_reduction(Reduction::Sum)
            .init();
        let found = outcome_of(loss.forward(distance, signs), &leaves);
        assert_close("value", &[found.value], &[0.0 + 5.0 + 0.5], 1e-6);
        let expected = [0.0, 0.0, -0.6, -0.8, 0.6, 0.8];
        assert_close("gradient", &found.gradients[0], &expected, 1e-6);
    });
}

// The adapters.

fn ids(on: &TestDevice, ids: &[i64]) -> Tensor<1, Int> {
    Tensor::from_data(TensorData::new(ids.to_vec(), [ids.len()]), &on.device)
}

fn ints<const D: usize>(tensor: Tensor<D, Int>) -> Vec<i64> {
    tensor.into_data().iter::<i64>().collect()
}

#[test]
fn ids_become_one_hot_rows_and_back() {
    on_each_device(|on| {
        let classes = [2, 0, 3, 3];
        let rows: Tensor<2> = target::one_hot(ids(on, &classes), 4, 1);
        let expected = [
            [0.0, 0.0, 1.0, 0.0],
            [1.0, 0.0, 0.0, 0.0],
            [0.0, 0.0, 0.0, 1.0],
            [0.0, 0.0, 0.0, 1.0],
        ];
        assert_eq!(numbers(&rows), expected.concat());
        let back: Tensor<1, Int> = target::class_ids(rows, 1);
        assert_eq!(ints(back), classes);

        for axis in [1, 2] {
            let classes = [[2, 0], [3, 1], [0, 0]];
            let places = Tensor::<2, Int>::from_data(classes, &on.device);
            let rows: Tensor<3> = target::one_hot(places, 4, axis);
            let shape = if axis == 1 { [3, 4, 2] } else { [3, 2, 4] };
            assert_eq!(rows.dims(), shape);
            let back: Tensor<2, Int> = target::class_ids(rows, axis);
            assert_eq!(back.dims(), [3, 2]);
            assert_eq!(ints(back), classes.concat());
        }
    });
}

#[test]
fn multi_hot_rows_become_label_ids_and_back() {
    on_each_device(|on| {
        let rows = [
            [1.0, 0.0, 1.0],
            [0.0, 0.0, 0.0],
            [1.0, 1.0, 1.0],
            [0.0, 1.0, 0.0],
        ];
        let labels = [[0, 2, -1], [-1, -1, -1], [0, 1, 2], [1, -1, -1]];
        let marked = Place::new(on, DType::F32).bools(&Array::of(rows));
        let found = target::label_ids(marked.clone(), 1);
        assert_eq!(ints(found.clone()), labels.concat());
        assert_eq!(numbers(&target::multi_hot(found, 1)), rows.concat());

        // Two places in each of two samples, and the classes on either axis.
        let marked = marked.reshape([2, 2, 3]);
        let found = target::label_ids(marked.clone(), 2);
        assert_eq!(ints(found.clone()), labels.concat());
        assert_eq!(numbers(&target::multi_hot(found, 2)), rows.concat());
        let found = target::label_ids(marked.swap_dims(1, 2), 1);
        assert_eq!(found.dims(), [2, 3, 2]);
        assert_eq!(ints(found.clone().swap_dims(1, 2)), labels.concat());
        let back = target::multi_hot(found, 1).swap_dims(1, 2);
        assert_eq!(numbers(&back), rows.concat());

        // The order of the labels says nothing.
        let labels = Tensor::<2, Int>::from_data([[2, 0, -1], [1, 2, 0]], &on.device);
        let expected = [1.0, 0.0, 1.0, 1.0, 1.0, 1.0];
        assert_eq!(numbers(&target::multi_hot(labels, 1)), expected);
    });
}

#[test]
fn labels_become_signs_and_back() {
    on_each_device(|on| {
        let labels = [0.0, 1.0, 1.0, 0.0];
        let signs = [-1.0, 1.0, 1.0, -1.0];
        let place = Place::new(on, DType::F32);
        let array = Array::of([labels]);
        let found = [
            target::signs(place.floats(&array)),
            target::signs(place.ints(&array)),
            target::signs(place.bools(&array)),
        ];
        for found in found {
            assert_eq!(numbers(&found), signs);
            assert_eq!(numbers(&target::labels(found)), labels);
        }
        let array = Array::of([signs]);
        assert_eq!(numbers(&target::labels(place.ints(&array))), labels);
    });
}

#[test]
fn nothing_is_converted_to_nothing() {
    on_each_device(|on| {
        let empty = |shape: [usize; 2]| on.tensor(&[], shape, DType::F32);
        assert_eq!(target::signs(empty([3, 0])).dims(), [3, 0]);
        assert_eq!(target::labels(empty([0, 3])).dims(), [0, 3]);
        assert_eq!(target::log_probs(empty([0, 3]), 1).dims(), [0, 3]);
        let found: Tensor<1, Int> = target::class_ids(empty([0, 3]), 1);
        assert_eq!(found.dims(), [0]);
        let rows = on.tensor::<3>(&[], [2, 3, 0], DType::F32);
        let found: Tensor<2, Int> = target::class_ids(rows, 1);
        assert_eq!(found.dims(), [2, 0]);
        for shape in [[2, 0, 5], [0, 3, 5]] {
            let ids = Tensor::<2, Int>::empty([shape[0], shape[1]], &on.device);
            let (logits, ids) = target::flatten(on.tensor::<3>(&[], shape, DType::F32), ids);
            assert_eq!((logits.dims(), ids.dims()), ([0, 5], [0]));
        }
        let marked = Place::new(on, DType::F32).bools(&Array::new(0, 3, || 0.0));
        let found = target::label_ids(marked, 1);
        assert_eq!(found.dims(), [0, 3]);
        assert_eq!(target::multi_hot(found, 1).dims(), [0, 3]);
    });
}

#[test]
fn what_cannot_be_converted_is_said() {
    let device = Device::flex();
    let ids = || Tensor::<1, Int>::from_data([0], &device);
    let rows = || Tensor::<2>::zeros([1, 3], &device);
    let labels = || Tensor::<2, Int>::zeros([1, 3], &device);
    let said = |call: &dyn Fn()| {
        let panic = catch_unwind(AssertUnwindSafe(call)).expect_err("a wrong call passes");
        text(&*panic)
    };
    let calls: [(&dyn Fn(), &str); 7] = [
        (
            &|| drop(target::one_hot::<2, _>(ids(), 0, 1)),
            "one_hot: classes is 0: there is no class for an id to be.",
        ),
        (
            &|| drop(target::one_hot::<2, _>(ids(), 3, 2)),
            "one_hot: class_axis 2 is not an axis of rank 2.",
        ),
        (
            &|| drop(target::class_ids(rows(), 2)),
            "class_ids: class_axis 2 is not an axis of rank 2.",
        ),
        (
            &|| drop(target::class_ids(Tensor::<2>::zeros([1, 0], &device), 1)),
            "class_ids: the rows [1, 0] have no classes.",
        ),
        (
            &|| drop(target::log_probs(rows(), 2)),
            "log_probs: class_axis 2 is not an axis of rank 2.",
        ),
        (
            &|| drop(target::label_ids(rows().greater_scalar(0.0), 2)),
            "label_ids: class_axis 2 is not an axis of rank 2.",
        ),
        (
            &|| drop(target::multi_hot(labels(), 2)),
            "multi_hot: class_axis 2 is not an axis of rank 2.",
        ),
    ];
    for (call, expected) in calls {
        assert_eq!(said(call), expected);
    }
}

#[test]
fn pairs_and_triplets_are_all_there_are() {
    on_each_device(|on| {
        let pairs = target::pairs(ids(on, &[7, 7, 2, 7]));
        assert_eq!(ints(pairs.first), [0, 0, 0, 1, 1, 2]);
        assert_eq!(ints(pairs.second), [1, 2, 3, 2, 3, 3]);
        assert_eq!(numbers(&pairs.signs), [1.0, -1.0, 1.0, -1.0, 1.0, -1.0]);

        let triplets = target::triplets(ids(on, &[7, 2, 7]));
        assert_eq!(ints(triplets.anchor), [0, 2]);
        assert_eq!(ints(triplets.positive), [2, 0]);
        assert_eq!(ints(triplets.negative), [1, 1]);
    });
}

#[test]
fn batches_without_pairs_or_triplets_give_empty_ones() {
    on_each_device(|on| {
        for labels in [&[][..], &[3]] {
            assert_eq!(target::pairs(ids(on, labels)).signs.dims(), [0]);
        }
        // One class has no negatives, and different classes have no positives.
        for labels in [&[][..], &[4, 4, 4], &[1, 2, 3]] {
            assert_eq!(target::triplets(ids(on, labels)).anchor.dims(), [0]);
        }
    });
}

/// An outcome of a function of logits, which are moved in.
fn of_logits(logits: &Tensor<2>, loss: impl Fn(Tensor<2>) -> Tensor<1>) -> Outcome {
    let leaf = logits.clone().autodiff().require_grad();
    outcome_of(loss(leaf.clone()), &[leaf])
}

#[test]
fn each_way_to_say_the_same_gives_the_same() {
    on_each_device(|on| {
        let rows = [
            [0.5, -1.0, 2.0, 30.0],
            [1.0, 0.0, 0.0, -2.0],
            [0.0, 1000.0, 0.0, 0.0],
        ];
        let logits = on.tensor(&rows.concat(), [3, 4], DType::F32);
        let classes = ids(on, &[2, 0, 1]);
        let cross_entropy = of_logits(&logits, |logits| {
            CrossEntropyLoss::new().forward(logits, classes.clone())
        });
        let one_hot = || target::one_hot(classes.clone(), 4, 1);
        let same = [
            (
                "one-hot probabilities",
                of_logits(&logits, |logits| {
                    CrossEntropyLoss::new().forward(logits, one_hot())
                }),
            ),
            (
                "NLL of log-probabilities",
                of_logits(&logits, |logits| {
                    NllLoss::new().forward(target::log_probs(logits, 1), classes.clone())
                }),
            ),
            (
                "KL divergence from one-hot rows",
                of_logits(&logits, |logits| {
                    KlDivLoss::new().forward(target::log_probs(logits, 1), one_hot())
                }),
            ),
        ];
        for (what, found) in same {
            assert_same(what, &found, &cross_entropy, 1e-6);
        }

        let logits = on.tensor(&[0.5, -1.0, 3.0, -4.0, 0.0, 2.0], [3, 2], DType::F32);
        let labels = Tensor::<2, Int>::from_data([[0, 1], [1, 0], [1, 1]], &on.device);
        let with_logits = of_logits(&logits, |logits| {
            BceWithLogitsLoss::new().forward(logits, labels.clone())
        });
        let of_probs = of_logits(&logits, |logits| {
            let probs = burn::tensor::activation::sigmoid(logits);
            BceLoss::new().forward(probs, labels.clone())
        });
        assert_same("BCE of probabilities", &of_probs, &with_logits, 1e-5);
        let same = [
            (
                "soft margin of signs",
                of_logits(&logits, |logits| {
                    SoftMarginLoss::new().forward(logits, target::signs(labels.clone()))
                }),
            ),
            (
                "multi-label soft margin",
                of_logits(&logits, |logits| {
                    MultiLabelSoftMarginLoss::new().forward(logits, labels.clone())
                }),
            ),
        ];
        for (what, found) in same {
            assert_same(what, &found, &with_logits, 1e-6);
        }
    });
}

#[test]
fn each_way_to_write_a_margin_gives_the_same() {
    on_each_device(|on| {
        let rows = [
            [0.5, -1.0, 2.0, 1.5],
            [1.0, 0.0, 0.25, -2.0],
            [0.0, 30.0, 0.0, -0.5],
        ];
        let logits = on.tensor(&rows.concat(), [3, 4], DType::F32);
        let classes = ids(on, &[3, 0, 2]);
        let of_classes = of_logits(&logits, |logits| {
            MultiMarginLoss::new().forward(logits, classes.clone())
        });
        let of_labels = of_logits(&logits, |logits| {
            let rows: Tensor<2> = target::one_hot(classes.clone(), 4, 1);
            let labels = target::label_ids(rows.greater_scalar(0.5), 1);
            MultiLabelMarginLoss::new().forward(logits, labels)
        });
        assert_same("a single label", &of_labels, &of_classes, 1e-6);
    });
}

/// Asserts that two functions of a random pair are the same.
fn assert_alike(
    what: &str,
    on: &TestDevice,
    one: impl Fn(Tensor<2>, Tensor<2>) -> Tensor<1>,
    other: impl Fn(Tensor<2>, Tensor<2>) -> Tensor<1>,
) {
    let batch = random_pair(53);
    let found = gradients(&batch, on, DType::F32, one);
    let expected = gradients(&batch, on, DType::F32, other);
    assert_same(what, &found, &expected, 1e-5);
}

#[test]
fn each_way_to_write_an_error_gives_the_same() {
    on_each_device(|on| {
        let beta = 0.5;
        let smooth_l1 = SmoothL1LossConfig::new().with_beta(beta).init();
        let huber = HuberLossConfig::new().with_delta(beta).init();
        assert_alike(
            "Huber",
            on,
            |x, y| huber.forward(x, y),
            |x, y| smooth_l1.forward(x, y) * beta,
        );
        let gaussian = GaussianNllLoss::new();
        assert_alike(
            "Gaussian of variance 1",
            on,
            |x, y| gaussian.forward(x, y, 1.0),
            |x, y| MseLoss::new().forward(x, y) * 0.5,
        );
    });
}

#[test]
fn each_way_to_write_a_distance_gives_the_same() {
    type Written = fn(Tensor<2>, Tensor<2>) -> Tensor<1>;
    let cosine: Written = |a, b| cosine_similarity(a, b, 1e-8).neg() + 1.0;
    let ways = || -> [(Distance, Written); 3] {
        [
            (Distance::Euclidean, |a, b| {
                pairwise_distance(a, b, 2.0, 1e-6)
            }),
            (Distance::Lp(3.0), |a, b| pairwise_distance(a, b, 3.0, 1e-6)),
            (Distance::Cosine, cosine),
        ]
    };
    on_each_device(|on| {
        let signs = Tensor::<1>::ones([4], &on.device);
        let embedding = CosineEmbeddingLoss::new();
        assert_alike(
            "cosine embedding",
            on,
            |a, b| embedding.forward_no_reduction(a, b, signs.clone()),
            cosine,
        );

        let negative = Place::new(on, DType::F32).floats(&random_pair(54).inputs[0]);
        let config = TripletMarginWithDistanceLossConfig::new;
        for (distance, written) in ways() {
            let what = format!("{distance:?}");
            let named = config().with_distance(distance).init();
            let given = config().init_with(written);
            assert_alike(
                &what,
                on,
                |a, b| given.forward(a, b, negative.clone()),
                |a, b| named.forward(a, b, negative.clone()),
            );
        }
        let named = config().init();
        let plain = TripletMarginLoss::new();
        assert_alike(
            "the Euclidean distance",
            on,
            |a, b| named.forward(a, b, negative.clone()),
            |a, b| plain.forward(a, b, negative.clone()),
        );
    });
}

#[test]
fn log_probs_are_normalised_and_trained_through() {
    on_each_device(|on| {
        let infinite = f64::NEG_INFINITY;
        let rows = [
            [infinite, 0.0, 1.0],
            [infinite, infinite, 5.0],
            [1000.0, -1000.0, 0.0],
        ];
        let logits = on.tensor(&rows.concat(), [3, 3], DType::F32);
        let log_probs = numbers(&target::log_probs(logits.clone(), 1));
        for row in log_probs.chunks(3) {
            let sum: f64 = row.iter().map(|x| x.exp()).sum();
            assert!((sum - 1.0).abs() < 1e-5, "{row:?} sums to {sum}");
        }
        let classes = ids(on, &[1, 2, 0]);
        let found = of_logits(&logits, |logits| {
            NllLoss::new().forward(target::log_probs(logits, 1), classes.clone())
        });
        let expected = of_logits(&logits, |logits| {
            CrossEntropyLoss::new().forward(logits, classes.clone())
        });
        assert!(expected.value.is_finite());
        assert_same("-inf logits", &found, &expected, 1e-6);
    });
}

#[test]
fn cross_entropy_ignores_a_shift_of_the_logits() {
    on_each_device(|on| {
        // Multiples of 1/64: shifted, they are still exact.
        let mut rng = StdRng::seed_from_u64(52);
        let logits = Array::new(5, 4, || f64::from(rng.random_range(-128..128)) / 64.0);
        let classes = ids(on, &[0, 1, 2, 3, 0]);
        let loss = CrossEntropyLossConfig::new()
            .with_label_smoothing(0.1)
            .init();
        for dtype in full_types(on) {
            let run = |shift: f64| {
                let logits = Place::new(on, dtype).floats(&logits.clone().map(|x| x + shift));
                of_logits(&logits, |logits| loss.forward(logits, classes.clone()))
            };
            let plain = run(0.0);
            for shift in [100.0, -100.0, 1e4, -1e4] {
                let tolerance = if dtype == DType::F64 { 1e-12 } else { 1e-6 };
                assert_same(
                    &format!("{shift} in {dtype:?}"),
                    &run(shift),
                    &plain,
                    tolerance,
                );
            }
        }
    });
}

#[test]
fn a_variance_wider_than_the_predictions_keeps_its_gradient() {
    on_each_device(|on| {
        if !on.device.supports_dtype(DType::F16) {
            return;
        }
        let [predictions, targets] = [0.5, 0.5].map(|x| on.tensor(&[x; 4], [2, 2], DType::F16));
        let variance = on.tracked(&[1e-6, 1e-5], [2], DType::F32);
        let value = GaussianNllLoss::new().forward(predictions, targets, variance.clone());
        let gradient = variance.grad(&value.backward()).expect("a gradient");
        // Half over the variance, for two of four predictions each.
        assert_close("gradient", &numbers(&gradient), &[2.5e5, 2.5e4], 1e-3);
    });
}

#[test]
fn a_distance_of_ones_own_may_be_infinite() {
    on_each_device(|on| {
        let row = |x: f64| on.tracked(&[x, 0.0], [1, 2], DType::F32);
        let squared = |a: Tensor<2>, b: Tensor<2>| (a - b).square().sum_dim(1).squeeze_dim::<1>(1);
        let config = TripletMarginWithDistanceLossConfig::new().with_swap(true);
        let loss = config.init_with(squared);
        // From the anchor to the negative it is infinite, and from the positive it is 1.
        let (anchor, positive, negative) = (row(0.0), row(1e20), row(1e20));
        let value = loss.forward(anchor.clone(), positive.clone(), negative);
        assert_eq!(numbers(&value), [f64::INFINITY]);
        let value = loss.forward(positive.clone(), positive, anchor);
        assert_eq!(numbers(&value), [0.0]);
    });
}

#[test]
fn a_sign_is_read_in_the_type_of_the_embeddings() {
    on_each_device(|on| {
        if !on.double {
            return;
        }
        let vectors = on.tensor(&[3.0, 4.0], [1, 2], DType::F32);
        let almost = on.tensor(&[1.0 + 1e-12], [1], DType::F64);
        let value = CosineEmbeddingLoss::new().try_forward(vectors.clone(), vectors, almost);
        assert!(
            numbers(&value.expect("a sign"))[0] < 1e-6,
            "an unlike pair costs 1"
        );
    });
}
