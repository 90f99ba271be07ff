//! What every loss does, whatever it computes.

use crate::common::{TestDevice, assert_close, devices, numbers};
use crate::harness::*;
use crate::table::{Args, Array, Batch, Layout, Place, Variant, Weights};
use burn::tensor::{DType, Int, Tensor, TensorData};
use burn_losses::prelude::*;

/// Weights of samples, among them 0 and more than 1.
fn sample_weights(rows: usize) -> Vec<f64> {
    (0..rows)
        .map(|row| [0.75, 0.0, 1.5, 2.0][row % 4])
        .collect()
}

/// A mask that keeps some samples, but not all of them.
fn mask(rows: usize) -> Vec<bool> {
    (0..rows).map(|row| row % 3 != 1).collect()
}

pub fn per_sample(on: &TestDevice, dtype: DType, weights: &[f64]) -> Weights {
    let data = TensorData::new(weights.to_vec(), [weights.len()]).convert_dtype(dtype);
    Weights::PerSample(Tensor::from_data(data, (&on.device, dtype)))
}

pub fn weighted(
    variant: &Variant,
    reduction: Reduction,
    batch: &Batch,
    on: &TestDevice,
    dtype: DType,
    weights: Weights,
) -> Outcome {
    let args = batch.on(on, dtype).tracked();
    let leaves = args.inputs.clone();
    outcome_of(variant.weighted(reduction, args, weights), &leaves)
}

/// Whether the gradient counts something of the input as constant: it is not the slope of the value, by definition.
fn has_a_constant_part(variant: &Variant) -> bool {
    // How much it counts that shapes are unlike.
    variant.loss == "CiouLoss"
}

fn total(numbers: &[f64]) -> f64 {
    numbers.iter().sum()
}

#[test]
fn gradients_are_the_slopes_of_the_value() {
    everywhere(OnGpu::None, |variant, on| {
        if has_a_constant_part(variant) {
            return;
        }
        let batch = variant.batch(1, 5, 4);
        for reduction in REDUCTIONS {
            let found = outcome(variant, reduction, batch.on(on, DType::F64).tracked());
            let expected = slopes(&batch, on, |args| variant.value(reduction, args));
            for (found, expected) in found.gradients.iter().zip(&expected) {
                assert!(found.iter().any(|slope| *slope != 0.0), "all slopes are 0");
                assert_close(&format!("{reduction:?}"), found, expected, 1e-6);
            }
        }
    });
}

#[test]
fn weighted_gradients_are_the_slopes_of_the_weighted_value() {
    for_samples(OnGpu::None, |variant, on| {
        if has_a_constant_part(variant) {
            return;
        }
        let batch = variant.batch(2, 5, 4);
        for reduction in REDUCTIONS {
            let weights = per_sample(on, DType::F64, &sample_weights(5));
            let found = weighted(variant, reduction, &batch, on, DType::F64, weights.clone());
            let expected = slopes(&batch, on, |args| {
                variant.weighted(reduction, args, weights.clone())
            });
            for (found, expected) in found.gradients.iter().zip(&expected) {
                assert_close(&format!("{reduction:?}"), found, expected, 1e-6);
            }
        }
    });
}

#[test]
fn what_follows_the_loss_scales_its_gradient() {
    everywhere(OnGpu::First, |variant, on| {
        let batch = variant.batch(3, 6, 5);
        let plain = exact(variant, Reduction::Mean, &batch);
        type Follow = fn(Tensor<1>) -> Tensor<1>;
        let follow: [(&str, Follow, f64); 4] = [
            ("times -2.5", |value| value * -2.5, -2.5),
            ("squared", |value| value.powf_scalar(2.0), 2.0 * plain.value),
            ("exp", |value| value.exp(), plain.value.exp()),
            ("used twice", |value| value.clone() + value, 2.0),
        ];
        for (what, follow, factor) in follow {
            for dtype in full_types(on) {
                let args = batch.on(on, dtype).tracked();
                let leaves = args.inputs.clone();
                let value = follow(variant.value(Reduction::Mean, args));
                let found = outcome_of(value, &leaves);
                for (found, plain) in found.gradients.iter().zip(&plain.gradients) {
                    let expected: Vec<f64> = plain.iter().map(|slope| slope * factor).collect();
                    assert_close(what, found, &expected, precision(dtype));
                }
            }
        }
    });
}

#[test]
fn each_losses_gradient_is_scaled_by_what_comes_from_above() {
    everywhere(OnGpu::First, |variant, on| {
        // A different factor for each element of the unreduced loss.
        let batch = variant.batch(4, 5, 4);
        let run = |on: &TestDevice, dtype: DType| {
            let args = batch.on(on, dtype).tracked();
            let leaves = args.inputs.clone();
            let each = variant.each(args);
            let factors = Array::new(each.dims()[0], each.dims()[1], {
                let mut factor = -1.0;
                move || {
                    factor += 0.25;
                    factor
                }
            });
            let factors = Place::new(on, dtype).floats(&factors);
            outcome_of((each * factors).sum(), &leaves)
        };
        let expected = run(&reference(), DType::F64);
        for dtype in full_types(on) {
            assert_same("factors", &run(on, dtype), &expected, precision(dtype));
        }
    });
}

