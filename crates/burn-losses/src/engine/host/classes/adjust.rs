//! What is done to logits before their softmax, and to the gradient after it.

use super::inputs::ClassCode;
use super::tile::{ClassSweep, Tile};
use crate::engine::host::head::HeadFloat;
use crate::engine::host::vectors::Loop;
use crate::spec::logits::Adjustment;
use alloc::vec::Vec;

/// How the logits of some samples lie.
#[derive(Clone, Copy)]
pub(super) enum Lie {
    /// One sample after the other.
    Rows,
    /// One class after the other, of so many samples.
    Lines(usize),
}

impl ClassSweep<'_> {
    /// The logits as they count: as they are, or adjusted, in a buffer; what the gradient needs is left in the tile.
    pub(super) fn adjusted<'a, F: HeadFloat>(
        &self,
        tile: &mut Tile<F>,
        logits: &'a [F],
        buffer: &'a mut Vec<F>,
        lie: Lie,
    ) -> &'a [F] {
        let Some(adjustment) = self.reads.adjustment else {
            return logits;
        };
        if tile.offsets.is_empty() {
            let offsets = adjustment.offsets.iter().flatten();
            tile.offsets = offsets.map(|&offset| F::of(offset)).collect();
        }
        let logits = if adjustment.softcap.is_some() {
            for numbers in [&mut tile.capped, &mut tile.caps] {
                numbers.resize(logits.len(), F::default());
            }
            self.vectors.run(Cap {
                adjustment,
                logits,
                capped: &mut tile.capped,
                caps: &mut tile.caps,
            });
            &tile.capped
        } else {
            logits
        };
        buffer.resize(logits.len(), F::default());
        self.vectors.run(Adjust {
            adjustment,
            classes: self.reads.layout.classes,
            offsets: &tile.offsets,
            ids: &tile.ids,
            logits,
            to: buffer,
            lie,
        });
        buffer
    }

    /// As [`adjusted`](Self::adjusted), of a tile's logits, in place.
    pub(super) fn adjust_tile<F: HeadFloat>(&self, tile: &mut Tile<F>, lie: Lie) {
        if self.reads.adjustment.is_some() {
            let [logits, mut adjusted] = [&mut tile.x, &mut tile.adjusted].map(core::mem::take);
            self.adjusted(tile, &logits, &mut adjusted, lie);
            (tile.x, tile.adjusted) = (adjusted, logits);
        }
    }

    /// What the gradient of a tile is multiplied by because its logits were capped: the numbers of all classes, and those
    /// at the samples' own.
    pub(super) fn through_caps<F: HeadFloat>(&self, tile: &mut Tile<F>, lie: Lie) {
        let capped = self.reads.adjustment.is_some_and(|of| of.softcap.is_some());
        if !capped {
            return;
        }
        let classes = self.reads.layout.classes;
        self.vectors.run(Multiply(&mut tile.x, &tile.caps));
        for (sample, id) in tile.ids.iter().enumerate() {
            if let Some(class) = id.class() {
                let at = match lie {
                    Lie::Rows => sample * classes + class,
                    Lie::Lines(width) => class * width + sample,
                };
                tile.own_slope[sample] = tile.caps[at].times_or_zero(tile.own_slope[sample]);
            }
        }
    }
}

/// Caps logits.
struct Cap<'a, F> {
    adjustment: &'a Adjustment,
    logits: &'a [F],
    capped: &'a mut [F],
    /// The derivatives.
    caps: &'a mut [F],
}

impl<F: HeadFloat> Loop for Cap<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let to = self.capped.iter_mut().zip(self.caps);
        for ((capped, cap), &logit) in to.zip(self.logits) {
            let (number, slope) = self.adjustment.capped(logit);
            (*capped, *cap) = (number, slope.unwrap_or_default());
        }
    }
}

/// Scales and moves logits.
struct Adjust<'a, F> {
    adjustment: &'a Adjustment,
    classes: usize,
    /// For each class, or none.
    offsets: &'a [F],
    ids: &'a [ClassCode],
    logits: &'a [F],
    to: &'a mut [F],
    lie: Lie,
}

impl<F: HeadFloat> Loop for Adjust<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self {
            adjustment,
            classes,
            offsets,
            ids,
            logits,
            to,
            lie,
        } = self;
        match (lie, offsets) {
            (_, []) => {
                for (to, &x) in to.iter_mut().zip(logits) {
                    *to = adjustment.moved(x, F::default());
                }
            }
            (Lie::Rows, _) => {
                let rows = to.chunks_exact_mut(classes);
                for (to, x) in rows.zip(logits.chunks_exact(classes)) {
                    for ((to, &x), &offset) in to.iter_mut().zip(x).zip(offsets) {
                        *to = adjustment.moved(x, offset);
                    }
                }
            }
            (Lie::Lines(width), _) => {
                let lines = to.chunks_exact_mut(width).zip(logits.chunks_exact(width));
                for ((to, x), &offset) in lines.zip(offsets) {
                    for (to, &x) in to.iter_mut().zip(x) {
                        *to = adjustment.moved(x, offset);
                    }
                }
            }
        }
        if adjustment.margins.is_none() {
            return;
        }
        for (sample, id) in ids.iter().enumerate() {
            if let Some(class) = id.class() {
                let at = match lie {
                    Lie::Rows => sample * classes + class,
                    Lie::Lines(width) => class * width + sample,
                };
                to[at] = to[at].plus(-adjustment.margin(class));
            }
        }
    }
}

struct Multiply<'a, F>(&'a mut [F], &'a [F]);

impl<F: HeadFloat> Loop for Multiply<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self(numbers, factors) = self;
        // What does not count has no gradient, whatever its cap.
        for (number, &factor) in numbers.iter_mut().zip(factors) {
            *number = factor.times_or_zero(*number);
        }
    }
}
