//! Shapes of inputs, and what becomes of them along an axis.

use alloc::vec;
use burn::tensor::Shape;

/// The sizes before an axis, of it, and after it.
pub(crate) fn layers(shape: &Shape, axis: usize) -> [usize; 3] {
    let dims = shape.as_slice();
    let (outer, inner) = (dims[..axis].iter(), dims[axis + 1..].iter());
    [outer.product(), dims[axis], inner.product()]
}

/// A shape of so many axes of length 1.
pub(crate) fn ones(rank: usize) -> Shape {
    Shape::from(vec![1; rank])
}

/// A shape without one of its axes.
pub(crate) fn without(shape: &Shape, axis: usize) -> Shape {
    let mut dims = shape.to_vec();
    dims.remove(axis);
    Shape::from(dims)
}
