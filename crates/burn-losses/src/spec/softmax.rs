//! The maths of losses over the classes of a sample.

use crate::real::Real;
use crate::spec::plain::Plain;
use core::fmt::Debug;

/// The term of one class: `-q log_prob`, and its derivative with respect to the log-probability.
/// A class that does not count contributes 0, even at a log-probability of -inf.
#[inline(always)]
pub(crate) fn nll_term<R: Real>(log_prob: R, q: R) -> (R, impl FnOnce() -> R) {
    (log_prob.times_or_zero(-q.clone()), move || -q)
}

/// The derivative of a sample's terms with respect to the logit of one class: `p * sum(q) - q`,
/// written without the difference that would round a saturated class to 0. Where no class counts, it is 0
/// even for logits that are no numbers.
///
/// `rest` is `1 - p`, and `q_of_rest` the sum of `q` over the other classes.
#[inline(always)]
pub(crate) fn cross_entropy_slope<R: Real>(prob: R, rest: R, q: R, q_of_rest: R) -> R {
    prob.times_or_zero(q_of_rest) - rest.times_or_zero(q)
}

/// Any loss of a softmax row and one class of it.
pub(crate) trait SoftmaxHead: Clone + Debug + Plain + Send + Sync + 'static {
    /// The numbers that are set from call to call.
    #[cfg_attr(not(feature = "cube"), allow(dead_code))] // Only a kernel is told them apart from itself.
    fn parameters(&self) -> &[f64] {
        &[]
    }

    /// The loss, and its derivatives with respect to `ln_p` and to `lse`: from the logarithm of the class's
    /// probability, that probability, `1 - p` (exact where `p` rounds to 1), and the logarithm of the sum of all
    /// exponentials.
    fn of<R: Real>(&self, ln_p: R, p: R, rest: R, lse: R) -> (R, R, R);
}

/// The derivative with respect to the logit of the class, from those of its [`SoftmaxHead`].
#[inline(always)]
pub(crate) fn slope_of_class<R: Real>(p: R, rest: R, of_ln_p: R, of_lse: R) -> R {
    rest.times_or_zero(of_ln_p) + p.times_or_zero(of_lse)
}

/// The derivative with respect to the logit of any other class, over its probability.
#[inline(always)]
pub(crate) fn slope_of_others<R: Real>(of_ln_p: R, of_lse: R) -> R {
    of_lse - of_ln_p
}
