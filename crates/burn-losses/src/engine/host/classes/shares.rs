//! Cross-entropy where every class has a share in the target, of a tile.

use super::adjust::Lie;
use super::exponentials::{exponentials_of_tile, half_shifted, maximum};
use super::inputs::{ClassCode, SweptTarget};
use super::tile::{ClassSweep, Tile};
use crate::engine::host::head::HeadFloat;
use crate::engine::host::numbers::Source;
use crate::engine::host::scale::{clamp, multiply};
use crate::engine::host::sums::{LANES, sum, tree};
use crate::engine::host::vectors::Loop;
use crate::spec::rule::Rule;
use crate::spec::softmax::{cross_entropy_slope, nll_term};

impl ClassSweep<'_> {
    /// The losses of a tile, and in place of its input the gradient; `probs` reads the probabilities.
    pub(super) fn all_classes<F: HeadFloat>(
        &self,
        tile: &mut Tile<F>,
        width: usize,
        gradient: bool,
        probs: impl Fn(&mut Tile<F>, &Source),
    ) -> bool {
        if let SweptTarget::Probs { probs: source, .. } = &self.reads.target {
            probs(tile, source);
        }
        let invalid = self.vectors.run(AllClasses {
            sweep: self,
            tile,
            width,
            gradient,
        });
        if gradient {
            self.through_caps(tile, Lie::Lines(width));
        }
        invalid
    }

    /// What the square of the logarithm of the sum of exponentials adds to the halved losses of a tile; its slope with
    /// respect to that logarithm is left in place of the logarithms of sums without the largest.
    #[inline(always)]
    fn add_squares<F: HeadFloat>(&self, tile: &mut Tile<F>) {
        let z_loss = self.reads.z_loss;
        for sample in 0..tile.losses.len() {
            let counts = match self.reads.target {
                SweptTarget::Ids { .. } => tile.ids[sample].is_class(),
                SweptTarget::Probs { .. } => true,
            };
            // Where classes have weights, that of the sample is not among what multiplies the tile.
            let weight = if !counts {
                F::default()
            } else if self.reads.weights.is_some() {
                self.scale.weight(tile.read[sample])
            } else {
                F::of(1.0)
            };
            let lse = tile.largest[sample] + tile.ln_sums[sample];
            let slope = lse.times(z_loss * 2.0).times_or_zero(weight);
            tile.losses[sample] += (lse.times(0.25)).times_or_zero(slope);
            tile.ln_sums[sample] = slope;
        }
    }

    /// The coefficients of all classes; NaN for a sample whose target is not valid. Probabilities have been
    /// read.
    #[inline(always)]
    fn coefficients<F: HeadFloat>(&self, tile: &mut Tile<F>, width: usize) -> bool {
        let classes = self.reads.layout.classes;
        tile.q.resize(classes * width, F::default());
        let invalid = match self.reads.target {
            SweptTarget::Ids { .. } => self.coefficients_of_ids(tile, width),
            SweptTarget::Probs {
                rule, tolerance, ..
            } => self.coefficients_of_probs(tile, width, rule, tolerance),
        };
        let of_classes = self.reads.weights.unwrap_or_default();
        match width {
            1 => {
                for (q, &of_class) in tile.q.iter_mut().zip(of_classes) {
                    *q = *q * clamp(self.scale.weight_of(tile.read[0], of_class));
                }
            }
            _ => {
                for (q, &of_class) in tile.q.chunks_exact_mut(width).zip(of_classes) {
                    for (q, &weight) in q.iter_mut().zip(&tile.read) {
                        *q = *q * clamp(self.scale.weight_of(weight, of_class));
                    }
                }
            }
        }
        invalid
    }

    /// What is spread over all classes, and the rest at the class of each sample.
    #[inline(always)]
    fn coefficients_of_ids<F: HeadFloat>(&self, tile: &mut Tile<F>, width: usize) -> bool {
        let smoothing = self.reads.label_smoothing;
        let spread = smoothing / self.reads.layout.classes as f64;
        let mut invalid = false;
        for sample in 0..width {
            tile.numbers[sample] = match tile.ids[sample] {
                ClassCode::IGNORED => F::default(),
                ClassCode::INVALID => {
                    invalid = true;
                    F::NAN
                }
                _ => F::of(spread),
            };
        }
        match width {
            1 => tile.q.fill(tile.numbers[0]),
            _ => {
                for q in tile.q.chunks_exact_mut(width) {
                    q.copy_from_slice(&tile.numbers);
                }
            }
        }
        for sample in 0..width {
            if let Some(class) = tile.ids[sample].class() {
                tile.q[class * width + sample] += F::of(1.0 - smoothing);
            }
        }
        invalid
    }

    /// The probabilities, smoothed, if they are valid.
    #[inline(always)]
    fn coefficients_of_probs<F: HeadFloat>(
        &self,
        tile: &mut Tile<F>,
        width: usize,
        rule: Rule,
        tolerance: f64,
    ) -> bool {
        if width == 1 {
            tile.sums[0] = sum(&tile.q, 1.0);
        } else {
            tile.sums.fill(0.0);
            for q in tile.q.chunks_exact(width) {
                for (sum, q) in tile.sums.iter_mut().zip(q) {
                    *sum += q.double();
                }
            }
        }
        if !rule.holds_for_all(&tile.q) {
            for q in tile.q.chunks_exact(width) {
                for (sum, q) in tile.sums.iter_mut().zip(q) {
                    *sum = if rule.holds(q) { *sum } else { f64::NAN };
                }
            }
        }
        let mut invalid = false;
        // What is added to the coefficients of a sample: 0, or NaN.
        for (poisoned, sum) in tile.numbers.iter_mut().zip(&tile.sums) {
            let valid = (sum - 1.0).abs() <= tolerance;
            invalid |= !valid;
            *poisoned = F::default().replace(!valid, F::NAN);
        }
        if invalid {
            for q in tile.q.chunks_exact_mut(width) {
                for (q, &poisoned) in q.iter_mut().zip(&tile.numbers) {
                    *q += poisoned;
                }
            }
        }
        let smoothing = self.reads.label_smoothing;
        if smoothing != 0.0 {
            let spread = smoothing / self.reads.layout.classes as f64;
            for q in &mut tile.q {
                *q = q.times(1.0 - smoothing).plus(spread);
            }
        }
        invalid
    }
}

