//! Distances between vectors, and losses of them.

use super::norm::{
    COSINE_EMBEDDING, DistanceKind, Length, NormFloor, cosine_embedding, length, norm_root,
    norm_slope, norm_term, share_of_smaller, triplet_margin,
};
use super::row::{OwnNumber, Row, RowLoss};
use crate::real::Real;

/// The options of the triplet losses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Triplet {
    pub(crate) margin: f64,
    pub(crate) swap: bool,
    pub(crate) kind: DistanceKind,
}

/// The p-norm of the difference of two vectors, to whose components `eps` is added.
///
/// With an exponent that is known to the compiler, a sum is a plain loop.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Norm<const SQUARES: bool> {
    pub(crate) p: f64,
    pub(crate) eps: f64,
}

/// What components of a size that is not 0 are multiplied by, one after the other, to be measured in it. What they
/// are after the first has all its digits, however large or small the size is.
#[inline(always)]
fn inverse<R: Real>(size: &R) -> [R; 2] {
    let one = (size.clone() - size.clone()).plus(1.0);
    let shift = one.clone() / size.clone().at_least(1e-37).at_most(1e37);
    let shifted = size.clone() * shift.clone();
    let none = shifted.equals(0.0);
    [shift, one / shifted.set(none, 1.0)]
}

/// The share that one size has of another.
#[cfg_attr(not(feature = "cube"), allow(dead_code))] // As `RowLoss::rescale`.
#[inline(always)]
fn share<R: Real>(size: &R, of: &R) -> R {
    (size.clone() / of.clone()).set(of.equals(0.0), 0.0)
}

#[inline(always)]
fn in_range<R: Real>(number: R) -> R {
    let largest = number.largest();
    number.at_least(-largest).at_most(largest)
}

/// A component, as it is measured.
#[inline(always)]
fn measured<R: Real>(component: R, size: Option<&R>) -> R {
    match size {
        None => component,
        Some(size) => {
            let [shift, rest] = inverse(size);
            in_range(component) * shift * rest
        }
    }
}

impl<const SQUARES: bool> Norm<SQUARES> {
    #[inline(always)]
    fn p(&self) -> f64 {
        if SQUARES { 2.0 } else { self.p }
    }

    #[inline(always)]
    fn difference<R: Real>(&self, from: &R, to: &R) -> R {
        (from.clone() - to.clone()).plus(self.eps)
    }

    #[inline(always)]
    fn size<R: Real>(&self, from: &R, to: &R) -> R {
        in_range(self.difference(from, to)).abs()
    }

    #[inline(always)]
    fn term<R: Real>(&self, from: &R, to: &R, size: Option<&R>) -> R {
        norm_term(measured(self.difference(from, to), size), self.p())
    }

    #[cfg_attr(not(feature = "cube"), allow(dead_code))] // As `RowLoss::rescale`.
    #[inline(always)]
    fn rescale<R: Real>(&self, sum: &R, from: &R, to: &R) -> R {
        sum.clone() * norm_term(share(from, to), self.p())
    }

    /// The powers of another p are exact to the last digits only for numbers up to 1.
    #[inline(always)]
    fn has_powers(&self) -> bool {
        self.p() != 1.0 && self.p() != 2.0
    }

    #[inline(always)]
    fn is_exact(&self, sum: f64, is_double: bool) -> bool {
        let range = if is_double {
            1e-200..1e200
        } else {
            1e-20..1e30
        };
        range.contains(&sum)
    }

    /// The norm, and what components of the difference are multiplied by, one after the other, to be those of the unit
    /// vector. The zero vector stays what it is.
    #[inline(always)]
    fn norm<R: Real>(&self, size: &R, sum: &R) -> (R, [R; 2]) {
        let norm = norm_root(sum.clone(), self.p());
        let [shift, _] = inverse(size);
        let shifted = norm.clone() * (size.clone() * shift.clone());
        let none = shifted.equals(0.0);
        let one = (size.clone() - size.clone()).plus(1.0);
        let largest = norm.largest();
        let value = (norm * size.clone()).at_most(largest);
        (value, [shift, one / shifted.set(none, 1.0)])
    }

