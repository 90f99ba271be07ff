//! From two digits to ten: what the move takes, and what each way of doing half of it gives.
//!
//! The first program tells an 8 from a 3 with a single output and labels; the second tells ten
//! digits apart with ten outputs and class ids. Changing only some of that is the usual mistake.

use std::path::Path;
use std::process::ExitCode;

use burn::nn::loss::BinaryCrossEntropyLossConfig;
use burn::tensor::{Device, Int, Tensor, activation};
use burn_losses::prelude::*;
use burn_losses::{Lint, LossError, target};
use clap::Parser;
use common::Error;
use common::chart::{self, Axis, BLUE, GREY, ORANGE, PURPLE};
use common::cli::{self, Defaults, Flags};
use common::curves;
use common::digits::{self, Batch, CLASSES, Digit, PIXELS, Split};
use common::log::{Epoch, TrainingLog};
use common::mlp::Mlp;
use common::training::{self, Samples, Task};
use rand::SeedableRng;
use rand::rngs::StdRng;

/// Shows the move from two digits to ten: what it takes, and what each way of doing half of it gives.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    flags: Flags,
}

const DEFAULTS: Defaults = Defaults {
    epochs: "30",
    batch_size: "64",
    learning_rate: "0.003",
    output: "out/two_to_ten",
};

const HIDDEN: usize = 64;
const NO: usize = 3;
const YES: usize = 8;

/// Before the move: is it an 8, or a 3?
struct TwoDigits {
    split: Split,
    loss: BceWithLogitsLoss,
}

impl TwoDigits {
    /// The target: a label for each output, `[N, 1]`.
    fn labels(ids: Tensor<1, Int>) -> Tensor<2, Int> {
        ids.equal_scalar(YES as i64).int().unsqueeze_dim(1)
    }
}

impl Task for TwoDigits {
    type Model = Mlp;
    type Samples = Split;

    fn training_samples(&self) -> &Split {
        &self.split
    }

    fn loss(&self, net: &Mlp, batch: Batch) -> Tensor<1> {
        let labels = Self::labels(batch.ids);
        self.loss.forward(net.forward(batch.images), labels)
    }

    fn lint(&self, net: &Mlp, batch: Batch) -> Vec<Lint> {
        let labels = Self::labels(batch.ids);
        self.loss.lint(&net.forward(batch.images), &labels)
    }

    fn held_out(&self, net: &Mlp, device: &Device) -> (f64, f64) {
        let batch = self.split.held_out(device);
        let answers = net.forward(batch.images.clone()).greater_scalar(0.0).int();
        let right = answers.equal(Self::labels(batch.ids.clone()));
        let accuracy = right.float().mean().into_scalar();
        (self.loss(net, batch).into_scalar(), accuracy)
    }
}

/// After the move: which digit is it?
struct TenDigits {
    split: Split,
    loss: CrossEntropyLoss,
    /// Whether the model applies a softmax by mistake, before that of the loss.
    softmax: bool,
}

impl TenDigits {
    fn forward(&self, net: &Mlp, images: Tensor<2>) -> Tensor<2> {
        match self.softmax {
            true => activation::softmax(net.forward(images), 1),
            false => net.forward(images),
        }
    }
}

impl Task for TenDigits {
    type Model = Mlp;
    type Samples = Split;

    fn training_samples(&self) -> &Split {
        &self.split
    }

    fn loss(&self, net: &Mlp, batch: Batch) -> Tensor<1> {
        self.loss
            .forward(self.forward(net, batch.images), batch.ids)
    }

    fn lint(&self, net: &Mlp, batch: Batch) -> Vec<Lint> {
        self.loss.lint(&self.forward(net, batch.images), &batch.ids)
    }

    fn held_out(&self, net: &Mlp, device: &Device) -> (f64, f64) {
        let batch = self.split.held_out(device);
        let answers = target::class_ids(net.forward(batch.images.clone()), 1);
        let accuracy = answers
            .equal(batch.ids.clone())
            .float()
            .mean()
            .into_scalar();
        (self.loss(net, batch).into_scalar(), accuracy)
    }
}

fn main() -> ExitCode {
    cli::exit(run(&cli::parse(&DEFAULTS)))
}

