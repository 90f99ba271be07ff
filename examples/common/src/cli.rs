//! The command line that the examples have in common.

use std::fmt::Display;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use burn::config::{Config, ConfigError};
use clap::builder::{PossibleValuesParser, RangedU64ValueParser, TypedValueParser};
use clap::{Args, Parser};
use serde::de::value::{self, MapDeserializer};

use crate::Error;
use crate::backend::Backend;

/// The options of every training run.
#[derive(Args)]
pub struct Flags {
    /// The backend to compute on
    #[arg(long, value_enum, default_value_t = Backend::Flex)]
    pub backend: Backend,

    /// How often to go through the training samples
    #[arg(long, value_name = "NUMBER", value_parser = count())]
    pub epochs: usize,

    /// What the split, the weights and the order of the samples depend on
    #[arg(long, default_value_t = 42, value_name = "NUMBER")]
    pub seed: u64,

    /// The number of samples in a training step
    #[arg(long, value_name = "NUMBER", value_parser = count())]
    pub batch_size: usize,

    /// The learning rate of the optimizer (Adam)
    #[arg(long, value_name = "NUMBER", value_parser = above_0, allow_negative_numbers = true)]
    pub learning_rate: f64,

    /// The directory for the pictures and the losses (epochs.csv, steps.csv)
    #[arg(long, value_name = "DIR")]
    pub output: PathBuf,
}

/// What the options are in one example, where they are not given.
pub struct Defaults {
    /// `--epochs`
    pub epochs: &'static str,
    /// `--batch-size`
    pub batch_size: &'static str,
    /// `--learning-rate`
    pub learning_rate: &'static str,
    /// `--output`
    pub output: &'static str,
}

/// The command line of an example that has [`Flags`] among its options.
pub fn parse<C: Parser>(defaults: &Defaults) -> C {
    let of_example = [
        ("epochs", defaults.epochs),
        ("batch_size", defaults.batch_size),
        ("learning_rate", defaults.learning_rate),
        ("output", defaults.output),
    ];
    let command = of_example
        .into_iter()
        .fold(C::command(), |command, (id, value)| {
            command.mut_arg(id, |arg| arg.required(false).default_value(value))
        });
    C::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit())
}

/// For `--loss`: a loss by its name, with default options.
pub fn loss<C>(names: &'static [&'static str]) -> impl TypedValueParser<Value = C>
where
    C: FromStr<Err = String> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).try_map(|name| name.parse())
}

/// A loss with default options, as a file that holds only its name under `loss` would give it.
pub fn named<C: Config>(name: &str) -> Result<C, String> {
    let options = MapDeserializer::<_, value::Error>::new([("loss", name)].into_iter());
    C::deserialize(options).map_err(|error| error.to_string())
}

/// For `--config`: a loss with its options, from a file.
pub fn config_file<C: Config>(path: &str) -> Result<C, String> {
    C::load(path).map_err(|error| match error {
        ConfigError::InvalidFormat(text) => text,
        ConfigError::FileNotFound(path) => format!("cannot read {path}"),
    })
}

/// The outcome for the shell.
pub fn exit(outcome: Result<(), Error>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Says how the model did against its baseline, and fails where it is no better.
pub fn verdict(beats: bool, said: impl Display) -> Result<(), Error> {
    println!("{said}");
    match beats {
        true => Ok(()),
        false => Err("the model does not beat the baseline: train it longer, or look at the loss and its options".into()),
    }
}

/// Bounded above so that the number of steps cannot overflow.
fn count() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=100_000)
}

fn above_0(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if number > 0.0 && f64::is_finite(number) => Ok(number),
        _ => Err("it must be a number above 0".to_string()),
    }
}
