//! The loops over the head of a softmax, without its type: they are compiled for it here.

use super::numbers::Float;
use super::scale::clamp;
use super::vectors::{Loop, Vectors};
use crate::spec::softmax::{SoftmaxHead, ln_1p, slope_of_class, slope_of_others};

/// A [`SoftmaxHead`], as a [`HostHead`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct DefinedHead<H>(pub(crate) H);

/// What is computed of each sample's softmax.
pub(crate) trait HostHead: Send + Sync + 'static {
    fn terms_f32(&self, vectors: Vectors, terms: HeadTerms<f32>);

    fn terms_f64(&self, vectors: Vectors, terms: HeadTerms<f64>);
}

/// What is known of some samples, and what becomes of it.
pub(crate) struct HeadTerms<'a, F> {
    /// The logit of a sample's class, the largest of its logits, and the sum of the exponentials of the others
    /// less that.
    pub(crate) own: &'a [F],
    pub(crate) largest: &'a [F],
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
        run(self.0, vectors, terms);
    }

    fn terms_f64(&self, vectors: Vectors, terms: HeadTerms<f64>) {
        run(self.0, vectors, terms);
    }
}

fn run<F: Float, H: SoftmaxHead>(head: H, vectors: Vectors, terms: HeadTerms<F>) {
    if terms.scale.is_some() {
        vectors.run(OfSamples::<F, H, true>(head, terms));
    } else {
        vectors.run(OfSamples::<F, H, false>(head, terms));
    }
}

struct OfSamples<'a, F, H, const SLOPES: bool>(H, HeadTerms<'a, F>);

impl<F: Float, H: SoftmaxHead, const SLOPES: bool> Loop for OfSamples<'_, F, H, SLOPES> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self(head, terms) = self;
        let count = terms.losses.len();
        let (own, largest) = (&terms.own[..count], &terms.largest[..count]);
        let (others, weights) = (&terms.others[..count], &terms.weights[..count]);
        let (own_slopes, factors) = (&mut terms.own_slopes[..count], &mut terms.factors[..count]);
        let scale = terms.scale.unwrap_or_default();
        for at in 0..count {
            let (others, weight) = (F::of(others[at]), weights[at]);
            let shifted = own[at] - largest[at];
            let exp = shifted.exp();
            let share = F::of(1.0) / others.plus(1.0);
            let (p, ln_sum) = (exp * share, ln_1p(others));
            let rest = (others.plus(1.0) - exp).replace(exp.equals(1.0), others) * share;
            let of_class = head.of(shifted - ln_sum, p, rest, largest[at] + ln_sum);
            let (loss, of_ln_p, of_lse) = of_class;
            terms.losses[at] = loss.times(0.5).times_or_zero(weight);
            if SLOPES {
                let own = slope_of_class(p, rest, of_ln_p, of_lse);
                own_slopes[at] = clamp(own.times_or_zero(weight) * scale);
                let other = slope_of_others(of_ln_p, of_lse);
                factors[at] = share.times_or_zero(clamp(other.times_or_zero(weight) * scale));
            }
        }
    }
}
