//! Trains a small convolutional network to say of each pixel what it belongs to, with any of the losses for
//! segmentation, and beside it one with cross-entropy alone.
//!
//! Run it with `--help` to see what there is to choose.

use std::process::ExitCode;

use burn::tensor::Device;
use burn_losses::prelude::*;
use clap::Parser;
use common::cli::{self, Defaults, Flags};
use common::log::TrainingLog;
use common::{Error, training};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::data::{BACKGROUND, CLASSES, CROSS, NAMES, Split};
use crate::loss::{LossConfig, ModelLoss};
use crate::model::{Model, Shapes};

mod data;
mod loss;
mod model;
mod picture;
mod score;

/// Trains a small convolutional network to find shapes in images, with the loss of your choice.
///
/// The program draws the images: 48 by 48 pixels, grey, noisy and unevenly lit, with one or two bright
/// discs, dark squares and bright crosses each. A cross has five pixels, so 3 pixels in 1000 belong to
/// one, and 8 to 9 in 100 to a disc, as many to a square. The network learns from 128 images and is
/// tested on 64 others, by the Dice score of each class: twice the pixels that are rightly said to be
/// of it, divided by all that are said to be plus all that are.
///
/// Every loss takes four logits for each pixel, and the id of its class:
///
///   cross_entropy       the mean over all pixels: what is rare hardly counts
///   dice                one minus a Dice score of probabilities, the mean over the classes, each of
///                       which counts alike. Of a class that is not found at all it has next to no
///                       gradient, so crosses are found with most seeds and not at all with others
///   generalized_dice    one Dice score for all classes, in which a class weighs the less the more
///                       pixels it has, by their square: hardly anything but crosses counts here
///   tversky             dice with weights for what is missed and what is too much; the same as dice
///                       by default, see configs/tversky_recall.json
///   jaccard             the intersection over the union in place of the Dice score: its gradient for
///                       what is not found is half as large, and most seeds find no cross
///   lovasz              the intersection over the union of the answers, made differentiable: it finds
///                       the crosses within a few epochs
///   dice_cross_entropy  the sum of dice and cross_entropy: the one counts each class alike, the other
///                       has a gradient for every pixel
///   dice_focal          the sum of dice and the focal loss
///
/// Plain cross_entropy is trained beside the loss, from the same weights on the same batches. After the
/// 12 epochs of the default it has found hardly any cross, and dice_cross_entropy most of them. With 60
/// epochs plain cross_entropy finds most too, but still misses more: it says cross only where that is
/// likelier than not.
///
/// A run fails where the mean of the Dice scores is not above that of always answering background. One
/// seed gives the same images, the same weights and the same batches on every backend.
#[derive(Parser)]
#[command(version, verbatim_doc_comment)]
struct Cli {
    /// The loss to train with
    #[arg(long, default_value = "dice_cross_entropy", value_parser = cli::loss::<LossConfig>(LossConfig::NAMES))]
    loss: LossConfig,

    /// A JSON file with the loss and its options, in place of --loss
    #[arg(long, value_name = "FILE", conflicts_with = "loss", value_parser = cli::config_file::<LossConfig>)]
    config: Option<LossConfig>,

    #[command(flatten)]
    flags: Flags,
}

const DEFAULTS: Defaults = Defaults {
    epochs: "12",
    batch_size: "8",
    learning_rate: "0.01",
    output: "out/segmentation",
};

const PLAIN: &str = "plain cross_entropy";

fn main() -> ExitCode {
    cli::exit(run(&cli::parse(&DEFAULTS)))
}

fn run(cli: &Cli) -> Result<(), Error> {
    let flags = &cli.flags;
    let config = cli.config.as_ref().unwrap_or(&cli.loss);
    let loss = config.try_init()?;
    let device = flags.backend.device()?;
    let mut rng = StdRng::seed_from_u64(flags.seed);
    let task = Shapes(Split::draw(&mut rng));
    let cross = 100.0 * task.0.shares()[CROSS];
    println!("of the training pixels {cross:.2} % belong to crosses");

    // Both losses see the same batches.
    let same = rng.clone();
    let title = format!("Shapes in images, trained with {}", config.name());
    let new = |device: &Device| Model::new(&loss, device);
    let model = training::run(&task, new, &title, "mean Dice", flags, &device, &mut rng)?;
    let mut found = vec![(config.name(), task.answers(&model, &device))];

    let plain = LossConfig::CrossEntropy(CrossEntropyLossConfig::new());
    if *config != plain {
        println!("training with {PLAIN}, to compare");
        let answers = quietly(&task, &plain.try_init()?, flags, &device, same)?;
        found.insert(0, (PLAIN, answers));
    }

    let truth = task.0.truth();
    let mut columns = vec![("truth", &truth[..])];
    columns.extend(found.iter().map(|(name, said)| (*name, &said[..])));
    let path = flags.output.join("found.svg");
    picture::draw(&path, &task.0.held_out, &columns)?;
    println!("wrote {}", path.display());

    println!("\n{}", heading(task.0.held_out.len()));
    let nothing = vec![BACKGROUND; truth.len()];
    let baseline = row("always background", score::dice(&truth, &nothing));
    let mut said = Vec::new();
    let mut best = f64::NAN;
    for (name, answers) in &found {
        let scores = score::dice(&truth, answers);
        // The last one is the loss that was asked for.
        best = row(name, scores);
        said.push(format!(
            "{best:.3} with {name} (crosses {:.3})",
            scores[CROSS]
        ));
    }
    said.reverse();
    println!();
    cli::verdict(
        best > baseline,
        format!(
            "held-out mean Dice {}, against {baseline:.3} for always answering background",
            said.join(", ")
        ),
    )
}

/// What a model says of the held-out images that was trained with a loss, without a log.
fn quietly(
    task: &Shapes,
    loss: &ModelLoss,
    flags: &Flags,
    device: &Device,
    mut rng: StdRng,
) -> Result<Vec<usize>, Error> {
    let new = |device: &Device| Model::new(loss, device);
    let mut log = TrainingLog::quiet();
    let model = training::train(task, new, flags, flags.seed, device, &mut rng, &mut log)?;
    Ok(task.answers(&model, device))
}

fn heading(images: usize) -> String {
    let names: String = NAMES.iter().map(|name| format!("{name:>12}")).collect();
    let of = format!("Dice of {images} held-out images");
    format!("{of:<28}{names}{:>12}", "mean")
}

/// Writes the scores of the classes and their mean, and gives that.
fn row(name: &str, scores: [f64; CLASSES]) -> f64 {
    let columns: String = scores
        .iter()
        .map(|score| format!("{score:>12.3}"))
        .collect();
    let mean = score::mean(scores);
    println!("{name:<28}{columns}{mean:>12.3}");
    mean
}
