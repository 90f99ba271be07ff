"""Times steps of JAX's losses, one whenever it is told to, as `torch_losses.py` does with PyTorch's.

It is told and answers the same.
"""

import argparse
import math
import os
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax

TYPES = {"f32": jnp.float32, "bf16": jnp.bfloat16}
RANDOM = np.random.default_rng(0)


def picked(x, ids):
    """What the classes of the samples have."""
    return jnp.take_along_axis(x, ids[:, None], 1)


def hinge(x):
    return jnp.maximum(x, 0)


def distance(a, b):
    """PyTorch's: Optax adds its epsilon to the square."""
    square = jnp.square(a - b + 1e-6).sum(1)
    # The root has no gradient at 0.
    return jnp.sqrt(jnp.maximum(square, 1e-37))


def huber(x, y):
    return optax.losses.huber_loss(x, y).mean()


def gaussian_nll(x, variance, y):
    variance = jnp.maximum(variance, 1e-6)
    return 0.5 * (jnp.log(variance) + jnp.square(x - y) / variance).mean()


def cross_entropy(x, ids):
    return optax.losses.softmax_cross_entropy_with_integer_labels(x, ids, axis=1).mean()


def focal(x, ids):
    # Optax has that of a sigmoid.
    loss = optax.losses.softmax_cross_entropy_with_integer_labels(x, ids, axis=1)
    return ((1 - jnp.exp(-loss)) ** 2 * loss).mean()


def multi_margin(x, ids):
    others = jnp.arange(x.shape[1]) != ids[:, None]
    return jnp.where(others, hinge(1 - picked(x, ids) + x), 0).mean()


# With PyTorch's gradient: that of the logarithms is NaN at 0 and 1, and slow to compute.
@jax.custom_jvp
def bce(x, y):
    return -(y * jnp.maximum(jnp.log(x), -100) + (1 - y) * jnp.maximum(jnp.log1p(-x), -100))


bce.defjvps(lambda dx, _, x, y: dx * (x - y) / jnp.maximum((1 - x) * x, 1e-12), None)


def logistic(x, y):
    # Optax's takes two to three times as long.
    return jnp.maximum(x, 0) - x * y + jnp.log1p(jnp.exp(-jnp.abs(x)))


def bce_with_logits(x, y):
    return logistic(x, y).mean()


def multi_label_margin(x, y):
    samples, classes = x.shape
    places = jnp.arange(classes)
    # What follows the first -1 is no label.
    listed = places < jnp.where(y < 0, places, classes).min(1, keepdims=True)
    rows = jnp.arange(samples)[:, None]
    labels = jnp.zeros(x.shape, bool)
    labels = labels.at[rows, jnp.where(listed, y, classes)].set(True, mode="drop")
    of_labels = jnp.take_along_axis(x, jnp.where(listed, y, 0), 1)

    # Place by place, passing over those where nobody has a label, and computed again for the
    # gradient: all pairs at once, or what would be kept of them, take several times as long.
    @jax.checkpoint
    def add(total, place):
        listed, of_label = place

        def margins():
            margins = hinge(1 - of_label[:, None] + x)
            return jnp.where(listed[:, None] & ~labels, margins, 0).sum(dtype=jnp.float32)

        return total + jax.lax.cond(listed.any(), margins, lambda: jnp.float32(0)), None

    total, _ = jax.lax.scan(add, jnp.float32(0), (listed.T, of_labels.T))
    return (total / x.size).astype(x.dtype)


def cosine_embedding(a, b, y):
    # PyTorch's: Optax divides each by its length, and has no epsilon beside the square.
    squares = (jnp.square(a).sum(1) + 1e-12) * (jnp.square(b).sum(1) + 1e-12)
    cosine = (a * b).sum(1) / jnp.sqrt(squares)
    return jnp.where(y > 0, 1 - cosine, hinge(cosine)).mean()


