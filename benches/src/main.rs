//! Times every loss beside `burn::nn::loss` on the same backend, and beside candle, PyTorch and JAX,
//! with the same sizes, in one run.
//!
//! ```text
//! cargo run --release --manifest-path benches/Cargo.toml --features candle -- \
//!     --python PATH_TO_A_PYTHON_WITH_TORCH --jax PATH_TO_A_PYTHON_WITH_JAX_AND_OPTAX
//! ```
//!
//! On a GPU, here with CUDA and with Vulkan; where the Python has `liger_kernel` too, Liger's
//! cross-entropy takes part:
//!
//! ```text
//! cargo run --release --manifest-path benches/Cargo.toml --features cuda -- --backend cuda \
//!     --type bf16 --language-models --python PATH_TO_A_PYTHON_WITH_TORCH --output DIRECTORY
//! cargo run --release --manifest-path benches/Cargo.toml --features vulkan -- --backend wgpu \
//!     --language-models --python PATH_TO_A_PYTHON_WITH_TORCH --output DIRECTORY
//! ```
//!
//! All take their steps in turns, so that a disturbance of the machine meets all of them, and the
//! medians are compared. What counts are the ratios; the milliseconds are this machine's.

mod cases;
mod closures;
mod formulas;
mod memory;
mod plain;
mod python;
mod report;
mod segmentation;
mod softmax;

use burn::tensor::{DType, Device, FloatDType, Tensor};
use cases::{Case, Contestant, Prepare, cases};
use clap::{Parser, ValueEnum};
use python::{JAX_SCRIPT, Python, TORCH_SCRIPT};
use rayon::prelude::*;
use report::{JAX, LIBRARIES, LIGER, Measured, TORCH};
use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

/// Times the losses of burn-losses beside those of others.
#[derive(Parser)]
struct Arguments {
    /// The backend that ours and Burn's run on.
    #[arg(long, value_enum, default_value = "flex")]
    backend: Backend,
    /// The type of the inputs, of everybody's.
    #[arg(long = "type", value_enum, default_value = "f32")]
    float: Float,
    /// A Python that has torch.
    #[arg(long)]
    python: Option<PathBuf>,
    /// A Python that has jax and optax.
    #[arg(long)]
    jax: Option<PathBuf>,
    /// How many threads everybody has.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// How often each is timed; the medians are compared.
    #[arg(long, default_value_t = 15)]
    repeats: usize,
    /// The sizes of language models too, for a GPU with tens of gigabytes.
    #[arg(long)]
    language_models: bool,
    /// Losses of closures instead of the built-in ones.
    #[arg(long)]
    closures: bool,
    /// The built-in losses that are made of formulas instead of the others.
    #[arg(long, conflicts_with = "closures")]
    formulas: bool,
    /// What options of cross-entropy cost, and the losses of a teacher, of ranks and of a router, instead of the others.
    #[arg(long, conflicts_with_all = ["closures", "formulas"])]
    softmax: bool,
    /// The losses of masks and of boxes instead of the others. What the Python with torch has of MONAI,
    /// segmentation-models-pytorch, torchvision and ultralytics takes part.
    #[arg(long, conflicts_with_all = ["closures", "formulas", "softmax"])]
    segmentation: bool,
    /// Only the cases whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Writes figures.csv, table.md and chart.svg into this directory too.
    #[arg(long)]
    output: Option<PathBuf>,
}

impl Arguments {
    fn cases(&self) -> Vec<Case> {
        if self.closures {
            closures::cases()
        } else if self.formulas {
            formulas::cases()
        } else if self.softmax {
            softmax::cases()
        } else if self.segmentation {
            segmentation::cases()
        } else {
            cases(self.backend, self.language_models)
        }
    }

