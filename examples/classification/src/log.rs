//! The log of a training run: a progress bar, a line per epoch, and two CSV files.

use std::error::Error;
use std::fs::File;
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

/// What is known of the model after an epoch.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Epoch {
    pub(crate) epoch: usize,
    /// The mean loss of the training samples, each at the step that used it.
    pub(crate) train_loss: f64,
    pub(crate) held_out_loss: f64,
    /// How good the model is on the held-out samples: the higher the better, 1 at best.
    pub(crate) score: f64,
    pub(crate) seconds: f64,
}

/// The log of a training run.
pub(crate) struct TrainingLog {
    bar: ProgressBar,
    steps: Table,
    epochs: Table,
    score_name: &'static str,
    steps_written: usize,
    finished: Vec<Epoch>,
}

/// A row of `steps.csv`.
#[derive(Serialize)]
struct Step {
    step: usize,
    loss: f64,
}

impl TrainingLog {
    /// A log that writes `steps.csv` and `epochs.csv` in the directory, and a table as it goes.
    pub(crate) fn create(
        directory: &Path,
        steps: usize,
        score_name: &'static str,
    ) -> Result<Self, Box<dyn Error>> {
        // The bar hides itself where standard error is not a terminal.
        let bar = ProgressBar::new(steps as u64).with_style(ProgressStyle::with_template(
            "{elapsed:>4} {wide_bar:.cyan/white.dim} step {pos} of {len}, {eta} left",
        )?);
        let log = Self {
            bar,
            steps: Table::create(directory.join("steps.csv"))?,
            epochs: Table::create(directory.join("epochs.csv"))?,
            score_name,
            steps_written: 0,
            finished: Vec::new(),
        };
        println!("epoch  train loss  held-out loss  {score_name}  seconds");
        Ok(log)
    }

    /// Counts a step.
    pub(crate) fn step(&self) {
        self.bar.inc(1);
    }

    /// Writes the loss of each step of an epoch, and what came of them.
    pub(crate) fn epoch(&mut self, losses: &[f64], epoch: Epoch) -> Result<(), Box<dyn Error>> {
        for &loss in losses {
            self.steps_written += 1;
            let step = self.steps_written;
            self.steps.write(&Step { step, loss })?;
        }
        self.epochs.write(&epoch)?;
        let line = format!(
            "{:>5}  {:>10.4}  {:>13.4}  {:>width$.4}  {:>7.2}",
            epoch.epoch,
            epoch.train_loss,
            epoch.held_out_loss,
            epoch.score,
            epoch.seconds,
            width = self.score_name.len()
        );
        self.bar.suspend(|| println!("{line}"));
        self.finished.push(epoch);
        Ok(())
    }

    /// Closes the files and gives back the epochs.
    pub(crate) fn finish(mut self) -> Result<Vec<Epoch>, Box<dyn Error>> {
        self.steps.finish()?;
        self.epochs.finish()?;
        self.bar.finish_and_clear();
        Ok(self.finished)
    }
}

/// A CSV file whose errors say which file it is.
struct Table {
    path: PathBuf,
    writer: csv::Writer<File>,
}

impl Table {
    fn create(path: PathBuf) -> Result<Self, Box<dyn Error>> {
        match csv::Writer::from_path(&path) {
            Ok(writer) => Ok(Self { path, writer }),
            Err(error) => Err(cannot_write(&path, error)),
        }
    }

    fn write(&mut self, row: &impl Serialize) -> Result<(), Box<dyn Error>> {
        self.writer
            .serialize(row)
            .map_err(|error| cannot_write(&self.path, error))
    }

    fn finish(&mut self) -> Result<(), Box<dyn Error>> {
        self.writer
            .flush()
            .map_err(|error| cannot_write(&self.path, error))
    }
}

fn cannot_write(path: &Path, error: impl Error) -> Box<dyn Error> {
    format!("cannot write {}: {error}", path.display()).into()
}
