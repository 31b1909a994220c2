"""The bound behind Corollary 1 as a switchboard: change an assumption, see which factor of the bound becomes vacuous."""

from functools import cache
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float

from ..sources.kernel_machine import coefficients
from ..spectrum import smallest_eigenvalue
from ..support.style import OKABE_ITO
from .view import Choice, Slider, Toggle, ViewModel

SIDE, INNER = 4, 2  # of the source's square inputs and of the window that a prompt leaves to the target's image
D_S, D_T, CLASSES, N_S, MOST = SIDE**2, INNER**2, 2, 10, 12
FEATURES = {  # name: (D, form)
    "linear": (12, "linear"),
    "linear with bias": (12, "bias"),
    "smooth": (12, "smooth"),
    "saturating": (12, "saturating"),
    "ReLU, few": (12, "relu"),
    "smooth, many": (40, "smooth"),
    "ReLU, many": (40, "relu"),
}
SLOPE = 0.25  # sigmoid'(0), of a prompt at its start
INSIDE = np.zeros((SIDE, SIDE), bool)
INSIDE[1:-1, 1:-1] = True
INSIDE = INSIDE.ravel()


class Features(NamedTuple):
    """Phi and its Jacobian J at several source inputs."""

    values: Float[np.ndarray, "N D"]
    jacobian: Float[np.ndarray, "N D dS"]


def smallest_of_gram(rows: Float[np.ndarray, "n m"]) -> float:
    """lambda_min[R R^T] from the singular values of R; exactly 0 where they say that the rows are dependent."""
    n, m = rows.shape
    if n > m:
        return 0.0
    values = np.linalg.svd(rows, compute_uv=False)
    return float(values[-1] ** 2) if values[-1] > m * np.finfo(float).eps * values[0] else 0.0


@cache
def _draws() -> dict:
    """All random numbers: source inputs, target inputs of either size, the weights of FC and of the features."""
    rng = np.random.default_rng(5)
    return {
        "x_s": rng.uniform(size=(N_S, D_S)),
        "small": rng.uniform(size=(MOST, D_T)),
        "large": rng.uniform(size=(MOST, D_S)),
        "weight": rng.normal(size=(D_S, D_T)) * (2 / D_T) ** 0.5,
        "bias": rng.normal(size=D_S) * 0.1**0.5,
        "a": rng.normal(size=(40, D_S)) * (2 / D_S) ** 0.5,
        "c": rng.normal(size=40) * 0.1**0.5,
    }


def source_features(name: str, s: Float[np.ndarray, "N dS"]) -> Features:
    """Phi(s) = form(A s) / sqrt(D) with its Jacobian by hand; "bias" adds one constant feature, as a trained bias does."""
    count, form = FEATURES[name]
    a, c = _draws()["a"][:count], _draws()["c"][:count]
    h = s @ a.T
    if form == "relu":
        values, slopes = np.maximum(h + c, 0), (h + c > 0).astype(float)
    elif form == "saturating":
        values = np.tanh(2 * (h + c))
        slopes = 2 * (1 - values**2)
    elif form == "smooth":
        values, slopes = np.tanh(h + c) + h / 2, 1.5 - np.tanh(h + c) ** 2
    else:
        values, slopes = h, np.ones_like(h)
    jacobian = slopes[:, :, None] * a
    if form == "bias":
        values = np.append(values, np.ones((len(s), 1)), axis=1)
        jacobian = np.append(jacobian, np.zeros((len(s), 1, D_S)), axis=1)
    return Features(values / count**0.5, jacobian / count**0.5)


def source_labels(kind: str) -> Float[np.ndarray, "NS cS"]:
    """Y_S: one-hot, in turn; "centred" takes off 1 / c_S, so that every row sums to zero."""
    return np.eye(CLASSES)[np.arange(N_S) % CLASSES] - (1 / CLASSES if kind == "centred" else 0)


def transformed(name: str, count: int) -> tuple[Float[np.ndarray, "N dT"], Float[np.ndarray, "N dS"]]:
    """Target inputs x_t and a(x_t), with theta_A as at the start of training."""
    draws = _draws()
    if name == "watermark":
        return draws["large"][:count], draws["large"][:count]
    x = draws["small"][:count]
    if name == "fc":
        return x, x @ draws["weight"].T + draws["bias"]
    z = np.full((count, D_S), 0.5)
    z[:, INSIDE] = x
    return x, z


def _theta_a(name: str, x) -> float:
    """lambda_min[Theta_A(X_T, X_T)], by structure."""
    if name == "fc":
        return smallest_of_gram(np.append(x, np.ones((len(x), 1)), axis=1))
    return 1.0 if name == "watermark" and len(x) == 1 else 0.0


def _gradients(name: str, x, g) -> Float[np.ndarray, "rows P"]:
    """grad f_T, a row for each output of each input; g is (N, c, d_S)."""
    if name == "fc":
        g = np.einsum("ica,il->ical", g, np.append(x, np.ones((len(x), 1)), axis=1))
    elif name == "vp":
        g = g[:, :, ~INSIDE] * SLOPE
    return g.reshape(g.shape[0] * g.shape[1], -1)


def _why_theta_s_a(name: str, jacobian) -> str:
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


def _why_theta_a(name: str, count: int) -> str:
    """Why Theta_A is singular."""
    if name == "fc":
        return f"it is a Gram matrix of {count} vectors with d_T + 1 = {D_T + 1} entries"
    if count > 1:
        return "this transformation moves all inputs alike, so that it does not depend on x"
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
        "transformation": Choice(
            "input transformation", {"FC": "fc", "visual prompt": "vp", "watermark": "watermark"}, "fc"
        ),
        "n": Slider("target inputs N_T", 1, MOST, 3),
        "labels": Choice("labels Y_S", {"one-hot": "one-hot", "centred one-hot": "centred"}, "one-hot"),
        "ridge": Choice("ridge sigma_S", {"0": 0.0, "0.01": 0.01, "0.1": 0.1, "1": 1.0}, 0.0),
        "assume": Toggle("Assumption 3: put in λ_min[K_S]"),
    }

    def compute(self, *, features: str, transformation: str, n: int, labels: str, ridge: float, assume: bool) -> dict:
        y = source_labels(labels)
        phi_s = source_features(features, _draws()["x_s"]).values
        m = coefficients(phi_s @ phi_s.T, y, ridge).T @ phi_s  # (c, D), b = I
        x, z = transformed(transformation, n)
        jacobian = source_features(features, z).jacobian
        g = m @ jacobian
        theta_a, theta_s_b = _theta_a(transformation, x), smallest_of_gram(m)
        theta_s_a, k_s = min(smallest_of_gram(one) for one in jacobian), smallest_eigenvalue(phi_s @ phi_s.T)
        middle = k_s if assume else theta_s_a
        reasons = {
            "Theta_A": (theta_a, _why_theta_a(transformation, n)),
            "Theta_S^A": (middle, _why_theta_s_a(features, jacobian)),
            "Theta_S^b": (theta_s_b, "the labels of every source input sum to zero, so that the outputs do too"),
        }
        rows, g = _gradients(transformation, x, g), g.reshape(n * CLASSES, D_S)
        sharper = smallest_of_gram(g) * (1 + (x**2).sum(1).min())
        return {
            "theta_a": theta_a, "theta_s_a": theta_s_a, "k_s": k_s, "theta_s_b": theta_s_b,
            "product": theta_a * middle * theta_s_b,
            "truth": smallest_of_gram(rows),
            "hadamard": sharper if transformation == "fc" else None,
            "trained": rows.shape[1], "outputs": n * CLASSES, "assume": assume,
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