#[test]
fn what_precedes_the_loss_is_trained_through_it() {
    everywhere(OnGpu::First, |variant, on| {
        // A linear layer whose weights happen to be the identity: the loss gets the batch, moved in
        // and owned by nobody else.
        let batch = variant.batch(5, 6, 4);
        let plain = exact(variant, Reduction::Mean, &batch);
        let args = batch.on(on, DType::F32).tracked();
        let leaves = args.inputs.clone();
        let identity = |leaf: &Tensor<2>| Tensor::eye(leaf.dims()[1], &on.device);
        let layers: Vec<Tensor<2>> = leaves
            .iter()
            .map(|leaf| identity(leaf).autodiff().require_grad())
            .collect();
        let outputs = leaves.iter().zip(&layers);
        let outputs = outputs.map(|(leaf, layer)| leaf.clone().matmul(layer.clone()));
        let args = Args {
            inputs: outputs.collect(),
            ..args
        };
        let both: Vec<Tensor<2>> = leaves.into_iter().chain(layers).collect();
        let found = outcome_of(variant.value(Reduction::Mean, args), &both);

        let mut expected = plain.gradients.clone();
        for (input, slope) in batch.inputs.iter().zip(&plain.gradients) {
            expected.push(transposed_product(input, slope));
        }
        let expected = Outcome {
            value: plain.value,
            gradients: expected,
        };
        assert_same("through a layer", &found, &expected, 1e-5);
    });
}

/// The transpose of `input` times the array `slope` of the same shape.
fn transposed_product(input: &Array, slope: &[f64]) -> Vec<f64> {
    let columns = input.columns;
    let mut product = vec![0.0; columns * columns];
    for (input, slope) in input.data.chunks(columns).zip(slope.chunks(columns)) {
        for i in 0..columns {
            for j in 0..columns {
                product[i * columns + j] += input[i] * slope[j];
            }
        }
    }
    product
}

#[test]
fn an_input_of_two_losses_gets_both_gradients() {
    everywhere(OnGpu::None, |variant, on| {
        let batch = variant.batch(6, 4, 3);
        let args = batch.on(on, DType::F64).tracked();
        let leaves = args.inputs.clone();
        let both = variant.value(Reduction::Mean, args.clone())
            + variant.value(Reduction::Sum, args) * 0.5;
        let found = outcome_of(both, &leaves);
        let mean = exact(variant, Reduction::Mean, &batch);
        let sum = exact(variant, Reduction::Sum, &batch);
        for (at, found) in found.gradients.iter().enumerate() {
            let parts = mean.gradients[at].iter().zip(&sum.gradients[at]);
            let expected: Vec<f64> = parts.map(|(mean, sum)| mean + 0.5 * sum).collect();
            assert_close("both", found, &expected, 1e-10);
        }
    });
}

#[test]
fn the_reductions_agree() {
    for_samples(OnGpu::First, |variant, on| {
        for dtype in full_types(on) {
            let batch = variant.batch(7, 6, 5);
            let args = batch.on(on, dtype);
            let value = |reduction| numbers(&variant.value(reduction, args.clone()))[0];
            let parts = variant.parts(args.clone());
            let [sum, weight] = [numbers(&parts.sum)[0], numbers(&parts.weight)[0]];
            let each = variant.each(args.clone());
            let same = |what: &str, found: f64, expected: f64| {
                assert_close(what, &[found], &[expected], precision(dtype));
            };
            assert_eq!(each.dtype(), dtype, "the type of the unreduced loss");
            assert_eq!(each.dims()[0], 6, "a row of losses per sample");
            same("Mean x weight", value(Reduction::Mean) * weight, sum);
            same("Sum", value(Reduction::Sum), sum);
            same("BatchMean", value(Reduction::BatchMean), sum / 6.0);
            same("the unreduced loss", total(&numbers(&each)), sum);
            assert_eq!(parts.sum.dims(), [1]);
            assert_eq!(parts.weight.dims(), [1]);
        }
    });
}

/// How many rows the pieces have that 11 rows are split into: 1, 2, 3 and 5 of them.
static PIECES: [&[usize]; 4] = [&[11], &[4, 7], &[7, 1, 3], &[1, 2, 2, 2, 4]];

/// The rows of each piece.
fn pieces(sizes: &[usize]) -> Vec<Vec<usize>> {
    let mut end = 0;
    let rows = sizes.iter().map(|&size| {
        end += size;
        (end - size..end).collect()
    });
    rows.collect()
}

/// The splits that are tried on a device.
fn splits(on: &TestDevice) -> &'static [&'static [usize]] {
    if is_gpu(on) { &PIECES[1..2] } else { &PIECES }
}

