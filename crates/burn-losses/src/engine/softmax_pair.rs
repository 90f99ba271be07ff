//! A loss between two softmaxes, as any other of rows.

use super::rows::{AnyRowLoss, TensorRow};
use crate::engine::host::row_kernel::HostRows;
use crate::engine::host::softmax_pair::SoftmaxPair;
use crate::engine::portable::elementwise::TensorTerms;
use crate::engine::portable::softmax::Softmax;
use crate::engine::portable::tensors::{AXIS, wide};
use crate::real::Real;
use alloc::vec;
use burn::tensor::Tensor;

impl AnyRowLoss<2> for SoftmaxPair {
    fn on_host(&self) -> &dyn HostRows<2> {
        self
    }

    fn on_tensors(&self, x: [Tensor<3>; 2], row: TensorRow) -> TensorTerms {
        let (shape, dtype) = (x[0].dims(), x[0].dtype());
        let x = x.map(wide);
        let first = x[0].clone();
        let [(ln_p, p), (ln_q, q)] = x.map(|x| {
            // The difference first: a logit over a temperature may be out of range.
            let largest = x.clone().max_dim(AXIS).expand(shape);
            let softmax = Softmax::new((x - largest) * self.over_temperature);
            let log = softmax.half_log_prob() * 2.0;
            (log, softmax.prob_and_rest().0)
        });
        let operands = [ln_p, p.clone(), ln_q, q.clone()];
        let mut results = self.all.run(&operands, &self.parameters).into_iter();
        let terms = results.next().expect("a formula has a loss");
        // A share of 0 takes nothing, be it infinite.
        let share_of = |tensor: Tensor<3>, share: f64| {
            let share = tensor.like(share);
            tensor.times_or_zero(share)
        };
        let mut value = share_of(terms.sum_dim(AXIS), self.factor);
        let step = self.factor * self.over_temperature;
        let limit = value.largest();
        let mut slopes = [p, q].map(|prob| {
            let slope = results.next().expect("there are two");
            let slope = slope.at_least(-limit).at_most(limit);
            let sum = slope.clone().sum_dim(AXIS).at_least(-limit).at_most(limit);
            (slope - prob * sum.expand(shape)) * step
        });
        if let (Some(share), TensorRow::Class(is_class)) = (self.of_class, row) {
            let softmax = Softmax::new(first);
            let elsewhere = is_class.clone().bool_not();
            let of_class = softmax.half_log_prob().mask_fill(elsewhere, 0.0);
            value = value - share_of(of_class.sum_dim(AXIS), 2.0 * share);
            let (prob, rest) = softmax.prob_and_rest();
            let of_logits = prob.mask_where(is_class, -rest);
            slopes[0] = slopes[0].clone() + of_logits * share;
        }
        let [of_first, of_second] = slopes.map(|slope| slope.cast(dtype));
        TensorTerms {
            value: value.cast(dtype),
            slopes: vec![of_first, of_second],
        }
    }
}
