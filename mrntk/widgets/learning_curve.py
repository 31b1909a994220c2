"""Predicted against real: the learning curve that the kernel of step 0 promises to a reprogrammed network, and the one it has.

The source is a small network, trained here on MNIST at 14 x 14; the target is scikit-learn's 8 x 8 digits. The output may be
scaled by alpha (`amplified`): what is predicted stays the same, what happens does not.
"""

from functools import cache, lru_cache
from typing import NamedTuple

import jax
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float

from mrntk.model.input_maps import INPUT_MAPS, make_input_map
from mrntk.model.reprogram import predict_float64

from ..model.output_maps import IdentityOutput, LinearOutput
from ..model.reprogram import Reprogram
from ..ntk.empirical import empirical_ntk
from ..prediction.closed_form import Prediction, mse, stability_limit
from ..prediction.lazy import kernel_change
from ..sources.networks import DNN
from ..spectrum import Spectrum, spectrum
from ..support.arrays import Array
from ..support.errors import MrntkError
from ..support.style import OKABE_ITO
from ..tasks import load_task
from ..training import gradient_descent, train_source
from .quick import drawn
from .view import Choice, Slider, Toggle, ViewModel

STEPS = 200
WIDTH, EPOCHS, PER_CLASS = 64, 10, 200  # of the source
TIMES = np.arange(STEPS + 1)


def amplified(
    model: Reprogram, x: Float[Array, "N *dT"], y: Float[Array, "N c"], alpha: float
) -> tuple[Reprogram, Float[np.ndarray, "N c"]]:
    """(model, targets) that train f_0 + alpha (f - f_0) on y, where f_0 is the model as it is now.

    The model's output becomes alpha f, by a fixed linear output map, and its targets y + (alpha - 1) f_0, so that the residual
    at the start is that of before, and the kernel alpha^2 times that of before. With a step of eta / alpha^2 the prediction does
    not change with alpha. Source: Chizat, Oyallon & Bach 2019, who centre f - f_0 and then scale it.

    Raises
    ------
    MrntkError
        If alpha is not positive, or the model has an output map of its own.
    """
    if not 0 < alpha < np.inf:
        raise MrntkError(f"alpha={alpha}: give a positive number.")
    if not isinstance(model.output_map, IdentityOutput):
        raise MrntkError("model has an output map already: give one whose output map is the identity.")
    start = predict_float64(model, x)
    scaled = Reprogram(model.input_map, model.source, LinearOutput(alpha * np.eye(start.shape[1])))
    return scaled, np.asarray(y, np.float64) + (alpha - 1) * start


class Start(NamedTuple):
    """What is known before training."""

    model: Reprogram
    x: np.ndarray  # (N, 1, 8, 8)
    y: np.ndarray  # (N, 10)
    kernel: np.ndarray  # (N, 10, N, 10)
    spectrum: Spectrum
    residual: np.ndarray  # (N, 10)
    cumulative: np.ndarray  # share of ||r(0)||^2 along the k eigenvectors of largest eigenvalue


def _rows(labels: np.ndarray, per_class: int, seed: int) -> np.ndarray:
    """Places of so many examples of every class."""
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.permutation(np.flatnonzero(labels == c))[:per_class] for c in np.unique(labels)])


