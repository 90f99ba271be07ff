//! What a loss says when it is used wrongly, or suspiciously.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// A call or a configuration that is certainly wrong.
///
/// `try_init` and the `try_forward` methods return it; `init` and `forward` panic with its text.
/// The text names the loss, the rule, the offending value, where it is, and the likely fix.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LossError {
    /// The loss, by its type's name.
    pub loss: &'static str,
    /// What kind of rule was broken.
    pub kind: LossErrorKind,
    /// The rule, what was found instead, and the likely fix.
    pub message: String,
}

/// The kinds of mistakes a [`LossError`] reports.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum LossErrorKind {
    /// A field of the configuration is out of range, or does not fit the others.
    Config,
    /// Shapes that do not belong together.
    Shape,
    /// A value that is no legal target, input or weight.
    Value {
        /// The value found.
        value: f64,
        /// Its index, or for a rule about a whole row the index of the row's first element.
        index: Vec<usize>,
    },
    /// Tensors on different devices.
    Device,
    /// A float type that the device cannot compute with.
    DType,
    /// A target that is tracked by autodiff, for a loss without a derivative for its target.
    TrackedTarget,
    /// Inputs that are tracked by autodiff in ways that do not mix: some with gradient checkpointing,
    /// some without.
    Tracking,
    /// The values could not be read from the device.
    Read,
    /// The ranks of a call could not exchange what they have, or do not fit together; or another one has an error.
    Exchange,
}

impl LossError {
    pub(crate) fn new(loss: &'static str, kind: LossErrorKind, message: String) -> Self {
        Self {
            loss,
            kind,
            message,
        }
    }
}

impl fmt::Display for LossError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.loss, self.message)
    }
}

impl core::error::Error for LossError {}

/// The value, or a panic with the error's text.
#[track_caller]
pub(crate) fn or_panic<T>(result: Result<T, LossError>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}

/// A call that is legal but looks like a mistake; see [`Loss::lint`](crate::Loss::lint).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Lint {
    /// The loss, by its type's name.
    pub loss: &'static str,
    /// A short name of the suspicion, such as `single-class`.
    pub rule: &'static str,
    /// What was seen, and what it may mean.
    pub message: String,
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} [{}]", self.loss, self.message, self.rule)
    }
}
