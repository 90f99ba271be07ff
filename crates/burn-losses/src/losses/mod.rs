//! The losses, by task: one file for each.

pub mod classification;
pub(crate) mod config;
pub(crate) mod distance;
pub(crate) mod module;
pub mod ranking;
pub mod regression;
pub(crate) mod signs;

/// What the losses are called: no other may have one of these names.
#[cfg(feature = "std")]
pub(crate) const NAMES: [&str; 22] = {
    use classification::*;
    use ranking::*;
    use regression::*;
    [
        BceLoss::NAME,
        BceWithLogitsLoss::NAME,
        CosineEmbeddingLoss::NAME,
        CrossEntropyLoss::NAME,
        FocalLoss::NAME,
        GaussianNllLoss::NAME,
        HingeEmbeddingLoss::NAME,
        HuberLoss::NAME,
        KlDivLoss::NAME,
        L1Loss::NAME,
        MarginRankingLoss::NAME,
        MseLoss::NAME,
        MultiLabelMarginLoss::NAME,
        MultiLabelSoftMarginLoss::NAME,
        MultiMarginLoss::NAME,
        NllLoss::NAME,
        PoissonNllLoss::NAME,
        SmoothL1Loss::NAME,
        SoftMarginLoss::NAME,
        TripletMarginLoss::NAME,
        "TripletMarginWithDistanceLoss",
        "Custom",
    ]
};
