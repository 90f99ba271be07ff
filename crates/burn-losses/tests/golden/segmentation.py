"""Golden data for the losses of segmentation: sums of overlap, Lovász's extension, and sums with a cross-entropy.

Run `python segmentation.py` in a virtual environment with what `libraries.py` needs, and monai,
segmentation-models-pytorch, nnunetv2 and mmsegmentation (the last three without their dependencies: only the files of
their losses are read). The files are written beside this script, in the format of `generate.py`, with these extensions:

* The target's `kind` is "ids" (class ids, without the class axis), or it is of the input's shape: "int", "bool", "float".
* Options are as in a configuration file, in lower case; those of dice are inside those of its sums.
* `unreduced` is of the regions: `[N or 1, C or 1]`, without the background where that is left out. Of the sums with a
  cross-entropy it is `[N]`, or `[1]` where the whole batch is one region, or one for each class.

The formulas are in float64, written so that nothing cancels; the gradients are torch's of the formulas. Every case
that a library can compute is compared with it, as in `libraries.py`, by the options that make the two equal.

* The weight of a region in Mean, sum(s l) / sum(s w): the weight of its class, else 1; 0 where it has no true pixel and
  such regions are left out. With a sum of 0 the mean is 0. As everywhere, a loss `l` is already multiplied by its own
  weight `w`, and 0 where that is. BatchMean is sum(s l) / (size of axis 0 of `unreduced`).
* dice_cross_entropy, dice_focal: Mean is the mean of all regions, plus the mean of all pixels (or elements) that count,
  each times its factor. `unreduced` is each sample's share in that, times the number of samples: its mean is Mean.
* Where each class is apart ("sigmoid") the cross-entropy is of each element, and class ids stand for the masks that they
  make. Where the target is rows, the mean divides by their number, whatever the weights, as that of cross_entropy does.
* generalized_dice has no "squared", and dice_focal no rows with a softmax. A tversky with "squared" has the same weight for
  FP and FN: only their sum is what all agree on.
* Not compared, since no options make them equal: optax's multiclass_generalized_dice_loss, a weighted mean of dices; the
  weights of MONAI, optax, kornia's lovasz and mmseg in a mean, which does not divide by them (in the losses they are);
  kornia's weights of "micro", which are inside of the score; mmseg's ignored id of dice, a channel; gamma of smp with
  several classes, an exponent of their mean; MONAI's DiceFocalLoss of a softmax, whose focal has sigmoids, and its
  DiceCELoss of several channels with sigmoids, which has the cross-entropy of a softmax.
* What nobody agrees on is avoided: an empty region that counts, where nothing is added to the score; scores above 1, and
  of 0 with a logarithm; predictions on the corner of "minimum", but at 0 and 1. Errors of lovasz that have a gradient
  are apart from each other, since any order of equal ones is right.
"""

import types

import torch
import torch.nn.functional as F

import libraries
from elements import main
from generate import (
    INF, REDUCTIONS, UPSTREAMS, array, class_ids, class_weights, distribution, f32, labels, numbers, one_hot, randn,
    some_ignored, unit)
from libraries import (
    TIGHT, Registry, close, cycle, float_as_double, folder, jnp, keras, kornia, of_jax, optax, softplus, stub,
    torchvision_focal)

from monai import losses as monai

# Libraries ----------------------------------------------------------------------------------------

root = folder("segmentation_models_pytorch")
stub("segmentation_models_pytorch", root)
from segmentation_models_pytorch import losses as smp
from segmentation_models_pytorch.losses.lovasz import _lovasz_softmax as smp_lovasz

root = folder("mmseg")
stub("mmseg", root)
stub("mmseg.models", root / "models")
stub("mmseg.models.losses", root / "models" / "losses")
stub("mmseg.registry", MODELS=Registry())
stub("mmseg.models.builder", LOSSES=Registry())
stub("mmengine")
stub("mmengine.fileio", load=None)
stub("mmengine.utils", is_list_of=None)
from mmseg.models.losses.dice_loss import DiceLoss as MmsegDice
from mmseg.models.losses.lovasz_loss import LovaszLoss as MmsegLovasz
from mmseg.models.losses.tversky_loss import TverskyLoss as MmsegTversky


def nnunet_file(name):
    """A file of nnU-Net's losses, with float64 where it asks for float32."""
    text = (nnunet_root / "training" / "loss" / f"{name}.py").read_text()
    module = types.ModuleType(name)
    exec(compile(text.replace("torch.float32", "torch.float64"), f"{name}.py", "exec"), module.__dict__)
    stub(f"nnunetv2.training.loss.{name}", **module.__dict__)
    return module


nnunet_root = folder("nnunetv2")
for package in ("nnunetv2", "nnunetv2.training", "nnunetv2.training.loss", "nnunetv2.utilities"):
    stub(package)
stub("nnunetv2.utilities.ddp_allgather", AllGatherGrad=None)
stub("nnunetv2.utilities.helpers", softmax_helper_dim1=lambda x: torch.softmax(x, 1))
nnunet = nnunet_file("dice")
nnunet_file("robust_ce_loss")
nnunet_sums = nnunet_file("compound_losses")

# Formulas -----------------------------------------------------------------------------------------

NONE = {"ignore_indices": [], "background": True, "weights": None, "absent": "smoothed", "log_loss": False, "gamma": 1.0}


def pixels(x, axis):
    """`[N, C, pixels]`."""
    x = x.movedim(axis, 1)
    return x.reshape(*x.shape[:2], -1)


def is_ids(x, target):
    return target.dim() < x.dim()


def ignored(config, target):
    return torch.isin(target, torch.tensor(config["ignore_indices"], dtype=target.dtype))


def truth(config, x, target):
    """The masks, and 1 where an element counts, both `[N, C, pixels]`."""
    n, classes = x.shape[0], x.shape[config["class_axis"]]
    if is_ids(x, target):
        ids = target.reshape(n, -1)
        skip = ignored(config, ids)
        y = F.one_hot(ids.masked_fill(skip, 0), classes).movedim(-1, 1).double()
        skip = skip.unsqueeze(1).expand(y.shape)
    else:
        y = pixels(target, config["class_axis"])
        skip = ignored(config, y) if target.dtype == torch.int64 else torch.zeros_like(y, dtype=torch.bool)
        y = y.double()
    return y.masked_fill(skip, 0.0), (~skip).double()


def odds(activation, x):
    """The logarithm of what a probability is of the rest, of `[N, C, pixels]`: exact wherever a logit is."""
    if activation == "sigmoid":
        return x
    classes = x.shape[1]
    own = torch.eye(classes, dtype=torch.bool).reshape(1, classes, classes, 1)
    others = x.unsqueeze(1).expand(-1, classes, -1, -1).masked_fill(own, -INF).logsumexp(2)
    return x - others


def probabilities(config, x):
    """Probabilities and what they lack to 1."""
    x = pixels(x, config["class_axis"])
    if config["activation"] == "probabilities":
        return x, 1 - x
    z = odds(config["activation"], x)
    return torch.sigmoid(z), torch.sigmoid(-z)


def sums(config, x, target, axes):
    """TP, FP, FN, and TP + FN by the target alone, of the regions that the axes make."""
    p, q = probabilities(config, x)
    y, counts = truth(config, x, target)
    if not config["background"]:
        p, q, y, counts = (part[:, 1:] for part in (p, q, y, counts))
    above = p * (1 - y) - q * y  # what the prediction is more than the target
    tp, fp, fn = {
        "product": lambda: (p * y, p * (1 - y), q * y),
        "squared": lambda: (p * y, p * above, -y * above),
        "minimum": lambda: (torch.minimum(p, y), torch.relu(above), torch.relu(-above)),
    }[config["overlap"]]()
    if config["overlap"] == "minimum":
        near = (above.abs() < 1e-4) & (y != 0) & (y != 1)
        assert not near.any() and (config["activation"] != "probabilities" or (above != 0).all())
    over = lambda part: (part * counts).sum(axes, keepdim=True)[..., 0]
    return over(tp), over(fp), over(fn), over(y * y if config["overlap"] == "squared" else y)


AXES = {"sample_class": [2], "class": [0, 2], "sample": [1, 2], "batch": [0, 1, 2]}


def parts(kind, config, tp, fp, fn):
    """What is above the line of the score, and what is there beside it below."""
    if kind == "dice":
        return 2 * tp, fp + fn
    a, b = (1.0, 1.0) if kind == "jaccard" else (config["fp_weight"], config["fn_weight"])
    return tp, a * fp + b * fn


