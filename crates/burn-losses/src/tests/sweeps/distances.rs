//! Losses and distances of rows.

use super::*;

#[test]
fn distances_are_as_the_portable_form() {
    in_random_cases(|case, seed| {
        let shape = case.shape::<3>();
        let (how, reduction) = (how(case), case.reduction());
        let weights = &sample_weights(case, shape[0]);
        let anchor = case.input(shape);
        let positive = if case.chance(0.1) {
            anchor.clone()
        } else {
            case.input(shape)
        };
        let inputs = [anchor, positive, case.input(shape)];
        let p = *[1.0, 2.0, 3.5].choose(&mut case.random).expect("one");
        let eps = *[0.0, 1e-6].choose(&mut case.random).expect("one");
        let distance = |a, b| crate::pairwise_distance(a, b, p, eps);
        let swap = case.chance(0.5) && !nearly_tie(&inputs, distance);
        let loss = TripletMarginLossConfig::new()
            .with_p(p)
            .with_eps(eps)
            .with_swap(swap)
            .with_reduction(reduction)
            .init();
        let sizes = inputs.iter().flat_map(|input| numbers(input.clone()));
        let largest = sizes.fold(0.0, |size: f64, number| size.max(number.abs()));
        let size = largest * shape[2] as f64;
        both_ways(
            case,
            seed,
            &format!("{loss:?}"),
            size,
            inputs,
            |[a, p, n]| of_three(&loss, how, weights, (a, p, n)),
        );
    });
}

/// Whether a negative is as far from its positive as from its anchor, or nearly so, and these are not the same: then
/// rounding decides which of them a swap takes.
fn nearly_tie(
    inputs: &[Tensor<3>; 3],
    distance: impl Fn(Tensor<3>, Tensor<3>) -> Tensor<2>,
) -> bool {
    // On a CPU: a GPU has no `f64`.
    let options = (&devices()[0], DType::F64);
    let wide = |x: &Tensor<3>| {
        let data = TensorData::new(numbers(x.clone()), x.dims());
        Tensor::<3>::from_data(data, options)
    };
    let [anchor, positive, negative] = inputs.each_ref().map(wide);
    let length = anchor.dims()[2];
    let distances = |from: &Tensor<3>| numbers(distance(from.clone(), negative.clone()));
    let distances = distances(&anchor).into_iter().zip(distances(&positive));
    let (anchor, positive) = (numbers(anchor), numbers(positive));
    let rows = anchor.chunks(length).zip(positive.chunks(length));
    rows.zip(distances).any(|((anchor, positive), (a, b))| {
        anchor != positive && (a - b).abs() <= 1e-5 * (1.0 + a.abs() + b.abs())
    })
}

#[test]
fn pairs_are_as_the_portable_form() {
    in_random_cases(|case, seed| {
        let shape = case.shape::<3>();
        let (how, reduction) = (how(case), case.reduction());
        let weights = &sample_weights(case, shape[0]);
        let a = case.input(shape);
        let b = if case.chance(0.1) {
            a.clone()
        } else {
            case.input(shape)
        };
        let largest = |tensor: &Tensor<3>| {
            let sizes = numbers(tensor.clone().cast(DType::F64)).into_iter();
            sizes.fold(0.0, |size: f64, number| size.max(number.abs()))
        };
        let eps = *[1e-8, 1e-3].choose(&mut case.random).expect("one");
        let inputs = [a.clone(), b.clone()];
        let flat = |each: Tensor<2>| {
            let count = each.shape().num_elements();
            Ok(vec![each.reshape([count])])
        };
        // A vector of one component has no direction to change to: what is left of its gradient are last digits of
        // the inverse of its length.
        let of_cosine = if shape[2] == 1 { 1e5 } else { 1.0 };
        match case.random.random_range(0..4) {
            0 => {
                let p = *[1.0, 2.0, 3.5].choose(&mut case.random).expect("one");
                let size = largest(&a).max(largest(&b)) * shape[2] as f64;
                both_ways(
                    case,
                    seed,
                    &format!("distance {p}"),
                    size,
                    inputs,
                    |[a, b]| flat(crate::pairwise_distance(a, b, p, eps)),
                );
            }
            1 => {
                both_ways(case, seed, "cosine", of_cosine, inputs, |[a, b]| {
                    flat(crate::cosine_similarity(a, b, eps))
                });
            }
            2 => {
                let mut signs = case.signs(shape[0] * shape[1]);
                if case.chance(0.05) {
                    signs[0] = 0.0;
                }
                let signs = case.tensor(&signs, [shape[0], shape[1]]);
                let loss = CosineEmbeddingLossConfig::new()
                    .with_margin(*[-0.5, 0.3].choose(&mut case.random).expect("one"))
                    .with_reduction(reduction)
                    .init();
                both_ways(
                    case,
                    seed,
                    &format!("{loss:?}"),
                    of_cosine,
                    inputs,
                    |[a, b]| of_three(&loss, how, weights, (a, b, signs.clone())),
                );
            }
            _ => {
                let negative = case.input(shape);
                let inputs = [a, b, negative];
                let cosine = |a, b| crate::cosine_similarity(a, b, eps);
                let swap = case.chance(0.5) && !nearly_tie(&inputs, cosine);
                let loss = TripletMarginWithDistanceLossConfig::new()
                    .with_distance(Distance::Cosine)
                    .with_swap(swap)
                    .with_margin(0.3)
                    .with_reduction(reduction)
                    .init();
                let what = format!("{loss:?}");
                both_ways(case, seed, &what, of_cosine, inputs, |[a, p, n]| {
                    of_three(&loss, how, weights, (a, p, n))
                });
            }
        }
    });
}
