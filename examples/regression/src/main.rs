//! Trains a small model to predict how a disease progresses, with any of the losses for regression.
//!
//! Run it with `--help` to see what there is to choose.

use std::process::ExitCode;

use burn::tensor::Device;
use burn_losses::prelude::*;
use clap::Parser;
use common::chart::{self, Axis, BLUE, GREY};
use common::cli::{self, Defaults, Flags};
use common::{Error, training};
use rand::SeedableRng;
use rand::rngs::StdRng;
use regression::data::{self, Patients};
use regression::model::{Answers, Model, best_constant};

/// Trains a small model to predict the progression of diabetes, with the loss of your choice.
///
/// It learns from ten measurements of four fifths of 442 patients (included) and is tested on the
/// rest. Input of every loss: the predictions of a linear last layer. Target: the true values, in
/// the same shape. One seed gives the same weights and the same batches on every backend.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// The loss to train with
    #[arg(long, default_value = "mse", value_parser = cli::loss::<RegressionLossConfig>(RegressionLossConfig::NAMES))]
    loss: RegressionLossConfig,

    /// A JSON file with the loss and its options, in place of --loss
    #[arg(long, value_name = "FILE", conflicts_with = "loss", value_parser = cli::config_file::<RegressionLossConfig>)]
    config: Option<RegressionLossConfig>,

    /// The share of the training targets to corrupt, from 0 to 1: they are shifted by 5 standard
    /// deviations
    #[arg(long, default_value_t = 0.0, value_name = "SHARE", value_parser = share, allow_negative_numbers = true)]
    corrupt: f64,

    #[command(flatten)]
    flags: Flags,
}

const DEFAULTS: Defaults = Defaults {
    epochs: "30",
    batch_size: "32",
    learning_rate: "0.003",
    output: "out/regression",
};

fn main() -> ExitCode {
    cli::exit(run(&cli::parse(&DEFAULTS)))
}

fn run(cli: &Cli) -> Result<(), Error> {
    let flags = &cli.flags;
    let loss = cli.config.as_ref().unwrap_or(&cli.loss);
    loss.try_init()?;

    let device = flags.backend.device()?;
    let mut rng = StdRng::seed_from_u64(flags.seed);
    let patients = Patients::split(data::load()?, cli.corrupt, &mut rng);
    let title = format!("Progression of diabetes, trained with {}", loss.name());
    let new = |device: &Device| Model::new(loss, device);
    let model = training::run(
        &patients,
        new,
        &title,
        "R squared",
        flags,
        &device,
        &mut rng,
    )?;

    let answers = Answers::new(&patients, &model, &device);
    let path = flags.output.join("predicted.svg");
    draw(&path, &title, &answers)?;
    println!("wrote {}", path.display());

    let (kind, number) = best_constant(loss, &patients);
    let error = answers.mean_absolute_error();
    let baseline = Answers::constant(&patients, number).mean_absolute_error();
    cli::verdict(
        error < baseline,
        format!(
            "held-out mean absolute error {error:.1}, against {baseline:.1} for always answering \
             {number:.0}, the {kind} of the training targets"
        ),
    )
}

/// Draws the predicted values against the true ones.
fn draw(path: &std::path::Path, title: &str, answers: &Answers) -> Result<(), Error> {
    chart::picture(path, (720, 720), title, |body| {
        let points = || {
            let pairs = answers.pairs.iter();
            pairs.map(|&(truth, said)| (f64::from(truth), f64::from(said)))
        };
        let values = || points().flat_map(|(truth, said)| [truth, said]);
        let (x, y) = (
            Axis::around("true progression", values()),
            Axis::around("predicted progression", values()),
        );
        let (least, largest) = (x.range.start, x.range.end);
        let legend = [("held-out patient", BLUE), ("perfect", GREY)];
        let mut axes = chart::panel(body, x, y, &legend)?;
        chart::line(&mut axes, [(least, least), (largest, largest)], GREY)?;
        chart::dots(&mut axes, points(), 4, BLUE)
    })
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("it must be from 0 to 1".to_string()),
    }
}
