//! Regression where too little costs more than too much.

use std::path::Path;

use burn::tensor::{Device, Tensor};
use burn_losses::custom::{Custom, CustomElementwise, Expr};
use burn_losses::prelude::*;
use common::Error;
use common::chart::{self, Axis, BLUE, GREY, ORANGE};
use common::cli::{self, Flags};
use common::tabular::mean;
use rand::SeedableRng;
use rand::rngs::StdRng;
use regression::data::{self, FEATURES, Penguin, Penguins};

use crate::model::{self, Data, Model};
use crate::table;

/// What the closure must cost at most, as a share of what the squared error costs: a tenth less is no chance.
const CLEARLY: f32 = 0.9;

const OWN: &str = "ShortfallCost";
/// What is compared, in the order of [`Run::said`].
const NAMES: [&str; 4] = ["MseLoss", "MseLoss, then shifted", OWN, "the best constant"];

/// What is missing costs `under` times as much as what is too much.
///
/// How much that is, is a parameter: one formula, and on a graphics card one kernel, is for all of them.
fn shortfall_cost() -> CustomElementwise<2> {
    Custom::elementwise(OWN, |said, truth| {
        let missing = truth - said;
        let under = Expr::parameter("under");
        missing.above(0.0).select(under * missing, -missing)
    })
}

/// The same in plain numbers: what is measured does not depend on what is trained with.
fn cost(under: f32, truth: f32, said: f32) -> f32 {
    let missing = truth - said;
    if missing > 0.0 {
        under * missing
    } else {
        -missing
    }
}

impl Data for Penguins {
    const INPUTS: usize = FEATURES;

    fn pairs(batch: data::Batch) -> (Tensor<2>, Tensor<2>) {
        (batch.measurements, batch.scaled)
    }

    fn tests(&self, device: &Device) -> data::Batch {
        self.tensors(self.held_out.iter(), device)
    }
}

/// The held-out penguins of one split.
struct Run {
    truth: Vec<f32>,
    /// What is said of them, in grams.
    said: [Vec<f32>; NAMES.len()],
}

impl Run {
    fn new(
        all: &[Penguin],
        loss: &CustomElementwise<2>,
        under: f32,
        seed: u64,
        flags: &Flags,
        device: &Device,
    ) -> Result<Self, Error> {
        let mut rng = StdRng::seed_from_u64(seed);
        let penguins = Penguins::split(all.to_vec(), 0.0, &mut rng);
        // Both losses see the same batches.
        let mut same = rng.clone();
        let mse = model::train(&penguins, &MseLoss::new(), seed, flags, device, &mut same)?;
        let own = model::train(&penguins, loss, seed, flags, device, &mut rng)?;

        let of = |penguins: &[Penguin]| penguins.iter().map(|it| it.mass).collect::<Vec<_>>();
        let (learned, truth) = (of(&penguins.train), of(&penguins.held_out));
        // The constant that costs the least has this share of the targets below it.
        let share = under / (1.0 + under);
        let said = masses(&penguins, &mse, &penguins.train, device);
        let missing = learned.iter().zip(&said).map(|(truth, said)| truth - said);
        let shift = quantile(missing, share);
        let constant = quantile(learned.iter().copied(), share);
        let mse = masses(&penguins, &mse, &penguins.held_out, device);
        let shifted = mse.iter().map(|said| said + shift).collect();
        let own = masses(&penguins, &own, &penguins.held_out, device);
        let constant = vec![constant; truth.len()];
        Ok(Self {
            truth,
            said: [mse, shifted, own, constant],
        })
    }

    /// What is true, and what one of [`NAMES`] says.
    fn pairs(&self, name: usize) -> impl Iterator<Item = (f32, f32)> + Clone {
        let said = self.said[name].iter().copied();
        self.truth.iter().copied().zip(said)
    }
}

/// What a model says of penguins.
fn masses<L: LossModule<Tensor<2>, Tensor<2>>>(
    all: &Penguins,
    model: &Model<L>,
    penguins: &[Penguin],
    device: &Device,
) -> Vec<f32> {
    let batch = all.tensors(penguins.iter(), device);
    all.masses(model.forward(batch.measurements))
}

