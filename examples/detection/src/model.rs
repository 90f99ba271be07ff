//! The network, with its loss as a field, and how it is trained and judged.

use burn::module::Module;
use burn::tensor::{Device, Tensor, activation};
use burn_losses::Lint;
use common::mlp::Mlp;
use common::tabular::mean;
use common::training::Task;

use crate::loss::BoxLoss;
use crate::scenes::{Batch, Scenes, WINDOW, WINDOWS};

/// The hidden units for a window, what is said of it, and the hidden units for the whole image.
const OF_WINDOW: usize = 32;
const FEATURES: usize = 16;
const OF_IMAGE: usize = 64;

/// A convolutional network: what is seen in each window of an image, and a box from all of that.
#[derive(Module, Debug)]
pub(crate) struct Model {
    windows: Mlp,
    image: Mlp,
    loss: BoxLoss,
}

impl Model {
    /// A model with random weights.
    pub(crate) fn new(loss: &BoxLoss, device: &Device) -> Self {
        Self {
            windows: Mlp::new([WINDOW * WINDOW, OF_WINDOW, FEATURES], device),
            image: Mlp::new([WINDOWS * FEATURES, OF_IMAGE, 4], device),
            loss: loss.clone(),
        }
    }

    /// The boxes `[N, 4]` for windows `[N * WINDOWS, WINDOW * WINDOW]`.
    ///
    /// All four numbers are shares of the image's side. So no size is negative, which the losses would take for 0,
    /// without a gradient that makes it any larger.
    fn forward(&self, windows: Tensor<2>) -> Tensor<2> {
        let features = activation::relu(self.windows.forward(windows));
        let count = features.dims()[0] / WINDOWS;
        let features = features.reshape([count, WINDOWS * FEATURES]);
        activation::sigmoid(self.image.forward(features))
    }
}

/// The loss of boxes.
fn loss_of(loss: &BoxLoss, boxes: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    match loss {
        BoxLoss::L1(loss) => loss.forward(boxes, targets),
        BoxLoss::Iou(loss) => loss.forward(boxes, targets),
        BoxLoss::Giou(loss) => loss.forward(boxes, targets),
        BoxLoss::Diou(loss) => loss.forward(boxes, targets),
        BoxLoss::Ciou(loss) => loss.forward(boxes, targets),
        BoxLoss::Eiou(loss) => loss.forward(boxes, targets),
        BoxLoss::Siou(loss) => loss.forward(boxes, targets),
    }
}

impl Scenes {
    /// The model's boxes for the held-out images.
    pub(crate) fn answers(&self, model: &Model, device: &Device) -> Vec<[f32; 4]> {
        boxes(model.forward(self.tests(device).windows))
    }

    /// How good boxes for the held-out images are.
    pub(crate) fn mean_iou(&self, answers: &[[f32; 4]]) -> f32 {
        let pairs = self.held_out.iter().zip(answers);
        mean(pairs.map(|(scene, &answer)| iou(answer, scene.target)))
    }

    /// How good it is to answer the mean box of the training images, always.
    pub(crate) fn iou_of_mean_box(&self) -> f32 {
        self.mean_iou(&vec![self.mean_box(); self.held_out.len()])
    }
}

impl Task for Scenes {
    type Model = Model;
    type Samples = Self;

    fn training_samples(&self) -> &Self {
        self
    }

    fn loss(&self, model: &Model, batch: Batch) -> Tensor<1> {
        loss_of(&model.loss, model.forward(batch.windows), batch.targets)
    }

    fn lint(&self, model: &Model, batch: Batch) -> Vec<Lint> {
        let boxes = model.forward(batch.windows);
        match &model.loss {
            BoxLoss::L1(loss) => loss.lint(&boxes, &batch.targets),
            BoxLoss::Iou(loss) => loss.lint(&boxes, &batch.targets),
            BoxLoss::Giou(loss) => loss.lint(&boxes, &batch.targets),
            BoxLoss::Diou(loss) => loss.lint(&boxes, &batch.targets),
            BoxLoss::Ciou(loss) => loss.lint(&boxes, &batch.targets),
            BoxLoss::Eiou(loss) => loss.lint(&boxes, &batch.targets),
            BoxLoss::Siou(loss) => loss.lint(&boxes, &batch.targets),
        }
    }

