//! Definitions as they are sent to a server, which has the code of those it knows.

use crate::spec::plain::Plain;
#[cfg(feature = "remote")]
use alloc::{string::String, vec::Vec};
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
#[cfg(feature = "remote")]
#[derive(serde::Serialize, serde::Deserialize)]
pub(crate) struct Packed {
    pub(crate) name: String,
    pub(crate) numbers: Vec<u8>,
}

/// What can be sent, if there is a server that knows it: any definition. (An `Arc` of one is not itself known.)
pub(crate) trait Pack {
    fn is_known(&self) -> bool;

    #[cfg(feature = "remote")]
    fn packed(&self) -> Packed;
}

#[cfg(feature = "remote")]
impl<D: Plain> Pack for D {
    fn is_known(&self) -> bool {
        let name = core::any::type_name::<D>();
        KNOWN.get().is_some_and(|known| known.contains(&name))
    }

    fn packed(&self) -> Packed {
        Packed {
            name: core::any::type_name::<D>().into(),
            numbers: postcard::to_allocvec(self).expect("numbers can be written down"),
        }
    }
}

/// There is no server.
#[cfg(not(feature = "remote"))]
impl<D: Plain> Pack for D {
    fn is_known(&self) -> bool {
        false
    }
}