def triplet_margin(anchor, positive, negative):
    return hinge(distance(anchor, positive) - distance(anchor, negative) + 1).mean()


def expectile(x, y, q=0.5):
    return (jnp.where(x > y, 1 - q, q) * jnp.square(x - y)).mean()


def quantile(x, y, q=0.5):
    return jnp.maximum(q * (y - x), (q - 1) * (y - x)).mean()


def charbonnier(x, y):
    return (jnp.sqrt(jnp.square(x - y) + 1) - 1).mean()


def tukey(x, y, c=4.685):
    r = jnp.minimum(jnp.square((x - y) / c), 1)
    return (c * c / 6 * (1 - (1 - r) ** 3)).mean()


def mape(x, y):
    return (jnp.abs(x - y) / jnp.maximum(jnp.abs(y), 1e-7)).mean()


def smape(x, y):
    return (2 * jnp.abs(x - y) / jnp.maximum(jnp.abs(x) + jnp.abs(y), 1e-7)).mean()


def tweedie(x, y, p=1.5):
    return (jnp.exp((2 - p) * x) / (2 - p) - y * jnp.exp((1 - p) * x) / (1 - p)).mean()


def negative_binomial_nll(mean, dispersion, y):
    gammaln = jax.scipy.special.gammaln
    total = 1 / dispersion
    ln = jnp.log(total + mean)
    factorials = gammaln(total) + gammaln(y + 1) - gammaln(total + y)
    rest = total * (ln - jnp.log(total)) + y * (ln - jnp.log(mean))
    return (factorials + rest).mean()


def laplace_nll(x, scale, y):
    return (jnp.log(2 * scale) + jnp.abs(x - y) / scale).mean()


def student_t_nll(x, scale, y, df=3.0):
    constant = math.lgamma(df / 2) - math.lgamma((df + 1) / 2) + math.log(math.pi * df) / 2
    square = jnp.square((x - y) / scale)
    return ((df + 1) / 2 * jnp.log1p(square / df) + jnp.log(scale)).mean() + constant


def log_normal_nll(x, scale, y):
    ln = jnp.log(y)
    half = math.log(2 * math.pi) / 2
    return (ln + jnp.log(scale) + jnp.square((ln - x) / scale) / 2).mean() + half


def gaussian_crps(x, scale, y):
    w = (y - x) / scale
    density = math.sqrt(2 / math.pi) * jnp.exp(-jnp.square(w) / 2)
    share = jax.scipy.special.erf(w / math.sqrt(2))
    return (scale * (w * share + density - 1 / math.sqrt(math.pi))).mean()


def sigmoid_focal(x, y):
    # Optax's, by the logarithm of a sum of exponentials, takes several times as long.
    p = jax.nn.sigmoid(x)
    return (jnp.square(1 - (p * y + (1 - p) * (1 - y))) * logistic(x, y)).mean()


def quality_focal(x, y):
    return (jnp.square(y - jax.nn.sigmoid(x)) * logistic(x, y)).mean()


def varifocal(x, y):
    weight = jnp.where(y > 0, y, 0.75 * jnp.square(jax.nn.sigmoid(x)))
    return (weight * logistic(x, y)).mean()


def asymmetric(x, y):
    p = jax.nn.sigmoid(x)
    q = jnp.maximum(p - 0.05, 0)
    return -(y * (1 - p) * jax.nn.log_sigmoid(x) + (1 - y) * q**4 * jnp.log1p(-q)).mean()


def sigmoid_poly1(x, y):
    p = jax.nn.sigmoid(x)
    return (logistic(x, y) + y * (1 - p) + (1 - y) * p).mean()


def dpo(chosen, rejected, of_chosen, of_rejected, beta=0.1):
    margin = (chosen - rejected) - (of_chosen - of_rejected)
    return -jax.nn.log_sigmoid(beta * margin).mean()


def simpo(chosen, rejected, beta=2.0, gamma=1.0):
    return -jax.nn.log_sigmoid(beta * (chosen - rejected) - gamma).mean()


