"""The bound behind Corollary 1 as a switchboard: change an assumption, see which factor of the bound becomes vacuous."""

from collections.abc import Callable
from functools import cache, partial

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float

from mrntk.model.input_maps import FullyConnected, InputMap, VisualPrompt, Watermark
from mrntk.sources.kernel_machine import coefficients
from mrntk.spectrum import smallest_eigenvalue
from mrntk.support.precision import in_float64
from mrntk.support.style import OKABE_ITO
from mrntk.theory import bound_from_gradients, feature_jacobian, hadamard_bound, input_gradient
from mrntk.widgets.view import Choice, Slider, Toggle, ViewModel

TARGET, SOURCE = (1, 2, 2), (1, 4, 4)  # shapes of one input; a prompt leaves a window of the target's size
D_T, D_S, CLASSES, N_S, MOST = 4, 16, 2, 10, 12
FEATURES = {  # name: (D, form)
    "linear": (12, "linear"),
    "linear with bias": (12, "bias"),
    "smooth": (12, "smooth"),
    "saturating": (12, "saturating"),
    "ReLU, few": (12, "relu"),
    "smooth, many": (40, "smooth"),
    "ReLU, many": (40, "relu"),
}
FORMS = {  # form: Phi, up to a factor, as a function of h = A s and c; "bias" adds one constant feature, as a trained bias does
    "linear": lambda h, c: h,
    "bias": lambda h, c: jnp.append(h, 1),
    "smooth": lambda h, c: jnp.tanh(h + c) + h / 2,
    "saturating": lambda h, c: jnp.tanh(2 * (h + c)),
    "relu": lambda h, c: jax.nn.relu(h + c),
}


@cache
def _draws() -> dict:
    """All random numbers: source inputs, target inputs of either size, the weights of FC and of the features."""
    rng = np.random.default_rng(5)
    return {
        "x_s": rng.uniform(size=(N_S, *SOURCE)),
        "small": rng.uniform(size=(MOST, *TARGET)),
        "large": rng.uniform(size=(MOST, *SOURCE)),
        "weight": rng.normal(size=(D_S, D_T)) * (2 / D_T) ** 0.5,
        "bias": rng.normal(size=D_S) * 0.1**0.5,
        "a": rng.normal(size=(40, D_S)) * (2 / D_S) ** 0.5,
        "c": rng.normal(size=40) * 0.1**0.5,
    }


def source_features(name: str) -> Callable:
    """Phi(s) = form(A s) / sqrt(D), a function of ONE source input."""
    count, form = FEATURES[name]
    a, c = _draws()["a"][:count], _draws()["c"][:count]
    return lambda s: FORMS[form](a @ s.ravel(), c) / count**0.5


def source_labels(kind: str) -> Float[np.ndarray, "NS cS"]:
    """Y_S: one-hot, in turn; "centred" takes off 1 / c_S, so that every row sums to zero."""
    return np.eye(CLASSES)[np.arange(N_S) % CLASSES] - (1 / CLASSES if kind == "centred" else 0)


def input_maps() -> dict[str, InputMap]:
    """As at the start of training."""
    fc = eqx.filter_eval_shape(FullyConnected, TARGET, SOURCE, key=jax.random.key(0))
    fc = eqx.tree_at(lambda fc: (fc.weight, fc.bias), fc, (_draws()["weight"], _draws()["bias"]))
    return {"fc": fc, "vp": VisualPrompt(SOURCE, TARGET[1:]), "watermark": Watermark(SOURCE)}


def target_inputs(input_map: str) -> Float[np.ndarray, "N *dT"]:
    """X_T, of the size that the input map takes."""
    return _draws()["large" if input_map == "watermark" else "small"]


@cache
@in_float64
def _derivatives() -> tuple[dict, dict]:
    """({input map: grad_theta a}, {features: (Phi(X_S), {input map: J(a(X_T))})}) at all `MOST` target inputs.

    It is compiled once, as the view opens; what the controls then choose is part of it.
    """
    maps, phis = input_maps(), {name: source_features(name) for name in FEATURES}

    @jax.jit
    def everything(x_s, x):
        z = jnp.stack([jax.vmap(maps[name])(x[name]) for name in maps])
        gradients = {name: jax.vmap(partial(input_gradient, maps[name]))(x[name]) for name in maps}
        jacobians = {name: jax.vmap(jax.vmap(partial(feature_jacobian, phi)))(z) for name, phi in phis.items()}
        return gradients, {
            name: (jax.vmap(phi)(x_s), dict(zip(maps, jacobians[name], strict=True))) for name, phi in phis.items()
        }

    return everything(_draws()["x_s"], {name: target_inputs(name) for name in maps})


