//! The load balancing loss of a mixture of experts.

use super::{check_router, is_normalized};
use crate::engine::any_rank::{AnyRank, in_context_of};
use crate::engine::device::is_cpu;
use crate::engine::dtype::compute_dtype;
use crate::engine::portable::ids::{SafeIds, counts};
use crate::engine::portable::tensors::or_nan;
use crate::engine::shape::without;
use crate::engine::values::{AnyTarget, FlatValues};
use crate::loss::Evaluate;
use crate::loss::call::{Call, LossOutput};
use crate::loss::formula::LossFormula;
use crate::loss::overlap::{OverlapOptions, answer, of_no_samples, overlap_sums};
use crate::losses::config::loss_config;
use crate::losses::module::loss_module;
use crate::spec::overlap::{Activation, Overlap};
use crate::spec::reduction::Reduction;
use crate::spec::request::Returns;
use crate::targets::rank::LowerRank;
use crate::targets::{AnyOperand, Readable};
use crate::validate::check::{Check, dims, integers};
use crate::validate::error::{Lint, LossError, LossErrorKind};
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use burn::tensor::{Bool, DType, Device, Int, Shape, Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// What makes probabilities of a router's output, in [`LoadBalanceLoss`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum RouterActivation {
    /// A softmax over the experts. The input is logits.
    #[default]
    #[serde(alias = "softmax")]
    Softmax,
    /// A sigmoid for each expert, over the sum of those of all experts, as in DeepSeek-V3. The input is logits.
    #[serde(alias = "sigmoid")]
    Sigmoid,
    /// Nothing: the input is probabilities already.
    #[serde(alias = "probabilities")]
    Probabilities,
}

/// What the choices of an expert are divided by, in [`LoadBalanceLoss`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum LoadShare {
    /// All choices: the shares of the experts add up to 1, and the loss of a balanced router is 1.
    #[default]
    #[serde(alias = "choices")]
    Choices,
    /// The tokens, each of which has `k` choices: the shares add up to `k`, and the loss of a balanced router is `k`.
    #[serde(alias = "tokens")]
    Tokens,
}

