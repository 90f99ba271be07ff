"""Golden data for the losses of the router of a mixture of experts.

Run `python routing.py` in a virtual environment with what `elements.py` needs, and transformers 5.24, megatron-core 0.16
and xtuner 0.2 (the last two without their dependencies: of xtuner, which has DeepSeek-V2's own file, only the source is
read). The files are written beside this script, in the format of `generate.py` as `elements.py` extends it; the target of
load_balance is the ids of the experts.

The formulas are in float64, written so that nothing cancels; the gradients are torch's of the formulas. Every case that a
library can compute is compared with it, as in `libraries.py`; those that ask for float32 by name are given float64.

* load_balance: `unreduced` is `[1]`, or `[B]` with per_sequence. Each counts 1 in Mean, and BatchMean divides by their number.
* These options make it equal to a library, times the coefficient there. Where one chooses experts by itself, those of the case
  are its top k; what is ignored is left out of what the library gets, or is masked where it has a mask.

      transformers' Mixtral                    Tokens; per_sequence is each sequence alone
      transformers' Switch Transformers        Tokens, per_sequence, of any probabilities
      megatron-core's aux_loss, seq_aux_loss   Choices, and per_sequence; Softmax or Sigmoid
      DeepSeek-V2                              Choices, and per_sequence where it has seq_aux
      DeepSeek-V3, equations 17 to 20          Choices, per_sequence, Sigmoid

  The shares of Tokens are k times those of Choices, so that each of them is compared with both, but where only some of a
  token's choices are ignored: no library has that.
* Several layers in Mixtral's function are all tokens of one batch. Its mask is the same for each layer.
* Megatron with a padding mask divides each sequence by the mean number of tokens of all, so it is compared where they have
  equally many.
* Not compared: no token at all, which is 0 here, and NaN in Mixtral's function; sigmoids that underflow to 0, whose shares
  here are of their logarithms, while Megatron adds 1e-20 to the sum; and a token that has an expert twice, which Switch
  counts once.
* router_z has no target. Megatron's padding mask is a weight of 0.
"""

import ast
import math
from types import SimpleNamespace

import torch
import torch.nn.functional as F

from elements import Suite, compiled, main, tree
from generate import REDUCTIONS, distribution, f32, randn
from libraries import TIGHT, cycle, float_as_double

from megatron.core.transformer.moe import moe_utils as megatron
from megatron.core.transformer.moe.router import TopKRouter
from transformers.models.mixtral import modeling_mixtral as mixtral
from transformers.models.switch_transformers import modeling_switch_transformers as switch

# Libraries ----------------------------------------------------------------------------------------


class Double:
    """torch, whose float32 is float64."""

    float32 = torch.float64

    def __getattr__(self, name):
        return getattr(torch, name)


for module in (megatron, mixtral, switch):
    module.torch = Double()
megatron.reduce_from_tensor_model_parallel_region = lambda loads, group: loads  # of one process


def class_of(package, path, name):
    """A class of a library by its source alone: nothing is imported for it."""
    node = next(n for n in ast.walk(tree(package, path)) if isinstance(n, ast.ClassDef) and n.name == name)
    space = {"torch": Double(), "nn": torch.nn, "F": F, "math": math}
    exec(compiled([node], path), space)
    return space[name]


DeepseekGate = class_of("xtuner", "model/transformers_models/deepseek_v2/modeling_deepseek.py", "MoEGate")

# Load balancing -----------------------------------------------------------------------------------

IDS = torch.tensor
ACTIVATIONS = ("Softmax", "Sigmoid", "Probabilities")
SHARES = ("Choices", "Tokens")


def probabilities(config, x):
    """Of sigmoids that are tiny the logarithms are not."""
    if config["activation"] == "Probabilities":
        return x
    return (F.logsigmoid(x) if config["activation"] == "Sigmoid" else x).softmax(-1)


def ignored(config, ids):
    return torch.isin(ids, torch.tensor(config["ignore_indices"], dtype=torch.int64))