    fn contestants(&self, case: &Case, device: &Device) -> Vec<Contestant> {
        if self.closures {
            closures::contestants(case, device)
        } else if self.formulas {
            formulas::contestants(case, device)
        } else if self.softmax {
            softmax::contestants(case, device)
        } else if self.segmentation {
            segmentation::contestants(case, device)
        } else {
            case.contestants(device)
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Backend {
    Flex,
    Ndarray,
    Wgpu,
    Cuda,
    Rocm,
}

impl Backend {
    fn device(self) -> Result<Device, String> {
        match self {
            Self::Flex => Ok(Device::flex()),
            #[allow(deprecated)] // Burn points ndarray's users to flex; both are compared here.
            Self::Ndarray => {
                // As its users are told to.
                burn_losses::keep_freed_memory();
                Ok(Device::ndarray())
            }
            #[cfg(feature = "wgpu")]
            Self::Wgpu => Ok(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
            #[cfg(not(feature = "wgpu"))]
            Self::Wgpu => Err("built without wgpu: add --features wgpu to the command".into()),
            #[cfg(feature = "cuda")]
            Self::Cuda => Ok(Device::cuda(burn::tensor::DeviceIndex::Default)),
            #[cfg(not(feature = "cuda"))]
            Self::Cuda => Err("built without cuda: add --features cuda to the command".into()),
            #[cfg(feature = "rocm")]
            Self::Rocm => Ok(Device::rocm(burn::tensor::DeviceIndex::Default)),
            #[cfg(not(feature = "rocm"))]
            Self::Rocm => Err("built without rocm: add --features rocm to the command".into()),
        }
    }

    fn is_gpu(self) -> bool {
        self.shared_memory().is_some()
    }

    /// How many bytes a workgroup of the GPU can keep to itself.
    fn shared_memory(self) -> Option<usize> {
        /// Of an H100 or an H200.
        const HOPPER: usize = 227 * 1024;
        /// Of AMD's cards.
        const AMD: usize = 64 * 1024;
        /// What WebGPU promises on any.
        const ANY: usize = 16 * 1024;
        match self {
            Self::Flex | Self::Ndarray => None,
            Self::Wgpu => Some(ANY),
            Self::Cuda => Some(HOPPER),
            Self::Rocm => Some(AMD),
        }
    }

    /// How many bytes a second are read and written where this runs; `large` is a GPU for language models.
    fn bandwidth(self, device: &Device, large: bool) -> f64 {
        match self {
            Self::Flex | Self::Ndarray => copy_bandwidth(),
            // A processor may play the GPU; else so many that the launch takes no time beside the copy.
            Self::Wgpu if !large => copy_bandwidth_of(device, 1 << 24),
            _ => copy_bandwidth_of(device, 1 << 28),
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Float {
    F32,
    Bf16,
}

impl Float {
    fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::Bf16 => DType::BF16,
        }
    }

    /// Its name in the arguments, here and in Python.
    fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let (backend, float) = (arguments.backend, arguments.float);
    let device = device(backend, float)?;
    rayon::ThreadPoolBuilder::new()
        .num_threads(arguments.threads)
        .build_global()?;
    let place = if backend.is_gpu() { "cuda" } else { "cpu" };
    let mut pythons = Vec::new();
    for (python, script) in [
        (&arguments.python, TORCH_SCRIPT),
        (&arguments.jax, JAX_SCRIPT),
    ] {
        if let Some(python) = python {
            let (threads, float) = (arguments.threads, float.name());
            pythons.push(Python::start(python, script, threads, place, &float)?);
        }
    }
    let bandwidth = backend.bandwidth(&device, arguments.language_models);
    let heading = heading(&arguments, &device, bandwidth, &pythons);
    println!("{heading}\n");
    let measured = measure(&arguments, &device, bandwidth, &mut pythons)?;
    let text = text(&heading, &measured);
    println!("\n{text}");
    if let Some(directory) = &arguments.output {
        write(directory, backend, &measured, &text)?;
    }
    Ok(())
}

/// Times all cases, and prints their figures as they come in.
fn measure(
    arguments: &Arguments,
    device: &Device,
    bandwidth: f64,
    pythons: &mut [Python],
) -> Result<Vec<Measured>, Box<dyn Error>> {
    let (backend, float) = (arguments.backend, arguments.float);
    let size = float.dtype().size();
    let milliseconds = |bytes: usize| bytes as f64 / bandwidth * 1e3;
    let mut measured = Vec::new();
    for case in arguments.cases() {
        if !case.name().contains(&arguments.only) {
            continue;
        }
        let mut contestants = arguments.contestants(&case, device);
        // Candle's are on the CPU, in `f32`.
        #[cfg(feature = "candle")]
        if !backend.is_gpu() && matches!(float, Float::F32) {
            contestants.extend(cases::candle(&case)?);
        }
        if !backend.is_gpu() && matches!(float, Float::F32) {
            contestants.extend(plain::plain(&case, device));
        }
        for python in &mut *pythons {
            python.prepare(case.loss, &case.shape)?;
        }
        let shared = backend.shared_memory();
        let shared = shared.filter(|_| case.loss == "cross_entropy");
        for backward in [false, true] {
            let times = medians(&contestants, pythons, backward, arguments.repeats)?;
            let best = shared.map(|shared| milliseconds(case.best_schedule(size, shared)));
            // Those that `Case` does not know take an exponential each.
            let of_more = || formulas::bytes(&case, backward, size);
            let more = softmax::bytes(&case, backward, size).or_else(of_more);
            let of_images = segmentation::bytes(&case, backward, size);
            let bytes = more.or(of_images);
            let row = Measured {
                case: case.name(),
                backward,
                floor: milliseconds(bytes.unwrap_or_else(|| case.bytes(backward, size))),
                best: best.filter(|_| backward),
                transcendental: more.is_some()
                    || segmentation::transcendental(&case)
                    || case.transcendental(),
                times,
                memory: match backend.is_gpu() {
                    // The allocator of this process sees none of it, and Burn tells what the device
                    // holds but not the peak.
                    true => BTreeMap::new(),
                    false => peaks(&contestants, backward),
                },
            };
            println!("{}", line(&row, size * case.elements()));
            measured.push(row);
        }
    }
    Ok(measured)
}

/// The device, whose floats are of the type from now on: those of the inputs, and those that Burn's
/// losses make of integers.
fn device(backend: Backend, float: Float) -> Result<Device, Box<dyn Error>> {
    let mut device = backend.device()?;
    if !device.supports_dtype(float.dtype()) {
        return Err(format!("{device:?} cannot compute with {}", float.name()).into());
    }
    device.configure(FloatDType::from(float.dtype()))?;
    Ok(device)
}

fn heading(arguments: &Arguments, device: &Device, bandwidth: f64, pythons: &[Python]) -> String {
    let gpu = gpu(device).map_or(String::new(), |name| format!("{name}, "));
    let versions: String = pythons
        .iter()
        .map(|python| format!("; {}", python.version))
        .collect();
    format!(
        "{gpu}{}, {} threads, {:.1} GB/s copied; {:?}, {}, medians of {} steps, ms{versions}",
        processor(),
        arguments.threads,
        bandwidth / 1e9,
        arguments.backend,
        arguments.float.name(),
        arguments.repeats
    )
}

/// The tables of all that was measured.
fn text(heading: &str, measured: &[Measured]) -> String {
    let mut names: Vec<_> = vec![cases::OURS, cases::IN_PLACE, cases::UNCHECKED, cases::BURN];
    #[cfg(feature = "candle")]
    names.push(cases::CANDLE);
    names.extend(TORCH);
    names.extend([LIGER, JAX]);
    names.extend(LIBRARIES);
    names.extend([cases::PLAIN, closures::BUILT_IN, cases::TENSORS]);
    names.push(softmax::CROSS_ENTROPY);
    names.retain(|name| measured.iter().any(|row| row.times.contains_key(name)));
    format!(
        "{heading}\n\nForward and backward:\n\n{}\nForward, untracked:\n\n{}\n{}{}",
        report::table(measured, &names, true),
        report::table(measured, &names, false),
        report::summary(measured),
        softmax::ratios(measured)
    )
}

fn write(
    directory: &Path,
    backend: Backend,
    measured: &[Measured],
    text: &str,
) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(directory)?;
    let backend = format!("{backend:?}").to_lowercase();
    let csv = report::csv(&backend, measured);
    std::fs::write(directory.join("figures.csv"), csv)?;
    std::fs::write(directory.join("table.md"), text)?;
    report::chart(&directory.join("chart.svg"), measured)?;
    println!("written to {}", directory.display());
    Ok(())
}

/// The figures of a case as they come in; the input has so many bytes.
fn line(row: &Measured, input: usize) -> String {
    let pass = if row.backward { "both" } else { "forward" };
    let times: Vec<String> = row
        .times
        .iter()
        .map(|(name, time)| format!("{name} {time:.4}"))
        .collect();
    let memory: Vec<String> = row
        .memory
        .iter()
        .map(|(name, bytes)| format!("{name} {:.2}", *bytes as f64 / input as f64))
        .collect();
    let memory = match memory.as_slice() {
        [] => String::new(),
        memory => format!("; memory over the input's: {}", memory.join(", ")),
    };
    format!("{} {pass}: {}{memory}", row.case, times.join(", "))
}

/// Whose turn it is.
enum Turn<'a> {
    Here(&'a Contestant),
    /// One of the ways of the Python at this place.
    There(usize, &'static str),
}

/// The median milliseconds of each, taken in turns. Each starts its turn after a pause, as threads that
/// have finished keep a processor busy for a while; and it takes steps for some time, of which the last
/// is timed, as in a run that goes on: caches and threads are as it left them, and threads that slept
/// are awake, each on a processor of its own.
fn medians(
    contestants: &[Contestant],
    pythons: &mut [Python],
    backward: bool,
    repeats: usize,
) -> std::io::Result<BTreeMap<&'static str, f64>> {
    const WARM_UPS: usize = 2;
    const WARM: Duration = Duration::from_millis(20);
    let pause = || std::thread::sleep(Duration::from_millis(10));
    let there = pythons
        .iter()
        .enumerate()
        .flat_map(|(at, python)| python.ways.iter().map(move |&way| Turn::There(at, way)));
    let everybody: Vec<_> = contestants.iter().map(Turn::Here).chain(there).collect();
    let mut times: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
    for repeat in 0..WARM_UPS + repeats {
        // Nobody is always the one after a certain other.
        for place in 0..everybody.len() {
            pause();
            let (name, time) = match &everybody[(place + repeat) % everybody.len()] {
                Turn::Here(contestant) => {
                    burn_losses::set_checks(contestant.checks);
                    let step = || Ok(time(&contestant.prepare, backward));
                    (contestant.name, last(WARM, step)?)
                }
                Turn::There(at, name) => {
                    let python = &mut pythons[*at];
                    (*name, last(WARM, || python.step(name, backward))?)
                }
            };
            if repeat >= WARM_UPS {
                times.entry(name).or_default().push(time);
            }
        }
    }
    burn_losses::set_checks(burn_losses::Checks::Auto);
    Ok(times
        .into_iter()
        .map(|(name, times)| (name, median(times)))
        .collect())
}

/// The milliseconds of a step. Before it the threads of the pool have something to do, as the layer before
/// a loss gives them: one that sleeps may take longer to wake up than a loss takes, on a virtual machine
/// above all.
fn time(prepare: &Prepare, backward: bool) -> f64 {
    const WORK: Duration = Duration::from_micros(100);
    let step = prepare(backward);
    rayon::broadcast(|_| {
        let start = Instant::now();
        while start.elapsed() < WORK {
            std::hint::spin_loop();
        }
    });
    let start = Instant::now();
    let left = step();
    let time = start.elapsed().as_secs_f64() * 1e3;
    drop(left);
    time
}

/// The milliseconds of the first step after others that took so long together.
fn last(warm: Duration, mut step: impl FnMut() -> std::io::Result<f64>) -> std::io::Result<f64> {
    let start = Instant::now();
    while start.elapsed() < warm {
        step()?;
    }
    step()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// The peak of the memory that each takes beside its inputs, in bytes.
fn peaks(contestants: &[Contestant], backward: bool) -> BTreeMap<&'static str, usize> {
    let peak = |contestant: &Contestant| {
        let step = (contestant.prepare)(backward);
        (contestant.name, memory::peak_of(step))
    };
    contestants.iter().map(peak).collect()
}

/// How often memory is copied for its bandwidth.
const COPIES: usize = 15;

/// How many bytes a second are read and written when memory is copied, on all threads.
fn copy_bandwidth() -> f64 {
    const NUMBERS: usize = 1 << 24;
    const CHUNK: usize = 1 << 16;
    let from = vec![1f32; NUMBERS];
    let mut to = vec![0f32; NUMBERS];
    let copy = |_| {
        let start = Instant::now();
        let chunks = to.par_chunks_mut(CHUNK).zip(from.par_chunks(CHUNK));
        chunks.for_each(|(to, from)| to.copy_from_slice(from));
        start.elapsed().as_secs_f64()
    };
    (2 * NUMBERS * size_of::<f32>()) as f64 / median((0..COPIES).map(copy).collect())
}

/// How many bytes a second the device reads and writes when it copies so many numbers.
fn copy_bandwidth_of(device: &Device, numbers: usize) -> f64 {
    const WARM_UPS: usize = 2;
    let from = Tensor::<1>::ones([numbers], (device, DType::F32));
    let copy = |_| {
        let start = Instant::now();
        // As fast as a copy, which Burn would leave out.
        let _to = from.clone() + 1.0;
        device.sync().expect("the device finishes its work");
        start.elapsed().as_secs_f64()
    };
    let times = (0..WARM_UPS + COPIES).map(copy).skip(WARM_UPS);
    (2 * numbers * size_of::<f32>()) as f64 / median(times.collect())
}

/// The name of the processor, where the system tells it.
fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find(|line| line.starts_with("model name"));
    let name = name.and_then(|line| line.split(':').nth(1));
    name.unwrap_or("unknown processor").trim().to_string()
}

/// What the GPU calls itself, if the device is one.
#[cfg(any(feature = "wgpu", feature = "cuda", feature = "rocm"))]
fn gpu(device: &Device) -> Option<String> {
    device.identity().map(|identity| identity.name)
}

#[cfg(not(any(feature = "wgpu", feature = "cuda", feature = "rocm")))]
fn gpu(_: &Device) -> Option<String> {
    None
}
