//! The losses that are formulas: hard inputs, wrong targets, and what is suspicious.

#[path = "../common/mod.rs"]
mod common;
mod detection;
mod generative;
mod preference;
mod routing;
mod rows;
mod segmentation;

use burn::tensor::{Bool, DType, Int, Tensor, TensorData};
use burn_losses::prelude::*;
use common::{TestDevice, assert_close, devices, numbers};

fn tensor(on: &TestDevice, data: &[f64], dtype: DType) -> Tensor<1> {
    on.tensor(data, [data.len()], dtype)
}

/// The losses of predictions and targets, and the gradients of their sum, are these, on all CPUs and in all types.
fn pair<L>(loss: &L, x: &[f64], y: &[f64], each: &[f64], slopes: &[f64])
where
    L: Loss<Tensor<1>, Tensor<1>, Unreduced = Tensor<1>>,
{
    for on in devices().iter().filter(|on| on.name != "wgpu") {
        for (dtype, tolerance, max) in [
            (DType::F32, 1e-5, f64::from(f32::MAX)),
            (DType::F64, 1e-10, f64::MAX),
        ] {
            let input = on.tracked(x, [x.len()], dtype);
            let losses = loss.forward_no_reduction(input.clone(), tensor(on, y, dtype));
            let gradients = losses.clone().sum().backward();
            let what = |at| format!("{} on {} {dtype:?}, element {at}", loss.name(), on.name);
            let found = numbers(&input.grad(&gradients).expect("it is tracked"));
            for (at, (found, expected)) in numbers(&losses).iter().zip(each).enumerate() {
                if *expected > max {
                    assert!(
                        found.is_infinite() || *found == max,
                        "{}: {found}",
                        what(at)
                    );
                } else {
                    close(&what(at), *found, *expected, tolerance);
                }
            }
            for (at, (found, expected)) in found.iter().zip(slopes).enumerate() {
                assert!(found.is_finite(), "{}: slope {found}", what(at));
                close(&what(at), *found, expected.clamp(-max, max), tolerance);
            }
        }
    }
}

/// The biweight ends at its `c`, also where the square of that is beyond the type.
#[test]
fn the_biweight_ends_at_any_c() {
    let of = |c| TukeyLossConfig::new().with_c(c).init();
    let (inside, outside) = (3.854_166_666_666_667e37, 4e38 / 6.0);
    pair(
        &of(2e19),
        &[1e19, 3e19],
        &[0.0; 2],
        &[inside, outside],
        &[5.625e18, 0.0],
    );
    pair(
        &of(1e-20),
        &[5e-21, 2e-20],
        &[0.0; 2],
        &[0.0; 2],
        &[2.8125e-21, 0.0],
    );
    for on in devices().iter().filter(|on| on.double) {
        for (c, x, slope) in [
            (1e160, 2e160, 0.0),
            (1e-170, 1e-165, 0.0),
            (1e-160, 5e-161, 2.8125e-161),
        ] {
            let x = on.tracked(&[x], [1], DType::F64);
            let value = of(c).forward(x.clone(), tensor(on, &[0.0], DType::F64));
            let found = numbers(&x.grad(&value.backward()).unwrap())[0];
            assert!((found - slope).abs() <= 1e-12 * slope, "{c}: {found:e}");
        }
    }
}

/// Relative to the number itself, unless it is below what the type holds.
fn close(what: &str, found: f64, expected: f64, tolerance: f64) {
    let error = (found - expected).abs();
    let near = error <= tolerance * expected.abs() || error < 1e-37;
    assert!(near, "{what}: found {found:e}, expected {expected:e}");
}