def _why_theta_s_a(name: str, jacobian: Float[np.ndarray, "N D dS"]) -> str:
    """Why Theta_S^A is singular at some target point."""
    count, form = jacobian.shape[1], FEATURES[name][1]
    if count > D_S:
        return f"it is {count} x {count} but of rank at most d_S = {D_S}"
    if form == "bias":
        return "the bias's feature is constant, so its row of J is zero, although D <= d_S"
    if form == "relu":
        off = int((jacobian == 0).all(2).sum(1).max())
        return f"at one target input {off} of the {count} units are off, and each gives a row of zeros in J"
    return "the rows of J are dependent"


def _why_theta_a(input_map: str, count: int) -> str:
    """Why Theta_A is singular."""
    if input_map == "fc":
        return f"it is a Gram matrix of {count} vectors with d_T + 1 = {D_T + 1} entries"
    if count > 1:
        return "this input map moves all inputs alike, so that it does not depend on x"
    return "the prompt leaves the pixels of the window out"


def _why_dependent(data: dict) -> str:
    """Why the source's input gradients are dependent although there is room for them."""
    if data["theta_s_b"] == 0:
        return "the outputs sum to zero at every input"
    if data["alike"]:
        return "a linear source has the same gradients at every input"
    return "the source's input gradients at the target inputs are dependent"


