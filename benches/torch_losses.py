"""Times steps of PyTorch's losses, one whenever it is told to: the other side of the benchmark.

It is started by the benchmark, with the number of threads, and speaks with it by lines: it tells its
version; for a case, the names of those who compute its loss; for a step, the milliseconds.
"""

import argparse
import ast
import functools
import importlib.metadata
import importlib.util
import math
import sys
import time
import types
from pathlib import Path

import torch
import torch.nn.functional as F

TYPES = {"f32": torch.float32, "bf16": torch.bfloat16}


def log_cosh(error):
    size = error.abs()
    return size + F.softplus(-2 * size) - math.log(2)


def dice(x, y):
    return (1 - (2 * (x * y).sum(1) + 1) / (x.sum(1) + y.sum(1) + 1)).mean()


def focal(x, ids):
    """By the softmax, which PyTorch has not: from the cross-entropy of each sample."""
    loss = F.cross_entropy(x, ids, reduction="none")
    return ((1 - torch.exp(-loss)) ** 2 * loss).mean()


def expectile(x, y, q=0.5):
    return (torch.where(x > y, 1 - q, q) * (x - y).square()).mean()


def quantile(x, y, q=0.5):
    return torch.maximum(q * (y - x), (q - 1) * (y - x)).mean()


def charbonnier(x, y):
    return (torch.sqrt((x - y).square() + 1) - 1).mean()


def tukey(x, y, c=4.685):
    r = ((x - y) / c).square().clamp(max=1)
    return (c * c / 6 * (1 - (1 - r) ** 3)).mean()


def msle(x, y):
    return F.mse_loss(torch.log1p(x), torch.log1p(y))


def mape(x, y):
    return ((x - y).abs() / y.abs().clamp(min=1e-7)).mean()


def smape(x, y):
    return (2 * (x - y).abs() / (x.abs() + y.abs()).clamp(min=1e-7)).mean()


def tweedie(x, y, p=1.5):
    return (torch.exp((2 - p) * x) / (2 - p) - y * torch.exp((1 - p) * x) / (1 - p)).mean()


def gamma_nll(x, y):
    return (y * torch.exp(-x) + x).mean()


def negative_binomial_nll(mean, dispersion, y):
    total = 1 / dispersion
    ln = torch.log(total + mean)
    factorials = torch.lgamma(total) + torch.lgamma(y + 1) - torch.lgamma(total + y)
    rest = total * (ln - torch.log(total)) + y * (ln - torch.log(mean))
    return (factorials + rest).mean()


def laplace_nll(x, scale, y):
    return (torch.log(2 * scale) + (x - y).abs() / scale).mean()


def student_t_nll(x, scale, y, df=3.0):
    constant = math.lgamma(df / 2) - math.lgamma((df + 1) / 2) + math.log(math.pi * df) / 2
    square = ((x - y) / scale).square()
    return ((df + 1) / 2 * torch.log1p(square / df) + torch.log(scale)).mean() + constant


def log_normal_nll(x, scale, y):
    ln = torch.log(y)
    half = math.log(2 * math.pi) / 2
    return (ln + torch.log(scale) + ((ln - x) / scale).square() / 2).mean() + half


def gaussian_crps(x, scale, y):
    w = (y - x) / scale
    density = math.sqrt(2 / math.pi) * torch.exp(-w.square() / 2)
    share = torch.erf(w / math.sqrt(2))
    return (scale * (w * share + density - 1 / math.sqrt(math.pi))).mean()


def sigmoid_focal(x, y):
    """As torchvision's without its alpha."""
    p = torch.sigmoid(x)
    loss = F.binary_cross_entropy_with_logits(x, y, reduction="none")
    return ((1 - (p * y + (1 - p) * (1 - y))) ** 2 * loss).mean()


def quality_focal(x, y):
    loss = F.binary_cross_entropy_with_logits(x, y, reduction="none")
    return ((y - torch.sigmoid(x)) ** 2 * loss).mean()