def overlap_losses(kind, config, x, target):
    """The losses of the regions and their weights; the losses are multiplied by these."""
    tp, fp, fn, true = sums(config, x, target, AXES[config["aggregation"]])
    empty = true == 0
    absent, gamma = config["absent"], config.get("gamma", 1.0)
    good, bad = parts(kind, config, tp, fp, fn)
    good = good + config["smooth_numerator"]
    bad = bad + (config["smooth_denominator"] - config["smooth_numerator"])
    weight = torch.ones_like(good)
    if config["weights"] is not None:
        weight = weight * torch.tensor(config["weights"])
    if absent != "smoothed":
        good, bad = good.masked_fill(empty, 1.0), bad.masked_fill(empty, 0.0)
    if absent == "left_out":
        weight = weight.masked_fill(empty, 0.0)
    assert ((good + bad) > 0).all()
    if config["log_loss"]:
        assert (good > 1e-6 * (good + bad)).all()  # far above where a logarithm is bounded
        loss = torch.log1p(bad / good)
    else:
        loss = bad / (good + bad)
    if gamma != 1.0:
        assert (loss >= 0).all()
        loss = torch.where(loss > 0, torch.where(loss > 0, loss, 1.0) ** gamma, 0.0)
    return loss * weight, weight


def generalized_dice_losses(config, x, target):
    tp, fp, fn, true = sums(config, x, target, AXES["class" if config["over_batch"] else "sample_class"])
    empty = true == 0
    uniform = config["class_weighting"] == "uniform"
    assert not (uniform and empty.all(1).any())
    power = {"squared_inverse": 2, "inverse": 1, "uniform": 0}[config["class_weighting"]]
    w = true.masked_fill(empty, 1.0).pow(-power).masked_fill(empty, 0.0)
    if config["absent_weight"] == "largest":
        w = torch.where(empty, w.amax(1, keepdim=True), w)
    good = (2 * w * tp).sum(1, keepdim=True) + config["smooth_numerator"]
    bad = (w * (fp + fn)).sum(1, keepdim=True) + (config["smooth_denominator"] - config["smooth_numerator"])
    loss = bad / (good + bad)
    return loss, torch.ones_like(loss)


def lovasz_errors(config, x, y):
    if config["variant"] == "hinge":
        return torch.relu(1 - pixels(x, config["class_axis"]) * (2 * y - 1))
    p, q = probabilities({**config, "activation": "softmax"}, x)
    return q * y + p * (1 - y)


def lovasz_losses(config, x, target):
    y, counts = truth(config, x, target)
    errors = lovasz_errors(config, x, y)
    if not config["per_sample"]:
        y, counts, errors = (part.movedim(0, 1).flatten(1).unsqueeze(0) for part in (y, counts, errors))
    losses, weights = torch.zeros(y.shape[:2]), torch.ones(y.shape[:2])
    for n in range(y.shape[0]):
        for c in range(y.shape[1]):
            valid = counts[n, c] > 0
            e, true = errors[n, c][valid], y[n, c][valid]
            order = e.argsort(descending=True)
            e, true = e[order], true[order]
            if not true.any() and config["absent"] == "left_out":
                weights[n, c] = 0.0
                continue
            if len(e) == 0:
                continue
            total = true.sum()
            jaccard = 1 - (total - true.cumsum(0)) / (total + (1 - true).cumsum(0))
            losses = losses.index_put((torch.tensor(n), torch.tensor(c)), (e * torch.diff(jaccard, prepend=torch.zeros(1))).sum())
    return losses + 0.0 * x.sum(), weights


def cross_entropies(config, x, target, gamma):
    """Of the pixels, or of the elements where each class is apart, and their weights, in a row for each sample."""
    options = config["dice"]
    z = odds(options["activation"], pixels(x, options["class_axis"]))
    y, counts = truth(options, x, target)
    weights = 1.0 if config["weights"] is None else torch.tensor(config["weights"]).reshape(1, -1, 1)
    if options["activation"] == "sigmoid":
        miss = y * torch.sigmoid(-z) + (1 - y) * torch.sigmoid(z)
        each = (y * softplus(-z) + (1 - y) * softplus(z)) * miss**gamma
        weights = weights * counts
        return (each * weights).flatten(1), weights.flatten(1)
    each = (y * weights * softplus(-z) * torch.sigmoid(-z) ** gamma).sum(1)
    return each, (y * weights).sum(1) if is_ids(x, target) else torch.ones_like(each)


def sum_losses(config, x, target, factor, gamma):
    """What each sample adds to the mean of all, times their number; or that mean, where the batch is not taken apart."""
    regions = overlap_losses("dice", config["dice"], x, target)
    entropies = cross_entropies(config, x, target, gamma)
    samples = 1 if config["dice"]["aggregation"] in ("class", "batch") else x.shape[0]

    def shares(losses, weight):
        total = weight.sum()
        return losses.reshape(samples, -1).sum(1) * samples / (total if total > 0 else 1.0)

    each = config["dice_weight"] * shares(*regions) + factor * shares(*entropies)
    return each, torch.ones_like(each)


def mean(losses, weight, samples=1.0):
    total = (weight * samples).sum()
    return (losses * samples).sum() / total if total > 0 else (losses * samples).sum() * 0.0


# Comparisons --------------------------------------------------------------------------------------


def hard(target):
    return not target.is_floating_point() or bool(((target == 0) | (target == 1)).all())


def ignores(config):
    """The one id that is ignored, or None; a library knows no second one."""
    return config["ignore_indices"][0] if config["ignore_indices"] else None


def plain(config, *names):
    """Whether options are at these defaults, but for those named."""
    return all(config.get(name, default) == default for name, default in NONE.items() if name not in names)


def fits(config, target, overlap="product"):
    """Whether the overlap is this one, or equal to it."""
    return config["overlap"] == overlap or {config["overlap"], overlap} == {"product", "minimum"} and hard(target)


def four(config, x, target):
    """The classes on axis 1 of four, and ids without that axis or masks as numbers."""
    x4 = pixels(x, config["class_axis"]).unsqueeze(-1)
    if is_ids(x, target):
        return x4, target.reshape(x4.shape[0], *x4.shape[2:])
    return x4, pixels(target, config["class_axis"]).unsqueeze(-1).double()


def as_masks(config, x, target):
    """Ids as masks in which all elements of an ignored pixel have the ignored id; masks as they are."""
    x4, t = four(config, x, target)
    if not is_ids(x, target):
        return x4, t
    skip = ignored(config, t)
    y = F.one_hot(t.masked_fill(skip, 0), x4.shape[1]).movedim(-1, 1).double()
    return x4, y.masked_fill(skip.unsqueeze(1), float(ignores(config) or 0))


def smoothing(kind, config):
    """a, b, n and d of (TP + n) / (TP + a FP + b FN + d)."""
    n, d = config["smooth_numerator"], config["smooth_denominator"]
    return {
        "dice": lambda: (0.5, 0.5, n / 2, d / 2),
        "jaccard": lambda: (1.0, 1.0, n, d),
        "tversky": lambda: (config["fp_weight"], config["fn_weight"], n, d),
    }[kind]()


def active(config, x4):
    return {"softmax": lambda: x4.softmax(1), "sigmoid": x4.sigmoid, "probabilities": lambda: x4}[config["activation"]]()


def by_smp(kind):
    """Its score is that of Tversky for all three; gamma is an exponent of the mean, so it is compared with one region."""

    def check(config, x, target):
        a, b, n, d = smoothing(kind, config)
        gamma, classes = config.get("gamma", 1.0), x.shape[config["class_axis"]]
        if config["aggregation"] != "class" or config["absent"] != "zero" or n != d or not fits(config, target, "minimum"):
            return None
        if len(config["ignore_indices"]) > 1 or gamma != 1.0 and classes > 1:
            return None
        options = {"log_loss": config["log_loss"], "smooth": n, "ignore_index": ignores(config)}
        if kind == "tversky":
            options |= {"alpha": a, "beta": b, "gamma": gamma}
        if not config["background"]:
            options["classes"] = list(range(1, classes))
        if config["weights"] is not None:
            options["class_weights"] = [0.0] * (not config["background"]) + config["weights"]
        loss = {"dice": smp.DiceLoss, "jaccard": smp.JaccardLoss, "tversky": smp.TverskyLoss}[kind]
        with float_as_double():
            if is_ids(x, target) and config["activation"] == "softmax":
                return loss("multiclass", **options)(*four(config, x, target))
            x4, y = as_masks(config, x, target)
            options["from_logits"] = config["activation"] == "sigmoid"
            x4 = x4 if options["from_logits"] else active(config, x4)
            return loss("binary" if classes == 1 else "multilabel", **options)(x4, y)

    return check


