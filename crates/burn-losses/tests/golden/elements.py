"""Golden data for the losses of each element that models of language and pictures are trained with.

Run `python elements.py` in a virtual environment with what `libraries.py` needs, and trl, liger-kernel, torchrl
with tensordict, torchgan, monai and timm; of trl, whose dependencies are many, only the source is read. The files are
written beside this script, in the format of `generate.py`, with two extensions:

* An input that a loss refuses to have tracked, or whose gradient nobody asks for, has null in `gradients`.
* A target of kind "none" is none: the loss has one input.

The formulas are in float64, written so that nothing cancels; the gradients are torch's of the formulas. Every case
that a library can compute is compared with it, as in `libraries.py`.

* dpo, kto: the references have no gradient, nor has kto's kl. simpo, orpo, gan_discriminator, gaussian_kl: the last of
  `gradients` is the target's.
* kto, sigmoid_poly1: the target is labels, of the case's kind.
* policy_clip, with weights w: Mean is sum(w l) / sum(w) with the divisor "Tokens"; the mean of sum(w l) / sum(w) of
  the rows along axis 0 that have a weight with "Sequences"; sum(w l) / (c N) with {"Constant": c}, N being the length
  of axis 0. Sum and BatchMean know no divisor.
"""

import ast
import math
import sys
from types import SimpleNamespace

import torch
import torch.distributions as dist
import torch.nn.functional as F
from generate import REDUCTIONS, UPSTREAMS, array, f32, labels, no_near_corner, numbers, randn, signs
from liger_kernel.chunked_loss.dpo_loss import LigerFusedLinearDPOFunction
from liger_kernel.chunked_loss.grpo_loss import LigerFusedLinearGRPOFunction
from liger_kernel.chunked_loss.kto_loss import LigerFusedLinearKTOFunction
from liger_kernel.chunked_loss.orpo_loss import LigerFusedLinearORPOFunction
from liger_kernel.chunked_loss.simpo_loss import LigerFusedLinearSimPOFunction
from monai.losses import PatchAdversarialLoss
from timm.loss.poly_loss import PolyBinaryCrossEntropy

import libraries
from libraries import FAR, TIGHT, VERY_FAR, basics, close, cycle, float_as_double, folder, positive, softplus, stub

root = folder("torchgan")
stub("torchgan", root)
stub("torchgan.losses", root / "losses")
from torchgan.losses import functional as torchgan
from torchrl.objectives.llm.grpo import GRPOLoss

# Libraries ----------------------------------------------------------------------------------------


def tree(package, path):
    return ast.parse((folder(package) / path).read_text())


def compiled(nodes, path):
    return compile(ast.Module(nodes, []), path, "exec")


def function(package, path, name, **names):
    """A function of a library, or a method as one, by its source alone: nothing is imported for it."""
    node = next(n for n in ast.walk(tree(package, path)) if isinstance(n, ast.FunctionDef) and n.name == name)
    node.decorator_list, node.returns = [], None
    for argument in node.args.args:
        argument.annotation = None
    space = {"torch": torch, "F": F, "math": math, **names}
    exec(compiled([node], path), space)
    return space[name]


def statements(package, path, name, *starts):
    """Those statements of a method that start so, in this order, as a function of the names that they use."""
    method = next(n for n in ast.walk(tree(package, path)) if isinstance(n, ast.FunctionDef) and n.name == name)
    found = []
    for start in starts:
        found += [next(n for n in ast.walk(method) if isinstance(n, ast.stmt) and ast.unparse(n).startswith(start))]
    code = compiled(found, path)

    def run(**names):
        space = {"torch": torch, "F": F, "math": math, **names}
        exec(code, space)
        return SimpleNamespace(**space)

    return run


