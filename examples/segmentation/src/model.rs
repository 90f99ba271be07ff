//! The model, with its loss as a field, and how it is trained and judged.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor, activation};
use burn_losses::{Lint, target};
use common::training::Task;

use crate::data::{Batch, CLASSES, Split};
use crate::loss::ModelLoss;
use crate::score;

const CHANNELS: usize = 8;
/// How far apart the pixels are that each convolution looks at. What the last one gives depends on 15 by 15 pixels.
const DILATIONS: [usize; 3] = [1, 2, 4];

/// A convolution that keeps the size of the image, normalized, and a ReLU.
#[derive(Module, Debug)]
pub struct Block {
    convolution: Conv2d,
    norm: BatchNorm,
}

impl Block {
    fn new(inputs: usize, dilation: usize, device: &Device) -> Self {
        // `Same` takes the kernel for one without gaps.
        let padding = PaddingConfig2d::Explicit(dilation, dilation, dilation, dilation);
        let convolution = Conv2dConfig::new([inputs, CHANNELS], [3, 3])
            .with_dilation([dilation, dilation])
            .with_padding(padding)
            // The normalization takes a bias out again.
            .with_bias(false);
        Self {
            convolution: convolution.init(device),
            norm: BatchNormConfig::new(CHANNELS).init(device),
        }
    }

    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let output = self.convolution.forward(input);
        activation::relu(self.norm.forward(output))
    }
}

/// A small convolutional network at the full size of the image. Its last layer sees what each one before it gives: a
/// cross is known from its nearest pixels, a square from more.
#[derive(Module, Debug)]
pub struct Model {
    blocks: Vec<Block>,
    output: Conv2d,
    loss: ModelLoss,
}

impl Model {
    /// A model with random weights.
    pub fn new(loss: &ModelLoss, device: &Device) -> Self {
        let blocks = DILATIONS.iter().enumerate().map(|(at, &dilation)| {
            let inputs = if at == 0 { 1 } else { CHANNELS };
            Block::new(inputs, dilation, device)
        });
        let last = [CHANNELS * DILATIONS.len(), CLASSES];
        Self {
            blocks: blocks.collect(),
            output: Conv2dConfig::new(last, [1, 1]).init(device),
            loss: loss.clone(),
        }
    }

    /// The logits `[N, CLASSES, SIDE, SIDE]` of images `[N, 1, SIDE, SIDE]`.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        let mut last = images;
        let mut all = Vec::new();
        for block in &self.blocks {
            last = block.forward(last);
            all.push(last.clone());
        }
        self.output.forward(Tensor::cat(all, 1))
    }
}

/// The likeliest class of each pixel.
fn answers(logits: Tensor<4>) -> Vec<usize> {
    let ids = target::class_ids(logits, 1).into_data();
    ids.iter::<i64>().map(|id| id as usize).collect()
}

/// The images as a task.
pub struct Shapes(pub Split);

impl Shapes {
    /// What a model says of all held-out pixels.
    pub fn answers(&self, model: &Model, device: &Device) -> Vec<usize> {
        answers(model.forward(self.0.held_out(device).images))
    }
}

impl Task for Shapes {
    type Model = Model;
    type Samples = Split;

    fn training_samples(&self) -> &Split {
        &self.0
    }

    fn loss(&self, model: &Model, batch: Batch) -> Tensor<1> {
        model.loss.forward(model.forward(batch.images), batch.ids)
    }

    fn lint(&self, model: &Model, batch: Batch) -> Vec<Lint> {
        model.loss.lint(&model.forward(batch.images), &batch.ids)
    }

    fn held_out(&self, model: &Model, device: &Device) -> (f64, f64) {
        let batch = self.0.held_out(device);
        let logits = model.forward(batch.images);
        let scores = score::dice(&self.0.truth(), &answers(logits.clone()));
        let loss = model.loss.forward(logits, batch.ids).into_scalar();
        (loss, score::mean(scores))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Picture, SIDE};
    use crate::loss::LossConfig;
    use burn::optim::GradientsParams;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn every_weight_has_a_gradient() {
        let mut rng = StdRng::seed_from_u64(1);
        let pictures = [(); 2].map(|()| Picture::draw(&mut rng));
        let device = Device::flex().autodiff();
        let batch = || Batch::new(pictures.iter(), &device);
        for name in LossConfig::NAMES {
            let loss = name.parse::<LossConfig>().unwrap().try_init().unwrap();
            let model = Model::new(&loss, &device);
            let logits = model.forward(batch().images);
            assert_eq!(logits.dims(), [2, CLASSES, SIDE, SIDE]);
            let gradients = loss.forward(logits, batch().ids).backward();
            let gradients = GradientsParams::from_grads(gradients, &model);
            // A kernel, a scale and a shift of each block; the kernel and the bias of the last layer.
            assert_eq!(gradients.len(), 3 * DILATIONS.len() + 2, "{name}");
        }
    }
}
