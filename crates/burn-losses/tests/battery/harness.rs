//! Runs a check over the table and the devices, and the comparisons that several checks share.

use crate::common::{TestDevice, devices, is_taken, numbers};
use crate::table::{Args, Batch, Variant, table};
use burn::tensor::{DType, Tensor};
use burn_losses::prelude::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

pub const REDUCTIONS: [Reduction; 3] = [Reduction::Mean, Reduction::Sum, Reduction::BatchMean];

/// Who runs beside others. What must run alone waits for all others to finish, and keeps them
/// waiting: it changes a setting of the whole process; or it may break the GPU's queue, and then
/// Burn gives wrong numbers to whoever uses the GPU at that moment, without a word.
static TURNS: RwLock<()> = RwLock::new(());

pub fn beside_others() -> RwLockReadGuard<'static, ()> {
    TURNS.read().unwrap_or_else(|poison| poison.into_inner())
}

pub fn alone() -> RwLockWriteGuard<'static, ()> {
    TURNS.write().unwrap_or_else(|poison| poison.into_inner())
}

/// Which variants of a loss run on a GPU, where a call takes a hundred times as long as on a CPU
/// and a new shape compiles new kernels.
#[derive(Clone, Copy, PartialEq)]
pub enum OnGpu {
    None,
    /// The first of each loss.
    First,
    All,
}

/// Runs `check` for the variants of all losses on all devices, to the end, and names those that it
/// panicked for.
pub fn everywhere(on_gpu: OnGpu, check: impl Fn(&Variant, &TestDevice)) {
    let _turn = beside_others();
    run_everywhere(on_gpu, check);
}

/// As [`everywhere`], for who has a turn already.
pub fn run_everywhere(on_gpu: OnGpu, check: impl Fn(&Variant, &TestDevice)) {
    let mut runs = 0;
    let mut broken = Vec::new();
    // Others for each check.
    let of_check = std::thread::current().name().unwrap_or_default().len();
    for on in devices() {
        // Of the losses, ndarray takes a third, whose sweeps are those that flex has, and a GPU takes four.
        let one_of = match on.name {
            "ndarray" => 3,
            "wgpu" => 24,
            _ => 1,
        };
        for (at, row) in table().into_iter().enumerate() {
            if !is_taken(at + of_check, one_of) {
                continue;
            }
            let count = match (is_gpu(&on), on_gpu) {
                (true, OnGpu::None) => 0,
                (true, OnGpu::First) => 1,
                _ => row.variants.len(),
            };
            for variant in &row.variants[..count] {
                runs += 1;
                let outcome = catch_unwind(AssertUnwindSafe(|| check(variant, &on)));
                if let Err(panic) = outcome {
                    broken.push(format!(
                        "{} ({}) on {}: {}",
                        variant.loss,
                        variant.name,
                        on.name,
                        text(&*panic)
                    ));
                }
            }
        }
    }
    assert!(runs > 0, "nothing was run");
    report(runs, &broken);
}

/// As [`everywhere`], for the variants in which each sample has losses of its own.
pub fn for_samples(on_gpu: OnGpu, check: impl Fn(&Variant, &TestDevice)) {
    everywhere(on_gpu, of_samples(check));
}

/// As [`for_samples`], for who has a turn already.
pub fn run_for_samples(on_gpu: OnGpu, check: impl Fn(&Variant, &TestDevice)) {
    run_everywhere(on_gpu, of_samples(check));
}

fn of_samples(check: impl Fn(&Variant, &TestDevice)) -> impl Fn(&Variant, &TestDevice) {
    move |variant, on| {
        if !variant.of_batch {
            check(variant, on);
        }
    }
}

/// Runs a check for each named case, to the end, and names those that it panicked for.
pub fn each_case<C>(cases: impl IntoIterator<Item = (String, C)>, check: impl Fn(C)) {
    let mut runs = 0;
    let mut broken = Vec::new();
    for (name, case) in cases {
        runs += 1;
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(case))) {
            broken.push(format!("{name}: {}", text(&*panic)));
        }
    }
    assert!(runs > 0, "nothing was run");
    report(runs, &broken);
}

