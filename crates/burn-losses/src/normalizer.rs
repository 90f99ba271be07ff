//! The weight of a step's losses as a gradient, which is added up wherever gradients are.

use crate::engine::dtype::compute_dtype;
use crate::loss::LossParts;
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{GradientsParams, MultiGradientsParams};
use burn::tensor::{DType, Tensor, TensorCreationOptions};

/// Divides the gradients of a step by the weight of all its losses, however many batches and devices they come from.
///
/// A training step sees one batch. Burn adds up the gradients of the steps, with `grads_accumulation` and over devices, and
/// divides by nothing: with the mean of each batch, the learning rate grows with their number, and a batch in which little
/// counts (many ignored ids, the last of an epoch) counts as much as any other. What has to be divided by is the weight of all,
/// and that no step knows.
///
/// So the weight goes where the gradients go. This is a module with one parameter, which is 0, and what a step calls
/// `backward` on is the [objective](Self::objective): the sum of the losses, and 0 times their weight. The gradient of the
/// parameter is that weight. Whatever adds up gradients adds up weights with them; and once before the optimizer,
/// [`divide`](Self::divide) divides each gradient by what came of it. The parameter's own gradient is taken away, so that
/// the optimizer leaves it alone.
///
/// It is a field of the model, and two methods of its `TrainStep` call it:
///
/// ```
/// use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
/// use burn::nn::Linear;
/// use burn::optim::{GradientsParams, ModuleOptimizer, MultiGradientsParams};
/// use burn::prelude::*;
/// use burn::train::{TrainOutput, TrainStep};
/// use burn_losses::Normalizer;
/// use burn_losses::metric::{MaskedAccuracyInput, MaskedClassificationOutput};
/// use burn_losses::prelude::*;
///
/// #[derive(Module, Debug)]
/// struct Classifier {
///     linear: Linear,
///     loss: CrossEntropyLoss,
///     /// `Normalizer::init(&device)`
///     normalizer: Normalizer,
/// }
///
/// impl TrainStep for Classifier {
///     type Input = (Tensor<2>, Tensor<1, Int>);
///     type Output = MaskedClassificationOutput;
///
///     fn step(&self, (input, targets): Self::Input) -> TrainOutput<Self::Output> {
///         let logits = self.linear.forward(input);
///         let parts = self.loss.forward_parts(logits.clone(), targets.clone());
///         let gradients = self.normalizer.objective(parts.clone()).backward();
///         let output = MaskedClassificationOutput::new(parts, MaskedAccuracyInput::new(logits, targets));
///         TrainOutput::new(self, gradients, output)
///     }
///
///     fn optimize(
///         self,
///         optimizer: &mut ModuleOptimizer,
///         rate: ModuleLearningRate,
///         gradients: GradientsParams,
///     ) -> Self {
///         let gradients = self.normalizer.divide(&self, gradients);
///         optimizer.step(rate, self, gradients)
///     }
///
///     // Called with `MultiDeviceOptim::OptimSharded` alone.
///     fn optimize_multi(
///         self,
///         optimizer: &mut ModuleOptimizer,
///         rate: ModuleLearningRate,
///         gradients: MultiGradientsParams,
///     ) -> Self {
///         let gradients = self.normalizer.divide_multi(&self, gradients);
///         optimizer.step_multi(rate, self, gradients)
///     }
/// }
/// ```
///
/// The gradients that the optimizer gets, and that it clips, are those of the mean of all losses: the same for one batch, for
/// the same samples in several, and on any number of devices. Those of the steps are the gradients of sums, as many times
/// larger. In `f32` and `bf16` that is no matter. In `f16` multiply the objective by a constant, the same in each step:
/// `normalizer.objective(parts) * (1.0 / 1024.0)`. It is divided out again.
///
/// A loss with another term beside it, such as a penalty of the weights, is one of which all terms are parts, with the
/// weight of one of them: `LossParts { sum: parts.sum + penalty * parts.weight.clone(), ..parts }` adds the penalty to the
/// mean.
///
/// The parameter is a number more in the model's record.
#[derive(Module, Debug)]
pub struct Normalizer {
    count: Param<Tensor<1>>,
}

impl Normalizer {
    /// A normalizer on a device, or `(&device, dtype)`. Weights are added up in the device's own type for floats, or the one
    /// given, but at least in `F32`. Only losses in `F64` need more.
    pub fn init(place: impl Into<TensorCreationOptions>) -> Self {
        let place = place.into();
        let own = place.device.settings().float_dtype.into();
        let dtype = DType::from(compute_dtype(place.dtype_or(own)));
        Self {
            count: Param::from_tensor(Tensor::zeros([1], (&place.device, dtype))),
        }
    }