class Suite(libraries.Suite):
    """As that of `libraries.py`, with inputs that are not tracked, losses without a target, and other means."""

    def add(self, name, config, inputs, target, each, *, reduction=None, weight=None, sample_weights=None, mean=None,
            target_gradient=False, untracked=(), tiny={}):
        """`mean(losses, sample weights)` is Mean where it is not what the weights make of it; `sample_weights` are
        the weights, or True for some; `untracked` has the inputs without a gradient, by their place."""
        reduction = list(REDUCTIONS)[len(self.cases) % 3] if reduction is None else reduction
        upstream = UPSTREAMS[len(self.cases) % 4]
        for x in inputs:
            assert torch.equal(x, f32(x))
        leaves = [x.clone().requires_grad_(at not in untracked) for at, x in enumerate(inputs)]
        unreduced = each(*leaves)
        weight = torch.ones_like(unreduced) if weight is None else weight
        samples = sample_weights
        if samples is True:
            samples = torch.randint(0, 9, unreduced.shape) / 4
            samples.view(-1)[len(self.cases) % samples.numel()] = 0.0
        scale = torch.ones_like(unreduced) if samples is None else samples
        value = (unreduced * scale).sum()
        if reduction == "Mean":
            value = mean(unreduced, scale) if mean else value / (weight * scale).sum()
        elif reduction == "BatchMean":
            value = value / inputs[0].shape[0]
        tracked = [x for x in leaves if x.requires_grad]
        found = iter(torch.autograd.grad(value * upstream, tracked))
        gradients = [next(found) if x.requires_grad else None for x in leaves]
        assert all(g is None or g.isfinite().all() for g in gradients)

        kind = "none"
        if target is not None:
            kind = "float" if target.is_floating_point() else "bool" if target.dtype == torch.bool else "int"
            assert kind != "float" or torch.equal(target, f32(target))
        exact = []
        results = {"value": value, "unreduced": unreduced, "gradient0": gradients[0]}
        for at, among in tiny.items():
            size = results[at].detach().abs()
            small = (size > 1e-30) & (size < 1e-6) & torch.as_tensor(among)
            exact += [{"at": at, "index": i} for i in small.flatten().nonzero().flatten().tolist()]
        assert bool(exact) == bool(tiny)

        name = f"{name}_{'batch_mean' if reduction == 'BatchMean' else reduction.lower()}"
        assert name not in [c["name"] for c in self.cases], name
        config = {**config, "reduction": reduction}
        shown = inputs[:-1] if target_gradient else inputs
        nothing = {"shape": [], "data": []}
        self.cases.append({
            "name": name,
            "config": config,
            "inputs": [array(x, exact=True) for x in shown],
            "target": {"kind": kind, **(nothing if target is None else array(target, exact=True))},
            "sample_weights": None if samples is None else numbers(samples, exact=True),
            "upstream": upstream,
            "value": numbers(value)[0],
            "unreduced": array(unreduced),
            "gradients": [None if g is None else numbers(g) for g in gradients],
            "tiny": exact,
        })
        operands = leaves if target is None or target_gradient else leaves + [target]
        for library, tolerance, check in self.checks:
            self.compare(library, tolerance, check(config, *operands), each, leaves, weight)

    def compare(self, library, tolerance, found, each, leaves, weight):
        if found is None:
            return
        self.checked[library] += 1
        what = f"{self.loss}/{self.cases[-1]['name']} by {library}"
        found, gradients = found if isinstance(found, tuple) else (found, None)
        own = each(*leaves)
        own = own.sum() / weight.sum() if found.shape == () else own
        close(found, own, tolerance, what)
        tracked = [x for x in leaves if x.requires_grad]
        if gradients is None and found.requires_grad:
            gradients = torch.autograd.grad(found.sum(), tracked, allow_unused=True)
        expected = torch.autograd.grad(own.sum(), tracked)
        for theirs, ours in zip(gradients or (), expected):
            if theirs is not None:
                close(theirs, ours, tolerance, f"{what}: gradient")

    def value_is(self, library, found):
        """The library's reduced loss is that of the last case."""
        self.checked[library] += 1
        close(found, torch.tensor(self.cases[-1]["value"]), TIGHT, f"{self.loss}/{self.cases[-1]['name']} by {library}")


CPU = SimpleNamespace(device="cpu")


def one_by_one(check):
    """A check that gives one number, called with each element; None where it has none for one of them."""

    def of(config, *operands):
        flat = zip(*(x.flatten() for x in operands))
        found = [check(config, *(x.reshape(1) for x in one)) for one in flat]
        if any(x is None for x in found):
            return None
        return torch.stack([x.reshape(()) for x in found]).reshape(operands[0].shape)

    return of


# Preferences --------------------------------------------------------------------------------------


def log_probs(shape, scale=8.0, step=1 / 256):
    """Of whole sequences."""
    return -positive(shape, scale, step, 1.0)


dpo_of_trl = statements("trl", "trainer/dpo_trainer.py", "_compute_loss", "for loss_type, loss_weight in zip(")
cpo_of_trl = function("trl", "experimental/cpo/cpo_trainer.py", "cpo_loss")


