//! Losses that act on each element alone.

use super::*;
use burn::tensor::Bool;

#[test]
fn pointwise_losses_are_as_the_portable_form() {
    in_random_cases(|case, seed| match case.random.random_range(0..3) {
        0 => elementwise::<1>(case, seed),
        1 => elementwise::<2>(case, seed),
        _ => elementwise::<4>(case, seed),
    });
}

fn elementwise<const D: usize>(case: &mut Case, seed: u64)
where
    Tensor<1>: crate::targets::SampleWeights<Tensor<D>>,
{
    let shape = case.shape::<D>();
    let count: usize = shape.iter().product();
    let how = how(case);
    let weights = sample_weights(case, shape[0]);
    let weights = &weights;
    let reduction = case.reduction();
    let wrong = case.chance(0.05);
    let at = case.random.random_range(0..count);
    let poison = |mut numbers: Vec<f64>, by: f64| {
        if wrong {
            numbers[at] = by;
        }
        numbers
    };
    let x = case.input(shape);
    let class_axis = if D > 1 { 1 } else { 0 };
    let factors = |case: &mut Case| match case.random.random_range(0..3) {
        0 => None,
        1 => Some(case.weights(1)),
        _ if D > 1 => Some(case.weights(shape[class_axis])),
        _ => None,
    };
    match case.random.random_range(0..7) {
        0 => {
            let y: Vec<f64> = (0..count).map(|_| case.number(true)).collect();
            let y = case.tensor(&poison(y, f64::NAN), shape);
            let loss = L1LossConfig::new().with_reduction(reduction).init();
            both_ways(case, seed, "l1", 0.0, [x, y], |[x, y]| {
                of_two(&loss, how, weights, x, y)
            });
        }
        1 => {
            let y: Vec<f64> = (0..count).map(|_| case.number(false)).collect();
            let y = case.tensor(&poison(y, f64::INFINITY), shape);
            let loss = MseLossConfig::new().with_reduction(reduction).init();
            both_ways(case, seed, "mse", 0.0, [x, y], |[x, y]| {
                of_two(&loss, how, weights, x, y)
            });
        }
        kind @ (2 | 3) => {
            let soft = case.chance(0.5);
            let label = |case: &mut Case| {
                if soft {
                    case.random.random_range(0.0..1.0)
                } else {
                    f64::from(u8::from(case.chance(0.5)))
                }
            };
            let y: Vec<f64> = (0..count).map(|_| label(case)).collect();
            let y = poison(y, -1.0);
            let label_smoothing = *[0.0, 0.1].choose(&mut case.random).expect("one of two");
            let (class_weights, pos_weights) = (factors(case), factors(case));
            let target = case.tensor(&y, shape);
            let whole = !soft && !wrong;
            let ints = case.chance(0.3) && whole;
            let bools = case.chance(0.3) && whole;
            if kind == 2 {
                let loss = BceWithLogitsLossConfig::new()
                    .with_reduction(reduction)
                    .with_label_smoothing(label_smoothing)
                    .with_weights(class_weights)
                    .with_pos_weights(pos_weights)
                    .init();
                if ints {
                    let target: Tensor<D, Int> = target.int();
                    both_ways(case, seed, "bce_with_logits of ints", 0.0, [x], |[x]| {
                        of_two(&loss, how, weights, x, target.clone())
                    });
                } else if bools {
                    let target: Tensor<D, Bool> = target.greater_scalar(0.5);
                    both_ways(case, seed, "bce_with_logits of bools", 0.0, [x], |[x]| {
                        of_two(&loss, how, weights, x, target.clone())
                    });
                } else {
                    both_ways(case, seed, "bce_with_logits", 0.0, [x], |[x]| {
                        of_two(&loss, how, weights, x, target.clone())
                    });
                }
            } else {
                let probs: Vec<f64> = (0..count)
                    .map(|_| {
                        if case.chance(0.2) {
                            f64::from(u8::from(case.chance(0.5)))
                        } else {
                            case.random.random_range(0.0..1.0)
                        }
                    })
                    .collect();
                let mut probs = probs;
                if case.chance(0.03) {
                    probs[at] = 1.5;
                }
                let x = case.tensor(&probs, shape);
                let loss = BceLossConfig::new()
                    .with_reduction(reduction)
                    .with_label_smoothing(label_smoothing)
                    .with_weights(class_weights)
                    .init();
                both_ways(case, seed, "bce", 0.0, [x], |[x]| {
                    of_two(&loss, how, weights, x, target.clone())
                });
            }
        }
        4 => {
            let y = case.signs(count);
            let y = case.tensor(&poison(y, 0.0), shape);
            let loss = HingeEmbeddingLossConfig::new()
                .with_reduction(reduction)
                .init();
            // A like pair of a negative distance has a negative loss, so losses may cancel.
            let sizes = numbers(x.clone()).into_iter();
            let size = sizes.fold(0.0, |size: f64, number| size.max(number.abs()));
            both_ways(case, seed, "hinge_embedding", size, [x], |[x]| {
                of_two(&loss, how, weights, x, y.clone())
            });
        }
        5 => {
            let y = case.signs(count);
            let y = case.tensor(&poison(y, 2.0), shape);
            let second = case.input(shape);
            let loss = MarginRankingLossConfig::new()
                .with_margin(0.25)
                .with_reduction(reduction)
                .init();
            both_ways(case, seed, "margin_ranking", 0.0, [x, second], |[a, b]| {
                of_three(&loss, how, weights, (a, b, y.clone()))
            });
        }
        _ if D > 1 => {
            let log_target = case.chance(0.4);
            let with_axis = case.chance(0.7);
            let logits = case.input(shape).cast(DType::F64);
            let y = burn::tensor::activation::log_softmax(logits.clamp(-20.0, 20.0), class_axis);
            let y = if log_target { y } else { y.exp() };
            let y = poison(numbers(y), 1.25);
            let y = case.tensor(&y, shape);
            let x = numbers(x.cast(DType::F64).clamp(-50.0, 50.0));
            let mut x: Vec<f64> = x.iter().map(|x| -x.abs()).collect();
            if case.chance(0.05) {
                x[at] = f64::NEG_INFINITY;
            }
            if case.chance(0.03) {
                x[at] = 0.5;
            }
            let x = case.tensor(&x, shape);
            let loss = KlDivLossConfig::new()
                .with_log_target(log_target)
                .with_class_axis(with_axis.then_some(class_axis))
                .with_reduction(reduction)
                .init();
            both_ways(case, seed, "kl_div", 0.0, [x], |[x]| {
                of_two(&loss, how, weights, x, y.clone())
            });
        }
        _ => {}
    }
}

