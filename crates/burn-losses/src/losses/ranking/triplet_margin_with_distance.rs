//! The triplet margin loss with a distance of one's choice.

use super::triplet_margin::{evaluate, role_lints};
use crate::engine::any_rank::{AnyRank, in_context_of};
use crate::loss::call::{Call, LossOutput};
use crate::loss::elementwise::{ElementwiseCall, OtherOperands};
use crate::loss::{Evaluate, LossInfo, sealed::Sealed};
use crate::losses::config::loss_config;
use crate::losses::distance::{cosine_similarity, norm_options, pairwise_distance};
use crate::losses::module::{calls, describe};
use crate::real::Real;
use crate::spec::distance::Triplet;
use crate::spec::elementwise::Elementwise;
use crate::spec::norm::{DistanceKind, triplet_margin};
use crate::spec::reduction::Reduction;
use crate::targets::rank::{LowerRank, Unreduced};
use crate::validate::check::{Check, dims};
use crate::validate::error::{Lint, LossError, LossErrorKind, or_panic};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use burn::module::{Content, Module, ModuleDisplay};
use burn::tensor::{Shape, Tensor};
use core::any::type_name;
use core::fmt;
use serde::{Deserialize, Serialize};

/// A distance that comes with this crate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Distance {
    /// The Euclidean one, of differences to which 1e-6 is added: PyTorch's `PairwiseDistance()`.
    #[serde(alias = "euclidean")]
    Euclidean,
    /// The p-norm of differences to which 1e-6 is added, with `p` at least 1: PyTorch's
    /// `PairwiseDistance(p)`.
    #[serde(alias = "lp")]
    Lp(f64),
    /// 1 less the cosine, in which norms count for at least 1e-8: PyTorch's `1 - CosineSimilarity()`.
    #[serde(alias = "cosine")]
    Cosine,
}

impl Distance {
    fn kind(self) -> DistanceKind {
        let norm = |p| DistanceKind::Norm { p, eps: 1e-6 };
        match self {
            Self::Euclidean => norm(2.0),
            Self::Lp(p) => norm(p),
            Self::Cosine => DistanceKind::Cosine { eps: 1e-8 },
        }
    }

    fn validate(self) -> Result<(), LossError> {
        match self.kind() {
            DistanceKind::Norm { p, eps } => norm_options(NAME, p, eps),
            DistanceKind::Cosine { .. } => Ok(()),
        }
    }
}

/// A distance of vectors along the last axis, that a model can be trained through.
///
/// [`Distance`] is one, and so is any closure from two tensors to one of a rank less:
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_losses::{prelude::*, pairwise_distance};
///
/// // The squared Euclidean distance.
/// let squared = |a: Tensor<2>, b: Tensor<2>| pairwise_distance(a, b, 2.0, 0.0).square();
/// let loss = TripletMarginWithDistanceLossConfig::new().with_margin(4.0).init_with(squared);
///
/// let device = Device::flex();
/// let [anchor, positive, negative] =
///     [[0., 0.], [0., 1.], [2., 0.]].map(|row| Tensor::<2>::from_data([row], &device));
/// let value = loss.forward(anchor, positive, negative);
/// assert_eq!(value.into_scalar::<f32>(), 1.0); // 1 - 4 + 4
/// ```
pub trait DistanceFunction<const D: usize>
where
    Tensor<D>: LowerRank,
{
    /// The distance of each vector in `from` to the one at its place in `to`.
    fn distances(&self, from: Tensor<D>, to: Tensor<D>) -> <Tensor<D> as LowerRank>::Lower;

    /// Which distance of this crate it is, if it is one: those are computed together with the loss.
    #[doc(hidden)]
    fn built_in(&self) -> Option<Distance> {
        None
    }
}

impl<const D: usize, F> DistanceFunction<D> for F
where
    F: Fn(Tensor<D>, Tensor<D>) -> <Tensor<D> as LowerRank>::Lower,
    Tensor<D>: LowerRank,
{
    fn distances(&self, from: Tensor<D>, to: Tensor<D>) -> <Tensor<D> as LowerRank>::Lower {
        self(from, to)
    }
}

impl<const D: usize> DistanceFunction<D> for Distance
where
    Tensor<D>: LowerRank,
{
    fn distances(&self, from: Tensor<D>, to: Tensor<D>) -> <Tensor<D> as LowerRank>::Lower {
        match self.kind() {
            DistanceKind::Norm { p, eps } => pairwise_distance(from, to, p, eps),
            DistanceKind::Cosine { eps } => {
                let cosine = cosine_similarity(from, to, eps);
                cosine.map_flat(|cosine| cosine.neg().add_scalar(1.0))
            }
        }
    }

    fn built_in(&self) -> Option<Distance> {
        Some(*self)
    }
}

