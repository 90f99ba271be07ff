//! Short rows on their side: `[row][class]` as `[class][row]`, so that rows are worked on together.

use super::classes::{exponentials, exponentials_of_line, largest_of, raise};
use super::head::HeadFloat;
use super::overlap::{ADDED, widen};
use super::sums::LANES;
use alloc::vec;
use alloc::vec::Vec;

/// `[row][class]` becomes `[class][row]`; or back, of so many classes instead of rows.
#[inline(always)]
pub(super) fn turn<F: Copy>(numbers: &[F], count: usize, turned: &mut [F]) {
    let length = numbers.len() / count;
    for (at, row) in numbers.chunks_exact(length).enumerate() {
        for (&number, to) in row.iter().zip(turned[at..].iter_mut().step_by(count)) {
            *to = number;
        }
    }
}

/// The softmax of rows, before it is divided by its sum.
pub(super) struct TurnedSoftmax<F> {
    /// The largest logit of each row.
    pub(super) largest: Vec<F>,
    /// The exponentials of the logits less that, `[class][row]`.
    pub(super) exps: Vec<F>,
    /// The sum of all exponentials of a row but one that is 1.
    pub(super) others: Vec<f64>,
    /// The logits, `[class][row]`: room for what they become.
    pub(super) lines: Vec<F>,
}

impl<F: HeadFloat> TurnedSoftmax<F> {
    /// Of so many rows.
    #[inline(always)]
    pub(super) fn new(x: &[F], count: usize) -> Self {
        let zero = F::default();
        let mut lines = vec![zero; x.len()];
        if count < LANES {
            return Self::of_long(x, count, lines);
        }
        turn(x, count, &mut lines);
        let mut largest = lines[..count].to_vec();
        for line in lines[count..].chunks_exact(count) {
            raise(&mut largest, line);
        }
        // Those that are 1 are counted apart, so that however little the others contribute is kept.
        let mut exps = vec![zero; x.len()];
        let (mut sums, mut ones) = (vec![zero; count], vec![zero; count]);
        let mut others = vec![0.0; count];
        let each = lines.chunks_exact(count).zip(exps.chunks_exact_mut(count));
        for (class, (line, exps)) in each.enumerate() {
            exponentials_of_line(line, &largest, exps);
            for at in 0..count {
                let is_one = exps[at].equals(1.0);
                sums[at] += exps[at].set(is_one, 0.0);
                ones[at] += zero.set(is_one, 1.0);
            }
            if class % ADDED == ADDED - 1 {
                widen(&mut sums, &mut others);
            }
        }
        widen(&mut sums, &mut others);
        for at in 0..count {
            others[at] += ones[at].double() - 1.0;
        }
        Self {
            largest,
            exps,
            others,
            lines,
        }
    }
    /// Rows that are so long that there are few of them, one after the other.
    #[inline(always)]
    fn of_long(x: &[F], count: usize, mut lines: Vec<F>) -> Self {
        let length = x.len() / count;
        let (mut largest, mut others) = (Vec::new(), Vec::new());
        for (x, exps) in x.chunks_exact(length).zip(lines.chunks_exact_mut(length)) {
            largest.push(largest_of(x));
            others.push(exponentials(x, largest[largest.len() - 1], exps));
        }
        let mut exps = vec![F::default(); x.len()];
        turn(&lines, count, &mut exps);
        Self {
            largest,
            exps,
            others,
            lines,
        }
    }
}
