//! Loss functions for the [Burn](https://burn.dev) deep-learning framework.
//!
//! ```
//! use burn::tensor::{Device, Int, Tensor};
//! use burn_losses::prelude::*;
//!
//! # fn main() {
//! # #[cfg(feature = "flex")] {
//! let device = Device::flex().autodiff();
//! // Three samples, five classes: the model's raw outputs, and one class id per sample.
//! let logits = Tensor::<2>::random([3, 5], burn::tensor::Distribution::Default, &device)
//!     .require_grad();
//! let targets = Tensor::<1, Int>::from_data([1, 0, 4], &device);
//!
//! let loss = CrossEntropyLossConfig::new().with_label_smoothing(0.1).init();
//! let value = loss.forward(logits.clone(), targets);
//! let gradients = value.backward();
//! assert_eq!(logits.grad(&gradients).unwrap().dims(), [3, 5]);
//! # }
//! # }
//! ```
//!
//! Every loss is a pair: a configuration ([`Config`](burn::config::Config), so it is built with
//! `with_..` methods and saved as JSON) and a [`Module`](burn::module::Module) without parameters
//! that sits as a field in a model. The calls are the same for all of them, and methods of each, so
//! nothing is imported for them. Code that is generic over its loss has them from the traits [`Loss`]
//! (an output and a target) and [`TripleLoss`] (three inputs); a model asks for a [`LossModule`]. (The four losses with
//! one input or with four, [`GanGeneratorLoss`], [`RouterZLoss`], [`DpoLoss`] and [`KtoLoss`], have them as methods alone, of
//! the `try_` calls only `try_forward`, and no trait for generic code.)
//!
//! A configuration is read from a file, alone or as a field of another, that has only what is to differ from the
//! defaults; a name that is no option is an error with those there are. (As a field of a `#[derive(Config)]` of Burn it
//! must be there, `{}` if it has nothing to say.) In [`ClassificationLossConfig`] and [`RegressionLossConfig`] the name
//! of a loss alone will do.
//!
//! # The losses and their targets
//!
//! | loss | task | input | target |
//! |---|---|---|---|
//! | [`L1Loss`] | regression | predictions | the true values, same shape |
//! | [`MseLoss`] | regression | predictions | the true values, same shape |
//! | [`SmoothL1Loss`] | regression | predictions | the true values, same shape |
//! | [`HuberLoss`] | regression | predictions | the true values, same shape |
//! | [`PoissonNllLoss`] | regression of counts | logarithms of rates, or rates | counts, same shape |
//! | [`GaussianNllLoss`] | regression with a spread | predictions and their variance | the true values, same shape |
//! | [`QuantileLoss`] | regression by a quantile, or several | predictions, of several quantiles `[N, Q]` | the true values, same shape, or `[N, 1]` beside several |
//! | [`ExpectileLoss`] | regression where one side costs more | predictions | the true values, same shape |
//! | [`LogCoshLoss`] | regression | predictions | the true values, same shape |
//! | [`GeneralRobustLoss`] | regression with outliers | predictions | the true values, same shape |
//! | [`TukeyLoss`] | regression with outliers, left out | predictions | the true values, same shape |
//! | [`MsleLoss`] | regression by ratios | amounts above -1 | amounts above -1, same shape |
//! | [`MapeLoss`] | regression by relative errors | predictions | the true values, not standardised, same shape |
//! | [`SmapeLoss`] | regression by relative errors, bounded | predictions | the true values, not standardised, same shape |
//! | [`TweedieLoss`] | regression of amounts, many of them 0 | logarithms of means | amounts, 0 or more, same shape |
//! | [`GammaNllLoss`] | regression of amounts above 0 | logarithms of means | amounts above 0, same shape |
//! | [`NegativeBinomialNllLoss`] | regression of counts with a spread | means and dispersions, or total counts and logits | counts, same shape |
//! | [`LaplaceNllLoss`] | regression with a spread | medians and their scale | the true values, same shape |
//! | [`StudentTNllLoss`] | regression with a spread and outliers | locations and their scale | the true values, same shape |
//! | [`LogNormalNllLoss`] | regression of amounts above 0 with a spread | means and spreads of logarithms | amounts above 0, same shape |
//! | [`GaussianCrpsLoss`] | regression with a spread, by a score | means and their standard deviation | the true values, same shape |
//! | [`CrossEntropyLoss`] | one class of several | logits `[N, C]` | class ids `[N]` (Int), or class probabilities `[N, C]` |
//! | [`FocalLoss`] | one class of several, where most samples are easy | logits `[N, C]` | class ids `[N]` (Int) |
//! | [`Poly1Loss`] | one class of several, with one more option to tune | logits `[N, C]` | class ids `[N]` (Int) |
//! | [`NllLoss`] | one class of several | log-probabilities `[N, C]` | class ids `[N]` (Int) |
//! | [`MultiMarginLoss`] | one class of several | logits `[N, C]` | class ids `[N]` (Int) |
//! | [`BceWithLogitsLoss`] | yes or no, once or many times | logits | labels 0 or 1 (or between), same shape |
//! | [`BceLoss`] | yes or no, once or many times | probabilities | labels 0 or 1 (or between), same shape |
//! | [`SigmoidFocalLoss`] | yes or no, where "no" is frequent and easy | logits | labels 0 or 1 (or between), same shape |
//! | [`SigmoidPoly1Loss`] | yes or no, with one more option to tune | logits | labels 0 or 1 (or between), same shape |
//! | [`QualityFocalLoss`] | the class and quality of a detection | logits | qualities from 0 to 1, 0 at other classes, same shape |
//! | [`VarifocalLoss`] | the class and quality of a detection | logits | qualities from 0 to 1, exactly 0 at other classes, same shape |
//! | [`AsymmetricLoss`] | many labels of which few hold | logits | labels 0 or 1 (or between), same shape |
//! | [`SoftMarginLoss`] | yes or no, once or many times | logits | +1 yes, -1 no, same shape |
//! | [`MultiLabelSoftMarginLoss`] | any number of labels | logits `[N, C]` | labels 0 or 1 (or between), same shape |
//! | [`MultiLabelMarginLoss`] | any number of labels, ranked first | logits `[N, C]` | ids of the labels, then -1 (Int), same shape |
//! | [`KlDivLoss`] | match a distribution | log-probabilities `[N, C]` | probabilities `[N, C]` (or log-probabilities) |
//! | [`SoftmaxKlLoss`] | learn from a teacher, or from each other | logits of a student `[N, C]` | logits of a teacher, same shape |
//! | [`JsDivLoss`] | learn from a teacher who is far off | logits of a student `[N, C]` | logits of a teacher, same shape |
//! | [`TotalVariationLoss`] | learn from a teacher, without small probabilities | logits of a student `[N, C]` | logits of a teacher, same shape |
//! | [`DistillationLoss`] | learn from a teacher and the true class | logits of a student `[N, C]` | logits of a teacher, same shape, and class ids `[N]` (Int) |
//! | [`CoralLoss`] | classes in an order, by thresholds | logits `[N, K - 1]` | ranks `[N]` (Int) |
//! | [`CornLoss`] | classes in an order, by thresholds one after the other | logits `[N, K - 1]` | ranks `[N]` (Int) |
//! | [`EarthMoverLoss`] | classes in an order, of which near ones are nearly right | logits `[N, K]` | ranks `[N]` (Int) |
//! | [`DiceLoss`] | masks, by their overlap | logits `[N, C, ..]` | class ids `[N, ..]` (Int), or masks, same shape |
//! | [`JaccardLoss`] | masks, by the intersection over the union | logits `[N, C, ..]` | class ids `[N, ..]` (Int), or masks, same shape |
//! | [`TverskyLoss`] | masks, where one mistake costs more than the other | logits `[N, C, ..]` | class ids `[N, ..]` (Int), or masks, same shape |
//! | [`GeneralizedDiceLoss`] | masks of classes of very different size | logits `[N, C, ..]` | class ids `[N, ..]` (Int), or masks, same shape |
//! | [`LovaszLoss`] | masks, by the intersection over the union of decisions | logits `[N, C, ..]` | class ids `[N, ..]` (Int), or with `Hinge` masks, same shape |
//! | [`DiceCrossEntropyLoss`] | masks and their pixels | logits `[N, C, ..]` | class ids `[N, ..]` (Int), or masks, same shape |
//! | [`DiceFocalLoss`] | masks and their pixels, most of them easy | logits `[N, C, ..]` | class ids `[N, ..]` (Int), or with `Sigmoid` masks, same shape |
//! | [`IouLoss`] | boxes, by the intersection over the union | boxes `[N, 4]` | the true boxes, same shape |
//! | [`GiouLoss`] | boxes, by that and what lies empty between them | boxes `[N, 4]` | the true boxes, same shape |
//! | [`DiouLoss`] | boxes, by that and the distance of their centres | boxes `[N, 4]` | the true boxes, same shape |
//! | [`CiouLoss`] | boxes, by that and their aspect ratios | boxes `[N, 4]` | the true boxes, same shape |
//! | [`EiouLoss`] | boxes, by distance, width and height | boxes `[N, 4]` | the true boxes, same shape |
//! | [`SiouLoss`] | boxes, by distance, direction and size | boxes `[N, 4]` | the true boxes, same shape |
//! | [`DistributionFocalLoss`] | edges of boxes, as a distribution over distances | logits of bins `[N, 4, bins]` | distances in bins `[N, 4]` |
//! | [`HingeEmbeddingLoss`] | alike or not | a distance per pair | +1 alike, -1 not |
//! | [`CosineEmbeddingLoss`] | alike or not | two embeddings `[N, E]` | +1 alike, -1 not `[N]` |
//! | [`MarginRankingLoss`] | which ranks higher | two scores | +1 the first, -1 the second |
//! | [`TripletMarginLoss`] | metric learning | anchor, positive, negative | none: the roles are the target |
//! | [`TripletMarginWithDistanceLoss`] | metric learning, by any distance | anchor, positive, negative | none: the roles are the target |
//! | [`DpoLoss`] | preferences between pairs of answers | log-probabilities of both under a policy | those under a frozen reference, same shape |
//! | [`SimPoLoss`] | the same, without a reference | mean log-probabilities of both | none: the roles are the target |
//! | [`OrpoLoss`] | the same, and the chosen answer itself | mean log-probabilities of both | none: the roles are the target |
//! | [`KtoLoss`] | answers that are good or bad | log-probabilities under a policy and a reference, and their divergence | labels 0 or 1, same shape |
//! | [`PolicyClipLoss`] | actions with rewards | log-probabilities under a policy and the old one | advantages, same shape |
//! | [`GanGeneratorLoss`] | a generator against a discriminator | scores of generated samples | none: that they are generated |
//! | [`GanDiscriminatorLoss`] | a discriminator against a generator | scores of real and of generated samples | none: the roles are the target |
//! | [`GaussianKlLoss`] | latents of a variational autoencoder | means and logarithms of variances | none: the standard normal distribution |
//! | [`LoadBalanceLoss`] | experts of a mixture that are used alike | logits of a router `[.., E]` | ids of the experts that each token was sent to `[.., k]` (Int) |
//! | [`RouterZLoss`] | logits of a router that stay small | logits of a router `[.., E]` | none |
//!
//! The losses from [`QuantileLoss`] to [`GaussianCrpsLoss`], from [`SigmoidFocalLoss`] to [`AsymmetricLoss`], from
//! [`SoftmaxKlLoss`] to [`DistributionFocalLoss`] and from [`DpoLoss`] on, and [`Poly1Loss`], need the feature `std`, which
//! is on by default.
//!
//! They are in ten modules: [`regression`], [`classification`], [`distillation`], [`ordinal`], [`segmentation`],
//! [`detection`], [`ranking`], [`preference`], [`generative`] and [`routing`], whose pages say which loss is for what, and
//! which have the functions that go with their losses.
//!
//! Which of them to take, how each target is set, how they are reduced, and what is different from
//! PyTorch and from Burn: the [`guide`] has a page for each. [`RegressionLoss`] and
//! [`ClassificationLoss`] are any of the losses of their task that can take each other's place, for
//! programs in which the loss is an option or comes from a configuration file. A loss that is not in the table is a closure: the module [`custom`].
//!
//! The value of each loss over its input; the pages of the losses have the gradients, and say what
//! the colours are:
//!
#![cfg_attr(doc, doc = include_str!("../docs/shapes/shapes.svg"))]
//!
//! # What is promised
//!
//! 1. **A wrong target never passes in silence.** A target of the wrong type does not compile, and
//!    the compiler says what the right one is. A target of the wrong shape or value is a
//!    [`LossError`] that names the loss, the rule, the offending value, its index and the likely
//!    fix. What is legal but suspicious is reported by [`Loss::lint`]. What a single batch cannot
//!    show (ids that are all shifted but in range, a batch of only ones) nobody can check.
//! 2. **For finite input and a valid target no loss and no gradient is NaN**, and none is infinite
//!    unless its exact value exceeds the float type. A logit or a log-probability of `-inf` is
//!    legal: probability 0.
//! 3. Each loss is **one implementation** that runs, with gradients, on every backend Burn has, and on
//!    flex and ndarray **in one sweep** over memory that gives loss and gradient (two where a loss is of
//!    sums over its input, as those of masks). The checks are part of it.
//!
//! When the values of a target are looked at is up to [`Checks`].
//!
//! # Backends
//!
//! The backend is chosen when the program runs, by the [`Device`](burn::tensor::Device) that the
//! tensors live on. The features `ndarray`, `flex`, `wgpu`, `vulkan`, `metal`, `webgpu`, `cuda` and
//! `rocm` turn a backend on in Burn and compile what this crate has for it: sweeps over memory for flex
//! and ndarray, kernels for the GPUs. A backend that is on in Burn but not here works too, slower. The feature `train`
//! adds the module `metric`, for Burn's training loop, and `Normalizer`, for several batches or devices in a step of it. The
//! features `remote` and `remote-server` add the module `remote`: losses that are swept by the process that serves a device.
#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;

