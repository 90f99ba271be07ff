//! Losses made of distances between two or three rows, element by element.

use super::kernel_key::KernelKey;
use super::row_kernel::{Finished, RowContext, RowKernel, scale_and_clamp};
use super::traced::{Traced, Tracer};
use crate::real::Real;
use crate::spec::norm::{
    COSINE_EMBEDDING, DistanceKind, Length, NormFloor, cosine_embedding, length, norm_root,
    norm_slope, norm_term, share_of_smaller, triplet_margin,
};
use crate::spec::pairs::{Pair, Triplet};
use crate::spec::rule::Rule;
use alloc::vec;
use alloc::vec::Vec;

const MOST: f64 = f32::MAX as f64;

/// Which rows are compared: of a pair, or of a triplet, in which the positive and the negative are
/// only where the loss may swap them for the anchor.
const ROWS: [[usize; 2]; 3] = [[0, 1], [0, 2], [1, 2]];

/// What is made of the distances.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Head {
    /// It is the distance itself, or the cosine.
    Itself,
    /// The cosine embedding loss, by the sign of the row.
    Embedding { margin: f64 },
    /// The triplet margin loss; with `swap` of three distances, else of two.
    Triplet { margin: f64, swap: bool },
}

impl Head {
    fn rows(&self) -> &'static [[usize; 2]] {
        match self {
            Self::Itself | Self::Embedding { .. } => &ROWS[..1],
            Self::Triplet { swap: false, .. } => &ROWS[..2],
            Self::Triplet { swap: true, .. } => &ROWS,
        }
    }

    /// How many rows there are.
    fn inputs(&self) -> usize {
        match self {
            Self::Itself | Self::Embedding { .. } => 2,
            Self::Triplet { .. } => 3,
        }
    }

    /// The loss, its derivative with respect to each distance, and 0 or NaN.
    fn of<'a>(
        &self,
        tracer: Tracer<'a>,
        distances: &[Traced<'a>],
        own: &[Traced<'a>],
    ) -> (Traced<'a>, Vec<Traced<'a>>, Traced<'a>) {
        let zero = tracer.number(0.0);
        match *self {
            Self::Itself => (distances[0], vec![tracer.number(1.0)], zero),
            Self::Embedding { margin } => {
                let sign = own[0];
                let poisoned = tracer.number(f64::NAN).set(Rule::SIGN.holds(&sign), 0.0);
                let (loss, slope) = cosine_embedding(distances[0], sign, margin);
                (loss + poisoned, vec![slope() + poisoned], poisoned)
            }
            Self::Triplet { margin, swap } => {
                let positive = distances[0];
                let negative = distances[1];
                if !swap {
                    let (loss, slope) = triplet_margin(positive, negative, margin);
                    let slope = slope();
                    return (loss, vec![slope, -slope], zero);
                }
                let between = distances[2];
                let nearest = negative.replace(negative.exceeds(&between), between);
                let share = share_of_smaller(negative, between);
                let (loss, slope) = triplet_margin(positive, nearest, margin);
                let slope = slope();
                let of_between = slope * (-share).plus(1.0);
                (loss, vec![slope, -(slope * share), -of_between], zero)
            }
        }
    }
}

/// Distances that are norms.
///
/// The state: for each, the largest size of a component, and the sum of the others' shares over it. So
/// no power of a component leaves the range.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NormRows {
    pub(crate) p: f64,
    pub(crate) eps: f64,
    pub(crate) head: Head,
}

/// A difference, in range.
fn difference<'a>(operands: &[Traced<'a>], [a, b]: [usize; 2], eps: f64) -> Traced<'a> {
    let difference = (operands[a] - operands[b]).plus(eps);
    difference.at_least(-MOST).at_most(MOST)
}

/// The smaller of two sizes over the larger, 0 where both are.
fn ratio<'a>(smaller: Traced<'a>, larger: Traced<'a>) -> Traced<'a> {
    (smaller / larger).set(larger.equals(0.0), 0.0)
}

/// A divisor that is not 0.
fn not_zero(number: Traced) -> Traced {
    number.set(number.equals(0.0), 1.0)
}

impl RowKernel for NormRows {
    fn states(&self) -> usize {
        2 * self.head.rows().len()
    }

