//! What a network learns from: the digits, and a teacher's logits if it has one.

use burn::tensor::{Device, Tensor};
use burn_losses::prelude::*;
use burn_losses::{Lint, target};
use common::digits::{Batch, Split};
use common::mlp::Mlp;
use common::training::Task;

/// A network that is trained already, and how a student learns from it.
pub struct Teacher<'a> {
    /// Without autodiff: nothing changes it.
    pub network: &'a Mlp,
    /// The loss of the student.
    pub loss: DistillationLoss,
}

impl Teacher<'_> {
    /// The logits of images, which the student's gradient does not flow into.
    fn logits(&self, images: Tensor<2>) -> Tensor<2> {
        self.network.forward(images.inner()).inner()
    }
}

/// The digits as a task.
pub struct Lesson<'a> {
    /// The images.
    pub split: &'a Split,
    /// Without one it is cross-entropy with the true digits.
    pub teacher: Option<Teacher<'a>>,
}

impl Task for Lesson<'_> {
    type Model = Mlp;
    type Samples = Split;

    fn training_samples(&self) -> &Split {
        self.split
    }

    fn loss(&self, student: &Mlp, batch: Batch) -> Tensor<1> {
        let logits = student.forward(batch.images.clone());
        match &self.teacher {
            None => CrossEntropyLoss::new().forward(logits, batch.ids),
            Some(teacher) => {
                let soft = teacher.logits(batch.images);
                teacher.loss.forward(logits, soft, batch.ids)
            }
        }
    }

    fn lint(&self, student: &Mlp, batch: Batch) -> Vec<Lint> {
        let logits = student.forward(batch.images.clone());
        match &self.teacher {
            None => CrossEntropyLoss::new().lint(&logits, &batch.ids),
            Some(teacher) => {
                let soft = teacher.logits(batch.images);
                teacher.loss.lint(&logits, &soft, &batch.ids)
            }
        }
    }

    fn held_out(&self, student: &Mlp, device: &Device) -> (f64, f64) {
        let batch = self.split.held_out(device);
        let answers = target::class_ids(student.forward(batch.images.clone()), 1);
        let right = answers.equal(batch.ids.clone());
        let accuracy = right.float().mean().into_scalar();
        (self.loss(student, batch).into_scalar(), accuracy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::optim::GradientsParams;
    use common::digits::{self, CLASSES, PIXELS};
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn the_gradient_is_the_students_alone() {
        let all = digits::load().unwrap();
        let split = digits::split(all, &mut StdRng::seed_from_u64(1));
        let device = Device::flex();
        let network = Mlp::new([PIXELS, 8, CLASSES], &device);
        let student = Mlp::new([PIXELS, 4, CLASSES], &device.clone().autodiff());
        let config = DistillationLossConfig::new().with_temperature(4.0);
        let lesson = |alpha| Lesson {
            split: &split,
            teacher: Some(Teacher {
                network: &network,
                loss: config.clone().with_alpha(alpha).init(),
            }),
        };
        let batch = || Batch::new(split.train[..8].iter(), &device.clone().autodiff());

        let gradients = lesson(0.9).loss(&student, batch()).backward();
        let gradients = GradientsParams::from_grads(gradients, &student);
        assert_eq!(gradients.len(), 4, "weights and biases of two layers");

        // Without the teacher's share it is cross-entropy.
        let alone = Lesson {
            split: &split,
            teacher: None,
        };
        let [with, without] =
            [lesson(0.0), alone].map(|it| it.loss(&student, batch()).into_scalar::<f32>());
        assert!((with - without).abs() < 1e-5, "{with} {without}");
    }
}