/// The version of Burn these losses work with.
#[doc(no_inline)]
pub use burn;

#[cfg(feature = "std")]
pub mod custom;
mod engine;
mod loss;
mod losses;
mod real;
mod spec;
mod targets;
mod validate;

#[cfg(test)]
mod tests;

pub mod guide;
#[cfg(feature = "train")]
pub mod metric;
#[cfg(feature = "train")]
mod normalizer;
#[cfg(feature = "remote")]
pub mod remote;

#[doc(inline)]
pub use engine::memory::{keep_freed_memory, release_memory};
#[doc(inline)]
pub use loss::call::{Call, LossOutput};
#[doc(inline)]
pub use loss::{Evaluate, Loss, LossInfo, LossModule, LossParts, TripleLoss};
#[doc(inline)]
pub use losses::distance::{cosine_similarity, pairwise_distance};
#[doc(inline)]
pub use losses::{classification, ranking, regression};
#[cfg(feature = "std")]
#[doc(inline)]
pub use losses::{detection, distillation, generative, ordinal, preference, routing, segmentation};
#[cfg(feature = "train")]
#[doc(inline)]
pub use normalizer::Normalizer;
#[doc(inline)]
pub use spec::reduction::Reduction;
#[doc(inline)]
pub use targets::rank::{LowerRank, Unreduced};
#[doc(inline)]
pub use validate::checks::{Checks, checks, set_checks, with_checks};
#[doc(inline)]
pub use validate::error::{Lint, LossError, LossErrorKind};

