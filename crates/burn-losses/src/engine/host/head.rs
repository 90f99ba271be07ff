//! The loops over the head of a softmax, without its type: they are compiled for it here.

use super::numbers::Float;
use super::scale::clamp;
use super::vectors::{Loop, Vectors};
use crate::spec::softmax::{SoftmaxHead, slope_of_class, slope_of_others};

/// A [`SoftmaxHead`], as a [`HostHead`].
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct DefinedHead<H>(pub(crate) H);

/// What is computed of each sample's softmax.
pub(crate) trait HostHead: Send + Sync + 'static {
    fn terms_f32(&self, vectors: Vectors, terms: HeadTerms<f32>);

    fn terms_f64(&self, vectors: Vectors, terms: HeadTerms<f64>);
}

/// What is known of some samples, and what becomes of it.
pub(crate) struct HeadTerms<'a, F> {
    /// The logit of a sample's class, the largest of its logits, the exponential of the one less the other, and the sum of
    /// those of the others.
    pub(crate) own: &'a [F],
    pub(crate) largest: &'a [F],
    pub(crate) own_exp: &'a [F],
    pub(crate) others: &'a [f64],
    /// How much it counts.
    pub(crate) weights: &'a [F],
    /// What a derivative is multiplied by to be a gradient, if one is wanted.
    pub(crate) scale: Option<F>,
    /// Half of the losses.
    pub(crate) losses: &'a mut [F],
    /// The gradients at the samples' classes.
    pub(crate) own_slopes: &'a mut [F],
    /// What the exponentials of the other classes are multiplied by to be their gradients.
    pub(crate) factors: &'a mut [F],
}

impl<F> HeadTerms<'_, F> {
    /// Those of so many samples, which the compiler can see.
    #[inline(always)]
    fn of(self, count: usize) -> Self {
        Self {
            own: &self.own[..count],
            largest: &self.largest[..count],
            own_exp: &self.own_exp[..count],
            others: &self.others[..count],
            weights: &self.weights[..count],
            scale: self.scale,
            losses: &mut self.losses[..count],
            own_slopes: &mut self.own_slopes[..count],
            factors: &mut self.factors[..count],
        }
    }
}

/// A float type in which heads are computed.
pub(crate) trait HeadFloat: Float {
    fn terms(head: &dyn HostHead, vectors: Vectors, terms: HeadTerms<Self>);
}

impl HeadFloat for f32 {
    fn terms(head: &dyn HostHead, vectors: Vectors, terms: HeadTerms<f32>) {
        head.terms_f32(vectors, terms);
    }
}

impl HeadFloat for f64 {
    fn terms(head: &dyn HostHead, vectors: Vectors, terms: HeadTerms<f64>) {
        head.terms_f64(vectors, terms);
    }
}

impl<H: SoftmaxHead> HostHead for DefinedHead<H> {
    fn terms_f32(&self, vectors: Vectors, terms: HeadTerms<f32>) {
        run(&self.0, vectors, terms);
    }

    fn terms_f64(&self, vectors: Vectors, terms: HeadTerms<f64>) {
        run(&self.0, vectors, terms);
    }
}

fn run<F: Float, H: SoftmaxHead>(head: &H, vectors: Vectors, terms: HeadTerms<F>) {
    if terms.scale.is_some() {
        vectors.run(OfSamples::<F, H, true>(head, terms));
    } else {
        vectors.run(OfSamples::<F, H, false>(head, terms));
    }
}

struct OfSamples<'a, F, H, const SLOPES: bool>(&'a H, HeadTerms<'a, F>);

impl<F: Float, H: SoftmaxHead, const SLOPES: bool> Loop for OfSamples<'_, F, H, SLOPES> {
    const WIDEST: bool = !F::IS_DOUBLE;
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self(head, terms) = self;
        let count = terms.losses.len();
        let terms = terms.of(count);
        let scale = terms.scale.unwrap_or_default();
        for at in 0..count {
            let sample = OfSample::new(&terms, at);
            let OfSample {
                ln_p, p, rest, lse, ..
            } = sample;
            let (loss, of_ln_p, of_lse) = head.of(ln_p, p, rest, lse);
            let weight = terms.weights[at];
            terms.losses[at] = loss.times(0.5).times_or_zero(weight);
            if SLOPES {
                let (own, factor) = sample.slopes((of_ln_p, of_lse), weight, scale);
                terms.own_slopes[at] = own;
                terms.factors[at] = factor;
            }
        }
    }
}

/// What is known of a sample's softmax.
#[derive(Clone, Copy, Default)]
pub(crate) struct OfSample<F> {
    /// The logarithm of the probability of its class, that, and the probability of all others.
    pub(crate) ln_p: F,
    pub(crate) p: F,
    pub(crate) rest: F,
    /// The logarithm of the sum of all exponentials.
    lse: F,
    /// One over the sum of the exponentials less the largest.
    share: F,
}

impl<F: Float> OfSample<F> {
    #[inline(always)]
    pub(crate) fn new(terms: &HeadTerms<F>, at: usize) -> Self {
        let (others, largest) = (F::of(terms.others[at]), terms.largest[at]);
        let shifted = terms.own[at] - largest;
        let exp = terms.own_exp[at];
        let share = F::of(1.0) / others.plus(1.0);
        let ln_sum = others.ln_1p();
        Self {
            ln_p: shifted - ln_sum,
            p: exp * share,
            rest: (others.plus(1.0) - exp).replace(exp.equals(1.0), others) * share,
            lse: largest + ln_sum,
            share,
        }
    }

    /// The gradient at the class, and what the exponentials of the others are multiplied by to be theirs: from the
    /// derivatives with respect to `ln p` and `lse`.
    #[inline(always)]
    pub(crate) fn slopes(&self, (of_ln_p, of_lse): (F, F), weight: F, scale: F) -> (F, F) {
        let own = slope_of_class(self.p, self.rest, of_ln_p, of_lse);
        let other = slope_of_others(of_ln_p, of_lse);
        let factor = clamp(other.times_or_zero(weight) * scale);
        (
            clamp(own.times_or_zero(weight) * scale),
            self.share.times_or_zero(factor),
        )
    }
}