def varifocal(x, y):
    loss = F.binary_cross_entropy_with_logits(x, y, reduction="none")
    return (torch.where(y > 0, y, 0.75 * torch.sigmoid(x) ** 2) * loss).mean()


def asymmetric(x, y):
    p = torch.sigmoid(x)
    q = (p - 0.05).clamp(min=0)
    return -(y * (1 - p) * F.logsigmoid(x) + (1 - y) * q**4 * torch.log1p(-q)).mean()


def sigmoid_poly1(x, y):
    p = torch.sigmoid(x)
    loss = F.binary_cross_entropy_with_logits(x, y, reduction="none")
    return (loss + y * (1 - p) + (1 - y) * p).mean()


def dpo(chosen, rejected, of_chosen, of_rejected, beta=0.1):
    return -F.logsigmoid(beta * ((chosen - rejected) - (of_chosen - of_rejected))).mean()


def simpo(chosen, rejected, beta=2.0, gamma=1.0):
    return -F.logsigmoid(beta * (chosen - rejected) - gamma).mean()


def orpo(chosen, rejected, weight=0.1):
    rests = torch.log1p(-torch.exp(chosen)) - torch.log1p(-torch.exp(rejected))
    return -(chosen + weight * F.logsigmoid((chosen - rejected) - rests)).mean()


def kto(policy, reference, kl, desirable, beta=0.1):
    gain = beta * (policy - reference - kl)
    return torch.where(desirable > 0.5, torch.sigmoid(-gain), torch.sigmoid(gain)).mean()


def policy_clip(log_probs, old, advantages):
    ratio = torch.exp(log_probs - old)
    return -torch.minimum(ratio * advantages, ratio.clamp(0.8, 1.2) * advantages).mean()


def gan_discriminator(real, fake):
    return (F.softplus(-real) + F.softplus(fake)).mean()


def gaussian_kl(mean, log_variance):
    terms = 1 + log_variance - mean.square() - log_variance.exp()
    return -0.5 * terms.sum() / mean.shape[0]


def poly1(x, ids):
    loss = F.cross_entropy(x, ids, reduction="none")
    return (loss + 1 - torch.exp(-loss)).mean()


def with_margins(x, ids, margins):
    at = ids[:, None]
    return F.cross_entropy(8 * x.scatter_add(1, at, -margins[at]), ids)


def z_loss(x, ids):
    return F.cross_entropy(x, ids) + 1e-4 * torch.logsumexp(x, 1).square().mean()


def divergence(ln_p, ln_q):
    """Of the first from the second, which comes last as in PyTorch's."""
    return F.kl_div(ln_p, ln_q, reduction="batchmean", log_target=True)


def softmax_kl(x, z):
    return divergence(F.log_softmax(x, 1), F.log_softmax(z, 1))


def js_div(x, z):
    ln_p, ln_q = F.log_softmax(x, 1), F.log_softmax(z, 1)
    ln_m = torch.logaddexp(ln_p, ln_q) - math.log(2)
    return 0.5 * (divergence(ln_m, ln_q) + divergence(ln_m, ln_p))


def total_variation(x, z):
    return 0.5 * (torch.softmax(x, 1) - torch.softmax(z, 1)).abs().sum(1).mean()


def distillation(x, z, ids, temperature=2.0, alpha=0.5):
    of_teacher = temperature**2 * softmax_kl(x / temperature, z / temperature)
    return alpha * of_teacher + (1 - alpha) * F.cross_entropy(x, ids)


def earth_mover(x, ids):
    reached = torch.arange(x.shape[1], device=x.device) >= ids[:, None]
    return (torch.softmax(x, 1).cumsum(1) - reached.to(x.dtype)).square().sum(1).mean()


def thresholds(x, ids):
    """The loss at each threshold, and which of them come after the first one that is not passed."""
    at = torch.arange(x.shape[1], device=x.device)
    passed = (ids[:, None] > at).to(x.dtype)
    loss = F.binary_cross_entropy_with_logits(x, passed, reduction="none")
    return loss, ids[:, None] < at


