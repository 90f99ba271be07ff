"""Golden data for the losses of rows of logits: options of cross-entropy and focal, divergences, ordered classes.

Run `python rows.py` in a virtual environment with what `elements.py` needs, and pytorch-metric-learning,
cut-cross-entropy, coral-pytorch, dlordinal and torchdistill. The files are written beside this script, in the
format of `generate.py` as `elements.py` extends it.

The formulas are in float64, written so that nothing cancels; the gradients are torch's of the formulas. Every case
that a library can compute is compared with it, as in `libraries.py`. liger-kernel runs in Triton's interpreter, in
float32, as cut-cross-entropy does; their losses are compared, and not their gradients.

* The weight of a sample `w` in Mean, sum(s l) / sum(s w): of poly1 and cross_entropy_options the weight of its class,
  of corn the number of the thresholds that are in use, else 1; 0 where the id is ignored. The z term of
  cross_entropy_options has no weight: there are no cases with both.
* softmax_kl, js_div, total_variation: the last of `gradients` is the teacher's. distillation: the teacher has none.
"""

import logging
import math
import os

os.environ["TRITON_INTERPRET"] = "1"
os.environ["TORCHDYNAMO_DISABLE"] = "1"

import torch
import torch.nn.functional as F

from elements import Suite, function, main
from generate import (
    EXACT, INF, REDUCTIONS, along, by_class, class_ids, class_weights, f32, focal_of, randn, some_ignored)
from libraries import TIGHT, cycle, float_as_double, folder, jnp, of_jax, optax, softplus, stub

from coral_pytorch.dataset import levels_from_labelbatch
from coral_pytorch.losses import coral_loss, corn_loss
from cut_cross_entropy import linear_cross_entropy
from liger_kernel.chunked_loss.jsd_loss import LigerFusedLinearJSDFunction
from liger_kernel.transformers.functional import liger_cross_entropy
from mmdet.models.losses.kd_loss import knowledge_distillation_kl_div_loss as mmdet_kd
from pytorch_metric_learning.losses import CosFaceLoss
from timm.loss.poly_loss import PolyCrossEntropy

root = folder("dlordinal")
stub("dlordinal", root)
stub("dlordinal.losses", root / "losses")
from dlordinal.losses.corn_loss import CORNLoss
from dlordinal.losses.emd_loss import EMDLoss

root = folder("torchdistill")
stub("torchdistill", root)
stub("torchdistill.common", root / "common")
stub("torchdistill.losses", root / "losses")
stub("torchdistill.common.constant", def_logger=logging.getLogger())
stub("torchdistill.losses.registry", register_loss_wrapper=lambda x: x, register_mid_level_loss=lambda x: x)
from torchdistill.losses.mid_level import KDLoss

SINGLE = 1e-5  # of libraries that compute in float32
IDS = torch.tensor


def against_others(x, ids):
    """ln(sum of the others / the class), with the classes along axis 1; 0 where the id is ignored.

    Of it the logistic functions are -ln p and 1 - p, to the last digit wherever they are.
    """
    at = ids.clamp(min=0).unsqueeze(1)
    return (x - x.gather(1, at)).scatter(1, at, -INF).logsumexp(1).masked_fill(ids < 0, 0.0)


def plain(config, *names):
    """Whether options are at their defaults, but for those named."""
    defaults = {
        "weights": None, "alpha": None, "ignore_indices": [], "label_smoothing": 0.0, "log_prior": None, "tau": 1.0,
        "margins": None, "logit_scale": 1.0, "softcap": None, "z_loss": 0.0}
    return all(config.get(name, default) == default for name, default in defaults.items() if name not in names)


# Class ids ----------------------------------------------------------------------------------------


