//! The definitions that a client and the process that serves its devices both know.

use super::classification::{bce, bce_with_logits, cross_entropy, focal, kl_div, soft_margin};
use super::ranking::{hinge_embedding, margin_ranking, triplet_margin_with_distance};
use super::regression::{gaussian_nll, huber, l1, mse, poisson_nll, smooth_l1};
use super::routing::router_z;
use crate::engine::host::boxes::BoxRows;
use crate::engine::host::distribution::BetweenClasses;
use crate::engine::host::earth_mover::EarthMover;
use crate::engine::host::formula::{FormulaHead, FormulaKernel, FormulaRows};
use crate::engine::host::head::DefinedHead;
use crate::engine::host::kernel::Defined;
use crate::engine::host::lovasz::LovaszRows;
use crate::engine::host::row_kernel::{DefinedPairs, DefinedRows};
use crate::engine::host::softmax_pair::SoftmaxPair;
use crate::engine::host::thresholds::Thresholds;
use crate::engine::remote::catalog::{Catalog, element, head, pair_of_rows, row, triple_of_rows};
use crate::spec::distance::{Cosine, Norm, TripletOfAngles, TripletOfNorms};
use crate::spec::margin::{ClassMargins, LabelMargins};

pub(crate) static CATALOG: Catalog = Catalog {
    elements: &[
        element::<Defined<mse::SquaredError, 2, 1>>(),
        element::<Defined<l1::AbsoluteError, 2, 1>>(),
        element::<Defined<huber::Huber, 2, 1>>(),
        element::<Defined<smooth_l1::SmoothAbsoluteError<false>, 2, 1>>(),
        element::<Defined<smooth_l1::SmoothAbsoluteError<true>, 2, 1>>(),
        element::<Defined<poisson_nll::Poisson<false, false>, 2, 1>>(),
        element::<Defined<poisson_nll::Poisson<false, true>, 2, 1>>(),
        element::<Defined<poisson_nll::Poisson<true, false>, 2, 1>>(),
        element::<Defined<poisson_nll::Poisson<true, true>, 2, 1>>(),
        element::<Defined<gaussian_nll::Gaussian<true>, 3, 1>>(),
        element::<Defined<gaussian_nll::Gaussian<false>, 3, 2>>(),
        element::<Defined<bce::Bce, 2, 1>>(),
        element::<Defined<bce_with_logits::BceWithLogits, 2, 1>>(),
        element::<Defined<bce_with_logits::BceWithLogits, 3, 1>>(),
        element::<Defined<soft_margin::Logistic, 2, 1>>(),
        element::<Defined<kl_div::Divergence, 2, 1>>(),
        element::<Defined<kl_div::DivergenceOfLogs, 2, 1>>(),
        element::<Defined<margin_ranking::Ranking, 3, 1>>(),
        element::<Defined<hinge_embedding::Hinge, 2, 1>>(),
        element::<Defined<triplet_margin_with_distance::TripletHinge, 2, 1>>(),
        element::<FormulaKernel>(),
    ],
    heads: &[
        head::<DefinedHead<focal::Focal>>(),
        head::<DefinedHead<cross_entropy::WithSquare>>(),
        head::<DefinedHead<router_z::SquareOfSum>>(),
        head::<FormulaHead>(),
    ],
    rows: &[
        row::<DefinedRows<ClassMargins<false>, 1, 0, 2, 1, 3>>(),
        row::<DefinedRows<ClassMargins<true>, 1, 0, 2, 1, 3>>(),
        row::<DefinedPairs<LabelMargins>>(),
        row::<Thresholds>(),
        row::<EarthMover>(),
        row::<BetweenClasses>(),
        row::<FormulaRows<1>>(),
    ],
    pairs_of_rows: &[
        pair_of_rows::<DefinedRows<Norm<false>, 2, 1, 1, 1, 3>>(),
        pair_of_rows::<DefinedRows<Norm<true>, 2, 1, 1, 1, 3>>(),
        pair_of_rows::<DefinedRows<Cosine<false>, 2, 2, 3, 2, 4>>(),
        pair_of_rows::<DefinedRows<Cosine<true>, 2, 2, 3, 2, 4>>(),
        pair_of_rows::<SoftmaxPair>(),
        pair_of_rows::<BoxRows>(),
        pair_of_rows::<LovaszRows>(),
        pair_of_rows::<FormulaRows<2>>(),
    ],
    triples_of_rows: &[
        triple_of_rows::<DefinedRows<TripletOfNorms<true, 2>, 3, 2, 2, 2, 3>>(),
        triple_of_rows::<DefinedRows<TripletOfNorms<true, 3>, 3, 3, 3, 3, 3>>(),
        triple_of_rows::<DefinedRows<TripletOfNorms<false, 3>, 3, 3, 3, 3, 3>>(),
        triple_of_rows::<DefinedRows<TripletOfAngles, 3, 3, 6, 3, 5>>(),
        triple_of_rows::<FormulaRows<3>>(),
    ],
};
