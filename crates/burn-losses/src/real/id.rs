//! The one place where class ids become safe to index with.

use burn::tensor::{Bool, DType, Int, Tensor};

/// An id, or a tensor of them, or one that a kernel will read.
pub(crate) trait Id: Clone {
    /// The result of a comparison.
    type Mask: Clone;
    /// How many classes there are.
    type Classes;

    /// The numbers its type holds.
    fn range(&self) -> (i128, i128);
    /// Whether the id is at most that of the last class.
    fn is_below(&self, classes: Self::Classes) -> Self::Mask;
    /// Whether the id is at least a number that its type holds.
    fn at_least(&self, number: i64) -> Self::Mask;
    /// Whether the id is at most a number that its type holds.
    fn at_most(&self, number: i64) -> Self::Mask;
    /// Whether the id is a number that its type holds.
    fn equals(&self, number: i64) -> Self::Mask;
    fn both(one: Self::Mask, other: Self::Mask) -> Self::Mask;
    fn either(one: Self::Mask, other: Self::Mask) -> Self::Mask;
    fn not(mask: Self::Mask) -> Self::Mask;
    /// 0 where the mask does not hold.
    fn or_zero(self, mask: Self::Mask) -> Self;
}

/// What an id turned out to be.
pub(crate) struct ClassifiedId<I: Id> {
    /// The id where it is a class, else 0: never out of range.
    pub(crate) class: I,
    /// Whether it is a class.
    pub(crate) is_class: I::Mask,
    /// Whether it is a class or ignored.
    pub(crate) valid: I::Mask,
}

/// Whether a type holds a number. Comparing with one that it cannot hold would wrap that around.
#[inline(always)]
pub(crate) fn holds((least, largest): (i128, i128), number: i64) -> bool {
    least <= i128::from(number) && i128::from(number) <= largest
}

/// Whether an id is at most that of the last of so many classes, where their number is known.
#[inline(always)]
fn is_below<I: Id>(id: &I, classes: usize) -> I::Mask {
    let last = classes as i64 - 1;
    if holds(id.range(), last) {
        id.at_most(last)
    } else {
        anything(id)
    }
}

/// What holds for any id.
#[inline(always)]
pub(crate) fn anything<I: Id>(id: &I) -> I::Mask {
    let zero = id.equals(0);
    I::either(zero.clone(), I::not(zero))
}

/// Tells a class from an ignored id, and both from anything else.
#[inline(always)]
pub(crate) fn classify<I: Id>(id: I, classes: I::Classes, ignored: &[i64]) -> ClassifiedId<I> {
    let (least, largest) = id.range();
    let mut class = id.is_below(classes);
    if least < 0 {
        class = I::both(class, id.at_least(0));
    }
    let mut valid = class.clone();
    let held = |number: &&i64| holds((least, largest), **number);
    for &number in ignored.iter().filter(held) {
        let ignored = id.equals(number);
        class = I::both(class, I::not(ignored.clone()));
        valid = I::either(valid, ignored);
    }
    ClassifiedId {
        class: id.or_zero(class.clone()),
        is_class: class,
        valid,
    }
}

impl Id for i64 {
    type Mask = bool;
    type Classes = usize;

    #[inline(always)]
    fn is_below(&self, classes: usize) -> bool {
        is_below(self, classes)
    }

    #[inline(always)]
    fn range(&self) -> (i128, i128) {
        range(DType::I64)
    }
    #[inline(always)]
    fn at_least(&self, number: i64) -> bool {
        *self >= number
    }
    #[inline(always)]
    fn at_most(&self, number: i64) -> bool {
        *self <= number
    }
    #[inline(always)]
    fn equals(&self, number: i64) -> bool {
        *self == number
    }
    #[inline(always)]
    fn both(one: bool, other: bool) -> bool {
        one & other
    }
    #[inline(always)]
    fn either(one: bool, other: bool) -> bool {
        one | other
    }
    #[inline(always)]
    fn not(mask: bool) -> bool {
        !mask
    }
    #[inline(always)]
    fn or_zero(self, mask: bool) -> i64 {
        if mask { self } else { 0 }
    }
}

impl<const D: usize> Id for Tensor<D, Int> {
    type Mask = Tensor<D, Bool>;
    type Classes = usize;

    fn is_below(&self, classes: usize) -> Tensor<D, Bool> {
        is_below(self, classes)
    }

    fn range(&self) -> (i128, i128) {
        range(self.dtype())
    }
    fn at_least(&self, number: i64) -> Tensor<D, Bool> {
        self.clone().greater_equal_scalar(number)
    }
    fn at_most(&self, number: i64) -> Tensor<D, Bool> {
        self.clone().lower_equal_scalar(number)
    }
    fn equals(&self, number: i64) -> Tensor<D, Bool> {
        self.clone().equal_scalar(number)
    }
    fn both(one: Tensor<D, Bool>, other: Tensor<D, Bool>) -> Tensor<D, Bool> {
        one.bool_and(other)
    }
    fn either(one: Tensor<D, Bool>, other: Tensor<D, Bool>) -> Tensor<D, Bool> {
        one.bool_or(other)
    }
    fn not(mask: Tensor<D, Bool>) -> Tensor<D, Bool> {
        mask.bool_not()
    }
    fn or_zero(self, mask: Tensor<D, Bool>) -> Self {
        self.mask_fill(mask.bool_not(), 0)
    }
}

/// The numbers an integer type holds.
pub(crate) fn range(dtype: DType) -> (i128, i128) {
    match dtype {
        DType::I8 => (i8::MIN.into(), i8::MAX.into()),
        DType::I16 => (i16::MIN.into(), i16::MAX.into()),
        DType::I32 => (i32::MIN.into(), i32::MAX.into()),
        DType::U8 => (0, u8::MAX.into()),
        DType::U16 => (0, u16::MAX.into()),
        DType::U32 => (0, u32::MAX.into()),
        DType::U64 => (0, u64::MAX.into()),
        _ => (i64::MIN.into(), i64::MAX.into()),
    }
}
