//! What consists of numbers alone.

/// What can be written down and read again, in another process too.
#[cfg(feature = "remote")]
pub(crate) trait Plain: serde::Serialize + serde::de::DeserializeOwned {}

#[cfg(feature = "remote")]
impl<T: serde::Serialize + serde::de::DeserializeOwned> Plain for T {}

/// How an array is written down, whose length `serde` does not know.
#[cfg(feature = "remote")]
pub(crate) mod array {
    use alloc::vec::Vec;
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::{Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer, T: Serialize, const K: usize>(
        array: &[T; K],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        array.as_slice().serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, T: Deserialize<'de>, const K: usize>(
        deserializer: D,
    ) -> Result<[T; K], D::Error> {
        let numbers = Vec::deserialize(deserializer)?;
        let count = numbers.len();
        let array = numbers.try_into();
        array.map_err(|_| D::Error::invalid_length(count, &"as many as there are operands"))
    }
}

/// What could be, if there were another process to read it.
#[cfg(not(feature = "remote"))]
pub(crate) trait Plain {}

#[cfg(not(feature = "remote"))]
impl<T> Plain for T {}
