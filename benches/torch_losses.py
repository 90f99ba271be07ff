"""Times steps of PyTorch's losses, one whenever it is told to: the other side of the benchmark.

It is started by the benchmark, with the number of threads, and speaks with it by lines.
"""

import sys
import time

import torch
import torch.nn.functional as F


def tracked(tensor):
    return tensor.detach().clone().requires_grad_()


def labels(shape):
    return (torch.randn(*shape) > 0).float()


def signs(shape):
    return labels(shape) * 2 - 1


def make(loss, shape):
    """The tracked inputs of a loss, and the loss as a function of nothing."""
    x = torch.randn(*shape)
    if loss == "l1":
        x, y = tracked(x), torch.randn(*shape)
        return [x], lambda: F.l1_loss(x, y)
    if loss == "mse":
        x, y = tracked(x), torch.randn(*shape)
        return [x], lambda: F.mse_loss(x, y)
    if loss == "smooth_l1":
        x, y = tracked(x), torch.randn(*shape)
        return [x], lambda: F.smooth_l1_loss(x, y)
    if loss == "huber":
        x, y = tracked(x), torch.randn(*shape)
        return [x], lambda: F.huber_loss(x, y)
    if loss == "poisson_nll":
        x, y = tracked(x), (torch.randn(*shape).abs() * 3).floor()
        return [x], lambda: F.poisson_nll_loss(x, y)
    if loss == "gaussian_nll":
        x, y = tracked(x), torch.randn(*shape)
        variance = tracked(torch.randn(*shape).exp())
        return [x, variance], lambda: F.gaussian_nll_loss(x, y, variance)
    if loss in ("cross_entropy", "nll", "multi_margin"):
        samples = [shape[0], *shape[2:]]
        ids = torch.randint(0, shape[1], samples)
        if loss == "cross_entropy":
            x = tracked(x)
            return [x], lambda: F.cross_entropy(x, ids)
        if loss == "multi_margin":
            x = tracked(x)
            return [x], lambda: F.multi_margin_loss(x, ids)
        x = tracked(torch.log_softmax(x, 1))
        return [x], lambda: F.nll_loss(x, ids)
    if loss == "bce":
        x, y = tracked(torch.sigmoid(x)), labels(shape)
        return [x], lambda: F.binary_cross_entropy(x, y)
    if loss == "bce_with_logits":
        x, y = tracked(x), labels(shape)
        return [x], lambda: F.binary_cross_entropy_with_logits(x, y)
    if loss == "kl_div":
        x = tracked(torch.log_softmax(x, 1))
        y = torch.softmax(torch.randn(*shape), 1)
        return [x], lambda: F.kl_div(x, y, reduction="batchmean")
    if loss == "soft_margin":
        x, y = tracked(x), signs(shape)
        return [x], lambda: F.soft_margin_loss(x, y)
    if loss == "multi_label_margin":
        x, y = tracked(x), torch.full(shape, -1)
        first = torch.randint(0, shape[1], (shape[0], 1))
        y[:, :3] = (first + torch.arange(3)) % shape[1]
        return [x], lambda: F.multilabel_margin_loss(x, y)
    if loss == "multi_label_soft_margin":
        x, y = tracked(x), labels(shape)
        return [x], lambda: F.multilabel_soft_margin_loss(x, y)
    if loss == "hinge_embedding":
        x, y = tracked(x.abs()), signs(shape)
        return [x], lambda: F.hinge_embedding_loss(x, y)
    if loss == "margin_ranking":
        a, b = tracked(x), tracked(torch.randn(*shape))
        y = signs(shape)
        return [a, b], lambda: F.margin_ranking_loss(a, b, y)
    if loss == "cosine_embedding":
        a, b = tracked(x), tracked(torch.randn(*shape))
        y = signs(shape[:1])
        return [a, b], lambda: F.cosine_embedding_loss(a, b, y)
    if loss in ("triplet_margin", "triplet_margin_with_distance"):
        a, b, c = (tracked(torch.randn(*shape)) for _ in range(3))
        if loss == "triplet_margin":
            return [a, b, c], lambda: F.triplet_margin_loss(a, b, c)
        return [a, b, c], lambda: F.triplet_margin_with_distance_loss(a, b, c)
    raise ValueError(loss)


def main():
    torch.set_num_threads(int(sys.argv[1]))
    torch.manual_seed(0)
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads", flush=True)
    inputs, functions = [], {}
    for line in sys.stdin:
        command, *words = line.split()
        if command == "case":
            torch._dynamo.reset()
            inputs, eager = make(words[0], [int(word) for word in words[1:]])
            functions = {"eager": eager, "compiled": torch.compile(eager)}
            print("ready", flush=True)
        elif command == "step":
            how, pass_ = words
            function = functions[how]
            for tensor in inputs:
                tensor.grad = None
            start = time.perf_counter()
            if pass_ == "backward":
                function().backward()
            else:
                with torch.no_grad():
                    function()
            print((time.perf_counter() - start) * 1e3, flush=True)


main()
