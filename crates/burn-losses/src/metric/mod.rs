//! Metrics for Burn's training loop that count what a loss counts.
//!
//! Burn's `LossMetric` weighs a batch by the length of the tensor it is given, and its `AccuracyMetric` leaves out one id,
//! which must not be negative. Where ids are ignored, samples weighted or places masked, a batch counts for something
//! else: these metrics add up what was counted, and divide last.
//!
//! A training step returns a [`MaskedClassificationOutput`], or an output of its own that is an `ItemLazy` (whose error is
//! `burn::backend::ExecutionError`) and has an `Adaptor` for the input of each metric:
//!
//! ```
//! use burn::nn::Linear;
//! use burn::prelude::*;
//! use burn::train::{InferenceStep, TrainOutput, TrainStep};
//! use burn_losses::metric::{MaskedAccuracyInput, MaskedClassificationOutput};
//! use burn_losses::prelude::*;
//!
//! #[derive(Module, Debug)]
//! struct Tagger {
//!     linear: Linear,
//!     /// With `with_ignore_index(-1)`, for what is padding.
//!     loss: CrossEntropyLoss,
//! }
//!
//! impl Tagger {
//!     fn output(&self, (words, tags): (Tensor<3>, Tensor<2, Int>)) -> MaskedClassificationOutput {
//!         // [batch, length, tags] and [batch, length] as one sample for each word.
//!         let (logits, tags) = target::flatten(self.linear.forward(words), tags);
//!         let parts = self.loss.forward_parts(logits.clone(), tags.clone());
//!         MaskedClassificationOutput::new(parts, MaskedAccuracyInput::new(logits, tags))
//!     }
//! }
//!
//! impl TrainStep for Tagger {
//!     type Input = (Tensor<3>, Tensor<2, Int>);
//!     type Output = MaskedClassificationOutput;
//!
//!     fn step(&self, batch: Self::Input) -> TrainOutput<Self::Output> {
//!         let output = self.output(batch);
//!         TrainOutput::new(self, output.parts.mean().backward(), output)
//!     }
//! }
//!
//! impl InferenceStep for Tagger {
//!     type Input = (Tensor<3>, Tensor<2, Int>);
//!     type Output = MaskedClassificationOutput;
//!
//!     fn step(&self, batch: Self::Input) -> Self::Output {
//!         self.output(batch)
//!     }
//! }
//! ```
//!
//! and the training is told of the metrics, and of what the loss ignores:
//!
//! ```
//! # use burn_losses::metric::{LossPartsMetric, MaskedAccuracyMetric};
//! # use burn_losses::prelude::*;
//! let config = CrossEntropyLossConfig::new().with_ignore_index(-1); // the model's
//! let accuracy = MaskedAccuracyMetric::new().with_ignore_indices(config.ignore_indices.clone());
//! let metrics = (LossPartsMetric::new(), accuracy); // for `SupervisedTraining::metrics`
//! ```

mod accuracy;
mod loss_parts;
mod output;
mod share;

pub use accuracy::{MaskedAccuracyInput, MaskedAccuracyMetric};
pub use loss_parts::LossPartsMetric;
pub use output::MaskedClassificationOutput;