def dpo():
    types = {"Sigmoid": "sigmoid", "Hinge": "hinge", "Ipo": "ipo", "Robust": "robust"}

    def trl(config, pc, pr, rc, rr):
        if config["variant"] == "Sigmoid" and config["label_smoothing"]:
            return None  # its sigmoid has no label smoothing
        shape = pc.shape
        pc, pr, rc, rr = (x.flatten() for x in (pc, pr, rc, rr))
        trainer = SimpleNamespace(
            loss_types=[types[config["variant"]]], loss_weights=[1.0], use_weighting=False, beta=config["beta"],
            label_smoothing=config["label_smoothing"])
        # A token for each sequence: then the average of the IPO's is the sum.
        found = dpo_of_trl(
            self=trainer, loss=0.0, delta_score=(pc - rc) - (pr - rr), chosen_scores=pc - rc, rejected_scores=pr - rr,
            completion_mask=torch.ones(2 * len(pc), 1), device="cpu")
        return found.per_sequence_loss.reshape(shape)

    def smoothed(config, pc, pr, rc, rr):
        """With label smoothing: trl's CPO, of the differences to the references."""
        if config["variant"] != "Sigmoid":
            return None
        trainer = SimpleNamespace(
            alpha=0.0, beta=config["beta"], label_smoothing=config["label_smoothing"], loss_type="sigmoid",
            accelerator=CPU)
        return cpo_of_trl(trainer, pc - rc, pr - rr)[0]

    def liger(config, pc, pr, rc, rr):
        if config["variant"] == "Ipo" or config["variant"] == "Sigmoid" and config["label_smoothing"]:
            return None
        options = {"beta": config["beta"], "label_smoothing": config["label_smoothing"]}
        return LigerFusedLinearDPOFunction.preference_loss_fn(
            pc, pr, torch.zeros(2), rc, rr, loss_type=types[config["variant"]], **options)[0]

    suite = Suite("dpo", ("trl", "liger-kernel"), [
        ("trl", TIGHT, trl), ("trl's CPO", TIGHT, smoothed), ("liger-kernel", TIGHT, one_by_one(liger)),
    ])

    def add(name, pc, pr, rc, rr, variant=None, beta=None, smoothing=None, **options):
        variant = cycle(suite, ("Sigmoid", "Hinge", "Ipo", "Robust", "Sigmoid")) if variant is None else variant
        beta = cycle(suite, (0.1, 0.5, 0.25)) if beta is None else beta
        if smoothing is None:
            smoothing = cycle(suite, (0.0, 0.1, 0.25, 0.0)) if variant in ("Sigmoid", "Robust") else 0.0

        def each(pc, pr, rc):
            d = (pc - pr) - (rc - rr)
            z = beta * d
            if variant == "Ipo":
                return (d - 1 / (2 * beta)) ** 2
            if variant == "Hinge":
                no_near_corner(1 - z)
                return torch.relu(1 - z)
            if variant == "Sigmoid":
                return (1 - smoothing) * softplus(-z) + smoothing * softplus(z)
            return ((1 - smoothing) * softplus(-z) - smoothing * softplus(z)) / (1 - 2 * smoothing)

        config = {"beta": beta, "label_smoothing": smoothing, "variant": variant}
        suite.add(f"{name}_{variant.lower()}", config, [pc, pr, rc], rr, each, untracked=(2,), **options)

    def operands(shape, scale=8.0):
        return [log_probs(shape, scale) for _ in range(4)]

    basics(add, operands)
    for variant in types:
        for reduction in REDUCTIONS:
            add("each", *operands((4,)), variant, reduction=reduction)
        add("weighted", *operands((5,)), variant, sample_weights=True)
        policy = operands((4,))[:2]
        add("first_step", *policy, *policy, variant, 0.1)
        add("large_beta", *operands((4,)), variant, 2.0)
        add("far", *operands((6,), 300.0), variant, 0.5)
        add("full_float32_digits", *(f32(-(torch.rand(4) * 8 + 1)) for _ in range(4)), variant)
    for variant in ("Sigmoid", "Robust"):
        for smoothing in (0.0, 0.25, 0.4375):
            add(f"smoothing_{smoothing}", *operands((5,)), variant, 0.5, smoothing)
    certain = torch.tensor([-5.0, -6.0, -7.0]), torch.tensor([-45.0, -56.0, -87.0])
    start = torch.full((3,), -20.0)
    add("right", *certain, start, start, "Sigmoid", 0.5, 0.0, tiny={"unreduced": True, "gradient0": True})
    add("wrong", *reversed(certain), start, start, "Sigmoid", 0.5, 0.0)
    # Margins of exactly 0 and of 1, where the hinge is.
    chosen, rejected = torch.tensor([-6.0, -8.0, -9.0]), torch.tensor([-8.0, -8.0, -8.0])
    add("corner", chosen, rejected, rejected, rejected, "Hinge", 0.25)
    return suite