/// The gradients of inputs whose rows are in pieces, as those of the whole inputs.
fn joined(pieces: Vec<Vec<Vec<f64>>>) -> Vec<Vec<f64>> {
    let inputs = pieces[0].len();
    (0..inputs)
        .map(|input| pieces.iter().flat_map(|of| of[input].clone()).collect())
        .collect()
}

#[test]
fn the_parts_of_a_split_batch_add_up() {
    for_samples(OnGpu::First, |variant, on| {
        for dtype in full_types(on) {
            let batch = variant.batch(8, 11, 4);
            let whole = outcome(variant, Reduction::Mean, batch.on(on, dtype).tracked());
            let of_whole = variant.parts(batch.on(on, dtype));
            let tolerance = precision(dtype);
            for sizes in splits(on) {
                let mut leaves = Vec::new();
                let mut parts = pieces(sizes).into_iter().map(|rows| {
                    let args = batch.select(&rows).on(on, dtype).tracked();
                    leaves.push(args.inputs.clone());
                    let parts = variant.parts(args);
                    assert!(!parts.weight.is_tracked(), "a weight is a constant");
                    parts
                });
                // The first by `+`, the others by `sum`.
                let first = LossParts::zero(&on.device) + parts.next().expect("a piece");
                let sum: LossParts = std::iter::once(first).chain(parts).sum();
                assert_eq!(sum.sum.dtype(), dtype, "the type of a sum of parts");
                let mean = sum.mean();
                let gradients = mean.backward();
                let of_piece = |leaves: Vec<Tensor<2>>| -> Vec<Vec<f64>> {
                    let of_input = leaves.iter().map(|leaf| {
                        numbers(&leaf.grad(&gradients).expect("a gradient for each input"))
                    });
                    of_input.collect()
                };
                let found = Outcome {
                    value: numbers(&mean)[0],
                    gradients: joined(leaves.into_iter().map(of_piece).collect()),
                };
                let what = format!("{} pieces", sizes.len());
                assert_same(&what, &found, &whole, tolerance);
                for (what, found, expected) in [
                    ("sum", &sum.sum, &of_whole.sum),
                    ("weight", &sum.weight, &of_whole.weight),
                ] {
                    assert_close(what, &numbers(found), &numbers(expected), tolerance);
                }
                let detached = sum.detach();
                assert!(!detached.sum.is_tracked());
                assert_eq!(numbers(&detached.mean()), numbers(&mean));
            }
        }
    });
}

#[test]
fn the_shares_of_pieces_in_a_total_add_up_to_the_mean() {
    for_samples(OnGpu::First, |variant, on| {
        for dtype in full_types(on) {
            let batch = variant.batch(8, 11, 4);
            let whole = outcome(variant, Reduction::Mean, batch.on(on, dtype).tracked());
            let total = variant.parts(batch.on(on, dtype)).weight;
            for sizes in splits(on) {
                let shares = pieces(sizes).into_iter().map(|rows| {
                    let args = batch.select(&rows).on(on, dtype).tracked();
                    let leaves = args.inputs.clone();
                    outcome_of(variant.over(args, total.clone()), &leaves)
                });
                let shares: Vec<Outcome> = shares.collect();
                let found = Outcome {
                    value: shares.iter().map(|share| share.value).sum(),
                    gradients: joined(shares.into_iter().map(|share| share.gradients).collect()),
                };
                let what = format!("{} pieces", sizes.len());
                assert_same(&what, &found, &whole, precision(dtype));
            }
        }
    });
}

#[test]
fn a_share_in_nothing_is_0() {
    everywhere(OnGpu::First, |variant, on| {
        for dtype in full_types(on) {
            let args = variant.batch(27, 4, 3).on(on, dtype).tracked();
            let leaves = args.inputs.clone();
            let nothing = Tensor::zeros([1], (&on.device, dtype));
            let found = outcome_of(variant.over(args, nothing), &leaves);
            assert_eq!(found.value, 0.0);
            for gradient in &found.gradients {
                assert!(gradient.iter().all(|slope| *slope == 0.0), "{gradient:?}");
            }
        }
    });
}

/// The sum that is divided is wide still: value and gradient are rounded once.
#[test]
fn a_share_is_divided_before_it_is_rounded() {
    let _turn = alone();
    run_everywhere(OnGpu::First, |variant, on| {
        for dtype in halves(on) {
            let batch = variant.batch(20, 6, 5).rounded(dtype);
            let total = 3.0f64;
            let exact = {
                let args = batch.on(&reference(), DType::F64).tracked();
                let leaves = args.inputs.clone();
                outcome_of(variant.parts(args).sum / total, &leaves)
            };
            let args = batch.on(on, dtype).tracked();
            let leaves = args.inputs.clone();
            let total = Tensor::from_data([total], (&on.device, DType::F32));
            let value = variant.over(args, total);
            assert_eq!(value.dtype(), dtype, "the type of a share");
            let found = outcome_of(value, &leaves);
            assert_same(&format!("{dtype:?}"), &found, &exact, precision(dtype));
        }
    });
}

