//! Digits as points in the plane: near means the same digit.

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use burn_losses::prelude::*;
use burn_losses::{Lint, pairwise_distance, target};
use common::Error;
use common::chart::{self, Axis};
use common::digits::{Batch, CLASSES, PIXELS, Split};
use common::mlp::Mlp;
use common::training::Task;

use crate::retrieval::mean_average_precision;

const HIDDEN: usize = 64;
/// Two dimensions are enough for the digits, and can be drawn.
const DIMENSIONS: usize = 2;

/// A network that gives each image a place.
#[derive(Module, Debug)]
pub(crate) struct Model {
    network: Mlp,
    loss: EmbeddingLoss,
}

/// The losses for embeddings. A model with one loss has that loss as its field.
#[derive(Module, Debug)]
pub(crate) enum EmbeddingLoss {
    TripletMargin(TripletMarginLoss),
    HingeEmbedding(HingeEmbeddingLoss),
}

impl Model {
    pub(crate) fn new(loss: &EmbeddingLoss, device: &Device) -> Self {
        Self {
            network: Mlp::new([PIXELS, HIDDEN, DIMENSIONS], device),
            loss: loss.clone(),
        }
    }

    /// The places `[N, DIMENSIONS]` of images `[N, PIXELS]`.
    pub(crate) fn forward(&self, images: Tensor<2>) -> Tensor<2> {
        self.network.forward(images)
    }
}

/// Pairs of places, the input and the target of hinge embedding: how far each pair is apart, and
/// whether it should be near (+1) or not (-1).
///
/// Two images may have the same place; the distance is made for that, its gradient is 0 then and
/// not NaN.
fn pairs(places: Tensor<2>, batch: &Batch) -> (Tensor<1>, Tensor<1>) {
    let pairs = target::pairs(batch.ids.clone());
    let first = places.clone().select(0, pairs.first);
    let second = places.select(0, pairs.second);
    (pairwise_distance(first, second, 2.0, 0.0), pairs.signs)
}

/// Triplets of places, the inputs of triplet margin. There is no target: the roles say it all.
fn triplets(places: Tensor<2>, batch: &Batch) -> [Tensor<2>; 3] {
    let triplets = target::triplets(batch.ids.clone());
    [triplets.anchor, triplets.positive, triplets.negative].map(|ids| places.clone().select(0, ids))
}

/// The digits as a task.
pub(crate) struct Digits(pub(crate) Split);

impl Digits {
    /// The places of the held-out images, and which digits they show.
    pub(crate) fn places(&self, model: &Model, device: &Device) -> Vec<(Vec<f32>, usize)> {
        let batch = self.0.held_out(device);
        let places = model.forward(batch.images).into_data();
        let places: Vec<f32> = places.iter().collect();
        let classes = self.0.held_out.iter().map(|digit| digit.class);
        places
            .chunks(DIMENSIONS)
            .map(<[f32]>::to_vec)
            .zip(classes)
            .collect()
    }

    /// The score of the images themselves, compared pixel by pixel.
    pub(crate) fn score_of_pixels(&self) -> f64 {
        let images = self.0.held_out.iter();
        let images: Vec<_> = images
            .map(|digit| (digit.pixels.to_vec(), digit.class))
            .collect();
        mean_average_precision(&images)
    }
}

impl Task for Digits {
    type Model = Model;
    type Samples = Split;

    fn training_samples(&self) -> &Split {
        &self.0
    }

    fn loss(&self, model: &Model, batch: Batch) -> Tensor<1> {
        let places = model.forward(batch.images.clone());
        match &model.loss {
            EmbeddingLoss::TripletMargin(loss) => {
                let [anchor, positive, negative] = triplets(places, &batch);
                loss.forward(anchor, positive, negative)
            }
            EmbeddingLoss::HingeEmbedding(loss) => {
                let (distances, signs) = pairs(places, &batch);
                loss.forward(distances, signs)
            }
        }
    }

    fn lint(&self, model: &Model, batch: Batch) -> Vec<Lint> {
        let places = model.forward(batch.images.clone());
        match &model.loss {
            EmbeddingLoss::TripletMargin(loss) => {
                let [anchor, positive, negative] = triplets(places, &batch);
                loss.lint(&anchor, &positive, &negative)
            }
            EmbeddingLoss::HingeEmbedding(loss) => {
                let (distances, signs) = pairs(places, &batch);
                loss.lint(&distances, &signs)
            }
        }
    }

    fn held_out(&self, model: &Model, device: &Device) -> (f64, f64) {
        // All triplets of all held-out images would be millions: some show the loss as well.
        let some = self.0.held_out.iter().take(64);
        let loss = self.loss(model, Batch::new(some, device)).into_scalar();
        (loss, mean_average_precision(&self.places(model, device)))
    }
}

/// Draws the places, coloured by digit.
pub(crate) fn draw(path: &Path, title: &str, places: &[(Vec<f32>, usize)]) -> Result<(), Error> {
    chart::picture(path, (760, 760), title, |body| {
        let point = |place: &[f32]| (f64::from(place[0]), f64::from(place[1]));
        let x = Axis::around(
            "first dimension",
            places.iter().map(|(place, _)| point(place).0),
        );
        let y = Axis::around(
            "second dimension",
            places.iter().map(|(place, _)| point(place).1),
        );
        let mut axes = chart::panel(body, x, y, &[])?;
        for class in 0..CLASSES {
            let of_class = places.iter().filter(|(_, of)| *of == class);
            let points: Vec<_> = of_class.map(|(place, _)| point(place)).collect();
            chart::letters(
                &mut axes,
                points,
                &class.to_string(),
                chart::of_class(class),
            )?;
        }
        Ok(())
    })
}
