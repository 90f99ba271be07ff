"""Golden data for the losses: what PyTorch computes, in float64, one JSON file per loss.

Run `python generate.py` in a virtual environment with torch; the files are written
beside this script, one case per line.

* Float inputs, float targets and sample weights are float32 numbers written out exactly, so that
  float32 and float64 tests start from the same numbers. Most lie on a coarse binary grid, which
  keeps the files small. Results are written with 14 significant digits.
* `value` is the reduced loss; `unreduced` is without reduction and without sample weights;
  `gradients` are those of `value * upstream`, one per float input; for the losses of regression whose
  target may be predicted too (l1, mse, smooth_l1, huber, gaussian_nll) the last is the target's.
* The inputs of gaussian_nll are the predictions and, where it is a tensor, the variance: in the
  shape of the predictions, with length 1 on the last axis, or without it. Else the variance is the
  case's `number`, which is null where it is a tensor.
* With sample weights `s`, a loss `l` and a weight `w` (1, the weight of the class id, or 0 where
  the id is ignored): Mean is sum(s l) / sum(s w), Sum is sum(s l), BatchMean is
  sum(s l) / (size of axis 0). Where torch has the reduction, it is torch's and is checked
  against this rule. The alpha of focal is part of `l`, not of `w`.
* `tiny` lists results that are tiny yet exact, to be compared by relative error.
* Infinite numbers are the strings "inf" and "-inf". There is no NaN.
"""

import json
import math
import warnings
from pathlib import Path

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
warnings.filterwarnings("ignore", message="reduction: 'mean'")  # kl_div's is what is wanted here

INF = math.inf
REDUCTIONS = {"Mean": "mean", "Sum": "sum", "BatchMean": "batchmean"}
UPSTREAMS = (1.0, 0.5, -2.0, 3.25)
EXACT = {"value": True, "unreduced": True, "gradient0": True}


# Random numbers -----------------------------------------------------------------------------------


def f32(x):
    """Rounded to float32, held as float64."""
    return torch.as_tensor(x, dtype=torch.float64).float().double()


def grid(x, step=1 / 256):
    return torch.round(x / step) * step


def randn(shape, scale=1.0, step=1 / 256):
    x = torch.randn(shape) * scale
    return grid(x, step) if step else f32(x)


def unit(shape, step=1 / 256):
    """Numbers in the open unit interval."""
    return torch.randint(1, round(1 / step), shape) * step


def signs(shape):
    return torch.randint(0, 2, shape) * 2 - 1


def sign_target(kind, shape):
    """Labels of the given kind; as the signs -1 and +1 they are `as_signs` of them."""
    y = signs(shape)
    return {"float": y.double(), "int": y, "bool": y > 0}[kind]


def as_signs(target):
    return target.double() * 2 - 1 if target.dtype == torch.bool else target.double()


def distribution(shape, axis=1, parts=64, zeros=True):
    """Multiples of 1/parts that add up to exactly 1 along the axis."""
    size = shape[axis]
    rest = [n for i, n in enumerate(shape) if i != axis]
    counts = torch.zeros(*rest, size)
    free = parts
    if not zeros:
        counts, free = counts + 1, parts - size
    picks = torch.multinomial(torch.rand(math.prod(rest), size) + 0.05, free, replacement=True)
    counts += F.one_hot(picks, size).sum(1).reshape(counts.shape)
    return (counts / parts).movedim(-1, axis).contiguous()


def one_hot(shape, axis=1):
    rest = [n for i, n in enumerate(shape) if i != axis]
    hot = F.one_hot(torch.randint(0, shape[axis], rest), shape[axis]).double()
    return hot.movedim(-1, axis).contiguous()


def log_softmax(shape, axis=1, scale=1.5):
    return f32(F.log_softmax(torch.randn(shape) * scale, axis))


def class_ids(shape, axis=1):
    return torch.randint(0, shape[axis], [n for i, n in enumerate(shape) if i != axis])


def class_weights(size):
    return (torch.randint(1, 13, (size,)) / 4).tolist()


def along(values, rank, axis):
    """Per-class values as a tensor that broadcasts along the axis; None stays None."""
    if values is None:
        return None
    shape = [1] * rank
    if len(values) > 1:
        shape[axis] = len(values)
    return torch.tensor(values).reshape(shape)


# Cases --------------------------------------------------------------------------------------------


def numbers(x, exact=False):
    """The elements for JSON: infinities as strings, whole numbers without a fraction."""

    def number(v):
        if math.isinf(v):
            return "inf" if v > 0 else "-inf"
        v = v if exact else float(f"{v:.14g}")
        return int(v) if v == int(v) else v

    assert not x.isnan().any()
    return [number(v) for v in x.detach().flatten().tolist()]


def array(x, exact=False):
    return {"shape": list(x.shape), "data": numbers(x, exact)}


def no_near_corner(z):
    """A corner is met exactly or missed clearly: float32 must take the same side."""
    assert ((z == 0) | (z.abs() > 1e-4)).all()


def reduced(loss, reduction):
    return {"none": lambda v: v, "mean": torch.mean, "sum": torch.sum}[reduction](loss)


class Suite:
    def __init__(self, loss, options):
        """`options`: the reductions that torch offers for this loss."""
        self.loss, self.options, self.cases = loss, options, []
        torch.manual_seed(20)

    def add(self, name, config, inputs, target, function, *, reduction=None, weight=None,
            sample_weights=False, target_gradient=False, tiny={}, more={}):
        """`function(*inputs, reduction)` is torch's loss; `weight` what Mean divides by.

        `tiny` maps a place to the entries there that are exact however small they are; `more` has
        keys of this case beyond those of all.
        """
        if reduction is None:
            reduction = list(REDUCTIONS)[len(self.cases) % 3]
        upstream = UPSTREAMS[len(self.cases) % 4]
        for x in inputs:
            assert torch.equal(x, f32(x))

        leaves = [x.clone().requires_grad_() for x in inputs]
        unreduced = function(*leaves, "none")
        weight = torch.ones_like(unreduced) if weight is None else weight
        samples = None
        if sample_weights:
            samples = torch.randint(0, 9, unreduced.shape) / 4
            samples.view(-1)[len(self.cases) % samples.numel()] = 0.0
        scale = 1.0 if samples is None else samples
        value = (unreduced * scale).sum()
        if reduction == "Mean":
            value = value / (weight * scale).sum()
        elif reduction == "BatchMean":
            value = value / inputs[0].shape[0]
        if samples is None and reduction in self.options:
            rule, value = value, function(*leaves, REDUCTIONS[reduction])
            torch.testing.assert_close(value, rule, rtol=1e-12, atol=0)
        gradients = torch.autograd.grad(value * upstream, leaves)

        if target is None:
            target = {"kind": "none", "shape": [], "data": []}
        else:
            if target.is_floating_point():
                assert torch.equal(target, f32(target))
            kind = "float" if target.is_floating_point() else "bool" if target.dtype == torch.bool else "int"
            target = {"kind": kind, **array(target, exact=True)}
        if target_gradient:
            inputs = inputs[:-1]

        exact = []
        results = {"value": value, "unreduced": unreduced, "gradient0": gradients[0]}
        for at, among in tiny.items():
            size = results[at].detach().abs()
            found = (size > 1e-30) & (size < 1e-6) & torch.as_tensor(among)
            exact += [{"at": at, "index": i} for i in found.flatten().nonzero().flatten().tolist()]
        assert bool(exact) == bool(tiny)

        name = f"{name}_{'batch_mean' if reduction == 'BatchMean' else reduction.lower()}"
        assert name not in [c["name"] for c in self.cases], name
        self.cases.append({
            "name": name,
            "config": {**config, "reduction": reduction},
            "inputs": [array(x, exact=True) for x in inputs],
            "target": target,
            "sample_weights": None if samples is None else numbers(samples, exact=True),
            "upstream": upstream,
            "value": numbers(value)[0],
            "unreduced": array(unreduced),
            "gradients": [numbers(g) for g in gradients],
            "tiny": exact,
            **more,
        })

    def write(self):
        lines = [json.dumps(c, separators=(",", ":"), allow_nan=False) for c in self.cases]
        head = json.dumps({"torch": torch.__version__})[:-1]
        text = head + ', "cases": [\n' + ",\n".join(lines) + "\n]}\n"
        assert len(json.loads(text)["cases"]) == len(self.cases) >= 24
        Path(__file__).with_name(f"{self.loss}.json").write_text(text)
        print(f"{self.loss:28} {len(self.cases):3} cases {len(text):7} bytes")
        return len(text)


# Regression ---------------------------------------------------------------------------------------


def regression(loss, torch_loss, field=None, sizes=()):
    """`field` is the option, if any, that says at which difference the loss changes its form."""
    suite = Suite(loss, ("Mean", "Sum"))

    def add(name, x, y, size=None, **options):
        config = {}
        if field:
            config[field] = sizes[len(suite.cases) % len(sizes)] if size is None else size
            name += f"_{field}_{config[field]}"
        suite.add(name, config, [x, y], y, lambda x, y, r: torch_loss(x, y, reduction=r, **config),
                  target_gradient=True, **options)

    for shape in [(7,), (5, 3), (2, 3, 3), (2, 1, 3, 2)]:
        for reduction in REDUCTIONS:
            add(f"rank{len(shape)}", randn(shape), randn(shape), reduction=reduction)
    for reduction in REDUCTIONS:
        x, y = randn((3, 5)), randn((3, 5))
        y.view(-1)[::2] = x.view(-1)[::2]
        add("ties", x, y, reduction=reduction)
    x = randn((3, 3))
    add("all_ties", x, x.clone())
    add("full_float32_digits", randn((4, 3), step=None), randn((4, 3), step=None))
    add("one_element", randn((1,)), randn((1,)))
    add("one_row", randn((1, 7)), randn((1, 7)))
    add("zeros_and_ones", torch.tensor([[0.0, 1.0, 0.0, 1.0]]), torch.tensor([[0.0, 0.0, 1.0, 1.0]]))
    add("magnitude_1e4", randn((3, 5), 1e4, 1.0), randn((3, 5), 1e4, 1.0))
    add("magnitude_1e-3", f32(randn((3, 3), 1e-3, None)), f32(randn((3, 3), 1e-3, None)))
    add("near_ties", *(lambda x: (x, x + 2.0**-16 * signs(x.shape)))(randn((2, 6))))
    for shape in [(17,), (5, 3), (3, 2, 3), (2, 2, 3, 1)]:
        add(f"rank{len(shape)}_sample_weights", randn(shape), randn(shape), sample_weights=True)
    x, y = randn((3, 3)), randn((3, 3))
    y[0] = x[0]
    add("ties_sample_weights", x, y, sample_weights=True)
    add("large", randn((32, 16), step=1 / 4), randn((32, 16), step=1 / 4), reduction="BatchMean")
    add("large_rank3", randn((3, 7, 25), step=1 / 4), randn((3, 7, 25), step=1 / 4), sample_weights=True, reduction="Sum")
    for size in sizes:  # met exactly, so also without a difference where it is 0
        y = randn((2, 4))
        add("corner", y + torch.tensor([[size, -size, 0.0, size / 2], [-size, size, -2 * size, size + 1]]), y, size)
        y = randn((3, 3))
        add("corner_sample_weights", y + size * signs(y.shape), y, size, sample_weights=True)
    for size in (1e3, 0.1, 2.0**-10) if field else ():
        add("extreme", randn((3, 4)), randn((3, 4)), size)
    return suite