    fn held_out(&self, model: &Model, device: &Device) -> (f64, f64) {
        let batch = self.tests(device);
        let answers = model.forward(batch.windows);
        let score = self.mean_iou(&boxes(answers.clone()));
        let loss = loss_of(&model.loss, answers, batch.targets);
        (loss.into_scalar(), score.into())
    }
}

/// The rows of a tensor `[N, 4]`.
fn boxes(tensor: Tensor<2>) -> Vec<[f32; 4]> {
    let numbers: Vec<f32> = tensor.into_data().iter().collect();
    numbers.as_chunks().0.to_vec()
}

/// The ends of a box: left, top, right, bottom.
pub(crate) fn ends([x, y, width, height]: [f32; 4]) -> [f32; 4] {
    let (half_width, half_height) = (width / 2.0, height / 2.0);
    [
        x - half_width,
        y - half_height,
        x + half_width,
        y + half_height,
    ]
}

/// The share that is in both boxes of what is in either, in plain numbers: what is measured does not depend on what is
/// trained with.
pub(crate) fn iou(one: [f32; 4], other: [f32; 4]) -> f32 {
    let (a, b) = (ends(one), ends(other));
    let along = |axis: usize| (a[axis + 2].min(b[axis + 2]) - a[axis].max(b[axis])).max(0.0);
    let both = along(0) * along(1);
    let either = one[2] * one[3] + other[2] * other[3] - both;
    both / either
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::DetectionLossConfig;
    use burn_losses::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn the_measure_is_that_of_the_library() {
        let half = [0.5, 0.5, 0.5, 1.0];
        assert_eq!(iou(half, half), 1.0);
        assert_eq!(iou(half, [0.5, 0.5, 1.0, 1.0]), 0.5);
        assert_eq!(iou(half, [0.1, 0.5, 0.2, 0.2]), 0.0);

        let all = [half, [0.4, 0.6, 0.3, 0.2], [0.6, 0.7, 0.4, 0.3]];
        let tensor = || Tensor::<2>::from_data(all, &Device::flex());
        let pairs = box_iou(tensor(), tensor(), BoxFormat::Cxcywh).into_data();
        let expected = all.iter().flat_map(|&one| all.map(|other| iou(one, other)));
        for (value, expected) in pairs.iter::<f32>().zip(expected) {
            assert!((value - expected).abs() < 1e-6, "{value} {expected}");
        }
    }

    /// A few held-out images are enough here.
    fn scenes(seed: u64) -> Scenes {
        let mut scenes = Scenes::draw(&mut StdRng::seed_from_u64(seed));
        scenes.held_out.truncate(40);
        scenes
    }

    fn model(name: &str) -> Model {
        let loss = name.parse::<DetectionLossConfig>().unwrap();
        Model::new(&loss.try_init().unwrap(), &Device::flex())
    }

    #[test]
    fn there_is_a_box_for_each_image() {
        let (scenes, device) = (scenes(1), Device::flex());
        for name in DetectionLossConfig::NAMES {
            let model = model(name);
            let answers = scenes.answers(&model, &device);
            assert_eq!(answers.len(), scenes.held_out.len());
            let (loss, score) = scenes.held_out(&model, &device);
            assert!(loss > 0.0 && loss.is_finite(), "{name}: {loss}");
            assert!((score - f64::from(scenes.mean_iou(&answers))).abs() < 1e-6);
        }
        let baseline = scenes.iou_of_mean_box();
        assert!((0.05..0.25).contains(&baseline), "{baseline}");
    }

    #[test]
    fn iou_is_the_loss_it_is_judged_by() {
        let (loss, score) = scenes(2).held_out(&model("iou"), &Device::flex());
        assert!((loss + score - 1.0).abs() < 1e-5, "{loss} {score}");
    }
}
