//! Times every loss beside `burn::nn::loss` on the same backend, and beside candle and PyTorch, with
//! the same sizes, in one run.
//!
//! ```text
//! cargo run --release --manifest-path benches/Cargo.toml --features candle -- \
//!     --python PATH_TO_A_PYTHON_WITH_TORCH
//! ```
//!
//! All take their steps in turns, so that a disturbance of the machine meets all of them, and the
//! medians are compared. What counts are the ratios; the milliseconds are this machine's.

mod cases;
mod memory;
mod report;
mod torch;

use cases::{Case, Contestant, cases};
use clap::{Parser, ValueEnum};
use rayon::prelude::*;
use report::{Measured, TORCH};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use torch::Torch;

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

/// Times the losses of burn-losses beside those of others.
#[derive(Parser)]
struct Arguments {
    /// The backend that ours and Burn's run on.
    #[arg(long, value_enum, default_value = "flex")]
    backend: Backend,
    /// A Python that has torch.
    #[arg(long)]
    python: Option<PathBuf>,
    /// How many threads everybody has.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// How often each is timed; the medians are compared.
    #[arg(long, default_value_t = 15)]
    repeats: usize,
    /// Only the cases whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Writes figures.csv, table.md and chart.svg into this directory too.
    #[arg(long)]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Backend {
    Flex,
    Ndarray,
    Wgpu,
}

