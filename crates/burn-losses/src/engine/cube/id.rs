//! The ids that a kernel will read.

use crate::real::id::{Id, anything};
use cubecl::ir::Scope;
use cubecl::prelude::*;

/// An id of type `I`, which holds the numbers of a range.
pub(crate) struct TracedId<'a, I: Int> {
    pub(crate) scope: &'a Scope,
    pub(crate) range: (i128, i128),
    pub(crate) value: NativeExpand<I>,
}

impl<I: Int> Clone for TracedId<'_, I> {
    fn clone(&self) -> Self {
        Self {
            scope: self.scope,
            range: self.range,
            value: self.value.clone_unchecked(),
        }
    }
}

/// How many classes there are, which the kernel is told when it is launched.
pub(crate) struct TracedClasses {
    /// The id of the last one.
    pub(crate) last: NativeExpand<usize>,
    /// The ids' type holds that number.
    pub(crate) held: bool,
}

#[derive(Clone, Copy)]
pub(crate) struct IdMask<'a> {
    scope: &'a Scope,
    pub(crate) value: NativeExpand<bool>,
}

impl<'a, I: Int> TracedId<'a, I> {
    fn constant(&self, number: i64) -> NativeExpand<I> {
        I::__expand_new(self.scope, number)
    }

    fn mask(&self, value: NativeExpand<bool>) -> IdMask<'a> {
        IdMask {
            scope: self.scope,
            value,
        }
    }
}

impl<'a, I: Int> Id for TracedId<'a, I> {
    type Mask = IdMask<'a>;
    type Classes = TracedClasses;

    fn is_below(&self, classes: TracedClasses) -> IdMask<'a> {
        if classes.held {
            let last = I::__expand_cast_from(self.scope, classes.last);
            self.mask(self.value.__expand_le_method(self.scope, &last))
        } else {
            anything(self)
        }
    }

    fn range(&self) -> (i128, i128) {
        self.range
    }
    fn at_least(&self, number: i64) -> IdMask<'a> {
        let number = self.constant(number);
        self.mask(self.value.__expand_ge_method(self.scope, &number))
    }
    fn at_most(&self, number: i64) -> IdMask<'a> {
        let number = self.constant(number);
        self.mask(self.value.__expand_le_method(self.scope, &number))
    }
    fn equals(&self, number: i64) -> IdMask<'a> {
        let number = self.constant(number);
        self.mask(self.value.__expand_eq_method(self.scope, &number))
    }
    fn both(one: IdMask<'a>, other: IdMask<'a>) -> IdMask<'a> {
        let value = one.value.__expand_and_method(one.scope, other.value);
        IdMask { value, ..one }
    }
    fn either(one: IdMask<'a>, other: IdMask<'a>) -> IdMask<'a> {
        let value = one.value.__expand_or_method(one.scope, other.value);
        IdMask { value, ..one }
    }
    fn not(mask: IdMask<'a>) -> IdMask<'a> {
        let value = mask.value.__expand_not_method(mask.scope);
        IdMask { value, ..mask }
    }
    fn or_zero(self, mask: IdMask<'a>) -> Self {
        let zero = self.constant(0);
        let value = select::expand(self.scope, mask.value, self.value.clone_unchecked(), zero);
        Self { value, ..self }
    }
}