def by_monai(kind):
    """Its Jaccard has twice the smoothing; weights multiply, and its mean does not divide by them."""

    def check(config, x, target):
        ids, classes = is_ids(x, target), x.shape[config["class_axis"]]
        if config["aggregation"] not in ("sample_class", "class") or not plain(config, "ignore_indices", "background", "weights"):
            return None
        if len(config["ignore_indices"]) > 1 or config["ignore_indices"] and not ids:
            return None
        options = {
            "include_background": config["background"], "batch": config["aggregation"] == "class", "reduction": "none",
            "sigmoid": config["activation"] == "sigmoid", "softmax": config["activation"] == "softmax",
            "soft_label": config["overlap"] == "minimum", "ignore_index": ignores(config)}
        factor = 2 if kind == "jaccard" else 1
        options |= {"smooth_nr": factor * config["smooth_numerator"], "smooth_dr": factor * config["smooth_denominator"]}
        if kind == "tversky":
            if config["overlap"] == "squared" or config["weights"] is not None:
                return None
            loss = monai.TverskyLoss(alpha=config["fp_weight"], beta=config["fn_weight"], to_onehot_y=ids, **options)
        else:
            squared = config["overlap"] == "squared"
            single = classes - (not config["background"]) == 1
            if single and config["weights"] is not None or squared and config["ignore_indices"]:
                return None
            if squared:
                target, ids = as_masks(config, x, target)[1], False  # else the root of a number of pixels is in float32
                target = target.squeeze(-1).reshape(target.shape[0], classes, -1)
                x, config = pixels(x, config["class_axis"]), {**config, "class_axis": 1}
            loss = monai.DiceLoss(
                squared_pred=squared, jaccard=kind == "jaccard", weight=config["weights"], to_onehot_y=ids, **options)
        x4, t = four(config, x, target)
        found = loss(x4, t.unsqueeze(1) if ids else t)
        return found.reshape(1 if options["batch"] else x4.shape[0], -1)

    return check


def by_score(kind):
    """MONAI's score of each region, whatever it is of: the rest is done to it here."""

    def check(config, x, target):
        p, _ = probabilities(config, x)
        y, counts = truth(config, x, target)
        p, y = (part[:, not config["background"] :] for part in (p * counts, y))
        n, classes, size = y.shape
        shape = {
            "sample_class": lambda part: part,
            "class": lambda part: part.movedim(0, 1).reshape(1, classes, n * size),
            "sample": lambda part: part.reshape(n, 1, classes * size),
            "batch": lambda part: part.reshape(1, 1, n * classes * size),
        }[config["aggregation"]]
        p, y = shape(p), shape(y)
        soft, squared = config["overlap"] == "minimum", config["overlap"] == "squared"
        empty = y.sum(2) == 0
        if config["smooth_denominator"] == 0.0 and (p.sum(2) + y.sum(2) == 0).any() or kind == "tversky" and squared:
            return None
        factor = 2 if kind == "jaccard" else 1
        options = {"smooth_nr": factor * config["smooth_numerator"], "smooth_dr": factor * config["smooth_denominator"]}
        if kind == "tversky":
            loss = monai.TverskyLoss(
                alpha=config["fp_weight"], beta=config["fn_weight"], reduction="none", soft_label=soft, **options)
        else:
            loss = monai.DiceLoss(jaccard=kind == "jaccard", squared_pred=squared, reduction="none", soft_label=soft, **options)
        found = loss(p, y).reshape(p.shape[:2])
        if config["absent"] != "smoothed":
            found = found.masked_fill(empty, 0.0)
        if config["log_loss"]:
            if (found > 1 - 1e-4).any():
                return None  # few digits of the score are left
            found = -torch.log1p(-found)
        gamma = config.get("gamma", 1.0)
        if gamma != 1.0:
            if (found[~empty if config["absent"] != "smoothed" else ...] < 1e-4).any():
                return None
            found = torch.where(found > 0, torch.where(found > 0, found, 1.0) ** gamma, 0.0)
        return found if config["weights"] is None else found * torch.tensor(config["weights"])

    return check


def by_kornia(kind):
    """The mean of each sample's mean: that of all where each has as many classes. Its dice has the whole eps."""

    def check(config, x, target):
        a, b, n, d = smoothing(kind, config)
        if config["activation"] != "softmax" or not is_ids(x, target) or n != 0.0 or config["overlap"] == "squared":
            return None
        if len(config["ignore_indices"]) > 1 or not plain(config, "ignore_indices", "absent", "weights"):
            return None
        y, _ = truth(config, x, target)
        weight = (y.sum(2) > 0) * (torch.tensor(config["weights"]) if config["weights"] is not None else 1.0)
        each = weight.sum(1)
        if (each == 0).any():
            return None  # 1 there
        options = {"ignore_index": ignores(config)}
        x4, ids = four(config, x, target)
        if config["aggregation"] == "sample_class" and config["absent"] == "left_out" and (each == each[0]).all():
            if kind == "dice":
                weights = None if config["weights"] is None else torch.tensor(config["weights"])
                return kornia.dice_loss(x4, ids, "macro", 2 * d, weights, **options)
            return kornia.tversky_loss(x4, ids, a, b, d, **options) if config["weights"] is None else None
        if config["aggregation"] == "sample" and kind == "dice":
            return kornia.dice_loss(x4, ids, "micro", 2 * d, **options)
        return None

    return check


def by_nnunet(config, x, target):
    """It returns minus the score."""
    n, d = config["smooth_numerator"], config["smooth_denominator"]
    if config["aggregation"] not in ("sample_class", "class") or n != d or not fits(config, target):
        return None
    if not plain(config, "ignore_indices", "background") or len(config["ignore_indices"]) > 1:
        return None
    if config["ignore_indices"] and not is_ids(x, target):
        return None
    x4, t = four(config, x, target)
    mask = None
    if is_ids(x, target):
        mask = ~ignored(config, t).unsqueeze(1)
        t = t.masked_fill(~mask[:, 0], 0).unsqueeze(1)
    options = {
        "apply_nonlin": lambda x4: active(config, x4), "batch_dice": config["aggregation"] == "class",
        "do_bg": config["background"], "smooth": n, "ddp": False}
    both = [loss(**options)(x4, t, mask) for loss in (nnunet.SoftDiceLoss, nnunet.MemoryEfficientSoftDiceLoss)]
    return 1 + sum(both) / 2


def by_keras(kind):
    """It takes probabilities; alpha and beta of its Tversky weigh the negatives and the positives, against its page."""

    def of(config, x, y):
        a, b, _, _ = smoothing(kind, config)
        rank, axis = x.ndim, config["class_axis"]
        space = tuple(i for i in range(1, rank) if i != axis)
        over = {"sample_class": space, "class": (0, *space), "sample": tuple(range(1, rank)), "batch": None}
        over = over[config["aggregation"]]
        found = keras.losses.dice(y, x, over) if kind == "dice" else keras.losses.tversky(y, x, alpha=b, beta=a, axis=over)
        classes = x.shape[axis] if config["aggregation"] in ("sample_class", "class") else 1
        return found.reshape(-1, classes)

    def check(config, x, target):
        a, b, n, d = smoothing(kind, config)
        if config["activation"] != "probabilities" or n != 0.0 or (d if kind != "dice" else 2 * d) != 1e-7:
            return None
        if not plain(config) or config["overlap"] != "product" or is_ids(x, target):
            return None
        return of_jax(of)(config, x, target.double())

    return check


def by_optax(kind):
    """The classes are on the last axis; weights multiply, and its mean does not divide by them."""

    def of(config, x, y):
        a, b, n, _ = smoothing(kind, config)
        weights = config["weights"]
        if weights is not None:
            weights = jnp.array([0.0] * (not config["background"]) + weights)
        x = jnp.moveaxis(x, config["class_axis"], 1)
        x, y = (jnp.moveaxis(v.reshape(*v.shape[:2], -1), 1, -1) for v in (x, y))
        found = optax.losses.dice_loss(
            x, y, class_weights=weights, smooth=n, alpha=a, beta=b, reduction="none",
            apply_softmax=config["activation"] != "probabilities", ignore_background=not config["background"],
            axis=(0, 1) if config["aggregation"] == "class" else None)
        return found.reshape(-1, found.shape[-1])

    def check(config, x, target):
        _, _, n, d = smoothing(kind, config)
        classes = x.shape[config["class_axis"]]
        if config["aggregation"] not in ("sample_class", "class") or n != d or not fits(config, target):
            return None
        if not plain(config, "background", "weights") or config["activation"] == "sigmoid" and classes > 1:
            return None
        rows = x.sum(config["class_axis"])
        if config["activation"] == "probabilities" and not torch.allclose(rows, torch.ones_like(rows)):
            return None
        _, y = as_masks(config, x, target)
        return of_jax(of)(config, x, y)

    return check


def by_mmseg(kind):
    """An ignored id is the number of a channel to its dice, and pixels to its Tversky."""

    def dice(config, x, target):
        n, d = config["smooth_numerator"], config["smooth_denominator"]
        if config["aggregation"] != "sample" or not plain(config):
            return None
        naive = fits(config, target) and n == d
        if not naive and (config["overlap"] != "squared" or n != 0.0):
            return None
        x4, t = four(config, x, target)
        loss = MmsegDice(
            use_sigmoid=config["activation"] == "sigmoid", activate=config["activation"] != "probabilities",
            reduction="none", naive_dice=naive, eps=d if naive else d / 2)
        with float_as_double():
            return loss(x4, t).unsqueeze(1)

    def tversky(config, x, target):
        a, b, n, d = smoothing(kind, config)
        if config["aggregation"] != "sample_class" or n != d or not fits(config, target) or a + b != 1.0:
            return None
        if not plain(config, "ignore_indices") or config["activation"] != "softmax" or not is_ids(x, target):
            return None
        if len(config["ignore_indices"]) > 1:
            return None
        x4, ids = four(config, x, target)
        if ignores(config) in range(x4.shape[1]):
            return None  # it leaves the class out too
        return MmsegTversky(smooth=n, alpha=a, beta=b, ignore_index=255 if ignores(config) is None else ignores(config))(x4, ids)

    return dice if kind == "dice" else tversky