    /// The derivative of a function of the norm with respect to the first vector; that with respect to the second is
    /// the negative one.
    #[inline(always)]
    fn slope<R: Real>(&self, from: &R, to: &R, [shift, rest, slope]: &[R; 3]) -> R {
        let ratio = in_range(self.difference(from, to)) * shift.clone() * rest.clone();
        norm_slope(ratio, self.p()) * slope.clone()
    }
}

impl<const SQUARES: bool> RowLoss<2, 1, 1, 1, 3> for Norm<SQUARES> {
    const RARE: bool = !SQUARES;

    #[inline(always)]
    fn always_measured(&self) -> bool {
        self.has_powers()
    }

    #[inline(always)]
    fn sizes<R: Real>(&self, [from, to]: &[R; 2]) -> [R; 1] {
        [self.size(from, to)]
    }

    #[inline(always)]
    fn add<R: Real>(
        &self,
        [sum]: [R; 1],
        [from, to]: &[R; 2],
        sizes: Option<&[R; 1]>,
        _: &Row<R>,
    ) -> [R; 1] {
        [sum + self.term(from, to, sizes.map(|[size]| size))]
    }

    #[inline(always)]
    fn are_exact(&self, [sum]: &[f64; 1], is_double: bool) -> bool {
        self.is_exact(*sum, is_double)
    }

    #[inline(always)]
    fn rescale<R: Real>(&self, [sum]: &[R; 1], [from]: &[R; 1], [to]: &[R; 1]) -> [R; 1] {
        [self.rescale(sum, from, to)]
    }

    #[inline(always)]
    fn head<R: Real>(&self, [size]: &[R; 1], [sum]: &[R; 1], _: &Row<R>) -> (R, [[R; 3]; 1]) {
        let (norm, [shift, rest]) = self.norm(size, sum);
        let one = (norm.clone() - norm.clone()).plus(1.0);
        (norm, [[shift, rest, one]])
    }

    #[inline(always)]
    fn scaled<R: Real>(&self, head: [[R; 3]; 1], scale: &R) -> [[R; 3]; 1] {
        let [[shift, rest, slope]] = head;
        [[shift, rest, slope * scale.clone()]]
    }

    #[inline(always)]
    fn slopes<R: Real>(&self, [from, to]: &[R; 2], [of_norm]: &[[R; 3]; 1]) -> [R; 2] {
        let slope = self.slope(from, to, of_norm);
        [slope.clone(), -slope]
    }
}

/// The hinge of the distance to the positive and that to the negative; with `swap`, also of that between them.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
struct TripletHead {
    margin: f64,
    swap: bool,
}

impl TripletHead {
    /// The loss, and its derivative with respect to each distance.
    #[inline(always)]
    fn of<R: Real>(&self, positive: R, negative: R, between: R) -> (R, [R; 3]) {
        if !self.swap {
            let (value, slope) = triplet_margin(positive, negative, self.margin);
            let slope = slope();
            return (
                value,
                [slope.clone(), -slope.clone(), slope.clone() - slope],
            );
        }
        let nearer = (negative.clone() - between.clone()).above(0.0);
        let nearest = negative.clone().replace(nearer, between.clone());
        let share = share_of_smaller(negative, between);
        let (value, slope) = triplet_margin(positive, nearest, self.margin);
        let slope = slope();
        let of_negative = -(slope.clone() * share);
        let of_between = -(slope.clone() + of_negative.clone());
        (value, [slope, of_negative, of_between])
    }
}

/// The triplet loss of `T` norms: to the positive, to the negative, and, if that is swapped for it, between them.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct TripletOfNorms<const SQUARES: bool, const T: usize> {
    norm: Norm<SQUARES>,
    head: TripletHead,
}

impl<const SQUARES: bool, const T: usize> TripletOfNorms<SQUARES, T> {
    pub(crate) fn new(margin: f64, swap: bool, p: f64, eps: f64) -> Self {
        assert!(T == 3 || !swap, "a swap is for the third norm");
        Self {
            norm: Norm { p, eps },
            head: TripletHead { margin, swap },
        }
    }
}

