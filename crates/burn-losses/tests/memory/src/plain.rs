//! A tensor: numbers in a `Vec`, which others may have too.

use crate::engine::host::memory::Memory;
use crate::engine::host::numbers::Source;
use burn::backend::TensorMetadata;
use burn::tensor::{DType, Shape, bf16, f16};
use std::sync::Arc;

#[derive(Clone, Debug)]
pub(crate) struct Plain {
    numbers: Arc<Numbers>,
    shape: Shape,
    /// The numbers lie from the last to the first: not in the order of the shape.
    backwards: bool,
}

/// Stamps what there is for each type of numbers.
macro_rules! numbers {
    ($($name:ident($type:ty),)*) => {
        #[derive(Clone, Debug)]
        pub(crate) enum Numbers {
            $($name(Vec<$type>),)*
        }

        impl Numbers {
            fn len(&self) -> usize {
                match self {
                    $(Self::$name(numbers) => numbers.len(),)*
                }
            }

            fn backwards(&self) -> Self {
                match self {
                    $(Self::$name(numbers) => {
                        Self::$name(numbers.iter().rev().copied().collect())
                    })*
                }
            }

            fn start(&self) -> *const u8 {
                match self {
                    $(Self::$name(numbers) => numbers.as_ptr().cast(),)*
                }
            }

            fn source(&self) -> Source<'_> {
                match self {
                    $(Self::$name(numbers) => Source::$name(numbers),)*
                }
            }
        }

        impl TensorMetadata for Plain {
            fn dtype(&self) -> DType {
                match &*self.numbers {
                    $(Numbers::$name(_) => DType::$name,)*
                }
            }

            fn shape(&self) -> Shape {
                self.shape.clone()
            }
        }
    };
}

numbers! {
    F64(f64),
    F32(f32),
    F16(f16),
    BF16(bf16),
    I64(i64),
    I32(i32),
    I16(i16),
    I8(i8),
    U64(u64),
    U32(u32),
    U16(u16),
    U8(u8),
    Bool(bool),
}

impl Plain {
    pub(crate) fn new(numbers: Numbers, shape: &[usize]) -> Self {
        let shape = Shape::from(shape);
        assert_eq!(numbers.len(), shape.num_elements());
        Self {
            numbers: Arc::new(numbers),
            shape,
            backwards: false,
        }
    }

    /// Numbers of a float type.
    pub(crate) fn floats(dtype: DType, shape: &[usize], number: impl Fn(usize) -> f64) -> Self {
        let all = (0..shape.iter().product()).map(number);
        let numbers = match dtype {
            DType::F64 => Numbers::F64(all.collect()),
            DType::F32 => Numbers::F32(all.map(|x| x as f32).collect()),
            DType::F16 => Numbers::F16(all.map(f16::from_f64).collect()),
            DType::BF16 => Numbers::BF16(all.map(bf16::from_f64).collect()),
            dtype => panic!("{dtype:?} is not a float type"),
        };
        Self::new(numbers, shape)
    }

    /// The same numbers in memory of their own.
    pub(crate) fn copy(&self) -> Self {
        Self {
            numbers: Arc::new(Numbers::clone(&self.numbers)),
            ..self.clone()
        }
    }

    /// The same tensor, whose numbers lie in another order.
    pub(crate) fn out_of_order(&self) -> Self {
        Self {
            numbers: Arc::new(self.numbers.backwards()),
            shape: self.shape.clone(),
            backwards: !self.backwards,
        }
    }

    /// Where the numbers are.
    pub(crate) fn start(&self) -> *const u8 {
        self.numbers.start()
    }

    /// Whether all numbers are the same, which are thereby read. A NaN is any other.
    pub(crate) fn same(&self, other: &Self) -> bool {
        fn same<T: PartialEq>(one: &[T], other: &[T]) -> bool {
            #[allow(clippy::eq_op)] // NaN alone is not equal to itself.
            let same = |(one, other): (&T, &T)| one == other || (one != one && other != other);
            one.len() == other.len() && one.iter().zip(other).all(same)
        }
        let at_same_place = self.shape == other.shape && self.backwards == other.backwards;
        at_same_place
            && match (&*self.numbers, &*other.numbers) {
                (Numbers::F64(one), Numbers::F64(other)) => same(one, other),
                (Numbers::F32(one), Numbers::F32(other)) => same(one, other),
                (Numbers::F16(one), Numbers::F16(other)) => same(one, other),
                (Numbers::BF16(one), Numbers::BF16(other)) => same(one, other),
                _ => false,
            }
    }
}

impl Memory for Plain {
    fn source(&self) -> Option<Source<'_>> {
        (!self.backwards).then(|| self.numbers.source())
    }

    fn contiguous(self) -> Self {
        match self.backwards {
            true => self.out_of_order(),
            false => self,
        }
    }

    fn own_f32(&mut self) -> Option<&mut [f32]> {
        match Arc::get_mut(&mut self.numbers)? {
            Numbers::F32(numbers) if !self.backwards => Some(numbers),
            _ => None,
        }
    }

    fn own_f64(&mut self) -> Option<&mut [f64]> {
        match Arc::get_mut(&mut self.numbers)? {
            Numbers::F64(numbers) if !self.backwards => Some(numbers),
            _ => None,
        }
    }

    fn from_f32(numbers: Vec<f32>, shape: Shape) -> Self {
        Self::new(Numbers::F32(numbers), shape.as_slice())
    }

    fn from_f64(numbers: Vec<f64>, shape: Shape) -> Self {
        Self::new(Numbers::F64(numbers), shape.as_slice())
    }
}
