//! Samples side by side, a line for each class: of blocks, and of columns of a large block.

use super::adjust::Lie;
use super::exponentials::{exponentials_of_line, raise};
use super::tile::{ClassSweep, Place, Tile};
use crate::engine::host::head::HeadFloat;
use crate::engine::host::output::Columns;
use crate::engine::host::samples::{
    Layout, Lines, SIDE_BY_SIDE, Side, TaskRows, elements, load, turn, turn_back,
};
use crate::engine::host::scale::multiply;
use crate::engine::host::sums::PART;
use crate::engine::host::tasks::ChunkSum;
use crate::engine::host::vectors::Loop;
use alloc::vec::Vec;
use core::ops::Range;

/// From this number of adjacent classes on, a sample is swept by itself.
const MANY: usize = 128;

impl ClassSweep<'_> {
    /// Blocks `[classes, inner]` of which each is a tile, or several are.
    pub(super) fn blocks<F: HeadFloat>(&self, tile: &mut Tile<F>, task: TaskRows<F>) -> ChunkSum {
        let Layout { classes, inner, .. } = self.reads.layout;
        let TaskRows {
            samples,
            mut losses,
            mut gradient,
        } = task;
        let size = classes * inner;
        let at_a_time = match inner {
            1 if classes >= MANY => 1,
            _ => (SIDE_BY_SIDE / inner).max(1),
        };
        let blocks = samples.start / inner..samples.end / inner;
        let mut found = ChunkSum::default();
        for first in blocks.clone().step_by(at_a_time) {
            let count = at_a_time.min(blocks.end - first);
            let width = count * inner;
            let place = Place {
                first: first * inner,
                width,
            };
            let allowed = self.read_samples(tile, place);
            let of_input = gradient.as_ref().filter(|_| self.reads.input.is_none());
            let in_task = (first - blocks.start) * size;
            let invalid = self.tile_of_blocks(
                tile,
                first..first + count,
                of_input.map(|input| input.input(in_task..in_task + count * size)),
                gradient.is_some(),
            );
            found.add(self.found(tile, invalid | !allowed));
            if let Some(losses) = &mut losses {
                losses.write(tile.whole_losses());
            }
            if let Some(gradient) = &mut gradient {
                match count {
                    1 => gradient.write(&tile.x),
                    _ => {
                        tile.rows.resize(count * size, F::default());
                        turn_back(&tile.x, [count, classes, inner], &mut tile.rows);
                        gradient.write(&tile.rows);
                    }
                }
            }
        }
        found
    }

    /// Some blocks as a tile: their losses, and in place of the input the gradient. The input is given where the
    /// gradient will overwrite it.
    fn tile_of_blocks<F: HeadFloat>(
        &self,
        tile: &mut Tile<F>,
        blocks: Range<usize>,
        overwritten: Option<&[F]>,
        gradient: bool,
    ) -> bool {
        let Layout { classes, inner, .. } = self.reads.layout;
        let (count, size) = (blocks.len(), classes * inner);
        let width = count * inner;
        let at = blocks.start * size..blocks.end * size;
        let sizes = [count, classes, inner];
        if let (Some(rule), Some(source)) = (self.reads.log_probs, &self.reads.input) {
            // Only the class of each sample is used.
            for sample in 0..width {
                if let Some(class) = tile.ids[sample].class() {
                    let row = (blocks.start + sample / inner) * classes + class;
                    tile.own[sample] = source.number(row * inner + sample % inner);
                }
            }
            let invalid = self.likelihood(tile, rule);
            if gradient {
                tile.x.resize(count * size, F::default());
                self.spread_likelihood(tile, width);
            }
            return invalid;
        }
        let mut rows = core::mem::take(&mut tile.rows);
        let x = match (&self.reads.input, overwritten) {
            (Some(source), _) => elements(source, at.clone(), &mut rows),
            (None, Some(input)) => input,
            (None, None) => unreachable!("what is overwritten is written"),
        };
        if self.one_softmax() {
            let mut turned = core::mem::take(&mut tile.q);
            let lines = match count {
                1 => x,
                _ => {
                    turned.resize(count * size, F::default());
                    turn(x, sizes, &mut turned);
                    &turned
                }
            };
            let mut adjusted = core::mem::take(&mut tile.adjusted);
            let lines = self.adjusted(tile, lines, &mut adjusted, Lie::Lines(width));
            let invalid = self.one_class(tile, Lines::Strided(lines, width), width, gradient);
            (tile.q, tile.rows, tile.adjusted) = (turned, rows, adjusted);
            if gradient {
                self.through_caps(tile, Lie::Lines(width));
                self.vectors.run(OwnGradients(tile, width));
            }
            return invalid;
        }
        tile.x.resize(count * size, F::default());
        turn(x, sizes, &mut tile.x);
        tile.rows = rows;
        if let Some(rule) = self.reads.log_probs {
            self.pick(tile, width);
            let invalid = self.likelihood(tile, rule);
            self.spread_likelihood(tile, width);
            return invalid;
        }
        self.adjust_tile(tile, Lie::Lines(width));
        self.all_classes(tile, width, gradient, |tile, probs| {
            let mut rows = core::mem::take(&mut tile.rows);
            tile.q.resize(count * size, F::default());
            turn(elements(probs, at.clone(), &mut rows), sizes, &mut tile.q);
            tile.rows = rows;
        })
    }

    /// Columns of a large block.
    pub(super) fn columns<F: HeadFloat>(&self, tile: &mut Tile<F>, task: Side<F>) -> ChunkSum {
        let Layout { classes, inner, .. } = self.reads.layout;
        let Side {
            outer,
            samples,
            losses,
            mut gradient,
        } = task;
        let width = samples.len();
        let place = Place {
            first: outer * inner + samples.start,
            width,
        };
        let allowed = self.read_samples(tile, place);
        let start = outer * classes * inner + samples.start;
        let invalid = if self.one_softmax() {
            let mut buffer = core::mem::take(&mut tile.rows);
            let lines = match (&self.reads.input, &gradient) {
                _ if self.reads.adjustment.is_some() => {
                    let mut loaded = core::mem::take(&mut tile.adjusted);
                    self.load_columns(start, width, gradient.as_ref(), &mut loaded);
                    self.adjusted(tile, &loaded, &mut buffer, Lie::Lines(width));
                    tile.adjusted = loaded;
                    Lines::Strided(&buffer, width)
                }
                (Some(source), _) => match F::direct(source) {
                    Some(all) => Lines::Strided(&all[start..], inner),
                    None => {
                        buffer.resize(classes * width, F::default());
                        load(source, start, inner, width, &mut buffer);
                        Lines::Strided(&buffer, width)
                    }
                },
                (None, Some(gradient)) => Lines::InPlace(gradient),
                (None, None) => unreachable!("what is overwritten is written"),
            };
            let invalid = self.one_class(tile, lines, width, gradient.is_some());
            tile.rows = buffer;
            if gradient.is_some() {
                self.through_caps(tile, Lie::Lines(width));
            }
            invalid
        } else {
            self.tile_of_columns(tile, start, width, gradient.as_ref())
        };
        let found = self.found(tile, invalid | !allowed);
        if let Some(mut losses) = losses {
            losses.write(tile.whole_losses());
        }
        if let Some(gradient) = &mut gradient {
            if self.one_softmax() {
                self.vectors.run(WriteColumns { tile, gradient })
            } else {
                tile.x.chunks_exact(width).for_each(|x| gradient.write(x))
            }
        }
        found
    }

    /// Columns from a place on as a tile: their losses, and in place of the input the gradient.
    fn tile_of_columns<F: HeadFloat>(
        &self,
        tile: &mut Tile<F>,
        start: usize,
        width: usize,
        gradient: Option<&Columns<F>>,
    ) -> bool {
        let Layout { classes, inner, .. } = self.reads.layout;
        tile.x.resize(classes * width, F::default());
        match (&self.reads.input, self.reads.log_probs) {
            // Only the class of each sample is used.
            (Some(source), Some(_)) => {
                for sample in 0..width {
                    if let Some(class) = tile.ids[sample].class() {
                        tile.own[sample] = source.number(start + class * inner + sample);
                    }
                }
            }
            _ => self.load_columns(start, width, gradient, &mut tile.x),
        }
        match self.reads.log_probs {
            Some(rule) => {
                if self.reads.input.is_none() {
                    self.pick(tile, width);
                }
                let invalid = self.likelihood(tile, rule);
                if gradient.is_some() {
                    self.spread_likelihood(tile, width);
                }
                invalid
            }
            None => {
                self.adjust_tile(tile, Lie::Lines(width));
                self.all_classes(tile, width, gradient.is_some(), |tile, probs| {
                    tile.q.resize(classes * width, F::default());
                    load(probs, start, inner, width, &mut tile.q);
                })
            }
        }
    }

    /// The logits of columns from a place on.
    fn load_columns<F: HeadFloat>(
        &self,
        start: usize,
        width: usize,
        gradient: Option<&Columns<F>>,
        to: &mut Vec<F>,
    ) {
        let Layout { classes, inner, .. } = self.reads.layout;
        to.resize(classes * width, F::default());
        match &self.reads.input {
            Some(source) => load(source, start, inner, width, to),
            None => {
                let gradient = gradient.expect("what is overwritten is written");
                for (class, x) in to.chunks_exact_mut(width).enumerate() {
                    x.copy_from_slice(gradient.input(class));
                }
            }
        }
    }

    /// The losses of samples of one class each, whose classes are lines; with a gradient, their exponentials are
    /// left in the tile.
    fn one_class<F: HeadFloat>(
        &self,
        tile: &mut Tile<F>,
        lines: Lines<F>,
        width: usize,
        gradient: bool,
    ) -> bool {
        self.vectors.run(OneClass {
            sweep: self,
            tile,
            lines,
            width,
            gradient,
        })
    }
}

