"""Golden data for the losses that PyTorch lacks: their formulas in float64, checked against libraries.

Run `python libraries.py` in a virtual environment with torch, torchvision, numpy, jax, optax, keras,
scikit-learn, statsmodels, model-diagnostics, kornia, timm, scoringrules, properscoring,
pytorch-forecasting, gluonts, neuralforecast and mmdet (the latter two without their dependencies:
only the files of their losses are read). Barron's robust_loss_pytorch is in no registry; general_robust is checked
against it where it can be found. The files are written beside this script, in the format of
`generate.py`, one per loss, one case per line.

* The formulas are written so that nothing cancels; the gradients are torch's of the formulas. The
  last of `gradients` is the target's, but for the losses of classification and for
  negative_binomial_nll, whose targets are labels and counts.
* Every case that a library can compute is compared with it: the losses, the gradients where the
  library has them, and where it gives only the mean, the mean. They agree to a relative 1e-10, unless
  a check says otherwise. `libraries` in each file has their versions. Each check is a function of
  (options, inputs, target last) that returns None for a case that is not the library's.
* The corners that libraries treat each in their own way are avoided: equal predictions and targets of
  quantile, mape, smape and laplace_nll, and predictions of 0 or targets of 0 for smape, unless
  both are 0. Where a loss is smooth they are there.
* negative_binomial_nll, student_t_nll, log_normal_nll, laplace_nll, gaussian_crps: two inputs.
* Several quantiles: the targets have length 1 along the axis of the quantiles.
* With the divisor "Positives" Mean is sum(l) / max(sum(labels), 1).
"""

import contextlib
import importlib.util
import json
import math
import os
import sys
import types
import warnings
from importlib.metadata import version
from pathlib import Path

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_PLATFORMS"] = "cpu"
warnings.filterwarnings("ignore")

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax
import properscoring
import scoringrules
import sklearn.metrics
import torch
import torch.distributions as dist
import torch.nn.functional as F
from gluonts.ev import stats as gluonts_stats
from kornia import losses as kornia
from model_diagnostics.scoring import HomogeneousExpectileScore
from pytorch_forecasting.metrics import NegativeBinomialDistributionLoss, QuantileLoss
from statsmodels.genmod.families import Gamma as StatsmodelsGamma
from statsmodels.genmod.families import NegativeBinomial as StatsmodelsNegativeBinomial
from statsmodels.robust.norms import TukeyBiweight
from timm.loss import AsymmetricLossMultiLabel
from torchvision.ops import sigmoid_focal_loss as torchvision_focal

import generate
from generate import REDUCTIONS, count_target, f32, grid, labels, randn, signs

torch.set_default_dtype(torch.float64)
jax.config.update("jax_enable_x64", True)
keras.config.set_floatx("float64")

TIGHT = 1e-10


# Libraries ----------------------------------------------------------------------------------------


def stub(name, path=None, **members):
    """A module in the place of a package whose own `__init__` needs too much."""
    module = types.ModuleType(name)
    if path is not None:
        module.__path__ = [str(path)]
    for member, value in members.items():
        setattr(module, member, value)
    sys.modules[name] = module


def folder(package):
    found = importlib.util.find_spec(package)
    return None if found is None else Path(found.submodule_search_locations[0])


class Registry:
    def register_module(self, *_, **__):
        return lambda member: member


root = folder("mmdet")
stub("mmdet", root)
stub("mmdet.models", root / "models")
stub("mmdet.models.losses", root / "models" / "losses")
stub("mmdet.registry", MODELS=Registry())
from mmdet.models.losses.gfocal_loss import quality_focal_loss as mmdet_quality
from mmdet.models.losses.varifocal_loss import varifocal_loss as mmdet_varifocal

neural = folder("neuralforecast")
for package, path in (("neuralforecast", ""), ("neuralforecast.losses", "losses")):
    stub(package, neural / path)
from neuralforecast.losses import pytorch as neuralforecast

barron = None
if root := folder("robust_loss_pytorch"):
    stub("robust_loss_pytorch", root)
    stub("torch_dct")
    from robust_loss_pytorch.general import lossfun as barron


def to_torch(x):
    return torch.tensor(np.asarray(x, dtype=np.float64).tolist())


def of_numpy(function):
    """A check by a library of arrays: values only."""
    def check(config, *operands):
        found = function(config, *(x.detach().numpy() for x in operands))
        return None if found is None else to_torch(found)
    return check


def of_jax(function):
    """A check by a library of jax: the values, and the gradients of their sum."""
    def check(config, *operands):
        arrays = [jnp.asarray(x.detach().numpy()) for x in operands]
        value = to_torch(function(config, *arrays))
        which = tuple(i for i, x in enumerate(operands) if x.requires_grad)
        gradients = jax.grad(lambda *x: function(config, *x).sum(), which)(*arrays)
        return value, [to_torch(g) for g in gradients]
    return check


def close(found, expected, tolerance, what):
    found, expected = found.detach(), expected.detach()
    assert found.shape == expected.shape, (what, found.shape, expected.shape)
    largest = expected.abs().max()
    error = (found - expected).abs() / (expected.abs() + largest).clamp(min=1e-300)
    assert (error <= tolerance).all(), f"{what}: off by {error.max():.1e}"


class Suite(generate.Suite):
    def __init__(self, loss, packages, checks):
        """`checks`: (name, tolerance, function) of the libraries; `packages`: theirs."""
        super().__init__(loss, ())
        self.packages, self.checks = packages, checks
        self.checked = {name: 0 for name, _, _ in checks}

    def add(self, name, config, inputs, target, each, *, target_gradient=False, **options):
        """`each(*inputs)` has the losses one by one."""
        super().add(name, config, inputs, target, lambda *x: each(*x[:-1]), target_gradient=target_gradient, **options)
        what = f"{self.loss}/{self.cases[-1]['name']}"
        for library, tolerance, function in self.checks:
            leaves = [x.clone().requires_grad_() for x in inputs]
            operands = leaves if target_gradient else leaves + [target.double()]
            found = function({**config, "reduction": self.cases[-1]["config"]["reduction"]}, *operands)
            if found is None:
                continue
            self.checked[library] += 1
            found, gradients = found if isinstance(found, tuple) else (found, None)
            own = each(*leaves)
            own = own.mean() if found.shape == () else own
            close(found, own, tolerance, f"{what} by {library}")
            expected = torch.autograd.grad(own.sum(), leaves)
            if gradients is None and found.requires_grad:
                gradients = torch.autograd.grad(found.sum(), leaves)
            for at, (theirs, ours) in enumerate(zip(gradients or (), expected)):
                if theirs is not None:
                    close(theirs, ours, tolerance, f"{what}, gradient {at}, by {library}")

    def write(self):
        lines = [json.dumps(c, separators=(",", ":"), allow_nan=False) for c in self.cases]
        libraries = {package: version(package) for package in self.packages}
        head = json.dumps({"torch": torch.__version__, "libraries": libraries})[:-1]
        text = head + ', "cases": [\n' + ",\n".join(lines) + "\n]}\n"
        assert len(json.loads(text)["cases"]) == len(self.cases) >= 20
        Path(__file__).with_name(f"{self.loss}.json").write_text(text)
        print(f"{self.loss:22} {len(self.cases):3} cases {len(text):7} bytes, checked: {self.checked}")
        assert all(count > 0 or name == "robust_loss_pytorch" for name, count in self.checked.items())
        return len(text)


