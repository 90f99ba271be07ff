//! What the losses of boxes share: the formats, what is made of two boxes, and the checks.

use crate::engine::any_rank::AnyRank;
use crate::engine::host::boxes::{BoxRows, SIDES};
use crate::engine::rows::RowSpec;
use crate::loss::call::{Call, LossOutput};
use crate::loss::formula::numbers_of;
use crate::loss::rows::{Explain, evaluate_whole};
use crate::spec::expression::program::Formula;
use crate::spec::expression::{Expr, record};
use crate::spec::row::RowTarget;
use crate::validate::check::{Check, Violation, dims, shown, unravel};
use crate::validate::error::{Lint, LossError, LossErrorKind};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use burn::tensor::Shape;
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;

/// What the four numbers of a box are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum BoxFormat {
    /// Its left, upper, right and lower edge: `x1, y1, x2, y2`.
    #[default]
    #[serde(alias = "xyxy")]
    Xyxy,
    /// Its left and upper edge, its width and its height: `x, y, w, h`.
    #[serde(alias = "xywh")]
    Xywh,
    /// Its centre, its width and its height: `cx, cy, w, h`.
    #[serde(alias = "cxcywh")]
    Cxcywh,
}

/// How many formats there are.
const FORMATS: usize = 3;

/// One of the two axes of a box: where it begins and ends, how long it is, and where its centre is.
#[derive(Clone, Copy)]
pub(super) struct BoxSide {
    pub(super) start: Expr,
    pub(super) end: Expr,
    pub(super) length: Expr,
    pub(super) centre: Expr,
}

impl BoxSide {
    /// A length below 0, which a model may give, is 0.
    fn new(format: BoxFormat, first: Expr, second: Expr) -> Self {
        match format {
            BoxFormat::Xyxy => {
                let length = (second - first).relu();
                let end = first.max(second);
                Self {
                    start: first,
                    end,
                    length,
                    centre: first * 0.5 + end * 0.5,
                }
            }
            BoxFormat::Xywh => {
                let length = second.relu();
                Self {
                    start: first,
                    end: first + length,
                    length,
                    centre: first + length * 0.5,
                }
            }
            BoxFormat::Cxcywh => {
                let length = second.relu();
                let half = length * 0.5;
                Self {
                    start: first - half,
                    end: first + half,
                    length,
                    centre: first,
                }
            }
        }
    }
}

/// Two boxes: the one that is predicted, and the true one. Where two edges are the same each has half of the slope, so the
/// slope of boxes that are the same is 0.
#[derive(Clone, Copy)]
pub(super) struct TwoBoxes {
    /// Along `x` and `y`, of both.
    pub(super) x: [BoxSide; 2],
    pub(super) y: [BoxSide; 2],
    pub(super) eps: Expr,
    /// They are given by their edges, and not by their sizes.
    by_edges: bool,
}

/// The quotient, which is 0 where both are.
pub(super) fn quotient(of: Expr, over: Expr) -> Expr {
    let nothing = over.equals(0.0);
    nothing.select(0.0, of / nothing.select(1.0, over))
}

impl TwoBoxes {
    fn new(format: BoxFormat, sides: [Expr; 2 * SIDES]) -> Self {
        let [x, y, x2, y2, of_x, of_y, of_x2, of_y2] = sides;
        Self {
            x: [
                BoxSide::new(format, x, x2),
                BoxSide::new(format, of_x, of_x2),
            ],
            y: [
                BoxSide::new(format, y, y2),
                BoxSide::new(format, of_y, of_y2),
            ],
            eps: Expr::parameter("eps"),
            by_edges: format == BoxFormat::Xyxy,
        }
    }

    /// The area that both have, and that one of them has.
    pub(super) fn areas(&self) -> (Expr, Expr) {
        let both = self.common(self.x) * self.common(self.y);
        let [first, second] = [0, 1].map(|at| self.x[at].length * self.y[at].length);
        (both, first + second - both)
    }

    /// The share of the common area.
    pub(super) fn iou(&self) -> Expr {
        let (both, either) = self.areas();
        quotient(both, either + self.eps)
    }

    /// How wide and high the box is that encloses both.
    pub(super) fn enclosing(&self) -> [Expr; 2] {
        [self.x, self.y].map(|[a, b]| {
            if self.by_edges {
                return a.end.greater(b.end) - a.start.lesser(b.start);
            }
            let apart = (a.centre - b.centre).abs();
            let beside = (a.length + b.length) * 0.5 + apart;
            a.length.greater(b.length).greater(beside)
        })
    }

