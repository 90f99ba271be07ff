//! The squared error.

use crate::error::{Lint, LossError};
use crate::kernels::real::Real;
use crate::loss::{Evaluate, Evaluation};
use crate::module::loss_module;
use crate::reduction::Reduction;
use alloc::vec::Vec;
use burn::config::Config;
use burn::module::Module;
use burn::tensor::Tensor;

/// Configuration of [`MseLoss`].
#[derive(Config, Debug, PartialEq)]
#[non_exhaustive]
pub struct MseLossConfig {
    /// How the losses are reduced.
    #[config(default = "Reduction::Mean")]
    pub reduction: Reduction,
}

impl MseLossConfig {
    fn validate(&self) -> Result<(), LossError> {
        Ok(())
    }
}

/// The squared error between predictions and targets.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct MseLoss {
    #[module(skip)]
    config: MseLossConfig,
}

loss_module!(MseLoss, MseLossConfig);

/// `(x - y)^2`.
pub(crate) fn mse<R: Real>(x: R, y: R) -> (R, R) {
    let error = x - y;
    (error.clone() * error.clone(), error.times(2.0))
}

impl<const D: usize> Evaluate<(Tensor<D>, Tensor<D>)> for MseLoss {
    type Unreduced = Tensor<D>;
    const NAME: &'static str = "MseLoss";

    fn reduction(&self) -> Reduction {
        self.config.reduction
    }

    fn evaluate(
        &self,
        (predictions, targets): (Tensor<D>, Tensor<D>),
        waiting: bool,
    ) -> Result<Evaluation, LossError> {
        super::evaluate("MseLoss", predictions, targets, waiting, mse)
    }

    fn inspect(&self, (_, targets): (Tensor<D>, Tensor<D>)) -> Vec<Lint> {
        super::inspect("MseLoss", &targets)
    }
}
