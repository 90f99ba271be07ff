//! The sweep of a loss over rows: of vectors side by side, or of the classes of a sample.
//!
//! Rows whose elements are adjacent are worked on where they lie, some at a time; where they are not, they are brought
//! together first.

use super::numbers::Source;
use super::output::Output;
use super::row_kernel::{HostRows, RowBlock, RowFloat};
use super::samples::{Layout, Side, Task, TaskRows, elements, load, tasks};
use super::scale::Scale;
use super::sums::sum;
use super::tasks::{ChunkSum, at_a_time, share, take};
use super::vectors::Vectors;
use super::weights::read_weights;
use crate::real::Real;
use crate::spec::row::RowTarget;
use alloc::vec::Vec;
use core::ops::Range;

/// About how many elements of an operand are worked on together.
const BLOCK: usize = 16 * 1024;

/// What is read.
pub(crate) struct RowInputs<'a, const N: usize> {
    /// The inputs; absent where a gradient overwrites one.
    pub(crate) inputs: [Option<Source<'a>>; N],
    pub(crate) layout: Layout,
    pub(crate) target: RowTarget<Source<'a>>,
    /// A weight for each row.
    pub(crate) samples: Option<Source<'a>>,
}

/// Computes the losses of the rows, and the gradients of the inputs.
pub(crate) fn sweep<F: RowFloat, const N: usize>(
    loss: &dyn HostRows<N>,
    reads: &RowInputs<N>,
    losses: Option<Output<F>>,
    gradients: [Option<Output<F>>; N],
    scale: Scale,
) -> ChunkSum {
    let Layout {
        outer,
        classes,
        inner,
    } = reads.layout;
    let sweep = RowSweep {
        loss,
        reads,
        scale,
        vectors: Vectors::detect(),
    };
    let elements = outer * classes * inner;
    let found = if inner == 1 {
        let tasks = row_tasks(reads.layout, losses, gradients);
        share(elements, tasks, Buffers::new, |buffers, task| {
            sweep.adjacent(buffers, task)
        })
    } else {
        let mut gradients = gradients.into_iter();
        let gradient = gradients.next().flatten();
        assert!(N == 1, "vectors lie along the last axis");
        let tasks = tasks(reads.layout, elements, false, 1, losses, gradient);
        share(elements, tasks, Buffers::new, |buffers, task| match task {
            Task::TaskRows(task) | Task::Blocks(task) => sweep.blocks(buffers, task),
            Task::Columns(task) => sweep.columns(buffers, task),
        })
    };
    ChunkSum::total(found)
}

/// Some of the rows whose elements are adjacent.
struct RowTask<'a, F, const N: usize> {
    rows: Range<usize>,
    losses: Option<Output<'a, F>>,
    gradients: [Option<Output<'a, F>>; N],
}

fn row_tasks<'a, F: Copy, const N: usize>(
    layout: Layout,
    mut losses: Option<Output<'a, F>>,
    mut gradients: [Option<Output<'a, F>>; N],
) -> Vec<RowTask<'a, F, N>> {
    let (rows, length) = (layout.samples(), layout.classes);
    let rows_at_a_time = (at_a_time(rows * length) / length).max(1);
    let tasks = (0..rows).step_by(rows_at_a_time).map(|start| {
        let count = rows_at_a_time.min(rows - start);
        RowTask {
            rows: start..start + count,
            losses: take(&mut losses, count),
            gradients: gradients
                .each_mut()
                .map(|gradient| take(gradient, count * length)),
        }
    });
    tasks.collect()
}

/// The buffers of a thread.
struct Buffers<F, const N: usize> {
    /// Numbers that were converted, or will be overwritten.
    x: [Vec<F>; N],
    signs: Vec<F>,
    classes: Vec<usize>,
    labels: Vec<i64>,
    ids: Vec<i64>,
    /// The weights of rows, as they are read and as they count.
    read: Vec<f64>,
    weights: Vec<F>,
    losses: Vec<F>,
    /// Samples side by side, `[class][sample]`, and the gradients of some of them.
    tile: Vec<F>,
    gradient: Vec<F>,
}

