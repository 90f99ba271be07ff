//! Losses of boxes, and of where their edges are.

mod boxes;
mod ciou;
mod diou;
mod distribution_focal;
mod eiou;
mod giou;
mod iou;
mod pairwise;
mod siou;

pub use boxes::BoxFormat;
pub use ciou::{CiouLoss, CiouLossConfig};
pub use diou::{DiouLoss, DiouLossConfig};
pub use distribution_focal::{DistributionFocalLoss, DistributionFocalLossConfig};
pub use eiou::{EiouLoss, EiouLossConfig};
pub use giou::{GiouLoss, GiouLossConfig};
pub use iou::{IouForm, IouLoss, IouLossConfig};
pub use pairwise::box_iou;
pub use siou::{SiouLoss, SiouLossConfig};
