//! Several values of a kernel, as many as a loss needs.

use super::traced::{NonFiniteExpand, Traced, Tracer};
use alloc::vec::Vec;
use cubecl::ir::{ExpandValue, Scope};
use cubecl::prelude::*;

/// Values in `f32`, or vectors of them; or variables that hold such.
pub(crate) struct Registers;

#[derive(Clone)]
pub(crate) struct RegistersExpand {
    values: Vec<ExpandValue>,
}

impl CubeType for Registers {
    type ExpandType = RegistersExpand;
}

impl IntoExpand for RegistersExpand {
    type Expand = Self;
    fn into_expand(self, _: &Scope) -> Self {
        self
    }
}

impl ExpandTypeClone for RegistersExpand {
    fn clone_unchecked(&self) -> Self {
        self.clone()
    }
}

impl IntoMut for RegistersExpand {
    fn into_mut(self, _: &Scope) -> Self {
        self
    }
}

impl CubeDebug for RegistersExpand {}

impl AsRefExpand for RegistersExpand {
    fn __expand_ref_method(&self, _: &Scope) -> &Self {
        self
    }
}

impl AsMutExpand for RegistersExpand {
    fn __expand_ref_mut_method(&mut self, _: &Scope) -> &mut Self {
        self
    }
}

impl RegistersExpand {
    /// A component of each of the values, which are vectors.
    pub(crate) fn component<'a, N: Size>(&self, tracer: Tracer<'a>, at: usize) -> Vec<Traced<'a>> {
        let component = |value: &ExpandValue| {
            let vector = NativeExpand::<Vector<f32, N>>::from(value.read_value(tracer.scope));
            tracer.of(vector.__expand_extract_method(tracer.scope, at))
        };
        self.values.iter().map(component).collect()
    }

    /// The values; those that variables hold at this point of the kernel.
    pub(crate) fn traced<'a>(&self, tracer: Tracer<'a>) -> Vec<Traced<'a>> {
        let read = |value: &ExpandValue| tracer.of::<f32>(value.read_value(tracer.scope).into());
        self.values.iter().map(read).collect()
    }
}

impl<'a> FromIterator<Traced<'a>> for RegistersExpand {
    fn from_iter<T: IntoIterator<Item = Traced<'a>>>(values: T) -> Self {
        let values = values.into_iter();
        Self {
            values: values.map(|value| value.value::<f32>().expand).collect(),
        }
    }
}

#[cube]
impl Registers {
    pub(crate) fn new() -> Self {
        intrinsic!(|_| RegistersExpand { values: Vec::new() })
    }

    /// Adds a value.
    pub(crate) fn push<T: CubePrimitive>(&mut self, value: T) {
        intrinsic!(|scope| self.values.push(value.read_value(scope).into()))
    }

    /// The value at a place.
    pub(crate) fn at<T: CubePrimitive>(&self, #[comptime] at: usize) -> T {
        intrinsic!(|_| self.values[at].into())
    }

    /// Variables that hold the values, each in all elements of a vector.
    pub(crate) fn variables<N: Size>(&self) -> Self {
        intrinsic!(|scope| {
            let variable = |value: &ExpandValue| {
                let number = NativeExpand::<f32>::from(*value);
                let vector = Vector::<f32, N>::__expand_cast_from(scope, number);
                init_expand(scope, vector.expand, true)
            };
            RegistersExpand {
                values: self.values.iter().map(variable).collect(),
            }
        })
    }

    /// Gives the variables new values.
    pub(crate) fn assign(&self, values: Registers) {
        intrinsic!(|scope| {
            for (variable, value) in self.values.iter().zip(&values.values) {
                assign::expand_element(scope, *value, *variable);
            }
        })
    }
}

/// The values to compute with, in the kernel of `scope`.
pub(crate) fn tracer<'a>(scope: &'a Scope, special: &NonFiniteExpand) -> Tracer<'a> {
    Tracer {
        scope,
        special: *special,
    }
}