def count_target(kind, shape):
    """Whole numbers as `Int`, or quarters as floats."""
    return torch.randint(0, 7, shape) if kind == "int" else torch.randint(0, 25, shape) / 4


def poisson_nll():
    suite = Suite("poisson_nll", ("Mean", "Sum"))

    def add(name, x, target, log_input=True, full=False, eps=1e-8, **options):
        target = count_target(target, x.shape) if isinstance(target, str) else target
        config = {"log_input": log_input, "full": full, "eps": eps}
        function = lambda x, r: F.poisson_nll_loss(x, target.double(), log_input, full, eps=eps, reduction=r)
        name += "_rate" * (not log_input) + "_full" * full
        suite.add(name, config, [x], target, function, **options)

    def prediction(shape, log_input, step=1 / 256):
        return randn(shape, 1.0, step) if log_input else f32(randn(shape, 3.0, step).abs() + 1 / 8)

    shapes = [(7,), (5, 3), (2, 3, 3), (2, 1, 3, 2), (17,)]
    for log_input in (True, False):
        for full in (False, True):
            for kind in ("int", "float"):
                for reduction in REDUCTIONS:
                    shape = shapes[len(suite.cases) % len(shapes)]
                    add(f"{kind}_rank{len(shape)}", prediction(shape, log_input), kind, log_input, full, reduction=reduction)
            kind = "float" if full else "int"
            add(f"{kind}_sample_weights", prediction((5, 3), log_input), kind, log_input, full, sample_weights=True)
        add("rank3_sample_weights", prediction((2, 3, 2), log_input), "int", log_input, True, sample_weights=True)
        add("rank4_sample_weights", prediction((2, 1, 2, 3), log_input), "float", log_input, sample_weights=True)
        add("full_float32_digits", prediction((4, 3), log_input, None), "float", log_input, True)
        add("one_element", prediction((1,), log_input), torch.tensor([3]), log_input)
        add("one_row", prediction((1, 7), log_input), "int", log_input, True)
        add("no_counts", prediction((3, 3), log_input), torch.zeros(3, 3, dtype=torch.int64), log_input, True)
        # Stirling's term is only there above 1.
        x = prediction((2, 6), log_input)
        for reduction in REDUCTIONS:
            add("int_up_to_1_and_above", x, torch.tensor([[0, 1, 2, 3, 1, 0], [5, 1, 0, 2, 40, 1]]), log_input, True, reduction=reduction)
        add("float_up_to_1_and_above", x, torch.tensor([[0.0, 1.0, 0.5, 1.25, 1 + 2.0**-10, 1 - 2.0**-10], [0.25, 1.5, 1.0, 2.0, 2.5, 0.0]]), log_input, True)
        many = torch.randint(0, 1000, (3, 5)) * 10
        add("counts_to_1e4", prediction((3, 5), log_input), many, log_input, reduction="Mean")
        add("counts_to_1e4", prediction((3, 5), log_input), many.double(), log_input, True, reduction="Sum")
        add("large", prediction((29, 17), log_input, 1 / 8), "int", log_input, log_input)

    add("best", torch.zeros(2, 2), torch.ones(2, 2))
    add("best_and_others", f32(torch.tensor([2.0, 3.0, 5.0, 1.0]).log()), torch.tensor([2, 3, 5, 2]))
    x = torch.tensor([[20.0, -20.0, 10.0], [-40.0, 15.0, -10.0]])
    add("log_rates_to_40", x, "int")
    add("log_rates_to_40", x, "float", full=True)
    add("small_log_rates", f32(randn((3, 3), 1e-3, None)), "int")
    x = torch.tensor([[-20.0, -15.0, -30.0, -60.0]])
    for reduction in REDUCTIONS:
        add("tiny", x, torch.zeros(1, 4), tiny=EXACT, reduction=reduction)
    x = f32([[1e-7, 1e-12, 1e-20, 0.0]])
    exact = {"value": True, "unreduced": True}
    add("tiny", x, torch.zeros(1, 4).long(), False, tiny=exact)
    add("tiny", x, torch.zeros(1, 4), False, eps=0.5, tiny=exact, sample_weights=True)

    for eps in (1e-8, 1e-3, 0.5):
        x = prediction((2, 3), False)
        x[0] = 0.0
        add(f"zero_eps_{eps}", x, torch.tensor([[0, 1, 5], [0, 1, 2]]), False, eps=eps)
        add(f"zero_eps_{eps}", x, torch.tensor([[0.0, 0.5, 2.0], [1.0, 0.25, 3.0]]), False, True, eps)
        add(f"rank3_eps_{eps}", prediction((2, 2, 3), False), "float", False, eps=eps)
    add("all_zero", torch.zeros(2, 2), torch.zeros(2, 2).long(), False)
    add("eps_0.0", prediction((3, 3), False), "int", False, eps=0.0)
    add("eps_0.0", f32([[1e-6, 1e-3, 1e3, 1e6]]), torch.tensor([[1, 2, 3, 0]]), False, True, 0.0)
    add("rates_to_1e4", torch.randint(1, 1000, (3, 3)) * 10.0, torch.randint(0, 100, (3, 3)), False)
    return suite


def gaussian_nll():
    suite = Suite("gaussian_nll", ("Mean", "Sum"))

    def add(name, x, variance, y=None, full=False, eps=1e-6, **options):
        y = randn(x.shape) if y is None else y
        given = [] if isinstance(variance, float) else [variance]

        def function(x, *rest):
            *tensor, y, reduction = rest
            return F.gaussian_nll_loss(x, y, *(tensor or [variance]), full=full, eps=eps, reduction=reduction)

        suite.add(name + "_full" * full, {"full": full, "eps": eps}, [x, *given, y], y, function,
                  target_gradient=True, more={"number": None if given else variance}, **options)

    def variances(shape):
        return torch.randint(16, 257, shape) / 64

    def of(kind, shape):
        """A variance for each element, for each row with or without the last axis, or for all."""
        return {
            "each": lambda: variances(shape),
            "row": lambda: variances((*shape[:-1], 1)),
            "lower": lambda: variances(shape[:-1]),
            "number": lambda: variances(()).item(),
        }[kind]()

    kinds = ("each", "row", "lower", "number")
    for i, kind in enumerate(kinds):
        shapes = [(4, 3), (2, 3, 3), (2, 1, 3, 2)] + [(7,)] * (kind != "lower")
        for j, shape in enumerate(shapes):
            reduction = list(REDUCTIONS)[(i + j) % 3]
            add(f"{kind}_rank{len(shape)}", randn(shape), of(kind, shape), full=(i + j) % 2 == 1, reduction=reduction)
        for reduction in REDUCTIONS:
            add(f"{kind}", randn((5, 2)), of(kind, (5, 2)), reduction=reduction)
        add(f"{kind}_sample_weights", randn((5, 3)), of(kind, (5, 3)), sample_weights=True)
        add(f"{kind}_rank3_sample_weights", randn((2, 3, 2)), of(kind, (2, 3, 2)), full=True, sample_weights=True)
        x, y = randn((4, 3)), randn((4, 3))
        y[::2] = x[::2]
        add(f"{kind}_ties", x, of(kind, x.shape), y)
        add(f"{kind}_one_row", randn((1, 5)), of(kind, (1, 5)), full=True)
        add(f"{kind}_one_column", randn((5, 1)), of(kind, (5, 1)))
        add(f"{kind}_of_1", randn((3, 3)), 1.0 if kind == "number" else torch.ones_like(of(kind, (3, 3))))

    # Below eps the variance is eps, also for its gradient.
    some = torch.tensor([[0.0, 0.5, 0.25], [0.125, 2.0, 0.75]])
    for reduction in REDUCTIONS:
        add("some_below_eps", randn((2, 3)), some, eps=0.5, reduction=reduction)
    add("some_below_eps", randn((2, 3)), some, full=True, eps=0.1, sample_weights=True)
    for kind, variance in (("row", some[:, :1] + torch.tensor([[0.0], [2.0]])), ("lower", some[:, 1])):
        add(f"{kind}_some_below_eps", randn((2, 3)), variance, eps=0.75)
    for number in (0.0, 0.25, 0.5, 1.0):
        add(f"number_{number}_eps_0.5", randn((2, 3)), number, eps=0.5)
    small = f32([[0.0, 1e-12, 5e-7], [1e-9, 9e-7, 1e-30]])
    add("all_below_eps", randn((2, 3)), small)
    add("all_below_eps", randn((2, 3)), small, full=True, sample_weights=True)
    x = randn((2, 3))
    add("all_below_eps_ties", x, small, x.clone())
    add("number_below_eps", x, 1e-9)
    add("number_zero_ties", x, 0.0, x.clone())
    add("eps_1e-12", f32(randn((2, 3), 1e-4, None)), f32([[1e-8, 1e-9, 2e-8], [1e-13, 5e-9, 1e-9]]), f32(randn((2, 3), 1e-4, None)), eps=1e-12)

    add("magnitude_1e4", randn((3, 3), 1e4, 1.0), torch.randint(1, 100, (3, 3)) * 1e6, randn((3, 3), 1e4, 1.0))
    add("magnitude_1e4_variance_1", randn((3, 3), 1e4, 1.0), variances((3, 3)), randn((3, 3), 1e4, 1.0))
    add("magnitude_1e-3", f32(randn((3, 3), 1e-3, None)), f32(variances((3, 3)) * 1e-5), f32(randn((3, 3), 1e-3, None)))
    add("variance_1e12", randn((3, 3)), variances((3, 3)) * 2.0**40)
    add("full_float32_digits", randn((4, 3), step=None), f32(torch.rand(4, 3) + 0.25), randn((4, 3), step=None), full=True)
    add("number_all_digits", randn((4, 3)), 0.3, full=True)
    add("one_element", randn((1,)), variances((1,)))
    add("large", randn((32, 9), step=1 / 4), variances((32, 9)), randn((32, 9), step=1 / 4))
    add("lower_large_rank3", randn((3, 7, 15), step=1 / 4), variances((3, 7)), randn((3, 7, 15), step=1 / 4), sample_weights=True, full=True)
    return suite


# Classes ------------------------------------------------------------------------------------------


def by_class(torch_loss, target, weights, ignore, axis, **torch_options):
    """The loss of class ids or probabilities with the classes along `axis`, and what Mean divides by."""
    per_class = None if weights is None else torch.tensor(weights)
    if target.is_floating_point():
        moved, weight = target.movedim(axis, 1), None
    else:
        ignored = torch.isin(target, torch.tensor(ignore, dtype=torch.int64))
        moved = target.masked_fill(ignored, -100)  # torch knows one ignored id, -100
        weight = torch.ones(target.shape) if weights is None else per_class[target.masked_fill(ignored, 0)]
        weight = weight.masked_fill(ignored, 0.0)

    def function(x, reduction):  # with the class axis gone, the others are in the right order
        x = x.movedim(axis, 1).contiguous()  # else torch's backward of rank 4 and 5 fails
        return torch_loss(x, moved, weight=per_class, reduction=reduction, **torch_options)

    return function, weight


def some_ignored(ids, ignore):
    """Puts ignored ids in, leaving at least one other."""
    if ignore:
        flat = ids.view(-1)
        for i, ignored in enumerate(ignore):
            flat[i::5] = ignored
        flat[-1] = next(i for i in (1, 2, 0) if i not in ignore)
    return ids