/// Which vectors are compared: the anchor with the positive, with the negative, and these.
const PAIRS: [[usize; 2]; 3] = [[0, 1], [0, 2], [1, 2]];

impl<const SQUARES: bool, const T: usize> RowLoss<3, T, T, T, 3> for TripletOfNorms<SQUARES, T> {
    const RARE: bool = !SQUARES;

    #[inline(always)]
    fn always_measured(&self) -> bool {
        self.norm.has_powers()
    }

    #[inline(always)]
    fn sizes<R: Real>(&self, x: &[R; 3]) -> [R; T] {
        let mut sizes = [const { None }; T];
        for at in 0..T {
            let [from, to] = PAIRS[at];
            sizes[at] = Some(self.norm.size(&x[from], &x[to]));
        }
        each(sizes)
    }

    #[inline(always)]
    fn add<R: Real>(&self, sums: [R; T], x: &[R; 3], sizes: Option<&[R; T]>, _: &Row<R>) -> [R; T] {
        let mut added = [const { None }; T];
        for (at, sum) in sums.into_iter().enumerate() {
            let [from, to] = PAIRS[at];
            let size = sizes.map(|sizes| &sizes[at]);
            added[at] = Some(sum + self.norm.term(&x[from], &x[to], size));
        }
        each(added)
    }

    #[inline(always)]
    fn are_exact(&self, sums: &[f64; T], is_double: bool) -> bool {
        let mut exact = true;
        let used = if self.head.swap { T } else { 2 };
        for &sum in &sums[..used] {
            exact &= self.norm.is_exact(sum, is_double);
        }
        exact
    }

    #[inline(always)]
    fn rescale<R: Real>(&self, sums: &[R; T], from: &[R; T], to: &[R; T]) -> [R; T] {
        let mut rescaled = [const { None }; T];
        for at in 0..T {
            rescaled[at] = Some(self.norm.rescale(&sums[at], &from[at], &to[at]));
        }
        each(rescaled)
    }

    #[inline(always)]
    fn head<R: Real>(&self, sizes: &[R; T], sums: &[R; T], _: &Row<R>) -> (R, [[R; 3]; T]) {
        let (positive, of_positive) = self.norm.norm(&sizes[0], &sums[0]);
        let (negative, of_negative) = self.norm.norm(&sizes[1], &sums[1]);
        let (between, of_between) = self.norm.norm(&sizes[T - 1], &sums[T - 1]);
        let (value, slopes) = self.head.of(positive, negative, between);
        let of_units = [of_positive, of_negative, of_between];
        let mut head = [const { None }; T];
        for (at, (of_unit, slope)) in of_units.into_iter().zip(slopes).enumerate() {
            if at < T {
                let [shift, rest] = of_unit;
                head[at] = Some([shift, rest, slope]);
            }
        }
        (value, each(head))
    }

    #[inline(always)]
    fn scaled<R: Real>(&self, head: [[R; 3]; T], scale: &R) -> [[R; 3]; T] {
        head.map(|[shift, rest, slope]| [shift, rest, slope * scale.clone()])
    }

    #[inline(always)]
    fn slopes<R: Real>(&self, [a, p, n]: &[R; 3], head: &[[R; 3]; T]) -> [R; 3] {
        let positive = self.norm.slope(a, p, &head[0]);
        let negative = self.norm.slope(a, n, &head[1]);
        let of_anchor = positive.clone() + negative.clone();
        if T < 3 || !self.head.swap {
            return [of_anchor, -positive, -negative];
        }
        let between = self.norm.slope(p, n, &head[2]);
        [of_anchor, between.clone() - positive, -negative - between]
    }
}

/// What there is one of each by now.
#[inline(always)]
fn each<T, const N: usize>(numbers: [Option<T>; N]) -> [T; N] {
    numbers.map(|number| number.expect("each was computed"))
}

/// A vector's length, as it counts, and what its components are multiplied by, one after the other, to be those of the
/// unit vector.
struct Direction<R> {
    shift: R,
    rest: R,
    length: Length<R>,
}