#[test]
fn errors_beyond_their_square_are_finite() {
    let (x, y) = ([1e30, -1e30, 0.0, 1e-6], [0.0; 4]);
    pair(
        &LogCoshLoss::new(),
        &x,
        &y,
        &[1e30, 1e30, 0.0, 0.5e-12],
        &[1.0, -1.0, 0.0, 1e-6],
    );
    pair(
        &GeneralRobustLoss::new(),
        &x,
        &y,
        &[1e30, 1e30, 0.0, 0.5e-12],
        &[1.0, -1.0, 0.0, 1e-6],
    );
    let ln = 2.0 * 1e30_f64.ln() - 2_f64.ln();
    pair(
        &GeneralRobustLossConfig::cauchy().init(),
        &x,
        &y,
        &[ln, ln, 0.0, 0.5e-12],
        &[2e-30, -2e-30, 0.0, 1e-6],
    );
    pair(
        &GeneralRobustLossConfig::geman_mcclure().init(),
        &x,
        &y,
        &[2.0, 2.0, 0.0, 0.5e-12],
        &[0.0, 0.0, 0.0, 1e-6],
    );
    pair(
        &GeneralRobustLossConfig::welsch().init(),
        &x,
        &y,
        &[1.0, 1.0, 0.0, 0.5e-12],
        &[0.0, 0.0, 0.0, 1e-6],
    );
    let c = 4.685 * 4.685 / 6.0;
    pair(
        &TukeyLoss::new(),
        &x,
        &y,
        &[c, c, 0.0, 0.5e-12],
        &[0.0, 0.0, 0.0, 1e-6],
    );
    pair(
        &QuantileLossConfig::new().with_quantiles(vec![0.9]).init(),
        &x[..3],
        &y[..3],
        &[1e29, 9e29, 0.0],
        &[0.1, -0.9, 0.0],
    );
    pair(
        &ExpectileLoss::new(),
        &x[..3],
        &y[..3],
        &[0.5e60, 0.5e60, 0.0],
        &[1e30, -1e30, 0.0],
    );
}

/// What the losses of distributions give for the scale 1, an error of `d`, and its slope.
fn of_error<L>(loss: &L, d: f64, each: f64, slope: f64)
where
    L: TripleLoss<Tensor<1>, Tensor<1>, Tensor<1>, Unreduced = Tensor<1>>,
{
    for on in devices().iter().filter(|on| on.name != "wgpu") {
        for (dtype, tolerance) in [(DType::F32, 1e-5), (DType::F64, 1e-10)] {
            let [x, scale] = [[d], [1.0]].map(|data| on.tracked(&data, [1], dtype));
            let losses =
                loss.forward_no_reduction(x.clone(), scale.clone(), tensor(on, &[0.0], dtype));
            let gradients = losses.clone().sum().backward();
            let what = format!("{} on {} {dtype:?}, error {d}", loss.name(), on.name);
            close(&what, numbers(&losses)[0], each, tolerance);
            close(
                &what,
                numbers(&x.grad(&gradients).unwrap())[0],
                slope,
                tolerance,
            );
            let of_scale = numbers(&scale.grad(&gradients).unwrap())[0];
            assert!(
                of_scale.is_finite(),
                "{what}: slope of the scale {of_scale}"
            );
        }
    }
}

#[test]
fn distributions_are_finite_far_from_the_target() {
    let inverse_sqrt_pi = std::f64::consts::FRAC_2_SQRT_PI / 2.0;
    let crps = GaussianCrpsLoss::new();
    of_error(&crps, 1e30, 1e30, 1.0);
    of_error(&crps, 0.0, (2_f64.sqrt() - 1.0) * inverse_sqrt_pi, 0.0);
    of_error(&LaplaceNllLoss::new(), 1e30, 1e30, 1.0);
    // ln of the density of Student's t with three degrees of freedom: 2 ln(w^2) more than its constant.
    let far =
        4.0 * 1e30_f64.ln() - 2.0 * 3_f64.ln() + (3_f64.sqrt() * std::f64::consts::FRAC_PI_2).ln();
    of_error(&StudentTNllLoss::new(), 1e30, far, 4e-30);
    // With that many degrees of freedom it is the normal distribution.
    let normal = StudentTNllLossConfig::new().with_df(1e20).init();
    of_error(&normal, 0.0, 0.5 * std::f64::consts::TAU.ln(), 0.0);
}

/// What leaves the range on the way takes no other result with it.
#[test]
fn slopes_far_from_the_target_are_no_other_numbers() {
    for on in devices().iter().filter(|on| on.double) {
        let input = on.tracked(&[1e10], [1], DType::F32);
        let [scale, target] = [1e-30, 0.0].map(|of| tensor(on, &[of], DType::F32));
        let loss = StudentTNllLoss::new().forward(input.clone(), scale, target);
        let slope = numbers(&input.grad(&loss.backward()).unwrap())[0];
        close("Student's t", slope, 4e-10, 1e-5);
        let targets = on.tracked(&[1.0, 1.0], [2], DType::F32);
        let inputs = tensor(on, &[1e-5, 1e-20], DType::F32);
        let loss = MapeLoss::new().forward_no_reduction(inputs, targets.clone());
        let slopes = numbers(&targets.grad(&loss.sum().backward()).unwrap());
        for (slope, expected) in slopes.into_iter().zip([1e-5, 1e-20]) {
            close("MAPE", slope, expected, 1e-5);
        }
    }
}

