//! The share of right classes.

use super::share::{Share, metric_of_share};
use crate::engine::shape::without;
use crate::real::id::classify;
use crate::validate::check::dims;
use crate::validate::error::or_panic;
use crate::{LossError, LossErrorKind};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use burn::tensor::{Bool, Int, IntDType, Tensor, TensorReadError};

/// What a [`MaskedAccuracyMetric`] compares: which class is the likeliest, and the id of the right one.
#[derive(Clone, Debug)]
pub struct MaskedAccuracyInput {
    predicted: Tensor<1, Int>,
    targets: Tensor<1, Int>,
    classes: usize,
    weights: Option<Tensor<1>>,
}

impl MaskedAccuracyInput {
    /// Of logits (or probabilities) with the classes along axis 1, as the losses have them: `[N, C]` and ids `[N]`, or
    /// `[N, C, d1, ..]` and ids `[N, d1, ..]`.
    ///
    /// # Panics
    ///
    /// When the ids are not in the shape of the logits without the classes.
    #[track_caller]
    pub fn new<const D: usize, const K: usize>(logits: Tensor<D>, targets: Tensor<K, Int>) -> Self {
        Self::with_classes_along(1, logits, targets)
    }

    /// As [`new`](Self::new), with the classes along another axis.
    ///
    /// # Panics
    ///
    /// As `new`.
    #[track_caller]
    pub fn with_classes_along<const D: usize, const K: usize>(
        class_axis: usize,
        logits: Tensor<D>,
        targets: Tensor<K, Int>,
    ) -> Self {
        let (shape, found) = (logits.shape(), targets.shape());
        if class_axis >= D || without(&shape, class_axis) != found {
            or_panic(Err(wrong(format!(
                "targets {} do not fit logits {} with the classes on axis {class_axis}: the ids have the shape of the \
                 logits without that axis.",
                dims(&found),
                dims(&shape),
            ))))
        }
        let count = found.num_elements();
        Self {
            predicted: logits.argmax(class_axis).reshape([count]),
            targets: targets.reshape([count]),
            classes: shape[class_axis],
            weights: None,
        }
    }

    /// Each sample counts for its weight, or with 0 not at all; for the product of several.
    ///
    /// # Panics
    ///
    /// When there is not one for each id.
    #[track_caller]
    pub fn with_weights<const K: usize>(self, weights: Tensor<K>) -> Self {
        let (count, given) = (self.targets.dims()[0], weights.shape().num_elements());
        if given != count {
            or_panic(Err(wrong(format!(
                "there are {given} weights for {count} ids."
            ))))
        }
        let weights = weights.reshape([count]);
        Self {
            weights: Some(match self.weights {
                Some(others) => others * weights,
                None => weights,
            }),
            ..self
        }
    }

    /// Only the samples at which the mask is true count.
    ///
    /// # Panics
    ///
    /// When it has not one for each id.
    #[track_caller]
    pub fn with_mask<const K: usize>(self, mask: Tensor<K, Bool>) -> Self {
        self.with_weights(mask.float())
    }

    pub(super) fn without_autodiff(self) -> Self {
        Self {
            predicted: self.predicted.without_autodiff(),
            targets: self.targets.without_autodiff(),
            weights: self.weights.map(Tensor::without_autodiff),
            ..self
        }
    }

    /// What is right and what counts, in weights.
    fn count(&self, ignored: &[i64]) -> Result<[f64; 2], TensorReadError> {
        let found = classify(self.targets.clone(), self.classes, ignored);
        // An id that is neither a class nor ignored counts, and is never right.
        let counts = found.is_class.clone().bool_or(found.valid.bool_not());
        // Both fit into 32 bits, but a class that was predicted may not into the type of the ids.
        let [class, predicted] =
            [found.class, self.predicted.clone()].map(|ids| ids.cast(IntDType::I32));
        let same = class.equal(predicted);
        let right = same.bool_and(found.is_class);
        let sum = |mask: Tensor<1, Bool>| {
            let counted = match &self.weights {
                Some(weights) => weights.clone().mask_fill(mask.bool_not(), 0.0),
                None => mask.float(),
            };
            counted.sum().try_into_scalar::<f64>()
        };
        Ok([sum(right)?, sum(counts)?])
    }
}

fn wrong(message: String) -> LossError {
    LossError::new("MaskedAccuracyMetric", LossErrorKind::Shape, message)
}

/// The share of the samples whose likeliest class is the right one, in percent, over those that count: neither ignored
/// ids nor what is masked does.
///
/// It does not know which ids the loss ignores: it must be told, and an id that is no class counts as a mistake else.
#[derive(Clone, Debug)]
pub struct MaskedAccuracyMetric {
    name: Arc<String>,
    ignored: Vec<i64>,
    share: Share,
}

impl MaskedAccuracyMetric {
    /// The metric, under the name `Accuracy`.
    pub fn new() -> Self {
        Self::named("Accuracy")
    }

    /// The metric under another name: no other of the training may have it.
    pub fn named(name: &str) -> Self {
        Self {
            name: Arc::new(name.to_string()),
            ignored: Vec::new(),
            share: Share::default(),
        }
    }

    /// One more id that is not counted: that of the loss.
    pub fn with_ignore_index(mut self, id: i64) -> Self {
        self.ignored.push(id);
        self
    }

    /// The ids that are not counted: those of the loss's configuration.
    pub fn with_ignore_indices(mut self, ids: Vec<i64>) -> Self {
        self.ignored = ids;
        self
    }

    fn counted(&self, input: &MaskedAccuracyInput) -> Result<[f64; 2], TensorReadError> {
        let [right, counted] = input.count(&self.ignored)?;
        Ok([100.0 * right, counted])
    }
}

metric_of_share!(MaskedAccuracyMetric, MaskedAccuracyInput, unit: Some("%"), higher_is_better: true);
