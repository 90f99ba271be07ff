//! Configurations as a person writes them: in part, and not always spelt right.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloc::{format, vec};
use burn::config::Config;
use core::fmt;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Reads a configuration of which only some options are given; the others keep their defaults.
///
/// The `Deserialize` of a Burn configuration wants every option and skips what it does not know. A
/// file that a person writes has a few options and sometimes a misspelt one: here that is an error
/// with the names there are. It is made for serde's `deserialize_with`:
///
/// ```
/// use burn_losses::prelude::*;
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Training {
///     learning_rate: f64,
///     #[serde(deserialize_with = "burn_losses::partial_config")]
///     loss: TripletMarginLossConfig,
/// }
///
/// let file = r#"{ "learning_rate": 0.01, "loss": { "margin": 0.5 } }"#;
/// let training: Training = serde_json::from_str(file).unwrap();
/// assert_eq!(training.loss, TripletMarginLossConfig::new().with_margin(0.5));
///
/// let file = r#"{ "learning_rate": 0.01, "loss": { "margn": 0.5 } }"#;
/// let error = serde_json::from_str::<Training>(file).err().unwrap().to_string();
/// assert!(error.starts_with(
///     "TripletMarginLoss has no option `margn`: it has `eps`, `margin`, `p`, `reduction`, `swap`"
/// ));
/// ```
///
/// # Errors
///
/// An option the loss does not have, one given twice, or one with a value of another type; the text
/// names the loss and the option. Whether the values make sense is for the configuration's
/// `try_init` to say.
pub fn partial_config<'de, C, D>(deserializer: D) -> Result<C, D::Error>
where
    C: Config + Default,
    D: Deserializer<'de>,
{
    let options = Given::deserialize(deserializer)?;
    options.over_defaults().map_err(D::Error::custom)
}

/// The options of a configuration as they were given, in order.
pub(crate) struct Given(Vec<(String, Value)>);

impl Given {
    /// The options that only say which loss.
    pub(crate) fn named(name: &str) -> Self {
        Self(vec![("loss".to_string(), Value::from(name))])
    }

    /// Takes out the text with the given name: which loss the other options are for.
    pub(crate) fn take_loss(&mut self, names: &[&str]) -> Result<String, String> {
        let choices = list(names);
        let at = self.0.iter().position(|(name, _)| name == "loss");
        match at.map(|at| self.0.remove(at).1) {
            Some(Value::String(name)) if names.contains(&name.as_str()) => Ok(name),
            Some(Value::String(name)) => {
                Err(format!("there is no loss `{name}` here, only {choices}"))
            }
            Some(other) => Err(format!("`loss` must be one of {choices}, not {other}")),
            None => Err(format!("`loss` is missing: it must be one of {choices}")),
        }
    }

    /// The configuration that has these options, and the defaults of all others.
    pub(crate) fn over_defaults<C: Config + Default>(self) -> Result<C, String> {
        let loss = core::any::type_name::<C>();
        let loss = loss.rsplit("::").next().unwrap_or(loss);
        let loss = loss.strip_suffix("Config").unwrap_or(loss);

        let mut config = C::default();
        for (name, value) in self.0 {
            let Ok(Value::Object(mut fields)) = serde_json::to_value(&config) else {
                return Err(format!("{loss} is not a configuration of named options"));
            };
            let Some(field) = fields.get_mut(&name) else {
                let names = list(fields.keys());
                return Err(format!("{loss} has no option `{name}`: it has {names}"));
            };
            *field = value;
            // One at a time, so that an error is about this option.
            config = serde_json::from_value(Value::Object(fields))
                .map_err(|error| format!("option `{name}` of {loss}: {error}"))?;
        }
        Ok(config)
    }
}

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct GivenVisitor;

        impl<'de> Visitor<'de> for GivenVisitor {
            type Value = Given;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("the options of a loss by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Given, A::Error> {
                let mut options: Vec<(String, Value)> = Vec::new();
                while let Some((name, value)) = map.next_entry()? {
                    if options.iter().any(|(other, _)| *other == name) {
                        let message = format!("option `{name}` is given twice");
                        return Err(A::Error::custom(message));
                    }
                    options.push((name, value));
                }
                Ok(Given(options))
            }
        }

        deserializer.deserialize_map(GivenVisitor)
    }
}

/// Names as they are listed in a message.
fn list<S: fmt::Display>(names: impl IntoIterator<Item = S>) -> String {
    let quoted = names.into_iter().map(|name| format!("`{name}`"));
    quoted.collect::<Vec<_>>().join(", ")
}

/// Stamps the plumbing of a family of losses onto its configuration and its module: the names, how
/// the configuration is read and written, `init`, `try_init`, and the conversions from its members.
macro_rules! loss_family {
    ($family:ident, $family_config:ident, default: $default:ident, {
        $($variant:ident: $name:literal, $loss:ident, $config:ident;)*
    }) => {
        $crate::losses::module::calls!([] $family, Loss);

        impl $crate::loss::sealed::Sealed for $family {}

        impl $crate::loss::LossInfo for $family {
            fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(loss) => loss.name(),)*
                }
            }

            fn reduction(&self) -> $crate::Reduction {
                match self {
                    $(Self::$variant(loss) => loss.reduction(),)*
                }
            }
        }

        impl $family_config {
            /// The names of the losses, as a configuration file has them under `loss`.
            pub const NAMES: &'static [&'static str] = &[$($name),*];

            /// The name of this loss.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $name,)*
                }
            }

            /// The loss with this configuration.
            ///
            /// # Panics
            ///
            /// With the error's text where [`try_init`](Self::try_init) returns an error.
            #[track_caller]
            pub fn init(&self) -> $family {
                $crate::validate::error::or_panic(self.try_init())
            }

            /// The loss with this configuration.
            ///
            /// # Errors
            ///
            /// What is wrong with the configuration.
            pub fn try_init(&self) -> Result<$family, $crate::LossError> {
                self.validate()?;
                match self {
                    $(Self::$variant(config) => config.try_init().map($family::$variant),)*
                }
            }

            fn read(mut options: $crate::losses::config::Given) -> Result<Self, alloc::string::String> {
                match options.take_loss(Self::NAMES)?.as_str() {
                    $($name => options.over_defaults().map(Self::$variant),)*
                    other => unreachable!("`{other}` is none of the names"),
                }
            }
        }

        impl Default for $family_config {
            fn default() -> Self {
                Self::$default(Default::default())
            }
        }

        /// The loss of this name, with its default options.
        impl core::str::FromStr for $family_config {
            type Err = alloc::string::String;

            fn from_str(name: &str) -> Result<Self, Self::Err> {
                Self::read($crate::losses::config::Given::named(name))
            }
        }

        impl<'de> serde::Deserialize<'de> for $family_config {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let options = $crate::losses::config::Given::deserialize(from)?;
                Self::read(options).map_err(serde::de::Error::custom)
            }
        }

        impl burn::config::Config for $family_config {}

        $(
            impl From<$config> for $family_config {
                fn from(config: $config) -> Self {
                    Self::$variant(config)
                }
            }

            impl From<$loss> for $family {
                fn from(loss: $loss) -> Self {
                    Self::$variant(loss)
                }
            }
        )*
    };
}

pub(crate) use loss_family;