class Suite(libraries.Suite):
    """As that of `libraries.py`, of losses of regions."""

    def add(self, name, config, x, target, of, *, reduction=None, sample_weights=False):
        """`of(x)`: the losses and their weights."""
        reduction = list(REDUCTIONS)[len(self.cases) % 3] if reduction is None else reduction
        upstream = UPSTREAMS[len(self.cases) % 4]
        assert torch.equal(x, f32(x))
        leaf = x.clone().requires_grad_()
        unreduced, weight = of(leaf)
        samples = None
        if sample_weights:
            samples = torch.randint(0, 9, unreduced.shape) / 4
            samples.view(-1)[len(self.cases) % samples.numel()] = 0.0
        scale = torch.ones_like(unreduced) if samples is None else samples
        value = (unreduced * scale).sum()
        if reduction == "Mean":
            value = mean(unreduced, weight, scale)
        elif reduction == "BatchMean":
            value = value / unreduced.shape[0]
        gradient = torch.autograd.grad(value * upstream, leaf)[0]
        assert gradient.isfinite().all() and unreduced.isfinite().all()

        kind = "float" if target.is_floating_point() else "bool" if target.dtype == torch.bool else "int"
        assert kind != "float" or torch.equal(target, f32(target))
        lower = "batch_mean" if reduction == "BatchMean" else reduction.lower()
        name = f"{name}_{lower}"
        assert name not in [c["name"] for c in self.cases], name
        self.cases.append({
            "name": name,
            "config": {**config, "reduction": lower},
            "inputs": [array(x, exact=True)],
            "target": {"kind": "ids" if is_ids(x, target) else kind, **array(target, exact=True)},
            "sample_weights": None if samples is None else numbers(samples, exact=True),
            "upstream": upstream,
            "value": numbers(value)[0],
            "unreduced": array(unreduced),
            "gradients": [numbers(gradient)],
            "tiny": [],
        })
        for library, tolerance, check in self.checks:
            self.compare(library, tolerance, check, config, x, target, of)

    def compare(self, library, tolerance, check, config, x, target, of):
        leaf = x.clone().requires_grad_()
        unreduced, weight = of(leaf)
        found = check(config, leaf, target)
        if found is None:
            return
        self.checked[library] += 1
        what = f"{self.loss}/{self.cases[-1]['name']} by {library}"
        found, gradients = found if isinstance(found, tuple) else (found, None)
        own = unreduced
        if found.shape == () != unreduced.shape:
            own = mean(unreduced, weight)
        close(found, own, tolerance, what)
        theirs = torch.autograd.grad(found.sum(), leaf)[0] if gradients is None else gradients[0]
        close(theirs, torch.autograd.grad(own.sum(), leaf)[0], tolerance, f"{what}: gradient")


# Cases --------------------------------------------------------------------------------------------


def ids_among(shape, classes, axis=1):
    """Ids of these classes, each of which is there."""
    rest = [n for i, n in enumerate(shape) if i != axis]
    ids = torch.tensor(classes)[torch.randint(0, len(classes), rest)]
    ids.view(-1)[: len(classes)] = torch.tensor(classes)
    return ids


def two_samples(first, second, count):
    """Ids `[2, count]` of which each sample has others."""
    return torch.cat([ids_among((1, 1, count), classes) for classes in (first, second)])


def target_of(target, shape, axis, ignore):
    if not isinstance(target, str):
        return target
    if target == "ids":
        return some_ignored(class_ids(shape, axis), ignore)
    if target == "rows":
        return distribution(shape, axis)
    if target == "one_hot":
        return one_hot(shape, axis)
    return some_ignored(labels(target, shape), ignore)


def saturated(shape, size):
    """Some pixels far out, some ordinary ones. Very far out one class is above the others: float32 has few digits there."""
    x = randn(shape, 1.5)
    far = torch.rand(shape[0], 1, *shape[2:]) < 0.6
    up = torch.rand(shape) < 0.5 if size < 100 else one_hot(shape) > 0
    return torch.where(far, torch.where(up, size, -size), x)


def off_corner(config, x, target, make):
    """Inputs again where a prediction would be on a corner."""
    if config["overlap"] == "minimum" and not hard(target):
        y, _ = truth(config, x, target)
        while ((probabilities(config, x)[0] - y).abs() < 1e-3).any():
            x = make()
    return x


TVERSKY = {"fp_weight": 0.5, "fn_weight": 0.5, "gamma": 1.0}


def overlap_adder(suite, kind):
    def add(name, shape, target="ids", axis=1, *, x=None, activation="softmax", aggregation="sample_class",
            overlap="product", smooth=1e-5, absent="smoothed", log_loss=False, background=True, weights=None, ignore=(),
            tversky=None, **options):
        """`smooth` is both numbers where it is one. `tversky` has its options, which go round where there is none."""
        target = target_of(target, shape, axis, ignore)
        weights = class_weights(shape[axis] - (not background)) if weights is True else weights
        n, d = smooth if isinstance(smooth, tuple) else (smooth, smooth)
        config = {
            "activation": activation, "aggregation": aggregation, "overlap": overlap, "smooth_numerator": n,
            "smooth_denominator": d, "absent": absent, "log_loss": log_loss, "background": background,
            "weights": weights, "ignore_indices": list(ignore), "class_axis": axis}
        if kind == "tversky":
            turn = cycle(suite, ((0.3, 0.7, 1.0), (0.5, 0.5, 0.75), (0.75, 0.25, 1.0), (1.0, 1.0, 2.0), (0.25, 0.75, 1.0)))
            turn = dict(zip(TVERSKY, turn))
            config |= turn if tversky is None else {**TVERSKY, **tversky}
            if n > d:
                config["gamma"] = 1.0
        make = lambda: unit(shape) if activation == "probabilities" else randn(shape, 1.5)
        x = off_corner(config, make(), target, make) if x is None else x
        suite.add(name, config, x, target, lambda x: overlap_losses(kind, config, x, target), **options)

    return add


def overlap_cases(add, more):
    """`more`: those too that differ in nothing but how a score is made of its sums."""
    small = (2, 3, 4)
    for reduction in REDUCTIONS:
        add("weights_ignore", (2, 3, 6), weights=True, ignore=(-100,), reduction=reduction)
    for aggregation, kind in zip(AXES, ("int", "bool", "hard", "soft")):
        add(f"{aggregation}_masks_{kind}", small, kind, activation="sigmoid", aggregation=aggregation)
    add("rank4_sample_ignore_two", (2, 3, 2, 3), aggregation="sample", ignore=(255, -1))
    # The second sample has no class 1, the first no class 2; in the batch each is there.
    absent_ids = two_samples([0, 1], [0, 2], 5)
    for absent in ("smoothed", "zero", "left_out"):
        add(f"absent_{absent}_weights", (2, 3, 5), absent_ids, absent=absent, weights=True, reduction="Mean")
    add("sample_absent_no_background", small, two_samples([0], [0, 1, 2], 4), absent="left_out", aggregation="sample",
        background=False)
    for overlap, aggregation in zip(("product", "squared", "minimum"), ("class", "sample_class", "sample")):
        alike = {"fp_weight": 0.75, "fn_weight": 0.75, "gamma": 2.0} if overlap == "squared" else None
        add(f"{overlap}_soft_masks", small, "soft", activation="sigmoid", overlap=overlap, tversky=alike)
        if more and overlap != "product":
            add(f"{overlap}_rows", small, "rows", aggregation=aggregation, overlap=overlap)
    x = torch.tensor([0.0, 1.0, 0.5, 0.25, 1.0, 0.0, 0.75, 0.0]).reshape(2, 2, 2)
    ends = torch.tensor([[[0, 1], [1, 0]], [[0, 1], [1, 1]]])
    add("probabilities_at_the_ends", (2, 2, 2), ends, x=x, activation="probabilities")
    add("probabilities_ids", small, x=distribution(small, zeros=False), activation="probabilities", smooth=2.0)
    add("log", small, log_loss=True)
    add("log_batch_soft_masks", small, "soft", activation="sigmoid", log_loss=True, aggregation="batch", smooth=1.0)
    add("no_background_weights", (2, 4, 4), background=False, weights=True)
    if more:
        add("no_background_masks", small, "bool", background=False, activation="sigmoid", absent="left_out")
        add("rank2", (5, 3), aggregation="class")
        add("rank5_last_axis_ignore", (2, 1, 2, 2, 3), "ids", 4, ignore=(1,), aggregation="batch")
        add("multi_hot", small, "bool")
        ids = ids_among(small, [0, 1])
        add("class_absent_left_out", small, ids, absent="left_out", aggregation="class", weights=[0.5, 2.0, 1.25])
    add("rank2_masks", (4, 3), "soft", activation="sigmoid", aggregation="sample")
    add("rank3_last_axis_masks", (2, 3, 3), "int", 2, activation="sigmoid")
    add("rank4_last_axis_ignore", (2, 2, 3, 3), "ids", 3, ignore=(-100,), weights=True)
    add("rank5", (2, 3, 2, 1, 2))
    add("one_channel", (3, 1, 4), "bool", activation="sigmoid")
    y = labels("int", (3, 2, 4))
    y[:, 0] = 0
    y[1] = 0
    add("empty_masks", (3, 2, 4), y, activation="sigmoid")
    add("empty_masks_left_out", (3, 2, 4), y, activation="sigmoid", absent="left_out", smooth=0.0, reduction="Mean")
    nothing = torch.full((2, 4), -100)
    add("all_ignored", small, nothing, ignore=(-100,))
    add("all_ignored_left_out", small, nothing, ignore=(-100,), absent="left_out", smooth=0.0, reduction="Mean")
    some = class_ids(small)
    some[0] = 255
    add("one_sample_ignored", small, some, ignore=(255,), absent="left_out", reduction="Mean")
    add("masks_ignore", small, "int", activation="sigmoid", ignore=(255,))
    add("saturated_40", (2, 3, 5), x=saturated((2, 3, 5), 40.0))
    add("saturated_1000", (2, 3, 5), x=saturated((2, 3, 5), 1000.0))
    add("saturated_1000_masks", (2, 3, 5), "int", activation="sigmoid", x=saturated((2, 3, 5), 1000.0))
    add("saturated_minimum_log", (2, 3, 5), x=saturated((2, 3, 5), 1000.0), overlap="minimum", log_loss=True)
    add("sample_weights", (3, 3, 4), sample_weights=True, weights=True, reduction="Mean")
    add("sample_weights_left_out", (2, 3, 5), absent_ids, sample_weights=True, absent="left_out", reduction="Mean")
    add("ids_of_sigmoid", small, activation="sigmoid", ignore=(-100,))
    add("weight_zero", small, weights=[0.0, 1.0, 0.5], reduction="Mean")
    add("smooth_numerator_less", small, smooth=(0.25, 0.5), aggregation="sample")