/// Cross-entropy of a tile where every class has a share in the target.
struct AllClasses<'a, F> {
    sweep: &'a ClassSweep<'a>,
    tile: &'a mut Tile<F>,
    width: usize,
    gradient: bool,
}

impl<F: HeadFloat> Loop for AllClasses<'_, F> {
    const WIDEST: bool = !F::IS_DOUBLE;
    type Output = bool;

    #[inline(always)]
    fn run(mut self) -> bool {
        let invalid = self.sweep.coefficients(self.tile, self.width);
        self.losses();
        if self.gradient {
            self.gradients();
        }
        invalid
    }
}

impl<F: HeadFloat> AllClasses<'_, F> {
    /// The halved losses, from the coefficients; the exponentials of the input are left in its place.
    #[inline(always)]
    fn losses(&mut self) {
        let Self {
            sweep, tile, width, ..
        } = self;
        let width = *width;
        maximum(tile, width);
        // Half of the sum of `-q (logit - largest)`, and the sum of `q`.
        tile.sums.fill(0.0);
        tile.losses.fill(F::default());
        if width == 1 {
            let (loss, sum) = terms_of(&tile.x, &tile.q, tile.largest[0]);
            tile.losses[0] = loss;
            tile.sums[0] = sum;
        } else {
            let (x, q) = (tile.x.chunks_exact(width), tile.q.chunks_exact(width));
            for (x, q) in x.zip(q) {
                let losses = &mut tile.losses[..width];
                let sums = &mut tile.sums[..width];
                let largest = &tile.largest[..width];
                for sample in 0..width {
                    let shifted = half_shifted(x[sample], largest[sample].times(0.5));
                    let (term, _) = nll_term(shifted, q[sample]);
                    losses[sample] += term;
                    sums[sample] += q[sample].double();
                }
            }
        }
        exponentials_of_tile(tile, width);
        for sample in 0..width {
            let q = F::of(tile.sums[sample]);
            let (term, _) = nll_term(-tile.ln_sums[sample].times(0.5), q);
            tile.losses[sample] += term;
        }
        if sweep.reads.z_loss != 0.0 {
            sweep.add_squares(tile);
        } else {
            tile.ln_sums.fill(F::default());
        }
        multiply(&mut tile.losses, &tile.weights);
    }

    /// The gradients, in place of the exponentials.
    #[inline(always)]
    fn gradients(&mut self) {
        let Self {
            sweep, tile, width, ..
        } = self;
        let width = *width;
        let scale = F::of(sweep.scale.gradient);
        let slope = |exp: F, rest: F, q: F, share: F, (q_sum, of_lse): (F, F), weight: F| {
            let prob = exp * share;
            let slope = cross_entropy_slope(prob, rest * share, q, q_sum - q);
            let slope = slope + prob.times_or_zero(of_lse);
            clamp(slope.times_or_zero(weight) * scale)
        };
        // The slope at the largest logit, for which the rest is exactly the sum of the others.
        for sample in 0..width {
            let at = tile.at[sample] as usize * width + sample;
            let (exp, others) = (tile.x[at], F::of(tile.others[sample]));
            let (q, q_sum) = (tile.q[at], (F::of(tile.sums[sample]), tile.ln_sums[sample]));
            let (share, weight) = (tile.shares[sample], tile.weights[sample]);
            tile.numbers[sample] = slope(exp, others, q, share, q_sum, weight);
        }
        if width == 1 {
            let sum = F::of(tile.others[0]).plus(1.0);
            let (share, weight) = (tile.shares[0], tile.weights[0]);
            let q_sum = (F::of(tile.sums[0]), tile.ln_sums[0]);
            for (x, &q) in tile.x.iter_mut().zip(&tile.q) {
                *x = slope(*x, sum - *x, q, share, q_sum, weight);
            }
        } else {
            for (x, q) in tile
                .x
                .chunks_exact_mut(width)
                .zip(tile.q.chunks_exact(width))
            {
                let (others, sums) = (&tile.others[..width], &tile.sums[..width]);
                let of_lse = &tile.ln_sums[..width];
                let (shares, weights) = (&tile.shares[..width], &tile.weights[..width]);
                for sample in 0..width {
                    let rest = F::of(others[sample]).plus(1.0) - x[sample];
                    let (share, q_sum) = (shares[sample], (F::of(sums[sample]), of_lse[sample]));
                    x[sample] = slope(x[sample], rest, q[sample], share, q_sum, weights[sample]);
                }
            }
        }
        for sample in 0..width {
            tile.x[tile.at[sample] as usize * width + sample] = tile.numbers[sample];
        }
    }
}

/// Half of the sum of a sample's terms `-q (logit - largest)`, and the sum of `q`.
#[inline(always)]
fn terms_of<F: HeadFloat>(x: &[F], q: &[F], largest: F) -> (F, f64) {
    let half_of_largest = largest.times(0.5);
    let mut losses = [0.0; LANES];
    let mut sums = [0.0; LANES];
    let x = x.chunks_exact(LANES);
    let q = q.chunks_exact(LANES);
    let rest = x.remainder().iter().zip(q.remainder());
    for (x, q) in x.zip(q) {
        for lane in 0..LANES {
            let (term, _) = nll_term(half_shifted(x[lane], half_of_largest), q[lane]);
            losses[lane] += term.double();
            sums[lane] += q[lane].double();
        }
    }
    for (lane, (&x, &q)) in rest.enumerate() {
        let (term, _) = nll_term(half_shifted(x, half_of_largest), q);
        losses[lane] += term.double();
        sums[lane] += q.double();
    }
    (F::of(tree(losses)), tree(sums))
}
