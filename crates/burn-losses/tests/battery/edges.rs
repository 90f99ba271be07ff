//! Numbers at the edge of what a type holds, and beyond: what does not count has no part in anything,
//! and what only lies between the input and the result may not leave the range.

use crate::behaviours::{per_sample, weighted};
use crate::common::{TestDevice, assert_close, numbers};
use crate::harness::*;
use crate::table::Variant;
use burn::tensor::DType;
use burn_losses::prelude::*;

/// Whether an operation of Burn stands between an input and the loss that this crate computes: its gradient
/// is Burn's, which makes NaN of 0 times NaN, and of infinity less infinity.
fn burn_stands_between(variant: &Variant, on: &TestDevice) -> bool {
    let name = &variant.name;
    match variant.loss {
        // A log-softmax.
        "ClassificationLoss" => name.starts_with("nll") || name.starts_with("kl_div"),
        // A softmax.
        "LovaszLoss" => is_gpu(on) && !name.starts_with("hinge"),
        // What makes probabilities of the input.
        _ if of_sums(variant) => is_gpu(on),
        "TripletMarginWithDistanceLoss" => name.contains("a closure"),
        _ => false,
    }
}

/// Whether the loss is of sums over the places of a class, or the tokens of a router, so that the gradient of a logit is made of
/// those of several sums: of opposite infinities, if they are beyond the type.
fn of_sums(variant: &Variant) -> bool {
    matches!(
        variant.loss,
        "DiceLoss"
            | "JaccardLoss"
            | "TverskyLoss"
            | "GeneralizedDiceLoss"
            | "LovaszLoss"
            | "DiceCrossEntropyLoss"
            | "DiceFocalLoss"
            | "LoadBalanceLoss"
    )
}

/// A model may diverge on what is only there to fill a batch.
#[test]
fn a_sample_of_weight_0_counts_for_nothing_whatever_it_is() {
    for_samples(OnGpu::First, |variant, on| {
        if burn_stands_between(variant, on) {
            return;
        }
        let (rows, left_out) = (4, 1);
        let batch = variant.batch(40, rows, 4);
        let mut tried = 0;
        for dtype in full_types(on) {
            let weights = || per_sample(on, dtype, &[0.5, 0.0, 1.5, 1.0]);
            for reduction in REDUCTIONS {
                let expected = weighted(variant, reduction, &batch, on, dtype, weights());
                for input in 0..batch.inputs.len() {
                    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                        let mut batch = batch.clone();
                        let columns = batch.inputs[input].columns;
                        let row = left_out * columns..(left_out + 1) * columns;
                        batch.inputs[input].data[row].fill(number);
                        // What an input may never be is an error, whatever it weighs.
                        if variant.try_value(reduction, batch.on(on, dtype)).is_err() {
                            continue;
                        }
                        tried += 1;
                        let found = weighted(variant, reduction, &batch, on, dtype, weights());
                        let what = format!("{number} as input {input}, {reduction:?} in {dtype:?}");
                        assert_same(&what, &found, &expected, precision(dtype));
                        for (at, gradient) in found.gradients.iter().enumerate() {
                            let columns = batch.inputs[at].columns;
                            let row = &gradient[left_out * columns..(left_out + 1) * columns];
                            assert!(row.iter().all(|slope| *slope == 0.0), "{what}: {row:?}");
                        }
                    }
                }
            }
        }
        assert!(tried > 0, "no input may be NaN");
    });
}

#[test]
fn a_mean_is_the_same_for_weights_of_any_size() {
    for_samples(OnGpu::First, |variant, on| {
        let batch = variant.batch(41, 5, 4);
        let weights = [0.5, 0.0, 1.5, 1.0, 0.25];
        for dtype in full_types(on) {
            let powers: &[i32] = match dtype {
                DType::F64 => &[-1065, -900, 900, 1023],
                // Whether a GPU has numbers below the normal ones is up to it.
                _ if is_gpu(on) => &[-120, -60, 60, 127],
                _ => &[-140, -60, 60, 127],
            };
            let plain = per_sample(on, dtype, &weights);
            let expected = weighted(variant, Reduction::Mean, &batch, on, dtype, plain);
            for &power in powers {
                // Powers of two, so that small numbers lose no digits either.
                let scaled = weights.map(|weight| weight * 2f64.powi(power / 2));
                let scaled = scaled.map(|weight| weight * 2f64.powi(power - power / 2));
                let scaled = per_sample(on, dtype, &scaled);
                let found = weighted(variant, Reduction::Mean, &batch, on, dtype, scaled);
                let what = format!("times 2^{power} in {dtype:?}");
                assert_same(&what, &found, &expected, precision(dtype));
            }
        }
    });
}

/// What a loss scale makes too large for half precision is infinite, so that whoever scales sees it; and
/// what is 0 stays 0.
#[test]
fn a_loss_scale_beyond_half_precision_is_seen() {
    everywhere(OnGpu::First, |variant, on| {
        if !halves(on).contains(&DType::F16) {
            return;
        }
        let batch = variant.batch(42, 6, 5).rounded(DType::F16);
        let plain = outcome(variant, Reduction::Sum, batch.on(on, DType::F16).tracked());
        let args = batch.on(on, DType::F16).tracked();
        let leaves = args.inputs.clone();
        let value = variant.value(Reduction::Sum, args).cast(DType::F32);
        let gradients = (value * 1e9).backward();
        for (leaf, plain) in leaves.iter().zip(&plain.gradients) {
            let gradient = leaf.grad(&gradients).expect("a gradient");
            let found = numbers(&gradient);
            for (found, plain) in found.iter().zip(plain) {
                // The gradient of a variance for a row is a sum, of two infinities maybe.
                let several = variant.name.contains("of rows") || of_sums(variant);
                let summed = several && found.is_nan();
                let seen = match *plain {
                    0.0 => *found == 0.0 || found.is_infinite(),
                    slope => found.is_infinite() && found.signum() == slope.signum(),
                };
                assert!(
                    seen || summed || (found.is_nan() && burn_stands_between(variant, on)),
                    "{found} where the gradient is {plain}"
                );
            }
        }
    });
}

#[test]
fn parts_count_what_their_weights_are() {
    everywhere(OnGpu::First, |variant, on| {
        let batch = variant.batch(43, 5, 4);
        let parts = variant.parts(batch.on(on, DType::F32));
        let mean = exact(variant, Reduction::Mean, &batch).value;
        let [sum, weight] = [parts.sum, parts.weight].map(|part| numbers(&part)[0]);
        assert_close("the mean of the parts", &[sum / weight], &[mean], 1e-5);
    });
}