#[test]
fn weighted_parts_make_the_weighted_mean() {
    for_samples(OnGpu::First, |variant, on| {
        for dtype in full_types(on) {
            let batch = variant.batch(19, 5, 4);
            let all = sample_weights(5);
            let samples = |weights: &[f64]| {
                let Weights::PerSample(weights) = per_sample(on, dtype, weights) else {
                    unreachable!("they are per sample")
                };
                weights
            };
            let args = batch.on(on, dtype).tracked();
            let leaves = args.inputs.clone();
            let parts = variant.weighted_parts(args, samples(&all));
            let weight = numbers(&parts.weight)[0];
            let of_parts = numbers(&parts.mean());
            let found = outcome_of(parts.sum, &leaves);
            let of = |reduction| {
                let weights = Weights::PerSample(samples(&all));
                weighted(variant, reduction, &batch, on, dtype, weights)
            };
            assert_same("the sum", &found, &of(Reduction::Sum), precision(dtype));
            let mean = of(Reduction::Mean).value;
            assert_close("LossParts::mean", &of_parts, &[mean], precision(dtype));
            let of_piece = |rows: &[usize]| {
                let weights: Vec<f64> = rows.iter().map(|&row| all[row]).collect();
                variant.weighted_parts(batch.select(rows).on(on, dtype), samples(&weights))
            };
            let of_pieces = (of_piece(&[0, 1]) + of_piece(&[2, 3, 4])).mean();
            assert_close(
                "of two pieces",
                &numbers(&of_pieces),
                &[mean],
                precision(dtype),
            );
            if weight == 0.0 {
                // The class of each sample may weigh nothing where smoothing spreads a loss over the others.
                assert_eq!(mean, 0.0, "the mean of nothing");
            } else {
                let tolerance = precision(dtype);
                assert_close("the mean", &[mean * weight], &[found.value], tolerance);
            }
        }
    });
}

#[test]
fn weights_of_one_change_nothing() {
    for_samples(OnGpu::First, |variant, on| {
        let batch = variant.batch(9, 5, 4);
        for reduction in REDUCTIONS {
            for dtype in full_types(on) {
                let plain = outcome(variant, reduction, batch.on(on, dtype).tracked());
                let ones = per_sample(on, dtype, &[1.0; 5]);
                let found = weighted(variant, reduction, &batch, on, dtype, ones);
                assert_same(&format!("{reduction:?}"), &found, &plain, precision(dtype));
            }
        }
    });
}

#[test]
fn a_mask_leaves_samples_out() {
    for_samples(OnGpu::First, |variant, on| {
        let rows = 7;
        let batch = variant.batch(10, rows, 4);
        let mask = mask(rows);
        let kept: Vec<usize> = (0..rows).filter(|&row| mask[row]).collect();
        let data = TensorData::new(mask, [rows]);
        let mask = Weights::SampleMask(Tensor::from_data(data, &on.device));
        // The batch mean still divides by the whole batch.
        for (reduction, scale) in [
            (Reduction::Mean, 1.0),
            (Reduction::Sum, 1.0),
            (Reduction::BatchMean, kept.len() as f64 / rows as f64),
        ] {
            let found = weighted(variant, reduction, &batch, on, DType::F32, mask.clone());
            let without = exact(variant, reduction, &batch.select(&kept));
            assert_close("value", &[found.value], &[without.value * scale], 1e-5);
            for (at, found) in found.gradients.iter().enumerate() {
                let columns = batch.inputs[at].columns;
                let mut expected = vec![0.0; rows * columns];
                for (row, slopes) in kept.iter().zip(without.gradients[at].chunks(columns)) {
                    let scaled = slopes.iter().map(|slope| slope * scale);
                    expected.splice(row * columns..(row + 1) * columns, scaled);
                }
                assert_close("gradient", found, &expected, 1e-5);
            }
        }
    });
}

#[test]
fn weights_per_sample_are_weights_per_element_repeated() {
    for_samples(OnGpu::First, |variant, on| {
        let rows = 6;
        let batch = variant.batch(11, rows, 4);
        let [_, columns] = variant.each(batch.on(on, DType::F32)).dims();
        let weights = sample_weights(rows);
        let repeated = Array {
            rows,
            columns,
            data: weights
                .iter()
                .flat_map(|&weight| vec![weight; columns])
                .collect(),
        };
        let place = Place::new(on, DType::F32);
        let samples = || per_sample(on, DType::F32, &weights);
        let elements = || Weights::PerElement(place.floats(&repeated));
        for reduction in REDUCTIONS {
            let run = |weights| weighted(variant, reduction, &batch, on, DType::F32, weights);
            assert_same("weights", &run(samples()), &run(elements()), 1e-6);
        }

        // As a mask: what is 0 is left out, the rest counts once.
        let bits = repeated
            .clone()
            .map(|weight| f64::from(u8::from(weight > 0.0)));
        let masked = || Weights::ElementMask(place.bools(&bits));
        let ones = || Weights::PerElement(place.floats(&bits));
        let run = |weights| weighted(variant, Reduction::Mean, &batch, on, DType::F32, weights);
        assert_same("mask", &run(masked()), &run(ones()), 1e-6);
    });
}

