//! A gradient that is known.

use burn::tensor::Tensor;

/// How a gradient known per element of an input applies to a value.
pub(crate) struct KnownGradient {
    /// The derivative of the value's element with respect to the input's, untracked; the elements of the
    /// input as layers.
    pub(crate) gradient: Tensor<3>,
    /// The shape to which what comes from above is brought for multiplying: that of the gradient, with
    /// length 1 on each axis the value was summed over.
    pub(crate) keepdim_shape: [usize; 3],
    /// Whose gradient it is.
    pub(crate) of: GradientOf,
}

/// What has a gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum GradientOf {
    /// A loss. What is NaN in its gradient stays so, whatever comes from above: a wrong target is to show.
    Loss,
    /// A function that has no target, such as a distance: where nothing comes from above its gradient is 0,
    /// whatever the input is.
    Function,
}
