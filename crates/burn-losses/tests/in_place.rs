//! The memory that a loss takes: a gradient goes where an input was that nobody else has.

#![allow(unsafe_code)] // What counts memory hands it out.

mod common;

use burn::tensor::{Device, Distribution, Tensor, activation};
use burn_losses::prelude::*;
use burn_losses::{Checks, release_memory, set_checks, target};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many elements the inputs have, and how many bytes make memory large.
const COUNT: [usize; 2] = [1024, 256];
const LARGE: usize = COUNT[0] * COUNT[1] * 4;

struct Counting;

static TAKEN: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() >= LARGE {
            TAKEN.fetch_add(1, Ordering::Relaxed);
        }
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if layout.size() >= LARGE {
            TAKEN.fetch_add(1, Ordering::Relaxed);
        }
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// How many times a loss takes large memory for a gradient of the output of a layer.
fn taken(
    device: &Device,
    checks: Checks,
    output: impl Fn(Tensor<2>) -> Tensor<2>,
    loss: impl Fn(Tensor<2>) -> Tensor<1>,
) -> usize {
    set_checks(checks);
    let features = Tensor::<2>::random([COUNT[0], 4], Distribution::Default, device);
    let weights = Tensor::<2>::random([4, COUNT[1]], Distribution::Default, device);
    let run = || {
        let weights = weights.clone().autodiff().require_grad();
        let output = output(features.clone().autodiff().matmul(weights.clone()));
        release_memory(); // What is kept from the last step would be used.
        let before = TAKEN.load(Ordering::Relaxed);
        let value = loss(output);
        let taken = TAKEN.load(Ordering::Relaxed) - before;
        assert!(weights.grad(&value.backward()).is_some());
        taken
    };
    // The first call of a process sets up more than a loss.
    run();
    run()
}

/// Where values are looked at, an input whose values have a rule is kept for the text of an error: its
/// gradient takes new memory. Where they are not, nobody needs it any more.
#[test]
fn a_gradient_takes_the_place_of_an_input_that_has_a_rule() {
    let mut backends = vec![Device::flex()];
    #[cfg(feature = "ndarray")]
    #[allow(deprecated)] // Burn points ndarray's users to flex; both are tested here.
    backends.push(Device::ndarray());
    backends.retain(|_| cfg!(feature = "flex")); // Without sweeps all takes memory.
    for device in backends {
        let labels = Tensor::<2>::ones(COUNT, &device);
        let rows = activation::softmax(labels.clone(), 1);
        type Make = fn(Tensor<2>) -> Tensor<2>;
        let softmax: Make = |x| target::log_probs(x, 1);
        type Loss<'a> = &'a dyn Fn(Tensor<2>) -> Tensor<1>;
        let cases: [(&str, Make, Loss); 3] = [
            ("BceLoss", activation::sigmoid, &|x| {
                BceLoss::new().forward(x, labels.clone())
            }),
            ("KlDivLoss", softmax, &|x| {
                KlDivLoss::new().forward(x, rows.clone())
            }),
            ("PoissonNllLoss", Tensor::exp, &|x| {
                let config = PoissonNllLossConfig::new().with_log_input(false);
                config.init().forward(x, labels.clone())
            }),
        ];
        for (name, output, loss) in cases {
            let unchecked = taken(&device, Checks::Never, output, loss);
            assert_eq!(unchecked, 0, "{name}, values not read, on {device:?}");
        }
        // What counts would see one.
        let checked = taken(&device, Checks::Always, activation::sigmoid, |x| {
            BceLoss::new().forward(x, labels.clone())
        });
        assert_eq!(checked, 1, "BceLoss, values read, on {device:?}");
    }
}