def coral(x, ids):
    loss, _ = thresholds(x, ids)
    return loss.sum(1).mean()


def corn(x, ids):
    loss, unused = thresholds(x, ids)
    return loss.masked_fill(unused, 0).sum() / (~unused).sum()


def load_balance(x, experts):
    """Of the experts that were chosen, two for each token."""
    chosen = torch.bincount(experts.flatten(), minlength=x.shape[1])
    shares = (chosen / experts.numel()).to(x.dtype)
    return x.shape[1] * (shares * torch.softmax(x, 1).mean(0)).sum()


def overlaps(x, ids):
    """Of each sample and class: what overlaps, and the sums of the probabilities and of the mask."""
    p = torch.softmax(x, 1)
    y = F.one_hot(ids, x.shape[1]).movedim(-1, 1).to(p.dtype)
    places = tuple(range(2, x.ndim))
    return (p * y).sum(places), p.sum(places), y.sum(places)


def dice_of_classes(x, ids, smooth=1e-5):
    both, predicted, true = overlaps(x, ids)
    return (1 - (2 * both + smooth) / (predicted + true + smooth)).mean()


def jaccard(x, ids, smooth=1e-5):
    both, predicted, true = overlaps(x, ids)
    return (1 - (both + smooth) / (predicted + true - both + smooth)).mean()


def lovasz(x, ids):
    """Of the classes that are there, all at once."""
    classes = x.shape[1]
    p = torch.softmax(x, 1).movedim(1, 0).reshape(classes, -1)
    y = F.one_hot(ids.reshape(-1), classes).T.to(p.dtype)
    errors, order = (y - p).abs().sort(1, descending=True)
    truth = y.gather(1, order)
    total = truth.sum(1, keepdim=True)
    index = 1 - (total - truth.cumsum(1)) / (total + (1 - truth).cumsum(1))
    steps = torch.diff(index, dim=1, prepend=torch.zeros_like(total))
    there = (total[:, 0] > 0).to(p.dtype)
    return ((errors * steps).sum(1) * there).sum() / there.sum()


class Pairs:
    """Boxes that are predicted, and the true ones."""

    def __init__(self, a, b, eps=1e-7):
        self.a, self.b, self.eps = a.unbind(1), b.unbind(1), eps
        self.sizes = [(x2 - x1, y2 - y1) for x1, y1, x2, y2 in (self.a, self.b)]

    def side(self, start, least, most):
        """How long what they have in common is, or what encloses them."""
        return least(self.a[start + 2], self.b[start + 2]) - most(self.a[start], self.b[start])

    def iou(self):
        """And the area that one of them has."""
        width, height = (
            self.side(at, torch.minimum, torch.maximum).clamp(min=0) for at in (0, 1)
        )
        both = width * height
        (w, h), (true_w, true_h) = self.sizes
        either = w * h + true_w * true_h - both
        return both / (either + self.eps), either

    def enclosing(self):
        return (self.side(at, torch.maximum, torch.minimum) for at in (0, 1))

    def apart(self):
        """How far the centres are from each other."""
        return (
            (self.a[at] + self.a[at + 2] - self.b[at] - self.b[at + 2]) / 2 for at in (0, 1)
        )

    def distance(self, width, height):
        dx, dy = self.apart()
        diagonal = width.square() + height.square() + self.eps
        return (dx.square() + dy.square()) / diagonal


def iou(a, b):
    return (1 - Pairs(a, b).iou()[0]).mean()


def giou(a, b):
    pairs = Pairs(a, b)
    share, either = pairs.iou()
    width, height = pairs.enclosing()
    area = width * height
    return (1 - share + (area - either) / (area + pairs.eps)).mean()


def diou(a, b):
    pairs = Pairs(a, b)
    return (1 - pairs.iou()[0] + pairs.distance(*pairs.enclosing())).mean()