impl<R: Real> Direction<R> {
    /// Of the sum of the squares of the components, which are measured in a size.
    #[inline(always)]
    fn new(size: &R, squares: &R, floor: NormFloor) -> Self {
        let norm = squares.clone().sqrt();
        let largest = norm.largest();
        let length = length((norm.clone() * size.clone()).at_most(largest), floor);
        let [shift, rest] = inverse(size);
        let none = norm.equals(0.0);
        Self {
            shift,
            rest: rest * (length.share.clone() / norm.set(none, 1.0)),
            length,
        }
    }

    /// The component of the unit vector; with more digits its factors are in those of the gradient already.
    #[inline(always)]
    fn unit(x: &R, shift: &R, rest: &R) -> R {
        if x.is_double() {
            x.clone()
        } else {
            x.clone() * shift.clone() * rest.clone()
        }
    }

    /// A factor of the unit vector, as that of what [`unit`](Self::unit) gives.
    #[inline(always)]
    fn folded(&self, factor: R) -> R {
        if factor.is_double() {
            in_range(factor * self.shift.clone() * self.rest.clone())
        } else {
            factor
        }
    }

    /// The cosine of the angle with another, from the sums of the products and of the squares.
    #[inline(always)]
    fn cosine(&self, other: &Self, products: &R, squares: [&R; 2]) -> R {
        // One root, so that the cosine of a vector with itself is exactly 1.
        let [of_this, of_other] = squares;
        let squares = of_this.clone() * of_other.clone();
        let none = squares.equals(0.0);
        let cosine = products.clone() / squares.set(none.clone(), 1.0).sqrt();
        cosine.set(none, 0.0) * (self.length.share.clone() * other.length.share.clone())
    }

    /// How a function of a cosine changes with this vector: the factors of its own unit vector and of the other's.
    #[inline(always)]
    fn change(&self, cosine: &R, slope: &R) -> [R; 2] {
        let slope = slope.clone() / self.length.length.clone();
        let along = slope.clone() * cosine.clone() * self.length.own.clone();
        [-along, slope]
    }
}

/// Whether a sum of squares has a root whose product with another is in range.
#[inline(always)]
fn has_root(squares: f64, is_double: bool) -> bool {
    let range = if is_double {
        1e-150..1e150
    } else {
        1e-18..1e18
    };
    range.contains(&squares)
}

/// The cosine of the angle of two vectors, or the cosine embedding loss with a margin.
///
/// The gradient of a cosine is the difference of two vectors that are nearly the same where a model has learned
/// something.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Cosine<const EMBEDDING: bool> {
    floor: NormFloor,
    margin: f64,
}

impl Cosine<false> {
    /// The cosine itself, in which norms count for at least `eps`.
    pub(crate) fn itself(eps: f64) -> Self {
        Self {
            floor: NormFloor::AtLeast(eps),
            margin: 0.0,
        }
    }
}

impl Cosine<true> {
    pub(crate) fn embedding(margin: f64) -> Self {
        Self {
            floor: COSINE_EMBEDDING,
            margin,
        }
    }
}

impl<const EMBEDDING: bool> RowLoss<2, 2, 3, 2, 4> for Cosine<EMBEDDING> {
    const WIDE: bool = true;
    const OWN: OwnNumber = if EMBEDDING {
        OwnNumber::Sign
    } else {
        OwnNumber::Nothing
    };

    #[inline(always)]
    fn sizes<R: Real>(&self, [a, b]: &[R; 2]) -> [R; 2] {
        [in_range(a.clone()).abs(), in_range(b.clone()).abs()]
    }

    #[inline(always)]
    fn add<R: Real>(
        &self,
        [squares, products, others]: [R; 3],
        [a, b]: &[R; 2],
        sizes: Option<&[R; 2]>,
        _: &Row<R>,
    ) -> [R; 3] {
        let (a, b) = match sizes {
            None => (a.clone(), b.clone()),
            Some([of_a, of_b]) => (
                measured(a.clone(), Some(of_a)),
                measured(b.clone(), Some(of_b)),
            ),
        };
        [
            squares.plus_product(a.clone(), a.clone()),
            products.plus_product(a, b.clone()),
            others.plus_product(b.clone(), b),
        ]
    }

