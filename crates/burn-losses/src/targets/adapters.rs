//! From one target format to another.

use super::rank::LowerRank;
use super::rows::{multi_hot_rows, one_hot_rows};
use super::sealed::Readable;
use super::{BinaryTarget, ClassIds, SignTarget};
use crate::engine::portable::ids::label_lists;
use crate::engine::portable::tensors::{flat, or_nan, shaped};
use crate::engine::shape::{layers, without};
use crate::spec::rule::Rule;
use crate::validate::check::{Check, dims, integers};
use crate::validate::error::{LossError, LossErrorKind, or_panic};
use alloc::format;
use alloc::vec::Vec;
use burn::tensor::{
    DType, Device, Distribution, FloatDType, Int, Shape, Tensor, TensorData, activation,
};

/// Logits `[N, T, .., C]` and class ids `[N, T, ..]` as one sample for each id: `[N T .., C]` and
/// `[N T ..]`.
///
/// It is what a model of sequences needs before a loss. The losses take logits of any rank, with the
/// classes along [`class_axis`](crate::classification::CrossEntropyLossConfig::class_axis), so nothing must be flattened
/// for them; but a metric may want rank 2, and `flatten` in the call of a loss leaves the compiler
/// without a rank.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// let sequences = Tensor::<3>::zeros([2, 3, 5], &device);
/// let ids = Tensor::<2, Int>::zeros([2, 3], &device);
/// let (logits, ids) = target::flatten(sequences, ids);
/// assert_eq!((logits.dims(), ids.dims()), ([6, 5], [6]));
/// let value = CrossEntropyLoss::new().forward(logits, ids);
/// ```
///
/// # Panics
///
/// When the ids are not in the shape of the logits without their last axis.
#[track_caller]
pub fn flatten<const D: usize, const K: usize>(
    logits: Tensor<D>,
    ids: Tensor<K, Int>,
) -> (Tensor<2>, Tensor<1, Int>) {
    let (shape, of_ids) = (logits.shape(), ids.shape());
    if without(&shape, D - 1) != of_ids {
        let check = Check::new("flatten", &logits.device(), false);
        let message = format!(
            "the ids {} do not fit logits {} with the classes along the last axis: they have the shape of the \
             logits without it.",
            dims(&of_ids),
            dims(&shape)
        );
        or_panic(Err(check.error(LossErrorKind::Shape, message)))
    }
    let rows = [of_ids.num_elements(), shape[D - 1]];
    let ids = match rows[0] {
        0 => Tensor::empty([0], (&ids.device(), ids.dtype())),
        count => ids.reshape([count]),
    };
    (shaped(flat(logits), rows), ids)
}

/// Class ids as one-hot rows: a 1 at the class, 0 elsewhere, along a new axis `class_axis`.
///
/// ```
/// # use burn::tensor::{Device, Int, Tensor};
/// # let device = Device::flex();
/// let ids = Tensor::<1, Int>::from_data([2, 0], &device);
/// let rows = burn_losses::target::one_hot(ids, 3, 1);
/// rows.into_data().assert_eq(&[[0f32, 0., 1.], [1., 0., 0.]].into(), true);
/// ```
///
/// # Panics
///
/// When an id is not a class; when there are no classes, or the result has no such axis. Where values
/// are not read (see [`Checks`](crate::Checks)) the row of such an id is NaN, which no loss takes for
/// a target.
#[track_caller]
pub fn one_hot<const D: usize, T: ClassIds<D>>(
    ids: T,
    classes: usize,
    class_axis: usize,
) -> Tensor<D> {
    let device = ids.device().without_autodiff();
    let check = Check::new("one_hot", &device, false);
    if classes == 0 {
        let message = "classes is 0: there is no class for an id to be.".into();
        or_panic(Err(check.error(LossErrorKind::Config, message)))
    }
    or_panic(existing_axis(&check, class_axis, D));
    let ids = ids.erased();
    let mut shape = ids.shape.to_vec();
    shape.insert(class_axis, classes);
    let shape = Shape::from(shape);
    match shape.num_elements() {
        0 => Tensor::zeros(shape, (&device, DType::F32)),
        _ => {
            let layers = layers(&shape, class_axis);
            let rows = or_panic(one_hot_rows(&check, ids, layers, DType::F32));
            rows.reshape(shape)
        }
    }
}

