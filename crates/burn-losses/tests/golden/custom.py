"""Golden data for losses written as closures: what other libraries compute, in float64.

Run `python custom.py` in a virtual environment with torch, torchvision, monai, kornia, scikit-learn,
optax and keras; `custom.json` is written beside this script, one case per line.

* Inputs are multiples of 1/128, or class ids, so float32 and float64 tests start from the same
  numbers. Results are written with 14 significant digits.
* `shape` is that of `x`, the predictions. The targets `y` have it too, but for softmax_focal, where
  they are one class id per row.
* `unreduced` is without reduction: one number per element, per row for softmax_focal, per sample and
  channel for dice. `value` is its mean; `gradient` is that of `value` by `x`.
* quantile: scikit-learn gives the losses; the gradients are torch's of the formula. No prediction
  equals its target, where the libraries' subgradients may differ.
* sigmoid_focal: torchvision. Without alpha (null here, -1 there) nothing is balanced.
* dice: MONAI, over the axes after the first two.
* log_cosh: optax. Keras must agree, but only as far as float32 goes: its mean is taken in float32.
* softmax_focal: kornia, whose own mean divides by the number of classes too. MONAI's function must
  agree.
* Each loss is also checked against its formula.
"""

import json
import math
import os
from importlib.metadata import version
from pathlib import Path

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
import keras
import optax
import torch
import torch.nn.functional as F
from kornia.losses import focal_loss
from monai.losses import DiceLoss
from monai.losses.focal_loss import softmax_focal_loss
from sklearn.metrics import mean_pinball_loss
from torchvision.ops import sigmoid_focal_loss

torch.set_default_dtype(torch.float64)
jax.config.update("jax_enable_x64", True)
keras.config.set_floatx("float64")

LIBRARIES = ("scikit-learn", "torchvision", "monai", "optax", "jax", "keras", "kornia")


# Random numbers -----------------------------------------------------------------------------------


def grid(x):
    return torch.round(x * 128) / 128


def randn(shape, scale=1.0):
    return grid(torch.randn(shape) * scale)


def unit(shape):
    """Numbers in the open unit interval."""
    return torch.randint(1, 128, shape) / 128


def labels(shape):
    return torch.randint(0, 2, shape).double()


# Cases --------------------------------------------------------------------------------------------


def numbers(x, exact=False):
    """The elements for JSON, whole numbers without a fraction."""

    def number(v):
        assert math.isfinite(v)
        v = v if exact else float(f"{v:.14g}")
        return int(v) if v == int(v) else v

    return [number(v) for v in x.detach().flatten().tolist()]


def same(a, b):
    torch.testing.assert_close(a, b, rtol=1e-13, atol=1e-14)


def differentiate(function, x):
    """The value and its gradient by `x`."""
    x = x.clone().requires_grad_()
    value = function(x)
    (gradient,) = torch.autograd.grad(value, x)
    return value.detach(), gradient


def case(options, x, y, unreduced, value, gradient, formula):
    """One case, checked against the formula, which gives the unreduced loss."""
    assert ((x * 128).round() == x * 128).all() and (x.float().double() == x).all()
    same(unreduced.flatten(), formula(x).flatten())
    same(value, unreduced.mean())
    expected, slope = differentiate(lambda x: formula(x).mean(), x)
    same(value, expected)
    same(gradient, slope)
    return {
        "options": options,
        "shape": list(x.shape),
        "x": numbers(x, exact=True),
        "y": numbers(y, exact=True),
        "unreduced": numbers(unreduced),
        "value": numbers(value)[0],
        "gradient": numbers(gradient),
    }


def quantile():
    def one(q, x, y):
        assert (x != y).all()
        formula = lambda x: torch.maximum(q * (y - x), (q - 1) * (y - x))
        # As a single sample with one output per element, the library has the losses one by one.
        rows = y.reshape(1, -1).numpy(), x.reshape(1, -1).numpy()
        unreduced = torch.from_numpy(mean_pinball_loss(*rows, alpha=q, multioutput="raw_values"))
        value = torch.tensor(mean_pinball_loss(y.flatten().numpy(), x.flatten().numpy(), alpha=q))
        _, gradient = differentiate(lambda x: formula(x).mean(), x)
        return case({"quantile": q}, x, y, unreduced, value, gradient, formula)

    return [
        one(0.1, randn((4, 3)), randn((4, 3))),
        one(0.5, randn((2, 3, 2)), randn((2, 3, 2))),
        one(0.9, randn((7,)), randn((7,))),
        one(0.1, randn((3, 4), 40.0), randn((3, 4))),
        one(0.9, randn((2, 8)), randn((2, 8), 40.0)),
    ]


def sigmoid_focal():
    def one(alpha, gamma, x, y):
        def formula(x):
            z = (1 - 2 * y) * x
            loss = torch.exp(gamma * F.logsigmoid(z)) * -F.logsigmoid(-z)
            return loss if alpha is None else loss * (alpha * y + (1 - alpha) * (1 - y))

        arguments = -1 if alpha is None else alpha, gamma
        unreduced = sigmoid_focal_loss(x, y, *arguments, reduction="none")
        value, gradient = differentiate(lambda x: sigmoid_focal_loss(x, y, *arguments, reduction="mean"), x)
        return case({"alpha": alpha, "gamma": gamma}, x, y, unreduced, value, gradient, formula)

    # Losses and gradients of 0 to any sensible tolerance, and of the certain but wrong.
    far = torch.tensor([[-30.0, 30.0, 0.0, -30.0, 30.0, 0.0]]), torch.tensor([[0.0, 0.0, 0.0, 1.0, 1.0, 1.0]])
    return [
        one(0.25, 2.0, randn((4, 3), 2.0), labels((4, 3))),
        one(None, 2.0, randn((2, 3, 2), 2.0), labels((2, 3, 2))),
        one(0.25, 1.5, randn((7,), 2.0), labels((7,))),
        one(0.25, 2.0, randn((3, 4), 12.0), labels((3, 4))),
        one(None, 2.0, *far),
    ]