#[test]
fn weights_multiply_loss_and_weight() {
    for_samples(OnGpu::First, |variant, on| {
        // A sample of weight 2 counts as if it were there twice.
        let batch = variant.batch(12, 4, 3);
        let twice = batch.select(&[0, 1, 1, 2, 3, 3]);
        let weights = per_sample(on, DType::F32, &[1.0, 2.0, 1.0, 2.0]);
        let found = variant.weighted(Reduction::Mean, batch.on(on, DType::F32), weights);
        let expected = variant.value(Reduction::Mean, twice.on(on, DType::F32));
        assert_close("value", &numbers(&found), &numbers(&expected), 1e-5);
    });
}

#[test]
fn a_permuted_batch_permutes_the_losses() {
    for_samples(OnGpu::First, |variant, on| {
        let batch = variant.batch(13, 6, 5);
        let order = [3, 0, 5, 4, 1, 2];
        let permuted = batch.select(&order);
        for dtype in full_types(on) {
            let each = |batch: &Batch| {
                let each = variant.each(batch.on(on, dtype));
                let [rows, columns] = each.dims();
                Array {
                    rows,
                    columns,
                    data: numbers(&each),
                }
            };
            let tolerance = precision(dtype);
            let expected = each(&batch).select(&order);
            assert_close("each", &each(&permuted).data, &expected.data, tolerance);
            let mean =
                |batch: &Batch| numbers(&variant.value(Reduction::Mean, batch.on(on, dtype)));
            assert_close("mean", &mean(&permuted), &mean(&batch), tolerance);
        }
    });
}

#[test]
fn the_layout_in_memory_does_not_matter() {
    everywhere(OnGpu::First, |variant, on| {
        for dtype in full_types(on) {
            let plain = Place::new(on, dtype);
            let place = |layout| Place {
                layout,
                ..plain.clone()
            };
            let random = variant.batch(14, 6, 5);
            let repeated = random.select(&[2; 6]);
            for (batch, layout) in [
                (&random, Layout::Transposed),
                (&random, Layout::Sliced),
                (&repeated, Layout::Expanded),
            ] {
                let copied = outcome(variant, Reduction::Mean, batch.on(on, dtype).tracked());
                let laid = place(layout);
                for (what, inputs, target) in [
                    ("inputs", &laid, &plain),
                    ("target", &plain, &laid),
                    ("both", &laid, &laid),
                ] {
                    let args = batch.at(inputs, target);
                    let each = numbers(&variant.each(args.clone()));
                    let found = outcome(variant, Reduction::Mean, args.tracked());
                    let what = format!("{layout:?} {what} in {dtype:?}");
                    assert_same(&what, &found, &copied, precision(dtype));
                    let copied = numbers(&variant.each(batch.on(on, dtype)));
                    assert_close(&what, &each, &copied, precision(dtype));
                }
            }
        }
    });
}

#[test]
fn strided_results_of_operations_are_trained_through() {
    everywhere(OnGpu::First, |variant, on| {
        // The leaf lies in memory as usual, and what the loss gets is a view of it.
        let batch = variant.batch(15, 6, 6);
        let expected = exact(variant, Reduction::Mean, &batch);
        let args = batch.on(on, DType::F32);
        let turned = args
            .map_inputs(|input| input.swap_dims(0, 1) * 1.0)
            .tracked();
        let leaves = turned.inputs.clone();
        let views = turned.map_inputs(|leaf| leaf.swap_dims(0, 1));
        let value = variant.value(Reduction::Mean, views);
        assert_close("value", &numbers(&value), &[expected.value], 1e-5);
        let gradients = value.backward();
        for (leaf, expected) in leaves.iter().zip(&expected.gradients) {
            let gradient = leaf.grad(&gradients).expect("a gradient").swap_dims(0, 1);
            assert_close("gradient", &numbers(&gradient), expected, 1e-5);
        }
    });
}

