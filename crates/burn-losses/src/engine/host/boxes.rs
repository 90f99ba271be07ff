//! The sweep over losses of boxes: rows of four numbers and of four that they should be, by a formula of all eight.

use super::formula::{EachOf, each_f32, each_f64};
use super::machine::MachineFloat;
use super::row_kernel::{HostRows, RowBlock};
use super::scale::clamp;
use super::vectors::{Loop, Vectors};
use crate::spec::expression::program::Formula;
use crate::spec::rule::Rule;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::{Debug, Formatter};

/// How many numbers a box has.
pub(crate) const SIDES: usize = 4;

/// From which number on boxes are measured in another unit, in which the largest is half of this: squares of numbers would
/// leave the range of the type. The losses do not depend on the unit, and beside such squares `eps` is nothing.
pub(crate) fn large(is_double: bool) -> f64 {
    num_traits::Float::powi(2.0, if is_double { 500 } else { 60 })
}

/// A loss of boxes.
#[derive(Clone)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct BoxRows {
    /// The loss alone, and with its derivatives with respect to the numbers of the first box.
    pub(crate) value: Arc<Formula>,
    pub(crate) all: Arc<Formula>,
    pub(crate) parameters: Vec<f64>,
    /// The last two numbers are coordinates, and not sizes.
    pub(crate) by_edges: bool,
}

impl Debug for BoxRows {
    fn fmt(&self, formatter: &mut Formatter) -> core::fmt::Result {
        write!(formatter, "{}", self.all.key())
    }
}

impl HostRows<2> for BoxRows {
    fn part(&self) -> f64 {
        1.0
    }

    fn rules(&self) -> [Option<Rule>; 2] {
        [None, Some(Rule::FINITE)]
    }

    fn together(&self) -> usize {
        // Their columns and slopes are in the nearest cache.
        512
    }

    fn poison_f32(&self, [_, targets]: &[&[f32]; 2], weights: &mut [f32]) -> bool {
        poison(targets, weights, self.by_edges)
    }

    fn poison_f64(&self, [_, targets]: &[&[f64]; 2], weights: &mut [f64]) -> bool {
        poison(targets, weights, self.by_edges)
    }

    fn rows_f32(&self, vectors: Vectors, block: RowBlock<f32, 2>) {
        self.rows(vectors, block, each_f32);
    }

    fn rows_f64(&self, vectors: Vectors, block: RowBlock<f64, 2>) {
        self.rows(vectors, block, each_f64);
    }
}

/// Boxes that end before they begin are not valid.
fn poison<F: MachineFloat>(targets: &[F], weights: &mut [F], by_edges: bool) -> bool {
    let mut valid = true;
    for (sides, weight) in targets.as_chunks::<SIDES>().0.iter().zip(weights) {
        let [x, y, x2, y2] = *sides;
        let holds = if by_edges {
            (x2 >= x) & (y2 >= y)
        } else {
            (x2 >= F::default()) & (y2 >= F::default())
        };
        valid &= holds;
        if !holds {
            *weight = F::NAN.times_or_zero(*weight);
        }
    }
    valid
}

