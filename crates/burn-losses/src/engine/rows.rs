//! A loss of rows without its type: what runs it is compiled for it here, and chosen when it is called.

#[cfg(feature = "cube")]
use super::cube::kernel_key::KernelKey;
#[cfg(feature = "cube")]
use super::cube::pairs::PairKernel;
#[cfg(feature = "cube")]
use super::cube::row_kernel::RowKernel;
#[cfg(feature = "cube")]
use super::cube::rows_defined::DefinedRow;
use super::packed::Pack;
use crate::engine::host::row_kernel::{DefinedPairs, DefinedRows, HostRows};
use crate::engine::portable::elementwise::TensorTerms;
use crate::engine::portable::ids::{ClassesLast, counts, hot_slots, slots, valid_rows};
use crate::engine::portable::tensors::AXIS;
use crate::engine::tape::known::GradientOf;
use crate::real::Real;
use crate::spec::row::{PairLoss, Row, RowLoss, RowTarget};
use alloc::sync::Arc;
use alloc::vec;
use burn::tensor::{Bool, Int, Tensor};
use core::fmt::Debug;

/// Any [`RowLoss`] or [`PairLoss`], or a loss of rows whose sweep is written by hand.
pub(crate) trait AnyRowLoss<const K: usize>: HostRows<K> + Debug + Pack {
    fn on_host(&self) -> &dyn HostRows<K>;

    /// The parts of the losses of layers, and the derivatives with respect to each operand.
    fn on_tensors(&self, x: [Tensor<3>; K], row: TensorRow) -> TensorTerms;

    /// Which rows are valid as a whole, if there is a rule for that.
    fn rows_hold(&self, _: &[Tensor<3>; K]) -> Option<Tensor<3, Bool>> {
        None
    }

    /// Whether there is something for [`on_gpu`](Self::on_gpu) to give; if not, a GPU computes with tensor operations.
    fn has_gpu_kernel(&self) -> bool {
        false
    }

    /// What a GPU computes, given how large a gradient may be.
    #[cfg(feature = "cube")]
    fn on_gpu(&self, _: f64) -> GpuRows {
        unreachable!("it has no kernel")
    }
}

/// What a GPU computes of rows.
#[cfg(feature = "cube")]
pub(crate) enum GpuRows {
    Elements(KernelKey<dyn RowKernel>),
    Pairs(KernelKey<dyn PairKernel>),
}

/// What rows have besides their elements, as tensors.
#[derive(Clone)]
pub(crate) enum TensorRow {
    Nothing,
    /// A number for each row.
    Number(Tensor<3>),
    /// Which element of a row is at its class.
    Class(Tensor<3, Bool>),
    Labels(Tensor<3, Int>),
}

/// The loss without its type.
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

/// As [`erase_rows`], of a loss of pairs.
pub(crate) fn erase_pairs<L: PairLoss>(loss: L) -> Arc<dyn AnyRowLoss<1>> {
    Arc::new(DefinedPairs(loss))
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

    fn on_tensors(&self, x: [Tensor<3>; K], row: TensorRow) -> TensorTerms {
        let (device, dtype) = (x[0].device(), x[0].dtype());
        let one = |number: f64| Tensor::<3>::full([1; 3], number, (&device, dtype));
        let over_length = one(1.0 / x[0].dims()[AXIS] as f64);
        let (own, is_class) = match row {
            TensorRow::Nothing | TensorRow::Labels(_) => (one(0.0), None),
            TensorRow::Number(numbers) => (numbers, None),
            TensorRow::Class(is_class) => {
                // Not multiplied by a one-hot row: zero times infinity would be NaN.
                let elsewhere = is_class.clone().bool_not();
                let own = x[0].clone().mask_fill(elsewhere, 0.0).sum_dim(AXIS);
                (own, Some(is_class))
            }
        };
        let row = Row { own, over_length };
        let sizes = self.0.sizes(&x).map(|size| size.max_dim(AXIS));
        let nothing = core::array::from_fn(|_| one(-0.0));
        let sums = self.0.add(nothing, &x, Some(&sizes), &row).map(|term| {
            let term = match &is_class {
                Some(is_class) => term.mask_fill(is_class.clone(), 0.0),
                None => term,
            };
            term.sum_dim(AXIS)
        });
        let (value, head) = self.0.head(&sizes, &sums, &row);
        let slopes = self.0.slopes(&x, &head).map(|slope| match &is_class {
            Some(is_class) => {
                let of_class = self.0.slope_of_class(&head).expand(slope.dims());
                slope.mask_where(is_class.clone(), of_class)
            }
            None => slope,
        });
        TensorTerms {
            value,
            slopes: slopes.into(),
        }
    }

    fn has_gpu_kernel(&self) -> bool {
        true
    }

    #[cfg(feature = "cube")]
    fn on_gpu(&self, limit: f64) -> GpuRows {
        GpuRows::Elements(KernelKey::of_row(DefinedRow::<L, K, M, S, H, W> {
            loss: self.0,
            limit,
        }))
    }
}

