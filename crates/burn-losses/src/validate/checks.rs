//! When the values of a target are read and checked.

use crate::engine::device::{Kind, is_cpu, kind};
use burn::tensor::Device;
use core::sync::atomic::{AtomicU8, Ordering};

/// When the values of inputs, targets and weights are read and checked.
///
/// Shapes, devices and configurations are always checked; that needs no value.
///
/// Where values are not read, an invalid target still does not pass in silence: the loss of that
/// sample and its row of the gradient are NaN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checks {
    /// Always on a CPU. On an accelerator, where reading means waiting for the device, in the
    /// `try_` methods and in debug builds.
    #[default]
    Auto,
    /// In every call, on every device.
    Always,
    /// In no call.
    Never,
}

static CHECKS: AtomicU8 = AtomicU8::new(Checks::Auto as u8);

/// Sets when values are checked, for the whole program.
pub fn set_checks(checks: Checks) {
    CHECKS.store(checks as u8, Ordering::Relaxed);
}

/// When values are checked.
pub fn checks() -> Checks {
    match CHECKS.load(Ordering::Relaxed) {
        value if value == Checks::Always as u8 => Checks::Always,
        value if value == Checks::Never as u8 => Checks::Never,
        _ => Checks::Auto,
    }
}

/// Whether a call on `device` reads values; `waiting` tells that its caller is ready to wait.
pub(crate) fn reads_values(device: &Device, waiting: bool) -> bool {
    // A capture device records operations without executing them: there is no value to read.
    let readable = || kind(device) != Kind::Capture;
    match checks() {
        Checks::Never => false,
        Checks::Always => readable(),
        Checks::Auto => is_cpu(device) || ((waiting || cfg!(debug_assertions)) && readable()),
    }
}