def orpo(chosen, rejected, weight=0.1):
    rests = jnp.log1p(-jnp.exp(chosen)) - jnp.log1p(-jnp.exp(rejected))
    return -(chosen + weight * jax.nn.log_sigmoid((chosen - rejected) - rests)).mean()


def kto(policy, reference, kl, desirable, beta=0.1):
    gain = beta * (policy - reference - kl)
    return jnp.where(desirable > 0.5, jax.nn.sigmoid(-gain), jax.nn.sigmoid(gain)).mean()


def policy_clip(log_probs, old, advantages):
    ratio = jnp.exp(log_probs - old)
    return -jnp.minimum(ratio * advantages, jnp.clip(ratio, 0.8, 1.2) * advantages).mean()


def gan_discriminator(real, fake):
    return (jax.nn.softplus(-real) + jax.nn.softplus(fake)).mean()


def gaussian_kl(mean, log_variance):
    terms = 1 + log_variance - jnp.square(mean) - jnp.exp(log_variance)
    return -0.5 * terms.sum() / mean.shape[0]


def poly1(x, ids):
    loss = -picked(jax.nn.log_softmax(x, 1), ids)
    return (loss + 1 - jnp.exp(-loss)).mean()


def with_margins(x, ids, margins):
    return cross_entropy(8 * x.at[jnp.arange(x.shape[0]), ids].add(-margins[ids]), ids)


def z_loss(x, ids):
    lse = jax.scipy.special.logsumexp(x, 1)
    return cross_entropy(x, ids) + 1e-4 * jnp.square(lse).mean()


def divergence(ln_p, ln_q):
    """Of the first from the second, which comes last as in PyTorch's."""
    return (jnp.exp(ln_q) * (ln_q - ln_p)).sum(1).mean()


def softmax_kl(x, z):
    return divergence(jax.nn.log_softmax(x, 1), jax.nn.log_softmax(z, 1))


def js_div(x, z):
    ln_p, ln_q = jax.nn.log_softmax(x, 1), jax.nn.log_softmax(z, 1)
    ln_m = jnp.logaddexp(ln_p, ln_q) - math.log(2)
    return 0.5 * (divergence(ln_m, ln_q) + divergence(ln_m, ln_p))


def total_variation(x, z):
    return 0.5 * jnp.abs(jax.nn.softmax(x, 1) - jax.nn.softmax(z, 1)).sum(1).mean()


def distillation(x, z, ids, temperature=2.0, alpha=0.5):
    of_teacher = temperature**2 * softmax_kl(x / temperature, z / temperature)
    return alpha * of_teacher + (1 - alpha) * cross_entropy(x, ids)


def earth_mover(x, ids):
    reached = (jnp.arange(x.shape[1]) >= ids[:, None]).astype(x.dtype)
    return jnp.square(jnp.cumsum(jax.nn.softmax(x, 1), 1) - reached).sum(1).mean()


def thresholds(x, ids):
    """The loss at each threshold, and which of them come after the first one that is not passed."""
    at = jnp.arange(x.shape[1])
    return logistic(x, (ids[:, None] > at).astype(x.dtype)), ids[:, None] < at


def coral(x, ids):
    loss, _ = thresholds(x, ids)
    return loss.sum(1).mean()


def corn(x, ids):
    loss, unused = thresholds(x, ids)
    return jnp.where(unused, 0, loss).sum() / (~unused).sum()


def load_balance(x, experts):
    """Of the experts that were chosen, two for each token."""
    chosen = jnp.bincount(experts.reshape(-1), length=x.shape[1])
    shares = (chosen / experts.size).astype(x.dtype)
    return x.shape[1] * (shares * jax.nn.softmax(x, 1).mean(0)).sum()