#[test]
fn amounts_of_0_and_far_logarithms_are_exact() {
    // Tweedie at a target of 0 is the mean's part alone.
    pair(
        &TweedieLoss::new(),
        &[0.0, -40.0, 60.0],
        &[0.0, 0.0, 0.0],
        &[2.0, 2.0 * (-20_f64).exp(), 2.0 * 30_f64.exp()],
        &[1.0, (-20_f64).exp(), 30_f64.exp()],
    );
    // Beyond the type: exp(100).
    pair(
        &GammaNllLoss::new(),
        &[0.0, -100.0, 100.0],
        &[1.0, 1.0, 1.0],
        &[1.0, 100_f64.exp() - 100.0, 100.0],
        &[0.0, 1.0 - 100_f64.exp(), 1.0],
    );
    pair(
        &SmapeLoss::new(),
        &[0.0, 0.0, 1.0, -1.0],
        &[0.0, 1.0, 0.0, 1.0],
        &[0.0, 2.0, 2.0, 2.0],
        // Between 0 of an opposite sign and -4 of the same one.
        &[0.0, -2.0, 0.0, 0.0],
    );
}

/// What a large shape is multiplied by is small near the best prediction.
#[test]
fn a_large_shape_keeps_the_digits_of_the_loss() {
    for on in devices().iter().filter(|on| on.name != "wgpu") {
        for (dtype, tolerance) in [(DType::F32, 1e-4), (DType::F64, 1e-10)] {
            let loss = GammaNllLossConfig::new().with_shape(Some(1e4)).init();
            let value = loss.forward(tensor(on, &[1.5], dtype), tensor(on, &[4.5], dtype));
            close("gamma", numbers(&value)[0], -2.098907006072, tolerance);
        }
    }
}

/// Terms that grow with the counts, or with the inverse of the dispersion, do not take the digits of what is left of them.
#[test]
fn counts_of_any_size_and_spread_keep_their_digits() {
    use NegativeBinomialParametrization::{MeanDispersion, TotalCountLogits};
    // By the logarithms of the gamma function, with 80 digits: the loss, and its slopes.
    let cases = [
        (
            MeanDispersion,
            [1e5, 1.0, 4e4],
            [11.91293346, 5.999940001e-6, 0.2609214331],
        ),
        (
            MeanDispersion,
            [1e7, 1.0, 4e6],
            [16.51809573, 5.9999994e-8, 0.260924898],
        ),
        (
            MeanDispersion,
            [3.0, 1e-3, 5.0],
            [2.294931791, -0.6646726487, 0.5029743927],
        ),
        (
            MeanDispersion,
            [3.0, 1e-6, 5.0],
            [2.294430799, -0.6666646667, 0.500003],
        ),
        (
            MeanDispersion,
            [3.0, 1e-10, 5.0],
            [2.294430299, -0.6666666665, 0.5000000003],
        ),
        (
            TotalCountLogits,
            [1.0, 19.0, 1e8],
            [19.56027965, 0.002103591749, 0.4397203538],
        ),
        (
            TotalCountLogits,
            [1.0, 16.0, 4e6],
            [16.45014079, 0.2209794035, 0.5498592392],
        ),
        (
            TotalCountLogits,
            [1.0, 21.0, 1e9],
            [21.75825604, -0.3004815016, 0.241743957],
        ),
    ];
    for on in devices().iter().filter(|on| on.name != "wgpu") {
        for (dtype, tolerance) in [(DType::F32, 1e-3), (DType::F64, 1e-7)] {
            for (parametrization, [first, second, y], expected) in cases {
                let loss = NegativeBinomialNllLossConfig::new()
                    .with_parametrization(parametrization)
                    .init();
                let inputs = [first, second].map(|number| on.tracked(&[number], [1], dtype));
                let [one, other] = inputs.clone();
                let value = loss.forward(one, other, tensor(on, &[y], dtype));
                let gradients = value.backward();
                let slopes = inputs.map(|input| numbers(&input.grad(&gradients).unwrap())[0]);
                let found = [numbers(&value)[0], slopes[0], slopes[1]];
                for (found, expected) in found.into_iter().zip(expected) {
                    let what = format!("{parametrization:?} {first} {second} {y} {dtype:?}");
                    close(&what, found, expected, tolerance);
                }
            }
        }
    }
}