    /// What a training step calls `backward` on: a number as large as the sum of the losses, whose gradients are those of the
    /// sum, and that of this module's parameter their weight.
    ///
    /// Not the mean: that is already divided.
    pub fn objective(&self, parts: LossParts) -> Tensor<1> {
        let LossParts { sum, weight } = parts;
        let (device, dtype) = (sum.device(), sum.dtype());
        // The loss may be on another device than this parameter, where the parts of a model are.
        let here = |number: Tensor<1>| {
            let number = if number.device() == device {
                number
            } else {
                number.to_device(&device)
            };
            number.cast(dtype)
        };
        sum + here(self.count.val()) * here(weight)
    }

    /// The gradients of a model that this is a part of, added up over however many steps, divided by the weight of all their
    /// losses: those of the mean of all. 0 where nothing counts.
    ///
    /// # Panics
    ///
    /// When `gradients` hold none of this module's parameter (they are not of [`objective`](Self::objective)), or those of a
    /// parameter that is not in `model`.
    #[track_caller]
    pub fn divide<M: Module>(&self, model: &M, mut gradients: GradientsParams) -> GradientsParams {
        if gradients.is_empty() {
            return gradients;
        }
        let weight = gradients
            .remove::<1>(self.count.id)
            .expect(NOT_OF_OBJECTIVE);
        divided(model, gradients, &inverse(weight))
    }

    /// As [`divide`](Self::divide), of gradients that are yet to be added up over devices. Each stays on its own.
    ///
    /// # Panics
    ///
    /// As [`divide`](Self::divide).
    #[track_caller]
    pub fn divide_multi<M: Module>(
        &self,
        model: &M,
        mut gradients: MultiGradientsParams,
    ) -> MultiGradientsParams {
        let mut sum: Option<Tensor<1>> = None;
        // A device without a batch in this step has no gradients.
        let found = gradients.grads.iter_mut().map(|(found, _)| found);
        for found in found.filter(|found| !found.is_empty()) {
            let weight = found.remove::<1>(self.count.id).expect(NOT_OF_OBJECTIVE);
            sum = Some(match sum {
                Some(sum) => {
                    let weight = weight.to_device(&sum.device());
                    sum + weight
                }
                None => weight,
            });
        }
        let Some(sum) = sum else {
            return gradients;
        };
        let inverse = inverse(sum);
        let all = gradients.grads.into_iter();
        let divided = all.map(|(found, device)| (divided(model, found, &inverse), device));
        MultiGradientsParams {
            grads: divided.collect(),
        }
    }
}

const NOT_OF_OBJECTIVE: &str = "the gradients must be of Normalizer::objective, and the Normalizer a part of the model \
                                whose gradients they are";

/// One over a weight; 0 where that is 0.
fn inverse(weight: Tensor<1>) -> Tensor<1> {
    let weight = weight.inner();
    let nothing = weight.clone().equal_scalar(0.0);
    weight.recip().mask_fill(nothing, 0.0)
}

/// The gradients of a model times a factor.
#[track_caller]
fn divided<M: Module>(
    model: &M,
    gradients: GradientsParams,
    factor: &Tensor<1>,
) -> GradientsParams {
    let mut division = Division {
        factor,
        left: gradients,
        done: GradientsParams::new(),
    };
    model.visit(&mut division);
    assert!(
        division.left.is_empty(),
        "{} gradients are of parameters that the model given to Normalizer::divide does not have",
        division.left.len()
    );
    division.done
}

struct Division<'a> {
    factor: &'a Tensor<1>,
    left: GradientsParams,
    /// Apart from what is left, as a parameter that is in a model twice is visited twice.
    done: GradientsParams,
}

impl ModuleVisitor for Division<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(gradient) = self.left.remove::<D>(param.id) else {
            return;
        };
        // A weight may be beyond what a narrow type holds, and so may the gradient of a sum before it is divided.
        let (dtype, wide) = (gradient.dtype(), compute_dtype(gradient.dtype()));
        let device = gradient.device();
        let factor = if self.factor.device() == device {
            self.factor.clone()
        } else {
            self.factor.clone().to_device(&device)
        };
        let factor: Tensor<D> = factor.cast(wide).reshape([1usize; D]);
        let gradient = (gradient.inner().cast(wide) * factor).cast(dtype);
        self.done.register::<D>(param.id, gradient);
    }
}