def balances(config, x, ids):
    sequences = x.shape[0] if config["per_sequence"] else 1
    experts, k = x.shape[-1], ids.shape[-1]
    p = probabilities(config, x).reshape(sequences, -1, experts)
    skip = ignored(config, ids).reshape(sequences, -1, k)
    chosen = F.one_hot(ids.reshape(sequences, -1, k).masked_fill(skip, 0), experts).masked_fill(skip.unsqueeze(-1), 0)
    loads = chosen.sum((1, 2)).double()
    token = ~skip.all(-1)
    tokens = token.sum(1, keepdim=True).double()
    whole = loads.sum(1, keepdim=True) if config["share"] == "Choices" else tokens
    mean = p.masked_fill(~token.unsqueeze(-1), 0.0).sum(1) / tokens.clamp(min=1.0)
    return experts * (loads / whole.clamp(min=1.0) * mean).sum(1)


# Comparisons: each has its own probabilities.


def whole_tokens(config, ids):
    """Which tokens count; None where only some choices of one are ignored."""
    skip = ignored(config, ids)
    return None if (skip.any(-1) != skip.all(-1)).any() else ~skip.any(-1)


def is_top(p, ids):
    """Whether these are the experts that a library chooses."""
    return torch.equal(p.topk(ids.shape[-1], -1).indices.sort(-1).values, ids.sort(-1).values)


def by(config, ids, share):
    """What a loss of this share is multiplied by."""
    k = ids.shape[-1]
    return {"Choices": 1.0, "Tokens": k}[config["share"]] / {"Choices": 1.0, "Tokens": k}[share]


def of_parts(check):
    """A check of the tokens that count, `[tokens, experts]` and `[tokens, k]`, of the batch or of each sequence; where
    none does, it is 0."""

    def of(config, x, ids):
        counts = whole_tokens(config, ids)
        if counts is None or not counts.any():
            return None
        pieces = zip(x, ids, counts) if config["per_sequence"] else [(x, ids, counts)]
        found = []
        for x, ids, counts in pieces:
            found += [check(config, x[counts], ids[counts]) if counts.any() else 0.0 * x.sum()]
        return None if any(one is None for one in found) else torch.stack(found)

    return of


def of_mixtral(config, x, ids):
    if config["activation"] != "Softmax" or not is_top(x.softmax(-1), ids):
        return None
    with float_as_double():
        return mixtral.load_balancing_loss_func((x,), x.shape[-1], ids.shape[-1]) * by(config, ids, "Tokens")


def of_mixtral_masked(config, x, ids):
    """By its attention mask, of the whole batch; a layer for each entry of the first axis where the mask is the same."""
    counts = whole_tokens(config, ids)
    if config["activation"] != "Softmax" or config["per_sequence"] or counts is None or not counts.any():
        return None
    if not is_top(x[counts].softmax(-1), ids[counts]) or x.dim() != 3 or counts.all():
        return None
    experts, k = x.shape[-1], ids.shape[-1]
    layers, mask = (x.flatten(0, 1),), counts
    if (counts == counts[0]).all():
        layers, mask = tuple(x), counts[:1]
    with float_as_double():
        return mixtral.load_balancing_loss_func(layers, experts, k, mask.long()) * by(config, ids, "Tokens")


def of_mixtral_layers(config, x, ids):
    if config["activation"] != "Softmax" or config["per_sequence"] or x.dim() != 3 or ignored(config, ids).any():
        return None
    if not is_top(x.softmax(-1), ids):
        return None
    with float_as_double():
        return mixtral.load_balancing_loss_func(tuple(x), x.shape[-1], ids.shape[-1]) * by(config, ids, "Tokens")


def as_written(config, x):
    """Probabilities as a model computes them; None where their sum is 0."""
    if config["activation"] == "Probabilities":
        return x
    if config["activation"] == "Softmax":
        return torch.exp(x - x.amax(-1, keepdim=True)) / torch.exp(x - x.amax(-1, keepdim=True)).sum(-1, keepdim=True)
    s = torch.sigmoid(x)
    sums = s.sum(-1, keepdim=True)
    return None if (sums < 1e-9).any() else s / sums


def of_switch(config, x, ids):
    """A group of tokens."""
    p = as_written(config, x)
    if p is None:
        return None
    return switch.load_balancing_loss_func(p.unsqueeze(0), ids.unsqueeze(0)) * by(config, ids, "Tokens")


def of_switch_groups(config, x, ids):
    p = as_written(config, x)
    if p is None or not config["per_sequence"] or x.dim() != 3 or ignored(config, ids).any():
        return None
    return switch.load_balancing_loss_func(p, ids) * by(config, ids, "Tokens")


