//! Losses for masks of images and volumes: how far the probabilities of a class and the pixels where it is true overlap.
//!
//! | what you have | loss |
//! |---|---|
//! | the start of a training, large and small regions | [`DiceCrossEntropyLoss`] |
//! | the same, where nearly all pixels are easy | [`DiceFocalLoss`] |
//! | large and small regions, judged by the dice score | [`DiceLoss`] |
//! | the same, judged by the intersection over the union | [`JaccardLoss`]; [`LovaszLoss`] for a model that is trained already |
//! | what is missed costs more than what is falsely found, or the reverse | [`TverskyLoss`] |
//! | regions that are nearly right should count less, or more | [`TverskyLoss`] with `gamma` |
//! | classes of very different size, in one ratio | [`GeneralizedDiceLoss`] |
//! | pixels that count alike, whatever they are part of | [`CrossEntropyLoss`](crate::classification::CrossEntropyLoss), [`BceWithLogitsLoss`](crate::classification::BceWithLogitsLoss) |
//!
//! They need the feature `std`, which is on by default. A pixel may be a voxel, or a token of a sequence: all axes but the
//! first and that of the classes are the places of a sample.
//!
//! # Input and target
//!
//! [`Activation`] says what makes probabilities of the input, so whether classes exclude each other:
//!
//! | what is true of a pixel | `activation` | input | target |
//! |---|---|---|---|
//! | one class of several | [`Softmax`](Activation::Softmax), the default | logits `[N, C, H, W]` | class ids `[N, H, W]`, `Int` |
//! | any number of classes | [`Sigmoid`](Activation::Sigmoid) | logits `[N, C, H, W]` | a mask for each class, `[N, C, H, W]`: `Bool`, `Int` 0 and 1, or floats from 0 to 1 |
//! | one class or none | `Sigmoid` | logits `[N, 1, H, W]` | the mask, `[N, 1, H, W]` |
//! | either, of a model that has the softmax or sigmoid at its end | [`Probabilities`](Activation::Probabilities) | probabilities | either |
//!
//! Start from logits where there is a choice: a probability of 1 cannot say how close to it it is. Ids with `Sigmoid` stand
//! for the masks that they make, and masks with `Softmax`, soft ones or several at a pixel, are taken as they are. What is
//! not labelled is left out by an ignored id, `with_ignore_index(255)`, in ids and in `Int` masks without a softmax; a mask
//! of what counts cannot be given, since [`forward_weighted`](crate::Loss::forward_weighted) weighs whole losses, and one is
//! of many pixels.
//!
//! # What one loss is of
//!
//! The sums of a region are over the pixels that [`Aggregation`] puts together, and each region is one loss:
//!
//! | `aggregation` | a loss for | unreduced | for |
//! |---|---|---|---|
//! | [`SampleClass`](Aggregation::SampleClass), the default | each class of each sample | `[N, C]` | a score that is averaged over images; small things count in each image, and make the loss jump |
//! | [`Class`](Aggregation::Class) | each class, over the batch | `[1, C]` | a score of the data set; batches in which a class has few pixels, or none in most images |
//! | [`Sample`](Aggregation::Sample) | each sample, over its classes | `[N, 1]` | classes that count by their size |
//! | [`Batch`](Aggregation::Batch) | everything | `[1, 1]` | the same, over the batch |
//!
//! With `Class` and `Batch` the loss of a batch is not the mean of those of its parts, so gradients of micro-batches do not
//! add up to that of the batch. The losses with a second one of pixels ([`DiceCrossEntropyLoss`], [`DiceFocalLoss`]) are
//! `[N]`, or `[1]` where the aggregation takes the batch together.
//!
//! # A class that is nowhere
//!
//! Where no pixel of a region is true there is nothing to overlap with. [`AbsentClass`] says what that counts:
//!
//! | `absent` | the loss of such a region | its part in the mean |
//! |---|---|---|
//! | [`Smoothed`](AbsentClass::Smoothed), the default | what the smoothing makes of it: with a small one nearly 1 as soon as anything is found, and hardly a gradient | 1 |
//! | [`Zero`](AbsentClass::Zero) | 0 | 1 |
//! | [`LeftOut`](AbsentClass::LeftOut) | none | 0 |
//!
//! With the last two nothing is learned of a class where it is nowhere, but for what a softmax takes from the others. Where
//! masks may be empty and the model must learn so, take `Smoothed` with a smoothing of about 1, or a loss of pixels beside
//! it, as [`DiceCrossEntropyLoss`] has. Where nothing is true and nothing is found the loss is 0, if the two smoothings are
//! equal or both 0.
//!
//! A batch of pictures without a pixel is an empty batch, as one without a picture: `forward_no_reduction` has the losses of no
//! sample.
//!
//! # How a probability and a target overlap
//!
//! [`Overlap`] is what is added up of a probability p and a target y. Of masks of 0 and 1 all three are least at the mask,
//! and `Product` and `Minimum` are the same:
//!
//! | `overlap` | overlaps | is falsely found | is missed | for |
//! |---|---|---|---|---|
//! | [`Product`](Overlap::Product), the default | `p y` | `p (1 - y)` | `(1 - p) y` | masks of 0 and 1 |
//! | [`Squared`](Overlap::Squared) | `p y` | `max(p - y, 0)^2` | `max(y - p, 0)^2` | soft masks too, of which the target itself is best; as in V-Net, where the dice loss is `1 - 2 sum p y / (sum p^2 + sum y^2)` |
//! | [`Minimum`](Overlap::Minimum) | `min(p, y)` | `max(p - y, 0)` | `max(y - p, 0)` | soft masks too, by differences and not by their squares |
//!
//! # The same loss elsewhere
//!
//! Libraries agree on the formula of the dice loss and on little else, so one and the same input has these values by their
//! defaults. Each is reached by options here, with its gradients; the pages of the losses have more of them, and what
//! differs.
//!
//! | defaults of | `activation` | `aggregation` | `overlap` | smoothings | `absent` | the example below |
//! |---|---|---|---|---|---|---|
//! | this crate; MONAI's `DiceLoss`, with `softmax` and `to_onehot_y` | `Softmax` | `SampleClass` | `Product` | 1e-5, 1e-5 | `Smoothed` | 0.538 |
//! | segmentation-models-pytorch's `DiceLoss("multiclass")` | `Softmax` | `Class` | `Product` (soft labels: `Minimum`) | 0, 0 | `Zero` | 0.205 |
//! | kornia's `dice_loss` | `Softmax` | `Sample` | `Product` | 0, 1e-8 | `Smoothed` | 0.357 |
//! | kornia's, with `average="macro"` | `Softmax` | `SampleClass` | `Product` | 0, 1e-8 | `LeftOut` | 0.307 |
//! | Keras' `Dice` | `Probabilities` | `Batch` | `Product` | 0, 1e-7 | `Smoothed` | 0.357 |
//! | optax' `dice_loss` | `Softmax` | `SampleClass` | `Product` | 2, 2 | `Smoothed` | 0.208 |
//! | nnU-Net's `SoftDiceLoss`, and 1 added | `Softmax` | `SampleClass` | `Product` | 1, 1 | `Smoothed` | 0.283 |
//! | mmsegmentation's `DiceLoss` | `Sigmoid` | `Sample` | `Squared` | 0, 2e-3 | `Smoothed` | 0.267 |
//!
//! ```
//! use burn::tensor::{Device, Int, Tensor};
//! use burn_losses::segmentation::*;
//!
//! let device = Device::flex();
//! // An image of 2 x 2 pixels, three classes, of which the last is nowhere.
//! let logits = Tensor::<4>::from_data(
//!     [[[[2., 0.], [0., 0.]], [[0., 2.], [1., 0.]], [[0., 0.], [0., -1.]]]],
//!     &device,
//! );
//! let ids = Tensor::<3, Int>::from_data([[[0, 1], [1, 0]]], &device);
//!
//! let of = |aggregation, above, below| {
//!     DiceLossConfig::new()
//!         .with_aggregation(aggregation)
//!         .with_smooth_numerator(above)
//!         .with_smooth_denominator(below)
//! };
//! let macro_average = of(Aggregation::SampleClass, 0.0, 1e-8).with_absent(AbsentClass::LeftOut);
//! let squared = of(Aggregation::Sample, 0.0, 2e-3)
//!     .with_activation(Activation::Sigmoid)
//!     .with_overlap(Overlap::Squared);
//! for (config, expected) in [
//!     (DiceLossConfig::new(), 0.53797),
//!     (of(Aggregation::Class, 0.0, 0.0).with_absent(AbsentClass::Zero), 0.204643),
//!     (of(Aggregation::Sample, 0.0, 1e-8), 0.356898),
//!     (macro_average, 0.306964),
//!     (of(Aggregation::SampleClass, 2.0, 2.0), 0.207801),
//!     (of(Aggregation::SampleClass, 1.0, 1.0), 0.283492),
//!     (squared, 0.266541),
//! ] {
//!     let value = config.init().forward(logits.clone(), ids.clone());
//!     assert!((value.into_scalar::<f32>() - expected).abs() < 1e-5);
//! }
//! ```
//!
//! In a configuration file these names may be in lower case: `"aggregation": "sample_class"`.
//!
//! # Where they run
//!
//! On a CPU one pass over the memory makes the sums, with the softmax inside and the checks, and another one the gradient,
//! which needs the sums; no tensor of probabilities is made. On a GPU a kernel makes the sums, of which a small one adds up
//! the parts, and another one the gradient. ([`LovaszLoss`] makes a tensor of its errors, and sorts those of each class; those of
//! a GPU are sorted by the host, which each call waits for.) What is in half precision is added up in `f32` at least, so a large image does not overflow.

mod compound;
mod dice;
mod dice_cross_entropy;
mod dice_focal;
mod generalized_dice;
mod jaccard;
mod lovasz;
mod regions;
mod tversky;

pub use crate::spec::overlap::{Activation, Overlap};
pub use dice::{DiceLoss, DiceLossConfig};
pub use dice_cross_entropy::{DiceCrossEntropyLoss, DiceCrossEntropyLossConfig};
pub use dice_focal::{DiceFocalLoss, DiceFocalLossConfig};
pub use generalized_dice::{
    AbsentWeight, DiceWeighting, GeneralizedDiceLoss, GeneralizedDiceLossConfig,
};
pub use jaccard::{JaccardLoss, JaccardLossConfig};
pub use lovasz::{LovaszLoss, LovaszLossConfig, LovaszVariant};
pub use regions::{AbsentClass, Aggregation};
pub use tversky::{TverskyLoss, TverskyLossConfig};