fn report(runs: usize, broken: &[String]) {
    assert!(
        broken.is_empty(),
        "{} of {runs} broken:\n  {}",
        broken.len(),
        broken.join("\n  ")
    );
}

/// What a panic said.
pub fn text(panic: &(dyn std::any::Any + Send)) -> String {
    match panic.downcast_ref::<String>() {
        Some(text) => text.clone(),
        None => panic.downcast_ref::<&str>().unwrap_or(&"?").to_string(),
    }
}

pub fn is_gpu(on: &TestDevice) -> bool {
    on.name == "wgpu"
}

/// The device whose `f64` is the reference for every other device and type.
pub fn reference() -> TestDevice {
    let mut devices = devices().into_iter();
    devices.find(|on| on.name == "flex").expect("flex is on")
}

/// The half-precision types that a device computes with.
pub fn halves(on: &TestDevice) -> Vec<DType> {
    let both = [DType::F16, DType::BF16];
    let supported = |dtype: &DType| on.device.supports_dtype(*dtype);
    both.into_iter().filter(supported).collect()
}

/// `f32`, and `f64` where there is one.
pub fn full_types(on: &TestDevice) -> Vec<DType> {
    match on.double {
        true => vec![DType::F32, DType::F64],
        false => vec![DType::F32],
    }
}

/// The relative error that a float type makes in a few operations.
pub fn precision(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => 1e-12,
        DType::F32 => 1e-5,
        DType::F16 => 1.0 / 1024.0,
        DType::BF16 => 1.0 / 128.0,
        other => panic!("{other:?} is no float type"),
    }
}

/// What a loss gives for a batch.
#[derive(Debug)]
pub struct Outcome {
    pub value: f64,
    pub gradients: Vec<Vec<f64>>,
}

/// The reduced loss and its gradients for tracked arguments.
pub fn outcome(variant: &Variant, reduction: Reduction, args: Args) -> Outcome {
    let leaves = args.inputs.clone();
    outcome_of(variant.value(reduction, args), &leaves)
}

pub fn outcome_of(value: Tensor<1>, leaves: &[Tensor<2>]) -> Outcome {
    assert_eq!(value.dims(), [1], "the shape of a reduced loss");
    let gradients = value.backward();
    Outcome {
        value: numbers(&value)[0],
        gradients: leaves
            .iter()
            .map(|leaf| {
                let gradient = leaf.grad(&gradients).expect("a gradient for each input");
                assert_eq!(gradient.dims(), leaf.dims(), "the shape of a gradient");
                assert_eq!(gradient.dtype(), leaf.dtype(), "the type of a gradient");
                numbers(&gradient)
            })
            .collect(),
    }
}

/// The outcome on the reference device, in `f64`.
pub fn exact(variant: &Variant, reduction: Reduction, batch: &Batch) -> Outcome {
    outcome(
        variant,
        reduction,
        batch.on(&reference(), DType::F64).tracked(),
    )
}

/// Compares outcomes, gradients relative to the largest of their input.
pub fn assert_same(what: &str, found: &Outcome, expected: &Outcome, tolerance: f64) {
    use crate::common::assert_close;
    let value = format!("{what}: value");
    assert_close(&value, &[found.value], &[expected.value], tolerance);
    let pairs = found.gradients.iter().zip(&expected.gradients);
    for (at, (found, expected)) in pairs.enumerate() {
        assert_close(
            &format!("{what}: gradient {at}"),
            found,
            expected,
            tolerance,
        );
    }
}

/// The central differences of the reduced loss: its gradients, from its values alone.
pub fn slopes(batch: &Batch, on: &TestDevice, value: impl Fn(Args) -> Tensor<1>) -> Vec<Vec<f64>> {
    const STEP: f64 = 1e-5;
    let at = |input: usize, element: usize, step: f64| {
        let mut moved = batch.clone();
        moved.inputs[input].data[element] += step;
        numbers(&value(moved.on(on, DType::F64)))[0]
    };
    let inputs = batch.inputs.iter().enumerate();
    inputs
        .map(|(input, array)| {
            (0..array.data.len())
                .map(|element| {
                    (at(input, element, STEP) - at(input, element, -STEP)) / (2.0 * STEP)
                })
                .collect()
        })
        .collect()
}