def nll():
    suite = Suite("nll", ("Mean", "Sum"))

    def add(name, shape, axis=1, weights=None, ignore=(), x=None, ids=None, **options):
        x = log_softmax(shape, axis) if x is None else x
        weights = class_weights(shape[axis]) if weights is True else weights
        ids = some_ignored(class_ids(shape, axis), ignore) if ids is None else ids
        config = {"weights": weights, "ignore_indices": list(ignore), "class_axis": axis}
        function, weight = by_class(F.nll_loss, ids, weights, list(ignore), axis)
        suite.add(name, config, [x], ids, function, weight=weight, **options)

    for reduction in REDUCTIONS:
        add("plain", (5, 3), reduction=reduction)
        add("weights", (7, 3), weights=True, reduction=reduction)
        add("weights_ignore_two", (7, 4), weights=True, ignore=(-100, 2), reduction=reduction)
    add("ignore_0", (7, 3), ignore=(0,))
    add("ignore_255", (7, 3), ignore=(255,))
    add("ignore_three", (11, 5), ignore=(-1, 0, 255))
    add("ignore_unused", (3, 3), ignore=(-100,), ids=torch.tensor([0, 2, 1]))
    add("rank3", (2, 3, 3))
    add("rank3_last_axis_weights", (2, 5, 3), 2, weights=True)
    add("rank4_weights_ignore", (2, 3, 2, 3), weights=True, ignore=(-100, 1))
    add("rank4_last_axis", (2, 3, 1, 4), 3)
    add("rank4_axis2_weights", (2, 2, 3, 2), 2, weights=True)
    add("rank5", (2, 3, 1, 2, 2), ignore=(2,))
    add("rank5_last_axis_weights", (1, 2, 2, 2, 3), 4, weights=True)
    x = log_softmax((4, 3))
    x[0, 1] = x[1, 0] = x[2, 0] = x[2, 1] = -INF
    add("minus_inf_elsewhere", (4, 3), x=x, ids=torch.tensor([0, 1, 2, 0]))
    add("minus_inf_elsewhere_weights", (4, 3), weights=True, x=x, ids=torch.tensor([2, 2, 2, 1]))
    add("minus_inf_at_target", (4, 3), x=x, ids=torch.tensor([1, 1, 2, 0]))
    ignored = torch.tensor([1, 2, 2, 0])
    add("minus_inf_at_ignored", (4, 3), ignore=(0, 1), x=x, ids=ignored)
    for reduction in REDUCTIONS:
        add("weight_zero", (5, 3), weights=[0.0, 1.5, 0.5], ids=torch.tensor([0, 1, 2, 0, 1]), reduction=reduction)
    add("all_but_one_ignored", (5, 3), ignore=(-100,), ids=torch.tensor([-100, -100, 1, -100, -100]))
    add("all_but_one_ignored_weights", (4, 3), weights=True, ignore=(0, 2), ids=torch.tensor([0, 2, 1, 0]), reduction="Mean")
    add("one_row", (1, 7))
    for reduction in REDUCTIONS:
        add("sample_weights", (7, 3), sample_weights=True, reduction=reduction)
        add("weights_ignore_sample_weights", (7, 3), weights=True, ignore=(-100, 2), sample_weights=True, reduction=reduction)
    add("rank3_last_axis_weights_sample_weights", (2, 3, 4), 2, weights=True, sample_weights=True)
    x = grid(log_softmax((61, 9)), 1 / 256)
    add("large", (61, 9), weights=True, ignore=(-100, 7), x=x)
    x = grid(log_softmax((3, 7, 5, 5)), 1 / 256)
    add("large_rank4", (3, 7, 5, 5), x=x)
    return suite


def saturated_cross_entropy(x, ids, weight, reduction, label_smoothing):
    """F.cross_entropy of class ids, kept exact where a class has nearly all of the probability.

    torch takes the logarithm of 1 plus a tiny rest, which leaves 8 of its digits for a loss of 1e-9.
    """
    assert weight is None and label_smoothing == 0.0
    at = ids.unsqueeze(1)
    rest = (x - x.gather(1, at)).exp().scatter(1, at, 0.0).sum(1)
    loss = reduced(torch.log1p(rest), reduction)
    torch.testing.assert_close(loss, F.cross_entropy(x, ids, reduction=reduction), rtol=1e-12, atol=1e-13)
    return loss


def cross_entropy():
    suite = Suite("cross_entropy", ("Mean", "Sum"))

    def add(name, shape, target, axis=1, weights=None, smoothing=0.0, ignore=(), x=None, loss=F.cross_entropy, **options):
        x = randn(shape, 1.5) if x is None else x
        weights = class_weights(shape[axis]) if weights is True else weights
        if target == "ids":
            target = some_ignored(class_ids(shape, axis), ignore)
        elif target == "probs":
            target = distribution(shape, axis)
        elif target == "one_hot":
            target = one_hot(shape, axis)
        config = {"weights": weights, "ignore_indices": list(ignore), "label_smoothing": smoothing, "class_axis": axis}
        function, weight = by_class(loss, target, weights, list(ignore), axis, label_smoothing=smoothing)
        kind = "probs" if target.is_floating_point() else "ids"
        suite.add(f"{kind}_{name}", config, [x], target, function, weight=weight, **options)

    for reduction in REDUCTIONS:
        add("plain", (5, 3), "ids", reduction=reduction)
        add("plain", (5, 3), "probs", reduction=reduction)
        add("weights_smoothing_ignore", (7, 4), "ids", weights=True, smoothing=0.1, ignore=(-100, 2), reduction=reduction)
        add("weights_smoothing", (5, 3), "probs", weights=True, smoothing=0.1, reduction=reduction)

    # Ranks, axes and pairs of options.
    add("weights", (7, 3), "ids", weights=True)
    add("ignore_0", (7, 3), "ids", ignore=(0,))
    add("ignore_255_smoothing", (7, 3), "ids", ignore=(255,), smoothing=0.2)
    add("rank3", (2, 3, 3), "ids")
    add("rank3_last_axis_weights_smoothing", (2, 3, 4), "ids", 2, weights=True, smoothing=0.1)
    add("rank4_weights_ignore", (2, 3, 2, 2), "ids", weights=True, ignore=(-100, 0))
    add("rank4_last_axis_smoothing", (2, 3, 1, 3), "ids", 3, smoothing=0.3)
    add("rank5_weights_smoothing_ignore", (2, 3, 1, 2, 2), "ids", weights=True, smoothing=0.1, ignore=(1,))
    add("rank5_last_axis_ignore", (2, 1, 2, 2, 3), "ids", 4, ignore=(-1, 255))
    add("rank3_smoothing", (2, 3, 3), "probs", smoothing=0.2)
    add("rank3_last_axis_weights", (2, 3, 3), "probs", 2, weights=True)
    add("rank4_weights", (2, 3, 2, 2), "probs", weights=True)
    add("rank4_last_axis", (2, 2, 2, 3), "probs", 3)
    add("rank5", (2, 3, 1, 1, 2), "probs")
    add("rank5_last_axis_weights_smoothing", (1, 2, 1, 2, 3), "probs", 4, weights=True, smoothing=0.1)

    # Special targets and options.
    ids = torch.tensor
    add("weight_zero", (5, 3), ids([0, 1, 2, 0, 1]), weights=[0.0, 1.5, 0.5])
    add("weight_zero_smoothing", (5, 3), ids([0, 1, 2, 0, 1]), weights=[0.0, 1.5, 0.5], smoothing=0.1, reduction="Mean")
    add("all_but_one_ignored", (4, 3), ids([-100, 1, -100, -100]), ignore=(-100,))
    add("smoothing_one", (3, 3), "ids", smoothing=1.0)
    add("one_row", (1, 7), "ids", smoothing=0.1)
    add("one_hot", (4, 3), "one_hot")
    add("one_hot_smoothing", (4, 3), "one_hot", smoothing=0.1)
    add("full_float32_digits", (4, 3), "ids", x=randn((4, 3), step=None))

    # Special logits.
    huge = randn((5, 4), 1e4, 1.0)
    for reduction in REDUCTIONS:
        add("magnitude_1e4", (5, 4), "ids", x=huge, reduction=reduction)
    add("magnitude_1e4_smoothing", (5, 4), "ids", x=huge, smoothing=0.1)
    add("magnitude_1e4_weights", (5, 4), "probs", x=huge, weights=True)
    add("offset_1e4", (4, 3), "ids", x=randn((4, 3)) + 1e4)
    add("scale_1e-3", (4, 3), "ids", x=f32(randn((4, 3), 1e-3, None)), weights=True)
    add("scale_1e-3", (4, 3), "probs", x=f32(randn((4, 3), 1e-3, None)))
    add("equal_logits", (2, 4), ids([3, 0]), x=torch.full((2, 4), 2.5))
    rows = torch.tensor([[20.0, 0, -1], [0, 25, 1], [1, 0, 30], [40, 0, 1]])
    add("saturated_right", (4, 3), ids([0, 1, 2, 0]), x=rows, tiny=EXACT, loss=saturated_cross_entropy, reduction="Sum")
    add("saturated_wrong", (4, 3), ids([1, 2, 0, 2]), x=rows)
    add("saturated_smoothing", (4, 3), ids([0, 2, 2, 1]), x=rows, smoothing=0.1)
    add("saturated", (4, 3), "probs", x=rows)
    x = randn((4, 3))
    x[0, 1] = x[1, 0] = x[2, 0] = x[2, 1] = -INF
    for reduction in REDUCTIONS:
        add("minus_inf_elsewhere", (4, 3), ids([0, 1, 2, 0]), x=x, reduction=reduction)
    add("minus_inf_elsewhere_weights_ignore", (4, 3), ids([2, 2, -100, 1]), x=x, weights=True, ignore=(-100,))
    add("minus_inf_at_target", (4, 3), ids([1, 1, 2, 0]), x=x)

    add("sample_weights", (7, 3), "ids", sample_weights=True)
    add("weights_smoothing_ignore_sample_weights", (7, 3), "ids", weights=True, smoothing=0.1, ignore=(-100, 0), sample_weights=True, reduction="Mean")
    add("rank3_last_axis_weights_sample_weights", (2, 3, 3), "ids", 2, weights=True, sample_weights=True)
    add("sample_weights", (5, 3), "probs", sample_weights=True)
    add("weights_smoothing_sample_weights", (5, 3), "probs", weights=True, smoothing=0.1, sample_weights=True, reduction="Mean")
    add("large", (61, 9), "ids", weights=True, smoothing=0.1, ignore=(-100, 7), x=randn((61, 9), 2.0, 1 / 8))
    add("large_rank4", (3, 7, 5, 5), "ids", x=randn((3, 7, 5, 5), 2.0, 1 / 8))
    add("large", (52, 5), "probs", smoothing=0.1, x=randn((52, 5), 2.0, 1 / 8))
    return suite


