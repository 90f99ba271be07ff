//! Cross-entropy of adjacent rows of one class each.

use super::adjust::{Lie, adjust_row};
use super::exponentials::{SATURATED, exponentials, exponentials_beside, largest_of};
use super::tile::{ClassSweep, Place, Tile};
use crate::engine::host::head::HeadFloat;
use crate::engine::host::output::Output;
use crate::engine::host::samples::{SIDE_BY_SIDE, TILE, TaskRows, elements};
use crate::engine::host::sums::{LANES, PART};
use crate::engine::host::tasks::ChunkSum;
use crate::engine::host::vectors::Loop;
use alloc::vec::Vec;

/// From this number of adjacent classes on, a loop over them is worth its start.
const SOME: usize = 48;

/// About how many elements rows of few adjacent classes have that are gone through together.
const FEW: usize = 2 * 1024;

impl ClassSweep<'_> {
    /// Cross-entropy of rows, each of which has one class.
    pub(super) fn rows<F: HeadFloat>(&self, tile: &mut Tile<F>, task: TaskRows<F>) -> ChunkSum {
        let classes = self.reads.layout.classes;
        let TaskRows {
            samples,
            mut losses,
            mut gradient,
        } = task;
        let few = classes < SOME;
        let at_a_time = if few {
            (FEW / classes).max(1)
        } else {
            (TILE / classes).clamp(1, SIDE_BY_SIDE)
        };
        let mut found = ChunkSum::default();
        for first in samples.clone().step_by(at_a_time) {
            let width = at_a_time.min(samples.end - first);
            let allowed = self.read_samples(tile, Place { first, width });
            let in_task = (first - samples.start) * classes;
            let mut buffer = core::mem::take(&mut tile.rows);
            let start = first * classes;
            let x = match &self.reads.input {
                Some(source) => elements(source, start..start + width * classes, &mut buffer),
                None => gradient
                    .as_ref()
                    .expect("what is overwritten is written")
                    .input(in_task..in_task + width * classes),
            };
            let mut adjusted = core::mem::take(&mut tile.adjusted);
            let x = if few {
                self.adjusted(tile, x, &mut adjusted, Lie::Rows)
            } else {
                self.prepare(tile, width * classes);
                x
            };
            // Without a gradient, what becomes of a row is soon overwritten by the next.
            let kept = if few || gradient.is_some() { width } else { 1 };
            tile.x.resize(kept * classes, F::default());
            let invalid = self.vectors.run(SoftmaxRows {
                sweep: self,
                x,
                classes,
                tile,
                gradient: gradient.is_some(),
            });
            if gradient.is_some() {
                self.through_caps(tile, Lie::Rows);
            }
            (tile.rows, tile.adjusted) = (buffer, adjusted);
            found.add(self.found(tile, invalid | !allowed));
            if let Some(gradient) = &mut gradient {
                self.vectors.run(WriteRows {
                    tile,
                    classes,
                    gradient,
                });
            }
            if let Some(losses) = &mut losses {
                losses.write(tile.whole_losses());
            }
        }
        found
    }
}

/// Cross-entropy of adjacent rows of one class each. With a gradient, their exponentials are left in the tile.
struct SoftmaxRows<'a, F> {
    sweep: &'a ClassSweep<'a>,
    x: &'a [F],
    classes: usize,
    tile: &'a mut Tile<F>,
    gradient: bool,
}

impl<F: HeadFloat> Loop for SoftmaxRows<'_, F> {
    const WIDEST: bool = !F::IS_DOUBLE;
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        let Self {
            sweep,
            x,
            classes,
            tile,
            gradient,
        } = self;
        if classes < SOME {
            few_classes(x, classes, tile);
            for (row, x) in x.chunks_exact(classes).enumerate() {
                if let Some(class) = tile.ids[row].class() {
                    tile.own[row] = x[class];
                }
            }
        } else {
            for (row, x) in x.chunks_exact(classes).enumerate() {
                let exps = if gradient {
                    &mut tile.x[row * classes..][..classes]
                } else {
                    &mut tile.x[..classes]
                };
                let class = tile.ids[row].class();
                let x = match sweep.reads.adjustment {
                    Some(adjustment) => {
                        let caps = if gradient {
                            &mut tile.caps[..]
                        } else {
                            &mut []
                        };
                        let caps = caps.get_mut(row * classes..(row + 1) * classes);
                        let (caps, to) = (caps.unwrap_or_default(), &mut tile.row);
                        adjust_row(adjustment, x, class, &tile.offsets, caps, to);
                        &to[..]
                    }
                    None => x,
                };
                let largest = largest_of(x);
                tile.largest[row] = largest;
                tile.others[row] = exponentials(x, largest, exps);
                if let Some(class) = class {
                    tile.own[row] = x[class];
                    tile.own_exp[row] = exps[class];
                }
            }
        }
        sweep.finish(tile, gradient)
    }
}

