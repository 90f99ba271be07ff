//! Burn's backends without the features of burn-losses that are named like them.

#[path = "../../train.rs"]
mod train;

#[allow(deprecated)]
fn main() {
    train::check(burn::tensor::Device::flex());
    train::check(burn::tensor::Device::ndarray());
}
