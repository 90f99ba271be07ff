//! Losses over the classes of a sample.

use super::*;
use burn::tensor::Shape;
use rand::seq::SliceRandom;

#[test]
fn losses_over_classes_are_as_the_portable_form() {
    in_random_cases(|case, seed| match case.random.random_range(0..2) {
        0 => over_classes::<2, 1>(case, seed),
        _ => over_classes::<4, 3>(case, seed),
    });
}

fn over_classes<const D: usize, const BELOW: usize>(case: &mut Case, seed: u64)
where
    Tensor<BELOW, Int>: crate::targets::ClassIds<D, PerSample = Tensor<BELOW>>,
    Tensor<D>: crate::targets::ClassTarget<D, PerSample = Tensor<BELOW>>,
    Tensor<1>: crate::targets::SampleWeights<Tensor<BELOW>>,
{
    let mut shape = case.shape::<D>();
    let axis = case.random.random_range(1..D);
    shape[axis] += 1;
    let classes = shape[axis];
    let samples: usize = shape.iter().product::<usize>() / classes;
    let mut below: Vec<usize> = shape.to_vec();
    below.remove(axis);
    let how = how(case);
    let weights = sample_weights(case, shape[0]);
    let weights = &weights;
    let class_weights = case.chance(0.4).then(|| case.weights(classes));
    let ignored = *[None, Some(-1), Some(255), Some(0)]
        .choose(&mut case.random)
        .expect("one of some");
    let label_smoothing = *[0.0, 0.0, 0.1, 1.0].choose(&mut case.random).expect("one");
    let reduction = case.reduction();
    // Where several classes have a share in the target, the gradient is a difference of numbers that have the size
    // of the weights, of which the last digit may differ.
    let heaviest = class_weights
        .iter()
        .flatten()
        .fold(1.0, |a: f64, &b| a.max(b));
    let of_differences = heaviest * MOST_WEIGHT * MOST_ABOVE / 64.0;

    let mut ids: Vec<i64> = (0..samples)
        .map(|_| case.random.random_range(0..classes as i64))
        .collect();
    if let Some(ignored) = ignored {
        for id in &mut ids {
            if case.chance(0.2) {
                *id = ignored;
            }
        }
    }
    if case.chance(0.05) {
        let at = case.random.random_range(0..samples);
        let odd = [
            classes as i64,
            -1,
            255,
            i64::from(i32::MIN),
            i64::from(i32::MAX),
        ];
        ids[at] = *odd.choose(&mut case.random).expect("one of some");
    }
    let int = *[DType::I64, DType::I32]
        .choose(&mut case.random)
        .expect("one of two");
    let ids = TensorData::new(ids, Shape::from(below)).convert_dtype(int);
    let ids = Tensor::<BELOW, Int>::from_data(ids, (&case.device, int));

    let x = case.input(shape);
    match case.random.random_range(0..4) {
        3 => {
            let gamma = *[0.0, 0.5, 1.0, 2.0, 5.0]
                .choose(&mut case.random)
                .expect("one of some");
            let mut config = FocalLossConfig::new()
                .with_gamma(gamma)
                .with_alpha(class_weights)
                .with_class_axis(axis)
                .with_reduction(reduction);
            config.ignore_indices.extend(ignored);
            let loss = config.init();
            both_ways(case, seed, &format!("focal {gamma}"), 0.0, [x], |[x]| {
                of_two(&loss, how, weights, x, ids.clone())
            });
        }
        0 => {
            let mut config = NllLossConfig::new()
                .with_weights(class_weights)
                .with_class_axis(axis)
                .with_reduction(reduction);
            config.ignore_indices.extend(ignored);
            let loss = config.init();
            let x = numbers(x.cast(DType::F64).clamp(-50.0, 50.0));
            let mut x: Vec<f64> = x.iter().map(|x| -x.abs()).collect();
            if case.chance(0.05) {
                let at = case.random.random_range(0..x.len());
                x[at] = *[0.5, f64::NEG_INFINITY]
                    .choose(&mut case.random)
                    .expect("one");
            }
            let x = case.tensor(&x, shape);
            both_ways(case, seed, "nll", 0.0, [x], |[x]| {
                of_two(&loss, how, weights, x, ids.clone())
            });
        }
        1 => {
            let mut config = CrossEntropyLossConfig::new()
                .with_weights(class_weights)
                .with_label_smoothing(label_smoothing)
                .with_class_axis(axis)
                .with_reduction(reduction);
            config.ignore_indices.extend(ignored);
            let loss = config.init();
            both_ways(
                case,
                seed,
                &format!("cross_entropy axis {axis} {label_smoothing}"),
                if label_smoothing > 0.0 {
                    of_differences
                } else {
                    0.0
                },
                [x],
                |[x]| of_two(&loss, how, weights, x, ids.clone()),
            );
        }
        _ => {
            let loss = CrossEntropyLossConfig::new()
                .with_weights(class_weights)
                .with_label_smoothing(label_smoothing)
                .with_class_axis(axis)
                .with_reduction(reduction)
                .init();
            let logits = case.input(shape).cast(DType::F64).clamp(-20.0, 20.0);
            let mut probs = numbers(burn::tensor::activation::softmax(logits, axis));
            if case.chance(0.05) {
                let at = case.random.random_range(0..probs.len());
                probs[at] += *[0.5, -1.5, f64::NAN].choose(&mut case.random).expect("one");
            }
            let probs = case.tensor(&probs, shape);
            both_ways(
                case,
                seed,
                &format!("cross_entropy of probs, axis {axis}"),
                of_differences,
                [x],
                |[x]| of_two(&loss, how, weights, x, probs.clone()),
            );
        }
    }
}

