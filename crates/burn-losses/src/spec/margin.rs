//! Losses over the margins between the classes of a sample.

use super::row::{OwnNumber, PairLoss, Row, RowLoss};
use crate::real::Real;

/// Half of how far a class is from being less than a label by the margin. (Halves, so that the
/// difference of two numbers is in range.)
#[inline(always)]
pub(crate) fn half_gap<R: Real>(class: R, label: R, margin: f64) -> R {
    (-label.times(0.5)).plus(margin / 2.0) + class.times(0.5)
}

/// Half of a share of `max(0, gap)`, or of its square, of half a gap, and the derivative of the whole with respect to
/// the gap; at the corner it is 0.
#[inline(always)]
pub(crate) fn margin_term<R: Real>(half: R, squared: bool, share: R) -> (R, impl FnOnce() -> R) {
    let short = half.at_least(0.0);
    let (value, rising) = if squared {
        // The share first: what is left of a large number is in range.
        let slope = short.clone() * share.clone().times(4.0);
        (short.clone().times(0.5) * slope.clone(), Some(slope))
    } else {
        (short.clone() * share.clone(), None)
    };
    let slope = move || match rising {
        Some(slope) => slope,
        None => {
            let zero = short.clone() - short.clone();
            zero.set(short.above(0.0), 1.0) * share
        }
    };
    (value, slope)
}

/// The margins between the class of a sample and all others, or their squares.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct ClassMargins<const SQUARED: bool> {
    pub(crate) margin: f64,
}

impl<const SQUARED: bool> RowLoss<1, 0, 2, 1, 3> for ClassMargins<SQUARED> {
    const PART: f64 = 0.5;
    const OWN: OwnNumber = OwnNumber::Class;

    #[inline(always)]
    fn sizes<R: Real>(&self, _: &[R; 1]) -> [R; 0] {
        []
    }

    #[inline(always)]
    fn add<R: Real>(
        &self,
        [values, slopes]: [R; 2],
        [x]: &[R; 1],
        _: Option<&[R; 0]>,
        row: &Row<R>,
    ) -> [R; 2] {
        let half = half_gap(x.clone(), row.own.clone(), self.margin);
        let (value, slope) = margin_term(half, SQUARED, row.over_length.clone());
        [values + value, slopes + slope()]
    }

    #[inline(always)]
    fn are_exact(&self, _: &[f64; 2], _: bool) -> bool {
        true
    }

    #[inline(always)]
    fn rescale<R: Real>(&self, sums: &[R; 2], _: &[R; 0], _: &[R; 0]) -> [R; 2] {
        sums.clone()
    }

    #[inline(always)]
    fn head<R: Real>(&self, _: &[R; 0], sums: &[R; 2], row: &Row<R>) -> (R, [[R; 3]; 1]) {
        let [value, slopes] = sums.clone();
        (value, [[row.own.clone(), row.over_length.clone(), slopes]])
    }

    #[inline(always)]
    fn scaled<R: Real>(&self, head: [[R; 3]; 1], scale: &R) -> [[R; 3]; 1] {
        let [[own, over_length, slopes]] = head;
        [[own, over_length * scale.clone(), slopes * scale.clone()]]
    }

    #[inline(always)]
    fn slopes<R: Real>(&self, [x]: &[R; 1], [[own, over_length, _]]: &[[R; 3]; 1]) -> [R; 1] {
        let half = half_gap(x.clone(), own.clone(), self.margin);
        let (_, slope) = margin_term(half, SQUARED, over_length.clone());
        [slope()]
    }

    #[inline(always)]
    fn slope_of_class<R: Real>(&self, [[_, _, slopes]]: &[[R; 3]; 1]) -> R {
        -slopes.clone()
    }
}

/// The margins between each label of a sample and the classes that are none.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct LabelMargins;

impl PairLoss for LabelMargins {
    const PART: f64 = 0.5;

    #[inline(always)]
    fn at<R: Real>(&self, label: R, other: R, over_length: &R) -> (R, impl FnOnce() -> R) {
        margin_term(half_gap(other, label, 1.0), false, over_length.clone())
    }
}