def poly1():
    def timm(config, x, ids):
        if x.dim() != 2 or not plain(config) or x.abs().max() > 15:
            return None  # its 1 - p is 0 there
        with float_as_double():
            return PolyCrossEntropy(config["epsilon"], reduction="none")(x, ids)

    def of_optax(config, x, ids):
        axis = config["class_axis"]
        hot = jnp.moveaxis(jnp.eye(x.shape[axis])[ids], -1, axis)
        return optax.losses.poly_loss_cross_entropy(x, hot, epsilon=config["epsilon"], axis=axis)

    def by_optax(config, x, ids):
        return of_jax(of_optax)(config, x, ids) if plain(config) and x.abs().max() < 15 else None

    suite = Suite("poly1", ("timm", "optax"), [("timm", TIGHT, timm), ("optax", TIGHT, by_optax)])

    def add(name, shape, axis=1, epsilon=None, weights=None, ignore=(), x=None, ids=None, **options):
        epsilon = cycle(suite, (1.0, 2.0, -1.0, 0.5)) if epsilon is None else epsilon
        x = randn(shape, 1.5) if x is None else x
        weights = class_weights(shape[axis]) if weights is True else weights
        ids = some_ignored(class_ids(shape, axis), ignore) if ids is None else ids

        def loss(x, ids, weight, reduction):
            others = against_others(x, ids)
            each = softplus(others) + epsilon * torch.sigmoid(others)
            each = each if weight is None else each * weight[ids.clamp(min=0)]
            return each.masked_fill(ids < 0, 0.0)

        config = {"epsilon": epsilon, "weights": weights, "ignore_indices": list(ignore), "class_axis": axis}
        of, weight = by_class(loss, ids, weights, list(ignore), axis)
        suite.add(name, config, [x], ids, lambda x: of(x, "none"), weight=weight, **options)

    of_ids(add)
    for epsilon in (0.0, -1.0, -0.5, 4.0):
        add(f"epsilon_{epsilon}", (5, 3), epsilon=epsilon)
    rows = torch.tensor([[20.0, 0, -1], [0, 25, 1], [1, 0, 30], [40, 0, 1]])
    add("saturated_right", (4, 3), epsilon=1.0, x=rows, ids=IDS([0, 1, 2, 0]), tiny=EXACT, reduction="Sum")
    add("saturated_wrong", (4, 3), epsilon=2.0, x=rows, ids=IDS([1, 2, 0, 2]))
    add("magnitude_1e4", (5, 4), x=randn((5, 4), 1e4, 1.0))
    add("offset_1e4", (4, 3), x=randn((4, 3)) + 1e4)
    x = randn((4, 3))
    x[0, 1] = x[1, 0] = x[2, 0] = -INF
    add("minus_inf_elsewhere", (4, 3), epsilon=1.0, x=x, ids=IDS([0, 1, 2, 0]))
    add("large", (31, 9), weights=True, ignore=(-100, 7), x=randn((31, 9), 2.0, 1 / 8))
    return suite


def of_ids(add):
    for reduction in REDUCTIONS:
        add("plain", (5, 3), reduction=reduction)
        add("weights_ignore_two", (7, 4), weights=True, ignore=(-100, 2), reduction=reduction)
        add("weights_ignore_sample_weights", (7, 3), weights=True, ignore=(-100, 0), sample_weights=True, reduction=reduction)
    add("rank3", (2, 3, 3))
    add("rank3_last_axis_weights", (2, 3, 4), 2, weights=True)
    add("rank4_weights_ignore", (2, 3, 2, 2), weights=True, ignore=(-100, 0))
    add("rank4_last_axis", (2, 3, 1, 3), 3)
    add("rank5_ignore", (2, 3, 1, 2, 2), ignore=(2,))
    add("sample_weights", (7, 3), sample_weights=True)
    add("weight_zero", (5, 3), weights=[0.0, 1.5, 0.5], ids=IDS([0, 1, 2, 0, 1]), reduction="Mean")
    add("all_but_one_ignored", (4, 3), ignore=(-100,), ids=IDS([-100, 1, -100, -100]), reduction="Mean")
    add("one_row", (1, 7))
    add("two_classes", (5, 2))
    add("full_float32_digits", (4, 3), x=randn((4, 3), step=None))


def adjusted(config):
    """The logits, with the classes along axis 1, as the options change them."""

    def of(x, ids):
        cap = config["softcap"]
        x = x if cap is None else cap * torch.tanh(x / cap)
        if config["margins"] is not None:
            at = ids.clamp(min=0)
            margin = torch.tensor(config["margins"])[at].unsqueeze(1)
            x = x - torch.zeros_like(x).scatter(1, at.unsqueeze(1), margin)
        x = x * config["logit_scale"]
        return x if config["log_prior"] is None else x + config["tau"] * along(config["log_prior"], x.dim(), 1)

    return of


def log_prior(size):
    counts = torch.randint(1, 100, (size,)).double()
    return (counts / counts.sum()).log().tolist()


def margins(size):
    """As LDAM has them."""
    counts = torch.randint(1, 100, (size,)).double()
    found = counts**-0.25
    return (found / found.max() / 2).tolist()


OPTIONS = {"log_prior": None, "tau": 1.0, "margins": None, "logit_scale": 1.0, "softcap": None}


def with_options(options, size):
    """The options of the logits; what is True is made up for so many classes."""
    found = {name: options.pop(name, default) for name, default in OPTIONS.items()}
    makers = {"log_prior": log_prior, "margins": margins}
    return {name: makers[name](size) if value is True else value for name, value in found.items()}


