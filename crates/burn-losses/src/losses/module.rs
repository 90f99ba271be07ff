//! What every loss has besides its maths: how it is made from its configuration and shown.

use alloc::format;
use alloc::string::String;
use core::fmt::Debug;

/// A loss as it is printed: its configuration under its own name.
pub(crate) fn describe(config: &impl Debug) -> String {
    format!("{config:?}").replacen("Config", "", 1)
}

/// Stamps the plumbing of a loss onto its configuration and makes it a module: `init`, `try_init`, `new`,
/// `Default`, `config`, the display, its name, and the calls. The configuration brings its rules, as `validate`.
///
/// Last comes the trait that has the calls, and what its inputs are called; the loss itself brings
/// [`Evaluate`](crate::loss::Evaluate). Of a loss that is a formula it is `Formula<target>`, by what its target must be: it
/// brings `formula`. Or, for another loss of each element, what its target must be: then it brings `losses`
/// and `lints` of an input and a target without their types. (Of true values all is known but the `kernel`: a definition
/// without its type.)
macro_rules! loss_module {
    ($loss:ident, $config:ident, Loss $inputs:tt) => {
        loss_module!(@module $loss, $config);
        $crate::losses::module::calls!([] $loss, Loss $inputs);
    };
    ($loss:ident, $config:ident, TripleLoss $inputs:tt) => {
        loss_module!(@module $loss, $config);
        $crate::losses::module::calls!([] $loss, TripleLoss $inputs);
    };
    ($loss:ident, $config:ident, Inputs $inputs:tt) => {
        loss_module!(@module $loss, $config);
        $crate::losses::module::calls!([] $loss, Inputs $inputs);
    };
    ($loss:ident, $config:ident, RegressionTarget) => {
        loss_module!($loss, $config, RegressionTarget with losses);

        impl $loss {
            fn losses(
                &self,
                predictions: $crate::engine::any_rank::AnyRank,
                targets: $crate::engine::any_rank::AnyRank,
                call: $crate::loss::call::Call,
            ) -> Result<$crate::loss::call::LossOutput, $crate::LossError> {
                let inputs = [predictions, targets];
                $crate::loss::values::evaluate(Self::NAME, self.kernel(), inputs, call)
            }
        }
    };
    ($loss:ident, $config:ident, RegressionTarget with losses) => {
        loss_module!($loss, $config, Loss [predictions, targets]);
        loss_module!(@elements $loss, RegressionTarget, into_any_rank);
        $crate::losses::module::weight!($loss, RegressionTarget of elements);

        impl $loss {
            fn lints(
                &self,
                _: &$crate::engine::any_rank::AnyRank,
                targets: $crate::engine::any_rank::AnyRank,
            ) -> alloc::vec::Vec<$crate::Lint> {
                $crate::loss::values::lints(Self::NAME, &targets)
            }
        }
    };
    ($loss:ident, $config:ident, Formula<$target:ident> [$input:ident, $last:ident]) => {
        loss_module!($loss, $config, Loss [$input, $last]);
        loss_module!(@formula $loss, 2, $target, [$input: X], $last);
    };
    ($loss:ident, $config:ident, Formula<$target:ident> with losses [$input:ident, $last:ident]) => {
        loss_module!($loss, $config, Loss [$input, $last]);
        loss_module!(@of_operands $loss, $target, [$input: X], $last);
    };
    ($loss:ident, $config:ident, Formula<$target:ident> [$first:ident, $second:ident, $last:ident]) => {
        loss_module!($loss, $config, TripleLoss [$first, $second, $last]);
        loss_module!(@formula $loss, 3, $target, [$first: A, $second: B], $last);
    };
    (
        $loss:ident, $config:ident,
        Formula<$target:ident> with losses [$first:ident, $second:ident, $last:ident]
    ) => {
        loss_module!($loss, $config, TripleLoss [$first, $second, $last]);
        loss_module!(@of_operands $loss, $target, [$first: A, $second: B], $last);
    };
    (
        $loss:ident, $config:ident,
        Formula<$target:ident> [$first:ident, $second:ident, $third:ident, $last:ident]
    ) => {
        loss_module!($loss, $config, Inputs [$first, $second, $third, $last]);
        loss_module!(@formula $loss, 4, $target, [$first: A, $second: B, $third: C], $last);
    };
    ($loss:ident, $config:ident, Formula [$input:ident]) => {
        loss_module!($loss, $config, Inputs [$input]);

        impl<const D: usize> $crate::loss::Evaluate<(burn::tensor::Tensor<D>,)> for $loss {
            type Unreduced = burn::tensor::Tensor<D>;

            fn evaluate(
                &self,
                ($input,): (burn::tensor::Tensor<D>,),
                call: $crate::loss::call::Call,
            ) -> Result<$crate::loss::call::LossOutput, $crate::LossError> {
                let operands = [$crate::targets::AnyOperand::Numbers($input.into())];
                self.formula().evaluate(Self::NAME, operands, call)
            }

            fn inspect(&self, ($input,): (burn::tensor::Tensor<D>,)) -> alloc::vec::Vec<$crate::Lint> {
                let operands = [$crate::targets::AnyOperand::Numbers($input.into())];
                self.formula().lints(Self::NAME, operands)
            }
        }
    };
    (@formula $loss:ident, $count:literal, $target:ident, [$($input:ident: $kind:ident),+], $last:ident) => {
        impl $loss {
            fn losses(
                &self,
                operands: [$crate::targets::AnyOperand; $count],
                call: $crate::loss::call::Call,
            ) -> Result<$crate::loss::call::LossOutput, $crate::LossError> {
                self.formula().evaluate(Self::NAME, operands, call)
            }

            fn lints(
                &self,
                operands: [$crate::targets::AnyOperand; $count],
            ) -> alloc::vec::Vec<$crate::Lint> {
                self.formula().lints(Self::NAME, operands)
            }
        }

        loss_module!(@of_operands $loss, $target, [$($input: $kind),+], $last);
        $crate::losses::module::weight!($loss, $target of elements);
    };
    (@of_operands $loss:ident, $target:ident, [$($input:ident: $kind:ident),+], $last:ident) => {
        impl<const D: usize, T: $crate::targets::$target<D>>
            $crate::loss::Evaluate<($(loss_module!(@tensor $kind D),)+ T)> for $loss
        {
            type Unreduced = burn::tensor::Tensor<D>;

            fn evaluate(
                &self,
                ($($input,)+ $last): ($(loss_module!(@tensor $kind D),)+ T),
                call: $crate::loss::call::Call,
            ) -> Result<$crate::loss::call::LossOutput, $crate::LossError> {
                let operands = [
                    $($crate::targets::AnyOperand::Numbers($input.into()),)+
                    $last.into_operand(),
                ];
                self.losses(operands, call)
            }

            fn inspect(
                &self,
                ($($input,)+ $last): ($(loss_module!(@tensor $kind D),)+ T),
            ) -> alloc::vec::Vec<$crate::Lint> {
                self.lints([
                    $($crate::targets::AnyOperand::Numbers($input.into()),)+
                    $last.into_operand(),
                ])
            }
        }
    };
    (@tensor $kind:ident $rank:ident) => {
        burn::tensor::Tensor<$rank>
    };
    ($loss:ident, $config:ident, $target:ident $inputs:tt) => {
        loss_module!($loss, $config, Loss $inputs);
        loss_module!(@elements $loss, $target, erased);
        $crate::losses::module::weight!($loss, $target of elements);
    };
    (@elements $loss:ident, $target:ident, $erased:ident) => {
        impl<const D: usize, T: $crate::targets::$target<D>>
            $crate::loss::Evaluate<(burn::tensor::Tensor<D>, T)> for $loss
        {
            type Unreduced = burn::tensor::Tensor<D>;

            fn evaluate(
                &self,
                (input, target): (burn::tensor::Tensor<D>, T),
                call: $crate::loss::call::Call,
            ) -> Result<$crate::loss::call::LossOutput, $crate::LossError> {
                self.losses(input.into(), target.$erased(), call)
            }

            fn inspect(&self, (input, target): (burn::tensor::Tensor<D>, T)) -> alloc::vec::Vec<$crate::Lint> {
                self.lints(&input.into(), target.$erased())
            }
        }
    };
    (@module $loss:ident, $config:ident) => {
        impl $config {
            /// The loss with this configuration.
            ///
            /// # Panics
            ///
            /// With the error's text where [`try_init`](Self::try_init) returns an error.
            #[track_caller]
            pub fn init(&self) -> $loss {
                $crate::validate::error::or_panic(self.try_init())
            }

            /// The loss with this configuration.
            ///
            /// # Errors
            ///
            /// What is wrong with the configuration.
            pub fn try_init(&self) -> Result<$loss, $crate::LossError> {
                self.validate()?;
                let config = self.clone();
                Ok($loss { config })
            }
        }

        impl $loss {
            /// The loss with the default configuration.
            pub fn new() -> Self {
                $config::new().init()
            }

            pub(crate) const NAME: &'static str = stringify!($loss);

            /// The configuration the loss was made with.
            pub fn config(&self) -> &$config {
                &self.config
            }
        }

        impl Default for $loss {
            fn default() -> Self {
                Self::new()
            }
        }

        // A module without parameters, and nothing to show but its configuration. What Burn would derive of that was a tenth
        // of all code of this crate, before optimisation.
        impl burn::module::Module for $loss {
            burn::empty!(module);
        }

        impl core::fmt::Display for $loss {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(&$crate::losses::module::describe(&self.config))
            }
        }

        impl burn::module::ModuleDisplayDefault for $loss {
            fn content(&self, content: burn::module::Content) -> Option<burn::module::Content> {
                content.add_formatted(self).optional()
            }
        }

        impl burn::module::ModuleDisplay for $loss {
            fn format(&self, _: burn::module::DisplaySettings) -> alloc::string::String {
                $crate::losses::module::describe(&self.config)
            }
        }

        impl $crate::loss::sealed::Sealed for $loss {}

        impl $crate::loss::LossInfo for $loss {
            fn name(&self) -> &'static str {
                Self::NAME
            }

            fn reduction(&self) -> $crate::Reduction {
                self.config.reduction
            }
        }
    };
}

