//! How the samples of an input lie in memory, and how they are cut into tasks.

use super::numbers::{Float, Source};
use super::output::{Columns, Output};
use super::sums::{LANES, PART};
use super::tasks::{CHUNK, at_a_time, take};
use super::vectors::prefetch;
use alloc::vec::Vec;
use core::ops::Range;

/// How many samples of few classes are side by side in a tile.
pub(super) const SIDE_BY_SIDE: usize = 64;

/// About how many elements columns have that are gone through together.
pub(super) const TILE: usize = 8 * 1024;

/// How the input lies in memory: `[outer, classes, inner]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) outer: usize,
    pub(crate) classes: usize,
    pub(crate) inner: usize,
}

impl Layout {
    pub(crate) fn samples(&self) -> usize {
        self.outer * self.inner
    }

    /// Whether the blocks `[classes, inner]` are not too large to be a task with their neighbours.
    pub(super) fn has_small_blocks(&self) -> bool {
        self.inner == 1 || self.classes * self.inner <= 4 * CHUNK
    }

    pub(super) fn elements(&self) -> usize {
        self.samples() * self.classes
    }
}

/// A part of the samples.
pub(super) enum Task<'a, F> {
    TaskRows(TaskRows<'a, F>),
    Blocks(TaskRows<'a, F>),
    Columns(Side<'a, F>),
}

/// Samples whose elements are adjacent: rows, or blocks `[classes, inner]`.
pub(super) struct TaskRows<'a, F> {
    pub(super) samples: Range<usize>,
    pub(super) losses: Option<Output<'a, F>>,
    pub(super) gradient: Option<Output<'a, F>>,
}

/// Samples that are side by side in a large block.
pub(super) struct Side<'a, F> {
    pub(super) outer: usize,
    pub(super) samples: Range<usize>,
    pub(super) losses: Option<Output<'a, F>>,
    pub(super) gradient: Option<Columns<'a, F>>,
}

/// How many samples of a large block are side by side in a tile.
pub(super) fn tile_width(classes: usize) -> usize {
    let width = (2 * TILE / classes).max(LANES);
    width.next_multiple_of(if width > PART { PART } else { LANES })
}

/// Cuts samples into parts, of which so many elements are gone through; those whose classes are adjacent are `rows`,
/// if they are to be. Of a large block a part is as wide as so many tiles.
pub(super) fn tasks<'a, F: Copy>(
    layout: Layout,
    elements: usize,
    rows: bool,
    tiles: usize,
    mut losses: Option<Output<'a, F>>,
    mut gradient: Option<Output<'a, F>>,
) -> Vec<Task<'a, F>> {
    let Layout {
        outer,
        classes,
        inner,
    } = layout;
    let size = classes * inner;
    let mut tasks = Vec::new();
    if layout.has_small_blocks() {
        let of_block = (elements / outer).max(1);
        let at_a_time = (at_a_time(elements) / of_block).max(1);
        let at_a_time = if rows {
            at_a_time
        } else {
            at_a_time.next_multiple_of((SIDE_BY_SIDE / inner).max(1))
        };
        for start in (0..outer).step_by(at_a_time) {
            let count = at_a_time.min(outer - start);
            let task = TaskRows {
                samples: start * inner..(start + count) * inner,
                losses: take(&mut losses, count * inner),
                gradient: take(&mut gradient, count * size),
            };
            tasks.push(if rows {
                Task::TaskRows(task)
            } else {
                Task::Blocks(task)
            });
        }
        return tasks;
    }
    let width = tile_width(classes) * tiles;
    for outer in 0..outer {
        let mut block = take(&mut gradient, size).map(|block| block.columns(classes));
        for start in (0..inner).step_by(width) {
            let length = width.min(inner - start);
            tasks.push(Task::Columns(Side {
                outer,
                samples: start..start + length,
                losses: take(&mut losses, length),
                gradient: block.take().map(|columns| {
                    let (now, rest) = columns.split(length);
                    block = Some(rest);
                    now
                }),
            }));
        }
    }
    tasks
}

/// Several samples side by side: a line for each class.
#[derive(Clone, Copy)]
pub(super) enum Lines<'a, F> {
    /// So far apart.
    Strided(&'a [F], usize),
    /// The input that will be overwritten.
    InPlace(&'a Columns<'a, F>),
}

impl<F: Float> Lines<'_, F> {
    #[inline(always)]
    pub(super) fn line(&self, class: usize, width: usize) -> &[F] {
        match self {
            Self::Strided(numbers, stride) => &numbers[class * stride..][..width],
            Self::InPlace(columns) => columns.input(class),
        }
    }

    /// The number at the class of each sample, which has one; those that have none get that of the first class.
    #[cfg_attr(not(feature = "std"), allow(dead_code))] // Then nobody does.
    #[inline(always)]
    pub(super) fn gather(&self, ids: &[u32], classes: usize, to: &mut [F]) {
        let width = ids.len();
        let class = |at: usize| {
            let id = ids[at] as usize;
            if id < classes { id } else { 0 }
        };
        match self {
            Self::Strided(numbers, stride) => {
                for (at, to) in to[..width].iter_mut().enumerate() {
                    *to = numbers[class(at) * stride + at];
                }
            }
            Self::InPlace(columns) => {
                for (at, to) in to[..width].iter_mut().enumerate() {
                    *to = columns.input(class(at))[at];
                }
            }
        }
    }

    /// Asks for what comes after a line, which is the next tile's.
    #[cfg_attr(not(feature = "std"), allow(dead_code))] // Then nobody does.
    #[inline(always)]
    pub(super) fn fetch_beyond(&self, class: usize, width: usize) {
        prefetch(self.line(class, width).as_ptr().wrapping_add(width), width);
    }
}

/// The elements from a place on: those of a source where they lie, or as they were read into a buffer.
pub(super) fn elements<'a, F: Float>(
    source: &Source<'a>,
    at: Range<usize>,
    buffer: &'a mut Vec<F>,
) -> &'a [F] {
    match F::direct(source) {
        Some(numbers) => &numbers[at],
        None => {
            buffer.resize(at.len(), F::default());
            source.read(at.start, buffer);
            buffer
        }
    }
}

/// Reads the columns from a place on, whose classes are `stride` apart, into a tile.
pub(super) fn load<F: Float>(
    source: &Source,
    start: usize,
    stride: usize,
    width: usize,
    tile: &mut [F],
) {
    for (class, tile) in tile.chunks_exact_mut(width).enumerate() {
        let start = start + class * stride;
        match F::direct(source) {
            Some(numbers) => tile.copy_from_slice(&numbers[start..start + width]),
            None => source.read(start, tile),
        }
    }
}

/// Blocks `[classes, inner]` become a tile.
pub(super) fn turn<F: Float>(blocks: &[F], [count, classes, inner]: [usize; 3], tile: &mut [F]) {
    let width = count * inner;
    for (at, block) in blocks.chunks_exact(classes * inner).enumerate() {
        for (class, row) in block.chunks_exact(inner).enumerate() {
            let start = class * width + at * inner;
            tile[start..start + inner].copy_from_slice(row);
        }
    }
}

/// A tile becomes blocks `[classes, inner]`.
pub(super) fn turn_back<F: Float>(
    tile: &[F],
    [count, classes, inner]: [usize; 3],
    blocks: &mut [F],
) {
    let width = count * inner;
    for (at, block) in blocks.chunks_exact_mut(classes * inner).enumerate() {
        for (class, row) in block.chunks_exact_mut(inner).enumerate() {
            let start = class * width + at * inner;
            row.copy_from_slice(&tile[start..start + inner]);
        }
    }
}