def options_alone(add):
    for reduction in REDUCTIONS:
        add("log_prior", (5, 3), log_prior=True, reduction=reduction)
        add("margins_logit_scale", (5, 4), margins=True, logit_scale=8.0, reduction=reduction)
        add("softcap", (5, 3), softcap=2.0, x=randn((5, 3), 3.0), reduction=reduction)
    add("log_prior_tau_0.5", (5, 4), log_prior=True, tau=0.5)
    add("log_prior_tau_2", (5, 4), log_prior=True, tau=2.0)
    add("log_prior_tau_0", (5, 4), log_prior=True, tau=0.0)
    add("margins", (5, 3), margins=True)
    add("margins_of_one_size", (5, 4), margins=[0.375] * 4, logit_scale=16.0, x=cosines((5, 4)))
    add("ldam", (6, 5), margins=True, logit_scale=30.0, x=cosines((6, 5)))
    add("margin_zero", (5, 3), margins=[0.0, 0.5, 0.25])
    add("logit_scale", (5, 3), logit_scale=0.25)
    add("logit_scale_30", (5, 3), logit_scale=30.0, x=cosines((5, 3)))
    add("softcap_30", (5, 4), softcap=30.0, x=randn((5, 4), 20.0))
    add("softcap_far", (4, 3), softcap=10.0, x=randn((4, 3), 100.0, 1.0))
    add("softcap_logit_scale", (4, 3), softcap=5.0, logit_scale=2.0)
    add("all", (6, 4), log_prior=True, tau=1.5, margins=True, logit_scale=4.0, softcap=3.0)
    add("log_prior_margins", (6, 4), log_prior=True, margins=True)
    add("rank3_log_prior", (2, 3, 3), log_prior=True)
    add("rank3_last_axis_all", (2, 3, 4), 2, log_prior=True, margins=True, logit_scale=2.0, softcap=4.0)
    add("rank4_margins_logit_scale", (2, 3, 2, 2), margins=True, logit_scale=4.0)
    add("rank4_last_axis_softcap", (2, 3, 1, 3), 3, softcap=1.5)
    add("rank5_log_prior_softcap", (2, 3, 1, 2, 2), log_prior=True, softcap=2.0)
    add("log_prior_ignore", (7, 3), log_prior=True, ignore=(255,))
    add("margins_ignore", (7, 3), margins=True, logit_scale=4.0, ignore=(-100, 1), reduction="Mean")
    add("all_sample_weights", (7, 3), log_prior=True, margins=True, logit_scale=4.0, softcap=3.0, sample_weights=True)
    x = randn((4, 3))
    x[0, 1] = x[1, 0] = x[2, 0] = -INF
    add("minus_inf_elsewhere_log_prior", (4, 3), log_prior=True, logit_scale=2.0, x=x, ids=IDS([0, 1, 2, 0]))
    add("log_prior_magnitude_1e4", (5, 4), log_prior=True, x=randn((5, 4), 1e4, 1.0))
    add("large", (31, 9), log_prior=True, margins=True, logit_scale=2.0, softcap=8.0, ignore=(-100, 7),
        x=randn((31, 9), 2.0, 1 / 8))


def cosines(shape):
    return torch.randint(-255, 256, shape) / 256


def cross_entropy_options():
    def liger(config, x, ids):
        if x.dim() != 2 or not plain(config, "label_smoothing", "z_loss", "ignore_indices") or (x.abs() > 1e3).any():
            return None
        ids = ids.masked_fill(torch.isin(ids, torch.tensor(config["ignore_indices"])), -100)
        found = liger_cross_entropy(
            x.detach().float(), ids, lse_square_scale=config["z_loss"], label_smoothing=config["label_smoothing"],
            reduction="none")
        return found.double()

    def cce(config, x, ids):
        if x.dim() != 2 or not plain(config, "softcap") or config["softcap"] is None:
            return None
        found = linear_cross_entropy(
            x.detach(), torch.eye(x.shape[1]), ids, softcap=config["softcap"], reduction="none", impl="torch_compile")
        return found.double()

    def cosface(config, x, ids):
        margin = config["margins"]
        if x.dim() != 2 or margin is None or not plain(config, "margins", "logit_scale") or len(set(margin)) > 1:
            return None
        loss = CosFaceLoss(x.shape[1], 1, margin=margin[0], scale=config["logit_scale"])
        loss.get_cosine = lambda x: x
        return loss.compute_loss(x, ids, None, x, ids)["loss"]["losses"]

    def balanced(config, x, ids):
        """Balanced softmax: the probability by the number of each class."""
        if x.dim() != 2 or not plain(config, "log_prior") or config["log_prior"] is None or x.abs().max() > 100:
            return None
        odds = torch.tensor(config["log_prior"]).exp() * x.exp()
        return -(odds.gather(1, ids.unsqueeze(1)).squeeze(1) / odds.sum(1)).log()

    suite = Suite("cross_entropy_options", ("liger-kernel", "cut-cross-entropy", "pytorch-metric-learning"), [
        ("liger-kernel", SINGLE, liger), ("cut-cross-entropy", SINGLE, cce),
        ("pytorch-metric-learning", TIGHT, cosface), ("balanced softmax", TIGHT, balanced),
    ])

    def add(name, shape, axis=1, weights=None, smoothing=0.0, ignore=(), z_loss=0.0, x=None, ids=None, **options):
        x = randn(shape, 1.5) if x is None else x
        weights = class_weights(shape[axis]) if weights is True else weights
        ids = some_ignored(class_ids(shape, axis), ignore) if ids is None else ids
        changes = with_options(options, shape[axis])
        assert weights is None or z_loss == 0.0

        def loss(x, ids, weight, reduction):
            x = adjusted(changes)(x, ids)
            if smoothing == 0.0:
                each = softplus(against_others(x, ids))
                each = each if weight is None else each * weight[ids.clamp(min=0)]
            else:
                each = F.cross_entropy(x, ids, weight, reduction="none", label_smoothing=smoothing)
            each = each + z_loss * x.logsumexp(1) ** 2 if z_loss else each
            return each.masked_fill(ids < 0, 0.0)

        config = {
            "weights": weights, "ignore_indices": list(ignore), "label_smoothing": smoothing, "class_axis": axis,
            **changes, "z_loss": z_loss}
        of, weight = by_class(loss, ids, weights, list(ignore), axis)
        suite.add(name, config, [x], ids, lambda x: of(x, "none"), weight=weight, **options)

    options_alone(add)
    for reduction in REDUCTIONS:
        add("z_loss", (5, 3), z_loss=0.125, reduction=reduction)
        add("z_loss_ignore_sample_weights", (7, 3), z_loss=0.25, ignore=(-100,), sample_weights=True, reduction=reduction)
        add("log_prior_weights_smoothing", (7, 4), log_prior=True, weights=True, smoothing=0.1, reduction=reduction)
        add("all_weights_ignore", (7, 4), log_prior=True, tau=0.5, margins=True, logit_scale=4.0, softcap=3.0,
            weights=True, ignore=(-100, 2), reduction=reduction)
    add("z_loss_1e-4", (5, 4), z_loss=1e-4, x=randn((5, 4), 8.0))
    add("z_loss_smoothing", (5, 4), z_loss=0.1, smoothing=0.1)
    add("z_loss_rank3_last_axis", (2, 3, 4), 2, z_loss=0.1)
    add("z_loss_rank4", (2, 3, 2, 2), z_loss=0.1, ignore=(1,))
    add("z_loss_of_changed_logits", (5, 4), z_loss=0.1, log_prior=True, margins=True, logit_scale=4.0, softcap=3.0)
    add("z_loss_all_but_one_ignored", (4, 3), z_loss=0.5, ignore=(-100,), ids=IDS([-100, 1, -100, -100]), reduction="Mean")
    add("z_loss_far", (4, 3), z_loss=1e-3, x=randn((4, 3), 100.0, 1.0))
    add("margins_smoothing", (5, 4), margins=True, logit_scale=4.0, smoothing=0.1)
    add("softcap_smoothing", (5, 4), softcap=2.0, smoothing=0.2)
    add("softcap_weights", (5, 4), softcap=2.0, weights=True, reduction="Mean")
    add("everything", (7, 4), log_prior=True, tau=0.5, margins=True, logit_scale=4.0, softcap=3.0, z_loss=0.1,
        smoothing=0.1, ignore=(-100,))
    for reduction in REDUCTIONS:
        add("cosface", (5, 4), margins=[0.25] * 4, logit_scale=12.0, x=cosines((5, 4)), reduction=reduction)
    add("none", (5, 3))
    return suite


