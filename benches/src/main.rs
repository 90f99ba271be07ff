//! Times every loss beside its counterpart in `burn::nn::loss`, on the same backend, with the same
//! inputs, in one run.
//!
//! ```text
//! cargo run --release --manifest-path benches/Cargo.toml -- --backend flex
//! ```
//!
//! The two are interleaved, so that a disturbance of the machine meets both, and the medians are
//! compared. What counts is the ratio; the milliseconds are this machine's.

mod cases;

use cases::{Contestant, Sizes, cases};
use clap::{Parser, ValueEnum};
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Instant;

/// Times the losses of burn-losses beside those of burn::nn::loss.
#[derive(Parser)]
struct Arguments {
    /// The backend both run on.
    #[arg(long, value_enum, default_value = "flex")]
    backend: Backend,
    /// The number of rows of the input (times 4, of 256 columns, for the triplets).
    #[arg(long, default_value_t = 4096)]
    rows: usize,
    /// The number of columns, or classes.
    #[arg(long, default_value_t = 1000)]
    columns: usize,
    /// How often each is timed; the medians are compared.
    #[arg(long, default_value_t = 11)]
    repeats: usize,
    /// Leaves the values of targets unread, to see what reading them costs.
    #[arg(long)]
    unchecked: bool,
    /// Only the losses whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Writes the figures to this CSV file too.
    #[arg(long)]
    csv: Option<PathBuf>,
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
    if arguments.unchecked {
        burn_losses::set_checks(burn_losses::Checks::Never);
    }
    let sizes = Sizes {
        rows: arguments.rows,
        columns: arguments.columns,
    };
    println!(
        "{:?}, f32, {} x {}, medians of {} runs, ms; ratio: burn::nn over ours\n",
        arguments.backend, sizes.rows, sizes.columns, arguments.repeats
    );
    println!("| loss | pass | ours | burn::nn | ratio |\n|---|---|---|---|---|");
    let mut csv = String::from("loss,pass,ours_ms,burn_nn_ms,ratio\n");
    for (name, make) in cases() {
        if !name.contains(&arguments.only) {
            continue;
        }
        let [ours, theirs] = make(&device, sizes);
        for (pass, backward) in [("forward", false), ("forward+backward", true)] {
            let [ours, theirs] = medians([&ours, &theirs], backward, arguments.repeats);
            let ratio = theirs / ours;
            println!("| {name} | {pass} | {ours:.2} | {theirs:.2} | {ratio:.2} |");
            writeln!(csv, "{name},{pass},{ours},{theirs},{ratio}")?;
        }
    }
    if let Some(path) = &arguments.csv {
        std::fs::write(path, csv)?;
        println!("\nwritten to {}", path.display());
    }
    Ok(())
}

/// The median milliseconds of each, taken in turns after one warm-up.
fn medians(contestants: [&Contestant; 2], backward: bool, repeats: usize) -> [f64; 2] {
    let mut times = [Vec::new(), Vec::new()];
    for repeat in 0..=repeats {
        for (contestant, times) in contestants.iter().zip(&mut times) {
            let start = Instant::now();
            contestant(backward);
            let elapsed = start.elapsed().as_secs_f64() * 1e3;
            if repeat > 0 {
                times.push(elapsed);
            }
        }
    }
    times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    })
}