loss_config! {
    /// Configuration of [`TripletMarginWithDistanceLoss`].
    pub struct TripletMarginWithDistanceLossConfig {
        /// The distance, unless another one is given to `init_with`.
        pub distance: Distance = Distance::Euclidean,
        /// By how much the negative should at least be farther from the anchor than the positive.
        pub margin: f64 where POSITIVE = 1.0,
        /// Whether the negative's distance is that to the anchor or the positive, whichever is smaller.
        pub swap: bool = false,
        /// How the losses are reduced.
        pub reduction: Reduction = Reduction::Mean,
    }
}

const NAME: &str = "TripletMarginWithDistanceLoss";

impl TripletMarginWithDistanceLossConfig {
    /// The loss with this configuration.
    ///
    /// # Panics
    ///
    /// With the error's text where [`try_init`](Self::try_init) returns an error.
    #[track_caller]
    pub fn init(&self) -> TripletMarginWithDistanceLoss {
        or_panic(self.try_init())
    }

    /// The loss with this configuration.
    ///
    /// # Errors
    ///
    /// What is wrong with the configuration.
    pub fn try_init(&self) -> Result<TripletMarginWithDistanceLoss, LossError> {
        self.distance.validate()?;
        self.try_init_with(self.distance)
    }

    /// The loss with this configuration and another distance: that of a closure, or of your own
    /// [`DistanceFunction`]. (A [`Distance`] that is given here is checked when the loss is called.)
    ///
    /// # Panics
    ///
    /// With the error's text where [`try_init_with`](Self::try_init_with) returns an error.
    #[track_caller]
    pub fn init_with<F: Send + Sync>(&self, distance: F) -> TripletMarginWithDistanceLoss<F> {
        or_panic(self.try_init_with(distance))
    }

    /// The loss with this configuration and another distance.
    ///
    /// # Errors
    ///
    /// What is wrong with the configuration.
    pub fn try_init_with<F: Send + Sync>(
        &self,
        distance: F,
    ) -> Result<TripletMarginWithDistanceLoss<F>, LossError> {
        self.validate()?;
        Ok(TripletMarginWithDistanceLoss {
            config: self.clone(),
            distance: Shared(Arc::new(distance)),
        })
    }
}

/// The hinge loss of two distances of any kind: a positive should be nearer to its anchor than a
/// negative.
///
/// # Formula
///
#[cfg_attr(doc, doc = include_str!("../../../docs/shapes/triplet_margin_with_distance.html"))]
/// <details><summary>As plain text</summary>
///
/// ```text
/// loss = max(0, d(anchor, positive) - d(anchor, negative) + margin)
/// swap : min(d(anchor, negative), d(positive, negative)) instead of d(anchor, negative)
/// d    : `distance`, or the function that was given
/// ```
///
/// </details>
///
/// The gradient is 0 where the loss is 0.
///
/// # Character
///
/// [`TripletMarginLoss`](crate::ranking::TripletMarginLoss) for embeddings that are not compared by a norm: by
/// their angle (`Distance::Cosine`, from 0 to 2, so a margin above 2 can never be kept), or by a distance
/// of your own. The margin has the unit of that distance. With `Distance::Euclidean` and `Distance::Lp`
/// it is that loss, and as fast. What is said there of choosing triplets holds here.
///
/// # Target
///
/// There is none: **the roles are the target**, as in [`TripletMarginLoss`](crate::ranking::TripletMarginLoss).
/// [`target::triplets`](crate::target::triplets) makes all triplets of a batch from the class of each
/// sample. The usual mistake, besides mixing up the roles, is a *similarity* in place of a distance: with
/// a cosine that is not taken from 1 the loss pushes alike samples apart, and falls while it does so. No
/// check can see it.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use burn_losses::{prelude::*, target};
///
/// let device = Device::flex();
/// // From embeddings and the class of each sample: (0, 1, 2) and (1, 0, 2).
/// let embeddings = Tensor::<2>::from_data([[3., 4.], [6., 8.], [4., -3.]], &device);
/// let triplets = target::triplets(Tensor::<1, Int>::from_data([7, 7, 2], &device));
/// let [anchor, positive, negative] = [triplets.anchor, triplets.positive, triplets.negative]
///     .map(|ids| embeddings.clone().select(0, ids));
///
/// let config = TripletMarginWithDistanceLossConfig::new();
/// let loss = config.with_distance(Distance::Cosine).with_margin(1.5).init();
/// let value = loss.forward(anchor.clone(), positive.clone(), negative.clone());
/// // One direction, distance 0, and a right angle, distance 1.
/// assert!((value.into_scalar::<f32>() - 0.5).abs() < 1e-5);
///
/// // A distance of one's own: the largest difference of a component.
/// let largest = |a: Tensor<2>, b: Tensor<2>| (a - b).abs().max_dim(1).squeeze_dim::<1>(1);
/// let loss = TripletMarginWithDistanceLossConfig::new().init_with(largest);
/// let value = loss.forward(anchor, positive, negative);
/// // max(0, 4 - 7 + 1) and max(0, 4 - 11 + 1)
/// assert_eq!(value.into_scalar::<f32>(), 0.0);
/// ```
///
/// # Shapes
///
/// * anchor, positive, negative: the same shape, of rank 2 to 6, the embedding on the last axis
/// * what the distance gives, and unreduced: that shape without the last axis
///
/// # Errors
///
/// * Shapes or devices that differ: nothing is broadcast.
/// * A distance function that gives another shape.
/// * A float type that the device cannot compute with.
/// * In `init`: a margin that is not above 0, a `p` below 1, or either not finite.
///
/// # PyTorch
///
/// `torch.nn.TripletMarginWithDistanceLoss`, with the same defaults: `distance_function` is `init_with`.
/// PyTorch broadcasts and takes whatever shape the function gives. The mean of an empty batch is NaN
/// there and 0 here, and the function is not called for it.
#[doc(alias = "metric learning")]
#[derive(Module)]
#[module(custom_display)]
pub struct TripletMarginWithDistanceLoss<F: Send + Sync = Distance> {
    #[module(skip)]
    config: TripletMarginWithDistanceLossConfig,
    #[module(skip)]
    distance: Shared<F>,
}