/// Stamps what its targets count in a mean onto a loss that knows it without its input: each element counts as one, or each
/// target of classes as its `options` say.
macro_rules! weight {
    ($loss:ident, $target:ident of elements) => {
        impl $loss {
            /// What these targets count in a mean, of shape `[1]`: how many there are.
            ///
            /// It is the `weight` that `forward_parts` gives, known before there is an input. Of the targets of several
            /// batches it is the total of `forward_over`.
            pub fn weight<const D: usize, T: $crate::targets::$target<D>>(
                &self,
                targets: T,
            ) -> burn::tensor::Tensor<1> {
                let (shape, device) = (targets.shape(), targets.device());
                $crate::loss::weight::of_elements(&shape, &device)
            }
        }
    };
    ($loss:ident, $target:ident of classes) => {
        impl $loss {
            /// What these targets count in a mean, of shape `[1]`: the sum of the weights of the classes of all samples
            /// that are not ignored, or how many these are where classes have no weight of their own.
            ///
            /// It is the `weight` that `forward_parts` gives, known before there is an input, and without one in memory.
            /// Of the targets of several batches it is the total of `forward_over`. It is in the type that the device has
            /// for floats, or in `F32` where that is narrower.
            ///
            /// # Panics
            ///
            /// With the error's text where `try_weight` returns one.
            #[track_caller]
            pub fn weight<const D: usize, T: $crate::targets::$target<D>>(
                &self,
                targets: T,
            ) -> burn::tensor::Tensor<1> {
                let targets = targets.erased();
                let found = $crate::loss::weight::of_classes(&self.options(), targets, false);
                $crate::validate::error::or_panic(found)
            }

            /// As `weight`, or what is wrong with the targets.
            ///
            /// # Errors
            ///
            /// An id that is neither ignored nor that of a class with a weight. Without weights any id may be a class:
            /// that is up to the input.
            pub fn try_weight<const D: usize, T: $crate::targets::$target<D>>(
                &self,
                targets: T,
            ) -> Result<burn::tensor::Tensor<1>, $crate::LossError> {
                $crate::loss::weight::of_classes(&self.options(), targets.erased(), true)
            }
        }
    };
}

