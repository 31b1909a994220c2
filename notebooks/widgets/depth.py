"""Depth and the spectrum: what the depth of a random network does to the eigenvalues of its NTK, scale and shape apart."""

from functools import cache

import jax
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float

from mrntk.spectrum import Spectrum, spectrum
from mrntk.support.style import OKABE_ITO
from mrntk.tasks import load_task
from mrntk.widgets.view import Choice, Slider, ViewModel
from notebooks.toys.by_layers import Hidden, finite_kernels, kernels_by_depth, random_layers

MAX_DEPTH = 9
DEPTHS = np.arange(1, MAX_DEPTH + 1)
DRAWS = 4  # finite networks per width


@cache
def _layers(d: int, width: int, seed: int) -> list[Hidden]:
    return random_layers(np.random.default_rng(seed), d, width, MAX_DEPTH - 1)


@cache
def _inputs(name: str) -> np.ndarray:
    """(N, d), all of them of length sqrt(d) but for the images."""
    if name == "circle":
        angles = np.pi * np.arange(6) / 6
        half = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        return 2**0.5 * np.concatenate([half, -half])  # opposite points to the last bit
    if name == "sphere":
        x = np.random.default_rng(0).normal(size=(12, 20))
        return 20**0.5 * x / np.linalg.norm(x, axis=1, keepdims=True)
    x, _ = load_task("mnist5k").draw(jax.random.key(0), 2)
    return np.asarray(x, np.float64).reshape(len(x), -1)


INPUTS = {"12 points on a circle": "circle", "12 random points, 20 dimensions": "sphere", "20 MNIST images": "mnist"}


def _kept(found: Spectrum) -> float:
    """The smallest eigenvalue, or NaN where rounding hides it."""
    return found.min if found.min > 10 * found.tolerance else np.nan


MEASURES = {  # name: (of a spectrum, label of the axis, the same in words)
    "lambda_min": (_kept, r"$\lambda_{\min}$", "lambda_min"),
    "relative": (lambda found: _kept(found) / found.mean, r"$\lambda_{\min}$ / mean eigenvalue", "lambda_min / mean"),
    "condition": (
        lambda found: found.max / _kept(found), r"condition $\lambda_{\max}/\lambda_{\min}$", "the condition number"
    ),
    "rank": (lambda found: found.effective_rank, "effective rank", "the effective rank"),
}  # fmt: skip


def measured(kernels: Float[np.ndarray, "depth N N"], measure: str) -> Float[np.ndarray, " depth"]:
    """One of `MEASURES`, or "mean" for the mean eigenvalue, of every kernel; NaN where lambda_min is 0 up to rounding."""
    if measure == "mean":
        return np.array([np.trace(kernel) / len(kernel) for kernel in kernels])
    return np.array([MEASURES[measure][0](spectrum(kernel)) for kernel in kernels])


def layer_factor(values: Float[np.ndarray, " depth"]) -> float:
    """The factor per layer between the first and the last value that is not NaN (geometric mean); NaN if there are not two."""
    known = np.flatnonzero(np.isfinite(values))
    if len(known) < 2:
        return np.nan
    return float((values[known[-1]] / values[known[0]]) ** (1 / (known[-1] - known[0])))


def trend(values: Float[np.ndarray, " depth"]) -> str:
    """Whether the values rise or fall from layer to layer, in words; NaN are left out."""
    steps = np.diff(np.log(values[np.isfinite(values)]))
    if not len(steps) or np.abs(steps).max() < 1e-9:
        return "does not change"
    if (steps > 0).all() or (steps < 0).all():
        return "rises with every layer" if steps[0] > 0 else "falls with every layer"
    up = "rises" if steps.sum() > 0 else "falls"
    return f"{up} on the whole, but not with every layer"


