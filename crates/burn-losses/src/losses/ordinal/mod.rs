//! Losses for classes that have an order: grades, ages, stages.
//!
//! | what you have | the model gives | loss | predictions |
//! |---|---|---|---|
//! | thresholds that should not contradict each other, one score to learn | `[N, K - 1]`: the score and a bias each | [`CoralLoss`] | [`rank`] |
//! | thresholds that cannot contradict each other | `[N, K - 1]`: given that the one before is passed | [`CornLoss`] | [`conditional_rank`] |
//! | a classifier, whose mistakes should be small ones | `[N, K]`: one for each rank | [`EarthMoverLoss`] | the largest |
//! | a true distribution over ranks, or no order after all | `[N, K]` | [`CrossEntropyLoss`](crate::classification::CrossEntropyLoss) | the largest |
//! | a number, with distances that mean something | `[N]` | those of [`regression`](crate::regression) | rounded |
//!
//! They need the feature `std`, which is on by default.
//!
//! # Targets and outputs
//!
//! **The target of all three is the rank of each sample, from 0 to K - 1, as an `Int` tensor without the axis of the
//! outputs**: `[N]`. There are no rows of zeros and ones to make. What differs is the last layer, which is linear and
//! without a sigmoid or softmax: K ranks have **K - 1 thresholds between them**, so the first two take one output less
//! than the third. K outputs for [`CoralLoss`] or [`CornLoss`] are no error: they are for one rank more, which never
//! occurs.
//!
//! The outputs of [`CoralLoss`] and [`CornLoss`] mean different things, so each has its function for predictions. A logit
//! of CORAL says whether the rank is above a threshold; one of CORN says so given that it is above the one before, and
//! only products of these probabilities are probabilities of ranks.
//!
//! # How large they are
//!
//! [`CoralLoss`] and [`EarthMoverLoss`] are sums over thresholds or ranks, averaged over the samples. [`CornLoss`] is
//! averaged over the pairs of a sample and a threshold that count. Ranks are not ignored: leave samples out by a mask in
//! [`forward_weighted`](crate::Loss::forward_weighted).

mod coral;
mod corn;
mod earth_mover;
mod ranks;

pub use coral::{CoralLoss, CoralLossConfig};
pub use corn::{CornLoss, CornLossConfig};
pub use earth_mover::{EarthMoverLoss, EarthMoverLossConfig};
pub use ranks::{conditional_rank, rank};
