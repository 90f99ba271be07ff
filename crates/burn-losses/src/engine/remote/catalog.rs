//! The definitions whose code a client and its server both have.

use crate::engine::elementwise::AnyElementwise;
use crate::engine::packed::{Packed, set_known};
use crate::engine::rows::AnyRowLoss;
use crate::engine::softmax::AnySoftmaxHead;
use crate::spec::plain::Plain;
use alloc::boxed::Box;
use core::any::type_name;
use serde::de::{Deserializer, Error};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;

/// A definition without its type, by its name.
pub(crate) struct Entry<T: ?Sized> {
    name: fn() -> &'static str,
    read: fn(&[u8]) -> Option<Box<T>>,
}

/// Stamps what makes an entry of a definition.
macro_rules! entries {
    ($($entry:ident: $any:path;)*) => {
        $(pub(crate) const fn $entry<D: Plain + $any + 'static>() -> Entry<dyn $any> {
            Entry {
                name: type_name::<D>,
                read: |numbers| Some(Box::new(postcard::from_bytes::<D>(numbers).ok()?)),
            }
        })*
    };
}

entries! {
    element: AnyElementwise;
    head: AnySoftmaxHead;
    row: AnyRowLoss<1>;
    pair_of_rows: AnyRowLoss<2>;
    triple_of_rows: AnyRowLoss<3>;
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
                self.packed().serialize(serializer)
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
