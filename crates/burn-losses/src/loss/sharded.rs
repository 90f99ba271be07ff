//! Cross-entropy of logits of which each rank has some classes: what a rank makes of its own, and what is made of all that.
//!
//! Of each sample a rank has the largest logit, the sum of the other exponentials, and what its target and the smoothing need.
//! That is sent as one sum, to which each rank adds its own numbers and zeros in the place of the others'; and joined in the
//! order of the ranks, so that all have the same bits. The gradient of a rank's own logits needs nothing more.

use super::call::{Call, LossOutput};
use super::classes::{MEAN, Options, adjusted, check_adjustment, misfit, scaled};
use super::exchange::Shard;
use crate::engine::any_rank::AnyRank;
use crate::engine::dtype::compute_dtype;
use crate::engine::portable::ids::SafeIds;
use crate::engine::portable::reduce::{Graph, Losses};
use crate::engine::portable::softmax::{JoinedSums, SoftmaxShard};
use crate::engine::portable::tensors::{AXIS, along_axis, both, flat, or_nan, untracked};
use crate::engine::shape::{layers, without};
use crate::engine::values::AnyTarget;
use crate::real::Real;
use crate::spec::logits::Adjustment;
use crate::spec::softmax::cross_entropy_slope;
use crate::validate::check::{Check, dims, unravel};
use crate::validate::error::{LossError, LossErrorKind};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use burn::tensor::{Bool, DType, Device, FloatDType, Shape, Tensor, TensorData};
use core::ops::Range;

/// How many numbers a rank says of itself: that it has an error; its first class, how many it has and how many there are, as
/// two numbers each; and what label smoothing gives to all of its classes.
const HEADER: usize = 8;
const REFUSED: usize = 0;
const START: Range<usize> = 1..3;
const LENGTH: Range<usize> = 3..5;
const CLASSES: Range<usize> = 5..7;
const SMOOTHING: usize = 7;

/// How many numbers it has for each sample: the largest logit of its classes, and the sum of the other exponentials; whether
/// the sample's class is one of them, half of that class's logit less half of the largest one, and its weight; the same halves
/// of all its classes, as the smoothing adds them up; and the id.
const NUMBERS: usize = 7;
const LARGEST: usize = 0;
const OTHERS: usize = 1;
const IS_HERE: usize = 2;
const TARGET: usize = 3;
const WEIGHT: usize = 4;
const SMOOTHED: usize = 5;
const ID: usize = 6;

/// The ids of samples that are ignored, and of those that are not valid, as they are sent.
const IGNORED: f64 = -1.0;
const INVALID: f64 = -2.0;

/// What the numbers of classes are written in, as digits: `f32` holds each, and sums of a few.
const DIGIT: usize = 1 << 20;

fn digits(number: usize) -> [f64; 2] {
    [(number % DIGIT) as f64, (number / DIGIT) as f64]
}

fn of_digits(digits: &[f64]) -> usize {
    (digits[0] + digits[1] * DIGIT as f64) as usize
}