def dice():
    def one(smooth_nr, smooth_dr, x, y):
        def formula(x):
            both, sizes = (x * y).sum((2, 3)), x.sum((2, 3)) + y.sum((2, 3))
            return 1 - (2 * both + smooth_nr) / (sizes + smooth_dr)

        loss = lambda reduction: DiceLoss(
            include_background=True, sigmoid=False, squared_pred=False, jaccard=False,
            smooth_nr=smooth_nr, smooth_dr=smooth_dr, reduction=reduction,
        )
        unreduced = loss("none")(x, y)
        assert unreduced.shape == (*x.shape[:2], 1, 1)
        value, gradient = differentiate(lambda x: loss("mean")(x, y), x)
        options = {"smooth_nr": smooth_nr, "smooth_dr": smooth_dr}
        return case(options, x, y, unreduced, value, gradient, formula)

    x, y = unit((2, 3, 4, 5)), labels((2, 3, 4, 5))
    # One mask is empty, one is full and one is met exactly.
    p, mask = unit((2, 2, 3, 2)), labels((2, 2, 3, 2))
    mask[0, 0], mask[0, 1], p[1, 0] = 0.0, 1.0, mask[1, 0]
    assert mask[1, 0].any()
    return [one(*smooth, *pair) for pair in ((x, y), (p, mask)) for smooth in ((1.0, 1.0), (0.0, 1e-5))]


def log_cosh():
    def one(x, y):
        def formula(x):
            z = (x - y).abs()
            return z + torch.log1p(torch.exp(-2 * z)) - math.log(2)

        a, b = jnp.asarray(x.numpy()), jnp.asarray(y.numpy())
        to_torch = lambda v: torch.tensor(v.tolist())
        unreduced = to_torch(optax.losses.log_cosh(a, b))
        value, gradient = map(to_torch, jax.value_and_grad(lambda a: optax.losses.log_cosh(a, b).mean())(a))
        # Keras takes the mean along the last axis, which gets length 1 to keep the losses apart.
        other = to_torch(keras.losses.log_cosh(b[..., None], a[..., None]))
        torch.testing.assert_close(other, unreduced, rtol=1e-6, atol=1e-12)
        other = to_torch(keras.losses.LogCosh()(b, a))
        torch.testing.assert_close(other, value, rtol=1e-6, atol=1e-12)
        same(gradient, torch.tanh(x - y) / x.numel())
        return case({}, x, y, unreduced, value, gradient, formula)

    y = randn((2, 6))
    errors = torch.tensor([[0.0, 1 / 128, -1 / 128, 9.5, -10.5, 20.0], [-30.0, 44.5, -89.0, 150.0, 300.0, -300.0]])
    return [
        one(randn((4, 3)), randn((4, 3))),
        one(randn((2, 3, 2), 4.0), randn((2, 3, 2))),
        one(randn((7,), 40.0), randn((7,))),
        one(y + errors, y),
    ]


def softmax_focal():
    def one(gamma, x, y):
        def formula(x):
            log = F.log_softmax(x, 1)
            log = log.gather(1, y[:, None])[:, 0]
            return (-torch.expm1(log)) ** gamma * -log

        # The library has a row of one number and zeros for each sample.
        unreduced = focal_loss(x, y, None, gamma, "none").sum(1)
        value, gradient = differentiate(lambda x: focal_loss(x, y, None, gamma, "sum") / len(y), x)
        same(x.shape[1] * focal_loss(x, y, None, gamma, "mean"), value)
        # MONAI's class computes in float32, its function in the type of its input.
        other = differentiate(lambda x: softmax_focal_loss(x, F.one_hot(y, x.shape[1]), gamma).sum() / len(y), x)
        same(value, other[0])
        same(gradient, other[1])
        return case({"gamma": gamma}, x, y, unreduced, value, gradient, formula)

    ids = lambda rows, classes: torch.randint(0, classes, (rows,))
    return [
        one(2.0, randn((6, 4), 1.5), ids(6, 4)),
        one(0.5, randn((5, 3), 1.5), ids(5, 3)),
        one(2.0, randn((4, 7), 6.0), ids(4, 7)),
        one(0.5, randn((4, 2), 3.0), ids(4, 2)),
    ]


def main():
    suites = []
    for number, suite in enumerate((quantile, sigmoid_focal, dice, log_cosh, softmax_focal)):
        torch.manual_seed(number)
        lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in suite())
        suites.append(f'"{suite.__name__}": [\n{lines}\n]')
    libraries = json.dumps({name: version(name) for name in LIBRARIES})
    text = f'{{"torch": "{torch.__version__}", "libraries": {libraries}, "cases": {{\n' + ",\n".join(suites) + "\n}}\n"
    json.loads(text)
    Path(__file__).with_suffix(".json").write_text(text)
    print(f"{len(text)} bytes")


if __name__ == "__main__":
    main()
