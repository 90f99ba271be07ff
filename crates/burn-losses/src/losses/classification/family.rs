//! Any loss for one class of several, chosen when the program runs.

use super::bce_with_logits::{sigmoid_left, sigmoids};
use super::lints::{MARGIN_OF_LOGITS, SOFTMAX_INSIDE, class_lints, single_class};
use super::{
    BceLoss, BceLossConfig, BceWithLogitsLoss, BceWithLogitsLossConfig, CrossEntropyLoss,
    CrossEntropyLossConfig, FocalLoss, FocalLossConfig, KlDivLoss, KlDivLossConfig,
    MultiLabelMarginLoss, MultiLabelMarginLossConfig, MultiLabelSoftMarginLoss,
    MultiLabelSoftMarginLossConfig, MultiMarginLoss, MultiMarginLossConfig, NllLoss, NllLossConfig,
    SoftMarginLoss, SoftMarginLossConfig,
};
use crate::engine::any_rank::AnyRank;
use crate::engine::dtype::compute_dtype;
use crate::engine::portable::ids::single_labels;
use crate::engine::portable::tensors::{AXIS, as_function_of, flat, untracked};
use crate::engine::shape::{layers, without};
use crate::engine::values::{AnyTarget, FlatValues};
use crate::loss::Evaluate;
use crate::loss::call::{Call, LossOutput};
use crate::loss::classes::{Options, check_classes};
use crate::losses::config::loss_family;
use crate::real::Real;
use crate::targets::rows::one_hot_rows;
use crate::targets::{ClassAxisTarget, ClassIds};
use crate::validate::check::{Check, dims};
use crate::validate::error::{Lint, LossError, LossErrorKind};
use alloc::format;
use alloc::vec::Vec;
use burn::module::Module;
use burn::tensor::{Tensor, activation};
use serde::Serialize;

/// Configuration of a [`ClassificationLoss`]: which loss, and its options.
///
/// As JSON it is the options of the loss, beside `loss`, its name; or the name alone, as text. What a
/// file leaves out keeps its default; what it misspells is an error with the names there are.
///
/// ```
/// use burn::config::Config;
/// use burn_losses::prelude::*;
///
/// let file = br#"{ "loss": "cross_entropy", "label_smoothing": 0.1 }"#;
/// let config = ClassificationLossConfig::load_binary(file).unwrap();
/// assert_eq!(config, CrossEntropyLossConfig::new().with_label_smoothing(0.1).into());
/// assert_eq!(config.name(), "cross_entropy");
///
/// let file = br#"{ "loss": "nll", "label_smoothing": 0.1 }"#;
/// let error = ClassificationLossConfig::load_binary(file).unwrap_err();
/// assert!(error.to_string().contains(
///     "NllLoss has no option `label_smoothing`: it has `weights`, `ignore_indices`, \
///      `class_axis`, `reduction`"
/// ));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "loss", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClassificationLossConfig {
    /// `cross_entropy`: [`CrossEntropyLoss`]; the default.
    CrossEntropy(CrossEntropyLossConfig),
    /// `focal`: [`FocalLoss`].
    Focal(FocalLossConfig),
    /// `nll`: [`NllLoss`].
    Nll(NllLossConfig),
    /// `bce_with_logits`: [`BceWithLogitsLoss`].
    BceWithLogits(BceWithLogitsLossConfig),
    /// `bce`: [`BceLoss`].
    Bce(BceLossConfig),
    /// `kl_div`: [`KlDivLoss`]. It must have a class axis.
    KlDiv(KlDivLossConfig),
    /// `multi_margin`: [`MultiMarginLoss`].
    MultiMargin(MultiMarginLossConfig),
    /// `soft_margin`: [`SoftMarginLoss`].
    SoftMargin(SoftMarginLossConfig),
    /// `multi_label_margin`: [`MultiLabelMarginLoss`].
    MultiLabelMargin(MultiLabelMarginLossConfig),
    /// `multi_label_soft_margin`: [`MultiLabelSoftMarginLoss`].
    MultiLabelSoftMargin(MultiLabelSoftMarginLossConfig),
}

