//! Yes or no with a squared hinge.

use std::path::Path;

use burn::tensor::{Device, Tensor};
use burn_losses::custom::{Custom, CustomElementwise, Rule};
use burn_losses::prelude::*;
use common::Error;
use common::chart::{self, Axis, BLUE, GREY, ORANGE};
use common::cli::{self, Flags};
use common::digits::{self, Batch, Digit, PIXELS, Split};
use common::tabular::mean;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::model::{self, Data};
use crate::table;

/// The digit that is asked for: one in ten is one.
const YES: usize = 8;
/// How many more digits than with the built-in loss may be misread, as a share of all: fewer are no difference.
const TIE: f32 = 0.01;

const OWN: &str = "SquaredHinge";
/// What is compared, in the order of [`Run::margins`].
const NAMES: [&str; 2] = ["SoftMarginLoss", OWN];

/// Nothing where the logit has the right sign and is at least 1 away from 0; the square of what it lacks elsewhere.
fn squared_hinge() -> CustomElementwise<2> {
    Custom::elementwise(OWN, |logit, sign| {
        (1.0 - logit * sign).at_least(0.0).square()
    })
    .with_target(Rule::SIGNS)
}

impl Data for Split {
    const INPUTS: usize = PIXELS;

    fn pairs(batch: Batch) -> (Tensor<2>, Tensor<2>) {
        let labels = batch.ids.equal_scalar(YES as i64).unsqueeze_dim::<2>(1);
        (batch.images, target::signs(labels))
    }

    fn tests(&self, device: &Device) -> Batch {
        self.held_out(device)
    }
}

/// The held-out digits of one split.
struct Run {
    /// By how much the answers are right: the logits times the signs.
    margins: [Vec<f32>; NAMES.len()],
    /// How many of the digits are the one that is asked for.
    yes: usize,
}

impl Run {
    fn new(
        all: &[Digit],
        own: &CustomElementwise<2>,
        seed: u64,
        flags: &Flags,
        device: &Device,
    ) -> Result<Self, Error> {
        let mut rng = StdRng::seed_from_u64(seed);
        let split = digits::split(all.to_vec(), &mut rng);
        // Both losses see the same batches.
        let built_in = SoftMarginLoss::new();
        let built_in = margins(&split, &built_in, seed, flags, device, rng.clone())?;
        let own = margins(&split, own, seed, flags, device, rng)?;
        Ok(Self {
            margins: [built_in, own],
            yes: split.held_out.iter().filter(|it| it.class == YES).count(),
        })
    }
}

/// By how much a model that was trained with a loss is right.
fn margins<L: LossModule<Tensor<2>, Tensor<2>>>(
    split: &Split,
    loss: &L,
    seed: u64,
    flags: &Flags,
    device: &Device,
    mut rng: StdRng,
) -> Result<Vec<f32>, Error> {
    let model = model::train(split, loss, seed, flags, device, &mut rng)?;
    let (images, signs) = Split::pairs(split.tests(device));
    let margins = model.forward(images) * signs;
    Ok(margins.into_data().iter().collect())
}

/// Trains with both losses, and fails where the closure is not better in what it is to be good at, or misreads more.
pub fn run(flags: &Flags, device: &Device) -> Result<(), Error> {
    let own = squared_hinge();
    let all = digits::load()?;
    let seeds = table::seeds(flags.seed);
    let runs: Vec<Run> = seeds
        .clone()
        .map(|seed| Run::new(&all, &own, seed, flags, device))
        .collect::<Result<_, Error>>()?;

    let (total, yes) = (runs[0].margins[0].len(), runs[0].yes);
    println!("hinge: is it an {YES}? {yes} of the {total} held-out digits are one");
    table::heading(seeds);
    let rows = |measure, decimals, of: fn(&[f32]) -> f32| {
        core::array::from_fn::<_, { NAMES.len() }, _>(|at| {
            let numbers = runs.iter().map(|run| of(&run.margins[at]));
            table::row(measure, NAMES[at], decimals, numbers)
        })
    };
    let hinges = rows("mean squared hinge", 3, |margins| {
        mean(margins.iter().map(|margin| (1.0 - margin).max(0.0).powi(2)))
    });
    let logistic = rows("mean logistic loss", 3, |margins| {
        mean(margins.iter().map(|margin| (-margin).exp().ln_1p()))
    });
    let misread = rows("misread", 0, |margins| {
        margins.iter().filter(|&&margin| margin <= 0.0).count() as f32
    });

    let path = flags.output.join("hinge.svg");
    draw(&path, &runs[0])?;
    println!("wrote {}", path.display());
    let tie = TIE * total as f32;
    let beats = hinges[1] < hinges[0] && misread[1] <= misread[0] + tie && misread[1] < yes as f32;
    cli::verdict(
        beats,
        format!(
            "mean squared hinge {:.3} with the closure, against {:.3} with SoftMarginLoss (mean logistic loss {:.3} against \
             {:.3}); {} digits misread against {}, {yes} by always answering no",
            hinges[1], hinges[0], logistic[1], logistic[0], misread[1], misread[0],
        ),
    )
}

/// Draws what share of the digits has a margin below each number.
fn draw(path: &Path, run: &Run) -> Result<(), Error> {
    let title = format!("Is it an {YES}? By how much the answers are right");
    chart::picture(path, (960, 600), &title, |body| {
        let shares = |margins: &[f32]| -> Vec<(f64, f64)> {
            let mut sorted = margins.to_vec();
            sorted.sort_by(f32::total_cmp);
            let count = sorted.len() as f64;
            let at = (1..).map(|rank| f64::from(rank) / count);
            sorted.into_iter().map(f64::from).zip(at).collect()
        };
        let [built_in, own] = run.margins.each_ref().map(|margins| shares(margins));
        let margins = built_in.iter().chain(&own).map(|&(margin, _)| margin);
        let x = Axis::around("logit times sign", margins);
        let y = Axis::new("share of the held-out digits below", 0.0..1.0);
        let legend = [
            (NAMES[0], ORANGE),
            (OWN, BLUE),
            ("right from 0, no hinge from 1", GREY),
        ];
        let mut axes = chart::panel(body, x, y, &legend)?;
        for edge in [0.0, 1.0] {
            chart::line(&mut axes, [(edge, 0.0), (edge, 1.0)], GREY)?;
        }
        chart::line(&mut axes, built_in, ORANGE)?;
        chart::line(&mut axes, own, BLUE)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_losses::LossErrorKind;
    use burn_losses::custom::check;

    #[test]
    fn the_closure_is_the_hinge() {
        let points = [[2.0, 1.0], [0.5, 1.0], [0.5, -1.0], [-3.0, -1.0]];
        let [x, y] = [0, 1].map(|at| {
            Tensor::<1>::from_data(points.map(|point: [f64; 2]| point[at]), &Device::flex())
        });
        let losses = squared_hinge().forward_no_reduction(x, y);
        let losses: Vec<f32> = losses.into_data().iter().collect();
        assert_eq!(losses, [0.0, 0.25, 2.25, 0.0]);
        check(&squared_hinge(), &points);
    }

    #[test]
    fn labels_are_no_signs() {
        let [x, y] =
            [[0.5, 0.5], [0.0, 1.0]].map(|row| Tensor::<1>::from_data(row, &Device::flex()));
        let error = squared_hinge().try_forward(x, y).unwrap_err();
        let of_label = LossErrorKind::Value {
            value: 0.0,
            index: vec![0],
        };
        assert_eq!(error.kind, of_label, "{error}");
    }
}