def ciou(a, b):
    pairs = Pairs(a, b)
    share, _ = pairs.iou()
    (w, h), (true_w, true_h) = pairs.sizes
    unlike = 4 / math.pi**2 * (torch.atan(true_w / true_h) - torch.atan(w / h)).square()
    with torch.no_grad():
        part = unlike / (1 - share + unlike + pairs.eps)
    return (1 - share + pairs.distance(*pairs.enclosing()) + part * unlike).mean()


def eiou(a, b):
    pairs = Pairs(a, b)
    (w, h), (true_w, true_h) = pairs.sizes
    width, height = pairs.enclosing()
    of_sizes = (w - true_w).square() / (width.square() + pairs.eps)
    of_sizes = of_sizes + (h - true_h).square() / (height.square() + pairs.eps)
    return (1 - pairs.iou()[0] + pairs.distance(width, height) + of_sizes).mean()


def siou(a, b, theta=4):
    pairs = Pairs(a, b)
    dx, dy = (apart.abs() for apart in pairs.apart())
    of_angle = 2 * dx * dy / (dx.square() + dy.square() + pairs.eps) - 2
    unlike = 0
    for apart, whole in zip((dx, dy), pairs.enclosing()):
        unlike = unlike + 1 - torch.exp(of_angle * (apart / (whole + pairs.eps)).square())
    for size, true in zip(*pairs.sizes):
        off = (size - true).abs() / torch.maximum(size, true)
        unlike = unlike + (1 - torch.exp(-off)) ** theta
    return (1 - pairs.iou()[0] + unlike / 2).mean()


def distribution_focal(x, places):
    """As the authors': the cross-entropy of the bins on both sides."""
    left = places.long()
    of_left = F.cross_entropy(x, left, reduction="none") * (left + 1 - places)
    return (of_left + F.cross_entropy(x, left + 1, reduction="none") * (places - left)).mean()


# What PyTorch has not, with the defaults of ours, as functions of the inputs, which come first, and
# the targets. Of likelihoods it has distributions, which compiled are no faster than the formulas.
FORMULAS = {
    "expectile": expectile,
    "quantile": quantile,
    "general_robust": charbonnier,
    "tukey": tukey,
    "msle": msle,
    "mape": mape,
    "smape": smape,
    "tweedie": tweedie,
    "gamma_nll": gamma_nll,
    "negative_binomial_nll": negative_binomial_nll,
    "laplace_nll": laplace_nll,
    "student_t_nll": student_t_nll,
    "log_normal_nll": log_normal_nll,
    "gaussian_crps": gaussian_crps,
    "sigmoid_focal": sigmoid_focal,
    "quality_focal": quality_focal,
    "varifocal": varifocal,
    "asymmetric": asymmetric,
    "sigmoid_poly1": sigmoid_poly1,
    "dpo": dpo,
    "simpo": simpo,
    "orpo": orpo,
    "kto": kto,
    "policy_clip": policy_clip,
    "gan_generator": lambda fake: F.softplus(-fake).mean(),
    "gan_discriminator": gan_discriminator,
    "gaussian_kl": gaussian_kl,
}
# How many inputs these have, where not just the last operand is a target.
INPUTS = {
    "dpo": 2,
    "simpo": 2,
    "orpo": 2,
    "kto": 1,
    "policy_clip": 1,
    "gan_generator": 1,
    "gan_discriminator": 2,
    "gaussian_kl": 2,
}
# Of logits, ids and what is known of the classes.
CLASSES = {
    "poly1": lambda x, ids, _: poly1(x, ids),
    "cross_entropy_log_prior": lambda x, ids, of: F.cross_entropy(x + of.log_prior, ids),
    "cross_entropy_margins": lambda x, ids, of: with_margins(x, ids, of.margins),
    "cross_entropy_softcap": lambda x, ids, _: F.cross_entropy(30 * torch.tanh(x / 30), ids),
    "cross_entropy_z_loss": lambda x, ids, _: z_loss(x, ids),
    "focal_log_prior": lambda x, ids, of: focal(x + of.log_prior, ids),
    "earth_mover": lambda x, ids, _: earth_mover(x, ids),
    "coral": lambda x, ids, _: coral(x, ids),
    "corn": lambda x, ids, _: corn(x, ids),
    "router_z": lambda x, *_: torch.logsumexp(x, 1).square().mean(),
}
# Of a student's logits and a teacher's, and for distillation ids.
TEACHERS = {
    "softmax_kl": softmax_kl,
    "js_div": js_div,
    "total_variation": total_variation,
    "distillation": distillation,
}