def scores(config, x, k, padding=None):
    """Megatron's map of the top k, and its probabilities, of `[tokens, experts]`; None where it has none."""
    kind = config["activation"].lower()
    if kind == "probabilities" or as_written(config, x) is None:
        return None
    return megatron.compute_routing_scores_for_aux_loss(x, k, kind, padding_mask=padding)


def of_megatron(config, x, ids):
    """Its loss, of any choices."""
    found = scores(config, x, ids.shape[-1])
    p = x if config["activation"] == "Probabilities" else None if found is None else found[1]
    if p is None:
        return None
    k, experts = ids.shape[-1], x.shape[-1]
    loads = torch.zeros(x.shape, dtype=torch.int64).scatter(-1, ids, 1).sum(0)
    return megatron.switch_load_balancing_loss_func(p, loads, x.shape[0], k, experts, 1.0) * by(config, ids, "Choices")


def router(k, experts):
    """What Megatron's router is asked for by its losses, which are given back."""
    return SimpleNamespace(
        topk=k, get_aux_loss_coeff=lambda kind: 1.0, tp_cp_group=SimpleNamespace(size=lambda: 1),
        config=SimpleNamespace(num_moe_experts=experts, moe_router_fusion=False),
        attach_and_log_load_balancing_loss=lambda probs, coeff, loss, *_, **__: loss)


def of_megatron_router(config, x, ids):
    """Its router, with a padding mask, of tokens of sequences `[tokens, B, experts]` that have equally many."""
    counts = whole_tokens(config, ids)
    if counts is None or not counts.any() or config["activation"] == "Probabilities":
        return None
    k, experts, sequences = ids.shape[-1], x.shape[-1], x.shape[0]
    padded = not counts.all()
    if config["per_sequence"]:
        if x.dim() != 3 or (counts.sum(1) != counts[0].sum()).any():
            return None
        x, ids, counts = (of.transpose(0, 1) for of in (x, ids, counts))
    x, ids, counts = x.reshape(-1, experts), ids.reshape(-1, k), counts.reshape(-1)
    found = scores(config, x, k, ~counts if padded else None)
    if found is None or not is_top(as_written(config, x)[counts], ids[counts]):
        return None
    chosen, p = found
    if config["per_sequence"]:
        length = x.shape[0] // sequences
        loss = TopKRouter._apply_seq_aux_loss(router(k, experts), None, p, chosen, length, sequences, padded)
    else:
        loss = TopKRouter._apply_aux_loss(router(k, experts), None, p, chosen, padded)
    return loss * by(config, ids, "Choices")


def of_deepseek(config, x, ids):
    """DeepSeek-V2's gate, whose weights are the identity: of sequences if there are, of tokens else."""
    if config["activation"] != "Softmax" or ignored(config, ids).any() or x.dim() > 3 or not is_top(x.softmax(-1), ids):
        return None
    k, experts = ids.shape[-1], x.shape[-1]
    gate = DeepseekGate(SimpleNamespace(
        num_experts_per_tok=k, n_routed_experts=experts, routed_scaling_factor=1.0, scoring_func="softmax",
        aux_loss_alpha=1.0, seq_aux=config["per_sequence"], topk_method="greedy", n_group=1, topk_group=1,
        norm_topk_prob=False, hidden_size=experts))
    gate.weight = torch.nn.Parameter(torch.eye(experts))
    with float_as_double():
        _, _, loss = gate(x if x.dim() == 3 else x.unsqueeze(0))
    return loss * by(config, ids, "Choices")


def of_equations(config, x, ids):
    """Equations 17 to 20 of DeepSeek-V3's report, with alpha 1."""
    if config["activation"] != "Sigmoid" or as_written(config, x) is None:
        return None
    (length, experts), k = x.shape, ids.shape[-1]
    s = torch.sigmoid(x)
    chosen = torch.stack([(ids == i).any(1) for i in range(experts)], 1).double()
    f = experts / (k * length) * chosen.sum(0)
    p = (s / s.sum(1, keepdim=True)).sum(0) / length
    return (f * p).sum() * by(config, ids, "Choices")


