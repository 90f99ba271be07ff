//! Trains a classifier of digits in one batch and in two pieces, on one device and on two, with and without a `Normalizer`.
//!
//! Run it with `--help` to see what there is to choose.

use std::process::ExitCode;

use clap::Parser;
use common::Error;
use common::cli::{self, Defaults, Flags};
use common::digits;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::steps::{PIECES, Steps};
use crate::training::{Strategy, Trained, Trainings};

mod model;
mod quiet;
#[cfg(feature = "remote")]
mod remote;
mod steps;
mod training;

/// Trains a small network to read handwritten digits three times, and compares the weights.
///
/// It learns from four fifths of 1797 images (included), a share of which has an id that the loss
/// ignores. The first training sees each step as one batch, on one device. The other two see the
/// same images in the same steps in two pieces, whose gradients Burn adds up: one by the mean of
/// each piece, the other with a Normalizer, which divides the sum by how many ids count in both.
///
/// What is ignored is mostly in the first piece of each step, so that its few images count for much
/// in a mean of their own. With the means the gradients are larger than those of the one batch, and
/// point elsewhere. With the Normalizer they are the same, but for rounding.
///
/// The two devices are the same one twice, with a thread for each: what is computed is what two
/// would compute. (With the feature `remote` there is --remote, by which they are two processes.) A run fails where the weights with the Normalizer are further than 1e-4 from those
/// of the one batch, or those with the means are not ten times as far.
#[derive(Parser)]
#[command(
    version,
    verbatim_doc_comment,
    mut_arg("learning_rate", |arg| arg.help("The learning rate of the optimizer (SGD)")),
    mut_arg("output", |arg| arg.help("The directory for the losses and accuracies that Burn logs"))
)]
struct Cli {
    /// How the pieces of a step come together
    #[arg(long, value_enum, default_value_t = Strategy::Multi)]
    strategy: Strategy,

    /// The share of the images whose ids are ignored, at least 0 and below 1
    #[arg(long, default_value_t = 0.6, value_name = "SHARE", value_parser = share, allow_negative_numbers = true)]
    ignore_share: f64,

    /// Let two processes of their own serve the two devices, which compute on the processor
    #[cfg(feature = "remote")]
    #[arg(long)]
    remote: bool,

    #[command(flatten)]
    flags: Flags,
}

const DEFAULTS: Defaults = Defaults {
    epochs: "10",
    batch_size: "64",
    learning_rate: "0.2",
    output: "out/distributed",
};

/// How far the weights with a normalizer may be from those of one batch: what rounding comes to.
const CLOSE: f64 = 1e-4;
/// How many times as far those with means must be.
const FARTHER: f64 = 10.0;

fn main() -> ExitCode {
    #[cfg(feature = "remote")]
    if std::env::args().nth(1).as_deref() == Some(remote::SERVE) {
        return cli::exit(remote::serve());
    }
    cli::exit(run(&cli::parse(&DEFAULTS)))
}

fn run(cli: &Cli) -> Result<(), Error> {
    let flags = &cli.flags;
    let split = digits::split(digits::load()?, &mut StdRng::seed_from_u64(flags.seed));
    let steps = Steps::new(&split.train, flags.batch_size, cli.ignore_share)?;
    let device = flags.backend.device()?;
    std::fs::create_dir_all(&flags.output)?;

    let [first, second] = steps.counting();
    println!(
        "{} steps of {} images in each epoch; of the {} in a piece {first} count in the first and {second} in the second",
        steps.count(),
        flags.batch_size,
        flags.batch_size / PIECES,
    );
    #[cfg(feature = "remote")]
    let servers = match cli.remote {
        true => Some(remote::Servers::start(PIECES)?),
        false => None,
    };
    let devices = vec![device.clone(); PIECES];
    #[cfg(feature = "remote")]
    let devices = match &servers {
        Some(servers) => servers.devices.clone(),
        None => devices,
    };
    let trainings = Trainings {
        devices,
        steps: &steps,
        split: &split,
        flags,
        device: &device,
    };
    let whole = trainings.whole()?;
    let means = trainings.in_pieces(cli.strategy, false)?;
    let normalized = trainings.in_pieces(cli.strategy, true)?;

    let name = cli.strategy.name();
    println!(
        "{:<36}  {:>18}  {:>8}  {:>17}",
        "", "largest difference", "relative", "held-out accuracy"
    );
    row("one batch", &whole, &whole);
    let without = row(&format!("{name}, means"), &means, &whole);
    let with = row(&format!("{name}, Normalizer"), &normalized, &whole);
    println!(
        "{name}: the weights are {with:.1e} from those of one batch with a Normalizer, and {without:.1e} with means"
    );
    match with <= CLOSE && without > FARTHER * with {
        true => Ok(()),
        false => Err(format!(
            "with a Normalizer the weights should be within {CLOSE:e} of those of one batch, and with means more than \
             {FARTHER} times as far from them"
        )
        .into()),
    }
}

/// Writes how a training compares with that of one batch, and gives the largest difference between their weights.
fn row(name: &str, trained: &Trained, whole: &Trained) -> f64 {
    let differences = || {
        let pairs = trained.weights.iter().zip(&whole.weights);
        pairs.map(|(one, other)| one - other)
    };
    let largest = differences().map(f64::abs).fold(0.0, f64::max);
    let relative = norm(differences()) / norm(whole.weights.iter().copied());
    let accuracy = 100.0 * trained.accuracy;
    println!("{name:<36}  {largest:>18.1e}  {relative:>8.1e}  {accuracy:>15.1} %");
    largest
}

fn norm(numbers: impl Iterator<Item = f64>) -> f64 {
    numbers.map(|number| number * number).sum::<f64>().sqrt()
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..1.0).contains(&share) => Ok(share),
        _ => Err("it must be at least 0 and below 1".to_string()),
    }
}