# Of logits and class ids, of images.
OVERLAPS = {
    "dice": dice_of_classes,
    "jaccard": jaccard,
    "lovasz": lovasz,
    "dice_cross_entropy": lambda x, ids: dice_of_classes(x, ids) + F.cross_entropy(x, ids),
    "dice_focal": lambda x, ids: dice_of_classes(x, ids) + focal(x, ids),
}
# Of predicted boxes and true ones.
BOXES = {"iou": iou, "giou": giou, "diou": diou, "ciou": ciou, "eiou": eiou, "siou": siou}


@functools.cache
def source(package, path=""):
    """A file or folder of a package that is not imported, or nothing without that."""
    found = importlib.util.find_spec(package)
    return found and Path(found.submodule_search_locations[0]) / path


def monai(loss):
    """The loss of MONAI, of a loss of overlaps; its ids have an axis of classes."""
    if not source("monai"):
        return None
    from monai.losses import DiceCELoss, DiceLoss

    options = {"to_onehot_y": True, "softmax": True}
    losses = {
        "dice": DiceLoss(**options),
        "jaccard": DiceLoss(jaccard=True, **options),
        "dice_cross_entropy": DiceCELoss(**options),
    }
    found = losses.get(loss)
    return found and (lambda x, ids: found(x, ids[:, None]))


def smp(loss):
    """That of segmentation-models-pytorch, whose ratios are of the whole batch."""
    name = "segmentation_models_pytorch"
    root = source(name)
    if not root:
        return None
    if name not in sys.modules:
        # Its own `__init__` needs more than its losses do.
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__path__ = [str(root)]
    from segmentation_models_pytorch import losses

    classes = {
        "dice": losses.DiceLoss,
        "jaccard": losses.JaccardLoss,
        "lovasz": losses.LovaszLoss,
    }
    return classes[loss]("multiclass") if loss in classes else None


def torchvision(loss):
    """That of torchvision, of a loss of boxes."""
    if not source("torchvision"):
        return None
    from torchvision import ops

    functions = {
        "giou": ops.generalized_box_iou_loss,
        "diou": ops.distance_box_iou_loss,
        "ciou": ops.complete_box_iou_loss,
    }
    function = functions.get(loss)
    return function and (lambda a, b: function(a, b, reduction="mean"))


def ultralytics(loss):
    """That of ultralytics, by the source of its IoU alone: its package needs more."""
    options = {"iou": {}, "giou": {"GIoU": True}, "diou": {"DIoU": True}, "ciou": {"CIoU": True}}
    file = source("ultralytics", "utils/metrics.py")
    if not file or loss not in options:
        return None
    tree = ast.parse(file.read_text())
    tree.body = [node for node in tree.body if getattr(node, "name", "") == "bbox_iou"]
    space = {"torch": torch, "math": math}
    exec(compile(tree, str(file), "exec"), space)
    return lambda a, b: (1 - space["bbox_iou"](a, b, xywh=False, **options[loss])).mean()