/// Cross-entropy of samples of one class each, side by side.
struct OneClass<'a, F> {
    sweep: &'a ClassSweep<'a>,
    tile: &'a mut Tile<F>,
    lines: Lines<'a, F>,
    width: usize,
    gradient: bool,
}

impl<F: HeadFloat> Loop for OneClass<'_, F> {
    const WIDEST: bool = !F::IS_DOUBLE;
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        let Self {
            sweep,
            tile,
            lines,
            width,
            gradient,
        } = self;
        let classes = sweep.reads.layout.classes;
        // Without a gradient, what becomes of a line is soon overwritten by the next.
        tile.x
            .resize(if gradient { classes } else { 1 } * width, F::default());
        {
            let largest = &mut tile.largest[..width];
            largest.copy_from_slice(lines.line(0, width));
            for class in 1..classes {
                raise(largest, lines.line(class, width));
            }
        }
        for sample in 0..width {
            if let Some(class) = tile.ids[sample].class() {
                tile.own[sample] = lines.line(class, width)[sample];
            }
        }
        let (largest, others) = (&tile.largest[..width], &mut tile.others[..width]);
        let (part, ones) = (&mut tile.ln_sums[..width], &mut tile.shares[..width]);
        // The largest contributes exactly 1. Those that are 1 are added up apart, so that however little the
        // others contribute is kept.
        others.fill(-1.0);
        for start in (0..classes).step_by(PART) {
            part.fill(F::default());
            ones.fill(F::default());
            for class in start..classes.min(start + PART) {
                let exps = if gradient {
                    &mut tile.x[class * width..][..width]
                } else {
                    &mut tile.x[..width]
                };
                exponentials_of_line(lines.line(class, width), largest, exps);
                for ((part, ones), exp) in part.iter_mut().zip(&mut *ones).zip(&*exps) {
                    let one = exp.equals(1.0);
                    *part += exp.set(one, 0.0);
                    *ones += F::default().set(one, 1.0);
                }
            }
            for ((others, &part), &ones) in others.iter_mut().zip(&*part).zip(&*ones) {
                *others += ones.double();
                *others += part.double();
            }
        }
        if gradient {
            for sample in 0..width {
                if let Some(class) = tile.ids[sample].class() {
                    tile.own_exp[sample] = tile.x[class * width + sample];
                }
            }
        } else if sweep.reads.head.is_some() {
            exponentials_of_line(&tile.own[..width], largest, &mut tile.own_exp);
        }
        sweep.finish(tile, gradient)
    }
}

/// The exponentials of a tile of so many samples become their gradients.
struct OwnGradients<'a, F>(&'a mut Tile<F>, usize);

impl<F: HeadFloat> Loop for OwnGradients<'_, F> {
    const WIDEST: bool = !F::IS_DOUBLE;
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self(tile, width) = self;
        for exps in tile.x.chunks_exact_mut(width) {
            multiply(exps, &tile.numbers);
        }
        tile.put_own_slopes(width);
    }
}

/// Writes the gradients of samples side by side from their exponentials.
struct WriteColumns<'a, 'b, F> {
    tile: &'a Tile<F>,
    gradient: &'a mut Columns<'b, F>,
}

impl<F: HeadFloat> Loop for WriteColumns<'_, '_, F> {
    const WIDEST: bool = !F::IS_DOUBLE;
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { tile, gradient } = self;
        for exps in tile.x.chunks_exact(tile.numbers.len()) {
            gradient.write_products(exps, &tile.numbers);
        }
        for (sample, id) in tile.ids.iter().enumerate() {
            if let Some(class) = id.class() {
                gradient.patch(class, sample, tile.own_slope[sample]);
            }
        }
    }
}