SHAPES = [(7,), (5, 3), (2, 3, 3), (2, 1, 3, 2)]


def apart(x, y, step=1 / 256):
    """The targets moved where they equal the predictions."""
    return x, torch.where(x == y, y + step, y)


def positive(shape, scale=1.5, step=1 / 256, least=1 / 8):
    return f32(randn(shape, scale, step).abs() + least)


def softplus(x):
    return -F.logsigmoid(-x)


# Regression of two operands -----------------------------------------------------------------------


def basics(add, operands):
    """`operands(shape, scale)` makes predictions and targets."""
    for shape in SHAPES:
        for reduction in REDUCTIONS:
            add(f"rank{len(shape)}", *operands(shape), reduction=reduction)
    for shape in [(11,), (4, 3), (3, 2, 2), (2, 2, 2, 1)]:
        add(f"rank{len(shape)}_sample_weights", *operands(shape), sample_weights=True)
    add("one_element", *operands((1,)))
    add("one_row", *operands((1, 6)))


def pairs(shape, scale=1.0, step=1 / 256):
    return apart(randn(shape, scale, step), randn(shape, scale, step), step or 0.5)


def cycle(suite, values):
    return values[len(suite.cases) % len(values)]


def quantile():
    def many(config, x):
        axis = config["quantile_axis"] if len(config["quantiles"]) > 1 else None
        q = torch.tensor(config["quantiles"])
        return q if axis is None else q.reshape([-1 if i == axis else 1 for i in range(x.dim())])

    def scikit(config, x, y):
        q, axis = config["quantiles"], config["quantile_axis"]
        parts = zip(q, [x] if len(q) == 1 else np.split(x, len(q), axis))
        # As a single sample with one output per element, the library has the losses one by one.
        found = [sklearn.metrics.mean_pinball_loss(y.reshape(1, -1), part.reshape(1, -1), alpha=a,
                                                   multioutput="raw_values").reshape(part.shape) for a, part in parts]
        return found[0] if len(q) == 1 else np.concatenate(found, axis)

    def twice(config, x, y):  # pytorch-forecasting has twice the loss, with the quantiles on the last of three axes
        q, axis = config["quantiles"], config["quantile_axis"]
        if len(q) == 1:
            return QuantileLoss(q).loss(x.reshape(1, -1, 1), y.reshape(1, -1)).reshape(x.shape) / 2
        moved = x.movedim(axis, -1)
        found = QuantileLoss(q).loss(moved.reshape(1, -1, len(q)), y.reshape(1, -1))
        return found.reshape(moved.shape).movedim(-1, axis) / 2

    def gluon(config, x, y):  # twice the loss too
        q = config["quantiles"]
        if len(q) > 1:
            return None
        return gluonts_stats.quantile_loss({"label": y, str(q[0]): x}, q[0]) / 2

    suite = Suite("quantile", ("scikit-learn", "pytorch-forecasting", "gluonts", "neuralforecast"), [
        ("scikit-learn", TIGHT, of_numpy(scikit)),
        ("pytorch-forecasting, half of it", TIGHT, twice),
        ("gluonts, half of it", TIGHT, of_numpy(gluon)),
        ("neuralforecast", TIGHT, lambda c, x, y: neuralforecast.QuantileLoss(c["quantiles"][0])(y, x)
         if len(c["quantiles"]) == 1 else None),
    ])

    def add(name, x, y, quantiles=None, axis=1, **options):
        quantiles = cycle(suite, ([0.5], [0.1], [0.9], [0.75])) if quantiles is None else quantiles
        assert (x != y).all()
        config = {"quantiles": quantiles, "quantile_axis": axis}
        q = many(config, x)
        suite.add(name, config, [x, y], y, lambda x, y: torch.maximum(q * (y - x), (q - 1) * (y - x)),
                  target_gradient=True, **options)

    basics(add, pairs)
    add("magnitude_1e4", *pairs((3, 5), 1e4, 1.0))
    three, five = [0.1, 0.5, 0.9], [0.05, 0.25, 0.5, 0.75, 0.95]

    def several(name, shape, axis, quantiles, scale=1.0, **options):
        x = randn(shape, scale)
        y = randn([1 if i == axis else n for i, n in enumerate(shape)], scale)
        y = torch.where((x == y).any(axis, keepdim=True), y + 1 / 512, y)
        add(name, x, y, quantiles, axis, **options)

    for reduction in REDUCTIONS:
        several("several_rank2", (4, 3), 1, three, reduction=reduction)
    several("several_rank3", (2, 5, 3), 1, five)
    several("several_rank3_last_axis", (2, 3, 3), 2, three)
    several("several_rank4", (2, 2, 3, 2), 2, three)
    several("several_first_axis", (3, 4), 0, three, reduction="Mean")
    several("several_rank1", (3,), 0, three, reduction="Sum")
    several("several_sample_weights", (4, 5), 1, five, sample_weights=True)
    several("several_rank3_sample_weights", (2, 3, 4), 1, three, sample_weights=True)
    several("several_far", (3, 2), 1, [0.25, 0.75], 40.0)
    return suite


def expectile():
    def diagnostics(config, x, y):  # twice the loss
        level = config["expectile"]
        score = HomogeneousExpectileScore(degree=2, level=level)
        return score.score_per_obs(y_obs=y.flatten(), y_pred=x.flatten()).reshape(x.shape) / 2

    suite = Suite("expectile", ("model-diagnostics",), [
        ("model-diagnostics, half of it", TIGHT, of_numpy(diagnostics)),
    ])

    def add(name, x, y, value=None, **options):
        q = cycle(suite, (0.5, 0.1, 0.9, 0.75, 0.25)) if value is None else value
        each = lambda x, y: torch.where(y < x, 1 - q, q) * (x - y) ** 2
        suite.add(name, {"expectile": q}, [x, y], y, each, target_gradient=True, **options)

    basics(add, pairs)
    x = randn((3, 3))
    add("ties", x, torch.where(signs(x.shape) > 0, x, x + 1 / 4), 0.75)
    add("all_ties", x, x.clone(), 0.1)
    add("magnitude_1e4", *pairs((3, 5), 1e4, 1.0))
    add("magnitude_1e-3", *pairs((3, 3), 1e-3, None))
    add("extreme", *pairs((3, 4)), 0.0078125)
    add("extreme_high", *pairs((3, 4)), 0.96875)
    return suite


