//! The Kullback-Leibler divergence.

use super::classes::{probabilities, probability_entries};
use super::not_normalised;
use crate::error::{Lint, LossError};
use crate::kernels::portable::{pointwise, untracked};
use crate::kernels::real::Real;
use crate::loss::{Evaluate, Evaluation};
use crate::module::loss_module;
use crate::reduction::Reduction;
use crate::target::check::{self, Check};
use alloc::vec::Vec;
use burn::config::Config;
use burn::module::Module;
use burn::tensor::Tensor;

/// Configuration of [`KlDivLoss`].
#[derive(Config, Debug, PartialEq)]
#[non_exhaustive]
pub struct KlDivLossConfig {
    /// Whether the target holds log-probabilities.
    #[config(default = false)]
    pub log_target: bool,
    /// The axis along which the target's probabilities sum to 1; with `None` that is not checked.
    #[config(default = "Some(1)")]
    pub class_axis: Option<usize>,
    /// How the losses are reduced. The batch mean is the divergence of the average sample.
    #[config(default = "Reduction::BatchMean")]
    pub reduction: Reduction,
}

impl KlDivLossConfig {
    fn validate(&self) -> Result<(), LossError> {
        match self.class_axis {
            Some(axis) => check::positive_class_axis("KlDivLoss", axis),
            None => Ok(()),
        }
    }
}

/// The Kullback-Leibler divergence of a predicted distribution from a target distribution.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct KlDivLoss {
    #[module(skip)]
    config: KlDivLossConfig,
}

loss_module!(KlDivLoss, KlDivLossConfig);

/// `y (ln y - x)`, and 0 where `y` is 0, whatever `x` is there.
pub(crate) fn kl_div<R: Real>(x: R, y: R) -> (R, R) {
    let y = y.at_least(0.0);
    let absent = y.equals(0.0);
    let ln_y = y.clone().set(absent, 1.0).ln();
    ((ln_y - x).times_or_zero(y.clone()), -y)
}

/// `e^y (y - x)`, for a target given as a log-probability; 0 where that is -inf.
pub(crate) fn kl_div_log_target<R: Real>(x: R, y: R) -> (R, R) {
    let probability = y.clone().exp();
    let absent = probability.equals(0.0);
    let y = y.set(absent, 0.0);
    ((y - x).times_or_zero(probability.clone()), -probability)
}

impl<const D: usize> Evaluate<(Tensor<D>, Tensor<D>)> for KlDivLoss {
    type Unreduced = Tensor<D>;
    const NAME: &'static str = "KlDivLoss";

    fn reduction(&self) -> Reduction {
        self.config.reduction
    }

    fn evaluate(
        &self,
        (log_probs, targets): (Tensor<D>, Tensor<D>),
        waiting: bool,
    ) -> Result<Evaluation, LossError> {
        let device = log_probs.device();
        let shape = log_probs.shape();
        let check = Check::new("KlDivLoss", &device, waiting);
        check.dtype(&device, log_probs.dtype())?;
        check.device("log_probs", &device, "targets", &targets.device())?;
        check.untracked("targets", &targets)?;
        check.at_least_rank_2(D, "a distribution needs a batch axis and a class axis")?;
        check.same_shape("log_probs", &shape, "targets", &targets.shape())?;
        let axis = self.config.class_axis;
        if let Some(axis) = axis {
            check.class_axis(axis, &shape)?;
        }
        let targets = targets.inner();
        let valid = match (self.config.log_target, axis) {
            (true, _) => check.log_target(&targets, axis)?,
            (false, Some(axis)) => probabilities(&check, &targets, axis)?,
            (false, None) => probability_entries(&check, &targets)?,
        };
        // A rule for rows makes the whole row invalid.
        let valid = valid.map(|valid| valid.expand(log_probs.dims()));

        let x = untracked(&log_probs);
        check.log_probs("log_probs", &x)?;
        let y = untracked(&targets).cast(x.dtype());
        let terms = match self.config.log_target {
            true => kl_div_log_target(x, y),
            false => kl_div(x, y),
        };
        let values = pointwise(terms, valid, [(&log_probs, 1.0)]);
        Ok(Evaluation::unweighted(values, &log_probs))
    }

    fn inspect(&self, (log_probs, _): (Tensor<D>, Tensor<D>)) -> Vec<Lint> {
        let axis = self.config.class_axis;
        let lint = axis.and_then(|axis| not_normalised("KlDivLoss", &log_probs, axis));
        Vec::from_iter(lint)
    }
}
