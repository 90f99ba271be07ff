//! Trains a small model on images of handwritten digits, with any of the losses for one class of
//! several.
//!
//! Run it with `--help` to see what there is to choose.

use std::process::ExitCode;

use burn::tensor::Device;
use burn_losses::prelude::*;
use clap::Parser;
use clap::builder::RangedU64ValueParser;
use classification::loss::{self, LossChoice};
use classification::model::{Digits, Model};
use classification::rare;
use common::cli::{self, Defaults, Flags};
use common::digits::{self, CLASSES};
use common::{Error, training};
use rand::SeedableRng;
use rand::rngs::StdRng;

/// Trains a small model to read handwritten digits, with the loss of your choice.
///
/// It learns from four fifths of 1797 images of 8 by 8 pixels (included) and is tested on the rest.
/// The model gives logits, the target is class ids; what a loss wants instead is put in between:
///
///   cross_entropy            logits; ids
///   focal                    logits; ids
///   nll                      log-softmax of the logits; ids
///   bce_with_logits          logits; one-hot rows, each digit a question of its own, yes or no
///   bce                      sigmoid of the logits; one-hot rows
///   kl_div                   log-softmax of the logits; one-hot rows, as the distribution to match
///   multi_margin             logits; ids
///   soft_margin              logits; one-hot rows as signs, +1 for the digit and -1 for any other
///   multi_label_margin       logits; rows that list labels, here the id alone, and then -1
///   multi_label_soft_margin  logits; one-hot rows
///
/// Three more take logits and ids, and have options that are made of how often each digit occurs in
/// training:
///
///   focal_weighted           focal, with an alpha by which each digit counts alike
///   class_balanced           cross_entropy, weighted by the effective number of images
///   logit_adjusted           cross_entropy of logits to which the logarithm of the digit's share is
///                            added while training: what is learned is what would be if all were
///                            as frequent
///
/// They are for --rare, which makes one digit rare in training and compares the loss with plain
/// cross_entropy: the mean of the digits' recalls, and the recall of the rare one, for five seeds.
/// With --rare 3, of which 7 images are left, plain cross_entropy recognizes 67 % of the held-out
/// threes. Focal alone makes no clear difference (64 %). Weights do (focal_weighted 81 %,
/// class_balanced 81 %), and logit_adjusted does most (92 %): at a small cost to the other digits,
/// some of which are then taken for a 3
///
/// One seed gives the same weights and the same batches on every backend.
#[derive(Parser)]
#[command(version, verbatim_doc_comment)]
struct Cli {
    /// The loss to train with
    #[arg(long, default_value = "cross_entropy", value_parser = cli::loss::<LossChoice>(LossChoice::NAMES))]
    loss: LossChoice,

    /// A JSON file with the loss and its options, in place of --loss
    #[arg(long, value_name = "FILE", conflicts_with = "loss", value_parser = config_file)]
    config: Option<LossChoice>,

    /// A digit of which one training image in 20 is left: the loss is compared with plain cross_entropy
    #[arg(long, value_name = "DIGIT", value_parser = digit())]
    rare: Option<usize>,

    #[command(flatten)]
    flags: Flags,
}

const DEFAULTS: Defaults = Defaults {
    epochs: "30",
    batch_size: "64",
    learning_rate: "0.003",
    output: "out/classification",
};

fn main() -> ExitCode {
    cli::exit(run(&cli::parse(&DEFAULTS)))
}

fn run(cli: &Cli) -> Result<(), Error> {
    let flags = &cli.flags;
    let loss = cli.config.as_ref().unwrap_or(&cli.loss);
    if let Some(class) = cli.rare {
        return rare::run(loss, class, flags, &flags.backend.device()?);
    }
    let mut rng = StdRng::seed_from_u64(flags.seed);
    let task = Digits(digits::split(digits::load()?, &mut rng));
    let config = loss.config(&loss::counts(&task.0));
    config.try_init()?;

    let device = flags.backend.device()?;
    let title = format!("Handwritten digits, trained with {}", loss.name());
    let new = |device: &Device| Model::new(&config, device);
    let model = training::run(&task, new, &title, "accuracy", flags, &device, &mut rng)?;

    let confusion = task.confusion(&model, &device);
    let path = flags.output.join("confusion.svg");
    confusion.draw(&path)?;
    println!("wrote {}", path.display());

    let majority = task.0.majority_class();
    let baseline = confusion.share(majority);
    cli::verdict(
        confusion.accuracy() > baseline,
        format!(
            "held-out accuracy {:.1} % ({} of {}), against {:.1} % for always answering {majority}, \
             the most frequent digit in training",
            100.0 * confusion.accuracy(),
            confusion.right(),
            confusion.total(),
            100.0 * baseline,
        ),
    )
}

fn config_file(path: &str) -> Result<LossChoice, String> {
    cli::config_file::<ClassificationLossConfig>(path).map(LossChoice::AsIs)
}

fn digit() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(0..CLASSES as u64)
}