def differences(y, values):
    return y + torch.tensor(values).reshape(y.shape), y


def log_cosh():
    suite = Suite("log_cosh", ("optax", "keras", "neuralforecast"), [
        ("optax", TIGHT, of_jax(lambda c, x, y: optax.losses.log_cosh(x, y))),
        # Keras takes the mean along the last axis, in float32; it gets length 1 to keep the losses apart.
        ("keras", 1e-6, of_numpy(lambda c, x, y: keras.losses.log_cosh(y[..., None], x[..., None]))),
    ])

    def log_cosh_of(d):
        # Where d is small the logarithm is of 1 + 2 sinh(d/2)^2, and nothing cancels.
        small = d.abs() < 1
        near = torch.log1p(2 * torch.sinh(torch.where(small, d, 0.0) / 2) ** 2)
        return torch.where(small, near, d.abs() + softplus(-2 * d.abs()) - math.log(2))

    def add(name, x, y, **options):
        suite.add(name, {}, [x, y], y, lambda x, y: log_cosh_of(x - y), target_gradient=True, **options)

    basics(add, lambda shape: pairs(shape, 1.5))
    x = randn((3, 3))
    add("ties", x, torch.where(signs(x.shape) > 0, x, x + 1 / 4))
    add("all_ties", x, x.clone())
    add("zeros", torch.zeros(2, 2), torch.zeros(2, 2))
    add("magnitude_1e4", *pairs((3, 5), 1e4, 1.0))
    add("magnitude_1e2", *pairs((3, 5), 1e2, 1 / 8))
    y = randn((2, 6))
    add("small_and_large", *differences(y, [0.0, 1 / 128, -1 / 128, 9.5, -10.5, 20.0, -30.0, 44.5, -89.0, 150.0, 300.0, -1.0]))
    add("small_and_large", *differences(y, [0.0, 1 / 64, -1 / 16, 0.5, -0.5, 1.0, -1.0, 1.5, -2.0, 2.0, 3.0, -8.0]), sample_weights=True)
    return suite


def general_robust():
    def each_of(alpha, scale):
        def each(x, y):
            z = ((x - y) / scale) ** 2
            if alpha is None:
                return -torch.expm1(-z / 2)
            if alpha == 2:
                return z / 2
            if alpha == 0:
                return torch.log1p(z / 2)
            b = abs(alpha - 2)
            return b / alpha * torch.expm1(alpha / 2 * torch.log1p(z / b))
        return each

    def of_kornia(alpha, function):
        # The scale is in the units of the data there.
        return lambda c, x, y: function(x / c["scale"], y / c["scale"]) if c["alpha"] == alpha else None

    def original(config, x, y):
        if barron is None:
            return None
        alpha = torch.tensor(-math.inf if config["alpha"] is None else float(config["alpha"]))
        found = barron(x - y, alpha, torch.tensor(float(config["scale"])))
        # Its gradients are NaN at minus infinity.
        return found.detach() if config["alpha"] is None else found

    # All of kornia's have Barron's factors.
    suite = Suite("general_robust", ("kornia",), [
        ("kornia charbonnier", TIGHT, of_kornia(1.0, kornia.charbonnier_loss)),
        ("kornia cauchy", TIGHT, of_kornia(0.0, kornia.cauchy_loss)),
        ("kornia geman_mcclure", TIGHT, of_kornia(-2.0, kornia.geman_mcclure_loss)),
        ("kornia welsch", TIGHT, of_kornia(None, kornia.welsch_loss)),
        # It subtracts 1 from a power: 1e-9 where both are nearly 1.
        ("robust_loss_pytorch", 1e-9, original),
    ])

    def add(name, x, y, alpha="next", scale=None, **options):
        alpha = cycle(suite, (1.0, 2.0, 0.0, -2.0, None, 0.5, 1.5, -1.0)) if alpha == "next" else alpha
        scale = cycle(suite, (1.0, 0.5, 2.0)) if scale is None else scale
        name += f"_alpha_{'null' if alpha is None else alpha}"
        suite.add(name, {"alpha": alpha, "scale": scale}, [x, y], y, each_of(alpha, scale), target_gradient=True, **options)

    basics(add, pairs)
    x = randn((2, 4))
    for alpha in (1.0, None):
        add("ties", x, torch.where(signs(x.shape) > 0, x, x + 1 / 4), alpha)
    add("all_ties", x, x.clone(), -2.0)
    for alpha in (1.0, 0.0, -2.0):
        add("magnitude_1e4", *pairs((2, 4), 1e4, 1.0), alpha, 1.0 if alpha != -2.0 else 1e3)
    # Of Welsch's loss only the near ones have a gradient.
    y = randn((2, 4))
    add("near_and_far", *differences(y, [0.0, 0.25, -1.0, 2.0, -4.0, 8.0, -16.0, 64.0]), None, 1.0)
    for alpha in (3.0, -8.0):
        add("other", *pairs((3, 3)), alpha)
    add("near_0", *pairs((3, 3)), 2.0**-8, 1.0)
    for alpha in (1.0, None):  # their losses cancel in the formulas as they are written
        add("small_differences", *pairs((2, 4), 1e-2, None), alpha, 1.0)
    return suite


def tukey():
    def statsmodels(config, x, y):
        norm, d = TukeyBiweight(config["c"]), (x - y).detach().numpy()
        gradient = to_torch(norm.psi(d))
        return to_torch(norm.rho(d)), [gradient, -gradient]

    # It subtracts from c^2 / 6: 1e-9 where the differences are small.
    suite = Suite("tukey", ("statsmodels",), [("statsmodels", 1e-9, statsmodels)])

    def add(name, x, y, c=None, **options):
        c = cycle(suite, (4.685, 1.0, 2.0, 0.5)) if c is None else c
        assert ((x - y).abs() != c).all()

        def each(x, y):
            d = (x - y) / c
            u = torch.where(d.abs() <= 1, d * d, 1.0)
            return c * c / 6 * u * (3 + u * (u - 3))

        suite.add(name, {"c": c}, [x, y], y, each, target_gradient=True, **options)

    basics(add, lambda shape: pairs(shape, 1.0, 1 / 512))
    x = randn((3, 3))
    add("ties", x, torch.where(signs(x.shape) > 0, x, x + 1 / 4), 1.0)
    add("all_ties", x, x.clone(), 4.685)
    add("all_outliers", x, x + 9.0 * signs(x.shape), 4.685)
    y = randn((2, 4))
    add("within_and_beyond", *differences(y, [0.0, 1.0, -1.0, 1.96875, -1.96875, 2.03125, -2.03125, 60.0]), 2.0)
    add("magnitude_1e4", *pairs((3, 5), 1e4, 1.0), 9000.5)
    add("magnitude_1e4_default", *pairs((3, 5), 1e4, 1.0), 4.685)
    add("small_differences", *pairs((3, 3), 1e-3, None), 4.685)
    return suite