/// Evaluates the cross-entropy of logits of some of the classes, for ids of all of them.
///
/// Each call takes part in one exchange, whatever is wrong with it (but for an exchange whose own rank is none): so the ranks
/// stay in step, and none waits for one that has found an error.
pub(crate) fn evaluate_sharded(
    check: &Check,
    options: &Options,
    logits: AnyRank,
    ids: AnyTarget,
    shard: &Shard,
    call: Call,
) -> Result<LossOutput, LossError> {
    let (rank, ranks) = (shard.exchange.rank(), shard.exchange.ranks());
    if rank >= ranks {
        let message = format!("rank {rank} is not one of {ranks} ranks, which count from 0.");
        return Err(check.error(LossErrorKind::Config, message));
    }
    let scaled_weights;
    let class_weights = match options.weights {
        // A mean does not depend on how large its weights are.
        Some(weights) if call.returns == MEAN && options.z_loss == 0.0 => {
            scaled_weights = scaled(weights);
            Some(&scaled_weights)
        }
        weights => weights,
    };
    let options = &Options {
        weights: class_weights,
        head: None,
        adjustment: options.adjustment.clone(),
        ..*options
    };
    let own = check_shard(check, options, &logits, &ids, shard);
    let mut weights = Vec::new();
    let options = &options.about_one(&mut weights);
    let own = own.and_then(|own| OwnClasses::new(check, options, &logits, &ids, (own, shard)));
    let own = match own {
        Ok(own) => own,
        Err(error) => {
            // What comes back says less than the error that is known.
            let _ = gathered(check, shard, refusal(&error, &logits, &ids));
            return Err(error);
        }
    };
    let (shape, dtype) = (ids.shape.clone(), logits.dtype());
    let numbers = gathered(check, shard, own.message())?;
    if check.reads() {
        check_ranks(check, &numbers)?;
        check_ids(check, &numbers, &shape)?;
    }
    let Some(rows) = own.rows else {
        return LossOutput::empty(check, call, shape, &[logits]);
    };
    let smoothing: f64 = match options.label_smoothing {
        0.0 => 0.0,
        _ => smoothing_of(options, shard.classes, 0..shard.classes)
            .iter()
            .sum(),
    };
    let losses = rows.losses(check, options, logits, shard, (numbers, smoothing));
    Ok(call.answer(losses, None, None, &shape, dtype))
}

/// What a rank sends that has found an error. (Its ids tell how many numbers the others send, if these are right.)
fn refusal(error: &LossError, logits: &AnyRank, ids: &AnyTarget) -> Tensor<1> {
    // A type that the device does not compute with cannot be sent either.
    let dtype: DType = match error.kind {
        LossErrorKind::DType => DType::F32,
        _ => compute_dtype(logits.dtype()).into(),
    };
    let length = HEADER + NUMBERS * ids.shape.num_elements();
    Tensor::ones([length], (&logits.device().without_autodiff(), dtype))
}

/// The numbers of all ranks, one rank after the other.
fn gathered(check: &Check, shard: &Shard, own: Tensor<1>) -> Result<Tensor<2>, LossError> {
    let (rank, ranks) = (shard.exchange.rank(), shard.exchange.ranks());
    let (device, dtype, length) = (own.device(), own.dtype(), own.dims()[0]);
    // Laid beside zeros and not multiplied by them: what is infinite stays in its place.
    let zeros = |ranks: usize| Tensor::<1>::zeros([ranks * length], (&device, dtype));
    let mut parts = Vec::with_capacity(3);
    if rank > 0 {
        parts.push(zeros(rank));
    }
    parts.push(own);
    if rank + 1 < ranks {
        parts.push(zeros(ranks - rank - 1));
    }
    let failed = |why: String| {
        let message = format!("rank {rank} of {ranks} could not exchange its part: {why}.");
        check.error(LossErrorKind::Exchange, message)
    };
    let sum = shard.exchange.sum(Tensor::cat(parts, 0));
    let sum = sum.map_err(|error| failed(format!("{error}")))?.inner();
    let found = sum.dims()[0];
    if found != ranks * length || sum.dtype() != dtype || sum.device() != device {
        return Err(failed(format!(
            "the exchange was given {} numbers of {dtype:?} on {device:?}, and gave {found} of {:?} on {:?}",
            ranks * length,
            sum.dtype(),
            sum.device()
        )));
    }
    Ok(sum.reshape([ranks, length]))
}

/// What label smoothing gives to each of some classes, for a sample that counts.
fn smoothing_of(options: &Options, classes: usize, some: Range<usize>) -> Vec<f64> {
    let share = options.label_smoothing / classes as f64;
    match options.weights {
        Some(weights) => weights[some].iter().map(|weight| share * weight).collect(),
        None => vec![share; some.len()],
    }
}

/// What is done to the logits of some of the classes.
fn of_classes(adjustment: &Adjustment, some: &Range<usize>) -> Adjustment {
    let part = |numbers: &Vec<f64>| numbers[some.clone()].to_vec();
    Adjustment {
        softcap: adjustment.softcap,
        scale: adjustment.scale,
        offsets: adjustment.offsets.as_ref().map(part),
        margins: adjustment.margins.as_ref().map(part),
    }
}