def focal_options():
    def cross_entropy(config, x, ids):  # with gamma 0 it is that
        if config["gamma"] or config["ignore_indices"]:
            return None
        x = adjusted(config)(x.movedim(config["class_axis"], 1).contiguous(), ids)
        return F.cross_entropy(x, ids, None if config["alpha"] is None else torch.tensor(config["alpha"]), reduction="none")

    def by_one_hot(config, x, ids):
        """As libraries write it of one-hot targets, of the changed logits."""
        if config["ignore_indices"] or x.abs().max() > 100:
            return None
        x = adjusted(config)(x.movedim(config["class_axis"], 1).contiguous(), ids)
        hot = F.one_hot(ids, x.shape[1]).movedim(-1, 1).double()
        alpha = 1.0 if config["alpha"] is None else along(config["alpha"], x.dim(), 1)
        log_p = F.log_softmax(x, 1).masked_fill(x == -INF, 0.0)
        return -(alpha * hot * (1 - log_p.exp()) ** config["gamma"] * log_p).sum(1)

    suite = Suite("focal_options", (), [("torch", TIGHT, cross_entropy), ("by one-hot targets", 1e-9, by_one_hot)])

    def add(name, shape, axis=1, gamma=None, alpha=None, ignore=(), x=None, ids=None, **options):
        gamma = cycle(suite, (2.0, 1.5, 0.0, 1.0, 3.0)) if gamma is None else gamma
        x = randn(shape, 1.5) if x is None else x
        alpha = class_weights(shape[axis]) if alpha is True else alpha
        ids = some_ignored(class_ids(shape, axis), ignore) if ids is None else ids
        changes = with_options(options, shape[axis])

        def loss(x, ids, weight, reduction):
            if alpha is None:
                others = against_others(adjusted(changes)(x, ids), ids)
                return (torch.sigmoid(others) ** gamma * softplus(others)).masked_fill(ids < 0, 0.0)
            return focal_of(adjusted(changes)(x, ids), ids, weight, reduction, gamma, alpha, False)

        config = {"gamma": gamma, "alpha": alpha, "ignore_indices": list(ignore), "class_axis": axis, **changes}
        of, weight = by_class(loss, ids, None, list(ignore), axis)
        suite.add(name, config, [x], ids, lambda x: of(x, "none"), weight=weight, **options)

    options_alone(add)
    for reduction in REDUCTIONS:
        add("log_prior_alpha_ignore", (7, 4), log_prior=True, alpha=True, ignore=(-100, 2), reduction=reduction)
        add("all_alpha_sample_weights", (7, 4), log_prior=True, margins=True, logit_scale=2.0, softcap=3.0, alpha=True,
            sample_weights=True, reduction=reduction)
    for gamma in (0.0, 0.5, 2.0):
        add(f"gamma_{gamma}", (5, 4), gamma=gamma, log_prior=True, margins=True, logit_scale=2.0)
    add("none", (5, 3))
    return suite