def msle():
    suite = Suite("msle", ("scikit-learn", "keras"), [
        ("scikit-learn", TIGHT, of_numpy(lambda c, x, y: sklearn.metrics.mean_squared_log_error(
            y.reshape(1, -1), x.reshape(1, -1), multioutput="raw_values").reshape(x.shape)
            if (x >= 0).all() and (y >= 0).all() else None)),
        # Keras raises both to 1e-7, and takes its mean in float32.
        ("keras", 1e-6, of_numpy(lambda c, x, y: keras.losses.mean_squared_logarithmic_error(y[..., None], x[..., None])
         if (x > 1e-6).all() and (y > 1e-6).all() else None)),
    ])

    def add(name, x, y, **options):
        suite.add(name, {}, [x, y], y, lambda x, y: (torch.log1p(x) - torch.log1p(y)) ** 2, target_gradient=True, **options)

    def above(shape, scale=2.0, step=1 / 256, least=1 / 256):
        return positive(shape, scale, step, least), positive(shape, scale, step, least)

    basics(add, above)
    x, _ = above((3, 3))
    add("ties", x, torch.where(signs(x.shape) > 0, x, x + 1 / 4))
    add("all_ties", x, x.clone())
    add("zeros", torch.tensor([[0.0, 0.0, 1.0, 3.0]]), torch.tensor([[0.0, 2.0, 0.0, 1.5]]))
    below = lambda: grid(torch.rand(3, 4) * 0.875) - 0.9375
    add("below_0", below(), below())
    add("near_minus_1", torch.tensor([[-0.998046875, -0.5, 0.0]]), torch.tensor([[0.5, -0.99609375, -0.96875]]))
    add("magnitude_1e4", *above((3, 5), 1e4, 1.0, 1.0))
    add("magnitude_1e-3", *above((3, 3), 1e-3, None, 0.0))
    add("magnitude_1e6_and_1", positive((2, 3), 1e6, 1.0, 1.0), positive((2, 3)))
    return suite


def away(shape, scale=1.5, step=1 / 256, least=1 / 8):
    return signs(shape) * positive(shape, scale, step, least)


def mape():
    percent = lambda c: 100 if c["percent"] else 1

    def clear(c, y):
        return (abs(y) > c["eps"]).all()

    suite = Suite("mape", ("scikit-learn", "keras", "gluonts", "neuralforecast"), [
        ("scikit-learn", TIGHT, of_numpy(lambda c, x, y: percent(c) * sklearn.metrics.mean_absolute_percentage_error(
            y.reshape(1, -1), x.reshape(1, -1), multioutput="raw_values").reshape(x.shape) if clear(c, y) else None)),
        # Keras has the percentage alone and an eps of 1e-7, and takes its mean in float32.
        ("keras", 1e-6, of_numpy(lambda c, x, y: percent(c) / 100 * keras.losses.mean_absolute_percentage_error(
            y[..., None], x[..., None]) if clear(c, y) or c["eps"] == 1e-7 else None)),
        ("gluonts", TIGHT, of_numpy(lambda c, x, y: percent(c) * gluonts_stats.absolute_percentage_error(
            {"label": y, "mean": x}, "mean") if clear(c, y) else None)),
        ("neuralforecast", TIGHT, lambda c, x, y: percent(c) * neuralforecast.MAPE()(y, x) if clear(c, y.detach()) else None),
    ])

    def add(name, x, y, percent=None, eps=1e-7, **options):
        percent = cycle(suite, (False, True)) if percent is None else percent
        assert (x != y).all() and (y.abs() != eps).all()

        def each(x, y):
            size = torch.where(y.abs() > eps, y.abs(), eps)
            return (x - y).abs() / size * (100 if percent else 1)

        suite.add(name, {"percent": percent, "eps": eps}, [x, y], y, each, target_gradient=True, **options)

    operands = lambda shape, *a: apart(randn(shape, 2.0), away(shape, *a))
    basics(add, operands)
    add("magnitude_1e4", randn((3, 5), 1e4, 1.0), away((3, 5), 1e4, 1.0, 0.5))
    add("magnitude_1e-3", randn((3, 3), 1e-3, None), away((3, 3), 1e-3, None, 1 / 1024))
    add("zero_predictions", torch.tensor([[0.0, 1.0, 0.0], [-2.0, 0.0, 0.0]]), grid(away((2, 3)) + 1 / 512, 1 / 512))
    for reduction in REDUCTIONS:
        x, y = operands((2, 4))
        add("eps_0.5", x, apart(x, randn((2, 4)))[1] + 1 / 1024, eps=0.5, reduction=reduction)
    add("eps_0.25_zero_targets", *apart(randn((2, 4)), torch.tensor([[0.0, 1.0, 0.0, -1.5], [0.125, -0.125, 2.0, 0.0]])), eps=0.25)
    add("zero_targets", away((2, 3)), torch.tensor([[0.0, 1.0, 2.0], [0.0, -1.0, 4.0]]))
    add("eps_0.5_sample_weights", *apart(randn((3, 3)), randn((3, 3)) + 1 / 1024), eps=0.5, sample_weights=True)
    return suite


def smape():
    percent = lambda c: 100 if c["percent"] else 1
    some = lambda x, y: (abs(x) + abs(y) > 0).all()
    suite = Suite("smape", ("neuralforecast", "gluonts"), [
        ("neuralforecast", TIGHT, lambda c, x, y: percent(c) * neuralforecast.SMAPE()(y, x)),
        ("gluonts", TIGHT, of_numpy(lambda c, x, y: percent(c) * gluonts_stats.symmetric_absolute_percentage_error(
            {"label": y, "mean": x}, "mean") if some(x, y) else None)),
    ])

    def add(name, x, y, percent=None, **options):
        percent = cycle(suite, (False, True)) if percent is None else percent
        none = (x == 0) & (y == 0)
        assert ((x != y) & (x != 0) & (y != 0) | none).all()

        def each(x, y):
            # The zeros are exchanged for numbers that keep their losses and gradients at 0.
            x, y = x.masked_fill(none, 1.0), y.masked_fill(none, 1.0)
            return 2 * (x - y).abs() / (x.abs() + y.abs()) * (100 if percent else 1)

        suite.add(name, {"percent": percent}, [x, y], y, each, target_gradient=True, **options)

    operands = lambda shape, *a: apart(away(shape, *a), away(shape, *a))
    basics(add, operands)
    add("one_sign", *apart(positive((3, 3)), positive((3, 3))))
    add("magnitude_1e4", *operands((3, 5), 1e4, 1.0, 1.0))
    add("magnitude_1e-3", *operands((3, 3), 1e-3, None, 1 / 1024))
    add("far", positive((3, 3), 16.0, 1 / 16, 8.0), positive((3, 3), 1.0, 1 / 256, 1 / 2))
    for reduction in REDUCTIONS:
        x, y = operands((2, 4))
        x[0, ::2] = y[0, ::2] = 0.0
        add("zeros", x, y, reduction=reduction)
    x, y = operands((3, 3))
    x[1] = y[1] = 0.0
    add("zeros_sample_weights", x, y, sample_weights=True)
    add("all_zeros", torch.zeros(2, 2), torch.zeros(2, 2))
    return suite


