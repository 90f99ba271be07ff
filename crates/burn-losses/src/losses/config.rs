//! Configurations as a person writes them: in part, and not always spelt right.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloc::{format, vec};
use core::fmt;
use serde::de::{Error, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// The options of a loss by name.
pub(crate) trait NamedOptions: Default {
    /// The name of the configuration.
    const CONFIG: &'static str;
    /// The names of the options.
    const NAMES: &'static [&'static str];

    /// Sets the option of that name, which is one of them.
    fn set(&mut self, name: &str, value: Value) -> Result<(), serde_json::Error>;
}

/// The name of the loss that a configuration is of.
pub(crate) fn loss_of<C: NamedOptions>() -> &'static str {
    C::CONFIG.strip_suffix("Config").unwrap_or(C::CONFIG)
}

/// The options of a configuration as they were given, in order.
pub(crate) struct Given(Vec<(String, Value)>);

impl Given {
    /// The options that only say which loss.
    pub(crate) fn named(name: &str) -> Self {
        Self(vec![("loss".to_string(), Value::from(name))])
    }

    /// The options by name, or only the name of a loss.
    pub(crate) fn of_family<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(GivenVisitor { of_family: true })
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
    pub(crate) fn over_defaults<C: NamedOptions>(self) -> Result<C, String> {
        let loss = loss_of::<C>();
        let mut config = C::default();
        for (name, value) in self.0 {
            if !C::NAMES.contains(&name.as_str()) {
                let names = list(C::NAMES);
                return Err(format!("{loss} has no option `{name}`: it has {names}"));
            }
            let set = config.set(&name, value);
            set.map_err(|error| format!("option `{name}` of {loss}: {error}"))?;
        }
        Ok(config)
    }
}

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(GivenVisitor { of_family: false })
    }
}

struct GivenVisitor {
    of_family: bool,
}

impl<'de> Visitor<'de> for GivenVisitor {
    type Value = Given;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(if self.of_family {
            "the name of a loss, or its options by name"
        } else {
            "the options of a loss by name"
        })
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Given, E> {
        if self.of_family {
            return Ok(Given::named(name));
        }
        Err(E::invalid_type(Unexpected::Str(name), &self))
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

/// Names as they are listed in a message.
fn list<S: fmt::Display>(names: impl IntoIterator<Item = S>) -> String {
    let quoted = names.into_iter().map(|name| format!("`{name}`"));
    quoted.collect::<Vec<_>>().join(", ")
}

/// A configuration of options that have defaults: what Burn's `derive(Config)` makes of one, but read from a part of the
/// options, and with an error for a name that is none. Beside an option may stand the [`Range`](crate::validate::options) of
/// its numbers, and behind all of them a function that looks at what must hold for several.
macro_rules! loss_config {
    (
        $(#[$of_config:meta])*
        pub struct $config:ident {
            $($(#[$of_option:meta])* pub $option:ident: $type:ty $(where $range:ident)? = $default:expr,)*
        }
        $(and self.$rule:ident())?
    ) => { pastey::paste! {
        $(#[$of_config])*
        ///
        /// Read from a file or as a part of another configuration, in JSON or another format that names its fields, it
        /// needs only the options that are to differ from the defaults; a name that is none of them is an error.
        #[derive(Clone, Debug, PartialEq, serde::Serialize)]
        #[non_exhaustive]
        pub struct $config {
            $(
                $(#[$of_option])*
                ///
                #[doc = concat!("The default is `", stringify!($default), "`.")]
                pub $option: $type,
            )*
        }

        impl $config {
            /// The default options.
            pub fn new() -> Self {
                Self {
                    $($option: $default,)*
                }
            }

            fn validate(&self) -> Result<(), $crate::LossError> {
                $($($crate::validate::options::$range.check(
                    $crate::losses::config::loss_of::<Self>(),
                    stringify!($option),
                    &self.$option,
                )?;)?)*
                $(self.$rule()?;)?
                Ok(())
            }

            $(
                #[doc = concat!("Sets [`", stringify!($option), "`](Self::", stringify!($option), ").")]
                ///
                $(#[$of_option])*
                pub fn [<with_ $option>](mut self, $option: $type) -> Self {
                    self.$option = $option;
                    self
                }
            )*
        }

        impl Default for $config {
            fn default() -> Self {
                Self::new()
            }
        }

        /// As JSON.
        impl core::fmt::Display for $config {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(&burn::config::config_to_json(self))
            }
        }

        impl $crate::losses::config::NamedOptions for $config {
            const CONFIG: &'static str = stringify!($config);
            const NAMES: &'static [&'static str] = &[$(stringify!($option)),*];

            fn set(&mut self, name: &str, value: serde_json::Value) -> Result<(), serde_json::Error> {
                match name {
                    $(stringify!($option) => self.$option = serde_json::from_value(value)?,)*
                    other => unreachable!("`{other}` is none of the options"),
                }
                Ok(())
            }
        }

        impl<'de> serde::Deserialize<'de> for $config {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let options = $crate::losses::config::Given::deserialize(from)?;
                options.over_defaults().map_err(serde::de::Error::custom)
            }
        }

        impl burn::config::Config for $config {}
    } };
}

/// Stamps the plumbing of a family of losses onto its configuration and its module: the names, how
/// the configuration is read and written, `init`, `try_init`, and the conversions from its members.
macro_rules! loss_family {
    ($family:ident [$($input:ident),*], $family_config:ident, default: $default:ident, {
        $($(#[$when:meta])? $variant:ident: $name:literal, $loss:ident, $config:ident;)*
    }) => {
        $crate::losses::module::calls!([] $family, Loss [$($input),*]);

        /// As the loss that it is.
        impl burn::module::ModuleDisplay for $family {
            fn format(&self, settings: burn::module::DisplaySettings) -> alloc::string::String {
                match self {
                    $($(#[$when])? Self::$variant(loss) => loss.format(settings),)*
                }
            }
        }

        impl $crate::loss::sealed::Sealed for $family {}

        impl $crate::loss::LossInfo for $family {
            fn name(&self) -> &'static str {
                match self {
                    $($(#[$when])? Self::$variant(loss) => loss.name(),)*
                }
            }

            fn reduction(&self) -> $crate::Reduction {
                match self {
                    $($(#[$when])? Self::$variant(loss) => loss.reduction(),)*
                }
            }
        }

        impl $family_config {
            /// The names of the losses, as a configuration file has them under `loss`.
            pub const NAMES: &'static [&'static str] = &[$($(#[$when])? $name),*];

            /// The name of this loss.
            pub fn name(&self) -> &'static str {
                match self {
                    $($(#[$when])? Self::$variant(_) => $name,)*
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
                    $($(#[$when])? Self::$variant(config) => config.try_init().map($family::$variant),)*
                }
            }

            fn read(mut options: $crate::losses::config::Given) -> Result<Self, alloc::string::String> {
                match options.take_loss(Self::NAMES)?.as_str() {
                    $($(#[$when])? $name => options.over_defaults().map(Self::$variant),)*
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
                let options = $crate::losses::config::Given::of_family(from)?;
                Self::read(options).map_err(serde::de::Error::custom)
            }
        }

        impl burn::config::Config for $family_config {}

        $(
            $(#[$when])?
            impl From<$config> for $family_config {
                fn from(config: $config) -> Self {
                    Self::$variant(config)
                }
            }

            $(#[$when])?
            impl From<$loss> for $family {
                fn from(loss: $loss) -> Self {
                    Self::$variant(loss)
                }
            }
        )*
    };
}

pub(crate) use {loss_config, loss_family};
