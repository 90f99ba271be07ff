//! How the losses of a batch become one number.

use burn::nn::loss::Reduction as BurnReduction;
use serde::{Deserialize, Serialize};

/// How the losses of a batch become one number.
///
/// It is defined on the unreduced losses and the *weight* with which each of them counts: 1, or the
/// weight of the target's class, or 0 for an ignored target; and times the sample's weight in
/// [`forward_weighted`](crate::Loss::forward_weighted).
///
/// Each of them gives 0, with a zero gradient, for an empty batch.
///
/// In a file it may be in lower case too: `"mean"`, `"sum"`, `"batch_mean"` or PyTorch's `"batchmean"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Reduction {
    /// The sum of the losses over the sum of the weights; 0, with a zero gradient, where that is 0. How
    /// large the weights are does not matter, only what share of their sum each is.
    ///
    /// It is finite where its exact value is, though a single loss may not be, if the loss is linear in its
    /// error; for losses over elements in `f32` on a CPU, also if it is not. (Distances of vectors are at most
    /// the largest number.)
    #[default]
    #[serde(alias = "mean")]
    Mean,
    /// The sum of the losses.
    #[serde(alias = "sum")]
    Sum,
    /// The sum of the losses over the size of axis 0, ignored samples included.
    #[serde(alias = "batch_mean", alias = "batchmean")]
    BatchMean,
}

/// Burn's `Auto` becomes `Mean`; for Burn's KL divergence alone it stands for `BatchMean`.
impl From<BurnReduction> for Reduction {
    fn from(reduction: BurnReduction) -> Self {
        match reduction {
            BurnReduction::Mean | BurnReduction::Auto => Self::Mean,
            BurnReduction::Sum => Self::Sum,
            BurnReduction::BatchMean => Self::BatchMean,
        }
    }
}

impl From<Reduction> for BurnReduction {
    fn from(reduction: Reduction) -> Self {
        match reduction {
            Reduction::Mean => Self::Mean,
            Reduction::Sum => Self::Sum,
            Reduction::BatchMean => Self::BatchMean,
        }
    }
}