def tweedie():
    def deviance(config, x, y):
        """Half the deviance, and the terms of the target alone, which it has and the loss has not."""
        p = config["power"]
        found = [sklearn.metrics.mean_tweedie_deviance([b], [math.exp(a)], power=p) for a, b in zip(x.flatten(), y.flatten())]
        return np.reshape(found, x.shape) / 2 - y ** (2 - p) / ((1 - p) * (2 - p))

    # The two nearly cancel in the deviance where y is near the mean, so it is 1e-10 of their size.
    suite = Suite("tweedie", ("scikit-learn",), [("scikit-learn", TIGHT, of_numpy(deviance))])

    def add(name, x, y, power=None, **options):
        p = cycle(suite, (1.5, 1.25, 1.75, 1.1)) if power is None else power
        each = lambda x, y: y * torch.exp((1 - p) * x) / (p - 1) + torch.exp((2 - p) * x) / (2 - p)
        suite.add(name, {"power": p}, [x, y], y, each, target_gradient=True, **options)

    def amounts(shape, scale=1.0):
        y = positive(shape, 2.0, least=0.0)
        return randn(shape, scale), torch.where(torch.rand(shape) < 0.4, 0.0, y)

    basics(add, amounts)
    add("all_zeros", randn((3, 3)), torch.zeros(3, 3))
    add("zero_log_mean", torch.zeros(2, 3), positive((2, 3)))
    for power in (1.5, 1.0625, 1.9375):
        add(f"power_{power}", *amounts((3, 4), 2.0), power)
    add("best", torch.zeros(2, 2), torch.ones(2, 2))
    add("magnitude_1e4", f32(randn((3, 4)) + 8.0), positive((3, 4), 1e4, 1.0, 1.0))
    add("log_mean_to_20", torch.tensor([[20.0, -20.0, 10.0], [-10.0, 15.0, -15.0]]), positive((2, 3)))
    return suite


def gamma_nll():
    def deviance(config, x, y):
        """Half the deviance is y / mean - 1 - ln(y / mean)."""
        if config["shape"] is not None:
            return None
        found = [sklearn.metrics.mean_gamma_deviance([b], [math.exp(a)]) for a, b in zip(x.flatten(), y.flatten())]
        return np.reshape(found, x.shape) / 2 + 1 + np.log(y)

    def distribution(config, x, y):
        k = config["shape"]
        return None if k is None else -dist.Gamma(torch.tensor(k), k * torch.exp(-x)).log_prob(y)

    def family(config, x, y):
        k = config["shape"]
        return None if k is None else -StatsmodelsGamma().loglike_obs(y, np.exp(x), scale=1 / k)

    suite = Suite("gamma_nll", ("scikit-learn", "statsmodels"), [
        ("scikit-learn", TIGHT, of_numpy(deviance)),
        ("torch.distributions", TIGHT, distribution),
        ("statsmodels", TIGHT, of_numpy(family)),
    ])

    def add(name, x, y, shape="next", **options):
        k = cycle(suite, (None, 2.0, None, 0.5, 1.0)) if shape == "next" else shape

        def each(x, y):
            loss = y * torch.exp(-x) + x
            return loss if k is None else k * loss - (k - 1) * y.log() - k * math.log(k) + math.lgamma(k)

        suite.add(name, {"shape": k}, [x, y], y, each, target_gradient=True, **options)

    operands = lambda shape: (randn(shape), positive(shape, 2.0))
    basics(add, operands)
    for k in (None, 1.0, 0.25, 7.5, 100.0):
        add(f"shape_{k}", *operands((3, 3)), k)
    for k in (None, 3.0):
        add(f"magnitude_1e4_shape_{k}", f32(randn((3, 4)) + 8.0), positive((3, 4), 1e4, 1.0, 1.0), k)
    add("best", torch.zeros(2, 2), torch.ones(2, 2), None)
    add("log_mean_to_20", torch.tensor([[20.0, -5.0, 10.0], [-10.0, 15.0, 0.0]]), positive((2, 3)), None)
    add("small_targets", randn((2, 3)), positive((2, 3), 1e-2, None, 1 / 1024), 2.0)
    return suite


# Regression of three ------------------------------------------------------------------------------