/// A function that clones of a module share.
struct Shared<F>(Arc<F>);

impl<F> Clone for Shared<F> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// A closure cannot be shown, but its type has a name.
impl<F> fmt::Debug for Shared<F> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(type_name::<F>())
    }
}

impl<F: Send + Sync> fmt::Debug for TripletMarginWithDistanceLoss<F> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

impl TripletMarginWithDistanceLoss {
    /// The loss with the default configuration.
    pub fn new() -> Self {
        TripletMarginWithDistanceLossConfig::new().init()
    }
}

impl<F: Send + Sync> TripletMarginWithDistanceLoss<F> {
    /// The configuration the loss was made with. Its distance does not count if another one was given.
    pub fn config(&self) -> &TripletMarginWithDistanceLossConfig {
        &self.config
    }

    /// The configuration, with the distance that counts.
    fn shown(&self) -> String {
        let shown = describe(&self.config);
        let (given, of_config) = (type_name::<F>(), type_name::<Distance>());
        if given == of_config {
            return shown;
        }
        let unused = format!("distance: {:?}", self.config.distance);
        shown.replacen(&unused, &format!("distance: {given}"), 1)
    }
}

calls!([F: Send + Sync] TripletMarginWithDistanceLoss<F>, TripleLoss [anchor, positive, negative]);

impl<F: Send + Sync> Sealed for TripletMarginWithDistanceLoss<F> {}

impl<F: Send + Sync> LossInfo for TripletMarginWithDistanceLoss<F> {
    fn name(&self) -> &'static str {
        NAME
    }

    fn reduction(&self) -> Reduction {
        self.config.reduction
    }
}

impl Default for TripletMarginWithDistanceLoss {
    fn default() -> Self {
        Self::new()
    }
}

impl<F: Send + Sync> ModuleDisplay for TripletMarginWithDistanceLoss<F> {
    fn custom_content(&self, content: Content) -> Option<Content> {
        content.add_formatted(&self.shown()).optional()
    }
}

/// The tensors in the autodiff context of one that is tracked, if there is one.
fn in_one_context<const D: usize, const N: usize>(tensors: [Tensor<D>; N]) -> [Tensor<D>; N] {
    let tracked = tensors.iter().find(|tensor| tensor.is_tracked());
    let Some(context) = tracked.map(Tensor::device) else {
        return tensors;
    };
    tensors.map(|tensor| {
        if tensor.is_tracked() {
            tensor
        } else {
            in_context_of(tensor.inner(), &context)
        }
    })
}

/// The hinge loss of the distance to the positive and that to the negative.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct TripletHinge {
    pub(crate) margin: f64,
}

impl Elementwise<2> for TripletHinge {
    const PART: f64 = 0.5;