def focal_of(x, ids, weight, reduction, gamma, alpha, saturated):
    """-alpha[y] (1 - p)^gamma ln p of class ids, p being the softmax; the id -100 is ignored. torch has no such loss.

    The plain formula, or, where `saturated`, one that is exact also where a class has nearly all of the
    probability: there both 1 - p and ln p come from `rest`, the sum of the other probabilities.
    """
    assert weight is None and reduction == "none"
    ignored = ids == -100
    at = ids.masked_fill(ignored, 0).unsqueeze(1)
    log_p = F.log_softmax(x, 1).gather(1, at).squeeze(1)

    def plain(log_p):
        # Where p is 0 so is p ln p, by which gamma adds to the gradient; torch's 0 times infinity is NaN.
        factor = torch.where(log_p == -INF, 1.0, (1 - log_p.exp()) ** gamma)
        return -factor * log_p

    if saturated:
        rest = F.softmax(x, 1).scatter(1, at, 0.0).sum(1)
        likely = rest < 0.5
        r = torch.where(likely & (rest > 0), rest, 0.25)  # no row has a part in the formula that is not its own
        loss = torch.where(likely, -(r**gamma) * torch.log1p(-r), plain(torch.where(likely, -1.0, log_p)))
        loss = loss.masked_fill(rest == 0, 0.0)
        finite = log_p > -INF
        error = (loss - plain(log_p))[finite].abs()
        digits = 4e-16 * (1 + gamma) * (rest + 4e-16) ** gamma + 1e-13 * loss  # what the plain formula has
        assert (error <= digits[finite]).all()
    else:
        loss = plain(log_p)
    if alpha is not None:
        alpha = torch.tensor(alpha)
        loss = loss * alpha[at.squeeze(1)]
    loss = loss.masked_fill(ignored, 0.0)
    if gamma == 0:
        torch.testing.assert_close(loss, F.cross_entropy(x, ids, alpha, reduction="none"), rtol=1e-12, atol=1e-15)
    return loss


def focal():
    suite = Suite("focal", ())

    def add(name, shape, axis=1, gamma=2.0, alpha=None, ignore=(), x=None, ids=None, saturated=False, **options):
        x = randn(shape, 1.5) if x is None else x
        alpha = class_weights(shape[axis]) if alpha is True else alpha
        ids = some_ignored(class_ids(shape, axis), ignore) if ids is None else ids
        config = {"gamma": gamma, "alpha": alpha, "ignore_indices": list(ignore), "class_axis": axis}
        # Mean divides by the number of the samples that count: alpha is a part of the loss alone.
        function, weight = by_class(focal_of, ids, None, list(ignore), axis, gamma=gamma, alpha=alpha, saturated=saturated)
        suite.add(name, config, [x], ids, function, weight=weight, **options)

    for reduction in REDUCTIONS:
        add("plain", (5, 3), reduction=reduction)
        add("alpha_ignore_two", (7, 4), alpha=True, ignore=(-100, 2), reduction=reduction)
    for gamma in (0.0, 0.5, 1.0, 2.0, 5.0):
        add(f"gamma_{gamma}", (5, 3), gamma=gamma)
    for gamma in (0.5, 5.0):
        add(f"gamma_{gamma}_alpha", (5, 4), gamma=gamma, alpha=True)
    add("gamma_0_alpha_ignore", (7, 3), gamma=0.0, alpha=True, ignore=(255,), reduction="Mean")
    add("ignore_three", (11, 5), gamma=1.5, ignore=(-1, 0, 255))
    add("all_but_one_ignored_alpha", (4, 3), alpha=True, ignore=(-100,), ids=torch.tensor([-100, 1, -100, -100]), reduction="Mean")
    add("alpha_zero", (5, 3), alpha=[0.0, 1.5, 0.5], ids=torch.tensor([0, 1, 2, 0, 1]), reduction="Mean")
    add("one_row", (1, 7))
    add("full_float32_digits", (4, 3), x=randn((4, 3), step=None))

    # Ranks and axes.
    add("rank3", (2, 3, 3))
    add("rank3_last_axis_alpha", (2, 3, 4), 2, alpha=True)
    add("rank4_alpha_ignore", (2, 3, 2, 2), alpha=True, ignore=(-100, 0))
    add("rank4_last_axis", (2, 3, 1, 3), 3)
    add("rank5_ignore", (2, 3, 1, 2, 2), gamma=1.0, ignore=(2,))
    add("rank5_last_axis_alpha", (1, 2, 2, 2, 3), 4, alpha=True)

    # Special logits.
    ids = torch.tensor([0, 1, 2, 0])
    rows = torch.tensor([[20.0, 0, -1], [0, 25, 1], [1, 0, 30], [40, 0, 1]])
    for gamma in (0.5, 2.0):
        add(f"saturated_right_gamma_{gamma}", (4, 3), gamma=gamma, x=rows, ids=ids, saturated=True, tiny=EXACT, reduction="Sum")
        add(f"saturated_wrong_gamma_{gamma}", (4, 3), gamma=gamma, x=rows, ids=torch.tensor([1, 2, 0, 2]))
    add("saturated_right_alpha_sample_weights", (4, 3), gamma=0.5, alpha=True, x=rows, ids=ids, saturated=True, tiny=EXACT, sample_weights=True)
    add("nearly_saturated_right", (4, 3), x=rows / 4, ids=ids, saturated=True, tiny=EXACT, reduction="Mean")
    huge = randn((5, 4), 1e4, 1.0)
    for gamma in (0.5, 2.0):
        add(f"magnitude_1e4_gamma_{gamma}", (5, 4), gamma=gamma, x=huge, ids=torch.cat([huge[:2].argmax(1), huge[2:].argmin(1)]), saturated=True)
    add("magnitude_1e4_alpha", (5, 4), alpha=True, x=huge, saturated=True)
    add("offset_1e4", (4, 3), x=randn((4, 3)) + 1e4)
    add("scale_1e-3", (4, 3), x=f32(randn((4, 3), 1e-3, None)), alpha=True)
    add("equal_logits", (2, 4), x=torch.full((2, 4), 2.5), ids=torch.tensor([3, 0]))
    x = randn((4, 3))
    x[0, 1] = x[1, 0] = x[2, 0] = x[2, 1] = -INF
    for gamma in (0.5, 2.0):
        add(f"minus_inf_elsewhere_gamma_{gamma}", (4, 3), gamma=gamma, x=x, ids=ids, saturated=True)
    add("minus_inf_at_target", (4, 3), x=x, ids=torch.tensor([1, 1, 2, 0]), saturated=True)
    add("minus_inf_elsewhere_alpha_ignore", (4, 3), alpha=True, ignore=(-100,), x=x, ids=torch.tensor([2, 2, -100, 1]))
    add("minus_inf_at_ignored", (4, 3), ignore=(1,), x=x, ids=torch.tensor([1, 2, 2, 0]), saturated=True)

    add("sample_weights", (7, 3), sample_weights=True)
    for reduction in REDUCTIONS:
        add("alpha_ignore_sample_weights", (7, 3), alpha=True, ignore=(-100, 0), sample_weights=True, reduction=reduction)
    add("rank3_last_axis_alpha_sample_weights", (2, 3, 3), 2, alpha=True, sample_weights=True)
    add("large", (61, 9), alpha=True, ignore=(-100, 7), x=randn((61, 9), 2.0, 1 / 8))
    add("large_rank4", (3, 7, 5, 5), x=randn((3, 7, 5, 5), 2.0, 1 / 8))
    return suite


# Margins of classes ------------------------------------------------------------------------------


def rows(x, axis):
    """The vectors along the axis as the rows of a matrix, in the order of the other axes."""
    return x.movedim(axis, -1).reshape(-1, x.shape[axis])


def by_row(torch_loss, target, axis, **torch_options):
    """A loss that torch has for matrices of a row per sample, of any rank; the rows lie along `axis`.

    The target is of the same shape, or has a value for each row.
    """

    def function(*inputs):
        *inputs, reduction = inputs
        y = rows(target, axis) if target.ndim == inputs[0].ndim else target.flatten()
        loss = torch_loss(*(rows(x, axis) for x in inputs), y, reduction=reduction, **torch_options)
        shape = inputs[0].movedim(axis, -1).shape[:-1]
        return loss.reshape(shape) if reduction == "none" else loss

    return function


def multi_margin():
    suite = Suite("multi_margin", ("Mean", "Sum"))

    def add(name, shape, p=1, margin=1.0, weights=None, axis=1, x=None, ids=None, **options):
        x = randn(shape, 1.5) if x is None else x
        weights = class_weights(shape[axis]) if weights is True else weights
        ids = class_ids(shape, axis) if ids is None else ids
        gaps = margin + rows(x, axis) - rows(x, axis).gather(1, ids.reshape(-1, 1))
        no_near_corner(gaps.scatter(1, ids.reshape(-1, 1), 0.0))
        config = {"p": p, "margin": margin, "weights": weights, "class_axis": axis}
        per_class = None if weights is None else torch.tensor(weights)
        function = by_row(F.multi_margin_loss, ids, axis, p=p, margin=margin, weight=per_class)
        suite.add(f"{name}_p_{p}" + "_weights" * (weights is not None), config, [x], ids, function, **options)

    for p in (1, 2):
        for weights in (None, True):
            for reduction in REDUCTIONS:
                add("plain", (5, 3), p, weights=weights, reduction=reduction)
        for margin in (0.5, 2.0, 0.0, -0.5):
            add(f"margin_{margin}".replace("-", "minus_"), (7, 4), p, margin, True if margin == 2.0 else None)
        add("rank3", (2, 3, 3), p)
        add("rank3_last_axis", (2, 5, 3), p, 0.5, True, 2)
        add("rank4", (2, 3, 2, 3), p, 2.0, True)
        add("rank4_axis2", (2, 2, 3, 2), p, axis=2)
        add("rank4_last_axis", (2, 3, 1, 4), p, weights=True, axis=3)
        add("rank5", (2, 3, 1, 2, 2), p, weights=True)
        add("rank5_last_axis", (1, 2, 2, 2, 3), p, axis=4)
        # The corner itself, just inside, just outside.
        for margin in (1.0, 0.25, 0.0, -0.5):
            ids = torch.tensor([0, 2, 3])
            away = torch.tensor([[0, 0, 0.25, -0.25], [0.0, 1.0, 0, -1.0], [0.0, 0.0, 0.0, 0]]) - margin
            away = away.scatter(1, ids[:, None], 0.0)
            add(f"corner_margin_{margin}".replace("-", "minus_"), (3, 4), p, margin, x=randn((3, 1)) + away, ids=ids)
        add("equal_logits", (2, 4), p, weights=True, x=torch.full((2, 4), 2.5), ids=torch.tensor([3, 0]))
        add("weight_zero", (5, 3), p, weights=[0.0, 1.5, 0.5], ids=torch.tensor([0, 1, 2, 0, 1]), reduction="Mean")
        add("all_weights_zero", (3, 2), p, weights=[0.0, 0.0])
        add("all_right", (3, 3), p, x=torch.eye(3) * 4, ids=torch.arange(3))
        add("two_classes", (5, 2), p)
        add("one_row", (1, 7), p, weights=True)
        for reduction in REDUCTIONS:
            add("sample_weights", (5, 3), p, weights=True, sample_weights=True, reduction=reduction)
        add("rank3_last_axis_sample_weights", (2, 3, 4), p, 0.5, axis=2, sample_weights=True)
        add("full_float32_digits", (4, 3), p, weights=True, x=randn((4, 3), step=None))
        add("magnitude_1e4", (3, 4), p, x=randn((3, 4), 1e4, 1.0))
        add("magnitude_1e-3", (3, 4), p, x=f32(randn((3, 4), 1e-3, None)))
        add("margin_100", (3, 4), p, 100.0)
    add("large", (61, 9), 1, weights=True, x=randn((61, 9), 1.0, 1 / 8))
    add("large_rank3_last_axis", (3, 11, 12), 2, 0.5, axis=2, x=randn((3, 11, 12), 1.0, 1 / 8))
    return suite


def label_lists(shape, axis=1):
    """Along the axis, the ids of some of the classes in any order, then -1."""
    size = shape[axis]
    rest = [n for i, n in enumerate(shape) if i != axis]
    order = torch.rand(*rest, size).argsort(-1)
    count = torch.randint(0, size + 1, (*rest, 1))
    return order.masked_fill(torch.arange(size) >= count, -1).movedim(-1, axis).contiguous()


