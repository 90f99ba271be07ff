//! The quotient of two sums, over an epoch.

use alloc::format;
use burn::train::metric::{NumericEntry, SerializedEntry, format_float};

/// What is counted, and what counts; of the last batch and of all since the last epoch began.
#[derive(Clone, Debug, Default)]
pub(super) struct Share {
    batch: [f64; 2],
    epoch: [f64; 2],
}

impl Share {
    pub(super) fn add(&mut self, counted: f64, weight: f64) {
        self.batch = [counted, weight];
        self.epoch[0] += counted;
        self.epoch[1] += weight;
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// That of the last batch; none where nothing counted.
    pub(super) fn of_batch(&self) -> Option<NumericEntry> {
        of(self.batch).map(|share| entry(share, self.batch[1]))
    }

    /// That of the epoch so far.
    pub(super) fn of_epoch(&self) -> Option<NumericEntry> {
        of(self.epoch).map(|share| entry(share, self.epoch[1]))
    }

    /// That of the epoch; NaN where nothing counted.
    pub(super) fn last(&self) -> NumericEntry {
        NumericEntry::Final(of(self.epoch).unwrap_or(f64::NAN))
    }

    /// What is shown and logged of a batch.
    pub(super) fn log(&self, unit: Option<&str>) -> SerializedEntry {
        match self.of_batch() {
            Some(entry) => SerializedEntry::new(self.formatted(unit), entry.serialize()),
            None => SerializedEntry::not_available(unit),
        }
    }

    /// What is shown and logged at the end of an epoch.
    pub(super) fn log_last(&self, unit: Option<&str>) -> SerializedEntry {
        SerializedEntry::new(self.formatted(unit), self.last().serialize())
    }

    fn formatted(&self, unit: Option<&str>) -> alloc::string::String {
        let number = |share| match (of(share), unit) {
            (Some(share), Some(unit)) => format!("{} {unit}", format_float(share, 3)),
            (Some(share), None) => format_float(share, 3),
            (None, _) => SerializedEntry::NOT_AVAILABLE.into(),
        };
        format!(
            "epoch {} - batch {}",
            number(self.epoch),
            number(self.batch)
        )
    }
}

/// Stamps onto a metric what follows from its share; the metric itself brings what an input counts, as `counted`.
macro_rules! metric_of_share {
    ($metric:ident, $input:ident, unit: $unit:expr, higher_is_better: $higher:literal) => {
        impl Default for $metric {
            fn default() -> Self {
                Self::new()
            }
        }

        impl burn::train::metric::Metric for $metric {
            type Input = $input;

            fn update(
                &mut self,
                input: &$input,
                _: &burn::train::metric::MetricMetadata,
            ) -> Result<burn::train::metric::SerializedEntry, burn::tensor::TensorReadError> {
                let [counted, weight] = self.counted(input)?;
                self.share.add(counted, weight);
                Ok(self.share.log($unit))
            }

            fn compute(
                &mut self,
            ) -> Result<burn::train::metric::SerializedEntry, burn::tensor::TensorReadError> {
                Ok(self.share.log_last($unit))
            }

            fn clear(&mut self) {
                self.share.clear();
            }

            fn name(&self) -> burn::train::metric::MetricName {
                self.name.clone()
            }

            fn attributes(&self) -> burn::train::metric::MetricAttributes {
                let unit: Option<&str> = $unit;
                burn::train::metric::NumericAttributes {
                    unit: unit.map(Into::into),
                    higher_is_better: $higher,
                }
                .into()
            }
        }

        impl burn::train::metric::Numeric for $metric {
            fn value(&self) -> Option<burn::train::metric::NumericEntry> {
                self.share.of_batch()
            }

            fn running_value(&self) -> Option<burn::train::metric::NumericEntry> {
                self.share.of_epoch()
            }

            fn final_value(&self) -> burn::train::metric::NumericEntry {
                self.share.last()
            }
        }
    };
}

pub(super) use metric_of_share;

fn of([counted, weight]: [f64; 2]) -> Option<f64> {
    (weight != 0.0).then(|| counted / weight)
}

/// A share of what counts for so much. Burn averages batches by whole numbers alone: others stand for themselves until
/// the end of the epoch says what is right.
fn entry(share: f64, weight: f64) -> NumericEntry {
    if weight.fract() == 0.0 && (0.0..1e15).contains(&weight) {
        NumericEntry::Aggregated {
            aggregated_value: share,
            count: weight as usize,
        }
    } else {
        NumericEntry::Value(share)
    }
}
