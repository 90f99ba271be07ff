//! Burn's default features and wgpu.

#[path = "../../train.rs"]
mod train;

fn main() {
    let kind = burn::tensor::DeviceKind::DefaultDevice;
    train::check(burn::tensor::Device::wgpu(kind));
}
