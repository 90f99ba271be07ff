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
pub(crate) const NAMES: [&str; 41] = {
    use classification::*;
    use ranking::*;
    use regression::*;
    [
        AsymmetricLoss::NAME,
        BceLoss::NAME,
        BceWithLogitsLoss::NAME,
        CosineEmbeddingLoss::NAME,
        CrossEntropyLoss::NAME,
        ExpectileLoss::NAME,
        FocalLoss::NAME,
        GammaNllLoss::NAME,
        GaussianCrpsLoss::NAME,
        GaussianNllLoss::NAME,
        GeneralRobustLoss::NAME,
        HingeEmbeddingLoss::NAME,
        HuberLoss::NAME,
        KlDivLoss::NAME,
        L1Loss::NAME,
        LaplaceNllLoss::NAME,
        LogCoshLoss::NAME,
        LogNormalNllLoss::NAME,
        MapeLoss::NAME,
        MarginRankingLoss::NAME,
        MseLoss::NAME,
        MsleLoss::NAME,
        MultiLabelMarginLoss::NAME,
        MultiLabelSoftMarginLoss::NAME,
        MultiMarginLoss::NAME,
        NegativeBinomialNllLoss::NAME,
        NllLoss::NAME,
        PoissonNllLoss::NAME,
        QualityFocalLoss::NAME,
        QuantileLoss::NAME,
        SigmoidFocalLoss::NAME,
        SmapeLoss::NAME,
        SmoothL1Loss::NAME,
        SoftMarginLoss::NAME,
        StudentTNllLoss::NAME,
        TripletMarginLoss::NAME,
        TukeyLoss::NAME,
        TweedieLoss::NAME,
        VarifocalLoss::NAME,
        "TripletMarginWithDistanceLoss",
        "Custom",
    ]
};
