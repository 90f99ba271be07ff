//! The log of a training run: a progress bar, a line per epoch, and two CSV files.

use std::error;
use std::fs::File;
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::Error;

/// What is known of the model after an epoch.
#[derive(Clone, Debug, Serialize)]
pub struct Epoch {
    /// Counted from 1.
    pub epoch: usize,
    /// The mean of the losses of its steps, each weighted by the number of its samples.
    pub train_loss: f64,
    /// The loss on the held-out samples after it.
    pub held_out_loss: f64,
    /// How good the model is on the held-out samples: the higher the better, 1 at best.
    pub score: f64,
    /// How long it took.
    pub seconds: f64,
}

/// The log of a training run.
pub struct TrainingLog {
    bar: ProgressBar,
    tables: Option<Tables>,
    score_name: &'static str,
    finished: Vec<Epoch>,
}

/// The files of a log.
struct Tables {
    steps: Table,
    epochs: Table,
    steps_written: usize,
}

/// A row of `steps.csv`.
#[derive(Serialize)]
struct Step {
    step: usize,
    loss: f64,
}

impl TrainingLog {
    /// A log that writes `steps.csv` and `epochs.csv` in the directory, and a table as it goes.
    pub fn create(directory: &Path, steps: usize, score_name: &'static str) -> Result<Self, Error> {
        std::fs::create_dir_all(directory)
            .map_err(|error| format!("cannot create {}: {error}", directory.display()))?;
        // The bar hides itself where standard error is not a terminal.
        let bar = ProgressBar::new(steps as u64).with_style(ProgressStyle::with_template(
            "{elapsed:>4} {wide_bar:.cyan/white.dim} step {pos} of {len}, {eta} left",
        )?);
        let tables = Tables {
            steps: Table::create(directory.join("steps.csv"))?,
            epochs: Table::create(directory.join("epochs.csv"))?,
            steps_written: 0,
        };
        println!("epoch  train loss  held-out loss  {score_name}  seconds");
        Ok(Self {
            bar,
            tables: Some(tables),
            score_name,
            finished: Vec::new(),
        })
    }

    /// A log that says nothing and only keeps the epochs.
    pub fn quiet() -> Self {
        Self {
            bar: ProgressBar::hidden(),
            tables: None,
            score_name: "",
            finished: Vec::new(),
        }
    }

    /// Says something beside the table.
    pub fn say(&self, text: String) {
        if self.tables.is_some() {
            self.bar.suspend(|| eprintln!("{text}"));
        }
    }

    /// Counts a step.
    pub fn step(&self) {
        self.bar.inc(1);
    }

    /// Writes the loss of each step of an epoch, and what came of them.
    pub fn epoch(&mut self, losses: &[f64], epoch: Epoch) -> Result<(), Error> {
        if let Some(tables) = &mut self.tables {
            for &loss in losses {
                tables.steps_written += 1;
                let step = tables.steps_written;
                tables.steps.write(&Step { step, loss })?;
            }
            tables.epochs.write(&epoch)?;
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
        }
        self.finished.push(epoch);
        Ok(())
    }

    /// Closes the files and gives back the epochs.
    pub fn finish(self) -> Result<Vec<Epoch>, Error> {
        if let Some(mut tables) = self.tables {
            tables.steps.finish()?;
            tables.epochs.finish()?;
        }
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
    fn create(path: PathBuf) -> Result<Self, Error> {
        match csv::Writer::from_path(&path) {
            Ok(writer) => Ok(Self { path, writer }),
            Err(error) => Err(cannot_write(&path, error)),
        }
    }

    fn write(&mut self, row: &impl Serialize) -> Result<(), Error> {
        self.writer
            .serialize(row)
            .map_err(|error| cannot_write(&self.path, error))
    }

    fn finish(&mut self) -> Result<(), Error> {
        self.writer
            .flush()
            .map_err(|error| cannot_write(&self.path, error))
    }
}

fn cannot_write(path: &Path, error: impl error::Error) -> Error {
    format!("cannot write {}: {error}", path.display()).into()
}