    #[inline(always)]
    fn are_exact(&self, [of_a, _, of_b]: &[f64; 3], is_double: bool) -> bool {
        has_root(*of_a, is_double) && has_root(*of_b, is_double)
    }

    #[inline(always)]
    fn rescale<R: Real>(&self, sums: &[R; 3], from: &[R; 2], to: &[R; 2]) -> [R; 3] {
        let (a, b) = (share(&from[0], &to[0]), share(&from[1], &to[1]));
        let [squares, products, others] = sums.clone();
        [
            squares * a.clone() * a.clone(),
            products * a * b.clone(),
            others * b.clone() * b,
        ]
    }

    #[inline(always)]
    fn head<R: Real>(&self, sizes: &[R; 2], sums: &[R; 3], row: &Row<R>) -> (R, [[R; 4]; 2]) {
        let [squares, products, others] = sums;
        let a = Direction::new(&sizes[0], squares, self.floor);
        let b = Direction::new(&sizes[1], others, self.floor);
        let cosine = a.cosine(&b, products, [squares, others]);
        let (value, slope) = if EMBEDDING {
            let (value, slope) = cosine_embedding(cosine.clone(), row.own.clone(), self.margin);
            (value, slope())
        } else {
            let one = (cosine.clone() - cosine.clone()).plus(1.0);
            (cosine.clone(), one)
        };
        let [own_of_a, of_a] = a.change(&cosine, &slope);
        let [own_of_b, of_b] = b.change(&cosine, &slope);
        // The factors of the first vector's unit vector, and of the second's.
        let (own_of_a, of_a) = (a.folded(own_of_a), b.folded(of_a));
        let (of_b, own_of_b) = (a.folded(of_b), b.folded(own_of_b));
        let head = [
            [a.shift, a.rest, own_of_a, of_a],
            [b.shift, b.rest, of_b, own_of_b],
        ];
        (value, head)
    }

    #[inline(always)]
    fn scaled<R: Real>(&self, head: [[R; 4]; 2], scale: &R) -> [[R; 4]; 2] {
        head.map(|[shift, rest, of_a, of_b]| {
            [shift, rest, of_a * scale.clone(), of_b * scale.clone()]
        })
    }

    #[inline(always)]
    fn slopes<R: Real>(&self, [a, b]: &[R; 2], [of_a, of_b]: &[[R; 4]; 2]) -> [R; 2] {
        let a = Direction::unit(a, &of_a[0], &of_a[1]);
        let b = Direction::unit(b, &of_b[0], &of_b[1]);
        // Each product is rounded: those that cancel each other do so entirely.
        [
            a.clone() * of_a[2].clone() + b.clone() * of_a[3].clone(),
            a * of_b[2].clone() + b * of_b[3].clone(),
        ]
    }
}

/// The triplet loss of angles: a distance is 1 less the cosine.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct TripletOfAngles {
    floor: NormFloor,
    head: TripletHead,
}

impl TripletOfAngles {
    pub(crate) fn new(margin: f64, swap: bool, eps: f64) -> Self {
        Self {
            floor: NormFloor::AtLeast(eps),
            head: TripletHead { margin, swap },
        }
    }
}

impl RowLoss<3, 3, 6, 3, 5> for TripletOfAngles {
    const WIDE: bool = true;

    #[inline(always)]
    fn sizes<R: Real>(&self, [a, p, n]: &[R; 3]) -> [R; 3] {
        [
            in_range(a.clone()).abs(),
            in_range(p.clone()).abs(),
            in_range(n.clone()).abs(),
        ]
    }

    #[inline(always)]
    fn add<R: Real>(
        &self,
        [aa, pp, nn, ap, an, pn]: [R; 6],
        [a, p, n]: &[R; 3],
        sizes: Option<&[R; 3]>,
        _: &Row<R>,
    ) -> [R; 6] {
        let (a, p, n) = match sizes {
            None => (a.clone(), p.clone(), n.clone()),
            Some([of_a, of_p, of_n]) => (
                measured(a.clone(), Some(of_a)),
                measured(p.clone(), Some(of_p)),
                measured(n.clone(), Some(of_n)),
            ),
        };
        [
            aa.plus_product(a.clone(), a.clone()),
            pp.plus_product(p.clone(), p.clone()),
            nn.plus_product(n.clone(), n.clone()),
            ap.plus_product(a.clone(), p.clone()),
            an.plus_product(a, n.clone()),
            pn.plus_product(p, n),
        ]
    }