/// Stamps the calls of a trait onto a loss as methods of its own, so that nothing must be imported for them, and the
/// inputs have their names.
macro_rules! calls {
    ([$($generics:tt)*] $loss:ty, Loss [$input:ident, $target:ident]) => {
        $crate::losses::module::calls!(@methods [$($generics)*] $loss, Loss, [X, T], [$input: X, $target: T]);
    };
    ([$($generics:tt)*] $loss:ty, TripleLoss [$first:ident, $second:ident, $third:ident]) => {
        $crate::losses::module::calls!(
            @methods [$($generics)*] $loss, TripleLoss, [A, B, C], [$first: A, $second: B, $third: C]
        );
    };
    ([$($generics:tt)*] $loss:ty, Inputs [$input:ident]) => {
        $crate::losses::module::calls!(@inputs [$($generics)*] $loss, [X], [$input: X]);
    };
    ([$($generics:tt)*] $loss:ty, Inputs [$first:ident, $second:ident, $third:ident, $fourth:ident]) => {
        $crate::losses::module::calls!(
            @inputs [$($generics)*] $loss, [A, B, C, D], [$first: A, $second: B, $third: C, $fourth: D]
        );
    };
    (@inputs [$($generics:tt)*] $loss:ty, [$($kind:ident),*], [$($input:ident: $of:ident),*]) => {
        impl<$($generics)*> $loss {
            /// The reduced loss, of shape `[1]`.
            ///
            /// # Panics
            ///
            /// With the error's text where `try_forward` returns one.
            #[track_caller]
            pub fn forward<$($kind),*>(&self, $($input: $of),*) -> burn::tensor::Tensor<1>
            where
                Self: $crate::Evaluate<($($kind,)*)>,
            {
                $crate::loss::forward(self, ($($input,)*))
            }

            /// The reduced loss, or what is wrong with the call.
            ///
            /// # Errors
            ///
            /// What the page of the loss says.
            pub fn try_forward<$($kind),*>(
                &self,
                $($input: $of),*
            ) -> Result<burn::tensor::Tensor<1>, $crate::LossError>
            where
                Self: $crate::Evaluate<($($kind,)*)>,
            {
                $crate::loss::reduced(self, ($($input,)*), true)
            }

            /// The loss of each element.
            ///
            /// # Panics
            ///
            /// As `forward`.
            #[track_caller]
            pub fn forward_no_reduction<$($kind),*>(
                &self,
                $($input: $of),*
            ) -> <Self as $crate::Evaluate<($($kind,)*)>>::Unreduced
            where
                Self: $crate::Evaluate<($($kind,)*)>,
            {
                $crate::loss::forward_no_reduction(self, ($($input,)*))
            }

            /// The reduced loss, in which each element counts as much as its weight says.
            ///
            /// # Panics
            ///
            /// As `forward`.
            #[track_caller]
            pub fn forward_weighted<$($kind,)* W>(
                &self,
                $($input: $of,)*
                weights: W,
            ) -> burn::tensor::Tensor<1>
            where
                Self: $crate::Evaluate<($($kind,)*)>,
                W: $crate::target::SampleWeights<<Self as $crate::Evaluate<($($kind,)*)>>::Unreduced>,
            {
                $crate::loss::forward_weighted(self, ($($input,)*), weights)
            }

            /// As `forward_parts`, in which each element's loss and weight are multiplied by `weights`.
            ///
            /// # Panics
            ///
            /// As `forward`.
            #[track_caller]
            pub fn forward_weighted_parts<$($kind,)* W>(
                &self,
                $($input: $of,)*
                weights: W,
            ) -> $crate::LossParts
            where
                Self: $crate::Evaluate<($($kind,)*)>,
                W: $crate::target::SampleWeights<<Self as $crate::Evaluate<($($kind,)*)>>::Unreduced>,
            {
                $crate::loss::forward_weighted_parts(self, ($($input,)*), weights)
            }

            /// The sum of the losses and of their weights, of which the mean over several batches is made.
            ///
            /// # Panics
            ///
            /// As `forward`.
            #[track_caller]
            pub fn forward_parts<$($kind),*>(&self, $($input: $of),*) -> $crate::LossParts
            where
                Self: $crate::Evaluate<($($kind,)*)>,
            {
                $crate::loss::forward_parts(self, ($($input,)*))
            }

            /// The share of this batch in the mean of several: the sum of its losses over the sum of the weights of all,
            /// as [`Loss::forward_over`](crate::Loss::forward_over).
            ///
            /// # Panics
            ///
            /// As `forward`.
            #[track_caller]
            pub fn forward_over<$($kind),*>(
                &self,
                $($input: $of,)*
                total: burn::tensor::Tensor<1>,
            ) -> burn::tensor::Tensor<1>
            where
                Self: $crate::Evaluate<($($kind,)*)>,
            {
                $crate::loss::forward_over(self, ($($input,)*), total)
            }

            /// What is legal but suspicious about this batch. It reads the values and waits for the device.
            pub fn lint<$($kind: Clone),*>(&self, $($input: &$of),*) -> alloc::vec::Vec<$crate::Lint>
            where
                Self: $crate::Evaluate<($($kind,)*)>,
            {
                $crate::loss::lints(self, ($($input.clone(),)*))
            }
        }
    };
    (@methods [$($generics:tt)*] $loss:ty, $calls:ident, [$($kind:ident),*], [$($input:ident: $of:ident),*]) => {
        impl<$($generics)*> $loss {
            /// The reduced loss, of shape `[1]`, as
            #[doc = concat!("[`", stringify!($calls), "::forward`](crate::", stringify!($calls), "::forward).")]
            ///
            /// # Panics
            ///
            /// With the error's text where `try_forward` returns one.
            #[track_caller]
            pub fn forward<$($kind),*>(&self, $($input: $of),*) -> burn::tensor::Tensor<1>
            where
                Self: $crate::$calls<$($kind),*>,
            {
                $crate::$calls::forward(self, $($input),*)
            }

            /// The reduced loss, or what is wrong with the call.
            ///
            /// # Errors
            ///
            /// What the page of the loss says.
            pub fn try_forward<$($kind),*>(
                &self,
                $($input: $of),*
            ) -> Result<burn::tensor::Tensor<1>, $crate::LossError>
            where
                Self: $crate::$calls<$($kind),*>,
            {
                $crate::$calls::try_forward(self, $($input),*)
            }

            /// The loss of each element or sample.
            ///
            /// # Panics
            ///
            /// As `forward`.
            #[track_caller]
            pub fn forward_no_reduction<$($kind),*>(
                &self,
                $($input: $of),*
            ) -> <Self as $crate::Evaluate<($($kind),*)>>::Unreduced
            where
                Self: $crate::$calls<$($kind),*>,
            {
                $crate::$calls::forward_no_reduction(self, $($input),*)
            }

            /// The loss of each element or sample, or what is wrong with the call.
            ///
            /// # Errors
            ///
            /// As `try_forward`.
            pub fn try_forward_no_reduction<$($kind),*>(
                &self,
                $($input: $of),*
            ) -> Result<<Self as $crate::Evaluate<($($kind),*)>>::Unreduced, $crate::LossError>
            where
                Self: $crate::$calls<$($kind),*>,
            {
                $crate::$calls::try_forward_no_reduction(self, $($input),*)
            }

            /// The reduced loss, in which each element counts as much as its weight says, as
            #[doc = concat!(
                "[`", stringify!($calls), "::forward_weighted`](crate::", stringify!($calls), "::forward_weighted)."
            )]
            ///
            /// # Panics
            ///
            /// As `forward`.
            #[track_caller]
            pub fn forward_weighted<$($kind,)* W>(
                &self,
                $($input: $of,)*
                weights: W,
            ) -> burn::tensor::Tensor<1>
            where
                Self: $crate::$calls<$($kind),*>,
                W: $crate::target::SampleWeights<<Self as $crate::Evaluate<($($kind),*)>>::Unreduced>,
            {
                $crate::$calls::forward_weighted(self, $($input,)* weights)
            }

            /// As `forward_weighted`, or what is wrong with the call.
            ///
            /// # Errors
            ///
            /// As `try_forward`, and for weights that are negative, not finite, or of another shape.
            pub fn try_forward_weighted<$($kind,)* W>(
                &self,
                $($input: $of,)*
                weights: W,
            ) -> Result<burn::tensor::Tensor<1>, $crate::LossError>
            where
                Self: $crate::$calls<$($kind),*>,
                W: $crate::target::SampleWeights<<Self as $crate::Evaluate<($($kind),*)>>::Unreduced>,
            {
                $crate::$calls::try_forward_weighted(self, $($input,)* weights)
            }

            /// The sum of the losses and of their weights, of which the mean over several batches is made, as
            #[doc = concat!(
                "[`", stringify!($calls), "::forward_parts`](crate::", stringify!($calls), "::forward_parts)."
            )]
            ///
            /// # Panics
            ///
            /// As `forward`.
            #[track_caller]
            pub fn forward_parts<$($kind),*>(&self, $($input: $of),*) -> $crate::LossParts
            where
                Self: $crate::$calls<$($kind),*>,
            {
                $crate::$calls::forward_parts(self, $($input),*)
            }

            /// As `forward_parts`, or what is wrong with the call.
            ///
            /// # Errors
            ///
            /// As `try_forward`.
            pub fn try_forward_parts<$($kind),*>(
                &self,
                $($input: $of),*
            ) -> Result<$crate::LossParts, $crate::LossError>
            where
                Self: $crate::$calls<$($kind),*>,
            {
                $crate::$calls::try_forward_parts(self, $($input),*)
            }

            /// The share of this batch in the mean of several: the sum of its losses over the sum of the weights of all, as
            #[doc = concat!(
                "[`", stringify!($calls), "::forward_over`](crate::", stringify!($calls), "::forward_over)."
            )]
            ///
            /// # Panics
            ///
            /// As `forward`.
            #[track_caller]
            pub fn forward_over<$($kind),*>(
                &self,
                $($input: $of,)*
                total: burn::tensor::Tensor<1>,
            ) -> burn::tensor::Tensor<1>
            where
                Self: $crate::$calls<$($kind),*>,
            {
                $crate::$calls::forward_over(self, $($input,)* total)
            }

            /// As `forward_over`, or what is wrong with the call.
            ///
            /// # Errors
            ///
            /// As `try_forward`, and for a total that is no single number, negative, not finite, tracked or on another device.
            pub fn try_forward_over<$($kind),*>(
                &self,
                $($input: $of,)*
                total: burn::tensor::Tensor<1>,
            ) -> Result<burn::tensor::Tensor<1>, $crate::LossError>
            where
                Self: $crate::$calls<$($kind),*>,
            {
                $crate::$calls::try_forward_over(self, $($input,)* total)
            }

            /// As `forward_parts`, in which each element's loss and weight are multiplied by `weights`.
            ///
            /// # Panics
            ///
            /// As `forward`.
            #[track_caller]
            pub fn forward_weighted_parts<$($kind,)* W>(
                &self,
                $($input: $of,)*
                weights: W,
            ) -> $crate::LossParts
            where
                Self: $crate::$calls<$($kind),*>,
                W: $crate::target::SampleWeights<<Self as $crate::Evaluate<($($kind),*)>>::Unreduced>,
            {
                $crate::$calls::forward_weighted_parts(self, $($input,)* weights)
            }

            /// As `forward_weighted_parts`, or what is wrong with the call.
            ///
            /// # Errors
            ///
            /// As `try_forward_weighted`.
            pub fn try_forward_weighted_parts<$($kind,)* W>(
                &self,
                $($input: $of,)*
                weights: W,
            ) -> Result<$crate::LossParts, $crate::LossError>
            where
                Self: $crate::$calls<$($kind),*>,
                W: $crate::target::SampleWeights<<Self as $crate::Evaluate<($($kind),*)>>::Unreduced>,
            {
                $crate::$calls::try_forward_weighted_parts(self, $($input,)* weights)
            }

            /// What is legal but suspicious about this batch. It reads the values and waits for the device.
            pub fn lint<$($kind: Clone),*>(&self, $($input: &$of),*) -> alloc::vec::Vec<$crate::Lint>
            where
                Self: $crate::$calls<$($kind),*>,
            {
                $crate::$calls::lint(self, $($input),*)
            }
        }
    };
}

pub(crate) use {calls, loss_module, weight};