    fn start<'a>(&self, tracer: Tracer<'a>) -> Vec<Traced<'a>> {
        vec![tracer.number(0.0); self.states()]
    }

    fn of<'a>(&self, tracer: Tracer<'a>, operands: &[Traced<'a>]) -> Vec<Traced<'a>> {
        let one = tracer.number(1.0);
        let state = |rows: &[usize; 2]| {
            let size = difference(operands, *rows, self.eps).abs();
            [size, one.set(size.equals(0.0), 0.0)]
        };
        self.head.rows().iter().flat_map(state).collect()
    }

    fn join<'a>(&self, a: &[Traced<'a>], b: &[Traced<'a>]) -> Vec<Traced<'a>> {
        let both = a.chunks_exact(2).zip(b.chunks_exact(2));
        let state = both.flat_map(|(a, b)| {
            let larger = b[0].exceeds(&a[0]);
            let largest = a[0].replace(larger, b[0]);
            let smaller = b[0].replace(larger, a[0]);
            let of_largest = a[1].replace(larger, b[1]);
            let of_smaller = b[1].replace(larger, a[1]);
            let share = norm_term(ratio(smaller, largest), self.p);
            [largest, of_largest + of_smaller * share]
        });
        state.collect()
    }

    fn finish<'a>(
        &self,
        tracer: Tracer<'a>,
        state: &[Traced<'a>],
        row: RowContext<'a>,
    ) -> Finished<'a> {
        let norms: Vec<_> = state
            .chunks_exact(2)
            .map(|state| (state[0], norm_root(state[1], self.p)))
            .collect();
        let distances: Vec<_> = norms
            .iter()
            .map(|&(scale, norm)| (norm * scale).at_most(MOST))
            .collect();
        let (loss, slopes, poisoned) = self.head.of(tracer, &distances, &row.own);
        let numbers = norms.into_iter().zip(slopes);
        let numbers = numbers.flat_map(|((scale, norm), slope)| {
            let slope = scale_and_clamp(slope, MOST, row.scale);
            [not_zero(scale), not_zero(norm), slope]
        });
        Finished {
            loss,
            poisoned,
            at_class: None,
            numbers: numbers.collect(),
        }
    }

    fn gradients<'a>(&self, numbers: &[Traced<'a>], operands: &[Traced<'a>]) -> Vec<Traced<'a>> {
        let mut gradients = vec![None; self.head.inputs()];
        let mut add = |to: usize, term: Traced<'a>| {
            let sum = gradients[to].map_or(term, |sum: Traced<'a>| sum + term);
            gradients[to] = Some(sum);
        };
        for (rows, of_norm) in self.head.rows().iter().zip(numbers.chunks_exact(3)) {
            let [scale, norm, slope] = [of_norm[0], of_norm[1], of_norm[2]];
            let ratio = difference(operands, *rows, self.eps) / scale / norm;
            let direction = norm_slope(ratio, self.p).times_or_zero(slope);
            add(rows[0], direction);
            add(rows[1], -direction);
        }
        gradients.into_iter().flatten().collect()
    }
}

/// Distances that are made of angles.
///
/// The state: for each row the largest size of a component, and for each two rows the sum of their
/// products, each component over that of its row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CosineRows {
    pub(crate) short: NormFloor,
    pub(crate) head: Head,
    /// The largest size of a gradient.
    pub(crate) limit: f64,
}

impl CosineRows {
    /// Each two rows, a row with itself too: their places in the state follow those of the sizes.
    fn products(&self) -> Vec<[usize; 2]> {
        let inputs = self.head.inputs();
        let with_others = self.head.rows().iter().copied();
        (0..inputs)
            .map(|row| [row, row])
            .chain(with_others)
            .collect()
    }
}

impl RowKernel for CosineRows {
    fn states(&self) -> usize {
        self.head.inputs() + self.products().len()
    }

