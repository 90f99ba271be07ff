//! Cross-entropy of classes that are shared among ranks.

use super::cross_entropy::CrossEntropyLoss;
use crate::engine::any_rank::AnyRank;
use crate::engine::values::AnyTarget;
use crate::loss::LossParts;
use crate::loss::call::{Call, LossOutput};
use crate::loss::exchange::Shard;
use crate::loss::sharded::evaluate_sharded;
use crate::spec::request::Returns;
use crate::targets::rank::Unreduced;
use crate::targets::{ClassAxisTarget, ClassIds};
use crate::validate::check::Check;
use crate::validate::error::{LossError, or_panic};
use burn::tensor::Tensor;

/// # Classes that are shared among ranks
///
/// The calls of each rank, with the logits of its own classes; [`distributed`](crate::distributed) says how. All ranks get the
/// same loss, and the gradient of their own logits.
impl CrossEntropyLoss {
    /// The reduced loss, of shape `[1]`, of logits of the classes of this rank, and ids of all classes.
    ///
    /// # Panics
    ///
    /// With the error's text where [`try_forward_sharded`](Self::try_forward_sharded) returns one.
    #[track_caller]
    pub fn forward_sharded<const D: usize, T: ClassIds<D>>(
        &self,
        logits: Tensor<D>,
        ids: T,
        shard: Shard,
    ) -> Tensor<1> {
        or_panic(self.reduced_sharded(logits.into(), ids.erased(), shard, false))
    }

    /// The reduced loss of logits of the classes of this rank, or what is wrong with the call.
    ///
    /// # Errors
    ///
    /// What the page of the loss says; a shard that is empty, or goes beyond the classes; shards of the ranks that leave a gap,
    /// overlap, or are not in the order of the ranks; targets that are not the same on all ranks; and what the exchange says,
    /// such as a rank that is gone. An error of one rank is one on all others, which say whose it is.
    pub fn try_forward_sharded<const D: usize, T: ClassIds<D>>(
        &self,
        logits: Tensor<D>,
        ids: T,
        shard: Shard,
    ) -> Result<Tensor<1>, LossError> {
        self.reduced_sharded(logits.into(), ids.erased(), shard, true)
    }

    /// The loss of each sample, of logits of the classes of this rank.
    ///
    /// # Panics
    ///
    /// As [`forward_sharded`](Self::forward_sharded).
    #[track_caller]
    pub fn forward_sharded_no_reduction<const D: usize, T: ClassIds<D>>(
        &self,
        logits: Tensor<D>,
        ids: T,
        shard: Shard,
    ) -> <T as ClassAxisTarget<D>>::PerSample {
        let call = Call::new(false, Returns::Unreduced);
        let found = or_panic(self.sharded(logits.into(), ids.erased(), shard, call));
        Unreduced::from_flat(found.value, found.shape)
    }

    /// The loss of each sample, of logits of the classes of this rank, or what is wrong with the call.
    ///
    /// # Errors
    ///
    /// As [`try_forward_sharded`](Self::try_forward_sharded).
    pub fn try_forward_sharded_no_reduction<const D: usize, T: ClassIds<D>>(
        &self,
        logits: Tensor<D>,
        ids: T,
        shard: Shard,
    ) -> Result<<T as ClassAxisTarget<D>>::PerSample, LossError> {
        let call = Call::new(true, Returns::Unreduced);
        let found = self.sharded(logits.into(), ids.erased(), shard, call)?;
        Ok(Unreduced::from_flat(found.value, found.shape))
    }

    /// The sum of the losses and of their weights, of which the mean over several batches is made, of logits of the classes of
    /// this rank.
    ///
    /// # Panics
    ///
    /// As [`forward_sharded`](Self::forward_sharded).
    #[track_caller]
    pub fn forward_sharded_parts<const D: usize, T: ClassIds<D>>(
        &self,
        logits: Tensor<D>,
        ids: T,
        shard: Shard,
    ) -> LossParts {
        let call = Call::new(false, Returns::SumAndWeight);
        let found = self.sharded(logits.into(), ids.erased(), shard, call);
        LossParts::of(or_panic(found))
    }

    /// As [`forward_sharded_parts`](Self::forward_sharded_parts), or what is wrong with the call.
    ///
    /// # Errors
    ///
    /// As [`try_forward_sharded`](Self::try_forward_sharded).
    pub fn try_forward_sharded_parts<const D: usize, T: ClassIds<D>>(
        &self,
        logits: Tensor<D>,
        ids: T,
        shard: Shard,
    ) -> Result<LossParts, LossError> {
        let call = Call::new(true, Returns::SumAndWeight);
        let found = self.sharded(logits.into(), ids.erased(), shard, call)?;
        Ok(LossParts::of(found))
    }

    fn reduced_sharded(
        &self,
        logits: AnyRank,
        ids: AnyTarget,
        shard: Shard,
        waiting: bool,
    ) -> Result<Tensor<1>, LossError> {
        let call = Call::new(waiting, Returns::Reduced(self.config().reduction));
        Ok(self.sharded(logits, ids, shard, call)?.value)
    }

    fn sharded(
        &self,
        logits: AnyRank,
        ids: AnyTarget,
        shard: Shard,
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let check = Check::new(Self::NAME, &logits.device(), call.waiting);
        evaluate_sharded(&check, &self.options(), logits, ids, &shard, call)
    }
}
