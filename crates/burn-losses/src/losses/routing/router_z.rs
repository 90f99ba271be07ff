//! The z-loss of a router.

use super::check_router;
use crate::engine::any_rank::AnyRank;
use crate::engine::shape::without;
use crate::engine::softmax::erase_head;
use crate::engine::values::{AnyTarget, FlatValues};
use crate::loss::Evaluate;
use crate::loss::call::{Call, LossOutput};
use crate::loss::classes::{ClassInput, Options, evaluate};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::real::Real;
use crate::spec::reduction::Reduction;
use crate::spec::softmax::SoftmaxHead;
use crate::targets::rank::LowerRank;
use crate::validate::check::Check;
use crate::validate::error::{Lint, LossError};
use alloc::vec::Vec;
use burn::tensor::Tensor;

loss_config! {
    /// Configuration of [`RouterZLoss`].
    pub struct RouterZLossConfig {
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

/// The z-loss of a router: the square of the logarithm of the sum of the exponentials of a token's logits.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/router_z.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// z        = ln sum over e of exp x[e]     x[e]: a token's logit of expert e
/// loss     = z^2
/// gradient = 2 z softmax(x)[e]
/// ```
///
/// </details>
///
/// # Character
///
/// It keeps the logits of a router from growing, which is where the softmax of a mixture of experts in half precision loses
/// its digits and training breaks down. The largest logits are drawn to where the exponentials sum to 1, so a router that is
/// sure pays only for being sure by large numbers. **Add it times a small number, 0.001 in the paper**, to the loss of the
/// task; of several layers, add it for each.
///
/// What the softmax gives does not change when all logits move together; this loss does, and picks one of these. Its size is
/// the square of the logits', in `f16` beyond the range from logits of 256 on. On a GPU it is a kernel of its own,
/// for experts along the last axis as they are here.
///
/// The same of the logits of a classifier or language model is `z_loss` of
/// [`CrossEntropyLoss`](crate::classification::CrossEntropyLoss), in the same pass as that.
///
/// # Target
///
/// **None.** The input is the router's logits, **before the softmax**: that of probabilities is nearly constant, which
/// [`lint`](crate::Loss::lint) tells, and nobody sees in the value. Where padding should not count, give a mask of the tokens
/// to [`forward_weighted`](crate::Loss::forward_weighted).
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// // Two tokens, three experts.
/// let logits = Tensor::<2>::from_data([[2., 0., 0.], [-1., -1., -1.]], &device);
///
/// let value = RouterZLoss::new().forward(logits.clone());
/// assert!((value.into_scalar::<f32>() - 2.512643).abs() < 1e-5);
///
/// // The second token is padding.
/// let mask = Tensor::<1>::from_data([1., 0.], &device);
/// let value = RouterZLoss::new().forward_weighted(logits, mask);
/// assert!((value.into_scalar::<f32>() - 5.015561).abs() < 1e-5);
/// ```
///
/// # Shapes
///
/// * logits: `[.., E]`, rank 2 to 6; the experts along the last axis
/// * unreduced: that shape without the last axis
///
/// # Errors
///
/// * A single expert.
/// * A float type that the device cannot compute with.
///
/// Any logits are valid, so no values are read. A logit of `-inf` is an expert that cannot be chosen.
///
/// # Other libraries
///
/// * `router_z_loss_func` of transformers' Switch Transformers has the same values and gradients, of logits
///   `[groups, tokens, experts]`.
/// * Megatron's `z_loss_func` is the same times its coefficient.
///
/// # Reference
///
/// Zoph et al., *ST-MoE: Designing Stable and Transferable Sparse Expert Models*, 2022,
/// [arXiv:2202.08906](https://arxiv.org/abs/2202.08906), equation 5.
#[doc(alias = "z-loss")]
#[doc(alias = "router_z_loss_func")]
#[doc(alias = "mixture of experts")]
#[doc(alias = "MoE")]
#[derive(Clone, Debug)]
pub struct RouterZLoss {
    config: RouterZLossConfig,
}

loss_module!(RouterZLoss, RouterZLossConfig, Inputs[logits]);

/// The square alone, whichever class is asked for.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct SquareOfSum;

impl SoftmaxHead for SquareOfSum {
    #[inline(always)]
    fn of<R: Real>(&self, _: R, _: R, _: R, lse: R) -> (R, R, R) {
        let slope = lse.clone().times(2.0);
        (lse.clone() * lse.clone(), lse.like(0.0), slope)
    }
}

impl RouterZLoss {
    fn losses(&self, logits: AnyRank, call: Call) -> Result<LossOutput, LossError> {
        let (shape, device) = (logits.shape(), logits.device());
        let check = Check::new(Self::NAME, &device, call.waiting);
        check_router(&check, &logits)?;
        let last = shape.num_dims() - 1;
        let tokens = without(&shape, last);
        let inner = device.clone().without_autodiff();
        let any_expert = Tensor::zeros([tokens.num_elements()], &inner);
        let targets = AnyTarget {
            values: FlatValues::Int(any_expert),
            shape: tokens,
            device,
            is_tracked: false,
        };
        let options = Options {
            head: Some(erase_head(SquareOfSum)),
            ..Options::new(Self::NAME, last)
        };
        evaluate(&check, &options, ClassInput::Logits, logits, targets, call)
    }
}

impl<const D: usize> Evaluate<(Tensor<D>,)> for RouterZLoss
where
    Tensor<D>: LowerRank,
{
    type Unreduced = <Tensor<D> as LowerRank>::Lower;

    fn evaluate(&self, (logits,): (Tensor<D>,), call: Call) -> Result<LossOutput, LossError> {
        self.losses(logits.into(), call)
    }

    fn inspect(&self, (logits,): (Tensor<D>,)) -> Vec<Lint> {
        Vec::from_iter(super::is_normalized(Self::NAME, &logits.into()))
    }
}
