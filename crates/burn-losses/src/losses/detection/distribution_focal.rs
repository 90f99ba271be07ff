//! Cross-entropy of a distribution over places and a place between two of them.

use crate::engine::any_rank::AnyRank;
use crate::engine::host::distribution::BetweenClasses;
use crate::engine::rows::RowSpec;
use crate::engine::shape::without;
use crate::engine::values::{AnyTarget, FlatValues};
use crate::loss::Evaluate;
use crate::loss::call::{Call, LossOutput};
use crate::loss::rows::evaluate;
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::reduction::Reduction;
use crate::spec::row::RowTarget;
use crate::spec::rule::Rule;
use crate::targets::Readable;
use crate::targets::rank::LowerRank;
use crate::validate::check::{Check, dims};
use crate::validate::error::{Lint, LossError, LossErrorKind};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use burn::module::Module;
use burn::tensor::{FloatDType, Tensor};

loss_config! {
    /// Configuration of [`DistributionFocalLoss`].
    pub struct DistributionFocalLossConfig {
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

impl DistributionFocalLossConfig {
    fn validate(&self) -> Result<(), LossError> {
        Ok(())
    }
}

/// Distribution focal.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct DistributionFocalLoss {
    #[module(skip)]
    config: DistributionFocalLossConfig,
}

loss_module!(DistributionFocalLoss, DistributionFocalLossConfig, Loss [logits, targets]);

impl DistributionFocalLoss {
    fn losses(
        &self,
        logits: AnyRank,
        targets: AnyTarget,
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let check = Check::new(Self::NAME, &logits.device(), call.waiting);
        let shape = logits.shape();
        let axis = shape.num_dims() - 1;
        check.dtype(&logits.device(), logits.dtype())?;
        check.device("logits", &logits.device(), "targets", &targets.device)?;
        check.untracked("targets", &targets)?;
        if shape[axis] < 2 {
            let message = format!(
                "logits {} have {} bin along the last axis, so there is nothing between two: give one more than the largest \
                 distance.",
                dims(&shape),
                shape[axis]
            );
            return Err(check.error(LossErrorKind::Shape, message));
        }
        let expected = without(&shape, axis);
        if targets.shape != expected {
            let message = format!(
                "logits {} with the bins on the last axis need targets of shape {}, but they have {}: a place for each row.",
                dims(&shape),
                dims(&expected),
                dims(&targets.shape)
            );
            return Err(check.error(LossErrorKind::Shape, message));
        }
        let rule = Rule::between(0.0, (shape[axis] - 1) as f64);
        let target = RowTarget::Numbers(targets.values, rule);
        let spec = RowSpec::new(Arc::new(BetweenClasses), axis, target);
        evaluate(&check, spec, [logits], call)
    }
}

impl<const D: usize> Evaluate<(Tensor<D>, <Tensor<D> as LowerRank>::Lower)>
    for DistributionFocalLoss
where
    Tensor<D>: LowerRank,
    <Tensor<D> as LowerRank>::Lower: Readable,
{
    type Unreduced = <Tensor<D> as LowerRank>::Lower;

    fn evaluate(
        &self,
        (logits, targets): (Tensor<D>, <Tensor<D> as LowerRank>::Lower),
        call: Call,
    ) -> Result<LossOutput, LossError> {
        self.losses(logits.into(), targets.erased(), call)
    }

    fn inspect(&self, (_, targets): (Tensor<D>, <Tensor<D> as LowerRank>::Lower)) -> Vec<Lint> {
        let FlatValues::Float(targets) = targets.erased().values else {
            return Vec::new();
        };
        let values = AnyRank::from(targets.cast(FloatDType::F32)).values();
        let parts = values.len() > 1 && values.iter().all(|&place| place <= 1.0);
        let suspicion = parts.then(|| Lint {
            loss: Self::NAME,
            rule: "not-in-bins",
            message: format!(
                "all {} targets are at most 1: are they parts of the image, and not numbers of bins? Divide distances in pixels \
                 by the stride.",
                values.len()
            ),
        });
        suspicion.into_iter().collect()
    }
}
