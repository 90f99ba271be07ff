//! A softmax on whole tensors.

use super::tensors::AXIS;
use crate::real::Real;
#[cfg(feature = "std")]
use alloc::vec::Vec;
use burn::tensor::{Bool, Int, Tensor};

/// A softmax along the axis of layers that keeps what a saturated row would lose to rounding.
pub(crate) struct Softmax {
    /// Half of the logits less half of the largest of their row, and the exponentials of the whole.
    half_shifted: Tensor<3>,
    largest: Tensor<3>,
    exp: Tensor<3>,
    /// Which class has the largest logit; one class where several are equal.
    is_largest: Tensor<3, Bool>,
    /// The sum of the other classes' exponentials.
    others: Tensor<3>,
}

impl Softmax {
    pub(crate) fn new(logits: Tensor<3>) -> Self {
        // The largest logit contributes exactly 1 to the sum. Adding up the others without it keeps
        // what they contribute, however little it is.
        let (largest, is_largest) = largest_of(&logits);
        let (half_shifted, exp) = shifted(logits, &largest);
        let others = exp.clone().mask_fill(is_largest.clone(), 0.0).sum_dim(AXIS);
        Self {
            half_shifted,
            largest,
            exp,
            is_largest,
            others,
        }
    }

    /// Half of the logarithm of each probability. (The difference of two logits may be out of range where
    /// its share of a mean is not.)
    pub(crate) fn half_log_prob(&self) -> Tensor<3> {
        self.half_shifted.clone() - self.others.clone().ln_1p() * 0.5
    }

    /// The logarithm of the sum of all exponentials.
    pub(crate) fn log_sum_exp(&self) -> Tensor<3> {
        self.largest.clone() + self.others.clone().ln_1p()
    }

    /// The probability of each class, and of all others together: `1 - p`, but exact where `p`
    /// rounds to 1.
    pub(crate) fn prob_and_rest(self) -> (Tensor<3>, Tensor<3>) {
        let shape = self.exp.dims();
        let sum = self.others.clone().add_scalar(1.0);
        let rest =
            (sum.clone() - self.exp.clone()).mask_where(self.is_largest, self.others.expand(shape));
        (self.exp / sum.clone(), rest / sum)
    }
}

/// The largest logit of each row, and which class has it.
fn largest_of(logits: &Tensor<3>) -> (Tensor<3>, Tensor<3, Bool>) {
    let shape = logits.dims();
    let (largest, at) = logits.clone().max_dim_with_indices(AXIS);
    let along = [1, shape[AXIS], 1];
    let ids = Tensor::<1, Int>::arange(0..shape[AXIS] as i64, (&at.device(), at.dtype()));
    let is_largest = at.expand(shape).equal(ids.reshape(along).expand(shape));
    (largest, is_largest)
}

/// Half of the logits less half of a number of their row, and the exponentials of the whole.
fn shifted(logits: Tensor<3>, by: &Tensor<3>) -> (Tensor<3>, Tensor<3>) {
    let half_shifted = logits * 0.5 - by.clone() * 0.5;
    let exp = (half_shifted.clone() * 2.0).exp();
    (half_shifted, exp)
}

/// What some of the classes of a softmax contribute to it, where others are elsewhere.
#[cfg(feature = "std")]
pub(crate) struct SoftmaxShard {
    logits: Tensor<3>,
    is_largest: Tensor<3, Bool>,
    /// The largest logit of each row.
    pub(crate) largest: Tensor<3>,
    /// Half of the logits less half of that; half of the logits where it is -inf.
    pub(crate) half_shifted: Tensor<3>,
    /// The sum of the other exponentials, of logits less the largest.
    pub(crate) others: Tensor<3>,
}

#[cfg(feature = "std")]
impl SoftmaxShard {
    pub(crate) fn new(logits: Tensor<3>) -> Self {
        let (largest, is_largest) = largest_of(&logits);
        // Where all classes here have probability 0 others may have more: that is no row without a softmax.
        let none = largest.clone().equal_scalar(f64::NEG_INFINITY);
        let by = largest.clone().mask_fill(none, 0.0);
        let (half_shifted, exp) = shifted(logits.clone(), &by);
        let others = exp.mask_fill(is_largest.clone(), 0.0).sum_dim(AXIS);
        Self {
            logits,
            is_largest,
            largest,
            half_shifted,
            others,
        }
    }

    /// The softmax over the classes of all shards, at those of this one, which is the `at`th.
    pub(crate) fn joined(self, sums: &JoinedSums, at: usize) -> Softmax {
        let (half_shifted, exp) = shifted(self.logits, &sums.largest);
        let leads = sums.leads[at].clone().expand(exp.dims());
        Softmax {
            half_shifted,
            largest: sums.largest.clone(),
            exp,
            is_largest: self.is_largest.bool_and(leads),
            others: sums.others.clone(),
        }
    }
}

/// What the shards of a softmax come to together.
#[cfg(feature = "std")]
pub(crate) struct JoinedSums {
    /// The largest logit of each row.
    pub(crate) largest: Tensor<3>,
    /// The sum of the other exponentials, of logits less the largest.
    pub(crate) others: Tensor<3>,
    /// Whether it is this shard that has the largest logit: one does.
    leads: Vec<Tensor<3, Bool>>,
    /// Half of each shard's largest logit less half of the largest of all.
    pub(crate) half_behind: Vec<Tensor<3>>,
}

#[cfg(feature = "std")]
impl JoinedSums {
    /// Of the largest logit and the sum of the other exponentials of each shard. It is joined in their order: who has the
    /// same shards gets the same bits.
    pub(crate) fn new(shards: &[[Tensor<3>; 2]]) -> Self {
        let [first, _] = &shards[0];
        let (mut largest, mut leader) = (first.clone(), first.zeros_like());
        for (at, [own, _]) in shards.iter().enumerate().skip(1) {
            let is_larger = own.exceeds(&largest);
            largest = largest.mask_where(is_larger.clone(), own.clone());
            leader = leader.mask_fill(is_larger, at as f64);
        }
        let mut others = first.zeros_like();
        let (mut leads, mut half_behind) = (Vec::new(), Vec::new());
        for (at, [own, others_here]) in shards.iter().enumerate() {
            let (half, share) = shifted(own.clone(), &largest);
            let is_leader = leader.clone().equal_scalar(at as f64);
            // The largest logit of all is left out here too.
            let largest_here = share.clone().mask_fill(is_leader.clone(), 0.0);
            others = others + (share * others_here.clone() + largest_here);
            leads.push(is_leader);
            half_behind.push(half);
        }
        Self {
            largest,
            others,
            leads,
            half_behind,
        }
    }
}
