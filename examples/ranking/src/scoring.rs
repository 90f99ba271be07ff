//! Scores for wines: of two wines, the better one should get the higher score.

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use burn_losses::Lint;
use burn_losses::prelude::*;
use common::Error;
use common::chart::{self, Axis, BLUE, ORANGE};
use common::mlp::Mlp;
use common::tabular::{self, Scale, median};
use common::training::{Samples, Task};
use rand::Rng;

const HIDDEN: usize = 32;
/// The number of measurements.
const FEATURES: usize = 11;
/// One wine in this many is held out.
const HELD_OUT: usize = 5;

const FILE: &[u8] = include_bytes!("../data/winequality-red.csv.gz");

/// A wine: its measurements, and the quality that tasters gave it.
#[derive(Clone, Debug)]
pub(crate) struct Wine {
    measurements: Vec<f32>,
    pub(crate) quality: f32,
}

/// The wines to train on and those to test with, and the scale of the measurements.
pub(crate) struct Wines {
    train: Vec<Wine>,
    pub(crate) held_out: Vec<Wine>,
    scale: Scale,
    /// The names of the measurements.
    names: Vec<String>,
}

impl Wines {
    /// Splits all wines at random.
    pub(crate) fn load(rng: &mut impl Rng) -> Result<Self, Error> {
        let table = tabular::read(FILE, b',', true)?;
        // Some wines are in the file several times. Split at random, they would be trained on and
        // tested with.
        let mut rows: Vec<Vec<f32>> = Vec::new();
        for row in table.rows {
            if !rows.contains(&row) {
                rows.push(row);
            }
        }
        let wines = rows
            .into_iter()
            .map(|mut measurements| match measurements.pop() {
                Some(quality) if measurements.len() == FEATURES => Ok(Wine {
                    measurements,
                    quality,
                }),
                _ => Err("a row of the wines has the wrong length".into()),
            });
        let wines = wines.collect::<Result<Vec<_>, Error>>()?;
        let (train, held_out) = tabular::split(wines, HELD_OUT, rng);
        let scale = Scale::of(train.iter().map(|wine| wine.measurements.as_slice()));
        Ok(Self {
            train,
            held_out,
            scale,
            names: table.names,
        })
    }

    fn tensor<'a>(&self, wines: impl Iterator<Item = &'a Wine>, device: &Device) -> Tensor<2> {
        let rows: Vec<_> = wines
            .map(|wine| self.scale.apply(&wine.measurements))
            .collect();
        let data = TensorData::new(rows.concat(), [rows.len(), FEATURES]);
        Tensor::from_data(data, device)
    }

    fn pairs(&self, wines: &[&Wine], device: &Device) -> Pairs {
        let (mut first, mut second, mut signs) = (Vec::new(), Vec::new(), Vec::new());
        for (i, one) in wines.iter().enumerate() {
            for (j, other) in wines.iter().enumerate().skip(i + 1) {
                if one.quality != other.quality {
                    first.push(i as i64);
                    second.push(j as i64);
                    signs.push(if one.quality > other.quality {
                        1.0
                    } else {
                        -1.0
                    });
                }
            }
        }
        let count = signs.len();
        let indices = |indices| Tensor::from_data(TensorData::new(indices, [count]), device);
        Pairs {
            wines: self.tensor(wines.iter().copied(), device),
            first: indices(first),
            second: indices(second),
            signs: Tensor::from_data(TensorData::new(signs, [count]), device),
        }
    }

    /// The scores of the held-out wines.
    pub(crate) fn scores(&self, model: &Model, device: &Device) -> Vec<f32> {
        let scores = model.forward(self.tensor(self.held_out.iter(), device));
        scores.into_data().iter().collect()
    }

    /// The measurement that alone orders the training wines best, its name, and how well it orders
    /// the held-out ones; the more of it the better, or the less.
    pub(crate) fn best_measurement(&self) -> (&str, f64) {
        let order = |wines: &[Wine], feature: usize, sign: f32| {
            let scores = wines.iter().map(|wine| sign * wine.measurements[feature]);
            share_in_order(wines, &scores.collect::<Vec<_>>())
        };
        let all = (0..FEATURES).flat_map(|feature| [(feature, 1.0), (feature, -1.0)]);
        let best = all.max_by(|one, other| {
            let [one, other] =
                [one, other].map(|&(feature, sign)| order(&self.train, feature, sign));
            one.total_cmp(&other)
        });
        let (feature, sign) = best.unwrap_or((0, 1.0));
        (&self.names[feature], order(&self.held_out, feature, sign))
    }
}

/// The share of pairs of unequal quality in which the better wine has the higher score; equal
/// scores count for half.
pub(crate) fn share_in_order(wines: &[Wine], scores: &[f32]) -> f64 {
    let (mut right, mut all) = (0.0, 0.0);
    for (i, one) in wines.iter().enumerate() {
        for (j, other) in wines.iter().enumerate() {
            if one.quality > other.quality {
                all += 1.0;
                right += match scores[i] - scores[j] {
                    difference if difference > 0.0 => 1.0,
                    difference if difference < 0.0 => 0.0,
                    _ => 0.5,
                };
            }
        }
    }
    right / f64::max(all, 1.0)
}

