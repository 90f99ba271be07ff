//! NdArray.
#![allow(deprecated)] // Burn points ndarray's users to flex; both are served here.

use super::InMemory;
use crate::engine::host::memory::Memory;
use crate::engine::host::numbers::Source;
use alloc::vec;
use alloc::vec::Vec;
use burn::backend::NdArray;
use burn::tensor::{Element, Shape};
use burn_ndarray::{NdArrayTensor, SharedArray};

impl InMemory for NdArray {
    type Tensor = NdArrayTensor;
}

/// The same for a tensor of each type: the storage cannot be named outside of its crate.
macro_rules! each_type {
    ($tensor:expr, $numbers:ident => $result:expr, $($variant:ident)*) => {
        match $tensor {
            $(NdArrayTensor::$variant($numbers) => $result,)*
        }
    };
}

impl Memory for NdArrayTensor {
    fn source(&self) -> Option<Source<'_>> {
        Some(match self {
            Self::F64(numbers) => Source::F64(numbers.view().to_slice()?),
            Self::F32(numbers) => Source::F32(numbers.view().to_slice()?),
            Self::I64(numbers) => Source::I64(numbers.view().to_slice()?),
            Self::I32(numbers) => Source::I32(numbers.view().to_slice()?),
            Self::I16(numbers) => Source::I16(numbers.view().to_slice()?),
            Self::I8(numbers) => Source::I8(numbers.view().to_slice()?),
            Self::U64(numbers) => Source::U64(numbers.view().to_slice()?),
            Self::U32(numbers) => Source::U32(numbers.view().to_slice()?),
            Self::U16(numbers) => Source::U16(numbers.view().to_slice()?),
            Self::U8(numbers) => Source::U8(numbers.view().to_slice()?),
            Self::Bool(numbers) => Source::Bool(numbers.view().to_slice()?),
        })
    }

    fn contiguous(self) -> Self {
        each_type!(
            self,
            numbers => {
                let view = numbers.view();
                let (shape, strides) = (view.shape().to_vec(), view.strides().to_vec());
                let numbers = match view.to_slice_memory_order() {
                    Some(memory) => row_major(memory, &shape, &strides),
                    None => view.iter().copied().collect(),
                };
                array(numbers, shape).into()
            },
            F64 F32 I64 I32 I16 I8 U64 U32 U16 U8 Bool
        )
    }

    fn own_f32(&mut self) -> Option<&mut [f32]> {
        match self {
            Self::F32(numbers) if numbers.is_unique() => numbers.ensure_owned().as_slice_mut(),
            _ => None,
        }
    }

    fn own_f64(&mut self) -> Option<&mut [f64]> {
        match self {
            Self::F64(numbers) if numbers.is_unique() => numbers.ensure_owned().as_slice_mut(),
            _ => None,
        }
    }

    fn from_f32(numbers: Vec<f32>, shape: Shape) -> Self {
        array(numbers, shape.to_vec()).into()
    }

    fn from_f64(numbers: Vec<f64>, shape: Shape) -> Self {
        array(numbers, shape.to_vec()).into()
    }
}

/// The same numbers in row-major order; they fill their memory in another order.
///
/// They are copied in squares, so that what is read and what is written stay in the nearest cache: an iterator
/// over such a tensor takes some 20 ns for a number.
fn row_major<T: Copy>(memory: &[T], shape: &[usize], strides: &[isize]) -> Vec<T> {
    const SIDE: usize = 32;
    let rank = shape.len();
    let count = memory.len();
    if count == 0 || rank < 2 {
        // Of one axis, it is flipped if it is not in order.
        return memory.iter().rev().copied().collect();
    }
    let last = rank - 1;
    // What is adjacent in memory is read together with the last axis, which is adjacent in the copy.
    let sides = |&axis: &usize| (shape[axis] == 1, strides[axis].unsigned_abs());
    let near = (0..last).min_by_key(sides).unwrap_or(0);
    let mut steps = vec![1; rank];
    for axis in (0..last).rev() {
        steps[axis] = steps[axis + 1] * shape[axis + 1];
    }
    // Where the first number is: axes that are flipped start at their end.
    let flipped = strides.iter().zip(shape).filter(|(stride, _)| **stride < 0);
    let first: usize = flipped
        .map(|(stride, length)| stride.unsigned_abs() * (length - 1))
        .sum();
    let mut copy = vec![memory[0]; count];
    let others: Vec<usize> = (0..last).filter(|&axis| axis != near).collect();
    let planes: usize = others.iter().map(|&axis| shape[axis]).product();
    for plane in 0..planes {
        let (mut from, mut to, mut rest) = (first as isize, 0, plane);
        for &axis in others.iter().rev() {
            let at = rest % shape[axis];
            rest /= shape[axis];
            from += at as isize * strides[axis];
            to += at * steps[axis];
        }
        for row in (0..shape[near]).step_by(SIDE) {
            for column in (0..shape[last]).step_by(SIDE) {
                let columns = column..shape[last].min(column + SIDE);
                for row in row..shape[near].min(row + SIDE) {
                    let from = from + row as isize * strides[near];
                    let to = to + row * steps[near];
                    for column in columns.clone() {
                        let place = from + column as isize * strides[last];
                        copy[to + column] = memory[place as usize];
                    }
                }
            }
        }
    }
    copy
}

fn array<E: Element>(numbers: Vec<E>, shape: Vec<usize>) -> SharedArray<E> {
    SharedArray::from_shape_vec(shape, numbers).expect("a number for each element")
}

#[cfg(test)]
mod tests {
    use super::row_major;

    #[test]
    fn any_order_becomes_that_of_rows() {
        let memory: Vec<usize> = (0..3 * 40 * 50).collect();
        // An axis for each place in memory, from the outermost, and whether it is flipped.
        for order in [
            [0, 1, 2],
            [2, 1, 0],
            [1, 0, 2],
            [1, 2, 0],
            [0, 2, 1],
            [2, 0, 1],
        ] {
            for flips in 0..8 {
                let lengths = [3, 40, 50];
                let whole = [2000isize, 50, 1];
                let (mut shape, mut strides, mut first) = ([0; 3], [0; 3], 0);
                for (place, &axis) in order.iter().enumerate() {
                    shape[axis] = lengths[place];
                    strides[axis] = whole[place];
                    if flips >> axis & 1 == 1 {
                        first += (lengths[place] - 1) * whole[place] as usize;
                        strides[axis] = -whole[place];
                    }
                }
                let mut expected = Vec::new();
                for a in 0..shape[0] {
                    for b in 0..shape[1] {
                        for c in 0..shape[2] {
                            let at = a as isize * strides[0] + b as isize * strides[1];
                            expected.push(first.wrapping_add_signed(at + c as isize * strides[2]));
                        }
                    }
                }
                assert_eq!(
                    row_major(&memory, &shape, &strides),
                    expected,
                    "{order:?} {flips}"
                );
            }
        }
        assert_eq!(row_major(&[1, 2, 3], &[3], &[-1]), [3, 2, 1]);
    }
}