def as_libraries(add, kind, more):
    """By the options that libraries have by default, and some of their others."""
    small = (2, 3, 4)
    twice = 2.0 if kind == "dice" else 1.0  # of those whose dice is Tversky's score
    turns = iter([(0.3, 0.7), (0.5, 0.5), (0.75, 0.25), (0.7, 0.3), (1.0, 1.0), (0.25, 0.5)] * 3)

    def add_as(name, *given, gamma=1.0, **options):
        add(name, *given, tversky={**dict(zip(TVERSKY, next(turns))), "gamma": gamma}, **options)

    as_smp = {"aggregation": "class", "absent": "zero", "smooth": 0.0}
    add_as("smp", small, ids_among(small, [0, 1]), ignore=(255,), **as_smp, reduction="Mean")
    add_as("smp_binary_log", (3, 1, 4), "int", activation="sigmoid", log_loss=True, ignore=(-1,), gamma=1.5, **as_smp)
    add_as("smp_soft_masks", small, "soft", activation="sigmoid", overlap="minimum", **as_smp)
    add_as("smp_weights_log", small, log_loss=True, background=False, weights=True, **{**as_smp, "smooth": twice})
    add_as("monai", small, background=False)
    add_as("monai_whole", small, aggregation="class", ignore=(255,))
    add_as("kornia_macro", (2, 3, 5), two_samples([0, 1], [0, 2], 5), absent="left_out", smooth=(0.0, 1e-8), reduction="Mean")
    for aggregation in ("sample_class", "batch") if more else ("batch",):
        add_as(f"keras_{aggregation}", small, "hard", activation="probabilities", aggregation=aggregation, smooth=(0.0, 1e-7))
    add_as("optax", small, "ids", smooth=twice)
    add_as("optax_binary", (3, 1, 4), "hard", activation="sigmoid", smooth=twice)
    if kind == "dice":
        add_as("kornia_micro", (2, 3, 2, 2), aggregation="sample", smooth=(0.0, 1e-8), ignore=(-100,))
        add_as("nnunet", small, smooth=1.0, ignore=(255,))
        add_as("nnunet_whole", small, smooth=1.0, aggregation="class", background=False)
        add_as("mmseg", small, smooth=(0.0, 2e-3), overlap="squared", activation="sigmoid", aggregation="sample")
        add_as("mmseg_naive", small, "soft", smooth=1e-3, activation="sigmoid", aggregation="sample")
    if kind == "tversky":
        add("mmseg", small, smooth=1.0, ignore=(255,), tversky={"fp_weight": 0.3, "fn_weight": 0.7})


def checks_of(kind):
    found = [("smp", TIGHT, by_smp(kind)), ("monai", TIGHT, by_monai(kind)), ("kornia", TIGHT, by_kornia(kind))]
    found += [("nnU-Net", TIGHT, by_nnunet)] * (kind == "dice")
    found += [("keras", TIGHT, by_keras(kind)), ("optax", TIGHT, by_optax(kind))]
    found += [("mmseg", TIGHT, by_mmseg(kind))] * (kind != "jaccard")
    return found + [("monai's score", TIGHT, by_score(kind))]


SMP, NNUNET, MMSEG = "segmentation-models-pytorch", "nnunetv2", "mmsegmentation"


def dice():
    suite = Suite("dice", (SMP, "monai", "kornia", NNUNET, "keras", "optax", MMSEG), checks_of("dice"))
    add = overlap_adder(suite, "dice")
    overlap_cases(add, True)
    as_libraries(add, "dice", True)
    return suite


def jaccard():
    suite = Suite("jaccard", (SMP, "monai", "kornia", "keras", "optax"), checks_of("jaccard"))
    add = overlap_adder(suite, "jaccard")
    overlap_cases(add, False)
    as_libraries(add, "jaccard", False)
    return suite


def tversky():
    suite = Suite("tversky", (SMP, "monai", "kornia", "keras", "optax", MMSEG), checks_of("tversky"))
    add = overlap_adder(suite, "tversky")
    overlap_cases(add, False)
    as_libraries(add, "tversky", False)
    return suite