class DepthView(ViewModel):
    """A measure of the spectrum against depth, at infinite width and of a few finite networks."""

    title = "What depth does to the spectrum, scale and shape"
    alt = (
        "A measure of the NTK's spectrum against the depth of the network from 1 to 9, on a logarithmic axis: a line with dots "
        "for infinite width, small crosses for random networks of the chosen width, and for lambda_min a dashed line that "
        "grows as the mean eigenvalue does."
    )
    controls = {
        "w_variance": Slider("W_std² (2: the authors')", 0.5, 4.0, 2.0, 0.1),
        "b_variance": Slider("b_std² (0.1: the authors')", 0.0, 0.5, 0.1, 0.05),
        "activation": Choice("activation", {"ReLU": "relu", "erf": "erf"}, "relu"),
        "inputs": Choice("inputs", INPUTS, "mnist"),
        "measure": Choice("show", {entry[2]: name for name, entry in MEASURES.items()}, "lambda_min"),
        "width": Choice("random networks of width", {"none": 0, "32": 32, "128": 128}, 128),
    }

    def compute(
        self, *, w_variance: float, b_variance: float, activation: str, inputs: str, measure: str, width: int
    ) -> dict:
        x = _inputs(inputs)
        setting = {"w_std": w_variance**0.5, "b_std": b_variance**0.5, "activation": activation}
        limit = kernels_by_depth(x, MAX_DEPTH, **setting)
        data = {name: measured(limit, name) for name in ("lambda_min", "relative", "mean", measure)}
        networks = [_layers(x.shape[1], width, seed) for seed in range(DRAWS)] if width else []
        drawn = [finite_kernels(x, layers, **setting) for layers in networks]
        data["drawn"] = np.array([measured(kernels, measure) for kernels in drawn])  # (draws, depth)
        return data | {"measure": measure, "width": width}

    def draw(self, data):
        figure, axis = plt.subplots(figsize=(5.4, 3.0))
        values = data[data["measure"]]
        for number, row in enumerate(data["drawn"]):
            label = f"width {data['width']}, {len(data['drawn'])} draws" if number == 0 else None
            axis.plot(DEPTHS, row, "x", color=OKABE_ITO[1], ms=5, label=label)
        axis.plot(DEPTHS, values, "o-", color=OKABE_ITO[0], label="infinite width")
        known = np.flatnonzero(np.isfinite(values))
        if data["measure"] == "lambda_min" and len(known):
            first = known[0]
            scale = values[first] * data["mean"][first:] / data["mean"][first]
            axis.plot(DEPTHS[first:], scale, "--", color="black", lw=1.2, label="if only the scale changed")
        axis.set(xlabel="depth (linear layers)", ylabel=MEASURES[data["measure"]][1], yscale="log", xticks=DEPTHS)
        axis.legend()
        return figure

    def words(self, data) -> str:
        known = DEPTHS[np.isfinite(data["lambda_min"])]
        if len(known) < 2:
            return "lambda_min is zero up to rounding at (nearly) every depth: these inputs cannot be told apart."
        first = known[0] - 1
        smallest, scale, shape = (layer_factor(data[name][first:]) for name in ("lambda_min", "mean", "relative"))
        hidden = f" At depth {' and '.join(map(str, range(1, known[0])))} it is zero." if first else ""
        logs = abs(np.log(scale)), abs(np.log(shape))
        kind = (
            "mostly scale"
            if logs[0] > 2 * logs[1]
            else "mostly shape"
            if logs[1] > 2 * logs[0]
            else "both scale and shape"
        )
        said = (
            f"lambda_min {trend(data['lambda_min'])}: by a factor of {smallest:.3g} per layer from depth {known[0]} to "
            f"{known[-1]}.{hidden} The mean eigenvalue (scale) changes by {scale:.3g} per layer, and lambda_min / mean (shape), "
            f"which {trend(data['relative'])}, by {shape:.3g}: {kind}."
        )
        name = MEASURES[data["measure"]][2]
        if data["measure"] in ("condition", "rank"):
            values = data[data["measure"]]
            ends = values[np.isfinite(values)][[0, -1]]
            said += f" {name[0].upper()}{name[1:]} goes from {ends[0]:.3g} to {ends[1]:.3g}."
        if len(data["drawn"]):
            share = np.mean(data["drawn"][:, -1] / data[data["measure"]][-1])
            if np.isfinite(share):
                width = data["width"]
                said += f" At width {width} and depth {MAX_DEPTH}, {name} is {share:.2g} times that of infinite width."
        return said
