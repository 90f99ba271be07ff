"""Golden data for the losses of detection: boxes, and the distribution of an edge over bins.

Run `python detection.py` in a virtual environment with what `elements.py` needs, and ultralytics (without its
dependencies: only two of its definitions are run). The files are written beside this script, in the format of
`generate.py` as `elements.py` extends it, with two more keys:

* `corners` lists the entries of the gradient where a slope is in question because edges meet, or because a box that is
  predicted has no width; they are not compared. What stands there is the slope if that of a maximum or minimum is 0
  for both of two that are the same. A case without the key has none.
* `double`: the case is not for float32, which does not hold the areas of its boxes.

The formulas are in float64, and 0 divided by 0 is 0; the gradients are torch's of the formulas. Every case that a
library can compute is compared with it, as in `libraries.py`, box by box: a check has NaN for the boxes that are not the
library's. So that they compare tightly, a library whose `eps` is elsewhere than ours runs with one of next to nothing
where ours is 0. Every case but the double ones is also computed in float32, and must be as near as the tests ask for.

* The targets, which are the true boxes, have no gradient.
* A box of negative width is one of width 0 that keeps its other number: its left edge in xyxy and xywh, its centre in
  cxcywh. So it is for heights.
* `eps` is added to the union, to the area of the enclosing box, to the square of its diagonal, and, in eiou and siou,
  to the squares of its sides: not to what alpha, the aspect ratio, the angle and the shape are divided by.
* ciou: the aspect ratio counts from an IoU of the gate on; mmdet's is above its own, 0.5. The aspect ratio of a box without
  height is infinite, and that of a box without width and height is 0.
"""

import __future__
import ast
import math
import sys
import warnings
from pathlib import Path

import torch
import torch.nn.functional as F

import elements
from elements import main, tree
from generate import EXACT, REDUCTIONS, f32, grid, no_near_corner, randn
from libraries import TIGHT, close, cycle, keras, softplus, stub, to_torch

import monai.data.box_utils
import monai.losses.giou_loss
from torchvision.ops import (
    box_iou, complete_box_iou_loss, distance_box_iou_loss, generalized_box_iou_loss)

root = Path(sys.modules["mmdet"].__path__[0]) / "structures"
stub("mmdet.structures", root)
stub("mmdet.structures.bbox", root / "bbox")
from mmdet.structures.bbox.bbox_overlaps import bbox_overlaps

stub("mmdet.structures.bbox", root / "bbox", bbox_overlaps=bbox_overlaps)
from mmdet.models.losses import iou_loss as mmdet
from mmdet.models.losses.gfocal_loss import distribution_focal_loss as mmdet_distribution

monai.data.box_utils.COMPUTE_DTYPE = monai.losses.giou_loss.COMPUTE_DTYPE = torch.float64


