//! The maths of a p-norm, and of the losses made of distances.

use super::real::Real;

/// `|ratio|^p`, a component's share of the p-norm.
#[inline(always)]
pub(crate) fn norm_term<R: Real>(ratio: R, p: f64) -> R {
    match p {
        1.0 => ratio.abs(),
        2.0 => ratio.clone() * ratio,
        _ => ratio.abs().power(p),
    }
}

/// The p-norm from the sum of its components' shares.
#[inline(always)]
pub(crate) fn norm_root<R: Real>(sum: R, p: f64) -> R {
    match p {
        1.0 => sum,
        2.0 => sum.sqrt(),
        _ => sum.power(1.0 / p),
    }
}

/// The derivative of a p-norm with respect to a component, whose ratio to the norm is given.
#[inline(always)]
pub(crate) fn norm_slope<R: Real>(ratio: R, p: f64) -> R {
    match p {
        1.0 => ratio.sign(),
        2.0 => ratio,
        _ => ratio.clone().sign() * ratio.abs().power(p - 1.0),
    }
}

/// `max(0, positive - negative + margin)` of two distances, and the derivative with respect to the
/// first; that with respect to the second is the negative one. At the corner both are 0.
#[inline(always)]
pub(crate) fn triplet_margin<R: Real>(
    positive: R,
    negative: R,
    margin: f64,
) -> (R, impl FnOnce() -> R) {
    let gap = (positive - negative).plus(margin);
    let value = gap.clone().at_least(0.0);
    let slope = move || {
        let zero = gap.clone().at_most(0.0).at_least(0.0);
        zero.set(gap.above(0.0), 1.0)
    };
    (value, slope)
}

/// The share of the smaller of two distances that is the first: 1, 0, or a half where they are
/// equal.
#[inline(always)]
pub(crate) fn share_of_smaller<R: Real>(first: R, second: R) -> R {
    (second - first).sign().plus(1.0).times(0.5)
}