def dice_of_classes(x, ids, smooth=1e-5):
    p = jax.nn.softmax(x, 1)
    y = jax.nn.one_hot(ids, x.shape[1], axis=1, dtype=x.dtype)
    places = tuple(range(2, x.ndim))
    both, either = (p * y).sum(places), p.sum(places) + y.sum(places)
    return (1 - (2 * both + smooth) / (either + smooth)).mean()


def ciou(a, b, eps=1e-7):
    def sizes(boxes):
        return boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]

    (w, h), (true_w, true_h) = sizes(a), sizes(b)
    start, end = jnp.maximum(a[:, :2], b[:, :2]), jnp.minimum(a[:, 2:], b[:, 2:])
    both = hinge(end[:, 0] - start[:, 0]) * hinge(end[:, 1] - start[:, 1])
    share = both / (w * h + true_w * true_h - both + eps)
    start, end = jnp.minimum(a[:, :2], b[:, :2]), jnp.maximum(a[:, 2:], b[:, 2:])
    apart = (a[:, :2] + a[:, 2:] - b[:, :2] - b[:, 2:]) / 2
    distance = jnp.square(apart).sum(1) / (jnp.square(end - start).sum(1) + eps)
    unlike = 4 / math.pi**2 * jnp.square(jnp.arctan(true_w / true_h) - jnp.arctan(w / h))
    part = jax.lax.stop_gradient(unlike / (1 - share + unlike + eps))
    return (1 - share + distance + part * unlike).mean()


# As functions of the inputs, which come first, and the targets. They equal PyTorch's with its
# defaults; where Optax has the same, that is taken.
FUNCTIONS = {
    "l1": lambda x, y: jnp.abs(x - y).mean(),
    "mse": lambda x, y: optax.losses.squared_error(x, y).mean(),
    # With a beta of 1.
    "smooth_l1": huber,
    "huber": huber,
    "poisson_nll": lambda x, y: (jnp.exp(x) - y * x).mean(),
    "gaussian_nll": gaussian_nll,
    "cross_entropy": cross_entropy,
    "focal": focal,
    "nll": lambda x, ids: -picked(x, ids).mean(),
    "multi_margin": multi_margin,
    "bce": lambda x, y: bce(x, y).mean(),
    "bce_with_logits": bce_with_logits,
    # Optax adds up each row: this is PyTorch's batchmean.
    "kl_div": lambda x, y: optax.losses.kl_divergence(x, y).mean(),
    "soft_margin": lambda x, y: jnp.log1p(jnp.exp(-y * x)).mean(),
    "multi_label_margin": multi_label_margin,
    "multi_label_soft_margin": bce_with_logits,
    "hinge_embedding": lambda x, y: jnp.where(y > 0, x, hinge(1 - x)).mean(),
    "margin_ranking": lambda a, b, y: hinge(-y * (a - b)).mean(),
    "cosine_embedding": cosine_embedding,
    "triplet_margin": triplet_margin,
    "triplet_margin_with_distance": triplet_margin,
    "squared_hinge": lambda x, y: jnp.square(hinge(1 - x * y)).mean(),
    "closure_quantile": lambda x, y: quantile(x, y, 0.9),
    "log_cosh": lambda x, y: optax.losses.log_cosh(x, y).mean(),
    "closure_dice": lambda x, y: (1 - (2 * (x * y).sum(1) + 1) / (x.sum(1) + y.sum(1) + 1)).mean(),
    # With the defaults of ours.
    "expectile": expectile,
    "quantile": quantile,
    "general_robust": charbonnier,
    "tukey": tukey,
    "msle": lambda x, y: jnp.square(jnp.log1p(x) - jnp.log1p(y)).mean(),
    "mape": mape,
    "smape": smape,
    "tweedie": tweedie,
    "gamma_nll": lambda x, y: (y * jnp.exp(-x) + x).mean(),
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
    "gan_generator": lambda fake: jax.nn.softplus(-fake).mean(),
    "gan_discriminator": gan_discriminator,
    "gaussian_kl": gaussian_kl,
    "poly1": poly1,
    "cross_entropy_log_prior": lambda x, ids, prior: cross_entropy(x + prior, ids),
    "cross_entropy_margins": with_margins,
    "cross_entropy_softcap": lambda x, ids: cross_entropy(30 * jnp.tanh(x / 30), ids),
    "cross_entropy_z_loss": z_loss,
    "focal_log_prior": lambda x, ids, prior: focal(x + prior, ids),
    "earth_mover": earth_mover,
    "coral": coral,
    "corn": corn,
    "load_balance": load_balance,
    "router_z": lambda x: jnp.square(jax.scipy.special.logsumexp(x, 1)).mean(),
    "softmax_kl": softmax_kl,
    "js_div": js_div,
    "total_variation": total_variation,
    "distillation": distillation,
    "dice": dice_of_classes,
    "ciou": ciou,
}