/// Of no count a logarithm is infinite, yet the loss is not, nor are its slopes, that of the count among them.
#[test]
fn no_count_has_slopes() {
    use NegativeBinomialParametrization::{MeanDispersion, TotalCountLogits};
    // By the logarithms of the gamma function, with 40 digits: the loss, and its slopes.
    let cases = [
        (
            MeanDispersion,
            [2.0, 1.0, 0.0],
            [
                1.0986122886681,
                0.33333333333333,
                -0.43194562200144,
                0.40546510810816,
            ],
        ),
        (
            MeanDispersion,
            [3.0, 0.5, 0.0],
            [1.8325814637483, 0.4, -1.2651629274966, -0.4891743762340],
        ),
        (
            TotalCountLogits,
            [2.0, 0.5, 0.0],
            [
                1.9481539683602,
                0.97407698418011,
                1.2449186624037,
                -0.52592301581989,
            ],
        ),
        (
            TotalCountLogits,
            [2.0, 25.0, 0.0],
            [
                50.000000000028,
                25.000000000014,
                1.9999999999722,
                -0.99999999998611,
            ],
        ),
    ];
    for on in devices().iter().filter(|on| on.name != "wgpu") {
        for (dtype, tolerance) in [(DType::F32, 1e-5), (DType::F64, 1e-9)] {
            for (parametrization, operands, expected) in cases {
                let loss = NegativeBinomialNllLossConfig::new()
                    .with_parametrization(parametrization)
                    .init();
                let inputs = operands.map(|number| on.tracked(&[number], [1], dtype));
                let [first, second, y] = inputs.clone();
                let value = loss.forward(first, second, y);
                let gradients = value.backward();
                let slopes = inputs.map(|input| numbers(&input.grad(&gradients).unwrap())[0]);
                let found = numbers(&value).into_iter().chain(slopes);
                for (found, expected) in found.zip(expected) {
                    let what = format!("{parametrization:?} {operands:?} {dtype:?} on {}", on.name);
                    close(&what, found, expected, tolerance);
                }
            }
        }
    }
}

/// A quantile has the same slope alone and among others, also near 1.
#[test]
fn a_quantile_near_1_keeps_its_digits() {
    for on in &devices() {
        for (quantile, above) in [(0.99999, 1e-5), (1.0 - 1e-8, 1e-8), (1e-8, 1.0)] {
            let mut quantiles = vec![0.5, quantile];
            quantiles.sort_by(f64::total_cmp);
            let at = quantiles.iter().position(|of| *of == quantile).unwrap();
            let loss = QuantileLossConfig::new().with_quantiles(quantiles).init();
            let x = on.tracked::<2>(&[2.0, 2.0], [1, 2], DType::F32);
            let y = on.tensor::<2>(&[1.0], [1, 1], DType::F32);
            let losses = loss.forward_no_reduction(x.clone(), y);
            let slopes = numbers(&x.grad(&losses.clone().sum().backward()).unwrap());
            close("the loss", numbers(&losses)[at], above, 1e-5);
            close("the slope", slopes[at], above, 1e-5);

            let loss = QuantileLossConfig::new().with_quantiles(vec![quantile]);
            let x = on.tracked::<1>(&[2.0], [1], DType::F32);
            let value = loss
                .init()
                .forward(x.clone(), tensor(on, &[1.0], DType::F32));
            let slopes = numbers(&x.grad(&value.backward()).unwrap());
            close("the loss alone", numbers(&value)[0], above, 1e-5);
            close("the slope alone", slopes[0], above, 1e-5);
        }
        // What the type holds as 0 is a quantile of 0, not of 1.
        let loss = QuantileLossConfig::new().with_quantiles(vec![1e-50, 0.5]);
        let x = on.tensor::<2>(&[1.0, 1.0], [1, 2], DType::F32);
        let y = on.tensor::<2>(&[2.0], [1, 1], DType::F32);
        let losses = numbers(&loss.init().forward_no_reduction(x, y));
        assert_eq!(losses, [0.0, 0.5], "{}", on.name);
    }
}

/// An `alpha` near 1 leaves the labels of 0 their share.
#[test]
fn an_alpha_near_1_keeps_its_digits() {
    for on in &devices() {
        let loss = SigmoidFocalLossConfig::new()
            .with_gamma(0.0)
            .with_alpha(Some(1.0 - 1e-8))
            .init();
        let x = on.tensor::<1>(&[0.0], [1], DType::F32);
        let value = loss.forward(x, tensor(on, &[0.0], DType::F32));
        let ln_2 = core::f64::consts::LN_2;
        close(on.name, numbers(&value)[0], 1e-8 * ln_2, 1e-5);
    }
}

