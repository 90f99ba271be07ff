//! The head of a softmax without its type: what runs it is compiled for it here, and chosen when it is called.

#[cfg(feature = "cube")]
use super::cube::kernel_key::KernelKey;
#[cfg(feature = "cube")]
use super::cube::row_kernel::RowKernel;
#[cfg(feature = "cube")]
use super::cube::softmax::HeadRow;
#[cfg(all(feature = "cube", feature = "std"))]
use super::cube::traced::Traced;
use super::packed::Pack;
use crate::engine::host::head::{DefinedHead, HostHead};
use crate::spec::classes::IdsOrProbs;
use crate::spec::logits::Adjustment;
use crate::spec::rule::Rule;
use crate::spec::softmax::SoftmaxHead;
use alloc::sync::Arc;
use alloc::vec::Vec;
use burn::tensor::Tensor;
use core::fmt::Debug;

/// Any [`SoftmaxHead`].
pub(crate) trait AnySoftmaxHead: HostHead + Debug + Pack {
    fn on_host(&self) -> &dyn HostHead;

    /// As [`SoftmaxHead::of`].
    fn on_tensors(&self, of_class: [Tensor<3>; 4]) -> [Tensor<3>; 3];

    /// As [`SoftmaxHead::of`], in a kernel that is being put together.
    #[cfg(all(feature = "cube", feature = "std"))]
    fn traced<'a>(&self, of_class: [Traced<'a>; 4]) -> [Traced<'a>; 3];

    /// As [`SoftmaxHead::parameters`].
    #[cfg(all(feature = "cube", feature = "std"))]
    fn kernel_parameters(&self) -> &[f64];

    /// What a GPU computes, given how large a gradient may be.
    #[cfg(feature = "cube")]
    fn on_gpu(&self, limit: f64) -> KernelKey<dyn RowKernel>;
}

/// The head without its type.
pub(crate) fn erase_head<H: SoftmaxHead>(head: H) -> Arc<dyn AnySoftmaxHead> {
    Arc::new(DefinedHead(head))
}

impl<H: SoftmaxHead> AnySoftmaxHead for DefinedHead<H> {
    fn on_host(&self) -> &dyn HostHead {
        self
    }

    fn on_tensors(&self, [ln_p, p, rest, lse]: [Tensor<3>; 4]) -> [Tensor<3>; 3] {
        let (loss, of_ln_p, of_lse) = self.0.of(ln_p, p, rest, lse);
        [loss, of_ln_p, of_lse]
    }

    #[cfg(all(feature = "cube", feature = "std"))]
    fn traced<'a>(&self, [ln_p, p, rest, lse]: [Traced<'a>; 4]) -> [Traced<'a>; 3] {
        let (loss, of_ln_p, of_lse) = self.0.of(ln_p, p, rest, lse);
        [loss, of_ln_p, of_lse]
    }

    #[cfg(all(feature = "cube", feature = "std"))]
    fn kernel_parameters(&self) -> &[f64] {
        self.0.parameters()
    }

    #[cfg(feature = "cube")]
    fn on_gpu(&self, limit: f64) -> KernelKey<dyn RowKernel> {
        KernelKey::of_row(HeadRow {
            head: self.0.clone(),
            limit,
        })
    }
}

/// A loss over the classes of each sample.
#[derive(Clone)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct ClassSpec<P> {
    /// The axis of the classes.
    pub(crate) axis: usize,
    pub(crate) target: IdsOrProbs<P>,
    /// The input holds log-probabilities, and this must hold for them; else it holds logits.
    pub(crate) log_probs: Option<Rule>,
    pub(crate) weights: Option<Vec<f64>>,
    /// The weights of the classes are part of what a mean is divided by.
    pub(crate) weights_count: bool,
    pub(crate) label_smoothing: f64,
    /// What is done to the logits first.
    pub(crate) adjustment: Option<Arc<Adjustment>>,
    /// What the square of the logarithm of a sample's sum of exponentials is multiplied by, to be a part of its loss.
    pub(crate) z_loss: f64,
    /// What is computed of the class's probability, if it is not its logarithm. Then the target is ids, and nothing
    /// is smoothed.
    pub(crate) head: Option<Arc<dyn AnySoftmaxHead>>,
}

impl<P> ClassSpec<P> {
    pub(crate) fn map<Q>(self, map: impl FnOnce(P) -> Q) -> ClassSpec<Q> {
        ClassSpec {
            axis: self.axis,
            target: match self.target {
                IdsOrProbs::Ids(ids, ignored) => IdsOrProbs::Ids(map(ids), ignored),
                IdsOrProbs::Probs(probs, rule, tolerance) => {
                    IdsOrProbs::Probs(map(probs), rule, tolerance)
                }
            },
            log_probs: self.log_probs,
            weights: self.weights,
            weights_count: self.weights_count,
            label_smoothing: self.label_smoothing,
            adjustment: self.adjustment,
            z_loss: self.z_loss,
            head: self.head,
        }
    }
}
