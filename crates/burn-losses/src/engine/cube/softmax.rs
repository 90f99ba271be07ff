//! Cross-entropy and negative log-likelihood of a row of classes.

use super::row_kernel::{Finished, RowContext, RowKernel, scale_and_clamp};
use super::traced::{Traced, Tracer};
use crate::real::Real;
use crate::spec::rule::Rule;
use crate::spec::softmax::{
    SoftmaxHead, cross_entropy_slope, nll_term, slope_of_class, slope_of_others,
};
use alloc::vec;
use alloc::vec::Vec;

/// How much the classes of a row count, besides their weights.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TargetShare {
    /// One class counts.
    One,
    /// One class counts, and all share what is spread.
    Spread(f64),
    /// Each has a probability of its own, for which this must hold; the sum is to be 1 within the
    /// tolerance. What is spread comes on top.
    Own {
        rule: Rule,
        tolerance: f64,
        spread: f64,
    },
}

/// Cross-entropy.
///
/// The state: the largest logit, and the sum of the exponentials of the others less it. The largest
/// contributes exactly 1; adding up the others without it keeps what they contribute, however little it
/// is. Where every class counts, also half of the sum of `-q (logit - largest)`, and the sum of `q`; where
/// each has a probability, their sum too.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CrossEntropyRow {
    pub(crate) share: TargetShare,
    /// The classes have weights: an operand after the others.
    pub(crate) weighted: bool,
    /// The largest size of a gradient.
    pub(crate) limit: f64,
}

const LARGEST: usize = 0;
const OTHERS: usize = 1;
const TERMS: usize = 2;
const COUNTED: usize = 3;
const PROBS: usize = 4;

impl CrossEntropyRow {
    /// How much a class counts that is not the one of the row.
    fn counts<'a>(&self, tracer: Tracer<'a>, operands: &[Traced<'a>]) -> Traced<'a> {
        let q = match self.share {
            TargetShare::One => tracer.number(0.0),
            TargetShare::Spread(of) => tracer.over_length(of),
            TargetShare::Own { spread: 0.0, .. } => operands[1],
            TargetShare::Own { spread: of, .. } => {
                operands[1].times(1.0 - of) + tracer.over_length(of)
            }
        };
        match (self.weighted, operands.last()) {
            (true, Some(&weight)) => q * weight,
            _ => q,
        }
    }

    /// The derivative with respect to a logit, weighted and scaled.
    fn slope<'a>(&self, x: Traced<'a>, q: Traced<'a>, of_row: &OfSoftmax<'a>) -> Traced<'a> {
        let exp = (x - of_row.largest).exp();
        let rest = (of_row.others.plus(1.0) - exp).replace(x.same(&of_row.largest), of_row.others);
        let q_of_rest = of_row.counted - q;
        let slope = cross_entropy_slope(exp * of_row.share, rest * of_row.share, q, q_of_rest);
        scale_and_clamp(slope, self.limit, of_row.scale)
    }
}

/// The numbers of a row with which its gradient is computed.
struct OfSoftmax<'a> {
    largest: Traced<'a>,
    others: Traced<'a>,
    /// One over the sum of all exponentials.
    share: Traced<'a>,
    /// How much all classes count together.
    counted: Traced<'a>,
    /// 1 if the row counts, 0 if not, and NaN if its target is not valid.
    kept: Traced<'a>,
    scale: Traced<'a>,
}

impl<'a> OfSoftmax<'a> {
    fn numbers(&self) -> Vec<Traced<'a>> {
        vec![
            self.largest,
            self.others,
            self.share,
            self.counted,
            self.kept,
            self.scale,
        ]
    }

    fn of(numbers: &[Traced<'a>]) -> Self {
        let &[largest, others, share, counted, kept, scale] = numbers else {
            unreachable!("these are the numbers given above")
        };
        Self {
            largest,
            others,
            share,
            counted,
            kept,
            scale,
        }
    }
}

/// Half of the difference of two logits. (The whole may be out of range where its share of a mean is not.)
fn half_apart<'a>(a: Traced<'a>, b: Traced<'a>) -> Traced<'a> {
    a.times(0.5) - b.times(0.5)
}

impl RowKernel for CrossEntropyRow {
    fn part(&self) -> f64 {
        0.5
    }

    fn states(&self) -> usize {
        match self.share {
            TargetShare::One => TERMS,
            TargetShare::Spread(_) => PROBS,
            TargetShare::Own { .. } => PROBS + 1,
        }
    }