/// Any of the losses for one class of several, for programs in which the loss is an option.
///
/// # Target
///
/// **Always the same two: logits, and class ids without the class axis**, `[N, C]` and `[N]`. What
/// the loss chosen wants instead is put in between:
///
/// | loss | its input | its target |
/// |---|---|---|
/// | `cross_entropy` | the logits | the ids |
/// | `focal` | the logits | the ids |
/// | `nll` | a log-softmax of the logits ([`target::log_probs`](crate::target::log_probs)) | the ids |
/// | `bce_with_logits` | the logits | one-hot rows ([`target::one_hot`](crate::target::one_hot)): each class is a question of its own, yes or no |
/// | `bce` | a sigmoid of the logits | one-hot rows |
/// | `kl_div` | a log-softmax of the logits | one-hot rows as the distribution to match; as logarithms with `log_target` |
/// | `multi_margin` | the logits | the ids |
/// | `soft_margin` | the logits | one-hot rows as signs: each class is a question of its own |
/// | `multi_label_margin` | the logits | the id as the only label of its sample, then -1 |
/// | `multi_label_soft_margin` | the logits | one-hot rows |
///
/// Swapped by hand, each of these is a change to the model or the data that is easily forgotten.
/// Where a probability can be all but 0 or 1, prefer a loss that takes the logits: a probability
/// cannot say how close to 1 it is.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use burn_losses::prelude::*;
///
/// let device = Device::flex();
/// let logits = [[0., 2., 0., 0., 0.], [2., 0., 0., 0., 0.], [0., 0., 0., 2., 0.]];
/// let logits = Tensor::<2>::from_data(logits, &device);
/// let targets = Tensor::<1, Int>::from_data([1, 0, 4], &device);
///
/// // Of softmax outputs these three are the same loss.
/// for name in ["cross_entropy", "nll", "kl_div"] {
///     let loss = name.parse::<ClassificationLossConfig>().unwrap().init();
///     let value = loss.forward(logits.clone(), targets.clone());
///     assert!((value.into_scalar::<f32>() - 1.09933).abs() < 1e-4);
/// }
/// ```
///
/// # Shapes
///
/// * logits: `[N, C]`, `[N, C, d1, ..]`, rank 2 to 6; the classes on axis 1 or `class_axis`
/// * targets: ids in that shape without the class axis
/// * unreduced: the shape of the targets. For the losses that have a term per class (`bce_with_logits`,
///   `bce`, `kl_div`, `soft_margin`) it is the sum of the terms, which counts for `C` of them: so each
///   reduction gives what the loss alone does.
///
/// # Errors
///
/// Those of the loss chosen, under its name; and an id that is not a class, for those that take no
/// ids themselves. A KL divergence without a class axis, in `init` or in the call.
#[derive(Module, Debug)]
#[module(custom_display)]
#[non_exhaustive]
pub enum ClassificationLoss {
    /// The cross-entropy of the logits and the ids.
    CrossEntropy(CrossEntropyLoss),
    /// The focal loss of the logits and the ids.
    Focal(FocalLoss),
    /// The negative log-likelihood of the ids, after a log-softmax.
    Nll(NllLoss),
    /// The binary cross-entropy of each logit, with one-hot rows.
    BceWithLogits(BceWithLogitsLoss),
    /// The binary cross-entropy of each probability, after a sigmoid, with one-hot rows.
    Bce(BceLoss),
    /// The Kullback-Leibler divergence from one-hot rows, after a log-softmax.
    KlDiv(KlDivLoss),
    /// The hinge loss of the class against each other one.
    MultiMargin(MultiMarginLoss),
    /// The logistic loss of each logit, with one-hot rows as signs.
    SoftMargin(SoftMarginLoss),
    /// The hinge loss of the id as the only label.
    MultiLabelMargin(MultiLabelMarginLoss),
    /// The binary cross-entropy of each logit, with one-hot rows, averaged over the classes.
    MultiLabelSoftMargin(MultiLabelSoftMarginLoss),
}

loss_family!(ClassificationLoss [logits, targets], ClassificationLossConfig, default: CrossEntropy, {
    CrossEntropy: "cross_entropy", CrossEntropyLoss, CrossEntropyLossConfig;
    Focal: "focal", FocalLoss, FocalLossConfig;
    Nll: "nll", NllLoss, NllLossConfig;
    BceWithLogits: "bce_with_logits", BceWithLogitsLoss, BceWithLogitsLossConfig;
    Bce: "bce", BceLoss, BceLossConfig;
    KlDiv: "kl_div", KlDivLoss, KlDivLossConfig;
    MultiMargin: "multi_margin", MultiMarginLoss, MultiMarginLossConfig;
    SoftMargin: "soft_margin", SoftMarginLoss, SoftMarginLossConfig;
    MultiLabelMargin: "multi_label_margin", MultiLabelMarginLoss, MultiLabelMarginLossConfig;
    MultiLabelSoftMargin: "multi_label_soft_margin", MultiLabelSoftMarginLoss, MultiLabelSoftMarginLossConfig;
});

impl ClassificationLossConfig {
    fn validate(&self) -> Result<(), LossError> {
        match self {
            Self::KlDiv(config) => axis_of_rows(config).map(|_| ()),
            _ => Ok(()),
        }
    }
}

