//! What a sweep over classes reads.

use crate::engine::host::head::{HeadFloat, HostHead};
use crate::engine::host::numbers::Source;
use crate::engine::host::samples::Layout;
use crate::engine::host::sums::{LANES, tree};
use crate::engine::host::tasks::{CHUNK, Chunk, Work, in_chunks};
use crate::engine::host::weights::read_weight;
use crate::real::id::classify;
use crate::spec::logits::Adjustment;
use crate::spec::rule::Rule;
use core::marker::PhantomData;

/// What the target of each sample is.
#[derive(Clone, Copy)]
pub(crate) enum SweptTarget<'a> {
    /// A class, or an ignored id.
    Ids { ids: Source<'a>, ignored: &'a [i64] },
    /// A probability for each class, in the layout of the input. What must hold for each of them,
    /// and how far their sum may be from 1.
    Probs {
        probs: Source<'a>,
        rule: Rule,
        tolerance: f64,
    },
}

/// What is read.
#[derive(Clone, Copy)]
pub(crate) struct ClassInputs<'a> {
    /// The logits, or the log-probabilities; absent where the gradient overwrites them.
    pub(crate) input: Option<Source<'a>>,
    pub(crate) layout: Layout,
    pub(crate) target: SweptTarget<'a>,
    /// The input holds log-probabilities, and this must hold for those that are used.
    pub(crate) log_probs: Option<Rule>,
    /// A weight for each class; whether it is part of what a mean is divided by.
    pub(crate) weights: Option<&'a [f64]>,
    pub(crate) weights_count: bool,
    pub(crate) label_smoothing: f64,
    /// What is done to the logits first.
    pub(crate) adjustment: Option<&'a Adjustment>,
    /// As in [`ClassSpec`](crate::engine::softmax::ClassSpec).
    pub(crate) z_loss: f64,
    /// What is computed of the class's probability, if it is not its logarithm.
    pub(crate) head: Option<&'a dyn HostHead>,
    /// A weight for each sample.
    pub(crate) samples: Option<Source<'a>>,
}

/// What is known of an id: its class, or that it has none.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct ClassCode(u32);

impl ClassCode {
    pub(super) const IGNORED: Self = Self(u32::MAX);
    pub(super) const INVALID: Self = Self(u32::MAX - 1);

    #[inline(always)]
    pub(super) fn of(id: i64, classes: usize, ignored: &[i64]) -> Self {
        let found = classify(id, classes, ignored);
        let other = if found.valid {
            Self::IGNORED
        } else {
            Self::INVALID
        };
        if found.is_class {
            Self(found.class as u32)
        } else {
            other
        }
    }

    #[inline(always)]
    pub(super) fn is_class(self) -> bool {
        self.0 < Self::INVALID.0
    }

    #[inline(always)]
    pub(super) fn class(self) -> Option<usize> {
        if self.is_class() {
            Some(self.0 as usize)
        } else {
            None
        }
    }
}

impl ClassInputs<'_> {
    #[inline(always)]
    pub(super) fn id(&self, ids: Source, ignored: &[i64], sample: usize) -> ClassCode {
        match ids.integer(sample) {
            Some(id) => ClassCode::of(id, self.layout.classes, ignored),
            None => ClassCode::INVALID,
        }
    }

    /// What is known of the ids of samples.
    #[inline(always)]
    pub(super) fn ids(&self, source: Source, ignored: &[i64], first: usize, ids: &mut [ClassCode]) {
        match source {
            Source::I64(from) => self.ids_of(&from[first..], ignored, ids),
            Source::I32(from) => self.ids_of(&from[first..], ignored, ids),
            _ => {
                for (at, id) in ids.iter_mut().enumerate() {
                    *id = self.id(source, ignored, first + at);
                }
            }
        }
    }

    #[inline(always)]
    pub(super) fn ids_of<T: Copy + Into<i64>>(
        &self,
        from: &[T],
        ignored: &[i64],
        ids: &mut [ClassCode],
    ) {
        for (id, &from) in ids.iter_mut().zip(from) {
            *id = ClassCode::of(from.into(), self.layout.classes, ignored);
        }
    }

    #[inline(always)]
    pub(super) fn weight(&self, class: usize) -> f64 {
        self.weights.map_or(1.0, |weights| weights[class])
    }

    /// How much the class of a sample counts.
    #[inline(always)]
    pub(super) fn of_class(&self, id: ClassCode) -> f64 {
        id.class().map_or(1.0, |class| self.weight(class))
    }

    /// Whether of a sample one class counts, and nothing of all classes but their softmax.
    pub(super) fn one_class_counts(&self) -> bool {
        matches!(self.target, SweptTarget::Ids { .. })
            && ((self.label_smoothing == 0.0 && self.z_loss == 0.0) || self.log_probs.is_some())
    }

    /// Whether each sample counts as one.
    pub(crate) fn count_alike(&self) -> bool {
        self.samples.is_none() && self.classes_count_alike()
    }

    #[inline(always)]
    pub(super) fn classes_count_alike(&self) -> bool {
        match self.target {
            SweptTarget::Probs { .. } => true,
            SweptTarget::Ids { ignored, .. } => ignored.is_empty() && !self.by_class(),
        }
    }

    /// Whether how much a sample counts in a mean depends on its class.
    pub(super) fn by_class(&self) -> bool {
        self.weights.is_some() && self.weights_count
    }

    /// The sum of the weights with which the samples of a loss in `F` count, each times `scale`.
    pub(crate) fn weight_sum<F: HeadFloat>(&self, scale: f64) -> f64 {
        let samples = self.layout.samples();
        let work = SampleWeightSum::<F> {
            reads: self,
            scale,
            computed: PhantomData,
        };
        in_chunks::<u8, _, 0>(samples, CHUNK, [], &work)
            .iter()
            .sum()
    }
}

pub(super) struct SampleWeightSum<'a, F> {
    pub(super) reads: &'a ClassInputs<'a>,
    pub(super) scale: f64,
    pub(super) computed: PhantomData<F>,
}

/// The sum of the weights of some samples.
impl<F: HeadFloat> Work<Chunk<'_, u8, 0>, ()> for SampleWeightSum<'_, F> {
    type Result = f64;

    #[inline(always)]
    fn part(&self, (): &mut (), (range, []): Chunk<u8, 0>) -> f64 {
        let reads = self.reads;
        let mut lanes = [0.0; LANES];
        for (at, sample) in range.enumerate() {
            let own = match reads.target {
                SweptTarget::Ids { ids, ignored } if !reads.classes_count_alike() => {
                    let class = reads.id(ids, ignored, sample).class();
                    class.map_or(0.0, |class| {
                        if reads.by_class() {
                            reads.weight(class)
                        } else {
                            1.0
                        }
                    })
                }
                _ => 1.0,
            };
            lanes[at % LANES] += match reads.samples {
                Some(weights) => match read_weight::<F>(weights, sample).0 {
                    // A large weight, made larger, may be infinite.
                    weight if own == 0.0 => own * weight,
                    weight => own * (weight * self.scale),
                },
                None => own * self.scale,
            };
        }
        tree(lanes)
    }
}
