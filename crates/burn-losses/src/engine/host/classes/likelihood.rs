//! Negative log-likelihood: of each sample only its class is read.

use super::inputs::ClassCode;
use super::tile::{ClassSweep, Place, Tile, all_have_classes};
use crate::engine::host::head::HeadFloat;
use crate::engine::host::samples::TaskRows;
use crate::engine::host::scale::clamp;
use crate::engine::host::tasks::ChunkSum;
use crate::engine::host::vectors::Loop;
use crate::spec::rule::Rule;
use crate::spec::softmax::nll_term;

/// How many samples are gone through together whose elements are far apart: the memory fetches many at a time.
const FAR_APART: usize = 512;

impl ClassSweep<'_> {
    /// Negative log-likelihood of rows.
    pub(super) fn likelihood_of_rows<F: HeadFloat>(
        &self,
        tile: &mut Tile<F>,
        task: TaskRows<F>,
        rule: Rule,
    ) -> ChunkSum {
        let classes = self.reads.layout.classes;
        let TaskRows {
            samples,
            mut losses,
            mut gradient,
        } = task;
        let mut found = ChunkSum::default();
        for first in samples.clone().step_by(FAR_APART) {
            let width = FAR_APART.min(samples.end - first);
            let allowed = self.read_samples(tile, Place { first, width });
            let start = (first - samples.start) * classes;
            let own = tile.own.iter_mut().zip(&tile.ids).enumerate();
            let own = own.filter_map(|(sample, (own, id))| {
                Some((own, start + sample * classes + id.class()?))
            });
            match &self.reads.input {
                Some(source) => match F::direct(source) {
                    Some(all) => {
                        let all = &all[samples.start * classes..];
                        own.for_each(|(own, at)| *own = all[at]);
                    }
                    None => own.for_each(|(own, at)| {
                        *own = source.number(samples.start * classes + at);
                    }),
                },
                None => own.for_each(|(own, at)| {
                    let input = gradient.as_ref().map(|input| input.input(at..at + 1));
                    *own = input.map_or(F::NAN, |input| input[0]);
                }),
            }
            let invalid = self.likelihood(tile, rule);
            found.add(self.found(tile, invalid | !allowed));
            if let Some(gradient) = &mut gradient {
                for sample in 0..width {
                    let number = tile.numbers[sample];
                    gradient.fill(classes, |_| number);
                    if let Some(class) = tile.ids[sample].class() {
                        gradient.patch(classes - class, tile.own_slope[sample]);
                    }
                }
            }
            if let Some(losses) = &mut losses {
                losses.write(tile.whole_losses());
            }
        }
        found
    }

    /// The input at the class of each sample of a tile.
    pub(super) fn pick<F: HeadFloat>(&self, tile: &mut Tile<F>, width: usize) {
        for sample in 0..width {
            if let Some(class) = tile.ids[sample].class() {
                tile.own[sample] = tile.x[class * width + sample];
            }
        }
    }

    /// Negative log-likelihood of samples, the input at whose classes is known. `own_slope` becomes the
    /// gradient there, and `numbers` that at the other classes.
    pub(super) fn likelihood<F: HeadFloat>(&self, tile: &mut Tile<F>, rule: Rule) -> bool {
        self.vectors
            .run(Likelihood(tile, rule, self.scale.gradient))
    }

    /// The gradient of a likelihood over a tile.
    pub(super) fn spread_likelihood<F: HeadFloat>(&self, tile: &mut Tile<F>, width: usize) {
        for x in tile.x.chunks_exact_mut(width) {
            x.copy_from_slice(&tile.numbers);
        }
        tile.put_own_slopes(width);
    }
}

/// Negative log-likelihood of the samples of a tile; what must hold for the log-probabilities that are used, and
/// what makes a gradient of a slope.
struct Likelihood<'a, F>(&'a mut Tile<F>, Rule, f64);

impl<F: HeadFloat> Loop for Likelihood<'_, F> {
    const WIDEST: bool = !F::IS_DOUBLE;
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        let Self(tile, rule, scale) = self;
        let (zero, one, scale) = (F::default(), F::of(1.0), F::of(scale));
        let samples = tile.own.iter().zip(&tile.weights);
        for (loss, (&own, &weight)) in tile.losses.iter_mut().zip(samples) {
            *loss = nll_term(own, F::of(0.5)).0.times_or_zero(weight);
        }
        for (own_slope, &weight) in tile.own_slope.iter_mut().zip(&tile.weights) {
            let (_, slope) = nll_term(zero, one);
            *own_slope = clamp(slope().times_or_zero(weight) * scale);
        }
        for (number, own_slope) in tile.numbers.iter_mut().zip(&tile.own_slope) {
            *number = zero.replace(own_slope.is_nan(), F::NAN);
        }
        // Those that have no class, or are not allowed, are seen to afterwards.
        if all_have_classes(&tile.ids) && rule.holds_for_all(&tile.own) {
            return false;
        }
        let mut invalid = false;
        for (sample, &id) in tile.ids.iter().enumerate() {
            let fallback = if id == ClassCode::IGNORED {
                tile.losses[sample] = zero.times_or_zero(tile.weights[sample]);
                zero
            } else if id == ClassCode::INVALID || !rule.holds(&tile.own[sample]) {
                invalid = true;
                // What is not valid shows unless its sample does not count, whatever its class does.
                let nan = F::NAN.replace(tile.read[sample] == 0.0, zero);
                tile.losses[sample] = nan;
                nan
            } else {
                continue;
            };
            tile.own_slope[sample] = fallback;
            tile.numbers[sample] = fallback;
        }
        invalid
    }
}
