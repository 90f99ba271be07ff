//! The Lovász extension of the Jaccard loss of a softmax.

use super::*;
use burn::tensor::{FloatDType, Shape};

/// Up to how many pixels no two errors of `f32` are nearly the same, as a rule.
const FEW: usize = 12;

#[test]
fn the_extension_of_a_softmax_is_as_the_portable_form() {
    for seed in cases() {
        let mut case = Case::new(seed, &devices());
        match case.random.random_range(0..2) {
            0 => of_ids::<2, 1>(&mut case, seed),
            _ => of_ids::<4, 3>(&mut case, seed),
        }
    }
}

/// Images so large that they are worked on by columns, in place where nobody shares them.
#[test]
fn an_extension_over_images_is_as_the_portable_form() {
    for device in devices() {
        let distribution = Distribution::Normal(0.0, 2.0);
        let x = Tensor::<4>::random([2, 21, 80, 80], distribution, (&device, DType::F64));
        let ids = Tensor::<1, Int>::arange(0..2 * 80 * 80, &device);
        let ids = ids.remainder_scalar(20).reshape([2, 80, 80]);
        for per_sample in [false, true] {
            let loss = LovaszLossConfig::new().with_per_sample(per_sample).init();
            let found = |dtype: DType, shared: bool| {
                let x = x.clone().cast(FloatDType::from(dtype));
                let x = x.autodiff().require_grad();
                // What nobody shares, the gradient may take the place of.
                let (twice, kept) = (x.clone() * 2.0, shared.then(|| x.clone() * 2.0));
                let value = loss.forward(twice, ids.clone());
                let gradient = x.grad(&value.backward()).expect("it is tracked");
                drop(kept);
                let numbers = |of: TensorData| of.iter::<f64>().collect::<Vec<_>>();
                [numbers(value.into_data()), numbers(gradient.into_data())].concat()
            };
            let expected = portably(|| found(DType::F64, true));
            for (dtype, tolerance) in [(DType::F64, 1e-12), (DType::F32, 2e-5)] {
                for shared in [false, true] {
                    let found = found(dtype, shared);
                    let pairs = found.iter().zip(&expected);
                    let apart: f64 = pairs
                        .map(|(found, expected)| (found - expected).abs())
                        .sum();
                    let size: f64 = expected.iter().map(|number| number.abs()).sum();
                    assert!(
                        apart <= tolerance * size,
                        "{dtype:?}, per sample {per_sample}, shared {shared}: {apart:e} of {size:e}"
                    );
                }
            }
        }
    }
}

fn of_ids<const D: usize, const BELOW: usize>(case: &mut Case, seed: u64)
where
    Tensor<BELOW, Int>: crate::targets::MaskTarget<D>,
{
    let mut shape = case.shape::<D>();
    let axis = case.random.random_range(1..D);
    // Of two classes, one's errors are the other's too.
    shape[axis] += 2;
    let classes = shape[axis];
    let pixels = shape.iter().product::<usize>() / classes;
    // How the gradient is shared among errors that are the same is not said, and in fewer digits many are.
    case.odd = false;
    case.dtype = match pixels {
        0..=FEW => *[DType::F32, DType::F64]
            .choose(&mut case.random)
            .expect("one of two"),
        _ => DType::F64,
    };
    let mut below = shape.to_vec();
    below.remove(axis);
    let ignored = *[None, Some(-1), Some(255), Some(0)]
        .choose(&mut case.random)
        .expect("one of some");
    // Some classes are nowhere.
    let most = case.random.random_range(1..=classes as i64);
    let mut ids: Vec<i64> = (0..pixels)
        .map(|_| case.random.random_range(0..most))
        .collect();
    if let Some(ignored) = ignored {
        for id in &mut ids {
            if case.chance(0.2) {
                *id = ignored;
            }
        }
    }
    if case.chance(0.05) {
        let at = case.random.random_range(0..pixels);
        ids[at] = classes as i64;
    }
    let int = *[DType::I64, DType::I32]
        .choose(&mut case.random)
        .expect("one of two");
    let ids = TensorData::new(ids, Shape::from(below)).convert_dtype(int);
    let ids = Tensor::<BELOW, Int>::from_data(ids, (&case.device, int));
    let per_sample = case.chance(0.5);
    let absent = *[AbsentClass::LeftOut, AbsentClass::Smoothed]
        .choose(&mut case.random)
        .expect("one of two");
    let mut config = LovaszLossConfig::new()
        .with_per_sample(per_sample)
        .with_absent(absent)
        .with_class_axis(axis)
        .with_reduction(case.reduction());
    config.ignore_indices.extend(ignored);
    let loss = config.init();
    let how = how(case);
    let weights = sample_weights(case, if per_sample { shape[0] } else { 1 });
    let weights = &weights;
    let x = case.input(shape);
    let what = format!("{config:?} {how:?} {int:?}");
    // The gradient is made of differences of probabilities.
    both_ways(case, seed, &what, 1.0, [x], |[x]| {
        of_two(&loss, how, weights, x, ids.clone())
    });
}
