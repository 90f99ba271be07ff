//! The sweep of a loss over the classes of each sample: cross-entropy and negative log-likelihood.
//!
//! The classes of a sample lie along an axis with `inner` elements inside of it. Where they are adjacent, each
//! row is gone through by itself, or, if it is short, with its neighbours as one line; else *lines* are, of samples
//! side by side, one class after the other. All read the input where it lies. Where every class has a share in the
//! target, and where few samples are side by side, they are brought into a *tile* first, `tile[class][sample]`.

mod adjust;
mod exponentials;
mod finish;
mod inputs;
mod likelihood;
mod lines;
mod rows;
mod shares;
mod tile;

#[cfg(feature = "std")]
pub(super) use self::exponentials::{
    SATURATED, exponentials, exponentials_of_line, largest_of, others, raise, raise_with_class,
};
pub(crate) use self::inputs::{ClassInputs, SweptTarget};

use self::tile::{ClassSweep, Tile};
use super::head::HeadFloat;
use super::output::Output;
use super::samples::{Task, tasks};
use super::scale::Scale;
use super::tasks::{ChunkSum, share};
use super::vectors::Vectors;

/// Computes the losses of the samples, and the gradient, which is in the layout of the input.
pub(crate) fn sweep<F: HeadFloat>(
    reads: &ClassInputs,
    losses: Option<Output<F>>,
    gradient: Option<Output<F>>,
    scale: Scale,
) -> ChunkSum {
    let layout = reads.layout;
    let sweep = ClassSweep {
        reads,
        scale,
        vectors: Vectors::detect(),
    };
    let rows = layout.inner == 1 && reads.one_class_counts();
    let elements = match gradient {
        // What is not used is not read.
        None if reads.log_probs.is_some() => layout.samples(),
        _ => layout.elements(),
    };
    let tasks = tasks(layout, elements, rows, 1, losses, gradient);
    let found = share(elements, tasks, Tile::new, |tile, task| {
        match (task, reads.log_probs) {
            (Task::TaskRows(task), Some(rule)) => sweep.likelihood_of_rows(tile, task, rule),
            (Task::TaskRows(task), None) => sweep.rows(tile, task),
            (Task::Blocks(task), _) => sweep.blocks(tile, task),
            (Task::Columns(task), _) => sweep.columns(tile, task),
        }
    });
    ChunkSum::total(found)
}