def make(loss, shape, dtype):
    """The inputs of a loss, whose gradients are asked for, and its targets."""

    def wide():
        """For what is added up along a row before it is an input."""
        return jnp.asarray(RANDOM.standard_normal(shape, np.float32))

    def normal():
        return wide().astype(dtype)

    def labels():
        return (wide() > 0).astype(dtype)

    def signs():
        return labels() * 2 - 1

    def ids(samples):
        return jnp.asarray(RANDOM.integers(0, shape[1], samples, np.int32))

    def log_softmax():
        return jax.nn.log_softmax(wide(), 1).astype(dtype)

    def log_probs():
        """Of sequences: they do not add up to 1."""
        return -(jnp.abs(normal()) + 0.1)

    def positive():
        return jnp.exp(normal())

    def counts():
        return jnp.floor(jnp.abs(normal()) * 3)

    def sizes():
        """How many samples each class has: 1, 2, 3 .."""
        return jnp.arange(1, shape[1] + 1, dtype=jnp.float32)

    if loss in ("poisson_nll", "tweedie"):
        return [normal()], [counts()]
    if loss in ("msle", "mape", "smape"):
        return [positive()], [positive()]
    if loss == "gamma_nll":
        return [normal()], [positive()]
    if loss == "negative_binomial_nll":
        return [positive(), positive()], [counts()]
    if loss == "log_normal_nll":
        return [normal(), positive()], [positive()]
    if loss in ("quality_focal", "varifocal"):
        return [normal()], [labels() * jax.nn.sigmoid(normal())]
    if loss in ("gaussian_nll", "laplace_nll", "student_t_nll", "gaussian_crps"):
        return [normal(), positive()], [normal()]
    if loss in ("cross_entropy", "focal", "multi_margin", "dice"):
        return [normal()], [ids([shape[0], *shape[2:]])]
    if loss in ("poly1", "cross_entropy_softcap", "cross_entropy_z_loss"):
        return [normal()], [ids(shape[:1])]
    if loss in ("earth_mover", "coral", "corn"):
        return [normal()], [ids(shape[:1])]
    if loss == "load_balance":
        x = normal()
        return [x], [jax.lax.top_k(x, 2)[1]]
    if loss in ("cross_entropy_log_prior", "focal_log_prior"):
        return [normal()], [ids(shape[:1]), jnp.log(sizes() / sizes().sum()).astype(dtype)]
    if loss == "cross_entropy_margins":
        return [normal()], [ids(shape[:1]), (0.5 * sizes() ** -0.25).astype(dtype)]
    if loss == "distillation":
        return [normal()], [normal(), ids(shape[:1])]
    if loss == "nll":
        return [log_softmax()], [ids(shape[:1])]
    if loss == "bce":
        return [jax.nn.sigmoid(normal())], [labels()]
    if loss == "closure_dice":
        return [jax.nn.sigmoid(normal())], [labels()]
    if loss == "ciou":
        corner, size = 100 * jnp.abs(normal()[:, :2]), 20 + 50 * jnp.abs(normal()[:, :2])
        true = jnp.concatenate([corner, corner + size], 1)
        return [true + 3 * normal()], [true]
    if loss in ("bce_with_logits", "multi_label_soft_margin"):
        return [normal()], [labels()]
    if loss in ("sigmoid_focal", "asymmetric", "sigmoid_poly1"):
        return [normal()], [labels()]
    if loss == "kl_div":
        return [log_softmax()], [jax.nn.softmax(wide(), 1).astype(dtype)]
    if loss in ("soft_margin", "squared_hinge"):
        return [normal()], [signs()]
    if loss == "multi_label_margin":
        three = (ids([shape[0], 1]) + jnp.arange(3)) % shape[1]
        return [normal()], [jnp.full(shape, -1).at[:, :3].set(three)]
    if loss == "hinge_embedding":
        return [jnp.abs(normal())], [signs()]
    if loss == "margin_ranking":
        return [normal(), normal()], [signs()]
    if loss == "cosine_embedding":
        return [normal(), normal()], [signs()[:, 0]]
    if loss in ("triplet_margin", "triplet_margin_with_distance"):
        return [normal() for _ in range(3)], []
    if loss in ("simpo", "orpo"):
        return [log_probs(), log_probs()], []
    if loss == "dpo":
        return [log_probs(), log_probs()], [log_probs(), log_probs()]
    if loss == "kto":
        return [log_probs()], [log_probs(), jnp.full(shape, 0.5, dtype), labels()]
    if loss == "policy_clip":
        new = log_probs()
        # The old ones are near the new ones.
        return [new], [new + 0.1 * normal(), normal()]
    if loss in ("gan_generator", "router_z"):
        return [normal()], []
    if loss in ("gan_discriminator", "gaussian_kl"):
        return [normal(), normal()], []
    return [normal()], [normal()]