/// The class of each one-hot row (or the likeliest class of each row of probabilities) along
/// `class_axis`.
///
/// ```
/// # use burn::tensor::{Device, Int, Tensor};
/// # let device = Device::flex();
/// let rows = Tensor::<2>::from_data([[0., 0., 1.], [1., 0., 0.]], &device);
/// let ids: Tensor<1, Int> = burn_losses::target::class_ids(rows, 1);
/// assert_eq!(ids.into_data().iter::<i64>().collect::<Vec<_>>(), [2, 0]);
/// ```
///
/// # Panics
///
/// When there is no such axis, or no class along it.
#[track_caller]
pub fn class_ids<const D: usize>(
    rows: Tensor<D>,
    class_axis: usize,
) -> <Tensor<D> as LowerRank>::LowerInt
where
    Tensor<D>: LowerRank,
{
    let check = Check::new("class_ids", &rows.device(), false);
    or_panic(existing_axis(&check, class_axis, D));
    let shape = without(&rows.shape(), class_axis);
    if rows.dims()[class_axis] == 0 {
        let message = format!("the rows {} have no classes.", dims(&rows.shape()));
        or_panic(Err(check.error(LossErrorKind::Shape, message)))
    }
    let count = shape.num_elements();
    let ids = match count {
        0 => Tensor::empty([0], &rows.device().without_autodiff()),
        _ => rows.inner().argmax(class_axis).reshape([count]),
    };
    <Tensor<D> as LowerRank>::ids_from(ids, shape)
}

/// Multi-hot rows as lists of labels along `class_axis`: the ids of the classes that are true, in order,
/// and then -1 to the end. This is what [`MultiLabelMarginLoss`](crate::classification::MultiLabelMarginLoss) takes.
///
/// ```
/// # use burn::tensor::{Bool, Device, Int, Tensor};
/// # let device = Device::flex();
/// let rows = Tensor::<2, Bool>::from_data([[true, false, true], [false, false, false]], &device);
/// let ids: Tensor<2, Int> = burn_losses::target::label_ids(rows, 1);
/// assert_eq!(ids.into_data().iter::<i64>().collect::<Vec<_>>(), [0, 2, -1, -1, -1, -1]);
/// ```
///
/// # Panics
///
/// When there is no such axis. When a label is neither 0 nor 1; where values are not read (see
/// [`Checks`](crate::Checks)), the list has an id that no loss takes.
#[track_caller]
pub fn label_ids<const D: usize, T: BinaryTarget<D>>(
    multi_hot: T,
    class_axis: usize,
) -> Tensor<D, Int> {
    let device = multi_hot.device().without_autodiff();
    let check = Check::new("label_ids", &device, false);
    or_panic(existing_axis(&check, class_axis, D));
    let shape = multi_hot.shape();
    let labels = one_of(
        multi_hot.flat().cast(FloatDType::F32),
        "label_ids",
        "label",
        [0.0, 1.0],
    );
    match shape.num_elements() {
        0 => Tensor::empty(shape, &device),
        _ => {
            let rows = labels.reshape(layers(&shape, class_axis));
            label_lists(rows).reshape(shape)
        }
    }
}

/// Lists of labels along `class_axis` as multi-hot rows: a 1 at each class that is in the list, 0
/// elsewhere. This is what [`MultiLabelSoftMarginLoss`](crate::classification::MultiLabelSoftMarginLoss) takes. There are
/// as many classes as there is room in a list.
///
/// ```
/// # use burn::tensor::{Device, Int, Tensor};
/// # let device = Device::flex();
/// let ids = Tensor::<2, Int>::from_data([[2, 0, -1], [-1, -1, -1]], &device);
/// let rows = burn_losses::target::multi_hot(ids, 1);
/// rows.into_data().assert_eq(&[[1f32, 0., 1.], [0., 0., 0.]].into(), true);
/// ```
///
/// # Panics
///
/// When there is no such axis. When an id is neither a class nor -1, is in its list twice, or comes
/// after a -1; where values are not read (see [`Checks`](crate::Checks)), the row of such a list is NaN.
#[track_caller]
pub fn multi_hot<const D: usize>(label_ids: Tensor<D, Int>, class_axis: usize) -> Tensor<D> {
    let device = label_ids.device().without_autodiff();
    let check = Check::new("multi_hot", &device, false);
    or_panic(existing_axis(&check, class_axis, D));
    let shape = label_ids.dims();
    match label_ids.shape().num_elements() {
        0 => Tensor::zeros(shape, (&device, DType::F32)),
        _ => {
            let rows = multi_hot_rows(&check, label_ids.erased(), class_axis, DType::F32);
            or_panic(rows).reshape(shape)
        }
    }
}