def simpo():
    def trl(config, c, r):
        trainer = SimpleNamespace(
            alpha=0.0, beta=config["beta"], label_smoothing=config["label_smoothing"], loss_type="simpo",
            simpo_gamma=config["gamma"], accelerator=CPU)
        return cpo_of_trl(trainer, c, r)[0]

    def liger(config, c, r):
        options = {name: config[name] for name in ("beta", "gamma", "label_smoothing")}
        return LigerFusedLinearSimPOFunction.preference_loss_fn(c, r, torch.zeros(2), **options)[0]

    suite = Suite("simpo", ("trl", "liger-kernel"), [("trl", TIGHT, trl), ("liger-kernel", TIGHT, one_by_one(liger))])

    def add(name, c, r, beta=None, gamma=None, smoothing=None, **options):
        beta = cycle(suite, (2.0, 2.5, 0.5, 10.0)) if beta is None else beta
        gamma = cycle(suite, (1.0, 0.5, 0.0, 1.5)) if gamma is None else gamma
        smoothing = cycle(suite, (0.0, 0.1, 0.25)) if smoothing is None else smoothing

        def each(c, r):
            u = beta * (c - r) - gamma
            return (1 - smoothing) * softplus(-u) + smoothing * softplus(u)

        config = {"beta": beta, "gamma": gamma, "label_smoothing": smoothing}
        suite.add(name, config, [c, r], r, each, target_gradient=True, **options)

    def operands(shape, scale=1.5):
        return [-positive(shape, scale) for _ in range(2)]

    basics(add, operands)
    c, r = operands((5,))
    add("equal", c, c.clone())
    add("sums", *(log_probs((5,), 40.0) for _ in range(2)), 2.0, 1.0)
    add("smoothing", c, r, 2.0, 1.0, 0.4375)
    add("no_margin", c, r, 1.0, 0.0, 0.0)
    add("large_margin", c, r, 2.0, 16.0, 0.0)
    add("full_float32_digits", f32(-torch.rand(4) - 0.1), f32(-torch.rand(4) - 0.1))
    add("right", f32([-0.5, -1.0, -0.25]), f32([-12.5, -20.0, -9.25]), 2.0, 1.0, 0.0,
        tiny={"unreduced": True, "gradient0": True})
    add("wrong", f32([-12.5, -20.0, -9.25]), f32([-0.5, -1.0, -0.25]), 2.0, 1.0, 0.0)
    return suite


def orpo():
    log1mexp = function("trl", "experimental/orpo/orpo_trainer.py", "log1mexp")
    odds_ratio = function("trl", "experimental/orpo/orpo_trainer.py", "odds_ratio_loss", log1mexp=log1mexp)

    def trl(config, c, r):  # it has the second term with the other sign; the first one is of its trainer
        with float_as_double():
            return -c - odds_ratio(SimpleNamespace(beta=config["lambda"], accelerator=CPU), c, r)[0]

    def liger(config, c, r):
        return -c + LigerFusedLinearORPOFunction.preference_loss_fn(c, r, torch.zeros(2), beta=config["lambda"])[0]

    suite = Suite("orpo", ("trl", "liger-kernel"), [("trl", TIGHT, trl), ("liger-kernel", TIGHT, one_by_one(liger))])

    def add(name, c, r, strength=None, **options):
        strength = cycle(suite, (0.1, 0.25, 1.0, 0.5)) if strength is None else strength

        def log_1m_exp(x):  # expm1 alone does it: it is exact, and only its logarithm may be small
            return torch.where(x > -math.log(2), torch.log(-torch.expm1(x)), torch.log1p(-torch.exp(x)))

        def each(c, r):
            odds = (c - r) - (log_1m_exp(c) - log_1m_exp(r))
            return -c + strength * softplus(-odds)

        suite.add(name, {"lambda": strength}, [c, r], r, each, target_gradient=True, **options)

    def operands(shape, scale=1.25):
        return [-positive(shape, scale, least=1 / 16) for _ in range(2)]

    basics(add, operands)
    c, r = operands((5,))
    add("equal", c, c.clone())
    add("likelihood_alone", c, r, 0.0)
    add("strong", c, r, 8.0)
    add("nearly_certain", f32([-1 / 1024, -1 / 64, -2.0]), f32([-1.5, -3.0, -1 / 1024]))
    add("unlikely", f32([-40.0, -30.0, -2.0]), f32([-2.0, -35.0, -60.0]))
    add("full_float32_digits", f32(-torch.rand(4) * 3 - 0.05), f32(-torch.rand(4) * 3 - 0.05))
    return suite


def exact_sigmoid(t):
    """The sigmoid, whose gradient is not what is left of a difference from 1, as torch's is for a large number."""
    return torch.where(t > 0, 1 - torch.sigmoid(-t), torch.sigmoid(t))


