use crate::common::*;
use crate::harness::*;
use crate::table::*;
use burn::tensor::*;
use burn_losses::prelude::*;
use std::panic::*;

fn wgpu() -> TestDevice {
    devices().into_iter().find(|d| d.name == "wgpu").unwrap()
}

#[test]
fn scratch_half() {
    let on = wgpu();
    for (name, f) in [
        (
            "sum",
            Box::new(|x: Tensor<2>| x.sum().into_data().to_string())
                as Box<dyn Fn(Tensor<2>) -> String>,
        ),
        (
            "cast",
            Box::new(|x: Tensor<2>| x.cast(DType::F32).sum().into_data().to_string()),
        ),
        (
            "abs",
            Box::new(|x: Tensor<2>| {
                L1Loss::new()
                    .forward(x.clone(), x * 2.0)
                    .into_data()
                    .to_string()
            }),
        ),
        (
            "nan f32",
            Box::new(|x: Tensor<2>| x.cast(DType::F32).is_nan().into_data().to_string()),
        ),
        (
            "nan f16",
            Box::new(|x: Tensor<2>| x.is_nan().into_data().to_string()),
        ),
        (
            "backward",
            Box::new(|x: Tensor<2>| {
                let x = x.autodiff().require_grad();
                let g = L1Loss::new()
                    .forward(x.clone(), x.clone().inner() * 2.0)
                    .backward();
                x.grad(&g).unwrap().into_data().to_string()
            }),
        ),
    ] {
        let r = catch_unwind(AssertUnwindSafe(|| {
            f(on.tensor(&[1.0, 2.0, 3.0, 4.0], [2, 2], DType::F16))
        }));
        println!("{name}: {:?}", r.map_err(|p| text(&*p)));
    }
}

#[test]
fn scratch_spatial() {
    let on = wgpu();
    let v = cross_entropy_spatial(
        "[N, C, 2]",
        Axes::ClassSecond,
        ClassOptions {
            weights: true,
            ignored: vec![-100, 1],
            smoothing: 0.2,
        },
    );
    for seed in [
        23, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38,
    ] {
        let batch = v.batch(seed, 40, 30);
        let exp = numbers(&v.each(batch.on(&reference(), DType::F32)));
        for k in 0..4 {
            let got = numbers(&v.each(batch.on(&on, DType::F32)));
            let bad: Vec<_> = exp
                .iter()
                .zip(&got)
                .enumerate()
                .filter(|(_, (a, b))| (*a - *b).abs() > 1e-4)
                .map(|(i, (a, b))| (i, *a, *b))
                .collect();
            println!("seed {seed} {k}: {bad:?}");
            if !bad.is_empty() {
                for (i, a, b) in &bad {
                    println!(
                        "   id {} a {a} b {b}",
                        batch.target.as_ref().unwrap().1.data[*i]
                    );
                }
                let x = numbers(&v.each(batch.on(&reference(), DType::F64)));
                println!("   f64 {}", x[bad[0].0]);
                let (r, p) = (bad[0].0 / 2, bad[0].0 % 2);
                let row: Vec<f64> = (0..30)
                    .map(|c| batch.inputs[0].data[r * 60 + c * 2 + p])
                    .collect();
                println!("   {row:?}");
            }
        }
    }
}
