//! L1 against MSE where a part of the training targets is wrong.
//!
//! Each seed gives another split, other weights and other corrupted targets. What is compared is
//! the mean absolute error on held-out targets that are all right.

use std::path::Path;
use std::process::ExitCode;

use burn::tensor::Device;
use clap::Parser;
use common::chart::{self, Axis, BLUE, GREY, ORANGE, RGBColor};
use common::cli::{self, Defaults, Flags};
use common::log::TrainingLog;
use common::tabular::median;
use common::{Error, training};
use rand::SeedableRng;
use rand::rngs::StdRng;
use regression::data::{self, Penguin, Penguins};
use regression::loss::{LossConfig, ModelLoss};
use regression::model::{Answers, Model};

/// Compares L1 and MSE where a part of the training targets is shifted by 5 standard deviations.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    flags: Flags,
}

const DEFAULTS: Defaults = Defaults {
    epochs: "30",
    batch_size: "32",
    learning_rate: "0.003",
    output: "out/outliers",
};
/// How many seeds, from the given one on.
const SEEDS: u64 = 5;
/// The shares of corrupted targets, in percent.
const SHARES: [u8; 4] = [0, 10, 20, 30];
/// The one of them that is looked at more closely.
const SHOWN: u8 = 20;
const LOSSES: [(&str, RGBColor); 2] = [("l1", BLUE), ("mse", ORANGE)];

/// What the models trained with one loss on one share of corrupted targets say, by seed.
struct Runs {
    loss: &'static str,
    color: RGBColor,
    share: u8,
    answers: Vec<Answers>,
}

impl Runs {
    fn errors(&self) -> impl Iterator<Item = f32> {
        self.answers.iter().map(Answers::mean_absolute_error)
    }

    fn median(&self) -> f32 {
        median(self.errors())
    }
}

fn main() -> ExitCode {
    cli::exit(run(&cli::parse(&DEFAULTS)))
}

fn run(cli: &Cli) -> Result<(), Error> {
    let flags = &cli.flags;
    let device = flags.backend.device()?;
    let all_penguins = data::load()?;
    let seeds = (0..SEEDS).map(|at| flags.seed.wrapping_add(at));
    let columns: String = seeds.clone().map(|seed| format!("{seed:>7}")).collect();
    println!("mean absolute error on held-out targets, none of them corrupted, in grams");
    println!("loss  corrupted  seed:{columns}   median");
    let mut all = Vec::new();
    for (name, color) in LOSSES {
        let loss = name.parse::<LossConfig>()?.try_init()?;
        for share in SHARES {
            let answers = seeds
                .clone()
                .map(|seed| train(&loss, &all_penguins, share, seed, flags, &device));
            let runs = Runs {
                loss: name,
                color,
                share,
                answers: answers.collect::<Result<_, Error>>()?,
            };
            let numbers: String = runs.errors().map(|error| format!("{error:>7.0}")).collect();
            println!(
                "{name:<4}  {share:>7} %       {numbers}  {:>7.0}",
                runs.median()
            );
            all.push(runs);
        }
    }

    std::fs::create_dir_all(&flags.output)?;
    let path = flags.output.join("outliers.svg");
    draw(&path, &all)?;
    println!("wrote {}", path.display());

    let median = |loss| {
        let mut runs = all.iter();
        runs.find(|runs| runs.share == SHOWN && runs.loss == loss)
            .map_or(f32::NAN, Runs::median)
    };
    let (l1, mse) = (median("l1"), median("mse"));
    println!("with {SHOWN} % of the training targets wrong: l1 {l1:.0} g, mse {mse:.0} g");
    match l1 < mse {
        true => Ok(()),
        false => Err("L1 is expected to be better here".into()),
    }
}

/// What a model trained with a loss and a share of wrong targets says of the held-out penguins.
fn train(
    loss: &ModelLoss,
    all_penguins: &[Penguin],
    share: u8,
    seed: u64,
    flags: &Flags,
    device: &Device,
) -> Result<Answers, Error> {
    let mut rng = StdRng::seed_from_u64(seed);
    let share = f64::from(share) / 100.0;
    let penguins = Penguins::split(all_penguins.to_vec(), share, &mut rng);
    let new = |device: &Device| Model::new(loss, device);
    let mut log = TrainingLog::quiet();
    let model = training::train(&penguins, new, flags, seed, device, &mut rng, &mut log)?;
    Ok(Answers::new(&penguins, &model, device))
}

/// Draws the answers at one share of corrupted targets, and the errors at all of them.
fn draw(path: &Path, all: &[Runs]) -> Result<(), Error> {
    let title = "A part of the training targets is 5 standard deviations too high";
    let size = (1200, 600);
    chart::picture(path, size, title, |body| {
        let (left, right) = body.split_horizontally(size.0 / 2);

        let shown = || all.iter().filter(|runs| runs.share == SHOWN);
        let points = |runs: &Runs| -> Vec<(f64, f64)> {
            let pairs = runs.answers[0].pairs.iter();
            pairs
                .map(|&(truth, said)| (truth.into(), said.into()))
                .collect()
        };
        let values = || {
            shown()
                .flat_map(points)
                .flat_map(|(truth, said)| [truth, said])
        };
        let x = Axis::around("true mass, g", values());
        let y_name = format!("predicted mass, g, with {SHOWN} % corrupted");
        let y = Axis::around(&y_name, values());
        let ends = (x.range.start, x.range.end);
        let mut axes = chart::panel(&left, x, y, &LOSSES)?;
        chart::line(&mut axes, [(ends.0, ends.0), (ends.1, ends.1)], GREY)?;
        for runs in shown() {
            chart::dots(&mut axes, points(runs), 4, runs.color)?;
        }

        let last = f64::from(SHARES[SHARES.len() - 1]);
        let x = Axis::new("corrupted training targets, %", -2.0..last + 2.0);
        let errors = all.iter().flat_map(Runs::errors).map(f64::from);
        let y = Axis::around("held-out mean absolute error, g", errors.chain([0.0]));
        let mut axes = chart::panel(&right, x, y, &LOSSES)?;
        for (name, color) in LOSSES {
            let of_loss = || all.iter().filter(|runs| runs.loss == name);
            let medians = of_loss().map(|runs| (runs.share.into(), runs.median().into()));
            chart::line(&mut axes, medians, color)?;
            let each =
                of_loss().flat_map(|runs| runs.errors().map(|e| (runs.share.into(), e.into())));
            chart::dots(&mut axes, each, 4, color)?;
        }
        Ok(())
    })
}