def of_images(loss, shape, device, dtype):
    """The tracked inputs of a loss of overlaps or of boxes, and the functions of these that compute it."""

    def normal(*shape):
        return torch.randn(*shape, device=device, dtype=dtype)

    if loss == "distribution_focal":
        x, places = tracked(normal(*shape)), torch.rand(shape[0], device=device, dtype=dtype)
        places *= shape[1] - 1.5
        return [x], {"eager": lambda x: distribution_focal(x, places)}
    if loss in OVERLAPS:
        x = normal(*shape)
        target = torch.randint(0, shape[1], [shape[0], *shape[2:]], device=device)
        functions = {"eager": OVERLAPS[loss], "monai": monai(loss), "smp": smp(loss)}
    else:
        corner, size = 100 * normal(shape[0], 2).abs(), 20 + 50 * normal(shape[0], 2).abs()
        target = torch.cat([corner, corner + size], 1)
        x = target + 3 * normal(*shape)
        functions = {"eager": BOXES[loss], "torchvision": torchvision(loss)}
        if compiled := functions["torchvision"]:
            functions["torchvision_compiled"] = torch.compile(compiled)
        functions["ultralytics"] = ultralytics(loss)

    def of_target(function):
        return lambda x: function(x, target)

    functions = {name: of_target(function) for name, function in functions.items() if function}
    return [tracked(x)], functions


class OfClasses:
    """The logarithms of the shares of classes that have 1, 2, 3 .. samples, and their margins."""

    def __init__(self, classes, device, dtype):
        counts = torch.arange(1, classes + 1, dtype=torch.float64)
        self.log_prior = (counts / counts.sum()).log().to(device, dtype)
        self.margins = (0.5 * counts**-0.25).to(device, dtype)


def tracked(tensor):
    return tensor.detach().clone().requires_grad_()


