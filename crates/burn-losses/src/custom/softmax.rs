//! A loss of a sample's class, of a closure.

use super::settings::{Settings, of_settings};
use crate::engine::any_rank::AnyRank;
use crate::engine::host::formula::FormulaHead;
use crate::engine::values::AnyTarget;
use crate::loss::call::{Call, LossOutput};
use crate::loss::classes::{ClassInput, Options, check_classes, evaluate};
use crate::loss::formula::softmax::of_class;
use crate::loss::formula::statistics::Statistics;
use crate::loss::{Evaluate, LossInfo};
use crate::losses::classification::{SOFTMAX_INSIDE, class_lints};
use crate::losses::module::calls;
use crate::spec::expression::RecordedFormula;
use crate::spec::expression::program::Formula;
use crate::targets::{ClassAxisTarget, ClassIds};
use crate::validate::check::Check;
use crate::validate::error::{Lint, LossError, or_panic};
use crate::validate::options::{CLASS_AXIS, NOT_NEGATIVE};
use alloc::sync::Arc;
use alloc::vec::Vec;
use burn::module::Module;
use burn::tensor::{FloatDType, Tensor};

/// A loss of a sample's class by its probability, of a closure: see [`Custom::softmax`](super::Custom::softmax).
///
/// # Shapes
///
/// * logits: `[N, C, ..]`, the classes along axis 1 or [another](Self::with_class_axis)
/// * targets: class ids, the shape of the logits without that axis
/// * unreduced: that shape
///
/// There is no label smoothing: it is defined for what is linear in `ln p`, which is
/// [`CrossEntropyLoss`](crate::classification::CrossEntropyLoss).
///
/// # Errors
///
/// Those of [`FocalLoss`](crate::classification::FocalLoss), and a parameter that has no value.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct CustomSoftmax {
    #[module(skip)]
    inner: SoftmaxParts,
}

#[derive(Clone)]
struct SoftmaxParts {
    settings: Settings,
    formula: Arc<Formula>,
    /// What the formula calls its parameters, in its order.
    parameters: Vec<&'static str>,
    weights: Option<Vec<f64>>,
    ignored: Vec<i64>,
    class_axis: usize,
}

impl core::fmt::Debug for SoftmaxParts {
    fn fmt(&self, formatter: &mut core::fmt::Formatter) -> core::fmt::Result {
        core::fmt::Debug::fmt(&self.settings, formatter)
    }
}

impl CustomSoftmax {
    #[track_caller]
    pub(super) fn new(name: &'static str, recorded: RecordedFormula) -> Self {
        or_panic(Self::try_new(name, recorded))
    }

    fn try_new(name: &'static str, mut recorded: RecordedFormula) -> Result<Self, LossError> {
        let settings = Settings::new(name, &[&recorded])?;
        if !recorded.reads().contains(&true) {
            return Err(settings.error(
                "the formula depends on no operand: `ln p`, `p` or `1 - p` is what a loss of a class is of.".into(),
            ));
        }
        let inner = SoftmaxParts {
            settings,
            formula: Arc::new(of_class(&mut recorded)),
            parameters: recorded.parameters,
            weights: None,
            ignored: Vec::new(),
            class_axis: 1,
        };
        Ok(Self { inner })
    }

    /// The same loss, with a weight for each class: what its losses are multiplied by, and how much they count in a
    /// mean.
    ///
    /// # Panics
    ///
    /// If a weight is negative or not finite.
    #[track_caller]
    pub fn with_weights(mut self, weights: impl Into<Vec<f64>>) -> Self {
        let weights = Some(weights.into());
        or_panic(NOT_NEGATIVE.check(self.name(), "weights", &weights));
        self.inner.weights = weights;
        self
    }

    /// The same loss, with one more id that marks a sample as not to be counted.
    pub fn with_ignore_index(mut self, id: i64) -> Self {
        self.inner.ignored.push(id);
        self
    }

    /// The same loss, of logits whose classes are along another axis than 1.
    ///
    /// # Panics
    ///
    /// For axis 0, that of the samples.
    #[track_caller]
    pub fn with_class_axis(mut self, axis: usize) -> Self {
        or_panic(CLASS_AXIS.check(self.name(), "class_axis", &axis));
        self.inner.class_axis = axis;
        self
    }

    fn options(&self, parameters: Vec<f64>) -> Options<'_> {
        let SoftmaxParts {
            settings,
            formula,
            weights,
            ignored,
            class_axis,
            ..
        } = &self.inner;
        Options {
            weights: weights.as_ref(),
            ignored,
            head: Some(Arc::new(FormulaHead {
                formula: formula.clone(),
                parameters,
            })),
            ..Options::new(settings.name, *class_axis)
        }
    }

    fn losses(
        &self,
        logits: AnyRank,
        targets: AnyTarget,
        call: Call,
    ) -> Result<LossOutput, LossError> {
        let settings = &self.inner.settings;
        let check = Check::new(settings.name, &logits.device(), call.waiting);
        let options = self.options(settings.parameters(&self.inner.parameters)?);
        check_classes(&check, &options, "logits", &logits, &targets)?;
        settings.held(&check, logits.dtype())?;
        evaluate(&check, &options, ClassInput::Logits, logits, targets, call)
    }
}

of_settings!([] CustomSoftmax);

calls!([] CustomSoftmax, Loss [logits, targets]);

impl<const D: usize, T: ClassIds<D>> Evaluate<(Tensor<D>, T)> for CustomSoftmax {
    type Unreduced = <T as ClassAxisTarget<D>>::PerSample;

    fn evaluate(
        &self,
        (logits, targets): (Tensor<D>, T),
        call: Call,
    ) -> Result<LossOutput, LossError> {
        self.losses(logits.into(), targets.erased(), call)
    }

    fn inspect(&self, (logits, targets): (Tensor<D>, T)) -> Vec<Lint> {
        let options = self.options(Vec::new());
        let (logits, targets) = (AnyRank::from(logits), targets.erased());
        let suspected = self.inner.settings.suspected(|| {
            let ids = targets.values.clone().cast(FloatDType::F32);
            [logits.clone(), ids.into()].map(Statistics::of).to_vec()
        });
        let mut lints = class_lints(&options, &logits, targets, SOFTMAX_INSIDE);
        lints.extend(suspected);
        lints
    }
}