    fn start<'a>(&self, tracer: Tracer<'a>) -> Vec<Traced<'a>> {
        let mut state = vec![tracer.number(0.0); self.states()];
        state[LARGEST] = tracer.number(f64::NEG_INFINITY);
        state
    }

    fn of<'a>(&self, tracer: Tracer<'a>, operands: &[Traced<'a>]) -> Vec<Traced<'a>> {
        let zero = tracer.number(0.0);
        let mut state = vec![operands[0], zero];
        if !matches!(self.share, TargetShare::One) {
            state.extend([zero, self.counts(tracer, operands)]);
        }
        if let TargetShare::Own { rule, .. } = self.share {
            let nan = tracer.number(f64::NAN);
            state.push(nan.replace(rule.holds(&operands[1]), operands[1]));
        }
        state
    }

    fn join<'a>(&self, a: &[Traced<'a>], b: &[Traced<'a>]) -> Vec<Traced<'a>> {
        let pick = |from: Traced<'a>, mask, other| from.replace(mask, other);
        let larger = b[LARGEST].exceeds(&a[LARGEST]);
        let same = b[LARGEST].same(&a[LARGEST]);
        let largest = pick(a[LARGEST], larger, b[LARGEST]);
        let lower = pick(b[LARGEST], larger, a[LARGEST]);
        let of_largest = pick(a[OTHERS], larger, b[OTHERS]);
        let of_lower = pick(b[OTHERS], larger, a[OTHERS]);
        // Where both are -inf, the difference is no number.
        let exp = (lower - largest).exp().set(same, 1.0);
        let mut state = vec![largest, of_lower.plus(1.0) * exp + of_largest];
        if a.len() > TERMS {
            let terms = |of: &[Traced<'a>]| {
                let is_largest = of[LARGEST].same(&largest);
                let shift = half_apart(of[LARGEST], largest).set(is_largest, 0.0);
                of[TERMS] + nll_term(shift, of[COUNTED]).0
            };
            state.extend([terms(a) + terms(b), a[COUNTED] + b[COUNTED]]);
        }
        if a.len() > PROBS {
            state.push(a[PROBS] + b[PROBS]);
        }
        state
    }

    fn finish<'a>(
        &self,
        tracer: Tracer<'a>,
        state: &[Traced<'a>],
        row: RowContext<'a>,
    ) -> Finished<'a> {
        let zero = tracer.number(0.0);
        let (largest, others) = (state[LARGEST], state[OTHERS]);
        let share = tracer.number(1.0) / others.plus(1.0);
        let half_ln_sum = others.ln_1p().times(0.5);
        let RowContext { own, scale } = row;
        // What the class of the row counts, and what all do.
        let (kept, mut loss, mut counted) = match self.share {
            TargetShare::One => (zero, zero, zero),
            TargetShare::Spread(_) => {
                let kept = own[2];
                let counted = state[COUNTED].times_or_zero(kept);
                (kept, state[TERMS].times_or_zero(kept), counted)
            }
            TargetShare::Own { tolerance, .. } => {
                let sums_to_one = state[PROBS].plus(-1.0).between(-tolerance, tolerance);
                let kept = tracer.number(f64::NAN).set(sums_to_one, 1.0);
                (kept, state[TERMS] * kept, state[COUNTED] * kept)
            }
        };
        let extra = match self.share {
            TargetShare::One => Some(own[1]),
            TargetShare::Spread(spread) => Some(own[1].times(1.0 - spread)),
            TargetShare::Own { .. } => None,
        };
        if let Some(q) = extra {
            loss = loss + nll_term(half_apart(own[0], largest), q).0;
            counted = counted + q;
        }
        loss = loss + nll_term(-half_ln_sum, counted).0;
        if state.len() > TERMS {
            // The terms took equal logits for no distance, even infinite ones.
            let finite = largest.between(f32::MIN.into(), f32::MAX.into());
            let infinite = tracer.number(f64::NAN).set(finite, 0.0);
            loss = loss + infinite.times_or_zero(counted);
        }
        let poisoned = zero.replace(counted.is_nan(), tracer.number(f64::NAN));

        let of_row = OfSoftmax {
            largest,
            others,
            share,
            counted,
            kept,
            scale,
        };
        let at_class = extra.map(|q| match self.share {
            TargetShare::One => self.slope(own[0], q, &of_row),
            _ => {
                let spread = self.counts(tracer, &[own[0], own[3]]);
                self.slope(own[0], spread.times_or_zero(kept) + q, &of_row)
            }
        });
        let numbers = match self.share {
            TargetShare::One => {
                let slope = cross_entropy_slope(tracer.number(1.0), zero, zero, counted);
                vec![
                    largest,
                    share.times_or_zero(scale_and_clamp(slope, self.limit, scale)),
                ]
            }
            _ => of_row.numbers(),
        };
        Finished {
            loss,
            poisoned,
            at_class,
            numbers,
        }
    }

    fn gradients<'a>(&self, numbers: &[Traced<'a>], operands: &[Traced<'a>]) -> Vec<Traced<'a>> {
        if let &[largest, factor] = numbers {
            let exp = (operands[0] - largest).exp();
            return vec![exp.times_or_zero(factor)];
        }
        let of_row = OfSoftmax::of(numbers);
        let q = self.counts(of_row.largest.tracer(), operands);
        vec![self.slope(operands[0], q.times_or_zero(of_row.kept), &of_row)]
    }
}