/// Stirling's terms and the rate of a large count are large, and what they differ by is not.
#[test]
fn the_full_loss_of_large_counts_keeps_its_digits() {
    // With 50 digits, of numbers that `f32` holds: the logarithm of a rate, or a rate.
    let logarithms = [
        (1e4, 9.210_340_499_877_93, 5.524_108_719_27),
        (1e6, 13.815_510_749_816_895, 7.826_693_830_59),
        (1e8, 18.420_680_999_755_86, 10.129_282_177),
    ];
    let rates = [
        (1e4, 10_050.0, 5.648_693_598_85),
        (1e6, 1_000_500.0, 7.951_652_151_14),
        (1e8, 100_005_000.0, 10.254_274_728_5),
    ];
    for on in &devices() {
        for (log_input, cases) in [(true, logarithms), (false, rates)] {
            let loss = PoissonNllLossConfig::new()
                .with_full(true)
                .with_log_input(log_input)
                .init();
            for (y, x, expected) in cases {
                let [x, y] = [x, y].map(|number| tensor(on, &[number], DType::F32));
                let found = numbers(&loss.forward(x, y))[0];
                close(on.name, found, expected, 1e-3);
            }
        }
    }
}

/// What is divided by may be beyond the type, where the count times the quotient is not small.
#[test]
fn counts_beside_means_beyond_the_type_keep_their_losses() {
    use NegativeBinomialParametrization::{MeanDispersion, TotalCountLogits};
    // By the logarithms of the gamma function, with 80 digits.
    let cases = [
        (MeanDispersion, [1e20, 1.0, 1e19], 46.151_701_877_723),
        (TotalCountLogits, [1.0, 18.0, 1e35], 1.522_998_025_192_4e27),
    ];
    for on in &devices() {
        for (parametrization, operands, expected) in cases {
            let loss = NegativeBinomialNllLossConfig::new()
                .with_parametrization(parametrization)
                .init();
            let [one, other, y] = operands.map(|number| tensor(on, &[number], DType::F32));
            let found = numbers(&loss.forward(one, other, y))[0];
            close(on.name, found, expected, 1e-3);
        }
    }
}

#[test]
fn saturated_labels_keep_their_tiny_losses() {
    let q = |x: f64| (-x).exp() / (1.0 + (-x).exp());
    let tail = |x: f64| (-x).exp().ln_1p();
    let (x, y) = ([20.0, 20.0, -100.0, 0.0], [1.0, 0.0, 1.0, 1.0]);
    let ln2 = std::f64::consts::LN_2;
    pair(
        &SigmoidFocalLoss::new(),
        &x,
        &y,
        &[
            q(20.0).powi(2) * tail(20.0),
            (1.0 - q(20.0)).powi(2) * (20.0 + tail(20.0)),
            100.0,
            0.25 * ln2,
        ],
        &[
            -q(20.0).powi(2) * (2.0 * (1.0 - q(20.0)) * tail(20.0) + q(20.0)),
            (1.0 - q(20.0)).powi(2) * (2.0 * q(20.0) * (20.0 + tail(20.0)) + 1.0 - q(20.0)),
            -1.0,
            -0.25 * (ln2 + 0.5),
        ],
    );
    // A power below 1, where the slope of the power alone is infinite.
    let gentle = SigmoidFocalLossConfig::new().with_gamma(0.5).init();
    let (far, root) = (q(30.0), q(30.0).sqrt());
    pair(
        &gentle,
        &[30.0, 120.0],
        &[1.0, 1.0],
        &[root * tail(30.0), 0.0],
        &[-root * (0.5 * (1.0 - far) * tail(30.0) + far), 0.0],
    );
    // A power so low that its slope is beyond the type, where what it is multiplied by is far below it.
    let (gentlest, beyond) = (0.1, 0.02);
    let least = q(101.0).powf(gentlest);
    pair(
        &SigmoidFocalLossConfig::new().with_gamma(gentlest).init(),
        &[101.0, -101.0],
        &[1.0, 0.0],
        &[0.0, 0.0],
        &[
            -least * (1.0 + gentlest) * q(101.0),
            least * (1.0 + gentlest) * q(101.0),
        ],
    );
    for on in devices() {
        let dtype = if on.double { DType::F64 } else { DType::F32 };
        for (x, y) in [(744.0, 1.0), (-744.0, 0.0), (103.0, 1.0), (-100.0, 0.0)] {
            let quality = QualityFocalLossConfig::new().with_beta(beyond).init();
            let focal = SigmoidFocalLossConfig::new().with_gamma(beyond).init();
            let slope = |each: &dyn Fn(Tensor<1>, Tensor<1>) -> Tensor<1>| {
                let input = on.tracked(&[x], [1], dtype);
                let loss = each(input.clone(), tensor(&on, &[y], dtype));
                numbers(&input.grad(&loss.backward()).unwrap())[0]
            };
            for slope in [
                slope(&|x, y| quality.forward(x, y)),
                slope(&|x, y| focal.forward(x, y)),
            ] {
                assert!(slope.abs() < 1e-37, "{x} on {}: slope {slope:e}", on.name);
            }
        }
    }
    let asymmetric = AsymmetricLossConfig::new().with_margin(0.0).init();
    pair(
        &asymmetric,
        &[20.0, -20.0],
        &[1.0, 0.0],
        &[q(20.0) * tail(20.0), 0.0],
        &[-q(20.0) * ((1.0 - q(20.0)) * tail(20.0) + q(20.0)), 0.0],
    );
    // What is below the margin is no loss at all.
    pair(&AsymmetricLoss::new(), &[-4.0], &[0.0], &[0.0], &[0.0]);
    for number in [f64::from(f32::MAX), -f64::from(f32::MAX)] {
        for label in [0.0, 1.0, 0.5] {
            finite(&SigmoidFocalLoss::new(), number, label);
            finite(&gentle, number, label);
            finite(&QualityFocalLoss::new(), number, label);
            finite(&VarifocalLoss::new(), number, label);
            finite(&AsymmetricLoss::new(), number, label);
            finite(&asymmetric, number, label);
        }
    }
}