def generalized_dice():
    def of_monai(config, x, target):
        """The pixels that are ignored are taken out of its input. Its ratios are float32, but for what this undoes."""
        y, counts = truth(config, x, target)
        if not fits(config, target, "minimum") and not fits(config, target):
            return None
        true = y.sum((0, 2), keepdim=True) if config["over_batch"] else y.sum(2, keepdim=True)
        true = true if config["background"] else true[:, 1:]
        if config["absent_weight"] == "zero" and (true == 0).any() or (counts != counts[:, :1]).any() or not counts.any():
            return None
        loss = monai.GeneralizedDiceLoss(
            include_background=config["background"], sigmoid=config["activation"] == "sigmoid",
            softmax=config["activation"] == "softmax", reduction="none", smooth_nr=config["smooth_numerator"],
            smooth_dr=config["smooth_denominator"], batch=config["over_batch"], soft_label=config["overlap"] == "minimum",
            w_type={"squared_inverse": "square", "inverse": "simple", "uniform": "uniform"}[config["class_weighting"]])
        flat = pixels(x, config["class_axis"])
        with float_as_double():
            if counts.all():
                return loss(flat, y).reshape(-1, 1)
            parts = [(flat[n, :, keep], y[n, :, keep]) for n, keep in enumerate(counts[:, 0] > 0)]
            if config["over_batch"]:
                parts = [tuple(torch.cat(part, 1) for part in zip(*parts))]
            return torch.cat([loss(p[None], t[None]).reshape(1, 1) for p, t in parts])

    def classes_there(config, x, target):
        """MONAI, of the classes alone that are there, and the pixels that count."""
        p, _ = probabilities(config, x)
        y, counts = truth(config, x, target)
        p, y = (part[:, not config["background"] :] for part in (p * counts, y))
        if config["over_batch"]:
            p, y = (part.movedim(0, 1).flatten(1).unsqueeze(0) for part in (p, y))
        there = y.sum(2) > 0
        if not there.any(1).all() or config["absent_weight"] == "largest" and not there.all() or config["overlap"] == "squared":
            return None
        loss = monai.GeneralizedDiceLoss(
            reduction="none", smooth_nr=config["smooth_numerator"], smooth_dr=config["smooth_denominator"],
            soft_label=config["overlap"] == "minimum",
            w_type={"squared_inverse": "square", "inverse": "simple", "uniform": "uniform"}[config["class_weighting"]])
        with float_as_double():
            found = [loss(p[n : n + 1, there[n]], y[n : n + 1, there[n]]) for n in range(p.shape[0])]
        return torch.stack([one.reshape(1) for one in found])

    suite = Suite("generalized_dice", ("monai",), [
        ("monai", TIGHT, of_monai), ("monai's, of classes there", TIGHT, classes_there),
    ])

    def add(name, shape, target="ids", axis=1, *, x=None, activation="softmax", over_batch=False, weighting=None,
            absent="largest", overlap="product", smooth=1e-5, background=True, ignore=(), **options):
        target = target_of(target, shape, axis, ignore)
        weighting = cycle(suite, ("squared_inverse", "inverse", "squared_inverse", "uniform")) if weighting is None else weighting
        n, d = smooth if isinstance(smooth, tuple) else (smooth, smooth)
        config = {
            "activation": activation, "over_batch": over_batch, "class_weighting": weighting, "absent_weight": absent,
            "overlap": overlap, "smooth_numerator": n, "smooth_denominator": d, "background": background,
            "ignore_indices": list(ignore), "class_axis": axis}
        make = lambda: unit(shape) if activation == "probabilities" else randn(shape, 1.5)
        x = off_corner(config, make(), target, make) if x is None else x
        suite.add(name, config, x, target, lambda x: generalized_dice_losses(config, x, target), **options)

    small = (2, 3, 4)
    for reduction in REDUCTIONS:
        add("plain", small, weighting="squared_inverse", reduction=reduction)
        add("ignore", (2, 3, 6), ignore=(-100,), reduction=reduction)
    absent_ids = two_samples([0, 1], [0, 2], 5)
    missing = ids_among(small, [0, 2])
    for weighting in ("squared_inverse", "inverse", "uniform"):
        add(f"{weighting}_masks", small, "int", activation="sigmoid", weighting=weighting)
        add(f"{weighting}_over_batch", small, over_batch=True, weighting=weighting)
        for absent in ("largest", "zero"):
            add(f"{weighting}_absent_{absent}", (2, 3, 5), absent_ids, absent=absent, weighting=weighting)
            add(f"{weighting}_absent_{absent}_over_batch", small, missing, absent=absent, weighting=weighting, over_batch=True)
    for overlap in ("product", "minimum"):
        add(f"{overlap}_soft_masks", small, "soft", activation="sigmoid", overlap=overlap, weighting="squared_inverse")
        add(f"{overlap}_rows", small, "rows", overlap=overlap, over_batch=True)
    add("probabilities", small, "bool", activation="probabilities")
    x = torch.tensor([0.0, 1.0, 0.5, 0.25, 1.0, 0.0, 0.75, 0.0]).reshape(2, 2, 2)
    add("probabilities_at_the_ends", (2, 2, 2), torch.tensor([[0, 1], [1, 0]]), x=x, activation="probabilities")
    add("no_background", (2, 4, 4), background=False)
    add("no_background_over_batch_ignore", (2, 3, 5), background=False, over_batch=True, ignore=(255, -1))
    add("rank2", (5, 3), over_batch=True)
    add("rank2_masks", (4, 3), "hard", activation="sigmoid", weighting="inverse")
    add("rank3_last_axis_masks", (2, 3, 3), "hard", 2, activation="sigmoid")
    add("rank4_last_axis_ignore", (2, 2, 3, 3), "ids", 3, ignore=(-100,))
    add("rank5", (2, 3, 2, 1, 2))
    add("one_channel", (3, 1, 4), "bool", activation="sigmoid")
    y = labels("int", (3, 2, 4))
    y[:, 0] = 0
    y[1] = 0
    add("empty_masks", (3, 2, 4), y, activation="sigmoid", weighting="squared_inverse")
    add("empty_masks_zero", (3, 2, 4), y, activation="sigmoid", weighting="inverse", absent="zero")
    add("all_ignored", small, torch.full((2, 4), -100), ignore=(-100,), weighting="squared_inverse")
    add("masks_ignore", small, "int", activation="sigmoid", ignore=(255,))
    add("saturated_40", (2, 3, 5), x=saturated((2, 3, 5), 40.0))
    add("saturated_1000_masks", (2, 3, 5), "int", activation="sigmoid", x=saturated((2, 3, 5), 1000.0))
    add("saturated_minimum", (2, 3, 5), x=saturated((2, 3, 5), 1000.0), overlap="minimum")
    add("sample_weights", (3, 3, 4), sample_weights=True, reduction="Mean")
    add("ids_of_sigmoid", small, activation="sigmoid", ignore=(-100,))
    add("smooth_0", small, ids_among(small, [0, 1, 2]), over_batch=True, smooth=0.0)
    add("smooth_numerator_less", small, smooth=(0.25, 0.5))
    return suite


def lovasz():
    def counted(config, x, target):
        """Whether the mean of each sample's mean is that of all, and how many classes count in each."""
        y, _ = truth(config, x, target)
        y = y if config["per_sample"] else y.movedim(0, 1).flatten(1).unsqueeze(0)
        there = (y.sum(2) > 0) | (config["absent"] == "smoothed")
        each = there.sum(1)
        return bool((each == each[0]).all()), each, bool(there.all())

    def pieces(config, x, target, loss):
        """The loss of each class alone, and of each sample."""
        x4, y = four(config, x, target)
        samples = range(x4.shape[0]) if config["per_sample"] else (slice(None),)
        found = [torch.stack([loss(x4[n, c], y[n, c]) for c in range(x4.shape[1])]) for n in samples]
        return torch.stack(found)

    def of_smp(config, x, target):
        equal, each, all_there = counted(config, x, target)
        if len(config["ignore_indices"]) > 1:
            return None
        with float_as_double():
            if config["variant"] == "hinge":
                if not all_there:
                    return None
                loss = smp.LovaszLoss("binary", per_image=False, ignore_index=ignores(config))
                return pieces(config, x, target, loss)
            y, _ = truth(config, x, target)
            if not equal or each[0] == 0 or config["absent"] == "smoothed" and not (y.sum(2) > 0).all():
                return None
            x4, ids = four(config, x, target)
            return smp.LovaszLoss("multiclass", config["per_sample"], ignores(config))(x4, ids)

    def class_by_class(config, x, target):
        """Those that are left out are 0."""
        if config["variant"] == "hinge" or len(config["ignore_indices"]) > 1:
            return None
        x4, ids = four(config, x, target)
        p = x4.softmax(1)
        y, _ = truth(config, x, target)
        rows = []
        for n in range(p.shape[0]) if config["per_sample"] else (None,):
            of = slice(None) if n is None else slice(n, n + 1)
            there = (y[of].sum((0, 2)) > 0) | (config["absent"] == "smoothed")
            with float_as_double():
                found = [smp_lovasz(p[of], ids[of], [c], False, ignores(config)).sum() for c in range(p.shape[1])]
            rows.append(torch.stack(found).masked_fill(~there, 0.0))
        return torch.stack(rows)

    def of_kornia(config, x, target):
        _, _, all_there = counted(config, x, target)
        if not config["per_sample"] or config["ignore_indices"] or not all_there:
            return None
        if config["variant"] == "hinge":
            return pieces(config, x, target, lambda x, y: kornia.lovasz_hinge_loss(x[None, None], y[None]))
        return kornia.lovasz_softmax_loss(*four(config, x, target))

    def of_mmseg(config, x, target):
        equal, each, all_there = counted(config, x, target)
        _, counts = truth(config, x, target)
        enough = counts[:, 0].sum(1) if config["per_sample"] else counts[:, 0].sum()
        if len(config["ignore_indices"]) > 1 or not equal or each[0] == 0 or (enough < 2).any():
            return None  # a single pixel that counts loses an axis there
        ignore = 255 if ignores(config) is None else ignores(config)
        reduction = "mean" if config["per_sample"] else "none"
        classes = "all" if config["absent"] == "smoothed" else "present"
        x4, t = four(config, x, target)
        with float_as_double():
            if config["variant"] == "hinge":
                if not all_there or x4.shape[1] > 1:
                    return None
                loss = MmsegLovasz("binary", classes, config["per_sample"], reduction)
                return loss(x4[:, 0].contiguous(), t[:, 0].contiguous(), ignore_index=ignore)
            loss = MmsegLovasz("multi_class", classes, config["per_sample"], reduction)
            return loss(x4, t, ignore_index=ignore)

    suite = Suite("lovasz", (SMP, "kornia", MMSEG), [
        ("smp", TIGHT, of_smp), ("smp, each class", TIGHT, class_by_class), ("kornia", TIGHT, of_kornia),
        ("mmseg", TIGHT, of_mmseg),
    ])

    def close_by(config, x, target):
        """Whether two errors of a region, that have a gradient, are nearly equal."""
        y, counts = truth(config, x, target)
        e = lovasz_errors(config, x, y)
        e = e.masked_fill((counts == 0) | (e < 1e-9) | (config["variant"] == "softmax") & (e > 1 - 1e-9), INF)
        e = e if config["per_sample"] else e.movedim(0, 1).flatten(1).unsqueeze(0)
        gaps = torch.diff(e.sort(2).values, dim=2)
        return bool((gaps < 1e-3).any())

    def add(name, shape, target="ids", axis=1, *, x=None, variant="softmax", per_sample=False, absent="left_out",
            ignore=(), **options):
        target = target_of(target, shape, axis, ignore)
        config = {
            "variant": variant, "per_sample": per_sample, "absent": absent, "ignore_indices": list(ignore),
            "class_axis": axis}
        if x is None:
            while close_by(config, x := randn(shape, 1.5), target):
                pass
        assert not close_by(config, x, target)
        suite.add(name, config, x, target, lambda x: lovasz_losses(config, x, target), **options)

    small = (2, 3, 5)
    absent_ids = two_samples([0, 1], [0, 2], 5)
    for per_sample in (False, True):
        name = "each" if per_sample else "all"
        for reduction in REDUCTIONS:
            add(f"{name}", small, per_sample=per_sample, reduction=reduction)
        add(f"{name}_ignore", (2, 3, 6), per_sample=per_sample, ignore=(255,))
        add(f"{name}_hinge", (2, 3, 4), cycle(suite, ("int", "bool", "hard")), variant="hinge", per_sample=per_sample)
        add(f"{name}_hinge_one_channel", (2, 1, 5), "int", variant="hinge", per_sample=per_sample, absent="smoothed")
        for absent in ("left_out", "smoothed"):
            ids = absent_ids if per_sample else ids_among(small, [0, 2])
            add(f"{name}_{absent}", small, ids, per_sample=per_sample, absent=absent, reduction="Mean")
            y = labels("int", (2, 2, 4))
            y[:, 0, 0], y[:, 1] = 1, 0
            add(f"{name}_hinge_{absent}", (2, 2, 4), y, variant="hinge", per_sample=per_sample, absent=absent)
            some = class_ids(small)
            some[0] = -100
            add(f"{name}_sample_ignored_{absent}", small, some, per_sample=per_sample, absent=absent, ignore=(-100,))
    add("ignore_two", (2, 3, 6), ignore=(-100, 2))
    add("hinge_ignore", (2, 2, 5), "int", variant="hinge", ignore=(255,), absent="smoothed")
    nothing = torch.full((2, 4), -100)
    for absent in ("left_out", "smoothed"):
        add(f"all_ignored_{absent}", (2, 3, 4), nothing, ignore=(-100,), absent=absent, per_sample=absent == "smoothed",
            reduction="Mean")
    add("rank2", (6, 3))
    add("rank2_each", (4, 3), per_sample=True, absent="smoothed")
    add("rank2_hinge", (6, 2), "bool", variant="hinge")
    add("rank3_last_axis_hinge", (2, 4, 2), "hard", 2, variant="hinge", absent="smoothed")
    add("rank4", (2, 3, 2, 2), absent="smoothed")
    add("rank4_last_axis_ignore", (2, 2, 3, 3), "ids", 3, ignore=(1,), per_sample=True)
    add("rank5", (2, 3, 2, 1, 2))
    add("rank5_last_axis_hinge", (2, 1, 2, 2, 2), "int", 4, variant="hinge", per_sample=True, absent="smoothed")
    for size in (40.0, 1000.0):
        target = class_ids((2, 3, 6))
        config = {"variant": "softmax", "per_sample": False, "ignore_indices": [], "class_axis": 1}
        while close_by(config, x := saturated((2, 3, 6), size), target):
            pass
        add(f"saturated_{size:.0f}", (2, 3, 6), target, x=x)
    far = torch.tensor([[1000.0, -1016.0, 0.25, 40.0], [-1032.0, 1048.0, -0.5, -48.0]]).reshape(2, 1, 4)
    add("saturated_hinge", (2, 1, 4), torch.tensor([[1, 1, 0, 0], [0, 0, 1, 0]]).reshape(2, 1, 4), x=far, variant="hinge")
    corner = torch.tensor([1.0, -1.0, 0.5, -0.25, 1.0, 2.0]).reshape(1, 1, 6)
    add("hinge_corner", (1, 1, 6), torch.tensor([[[1, 0, 1, 0, 1, 0]]]), x=corner, variant="hinge")
    add("sample_weights", (3, 3, 4), per_sample=True, sample_weights=True, reduction="Mean")
    add("large", (1, 2, 40), absent="smoothed")
    return suite