/// The axis along which a divergence has the classes.
fn axis_of_rows(config: &KlDivLossConfig) -> Result<usize, LossError> {
    config.class_axis.ok_or_else(|| {
        LossError::new(
            "KlDivLoss",
            LossErrorKind::Config,
            "class_axis is None, but a ClassificationLoss makes rows of the class ids along it: \
             set with_class_axis(Some(1))."
                .into(),
        )
    })
}

impl ClassificationLoss {
    /// What the losses have in common: the name, the axis of the classes, and which ids are ignored.
    fn options(&self) -> Result<Options<'_>, LossError> {
        Ok(match self {
            Self::CrossEntropy(loss) => loss.options(),
            Self::Focal(loss) => loss.options(),
            Self::Nll(loss) => loss.options(),
            Self::BceWithLogits(loss) => {
                Options::new("BceWithLogitsLoss", loss.config().class_axis)
            }
            Self::Bce(loss) => Options::new("BceLoss", loss.config().class_axis),
            Self::KlDiv(loss) => Options::new("KlDivLoss", axis_of_rows(loss.config())?),
            Self::MultiMargin(loss) => loss.options(),
            Self::SoftMargin(_) => Options::new("SoftMarginLoss", 1),
            Self::MultiLabelMargin(loss) => {
                Options::new("MultiLabelMarginLoss", loss.config().class_axis)
            }
            Self::MultiLabelSoftMargin(loss) => {
                Options::new("MultiLabelSoftMarginLoss", loss.config().class_axis)
            }
        })
    }

    fn losses(
        &self,
        logits: AnyRank,
        targets: AnyTarget,
        call: Call,
    ) -> Result<LossOutput, LossError> {
        match self {
            Self::CrossEntropy(loss) => return loss.losses(logits, targets, call),
            Self::Focal(loss) => return loss.losses(logits, targets, call),
            Self::MultiMargin(loss) => return loss.losses(logits, targets, call),
            _ => {}
        }
        let options = self.options()?;
        let axis = options.class_axis;
        let inserted = Inserted {
            options,
            logits,
            call,
        };
        match self {
            Self::CrossEntropy(_) | Self::Focal(_) | Self::MultiMargin(_) => {
                unreachable!("nothing is put before them")
            }
            Self::Nll(loss) => inserted
                .with_wide(|logits, call| loss.losses(log_probs(logits, axis), targets, call)),
            Self::BceWithLogits(loss) => inserted.with_rows(targets, |logits, rows, call| {
                loss.losses(logits, rows, call)
            }),
            Self::Bce(loss) => inserted.with_rows(targets, |logits, rows, call| {
                loss.losses(sigmoid(&logits), rows, call)
            }),
            Self::KlDiv(loss) => inserted.with_rows(targets, |logits, rows, call| {
                let rows = if loss.config().log_target {
                    rows.map(Tensor::log)
                } else {
                    rows
                };
                loss.losses(log_probs(logits, axis), rows, call)
            }),
            Self::SoftMargin(loss) => inserted.with_rows(targets, |logits, rows, call| {
                loss.losses(logits, rows.map(|rows| rows * 2.0 - 1.0), call)
            }),
            Self::MultiLabelMargin(loss) => {
                inserted.with_ids(targets, |check, ids, logits, call| {
                    let shape = logits.shape();
                    let of_ids = ids.values.integers();
                    check.class_ids(&of_ids, &ids.shape, shape[axis], None)?;
                    let labels = single_labels(of_ids, layers(&shape, axis));
                    let labels = AnyTarget {
                        values: FlatValues::Int(labels),
                        shape,
                        ..ids
                    };
                    loss.losses(logits, labels, call)
                })
            }
            Self::MultiLabelSoftMargin(loss) => inserted
                .with_rows(targets, |logits, rows, call| {
                    loss.losses(logits, rows, call)
                }),
        }
    }

    fn lints(&self, logits: &AnyRank, targets: AnyTarget) -> Vec<Lint> {
        let Ok(options) = self.options() else {
            return Vec::new();
        };
        match self {
            Self::BceWithLogits(_)
            | Self::Bce(_)
            | Self::SoftMargin(_)
            | Self::MultiLabelSoftMargin(_) => {
                let mut lints = Vec::from_iter(sigmoid_left(options.loss, logits, ""));
                lints.extend(single_class(options.loss, targets, options.ignored));
                lints
            }
            Self::MultiMargin(_) | Self::MultiLabelMargin(_) => {
                class_lints(&options, logits, targets, MARGIN_OF_LOGITS)
            }
            _ => class_lints(&options, logits, targets, SOFTMAX_INSIDE),
        }
    }
}

