//! The rule for labels.

use super::elementwise::Required;
use crate::spec::rule::Rule;
use alloc::format;

/// What a label must be.
pub(crate) fn label() -> Required<'static> {
    Required {
        rule: Rule::PROBABILITY,
        explain: &|found| {
            let hint = if found.all(|label| label == -1.0 || label == 1.0) {
                "These are signs: convert them with `target::labels`."
            } else if found.all(|id| id >= -1.0 && id % 1.0 == 0.0) && !found.all(|id| id >= 0.0) {
                "Lists of labels padded with -1 belong to MultiLabelMarginLoss, or convert them with \
                 `target::multi_hot`."
            } else if found.all(|label| label == 0.0 || label == 255.0) {
                "This looks like a mask of 0 and 255: `greater_scalar(0)` makes labels of it."
            } else if found.all(|label| label >= 0.0 && label % 1.0 == 0.0) {
                "Class ids belong to CrossEntropyLoss, or convert them with `target::one_hot`."
            } else {
                "A binary target says how true a label is, from 0 (no) to 1 (yes)."
            };
            format!(
                "target {} at index {:?} is not a label: it must be 0, 1 or between. {hint}",
                found.shown(),
                found.index
            )
        },
    }
}