def multi_label_margin():
    suite = Suite("multi_label_margin", ("Mean", "Sum"))

    def add(name, shape, axis=1, x=None, ids=None, **options):
        x = randn(shape, 1.5) if x is None else x
        ids = label_lists(shape, axis) if ids is None else ids
        listed = rows(ids, axis)
        hot = F.one_hot(listed + 1, shape[axis] + 1).sum(1)[:, 1:] > 0
        gaps = 1 - rows(x, axis)[:, :, None] + rows(x, axis)[:, None, :]
        no_near_corner(torch.where(hot[:, :, None] & ~hot[:, None, :], gaps, 0.0))
        function = by_row(F.multilabel_margin_loss, ids, axis)
        suite.add(name, {"class_axis": axis}, [x], ids, function, **options)

    for reduction in REDUCTIONS:
        add("plain", (5, 3), reduction=reduction)
        add("more_classes", (4, 6), reduction=reduction)
        add("sample_weights", (5, 4), sample_weights=True, reduction=reduction)
    for shape, axis in [((2, 3, 3), 1), ((2, 3, 4), 2), ((2, 3, 1, 3), 1), ((2, 2, 3, 2), 2), ((2, 3, 1, 4), 3),
                        ((1, 3, 2, 2, 2), 1), ((1, 2, 2, 2, 3), 4)]:
        add(f"rank{len(shape)}_axis{axis}", shape, axis)
        if len(shape) < 5:
            add(f"rank{len(shape)}_axis{axis}_sample_weights", shape, axis, sample_weights=True)
    ids = torch.tensor
    add("one_label", (4, 3), ids=ids([[0, -1, -1], [2, -1, -1], [1, -1, -1], [2, -1, -1]]))
    add("all_but_one", (3, 3), ids=ids([[0, 1, -1], [2, 0, -1], [1, 2, -1]]))
    some = ids([[-1, -1, -1], [2, 0, 1], [1, -1, -1], [0, 1, 2], [2, 1, -1]])
    for reduction in REDUCTIONS:
        add("none_and_all", (5, 3), ids=some, reduction=reduction)
    add("none_and_all_rank3", (1, 3, 5), ids=some.T.reshape(1, 3, 5))
    add("none_and_all_sample_weights", (5, 3), ids=some, sample_weights=True)
    add("no_labels", (3, 3), ids=ids([[-1, -1, -1]] * 3))
    add("all_labels", (3, 3), ids=ids([[0, 1, 2], [2, 1, 0], [1, 2, 0]]))
    x = randn((2, 4))
    add("order", (2, 4), x=x, ids=ids([[3, 0, 1, -1], [2, 3, -1, -1]]), reduction="Sum")
    add("other_order", (2, 4), x=x, ids=ids([[0, 1, 3, -1], [3, 2, -1, -1]]), reduction="Sum")
    # The corner itself, just inside, just outside.
    x = torch.tensor([[1.5, 0.5, 0.75, 0.25], [0.5, 2.5, 1.5, 1.5], [-1.0, -1.0, 0.0, 0.0]])
    for reduction in REDUCTIONS:
        add("corner", (3, 4), x=x, ids=ids([[0, -1, -1, -1], [1, 2, -1, -1], [2, 3, -1, -1]]), reduction=reduction)
    add("equal_logits", (2, 4), x=torch.full((2, 4), 2.5), ids=ids([[3, -1, -1, -1], [0, 2, 1, -1]]))
    add("all_right", (2, 3), x=torch.tensor([[4.0, 0.0, 0.0], [0.0, 5.0, 3.0]]), ids=ids([[0, -1, -1], [2, 1, -1]]))
    add("two_classes", (4, 2), ids=ids([[0, -1], [1, -1], [1, 0], [-1, -1]]))
    add("one_row", (1, 7))
    add("full_float32_digits", (4, 3), x=randn((4, 3), step=None))
    add("magnitude_1e4", (3, 4), x=randn((3, 4), 1e4, 1.0))
    add("magnitude_1e-3", (3, 4), x=f32(randn((3, 4), 1e-3, None)))
    add("large", (61, 9), x=randn((61, 9), 1.0, 1 / 8))
    add("large_rank3_last_axis", (3, 11, 12), 2, x=randn((3, 11, 12), 1.0, 1 / 8))
    return suite


# Binary cross-entropy -----------------------------------------------------------------------------


def labels(kind, shape):
    if kind == "soft":
        return torch.randint(0, 65, shape) / 64
    hard = torch.randint(0, 2, shape)
    return {"int": hard, "bool": hard.bool(), "hard": hard.double()}[kind]


def smoothed(target, smoothing):
    return (1 - smoothing) * target.double() + smoothing / 2


def binary_grid(add, pos):
    """Kinds of labels, ranks, axes and weights; `pos(C)` gives extra options where there are any."""
    for reduction in REDUCTIONS:
        add("soft", (5, 3), "soft", reduction=reduction)
        add("int_weights_smoothing", (5, 3), "int", weights=3, smoothing=0.1, reduction=reduction, **pos(3))
    add("bool_rank1", (17,), "bool")
    add("soft_rank1_one_weight", (7,), "soft", weights=1)
    add("bool_rank3_weights", (2, 3, 3), "bool", weights=3, **pos(3))
    add("soft_rank3_last_axis_weights", (2, 3, 4), "soft", axis=2, weights=4, **pos(4))
    add("int_rank4_weights_smoothing", (2, 3, 1, 3), "int", weights=3, smoothing=0.2)
    add("soft_rank4_last_axis_weights", (2, 1, 3, 3), "soft", axis=3, weights=3, **pos(3))
    add("bool_rank5_smoothing", (2, 1, 2, 2, 2), "bool", smoothing=0.3)
    add("hard_one_weight_smoothing", (3, 3), "hard", weights=1, smoothing=0.1, **pos(1))
    add("int_one_element", (1, 1), "int", weights=1)
    add("int_smoothing_one", (3, 3), "int", smoothing=1.0)
    add("soft_sample_weights", (5, 3), "soft", sample_weights=True)
    add("int_weights_sample_weights", (5, 3), "int", weights=3, sample_weights=True, reduction="Mean", **pos(3))
    add("bool_weights_smoothing_sample_weights", (3, 5), "bool", weights=5, smoothing=0.1, sample_weights=True)
    add("soft_rank3_last_axis_weights_sample_weights", (2, 3, 3), "soft", axis=2, weights=3, sample_weights=True)


def bce():
    suite = Suite("bce", ("Mean", "Sum"))

    def add(name, shape, target, axis=1, weights=None, smoothing=0.0, x=None, **options):
        x = unit(shape) if x is None else x
        weights = class_weights(weights) if weights else None
        target = labels(target, shape) if isinstance(target, str) else target
        config = {"weights": weights, "label_smoothing": smoothing, "class_axis": axis}
        y, w = smoothed(target, smoothing), along(weights, len(shape), axis)
        function = lambda x, r: F.binary_cross_entropy(x, y, w, reduction=r)
        suite.add(name, config, [x], target, function, **options)

    binary_grid(add, lambda size: {})
    ends = torch.tensor([[0.0, 1.0, 0.0], [1.0, 1.0, 0.0]])
    for reduction in REDUCTIONS:
        add("zero_one_right", (2, 3), ends.long(), x=ends, reduction=reduction)
        add("zero_one_wrong", (2, 3), 1 - ends.long(), x=ends, reduction=reduction)
    add("zero_one_wrong_weights", (2, 3), 1 - ends, x=ends, weights=3)
    add("zero_one_soft", (2, 3), torch.full((2, 3), 0.25), x=ends)
    add("zero_one_smoothing", (2, 3), ends.bool(), x=ends, smoothing=0.1)
    # Below about 1e-12 the denominator of the gradient is clamped, so it falls to 0 with x.
    small = f32([[1e-9, 1e-7, 1e-13], [3e-8, 1e-20, 2e-12]])
    zeros = torch.zeros(2, 3)
    for reduction in REDUCTIONS:
        add("tiny_label_0", (2, 3), zeros, x=small, tiny=EXACT, reduction=reduction)
    add("tiny_label_0_weights", (2, 3), zeros.bool(), x=small, weights=3, tiny=EXACT)
    add("tiny_label_1", (2, 3), zeros.long() + 1, x=small)
    add("tiny_soft", (2, 3), labels("soft", (2, 3)), x=small)
    near = 1 - torch.tensor([[2.0**-24, 2.0**-20, 2.0**-12]])
    add("near_one_label_1", (1, 3), torch.ones(1, 3), x=near)
    add("near_one_label_0", (1, 3), torch.zeros(1, 3), x=near)
    add("one_half", (2, 3), "int", x=torch.full((2, 3), 0.5))
    add("one_half_soft", (2, 2), torch.full((2, 2), 0.5), x=torch.full((2, 2), 0.5))
    add("full_float32_digits", (4, 3), "hard", x=f32(torch.rand(4, 3)))
    add("large", (29, 17), "soft", x=unit((29, 17), 1 / 32))
    add("large_rank3", (4, 7, 9), "int", weights=7, smoothing=0.1, x=unit((4, 7, 9), 1 / 32))
    return suite


def exact_bce_with_logits(x, y, weight, pos_weight, reduction):
    """torch's loss without its cancellation.

    torch computes (1 - y) x - log_sigmoid(x), which for a label of 0 and x = -40 is 0 and not
    4e-18. With log(1 - sigmoid(x)) = log_sigmoid(-x) nothing cancels.
    """
    pos = 1.0 if pos_weight is None else pos_weight
    loss = -(pos * y * F.logsigmoid(x) + (1 - y) * F.logsigmoid(-x))
    loss = loss if weight is None else loss * weight
    loss = reduced(loss, reduction)
    torchs = F.binary_cross_entropy_with_logits(x, y, weight, pos_weight=pos_weight, reduction=reduction)
    torch.testing.assert_close(loss, torchs, rtol=1e-12, atol=1e-13)
    gradient = [torch.autograd.grad(v.sum(), x, retain_graph=True)[0] for v in (loss, torchs)]
    torch.testing.assert_close(*gradient, rtol=1e-12, atol=1e-13)
    return loss