# Two softmaxes ------------------------------------------------------------------------------------


def both(config, student, teacher):
    axis, temperature = config["class_axis"], config["temperature"]
    return F.log_softmax(student / temperature, axis), F.log_softmax(teacher / temperature, axis)


def kl(ln_q, ln_p, axis):
    return (ln_q.exp() * (ln_q - ln_p)).sum(axis)


def mixture(a, ln_q, ln_p):
    """ln(a q + (1 - a) p)"""
    return torch.logaddexp(ln_q + math.log(a), ln_p + math.log1p(-a))


def by_torch(ln_q, ln_p, axis):
    return F.kl_div(ln_p, ln_q, reduction="none", log_target=True).sum(axis)


def squared(config):
    return config["temperature"] ** 2 if config["squared_temperature"] else 1.0


def pair_cases(add):
    """Of `add(name, student, teacher, axis)`."""
    for reduction in REDUCTIONS:
        add("rank2", *logits((5, 4)), reduction=reduction)
        add("rank3", *logits((2, 3, 3)), reduction=reduction)
        add("sample_weights", *logits((5, 3)), sample_weights=True, reduction=reduction)
    add("rank3_last_axis", *logits((2, 3, 4)), 2)
    add("rank4", *logits((2, 3, 2, 2)))
    add("rank4_last_axis", *logits((2, 2, 1, 3)), 3)
    add("rank5", *logits((2, 3, 1, 2, 2)))
    add("rank3_last_axis_sample_weights", *logits((2, 3, 4)), 2, sample_weights=True)
    add("one_row", *logits((1, 7)))
    add("two_classes", *logits((5, 2)))
    add("full_float32_digits", *logits((4, 3), 1.5, None))
    add("far", *logits((4, 3), 20.0))
    add("offset_1e4", *(x + f32(1e4) for x in logits((4, 3))))
    add("large", *logits((17, 9), 2.0, 1 / 8))


def logits(shape, scale=1.5, step=1 / 256):
    return [randn(shape, scale, step), randn(shape, scale, step)]


def huge(shape):
    """Of size 1e4, but for a row that has a gradient."""
    x = randn(shape, 1e4, 1.0)
    x[0] = randn(shape[1:])
    return x


DIRECTIONS = ("Forward", "Reverse", "Symmetric", "SkewForward", "SkewReverse")


def softmax_kl():
    def torchs(config, student, teacher):
        ln_p, ln_q = both(config, student, teacher)
        axis, a = config["class_axis"], config["skew"]
        found = {
            "Forward": lambda: by_torch(ln_q, ln_p, axis),
            "Reverse": lambda: by_torch(ln_p, ln_q, axis),
            "Symmetric": lambda: (by_torch(ln_q, ln_p, axis) + by_torch(ln_p, ln_q, axis)) / 2,
            "SkewForward": lambda: by_torch(ln_q, (a * ln_q.exp() + (1 - a) * ln_p.exp()).log(), axis),
            "SkewReverse": lambda: by_torch(ln_p, ((1 - a) * ln_q.exp() + a * ln_p.exp()).log(), axis),
        }[config["direction"]]()
        return found * squared(config)

    def batch_mean(config, student, teacher):
        """torch's batchmean, of rows."""
        if student.dim() != 2 or config["direction"] != "Forward" or teacher.abs().max() > 100:
            return None  # where a probability is 0, its x log x has no gradient
        ln_p, ln_q = both(config, student, teacher)
        return F.kl_div(ln_p, ln_q.exp(), reduction="batchmean") * squared(config)

    def mmdet(config, student, teacher):  # it divides by the number of classes
        if config["direction"] != "Forward" or config["class_axis"] != 1 or not config["squared_temperature"]:
            return None
        if teacher.abs().max() > 100:
            return None
        found = mmdet_kd(student, teacher, T=config["temperature"], detach_target=False, reduction="none")
        return found * student.shape[1]

    suite = Suite("softmax_kl", (), [
        ("torch", TIGHT, torchs), ("torch's batchmean", TIGHT, batch_mean), ("mmdet, times the classes", TIGHT, mmdet),
    ])

    def add(name, student, teacher, axis=1, direction=None, skew=None, temperature=None, square=None, **options):
        direction = cycle(suite, DIRECTIONS + ("Forward",)) if direction is None else direction
        skew = cycle(suite, (0.1, 0.25, 0.5)) if skew is None else skew
        temperature = cycle(suite, (1.0, 2.0, 4.0, 0.5, 1.0)) if temperature is None else temperature
        square = len(suite.cases) % 3 != 0 if square is None else square
        config = {
            "direction": direction, "skew": skew, "temperature": temperature, "squared_temperature": square,
            "class_axis": axis}

        def each(student, teacher):
            ln_p, ln_q = both(config, student, teacher)
            found = {
                "Forward": lambda: kl(ln_q, ln_p, axis),
                "Reverse": lambda: kl(ln_p, ln_q, axis),
                "Symmetric": lambda: ((ln_q.exp() - ln_p.exp()) * (ln_q - ln_p)).sum(axis) / 2,
                "SkewForward": lambda: kl(ln_q, mixture(skew, ln_q, ln_p), axis),
                "SkewReverse": lambda: kl(ln_p, mixture(skew, ln_p, ln_q), axis),
            }[direction]()
            return found * squared(config)

        suite.add(f"{name}_{direction.lower()}", config, [student, teacher], teacher, each, target_gradient=True, **options)

    pair_cases(add)
    for direction in DIRECTIONS:
        for reduction in REDUCTIONS:
            add("each", *logits((4, 3)), direction=direction, reduction=reduction)
        add("temperature_3", *logits((4, 3)), direction=direction, temperature=3.0, square=True)
        add("temperature_3_not_squared", *logits((4, 3)), direction=direction, temperature=3.0, square=False)
        student, teacher = logits((4, 3))
        teacher[1] = student[1]
        add("one_row_equal", student, teacher, direction=direction, temperature=1.0)
    for skew in (0.5, 0.9375):
        for direction in ("SkewForward", "SkewReverse"):
            add(f"skew_{skew}", *logits((4, 3)), direction=direction, skew=skew)
    add("magnitude_1e4", huge((4, 3)), huge((4, 3)), direction="Forward", temperature=1.0)
    add("magnitude_1e4", huge((4, 3)), huge((4, 3)), direction="Reverse", temperature=1.0)
    return suite