    fn start<'a>(&self, tracer: Tracer<'a>) -> Vec<Traced<'a>> {
        vec![tracer.number(0.0); self.states()]
    }

    fn of<'a>(&self, tracer: Tracer<'a>, operands: &[Traced<'a>]) -> Vec<Traced<'a>> {
        let rows = &operands[..self.head.inputs()];
        let sizes = rows.iter().map(|x| x.abs().at_most(MOST));
        let signs: Vec<_> = rows.iter().map(|x| x.sign()).collect();
        let one = tracer.number(1.0);
        let products = self.products();
        let products = products.iter().map(|&[a, b]| {
            if a == b {
                one.set(signs[a].equals(0.0), 0.0)
            } else {
                signs[a] * signs[b]
            }
        });
        sizes.chain(products).collect()
    }

    fn join<'a>(&self, a: &[Traced<'a>], b: &[Traced<'a>]) -> Vec<Traced<'a>> {
        let inputs = self.head.inputs();
        let largest: Vec<_> = (0..inputs)
            .map(|row| a[row].replace(b[row].exceeds(&a[row]), b[row]))
            .collect();
        let ratios = |of: &[Traced<'a>]| -> Vec<_> {
            let rows = of[..inputs].iter().zip(&largest);
            rows.map(|(&size, &largest)| ratio(size, largest)).collect()
        };
        let (of_a, of_b) = (ratios(a), ratios(b));
        let products = self.products();
        let products = products.iter().enumerate().map(|(at, &[x, y])| {
            let at = inputs + at;
            a[at] * of_a[x] * of_a[y] + b[at] * of_b[x] * of_b[y]
        });
        largest.iter().copied().chain(products).collect()
    }

    fn finish<'a>(
        &self,
        tracer: Tracer<'a>,
        state: &[Traced<'a>],
        row: RowContext<'a>,
    ) -> Finished<'a> {
        let inputs = self.head.inputs();
        let (sizes, products) = state.split_at(inputs);
        let zero = tracer.number(0.0);
        let norms: Vec<_> = products[..inputs].iter().map(|sum| sum.sqrt()).collect();
        let lengths: Vec<Length<Traced>> = norms
            .iter()
            .zip(sizes)
            .map(|(&norm, &size)| length((norm * size).at_most(MOST), self.short))
            .collect();
        let cosine = |(at, &[a, b]): (usize, &[usize; 2])| {
            // One root, so that the cosine of a vector with itself is exactly 1.
            let squares = products[a] * products[b];
            let cosine = products[inputs + at] / not_zero(squares).sqrt();
            cosine.set(squares.equals(0.0), 0.0) * (lengths[a].share * lengths[b].share)
        };
        let rows = self.head.rows();
        let cosines: Vec<_> = rows.iter().enumerate().map(cosine).collect();
        let is_distance = matches!(self.head, Head::Triplet { .. });
        let distances: Vec<_> = if is_distance {
            cosines.iter().map(|&cosine| (-cosine).plus(1.0)).collect()
        } else {
            cosines.clone()
        };
        let (loss, slopes, poisoned) = self.head.of(tracer, &distances, &row.own);

        // A gradient is a combination of the unit vectors: these are the factors.
        let mut factors = vec![zero; inputs * inputs];
        for ((&[a, b], slope), &cosine) in rows.iter().zip(slopes).zip(&cosines) {
            let slope = if is_distance { -slope } else { slope };
            for (of, other) in [(a, b), (b, a)] {
                let slope = slope / lengths[of].length;
                let along = slope * cosine * lengths[of].own;
                factors[of * inputs + other] = factors[of * inputs + other] + slope;
                factors[of * inputs + of] = factors[of * inputs + of] - along;
            }
        }
        let mut numbers = Vec::new();
        for of in 0..inputs {
            numbers.extend([not_zero(sizes[of]), not_zero(norms[of]), lengths[of].share]);
        }
        numbers.extend(factors);
        numbers.push(row.scale);
        Finished {
            loss,
            poisoned,
            at_class: None,
            numbers,
        }
    }

    fn gradients<'a>(&self, numbers: &[Traced<'a>], operands: &[Traced<'a>]) -> Vec<Traced<'a>> {
        let inputs = self.head.inputs();
        let (of_rows, rest) = numbers.split_at(3 * inputs);
        let (factors, rest) = rest.split_at(inputs * inputs);
        let scale = rest[0];
        let units: Vec<_> = of_rows
            .chunks_exact(3)
            .zip(operands)
            .map(|(of_row, &x)| {
                let x = x.at_least(-MOST).at_most(MOST);
                x / of_row[0] / of_row[1] * of_row[2]
            })
            .collect();
        let gradient = |factors: &[Traced<'a>]| {
            let terms = factors.iter().zip(&units).map(|(&factor, &x)| factor * x);
            let sum = terms.reduce(|sum, term| sum + term);
            let sum = sum.expect("there are rows");
            scale_and_clamp(sum, self.limit, scale)
        };
        factors.chunks_exact(inputs).map(gradient).collect()
    }
}

/// What a kernel computes of a pair of rows, with gradients of at most that size.
pub(crate) fn of_pair(pair: Pair, limit: f64) -> KernelKey<dyn RowKernel> {
    match pair {
        Pair::Norm { p, eps } => norms(p, eps, Head::Itself),
        Pair::Cosine { eps } => angles(NormFloor::AtLeast(eps), Head::Itself, limit),
        Pair::Embedding { margin } => angles(COSINE_EMBEDDING, Head::Embedding { margin }, limit),
    }
}

/// What a kernel computes of three rows.
pub(crate) fn of_triplet(triplet: Triplet, limit: f64) -> KernelKey<dyn RowKernel> {
    let head = Head::Triplet {
        margin: triplet.margin,
        swap: triplet.swap,
    };
    match triplet.kind {
        DistanceKind::Norm { p, eps } => norms(p, eps, head),
        DistanceKind::Cosine { eps } => angles(NormFloor::AtLeast(eps), head, limit),
    }
}

fn norms(p: f64, eps: f64, head: Head) -> KernelKey<dyn RowKernel> {
    KernelKey::of_row(NormRows { p, eps, head })
}

fn angles(short: NormFloor, head: Head, limit: f64) -> KernelKey<dyn RowKernel> {
    KernelKey::of_row(CosineRows { short, head, limit })
}