fn run(cli: &Cli) -> Result<(), Error> {
    let flags = &cli.flags;
    let device = flags.backend.device()?;
    let all_digits = digits::load()?;
    let two = TwoDigits {
        split: split(&all_digits, flags, |digit| [NO, YES].contains(&digit.class)),
        loss: BceWithLogitsLoss::new(),
    };
    let ten = |softmax| TenDigits {
        split: split(&all_digits, flags, |_| true),
        loss: CrossEntropyLoss::new(),
        softmax,
    };
    let right = ten(false);
    let softmax = ten(true);
    let mut shifted = ten(false);
    for digit in &mut shifted.split.train {
        digit.class = (digit.class + 1) % CLASSES;
    }
    let lints = softmax.lint(&Mlp::new([PIXELS, HIDDEN, CLASSES], &Device::flex()), {
        let all: Vec<usize> = (0..softmax.split.count()).collect();
        softmax.split.batch(&all, &Device::flex())
    });

    let before = train(&two, 1, flags, &device)?;
    let after = [
        train(&right, CLASSES, flags, &device)?,
        train(&softmax, CLASSES, flags, &device)?,
        train(&shifted, CLASSES, flags, &device)?,
    ];
    let [of_two, of_ten, of_softmax, of_shifted] =
        [&before, &after[0], &after[1], &after[2]].map(|epochs| percent(epochs));

    println!("what               two digits                 ten digits");
    println!(
        "last layer         LinearConfig::new({HIDDEN}, 1)   LinearConfig::new({HIDDEN}, {CLASSES})"
    );
    println!("loss               BceWithLogitsLoss          CrossEntropyLoss");
    println!("target             labels 0 or 1, [N, 1]      class ids 0 to 9, Int [N]");
    println!("answer             is the logit above 0?      the class of the largest logit");
    println!("held-out accuracy  {of_two:<25}  {of_ten}");

    println!("\nwhat each wrong way gives");
    for (number, (way, outcome)) in (1..).zip(wrong_ways()?) {
        println!("\n{number}. {way}\n   {}", outcome.replace('\n', "\n   "));
    }
    println!("\nwhat runs all the same");
    let first = |epochs: &[Epoch]| percent(&epochs[..1]);
    println!(
        "\n* A softmax is left in the model: {} of the held-out images right after one epoch, where \
         it should be {}; {of_softmax} in the end.",
        first(&after[1]),
        first(&after[0]),
    );
    for lint in &lints {
        println!("  lint: {lint}");
    }
    println!(
        "\n* The training ids are those of the next digit, 9 becoming 0: {of_shifted} right. No \
         batch shows it; the held-out accuracy does."
    );

    std::fs::create_dir_all(&flags.output)?;
    let path = flags.output.join("two_to_ten.svg");
    draw(&path, &before, &after)?;
    println!("\nwrote {}", path.display());

    let shown = !lints.is_empty()
        && after[1][0].score < after[0][0].score
        && last(&after[2]) < 0.5 * last(&after[0]);
    match shown {
        true => Ok(()),
        false => Err("the mistakes do not show as they should".into()),
    }
}

fn split(digits: &[Digit], flags: &Flags, keep: impl Fn(&Digit) -> bool) -> Split {
    let mut rng = StdRng::seed_from_u64(flags.seed);
    let kept = digits.iter().filter(|digit| keep(digit)).cloned();
    digits::split(kept.collect(), &mut rng)
}

fn train(
    task: &impl Task<Model = Mlp>,
    outputs: usize,
    flags: &Flags,
    device: &Device,
) -> Result<Vec<Epoch>, Error> {
    let mut log = TrainingLog::quiet();
    let mut rng = StdRng::seed_from_u64(flags.seed);
    let new = |device: &Device| Mlp::new([PIXELS, HIDDEN, outputs], device);
    training::train(task, new, flags, flags.seed, device, &mut rng, &mut log)?;
    log.finish()
}

/// The accuracy after the last of the epochs.
fn last(epochs: &[Epoch]) -> f64 {
    epochs.last().map_or(f64::NAN, |epoch| epoch.score)
}

