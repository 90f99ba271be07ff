//! Options of what is done to logits before their softmax, which several losses have.

use crate::spec::logits::Adjustment;
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