/// What sequence models do: `[batch, time, class]` is turned to `[batch, class, time]`.
#[test]
fn turned_axes_of_rank_3_are_trained_through() {
    use burn_losses::target::{label_ids, log_probs};
    type Case = fn([Tensor<3>; 3]) -> Tensor<1>;
    fn probs(tensor: Tensor<3>) -> Tensor<3> {
        burn::tensor::activation::softmax(tensor.inner(), 1)
    }
    fn labels(tensor: Tensor<3>) -> Tensor<3> {
        burn::tensor::activation::sigmoid(tensor.inner())
    }
    fn ids(tensor: Tensor<3>) -> Tensor<2, Int> {
        tensor.inner().argmax(1).squeeze_dim(1)
    }
    let cases: [(&str, Case); 26] = [
        ("L1", |[x, y, _]| L1Loss::new().forward(x, y)),
        ("MSE", |[x, y, _]| MseLoss::new().forward(x, y)),
        ("smooth L1", |[x, y, _]| SmoothL1Loss::new().forward(x, y)),
        ("Huber", |[x, y, _]| HuberLoss::new().forward(x, y)),
        ("Poisson", |[x, y, _]| {
            PoissonNllLoss::new().forward(x, y.inner().abs())
        }),
        ("Gaussian", |[x, y, z]| {
            GaussianNllLoss::new().forward(x, y, z.exp())
        }),
        ("NLL", |[x, y, _]| {
            NllLoss::new().forward(log_probs(x, 1), ids(y))
        }),
        ("cross-entropy of ids", |[x, y, _]| {
            CrossEntropyLoss::new().forward(x, ids(y))
        }),
        ("cross-entropy of probabilities", |[x, y, _]| {
            CrossEntropyLoss::new().forward(x, probs(y))
        }),
        ("BCE", |[x, y, _]| {
            BceLoss::new().forward(burn::tensor::activation::sigmoid(x), labels(y))
        }),
        ("BCE with logits", |[x, y, _]| {
            BceWithLogitsLoss::new().forward(x, labels(y))
        }),
        ("BCE with bool labels", |[x, y, _]| {
            BceWithLogitsLoss::new().forward(x, y.inner().greater_scalar(0.0))
        }),
        ("soft margin", |[x, y, _]| {
            SoftMarginLoss::new().forward(x, y.inner().sign())
        }),
        ("multi-margin", |[x, y, _]| {
            MultiMarginLoss::new().forward(x, ids(y))
        }),
        ("multi-label margin", |[x, y, _]| {
            let ids = label_ids(y.inner().greater_scalar(0.0), 1);
            MultiLabelMarginLoss::new().forward(x, ids)
        }),
        ("multi-label soft margin", |[x, y, _]| {
            MultiLabelSoftMarginLoss::new().forward(x, labels(y))
        }),
        ("hinge embedding", |[x, y, _]| {
            HingeEmbeddingLoss::new().forward(x, y.inner().sign())
        }),
        ("margin ranking", |[x, y, z]| {
            MarginRankingLoss::new().forward(x, y, z.inner().sign())
        }),
        ("triplet margin", |[x, y, z]| {
            TripletMarginLoss::new().forward(x, y, z)
        }),
        ("cosine embedding", |[x, y, z]| {
            let signs = z.inner().mean_dim(2).squeeze_dim::<2>(2).sign();
            CosineEmbeddingLoss::new().forward(x, y, signs)
        }),
        ("triplet margin with a distance", |[x, y, z]| {
            TripletMarginWithDistanceLoss::new().forward(x, y, z)
        }),
        ("KL divergence", |[x, y, _]| {
            KlDivLoss::new().forward(log_probs(x, 1), probs(y))
        }),
        ("dice", |[x, y, _]| DiceLoss::new().forward(x, ids(y))),
        ("Lovász", |[x, y, _]| LovaszLoss::new().forward(x, ids(y))),
        ("load balance", |[x, y, _]| {
            LoadBalanceLoss::new().forward(x, y.inner().argmax(2))
        }),
        ("router z", |[x, _, _]| RouterZLoss::new().forward(x)),
    ];
    let _turn = beside_others();
    let all = devices().into_iter().flat_map(|on| {
        cases.map(|(what, case)| (format!("{what} on {}", on.name), (on.clone(), case)))
    });
    each_case(all, |(on, case)| {
        // Three tensors [4, 2, 3]; turned, they come from [4, 3, 2].
        let numbers_of = |seed: u64| random_numbers(seed).data;
        let straight = [1, 2, 3].map(|seed| on.tracked(&numbers_of(seed), [4, 2, 3], DType::F32));
        let turned = straight.clone().map(|tensor| {
            let turned = tensor.inner().swap_dims(1, 2);
            let copied = numbers(&turned);
            on.tracked(&copied, [4, 3, 2], DType::F32)
        });
        let expected = case(straight.clone());
        let found = case(turned.clone().map(|leaf| leaf.swap_dims(1, 2)));
        assert_close("value", &numbers(&found), &numbers(&expected), 1e-5);
        let [expected, found] = [expected.backward(), found.backward()];
        for (straight, turned) in straight.iter().zip(&turned) {
            match (straight.grad(&expected), turned.grad(&found)) {
                (Some(expected), Some(found)) => {
                    let found = numbers(&found.swap_dims(1, 2));
                    assert_close("gradient", &found, &numbers(&expected), 1e-5);
                }
                (expected, found) => assert_eq!(expected.is_some(), found.is_some()),
            }
        }
    });
}

