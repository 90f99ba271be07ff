//! What the tests share: the devices, reading numbers, comparing them.
#![allow(dead_code)] // Each test file uses its own part.

use burn::tensor::{DType, Device, Tensor, TensorData};
use std::sync::OnceLock;

/// A device under test.
#[derive(Clone)]
pub struct TestDevice {
    pub name: &'static str,
    pub device: Device,
    /// Whether `f64` runs on it.
    pub double: bool,
}

/// Every device that this build and this machine have. wgpu is left out, saying so, only where there
/// is no adapter.
pub fn devices() -> Vec<TestDevice> {
    static DEVICES: OnceLock<Vec<TestDevice>> = OnceLock::new();
    DEVICES.get_or_init(find_devices).clone()
}

fn find_devices() -> Vec<TestDevice> {
    #[allow(unused_mut)] // Which devices are added is up to the features.
    let mut devices = vec![TestDevice {
        name: "flex",
        device: Device::flex(),
        double: true,
    }];
    #[cfg(feature = "ndarray")]
    devices.push(TestDevice {
        name: "ndarray",
        #[allow(deprecated)]
        device: Device::ndarray(),
        double: true,
    });
    #[cfg(feature = "wgpu")]
    {
        let open = || {
            let device = Device::wgpu(burn::tensor::DeviceKind::DefaultDevice);
            let sum = Tensor::<1>::ones([2], &device).sum();
            assert_eq!(sum.into_scalar::<f32>(), 2.0);
            device
        };
        match std::panic::catch_unwind(open) {
            Ok(device) => devices.push(TestDevice {
                name: "wgpu",
                device,
                double: false,
            }),
            Err(_) => eprintln!("SKIPPED on wgpu: this machine has no adapter"),
        }
    }
    devices
}

/// Whether a case of a row of them is among those of a device that takes one of so many. With `BURN_LOSSES_DEVICES=all` each is.
pub fn is_taken(case: usize, one_of: usize) -> bool {
    static ALL: OnceLock<bool> = OnceLock::new();
    let all = ALL.get_or_init(|| std::env::var("BURN_LOSSES_DEVICES").is_ok_and(|of| of == "all"));
    *all || case.is_multiple_of(one_of)
}

impl TestDevice {
    /// Whether it takes a case of a row of them. A GPU takes one of so many: nearly each compiles kernels, in software for
    /// seconds.
    pub fn takes(&self, case: usize, one_of: usize) -> bool {
        self.name != "wgpu" || is_taken(case, one_of)
    }

    pub fn tensor<const D: usize>(
        &self,
        values: &[f64],
        shape: [usize; D],
        dtype: DType,
    ) -> Tensor<D> {
        let data = TensorData::new(values.to_vec(), shape).convert_dtype(dtype);
        Tensor::from_data(data, (&self.device, dtype))
    }

    /// A tensor whose gradient is kept.
    pub fn tracked<const D: usize>(
        &self,
        values: &[f64],
        shape: [usize; D],
        dtype: DType,
    ) -> Tensor<D> {
        self.tensor(values, shape, dtype).autodiff().require_grad()
    }
}

/// The numbers of a tensor.
pub fn numbers<const D: usize>(tensor: &Tensor<D>) -> Vec<f64> {
    tensor.clone().inner().into_data().iter::<f64>().collect()
}

/// Panics unless `found` equals `expected` up to `tolerance`, relative to each number and to the
/// largest finite one.
pub fn assert_close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}: the number of values");
    let largest = expected
        .iter()
        .filter(|value| value.is_finite())
        .fold(0.0_f64, |largest, value| largest.max(value.abs()));
    for (at, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let close = if expected.is_finite() {
            (found - expected).abs() <= tolerance * (expected.abs() + largest)
        } else {
            found == expected
        };
        assert!(
            close,
            "{what}[{at}]: found {found:e}, expected {expected:e} (largest {largest:e})"
        );
    }
}