pub mod target {
    //! What a target may be.
    //!
    //! Each loss has its own target format, and the usual way to break a training run is to swap the
    //! loss and keep the target. So the formats are types here: the traits of this module say what a
    //! loss accepts, and the compiler says what is right where they are not met. What types cannot tell
    //! (shapes, values) is checked when the loss is called.
    //!
    //! The functions convert one format to another, by name.
    //!
    //! | from | to | function |
    //! |---|---|---|
    //! | class ids | one-hot rows | [`one_hot`] |
    //! | one-hot rows, or probabilities | class ids | [`class_ids`] |
    //! | lists of labels, padded with -1 | multi-hot rows | [`multi_hot`] |
    //! | multi-hot rows | lists of labels, padded with -1 | [`label_ids`] |
    //! | labels 0 and 1 | signs -1 and +1 | [`signs`] |
    //! | signs -1 and +1 | labels 0 and 1 | [`labels`] |
    //! | logits | log-probabilities | [`log_probs`] |
    //! | logits and ids of sequences | one sample for each id | [`flatten`] |
    //! | labels of single samples | pairs with a sign | [`pairs`] |
    //! | labels of single samples | triplets | [`triplets`] |
    //! | class ids | how often each class occurs | [`class_counts`] |
    //! | counts of classes | weights, priors, margins of classes | [`class_weights`], [`log_prior`], [`ldam_margins`] |