fn finite<L>(loss: &L, x: f64, y: f64)
where
    L: Loss<Tensor<1>, Tensor<1>, Unreduced = Tensor<1>>,
{
    for on in devices() {
        let input = on.tracked(&[x], [1], DType::F32);
        let each = loss.forward_no_reduction(input.clone(), tensor(&on, &[y], DType::F32));
        let gradients = each.clone().sum().backward();
        let slope = numbers(&input.grad(&gradients).unwrap())[0];
        let what = format!("{} of {x} and {y} on {}", loss.name(), on.name);
        assert!(!numbers(&each)[0].is_nan(), "{what} is NaN");
        assert!(slope.is_finite(), "{what} has slope {slope}");
    }
}

#[test]
fn many_quantiles_share_a_target() {
    for on in devices() {
        let loss = QuantileLossConfig::new()
            .with_quantiles(vec![0.1, 0.5, 0.9])
            .with_quantile_axis(2)
            .init();
        let x: Vec<f64> = (0..12).map(|at| f64::from(at) * 0.5).collect();
        let y = [1.25, 0.0, 5.0, 4.0];
        let input = on.tracked(&x, [2, 2, 3], DType::F32);
        let target = on.tracked(&y, [2, 2, 1], DType::F32);
        let each = loss.forward_no_reduction(input.clone(), target.clone());
        let gradients = loss.forward(input.clone(), target.clone()).backward();
        let quantile = |at: usize| [0.1, 0.5, 0.9][at % 3];
        let slope = |at: usize| match y[at / 3] - x[at] {
            error if error > 0.0 => -quantile(at),
            error if error < 0.0 => 1.0 - quantile(at),
            _ => 0.0,
        };
        let expected: Vec<f64> = (0..12).map(|at| slope(at) * (x[at] - y[at / 3])).collect();
        assert_close("each", &numbers(&each), &expected, 1e-6);
        let slopes: Vec<f64> = (0..12).map(|at| slope(at) / 12.0).collect();
        assert_close(
            "slopes",
            &numbers(&input.grad(&gradients).unwrap()),
            &slopes,
            1e-6,
        );
        let of_targets: Vec<f64> = slopes
            .chunks(3)
            .map(|row| -row.iter().sum::<f64>())
            .collect();
        let found = numbers(&target.grad(&gradients).unwrap());
        assert_close("slopes of the targets", &found, &of_targets, 1e-6);
    }
}

#[test]
fn positives_divide_with_their_weights() {
    for on in devices() {
        let loss = SigmoidFocalLossConfig::new()
            .with_divisor(FocalDivisor::Positives)
            .init();
        let logits = || on.tracked(&[0.5, -1.0, 2.0, 0.0], [2, 2], DType::F32);
        let labels = Tensor::<2, Int>::from_data([[1, 0], [1, 1]], &on.device);
        let each = numbers(&loss.forward_no_reduction(logits(), labels.clone()));
        let value = numbers(&loss.forward(logits(), labels.clone()))[0];
        assert_close("mean", &[value], &[each.iter().sum::<f64>() / 3.0], 1e-5);
        let weights = tensor(&on, &[0.0, 2.0], DType::F32);
        let value = numbers(&loss.forward_weighted(logits(), labels.clone(), weights.clone()))[0];
        let expected = 2.0 * (each[2] + each[3]) / 4.0;
        assert_close("weighted", &[value], &[expected], 1e-5);
        let parts = loss.forward_weighted_parts(logits(), labels.clone(), weights);
        assert_close("parts", &numbers(&parts.weight), &[4.0], 1e-6);
        // No positive: divided by 1.
        let none = Tensor::<2, Bool>::from_data([[false, false], [false, false]], &on.device);
        let each = numbers(&loss.forward_no_reduction(logits(), none.clone()));
        let value = loss.forward(logits(), none);
        assert_close("none", &numbers(&value), &[each.iter().sum()], 1e-5);
    }
}