/// The checks of what the host knows of a rank's own part. Gives its classes.
fn check_shard(
    check: &Check,
    options: &Options,
    logits: &AnyRank,
    ids: &AnyTarget,
    shard: &Shard,
) -> Result<Range<usize>, LossError> {
    let (axis, device, shape) = (options.class_axis, logits.device(), logits.shape());
    let (start, classes) = (shard.start, shard.classes);
    check.dtype(&device, logits.dtype())?;
    check.device("logits", &device, "targets", &ids.device)?;
    check.class_axis(axis, &shape)?;
    if ids.shape != without(&shape, axis) {
        return Err(misfit(check, "logits", &shape, axis, &ids.shape));
    }
    let error = |message| Err(check.error(LossErrorKind::Shape, message));
    if classes < 2 {
        return error(format!(
            "the shard says that the number of all classes is {classes}, but a loss needs at least 2."
        ));
    }
    let length = shape[axis];
    if length == 0 {
        return error(format!(
            "logits {} have no class along axis {axis}: each rank needs one at least, so share {classes} classes among fewer \
             ranks.",
            dims(&shape)
        ));
    }
    let end = start.saturating_add(length);
    if end > classes {
        return error(format!(
            "logits {} have {length} classes along axis {axis}, which from start {start} on go up to {end}, but the shard says \
             that there are {classes} classes in all.",
            dims(&shape)
        ));
    }
    let dtype = logits.dtype();
    check.class_weights(options.weights_are, options.weights, classes, false)?;
    if let Some(weights) = options.weights {
        check.holds_all(dtype, options.weights_are, weights)?;
    }
    check_adjustment(check, options, classes, ids, dtype)?;
    Ok(start..end)
}

/// What a rank makes of its own classes, before it knows the others'.
struct OwnClasses {
    header: [f64; HEADER],
    /// Where they are computed.
    device: Device,
    dtype: DType,
    /// Absent in an empty batch.
    rows: Option<OwnRows>,
}

/// The rows of that.
struct OwnRows {
    numbers: [Tensor<3>; NUMBERS],
    softmax: SoftmaxShard,
    /// The coefficients of the logarithms of the probabilities here.
    q: Tensor<3>,
    /// Which samples have a class, and are not ignored.
    is_class: Tensor<3, Bool>,
    /// Which have a valid id, where the ids were not read.
    valid: Option<Tensor<3, Bool>>,
    /// What the gradient is multiplied by, for what was done to the logits.
    step: Option<Tensor<3>>,
}

impl OwnClasses {
    fn new(
        check: &Check,
        options: &Options,
        logits: &AnyRank,
        ids: &AnyTarget,
        (own, shard): (Range<usize>, &Shard),
    ) -> Result<Self, LossError> {
        let smoothing = match options.label_smoothing {
            0.0 => None,
            _ => Some(smoothing_of(options, shard.classes, own.clone())),
        };
        let mut header = [0.0; HEADER];
        header[START].copy_from_slice(&digits(own.start));
        header[LENGTH].copy_from_slice(&digits(own.len()));
        header[CLASSES].copy_from_slice(&digits(shard.classes));
        header[SMOOTHING] = smoothing.iter().flatten().sum();
        let rows = match ids.shape.num_elements() {
            0 => None,
            _ => Some(OwnRows::new(
                check,
                options,
                logits,
                ids,
                (own, shard.classes, smoothing),
            )?),
        };
        Ok(Self {
            header,
            device: logits.device().without_autodiff(),
            dtype: compute_dtype(logits.dtype()).into(),
            rows,
        })
    }

    /// What the other ranks need to know.
    fn message(&self) -> Tensor<1> {
        let header = TensorData::new(self.header.to_vec(), [HEADER]).convert_dtype(self.dtype);
        let header = Tensor::<1>::from_data(header, (&self.device, self.dtype));
        let rows = self.rows.iter().flat_map(|rows| rows.numbers.clone());
        let parts = core::iter::once(header).chain(rows.map(flat));
        Tensor::cat(parts.collect(), 0)
    }
}

