//! Losses over ranks, which have an order.

use super::*;
use burn::tensor::Shape;

#[test]
fn losses_over_ranks_are_as_the_portable_form() {
    in_random_cases(|case, seed| match case.random.random_range(0..2) {
        0 => over_ranks::<2, 1>(case, seed),
        _ => over_ranks::<4, 3>(case, seed),
    });
}

fn over_ranks<const D: usize, const BELOW: usize>(case: &mut Case, seed: u64)
where
    Tensor<BELOW, Int>: crate::targets::ClassIds<D, PerSample = Tensor<BELOW>>,
    Tensor<1>: crate::targets::SampleWeights<Tensor<BELOW>>,
{
    let mut shape = case.shape::<D>();
    let axis = case.random.random_range(1..D);
    let (how, reduction) = (how(case), case.reduction());
    let which = case.random.random_range(0..3);
    // A distance takes two ranks at least, and has an output for each.
    let is_distance = which == 2;
    shape[axis] += usize::from(is_distance);
    let outputs = shape[axis];
    let ranks = outputs as i64 + i64::from(!is_distance);
    let samples: usize = shape.iter().product::<usize>() / outputs;
    let mut below: Vec<usize> = shape.to_vec();
    below.remove(axis);
    let weights = &sample_weights(case, shape[0]);
    let importance = case.chance(0.4).then(|| case.weights(outputs));

    let mut ids: Vec<i64> = (0..samples)
        .map(|_| case.random.random_range(0..ranks))
        .collect();
    if case.chance(0.05) {
        let at = case.random.random_range(0..samples);
        let odd = [ranks, -1, i64::from(i32::MIN), i64::from(i32::MAX)];
        ids[at] = *odd.choose(&mut case.random).expect("one of some");
    }
    let int = *[DType::I64, DType::I32]
        .choose(&mut case.random)
        .expect("one of two");
    let ids = TensorData::new(ids, Shape::from(below)).convert_dtype(int);
    let ids = Tensor::<BELOW, Int>::from_data(ids, (&case.device, int));
    let x = case.input(shape);
    match which {
        0 => {
            let loss = CoralLossConfig::new()
                .with_importance_weights(importance)
                .with_class_axis(axis)
                .with_reduction(reduction)
                .init();
            both_ways(case, seed, &format!("{loss:?}"), 0.0, [x], |[x]| {
                of_two(&loss, how, weights, x, ids.clone())
            });
        }
        1 => {
            let loss = CornLossConfig::new()
                .with_class_axis(axis)
                .with_reduction(reduction)
                .init();
            both_ways(case, seed, &format!("{loss:?}"), 0.0, [x], |[x]| {
                of_two(&loss, how, weights, x, ids.clone())
            });
        }
        _ => {
            let loss = EarthMoverLossConfig::new()
                .with_class_axis(axis)
                .with_reduction(reduction)
                .init();
            // A slope is the difference of numbers as large as there are ranks.
            let size = outputs as f64 * MOST_WEIGHT * MOST_ABOVE;
            both_ways(case, seed, &format!("{loss:?}"), size, [x], |[x]| {
                of_two(&loss, how, weights, x, ids.clone())
            });
        }
    }
}
