//! What any user does with a loss, asserted: a value, a gradient, a wrong target refused.

use burn::tensor::{Device, Int, Tensor};
use burn_losses::prelude::*;

/// Checks a loss of classes and one of distances on a device.
pub fn check(device: Device) {
    let device = device.autodiff();
    let logits = Tensor::<2>::from_data([[0.0, 1.0], [2.0, 0.0]], &device).require_grad();
    let targets = Tensor::<1, Int>::from_data([1, 0], &device);

    let loss = CrossEntropyLossConfig::new().init();
    let value = loss.forward(logits.clone(), targets);
    let gradients = value.backward();
    close(value.into_data().iter().collect(), &[0.220_095]);
    close(
        logits.grad(&gradients).unwrap().into_data().iter().collect(),
        &[0.134_471, -0.134_471, -0.059_601, 0.059_601],
    );

    let wrong = Tensor::<1, Int>::from_data([1, 2], &device);
    let error = loss.try_forward(logits, wrong).unwrap_err();
    assert!(error.to_string().contains("target 2 at index [1]"), "{error}");

    let same = Tensor::<2>::from_data([[1.0, 2.0]], &device).require_grad();
    let value = TripletMarginLoss::new().forward(same.clone(), same.clone(), same.clone());
    let gradients = value.backward();
    close(value.into_data().iter().collect(), &[1.0]);
    let gradient: Vec<f64> = same.grad(&gradients).unwrap().into_data().iter().collect();
    assert!(gradient.iter().all(|slope| slope.is_finite()), "{gradient:?}");
    println!("works on {device:?}");
}

fn close(found: Vec<f64>, expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-5, "{found} is not {expected}");
    }
}