impl OwnRows {
    fn new(
        check: &Check,
        options: &Options,
        logits: &AnyRank,
        ids: &AnyTarget,
        (own, classes, smoothing): (Range<usize>, usize, Option<Vec<f64>>),
    ) -> Result<Self, LossError> {
        let [outer, count, inner] = layers(&logits.shape(), options.class_axis);
        let x = untracked(logits).layers([outer, count, inner]);
        let (device, dtype) = (x.device(), x.dtype());
        let float = FloatDType::from(dtype);
        let given = ids.values.clone().integers();
        let are_read = check.class_ids(&given, &ids.shape, classes, Some(options.ignored))?;
        let found = SafeIds::new(given.reshape([outer, 1, inner]), classes, options.ignored);
        let hot = found.one_hot_of(AXIS, own.clone(), &device, dtype);
        let (is_class, valid) = (found.is_class(), found.valid());
        let used = hot.clone().equal_scalar(1.0);
        let (x, step) = match &options.adjustment {
            Some(all) => adjusted(&of_classes(all, &own), x, Some(&used)),
            None => (x, None),
        };
        let weighted = match options.weights {
            Some(weights) => hot.clone() * along_axis(&weights[own], &device, dtype),
            None => hot.clone(),
        };
        let softmax = SoftmaxShard::new(x);
        let half = softmax.half_shifted.clone();
        let target = half.clone().mask_fill(used.bool_not(), 0.0);
        let weight = weighted.clone().sum_dim(AXIS);
        let counts = is_class.clone().cast(float);
        let (q, smoothed) = match smoothing {
            Some(smoothing) => {
                let smoothing = along_axis(&smoothing, &device, dtype);
                let terms = half.times_or_zero(smoothing.clone().expand([outer, count, inner]));
                let q = weighted * (1.0 - options.label_smoothing) + counts * smoothing;
                (q, terms.sum_dim(AXIS))
            }
            None => (weighted, counts.zeros_like()),
        };
        // In the order of their places, from `LARGEST` to `ID`.
        let numbers = [
            softmax.largest.clone(),
            softmax.others.clone(),
            hot.sum_dim(AXIS),
            target.sum_dim(AXIS),
            weight,
            smoothed,
            found.or(INVALID as i64).cast(float),
        ];
        Ok(Self {
            numbers,
            softmax,
            q,
            is_class,
            valid: (!are_read).then_some(valid),
            step,
        })
    }

