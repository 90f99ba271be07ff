//! Trains a small network to put a box around an object, with any of the losses for boxes.
//!
//! Run it with `--help` to see what there is to choose.

use std::process::ExitCode;

use burn::tensor::Device;
use clap::Parser;
use common::cli::{self, Defaults, Flags};
use common::log::TrainingLog;
use common::tabular::median;
use common::{Error, training};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::loss::{BoxLoss, DetectionLossConfig};
use crate::model::Model;
use crate::scenes::Scenes;

mod loss;
mod model;
mod picture;
mod scenes;

/// Trains a small network to put a box around an object, with the loss of your choice.
///
/// The images are drawn by the program: 32 by 32 grey pixels with noise, and on each of them a bright
/// rectangle or ellipse in front of a few lines. Its box is of 4 to 22 pixels a side. The network
/// learns from 3000 images and is tested on 600 others. Its output and the target are boxes by their
/// centre and their size, as shares of the image's side. A box is judged by its IoU with the true one:
/// what is in both boxes, as a share of what is in either.
///
///   l1     the mean of the four errors: a pixel costs as much on a small object as on a large one
///   iou    1 - IoU. It has no gradient where the two boxes do not overlap; the others have
///   giou   iou, and the share of the box around both that is in neither
///   diou   iou, and the distance between the centres
///   ciou   diou, and by how much the aspect ratios differ
///   eiou   diou, and by how much the widths differ, and the heights
///   siou   iou, the distance between the centres, by its direction too, and by how much widths and
///          heights differ
///
/// Beside it the same network is trained with l1, from the same weights and with the same batches.
///
/// A run fails where the boxes are no better than always answering the mean box of the training
/// images. One seed gives the same images, the same weights and the same batches on every backend.
#[derive(Parser)]
#[command(version, verbatim_doc_comment)]
struct Cli {
    /// The loss to train with
    #[arg(long, default_value = "ciou", value_parser = cli::loss::<DetectionLossConfig>(DetectionLossConfig::NAMES))]
    loss: DetectionLossConfig,

    /// A JSON file with the loss and its options, in place of --loss. The boxes have centres, which a
    /// file must say: "format": "Cxcywh"
    #[arg(long, value_name = "FILE", conflicts_with = "loss", value_parser = loss::config_file)]
    config: Option<DetectionLossConfig>,

    /// Train with each of the losses, for five seeds, and compare them in a table, without pictures.
    /// It takes minutes
    #[arg(long, conflicts_with_all = ["loss", "config"])]
    all: bool,

    #[command(flatten)]
    flags: Flags,
}

const DEFAULTS: Defaults = Defaults {
    epochs: "30",
    batch_size: "64",
    learning_rate: "0.003",
    output: "out/detection",
};

/// How many seeds, from the given one on, all losses are compared for.
const SEEDS: u64 = 5;

fn main() -> ExitCode {
    cli::exit(run(&cli::parse(&DEFAULTS)))
}

fn run(cli: &Cli) -> Result<(), Error> {
    let flags = &cli.flags;
    if cli.all {
        return compare(flags, &flags.backend.device()?);
    }
    let loss = cli.config.as_ref().unwrap_or(&cli.loss);
    let loss_of_model = loss.try_init()?;

    let device = flags.backend.device()?;
    let mut rng = StdRng::seed_from_u64(flags.seed);
    let scenes = Scenes::draw(&mut rng);
    // Both losses see the same batches.
    let same = rng.clone();
    let title = format!("Boxes around objects, trained with {}", loss.name());
    let new = |device: &Device| Model::new(&loss_of_model, device);
    let model = training::run(&scenes, new, &title, "mean IoU", flags, &device, &mut rng)?;

    let answers = scenes.answers(&model, &device);
    let path = flags.output.join("boxes.svg");
    picture::draw(&path, &title, &scenes.held_out, &answers)?;
    println!("wrote {}", path.display());

    let beside = match loss {
        DetectionLossConfig::L1(_) => String::new(),
        _ => {
            let l1 = "l1".parse::<DetectionLossConfig>()?.try_init()?;
            let iou = trained(&scenes, &l1, flags.seed, flags, &device, same)?;
            format!("{iou:.3} for the same network trained with l1 and ")
        }
    };
    let iou = scenes.mean_iou(&answers);
    let baseline = scenes.iou_of_mean_box();
    cli::verdict(
        iou > baseline,
        format!(
            "held-out mean IoU {iou:.3}, against {beside}{baseline:.3} for always answering the mean box of the training \
             images"
        ),
    )
}

/// The held-out mean IoU of a network that is trained with a loss.
fn trained(
    scenes: &Scenes,
    loss: &BoxLoss,
    seed: u64,
    flags: &Flags,
    device: &Device,
    mut rng: StdRng,
) -> Result<f32, Error> {
    let new = |device: &Device| Model::new(loss, device);
    let mut log = TrainingLog::quiet();
    let model = training::train(scenes, new, flags, seed, device, &mut rng, &mut log)?;
    Ok(scenes.mean_iou(&scenes.answers(&model, device)))
}

/// Trains with each of the losses, for several seeds, and fails where one is not better than the mean box.
fn compare(flags: &Flags, device: &Device) -> Result<(), Error> {
    let seeds = (0..SEEDS).map(|at| flags.seed.wrapping_add(at));
    let columns: String = seeds.clone().map(|seed| format!("{seed:>7}")).collect();
    println!("held-out mean IoU   seed:{columns}   median");
    let drawn: Vec<(u64, Scenes, StdRng)> = seeds
        .map(|seed| {
            let mut rng = StdRng::seed_from_u64(seed);
            let scenes = Scenes::draw(&mut rng);
            (seed, scenes, rng)
        })
        .collect();

    let of_mean_box = drawn.iter().map(|(_, scenes, _)| scenes.iou_of_mean_box());
    let baseline = row("mean box", &of_mean_box.collect::<Vec<_>>());
    let mut medians = Vec::new();
    for &name in DetectionLossConfig::NAMES {
        let loss = name.parse::<DetectionLossConfig>()?.try_init()?;
        // Each loss has the same images, weights and batches.
        let ious = drawn
            .iter()
            .map(|(seed, scenes, rng)| trained(scenes, &loss, *seed, flags, device, rng.clone()))
            .collect::<Result<Vec<f32>, Error>>()?;
        medians.push((name, row(name, &ious)));
    }

    let said: Vec<String> = medians
        .iter()
        .map(|(name, iou)| format!("{name} {iou:.3}"))
        .collect();
    cli::verdict(
        medians.iter().all(|&(_, iou)| iou > baseline),
        format!(
            "held-out mean IoU, medians of {SEEDS} seeds: {}, against {baseline:.3} for always answering the mean box of \
             the training images",
            said.join(", ")
        ),
    )
}

/// Writes a row of the table, and gives its median.
fn row(name: &str, ious: &[f32]) -> f32 {
    let columns: String = ious.iter().map(|iou| format!("{iou:>7.3}")).collect();
    let median = median(ious.iter().copied());
    println!("{name:<25}{columns}  {median:>7.3}");
    median
}
