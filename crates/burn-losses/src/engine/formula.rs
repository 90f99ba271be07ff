//! A formula of a user, as any other loss.

#[cfg(feature = "cube")]
use super::cube::elements::ElementKernel;
#[cfg(feature = "cube")]
use super::cube::formula::{FormulaElement, FormulaRow};
#[cfg(feature = "cube")]
use super::cube::kernel_key::KernelKey;
#[cfg(feature = "cube")]
use super::cube::row_kernel::RowKernel;
#[cfg(feature = "cube")]
use super::cube::softmax::HeadRow;
#[cfg(feature = "cube")]
use super::cube::traced::Traced;
use super::elementwise::AnyElementwise;
#[cfg(feature = "cube")]
use super::rows::GpuRows;
use super::rows::{AnyRowLoss, TensorRow};
use super::softmax::AnySoftmaxHead;
use crate::engine::host::formula::{FormulaHead, FormulaKernel, FormulaRows};
use crate::engine::host::head::HostHead;
use crate::engine::host::kernel::Kernel;
use crate::engine::host::row_kernel::HostRows;
use crate::engine::portable::elementwise::{TensorTerms, weighted};
use crate::engine::portable::tensors::AXIS;
use crate::real::Real;
#[cfg(feature = "cube")]
use crate::spec::rule::Rule;
use crate::spec::softmax::SoftmaxHead;
use alloc::vec::Vec;
use burn::tensor::Tensor;

impl AnyElementwise for FormulaKernel {
    fn kernel(&self) -> &dyn Kernel {
        self
    }

    fn on_tensors(
        &self,
        operands: &[Tensor<3>],
        weights: Option<Tensor<3>>,
        derivatives: usize,
    ) -> TensorTerms {
        let formula = match derivatives {
            0 => &self.value,
            _ => &self.all,
        };
        let results = formula.run(operands, &self.parameters).into_iter();
        let mut results = results.map(|term| weighted(term, weights.clone()));
        let value = results.next().expect("a formula has a loss");
        let slopes: Vec<_> = results.collect();
        let derivatives = &self.derivatives[..derivatives];
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
        KernelKey::of_element(FormulaElement {
            kernel: self.clone(),
            rules,
            inputs,
            limit,
        })
    }
}

impl SoftmaxHead for FormulaHead {
    fn parameters(&self) -> &[f64] {
        &self.parameters
    }

    fn of<R: Real>(&self, ln_p: R, p: R, rest: R, _: R) -> (R, R, R) {
        let results = self.formula.run(&[ln_p, p, rest], &self.parameters);
        let (loss, of_ln_p) = (results[0].clone(), results[1].clone());
        let of_lse = loss.like(0.0);
        (loss, of_ln_p, of_lse)
    }
}

impl AnySoftmaxHead for FormulaHead {
    fn on_host(&self) -> &dyn HostHead {
        self
    }

    fn on_tensors(&self, [ln_p, p, rest, lse]: [Tensor<3>; 4]) -> [Tensor<3>; 3] {
        let (loss, of_ln_p, of_lse) = self.of(ln_p, p, rest, lse);
        [loss, of_ln_p, of_lse]
    }

    #[cfg(feature = "cube")]
    fn traced<'a>(&self, [ln_p, p, rest, lse]: [Traced<'a>; 4]) -> [Traced<'a>; 3] {
        let (loss, of_ln_p, of_lse) = self.of(ln_p, p, rest, lse);
        [loss, of_ln_p, of_lse]
    }

    #[cfg(feature = "cube")]
    fn kernel_parameters(&self) -> &[f64] {
        &self.parameters
    }

    #[cfg(feature = "cube")]
    fn on_gpu(&self, limit: f64) -> KernelKey<dyn RowKernel> {
        KernelKey::of_row(HeadRow {
            head: self.clone(),
            limit,
        })
    }
}

impl<const K: usize> AnyRowLoss<K> for FormulaRows<K> {
    fn on_host(&self) -> &dyn HostRows<K> {
        self
    }

    fn on_tensors(&self, x: [Tensor<3>; K], _: TensorRow) -> TensorTerms {
        let shape = x[0].dims();
        let terms = self.terms.run(&x, &self.parameters);
        let sums: Vec<_> = terms.into_iter().map(|term| term.sum_dim(AXIS)).collect();
        let mut heads = self.head.run(&sums, &self.parameters).into_iter();
        let value = heads.next().expect("a formula has a loss");
        let of_sums = heads.map(|of_sum| of_sum.expand(shape));
        let operands: Vec<_> = x.into_iter().chain(of_sums).collect();
        let slopes = self.slopes.run(&operands, &self.parameters);
        TensorTerms {
            value,
            slopes: slopes.into_iter().skip(1).collect(),
        }
    }

    fn has_gpu_kernel(&self) -> bool {
        true
    }

    #[cfg(feature = "cube")]
    fn on_gpu(&self, limit: f64) -> GpuRows {
        GpuRows::Elements(KernelKey::of_row(FormulaRow {
            rows: self.clone(),
            limit,
        }))
    }
}
