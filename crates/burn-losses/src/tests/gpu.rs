//! A GPU for the unit tests, guards around the memory that kernels are given, and which kernels there are.

use crate::custom::{Custom, Expr};
use crate::engine::dispatch;
use crate::prelude::*;
use crate::{Checks, with_checks};
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use core::sync::atomic::{AtomicBool, Ordering};
use cubecl::client::Client;
use cubecl::launched::LaunchedKernels;
use cubecl::server::Handle;
use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

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
    let _alone = alone();
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

/// While it lives, no other unit test uses the GPU.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
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

/// A call of a loss whose inputs are there.
type Prepared<'a> = Box<dyn FnOnce() -> Tensor<1> + 'a>;

/// The names of the kernels that a loss and its backward pass launch, for inputs of that length.
fn kernels<'a>(
    device: &Device,
    prepare: &dyn Fn(usize) -> Prepared<'a>,
    length: usize,
) -> HashSet<u128> {
    let call = prepare(length);
    device.sync().expect("the device is there");
    let launched = LaunchedKernels::new();
    let value = call();
    let _ = value.backward();
    device.sync().expect("the device is there");
    launched.finish().into_iter().collect()
}

/// Sequences of a new length, batches of a new size and more classes are what training is made of: nothing
/// is compiled for them, if they divide in the same way.
#[test]
fn a_new_length_compiles_nothing() {
    let Some(device) = device() else {
        return;
    };
    let _alone = alone();
    // Made on the host, so that they are there.
    let leaf = |shape: [usize; 2]| leaf(&device, shape);
    let rows = |shape: [usize; 2]| {
        let share = 1.0 / shape[1] as f32;
        Tensor::<2>::from_data(
            TensorData::new(vec![share; shape[0] * shape[1]], shape),
            &device,
        )
    };
    let ids = |count: usize, classes: usize| {
        let ids: Vec<i32> = (0..count).map(|at| (at % classes) as i32).collect();
        Tensor::<1, Int>::from_data(TensorData::new(ids, [count]), &device)
    };
    let kl_div = |length: usize| -> Prepared {
        let shape = [8, 100, length];
        let count = shape.iter().product();
        let tensor = |number: f32| {
            Tensor::<3>::from_data(TensorData::new(vec![number; count], shape), &device)
        };
        let (log_probs, rows) = (tensor(-4.0).autodiff().require_grad(), tensor(0.01));
        Box::new(move || KlDivLoss::new().forward(log_probs, rows))
    };
    let square = |size: usize, label_smoothing: f64| -> Prepared {
        let config = CrossEntropyLossConfig::new().with_label_smoothing(label_smoothing);
        let loss = config.with_ignore_index(-1).init();
        let (logits, ids) = (leaf([size, size]), ids(size, size));
        Box::new(move || loss.forward(logits, ids))
    };
    let plain = |size: usize| square(size, 0.0);
    let smooth = |size: usize| square(size, 0.1);
    let probabilities = |size: usize| -> Prepared {
        let config = CrossEntropyLossConfig::new().with_label_smoothing(0.1);
        let (logits, rows) = (leaf([size, size]), rows([size, size]));
        Box::new(move || config.init().forward(logits, rows))
    };
    let nll = |size: usize| -> Prepared {
        let config = NllLossConfig::new().with_weights(Some(vec![0.5; size]));
        let log_probs = rows([size, size]).neg().autodiff().require_grad();
        let ids = ids(size, size);
        Box::new(move || config.init().forward(log_probs, ids))
    };
    let triplet = |size: usize| -> Prepared {
        let [anchor, positive, negative] = [(); 3].map(|()| leaf([7, size]));
        Box::new(move || TripletMarginLoss::new().forward(anchor, positive, negative))
    };
    let lists = |size: usize| -> Prepared {
        let id = |at: usize| {
            if at % size < 3 {
                (at % size) as i32
            } else {
                -1
            }
        };
        let ids: Vec<i32> = (0..size * size).map(id).collect();
        let ids = Tensor::<2, Int>::from_data(TensorData::new(ids, [size, size]), &device);
        let logits = leaf([size, size]);
        Box::new(move || MultiLabelMarginLoss::new().forward(logits, ids))
    };
    let batch = |size: usize| -> Prepared {
        let weights = Tensor::<1>::from_data(TensorData::new(vec![0.5f32; size], [size]), &device);
        let (logits, ids) = (leaf([size, 11]), ids(size, 11));
        Box::new(move || CrossEntropyLoss::new().forward_weighted(logits, ids, weights))
    };
    type Case<'a> = (&'a str, &'a dyn Fn(usize) -> Prepared<'a>, &'a [usize]);
    let cases: [Case; 8] = [
        ("KL divergence [8, 100, T]", &kl_div, &[17, 18, 19]),
        ("cross-entropy [B, B]", &plain, &[33, 35]),
        ("smoothed cross-entropy [B, B]", &smooth, &[33, 35]),
        (
            "cross-entropy of probabilities [B, B]",
            &probabilities,
            &[33, 35],
        ),
        ("NLL [B, B]", &nll, &[33, 35]),
        ("triplets [7, E]", &triplet, &[33, 35]),
        ("lists of labels [B, B]", &lists, &[33, 35]),
        ("a smaller last batch", &batch, &[65, 17]),
    ];
    for (what, prepare, lengths) in cases {
        let known = kernels(&device, prepare, lengths[0]);
        assert!(!known.is_empty(), "{what}: nothing was launched");
        for &length in &lengths[1..] {
            let found = kernels(&device, prepare, length);
            let new = found.difference(&known).count();
            let all = found.len();
            assert_eq!(new, 0, "{what}: {new} kernels of {all} are new at {length}");
        }
    }
}