def kto():
    block = statements("trl", "trainer/kto_trainer.py", "_compute_loss",
                       "if chosen_logps.shape[0] != 0", "if rejected_logps.shape[0] != 0", "losses = torch.cat(")

    def trl(config, policy, reference, kl, desirable):
        if config["beta"] * (policy - reference).abs() > 12:
            return None  # its 1 - s is 0 there
        trainer = SimpleNamespace(
            loss_type="kto", beta=config["beta"], desirable_weight=config["desirable_weight"],
            undesirable_weight=config["undesirable_weight"], accelerator=CPU)
        none, yes = torch.empty(0), bool(desirable)
        names = dict(zip(("chosen_logps", "ref_chosen_logps", "rejected_logps", "ref_rejected_logps"),
                         (policy, reference, none, none) if yes else (none, none, policy, reference)))
        return block(self=trainer, kl=kl, **names).losses

    def liger(config, policy, reference, kl, desirable):
        if config["beta"] * (policy - reference).abs() > 12:
            return None
        factor = config["desirable_weight"] if desirable else config["undesirable_weight"]  # Liger's trainer has these
        found = LigerFusedLinearKTOFunction.preference_loss_fn(
            policy, desirable.bool(), torch.zeros(1), reference, beta=config["beta"], kl=kl)[0]
        return factor * found

    suite = Suite("kto", ("trl", "liger-kernel"), [
        ("trl", TIGHT, one_by_one(trl)), ("liger-kernel", TIGHT, one_by_one(liger)),
    ])

    def add(name, policy, reference, kl, target=None, beta=None, weights=None, **options):
        target = cycle(suite, ("int", "bool", "hard")) if target is None else target
        if isinstance(target, str):
            name, target = f"{name}_{target}", labels(target, policy.shape)
        beta = cycle(suite, (0.1, 0.5, 0.25)) if beta is None else beta
        desirable, undesirable = cycle(suite, ((1.0, 1.0), (1.0, 1.5), (0.75, 1.0))) if weights is None else weights
        y = target.double()

        def each(policy, reference, kl):
            t = beta * ((policy - reference) - kl)
            return y * desirable * exact_sigmoid(-t) + (1 - y) * undesirable * exact_sigmoid(t)

        config = {"beta": beta, "desirable_weight": desirable, "undesirable_weight": undesirable}
        suite.add(name, config, [policy, reference, kl], target, each, untracked=(1, 2), **options)

    def operands(shape, scale=8.0, one_kl=False):
        kl = positive(shape, 2.0, least=0.0)
        return log_probs(shape, scale), log_probs(shape, scale), kl.flatten()[0].expand(shape).clone() if one_kl else kl

    basics(add, operands)
    for kind in ("int", "bool", "hard"):
        add("one_kl", *operands((6,), one_kl=True), kind)
        add("weighted", *operands((6,), one_kl=True), kind, sample_weights=True)
    policy, reference, kl = operands((6,))
    add("no_kl", policy, reference, torch.zeros(6))
    add("first_step", policy, policy.clone(), torch.zeros(6), "int", 0.1)
    add("all_desirable", policy, reference, kl, torch.ones(6).long())
    add("none_desirable", policy, reference, kl, torch.zeros(6).long())
    add("undesirable_do_not_count", policy, reference, kl, "int", 0.1, (1.0, 0.0))
    add("far", log_probs((6,), 300.0), log_probs((6,), 300.0), kl, "int", 0.5)
    add("full_float32_digits", f32(-torch.rand(4) * 8), f32(-torch.rand(4) * 8), f32(torch.rand(4)))
    certain = torch.tensor([-5.0, -6.0, -7.0]), torch.tensor([-45.0, -56.0, -87.0]), torch.ones(3)
    add("right", *certain, torch.ones(3).long(), 0.5, tiny={"unreduced": True, "gradient0": True})
    return suite