def _halved(images: Float[np.ndarray, "N c h w"]) -> Float[np.ndarray, "N c h/2 w/2"]:
    """Averages of 2 x 2 pixels."""
    n, c, h, w = images.shape
    return images.reshape(n, c, h // 2, 2, w // 2, 2).mean((3, 5))


@cache
def trained_source(depth: int, seed: int = 0) -> DNN:
    """The fully connected source of that many linear layers, trained on MNIST at 14 x 14, in float32."""
    with jax.enable_x64(False):
        task = load_task("mnist5k").with_inputs(_halved)
        shape, classes = task.input_shape, task.num_classes
        source = drawn(lambda key: DNN(shape, classes, depth=depth, width=WIDTH, key=key), seed)
        rows = _rows(task.y_train, PER_CLASS, seed)
        x, y = task.x_train[rows].astype(np.float32), task.one_hot(task.y_train[rows])
        return train_source(source, x, y, key=jax.random.key(seed), epochs=EPOCHS)[0]


@cache
def before_training(transformation: str, depth: int, per_class: int, seed: int = 0) -> Start:
    """Model, examples, spectrum of Theta_T and residual, before anything is trained; the seed draws source, examples and W."""
    source, digits = trained_source(depth, seed), load_task("digits")
    rows = _rows(digits.y_train, per_class, seed)
    x, y = digits.x_train[rows], np.asarray(digits.one_hot(digits.y_train[rows]), float)
    shapes = x.shape[1:], source.input_shape
    if transformation == "vp":  # its start is not random
        a = make_input_map("vp", *shapes, key=None)
    else:
        a = drawn(lambda key: make_input_map(transformation, *shapes, key=key), 100 + seed)
    model = Reprogram(a, source)
    kernel = empirical_ntk(amplified(model, x, y, 1.0)[0], x)  # in the form that real training has, which compiles once
    residual = predict_float64(model, x) - y
    found = spectrum(kernel, vectors=True)
    return Start(model, x, y, kernel, found, residual, found.cumulative_label_weight(residual))


@lru_cache(maxsize=256)
def real_training(
    transformation: str, depth: int, per_class: int, fraction: float, alpha: float
) -> tuple[np.ndarray, float]:
    """(loss before steps 0 ... STEPS, drift of the kernel by then) of real gradient descent; infinite where it diverged."""
    start = before_training(transformation, depth, per_class)
    model, y = amplified(start.model, start.x, start.y, alpha)
    step = fraction * stability_limit(start.spectrum, len(y)) / alpha**2
    trained, losses = gradient_descent(model, start.x, y, step=step, steps=STEPS)
    losses = np.nan_to_num(np.asarray(losses, float), nan=np.inf)
    if not np.isfinite(losses[-1]):
        return losses, np.inf
    return losses, kernel_change(empirical_ntk(trained, start.x) / alpha**2, start.kernel)[0]


def steps_to_half(losses: Float[np.ndarray, " T"]) -> int | None:
    """The first number of steps after which the loss is at most half of that at the start; None if it never is."""
    reached = np.flatnonzero(losses <= losses[0] / 2)
    return int(reached[0]) if len(reached) else None


def _after(steps: int | None) -> str:
    if steps is None:
        return "half of the start is not reached"
    return f"half of the start is reached after {steps} {'step' if steps == 1 else 'steps'}"


class LearningCurveView(ViewModel):
    """The loss that the spectrum predicts for a reprogrammed network, and on demand the loss of real training."""

    title = "Predicted before training, and real"
    alt = (
        "Left, the training loss against gradient-descent steps on a logarithmic axis: dashed as the kernel of step 0 "
        "predicts it, and, if asked for, solid as it really is. Right, the share of the squared residual that lies along the "
        "k eigenvectors of largest eigenvalue, against k, with a vertical line between what is half learned by the last step and "
        "what is not."
    )
    controls = {
        "transformation": Choice("input transformation", {"FC": "fc", "VP": "vp"}, "fc"),
        "depth": Choice("depth of the source", {"1 (linear)": 1, "3": 3, "5": 5}, 3),
        "per_class": Choice("examples a class", (1, 2, 5), 2),
        "fraction": Slider("step, share of the limit", 0.02, 1.2, 0.1, 0.02),
        "alpha": Slider("output scale α", -1, 1.5, 1.0, 0.25, log=True),
        "real": Toggle("show real training"),
    }

    def compute(
        self, *, transformation: str, depth: int, per_class: int, fraction: float, alpha: float, real: bool
    ) -> dict:
        start = before_training(transformation, depth, per_class)
        step = fraction * stability_limit(start.spectrum, len(start.y))
        prediction = Prediction(start.spectrum, start.residual, step)
        shrunk = np.abs(1 - step * start.spectrum.values / len(start.y)) ** STEPS  # of every mode, by the last step
        losses, drift = real_training(transformation, depth, per_class, fraction, alpha) if real else (None, None)
        return {
            "transformation": transformation, "depth": depth, "fraction": fraction, "alpha": alpha,
            "predicted": prediction.loss(TIMES), "real": losses, "drift": drift, "floor": mse(prediction.unlearned),
            "cumulative": start.cumulative, "half_learned": int((shrunk <= 0.5).sum()), "rank": start.spectrum.rank,
        }  # fmt: skip

    def draw(self, data):
        figure, (left, right) = plt.subplots(1, 2, figsize=(5.8, 2.9), width_ratios=(1.5, 1))
        start = data["predicted"][0]
        if data["real"] is not None:
            left.plot(TIMES, data["real"], color=OKABE_ITO[1], lw=3, alpha=0.7, label="real")
        left.plot(TIMES, data["predicted"], color=OKABE_ITO[0], ls="--", label="predicted")
        shown = [data["predicted"]] + ([] if data["real"] is None else [data["real"]])
        low = min(np.min(losses[np.isfinite(losses)]) for losses in shown)
        left.set(yscale="log", xlabel="steps", ylabel="training loss $L$", ylim=(low / 1.5, 3 * start))
        left.legend()
        places = np.arange(1, len(data["cumulative"]) + 1)
        right.plot(places, data["cumulative"], color=OKABE_ITO[2])
        if data["half_learned"]:
            right.axvline(data["half_learned"], color="black", ls=":", lw=1.2, label="half learned")
            right.legend(loc="upper left")
        right.set(xscale="log", ylim=(0, 1.03), xlabel="eigenvectors $k$", ylabel="share of $\\|r(0)\\|^2$")
        return figure

    def words(self, data) -> str:
        name, predicted, real = INPUT_MAPS[data["transformation"]].label, data["predicted"], data["real"]
        said = f"{name}, source of depth {data['depth']}, step {data['fraction']:.2g} of the limit, α = {data['alpha']:.3g}: "
        if data["fraction"] > 1:
            said += "above the stability limit the kernel of step 0 predicts that the loss grows without end. "
        else:
            said += (
                f"the kernel of step 0 predicts a loss of {predicted[-1]:.3g} after {STEPS} steps, from {predicted[0]:.3g}; "
                f"{_after(steps_to_half(predicted))}. "
            )
        said += f"{data['half_learned']} of {len(data['cumulative'])} directions are at least half learned by then"
        outside = len(data["cumulative"]) - data["rank"]
        said += f", and {outside} can never be. " if outside else ". "
        if real is None:
            return said + "Tick “show real training” to compare."
        if not np.isfinite(real[-1]):
            return said + "Real training diverges."
        if real[-1] > real[0]:
            said += f"Real training ends at {real[-1]:.3g}, above its start. "
        else:
            said += f"Real training ends at {real[-1]:.3g}; {_after(steps_to_half(real))}. "
        if data["fraction"] <= 1:
            said += f"The prediction is off by {predicted[-1] / real[-1] - 1:+.1%} at the end. "
        return said + f"The kernel has moved by {data['drift']:.2g} of its size."