fn percent(epochs: &[Epoch]) -> String {
    format!("{:.1} %", 100.0 * last(epochs))
}

/// Ways to do half of the move, and what becomes of them.
fn wrong_ways() -> Result<Vec<(&'static str, String)>, Error> {
    let device = Device::flex();
    let one_output = Tensor::<2>::from_data([[0.5], [-1.0], [2.0], [0.0]], &device);
    let ten_outputs = one_output.clone().repeat_dim(1, CLASSES);
    let labels = || Tensor::<2, Int>::from_data([[1], [0], [1], [1]], &device);
    let ids = || Tensor::<1, Int>::from_data([5, 0, 9, 3], &device);
    let column = || ids().unsqueeze_dim::<2>(1);

    let binary = BceWithLogitsLoss::new();
    let several = CrossEntropyLoss::new();
    let burns = BinaryCrossEntropyLossConfig::new()
        .with_logits(true)
        .init(&device);
    let burns = burns
        .forward(one_output.clone(), column())
        .into_scalar::<f32>();

    Ok(vec![
        (
            "Only the data: ten digits for the model and the loss of two.",
            format!(
                "{}\n(burn::nn::loss::BinaryCrossEntropyLoss takes them, and gives {burns:.2}.)",
                said(binary.try_forward(one_output.clone(), column()))?
            ),
        ),
        (
            "Only the loss: cross-entropy of the single output. As they were the labels do not \
             compile; turned into floats they do.",
            said(several.try_forward(one_output, labels().float()))?,
        ),
        (
            "The loss and the last layer, with the labels turned into floats.",
            said(several.try_forward(ten_outputs.clone(), labels().float()))?,
        ),
        (
            "All three, but the ids are a column [N, 1], as the labels were.",
            compiler_said(include_str!(
                "../../../../crates/burn-losses/tests/compile_messages/cross_entropy_ids_with_trailing_axis.rs"
            )),
        ),
        (
            "All three, but the ids are floats.",
            compiler_said(include_str!(
                "../../../../crates/burn-losses/tests/compile_messages/cross_entropy_float_ids.rs"
            )),
        ),
        (
            "All three, but the ids count from 1.",
            said(several.try_forward(ten_outputs.clone(), ids() + 1))?,
        ),
        (
            "The last layer and the target, but the loss is the binary one.",
            compiler_said(include_str!(
                "../../../../crates/burn-losses/tests/compile_messages/bce_with_logits_class_ids.rs"
            )),
        ),
    ])
}

/// The text of the error that a call must give.
fn said(outcome: Result<Tensor<1>, LossError>) -> Result<String, Error> {
    match outcome {
        Err(error) => Ok(format!("error: {error}")),
        Ok(value) => Err(format!("a wrong call gives {:?}", value.into_data()).into()),
    }
}

/// What the compiler says of a mistake; the tests of the library compile it and compare.
fn compiler_said(snippet: &str) -> String {
    let said: Vec<&str> = snippet
        .lines()
        .filter_map(|line| line.strip_prefix("//~ "))
        .collect();
    format!("does not compile: .. {}", said.join("\n  note: "))
}

/// Draws the accuracies.
fn draw(path: &Path, before: &[Epoch], after: &[Vec<Epoch>; 3]) -> Result<(), Error> {
    let lines = [
        ("two digits, BCE with logits", GREY, before),
        ("ten digits, cross-entropy", BLUE, &after[0]),
        ("softmax twice", ORANGE, &after[1]),
        ("ids of the next digit", PURPLE, &after[2]),
    ];
    let title = "From two digits to ten: right, suspicious, and wrong unseen";
    chart::picture(path, (1100, 560), title, |body| {
        let x = Axis::new("epoch", 1.0..before.len().max(2) as f64);
        let y = Axis::new("held-out accuracy", -0.02..1.02);
        let legend = lines.map(|(name, color, _)| (name, color));
        let mut axes = chart::panel(body, x, y, &legend)?;
        for (_, color, epochs) in lines {
            let scores: Vec<f64> = epochs.iter().map(|epoch| epoch.score).collect();
            curves::curve(&mut axes, &scores, color)?;
        }
        Ok(())
    })
}