/// 24 random numbers.
fn random_numbers(seed: u64) -> Array {
    let variant = crate::table::cross_entropy("ids", Default::default());
    variant.batch(seed, 4, 6).inputs.remove(0)
}

#[test]
fn odd_sizes() {
    everywhere(OnGpu::First, |variant, on| {
        let least = variant.least_columns;
        let sizes = [1, 3, 7, 17, 33, 129];
        let tall = sizes.map(|rows| (rows, 5));
        let wide = sizes.map(|columns| (3, columns.max(least)));
        for (rows, columns) in tall.into_iter().chain(wide) {
            let batch = variant.batch(16, rows, columns);
            let expected = exact(variant, Reduction::Mean, &batch);
            for dtype in full_types(on) {
                let found = outcome(variant, Reduction::Mean, batch.on(on, dtype).tracked());
                let what = format!("{rows} x {columns} in {dtype:?}");
                assert_same(&what, &found, &expected, precision(dtype));
            }
        }
    });
}

#[test]
fn an_empty_batch_costs_nothing() {
    let _turn = alone();
    run_everywhere(OnGpu::First, |variant, on| {
        for dtype in full_types(on) {
            let args = variant.batch(17, 0, 5).on(on, dtype);
            assert_eq!(numbers(&variant.each(args.clone())), [0.0; 0]);
            let parts = variant.parts(args.clone());
            assert_eq!(numbers(&parts.sum), [0.0], "the sum");
            assert_eq!(numbers(&parts.weight), [0.0], "the weight");
            for reduction in REDUCTIONS {
                let value = variant.value(reduction, args.clone());
                assert_eq!(numbers(&value), [0.0], "{reduction:?}");
            }
        }
    });
}

#[test]
fn an_empty_batch_has_an_empty_gradient() {
    let _turn = alone();
    run_everywhere(OnGpu::First, |variant, on| {
        for dtype in full_types(on) {
            let args = || variant.batch(17, 0, 5).on(on, dtype).tracked();
            // The outcome asserts that the gradients have the shape of the inputs.
            for reduction in REDUCTIONS {
                let found = outcome(variant, reduction, args());
                assert_eq!(found.value, 0.0, "{reduction:?}");
            }
            let sum = args();
            let leaves = sum.inputs.clone();
            assert_eq!(outcome_of(variant.parts(sum).sum, &leaves).value, 0.0);
        }
    });
}

#[test]
fn an_empty_batch_can_be_weighted() {
    let _turn = alone();
    run_everywhere(OnGpu::First, |variant, on| {
        for dtype in full_types(on) {
            for reduction in REDUCTIONS {
                let batch = variant.batch(17, 0, 5);
                let none = per_sample(on, dtype, &[]);
                let found = weighted(variant, reduction, &batch, on, dtype, none);
                assert_eq!(found.value, 0.0, "{reduction:?}");
            }
        }
    });
}

#[test]
fn samples_of_no_numbers_cost_nothing() {
    let _turn = alone();
    run_everywhere(OnGpu::First, |variant, on| {
        if variant.least_columns > 0 || variant.reshapes {
            return;
        }
        let args = variant.batch(18, 3, 0).on(on, DType::F32);
        for reduction in REDUCTIONS {
            let value = numbers(&variant.value(reduction, args.clone()));
            assert_eq!(value, [0.0], "{reduction:?}");
            let found = outcome(variant, reduction, args.clone().tracked());
            assert_eq!(found.value, 0.0, "{reduction:?}");
        }
    });
}

#[test]
fn where_nothing_counts_the_loss_is_0() {
    for_samples(OnGpu::First, |variant, on| {
        let batch = variant.batch(19, 4, 3);
        for dtype in full_types(on) {
            for reduction in REDUCTIONS {
                let nothing = per_sample(on, dtype, &[0.0; 4]);
                let found = weighted(variant, reduction, &batch, on, dtype, nothing);
                assert_eq!(found.value, 0.0, "{reduction:?}");
                for gradient in &found.gradients {
                    assert!(gradient.iter().all(|slope| *slope == 0.0), "{gradient:?}");
                }
            }
        }
    });
}

#[test]
fn half_precision_is_as_exact_as_it_can_be() {
    let _turn = alone();
    run_everywhere(OnGpu::First, |variant, on| {
        for dtype in halves(on) {
            let batch = variant.batch(20, 6, 5).rounded(dtype);
            for reduction in REDUCTIONS {
                let expected = exact(variant, reduction, &batch);
                let args = batch.on(on, dtype);
                let value = variant.value(reduction, args.clone());
                assert_eq!(value.dtype(), dtype, "the type of the loss");
                // `outcome` asserts that the gradient has the input's type.
                let found = outcome(variant, reduction, args.tracked());
                let what = format!("{reduction:?} in {dtype:?}");
                assert_same(&what, &found, &expected, precision(dtype));
            }
            let each = variant.each(batch.on(on, dtype));
            let exact = variant.each(batch.on(&reference(), DType::F64));
            assert_eq!(each.dtype(), dtype, "the type of the unreduced loss");
            assert_close("each", &numbers(&each), &numbers(&exact), precision(dtype));
            let parts = variant.parts(batch.on(on, dtype));
            assert_eq!(parts.sum.dtype(), DType::F32, "parts are in f32 or wider");
        }
    });
}