/// The largest logits, the exponentials and their sums of rows of few classes: what is done for each class is done
/// for those of all rows in one loop, beside which each row's number is spread.
#[inline(always)]
fn few_classes<F: HeadFloat>(x: &[F], classes: usize, tile: &mut Tile<F>) {
    for (largest, x) in tile.largest.iter_mut().zip(x.chunks_exact(classes)) {
        *largest = x[1..]
            .iter()
            .fold(x[0], |largest, &x| largest.replace(x > largest, x));
    }
    spread(&tile.largest, classes, &mut tile.q);
    let beside = x.chunks(PART).zip(tile.q.chunks(PART));
    for (exps, (x, largest)) in tile.x.chunks_mut(PART).zip(beside) {
        exponentials_beside(x, largest, exps);
    }
    for (sum, exps) in tile.ln_sums.iter_mut().zip(tile.x.chunks_exact(classes)) {
        *sum = exps.iter().fold(F::default(), |sum, &exp| sum + exp);
    }
    for (others, &sum) in tile.others.iter_mut().zip(&tile.ln_sums) {
        *others = sum.double() - 1.0;
    }
    for (others, exps) in tile.others.iter_mut().zip(tile.x.chunks_exact(classes)) {
        if *others < SATURATED - 1.0 {
            *others = others_of_few(exps);
        }
    }
    for (row, exps) in tile.x.chunks_exact(classes).enumerate() {
        if let Some(class) = tile.ids[row].class() {
            tile.own_exp[row] = exps[class];
        }
    }
}

/// Each number, once for each class of its row. What is behind the last of them is anything.
#[inline(always)]
fn spread<F: HeadFloat>(numbers: &[F], classes: usize, spread: &mut Vec<F>) {
    spread.resize(numbers.len() * classes + SOME + LANES, F::default());
    for (row, &number) in numbers.iter().enumerate() {
        // More than there are are written at once: the next row's are written over them.
        for start in (0..classes).step_by(LANES) {
            spread[row * classes + start..][..LANES].fill(number);
        }
    }
}

/// As [`others`], of few.
#[inline(always)]
fn others_of_few<F: HeadFloat>(exps: &[F]) -> f64 {
    let (mut ones, mut others) = (F::of(-1.0), F::default());
    for exp in exps {
        let one = exp.equals(1.0);
        ones += F::default().set(one, 1.0);
        others += exp.set(one, 0.0);
    }
    ones.double() + others.double()
}

/// Writes the gradients of rows from their exponentials.
struct WriteRows<'a, 'b, F> {
    tile: &'a mut Tile<F>,
    classes: usize,
    gradient: &'a mut Output<'b, F>,
}

impl<F: HeadFloat> Loop for WriteRows<'_, '_, F> {
    const WIDEST: bool = !F::IS_DOUBLE;
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self {
            tile,
            classes,
            gradient,
        } = self;
        if classes < SOME {
            spread(&tile.numbers, classes, &mut tile.q);
            gradient.write_products(&tile.x, &tile.q);
        } else {
            for (exps, &factor) in tile.x.chunks_exact(classes).zip(&tile.numbers) {
                if factor.equals(0.0) {
                    gradient.fill(classes, |_| F::default())
                } else {
                    gradient.fill(classes, |at| exps[at] * factor)
                }
            }
        }
        for (row, id) in tile.ids.iter().enumerate() {
            if let Some(class) = id.class() {
                gradient.patch(tile.x.len() - row * classes - class, tile.own_slope[row]);
            }
        }
    }
}