def dice_and(loss, factor_name, packages, checks, loss_of):
    """A suite of dice and a cross-entropy, and what adds a case; `loss_of(config)` has the factor and gamma."""
    suite = Suite(loss, packages, checks)

    def add(name, shape, target="ids", axis=1, *, x=None, activation="softmax", aggregation="sample_class",
            overlap="product", smooth=1e-5, absent="smoothed", log_loss=False, background=True, weights=None, ignore=(),
            factors=None, entropy_weights=None, more=None, **options):
        target = target_of(target, shape, axis, ignore)
        weights = class_weights(shape[axis] - (not background)) if weights is True else weights
        entropy_weights = class_weights(shape[axis]) if entropy_weights is True else entropy_weights
        n, d = smooth if isinstance(smooth, tuple) else (smooth, smooth)
        factors = cycle(suite, ((1.0, 1.0), (0.5, 1.0), (1.0, 2.0))) if factors is None else factors
        config = {
            "dice": {
                "activation": activation, "aggregation": aggregation, "overlap": overlap, "smooth_numerator": n,
                "smooth_denominator": d, "absent": absent, "log_loss": log_loss, "background": background,
                "weights": weights, "ignore_indices": list(ignore), "class_axis": axis, "reduction": "mean"},
            "dice_weight": factors[0], factor_name: factors[1], **(more or {}), "weights": entropy_weights}
        make = lambda: randn(shape, 1.5)
        x = off_corner(config["dice"], make(), target, make) if x is None else x
        suite.add(name, config, x, target, lambda x: sum_losses(config, x, target, *loss_of(config)), **options)

    return suite, add


def sum_cases(add, rows):
    small = (2, 3, 4)
    for reduction in REDUCTIONS:
        add("plain", small, reduction=reduction)
        add("weights_ignore", (2, 3, 6), weights=True, entropy_weights=True, ignore=(-100,), reduction=reduction)
        add("sigmoid", small, "int", activation="sigmoid", reduction=reduction)
    for aggregation, kind in zip(AXES, ("bool", "hard", "soft", "int")):
        add(f"{aggregation}", small, aggregation=aggregation)
        add(f"{aggregation}_masks_{kind}", small, kind, activation="sigmoid", aggregation=aggregation)
    if rows:
        add("rows", small, "rows")
        add("rows_weights", small, "rows", overlap="minimum", entropy_weights=True)
        add("one_hot_rows", small, "one_hot")
    absent_ids = two_samples([0, 1], [0, 2], 5)
    for absent in ("smoothed", "zero", "left_out"):
        add(f"absent_{absent}", (2, 3, 5), absent_ids, absent=absent, weights=True, reduction="Mean")
    add("smp", small, ids_among(small, [0, 1]), aggregation="class", absent="zero", smooth=0.0, ignore=(255,))
    add("log", small, log_loss=True, entropy_weights=True)
    add("squared", small, overlap="squared", smooth=(0.0, 2e-3), aggregation="sample")
    add("no_background", small, background=False)
    add("no_background_whole", (2, 4, 4), background=False, aggregation="class", weights=True)
    add("nnunet_whole", (2, 3, 5), background=False, aggregation="class", smooth=1.0, ignore=(255,), factors=(1.0, 1.0))
    add("sigmoid_weights", small, "hard", activation="sigmoid", entropy_weights=True, weights=True)
    add("masks_ignore", small, "int", activation="sigmoid", ignore=(255,), entropy_weights=True)
    add("ids_of_sigmoid_ignore", small, activation="sigmoid", ignore=(-100,))
    add("one_channel", (3, 1, 4), "bool", activation="sigmoid")
    add("rank2", (5, 3), aggregation="class")
    add("rank4_last_axis_ignore", (2, 2, 3, 3), "ids", 3, ignore=(-100, 1))
    add("rank4_last_axis_masks", (2, 2, 1, 3), "soft", 3, activation="sigmoid")
    add("rank5", (2, 3, 2, 1, 2), entropy_weights=True)
    nothing = torch.full((2, 4), -100)
    add("all_ignored", small, nothing, ignore=(-100,), reduction="Mean")
    some = class_ids(small)
    some[0] = 255
    add("one_sample_ignored", small, some, ignore=(255,), absent="left_out", reduction="Mean")
    add("empty_masks", small, torch.zeros(small).bool(), activation="sigmoid")
    for size in (40.0, 1000.0):
        add(f"saturated_{size:.0f}", (2, 3, 5), x=saturated((2, 3, 5), size))
        add(f"saturated_{size:.0f}_masks", (2, 3, 5), "int", activation="sigmoid", x=saturated((2, 3, 5), size))
    add("sample_weights", (3, 3, 4), sample_weights=True, ignore=(-100,), reduction="Mean")
    add("dice_alone", small, factors=(1.0, 0.0))
    add("weight_zero", small, entropy_weights=[0.0, 1.0, 0.5], weights=[0.0, 1.0, 0.5], reduction="Mean")