def js_div():
    gkd = function("trl", "experimental/gkd/gkd_trainer.py", "generalized_jsd_loss")

    def trl(config, student, teacher):
        axis = config["class_axis"]
        student, teacher = (x.movedim(axis, -1) for x in (student, teacher))
        return gkd(student, teacher, beta=config["beta"], temperature=config["temperature"], reduction="none").sum(-1)

    def liger(config, student, teacher):
        axis, t = config["class_axis"], config["temperature"]
        student, teacher = (x.movedim(axis, -1) / t for x in (student, teacher))
        pairs = zip(student.reshape(-1, student.shape[-1]), teacher.reshape(-1, teacher.shape[-1]))
        found = [LigerFusedLinearJSDFunction.distillation_loss_fn(p[None], q[None], config["beta"]) for p, q in pairs]
        return torch.stack(found).reshape(student.shape[:-1])

    suite = Suite("js_div", ("trl", "liger-kernel"), [("trl", TIGHT, trl), ("liger-kernel", TIGHT, liger)])

    def add(name, student, teacher, axis=1, beta=None, temperature=None, **options):
        beta = cycle(suite, (0.5, 0.1, 0.9, 0.5, 0.25, 0.0, 1.0)) if beta is None else beta
        temperature = cycle(suite, (1.0, 2.0, 0.5, 1.0)) if temperature is None else temperature
        config = {"beta": beta, "temperature": temperature, "class_axis": axis}

        def each(student, teacher):
            ln_p, ln_q = both(config, student, teacher)
            if beta == 0.0:
                return kl(ln_q, ln_p, axis)
            if beta == 1.0:
                return kl(ln_p, ln_q, axis)
            m = mixture(beta, ln_q, ln_p)
            return beta * kl(ln_q, m, axis) + (1 - beta) * kl(ln_p, m, axis)

        suite.add(name, config, [student, teacher], teacher, each, target_gradient=True, **options)

    pair_cases(add)
    for beta in (0.0, 0.25, 0.5, 0.75, 1.0):
        add(f"beta_{beta}", *logits((4, 3)), beta=beta)
        student, teacher = logits((4, 3))
        teacher[1] = student[1]
        add(f"beta_{beta}_one_row_equal", student, teacher, beta=beta, temperature=1.0)
    add("magnitude_1e4", huge((4, 3)), huge((4, 3)), beta=0.5, temperature=1.0)
    return suite


def total_variation():
    def excess(config, student, teacher):
        """The sum of what p has more than q."""
        ln_p, ln_q = both(config, student, teacher)
        return torch.relu(ln_p.exp() - ln_q.exp()).sum(config["class_axis"])

    suite = Suite("total_variation", (), [("what one has more", TIGHT, excess)])

    def add(name, student, teacher, axis=1, temperature=None, **options):
        temperature = cycle(suite, (1.0, 2.0, 0.5, 1.0, 4.0)) if temperature is None else temperature
        config = {"temperature": temperature, "class_axis": axis}

        def difference(student, teacher):
            ln_p, ln_q = both(config, student, teacher)
            return ln_p.exp() - ln_q.exp()

        # float32 must take the same side of the corner.
        while (difference(student, teacher).abs() < 1e-4).any():
            near = (difference(student, teacher).abs() < 1e-4).any(axis, keepdim=True)
            student = torch.where(near, randn(student.shape, 1.5) + student.mean().round(), student)
        each = lambda student, teacher: difference(student, teacher).abs().sum(axis) / 2
        suite.add(name, config, [student, teacher], teacher, each, target_gradient=True, **options)

    pair_cases(add)
    for temperature in (0.25, 1.0, 3.0, 10.0):
        add(f"temperature_{temperature}", *logits((4, 3)), temperature=temperature)
    add("many_classes", *logits((3, 12)))
    return suite