/// Labels 0 and 1 as the signs -1 and +1.
///
/// ```
/// # use burn::tensor::{Device, Int, Tensor};
/// # let device = Device::flex();
/// let labels = Tensor::<1, Int>::from_data([0, 1, 1], &device);
/// let signs = burn_losses::target::signs(labels);
/// signs.into_data().assert_eq(&[-1f32, 1., 1.].into(), true);
/// ```
///
/// # Panics
///
/// When a label is neither 0 nor 1 (where values are read, see [`Checks`](crate::Checks)).
#[track_caller]
pub fn signs<const D: usize, T: BinaryTarget<D>>(labels: T) -> Tensor<D> {
    let shape = labels.shape();
    let labels = one_of(
        labels.flat().cast(FloatDType::F32),
        "signs",
        "label",
        [0.0, 1.0],
    );
    shaped(labels * 2.0 - 1.0, shape.dims())
}

/// The signs -1 and +1 as labels 0 and 1.
///
/// ```
/// # use burn::tensor::{Device, Tensor};
/// # let device = Device::flex();
/// let signs = Tensor::<1>::from_data([-1., 1.], &device);
/// let labels = burn_losses::target::labels(signs);
/// labels.into_data().assert_eq(&[0f32, 1.].into(), true);
/// ```
///
/// # Panics
///
/// When a sign is neither -1 nor +1 (where values are read, see [`Checks`](crate::Checks)).
#[track_caller]
pub fn labels<const D: usize, T: SignTarget<D>>(signs: T) -> Tensor<D> {
    let shape = signs.shape();
    let signs = one_of(
        signs.flat().signs(FloatDType::F32).cast(FloatDType::F32),
        "labels",
        "sign",
        [-1.0, 1.0],
    );
    shaped((signs + 1.0) / 2.0, shape.dims())
}

/// The values, of which each must be one of the allowed; NaN for others where they are not read.
#[track_caller]
fn one_of(values: Tensor<1>, function: &'static str, what: &str, allowed: [f64; 2]) -> Tensor<1> {
    let check = Check::new(function, &values.device(), false);
    let valid = or_panic(
        check.each(&values, Rule::either(allowed[0], allowed[1]), |found| {
            format!(
                "{what} {} at element {} must be {} or {}.",
                found.shown(),
                found.index[0],
                allowed[0],
                allowed[1]
            )
        }),
    );
    or_nan(values, &valid)
}

/// The logarithms of the softmax of logits along `class_axis`: what [`NllLoss`](crate::classification::NllLoss) and
/// [`KlDivLoss`](crate::classification::KlDivLoss) take. It is differentiable, and accurate where a logarithm of a
/// softmax would be -inf.
///
/// ```
/// # use burn::tensor::{Device, Tensor};
/// # let device = Device::flex();
/// let logits = Tensor::<2>::from_data([[0., 1000.]], &device);
/// let log_probs = burn_losses::target::log_probs(logits, 1);
/// log_probs.into_data().assert_eq(&[[-1000f32, 0.]].into(), true);
/// ```
///
/// # Panics
///
/// When there is no such axis.
#[track_caller]
pub fn log_probs<const D: usize>(logits: Tensor<D>, class_axis: usize) -> Tensor<D> {
    let check = Check::new("log_probs", &logits.device(), false);
    or_panic(existing_axis(&check, class_axis, D));
    match logits.shape().num_elements() {
        // No backend takes a softmax of nothing.
        0 => logits,
        _ => activation::log_softmax(logits, class_axis),
    }
}

/// The axis must be one of those of a tensor of rank `D`.
fn existing_axis(check: &Check, class_axis: usize, rank: usize) -> Result<(), LossError> {
    if class_axis < rank {
        return Ok(());
    }
    let message = format!("class_axis {class_axis} is not an axis of rank {rank}.");
    Err(check.error(LossErrorKind::Config, message))
}

/// Pairs of samples of a batch: indices into it, and whether the two are alike.
#[derive(Clone, Debug)]
pub struct Pairs {
    /// The index of each pair's first sample.
    pub first: Tensor<1, Int>,
    /// The index of each pair's second sample.
    pub second: Tensor<1, Int>,
    /// +1 where the two have the same label, -1 where not.
    pub signs: Tensor<1>,
}

/// Triplets of samples of a batch: indices into it.
#[derive(Clone, Debug)]
pub struct Triplets {
    /// The index of each triplet's anchor.
    pub anchor: Tensor<1, Int>,
    /// The index of a sample with the anchor's label.
    pub positive: Tensor<1, Int>,
    /// The index of a sample with another label.
    pub negative: Tensor<1, Int>,
}

