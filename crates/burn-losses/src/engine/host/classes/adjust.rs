//! What is done to logits before their softmax, and to the gradient after it.

use super::tile::{ClassSweep, Tile};
use crate::engine::host::head::HeadFloat;
use crate::engine::host::sums::PART;
use crate::engine::host::vectors::{Loop, prefetch};
use crate::real::{SMALL_FOR_TANH, tanh, tanh_small};
use crate::spec::logits::{Adjustment, capped};
use alloc::vec::Vec;

/// How the logits of some samples lie.
#[derive(Clone, Copy)]
pub(super) enum Lie {
    /// One sample after the other.
    Rows,
    /// One class after the other, of so many samples.
    Lines(usize),
}

impl Lie {
    /// Where the logit of a sample is.
    #[inline(always)]
    fn place(self, sample: usize, class: usize, classes: usize) -> usize {
        match self {
            Self::Rows => sample * classes + class,
            Self::Lines(width) => class * width + sample,
        }
    }
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
        self.prepare(tile, logits.len());
        buffer.resize(logits.len(), F::default());
        let classes = self.reads.layout.classes;
        self.vectors.run(Adjust {
            adjustment,
            classes,
            tile,
            logits,
            to: buffer,
            lie,
        });
        buffer
    }

    /// Makes room for what so many adjusted logits need.
    pub(super) fn prepare<F: HeadFloat>(&self, tile: &mut Tile<F>, count: usize) {
        let Some(adjustment) = self.reads.adjustment else {
            return;
        };
        tile.row.resize(self.reads.layout.classes, F::default());
        if tile.offsets.is_empty() {
            let offsets = adjustment.offsets.iter().flatten();
            tile.offsets = offsets.map(|&offset| F::of(offset)).collect();
        }
        if adjustment.softcap.is_some() {
            tile.caps.resize(count, F::default());
        }
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
                let at = lie.place(sample, class, classes);
                tile.own_slope[sample] = tile.caps[at].times_or_zero(tile.own_slope[sample]);
            }
        }
    }
}

/// Adjusts logits.
struct Adjust<'a, F> {
    adjustment: &'a Adjustment,
    classes: usize,
    tile: &'a mut Tile<F>,
    logits: &'a [F],
    to: &'a mut [F],
    lie: Lie,
}

impl<F: HeadFloat> Loop for Adjust<'_, F> {
    const WIDEST: bool = !F::IS_DOUBLE;
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self {
            adjustment,
            classes,
            tile,
            logits,
            to,
            lie,
        } = self;
        // Rows have an offset for each number, and a line has one for all.
        let length = match lie {
            Lie::Rows => classes,
            Lie::Lines(width) => width,
        };
        for (at, to) in to.chunks_exact_mut(length).enumerate() {
            let place = at * length..(at + 1) * length;
            let caps = tile.caps.get_mut(place.clone()).unwrap_or_default();
            let (each, all) = match lie {
                Lie::Rows => (&tile.offsets[..], F::default()),
                Lie::Lines(_) => (&[][..], tile.offsets.get(at).copied().unwrap_or_default()),
            };
            adjust_stretch(adjustment, &logits[place], (each, all), caps, to);
        }
        for (sample, id) in tile.ids.iter().enumerate() {
            if let Some(class) = id.class() {
                let at = lie.place(sample, class, classes);
                to[at] = to[at].plus(-adjustment.margin(class));
            }
        }
    }
}

/// Adjusts a part of logits, by an offset for each or for all of them, but for margins. The derivatives of their caps are
/// written where there is room for them.
#[inline(always)]
fn adjust_part<F: HeadFloat>(
    adjustment: &Adjustment,
    logits: &[F],
    (each, all): (&[F], F),
    caps: &mut [F],
    to: &mut [F],
) {
    let Some(cap) = adjustment.softcap else {
        if each.is_empty() {
            for (to, &x) in to.iter_mut().zip(logits) {
                *to = adjustment.moved(x, all);
            }
        } else {
            for ((to, &x), &offset) in to.iter_mut().zip(logits).zip(each) {
                *to = adjustment.moved(x, offset);
            }
        }
        return;
    };
    let (over_cap, limit) = (1.0 / cap, F::of(SMALL_FOR_TANH * cap));
    // Most logits are far below their cap.
    let small = logits
        .iter()
        .fold(true, |small, x| small & (x.abs() <= limit));
    if small {
        for (to, &x) in to.iter_mut().zip(logits) {
            *to = tanh_small(x.times(over_cap));
        }
    } else {
        for (to, &x) in to.iter_mut().zip(logits) {
            *to = tanh(x.times(over_cap));
        }
    }
    for (&ratio, slope) in to.iter().zip(caps) {
        *slope = capped(ratio, cap).1;
    }
    for to in &mut *to {
        *to = capped(*to, cap).0;
    }
    if !adjustment.moves() {
        return;
    }
    if each.is_empty() {
        for to in to {
            *to = adjustment.moved(*to, all);
        }
    } else {
        for (to, &offset) in to.iter_mut().zip(each) {
            *to = adjustment.moved(*to, offset);
        }
    }
}

/// Adjusts the logits of a row. The derivatives of their caps are written where there is room for them.
#[inline(always)]
pub(super) fn adjust_row<F: HeadFloat>(
    adjustment: &Adjustment,
    logits: &[F],
    class: Option<usize>,
    offsets: &[F],
    caps: &mut [F],
    to: &mut [F],
) {
    adjust_stretch(adjustment, logits, (offsets, F::default()), caps, to);
    if let Some(class) = class {
        to[class] = to[class].plus(-adjustment.margin(class));
    }
}

/// Adjusts logits that lie side by side, but for margins, in parts.
#[inline(always)]
fn adjust_stretch<F: HeadFloat>(
    adjustment: &Adjustment,
    logits: &[F],
    (each, all): (&[F], F),
    caps: &mut [F],
    to: &mut [F],
) {
    // How far ahead memory is asked for: what is done with it leaves no room to wait.
    const AHEAD: usize = 8 * PART;
    for start in (0..logits.len()).step_by(PART) {
        prefetch(logits.as_ptr().wrapping_add(start + AHEAD), PART);
        let part = start..logits.len().min(start + PART);
        let caps = caps.get_mut(part.clone()).unwrap_or_default();
        let each = each.get(part.clone()).unwrap_or_default();
        let to = &mut to[part.clone()];
        adjust_part(adjustment, &logits[part], (each, all), caps, to);
    }
}

struct Multiply<'a, F>(&'a mut [F], &'a [F]);

impl<F: HeadFloat> Loop for Multiply<'_, F> {
    const WIDEST: bool = !F::IS_DOUBLE;
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