def bce_with_logits():
    suite = Suite("bce_with_logits", ("Mean", "Sum"))

    def add(name, shape, target, axis=1, weights=None, pos_weights=None, smoothing=0.0, x=None, **options):
        x = randn(shape, 2.0) if x is None else x
        weights = class_weights(weights) if weights else None
        pos_weights = class_weights(pos_weights) if pos_weights else None
        target = labels(target, shape) if isinstance(target, str) else target
        config = {"weights": weights, "pos_weights": pos_weights, "label_smoothing": smoothing, "class_axis": axis}
        y = smoothed(target, smoothing)
        w, pos = along(weights, len(shape), axis), along(pos_weights, len(shape), axis)
        function = lambda x, r: exact_bce_with_logits(x, y, w, pos, r)
        suite.add(name + "_pos_weights" * (pos is not None), config, [x], target, function, **options)

    binary_grid(add, lambda size: {"pos_weights": size})
    add("soft", (5, 3), "soft", pos_weights=3)
    add("int_one_pos_weight", (5, 3), "int", pos_weights=1)
    add("bool_rank3_last_axis_smoothing", (2, 2, 3), "bool", axis=2, pos_weights=3, smoothing=0.1)
    add("int_sample_weights", (5, 3), "int", pos_weights=3, sample_weights=True)

    sizes = torch.tensor([[20.0, -20.0, 40.0, -40.0, 100.0, -100.0, 1e4, -1e4]])
    right = sizes > 0
    small = sizes[:, :4].reshape(2, 2)
    for reduction in REDUCTIONS:
        add("saturated_right", (1, 8), right, x=sizes, tiny=EXACT, reduction=reduction)
        add("saturated_wrong", (1, 8), (~right).long(), x=sizes, reduction=reduction)
    add("saturated_right_float", (2, 2), (small > 0).double(), x=small, tiny=EXACT)
    add("saturated_right_weights", (2, 2), (small > 0).long(), x=small, weights=2, pos_weights=2, tiny=EXACT)
    add("saturated_right_sample_weights", (2, 2), small > 0, x=small, sample_weights=True, tiny=EXACT)
    add("saturated_wrong_weights", (1, 8), ~right, x=sizes, weights=8, pos_weights=8)
    add("saturated_soft", (1, 8), "soft", x=sizes)
    add("saturated_soft_weights", (1, 8), "soft", x=sizes, pos_weights=1)
    add("saturated_smoothing", (1, 8), right, x=sizes, smoothing=0.1)
    add("saturated_and_zero", (1, 5), torch.tensor([[1, 0, 1, 0, 1]]), x=torch.tensor([[20.0, -20.0, 0.0, 0.0, 40.0]]), tiny=EXACT)
    add("zero_soft", (2, 3), "soft", x=torch.zeros(2, 3))
    add("zero_int", (2, 3), "int", x=torch.zeros(2, 3), pos_weights=3)
    add("scale_1e-3", (2, 3), "hard", x=randn((2, 3), 1e-3, None))
    add("full_float32_digits", (4, 3), "soft", x=randn((4, 3), step=None))
    add("large", (29, 17), "soft", x=randn((29, 17), 2.0, 1 / 8))
    add("large_rank3", (4, 7, 9), "int", weights=7, pos_weights=7, x=randn((4, 7, 9), 2.0, 1 / 8))
    return suite


# Soft margins -------------------------------------------------------------------------------------


def soft_margin_beyond_exp(x, y, reduction):
    """F.soft_margin_loss, also where torch's exp(-y x) overflows: its loss is infinite, its gradient NaN."""
    loss, torchs = -F.logsigmoid(y * x), F.soft_margin_loss(x, y, reduction="none")
    finite = torchs.isfinite()
    assert not finite.all()
    torch.testing.assert_close(loss[finite], torchs[finite], rtol=1e-12, atol=0)
    return reduced(loss, reduction)


def soft_margin():
    suite = Suite("soft_margin", ("Mean", "Sum"))

    def add(name, x, target, loss=F.soft_margin_loss, **options):
        target = sign_target(target, x.shape) if isinstance(target, str) else target
        y = as_signs(target)
        suite.add(name, {}, [x], target, lambda x, r: loss(x, y, reduction=r), **options)

    shapes = [(7,), (5, 3), (2, 3, 3), (2, 1, 3, 2), (2, 1, 2, 1, 2)]
    for kind in ("float", "int", "bool"):
        for shape in shapes:
            add(f"{kind}_rank{len(shape)}", randn(shape, 2.0), kind)
        add(f"{kind}_sample_weights", randn((5, 3), 2.0), kind, sample_weights=True)
        for reduction in REDUCTIONS:
            add(kind, randn((17,), 2.0), kind, reduction=reduction)
    add("rank3_sample_weights", randn((2, 3, 3)), "bool", sample_weights=True)
    add("rank4_sample_weights", randn((2, 1, 2, 3)), "int", sample_weights=True)
    add("all_positive", randn((3, 3)), torch.ones(3, 3))
    add("all_negative", randn((3, 3)), torch.zeros(3, 3).bool())
    add("one_element", randn((1,)), torch.tensor([-1]))
    add("one_row", randn((1, 7)), "float")

    sizes = torch.tensor([[20.0, -20.0, 40.0, -40.0, 100.0, -100.0]])
    right = sizes > 0
    for reduction in REDUCTIONS:
        add("saturated_right", sizes, right, tiny=EXACT, reduction=reduction)
        add("saturated_wrong", sizes, ~right, reduction=reduction)
    small = torch.tensor([[20.0, -25.0, 40.0], [-30.0, 35.0, -15.0]])
    add("saturated_right_float", small, torch.sign(small), tiny=EXACT)
    add("saturated_right_sample_weights", small, torch.sign(small).long(), tiny=EXACT, sample_weights=True)
    add("saturated_wrong_sample_weights", small, -torch.sign(small).long(), sample_weights=True)
    add("saturated_and_zero", torch.tensor([[20.0, -20.0, 0.0, 0.0, 40.0]]), torch.tensor([[1, -1, 1, -1, 1]]), tiny=EXACT)
    huge = torch.tensor([[1e4, -1e4, 1e3, -1e3, 2.0]])
    add("huge_right", huge, huge > 0)
    for reduction in REDUCTIONS:
        add("huge_wrong", huge, -torch.sign(huge), loss=soft_margin_beyond_exp, reduction=reduction)
    add("zero", torch.zeros(2, 3), "int")
    add("scale_1e-3", f32(randn((2, 3), 1e-3, None)), "float")
    add("full_float32_digits", randn((4, 3), step=None), "int")
    add("large", randn((29, 17), 2.0, 1 / 8), "int")
    add("large_rank3", randn((4, 7, 9), 2.0, 1 / 8), "bool", sample_weights=True)
    return suite


def multi_label_soft_margin():
    suite = Suite("multi_label_soft_margin", ("Mean", "Sum"))

    def add(name, shape, target, axis=1, weights=None, x=None, **options):
        x = randn(shape, 2.0) if x is None else x
        weights = class_weights(shape[axis]) if weights is True else weights
        target = labels(target, shape) if isinstance(target, str) else target
        per_class = None if weights is None else torch.tensor(weights)
        function = by_row(F.multilabel_soft_margin_loss, target.double(), axis, weight=per_class)
        name += "_weights" * (weights is not None)
        suite.add(name, {"weights": weights, "class_axis": axis}, [x], target, function, **options)

    for weights in (None, True):
        for kind in ("soft", "hard", "int", "bool"):
            for reduction in REDUCTIONS if kind in ("soft", "int") else (None,):
                add(kind, (5, 3), kind, weights=weights, reduction=reduction)
        add("bool_rank3", (2, 3, 3), "bool", weights=weights)
        add("soft_rank3_last_axis", (2, 3, 4), "soft", 2, weights)
        add("int_rank4", (2, 3, 1, 3), "int", weights=weights)
        add("bool_rank4_axis2", (2, 2, 3, 2), "bool", 2, weights)
        add("soft_rank4_last_axis", (2, 1, 3, 3), "soft", 3, weights)
        add("bool_rank5", (2, 3, 1, 2, 2), "bool", weights=weights)
        add("int_rank5_last_axis", (1, 2, 2, 2, 3), "int", 4, weights)
        for kind in ("soft", "int", "bool"):
            add(f"{kind}_sample_weights", (5, 3), kind, weights=weights, sample_weights=True)
        add("soft_rank3_last_axis_sample_weights", (2, 3, 3), "soft", 2, weights, sample_weights=True)
        add("one_row", (1, 7), "int", weights=weights)
        add("one_class", (3, 1), "bool", weights=weights)
    add("weight_zero", (4, 3), "int", weights=[0.0, 1.5, 0.5])
    add("all_weights_zero", (2, 2), "int", weights=[0.0, 0.0])
    add("all_labels", (3, 3), torch.ones(3, 3))
    add("no_labels", (3, 3), torch.zeros(3, 3).bool())

    sizes = torch.tensor([[20.0, -20.0, 40.0, -40.0], [30.0, 25.0, -35.0, 100.0], [1e4, -1e4, 1e4, -100.0]])
    right = sizes > 0
    for reduction in REDUCTIONS:
        add("saturated_right", (3, 4), right, x=sizes, tiny=EXACT, reduction=reduction)
        add("saturated_wrong", (3, 4), (~right).long(), x=sizes, reduction=reduction)
    add("saturated_right", (3, 4), right.double(), weights=True, x=sizes, tiny=EXACT)
    add("saturated_right_sample_weights", (2, 4), right[:2], x=sizes[:2], tiny=EXACT, sample_weights=True)
    add("saturated_wrong", (3, 4), ~right, weights=True, x=sizes)
    add("saturated_soft", (3, 4), "soft", x=sizes)
    add("saturated_and_zero", (1, 5), torch.tensor([[1, 0, 1, 0, 1]]), x=torch.tensor([[20.0, -20.0, 0.0, 0.0, 40.0]]), tiny={"gradient0": True})
    add("zero_soft", (2, 3), "soft", x=torch.zeros(2, 3))
    add("scale_1e-3", (2, 3), "hard", x=f32(randn((2, 3), 1e-3, None)))
    add("full_float32_digits", (4, 3), "soft", weights=True, x=randn((4, 3), step=None))
    add("large", (29, 17), "soft", x=randn((29, 17), 2.0, 1 / 8))
    add("large_rank3_last_axis", (4, 7, 9), "int", 2, True, x=randn((4, 7, 9), 2.0, 1 / 8))
    return suite


# Ranking and distances ----------------------------------------------------------------------------


def hinge_embedding():
    suite = Suite("hinge_embedding", ("Mean", "Sum"))

    def add(name, x, target, margin=1.0, **options):
        target = sign_target(target, x.shape) if isinstance(target, str) else target
        y = as_signs(target)
        function = lambda x, r: F.hinge_embedding_loss(x, y, margin, reduction=r)
        suite.add(name, {"margin": margin}, [x], target, function, **options)

    shapes = [(7,), (5, 3), (2, 3, 3), (2, 1, 3, 2), (17,)]
    for kind in ("float", "int", "bool"):
        for margin in (1.0, 0.5, 2.0, 0.0):
            shape = shapes[len(suite.cases) % len(shapes)]
            add(f"{kind}_margin_{margin}", randn(shape).abs() * 1.5, kind, margin)
    for reduction in REDUCTIONS:
        x = torch.tensor([[1.0, 1.0, 0.5], [1.5, 0.0, -1.0]])
        add("corner", x, torch.tensor([[-1, 1, -1], [-1, -1, -1]]), reduction=reduction)
    for margin in (0.5, 2.0, 0.0):
        x = torch.tensor([margin, margin, margin + 0.25, margin - 0.25])
        add(f"corner_margin_{margin}", x, torch.tensor([-1.0, 1.0, -1.0, -1.0]), margin)
    for kind in ("float", "int", "bool"):
        add(f"{kind}_negative_inputs", -randn((3, 3)).abs(), kind)
        add(f"{kind}_sample_weights", randn((5, 3)), kind, sample_weights=True)
    add("rank3_sample_weights", randn((2, 3, 3)), "bool", 0.5, sample_weights=True)
    add("rank4_sample_weights", randn((2, 1, 2, 3)), "int", 2.0, sample_weights=True)
    add("all_positive", randn((3, 3)), torch.ones(3, 3))
    add("all_negative", randn((3, 3)), torch.zeros(3, 3).bool())
    add("one_element", randn((1,)), torch.tensor([-1]))
    add("one_row", randn((1, 7)), "float")
    add("full_float32_digits", randn((4, 3), step=None), "float")
    add("magnitude_1e4", randn((3, 3), 1e4, 1.0), "int")
    add("large", randn((32, 16), step=1 / 8), "int", reduction="BatchMean")
    add("large_rank3", randn((3, 7, 25), step=1 / 8), "bool", 2.0, sample_weights=True, reduction="Sum")
    return suite


