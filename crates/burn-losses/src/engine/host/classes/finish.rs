//! What the losses of samples of one class come to.

use super::exponentials::half_shifted;
use super::inputs::ClassCode;
use super::tile::{ClassSweep, Tile, all_have_classes};
use crate::engine::host::head::{HeadFloat, HeadTerms, HostHead};
use crate::engine::host::scale::{clamp, narrow};
use crate::real::Real;
use crate::spec::softmax::{cross_entropy_slope, nll_term};

impl ClassSweep<'_> {
    /// What the losses of samples of one class come to, from the largest logit, the sum of the other exponentials,
    /// and the logit and the exponential at the class: `numbers` becomes what the exponentials are multiplied by,
    /// and `own_slope` the gradient at the class.
    ///
    /// Each is a plain loop over all samples; those that have no class are seen to afterwards.
    #[inline(always)]
    pub(super) fn finish<F: HeadFloat>(&self, tile: &mut Tile<F>, gradient: bool) -> bool {
        if let Some(head) = self.reads.head {
            return self.finish_head(head, tile, gradient);
        }
        let (zero, one) = (F::default(), F::of(1.0));
        for (ln_sum, &others) in tile.ln_sums.iter_mut().zip(&tile.others) {
            *ln_sum = F::of(others).ln_1p();
        }
        let logits = tile.own.iter().zip(&tile.largest);
        let samples = logits.zip(tile.ln_sums.iter().zip(&tile.weights));
        for (loss, ((&own, &largest), (&ln_sum, &weight))) in tile.losses.iter_mut().zip(samples) {
            let shifted = half_shifted(own, largest.times(0.5));
            let half_log_prob = shifted - ln_sum.times(0.5);
            *loss = nll_term(half_log_prob, one).0.times_or_zero(weight);
        }
        if gradient {
            let scale = F::of(self.scale.gradient);
            for (share, &others) in tile.shares.iter_mut().zip(&tile.others) {
                *share = one / F::of(others).plus(1.0);
            }
            let samples = tile.shares.iter().zip(&tile.weights);
            for (number, (&share, &weight)) in tile.numbers.iter_mut().zip(samples) {
                let slope = cross_entropy_slope(one, zero, zero, one);
                let slope = clamp(slope.times_or_zero(weight) * scale);
                // A row that does not count has no gradient, even where its share is no number.
                *number = share.times_or_zero(slope);
            }
            let exps = tile.own_exp.iter().zip(&tile.others);
            let samples = exps.zip(tile.shares.iter().zip(&tile.weights));
            for (own_slope, ((&exp, &others), (&share, &weight))) in
                tile.own_slope.iter_mut().zip(samples)
            {
                let others = F::of(others);
                let rest = (others.plus(1.0) - exp).replace(exp.equals(1.0), others);
                let slope = cross_entropy_slope(exp * share, rest * share, one, zero);
                *own_slope = clamp(slope.times_or_zero(weight) * scale);
            }
        }
        without_class(tile)
    }

    /// As [`finish`](Self::finish), of another loss than cross-entropy.
    #[inline(never)]
    pub(super) fn finish_head<F: HeadFloat>(
        &self,
        head: &dyn HostHead,
        tile: &mut Tile<F>,
        gradient: bool,
    ) -> bool {
        let scale = gradient.then_some(self.scale.gradient);
        let terms = HeadTerms {
            own: &tile.own,
            largest: &tile.largest,
            own_exp: &tile.own_exp,
            others: &tile.others,
            weights: &tile.weights,
            scale: scale.map(F::of),
            losses: &mut tile.losses,
            own_slopes: &mut tile.own_slope,
            factors: &mut tile.numbers,
        };
        F::terms(head, self.vectors, terms);
        let is_finite = |loss: &F| loss.between(-F::MAX, F::MAX);
        let all_are = tile
            .losses
            .iter()
            .fold(true, |all, loss| all & is_finite(loss));
        if all_are || F::IS_DOUBLE {
            return without_class(tile);
        }
        for sample in 0..tile.losses.len() {
            // What is made of a difference beyond `f32` may be in its range.
            if !is_finite(&tile.losses[sample]) && tile.ids[sample].is_class() {
                let (own, largest) = (tile.own[sample].double(), tile.largest[sample].double());
                let mut made = [[0.0]; 3];
                let [losses, own_slopes, factors] = made.each_mut();
                let terms = HeadTerms {
                    own: &[own],
                    largest: &[largest],
                    own_exp: &[Real::exp(own - largest)],
                    others: &[tile.others[sample]],
                    weights: &[tile.weights[sample].double()],
                    scale,
                    losses,
                    own_slopes,
                    factors,
                };
                f64::terms(head, self.vectors, terms);
                let [[loss], [own_slope], [factor]] = made;
                tile.losses[sample] = F::of(loss);
                tile.own_slope[sample] = narrow(own_slope);
                tile.numbers[sample] = narrow(factor);
            }
        }
        without_class(tile)
    }
}

/// Sees to the samples of a tile that have no class, once the others are finished; says whether one of them is not
/// valid.
#[inline(always)]
pub(super) fn without_class<F: HeadFloat>(tile: &mut Tile<F>) -> bool {
    if all_have_classes(&tile.ids) {
        return false;
    }
    let mut invalid = false;
    for (sample, &id) in tile.ids.iter().enumerate() {
        let weight = tile.weights[sample];
        if id == ClassCode::IGNORED {
            tile.losses[sample] = F::default().times_or_zero(weight);
            tile.numbers[sample] = F::default();
        } else if id == ClassCode::INVALID {
            invalid = true;
            tile.losses[sample] = F::NAN.times_or_zero(weight);
            tile.numbers[sample] = F::NAN.times_or_zero(weight);
        }
    }
    invalid
}