def negative_binomial_nll():
    plain = lambda c: c["parametrization"] == "TotalCountLogits"

    def distribution(config, a, b, y):
        r, logits = (a, b) if plain(config) else (1 / b, torch.log(a * b))
        return -dist.NegativeBinomial(r, logits=logits, validate_args=False).log_prob(y)

    def forecasting(config, a, b, y):
        if plain(config):
            return None
        found = NegativeBinomialDistributionLoss().map_x_to_distribution(torch.stack((a, b), -1))
        return -dist.NegativeBinomial(found.total_count, found.probs, validate_args=False).log_prob(y)

    def family(config, a, b, y):
        return None if plain(config) else -StatsmodelsNegativeBinomial(alpha=b).loglike_obs(y, a)

    suite = Suite("negative_binomial_nll", ("statsmodels", "pytorch-forecasting"), [
        ("torch.distributions", TIGHT, distribution),
        ("pytorch-forecasting", TIGHT, forecasting),
        ("statsmodels", TIGHT, of_numpy(family)),
    ])

    def add(name, a, b, y, logits=False, **options):
        y = count_target(y, a.shape) if isinstance(y, str) else y
        n = y.double()

        def each(a, b):
            if logits:
                r, zeros, ones = a, softplus(b), softplus(-b)
            else:
                r, zeros, ones = 1 / b, torch.log1p(a * b), torch.log1p(1 / (a * b))
            constant = torch.lgamma(n + 1) + torch.lgamma(r) - torch.lgamma(n + r)
            return constant + r * zeros + n * ones

        config = {"parametrization": "TotalCountLogits" if logits else "MeanDispersion"}
        suite.add(name + "_logits" * logits, config, [a, b], y, each, **options)

    def operands(shape, logits):
        if logits:
            return positive(shape, 2.0, least=1 / 2), randn(shape)
        return positive(shape, 3.0, least=1 / 2), positive(shape, 1.0, least=1 / 4)

    for logits in (False, True):
        for i, shape in enumerate(SHAPES):
            for reduction in list(REDUCTIONS)[i % 2 :: 2]:
                kind = cycle(suite, ("int", "float"))
                add(f"{kind}_rank{len(shape)}", *operands(shape, logits), kind, logits, reduction=reduction)
        for shape in [(4, 3), (2, 3, 2)]:
            kind = cycle(suite, ("int", "float"))
            add(f"{kind}_rank{len(shape)}_sample_weights", *operands(shape, logits), kind, logits, sample_weights=True)
        add("one_element", *operands((1,), logits), torch.tensor([3]), logits)
        add("no_counts", *operands((3, 3), logits), torch.zeros(3, 3, dtype=torch.int64), logits)
        y = torch.tensor([[0, 1, 2, 1000], [3, 0, 250, 60]])
        add("counts_to_1e3", f32([[0.5, 4.0, 2.0, 900.0], [5.0, 0.25, 200.0, 100.0]]) if not logits
            else torch.tensor([[0.5, 4.0, 2.0, 9.0], [5.0, 0.25, 2.0, 1.0]]),
            f32([[0.5, 1.0, 2.0, 0.25], [4.0, 1.0, 0.5, 1.0]]) if not logits
            else torch.tensor([[0.5, -1.0, 0.25, 4.0], [-0.5, 1.0, 4.0, 3.0]]), y, logits)
    add("small_dispersion", torch.tensor([[100.0, 60.0, 80.0]]), torch.tensor([[1 / 64, 1 / 32, 1 / 64]]),
        torch.tensor([[130, 20, 60]]))
    add("large_total_count", torch.tensor([[64.0, 32.0, 40.0]]), torch.tensor([[0.5, 0.25, -0.5]]),
        torch.tensor([[130, 20, 60]]), True)
    return suite


def scaled(loss, packages, checks, each_of, options=({},), least_target=None, more=None):
    """A loss of a prediction, a scale and a target, whose gradient comes last."""
    suite = Suite(loss, packages, checks)

    def add(name, x, scale, y, config=None, **rest):
        config = cycle(suite, options) if config is None else config
        suite.add(name, config, [x, scale, y], y, each_of(config), target_gradient=True, **rest)

    def operands(shape, size=1.0, step=1 / 256):
        x, scale = randn(shape, size, step), positive(shape, 1.5 * size, step, size / 4)
        if least_target is not None:
            return x, scale, positive(shape, 2.0, step, least_target)
        x, y = apart(x, randn(shape, 1.5 * size, step), step or 0.5)
        return x, scale, y

    basics(add, operands)
    more(suite, add, operands)
    return suite


def laplace_nll():
    def more(suite, add, operands):
        add("magnitude_1e4", *operands((3, 5), 1e4, 1.0))
        add("magnitude_1e-2", *operands((3, 3), 1e-2, None))
        x, _, y = operands((3, 3))
        add("large_scale", x, positive((3, 3), 1e3, 1.0, 1.0), y)
        add("small_scale", x, positive((3, 3), 1e-2, None, 1 / 128), y)
        add("far", x, positive((3, 3)), y + 40.0)
        add("scale_of_half", x, torch.full((3, 3), 0.5), y)

    check = lambda c, x, b, y: -dist.Laplace(x, b).log_prob(y)
    each = lambda x, b, y: torch.log(2 * b) + (x - y).abs() / b
    return scaled("laplace_nll", (), [("torch.distributions", TIGHT, check)], lambda c: each, more=more)


def student_t_nll():
    def each_of(config):
        df = config["df"]
        constant = math.lgamma(df / 2) - math.lgamma((df + 1) / 2) + math.log(df * math.pi) / 2
        return lambda x, s, y: constant + torch.log(s) + (df + 1) / 2 * torch.log1p(((x - y) / s) ** 2 / df)

    def more(suite, add, operands):
        x, s, _ = operands((3, 3))
        add("ties", x, s, torch.where(signs(x.shape) > 0, x, x + 1 / 4))
        add("all_ties", x, s, x.clone())
        for df in (0.5, 4.0, 100.0):
            add(f"df_{df}", *operands((3, 3)), {"df": df})
        add("magnitude_1e4", *operands((3, 5), 1e4, 1.0))
        add("far", x, s, x + 1e4 * signs(x.shape), {"df": 3.0})
        add("small_scale", x, positive((3, 3), 1e-2, None, 1 / 128), operands((3, 3))[2], {"df": 3.0})

    check = lambda c, x, s, y: -dist.StudentT(torch.tensor(c["df"]), x, s).log_prob(y)
    return scaled("student_t_nll", (), [("torch.distributions", TIGHT, check)], each_of,
                  [{"df": df} for df in (3.0, 1.0, 30.0, 2.5)], more=more)


def log_normal_nll():
    def more(suite, add, operands):
        add("one", torch.zeros(2, 2), torch.ones(2, 2), torch.ones(2, 2))
        m, s, y = operands((3, 3))
        add("magnitude_1e4", f32(m + 8.0), s, positive((3, 3), 1e4, 1.0, 1.0))
        add("small_targets", m, s, positive((3, 3), 1e-2, None, 1 / 1024))
        add("small_scale", m, positive((3, 3), 1e-2, None, 1 / 64), y)
        add("large_scale", m, positive((3, 3), 1e2, 1.0, 1.0), y)
        add("far", f32(m * 10.0), s, y)

    each = lambda m, s, y: y.log() + s.log() + math.log(2 * math.pi) / 2 + ((y.log() - m) / s) ** 2 / 2
    check = lambda c, m, s, y: -dist.LogNormal(m, s).log_prob(y)
    return scaled("log_normal_nll", (), [("torch.distributions", TIGHT, check)], lambda c: each,
                  least_target=1 / 8, more=more)