/// The number that a share of the values is below.
fn quantile(values: impl Iterator<Item = f32>, share: f32) -> f32 {
    let mut values: Vec<f32> = values.collect();
    values.sort_by(f32::total_cmp);
    let at = (share * values.len() as f32) as usize;
    values[at.min(values.len() - 1)]
}

/// Trains with both losses, and fails where the closure is not clearly better in what it is to be good at.
pub fn run(under: f64, flags: &Flags, device: &Device) -> Result<(), Error> {
    let loss = shortfall_cost().with_parameter("under", under);
    let under = under as f32;
    let all = data::load()?;
    let seeds = table::seeds(flags.seed);
    let runs: Vec<Run> = seeds
        .clone()
        .map(|seed| Run::new(&all, &loss, under, seed, flags, device))
        .collect::<Result<_, Error>>()?;

    println!(
        "cost: the body mass of {} held-out penguins, where a gram too little costs {under} and one too much 1",
        runs[0].truth.len()
    );
    table::heading(seeds);
    // The mean over the held-out penguins.
    let rows = |measure, of: &dyn Fn(f32, f32) -> f32| {
        core::array::from_fn::<_, { NAMES.len() }, _>(|at| {
            let pairs = runs.iter().map(|run| run.pairs(at));
            let means = pairs.map(|pairs| mean(pairs.map(|(truth, said)| of(truth, said))));
            table::row(measure, NAMES[at], 0, means)
        })
    };
    let [mse, shifted, own, constant] = rows("mean cost", &|truth, said| cost(under, truth, said));
    rows("answers too low, %", &|truth, said| {
        if said < truth { 100.0 } else { 0.0 }
    });

    let path = flags.output.join("cost.svg");
    draw(&path, under, &runs[0])?;
    println!("wrote {}", path.display());
    cli::verdict(
        own < CLEARLY * mse && own < constant,
        format!(
            "mean cost {own:.0} with the closure, against {mse:.0} with MseLoss ({shifted:.0} if it is shifted then) and \
             {constant:.0} for the best constant"
        ),
    )
}

/// Draws what is said against what is true.
fn draw(path: &Path, under: f32, run: &Run) -> Result<(), Error> {
    let title = format!("A gram too little costs {under} times as much as one too much");
    chart::picture(path, (720, 720), &title, |body| {
        let points = |name| run.pairs(name).map(|(x, y)| (f64::from(x), f64::from(y)));
        let values = || {
            let both = points(0).chain(points(2));
            both.flat_map(|(truth, said)| [truth, said])
        };
        let x = Axis::around("true mass, g", values());
        let y = Axis::around("predicted mass, g", values());
        let (least, largest) = (x.range.start, x.range.end);
        let legend = [(NAMES[0], ORANGE), (OWN, BLUE), ("perfect", GREY)];
        let mut axes = chart::panel(body, x, y, &legend)?;
        chart::line(&mut axes, [(least, least), (largest, largest)], GREY)?;
        chart::dots(&mut axes, points(0), 4, ORANGE)?;
        chart::dots(&mut axes, points(2), 4, BLUE)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_losses::custom::check;

    #[test]
    fn the_closure_is_the_cost() {
        let loss = shortfall_cost().with_parameter("under", 4.0);
        let (said, truth) = ([1.0, 2.0, 3.0], [2.5, 2.0, 1.0]);
        let [x, y] = [said, truth].map(|row| Tensor::<1>::from_data(row, &Device::flex()));
        let losses: Vec<f32> = loss.forward_no_reduction(x, y).into_data().iter().collect();
        assert_eq!(losses, [6.0, 0.0, 2.0]);
        for ((said, truth), loss) in said.into_iter().zip(truth).zip(losses) {
            assert_eq!(cost(4.0, truth, said), loss);
        }
        check(&loss, &[[1.0, 2.5], [3.0, 1.0]]);
    }

    #[test]
    fn a_share_is_below() {
        let of = |share| quantile([4.0, 1.0, 3.0, 2.0].into_iter(), share);
        assert_eq!([0.0, 0.5, 1.0].map(of), [1.0, 3.0, 4.0]);
    }
}
