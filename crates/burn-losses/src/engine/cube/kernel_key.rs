//! Values of the host that a kernel is made with.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::any::type_name;
use core::fmt::{Debug, Formatter};
use core::hash::{Hash, Hasher};
use core::ops::Deref;

/// Something that is part of a kernel's name: two are the same if they look the same.
pub(crate) struct KernelKey<T: ?Sized> {
    name: String,
    value: Arc<T>,
}

impl<T: ?Sized> KernelKey<T> {
    /// What `erase` makes of a value, with the name of that.
    pub(crate) fn new<V: Debug>(value: V, erase: fn(V) -> Arc<T>) -> Self {
        Self {
            name: format!("{} {value:?}", type_name::<V>()),
            value: erase(value),
        }
    }
}

impl<T: ?Sized> Deref for KernelKey<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: ?Sized> Clone for KernelKey<T> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            value: self.value.clone(),
        }
    }
}

impl<T: ?Sized> PartialEq for KernelKey<T> {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl<T: ?Sized> Eq for KernelKey<T> {}

impl<T: ?Sized> Hash for KernelKey<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl<T: ?Sized> Debug for KernelKey<T> {
    fn fmt(&self, formatter: &mut Formatter) -> core::fmt::Result {
        formatter.write_str(&self.name)
    }
}