    #[inline(always)]
    fn are_exact(&self, sums: &[f64; 6], is_double: bool) -> bool {
        has_root(sums[0], is_double) && has_root(sums[1], is_double) && has_root(sums[2], is_double)
    }

    #[inline(always)]
    fn rescale<R: Real>(&self, sums: &[R; 6], from: &[R; 3], to: &[R; 3]) -> [R; 6] {
        let [a, p, n] = [0, 1, 2].map(|at| share(&from[at], &to[at]));
        let [aa, pp, nn, ap, an, pn] = sums.clone();
        [
            aa * a.clone() * a.clone(),
            pp * p.clone() * p.clone(),
            nn * n.clone() * n.clone(),
            ap * a.clone() * p.clone(),
            an * a * n.clone(),
            pn * p * n,
        ]
    }

    #[inline(always)]
    fn head<R: Real>(&self, sizes: &[R; 3], sums: &[R; 6], _: &Row<R>) -> (R, [[R; 5]; 3]) {
        let [aa, pp, nn, ap, an, pn] = sums;
        let a = Direction::new(&sizes[0], aa, self.floor);
        let p = Direction::new(&sizes[1], pp, self.floor);
        let n = Direction::new(&sizes[2], nn, self.floor);
        let to_positive = a.cosine(&p, ap, [aa, pp]);
        let to_negative = a.cosine(&n, an, [aa, nn]);
        let between = p.cosine(&n, pn, [pp, nn]);
        let (value, slopes) = self.head.of(
            (-to_positive.clone()).plus(1.0),
            (-to_negative.clone()).plus(1.0),
            (-between.clone()).plus(1.0),
        );
        let [of_positive, of_negative, of_between] = slopes.map(|slope| -slope);
        let [aa, ap] = a.change(&to_positive, &of_positive);
        let [also_aa, an] = a.change(&to_negative, &of_negative);
        let [pp, pa] = p.change(&to_positive, &of_positive);
        let [also_pp, pn] = p.change(&between, &of_between);
        let [nn, na] = n.change(&to_negative, &of_negative);
        let [also_nn, np] = n.change(&between, &of_between);
        let of_a = [a.folded(aa + also_aa), p.folded(ap), n.folded(an)];
        let of_p = [a.folded(pa), p.folded(pp + also_pp), n.folded(pn)];
        let of_n = [a.folded(na), p.folded(np), n.folded(nn + also_nn)];
        let head = |Direction { shift, rest, .. }, [a, p, n]: [R; 3]| [shift, rest, a, p, n];
        (value, [head(a, of_a), head(p, of_p), head(n, of_n)])
    }

    #[inline(always)]
    fn scaled<R: Real>(&self, head: [[R; 5]; 3], scale: &R) -> [[R; 5]; 3] {
        head.map(|[shift, rest, a, p, n]| {
            let [a, p, n] = [a, p, n].map(|factor| factor * scale.clone());
            [shift, rest, a, p, n]
        })
    }

    #[inline(always)]
    fn slopes<R: Real>(&self, [a, p, n]: &[R; 3], head: &[[R; 5]; 3]) -> [R; 3] {
        let [of_a, of_p, of_n] = head;
        let a = Direction::unit(a, &of_a[0], &of_a[1]);
        let p = Direction::unit(p, &of_p[0], &of_p[1]);
        let n = Direction::unit(n, &of_n[0], &of_n[1]);
        let combined = |[_, _, of_a, of_p, of_n]: &[R; 5]| {
            a.clone() * of_a.clone() + p.clone() * of_p.clone() + n.clone() * of_n.clone()
        };
        [combined(of_a), combined(of_p), combined(of_n)]
    }
}
