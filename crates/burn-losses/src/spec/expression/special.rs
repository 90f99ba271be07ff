//! Functions of which formulas of likelihoods are made, as formulas.

use super::Expr;
use core::f64::consts::TAU;

/// `ln(a / b)` of positive numbers, whose digits do not go where the two are close. The difference `a - b` is given.
pub(crate) fn ln_ratio(a: Expr, b: Expr, difference: Expr) -> Expr {
    let close = difference.abs().below(0.5 * b);
    let change = close.select(difference / b, 0.0);
    close.select(change.ln_1p(), a.ln() - b.ln())
}

/// From where on Stirling's series is taken.
const LARGE: f64 = 8.0;

/// `ln Γ(z + 1) - z ln z + z` for `z` from 0 on: what is left of the logarithm of a factorial when the terms that grow are
/// taken away. It is 0 at 0, and about `ln(2 pi z) / 2` where `z` is large. At 0 its slope is without the infinite `-ln z`.
pub(crate) fn ln_factorial_rest(z: Expr) -> Expr {
    let large = z.above(LARGE);
    let far = z.max(1.0);
    let of_large = 0.5 * (TAU * far).ln() + stirling(far);

    // Γ(z + 1) is Γ(z + 9) less eight factors.
    let near = large.select(0.0, z);
    let up = near + LARGE;
    let growing = near.equals(0.0).select(0.0, near * near.ln());
    let factors = (1..=8).map(|step| near + f64::from(step));
    let product = factors.reduce(|product, factor| product * factor);
    let product = product.expect("eight factors");
    let of_small =
        (up + 0.5) * up.ln() - up + (0.5 * TAU.ln()) + stirling(up) - product.ln() - growing + near;
    large.select(of_large, of_small)
}

/// What Stirling's formula for `ln Γ(z + 1)` leaves out.
fn stirling(z: Expr) -> Expr {
    let (inverse, square) = (1.0 / z, 1.0 / z.square());
    let tail = 1.0 / 1260.0 - square * (1.0 / 1680.0 - square * (1.0 / 1188.0));
    inverse * (1.0 / 12.0 - square * (1.0 / 360.0 - square * tail))
}

/// `ln(1 + r^2)`, and half its slope, `r / (1 + r^2)`. One logarithm does: beside a large square 1 is nothing, and the square
/// itself may be beyond the type.
pub(crate) fn ln_1p_square(r: Expr) -> [Expr; 2] {
    const FAR: f64 = 1e18;
    let (size, square) = (r.abs(), r.square());
    let far = size.above(FAR);
    let ln = far.select(size, square).ln_1p();
    [
        far.select(2.0 * ln, ln),
        far.select(1.0, r) / far.select(r, square + 1.0),
    ]
}

/// `ln(a + (1 - a) e^x)`, of parameters that are `1 - a` and `a`: near 0 for an `x` near 0, and as exact; no exponential leaves
/// the range.
pub(crate) fn ln_mixture(x: Expr, [rest, own]: [&'static str; 2]) -> Expr {
    const FAR: f64 = 30.0;
    let far = x.above(FAR);
    let (own, rest) = (Expr::parameter(own), Expr::parameter(rest));
    let exp = far.select(-x, x).exp();
    // A small share would be what is left of 1.
    let apart = far.select(rest + own * exp, own + rest * exp).ln() + far.select(x, 0.0);
    let close = (rest * (exp - 1.0)).ln_1p();
    far.select(apart, x.below(-1.0).select(apart, close))
}
