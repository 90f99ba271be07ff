//! The maths of a p-norm, and of the losses made of distances.

use crate::real::Real;

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

/// How far two vectors are apart.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DistanceKind {
    /// The p-norm of their difference, to which `eps` is added.
    Norm { p: f64, eps: f64 },
    /// 1 less the cosine of their angle, in which norms count for at least `eps`.
    Cosine { eps: f64 },
}

/// How the length of a short vector counts.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum NormFloor {
    /// For at least this.
    AtLeast(f64),
    /// With the square of this added to its own square.
    Added(f64),
}

/// The length of a vector, as it counts.
pub(crate) struct Length<R> {
    pub(crate) length: R,
    /// The vector's own norm over that.
    pub(crate) share: R,
    /// 1 where the length changes with the vector, else 0.
    pub(crate) own: R,
}

#[inline(always)]
pub(crate) fn length<R: Real>(norm: R, short: NormFloor) -> Length<R> {
    let zero = norm.clone() - norm.clone();
    match short {
        NormFloor::AtLeast(eps) => {
            let eps = eps.max(norm.least_normal());
            let own = zero.set(norm.above(eps), 1.0);
            let length = norm.clone().at_least(eps);
            Length {
                share: norm / length.clone(),
                length,
                own,
            }
        }
        NormFloor::Added(eps) => {
            // The smaller of the two over the larger, so that no square leaves the range.
            let long = norm.above(eps);
            let of_eps = norm.clone().at_most(eps).times(1.0 / eps);
            let larger = norm.at_least(eps);
            let of_norm = zero.clone().plus(eps) / larger.clone();
            let ratio = of_eps.clone().replace(long.clone(), of_norm);
            let root = (ratio.clone() * ratio).plus(1.0).sqrt();
            Length {
                share: of_eps.set(long, 1.0) / root.clone(),
                length: larger * root,
                own: zero.plus(1.0),
            }
        }
    }
}

/// The square root of what PyTorch adds to the squares of the norms in the cosine embedding loss: 1e-12,
/// rounded to `f32`.
pub(crate) const COSINE_EMBEDDING: NormFloor = NormFloor::Added(9.999999980020987e-07);

/// `1 - cosine` for a like pair, `max(0, cosine - margin)` for an unlike one; the derivative at the
/// corner is 0.
#[inline(always)]
pub(crate) fn cosine_embedding<R: Real>(
    cosine: R,
    sign: R,
    margin: f64,
) -> (R, impl FnOnce() -> R) {
    let gap = cosine.clone().plus(-margin);
    let alike = sign.above(0.0);
    let distance = (-cosine).plus(1.0).at_least(0.0);
    let value = gap.clone().at_least(0.0).replace(alike.clone(), distance);
    let slope = move || {
        let zero = sign.clone() - sign;
        zero.set(gap.above(0.0), 1.0).set(alike, -1.0)
    };
    (value, slope)
}