#[test]
fn losses_over_margins_and_labels_are_as_the_portable_form() {
    in_random_cases(|case, seed| match case.random.random_range(0..2) {
        0 => over_margins::<2, 1>(case, seed),
        _ => over_margins::<4, 3>(case, seed),
    });
}

fn over_margins<const D: usize, const BELOW: usize>(case: &mut Case, seed: u64)
where
    Tensor<BELOW, Int>: crate::targets::ClassIds<D, PerSample = Tensor<BELOW>>,
    Tensor<D>: crate::LowerRank<Lower = Tensor<BELOW>>,
    Tensor<1>: crate::targets::SampleWeights<Tensor<BELOW>>,
{
    let mut shape = case.shape::<D>();
    let axis = case.random.random_range(1..D);
    shape[axis] += 1;
    let classes = shape[axis];
    let samples: usize = shape.iter().product::<usize>() / classes;
    let how = how(case);
    let weights = &sample_weights(case, shape[0]);
    let class_weights = case.chance(0.4).then(|| case.weights(classes));
    let reduction = case.reduction();
    let wrong = case
        .chance(0.05)
        .then(|| case.random.random_range(0..samples));
    let bad = [classes as i64, -2, i64::from(i32::MIN), i64::from(i32::MAX)];
    let bad = *bad.choose(&mut case.random).expect("one");
    let int = *[DType::I64, DType::I32]
        .choose(&mut case.random)
        .expect("one of two");
    // The sweep adds up in f64, so of what exceeds f32 on the way it has more.
    let x = numbers(case.input(shape).cast(DType::F64).clamp(-5e37, 5e37));
    let x = case.tensor(&x, shape);
    // Margins of different sizes are added up.
    let sizes = numbers(x.clone().cast(DType::F64))
        .into_iter()
        .map(f64::abs);
    let size = sizes.filter(|size| *size < 1e37).fold(1.0, f64::max);
    match case.random.random_range(0..3) {
        0 => {
            let mut ids: Vec<i64> = (0..samples)
                .map(|_| case.random.random_range(0..classes as i64))
                .collect();
            if let Some(at) = wrong {
                ids[at] = bad;
            }
            let mut below: Vec<usize> = shape.to_vec();
            below.remove(axis);
            let ids = TensorData::new(ids, Shape::from(below)).convert_dtype(int);
            let ids = Tensor::<BELOW, Int>::from_data(ids, (&case.device, int));
            let loss = MultiMarginLossConfig::new()
                .with_p(case.random.random_range(1..3))
                .with_margin(*[-0.5, 0.5, 1.0].choose(&mut case.random).expect("one"))
                .with_weights(class_weights)
                .with_class_axis(axis)
                .with_reduction(reduction)
                .init();
            both_ways(case, seed, &format!("{loss:?}"), size, [x], |[x]| {
                of_two(&loss, how, weights, x, ids.clone())
            });
        }
        1 => {
            // A list for each sample, with the classes last; then brought to their axis.
            let mut lists = Vec::new();
            for sample in 0..samples {
                let mut all: Vec<i64> = (0..classes as i64).collect();
                all.shuffle(&mut case.random);
                let labels = case.random.random_range(0..=classes.min(6));
                all[labels..].fill(-1);
                if wrong == Some(sample) {
                    let last = classes - 1;
                    match case.random.random_range(0..3) {
                        0 => all[0] = bad,
                        1 => all.fill(1),
                        _ => (all[0], all[last]) = (-1, 0),
                    }
                }
                lists.extend(all);
            }
            let mut last = shape.to_vec();
            last.remove(axis);
            last.push(classes);
            let lists = TensorData::new(lists, Shape::from(last)).convert_dtype(int);
            let lists = Tensor::<D, Int>::from_data(lists, (&case.device, int));
            let lists = lists.movedim(D - 1, axis);
            let loss = MultiLabelMarginLossConfig::new()
                .with_class_axis(axis)
                .with_reduction(reduction)
                .init();
            both_ways(case, seed, &format!("{loss:?}"), size, [x], |[x]| {
                of_two(&loss, how, weights, x, lists.clone())
            });
        }
        _ => {
            let count = samples * classes;
            let mut labels: Vec<f64> = (0..count)
                .map(|_| case.random.random_range(0.0..1.0))
                .collect();
            if let Some(at) = wrong {
                labels[at] = 1.5;
            }
            let labels = case.tensor(&labels, shape);
            let loss = MultiLabelSoftMarginLossConfig::new()
                .with_weights(class_weights)
                .with_class_axis(axis)
                .with_reduction(reduction)
                .init();
            both_ways(case, seed, &format!("{loss:?}"), 0.0, [x], |[x]| {
                of_two(&loss, how, weights, x, labels.clone())
            });
        }
    }
}
