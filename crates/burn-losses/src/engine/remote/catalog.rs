//! The definitions whose code a client and its server both have.

use crate::engine::elementwise::AnyElementwise;
use crate::engine::packed::{Packed, set_known};
use crate::engine::rows::AnyRowLoss;
use crate::engine::softmax::AnySoftmaxHead;
use alloc::boxed::Box;
use core::any::type_name;
use serde::de::{Deserializer, Error};
use serde::ser::{Error as _, Serializer};
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;

/// A definition without its type, by its name.
pub(crate) struct Entry<T: ?Sized> {
    name: fn() -> &'static str,
    read: fn(&[u8]) -> Option<Box<T>>,
}

/// Stamps what makes an entry of a definition.
macro_rules! entries {
    ($($entry:ident: $any:ty;)*) => {
        $(pub(crate) const fn $entry<D>() -> Entry<$any>
        where
            D: crate::spec::plain::Plain + 'static,
            Box<D>: IntoAny<$any>,
        {
            Entry {
                name: type_name::<D>,
                read: |numbers| Some(Box::new(postcard::from_bytes::<D>(numbers).ok()?).into_any()),
            }
        })*
    };
}

/// What loses its type.
pub(crate) trait IntoAny<T: ?Sized> {
    fn into_any(self) -> Box<T>;
}

impl<D: AnyElementwise + 'static> IntoAny<dyn AnyElementwise> for Box<D> {
    fn into_any(self) -> Box<dyn AnyElementwise> {
        self
    }
}

impl<D: AnySoftmaxHead + 'static> IntoAny<dyn AnySoftmaxHead> for Box<D> {
    fn into_any(self) -> Box<dyn AnySoftmaxHead> {
        self
    }
}

impl<D: AnyRowLoss<K> + 'static, const K: usize> IntoAny<dyn AnyRowLoss<K>> for Box<D> {
    fn into_any(self) -> Box<dyn AnyRowLoss<K>> {
        self
    }
}

entries! {
    element: dyn AnyElementwise;
    head: dyn AnySoftmaxHead;
    row: dyn AnyRowLoss<1>;
    pair_of_rows: dyn AnyRowLoss<2>;
    triple_of_rows: dyn AnyRowLoss<3>;
}

/// All of them.
pub(crate) struct Catalog {
    pub(crate) elements: &'static [Entry<dyn AnyElementwise>],
    pub(crate) heads: &'static [Entry<dyn AnySoftmaxHead>],
    pub(crate) rows: &'static [Entry<dyn AnyRowLoss<1>>],
    pub(crate) pairs_of_rows: &'static [Entry<dyn AnyRowLoss<2>>],
    pub(crate) triples_of_rows: &'static [Entry<dyn AnyRowLoss<3>>],
}

static CATALOG: OnceLock<&'static Catalog> = OnceLock::new();

/// Says what there is: the losses are defined above this module.
pub(crate) fn set(catalog: &'static Catalog) {
    CATALOG.get_or_init(|| catalog);
    set_known(names());
}

/// The names of all definitions; nothing before the catalog was [set].
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    fn of<T: ?Sized>(entries: &'static [Entry<T>]) -> impl Iterator<Item = &'static str> {
        entries.iter().map(|entry| (entry.name)())
    }
    CATALOG.get().into_iter().flat_map(|catalog| {
        of(catalog.elements)
            .chain(of(catalog.heads))
            .chain(of(catalog.rows))
            .chain(of(catalog.pairs_of_rows))
            .chain(of(catalog.triples_of_rows))
    })
}

/// Stamps how what has lost its type is written down.
macro_rules! written {
    ($($any:ty $(, $of_rows:ident)?;)*) => {
        $(impl$(<const $of_rows: usize>)? Serialize for $any {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let packed = self.packed();
                let packed = packed.ok_or_else(|| S::Error::custom("it is not in the catalog"))?;
                packed.serialize(serializer)
            }
        })*
    };
}

written! {
    dyn AnyElementwise;
    dyn AnySoftmaxHead;
    dyn AnyRowLoss<K>, K;
}

/// Stamps how it is read.
macro_rules! read {
    ($($any:ty: $entries:ident;)*) => {
        $(impl<'de> Deserialize<'de> for Box<$any> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let packed = Packed::deserialize(deserializer)?;
                let mut entries = CATALOG.get().into_iter().flat_map(|catalog| catalog.$entries);
                let entry = entries.find(|entry| (entry.name)() == packed.name);
                let read = entry.and_then(|entry| (entry.read)(&packed.numbers));
                read.ok_or_else(|| D::Error::custom(packed.name))
            }
        })*
    };
}

read! {
    dyn AnyElementwise: elements;
    dyn AnySoftmaxHead: heads;
    dyn AnyRowLoss<1>: rows;
    dyn AnyRowLoss<2>: pairs_of_rows;
    dyn AnyRowLoss<3>: triples_of_rows;
}