loss_config! {
    /// Configuration of [`LoadBalanceLoss`].
    pub struct LoadBalanceLossConfig {
        /// What makes probabilities of the input.
        pub activation: RouterActivation = RouterActivation::Softmax,
        /// What the choices of an expert are divided by.
        pub share: LoadShare = LoadShare::Choices,
        /// Each entry of the first axis is balanced by itself; else the whole batch is.
        pub per_sequence: bool = false,
        /// The ids that mark a choice as not made. There is none by default.
        pub ignore_indices: Vec<i64> = Vec::new(),
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

impl LoadBalanceLossConfig {
    /// Adds an id that marks a choice as not made.
    pub fn with_ignore_index(mut self, id: i64) -> Self {
        self.ignore_indices.push(id);
        self
    }
}

/// The load balancing loss of a mixture of experts: how unevenly its router uses them.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/load_balance.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// p[t]     = softmax(x[t]), sigmoid(x[t]) / sum over e of sigmoid(x[t][e]), or x[t]     `activation`
/// P[e]     = the mean of p[t][e] over the T tokens
/// f[e]     = the number of choices of e, over that of all choices, or over T             `share`
/// loss     = E sum over e of f[e] P[e]                                                   E: the number of experts
/// gradient = E f[e] / T for each p[t][e]                                                 f is a constant
/// ```
///
/// </details>
///
/// # Character
///
/// A router left alone sends nearly everything to a few experts: those that are used learn, and so are used more. How many
/// tokens an expert gets has no gradient, but how probable it is has; so each probability is weighed by the share of its
/// expert, and the crowded ones are pushed down. **It is 1 where all experts are used alike, and E / k where the same k get all
/// and one of them has all probability**; `k` times that with [`Tokens`](LoadShare::Tokens), of which the same coefficient
/// means another strength for each `k`. It may be a little below 1, since choices and probabilities may disagree.
///
/// Add it times a small number, usually 0.01, to the loss of the task; of several layers with experts, add or average what
/// each gives. Give it **all tokens that are routed together**: the mean of the losses of parts wants each part balanced by
/// itself, which is another, stricter loss. `per_sequence` means that: each sequence has its loss, as in DeepSeek's
/// sequence-wise balance, and its coefficient is far smaller, 0.0001.
///
/// It is two passes over the logits, one for the sums, one for the gradient, on a GPU as well.
///
/// # Target
///
/// **The ids of the experts that each token was sent to: an `Int` tensor** with `k` ids along the last axis, as
/// `topk_with_indices` gives them; for `k` = 1 that axis has length 1. They are what the router chose, also where a bias or
/// noise made it choose others than the most probable, and also where an expert had no room left. The usual mistakes: a
/// softmax before this loss, which applies it itself ([`lint`](crate::Loss::lint) tells that, and a token that has the same
/// expert twice); padding that is counted, which an ignored id for all of a token's choices leaves out; and the layers of a
/// model put together as if they were tokens, which balances expert 0 of one layer against expert 0 of another.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// // Three tokens, three experts, one choice each.
/// let logits = Tensor::<2>::from_data([[2., 0., 0.], [1., 0., 0.], [0., 1., 0.]], &device);
/// let experts = Tensor::<2, Int>::from_data([[0], [0], [1]], &device);
///
/// let value = LoadBalanceLoss::new().forward(logits.clone(), experts);
/// assert!((value.into_scalar::<f32>() - 1.348218).abs() < 1e-5);
///
/// // The third token is padding.
/// let experts = Tensor::<2, Int>::from_data([[0], [0], [-100]], &device);
/// let loss = LoadBalanceLossConfig::new().with_ignore_index(-100).init();
/// let value = loss.forward(logits, experts);
/// assert!((value.into_scalar::<f32>() - 2.044654).abs() < 1e-5);
/// ```
///
/// # Shapes
///
/// * logits: `[.., E]`, rank 2 to 6; the experts along the last axis
/// * experts: `[.., k]`, the same but for the last axis
/// * unreduced: `[1]`, or `[B]` with `per_sequence`, of `[B, .., E]`; `[0]` of no logits at all
///
/// # Errors
///
/// * Axes before the last that differ; no choice, or more of them than experts; a single expert.
/// * With `per_sequence` logits of rank 2, of which each token would be a sequence.
/// * An id that is neither an expert nor ignored, with its index.
/// * With `Probabilities` an input that is not from 0 to 1.
/// * A float type that the device cannot compute with.
///
/// Where values are not read (see [`Checks`](crate::Checks)), an invalid id or probability makes the loss and gradient of its
/// sequence, or of the batch, NaN.
///
/// A choice that is ignored counts for nothing. A token without any other is none: it is not in the means, whatever its
/// logits are. (Probabilities must be such all the same.) A sequence without tokens has the loss 0, and is one of those that `Mean` is over.
///
/// # Other libraries
///
/// | there | here | what differs |
/// |---|---|---|
/// | transformers' `load_balancing_loss_func` of Switch Transformers and NLLB | `Probabilities`, `per_sequence` | its groups of tokens are the sequences |
/// | transformers' `load_balancing_loss_func` of Mixtral and those that copy it | `Tokens` | it chooses the top k by itself, and puts the layers one after the other, so that they are balanced together |
/// | Megatron's `switch_load_balancing_loss_func` | `Choices` | times its coefficient |
/// | DeepSeek's sequence-wise balance | `Choices`, `per_sequence`, for V3 with `Sigmoid` | times its coefficient |
///
/// PyTorch, JAX and Optax have none.
///
/// # Reference
///
/// Fedus et al., *Switch Transformers: Scaling to Trillion Parameter Models with Simple and Efficient Sparsity*, 2021,
/// [arXiv:2101.03961](https://arxiv.org/abs/2101.03961), equation 4.
/// DeepSeek-AI, *DeepSeek-V3 Technical Report*, 2024, [arXiv:2412.19437](https://arxiv.org/abs/2412.19437), equation 17.
#[doc(alias = "auxiliary loss")]
#[doc(alias = "aux_loss")]
#[doc(alias = "load_balancing_loss_func")]
#[doc(alias = "mixture of experts")]
#[doc(alias = "MoE")]
#[derive(Clone, Debug)]
pub struct LoadBalanceLoss {
    config: LoadBalanceLossConfig,
}

loss_module!(LoadBalanceLoss, LoadBalanceLossConfig, Loss [logits, experts]);

static LOG_SIGMOID: LossFormula<1> = LossFormula::new(|[x]| -(-x).softplus());

impl LoadBalanceLoss {
    fn losses(
        &self,
        logits: AnyRank,
        experts: AnyTarget,
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let (shape, device, dtype) = (logits.shape(), logits.device(), logits.dtype());
        let check = Check::new(Self::NAME, &device, call.waiting);
        self.check_shapes(&check, &logits, &experts)?;
        let last = shape.num_dims() - 1;
        let (count, choices) = (shape[last], experts.shape[last]);
        let samples = if self.config.per_sequence {
            shape[0]
        } else {
            1
        };
        if logits.is_empty() {
            return of_no_samples(&check, call, logits, vec![0]);
        }
        let ignored = &self.config.ignore_indices;
        let ids = experts.values.integers();
        check.class_ids(&ids, &experts.shape, count, Some(ignored))?;
        let tokens = without(&shape, last);
        let ids = ids.reshape([tokens.num_elements(), choices]);
        // A token is one that has any expert.
        let any = SafeIds::new(ids.clone(), count, ignored)
            .or(NONE)
            .max_dim(1);
        let is_none = any.clone().equal_scalar(NONE);
        let of_tokens = AnyTarget {
            values: FlatValues::Int(any.reshape([tokens.num_elements()])),
            shape: tokens,
            device: experts.device,
            is_tracked: false,
        };
        let inner = device.clone().without_autodiff();
        let sequences = Shape::new([samples]);
        let unseen = if call.is_weighted() {
            let weights = call.each_weight(&check, &sequences, &inner, dtype)?;
            Some(weights.equal_scalar(0.0))
        } else {
            None
        };
        let left_out = match &unseen {
            Some(unseen) => {
                let [tokens, _] = is_none.dims();
                let of_sequences: Tensor<2, Bool> = unseen.clone().reshape([samples, 1]);
                let of_tokens = of_sequences.expand([samples, tokens / samples]);
                is_none.bool_or(of_tokens.reshape([tokens, 1]))
            }
            None => is_none,
        };
        let logits = self.logits(logits, &call, left_out)?;
        let sums = overlap_sums(&check, &self.options(last), logits, of_tokens)?;
        let [own, others, missed] = sums.overlap();
        let tokens = (own.clone() + missed).inner().sum_dim(1);
        let probs = own + others;
        let loads = self.loads(ids, [samples, count], &inner, probs.dtype());
        let mut of_probs = self.of_probs(loads, tokens);
        if let Some(unseen) = unseen {
            let unseen: Tensor<2, Bool> = unseen.reshape([samples, 1]);
            of_probs = of_probs.mask_fill(unseen.expand([samples, count]), 0.0);
        }
        let losses = (probs * in_context_of(of_probs, &device)).sum_dim(1);
        answer(Self::NAME, losses, call, dtype)
    }

    /// The loss as one of overlaps, whose sums are those of the probabilities.
    fn options(&self, class_axis: usize) -> OverlapOptions<'_> {
        OverlapOptions {
            loss: Self::NAME,
            activation: match self.config.activation {
                RouterActivation::Probabilities => Activation::Probabilities,
                _ => Activation::Softmax,
            },
            overlap: Overlap::Product,
            ignored: &[NONE],
            class_axis,
            by_sample: self.config.per_sequence,
            to_masks: "activation",
            to_probabilities: None,
            beside: None,
            lovasz: false,
        }
    }

    /// What the sum of each expert's probabilities is multiplied by, from how often it was chosen and how many tokens there
    /// are.
    fn of_probs(&self, loads: Tensor<2>, tokens: Tensor<2>) -> Tensor<2> {
        let [_, count] = loads.dims();
        let divisor = match self.config.share {
            LoadShare::Choices => loads.clone().sum_dim(1),
            LoadShare::Tokens => tokens.clone(),
        } * tokens;
        let none = divisor.clone().equal_scalar(0.0);
        loads * (divisor.mask_fill(none, 1.0).recip() * count as f64)
    }

    /// The logits of the softmax that makes the probabilities. Tokens that are left out may be no numbers.
    fn logits(
        &self,
        logits: AnyRank,
        call: &Call,
        left_out: Tensor<2, Bool>,
    ) -> Result<AnyRank, LossError> {
        if self.config.activation != RouterActivation::Sigmoid {
            return Ok(logits);
        }
        let (shape, wide) = (logits.shape(), compute_dtype(logits.dtype()));
        let [tokens, _] = left_out.dims();
        let of_tokens = [tokens, shape.num_elements() / tokens];
        let logits: Tensor<2> = logits.cast(wide).shaped(of_tokens).of_rank();
        let logits = logits.mask_fill(left_out.expand(of_tokens), 0.0).into();
        let plain = Call::new(call.waiting, Returns::Unreduced);
        let formula = LOG_SIGMOID.of(["logits"]);
        let logs = formula.evaluate(Self::NAME, [AnyOperand::Numbers(logits)], plain)?;
        Ok(AnyRank::from(logs.value).shaped(shape))
    }

    /// How often each expert was chosen, by the tokens of each sample.
    fn loads(
        &self,
        ids: Tensor<2, Int>,
        [samples, count]: [usize; 2],
        device: &Device,
        dtype: DType,
    ) -> Tensor<2> {
        let of_sample = ids.shape().num_elements() / samples;
        let found = SafeIds::new(
            ids.reshape([samples, of_sample]),
            count,
            &self.config.ignore_indices,
        );
        if !is_cpu(device) {
            let valid = found.valid().all_dim(1).expand([samples, count]);
            return or_nan(counts(&found.or(NONE), count, device, dtype), &Some(valid));
        }
        const INVALID: i64 = -2;
        let mut loads = vec![0.0; samples * count];
        let data = found.or(INVALID).into_data();
        for (at, id) in integers(&data).enumerate() {
            let of_sample = &mut loads[at / of_sample * count..][..count];
            match usize::try_from(id) {
                Ok(expert) => of_sample[expert] += 1.0,
                Err(_) if id == i128::from(INVALID) => of_sample.fill(f64::NAN),
                Err(_) => {}
            }
        }
        Tensor::from_data(TensorData::new(loads, [samples, count]), (device, dtype))
    }

    fn check_shapes(
        &self,
        check: &Check,
        logits: &AnyRank,
        experts: &AnyTarget,
    ) -> Result<(), LossError> {
        check_router(check, logits)?;
        check.device("logits", &logits.device(), "experts", &experts.device)?;
        let (shape, found) = (logits.shape(), &experts.shape);
        let last = shape.num_dims() - 1;
        let (count, choices) = (shape[last], found[last]);
        let error = |message| Err(check.error(LossErrorKind::Shape, message));
        if without(&shape, last) != without(found, last) {
            return error(format!(
                "logits {} and experts {} must have the same axes but for the last: for each token the ids of its experts \
                 along that.",
                dims(&shape),
                dims(found)
            ));
        }
        if choices == 0 || choices > count {
            return error(format!(
                "experts {} have {choices} choices for each token, but there are {count} experts in logits {}: the last axis \
                 has the ids that the router chose, at least 1 and at most {count}.",
                dims(found),
                dims(&shape)
            ));
        }
        if self.config.per_sequence && last < 2 {
            return error(format!(
                "logits {} have no axis of sequences, but per_sequence is set: give them as [batch, tokens, experts].",
                dims(&shape)
            ));
        }
        Ok(())
    }

    fn lints(&self, logits: &AnyRank, experts: AnyTarget) -> Vec<Lint> {
        let mut lints = Vec::new();
        if self.config.activation != RouterActivation::Probabilities {
            lints.extend(is_normalized(Self::NAME, logits));
        }
        let choices = experts.shape[experts.shape.num_dims() - 1];
        let data = experts.values.integers().into_data();
        let ids: Vec<i128> = integers(&data).collect();
        let is_ignored = |id| {
            self.config
                .ignore_indices
                .iter()
                .any(|&of| i128::from(of) == id)
        };
        let twice = |(_, token): &(usize, &[i128])| {
            let again = |at: usize| token[..at].contains(&token[at]) && !is_ignored(token[at]);
            (0..token.len()).any(again)
        };
        if let Some((at, token)) = ids.chunks(choices.max(1)).enumerate().find(twice) {
            lints.push(Lint {
                loss: Self::NAME,
                rule: "expert-twice",
                message: format!(
                    "token {at} has the experts {token:?}, one of them twice: are these the ids of its top {choices}?"
                ),
            });
        }
        lints
    }
}

/// The id where there is none.
const NONE: i64 = -1;

impl<const D: usize> Evaluate<(Tensor<D>, Tensor<D, Int>)> for LoadBalanceLoss
where
    Tensor<D>: LowerRank,
{
    type Unreduced = Tensor<1>;

    fn evaluate(
        &self,
        (logits, experts): (Tensor<D>, Tensor<D, Int>),
        call: Call,
    ) -> Result<LossOutput, LossError> {
        self.losses(logits.into(), experts.erased(), call)
    }

    fn inspect(&self, (logits, experts): (Tensor<D>, Tensor<D, Int>)) -> Vec<Lint> {
        self.lints(&logits.into(), experts.erased())
    }
}