    #[doc(inline)]
    pub use crate::targets::*;
}

#[cfg(feature = "std")]
pub mod distributed {
    //! Classes that are shared among ranks: threads with a device each, or processes.
    //!
    //! Where there are many classes (a vocabulary of 128 000, the identities of faces), the last layer and its logits may be too
    //! large for one device. Each rank then has the layer's outputs for some of the classes, and logits `[N, C / R]`.
    //! [`CrossEntropyLoss`](crate::classification::CrossEntropyLoss) takes them as they are: its `forward_sharded` is called by
    //! each rank, with the ids of all samples and a [`Shard`], which says which of the classes these are.
    //!
    //! ```
    //! use burn::tensor::{Device, Int, Tensor};
    //! use burn_losses::distributed::{Exchange, Shard, ThreadRank};
    //! use burn_losses::prelude::*;
    //!
    //! const LOGITS: [[f32; 5]; 2] = [[0.5, 1.0, -0.5, 2.0, 0.0], [1.0, 0.0, 0.5, 0.0, -1.0]];
    //! const IDS: [i64; 2] = [3, 0];
    //!
    //! // Classes 0 to 2 on one rank, 3 and 4 on the other.
    //! fn of_rank(rank: ThreadRank) -> f32 {
    //!     let (start, length) = [(0, 3), (3, 2)][rank.rank()];
    //!     let device = Device::flex().autodiff();
    //!     let logits = Tensor::<2>::from_data(LOGITS, &device).narrow(1, start, length).require_grad();
    //!     let ids = Tensor::<1, Int>::from_data(IDS, &device);
    //!     let shard = Shard { start, classes: 5, exchange: &rank };
    //!     let loss = CrossEntropyLoss::new().forward_sharded(logits.clone(), ids, shard);
    //!     let gradient = logits.grad(&loss.backward()).unwrap();
    //!     assert_eq!(gradient.dims(), [2, length]);
    //!     loss.into_scalar::<f32>()
    //! }
    //!
    //! let running: Vec<_> = ThreadRank::group(2)
    //!     .into_iter()
    //!     .map(|rank| std::thread::spawn(|| of_rank(rank)))
    //!     .collect();
    //! let values: Vec<f32> = running.into_iter().map(|rank| rank.join().unwrap()).collect();
    //! assert_eq!(values[0].to_bits(), values[1].to_bits());
    //!
    //! let device = Device::flex();
    //! let whole = Tensor::<2>::from_data(LOGITS, &device);
    //! let ids = Tensor::<1, Int>::from_data(IDS, &device);
    //! let expected = CrossEntropyLoss::new().forward(whole, ids).into_scalar::<f32>();
    //! assert!((values[0] - expected).abs() < 1e-6);
    //! ```
    //!
    //! # What it gives
    //!
    //! The loss of all classes, with the same bits on each rank, and the gradient of the rank's own logits. All options that
    //! cross-entropy has for ids count as they do without ranks: `weights`, `log_prior` and `margins` are those of all classes on
    //! each rank, label smoothing is spread over all of them, and a mean divides by the same number. Targets that are
    //! probabilities, and weights of samples, are not there; `forward_sharded_no_reduction` gives the losses to weigh.
    //!
    //! Each call is one exchange of eight numbers for each rank, and seven for each rank and sample. `backward` exchanges nothing.
    //! So **what comes before the logits has on each rank the gradient through its own classes alone**: hidden states that
    //! all ranks have need the sum of these, and so does what comes before them.
    //!
    //! # What goes wrong
    //!
    //! Parts that leave a gap, overlap or go beyond the classes are errors, on all ranks; targets that differ from rank to rank
    //! are, too. A rank that finds an error in its own part still takes part in the exchange: the others are told so, and the
    //! next call of all is the next call. A rank that is gone is an error on the others, within the time limit of the
    //! [`Exchange`]. The kind of such errors is [`LossErrorKind::Exchange`](crate::LossErrorKind::Exchange). (Where values are
    //! not read, see [`Checks`](crate::Checks), what ranks tell each other is not either: the loss is NaN.)
    //!
    //! # Another exchange
    //!
    //! [`ThreadRank`] is for the threads of a process, and [`CollectiveRank`] for those that have CUDA devices. Whatever else
    //! adds up the numbers of several ranks can be an [`Exchange`]. This one is for processes, on one machine or several; the
    //! tests of this crate use it as it stands here:
    //!
    #![doc = concat!("```\n", include_str!("../docs/tcp.rs"), "```")]