def gaussian_crps():
    def each(m, s, y):
        w = (y - m) / s
        density = torch.exp(-w * w / 2) / math.sqrt(2 * math.pi)
        return s * (w * torch.erf(w / math.sqrt(2)) + 2 * density - 1 / math.sqrt(math.pi))

    def rules(config, m, s, y):
        return scoringrules.crps_normal(y, m, s, backend="torch")

    def proper(config, m, s, y):
        arrays = (v.detach().numpy() for v in (y, m, s))
        value, gradient = properscoring.crps_gaussian(*arrays, grad=True)
        return to_torch(value), [to_torch(gradient[0]), to_torch(gradient[1])]

    def more(suite, add, operands):
        m, s, y = operands((3, 3))
        add("ties", m, s, torch.where(signs(m.shape) > 0, m, m + 1 / 4))
        add("all_ties", m, s, m.clone())
        add("magnitude_1e4", *operands((3, 5), 1e4, 1.0))
        add("magnitude_1e-2", *operands((3, 3), 1e-2, None))
        add("far", m, s, y + 40.0 * signs(m.shape))
        add("small_scale", m, positive((3, 3), 1e-1, None, 1 / 16), y)
        add("large_scale", m, positive((3, 3), 1e2, 1.0, 1.0), y)

    checks = [
        ("scoringrules", TIGHT, rules),
        ("properscoring", TIGHT, proper),
    ]
    return scaled("gaussian_crps", ("scoringrules", "properscoring"), checks, lambda c: each, more=more)


# Classification -----------------------------------------------------------------------------------


def cross_entropy(x, y):
    return y * softplus(-x) + (1 - y) * softplus(x)


def binary(add, soft):
    for shape in SHAPES:
        for reduction in REDUCTIONS:
            add(f"rank{len(shape)}", shape, None, reduction=reduction)
    for i, shape in enumerate([(11,), (4, 3), (3, 2, 2), (2, 2, 2, 1)]):
        add(f"rank{len(shape)}_sample_weights", shape, ("hard", "int", "bool", soft)[i], sample_weights=True)
    add("one_element", (1,), "int")
    for kind in ("hard", "int"):
        add(f"scale_6_{kind}", (3, 3), kind, x=randn((3, 3), 6.0))
    add("scale_1e-2", (2, 3), "hard", x=randn((2, 3), 1e-2, None))
    zeros = torch.zeros(2, 2)
    add("zero_logits", (2, 2), torch.tensor([[1, 0], [0, 1]]), x=zeros)


FAR = torch.tensor([[20.0, -20.0, 10.0, -10.0, 14.0, -14.0]])
VERY_FAR = torch.tensor([[100.0, -100.0, 1e4, -1e4, 3.0, -3.0]])
TINY = {"value": True, "unreduced": True, "gradient0": True}


def kinds(suite, soft):
    return cycle(suite, ("int", "hard", "bool", soft))


def sigmoid_focal():
    def torchvision(config, x, y):
        alpha = -1 if config["alpha"] is None else config["alpha"]
        return torchvision_focal(x, y, alpha, config["gamma"]) if (x.abs() < 30).all() else None

    def of_optax(config, x, y):
        return optax.losses.sigmoid_focal_loss(x, y, alpha=config["alpha"], gamma=config["gamma"])

    def by_optax(config, x, y):
        return of_jax(of_optax)(config, x, y) if (x.abs() < 30).all() else None

    suite = Suite("sigmoid_focal", ("torchvision", "optax"), [
        ("torchvision", TIGHT, torchvision), ("optax", TIGHT, by_optax),
    ])

    def add(name, shape, target, gamma=None, alpha="next", divisor="Elements", x=None, **options):
        gamma = cycle(suite, (2.0, 1.5, 0.0, 1.0, 3.0)) if gamma is None else gamma
        alpha = cycle(suite, (None, 0.25, 0.75)) if alpha == "next" else alpha
        target = kinds(suite, "soft") if target is None else target
        if isinstance(target, str):
            name, target = f"{name}_{target}" if target not in name else name, labels(target, shape)
        x = randn(shape, 2.0) if x is None else x
        y = target.double()

        def each(x):
            a = 1.0 if alpha is None else alpha * y + (1 - alpha) * (1 - y)
            miss = torch.sigmoid(x) * (1 - y) + torch.sigmoid(-x) * y
            return a * miss**gamma * cross_entropy(x, y)

        weight = None
        if divisor == "Positives":  # what the weights add up to is what Mean divides by
            weight = y if y.sum() >= 1 else torch.full_like(y, 1 / y.numel())
        config = {"gamma": gamma, "alpha": alpha, "divisor": divisor}
        suite.add(name, config, [x], target, each, weight=weight, **options)

    binary(add, "soft")
    add("right", (1, 6), FAR > 0, 2.0, None, x=FAR, tiny=TINY)
    add("wrong", (1, 6), (FAR < 0).double(), 2.0, 0.25, x=FAR)
    add("very_far_wrong", (1, 6), (VERY_FAR < 0).long(), 2.0, None, x=VERY_FAR)
    add("very_far_right", (1, 6), VERY_FAR > 0, 2.0, 0.25, x=VERY_FAR)
    for kind in ("int", "soft"):
        add("positives", (4, 3), kind, 2.0, 0.25, "Positives", reduction="Mean")
    add("no_positives", (2, 3), torch.zeros(2, 3).long(), 2.0, 0.25, "Positives", reduction="Mean")
    add("positives", (2, 3), "hard", 2.0, None, "Positives", reduction="Sum")
    add("positives", (3, 2), "hard", 2.0, None, "Positives", reduction="BatchMean")
    return suite


def quality_focal():
    def mmdet(config, x, y):
        """As one class; of quality 0 both as that class and as the background."""
        if (x.abs() > 30).any():  # its 1 - s is 0 there
            return None
        flat, score = x.reshape(-1, 1), y.flatten()
        positive = torch.zeros_like(score).long()
        background = torch.where(score > 0, 0, 1)
        one, other = (mmdet_quality(flat, (label, score), beta=config["beta"], reduction="none") for label in (positive, background))
        close(one, other, TIGHT, "mmdet's background")
        return one.reshape(x.shape)

    suite = Suite("quality_focal", ("mmdet",), [("mmdet", TIGHT, mmdet)])

    def add(name, shape, target, beta=None, x=None, **options):
        beta = cycle(suite, (2.0, 1.5, 1.0, 3.0)) if beta is None else beta
        target = cycle(suite, ("soft", "int", "soft", "hard", "bool")) if target is None else target
        if isinstance(target, str):
            name, target = f"{name}_{target}" if target not in name else name, labels(target, shape)
        x = randn(shape, 2.0) if x is None else x
        y = target.double()

        def each(x):
            miss = torch.sigmoid(x) * (1 - y) - torch.sigmoid(-x) * y
            return miss.abs() ** beta * cross_entropy(x, y)

        suite.add(name, {"beta": beta}, [x], target, each, **options)

    binary(add, "soft")
    add("right", (1, 6), FAR > 0, 2.0, x=FAR, tiny=TINY)
    add("wrong", (1, 6), (FAR < 0).double(), 2.0, x=FAR)
    add("very_far_wrong", (1, 6), (VERY_FAR < 0).long(), 2.0, x=VERY_FAR)
    add("very_far_right", (1, 6), VERY_FAR > 0, 2.0, x=VERY_FAR)
    add("met", (2, 2), torch.full((2, 2), 0.5), 2.0, x=torch.tensor([[0.0, 1.0], [-1.0, 0.0]]))
    add("beta_0", (2, 3), "soft", 0.0)
    return suite


