//! The absolute error.

use crate::error::{Lint, LossError};
use crate::kernels::real::Real;
use crate::loss::{Evaluate, Evaluation};
use crate::module::loss_module;
use crate::reduction::Reduction;
use alloc::vec::Vec;
use burn::config::Config;
use burn::module::Module;
use burn::tensor::Tensor;

/// Configuration of [`L1Loss`].
#[derive(Config, Debug, PartialEq)]
#[non_exhaustive]
pub struct L1LossConfig {
    /// How the losses are reduced.
    #[config(default = "Reduction::Mean")]
    pub reduction: Reduction,
}

impl L1LossConfig {
    fn validate(&self) -> Result<(), LossError> {
        Ok(())
    }
}

/// The absolute error between predictions and targets.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct L1Loss {
    #[module(skip)]
    config: L1LossConfig,
}

loss_module!(L1Loss, L1LossConfig);

/// `|x - y|`; the derivative at `x = y` is 0.
pub(crate) fn l1<R: Real>(x: R, y: R) -> (R, R) {
    let error = x - y;
    (error.clone().abs(), error.sign())
}

impl<const D: usize> Evaluate<(Tensor<D>, Tensor<D>)> for L1Loss {
    type Unreduced = Tensor<D>;
    const NAME: &'static str = "L1Loss";

    fn reduction(&self) -> Reduction {
        self.config.reduction
    }

    fn evaluate(
        &self,
        (predictions, targets): (Tensor<D>, Tensor<D>),
        waiting: bool,
    ) -> Result<Evaluation, LossError> {
        super::evaluate("L1Loss", predictions, targets, waiting, l1)
    }

    fn inspect(&self, (_, targets): (Tensor<D>, Tensor<D>)) -> Vec<Lint> {
        super::inspect("L1Loss", &targets)
    }
}
