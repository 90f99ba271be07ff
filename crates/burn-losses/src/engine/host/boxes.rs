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

    fn keeps_rules(&self) -> bool {
        true
    }

    fn together(&self) -> usize {
        // Their columns and slopes are in the nearest cache.
        512
    }

    fn rows_f32(&self, vectors: Vectors, block: RowBlock<f32, 2>) {
        self.rows(vectors, block, each_f32);
    }

    fn rows_f64(&self, vectors: Vectors, block: RowBlock<f64, 2>) {
        self.rows(vectors, block, each_f64);
    }
}

/// Whether a box does not end before it begins.
#[inline(always)]
fn is_ordered<F: MachineFloat>([x, y, x2, y2]: [F; SIDES], by_edges: bool) -> bool {
    let [least_x, least_y] = if by_edges { [x, y] } else { [F::default(); 2] };
    (x2 >= least_x) & (y2 >= least_y)
}

/// Makes the weights of boxes NaN that count and are not valid; says whether there are any.
#[cold]
#[inline(never)]
fn poison<F: MachineFloat>(targets: &[F], weights: &mut [F], by_edges: bool) -> bool {
    let mut broken = false;
    for (sides, weight) in targets.as_chunks::<SIDES>().0.iter().zip(weights) {
        if !(Rule::FINITE.holds_for_all(sides) && is_ordered(*sides, by_edges)) {
            broken = true;
            *weight = F::NAN.times_or_zero(*weight);
        }
    }
    broken
}

impl BoxRows {
    fn rows<F: MachineFloat>(&self, vectors: Vectors, block: RowBlock<F, 2>, each: EachOf<F>) {
        let RowBlock {
            x,
            weights,
            broken,
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
        let by_edges = self.by_edges;
        let seen = vectors.run(Apart {
            x,
            columns,
            large,
            by_edges,
        });
        if !seen.are_valid {
            *broken = poison(x[1], weights, by_edges);
        }
        // What leaves the range of `f32` would be computed in `f64`, but not all of it shows: a quotient over it is 0.
        let units = (!seen.are_small).then(|| in_other_units(large, columns, count));
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

/// Boxes and their targets become columns, one for each of their numbers.
struct Apart<'a, F> {
    x: [&'a [F]; 2],
    columns: &'a mut [Vec<F>],
    large: f64,
    by_edges: bool,
}

/// What is seen as boxes are taken apart.
struct SeenOfBoxes {
    /// No number is [large].
    are_small: bool,
    /// The targets are known to be valid; large ones are not.
    are_valid: bool,
}

impl<F: MachineFloat> Loop for Apart<'_, F> {
    const WIDEST: bool = !F::IS_DOUBLE;
    type Output = SeenOfBoxes;

    #[inline(always)]
    fn run(self) -> SeenOfBoxes {
        for (columns, boxes) in self.columns.chunks_exact_mut(SIDES).zip(self.x) {
            let boxes = boxes.as_chunks::<SIDES>().0;
            for (side, column) in columns.iter_mut().enumerate() {
                for (to, sides) in column.iter_mut().zip(boxes) {
                    *to = sides[side];
                }
            }
        }
        let rule = Rule::between(-self.large, self.large);
        let [boxes, targets] = self.x;
        let are_small = rule.holds_for_all(targets);
        let mut are_valid = are_small;
        let [.., x, y, x2, y2] = &*self.columns else {
            unreachable!("a column for each number")
        };
        let count = targets.len() / SIDES;
        let sides = [x, y, x2, y2].map(|column| &column[..count]);
        for at in 0..count {
            are_valid &= is_ordered(sides.map(|column| column[at]), self.by_edges);
        }
        SeenOfBoxes {
            are_small: are_small & rule.or_nan().holds_for_all(boxes),
            are_valid,
        }
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