#[test]
fn a_target_of_another_float_type_is_converted() {
    everywhere(OnGpu::None, |variant, on| {
        // Rounded, so that both types hold the same numbers.
        let batch = variant.batch(21, 4, 3).rounded(DType::F32);
        for (inputs, target) in [(DType::F64, DType::F32), (DType::F32, DType::F64)] {
            let args = batch.at(&Place::new(on, inputs), &Place::new(on, target));
            let found = outcome(variant, Reduction::Mean, args.tracked());
            let expected = exact(variant, Reduction::Mean, &batch);
            let what = format!("{inputs:?} with a target in {target:?}");
            assert_same(&what, &found, &expected, precision(inputs));
        }
    });
}

#[test]
fn the_mean_of_many_losses_neither_overflows_nor_drifts() {
    for_samples(OnGpu::First, |variant, on| {
        // The same samples over and over have the same mean as once. The sum of their losses
        // exceeds f16, and summed one by one in f32 it drifts.
        let rows = 500;
        let once = variant.batch(22, rows, 5);
        let elements = once.inputs[0].data.len();
        let times = 100_000 / elements;
        let order: Vec<usize> = (0..rows * times).map(|row| row % rows).collect();
        // One of the halves, the other one for other variants.
        let halves = halves(on);
        let half = halves.iter().cycle().nth(variant.name.len());
        for &dtype in [DType::F32].iter().chain(half) {
            let once = once.rounded(dtype);
            let expected = variant.value(Reduction::Mean, once.on(&reference(), DType::F64));
            let many = once.select(&order);
            let found = variant.value(Reduction::Mean, many.on(on, dtype));
            let tolerance = match dtype {
                DType::F32 if is_gpu(on) => 1e-5,
                DType::F32 => 1e-6,
                half => precision(half),
            };
            let what = format!("{} elements in {dtype:?}", elements * times);
            assert_close(&what, &numbers(&found), &numbers(&expected), tolerance);
        }
    });
}

/// Dividing by 100 000 takes a gradient below what f16 holds. A loss scale undoes that, so it must
/// reach the gradient before it is rounded.
#[test]
fn a_loss_scale_comes_before_the_rounding() {
    let _turn = alone();
    run_for_samples(OnGpu::First, |variant, on| {
        if !halves(on).contains(&DType::F16) {
            return;
        }
        let rows = 500;
        let once = variant.batch(26, rows, 5).rounded(DType::F16);
        let times = 100_000 / once.inputs[0].data.len();
        let order: Vec<usize> = (0..rows * times).map(|row| row % rows).collect();
        let scale = 8192.0;
        let args = once.select(&order).on(on, DType::F16).tracked();
        let leaves = args.inputs.clone();
        let found = outcome_of(variant.value(Reduction::Mean, args) * scale, &leaves);
        let expected = exact(variant, Reduction::Mean, &once);
        for (found, expected) in found.gradients.iter().zip(&expected.gradients) {
            let factor = scale / times as f64;
            let expected: Vec<f64> = expected.iter().map(|slope| slope * factor).collect();
            assert_close("gradient", &found[..expected.len()], &expected, 2e-3);
        }
    });
}

#[test]
fn every_device_gives_the_same() {
    everywhere(OnGpu::All, |variant, on| {
        let batch = variant.batch(23, 40, 30);
        let expected = outcome(
            variant,
            Reduction::Mean,
            batch.on(&reference(), DType::F32).tracked(),
        );
        let args = batch.on(on, DType::F32);
        let each = numbers(&variant.each(args.clone()));
        let found = outcome(variant, Reduction::Mean, args.tracked());
        assert_same("as on flex", &found, &expected, 1e-5);
        let expected = numbers(&variant.each(batch.on(&reference(), DType::F32)));
        assert_close("each", &each, &expected, 1e-5);
    });
}

#[test]
fn try_forward_gives_what_forward_gives() {
    everywhere(OnGpu::First, |variant, on| {
        let batch = variant.batch(24, 5, 4);
        let args = batch.on(on, DType::F32).tracked();
        let leaves = args.inputs.clone();
        let tried = variant.try_value(Reduction::Mean, args.clone());
        let tried = outcome_of(tried.expect("a valid call"), &leaves);
        let plain = outcome(variant, Reduction::Mean, args);
        assert_same("tried", &tried, &plain, 1e-7);
    });
}