    /// How long what both have is, along an axis. Edges that are made of sizes would be rounded, and sizes are not.
    fn common(&self, [a, b]: [BoxSide; 2]) -> Expr {
        let common = if self.by_edges {
            a.end.lesser(b.end) - a.start.greater(b.start)
        } else {
            let apart = (a.centre - b.centre).abs();
            let beside = (a.length + b.length) * 0.5 - apart;
            a.length.lesser(b.length).lesser(beside)
        };
        common.relu()
    }

    /// How far the centres are apart, along `x` and `y`.
    pub(super) fn apart(&self) -> [Expr; 2] {
        [self.x, self.y].map(|[a, b]| a.centre - b.centre)
    }

    /// `1 - IoU`, and the squared distance of the centres over the squared diagonal of the enclosing box.
    pub(super) fn distance(&self) -> Expr {
        let ([width, height], [dx, dy]) = (self.enclosing(), self.apart());
        let diagonal = width.square() + height.square() + self.eps;
        1.0 - self.iou() + quotient(dx.square() + dy.square(), diagonal)
    }
}

/// The maths of a loss of boxes: recorded for each format when it is first called with that.
pub(super) struct BoxFormula {
    formula: fn(TwoBoxes) -> Expr,
    ready: [OnceLock<FormatFormulas>; FORMATS],
}

struct FormatFormulas {
    value: Arc<Formula>,
    all: Arc<Formula>,
    names: Vec<&'static str>,
}

impl BoxFormula {
    pub(super) const fn new(formula: fn(TwoBoxes) -> Expr) -> Self {
        Self {
            formula,
            ready: [const { OnceLock::new() }; FORMATS],
        }
    }