impl<const D: usize, T: ClassIds<D>> Evaluate<(Tensor<D>, T)> for ClassificationLoss {
    type Unreduced = <T as ClassAxisTarget<D>>::PerSample;

    fn evaluate(
        &self,
        (logits, targets): (Tensor<D>, T),
        call: Call,
    ) -> Result<LossOutput, LossError> {
        self.losses(logits.into(), targets.erased(), call)
    }

    fn inspect(&self, (logits, targets): (Tensor<D>, T)) -> Vec<Lint> {
        self.lints(&logits.into(), targets.erased())
    }
}

/// What is put between the arguments of the family and those of a loss.
struct Inserted<'a> {
    options: Options<'a>,
    logits: AnyRank,
    call: Call,
}

impl Inserted<'_> {
    fn check(&self) -> Result<Check, LossError> {
        let device = self.logits.device();
        let check = Check::new(self.options.loss, &device, self.call.waiting);
        check.dtype(&device, self.logits.dtype())?;
        check.class_axis(self.options.class_axis, &self.logits.shape())?;
        Ok(check)
    }

    /// The losses of logits in a type wide enough to put something in between without a loss of
    /// digits; they come back in the type of the logits.
    fn with_wide(
        self,
        losses: impl FnOnce(AnyRank, Call) -> Result<LossOutput, LossError>,
    ) -> Result<LossOutput, LossError> {
        self.check()?;
        let dtype = self.logits.dtype();
        let parts = self.call.wants_parts();
        let losses = losses(self.logits.cast(compute_dtype(dtype)), self.call)?;
        let value = if parts {
            losses.value
        } else {
            losses.value.cast(dtype)
        };
        Ok(LossOutput { value, ..losses })
    }

    /// The losses of a definition that has a term per class, from one-hot rows.
    fn with_rows(
        self,
        ids: AnyTarget,
        terms: impl FnOnce(AnyRank, AnyTarget, Call) -> Result<LossOutput, LossError>,
    ) -> Result<LossOutput, LossError> {
        let axis = self.options.class_axis;
        self.with_ids(ids, |check, ids, logits, call| {
            let shape = logits.shape();
            let rows = AnyTarget {
                shape: shape.clone(),
                ..ids.clone()
            };
            let dtype = compute_dtype(logits.dtype()).into();
            let hot = one_hot_rows(check, ids, layers(&shape, axis), dtype)?;
            let rows = AnyTarget {
                values: FlatValues::Float(flat(hot)),
                ..rows
            };
            terms(logits, rows, call.summed(axis))
        })
    }

    /// The losses, from ids that fit the logits.
    fn with_ids(
        self,
        ids: AnyTarget,
        losses: impl FnOnce(&Check, AnyTarget, AnyRank, Call) -> Result<LossOutput, LossError>,
    ) -> Result<LossOutput, LossError> {
        let check = self.check()?;
        let axis = self.options.class_axis;
        let shape = self.logits.shape();
        if shape[axis] == 1 {
            return Err(check.error(
                LossErrorKind::Shape,
                format!(
                    "logits {} have one class along axis {axis}, and an id chooses one of several. \
                     For one yes-or-no output per sample use BceWithLogitsLoss by itself, with \
                     labels; else let the model give an output per class.",
                    dims(&shape)
                ),
            ));
        }
        check_classes(&check, &self.options, "logits", &self.logits, &ids)?;
        if self.logits.is_empty() {
            let shape = without(&shape, axis);
            return LossOutput::empty(&check, self.call, shape, &[self.logits]);
        }
        self.with_wide(|logits, call| losses(&check, ids, logits, call))
    }
}

/// The logarithms of the softmax along an axis.
fn log_probs(logits: AnyRank, axis: usize) -> AnyRank {
    let shape = logits.shape();
    if logits.is_empty() {
        return logits;
    }
    let log_probs = activation::log_softmax(logits.layers(layers(&shape, axis)), AXIS);
    AnyRank::from(log_probs).shaped(shape)
}

/// The sigmoid, in the graph. Burn's own computes in `f32` on some backends whatever the input.
fn sigmoid(logits: &AnyRank) -> AnyRank {
    let shape = logits.shape();
    let x = untracked(logits).layers([1, shape.num_elements(), 1]);
    let (prob, _) = sigmoids(x.clone(), (-x.abs()).exp());
    // The loss divides by the rounded `p (1 - p)`: what is divided must be rounded alike.
    let slope = prob.clone() * (-prob.clone()).plus(1.0);
    AnyRank::from(as_function_of(prob, &[(logits, slope)])).shaped(shape)
}
