//! The overlap of probabilities and targets on whole tensors, which Burn differentiates: all of it is products and sums.

use super::ids::SafeIds;
use super::softmax::Softmax;
use super::tensors::AXIS;
use crate::engine::any_rank::{AnyRank, in_context_of};
use crate::engine::dtype::compute_dtype;
use crate::engine::overlap::{Beside, OverlapSpec, SUMS};
use crate::engine::shape::layers;
use crate::engine::softmax::AnySoftmaxHead;
use crate::engine::values::FlatValues;
use crate::real::Real;
use crate::spec::overlap::{
    Activation, OfMinimum, OfProduct, OfSquares, Overlap, OverlapTarget, OverlapTerms,
};
use crate::spec::rule::Rule;
use alloc::vec::Vec;
use burn::tensor::{Bool, Device, Tensor, activation};

/// The sums `[sum, sample, class]`, as a function of the input. Those of a sample in which a value breaks a rule are NaN.
pub(crate) fn with_tensors(input: AnyRank, spec: OverlapSpec<FlatValues>) -> Tensor<3> {
    let (device, shape) = (input.device(), input.shape());
    let layers = layers(&shape, spec.axis);
    let wide = compute_dtype(input.dtype());
    let x = input.cast(wide).layers(layers);
    let (samples, sums) = (spec.samples, spec.sums());
    let PixelTargets { y, counts, valid } = PixelTargets::new(spec.target, &x);
    let y = in_context_of(y, &device);
    let Probabilities { p, rest, ln_p } = Probabilities::new(spec.activation, &x, &device);
    let mut terms = Vec::from(match spec.overlap {
        Overlap::Product => OfProduct::terms(p, rest, y.clone()),
        Overlap::Squared => OfSquares::terms(p, rest, y.clone()),
        Overlap::Minimum => OfMinimum::terms(p, rest, y.clone()),
    });
    if let Some(counts) = &counts {
        let left_out = counts.clone().expand(layers).bool_not();
        terms = terms
            .into_iter()
            .map(|term| term.mask_fill(left_out.clone(), 0.0))
            .collect();
    }
    if let (Some(beside), Some(ln_p)) = (&spec.beside, ln_p) {
        terms.push(match beside {
            Beside::OfClass(head) => of_class(&**head, &x, ln_p, &y),
            Beside::CrossEntropy => {
                let absent = y.clone().equal_scalar(0.0);
                (-ln_p * y.clone()).mask_fill(absent, 0.0)
            }
        });
        // How many pixels are of each class; all are of the first, where none has one of its own.
        terms.push(match &counts {
            Some(_) => y.clone(),
            None => {
                let all = y.ones_like();
                let first = all.clone().slice_dim(AXIS, 0..1);
                let others = all.slice_dim(AXIS, 1..layers[AXIS]).zeros_like();
                Tensor::cat(Vec::from([first, others]), AXIS)
            }
        });
    }
    let mut valid = valid;
    if spec.activation == Activation::Probabilities {
        let holds = Rule::PROBABILITY.or_nan().holds(&x.clone().inner());
        valid = valid.bool_and(holds.all_dim(AXIS));
    }
    let broken = valid.bool_not().float().cast(wide);
    let broken = of_samples(broken, samples);
    let none = broken.clone().equal_scalar(0.0);
    let poison = broken.full_like(f64::NAN).mask_fill(none, 0.0);
    let poison = in_context_of(poison, &device);
    debug_assert_eq!(terms.len(), if sums == SUMS { SUMS } else { sums });
    let classes = layers[AXIS];
    let added = terms
        .into_iter()
        .map(|term| of_samples(term, samples) + poison.clone().expand([1, samples, classes]));
    Tensor::cat(added.collect(), 0)
}

/// The sum over the pixels of each sample, `[1, sample, class]`.
fn of_samples(terms: Tensor<3>, samples: usize) -> Tensor<3> {
    let [outer, classes, _] = terms.dims();
    let of_rows = terms
        .sum_dim(2)
        .reshape([samples, outer / samples, classes]);
    of_rows.sum_dim(1).reshape([1, samples, classes])
}

/// What the targets are for each element, and what of them counts.
pub(crate) struct PixelTargets {
    /// How true each class is; 0 where it does not count.
    pub(crate) y: Tensor<3>,
    /// Where an element, or all of a pixel, counts; absent where all of them do, and none has one class.
    pub(crate) counts: Option<Tensor<3, Bool>>,
    /// Which pixels have a valid target.
    pub(crate) valid: Tensor<3, Bool>,
}