def distillation():
    def torchdistill(config, student, teacher, ids):  # its alpha weighs the cross-entropy; with 0 it leaves T^2 out
        if student.dim() != 2 or config["ignore_indices"] or not config["squared_temperature"] or config["alpha"] == 1.0:
            return None
        loss = KDLoss("m", "io", "m", "io", config["temperature"], alpha=1 - config["alpha"])
        return loss({"m": {"io": student}}, {"m": {"io": teacher}}, ids)

    def torchs(config, student, teacher, ids):
        if config["ignore_indices"]:
            return None
        axis = config["class_axis"]
        ln_p, ln_q = both(config, student, teacher)
        hard = F.cross_entropy(student.movedim(axis, 1).contiguous(), ids, reduction="none")
        return config["alpha"] * squared(config) * by_torch(ln_q, ln_p, axis) + (1 - config["alpha"]) * hard

    suite = Suite("distillation", ("torchdistill",), [("torchdistill", TIGHT, torchdistill), ("torch", TIGHT, torchs)])

    def add(name, student, teacher, axis=1, alpha=None, temperature=None, square=None, ignore=(), ids=None, **options):
        alpha = cycle(suite, (0.5, 0.9, 0.25)) if alpha is None else alpha
        temperature = cycle(suite, (2.0, 4.0, 1.0, 2.0)) if temperature is None else temperature
        square = len(suite.cases) % 5 != 0 if square is None else square
        ids = some_ignored(class_ids(student.shape, axis), ignore) if ids is None else ids
        config = {
            "temperature": temperature, "alpha": alpha, "squared_temperature": square, "ignore_indices": list(ignore),
            "class_axis": axis}
        ignored = torch.isin(ids, torch.tensor(list(ignore), dtype=torch.int64))

        def each(student, teacher):
            ln_p, ln_q = both(config, student, teacher)
            hard = softplus(against_others(student.movedim(axis, 1), ids.masked_fill(ignored, -100)))
            found = alpha * squared(config) * kl(ln_q, ln_p, axis) + (1 - alpha) * hard
            return found.masked_fill(ignored, 0.0)

        weight = (~ignored).double()
        suite.add(name, config, [student, teacher], ids, each, weight=weight, untracked=(1,), **options)

    pair_cases(add)
    for reduction in REDUCTIONS:
        add("ignore_two", *logits((7, 4)), ignore=(-100, 2), reduction=reduction)
        add("ignore_sample_weights", *logits((7, 4)), ignore=(255,), sample_weights=True, reduction=reduction)
    for alpha in (0.0, 0.5, 1.0):
        for square in (True, False):
            add(f"alpha_{alpha}" + "_squared" * square, *logits((4, 3)), alpha=alpha, temperature=3.0, square=square)
    add("rank4_ignore", *logits((2, 3, 2, 2)), ignore=(-100, 0))
    add("all_but_one_ignored", *logits((4, 3)), ignore=(-100,), ids=IDS([-100, 1, -100, -100]), reduction="Mean")
    student, teacher = logits((4, 3))
    teacher[1] = student[1]
    add("one_row_equal", student, teacher)
    return suite


# Ordered classes ----------------------------------------------------------------------------------


def thresholds(x, ids, axis):
    """For each logit the number of its threshold and the id of its sample."""
    shape = [-1 if i == axis else 1 for i in range(x.dim())]
    return torch.arange(x.shape[axis]).reshape(shape), ids.unsqueeze(axis)


def ordered_ids(shape, axis):
    """There is one class more than thresholds."""
    return torch.randint(0, shape[axis] + 1, [n for i, n in enumerate(shape) if i != axis])


def ordered_cases(add):
    for reduction in REDUCTIONS:
        add("rank2", (6, 4), reduction=reduction)
        add("rank3", (2, 3, 3), reduction=reduction)
        add("sample_weights", (6, 3), sample_weights=True, reduction=reduction)
    add("rank3_last_axis", (2, 3, 4), 2)
    add("rank4", (2, 3, 2, 2))
    add("rank4_last_axis", (2, 2, 1, 3), 3)
    add("rank5", (2, 3, 1, 2, 2))
    add("rank3_last_axis_sample_weights", (2, 3, 4), 2, sample_weights=True)
    add("one_row", (1, 7))
    add("full_float32_digits", (4, 3), x=randn((4, 3), 1.5, None))
    add("far", (4, 3), x=randn((4, 3), 20.0))
    add("magnitude_1e4", (4, 3), x=huge((4, 3)))
    add("large", (17, 9), x=randn((17, 9), 2.0, 1 / 8))