    /// The losses, of the numbers of all ranks, and of what label smoothing gives to all classes together.
    fn losses(
        self,
        check: &Check,
        options: &Options,
        logits: AnyRank,
        shard: &Shard,
        (numbers, smoothing): (Tensor<2>, f64),
    ) -> Losses {
        let [outer, _, inner] = self.is_class.dims();
        let gathered = RankNumbers {
            numbers: &numbers,
            samples: [outer, inner],
        };
        let ranks = gathered.ranks();
        let shards = (0..ranks).map(|rank| [LARGEST, OTHERS].map(|of| gathered.of(rank, of)));
        let sums = JoinedSums::new(&Vec::from_iter(shards));
        let softmax = self.softmax.joined(&sums, shard.exchange.rank());
        let [target, weight, smoothed] = gathered.at_targets(&sums, smoothing != 0.0);
        let half_ln_sum = sums.others.clone().ln_1p() * 0.5;
        let of_target = weight.clone() * (1.0 - options.label_smoothing);
        let mut values = -(target - half_ln_sum.clone()).times_or_zero(of_target.clone());
        if smoothing != 0.0 {
            values = values - (smoothed - half_ln_sum * smoothing);
        }
        let is_none = self.is_class.clone().bool_not();
        let mut of_lse = None;
        if options.z_loss != 0.0 {
            let lse = softmax.log_sum_exp().mask_fill(is_none.clone(), 0.0);
            values = values + lse.clone() * (lse.clone() * (0.5 * options.z_loss));
            of_lse = Some(lse * (2.0 * options.z_loss));
        }
        let values = values.mask_fill(is_none, 0.0);

        let mut valid = self.valid;
        if !check.reads() {
            valid = both(valid, Some(fit(&numbers).expand([outer, 1, inner])));
            for rank in 1..ranks {
                let same = gathered.of(rank, ID).equal(gathered.of(0, ID));
                valid = both(valid, Some(same));
            }
        }
        let counts = self.is_class.cast(FloatDType::from(values.dtype()));
        let gradient = logits.is_tracked().then(|| {
            let shape = self.q.dims();
            let (prob, rest) = softmax.prob_and_rest();
            let q_of_all = of_target + counts.clone() * smoothing;
            let q_of_rest = q_of_all.expand(shape) - self.q.clone();
            let mut slope = cross_entropy_slope(prob.clone(), rest, self.q, q_of_rest);
            if let Some(of_lse) = of_lse {
                slope = slope + prob.times_or_zero(of_lse.expand(shape));
            }
            if let Some(step) = self.step {
                // What does not count has no gradient, whatever its cap.
                slope = step.times_or_zero(slope);
            }
            let valid = valid.clone().map(|valid| valid.expand(shape));
            (logits.clone(), or_nan(slope * 0.5, &valid))
        });
        let weight = match (options.by_class(), options.ignored) {
            (true, _) => Some(weight * options.weights_size),
            (false, []) => None,
            (false, _) => Some(counts),
        };
        Losses {
            values: flat(or_nan(values, &valid)),
            part: 0.5 / options.weights_size,
            weights: weight.map(flat),
            batch: logits.shape()[0],
            graph: Graph::new(&logits, [outer, 1, inner], Vec::from_iter(gradient)),
        }
    }
}

/// The numbers of all ranks, of so many samples `[outer, inner]`.
struct RankNumbers<'a> {
    numbers: &'a Tensor<2>,
    samples: [usize; 2],
}

impl RankNumbers<'_> {
    fn ranks(&self) -> usize {
        self.numbers.dims()[0]
    }

    fn slice(&self, rank: usize, numbers: Range<usize>) -> Tensor<2> {
        self.numbers.clone().slice([rank..rank + 1, numbers])
    }

    /// One number of each sample.
    fn of(&self, rank: usize, number: usize) -> Tensor<3> {
        let [outer, inner] = self.samples;
        let from = HEADER + number * outer * inner;
        let numbers = self.slice(rank, from..from + outer * inner);
        numbers.reshape([outer, 1, inner])
    }

    /// Half of the logit at the class of each sample, less half of the largest of all, and its weight; and the same halves of
    /// all classes, as the smoothing adds them up, if it does.
    fn at_targets(&self, sums: &JoinedSums, is_smoothed: bool) -> [Tensor<3>; 3] {
        let [outer, inner] = self.samples;
        let zeros = sums.others.zeros_like();
        let (mut target, mut weight, mut smoothed) = (zeros.clone(), zeros.clone(), zeros);
        for (rank, half_behind) in sums.half_behind.iter().enumerate() {
            let is_elsewhere = self.of(rank, IS_HERE).equal_scalar(0.0);
            let here = self.of(rank, TARGET) + half_behind.clone();
            target = target + here.mask_fill(is_elsewhere, 0.0);
            weight = weight + self.of(rank, WEIGHT);
            if is_smoothed {
                let of_rank = self.slice(rank, SMOOTHING..SMOOTHING + 1);
                let of_rank: Tensor<3> = of_rank.reshape([1, 1, 1]);
                let of_rank = of_rank.expand([outer, 1, inner]);
                let behind = half_behind.clone().times_or_zero(of_rank);
                smoothed = smoothed + (self.of(rank, SMOOTHED) + behind);
            }
        }
        [target, weight, smoothed]
    }
}

