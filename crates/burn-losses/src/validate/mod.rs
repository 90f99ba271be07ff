//! What must hold for the inputs of a loss, and what is said where it does not.

pub(crate) mod check;
pub(crate) mod checks;
pub(crate) mod error;
pub(crate) mod label_ids;
pub(crate) mod options;
pub(crate) mod probabilities;
pub(crate) mod rank_ids;
pub(crate) mod signs;