/// A closure is as many kernels as a loss of its kind, and a number for a parameter compiles nothing.
#[test]
fn a_closure_is_a_kernel_like_any_other() {
    let Some(device) = device() else {
        return;
    };
    let _alone = alone();
    let shape = [64, 48];
    let targets = leaf(&device, shape).inner();
    let huber = Custom::elementwise("Mine", |x, y| {
        let (error, delta) = ((x - y).abs(), Expr::parameter("delta"));
        let far = delta * (error - 0.5 * delta);
        error.below(delta).select(0.5 * error * error, far)
    });
    let dice = Custom::row(
        "MyDice",
        |[x, y]| [x * y, x * x + y * y],
        |[both, all]| 1.0 - 2.0 * both / (all + Expr::parameter("delta")),
    );
    let focal = Custom::softmax("MyFocal", |ln_p, _, rest| {
        -Expr::parameter("delta") * rest * ln_p
    });
    let ids = (0..shape[0]).map(|row| row as i32 % 48).collect::<Vec<_>>();
    let ids = Tensor::<1, Int>::from_data(TensorData::new(ids, [shape[0]]), &device);
    let of = |prepare: &dyn Fn(Tensor<2>) -> Tensor<1>| {
        kernels(
            &device,
            &|_| {
                let x = leaf(&device, shape);
                Box::new(move || with_checks(Checks::Never, || prepare(x)))
            },
            0,
        )
    };
    let built_in = [
        of(&|x| HuberLoss::new().forward(x, targets.clone())),
        of(&|x| TripletMarginLoss::new().forward(x, targets.clone(), targets.clone())),
        of(&|x| FocalLoss::new().forward(x, ids.clone())),
    ];
    let with = |delta: f64| {
        let huber = huber.clone().with_parameter("delta", delta);
        let dice = dice.clone().with_parameter("delta", delta);
        let focal = focal.clone().with_parameter("delta", delta);
        [
            of(&|x| huber.forward(x, targets.clone())),
            of(&|x| dice.forward(x, targets.clone())),
            of(&|x| focal.forward(x, ids.clone())),
        ]
    };
    let (found, others) = (with(1.0), with(0.75));
    for at in 0..found.len() {
        assert_eq!(found[at].len(), built_in[at].len(), "of closure {at}");
        assert_eq!(found[at], others[at], "of closure {at}");
    }
}

/// Numbers without a pattern, tracked.
fn leaf(device: &Device, shape: [usize; 2]) -> Tensor<2> {
    let number = |at: usize| (at * 7919 % 1009) as f32 / 500.0 - 1.0;
    let numbers: Vec<f32> = (0..shape[0] * shape[1]).map(number).collect();
    let tensor = Tensor::<2>::from_data(TensorData::new(numbers, shape), device);
    tensor.autodiff().require_grad()
}

/// A GPU that lets a kernel have no more than WebGPU promises takes the tensor operations where a loss needs
/// more, and these give the same.
#[test]
fn a_gpu_that_binds_few_tensors_takes_the_portable_form() {
    let Some(device) = device() else {
        return;
    };
    let _alone = alone();
    let there = |tensors| dispatch::is_there(&device, DType::F32, tensors);
    let inputs = [0, 5, 10].map(|start| {
        let rows = leaf(&device, [15, 6]).inner().narrow(0, start, 5);
        rows.autodiff().require_grad()
    });
    let weights = Tensor::<1>::from_data([1.0, 0.5, 0.0, 2.0, 1.5], &device);
    let run = || {
        let [anchor, positive, negative] = inputs.clone();
        let loss = TripletMarginLoss::new();
        let value = loss.forward_weighted(anchor, positive, negative, weights.clone());
        let gradients = value.backward();
        let of_inputs = inputs.each_ref().map(|leaf| leaf.grad(&gradients));
        let numbers = |tensor: Tensor<2>| tensor.into_data().iter::<f32>().collect::<Vec<_>>();
        let mut all: Vec<f32> = value.into_data().iter().collect();
        all.extend(of_inputs.into_iter().flatten().flat_map(numbers));
        all
    };
    assert!(
        there(9),
        "the device that is tested on lets a kernel have nine"
    );
    let fused = run();
    super::MOST_BOUND.set(Some(7));
    let (few, many) = (there(7), there(9));
    let portable = run();
    super::MOST_BOUND.set(None);
    assert!(few && !many);
    assert_eq!(fused.len(), 1 + 3 * 5 * 6);
    for (fused, portable) in fused.iter().zip(&portable) {
        assert!((fused - portable).abs() < 1e-5, "{fused} {portable}");
    }
}