/// Pairs of wines of unequal quality, as indices into a batch.
pub(crate) struct Pairs {
    wines: Tensor<2>,
    first: Tensor<1, Int>,
    second: Tensor<1, Int>,
    /// The target: +1 where the first wine is the better one, -1 where the second is.
    signs: Tensor<1>,
}

/// A network that gives each wine a score.
#[derive(Module, Debug)]
pub(crate) struct Model {
    network: Mlp,
    loss: MarginRankingLoss,
}

impl Model {
    pub(crate) fn new(loss: &MarginRankingLoss, device: &Device) -> Self {
        Self {
            network: Mlp::new([FEATURES, HIDDEN, 1], device),
            loss: loss.clone(),
        }
    }

    /// The scores `[N]` of wines `[N, FEATURES]`.
    fn forward(&self, wines: Tensor<2>) -> Tensor<1> {
        self.network.forward(wines).squeeze_dim(1)
    }

    /// The scores of the first and of the second wine of each pair: the two inputs of the loss.
    fn forward_pairs(&self, pairs: &Pairs) -> (Tensor<1>, Tensor<1>) {
        let scores = self.forward(pairs.wines.clone());
        let first = scores.clone().select(0, pairs.first.clone());
        (first, scores.select(0, pairs.second.clone()))
    }
}

impl Samples for Wines {
    type Batch = Pairs;

    fn count(&self) -> usize {
        self.train.len()
    }

    fn batch(&self, indices: &[usize], device: &Device) -> Pairs {
        let wines: Vec<_> = indices.iter().map(|&index| &self.train[index]).collect();
        self.pairs(&wines, device)
    }
}

impl Task for Wines {
    type Model = Model;
    type Samples = Self;

    fn training_samples(&self) -> &Self {
        self
    }

    fn loss(&self, model: &Model, pairs: Pairs) -> Tensor<1> {
        let (first, second) = model.forward_pairs(&pairs);
        model.loss.forward(first, second, pairs.signs)
    }

    fn lint(&self, model: &Model, pairs: Pairs) -> Vec<Lint> {
        let (first, second) = model.forward_pairs(&pairs);
        model.loss.lint(&first, &second, &pairs.signs)
    }

    fn held_out(&self, model: &Model, device: &Device) -> (f64, f64) {
        let wines: Vec<_> = self.held_out.iter().collect();
        let loss = self.loss(model, self.pairs(&wines, device)).into_scalar();
        (
            loss,
            share_in_order(&self.held_out, &self.scores(model, device)),
        )
    }
}

/// Draws the scores against the quality, with the median of each quality.
pub(crate) fn draw(path: &Path, title: &str, wines: &[Wine], scores: &[f32]) -> Result<(), Error> {
    chart::picture(path, (760, 600), title, |body| {
        let x = Axis::new("quality given by tasters", 2.4..8.6);
        let y = Axis::around("score", scores.iter().map(|&score| score.into()));
        let legend = [("held-out wine", BLUE), ("median", ORANGE)];
        let mut axes = chart::panel(body, x, y, &legend)?;
        // Many wines have the same quality: they stand side by side.
        let spread = |index: usize| (index * 37 % 100) as f64 / 160.0 - 0.31;
        let points = wines.iter().zip(scores).enumerate();
        let points = points.map(|(index, (wine, &score))| {
            (f64::from(wine.quality) + spread(index), f64::from(score))
        });
        chart::dots(&mut axes, points, 3, BLUE)?;
        for quality in 3..=8u8 {
            let of_quality = wines.iter().zip(scores);
            let of_quality = of_quality.filter(|(wine, _)| wine.quality == f32::from(quality));
            let scores: Vec<f32> = of_quality.map(|(_, &score)| score).collect();
            if !scores.is_empty() {
                let middle = f64::from(median(scores.into_iter()));
                let ends = [-0.34, 0.34].map(|by| (f64::from(quality) + by, middle));
                chart::line(&mut axes, ends, ORANGE)?;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn all_wines_load() {
        let wines = Wines::load(&mut StdRng::seed_from_u64(1)).unwrap();
        assert_eq!((wines.train.len(), wines.held_out.len()), (1088, 271));
        assert_eq!(wines.names[FEATURES - 1..], ["alcohol", "quality"]);
    }

    #[test]
    fn pairs_of_equal_quality_are_left_out() {
        let wine = |quality| Wine {
            measurements: vec![0.0; FEATURES],
            quality,
        };
        let wines = [wine(5.0), wine(6.0), wine(5.0)];
        assert_eq!(share_in_order(&wines, &[0.0, 1.0, 2.0]), 0.5);
        assert_eq!(share_in_order(&wines, &[0.0, 1.0, 1.0]), 0.75);

        let all = Wines::load(&mut StdRng::seed_from_u64(1)).unwrap();
        let pairs = all.pairs(&wines.iter().collect::<Vec<_>>(), &Device::flex());
        pairs.signs.into_data().assert_eq(&[-1f32, 1.].into(), true);
    }
}