/// What tuples of samples have: how many there are, and a part of them.
macro_rules! tuples {
    ($tuples:ident, $one:literal, [$first:ident $(, $other:ident)*]) => {
        impl $tuples {
            #[doc = concat!("How many ", $one, "s there are.")]
            pub fn len(&self) -> usize {
                self.$first.dims()[0]
            }

            /// Whether there is none.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            #[doc = concat!("So many of the ", $one, "s, or all if there are no more: chosen at random, each at most")]
            /// once. The choice follows the seed of the device.
            pub fn sample(self, count: usize) -> Self {
                if count >= self.len() {
                    return self;
                }
                let device = self.$first.device();
                let keys = Tensor::<1>::random([self.len()], Distribution::Default, &device);
                let chosen = keys.argsort(0).narrow(0, 0, count);
                Self {
                    $first: self.$first.select(0, chosen.clone()),
                    $($other: self.$other.select(0, chosen.clone()),)*
                }
            }
        }
    };
}

tuples!(Pairs, "pair", [first, second, signs]);
tuples!(Triplets, "triplet", [anchor, positive, negative]);

/// All pairs of a batch of labelled samples, for [`HingeEmbeddingLoss`](crate::ranking::HingeEmbeddingLoss).
/// It waits for the device to read the labels.
///
/// Of `N` samples there are `N (N - 1) / 2`: 2016 of 64. [`Pairs::sample`] takes some of them.
///
/// ```
/// # use burn::tensor::{Device, Int, Tensor};
/// # let device = Device::flex();
/// let embeddings = Tensor::<2>::ones([3, 8], &device);
/// let pairs = burn_losses::target::pairs(Tensor::<1, Int>::from_data([7, 7, 2], &device));
/// let first = embeddings.clone().select(0, pairs.first);
/// assert_eq!(first.dims(), [3, 8]);
/// pairs.signs.into_data().assert_eq(&[1f32, -1., -1.].into(), true);
/// ```
pub fn pairs(labels: Tensor<1, Int>) -> Pairs {
    let device = labels.device().without_autodiff();
    let labels = read(labels);
    let (mut first, mut second, mut signs) = (Vec::new(), Vec::new(), Vec::new());
    for (i, one) in labels.iter().enumerate() {
        for (j, other) in labels.iter().enumerate().skip(i + 1) {
            first.push(i as i64);
            second.push(j as i64);
            signs.push(if one == other { 1.0 } else { -1.0 });
        }
    }
    let count = signs.len();
    Pairs {
        first: indices(first, &device),
        second: indices(second, &device),
        signs: Tensor::from_data(TensorData::new(signs, [count]), (&device, DType::F32)),
    }
}

/// All triplets of a batch of labelled samples, for [`TripletMarginLoss`](crate::ranking::TripletMarginLoss):
/// every two of one label with every one of another. It waits for the device to read the labels.
///
/// Each sample of a class of `n` among `N` is the anchor of `(n - 1) (N - n)`: 64 samples of 10 classes give some
/// 20 000. [`Triplets::sample`] takes some of them.
///
/// ```
/// # use burn::tensor::{Device, Int, Tensor};
/// # let device = Device::flex();
/// let labels = Tensor::<1, Int>::from_data([7, 7, 2, 7], &device);
/// let triplets = burn_losses::target::triplets(labels);
/// assert_eq!(triplets.len(), 3 * 2 * 1);
/// let some = triplets.sample(4);
/// assert_eq!((some.len(), some.anchor.dims()), (4, [4]));
/// ```
pub fn triplets(labels: Tensor<1, Int>) -> Triplets {
    let device = labels.device().without_autodiff();
    let labels = read(labels);
    let (mut anchor, mut positive, mut negative) = (Vec::new(), Vec::new(), Vec::new());
    for (a, of_anchor) in labels.iter().enumerate() {
        for (p, of_positive) in labels.iter().enumerate() {
            if a == p || of_anchor != of_positive {
                continue;
            }
            for (n, of_negative) in labels.iter().enumerate() {
                if of_negative != of_anchor {
                    anchor.push(a as i64);
                    positive.push(p as i64);
                    negative.push(n as i64);
                }
            }
        }
    }
    Triplets {
        anchor: indices(anchor, &device),
        positive: indices(positive, &device),
        negative: indices(negative, &device),
    }
}

fn read(labels: Tensor<1, Int>) -> Vec<i128> {
    integers(&labels.into_data()).collect()
}

fn indices(values: Vec<i64>, device: &Device) -> Tensor<1, Int> {
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), device)
}