def library_dice(config, x, target):
    """The mean dice loss of the first library that has these options."""
    for _, _, check in checks_of("dice"):
        found = check(config, x, target)
        if found is None:
            continue
        assert not isinstance(found, tuple)
        return found if found.shape == () else mean(found, overlap_losses("dice", config, x, target)[1])
    return None


def each_sample(check):
    """A check of the mean, by each sample alone: where all count alike, its mean is its share in that of all."""

    def of(config, x, target):
        if config["dice"]["aggregation"] in ("class", "batch"):
            return None
        for _, weight in (overlap_losses("dice", config["dice"], x, target), cross_entropies(config, x, target, 0.0)):
            if not torch.allclose(weight.sum(1), weight[0].sum()):
                return None
        found = [check(config, x[n : n + 1], target[n : n + 1]) for n in range(x.shape[0])]
        return None if any(one is None for one in found) else torch.stack(found)

    return of


def dice_cross_entropy():
    def of_parts(config, x, target):
        """A library's dice, and torch's cross-entropy."""
        options, weights = config["dice"], config["weights"]
        dice = library_dice(options, x, target)
        if dice is None:
            return None
        x4, t = four(options, x, target)
        weights = None if weights is None else torch.tensor(weights)
        if options["activation"] == "softmax":
            if is_ids(x, target):
                t = t.masked_fill(ignored(options, t), -100)
                if (t == -100).all():
                    return None
            entropy = F.cross_entropy(x4, t, weights)
        else:
            x4, t = as_masks(options, x, target)
            scale = torch.ones_like(t) if weights is None else weights.reshape(1, -1, 1, 1).expand(t.shape)
            scale = scale * (t != ignores(options)) if options["ignore_indices"] else scale
            entropy = F.binary_cross_entropy_with_logits(x4, t, scale, reduction="sum") / scale.sum()
        return config["dice_weight"] * dice + config["cross_entropy_weight"] * entropy

    def of_monai(config, x, target):
        """It has the cross-entropy of a softmax unless there is one channel; weights are in the dice too."""
        options = config["dice"]
        if options["aggregation"] not in ("sample_class", "class") or not plain(options, "background") or config["weights"]:
            return None
        x4, t = four(options, x, target)
        softmax, ids = options["activation"] == "softmax", is_ids(x, target)
        if softmax != (x4.shape[1] > 1) or not fits(options, target) and options["overlap"] != "squared":
            return None
        loss = monai.DiceCELoss(
            include_background=options["background"], to_onehot_y=ids, sigmoid=not softmax, softmax=softmax,
            squared_pred=options["overlap"] == "squared", smooth_nr=options["smooth_numerator"],
            smooth_dr=options["smooth_denominator"], batch=options["aggregation"] == "class",
            lambda_dice=config["dice_weight"], lambda_ce=config["cross_entropy_weight"])
        return loss(x4, t.unsqueeze(1) if ids else t)

    def of_nnunet(config, x, target):
        """Its dice is minus the score."""
        options = config["dice"]
        n = options["smooth_numerator"]
        if options["aggregation"] not in ("sample_class", "class") or n != options["smooth_denominator"]:
            return None
        if not plain(options, "background", "ignore_indices") or not fits(options, target):
            return None
        if len(options["ignore_indices"]) > 1:
            return None
        of_dice = {"batch_dice": options["aggregation"] == "class", "do_bg": options["background"], "smooth": n, "ddp": False}
        factors = {"weight_ce": config["cross_entropy_weight"], "weight_dice": config["dice_weight"]}
        x4, t = four(options, x, target)
        with float_as_double():
            if options["activation"] == "softmax" and is_ids(x, target):
                weights = None if config["weights"] is None else torch.tensor(config["weights"])
                loss = nnunet_sums.DC_and_CE_loss(of_dice, {"weight": weights}, ignore_label=ignores(options), **factors)
                found = loss(x4, t.unsqueeze(1))
            elif options["activation"] == "sigmoid" and not is_ids(x, target):
                if config["weights"] is not None or options["ignore_indices"]:
                    return None
                found = nnunet_sums.DC_and_BCE_loss({}, of_dice, **factors)(x4, t)
            else:
                return None
        return found + config["dice_weight"]

    checks = [
        ("a dice and torch", TIGHT, of_parts), ("each sample by those", TIGHT, each_sample(of_parts)),
        ("monai", TIGHT, of_monai), ("each sample by monai", TIGHT, each_sample(of_monai)), ("nnU-Net", TIGHT, of_nnunet)]
    suite, add = dice_and(
        "dice_cross_entropy", "cross_entropy_weight", (SMP, "monai", "kornia", NNUNET, MMSEG), checks,
        lambda config: (config["cross_entropy_weight"], 0.0))
    sum_cases(add, True)
    return suite


def dice_focal():
    def of_parts(config, x, target):
        """A library's dice, and a focal of kornia or torchvision."""
        options, gamma = config["dice"], config["gamma"]
        dice = library_dice(options, x, target)
        if dice is None:
            return None
        weights = config["weights"]
        weights = torch.ones(x.shape[options["class_axis"]]) if weights is None else torch.tensor(weights)
        _, counts = truth(options, x, target)
        if not counts.any():
            return None
        x4, t = four(options, x, target)
        wide = weights.reshape(1, -1, 1, 1)
        if options["activation"] == "softmax":
            each = kornia.focal_loss(x4, t.masked_fill(ignored(options, t), -100), None, gamma, "none")
            y, _ = truth(options, x, target)
            focal = (each * wide).sum() / (y.unsqueeze(-1) * wide).sum()
        else:
            if (x.abs() > 30).any() and gamma < 1:
                return None
            x4, t = as_masks(options, x, target)
            scale = wide * counts.unsqueeze(-1)
            focal = (torchvision_focal(x4, t.masked_fill(scale == 0, 0.0), -1, gamma) * scale).sum() / scale.sum()
        return config["dice_weight"] * dice + config["focal_weight"] * focal

    def of_monai(config, x, target):
        """Its focal has a sigmoid for each class, whatever the activation of its dice; the background is out of both."""
        options = config["dice"]
        if options["aggregation"] not in ("sample_class", "class") or not plain(options) or config["weights"]:
            return None
        if options["activation"] != "sigmoid" or not hard(target) or options["overlap"] == "minimum":
            return None
        loss = monai.DiceFocalLoss(
            sigmoid=True, squared_pred=options["overlap"] == "squared", smooth_nr=options["smooth_numerator"],
            smooth_dr=options["smooth_denominator"], batch=options["aggregation"] == "class", gamma=config["gamma"],
            lambda_dice=config["dice_weight"], lambda_focal=config["focal_weight"])
        with float_as_double():
            return loss(*as_masks(options, x, target))

    def of_smp(config, x, target):
        """Its focal has a sigmoid for each class, also of ids."""
        options = config["dice"]
        dice = by_smp("dice")(options, x, target)
        if dice is None or options["activation"] != "sigmoid" or (x.abs() > 30).any():
            return None
        loss = smp.FocalLoss(
            "multiclass" if is_ids(x, target) else "multilabel", gamma=config["gamma"], ignore_index=ignores(options),
            class_weights=config["weights"])
        with float_as_double():
            focal = loss(*four(options, x, target))
        return config["dice_weight"] * dice + config["focal_weight"] * focal

    checks = [
        ("a dice and a focal", TIGHT, of_parts), ("each sample by those", TIGHT, each_sample(of_parts)),
        ("monai", TIGHT, of_monai), ("each sample by monai", TIGHT, each_sample(of_monai)), ("smp", TIGHT, of_smp)]
    suite, plain_add = dice_and(
        "dice_focal", "focal_weight", (SMP, "monai", "kornia", NNUNET, MMSEG, "torchvision"), checks,
        lambda config: (config["focal_weight"], config["gamma"]))

    def add(*given, gamma=None, **options):
        gamma = cycle(suite, (2.0, 1.5, 2.0, 1.0, 3.0)) if gamma is None else gamma
        plain_add(*given, more={"gamma": gamma}, **options)

    sum_cases(add, False)
    for gamma in (0.0, 0.5):
        add(f"gamma_{gamma}", (2, 3, 4), gamma=gamma)
        add(f"gamma_{gamma}_masks", (2, 3, 4), "bool", activation="sigmoid", gamma=gamma)
    as_smp = {"activation": "sigmoid", "aggregation": "class", "absent": "zero", "smooth": 0.0}
    add("smp_multilabel", (2, 3, 4), "int", entropy_weights=True, **as_smp)
    add("smp_ids", (2, 3, 4), ignore=(255,), **as_smp)
    return suite


if __name__ == "__main__":
    main((dice, jaccard, tversky, generalized_dice, lovasz, dice_cross_entropy, dice_focal))
