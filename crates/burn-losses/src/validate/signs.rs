//! The rule for signs.

use super::check::Violation;
use alloc::format;
use alloc::string::String;

/// What to say of a value that is no sign.
pub(crate) fn no_sign(found: &Violation) -> String {
    let hint = if found.all(|sign| sign == 0.0 || sign == 1.0) {
        "These are labels 0 and 1: convert them with `target::signs`."
    } else {
        "Labels 0 and 1 become signs by `target::signs`, labels of single samples become pairs by \
         `target::pairs`."
    };
    format!(
        "target {} at index {:?} is not a sign: it must be -1 or +1. {hint}",
        found.shown(),
        found.index
    )
}