impl PixelTargets {
    /// Beside the layers of an input.
    pub(crate) fn new(target: OverlapTarget<FlatValues>, like: &Tensor<3>) -> Self {
        let layers = like.dims();
        let [outer, classes, inner] = layers;
        let (device, dtype) = (like.device().without_autodiff(), like.dtype());
        match target {
            OverlapTarget::Ids(ids, ignored) => {
                let ids = ids.integers().reshape([outer, 1, inner]);
                let found = SafeIds::new(ids, classes, &ignored);
                Self {
                    y: found.one_hot(AXIS, classes, &device, dtype),
                    counts: Some(found.is_class()),
                    valid: found.valid(),
                }
            }
            OverlapTarget::Masks(masks, ignored) => {
                let y: Tensor<3> = masks.cast(compute_dtype(dtype)).reshape(layers);
                let is = ignored.iter().map(|&of| y.clone().equal_scalar(of as f64));
                let left_out = is.reduce(|one, other| one.bool_or(other));
                let y = match &left_out {
                    Some(left_out) => y.mask_fill(left_out.clone(), 0.0),
                    None => y,
                };
                Self {
                    valid: Rule::PROBABILITY.holds(&y).all_dim(AXIS),
                    counts: left_out.map(|left_out| left_out.bool_not()),
                    y,
                }
            }
        }
    }
}

/// The probabilities of classes, what is left of them, and for a softmax their logarithms.
struct Probabilities {
    p: Tensor<3>,
    rest: Tensor<3>,
    ln_p: Option<Tensor<3>>,
}

impl Probabilities {
    fn new(by: Activation, x: &Tensor<3>, device: &Device) -> Self {
        // What is left of a probability near 1 is computed apart: the difference would be 0.
        let beside = |p: &Tensor<3>, rest: Tensor<3>| {
            in_context_of(rest, device) + (p.clone().detach() - p.clone())
        };
        match by {
            Activation::Softmax => {
                let ln_p = activation::log_softmax(x.clone(), AXIS);
                let p = ln_p.clone().exp();
                let (_, rest) = Softmax::new(x.clone().inner()).prob_and_rest();
                Self {
                    rest: beside(&p, rest),
                    p,
                    ln_p: Some(ln_p),
                }
            }
            Activation::Sigmoid => {
                let p = activation::sigmoid(x.clone());
                let rest = activation::sigmoid(-x.clone().inner());
                Self {
                    rest: beside(&p, rest),
                    p,
                    ln_p: None,
                }
            }
            Activation::Probabilities => Self {
                rest: x.clone().like(1.0) - x.clone(),
                p: x.clone(),
                ln_p: None,
            },
        }
    }
}

/// What a head makes of the class of each pixel, at that class.
fn of_class(
    head: &dyn AnySoftmaxHead,
    x: &Tensor<3>,
    ln_p: Tensor<3>,
    hot: &Tensor<3>,
) -> Tensor<3> {
    let layers = x.dims();
    let elsewhere = hot.clone().equal_scalar(0.0);
    let own = |of: Tensor<3>| of.mask_fill(elsewhere.clone(), 0.0).sum_dim(AXIS);
    let (logit, own_ln_p) = (own(x.clone()), own(ln_p));
    let lse = logit - own_ln_p.clone();
    let softmax = Softmax::new(x.clone().inner());
    let plain = |of: &Tensor<3>| of.clone().inner();
    let (_, rest) = softmax.prob_and_rest();
    let hot = plain(hot);
    let rest = rest
        .mask_fill(hot.clone().equal_scalar(0.0), 0.0)
        .sum_dim(AXIS);
    let of_own = [plain(&own_ln_p), plain(&own_ln_p).exp(), rest, plain(&lse)];
    let [loss, of_ln_p, of_lse] = head.on_tensors(of_own);
    let device = x.device();
    let like = |of: Tensor<3>| in_context_of(of, &device);
    // The value is the loss, and the derivatives are those that the head states.
    let change = |of: Tensor<3>, slope: Tensor<3>| (of.clone() - of.detach()) * like(slope);
    let value = like(loss) + change(own_ln_p, of_ln_p) + change(lse, of_lse);
    value.expand(layers).mask_fill(elsewhere, 0.0)
}