def known(loss):
    """The name of the loss here, if it is here."""
    names = (loss, loss.removeprefix("closure_"))
    return next((name for name in names if name in FUNCTIONS), None)


class Case:
    """A loss of inputs, compiled without and with its gradients."""

    def __init__(self, loss, shape, dtype):
        jax.clear_caches()
        function = FUNCTIONS[loss]
        inputs, targets = make(loss, shape, dtype)
        # The targets are arguments too: of a constant, the compiler would compute in advance.
        self.arguments = jax.block_until_ready([*inputs, *targets])
        gradients = jax.value_and_grad(function, argnums=tuple(range(len(inputs))))
        self.passes = {"forward": jax.jit(function), "backward": jax.jit(gradients)}
        for pass_ in self.passes:
            self.step(pass_)

    def step(self, pass_):
        """The milliseconds of one step."""
        start = time.perf_counter()
        # What the step leaves is kept until the time is taken.
        left = jax.block_until_ready(self.passes[pass_](*self.arguments))
        took = time.perf_counter() - start
        del left
        return took * 1e3


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("threads", type=int)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--type", choices=TYPES, default="f32")
    arguments = parser.parse_args()
    # This is what the client on the CPU makes its pools of threads by when JAX is first used; among
    # XLA's flags there is none that it heeds.
    os.environ["PJRT_NPROC"] = str(arguments.threads)
    # Others need the memory of a GPU too.
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    if arguments.device == "cpu":
        jax.config.update("jax_platforms", "cpu")
    name = "the CPU" if jax.default_backend() == "cpu" else jax.devices()[0].device_kind
    version = f"JAX {jax.__version__} with Optax {optax.__version__}"
    print(f"{version} on {name}, {arguments.threads} threads", flush=True)
    case = None
    for line in sys.stdin:
        command, *words = line.split()
        if command == "case":
            # The memory of the last one is free before the next takes its own.
            case = None
            shape = [int(word) for word in words[1:]]
            loss = known(words[0])
            case = Case(loss, shape, TYPES[arguments.type]) if loss else None
            print("jax" if loss else "", flush=True)
        elif command == "step":
            print(case.step(words[1]), flush=True)


if __name__ == "__main__":
    main()
