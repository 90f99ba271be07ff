//! The hinge loss of the difference of two scores.

use super::{signs, single_sign};
use crate::error::{Lint, LossError};
use crate::kernels::portable::{pointwise, untracked};
use crate::kernels::real::Real;
use crate::loss::{Evaluate, Evaluation};
use crate::module::loss_module;
use crate::reduction::Reduction;
use crate::target::SignTarget;
use crate::target::check::{Check, hyper_parameter};
use alloc::vec::Vec;
use burn::config::Config;
use burn::module::Module;
use burn::tensor::Tensor;

/// Configuration of [`MarginRankingLoss`].
#[derive(Config, Debug, PartialEq)]
#[non_exhaustive]
pub struct MarginRankingLossConfig {
    /// By how much the better score should at least lead.
    #[config(default = 0.0)]
    pub margin: f64,
    /// How the losses are reduced.
    #[config(default = "Reduction::Mean")]
    pub reduction: Reduction,
}

impl MarginRankingLossConfig {
    fn validate(&self) -> Result<(), LossError> {
        hyper_parameter(
            "MarginRankingLoss",
            "margin",
            self.margin,
            |_| true,
            "finite",
        )
    }
}

/// The hinge loss of the difference of two scores, one of which should be higher.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct MarginRankingLoss {
    #[module(skip)]
    config: MarginRankingLossConfig,
}

loss_module!(MarginRankingLoss, MarginRankingLossConfig);

/// `max(0, -y (first - second) + margin)`, and the derivative with respect to `first`; that with
/// respect to `second` is the negative one. At the corner both are 0.
pub(crate) fn margin_ranking<R: Real>(first: R, second: R, y: R, margin: f64) -> (R, R) {
    let gap = ((second - first) * y.clone()).plus(margin);
    let zero = y.clone() - y.clone();
    let slope = zero.replace(gap.above(0.0), -y);
    (gap.at_least(0.0), slope)
}

impl<const D: usize, T: SignTarget<D>> Evaluate<(Tensor<D>, Tensor<D>, T)> for MarginRankingLoss {
    type Unreduced = Tensor<D>;
    const NAME: &'static str = "MarginRankingLoss";

    fn reduction(&self) -> Reduction {
        self.config.reduction
    }

    fn evaluate(
        &self,
        (first, second, targets): (Tensor<D>, Tensor<D>, T),
        waiting: bool,
    ) -> Result<Evaluation, LossError> {
        let device = first.device();
        let check = Check::new("MarginRankingLoss", &device, waiting);
        check.device("first", &device, "second", &second.device())?;
        check.same_shape("first", &first.shape(), "second", &second.shape())?;
        let (y, valid) = signs(&check, "first", &first, targets)?;
        let x = untracked(&first);
        let other = untracked(&second).cast(x.dtype());
        let terms = margin_ranking(x, other, y, self.config.margin);
        let losses = pointwise(terms, valid, [(&first, 1.0), (&second, -1.0)]);
        Ok(Evaluation::unweighted(losses, &first))
    }

    fn inspect(&self, (_, _, targets): (Tensor<D>, Tensor<D>, T)) -> Vec<Lint> {
        Vec::from_iter(single_sign("MarginRankingLoss", targets))
    }
}