def policy_clip():
    losses = statements("trl", "trainer/grpo_trainer.py", "_compute_loss", "log_ratio = ",
                        "if self.importance_sampling_level ==", "coef_1 = torch.exp", "if self.loss_type == 'cispo'")
    reduce = statements("trl", "trainer/grpo_trainer.py", "_compute_loss", "if self.loss_type in ['grpo', 'sapo']")

    def trainer(config, loss_type):
        divisor = config["divisor"]
        return SimpleNamespace(
            loss_type=loss_type, importance_sampling_level="token", epsilon_low=config["clip_low"],
            epsilon_high=config["clip_high"], args=SimpleNamespace(delta=None), current_gradient_accumulation_steps=1.0,
            max_completion_length=divisor["Constant"] if isinstance(divisor, dict) else None)

    def trl(config, new, old, advantages):
        return losses(self=trainer(config, "grpo"), per_token_logps=new, old_per_token_logps=old,
                      advantages=advantages).per_token_loss

    def torchrl(config, new, old, advantages):
        bounds = math.log1p(-config["clip_low"]), math.log1p(config["clip_high"])
        return GRPOLoss._compute_policy_objective(SimpleNamespace(_clip_bounds=bounds), new - old, advantages)[0]

    types = {"Tokens": "bnpo", "Sequences": "grpo"}
    suite = Suite("policy_clip", ("trl", "liger-kernel", "torchrl"), [
        ("trl", TIGHT, trl), ("torchrl", TIGHT, torchrl),
        ("trl's mean", TIGHT, lambda *_: None), ("liger-kernel's mean", TIGHT, lambda *_: None),
    ])

    def add(name, new, old, advantages, divisor=None, low=None, high=None, mask=None, **options):
        divisor = cycle(suite, ("Tokens", "Sequences", {"Constant": 4.0}, "Tokens")) if divisor is None else divisor
        low = cycle(suite, (0.2, 0.1, 0.25)) if low is None else low
        high = cycle(suite, (0.2, 0.28, 0.5, 0.2)) if high is None else high
        config = {"clip_low": low, "clip_high": high, "divisor": divisor}
        for bound in (1 - low, 1 + high):
            new = torch.where(((new - old).exp() - bound).abs() < 1e-3, new + 1 / 64, new)

        def each(new, old):
            ratio = (new - old).exp()
            # Of the two products the smaller one: the ratio is bounded on the side where it would gain.
            upper = torch.where(advantages > 0, 1.0 + high, math.inf)
            lower = torch.where(advantages < 0, 1.0 - low, -math.inf)
            return -advantages * torch.minimum(torch.maximum(ratio, lower), upper)

        def mean(loss, w):
            if divisor == "Tokens":
                return (loss * w).sum() / w.sum()
            if divisor == "Sequences":
                loss, w = loss.reshape(len(loss), -1), w.reshape(len(w), -1)
                total = w.sum(1)
                counts = total > 0
                return ((loss * w).sum(1)[counts] / total[counts]).mean()
            return (loss * w).sum() / (divisor["Constant"] * len(loss))

        suite.add(name, config, [new, old], advantages, each, untracked=(1,), mean=mean, sample_weights=mask, **options)
        # A library's mean has a mask of 0 and 1, of sequences that all have a token, or a constant.
        case = suite.cases[-1]
        if case["config"]["reduction"] != "Mean" or new.dim() != 2:
            return
        w = torch.ones(new.shape) if mask is None else mask
        if mask is True or not ((w == 0) | (w == 1)).all() or divisor == "Sequences" and not w.any(1).all():
            return
        loss_type = types.get(divisor if isinstance(divisor, str) else None, "dr_grpo")
        names = {"mode": "train", "per_token_loss": torch.tensor(case["unreduced"]["data"]).reshape(new.shape), "mask": w}
        suite.value_is("trl's mean", reduce(self=trainer(config, loss_type), **names).loss)
        if (advantages == advantages[:, :1]).all():  # Liger takes an advantage for each sequence
            found = LigerFusedLinearGRPOFunction.ppo_loss_fn(
                new, w, advantages[:, 0], w, old_per_token_logps=old, epsilon_low=low, epsilon_high=high, beta=0.0,
                loss_type=loss_type, max_completion_length=trainer(config, "").max_completion_length)[0]
            suite.value_is("liger-kernel's mean", found)

    def operands(shape, scale=0.5, by_sequence=True):
        old = -positive(shape, 1.5)
        new = old + randn(shape, scale)
        advantages = randn(shape[:1] if by_sequence else shape, 1.0)
        advantages = torch.where(advantages == 0, 0.5, advantages)
        if by_sequence:
            advantages = advantages.reshape(-1, *[1] * (len(shape) - 1)).expand(shape).contiguous()
        return new, old, advantages

    def masked(shape):
        mask = (torch.rand(shape) < 0.6).double()
        mask[:, 0] = 1.0
        return mask

    divisors = ("Tokens", "Sequences", {"Constant": 8.0})
    for reduction in REDUCTIONS:
        for divisor in divisors:
            name = divisor.lower() if isinstance(divisor, str) else "constant"
            add(f"rank2_{name}", *operands((4, 5)), divisor, reduction=reduction)
            add(f"rank2_{name}_mask", *operands((4, 5)), divisor, mask=masked((4, 5)), reduction=reduction)
        add("rank1", *operands((7,)), reduction=reduction)
    for divisor in divisors:
        name = divisor.lower() if isinstance(divisor, str) else "constant"
        fractions = torch.randint(0, 5, (4, 5)) / 4
        fractions[:, 0] = 0.5
        add(f"{name}_fractions", *operands((4, 5), by_sequence=False), divisor, mask=fractions, reduction="Mean")
        empty = masked((4, 5))
        empty[2] = 0.0
        add(f"{name}_empty_sequence", *operands((4, 5)), divisor, mask=empty, reduction="Mean")
        one = torch.zeros(4, 5)
        one[1, 3] = 1.0
        add(f"{name}_one_token", *operands((4, 5)), divisor, mask=one, reduction="Mean")
        add(f"{name}_rank1_mask", *operands((5,)), divisor, mask=torch.tensor([1.0, 0.0, 1.0, 1.0, 0.0]), reduction="Mean")
        add(f"{name}_rank1_fractions", *operands((5,)), divisor, mask=torch.tensor([0.5, 0.0, 1.0, 0.25, 2.0]), reduction="Mean")
        add(f"{name}_one_sequence", *operands((1, 6)), divisor, mask=masked((1, 6)), reduction="Mean")
    new, old, advantages = operands((4, 3))
    add("first_step", old.clone(), old, advantages, "Tokens")
    add("one_element", *operands((1,)), "Sequences")
    add("no_advantage", new, old, torch.where(advantages > 0, advantages, 0.0), "Tokens")
    add("asymmetric", *operands((4, 3), by_sequence=False), "Tokens", 0.2, 1.0)
    add("wide", *operands((4, 3)), "Tokens", 0.75, 2.0)
    add("narrow", f32(old + signs(old.shape) / 4), old, advantages, "Tokens", 1 / 32, 1 / 16)
    add("positive_densities", f32(new + 4.0), f32(old + 4.0), advantages, "Tokens")
    add("far", f32(old + 12.0 * signs(old.shape)), old, advantages, "Tokens")
    add("large_advantages", new, old, f32(advantages * 1024), "Sequences")
    add("full_float32_digits", f32(-torch.rand(3, 3)), f32(-torch.rand(3, 3)), f32(torch.randn(3, 3)), "Tokens")
    return suite


