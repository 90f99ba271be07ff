//! The sweeps over memory, without Burn, for tools that see a wrong access; `../run` runs them.
//!
//! The sources are those of the library, included where they are. `stub.rs` is what they use of Burn.
//! What else they come to use goes there, or into the modules below.
#![allow(dead_code, unused_imports)] // The rest of the library uses it.

extern crate alloc;
// The sources find the stub where they look for Burn.
extern crate self as burn;

mod stub;
pub use stub::{backend, nn, tensor};

#[cfg(test)]
mod plain;
#[cfg(test)]
mod tests;

#[path = "../../../src/real/mod.rs"]
pub(crate) mod real;
#[path = "../../../src/spec/mod.rs"]
pub(crate) mod spec;

#[path = "../../../src/engine"]
mod engine {
    /// As the library has it, without tensors.
    pub(crate) mod elementwise {
        use super::host::kernel::{Defined, Kernel};
        use crate::spec::elementwise::Elementwise;
        use crate::spec::operand::PerClass;
        use crate::spec::rule::{Rule, UnitRows};
        use std::sync::Arc;

        pub(crate) trait AnyElementwise: Kernel + std::fmt::Debug {
            fn kernel(&self) -> &dyn Kernel;
        }

        impl<D: Elementwise<K, S>, const K: usize, const S: usize> AnyElementwise for Defined<D, K, S> {
            fn kernel(&self) -> &dyn Kernel {
                self
            }
        }

        pub(crate) fn erase<D: Elementwise<K, S>, const K: usize, const S: usize>(
            definition: D,
        ) -> Arc<dyn AnyElementwise> {
            Arc::new(Defined(definition))
        }

        #[derive(Clone)]
        pub(crate) struct ElementwiseSpec<P> {
            pub(crate) definition: Arc<dyn AnyElementwise>,
            pub(crate) flat: Option<P>,
            pub(crate) along: Option<PerClass>,
            pub(crate) rules: Vec<Option<Rule>>,
            pub(crate) rows: Option<UnitRows>,
            pub(crate) weights: Option<PerClass>,
        }
    }
    /// As the library has it, without tensors.
    pub(crate) mod rows {
        use super::host::row_kernel::{DefinedPairs, DefinedRows, HostRows};
        use crate::spec::row::{PairLoss, RowLoss, RowTarget};
        use std::sync::Arc;

        pub(crate) trait AnyRowLoss<const K: usize>: HostRows<K> {
            fn on_host(&self) -> &dyn HostRows<K>;
        }

        impl<
            L: RowLoss<K, M, S, H, W>,
            const K: usize,
            const M: usize,
            const S: usize,
            const H: usize,
            const W: usize,
        > AnyRowLoss<K> for DefinedRows<L, K, M, S, H, W>
        {
            fn on_host(&self) -> &dyn HostRows<K> {
                self
            }
        }

        impl<L: PairLoss> AnyRowLoss<1> for DefinedPairs<L> {
            fn on_host(&self) -> &dyn HostRows<1> {
                self
            }
        }

        pub(crate) fn erase_rows<
            L: RowLoss<K, M, S, H, W>,
            const K: usize,
            const M: usize,
            const S: usize,
            const H: usize,
            const W: usize,
        >(
            loss: L,
        ) -> Arc<dyn AnyRowLoss<K>> {
            Arc::new(DefinedRows(loss))
        }

        pub(crate) fn erase_pairs<L: PairLoss>(loss: L) -> Arc<dyn AnyRowLoss<1>> {
            Arc::new(DefinedPairs(loss))
        }

        #[derive(Clone)]
        pub(crate) struct RowSpec<P, const K: usize> {
            pub(crate) loss: Arc<dyn AnyRowLoss<K>>,
            pub(crate) axis: usize,
            pub(crate) target: RowTarget<P>,
        }

        impl<P, const K: usize> RowSpec<P, K> {
            pub(crate) fn new(
                loss: Arc<dyn AnyRowLoss<K>>,
                axis: usize,
                target: RowTarget<P>,
            ) -> Self {
                Self { loss, axis, target }
            }

            pub(crate) fn map<Q>(self, map: impl FnOnce(P) -> Q) -> RowSpec<Q, K> {
                RowSpec::new(self.loss, self.axis, self.target.map(map))
            }
        }
    }
    pub(crate) mod host;
    pub(crate) mod ops;
    pub(crate) mod overlap;
    mod packed;
    pub(crate) mod softmax;
}

/// Definitions as the losses have them. What they compute makes no difference to memory.
mod losses {
    pub(crate) mod classification {
        use crate::real::Real;
        use crate::spec::softmax::SoftmaxHead;

        #[derive(Clone, Copy, Debug)]
        pub(crate) struct HalfLikelihood;

        impl SoftmaxHead for HalfLikelihood {
            #[inline(always)]
            fn of<R: Real>(&self, ln_p: R, _: R, _: R, lse: R) -> (R, R, R) {
                let zero = lse.clone() - lse;
                (ln_p.times(-0.5), zero.clone().plus(-0.5), zero)
            }
        }
    }

    pub(crate) mod regression {
        pub(crate) mod definitions {
            use crate::real::Real;
            use crate::spec::elementwise::{Derivative, Elementwise};

            #[derive(Clone, Copy, Debug)]
            pub(crate) struct SquaredError;

            impl Elementwise<2> for SquaredError {
                #[inline(always)]
                fn at<R: Real>(&self, [x, y]: [R; 2]) -> (R, impl FnOnce() -> [R; 1]) {
                    let error = x - y;
                    (error.clone() * error.clone(), move || [error.times(2.0)])
                }
            }

            /// One with a third gradient.
            #[derive(Clone, Copy, Debug)]
            pub(crate) struct ScaledError;

            impl Elementwise<3, 2> for ScaledError {
                const DERIVATIVES: &'static [Derivative] = &[
                    Derivative::Slope(0),
                    Derivative::Negative(0),
                    Derivative::Slope(1),
                ];

                #[inline(always)]
                fn at<R: Real>(&self, [x, y, scale]: [R; 3]) -> (R, impl FnOnce() -> [R; 2]) {
                    let error = x - y;
                    (error.clone() * scale.clone(), move || [scale, error])
                }
            }
        }
    }
}