class SwitchboardView(ViewModel):
    """Every factor of the bound on lambda_min[Theta_T], their product, the truth and a sharper statement."""

    title = "Which factor kills the bound?"
    alt = (
        "Horizontal bars on a logarithmic axis: the three factors of the lower bound on the smallest eigenvalue of Theta_T, "
        "their product, a sharper bound where there is one, and the true value; zeros are marked as vacuous."
    )
    controls = {
        "features": Choice(
            "features Phi",
            {f"{name} (D = {count + (form == 'bias')})": name for name, (count, form) in FEATURES.items()},
            "smooth",
        ),
        "input_map": Choice("input map", {"FC": "fc", "visual prompt": "vp", "watermark": "watermark"}, "fc"),
        "n": Slider("target inputs N_T", 1, MOST, 3),
        "labels": Choice("labels Y_S", {"one-hot": "one-hot", "centred one-hot": "centred"}, "one-hot"),
        "ridge": Choice("ridge sigma_S", {"0": 0.0, "0.01": 0.01, "0.1": 0.1, "1": 1.0}, 0.0),
        "assume": Toggle("Assumption 3: put in λ_min[K_S]"),
    }

    def compute(self, *, features: str, input_map: str, n: int, labels: str, ridge: float, assume: bool) -> dict:
        gradients, of_features = _derivatives()
        phi_s, jacobians = of_features[features]
        x, j = target_inputs(input_map)[:n], jacobians[input_map][:n]
        m = coefficients(phi_s @ phi_s.T, source_labels(labels), ridge).T @ phi_s  # (c, D), b = I
        found, k_s = bound_from_gradients(m, j, gradients[input_map][:n]), smallest_eigenvalue(phi_s @ phi_s.T)
        theta_s_a = float(found.theta_s_a.min())
        middle = k_s if assume else theta_s_a
        reasons = {
            "Theta_A": (found.theta_a, _why_theta_a(input_map, n)),
            "Theta_S^A": (middle, _why_theta_s_a(features, j)),
            "Theta_S^b": (found.theta_s_b, "the labels of every source input sum to zero, so that the outputs do too"),
        }
        return {
            "theta_a": found.theta_a, "theta_s_a": theta_s_a, "k_s": k_s, "theta_s_b": found.theta_s_b,
            "product": found.theta_a * middle * found.theta_s_b,
            "truth": found.theta_t,
            "hadamard": hadamard_bound(m @ j, x) if input_map == "fc" else None,
            "trained": gradients[input_map].shape[2], "outputs": n * CLASSES, "assume": assume,
            "alike": features.startswith("linear") and n > 1,
            "killers": {name: why for name, (value, why) in reasons.items() if value == 0},
        }  # fmt: skip

    def draw(self, data):
        middle = r"$\lambda_{\min}[K_S]$ (assumed)" if data["assume"] else r"$\min_t\,\lambda_{\min}[\Theta_S^A]$"
        bars = [
            (r"$\lambda_{\min}[\Theta_A]$", data["theta_a"], OKABE_ITO[4], ""),
            (middle, data["k_s" if data["assume"] else "theta_s_a"], OKABE_ITO[4], ".." if data["assume"] else ""),
            (r"$\lambda_{\min}[\Theta_S^b]$", data["theta_s_b"], OKABE_ITO[4], ""),
            ("their product", data["product"], OKABE_ITO[1], "///"),
            ("Hadamard bound", data["hadamard"], OKABE_ITO[2], "xxx"),
            (r"truth $\lambda_{\min}[\Theta_T]$", data["truth"], OKABE_ITO[0], ""),
        ]
        bars = [bar for bar in bars if bar[1] is not None]
        least = min(value for _, value, _, _ in [*bars, ("", 3e-5, "", "")] if value > 0)
        floor = max(-13, int(np.floor(np.log10(least / 3))))
        # The axis holds exponents of 10: quicker to draw than a logarithmic one.
        figure, axis = plt.subplots(figsize=(5.4, 2.9))
        axis.set_axisbelow(True)
        for place, (_, value, colour, hatch) in enumerate(bars):
            end = max(np.log10(value), floor + 0.15) if value > 0 else floor + 0.15
            if value > 0:
                kind = {"color": colour, "hatch": hatch, "edgecolor": "black", "linewidth": 0.6}
                axis.barh(place, end - floor, left=floor, height=0.62, **kind)
            else:
                axis.plot(end, place, "x", color="black", ms=7, mew=2)
            words = f"{value:.2g}" if value > 0 else "0" if place == len(bars) - 1 else "0: vacuous"
            kind = {"textcoords": "offset points", "va": "center", "fontsize": 8}
            axis.annotate(words, (end, place), xytext=(4 if value > 0 else 9, 0), **kind)
        ticks = range(floor, 4, 1 if floor > -7 else 2)
        axis.set_xticks(ticks, [f"1e{tick}" if abs(tick) > 2 else f"{10.0**tick:g}" for tick in ticks])
        axis.set(xlim=(floor, 3), ylim=(len(bars) - 0.5, -0.5), xlabel="smallest eigenvalue (logarithmic)")
        axis.set_yticks(range(len(bars)), [label for label, *_ in bars])
        axis.grid(axis="y", visible=False)
        return figure

    def words(self, data) -> str:
        truth, product = data["truth"], data["product"]
        said = [f"lambda_min[{name}] = 0: {why}." for name, why in data["killers"].items()]
        if said:
            said = ["The bound is 0 and says nothing.", *said]
        elif product > truth * (1 + 1e-9):
            factor = f"{product / truth:.2g} times the truth" if truth > 0 else "more than the truth, which is 0"
            said = [f"With lambda_min[K_S] put in, the product is {factor}: no lower bound any more."]
        else:
            said = [f"No factor is 0: the product is {product:.2g}, the truth {truth / product:.3g} times as large."]
        if data["assume"]:
            holds = "holds" if data["theta_s_a"] >= data["k_s"] else "fails"
            sides = f"{data['theta_s_a']:.2g} against lambda_min[K_S] = {data['k_s']:.2g}"
            said.append(f"Assumption 3 {holds} here: min lambda_min[Theta_S^A] = {sides}.")
        room = f"{data['outputs']} outputs and {data['trained']} trained values"
        possible = data["outputs"] <= data["trained"]
        verdict = f"the capacity law {'allows' if possible else 'excludes'} more than 0"
        said.append(f"The true lambda_min[Theta_T] is {truth:.2g}; with {room} {verdict}.")
        if truth == 0 and possible:
            said.append(f"Here it is 0 for another reason: {_why_dependent(data)}.")
        if data["hadamard"]:
            said.append(
                f"The Hadamard bound gives {data['hadamard']:.2g}, {data['hadamard'] / truth:.0%} of the truth."
            )
        elif data["hadamard"] == 0:
            many = f"{data['outputs']} gradients of d_S = {D_S} entries cannot be independent"
            said.append(f"The Hadamard bound is 0: {many if data['outputs'] > D_S else _why_dependent(data)}.")
        return " ".join(said)
