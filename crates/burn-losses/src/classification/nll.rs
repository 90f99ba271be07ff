//! The negative log-likelihood of a class.

use super::classes::{Coefficients, Options, classes, nll_term};
use super::{not_normalised, single_class};
use crate::error::{Lint, LossError};
use crate::kernels::portable::untracked;
use crate::loss::{Evaluate, Evaluation};
use crate::module::loss_module;
use crate::reduction::Reduction;
use crate::target::check::{self, Check};
use crate::target::{ClassAxisTarget, ClassIds, Classes};
use alloc::vec::Vec;
use burn::config::Config;
use burn::module::Module;
use burn::tensor::Tensor;

/// Configuration of [`NllLoss`].
#[derive(Config, Debug, PartialEq)]
#[non_exhaustive]
pub struct NllLossConfig {
    /// A weight for each class: finite, at least 0.
    pub weights: Option<Vec<f64>>,
    /// The ids that mark a sample as not to be counted. There is none by default.
    #[config(default = "Vec::new()")]
    pub ignore_indices: Vec<i64>,
    /// The axis of the input that holds the classes.
    #[config(default = 1)]
    pub class_axis: usize,
    /// How the losses are reduced.
    #[config(default = "Reduction::Mean")]
    pub reduction: Reduction,
}

impl NllLossConfig {
    /// Adds an id that marks a sample as not to be counted.
    pub fn with_ignore_index(mut self, id: i64) -> Self {
        self.ignore_indices.push(id);
        self
    }

    fn validate(&self) -> Result<(), LossError> {
        check::weights("NllLoss", "weights", self.weights.as_ref())?;
        check::positive_class_axis("NllLoss", self.class_axis)
    }
}

/// The negative log-likelihood of the target class, from log-probabilities.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct NllLoss {
    #[module(skip)]
    config: NllLossConfig,
}

loss_module!(NllLoss, NllLossConfig);

impl NllLoss {
    fn options(&self) -> Options<'_> {
        Options {
            loss: "NllLoss",
            weights: self.config.weights.as_ref(),
            ignored: &self.config.ignore_indices,
            label_smoothing: 0.0,
            class_axis: self.config.class_axis,
        }
    }
}

impl<const D: usize, T: ClassIds<D>> Evaluate<(Tensor<D>, T)> for NllLoss {
    type Unreduced = <T as ClassAxisTarget<D>>::PerSample;
    const NAME: &'static str = "NllLoss";

    fn reduction(&self) -> Reduction {
        self.config.reduction
    }

    fn evaluate(
        &self,
        (log_probs, targets): (Tensor<D>, T),
        waiting: bool,
    ) -> Result<Evaluation, LossError> {
        let options = self.options();
        let check = Check::new("NllLoss", &log_probs.device(), waiting);
        let targets = classes(&check, &options, "log_probs", &log_probs, targets)?;
        let x = untracked(&log_probs);
        let coefficients = Coefficients::new(&check, &options, &x, targets)?;
        check.log_probs("log_probs", &x)?;
        let terms = nll_term(x, coefficients.q.clone());
        Ok(coefficients.evaluation(&log_probs, options.class_axis, terms))
    }

    fn inspect(&self, (log_probs, targets): (Tensor<D>, T)) -> Vec<Lint> {
        let axis = self.config.class_axis;
        let mut lints = Vec::new();
        lints.extend(not_normalised("NllLoss", &log_probs, axis));
        if let Classes::Ids(ids) = targets.into_classes(axis) {
            lints.extend(single_class("NllLoss", ids));
        }
        lints
    }
}
