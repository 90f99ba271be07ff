//! A softmax on whole tensors.

use super::tensors::AXIS;
use crate::spec::softmax::ln_1p;
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
        let shape = logits.dims();
        let (largest, at) = logits.clone().max_dim_with_indices(AXIS);
        let along = [1, shape[AXIS], 1];
        let ids = Tensor::<1, Int>::arange(0..shape[AXIS] as i64, (&at.device(), at.dtype()));
        let is_largest = at.expand(shape).equal(ids.reshape(along).expand(shape));

        let half_shifted = logits * 0.5 - largest.clone() * 0.5;
        let exp = (half_shifted.clone() * 2.0).exp();
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
        self.half_shifted.clone() - ln_1p(self.others.clone()) * 0.5
    }

    /// The logarithm of the sum of all exponentials.
    pub(crate) fn log_sum_exp(&self) -> Tensor<3> {
        self.largest.clone() + ln_1p(self.others.clone())
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
