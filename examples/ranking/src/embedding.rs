//! Digits as points in the plane, or on a sphere: near means the same digit.

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

/// Where the places of the images are, such that they can be drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Space {
    /// For losses of distances: two dimensions are enough for the digits.
    Plane,
    /// For losses of angles: the directions in three dimensions. In two they are a circle, on which
    /// no digit gets past another one.
    Sphere,
}

impl Space {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plane => "in the plane",
            Self::Sphere => "on a sphere",
        }
    }

    fn dimensions(self) -> usize {
        match self {
            Self::Plane => 2,
            Self::Sphere => 3,
        }
    }

    /// The place that an output of the network is.
    fn place(self, output: &[f32]) -> Vec<f32> {
        let length = match self {
            Self::Plane => 1.0,
            Self::Sphere => output.iter().map(|x| x * x).sum::<f32>().sqrt(),
        };
        let length = length.max(f32::MIN_POSITIVE);
        output.iter().map(|x| x / length).collect()
    }

    /// The place on paper: the sphere is drawn as a map, in degrees.
    fn on_paper(self, place: &[f32]) -> (f64, f64) {
        let at = |axis: usize| f64::from(place[axis]);
        match self {
            Self::Plane => (at(0), at(1)),
            Self::Sphere => {
                let latitude = at(2).clamp(-1.0, 1.0).asin();
                (at(1).atan2(at(0)).to_degrees(), latitude.to_degrees())
            }
        }
    }

    fn axes(self) -> [&'static str; 2] {
        match self {
            Self::Plane => ["first dimension", "second dimension"],
            Self::Sphere => ["longitude", "latitude"],
        }
    }
}

/// A network that gives each image a place.
#[derive(Module, Debug)]
pub(crate) struct Model {
    network: Mlp,
    loss: EmbeddingLoss,
    #[module(skip)]
    space: Space,
}

/// The losses for embeddings. A model with one loss has that loss as its field.
#[derive(Module, Debug)]
pub(crate) enum EmbeddingLoss {
    TripletMargin(TripletMarginLoss),
    TripletMarginWithDistance(TripletMarginWithDistanceLoss),
    HingeEmbedding(HingeEmbeddingLoss),
    CosineEmbedding(CosineEmbeddingLoss),
}

impl Model {
    pub(crate) fn new(loss: &EmbeddingLoss, space: Space, device: &Device) -> Self {
        Self {
            network: Mlp::new([PIXELS, HIDDEN, space.dimensions()], device),
            loss: loss.clone(),
            space,
        }
    }

    /// The outputs `[N, dimensions]` for images `[N, PIXELS]`.
    fn forward(&self, images: Tensor<2>) -> Tensor<2> {
        self.network.forward(images)
    }
}

/// Pairs of places, the inputs and the target of cosine embedding: the target is whether the two
/// should be near (+1) or not (-1).
fn pairs(places: Tensor<2>, batch: &Batch) -> (Tensor<2>, Tensor<2>, Tensor<1>) {
    let pairs = target::pairs(batch.ids.clone());
    let first = places.clone().select(0, pairs.first);
    (first, places.select(0, pairs.second), pairs.signs)
}

/// The input and the target of hinge embedding: how far each pair is apart, and the same target.
///
/// Two images may have the same place; the distance is made for that, its gradient is 0 then and
/// not NaN.
fn distances(places: Tensor<2>, batch: &Batch) -> (Tensor<1>, Tensor<1>) {
    let (first, second, signs) = pairs(places, batch);
    (pairwise_distance(first, second, 2.0, 0.0), signs)
}

/// Triplets of places, the inputs of both triplet losses. There is no target: the roles say it all.
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
        let outputs = model.forward(batch.images).into_data();
        let outputs: Vec<f32> = outputs.iter().collect();
        let classes = self.0.held_out.iter().map(|digit| digit.class);
        outputs
            .chunks(model.space.dimensions())
            .map(|output| model.space.place(output))
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
            EmbeddingLoss::TripletMarginWithDistance(loss) => {
                let [anchor, positive, negative] = triplets(places, &batch);
                loss.forward(anchor, positive, negative)
            }
            EmbeddingLoss::HingeEmbedding(loss) => {
                let (distances, signs) = distances(places, &batch);
                loss.forward(distances, signs)
            }
            EmbeddingLoss::CosineEmbedding(loss) => {
                let (first, second, signs) = pairs(places, &batch);
                loss.forward(first, second, signs)
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
            EmbeddingLoss::TripletMarginWithDistance(loss) => {
                let [anchor, positive, negative] = triplets(places, &batch);
                loss.lint(&anchor, &positive, &negative)
            }
            EmbeddingLoss::HingeEmbedding(loss) => {
                let (distances, signs) = distances(places, &batch);
                loss.lint(&distances, &signs)
            }
            EmbeddingLoss::CosineEmbedding(loss) => {
                let (first, second, signs) = pairs(places, &batch);
                loss.lint(&first, &second, &signs)
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
pub(crate) fn draw(
    path: &Path,
    title: &str,
    space: Space,
    places: &[(Vec<f32>, usize)],
) -> Result<(), Error> {
    chart::picture(path, (760, 760), title, |body| {
        let point = |place: &[f32]| space.on_paper(place);
        let [x, y] = space.axes();
        let x = Axis::around(x, places.iter().map(|(place, _)| point(place).0));
        let y = Axis::around(y, places.iter().map(|(place, _)| point(place).1));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_direction_is_a_place_on_the_sphere() {
        assert_eq!(Space::Plane.place(&[0.0, 3.0]), [0.0, 3.0]);
        assert_eq!(Space::Plane.on_paper(&[0.0, 3.0]), (0.0, 3.0));
        let north = Space::Sphere.place(&[0.0, 0.0, 3.0]);
        assert_eq!(north, [0.0, 0.0, 1.0]);
        assert_eq!(Space::Sphere.on_paper(&north), (0.0, 90.0));
        assert_eq!(Space::Sphere.place(&[0.0; 3]), [0.0; 3]);
    }
}
