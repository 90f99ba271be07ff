use crate::common::*;
use burn::tensor::*;
use burn_losses::prelude::*;

fn wgpu() -> TestDevice { devices().into_iter().find(|d| d.name == "wgpu").unwrap() }

#[test]
fn strided_repro() {
    for on in [devices().remove(0), wgpu()] {
        println!("--- {}", on.name);
        let a: Vec<f64> = vec![1., -2., 3., -4., 5., -6., 7., -8.];
        let b: Vec<f64> = vec![0.; 8];
        let x = || on.tensor(&a, [2, 4], DType::F32).swap_dims(0, 1);
        let y = || on.tensor(&b, [2, 4], DType::F32).swap_dims(0, 1);
        let r = |t: Tensor<2>| t.reshape([4, 1, 2, 1]);


        let t = |what: &str, found: Vec<Vec<f64>>| println!("{what}: {found:?}");
        { let x = r(x()); let (p, q) = (x.clone() * 2.0, x * 3.0); t("1 two products of a reshaped view", vec![numbers(&p), numbers(&q)]); }
        { let x = r(x()); let p = x * 2.0; t("2 one product", vec![numbers(&p)]); }
        { let d = r(x()) - r(y()); let (p, q) = (d.clone() * 2.0, d * 3.0); t("3 difference, two products", vec![numbers(&p), numbers(&q)]); }
        { let d = r(x()) - r(y()); let v = d.clone().abs().reshape([8]); let q = d * 3.0; t("4 abs flattened, product", vec![numbers(&v), numbers(&q)]); }
        { let d = r(x()) * 1.0; let v = d.clone().abs().reshape([8]); let q = d * 3.0; t("5 one input, abs flattened, product", vec![numbers(&v), numbers(&q)]); }
        { let d = r(x()) * 1.0; let v = d.clone().abs().reshape([8]); let s = d.sign(); let (p, q) = (s.clone() * 2.0, s * 3.0); t("6 one input, flattened, two", vec![numbers(&v), numbers(&p), numbers(&q)]); }
        { let d = r(x()) - r(y()); let v = d.clone().abs().reshape([8]); let s = d.sign(); let (p, q) = (s.clone() * 2.0, s * 3.0); t("7 two inputs, flattened, two", vec![numbers(&v), numbers(&p), numbers(&q)]); }
        { let d = r(x()) - r(y()); let v = d.clone().abs(); let s = d.sign(); let (p, q) = (s.clone() * 2.0, s * 3.0); t("8 two inputs, not flattened, two", vec![numbers(&v), numbers(&p), numbers(&q)]); }
        { let d = x() - y(); let v = d.clone().abs().reshape([8]); let s = d.sign(); let (p, q) = (s.clone() * 2.0, s * 3.0); t("9 rank 2, flattened, two", vec![numbers(&v), numbers(&p), numbers(&q)]); }
        { let r = |t: Tensor<2>| t.unsqueeze_dim::<3>(1); let d = r(x()) - r(y()); let v = d.clone().abs().reshape([8]); let s = d.sign(); let (p, q) = (s.clone() * 2.0, s * 3.0); t("10 rank 3 unsqueeze, flattened, two", vec![numbers(&v), numbers(&p), numbers(&q)]); }
        { let r = |t: Tensor<2>| t.reshape([8]); let d = r(x()) - r(y()); let v = d.clone().abs(); let s = d.sign(); let (p, q) = (s.clone() * 2.0, s * 3.0); t("11 flat first", vec![numbers(&v), numbers(&p), numbers(&q)]); }
        { let d = r(x() * 1.0) - r(y() * 1.0); let v = d.clone().abs().reshape([8]); let s = d.sign(); let (p, q) = (s.clone() * 2.0, s * 3.0); t("12 strided computed", vec![numbers(&v), numbers(&p), numbers(&q)]); }
        { let x = on.tensor(&(0..9).map(f64::from).collect::<Vec<_>>(), [3, 3], DType::F32).slice([0..2, 1..3]); let y = x.clone() * 0.0; let r = |t: Tensor<2>| t.reshape([2, 1, 2, 1]); let d = r(x) - r(y); let v = d.clone().abs().reshape([4]); let s = d; let (p, q) = (s.clone() * 2.0, s * 3.0); t("13 sliced", vec![numbers(&v), numbers(&p), numbers(&q)]); }
    }
}