impl<F, const N: usize> Buffers<F, N> {
    fn new() -> Self {
        Self {
            x: [const { Vec::new() }; N],
            signs: Vec::new(),
            classes: Vec::new(),
            labels: Vec::new(),
            ids: Vec::new(),
            read: Vec::new(),
            weights: Vec::new(),
            losses: Vec::new(),
            tile: Vec::new(),
            gradient: Vec::new(),
        }
    }
}

struct RowSweep<'a, const N: usize> {
    loss: &'a dyn HostRows<N>,
    reads: &'a RowInputs<'a, N>,
    scale: Scale,
    vectors: Vectors,
}

impl<const N: usize> RowSweep<'_, N> {
    /// How many rows are worked on together.
    fn together(&self) -> usize {
        (BLOCK / self.reads.layout.classes).clamp(1, self.loss.together())
    }

    /// Rows whose elements are adjacent.
    fn adjacent<F: RowFloat>(&self, buffers: &mut Buffers<F, N>, task: RowTask<F, N>) -> ChunkSum {
        let length = self.reads.layout.classes;
        let RowTask {
            rows,
            mut losses,
            mut gradients,
        } = task;
        let mut found = ChunkSum::default();
        for first in rows.clone().step_by(self.together()) {
            let count = self.together().min(rows.end - first);
            let mut valid = self.read_rows(buffers, first, count);
            let mut of_inputs = core::mem::replace(&mut buffers.x, [const { Vec::new() }; N]);
            let mut x = [&[][..]; N];
            let at = first * length..(first + count) * length;
            for (input, buffer) in of_inputs.iter_mut().enumerate() {
                x[input] = match (&self.reads.inputs[input], &gradients[input]) {
                    (Some(source), _) => elements(source, at.clone(), buffer),
                    (None, Some(gradient)) => {
                        let start = (first - rows.start) * length;
                        buffer.clear();
                        buffer.extend_from_slice(gradient.input(start..start + count * length));
                        buffer
                    }
                    (None, None) => unreachable!("what is overwritten is written"),
                };
            }
            valid &= self.poison(&x, &mut buffers.weights);
            valid &= self.block(buffers, x, gradients.each_mut().map(Option::as_mut));
            buffers.x = of_inputs;
            found.add(self.found(buffers, &mut losses, valid));
        }
        found
    }

    /// Makes rows that count NaN where a rule for their elements is broken, unless the loss looks itself; says whether none is.
    fn poison<F: RowFloat>(&self, x: &[&[F]; N], weights: &mut [F]) -> bool {
        let length = self.reads.layout.classes;
        let mut valid = true;
        let rules = if self.loss.keeps_rules() {
            [None; N]
        } else {
            self.loss.rules()
        };
        for (x, rule) in x.iter().zip(rules) {
            let Some(rule) = rule.filter(|rule| !rule.holds_for_all(x)) else {
                continue;
            };
            valid = false;
            for (row, weight) in x.chunks_exact(length).zip(&mut *weights) {
                if !rule.holds_for_all(row) {
                    *weight = F::NAN.times_or_zero(*weight);
                }
            }
        }
        valid
    }

    /// Computes a block of rows that have been read; says whether no rule was found broken.
    fn block<F: RowFloat>(
        &self,
        buffers: &mut Buffers<F, N>,
        x: [&[F]; N],
        gradients: [Option<&mut Output<F>>; N],
    ) -> bool {
        let mut broken = false;
        let block = RowBlock {
            x,
            length: self.reads.layout.classes,
            signs: &buffers.signs,
            classes: &buffers.classes,
            labels: &buffers.labels,
            weights: &mut buffers.weights,
            broken: &mut broken,
            scale: F::of(self.scale.gradient),
            losses: &mut buffers.losses,
            gradients,
        };
        F::rows(self.loss, self.vectors, block);
        !broken
    }

    /// The sum of the losses of a block, which are written if each is wanted.
    fn found<F: RowFloat>(
        &self,
        buffers: &mut Buffers<F, N>,
        losses: &mut Option<Output<F>>,
        valid: bool,
    ) -> ChunkSum {
        let whole = 1.0 / self.loss.part();
        let sum = sum(&buffers.losses, self.scale.losses) * whole;
        if let Some(losses) = losses {
            losses.fill(buffers.losses.len(), |at| buffers.losses[at].times(whole));
        }
        ChunkSum {
            sum,
            invalid: !valid,
        }
    }

    /// Reads what rows have besides their elements; says whether all of it is valid.
    fn read_rows<F: RowFloat>(
        &self,
        buffers: &mut Buffers<F, N>,
        first: usize,
        count: usize,
    ) -> bool {
        let Buffers {
            signs,
            classes,
            labels,
            ids,
            read,
            weights,
            losses,
            ..
        } = buffers;
        read.resize(count, 1.0);
        weights.resize(count, F::of(1.0));
        losses.resize(count, F::default());
        let mut valid = match self.reads.samples {
            Some(samples) => read_weights::<F>(samples, first, read),
            None => true,
        };
        let scale = &self.scale;
        // What is not valid shows unless its row does not count.
        let counted = |weight: f64, of_class: Option<f64>| match of_class {
            Some(of_class) => scale.weight_of(weight, of_class),
            None => F::NAN.times_or_zero(F::of(weight.sign())),
        };
        match &self.reads.target {
            RowTarget::Nothing => {
                for (weight, &read) in weights.iter_mut().zip(&*read) {
                    *weight = scale.weight(read);
                }
            }
            RowTarget::Numbers(source, rule) => {
                signs.resize(count, F::default());
                source.read(first, signs);
                for ((weight, &read), sign) in weights.iter_mut().zip(&*read).zip(&*signs) {
                    let holds = rule.holds(sign);
                    valid &= holds;
                    *weight = counted(read, holds.then_some(1.0));
                }
            }
            RowTarget::Class(source, _) | RowTarget::Rank(source, _) => {
                let length = self.reads.layout.classes;
                let (below, of_ids) = match &self.reads.target {
                    RowTarget::Class(_, of_classes) => (length, of_classes.as_deref()),
                    _ => (length + 1, None),
                };
                classes.resize(count, 0);
                ids.resize(count, 0);
                source.integers(first, ids);
                for (at, (class, &id)) in classes.iter_mut().zip(&*ids).enumerate() {
                    let id = usize::try_from(id).ok().filter(|&id| id < below);
                    valid &= id.is_some();
                    *class = id.unwrap_or(0);
                    let of_id = id.map(|id| of_ids.map_or(1.0, |of_ids| of_ids[id]));
                    weights[at] = counted(read[at], of_id);
                }
            }
            RowTarget::Labels(ids) => {
                let length = self.reads.layout.classes;
                labels.resize(count * length, -1);
                let mut seen = Vec::new();
                seen.resize(length, false);
                for at in 0..count {
                    let labels = &mut labels[at * length..(at + 1) * length];
                    let are_labels = self.read_labels(*ids, first + at, labels, &mut seen);
                    valid &= are_labels;
                    weights[at] = counted(read[at], are_labels.then_some(1.0));
                }
            }
        }
        valid
    }

    /// Reads the labels of a row; says whether they are a list of them.
    fn read_labels(&self, ids: Source, row: usize, labels: &mut [i64], seen: &mut [bool]) -> bool {
        let Layout { classes, inner, .. } = self.reads.layout;
        let first = row / inner * classes * inner + row % inner;
        seen.fill(false);
        for (slot, label) in labels.iter_mut().enumerate() {
            let at = first + slot * inner;
            match ids.integer(at).map(|id| (id, usize::try_from(id))) {
                Some((id, Ok(class))) if class < classes && !seen[class] => {
                    seen[class] = true;
                    *label = id;
                }
                // What comes behind the last label is as long as the row, or nearly so.
                Some((-1, _)) if ids.are_all(-1, at, inner, classes - slot) => {
                    *label = -1;
                    return true;
                }
                _ => {
                    labels[0] = -1;
                    return false;
                }
            }
        }
        true
    }

    /// Blocks `[classes, inner]`.
    fn blocks<F: RowFloat>(&self, buffers: &mut Buffers<F, N>, task: TaskRows<F>) -> ChunkSum {
        let Layout { classes, inner, .. } = self.reads.layout;
        let TaskRows {
            samples,
            mut losses,
            mut gradient,
        } = task;
        let size = classes * inner;
        let blocks = samples.start / inner..samples.end / inner;
        let mut found = ChunkSum::default();
        for block in blocks.clone() {
            let mut tile = core::mem::take(&mut buffers.tile);
            tile.resize(size, F::default());
            match (&self.reads.inputs[0], &gradient) {
                (Some(source), _) => load(source, block * size, inner, inner, &mut tile),
                (None, Some(gradient)) => {
                    let start = (block - blocks.start) * size;
                    tile.copy_from_slice(gradient.input(start..start + size));
                }
                (None, None) => unreachable!("what is overwritten is written"),
            }
            let wanted = gradient.is_some();
            found.add(self.tile(buffers, block * inner, &mut tile, &mut losses, wanted));
            if let Some(gradient) = &mut gradient {
                gradient.write(&tile);
            }
            buffers.tile = tile;
        }
        found
    }

    /// Columns of a large block.
    fn columns<F: RowFloat>(&self, buffers: &mut Buffers<F, N>, task: Side<F>) -> ChunkSum {
        let Layout { classes, inner, .. } = self.reads.layout;
        let Side {
            outer,
            samples,
            mut losses,
            mut gradient,
        } = task;
        let width = samples.len();
        let mut tile = core::mem::take(&mut buffers.tile);
        tile.resize(classes * width, F::default());
        match (&self.reads.inputs[0], &gradient) {
            (Some(source), _) => {
                let start = outer * classes * inner + samples.start;
                load(source, start, inner, width, &mut tile);
            }
            (None, Some(gradient)) => {
                for (class, row) in tile.chunks_exact_mut(width).enumerate() {
                    row.copy_from_slice(gradient.input(class));
                }
            }
            (None, None) => unreachable!("what is overwritten is written"),
        }
        let first = outer * inner + samples.start;
        let found = self.tile(buffers, first, &mut tile, &mut losses, gradient.is_some());
        if let Some(gradient) = &mut gradient {
            for row in tile.chunks_exact(width) {
                gradient.write(row);
            }
        }
        buffers.tile = tile;
        found
    }

    /// Samples side by side, the first of which is given; in place of their logits comes the gradient.
    fn tile<F: RowFloat>(
        &self,
        buffers: &mut Buffers<F, N>,
        first: usize,
        tile: &mut [F],
        losses: &mut Option<Output<F>>,
        gradient: bool,
    ) -> ChunkSum {
        let length = self.reads.layout.classes;
        let width = tile.len() / length;
        let mut found = ChunkSum::default();
        for offset in (0..width).step_by(self.together()) {
            let count = self.together().min(width - offset);
            let mut valid = self.read_rows(buffers, first + offset, count);
            let [mut x, mut slopes] =
                [&mut buffers.x[0], &mut buffers.gradient].map(core::mem::take);
            for numbers in [&mut x, &mut slopes] {
                numbers.resize(count * length, F::default());
            }
            for (at, row) in x.chunks_exact_mut(length).enumerate() {
                let column = tile[offset + at..].iter().step_by(width);
                for (to, &from) in row.iter_mut().zip(column) {
                    *to = from;
                }
            }
            let mut output = gradient.then(|| Output::in_place(&mut slopes));
            let mut outputs = [const { None }; N];
            outputs[0] = output.as_mut();
            let mut inputs = [&[][..]; N];
            inputs[0] = &x;
            valid &= self.block(buffers, inputs, outputs);
            drop(output);
            if gradient {
                for (at, row) in slopes.chunks_exact(length).enumerate() {
                    let column = tile[offset + at..].iter_mut().step_by(width);
                    for (to, &slope) in column.zip(row) {
                        *to = slope;
                    }
                }
            }
            (buffers.x[0], buffers.gradient) = (x, slopes);
            found.add(self.found(buffers, losses, valid));
        }
        found
    }
}