    /// The loss of boxes of a format, with these numbers for the formula's parameters.
    pub(super) fn of(&self, format: BoxFormat, options: &[(&'static str, f64)]) -> BoxRows {
        let recorded = self.ready[format as usize].get_or_init(|| {
            let mut recorded =
                record(|sides: [Expr; 2 * SIDES]| [(self.formula)(TwoBoxes::new(format, sides))]);
            let loss = recorded.results[0];
            let predicted = &recorded.operands[..SIDES];
            let slopes = recorded.graph.derivatives(loss, predicted);
            let results: Vec<_> = core::iter::once(loss).chain(slopes).collect();
            FormatFormulas {
                value: Arc::new(Formula::new(&recorded.graph, &[loss], true)),
                all: Arc::new(Formula::new(&recorded.graph, &results, true)),
                names: recorded.parameters,
            }
        });
        BoxRows {
            value: recorded.value.clone(),
            all: recorded.all.clone(),
            parameters: numbers_of(&recorded.names, options),
            by_edges: format == BoxFormat::Xyxy,
        }
    }
}

/// The loss of each pair of boxes.
pub(super) fn losses(
    loss: &'static str,
    rows: BoxRows,
    format: BoxFormat,
    [predictions, targets]: [AnyRank; 2],
    call: Call,
) -> Result<LossOutput, LossError> {
    let check = Check::new(loss, &predictions.device(), call.waiting);
    let (shape, device, dtype) = (
        predictions.shape(),
        predictions.device(),
        predictions.dtype(),
    );
    check.dtype(&device, dtype)?;
    check.device("predictions", &device, "targets", &targets.device())?;
    check.same_shape("predictions", &shape, "targets", &targets.shape())?;
    let axis = shape.num_dims() - 1;
    if shape[axis] != SIDES {
        let message = format!(
            "predictions {} have {} numbers along the last axis, but a box has 4: {}.",
            dims(&shape),
            shape[axis],
            in_words(format)
        );
        return Err(check.error(LossErrorKind::Shape, message));
    }
    if targets.is_tracked() {
        let hint = "True boxes are constants: pass their `.inner()`.";
        return Err(check.tracked("targets", hint));
    }
    let spec = RowSpec::new(Arc::new(rows), axis, RowTarget::Nothing);
    let given = targets.clone();
    let explain: Explain = &|_, found: &Violation| {
        format!(
            "target {} at index {:?} must be a finite number: leave the box out, or give it weight 0 in forward_weighted.",
            found.shown(),
            found.index
        )
    };
    let whole = || valid_boxes(&check, &given, format);
    evaluate_whole(&check, spec, [predictions, targets], call, explain, &whole)
}

fn in_words(format: BoxFormat) -> &'static str {
    match format {
        BoxFormat::Xyxy => "x1, y1, x2, y2",
        BoxFormat::Xywh => "x, y, width, height",
        BoxFormat::Cxcywh => "the centre x and y, width, height",
    }
}

/// The error for the first box that ends before it begins.
#[cold]
#[inline(never)]
fn valid_boxes(check: &Check, targets: &AnyRank, format: BoxFormat) -> Result<(), LossError> {
    let (shape, dtype) = (targets.shape(), targets.dtype());
    let values = targets.values();
    let wrong = |sides: &[f64]| match format {
        BoxFormat::Xyxy => (0..2).find(|&at| sides[at + 2] < sides[at]),
        _ => (0..2).find(|&at| sides[at + 2] < 0.0),
    };
    let boxes = values.chunks_exact(SIDES);
    let Some((at, side)) = boxes
        .enumerate()
        .find_map(|(at, sides)| Some((at, wrong(sides)?)))
    else {
        return Ok(());
    };
    let mut of_boxes = shape.to_vec();
    of_boxes.pop();
    let index = unravel(at, &Shape::from(of_boxes));
    let sides = &values[at * SIDES..][..SIDES];
    let each: Vec<String> = sides.iter().map(|&side| shown(side, dtype)).collect();
    let each = each.join(", ");
    let message = if format == BoxFormat::Xyxy {
        let (first, last) = [("x1", "x2"), ("y1", "y2")][side];
        format!(
            "the target box [{each}] at index {index:?} has {last} < {first}. If these are x, y, width and height, set \
             with_format(BoxFormat::Xywh), or Cxcywh where x and y are of the centre."
        )
    } else {
        let name = ["width", "height"][side];
        format!("the target box [{each}] at index {index:?} has a {name} below 0.")
    };
    let kind = LossErrorKind::Value {
        value: sides[side + 2],
        index,
    };
    Err(check.error(kind, message))
}

/// What is suspicious of boxes.
pub(super) fn lints(
    loss: &'static str,
    format: BoxFormat,
    predictions: &AnyRank,
    targets: &AnyRank,
) -> Vec<Lint> {
    const ENOUGH: usize = 8;
    let (given, truth) = (predictions.values(), targets.values());
    let mut lints = Vec::new();
    let mut suspect = |rule, message: String| {
        lints.push(Lint {
            loss,
            rule,
            message,
        });
    };
    let boxes = || truth.chunks_exact(SIDES);
    let ends = |sides: &[f64]| sides[2] > sides[0] && sides[3] > sides[1];
    let several = boxes().len() >= ENOUGH;
    if format != BoxFormat::Xyxy && several && boxes().all(ends) {
        suspect(
            "box-format",
            format!(
                "in all {} target boxes the third number is above the first, and the fourth above the second, as the edges x1, \
                 y1, x2, y2 are: the format is {format:?}, {}. Is it Xyxy?",
                boxes().len(),
                in_words(format)
            ),
        );
    }
    let largest = |values: &[f64]| {
        values
            .iter()
            .fold(0.0_f64, |most, value| most.max(value.abs()))
    };
    let (of_given, of_truth) = (largest(&given), largest(&truth));
    if !truth.is_empty()
        && (of_given > 20.0 && of_truth <= 1.0 || of_truth > 20.0 && of_given <= 1.0)
    {
        suspect(
            "box-scale",
            format!(
                "the largest number of the predictions is {of_given:.3}, and of the targets {of_truth:.3}: are one of them \
                 pixels and the other parts of the image?"
            ),
        );
    }
    lints
}

/// Stamps the evaluation of a loss of boxes, which brings `rows`.
macro_rules! of_boxes {
    ($loss:ident, $config:ident) => {
        loss_module!($loss, $config, Loss [predictions, targets]);

        impl<const D: usize> $crate::loss::Evaluate<(burn::tensor::Tensor<D>, burn::tensor::Tensor<D>)> for $loss
        where
            burn::tensor::Tensor<D>: $crate::targets::rank::LowerRank,
        {
            type Unreduced = <burn::tensor::Tensor<D> as $crate::targets::rank::LowerRank>::Lower;

            fn evaluate(
                &self,
                (predictions, targets): (burn::tensor::Tensor<D>, burn::tensor::Tensor<D>),
                call: $crate::loss::call::Call,
            ) -> Result<$crate::loss::call::LossOutput, $crate::LossError> {
                let boxes = [predictions.into(), targets.into()];
                super::boxes::losses(Self::NAME, self.rows(), self.config.format, boxes, call)
            }

            fn inspect(
                &self,
                (predictions, targets): (burn::tensor::Tensor<D>, burn::tensor::Tensor<D>),
            ) -> alloc::vec::Vec<$crate::Lint> {
                super::boxes::lints(Self::NAME, self.config.format, &predictions.into(), &targets.into())
            }
        }
    };
}

pub(super) use of_boxes;