def definition(package, path, name):
    """A function or a class of a library, by its source alone."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    node = next(n for n in ast.walk(tree(package, path)) if isinstance(n, kinds) and n.name == name)
    node.decorator_list = []
    flags = __future__.annotations.compiler_flag
    space = {"torch": torch, "F": F, "nn": torch.nn, "math": math}
    exec(compile(ast.Module([node], []), path, "exec", flags), space)
    return space[name]


ultralytics = definition("ultralytics", "utils/metrics.py", "bbox_iou")
UltralyticsDistribution = definition("ultralytics", "utils/loss.py", "DFLoss")

NOTHING = 1e-300  # for a library that divides by it where there is nothing
SINGLE = 4e-6  # of what the formulas lose in float32; the tests allow 1e-5
FORMATS = ("xyxy", "xywh", "cxcywh")


# The formulas -------------------------------------------------------------------------------------

SHARE = 0.0  # of the slope of a maximum or minimum that each of two numbers has that are the same


def larger(a, b):
    both = a.detach() + SHARE * (a - a.detach()) + SHARE * (b - b.detach())
    return torch.where(a > b, a, torch.where(b > a, b, both))


def smaller(a, b):
    return -larger(-a, -b)


def not_negative(x):
    return larger(x, torch.zeros_like(x))


def over(a, b):
    """a / b, and 0 where b is 0."""
    return torch.where(b == 0, 0.0, a / torch.where(b == 0, 1.0, b))


class Boxes:
    def __init__(self, numbers, format):
        first, second, third, fourth = numbers.unbind(-1)
        if format == "xyxy":
            self.left, self.top = first, second
            self.right, self.bottom = larger(first, third), larger(second, fourth)
            self.width, self.height = self.right - first, self.bottom - second
        else:
            self.width, self.height = not_negative(third), not_negative(fourth)
            at = (0.5, 0.5) if format == "cxcywh" else (0.0, 0.0)
            self.left, self.top = first - at[0] * self.width, second - at[1] * self.height
            self.right, self.bottom = self.left + self.width, self.top + self.height
        self.x, self.y = (self.left + self.right) / 2, (self.top + self.bottom) / 2


class Pairs:
    """What the losses of boxes are made of."""

    def __init__(self, x, y, config):
        self.eps = config["eps"]
        self.a, self.b = a, b = Boxes(x, config["format"]), Boxes(y.to(x.dtype), config["format"])
        width = not_negative(smaller(a.right, b.right) - larger(a.left, b.left))
        height = not_negative(smaller(a.bottom, b.bottom) - larger(a.top, b.top))
        overlap = width * height
        self.union = a.width * a.height + b.width * b.height - overlap
        self.iou = over(overlap, self.union + self.eps)
        self.width = larger(a.right, b.right) - smaller(a.left, b.left)
        self.height = larger(a.bottom, b.bottom) - smaller(a.top, b.top)
        self.dx, self.dy = b.x - a.x, b.y - a.y

    def enclosing(self):
        area = self.width * self.height
        return over(area - self.union, area + self.eps)

    def distance(self):
        return over(self.dx**2 + self.dy**2, self.width**2 + self.height**2 + self.eps)

    def sizes(self):
        of_width = over((self.b.width - self.a.width) ** 2, self.width**2 + self.eps)
        return of_width + over((self.b.height - self.a.height) ** 2, self.height**2 + self.eps)

    def aspect(self, gate):
        v = 4 / math.pi**2 * (angle(self.b) - angle(self.a)) ** 2
        alpha = torch.where(self.iou >= gate, over(v, 1 - self.iou + v), 0.0)
        return alpha.detach() * v

    def angle_and_distance(self):
        of_angle = over(2 * self.dx.abs() * self.dy.abs(), self.dx**2 + self.dy**2)
        x = over(self.dx**2, self.width**2 + self.eps)
        y = over(self.dy**2, self.height**2 + self.eps)
        return -torch.expm1((of_angle - 2) * x) - torch.expm1((of_angle - 2) * y)

    def shape(self, theta):
        def of(a, b):
            return (-torch.expm1(-over((a - b).abs(), larger(a, b)))) ** theta

        return of(self.a.width, self.b.width) + of(self.a.height, self.b.height)


def angle(boxes):
    """The arcus tangent of the aspect ratio."""
    empty = (boxes.width == 0) & (boxes.height == 0)
    return torch.atan2(boxes.width, torch.where(empty, 1.0, boxes.height))


# Libraries ----------------------------------------------------------------------------------------


def edges(numbers, format):
    """As every library has them, also of negative width."""
    numbers = numbers.reshape(-1, 4)
    if format == "xyxy":
        return numbers
    at, size = numbers[:, :2], numbers[:, 2:]
    at = at - size / 2 if format == "cxcywh" else at
    return torch.cat([at, at + size], 1)


def negative(boxes):
    return (boxes[:, 2:] < boxes[:, :2]).any(1)


def of_boxes(function):
    """A check by `function(config, predictions, targets)`, of edges. No library has our rule for negative widths."""

    def check(config, x, y):
        pair = edges(x, config["format"]), edges(y, config["format"])
        found = function(config, *pair)
        return None if found is None else found.masked_fill(negative(pair[0]), math.nan).reshape(x.shape[:-1])

    return check


def no_union(a, b, least):
    """Where the union is below the least that a library divides by."""
    areas = [((x[:, 2:] - x[:, :2]).clamp(min=0)).prod(1) for x in (a, b)]
    return torch.maximum(*areas).detach() < least


def of_ultralytics(loss, **which):
    """Its `xywh` has centres. Of edges its eps changes the heights too, and of CIoU also the aspect."""

    def check(config, x, y):
        xywh, eps = config["format"] == "cxcywh", config["eps"]
        if eps and (not xywh or which.get("CIoU")) or config.get("aspect_gate", 0.0):
            return None
        pair = [(z if xywh else edges(z, config["format"])).reshape(-1, 4) for z in (x, y)]
        found = loss(ultralytics(*pair, xywh=xywh, eps=eps, **which).squeeze(-1))
        outside = negative(edges(x, config["format"]))
        if which.get("CIoU"):
            outside = outside | ~(ultralytics(*pair, xywh=xywh, eps=0.0).squeeze(-1) > 0)
        return found.masked_fill(outside, math.nan).reshape(x.shape[:-1])

    return check


class Suite(elements.Suite):
    """As that of `elements.py`, of one input and a target without a gradient, with corners."""

    def add(self, name, config, x, y, each, *, double=False, **options):
        """`each(x, y)` has the losses one by one."""
        global SHARE
        slopes = []
        for SHARE in (0.5, 1.0, 0.0):
            leaf = x.clone().requires_grad_()
            loss = each(leaf, y)
            slopes.append(torch.autograd.grad(loss.sum(), leaf)[0])
        size = slopes[0].abs().amax(-1, keepdim=True)
        self.corners = sum((slope - slopes[-1]).abs() > 1e-12 * size for slope in slopes).bool()
        if not double:
            single = x.float().requires_grad_()
            found = each(single, y.float())
            close(found.double(), loss, SINGLE, f"{self.loss}/{name} in float32")
            found = torch.autograd.grad(found.sum(), single)[0]
            smooth = torch.where(self.corners, 0.0, slopes[-1])
            found = torch.where(self.corners, 0.0, found.double())
            close(found, smooth, SINGLE, f"{self.loss}/{name}: gradient in float32")
        super().add(name, config, [x], y, lambda x: each(x, y), **options)
        case = self.cases[-1]
        if self.corners.any():
            case["corners"] = self.corners.flatten().nonzero().flatten().tolist()
        if double:
            case["double"] = True

    def compare(self, library, tolerance, found, each, leaves, weight):
        if found is None or not (known := found.detach().isfinite()).any():
            return
        self.checked[library] += 1
        what = f"{self.loss}/{self.cases[-1]['name']} by {library}"
        [x] = leaves
        own = each(x)
        close(found[known], own[known], tolerance, what)
        if not found.requires_grad:
            return
        ours = torch.autograd.grad(own.sum(), x)[0]
        theirs = torch.autograd.grad(found[known].sum(), x)[0]
        smooth = known.unsqueeze(-1) & ~self.corners & theirs.isfinite()  # mmdet has NaN without area
        if smooth.any():
            close(theirs[smooth], ours[smooth], tolerance, f"{what}: gradient")


# Boxes --------------------------------------------------------------------------------------------


def written(edges, format, scale=1.0):
    """Boxes given by their edges, in another format."""
    edges = torch.as_tensor(edges, dtype=torch.float64)
    at, size = edges[..., :2], edges[..., 2:] - edges[..., :2]
    numbers = {"xyxy": edges, "xywh": torch.cat([at, size], -1), "cxcywh": torch.cat([at + size / 2, size], -1)}
    return numbers[format] * scale


def some(shape, format, spread=1.0):
    """Predictions and targets, of which many overlap. No two edges are the same."""
    shape = (*shape[:-1], 2)
    at = grid(torch.rand(shape) * 2, 1 / 8)
    y = torch.cat([at, at + grid(torch.rand(shape) * 2, 1 / 8) + 1 / 2], -1)
    at = at + grid(torch.randn(shape) * spread / 2, 1 / 8) + 1 / 16
    x = torch.cat([at, at + grid(torch.rand(shape) * 2, 1 / 8) + 3 / 8], -1)
    return written(x, format), written(y, format)


def full_digits(shape, format):
    x, y = some(shape, format)
    return f32(x * (1 + torch.rand(x.shape) / 4)), f32(y * (1 + torch.rand(y.shape) / 8))


BOX = [1.0, 2.0, 4.0, 4.0]
OVERLAPPING = [[0.5, 1.0, 3.0, 3.5], [2.0, 2.25, 6.5, 3.75], [0.5, 2.5, 5.0, 3.0], [1.5, 1.0, 2.0, 7.0]]
DISJOINT = [[5.0, 1.5, 7.0, 3.5], [1.5, -3.0, 2.0, -1.0], [-9.0, -8.0, -4.0, -7.5], [30.0, 40.0, 31.0, 42.0]]
NESTED = [[1.5, 2.5, 3.0, 3.5], [0.0, 0.5, 5.0, 7.0], [1.25, 2.25, 3.75, 3.75], [-9.0, -9.0, 11.0, 15.0]]
TOUCHING = [[4.0, 2.5, 6.0, 3.0], [-1.0, 2.5, 1.0, 3.0], [2.0, 4.0, 3.0, 5.0], [4.0, 4.0, 5.0, 6.0]]
SAME_EDGES = [[1.0, 1.5, 3.0, 3.5], [1.0, 2.0, 3.0, 3.0], [0.5, 2.0, 4.0, 3.0], [1.0, 2.0, 4.0, 5.0]]
SAME_CENTRE = [[2.0, 1.0, 3.0, 5.0], [0.0, 2.5, 5.0, 3.5], [1.5, 2.5, 3.5, 3.5], [2.0, 0.5, 3.0, 3.5]]
SAME_SIZE = [[1.5, 2.25, 4.5, 4.25], [0.0, 1.5, 3.0, 3.5], [5.0, 5.0, 8.0, 7.0], [2.0, 1.5, 5.0, 2.5]]
SAME_ASPECT = [[0.5, 1.0, 6.5, 5.0], [2.0, 2.5, 3.5, 3.5], [1.25, 1.75, 4.25, 3.75], [5.0, 0.0, 8.0, 2.0]]
# Lines and points, inside and outside.
WITHOUT_AREA = [[2.0, 2.5, 2.0, 3.5], [1.5, 3.0, 3.0, 3.0], [3.0, 3.0, 3.0, 3.0], [7.0, 1.0, 7.0, 1.0], [0.5, 7.0, 3.0, 7.0]]
NEGATIVE = [[3.0, 2.5, 2.0, 3.5], [1.5, 3.5, 3.0, 2.5], [3.5, 3.5, 2.0, 2.5], [7.0, 1.0, 5.0, 3.0], [6.0, 9.0, -2.0, 8.0]]
PLACES = {
    "overlapping": OVERLAPPING,
    "disjoint": DISJOINT,
    "nested": NESTED,
    "meeting": TOUCHING + SAME_EDGES,
    "alike": SAME_CENTRE + SAME_SIZE + SAME_ASPECT,
    "identical_and_others": [BOX, [1.5, 1.0, 3.0, 3.0], BOX, [0.5, 2.5, 5.0, 3.0]],
    "identical": [BOX, BOX],
    "prediction_without_area": WITHOUT_AREA,
}


def of_places(name, format):
    x = written(PLACES[name], format)
    return x, written(BOX, format).expand(x.shape).contiguous()


def box_cases(add):
    """Of `add(name, x, y, format)`."""
    formats = iter(FORMATS * 100)

    def both(name, make, *arguments, **options):
        format = next(formats)
        add(f"{name}_{format}", *make(*arguments, format), format, **options)

    for reduction in REDUCTIONS:
        both("rank2", some, (5, 4), reduction=reduction)
    for reduction in REDUCTIONS:
        both("rank3", some, (2, 3, 4), reduction=reduction)
    both("sample_weights", some, (5, 4), sample_weights=True, reduction="Mean")
    both("rank3_sample_weights", some, (2, 3, 4), sample_weights=True, reduction="BatchMean")
    both("rank4", some, (2, 1, 3, 4))
    both("rank6", some, (1, 2, 1, 2, 1, 4))
    both("one_box", some, (1, 4))
    for eps in (1e-7, 1e-3, 0.5):
        both(f"eps_{eps}", some, (4, 4), eps=eps)
    both("eps_1e-07_disjoint", of_places, "disjoint", eps=1e-7)
    both("eps_1e-07_without_area", of_places, "prediction_without_area", eps=1e-7)
    for name in PLACES:
        both(name, of_places, name)
    for format in FORMATS:
        add(f"negative_size_{format}", written(NEGATIVE, format), written([BOX] * 5, format), format)
    format = next(formats)
    x, _ = some((5, 4), format)
    add(f"target_without_area_{format}", x, written(WITHOUT_AREA, format), format)
    # The same point, the same line, two points, lines that cross, a line and a point on it, lines side by side.
    y = torch.tensor([[1.0, 1, 1, 1], [1.0, 1, 3, 1], [1.0, 1, 1, 1], [1.0, 2, 4, 2], [1.0, 1, 3, 1], [1.0, 1, 3, 1]])
    x = torch.tensor([[1.0, 1, 1, 1], [1.0, 1, 3, 1], [2.0, 3, 2, 3], [2.0, 1, 2, 4], [2.0, 1, 2, 1], [1.5, 2, 4, 2]])
    for format in ("xyxy", "cxcywh"):
        add(f"both_without_area_{format}", written(x, format), written(y, format), format)
    for format in ("xyxy", "cxcywh"):
        x, y = some((4, 4), format)
        add(f"size_1e6_{format}", x * 2.0**20, y * 2.0**20, format)
        add(f"size_1e-6_{format}", x * 2.0**-20, y * 2.0**-20, format)
    add("size_1e-6_eps_1e-07_cxcywh", x * 2.0**-20, y * 2.0**-20, "cxcywh", eps=1e-7)
    x, y = some((4, 4), "xywh")
    add("size_1e30_xywh", x * 2.0**100, y * 2.0**100, "xywh", double=True)
    x, y = some((4, 4), "xyxy")
    add("size_1e30_xyxy", x * 2.0**100, y * 2.0**100, "xyxy", double=True)
    add("size_1e30_and_1_xyxy", x * 2.0**100, y, "xyxy", double=True)
    add("size_1e6_and_1_xyxy", x * 2.0**20, y, "xyxy")
    add("size_1_and_1e6_xyxy", x, y * 2.0**20, "xyxy")
    shift = torch.tensor([10000.0, 20000.0, 10000.0, 20000.0])
    add("far_from_origin_xyxy", x + shift, y + shift, "xyxy")
    shift[2:] = 0.0
    x, y = some((4, 4), "cxcywh")
    add("far_from_origin_cxcywh", x + shift, y + shift, "cxcywh")
    for format in FORMATS:
        add(f"full_float32_digits_{format}", *full_digits((4, 4), format), format)
    both("large", some, (25, 4), reduction="Mean")


def iou():
    def mmdets(config, a, b):
        if config["eps"]:
            return None
        mode = {"linear": "linear", "log": "log", "squared": "square"}[config["form"]]
        least = 1e-6 if mode == "log" else 0.0  # its `eps`; it bounds all three by it
        found = mmdet.iou_loss(a, b, mode=mode, eps=least, reduction="none")
        return found.masked_fill(no_union(a, b, 1e-6), math.nan)

    def torchs(config, a, b):
        if config["eps"] or config["form"] != "linear":
            return None
        return 1 - box_iou(a, b).diagonal()

    def by_ultralytics(config, x, y):
        forms = {"linear": lambda i: 1 - i, "squared": lambda i: 1 - i**2, "log": lambda i: -i.clamp(min=1e-6).log()}
        return of_ultralytics(forms[config["form"]])(config, x, y)

    suite = Suite("iou", ("torchvision", "mmdet", "ultralytics"), [
        ("torchvision", TIGHT, of_boxes(torchs)), ("mmdet", TIGHT, of_boxes(mmdets)),
        ("ultralytics", TIGHT, by_ultralytics),
    ])

    def add(name, x, y, format, form=None, eps=0.0, **options):
        form = cycle(suite, ("linear", "log", "squared", "linear", "squared")) if form is None else form
        config = {"form": form, "format": format, "eps": eps}

        def each(x, y):
            iou = Pairs(x, y, config).iou
            if form == "log":
                return -larger(iou, torch.full_like(iou, 1e-6)).log()
            return 1 - iou if form == "linear" else 1 - iou**2

        suite.add(f"{name}_{form}", config, x, y, each, **options)

    box_cases(add)
    for form in ("linear", "log", "squared"):
        for place in ("overlapping", "disjoint", "identical_and_others"):
            add(f"each_{place}_xyxy", *of_places(place, "xyxy"), "xyxy", form)
        add("each_eps_cxcywh", *some((4, 4), "cxcywh"), "cxcywh", form, 0.25)
    x = torch.tensor([[0.0, 0.0, 1 / 512, 1 / 512], [0.5, 0.5, 0.75, 0.75], [9.0, 9.0, 10.0, 10.0]])
    y = torch.tensor([[-2.0, -2.0, 2.0, 2.0]]).expand(3, 4).contiguous()
    add("below_the_least_xyxy", x, y, "xyxy", "log")
    return suite


def giou():
    def torchs(config, a, b):
        return generalized_box_iou_loss(a, b, eps=config["eps"])

    def mmdets(config, a, b):
        return None if config["eps"] else mmdet.giou_loss(a, b, eps=NOTHING, reduction="none")

    def monais(config, a, b):  # of its own eps of 2e-16
        if config["eps"] or negative(a).any():
            return None
        found = monai.losses.BoxGIoULoss(reduction="none")(a, b)
        return found.masked_fill(no_union(a, b, 1e-3), math.nan)

    suite = Suite("giou", ("torchvision", "mmdet", "ultralytics", "monai"), [
        ("torchvision", TIGHT, of_boxes(torchs)), ("mmdet", TIGHT, of_boxes(mmdets)),
        ("ultralytics", TIGHT, of_ultralytics(lambda i: 1 - i, GIoU=True)), ("monai", TIGHT, of_boxes(monais)),
    ])

    def add(name, x, y, format, eps=0.0, **options):
        config = {"format": format, "eps": eps}

        def each(x, y):
            pairs = Pairs(x, y, config)
            return 1 - pairs.iou + pairs.enclosing()

        suite.add(name, config, x, y, each, **options)

    box_cases(add)
    return suite


def diou():
    def torchs(config, a, b):
        return distance_box_iou_loss(a, b, eps=config["eps"])

    def mmdets(config, a, b):
        return mmdet.diou_loss(a, b, eps=config["eps"] or NOTHING, reduction="none")

    suite = Suite("diou", ("torchvision", "mmdet", "ultralytics"), [
        ("torchvision", TIGHT, of_boxes(torchs)), ("mmdet", TIGHT, of_boxes(mmdets)),
        ("ultralytics", TIGHT, of_ultralytics(lambda i: 1 - i, DIoU=True)),
    ])

    def add(name, x, y, format, eps=0.0, **options):
        config = {"format": format, "eps": eps}

        def each(x, y):
            pairs = Pairs(x, y, config)
            return 1 - pairs.iou + pairs.distance()

        suite.add(name, config, x, y, each, **options)

    box_cases(add)
    return suite


def ciou():
    def torchs(config, a, b):
        """Of its DIoU `eps` is always 1e-7; what it is given is added to what alpha is divided by."""
        if config["aspect_gate"] or config["eps"] != 1e-7:
            return None
        return complete_box_iou_loss(a, b, eps=0.0)

    def mmdets(config, a, b):
        if config["aspect_gate"] != 0.5 or config["eps"]:
            return None
        met = box_iou(a.detach(), b).diagonal() == 0.5
        return mmdet.ciou_loss(a, b, eps=NOTHING, reduction="none").masked_fill(met, math.nan)

    def by_keras(config, a, b):  # of its own eps of 1e-7
        if config["aspect_gate"] or config["eps"]:
            return None
        found = to_torch(keras.utils.bounding_boxes.compute_ciou(a.detach().numpy(), b.numpy(), "xyxy"))
        return (1 - found).masked_fill(no_union(a, b, 0.1), math.nan)

    suite = Suite("ciou", ("torchvision", "mmdet", "ultralytics", "keras"), [
        ("torchvision", TIGHT, of_boxes(torchs)), ("mmdet", TIGHT, of_boxes(mmdets)),
        ("ultralytics", TIGHT, of_ultralytics(lambda i: 1 - i, CIoU=True)), ("keras", 1e-5, of_boxes(by_keras)),
    ])

    def add(name, x, y, format, gate=None, eps=0.0, **options):
        gate = cycle(suite, (0.0, 0.5, 0.0, 0.25)) if gate is None else gate
        config = {"format": format, "aspect_gate": gate, "eps": eps}
        if gate:
            no_near_corner(Pairs(x, y, config).iou - gate)

        def each(x, y):
            pairs = Pairs(x, y, config)
            return 1 - pairs.iou + pairs.distance() + pairs.aspect(gate)

        suite.add(f"{name}_gate_{gate}", config, x, y, each, **options)

    box_cases(add)
    for gate in (0.0, 0.5):
        for place in ("overlapping", "disjoint", "identical_and_others", "prediction_without_area"):
            add(f"each_{place}_xyxy", *of_places(place, "xyxy"), "xyxy", gate)
    for reduction in REDUCTIONS:
        add("torchvision_xyxy", *some((6, 4), "xyxy", 0.5), "xyxy", 0.0, 1e-7, reduction=reduction)
    add("mmdet_xyxy", *some((6, 4), "xyxy", 0.25), "xyxy", 0.5)
    add("far_aspects_xyxy", torch.tensor([[0.5, 2.5, 20.5, 3.5], [2.0, -60.0, 2.25, 60.0]]), written([BOX] * 2, "xyxy"), "xyxy", 0.0)
    # The IoU is the gate, which is enough.
    x, y = torch.tensor([[0.0, 0.0, 8.0, 6.0]]), torch.tensor([[1.0, 1.0, 7.0, 5.0]])
    add("gate_met_xyxy", x, y, "xyxy", 0.5)
    return suite


def eiou():
    def by_parts(config, x, y):
        """The DIoU of mmdet, and the terms of the sizes from the sizes themselves."""
        eps = config["eps"] or NOTHING
        a, b = edges(x, config["format"]), edges(y, config["format"])
        around = torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])
        lost = (a[:, 2:] - a[:, :2]) - (b[:, 2:] - b[:, :2])
        found = mmdet.diou_loss(a, b, eps=eps, reduction="none") + (lost**2 / (around**2 + eps)).sum(1)
        return found.masked_fill(negative(a), math.nan).reshape(x.shape[:-1])

    suite = Suite("eiou", ("mmdet",), [("mmdet's DIoU and the sizes", TIGHT, by_parts)])

    def add(name, x, y, format, eps=0.0, **options):
        config = {"format": format, "eps": eps}

        def each(x, y):
            pairs = Pairs(x, y, config)
            return 1 - pairs.iou + pairs.distance() + pairs.sizes()

        suite.add(name, config, x, y, each, **options)

    box_cases(add)
    return suite


def siou():
    def mmdets(config, a, b):  # its result is at most 2, and where all is on a line its eps is a distance
        if config["eps"] or config["theta"] != 4.0:
            return None
        found = mmdet.siou_loss(a, b, eps=1e-100, neg_gamma=True, reduction="none")
        around = torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])
        return found.masked_fill((found >= 2) | (around == 0).any(1), math.nan)

    def values(config, a, b):
        return mmdets(config, a.detach(), b)

    def with_gradients(config, a, b):  # its eps makes a slope of the distance of centres that are side by side
        found = mmdets(config, a, b)
        side_by_side = (a[:, :2] + a[:, 2:] == b[:, :2] + b[:, 2:]).any(1)
        return None if found is None else found.masked_fill(side_by_side, math.nan)

    suite = Suite("siou", ("mmdet",), [
        ("mmdet, with neg_gamma", TIGHT, of_boxes(values)), ("and gradients", TIGHT, of_boxes(with_gradients)),
    ])

    def add(name, x, y, format, theta=None, eps=0.0, **options):
        theta = cycle(suite, (4.0, 2.0, 4.0, 6.0, 4.0, 2.5)) if theta is None else theta
        config = {"format": format, "theta": theta, "eps": eps}

        def each(x, y):
            pairs = Pairs(x, y, config)
            return 1 - pairs.iou + (pairs.angle_and_distance() + pairs.shape(theta)) / 2

        suite.add(f"{name}_theta_{theta}", config, x, y, each, **options)

    box_cases(add)
    for theta in (1.0, 2.0, 3.0, 6.0):
        add("each_cxcywh", *some((5, 4), "cxcywh"), "cxcywh", theta)
    for place in ("overlapping", "disjoint", "nested", "alike"):
        add(f"each_{place}_xyxy", *of_places(place, "xyxy"), "xyxy", 4.0)
    # The angle is one of 45 degrees: of the two in the formula neither is the smaller one.
    x = written([[2.0, 3.0, 5.0, 5.0], [-1.0, 0.5, 4.0, 3.5], [5.5, -3.0, 8.5, -1.0]], "xyxy")
    add("diagonal_xyxy", x, written([BOX] * 3, "xyxy"), "xyxy", 4.0)
    return suite


# Bins ---------------------------------------------------------------------------------------------


def distribution_focal():
    def mmdets(config, x, y):  # it reads the bin after the last one
        bins = x.shape[-1]
        rows, labels = x.reshape(-1, bins), y.flatten()
        inside = labels < bins - 1
        if not inside.any():
            return None
        found = torch.full_like(labels, math.nan)
        found[inside] = mmdet_distribution(rows[inside], labels[inside], reduction="none")
        return found.reshape(y.shape)

    def by_ultralytics(config, x, y):  # targets are at most 0.01 below the last bin
        bins = x.shape[-1]
        found = UltralyticsDistribution(bins)(x.reshape(-1, bins), y.reshape(-1, 1).clone())
        return found.reshape(y.shape).masked_fill(y > bins - 1.01, math.nan)

    def torchs(config, x, y):  # cross-entropy with the two as probabilities
        bins = x.shape[-1]
        soft = (1 - (torch.arange(bins) - y.unsqueeze(-1)).abs()).clamp(min=0)
        found = F.cross_entropy(x.reshape(-1, bins), soft.reshape(-1, bins), reduction="none")
        return found.reshape(y.shape)

    def where_not_saturated(check):
        return lambda config, x, y: None if x.abs().max() > 12 else check(config, x, y)

    suite = Suite("distribution_focal", ("mmdet", "ultralytics"), [
        ("torch", TIGHT, where_not_saturated(torchs)), ("mmdet", TIGHT, where_not_saturated(mmdets)),
        ("ultralytics", TIGHT, where_not_saturated(by_ultralytics)),
    ])

    def add(name, shape, x=None, y=None, **options):
        x = randn(shape, 1.5) if x is None else x
        bins = x.shape[-1]
        y = grid(torch.rand(x.shape[:-1]) * (bins - 1), 1 / 64) if y is None else y

        def each(x, y):
            y = y.to(x.dtype)
            left = y.floor().clamp(max=bins - 2).long()
            found = 0.0
            for at, share in ((left, left + 1 - y), (left + 1, y - left)):
                at = at.unsqueeze(-1)
                others = (x - x.gather(-1, at)).scatter(-1, at, -math.inf).logsumexp(-1)
                found = found + share * softplus(others)
            return found

        suite.add(name, {}, x, y, each, **options)

    def bins(values):
        return torch.tensor(values)

    for reduction in REDUCTIONS:
        add("rank2", (5, 6), reduction=reduction)
        add("rank3_sides", (3, 4, 8), reduction=reduction)
        add("sample_weights", (5, 4), sample_weights=True, reduction=reduction)
    add("rank4", (2, 3, 4, 5))
    add("rank5", (1, 2, 2, 1, 5))
    add("rank3_sample_weights", (2, 4, 6), sample_weights=True)
    add("rank6", (1, 2, 1, 2, 1, 4))
    add("seventeen_bins", (4, 17))
    add("one_row", (1, 7))
    add("two_bins", (5, 2))
    add("two_bins_ends", (4, 2), y=bins([0.0, 1.0, 0.5, 0.25]))
    add("whole_numbers", (6, 6), y=bins([0.0, 1.0, 2.0, 3.0, 4.0, 5.0]))
    add("first_and_last_bin", (4, 5), y=bins([0.0, 4.0, 0.0, 4.0]))
    add("last_bin_alone", (2, 5), y=bins([4.0, 4.0]))
    add("halves", (4, 5), y=bins([0.5, 1.5, 2.5, 3.5]))
    add("near_whole_numbers", (4, 4), y=bins([1 / 4096, 1 - 1 / 4096, 3 - 1 / 4096, 2 + 1 / 4096]))
    add("full_float32_digits", (4, 6), x=randn((4, 6), 1.5, None), y=f32(torch.rand(4) * 5))
    add("far", (4, 5), x=randn((4, 5), 20.0))
    add("magnitude_1e4", (4, 5), x=randn((4, 5), 1e4, 1.0))
    add("offset_1e4", (4, 5), x=randn((4, 5)) + 1e4)
    add("equal_logits", (3, 4), x=torch.full((3, 4), 1.5), y=bins([0.25, 1.0, 3.0]))
    x = randn((4, 5))
    x[0, 4] = x[1, 0] = x[2, 0] = -math.inf
    add("minus_inf_elsewhere", (4, 5), x=x, y=bins([0.5, 2.25, 4.0, 1.5]))
    x = torch.tensor([[20.0, 0, -1], [0, 25, 1], [1, 0, 30], [40, 0, 1]])
    add("right", (4, 3), x=x, y=bins([0.0, 1.0, 2.0, 0.0]), tiny=EXACT, reduction="Sum")
    add("wrong", (4, 3), x=x, y=bins([1.5, 2.0, 0.25, 2.0]))
    add("large", (25, 9), x=randn((25, 9), 2.0, 1 / 8))
    return suite


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    main((iou, giou, diou, ciou, eiou, siou, distribution_focal))
