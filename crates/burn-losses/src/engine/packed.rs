//! Definitions as they are sent to a server, which has the code of those it knows.

use crate::spec::plain::Plain;
use alloc::string::String;
use alloc::vec::Vec;

/// A definition: the name of its type, and its numbers.
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(not(feature = "remote"), allow(dead_code))] // Then nobody has a server.
pub(crate) struct Packed {
    pub(crate) name: String,
    pub(crate) numbers: Vec<u8>,
}

impl Packed {
    /// The definition, if it is in the [catalog](super::remote::catalog).
    #[cfg(feature = "remote")]
    pub(crate) fn of<D: Plain>(definition: &D) -> Option<Self> {
        let name = core::any::type_name::<D>();
        let known = super::remote::catalog::names().any(|of_catalog| of_catalog == name);
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
