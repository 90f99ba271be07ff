//! The Lovász extension of the Jaccard loss, as any other loss of rows.

use super::rows::{AnyRowLoss, TensorRow};
use crate::engine::host::lovasz::{LovaszRows, of_values};
use crate::engine::host::row_kernel::HostRows;
use crate::engine::portable::elementwise::TensorTerms;
use alloc::vec;
use alloc::vec::Vec;
use burn::tensor::{Tensor, TensorData};

impl AnyRowLoss<2> for LovaszRows {
    fn on_host(&self) -> &dyn HostRows<2> {
        self
    }

    /// The errors are read, and sorted in this process: Burn sorts those of a GPU there too.
    fn on_tensors(&self, [errors, truth]: [Tensor<3>; 2], _: TensorRow) -> TensorTerms {
        let [rows, length, _] = errors.dims();
        let (device, dtype) = (errors.device(), errors.dtype());
        let read = |of: Tensor<3>| of.into_data().iter::<f64>().collect::<Vec<_>>();
        let constant = errors.zeros_like();
        let (losses, slopes) = of_values(&read(errors), &read(truth), length);
        let written = |numbers: Vec<f64>, shape: [usize; 3]| {
            let data = TensorData::new(numbers, shape).convert_dtype(dtype);
            Tensor::from_data(data, (&device, dtype))
        };
        TensorTerms {
            value: written(losses, [rows, 1, 1]),
            slopes: vec![written(slopes, [rows, length, 1]), constant],
        }
    }
}
