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

impl Checks {
    fn of(number: u8) -> Self {
        match number {
            number if number == Self::Always as u8 => Self::Always,
            number if number == Self::Never as u8 => Self::Never,
            _ => Self::Auto,
        }
    }
}

static CHECKS: AtomicU8 = AtomicU8::new(Checks::Auto as u8);

/// Sets when values are checked, for the whole program.
pub fn set_checks(checks: Checks) {
    CHECKS.store(checks as u8, Ordering::Relaxed);
}

/// Runs a function during which values are checked as given, whatever is set for the program: in the calls that
/// it makes on this thread.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use burn_losses::prelude::*;
/// use burn_losses::{Checks, with_checks};
///
/// let device = Device::flex();
/// let logits = Tensor::<2>::from_data([[1.0, 2.0]], &device);
/// let ids = Tensor::<1, Int>::from_data([2], &device); // There are classes 0 and 1.
/// let loss = CrossEntropyLoss::new();
/// let value = with_checks(Checks::Never, || loss.forward(logits, ids));
/// assert!(value.into_scalar::<f32>().is_nan());
/// ```
///
/// Without the feature `std` there are no threads to tell apart, and it is for the program.
pub fn with_checks<R>(checks: Checks, run: impl FnOnce() -> R) -> R {
    // Set back even where what is run panics.
    let _scope = Scope(scoped::replace(Some(checks)));
    run()
}

/// What was set before a scope.
struct Scope(Option<Checks>);

impl Drop for Scope {
    fn drop(&mut self) {
        scoped::replace(self.0);
    }
}

/// What is set for a scope, if one is running.
#[cfg(feature = "std")]
mod scoped {
    use super::Checks;
    use core::cell::Cell;

    std::thread_local! {
        static SCOPED: Cell<Option<Checks>> = const { Cell::new(None) };
    }

    pub(super) fn get() -> Option<Checks> {
        SCOPED.get()
    }

    pub(super) fn replace(checks: Option<Checks>) -> Option<Checks> {
        SCOPED.replace(checks)
    }
}

/// As above, for the program.
#[cfg(not(feature = "std"))]
mod scoped {
    use super::Checks;
    use core::sync::atomic::{AtomicU8, Ordering};

    const NONE: u8 = u8::MAX;
    static SCOPED: AtomicU8 = AtomicU8::new(NONE);

    fn checks(scoped: u8) -> Option<Checks> {
        (scoped != NONE).then(|| Checks::of(scoped))
    }

    pub(super) fn get() -> Option<Checks> {
        checks(SCOPED.load(Ordering::Relaxed))
    }

    pub(super) fn replace(with: Option<Checks>) -> Option<Checks> {
        let with = with.map_or(NONE, |checks| checks as u8);
        checks(SCOPED.swap(with, Ordering::Relaxed))
    }
}

/// When values are checked: as the innermost [`with_checks`] says, or else [`set_checks`].
pub fn checks() -> Checks {
    scoped::get().unwrap_or_else(|| Checks::of(CHECKS.load(Ordering::Relaxed)))
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
