//! What is read besides the inputs.

use alloc::vec;
use alloc::vec::Vec;

/// A number for each class along an axis, or one for all.
#[derive(Clone)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct PerClass {
    pub(crate) numbers: Vec<f64>,
    /// How many elements in a row have the same class.
    pub(crate) inner: usize,
}

impl PerClass {
    /// A number for each class, of so many elements in a row; or a single one.
    pub(crate) fn new(numbers: Vec<f64>, inner: usize) -> Self {
        match numbers[..] {
            [number] => Self::all(number),
            _ => Self { numbers, inner },
        }
    }

    /// One number for all classes.
    pub(crate) fn all(number: f64) -> Self {
        Self {
            numbers: vec![number],
            inner: usize::MAX,
        }
    }

    /// Whether there is more than one number.
    pub(crate) fn varies(&self) -> bool {
        self.numbers.len() > 1
    }
}