def load_balance():
    suite = Suite("load_balance", ("transformers", "megatron-core", "xtuner"), [
        ("Mixtral", TIGHT, of_parts(of_mixtral)), ("Mixtral's mask", TIGHT, of_mixtral_masked),
        ("Mixtral's layers", TIGHT, of_mixtral_layers), ("Switch", TIGHT, of_parts(of_switch)),
        ("Switch's groups", TIGHT, of_switch_groups), ("Megatron", TIGHT, of_parts(of_megatron)),
        ("Megatron's router", TIGHT, of_megatron_router), ("DeepSeek-V2", TIGHT, of_deepseek),
        ("DeepSeek-V3's equations", TIGHT, of_parts(of_equations)),
    ])
    alone = []  # no library has them

    def add(name, shape, k=2, activation="Softmax", *, share=None, per_sequence=False, ignore=(), ids=None, x=None,
            skip=None, reduction=None, still=False, **options):
        """`ids` are the top k unless given; where `skip` is not None, the ids there are ignored. `still`: no gradient."""
        share = cycle(suite, SHARES) if share is None else share
        if reduction is None:
            reduction = cycle(suite, tuple(REDUCTIONS) if per_sequence else ("Mean", "Sum"))
        config = {
            "activation": activation, "share": share, "per_sequence": per_sequence, "ignore_indices": list(ignore)}
        if x is None:
            rows = activation == "Probabilities"
            x = distribution(shape, len(shape) - 1, zeros=shape[-1] > 16) if rows else randn(shape, 1.5)
        ids = probabilities(config, x).topk(k, -1).indices if ids is None else ids
        if skip is not None:
            those = torch.tensor(ignore)[torch.randint(0, len(ignore), ids.shape)]
            skip = skip.unsqueeze(-1) if skip.dim() < ids.dim() else skip
            ids = torch.where(skip, those, ids)
        before = sum(suite.checked.values())
        each = lambda x: balances(config, x, ids) + 0.0 * x.sum()
        suite.add(name, config, [x], ids, each, reduction=reduction, **options)
        if sum(suite.checked.values()) == before:
            alone.append(name)
        slopes = max(abs(slope) for slope in suite.cases[-1]["gradients"][0])
        assert slopes > 1e-6 or still and slopes == 0.0, name  # else it is what rounding left

    def any_of(shape, k):
        """As a router chooses that has a bias."""
        return torch.rand(shape).topk(k, -1).indices

    for reduction in ("Mean", "Sum"):
        add("rank2_top1", (7, 4), 1, reduction=reduction)
    for k in (1, 2, 4):
        for share in SHARES:
            add(f"rank2_{share.lower()}_top{k}", (5, 8), k, share=share)
    for activation in ACTIVATIONS:
        lower = activation.lower()
        for reduction in REDUCTIONS:
            add(f"sequences_{lower}", (2, 3, 4), 2, activation, per_sequence=True, reduction=reduction)
        add(f"rank3_{lower}", (2, 3, 5), 2, activation)
        add(f"any_choices_{lower}", (4, 5), 2, activation, ids=any_of((4, 5), 2))
        add(f"two_experts_{lower}", (7, 2), 1, activation)
    for k, activation in zip((1, 2, 4), ACTIVATIONS):
        add(f"many_experts_top{k}", (3, 64), k, activation)
    add("two_experts_sequences", (2, 3, 2), 1, per_sequence=True)
    add("any_choices_sequences", (2, 4, 4), 1, per_sequence=True, ids=any_of((2, 4, 4), 1))
    add("many_experts_sequences", (2, 3, 64), 4, "Sigmoid", per_sequence=True)
    add("layers", (3, 4, 6), 2, share="Tokens")
    add("rank4", (2, 2, 3, 4), 2)
    add("rank4_sequences", (2, 2, 3, 4), 2, per_sequence=True)
    add("one_token", (1, 6), 2)
    add("sequences_of_one_token", (3, 1, 4), 1, per_sequence=True)
    add("full_float32_digits", (5, 4), 2, x=randn((5, 4), 1.5, None))

    # What is ignored: whole tokens, by one id or two; the same in each layer, or equally many in each sequence.
    padding = IDS([[0, 0, 0, 1], [0, 1, 1, 1], [0, 0, 1, 1]]) > 0
    for share in SHARES:
        add(f"padding_{share.lower()}", (3, 4, 4), 2, share=share, ignore=(-100,), skip=padding)
    add("padding_sigmoid", (3, 4, 4), 2, "Sigmoid", ignore=(-1,), skip=padding)
    add("padding_probabilities", (3, 4, 4), 1, "Probabilities", ignore=(-1,), skip=padding)
    for reduction in REDUCTIONS:
        add("padding_sequences", (3, 4, 4), 2, per_sequence=True, ignore=(-100, 255), skip=padding, reduction=reduction)
    add("padding_sequences_sigmoid", (3, 4, 4), 2, "Sigmoid", per_sequence=True, ignore=(-100,), skip=padding)
    alike = IDS([[0, 0, 1, 0], [1, 0, 0, 0]]) > 0
    add("padding_equally_many", (2, 4, 5), 2, per_sequence=True, ignore=(-1,), skip=alike)
    add("padding_equally_many_sigmoid", (2, 4, 5), 2, "Sigmoid", per_sequence=True, ignore=(-1,), skip=alike)
    add("padding_of_layers", (2, 4, 5), 2, ignore=(-100,), skip=(IDS([0, 1, 0, 1]) > 0).expand(2, 4))
    add("padding_rank2", (7, 4), 1, ignore=(-100,), skip=IDS([0, 1, 0, 0, 1, 0, 0]) > 0)
    add("an_expert_is_ignored", (6, 4), 1, ignore=(2,), reduction="Mean")
    # Some choices of a token alone.
    some = IDS([[0, 0], [1, 0], [0, 1], [1, 1], [0, 0]]) > 0
    for share in SHARES:
        add(f"choices_{share.lower()}", (5, 4), 2, share=share, ignore=(-1,), skip=some)
    many = torch.rand(2, 4, 4) < 0.4
    for share, activation in zip(SHARES, ("Sigmoid", "Softmax")):
        add(f"choices_sequences_{share.lower()}", (2, 4, 6), 4, activation, share=share, per_sequence=True, ignore=(-1, 255),
            skip=many)
    # A whole sequence, and all: no token is no loss.
    first = torch.zeros(2, 3, dtype=torch.bool)
    first[0] = True
    for activation, reduction in zip(ACTIVATIONS, ("Sum", "BatchMean", "Sum")):
        add(f"sequence_ignored_{activation.lower()}", (2, 3, 4), 2, activation, per_sequence=True, ignore=(-100,), skip=first,
            reduction=reduction)
    add("all_ignored", (3, 4), 2, ignore=(-100,), skip=torch.ones(3, dtype=torch.bool), still=True)
    add("all_ignored_sequences", (2, 2, 4), 1, "Sigmoid", per_sequence=True, ignore=(-100,),
        skip=torch.ones(2, 2, dtype=torch.bool), still=True, reduction="Sum")

    # Collapse onto one expert, which the probabilities want or not.
    wanted = randn((6, 4)) + torch.tensor([0.0, 0.0, 4.0, 0.0])
    add("collapsed", (6, 4), 1, x=wanted, share="Choices")
    add("collapsed_sigmoid", (6, 4), 1, "Sigmoid", x=wanted)
    add("collapsed_sequences", (2, 3, 4), 1, x=wanted.reshape(2, 3, 4), per_sequence=True, share="Choices")
    add("collapsed_against_the_logits", (6, 4), 1, x=wanted, ids=torch.zeros(6, 1, dtype=torch.int64))
    add("collapsed_onto_two", (6, 8), 2, ids=IDS([[5, 1]] * 6))

    # Hard logits: far apart, far up and down, equal, tiny; an ordinary token beside them.
    far = torch.tensor([[1e4, -1e4, 0, 0.5], [-1e4, -1e4, 1e4, -1e4], [0.25, -0.5, 1, 0], [-1e4, 2, 1, 3], [1e4, 9984, 0, 1]])
    for activation in ("Softmax", "Sigmoid"):
        add(f"far_{activation.lower()}", (5, 4), 1, activation, x=far)
        add(f"far_sequences_{activation.lower()}", (2, 2, 4), 2, activation, x=far[1:].reshape(2, 2, 4), per_sequence=True)
        add(f"equal_{activation.lower()}", (4, 4), 2, activation, x=torch.full((4, 4), 1.5), ids=IDS([[0, 1]] * 3 + [[2, 0]]))
        add(f"equal_far_{activation.lower()}", (2, 4), 1, activation, x=IDS([[1e4] * 4, [-1e4] * 4]), ids=IDS([[0], [1]]))
        tiny = f32(torch.tensor([[1e-30, -1e-30, 0.0, 2e-30], [1e-30, 1e-30, 1e-30, -1e-30]]))
        add(f"tiny_{activation.lower()}", (2, 4), 1, activation, x=tiny)
    add("offset_1e4", (3, 4), 2, x=randn((3, 4)) + 1e4, ids=any_of((3, 4), 2))
    below = torch.tensor([[-1e4, -9999, -10002, -1e4], [-1e4, -1e4, -1e4, -1e4], [-200.0, -201.0, -199.0, -200.5]])
    add("far_below_sigmoid", (3, 4), 2, "Sigmoid", x=below, ids=any_of((3, 4), 2))
    hot = torch.eye(4)[[0, 2, 2]]
    add("certain_probabilities", (3, 4), 1, "Probabilities", x=hot)
    add("even_probabilities", (3, 4), 2, "Probabilities", x=torch.full((3, 4), 0.25), ids=IDS([[0, 1], [0, 2], [0, 1]]))

    for reduction in REDUCTIONS:
        add("sample_weights", (4, 2, 4), 2, per_sequence=True, sample_weights=True, reduction=reduction)
    add("sample_weights_padding", (3, 4, 4), 1, "Sigmoid", per_sequence=True, ignore=(-100,), skip=padding,
        sample_weights=True, reduction="Mean")
    print("load_balance: by the formula alone:", ", ".join(alone))
    return suite


