//! A definition without its type: what runs it is compiled for it here, and chosen when it is called.

#[cfg(feature = "cube")]
use super::cube::elements::{ElementKernel, defined};
#[cfg(feature = "cube")]
use super::cube::kernel_key::KernelKey;
use super::packed::Pack;
use crate::engine::host::kernel::{Defined, Kernel};
use crate::engine::portable::elementwise::{TensorTerms, weighted};
use crate::spec::elementwise::Elementwise;
use crate::spec::operand::PerClass;
use crate::spec::rule::{Rule, UnitRows};
use alloc::sync::Arc;
use alloc::vec::Vec;
use burn::tensor::Tensor;
use core::fmt::Debug;

/// Any [`Elementwise`].
pub(crate) trait AnyElementwise: Kernel + Debug + Pack {
    fn kernel(&self) -> &dyn Kernel;

    /// The terms of tensors, times the weights of their classes, and their derivatives with respect to so
    /// many operands.
    fn on_tensors(
        &self,
        operands: &[Tensor<3>],
        weights: Option<Tensor<3>>,
        derivatives: usize,
    ) -> TensorTerms;

    /// What a GPU computes, given what must hold for the operands, how many of them have a gradient, and how
    /// large that may be.
    #[cfg(feature = "cube")]
    fn on_gpu(
        &self,
        rules: Vec<Option<Rule>>,
        inputs: usize,
        limit: f64,
    ) -> KernelKey<dyn ElementKernel>;
}

/// The definition without its type.
pub(crate) fn erase<D: Elementwise<K, S>, const K: usize, const S: usize>(
    definition: D,
) -> Arc<dyn AnyElementwise> {
    Arc::new(Defined(definition))
}

impl<D: Elementwise<K, S>, const K: usize, const S: usize> AnyElementwise for Defined<D, K, S> {
    fn kernel(&self) -> &dyn Kernel {
        self
    }

    fn on_tensors(
        &self,
        operands: &[Tensor<3>],
        weights: Option<Tensor<3>>,
        derivatives: usize,
    ) -> TensorTerms {
        let operands: [Tensor<3>; K] = core::array::from_fn(|at| operands[at].clone());
        let (value, slope) = self.0.at(operands);
        let weigh = |term| weighted(term, weights.clone());
        let value = weigh(value);
        let slopes = match derivatives {
            0 => Vec::new(),
            _ => slope().into_iter().map(weigh).collect(),
        };
        let derivatives = &D::DERIVATIVES[..derivatives];
        TensorTerms {
            value,
            slopes: derivatives
                .iter()
                .map(|derivative| derivative.of(&slopes))
                .collect(),
        }
    }

    #[cfg(feature = "cube")]
    fn on_gpu(
        &self,
        rules: Vec<Option<Rule>>,
        inputs: usize,
        limit: f64,
    ) -> KernelKey<dyn ElementKernel> {
        defined(self.0, rules, inputs, limit)
    }
}

/// A loss that acts on each element alone.
#[derive(Clone)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct ElementwiseSpec<P> {
    pub(crate) definition: Arc<dyn AnyElementwise>,
    /// The operands after the inputs, in this order: a number for each element, and numbers along an axis.
    pub(crate) flat: Option<P>,
    pub(crate) along: Option<PerClass>,
    /// What must hold for each element of an operand.
    pub(crate) rules: Vec<Option<Rule>>,
    pub(crate) rows: Option<UnitRows>,
    /// The weights of the classes.
    pub(crate) weights: Option<PerClass>,
}

impl<P> ElementwiseSpec<P> {
    pub(crate) fn map<Q>(self, map: impl FnOnce(P) -> Q) -> ElementwiseSpec<Q> {
        ElementwiseSpec {
            definition: self.definition,
            flat: self.flat.map(map),
            along: self.along,
            rules: self.rules,
            rows: self.rows,
            weights: self.weights,
        }
    }
}
