//! Every loss, on every device, under one battery of behaviours.
//!
//! [`table`] has a row per loss: how to make it, what to feed it, how to call it. Everything else
//! runs over its rows, so a new loss is tested by adding a row.

#[path = "../common/mod.rs"]
mod common;

mod behaviours;
mod burn_nn;
mod catalogue;
mod contexts;
mod edges;
mod functions;
mod harness;
mod properties;
mod table;
mod unchecked;
