//! Cross-entropy of a softmax.

use super::classes::{Coefficients, Options, classes, cross_entropy_term};
use super::{looks_like_probabilities, single_class};
use crate::error::{Lint, LossError};
use crate::kernels::portable::{Softmax, untracked};
use crate::loss::{Evaluate, Evaluation};
use crate::module::loss_module;
use crate::reduction::Reduction;
use crate::target::check::{self, Check};
use crate::target::{ClassAxisTarget, ClassTarget, Classes};
use alloc::string::ToString;
use alloc::vec::Vec;
use burn::config::Config;
use burn::module::Module;
use burn::tensor::Tensor;

/// Configuration of [`CrossEntropyLoss`].
#[derive(Config, Debug, PartialEq)]
#[non_exhaustive]
pub struct CrossEntropyLossConfig {
    /// A weight for each class: finite, at least 0.
    pub weights: Option<Vec<f64>>,
    /// The ids that mark a sample as not to be counted. There is none by default.
    #[config(default = "Vec::new()")]
    pub ignore_indices: Vec<i64>,
    /// The share of the target that is spread evenly over all classes, from 0 to 1.
    #[config(default = 0.0)]
    pub label_smoothing: f64,
    /// The axis of the input that holds the classes.
    #[config(default = 1)]
    pub class_axis: usize,
    /// How the losses are reduced.
    #[config(default = "Reduction::Mean")]
    pub reduction: Reduction,
}

impl CrossEntropyLossConfig {
    /// Adds an id that marks a sample as not to be counted.
    pub fn with_ignore_index(mut self, id: i64) -> Self {
        self.ignore_indices.push(id);
        self
    }

    fn validate(&self) -> Result<(), LossError> {
        check::weights("CrossEntropyLoss", "weights", self.weights.as_ref())?;
        check::label_smoothing("CrossEntropyLoss", self.label_smoothing)?;
        check::positive_class_axis("CrossEntropyLoss", self.class_axis)
    }
}

/// The cross-entropy between the softmax of logits and a target class or distribution.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct CrossEntropyLoss {
    #[module(skip)]
    config: CrossEntropyLossConfig,
}

loss_module!(CrossEntropyLoss, CrossEntropyLossConfig);

impl CrossEntropyLoss {
    fn options(&self) -> Options<'_> {
        Options {
            loss: "CrossEntropyLoss",
            weights: self.config.weights.as_ref(),
            ignored: &self.config.ignore_indices,
            label_smoothing: self.config.label_smoothing,
            class_axis: self.config.class_axis,
        }
    }
}

impl<const D: usize, T: ClassTarget<D>> Evaluate<(Tensor<D>, T)> for CrossEntropyLoss {
    type Unreduced = <T as ClassAxisTarget<D>>::PerSample;
    const NAME: &'static str = "CrossEntropyLoss";

    fn reduction(&self) -> Reduction {
        self.config.reduction
    }

    fn evaluate(
        &self,
        (logits, targets): (Tensor<D>, T),
        waiting: bool,
    ) -> Result<Evaluation, LossError> {
        let options = self.options();
        let axis = options.class_axis;
        let check = Check::new("CrossEntropyLoss", &logits.device(), waiting);
        let targets = classes(&check, &options, "logits", &logits, targets)?;
        let x = untracked(&logits);
        let coefficients = Coefficients::new(&check, &options, &x, targets)?;
        let q = coefficients.q.clone();
        let q_of_rest = q.clone().sum_dim(axis) - q.clone();
        let softmax = Softmax::new(x, axis);
        let terms = cross_entropy_term(softmax.log_prob, softmax.prob, softmax.rest, q, q_of_rest);
        Ok(coefficients.evaluation(&logits, axis, terms))
    }

    fn inspect(&self, (logits, targets): (Tensor<D>, T)) -> Vec<Lint> {
        let axis = self.config.class_axis;
        let mut lints = Vec::new();
        if looks_like_probabilities(&logits, axis) {
            lints.push(Lint {
                loss: "CrossEntropyLoss",
                rule: "probabilities-as-logits",
                message:
                    "every row of the logits sums to 1, as after a softmax: this loss applies \
                          the softmax itself, so remove it from the model."
                        .to_string(),
            });
        }
        if let Classes::Ids(ids) = targets.into_classes(axis) {
            lints.extend(single_class("CrossEntropyLoss", ids));
        }
        lints
    }
}
