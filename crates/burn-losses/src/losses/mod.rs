//! The losses, by task: one file for each.

#[cfg(feature = "remote")]
pub(crate) mod catalog;
pub mod classification;
pub(crate) mod config;
#[cfg(feature = "std")]
pub mod detection;
pub(crate) mod distance;
#[cfg(feature = "std")]
pub mod distillation;
#[cfg(feature = "std")]
pub mod generative;
pub(crate) mod module;
#[cfg(feature = "std")]
pub mod ordinal;
#[cfg(feature = "std")]
pub mod preference;
pub mod ranking;
pub mod regression;
#[cfg(feature = "std")]
pub mod routing;
#[cfg(feature = "std")]
pub mod segmentation;
#[cfg(feature = "std")]
pub(crate) mod sided_logit;
pub(crate) mod signs;

/// What the losses are called: no other may have one of these names.
#[cfg(feature = "std")]
pub(crate) const NAMES: [&str; 74] = {
    use classification::*;
    use detection::*;
    use distillation::*;
    use generative::*;
    use ordinal::*;
    use preference::*;
    use ranking::*;
    use regression::*;
    use routing::*;
    use segmentation::*;
    [
        AsymmetricLoss::NAME,
        BceLoss::NAME,
        BceWithLogitsLoss::NAME,
        CiouLoss::NAME,
        CoralLoss::NAME,
        CornLoss::NAME,
        CosineEmbeddingLoss::NAME,
        CrossEntropyLoss::NAME,
        DiceCrossEntropyLoss::NAME,
        DiceFocalLoss::NAME,
        DiceLoss::NAME,
        DiouLoss::NAME,
        DistillationLoss::NAME,
        DistributionFocalLoss::NAME,
        DpoLoss::NAME,
        EarthMoverLoss::NAME,
        EiouLoss::NAME,
        ExpectileLoss::NAME,
        FocalLoss::NAME,
        GammaNllLoss::NAME,
        GanDiscriminatorLoss::NAME,
        GanGeneratorLoss::NAME,
        GaussianCrpsLoss::NAME,
        GaussianKlLoss::NAME,
        GaussianNllLoss::NAME,
        GeneralRobustLoss::NAME,
        GeneralizedDiceLoss::NAME,
        GiouLoss::NAME,
        HingeEmbeddingLoss::NAME,
        HuberLoss::NAME,
        IouLoss::NAME,
        JaccardLoss::NAME,
        JsDivLoss::NAME,
        KlDivLoss::NAME,
        KtoLoss::NAME,
        L1Loss::NAME,
        LaplaceNllLoss::NAME,
        LoadBalanceLoss::NAME,
        LogCoshLoss::NAME,
        LogNormalNllLoss::NAME,
        LovaszLoss::NAME,
        MapeLoss::NAME,
        MarginRankingLoss::NAME,
        MseLoss::NAME,
        MsleLoss::NAME,
        MultiLabelMarginLoss::NAME,
        MultiLabelSoftMarginLoss::NAME,
        MultiMarginLoss::NAME,
        NegativeBinomialNllLoss::NAME,
        NllLoss::NAME,
        OrpoLoss::NAME,
        PoissonNllLoss::NAME,
        PolicyClipLoss::NAME,
        Poly1Loss::NAME,
        QualityFocalLoss::NAME,
        QuantileLoss::NAME,
        RouterZLoss::NAME,
        SigmoidFocalLoss::NAME,
        SigmoidPoly1Loss::NAME,
        SimPoLoss::NAME,
        SiouLoss::NAME,
        SmapeLoss::NAME,
        SmoothL1Loss::NAME,
        SoftMarginLoss::NAME,
        SoftmaxKlLoss::NAME,
        StudentTNllLoss::NAME,
        TotalVariationLoss::NAME,
        TripletMarginLoss::NAME,
        TukeyLoss::NAME,
        TverskyLoss::NAME,
        TweedieLoss::NAME,
        VarifocalLoss::NAME,
        "TripletMarginWithDistanceLoss",
        "Custom",
    ]
};
