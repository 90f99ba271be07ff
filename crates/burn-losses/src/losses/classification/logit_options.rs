//! Options of what is done to logits before their softmax, which several losses have.

use crate::spec::logits::Adjustment;
use crate::validate::check;
use crate::validate::check::config_error;
use crate::validate::error::LossError;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The options as a configuration has them.
pub(super) struct LogitOptions<'a> {
    pub(super) log_prior: Option<&'a Vec<f64>>,
    pub(super) tau: f64,
    pub(super) margins: Option<&'a Vec<f64>>,
    pub(super) logit_scale: f64,
    pub(super) softcap: Option<f64>,
}

impl LogitOptions<'_> {
    pub(super) fn validate(&self, loss: &'static str) -> Result<(), LossError> {
        check::finite(loss, "tau", self.tau)?;
        check::positive(loss, "logit_scale", self.logit_scale)?;
        check::positive(loss, "softcap", self.softcap.unwrap_or(1.0))?;
        for (name, numbers) in [("log_prior", self.log_prior), ("margins", self.margins)] {
            let Some(numbers) = numbers else {
                continue;
            };
            if numbers.is_empty() {
                let message = format!("{name} is empty: leave it at None for none.");
                return Err(config_error(loss, message));
            }
            for (class, &number) in numbers.iter().enumerate() {
                check::finite(loss, &format!("{name}[{class}]"), number)?;
            }
        }
        let positive = |&number: &f64| number > 0.0;
        if let Some(class) = self
            .log_prior
            .and_then(|prior| prior.iter().position(positive))
        {
            let message = format!(
                "log_prior[{class}] is {}, but the logarithm of a share is at most 0: `target::log_prior` makes them of \
                 counts.",
                self.log_prior.map_or(0.0, |prior| prior[class])
            );
            return Err(config_error(loss, message));
        }
        Ok(())
    }

    /// What they come to, if to anything.
    pub(super) fn adjustment(&self) -> Option<Arc<Adjustment>> {
        let offsets = self.log_prior.filter(|_| self.tau != 0.0);
        let adjustment = Adjustment {
            softcap: self.softcap,
            scale: self.logit_scale,
            offsets: offsets.map(|prior| prior.iter().map(|ln| ln * self.tau).collect()),
            margins: self.margins.cloned(),
        };
        let Adjustment {
            softcap,
            scale,
            offsets,
            margins,
        } = &adjustment;
        let nothing = softcap.is_none() && *scale == 1.0 && offsets.is_none() && margins.is_none();
        (!nothing).then(|| Arc::new(adjustment))
    }
}