impl<L: PairLoss> AnyRowLoss<1> for DefinedPairs<L> {
    fn on_host(&self) -> &dyn HostRows<1> {
        self
    }

    fn on_tensors(&self, [x]: [Tensor<3>; 1], row: TensorRow) -> TensorTerms {
        let TensorRow::Labels(ids) = row else {
            unreachable!("pairs are of labels and other classes")
        };
        let rows = ClassesLast(x.dims());
        let (x, ids) = (rows.lay(x), rows.lay(ids));
        let (device, dtype) = (x.device(), x.dtype());
        let [count, classes] = x.dims();
        let over_length = Tensor::<3>::full([1; 3], 1.0 / classes as f64, (&device, dtype));
        let is_label: Tensor<3, Bool> = counts(&ids, classes, &device, dtype)
            .above(0.0)
            .unsqueeze_dim(1);
        let each: Tensor<3> = x.unsqueeze_dim(1);
        let mut value = Tensor::zeros([count, 1], (&device, dtype));
        let mut slopes = Tensor::zeros([count, classes], (&device, dtype));
        for ids in slots(&ids, classes) {
            let hot = hot_slots(ids, classes, &device, dtype);
            let shape = hot.dims();
            let cold = hot.equals(1.0).bool_not();
            let all = each.clone().expand(shape);
            let label = all.clone().mask_fill(cold, 0.0).sum_dim(2);
            let absent = hot.clone().sum_dim(2).equals(0.0).expand(shape);
            let out = absent.bool_or(is_label.clone().expand(shape));
            let (terms, slope) = self.0.at(label, all, &over_length);
            let terms = terms.set(out.clone(), 0.0).sum_dim(2).sum_dim(1);
            let slope = slope().set(out, 0.0);
            let of_labels = hot * slope.clone().sum_dim(2);
            value = value + terms.squeeze_dim::<2>(2);
            slopes = slopes + (slope - of_labels).sum_dim(1).squeeze_dim::<2>(1);
        }
        TensorTerms {
            value: rows.back(value),
            slopes: vec![rows.back(slopes)],
        }
    }

    fn has_gpu_kernel(&self) -> bool {
        true
    }

    #[cfg(feature = "cube")]
    fn on_gpu(&self, limit: f64) -> GpuRows {
        GpuRows::Pairs(KernelKey::of_pairs(self.0, limit))
    }
}

/// Which rows of layers have lists of labels.
pub(crate) fn have_labels(ids: Tensor<3, Int>, like: &Tensor<3>) -> Tensor<3, Bool> {
    let rows = ClassesLast(ids.dims());
    let ids = rows.lay(ids);
    let counts = counts(&ids, ids.dims()[1], &like.device(), like.dtype());
    rows.back(valid_rows(&ids, &counts))
}

/// A loss of rows, and what they have besides their elements.
#[derive(Clone)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "remote",
    serde(bound(
        deserialize = "P: serde::Deserialize<'de>, Box<dyn AnyRowLoss<K>>: serde::Deserialize<'de>"
    ))
)]
pub(crate) struct RowSpec<P, const K: usize> {
    pub(crate) loss: Arc<dyn AnyRowLoss<K>>,
    /// The axis along which the elements of a row lie.
    pub(crate) axis: usize,
    pub(crate) target: RowTarget<P>,
    pub(crate) of: GradientOf,
}

impl<P, const K: usize> RowSpec<P, K> {
    pub(crate) fn new(loss: Arc<dyn AnyRowLoss<K>>, axis: usize, target: RowTarget<P>) -> Self {
        Self {
            loss,
            axis,
            target,
            of: GradientOf::Loss,
        }
    }

    pub(crate) fn map<Q>(self, map: impl FnOnce(P) -> Q) -> RowSpec<Q, K> {
        RowSpec {
            loss: self.loss,
            axis: self.axis,
            target: self.target.map(map),
            of: self.of,
        }
    }
}