/// What the ranks say of themselves, looked at: whether one has an error, and whether they have each class once.
fn check_ranks(check: &Check, numbers: &Tensor<2>) -> Result<(), LossError> {
    let data = check.data(&numbers.clone().slice_dim(1, 0..HEADER))?;
    let said: Vec<f64> = data.iter::<f64>().collect();
    let headers = || said.chunks(HEADER).enumerate();
    let error = |kind, message| Err(check.error(kind, message));
    if let Some((rank, _)) = headers().find(|(_, header)| header[REFUSED] != 0.0) {
        let message = format!(
            "rank {rank} has found an error in its own part of this call, and returns it there."
        );
        return error(LossErrorKind::Exchange, message);
    }
    let classes = of_digits(&said[CLASSES]);
    let mut end = 0;
    for (rank, header) in headers() {
        let (start, length) = (of_digits(&header[START]), of_digits(&header[LENGTH]));
        let of_rank = of_digits(&header[CLASSES]);
        let message = if of_rank != classes {
            format!(
                "rank 0 says that there are {classes} classes in all, and rank {rank} {of_rank}."
            )
        } else if start > end {
            format!(
                "rank {rank} begins at class {start}, but no rank before it has classes {end}..{start}: the shards leave a gap."
            )
        } else if start < end {
            format!(
                "rank {rank} begins at class {start}, but the ranks before it have classes up to {end}: the shards overlap, or \
                 are not in the order of the ranks."
            )
        } else {
            end = start.saturating_add(length);
            continue;
        };
        return error(LossErrorKind::Shape, message);
    }
    if end < classes {
        let message = format!(
            "no rank has classes {end}..{classes}: the last of the shards ends at {end}, and there are {classes} classes in all."
        );
        return error(LossErrorKind::Shape, message);
    }
    Ok(())
}

/// Whether the ranks have no error and each class once, where that may not be read: `[1, 1, 1]`.
fn fit(numbers: &Tensor<2>) -> Tensor<3, Bool> {
    let [ranks, _] = numbers.dims();
    let of = |columns: Range<usize>| numbers.clone().slice_dim(1, columns);
    let classes = of(CLASSES);
    let ends = of(START) + of(LENGTH);
    let first = ends.zeros_like().slice_dim(0, 0..1);
    let last = classes.clone().slice_dim(0, ranks - 1..ranks);
    // Where each begins, less where the one before it ends: in digits of which one may carry into the other.
    let gaps = Tensor::cat(vec![of(START), last], 0) - Tensor::cat(vec![first, ends], 0);
    let carried = gaps.clone().slice_dim(1, 1..2) * DIGIT as f64;
    let gaps = gaps.slice_dim(1, 0..1) + carried;
    let others = classes.clone().slice_dim(0, 0..1).expand([ranks, 2]) - classes;
    let parts = vec![flat(gaps), flat(others), flat(of(REFUSED..REFUSED + 1))];
    let wrong: Tensor<1> = Tensor::cat(parts, 0);
    wrong.equal_scalar(0.0).all().reshape([1, 1, 1])
}

/// The ids of all ranks are the same; they are of the given shape.
fn check_ids(check: &Check, numbers: &Tensor<2>, shape: &Shape) -> Result<(), LossError> {
    let samples = shape.num_elements();
    if samples == 0 {
        return Ok(());
    }
    let from = HEADER + ID * samples;
    let data = check.data(&numbers.clone().slice_dim(1, from..from + samples))?;
    let ids: Vec<f64> = data.iter::<f64>().collect();
    let differs = |&at: &usize| ids[at] != ids[at % samples];
    let Some(at) = (0..ids.len()).find(differs) else {
        return Ok(());
    };
    let (rank, sample) = (at / samples, at % samples);
    let shown = |id: f64| match id {
        IGNORED => String::from("an ignored id"),
        INVALID => String::from("an invalid id"),
        class => format!("class {class}"),
    };
    let message = format!(
        "the targets of the ranks differ: at index {:?} rank 0 has {}, and rank {rank} {}. Each rank has the logits of its own \
         classes, and the ids of all samples.",
        unravel(sample, shape),
        shown(ids[sample]),
        shown(ids[at]),
    );
    Err(check.error(LossErrorKind::Exchange, message))
}