def varifocal():
    def mmdet(config, x, y):
        if (x.abs() > 30).any():  # its cross entropy cancels there
            return None
        return mmdet_varifocal(x, y, alpha=config["alpha"], gamma=config["gamma"], reduction="none")

    # mmdet's weight is part of its graph.
    suite = Suite("varifocal", ("mmdet",), [("mmdet", TIGHT, mmdet)])

    def add(name, shape, target, alpha=None, gamma=None, x=None, **options):
        alpha = cycle(suite, (0.75, 0.25, 1.0)) if alpha is None else alpha
        gamma = cycle(suite, (2.0, 1.5, 1.0, 3.0)) if gamma is None else gamma
        target = cycle(suite, ("scores", "int", "scores", "hard", "bool")) if target is None else target
        if isinstance(target, str):
            name, kind = f"{name}_{target}" if target not in name else name, target
            target = labels("soft" if kind == "scores" else kind, shape)
            if kind == "scores":
                target = torch.where(torch.rand(shape) < 0.5, 0.0, target)
        x = randn(shape, 2.0) if x is None else x
        y = target.double()

        def each(x):
            weight = torch.where(y > 0, y, alpha * torch.sigmoid(x) ** gamma)
            return weight * cross_entropy(x, y)

        suite.add(name, {"alpha": alpha, "gamma": gamma}, [x], target, each, **options)

    binary(add, "scores")
    far = torch.tensor([[-10.0, -14.0, -7.0, -9.0]])
    add("right", (1, 4), torch.zeros(1, 4), 0.75, 2.0, x=far, tiny=TINY)
    add("right_and_wrong", (1, 6), FAR > 0, 0.75, 2.0, x=FAR)
    add("wrong", (1, 6), (FAR < 0).double(), 0.75, 2.0, x=FAR)
    add("very_far_wrong", (1, 6), (VERY_FAR < 0).long(), 0.75, 2.0, x=VERY_FAR)
    add("very_far_right", (1, 6), VERY_FAR > 0, 0.75, 2.0, x=VERY_FAR)
    add("gamma_0", (2, 3), "scores", 0.75, 0.0)
    add("no_scores", (2, 3), torch.zeros(2, 3))
    add("small_scores", (2, 3), torch.tensor([[1 / 64, 0.0, 1 / 64], [1.0, 1 / 64, 0.0]]))
    return suite


@contextlib.contextmanager
def float_as_double():
    """Lets a library that converts to float32 keep its float64."""
    own = torch.Tensor.float
    torch.Tensor.float = torch.Tensor.double
    try:
        yield
    finally:
        torch.Tensor.float = own


def asymmetric():
    def timm(config, x, y):
        # It limits probabilities to 1e-8, and has another weight for labels that are neither 0 nor 1.
        if (x.abs() > 15).any() or ((y != 0) & (y != 1)).any():
            return None
        loss = AsymmetricLossMultiLabel(config["gamma_neg"], config["gamma_pos"], clip=config["margin"], reduction="none")
        with float_as_double():
            return loss(x, y)

    suite = Suite("asymmetric", ("timm",), [("timm", TIGHT, timm)])

    def add(name, shape, target, gammas=None, margin=None, x=None, **options):
        gamma_neg, gamma_pos = cycle(suite, ((4.0, 1.0), (2.0, 0.0), (3.0, 1.5), (1.0, 2.0), (4.0, 0.0))) if gammas is None else gammas
        margin = cycle(suite, (0.05, 0.0, 0.125)) if margin is None else margin
        target = cycle(suite, ("int", "hard", "bool")) if target is None else target
        if isinstance(target, str):
            name, target = f"{name}_{target}" if target not in name else name, labels(target, shape)
        x = randn(shape, 2.0) if x is None else x
        y = target.double()
        if margin:  # its corner is missed clearly
            assert ((torch.sigmoid(x) - margin).abs() > 1e-5).all()

        def each(x):
            above = torch.sigmoid(x) > margin
            p = torch.where(above, torch.sigmoid(torch.where(above, x, 0.0)) - margin, 0.0)
            # 1 - p is the sigmoid of -x, and the margin, which is 0 or keeps it from cancelling.
            log = F.logsigmoid(-x) if margin == 0 else torch.log(torch.where(above, torch.sigmoid(-x) + margin, 1.0))
            base = torch.where(above, p, 1.0)
            power = torch.where(above, base**gamma_neg, 1.0 if gamma_neg == 0 else 0.0)
            return -y * torch.sigmoid(-x) ** gamma_pos * F.logsigmoid(x) - (1 - y) * power * log

        config = {"gamma_neg": gamma_neg, "gamma_pos": gamma_pos, "margin": margin}
        suite.add(name, config, [x], target, each, **options)

    binary(add, "hard")
    # The labels between 0 and 1 mix the two terms.
    add("soft", (4, 3), "soft")
    add("wrong", (1, 6), (FAR < 0).double(), (4.0, 1.0), 0.05, x=FAR)
    add("right", (1, 6), FAR > 0, (4.0, 1.0), 0.05, x=FAR)
    add("right_no_margin", (1, 6), FAR > 0, (2.0, 1.0), 0.0, x=FAR, tiny=TINY)
    add("wrong_no_margin", (1, 6), (VERY_FAR < 0).long(), (4.0, 1.0), 0.0, x=VERY_FAR)
    add("very_far_wrong", (1, 6), (VERY_FAR < 0).long(), (4.0, 1.0), 0.05, x=VERY_FAR)
    add("all_below_margin", (2, 3), torch.zeros(2, 3), (4.0, 1.0), 0.125, x=f32(randn((2, 3)) - 8.0))
    add("cross_entropy", (2, 3), "int", (0.0, 0.0), 0.0)
    add("gamma_neg_0", (2, 3), "int", (0.0, 1.0), 0.05)
    return suite


if __name__ == "__main__":
    losses = (
        quantile, expectile, log_cosh, general_robust, tukey, msle, mape, smape, tweedie, gamma_nll,
        negative_binomial_nll, laplace_nll, student_t_nll, log_normal_nll, gaussian_crps, sigmoid_focal,
        quality_focal, varifocal, asymmetric,
    )
    wanted = sys.argv[1:] or [loss.__name__ for loss in losses]
    print(f"{sum(loss().write() for loss in losses if loss.__name__ in wanted)} bytes in all")
