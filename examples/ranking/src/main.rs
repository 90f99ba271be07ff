//! Trains embeddings of digits or scores of wines, with any of the losses for ranking.
//!
//! The losses take different inputs: see [`embedding`] and [`scoring`] for how each gets its own.
//! Run it with `--help` to see what there is to choose.

use std::process::ExitCode;

use burn::tensor::Device;
use burn_losses::prelude::*;
use clap::Parser;
use common::cli::{self, Defaults, Flags};
use common::{Error, digits, training};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::embedding::{Digits, EmbeddingLoss, Space};
use crate::loss::RankingLossConfig;
use crate::scoring::Wines;

mod embedding;
mod loss;
mod retrieval;
mod scoring;

/// Trains embeddings of digits, or scores of wines, with the loss of your choice.
///
/// What is learned, and how a loss gets its target, is up to the loss:
///
///   triplet_margin
///       digits as points in the plane, from triplets: an image, another one of the same digit, one
///       of another digit. The roles are the target
///   triplet_margin_with_distance
///       the same, with the distance of its options; where that is Cosine, on a sphere
///   hinge_embedding
///       digits in the plane, from the distances of pairs. Target: +1 for the same digit, else -1
///   cosine_embedding
///       digits on a sphere, from pairs and the same target. Its margin is 0.5 here: at the default
///       of 0, ten digits have no room there
///   margin_ranking
///       a score for each wine, from pairs of wines. Target: +1 where the first is the better one,
///       -1 where the second is. Its margin is 1 here: at the default of 0, equal scores cost
///       nothing
///
/// Four fifths of the samples (included) are trained on, the rest is to test with. One seed gives
/// the same weights and the same batches on every backend.
#[derive(Parser)]
#[command(version, verbatim_doc_comment)]
struct Cli {
    /// The loss to train with
    #[arg(long, default_value = "triplet_margin", value_parser = cli::loss::<RankingLossConfig>(RankingLossConfig::NAMES))]
    loss: RankingLossConfig,

    /// A JSON file with the loss and its options, in place of --loss. What it leaves out has the
    /// library's default, so for margin_ranking and cosine_embedding name a margin
    #[arg(long, value_name = "FILE", conflicts_with = "loss", value_parser = cli::config_file::<RankingLossConfig>)]
    config: Option<RankingLossConfig>,

    #[command(flatten)]
    flags: Flags,
}

const DEFAULTS: Defaults = Defaults {
    epochs: "30",
    batch_size: "32",
    learning_rate: "0.01",
    output: "out/ranking",
};

fn main() -> ExitCode {
    cli::exit(run(&cli::parse(&DEFAULTS)))
}

fn run(cli: &Cli) -> Result<(), Error> {
    let flags = &cli.flags;
    let loss = cli.config.as_ref().unwrap_or(&cli.loss);
    let device = flags.backend.device()?;
    let mut rng = StdRng::seed_from_u64(flags.seed);
    let (loss_of_model, space) = match loss {
        RankingLossConfig::TripletMargin(config) => (
            EmbeddingLoss::TripletMargin(config.try_init()?),
            Space::Plane,
        ),
        RankingLossConfig::TripletMarginWithDistance(config) => {
            let space = match config.distance {
                Distance::Cosine => Space::Sphere,
                _ => Space::Plane,
            };
            let loss_of_model = EmbeddingLoss::TripletMarginWithDistance(config.try_init()?);
            (loss_of_model, space)
        }
        RankingLossConfig::HingeEmbedding(config) => (
            EmbeddingLoss::HingeEmbedding(config.try_init()?),
            Space::Plane,
        ),
        RankingLossConfig::CosineEmbedding(config) => (
            EmbeddingLoss::CosineEmbedding(config.try_init()?),
            Space::Sphere,
        ),
        RankingLossConfig::MarginRanking(config) => {
            return score(loss.name(), &config.try_init()?, flags, &device, &mut rng);
        }
    };
    embed(loss.name(), &loss_of_model, space, flags, &device, &mut rng)
}

/// Trains places for digits.
fn embed(
    name: &str,
    loss: &EmbeddingLoss,
    space: Space,
    flags: &Flags,
    device: &Device,
    rng: &mut StdRng,
) -> Result<(), Error> {
    let task = Digits(digits::split(digits::load()?, rng));
    let title = format!("Handwritten digits {}, trained with {name}", space.name());
    let new = |device: &Device| embedding::Model::new(loss, space, device);
    let model = training::run(&task, new, &title, "average precision", flags, device, rng)?;

    let places = task.places(&model, device);
    let path = flags.output.join("embedding.svg");
    embedding::draw(&path, &title, space, &places)?;
    println!("wrote {}", path.display());

    let found = retrieval::mean_average_precision(&places);
    let baseline = task.score_of_pixels();
    cli::verdict(
        found > baseline,
        format!(
            "held-out mean average precision {:.1} %, against {:.1} % for the distance between the \
             images, pixel by pixel",
            100.0 * found,
            100.0 * baseline
        ),
    )
}

/// Trains scores for wines.
fn score(
    name: &str,
    loss: &MarginRankingLoss,
    flags: &Flags,
    device: &Device,
    rng: &mut StdRng,
) -> Result<(), Error> {
    let task = Wines::load(rng)?;
    let title = format!("Quality of red wines, trained with {name}");
    let new = |device: &Device| scoring::Model::new(loss, device);
    let model = training::run(&task, new, &title, "pairs in order", flags, device, rng)?;

    let scores = task.scores(&model, device);
    let path = flags.output.join("scores.svg");
    scoring::draw(&path, &title, &task.held_out, &scores)?;
    println!("wrote {}", path.display());

    let found = scoring::share_in_order(&task.held_out, &scores);
    let (measurement, baseline) = task.best_measurement();
    cli::verdict(
        found > baseline,
        format!(
            "{:.1} % of the held-out pairs in order, against {:.1} % by {measurement}, the \
             measurement that orders the training wines best",
            100.0 * found,
            100.0 * baseline
        ),
    )
}
