//! The mean loss.

use super::share::Share;
use crate::LossParts;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use burn::tensor::TensorReadError;
use burn::train::metric::{
    Metric, MetricAttributes, MetricMetadata, MetricName, Numeric, NumericAttributes, NumericEntry,
    SerializedEntry,
};

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
}

impl Default for LossPartsMetric {
    fn default() -> Self {
        Self::new()
    }
}

impl Metric for LossPartsMetric {
    type Input = LossParts;

    fn update(
        &mut self,
        parts: &LossParts,
        _: &MetricMetadata,
    ) -> Result<SerializedEntry, TensorReadError> {
        let sum = parts.sum.clone().try_into_scalar::<f64>()?;
        let weight = parts.weight.clone().try_into_scalar::<f64>()?;
        self.share.add(sum, weight);
        Ok(self.share.log(None))
    }

    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
        Ok(self.share.log_last(None))
    }

    fn clear(&mut self) {
        self.share.clear();
    }

    fn name(&self) -> MetricName {
        self.name.clone()
    }

    fn attributes(&self) -> MetricAttributes {
        NumericAttributes {
            unit: None,
            higher_is_better: false,
        }
        .into()
    }
}

impl Numeric for LossPartsMetric {
    fn value(&self) -> Option<NumericEntry> {
        self.share.of_batch()
    }

    fn running_value(&self) -> Option<NumericEntry> {
        self.share.of_epoch()
    }

    fn final_value(&self) -> NumericEntry {
        self.share.last()
    }
}