def margin_ranking():
    suite = Suite("margin_ranking", ("Mean", "Sum"))

    def add(name, first, second, target, margin=0.0, **options):
        target = sign_target(target, first.shape) if isinstance(target, str) else target
        y = as_signs(target)
        no_near_corner(margin - y * (first - second))
        function = lambda a, b, r: F.margin_ranking_loss(a, b, y, margin, reduction=r)
        suite.add(name, {"margin": margin}, [first, second], target, function, **options)

    shapes = [(7,), (5, 3), (2, 3, 3), (2, 1, 3, 2), (17,)]
    for kind in ("float", "int", "bool"):
        for margin in (0.0, 0.5, -0.25, 2.0):
            shape = shapes[len(suite.cases) % len(shapes)]
            add(f"{kind}_margin_{margin}".replace("-", "minus_"), randn(shape), randn(shape), kind, margin)
    for reduction in REDUCTIONS:
        a, b = randn((2, 4)), randn((2, 4))
        b[:, ::2] = a[:, ::2]
        add("ties", a, b, "int", reduction=reduction)
    for margin in (0.5, -0.25, 1.0):
        y = sign_target("float", (2, 3))
        b = randn((2, 3))
        away = margin + torch.tensor([[0.0, 0.25, -0.25], [0.0, 0.0, 1.0]])
        add(f"corner_margin_{margin}".replace("-", "minus_"), b + y * away, b, y, margin)
    x = randn((3, 3))
    add("all_ties", x, x.clone(), "bool")
    add("all_ties_margin", x, x.clone(), "bool", 0.5)
    for kind in ("float", "int", "bool"):
        add(f"{kind}_sample_weights", randn((5, 3)), randn((5, 3)), kind, 0.5, sample_weights=True)
    add("rank3_sample_weights", randn((2, 3, 3)), randn((2, 3, 3)), "bool", -0.25, sample_weights=True)
    add("rank4_sample_weights", randn((2, 1, 2, 3)), randn((2, 1, 2, 3)), "int", sample_weights=True)
    add("all_ranked", x, x - 3.0, torch.ones(3, 3), 0.5)
    add("none_ranked", x, x + 3.0, torch.ones(3, 3).bool(), 0.5)
    add("one_element", randn((1,)), randn((1,)), torch.tensor([-1]), 2.0)
    add("one_row", randn((1, 7)), randn((1, 7)), "float", 0.5)
    add("full_float32_digits", randn((4, 3), step=None), randn((4, 3), step=None), "float")
    add("magnitude_1e4", randn((3, 3), 1e4, 1.0), randn((3, 3), 1e4, 1.0), "int", 0.5)
    add("large", randn((32, 16), step=1 / 4), randn((32, 16), step=1 / 4), "int", 0.5, reduction="BatchMean")
    add("large_rank3", randn((3, 7, 25), step=1 / 4), randn((3, 7, 25), step=1 / 4), "bool", sample_weights=True, reduction="Sum")
    return suite


def cosine_embedding():
    suite = Suite("cosine_embedding", ("Mean", "Sum"))

    def add(name, first, second, target, margin=0.0, **options):
        target = sign_target(target, first.shape[:-1]) if isinstance(target, str) else target
        y = as_signs(target)
        norms = [(x * x).sum(-1) + 1e-12 for x in (first, second)]
        gaps = (first * second).sum(-1) / (norms[0] * norms[1]).sqrt() - margin
        no_near_corner(torch.where(y < 0, gaps, 0.0))
        function = by_row(F.cosine_embedding_loss, y, -1, margin=margin)
        suite.add(name, {"margin": margin}, [first, second], target, function, **options)

    def two(shape, step=1 / 256, scale=1.0):
        return [randn(shape, scale, step) for _ in range(2)]

    shapes = [(5, 3), (2, 3, 4), (2, 1, 3, 2), (1, 7), (4, 2)]
    for kind in ("float", "int", "bool"):
        for margin in (0.0, 0.5, -0.5, -1.0, 1.0):
            shape = shapes[len(suite.cases) % len(shapes)]
            add(f"{kind}_margin_{margin}".replace("-", "minus_"), *two(shape), kind, margin)
        for reduction in REDUCTIONS:
            add(kind, *two((5, 3)), kind, -0.25, reduction=reduction)
        add(f"{kind}_sample_weights", *two((7, 3)), kind, sample_weights=True)
    add("rank3_sample_weights", *two((2, 3, 2)), "bool", -0.5, sample_weights=True)
    add("rank4_sample_weights", *two((2, 1, 3, 3)), "int", 0.1, sample_weights=True)
    add("all_alike", *two((4, 3)), torch.ones(4))
    add("none_alike", *two((4, 3)), torch.zeros(4).bool(), -0.75)
    add("one_pair", *two((1, 3)), torch.tensor([1]))
    add("full_float32_digits", *two((4, 3), None), "float", -0.5)

    y = torch.tensor([1, -1] * 3)
    # Zero vectors: the cosine is 0, its gradient as large as 1e-12 under the root makes it.
    first, second = two((6, 3))
    first[:2] = 0.0
    second[2:4] = 0.0
    for reduction in REDUCTIONS:
        add("zero_vectors", first, second, y, -0.5, reduction=reduction)
    add("zero_vectors_corner", first, second, y)
    second[:2] = 0.0
    first[2:4] = 0.0
    add("both_zero", first, second, y, -0.5)
    add("both_zero_corner_sample_weights", first, second, y.double(), sample_weights=True)
    # Parallel, nearly parallel, opposite; and two pairs of normal size.
    first, second = two((8, 3))
    second[:2] = first[:2]
    second[2:4] = first[2:4] + torch.tensor([[2.0**-9, 0.0, -(2.0**-8)]])
    second[4:6] = -2 * first[4:6]
    y = torch.tensor([1, -1] * 4)
    for margin in (0.0, 0.5, -0.5):
        add(f"near_parallel_margin_{margin}".replace("-", "minus_"), first, second, y, margin)
    add("near_parallel_sample_weights", first, second, y > 0, -0.5, sample_weights=True)
    # Cosines of 1, 1/2, 0, -1/2 and -1 that are exact: from 2^14 on, 1e-12 does not change a square.
    e = 256 * torch.eye(4)[[0] * 5]
    exact = 256 * torch.tensor([[1.0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 0, 0], [-1, 1, -1, 1], [-1, 0, 0, 0]])
    for margin in (0.0, 0.5, -0.5, 1.0, -1.0):
        add(f"corner_margin_{margin}".replace("-", "minus_"), e, exact, -torch.ones(5).long(), margin)
    for reduction in REDUCTIONS:
        add("corner", e, exact, torch.tensor([1, -1, -1, 1, 1]), 0.5, reduction=reduction)

    add("magnitude_1e4", *two((4, 3), 1.0, 1e4), "int", -0.5)
    add("magnitude_1e-3", *two((4, 3), None, 1e-3), "int", -0.5)
    add("magnitude_1e12", *two((4, 3), None, 1e12), "int", -0.5)
    # Squares about as large as 1e-12, and far smaller.
    add("magnitude_1e-6", *two((4, 3), None, 1e-6), torch.tensor([1, -1, 1, -1]), -0.5)
    add("magnitude_1e-9", *two((4, 3), None, 1e-9), torch.tensor([1, -1, 1, -1]), -0.5)
    add("magnitude_1e-3_and_1e4", randn((4, 3), 1e-3, None), randn((4, 3), 1e4, 1.0), "int", -0.5)
    add("large", *two((40, 9), 1 / 16), "int", -0.25)
    add("large_rank3", *two((3, 11, 7), 1 / 16), "bool", 0.25, sample_weights=True)
    return suite


def no_near_corner_of(distance, a, p, n, margin, swap):
    far = distance(a, n)
    if swap:
        no_near_corner(far - distance(p, n))
        far = torch.minimum(far, distance(p, n))
    no_near_corner(margin + distance(a, p) - far)


def three(shape, step=1 / 256):
    return [randn(shape, 1.0, step) for _ in range(3)]


def triplet_margin():
    suite = Suite("triplet_margin", ("Mean", "Sum"))

    def add(name, a, p, n, margin=1.0, norm=2.0, eps=1e-6, swap=False, **options):
        no_near_corner_of(lambda u, v: F.pairwise_distance(u, v, norm, eps), a, p, n, margin, swap)
        config = {"margin": margin, "p": norm, "eps": eps, "swap": swap}
        function = lambda a, p, n, r: F.triplet_margin_loss(a, p, n, margin, norm, eps, swap, reduction=r)
        suite.add(name, config, [a, p, n], None, function, **options)

    shapes = [(3, 3), (2, 2, 2), (3, 1), (1, 7), (2, 1, 2, 3)]
    for i, norm in enumerate((1.0, 1.5, 2.0, 3.0, 5.0)):
        for j, eps in enumerate((1e-6, 0.0, 1e-3)):
            for swap in (False, True):
                shape = shapes[(i + j + 2 * swap) % len(shapes)]
                reduction = list(REDUCTIONS)[(i + j + swap) % 3]
                name = f"p_{norm}_eps_{eps}" + "_swap" * swap
                add(name, *three(shape), (0.5, 1.0, 2.0)[j], norm, eps, swap, reduction=reduction)
    for norm in (1.0, 1.5, 2.0, 3.0, 5.0):
        a, p, n = three((3, 3))
        n[0] = a[0] + grid(torch.rand(3) / 8)  # near enough to be active
        p[0], p[1] = a[0], a[1]
        add(f"identical_positive_p_{norm}", a, p, n, 2.0, norm, 0.0)
        add(f"all_identical_p_{norm}", a, a.clone(), a.clone(), 1.0, norm, 0.0, swap=norm != 2.0)
    add("identical_positive_eps", a, a.clone(), n, 3.0)
    add("identical_negative", a, p, a.clone(), eps=0.0)
    add("all_identical_eps", a, a.clone(), a.clone())
    add("all_identical_eps_swap", a, a.clone(), a.clone(), eps=1e-3, swap=True)
    # Distances of 5 and 6 at a margin of 1; the second triplet is just inside, the third outside.
    a = torch.zeros(3, 2)
    p = torch.tensor([[3.0, 4.0], [3.0, 4.0], [3.0, 4.0]])
    n = torch.tensor([[0.0, 6.0], [0.0, 5.875], [6.125, 0.0]])
    for reduction in REDUCTIONS:
        add("corner", a, p, n, eps=0.0, reduction=reduction)
    add("corner_p_1", a, p, n + torch.tensor([0.0, 2.0]), 1.0, 1.0, 0.0)
    # The negative is as far from the anchor as from the positive: torch halves the gradient.
    a = torch.tensor([[3.0, 4.0], [1.0, -2.0], [0.5, 0.25]])
    p = torch.tensor([[4.0, 3.0], [-2.0, 1.0], [-0.5, 0.25]])
    n = torch.tensor([[0.0, 0.0], [0.0, 0.0], [0.0, -1.5]])
    for norm in (1.0, 2.0, 3.0):
        add(f"swap_tie_p_{norm}", a, p, n, 8.0, norm, 0.0, swap=True)
    a, p, n = three((5, 3))
    add("all_inactive", a, a + 0.125, n + 9.0)
    for norm, swap in ((2.0, False), (1.0, True)):
        add(f"p_{norm}_sample_weights" + "_swap" * swap, *three((5, 3)), 1.0, norm, 1e-6, swap, sample_weights=True)
    add("rank3_sample_weights", *three((2, 3, 2)), eps=0.0, sample_weights=True)
    add("full_float32_digits", *three((3, 3), None))
    a, p, n = three((100, 16), 1 / 2)  # a part of them is active
    add("large", a, grid(a + p / 2, 1 / 2), n, 1.0, reduction="Mean")
    a, p, n = three((5, 11, 7), 1 / 16)
    add("large_rank3_swap", a, grid(a + p / 4, 1 / 16), n, 1.0, 3.0, swap=True)
    return suite


