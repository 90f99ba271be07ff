//! A GPU for the unit tests, and guards around the memory that kernels are given.

use burn::tensor::{Device, Tensor};
use core::sync::atomic::{AtomicBool, Ordering};
use cubecl::client::Client;
use cubecl::server::Handle;
use std::sync::{Mutex, PoisonError};

/// The GPU of this machine, or what plays it; there may be none.
pub(crate) fn device() -> Option<Device> {
    let open = || {
        let device = Device::wgpu(burn::tensor::DeviceKind::DefaultDevice);
        let sum = Tensor::<1>::ones([2], &device).sum();
        assert_eq!(sum.into_scalar::<f32>(), 2.0);
        device
    };
    let device = std::panic::catch_unwind(open).ok();
    if device.is_none() {
        std::eprintln!("SKIPPED on wgpu: this machine has no adapter");
    }
    device
}

/// What a guard is made of.
const GUARD: u8 = 0xA5;

/// Memory with a guard before and behind it.
struct Guarded {
    client: Client,
    whole: Handle,
    size: usize,
}

static GUARDING: AtomicBool = AtomicBool::new(false);
static GUARDED: Mutex<Vec<Guarded>> = Mutex::new(Vec::new());

/// Runs a function during which all memory that kernels write their results to lies between guards, and
/// sees to it that these are not touched.
pub(crate) fn between_guards(run: impl FnOnce()) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    GUARDING.store(true, Ordering::SeqCst);
    run();
    GUARDING.store(false, Ordering::SeqCst);
    let all = core::mem::take(&mut *GUARDED.lock().unwrap_or_else(PoisonError::into_inner));
    assert!(!all.is_empty(), "no kernel was given memory");
    for guarded in all {
        let bytes = guarded.client.read_one_unchecked(guarded.whole);
        let length = guard(&guarded.client);
        let behind = length + guarded.size;
        let guards = bytes[..length]
            .iter()
            .chain(&bytes[behind..behind + length]);
        let touched = guards.filter(|&&byte| byte != GUARD).count();
        assert_eq!(
            touched,
            0,
            "beside {} bytes, of {}",
            guarded.size,
            bytes.len()
        );
    }
}

/// How long a guard is: memory may begin only at multiples of some number.
fn guard(client: &Client) -> usize {
    client.properties().memory.alignment as usize
}

/// New memory, between guards if that is wanted.
pub(crate) fn memory(client: &Client, size: usize) -> Handle {
    if !GUARDING.load(Ordering::SeqCst) {
        return client.empty(size);
    }
    let length = guard(client);
    let whole = client.create_from_slice(&std::vec![GUARD; length + size + length]);
    let behind = whole.size_in_used() - (length + size) as u64;
    let part = whole.clone().offset_start(length as u64).offset_end(behind);
    let mut all = GUARDED.lock().unwrap_or_else(PoisonError::into_inner);
    all.push(Guarded {
        client: client.clone(),
        whole,
        size,
    });
    part
}