    #[inline(always)]
    fn at<R: Real>(&self, [positive, negative]: [R; 2]) -> (R, impl FnOnce() -> [R; 1]) {
        let (positive, negative) = (positive.times(0.5), negative.times(0.5));
        let (value, slope) = triplet_margin(positive, negative, self.margin / 2.0);
        (value, move || [slope().times(0.5)])
    }
}

/// The losses by a distance that there is a sweep for.
fn built_in(
    config: &TripletMarginWithDistanceLossConfig,
    distance: Distance,
    inputs: [AnyRank; 3],
    call: Call,
) -> Result<LossOutput, LossError> {
    distance.validate()?;
    let triplet = Triplet {
        margin: config.margin,
        swap: config.swap,
        kind: distance.kind(),
    };
    evaluate(NAME, triplet, inputs, call)
}

/// The shape of the rows of inputs that fit.
fn checked(
    check: &Check,
    config: &TripletMarginWithDistanceLossConfig,
    inputs: &[AnyRank; 3],
) -> Result<Shape, LossError> {
    let shape = super::vectors::check_triplet(check, inputs.each_ref())?;
    check.holds(inputs[0].dtype(), "margin", config.margin)?;
    super::vectors::rows(check, "embeddings", &shape)
}

/// What a distance function gave is one distance for each row.
fn fits(check: &Check, names: &str, found: &Shape, rows: &Shape) -> Result<(), LossError> {
    if found == rows {
        return Ok(());
    }
    let message = format!(
        "the distance function gave {} for {names}, but must give one distance for each row, {}.",
        dims(found),
        dims(rows)
    );
    Err(check.error(LossErrorKind::Shape, message))
}

/// The smaller of two distances; where they are equal, half of each.
fn nearer(one: Tensor<1>, other: Tensor<1>) -> Tensor<1> {
    let smaller = other.clone().lower(one.clone());
    let equal = other.clone().equal(one.clone());
    let half = (one.clone() + other.clone()) * 0.5;
    one.mask_where(smaller, other).mask_where(equal, half)
}

/// The losses from the distances of rows.
fn hinge(
    check: &Check,
    config: &TripletMarginWithDistanceLossConfig,
    distances: [Tensor<1>; 2],
    rows: Shape,
    call: Call,
) -> Result<LossOutput, LossError> {
    let definition = TripletHinge {
        margin: config.margin,
    };
    let distances = distances.map(|of_rows| AnyRank::from(of_rows).shaped(rows.clone()));
    ElementwiseCall::new(check, definition, OtherOperands::default(), [None, None])
        .evaluate(distances, call)
}

impl<const D: usize, F> Evaluate<(Tensor<D>, Tensor<D>, Tensor<D>)>
    for TripletMarginWithDistanceLoss<F>
where
    Tensor<D>: LowerRank,
    F: DistanceFunction<D> + Send + Sync,
{
    type Unreduced = <Tensor<D> as LowerRank>::Lower;

    fn evaluate(
        &self,
        (anchor, positive, negative): (Tensor<D>, Tensor<D>, Tensor<D>),
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let distance = &*self.distance.0;
        if let Some(distance) = distance.built_in() {
            let inputs = [anchor.into(), positive.into(), negative.into()];
            return built_in(&self.config, distance, inputs, call);
        }
        let check = Check::new(NAME, &anchor.device(), call.waiting);
        let inputs = [&anchor, &positive, &negative].map(|input| input.clone().into());
        let rows = checked(&check, &self.config, &inputs)?;
        if inputs[0].is_empty() {
            return LossOutput::empty(&check, call, rows, &inputs);
        }
        // Tensors of which one is tracked with checkpointing, and another is not, do not mix in Burn.
        let [anchor, positive, negative] = in_one_context([anchor, positive, negative]);
        let between = |names: &str, from: &Tensor<D>, to: &Tensor<D>| {
            let distances = distance.distances(from.clone(), to.clone());
            let (distances, found) = distances.into_flat();
            fits(&check, names, &found, &rows)?;
            Ok::<_, LossError>(distances)
        };
        let to_positive = between("anchor and positive", &anchor, &positive)?;
        let to_negative = between("anchor and negative", &anchor, &negative)?;
        let nearest = if self.config.swap {
            let other = between("positive and negative", &positive, &negative)?;
            nearer(to_negative, other)
        } else {
            to_negative
        };
        hinge(&check, &self.config, [to_positive, nearest], rows, call)
    }

    fn inspect(
        &self,
        (anchor, positive, negative): (Tensor<D>, Tensor<D>, Tensor<D>),
    ) -> Vec<Lint> {
        role_lints(NAME, [anchor.into(), positive.into(), negative.into()])
    }
}