/// The sum of the losses is larger than the type holds, the mean is not.
#[test]
fn positives_divide_a_sum_that_half_precision_cannot_hold() {
    let loss = SigmoidFocalLossConfig::new()
        .with_divisor(FocalDivisor::Positives)
        .init();
    for on in devices().iter().filter(|on| on.name == "flex") {
        let logits = on.tensor(&[-100.0; 1000], [1000], DType::F16);
        let labels = Tensor::<1>::ones([1000], (&on.device, DType::F16));
        let value = loss.forward(logits, labels);
        assert_close("mean", &numbers(&value), &[100.0], 1e-3);
    }
}

/// The text of what is wrong on flex.
fn refused<L, T>(loss: &L, x: &[f64], target: impl Fn(&TestDevice) -> T, says: &[&str])
where
    L: Loss<Tensor<1>, T>,
{
    for on in devices() {
        let error = loss
            .try_forward(tensor(&on, x, DType::F32), target(&on))
            .expect_err("it is wrong")
            .to_string();
        for part in says {
            assert!(
                error.contains(part),
                "{} on {}: {error}",
                loss.name(),
                on.name
            );
        }
    }
}

fn refused_3<L>(loss: &L, [x, second, y]: [&[f64]; 3], says: &[&str])
where
    L: TripleLoss<Tensor<1>, Tensor<1>, Tensor<1>>,
{
    for on in devices() {
        let [x, second, y] = [x, second, y].map(|data| tensor(&on, data, DType::F32));
        let error = loss
            .try_forward(x, second, y)
            .expect_err("it is wrong")
            .to_string();
        for part in says {
            assert!(
                error.contains(part),
                "{} on {}: {error}",
                loss.name(),
                on.name
            );
        }
    }
}

#[test]
fn a_wrong_target_is_an_error_that_says_what_to_do() {
    let floats = |data: &'static [f64]| move |on: &TestDevice| tensor(on, data, DType::F32);
    let ints = |data: &'static [i64]| {
        move |on: &TestDevice| {
            let data = TensorData::new(data.to_vec(), [data.len()]);
            Tensor::<1, Int>::from_data(data, &on.device)
        }
    };
    let x = [0.5, -0.5, 1.5];

    let masks = ints(&[0, 255, 255]);
    let says = ["255", "[1]", "mask of 0 and 255"];
    refused(&SigmoidFocalLoss::new(), &x, masks, &says);
    refused(&QualityFocalLoss::new(), &x, masks, &says);
    refused(&VarifocalLoss::new(), &x, masks, &says);
    refused(&AsymmetricLoss::new(), &x, masks, &says);
    let signs = floats(&[1.0, -1.0, 1.0]);
    refused(
        &AsymmetricLoss::new(),
        &x,
        signs,
        &["-1", "[1]", "target::labels"],
    );
    let ids = ints(&[0, 2, 1]);
    refused(
        &SigmoidFocalLoss::new(),
        &x,
        ids,
        &["2", "CrossEntropyLoss"],
    );

    let standardised = floats(&[0.3, -1.2, 0.0]);
    refused(
        &TweedieLoss::new(),
        &x,
        standardised,
        &["-1.2", "[1]", "from 0 on"],
    );
    refused(
        &MsleLoss::new(),
        &x,
        standardised,
        &["-1.2", "[1]", "above -1", "amounts"],
    );
    let zeros = floats(&[1.0, 2.0, 0.0]);
    refused(
        &GammaNllLoss::new(),
        &x,
        zeros,
        &["0", "[2]", "above 0", "TweedieLoss"],
    );
    let missing = floats(&[1.0, f64::NAN, 0.0]);
    let says = ["NaN", "[1]", "weight 0 in forward_weighted"];
    refused(&QuantileLoss::new(), &x, missing, &says);
    refused(&LogCoshLoss::new(), &x, missing, &says);
    refused(&TukeyLoss::new(), &x, missing, &says);
    refused(&GeneralRobustLoss::new(), &x, missing, &says);
    refused(&ExpectileLoss::new(), &x, missing, &says);
    refused(&MapeLoss::new(), &x, missing, &says);
    refused(&SmapeLoss::new(), &x, missing, &says);

    let (scale, y) = ([1.0, -0.1, 1.0], [0.5, 1.0, 2.0]);
    let says = ["-0.1", "[1]", "above 0", "softplus"];
    refused_3(&LaplaceNllLoss::new(), [&x, &scale, &y], &says);
    refused_3(&StudentTNllLoss::new(), [&x, &scale, &y], &says);
    refused_3(&LogNormalNllLoss::new(), [&x, &scale, &y], &says);
    refused_3(&GaussianCrpsLoss::new(), [&x, &scale, &y], &says);
    let one = [1.0; 3];
    let logs = [0.5, -1.5, 2.0];
    let says = ["-1.5", "[1]", "above 0", "logarithms"];
    refused_3(&LogNormalNllLoss::new(), [&x, &one, &logs], &says);
    let says = ["-1.5", "[1]", "from 0 on", "standardised"];
    refused_3(&NegativeBinomialNllLoss::new(), [&one, &one, &logs], &says);
    let says = ["mean", "-0.5", "[1]", "exp"];
    refused_3(&NegativeBinomialNllLoss::new(), [&x, &one, &y], &says);
}