/// Any loss of a softmax and one class of it. The state is that of a [`CrossEntropyRow`] of one class.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeadRow<H> {
    pub(crate) head: H,
    /// The largest size of a gradient.
    pub(crate) limit: f64,
}

impl<H> HeadRow<H> {
    fn softmax(&self) -> CrossEntropyRow {
        CrossEntropyRow {
            share: TargetShare::One,
            weighted: false,
            limit: self.limit,
        }
    }
}

impl<H: SoftmaxHead> RowKernel for HeadRow<H> {
    fn part(&self) -> f64 {
        0.5
    }

    fn parameters(&self) -> &[f64] {
        self.head.parameters()
    }

    fn states(&self) -> usize {
        self.softmax().states()
    }

    fn start<'a>(&self, tracer: Tracer<'a>) -> Vec<Traced<'a>> {
        self.softmax().start(tracer)
    }

    fn of<'a>(&self, tracer: Tracer<'a>, operands: &[Traced<'a>]) -> Vec<Traced<'a>> {
        self.softmax().of(tracer, operands)
    }

    fn join<'a>(&self, a: &[Traced<'a>], b: &[Traced<'a>]) -> Vec<Traced<'a>> {
        self.softmax().join(a, b)
    }

    fn finish<'a>(
        &self,
        tracer: Tracer<'a>,
        state: &[Traced<'a>],
        row: RowContext<'a>,
    ) -> Finished<'a> {
        let (largest, others) = (state[LARGEST], state[OTHERS]);
        let (x, counted) = (row.own[0], row.own[1]);
        let (share, ln_sum) = (tracer.number(1.0) / others.plus(1.0), others.ln_1p());
        let shifted = x - largest;
        let exp = shifted.exp();
        let rest = (others.plus(1.0) - exp).replace(x.same(&largest), others) * share;
        let p = exp * share;
        let of_class = self.head.of(shifted - ln_sum, p, rest, largest + ln_sum);
        let (loss, of_ln_p, of_lse) = of_class;
        let scaled = |slope: Traced<'a>| {
            scale_and_clamp(slope.times_or_zero(counted), self.limit, row.scale)
        };
        Finished {
            loss: loss.times(0.5).times_or_zero(counted),
            poisoned: tracer
                .number(0.0)
                .replace(counted.is_nan(), tracer.number(f64::NAN)),
            at_class: Some(scaled(slope_of_class(p, rest, of_ln_p, of_lse))),
            numbers: vec![
                largest,
                share.times_or_zero(scaled(slope_of_others(of_ln_p, of_lse))),
            ],
        }
    }

    fn gradients<'a>(&self, numbers: &[Traced<'a>], operands: &[Traced<'a>]) -> Vec<Traced<'a>> {
        self.softmax().gradients(numbers, operands)
    }
}

/// Negative log-likelihood, of which nothing has to be read but the class of each row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LikelihoodRow {
    pub(crate) rule: Rule,
    /// The largest size of a gradient.
    pub(crate) limit: f64,
}

impl RowKernel for LikelihoodRow {
    fn reads_all(&self) -> bool {
        false
    }

    fn states(&self) -> usize {
        1
    }

    fn start<'a>(&self, tracer: Tracer<'a>) -> Vec<Traced<'a>> {
        vec![tracer.number(0.0)]
    }

    fn of<'a>(&self, tracer: Tracer<'a>, _: &[Traced<'a>]) -> Vec<Traced<'a>> {
        vec![tracer.number(0.0)]
    }

    fn join<'a>(&self, a: &[Traced<'a>], _: &[Traced<'a>]) -> Vec<Traced<'a>> {
        vec![a[0]]
    }

    fn finish<'a>(
        &self,
        tracer: Tracer<'a>,
        _: &[Traced<'a>],
        row: RowContext<'a>,
    ) -> Finished<'a> {
        let (x, q, kept) = (row.own[0], row.own[1], row.own[2]);
        let nan = tracer.number(f64::NAN);
        // What an ignored row has at any class does not matter.
        let broken = nan.set(self.rule.holds(&x), 0.0);
        let broken = broken.set(kept.equals(0.0), 0.0);
        let poisoned = broken.replace(q.is_nan(), nan);
        let (loss, slope) = nll_term(x, q);
        let slope = scale_and_clamp(slope() + poisoned, self.limit, row.scale);
        // No other class has a gradient.
        let nan = nan.times_or_zero(row.scale);
        let other = tracer.number(0.0).replace(poisoned.is_nan(), nan);
        Finished {
            loss: loss + poisoned,
            poisoned,
            at_class: Some(slope),
            numbers: vec![other],
        }
    }

    fn gradients<'a>(&self, numbers: &[Traced<'a>], _: &[Traced<'a>]) -> Vec<Traced<'a>> {
        vec![numbers[0]]
    }
}