# Generative models --------------------------------------------------------------------------------

OBJECTIVES = ("NonSaturating", "Hinge", "LeastSquares", "Wasserstein")


def scores(shape, scale=1.5, step=1 / 256):
    """Not 1 nor -1, where the hinges are."""
    x = randn(shape, scale, step)
    return torch.where(x.abs() == 1, x / 2, x)


def digits_lost(*scores):
    """torch's gradient is that of a sigmoid less 1."""
    return any((x.min() > 10 or x.max() < -10) for x in scores)


def gan_generator():
    def of_torchgan(config, fake):
        functions = {
            "NonSaturating": torchgan.minimax_generator_loss,
            "LeastSquares": torchgan.least_squares_generator_loss,
            "Wasserstein": torchgan.wasserstein_generator_loss,
            "Hinge": torchgan.wasserstein_generator_loss,  # the generator's side of the hinge is the same
        }
        if config["objective"] == "NonSaturating" and digits_lost(fake):
            return None
        return functions[config["objective"]](fake, reduction="none")

    suite = Suite("gan_generator", ("torchgan",), [("torchgan", TIGHT, of_torchgan)])

    def add(name, fake, objective=None, **options):
        objective = cycle(suite, OBJECTIVES) if objective is None else objective
        each = {
            "NonSaturating": lambda f: softplus(-f),
            "Hinge": lambda f: -f,
            "LeastSquares": lambda f: (f - 1) ** 2 / 2,
            "Wasserstein": lambda f: -f,
        }[objective]
        suite.add(f"{name}_{objective.lower()}", {"objective": objective}, [fake], None, each, **options)

    basics(add, lambda shape: [scores(shape)])
    for objective in OBJECTIVES:
        for reduction in REDUCTIONS:
            add("each", scores((3, 4)), objective, reduction=reduction)
        add("weighted", scores((4, 3)), objective, sample_weights=True)
        add("magnitude_1e4", scores((3, 3), 1e4, 1.0), objective)
        add("full_float32_digits", scores((3, 3), 1.0, None), objective)
    add("far", torch.tensor([20.0, 30.0, 40.0]), "NonSaturating", tiny={"value": True, "unreduced": True, "gradient0": True})
    return suite


def gan_discriminator():
    def of_torchgan(config, real, fake):
        functions = {
            "NonSaturating": torchgan.minimax_discriminator_loss,
            "LeastSquares": torchgan.least_squares_discriminator_loss,
            "Wasserstein": torchgan.wasserstein_discriminator_loss,
        }
        found = functions.get(config["objective"])
        if found is None or config["objective"] == "NonSaturating" and digits_lost(real, fake):
            return None
        return found(real, fake, reduction="none")

    def of_monai(config, real, fake):  # its hinge, without the tanh that it takes first; it has the mean alone
        if config["objective"] != "Hinge" or (real == 1).any() or (fake == -1).any():
            return None  # at a corner it has half of the slope
        loss = PatchAdversarialLoss(criterion="hinge")
        return loss._forward_single(real, None) + loss._forward_single(-fake, None)

    suite = Suite("gan_discriminator", ("torchgan", "monai"), [
        ("torchgan", TIGHT, of_torchgan), ("monai", TIGHT, of_monai),
    ])

    def add(name, real, fake, objective=None, **options):
        objective = cycle(suite, OBJECTIVES) if objective is None else objective
        if objective == "Hinge" and "corner" not in name:
            no_near_corner(1 - real)
            no_near_corner(1 + fake)
        each = {
            "NonSaturating": lambda r, f: softplus(-r) + softplus(f),
            "Hinge": lambda r, f: torch.relu(1 - r) + torch.relu(1 + f),
            "LeastSquares": lambda r, f: ((r - 1) ** 2 + f**2) / 2,
            "Wasserstein": lambda r, f: f - r,
        }[objective]
        config = {"objective": objective}
        suite.add(f"{name}_{objective.lower()}", config, [real, fake], fake, each, target_gradient=True, **options)

    basics(add, lambda shape: [scores(shape), scores(shape)])
    for objective in OBJECTIVES:
        for reduction in REDUCTIONS:
            add("each", scores((3, 4)), scores((3, 4)), objective, reduction=reduction)
        add("weighted", scores((4, 3)), scores((4, 3)), objective, sample_weights=True)
        add("magnitude_1e4", scores((3, 3), 1e4, 1.0), scores((3, 3), 1e4, 1.0), objective)
        add("full_float32_digits", scores((3, 3), 1.0, None), scores((3, 3), 1.0, None), objective)
    tiny = {"value": True, "unreduced": True, "gradient0": True}
    add("far", torch.tensor([20.0, 30.0, 40.0]), torch.tensor([-18.0, -30.0, -35.0]), "NonSaturating", tiny=tiny)
    add("corner", torch.tensor([1.0, 0.5, 2.0, 1.0]), torch.tensor([-1.0, -1.0, 0.0, -3.0]), "Hinge")
    return suite