def make(loss, shape, device, dtype):
    """The tracked inputs of a loss, and the loss as a function of them."""

    def wide():
        """For what is added up along a row before it is an input."""
        return torch.randn(*shape, device=device)

    def normal():
        return wide().to(dtype)

    def labels():
        return (wide() > 0).to(dtype)

    def signs():
        return labels() * 2 - 1

    def positive():
        return normal().exp()

    def counts():
        return (normal().abs() * 3).floor()

    def qualities():
        return labels() * torch.sigmoid(normal())

    def log_probs():
        """Of sequences: they do not add up to 1."""
        return -(normal().abs() + 0.1)

    def halves():
        return torch.full(shape, 0.5, device=device, dtype=dtype)

    def ids():
        return torch.randint(0, shape[1], [shape[0], *shape[2:]], device=device)

    if loss in FORMULAS:
        operands = {
            "msle": [positive, positive],
            "mape": [positive, positive],
            "smape": [positive, positive],
            "tweedie": [normal, counts],
            "gamma_nll": [normal, positive],
            "negative_binomial_nll": [positive, positive, counts],
            "laplace_nll": [normal, positive, normal],
            "student_t_nll": [normal, positive, normal],
            "log_normal_nll": [normal, positive, positive],
            "gaussian_crps": [normal, positive, normal],
            "sigmoid_focal": [normal, labels],
            "quality_focal": [normal, qualities],
            "varifocal": [normal, qualities],
            "asymmetric": [normal, labels],
            "sigmoid_poly1": [normal, labels],
            "dpo": [log_probs, log_probs, log_probs, log_probs],
            "simpo": [log_probs, log_probs],
            "orpo": [log_probs, log_probs],
            "kto": [log_probs, log_probs, halves, labels],
            "policy_clip": [log_probs, normal, normal],
            "gan_generator": [normal],
        }
        operands = [kind() for kind in operands.get(loss, [normal, normal])]
        if loss == "policy_clip":
            # The old ones are near the new ones.
            operands[1] = operands[0] + 0.1 * operands[1]
        count = INPUTS.get(loss, len(operands) - 1)
        inputs, targets = operands[:count], operands[count:]
        formula = FORMULAS[loss]
        return [tracked(x) for x in inputs], lambda *inputs: formula(*inputs, *targets)
    if loss in CLASSES:
        x, y, of = tracked(normal()), ids(), OfClasses(shape[1], device, dtype)
        formula = CLASSES[loss]
        return [x], lambda x: formula(x, y, of)
    if loss == "load_balance":
        x = tracked(normal())
        experts = x.detach().topk(2, 1).indices
        return [x], lambda x: load_balance(x, experts)
    if loss in TEACHERS:
        x, targets = tracked(normal()), [normal()]
        if loss == "distillation":
            targets.append(ids())
        formula = TEACHERS[loss]
        return [x], lambda x: formula(x, *targets)
    # What closures compute here are PyTorch's own losses, where it has them.
    loss = loss.removeprefix("closure_")
    if loss == "squared_hinge":
        x, y = tracked(normal()), signs()
        return [x], lambda x: F.relu(1 - x * y).square().mean()
    if loss == "quantile":
        x, y = tracked(normal()), normal()
        return [x], lambda x: quantile(x, y, 0.9)
    if loss == "log_cosh":
        x, y = tracked(normal()), normal()
        return [x], lambda x: log_cosh(x - y).mean()
    if loss == "dice":
        x, y = tracked(torch.sigmoid(normal())), labels()
        return [x], lambda x: dice(x, y)
    if loss == "l1":
        x, y = tracked(normal()), normal()
        return [x], lambda x: F.l1_loss(x, y)
    if loss == "mse":
        x, y = tracked(normal()), normal()
        return [x], lambda x: F.mse_loss(x, y)
    if loss == "smooth_l1":
        x, y = tracked(normal()), normal()
        return [x], lambda x: F.smooth_l1_loss(x, y)
    if loss == "huber":
        x, y = tracked(normal()), normal()
        return [x], lambda x: F.huber_loss(x, y)
    if loss == "poisson_nll":
        x, y = tracked(normal()), counts()
        return [x], lambda x: F.poisson_nll_loss(x, y)
    if loss == "gaussian_nll":
        x, y = tracked(normal()), normal()
        variance = tracked(normal().exp())
        return [x, variance], lambda x, variance: F.gaussian_nll_loss(x, y, variance)
    if loss in ("cross_entropy", "focal", "nll", "multi_margin"):
        y = ids()
        if loss == "cross_entropy":
            return [tracked(normal())], lambda x: F.cross_entropy(x, y)
        if loss == "focal":
            return [tracked(normal())], lambda x: focal(x, y)
        if loss == "multi_margin":
            return [tracked(normal())], lambda x: F.multi_margin_loss(x, y)
        x = tracked(torch.log_softmax(wide(), 1).to(dtype))
        return [x], lambda x: F.nll_loss(x, y)
    if loss == "bce":
        x, y = tracked(torch.sigmoid(normal())), labels()
        return [x], lambda x: F.binary_cross_entropy(x, y)
    if loss == "bce_with_logits":
        x, y = tracked(normal()), labels()
        return [x], lambda x: F.binary_cross_entropy_with_logits(x, y)
    if loss == "kl_div":
        x = tracked(torch.log_softmax(wide(), 1).to(dtype))
        y = torch.softmax(wide(), 1).to(dtype)
        return [x], lambda x: F.kl_div(x, y, reduction="batchmean")
    if loss == "soft_margin":
        x, y = tracked(normal()), signs()
        return [x], lambda x: F.soft_margin_loss(x, y)
    if loss == "multi_label_margin":
        x, y = tracked(normal()), torch.full(shape, -1, device=device)
        first = torch.randint(0, shape[1], (shape[0], 1), device=device)
        y[:, :3] = (first + torch.arange(3, device=device)) % shape[1]
        return [x], lambda x: F.multilabel_margin_loss(x, y)
    if loss == "multi_label_soft_margin":
        x, y = tracked(normal()), labels()
        return [x], lambda x: F.multilabel_soft_margin_loss(x, y)
    if loss == "hinge_embedding":
        x, y = tracked(normal().abs()), signs()
        return [x], lambda x: F.hinge_embedding_loss(x, y)
    if loss == "margin_ranking":
        a, b = tracked(normal()), tracked(normal())
        y = signs()
        return [a, b], lambda a, b: F.margin_ranking_loss(a, b, y)
    if loss == "cosine_embedding":
        a, b = tracked(normal()), tracked(normal())
        y = signs()[:, 0].contiguous()
        return [a, b], lambda a, b: F.cosine_embedding_loss(a, b, y)
    if loss in ("triplet_margin", "triplet_margin_with_distance"):
        inputs = [tracked(normal()) for _ in range(3)]
        if loss == "triplet_margin":
            return inputs, lambda a, b, c: F.triplet_margin_loss(a, b, c)
        return inputs, lambda a, b, c: F.triplet_margin_with_distance_loss(a, b, c)
    raise ValueError(loss)


