//! Trains a small model to predict the body mass of penguins, with any of the losses for regression.
//!
//! Run it with `--help` to see what there is to choose.

use std::process::ExitCode;

use burn::tensor::Device;
use clap::Parser;
use common::chart::{self, Axis, BLUE, GREY, ORANGE};
use common::cli::{self, Defaults, Flags};
use common::{Error, training};
use rand::SeedableRng;
use rand::rngs::StdRng;
use regression::data::{self, Penguins};
use regression::loss::LossConfig;
use regression::model::{Answers, Model, best_constant};

/// Trains a small model to predict the body mass of penguins, with the loss of your choice.
///
/// It learns from the bill, the flippers and the sex of four fifths of 333 penguins (included) and is
/// tested on the rest. The last layer of the model is linear. What a loss gets of its output, and of
/// the true values, which are whole numbers of grams from 2700 to 6300:
///
///   l1, mse, smooth_l1, huber, expectile, log_cosh, general_robust, tukey
///                              the output; the values in standard deviations from their mean
///   quantile                   an output for each quantile, by default 0.1, 0.5 and 0.9, a band that
///                              is to hold 80 % of the values; the values as before
///   poisson_nll                the output as the logarithm of the rate, or with "log_input": false
///                              its softplus as the rate; the values as they are. Grams are no
///                              counts: the mean is learned all the same, but the spread that the
///                              loss takes for granted, about 65 g, is too small
///   gaussian_nll               the output, and the softplus of a second one as the variance; the
///                              values in standard deviations from their mean
///
/// One seed gives the same weights and the same batches on every backend.
#[derive(Parser)]
#[command(version, verbatim_doc_comment)]
struct Cli {
    /// The loss to train with
    #[arg(long, default_value = "mse", value_parser = cli::loss::<LossConfig>(LossConfig::NAMES))]
    loss: LossConfig,

    /// A JSON file with the loss and its options, in place of --loss
    #[arg(long, value_name = "FILE", conflicts_with = "loss", value_parser = cli::config_file::<LossConfig>)]
    config: Option<LossConfig>,

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
    let loss_of_model = loss.try_init()?;

    let device = flags.backend.device()?;
    let mut rng = StdRng::seed_from_u64(flags.seed);
    let penguins = Penguins::split(data::load()?, cli.corrupt, &mut rng);
    let title = format!("Body mass of penguins, trained with {}", loss.name());
    let new = |device: &Device| Model::new(&loss_of_model, device);
    let model = training::run(
        &penguins,
        new,
        &title,
        "R squared",
        flags,
        &device,
        &mut rng,
    )?;

    let answers = Answers::new(&penguins, &model, &device);
    let path = flags.output.join("predicted.svg");
    draw(&path, &title, &answers)?;
    println!("wrote {}", path.display());

    if let Some((found, asked)) = answers.coverage() {
        println!(
            "{:.0} % of the held-out penguins are in the band, {:.0} % are asked for",
            100.0 * found,
            100.0 * asked
        );
    }

    let (kind, number) = best_constant(loss, &penguins);
    let error = answers.mean_absolute_error();
    let baseline = Answers::constant(&penguins, number).mean_absolute_error();
    cli::verdict(
        error < baseline,
        format!(
            "held-out mean absolute error {error:.0} g, against {baseline:.0} g for always \
             answering {number:.0} g, the {kind} of the training targets"
        ),
    )
}

/// Draws the predicted values against the true ones, with the predicted deviations if any.
fn draw(path: &std::path::Path, title: &str, answers: &Answers) -> Result<(), Error> {
    chart::picture(path, (720, 720), title, |body| {
        let points = || {
            let pairs = answers.pairs.iter();
            pairs.map(|&(truth, said)| (f64::from(truth), f64::from(said)))
        };
        let deviations = answers.deviations.iter().flatten();
        let bands = answers.band.iter().flat_map(|band| &band.ends);
        let bands = points()
            .zip(bands)
            .map(|((truth, _), ends)| ends.map(|end| (truth, f64::from(end))));
        let bars: Vec<_> = points()
            .zip(deviations)
            .map(|((truth, said), &deviation)| {
                let deviation = f64::from(deviation);
                [(truth, said - deviation), (truth, said + deviation)]
            })
            .chain(bands)
            .collect();
        let values = || {
            let ends = bars.iter().flatten();
            points()
                .chain(ends.copied())
                .flat_map(|(truth, said)| [truth, said])
        };
        let (x, y) = (
            Axis::around("true mass, g", values()),
            Axis::around("predicted mass, g", values()),
        );
        let (least, largest) = (x.range.start, x.range.end);
        let mut legend = vec![("held-out penguin", BLUE), ("perfect", GREY)];
        if answers.deviations.is_some() {
            legend.push(("standard deviation", ORANGE));
        }
        if answers.band.is_some() {
            legend.push(("band of quantiles", ORANGE));
        }
        let mut axes = chart::panel(body, x, y, &legend)?;
        chart::line(&mut axes, [(least, least), (largest, largest)], GREY)?;
        for bar in bars {
            chart::line(&mut axes, bar, ORANGE)?;
        }
        chart::dots(&mut axes, points(), 4, BLUE)
    })
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("it must be from 0 to 1".to_string()),
    }
}
