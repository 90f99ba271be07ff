//! A digit that is rare in training: how well it is read then, with a loss and with plain cross-entropy.

use std::path::Path;

use burn::tensor::Device;
use burn_losses::prelude::*;
use common::Error;
use common::chart::{self, Axis, BLUE, GREY};
use common::cli::{self, Flags};
use common::digits::{self, CLASSES, Digit, Split};
use common::log::TrainingLog;
use common::tabular::median;
use common::training;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::confusion::Confusion;
use crate::loss::{self, LossChoice};
use crate::model::{Digits, Model};

/// The share of its training images that a rare digit is left with.
const LEFT: f64 = 0.05;
/// How many seeds, from the given one on: the few images that are left differ, and so does what comes of them.
const SEEDS: u64 = 5;

/// What the models trained with one loss say of the held-out digits, by seed.
struct Runs {
    name: &'static str,
    confusions: Vec<Confusion>,
}

impl Runs {
    /// Writes a number for each run, in percent, and gives their median.
    fn row(&self, measure: &str, of: impl Fn(&Confusion) -> f64) -> f64 {
        let shares = self.confusions.iter().map(|it| 100.0 * of(it));
        let columns: String = shares.map(|share| format!("{share:>7.1}")).collect();
        let median = self.median(&of);
        println!("{measure:<20}  {:<23}{columns}  {median:>7.1}", self.name);
        median
    }

    /// The median of the runs, in percent.
    fn median(&self, of: impl Fn(&Confusion) -> f64) -> f64 {
        let shares = self.confusions.iter().map(|it| 100.0 * of(it));
        median(shares.map(|share| share as f32)).into()
    }
}

/// Leaves out all but a few of a digit's training images, and says how many there were and how many are left.
fn make_rare(split: &mut Split, class: usize) -> [usize; 2] {
    let before = split.train.iter().filter(|it| it.class == class).count();
    let left = ((LEFT * before as f64).round() as usize).max(1);
    let mut seen = 0;
    split.train.retain(|digit| {
        seen += usize::from(digit.class == class);
        digit.class != class || seen <= left
    });
    [before, left]
}

/// What a model trained with a loss says, where a digit is rare. The same seed gives the same images, weights and batches
/// for every loss.
fn trained(
    all: &[Digit],
    loss: &LossChoice,
    class: usize,
    seed: u64,
    flags: &Flags,
    device: &Device,
) -> Result<Confusion, Error> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut split = digits::split(all.to_vec(), &mut rng);
    make_rare(&mut split, class);
    let config = loss.config(&loss::counts(&split));
    config.try_init()?;
    let task = Digits(split);
    let new = |device: &Device| Model::new(&config, device);
    let mut log = TrainingLog::quiet();
    let model = training::train(&task, new, flags, seed, device, &mut rng, &mut log)?;
    Ok(task.confusion(&model, device))
}

/// Trains with a loss and with plain cross-entropy where a digit is rare, and says what comes of it.
pub fn run(loss: &LossChoice, class: usize, flags: &Flags, device: &Device) -> Result<(), Error> {
    let all = digits::load()?;
    let plain = LossChoice::AsIs(CrossEntropyLossConfig::new().into());
    let mut compared = vec![("plain cross_entropy", &plain)];
    if *loss != plain {
        compared.push((loss.name(), loss));
    }

    let seeds = (0..SEEDS).map(|at| flags.seed.wrapping_add(at));
    let mut runs = Vec::new();
    for (name, loss) in compared {
        let each = seeds.clone();
        let confusions = each.map(|seed| trained(&all, loss, class, seed, flags, device));
        let confusions = confusions.collect::<Result<Vec<_>, Error>>()?;
        runs.push(Runs { name, confusions });
    }

    let mut split = digits::split(all, &mut StdRng::seed_from_u64(flags.seed));
    let [before, left] = make_rare(&mut split, class);
    println!(
        "{class} is rare: {left} of its {before} training images are left, all of the other digits; the {} held-out \
         images stay",
        split.held_out.len()
    );
    let columns: String = seeds.map(|seed| format!("{seed:>7}")).collect();
    println!("{:<39} seed:{columns}   median", "");
    let each = |measure: &str, of: &dyn Fn(&Confusion) -> f64| -> Vec<f64> {
        runs.iter().map(|runs| runs.row(measure, of)).collect()
    };
    let balanced = each("balanced accuracy, %", &Confusion::balanced_accuracy);
    let recall = each(&format!("recall of {class}, %"), &|it| it.recall(class));

    std::fs::create_dir_all(&flags.output)?;
    let path = flags.output.join("rare.svg");
    draw(&path, class, &runs)?;
    println!("wrote {}", path.display());

    let said: Vec<String> = runs
        .iter()
        .zip(balanced.iter().zip(&recall))
        .map(|(runs, (balanced, recall))| {
            let name = runs.name;
            format!("{balanced:.1} % with {name} (recall of {class} {recall:.1} %)")
        })
        .rev()
        .collect();
    let constant = 100.0 / CLASSES as f64;
    cli::verdict(
        balanced.last() > Some(&constant),
        format!(
            "held-out balanced accuracy, median of {SEEDS} seeds: {}, against {constant:.1} % for always answering the same",
            said.join(", ")
        ),
    )
}

/// Draws what share of each digit is recognized.
fn draw(path: &Path, class: usize, runs: &[Runs]) -> Result<(), Error> {
    let title = format!("What is recognized of each digit, where {class} is rare in training");
    chart::picture(path, (960, 560), &title, |body| {
        let colors = [GREY, BLUE];
        let x = Axis::new("digit", -0.5..CLASSES as f64 - 0.5);
        let y = Axis::new("recall of the held-out images, %", 0.0..102.0);
        let legend: Vec<_> = runs.iter().map(|it| it.name).zip(colors).collect();
        let mut axes = chart::panel(body, x, y, &legend)?;
        for (runs, color) in runs.iter().zip(colors) {
            let recall = |digit: usize| runs.median(|it| it.recall(digit));
            let medians = || (0..CLASSES).map(|digit| (digit as f64, recall(digit)));
            chart::line(&mut axes, medians(), color)?;
            chart::dots(&mut axes, medians(), 5, color)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_training_images_of_the_rare_digit_are_left_out() {
        let split = || digits::split(digits::load().unwrap(), &mut StdRng::seed_from_u64(1));
        let (full, mut rare) = (split(), split());
        let [before, left] = make_rare(&mut rare, 3);
        let (of_full, of_rare) = (loss::counts(&full), loss::counts(&rare));
        assert_eq!([of_full[3], of_rare[3]], [before as u64, left as u64]);
        assert_eq!(left, 7);
        assert_eq!(rare.held_out, full.held_out);
        for class in (0..CLASSES).filter(|&class| class != 3) {
            assert_eq!(of_rare[class], of_full[class]);
        }
    }
}
