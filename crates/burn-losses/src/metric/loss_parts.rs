//! The mean loss.

use super::share::{Share, metric_of_share};
use crate::LossParts;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use burn::tensor::TensorReadError;

/// The mean loss over an epoch, exact with ignored ids, weights and masks: the sum of the losses of all batches over the
/// sum of their weights.
///
/// Its input is what [`forward_parts`](crate::Loss::forward_parts) or
/// [`forward_weighted_parts`](crate::Loss::forward_weighted_parts) gives. A batch in which nothing counts changes nothing.
#[derive(Clone, Debug)]
pub struct LossPartsMetric {
    name: Arc<String>,
    share: Share,
}

impl LossPartsMetric {
    /// The metric, under the name `Loss`.
    pub fn new() -> Self {
        Self::named("Loss")
    }

    /// The metric under another name: no other of the training may have it.
    pub fn named(name: &str) -> Self {
        Self {
            name: Arc::new(name.to_string()),
            share: Share::default(),
        }
    }

    fn counted(&self, parts: &LossParts) -> Result<[f64; 2], TensorReadError> {
        Ok([
            parts.sum.clone().try_into_scalar()?,
            parts.weight.clone().try_into_scalar()?,
        ])
    }
}

metric_of_share!(LossPartsMetric, LossParts, unit: None, higher_is_better: false);