def triplet_margin_with_distance():
    suite = Suite("triplet_margin_with_distance", ("Mean", "Sum"))
    similarity = torch.nn.CosineSimilarity(dim=-1)

    def add(name, a, p, n, distance="Euclidean", margin=1.0, swap=False, **options):
        if distance == "Cosine":
            tag, torchs = "cosine", lambda u, v: 1 - similarity(u, v)
        elif distance == "Euclidean":
            tag, torchs = "euclidean", torch.nn.PairwiseDistance()
        else:
            tag, torchs = f"lp_{distance['Lp']}", torch.nn.PairwiseDistance(distance["Lp"])
        no_near_corner_of(torchs, a, p, n, margin, swap)
        config = {"distance": distance, "margin": margin, "swap": swap}
        function = lambda a, p, n, r: F.triplet_margin_with_distance_loss(
            a, p, n, distance_function=torchs, margin=margin, swap=swap, reduction=r)
        suite.add(f"{tag}_{name}" + "_swap" * swap, config, [a, p, n], None, function, **options)

    distances = ["Euclidean", *({"Lp": p} for p in (1.0, 1.5, 2.0, 3.0)), "Cosine"]
    shapes = [(3, 3), (2, 2, 2), (5, 2), (1, 7), (2, 1, 2, 3)]
    for i, distance in enumerate(distances):
        for swap in (False, True):
            for j in range(2):
                shape, reduction = shapes[(i + j + 2 * swap) % len(shapes)], list(REDUCTIONS)[(i + j + 2 * swap) % 3]
                add(f"rank{len(shape)}", *three(shape), distance, (0.5, 1.0, 2.0)[(i + j) % 3], swap, reduction=reduction)
            add("sample_weights", *three((5, 3)), distance, 1.0, swap, sample_weights=True)
        a, p, n = three((3, 3))
        p[0], p[1] = a[0], a[1]
        n[0] = a[0] + grid(torch.rand(3) / 8) + 1 / 256  # near enough to be active
        add("identical_positive", a, p, n, distance, 2.0)
        n[2] = a[2]
        add("identical_negative", a, p, n, distance, 0.5)
        add("full_float32_digits", *three((3, 3), None), distance, 2.0)
    for distance in distances[:5]:
        a = randn((3, 3))
        add("all_identical", a, a.clone(), a.clone(), distance)
        add("all_identical", a, a.clone(), a.clone(), distance, swap=True)
    add("rank3_sample_weights", *three((2, 3, 2)), "Cosine", sample_weights=True)
    add("rank4_sample_weights", *three((2, 1, 3, 2)), swap=True, sample_weights=True)
    add("one_component", *three((4, 1)))

    # Distances of 5 and 6 and a margin of 1, times 2^36: there the eps of 1e-6 is lost in rounding,
    # in float64 too. The second triplet is just inside, the third outside.
    big = 2.0**36
    a = torch.zeros(3, 2)
    p = torch.tensor([[3.0, 4.0], [3.0, 4.0], [3.0, 4.0]]) * big
    n = torch.tensor([[0.0, 6.0], [0.0, 5.875], [6.125, 0.0]]) * big
    for reduction in REDUCTIONS:
        add("corner", a, p, n, margin=big, reduction=reduction)
    add("corner", a, p, n + torch.tensor([0.0, 2.0]) * big, {"Lp": 1.0}, big)
    # Cosines of 1, 1/2, 0: a corner, just inside, outside.
    e = torch.eye(4)
    a = e[[0, 0, 0]]
    p = torch.stack([e[0], e[1], e[0]])
    n = torch.stack([torch.ones(4), torch.tensor([1.0, -1, 1, -1]), -e[0]])
    for margin, swap in ((0.5, False), (0.5, True), (1.0, False), (2.0, False)):
        add(f"corner_margin_{margin}", 4 * a, 2 * p, n, "Cosine", margin, swap)
    # The negative is as far from the anchor as from the positive: torch halves the gradient. The eps
    # of 1e-6 tells permuted components apart, so this too is where it is lost.
    a = torch.tensor([[3.0, 4.0], [1.0, -2.0], [0.5, 0.25]]) * big
    p = torch.tensor([[4.0, 3.0], [-2.0, 1.0], [-0.5, 0.25]]) * big
    n = torch.tensor([[0.0, 0.0], [0.0, 0.0], [0.0, -1.5]]) * big
    for distance in distances[:5]:
        add("tie", a, p, n, distance, 8 * big, True)
    a, n = randn((3, 3)), randn((3, 3))
    add("tie_identical_positive", a, a.clone(), n, "Euclidean", 8.0, True)
    a, p = e[[0, 1, 2]], e[[1, 2, 3]]
    n = torch.stack([torch.ones(4), torch.tensor([1.0, -1, -1, 1]), e[0]])
    for reduction in REDUCTIONS:
        add("tie", a, 2 * p, 4 * n, "Cosine", 1.5, True, reduction=reduction)

    # Zero vectors: the similarity is 0, its gradient as large as an eps of 1e-8 makes it.
    for at, role in enumerate(("anchor", "positive", "negative")):
        for swap in (False, True):
            triple = three((3, 3))
            triple[at][0] = 0.0
            add(f"zero_{role}", *triple, "Cosine", 2.0, swap)
    triple[0][0] = triple[1][0] = 0.0
    add("zero_anchor_and_positive", *triple, "Cosine", 2.0)
    add("all_zero", torch.zeros(2, 3), torch.zeros(2, 3), torch.zeros(2, 3), "Cosine", 0.5)

    a, p, n = three((5, 3))
    add("all_inactive", a, a + 0.125, n + 9.0)
    for distance in ("Euclidean", {"Lp": 1.0}, {"Lp": 3.0}, "Cosine"):
        scaled = [f32(x * 1e4) for x in three((3, 3))]
        add("magnitude_1e4", *scaled, distance, 1.5 if distance == "Cosine" else 1e4)
        scaled = [f32(x * 1e-2) for x in three((3, 3), None)]
        add("magnitude_1e-2", *scaled, distance, 1.5 if distance == "Cosine" else 0.25)
    scaled = [f32(x * 1e12) for x in three((3, 3))]
    add("magnitude_1e12", *scaled, "Cosine", 1.5)
    a, p, n = three((60, 16), 1 / 2)  # a part of them is active
    add("large", a, grid(a + p / 2, 1 / 2), n)
    a, p, n = three((5, 11, 7), 1 / 16)
    add("large_rank3", a, grid(a + p, 1 / 16), n, "Cosine", 0.25, True)
    return suite


def kl_div():
    suite = Suite("kl_div", ("Mean", "Sum", "BatchMean"))

    def add(name, x, target, log_target=False, axis=None, **options):
        # A target probability of 0 adds 0 to the loss and to the gradient, whatever the input: the
        # limit of t log t. torch gives NaN where the input is -inf too, and always for a
        # log-target of -inf; there the pair is replaced by one whose loss is 0.
        none = target == (-INF if log_target else 0.0)
        t = target.masked_fill(none, 0.0)
        function = lambda x, r: F.kl_div(x.masked_fill(none, 0.0), t, reduction=r, log_target=log_target)
        name += "_log_target" * log_target
        suite.add(name, {"log_target": log_target, "class_axis": axis}, [x], target, function, **options)

    def targets(shape, axis, log_target):
        if log_target:
            return log_softmax(shape, axis)
        return distribution(shape, axis, zeros=False)

    for log_target in (False, True):
        for reduction in REDUCTIONS:
            add("plain", log_softmax((4, 3)), targets((4, 3), 1, log_target), log_target, reduction=reduction)
        for shape, axis in [((1, 7), 1), ((2, 3, 2), None), ((2, 1, 4), 2), ((2, 3, 2, 1), 1), ((2, 2, 1, 3), 3)]:
            add(f"rank{len(shape)}" + (f"_axis{axis}" if axis else ""), log_softmax(shape, axis or 1),
                targets(shape, axis or 1, log_target), log_target, axis)
        for shape, axis in [((5, 3), None), ((2, 1, 3), 2), ((2, 3, 1, 2), 1)]:
            add(f"rank{len(shape)}_sample_weights", log_softmax(shape, axis or 1),
                targets(shape, axis or 1, log_target), log_target, axis, sample_weights=True)
    x = log_softmax((3, 3))
    add("equal", x, x.clone(), log_target=True)
    add("one_element", torch.zeros(1, 1), torch.ones(1, 1))
    add("far", log_softmax((3, 3), scale=20.0), targets((3, 3), 1, False))

    target = torch.tensor([[0.0, 0.25, 0.75], [0.5, 0.0, 0.5], [0.0, 0.0, 1.0]])
    certain = f32([[-INF, -0.5, -0.9], [-0.7, -INF, -0.7], [-INF, -INF, 0.0]])
    log_zero = f32(target.log())
    for reduction in REDUCTIONS:
        add("zero_target", x, target, reduction=reduction)
        add("zero_target", x, log_zero, log_target=True, reduction=reduction)
        add("zero_target_minus_inf_input", certain, target, reduction=reduction)
        add("zero_target_minus_inf_input", certain, log_zero, log_target=True, reduction=reduction)
    add("one_hot", log_softmax((4, 3)), one_hot((4, 3)))
    add("one_hot_last_axis", log_softmax((2, 2, 3), 2), one_hot((2, 2, 3), 2), axis=2)
    add("one_hot", log_softmax((4, 3)), one_hot((4, 3)).log(), log_target=True)
    add("one_hot_certain", certain[2:], target[2:])
    add("infinite", certain, torch.tensor([[0.5, 0.25, 0.25]]).expand(3, 3).contiguous())
    add("infinite", certain, log_softmax((3, 3)), log_target=True)
    add("zero_target_sample_weights", x, target, sample_weights=True)
    add("zero_target_sample_weights", certain, log_zero, log_target=True, sample_weights=True)
    x = grid(log_softmax((64, 8)), 1 / 64)
    add("large", x, distribution((64, 8), parts=4), reduction="BatchMean")
    x, y = (grid(log_softmax((2, 5, 3, 6), 3), 1 / 64) for _ in range(2))
    add("large_rank4_last_axis", x, y, log_target=True, axis=3, reduction="Mean")
    return suite


if __name__ == "__main__":
    suites = [
        regression("l1", F.l1_loss), regression("mse", F.mse_loss), nll(), cross_entropy(), bce(),
        bce_with_logits(), hinge_embedding(), margin_ranking(), triplet_margin(), kl_div(),
        regression("smooth_l1", F.smooth_l1_loss, "beta", (1.0, 0.5, 2.0, 0.0, 0.125)),
        regression("huber", F.huber_loss, "delta", (1.0, 0.5, 2.0, 0.125, 1.5)),
        poisson_nll(), gaussian_nll(), soft_margin(), multi_margin(), multi_label_margin(),
        multi_label_soft_margin(), cosine_embedding(), triplet_margin_with_distance(), focal(),
    ]
    print(f"{sum(suite.write() for suite in suites)} bytes in all")