impl BoxRows {
    fn rows<F: MachineFloat>(&self, vectors: Vectors, block: RowBlock<F, 2>, each: EachOf<F>) {
        let RowBlock {
            x,
            weights,
            scale,
            losses,
            gradients: [mut gradient, _],
            ..
        } = block;
        let count = losses.len();
        let (formula, results) = match &gradient {
            Some(_) => (&self.all, 1 + SIDES),
            None => (&self.value, 1),
        };
        let mut scratch = F::machine(|machine| machine.take_scratch(2 * SIDES + results, count));
        let (columns, found) = scratch.split_at_mut(2 * SIDES);
        let large = large(F::IS_DOUBLE);
        let rule = Rule::between(-large, large).or_nan();
        let mut hold = true;
        for (columns, boxes) in columns.chunks_exact_mut(SIDES).zip(x) {
            hold &= vectors.run(Apart {
                boxes,
                columns,
                rule,
            });
        }
        // What leaves the range of `f32` would be computed in `f64`, but not all of it shows: a quotient over it is 0.
        let units = (!hold).then(|| in_other_units(large, columns, count));
        let operands: [&[F]; 2 * SIDES] = core::array::from_fn(|at| &columns[at][..count]);
        let mut of_boxes: Vec<&mut [F]> = found[..results]
            .iter_mut()
            .map(|to| &mut to[..count])
            .collect();
        each(formula, &self.parameters, vectors, &operands, &mut of_boxes);
        let (of_boxes, slopes) = of_boxes.split_at_mut(1);
        for slopes in slopes.iter_mut().filter(|_| units.is_some()) {
            for (slope, &unit) in slopes.iter_mut().zip(units.iter().flatten()) {
                *slope = *slope * unit;
            }
        }
        let mut gathered = gradient.as_ref().map(|_| vec![F::default(); SIDES * count]);
        vectors.run(FoundOfBoxes {
            of_boxes: of_boxes[0],
            slopes,
            weights,
            scale,
            losses,
            gradients: gathered.as_deref_mut(),
        });
        if let (Some(gradient), Some(gathered)) = (&mut gradient, gathered) {
            gradient.write(&gathered);
        }
        F::machine(|machine| machine.give_scratch(scratch));
    }
}

/// Measures boxes of [large] numbers in other units, which come out.
#[cold]
#[inline(never)]
fn in_other_units<F: MachineFloat>(large: f64, columns: &mut [Vec<F>], count: usize) -> Vec<F> {
    let unit = |at: usize| {
        let sizes = columns.iter().map(|of| of[at].double().abs());
        let largest = sizes.fold(0.0, f64::max);
        let unit = if largest > large {
            large / 2.0 / largest
        } else {
            1.0
        };
        F::of(unit)
    };
    let units: Vec<F> = (0..count).map(unit).collect();
    for column in columns {
        for (number, &unit) in column.iter_mut().zip(&units) {
            *number = *number * unit;
        }
    }
    units
}

/// Boxes become columns, one for each of their numbers. Says whether a rule holds for all of these.
struct Apart<'a, F> {
    boxes: &'a [F],
    columns: &'a mut [Vec<F>],
    rule: Rule,
}

impl<F: MachineFloat> Loop for Apart<'_, F> {
    const WIDEST: bool = !F::IS_DOUBLE;
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        let boxes = self.boxes.as_chunks::<SIDES>().0;
        for (side, column) in self.columns.iter_mut().enumerate() {
            for (to, sides) in column.iter_mut().zip(boxes) {
                *to = sides[side];
            }
        }
        self.rule.holds_for_all(self.boxes)
    }
}

/// What is found of each box, as often as it counts; the slopes of its sides become the gradient of the box.
struct FoundOfBoxes<'a, 'b, F> {
    of_boxes: &'a [F],
    slopes: &'a mut [&'b mut [F]],
    weights: &'a [F],
    scale: F,
    losses: &'a mut [F],
    gradients: Option<&'a mut [F]>,
}

impl<F: MachineFloat> Loop for FoundOfBoxes<'_, '_, F> {
    const WIDEST: bool = !F::IS_DOUBLE;
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self {
            of_boxes,
            slopes,
            weights,
            scale,
            losses,
            gradients,
        } = self;
        for ((loss, &of_box), &weight) in losses.iter_mut().zip(of_boxes).zip(weights) {
            *loss = of_box.times_or_zero(weight);
        }
        let (Some(gradients), [x, y, x2, y2]) = (gradients, slopes) else {
            return;
        };
        for slopes in [&mut **x, y, x2, y2] {
            for (slope, &weight) in slopes.iter_mut().zip(weights) {
                *slope = clamp(slope.times_or_zero(weight * scale));
            }
        }
        let sides = x.iter().zip(&**y).zip(&**x2).zip(&**y2);
        let boxes = gradients.as_chunks_mut::<SIDES>().0;
        for (to, (((&x, &y), &x2), &y2)) in boxes.iter_mut().zip(sides) {
            *to = [x, y, x2, y2];
        }
    }
}