def coral():
    def library(config, x, ids):
        if x.dim() != 2 or x.abs().max() > 15:
            return None
        levels = levels_from_labelbatch(ids, x.shape[1] + 1, dtype=torch.float64)
        weights = config["importance_weights"]
        return coral_loss(x, levels, None if weights is None else torch.tensor(weights), reduction=None)

    suite = Suite("coral", ("coral-pytorch",), [("coral-pytorch", TIGHT, library)])

    def add(name, shape, axis=1, weights=None, x=None, ids=None, **options):
        x = randn(shape, 1.5) if x is None else x
        ids = ordered_ids(shape, axis) if ids is None else ids
        weights = class_weights(shape[axis]) if weights is True else weights

        def each(x):
            k, id = thresholds(x, ids, axis)
            terms = torch.where(id > k, softplus(-x), softplus(x))
            return (terms if weights is None else terms * along(weights, x.dim(), axis)).sum(axis)

        suite.add(name, {"importance_weights": weights, "class_axis": axis}, [x], ids, each, **options)

    ordered_cases(add)
    for reduction in REDUCTIONS:
        add("weights", (6, 4), weights=True, reduction=reduction)
    add("weights_sample_weights", (6, 4), weights=True, sample_weights=True, reduction="Mean")
    add("rank3_last_axis_weights", (2, 3, 4), 2, weights=True)
    add("rank4_weights", (2, 3, 2, 2), weights=True)
    add("weight_zero", (5, 3), weights=[0.0, 1.5, 0.5])
    add("ends", (4, 3), ids=IDS([0, 3, 0, 3]))
    add("one_threshold", (5, 1), ids=IDS([0, 1, 1, 0, 1]))
    x = torch.tensor([[20.0, 18.0, -17.0], [30.0, -20.0, -24.0], [19.0, 20.0, 21.0]])
    add("right", (3, 3), x=x, ids=IDS([2, 1, 3]), tiny=EXACT)
    add("wrong", (3, 3), x=x, ids=IDS([0, 3, 0]))
    return suite


def corn():
    def library(config, x, ids):
        return corn_loss(x, ids, x.shape[1] + 1) if x.dim() == 2 and x.abs().max() < 15 else None

    def by_dlordinal(config, x, ids):
        return CORNLoss(x.shape[1] + 1)(x, ids) if x.dim() == 2 and x.abs().max() < 15 else None

    suite = Suite("corn", ("coral-pytorch", "dlordinal"), [
        ("coral-pytorch", TIGHT, library), ("dlordinal", TIGHT, by_dlordinal),
    ])

    def add(name, shape, axis=1, x=None, ids=None, **options):
        x = randn(shape, 1.5) if x is None else x
        ids = ordered_ids(shape, axis) if ids is None else ids

        def each(x):
            k, id = thresholds(x, ids, axis)
            terms = torch.where(id > k, softplus(-x), softplus(x))
            return torch.where(id >= k, terms, 0.0).sum(axis)

        weight = (ids + 1).clamp(max=shape[axis]).double()
        suite.add(name, {"class_axis": axis}, [x], ids, each, weight=weight, **options)

    ordered_cases(add)
    add("ends", (4, 3), ids=IDS([0, 3, 0, 3]), reduction="Mean")
    add("all_first", (4, 3), ids=IDS([0, 0, 0, 0]), reduction="Mean")
    add("all_last", (4, 3), ids=IDS([3, 3, 3, 3]), reduction="Mean")
    add("one_threshold", (5, 1), ids=IDS([0, 1, 1, 0, 1]), reduction="Mean")
    x = torch.tensor([[20.0, 18.0, -17.0], [30.0, -20.0, -24.0], [19.0, 20.0, 21.0]])
    add("right", (3, 3), x=x, ids=IDS([2, 1, 3]), tiny={"value": True, "unreduced": True, "gradient0": True})
    add("wrong", (3, 3), x=x, ids=IDS([0, 3, 0]))
    return suite


def earth_mover():
    def dlordinal(config, x, ids):
        return EMDLoss(x.shape[1])(x, ids) if x.dim() == 2 else None

    suite = Suite("earth_mover", ("dlordinal",), [("dlordinal", TIGHT, dlordinal)])

    def add(name, shape, axis=1, x=None, ids=None, **options):
        x = randn(shape, 1.5) if x is None else x
        ids = class_ids(shape, axis) if ids is None else ids

        def each(x):
            k, id = thresholds(x, ids, axis)
            p = F.softmax(x, axis)
            below = p.cumsum(axis)
            from_here = p.flip(axis).cumsum(axis).flip(axis)
            above = torch.cat([from_here.narrow(axis, 1, p.shape[axis] - 1), torch.zeros_like(p.narrow(axis, 0, 1))], axis)
            return (torch.where(k >= id, above, below) ** 2).sum(axis)

        suite.add(name, {"class_axis": axis}, [x], ids, each, **options)

    ordered_cases(add)
    add("ends", (4, 5), ids=IDS([0, 4, 0, 4]))
    add("two_classes", (5, 2))
    add("equal_logits", (3, 4), x=torch.full((3, 4), 1.5), ids=IDS([0, 1, 3]))
    add("offset_1e4", (4, 3), x=randn((4, 3)) + 1e4)
    rows = torch.tensor([[20.0, 0, -1], [0, 25, 1], [1, 0, 30], [0, 1, 0]])
    add("saturated_among_others", (4, 3), x=rows, ids=IDS([0, 1, 0, 2]))
    return suite


if __name__ == "__main__":
    main((
        poly1, cross_entropy_options, focal_options, softmax_kl, js_div, total_variation, distillation, coral, corn,
        earth_mover,
    ))
