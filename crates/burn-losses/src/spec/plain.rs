//! What consists of numbers alone.

/// What can be written down and read again, in another process too.
#[cfg(feature = "remote")]
pub(crate) trait Plain: serde::Serialize + serde::de::DeserializeOwned {}

#[cfg(feature = "remote")]
impl<T: serde::Serialize + serde::de::DeserializeOwned> Plain for T {}

/// What could be, if there were another process to read it.
#[cfg(not(feature = "remote"))]
pub(crate) trait Plain {}

#[cfg(not(feature = "remote"))]
impl<T> Plain for T {}