def liger_cross_entropy(device):
    """Liger's cross-entropy and its version, where they are: its kernels need CUDA."""
    if device != "cuda":
        return None
    try:
        from liger_kernel.transformers.functional import liger_cross_entropy as function
    except ImportError:
        return None
    # It may be a nightly release, which is a distribution of another name.
    distribution = importlib.metadata.packages_distributions()["liger_kernel"][0]
    return function, importlib.metadata.version(distribution)


def synchronize(device):
    if device == "cuda":
        torch.cuda.synchronize()


def step(function, inputs, backward, device):
    """The milliseconds of one step."""
    synchronize(device)
    start = time.perf_counter()
    # What the step leaves is kept until the time is taken.
    if backward:
        left = torch.autograd.grad(function(*inputs), inputs)
    else:
        with torch.no_grad():
            left = function(*inputs)
    synchronize(device)
    took = time.perf_counter() - start
    del left
    return took * 1e3


class Case:
    """A loss of inputs, and who computes it."""

    def __init__(self, loss, shape, device, dtype, liger):
        torch._dynamo.reset()
        self.device = device
        if loss in OVERLAPS or loss in BOXES or loss == "distribution_focal":
            self.inputs, functions = of_images(loss, shape, device, dtype)
        else:
            self.inputs, eager = make(loss, shape, device, dtype)
            functions = {"eager": eager}
        self.functions = {"compiled": torch.compile(functions["eager"]), **functions}
        if liger and loss == "cross_entropy":
            ids = torch.randint(0, shape[1], shape[:1], device=device)
            self.functions["liger"] = lambda x: liger[0](x, ids)
        self.functions = {name: self.functions[name] for name in self.functions if self.works(name)}

    def works(self, name):
        """Whether a step can be taken: PyTorch does not have every loss in every type."""
        try:
            self.step(name, True)
        except RuntimeError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
            return False
        return True

    def step(self, name, backward):
        inputs = self.inputs
        if name == "liger":
            # It writes the gradient over its input, whether that is tracked or not.
            inputs = [x.detach().clone().requires_grad_(backward) for x in inputs]
        return step(self.functions[name], inputs, backward, self.device)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("threads", type=int)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--type", choices=TYPES, default="f32")
    arguments = parser.parse_args()
    device = arguments.device if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    liger = liger_cross_entropy(device)
    name = torch.cuda.get_device_name() if device == "cuda" else "the CPU"
    version = f"PyTorch {torch.__version__} on {name}, {torch.get_num_threads()} threads"
    print(version + (f", Liger {liger[1]}" if liger else ""), flush=True)
    case = None
    for line in sys.stdin:
        command, *words = line.split()
        if command == "case":
            # The memory of the last one is free before the next takes its own.
            case = None
            shape = [int(word) for word in words[1:]]
            case = Case(words[0], shape, device, TYPES[arguments.type], liger)
            print(*case.functions, flush=True)
        elif command == "step":
            name, pass_ = words
            print(case.step(name, pass_ == "backward"), flush=True)


if __name__ == "__main__":
    main()
