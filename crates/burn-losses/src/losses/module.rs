//! What every loss has besides its maths: how it is made from its configuration and shown.

use alloc::format;
use alloc::string::String;
use core::fmt::Debug;

/// A loss as it is printed: its configuration under its own name.
pub(crate) fn describe(config: &impl Debug) -> String {
    format!("{config:?}").replacen("Config", "", 1)
}

/// Stamps the plumbing of a loss onto its configuration and module: `init`, `try_init`, `new`,
/// `Default`, `config`, the display. The configuration brings its rules, as `validate`.
macro_rules! loss_module {
    ($loss:ident, $config:ident) => {
        impl $config {
            /// The loss with this configuration.
            ///
            /// # Panics
            ///
            /// With the error's text where [`try_init`](Self::try_init) returns an error.
            #[track_caller]
            pub fn init(&self) -> $loss {
                $crate::validate::error::or_panic(self.try_init())
            }

            /// The loss with this configuration.
            ///
            /// # Errors
            ///
            /// What is wrong with the configuration.
            pub fn try_init(&self) -> Result<$loss, $crate::LossError> {
                self.validate()?;
                let config = self.clone();
                Ok($loss { config })
            }
        }

        impl Default for $config {
            fn default() -> Self {
                Self::new()
            }
        }

        impl $loss {
            /// The loss with the default configuration.
            pub fn new() -> Self {
                $config::new().init()
            }

            /// The configuration the loss was made with.
            pub fn config(&self) -> &$config {
                &self.config
            }
        }

        impl Default for $loss {
            fn default() -> Self {
                Self::new()
            }
        }

        impl burn::module::ModuleDisplay for $loss {
            fn custom_content(
                &self,
                content: burn::module::Content,
            ) -> Option<burn::module::Content> {
                content
                    .add_formatted(&$crate::losses::module::describe(&self.config))
                    .optional()
            }
        }
    };
}

pub(crate) use loss_module;