def gaussian_kl():
    def distributions(config, m, v):
        if (v.abs() > 10).any():
            return None  # by the standard deviation it loses digits
        return dist.kl_divergence(dist.Normal(m, (v / 2).exp()), dist.Normal(0.0, 1.0))

    suite = Suite("gaussian_kl", (), [("torch.distributions", TIGHT, distributions)])

    def add(name, m, v, **options):
        each = lambda m, v: (m * m + (torch.expm1(v) - v)) / 2
        suite.add(name, {}, [m, v], v, each, target_gradient=True, **options)

    def operands(shape, scale=1.5):
        return [randn(shape, scale), randn(shape, scale)]

    basics(add, operands)
    m, v = operands((3, 4))
    add("unit_variance", m, torch.zeros(3, 4))
    add("zero_mean", torch.zeros(3, 4), v)
    add("standard_normal_among_others", torch.where(m > 0, m, 0.0), torch.where(m > 0, v, 0.0))
    add("far_means", f32(m * 256), v)
    add("small_variances", m, f32(v.abs() * -16))
    add("large_variances", m, f32(v.abs() * 8))
    add("full_float32_digits", randn((3, 3), step=None), randn((3, 3), step=None))
    add("large", randn((8, 16), 1.0, 1 / 16), randn((8, 16), 1.0, 1 / 16))
    return suite


def sigmoid_poly1():
    def timm(config, x, y):
        if (x.abs() > 30).any():
            return None  # its 1 - p is 0 there
        with float_as_double():
            return PolyBinaryCrossEntropy(config["epsilon"], reduction="none")(x, y)

    suite = Suite("sigmoid_poly1", ("timm",), [("timm", TIGHT, timm)])

    def add(name, shape, target, epsilon=None, x=None, **options):
        epsilon = cycle(suite, (1.0, 2.0, -1.0, 0.5, 1.0)) if epsilon is None else epsilon
        target = cycle(suite, ("int", "hard", "bool", "soft")) if target is None else target
        if isinstance(target, str):
            name, target = f"{name}_{target}" if target not in name else name, labels(target, shape)
        x = randn(shape, 2.0) if x is None else x
        y = target.double()

        def each(x):
            yes = softplus(-x) + epsilon * torch.sigmoid(-x)
            no = softplus(x) + epsilon * torch.sigmoid(x)
            return y * yes + (1 - y) * no

        suite.add(name, {"epsilon": epsilon}, [x], target, each, **options)

    def plain(name, shape, target, x=None, **options):
        add(name, shape, target, None, x, **options)

    libraries.binary(plain, "soft")
    for epsilon in (0.0, -1.0, -0.5, 4.0):
        add(f"epsilon_{epsilon}", (3, 4), "soft", epsilon)
    tiny = {"value": True, "unreduced": True, "gradient0": True}
    add("right", (1, 6), FAR > 0, 1.0, FAR, tiny=tiny)
    add("wrong", (1, 6), (FAR < 0).double(), 2.0, FAR)
    add("very_far_wrong", (1, 6), (VERY_FAR < 0).long(), 1.0, VERY_FAR)
    add("very_far_right", (1, 6), VERY_FAR > 0, 1.0, VERY_FAR)
    return suite


def main(losses):
    wanted = sys.argv[1:] or [loss.__name__ for loss in losses]
    print(f"{sum(loss().write() for loss in losses if loss.__name__ in wanted)} bytes in all")


if __name__ == "__main__":
    main((dpo, simpo, orpo, kto, policy_clip, gan_generator, gan_discriminator, gaussian_kl, sigmoid_poly1))
