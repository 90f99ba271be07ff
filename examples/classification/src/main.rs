//! Trains a small model on images of handwritten digits, with any of the losses for classification.
//!
//! The losses take different targets: see [`model`] for how each gets its own. Run it with `--help`
//! to see what there is to choose.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use burn_losses::prelude::*;
use clap::builder::RangedU64ValueParser;
use clap::{Parser, ValueEnum};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::backend::Backend;
use crate::log::TrainingLog;
use crate::model::ModelLoss;
use crate::training::Settings;

mod backend;
mod confusion;
mod curves;
mod data;
mod log;
mod model;
mod training;

/// Trains a small model to read handwritten digits, with the loss of your choice.
///
/// It learns from four fifths of 1797 images of 8 by 8 pixels (included) and is tested on the rest.
/// One seed gives the same weights and the same batches on every backend.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// The loss to train with
    #[arg(long, value_enum, default_value_t = LossName::CrossEntropy)]
    loss: LossName,

    /// The backend to compute on
    #[arg(long, value_enum, default_value_t = Backend::Ndarray)]
    backend: Backend,

    /// How often to go through the training images
    #[arg(long, default_value_t = 30, value_name = "NUMBER", value_parser = count())]
    epochs: usize,

    /// What the split, the weights and the order of the images depend on
    #[arg(long, default_value_t = 42, value_name = "NUMBER")]
    seed: u64,

    /// The number of images in a training step
    #[arg(long, default_value_t = 64, value_name = "NUMBER", value_parser = count())]
    batch_size: usize,

    /// The learning rate of the optimizer (Adam)
    #[arg(long, default_value_t = 0.003, value_name = "NUMBER", value_parser = above_0, allow_negative_numbers = true)]
    learning_rate: f64,

    /// The directory for the pictures (curves.svg, confusion.svg) and the losses (epochs.csv,
    /// steps.csv)
    #[arg(long, default_value = "out/classification", value_name = "DIR")]
    output: PathBuf,
}

/// The losses by name.
#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum LossName {
    /// Input: the logits, as the model gives them. Target: class ids
    CrossEntropy,
    /// Input: a log-softmax of the logits (target::log_probs). Target: class ids
    Nll,
    /// Input: the logits, as the model gives them. Target: one-hot rows (target::one_hot), so that
    /// each digit is a question of its own, yes or no
    BceWithLogits,
    /// Input: a sigmoid of the logits. Target: one-hot rows (target::one_hot)
    Bce,
    /// Input: a log-softmax of the logits (target::log_probs). Target: one-hot rows
    /// (target::one_hot), as the distribution to match
    KlDiv,
}

impl LossName {
    fn init(self) -> ModelLoss {
        match self {
            Self::CrossEntropy => ModelLoss::CrossEntropy(CrossEntropyLoss::new()),
            Self::Nll => ModelLoss::Nll(NllLoss::new()),
            Self::BceWithLogits => ModelLoss::BceWithLogits(BceWithLogitsLoss::new()),
            Self::Bce => ModelLoss::Bce(BceLoss::new()),
            Self::KlDiv => ModelLoss::KlDiv(KlDivLoss::new()),
        }
    }
}

/// Bounded above so that the number of steps cannot overflow.
fn count() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=100_000)
}

fn above_0(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if number > 0.0 && f64::is_finite(number) => Ok(number),
        _ => Err("it must be a number above 0".to_string()),
    }
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<(), Box<dyn Error>> {
    let device = cli.backend.device()?.autodiff();
    let directory = &cli.output;
    std::fs::create_dir_all(directory)
        .map_err(|error| format!("cannot create {}: {error}", directory.display()))?;

    let mut rng = StdRng::seed_from_u64(cli.seed);
    let split = data::split(data::load()?, &mut rng);
    let majority = split.majority_class();
    let model = training::seeded_model(cli.loss.init(), cli.seed, &device);
    for lint in training::lint(&model, &split, cli.batch_size, &device) {
        eprintln!("lint: {lint}");
    }

    let settings = Settings {
        epochs: cli.epochs,
        batch_size: cli.batch_size,
        learning_rate: cli.learning_rate,
    };
    let steps = cli.epochs * split.train.len().div_ceil(cli.batch_size);
    let mut log = TrainingLog::create(directory, steps, "accuracy")?;
    let confusion = training::train(model, &split, &settings, &device, &mut rng, &mut log)?;
    let epochs = log.finish()?;

    let title = format!("Handwritten digits, trained with {}", name(cli.loss));
    let curves_path = directory.join("curves.svg");
    curves::draw(&curves_path, &title, "accuracy", &epochs)
        .map_err(|error| cannot_draw(&curves_path, &*error))?;
    let confusion_path = directory.join("confusion.svg");
    confusion
        .draw(&confusion_path)
        .map_err(|error| cannot_draw(&confusion_path, &*error))?;
    println!("wrote {}", curves_path.display());
    println!("wrote {}", confusion_path.display());

    let baseline = confusion.share(majority);
    println!(
        "held-out accuracy {:.1} % ({} of {}), against {:.1} % for always answering {majority}, \
         the most frequent digit in training",
        100.0 * confusion.accuracy(),
        confusion.right(),
        confusion.total(),
        100.0 * baseline,
    );
    if confusion.accuracy() > baseline {
        Ok(())
    } else {
        Err("the model has learned nothing: it does not beat the constant answer".into())
    }
}

/// The name of a choice, as on the command line.
fn name(choice: impl ValueEnum) -> String {
    let value = choice.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_string())
}

fn cannot_draw(path: &Path, error: &dyn Error) -> String {
    format!("cannot draw {}: {error}", path.display())
}