    #[doc(inline)]
    pub use crate::loss::exchange::{CollectiveRank, Exchange, ExchangeError, Shard, ThreadRank};
}

#[cfg(doc)] // The pages above link to them.
use prelude::*;

/// Everything a model or a training loop needs: the losses, their configurations and their calls.
pub mod prelude {
    pub use crate::losses::classification::*;
    #[cfg(feature = "std")]
    pub use crate::losses::detection::*;
    #[cfg(feature = "std")]
    pub use crate::losses::distillation::*;
    #[cfg(feature = "std")]
    pub use crate::losses::generative::*;
    #[cfg(feature = "std")]
    pub use crate::losses::ordinal::{
        CoralLoss, CoralLossConfig, CornLoss, CornLossConfig, EarthMoverLoss, EarthMoverLossConfig,
    };
    #[cfg(feature = "std")]
    pub use crate::losses::preference::*;
    pub use crate::losses::ranking::*;
    pub use crate::losses::regression::*;
    #[cfg(feature = "std")]
    pub use crate::losses::routing::*;
    #[cfg(feature = "std")]
    pub use crate::losses::segmentation::*;
    pub use crate::{
        Checks, Loss, LossError, LossModule, LossParts, Reduction, TripleLoss, target,
    };
}

#[cfg(doctest)]
mod readme {
    #[doc = include_str!("../../../README.md")]
    pub struct English;

    #[doc = include_str!("../../../README.zh-CN.md")]
    pub struct Chinese;
}