# The z-loss ---------------------------------------------------------------------------------------


def router_z():
    masked = "Megatron's padding mask"
    suite = Suite("router_z", ("transformers", "megatron-core"), [
        ("Switch", TIGHT, lambda config, x: switch.router_z_loss_func(x.reshape(1, -1, x.shape[-1]))),
        ("Switch's groups", TIGHT, lambda config, x: switch.router_z_loss_func(x) if x.dim() == 3 else None),
        ("Megatron", TIGHT, lambda config, x: megatron.z_loss_func(x, 1.0)),
        (masked, TIGHT, lambda config, x: None),
    ])

    def add(name, x, *, mask=None, **options):
        """A `mask` of the tokens that count is their weights."""
        weights = options.pop("sample_weights", None) if mask is None else mask.double()
        each = lambda x: x.logsumexp(-1) ** 2
        suite.add(name, {}, [x], None, each, sample_weights=weights, **options)
        if mask is not None and options.get("reduction") == "Mean":
            suite.value_is(masked, megatron.z_loss_func(x, 1.0, ~mask))

    for reduction in REDUCTIONS:
        add("rank2", randn((5, 4), 1.5), reduction=reduction)
        add("rank3", randn((2, 3, 4), 1.5), reduction=reduction)
        add("sample_weights", randn((5, 3), 1.5), sample_weights=True, reduction=reduction)
        add("mask", randn((2, 3, 4), 1.5), mask=IDS([[1, 1, 0], [1, 0, 0]]) > 0, reduction=reduction)
    add("mask_rank2", randn((5, 4), 1.5), mask=IDS([0, 1, 1, 0, 1]) > 0, reduction="Mean")
    add("rank4", randn((2, 2, 2, 4), 1.5))
    add("rank5", randn((2, 1, 2, 2, 3), 1.5))
    add("rank3_sample_weights", randn((2, 3, 4), 1.5), sample_weights=True)
    add("two_experts", randn((6, 2), 1.5))
    add("eight_experts", randn((4, 8), 1.5))
    add("many_experts", randn((2, 64), 1.5))
    add("many_experts_rank3", randn((1, 2, 64), 3.0))
    add("one_token", randn((1, 8), 1.5))
    add("full_float32_digits", randn((4, 4), 1.5, None))
    add("negative", randn((4, 4)) - 8)
    add("equal", torch.full((2, 4), 1.5))
    add("zeros", torch.zeros(2, 8))
    add("tiny", f32(torch.tensor([[1e-30, -1e-30, 0.0, 2e-30], [1e-30, 1e-30, 1e-30, 1e-30]])))
    add("far", torch.tensor([[1e4, -1e4, 0, 0.5], [-1e4, -1e4, 1e4, -1e4], [1e4, 9984, 0, 1]]))
    add("far_below", torch.tensor([[-1e4, -9999, -10002, -1e4], [-1e4, -1e4, -1e4, -1e4]]))
    add("equal_far", torch.tensor([[1e4] * 4, [-1e4] * 4]))
    add("offset_1e4", randn((3, 4)) + 1e4)
    add("nearly_normalized", f32(randn((4, 4), 1.5).log_softmax(-1) + torch.tensor([[0.0], [0.5], [-1.0], [2.0]])))
    return suite


if __name__ == "__main__":
    main((load_balance, router_z))
