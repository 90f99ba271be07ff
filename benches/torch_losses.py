"""Times steps of PyTorch's losses, one whenever it is told to: the other side of the benchmark.

It is started by the benchmark, with the number of threads, and speaks with it by lines: it tells its
version; for a case, the names of those who compute its loss; for a step, the milliseconds.
"""

import argparse
import importlib.metadata
import math
import sys
import time

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

    # What closures compute here are PyTorch's own losses, where it has them.
    loss = loss.removeprefix("closure_")
    if loss == "squared_hinge":
        x, y = tracked(normal()), signs()
        return [x], lambda x: F.relu(1 - x * y).square().mean()
    if loss == "quantile":
        x, y = tracked(normal()), normal()
        return [x], lambda x: torch.maximum(0.9 * (y - x), -0.1 * (y - x)).mean()
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
        x, y = tracked(normal()), (normal().abs() * 3).floor()
        return [x], lambda x: F.poisson_nll_loss(x, y)
    if loss == "gaussian_nll":
        x, y = tracked(normal()), normal()
        variance = tracked(normal().exp())
        return [x, variance], lambda x, variance: F.gaussian_nll_loss(x, y, variance)
    if loss in ("cross_entropy", "focal", "nll", "multi_margin"):
        samples = [shape[0], *shape[2:]]
        ids = torch.randint(0, shape[1], samples, device=device)
        if loss == "cross_entropy":
            return [tracked(normal())], lambda x: F.cross_entropy(x, ids)
        if loss == "focal":
            return [tracked(normal())], lambda x: focal(x, ids)
        if loss == "multi_margin":
            return [tracked(normal())], lambda x: F.multi_margin_loss(x, ids)
        x = tracked(torch.log_softmax(wide(), 1).to(dtype))
        return [x], lambda x: F.nll_loss(x, ids)
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
        self.inputs, eager = make(loss, shape, device, dtype)
        self.functions = {"eager": eager, "compiled": torch.compile(eager)}
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


main()
