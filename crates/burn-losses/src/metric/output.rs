//! What a step returns.

use super::MaskedAccuracyInput;
use crate::LossParts;
use crate::engine::ExecutionError;
use burn::train::ItemLazy;
use burn::train::metric::Adaptor;

/// What a step of a classifier returns for [`LossPartsMetric`](super::LossPartsMetric) and
/// [`MaskedAccuracyMetric`](super::MaskedAccuracyMetric).
#[derive(Clone, Debug)]
pub struct MaskedClassificationOutput {
    /// What the loss came to.
    pub parts: LossParts,
    /// What was predicted, and what is right.
    pub classes: MaskedAccuracyInput,
}

impl MaskedClassificationOutput {
    /// Of the parts of the loss and the classes.
    pub fn new(parts: LossParts, classes: MaskedAccuracyInput) -> Self {
        Self { parts, classes }
    }
}

impl ItemLazy for MaskedClassificationOutput {
    fn sync(self) -> Result<Self, ExecutionError> {
        // Nothing is read: the metrics read what they make of it. They run on another thread, which is not to hold
        // the graph.
        self.parts.sum.device().flush()?;
        Ok(Self {
            parts: self.parts.detach(),
            classes: self.classes.without_autodiff(),
        })
    }
}

impl Adaptor<LossParts> for MaskedClassificationOutput {
    fn adapt(&self) -> LossParts {
        self.parts.clone()
    }
}

impl Adaptor<MaskedAccuracyInput> for MaskedClassificationOutput {
    fn adapt(&self) -> MaskedAccuracyInput {
        self.classes.clone()
    }
}
