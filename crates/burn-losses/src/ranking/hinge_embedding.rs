//! The hinge loss of distances.

use super::{signs, single_sign};
use crate::error::{Lint, LossError};
use crate::kernels::portable::{pointwise, untracked};
use crate::kernels::real::Real;
use crate::loss::{Evaluate, Evaluation};
use crate::module::loss_module;
use crate::reduction::Reduction;
use crate::target::SignTarget;
use crate::target::check::{Check, hyper_parameter, values};
use alloc::format;
use alloc::vec::Vec;
use burn::config::Config;
use burn::module::Module;
use burn::tensor::Tensor;

/// Configuration of [`HingeEmbeddingLoss`].
#[derive(Config, Debug, PartialEq)]
#[non_exhaustive]
pub struct HingeEmbeddingLossConfig {
    /// How far apart an unlike pair should at least be.
    #[config(default = 1.0)]
    pub margin: f64,
    /// How the losses are reduced.
    #[config(default = "Reduction::Mean")]
    pub reduction: Reduction,
}

impl HingeEmbeddingLossConfig {
    fn validate(&self) -> Result<(), LossError> {
        hyper_parameter(
            "HingeEmbeddingLoss",
            "margin",
            self.margin,
            |_| true,
            "finite",
        )
    }
}

/// The hinge loss of distances: like pairs are pulled together, unlike ones pushed apart.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct HingeEmbeddingLoss {
    #[module(skip)]
    config: HingeEmbeddingLossConfig,
}

loss_module!(HingeEmbeddingLoss, HingeEmbeddingLossConfig);

/// `x` for a like pair, `max(0, margin - x)` for an unlike one; the derivative at the corner is 0.
pub(crate) fn hinge_embedding<R: Real>(x: R, sign: R, margin: f64) -> (R, R) {
    let gap = (-x.clone()).plus(margin);
    let zero = sign.clone() - sign.clone();
    let slope = zero.set(gap.above(0.0), -1.0);
    let alike = sign.above(0.0);
    (
        gap.at_least(0.0).replace(alike.clone(), x),
        slope.set(alike, 1.0),
    )
}

impl<const D: usize, T: SignTarget<D>> Evaluate<(Tensor<D>, T)> for HingeEmbeddingLoss {
    type Unreduced = Tensor<D>;
    const NAME: &'static str = "HingeEmbeddingLoss";

    fn reduction(&self) -> Reduction {
        self.config.reduction
    }

    fn evaluate(
        &self,
        (distances, targets): (Tensor<D>, T),
        waiting: bool,
    ) -> Result<Evaluation, LossError> {
        let check = Check::new("HingeEmbeddingLoss", &distances.device(), waiting);
        let (y, valid) = signs(&check, "distances", &distances, targets)?;
        let terms = hinge_embedding(untracked(&distances), y, self.config.margin);
        let losses = pointwise(terms, valid, [(&distances, 1.0)]);
        Ok(Evaluation::unweighted(losses, &distances))
    }

    fn inspect(&self, (distances, targets): (Tensor<D>, T)) -> Vec<Lint> {
        let mut lints = Vec::from_iter(single_sign("HingeEmbeddingLoss", targets));
        if let Some(negative) = values(&distances).into_iter().find(|&value| value < 0.0) {
            lints.push(Lint {
                loss: "HingeEmbeddingLoss",
                rule: "negative-distance",
                message: format!(
                    "the input holds {negative}, and a distance is never negative: this loss takes \
                     distances of pairs (`pairwise_distance`), not embeddings or scores."
                ),
            });
        }
        lints
    }
}
