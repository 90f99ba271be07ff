//! Several samples, and what is found out about them.

use super::inputs::{ClassCode, ClassInputs, SweptTarget};
use crate::engine::host::head::HeadFloat;
use crate::engine::host::scale::Scale;
use crate::engine::host::sums::sum;
use crate::engine::host::tasks::ChunkSum;
use crate::engine::host::vectors::{Loop, Vectors};
use crate::engine::host::weights::read_weights;
use crate::real::Real;
use alloc::vec::Vec;

/// Several samples, `[class][sample]`, and what is found out about each of them.
pub(super) struct Tile<F> {
    /// The input, then what becomes of it.
    pub(super) x: Vec<F>,
    /// The coefficients of the classes, where they are not a single one.
    pub(super) q: Vec<F>,
    /// What was read of rows, before it is turned.
    pub(super) rows: Vec<F>,
    /// Logits as they count, and those of a single row; and the derivatives of what capped them.
    pub(super) adjusted: Vec<F>,
    pub(super) row: Vec<F>,
    pub(super) caps: Vec<F>,
    /// What the logits of each class are moved by.
    pub(super) offsets: Vec<F>,
    /// What is known of the samples' ids, if they are the target.
    pub(super) ids: Vec<ClassCode>,
    /// The largest of a sample's logits, and which class that is.
    pub(super) largest: Vec<F>,
    pub(super) at: Vec<u32>,
    /// The sum of the other classes' exponentials.
    pub(super) others: Vec<f64>,
    /// `ln(1 + others)`, and `1 / (1 + others)`.
    pub(super) ln_sums: Vec<F>,
    pub(super) shares: Vec<F>,
    /// The input at the class of a sample, its exponential, and the slope there.
    pub(super) own: Vec<F>,
    pub(super) own_exp: Vec<F>,
    pub(super) own_slope: Vec<F>,
    /// The weights of the samples as they are read, and as they count; and the losses, in halves. (The
    /// difference of two logits may be out of range where its share of a mean is not.)
    pub(super) read: Vec<f64>,
    pub(super) weights: Vec<F>,
    pub(super) losses: Vec<F>,
    /// For each sample a number that is needed between two loops.
    pub(super) numbers: Vec<F>,
    pub(super) sums: Vec<f64>,
}

impl<F: HeadFloat> Tile<F> {
    pub(super) fn new() -> Self {
        Self {
            x: Vec::new(),
            q: Vec::new(),
            rows: Vec::new(),
            adjusted: Vec::new(),
            row: Vec::new(),
            caps: Vec::new(),
            offsets: Vec::new(),
            ids: Vec::new(),
            largest: Vec::new(),
            at: Vec::new(),
            others: Vec::new(),
            ln_sums: Vec::new(),
            shares: Vec::new(),
            own: Vec::new(),
            own_exp: Vec::new(),
            own_slope: Vec::new(),
            read: Vec::new(),
            weights: Vec::new(),
            losses: Vec::new(),
            numbers: Vec::new(),
            sums: Vec::new(),
        }
    }

    /// Makes room for so many samples.
    pub(super) fn resize(&mut self, width: usize) {
        if self.losses.len() == width {
            return;
        }
        for numbers in [
            &mut self.largest,
            &mut self.ln_sums,
            &mut self.shares,
            &mut self.own,
            &mut self.own_exp,
            &mut self.own_slope,
            &mut self.weights,
            &mut self.losses,
            &mut self.numbers,
        ] {
            numbers.resize(width, F::default());
        }
        self.ids.resize(width, ClassCode::IGNORED);
        self.at.resize(width, 0);
        self.read.resize(width, 1.0);
        self.others.resize(width, 0.0);
        self.sums.resize(width, 0.0);
    }

    /// The gradient at the class of each sample becomes its own slope.
    #[inline(always)]
    pub(super) fn put_own_slopes(&mut self, width: usize) {
        for sample in 0..width {
            if let Some(class) = self.ids[sample].class() {
                self.x[class * width + sample] = self.own_slope[sample];
            }
        }
    }

    /// The losses, which are in halves until then.
    pub(super) fn whole_losses(&mut self) -> &[F] {
        for loss in &mut self.losses {
            *loss = loss.times(2.0);
        }
        &self.losses
    }
}

/// Where the samples of a tile are: from `first` on of all samples.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) first: usize,
    pub(super) width: usize,
}

pub(super) struct ClassSweep<'a> {
    pub(super) reads: &'a ClassInputs<'a>,
    pub(super) scale: Scale,
    pub(super) vectors: Vectors,
}

impl ClassSweep<'_> {
    /// Reads the weights and the ids of samples; says whether all weights are allowed.
    pub(super) fn read_samples<F: HeadFloat>(&self, tile: &mut Tile<F>, place: Place) -> bool {
        tile.resize(place.width);
        self.vectors.run(ReadSamples(self, tile, place.first))
    }

    /// What was found of the samples of a tile.
    pub(super) fn found<F: HeadFloat>(&self, tile: &Tile<F>, invalid: bool) -> ChunkSum {
        ChunkSum {
            sum: self.vectors.run(Add(&tile.losses, self.scale.losses)) * 2.0,
            invalid,
        }
    }

    /// Whether it is a cross-entropy of samples of one class each.
    pub(super) fn one_softmax(&self) -> bool {
        self.reads.one_class_counts() && self.reads.log_probs.is_none()
    }
}

/// Reads the weights and the ids of the samples of a tile, from a place on.
pub(super) struct ReadSamples<'a, F>(&'a ClassSweep<'a>, &'a mut Tile<F>, usize);

impl<F: HeadFloat> Loop for ReadSamples<'_, F> {
    const WIDEST: bool = !F::IS_DOUBLE;
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        let Self(ClassSweep { reads, scale, .. }, tile, first) = self;
        let allowed = match reads.samples {
            Some(samples) => read_weights::<F>(samples, first, &mut tile.read),
            None => {
                tile.read.fill(1.0);
                true
            }
        };
        if let SweptTarget::Ids { ids, ignored } = reads.target {
            reads.ids(ids, ignored, first, &mut tile.ids);
        }
        let by_class = reads.one_class_counts();
        if reads.samples.is_none() && reads.weights.is_none() {
            tile.weights.fill(scale.weight(1.0));
            return allowed;
        }
        let weights = tile.weights.iter_mut().zip(&tile.read);
        for ((weight, &read), &id) in weights.zip(&tile.ids) {
            *weight = if by_class {
                scale.weight_of(read, reads.of_class(id))
            } else if reads.weights.is_some() {
                // The weight of the sample is in what its classes count, together with theirs: one alone may
                // be out of range. Left is whether it counts at all.
                F::of(read.sign())
            } else {
                scale.weight(read)
            };
        }
        allowed
    }
}

/// The sum of numbers, each times a scale.
pub(super) struct Add<'a, F>(&'a [F], f64);

impl<F: HeadFloat> Loop for Add<'_, F> {
    const WIDEST: bool = !F::IS_DOUBLE;
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        sum(self.0, self.1)
    }
}

/// Whether each of some samples has a class.
#[inline(always)]
pub(super) fn all_have_classes(ids: &[ClassCode]) -> bool {
    ids.iter().fold(true, |all, id| all & id.is_class())
}