impl Backend {
    fn device(self) -> Result<burn::tensor::Device, String> {
        match self {
            Self::Flex => Ok(burn::tensor::Device::flex()),
            #[allow(deprecated)] // Burn points ndarray's users to flex; both are compared here.
            Self::Ndarray => Ok(burn::tensor::Device::ndarray()),
            #[cfg(feature = "wgpu")]
            Self::Wgpu => Ok(burn::tensor::Device::wgpu(
                burn::tensor::DeviceKind::DefaultDevice,
            )),
            #[cfg(not(feature = "wgpu"))]
            Self::Wgpu => Err("built without wgpu: add --features wgpu to the command".into()),
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let device = arguments.backend.device()?;
    rayon::ThreadPoolBuilder::new()
        .num_threads(arguments.threads)
        .build_global()?;
    let mut torch = match &arguments.python {
        Some(python) => Some(Torch::start(python, arguments.threads)?),
        None => None,
    };
    let bandwidth = copy_bandwidth();
    let mut heading = format!(
        "{}, {} threads, {:.1} GB/s copied; {:?}, f32, medians of {} steps, ms",
        processor(),
        arguments.threads,
        bandwidth / 1e9,
        arguments.backend,
        arguments.repeats
    );
    if let Some(torch) = &torch {
        heading = format!("{heading}; {}", torch.version);
    }
    println!("{heading}\n");

    let mut measured = Vec::new();
    for case in cases() {
        if !case.name().contains(&arguments.only) {
            continue;
        }
        #[allow(unused_mut)] // Without candle nobody is added.
        let mut contestants = case.contestants(&device);
        #[cfg(feature = "candle")]
        contestants.extend(cases::candle(&case)?);
        if let Some(torch) = &mut torch {
            torch.prepare(case.loss, &case.shape)?;
        }
        for backward in [false, true] {
            let times = medians(&contestants, torch.as_mut(), backward, arguments.repeats)?;
            let row = Measured {
                case: case.name(),
                backward,
                floor: case.bytes(backward) as f64 / bandwidth * 1e3,
                transcendental: case.transcendental(),
                times,
                memory: peaks(&contestants, backward),
            };
            println!("{}", line(&case, &row));
            measured.push(row);
        }
    }

    let mut names: Vec<_> = vec![cases::OURS, cases::IN_PLACE, cases::UNCHECKED, cases::BURN];
    #[cfg(feature = "candle")]
    names.push(cases::CANDLE);
    names.extend(torch.iter().flat_map(|_| TORCH));
    let text = format!(
        "{heading}\n\nForward and backward:\n\n{}\nForward, untracked:\n\n{}\n{}",
        report::table(&measured, &names, true),
        report::table(&measured, &names, false),
        report::summary(&measured)
    );
    println!("\n{text}");
    if let Some(directory) = &arguments.output {
        std::fs::create_dir_all(directory)?;
        let backend = format!("{:?}", arguments.backend).to_lowercase();
        std::fs::write(
            directory.join("figures.csv"),
            report::csv(&backend, &measured),
        )?;
        std::fs::write(directory.join("table.md"), &text)?;
        report::chart(&directory.join("chart.svg"), &measured)?;
        println!("written to {}", directory.display());
    }
    Ok(())
}

/// The figures of a case as they come in.
fn line(case: &Case, row: &Measured) -> String {
    let pass = if row.backward { "both" } else { "forward" };
    let times: Vec<String> = row
        .times
        .iter()
        .map(|(name, time)| format!("{name} {time:.4}"))
        .collect();
    let logits = (4 * case.elements()) as f64;
    let memory: Vec<String> = row
        .memory
        .iter()
        .map(|(name, bytes)| format!("{name} {:.2}", *bytes as f64 / logits))
        .collect();
    format!(
        "{} {pass}: {}; memory over the input's: {}",
        row.case,
        times.join(", "),
        memory.join(", ")
    )
}

/// Whose turn it is.
enum Turn<'a> {
    Here(&'a Contestant),
    Torch(&'static str),
}

/// The median milliseconds of each, taken in turns. Each takes two steps at its turn, of which the
/// second is timed, so that everybody finds the caches and threads as it left them; and it starts
/// after a pause, as threads that have finished keep a processor busy for a while.
fn medians(
    contestants: &[Contestant],
    mut torch: Option<&mut Torch>,
    backward: bool,
    repeats: usize,
) -> std::io::Result<BTreeMap<&'static str, f64>> {
    const WARM_UPS: usize = 2;
    let pause = || std::thread::sleep(Duration::from_millis(10));
    let from_torch = torch.iter().flat_map(|_| TORCH);
    let everybody: Vec<_> = contestants
        .iter()
        .map(Turn::Here)
        .chain(from_torch.map(Turn::Torch))
        .collect();
    let mut times: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
    for repeat in 0..WARM_UPS + repeats {
        // Nobody is always the one after a certain other.
        for place in 0..everybody.len() {
            pause();
            let (name, time) = match &everybody[(place + repeat) % everybody.len()] {
                Turn::Here(contestant) => {
                    burn_losses::set_checks(contestant.checks);
                    (contestant.prepare)(backward)();
                    let step = (contestant.prepare)(backward);
                    let start = Instant::now();
                    let left = step();
                    let time = start.elapsed().as_secs_f64() * 1e3;
                    drop(left);
                    (contestant.name, time)
                }
                Turn::Torch(name) => {
                    let torch = torch.as_mut().expect("PyTorch has turns if it is there");
                    torch.step(name, backward)?;
                    (*name, torch.step(name, backward)?)
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
        .map(|(name, mut times)| {
            times.sort_by(f64::total_cmp);
            (name, times[times.len() / 2])
        })
        .collect())
}

/// The peak of the memory that each takes beside its inputs, in bytes.
fn peaks(contestants: &[Contestant], backward: bool) -> BTreeMap<&'static str, usize> {
    let peak = |contestant: &Contestant| {
        let step = (contestant.prepare)(backward);
        (contestant.name, memory::peak_of(step))
    };
    contestants.iter().map(peak).collect()
}

/// How many bytes a second are read and written when memory is copied, on all threads.
fn copy_bandwidth() -> f64 {
    const NUMBERS: usize = 1 << 24;
    const CHUNK: usize = 1 << 16;
    let from = vec![1f32; NUMBERS];
    let mut to = vec![0f32; NUMBERS];
    let mut times: Vec<f64> = (0..15)
        .map(|_| {
            let start = Instant::now();
            let chunks = to.par_chunks_mut(CHUNK).zip(from.par_chunks(CHUNK));
            chunks.for_each(|(to, from)| to.copy_from_slice(from));
            start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    (2 * NUMBERS * size_of::<f32>()) as f64 / times[times.len() / 2]
}

/// The name of the processor, where the system tells it.
fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find(|line| line.starts_with("model name"));
    let name = name.and_then(|line| line.split(':').nth(1));
    name.unwrap_or("unknown processor").trim().to_string()
}
