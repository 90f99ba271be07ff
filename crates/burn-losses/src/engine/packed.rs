//! Definitions as they are sent to a server, which has the code of those it knows.

use crate::spec::plain::Plain;
use alloc::string::String;
use alloc::vec::Vec;
#[cfg(feature = "remote")]
use std::sync::OnceLock;

/// The names of the definitions that a server knows, once they were said.
#[cfg(feature = "remote")]
static KNOWN: OnceLock<Vec<&'static str>> = OnceLock::new();

/// Says which definitions a server knows.
#[cfg(feature = "remote")]
pub(crate) fn set_known(names: impl Iterator<Item = &'static str>) {
    KNOWN.get_or_init(|| names.collect());
}

/// A definition: the name of its type, and its numbers.
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(not(feature = "remote"), allow(dead_code))] // Then nobody has a server.
pub(crate) struct Packed {
    pub(crate) name: String,
    pub(crate) numbers: Vec<u8>,
}

impl Packed {
    /// The definition, if a server knows it.
    #[cfg(feature = "remote")]
    pub(crate) fn of<D: Plain>(definition: &D) -> Option<Self> {
        let name = core::any::type_name::<D>();
        let known = KNOWN.get().is_some_and(|known| known.contains(&name));
        known.then(|| Self {
            name: name.into(),
            numbers: postcard::to_allocvec(definition).expect("numbers can be written down"),
        })
    }

    /// There is no server.
    #[cfg(not(feature = "remote"))]
    pub(crate) fn of<D: Plain>(_: &D) -> Option<Self> {
        None
    }
}