#[test]
fn quantiles_that_do_not_fit_are_errors() {
    let message = |quantiles: &[f64]| {
        let config = QuantileLossConfig::new().with_quantiles(quantiles.to_vec());
        config.try_init().expect_err("it is wrong").to_string()
    };
    assert!(message(&[]).contains("quantiles is empty"));
    assert!(message(&[0.9, 0.1]).contains("must ascend, but 0.1 comes after 0.9"));
    assert!(message(&[0.5, 1.0]).contains("above 0 and below 1, but is 1"));
    assert!(message(&[90.0]).contains("but is 90"));

    let on = &devices()[0];
    let loss = QuantileLossConfig::new()
        .with_quantiles(vec![0.1, 0.9])
        .init();
    let x = |columns| on.tensor(&vec![0.0; 2 * columns], [2, columns], DType::F32);
    let error = loss.try_forward(x(3), x(1)).unwrap_err().to_string();
    assert!(
        error.contains("2 quantiles") && error.contains("[2, 3]"),
        "{error}"
    );
    let error = loss.try_forward(x(2), x(2)).unwrap_err().to_string();
    assert!(
        error.contains("[2, 2]") && error.contains("[2, 1]"),
        "{error}"
    );
}

#[test]
fn what_is_suspicious_is_reported() {
    let on = &devices()[0];
    let of = |data: &[f64]| tensor(on, data, DType::F32);
    let rules = |lints: Vec<burn_losses::Lint>| -> Vec<&'static str> {
        lints.iter().map(|lint| lint.rule).collect()
    };
    let loss = QuantileLossConfig::new()
        .with_quantiles(vec![0.1, 0.9])
        .init();
    let x = on.tensor(&[2.0, 1.0, 0.0, 1.0], [2, 2], DType::F32);
    let y = on.tensor(&[1.0, 2.0], [2, 1], DType::F32);
    assert_eq!(rules(loss.lint(&x, &y)), ["quantile-crossing"]);
    let (x, y) = (of(&[1.0, 2.0]), of(&[0.0, 2.0]));
    assert_eq!(rules(MapeLoss::new().lint(&x, &y)), ["zero-target"]);
    let (x, y) = (of(&[1.0, 2.0]), of(&[-0.5, 2.0]));
    assert_eq!(rules(MsleLoss::new().lint(&x, &y)), ["negative-target"]);
    assert_eq!(rules(SmapeLoss::new().lint(&x, &y)), ["mixed-signs"]);
    let counts = of(&[0.5, 2.0]);
    let one = of(&[1.0, 1.0]);
    let lints = NegativeBinomialNllLoss::new().lint(&one, &one, &counts);
    assert_eq!(rules(lints), ["fractional-count"]);
    let (x, y) = (of(&[0.2, 0.8]), of(&[0.0, 1.0]));
    for lints in [
        SigmoidFocalLoss::new().lint(&x, &y),
        QualityFocalLoss::new().lint(&x, &y),
        VarifocalLoss::new().lint(&x, &y),
        AsymmetricLoss::new().lint(&x, &y),
    ] {
        assert_eq!(rules(lints), ["probabilities-as-logits"]);
    }
    let lints = SigmoidFocalLoss::new().lint(&of(&[1.5, -2.0]), &of(&[1.0, 1.0]));
    assert_eq!(rules(lints), ["single-class"]);
    let (x, y) = (of(&[9.0, 12.0]), of(&[8.0, 13.0]));
    assert_eq!(
        rules(TweedieLoss::new().lint(&x, &y)),
        ["means-as-logarithms"]
    );
}