#[test]
fn losses_of_numbers_are_as_the_portable_form() {
    in_random_cases(|case, seed| match case.random.random_range(0..3) {
        0 => of_numbers::<1>(case, seed),
        1 => of_numbers::<2>(case, seed),
        _ => of_numbers::<4>(case, seed),
    });
}

/// The losses of errors, counts, spread and signs.
fn of_numbers<const D: usize>(case: &mut Case, seed: u64)
where
    Tensor<1>: crate::targets::SampleWeights<Tensor<D>>,
{
    let shape = case.shape::<D>();
    let count: usize = shape.iter().product();
    let how = how(case);
    let weights = &sample_weights(case, shape[0]);
    let reduction = case.reduction();
    let option = *[0.0, 1e-40, 0.5, 1.0, 1e4]
        .choose(&mut case.random)
        .expect("one");
    let wrong = case
        .chance(0.05)
        .then(|| case.random.random_range(0..count));
    let poison = |mut numbers: Vec<f64>, by: f64| {
        if let Some(at) = wrong {
            numbers[at] = by;
        }
        numbers
    };
    let x = case.input(shape);
    match case.random.random_range(0..5) {
        0 => {
            let y: Vec<f64> = (0..count).map(|_| case.number(true)).collect();
            let y = case.tensor(&poison(y, f64::INFINITY), shape);
            let loss = SmoothL1LossConfig::new()
                .with_beta(option)
                .with_reduction(reduction)
                .init();
            both_ways(case, seed, &format!("{loss:?}"), 0.0, [x, y], |[x, y]| {
                of_two(&loss, how, weights, x, y)
            });
        }
        1 => {
            let y: Vec<f64> = (0..count).map(|_| case.number(true)).collect();
            let y = case.tensor(&poison(y, f64::NAN), shape);
            let delta = option.max(0.25);
            let loss = HuberLossConfig::new()
                .with_delta(delta)
                .with_reduction(reduction)
                .init();
            both_ways(case, seed, &format!("{loss:?}"), 0.0, [x, y], |[x, y]| {
                of_two(&loss, how, weights, x, y)
            });
        }
        2 => {
            let log_input = case.chance(0.5);
            let counts: Vec<f64> = (0..count)
                .map(|_| f64::from(case.random.random_range(0..9)))
                .collect();
            let y = case.tensor(&poison(counts.clone(), -1.0), shape);
            let rates = numbers(x.clone().cast(DType::F64));
            let rates: Vec<f64> = if log_input {
                rates
            } else {
                rates.into_iter().map(f64::abs).collect()
            };
            // A rate and a part of it are subtracted.
            let terms = rates.iter().zip(&counts).map(|(x, y)| (x * y).abs());
            let size = terms.fold(10.0, f64::max);
            let x = if log_input {
                x
            } else {
                case.tensor(&rates, shape)
            };
            let loss = PoissonNllLossConfig::new()
                .with_log_input(log_input)
                .with_full(case.chance(0.5))
                .with_eps(*[0.0, 1e-8, 1e-3].choose(&mut case.random).expect("one"))
                .with_reduction(reduction)
                .init();
            both_ways(case, seed, &format!("{loss:?}"), size, [x], |[x]| {
                of_two(&loss, how, weights, x, y.clone())
            });
        }
        3 => {
            let y: Vec<f64> = (0..count).map(|_| case.number(true)).collect();
            let y = case.tensor(&poison(y, f64::NAN), shape);
            let variance: Vec<f64> = (0..count).map(|_| case.number(true).abs()).collect();
            let variance = case.tensor(&poison(variance, -0.5), shape);
            let loss = GaussianNllLossConfig::new()
                .with_full(case.chance(0.5))
                .with_eps(*[1e-6, 1e-2].choose(&mut case.random).expect("one"))
                .with_reduction(reduction)
                .init();
            both_ways(
                case,
                seed,
                &format!("{loss:?}"),
                90.0,
                [x, y, variance],
                |[x, y, v]| of_three(&loss, how, weights, (x, y, v)),
            );
        }
        _ => {
            let y = case.signs(count);
            let y = case.tensor(&poison(y, 0.0), shape);
            let loss = SoftMarginLossConfig::new().with_reduction(reduction).init();
            both_ways(case, seed, "soft_margin", 0.0, [x], |[x]| {
                of_two(&loss, how, weights, x, y.clone())
            });
        }
    }
}
